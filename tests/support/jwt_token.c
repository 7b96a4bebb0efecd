/* SPDX-License-Identifier: Apache-2.0 */
#include "support/jwt_token.h"

#include "base/codec.h"
#include "jwt/decode.h"
#include "jwt/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

const char token_header[] = "{'typ':'JWT','alg':'ed25519-nkey'}";

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

/* Over all that follows `from`, which is in the token. */
static void
append_signature(struct buf *token, const char *from, const struct sample_key *key)
{
	uint8_t sig[NKEY_SIG_LEN];
	size_t len = token->len - (size_t)(from - token->data);
	jwt_nkey_sign(key->seed, &key->pub, (const uint8_t *)from, len, sig);
	buf_put_char(token, '.');
	codec_base64url_put(token, sig, sizeof(sig));
	assert_int_equal(buf_finish(token, NULL), 0);
}

void
token_put_signature(struct buf *out, const struct sample_key *key)
{
	append_signature(out, out->data, key);
}

void
token_make(struct buf *out, const char *header, const char *payload,
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
	token_put_signature(out, key);
	buf_release(&text);
}

void
token_cut_signature(struct buf *token)
{
	buf_truncate(token, token->len - CODEC_BASE64_LEN(NKEY_SIG_LEN) - 1);
}

void
token_sign_payload(struct buf *token, const struct sample_key *key)
{
	token_cut_signature(token);
	append_signature(token, strchr(token->data, '.') + 1, key);
}

void
token_decode_nats(const char *nats, enum nkey_role role, struct jwt_claims *out)
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
	token_make(&token, token_header, payload.data, &key);
	if (jwt_decode(token.data, token.len, out, &err) != 0) {
		fail_msg("%s: %s", nats, err.msg);
	}
	buf_release(&payload);
	buf_release(&token);
}

void
token_assert_body(const struct jwt_claims *claims, const char *expected)
{
	struct err err = { 0 };
	struct buf body;
	buf_init(&body, JWT_TOKEN_MAX);
	assert_int_equal(jwt_encode_body(claims, &body, &err), 0);
	assert_string_equal(body.data, expected);
	buf_release(&body);
}
