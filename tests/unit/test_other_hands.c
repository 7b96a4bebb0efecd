/* SPDX-License-Identifier: Apache-2.0
 * The publisher and what other hands push and remove. */
#include "support/other_hands.h"
#include "support/publish_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

/* An older JWT of ours: put right at once. */
static void
test_older_by_other_hand(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	char *old = stage_replace_jwt(s, account);
	other_hands_push(s, 1, old);
	stage_assert_holds_newest(s, account);
	ASSERT_SOON(s,
		"SELECT count(*) FROM drift WHERE kind = 'older' AND repaired_at "
		"> 0");
	assert_int_equal(stage_ask(s, "SELECT count(*) FROM quarantine"), 0);
	/* the same again is no news */
	unsigned before = stage_updates(s, 0);
	char *newest = stage_jwt(s, account);
	other_hands_push(s, 1, newest);
	assert_true(stage_eventually(s, stage_is_quiet, NULL));
	assert_int_equal(stage_updates(s, 0), before);
	free(newest);
	free(old);
}

static bool
was_looked_up(struct stage *s, const void *ctx)
{
	return stage_lookups(s, 1) > *(const unsigned *)ctx;
}

/* Servers may do what another hand asks of them after they were looked at. */
static void
test_removed_by_other_hand(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	ASSERT_SOON(s,
		"SELECT count(*) = 2 FROM servers WHERE checked_incarnation = "
		"incarnation");
	unsigned before = stage_lookups(s, 1);
	other_hands_ask_removal(s, account);
	assert_true(stage_eventually(s, was_looked_up, &before));
	other_hands_lose(s, 1, account);
	stage_pass(s, 1000);
	stage_wake(s);
	stage_assert_holds_newest(s, account);
	/* an odd one makes natsid look at all */
	other_hands_lose(s, 0, account);
	fake_bus_hear(&s->bus, "$SYS.REQ.CLAIMS.DELETE", "odd");
	stage_assert_holds_newest(s, account);
}

/* What another hand signed is never overwritten before a person says so. */
static void
test_foreign(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	char *foreign = other_hands_jwt(s, account, false);
	other_hands_push(s, 0, foreign);
	ASSERT_SOON(s,
		"SELECT count(*) FROM quarantine q JOIN account_publish p ON p.account = "
		"q.account WHERE q.cause = 'foreign' AND p.state = 'held'");
	assert_int_equal(stage_count_status(s, "held"), 1);
	unsigned before = stage_updates(s, 0);
	stage_set_connections(s, account, 5);
	ASSERT_SOON(s,
		"SELECT count(*) FROM account_publish p JOIN quarantine q ON q.account = "
		"p.account WHERE p.state = 'held' AND p.generation > p.minted_generation "
		"AND p.message LIKE '%natsid account adopt%'");
	stage_say(s, BUS_EVENT_UP);
	ASSERT_SOON(s,
		"SELECT count(*) = 2 FROM servers WHERE checked_incarnation = "
		"incarnation");
	assert_int_equal(stage_updates(s, 0), before);
	other_hands_lift(s, account);
	stage_assert_holds_newest(s, account);
	assert_int_equal(stage_count_status(s, "proven"), 3);
	free(foreign);
}

static void
push_by_another_after_ours(struct stage *s)
{
	stage_set_answer(s, 0, LIES); /* it stored ours, and then the other */
	stage_set_answer(s, 1, FAILS);
	other_hands_push(s, 0, s->jwt);
}

/* A push that is tried again does not go out over what came meanwhile. */
static void
test_foreign_during_push(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	char *foreign = other_hands_jwt(s, account, false);
	unsigned before = stage_updates(s, 0);
	s->jwt = foreign;
	stage_on_push(s, push_by_another_after_ours);
	stage_set_connections(s, account, 5);
	ASSERT_SOON(s, "SELECT count(*) FROM quarantine WHERE cause = 'foreign'");
	assert_int_equal(stage_updates(s, 0), before + 1);
	free(foreign);
}

/* What is called proven from now on is kept in a table. */
static void
keep_proofs(struct stage *s)
{
	temp_store_exec(&s->t.temp,
		"CREATE TABLE proofs (account TEXT);"
		"CREATE TRIGGER proof AFTER UPDATE OF proven_generation ON "
		"account_publish WHEN new.proven_generation > old.proven_generation "
		"BEGIN INSERT INTO proofs SELECT name FROM accounts WHERE seq = "
		"new.account; END");
}

/* A round goes by that confirms what the servers showed before the other account
 * changed: the first one is not called proven by that. */
static void
assert_not_proven_with(struct stage *s, const char *other)
{
	stage_set_connections(s, other, 5);
	ASSERT_SOON(s, "SELECT count(*) FROM proofs WHERE account = 'account1'");
	assert_int_equal(
		stage_ask(s, "SELECT count(*) FROM proofs WHERE account = 'account0'"),
		0);
}

/* One server has shown ours when another hand pushes, and the other one shows it then:
 * none of it is a proof. */
static void
test_foreign_during_proof(void **state)
{
	struct stage *s = *state;
	char accounts[2][RAND_ID_SIZE];
	stage_converge(s, 2, 2, accounts);
	char *foreign = other_hands_jwt(s, accounts[0], false);
	keep_proofs(s);
	stage_set_patient(s);
	stage_set_mute(s, 1, true);
	stage_set_connections(s, accounts[0], 5);
	struct question proof = stage_await_lookup(s, accounts[0], 0);
	other_hands_push(s, 0, foreign);
	stage_answer_lookup(s, 1, &proof);
	stage_set_mute(s, 1, false);
	assert_not_proven_with(s, accounts[1]);
	stage_pass(s, 1000);
	stage_wake(s);
	ASSERT_SOON(s, "SELECT count(*) FROM quarantine WHERE cause = 'foreign'");
	assert_int_equal(
		stage_ask(s, "SELECT count(*) FROM proofs WHERE account = 'account0'"),
		0);
	free(foreign);
}

/* A push that is slow to arrive is found, though the account changes and is looked at
 * for that before. */
static void
test_foreign_after_change(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	char *foreign = other_hands_jwt(s, account, false);
	unsigned looks = stage_lookups(s, 1);
	fake_bus_hear(&s->bus, "$SYS.REQ.CLAIMS.UPDATE", foreign);
	assert_true(stage_eventually(s, was_looked_up, &looks));
	stage_set_connections(s, account, 5);
	looks += 2; /* before the push, and for its proof */
	assert_true(stage_eventually(s, was_looked_up, &looks));
	other_hands_store(s, 0, foreign);
	stage_pass(s, 1000);
	stage_wake(s);
	ASSERT_SOON(s, "SELECT count(*) FROM quarantine WHERE cause = 'foreign'");
	free(foreign);
}

static void
push_by_another_unheard(struct stage *s)
{
	stage_set_answer(s, 0, LIES);
	stage_set_answer(s, 1, FAILS);
	other_hands_store(s, 0, s->jwt);
}

/* Nor over what was seen and could not be written down. */
static void
test_foreign_unwritten(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	char *foreign = other_hands_jwt(s, account, false);
	temp_store_exec(&s->t.temp,
		"CREATE TRIGGER full BEFORE INSERT ON quarantine BEGIN SELECT "
		"RAISE(ABORT, 'the disk is full'); END");
	unsigned before = stage_updates(s, 0);
	unsigned looks = stage_lookups(s, 1) + 2; /* for the proof, and two tries */
	s->jwt = foreign;
	stage_on_push(s, push_by_another_unheard);
	stage_set_connections(s, account, 5);
	assert_true(stage_eventually(s, was_looked_up, &looks));
	assert_int_equal(stage_updates(s, 0), before + 1);
	temp_store_exec(&s->t.temp, "DROP TRIGGER full");
	ASSERT_SOON(s, "SELECT count(*) FROM quarantine WHERE cause = 'foreign'");
	assert_int_equal(stage_updates(s, 0), before + 1);
	free(foreign);
}

static void
push_by_another_unread(struct stage *s)
{
	stage_set_answer(s, 0, FAILS);
	stage_set_answer(s, 1, FAILS);
	other_hands_push(s, 0, s->jwt);
	temp_store_exec(
		&s->t.temp, "ALTER TABLE accounts RENAME COLUMN public_key TO hidden");
}

/* Nor over what came when it could not be read whose that is. */
static void
test_foreign_unread(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	char *foreign = other_hands_jwt(s, account, false);
	unsigned before = stage_updates(s, 0);
	s->jwt = foreign;
	stage_on_push(s, push_by_another_unread);
	stage_set_connections(s, account, 5);
	ASSERT_SOON(s, "SELECT count(*) FROM account_publish WHERE attempts > 0");
	temp_store_exec(
		&s->t.temp, "ALTER TABLE accounts RENAME COLUMN hidden TO public_key");
	ASSERT_SOON(s, "SELECT count(*) FROM quarantine WHERE cause = 'foreign'");
	assert_int_equal(stage_updates(s, 0), before + 1);
	free(foreign);
}

static void
ask_oddly(struct stage *s)
{
	fake_bus_hear(&s->bus, "$SYS.REQ.CLAIMS.DELETE", "odd");
}

/* Whatever it asks to remove, servers may do it after they have shown it. */
static void
test_odd_removal_during_proof(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	keep_proofs(s);
	stage_set_patient(s);
	stage_set_mute(s, 1, true);
	stage_on_push(s, ask_oddly);
	stage_set_connections(s, account, 5);
	struct question proof = stage_await_lookup(s, account, 0);
	stage_answer_lookup(s, 1, &proof);
	for (int i = 0; i < 2; i++) {
		unsigned before = stage_pings(s);
		assert_true(stage_eventually(s, stage_has_pinged, &before));
	}
	assert_int_equal(stage_ask(s, "SELECT count(*) FROM proofs"), 0);
	stage_set_mute(s, 1, false);
	stage_expire(s);
	stage_assert_holds_newest(s, account);
}

/* Two servers that differ from each other need two choices. */
static void
test_two_foreign(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	char *foreign = other_hands_jwt(s, account, false);
	char *newer = other_hands_jwt(s, account, true);
	other_hands_store(s, 0, foreign);
	publisher_reconcile(s->publisher);
	ASSERT_SOON(s, "SELECT count(*) FROM quarantine WHERE cause = 'foreign'");
	other_hands_store(s, 1, newer);
	unsigned before = stage_updates(s, 1);
	other_hands_lift(s, account);
	ASSERT_SOON(s, "SELECT count(*) FROM quarantine WHERE cause = 'newer'");
	assert_int_equal(stage_updates(s, 1), before);
	free(newer);
	free(foreign);
}

/* Neither is ours, be it by its date: each is asked about once. When all servers hold
 * ours again, whoever puts one of them back is somebody new to ask about. */
static void
test_two_of_other_hands(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	char *one = other_hands_jwt(s, account, false);
	stage_set_connections(s, account, 5);
	stage_assert_converges(s);
	char *two = other_hands_jwt(s, account, false);
	assert_string_not_equal(one, two);
	other_hands_store(s, 0, one);
	other_hands_store(s, 1, two);
	unsigned before = stage_updates(s, 0) + stage_updates(s, 1);
	publisher_reconcile(s->publisher);
	for (int i = 0; i < 2; i++) {
		ASSERT_SOON(s, "SELECT count(*) FROM quarantine WHERE cause = 'foreign'");
		assert_int_equal(stage_updates(s, 0) + stage_updates(s, 1), before);
		other_hands_lift(s, account);
	}
	stage_assert_holds_newest(s, account);
	assert_int_equal(stage_count_status(s, "proven"), 3);
	assert_int_equal(stage_ask(s, "SELECT count(*) FROM quarantine"), 0);
	other_hands_store(s, 0, one);
	publisher_reconcile(s->publisher);
	ASSERT_SOON(s, "SELECT count(*) FROM quarantine WHERE cause = 'foreign'");
	free(two);
	free(one);
}

/* What a person chose about holds for a server that is away, too. */
static void
test_overruled_on_missing_server(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	char *foreign = other_hands_jwt(s, account, false);
	other_hands_store(s, 0, foreign);
	other_hands_store(s, 1, foreign);
	stage_lose_server(s, 1);
	publisher_reconcile(s->publisher);
	ASSERT_SOON(s, "SELECT count(*) FROM quarantine WHERE cause = 'foreign'");
	other_hands_lift(s, account);
	ASSERT_SOON(s,
		"SELECT count(*) FROM account_publish WHERE overruled IS NOT NULL AND "
		"proven_generation = generation");
	assert_int_equal(stage_count_status(s, "partial"), 1);
	stage_set_server(s, 1, true);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_holds_newest(s, account);
	assert_int_equal(stage_ask(s, "SELECT count(*) FROM quarantine"), 0);
	assert_int_equal(
		stage_ask(s,
			"SELECT count(*) FROM account_publish WHERE overruled IS NULL"),
		3);
	free(foreign);
}

/* The database was restored from a backup: the server has what it never minted. */
static void
test_restored(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	stage_say(s, BUS_EVENT_DOWN);
	assert_true(stage_eventually(s, stage_is_quiet, NULL));
	/* as it would be: the rows of then, and the servers of now */
	char *newer = other_hands_jwt(s, account, true);
	other_hands_store(s, 0, newer);
	unsigned before = stage_updates(s, 0);
	stage_set_connections(s, account, 3); /* and somebody writes at once */
	stage_say(s, BUS_EVENT_UP);
	ASSERT_SOON(s, "SELECT count(*) FROM quarantine WHERE cause = 'newer'");
	ASSERT_SOON(s,
		"SELECT count(*) = 2 FROM servers WHERE checked_incarnation = "
		"incarnation");
	assert_int_equal(stage_updates(s, 0), before);
	assert_int_equal(stage_count_status(s, "held"), 1);
	free(newer);
}

/* Nothing is found by a pass that nobody asked for. */
static int
set_up_resting(void **state)
{
	stage_sweep_pause_ms = INT64_C(3600) * 1000;
	int rc = stage_set_up(state);
	stage_sweep_pause_ms = 0;
	return rc;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, stage_set_up, stage_tear_down)
#define RESTING(fn) cmocka_unit_test_setup_teardown(fn, set_up_resting, stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_older_by_other_hand),
		RESTING(test_removed_by_other_hand),
		TEST(test_foreign),
		TEST(test_foreign_during_push),
		RESTING(test_foreign_during_proof),
		RESTING(test_foreign_after_change),
		RESTING(test_foreign_unwritten),
		RESTING(test_foreign_unread),
		RESTING(test_odd_removal_during_proof),
		TEST(test_two_foreign),
		TEST(test_two_of_other_hands),
		TEST(test_overruled_on_missing_server),
		TEST(test_restored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
