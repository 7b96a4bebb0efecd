/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/jobs.h"

#include <search.h>
#include <stdlib.h>

static int
compare_numbers(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static int
compare_accounts(const void *a, const void *b)
{
	const struct job *x = a;
	const struct job *y = b;
	return compare_numbers(x->account, y->account);
}

static int
compare_requests(const void *a, const void *b)
{
	const struct job *x = a;
	const struct job *y = b;
	return compare_numbers((int64_t)x->request, (int64_t)y->request);
}

void
jobs_init(struct jobs *jobs)
{
	*jobs = (struct jobs){ .next_due = INT64_MAX };
	TAILQ_INIT(&jobs->paced);
	TAILQ_INIT(&jobs->delayed);
	TAILQ_INIT(&jobs->urgent);
	TAILQ_INIT(&jobs->ready);
	TAILQ_INIT(&jobs->active);
}

static struct job_list *
list_of(struct jobs *jobs, const struct job *job)
{
	switch (job->phase) {
	case JOB_PACED:
		return &jobs->paced;
	case JOB_DELAYED:
		return &jobs->delayed;
	case JOB_READY:
		return job->urgent ? &jobs->urgent : &jobs->ready;
	case JOB_PUSHING:
	case JOB_LOOKING:
		break;
	}
	return &jobs->active;
}

static void
unlink_job(struct jobs *jobs, struct job *job)
{
	TAILQ_REMOVE(list_of(jobs, job), job, link);
	if (job->phase == JOB_READY) {
		jobs->ready_len--;
	}
	if (job->phase == JOB_PUSHING || job->phase == JOB_LOOKING) {
		tdelete(job, &jobs->by_request, compare_requests);
		jobs->active_len--;
	}
}

void
jobs_release(struct jobs *jobs)
{
	struct job_list *lists[] = { &jobs->paced, &jobs->delayed, &jobs->urgent,
		&jobs->ready, &jobs->active };
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		while (!TAILQ_EMPTY(lists[i])) {
			jobs_remove(jobs, TAILQ_FIRST(lists[i]));
		}
	}
}

struct job *
jobs_find(struct jobs *jobs, int64_t account)
{
	struct job probe = { .account = account };
	struct job **node = tfind(&probe, &jobs->by_account, compare_accounts);
	return node != NULL ? *node : NULL;
}

struct job *
jobs_add(struct jobs *jobs, int64_t account, bool urgent)
{
	struct job *job = calloc(1, sizeof(*job));
	if (job == NULL) {
		return NULL;
	}
	job->account = account;
	job->urgent = urgent;
	job->phase = JOB_READY;
	if (tsearch(job, &jobs->by_account, compare_accounts) == NULL) {
		free(job);
		return NULL;
	}
	TAILQ_INSERT_TAIL(list_of(jobs, job), job, link);
	jobs->ready_len++;
	jobs->len++;
	return job;
}

void
jobs_remove(struct jobs *jobs, struct job *job)
{
	unlink_job(jobs, job);
	tdelete(job, &jobs->by_account, compare_accounts);
	jobs->len--;
	free(job->jwt);
	free(job->said);
	free(job);
}

struct job *
jobs_find_request(struct jobs *jobs, uint64_t request)
{
	struct job probe = { .request = request };
	struct job **node = tfind(&probe, &jobs->by_request, compare_requests);
	return node != NULL ? *node : NULL;
}

void
jobs_pace(struct jobs *jobs, struct job *job)
{
	unlink_job(jobs, job);
	job->phase = JOB_PACED;
	TAILQ_INSERT_TAIL(&jobs->paced, job, link);
}

void
jobs_delay(struct jobs *jobs, struct job *job, int64_t due)
{
	unlink_job(jobs, job);
	job->phase = JOB_DELAYED;
	job->due = due;
	TAILQ_INSERT_TAIL(&jobs->delayed, job, link);
	if (due < jobs->next_due) {
		jobs->next_due = due;
	}
}

void
jobs_make_ready(struct jobs *jobs, struct job *job, bool urgent)
{
	unlink_job(jobs, job);
	job->phase = JOB_READY;
	job->urgent = job->urgent || urgent;
	TAILQ_INSERT_TAIL(list_of(jobs, job), job, link);
	jobs->ready_len++;
}

int
jobs_activate(struct jobs *jobs, struct job *job, enum job_phase phase, uint64_t request)
{
	unlink_job(jobs, job);
	job->phase = phase;
	job->request = request;
	TAILQ_INSERT_TAIL(&jobs->active, job, link);
	jobs->active_len++;
	return tsearch(job, &jobs->by_request, compare_requests) != NULL ? 0 : -1;
}

void
jobs_promote(struct jobs *jobs, int64_t now)
{
	if (now < jobs->next_due) {
		return;
	}
	jobs->next_due = INT64_MAX;
	struct job *next = NULL;
	for (struct job *job = TAILQ_FIRST(&jobs->delayed); job != NULL; job = next) {
		next = TAILQ_NEXT(job, link);
		if (job->due <= now) {
			jobs_make_ready(jobs, job, false);
		} else if (job->due < jobs->next_due) {
			jobs->next_due = job->due;
		}
	}
}

struct job *
jobs_next(struct jobs *jobs)
{
	struct job *job = TAILQ_FIRST(&jobs->urgent);
	return job != NULL ? job : TAILQ_FIRST(&jobs->ready);
}
