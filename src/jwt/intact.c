/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt/intact.h"

#include "base/buf.h"
#include "base/codec.h"
#include "jwt/nkey.h"

#include <string.h>

/* Claims that name more issuers are not worth the time. */
enum { ISSUERS_MAX = 8 };

struct token {
	const char *text;
	size_t payload; /* where it begins */
	size_t signature; /* the same */
	uint8_t sig[NKEY_SIG_LEN];
};

static int
damaged(struct err *err)
{
	return err_set(err, ERR_CORRUPT, "no token that is whole and rightly signed");
}

static int
split(const char *text, size_t len, struct token *out, struct err *err)
{
	size_t at[3] = { 0 };
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '.' && ++n < 3) {
			at[n] = i + 1;
		}
	}
	*out = (struct token){ .text = text, .payload = at[1], .signature = at[2] };
	return n == 2 ? 0 : damaged(err);
}

/* A part's text, which is longer than what it says. */
static int
read_part(const char *text, size_t len, struct buf *out, struct err *err)
{
	size_t read = 0;
	buf_truncate(out, 0);
	char *place = buf_grow(out, len);
	if (buf_finish(out, err) != 0) {
		return -1;
	}
	if (len == 0 ||
		codec_base64url_decode(text, len, (uint8_t *)place, len, &read) != 0) {
		return damaged(err);
	}
	buf_truncate(out, read);
	return 0;
}

static int
read_parts(struct token *token, size_t len, struct buf *payload, struct err *err)
{
	size_t sig_len = 0;
	if (read_part(token->text, token->payload - 1, payload, err) != 0 ||
		read_part(token->text + token->payload,
			token->signature - 1 - token->payload, payload, err) != 0) {
		return -1;
	}
	return codec_base64url_decode(token->text + token->signature,
		       len - token->signature, token->sig, sizeof(token->sig),
		       &sig_len) == 0 &&
			sig_len == sizeof(token->sig)
		? 0
		: damaged(err);
}

/* The claims are searched, not parsed: they may be JSON that natsid does not take. What
 * stands behind the next "name": as a text, or ""; NULL: there is no further one. */
static const char *
next_text(const char **at, const char *name)
{
	static const char blanks[] = " \t\r\n";
	const char *p = strstr(*at, name);
	if (p == NULL) {
		return NULL;
	}
	p += strlen(name);
	*at = p;
	p += strspn(p, blanks);
	if (*p != ':') {
		return "";
	}
	p += 1 + strspn(p + 1, blanks);
	return *p == '"' ? p + 1 : "";
}

/* Version 1 signed the payload alone. */
static bool
is_signed_by(const struct token *token, const struct nkey_public *key)
{
	const uint8_t *text = (const uint8_t *)token->text;
	size_t end = token->signature - 1;
	return jwt_nkey_verify(key, text, end, token->sig) ||
		jwt_nkey_verify(
			key, text + token->payload, end - token->payload, token->sig);
}

static bool
is_signed(const struct token *token, const char *claims)
{
	const char *text = next_text(&claims, "\"iss\"");
	for (int i = 0; i < ISSUERS_MAX && text != NULL; i++) {
		enum nkey_role role;
		struct nkey_public key;
		struct err odd = { 0 };
		if (nkey_text_decode_any(text, strcspn(text, "\""), &role, &key, &odd) ==
				0 &&
			is_signed_by(token, &key)) {
			return true;
		}
		text = next_text(&claims, "\"iss\"");
	}
	return false;
}

/* Permissions have members of that name, too. */
static void
find_subject(const char *claims, char out[static NKEY_TEXT_SIZE])
{
	const char *text = next_text(&claims, "\"sub\"");
	out[0] = '\0';
	for (; text != NULL; text = next_text(&claims, "\"sub\"")) {
		struct nkey_public key;
		struct err odd = { 0 };
		if (nkey_text_decode(
			    NKEY_ACCOUNT, text, strcspn(text, "\""), &key, &odd) == 0) {
			nkey_text_encode(NKEY_ACCOUNT, &key, out);
			return;
		}
	}
}

int
jwt_intact(const char *token, size_t len, char out_sub[static NKEY_TEXT_SIZE],
	struct err *err)
{
	int rc = -1;
	struct token parts;
	struct buf payload;

	buf_init(&payload, len);
	if (split(token, len, &parts, err) != 0 ||
		read_parts(&parts, len, &payload, err) != 0) {
		goto out;
	}
	if (!is_signed(&parts, payload.data)) {
		damaged(err);
		goto out;
	}
	find_subject(payload.data, out_sub);
	rc = 0;
out:
	buf_release(&payload);
	return rc;
}
