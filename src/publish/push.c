/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"
#include "publish/ack.h"
#include "service/minting.h"
#include "store/publish.h"

#include <stdlib.h>
#include <string.h>

enum {
	BACKOFF_FIRST_MS = 200,
	BACKOFF_MAX_MS = 30000,
	HELD_MS = 10000 /* what natsid itself holds back is looked at again after */
};

/* ---- telling the store ---- */

static int
write_proofs(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct publisher *p = ctx;
	for (size_t i = 0; i < p->proof_count; i++) {
		if (store_publish_proven(tx, p->proofs[i].account,
			    p->proofs[i].generation, err) != 0) {
			return -1;
		}
	}
	return 0;
}

void
publish_flush_proofs(struct publisher *p)
{
	struct err err = { 0 };
	if (p->proof_count == 0) {
		return;
	}
	if (store_write(p->params.store, write_proofs, p, &err) != 0) {
		log_err("cannot record what is proven", &err,
			LOG_INT("accounts", p->proof_count));
		/* They are proven all the same; the sweep finds them open and records
		 * them then. */
		publish_restart_sweep(p);
	}
	p->proof_count = 0;
}

static void
prove(struct publisher *p, const struct job *job)
{
	if (job->proven >= job->generation) {
		return;
	}
	if (p->proof_count == p->params.in_flight_max) {
		publish_flush_proofs(p);
	}
	p->proofs[p->proof_count++] =
		(struct proof){ .account = job->account, .generation = job->generation };
}

struct note_params {
	const struct job *job;
	enum store_publish_state state;
	const char *message;
};

static int
write_note(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct note_params *note = ctx;
	const struct job *job = note->job;
	if (job->drifted &&
		store_publish_unproven(tx, job->account, job->generation, err) != 0) {
		return -1;
	}
	return store_publish_note(
		tx, job->account, job->generation, note->state, note->message, true, err);
}

static void
note_failure(struct publisher *p, const struct job *job, enum store_publish_state state,
	const char *message)
{
	struct err err = { 0 };
	struct note_params note = { .job = job, .state = state, .message = message };
	if (store_write(p->params.store, write_note, &note, &err) != 0) {
		log_err("cannot record why an account is not proven", &err,
			LOG_INT("account", job->account));
	}
}

static int64_t
backoff(unsigned failures)
{
	unsigned doublings = failures < 8 ? failures : 8;
	int64_t pause = publish_earlier_of(
		(int64_t)BACKOFF_FIRST_MS << doublings, BACKOFF_MAX_MS);
	return pause / 2 + (int64_t)rand_below((uint32_t)pause / 2 + 1);
}

/* This try failed: says why, and tries again later with the bytes that are the newest
 * then. */
static void
fail(struct publisher *p, struct job *job, enum store_publish_state state,
	const char *message)
{
	note_failure(p, job, state, message);
	log_warn("account not proven", LOG_STR("account", job->key),
		LOG_INT("generation", job->generation), LOG_STR("reason", message));
	if (job->again != WANT_NOTHING) {
		publish_round_again(p, job);
		return;
	}
	int64_t pause = state == STORE_PUBLISH_REFUSED ? BACKOFF_MAX_MS
		: state == STORE_PUBLISH_HELD          ? HELD_MS
						       : backoff(job->failures);
	job->failures++;
	job->first = 0;
	jobs_delay(&p->jobs, job, publish_now_ms(p) + pause);
}

/* ---- pushing and looking ---- */

static void
reset_answers(struct job *job)
{
	job->answered = 0;
	job->stored = 0;
	job->equal = 0;
	job->different = 0;
	job->refused = false;
	job->words[0] = '\0';
}

/* Most servers answer in milliseconds; slow ones are given more time once they have
 * needed it. */
static int64_t
patience_ms(const struct publisher *p, const struct job *job)
{
	int64_t ms = p->params.request_ms;
	for (unsigned i = 0; i < job->failures && ms < p->params.request_max_ms; i++) {
		ms *= 2;
	}
	return ms < p->params.request_max_ms ? ms : p->params.request_max_ms;
}

/* True: it is under way. False: the job waits for another try. */
static bool
send_request(struct publisher *p, struct job *job, enum job_phase phase,
	const char *subject, const char *data, size_t len)
{
	struct err err = { 0 };
	uint64_t request = p->next_request++;
	reset_answers(job);
	if (jobs_activate(&p->jobs, job, phase, request) != 0) {
		fail(p, job, STORE_PUBLISH_PENDING, "out of memory");
		return false;
	}
	if (bus_request(p->bus, request, subject, data, len, patience_ms(p, job), &err) !=
		0) {
		fail(p, job, STORE_PUBLISH_PENDING, err.msg);
		return false;
	}
	return true;
}

/* After a lookup that failed with the connection there is nothing to tell of the servers
 * yet: then look_first stays. */
static void
push(struct publisher *p, struct job *job)
{
	p->pushed++;
	if (send_request(p, job, JOB_PUSHING, "$SYS.REQ.CLAIMS.UPDATE", job->jwt,
		    job->jwt_len) &&
		job->look_first) {
		job->look_first = false;
		job->drifted = true;
	}
}

static void
look(struct publisher *p, struct job *job)
{
	char subject[128];
	str_fmt_cut(
		subject, sizeof(subject), "$SYS.REQ.ACCOUNT.%s.CLAIMS.LOOKUP", job->key);
	(void)send_request(p, job, JOB_LOOKING, subject, "", 0); /* it told why */
}

struct wanted {
	struct store_publish row;
	struct store_publish_item item;
	char *jwt;
	int64_t jwt_generation;
};

static int
take_item(void *ctx, const struct store_publish_item *item, struct err *err)
{
	struct wanted *wanted = ctx;
	(void)err; /* copying cannot fail */
	wanted->item = *item;
	return 0;
}

static int
read_wanted(struct publisher *p, int64_t account, struct wanted *out, struct err *err)
{
	struct store_conn *conn = NULL;
	*out = (struct wanted){ 0 };
	if (store_read_begin(p->params.store, &conn, err) != 0) {
		return -1;
	}
	int rc = store_publish_get(conn, account, &out->row, err);
	if (rc == 0) {
		rc = store_publish_scan(conn, account - 1, 1, false, take_item, out, err);
	}
	if (rc == 0 && out->row.minted_generation > 0) {
		rc = store_publish_jwt(
			conn, account, &out->jwt, &out->jwt_generation, err);
	}
	store_read_end(p->params.store, conn);
	return rc;
}

static void
trouble(struct publisher *p, struct job *job, const char *what, const struct err *err)
{
	log_err(what, err, LOG_INT("account", job->account));
	job->first = 0;
	jobs_delay(&p->jobs, job, publish_now_ms(p) + backoff(job->failures++));
}

/* Mints what is wanted and not yet minted. True: the job goes on; false: it is dealt
 * with. */
static bool
mint(struct publisher *p, struct job *job, const struct store_publish *row)
{
	struct minting minting;
	struct err err = { 0 };
	if (row->minted_generation == row->generation) {
		return true;
	}
	job->generation = row->generation;
	if (service_mint_account(
		    p->params.service, job->account, job->urgent, &minting, &err) != 0) {
		trouble(p, job, "cannot mint an account", &err);
		return false;
	}
	switch (minting.result) {
	case MINTING_DONE:
		if (minting.new_bytes) {
			job->look_first = false; /* nobody can hold them yet */
		}
		if (!minting.new_bytes &&
			row->proven_generation >= row->minted_generation &&
			!job->look_first && !job->drifted) {
			/* The claims are those that are proven already: nothing to
			 * push. */
			job->generation = minting.generation;
			job->proven = row->proven_generation;
			prove(p, job);
			publish_finish_job(p, job);
			return false;
		}
		return true;
	case MINTING_LATER: {
		int64_t wait = minting.not_before - clock_wall_ms(p->params.clock);
		jobs_delay(&p->jobs, job, publish_now_ms(p) + (wait > 0 ? wait : 1));
		return false;
	}
	case MINTING_HELD:
		fail(p, job, STORE_PUBLISH_HELD, minting.reason);
		return false;
	}
	return false;
}

void
publish_start(struct publisher *p, struct job *job)
{
	struct wanted wanted;
	struct err err = { 0 };
	if (read_wanted(p, job->account, &wanted, &err) != 0) {
		trouble(p, job, "cannot read an account to publish", &err);
		goto out;
	}
	memcpy(job->key, wanted.item.public_key, sizeof(job->key));
	job->found = false;
	if (!mint(p, job, &wanted.row)) {
		goto out;
	}
	free(wanted.jwt);
	if (read_wanted(p, job->account, &wanted, &err) != 0) {
		trouble(p, job, "cannot read an account to publish", &err);
		goto out;
	}
	if (wanted.jwt_generation != wanted.row.generation) {
		/* changed since it was minted: round again, at once */
		jobs_make_ready(&p->jobs, job, job->urgent);
		goto out;
	}
	job->generation = wanted.jwt_generation;
	job->proven = wanted.row.proven_generation;
	if (job->proven >= job->generation && !job->look_first && !job->drifted) {
		publish_finish_job(p, job);
		goto out;
	}
	free(job->jwt);
	job->jwt = wanted.jwt;
	job->jwt_len = strlen(wanted.jwt);
	wanted.jwt = NULL;
	if (job->look_first) {
		look(p, job);
	} else {
		push(p, job);
	}
out:
	free(wanted.jwt);
}

static size_t
count_bits(uint64_t mask)
{
	return (size_t)__builtin_popcountll(mask);
}

void
publish_finish_push(struct publisher *p, struct job *job)
{
	char words[STORE_PUBLISH_MESSAGE_MAX];
	bus_cancel(p->bus, job->request);
	if (count_bits(job->stored) == p->roster.len) {
		look(p, job);
		return;
	}
	if (job->refused) {
		fail(p, job, STORE_PUBLISH_REFUSED, job->words);
	} else if (job->answered == 0) {
		fail(p, job, STORE_PUBLISH_PENDING,
			job->words[0] != '\0' ? job->words
					      : "no server answered the push");
	} else if (count_bits(job->answered) < p->roster.len) {
		char missing[STORE_PUBLISH_MESSAGE_MAX - 32];
		roster_missing(&p->roster, job->answered, missing, sizeof(missing));
		str_fmt_cut(words, sizeof(words), "no answer from %s", missing);
		fail(p, job, STORE_PUBLISH_PARTIAL, words);
	} else {
		fail(p, job, STORE_PUBLISH_PARTIAL, job->words);
	}
}

void
publish_finish_look(struct publisher *p, struct job *job)
{
	bus_cancel(p->bus, job->request);
	if (p->roster.overflow) {
		fail(p, job, STORE_PUBLISH_HELD,
			"there are more servers than natsid can follow");
	} else if (job->different == 0 && job->equal >= p->roster.len) {
		prove(p, job);
		publish_finish_job(p, job);
	} else if (job->look_first) {
		if (job->again != WANT_NOTHING) {
			publish_round_again(p, job);
		} else {
			push(p, job);
		}
	} else {
		char words[STORE_PUBLISH_MESSAGE_MAX];
		str_fmt_cut(words, sizeof(words),
			"%zu of %zu servers show the new JWT when they are asked for it",
			job->equal, p->roster.len);
		fail(p, job, STORE_PUBLISH_PARTIAL, words);
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
	if (ack_parse(note->data, note->len, &ack, &err) != 0) {
		log_warn("odd answer to an account update", LOG_STR("error", err.msg));
		return;
	}
	int index = roster_index(&p->roster, ack.server_id);
	if (index < 0) {
		p->roster_at = 0; /* a server that came after the last round: ask again */
		return;
	}
	job->answered |= UINT64_C(1) << index;
	if (ack.meaning == ACK_STORED) {
		job->stored |= UINT64_C(1) << index;
	} else {
		job->refused = job->refused || ack.meaning == ACK_REFUSED;
		str_fmt_cut(job->words, sizeof(job->words), "%s: %s", ack.server_name,
			ack.words);
	}
	if (count_bits(job->answered) == p->roster.len) {
		publish_finish_push(p, job);
	}
}

void
publish_on_lookup_answer(struct publisher *p, struct job *job, const struct note *note)
{
	bool equal = !note->no_responders && note->len == job->jwt_len &&
		memcmp(note->data, job->jwt, job->jwt_len) == 0;
	if (equal) {
		job->equal++;
	} else {
		job->different++;
	}
	if (note->no_responders || job->equal + job->different >= p->roster.len) {
		publish_finish_look(p, job);
	}
}
