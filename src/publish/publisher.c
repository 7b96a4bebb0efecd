/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/publisher.h"

#include "base/log.h"
#include "base/str.h"
#include "publish/state.h"
#include "store/publish.h"

#include <stdlib.h>
#include <string.h>

enum {
	/* What other processes wrote to the database is looked for so often, and among
	 * so many open accounts at a time: where a paced change leaves more of them open,
	 * they take turns. */
	FIND_PAUSE_MS = 1000,
	FIND_PAGE = 4096,
	SWEEP_PACE = 100 /* accounts a second, of a pass that nobody waits for */
};

/* ---- the thread ---- */

static int
find_item(void *ctx, const struct store_publish_item *item, struct err *err)
{
	struct publisher *p = ctx;
	(void)err; /* the sweep makes up for what there is no memory for */
	p->find_after = item->account;
	p->find_count++;
	publish_found(p, item->account, item->generation,
		item->urgent_generation > item->proven_generation);
	return 0;
}

/* The store tells of the commits of this process only; an operator's commands write
 * beside it. */
static void
find_open(struct publisher *p)
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	p->find_at = publish_now_ms(p) + FIND_PAUSE_MS;
	p->find_count = 0;
	int rc = store_read_begin_one(p->params.store, &conn, &err);
	if (rc == 0) {
		rc = store_publish_scan(conn, STORE_SCAN_OPEN, p->find_after, FIND_PAGE,
			find_item, p, &err);
		store_read_end(p->params.store, conn);
	}
	if (rc != 0) {
		log_err("cannot look for open accounts", &err,
			LOG_INT("after", p->find_after));
	}
	if (p->find_count < FIND_PAGE) {
		p->find_after = 0;
	}
}

static void
go_down(struct publisher *p)
{
	p->up = false;
	p->round = ROUND_REST;
	p->standing_due = true;
}

/* Nothing is sent on a connection that the publisher does not know of: it would be pushed
 * over what was not looked at since. */
int
publish_request(struct publisher *p, uint64_t number, const char *subject,
	const void *data, size_t len, int64_t timeout_ms, struct err *err)
{
	struct bus_request request = {
		.number = number,
		.epoch = p->epoch,
		.subject = subject,
		.data = data,
		.len = len,
		.timeout_ms = timeout_ms,
	};
	int rc = p->up ? bus_request(p->bus, &request, err)
		       : err_set(err, ERR_STALE, "not connected to NATS");
	if (rc != 0 && err->code == ERR_STALE) {
		go_down(p);
	}
	return rc;
}

static void
on_up(struct publisher *p, uint64_t epoch)
{
	p->up = true;
	p->epoch = epoch;
	p->round = ROUND_REST;
	p->standing_due = false; /* the first round tells */
	publish_drop_proofs(p, false);
	p->roster.len = 0;
	p->round_not_before = 0;
	publish_forget_seen(p); /* meanwhile another hand may have pushed */
	/* what failed on the old connection need not wait on the new one */
	jobs_retry_failed(&p->jobs);
}

static void
on_answer(struct publisher *p, struct note *note)
{
	if (p->round != ROUND_REST && note->request == p->round_request) {
		publish_on_round_answer(p, note);
		return;
	}
	if (note->request == p->pass.request) {
		publish_on_list_answer(p, note);
		return;
	}
	if (note->request == p->silence.request) {
		publish_on_kind_answer(p, note);
		return;
	}
	struct job *job = jobs_find_request(&p->jobs, note->request);
	if (job == NULL) {
		return; /* late: that try is over */
	}
	if (job->phase == JOB_PUSHING) {
		publish_on_update_answer(p, job, note);
	} else {
		publish_on_lookup_answer(p, job, note);
	}
}

static void
on_expired(struct publisher *p, uint64_t request)
{
	if (p->round != ROUND_REST && request == p->round_request) {
		publish_finish_round(p);
		return;
	}
	if (request == p->pass.request) {
		publish_finish_list(p);
		return;
	}
	struct job *job = jobs_find_request(&p->jobs, request);
	if (job == NULL) {
		return;
	}
	if (job->phase == JOB_PUSHING) {
		publish_finish_push(p, job);
	} else {
		publish_finish_look(p, job);
	}
}

static void
on_bus_note(struct publisher *p, struct note *note)
{
	switch (note->bus) {
	case BUS_EVENT_UP:
		on_up(p, note->epoch);
		break;
	case BUS_EVENT_DOWN:
		go_down(p);
		break;
	case BUS_EVENT_REPLY:
		on_answer(p, note);
		break;
	case BUS_EVENT_EXPIRED:
		on_expired(p, note->request);
		break;
	case BUS_EVENT_MESSAGE:
	case BUS_EVENT_DROPPED:
		break; /* notes of their own */
	}
}

static void
on_note(struct publisher *p, struct note *note)
{
	switch (note->kind) {
	case NOTE_BUS:
		on_bus_note(p, note);
		break;
	case NOTE_WANTED:
		publish_want(p, note->account, note->want);
		break;
	case NOTE_RECONCILE:
		publish_restart_sweep(p, true);
		break;
	case NOTE_SERVER:
		if (roster_index(&p->roster, note->data) < 0) {
			p->roster_at = 0; /* who is there is asked at once */
		}
		break;
	case NOTE_OTHER_HAND:
		publish_on_other_hand(p, note);
		break;
	case NOTE_REMOVAL:
		publish_on_removal(p, note);
		break;
	case NOTE_UNHEARD:
		publish_on_unheard(p);
		break;
	}
}

/* Somebody is there to work for. */
static bool
can_work(const struct publisher *p)
{
	return p->up && p->roster.len > 0 && !p->barred;
}

/* The sweep finds all that is open by itself. */
static bool
may_find(const struct publisher *p)
{
	return can_work(p) && p->pass.stage != SWEEP_OPEN &&
		jobs_new(&p->jobs) - p->jobs.ready_in[LANE_LOOK] <
		p->params.in_flight_max;
}

static void
work(struct publisher *p)
{
	publish_hurry(p);
	publish_let_paced_go(p);
	if (may_find(p) && publish_now_ms(p) >= p->find_at) {
		find_open(p);
	}
	publish_sweep(p);
	publish_start_ready(p);
	publish_tend_silence(p);
}

static void
tell_status(struct publisher *p)
{
	pthread_mutex_lock(&p->status_lock);
	p->status.roster = p->roster;
	if (!p->up) {
		p->status.roster.len = 0;
	}
	p->status.open = p->jobs.len + p->proof_count;
	p->status.pushed = p->pushed;
	memcpy(p->status.blocked, p->blocked, sizeof(p->blocked));
	p->status.sweep = p->pass.told;
	pthread_mutex_unlock(&p->status_lock);
}

static void
step(struct publisher *p)
{
	int64_t now = publish_now_ms(p);
	jobs_promote(&p->jobs, now);
	publish_remember_standing(p);
	if (p->up && p->round == ROUND_REST && now >= publish_round_due(p)) {
		publish_begin_round(p);
	}
	if (can_work(p)) {
		work(p);
	}
	tell_status(p);
}

static int64_t
next_wait(const struct publisher *p)
{
	int64_t now = publish_now_ms(p);
	int64_t due = jobs_next_due(&p->jobs);
	if (p->standing_due) {
		due = publish_earlier_of(due, p->standing_at);
	}
	if (p->up && p->round == ROUND_REST) {
		due = publish_earlier_of(due, publish_round_due(p));
	}
	if (can_work(p)) {
		due = publish_earlier_of(due, publish_pace_due(p));
		due = publish_earlier_of(due, publish_hurry_due(p));
		due = publish_earlier_of(due, publish_start_due(p));
		due = publish_earlier_of(due, publish_silence_due(p));
		due = publish_earlier_of(due, publish_sweep_due(p));
	}
	if (may_find(p)) {
		due = publish_earlier_of(due, p->find_at);
	}
	if (due == INT64_MAX) {
		return -1;
	}
	return due > now ? due - now : 0;
}

/* Out of memory, notes were dropped: answers are asked for again, and how the connection
 * stands is read instead of heard. What the other notes say of it is older. */
static void
recover(struct publisher *p)
{
	struct bus_status status;
	publish_restart_active(p);
	publish_want_look_all(p); /* some may have told of other hands */
	p->round = ROUND_REST;
	bus_status(p->bus, &status);
	p->up = false;
	p->standing_due = true;
	if (status.state == BUS_UP) {
		on_up(p, status.epoch);
	}
}

static void *
run(void *ctx)
{
	struct publisher *p = ctx;
	struct note_list notes;
	bool lost = false;
	p->standing_due = true; /* the last one that ran may have ended anyhow */
	publish_remember_standing(p);
	while (inbox_take(p->inbox, next_wait(p), &notes, &lost)) {
		while (!STAILQ_EMPTY(&notes)) {
			struct note *note = STAILQ_FIRST(&notes);
			STAILQ_REMOVE_HEAD(&notes, link);
			on_note(p, note);
			free(note);
		}
		if (lost) {
			recover(p);
		}
		step(p);
	}
	while (!STAILQ_EMPTY(&notes)) {
		struct note *note = STAILQ_FIRST(&notes);
		STAILQ_REMOVE_HEAD(&notes, link);
		free(note);
	}
	return NULL;
}

/* ---- from outside ---- */

static void
set_default(int64_t *value, int64_t fallback)
{
	if (*value == 0) {
		*value = fallback;
	}
}

static void
set_defaults(struct publisher_params *params)
{
	set_default(&params->debounce_quiet_ms, 200);
	set_default(&params->debounce_max_ms, 1000);
	set_default(&params->request_ms, 2000);
	set_default(&params->request_max_ms, 10000);
	set_default(&params->role_pace, 20);
	set_default(&params->sweep_pause_ms, 10000);
	if (params->in_flight_max == 0) {
		params->in_flight_max = 128;
	}
}

int
publisher_new(
	const struct publisher_params *params, struct publisher **out, struct err *err)
{
	struct publisher *p = calloc(1, sizeof(*p));
	if (p == NULL) {
		return err_nomem(err);
	}
	p->params = *params;
	set_defaults(&p->params);
	p->role_pace.rate = p->params.role_pace;
	p->pass.pace.rate = SWEEP_PACE;
	p->next_request = 1;
	jobs_init(&p->jobs);
	pthread_mutex_init(&p->status_lock, NULL);
	if (inbox_new(&p->inbox, err) != 0) {
		publisher_free(p);
		return err_nomem(err);
	}
	*out = p;
	return 0;
}

void
publisher_on_commit(void *ctx, const struct store_change *changes, size_t n)
{
	struct publisher *p = ctx;
	for (size_t i = 0; i < n; i++) {
		if (changes[i].action == STORE_WANTED) {
			inbox_put_wanted(p->inbox, changes[i].seq,
				changes[i].urgent          ? WANT_NOW
					: changes[i].paced ? WANT_PACED
							   : WANT_SOON);
		}
	}
}

void
publisher_reconcile(struct publisher *publisher)
{
	inbox_put(publisher->inbox, NOTE_RECONCILE, "", 0);
}

/* "$SYS.SERVER.<id>.STATSZ" says who is there; the others hold the JWT of an account, or
 * a request to remove some. */
static void
put_message(struct publisher *p, const struct bus_event *event)
{
	static const char server[] = "$SYS.SERVER.";
	if (str_starts_with(event->subject, server)) {
		const char *id = event->subject + sizeof(server) - 1;
		inbox_put(p->inbox, NOTE_SERVER, id, strcspn(id, "."));
	} else if (str_equal(event->subject, "$SYS.REQ.CLAIMS.DELETE")) {
		inbox_put(p->inbox, NOTE_REMOVAL, event->data, event->len);
	} else {
		inbox_put(p->inbox, NOTE_OTHER_HAND, event->data, event->len);
	}
}

void
publisher_on_bus(void *ctx, const struct bus_event *event)
{
	struct publisher *p = ctx;
	if (event->kind == BUS_EVENT_MESSAGE) {
		put_message(p, event);
	} else if (event->kind == BUS_EVENT_DROPPED) {
		inbox_put(p->inbox, NOTE_UNHEARD, "", 0);
	} else {
		inbox_put_bus(p->inbox, event);
	}
}

int
publisher_subscribe(struct bus *bus, struct err *err)
{
	static const char *const subjects[] = { "$SYS.SERVER.*.STATSZ",
		"$SYS.REQ.CLAIMS.UPDATE", "$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE",
		"$SYS.ACCOUNT.*.CLAIMS.UPDATE", "$SYS.REQ.CLAIMS.DELETE" };
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		if (bus_subscribe(bus, subjects[i], err) != 0) {
			return -1;
		}
	}
	return 0;
}

int
publisher_start(struct publisher *publisher, struct bus *bus, struct err *err)
{
	publisher->bus = bus;
	if (pthread_create(&publisher->thread, NULL, run, publisher) != 0) {
		return err_set(
			err, ERR_UNAVAILABLE, "cannot start the publisher's thread");
	}
	publisher->started = true;
	return 0;
}

void
publisher_stop(struct publisher *publisher)
{
	if (publisher->started) {
		inbox_close(publisher->inbox);
		pthread_join(publisher->thread, NULL);
		publisher->started = false;
	}
}

void
publisher_free(struct publisher *publisher)
{
	if (publisher == NULL) {
		return;
	}
	publisher_stop(publisher);
	jobs_release(&publisher->jobs);
	inbox_free(publisher->inbox);
	pthread_mutex_destroy(&publisher->status_lock);
	free(publisher->proofs);
	seq_set_clear(&publisher->seen);
	seq_set_clear(&publisher->looked);
	seq_set_clear(&publisher->pass.unseen);
	free(publisher);
}

void
publisher_status(struct publisher *publisher, struct publisher_status *out)
{
	pthread_mutex_lock(&publisher->status_lock);
	*out = publisher->status;
	pthread_mutex_unlock(&publisher->status_lock);
}
