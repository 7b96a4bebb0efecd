/* SPDX-License-Identifier: Apache-2.0
 * Users to tokens and creds, and the one of natsid in the system account. */
#include "mint/user.h"

#include "base/str.h"
#include "jwt/creds.h"
#include "jwt/encode.h"
#include "support/mint_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
test_user(void **state)
{
	struct mint_stage *s = *state;
	struct err err = { 0 };
	struct buf token;
	struct buf creds;
	char name[] = "sensor-1";
	struct user user = { .nats_username = name,
		.public_key = s->user_key.public_key,
		.iat = MINT_NOW };
	struct mint_user mint = {
		.user = &user,
		.account_key = s->account.public_key,
		.issuer = &s->scope_key,
	};
	buf_init(&token, MINT_TOKEN_MAX);
	assert_int_equal(mint_user(s->vault, &mint, &token, &err), 0);
	struct jwt_claims claims = mint_stage_read(&token);
	assert_string_equal(claims.name, "sensor-1");
	assert_int_equal(claims.iat, MINT_NOW);
	assert_int_equal(claims.exp, 0);
	mint_stage_assert_key(claims.iss, NKEY_ACCOUNT, &s->scope_key.public_key);
	mint_stage_assert_key(
		claims.as.user.issuer_account, NKEY_ACCOUNT, &s->account.public_key);
	mint_stage_assert_key(claims.sub, NKEY_USER, &s->user_key.public_key);
	/* servers refuse a user of a scope that says anything of its own */
	assert_true(jwt_user_limits_are_empty(&claims.as.user.limits));
	struct buf body;
	buf_init(&body, 4096);
	assert_int_equal(jwt_encode_body(&claims, &body, &err), 0);
	char expected[256];
	str_fmt_cut(expected, sizeof(expected),
		"{\"pub\":{},\"sub\":{},\"issuer_account\":\"%s\",\"type\":\"user\","
		"\"version\":2}",
		claims.as.user.issuer_account);
	assert_string_equal(body.data, expected);
	buf_release(&body);

	/* the file: this token, this user's seed */
	const char *found = NULL;
	size_t found_len = 0;
	uint8_t seed[NKEY_SEED_LEN];
	uint8_t plain[VAULT_SEED_LEN];
	buf_init_secret(&creds, MINT_TOKEN_MAX);
	assert_int_equal(mint_creds(s->vault, &token, &s->user_key, &creds, &err), 0);
	assert_int_equal(
		jwt_creds_parse(creds.data, creds.len, &found, &found_len, seed, &err),
		0);
	assert_int_equal(found_len, token.len);
	assert_memory_equal(found, token.data, token.len);
	assert_int_equal(vault_seed_open(s->vault, &s->user_key, plain, &err), 0);
	assert_memory_equal(seed, plain, sizeof(seed));
	buf_release(&creds);

	/* a damaged seed gives no file, and no token */
	struct vault_seed damaged = s->user_key;
	damaged.sealed[40] ^= 1;
	buf_init_secret(&creds, MINT_TOKEN_MAX);
	assert_int_equal(mint_creds(s->vault, &token, &damaged, &creds, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
	assert_int_equal(creds.len, 0);
	damaged = s->scope_key;
	damaged.sealed[40] ^= 1;
	mint.issuer = &damaged;
	buf_clear(&token);
	assert_int_equal(mint_user(s->vault, &mint, &token, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
	/* nor does a key of the wrong role sign */
	mint.issuer = &s->user_key;
	buf_clear(&token);
	assert_int_equal(mint_user(s->vault, &mint, &token, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	buf_release(&creds);
	buf_release(&token);
	jwt_claims_release(&claims);
}

static void
assert_list(const struct strlist *list, const char *const *expected, size_t len)
{
	assert_int_equal(list->len, len);
	for (size_t i = 0; i < len; i++) {
		assert_string_equal(list->items[i], expected[i]);
	}
}

static void
test_system_user(void **state)
{
	static const char *const publish[] = { "$SYS.REQ.CLAIMS.UPDATE",
		"$SYS.REQ.CLAIMS.DELETE", "$SYS.REQ.CLAIMS.LIST",
		"$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP", "$SYS.REQ.SERVER.PING",
		"$SYS.REQ.SERVER.*.CONNZ", "$SYS.REQ.SERVER.*.VARZ",
		"$SYS.REQ.SERVER.*.ACCOUNTZ", "$SYS.REQ.SERVER.*.JSZ" };
	static const char *const subscribe[] = { "_INBOX.abc.*", "$SYS.REQ.CLAIMS.UPDATE",
		"$SYS.REQ.CLAIMS.DELETE", "$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE",
		"$SYS.ACCOUNT.*.CLAIMS.UPDATE", "$SYS.SERVER.*.STATSZ" };
	struct mint_stage *s = *state;
	struct err err = { 0 };
	struct buf token;
	buf_init(&token, MINT_TOKEN_MAX);
	struct mint_system_user mint = { .issuer = &s->scope_key,
		.account_key = s->account.public_key,
		.user_key = s->user_key.public_key,
		.inbox = "_INBOX.abc",
		.iat = MINT_NOW };
	assert_int_equal(mint_system_user(s->vault, &mint, &token, &err), 0);
	struct jwt_claims claims = mint_stage_read(&token);
	const struct jwt_user_limits *limits = &claims.as.user.limits;
	assert_list(&limits->permissions.pub.allow, publish, COUNT(publish));
	assert_list(&limits->permissions.sub.allow, subscribe, COUNT(subscribe));
	assert_int_equal(limits->permissions.pub.deny.len, 0);
	assert_false(limits->permissions.has_resp);
	assert_false(limits->bearer_token);
	assert_int_equal(limits->subs, -1);
	assert_int_equal(limits->payload, -1);
	buf_release(&token);
	jwt_claims_release(&claims);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, mint_stage_set_up, mint_stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_user),
		TEST(test_system_user),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
