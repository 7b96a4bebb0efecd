/* SPDX-License-Identifier: Apache-2.0
 * Burying deleted accounts: what must be so before the servers are asked, and what
 * becomes of each of their answers. */
#include "app/janitor.h"
#include "base/clock.h"
#include "base/str.h"
#include "jwt/decode.h"
#include "service/tombstone.h"
#include "store/burial.h"
#include "store/publish.h"
#include "store/server.h"
#include "support/temp_service.h"
#include "support/temp_signal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
#define TTL_MS (30 * DAY_MS)
#define SETTLE_MS (INT64_C(5) * 60 * 1000)
#define UNKNOWN "there are servers that natsid does not know yet, or that did not answer"

enum { SERVERS = 3 };

/* Servers that do as they are told. */
struct fake {
	struct temp_service t;
	char account[RAND_ID_SIZE];
	char key[NKEY_TEXT_SIZE];
	int64_t seq;
	int probes; /* requests without accounts */
	int removals;
	int looks;
	const char *refusal; /* of the last server */
	bool refuses_accounts_only; /* it would not say so beforehand */
	bool incomplete;
	bool silent; /* the last server does not answer */
	bool stranger; /* one more answers */
	bool unavailable;
	bool shows_nothing; /* the last server answers no lookup */
	bool keeps; /* some server still shows the account */
	bool short_by_one; /* the last server removes fewer than asked */
	bool joins; /* after the lookups one more answers */
	size_t caches; /* that are known as such */
	int64_t look_ms; /* so long they take */
};

static int
answer(const struct fake *fake, struct tombstone_answers *answers, int64_t removed,
	bool refused, struct err *err)
{
	for (int i = 0; i < SERVERS - (fake->silent ? 1 : 0); i++) {
		char id[8];
		char name[8];
		bool last = i == SERVERS - 1;
		int64_t count =
			removed - (last && fake->short_by_one && removed > 0 ? 1 : 0);
		str_fmt_cut(id, sizeof(id), "N%d", i);
		str_fmt_cut(name, sizeof(name), "s%d", i);
		if (tombstone_answered(answers, id, name, last && refused ? -1 : count,
			    last && refused ? fake->refusal : "", err) != 0) {
			return -1;
		}
	}
	return fake->stranger ? tombstone_answered(answers, "NX", "x", removed, "", err)
			      : 0;
}

static int
fake_remove(void *ctx, const char *request, size_t len, struct tombstone_answers *answers,
	bool *out_complete, struct err *err)
{
	struct fake *fake = ctx;
	struct jwt_claims claims = { 0 };
	if (fake->unavailable) {
		return err_set(err, ERR_UNAVAILABLE, "no NATS");
	}
	assert_int_equal(jwt_decode(request, len, &claims, err), 0);
	assert_int_equal(claims.type, JWT_GENERIC);
	assert_string_equal(claims.iss, claims.sub);
	assert_int_equal(claims.iss[0], 'O');
	const char *list = NULL;
	for (size_t i = 0; i < claims.as.generic.members_len; i++) {
		if (str_equal(claims.as.generic.members[i].key, "accounts")) {
			list = claims.as.generic.members[i].json;
		}
	}
	assert_non_null(list);
	bool probe = str_equal(list, "[]");
	fake->probes += probe ? 1 : 0;
	fake->removals += probe ? 0 : 1;
	if (!probe) {
		assert_non_null(strstr(list, fake->key));
		/* nothing of it is pushed any more, whoever asks now */
		assert_int_equal(
			temp_ask(&fake->t, "SELECT count(*) FROM burials", NULL), 1);
	}
	jwt_claims_release(&claims);
	*out_complete = !fake->incomplete;
	return answer(fake, answers, probe ? 0 : 1,
		fake->refusal != NULL && !(probe && fake->refuses_accounts_only), err);
}

static int
fake_look(void *ctx, const struct tombstone_look *look, struct tombstone_answers *answers,
	size_t *out_answered, struct err *err)
{
	struct fake *fake = ctx;
	fake->looks++;
	if (fake->unavailable) {
		return err_set(err, ERR_UNAVAILABLE, "no NATS");
	}
	assert_int_equal(look->len, 1);
	assert_string_equal(look->keys[0], fake->key);
	assert_int_equal(look->servers, SERVERS - fake->caches);
	fake->t.temp.clock.wall += fake->look_ms;
	tombstone_shown(
		answers, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	if (fake->keeps) {
		tombstone_shown(answers, fake->key);
	}
	if (fake->joins) {
		fake->stranger = true;
	}
	*out_answered = look->servers - (fake->shows_nothing ? 1 : 0);
	return 0;
}

static struct tombstone_report
bury(struct fake *fake)
{
	struct err err = { 0 };
	struct tombstone_report report = { 0 };
	const struct tombstone_hands hands = {
		.remove = fake_remove, .look = fake_look, .ctx = fake
	};
	if (service_tombstones_bury(fake->t.service, TTL_MS, &hands, &report, &err) !=
		0) {
		assert_int_equal(err.code, ERR_UNAVAILABLE);
	}
	return report;
}

static int64_t
count(const struct fake *fake, const char *table)
{
	char sql[128];
	str_fmt_cut(sql, sizeof(sql),
		str_equal(table, "accounts")
			? "SELECT count(*) FROM accounts WHERE id = '%s'"
			: "SELECT count(*) FROM %s WHERE account = %d",
		str_equal(table, "accounts") ? fake->account : table, (int)fake->seq);
	return temp_ask(&fake->t, sql, NULL);
}

/* All servers hold the newest generation, as the publisher notes it. */
static int
prove(struct store_tx *tx, void *ctx, struct err *err)
{
	struct fake *fake = ctx;
	struct store_publish row;
	if (store_publish_get(store_tx_conn(tx), fake->seq, &row, err) != 0 ||
		store_publish_proven(tx, fake->seq, row.generation, err) != 0) {
		return -1;
	}
	for (int i = 0; i < SERVERS; i++) {
		char id[8];
		char name[8];
		int64_t seq = 0;
		int64_t incarnation = 0;
		str_fmt_cut(id, sizeof(id), "N%d", i);
		str_fmt_cut(name, sizeof(name), "s%d", i);
		const struct store_server_seen seen = {
			.cluster = "c", .name = name, .server_id = id, .version = "2.15.1"
		};
		if (store_server_seen(tx, &seen, &seq, &incarnation, err) != 0 ||
			store_account_server_holds(tx, fake->seq, seq, incarnation,
				row.generation, err) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
set_up(void **state)
{
	struct fake *fake = calloc(1, sizeof(*fake));
	struct err err = { 0 };
	assert_non_null(fake);
	temp_service_init(&fake->t);
	fake->seq = temp_make_account(&fake->t, "doomed", fake->account);
	struct account_streams_check check;
	assert_int_equal(service_account_streams_check(fake->t.service,
				 &temp_superuser_actor, fake->account, &check, &err),
		0);
	memcpy(fake->key, check.key, sizeof(fake->key));
	temp_delete_ok(&fake->t, &account_collection, fake->account);
	assert_int_equal(store_write(fake->t.temp.store, prove, fake, &err), 0);
	fake->t.temp.clock.wall += TTL_MS;
	*state = fake;
	return 0;
}

static int
tear_down(void **state)
{
	struct fake *fake = *state;
	temp_service_release(&fake->t);
	free(fake);
	return 0;
}

static void
test_whole_way(void **state)
{
	struct fake *fake = *state;
	struct tombstone_report report = bury(fake);
	assert_int_equal(fake->probes, 1);
	assert_int_equal(fake->removals, 1);
	assert_int_equal(fake->looks, 0);
	assert_int_equal(report.removed, 1);
	assert_int_equal(report.buried, 0);
	assert_int_equal(count(fake, "accounts"), 1);

	/* until all servers that copy from each other have done so nobody is asked */
	fake->t.temp.clock.wall += SETTLE_MS - 1;
	bury(fake);
	assert_int_equal(fake->probes, 1);
	assert_int_equal(fake->looks, 0);

	fake->t.temp.clock.wall += 1;
	report = bury(fake);
	assert_int_equal(fake->looks, 1);
	assert_int_equal(report.buried, 1);
	assert_int_equal(fake->removals, 1);
	static const char *const tables[] = { "accounts", "account_publish",
		"account_jwt", "account_servers", "burials", "revocations",
		"signing_keys" };
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		assert_int_equal(count(fake, tables[i]), 0);
	}
	assert_int_equal(
		temp_ask(&fake->t, "SELECT count(*) FROM audit WHERE action = 'bury'",
			NULL),
		1);
	/* who was there before was there after it, too; and now nothing is left to do */
	assert_int_equal(fake->probes, 3);
	bury(fake);
	assert_int_equal(fake->probes, 3);
}

/* Nobody is even asked. */
static void
test_not_due(void **state)
{
	struct fake *fake = *state;
	static const struct {
		const char *break_;
		const char *mend;
	} cases[] = {
		{ "UPDATE servers SET missing_since = 1 WHERE name = 's1'",
			"UPDATE servers SET missing_since = 0" },
		{ "UPDATE servers SET missing_since = 1, absent = 1 WHERE name = 's1'",
			"UPDATE servers SET missing_since = 0, absent = 0" },
		{ "UPDATE servers SET incarnation = 2 WHERE name = 's1'",
			"UPDATE servers SET incarnation = 1" },
		{ "UPDATE account_servers SET generation = 1 WHERE server = 2",
			"UPDATE account_servers SET generation = 2" },
		{ "UPDATE account_publish SET proven_generation = 1 WHERE generation = 2 "
		  "AND account = (SELECT max(seq) FROM accounts)",
			"UPDATE account_publish SET proven_generation = generation" },
		{ "INSERT INTO quarantine (account, cause, jwt, found_at) SELECT "
		  "max(seq), 'newer', 'x', 1 FROM accounts",
			"DELETE FROM quarantine" },
		{ "UPDATE accounts SET deleted = deleted + 1 WHERE deleted > 0",
			"UPDATE accounts SET deleted = deleted - 1 WHERE deleted > 0" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		temp_store_exec(&fake->t.temp, cases[i].break_);
		bury(fake);
		assert_int_equal(fake->probes, 0);
		temp_store_exec(&fake->t.temp, cases[i].mend);
	}
	bury(fake);
	assert_int_equal(fake->removals, 1);
}

/* Servers that are forgotten for good: there is nobody to prove anything. */
static void
test_no_servers(void **state)
{
	struct fake *fake = *state;
	temp_store_exec(
		&fake->t.temp, "DELETE FROM account_servers; DELETE FROM servers");
	bury(fake);
	assert_int_equal(fake->probes, 0);
	assert_int_equal(count(fake, "accounts"), 1);
}

static void
check_nothing_done(struct fake *fake, const char *why)
{
	struct tombstone_report report = bury(fake);
	assert_string_equal(report.trouble, why);
	assert_string_equal(report.refusal, "");
	assert_int_equal(fake->probes, 1);
	assert_int_equal(fake->removals, 0);
	assert_int_equal(count(fake, "burials"), 0);
	assert_int_equal(count(fake, "accounts"), 1);
}

static void
test_one_is_silent(void **state)
{
	struct fake *fake = *state;
	fake->silent = true;
	check_nothing_done(fake, "no answer from s2");
}

static void
test_one_is_unknown(void **state)
{
	struct fake *fake = *state;
	fake->stranger = true;
	check_nothing_done(fake, UNKNOWN);
}

static void
test_incomplete(void **state)
{
	struct fake *fake = *state;
	fake->incomplete = true;
	check_nothing_done(fake, UNKNOWN);
}

/* Only one that is configured so is left alone for long. */
static void
test_one_would_not(void **state)
{
	struct fake *fake = *state;
	fake->refusal = "delete accounts request by O failed - out of files";
	check_nothing_done(
		fake, "s2: delete accounts request by O failed - out of files");
}

/* It is told by who and why, and nothing was removed anywhere. */
static void
test_one_refuses(void **state)
{
	struct fake *fake = *state;
	fake->refusal = "delete must be enabled in server config";
	struct tombstone_report report = bury(fake);
	assert_string_equal(report.refusal, fake->refusal);
	assert_string_equal(report.refused_by, "s2");
	assert_string_equal(report.trouble, "");
	assert_int_equal(fake->removals, 0);
	assert_int_equal(count(fake, "burials"), 0);
}

/* The tombstone is put back where some servers lost it already. */
static void
check_put_back(struct fake *fake)
{
	assert_int_equal(count(fake, "burials"), 0);
	assert_int_equal(count(fake, "accounts"), 1);
	assert_int_equal(temp_ask(&fake->t,
				 "SELECT proven_generation FROM account_publish p JOIN "
				 "accounts a ON a.seq = p.account WHERE a.id = '%s'",
				 fake->account),
		0);
}

static void
test_one_fails(void **state)
{
	struct fake *fake = *state;
	fake->refusal = "deleted 0 accounts, failed for 1";
	fake->refuses_accounts_only = true;
	struct tombstone_report report = bury(fake);
	assert_int_equal(fake->removals, 1);
	assert_int_equal(report.removed, 0);
	assert_string_equal(report.refusal, "");
	assert_string_equal(report.trouble, "s2: deleted 0 accounts, failed for 1");
	check_put_back(fake);
}

static void
test_one_removes_fewer(void **state)
{
	struct fake *fake = *state;
	fake->short_by_one = true;
	struct tombstone_report report = bury(fake);
	assert_int_equal(fake->removals, 1);
	assert_string_equal(report.refusal, "");
	assert_string_equal(report.trouble, "s2 removed 0 of 1");
	check_put_back(fake);
}

static void
test_one_still_shows_it(void **state)
{
	struct fake *fake = *state;
	bury(fake);
	fake->keeps = true;
	fake->t.temp.clock.wall += SETTLE_MS;
	struct tombstone_report report = bury(fake);
	assert_int_equal(fake->looks, 1);
	assert_int_equal(report.buried, 0);
	assert_string_equal(report.trouble, "a server shows an account that all removed");
	check_put_back(fake);
}

/* Its silence is not taken for "I have none". */
static void
test_one_shows_nothing(void **state)
{
	struct fake *fake = *state;
	bury(fake);
	fake->shows_nothing = true;
	fake->t.temp.clock.wall += SETTLE_MS;
	struct tombstone_report report = bury(fake);
	assert_int_equal(fake->looks, 1);
	assert_int_equal(report.buried, 0);
	assert_string_equal(report.trouble,
		"no answer to a lookup from 1 of 3 servers (a resolver of type cache "
		"shows nothing)");
	check_put_back(fake);
}

/* Of one that is known for a cache none is expected. */
static void
test_one_is_a_cache(void **state)
{
	struct fake *fake = *state;
	temp_store_exec(
		&fake->t.temp, "UPDATE servers SET resolver = 'cache' WHERE name = 's1'");
	fake->caches = 1;
	bury(fake);
	fake->t.temp.clock.wall += SETTLE_MS;
	assert_int_equal(bury(fake).buried, 1);
	assert_int_equal(fake->looks, 1);
}

/* It may have answered in the place of one that did not. */
static void
test_one_joins_while_they_look(void **state)
{
	struct fake *fake = *state;
	bury(fake);
	fake->joins = true;
	fake->t.temp.clock.wall += SETTLE_MS;
	struct tombstone_report report = bury(fake);
	assert_int_equal(fake->looks, 1);
	assert_int_equal(report.buried, 0);
	assert_string_equal(report.trouble, UNKNOWN);
	check_put_back(fake);
}

/* What settles while others are looked at was not looked at. */
static void
test_settles_too_late(void **state)
{
	struct fake *fake = *state;
	char id[RAND_ID_SIZE];
	struct err err = { 0 };
	bury(fake);
	int64_t first = fake->seq;
	fake->seq = temp_make_account(&fake->t, "second", id);
	temp_delete_ok(&fake->t, &account_collection, id);
	assert_int_equal(store_write(fake->t.temp.store, prove, fake, &err), 0);
	char sql[160];
	str_fmt_cut(sql, sizeof(sql),
		"INSERT INTO burials (account, since, removed_at) SELECT %d, since, "
		"removed_at + 10 FROM burials",
		(int)fake->seq);
	temp_store_exec(&fake->t.temp, sql);
	fake->look_ms = 10;
	fake->t.temp.clock.wall += SETTLE_MS;
	assert_int_equal(bury(fake).buried, 1);
	assert_int_equal(count(fake, "burials"), 1);
	fake->seq = first;
	assert_int_equal(count(fake, "burials"), 0);
}

static void
test_one_leaves_meanwhile(void **state)
{
	struct fake *fake = *state;
	bury(fake);
	fake->silent = true;
	fake->t.temp.clock.wall += SETTLE_MS;
	bury(fake);
	check_put_back(fake);
}

/* NATS away: the mark stays, as nobody pushes either. */
static void
test_unavailable(void **state)
{
	struct fake *fake = *state;
	fake->unavailable = true;
	bury(fake);
	assert_int_equal(count(fake, "burials"), 0);
	fake->unavailable = false;
	bury(fake);
	fake->unavailable = true;
	fake->t.temp.clock.wall += SETTLE_MS;
	bury(fake);
	assert_int_equal(count(fake, "burials"), 1);
	assert_int_equal(count(fake, "accounts"), 1);
	fake->unavailable = false;
	assert_int_equal(bury(fake).buried, 1);
}

static int
note_scanned(void *ctx, const struct store_publish_item *item, struct err *err)
{
	int64_t *accounts = ctx;
	(void)err;
	accounts[item->account] = 1;
	return 0;
}

/* The publisher's looks pass it over, and a job that is under way sees it. */
static void
test_is_not_pushed(void **state)
{
	struct fake *fake = *state;
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	struct store_publish_work work = { 0 };
	for (int marked = 0; marked < 2; marked++) {
		int64_t accounts[16] = { 0 };
		assert_int_equal(store_read_begin(fake->t.temp.store, &conn, &err), 0);
		assert_int_equal(store_publish_scan(conn, STORE_SCAN_ALL, 0, 16,
					 note_scanned, accounts, &err),
			0);
		assert_int_equal(store_publish_work(conn, fake->seq, &work, &err), 0);
		store_read_end(fake->t.temp.store, conn);
		assert_int_equal(accounts[fake->seq], marked != 0 ? 0 : 1);
		assert_int_equal(work.buried, marked != 0);
		free(work.jwt);
		bury(fake);
	}
}

/* ---- how often ---- */

enum { INTERVAL_MS = 10, TRIES = 5, TRIES_DEADLINE_MS = 20 * 1000 };

/* A thread's own: what it was asked, and when. */
struct tries {
	struct temp_signal happened;
	atomic_int len;
	int64_t at[TRIES];
	const char *refusal; /* NULL: nobody answers */
};

static int
note_try(void *ctx, const char *request, size_t len, struct tombstone_answers *answers,
	bool *out_complete, struct err *err)
{
	struct tries *tries = ctx;
	int n = atomic_load(&tries->len);
	(void)request;
	(void)len;
	if (n < TRIES) {
		tries->at[n] = clock_mono_ms(&clock_system);
		atomic_store(&tries->len, n + 1);
	}
	temp_signal_raise(&tries->happened);
	if (tries->refusal == NULL) {
		return err_set(err, ERR_UNAVAILABLE, "no NATS server answered");
	}
	*out_complete = true;
	for (int i = 0; i < SERVERS; i++) {
		char id[8];
		str_fmt_cut(id, sizeof(id), "N%d", i);
		if (tombstone_answered(answers, id, id, -1, tries->refusal, err) != 0) {
			return -1;
		}
	}
	return 0;
}

static bool
was_tried(void *ctx)
{
	struct tries *tries = ctx;
	return atomic_load(&tries->len) == TRIES;
}

/* Each time twice as late as the time before, whatever it is that fails. */
static void
test_backs_off(void **state)
{
	static const char *const answers[] = { NULL, "deleted 0 accounts, failed for 1" };
	struct fake *fake = *state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct err err = { 0 };
		struct janitor *janitor = NULL;
		struct tries tries = { .refusal = answers[i] };
		const struct janitor_params params = {
			.service = fake->t.service,
			.interval_ms = INTERVAL_MS,
			.tombstone_ttl_ms = 0,
			.hands = { .remove = note_try, .look = fake_look, .ctx = &tries },
		};
		temp_signal_init(&tries.happened);
		assert_int_equal(janitor_start(&params, &janitor, &err), 0);
		assert_true(temp_signal_wait(
			&tries.happened, was_tried, &tries, TRIES_DEADLINE_MS));
		janitor_stop(janitor);
		for (int at = 1; at < TRIES; at++) {
			assert_true(tries.at[at] - tries.at[at - 1] >=
				(INTERVAL_MS << at) - 1);
		}
		temp_signal_release(&tries.happened);
	}
}

/* ---- streams ---- */

static void
check_streams(
	struct fake *fake, const struct account *row, const char *field, bool needed)
{
	struct err err = { 0 };
	struct account_streams_check check;
	char id[RAND_ID_SIZE];
	temp_make_account(&fake->t, field, id);
	temp_change_ok(&fake->t, &account_collection, id, row, field);
	assert_int_equal(service_account_streams_check(fake->t.service,
				 &temp_superuser_actor, id, &check, &err),
		0);
	assert_int_equal(check.needed, needed);
	assert_int_equal(check.key[0], 'A');
	assert_string_equal(check.missing, "");
}

static void
test_may_have_streams(void **state)
{
	struct fake *fake = *state;
	struct err err = { 0 };
	struct account_streams_check check;
	char tiers[] = "{\"R1\":{\"disk_storage\":1000}}";
	const struct account disk = { .max_jetstream_disk_storage = 1 };
	const struct account memory = { .max_jetstream_memory_storage = -1 };
	const struct account tiered = { .jetstream_tiers = tiers };
	const struct account none = { .max_connections = 1 };
	check_streams(fake, &disk, "max_jetstream_disk_storage", true);
	check_streams(fake, &memory, "max_jetstream_memory_storage", true);
	check_streams(fake, &tiered, "jetstream_tiers", true);
	check_streams(fake, &none, "max_connections", false);
	char id[RAND_ID_SIZE];
	temp_make_account(&fake->t, "other", id);
	temp_store_exec(
		&fake->t.temp, "UPDATE servers SET missing_since = 1 WHERE name = 's1'");
	assert_int_equal(service_account_streams_check(fake->t.service,
				 &temp_superuser_actor, id, &check, &err),
		0);
	assert_string_equal(check.missing, "s1");
	assert_int_equal(service_account_streams_check(
				 fake->t.service, &temp_guest_actor, id, &check, &err),
		-1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whole_way),
		TEST(test_not_due),
		TEST(test_no_servers),
		TEST(test_one_is_silent),
		TEST(test_one_is_unknown),
		TEST(test_incomplete),
		TEST(test_one_refuses),
		TEST(test_one_would_not),
		TEST(test_one_fails),
		TEST(test_one_removes_fewer),
		TEST(test_one_still_shows_it),
		TEST(test_one_shows_nothing),
		TEST(test_one_is_a_cache),
		TEST(test_one_joins_while_they_look),
		TEST(test_settles_too_late),
		TEST(test_one_leaves_meanwhile),
		TEST(test_unavailable),
		TEST(test_is_not_pushed),
		TEST(test_backs_off),
		TEST(test_may_have_streams),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
