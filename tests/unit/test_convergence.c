/* SPDX-License-Identifier: Apache-2.0
 * The publisher and servers that lose files, that share a name, or that trust somebody
 * else. */
#include "base/codec.h"
#include "base/str.h"
#include "store/publish.h"
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

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, stage_set_up, stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_distrust),
		TEST(test_standing),
		TEST(test_nobody_answers),
		TEST(test_standing_of_the_last),
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
