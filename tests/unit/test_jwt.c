/* SPDX-License-Identifier: Apache-2.0
 * Keys, tokens and creds, against what the Go library made
 * (tests/golden/jwt-golden.txt). */
#include "base/codec.h"
#include "base/str.h"
#include "jwt/creds.h"
#include "jwt/decode.h"
#include "jwt/encode.h"
#include "jwt/intact.h"
#include "jwt/sha512_256.h"
#include "jwt/validate.h"
#include "jwt/xkey_nonce.h"
#include "support/jwt_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const int64_t now_s = 1700000000;

/* Of the golden file. */
#define ACCOUNT_KEY "ACATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZIL2R"

#define DEEP_10(text) "[[[[[[[[[[" text "]]]]]]]]]]"
#define DEEP DEEP_10(DEEP_10(DEEP_10(DEEP_10("1"))))

/* ---- the golden file ---- */

static char *golden;

static int
read_golden(void **state)
{
	(void)state;
	if (sodium_init() < 0) {
		return -1;
	}
	FILE *file = fopen(TEST_DATA_DIR "/golden/jwt-golden.txt", "r");
	if (file == NULL) {
		return -1;
	}
	golden = calloc(1, 1 << 16);
	size_t n = golden != NULL ? fread(golden, 1, (1 << 16) - 1, file) : 0;
	fclose(file);
	return n > 0 ? 0 : -1;
}

static int
free_golden(void **state)
{
	(void)state;
	free(golden);
	return 0;
}

/* The rest of the line after `before`, searched from the section's title on; the caller
 * frees. */
static char *
golden_value(const char *title, const char *before)
{
	char heading[64];
	assert_int_equal(str_fmt(heading, sizeof(heading), "%s", title), 0);
	const char *section = strstr(golden, heading);
	assert_non_null(section);
	const char *value = strstr(section, before);
	assert_non_null(value);
	value += strlen(before);
	return str_dup_n(value, strcspn(value, " \n"));
}

static char *
golden_token(const char *name)
{
	char title[64];
	assert_int_equal(str_fmt(title, sizeof(title), "## %s\n", name), 0);
	return golden_value(title, "\ntok ");
}

/* ---- keys ---- */

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

static const struct {
	const char *line;
	enum nkey_role role;
	uint8_t byte;
} key_vectors[] = {
	{ "operator raw=", NKEY_OPERATOR, 0x01 },
	{ "account raw=", NKEY_ACCOUNT, 0x02 },
	{ "user raw=", NKEY_USER, 0x03 },
	{ "server raw=", NKEY_SERVER, 0x04 },
	{ "cluster raw=", NKEY_CLUSTER, 0x05 },
	{ "curve raw=", NKEY_CURVE, 0x06 },
};

static void
test_key_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(key_vectors); i++) {
		const char *line = key_vectors[i].line;
		struct sample_key key =
			sample_key_make(key_vectors[i].role, key_vectors[i].byte);
		char seed_text[NKEY_SEED_TEXT_SIZE];
		char private_text[NKEY_PRIVATE_TEXT_SIZE];
		uint8_t seed[NKEY_SEED_LEN];
		enum nkey_role role;
		struct nkey_public pub;
		struct err err = { 0 };
		char *expected_seed = golden_value(line, "seed=");
		char *expected_pub = golden_value(line, "pub=");
		char *expected_private = golden_value(line, "priv=");

		jwt_nkey_seed_encode(key.role, key.seed, seed_text);
		jwt_nkey_private_encode(key.role, key.seed, private_text);
		assert_string_equal(seed_text, expected_seed);
		assert_string_equal(key.text, expected_pub);
		assert_string_equal(private_text, expected_private);

		assert_int_equal(jwt_nkey_seed_decode(seed_text, NKEY_SEED_TEXT_LEN,
					 &role, seed, &err),
			0);
		assert_int_equal(role, key.role);
		assert_memory_equal(seed, key.seed, NKEY_SEED_LEN);
		assert_int_equal(
			nkey_text_decode(key.role, key.text, NKEY_TEXT_LEN, &pub, &err),
			0);
		assert_memory_equal(pub.bytes, key.pub.bytes, NKEY_PUBLIC_LEN);
		free(expected_seed);
		free(expected_pub);
		free(expected_private);
	}
}

static void
test_key_signatures(void **state)
{
	(void)state;
	static const uint8_t msg[] = "nonce-123";
	const size_t len = sizeof(msg) - 1;
	for (size_t i = 0; i < COUNT(key_vectors); i++) {
		if (key_vectors[i].role == NKEY_CURVE) {
			continue;
		}
		struct sample_key key =
			sample_key_make(key_vectors[i].role, key_vectors[i].byte);
		uint8_t sig[NKEY_SIG_LEN];
		char hex[2 * NKEY_SIG_LEN + 1];
		char *expected =
			golden_value(key_vectors[i].line, "sign(nonce-123) hex=");
		jwt_nkey_sign(key.seed, &key.pub, msg, len, sig);
		codec_hex_encode(sig, sizeof(sig), hex);
		assert_string_equal(hex, expected);
		assert_true(jwt_nkey_verify(&key.pub, msg, len, sig));
		assert_false(jwt_nkey_verify(&key.pub, msg, len - 1, sig));
		sig[40] ^= 1;
		assert_false(jwt_nkey_verify(&key.pub, msg, len, sig));
		free(expected);
	}
}

static void
test_public_key_malformed(void **state)
{
	(void)state;
	static const char good[] =
		"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4";
	static const char *const bad[] = {
		"", "U",
		"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U", /* truncated */
		"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4A", /* longer */
		"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U5", /* checksum */
		"UEWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4", /* one
									       character
									     */
		"UCWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4", /* prefix */
		"udwuskggfdi4frxk5ebtreczsvqsswjhhjogh6jwg3aumffmq435c2u4",
		"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U1", /* no base32
									     */
		"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U=",
		"ACATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZIL2R", /* an account
									     */
		"SUAAGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGA6BEM", /* a seed */
	};
	struct nkey_public pub;
	struct err err = { 0 };
	assert_int_equal(nkey_text_decode(NKEY_USER, good, strlen(good), &pub, &err), 0);
	for (size_t i = 0; i < COUNT(bad); i++) {
		err_clear(&err);
		assert_int_equal(
			nkey_text_decode(NKEY_USER, bad[i], strlen(bad[i]), &pub, &err),
			-1);
		assert_int_equal(err.code, ERR_INVALID);
	}
}

/* base32(b1, b2, payload, CRC): a seed that is right but for what the test changes. */
static void
raw_seed(uint8_t b1, uint8_t b2, size_t payload, char *out)
{
	uint8_t raw[64];
	raw[0] = b1;
	raw[1] = b2;
	memset(raw + 2, 3, payload);
	uint16_t crc = codec_crc16(raw, 2 + payload);
	raw[2 + payload] = (uint8_t)(crc & 0xff);
	raw[3 + payload] = (uint8_t)(crc >> 8);
	codec_base32_encode(raw, 4 + payload, out);
}

static void
test_seed_malformed(void **state)
{
	(void)state;
	const struct {
		uint8_t b1;
		uint8_t b2;
		size_t payload;
		const char *expected; /* NULL: it is well-formed */
	} table[] = {
		{ 0x90 | 0xa0 >> 5, (0xa0 & 31) << 3, 32, NULL },
		{ 0x90 | 0xa0 >> 5, (0xa0 & 31) << 3, 31, "characters" },
		{ 0x90 | 0xa0 >> 5, (0xa0 & 31) << 3, 33, "characters" },
		{ 0x90 | 0x78 >> 5, (0x78 & 31) << 3, 32, "unknown role" }, /* private */
		{ 0x90 | 0xc8 >> 5, (0xc8 & 31) << 3, 32, "unknown role" },
		{ 0x90 | 0xa0 >> 5, (0xa0 & 31) << 3 | 1, 32,
			"unknown role" }, /* unused bit */
		{ 0xa0, 0x00, 32, "not a seed" },
	};
	uint8_t seed[NKEY_SEED_LEN];
	enum nkey_role role;
	char text[128];
	for (size_t i = 0; i < COUNT(table); i++) {
		struct err err = { 0 };
		raw_seed(table[i].b1, table[i].b2, table[i].payload, text);
		int rc = jwt_nkey_seed_decode(text, strlen(text), &role, seed, &err);
		if (table[i].expected == NULL) {
			assert_int_equal(rc, 0);
			continue;
		}
		assert_int_equal(rc, -1);
		assert_non_null(strstr(err.msg, table[i].expected));
		assert_null(strstr(err.msg, "DAMBQ")); /* part of the seed's text */
	}

	struct err err = { 0 };
	raw_seed(table[0].b1, table[0].b2, 32, text);
	for (size_t i = 0; i < NKEY_SEED_TEXT_LEN; i++) {
		char kept = text[i];
		text[i] = kept == 'B' ? 'C' : 'B';
		assert_int_equal(
			jwt_nkey_seed_decode(text, NKEY_SEED_TEXT_LEN, &role, seed, &err),
			-1);
		text[i] = str_lower(kept);
		if (text[i] != kept) {
			assert_int_equal(jwt_nkey_seed_decode(text, NKEY_SEED_TEXT_LEN,
						 &role, seed, &err),
				-1);
		}
		text[i] = kept;
	}
}

/* ---- sealed messages ---- */

static void
test_xkey_vector(void **state)
{
	(void)state;
	struct sample_key from = sample_key_make(NKEY_CURVE, 0x06);
	struct sample_key to = sample_key_make(NKEY_CURVE, 0x07);
	uint8_t nonce[JWT_XKEY_NONCE_LEN];
	struct buf sealed;
	struct buf opened;
	struct err err = { 0 };
	char hex[256];
	char *expected = golden_value("seal x1->x2", "'hello': ");
	memset(nonce, 0x24, sizeof(nonce));
	buf_init(&sealed, 1024);
	buf_init_secret(&opened, 1024);

	assert_int_equal(jwt_xkey_seal_with_nonce(from.seed, &to.pub, nonce,
				 (const uint8_t *)"hello", 5, &sealed, &err),
		0);
	assert_int_equal(sealed.len, 5 + JWT_XKEY_OVERHEAD);
	codec_hex_encode((const uint8_t *)sealed.data, sealed.len, hex);
	assert_string_equal(hex, expected);
	assert_int_equal(jwt_xkey_open(to.seed, &from.pub, (const uint8_t *)sealed.data,
				 sealed.len, &opened, &err),
		0);
	assert_int_equal(opened.len, 5);
	assert_memory_equal(opened.data, "hello", 5);
	free(expected);
	buf_release(&sealed);
	buf_release(&opened);
}

static void
test_xkey_malformed(void **state)
{
	(void)state;
	struct sample_key from = sample_key_make(NKEY_CURVE, 0x06);
	struct sample_key to = sample_key_make(NKEY_CURVE, 0x07);
	struct buf sealed;
	struct buf opened;
	struct err err = { 0 };
	buf_init(&sealed, 1024);
	buf_init(&opened, 1024);
	assert_int_equal(jwt_xkey_seal(from.seed, &to.pub, (const uint8_t *)"hello", 5,
				 &sealed, &err),
		0);
	uint8_t *data = (uint8_t *)sealed.data;

	for (size_t len = 0; len < sealed.len; len++) {
		assert_int_equal(
			jwt_xkey_open(to.seed, &from.pub, data, len, &opened, &err), -1);
	}
	for (size_t i = 0; i < sealed.len; i++) {
		data[i] ^= 1; /* "xkv0" is among them */
		assert_int_equal(jwt_xkey_open(to.seed, &from.pub, data, sealed.len,
					 &opened, &err),
			-1);
		data[i] ^= 1;
	}
	data[3] = '2';
	assert_int_equal(
		jwt_xkey_open(to.seed, &from.pub, data, sealed.len, &opened, &err), -1);
	assert_non_null(strstr(err.msg, "xkv1"));
	data[3] = '1';
	assert_int_equal(
		jwt_xkey_open(from.seed, &from.pub, data, sealed.len, &opened, &err), -1);
	assert_int_equal(opened.len, 0);
	assert_int_equal(
		jwt_xkey_open(to.seed, &from.pub, data, sealed.len, &opened, &err), 0);

	/* Nonces differ. */
	buf_clear(&opened);
	assert_int_equal(jwt_xkey_seal(from.seed, &to.pub, (const uint8_t *)"hello", 5,
				 &opened, &err),
		0);
	assert_memory_not_equal(opened.data, sealed.data, sealed.len);
	buf_release(&sealed);
	buf_release(&opened);
}

/* ---- goldens ---- */

static void
test_golden_encode(void **state)
{
	(void)state;
	for (size_t i = 0; i < jwt_samples_len; i++) {
		struct buf token;
		char *expected = golden_token(jwt_samples[i].name);
		buf_init(&token, JWT_TOKEN_MAX);
		jwt_sample_put(&jwt_samples[i], &token);
		assert_string_equal(token.data, expected);
		buf_release(&token);
		free(expected);
	}
}

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
		char *token = golden_token(jwt_samples[i].name);
		buf_init(&again, JWT_TOKEN_MAX);
		if (jwt_decode(token, strlen(token), &claims, &err) != 0) {
			fail_msg("%s: %s", jwt_samples[i].name, err.msg);
		}
		assert_int_equal(claims.iat, now_s);
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
	char *token = golden_token("user scoped");
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

/* The text in base64url without the quotes of C: ' stands for ". */
static void
put_chunk(struct buf *out, const char *json)
{
	struct buf text;
	buf_init(&text, 1 << 22);
	for (; *json != '\0'; json++) {
		buf_put_char(&text, *json == '\'' ? '"' : *json);
	}
	assert_int_equal(buf_finish(&text, NULL), 0);
	codec_base64url_put(out, (const uint8_t *)text.data, text.len);
	buf_release(&text);
}

static void
put_signature(struct buf *out, const struct sample_key *key)
{
	uint8_t sig[NKEY_SIG_LEN];
	jwt_nkey_sign(key->seed, &key->pub, (const uint8_t *)out->data, out->len, sig);
	buf_put_char(out, '.');
	codec_base64url_put(out, sig, sizeof(sig));
	assert_int_equal(buf_finish(out, NULL), 0);
}

static const char usual_header[] = "{'typ':'JWT','alg':'ed25519-nkey'}";

/* A rightly signed token; %s in the payload is the signer's public key. */
static void
make_token(struct buf *out, const char *header, const char *payload,
	const struct sample_key *key)
{
	struct buf text;
	buf_init(&text, 1 << 22);
	const char *at = strstr(payload, "%s");
	if (at != NULL) {
		buf_put(&text, payload, (size_t)(at - payload));
		buf_put_str(&text, key->text);
		payload = at + 2;
	}
	buf_put_str(&text, payload);
	assert_int_equal(buf_finish(&text, NULL), 0);
	put_chunk(out, header);
	buf_put_char(out, '.');
	put_chunk(out, text.data);
	put_signature(out, key);
	buf_release(&text);
}

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
		{ usual_header, USER("'type':'user','version':3"), NKEY_ACCOUNT,
			"newer version" },
		{ usual_header, USER("'type':'user','version':1"), NKEY_ACCOUNT,
			"version 1" },
		{ usual_header, USER("'type':'user'"), NKEY_ACCOUNT, "version 0" },
		{ usual_header, "{'iss':'%s','type':'user','nats':{}}", NKEY_ACCOUNT,
			"version 1" },
		{ usual_header, "{'iss':'%s'}", NKEY_ACCOUNT, "no \"nats\"" },
		{ usual_header, "{'iss':'%s','nats':[]}", NKEY_ACCOUNT, "not an object" },
		{ usual_header, "[1]", NKEY_ACCOUNT, "no \"nats\"" },
		{ usual_header, "{'iss':'%s','iss':'x','nats':{}}", NKEY_ACCOUNT,
			"duplicate object key" },
		{ usual_header, "{'nats':{'type':'user','version':2}}", NKEY_ACCOUNT,
			"no issuer" },
		{ usual_header, "{'iss':'AAA','nats':{'type':'user','version':2}}",
			NKEY_ACCOUNT, "issuer of the token" },
		{ usual_header, USER("'type':'cluster','version':2"), NKEY_ACCOUNT,
			"not supported" },
		/* Who may sign what. */
		{ usual_header, USER("'type':'operator','version':2"), NKEY_ACCOUNT,
			"cannot sign" },
		{ usual_header, USER("'type':'account','version':2"), NKEY_USER,
			"cannot sign" },
		{ usual_header, USER("'type':'account','version':2"), NKEY_SERVER,
			"cannot sign" },
		{ usual_header, USER("'type':'user','version':2"), NKEY_OPERATOR,
			"cannot sign" },
		{ usual_header, USER("'type':'user','version':2"), NKEY_USER,
			"cannot sign" },
		{ usual_header, USER("'type':'activation','version':2"), NKEY_USER,
			"cannot sign" },
		{ usual_header, USER("'type':'authorization_request','version':2"),
			NKEY_ACCOUNT, "cannot sign" },
		{ usual_header, USER("'type':'authorization_response','version':2"),
			NKEY_SERVER, "cannot sign" },
		/* Types of members, each with its place. */
		{ usual_header, USER("'type':'user','version':2,'subs':'1'"),
			NKEY_ACCOUNT, "user claims: \"subs\" is not a whole number" },
		{ usual_header, USER("'type':'user','version':2,'subs':1.5"),
			NKEY_ACCOUNT, "whole number" },
		{ usual_header, USER("'type':'user','version':2,'bearer_token':1"),
			NKEY_ACCOUNT, "true or false" },
		{ usual_header, USER("'type':'user','version':2,'pub':{'allow':[1]}"),
			NKEY_ACCOUNT, "pub: item 1 of \"allow\"" },
		{ usual_header, USER("'type':'user','version':2,'pub':{'allow':'a'}"),
			NKEY_ACCOUNT, "not an array" },
		{ usual_header, USER("'type':'user','version':2,'times':[{},7]"),
			NKEY_ACCOUNT, "times, item 2: not an object" },
		{ usual_header,
			USER("'type':'account','version':2,'limits':{'conn':true}"),
			NKEY_OPERATOR, "account claims: limits: \"conn\"" },
		{ usual_header,
			USER("'type':'account','version':2,'revocations':{'*':'5'}"),
			NKEY_OPERATOR, "revocations: not a whole number" },
		{ usual_header, USER("'type':'account','version':2,'signing_keys':[7]"),
			NKEY_OPERATOR, "signing_keys, item 1" },
		{ usual_header,
			USER("'type':'account','version':2,'signing_keys':[{'kind':'z'}"
			     "]"),
			NKEY_OPERATOR, "user_scope" },
		{ usual_header,
			USER("'type':'account','version':2,'exports':[{'type':'queue'}]"),
			NKEY_OPERATOR, "neither stream nor service" },
		{ usual_header, USER("'type':'account','version':2,'mappings':{'a':{}}"),
			NKEY_OPERATOR, "mappings: not an array" },
		{ usual_header,
			USER("'type':'account','version':2,'limits':{'tiered_limits':{'a'"
			     ":1}}"),
			NKEY_OPERATOR, "tiered_limits" },
		{ usual_header,
			USER("'type':'authorization_request','version':2,'connect_opts':{"
			     "'pass':1}"),
			NKEY_SERVER, "connect_opts" },
		{ usual_header, USER("'a':1.5,'version':2"), NKEY_OPERATOR, "not whole" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct jwt_claims claims = { 0 };
		struct err err = { 0 };
		struct buf token;
		struct sample_key key = sample_key_make(table[i].role, 0x31);
		buf_init(&token, JWT_TOKEN_MAX);
		make_token(&token, table[i].header, table[i].payload, &key);
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
cut_signature(struct buf *token)
{
	buf_truncate(token, token->len - CODEC_BASE64_LEN(NKEY_SIG_LEN) - 1);
}

/* Over the payload alone, as version 1 did. */
static void
sign_payload(struct buf *token, const struct sample_key *key)
{
	uint8_t sig[NKEY_SIG_LEN];
	cut_signature(token);
	const char *payload = strchr(token->data, '.') + 1;
	jwt_nkey_sign(
		key->seed, &key->pub, (const uint8_t *)payload, strlen(payload), sig);
	buf_put_char(token, '.');
	codec_base64url_put(token, sig, sizeof(sig));
	assert_int_equal(buf_finish(token, NULL), 0);
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
	make_token(&token, usual_header, USER("'type':'user','version':2"), &key);
	/* The signature of another key over the same bytes. */
	cut_signature(&token);
	put_signature(&token, &other);
	assert_int_equal(jwt_decode(token.data, token.len, &claims, &err), -1);
	assert_string_equal(err.msg, "the signature of the token is wrong");
	sign_payload(&token, &key);
	assert_int_equal(jwt_decode(token.data, token.len, &claims, &err), -1);
	assert_string_equal(err.msg, "the signature of the token is wrong");
	buf_release(&token);
}

/* What cannot be read is told from what is damaged. */
static void
test_intact(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		const char *payload; /* %s: the signer */
		bool of_payload; /* the signature is over it alone */
		bool has_subject;
	} table[] = {
		{ usual_header,
			"{'iss':'%s','sub':'" ACCOUNT_KEY "','nats':{'version':3}}",
			false, true },
		{ "{'typ':'jwt','alg':'ed25519'}",
			"{'sub':'" ACCOUNT_KEY
			"','type':'account','nats':{},'iss' : '%s'}",
			true, true },
		{ "{'typ':'JWT','alg':'something-new'}",
			"{'a':1,'a':2,'nats':{'sub':{'allow':[]},'sub':'x'},'iss':7,'iss'"
			":"
			"'%s'}",
			false, false },
		{ usual_header, "{'iss':'%s','deep':" DEEP "}", false, false },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		char sub[NKEY_TEXT_SIZE];
		struct jwt_claims claims = { 0 };
		struct err err = { 0 };
		struct buf token;
		struct sample_key key = sample_key_make(NKEY_OPERATOR, 0x31);
		struct sample_key other = sample_key_make(NKEY_OPERATOR, 0x32);
		buf_init(&token, JWT_TOKEN_MAX);
		make_token(&token, table[i].header, table[i].payload, &key);
		if (table[i].of_payload) {
			sign_payload(&token, &key);
		}
		assert_int_equal(jwt_decode(token.data, token.len, &claims, &err), -1);
		assert_int_equal(jwt_intact(token.data, token.len, sub, &err), 0);
		assert_string_equal(sub, table[i].has_subject ? ACCOUNT_KEY : "");
		/* cut anywhere, it is whole no more; nor when any character is another */
		for (size_t n = 0; n < token.len; n++) {
			assert_int_equal(jwt_intact(token.data, n, sub, &err), -1);
			assert_int_equal(err.code, ERR_CORRUPT);
		}
		for (size_t n = table[i].of_payload ? strcspn(token.data, ".") : 0;
			n < token.len; n++) {
			char kept = token.data[n];
			token.data[n] = kept == 'A' ? 'B' : 'A';
			assert_int_equal(
				jwt_intact(token.data, token.len, sub, &err), -1);
			token.data[n] = kept;
		}
		cut_signature(&token);
		put_signature(&token, &other);
		assert_int_equal(jwt_intact(token.data, token.len, sub, &err), -1);
		buf_release(&token);
	}
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

/* Decodes the nats object of a token signed by a key of the type's role. */
static void
decode_nats(const char *nats, enum nkey_role role, struct jwt_claims *out)
{
	struct err err = { 0 };
	struct buf token;
	struct buf payload;
	struct sample_key key = sample_key_make(role, 0x31);
	struct sample_key user = sample_key_make(NKEY_USER, 0x03);
	struct sample_key account = sample_key_make(NKEY_ACCOUNT, 0x02);
	struct sample_key server = sample_key_make(NKEY_SERVER, 0x04);
	const char *sub = strstr(nats, "'type':'operator'") != NULL ? key.text
		: strstr(nats, "'type':'account'") != NULL ||
			strstr(nats, "'type':'activation'") != NULL
		? account.text
		: user.text;
	buf_init(&payload, JWT_TOKEN_MAX);
	buf_init(&token, JWT_TOKEN_MAX);
	buf_put_str(&payload, "{'iss':'%s','aud':'");
	buf_put_str(&payload, server.text);
	buf_put_str(&payload, "','sub':'");
	buf_put_str(&payload, sub);
	buf_put_str(&payload, "','nats':{");
	buf_put_str(&payload, nats);
	buf_put_str(&payload, "}}");
	assert_int_equal(buf_finish(&payload, NULL), 0);
	make_token(&token, usual_header, payload.data, &key);
	if (jwt_decode(token.data, token.len, out, &err) != 0) {
		fail_msg("%s: %s", nats, err.msg);
	}
	buf_release(&payload);
	buf_release(&token);
}

static void
test_decode_details(void **state)
{
	(void)state;
	struct jwt_claims claims = { 0 };

	/* A template without limits is unlimited, a user without is not; unknown members
	 * and null do no harm. */
	decode_nats(
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

	decode_nats("'type':'user','version':2,'src':' 10.0.0.0/8,, FE80::/10 '",
		NKEY_ACCOUNT, &claims);
	assert_int_equal(claims.as.user.limits.src.len, 2);
	assert_string_equal(claims.as.user.limits.src.items[0], "10.0.0.0/8");
	assert_string_equal(claims.as.user.limits.src.items[1], "fe80::/10");
	assert_int_equal(claims.as.user.limits.subs, 0);
	jwt_claims_release(&claims);

	/* Tiers win over flat limits. */
	decode_nats(
		"'type':'account','version':2,'limits':{'disk_storage':9,'tiered_limits':"
		"{'R1':{'disk_storage':1}}}",
		NKEY_OPERATOR, &claims);
	assert_int_equal(claims.as.account.limits.jetstream.disk_storage, 0);
	assert_int_equal(claims.as.account.limits.tiers[0].limits.disk_storage, 1);
	jwt_claims_release(&claims);

	decode_nats("'type':'account','version':2,'exports':[{'service_latency':"
		    "{'sampling':25,'results':'r'}}]",
		NKEY_OPERATOR, &claims);
	assert_true(claims.as.account.exports[0].has_latency);
	assert_int_equal(claims.as.account.exports[0].latency_sampling, 25);
	jwt_claims_release(&claims);

	/* The header may be written in other words. */
	struct sample_key signer = sample_key_make(NKEY_ACCOUNT, 0x31);
	struct buf token;
	buf_init(&token, JWT_TOKEN_MAX);
	make_token(&token, "{ 'alg':'ED25519-NKEY', 'typ':'jwt' }",
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
	struct buf body;
	buf_init(&body, 4096);
	decode_nats("'type':'authorization_request','version':2,'client_tls':{'version':'"
		    "1.3',"
		    "'cipher':'c','certs':['p'],'verified_chains':[['a','b'],[]]},"
		    "'request_nonce':'n','tags':['t']",
		NKEY_SERVER, &claims);
	assert_int_equal(jwt_encode_body(&claims, &body, NULL), 0);
	assert_string_equal(body.data,
		"{\"server_id\":{\"name\":\"\",\"host\":\"\",\"id\":\"\"},\"user_nkey\":"
		"\"\","
		"\"client_info\":{},\"connect_opts\":{\"protocol\":0},"
		"\"client_tls\":{\"version\":\"1.3\",\"cipher\":\"c\",\"certs\":[\"p\"],"
		"\"verified_chains\":[[\"a\",\"b\"],[]]},\"request_nonce\":\"n\","
		"\"tags\":[\"t\"],"
		"\"type\":\"authorization_request\",\"version\":2}");
	buf_release(&body);
	jwt_claims_release(&claims);
}

static void
test_generic(void **state)
{
	(void)state;
	struct jwt_claims claims = { 0 };
	struct buf body;
	buf_init(&body, 4096);
	decode_nats("'z':'<','version':2,'b':{'y':[true,null,-1],'x':{}},'type':'thing'",
		NKEY_USER, &claims);
	assert_int_equal(claims.type, JWT_GENERIC);
	assert_int_equal(jwt_encode_body(&claims, &body, NULL), 0);
	assert_string_equal(body.data,
		"{\"b\":{\"x\":{},\"y\":[true,null,-1]},\"type\":\"thing\",\"version\":2,"
		"\"z\":\"\\u003c\"}");
	buf_release(&body);
	jwt_claims_release(&claims);
}

/* ---- encoding ---- */

static void
test_encode_body(void **state)
{
	(void)state;
	struct jwt_claims claims;
	struct buf body;
	buf_init(&body, 4096);
	jwt_sample_find("account default")->build(&claims);
	assert_int_equal(jwt_encode_body(&claims, &body, NULL), 0);
	assert_string_equal(body.data,
		"{\"limits\":{\"subs\":-1,\"data\":-1,\"payload\":-1,\"imports\":-1,"
		"\"exports\":-1,"
		"\"wildcards\":true,\"conn\":-1,\"leaf\":-1},\"default_permissions\":{"
		"\"pub\":{},"
		"\"sub\":{}},\"authorization\":{},\"type\":\"account\",\"version\":2}");
	buf_release(&body);
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
	decode_nats("'type':'account','version':2,'signing_keys':[{'kind':'user_scope','"
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
		{ "account default", NKEY_OPERATOR,
			"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4",
			"begins with A" },
		{ "operator minimal", NKEY_OPERATOR,
			"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4",
			"begins with O" },
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

/* ---- validation ---- */

#define OP "OCFIRY65OQE7DFP5KLNS2PF2LVZMUZYJX4OZIEQ36N2IQANUB5XVYOCS"
#define AC "ACATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZIL2R"
#define AC2 "ACQJVJPUPJTVTABP7FK7RXBNFIKKLSM5EO7JP6DECJ77SOBUKWSPBI3I"
#define US "UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4"
#define XK "XD23FVXGB6KHPYYQYKMC3KVGZEJWYEEKC534LFD6ISH2G7LIC5CVP5IW"
#define ACCOUNT "'type':'account','version':2,"
#define OPEN ACCOUNT "'limits':{'imports':-1,'exports':-1,'wildcards':true},"
#define USR "'type':'user','version':2,"
#define OPR "'type':'operator','version':2,"
#define IMPORT(rest) OPEN "'imports':[{'account':'" AC2 "'," rest "}]"
#define EXPORT(rest) OPEN "'exports':[{" rest "}]"
#define SCOPE(rest) \
	OPEN "'signing_keys':[{'kind':'user_scope','key':'" AC2 "','template':{" rest \
	     "}}]"

struct rule {
	enum nkey_role signer;
	const char *nats;
	const char *blocking; /* part of the first blocking issue; NULL: none */
};

static const struct rule user_rules[] = {
	{ NKEY_ACCOUNT, USR "'pub':{'allow':['a.>','*'],'deny':['b']}", NULL },
	{ NKEY_ACCOUNT, USR "'pub':{'allow':['a..b']}",
		"pub.allow: \"a..b\": empty token" },
	{ NKEY_ACCOUNT, USR "'pub':{'allow':['a.>.b']}", "\">\" at position 2" },
	{ NKEY_ACCOUNT, USR "'pub':{'deny':['a q']}", "pub.deny: \"a q\": space" },
	{ NKEY_ACCOUNT, USR "'sub':{'allow':['a q'],'deny':['a.> q.*']}", NULL },
	{ NKEY_ACCOUNT, USR "'sub':{'allow':['a q r']}", "more than one space" },
	{ NKEY_ACCOUNT, USR "'sub':{'allow':['a ']}", "no queue" },
	{ NKEY_ACCOUNT, USR "'sub':{'deny':['{{name()}}']}",
		"templates work in scopes only" },
	{ NKEY_ACCOUNT, USR "'src':['10.0.0.0/8','::1/128','0.0.0.0/0']", NULL },
	{ NKEY_ACCOUNT, USR "'src':['10.0.0.1']", "src" },
	{ NKEY_ACCOUNT, USR "'src':['10.0.0.0/33']", "src" },
	{ NKEY_ACCOUNT, USR "'src':['10.0.0/8']", "src" },
	{ NKEY_ACCOUNT, USR "'src':['::1/129']", "src" },
	{ NKEY_ACCOUNT, USR "'src':['10.0.0.0/-1']", "src" },
	{ NKEY_ACCOUNT, USR "'times':[{'start':'00:00:00','end':'23:59:59'}]", NULL },
	{ NKEY_ACCOUNT, USR "'times':[{'start':'24:00:00','end':'23:59:59'}]",
		"times: range 1" },
	{ NKEY_ACCOUNT, USR "'times':[{'start':'08:00:00'}]", "times: range 1" },
	{ NKEY_ACCOUNT, USR "'times':[{'start':'8:00:00','end':'09:60:00'}]",
		"times: range 1" },
	{ NKEY_ACCOUNT, USR "'times_location':'UTC'", NULL },
	{ NKEY_ACCOUNT, USR "'times_location':'Europe/Rome'", NULL },
	/* A folder, a file that is no zone, one that is not there. */
	{ NKEY_ACCOUNT, USR "'times_location':'Europe'", "time zone" },
	{ NKEY_ACCOUNT, USR "'times_location':'leapseconds'", "time zone" },
	{ NKEY_ACCOUNT, USR "'times_location':'Europe/Atlantis'", "time zone" },
	{ NKEY_ACCOUNT, USR "'times_location':'../../etc/passwd'", "time zone" },
	{ NKEY_ACCOUNT, USR "'times_location':'Rome, Italy'", "time zone" },
	{ NKEY_ACCOUNT, USR "'subs':2147483647", NULL },
	{ NKEY_ACCOUNT, USR "'subs':2147483648", "subs: over 2147483647" },
	{ NKEY_ACCOUNT, USR "'payload':2147483648", "payload" },
	{ NKEY_ACCOUNT, USR "'issuer_account':'" AC "'", NULL },
	{ NKEY_ACCOUNT, USR "'issuer_account':'" US "'", "issuer_account" },
	{ NKEY_ACCOUNT, USR "'allowed_connection_types':['standard','TELNET']", NULL },
	{ NKEY_ACCOUNT, USR "'allowed_connection_types':[]", NULL },
	{ NKEY_ACCOUNT, USR "'allowed_connection_types':['TELNET','FTP']",
		"none is known" },
	{ NKEY_ACCOUNT,
		USR "'times':[{'start':'22:00:00','end':'06:00:00'},{'start':'08:00:00',"
		    "'end':'08:00:00'}]",
		"times: range 2: start and end are equal" },
	{ NKEY_ACCOUNT, USR "'sub':{'deny':['a.>.b q']}", "\">\" at position 2" },
	{ NKEY_ACCOUNT, USR "'sub':{'allow':['a  q']}", "more than one space" },
	{ NKEY_ACCOUNT, USR "'sub':{'allow':['a q..r']}", "queue" },
	{ NKEY_ACCOUNT, USR "'pub':{'allow':['']}", "the subject is empty" },
	{ NKEY_ACCOUNT, USR "'pub':{'deny':['.a']}", "empty token at position 1" },
	{ NKEY_ACCOUNT, USR "'src':['']", "src" },
	{ NKEY_ACCOUNT, USR "'src':['010.0.0.0/8']", "src" },
	{ NKEY_ACCOUNT, USR "'src':['fe80::1%eth0/64']", "src" },
	{ NKEY_ACCOUNT, USR "'src':['10.0.0.0/']", "src" },
};

static const struct rule operator_rules[] = {
	{ NKEY_OPERATOR, OPR "'signing_keys':['" OP "'],'system_account':'" AC "'",
		NULL },
	{ NKEY_OPERATOR, OPR "'signing_keys':['" AC "']", "signing_keys" },
	{ NKEY_OPERATOR, OPR "'system_account':'" OP "'", "system_account" },
	{ NKEY_OPERATOR, OPR "'assert_server_version':'2.10.0'", NULL },
	{ NKEY_OPERATOR, OPR "'assert_server_version':'2.10'", "assert_server_version" },
	{ NKEY_OPERATOR, OPR "'assert_server_version':'2.10.0.1'",
		"assert_server_version" },
	{ NKEY_OPERATOR, OPR "'assert_server_version':'2.-1.0'",
		"assert_server_version" },
	{ NKEY_OPERATOR, OPR "'assert_server_version':'v2.1.0'",
		"assert_server_version" },
	{ NKEY_OPERATOR, OPR "'account_server_url':'https://h/jwt/v1'", NULL },
	{ NKEY_OPERATOR, OPR "'account_server_url':'localhost'", "account_server_url" },
	{ NKEY_OPERATOR, OPR "'operator_service_urls':['nats://h:4222','wss://h']",
		NULL },
	{ NKEY_OPERATOR, OPR "'operator_service_urls':['http://h']",
		"nats, tls, ws or wss" },
	{ NKEY_OPERATOR, OPR "'operator_service_urls':['nats://u:pw@h']", "credentials" },
	{ NKEY_OPERATOR, OPR "'operator_service_urls':['nats://h/path']", "path" },
	{ NKEY_OPERATOR, OPR "'operator_service_urls':['h']", "not a URL" },
};

static const struct rule account_rules[] = {
	{ NKEY_OPERATOR, OPEN "'tags':['a']", NULL },
	{ NKEY_OPERATOR, OPEN "'limits2':1,'description':'d','info_url':'https://a.b/c'",
		NULL },
	{ NKEY_OPERATOR, OPEN "'info_url':'a.b/c'", "info_url" },
	{ NKEY_OPERATOR, OPEN "'info_url':'http:///c'", "info_url" },
	{ NKEY_OPERATOR, OPEN "'cluster_traffic':'owner'", NULL },
	{ NKEY_OPERATOR, OPEN "'cluster_traffic':'mine'", "cluster_traffic" },
	{ NKEY_OPERATOR, OPEN "'trace':{'dest':'a.b','sampling':100}", NULL },
	{ NKEY_OPERATOR, OPEN "'trace':{'dest':'a.*'}", "trace.dest" },
	{ NKEY_OPERATOR, OPEN "'trace':{}", "trace.dest" },
	{ NKEY_OPERATOR, OPEN "'trace':{'dest':'a','sampling':101}", "trace.sampling" },
	{ NKEY_OPERATOR, OPEN "'trace':{'dest':'a','sampling':-1}", "trace.sampling" },
	{ NKEY_OPERATOR, OPEN "'trace':{'dest':'a.>'}", "trace.dest" },
	{ NKEY_OPERATOR, OPEN "'trace':{'dest':'a b'}", "trace.dest" },
	{ NKEY_OPERATOR, OPEN "'cluster_traffic':'system'", NULL },
	{ NKEY_OPERATOR, OPEN "'cluster_traffic':'Owner'", "cluster_traffic" },
	{ NKEY_OPERATOR, OPEN "'default_permissions':{'sub':{'allow':['a q']}}", NULL },
	{ NKEY_OPERATOR, OPEN "'default_permissions':{'sub':{'allow':['a q r']}}",
		"sub.allow" },
	{ NKEY_OPERATOR, OPEN "'default_permissions':{'pub':{'allow':['{{name()}}']}}",
		"templates work in scopes only" },
	{ NKEY_OPERATOR, OPEN "'signing_keys':['" AC2 "']", NULL },
	{ NKEY_OPERATOR, OPEN "'signing_keys':['" US "']", "signing_keys" },
	{ NKEY_OPERATOR, OPEN "'default_permissions':{'pub':{'deny':['a b']}}",
		"pub.deny" },
	/* limits */
	{ NKEY_OPERATOR, ACCOUNT "'limits':{'conn':2147483648}", "limits.conn" },
	{ NKEY_OPERATOR, ACCOUNT "'limits':{'leaf':2147483648}", "limits.leaf" },
	{ NKEY_OPERATOR, ACCOUNT "'limits':{'tiered_limits':{'':{}}}",
		"tier without a name" },
	{ NKEY_OPERATOR, ACCOUNT "'limits':{'tiered_limits':{'R1':{},'R5':{}}}", NULL },
	{ NKEY_OPERATOR, ACCOUNT "'limits':{'tiered_limits':{'R6':{}}}",
		"limits: tier \"R6\"" },
	{ NKEY_OPERATOR, ACCOUNT "'limits':{'tiered_limits':{'gold':{}}}",
		"limits: tier \"gold\"" },
	{ NKEY_OPERATOR, ACCOUNT "'limits':{'subs':2147483648}", "limits.subs" },
	{ NKEY_OPERATOR, ACCOUNT "'limits':{'payload':2147483648}", "limits.payload" },
	{ NKEY_OPERATOR,
		ACCOUNT "'limits':{'imports':0},'imports':[{'account':'" AC2
			"','subject':'a','type':'stream'}]",
		"imports: 1 are over the limit of 0" },
	{ NKEY_OPERATOR,
		ACCOUNT
		"'limits':{'exports':0},'exports':[{'subject':'a','type':'stream'}]",
		"exports: 1 are over the limit of 0" },
	{ NKEY_OPERATOR,
		ACCOUNT
		"'limits':{'exports':1},'exports':[{'subject':'a.*','type':'stream'}]",
		"wildcards are not allowed" },
	{ NKEY_OPERATOR,
		ACCOUNT
		"'limits':{'exports':-1},'exports':[{'subject':'a.*','type':'stream'}]",
		NULL },
	/* scopes */
	{ NKEY_OPERATOR, SCOPE("'pub':{'allow':['a.{{name()}}.{{tag(x)}}','b.>']}"),
		NULL },
	{ NKEY_OPERATOR, SCOPE("'pub':{'allow':['{{user()}}']}"), "unknown template" },
	{ NKEY_OPERATOR, SCOPE("'pub':{'allow':['{{tag()}}']}"), "unknown template" },
	{ NKEY_OPERATOR, SCOPE("'pub':{'allow':['{{name(}}']}"), "unknown template" },
	{ NKEY_OPERATOR, SCOPE("'pub':{'deny':['{{name()']}"), "not closed" },
	{ NKEY_OPERATOR, SCOPE("'sub':{'allow':['{{name()}}','a q']}"), "queue" },
	{ NKEY_OPERATOR, SCOPE("'sub':{'allow':['a q']}"), NULL },
	{ NKEY_OPERATOR, SCOPE("'src':['x']"), "src" },
	{ NKEY_OPERATOR, SCOPE("'times':[{'start':'08:00:00','end':'08:00:00'}]"),
		"times: range 1: start and end are equal" },
	{ NKEY_OPERATOR, SCOPE("'times_location':'Europe'"), "time zone" },
	{ NKEY_OPERATOR, SCOPE("'allowed_connection_types':['TELNET']"),
		"none is known" },
	{ NKEY_OPERATOR, SCOPE("'allowed_connection_types':['MQTT','TELNET']"), NULL },
	{ NKEY_OPERATOR, SCOPE("'subs':2147483648"), "subs" },
	{ NKEY_OPERATOR,
		OPEN "'signing_keys':[{'kind':'user_scope','key':'" US "','template':{}}"
		     "]",
		"signing_keys" },
	/* mappings */
	{ NKEY_OPERATOR,
		OPEN "'mappings':{'a':[{'subject':'b','weight':60},{'subject':'c','"
		     "weight':40}]}",
		NULL },
	{ NKEY_OPERATOR,
		OPEN "'mappings':{'a':[{'subject':'b','weight':60},{'subject':'c','"
		     "weight':41}]}",
		"sum up to 101" },
	{ NKEY_OPERATOR, OPEN "'mappings':{'a':[{'subject':'b'},{'subject':'c'}]}",
		"sum up to 200" },
	{ NKEY_OPERATOR,
		OPEN "'mappings':{'a':[{'subject':'b'},{'subject':'c','cluster':'x'}]}",
		NULL },
	{ NKEY_OPERATOR, OPEN "'mappings':{'a':[{'subject':'b','weight':101}]}",
		"mapping \"a\" target 1: weight 101" },
	{ NKEY_OPERATOR, OPEN "'mappings':{'a.*':[{'subject':'b.$2'}]}",
		"mapping \"a.*\" target 1: subject \"b.$2\": there is no wildcard 2" },
	{ NKEY_OPERATOR, OPEN "'mappings':{'a':[{'subject':'a','weight':1}],'*':[]}",
		"mappings: \"a\" and \"*\" overlap" },
	{ NKEY_OPERATOR,
		OPEN "'mappings':{'a':[{'subject':'b','cluster':'x'},{'subject':'b'}]}",
		"is that of target 1 already" },
	{ NKEY_OPERATOR, OPEN "'mappings':{'a..b':[]}", "mapping \"a..b\"" },
	{ NKEY_OPERATOR, OPEN "'mappings':{'a':[{'weight':1}]}", "subject is empty" },
	/* authorization */
	{ NKEY_OPERATOR,
		OPEN "'authorization':{'auth_users':['" US "'],'allowed_accounts':['" AC
		     "'],'xkey':'" XK "'}",
		NULL },
	{ NKEY_OPERATOR, OPEN "'authorization':{'allowed_accounts':['*']}",
		"without auth_users" },
	{ NKEY_OPERATOR, OPEN "'authorization':{'auth_users':['" AC "']}", "auth_users" },
	{ NKEY_OPERATOR,
		OPEN "'authorization':{'auth_users':['" US
		     "'],'allowed_accounts':['*','" AC "']}",
		"stands alone" },
	{ NKEY_OPERATOR,
		OPEN "'authorization':{'auth_users':['" US "'],'allowed_accounts':['" US
		     "']}",
		"allowed_accounts" },
	{ NKEY_OPERATOR, OPEN "'authorization':{'auth_users':['" US "'],'xkey':'" US "'}",
		"xkey" },
};

static const struct rule import_rules[] = {
	{ NKEY_OPERATOR, IMPORT("'subject':'a.>','type':'stream','allow_trace':true"),
		NULL },
	{ NKEY_OPERATOR, IMPORT("'subject':'a'"), "neither stream nor service" },
	{ NKEY_OPERATOR, OPEN "'imports':[{'subject':'a','type':'stream'}]",
		"no account" },
	{ NKEY_OPERATOR, OPEN "'imports':[{'subject':'a','type':'stream','account':'x'}]",
		"role account" },
	{ NKEY_OPERATOR, IMPORT("'subject':'a.','type':'stream'"), "empty token" },
	{ NKEY_OPERATOR, IMPORT("'subject':'a','type':'stream','share':true"), "share" },
	{ NKEY_OPERATOR, IMPORT("'subject':'a','type':'service','allow_trace':true"),
		"allow_trace" },
	{ NKEY_OPERATOR, IMPORT("'subject':'a','type':'stream','to':'b'"), NULL },
	{ NKEY_OPERATOR,
		IMPORT("'subject':'a','type':'stream','to':'b','local_subject':'c'"),
		"both of to" },
	{ NKEY_OPERATOR,
		IMPORT("'subject':'a.*.*','type':'service','local_subject':'b.$2.$1'"),
		NULL },
	{ NKEY_OPERATOR,
		IMPORT("'subject':'a.*.*','type':'service','local_subject':'b.*.$1'"),
		NULL },
	{ NKEY_OPERATOR, IMPORT("'subject':'a.*','type':'service','local_subject':'b'"),
		"uses 0 of 1" },
	{ NKEY_OPERATOR,
		IMPORT("'subject':'a.*','type':'service','local_subject':'b.$2'"), "$2" },
	/* References for servers, and to nothing. */
	{ NKEY_OPERATOR, IMPORT("'subject':'a','type':'service','local_subject':'b.$0'"),
		"$0, but the subject has 0 wildcards" },
	{ NKEY_OPERATOR, IMPORT("'subject':'a','type':'service','local_subject':'b.$-1'"),
		"$-1, but" },
	{ NKEY_OPERATOR,
		IMPORT("'subject':'a','type':'service','local_subject':'b.$4294967297'"),
		"$4294967297, but" },
	{ NKEY_OPERATOR,
		IMPORT("'subject':'a.*','type':'service','local_subject':'b.$1.$x'"),
		NULL },
	{ NKEY_OPERATOR,
		IMPORT("'subject':'a.*','type':'service','local_subject':'b.$1.$1'"),
		"uses 2 of 1" },
	{ NKEY_OPERATOR, IMPORT("'subject':'a.>','type':'stream','local_subject':'b'"),
		"end in \">\"" },
	{ NKEY_OPERATOR, IMPORT("'subject':'a.>','type':'stream','local_subject':'>'"),
		NULL },
	{ NKEY_OPERATOR, IMPORT("'subject':'a','type':'stream','local_subject':'b..c'"),
		"empty token" },
	{ NKEY_OPERATOR, IMPORT("'subject':'a','type':'stream','token':'tok'"),
		"invalid" },
	/* Services overlap also between exporting accounts. */
	{ NKEY_OPERATOR,
		OPEN "'imports':[{'account':'" AC "','subject':'a.>','type':'service'},"
		     "{'account':'" AC2 "','subject':'a.b','type':'service'}]",
		"overlap" },
	{ NKEY_OPERATOR,
		OPEN "'imports':[{'account':'" AC "','subject':'x.*','type':'service',"
		     "'local_subject':'a.$1'},{'account':'" AC2
		     "','subject':'a.b','type':'service'}]",
		"overlap" },
	{ NKEY_OPERATOR,
		OPEN "'imports':[{'account':'" AC "','subject':'a','type':'service'},"
		     "{'account':'" AC2
		     "','subject':'a','type':'service','local_subject':'b'}]",
		NULL },
	{ NKEY_OPERATOR,
		OPEN "'imports':[{'account':'" AC "','subject':'a','type':'stream'},"
		     "{'account':'" AC2 "','subject':'a','type':'stream'}]",
		NULL },
};

static const struct rule export_rules[] = {
	{ NKEY_OPERATOR, EXPORT("'subject':'a.>','type':'stream'"), NULL },
	{ NKEY_OPERATOR, EXPORT("'subject':'a'"), "neither stream nor service" },
	{ NKEY_OPERATOR, EXPORT("'subject':'a b','type':'stream'"), "space" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a','type':'service','response_type':'Chunked'"),
		NULL },
	{ NKEY_OPERATOR, EXPORT("'subject':'a','type':'service','response_type':'Many'"),
		"response_type" },
	{ NKEY_OPERATOR, EXPORT("'subject':'a','type':'stream','response_type':'Stream'"),
		"response_type" },
	{ NKEY_OPERATOR, EXPORT("'subject':'a','type':'service','response_threshold':-1"),
		"response_threshold" },
	{ NKEY_OPERATOR, EXPORT("'subject':'a','type':'stream','response_threshold':1"),
		"response_threshold" },
	{ NKEY_OPERATOR, EXPORT("'subject':'a','type':'stream','allow_trace':true"),
		"allow_trace" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a','type':'service','service_latency':{'sampling':101,"
		       "'results':'r'}"),
		"sampling" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a','type':'service','service_latency':{'sampling':1,"
		       "'results':'r.*'}"),
		"wildcard" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a','type':'stream','service_latency':{'sampling':1,"
		       "'results':'r'}"),
		"services only" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a.*','type':'stream','account_token_position':2"),
		NULL },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a.*','type':'stream','account_token_position':1"),
		"account_token_position" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a.*','type':'stream','account_token_position':3"),
		"account_token_position" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a.>','type':'stream','account_token_position':2"),
		"account_token_position" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a.*b','type':'stream','account_token_position':2"),
		"account_token_position" },
	{ NKEY_OPERATOR, EXPORT("'subject':'a','type':'stream','info_url':'x'"),
		"info_url" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a.*','type':'stream'},{'subject':'a.b','type':'"
		       "stream'"),
		"overlap" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a','type':'stream'},{'subject':'a','type':'stream'"),
		"overlap" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a.*','type':'stream'},{'subject':'a.b','type':'"
		       "service'"),
		NULL },
};

#define ACT "'type':'activation','version':2,"
#define RES "'type':'authorization_response','version':2,"

static const struct rule other_rules[] = {
	{ NKEY_ACCOUNT, ACT "'subject':'a.*','kind':'stream','issuer_account':'" AC "'",
		NULL },
	{ NKEY_ACCOUNT, ACT "'subject':'a.*'", "neither stream nor service" },
	{ NKEY_ACCOUNT, ACT "'kind':'stream'", "subject is empty" },
	{ NKEY_ACCOUNT, ACT "'subject':'a','kind':'stream','issuer_account':'" US "'",
		"issuer_account" },
	{ NKEY_ACCOUNT, RES "'jwt':'x'", NULL },
	{ NKEY_ACCOUNT, RES "'error':'x','issuer_account':'" AC "'", NULL },
	{ NKEY_ACCOUNT, RES "'tags':[]", "one of jwt and error" },
	{ NKEY_ACCOUNT, RES "'jwt':'x','error':'y'", "one of jwt and error" },
	{ NKEY_ACCOUNT, RES "'jwt':'x','issuer_account':'" US "'", "issuer_account" },
	{ NKEY_SERVER, "'type':'authorization_request','version':2,'user_nkey':'" US "'",
		NULL },
	{ NKEY_SERVER, "'type':'authorization_request','version':2,'user_nkey':'" AC "'",
		"user_nkey" },
	{ NKEY_OPERATOR, "'accounts':[],'version':2", NULL },
};

static void
check_rules(const struct rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct jwt_claims claims = { 0 };
		struct jwt_issues issues;
		decode_nats(rules[i].nats, rules[i].signer, &claims);
		jwt_validate(&claims, now_s, &issues);
		const char *found = jwt_issues_find_blocking(&issues, true);
		if (rules[i].blocking == NULL ? found != NULL
					      : found == NULL ||
					strstr(found, rules[i].blocking) == NULL) {
			fail_msg("%s: \"%s\", expected \"%s\"", rules[i].nats,
				found != NULL ? found : "none",
				rules[i].blocking != NULL ? rules[i].blocking : "none");
		}
		jwt_claims_release(&claims);
	}
}

static void
test_validate_rules(void **state)
{
	(void)state;
	check_rules(user_rules, COUNT(user_rules));
	check_rules(operator_rules, COUNT(operator_rules));
	check_rules(account_rules, COUNT(account_rules));
	check_rules(import_rules, COUNT(import_rules));
	check_rules(export_rules, COUNT(export_rules));
	check_rules(other_rules, COUNT(other_rules));
}

/* The Go library found these two in the same claims. */
static void
test_validate_golden(void **state)
{
	(void)state;
	struct jwt_claims claims;
	struct jwt_issues issues;
	jwt_sample_find("account full")->build(&claims);
	jwt_validate(&claims, now_s, &issues);
	/* Of ours alone: queues beside templates in the scope. */
	assert_int_equal(issues.blocking, 2);
	assert_int_equal(issues.warnings, 1);
	assert_int_equal(issues.time, 0);
	assert_non_null(strstr(issues.items[0].text, "deprecated"));
	assert_non_null(strstr(issues.items[1].text, "activation token is invalid"));
	assert_non_null(strstr(issues.items[2].text, "queue"));
	jwt_claims_release(&claims);
	for (size_t i = 0; i < jwt_samples_len; i++) {
		if (str_equal(jwt_samples[i].name, "account full")) {
			continue;
		}
		jwt_samples[i].build(&claims);
		jwt_validate(&claims, now_s, &issues);
		assert_int_equal(issues.len, 0);
		jwt_claims_release(&claims);
	}
}

static void
test_validate_times(void **state)
{
	(void)state;
	const struct {
		int64_t exp;
		int64_t nbf;
		size_t time;
	} table[] = {
		{ 0, 0, 0 },
		{ now_s, now_s, 0 },
		{ now_s - 1, 0, 1 },
		{ 0, now_s + 1, 1 },
		{ now_s - 1, now_s + 1, 2 },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct jwt_claims claims;
		struct jwt_issues issues;
		jwt_sample_find("user scoped")->build(&claims);
		claims.exp = table[i].exp;
		claims.nbf = table[i].nbf;
		jwt_validate(&claims, now_s, &issues);
		assert_int_equal(issues.time, table[i].time);
		assert_int_equal(issues.blocking, 0);
		assert_int_equal(jwt_issues_find_blocking(&issues, true) != NULL,
			table[i].time > 0);
		assert_null(jwt_issues_find_blocking(&issues, false));
		jwt_claims_release(&claims);
	}
}

static void
test_validate_subject_role(void **state)
{
	(void)state;
	struct jwt_claims claims;
	struct jwt_issues issues;
	jwt_sample_find("user scoped")->build(&claims);
	free(claims.sub);
	claims.sub = str_dup(AC);
	jwt_validate(&claims, now_s, &issues);
	assert_non_null(strstr(jwt_issues_find_blocking(&issues, false), "sub: "));
	jwt_claims_release(&claims);
}

/* All are counted, also those for which there is no room. */
static void
test_validate_many(void **state)
{
	(void)state;
	struct jwt_claims claims;
	struct jwt_issues issues;
	jwt_sample_find("user scoped")->build(&claims);
	for (int i = 0; i < JWT_ISSUES_MAX; i++) {
		assert_int_equal(
			strlist_add(&claims.as.user.limits.allowed_connection_types, "X",
				NULL),
			0);
	}
	assert_int_equal(strlist_add(&claims.as.user.limits.allowed_connection_types,
				 "MQTT", NULL),
		0);
	free(claims.as.user.issuer_account);
	claims.as.user.issuer_account = str_dup("X");
	jwt_validate(&claims, now_s, &issues);
	assert_int_equal(issues.len, JWT_ISSUES_MAX);
	assert_int_equal(issues.warnings, JWT_ISSUES_MAX);
	assert_int_equal(issues.blocking, 1);
	assert_non_null(jwt_issues_find_blocking(&issues, false));
	jwt_claims_release(&claims);
}

/* An import with the golden activation, changed in one thing at a time. */
static void
test_validate_activation(void **state)
{
	(void)state;
	const struct {
		enum nkey_role role;
		uint8_t importer;
		const char *account;
		enum jwt_export_type type;
		const char *subject;
		const char *expected;
	} table[] = {
		{ NKEY_ACCOUNT, 0x22, AC, JWT_EXPORT_SERVICE, "svc.a", NULL },
		{ NKEY_ACCOUNT, 0x02, AC, JWT_EXPORT_SERVICE, "svc.a",
			"for another account" },
		{ NKEY_ACCOUNT, 0x22, AC2, JWT_EXPORT_SERVICE, "svc.a",
			"of another account" },
		{ NKEY_ACCOUNT, 0x22, AC, JWT_EXPORT_STREAM, "svc.a", "of another type" },
		{ NKEY_ACCOUNT, 0x22, AC, JWT_EXPORT_SERVICE, "svc.a.b",
			"does not cover" },
		{ NKEY_ACCOUNT, 0x22, AC, JWT_EXPORT_SERVICE, "svc.>", "does not cover" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct jwt_claims claims = { .type = JWT_ACCOUNT };
		struct jwt_issues issues;
		struct buf token;
		struct jwt_import *import = calloc(1, sizeof(*import));
		assert_non_null(import);
		buf_init(&token, 4096);
		jwt_sample_put(jwt_sample_find("activation"), &token);
		jwt_account_init(&claims.as.account);
		claims.sub =
			str_dup(sample_key_make(table[i].role, table[i].importer).text);
		import->account = str_dup(table[i].account);
		import->type = table[i].type;
		import->subject = str_dup(table[i].subject);
		import->token = buf_take(&token);
		claims.as.account.imports = import;
		claims.as.account.imports_len = 1;
		jwt_validate(&claims, now_s, &issues);
		const char *found = jwt_issues_find_blocking(&issues, false);
		if (table[i].expected == NULL) {
			assert_null(found);
		} else {
			assert_non_null(found);
			assert_non_null(strstr(found, table[i].expected));
		}
		jwt_claims_release(&claims);
	}
}

/* The issuer is the exporter itself, so nothing else looks at the issuer_account. */
static void
test_validate_activation_issuer(void **state)
{
	(void)state;
	for (int bad = 0; bad < 2; bad++) {
		struct sample_key exporter = sample_key_make(NKEY_ACCOUNT, 0x02);
		struct jwt_signer signer = sample_signer(&exporter);
		struct jwt_claims activation = { .type = JWT_ACTIVATION };
		struct jwt_claims claims = { .type = JWT_ACCOUNT };
		struct jwt_issues issues;
		struct err err = { 0 };
		struct buf token;
		struct jwt_import *import = calloc(1, sizeof(*import));
		assert_non_null(import);
		activation.sub = str_dup(AC2);
		activation.as.activation.subject = str_dup("a");
		activation.as.activation.kind = JWT_EXPORT_STREAM;
		activation.as.activation.issuer_account = str_dup(bad ? US : AC);
		buf_init(&token, 4096);
		assert_int_equal(jwt_encode(&activation, &signer, &token, &err), 0);
		jwt_account_init(&claims.as.account);
		claims.sub = str_dup(AC2);
		import->account = str_dup(AC);
		import->type = JWT_EXPORT_STREAM;
		import->subject = str_dup("a");
		import->token = buf_take(&token);
		claims.as.account.imports = import;
		claims.as.account.imports_len = 1;
		jwt_validate(&claims, now_s, &issues);
		const char *found = jwt_issues_find_blocking(&issues, false);
		if (bad) {
			assert_non_null(found);
			assert_non_null(
				strstr(found, "issuer_account of the activation"));
		} else {
			assert_null(found);
		}
		jwt_claims_release(&claims);
		jwt_claims_release(&activation);
	}
}

/* ---- creds ---- */

/* From the first dashed line of the file to the line that ends it. */
static char *
golden_creds(void)
{
	const char *start = strstr(golden, "-----BEGIN NATS USER JWT-----");
	const char *end = strstr(golden, "<<<EOF len=969");
	assert_non_null(start);
	assert_non_null(end);
	return str_dup_n(start, (size_t)(end - start));
}

static void
test_creds_render(void **state)
{
	(void)state;
	struct sample_key user = sample_key_make(NKEY_USER, 0x03);
	struct err err = { 0 };
	struct buf out;
	char *token = golden_token("user default by account");
	char *expected = golden_creds();
	assert_int_equal(strlen(expected), 969);
	buf_init_secret(&out, 8192);
	assert_int_equal(
		jwt_creds_render(token, strlen(token), user.seed, &out, &err), 0);
	assert_string_equal(out.data, expected);
	buf_clear(&out);
	assert_int_equal(jwt_creds_render_token(token, strlen(token), &out, &err), 0);
	assert_memory_equal(out.data, expected, out.len);
	assert_memory_equal(expected + out.len, "*****", 5);
	buf_clear(&out);
	assert_int_equal(jwt_creds_render_token("a\nb", 3, &out, &err), -1);
	assert_int_equal(jwt_creds_render_token("", 0, &out, &err), -1);
	buf_release(&out);
	free(token);
	free(expected);
}

static void
test_creds_parse(void **state)
{
	(void)state;
	struct sample_key user = sample_key_make(NKEY_USER, 0x03);
	struct err err = { 0 };
	char *token = golden_token("user default by account");
	char *creds = golden_creds();
	struct buf text;
	buf_init(&text, 8192);
	/* As it is; with CRLF; with text around and dashes of another length. */
	for (int form = 0; form < 3; form++) {
		const char *found = NULL;
		size_t found_len = 0;
		uint8_t seed[NKEY_SEED_LEN];
		buf_clear(&text);
		buf_put_str(&text, form == 2 ? "hello\n---\n\n" : "");
		for (const char *p = creds; *p != '\0'; p++) {
			buf_put_str(&text, form == 1 && *p == '\n' ? "\r" : "");
			buf_put_char(&text, *p);
		}
		buf_put_str(&text, form == 2 ? "bye" : "");
		assert_int_equal(buf_finish(&text, NULL), 0);
		assert_int_equal(jwt_creds_parse(text.data, text.len, &found, &found_len,
					 seed, &err),
			0);
		assert_int_equal(found_len, strlen(token));
		assert_memory_equal(found, token, found_len);
		assert_memory_equal(seed, user.seed, NKEY_SEED_LEN);
	}
	buf_release(&text);
	free(token);
	free(creds);
}

static void
test_creds_malformed(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *expected;
	} table[] = {
		{ "", "no token" },
		{ "-----BEGIN NATS USER JWT-----\n", "no token" },
		{ "-----BEGIN X-----\na b\n------END X------\n", "no token" },
		{ "-----BEGIN X-----\nabc\n", "no token" },
		{ "-----BEGIN X-----\nabc\n------END X------\n", "no seed" },
		{ "---BEGIN X---\nabc\n---END X---\n---BEGIN Y---\nSUAA\n---END Y---\n",
			"58 characters" },
		{ "---BEGIN X---\nabc\n---END X---\n---BEGIN Y---\n"
		  "SAAAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAUN5U\n---END "
		  "Y---\n",
			"not of a user" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		const char *token = NULL;
		size_t len = 0;
		uint8_t seed[NKEY_SEED_LEN];
		struct err err = { 0 };
		assert_int_equal(jwt_creds_parse(table[i].text, strlen(table[i].text),
					 &token, &len, seed, &err),
			-1);
		assert_non_null(strstr(err.msg, table[i].expected));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha512_256),
		cmocka_unit_test(test_key_texts),
		cmocka_unit_test(test_key_signatures),
		cmocka_unit_test(test_public_key_malformed),
		cmocka_unit_test(test_seed_malformed),
		cmocka_unit_test(test_xkey_vector),
		cmocka_unit_test(test_xkey_malformed),
		cmocka_unit_test(test_golden_encode),
		cmocka_unit_test(test_golden_decode),
		cmocka_unit_test(test_golden_tampered),
		cmocka_unit_test(test_decode_refused),
		cmocka_unit_test(test_decode_malformed),
		cmocka_unit_test(test_decode_wrong_signature),
		cmocka_unit_test(test_intact),
		cmocka_unit_test(test_decode_too_large),
		cmocka_unit_test(test_decode_details),
		cmocka_unit_test(test_decode_client_tls),
		cmocka_unit_test(test_generic),
		cmocka_unit_test(test_encode_body),
		cmocka_unit_test(test_encode_template_zero),
		cmocka_unit_test(test_encode_leaves_claims_alone),
		cmocka_unit_test(test_encode_refused),
		cmocka_unit_test(test_encode_duplicates),
		cmocka_unit_test(test_encode_failures),
		cmocka_unit_test(test_user_limits_are_empty),
		cmocka_unit_test(test_validate_rules),
		cmocka_unit_test(test_validate_golden),
		cmocka_unit_test(test_validate_times),
		cmocka_unit_test(test_validate_subject_role),
		cmocka_unit_test(test_validate_many),
		cmocka_unit_test(test_validate_activation),
		cmocka_unit_test(test_validate_activation_issuer),
		cmocka_unit_test(test_creds_render),
		cmocka_unit_test(test_creds_parse),
		cmocka_unit_test(test_creds_malformed),
	};
	return cmocka_run_group_tests_name("jwt", tests, read_golden, free_golden);
}
