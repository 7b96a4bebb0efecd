/* SPDX-License-Identifier: Apache-2.0
 * Jobs in their order, and at their times. */
#include "publish/jobs.h"

#include "base/str.h"
#include "publish/roster.h"
#include "support/job_order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void
test_jobs_order(void **state)
{
	struct jobs jobs;
	(void)state;
	jobs_init(&jobs);
	for (int64_t i = 1; i <= 5; i++) {
		assert_non_null(jobs_add(&jobs, i, i == 3));
	}
	assert_int_equal(jobs.len, 5);
	assert_int_equal(jobs.ready_len, 5);
	ASSERT_ORDER(&jobs.lanes[LANE_URGENT], 3);
	ASSERT_ORDER(&jobs.lanes[LANE_FIRST], 1, 2, 4, 5); /* in order of arrival */
	jobs_remove(&jobs, jobs_find(&jobs, 3));
	assert_null(jobs_find(&jobs, 3));
	/* once urgent, always; and to the end of that list */
	jobs_make_ready(&jobs, jobs_find(&jobs, 4), true);
	jobs_make_ready(&jobs, jobs_find(&jobs, 2), true);
	jobs_make_ready(&jobs, jobs_find(&jobs, 4), false);
	ASSERT_ORDER(&jobs.lanes[LANE_URGENT], 2, 4);
	ASSERT_ORDER(&jobs.lanes[LANE_FIRST], 1, 5);
	assert_int_equal(jobs.ready_len, 4);
	jobs_release(&jobs);
	assert_int_equal(jobs.len, 0);
	assert_int_equal(jobs.ready_len, 0);
}

/* What nobody has just changed waits apart, and it is counted how much of it is under
 * way. */
static void
test_jobs_lanes(void **state)
{
	struct jobs jobs;
	(void)state;
	jobs_init(&jobs);
	assert_non_null(jobs_add(&jobs, 1, false));
	struct job *look = jobs_add_look(&jobs, 2, false);
	assert_true(look->look && look->pass);
	assert_non_null(jobs_add_look(&jobs, 3, true));
	struct job *again = jobs_add(&jobs, 4, false);
	again->failures = 1;
	jobs_delay(&jobs, again, 5);
	jobs_promote(&jobs, 5);
	ASSERT_ORDER(&jobs.lanes[LANE_URGENT], 3);
	ASSERT_ORDER(&jobs.lanes[LANE_FIRST], 1);
	ASSERT_ORDER(&jobs.lanes[LANE_LOOK], 2);
	ASSERT_ORDER(&jobs.lanes[LANE_AGAIN], 4);
	assert_int_equal(jobs.ready_len, 4);
	assert_int_equal(jobs_new(&jobs), 3);
	assert_int_equal(jobs_activate(&jobs, look, JOB_LOOKING, 7), 0);
	assert_int_equal(jobs.ready_in[LANE_LOOK], 0);
	assert_int_equal(jobs.active_in[LANE_LOOK], 1);
	/* what it led to is no look any more */
	look->look = false;
	jobs_make_ready(&jobs, look, false);
	assert_int_equal(jobs.active_in[LANE_LOOK], 0);
	ASSERT_ORDER(&jobs.lanes[LANE_FIRST], 1, 2);
	jobs_release(&jobs);
}

static void
test_jobs_delay(void **state)
{
	struct jobs jobs;
	(void)state;
	jobs_init(&jobs);
	assert_int_equal(jobs_next_due(&jobs), INT64_MAX);
	for (int64_t i = 1; i <= 3; i++) {
		jobs_delay(&jobs, jobs_add(&jobs, i, false), 100 * i);
	}
	assert_int_equal(jobs.ready_len, 0);
	assert_int_equal(jobs_next_due(&jobs), 100);
	jobs_promote(&jobs, 99);
	assert_int_equal(jobs.ready_len, 0);
	jobs_promote(&jobs, 100);
	ASSERT_ORDER(&jobs.lanes[LANE_FIRST], 1);
	assert_int_equal(jobs_next_due(&jobs), 200);
	/* a later time does not hide an earlier one; an earlier one counts at once */
	jobs_delay(&jobs, jobs_find(&jobs, 1), 900);
	assert_int_equal(jobs_next_due(&jobs), 200);
	jobs_delay(&jobs, jobs_find(&jobs, 3), 50);
	assert_int_equal(jobs_next_due(&jobs), 50);
	/* one that goes takes its time with it */
	jobs_remove(&jobs, jobs_find(&jobs, 3));
	assert_int_equal(jobs_next_due(&jobs), 200);
	jobs_promote(&jobs, 10000);
	ASSERT_ORDER(&jobs.lanes[LANE_FIRST], 2, 1);
	assert_int_equal(jobs_next_due(&jobs), INT64_MAX);
	jobs_release(&jobs);
}

enum { DELAYED = 500 };

/* Some come, go, and get another time before it has come. */
static void
delay_many(struct jobs *jobs)
{
	uint32_t random = 7;
	for (int64_t i = 1; i <= DELAYED; i++) {
		random = random * 1664525 + 1013904223;
		jobs_delay(jobs, jobs_add(jobs, i, false), random >> 20 & 255);
	}
	for (int64_t i = 1; i <= DELAYED; i += 3) {
		random = random * 1664525 + 1013904223;
		jobs_delay(jobs, jobs_find(jobs, i), random >> 20 & 255);
	}
	for (int64_t i = 2; i <= DELAYED; i += 7) {
		jobs_remove(jobs, jobs_find(jobs, i));
	}
}

/* By their times, and in order of arrival those that have the same. */
static void
test_jobs_delay_order(void **state)
{
	struct jobs jobs;
	const struct job *job = NULL;
	const struct job *before = NULL;
	(void)state;
	jobs_init(&jobs);
	delay_many(&jobs);
	size_t len = jobs.len;
	for (int64_t now = 0; now < 256; now++) {
		jobs_promote(&jobs, now);
		assert_true(jobs_next_due(&jobs) > now);
		job = TAILQ_LAST(&jobs.lanes[LANE_FIRST], job_list);
		assert_true(job == NULL || job->due <= now);
	}
	assert_int_equal(jobs.ready_len, len);
	TAILQ_FOREACH(job, &jobs.lanes[LANE_FIRST], link)
	{
		assert_true(before == NULL || before->due < job->due ||
			(before->due == job->due && before->turn < job->turn));
		before = job;
	}
	jobs_release(&jobs);
}

/* A new connection: what failed is tried at once, the rest keeps its time. */
static void
test_jobs_retry_failed(void **state)
{
	struct jobs jobs;
	(void)state;
	jobs_init(&jobs);
	for (int64_t i = 1; i <= 9; i++) {
		struct job *job = jobs_add(&jobs, i, false);
		job->failures = i % 4 == 0 ? 3 : 0;
		jobs_delay(&jobs, job, 1000 - i);
	}
	jobs_retry_failed(&jobs);
	assert_int_equal(jobs_find(&jobs, 4)->failures, 0);
	jobs_promote(&jobs, 1);
	ASSERT_ORDER(&jobs.lanes[LANE_FIRST], 4, 8);
	jobs_promote(&jobs, 995);
	ASSERT_ORDER(&jobs.lanes[LANE_FIRST], 4, 8, 9, 7, 6, 5);
	assert_int_equal(jobs_next_due(&jobs), 997);
	jobs_release(&jobs);
}

/* As many may wait as there are accounts: they hold nothing but who and when. */
static void
test_jobs_delay_keeps_little(void **state)
{
	struct jobs jobs;
	(void)state;
	jobs_init(&jobs);
	struct job *job = jobs_add(&jobs, 1, false);
	assert_int_equal(jobs_activate(&jobs, job, JOB_PUSHING, 1), 0);
	job->said = calloc(ROSTER_MAX, sizeof(*job->said));
	job->jwt = str_dup("a JWT");
	job->jwt_len = strlen(job->jwt);
	jobs_delay(&jobs, job, 10);
	assert_null(job->said);
	assert_null(job->jwt);
	assert_int_equal(job->jwt_len, 0);
	assert_true(sizeof(*job) < 1024);
	jobs_release(&jobs);
}

static void
test_jobs_requests(void **state)
{
	enum { JOBS = 200 };
	struct jobs jobs;
	(void)state;
	jobs_init(&jobs);
	for (int64_t i = 1; i <= JOBS; i++) {
		struct job *job = jobs_add(&jobs, i, false);
		assert_non_null(job);
		assert_int_equal(jobs_activate(&jobs, job, JOB_PUSHING,
					 UINT64_C(1000) + (uint64_t)i),
			0);
	}
	assert_int_equal(jobs.active_len, JOBS);
	assert_int_equal(jobs.ready_len, 0);
	assert_int_equal(jobs_find_request(&jobs, 1007)->account, 7);
	assert_null(jobs_find_request(&jobs, 7));
	/* another request of the same job: the old number is nobody's */
	assert_int_equal(jobs_activate(&jobs, jobs_find(&jobs, 7), JOB_LOOKING, 5000), 0);
	assert_null(jobs_find_request(&jobs, 1007));
	assert_int_equal(jobs_find_request(&jobs, 5000)->account, 7);
	assert_int_equal(jobs.active_len, JOBS);
	jobs_delay(&jobs, jobs_find(&jobs, 7), 10);
	assert_null(jobs_find_request(&jobs, 5000));
	assert_int_equal(jobs.active_len, JOBS - 1);
	jobs_make_ready(&jobs, jobs_find(&jobs, 8), false);
	assert_null(jobs_find_request(&jobs, 1008));
	jobs_remove(&jobs, jobs_find(&jobs, 9));
	assert_null(jobs_find_request(&jobs, 1009));
	assert_int_equal(jobs.active_len, JOBS - 3);
	assert_int_equal(jobs.len, JOBS - 1);
	/* numbers beyond int64 are numbers too */
	struct job *job = jobs_find(&jobs, 10);
	assert_int_equal(jobs_activate(&jobs, job, JOB_PUSHING, UINT64_MAX), 0);
	assert_ptr_equal(jobs_find_request(&jobs, UINT64_MAX), job);
	job->jwt = str_dup("owned");
	jobs_release(&jobs);
	assert_int_equal(jobs.len, 0);
	assert_int_equal(jobs.active_len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_jobs_order),
		cmocka_unit_test(test_jobs_lanes),
		cmocka_unit_test(test_jobs_delay),
		cmocka_unit_test(test_jobs_delay_order),
		cmocka_unit_test(test_jobs_retry_failed),
		cmocka_unit_test(test_jobs_delay_keeps_little),
		cmocka_unit_test(test_jobs_requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
