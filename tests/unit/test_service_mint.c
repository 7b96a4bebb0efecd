/* SPDX-License-Identifier: Apache-2.0
 * Minting account JWTs: when there are new bytes, and what they are dated. */
#include "base/str.h"
#include "support/temp_mint.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

/* ---- the bytes ---- */

static void
test_first_mint(void **state)
{
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	int64_t seq = temp_make_account(t, "one", account);
	struct minting out = temp_mint(t, seq, false);
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
	assert_int_equal(temp_publish_value(t, "minted_generation", seq), 1);
	assert_int_equal(temp_publish_value(t, "last_iat", seq), claims.iat);
	assert_int_equal(temp_publish_value(t, "minted_at", seq), t->temp.clock.wall);
	jwt_claims_release(&claims);

	/* again: the claims are equal */
	t->temp.clock.wall += 60000;
	out = temp_mint(t, seq, true);
	assert_int_equal(out.result, MINTING_DONE);
	assert_false(out.new_bytes);
	assert_int_equal(temp_minted_iat(t, seq), temp_publish_value(t, "last_iat", seq));
}

static void
test_equal_claims(void **state)
{
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	int64_t seq = temp_make_account(t, "one", account);
	temp_mint(t, seq, false);
	int64_t iat = temp_minted_iat(t, seq);
	t->temp.clock.wall += 60000;
	temp_set_connections(t, account, 5);
	temp_set_connections(t, account, -1);
	struct minting out = temp_mint(t, seq, false);
	assert_int_equal(out.result, MINTING_DONE);
	assert_false(out.new_bytes);
	assert_int_equal(out.generation, 3);
	assert_int_equal(temp_publish_value(t, "minted_generation", seq), 3);
	assert_int_equal(temp_minted_iat(t, seq), iat);
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
	temp_mint(t, seq, true);
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
	int64_t seq = temp_make_account(t, "one", account);
	struct account row = { .max_jetstream_disk_storage = 1000 };
	temp_change_ok(
		t, &account_collection, account, &row, "max_jetstream_disk_storage");
	temp_mint(t, seq, true);
	int64_t first = temp_minted_iat(t, seq);

	/* in the same second: the tombstone must still win */
	temp_set_active(t, account, false);
	struct minting out = temp_mint(t, seq, true);
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
	temp_set_active(t, account, true);
	temp_mint(t, seq, true);
	claims = temp_account_claims(t, seq);
	assert_int_equal(claims.iat, first + 2);
	assert_int_equal(claims.as.account.signing_keys_len, 1);
	assert_int_equal(claims.as.account.revocations_len, 0);
	jwt_claims_release(&claims);

	temp_delete_ok(t, &account_collection, account);
	out = temp_mint(t, seq, true);
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
	int64_t seq = temp_make_account(t, "one", account);
	int64_t now = t->temp.clock.wall / 1000;
	t->temp.clock.wall = now * 1000 + 250;
	temp_mint(t, seq, false);
	assert_int_equal(temp_minted_iat(t, seq), now);

	/* a change that can wait waits for the next second */
	temp_set_connections(t, account, 1);
	struct minting out = temp_mint(t, seq, false);
	assert_int_equal(out.result, MINTING_LATER);
	assert_int_equal(out.not_before, (now + 1) * 1000);
	assert_int_equal(temp_publish_value(t, "minted_generation", seq), 1);
	/* an urgent one does not, up to three seconds */
	for (int64_t ahead = 1; ahead <= 3; ahead++) {
		temp_set_connections(t, account, 10 + ahead);
		out = temp_mint(t, seq, true);
		assert_int_equal(out.result, MINTING_DONE);
		assert_int_equal(temp_minted_iat(t, seq), now + ahead);
	}
	temp_set_connections(t, account, 20);
	out = temp_mint(t, seq, true);
	assert_int_equal(out.result, MINTING_LATER);
	assert_int_equal(out.not_before, (now + 1) * 1000);
	temp_set_connections(t, account, 21);
	out = temp_mint(t, seq, false);
	assert_int_equal(out.result, MINTING_LATER);
	assert_int_equal(out.not_before, (now + 4) * 1000);
	assert_int_equal(temp_publish_value(t, "last_iat", seq), now + 3);

	/* once the clock is there, the newest state is minted */
	t->temp.clock.wall = (now + 1) * 1000;
	out = temp_mint(t, seq, true);
	assert_int_equal(out.result, MINTING_DONE);
	struct jwt_claims claims = temp_account_claims(t, seq);
	assert_int_equal(claims.iat, now + 4);
	assert_int_equal(claims.as.account.limits.conn, 21);
	jwt_claims_release(&claims);
	t->temp.clock.wall = (now + 100) * 1000;
	temp_set_connections(t, account, 22);
	temp_mint(t, seq, false);
	assert_int_equal(temp_minted_iat(t, seq), now + 100);
}

static void
test_clock_set_back(void **state)
{
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	int64_t seq = temp_make_account(t, "one", account);
	int64_t wall = t->temp.clock.wall;
	temp_mint(t, seq, false);
	temp_set_connections(t, account, 1);
	t->temp.clock.wall = wall - 5001;
	struct minting out = temp_mint(t, seq, true);
	assert_int_equal(out.result, MINTING_HELD);
	assert_non_null(strstr(out.reason, "5 s behind"));
	assert_int_equal(temp_publish_value(t, "minted_generation", seq), 1);
	/* a little is no reason to keep a revocation back */
	t->temp.clock.wall = wall - 2000;
	out = temp_mint(t, seq, true);
	assert_int_equal(out.result, MINTING_DONE);
	assert_int_equal(temp_minted_iat(t, seq), wall / 1000 + 1);
	/* equal claims need no clock */
	t->temp.clock.wall = wall - 3600 * 1000;
	out = temp_mint(t, seq, true);
	assert_int_equal(out.result, MINTING_DONE);
	assert_false(out.new_bytes);
}

static void
test_far_ahead(void **state)
{
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	char sql[128];
	int64_t seq = temp_make_account(t, "one", account);
	temp_mint(t, seq, false);
	int64_t now = t->temp.clock.wall / 1000;
	temp_set_connections(t, account, 1);
	str_fmt_cut(sql, sizeof(sql), "UPDATE account_publish SET last_iat = %lld",
		(long long)now + 60);
	temp_store_exec(&t->temp, sql);
	struct minting out = temp_mint(t, seq, true);
	assert_int_equal(out.result, MINTING_HELD);
	assert_non_null(strstr(out.reason, "61 s ahead"));
	str_fmt_cut(sql, sizeof(sql), "UPDATE account_publish SET last_iat = %lld",
		(long long)now + 59);
	temp_store_exec(&t->temp, sql);
	assert_int_equal(temp_mint(t, seq, true).result, MINTING_LATER);
	assert_int_equal(temp_publish_value(t, "minted_generation", seq), 1);
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
