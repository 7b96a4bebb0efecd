/* SPDX-License-Identifier: Apache-2.0
 * Tokens that are read, and those that are not: made by the Go library, and by hand. */
#include "jwt/decode.h"

#include "jwt/encode.h"
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

/* ---- goldens ---- */

static void
test_golden_decode(void **state)
{
	(void)state;
	for (size_t i = 0; i < jwt_samples_len; i++) {
		struct jwt_claims claims = { 0 };
		struct err err = { 0 };
		struct buf again;
		struct sample_key key =
			sample_key_make(jwt_samples[i].role, jwt_samples[i].signer);
		struct jwt_signer signer = sample_signer(&key);
		char *token = jwt_golden_token(jwt_samples[i].name);
		buf_init(&again, JWT_TOKEN_MAX);
		if (jwt_decode(token, strlen(token), &claims, &err) != 0) {
			fail_msg("%s: %s", jwt_samples[i].name, err.msg);
		}
		assert_int_equal(claims.iat, SAMPLE_ISSUED_AT);
		assert_string_equal(claims.iss, key.text);
		assert_int_equal(strlen(claims.jti), 52);
		assert_int_equal(jwt_encode(&claims, &signer, &again, &err), 0);
		assert_string_equal(again.data, token);
		buf_release(&again);
		free(token);
		jwt_claims_release(&claims);
	}
}

/* Every character counts: in the header, the payload and the signature. */
static void
test_golden_tampered(void **state)
{
	(void)state;
	char *token = jwt_golden_token("user scoped");
	size_t len = strlen(token);
	for (size_t i = 0; i < len; i++) {
		struct jwt_claims claims = { 0 };
		char kept = token[i];
		token[i] = kept == 'A' ? 'B' : 'A';
		assert_int_equal(jwt_decode(token, len, &claims, NULL), -1);
		token[i] = kept;
	}
	for (size_t n = 0; n < len; n++) {
		struct jwt_claims claims = { 0 };
		assert_int_equal(jwt_decode(token, n, &claims, NULL), -1);
	}
	free(token);
}

/* ---- tokens made by hand ---- */

#define USER(nats) "{'iss':'%s','sub':'x','nats':{" nats "}}"

static void
test_decode_refused(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		const char *payload;
		enum nkey_role role;
		const char *expected;
	} table[] = {
		{ "{'typ':'JWT','alg':'none'}", USER("'type':'user','version':2"),
			NKEY_ACCOUNT, "algorithm" },
		{ "{'typ':'JWT','alg':'HS256'}", USER("'type':'user','version':2"),
			NKEY_ACCOUNT, "algorithm" },
		{ "{'typ':'JWT'}", USER("'type':'user','version':2"), NKEY_ACCOUNT,
			"algorithm" },
		{ "{'typ':'JWT','alg':'ed25519'}", USER("'type':'user','version':2"),
			NKEY_ACCOUNT, "version 1" },
		{ "{'typ':'JWS','alg':'ed25519-nkey'}", USER("'type':'user','version':2"),
			NKEY_ACCOUNT, "type is not JWT" },
		{ "{'alg':'ed25519-nkey'}", USER("'type':'user','version':2"),
			NKEY_ACCOUNT, "type is not JWT" },
		{ "{'typ':1,'alg':'ed25519-nkey'}", USER("'type':'user','version':2"),
			NKEY_ACCOUNT, "\"typ\" is not a string" },
		{ "[]", USER("'type':'user','version':2"), NKEY_ACCOUNT,
			"type is not JWT" },
		{ "{", USER("'type':'user','version':2"), NKEY_ACCOUNT,
			"header of the token: line" },
		{ token_header, USER("'type':'user','version':3"), NKEY_ACCOUNT,
			"newer version" },
		{ token_header, USER("'type':'user','version':1"), NKEY_ACCOUNT,
			"version 1" },
		{ token_header, USER("'type':'user'"), NKEY_ACCOUNT, "version 0" },
		{ token_header, "{'iss':'%s','type':'user','nats':{}}", NKEY_ACCOUNT,
			"version 1" },
		{ token_header, "{'iss':'%s'}", NKEY_ACCOUNT, "no \"nats\"" },
		{ token_header, "{'iss':'%s','nats':[]}", NKEY_ACCOUNT, "not an object" },
		{ token_header, "[1]", NKEY_ACCOUNT, "no \"nats\"" },
		{ token_header, "{'iss':'%s','iss':'x','nats':{}}", NKEY_ACCOUNT,
			"duplicate object key" },
		{ token_header, "{'nats':{'type':'user','version':2}}", NKEY_ACCOUNT,
			"no issuer" },
		{ token_header, "{'iss':'AAA','nats':{'type':'user','version':2}}",
			NKEY_ACCOUNT, "issuer of the token" },
		{ token_header, USER("'type':'cluster','version':2"), NKEY_ACCOUNT,
			"not supported" },
		/* Who may sign what. */
		{ token_header, USER("'type':'operator','version':2"), NKEY_ACCOUNT,
			"cannot sign" },
		{ token_header, USER("'type':'account','version':2"), NKEY_USER,
			"cannot sign" },
		{ token_header, USER("'type':'account','version':2"), NKEY_SERVER,
			"cannot sign" },
		{ token_header, USER("'type':'user','version':2"), NKEY_OPERATOR,
			"cannot sign" },
		{ token_header, USER("'type':'user','version':2"), NKEY_USER,
			"cannot sign" },
		{ token_header, USER("'type':'activation','version':2"), NKEY_USER,
			"cannot sign" },
		{ token_header, USER("'type':'authorization_request','version':2"),
			NKEY_ACCOUNT, "cannot sign" },
		{ token_header, USER("'type':'authorization_response','version':2"),
			NKEY_SERVER, "cannot sign" },
		/* Types of members, each with its place. */
		{ token_header, USER("'type':'user','version':2,'subs':'1'"),
			NKEY_ACCOUNT, "user claims: \"subs\" is not a whole number" },
		{ token_header, USER("'type':'user','version':2,'subs':1.5"),
			NKEY_ACCOUNT, "whole number" },
		{ token_header, USER("'type':'user','version':2,'bearer_token':1"),
			NKEY_ACCOUNT, "true or false" },
		{ token_header, USER("'type':'user','version':2,'pub':{'allow':[1]}"),
			NKEY_ACCOUNT, "pub: item 1 of \"allow\"" },
		{ token_header, USER("'type':'user','version':2,'pub':{'allow':'a'}"),
			NKEY_ACCOUNT, "not an array" },
		{ token_header, USER("'type':'user','version':2,'times':[{},7]"),
			NKEY_ACCOUNT, "times, item 2: not an object" },
		{ token_header,
			USER("'type':'account','version':2,'limits':{'conn':true}"),
			NKEY_OPERATOR, "account claims: limits: \"conn\"" },
		{ token_header,
			USER("'type':'account','version':2,'revocations':{'*':'5'}"),
			NKEY_OPERATOR, "revocations: not a whole number" },
		{ token_header, USER("'type':'account','version':2,'signing_keys':[7]"),
			NKEY_OPERATOR, "signing_keys, item 1" },
		{ token_header,
			USER("'type':'account','version':2,'signing_keys':[{'kind':'z'}"
			     "]"),
			NKEY_OPERATOR, "user_scope" },
		{ token_header,
			USER("'type':'account','version':2,'exports':[{'type':'queue'}]"),
			NKEY_OPERATOR, "neither stream nor service" },
		{ token_header, USER("'type':'account','version':2,'mappings':{'a':{}}"),
			NKEY_OPERATOR, "mappings: not an array" },
		{ token_header,
			USER("'type':'account','version':2,'limits':{'tiered_limits':{'a'"
			     ":1}}"),
			NKEY_OPERATOR, "tiered_limits" },
		{ token_header,
			USER("'type':'authorization_request','version':2,'connect_opts':{"
			     "'pass':1}"),
			NKEY_SERVER, "connect_opts" },
		{ token_header, USER("'a':1.5,'version':2"), NKEY_OPERATOR, "not whole" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct jwt_claims claims = { 0 };
		struct err err = { 0 };
		struct buf token;
		struct sample_key key = sample_key_make(table[i].role, 0x31);
		buf_init(&token, JWT_TOKEN_MAX);
		token_make(&token, table[i].header, table[i].payload, &key);
		assert_int_equal(jwt_decode(token.data, token.len, &claims, &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
		if (strstr(err.msg, table[i].expected) == NULL) {
			fail_msg("%s: \"%s\", expected \"%s\"", table[i].payload, err.msg,
				table[i].expected);
		}
		assert_null(claims.iss);
		buf_release(&token);
	}
}

static void
test_decode_malformed(void **state)
{
	(void)state;
	static const char *const table[] = {
		"",
		".",
		"..",
		"...",
		"a.b",
		"a.b.c.d",
		"eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ..",
		"eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30.",
		"eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30=.AA",
		"eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.e3\n0.AA",
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct jwt_claims claims = { 0 };
		struct err err = { 0 };
		assert_int_equal(
			jwt_decode(table[i], strlen(table[i]), &claims, &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
	}
}

static void
test_decode_wrong_signature(void **state)
{
	(void)state;
	struct sample_key key = sample_key_make(NKEY_ACCOUNT, 0x31);
	struct sample_key other = sample_key_make(NKEY_ACCOUNT, 0x32);
	struct jwt_claims claims = { 0 };
	struct err err = { 0 };
	struct buf token;
	buf_init(&token, JWT_TOKEN_MAX);
	token_make(&token, token_header, USER("'type':'user','version':2"), &key);
	/* The signature of another key over the same bytes. */
	token_cut_signature(&token);
	token_put_signature(&token, &other);
	assert_int_equal(jwt_decode(token.data, token.len, &claims, &err), -1);
	assert_string_equal(err.msg, "the signature of the token is wrong");
	token_sign_payload(&token, &key);
	assert_int_equal(jwt_decode(token.data, token.len, &claims, &err), -1);
	assert_string_equal(err.msg, "the signature of the token is wrong");
	buf_release(&token);
}

static void
test_decode_too_large(void **state)
{
	(void)state;
	struct jwt_claims claims = { 0 };
	struct err err = { 0 };
	char *text = malloc(JWT_TOKEN_MAX + 2);
	assert_non_null(text);
	memset(text, 'A', JWT_TOKEN_MAX + 2);
	assert_int_equal(jwt_decode(text, JWT_TOKEN_MAX + 1, &claims, &err), -1);
	assert_int_equal(err.code, ERR_TOO_LARGE);
	assert_int_equal(jwt_decode(text, JWT_TOKEN_MAX, &claims, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	free(text);
}

static void
test_decode_details(void **state)
{
	(void)state;
	struct jwt_claims claims = { 0 };

	/* A template without limits is unlimited, a user without is not; unknown members
	 * and null do no harm. */
	token_decode_nats(
		"'type':'account','version':2,'new':{'a':[1]},'description':null,"
		"'signing_keys':[{'kind':'user_scope','key':'k','role':'r','template':"
		"{'data':5,'pub':{},'sub':{}},'description':''}]",
		NKEY_OPERATOR, &claims);
	const struct jwt_signing_key *key = &claims.as.account.signing_keys[0];
	assert_true(key->scoped);
	assert_int_equal(key->template_.subs, JWT_UNLIMITED);
	assert_int_equal(key->template_.payload, JWT_UNLIMITED);
	assert_int_equal(key->template_.data, 5);
	assert_int_equal(claims.as.account.limits.subs, 0);
	assert_null(claims.as.account.description);
	jwt_claims_release(&claims);

	token_decode_nats("'type':'user','version':2,'src':' 10.0.0.0/8,, FE80::/10 '",
		NKEY_ACCOUNT, &claims);
	assert_int_equal(claims.as.user.limits.src.len, 2);
	assert_string_equal(claims.as.user.limits.src.items[0], "10.0.0.0/8");
	assert_string_equal(claims.as.user.limits.src.items[1], "fe80::/10");
	assert_int_equal(claims.as.user.limits.subs, 0);
	jwt_claims_release(&claims);

	/* Tiers win over flat limits. */
	token_decode_nats(
		"'type':'account','version':2,'limits':{'disk_storage':9,'tiered_limits':"
		"{'R1':{'disk_storage':1}}}",
		NKEY_OPERATOR, &claims);
	assert_int_equal(claims.as.account.limits.jetstream.disk_storage, 0);
	assert_int_equal(claims.as.account.limits.tiers[0].limits.disk_storage, 1);
	jwt_claims_release(&claims);

	token_decode_nats("'type':'account','version':2,'exports':[{'service_latency':"
			  "{'sampling':25,'results':'r'}}]",
		NKEY_OPERATOR, &claims);
	assert_true(claims.as.account.exports[0].has_latency);
	assert_int_equal(claims.as.account.exports[0].latency_sampling, 25);
	jwt_claims_release(&claims);

	/* The header may be written in other words. */
	struct sample_key signer = sample_key_make(NKEY_ACCOUNT, 0x31);
	struct buf token;
	buf_init(&token, JWT_TOKEN_MAX);
	token_make(&token, "{ 'alg':'ED25519-NKEY', 'typ':'jwt' }",
		USER("'type':'user','version':2"), &signer);
	assert_int_equal(jwt_decode(token.data, token.len, &claims, NULL), 0);
	buf_release(&token);
	jwt_claims_release(&claims);
}

static void
test_decode_client_tls(void **state)
{
	(void)state;
	struct jwt_claims claims = { 0 };
	token_decode_nats(
		"'type':'authorization_request','version':2,'client_tls':{'version':'"
		"1.3',"
		"'cipher':'c','certs':['p'],'verified_chains':[['a','b'],[]]},"
		"'request_nonce':'n','tags':['t']",
		NKEY_SERVER, &claims);
	token_assert_body(&claims,
		"{\"server_id\":{\"name\":\"\",\"host\":\"\",\"id\":\"\"},\"user_nkey\":"
		"\"\","
		"\"client_info\":{},\"connect_opts\":{\"protocol\":0},"
		"\"client_tls\":{\"version\":\"1.3\",\"cipher\":\"c\",\"certs\":[\"p\"],"
		"\"verified_chains\":[[\"a\",\"b\"],[]]},\"request_nonce\":\"n\","
		"\"tags\":[\"t\"],"
		"\"type\":\"authorization_request\",\"version\":2}");
	jwt_claims_release(&claims);
}

static void
test_generic(void **state)
{
	(void)state;
	struct jwt_claims claims = { 0 };
	token_decode_nats(
		"'z':'<','version':2,'b':{'y':[true,null,-1],'x':{}},'type':'thing'",
		NKEY_USER, &claims);
	assert_int_equal(claims.type, JWT_GENERIC);
	token_assert_body(&claims,
		"{\"b\":{\"x\":{},\"y\":[true,null,-1]},\"type\":\"thing\",\"version\":2,"
		"\"z\":\"\\u003c\"}");
	jwt_claims_release(&claims);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_decode),
		cmocka_unit_test(test_golden_tampered),
		cmocka_unit_test(test_decode_refused),
		cmocka_unit_test(test_decode_malformed),
		cmocka_unit_test(test_decode_wrong_signature),
		cmocka_unit_test(test_decode_too_large),
		cmocka_unit_test(test_decode_details),
		cmocka_unit_test(test_decode_client_tls),
		cmocka_unit_test(test_generic),
	};
	return cmocka_run_group_tests_name(
		"jwt_decode", tests, jwt_golden_set_up, jwt_golden_tear_down);
}
