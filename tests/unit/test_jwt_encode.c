/* SPDX-License-Identifier: Apache-2.0
 * The exact bytes of tokens, against what the Go library made. */
#include "jwt/encode.h"

#include "base/codec.h"
#include "base/str.h"
#include "jwt/decode.h"
#include "jwt/sha512_256.h"
#include "support/jwt_golden.h"
#include "support/jwt_samples.h"
#include "support/jwt_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
test_sha512_256(void **state)
{
	(void)state;
	uint8_t hash[JWT_SHA512_256_LEN];
	char hex[2 * JWT_SHA512_256_LEN + 1];
	jwt_sha512_256((const uint8_t *)"abc", 3, hash);
	codec_hex_encode(hash, sizeof(hash), hex);
	assert_string_equal(
		hex, "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23");
}

static void
test_golden_encode(void **state)
{
	(void)state;
	for (size_t i = 0; i < jwt_samples_len; i++) {
		struct buf token;
		char *expected = jwt_golden_token(jwt_samples[i].name);
		buf_init(&token, JWT_TOKEN_MAX);
		jwt_sample_put(&jwt_samples[i], &token);
		assert_string_equal(token.data, expected);
		buf_release(&token);
		free(expected);
	}
}

static void
test_encode_body(void **state)
{
	(void)state;
	struct jwt_claims claims;
	jwt_sample_find("account default")->build(&claims);
	token_assert_body(&claims,
		"{\"limits\":{\"subs\":-1,\"data\":-1,\"payload\":-1,\"imports\":-1,"
		"\"exports\":-1,"
		"\"wildcards\":true,\"conn\":-1,\"leaf\":-1},\"default_permissions\":{"
		"\"pub\":{},"
		"\"sub\":{}},\"authorization\":{},\"type\":\"account\",\"version\":2}");
	jwt_claims_release(&claims);
}

/* The Go library leaves these zeros out, and reads what is left out as unlimited. */
static void
test_encode_template_zero(void **state)
{
	(void)state;
	struct jwt_claims claims = { 0 };
	struct buf body;
	buf_init(&body, 4096);
	token_decode_nats(
		"'type':'account','version':2,'signing_keys':[{'kind':'user_scope','"
		"key':'k',"
		"'template':{'subs':0,'data':0,'payload':0}}]",
		NKEY_OPERATOR, &claims);
	assert_int_equal(claims.as.account.signing_keys[0].template_.subs, 0);
	assert_int_equal(jwt_encode_body(&claims, &body, NULL), 0);
	assert_non_null(strstr(body.data,
		"\"template\":{\"pub\":{},\"sub\":{},\"subs\":0,\"data\":0,\"payload\":"
		"0}"));
	buf_release(&body);
	jwt_claims_release(&claims);
}

static void
test_encode_leaves_claims_alone(void **state)
{
	(void)state;
	struct jwt_claims claims;
	struct buf body;
	buf_init(&body, 8192);
	jwt_sample_find("account full")->build(&claims);
	assert_int_equal(jwt_encode_body(&claims, &body, NULL), 0);
	assert_string_equal(claims.as.account.imports[0].subject, "remote.svc.*");
	assert_string_equal(claims.as.account.revocations[1].key, "*");
	buf_release(&body);
	jwt_claims_release(&claims);
}

static void
test_encode_refused(void **state)
{
	(void)state;
	static const struct {
		const char *sample;
		enum nkey_role signer;
		const char *sub; /* NULL: the sample's */
		const char *expected;
	} table[] = {
		{ "operator minimal", NKEY_ACCOUNT, NULL, "cannot sign" },
		{ "account default", NKEY_USER, NULL, "cannot sign" },
		{ "user default by account", NKEY_OPERATOR, NULL, "cannot sign" },
		{ "auth request", NKEY_ACCOUNT, NULL, "cannot sign" },
		{ "generic delete", NKEY_CURVE, NULL, "cannot sign" },
		{ "user default by account", NKEY_ACCOUNT, "", "no subject" },
		{ "user default by account", NKEY_ACCOUNT, "U", "begins with U" },
		{ "account default", NKEY_OPERATOR, SAMPLE_USER_KEY, "begins with A" },
		{ "operator minimal", NKEY_OPERATOR, SAMPLE_USER_KEY, "begins with O" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct jwt_claims claims;
		struct err err = { 0 };
		struct buf out;
		struct sample_key key = sample_key_make(table[i].signer, 0x31);
		struct jwt_signer signer = sample_signer(&key);
		buf_init(&out, JWT_TOKEN_MAX);
		jwt_sample_find(table[i].sample)->build(&claims);
		if (table[i].sub != NULL) {
			free(claims.sub);
			claims.sub = str_dup(table[i].sub);
		}
		assert_int_equal(jwt_encode(&claims, &signer, &out, &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
		assert_non_null(strstr(err.msg, table[i].expected));
		assert_int_equal(out.len, 0);
		buf_release(&out);
		jwt_claims_release(&claims);
	}
}

static void
test_encode_duplicates(void **state)
{
	(void)state;
	struct jwt_claims claims;
	struct err err = { 0 };
	struct buf body;
	buf_init(&body, 8192);
	jwt_sample_find("account full")->build(&claims);
	free(claims.as.account.revocations[0].key);
	claims.as.account.revocations[0].key = str_dup("*");
	assert_int_equal(jwt_encode_body(&claims, &body, &err), -1);
	assert_string_equal(err.msg, "revocations: \"*\" is there twice");
	buf_release(&body);
	jwt_claims_release(&claims);
}

static int
sign_fails(void *ctx, const uint8_t *msg, size_t len, uint8_t sig[static NKEY_SIG_LEN],
	struct err *err)
{
	(void)ctx;
	(void)msg;
	(void)len;
	(void)sig;
	return err_set(err, ERR_UNAVAILABLE, "sealed");
}

static void
test_encode_failures(void **state)
{
	(void)state;
	struct jwt_claims claims;
	struct err err = { 0 };
	struct buf out;
	struct sample_key key = sample_key_make(NKEY_ACCOUNT, 0x02);
	struct jwt_signer signer = sample_signer(&key);
	jwt_sample_find("user default by account")->build(&claims);

	buf_init(&out, 400);
	buf_put_str(&out, "kept");
	assert_int_equal(jwt_encode(&claims, &signer, &out, &err), -1);
	assert_int_equal(err.code, ERR_TOO_LARGE);
	buf_release(&out);

	buf_init(&out, 4096);
	buf_put_str(&out, "kept");
	signer.sign = sign_fails;
	assert_int_equal(jwt_encode(&claims, &signer, &out, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_string_equal(out.data, "kept");
	buf_release(&out);
	jwt_claims_release(&claims);
}

static void
test_user_limits_are_empty(void **state)
{
	(void)state;
	struct jwt_claims claims;
	jwt_sample_find("user scoped")->build(&claims);
	assert_true(jwt_user_limits_are_empty(&claims.as.user.limits));
	claims.as.user.limits.bearer_token = true;
	assert_false(jwt_user_limits_are_empty(&claims.as.user.limits));
	jwt_claims_release(&claims);
	jwt_sample_find("user default by account")->build(&claims);
	assert_false(jwt_user_limits_are_empty(&claims.as.user.limits));
	jwt_claims_release(&claims);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha512_256),
		cmocka_unit_test(test_golden_encode),
		cmocka_unit_test(test_encode_body),
		cmocka_unit_test(test_encode_template_zero),
		cmocka_unit_test(test_encode_leaves_claims_alone),
		cmocka_unit_test(test_encode_refused),
		cmocka_unit_test(test_encode_duplicates),
		cmocka_unit_test(test_encode_failures),
		cmocka_unit_test(test_user_limits_are_empty),
	};
	return cmocka_run_group_tests_name(
		"jwt_encode", tests, jwt_golden_set_up, jwt_golden_tear_down);
}
