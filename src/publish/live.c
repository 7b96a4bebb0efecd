/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/live.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "publish/live_question.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
	TIMEOUT_MS = 2000,
	/* A request number is LIVE_REQUEST_BIT, the question's number, and the slot. */
	SLOT_BITS = 16,
	SLOT_PING = 0,
	SLOT_ALL = 1,
	/* Requests for more: the first one of each place of the roster, the second, and
	 * so on. None is used again, as news of one that is over may come late. */
	SLOT_MORE = 2
};

_Static_assert(SLOT_MORE + LIVE_MORE_MAX * ROSTER_MAX <= 1 << SLOT_BITS,
	"a slot for each request");

LIST_HEAD(question_list, live_question);

struct live {
	struct live_params params;
	struct bus *bus;
	pthread_mutex_t lock;
	pthread_cond_t arrived; /* for all questions: there are never many */
	struct question_list questions;
	uint64_t last_number;
};

/* ---- making it ---- */

int
live_new(const struct live_params *params, struct live **out, struct err *err)
{
	pthread_condattr_t attr;
	struct live *live = calloc(1, sizeof(*live));
	if (live == NULL) {
		return err_nomem(err);
	}
	live->params = *params;
	if (live->params.timeout_ms == 0) {
		live->params.timeout_ms = TIMEOUT_MS;
	}
	LIST_INIT(&live->questions);
	pthread_mutex_init(&live->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&live->arrived, &attr);
	pthread_condattr_destroy(&attr);
	*out = live;
	return 0;
}

void
live_free(struct live *live)
{
	if (live != NULL) {
		pthread_cond_destroy(&live->arrived);
		pthread_mutex_destroy(&live->lock);
		free(live);
	}
}

void
live_set_bus(struct live *live, struct bus *bus)
{
	live->bus = bus;
}

/* ---- notes, from the bus to the thread that asks ---- */

/* They hold JWTs. */
static void
free_note(struct note *note)
{
	if (note != NULL) {
		secret_wipe(note->data, note->len);
		free(note);
	}
}

void
live_on_bus(void *ctx, const struct bus_event *event)
{
	struct live *live = ctx;
	struct live_question *q = NULL;
	uint64_t number = event->request >> SLOT_BITS << SLOT_BITS;
	/* Copied before it is known whether anybody waits: late answers are rare, and
	 * long ones would hold the lock. */
	struct note *note = inbox_note_of_bus(event);
	pthread_mutex_lock(&live->lock);
	LIST_FOREACH(q, &live->questions, link)
	{
		if (q->number == number) {
			break;
		}
	}
	if (q != NULL && note != NULL) {
		STAILQ_INSERT_TAIL(&q->notes, note, link);
		note = NULL;
	} else if (q != NULL) {
		q->lost = true;
	}
	if (q != NULL) {
		pthread_cond_broadcast(&live->arrived);
	}
	pthread_mutex_unlock(&live->lock);
	free_note(note);
}

/* Waits for notes for as long as the silence may last; false when it lasted so long, or
 * one of them is missing. Then all stay where they are. */
static bool
take_notes(struct live_question *q, struct note_list *out)
{
	struct live *live = q->live;
	int64_t until = clock_mono_ms(&clock_system) + live->params.timeout_ms;
	struct timespec deadline = {
		.tv_sec = (time_t)(until / 1000),
		.tv_nsec = (long)(until % 1000) * 1000000,
	};
	int rc = 0;
	STAILQ_INIT(out);
	pthread_mutex_lock(&live->lock);
	while (STAILQ_EMPTY(&q->notes) && !q->lost && rc == 0) {
		rc = pthread_cond_timedwait(&live->arrived, &live->lock, &deadline);
	}
	if (!q->lost) {
		STAILQ_CONCAT(out, &q->notes);
	}
	pthread_mutex_unlock(&live->lock);
	return !STAILQ_EMPTY(out);
}

static void
free_notes(struct note_list *notes)
{
	while (!STAILQ_EMPTY(notes)) {
		struct note *note = STAILQ_FIRST(notes);
		STAILQ_REMOVE_HEAD(notes, link);
		free_note(note);
	}
}

/* ---- asking ---- */

static uint64_t
bit(size_t at)
{
	return UINT64_C(1) << at;
}

int
publish_live_send(struct live_question *q, unsigned slot, const char *subject,
	const char *body, size_t len, struct err *err)
{
	struct bus_request request = {
		.number = q->number | slot,
		.subject = subject,
		.data = body,
		.len = len,
		.timeout_ms = q->live->params.timeout_ms,
	};
	return bus_request(q->live->bus, &request, err);
}

void
publish_live_cancel(struct live_question *q, unsigned slot)
{
	bus_cancel(q->live->bus, q->number | slot);
}

void
publish_live_open(struct live_question *q, struct live *live)
{
	q->live = live;
	STAILQ_INIT(&q->notes);
	pthread_mutex_lock(&live->lock);
	q->number = LIVE_REQUEST_BIT | ++live->last_number << SLOT_BITS;
	LIST_INSERT_HEAD(&live->questions, q, link);
	pthread_mutex_unlock(&live->lock);
}

void
publish_live_close(struct live_question *q)
{
	struct live *live = q->live;
	pthread_mutex_lock(&live->lock);
	LIST_REMOVE(q, link);
	pthread_mutex_unlock(&live->lock);
	free_notes(&q->notes); /* nobody finds it any more */
}

static int
send_question(struct live_question *q, struct err *err)
{
	/* Who is there is asked for anew: the publisher's round of an idle system may be
	 * seconds old, and a server that came since must not be passed over. */
	if (publish_live_send(q, SLOT_PING, "$SYS.REQ.SERVER.PING", "", 0, err) != 0) {
		return -1;
	}
	return publish_live_send(q, SLOT_ALL, q->subject, q->body, q->body_len, err);
}

static void
close_question(struct live_question *q)
{
	for (size_t at = 0; at < q->roster->len; at++) {
		if (q->awaited[at] != 0) {
			publish_live_cancel(q, q->awaited[at]);
		}
	}
	publish_live_cancel(q, SLOT_ALL);
	publish_live_cancel(q, SLOT_PING);
	publish_live_close(q);
}

static bool
have_all_answered(const struct live_question *q)
{
	bool all = roster_is_complete(q->roster) && !q->roster->overflow;
	for (size_t at = 0; at < q->roster->len; at++) {
		all = all && (q->answered & bit(at)) != 0;
	}
	return all;
}

static bool
awaits_more(const struct live_question *q)
{
	bool more = false;
	for (size_t at = 0; at < q->roster->len; at++) {
		more = more || q->awaited[at] != 0;
	}
	return more;
}

static bool
is_answered(const struct live_question *q)
{
	return !awaits_more(q) && (q->expired || have_all_answered(q));
}

/* ---- hearing ---- */

static void
on_ping(struct live_question *q, const struct note *note)
{
	struct err err = { 0 };
	if (note->bus == BUS_EVENT_REPLY && !note->no_responders &&
		roster_add(q->roster, note->data, note->len, NULL, &err) != 0) {
		log_warn("odd answer to PING", LOG_STR("error", err.msg));
	}
}

static void
log_odd(const struct live_question *q, const struct server *server, const struct err *err)
{
	log_warn("odd answer of a server", LOG_STR("to", q->what),
		LOG_STR("server", server->name), LOG_STR("error", err->msg));
}

/* A server's answer: its first one in SLOT_ALL, or what it was asked for besides. Errors
 * are the callback's. */
static int
on_answer(struct live_question *q, unsigned slot, struct note *note, struct err *err)
{
	struct err odd = { 0 };
	struct server server = { 0 };
	struct answer *answer = NULL;
	int rc = answer_parse(note->data, note->len, &server, &answer, &odd);
	if (rc != 0 && server.id[0] == '\0') {
		log_odd(q, &server, &odd);
		return 0;
	}
	int at = roster_keep(q->roster, &server); /* it may answer this before PING */
	if (at < 0 ||
		(slot == SLOT_ALL ? (q->answered & bit((size_t)at)) != 0
				  : slot != q->awaited[at])) {
		answer_free(answer);
		return 0; /* again, or of nobody's */
	}
	uint64_t mine = bit((size_t)at);
	q->answered |= mine;
	if (slot != SLOT_ALL) {
		publish_live_cancel(q, slot);
		q->awaited[at] = 0;
	}
	if (rc == 0) {
		rc = q->read(q, (size_t)at, answer, &odd);
	}
	if (rc != 0 && !q->failed && odd.code == ERR_UNAVAILABLE && q->refused != NULL) {
		struct err words = odd;
		rc = q->refused(q, (size_t)at, words.msg, &odd);
		q->failed = rc != 0;
	}
	if (rc != 0 && !q->failed) {
		q->odd |= mine;
		log_odd(q, &server, &odd);
	}
	answer_free(answer);
	if (q->failed) {
		*err = odd;
		return -1;
	}
	return 0;
}

static int
take_answer(struct live_question *q, unsigned slot, struct note *note, struct err *err)
{
	if (slot == SLOT_PING) {
		on_ping(q, note);
		return 0;
	}
	if (note->bus != BUS_EVENT_EXPIRED && !note->no_responders) {
		return on_answer(q, slot, note, err);
	}
	if (slot == SLOT_ALL) {
		q->expired = true;
		return 0;
	}
	size_t at = (slot - SLOT_MORE) % ROSTER_MAX;
	if (q->awaited[at] == slot) {
		q->awaited[at] = 0;
		q->odd |= bit(at);
	}
	return 0;
}

static void
summarize(const struct live_question *q, struct live_summary *out)
{
	struct live_summary summary = {
		.servers = q->roster->len,
		.complete = have_all_answered(q) && !q->partial && !awaits_more(q) &&
			q->odd == 0,
	};
	for (size_t at = 0; at < q->roster->len; at++) {
		summary.answered += (q->answered & bit(at)) != 0 ? 1 : 0;
	}
	if (q->roster->active > (int64_t)summary.servers) {
		summary.servers = (size_t)q->roster->active;
	}
	*out = summary;
}

int
publish_live_hear(struct live_question *q, struct err *err)
{
	struct note_list notes;
	int rc = 0;
	while (rc == 0 && !q->is_over(q) && take_notes(q, &notes)) {
		while (rc == 0 && !STAILQ_EMPTY(&notes)) {
			struct note *note = STAILQ_FIRST(&notes);
			STAILQ_REMOVE_HEAD(&notes, link);
			rc = q->take(q,
				(unsigned)(note->request & ((1U << SLOT_BITS) - 1)), note,
				err);
			free_note(note);
		}
		free_notes(&notes);
	}
	return rc;
}

int
publish_live_ask(struct live *live, struct live_question *q, struct live_summary *out,
	struct err *err)
{
	struct live_summary summary = { 0 };
	q->take = take_answer;
	q->is_over = is_answered;
	q->roster = calloc(1, sizeof(*q->roster));
	if (q->roster == NULL) {
		return err_nomem(err);
	}
	publish_live_open(q, live);
	int rc = send_question(q, err);
	if (rc == 0) {
		rc = publish_live_hear(q, err);
	}
	close_question(q);
	summarize(q, &summary);
	free(q->roster);
	if (rc != 0) {
		return -1;
	}
	if (summary.answered == 0) {
		return err_set(err, ERR_UNAVAILABLE,
			"no NATS server answered the question about what is live there");
	}
	*out = summary;
	return 0;
}

int
publish_live_ask_more(struct live_question *q, size_t at, const char *subject,
	const char *body, size_t len, struct err *err)
{
	unsigned slot = SLOT_MORE + q->more[at]++ * ROSTER_MAX + (unsigned)at;
	if (publish_live_send(q, slot, subject, body, len, err) != 0) {
		return -1;
	}
	q->awaited[at] = slot;
	return 0;
}
