/* SPDX-License-Identifier: Apache-2.0
 * What a user's JWT says and how long: expiry, overrides, tags, keys that were brought
 * along. */
#include "base/str.h"
#include "jwt/creds.h"
#include "jwt/nkey.h"
#include "jwt/validate.h"
#include "model/limits.h"
#include "support/temp_user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FOREVER INT64_C(253402300799)

static void
set_expiry(struct temp_user *u, int64_t seconds)
{
	struct user row = temp_user_row();
	row.jwt_expires_at = seconds * 1000;
	temp_user_change(u, &row, "jwt_expires_at");
}

static void
set_lifetime(struct temp_user *u, int64_t seconds)
{
	struct role row = temp_user_role_row();
	row.default_lifetime = seconds;
	temp_user_change_role(u, &row, "default_lifetime");
}

static int64_t
claimed_exp(struct temp_user *u)
{
	struct jwt_claims claims;
	temp_user_claims(u, &claims);
	int64_t exp = claims.exp;
	assert_int_equal(claims.iat, temp_user_value(u, "iat"));
	jwt_claims_release(&claims);
	return exp;
}

static void
make_again(struct temp_user *u)
{
	temp_delete_ok(&u->t, &user_collection, u->id);
	temp_make_user(&u->t, "user", u->account, u->role, u->id);
}

/* ---- expiry ---- */

static void
test_lifetimes(void **state)
{
	struct temp_user *u = *state;
	struct err err = { 0 };
	struct service *first = u->t.service;
	struct service_params params = { .store = u->t.temp.store,
		.vault = u->t.vault,
		.clock = &u->t.clock,
		.default_lifetime_s = 600 };
	int64_t now = temp_user_now(u);
	assert_int_equal(claimed_exp(u), 0);
	assert_int_equal(temp_user_value(u, "issued_until"), FOREVER);
	assert_int_equal(temp_user_value(u, "issued_set"), 1);

	/* natsid's default, the role's, the user's: each before the one before it */
	assert_int_equal(service_new(&params, &u->t.service, &err), 0);
	assert_int_equal(claimed_exp(u), 0); /* it holds for what is issued from now on */
	make_again(u);
	assert_int_equal(claimed_exp(u), now + 600);
	assert_int_equal(temp_user_value(u, "issued_until"), now + 600);
	set_lifetime(u, 3600);
	assert_int_equal(claimed_exp(u), now + 600);
	assert_int_equal(temp_user_revoked(u, "%"), 0);
	make_again(u);
	assert_int_equal(claimed_exp(u), now + 3600);
	set_expiry(u, now + 99999);
	assert_int_equal(claimed_exp(u), now + 99999);
	assert_int_equal(temp_user_value(u, "issued_until"), now + 99999);
	service_free(u->t.service);
	u->t.service = first;
}

static void
test_ended_is_made_anew(void **state)
{
	struct temp_user *u = *state;
	set_lifetime(u, 100);
	make_again(u);
	int64_t iat = temp_issue(&u->t, u->id);
	int64_t generation = temp_generation(&u->t, u->account);
	temp_user_advance(u, 99);
	assert_int_equal(temp_issue(&u->t, u->id), iat);
	temp_user_advance(u, 1);
	int64_t now = temp_user_now(u);
	set_lifetime(u, 50); /* what holds when it is made */
	assert_int_equal(claimed_exp(u), now + 50);
	assert_int_equal(temp_user_value(u, "iat"), now);
	assert_int_equal(temp_user_value(u, "exp"), now + 50);
	assert_int_equal(temp_user_value(u, "issued_until"), now + 50);
	int64_t version = temp_user_value(u, "version");
	assert_int_equal(claimed_exp(u), now + 50);
	assert_int_equal(temp_user_value(u, "version"), version);
	assert_int_equal(temp_user_revoked(u, "%"), 0);
	assert_int_equal(temp_generation(&u->t, u->account), generation);
	/* with a clock that was set back, too, a later one has a later iat */
	set_lifetime(u, 0);
	temp_user_advance(u, 50);
	assert_int_equal(claimed_exp(u), 0);
}

static void
test_end_of_a_user(void **state)
{
	struct temp_user *u = *state;
	int64_t now = temp_user_now(u);
	set_expiry(u, now + 10);
	assert_int_equal(claimed_exp(u), now + 10);
	temp_user_advance(u, 10);
	temp_user_has_no_creds(u, ERR_CONFLICT, "set jwt_expires_at");
	temp_user_has_no_creds(u, ERR_CONFLICT, "expired at 20");
	set_expiry(u, now + 1000);
	assert_int_equal(claimed_exp(u), now + 1000);
	assert_int_equal(temp_user_revoked(u, "%"), 0);
	struct user row = temp_user_row();
	row.jwt_expires_at = temp_user_now(u) * 1000;
	temp_user_refused(u, &row, "jwt_expires_at", "jwt_expires_at", "in the future");
	/* a record that is sent back whole does not set it */
	temp_user_advance(u, 5000);
	row = temp_user_row();
	row.jwt_expires_at = (now + 1000) * 1000;
	temp_set(&row.nats_username, "renamed");
	temp_user_change(u, &row, "jwt_expires_at,nats_username");
}

static void
test_changes_of_the_end(void **state)
{
	struct temp_user *u = *state;
	int64_t now = temp_user_now(u);
	/* never issued: nothing to take back */
	set_expiry(u, now + 5000);
	assert_int_equal(temp_user_revoked(u, "%"), 0);
	int64_t iat = temp_issue(&u->t, u->id);
	temp_user_advance(u, 10);
	int64_t generation = temp_generation(&u->t, u->account);
	set_expiry(u, now + 6000); /* later */
	assert_int_equal(temp_user_revoked(u, "%"), 0);
	assert_int_equal(temp_generation(&u->t, u->account), generation);
	int64_t second = temp_issue(&u->t, u->id);
	assert_true(second > iat);
	set_expiry(u, now + 5999); /* earlier */
	assert_int_equal(temp_user_revoked(u, "narrow"), second);
	assert_int_equal(temp_urgent_generation(&u->t, u->account),
		temp_generation(&u->t, u->account));
	assert_int_equal(temp_issue(&u->t, u->id), second + 1);
	temp_user_advance(u, 10);
	set_expiry(u, 0); /* none */
	assert_int_equal(temp_user_revoked(u, "narrow"), second);
	int64_t third = temp_issue(&u->t, u->id);
	assert_int_equal(claimed_exp(u), 0);
	set_expiry(u, now + 9999); /* where there was none */
	assert_int_equal(temp_user_revoked(u, "narrow"), third);
}

static void
test_end_of_a_new_user(void **state)
{
	struct temp_user *u = *state;
	struct err err = { 0 };
	struct violations violations = { 0 };
	struct user row = temp_user_row();
	char id[RAND_ID_SIZE];
	temp_set(&row.nats_username, "late");
	memcpy(row.account_id, u->account, sizeof(row.account_id));
	memcpy(row.role_id, u->role, sizeof(row.role_id));
	row.jwt_expires_at = 1000;
	assert_int_equal(temp_create(&u->t, &user_collection, &row,
				 "nats_username,account_id,role_id,jwt_expires_at", id,
				 &violations, &err),
		-1);
	assert_string_equal(violations.items[0].field, "jwt_expires_at");
	row.jwt_expires_at = (temp_user_now(u) + 7) * 1000 + 999;
	assert_int_equal(temp_create(&u->t, &user_collection, &row,
				 "nats_username,account_id,role_id,jwt_expires_at", u->id,
				 NULL, &err),
		0);
	assert_int_equal(claimed_exp(u), temp_user_now(u) + 7);
	record_release(&user_collection, &row);
}

/* ---- what is inside ---- */

static void
assert_entries(const struct strlist *list, const char *expected)
{
	char joined[512] = "";
	size_t at = 0;
	for (size_t i = 0; i < list->len; i++) {
		assert_int_equal(str_fmt(joined + at, sizeof(joined) - at, "%s%s",
					 i > 0 ? " " : "", list->items[i]),
			0);
		at += strlen(joined + at);
	}
	assert_string_equal(joined, expected);
}

static bool
is_signed_by_plain_key(const struct temp_user *u, const struct jwt_claims *claims)
{
	struct nkey_public key;
	char sql[256] = "SELECT count(*) FROM signing_keys WHERE role IS NULL AND "
			"account IS NOT NULL AND hex(public_key) = '";
	assert_int_equal(nkey_text_decode(NKEY_ACCOUNT, claims->iss, strlen(claims->iss),
				 &key, NULL),
		0);
	size_t at = strlen(sql);
	for (size_t i = 0; i < sizeof(key.bytes); i++) {
		assert_int_equal(
			str_fmt(sql + at, sizeof(sql) - at, "%02X", key.bytes[i]), 0);
		at += 2;
	}
	assert_int_equal(str_fmt(sql + at, sizeof(sql) - at, "'"), 0);
	return temp_store_query(&u->t.temp, sql) == 1;
}

static void
test_permissions_are_added(void **state)
{
	struct temp_user *u = *state;
	struct jwt_claims claims;
	struct jwt_issues issues = { 0 };
	struct role role = temp_user_role_row();
	strlist_release(&role.publish_permissions);
	strlist_release(&role.subscribe_permissions);
	temp_list(&role.publish_permissions, "b");
	temp_list(&role.subscribe_permissions, "s q");
	temp_list(&role.publish_deny_permissions, "d");
	role.allow_response = true;
	role.max_payload = 77;
	temp_user_change_role(u, &role,
		"publish_permissions,subscribe_permissions,publish_deny_permissions,"
		"allow_response,max_payload");
	struct user row = temp_user_row();
	temp_list(&row.publish_permissions, "a");
	temp_list(&row.publish_permissions, "b");
	temp_list(&row.subscribe_deny_permissions, "x");
	temp_list(&row.publish_deny_permissions, NULL);
	temp_user_change(u, &row,
		"publish_permissions,subscribe_deny_permissions,publish_deny_"
		"permissions");
	assert_int_equal(temp_user_value(u, "overrides"), 1);

	temp_user_claims(u, &claims);
	jwt_validate(&claims, claims.iat, &issues);
	assert_null(jwt_issues_find_blocking(&issues, true));
	assert_true(is_signed_by_plain_key(u, &claims));
	const struct jwt_user_limits *limits = &claims.as.user.limits;
	assert_entries(&limits->permissions.pub.allow, "a b");
	assert_entries(&limits->permissions.pub.deny, "d");
	assert_entries(&limits->permissions.sub.allow, "s q");
	assert_entries(&limits->permissions.sub.deny, "x");
	assert_true(limits->permissions.has_resp);
	assert_int_equal(limits->payload, 77);
	assert_int_equal(limits->subs, -1);
	assert_int_equal(limits->data, -1);
	jwt_claims_release(&claims);

	/* null again: the scope's user, with nothing inside */
	row = temp_user_row();
	temp_user_change(u, &row,
		"publish_permissions,subscribe_deny_permissions,publish_deny_"
		"permissions");
	assert_int_equal(temp_user_value(u, "overrides"), 0);
	temp_user_claims(u, &claims);
	assert_false(is_signed_by_plain_key(u, &claims));
	assert_true(jwt_user_limits_are_empty(&claims.as.user.limits));
	jwt_claims_release(&claims);
}

/* Nothing is allowed: in a JWT an empty list would allow everything. */
static void
test_nothing_is_nothing(void **state)
{
	struct temp_user *u = *state;
	struct jwt_claims claims;
	struct role role = temp_user_role_row();
	strlist_release(&role.publish_permissions);
	strlist_release(&role.subscribe_permissions);
	temp_list(&role.publish_permissions, NULL);
	temp_list(&role.subscribe_permissions, NULL);
	temp_user_change_role(u, &role, "publish_permissions,subscribe_permissions");
	struct user row = temp_user_row();
	temp_list(&row.publish_permissions, NULL);
	temp_list(&row.subscribe_permissions, NULL);
	temp_list(&row.publish_deny_permissions, "secret");
	temp_user_change(u, &row,
		"publish_permissions,subscribe_permissions,publish_deny_permissions");
	temp_user_claims(u, &claims);
	const struct jwt_permissions *said = &claims.as.user.limits.permissions;
	assert_entries(&said->pub.allow, "");
	assert_entries(&said->pub.deny, ">");
	assert_entries(&said->sub.allow, "");
	assert_entries(&said->sub.deny, ">");
	jwt_claims_release(&claims);
}

static void
test_limits_are_replaced(void **state)
{
	struct temp_user *u = *state;
	struct jwt_claims claims;
	struct role role = temp_user_role_row();
	role.max_payload = 10;
	role.max_subscriptions = 20;
	temp_list(&role.networks, "10.0.0.0/8");
	temp_list(&role.connection_types, "STANDARD");
	temp_set(&role.time_windows, "[{\"start\":\"08:00:00\",\"end\":\"09:00:00\"}]");
	temp_set(&role.times_location, "Europe/Berlin");
	role.proxy_required = true;
	temp_user_change_role(u, &role,
		"max_payload,max_subscriptions,networks,connection_types,time_windows,"
		"times_location,proxy_required");
	struct user row = temp_user_row();
	row.max_payload = -1;
	row.max_data = 5000;
	row.bearer_token = true;
	temp_list(&row.networks, "192.168.0.0/16");
	temp_list(&row.connection_types, NULL); /* all */
	temp_set(&row.time_windows, "[{\"start\":\"10:00:00\",\"end\":\"11:00:00\"}]");
	temp_user_change(u, &row,
		"max_payload,max_data,bearer_token,networks,connection_types,"
		"time_windows");
	temp_user_claims(u, &claims);
	const struct jwt_user_limits *limits = &claims.as.user.limits;
	assert_int_equal(limits->payload, -1);
	assert_int_equal(limits->subs, 20);
	assert_int_equal(limits->data, 5000);
	assert_true(limits->bearer_token && limits->proxy_required);
	assert_entries(&limits->src, "192.168.0.0/16");
	assert_entries(&limits->allowed_connection_types, "");
	assert_int_equal(limits->times_len, 1);
	assert_string_equal(limits->times[0].start, "10:00:00");
	assert_true(limits->times_location == NULL || limits->times_location[0] == '\0');
	jwt_claims_release(&claims);

	/* each of them alone makes the JWT say it */
	static const char *const fields[] = { "max_payload", "max_subscriptions",
		"max_data", "networks", "connection_types", "time_windows",
		"bearer_token", "proxy_required", "publish_permissions",
		"subscribe_permissions", "publish_deny_permissions",
		"subscribe_deny_permissions" };
	for (size_t i = 0; i < COUNT(fields); i++) {
		make_again(u);
		assert_int_equal(temp_user_value(u, "overrides"), 0);
		row = temp_user_row();
		row.max_payload = 1;
		row.max_subscriptions = 0;
		row.max_data = -1;
		row.bearer_token = true;
		row.proxy_required = true;
		temp_list(&row.networks, NULL);
		temp_list(&row.connection_types, NULL);
		temp_set(&row.time_windows, "[]");
		temp_list(&row.publish_permissions, "a");
		temp_list(&row.subscribe_permissions, "a");
		temp_list(&row.publish_deny_permissions, "a");
		temp_list(&row.subscribe_deny_permissions, "a");
		temp_user_change(u, &row, fields[i]);
		assert_int_equal(temp_user_value(u, "overrides"), 1);
		temp_user_claims(u, &claims);
		assert_true(is_signed_by_plain_key(u, &claims));
		jwt_claims_release(&claims);
	}
}

static void
test_own_times_location(void **state)
{
	struct temp_user *u = *state;
	struct jwt_claims claims;
	struct user row = temp_user_row();
	temp_set(&row.times_location, "Europe/Berlin");
	temp_user_refused(
		u, &row, "times_location", "times_location", "belongs to time_windows");
	row = temp_user_row();
	temp_set(&row.times_location, "Europe/Berlin");
	temp_set(&row.time_windows, "[{\"start\":\"10:00:00\",\"end\":\"11:00:00\"}]");
	temp_user_change(u, &row, "times_location,time_windows");
	temp_user_claims(u, &claims);
	assert_string_equal(claims.as.user.limits.times_location, "Europe/Berlin");
	jwt_claims_release(&claims);
}

/* Servers fill in templates for scoped keys only, so natsid does for the others. */
static void
test_templates_are_filled_in(void **state)
{
	struct temp_user *u = *state;
	struct jwt_claims claims;
	struct role role = temp_user_role_row();
	strlist_release(&role.publish_permissions);
	temp_list(&role.publish_permissions, "u.{{name()}}.>");
	temp_list(&role.publish_permissions, "t.{{tag(team)}}");
	temp_list(&role.publish_permissions, "a.{{account-name()}}");
	temp_user_change_role(u, &role, "publish_permissions");
	struct user row = temp_user_row();
	temp_list(&row.tags, "team:red");
	temp_list(&row.tags, "team:blue");
	row.bearer_token = true;
	temp_user_change(u, &row, "tags,bearer_token");
	temp_user_claims(u, &claims);
	assert_entries(&claims.as.user.limits.permissions.pub.allow,
		"a.account t.blue t.red u.user.>");
	assert_entries(&claims.as.user.tags, "team:red team:blue");
	jwt_claims_release(&claims);
	/* the scope's user has its tags in the JWT, for the server */
	row = temp_user_row();
	temp_user_change(u, &row, "bearer_token");
	temp_user_claims(u, &claims);
	assert_true(jwt_user_limits_are_empty(&claims.as.user.limits));
	assert_entries(&claims.as.user.tags, "team:red team:blue");
	jwt_claims_release(&claims);
}

static void
test_bearer_where_it_is_disallowed(void **state)
{
	struct temp_user *u = *state;
	struct account account = { .disallow_bearer = true };
	struct user row = temp_user_row();
	row.bearer_token = true;
	temp_change_ok(
		&u->t, &account_collection, u->account, &account, "disallow_bearer");
	temp_user_refused(u, &row, "bearer_token", "bearer_token", "disallows bearer");
}

/* ---- size ---- */

static void
fill_list(struct strlist *list, int count)
{
	for (int i = 0; i < count; i++) {
		char subject[40];
		str_fmt_cut(subject, sizeof(subject), "subject.of.some.length.%06d", i);
		temp_list(list, subject);
	}
}

/* The boundary, from the size that is told: one entry less fits. */
static void
test_size(void **state)
{
	struct temp_user *u = *state;
	struct err err = { 0 };
	struct user_creds creds = { 0 };
	struct user row = temp_user_row();
	fill_list(&row.publish_permissions, 200);
	temp_user_refused(u, &row, "publish_permissions", "", "more than the 3000");
	row = temp_user_row();
	fill_list(&row.publish_permissions, 200);
	temp_user_refused(
		u, &row, "publish_permissions", "", "a role, with templates for what");
	int count = 1;
	for (;; count++) {
		struct violations violations = { 0 };
		err_clear(&err);
		row = temp_user_row();
		fill_list(&row.publish_permissions, count);
		int rc = temp_change(&u->t, &user_collection, u->id, &row,
			"publish_permissions", &violations, &err);
		record_release(&user_collection, &row);
		if (rc != 0) {
			break;
		}
		assert_int_equal(service_user_creds(u->t.service, &temp_superuser_actor,
					 u->id, &creds, &err),
			0);
		assert_true(creds.jwt.len <= LIMIT_USER_JWT_BYTES);
		user_creds_release(&creds);
	}
	assert_int_equal(err.code, ERR_INVALID);
	assert_true(count > 40 && count < 100);
	/* each entry is some 40 bytes of base64: the next one was over */
	assert_int_equal(service_user_creds(u->t.service, &temp_superuser_actor, u->id,
				 &creds, &err),
		0);
	assert_true(creds.jwt.len > LIMIT_USER_JWT_BYTES - 50);
	user_creds_release(&creds);

	/* tags count, of scoped users too; and so at the creation */
	row = temp_user_row();
	temp_set(&row.nats_username, "tagged");
	memcpy(row.account_id, u->account, sizeof(row.account_id));
	memcpy(row.role_id, u->role, sizeof(row.role_id));
	for (int i = 0; i < 60; i++) {
		char tag[64];
		str_fmt_cut(tag, sizeof(tag), "tag-of-some-length:with-a-value-%06d", i);
		temp_list(&row.tags, tag);
	}
	int64_t users = temp_ask(&u->t, "SELECT count(*) FROM users", NULL);
	char id[RAND_ID_SIZE];
	assert_int_equal(temp_create(&u->t, &user_collection, &row,
				 "nats_username,account_id,role_id,tags", id, NULL, &err),
		-1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_non_null(strstr(err.msg, "more than the 3000"));
	assert_int_equal(temp_ask(&u->t, "SELECT count(*) FROM users", NULL), users);
	record_release(&user_collection, &row);
}

/* ---- keys that were brought along ---- */

static struct nkey_public
draw_key(uint8_t first)
{
	uint8_t seed[NKEY_SEED_LEN] = { first, 1 };
	struct nkey_public key;
	jwt_nkey_public(NKEY_USER, seed, &key);
	return key;
}

static int
create_with_key(struct temp_user *u, const char *name, const struct nkey_public *key,
	char out_id[static RAND_ID_SIZE], struct violations *violations)
{
	struct err err = { 0 };
	struct user row = temp_user_row();
	temp_set(&row.nats_username, name);
	memcpy(row.account_id, u->account, sizeof(row.account_id));
	memcpy(row.role_id, u->role, sizeof(row.role_id));
	row.public_key = *key;
	int rc = temp_create(&u->t, &user_collection, &row,
		"nats_username,account_id,role_id,public_key", out_id, violations, &err);
	record_release(&user_collection, &row);
	return rc;
}

static void
test_own_key(void **state)
{
	struct temp_user *u = *state;
	struct err err = { 0 };
	struct user_creds creds = { 0 };
	struct jwt_claims claims;
	struct violations violations = { 0 };
	struct nkey_public key = draw_key(1);
	char text[NKEY_TEXT_SIZE];
	char id[RAND_ID_SIZE];
	int64_t seeds = temp_ask(&u->t, "SELECT count(*) FROM vault", NULL);
	assert_int_equal(create_with_key(u, "own", &key, u->id, &violations), 0);
	assert_int_equal(temp_ask(&u->t, "SELECT count(*) FROM vault", NULL), seeds);
	assert_int_equal(temp_user_value(u, "own_key"), 1);
	temp_user_claims(u, &claims);
	nkey_text_encode(NKEY_USER, &key, text);
	assert_string_equal(claims.sub, text);
	jwt_claims_release(&claims);
	assert_int_equal(service_user_creds(u->t.service, &temp_superuser_actor, u->id,
				 &creds, &err),
		0);
	assert_non_null(strstr(creds.creds.data, "-----BEGIN NATS USER JWT-----"));
	assert_null(strstr(creds.creds.data, "SEED"));
	user_creds_release(&creds);

	/* one user for each key */
	assert_int_equal(create_with_key(u, "twin", &key, id, &violations), -1);
	assert_string_equal(violations.items[0].field, "public_key");
	assert_string_equal(violations.items[0].code, VIOLATION_NOT_UNIQUE);
	/* sent back whole: no change */
	struct user row = temp_user_row();
	row.public_key = key;
	int64_t version = temp_user_value(u, "version");
	temp_user_change(u, &row, "public_key");
	assert_int_equal(temp_user_value(u, "version"), version);
}

static void
test_own_key_changes(void **state)
{
	struct temp_user *u = *state;
	struct jwt_claims claims;
	char text[NKEY_TEXT_SIZE];
	char id[RAND_ID_SIZE];
	struct nkey_public first = draw_key(1);
	struct nkey_public second = draw_key(2);
	int64_t seeds = temp_ask(&u->t, "SELECT count(*) FROM vault", NULL);
	struct user row = temp_user_row();
	row.public_key = first;
	temp_user_refused(u, &row, "public_key", "public_key", "only with \"revoke\"");
	/* natsid's key is taken back, and its seed is gone */
	int64_t iat = temp_issue(&u->t, u->id);
	row = temp_user_row();
	row.public_key = first;
	row.revoke = true;
	temp_user_change(u, &row, "public_key,revoke");
	assert_int_equal(temp_user_value(u, "own_key"), 1);
	assert_int_equal(temp_ask(&u->t, "SELECT count(*) FROM vault", NULL), seeds - 1);
	assert_int_equal(temp_user_revoked_any(u, "revoke"), iat);
	row = temp_user_row();
	row.revoke = true;
	temp_user_refused(u, &row, "revoke", "public_key", "brought its own key");
	row = temp_user_row();
	row.public_key = second;
	row.revoke = true;
	(void)temp_issue(&u->t, u->id);
	temp_user_change(u, &row, "public_key,revoke");
	temp_user_claims(u, &claims);
	nkey_text_encode(NKEY_USER, &second, text);
	assert_string_equal(claims.sub, text);
	jwt_claims_release(&claims);
	assert_int_equal(temp_ask(&u->t, "SELECT count(*) FROM vault", NULL), seeds - 1);

	/* The first one comes back, for another user, in the second in which it was taken
	 * back: what is issued for it now is good. */
	assert_int_equal(create_with_key(u, "again", &first, id, NULL), 0);
	memcpy(u->id, id, sizeof(id));
	int64_t revoked = temp_user_revoked(u, "%");
	assert_true(revoked > 0);
	assert_true(temp_issue(&u->t, u->id) > revoked);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_user_set_up, temp_user_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lifetimes),
		TEST(test_ended_is_made_anew),
		TEST(test_end_of_a_user),
		TEST(test_changes_of_the_end),
		TEST(test_end_of_a_new_user),
		TEST(test_permissions_are_added),
		TEST(test_nothing_is_nothing),
		TEST(test_limits_are_replaced),
		TEST(test_own_times_location),
		TEST(test_templates_are_filled_in),
		TEST(test_bearer_where_it_is_disallowed),
		TEST(test_size),
		TEST(test_own_key),
		TEST(test_own_key_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
