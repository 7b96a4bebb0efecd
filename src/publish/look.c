/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

#include "base/str.h"

#include <string.h>

static size_t
count_bits(uint64_t mask)
{
	return (size_t)__builtin_popcountll(mask);
}

/* Lookups that are waited for: after a push those of the servers that stored it. */
static size_t
expected(const struct publisher *p, const struct job *job)
{
	uint64_t mask = publish_full_servers(p);
	return count_bits(job->pushed ? mask & job->stored : mask);
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
		publish_prove(p, job, job->stored);
		if (stored_by_all(p, job)) {
			publish_finish_job(p, job);
		} else {
			publish_fail_push(p, job);
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
 * forgotten a server, or a write have failed. */
static bool
is_recorded(const struct publisher *p, const struct job *job)
{
	size_t members = 0;
	for (size_t i = 0; i < p->roster.len; i++) {
		members += p->members[i].seq != 0 ? 1 : 0;
	}
	return seq_set_has(&p->seen, job->account) && job->current >= members;
}

/* All that answer lookups hold our bytes. Caches say only to a push whether they do. */
static void
finish_equal(struct publisher *p, struct job *job)
{
	bool known = is_recorded(p, job);
	bool newest = job->wanted == job->generation;
	bool proven = newest && job->proven >= job->generation;
	bool caches = publish_full_servers(p) != publish_mask(p->roster.len);
	job->drift = 0;
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

/* A server that is slow to show what it holds is asked once more. What is urgent does not
 * wait for it. */
static bool
waits_for_more(const struct publisher *p, const struct job *job, bool nobody_listens)
{
	return !nobody_listens && shown(job) < expected(p, job) && job->failures == 0 &&
		!job->urgent;
}

/* A running server lost what it held: it takes the same bytes for known, and says that it
 * stored them. */
static bool
was_lost(const struct job *job)
{
	return job->missing + job->damaged > 0 && job->current > job->equal + job->older;
}

static void
finish_first_look(struct publisher *p, struct job *job, bool nobody_listens)
{
	char words[STORE_PUBLISH_MESSAGE_MAX];
	job->look = false;
	if (job->jwt != NULL && shown(job) == job->equal && job->equal > 0 &&
		job->equal >= expected(p, job)) {
		finish_equal(p, job);
		return;
	}
	if (waits_for_more(p, job, nobody_listens)) {
		job->look = true;
		str_fmt_cut(words, sizeof(words),
			"%zu of %zu servers showed what they hold when they were asked "
			"for it",
			shown(job), expected(p, job));
		publish_fail(p, job, STORE_PUBLISH_PENDING, words);
		return;
	}
	if (job->jwt != NULL && job->proven >= job->generation) {
		note_differences(p, job);
	}
	bool lost = was_lost(job);
	if (lost) {
		publish_renew(p, job);
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
		.overruled = job->has_overruled ? job->overruled : NULL,
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
