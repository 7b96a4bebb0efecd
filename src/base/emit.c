/* SPDX-License-Identifier: Apache-2.0 */
#include "base/emit.h"

#include "base/clock.h"
#include "base/str.h"

#include <assert.h>
#include <string.h>

void
emit_init(struct emit *emit, struct buf *buf)
{
	*emit = (struct emit){ .buf = buf };
}

static void
before_value(struct emit *emit)
{
	if (emit->after_key) {
		emit->after_key = false;
		return;
	}
	if (emit->depth > 0) {
		if (emit->has_items[emit->depth - 1]) {
			buf_put_char(emit->buf, ',');
		}
		emit->has_items[emit->depth - 1] = true;
	}
}

static void
open_level(struct emit *emit, char bracket)
{
	assert(emit->depth < EMIT_DEPTH_MAX);
	before_value(emit);
	buf_put_char(emit->buf, bracket);
	emit->has_items[emit->depth++] = false;
}

static void
close_level(struct emit *emit, char bracket)
{
	assert(emit->depth > 0);
	emit->depth--;
	buf_put_char(emit->buf, bracket);
}

void
emit_object_begin(struct emit *emit)
{
	open_level(emit, '{');
}

void
emit_object_end(struct emit *emit)
{
	close_level(emit, '}');
}

void
emit_array_begin(struct emit *emit)
{
	open_level(emit, '[');
}

void
emit_array_end(struct emit *emit)
{
	close_level(emit, ']');
}

/* True for bytes that leave as they are: printable ASCII without the escaped ones. */
static bool
is_plain(unsigned char c)
{
	/* One bit for each of 0x00-0x7f; off are the controls, and `"`, `&`, `<`, `>`,
	 * `\`. */
	static const uint32_t plain[8] = { 0, 0xafffffbb, 0xefffffff, 0xffffffff };
	return (plain[c >> 5] >> (c & 31) & 1) != 0;
}

/* Whether eight bytes are plain, all in one word: texts are long and escapes are rare. */
static bool
are_plain(const char *text)
{
	const uint64_t ones = 0x0101010101010101;
	const uint64_t high = 0x8080808080808080;
	uint64_t word = 0;
	memcpy(&word, text, sizeof(word));
	/* Each is a word with a zero byte where the character is. `<` and `>`, and `"`
	 * and `&`, differ in one bit. */
	uint64_t angle = (word | ones * 0x02) ^ ones * '>';
	uint64_t quote = (word | ones * 0x04) ^ ones * '&';
	uint64_t slash = word ^ ones * '\\';
	uint64_t special = word | ((angle - ones) & ~angle) | ((quote - ones) & ~quote) |
		((slash - ones) & ~slash) | ((word - ones * 0x20) & ~word);
	return (special & high) == 0;
}

static void
put_u_escape(struct buf *buf, unsigned code)
{
	static const char digits[] = "0123456789abcdef";
	char text[] = { '\\', 'u', digits[code >> 12 & 15], digits[code >> 8 & 15],
		digits[code >> 4 & 15], digits[code & 15] };
	buf_put(buf, text, sizeof(text));
}

static void
put_escaped(struct buf *buf, unsigned char c)
{
	switch (c) {
	case '"':
		buf_put(buf, "\\\"", 2);
		break;
	case '\\':
		buf_put(buf, "\\\\", 2);
		break;
	case '\n':
		buf_put(buf, "\\n", 2);
		break;
	case '\r':
		buf_put(buf, "\\r", 2);
		break;
	case '\t':
		buf_put(buf, "\\t", 2);
		break;
	case '\b':
		buf_put(buf, "\\b", 2);
		break;
	case '\f':
		buf_put(buf, "\\f", 2);
		break;
	default:
		put_u_escape(buf, c);
	}
}

/* Length of the well-formed multi-byte sequence at text, or 0. */
static size_t
sequence_length(const char *text, size_t left)
{
	for (size_t n = 2; n <= 4 && n <= left; n++) {
		if (((unsigned char)text[n - 1] & 0xc0) != 0x80) {
			return 0;
		}
		if (str_is_utf8(text, n)) {
			return n;
		}
	}
	return 0;
}

static void
put_string(struct buf *buf, const char *text, size_t len)
{
	buf_put_char(buf, '"');
	size_t start = 0;
	size_t i = 0;
	while (i < len) {
		if (len - i >= 8 && are_plain(text + i)) {
			i += 8;
			continue;
		}
		unsigned char c = (unsigned char)text[i];
		if (is_plain(c)) {
			i++;
			continue;
		}
		size_t n = c < 0x80 ? 1 : sequence_length(text + i, len - i);
		bool separator = n == 3 && memcmp(text + i, "\xe2\x80", 2) == 0 &&
			((unsigned char)text[i + 2] & 0xfe) == 0xa8;
		if (n > 1 && !separator) {
			i += n;
			continue;
		}
		buf_put(buf, text + start, i - start);
		if (separator) {
			put_u_escape(buf, 0x2000U + ((unsigned char)text[i + 2] & 0x3f));
		} else if (n == 0) {
			put_u_escape(buf, 0xfffd);
			n = 1;
		} else {
			put_escaped(buf, c);
		}
		i += n;
		start = i;
	}
	buf_put(buf, text + start, len - start);
	buf_put_char(buf, '"');
}

void
emit_key(struct emit *emit, const char *key)
{
	before_value(emit);
	put_string(emit->buf, key, strlen(key));
	buf_put_char(emit->buf, ':');
	emit->after_key = true;
}

void
emit_text_n(struct emit *emit, const char *text, size_t len)
{
	before_value(emit);
	put_string(emit->buf, text, len);
}

void
emit_text(struct emit *emit, const char *text)
{
	if (text == NULL) {
		emit_null(emit);
		return;
	}
	emit_text_n(emit, text, strlen(text));
}

void
emit_int(struct emit *emit, int64_t value)
{
	before_value(emit);
	buf_put_int(emit->buf, value);
}

void
emit_bool(struct emit *emit, bool value)
{
	before_value(emit);
	buf_put_str(emit->buf, value ? "true" : "false");
}

void
emit_null(struct emit *emit)
{
	before_value(emit);
	buf_put_str(emit->buf, "null");
}

void
emit_raw(struct emit *emit, const char *json, size_t len)
{
	before_value(emit);
	buf_put(emit->buf, json, len);
}

void
emit_kv_text(struct emit *emit, const char *key, const char *text)
{
	emit_key(emit, key);
	emit_text(emit, text);
}

void
emit_kv_int(struct emit *emit, const char *key, int64_t value)
{
	emit_key(emit, key);
	emit_int(emit, value);
}

void
emit_kv_bool(struct emit *emit, const char *key, bool value)
{
	emit_key(emit, key);
	emit_bool(emit, value);
}

void
emit_kv_date(struct emit *emit, const char *key, int64_t ms)
{
	char text[CLOCK_TEXT_MAX] = "";
	if (ms != 0) {
		clock_format(ms, text);
	}
	emit_kv_text(emit, key, text);
}

void
emit_opt_text(struct emit *emit, const char *key, const char *text)
{
	if (text != NULL && text[0] != '\0') {
		emit_kv_text(emit, key, text);
	}
}

void
emit_opt_int(struct emit *emit, const char *key, int64_t value)
{
	if (value != 0) {
		emit_kv_int(emit, key, value);
	}
}

void
emit_opt_bool(struct emit *emit, const char *key, bool value)
{
	if (value) {
		emit_kv_bool(emit, key, value);
	}
}
