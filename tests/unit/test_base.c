/* SPDX-License-Identifier: Apache-2.0
 * Errors, buffers, strings, codecs, the emitter, lists, clocks, ids. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/emit.h"
#include "base/file.h"
#include "base/err.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/secret.h"
#include "base/str.h"
#include "base/strlist.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- err ---- */

static void
test_err(void **state)
{
	(void)state;
	struct err err = { 0 };
	assert_int_equal(err_set(&err, ERR_CONFLICT, "account %s exists", "A"), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_string_equal(err.msg, "account A exists");
	assert_non_null(strstr(err.file, "test_base.c"));
	assert_int_equal(err_detail(&err, "errno %d", 5), -1);
	assert_string_equal(err.detail, "errno 5");
	assert_int_equal(err_prefix(&err, "row %d", 7), -1);
	assert_string_equal(err.msg, "row 7: account A exists");
	assert_string_equal(err.detail, "errno 5");
	assert_int_equal(err.code, ERR_CONFLICT);
	/* A new error takes the old detail away. */
	assert_int_equal(err_nomem(&err), -1);
	assert_string_equal(err.detail, "");
	err_clear(&err);
	assert_int_equal(err.code, ERR_NONE);
	assert_string_equal(err.msg, "");
	assert_int_equal(err_set(NULL, ERR_INTERNAL, "x"), -1);
	assert_int_equal(err_detail(NULL, "x"), -1);
	assert_int_equal(err_prefix(NULL, "x"), -1);
	assert_string_equal(err_code_name(ERR_NONE), "none");
	assert_string_equal(err_code_name(ERR_NOT_FOUND), "not_found");
	assert_string_equal(err_code_name(ERR_TIMEOUT), "timeout");
}

/* Long messages are cut between characters. */
static void
test_err_long(void **state)
{
	(void)state;
	struct err err = { 0 };
	char text[400];
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	err_set(&err, ERR_INVALID, "%s", text);
	assert_int_equal(strlen(err.msg), ERR_MSG_MAX - 1);
	err_prefix(&err, "place");
	assert_int_equal(strlen(err.msg), ERR_MSG_MAX - 1);
	assert_memory_equal(err.msg, "place: aaa", 10);
	for (size_t i = 0; i + 1 < sizeof(text); i += 2) {
		memcpy(text + i, "\xc3\xa9", 2);
	}
	text[398] = '\0';
	err_set(&err, ERR_INVALID, "%s", text);
	assert_true(str_is_utf8(err.msg, strlen(err.msg)));
	assert_int_equal(strlen(err.msg), ERR_MSG_MAX - 2);
}

/* ---- buf ---- */

static void
test_buf(void **state)
{
	(void)state;
	struct buf buf;
	buf_init(&buf, 10000);
	assert_int_equal(buf_finish(&buf, NULL), 0);
	assert_string_equal(buf.data, "");
	for (int i = 0; i < 1000; i++) {
		buf_put_str(&buf, "abc");
	}
	buf_put_char(&buf, '.');
	buf_put_int(&buf, INT64_MIN);
	buf_put_char(&buf, ' ');
	buf_put_int(&buf, 0);
	buf_put_char(&buf, ' ');
	buf_put_int(&buf, INT64_MAX);
	assert_int_equal(buf_finish(&buf, NULL), 0);
	assert_string_equal(
		buf.data + 3000, ".-9223372036854775808 0 9223372036854775807");
	buf_truncate(&buf, 3);
	assert_string_equal(buf.data, "abc");
	buf_truncate(&buf, 4);
	assert_int_equal(buf.len, 3);
	char *place = buf_grow(&buf, 2);
	memcpy(place, "de", 2);
	assert_string_equal(buf.data, "abcde");
	char *taken = buf_take(&buf);
	assert_string_equal(taken, "abcde");
	free(taken);
	assert_null(buf.data);
	assert_int_equal(buf.len, 0);
	buf_put_str(&buf, "again");
	assert_string_equal(buf.data, "again");
	buf_release(&buf);
	buf_release(&buf);
}

static void
test_buf_max(void **state)
{
	(void)state;
	struct buf buf;
	struct err err = { 0 };
	buf_init(&buf, 8);
	buf_put_str(&buf, "12345678");
	assert_int_equal(buf_finish(&buf, &err), 0);
	buf_put_char(&buf, '9');
	assert_true(buf.failed);
	assert_string_equal(buf.data, "12345678");
	assert_int_equal(buf_finish(&buf, &err), -1);
	assert_int_equal(err.code, ERR_TOO_LARGE);
	buf_clear(&buf);
	assert_int_equal(buf_finish(&buf, &err), 0);

	/* Failure sticks: what is too long leaves no gap that something shorter fills. */
	buf_put_str(&buf, "12345");
	buf_put_str(&buf, "6789");
	buf_put_str(&buf, "6");
	assert_string_equal(buf.data, "12345");
	assert_int_equal(buf_finish(&buf, &err), -1);
	assert_int_equal(err.code, ERR_TOO_LARGE);
	assert_null(buf_grow(&buf, 0));
	buf_clear(&buf);
	assert_null(buf_grow(&buf, SIZE_MAX));
	buf_release(&buf);
}

static void
test_buf_secret(void **state)
{
	(void)state;
	struct buf buf;
	buf_init_secret(&buf, 4096);
	buf_put_str(&buf, "seed");
	buf_clear(&buf);
	/* Still ours, and wiped. */
	assert_memory_equal(buf.data, "\0\0\0\0", 4);
	buf_put_str(&buf, "seed");
	for (int i = 0; i < 300; i++) {
		buf_put_char(&buf, 'x');
	}
	assert_memory_equal(buf.data, "seedxxx", 7);
	assert_int_equal(buf.len, 304);
	buf_release(&buf);
	assert_true(buf.secret);
}

/* ---- str ---- */

static void
test_str_fmt(void **state)
{
	(void)state;
	char text[8];
	assert_int_equal(str_fmt(text, sizeof(text), "%d", 1234567), 0);
	assert_string_equal(text, "1234567");
	assert_int_equal(str_fmt(text, sizeof(text), "%d", 12345678), -1);
	assert_string_equal(text, "");
	assert_int_equal(str_copy(text, sizeof(text), "1234567"), 0);
	assert_int_equal(str_copy(text, sizeof(text), "12345678"), -1);
	str_fmt_cut(text, sizeof(text), "%s", "12345678");
	assert_string_equal(text, "1234567");
	str_fmt_cut(text, sizeof(text), "%s", "123456\xe2\x82\xac");
	assert_string_equal(text, "123456");
	str_fmt_cut(text, sizeof(text), "%s", "1234\xe2\x82\xac!");
	assert_string_equal(text, "1234\xe2\x82\xac");
}

/* Of a server's words the reason stands at the end. */
static void
test_cut_middle(void **state)
{
	(void)state;
	static const struct {
		size_t size;
		const char *from;
		const char *to;
	} cases[] = {
		{ 8, "1234567", "1234567" },
		{ 8, "12345678", "12...78" },
		{ 9, "123456789abc", "12...abc" },
		{ 32, "open /jwt/A123456789/A987654321.jwt: no space",
			"open /jwt/A123....jwt: no space" },
		/* whole characters only */
		{ 9,
			"1\xe2\x82\xac"
			"23456789",
			"1...789" },
		{ 9,
			"123456\xe2\x82\xac"
			"9",
			"12...9" },
		{ 4, "12345", "123" },
		{ 1, "12345", "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64] = "";
		str_cut_middle(text, cases[i].size, cases[i].from);
		assert_string_equal(text, cases[i].to);
	}
}

static void
test_str_to_int(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t min;
		int64_t max;
		int rc;
		int64_t value;
	} table[] = {
		{ "0", 0, 10, 0, 0 },
		{ "10", 0, 10, 0, 10 },
		{ "11", 0, 10, -1, 0 },
		{ "-1", 0, 10, -1, 0 },
		{ "-1", -1, 10, 0, -1 },
		{ "007", 0, 10, 0, 7 },
		{ "9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MAX },
		{ "-9223372036854775808", INT64_MIN, INT64_MAX, 0, INT64_MIN },
		{ "9223372036854775808", INT64_MIN, INT64_MAX, -1, 0 },
		{ "99999999999999999999", INT64_MIN, INT64_MAX, -1, 0 },
		{ "", 0, 10, -1, 0 },
		{ "-", -10, 10, -1, 0 },
		{ "--1", -10, 10, -1, 0 },
		{ "+1", 0, 10, -1, 0 },
		{ " 1", 0, 10, -1, 0 },
		{ "1 ", 0, 10, -1, 0 },
		{ "1.0", 0, 10, -1, 0 },
		{ "1e1", 0, 10, -1, 0 },
		{ "0x1", 0, 10, -1, 0 },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		int64_t value = 0;
		assert_int_equal(
			str_to_int(table[i].text, table[i].min, table[i].max, &value),
			table[i].rc);
		assert_true(value == table[i].value);
	}
}

static void
test_str_utf8(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool valid;
		size_t length;
	} table[] = {
		{ "", true, 0 },
		{ "abc", true, 3 },
		{ "\xc3\xa9", true, 1 },
		{ "\xe2\x82\xac", true, 1 },
		{ "\xf0\x9f\x98\x80", true, 1 },
		{ "\xf4\x8f\xbf\xbf", true, 1 },
		{ "\xee\x80\x80", true, 1 },
		{ "\x80", false, 0 },
		{ "\xc3", false, 0 },
		{ "\xc3z", false, 0 },
		{ "\xe2\x82", false, 0 },
		{ "\xc0\x80", false, 0 }, /* overlong */
		{ "\xc1\xbf", false, 0 }, /* overlong */
		{ "\xe0\x9f\xbf", false, 0 }, /* overlong */
		{ "\xf0\x8f\xbf\xbf", false, 0 }, /* overlong */
		{ "\xed\xa0\x80", false, 0 }, /* surrogate */
		{ "\xf4\x90\x80\x80", false, 0 }, /* above U+10FFFF */
		{ "\xf5\x80\x80\x80", false, 0 },
		{ "\xff", false, 0 },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		size_t len = strlen(table[i].text);
		assert_int_equal(str_is_utf8(table[i].text, len), table[i].valid);
		if (table[i].valid) {
			assert_int_equal(
				str_utf8_length(table[i].text, len), table[i].length);
		}
	}
	assert_false(str_is_utf8("a\0b", 3));
}

static void
test_str_compare(void **state)
{
	(void)state;
	assert_true(str_equal("a", "a"));
	assert_false(str_equal("a", "A"));
	assert_true(str_starts_with("abc", ""));
	assert_true(str_starts_with("abc", "abc"));
	assert_false(str_starts_with("ab", "abc"));
	assert_true(str_equal_nocase("aBc", "AbC"));
	assert_false(str_equal_nocase("ab", "abc"));
	assert_false(str_equal_nocase("abc", "ab"));
	assert_false(str_equal_nocase("[", "{"));
	char *copy = str_dup_n("abc", 2);
	assert_string_equal(copy, "ab");
	free(copy);
}

/* ---- codecs ---- */

/* RFC 4648, section 10, without padding. */
static void
test_codec_vectors(void **state)
{
	(void)state;
	static const struct {
		const char *plain;
		const char *base32;
		const char *base64;
		const char *hex;
	} table[] = {
		{ "", "", "", "" },
		{ "f", "MY", "Zg", "66" },
		{ "fo", "MZXQ", "Zm8", "666f" },
		{ "foo", "MZXW6", "Zm9v", "666f6f" },
		{ "foob", "MZXW6YQ", "Zm9vYg", "666f6f62" },
		{ "fooba", "MZXW6YTB", "Zm9vYmE", "666f6f6261" },
		{ "foobar", "MZXW6YTBOI", "Zm9vYmFy", "666f6f626172" },
		{ "\xff\xfe\xfd", "777P2", "__79", "fffefd" },
		{ "\xfb\xef\xbe", "7PX34", "----", "fbefbe" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		char text[64];
		uint8_t bytes[16];
		size_t n = 99;
		size_t len = strlen(table[i].plain);
		const uint8_t *data = (const uint8_t *)table[i].plain;
		codec_base32_encode(data, len, text);
		assert_string_equal(text, table[i].base32);
		assert_int_equal(strlen(text), CODEC_BASE32_LEN(len));
		assert_int_equal(
			codec_base32_decode(text, strlen(text), bytes, len, &n), 0);
		assert_int_equal(n, len);
		assert_memory_equal(bytes, data, len);
		codec_base64url_encode(data, len, text);
		assert_string_equal(text, table[i].base64);
		assert_int_equal(strlen(text), CODEC_BASE64_LEN(len));
		assert_int_equal(
			codec_base64url_decode(text, strlen(text), bytes, len, &n), 0);
		assert_int_equal(n, len);
		assert_memory_equal(bytes, data, len);
		codec_hex_encode(data, len, text);
		assert_string_equal(text, table[i].hex);
		if (len > 0) {
			assert_int_equal(
				codec_base64url_decode(table[i].base64,
					strlen(table[i].base64), bytes, len - 1, &n),
				-1);
			assert_int_equal(
				codec_base32_decode(table[i].base32,
					strlen(table[i].base32), bytes, len - 1, &n),
				-1);
		}
	}
}

static void
test_codec_malformed(void **state)
{
	(void)state;
	static const char *const base32[] = { "my", "A", "AAA", "AAAAAA", "M", "MZX",
		"MZXW6Y", "MZ", "MY======", "MY ", "MY\n", "M1", "M0", "M8", "M\xc3\xa9",
		"MZXW7" };
	static const char *const base64[] = { "Z", "A", "AAAAA", "Zg==", "Zm8=", "Zh",
		"Zm9", "Zm9vY", "Z+8", "Z/8", "Zm 8", "Zm\n8", "Zm9v\n", "Zm9*",
		"\xff\xff" };
	uint8_t bytes[64];
	size_t n = 0;
	for (size_t i = 0; i < COUNT(base32); i++) {
		if (codec_base32_decode(base32[i], strlen(base32[i]), bytes,
			    sizeof(bytes), &n) != -1) {
			fail_msg("base32 %s", base32[i]);
		}
	}
	for (size_t i = 0; i < COUNT(base64); i++) {
		if (codec_base64url_decode(base64[i], strlen(base64[i]), bytes,
			    sizeof(bytes), &n) != -1) {
			fail_msg("base64 %s", base64[i]);
		}
	}
	assert_int_equal(
		codec_base64url_decode("Zm9v\0", 5, bytes, sizeof(bytes), &n), -1);
}

/* All lengths and byte values, both ways. */
static void
test_codec_round_trip(void **state)
{
	(void)state;
	uint8_t data[256];
	uint8_t back[256];
	char text[512];
	for (size_t i = 0; i < sizeof(data); i++) {
		data[i] = (uint8_t)(i * 167 + 13);
	}
	for (size_t len = 0; len <= sizeof(data); len++) {
		size_t n = 0;
		codec_base32_encode(data, len, text);
		assert_int_equal(
			codec_base32_decode(text, strlen(text), back, sizeof(back), &n),
			0);
		assert_int_equal(n, len);
		assert_memory_equal(back, data, len);
		codec_base64url_encode(data, len, text);
		assert_int_equal(codec_base64url_decode(
					 text, strlen(text), back, sizeof(back), &n),
			0);
		assert_int_equal(n, len);
		assert_memory_equal(back, data, len);
	}
}

static void
test_codec_checksums(void **state)
{
	(void)state;
	assert_int_equal(codec_crc16((const uint8_t *)"123456789", 9), 0x31c3);
	assert_int_equal(codec_crc16((const uint8_t *)"", 0), 0);
	assert_int_equal(codec_crc32("123456789"), 0xcbf43926);
	assert_int_equal(codec_crc32(""), 0);
}

static void
test_codec_put(void **state)
{
	(void)state;
	struct buf buf;
	buf_init(&buf, 64);
	buf_put_str(&buf, "x.");
	codec_base64url_put(&buf, (const uint8_t *)"foob", 4);
	buf_put_char(&buf, '.');
	assert_string_equal(buf.data, "x.Zm9vYg.");
	buf_release(&buf);
}

/* ---- emit ---- */

static void
test_emit_structure(void **state)
{
	(void)state;
	struct buf buf;
	struct emit emit;
	buf_init(&buf, 1024);
	emit_init(&emit, &buf);
	emit_object_begin(&emit);
	emit_kv_text(&emit, "a", "x");
	emit_kv_text(&emit, "b", NULL);
	emit_key(&emit, "c");
	emit_array_begin(&emit);
	emit_int(&emit, -1);
	emit_bool(&emit, true);
	emit_null(&emit);
	emit_array_begin(&emit);
	emit_array_end(&emit);
	emit_object_begin(&emit);
	emit_object_end(&emit);
	emit_raw(&emit, "[1]", 3);
	emit_array_end(&emit);
	emit_kv_bool(&emit, "d", false);
	emit_kv_int(&emit, "e", 0);
	emit_opt_text(&emit, "f", "");
	emit_opt_text(&emit, "f", NULL);
	emit_opt_int(&emit, "f", 0);
	emit_opt_bool(&emit, "f", false);
	emit_opt_text(&emit, "g", "y");
	emit_opt_int(&emit, "h", 1);
	emit_opt_bool(&emit, "i", true);
	emit_object_end(&emit);
	assert_int_equal(buf_finish(&buf, NULL), 0);
	assert_string_equal(buf.data,
		"{\"a\":\"x\",\"b\":null,\"c\":[-1,true,null,[],{},[1]],\"d\":false,"
		"\"e\":0,"
		"\"g\":\"y\",\"h\":1,\"i\":true}");
	buf_release(&buf);
}

/* The escapes of Go's encoding/json, version 1.22 and later. */
static void
test_emit_escapes(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *expected;
	} table[] = {
		{ "", "\"\"" },
		{ "a/b'c\x7f", "\"a/b'c\x7f\"" },
		{ "\"\\", "\"\\\"\\\\\"" },
		{ "\n\r\t\b\f", "\"\\n\\r\\t\\b\\f\"" },
		{ "\x01\x1f\x0b", "\"\\u0001\\u001f\\u000b\"" },
		{ "<>&", "\"\\u003c\\u003e\\u0026\"" },
		{ "a<b>c&d", "\"a\\u003cb\\u003ec\\u0026d\"" },
		{ "\xe2\x80\xa8\xe2\x80\xa9", "\"\\u2028\\u2029\"" },
		{ "\xe2\x80\xa7\xe2\x80\xaa", "\"\xe2\x80\xa7\xe2\x80\xaa\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
			"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "a\xff"
		  "b",
			"\"a\\ufffdb\"" },
		{ "\xe2\x82", "\"\\ufffd\\ufffd\"" },
		{ "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" },
		{ "\xc3", "\"\\ufffd\"" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct buf buf;
		struct emit emit;
		buf_init(&buf, 1024);
		emit_init(&emit, &buf);
		emit_text(&emit, table[i].text);
		assert_int_equal(buf_finish(&buf, NULL), 0);
		assert_string_equal(buf.data, table[i].expected);
		buf_release(&buf);
	}
	struct buf buf;
	struct emit emit;
	buf_init(&buf, 64);
	emit_init(&emit, &buf);
	emit_text_n(&emit, "a\0b", 3);
	assert_string_equal(buf.data, "\"a\\u0000b\"");
	buf_release(&buf);
}

/* Each byte at each place of a long text, where eight bytes are looked at together. */
static void
test_emit_each_byte(void **state)
{
	(void)state;
	for (int c = 1; c < 128; c++) {
		char one[] = { (char)c, '\0' };
		struct buf alone;
		struct emit emit;
		buf_init(&alone, 64);
		emit_init(&emit, &alone);
		emit_text(&emit, one);
		assert_int_equal(buf_finish(&alone, NULL), 0);
		for (size_t at = 0; at < 20; at++) {
			char text[] = "~~~~ ~~~~~~~~!~~~~~~~";
			struct buf buf;
			struct buf expected;
			buf_init(&buf, 64);
			buf_init(&expected, 64);
			emit_init(&emit, &buf);
			buf_put_char(&expected, '"');
			buf_put(&expected, text, at);
			buf_put(&expected, alone.data + 1, alone.len - 2);
			buf_put_str(&expected, text + at + 1);
			buf_put_char(&expected, '"');
			text[at] = (char)c;
			emit_text(&emit, text);
			assert_int_equal(buf_finish(&buf, NULL), 0);
			assert_string_equal(buf.data, expected.data);
			buf_release(&buf);
			buf_release(&expected);
		}
		buf_release(&alone);
	}
}

/* ---- strlist ---- */

static void
test_strlist(void **state)
{
	(void)state;
	struct strlist list = { 0 };
	struct strlist copy = { 0 };
	static const char *const items[] = { "b", "a", "b", "", "B", "a" };
	for (size_t i = 0; i < COUNT(items); i++) {
		assert_int_equal(strlist_add(&list, items[i], NULL), 0);
	}
	assert_int_equal(strlist_copy(&list, &copy, NULL), 0);
	assert_true(strlist_equal(&list, &copy));
	strlist_canonical(&copy);
	assert_false(strlist_equal(&list, &copy));
	static const char *const expected[] = { "", "B", "a", "b" };
	assert_int_equal(copy.len, COUNT(expected));
	for (size_t i = 0; i < COUNT(expected); i++) {
		assert_string_equal(copy.items[i], expected[i]);
	}
	strlist_release(&list);
	strlist_release(&copy);
	strlist_canonical(&copy);
	assert_int_equal(copy.len, 0);
}

static void
test_strlist_round_trip(void **state)
{
	(void)state;
	static const char *const items[] = { "", "a.>", "\"\\/\n\r\t\b\f", "<&>",
		"\x01\x1f", "\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80", "],[", "\\u0041" };
	for (size_t n = 0; n <= COUNT(items); n++) {
		struct strlist list = { 0 };
		struct strlist back = { 0 };
		struct buf buf;
		struct emit emit;
		struct err err = { 0 };
		buf_init(&buf, 4096);
		emit_init(&emit, &buf);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(strlist_add(&list, items[i], NULL), 0);
		}
		strlist_emit(&list, &emit);
		assert_int_equal(buf_finish(&buf, NULL), 0);
		assert_int_equal(strlist_read(buf.data, buf.len, &back, &err), 0);
		assert_true(strlist_equal(&list, &back));
		/* No part of it is a list. */
		for (size_t cut = 0; cut < buf.len; cut++) {
			struct strlist none = { 0 };
			assert_int_equal(strlist_read(buf.data, cut, &none, &err), -1);
			assert_int_equal(err.code, ERR_CORRUPT);
			assert_null(none.items);
		}
		strlist_release(&list);
		strlist_release(&back);
		buf_release(&buf);
	}
}

static void
test_strlist_malformed(void **state)
{
	(void)state;
	static const char *const table[] = { "", "[", "]", "[]]", "[[]", "{}", "null",
		"[1]", "[,]", "[\"a\",]", "[,\"a\"]", "[\"a\"\"b\"]", "[\"a\",,\"b\"]",
		"[\"a\"],\"b\"]", "[\"a]", "[\"]", "[\"\\\"]", "[\"\\x\"]", "[\"\\u12\"]",
		"[\"\\u00g0\"]", "[\"\\u0000\"]", "[\"\\ud800\"]", "[\"a\nb\"]", "[ ]",
		"[\"a\" ]", "[\"a\", \"b\"]", " []", "[] " };
	for (size_t i = 0; i < COUNT(table); i++) {
		struct strlist list = { 0 };
		struct err err = { 0 };
		if (strlist_read(table[i], strlen(table[i]), &list, &err) != -1) {
			fail_msg("%s", table[i]);
		}
		assert_int_equal(err.code, ERR_CORRUPT);
		assert_null(list.items);
	}
}

/* ---- clock ---- */

static void
test_clock_parse(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int64_t ms; /* -1: malformed */
	} table[] = {
		{ "1970-01-01 00:00:00.000Z", 0 },
		{ "2026-11-20 21:54:28.441Z", 1795211668441 },
		{ "2026-11-20T21:54:28.441Z", 1795211668441 },
		{ "2026-11-20t21:54:28.4419z", 1795211668441 },
		{ "2026-11-20 21:54:28Z", 1795211668000 },
		{ "2026-11-20 21:54:28", 1795211668000 },
		{ "2026-11-20T23:54:28+02:00", 1795211668000 },
		{ "2026-11-20T16:24:28-05:30", 1795211668000 },
		{ "2026-11-20", 1795132800000 },
		{ "2000-02-29", 951782400000 },
		{ "2024-02-29", 1709164800000 },
		{ "9999-12-31 23:59:59.999Z", 253402300799999 },
		{ "2023-02-29", -1 },
		{ "2100-02-29", -1 },
		{ "1969-12-31", -1 },
		{ "1970-01-01T00:00:00+01:00", -1 },
		{ "2026-13-01", -1 },
		{ "2026-00-01", -1 },
		{ "2026-11-31", -1 },
		{ "2026-11-00", -1 },
		{ "2026-11-20 24:00:00Z", -1 },
		{ "2026-11-20 23:60:00Z", -1 },
		{ "2026-11-20 23:59:60Z", -1 },
		{ "2026-11-20 21:54Z", -1 },
		{ "2026-11-20 21:54:28.Z", -1 },
		{ "2026-11-20 21:54:28.441Zx", -1 },
		{ "2026-11-20 21:54:28+0200", -1 },
		{ "2026-11-20 21:54:28+24:00", -1 },
		{ "2026-11-20Z", -1 },
		{ "2026-11-20 ", -1 },
		{ " 2026-11-20", -1 },
		{ "2026-1-20", -1 },
		{ "20261120", -1 },
		{ "2026/11/20", -1 },
		{ "+026-11-20", -1 },
		{ "", -1 },
		{ "x", -1 },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		int64_t ms = -1;
		int rc = clock_parse(table[i].text, strlen(table[i].text), &ms);
		if (rc != (table[i].ms < 0 ? -1 : 0) || ms != table[i].ms) {
			fail_msg("%s: %lld", table[i].text, (long long)ms);
		}
	}
}

static void
test_clock_format(void **state)
{
	(void)state;
	static const struct {
		int64_t ms;
		const char *text;
	} table[] = {
		{ 0, "1970-01-01 00:00:00.000Z" },
		{ 1, "1970-01-01 00:00:00.001Z" },
		{ 1795211668441, "2026-11-20 21:54:28.441Z" },
		{ 951868799999, "2000-02-29 23:59:59.999Z" },
		{ 253402300799999, "9999-12-31 23:59:59.999Z" },
		{ 253402300800000, "" },
		{ -1, "" },
		{ INT64_MAX, "" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		char text[CLOCK_TEXT_MAX];
		int64_t back = -1;
		clock_format(table[i].ms, text);
		assert_string_equal(text, table[i].text);
		if (text[0] != '\0') {
			assert_int_equal(clock_parse(text, strlen(text), &back), 0);
			assert_true(back == table[i].ms);
		}
	}
}

static int64_t
fake_wall(void *ctx)
{
	const int64_t *now = ctx;
	return *now;
}

static void
test_clock_object(void **state)
{
	(void)state;
	int64_t now = 1700000000999;
	struct clock clock = { .wall = fake_wall, .mono = fake_wall, .ctx = &now };
	assert_true(clock_wall_ms(&clock) == now);
	assert_true(clock_wall_s(&clock) == 1700000000);
	assert_true(clock_mono_ms(&clock) == now);
	assert_true(clock_wall_ms(&clock_system) > 1700000000000);
	int64_t before = clock_mono_ms(&clock_system);
	assert_true(clock_mono_ms(&clock_system) >= before);
}

/* ---- rand ---- */

static void
test_rand(void **state)
{
	(void)state;
	uint8_t a[32] = { 0 };
	uint8_t b[32] = { 0 };
	rand_bytes(a, sizeof(a));
	rand_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	unsigned seen = 0;
	for (int i = 0; i < 1000; i++) {
		uint32_t value = rand_below(7);
		assert_in_range(value, 0, 6);
		seen |= 1U << value;
	}
	assert_int_equal(seen, 127);
	assert_int_equal(rand_below(1), 0);
	char text[65];
	rand_alnum(text, 64);
	assert_int_equal(strlen(text), 64);
	assert_int_equal(
		strspn(text,
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
		64);
}

/* Ids only grow: within a millisecond, past the counter's end, and when the clock goes
 * back. */
static void
test_rand_id(void **state)
{
	(void)state;
	/* Ahead of the real clock, which other tests draw ids by. */
	int64_t now = 2500000000000;
	struct clock clock = { .wall = fake_wall, .mono = fake_wall, .ctx = &now };
	char last[RAND_ID_SIZE];
	char id[RAND_ID_SIZE];
	rand_id(&clock, last);
	for (int i = 0; i < 5000; i++) {
		if (i == 2000) {
			now -= 3600 * 1000;
		}
		if (i == 4000) {
			now += 2 * 3600 * 1000;
		}
		rand_id(&clock, id);
		assert_int_equal(strlen(id), RAND_ID_LEN);
		assert_int_equal(
			strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz"), RAND_ID_LEN);
		/* The first ten characters order them; the rest is chance. */
		assert_true(strncmp(last, id, 10) < 0);
		memcpy(last, id, sizeof(id));
	}
	/* The time is there to be read, after the clock went on. */
	now += 24 * 3600 * 1000;
	rand_id(&clock, id);
	char digits[9];
	memcpy(digits, id, 8);
	digits[8] = '\0';
	assert_true((int64_t)strtoll(digits, NULL, 36) == now);
}

enum { THREADS = 4, IDS_PER_THREAD = 2000 };

static void *
draw_ids(void *arg)
{
	char(*ids)[RAND_ID_SIZE] = arg;
	for (int i = 0; i < IDS_PER_THREAD; i++) {
		rand_id(&clock_system, ids[i]);
	}
	return NULL;
}

static int
compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, 10);
}

static void
test_rand_id_threads(void **state)
{
	(void)state;
	pthread_t threads[THREADS];
	char(*ids)[RAND_ID_SIZE] = calloc((size_t)THREADS * IDS_PER_THREAD, RAND_ID_SIZE);
	assert_non_null(ids);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, draw_ids,
					 ids + i * IDS_PER_THREAD),
			0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	/* Each thread's ids grow, and no two are of the same tick. */
	for (int i = 1; i < THREADS * IDS_PER_THREAD; i++) {
		if (i % IDS_PER_THREAD != 0) {
			assert_true(compare_ids(ids[i - 1], ids[i]) < 0);
		}
	}
	qsort(ids, (size_t)THREADS * IDS_PER_THREAD, RAND_ID_SIZE, compare_ids);
	for (int i = 1; i < THREADS * IDS_PER_THREAD; i++) {
		assert_true(compare_ids(ids[i - 1], ids[i]) < 0);
	}
	free(ids);
}

/* ---- secret ---- */

static void
test_secret(void **state)
{
	(void)state;
	char text[] = "secret";
	assert_true(secret_equal("abc", "abc", 3));
	assert_false(secret_equal("abc", "abd", 3));
	assert_false(secret_equal("abc", "bbc", 3));
	assert_true(secret_equal("abc", "xyz", 0));
	secret_wipe(text, 6);
	assert_memory_equal(text, "\0\0\0\0\0\0", 7);
	secret_wipe(NULL, 0);
	secret_free_text(NULL);
	secret_free_text(str_dup("x"));
}

/* ---- log ---- */

/* What fn writes to standard error. */
static void
capture(void (*fn)(void), char *out, size_t size)
{
	FILE *file = tmpfile();
	assert_non_null(file);
	int saved = dup(STDERR_FILENO);
	assert_true(saved >= 0);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	fn();
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	rewind(file);
	out[fread(out, 1, size - 1, file)] = '\0';
	fclose(file);
}

static void
write_lines(void)
{
	log_debug("not shown", LOG_INT("a", 1));
	log_info("account created", LOG_STR("account", "A1"), LOG_INT("n", -3));
	const char *empty = "";
	log_warn("odd", LOG_STR("a", "x\ny level=error"), LOG_STR("b", empty),
		LOG_STR("c", "d=\"e\""));
	struct err err = { 0 };
	err_set(&err, ERR_NOT_FOUND, "no row");
	err_detail(&err, "rc 5");
	log_err("failed", &err, LOG_STR("id", "x"));
}

static void
test_log(void **state)
{
	(void)state;
	char text[4096];
	capture(write_lines, text, sizeof(text));
	assert_null(strstr(text, "not shown"));
	assert_non_null(strstr(text, "Z info account created account=A1 n=-3\n"));
	assert_non_null(strstr(
		text, "Z warn odd a=\"x\\ny level=error\" b=\"\" c=\"d=\\\"e\\\"\"\n"));
	assert_non_null(strstr(text,
		"Z error failed id=x error=\"no row\" code=not_found detail=\"rc 5\" "
		"file="));
	assert_int_equal(text[10], 'T');
}

static void
write_long_line(void)
{
	char value[8000];
	memset(value, 'x', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	log_info("long", LOG_STR("a", "short"), LOG_STR("b", value));
}

static void
test_log_long(void **state)
{
	(void)state;
	char text[16384];
	capture(write_long_line, text, sizeof(text));
	assert_non_null(strstr(text, "info long a=short"));
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_true(strlen(text) <= 4097);
}

static void
test_file_write_all(void **state)
{
	enum { SIZE = 1 << 20 };
	char path[] = "/tmp/natsid-test-file-XXXXXX";
	char *data = malloc(SIZE);
	char *back = malloc(SIZE);
	(void)state;
	assert_non_null(data);
	assert_non_null(back);
	rand_bytes(data, SIZE);
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(file_write_all(fd, data, SIZE), 0);
	assert_int_equal(pread(fd, back, SIZE, 0), SIZE);
	assert_memory_equal(back, data, SIZE);
	assert_int_equal(file_sync_parent(path), 0);
	assert_int_equal(file_sync_parent("no-such-directory/file"), -1);
	assert_int_equal(file_sync_parent("a-name-alone"), 0);
	close(fd);
	assert_int_equal(file_write_all(fd, data, 1), -1);
	unlink(path);
	free(data);
	free(back);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_write_all),
		cmocka_unit_test(test_err),
		cmocka_unit_test(test_err_long),
		cmocka_unit_test(test_buf),
		cmocka_unit_test(test_buf_max),
		cmocka_unit_test(test_buf_secret),
		cmocka_unit_test(test_str_fmt),
		cmocka_unit_test(test_cut_middle),
		cmocka_unit_test(test_str_to_int),
		cmocka_unit_test(test_str_utf8),
		cmocka_unit_test(test_str_compare),
		cmocka_unit_test(test_codec_vectors),
		cmocka_unit_test(test_codec_malformed),
		cmocka_unit_test(test_codec_round_trip),
		cmocka_unit_test(test_codec_checksums),
		cmocka_unit_test(test_codec_put),
		cmocka_unit_test(test_emit_structure),
		cmocka_unit_test(test_emit_escapes),
		cmocka_unit_test(test_emit_each_byte),
		cmocka_unit_test(test_strlist),
		cmocka_unit_test(test_strlist_round_trip),
		cmocka_unit_test(test_strlist_malformed),
		cmocka_unit_test(test_clock_parse),
		cmocka_unit_test(test_clock_format),
		cmocka_unit_test(test_clock_object),
		cmocka_unit_test(test_rand),
		cmocka_unit_test(test_rand_id),
		cmocka_unit_test(test_rand_id_threads),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_log_long),
	};
	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
