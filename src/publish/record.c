/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"
#include "service/quarantine.h"
#include "store/drift.h"
#include "store/publish.h"
#include "store/quarantine.h"

#include <stdlib.h>
#include <string.h>

enum {
	BACKOFF_FIRST_MS = 200,
	BACKOFF_MAX_MS = 30000,
	HELD_MS = 10000, /* what natsid itself holds back is looked at again after */
	LOGGED_MAX = 20, /* accounts that are not proven, in */
	LOGGED_MS = 60 * 1000, /* this time */
	WRITE_BATCH = 64, /* proofs in one transaction */
	WRITE_PAUSE_MS = 1000 /* a database that cannot be written is spared for */
};

/* ---- what is proven ---- */

/* Who lacks an account LIST tells; which of several servers shows something else nobody
 * does. */
static int
write_drift(struct store_tx *tx, const struct publisher *p, int64_t where,
	const char *key, unsigned drift, struct err *err)
{
	for (unsigned kind = 0; drift >> kind != 0; kind++) {
		bool told = kind == STORE_DRIFT_MISSING || p->roster.len == 1;
		if ((drift >> kind & 1) != 0 &&
			store_drift_found(tx, told ? where : 0, key,
				(enum store_drift_kind)kind, err) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
write_proof(struct store_tx *tx, const struct publisher *p, const struct proof *proof,
	struct err *err)
{
	for (size_t i = 0; i < p->roster.len; i++) {
		const struct member *member = &p->members[i];
		if ((proof->mask >> i & 1) != 0 && member->seq != 0 &&
			store_account_server_holds(tx, proof->account, member->seq,
				member->incarnation, proof->generation, err) != 0) {
			return -1;
		}
	}
	if (proof->mask != publish_mask(p->roster.len) || p->roster.twin > 0 ||
		p->roster.overflow) {
		return 0;
	}
	if (proof->drift != 0 &&
		(write_drift(tx, p, proof->where, proof->key, proof->drift, err) != 0 ||
			store_drift_repaired(tx, proof->key, err) != 0)) {
		return -1;
	}
	/* One that is gone for good meanwhile is no trouble of the others. */
	if (store_publish_proven(tx, proof->account, proof->generation, err) != 0) {
		if (err->code != ERR_NOT_FOUND) {
			return -1;
		}
		err_clear(err);
	}
	return 0;
}

struct batch {
	struct publisher *p;
	struct proof proofs[WRITE_BATCH];
	size_t len;
	bool failed; /* this one, or one before it */
};

static int
write_proofs(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct batch *batch = ctx;
	for (size_t i = 0; i < batch->len; i++) {
		if (batch->proofs[i].generation > 0 &&
			write_proof(tx, batch->p, &batch->proofs[i], err) != 0) {
			return -1;
		}
	}
	return 0;
}

/* Accounts that have something to do anyway are proven by that; those that there is no
 * memory for the passes come to. */
static void
look_anew(struct publisher *p, const struct proof *proofs, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (jobs_find(&p->jobs, proofs[i].account) == NULL) {
			struct job *job = jobs_add(&p->jobs, proofs[i].account, false);
			if (job != NULL) {
				job->look = true;
			}
		}
	}
}

/* ---- when it is written ---- */

/* Answers to lookups do not say whose they are, so they are counted; and one may be of a
 * server that nobody knew of then, in the place of one that holds something else. Such a
 * server answers the PING that is sent after them, too. */
void
publish_begin_confirming(struct publisher *p)
{
	p->confirming = p->proof_count;
}

/* A try may last as long as another process holds the database: after one that failed
 * there are no more. */
static void
write_batch(struct batch *batch)
{
	struct err err = { 0 };
	struct publisher *p = batch->p;
	if (batch->len > 0 && !batch->failed &&
		store_write(p->params.store, write_proofs, batch, &err) != 0) {
		log_err("cannot record what is proven", &err,
			LOG_INT("accounts", batch->len));
		p->write_at = publish_now_ms(p) + WRITE_PAUSE_MS;
		batch->failed = true;
	}
	if (batch->failed) {
		look_anew(p, batch->proofs, batch->len);
	}
	batch->len = 0;
}

/* Those that stay are moved to the front. */
void
publish_confirm_proofs(struct publisher *p, bool all_answered)
{
	struct batch batch = { .p = p };
	size_t kept = 0;
	for (size_t i = 0; i < p->proof_count; i++) {
		const struct proof *proof = &p->proofs[i];
		if (i >= p->confirming || (!all_answered && !proof->pushed)) {
			p->proofs[kept++] = *proof;
			continue;
		}
		batch.proofs[batch.len++] = *proof;
		if (batch.len == WRITE_BATCH) {
			write_batch(&batch);
		}
	}
	write_batch(&batch);
	p->proof_count = kept;
	p->confirming = 0;
}

void
publish_drop_proofs(struct publisher *p, bool look)
{
	if (look) {
		look_anew(p, p->proofs, p->proof_count);
	}
	p->proof_count = 0;
	p->confirming = 0;
}

void
publish_forget_proof(struct publisher *p, int64_t account)
{
	for (size_t i = 0; i < p->proof_count; i++) {
		if (p->proofs[i].account == account) {
			p->proofs[i].generation = 0;
		}
	}
}

bool
publish_is_proving(const struct publisher *p, int64_t account, int64_t generation)
{
	for (size_t i = 0; i < p->proof_count; i++) {
		if (p->proofs[i].account == account &&
			p->proofs[i].generation >= generation) {
			return true;
		}
	}
	return false;
}

static bool
has_room(struct publisher *p)
{
	if (p->proof_count < p->proof_room) {
		return true;
	}
	size_t room = p->proof_room == 0 ? 64 : 2 * p->proof_room;
	struct proof *grown = realloc(p->proofs, room * sizeof(*grown));
	if (grown == NULL) {
		return false;
	}
	p->proofs = grown;
	p->proof_room = room;
	return true;
}

void
publish_prove(struct publisher *p, const struct job *job, uint64_t mask)
{
	if (job->unsure_until != 0) {
		return; /* a look after that proves it */
	}
	if (!has_room(p)) {
		publish_restart_sweep(p, false); /* it is proven another time */
		return;
	}
	struct proof *proof = &p->proofs[p->proof_count++];
	*proof = (struct proof){
		.account = job->account,
		.generation = job->generation,
		.mask = mask,
		.pushed = job->pushed,
		.drift = job->drift,
		.where = job->where,
	};
	memcpy(proof->key, job->key, sizeof(proof->key));
}

/* ---- what failed ---- */

struct failure {
	const struct publisher *p;
	const struct job *job;
	enum store_publish_state state;
	const char *message;
};

/* Who did not store it, in its own words. */
static int
write_said(struct store_tx *tx, const struct failure *failure, struct err *err)
{
	const struct job *job = failure->job;
	for (size_t i = 0; i < failure->p->roster.len; i++) {
		const char *words = "no answer";
		if (failure->p->members[i].seq == 0 || (job->stored >> i & 1) != 0) {
			continue;
		}
		if (job->said != NULL && job->said[i][0] != '\0') {
			words = job->said[i];
		}
		if (store_account_server_failed(tx, job->account,
			    failure->p->members[i].seq, words, err) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
write_words(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct failure *failure = ctx;
	return store_publish_note(tx, failure->job->account, failure->job->wanted,
		failure->state, failure->message, true, err);
}

static int
write_failure(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct failure *failure = ctx;
	const struct job *job = failure->job;
	if (job->drifted &&
		store_publish_unproven(tx, job->account, job->wanted, err) != 0) {
		return -1;
	}
	if (write_drift(tx, failure->p, job->where, job->key, job->drift, err) != 0) {
		return -1;
	}
	if (job->pushed && write_said(tx, failure, err) != 0) {
		return -1;
	}
	return write_words(tx, ctx, err);
}

static int64_t
backoff(unsigned failures)
{
	unsigned doublings = failures < 8 ? failures : 8;
	int64_t pause = publish_earlier_of(
		(int64_t)BACKOFF_FIRST_MS << doublings, BACKOFF_MAX_MS);
	return pause / 2 + (int64_t)rand_below((uint32_t)pause / 2 + 1);
}

static void
note_failure(struct publisher *p, const struct job *job, enum store_publish_state state,
	const char *message)
{
	struct err err = { 0 };
	publish_forget_proof(p, job->account);
	struct failure failure = {
		.p = p,
		.job = job,
		.state = state,
		.message = message,
	};
	if (store_write(p->params.store, write_failure, &failure, &err) != 0) {
		log_err("cannot record why an account is not proven", &err,
			LOG_INT("account", job->account));
	}
}

static uint32_t
hash_of(const char *text)
{
	uint32_t hash = 2166136261U; /* FNV-1a */
	for (; *text != '\0'; text++) {
		hash = (hash ^ (uint8_t)*text) * 16777619U;
	}
	return hash;
}

/* Not for each try in vain, and where many accounts have a trouble, not for each. */
static void
log_failure(struct publisher *p, struct job *job, const char *message)
{
	int64_t now = publish_now_ms(p);
	uint32_t hash = hash_of(message);
	if (job->told == hash) {
		return;
	}
	job->told = hash;
	if (now - p->failures_since >= LOGGED_MS) {
		p->failures_since = now;
		p->failures_told = 0;
	}
	if (++p->failures_told <= LOGGED_MAX) {
		log_warn("account not proven", LOG_STR("account", job->key),
			LOG_INT("generation", job->wanted), LOG_STR("reason", message));
	} else if (p->failures_told == LOGGED_MAX + 1) {
		log_warn("further accounts are not proven: nats_publish_queue has all",
			LOG_STR("reason", message));
	}
}

void
publish_hold(struct publisher *p, struct job *job, const char *message)
{
	note_failure(p, job, STORE_PUBLISH_HELD, message);
	log_failure(p, job, message);
	publish_finish_job(p, job);
}

static void
try_later(struct publisher *p, struct job *job, enum store_publish_state state)
{
	publish_swept(p, job);
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

void
publish_fail(struct publisher *p, struct job *job, enum store_publish_state state,
	const char *message)
{
	note_failure(p, job, state, message);
	log_failure(p, job, message);
	try_later(p, job, state);
}

void
publish_wait(struct publisher *p, struct job *job, const char *message)
{
	note_failure(p, job, STORE_PUBLISH_PENDING, message);
	seq_set_add(&p->pass.unseen, job->account);
	try_later(p, job, STORE_PUBLISH_PENDING);
}

void
publish_leave(struct publisher *p, struct job *job, const char *message)
{
	struct err err = { 0 };
	struct failure failure = {
		.job = job,
		.state = STORE_PUBLISH_PENDING,
		.message = message,
	};
	if (message != NULL && !job->noted &&
		store_write(p->params.store, write_words, &failure, &err) != 0) {
		log_err("cannot record which server does not show an account", &err,
			LOG_INT("account", job->account));
	}
	seq_set_add(&p->pass.unseen, job->account);
	publish_finish_job(p, job);
}

void
publish_trouble(
	struct publisher *p, struct job *job, const char *what, const struct err *err)
{
	log_err(what, err, LOG_INT("account", job->account));
	publish_swept(p, job);
	job->first = 0;
	jobs_delay(&p->jobs, job, publish_now_ms(p) + backoff(job->failures++));
}

static int
write_renewal(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct job *job = ctx;
	return store_publish_renew(tx, job->account, err);
}

void
publish_renew(struct publisher *p, const struct job *job)
{
	struct err err = { 0 };
	struct job copy = *job;
	publish_forget_proof(p, job->account);
	if (store_write(p->params.store, write_renewal, &copy, &err) != 0) {
		log_err("cannot have an account minted anew", &err,
			LOG_INT("account", job->account));
	}
}

static int
write_doubt(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct job *job = ctx;
	return store_publish_unproven(tx, job->account, job->wanted, err);
}

void
publish_doubt(struct publisher *p, const struct job *job)
{
	struct err err = { 0 };
	struct job copy = *job;
	publish_forget_proof(p, job->account);
	if (store_write(p->params.store, write_doubt, &copy, &err) != 0) {
		log_err("cannot record that an account is not proven", &err,
			LOG_INT("account", job->account));
	}
}

/* ---- what others did ---- */

struct finding {
	const struct job *job;
	struct store_quarantine found;
	char message[STORE_PUBLISH_MESSAGE_MAX];
};

static int
write_quarantine(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct finding *finding = ctx;
	const struct job *job = finding->job;
	if (store_quarantine_put(tx, job->account, &finding->found, err) != 0 ||
		store_publish_unproven(tx, job->account, job->wanted, err) != 0) {
		return -1;
	}
	return store_publish_note(tx, job->account, job->wanted, STORE_PUBLISH_HELD,
		finding->message, true, err);
}

void
publish_quarantine(
	struct publisher *p, struct job *job, enum verdict verdict, const char *jwt)
{
	struct err err = { 0 };
	struct finding finding = {
		.job = job,
		.found = { .cause = verdict == VERDICT_NEWER ? STORE_QUARANTINE_NEWER
							     : STORE_QUARANTINE_FOREIGN,
			.jwt = (char *)(uintptr_t)jwt },
	};
	publish_forget_proof(p, job->account);
	/* Nothing goes out over it, though it may not be written down; and other servers
	 * may hold yet another: they are looked at before what the person chooses goes
	 * out. */
	seq_set_remove(&p->seen, job->account);
	seq_set_remove(&p->looked, job->account);
	if (p->roster.len == 1) {
		str_fmt_cut(finding.found.server, sizeof(finding.found.server), "%s",
			p->roster.servers[0].name);
	}
	if (service_quarantine_why(p->params.service, job->account, &finding.found,
		    finding.message, sizeof(finding.message), &err) != 0 ||
		store_write(p->params.store, write_quarantine, &finding, &err) != 0) {
		publish_trouble(p, job, "cannot put an account into quarantine", &err);
		return;
	}
	job->drift = 0; /* nothing is put right before the person has chosen */
	log_warn("account in quarantine", LOG_STR("account", job->key),
		LOG_STR("cause", store_quarantine_cause_name(finding.found.cause)),
		LOG_STR("server", publish_where(finding.found.server)),
		LOG_STR("what", finding.message));
	publish_finish_job(p, job);
}
