/* SPDX-License-Identifier: Apache-2.0
 * Subjects: syntax and containment. */
#include "model/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
test_check(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *expected; /* NULL: valid */
	} table[] = {
		{ "a", NULL },
		{ "a.b.c", NULL },
		{ "*", NULL },
		{ ">", NULL },
		{ "a.*.>", NULL },
		{ "a*.b>c.>>", NULL }, /* ordinary characters */
		{ "$SYS.REQ.>", NULL },
		{ "_INBOX.{{subject()}}.>", NULL },
		{ "caf\xc3\xa9", NULL },
		{ "\xe2\x80\x8b\xe2\x80\xb0\xe2\x82\xac\xc2\xa1",
			NULL }, /* near white space */
		{ "", "the subject is empty" },
		{ ".", "empty token at position 1" },
		{ ".a", "empty token at position 1" },
		{ "a.", "empty token at position 2" },
		{ "a..b", "empty token at position 2" },
		{ "a.b..", "empty token at position 3" },
		{ "a b", "space in the token at position 1" },
		{ " a", "space in the token at position 1" },
		{ "a.b ", "space in the token at position 2" },
		{ "a. ", "space in the token at position 2" },
		/* what servers take for white space, too */
		{ "\xc2\xa0", "space in the token at position 1" },
		{ "a.b\xc2\x85", "space in the token at position 2" },
		{ "a\xe1\x9a\x80z", "space in the token at position 1" },
		{ "a.\xe2\x80\x80", "space in the token at position 2" },
		{ "a.\xe2\x80\x8a", "space in the token at position 2" },
		{ "\xe2\x80\xa8.a", "space in the token at position 1" },
		{ "\xe2\x80\xa9.a", "space in the token at position 1" },
		{ "\xe2\x80\xaf", "space in the token at position 1" },
		{ "\xe2\x81\x9f", "space in the token at position 1" },
		{ "\xe3\x80\x80", "space in the token at position 1" },
		{ "a.b\tc", "control character in the token at position 2" },
		{ "a\n", "control character in the token at position 1" },
		{ "a\x7f", "control character in the token at position 1" },
		{ ">.a", "\">\" at position 1, it may only be the last token" },
		{ "a.>.b", "\">\" at position 2, it may only be the last token" },
		{ "a.>.", "\">\" at position 2, it may only be the last token" },
		{ "a.\xff", "the subject is not UTF-8" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct err err = { 0 };
		int rc = subject_check(table[i].text, &err);
		assert_int_equal(rc, table[i].expected == NULL ? 0 : -1);
		assert_int_equal(
			subject_is_valid(table[i].text), table[i].expected == NULL);
		assert_string_equal(
			err.msg, table[i].expected != NULL ? table[i].expected : "");
	}
}

static void
test_check_queue(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *expected;
	} table[] = {
		{ "a.>", NULL },
		{ "a.* workers", NULL },
		{ "a q.*", NULL },
		{ "a..b q", "empty token at position 2" },
		{ "a q r", "more than one space, the form is \"subject queue\"" },
		{ "a  q", "more than one space, the form is \"subject queue\"" },
		{ "a ", "no queue after the space" },
		{ " q", "the subject is empty" },
		{ "a q..", "queue: empty token at position 2" },
		{ "a\tq", "control character in the token at position 1" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct err err = { 0 };
		int rc = subject_check_queue(table[i].text, &err);
		assert_int_equal(rc, table[i].expected == NULL ? 0 : -1);
		assert_string_equal(
			err.msg, table[i].expected != NULL ? table[i].expected : "");
	}
}

static void
test_wildcards(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool wildcard;
		size_t stars;
	} table[] = {
		{ "a", false, 0 },
		{ "a.b*.c>", false, 0 },
		{ "*", true, 1 },
		{ ">", true, 0 },
		{ "a.*.b.*", true, 2 },
		{ "a.*.>", true, 1 },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		assert_int_equal(subject_has_wildcard(table[i].text), table[i].wildcard);
		assert_int_equal(subject_count_stars(table[i].text), table[i].stars);
	}
}

static void
test_contains_and_overlaps(void **state)
{
	(void)state;
	static const struct {
		const char *a;
		const char *b;
		bool a_in_b;
		bool b_in_a;
		bool overlap;
	} table[] = {
		{ "a", "a", true, true, true },
		{ "a", "b", false, false, false },
		{ "a", "ab", false, false, false },
		{ "a", "a.b", false, false, false },
		{ "a.b", "a.*", true, false, true },
		{ "a.b", "*.b", true, false, true },
		{ "a.*", "*.b", false, false, true },
		{ "a.*", "b.*", false, false, false },
		{ "a.b.c", "a.*", false, false, false },
		{ "a.b.c", "a.>", true, false, true },
		{ "a", "a.>", false, false, false },
		{ "a.*", "a.>", true, false, true },
		{ "a.*.*", "a.>", true, false, true },
		{ "a.>", ">", true, false, true },
		{ "a.>", "*.>", true, false, true },
		{ "a.>", "a.b.c", false, true, true },
		{ "a.>", "*.b", false, false, true },
		{ "a.>", "b.>", false, false, false },
		{ ">", "*", false, true, true },
		{ "*.*", "*", false, false, false },
		{ "a*", "ab", false, false, false },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		assert_int_equal(
			subject_contains(table[i].b, table[i].a), table[i].a_in_b);
		assert_int_equal(
			subject_contains(table[i].a, table[i].b), table[i].b_in_a);
		assert_int_equal(
			subject_overlaps(table[i].a, table[i].b), table[i].overlap);
		assert_int_equal(
			subject_overlaps(table[i].b, table[i].a), table[i].overlap);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_check_queue),
		cmocka_unit_test(test_wildcards),
		cmocka_unit_test(test_contains_and_overlaps),
	};
	return cmocka_run_group_tests_name("subject", tests, NULL, NULL);
}
