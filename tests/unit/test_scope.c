/* SPDX-License-Identifier: Apache-2.0
 * What roles say as scopes: one form for each meaning, and what takes something away. */
#include "mint/scope.h"

#include "base/str.h"
#include "jwt/encode.h"
#include "jwt/validate.h"
#include "model/limits.h"
#include "model/network.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
ok(int rc, const struct err *err)
{
	if (rc != 0) {
		fail_msg("%s (%s)", err->msg, err->detail);
	}
}

static void
set_list(struct strlist *list, const char *words)
{
	struct err err = { 0 };
	strlist_release(list);
	while (*words != '\0') {
		size_t len = strcspn(words, ",");
		ok(strlist_add_n(list, words, len, &err), &err);
		words += len + (words[len] == ',' ? 1 : 0);
	}
}

static void
init(struct role *role)
{
	struct err err = { 0 };
	ok(role_init(role, &err), &err);
}

/* Sets one field from text as people would write it; lists with commas. */
static void
set(struct role *role, const char *name, const char *text)
{
	const struct field *field = collection_field(&role_collection, name);
	void *member = record_member(field, role);
	int64_t number = 0;
	switch (field->type) {
	case FIELD_LIST:
		set_list(member, text);
		break;
	case FIELD_BOOL:
		*(bool *)member = str_equal(text, "true");
		break;
	case FIELD_INT:
		assert_int_equal(str_to_int(text, INT64_MIN, INT64_MAX, &number), 0);
		*(int64_t *)member = number;
		break;
	case FIELD_TEXT:
	case FIELD_CLAIM:
		temp_set(member, text);
		break;
	case FIELD_EMAIL:
	case FIELD_PASSWORD:
	case FIELD_DATE:
	case FIELD_RELATION:
	case FIELD_ID:
	case FIELD_KEY:
	case FIELD_JSON:
		fail_msg("roles have no such field");
	}
}

/* The scope as the body of an account's JWT has it. */
static char *
text_of(const struct role *role)
{
	struct err err = { 0 };
	struct buf body;
	struct jwt_signing_key key = { .scoped = true };
	struct jwt_claims claims = { .type = JWT_ACCOUNT };
	jwt_account_init(&claims.as.account);
	ok(mint_scope(role, &key.template_, &err), &err);
	claims.as.account.signing_keys = &key;
	claims.as.account.signing_keys_len = 1;
	buf_init(&body, SIZE_MAX / 2);
	ok(jwt_encode_body(&claims, &body, &err), &err);
	jwt_user_limits_release(&key.template_);
	return buf_take(&body);
}

/* ---- one form ---- */

static void
test_same_meaning(void **state)
{
	static const struct {
		const char *field;
		const char *one;
		const char *other;
	} cases[] = {
		{ "networks", "10.0.0.0/8,192.168.1.0/24", "192.168.1.77/24,10.1.2.3/8" },
		{ "networks", "10.0.0.0/8", "10.0.0.0/8,10.0.0.1/8" },
		{ "networks", "fd00::/8", "fdff:1::1/8" },
		{ "networks", "2001:db8::/32", "2001:0DB8:0::/32" },
		{ "networks", "10.0.0.0/8", "::ffff:10.1.2.3/104" },
		{ "connection_types", "MQTT,WEBSOCKET", "WEBSOCKET,MQTT,WEBSOCKET" },
		{ "time_windows",
			"[{\"start\":\"08:00:00\",\"end\":\"10:00:00\"},"
			"{\"start\":\"12:00:00\",\"end\":\"13:00:00\"}]",
			"[{\"start\":\"12:00:00\",\"end\":\"13:00:00\"},"
			"{\"start\":\"08:00:00\",\"end\":\"10:00:00\"},"
			"{\"start\":\"12:00:00\",\"end\":\"13:00:00\"}]" },
		{ "publish_permissions", "a,b.{{name()}}", "b.{{name()}},a,a" },
		{ "name", "one", "other" },
		{ "description", "one", "other" },
		{ "max_data", "1", "2" },
		{ "default_lifetime", "0", "3600" },
		{ "is_default", "true", "false" },
		{ "times_location", "Europe/Berlin", "" },
		{ "allow_response_max", "5", "6" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct role role;
		init(&role);
		set(&role, cases[i].field, cases[i].one);
		char *one = text_of(&role);
		set(&role, cases[i].field, cases[i].other);
		char *other = text_of(&role);
		assert_string_equal(one, other);
		free(one);
		free(other);
		record_release(&role_collection, &role);
	}
}

static void
test_all_is_said(void **state)
{
	static const struct {
		const char *field;
		const char *value;
		const char *claim;
	} cases[] = {
		{ "publish_permissions", "b,a", "\"pub\":{\"allow\":[\"a\",\"b\"]}" },
		{ "subscribe_permissions", "b q,a",
			"\"sub\":{\"allow\":[\"a\",\"b q\"]}" },
		{ "publish_deny_permissions", "c", "\"deny\":[\"c\"]" },
		{ "subscribe_deny_permissions", "c", "\"deny\":[\"c\"]" },
		{ "allow_response", "true", "\"resp\":{\"max\":1,\"ttl\":0}" },
		{ "max_subscriptions", "0", "\"subs\":0," },
		{ "max_subscriptions", "7", "\"subs\":7," },
		{ "max_payload", "0", "\"payload\":0" },
		{ "max_data", "0", "\"data\":-1," },
		{ "networks", "10.9.9.9/8,9.0.0.0/9",
			"\"src\":[\"10.0.0.0/8\",\"9.0.0.0/9\"]" },
		{ "connection_types", "WEBSOCKET,MQTT",
			"\"allowed_connection_types\":[\"MQTT\",\"WEBSOCKET\"]" },
		{ "time_windows", "[{\"start\":\"22:00:00\",\"end\":\"06:00:00\"}]",
			"\"times\":[{\"start\":\"22:00:00\",\"end\":\"06:00:00\"}]" },
		{ "bearer_token", "true", "\"bearer_token\":true" },
		{ "proxy_required", "true", "\"proxy_required\":true" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct role role;
		init(&role);
		set(&role, cases[i].field, cases[i].value);
		char *text = text_of(&role);
		if (strstr(text, cases[i].claim) == NULL) {
			fail_msg("%s: no %s in %s", cases[i].field, cases[i].claim, text);
		}
		free(text);
		record_release(&role_collection, &role);
	}
	struct role role;
	init(&role);
	set(&role, "times_location", "Europe/Berlin");
	set(&role, "time_windows", "[{\"start\":\"08:00:00\",\"end\":\"09:00:00\"}]");
	char *text = text_of(&role);
	assert_non_null(strstr(text, "\"times_location\":\"Europe/Berlin\""));
	free(text);
	record_release(&role_collection, &role);
}

static void
test_networks(void **state)
{
	static const char *const bad[] = { "", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/08",
		"10.0.0/8", "fd00::/129", "fd00::/", "/8", "a/8", "10.0.0.0/-1",
		"10.0.0.0/8 " };
	static const struct {
		const char *outer;
		const char *inner;
		bool contains;
	} pairs[] = {
		{ "10.0.0.0/8", "10.1.0.0/16", true },
		{ "10.0.0.0/8", "10.0.0.0/8", true },
		{ "10.0.0.0/8", "10.0.0.0/7", false },
		{ "10.0.0.0/8", "11.0.0.0/16", false },
		{ "0.0.0.0/0", "10.0.0.1/32", true },
		{ "0.0.0.0/0", "fd00::/8", false },
		{ "::/0", "10.0.0.0/8", false },
		{ "fd00::/9", "fd7f::/16", true },
		{ "fd00::/9", "fd80::/16", false },
		{ "10.128.0.0/9", "10.127.0.0/16", false },
	};
	struct network outer;
	struct network inner;
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(network_parse(bad[i], &outer), -1);
	}
	for (size_t i = 0; i < COUNT(pairs); i++) {
		assert_int_equal(network_parse(pairs[i].outer, &outer), 0);
		assert_int_equal(network_parse(pairs[i].inner, &inner), 0);
		assert_int_equal(network_contains(&outer, &inner), pairs[i].contains);
	}
}

/* ---- what takes away ---- */

static bool
narrows(const struct role *before, const struct role *after)
{
	struct err err = { 0 };
	bool out = false;
	ok(mint_scope_role_narrows(before, after, &out, &err), &err);
	return out;
}

#define DAY "[{\"start\":\"08:00:00\",\"end\":\"18:00:00\"}]"
#define MORNING "[{\"start\":\"08:00:00\",\"end\":\"12:00:00\"}]"
#define BOTH \
	"[{\"start\":\"08:00:00\",\"end\":\"12:00:00\"}," \
	"{\"start\":\"14:00:00\",\"end\":\"18:00:00\"}]"
#define NIGHT "[{\"start\":\"22:00:00\",\"end\":\"06:00:00\"}]"
#define LATE "[{\"start\":\"22:00:00\",\"end\":\"23:00:00\"}]"

static void
test_narrows(void **state)
{
	/* there and back */
	static const struct {
		const char *field;
		const char *before;
		const char *after;
		bool there;
		bool back;
	} cases[] = {
		{ "networks", "", "10.0.0.0/8", true, false },
		{ "networks", "10.0.0.0/8", "10.0.0.0/16", true, false },
		{ "networks", "10.0.0.0/8", "10.0.0.0/8,11.0.0.0/8", false, true },
		{ "networks", "10.0.0.0/8", "10.1.1.1/8", false, false },
		{ "networks", "10.0.0.0/8", "11.0.0.0/8", true, true },
		{ "connection_types", "", "MQTT", true, false },
		{ "connection_types", "MQTT", "MQTT,WEBSOCKET", false, true },
		{ "connection_types", "MQTT", "WEBSOCKET", true, true },
		{ "time_windows", "[]", DAY, true, false },
		{ "time_windows", DAY, MORNING, true, false },
		{ "time_windows", DAY, BOTH, true, false },
		{ "time_windows", MORNING, BOTH, false, true },
		{ "time_windows", NIGHT, LATE, true, true }, /* in doubt */
		{ "bearer_token", "false", "true", false, true },
		{ "proxy_required", "false", "true", true, false },
		{ "max_subscriptions", "-1", "0", true, false },
		{ "max_payload", "5", "4", true, false },
		{ "max_data", "5", "4", false, false },
		{ "default_lifetime", "0", "60", false, false },
		{ "allow_response", "true", "false", true, false },
		{ "publish_permissions", "a.{{name()}}", "a.*", false, true },
		{ "publish_permissions", "a.{{name()}}", "a.{{subject()}}", true, true },
		{ "publish_permissions", "a.{{name()}}", "a.b", true, true },
		{ "publish_permissions", "a.{{name()}}.b", "a.>", false, true },
		{ "publish_permissions", "{{tag(x)}}", "{{tag(y)}}", true, true },
		{ "publish_deny_permissions", "", "a.{{name()}}", true, false },
		{ "publish_deny_permissions", "a.*", "a.{{name()}}", false, true },
		{ "publish_permissions", "", "a", false, true },
		{ "subscribe_permissions", "a,b q", "a", true, false },
		{ "subscribe_permissions", ">", "", true, false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct role before;
		struct role after;
		init(&before);
		init(&after);
		set(&before, cases[i].field, cases[i].before);
		set(&after, cases[i].field, cases[i].after);
		if (narrows(&before, &after) != cases[i].there ||
			narrows(&after, &before) != cases[i].back) {
			fail_msg("%s: %s and %s", cases[i].field, cases[i].before,
				cases[i].after);
		}
		assert_false(narrows(&before, &before));
		record_release(&role_collection, &before);
		record_release(&role_collection, &after);
	}
}

static void
test_times_elsewhere(void **state)
{
	struct role before;
	struct role after;
	(void)state;
	init(&before);
	init(&after);
	set(&before, "time_windows", DAY);
	set(&after, "time_windows", DAY);
	set(&after, "times_location", "Europe/Berlin");
	assert_true(narrows(&before, &after));
	set(&after, "time_windows", "[]");
	assert_false(narrows(&before, &after));
	record_release(&role_collection, &before);
	record_release(&role_collection, &after);
}

/* ---- users with overrides ---- */

static void
init_user(struct user *user)
{
	struct err err = { 0 };
	ok(user_init(user, &err), &err);
	temp_set(&user->nats_username, "bob");
}

static const struct template_values bob = { .name = "bob",
	.subject = "UBOB",
	.account_name = "acme",
	.account_subject = "AACME" };

static void
test_of_user(void **state)
{
	struct err err = { 0 };
	struct role role;
	struct user user;
	struct jwt_user_limits limits;
	(void)state;
	init(&role);
	init_user(&user);
	set(&role, "publish_permissions", "to.{{name()}}.{{account-subject()}},b");
	set(&role, "subscribe_permissions", "in.{{tag(x)}}");
	set(&role, "subscribe_deny_permissions", "in.{{account-name()}}");
	set(&role, "networks", "10.0.0.0/8");
	set(&role, "connection_types", "MQTT");
	set(&role, "time_windows", DAY);
	set(&role, "times_location", "Europe/Berlin");
	set(&role, "max_payload", "100");
	set(&role, "bearer_token", "true");
	set_list(&user.publish_permissions, "a,b");
	set_list(&user.networks, "11.0.0.0/8");
	temp_set(&user.time_windows, MORNING);
	user.max_subscriptions = 3;
	user.proxy_required = true;
	ok(strlist_make(&user.connection_types, &err), &err); /* any */
	ok(mint_scope_of_user(&role, &user, &bob, &limits, &err), &err);
	const struct jwt_permissions *permissions = &limits.permissions;
	assert_int_equal(permissions->pub.allow.len, 3);
	assert_string_equal(permissions->pub.allow.items[0], "a");
	assert_string_equal(permissions->pub.allow.items[1], "b");
	assert_string_equal(permissions->pub.allow.items[2], "to.bob.AACME");
	/* no tag, so nothing is left that may be subscribed to */
	assert_int_equal(permissions->sub.allow.len, 0);
	assert_string_equal(permissions->sub.deny.items[0], ">");
	assert_int_equal(limits.src.len, 1);
	assert_string_equal(limits.src.items[0], "11.0.0.0/8");
	assert_int_equal(limits.allowed_connection_types.len, 0);
	assert_int_equal(limits.times_len, 1);
	assert_string_equal(limits.times[0].end, "12:00:00");
	assert_null(limits.times_location); /* the location is of the windows */
	assert_int_equal(limits.subs, 3);
	assert_int_equal(limits.payload, 100);
	assert_true(limits.bearer_token && limits.proxy_required);
	jwt_user_limits_release(&limits);

	/* a deny that cannot be filled in would deny nothing */
	set(&role, "publish_deny_permissions", "b.{{tag(x)}}");
	assert_int_equal(mint_scope_of_user(&role, &user, &bob, &limits, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	record_release(&role_collection, &role);
	record_release(&user_collection, &user);
}

/* Of a user whose JWT can be had: it says nothing of its own. */
static void
test_user_bytes(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct user_creds creds = { 0 };
	struct role role;
	struct user user;
	char account[RAND_ID_SIZE];
	char role_id[RAND_ID_SIZE];
	char id[RAND_ID_SIZE];
	int64_t bytes = 0;
	temp_make_account(t, "one", account);
	temp_make_role(t, "role", role_id);
	temp_make_user(t, "bob", account, role_id, id);
	ok(service_user_creds(t->service, &temp_superuser_actor, id, &creds, &err), &err);

	init(&role);
	init_user(&user);
	set(&role, "publish_permissions", "a");
	set(&role, "subscribe_permissions", "b");
	ok(mint_scope_user_bytes(&role, &user, &bob, &bytes, &err), &err);
	/* two lists of one and three limits more */
	int64_t own = (int64_t)(sizeof("\"allow\":[\"a\"]\"allow\":[\"b\"]"
				       "\"subs\":-1,\"data\":-1,\"payload\":-1,") -
			      1) *
		4 / 3;
	int64_t real = (int64_t)creds.jwt.len + own;
	if (bytes < real || bytes > real + 100) {
		fail_msg("%ld instead of %ld", (long)bytes, (long)real);
	}
	user_creds_release(&creds);
	record_release(&role_collection, &role);
	record_release(&user_collection, &user);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, temp_service_set_up, temp_service_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_meaning),
		cmocka_unit_test(test_all_is_said),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_narrows),
		cmocka_unit_test(test_times_elsewhere),
		cmocka_unit_test(test_of_user),
		TEST(test_user_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
