/* SPDX-License-Identifier: Apache-2.0
 * What is proven is written down, as long as the database takes it. */
#include "publish/state.h"

#include "base/str.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

enum { MANY = 200 }; /* more than one transaction takes, three times */

struct hand {
	struct temp_service t;
	struct clock clock;
	struct publisher p;
	int64_t accounts[MANY];
};

static int64_t
read_hand(void *ctx)
{
	const struct hand *hand = ctx;
	return hand->t.temp.clock.mono;
}

/* Nobody is there, so an account is proven by nobody's word. */
static int
set_up_hand(void **state)
{
	struct hand *hand = calloc(1, sizeof(*hand));
	assert_non_null(hand);
	temp_service_init(&hand->t);
	hand->clock = (struct clock){ .mono = read_hand, .ctx = hand };
	hand->p.params = (struct publisher_params){
		.clock = &hand->clock,
		.store = hand->t.temp.store,
	};
	jobs_init(&hand->p.jobs);
	*state = hand;
	return 0;
}

static int
tear_down_hand(void **state)
{
	struct hand *hand = *state;
	jobs_release(&hand->p.jobs);
	free(hand->p.proofs);
	temp_service_release(&hand->t);
	free(hand);
	return 0;
}

static void
prove_many(struct hand *hand)
{
	for (int i = 0; i < MANY; i++) {
		char name[16];
		char account[RAND_ID_SIZE];
		str_fmt_cut(name, sizeof(name), "account%d", i);
		temp_make_account(&hand->t, name, account);
		hand->accounts[i] = temp_account_seq(&hand->t, account);
		const struct job job = { .account = hand->accounts[i], .generation = 1 };
		publish_prove(&hand->p, &job, 0);
	}
}

static int64_t
count_proven(struct hand *hand)
{
	return temp_ask(&hand->t,
		"SELECT count(*) FROM account_publish WHERE proven_generation > 0", NULL);
}

/* Another process may hold the database, and a try lasts as long as a change waits for
 * that: there is one, and what was not tried is looked at again, too. */
static void
test_not_written(void **state)
{
	struct hand *hand = *state;
	prove_many(hand);
	temp_store_exec(&hand->t.temp,
		"CREATE TRIGGER full BEFORE UPDATE OF proven_generation ON "
		"account_publish WHEN new.account = (SELECT min(seq) FROM accounts WHERE "
		"name LIKE 'account%') BEGIN SELECT RAISE(ABORT, 'the disk is full'); "
		"END");
	publish_begin_confirming(&hand->p);
	publish_confirm_proofs(&hand->p, true);
	assert_int_equal(count_proven(hand), 0);
	assert_int_equal(hand->p.proof_count, 0);
	for (int i = 0; i < MANY; i++) {
		const struct job *job = jobs_find(&hand->p.jobs, hand->accounts[i]);
		assert_non_null(job);
		assert_true(job->look);
	}
	assert_true(hand->p.write_at > publish_now_ms(&hand->p));
}

static void
test_written(void **state)
{
	struct hand *hand = *state;
	prove_many(hand);
	publish_begin_confirming(&hand->p);
	publish_confirm_proofs(&hand->p, true);
	assert_int_equal(count_proven(hand), MANY);
	assert_int_equal(hand->p.proof_count, 0);
	assert_int_equal(hand->p.jobs.len, 0);
	assert_int_equal(hand->p.write_at, 0);
}

#define WITH_HAND(fn) cmocka_unit_test_setup_teardown(fn, set_up_hand, tear_down_hand)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HAND(test_not_written),
		WITH_HAND(test_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
