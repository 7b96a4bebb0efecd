/* SPDX-License-Identifier: Apache-2.0
 * Tokens. The input is taken as it is, which exercises the envelope; and, as no mutation
 * keeps a signature right, also as a payload that is signed here by the key that it names
 * as its issuer. */
#include "base/codec.h"
#include "jwt/creds.h"
#include "jwt/decode.h"
#include "jwt/encode.h"
#include "jwt/intact.h"
#include "jwt/validate.h"

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct key {
	enum nkey_role role;
	uint8_t seed[NKEY_SEED_LEN];
	struct nkey_public pub;
	char text[NKEY_TEXT_SIZE];
};

static void
must(bool holds)
{
	if (!holds) {
		abort();
	}
}

/* The keys of tests/golden/jwt-golden.txt: seeds of equal bytes. */
static struct key *
find_key(const char *text, size_t len)
{
	static struct key keys[] = {
		{ .role = NKEY_OPERATOR, .seed = { 0x01 } },
		{ .role = NKEY_OPERATOR, .seed = { 0x11 } },
		{ .role = NKEY_ACCOUNT, .seed = { 0x02 } },
		{ .role = NKEY_ACCOUNT, .seed = { 0x12 } },
		{ .role = NKEY_ACCOUNT, .seed = { 0x13 } },
		{ .role = NKEY_SERVER, .seed = { 0x04 } },
	};
	static const char before[] = "\"iss\":\"";
	const size_t before_len = sizeof(before) - 1;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct key *key = &keys[i];
		if (key->text[0] == '\0') {
			memset(key->seed, key->seed[0], sizeof(key->seed));
			jwt_nkey_public(key->role, key->seed, &key->pub);
			nkey_text_encode(key->role, &key->pub, key->text);
		}
	}
	for (size_t at = 0; at + before_len + NKEY_TEXT_LEN <= len; at++) {
		if (memcmp(text + at, before, before_len) != 0) {
			continue;
		}
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
			if (memcmp(text + at + before_len, keys[i].text, NKEY_TEXT_LEN) ==
				0) {
				return &keys[i];
			}
		}
	}
	return NULL;
}

static int
sign(void *ctx, const uint8_t *msg, size_t len, uint8_t sig[static NKEY_SIG_LEN],
	struct err *err)
{
	const struct key *key = ctx;
	(void)err; /* cannot fail */
	jwt_nkey_sign(key->seed, &key->pub, msg, len, sig);
	return 0;
}

static void
put_signed(struct buf *out, const uint8_t *payload, size_t len, struct key *key)
{
	uint8_t sig[NKEY_SIG_LEN];
	buf_put_str(out, "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.");
	codec_base64url_put(out, payload, len);
	must(buf_finish(out, NULL) == 0);
	jwt_nkey_sign(key->seed, &key->pub, (const uint8_t *)out->data, out->len, sig);
	buf_put_char(out, '.');
	codec_base64url_put(out, sig, sizeof(sig));
	must(buf_finish(out, NULL) == 0);
}

/* What was decoded can be encoded, and that decodes to the same. */
static void
check_claims(const struct jwt_claims *claims, struct key *key)
{
	struct jwt_signer signer = { key->role, key->pub, sign, key };
	struct jwt_claims again = { 0 };
	struct jwt_issues issues;
	struct err err = { 0 };
	struct buf body;
	struct buf token;
	struct buf second;

	buf_init(&body, JWT_TOKEN_MAX);
	buf_init(&token, JWT_TOKEN_MAX);
	buf_init(&second, JWT_TOKEN_MAX);
	jwt_validate(claims, 1700000000, &issues);
	/* Signing keys are an array: the same one may be there twice, which only the
	 * encoder minds. */
	if (jwt_encode_body(claims, &body, &err) != 0) {
		must(err.code == ERR_INVALID && claims->type == JWT_ACCOUNT);
		goto out;
	}
	if (jwt_encode(claims, &signer, &token, &err) != 0) {
		must(err.code == ERR_INVALID); /* the subject's role */
		goto out;
	}
	must(jwt_decode(token.data, token.len, &again, &err) == 0);
	must(jwt_encode_body(&again, &second, &err) == 0);
	must(body.len == second.len && memcmp(body.data, second.data, body.len) == 0);
out:
	jwt_claims_release(&again);
	buf_release(&body);
	buf_release(&token);
	buf_release(&second);
}

static void
check_intact(const char *token, size_t len)
{
	char sub[NKEY_TEXT_SIZE];
	struct err err = { 0 };
	must(jwt_intact(token, len, sub, &err) == 0 ? sub[0] == 'A' || sub[0] == '\0'
						    : err.code == ERR_CORRUPT);
}

static void
try_payload(const uint8_t *data, size_t size)
{
	struct jwt_claims claims = { 0 };
	struct err err = { 0 };
	struct buf token;
	struct key *key = find_key((const char *)data, size);
	if (key == NULL || size > JWT_TOKEN_MAX / 2) {
		return;
	}
	buf_init(&token, JWT_TOKEN_MAX);
	put_signed(&token, data, size, key);
	if (jwt_decode(token.data, token.len, &claims, &err) == 0) {
		check_claims(&claims, key);
	} else {
		must(err.code == ERR_INVALID && claims.iss == NULL);
	}
	check_intact(token.data, token.len);
	jwt_claims_release(&claims);
	buf_release(&token);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct jwt_claims claims = { 0 };
	struct err err = { 0 };
	uint8_t seed[NKEY_SEED_LEN];
	const char *token = NULL;
	size_t token_len = 0;

	must(sodium_init() >= 0);
	if (jwt_decode(text, size, &claims, &err) == 0) {
		struct buf body;
		buf_init(&body, JWT_TOKEN_MAX);
		must(jwt_encode_body(&claims, &body, &err) == 0 ||
			err.code == ERR_INVALID);
		buf_release(&body);
	}
	jwt_claims_release(&claims);
	if (jwt_creds_parse(text, size, &token, &token_len, seed, &err) == 0) {
		must(token >= text && token + token_len <= text + size);
	}
	check_intact(text, size);
	try_payload(data, size);
	return 0;
}
