/* SPDX-License-Identifier: Apache-2.0
 * The token of the operator. */
#include "mint/operator.h"

#include "support/mint_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void
test_operator(void **state)
{
	struct mint_stage *s = *state;
	struct err err = { 0 };
	struct buf token;
	struct mint_operator mint = {
		.name = "Op",
		.identity = &s->operator_identity,
		.signing_keys = &s->operator_key.public_key,
		.signing_key_count = 1,
		.system_account = s->account.public_key,
		.iat = MINT_NOW,
	};
	buf_init(&token, MINT_TOKEN_MAX);
	assert_int_equal(mint_operator(s->vault, &mint, &token, &err), 0);
	struct jwt_claims claims = mint_stage_read(&token);
	mint_stage_assert_key(
		claims.iss, NKEY_OPERATOR, &s->operator_identity.public_key);
	assert_string_equal(claims.sub, claims.iss);
	assert_int_equal(claims.as.operator_.signing_keys.len, 1);
	mint_stage_assert_key(claims.as.operator_.signing_keys.items[0], NKEY_OPERATOR,
		&s->operator_key.public_key);
	mint_stage_assert_key(
		claims.as.operator_.system_account, NKEY_ACCOUNT, &s->account.public_key);
	assert_string_equal(claims.name, "Op");
	assert_int_equal(claims.iat, MINT_NOW);
	assert_false(claims.as.operator_.strict_signing_key_usage);
	jwt_claims_release(&claims);

	/* only an operator's key */
	mint.identity = &s->account_key;
	buf_clear(&token);
	assert_int_equal(mint_operator(s->vault, &mint, &token, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	buf_release(&token);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, mint_stage_set_up, mint_stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_operator),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
