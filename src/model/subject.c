/* SPDX-License-Identifier: Apache-2.0 */
#include "model/subject.h"

#include "base/str.h"

#include <string.h>

/* One token of a subject; text is NULL after the last. */
struct token {
	const char *text;
	size_t len;
};

static struct token
first_token(const char *subject)
{
	return (struct token){ .text = subject, .len = strcspn(subject, ".") };
}

static struct token
next_token(struct token token)
{
	const char *end = token.text + token.len;
	return *end == '.' ? first_token(end + 1) : (struct token){ 0 };
}

static bool
token_is(struct token token, char wildcard)
{
	return token.len == 1 && token.text[0] == wildcard;
}

static bool
tokens_equal(struct token a, struct token b)
{
	return a.len == b.len && memcmp(a.text, b.text, a.len) == 0;
}

/* White space beyond ASCII: servers split "subject queue" there as well, and pass over
 * entries that do not split into two parts, the denying ones too. The text is well-formed
 * UTF-8, so a first byte tells how many follow. */
static bool
is_wide_space(const char *p)
{
	static const char *const spaces[] = { "\xc2\x85", "\xc2\xa0", "\xe1\x9a\x80",
		"\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f",
		"\xe3\x80\x80" };
	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
		if (str_starts_with(p, spaces[i])) {
			return true;
		}
	}
	/* U+2000 to U+200A */
	return str_starts_with(p, "\xe2\x80") && (unsigned char)p[2] >= 0x80 &&
		(unsigned char)p[2] <= 0x8a;
}

static int
check_token(struct token token, bool last, size_t position, struct err *err)
{
	if (token.len == 0) {
		return err_set(err, ERR_INVALID, "empty token at position %zu", position);
	}
	for (size_t i = 0; i < token.len; i++) {
		unsigned char c = (unsigned char)token.text[i];
		if (c == ' ' || (c >= 0x80 && is_wide_space(token.text + i))) {
			return err_set(err, ERR_INVALID,
				"space in the token at position %zu", position);
		}
		if (c < 0x20 || c == 0x7f) {
			return err_set(err, ERR_INVALID,
				"control character in the token at position %zu",
				position);
		}
	}
	if (token_is(token, '>') && !last) {
		return err_set(err, ERR_INVALID,
			"\">\" at position %zu, it may only be the last token", position);
	}
	return 0;
}

static int
check_tokens(const char *text, size_t len, struct err *err)
{
	size_t position = 1;
	const char *end = text + len;
	if (len == 0) {
		return err_set(err, ERR_INVALID, "the subject is empty");
	}
	if (!str_is_utf8(text, len)) {
		return err_set(err, ERR_INVALID, "the subject is not UTF-8");
	}
	for (const char *p = text;; position++) {
		const char *dot = memchr(p, '.', (size_t)(end - p));
		struct token token = { p, (size_t)((dot != NULL ? dot : end) - p) };
		if (check_token(token, dot == NULL, position, err) != 0) {
			return -1;
		}
		if (dot == NULL) {
			return 0;
		}
		p = dot + 1;
	}
}

int
subject_check(const char *text, struct err *err)
{
	return check_tokens(text, strlen(text), err);
}

bool
subject_is_valid(const char *text)
{
	return subject_check(text, NULL) == 0;
}

int
subject_check_queue(const char *text, struct err *err)
{
	const char *space = strchr(text, ' ');
	if (space == NULL) {
		return subject_check(text, err);
	}
	if (strchr(space + 1, ' ') != NULL) {
		return err_set(err, ERR_INVALID,
			"more than one space, the form is \"subject queue\"");
	}
	if (check_tokens(text, (size_t)(space - text), err) != 0) {
		return -1;
	}
	if (space[1] == '\0') {
		return err_set(err, ERR_INVALID, "no queue after the space");
	}
	if (subject_check(space + 1, err) != 0) {
		return err_prefix(err, "queue");
	}
	return 0;
}

bool
subject_has_wildcard(const char *text)
{
	for (struct token t = first_token(text); t.text != NULL; t = next_token(t)) {
		if (token_is(t, '*') || token_is(t, '>')) {
			return true;
		}
	}
	return false;
}

size_t
subject_count_stars(const char *text)
{
	size_t count = 0;
	for (struct token t = first_token(text); t.text != NULL; t = next_token(t)) {
		count += token_is(t, '*') ? 1 : 0;
	}
	return count;
}

bool
subject_contains(const char *outer, const char *inner)
{
	struct token o = first_token(outer);
	struct token i = first_token(inner);
	while (o.text != NULL && i.text != NULL) {
		if (token_is(o, '>')) {
			return true;
		}
		bool matches = token_is(o, '*') ? !token_is(i, '>') : tokens_equal(o, i);
		if (!matches) {
			return false;
		}
		o = next_token(o);
		i = next_token(i);
	}
	return o.text == NULL && i.text == NULL;
}

bool
subject_overlaps(const char *a, const char *b)
{
	struct token x = first_token(a);
	struct token y = first_token(b);
	while (x.text != NULL && y.text != NULL) {
		if (token_is(x, '>') || token_is(y, '>')) {
			return true;
		}
		if (!token_is(x, '*') && !token_is(y, '*') && !tokens_equal(x, y)) {
			return false;
		}
		x = next_token(x);
		y = next_token(y);
	}
	return x.text == NULL && y.text == NULL;
}
