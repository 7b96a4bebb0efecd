/* SPDX-License-Identifier: Apache-2.0
 * Nothing is pushed over what was not seen: servers that do not show what they hold. */
#include "base/str.h"
#include "support/other_hands.h"
#include "support/publish_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

/* Every account that is open was tried so often, and is not pushed. */
static void
assert_tried(struct stage *s, int times, const char *also)
{
	char sql[256];
	assert_int_equal(
		str_fmt(sql, sizeof(sql),
			"SELECT count(*) FROM account_publish WHERE generation > "
			"proven_generation AND attempts > %d AND %s",
			times, also),
		0);
	ASSERT_SOON(s, sql);
}

/* The same, when so much time has gone by. */
static void
assert_tried_after(struct stage *s, int64_t ms, const char *also)
{
	stage_ask(s, "UPDATE account_publish SET attempts = 0 RETURNING 1");
	stage_pass(s, ms);
	stage_wake(s);
	assert_tried(s, 0, also);
}

/* natsid starts anew, and the account has changed before it is connected. */
static void
restart_to_change(struct stage *s, const char *account, int64_t connections)
{
	stage_restart(s);
	stage_set_connections(s, account, connections);
	stage_say(s, BUS_EVENT_UP);
}

/* natsid starts on a database that was restored from a backup, and the server that has
 * what it never minted does not show it yet: be the change ever so urgent. */
static void
test_restored_unseen(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	char *newer = other_hands_jwt(s, account, true);
	other_hands_store(s, 1, newer);
	stage_set_mute(s, 1, true);
	unsigned before = stage_updates(s, 0);
	restart_to_change(s, account, 3);
	assert_tried(s, 2, "message LIKE 'no answer to a lookup from 1 of 2 servers: %'");
	assert_int_equal(stage_updates(s, 0), before);
	stage_set_mute(s, 1, false);
	ASSERT_SOON(s, "SELECT count(*) FROM quarantine WHERE cause = 'newer'");
	assert_int_equal(stage_updates(s, 0), before);
	assert_int_equal(stage_count_status(s, "held"), 1);
	free(newer);
}

/* One server that never shows anything does not keep the others from what is taken away;
 * of one alone nobody gains. */
static void
test_unseen_for_long(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	stage_set_mute(s, 1, true);
	unsigned before = stage_updates(s, 0);
	restart_to_change(s, account, 3);
	assert_tried(s, 2, "state = 'pending'");
	assert_tried_after(s, 50 * 1000, "state = 'pending'");
	assert_int_equal(stage_updates(s, 0), before);
	assert_tried_after(s, 11 * 1000,
		"state = 'partial' AND message LIKE '1 of 2 servers show%'");
	assert_true(stage_updates(s, 0) > before);
	/* what did not change is not pushed over it even then */
	assert_int_equal(stage_count_status(s, "proven"), 2);
	ASSERT_SOON(s,
		"SELECT count(*) = 2 FROM account_publish WHERE minted_generation = 1");
	stage_set_mute(s, 1, false);
	stage_pass(s, 60 * 1000);
	stage_wake(s);
	stage_assert_converges(s);
}

static void
test_alone_unseen(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge(s, 1, 1, &account);
	stage_set_mute(s, 0, true);
	unsigned before = stage_updates(s, 0);
	restart_to_change(s, account, 3);
	assert_tried(s, 1, "message LIKE 'no answer to a lookup from s0: %'");
	assert_tried_after(s, 120 * 1000, "state = 'pending'");
	assert_int_equal(stage_updates(s, 0), before);
	stage_set_mute(s, 0, false);
	stage_assert_converges(s);
}

/* All were seen since natsid is up, and each since it started: nothing waits for a
 * server that is slow later. */
static void
test_known_unseen(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	stage_set_mute(s, 1, true);
	stage_say(s, BUS_EVENT_DOWN); /* what was seen is forgotten */
	stage_set_connections(s, account, 3);
	stage_say(s, BUS_EVENT_UP);
	ASSERT_SOON(s,
		"SELECT count(*) FROM account_publish WHERE state = 'partial' AND "
		"message LIKE '1 of 2 servers show%'");
	stage_set_mute(s, 1, false);
	stage_assert_converges(s);
	/* unless it was started since */
	stage_wipe_server(s, 1);
	stage_set_mute(s, 1, true);
	unsigned before = stage_updates(s, 0);
	stage_say(s, BUS_EVENT_UP);
	stage_set_connections(s, account, 2);
	assert_tried(s, 2, "message LIKE 'no answer to a lookup from s1: %'");
	assert_int_equal(stage_updates(s, 0), before);
	stage_set_mute(s, 1, false);
	stage_assert_converges(s);
}

/* Or another hand was heard of. */
static void
test_other_hand_unseen(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	char *foreign = other_hands_jwt(s, account, false);
	stage_set_mute(s, 1, true);
	unsigned before = stage_updates(s, 0);
	other_hands_push(s, 1, foreign);
	stage_set_connections(s, account, 3);
	assert_tried(s, 2, "message LIKE 'no answer to a lookup from 1 of 2%'");
	assert_int_equal(stage_updates(s, 0), before);
	stage_set_mute(s, 1, false);
	ASSERT_SOON(s, "SELECT count(*) FROM quarantine WHERE cause = 'foreign'");
	assert_int_equal(stage_updates(s, 0), before);
	free(foreign);
}

/* What is known to differ is not called proven while nothing may be pushed over it. */
static void
test_older_beside_unseen(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	char *old = stage_replace_jwt(s, account);
	ASSERT_SOON(s, "SELECT count(*) = 0 FROM unconfirmed");
	assert_int_equal(stage_count_status(s, "proven"), 3);
	unsigned before = stage_updates(s, 0);
	stage_set_mute(s, 0, true);
	other_hands_push(s, 1, old);
	assert_tried(s, 2, "message LIKE 'no answer to a lookup from 1 of 2%'");
	assert_int_equal(stage_count_status(s, "proven"), 2);
	assert_int_equal(stage_updates(s, 0), before);
	stage_set_mute(s, 0, false);
	stage_assert_holds_newest(s, account);
	assert_int_equal(stage_count_status(s, "proven"), 3);
	free(old);
}

static void
lose_connection(struct stage *s)
{
	other_hands_store(s, 0, s->jwt);
	fake_bus_reconnect(&s->bus);
}

/* While there was no connection another hand pushed, and there is one again before natsid
 * knows of any of that: what it was about to push over what it had seen then is looked at
 * first. */
static void
test_reconnect_between_pushes(void **state)
{
	struct stage *s = *state;
	char accounts[2][RAND_ID_SIZE];
	stage_converge(s, 1, 2, accounts);
	char *foreign = other_hands_jwt(s, accounts[1], false);
	s->jwt = foreign;
	stage_on_push(s, lose_connection);
	stage_describe(s, accounts[0], "first");
	stage_describe(s, accounts[1], "second");
	ASSERT_SOON(s, "SELECT count(*) FROM quarantine WHERE cause = 'foreign'");
	ASSERT_SOON(s,
		"SELECT count(*) = 2 FROM account_publish WHERE proven_generation = "
		"generation");
	char key[NKEY_TEXT_SIZE];
	stage_key(s, accounts[1], key);
	pthread_mutex_lock(&s->bus.lock);
	assert_string_equal(fake_server_find(&s->bus.servers[0], key)->jwt, foreign);
	pthread_mutex_unlock(&s->bus.lock);
	free(foreign);
}

/* A cache answers no lookups. What it is it says to the first push. */
static void
test_cache_unseen(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge(s, 1, 1, &account);
	stage_set_flag(s, &s->bus.servers[1].cache, true);
	stage_set_server(s, 1, true);
	stage_say(s, BUS_EVENT_UP);
	stage_set_connections(s, account, 3);
	assert_tried(s, 2, "message LIKE 'no answer to a lookup from s1: % cache %'");
	stage_pass(s, 11 * 1000);
	stage_wake(s);
	stage_assert_converges(s);
	ASSERT_SOON(s,
		"SELECT count(*) FROM servers WHERE name = 's1' AND resolver = 'cache'");
	/* natsid remembers */
	restart_to_change(s, account, 2);
	stage_assert_converges(s);
	/* and where there are only caches nobody listens */
	stage_set_server(s, 0, false);
	stage_set_connections(s, account, 1);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
}

/* An answer counts for its own question, as long as that is open; and who needs more time
 * gets it. */
static void
test_late_answers(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	stage_set_mute(s, 1, true);
	stage_set_patient(s);
	unsigned before = stage_updates(s, 0);
	restart_to_change(s, account, 3);
	struct question first = stage_await_lookup(s, account, 0);
	assert_int_equal(first.timeout_ms, 1000);
	stage_expire(s);
	struct question second = stage_await_lookup(s, account, first.request);
	assert_int_equal(second.timeout_ms, 2000);
	stage_answer_lookup(s, 1, &first);
	stage_expire(s);
	struct question third = stage_await_lookup(s, account, second.request);
	assert_int_equal(third.timeout_ms, 4000);
	assert_int_equal(stage_updates(s, 0), before);
	stage_answer_lookup(s, 1, &third);
	struct question proof = stage_await_lookup(s, account, third.request);
	assert_int_equal(stage_updates(s, 0), before + 1);
	stage_answer_lookup(s, 1, &proof);
	ASSERT_SOON(s,
		"SELECT count(*) FROM account_publish WHERE generation = 2 AND "
		"proven_generation = 2");
	stage_set_mute(s, 1, false);
	stage_expire(s);
}

static int
set_up_still(void **state)
{
	return stage_set_up_still(state, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, stage_set_up, stage_tear_down)
#define STILL_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up_still, stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_restored_unseen),
		STILL_TEST(test_unseen_for_long),
		TEST(test_alone_unseen),
		TEST(test_known_unseen),
		TEST(test_other_hand_unseen),
		TEST(test_older_beside_unseen),
		TEST(test_reconnect_between_pushes),
		TEST(test_cache_unseen),
		TEST(test_late_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
