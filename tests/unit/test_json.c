/* SPDX-License-Identifier: Apache-2.0
 * Bounded parsing, error places, typed getters. */
#include "base/str.h"
#include "json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { TEST_MAX = 4096 };

static json_t *
parse(const char *text)
{
	json_t *json = NULL;
	struct err err = { 0 };
	if (json_parse(text, strlen(text), TEST_MAX, &json, &err) != 0) {
		fail_msg("%s: %s", text, err.msg);
	}
	return json;
}

static void
test_parse(void **state)
{
	(void)state;
	static const char *const table[] = { "{}", "[]", " \t\r\n{ } \n",
		"{\"a\":{\"a\":{\"a\":1}}}", "[1,-1,1.5,true,false,null,\"\\u00e9\\n\"]",
		"{\"\":\"\xc3\xa9\",\"b\":\"\\ud83d\\ude00\"}", "[9223372036854775807]" };
	for (size_t i = 0; i < COUNT(table); i++) {
		json_decref(parse(table[i]));
	}
}

static void
test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *expected;
	} table[] = {
		{ "", "line 1 column 0" },
		{ " ", "expected near end of file" },
		{ "1", "line 1 column 1: '[' or '{' expected" },
		{ "\"a\"", "'[' or '{' expected" },
		{ "{\"a\":1,\n \"b\":2,}", "line 2 column 8: string or '}' expected" },
		{ "{\"a\" 1}", "':' expected" },
		{ "{a:1}", "line 1 column 2: string or '}' expected" },
		{ "{'a':1}", "line 1 column 2" },
		{ "[1,]", "line 1 column 4" },
		{ "[01]", "line 1 column" },
		{ "[+1]", "invalid token" },
		{ "[NaN]", "invalid token" },
		{ "[9223372036854775808]", "too big integer" },
		{ "[1e999]", "real number overflow" },
		{ "{} {}", "end of file expected" },
		{ "{}x", "end of file expected" },
		{ "[\"a]", "premature end of input" },
		{ "[\"\t\"]", "control character" },
		{ "[\"\\x\"]", "invalid escape" },
		{ "[\"\\ud800\"]", "invalid Unicode" },
		{ "[\"\\u0000\"]", "\\u0000 is not allowed" },
		{ "{\"\\u0000\":1}", "NUL byte in object key" },
		{ "[\"\xff\"]", "unable to decode byte 0xff" },
		{ "[\"\xc0\x80\"]", "unable to decode byte" },
		{ "[\"\xed\xa0\x80\"]", "unable to decode byte" },
		{ "{\"a\":1,\"a\":2}", "line 1 column 8: duplicate object key \"a\"" },
		{ "{\"b\":{\"name\":1,\n  \"name\" : 2}}",
			"line 2 column 3: duplicate object key \"name\"" },
		{ "{\"a\\\"b\":1,\"a\\\"b\":1}", "duplicate object key \"a\\\"b\"" },
		{ "{\"a\":1,\"\\u0061\":2}", "duplicate object key \"\\u0061\"" },
		{ "{\"\":1,\"\":2}", "duplicate object key \"\"" },
		{ "{\"\xc3\xa9\":1,\"\xc3\xa9\":2}", "line 1 column 8: duplicate" },
		{ "{\"a key that is longer than twenty bytes\":1,"
		  "\"a key that is longer than twenty bytes\":1}",
			"duplicate object key \"a key that is longer than twenty "
			"bytes\"" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		json_t *json = NULL;
		struct err err = { 0 };
		assert_int_equal(json_parse(table[i].text, strlen(table[i].text),
					 TEST_MAX, &json, &err),
			-1);
		assert_int_equal(err.code, ERR_INVALID);
		if (strstr(err.msg, table[i].expected) == NULL) {
			fail_msg("%s: \"%s\", expected \"%s\"", table[i].text, err.msg,
				table[i].expected);
		}
		assert_null(strstr(err.msg, "JSON_"));
		assert_null(json);
	}
}

/* A raw NUL, which strlen would hide. */
static void
test_refused_nul(void **state)
{
	(void)state;
	static const char inside[] = "[\"a\0b\"]";
	static const char behind[] = "{}\0";
	json_t *json = NULL;
	assert_int_equal(
		json_parse(inside, sizeof(inside) - 1, TEST_MAX, &json, NULL), -1);
	assert_int_equal(
		json_parse(behind, sizeof(behind) - 1, TEST_MAX, &json, NULL), -1);
}

/* Values may be passwords: errors name the place, not the text. */
static void
test_errors_keep_values(void **state)
{
	(void)state;
	static const char *const table[] = { "{\"password\":\"s3cret\\q\"}",
		"{\"password\":\"s3cret\" \"x\"}", "{\"password\":\"s3cret\"", "[s3cret]",
		"{\"password\":s3cret}", "{\"password\":\"s3cret\xff\"}",
		"[\"s3cret\",\"s3cret\"}" };
	for (size_t i = 0; i < COUNT(table); i++) {
		json_t *json = NULL;
		struct err err = { 0 };
		assert_int_equal(
			json_parse(table[i], strlen(table[i]), TEST_MAX, &json, &err),
			-1);
		assert_null(strstr(err.msg, "s3cret"));
		assert_null(strstr(err.detail, "s3cret"));
		assert_non_null(strstr(err.msg, "line 1 column"));
	}
}

static void
nested(char *out, size_t depth)
{
	memset(out, '[', depth);
	memset(out + depth, ']', depth);
	out[2 * depth] = '\0';
}

static void
test_depth(void **state)
{
	(void)state;
	char text[TEST_MAX];
	json_t *json = NULL;
	struct err err = { 0 };
	nested(text, JSON_DEPTH_MAX);
	json_decref(parse(text));
	nested(text, JSON_DEPTH_MAX + 1);
	assert_int_equal(json_parse(text, strlen(text), TEST_MAX, &json, &err), -1);
	assert_string_equal(err.msg, "line 1 column 33: more than 32 levels deep");
	/* Brackets in strings do not count, closed ones neither. */
	json_decref(parse("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[\"]"));
	json_decref(parse(
		"[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],"
		"[],[],[],[],[],[],[],[],[],[],[],[],[]]"));
}

static void
test_size(void **state)
{
	(void)state;
	json_t *json = NULL;
	struct err err = { 0 };
	assert_int_equal(json_parse("[1]", 3, 2, &json, &err), -1);
	assert_int_equal(err.code, ERR_TOO_LARGE);
	assert_int_equal(json_parse("[1]", 3, 3, &json, &err), 0);
	json_decref(json);
}

static void
test_getters(void **state)
{
	(void)state;
	json_t *json =
		parse("{\"t\":\"x\",\"i\":-5,\"b\":true,\"o\":{},\"a\":[\"p\",\"q\"],"
		      "\"n\":null,\"r\":1.0,\"m\":[\"p\",1]}");
	struct err err = { 0 };
	const char *text = "old";
	int64_t number = 7;
	bool flag = false;
	json_t *object = NULL;
	json_t *array = NULL;
	struct strlist list = { 0 };

	assert_int_equal(json_get_text(json, "t", &text, &err), 0);
	assert_string_equal(text, "x");
	assert_int_equal(json_get_int(json, "i", &number, &err), 0);
	assert_int_equal(number, -5);
	assert_int_equal(json_get_bool(json, "b", &flag, &err), 0);
	assert_true(flag);
	assert_int_equal(json_get_object(json, "o", &object, &err), 0);
	assert_non_null(object);
	assert_int_equal(json_get_array(json, "a", &array, &err), 0);
	assert_int_equal(json_array_size(array), 2);
	assert_int_equal(json_get_list(json, "a", &list, &err), 0);
	assert_int_equal(list.len, 2);
	assert_string_equal(list.items[1], "q");
	strlist_release(&list);

	/* Absent and null leave the output alone, also without an object to look in. */
	assert_int_equal(json_get_text(json, "n", &text, &err), 0);
	assert_int_equal(json_get_text(json, "zz", &text, &err), 0);
	assert_int_equal(json_get_text(NULL, "zz", &text, &err), 0);
	assert_string_equal(text, "x");
	assert_int_equal(json_get_list(json, "n", &list, &err), 0);
	assert_int_equal(list.len, 0);

	assert_int_equal(json_get_text(json, "i", &text, &err), -1);
	assert_string_equal(err.msg, "\"i\" is not a string");
	assert_int_equal(json_get_int(json, "t", &number, &err), -1);
	assert_int_equal(json_get_int(json, "r", &number, &err), -1);
	assert_int_equal(json_get_bool(json, "i", &flag, &err), -1);
	assert_int_equal(json_get_object(json, "a", &object, &err), -1);
	assert_int_equal(json_get_array(json, "o", &array, &err), -1);
	assert_int_equal(json_get_list(json, "m", &list, &err), -1);
	assert_string_equal(err.msg, "item 2 of \"m\" is not a string");
	assert_int_equal(list.len, 0);
	json_decref(json);
}

static void
test_emit(void **state)
{
	(void)state;
	struct buf out;
	struct emit emit;
	struct err err = { 0 };
	json_t *json =
		parse("{ \"b\" : [1, true, null, {\"z\":1,\"Z\":2}], \"a\" : \"<\" }");
	buf_init(&out, TEST_MAX);
	emit_init(&emit, &out);
	assert_int_equal(json_emit(json, &emit, &err), 0);
	assert_int_equal(buf_finish(&out, &err), 0);
	assert_string_equal(
		out.data, "{\"a\":\"\\u003c\",\"b\":[1,true,null,{\"Z\":2,\"z\":1}]}");
	json_decref(json);
	json = parse("{\"a\":[1.5]}");
	emit_init(&emit, &out);
	assert_int_equal(json_emit(json, &emit, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	json_decref(json);
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_nul),
		cmocka_unit_test(test_errors_keep_values),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_getters),
		cmocka_unit_test(test_emit),
	};
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
