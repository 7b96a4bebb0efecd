/* SPDX-License-Identifier: Apache-2.0
 * The publisher and what is not its own doing: other hands, servers that come and go,
 * that lose files, or that trust somebody else. */
#include "base/str.h"
#include "store/publish.h"
#include "store/quarantine.h"
#include "support/other_hands.h"
#include "support/publish_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

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
	stage_set_server(s, 1, false);
	stage_say(s, BUS_EVENT_UP);
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
	stage_set_server(s, 1, false);
	stage_say(s, BUS_EVENT_UP);
	ASSERT_SOON(s, "SELECT count(*) FROM servers WHERE missing_since > 0");
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
	assert_int_equal(
		stage_ask(s, "SELECT count(*) FROM servers WHERE missing_since > 0"), 0);
	assert_int_equal(stage_count_status(s, "proven"), 3);
	/* but three seconds of them are */
	for (int i = 0; i < 4; i++) {
		stage_pass(s, 1000);
		stage_set_connections(s, account, 6 + i);
		stage_assert_converges(s);
	}
	stage_pass(s, 1000);
	stage_set_connections(s, account, 20);
	ASSERT_SOON(s, "SELECT count(*) FROM servers WHERE missing_since > 0");
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

/* ---- trust ---- */

/* It would acknowledge every push and lock the tenants out. */
static void
test_distrust(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	struct publisher_status status;
	stage_converge_two(s, account);
	stage_set_flag(s, &s->bus.servers[1].distrusts, true);
	stage_restart_server(s, 1);
	stage_say(s, BUS_EVENT_UP);
	ASSERT_SOON(s,
		"SELECT count(*) FROM servers WHERE name = 's1' AND incarnation = "
		"2 AND trust_incarnation = 2");
	unsigned before = stage_updates(s, 0);
	stage_set_connections(s, account, 5);
	/* a round goes by in which it might have been pushed */
	stage_say(s, BUS_EVENT_UP);
	ASSERT_SOON(s,
		"SELECT count(*) FROM servers WHERE name = 's1' AND "
		"missing_since = 0");
	publisher_status(s->publisher, &status);
	assert_non_null(strstr(status.blocked, "s1 does not trust"));
	assert_int_equal(stage_updates(s, 0), before);
	stage_set_flag(s, &s->bus.servers[1].distrusts, false);
	stage_restart_server(s, 1);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
	publisher_status(s->publisher, &status);
	assert_string_equal(status.blocked, "");
}

/* ---- other hands ---- */

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

/* ---- deleted accounts ---- */

static int
count_buried(void *ctx, const struct store_publish_key *key, struct err *err)
{
	int *count = ctx;
	(void)err;
	*count += key->buried ? 1 : 0;
	return 0;
}

/* On its way off the servers it is nobody's to push, nor a stranger. */
static void
test_buried(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	temp_service_advance(&s->t, 5000);
	temp_delete_ok(&s->t, &account_collection, account);
	stage_assert_converges(s);
	char *jwt = stage_jwt(s, account);
	stage_ask(s,
		"INSERT INTO burials (account, since) SELECT seq, 1 FROM accounts "
		"WHERE deleted > 0 RETURNING 1");
	int buried = 0;
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	assert_int_equal(store_read_begin(s->t.temp.store, &conn, &err), 0);
	assert_int_equal(store_publish_keys(conn, count_buried, &buried, &err), 0);
	store_read_end(s->t.temp.store, conn);
	assert_int_equal(buried, 1);
	temp_service_advance(&s->t, 10000); /* not minted just now */
	other_hands_lose(s, 0, account);
	unsigned before = stage_updates(s, 0);
	other_hands_push(s, 1, jwt);
	other_hands_put_stranger(s, 1);
	publisher_reconcile(s->publisher);
	ASSERT_SOON(s, "SELECT count(*) FROM drift WHERE kind = 'foreign'");
	assert_true(stage_eventually(s, stage_is_quiet, NULL));
	assert_int_equal(stage_ask(s, "SELECT count(*) FROM drift"), 1);
	assert_int_equal(stage_updates(s, 0), before);
	free(jwt);
}

/* ---- files ---- */

/* LIST names the server that lost one; a pass finds what LIST cannot know. */
static void
test_lost_and_damaged_files(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	temp_service_advance(&s->t, 10000); /* not minted just now */
	other_hands_lose(s, 1, account);
	publisher_reconcile(s->publisher);
	stage_assert_holds_newest(s, account);
	ASSERT_SOON(s,
		"SELECT count(*) FROM drift d JOIN servers v ON v.seq = d.server WHERE "
		"d.kind = 'missing' AND v.name = 's1' AND d.repaired_at > 0");
	other_hands_damage(s, 0, account);
	publisher_reconcile(s->publisher);
	stage_assert_holds_newest(s, account);
	ASSERT_SOON(s,
		"SELECT count(*) FROM drift WHERE kind = 'different' AND "
		"repaired_at > 0");
}

static int
renew(struct store_tx *tx, void *ctx, struct err *err)
{
	const int64_t *account = ctx;
	return store_publish_renew(tx, *account, err);
}

/* What a server lost is minted anew under the same number: one that was away holds the
 * bytes of before. They are ours, and not what is wanted. */
static void
test_renewed_while_away(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	char *first = stage_jwt(s, account);
	int64_t seq = temp_account_seq(&s->t, account);
	stage_set_server(s, 1, false);
	stage_say(s, BUS_EVENT_UP);
	ASSERT_SOON(s, "SELECT count(*) FROM servers WHERE missing_since > 0");
	temp_service_advance(&s->t, 10000);
	other_hands_lose(s, 0, account);
	publisher_reconcile(s->publisher);
	stage_assert_holds_newest(s, account);
	char *second = stage_jwt(s, account);
	assert_string_not_equal(first, second);
	assert_int_equal(stage_count_status(s, "partial"), 1);
	/* and once more, when it comes back before that is minted */
	stage_say(s, BUS_EVENT_DOWN);
	assert_int_equal(store_write(s->t.temp.store, renew, &seq, &err), 0);
	temp_service_advance(&s->t, 10000);
	stage_set_server(s, 1, true);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_holds_newest(s, account);
	assert_int_equal(stage_ask(s, "SELECT count(*) FROM quarantine"), 0);
	assert_int_equal(stage_count_status(s, "proven"), 3);
	free(second);
	free(first);
}

/* The slow pass needs nobody's word. */
static void
test_slow_pass(void **state)
{
	void *own = NULL;
	char account[RAND_ID_SIZE];
	(void)state;
	stage_sweep_pause_ms = 50;
	stage_set_up(&own);
	stage_sweep_pause_ms = 0;
	struct stage *s = own;
	stage_converge_two(s, account);
	temp_service_advance(&s->t, 10000);
	other_hands_damage(s, 0, account);
	stage_assert_holds_newest(s, account);
	stage_tear_down(&own);
}

/* Accounts that are not ours are told of, and left alone. */
static void
test_foreign_accounts(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	other_hands_put_stranger(s, 1);
	publisher_reconcile(s->publisher);
	ASSERT_SOON(s,
		"SELECT count(*) FROM drift d JOIN servers v ON v.seq = d.server WHERE "
		"d.kind = 'foreign' AND v.name = 's1' AND d.repaired_at = 0");
	stage_wipe_server(s, 1);
	temp_service_advance(&s->t, 1000);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
	publisher_reconcile(s->publisher);
	ASSERT_SOON(s, "SELECT count(*) = 0 FROM drift WHERE kind = 'foreign'");
}

/* ---- names ---- */

static void
test_twins(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_set_flag(s, &s->bus.servers[1].twin, true);
	temp_make_account(&s->t, "one", account);
	stage_set_server(s, 1, true);
	stage_say(s, BUS_EVENT_UP);
	assert_true(stage_eventually(s, stage_has_state,
		"state = 'held' AND message LIKE 'two servers are both called s0%'"));
	/* what is to be taken away is taken away all the same */
	assert_true(stage_updates(s, 1) > 0);
	stage_set_flag(s, &s->bus.servers[1].twin, false);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
}

/* ---- what was not seen ---- */

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

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, stage_set_up, stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_confirmations),
		TEST(test_one_fails),
		TEST(test_missing_server),
		TEST(test_unnamed_server),
		TEST(test_forgotten_rows),
		TEST(test_deaf_for_a_moment),
		TEST(test_alone_for_a_moment),
		TEST(test_joins_before_a_look),
		TEST(test_joins_silently),
		TEST(test_joins_after_a_round),
		TEST(test_overwritten_is_not_proven),
		TEST(test_more_than_can_be_followed),
		TEST(test_distrust),
		TEST(test_older_by_other_hand),
		TEST(test_foreign),
		TEST(test_foreign_during_push),
		TEST(test_two_foreign),
		TEST(test_restored),
		TEST(test_buried),
		TEST(test_lost_and_damaged_files),
		TEST(test_renewed_while_away),
		cmocka_unit_test(test_slow_pass),
		TEST(test_foreign_accounts),
		TEST(test_twins),
		TEST(test_restored_unseen),
		TEST(test_unseen_for_long),
		TEST(test_alone_unseen),
		TEST(test_known_unseen),
		TEST(test_other_hand_unseen),
		TEST(test_cache_unseen),
		TEST(test_late_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
