/* SPDX-License-Identifier: Apache-2.0
 * Roles to scopes: one text for what means the same, and what a list that is empty means.
 */
#include "mint/scope.h"

#include "support/mint_stage.h"
#include "support/temp_user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char *
scope_text(const struct mint_stage *s)
{
	struct mint_account mint;
	mint_stage_begin(s, false, &mint);
	mint_stage_add_scope(s, &mint);
	return mint_stage_text(&mint);
}

static void
set_lists(struct role *role, const char *const *subjects)
{
	struct strlist *lists[] = { &role->publish_permissions,
		&role->subscribe_permissions, &role->publish_deny_permissions,
		&role->subscribe_deny_permissions };
	for (size_t i = 0; i < COUNT(lists); i++) {
		strlist_release(lists[i]);
		for (size_t j = 0; subjects[j] != NULL; j++) {
			temp_list(lists[i], subjects[j]);
		}
	}
}

static void
test_scope_canonical(void **state)
{
	static const char *const sorted[] = { "A.b", "a.*", "a.>", "b", NULL };
	static const char *const shuffled[] = { "b", "a.>", "A.b", "a.*", NULL };
	static const char *const doubled[] = { "a.*", "b", "a.>", "b", "A.b", "A.b",
		NULL };
	static const char *const other[] = { "a.*", "a.>", "A.b", NULL };
	struct mint_stage *s = *state;
	set_lists(&s->role, sorted);
	char *expected = scope_text(s);
	assert_non_null(strstr(expected, "\"role\":\"role00000000001\""));
	assert_non_null(strstr(expected, "\"description\":\"\""));
	assert_non_null(
		strstr(expected, "\"allow\":[\"A.b\",\"a.*\",\"a.\\u003e\",\"b\"]"));

	set_lists(&s->role, shuffled);
	char *text = scope_text(s);
	assert_string_equal(text, expected);
	free(text);
	set_lists(&s->role, doubled);
	temp_set(&s->role.name, "renamed");
	temp_set(&s->role.description, "described");
	s->role.max_data = 12345;
	s->role.is_default = true;
	s->role.head.version = 9;
	text = scope_text(s);
	assert_string_equal(text, expected);
	free(text);
	/* the row's own order is left alone: it is what the API shows */
	assert_string_equal(s->role.publish_permissions.items[0], "a.*");

	set_lists(&s->role, other);
	text = scope_text(s);
	assert_string_not_equal(text, expected);
	free(text);
	free(expected);
}

/* In a JWT an empty list allows everything; in a role it allows nothing. */
static void
test_scope_empty(void **state)
{
	struct mint_stage *s = *state;
	struct err err = { 0 };
	struct jwt_user_limits limits;
	strlist_release(&s->role.publish_permissions);
	temp_list(&s->role.publish_deny_permissions, "x");
	assert_int_equal(mint_scope(&s->role, &limits, &err), 0);
	assert_int_equal(limits.permissions.pub.allow.len, 0);
	assert_int_equal(limits.permissions.pub.deny.len, 1);
	assert_string_equal(limits.permissions.pub.deny.items[0], ">");
	assert_int_equal(limits.permissions.sub.allow.len, 2);
	assert_int_equal(limits.permissions.sub.deny.len, 0);
	jwt_user_limits_release(&limits);

	strlist_release(&s->role.subscribe_permissions);
	assert_int_equal(mint_scope(&s->role, &limits, &err), 0);
	assert_int_equal(limits.permissions.sub.allow.len, 0);
	assert_int_equal(limits.permissions.sub.deny.len, 1);
	assert_string_equal(limits.permissions.sub.deny.items[0], ">");
	jwt_user_limits_release(&limits);

	temp_list(&s->role.subscribe_permissions, "a");
	temp_list(&s->role.subscribe_deny_permissions, "b q");
	assert_int_equal(mint_scope(&s->role, &limits, &err), 0);
	assert_string_equal(limits.permissions.sub.allow.items[0], "a");
	assert_string_equal(limits.permissions.sub.deny.items[0], "b q");
	jwt_user_limits_release(&limits);
}

static void
test_scope_limits(void **state)
{
	static const struct {
		bool allowed;
		int64_t max;
		int64_t ttl;
		int64_t minted_max;
		int64_t minted_ttl_ns;
	} cases[] = {
		{ false, 5, 5, 0, 0 },
		{ true, 0, 0, 1, 0 },
		{ true, -1, 1, -1, INT64_C(1000000000) },
		{ true, 1, 86400, 1, INT64_C(86400000000000) },
		{ true, 100, 2, 100, INT64_C(2000000000) },
	};
	static const int64_t numbers[] = { -1, 0, 1, 2147483647 };
	struct mint_stage *s = *state;
	struct err err = { 0 };
	struct jwt_user_limits limits;
	for (size_t i = 0; i < COUNT(cases); i++) {
		s->role.allow_response = cases[i].allowed;
		s->role.allow_response_max = cases[i].max;
		s->role.allow_response_ttl = cases[i].ttl;
		assert_int_equal(mint_scope(&s->role, &limits, &err), 0);
		assert_int_equal(limits.permissions.has_resp, cases[i].allowed);
		assert_int_equal(limits.permissions.resp_max, cases[i].minted_max);
		assert_int_equal(limits.permissions.resp_ttl_ns, cases[i].minted_ttl_ns);
		jwt_user_limits_release(&limits);
	}
	for (size_t i = 0; i < COUNT(numbers); i++) {
		s->role.max_subscriptions = numbers[i];
		s->role.max_payload = numbers[COUNT(numbers) - 1 - i];
		s->role.max_data = 99;
		assert_int_equal(mint_scope(&s->role, &limits, &err), 0);
		assert_int_equal(limits.subs, numbers[i]);
		assert_int_equal(limits.payload, numbers[COUNT(numbers) - 1 - i]);
		assert_int_equal(limits.data, -1);
		assert_false(limits.bearer_token);
		jwt_user_limits_release(&limits);
	}
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, mint_stage_set_up, mint_stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_scope_canonical),
		TEST(test_scope_empty),
		TEST(test_scope_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
