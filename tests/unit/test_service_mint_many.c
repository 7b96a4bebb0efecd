/* SPDX-License-Identifier: Apache-2.0
 * Minting the JWTs of many accounts at once: each fares in its own way. */
#include "base/str.h"
#include "jwt/decode.h"
#include "store/publish.h"
#include "support/temp_mint.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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
	assert_int_equal(claims.iat, temp_minted_iat(t, order->account));
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
	temp_quarantine(t, seqs[1], STORE_QUARANTINE_FOREIGN, "n1");
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
	temp_quarantine(t, seqs[1], STORE_QUARANTINE_NEWER, "n1");
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
	assert_int_equal(temp_publish_value(t, "minted_generation", seqs[0]), 0);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_service_set_up, temp_service_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_many),
		TEST(test_few_commits),
		TEST(test_stale_in_batch),
		TEST(test_batch_not_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
