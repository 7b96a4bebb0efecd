/* SPDX-License-Identifier: Apache-2.0
 * Minting account JWTs: when there are new bytes, what they are dated, and what is held.
 */
#include "base/str.h"
#include "jwt/decode.h"
#include "store/publish.h"
#include "store/quarantine.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct minting
mint(struct temp_service *t, int64_t account, bool urgent)
{
	struct err err = { 0 };
	struct minting out = { 0 };
	if (service_mint_account(t->service, account, urgent, &out, &err) != 0) {
		fail_msg("%s (%s)", err.msg, err.detail);
	}
	return out;
}

/* An account called "one"; its seq. */
static int64_t
make_one(struct temp_service *t, char account[static RAND_ID_SIZE])
{
	temp_make_account(t, "one", account);
	return temp_account_seq(t, account);
}

static int64_t
stored_iat(struct temp_service *t, int64_t account)
{
	struct jwt_claims claims = temp_account_claims(t, account);
	int64_t iat = claims.iat;
	jwt_claims_release(&claims);
	return iat;
}

static int64_t
publish_value(const struct temp_service *t, const char *column, int64_t account)
{
	char sql[128];
	str_fmt_cut(sql, sizeof(sql), "SELECT %s FROM account_publish WHERE account = %d",
		column, (int)account);
	return temp_ask(t, sql, NULL);
}

static void
set_connections(struct temp_service *t, const char *account, int64_t n)
{
	struct account row = { .max_connections = n };
	temp_change_ok(t, &account_collection, account, &row, "max_connections");
}

static void
set_active(struct temp_service *t, const char *account, bool active)
{
	struct account row = { .active = active };
	temp_change_ok(t, &account_collection, account, &row, "active");
}

/* ---- the bytes ---- */

static void
test_first_mint(void **state)
{
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	int64_t seq = make_one(t, account);
	struct minting out = mint(t, seq, false);
	assert_int_equal(out.result, MINTING_DONE);
	assert_true(out.new_bytes);
	assert_int_equal(out.generation, 1);
	struct jwt_claims claims = temp_account_claims(t, seq);
	assert_string_equal(claims.name, "one");
	assert_int_equal(claims.iat, t->temp.clock.wall / 1000);
	assert_true(str_starts_with(claims.iss, "O"));
	assert_int_equal(claims.as.account.signing_keys_len, 1);
	assert_false(claims.as.account.signing_keys[0].scoped);
	assert_int_equal(claims.as.account.tags.len, 1);
	assert_true(str_starts_with(claims.as.account.tags.items[0], "natsid:"));
	const char *tag = claims.as.account.tags.items[0];
	assert_string_equal(tag + strlen(tag) - 2, ":1");
	assert_int_equal(publish_value(t, "minted_generation", seq), 1);
	assert_int_equal(publish_value(t, "last_iat", seq), claims.iat);
	assert_int_equal(publish_value(t, "minted_at", seq), t->temp.clock.wall);
	jwt_claims_release(&claims);

	/* again: the claims are equal */
	t->temp.clock.wall += 60000;
	out = mint(t, seq, true);
	assert_int_equal(out.result, MINTING_DONE);
	assert_false(out.new_bytes);
	assert_int_equal(stored_iat(t, seq), publish_value(t, "last_iat", seq));
}

static void
test_equal_claims(void **state)
{
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	int64_t seq = make_one(t, account);
	mint(t, seq, false);
	int64_t iat = stored_iat(t, seq);
	t->temp.clock.wall += 60000;
	set_connections(t, account, 5);
	set_connections(t, account, -1);
	struct minting out = mint(t, seq, false);
	assert_int_equal(out.result, MINTING_DONE);
	assert_false(out.new_bytes);
	assert_int_equal(out.generation, 3);
	assert_int_equal(publish_value(t, "minted_generation", seq), 3);
	assert_int_equal(stored_iat(t, seq), iat);
}

static void
test_keys_scopes_revocations(void **state)
{
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	char user[RAND_ID_SIZE];
	temp_make_all(t, account, role, user);
	int64_t seq = temp_account_seq(t, account);
	int64_t issued = temp_issue(t, user);
	struct user row = { .active = false };
	temp_change_ok(t, &user_collection, user, &row, "active");
	mint(t, seq, true);
	struct jwt_claims claims = temp_account_claims(t, seq);
	const struct jwt_account *body = &claims.as.account;
	assert_int_equal(body->signing_keys_len, 2);
	const struct jwt_signing_key *scope =
		&body->signing_keys[body->signing_keys[0].scoped ? 0 : 1];
	assert_true(scope->scoped);
	assert_string_equal(scope->role, role);
	assert_int_equal(body->revocations_len, 1);
	assert_int_equal(body->revocations[0].at, issued);
	jwt_claims_release(&claims);
}

static void
test_tombstones(void **state)
{
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	int64_t seq = make_one(t, account);
	struct account row = { .max_jetstream_disk_storage = 1000 };
	temp_change_ok(
		t, &account_collection, account, &row, "max_jetstream_disk_storage");
	mint(t, seq, true);
	int64_t first = stored_iat(t, seq);

	/* in the same second: the tombstone must still win */
	set_active(t, account, false);
	struct minting out = mint(t, seq, true);
	assert_int_equal(out.result, MINTING_DONE);
	assert_true(out.new_bytes);
	struct jwt_claims claims = temp_account_claims(t, seq);
	assert_int_equal(claims.iat, first + 1);
	assert_int_equal(claims.as.account.signing_keys_len, 0);
	assert_int_equal(claims.as.account.limits.conn, 0);
	assert_int_equal(claims.as.account.limits.leaf, 0);
	assert_int_equal(claims.as.account.limits.jetstream.disk_storage, 1000);
	assert_int_equal(claims.as.account.revocations_len, 1);
	assert_string_equal(claims.as.account.revocations[0].key, "*");
	assert_int_equal(claims.as.account.revocations[0].at, claims.iat);
	jwt_claims_release(&claims);

	/* resumed: a newer iat, not the old bytes */
	set_active(t, account, true);
	mint(t, seq, true);
	claims = temp_account_claims(t, seq);
	assert_int_equal(claims.iat, first + 2);
	assert_int_equal(claims.as.account.signing_keys_len, 1);
	assert_int_equal(claims.as.account.revocations_len, 0);
	jwt_claims_release(&claims);

	temp_delete_ok(t, &account_collection, account);
	out = mint(t, seq, true);
	assert_int_equal(out.result, MINTING_DONE);
	claims = temp_account_claims(t, seq);
	assert_int_equal(claims.iat, first + 3);
	assert_int_equal(claims.as.account.limits.conn, 0);
	assert_int_equal(claims.as.account.signing_keys_len, 0);
	jwt_claims_release(&claims);
}

/* ---- the dates ---- */

static void
test_iat(void **state)
{
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	int64_t seq = make_one(t, account);
	int64_t now = t->temp.clock.wall / 1000;
	t->temp.clock.wall = now * 1000 + 250;
	mint(t, seq, false);
	assert_int_equal(stored_iat(t, seq), now);

	/* a change that can wait waits for the next second */
	set_connections(t, account, 1);
	struct minting out = mint(t, seq, false);
	assert_int_equal(out.result, MINTING_LATER);
	assert_int_equal(out.not_before, (now + 1) * 1000);
	assert_int_equal(publish_value(t, "minted_generation", seq), 1);
	/* an urgent one does not, up to three seconds */
	for (int64_t ahead = 1; ahead <= 3; ahead++) {
		set_connections(t, account, 10 + ahead);
		out = mint(t, seq, true);
		assert_int_equal(out.result, MINTING_DONE);
		assert_int_equal(stored_iat(t, seq), now + ahead);
	}
	set_connections(t, account, 20);
	out = mint(t, seq, true);
	assert_int_equal(out.result, MINTING_LATER);
	assert_int_equal(out.not_before, (now + 1) * 1000);
	set_connections(t, account, 21);
	out = mint(t, seq, false);
	assert_int_equal(out.result, MINTING_LATER);
	assert_int_equal(out.not_before, (now + 4) * 1000);
	assert_int_equal(publish_value(t, "last_iat", seq), now + 3);

	/* once the clock is there, the newest state is minted */
	t->temp.clock.wall = (now + 1) * 1000;
	out = mint(t, seq, true);
	assert_int_equal(out.result, MINTING_DONE);
	struct jwt_claims claims = temp_account_claims(t, seq);
	assert_int_equal(claims.iat, now + 4);
	assert_int_equal(claims.as.account.limits.conn, 21);
	jwt_claims_release(&claims);
	t->temp.clock.wall = (now + 100) * 1000;
	set_connections(t, account, 22);
	mint(t, seq, false);
	assert_int_equal(stored_iat(t, seq), now + 100);
}

static void
test_clock_set_back(void **state)
{
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	int64_t seq = make_one(t, account);
	int64_t wall = t->temp.clock.wall;
	mint(t, seq, false);
	set_connections(t, account, 1);
	t->temp.clock.wall = wall - 5001;
	struct minting out = mint(t, seq, true);
	assert_int_equal(out.result, MINTING_HELD);
	assert_non_null(strstr(out.reason, "5 s behind"));
	assert_int_equal(publish_value(t, "minted_generation", seq), 1);
	/* a little is no reason to keep a revocation back */
	t->temp.clock.wall = wall - 2000;
	out = mint(t, seq, true);
	assert_int_equal(out.result, MINTING_DONE);
	assert_int_equal(stored_iat(t, seq), wall / 1000 + 1);
	/* equal claims need no clock */
	t->temp.clock.wall = wall - 3600 * 1000;
	out = mint(t, seq, true);
	assert_int_equal(out.result, MINTING_DONE);
	assert_false(out.new_bytes);
}

static void
test_far_ahead(void **state)
{
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	char sql[128];
	int64_t seq = make_one(t, account);
	mint(t, seq, false);
	int64_t now = t->temp.clock.wall / 1000;
	set_connections(t, account, 1);
	str_fmt_cut(sql, sizeof(sql), "UPDATE account_publish SET last_iat = %lld",
		(long long)now + 60);
	temp_store_exec(&t->temp, sql);
	struct minting out = mint(t, seq, true);
	assert_int_equal(out.result, MINTING_HELD);
	assert_non_null(strstr(out.reason, "61 s ahead"));
	str_fmt_cut(sql, sizeof(sql), "UPDATE account_publish SET last_iat = %lld",
		(long long)now + 59);
	temp_store_exec(&t->temp, sql);
	assert_int_equal(mint(t, seq, true).result, MINTING_LATER);
	assert_int_equal(publish_value(t, "minted_generation", seq), 1);
}

/* ---- what is held ---- */

static void
test_too_large(void **state)
{
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	int64_t seq = make_one(t, account);
	temp_fill_revocations(t, seq, 8000);
	assert_int_equal(mint(t, seq, true).result, MINTING_DONE);
	set_connections(t, account, 1);
	temp_fill_revocations(t, seq, 2000);
	struct minting out = mint(t, seq, true);
	assert_int_equal(out.result, MINTING_HELD);
	assert_non_null(strstr(out.reason, "too many roles or revocations"));
	/* also when it is too large to be compared */
	temp_fill_revocations(t, seq, 30000);
	out = mint(t, seq, true);
	assert_int_equal(out.result, MINTING_HELD);
	assert_non_null(strstr(out.reason, "too many roles or revocations"));
	assert_int_equal(publish_value(t, "minted_generation", seq), 1);
	/* what is suspended needs none of them */
	set_active(t, account, false);
	assert_int_equal(mint(t, seq, true).result, MINTING_DONE);
}

static void
test_bad_claims(void **state)
{
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	char user[RAND_ID_SIZE];
	temp_make_all(t, account, role, user);
	/* behind our back: nothing that the API checks gets here */
	temp_store_exec(
		&t->temp, "UPDATE roles SET publish_deny_permissions = '[\"a..b\"]'");
	struct minting out = mint(t, temp_account_seq(t, account), true);
	assert_int_equal(out.result, MINTING_HELD);
	assert_true(strlen(out.reason) > 0);
	assert_int_equal(
		publish_value(t, "minted_generation", temp_account_seq(t, account)), 0);
}

static void
test_errors(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct minting out;
	char account[RAND_ID_SIZE];
	assert_int_equal(service_mint_account(t->service, 4711, true, &out, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	int64_t seq = make_one(t, account);
	temp_store_exec(&t->temp, "UPDATE vault SET sealed = zeroblob(77)");
	assert_int_equal(service_mint_account(t->service, seq, true, &out, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
}

/* What must not be overwritten unasked. */
struct found {
	int64_t account;
	struct store_quarantine quarantine;
};

static int
put_found(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct found *found = ctx;
	return store_quarantine_put(tx, found->account, &found->quarantine, err);
}

static void
quarantine(struct temp_service *t, int64_t account, enum store_quarantine_cause cause,
	const char *server)
{
	struct err err = { 0 };
	char jwt[] = "eyJ";
	struct found found = { .account = account,
		.quarantine = { .cause = cause, .jwt = jwt } };
	str_fmt_cut(
		found.quarantine.server, sizeof(found.quarantine.server), "%s", server);
	assert_int_equal(store_write(t->temp.store, put_found, &found, &err), 0);
}

struct lift {
	int64_t account;
	int64_t generation;
	int64_t iat;
	int64_t iat_offset;
};

static int
lift_it(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct lift *lift = ctx;
	return store_quarantine_lift(
		tx, lift->account, lift->generation, lift->iat, lift->iat_offset, err);
}

static void
test_quarantine(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	char account[RAND_ID_SIZE];
	int64_t seq = make_one(t, account);
	mint(t, seq, true);
	quarantine(t, seq, STORE_QUARANTINE_NEWER, "n1");
	/* with equal claims, too */
	struct minting out = mint(t, seq, true);
	assert_int_equal(out.result, MINTING_HELD);
	set_connections(t, account, 5);
	out = mint(t, seq, true);
	assert_int_equal(out.result, MINTING_HELD);
	assert_string_equal(out.reason,
		"n1 holds a JWT of this account that is newer than this database (a "
		"restored backup, or another hand). Look: natsid account quarantine; "
		"then choose: natsid account adopt|override one");
	assert_int_equal(publish_value(t, "minted_generation", seq), 1);

	/* a name that a shell would take apart */
	temp_change_ok(t, &account_collection, account,
		&(struct account){ .name = (char[]){ "a 'b" } }, "name");
	quarantine(t, seq, STORE_QUARANTINE_FOREIGN, "");
	out = mint(t, seq, true);
	assert_true(str_starts_with(out.reason,
		"A server holds a JWT of this account that another hand signed. "));
	assert_string_equal(out.reason + strlen(out.reason) - strlen(account), account);

	struct lift lift = { .account = seq, .generation = 40, .iat = 1 };
	assert_int_equal(store_write(t->temp.store, lift_it, &lift, &err), 0);
	out = mint(t, seq, true);
	assert_int_equal(out.result, MINTING_DONE);
	assert_int_equal(out.generation, 41);
}

/* After the override of a JWT that was dated an hour ahead. */
static void
test_offset(void **state)
{
	enum { HOUR = 3600 };
	struct temp_service *t = *state;
	struct err err = { 0 };
	char account[RAND_ID_SIZE];
	char user[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	temp_make_all(t, account, role, user);
	int64_t seq = temp_account_seq(t, account);
	int64_t now = t->temp.clock.wall / 1000;
	t->temp.clock.wall = now * 1000;
	mint(t, seq, true);
	quarantine(t, seq, STORE_QUARANTINE_NEWER, "n1");
	struct lift lift = {
		.account = seq, .generation = 7, .iat = now + HOUR, .iat_offset = HOUR
	};
	assert_int_equal(store_write(t->temp.store, lift_it, &lift, &err), 0);

	/* its clock says now + HOUR, and that second is taken */
	struct minting out = mint(t, seq, false);
	assert_int_equal(out.result, MINTING_LATER);
	assert_int_equal(out.not_before, (now + 1) * 1000);
	out = mint(t, seq, true);
	assert_int_equal(out.result, MINTING_DONE);
	assert_int_equal(stored_iat(t, seq), now + HOUR + 1);
	assert_int_equal(publish_value(t, "minted_at", seq), now * 1000);
	t->temp.clock.wall += 100000;
	set_connections(t, account, 1);
	assert_int_equal(mint(t, seq, false).result, MINTING_DONE);
	assert_int_equal(stored_iat(t, seq), now + HOUR + 100);
	/* users live by the clock of all */
	assert_true(temp_issue(t, user) <= now + 100);

	/* a clock that is set back is still seen */
	set_connections(t, account, 2);
	t->temp.clock.wall -= 6000;
	assert_int_equal(mint(t, seq, true).result, MINTING_HELD);
}

/* ---- many ---- */

enum { MANY = 150 };

static void
make_many(struct temp_service *t, int64_t seqs[static MANY])
{
	char account[RAND_ID_SIZE];
	char name[16];
	for (int i = 0; i < MANY; i++) {
		str_fmt_cut(name, sizeof(name), "a%d", i);
		seqs[i] = temp_make_account(t, name, account);
	}
}

static void
release_orders(struct mint_order *orders, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		free(orders[i].jwt);
	}
}

static void
check_bytes(struct temp_service *t, const struct mint_order *order)
{
	struct err err = { 0 };
	struct jwt_claims claims = { 0 };
	assert_int_equal(order->rc, 0);
	assert_int_equal(order->minting.result, MINTING_DONE);
	assert_true(order->minting.new_bytes);
	assert_int_equal(strlen(order->jwt), order->jwt_len);
	assert_int_equal(jwt_decode(order->jwt, order->jwt_len, &claims, &err), 0);
	assert_string_equal(claims.sub, order->public_key);
	assert_int_equal(claims.iat, stored_iat(t, order->account));
	jwt_claims_release(&claims);
}

static void
test_many(void **state)
{
	struct temp_service *t = *state;
	int64_t seqs[MANY];
	struct mint_order orders[MANY + 1] = { 0 };
	char account[RAND_ID_SIZE];
	make_many(t, seqs);
	for (int i = 0; i < MANY; i++) {
		orders[i].account = seqs[i];
	}
	orders[MANY].account = 4711; /* there is none */
	service_mint_accounts(t->service, orders, COUNT(orders));
	for (int i = 0; i < MANY; i++) {
		check_bytes(t, &orders[i]);
		assert_int_equal(orders[i].minting.generation, 1);
	}
	assert_int_equal(orders[MANY].rc, -1);
	assert_int_equal(orders[MANY].err.code, ERR_NOT_FOUND);
	release_orders(orders, MANY);

	/* each fares in its own way */
	temp_make_account(t, "last", account);
	struct mint_order mixed[] = {
		{ .account = seqs[0] }, /* equal */
		{ .account = seqs[1] }, /* held */
		{ .account = seqs[2] }, /* later */
		{ .account = seqs[3], .urgent = true },
		{ .account = seqs[4] }, /* broken */
		{ .account = temp_account_seq(t, account) },
	};
	quarantine(t, seqs[1], STORE_QUARANTINE_FOREIGN, "n1");
	for (int i = 2; i < 4; i++) {
		char sql[128];
		str_fmt_cut(sql, sizeof(sql),
			"UPDATE accounts SET max_connections = 7 WHERE seq = %d",
			(int)seqs[i]);
		temp_store_exec(&t->temp, sql);
	}
	temp_store_exec(&t->temp,
		"PRAGMA ignore_check_constraints = ON; "
		"UPDATE account_publish SET claims_hash = x'00' WHERE account = "
		"(SELECT seq FROM accounts WHERE name = 'a4')");
	service_mint_accounts(t->service, mixed, COUNT(mixed));
	assert_int_equal(mixed[0].rc, 0);
	assert_int_equal(mixed[0].minting.result, MINTING_DONE);
	assert_false(mixed[0].minting.new_bytes);
	assert_null(mixed[0].jwt);
	assert_int_equal(mixed[1].rc, 0);
	assert_int_equal(mixed[1].minting.result, MINTING_HELD);
	assert_int_equal(mixed[2].rc, 0);
	assert_int_equal(mixed[2].minting.result, MINTING_LATER);
	check_bytes(t, &mixed[3]);
	assert_int_equal(mixed[4].rc, -1);
	assert_int_equal(mixed[4].err.code, ERR_CORRUPT);
	check_bytes(t, &mixed[5]);
	release_orders(mixed, COUNT(mixed));
}

static void
count_commit(void *ctx, const struct store_change *changes, size_t n)
{
	int *commits = ctx;
	(void)changes;
	(void)n;
	(*commits)++;
}

static void
test_few_commits(void **state)
{
	struct temp_service *t = *state;
	int64_t seqs[MANY];
	int commits = 0;
	struct mint_order orders[MANY] = { 0 };
	make_many(t, seqs);
	for (int i = 0; i < MANY; i++) {
		orders[i].account = seqs[i];
	}
	store_on_commit(t->temp.store, count_commit, &commits);
	service_mint_accounts(t->service, orders, MANY);
	release_orders(orders, MANY);
	assert_int_equal(commits, 3);

	/* large ones are not all in memory at once; what is equal is not written */
	for (int i = 0; i < 4; i++) {
		temp_fill_revocations(t, seqs[i], 8500);
	}
	t->temp.clock.wall += 1000;
	commits = 0;
	service_mint_accounts(t->service, orders, MANY);
	for (int i = 0; i < 4; i++) {
		check_bytes(t, &orders[i]);
	}
	release_orders(orders, MANY);
	assert_int_equal(commits, 4);
}

/* The clock is looked at between the snapshots and the write. */
struct intruder {
	struct temp_service *t;
	const struct clock *clock;
	int64_t account; /* minted by another process at each look, */
	int times; /* so often */
	int looks;
};

static int
intrude(struct store_tx *tx, void *ctx, struct err *err)
{
	static const uint8_t hash[STORE_HASH_LEN] = { 9 };
	const struct intruder *intruder = ctx;
	struct store_publish row;
	if (store_publish_get(store_tx_conn(tx), intruder->account, &row, err) != 0) {
		return -1;
	}
	struct store_mint mint = {
		.account = intruder->account,
		.expected_last_iat = row.last_iat,
		.generation = row.generation,
		.iat = row.last_iat + 1,
		.jwt = "eyJ",
		.claims_hash = hash,
	};
	return store_publish_minted(tx, &mint, err);
}

static int64_t
intruding_wall(void *ctx)
{
	struct intruder *intruder = ctx;
	struct err err = { 0 };
	intruder->looks++;
	if (intruder->times > 0) {
		/* before the write: in it, the clock is looked at, too */
		intruder->times--;
		if (store_write(intruder->t->temp.store, intrude, intruder, &err) != 0) {
			abort();
		}
	}
	return clock_wall_ms(intruder->clock);
}

static int64_t
intruding_mono(void *ctx)
{
	const struct intruder *intruder = ctx;
	return clock_mono_ms(intruder->clock);
}

static void
mint_intruded(struct temp_service *t, struct mint_order orders[static 3], int times)
{
	struct intruder intruder = {
		.t = t, .clock = &t->clock, .account = orders[1].account, .times = times
	};
	struct clock clock = { intruding_wall, intruding_mono, &intruder };
	struct service_params params = {
		.store = t->temp.store, .vault = t->vault, .clock = &clock
	};
	struct err err = { 0 };
	struct service *service = NULL;
	assert_int_equal(service_new(&params, &service, &err), 0);
	service_mint_accounts(service, orders, 3);
	service_free(service);
}

static void
test_stale_in_batch(void **state)
{
	struct temp_service *t = *state;
	int64_t seqs[MANY];
	make_many(t, seqs);
	struct mint_order orders[3] = { 0 };
	for (int i = 0; i < 3; i++) {
		orders[i] = (struct mint_order){ .account = seqs[i], .urgent = true };
	}
	/* the first look is for order 0, and order 1 was read by then */
	temp_store_exec(&t->temp, "UPDATE account_publish SET last_iat = 1");
	mint_intruded(t, orders, 1);
	for (int i = 0; i < 3; i++) {
		check_bytes(t, &orders[i]);
	}
	release_orders(orders, 3);

	/* one that is minted elsewhere all the time */
	temp_store_exec(&t->temp,
		"UPDATE accounts SET max_connections = 7; "
		"UPDATE account_publish SET last_iat = 2");
	mint_intruded(t, orders, 100);
	check_bytes(t, &orders[0]);
	assert_int_equal(orders[1].rc, -1);
	assert_int_equal(orders[1].err.code, ERR_CONFLICT);
	assert_null(orders[1].jwt);
	check_bytes(t, &orders[2]);
	release_orders(orders, 3);
}

/* A database that takes nothing fails those that had something to write. */
static void
test_batch_not_written(void **state)
{
	struct temp_service *t = *state;
	int64_t seqs[MANY];
	make_many(t, seqs);
	struct mint_order orders[3] = { 0 };
	for (int i = 0; i < 3; i++) {
		orders[i] = (struct mint_order){ .account = seqs[i], .urgent = true };
	}
	quarantine(t, seqs[1], STORE_QUARANTINE_NEWER, "n1");
	temp_store_exec(&t->temp,
		"CREATE TRIGGER broken BEFORE INSERT ON account_jwt "
		"BEGIN SELECT raise(ABORT, 'broken'); END");
	service_mint_accounts(t->service, orders, COUNT(orders));
	assert_int_equal(orders[0].rc, -1);
	assert_int_equal(orders[0].err.code, ERR_INTERNAL);
	assert_null(orders[0].jwt);
	assert_int_equal(orders[1].rc, 0);
	assert_int_equal(orders[1].minting.result, MINTING_HELD);
	assert_int_equal(orders[2].rc, -1);
	assert_int_equal(publish_value(t, "minted_generation", seqs[0]), 0);
}

/* ---- at once ---- */

struct race {
	struct temp_service *t;
	int64_t seq;
	int stop;
	int lowered;
};

/* Several minters; what the row says is minted must always be what the bytes say. */
static void *
mint_until_stopped(void *ctx)
{
	struct race *race = ctx;
	while (__atomic_load_n(&race->stop, __ATOMIC_ACQUIRE) == 0) {
		struct err err = { 0 };
		struct minting out;
		if (service_mint_account(race->t->service, race->seq, true, &out, &err) !=
				0 &&
			err.code != ERR_CONFLICT) {
			abort();
		}
	}
	return NULL;
}

static void *
watch_iat(void *ctx)
{
	struct race *race = ctx;
	int64_t last = 0;
	while (__atomic_load_n(&race->stop, __ATOMIC_ACQUIRE) == 0) {
		struct err err = { 0 };
		struct store_conn *conn = NULL;
		struct store_publish row;
		if (store_read_begin(race->t->temp.store, &conn, &err) != 0 ||
			store_publish_get(conn, race->seq, &row, &err) != 0) {
			abort();
		}
		store_read_end(race->t->temp.store, conn);
		if (row.last_iat < last) {
			__atomic_store_n(&race->lowered, 1, __ATOMIC_RELEASE);
		}
		last = row.last_iat;
	}
	return NULL;
}

static void
test_race(void **state)
{
	enum { MINTERS = 6 };
	struct temp_service *t = *state;
	pthread_t threads[MINTERS + 1];
	char account[RAND_ID_SIZE];
	struct race race = { .t = t, .seq = make_one(t, account) };
	/* old times, so that the clock holds nobody up for long */
	temp_store_exec(&t->temp, "UPDATE account_publish SET last_iat = 1");
	for (int i = 0; i < MINTERS; i++) {
		assert_int_equal(
			pthread_create(&threads[i], NULL, mint_until_stopped, &race), 0);
	}
	assert_int_equal(pthread_create(&threads[MINTERS], NULL, watch_iat, &race), 0);
	for (int i = 0; i < 200; i++) {
		set_connections(t, account, i % 3);
	}
	__atomic_store_n(&race.stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i <= MINTERS; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_false(race.lowered);
	t->temp.clock.wall += 10000;
	struct minting out = mint(t, race.seq, true);
	assert_int_equal(out.result, MINTING_DONE);
	struct jwt_claims claims = temp_account_claims(t, race.seq);
	assert_int_equal(claims.as.account.limits.conn, 199 % 3);
	assert_int_equal(publish_value(t, "minted_generation", race.seq),
		publish_value(t, "generation", race.seq));
	assert_int_equal(publish_value(t, "last_iat", race.seq), claims.iat);
	jwt_claims_release(&claims);
}

/* A slow minter with an older generation must not write over a newer one whose claims
 * were equal, and which therefore has the same last_iat. */
struct slow {
	struct store_mint mint;
};

static int
write_mint(struct store_tx *tx, void *ctx, struct err *err)
{
	struct slow *slow = ctx;
	return store_publish_minted(tx, &slow->mint, err);
}

static void
test_slow_minter(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	char account[RAND_ID_SIZE];
	uint8_t hash[STORE_HASH_LEN] = { 1 };
	int64_t seq = make_one(t, account);
	mint(t, seq, true);
	int64_t iat = stored_iat(t, seq);
	set_connections(t, account, 5); /* generation 2: the slow one reads this */
	set_connections(t, account, -1); /* generation 3: equal to 1 */
	assert_false(mint(t, seq, true).new_bytes);
	struct slow slow = { .mint = { .account = seq,
				     .expected_last_iat = iat,
				     .generation = 2,
				     .iat = iat + 1,
				     .jwt = "eyJ",
				     .claims_hash = hash } };
	assert_int_equal(store_write(t->temp.store, write_mint, &slow, &err), -1);
	assert_int_equal(err.code, ERR_STALE);
	assert_int_equal(stored_iat(t, seq), iat);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_service_set_up, temp_service_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_mint),
		TEST(test_equal_claims),
		TEST(test_keys_scopes_revocations),
		TEST(test_tombstones),
		TEST(test_iat),
		TEST(test_clock_set_back),
		TEST(test_far_ahead),
		TEST(test_too_large),
		TEST(test_bad_claims),
		TEST(test_errors),
		TEST(test_quarantine),
		TEST(test_offset),
		TEST(test_many),
		TEST(test_few_commits),
		TEST(test_stale_in_batch),
		TEST(test_batch_not_written),
		TEST(test_race),
		TEST(test_slow_minter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
