/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/live.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/emit.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/str.h"
#include "publish/inbox.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

enum {
	TIMEOUT_MS = 2000,
	PAGE_LEN = 1024,
	/* Pages are by position: when some of those before leave, the others move up. So
	 * each page begins with the last ones of the page before; where none of these is
	 * seen again, some may have been missed. */
	PAGE_OVERLAP = 64,
	/* A request number is LIVE_REQUEST_BIT, the question's number, and the slot. */
	SLOT_BITS = 16,
	SLOT_PING = 0,
	SLOT_ALL = 1,
	/* Further pages: of the first one for each place of the roster, of the second,
	 * and so on. None is used again, as news of one that is over may come late. */
	SLOT_PAGES = 2,
	PAGES_MAX = LIVE_CONNECTIONS_MAX / (PAGE_LEN - PAGE_OVERLAP) + 2
};

_Static_assert(
	SLOT_PAGES + PAGES_MAX * ROSTER_MAX <= 1 << SLOT_BITS, "a slot for each page");

struct question {
	LIST_ENTRY(question) link;
	struct live *live;
	uint64_t number; /* with the bit, without the slot */

	/* under the live's lock */
	struct note_list notes;
	bool lost; /* out of memory: an answer is missing */

	/* the asking thread's own */
	const char *what; /* CONNZ, VARZ */
	const char *subject; /* of all servers; NULL: that of `what` */
	const char *body; /* with it; NULL: that of `what` */
	size_t body_len;
	/* Reads an answer of the server at that place, and asks for more when there is
	 * more. -1: unreadable, unless q->failed says that the question is over. */
	int (*read)(struct question *q, size_t at, const struct answer *answer,
		struct err *err);
	/* Its error, in its words; NULL: it is odd. -1: the question is over. */
	int (*refused)(struct question *q, size_t at, const char *words, struct err *err);
	int (*on_connection)(void *ctx, const struct server *server,
		const struct connection *row, struct err *err);
	int (*on_trust)(void *ctx, const struct server *server,
		const struct strlist *trusted, struct err *err);
	int (*on_stream)(void *ctx, const struct server *server, const char *stream,
		struct err *err);
	int (*on_server)(void *ctx, const struct server *server, struct err *err);
	int (*on_account)(void *ctx, const struct server *server, const char *account_key,
		struct err *err);
	int (*on_removed)(void *ctx, const struct server *server, int64_t removed,
		const char *words, struct err *err);
	void *ctx;
	const char *account_key;
	struct roster *roster; /* too large for the stack of an HTTP worker */
	bool expired; /* whoever has not answered yet will not */
	bool failed; /* the callback said so, or no memory */
	uint64_t answered; /* by place in the roster, as bits */
	uint64_t odd; /* answered, but nothing of use */
	unsigned awaited[ROSTER_MAX]; /* the slot of a further page; 0: none */
	unsigned pages[ROSTER_MAX]; /* asked for */
	int64_t offset[ROSTER_MAX]; /* of the awaited page */
	int64_t last_cid[ROSTER_MAX];
	int64_t total[ROSTER_MAX];
	int64_t connections;
	bool cut;
	bool gap; /* some may have been missed between pages */
};

LIST_HEAD(question_list, question);

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
	struct question *q = NULL;
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

/* Waits for notes for as long as the silence may last; false when it lasted so long. */
static bool
take_notes(struct question *q, struct note_list *out)
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
	STAILQ_CONCAT(out, &q->notes);
	bool lost = q->lost;
	pthread_mutex_unlock(&live->lock);
	return !lost && !STAILQ_EMPTY(out);
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

static void
put_body(const struct question *q, int64_t offset, struct buf *out)
{
	struct emit emit;
	if (q->account_key == NULL) {
		return;
	}
	emit_init(&emit, out);
	emit_object_begin(&emit);
	emit_kv_bool(&emit, "auth", true);
	emit_kv_text(&emit, "acc", q->account_key);
	emit_kv_text(&emit, "sort", "cid");
	emit_kv_int(&emit, "limit", PAGE_LEN);
	emit_kv_int(&emit, "offset", offset);
	emit_object_end(&emit);
}

/* target: PING for all servers, or the id of one. */
static int
send_request(struct question *q, unsigned slot, const char *target, int64_t offset,
	struct err *err)
{
	char subject[BUS_SUBJECT_MAX];
	struct buf body;
	buf_init_secret(&body, BUS_PAYLOAD_MAX);
	buf_put_str(&body, "");
	if (q->body != NULL) {
		buf_put(&body, q->body, q->body_len);
	} else {
		put_body(q, offset, &body);
	}
	int rc = buf_finish(&body, err);
	if (rc == 0 &&
		(q->subject != NULL ? str_copy(subject, sizeof(subject), q->subject)
				    : str_fmt(subject, sizeof(subject),
					      "$SYS.REQ.SERVER.%s.%s", target,
					      q->what)) != 0) {
		rc = err_set(err, ERR_INVALID, "a server id that is too long");
	}
	if (rc == 0) {
		rc = bus_request(q->live->bus, q->number | slot, subject, body.data,
			body.len, q->live->params.timeout_ms, err);
	}
	buf_release(&body);
	return rc;
}

static int
open_question(struct question *q, struct live *live, struct err *err)
{
	q->live = live;
	STAILQ_INIT(&q->notes);
	pthread_mutex_lock(&live->lock);
	q->number = LIVE_REQUEST_BIT | ++live->last_number << SLOT_BITS;
	LIST_INSERT_HEAD(&live->questions, q, link);
	pthread_mutex_unlock(&live->lock);
	/* Who is there is asked for anew: the publisher's round of an idle system may be
	 * seconds old, and a server that came since must not be passed over. */
	if (bus_request(live->bus, q->number | SLOT_PING, "$SYS.REQ.SERVER.PING", "", 0,
		    live->params.timeout_ms, err) != 0) {
		return -1;
	}
	return send_request(q, SLOT_ALL, "PING", 0, err);
}

static void
close_question(struct question *q)
{
	struct live *live = q->live;
	for (size_t at = 0; at < q->roster->len; at++) {
		if (q->awaited[at] != 0) {
			bus_cancel(live->bus, q->number | q->awaited[at]);
		}
	}
	bus_cancel(live->bus, q->number | SLOT_ALL);
	bus_cancel(live->bus, q->number | SLOT_PING);
	pthread_mutex_lock(&live->lock);
	LIST_REMOVE(q, link);
	pthread_mutex_unlock(&live->lock);
	free_notes(&q->notes); /* nobody finds it any more */
}

static bool
have_all_answered(const struct question *q)
{
	bool all = roster_is_complete(q->roster) && !q->roster->overflow;
	for (size_t at = 0; at < q->roster->len; at++) {
		all = all && (q->answered & bit(at)) != 0;
	}
	return all;
}

static bool
is_paging(const struct question *q)
{
	bool paging = false;
	for (size_t at = 0; at < q->roster->len; at++) {
		paging = paging || q->awaited[at] != 0;
	}
	return paging;
}

static bool
is_over(const struct question *q)
{
	return !is_paging(q) && (q->expired || have_all_answered(q));
}

/* ---- hearing ---- */

static void
on_ping(struct question *q, const struct note *note)
{
	struct err err = { 0 };
	if (note->bus == BUS_EVENT_REPLY && !note->no_responders &&
		roster_add(q->roster, note->data, note->len, NULL, &err) != 0) {
		log_warn("odd answer to PING", LOG_STR("error", err.msg));
	}
}

/* The place of the server, which may answer this before PING; -1: there is none for it.
 */
static int
place_of(struct question *q, const struct server *server)
{
	int at = roster_index(q->roster, server->id);
	if (at < 0 && q->roster->len < ROSTER_MAX) {
		at = (int)q->roster->len;
		q->roster->servers[q->roster->len++] = *server;
	}
	q->roster->overflow = q->roster->overflow || at < 0;
	return at;
}

static void
log_odd(const struct question *q, const struct server *server, const struct err *err)
{
	log_warn("odd answer of a server", LOG_STR("to", q->what),
		LOG_STR("server", server->name), LOG_STR("error", err->msg));
}

/* A server's answer: its first one in SLOT_ALL, or the page that was asked for. Errors
 * are the callback's. */
static int
on_answer(struct question *q, unsigned slot, struct note *note, struct err *err)
{
	struct err odd = { 0 };
	struct server server = { 0 };
	struct answer *answer = NULL;
	int rc = answer_parse(note->data, note->len, &server, &answer, &odd);
	if (rc != 0 && server.id[0] == '\0') {
		log_odd(q, &server, &odd);
		return 0;
	}
	int at = place_of(q, &server);
	if (at < 0 ||
		(slot == SLOT_ALL ? (q->answered & bit((size_t)at)) != 0
				  : slot != q->awaited[at])) {
		answer_free(answer);
		return 0; /* again, or of nobody's */
	}
	uint64_t mine = bit((size_t)at);
	q->answered |= mine;
	if (slot != SLOT_ALL) {
		bus_cancel(q->live->bus, q->number | slot);
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
on_note(struct question *q, struct note *note, struct err *err)
{
	unsigned slot = (unsigned)(note->request & ((1U << SLOT_BITS) - 1));
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
	size_t at = (slot - SLOT_PAGES) % ROSTER_MAX;
	if (q->awaited[at] == slot) {
		q->awaited[at] = 0;
		q->odd |= bit(at);
	}
	return 0;
}

static void
summarize(const struct question *q, struct live_summary *out)
{
	struct live_summary summary = {
		.servers = q->roster->len,
		.cut = q->cut,
		.connections = q->connections,
		.complete = have_all_answered(q) && !q->cut && !q->gap && !is_paging(q) &&
			q->odd == 0,
	};
	for (size_t at = 0; at < q->roster->len; at++) {
		summary.answered += (q->answered & bit(at)) != 0 ? 1 : 0;
		summary.total += q->total[at];
	}
	if (q->roster->active > (int64_t)summary.servers) {
		summary.servers = (size_t)q->roster->active;
	}
	*out = summary;
}

/* Until all have answered, or the silence has lasted too long. */
static int
hear(struct question *q, struct err *err)
{
	struct note_list notes;
	int rc = 0;
	while (rc == 0 && !is_over(q) && take_notes(q, &notes)) {
		while (rc == 0 && !STAILQ_EMPTY(&notes)) {
			struct note *note = STAILQ_FIRST(&notes);
			STAILQ_REMOVE_HEAD(&notes, link);
			rc = on_note(q, note, err);
			free_note(note);
		}
		free_notes(&notes);
	}
	return rc;
}

static int
ask(struct live *live, struct question *q, struct live_summary *out, struct err *err)
{
	struct live_summary summary = { 0 };
	q->roster = calloc(1, sizeof(*q->roster));
	if (q->roster == NULL) {
		return err_nomem(err);
	}
	int rc = open_question(q, live, err);
	if (rc == 0) {
		rc = hear(q, err);
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

/* ---- connections ---- */

static int
show_connections(struct question *q, size_t at, const struct answer *answer, size_t len,
	struct err *err)
{
	for (size_t i = 0; i < len; i++) {
		struct connection row;
		if (answer_connection(answer, i, &row, err) != 0) {
			return -1;
		}
		if (row.cid <= q->last_cid[at]) {
			continue; /* seen in the page before */
		}
		q->gap = q->gap || (i == 0 && q->last_cid[at] > 0);
		if (q->connections == LIVE_CONNECTIONS_MAX) {
			q->cut = true;
			return 0;
		}
		q->last_cid[at] = row.cid;
		q->connections++;
		if (q->on_connection(q->ctx, &q->roster->servers[at], &row, err) != 0) {
			q->failed = true;
			return -1;
		}
	}
	return 0;
}

static int
read_page(struct question *q, size_t at, const struct answer *answer, struct err *err)
{
	struct page page;
	if (answer_page(answer, &page, err) != 0) {
		return -1;
	}
	if (page.offset != q->offset[at]) {
		return err_set(err, ERR_INVALID, "another page than was asked for");
	}
	q->total[at] = page.total;
	q->gap = q->gap || (page.len == 0 && page.total > 0);
	if (show_connections(q, at, answer, page.len, err) != 0) {
		return -1;
	}
	int64_t end = page.offset + (int64_t)page.len;
	if (page.len == 0 || end >= page.total || q->cut) {
		return 0;
	}
	if (page.len != PAGE_LEN || q->pages[at] == PAGES_MAX) {
		return err_set(err, ERR_INVALID, "%zu connections and no end in page %u",
			page.len, q->pages[at] + 1);
	}
	q->offset[at] = end - PAGE_OVERLAP;
	unsigned slot = SLOT_PAGES + q->pages[at]++ * ROSTER_MAX + (unsigned)at;
	if (send_request(q, slot, q->roster->servers[at].id, q->offset[at], err) != 0) {
		return -1;
	}
	q->awaited[at] = slot;
	return 0;
}

int
live_connections(struct live *live, const char *account_key,
	int (*fn)(void *ctx, const struct server *server, const struct connection *row,
		struct err *err),
	void *ctx, struct live_summary *out, struct err *err)
{
	struct nkey_public key;
	struct question q = {
		.what = "CONNZ",
		.read = read_page,
		.account_key = account_key,
		.on_connection = fn,
		.ctx = ctx,
	};
	if (nkey_text_decode(NKEY_ACCOUNT, account_key, strlen(account_key), &key, err) !=
		0) {
		return -1;
	}
	return ask(live, &q, out, err);
}

/* ---- trust ---- */

static int
read_trust(struct question *q, size_t at, const struct answer *answer, struct err *err)
{
	struct strlist trusted = { 0 };
	if (answer_trusted(answer, &trusted, err) != 0) {
		return -1;
	}
	int rc = q->on_trust(q->ctx, &q->roster->servers[at], &trusted, err);
	q->failed = rc != 0;
	strlist_release(&trusted);
	return rc;
}

int
live_trust(struct live *live,
	int (*fn)(void *ctx, const struct server *server, const struct strlist *trusted,
		struct err *err),
	void *ctx, struct live_summary *out, struct err *err)
{
	struct question q = {
		.what = "VARZ",
		.read = read_trust,
		.on_trust = fn,
		.ctx = ctx,
	};
	return ask(live, &q, out, err);
}

/* ---- streams ---- */

static int
read_streams(struct question *q, size_t at, const struct answer *answer, struct err *err)
{
	struct strlist streams = { 0 };
	if (answer_streams(answer, q->account_key, &streams, err) != 0) {
		return -1;
	}
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < streams.len; i++) {
		rc = q->on_stream(q->ctx, &q->roster->servers[at], streams.items[i], err);
	}
	q->failed = rc != 0;
	strlist_release(&streams);
	return rc;
}

int
live_streams(struct live *live, const char *account_key,
	int (*fn)(void *ctx, const struct server *server, const char *stream,
		struct err *err),
	void *ctx, struct live_summary *out, struct err *err)
{
	struct nkey_public key;
	struct buf body;
	struct emit emit;
	struct question q = {
		.what = "JSZ",
		.read = read_streams,
		.account_key = account_key,
		.on_stream = fn,
		.ctx = ctx,
	};
	if (nkey_text_decode(NKEY_ACCOUNT, account_key, strlen(account_key), &key, err) !=
		0) {
		return -1;
	}
	buf_init(&body, 512);
	emit_init(&emit, &body);
	emit_object_begin(&emit);
	emit_kv_text(&emit, "account", account_key);
	emit_kv_bool(&emit, "accounts", true);
	emit_kv_bool(&emit, "streams", true);
	emit_object_end(&emit);
	int rc = buf_finish(&body, err);
	if (rc == 0) {
		q.body = body.data;
		q.body_len = body.len;
		rc = ask(live, &q, out, err);
	}
	buf_release(&body);
	return rc;
}

/* ---- accounts ---- */

struct accounts_of {
	struct question *q;
	size_t at;
};

static int
show_account(void *ctx, const char *account_key, struct err *err)
{
	const struct accounts_of *of = ctx;
	struct question *q = of->q;
	int rc = q->on_account(q->ctx, &q->roster->servers[of->at], account_key, err);
	q->failed = rc != 0;
	return rc;
}

static int
read_accounts(struct question *q, size_t at, const struct answer *answer, struct err *err)
{
	struct accounts_of of = { .q = q, .at = at };
	if (q->on_server(q->ctx, &q->roster->servers[at], err) != 0) {
		q->failed = true;
		return -1;
	}
	return answer_accounts(answer, show_account, &of, err);
}

int
live_accounts(struct live *live,
	int (*on_server)(void *ctx, const struct server *server, struct err *err),
	int (*fn)(void *ctx, const struct server *server, const char *account_key,
		struct err *err),
	void *ctx, struct live_summary *out, struct err *err)
{
	struct question q = {
		.what = "LIST",
		.subject = "$SYS.REQ.CLAIMS.LIST",
		.body = "",
		.read = read_accounts,
		.on_server = on_server,
		.on_account = fn,
		.ctx = ctx,
	};
	return ask(live, &q, out, err);
}

static int
read_removed(struct question *q, size_t at, const struct answer *answer, struct err *err)
{
	int64_t removed = 0;
	if (answer_removed(answer, &removed, err) != 0) {
		return -1;
	}
	int rc = q->on_removed(q->ctx, &q->roster->servers[at], removed, "", err);
	q->failed = rc != 0;
	return rc;
}

static int
refused_removal(struct question *q, size_t at, const char *words, struct err *err)
{
	return q->on_removed(q->ctx, &q->roster->servers[at], -1, words, err);
}

int
live_remove(struct live *live, const char *request, size_t len,
	int (*fn)(void *ctx, const struct server *server, int64_t removed,
		const char *words, struct err *err),
	void *ctx, struct live_summary *out, struct err *err)
{
	struct question q = {
		.what = "DELETE",
		.subject = "$SYS.REQ.CLAIMS.DELETE",
		.body = request,
		.body_len = len,
		.read = read_removed,
		.refused = refused_removal,
		.on_removed = fn,
		.ctx = ctx,
	};
	return ask(live, &q, out, err);
}
