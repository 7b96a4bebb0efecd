/* SPDX-License-Identifier: Apache-2.0
 * What is called proven: by which servers, as long as it is known who is there. */
#include "base/str.h"
#include "support/other_hands.h"
#include "support/publish_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

/* ---- who holds what ---- */

static void
test_confirmations(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	assert_int_equal(
		stage_ask(s, "SELECT count(*) FROM servers WHERE incarnation = 1"), 2);
	ASSERT_SOON(s,
		"SELECT count(*) = 6 FROM account_servers c JOIN account_publish p ON "
		"p.account = c.account AND c.generation = p.generation");
	assert_int_equal(stage_count_status(s, "proven"), 3);
	ASSERT_SOON(s,
		"SELECT count(*) = 2 FROM servers WHERE checked_incarnation = "
		"incarnation AND resolver = 'full'");
	/* a server's own words stay with it until it stores */
	stage_set_answer(s, 1, FAILS);
	stage_set_connections(s, account, 7);
	ASSERT_SOON(s,
		"SELECT count(*) FROM account_servers c JOIN servers v ON v.seq = "
		"c.server WHERE v.name = 's1' AND c.words = 'disk trouble' AND "
		"c.tried_at > 0 AND c.generation = 1");
	assert_int_equal(
		stage_ask(s, "SELECT count(*) FROM account_servers WHERE words <> ''"),
		1);
	stage_set_answer(s, 1, STORES);
	stage_assert_converges(s);
	assert_int_equal(
		stage_ask(s, "SELECT count(*) FROM account_servers WHERE words <> ''"),
		0);
}

/* What a server shows that did not store a push is nothing new: nobody mints for it, and
 * what the others hold is written down. */
static void
test_one_fails(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	stage_set_answer(s, 0, FAILS); /* it shows the old one, and first */
	stage_set_connections(s, account, 7);
	ASSERT_SOON(s, "SELECT count(*) FROM account_publish WHERE attempts > 0");
	char *first = stage_jwt(s, account);
	ASSERT_SOON(s, "SELECT count(*) FROM account_publish WHERE attempts > 2");
	char *last = stage_jwt(s, account);
	assert_string_equal(first, last);
	assert_int_equal(
		stage_ask(s,
			"SELECT count(*) FROM account_servers c JOIN servers v ON "
			"v.seq = c.server WHERE v.name = 's1' AND c.generation = 2"),
		1);
	stage_set_answer(s, 0, STORES);
	stage_assert_converges(s);
	free(last);
	free(first);
}

/* One that does not answer keeps its accounts from being proven, until it is back or has
 * been away for so long that it is absent. */
static void
test_missing_server(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	stage_lose_server(s, 1);
	ASSERT_SOON(s,
		"SELECT count(*) FROM servers WHERE name = 's1' AND "
		"missing_since > 0 AND absent = 0");
	/* what it held is not in doubt, what it missed is */
	assert_int_equal(stage_count_status(s, "proven"), 3);
	stage_set_connections(s, account, 9);
	stage_assert_converges(s);
	assert_int_equal(stage_count_status(s, "proven"), 2);
	assert_int_equal(stage_count_status(s, "partial"), 1);
	/* an hour later nobody waits for it */
	temp_service_advance(&s->t, INT64_C(3601) * 1000);
	stage_say(s, BUS_EVENT_UP);
	ASSERT_SOON(s, "SELECT count(*) FROM servers WHERE name = 's1' AND absent = 1");
	assert_int_equal(stage_count_status(s, "proven"), 3);
	/* back under a new id: everything is in doubt until it was looked at */
	stage_wipe_server(s, 1);
	stage_set_server(s, 1, true);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
	assert_int_equal(stage_ask(s,
				 "SELECT count(*) FROM servers WHERE name = 's1' AND "
				 "absent = 0 AND missing_since = 0 AND incarnation = 2"),
		1);
	assert_int_equal(stage_count_status(s, "proven"), 3);
	assert_int_equal(stage_ask(s, "SELECT count(*) FROM servers"), 2);
}

/* Nobody waits for what can never come back: a server without a name of its own. */
static void
test_unnamed_server(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_set_flag(s, &s->bus.servers[1].unnamed, true);
	stage_converge_two(s, account);
	assert_int_equal(
		stage_ask(s, "SELECT count(*) FROM servers WHERE name = server_id"), 1);
	stage_lose_server(s, 1);
	temp_service_advance(&s->t, INT64_C(61) * 1000);
	stage_say(s, BUS_EVENT_UP);
	ASSERT_SOON(s, "SELECT count(*) = 1 FROM servers");
}

/* What somebody forgot of the servers is found out again, though nothing is open. */
static void
test_forgotten_rows(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	ASSERT_SOON(s, "SELECT count(*) = 6 FROM account_servers WHERE generation > 0");
	stage_ask(s, "DELETE FROM account_servers RETURNING 1");
	assert_int_equal(stage_count_status(s, "pending"), 3);
	publisher_reconcile(s->publisher);
	ASSERT_SOON(s, "SELECT count(*) = 6 FROM account_servers WHERE generation > 0");
	assert_int_equal(stage_count_status(s, "proven"), 3);
}

/* ---- who is there ---- */

/* A busy moment of a server is not its end, however long ago it was asked. */
static void
test_deaf_for_a_moment(void **state)
{
	static const char missing[] =
		"SELECT count(*) FROM servers WHERE missing_since > 0";
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	ASSERT_SOON(s,
		"SELECT count(*) = 2 FROM servers WHERE checked_incarnation = "
		"incarnation");
	stage_pass(s, 4000); /* nothing is asked in an idle system */
	stage_set_flag(s, &s->bus.servers[1].deaf, true);
	stage_set_connections(s, account, 5);
	stage_assert_converges(s);
	assert_int_equal(stage_ask(s, missing), 0);
	assert_int_equal(stage_count_status(s, "proven"), 3);
	/* but three seconds of them are */
	for (int i = 0; i < 4; i++) {
		stage_pass(s, 1000);
		stage_set_connections(s, account, 6 + i);
		stage_assert_converges(s);
	}
	stage_pass(s, 1000);
	stage_set_connections(s, account, 20);
	stage_assert_converges(s);
	for (int i = 0; i < 4 && !stage_is_true(s, missing); i++) {
		unsigned before = stage_pings(s);
		stage_pass(s, 1000);
		stage_wake(s);
		assert_true(stage_eventually(s, stage_has_pinged, &before));
	}
	ASSERT_SOON(s, missing);
}

static void
restart_alone(struct stage *s, int server)
{
	stage_wipe_server(s, server);
	stage_set_flag(s, &s->bus.servers[server].alone, true);
	stage_set_answer(s, server, SILENT);
}

/* A server that has just started counts itself alone: what another one shows is not
 * taken for its proof, whether we were connected when it started (its answer comes
 * first), or connect anew. */
static void
test_alone_for_a_moment(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	for (int i = 0; i < 2; i++) {
		restart_alone(s, 0);
		if (i == 0) {
			stage_pass(s, 4000); /* the next round */
			publisher_reconcile(s->publisher);
		} else {
			stage_say(s, BUS_EVENT_UP);
		}
		/* it was asked to store what it does not show */
		ASSERT_SOON(s, "SELECT count(*) FROM account_publish WHERE attempts > 0");
		assert_int_equal(
			stage_ask(s,
				"SELECT count(*) FROM account_servers c JOIN servers v "
				"ON v.seq = c.server AND v.incarnation = c.incarnation "
				"WHERE v.name = 's0' AND c.generation > 0"),
			0);
		assert_int_equal(stage_count_status(s, "proven"), 0);
		assert_int_equal(
			stage_ask(s,
				"SELECT count(*) FROM servers WHERE missing_since > 0"),
			0);
		stage_set_flag(s, &s->bus.servers[0].alone, false);
		stage_set_answer(s, 0, STORES);
		stage_assert_converges(s);
		ASSERT_SOON(s, "SELECT count(*) = 0 FROM unconfirmed");
		assert_int_equal(stage_count_status(s, "proven"), 3);
	}
}

/* A server that nobody counts yet answers lookups, too: in the place of one that is
 * silent, its answer proves nothing. */
static int64_t
count_held_by_s1(struct stage *s, int64_t generation)
{
	char sql[320];
	str_fmt_cut(sql, sizeof(sql),
		"SELECT count(*) FROM account_servers c JOIN servers v ON v.seq = "
		"c.server AND v.incarnation = c.incarnation JOIN accounts a ON a.seq = "
		"c.account WHERE v.name = 's1' AND a.name = 'account0' AND c.generation "
		">= %d",
		(int)generation);
	return stage_ask(s, sql);
}

static void
assert_joins(struct stage *s, int64_t generation)
{
	ASSERT_SOON(s, "SELECT count(*) FROM servers WHERE name = 's2'");
	ASSERT_SOON(s, "SELECT count(*) FROM account_publish WHERE attempts > 0");
	assert_int_equal(count_held_by_s1(s, generation), 0);
	stage_set_answer(s, 1, STORES);
	stage_set_mute(s, 1, false);
	stage_set_flag(s, &s->bus.servers[2].joining, false);
	stage_assert_converges(s);
	ASSERT_SOON(s, "SELECT count(*) = 0 FROM unconfirmed");
	assert_int_equal(stage_count_status(s, "proven"), 3);
}

/* The third server holds what the second one has lost and does not show. */
static void
begin_to_join(struct stage *s, const char *account)
{
	char *jwt = stage_jwt(s, account);
	other_hands_store(s, 2, jwt);
	free(jwt);
	stage_wipe_server(s, 1);
	stage_set_mute(s, 1, true);
	stage_set_flag(s, &s->bus.servers[2].joining, true);
}

/* It comes with the round that finds a server started anew, without its files. */
static void
test_joins_before_a_look(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	begin_to_join(s, account);
	stage_set_server(s, 2, true);
	stage_pass(s, 4000);
	publisher_reconcile(s->publisher);
	assert_joins(s, 1);
}

/* Nor while it answers no PING, though others have a route to it: for three seconds. */
static void
test_joins_silently(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	begin_to_join(s, account);
	stage_set_flag(s, &s->bus.servers[2].hidden, true);
	stage_set_server(s, 2, true);
	stage_announce(s, 1);
	ASSERT_SOON(
		s, "SELECT count(*) FROM servers WHERE name = 's1' AND incarnation = 2");
	for (int i = 0; i < 3; i++) {
		unsigned before = stage_pings(s);
		assert_true(stage_eventually(s, stage_has_pinged, &before));
	}
	assert_int_equal(count_held_by_s1(s, 1), 0);
	stage_set_flag(s, &s->bus.servers[2].hidden, false);
	assert_joins(s, 1);
}

/* It comes between a round and the lookups that prove a push: so they count only once
 * another round has found nobody else. */
static void
test_joins_after_a_round(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	stage_set_answer(s, 1, LIES);
	stage_set_mute(s, 1, true);
	stage_set_flag(s, &s->bus.servers[2].joining, true);
	stage_set_server(s, 2, true);
	stage_set_connections(s, account, 5);
	assert_joins(s, 2);
}

/* Nothing is proven by 64 of 65, whether it was just pushed or is looked at. */
static void
test_more_than_can_be_followed(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	temp_make_account(&s->t, "one", account);
	for (int i = 0; i < SERVERS_MAX; i++) {
		stage_set_server(s, i, true);
	}
	stage_say(s, BUS_EVENT_UP);
	ASSERT_SOON(s,
		"SELECT count(*) = 2 FROM account_publish WHERE state = 'held' AND "
		"message LIKE 'there are more servers %'");
	stage_restart(s);
	stage_ask(s, "UPDATE account_publish SET attempts = 0 RETURNING 1");
	stage_say(s, BUS_EVENT_UP);
	ASSERT_SOON(s, "SELECT count(*) = 2 FROM account_publish WHERE attempts > 0");
	assert_int_equal(stage_ask(s,
				 "SELECT count(*) FROM account_publish WHERE "
				 "proven_generation > 0"),
		0);
	stage_set_server(s, SERVERS_MAX - 1, false);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
}

/* The round that finds one more than there is room for leaves out one that was heard just
 * before: for as long as it may be silent it may be there, in the rounds afterwards,
 * too. */
static void
test_silent_beyond_room(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge(s, ROSTER_MAX, 1, &account);
	stage_set_flag(s, &s->bus.servers[5].deaf, true);
	stage_set_answer(s, 5, SILENT);
	stage_set_server(s, ROSTER_MAX, true);
	stage_announce(s, ROSTER_MAX);
	ASSERT_SOON(s, "SELECT count(*) FROM servers WHERE name = 's64'");
	for (int i = 0; i < 2; i++) {
		unsigned before = stage_pings(s);
		stage_announce(s, 5); /* who is not followed: all are asked */
		assert_true(stage_eventually(s, stage_has_pinged, &before));
	}
	stage_set_connections(s, account, 5);
	assert_true(stage_eventually(s, stage_has_state,
		"state = 'held' AND message LIKE 'there are more servers %'"));
	/* three seconds later it is away, as any other */
	stage_pass(s, 4000);
	stage_wake(s);
	ASSERT_SOON(s,
		"SELECT count(*) = 0 FROM account_publish WHERE proven_generation < "
		"generation");
}

/* ---- what comes after ---- */

static bool
was_second_asked(struct stage *s, const void *ctx)
{
	const unsigned *before = ctx;
	return stage_updates(s, 1) > *before;
}

/* What a look finds is known before the push that mends it has come to its end. */
static void
test_overwritten_is_not_proven(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	char *old = stage_replace_jwt(s, account);
	ASSERT_SOON(s, "SELECT count(*) = 0 FROM unconfirmed");
	unsigned before = stage_updates(s, 1);
	stage_set_patient(s);
	stage_set_answer(s, 1, HANGS);
	other_hands_push(s, 1, old);
	ASSERT_SOON(s,
		"SELECT count(*) FROM account_publish WHERE proven_generation < "
		"generation");
	assert_int_equal(stage_count_status(s, "proven"), 2);
	assert_true(stage_eventually(s, was_second_asked, &before));
	stage_set_answer(s, 1, STORES);
	stage_expire(s);
	stage_assert_holds_newest(s, account);
	assert_int_equal(stage_count_status(s, "proven"), 3);
	free(old);
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
		TEST(test_confirmations),
		TEST(test_one_fails),
		TEST(test_missing_server),
		TEST(test_unnamed_server),
		TEST(test_forgotten_rows),
		STILL_TEST(test_deaf_for_a_moment),
		TEST(test_alone_for_a_moment),
		TEST(test_joins_before_a_look),
		TEST(test_joins_silently),
		TEST(test_joins_after_a_round),
		TEST(test_overwritten_is_not_proven),
		TEST(test_more_than_can_be_followed),
		TEST(test_silent_beyond_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
