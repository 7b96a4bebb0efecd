/* SPDX-License-Identifier: Apache-2.0
 * What takes a user's older JWTs back, and what does not: triggers, narrowing, names,
 * suspension, and the entry for all users of an account. */
#include "base/str.h"
#include "support/temp_user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int64_t
issue(struct temp_user *u)
{
	return temp_issue(&u->t, u->id);
}

static void
change_account(struct temp_user *u, struct account *row, const char *fields)
{
	temp_change_ok(&u->t, &account_collection, u->account, row, fields);
}

/* The key that the creds are of. */
static void
key_of(struct temp_user *u, char out[static NKEY_TEXT_SIZE])
{
	struct jwt_claims claims;
	temp_user_claims(u, &claims);
	str_fmt_cut(out, NKEY_TEXT_SIZE, "%s", claims.sub);
	jwt_claims_release(&claims);
}

/* ---- triggers ---- */

static void
test_regenerate(void **state)
{
	struct temp_user *u = *state;
	char key[NKEY_TEXT_SIZE];
	char again[NKEY_TEXT_SIZE];
	temp_user_pull(u, "regenerate"); /* nothing left yet */
	assert_int_equal(temp_user_revoked(u, "%"), 0);
	int64_t iat = issue(u);
	key_of(u, key);
	int64_t generation = temp_generation(&u->t, u->account);
	temp_user_pull(u, "regenerate");
	assert_int_equal(temp_user_revoked(u, "regenerate"), iat);
	assert_int_equal(temp_user_value(u, "issued_at"), 0);
	assert_int_equal(temp_user_value(u, "issued_until"), 0);
	assert_int_equal(temp_user_value(u, "issued_set"), 0);
	assert_int_equal(temp_generation(&u->t, u->account), generation + 1);
	assert_int_equal(temp_urgent_generation(&u->t, u->account), generation + 1);
	assert_int_equal(issue(u), iat + 1);
	key_of(u, again);
	assert_string_equal(key, again);
	/* each time it is asked for */
	temp_user_pull(u, "regenerate");
	assert_int_equal(temp_user_revoked(u, "regenerate"), iat + 1);
	assert_int_equal(temp_ask(&u->t,
				 "SELECT fields = '[\"regenerate\"]' FROM audit ORDER BY "
				 "seq DESC LIMIT 1",
				 NULL),
		1);
}

static void
test_revoke(void **state)
{
	struct temp_user *u = *state;
	char key[NKEY_TEXT_SIZE];
	char other[NKEY_TEXT_SIZE];
	int64_t seeds = temp_ask(&u->t, "SELECT count(*) FROM vault", NULL);
	int64_t iat = issue(u);
	key_of(u, key);
	temp_user_pull(u, "revoke");
	assert_int_equal(temp_user_revoked_any(u, "revoke"), iat);
	assert_int_equal(temp_user_revoked(u, "%"), 0); /* of the new key */
	assert_int_equal(temp_ask(&u->t, "SELECT count(*) FROM vault", NULL), seeds);
	key_of(u, other);
	assert_string_not_equal(key, other);
	assert_true(issue(u) > iat);
	assert_int_equal(
		temp_ask(&u->t,
			"SELECT count(*) FROM vault v JOIN users u ON u.public_key = "
			"v.public_key",
			NULL),
		1);
	/* both at once: the stronger one, once */
	int64_t entries = temp_ask(&u->t, "SELECT count(*) FROM revocations", NULL);
	temp_user_pull(u, "revoke,regenerate");
	assert_int_equal(
		temp_ask(&u->t, "SELECT count(*) FROM revocations", NULL), entries + 1);
	assert_int_equal(temp_user_revoked_any(u, "regenerate"), 0);
}

static void
test_triggers_of_a_new_user(void **state)
{
	struct temp_user *u = *state;
	struct err err = { 0 };
	struct violations violations = { 0 };
	char id[RAND_ID_SIZE];
	struct user row = temp_user_row();
	row.revoke = true;
	temp_set(&row.nats_username, "other");
	memcpy(row.account_id, u->account, sizeof(row.account_id));
	memcpy(row.role_id, u->role, sizeof(row.role_id));
	assert_int_equal(
		temp_create(&u->t, &user_collection, &row,
			"nats_username,account_id,role_id,revoke", id, &violations, &err),
		-1);
	assert_string_equal(violations.items[0].field, "revoke");
	record_release(&user_collection, &row);
}

/* ---- suspended users stay out ---- */

/* Fills every field that a client may write with something new. */
static void
fill(struct temp_user *u, struct user *row, const char *role, const char *account)
{
	temp_set(&row->nats_username, "renamed");
	temp_set(&row->full_name, "Full Name");
	temp_set(&row->description, "described");
	memcpy(row->account_id, account, sizeof(row->account_id));
	memcpy(row->role_id, role, sizeof(row->role_id));
	row->public_key.bytes[0] = 1;
	temp_list(&row->publish_permissions, "a");
	temp_list(&row->subscribe_permissions, "a");
	temp_list(&row->publish_deny_permissions, "a");
	temp_list(&row->subscribe_deny_permissions, "a");
	row->max_subscriptions = 1;
	row->max_data = 1;
	row->max_payload = 1;
	temp_list(&row->connection_types, "STANDARD");
	temp_list(&row->networks, "10.0.0.0/8");
	temp_set(&row->time_windows, "[{\"start\":\"08:00:00\",\"end\":\"09:00:00\"}]");
	temp_set(&row->times_location, "Europe/Berlin");
	row->bearer_token = true;
	row->proxy_required = true;
	temp_list(&row->tags, "a:b");
	row->jwt_expires_at = (temp_user_now(u) + 1000) * 1000;
	row->regenerate = true;
	row->revoke = true;
	temp_set(&row->email, "user@example.com");
	row->email_visibility = true;
	row->verified = true;
	temp_set(&row->password, "correct horse");
	temp_set(&row->password_confirm, "correct horse");
}

/* Fields that are refused alone go with another one. */
static const char *
with_companion(const char *field, char *out, size_t size)
{
	static const char *const pairs[][2] = { { "public_key", "revoke" },
		{ "times_location", "time_windows" }, { "password", "passwordConfirm" },
		{ "passwordConfirm", "password" } };
	for (size_t i = 0; i < COUNT(pairs); i++) {
		if (str_equal(field, pairs[i][0])) {
			str_fmt_cut(out, size, "%s,%s", field, pairs[i][1]);
			return out;
		}
	}
	str_fmt_cut(out, size, "%s", field);
	return out;
}

/* What it held before is refused, whatever its key and account are now. */
static bool
is_refused(const struct temp_user *u, const char *key_hex, int64_t account, int64_t iat)
{
	char sql[400];
	assert_int_equal(
		str_fmt(sql, sizeof(sql),
			"SELECT count(*) FROM revocations WHERE account = %lld AND "
			"hex(public_key) = '%s' AND at >= %lld",
			(long long)account, key_hex, (long long)iat),
		0);
	return temp_store_query(&u->t.temp, sql) > 0;
}

static void
read_key_hex(const struct temp_user *u, char out[static 65])
{
	for (int i = 0; i < 64; i++) {
		char column[80];
		str_fmt_cut(column, sizeof(column),
			"unicode(substr(hex(public_key), %d, 1))", i + 1);
		out[i] = (char)temp_user_value(u, column);
	}
	out[64] = '\0';
}

static void
test_suspended_stay_out(void **state)
{
	(void)state;
	size_t tried = 0;
	for (size_t i = 0; i < user_collection.field_count; i++) {
		const struct field *field = &user_collection.fields[i];
		if ((field->flags & (FIELD_READ_ONLY | FIELD_INTERNAL)) != 0 ||
			field->type == FIELD_ID || str_equal(field->name, "active")) {
			continue;
		}
		void *own = NULL;
		temp_user_set_up(&own);
		struct temp_user *u = own;
		struct user row = temp_user_row();
		char fields[96];
		char role[RAND_ID_SIZE];
		char account[RAND_ID_SIZE];
		char hex[65];
		temp_make_role(&u->t, "other", role);
		temp_make_account(&u->t, "other", account);
		fill(u, &row, role, account);
		int64_t iat = issue(u);
		int64_t seq = temp_account_seq(&u->t, u->account);
		read_key_hex(u, hex);
		temp_user_set_active(u, false);
		temp_user_advance(u, 10);
		with_companion(field->name, fields, sizeof(fields));
		temp_user_change(u, &row, fields);
		assert_int_equal(temp_user_value(u, "active"), 0);
		temp_user_has_no_creds(u, ERR_CONFLICT, "suspended");
		if (!is_refused(u, hex, seq, iat)) {
			fail_msg("%s lets a suspended user in", field->name);
		}
		/* and when it comes back, what it gets is good */
		temp_user_set_active(u, true);
		int64_t again = issue(u);
		assert_true(again > temp_user_revoked(u, "%"));
		temp_user_tear_down(&own);
		tried++;
	}
	assert_true(tried > 25);
}

static void
test_suspension_with_triggers(void **state)
{
	struct temp_user *u = *state;
	struct user row = temp_user_row();
	int64_t iat = issue(u);
	row.active = false;
	row.revoke = true;
	temp_user_change(u, &row, "active,revoke");
	assert_int_equal(temp_user_value(u, "active"), 0);
	assert_int_equal(temp_user_revoked_any(u, "revoke"), iat);
	temp_user_has_no_creds(u, ERR_CONFLICT, "suspended");
	temp_user_set_active(u, true);
	int64_t second = issue(u);
	assert_int_equal(temp_user_revoked(u, "%"), 0);

	row = temp_user_row();
	row.active = false;
	row.regenerate = true;
	temp_user_change(u, &row, "active,regenerate");
	temp_user_has_no_creds(u, ERR_CONFLICT, "suspended");
	assert_int_equal(temp_user_revoked(u, "regenerate"), second);
	/* nothing left since, so nothing is suspended */
	assert_int_equal(temp_user_revoked_any(u, "suspend"), 0);
	row = temp_user_row();
	row.active = true;
	row.regenerate = true;
	temp_user_change(u, &row, "active,regenerate");
	assert_true(issue(u) > temp_user_revoked(u, "%"));

	/* A suspension that is lifted with a regeneration: the old JWT does not come
	 * back.
	 */
	int64_t third = issue(u);
	temp_user_set_active(u, false);
	assert_int_equal(temp_user_revoked(u, "suspend"), third);
	row = temp_user_row();
	row.active = true;
	row.regenerate = true;
	temp_user_change(u, &row, "active,regenerate");
	assert_int_equal(temp_user_revoked(u, "suspend"), 0);
	assert_true(temp_user_revoked(u, "regenerate") >= third);
	assert_true(issue(u) > temp_user_revoked(u, "%"));

	/* One of the old key is not forgotten in the account. */
	temp_user_set_active(u, false);
	temp_user_pull(u, "revoke");
	assert_int_equal(temp_user_revoked_any(u, "suspend"), 0);
}

/* ---- narrowing ---- */

static void
set_overrides(struct temp_user *u, const char *publish, const char *deny,
	int64_t max_payload, bool bearer)
{
	struct user row = temp_user_row();
	if (publish != NULL) {
		temp_list(&row.publish_permissions, publish);
	}
	if (deny != NULL) {
		temp_list(&row.publish_deny_permissions, deny);
	}
	row.max_payload = max_payload;
	row.bearer_token = bearer;
	temp_user_change(u, &row,
		"publish_permissions,publish_deny_permissions,max_payload,bearer_token");
}

static void
test_narrowing(void **state)
{
	(void)state;
	static const struct {
		const char *publish[2];
		const char *deny[2];
		int64_t max_payload[2];
		bool bearer[2];
		bool narrows;
	} cases[] = {
		/* from and to overrides; the role allows r.> to publish */
		{ { NULL, "a" }, { NULL, NULL }, { FIELD_NULL_INT, FIELD_NULL_INT },
			{ false, false }, false },
		{ { NULL, NULL }, { NULL, "r.x" }, { FIELD_NULL_INT, FIELD_NULL_INT },
			{ false, false }, true },
		{ { NULL, NULL }, { NULL, NULL }, { FIELD_NULL_INT, 10 },
			{ false, false }, true },
		{ { NULL, NULL }, { NULL, NULL }, { FIELD_NULL_INT, -1 },
			{ false, false }, false },
		{ { NULL, NULL }, { NULL, NULL }, { FIELD_NULL_INT, FIELD_NULL_INT },
			{ false, true }, false },
		{ { "a.>", "a.b" }, { NULL, NULL }, { FIELD_NULL_INT, FIELD_NULL_INT },
			{ false, false }, true },
		{ { "a.b", "a.>" }, { NULL, NULL }, { FIELD_NULL_INT, FIELD_NULL_INT },
			{ false, false }, false },
		{ { "a.b", "r.x" }, { NULL, NULL }, { FIELD_NULL_INT, FIELD_NULL_INT },
			{ false, false }, true },
		{ { "r.x", "r.y" }, { NULL, NULL }, { FIELD_NULL_INT, FIELD_NULL_INT },
			{ false, false }, false },
		{ { "a", "a" }, { "r.x", NULL }, { FIELD_NULL_INT, FIELD_NULL_INT },
			{ false, false }, false },
		{ { NULL, NULL }, { NULL, NULL }, { 10, 20 }, { false, false }, false },
		{ { NULL, NULL }, { NULL, NULL }, { 20, 10 }, { false, false }, true },
		/* what says all itself does not follow the role: it may not stay */
		{ { "a", NULL }, { NULL, NULL }, { FIELD_NULL_INT, FIELD_NULL_INT },
			{ false, false }, true },
		{ { NULL, NULL }, { "r.x", NULL }, { FIELD_NULL_INT, FIELD_NULL_INT },
			{ false, false }, true },
		{ { NULL, NULL }, { NULL, NULL }, { 10, FIELD_NULL_INT },
			{ false, false }, true },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		void *own = NULL;
		temp_user_set_up(&own);
		struct temp_user *u = own;
		struct role role = temp_user_role_row();
		strlist_release(&role.publish_permissions);
		temp_list(&role.publish_permissions, "r.>");
		temp_user_change_role(u, &role, "publish_permissions");
		set_overrides(u, cases[i].publish[0], cases[i].deny[0],
			cases[i].max_payload[0], cases[i].bearer[0]);
		int64_t iat = issue(u);
		int64_t generation = temp_generation(&u->t, u->account);
		set_overrides(u, cases[i].publish[1], cases[i].deny[1],
			cases[i].max_payload[1], cases[i].bearer[1]);
		int64_t revoked = temp_user_revoked(u, "narrow");
		if (revoked != (cases[i].narrows ? iat : 0)) {
			fail_msg("case %zu: revoked at %lld", i, (long long)revoked);
		}
		int64_t bumps = cases[i].narrows ? 1 : 0;
		assert_int_equal(temp_generation(&u->t, u->account), generation + bumps);
		assert_true(issue(u) > iat);
		assert_int_equal(temp_user_revoked(u, "%"), revoked);
		temp_user_tear_down(&own);
	}
}

/* The role of such a user is inside of its JWT, so a narrower one takes it back. */
static void
test_role_narrows(void **state)
{
	struct temp_user *u = *state;
	set_overrides(u, "a", NULL, FIELD_NULL_INT, false);
	int64_t iat = issue(u);
	struct role role = temp_user_role_row();
	strlist_release(&role.publish_permissions);
	temp_list(&role.publish_permissions, "r.x");
	temp_user_change_role(u, &role, "publish_permissions");
	assert_int_equal(temp_user_revoked(u, "narrow"), iat);
	assert_true(issue(u) > iat);
}

/* ---- names and tags ---- */

static void
rename_user(struct temp_user *u, const char *name)
{
	struct user row = temp_user_row();
	temp_set(&row.nats_username, name);
	temp_user_change(u, &row, "nats_username");
}

static void
tag_user(struct temp_user *u, const char *tag)
{
	struct user row = temp_user_row();
	temp_list(&row.tags, tag);
	temp_user_change(u, &row, "tags");
}

static void
set_role_list(struct temp_user *u, const char *entry, bool deny)
{
	struct role role = temp_user_role_row();
	strlist_release(&role.publish_permissions);
	temp_list(&role.publish_permissions, deny ? ">" : entry);
	if (deny) {
		temp_list(&role.publish_deny_permissions, entry);
	}
	temp_user_change_role(u, &role, "publish_permissions,publish_deny_permissions");
}

static void
test_names(void **state)
{
	struct temp_user *u = *state;
	struct jwt_claims claims;
	rename_user(u, "first"); /* nothing left yet */
	assert_int_equal(temp_user_value(u, "superseded"), 0);
	int64_t iat = issue(u);
	temp_user_advance(u, 10);
	rename_user(u, "second");
	temp_user_claims(u, &claims);
	assert_string_equal(claims.name, "second");
	assert_int_equal(claims.iat, iat + 10);
	jwt_claims_release(&claims);
	assert_int_equal(temp_user_revoked(u, "%"), 0);
	assert_int_equal(temp_user_value(u, "superseded"), iat);
	assert_true(temp_user_value(u, "issued_at") != 0);
	tag_user(u, "a:b");
	assert_int_equal(temp_user_value(u, "superseded"), iat + 10);
	/* a role that gets to read names takes those back that say another */
	set_role_list(u, "u.{{name()}}", false);
	assert_int_equal(temp_user_revoked(u, "narrow"), iat + 10);
	assert_true(issue(u) > iat + 10);
	/* from then on a name is a permission */
	int64_t before = issue(u);
	rename_user(u, "third");
	assert_int_equal(temp_user_revoked(u, "narrow"), before);
	assert_int_equal(temp_user_value(u, "superseded"), 0);
	/* and tags are not, as none is read */
	before = issue(u);
	tag_user(u, "c:d");
	assert_true(temp_user_revoked(u, "narrow") < before);
	set_role_list(u, "u.{{tag(c)}}", false);
	before = issue(u);
	tag_user(u, "c:e");
	assert_int_equal(temp_user_revoked(u, "narrow"), before);
}

static void
test_what_feeds_templates(void **state)
{
	struct temp_user *u = *state;
	struct user row = temp_user_row();
	set_role_list(u, "u.{{name()}}", false);
	temp_set(&row.nats_username, "a.>");
	temp_user_refused(u, &row, "nats_username", "nats_username", "A-Z");
	tag_user(u, "team:red");
	set_role_list(u, "u.{{tag(team)}}", true);
	row = temp_user_row();
	temp_list(&row.tags, "other:red");
	temp_user_refused(u, &row, "tags", "tags", "team");
	/* so with the role that a user comes to */
	char role[RAND_ID_SIZE];
	temp_make_role(&u->t, "plain", role);
	row = temp_user_row();
	memcpy(row.role_id, role, sizeof(row.role_id));
	temp_user_change(u, &row, "role_id");
	row = temp_user_row();
	temp_list(&row.tags, NULL);
	temp_user_change(u, &row, "tags");
	row = temp_user_row();
	memcpy(row.role_id, u->role, sizeof(row.role_id));
	temp_user_refused(u, &row, "role_id", "tags", "team");
}

/* A user with overrides: what its name makes of the role is inside. */
static void
test_names_inside(void **state)
{
	struct temp_user *u = *state;
	set_role_list(u, "u.{{name()}}", false);
	set_overrides(u, "a", NULL, FIELD_NULL_INT, false);
	int64_t iat = issue(u);
	rename_user(u, "other");
	assert_int_equal(temp_user_revoked(u, "narrow"), iat);
}

/* ---- moves ---- */

static void
test_moves_keep_overrides(void **state)
{
	struct temp_user *u = *state;
	struct jwt_claims claims;
	char account[RAND_ID_SIZE];
	char key[NKEY_TEXT_SIZE];
	temp_make_account(&u->t, "other", account);
	set_overrides(u, "a", NULL, 10, false);
	temp_user_claims(u, &claims);
	int64_t iat = claims.iat;
	str_fmt_cut(key, sizeof(key), "%s", claims.as.user.issuer_account);
	jwt_claims_release(&claims);
	struct user row = temp_user_row();
	memcpy(row.account_id, account, sizeof(row.account_id));
	temp_user_change(u, &row, "account_id");
	assert_int_equal(temp_user_revoked_any(u, "move"), iat);
	assert_int_equal(temp_user_revoked(u, "%"), 0); /* in the new one */
	temp_user_claims(u, &claims);
	assert_string_not_equal(key, claims.as.user.issuer_account);
	assert_int_equal(claims.as.user.limits.payload, 10);
	assert_int_equal(claims.iat, iat + 1);
	jwt_claims_release(&claims);
}

/* ---- what is dead needs nothing ---- */

static int64_t
revocations(const struct temp_user *u)
{
	return temp_ask(&u->t, "SELECT count(*) FROM revocations", NULL);
}

static void
test_ended_needs_none(void **state)
{
	struct temp_user *u = *state;
	struct user row = temp_user_row();
	int64_t end = temp_user_now(u) + 100;
	row.jwt_expires_at = end * 1000;
	temp_user_change(u, &row, "jwt_expires_at");
	(void)issue(u);
	temp_user_set_active(u, false);
	assert_int_equal(temp_ask(&u->t, "SELECT expires FROM revocations", NULL), end);
	assert_int_equal(temp_ask(&u->t, "SELECT key_set FROM revocations", NULL), 1);
	temp_user_set_active(u, true);
	temp_user_advance(u, 200);
	int64_t generation = temp_generation(&u->t, u->account);
	temp_user_set_active(u, false);
	temp_user_pull(u, "regenerate");
	temp_user_pull(u, "revoke");
	temp_delete_ok(&u->t, &user_collection, u->id);
	assert_int_equal(revocations(u), 0);
	assert_int_equal(temp_generation(&u->t, u->account), generation);
}

static void
test_retired_keys_need_none(void **state)
{
	struct temp_user *u = *state;
	struct account row = { .rotate_keys = true };
	int64_t iat = issue(u);
	change_account(u, &row, "rotate_keys");
	temp_user_set_active(u, false);
	temp_user_set_active(u, true);
	temp_user_pull(u, "regenerate");
	assert_int_equal(revocations(u), 0);
	/* what is signed by the keys of now does */
	assert_true(issue(u) > iat);
	assert_int_equal(temp_user_value(u, "issued_set"), 2);
	temp_user_set_active(u, false);
	assert_int_equal(revocations(u), 1);
	assert_int_equal(temp_ask(&u->t, "SELECT key_set FROM revocations", NULL), 2);
}

/* Keys that sign no more but are trusted: what they signed lives. */
static void
test_older_keys_count(void **state)
{
	struct temp_user *u = *state;
	struct account row = { .add_signing_key = true };
	(void)issue(u);
	change_account(u, &row, "add_signing_key");
	temp_user_set_active(u, false);
	assert_int_equal(revocations(u), 1);
	temp_user_set_active(u, true);
	/* the next read is signed by the new ones, and noted */
	int64_t version = temp_user_value(u, "version");
	(void)issue(u);
	assert_int_equal(temp_user_value(u, "issued_set"), 2);
	assert_int_equal(temp_user_value(u, "version"), version + 1);
	(void)issue(u);
	assert_int_equal(temp_user_value(u, "version"), version + 1);
}

/* ---- all users of an account ---- */

static int64_t
revoke_all(struct temp_user *u)
{
	struct account row = { .revoke_all = true };
	change_account(u, &row, "revoke_all");
	return temp_user_revoked_any(u, "all");
}

static void
test_revoke_all(void **state)
{
	struct temp_user *u = *state;
	int64_t iat = issue(u);
	int64_t version = temp_user_value(u, "version");
	int64_t at = revoke_all(u);
	assert_true(at >= iat);
	assert_int_equal(temp_user_value(u, "version"), version); /* no row is written */
	assert_int_equal(issue(u), at + 1);
	/* again in the same second: what was issued in between, too */
	int64_t again = revoke_all(u);
	assert_true(again >= at + 1);
	int64_t third = issue(u);
	assert_int_equal(third, again + 1);
	/* whatever comes after refuses what came after it */
	temp_user_set_active(u, false);
	assert_true(temp_user_revoked(u, "suspend") >= third);
	temp_user_set_active(u, true);
	assert_int_equal(issue(u), third);
	temp_user_pull(u, "regenerate");
	assert_true(temp_user_revoked(u, "regenerate") >= third);
	assert_true(issue(u) > temp_user_revoked(u, "%"));
	int64_t fourth = issue(u);
	again = revoke_all(u);
	assert_true(again >= fourth);
	rename_user(u, "renamed");
	assert_true(issue(u) > again);
	rename_user(u, "renamed again");
	int64_t named = temp_user_value(u, "superseded");
	assert_true(named > again);
	temp_delete_ok(&u->t, &user_collection, u->id);
	assert_true(temp_user_revoked_any(u, "delete") >= named);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_user_set_up, temp_user_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_regenerate),
		TEST(test_revoke),
		TEST(test_triggers_of_a_new_user),
		cmocka_unit_test(test_suspended_stay_out),
		TEST(test_suspension_with_triggers),
		cmocka_unit_test(test_narrowing),
		TEST(test_role_narrows),
		TEST(test_names),
		TEST(test_what_feeds_templates),
		TEST(test_names_inside),
		TEST(test_moves_keep_overrides),
		TEST(test_ended_needs_none),
		TEST(test_retired_keys_need_none),
		TEST(test_older_keys_count),
		TEST(test_revoke_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
