/* SPDX-License-Identifier: Apache-2.0
 * Several that mint the JWT of an account at the same time. */
#include "store/publish.h"
#include "support/temp_mint.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

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
	struct race race = { .t = t, .seq = temp_make_account(t, "one", account) };
	/* old times, so that the clock holds nobody up for long */
	temp_store_exec(&t->temp, "UPDATE account_publish SET last_iat = 1");
	for (int i = 0; i < MINTERS; i++) {
		assert_int_equal(
			pthread_create(&threads[i], NULL, mint_until_stopped, &race), 0);
	}
	assert_int_equal(pthread_create(&threads[MINTERS], NULL, watch_iat, &race), 0);
	for (int i = 0; i < 200; i++) {
		temp_set_connections(t, account, i % 3);
	}
	__atomic_store_n(&race.stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i <= MINTERS; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_false(race.lowered);
	t->temp.clock.wall += 10000;
	struct minting out = temp_mint(t, race.seq, true);
	assert_int_equal(out.result, MINTING_DONE);
	struct jwt_claims claims = temp_account_claims(t, race.seq);
	assert_int_equal(claims.as.account.limits.conn, 199 % 3);
	assert_int_equal(temp_publish_value(t, "minted_generation", race.seq),
		temp_publish_value(t, "generation", race.seq));
	assert_int_equal(temp_publish_value(t, "last_iat", race.seq), claims.iat);
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
	int64_t seq = temp_make_account(t, "one", account);
	temp_mint(t, seq, true);
	int64_t iat = temp_minted_iat(t, seq);
	temp_set_connections(t, account, 5); /* generation 2: the slow one reads this */
	temp_set_connections(t, account, -1); /* generation 3: equal to 1 */
	assert_false(temp_mint(t, seq, true).new_bytes);
	struct slow slow = { .mint = { .account = seq,
				     .expected_last_iat = iat,
				     .generation = 2,
				     .iat = iat + 1,
				     .jwt = "eyJ",
				     .claims_hash = hash } };
	assert_int_equal(store_write(t->temp.store, write_mint, &slow, &err), -1);
	assert_int_equal(err.code, ERR_STALE);
	assert_int_equal(temp_minted_iat(t, seq), iat);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_service_set_up, temp_service_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_race),
		TEST(test_slow_minter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
