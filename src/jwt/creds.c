/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt/creds.h"

#include <assert.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

static const char token_begin[] = "-----BEGIN NATS USER JWT-----\n";
static const char token_end[] = "\n------END NATS USER JWT------\n\n";
static const char seed_begin[] =
	"************************* IMPORTANT *************************\n"
	"NKEY Seed printed below can be used to sign and prove identity.\n"
	"NKEYs are sensitive and should be treated as secrets.\n"
	"\n"
	"-----BEGIN USER NKEY SEED-----\n";
static const char seed_end[] =
	"\n------END USER NKEY SEED------\n"
	"\n"
	"*************************************************************\n";

static bool
is_value_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		(c >= '0' && c <= '9') || c == '_' || c == '.' || c == '=' || c == '-';
}

static bool
is_value(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!is_value_char(text[i])) {
			return false;
		}
	}
	return len > 0;
}

int
jwt_creds_render_token(const char *token, size_t len, struct buf *out, struct err *err)
{
	/* What could end the line would end the section. */
	if (len == 0 || memchr(token, '\n', len) != NULL ||
		memchr(token, '\r', len) != NULL) {
		return err_set(err, ERR_INVALID, "the token is malformed");
	}
	buf_put(out, token_begin, sizeof(token_begin) - 1);
	buf_put(out, token, len);
	buf_put(out, token_end, sizeof(token_end) - 1);
	return buf_finish(out, err);
}

int
jwt_creds_render(const char *token, size_t len, const uint8_t seed[static NKEY_SEED_LEN],
	struct buf *out, struct err *err)
{
	char text[NKEY_SEED_TEXT_SIZE];
	assert(out->secret);
	if (jwt_creds_render_token(token, len, out, err) != 0) {
		return -1;
	}
	jwt_nkey_seed_encode(NKEY_USER, seed, text);
	buf_put(out, seed_begin, sizeof(seed_begin) - 1);
	buf_put(out, text, NKEY_SEED_TEXT_LEN);
	buf_put(out, seed_end, sizeof(seed_end) - 1);
	sodium_memzero(text, sizeof(text));
	return buf_finish(out, err);
}

/* One line without its end; text is NULL after the last. */
struct line {
	const char *text;
	size_t len;
};

static struct line
take_line(const char **p, const char *end)
{
	if (*p == end) {
		return (struct line){ 0 };
	}
	const char *start = *p;
	const char *lf = memchr(start, '\n', (size_t)(end - start));
	*p = lf != NULL ? lf + 1 : end;
	size_t len = (size_t)((lf != NULL ? lf : end) - start);
	if (len > 0 && start[len - 1] == '\r') {
		len--;
	}
	return (struct line){ start, len };
}

/* At least three dashes at both ends, and something between. */
static bool
is_dashed(struct line line)
{
	return line.len > 6 && memcmp(line.text, "---", 3) == 0 &&
		memcmp(line.text + line.len - 3, "---", 3) == 0;
}

/* The next line of a value between two dashed lines; text is NULL when there is none. */
static struct line
find_section(const char **p, const char *end)
{
	struct line before = { 0 };
	struct line value = { 0 };
	struct line line = take_line(p, end);
	while (line.text != NULL) {
		if (value.text != NULL && is_dashed(before) &&
			is_value(value.text, value.len) && !is_dashed(value) &&
			is_dashed(line)) {
			return value;
		}
		before = value.text != NULL ? value : (struct line){ "", 0 };
		value = line;
		line = take_line(p, end);
	}
	return (struct line){ 0 };
}

int
jwt_creds_parse(const char *text, size_t len, const char **out_token,
	size_t *out_token_len, uint8_t out_seed[static NKEY_SEED_LEN], struct err *err)
{
	const char *p = text;
	enum nkey_role role;
	uint8_t seed_bytes[NKEY_SEED_LEN];
	struct line token = find_section(&p, text + len);
	struct line seed = find_section(&p, text + len);
	if (token.text == NULL) {
		return err_set(err, ERR_INVALID, "there is no token in the credentials");
	}
	if (seed.text == NULL) {
		return err_set(err, ERR_INVALID, "there is no seed in the credentials");
	}
	if (jwt_nkey_seed_decode(seed.text, seed.len, &role, seed_bytes, err) != 0) {
		return -1;
	}
	if (role != NKEY_USER) {
		sodium_memzero(seed_bytes, sizeof(seed_bytes));
		return err_set(
			err, ERR_INVALID, "the seed in the credentials is not of a user");
	}
	memcpy(out_seed, seed_bytes, NKEY_SEED_LEN);
	sodium_memzero(seed_bytes, sizeof(seed_bytes));
	*out_token = token.text;
	*out_token_len = token.len;
	return 0;
}
