/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

#include "base/log.h"
#include "base/str.h"
#include "publish/ack.h"
#include "service/minting.h"
#include "service/quarantine.h"
#include "store/publish.h"

#include <stdlib.h>
#include <string.h>

enum {
	BATCH = 64, /* jobs that are read, and minted, together */
	PROOFS_MAX = 4096, /* that wait for a round when more is begun */
	URGENT_PLACES = 16, /* that only urgent ones take */
	WAITING_SHARE = 2 /* of the places, that what nobody has just changed takes */
};

struct start {
	struct job *job;
	struct store_publish_work work;
	int rc;
	struct err err;
};

/* ---- sending ---- */

static void
reset_looks(struct job *job)
{
	job->equal = 0;
	job->missing = 0;
	job->older = 0;
	job->damaged = 0;
}

/* Most servers answer in milliseconds; slow ones are given more time once they have
 * needed it. A look lasts no longer than what it is to show is waited for. */
static int64_t
patience_ms(const struct publisher *p, const struct job *job)
{
	int64_t ms = p->params.request_ms;
	unsigned tries = job->failures + (job->pass ? p->pass.repeats : 0);
	for (unsigned i = 0; i < tries && ms < p->params.request_max_ms; i++) {
		ms *= 2;
	}
	ms = publish_earlier_of(ms, p->params.request_max_ms);
	return job->pushed ? ms : publish_earlier_of(ms, publish_look_limit(p, job));
}

bool
publish_send(struct publisher *p, struct job *job, enum job_phase phase,
	const char *subject, const char *data, size_t len)
{
	struct err err = { 0 };
	uint64_t request = p->next_request++;
	reset_looks(job);
	job->sent_at = publish_now_ms(p);
	if (jobs_activate(&p->jobs, job, phase, request) != 0) {
		publish_fail(p, job, STORE_PUBLISH_PENDING, "out of memory");
		return false;
	}
	if (publish_request(p, request, subject, data, len, patience_ms(p, job), &err) ==
		0) {
		return true;
	}
	if (err.code == ERR_STALE) {
		jobs_make_ready(&p->jobs, job, false); /* for the next connection */
	} else {
		publish_fail(p, job, STORE_PUBLISH_PENDING, err.msg);
	}
	return false;
}

static void
push(struct publisher *p, struct job *job)
{
	p->pushed++;
	job->pushed = true;
	job->answered = 0;
	job->stored = 0;
	job->cached = 0;
	job->refused = false;
	job->words[0] = '\0';
	free(job->said);
	job->said = NULL;
	(void)publish_send(p, job, JOB_PUSHING, "$SYS.REQ.CLAIMS.UPDATE", job->jwt,
		job->jwt_len); /* it told why not */
}

/* ---- what to do with a job ---- */

/* One snapshot for all of them. */
static void
read_work(struct publisher *p, struct start *starts, size_t len)
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	int rc = store_read_begin(p->params.store, &conn, &err);
	for (size_t i = 0; i < len; i++) {
		struct start *start = &starts[i];
		start->rc = rc;
		start->err = err;
		if (rc == 0) {
			start->rc = store_publish_work(
				conn, start->job->account, &start->work, &start->err);
		}
	}
	if (rc == 0) {
		store_read_end(p->params.store, conn);
	}
}

/* Few accounts have any: they are no part of every job. */
static int
take_overruled(struct job *job, const struct store_publish *row, struct err *err)
{
	free(job->overruled);
	job->overruled = NULL;
	job->overruled_len = 0;
	if (row->overruled_len == 0) {
		return 0;
	}
	job->overruled = malloc(row->overruled_len * STORE_HASH_LEN);
	if (job->overruled == NULL) {
		return err_nomem(err);
	}
	memcpy(job->overruled, row->overruled, row->overruled_len * STORE_HASH_LEN);
	job->overruled_len = row->overruled_len;
	return 0;
}

/* The job gets the newest bytes and what is recorded of them. */
static int
take_work(struct start *start, struct err *err)
{
	struct job *job = start->job;
	const struct store_publish *row = &start->work.row;
	if (take_overruled(job, row, err) != 0) {
		free(start->work.jwt);
		return -1;
	}
	memcpy(job->key, start->work.public_key, sizeof(job->key));
	job->found = false;
	job->pushed = false;
	job->wanted = row->generation;
	job->generation = row->minted_generation;
	job->proven = row->proven_generation;
	job->last_iat = row->last_iat;
	job->current = (size_t)start->work.current;
	job->noted = row->message[0] != '\0';
	free(job->jwt);
	job->jwt = start->work.jwt;
	job->jwt_len = start->work.jwt_len;
	start->work.jwt = NULL;
	return 0;
}

static bool
needs_look(const struct publisher *p, const struct job *job)
{
	return job->look || !seq_set_has(&p->seen, job->account);
}

/* The bytes are those that are wanted. */
static void
go_on(struct publisher *p, struct job *job)
{
	if (job->proven >= job->generation && !job->drifted) {
		publish_finish_job(p, job);
	} else {
		push(p, job);
	}
}

static void
hold(struct publisher *p, struct job *job)
{
	char words[STORE_PUBLISH_MESSAGE_MAX];
	struct err err = { 0 };
	if (service_quarantine_why(p->params.service, job->account, NULL, words,
		    sizeof(words), &err) != 0) {
		publish_trouble(p, job, "cannot say why an account is held", &err);
		return;
	}
	publish_hold(p, job, words);
}

static void
note_unsure(const struct publisher *p, struct job *job)
{
	if (job->unsure_until < p->unsure_until) {
		job->unsure_until = p->unsure_until;
	}
	if (job->unsure_until <= publish_now_ms(p)) {
		job->unsure_until = 0;
	}
}

/* True: the job is to be minted. */
static bool
begin(struct publisher *p, struct start *start)
{
	struct job *job = start->job;
	note_unsure(p, job);
	if (start->rc == 0 ? start->work.buried : start->err.code == ERR_NOT_FOUND) {
		free(start->work.jwt);
		publish_finish_job(p, job); /* deleted long ago */
		return false;
	}
	if (start->rc != 0 || take_work(start, &start->err) != 0) {
		publish_trouble(p, job, "cannot read an account to publish", &start->err);
		return false;
	}
	if (start->work.quarantined) {
		hold(p, job);
		return false;
	}
	if (needs_look(p, job)) {
		publish_look(p, job);
		return false;
	}
	if (job->generation != job->wanted) {
		return true;
	}
	go_on(p, job);
	return false;
}

/* The claims may be those that are proven already. */
static void
go_on_minted(struct publisher *p, struct job *job, struct mint_order *order)
{
	bool was_proven = job->proven >= job->generation;
	job->generation = order->minting.generation;
	job->wanted = job->generation;
	if (order->minting.new_bytes) {
		free(job->jwt);
		job->jwt = order->jwt;
		job->jwt_len = order->jwt_len;
		order->jwt = NULL;
	} else if (was_proven && !job->drifted) {
		publish_prove(p, job, publish_mask(p->roster.len));
		job->proven = job->generation;
	}
	go_on(p, job);
}

static void
take_minting(struct publisher *p, struct job *job, struct mint_order *order)
{
	if (order->rc != 0) {
		publish_trouble(p, job, "cannot mint an account", &order->err);
		return;
	}
	switch (order->minting.result) {
	case MINTING_DONE:
		go_on_minted(p, job, order);
		break;
	case MINTING_LATER: {
		int64_t wait = order->minting.not_before - clock_wall_ms(p->params.clock);
		jobs_delay(&p->jobs, job, publish_now_ms(p) + (wait > 0 ? wait : 1));
		break;
	}
	case MINTING_HELD:
		publish_fail(p, job, STORE_PUBLISH_HELD, order->minting.reason);
		break;
	}
}

static void
mint(struct publisher *p, struct job **jobs, size_t len)
{
	struct mint_order orders[BATCH] = { 0 };
	for (size_t i = 0; i < len; i++) {
		orders[i].account = jobs[i]->account;
		orders[i].urgent = jobs[i]->urgent;
	}
	service_mint_accounts(p->params.service, orders, len);
	for (size_t i = 0; i < len; i++) {
		take_minting(p, jobs[i], &orders[i]);
		free(orders[i].jwt);
	}
}

static size_t
take(const struct job_list *list, struct start *starts, size_t len, size_t max)
{
	struct job *job = NULL;
	TAILQ_FOREACH(job, list, link)
	{
		if (len >= max) {
			break;
		}
		starts[len++] = (struct start){ .job = job };
	}
	return len;
}

/* How many may be started, of places that so many jobs share. */
static size_t
room(const struct publisher *p, size_t places)
{
	size_t free_places =
		places > p->jobs.active_len ? places - p->jobs.active_len : 0;
	return free_places < BATCH ? free_places : BATCH;
}

/* Looks of a pass, and what was tried in vain before, may hold their places for as long
 * as they may last: each kind has a share of them. */
static size_t
take_share(
	const struct publisher *p, enum job_lane lane, struct start *starts, size_t len)
{
	size_t places = p->params.in_flight_max;
	size_t share = (places + WAITING_SHARE - 1) / WAITING_SHARE;
	size_t taken = p->jobs.active_in[lane];
	size_t max = len + (share > taken ? share - taken : 0);
	size_t all = room(p, places);
	return take(&p->jobs.lanes[lane], starts, len, max < all ? max : all);
}

/* Urgent ones first, then in order of arrival. Requests to a server that hangs may hold
 * their places for long: not all of them. */
static size_t
take_ready(struct publisher *p, struct start *starts)
{
	size_t places = p->params.in_flight_max;
	size_t len = take(
		&p->jobs.lanes[LANE_URGENT], starts, 0, room(p, places + URGENT_PLACES));
	if (p->write_at != 0 || p->proof_count >= PROOFS_MAX) {
		return len;
	}
	len = take(&p->jobs.lanes[LANE_FIRST], starts, len, room(p, places));
	len = take_share(p, LANE_LOOK, starts, len);
	return take_share(p, LANE_AGAIN, starts, len);
}

static void
start_batch(struct publisher *p, struct start *starts, size_t len)
{
	struct job *to_mint[BATCH];
	size_t mint_len = 0;
	read_work(p, starts, len);
	for (size_t i = 0; i < len; i++) {
		if (begin(p, &starts[i])) {
			to_mint[mint_len++] = starts[i].job;
		}
	}
	if (mint_len > 0) {
		mint(p, to_mint, mint_len);
	}
}

void
publish_start_ready(struct publisher *p)
{
	struct start starts[BATCH];
	size_t len = 0;
	if (publish_now_ms(p) >= p->write_at) {
		p->write_at = 0;
	}
	while (p->up && (len = take_ready(p, starts)) > 0) {
		start_batch(p, starts, len);
	}
}

int64_t
publish_start_due(const struct publisher *p)
{
	return p->write_at != 0 && p->jobs.ready_len > 0 ? p->write_at : INT64_MAX;
}

/* ---- answers ---- */

void
publish_fail_push(struct publisher *p, struct job *job)
{
	char words[STORE_PUBLISH_MESSAGE_MAX];
	if (job->refused) {
		publish_fail(p, job, STORE_PUBLISH_REFUSED, job->words);
	} else if (job->answered == 0) {
		publish_fail(p, job, STORE_PUBLISH_PENDING,
			job->words[0] != '\0' ? job->words
					      : "no server answered the push");
	} else if (job->answered != publish_mask(p->roster.len)) {
		char missing[STORE_PUBLISH_MESSAGE_MAX - 32];
		roster_missing(&p->roster, job->answered, missing, sizeof(missing));
		str_fmt_cut(words, sizeof(words), "no answer from %s", missing);
		publish_fail(p, job, STORE_PUBLISH_PARTIAL, words);
	} else {
		publish_fail(p, job, STORE_PUBLISH_PARTIAL, job->words);
	}
}

/* Those that stored it are to show it, whatever becomes of the others. */
void
publish_finish_push(struct publisher *p, struct job *job)
{
	bus_cancel(p->bus, job->request);
	if (job->stored != 0) {
		publish_look(p, job);
	} else {
		publish_fail_push(p, job);
	}
}

static void
keep_words(struct job *job, int index, const struct ack *ack)
{
	str_fmt_cut(
		job->words, sizeof(job->words), "%s: %s", ack->server_name, ack->words);
	if (job->said == NULL) {
		job->said = calloc(ROSTER_MAX, sizeof(*job->said));
	}
	if (job->said != NULL) { /* otherwise the last words have to do */
		str_fmt_cut(job->said[index], sizeof(job->said[index]), "%s", ack->words);
	}
}

void
publish_on_update_answer(struct publisher *p, struct job *job, const struct note *note)
{
	struct ack ack;
	struct err err = { 0 };
	if (note->no_responders) {
		str_fmt_cut(job->words, sizeof(job->words),
			"no server takes account updates: is this an operator-mode "
			"server with a "
			"full resolver?");
		publish_finish_push(p, job);
		return;
	}
	if (ack_parse(note->data, note->len, job->key, &ack, &err) != 0) {
		log_warn("odd answer to an account update", LOG_STR("error", err.msg));
		return;
	}
	int index = publish_heard(p, ack.server_id);
	if (index < 0) {
		p->roster_at = 0; /* a server that came after the last round: ask again */
		return;
	}
	job->answered |= UINT64_C(1) << index;
	publish_remember_resolver(p, (size_t)index, ack.resolver);
	if (p->members[index].resolver == STORE_RESOLVER_CACHE) {
		job->cached |= UINT64_C(1) << index;
	}
	if (ack.meaning == ACK_STORED) {
		job->stored |= UINT64_C(1) << index;
	} else {
		job->stored &= ~(UINT64_C(1) << index);
		job->refused = job->refused || ack.meaning == ACK_REFUSED;
		keep_words(job, index, &ack);
	}
	if (job->answered == publish_mask(p->roster.len)) {
		publish_finish_push(p, job);
	}
}
