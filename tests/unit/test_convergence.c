/* SPDX-License-Identifier: Apache-2.0
 * The publisher and what is not its own doing: other hands, servers that lose files, that
 * share a name, or that trust somebody else. */
#include "base/codec.h"
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

/* ---- standing ---- */

/* What it is that keeps a change from the servers, an account says, too. */
static void
test_standing(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	ASSERT_SOON(
		s, "SELECT count(*) FROM standing WHERE connected = 1 AND words = ''");
	stage_say(s, BUS_EVENT_DOWN);
	ASSERT_SOON(s,
		"SELECT count(*) FROM standing WHERE connected = 0 AND words = "
		"'not connected to NATS' AND since > 1");
	stage_set_flag(s, &s->bus.servers[1].distrusts, true);
	stage_restart_server(s, 1);
	stage_say(s, BUS_EVENT_UP);
	ASSERT_SOON(s,
		"SELECT count(*) FROM standing WHERE connected = 1 AND words LIKE "
		"'s1 does not trust%'");
	stage_set_flag(s, &s->bus.servers[1].distrusts, false);
	stage_restart_server(s, 1);
	stage_say(s, BUS_EVENT_UP);
	ASSERT_SOON(
		s, "SELECT count(*) FROM standing WHERE connected = 1 AND words = ''");
}

/* Connected to a server that hangs: whom it leads to cannot be asked. */
static void
test_nobody_answers(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	struct publisher_status status;
	stage_converge(s, 1, 1, &account);
	stage_set_server(s, 0, false);
	stage_say(s, BUS_EVENT_UP);
	ASSERT_SOON(s,
		"SELECT count(*) FROM standing WHERE connected = 1 AND words LIKE "
		"'the server that natsid is connected to does not answer%'");
	publisher_status(s->publisher, &status);
	assert_non_null(strstr(status.blocked, "does not answer"));
	stage_set_server(s, 0, true);
	ASSERT_SOON(
		s, "SELECT count(*) FROM standing WHERE connected = 1 AND words = ''");
	stage_assert_converges(s);
}

/* One that was killed wrote down nothing. */
static void
test_standing_of_the_last(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge_two(s, account);
	ASSERT_SOON(s, "SELECT count(*) FROM standing WHERE connected = 1");
	stage_restart(s);
	ASSERT_SOON(
		s, "SELECT count(*) FROM standing WHERE connected = 0 AND words <> ''");
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
	/* who lacks it is not blamed for what the other shows */
	stage_ask(s, "DELETE FROM drift RETURNING 1");
	temp_service_advance(&s->t, 10000);
	other_hands_damage(s, 0, account);
	other_hands_lose(s, 1, account);
	publisher_reconcile(s->publisher);
	stage_assert_holds_newest(s, account);
	ASSERT_SOON(s,
		"SELECT count(*) = 2 FROM drift d LEFT JOIN servers v ON v.seq = "
		"d.server WHERE repaired_at > 0 AND (kind, coalesce(v.name, '')) IN "
		"(VALUES ('missing', 's1'), ('different', ''))");
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
	stage_lose_server(s, 1);
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
	struct publisher_status status;
	publisher_status(s->publisher, &status);
	assert_non_null(strstr(status.blocked, "two servers are both called s0"));
	ASSERT_SOON(s,
		"SELECT count(*) FROM standing WHERE connected = 1 AND words LIKE "
		"'two servers are both called s0%'");
	stage_set_flag(s, &s->bus.servers[1].twin, false);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
	publisher_status(s->publisher, &status);
	assert_string_equal(status.blocked, "");
}

static void
sign_as_other_operator(struct stage *s)
{
	struct nkey_public key;
	struct err err = { 0 };
	char hex[2 * sizeof(key.bytes) + 1];
	char sql[160];
	assert_int_equal(nkey_text_decode(NKEY_OPERATOR, FAKE_OTHER_OPERATOR,
				 strlen(FAKE_OTHER_OPERATOR), &key, &err),
		0);
	codec_hex_encode(key.bytes, sizeof(key.bytes), hex);
	str_fmt_cut(sql, sizeof(sql),
		"UPDATE signing_keys SET public_key = x'%s' WHERE account IS NULL", hex);
	temp_store_exec(&s->t.temp, sql);
}

static void
meet_untrusting_twin(struct stage *s, char account[static RAND_ID_SIZE])
{
	char accounts[1][RAND_ID_SIZE];
	stage_converge(s, 1, 1, accounts);
	memcpy(account, accounts[0], RAND_ID_SIZE);
	stage_set_flag(s, &s->bus.servers[1].twin, true);
	stage_set_flag(s, &s->bus.servers[1].distrusts, true);
	stage_set_server(s, 1, true);
	stage_announce(s, 1);
	ASSERT_SOON(s,
		"SELECT count(*) FROM standing WHERE connected = 1 AND words LIKE "
		"'another server called s0 does not trust%'");
}

/* It is asked whom it trusts as any other, and nothing is pushed to it before. */
static void
test_untrusting_twin(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	meet_untrusting_twin(s, account);
	stage_set_connections(s, account, 5);
	unsigned before = stage_pings(s);
	assert_true(stage_eventually(s, stage_has_pinged, &before));
	assert_int_equal(stage_updates(s, 1), 0);
	stage_set_flag(s, &s->bus.servers[1].distrusts, false);
	stage_restart_server(s, 1);
	ASSERT_SOON(s,
		"SELECT count(*) FROM standing WHERE words LIKE 'two servers are both "
		"called s0%'");
	assert_true(stage_eventually(s, stage_has_state,
		"state = 'held' AND message LIKE 'two servers are both called s0%'"));
	assert_true(stage_updates(s, 1) > 0);
}

/* What it said counts for the key that signed then. */
static void
test_twin_and_new_key(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	meet_untrusting_twin(s, account);
	sign_as_other_operator(s);
	ASSERT_SOON(s,
		"SELECT count(*) FROM standing WHERE words LIKE 'two servers are both "
		"called s0%'");
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
		TEST(test_distrust),
		TEST(test_standing),
		TEST(test_nobody_answers),
		TEST(test_standing_of_the_last),
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
		TEST(test_buried),
		TEST(test_lost_and_damaged_files),
		TEST(test_renewed_while_away),
		cmocka_unit_test(test_slow_pass),
		TEST(test_foreign_accounts),
		TEST(test_twins),
		TEST(test_untrusting_twin),
		TEST(test_twin_and_new_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
