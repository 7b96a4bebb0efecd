/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

/* So long another push may be slower than our look. */
enum { LOOK_AGAIN_MS = 1000 };

/* What is urgent waits for its account's request under way no longer than this. */
enum { HUNG_MS = 500 };

static void
debounce(struct publisher *p, struct job *job)
{
	int64_t now = publish_now_ms(p);
	if (job->first == 0) {
		job->first = now;
	}
	jobs_delay(&p->jobs, job,
		publish_earlier_of(now + p->params.debounce_quiet_ms,
			job->first + p->params.debounce_max_ms));
}

/* ---- the pace ---- */

static void
pace(struct publisher *p, struct job *job)
{
	if (p->params.role_pace < 0) {
		debounce(p, job);
		return;
	}
	job->first = publish_now_ms(p);
	jobs_pace(&p->jobs, job);
}

void
publish_let_paced_go(struct publisher *p)
{
	int64_t now = publish_now_ms(p);
	struct job *job = NULL;
	while ((job = TAILQ_FIRST(&p->jobs.paced)) != NULL &&
		pace_take(&p->role_pace, now)) {
		/* Nothing that waits for its turn is debounced on top. */
		jobs_delay(&p->jobs, job, job->first + p->params.debounce_quiet_ms);
	}
}

int64_t
publish_pace_due(const struct publisher *p)
{
	return TAILQ_EMPTY(&p->jobs.paced) ? INT64_MAX : pace_due(&p->role_pace);
}

/* ---- wanting ---- */

static void
start_waiting(struct publisher *p, struct job *job, enum want want)
{
	switch (want) {
	case WANT_NOTHING:
		break;
	case WANT_PACED:
		pace(p, job);
		break;
	case WANT_SOON:
		debounce(p, job);
		break;
	case WANT_NOW:
		jobs_make_ready(&p->jobs, job, true);
		break;
	}
}

/* NULL when out of memory: the database remembers. */
static struct job *
add_job(struct publisher *p, int64_t account)
{
	struct job *job = jobs_add(&p->jobs, account, false);
	if (job == NULL) {
		publish_restart_sweep(p, false);
	}
	return job;
}

/* It waits already. One of many changes nothing there: what goes out is the newest state,
 * and a server in trouble is not helped by more tries. */
static void
hasten(struct publisher *p, struct job *job, enum want want)
{
	if (want == WANT_PACED && !job->found) {
		return;
	}
	job->failures = 0;
	job->told = 0;
	if (job->phase == JOB_PACED) {
		job->first = 0;
	}
	if (want == WANT_NOW || job->phase != JOB_READY || job->lane > LANE_FIRST) {
		start_waiting(p, job, want);
	}
	job->found = false;
}

void
publish_want(struct publisher *p, int64_t account, enum want want)
{
	struct job *job = jobs_find(&p->jobs, account);
	if (job == NULL) {
		job = add_job(p, account);
		if (job != NULL) {
			start_waiting(p, job, want);
		}
		return;
	}
	job->pass = false;
	switch (job->phase) {
	case JOB_PUSHING:
	case JOB_LOOKING:
		if (want > job->again) {
			job->again = want;
		}
		job->urgent = job->urgent || want == WANT_NOW;
		break;
	case JOB_PACED:
	case JOB_READY:
	case JOB_DELAYED:
		hasten(p, job, want);
		break;
	}
}

/* As far as is known here the job is paced, tries what was wanted then, or waits for
 * another try of that: somebody else wrote since. */
static bool
is_news(const struct job *job, int64_t generation, bool urgent)
{
	switch (job->phase) {
	case JOB_PACED:
		return urgent;
	case JOB_DELAYED:
		return job->failures > 0 && generation > job->wanted;
	case JOB_PUSHING:
	case JOB_LOOKING:
		return urgent && generation > job->wanted;
	case JOB_READY:
		break;
	}
	return false;
}

void
publish_found(struct publisher *p, int64_t account, int64_t generation, bool urgent)
{
	struct job *job = jobs_find(&p->jobs, account);
	if (job == NULL && publish_is_proving(p, account, generation)) {
		return;
	}
	if (job != NULL) {
		if (is_news(job, generation, urgent)) {
			publish_want(p, account, urgent ? WANT_NOW : WANT_SOON);
		}
		return;
	}
	publish_want(p, account, urgent ? WANT_NOW : WANT_SOON);
	job = jobs_find(&p->jobs, account);
	if (job != NULL) {
		job->found = true;
	}
}

void
publish_round_again(struct publisher *p, struct job *job)
{
	/* What failed must not wait for its turn. */
	enum want want = job->again == WANT_NOW ? WANT_NOW : WANT_SOON;
	job->again = WANT_NOTHING;
	job->failures = 0;
	job->first = 0;
	start_waiting(p, job, want);
}

/* When the try under way is given up for what is urgent. A first look says what may be
 * overwritten, so it has its time, but no more than a first one has. */
static int64_t
hurry_due(const struct job *job)
{
	bool first_look = job->phase == JOB_LOOKING && !job->pushed;
	if (job->again != WANT_NOW || (first_look && job->failures == 0)) {
		return INT64_MAX;
	}
	return job->sent_at + HUNG_MS;
}

void
publish_be_unsure(const struct publisher *p, struct job *job)
{
	job->unsure_until = publish_now_ms(p) + LOOK_AGAIN_MS;
}

void
publish_hurry(struct publisher *p)
{
	int64_t now = publish_now_ms(p);
	struct job *job = NULL;
	struct job *next = NULL;
	for (job = TAILQ_FIRST(&p->jobs.active); job != NULL; job = next) {
		next = TAILQ_NEXT(job, link);
		if (hurry_due(job) <= now) {
			bus_cancel(p->bus, job->request);
			if (job->phase == JOB_PUSHING) {
				/* still on its way, to whoever did not answer */
				publish_be_unsure(p, job);
			}
			publish_round_again(p, job);
		}
	}
}

int64_t
publish_hurry_due(const struct publisher *p)
{
	int64_t due = INT64_MAX;
	const struct job *job = NULL;
	TAILQ_FOREACH(job, &p->jobs.active, link)
	{
		due = publish_earlier_of(due, hurry_due(job));
	}
	return due;
}

void
publish_want_look(struct publisher *p, int64_t account)
{
	struct job *job = jobs_find(&p->jobs, account);
	if (job == NULL) {
		job = add_job(p, account);
	}
	if (job == NULL) {
		return;
	}
	publish_be_unsure(p, job);
	job->pass = false;
	publish_forget_proof(p, account);
	/* What was seen before no longer counts: not even a push that is tried again may
	 * go out over what is there now. */
	seq_set_remove(&p->seen, account);
	seq_set_remove(&p->looked, account);
	if (job->phase == JOB_PUSHING || (job->phase == JOB_LOOKING && job->pushed)) {
		return;
	}
	if (job->phase == JOB_LOOKING) {
		bus_cancel(p->bus, job->request);
	}
	job->look = true;
	jobs_make_ready(&p->jobs, job, true);
}

void
publish_want_look_all(struct publisher *p)
{
	struct job *next = NULL;
	/* What these have seen, or pushed, may be older than what is there now. */
	for (struct job *job = TAILQ_FIRST(&p->jobs.active); job != NULL; job = next) {
		next = TAILQ_NEXT(job, link);
		publish_want_look(p, job->account);
	}
	p->unsure_until = publish_now_ms(p) + LOOK_AGAIN_MS;
	seq_set_clear(&p->seen);
	seq_set_clear(&p->looked);
	publish_drop_proofs(p, false);
	p->roster_at = 0;
	publish_restart_sweep(p, true);
}

/* The job stays: that look proves what it did, and tells how servers differed. */
static void
look_later(struct publisher *p, struct job *job)
{
	job->look = true;
	job->again = WANT_NOTHING;
	job->failures = 0;
	job->told = 0;
	job->first = 0;
	job->unseen_since = 0;
	jobs_delay(&p->jobs, job, job->unsure_until);
}

void
publish_finish_job(struct publisher *p, struct job *job)
{
	enum want again = job->again;
	int64_t account = job->account;
	publish_swept(p, job);
	if (job->unsure_until != 0) {
		look_later(p, job);
	} else {
		jobs_remove(&p->jobs, job);
	}
	if (again != WANT_NOTHING) {
		publish_want(p, account, again);
	}
}
