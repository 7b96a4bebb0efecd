/* SPDX-License-Identifier: Apache-2.0
 * A server that answers that it is there, and no lookup: what nobody changes does not
 * keep changes from going out, and what kind it is is learnt. */
#include "base/str.h"
#include "support/other_hands.h"
#include "support/publish_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { MUTE_PLACES = 4, MUTE_ACCOUNTS = 30 };

/* More accounts than lookups have places, on one server; then a second one is there,
 * which answers none. account: the last of them. */
static void
join_mute(struct stage *s, bool cache, char account[static RAND_ID_SIZE])
{
	char accounts[MUTE_ACCOUNTS][RAND_ID_SIZE];
	stage_converge(s, 1, MUTE_ACCOUNTS, accounts);
	memcpy(account, accounts[MUTE_ACCOUNTS - 1], RAND_ID_SIZE);
	stage_set_mute(s, 1, true);
	stage_set_flag(s, &s->bus.servers[1].cache, cache);
	stage_set_server(s, 1, true);
}

static int
set_up_mute(void **state)
{
	stage_in_flight_max = MUTE_PLACES;
	int rc = stage_set_up(state);
	stage_in_flight_max = 0;
	return rc;
}

struct mute_wait {
	char key[NKEY_TEXT_SIZE];
	uint64_t after;
	struct question *found;
};

/* The account is looked up, or pushed. */
static bool
is_asked_or_pushed(struct stage *s, const void *ctx)
{
	const struct mute_wait *wait = ctx;
	pthread_mutex_lock(&s->bus.lock);
	bool found = s->bus.servers[1].updates > 0;
	for (size_t i = 0; !found && i < s->bus.question_len; i++) {
		found = s->bus.questions[i].request > wait->after &&
			strstr(s->bus.questions[i].subject, wait->key) != NULL;
		*wait->found = s->bus.questions[i];
	}
	pthread_mutex_unlock(&s->bus.lock);
	return found;
}

/* What nobody changed does not take all the places, and no lookup lasts beyond the time
 * after which the change goes out all the same. */
static void
test_mute_and_a_change(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	struct question asked = { 0 };
	struct mute_wait wait = { .found = &asked };
	int64_t waited = 0;
	join_mute(s, false, account);
	stage_key(s, account, wait.key);
	stage_set_answer(s, 1, HANGS); /* like one that has its accounts in memory */
	stage_set_patient(s);
	stage_say(s, BUS_EVENT_UP);
	stage_describe(s, account, "an ordinary change");
	assert_true(stage_eventually(s, is_asked_or_pushed, &wait));
	while (stage_updates(s, 1) == 0 && waited < 60 * 1000) {
		wait.after = asked.request;
		waited += asked.timeout_ms;
		stage_pass(s, asked.timeout_ms);
		stage_expire(s);
		assert_true(stage_eventually(s, is_asked_or_pushed, &wait));
	}
	assert_in_range(waited, 1, 10 * 1000 + 100);
	stage_expire(s);
}

/* The first pass with the new server, which is not called checked for it. */
static void
pass_mute(struct stage *s)
{
	int64_t now = clock_wall_ms(&s->t.clock);
	temp_service_advance(&s->t, 1000);
	stage_say(s, BUS_EVENT_UP);
	assert_true(stage_eventually(s, stage_has_passed, &now));
	assert_int_equal(stage_ask(s,
				 "SELECT count(*) FROM servers WHERE name = 's1' AND "
				 "checked_incarnation < incarnation"),
		1);
}

static void
assert_checked(struct stage *s)
{
	ASSERT_SOON(s,
		"SELECT count(*) = 2 FROM servers WHERE checked_incarnation = "
		"incarnation");
}

/* ctx: how often it had been. */
static bool
is_looked_at_again(struct stage *s, const void *ctx)
{
	const unsigned *before = ctx;
	return stage_lookups(s, 0) > *before + 2 * MUTE_ACCOUNTS;
}

/* A pass comes to its end, and again: no account is tried on its own, and each is told of
 * once. */
static void
test_mute_and_a_pass(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	join_mute(s, false, account);
	pass_mute(s);
	assert_int_equal(stage_ask(s,
				 "SELECT count(*) FROM account_publish WHERE state = "
				 "'pending' AND message LIKE 'no answer to a lookup from "
				 "s1: %'"),
		MUTE_ACCOUNTS + 1);
	unsigned looks = stage_lookups(s, 0);
	stage_pass(s, 11 * 1000); /* the next one */
	stage_wake(s);
	assert_true(stage_eventually(s, is_looked_at_again, &looks));
	assert_int_equal(stage_ask(s, "SELECT max(attempts) FROM account_publish"), 1);
	assert_int_equal(stage_updates(s, 1), 0);
	/* and what it says at last is seen soon */
	stage_set_mute(s, 1, false);
	stage_assert_converges(s);
	assert_int_equal(
		stage_ask(s, "SELECT count(*) FROM account_publish WHERE message <> ''"),
		0);
	assert_checked(s);
}

/* Nor is it called checked when all accounts are tried on their own. */
static void
test_mute_and_changes(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	join_mute(s, false, account);
	temp_store_exec(
		&s->t.temp, "UPDATE account_publish SET generation = generation + 1");
	pass_mute(s);
	stage_set_mute(s, 1, false);
	stage_assert_converges(s);
	assert_checked(s);
}

/* Though nothing changes: what kind of server it is natsid asks. */
static void
test_mute_cache(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	join_mute(s, true, account);
	pass_mute(s);
	assert_int_equal(stage_updates(s, 1), 0);
	stage_pass(s, 11 * 1000);
	stage_wake(s);
	ASSERT_SOON(s,
		"SELECT count(*) FROM servers WHERE name = 's1' AND resolver = 'cache'");
	stage_assert_converges(s);
	assert_checked(s);
}

/* The question changes nothing on any server, and a full one that shows nothing is left
 * alone for ever. */
static void
test_mute_asked_in_vain(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	join_mute(s, false, account);
	char *newer = other_hands_jwt(s, account, true);
	other_hands_store(s, 1, newer);
	unsigned before = stage_updates(s, 0);
	stage_say(s, BUS_EVENT_UP);
	ASSERT_SOON(s, "SELECT count(*) > 9 FROM account_publish WHERE message <> ''");
	stage_pass(s, 11 * 1000);
	stage_wake(s);
	ASSERT_SOON(s,
		"SELECT count(*) FROM servers WHERE name = 's1' AND resolver = 'full'");
	stage_pass(s, 200 * 1000);
	stage_wake(s);
	ASSERT_SOON(s, "SELECT count(*) > 9 FROM account_publish WHERE message <> ''");
	assert_int_equal(stage_updates(s, 0), before);
	assert_int_equal(stage_updates(s, 1), 0);
	stage_set_mute(s, 1, false);
	ASSERT_SOON(s, "SELECT count(*) FROM quarantine WHERE cause = 'newer'");
	free(newer);
}

/* ctx: how many accounts are to fail. All that is asked expires. */
static bool
have_failed(struct stage *s, const void *ctx)
{
	stage_expire(s);
	return stage_ask(s, "SELECT count(*) FROM account_publish WHERE attempts > 0") ==
		*(const int *)ctx;
}

struct look_for {
	char key[NKEY_TEXT_SIZE];
	size_t before; /* pushes */
};

static bool
was_pushed(struct stage *s, const void *ctx)
{
	const struct look_for *push = ctx;
	bool found = false;
	for (size_t i = stage_pushed(s); !found && i-- > push->before;) {
		found = str_equal(stage_push(s, i).key, push->key);
	}
	return found;
}

/* Nor do further tries of what a server does not acknowledge. */
static void
test_tries_and_a_change(void **state)
{
	enum { FAILING = 2 * MUTE_PLACES };
	struct stage *s = *state;
	char accounts[FAILING + 1][RAND_ID_SIZE];
	int failing = FAILING;
	stage_converge(s, 2, FAILING + 1, accounts);
	size_t before = stage_pushed(s);
	stage_set_patient(s);
	stage_set_answer(s, 1, HANGS);
	for (int i = 0; i < FAILING; i++) {
		stage_describe(s, accounts[i], "an ordinary change");
	}
	assert_true(stage_eventually(s, have_failed, &failing));
	stage_pass(s, 60 * 1000);
	stage_wake(s);
	stage_describe(s, accounts[FAILING], "another one");
	struct look_for push = { .before = before };
	stage_key(s, accounts[FAILING], push.key);
	assert_true(stage_eventually(s, was_pushed, &push));
	stage_expire(s);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up_mute, stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mute_and_a_change),
		TEST(test_mute_and_a_pass),
		TEST(test_mute_and_changes),
		TEST(test_mute_cache),
		TEST(test_mute_asked_in_vain),
		TEST(test_tries_and_a_change),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
