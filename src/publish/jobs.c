/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/jobs.h"

#include <search.h>
#include <stdlib.h>

enum { DELAYED_FIRST = 64 };

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
	*jobs = (struct jobs){ 0 };
	TAILQ_INIT(&jobs->paced);
	for (size_t i = 0; i < LANE_COUNT; i++) {
		TAILQ_INIT(&jobs->lanes[i]);
	}
	TAILQ_INIT(&jobs->active);
}

/* ---- those that wait for their time ---- */

static bool
is_before(const struct job *a, const struct job *b)
{
	return a->due != b->due ? a->due < b->due : a->turn < b->turn;
}

static void
put_at(struct jobs *jobs, struct job *job, size_t place)
{
	jobs->delayed[place] = job;
	job->place = place;
}

/* Towards the first, past those that are due after it. */
static void
rise(struct jobs *jobs, struct job *job)
{
	size_t at = job->place;
	while (at > 0 && is_before(job, jobs->delayed[(at - 1) / 2])) {
		put_at(jobs, jobs->delayed[(at - 1) / 2], at);
		at = (at - 1) / 2;
	}
	put_at(jobs, job, at);
}

static void
sink(struct jobs *jobs, struct job *job)
{
	size_t at = job->place;
	size_t next = 0;
	while ((next = 2 * at + 1) < jobs->delayed_len) {
		if (next + 1 < jobs->delayed_len &&
			is_before(jobs->delayed[next + 1], jobs->delayed[next])) {
			next++;
		}
		if (!is_before(jobs->delayed[next], job)) {
			break;
		}
		put_at(jobs, jobs->delayed[next], at);
		at = next;
	}
	put_at(jobs, job, at);
}

static void
heap_add(struct jobs *jobs, struct job *job)
{
	job->turn = jobs->turns++;
	job->place = jobs->delayed_len++;
	rise(jobs, job);
}

static void
heap_remove(struct jobs *jobs, struct job *job)
{
	struct job *last = jobs->delayed[--jobs->delayed_len];
	if (last != job) {
		last->place = job->place;
		rise(jobs, last);
		sink(jobs, last);
	}
}

static int
heap_reserve(struct jobs *jobs, size_t room)
{
	if (room <= jobs->delayed_room) {
		return 0;
	}
	room = 2 * room > DELAYED_FIRST ? 2 * room : DELAYED_FIRST;
	struct job **delayed = reallocarray(jobs->delayed, room, sizeof(struct job *));
	if (delayed == NULL) {
		return -1;
	}
	jobs->delayed = delayed;
	jobs->delayed_room = room;
	return 0;
}

/* ---- all of them ---- */

static struct job_list *
list_of(struct jobs *jobs, const struct job *job)
{
	switch (job->phase) {
	case JOB_PACED:
		return &jobs->paced;
	case JOB_READY:
		return &jobs->lanes[job->lane];
	case JOB_PUSHING:
	case JOB_LOOKING:
	case JOB_DELAYED: /* it is in none */
		break;
	}
	return &jobs->active;
}

static void
unlink_job(struct jobs *jobs, struct job *job)
{
	if (job->phase == JOB_DELAYED) {
		heap_remove(jobs, job);
		return;
	}
	TAILQ_REMOVE(list_of(jobs, job), job, link);
	if (job->phase == JOB_READY) {
		jobs->ready_len--;
		jobs->ready_in[job->lane]--;
	}
	if (job->phase == JOB_PUSHING || job->phase == JOB_LOOKING) {
		tdelete(job, &jobs->by_request, compare_requests);
		jobs->active_len--;
		jobs->active_in[job->lane]--;
	}
}

/* It is in no list. */
static void
put_ready(struct jobs *jobs, struct job *job)
{
	job->phase = JOB_READY;
	job->lane = job->urgent          ? LANE_URGENT
		: job->failures > 0      ? LANE_AGAIN
		: job->pass && job->look ? LANE_LOOK
					 : LANE_FIRST;
	TAILQ_INSERT_TAIL(&jobs->lanes[job->lane], job, link);
	jobs->ready_len++;
	jobs->ready_in[job->lane]++;
}

static void
remove_all(struct jobs *jobs, struct job_list *list)
{
	while (!TAILQ_EMPTY(list)) {
		jobs_remove(jobs, TAILQ_FIRST(list));
	}
}

void
jobs_release(struct jobs *jobs)
{
	remove_all(jobs, &jobs->paced);
	for (size_t i = 0; i < LANE_COUNT; i++) {
		remove_all(jobs, &jobs->lanes[i]);
	}
	remove_all(jobs, &jobs->active);
	while (jobs->delayed_len > 0) {
		jobs_remove(jobs, jobs->delayed[jobs->delayed_len - 1]);
	}
	free(jobs->delayed);
	jobs->delayed = NULL;
	jobs->delayed_room = 0;
}

struct job *
jobs_find(struct jobs *jobs, int64_t account)
{
	struct job probe = { .account = account };
	struct job **node = tfind(&probe, &jobs->by_account, compare_accounts);
	return node != NULL ? *node : NULL;
}

static struct job *
add(struct jobs *jobs, int64_t account, bool urgent, bool pass)
{
	if (heap_reserve(jobs, jobs->len + 1) != 0) {
		return NULL;
	}
	struct job *job = calloc(1, sizeof(*job));
	if (job == NULL) {
		return NULL;
	}
	job->account = account;
	job->urgent = urgent;
	job->pass = pass;
	job->look = pass;
	if (tsearch(job, &jobs->by_account, compare_accounts) == NULL) {
		free(job);
		return NULL;
	}
	put_ready(jobs, job);
	jobs->len++;
	return job;
}

struct job *
jobs_add(struct jobs *jobs, int64_t account, bool urgent)
{
	return add(jobs, account, urgent, false);
}

struct job *
jobs_add_look(struct jobs *jobs, int64_t account, bool urgent)
{
	return add(jobs, account, urgent, true);
}

static void
drop_try(struct job *job)
{
	free(job->jwt);
	job->jwt = NULL;
	job->jwt_len = 0;
	free(job->overruled);
	job->overruled = NULL;
	job->overruled_len = 0;
	free(job->said);
	job->said = NULL;
}

void
jobs_remove(struct jobs *jobs, struct job *job)
{
	unlink_job(jobs, job);
	tdelete(job, &jobs->by_account, compare_accounts);
	jobs->len--;
	drop_try(job);
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
	drop_try(job);
	job->phase = JOB_DELAYED;
	job->due = due;
	heap_add(jobs, job);
}

void
jobs_make_ready(struct jobs *jobs, struct job *job, bool urgent)
{
	unlink_job(jobs, job);
	job->urgent = job->urgent || urgent;
	put_ready(jobs, job);
}

int
jobs_activate(struct jobs *jobs, struct job *job, enum job_phase phase, uint64_t request)
{
	unlink_job(jobs, job);
	job->phase = phase;
	job->request = request;
	TAILQ_INSERT_TAIL(&jobs->active, job, link);
	jobs->active_len++;
	jobs->active_in[job->lane]++;
	return tsearch(job, &jobs->by_request, compare_requests) != NULL ? 0 : -1;
}

void
jobs_promote(struct jobs *jobs, int64_t now)
{
	while (jobs_next_due(jobs) <= now) {
		jobs_make_ready(jobs, jobs->delayed[0], false);
	}
}

int64_t
jobs_next_due(const struct jobs *jobs)
{
	return jobs->delayed_len > 0 ? jobs->delayed[0]->due : INT64_MAX;
}

void
jobs_retry_failed(struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->delayed_len; i++) {
		struct job *job = jobs->delayed[i];
		if (job->failures > 0) {
			job->failures = 0;
			job->due = 0;
		}
	}
	for (size_t i = jobs->delayed_len / 2; i-- > 0;) {
		sink(jobs, jobs->delayed[i]);
	}
}
