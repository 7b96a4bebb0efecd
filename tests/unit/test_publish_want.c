/* SPDX-License-Identifier: Apache-2.0
 * What is wanted, and when. */
#include "publish/state.h"

#include "support/job_order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

enum { QUIET = 200, RATE = 20 };

struct hand {
	int64_t now;
	struct clock clock;
	struct publisher p;
};

static int64_t
read_hand(void *ctx)
{
	const struct hand *hand = ctx;
	return hand->now;
}

static int
set_up_hand(void **state)
{
	struct hand *hand = calloc(1, sizeof(*hand));
	assert_non_null(hand);
	hand->now = 100000;
	hand->clock = (struct clock){ .mono = read_hand, .ctx = hand };
	hand->p.params = (struct publisher_params){
		.clock = &hand->clock,
		.debounce_quiet_ms = QUIET,
		.debounce_max_ms = 1000,
		.role_pace = RATE,
	};
	hand->p.role_pace.rate = RATE;
	jobs_init(&hand->p.jobs);
	*state = hand;
	return 0;
}

static int
tear_down_hand(void **state)
{
	struct hand *hand = *state;
	jobs_release(&hand->p.jobs);
	free(hand);
	return 0;
}

static size_t
count_phase(struct hand *hand, enum job_phase phase)
{
	size_t n = 0;
	for (int64_t account = 1; account <= 100; account++) {
		const struct job *job = jobs_find(&hand->p.jobs, account);
		n += job != NULL && job->phase == phase ? 1 : 0;
	}
	return n;
}

static struct job *
job_of(struct hand *hand, int64_t account, enum job_phase phase)
{
	struct job *job = jobs_find(&hand->p.jobs, account);
	assert_non_null(job);
	assert_int_equal(job->phase, phase);
	return job;
}

static void
want_paced(struct hand *hand, int64_t first, int64_t last)
{
	for (int64_t account = first; account <= last; account++) {
		publish_want(&hand->p, account, WANT_PACED);
	}
}

static void
test_pace(void **state)
{
	struct hand *hand = *state;
	assert_int_equal(publish_pace_due(&hand->p), INT64_MAX);
	want_paced(hand, 1, 60);
	assert_true(publish_pace_due(&hand->p) <= hand->now);
	publish_let_paced_go(&hand->p);
	/* a bucketful at once, which waits for no more than the debounce */
	assert_int_equal(count_phase(hand, JOB_DELAYED), RATE);
	assert_int_equal(job_of(hand, RATE, JOB_DELAYED)->due, hand->now + QUIET);
	/* then one every 50 ms, in order */
	for (int64_t i = 1; i <= 20; i++) {
		assert_int_equal(publish_pace_due(&hand->p), hand->now + 50);
		hand->now += 49;
		publish_let_paced_go(&hand->p);
		assert_int_equal(count_phase(hand, JOB_DELAYED), RATE + i - 1);
		hand->now += 1;
		publish_let_paced_go(&hand->p);
		assert_int_equal(count_phase(hand, JOB_DELAYED), RATE + i);
		job_of(hand, RATE + i, JOB_DELAYED);
	}
	/* what waited for its turn is not debounced on top */
	assert_true(job_of(hand, 40, JOB_DELAYED)->due <= hand->now);
	/* a long silence is worth no more than a bucketful */
	hand->now += 3600 * 1000;
	want_paced(hand, 61, 100);
	publish_let_paced_go(&hand->p);
	assert_int_equal(count_phase(hand, JOB_PACED), 40);
	job_of(hand, 60, JOB_DELAYED);
	job_of(hand, 61, JOB_PACED);
}

static void
test_pace_rates(void **state)
{
	struct hand *hand = *state;
	hand->p.role_pace.rate = 3; /* 333 1/3 ms each */
	want_paced(hand, 1, 9);
	publish_let_paced_go(&hand->p);
	assert_int_equal(count_phase(hand, JOB_DELAYED), 3);
	int64_t start = hand->now;
	for (size_t i = 4; i <= 9; i++) {
		hand->now = publish_pace_due(&hand->p);
		publish_let_paced_go(&hand->p);
		assert_int_equal(count_phase(hand, JOB_DELAYED), i);
	}
	assert_in_range(hand->now - start, 2000, 2004);
	hand->p.params.role_pace = -1;
	want_paced(hand, 10, 100);
	assert_int_equal(count_phase(hand, JOB_PACED), 0);
	assert_int_equal(job_of(hand, 100, JOB_DELAYED)->due, hand->now + QUIET);
}

/* Whatever else is wanted of an account that waits for its turn takes it out of the
 * row. */
static void
test_pace_is_left(void **state)
{
	struct hand *hand = *state;
	want_paced(hand, 1, 60);
	publish_let_paced_go(&hand->p);
	hand->now += 5;
	publish_want(&hand->p, 50, WANT_NOW);
	ASSERT_ORDER(&hand->p.jobs.lanes[LANE_URGENT], 50);
	assert_true(job_of(hand, 50, JOB_READY)->urgent);
	hand->now += 2000; /* the debounce counts from the account's own change */
	publish_want(&hand->p, 51, WANT_SOON);
	assert_int_equal(job_of(hand, 51, JOB_DELAYED)->due, hand->now + QUIET);
	/* one that waits already is the newest state when it goes: one of many neither
	 * sends it back nor hurries it */
	int64_t due = job_of(hand, 51, JOB_DELAYED)->due;
	hand->now += 10;
	want_paced(hand, 50, 51);
	job_of(hand, 50, JOB_READY);
	assert_int_equal(job_of(hand, 51, JOB_DELAYED)->due, due);
	struct job *job = job_of(hand, 52, JOB_PACED);
	job->failures = 7;
	job->first = 0;
	jobs_delay(&hand->p.jobs, job, hand->now + 30000);
	want_paced(hand, 52, 52);
	assert_int_equal(job_of(hand, 52, JOB_DELAYED)->due, hand->now + 30000);
	assert_int_equal(job->failures, 7);
	publish_want(&hand->p, 52, WANT_SOON);
	assert_int_equal(job_of(hand, 52, JOB_DELAYED)->due, hand->now + QUIET);
	assert_int_equal(job->failures, 0);
}

static void
test_want_under_way(void **state)
{
	struct hand *hand = *state;
	struct jobs *jobs = &hand->p.jobs;
	for (int64_t i = 1; i <= 4; i++) {
		struct job *job = jobs_add(jobs, i, false);
		assert_int_equal(jobs_activate(jobs, job, JOB_PUSHING, (uint64_t)i), 0);
	}
	want_paced(hand, 2, 4);
	publish_want(&hand->p, 3, WANT_SOON);
	publish_want(&hand->p, 4, WANT_NOW);
	want_paced(hand, 2, 4); /* the most urgent of all counts */
	for (int64_t i = 1; i <= 4; i++) {
		publish_finish_job(&hand->p, job_of(hand, i, JOB_PUSHING));
	}
	assert_null(jobs_find(jobs, 1));
	job_of(hand, 2, JOB_PACED);
	job_of(hand, 3, JOB_DELAYED);
	assert_true(job_of(hand, 4, JOB_READY)->urgent);
	/* what failed does not wait for a turn as well */
	struct job *job = job_of(hand, 2, JOB_PACED);
	assert_int_equal(jobs_activate(jobs, job, JOB_PUSHING, 9), 0);
	want_paced(hand, 2, 2);
	publish_round_again(&hand->p, job);
	assert_int_equal(job_of(hand, 2, JOB_DELAYED)->due, hand->now + QUIET);
	assert_int_equal(job->again, WANT_NOTHING);
}

/* Accounts that are open in the database, for whoever's sake. */
static void
test_found(void **state)
{
	struct hand *hand = *state;
	publish_found(&hand->p, 1, 1, false);
	publish_found(&hand->p, 2, 1, true);
	assert_int_equal(job_of(hand, 1, JOB_DELAYED)->due, hand->now + QUIET);
	assert_true(job_of(hand, 2, JOB_READY)->urgent);
	/* seen before the news of the commit came: it is one of many all the same, once
	 */
	publish_found(&hand->p, 3, 1, false);
	want_paced(hand, 3, 3);
	job_of(hand, 3, JOB_PACED);
	publish_found(&hand->p, 3, 1, false);
	job_of(hand, 3, JOB_PACED);
	publish_found(&hand->p, 3, 1, true);
	assert_true(job_of(hand, 3, JOB_READY)->urgent);
	/* what is tried again later is left alone */
	struct job *job = job_of(hand, 1, JOB_DELAYED);
	job->failures = 3;
	job->wanted = 1;
	jobs_delay(&hand->p.jobs, job, hand->now + 30000);
	publish_found(&hand->p, 1, 1, true);
	assert_int_equal(job_of(hand, 1, JOB_DELAYED)->due, hand->now + 30000);
	assert_int_equal(job->failures, 3);
	/* unless somebody wrote to it since */
	publish_found(&hand->p, 1, 2, true);
	job_of(hand, 1, JOB_READY);
	/* what is under way is open, of course; what is newer than that is news */
	assert_int_equal(jobs_activate(&hand->p.jobs, job, JOB_PUSHING, 1), 0);
	job->wanted = 2;
	publish_found(&hand->p, 1, 2, true);
	publish_found(&hand->p, 1, 3, false);
	assert_int_equal(job->again, WANT_NOTHING);
	publish_found(&hand->p, 1, 3, true);
	assert_int_equal(job->again, WANT_NOW);
}

/* A change of an account that only a pass was about to look at, or that was tried in
 * vain, does not wait among such. */
static void
test_want_of_others(void **state)
{
	struct hand *hand = *state;
	struct jobs *jobs = &hand->p.jobs;
	struct job *look = jobs_add_look(jobs, 1, false);
	struct job *again = jobs_add(jobs, 2, false);
	again->failures = 3;
	jobs_make_ready(jobs, again, false);
	publish_want(&hand->p, 1, WANT_SOON);
	publish_want(&hand->p, 2, WANT_SOON);
	assert_false(look->pass);
	job_of(hand, 1, JOB_DELAYED);
	job_of(hand, 2, JOB_DELAYED);
	jobs_promote(jobs, hand->now + QUIET);
	ASSERT_ORDER(&jobs->lanes[LANE_FIRST], 1, 2);
}

/* A second after another hand was heard the servers are looked at, whatever is wanted
 * before. */
static void
test_look_again(void **state)
{
	struct hand *hand = *state;
	struct jobs *jobs = &hand->p.jobs;
	int64_t heard = hand->now;
	struct job *job = jobs_add(jobs, 1, false);
	assert_int_equal(jobs_activate(jobs, job, JOB_PUSHING, 1), 0);
	publish_want_look(&hand->p, 1);
	for (uint64_t i = 2; i <= 4; i++) {
		publish_want(&hand->p, 1, WANT_NOW); /* under way, and afterwards */
		hand->now += 200;
		publish_finish_job(&hand->p, job);
		publish_want(&hand->p, 1, WANT_NOW);
		assert_true(job_of(hand, 1, JOB_READY)->look);
		assert_int_equal(jobs_activate(jobs, job, JOB_LOOKING, i), 0);
	}
	publish_finish_job(&hand->p, job);
	assert_true(job_of(hand, 1, JOB_DELAYED)->look);
	assert_int_equal(job->due, heard + 1000);
	/* nor does it wait for the turn of one of many */
	assert_int_equal(jobs_activate(jobs, job, JOB_LOOKING, 5), 0);
	want_paced(hand, 1, 1);
	publish_finish_job(&hand->p, job);
	assert_int_equal(job_of(hand, 1, JOB_DELAYED)->due, heard + 1000);
}

#define WITH_HAND(fn) cmocka_unit_test_setup_teardown(fn, set_up_hand, tear_down_hand)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HAND(test_pace),
		WITH_HAND(test_pace_rates),
		WITH_HAND(test_pace_is_left),
		WITH_HAND(test_want_under_way),
		WITH_HAND(test_found),
		WITH_HAND(test_want_of_others),
		WITH_HAND(test_look_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
