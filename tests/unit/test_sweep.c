/* SPDX-License-Identifier: Apache-2.0
 * In which order passes go through the accounts, and what they ask servers for. */
#include "base/str.h"
#include "store/publish.h"
#include "support/publish_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { FEW = 8, MANY = 300 };

static bool
has_rest(struct stage *s, const void *ctx)
{
	struct publisher_status status;
	(void)ctx;
	publisher_status(s->publisher, &status);
	return stage_is_quiet(s, NULL) && !status.sweep.running &&
		status.sweep.finished_ms > 0;
}

static void
assert_rests(struct stage *s)
{
	assert_true(stage_eventually(s, has_rest, NULL));
}

/* ---- what was asked ---- */

static void
forget_asked(struct stage *s)
{
	pthread_mutex_lock(&s->bus.lock);
	s->bus.asked_len = 0;
	pthread_mutex_unlock(&s->bus.lock);
}

/* When it was asked first, or -1. */
static int
when_asked(struct stage *s, const char *what)
{
	int at = -1;
	pthread_mutex_lock(&s->bus.lock);
	for (size_t i = 0; i < s->bus.asked_len && at < 0; i++) {
		at = str_starts_with(s->bus.asked[i], what) ? (int)i : -1;
	}
	pthread_mutex_unlock(&s->bus.lock);
	return at;
}

static bool
was_asked(struct stage *s, const void *ctx)
{
	return when_asked(s, ctx) >= 0;
}

static int
when_looked(struct stage *s, const char *account)
{
	char key[NKEY_TEXT_SIZE];
	stage_key(s, account, key);
	return when_asked(s, key);
}

/* ---- the order ---- */

/* The server 0 is away while the others go on. */
static void
leave(struct stage *s)
{
	stage_lose_server(s, 0);
	ASSERT_SOON(s,
		"SELECT count(*) FROM servers WHERE name = 's0' AND missing_since > 0");
	assert_rests(s);
}

/* A server that returns is first given what was taken away meanwhile, then what else it
 * missed; then come the accounts that it may have lost, and what it has besides. */
static void
test_missed_first(void **state)
{
	struct stage *s = *state;
	char accounts[FEW][RAND_ID_SIZE];
	char made[RAND_ID_SIZE];
	stage_converge(s, 2, FEW, accounts);
	leave(s);
	stage_describe(s, accounts[2], "widened");
	stage_set_connections(s, accounts[5], 3);
	temp_make_account(&s->t, "made", made);
	stage_assert_converges(s);
	assert_rests(s);
	forget_asked(s);
	stage_set_server(s, 0, true);
	stage_announce(s, 0);
	assert_true(stage_eventually(s, was_asked, "LIST"));
	assert_int_equal(when_looked(s, accounts[5]), 0);
	int second = when_looked(s, made);
	int third = when_looked(s, accounts[2]);
	assert_in_range(second, 1, third - 1);
	for (int i = 0; i < FEW; i++) {
		if (i != 2 && i != 5) {
			assert_in_range(when_looked(s, accounts[i]), third + 1,
				when_asked(s, "LIST") - 1);
		}
	}
	stage_assert_converges(s);
	ASSERT_SOON(s, "SELECT count(*) = 0 FROM unconfirmed");
}

/* Nor does it wait for another one that lacks everything. */
static void
test_missed_before_lacked(void **state)
{
	struct stage *s = *state;
	char accounts[FEW][RAND_ID_SIZE];
	stage_converge(s, 2, FEW, accounts);
	leave(s);
	stage_set_connections(s, accounts[6], 3);
	stage_assert_converges(s);
	assert_rests(s);
	forget_asked(s);
	stage_set_server(s, 0, true);
	stage_set_server(s, 2, true);
	stage_announce(s, 2);
	assert_true(stage_eventually(s, was_asked, "LIST"));
	assert_int_equal(when_looked(s, accounts[6]), 0);
	stage_assert_converges(s);
	ASSERT_SOON(s, "SELECT count(*) = 0 FROM unconfirmed");
}

/* What failed on the last start of a server does not wait for its next try. */
static void
test_failed_is_tried_at_once(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge(s, 2, 1, &account);
	stage_set_answer(s, 1, FAILS);
	stage_set_connections(s, account, 3);
	for (int i = 1; i < 9; i++) {
		char sql[96];
		str_fmt_cut(sql, sizeof(sql),
			"SELECT count(*) FROM account_publish WHERE attempts >= %d", i);
		ASSERT_SOON(s, sql);
		if (i < 8) {
			stage_pass(s, 30000);
		}
		stage_announce(s, 1); /* the clock is looked at */
		if (i == 8) {
			break;
		}
	}
	stage_set_answer(s, 1, STORES);
	stage_wipe_server(s, 1);
	int64_t begin = clock_mono_ms(&clock_system);
	stage_announce(s, 1);
	stage_assert_converges(s);
	/* of 15 to 30 seconds */
	assert_true(clock_mono_ms(&clock_system) - begin < 10000);
}

struct scanned {
	int64_t accounts[8];
	size_t len;
};

static int
note_scanned(void *ctx, const struct store_publish_item *item, struct err *err)
{
	struct scanned *scanned = ctx;
	(void)err; /* there is room */
	assert_true(scanned->len < 8);
	scanned->accounts[scanned->len++] = item->account;
	return 0;
}

/* digits: the accounts, in order. */
static void
assert_scan(struct stage *s, enum store_scan scan, int64_t after, const char *digits)
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	struct scanned scanned = { .len = 0 };
	char text[9] = "";
	assert_int_equal(store_read_begin(s->t.temp.store, &conn, &err), 0);
	assert_int_equal(
		store_publish_scan(conn, scan, after, 8, note_scanned, &scanned, &err),
		0);
	store_read_end(s->t.temp.store, conn);
	for (size_t i = 0; i < scanned.len; i++) {
		text[i] = (char)('0' + scanned.accounts[i]);
	}
	assert_string_equal(text, digits);
}

/* Caches that never had an account lack nothing, and who is away is not waited for. */
static void
test_scans(void **state)
{
	struct stage *s = *state;
	char accounts[6][RAND_ID_SIZE]; /* 2 to 7 */
	stage_make_accounts(s, 6, accounts);
	stage_ask(s,
		"INSERT INTO servers (seq, cluster, name, server_id, incarnation, "
		"resolver, missing_since, first_seen, since, last_seen) VALUES "
		"(1, '', 's', 'S', 2, 'full', 0, 1, 1, 1), (2, '', 'c', 'C', 1, 'cache', "
		"0, 1, 1, 1), (3, '', 'm', 'M', 1, 'full', 5, 1, 1, 1) RETURNING 1");
	stage_ask(s,
		"UPDATE account_publish SET generation = 4, urgent_generation = "
		"iif(account IN (3, 6), 3, 1), proven_generation = iif(account = 7, 3, "
		"4) RETURNING 1");
	/* 1, 7: what is wanted, of an older start; 2: one that is not urgent is lacked;
	 * 3: an urgent one; 4: the cache held an older one; 5: nothing; 6: a try failed
	 */
	stage_ask(s,
		"INSERT INTO account_servers (account, server, generation, incarnation) "
		"VALUES (1, 1, 4, 1), (2, 1, 3, 2), (3, 1, 2, 2), (4, 1, 4, 2), "
		"(4, 2, 3, 1), (6, 1, 0, 0), (7, 1, 4, 1), (7, 3, 1, 1) RETURNING 1");
	assert_scan(s, STORE_SCAN_OPEN, 0, "7");
	assert_scan(s, STORE_SCAN_OLDER_URGENT, 0, "3");
	assert_scan(s, STORE_SCAN_LACKED_URGENT, 0, "356");
	assert_scan(s, STORE_SCAN_LACKED, 0, "234567");
	assert_scan(s, STORE_SCAN_LACKED, 4, "567");
	assert_scan(s, STORE_SCAN_ALL, 0, "1234567");
	stage_ask(s,
		"UPDATE account_publish SET urgent_generation = 4 WHERE account = 7 "
		"RETURNING 1");
	assert_scan(s, STORE_SCAN_OLDER_URGENT, 0, "37");
	assert_scan(s, STORE_SCAN_OLDER_URGENT, 3, "7");
}

/* ---- LIST ---- */

static bool
has_pushed(struct stage *s, const void *ctx)
{
	return stage_updates(s, 0) > *(const unsigned *)ctx;
}

static void
hang_in_list(struct stage *s)
{
	assert_rests(s);
	forget_asked(s);
	stage_set_flag(s, &s->bus.list_hangs, true);
	publisher_reconcile(s->publisher);
	assert_true(stage_eventually(s, was_asked, "LIST"));
}

/* Who starts anew while another one lists is served before that has answered. */
static void
test_start_during_list(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge(s, 2, 1, &account);
	hang_in_list(s);
	stage_wipe_server(s, 1);
	stage_announce(s, 1);
	stage_assert_converges(s);
	ASSERT_SOON(
		s, "SELECT count(*) FROM servers WHERE name = 's1' AND incarnation = 2");
	ASSERT_SOON(s, "SELECT count(*) = 0 FROM unconfirmed");
}

/* What was pushed and read back, and waits for its servers to be counted, is not what a
 * pass looks for. */
static void
test_waits_to_be_counted(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge(s, 1, 1, &account);
	assert_rests(s);
	unsigned before = stage_updates(s, 0);
	stage_set_flag(s, &s->bus.ping_hangs, true);
	stage_set_connections(s, account, 5);
	assert_true(stage_eventually(s, has_pushed, &before));
	forget_asked(s);
	publisher_reconcile(s->publisher);
	assert_true(stage_eventually(s, was_asked, "LIST"));
	assert_int_equal(stage_updates(s, 0), before + 1);
	stage_set_flag(s, &s->bus.ping_hangs, false);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
	assert_int_equal(stage_updates(s, 0), before + 1);
}

/* The next round is over when the one after it has begun. */
static void
pass_rounds(struct stage *s, int64_t ms)
{
	for (int i = 0; i < 2; i++) {
		unsigned before = stage_pings(s);
		stage_pass(s, ms);
		stage_announce(s, 2); /* nobody knows it: who is there? */
		assert_true(stage_eventually(s, stage_has_pinged, &before));
	}
}

/* A server that lists answers nothing else, and is there all the same. */
static void
test_silent_while_listing(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	struct publisher_status status;
	stage_converge(s, 2, 1, &account);
	hang_in_list(s);
	stage_set_flag(s, &s->bus.servers[0].deaf, true);
	stage_set_flag(s, &s->bus.servers[1].deaf, true);
	pass_rounds(s, 0);
	pass_rounds(s, 1700);
	publisher_status(s->publisher, &status);
	assert_int_equal(status.roster.len, 2);
	assert_int_equal(
		stage_ask(s, "SELECT count(*) FROM servers WHERE missing_since > 0"), 0);
	/* two seconds for LIST, and three more */
	pass_rounds(s, 1000);
	ASSERT_SOON(s, "SELECT count(*) = 2 FROM servers WHERE missing_since > 0");
}

/* Neither of two that have one name is taken for the other's next start. */
static void
test_silent_twin(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	struct publisher_status status;
	stage_set_flag(s, &s->bus.servers[1].twin, true);
	stage_make_accounts(s, 1, &account);
	stage_set_server(s, 1, true);
	stage_say(s, BUS_EVENT_UP);
	assert_true(stage_eventually(s, stage_has_state, "state = 'held'"));
	stage_set_flag(s, &s->bus.servers[1].deaf, true);
	pass_rounds(s, 0);
	publisher_status(s->publisher, &status);
	assert_int_equal(status.roster.len, 2);
	assert_true(status.roster.twin > 0);
}

/* Accounts that nobody looks at. */
static void
bury_many(struct stage *s, int len)
{
	char sql[320];
	str_fmt_cut(sql, sizeof(sql),
		"WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE "
		"i < %d) INSERT INTO accounts (seq, id, name, public_key, created, "
		"updated) SELECT i, printf('%%015d', i), 'n' || i, randomblob(32), 1, 1 "
		"FROM n RETURNING 1",
		99 + len);
	stage_ask(s, sql);
	stage_ask(s,
		"INSERT INTO account_publish (account, proven_generation) SELECT seq, 1 "
		"FROM accounts WHERE seq >= 100 RETURNING 1");
	stage_ask(s,
		"INSERT INTO burials (account, since) SELECT seq, 1 FROM accounts WHERE "
		"seq >= 100 RETURNING 1");
}

/* They are counted, not guessed by the last pass. */
static void
test_many_are_not_listed(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_make_accounts(s, 1, &account);
	bury_many(s, 20001);
	stage_say(s, BUS_EVENT_UP);
	assert_rests(s);
	int64_t now = clock_wall_ms(&s->t.clock);
	temp_service_advance(&s->t, 1000);
	publisher_reconcile(s->publisher);
	assert_true(stage_eventually(s, stage_has_passed, &now));
	assert_int_equal(when_asked(s, "LIST"), -1);
}

/* A LIST that somebody asked for is not forgotten over a server that comes meanwhile,
 * though natsid asks for none of its own for that where there are many accounts. */
static void
test_start_before_list_of_many(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge(s, 1, 1, &account);
	bury_many(s, 3000);
	hang_in_list(s);
	forget_asked(s);
	stage_set_flag(s, &s->bus.list_hangs, false);
	stage_set_server(s, 1, true);
	stage_announce(s, 1);
	assert_true(stage_eventually(s, was_asked, "LIST"));
	stage_assert_holds_newest(s, account);
}

/* While a server that has just come is slow to show what it holds, passes follow soon,
 * though another one turns out to be a cache meanwhile. */
static void
test_slow_beside_cache(void **state)
{
	struct stage *s = *state;
	char accounts[FEW][RAND_ID_SIZE];
	char made[RAND_ID_SIZE];
	stage_converge(s, 1, FEW, accounts);
	assert_rests(s);
	stage_set_flag(s, &s->bus.servers[1].cache, true);
	stage_set_mute(s, 2, true);
	stage_set_server(s, 1, true);
	stage_set_server(s, 2, true);
	stage_announce(s, 1);
	ASSERT_SOON(s, "SELECT count(*) > 1 FROM account_publish WHERE message <> ''");
	int64_t now = clock_wall_ms(&s->t.clock);
	temp_service_advance(&s->t, 1000);
	temp_make_account(&s->t, "made", made);
	ASSERT_SOON(s,
		"SELECT count(*) FROM servers WHERE name = 's1' AND resolver = 'cache'");
	assert_true(stage_eventually(s, stage_has_passed, &now));
	stage_set_mute(s, 2, false);
	stage_assert_converges(s);
}

static void
lose_all(struct stage *s)
{
	fake_server_lose_all(&s->bus.servers[0]);
}

/* What a LIST at the end of a pass names is not left for one that comes in a while. */
static void
test_many_lost(void **state)
{
	struct stage *s = *state;
	static char accounts[MANY][RAND_ID_SIZE];
	stage_converge(s, 2, MANY, accounts);
	assert_rests(s);
	temp_service_advance(&s->t, 10000); /* not minted just now */
	forget_asked(s);
	pthread_mutex_lock(&s->bus.lock);
	s->bus.on_list = lose_all;
	pthread_mutex_unlock(&s->bus.lock);
	stage_set_server(s, 2, true);
	stage_announce(s, 2);
	assert_true(stage_eventually(s, was_asked, "LIST"));
	stage_assert_converges(s);
}

/* No pass that nobody asked for comes between. */
static int
set_up(void **state)
{
	stage_sweep_pause_ms = INT64_C(3600) * 1000;
	int rc = stage_set_up(state);
	stage_sweep_pause_ms = 0;
	return rc;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_missed_first),
		TEST(test_missed_before_lacked),
		TEST(test_failed_is_tried_at_once),
		TEST(test_scans),
		TEST(test_start_during_list),
		TEST(test_waits_to_be_counted),
		TEST(test_silent_while_listing),
		TEST(test_silent_twin),
		TEST(test_many_are_not_listed),
		TEST(test_start_before_list_of_many),
		TEST(test_slow_beside_cache),
		TEST(test_many_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
