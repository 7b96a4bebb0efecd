/* SPDX-License-Identifier: Apache-2.0
 * Who is there, and whether those are all. */
#include "publish/roster.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int
add_server(struct roster *roster, const char *id, const char *name, int active)
{
	char json[512];
	struct err err = { 0 };
	if (active < 0) {
		str_fmt_cut(json, sizeof(json),
			"{\"server\":{\"id\":\"%s\",\"name\":\"%s\"},\"statsz\":{}}", id,
			name);
	} else {
		str_fmt_cut(json, sizeof(json),
			"{\"server\":{\"name\":\"%s\",\"id\":\"%s\",\"cluster\":\"c\","
			"\"ver\":"
			"\"2.15\",\"jetstream\":false},\"statsz\":{\"active_servers\":%d}"
			"}",
			name, id, active);
	}
	int rc = roster_add(roster, json, strlen(json), NULL, &err);
	if (rc != 0) {
		assert_int_equal(err.code, ERR_LIMITED);
	}
	return rc;
}

static void
test_roster(void **state)
{
	struct roster roster = { 0 };
	char text[64];
	(void)state;
	assert_false(roster_is_complete(&roster));
	assert_int_equal(add_server(&roster, "N1", "one", 3), 0);
	assert_int_equal(add_server(&roster, "N1", "one", 3), 0); /* again */
	assert_int_equal(roster.len, 1);
	assert_false(roster_is_complete(&roster));
	assert_int_equal(add_server(&roster, "N2", "two", 2), 0);
	assert_int_equal(roster.active, 3); /* the one that knows most */
	assert_false(roster_is_complete(&roster));
	assert_int_equal(add_server(&roster, "N3", "three", 3), 0);
	assert_true(roster_is_complete(&roster));
	assert_int_equal(roster_index(&roster, "N2"), 1);
	assert_int_equal(roster_index(&roster, "N9"), -1);
	assert_int_equal(roster_find_name(&roster, "c", "two"), 1);
	assert_int_equal(roster_find_name(&roster, "", "two"), -1);
	assert_int_equal(roster_find_name(&roster, "c", "four"), -1);
	assert_string_equal(roster.servers[0].cluster, "c");
	assert_string_equal(roster.servers[0].version, "2.15");

	roster_missing(&roster, 0, text, sizeof(text));
	assert_string_equal(text, "one, two, three");
	roster_missing(&roster, 2, text, sizeof(text));
	assert_string_equal(text, "one, three");
	roster_missing(&roster, 7, text, sizeof(text));
	assert_string_equal(text, "");
	roster_missing(&roster, 0, text, 8);
	assert_string_equal(text, "one, tw");
	roster_missing(&roster, 0, text, 1);
	assert_string_equal(text, "");
}

static void
test_roster_unknown_size(void **state)
{
	struct roster roster = { 0 };
	(void)state;
	assert_int_equal(add_server(&roster, "N1", "one", -1), 0);
	assert_int_equal(roster.active, 0);
	assert_false(roster_is_complete(&roster));
	for (int i = 1; i < ROSTER_MAX; i++) {
		char id[16];
		str_fmt_cut(id, sizeof(id), "M%d", i);
		assert_int_equal(add_server(&roster, id, "x", -1), 0);
	}
	assert_false(roster.overflow);
	assert_int_equal(add_server(&roster, "one more", "x", -1), -1);
	assert_true(roster.overflow); /* so nothing counts as proven by the others */
	assert_int_equal(roster.len, ROSTER_MAX);
	assert_int_equal(add_server(&roster, "N1", "one", -1), 0); /* known */
	roster.overflow = false;
	struct server last = roster.servers[ROSTER_MAX - 1];
	assert_int_equal(roster_keep(&roster, &last), ROSTER_MAX - 1);
	assert_false(roster.overflow);
	str_fmt_cut(last.id, sizeof(last.id), "one more");
	assert_int_equal(roster_keep(&roster, &last), -1);
	assert_true(roster.overflow);
	char text[1024];
	roster_missing(&roster, UINT64_MAX - (UINT64_C(1) << 63), text, sizeof(text));
	assert_string_equal(text, "x"); /* the last bit counts */
}

static void
test_names(void **state)
{
	struct roster_names names = { 0 };
	char name[SERVER_NAME_SIZE + 1];
	(void)state;
	roster_names_add(&names, "c", "one");
	roster_names_add(&names, "d", "one");
	roster_names_add(&names, "c", "one"); /* again */
	assert_int_equal(names.len, 2);
	assert_int_equal(roster_named(&names, "d", "one"), 1);
	assert_int_equal(roster_named(&names, "c", "two"), -1);
	memset(name, 'x', SERVER_NAME_SIZE);
	name[SERVER_NAME_SIZE] = '\0';
	roster_names_add(&names, "c", name);
	assert_int_equal(names.len, 2);
	roster_names_add(&names, "c", name + 1);
	assert_int_equal(roster_named(&names, "c", name + 1), 2);
	for (int i = 0; i < ROSTER_MAX; i++) {
		str_fmt_cut(name, sizeof(name), "s%d", i);
		roster_names_add(&names, "c", name);
	}
	assert_int_equal(names.len, ROSTER_MAX);
}

static void
test_roster_garbage(void **state)
{
	static const char odd_count[] = "{\"server\":{\"id\":\"N\",\"name\":\"s\"},"
					"\"statsz\":{\"active_servers\":\"3\"}}";
	static const char *const cases[] = { "", "[]", "{}", "null", "{\"server\":{}}",
		"{\"server\":{\"id\":\"\"}}", "{\"server\":{\"id\":1}}",
		"{\"server\":[]}", "{\"server\":{\"id\":\"N\"},\"statsz\":3}", odd_count,
		/* nobody's, as each has a name and says how it is */
		"{\"server\":{\"id\":\"N\",\"name\":\"s\"}}",
		"{\"server\":{\"id\":\"N\"},\"statsz\":{}}",
		"{\"server\":{\"id\":\"N\",\"name\":\"\"},\"statsz\":{}}" };
	struct roster roster = { 0 };
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		if (roster_add(&roster, cases[i], strlen(cases[i]), NULL, &err) == 0) {
			fail_msg("taken: %s", cases[i]);
		}
		assert_int_equal(err.code, ERR_INVALID);
		assert_int_equal(roster.len, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roster),
		cmocka_unit_test(test_roster_unknown_size),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_roster_garbage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
