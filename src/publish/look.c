/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

#include "base/log.h"
#include "base/str.h"
#include "store/drift.h"
#include "store/server.h"

#include <stdlib.h>

/* So long nothing is pushed over a server that is there and does not show what it holds:
 * one that was seen to answer lookups, and one that may be a cache, which never does. */
enum {
	UNSEEN_MAX_MS = 60 * 1000,
	UNSEEN_CACHE_MAX_MS = 10 * 1000,
	UNSEEN_LONGEST_MS = 180 * 1000, /* though other servers come again and again */
	LIMIT_SLACK_MS = 20 /* a look that ends then does not end just before */
};

static size_t
count_bits(uint64_t mask)
{
	return (size_t)__builtin_popcountll(mask);
}

/* Lookups that are waited for: after a push those of the servers that stored it. */
static size_t
expected(const struct publisher *p, const struct job *job)
{
	return count_bits(
		job->pushed ? job->stored & ~job->cached : publish_full_servers(p));
}

/* Lookups do not say whose they are: where not all servers stored a push, those of the
 * others come among them. */
static bool
stored_by_all(const struct publisher *p, const struct job *job)
{
	return job->stored == publish_mask(p->roster.len);
}

static size_t
shown(const struct job *job)
{
	return job->equal + job->missing + job->older + job->damaged;
}

/* All showed it, and no other push is on its way, as far as was heard. */
static void
note_looked(struct publisher *p, const struct job *job)
{
	if (job->unsure_until == 0) {
		seq_set_add(&p->looked, job->account);
	}
}

void
publish_look(struct publisher *p, struct job *job)
{
	char subject[128];
	str_fmt_cut(
		subject, sizeof(subject), "$SYS.REQ.ACCOUNT.%s.CLAIMS.LOOKUP", job->key);
	(void)publish_send(p, job, JOB_LOOKING, subject, "", 0); /* it told why */
}

/* ---- the proof after a push ---- */

static void
finish_proof(struct publisher *p, struct job *job)
{
	char words[STORE_PUBLISH_MESSAGE_MAX];
	size_t want = expected(p, job);
	if (p->roster.overflow) {
		publish_fail(p, job, STORE_PUBLISH_HELD,
			"there are more servers than natsid can follow");
	} else if (p->roster.twin > 0) {
		str_fmt_cut(words, sizeof(words),
			"two servers are both called %s: give each its own server_name",
			p->roster.servers[p->roster.twin].name);
		publish_fail(p, job, STORE_PUBLISH_HELD, words);
	} else if (job->equal >= want &&
		(shown(job) == job->equal || !stored_by_all(p, job))) {
		if (stored_by_all(p, job)) {
			publish_prove(p, job, job->stored);
			note_looked(p, job);
			publish_finish_job(p, job);
		} else {
			publish_fail_push(p, job);
			publish_prove(p, job, job->stored);
		}
	} else {
		str_fmt_cut(words, sizeof(words),
			"%zu of %zu servers show the new JWT when they are asked for it",
			job->equal, want);
		publish_fail(p, job, STORE_PUBLISH_PARTIAL, words);
		if (stored_by_all(p, job) && shown(job) > job->equal) {
			publish_renew(p, job); /* for the next try */
		}
	}
}

/* ---- the look before anything else ---- */

static void
note_differences(struct publisher *p, struct job *job)
{
	job->drift |= (job->missing > 0 ? 1U << STORE_DRIFT_MISSING : 0) |
		(job->older > 0 ? 1U << STORE_DRIFT_OLDER : 0) |
		(job->damaged > 0 ? 1U << STORE_DRIFT_DIFFERENT : 0);
	if (p->roster.len == 1) {
		job->where = p->members[0].seq;
	}
	if (job->drift != 0) {
		publish_differs(p, job);
	}
}

/* It was looked at, and what every server holds is written down: somebody may have
 * forgotten a server, or a write have failed. What a failed look said is to be cleared.
 */
static bool
is_recorded(const struct publisher *p, const struct job *job)
{
	size_t members = 0;
	for (size_t i = 0; i < p->roster.len; i++) {
		members += p->members[i].seq != 0 ? 1 : 0;
	}
	return seq_set_has(&p->seen, job->account) && job->current >= members &&
		job->failures == 0;
}

/* All that answer lookups hold our bytes. Caches say only to a push whether they do. */
static void
finish_equal(struct publisher *p, struct job *job)
{
	bool known = is_recorded(p, job);
	bool newest = job->wanted == job->generation;
	bool proven = newest && job->proven >= job->generation;
	bool caches = publish_full_servers(p) != publish_mask(p->roster.len);
	if (!job->drifted) {
		job->drift = 0; /* a LIST said so that is older than this */
	}
	seq_set_add(&p->seen, job->account);
	publish_swept(p, job);
	if (newest && !caches) {
		if (!known || !proven) {
			publish_prove(p, job, publish_mask(p->roster.len));
		}
		publish_finish_job(p, job);
	} else if (proven && known) {
		publish_finish_job(p, job);
	} else {
		job->drifted = proven; /* the caches are told anew */
		jobs_make_ready(&p->jobs, job, false);
	}
}

/* ---- a look that not all servers answered ---- */

static bool
is_complete(const struct publisher *p, const struct job *job)
{
	return shown(job) >= expected(p, job);
}

static size_t
silent(const struct publisher *p, const struct job *job)
{
	return expected(p, job) - shown(job);
}

/* Servers that answer lookups and of which the account's rows say nothing since they
 * started, as bits. */
static uint64_t
unrecorded(const struct publisher *p, const struct job *job)
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	struct store_account_server *rows = NULL;
	size_t len = 0;
	uint64_t mask = publish_full_servers(p);
	int rc = store_read_begin(p->params.store, &conn, &err);
	if (rc == 0) {
		rc = store_account_server_list(conn, job->account, &rows, &len, &err);
		store_read_end(p->params.store, conn);
	}
	if (rc != 0) {
		log_err("cannot read what servers hold", &err,
			LOG_INT("account", job->account));
	}
	for (size_t i = 0; rc == 0 && i < len; i++) {
		for (size_t at = 0; rows[i].current && at < p->roster.len; at++) {
			if (p->members[at].seq == rows[i].server) {
				mask &= ~(UINT64_C(1) << at);
			}
		}
	}
	free(rows);
	return mask;
}

/* When the server that came last, and this look, were waited for so long. */
static int64_t
unseen_until(const struct publisher *p, const struct job *job, int64_t limit)
{
	int64_t since = job->unseen_since > p->grown_at ? job->unseen_since : p->grown_at;
	return publish_earlier_of(since + limit, job->unseen_since + UNSEEN_LONGEST_MS);
}

/* Those that do show it are not to go without what was taken away for ever, because of
 * one that is there and never shows anything. Alone it would not take a push, either. */
static bool
is_given_up(const struct publisher *p, const struct job *job)
{
	int64_t limit = silent(p, job) <= publish_count_unknown(p) ? UNSEEN_CACHE_MAX_MS
								   : UNSEEN_MAX_MS;
	return publish_now_ms(p) >= unseen_until(p, job, limit);
}

int64_t
publish_look_limit(const struct publisher *p, const struct job *job)
{
	int64_t limit =
		publish_count_unknown(p) > 0 ? UNSEEN_CACHE_MAX_MS : UNSEEN_MAX_MS;
	int64_t left = unseen_until(p, job, limit) - publish_now_ms(p);
	return job->unseen_since == 0 || left <= 0 ? INT64_MAX : left + LIMIT_SLACK_MS;
}

/* Somebody gains by a push: something changed, or one that answers lacks it. */
static bool
is_needed(const struct job *job)
{
	return job->wanted != job->generation || shown(job) > job->equal;
}

/* Nothing is pushed over what was never seen: it may be newer than ours, or another
 * hand's. What a server held is known when all were seen since natsid is up, and is
 * recorded of each since it started. The rows alone do not tell: in a database that was
 * restored they are those of the backup. And those that answer show nothing else: what
 * another hand pushed while we were not connected it pushed to all. */
static bool
may_overwrite(const struct publisher *p, const struct job *job, uint64_t unseen)
{
	bool known = unseen == 0 && seq_set_has(&p->looked, job->account);
	return job->jwt == NULL ||
		(is_needed(job) && shown(job) > 0 && (known || is_given_up(p, job)));
}

/* A server that is slow to show what it holds is asked once more. What is urgent does not
 * wait for it. */
static bool
waits_for_more(const struct job *job)
{
	return job->failures == 0 && !job->urgent;
}

/* The answers do not say whose they are, and so not who gave none. */
static void
say_who_is_silent(const struct publisher *p, const struct job *job, uint64_t unseen,
	char *out, size_t size)
{
	uint64_t full = publish_full_servers(p);
	if (silent(p, job) == count_bits(full)) {
		roster_missing(&p->roster, ~full, out, size);
	} else if (silent(p, job) == count_bits(unseen)) {
		roster_missing(&p->roster, ~unseen, out, size);
	} else {
		str_fmt_cut(out, size, "%zu of %zu servers", silent(p, job),
			count_bits(full));
	}
}

/* One of them shows other bytes than all are recorded to hold: whatever comes of it, it
 * is not proven meanwhile. */
static void
doubt_shown(struct publisher *p, struct job *job)
{
	if (shown(job) > job->equal && job->proven >= job->wanted) {
		publish_doubt(p, job);
	}
}

/* Nobody wants anything but to see it everywhere: a pass comes to it again. */
static bool
is_left_to_passes(const struct job *job)
{
	return job->pass && job->jwt != NULL && job->proven >= job->wanted &&
		!is_needed(job);
}

/* True: it is looked at once more, and nothing is pushed before. */
static bool
wait_for_more(struct publisher *p, struct job *job)
{
	char who[STORE_PUBLISH_MESSAGE_MAX / 2];
	char words[STORE_PUBLISH_MESSAGE_MAX];
	uint64_t unseen = unrecorded(p, job);
	say_who_is_silent(p, job, unseen, who, sizeof(who));
	publish_on_silence(p, who);
	if (job->unseen_since == 0) {
		job->unseen_since = job->sent_at;
	}
	if (!waits_for_more(job) && may_overwrite(p, job, unseen)) {
		return false;
	}
	doubt_shown(p, job);
	str_fmt_cut(words, sizeof(words),
		"no answer to a lookup from %s: natsid pushes over nothing that it has "
		"not seen (a resolver of type cache shows nothing)",
		who);
	if (is_left_to_passes(job)) {
		publish_leave(p, job, unseen != 0 ? words : NULL);
		return true;
	}
	job->look = true;
	publish_wait(p, job, words);
	return true;
}

/* ---- what a look leads to ---- */

/* A running server lost what it held: it takes the same bytes for known, and says that it
 * stored them. */
static bool
was_lost(const struct job *job)
{
	return job->missing + job->damaged > 0 && job->current > job->equal + job->older;
}

/* One of those that are recorded to hold our bytes shows others. */
static bool
was_overwritten(const struct job *job)
{
	return job->drift != 0 && job->proven >= job->wanted && job->current > job->equal;
}

static void
finish_first_look(struct publisher *p, struct job *job, bool nobody_listens)
{
	job->look = false;
	if (is_complete(p, job)) {
		job->unseen_since = 0;
		note_looked(p, job);
		publish_on_shown(p);
	}
	if (job->jwt != NULL && shown(job) == job->equal && job->equal > 0 &&
		is_complete(p, job)) {
		finish_equal(p, job);
		return;
	}
	if (!nobody_listens && !is_complete(p, job) && wait_for_more(p, job)) {
		return;
	}
	if (job->jwt != NULL && job->proven >= job->generation) {
		note_differences(p, job);
	}
	bool lost = was_lost(job);
	if (lost) {
		publish_renew(p, job);
	} else if (was_overwritten(job)) {
		publish_doubt(p, job);
	}
	seq_set_add(&p->seen, job->account);
	publish_swept(p, job);
	job->drifted = true;
	if (job->again != WANT_NOTHING) {
		publish_round_again(p, job);
	} else {
		jobs_make_ready(&p->jobs, job, lost);
	}
}

static void
finish_look(struct publisher *p, struct job *job, bool nobody_listens)
{
	bus_cancel(p->bus, job->request);
	if (job->pushed) {
		finish_proof(p, job);
	} else {
		finish_first_look(p, job, nobody_listens);
	}
}

void
publish_finish_look(struct publisher *p, struct job *job)
{
	finish_look(p, job, false);
}

static enum verdict
judge_answer(const struct publisher *p, const struct job *job, const struct note *note)
{
	const struct judge_ours ours = {
		.key = job->key,
		.jwt = job->jwt,
		.jwt_len = job->jwt_len,
		.generation = job->wanted,
		.last_iat = job->last_iat,
		.overruled = job->overruled,
		.overruled_len = job->overruled_len,
	};
	return service_judge(p->params.service, &ours, note->data, note->len);
}

static bool
has_seen_enough(const struct publisher *p, const struct job *job)
{
	if (job->pushed && !stored_by_all(p, job)) {
		return job->equal >= expected(p, job) ||
			shown(job) >= count_bits(publish_full_servers(p));
	}
	return shown(job) >= expected(p, job);
}

/* One of the servers turned out to be a cache: nothing waits for it any more. */
void
publish_expect_fewer(struct publisher *p)
{
	struct job *next = NULL;
	for (struct job *job = TAILQ_FIRST(&p->jobs.active); job != NULL; job = next) {
		next = TAILQ_NEXT(job, link);
		if (job->phase == JOB_LOOKING && !job->pushed &&
			has_seen_enough(p, job)) {
			finish_look(p, job, false);
		}
	}
	jobs_retry_failed(&p->jobs);
	publish_sweep_anew(p);
}

void
publish_on_lookup_answer(struct publisher *p, struct job *job, const struct note *note)
{
	if (note->no_responders) {
		finish_look(p, job, true);
		return;
	}
	enum verdict verdict = judge_answer(p, job, note);
	switch (verdict) {
	case VERDICT_EQUAL:
		job->equal++;
		break;
	case VERDICT_MISSING:
		job->missing++;
		break;
	case VERDICT_OLDER:
		job->older++;
		break;
	case VERDICT_DAMAGED:
		job->damaged++;
		break;
	case VERDICT_UNKNOWN:
		return; /* as if it had not answered */
	case VERDICT_NEWER:
	case VERDICT_FOREIGN:
		bus_cancel(p->bus, job->request);
		publish_quarantine(p, job, verdict, note->data);
		return;
	}
	if (has_seen_enough(p, job)) {
		finish_look(p, job, false);
	}
}
