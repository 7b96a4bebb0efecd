/* SPDX-License-Identifier: Apache-2.0
 * Roles: what they need of their users and accounts, and what they take back. */
#include "base/str.h"
#include "model/limits.h"
#include "model/template.h"
#include "service/role_rules.h"
#include "store/audit.h"
#include "store/record.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Two accounts, a role that both use, another role, a user in each account. */
struct stage {
	struct temp_service t;
	char accounts[2][RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	char other[RAND_ID_SIZE];
	char users[2][RAND_ID_SIZE];
};

static int
set_up(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	temp_service_init(&s->t);
	temp_make_account(&s->t, "one", s->accounts[0]);
	temp_make_account(&s->t, "two", s->accounts[1]);
	temp_make_role(&s->t, "role", s->role);
	temp_make_role(&s->t, "other", s->other);
	temp_make_user(&s->t, "alice", s->accounts[0], s->role, s->users[0]);
	temp_make_user(&s->t, "bob", s->accounts[1], s->role, s->users[1]);
	*state = s;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *s = *state;
	temp_service_release(&s->t);
	free(s);
	return 0;
}

static void
set_list(struct strlist *list, const char *words)
{
	struct err err = { 0 };
	strlist_release(list);
	assert_int_equal(strlist_make(list, &err), 0);
	while (*words != '\0') {
		size_t len = strcspn(words, ",");
		assert_int_equal(strlist_add_n(list, words, len, &err), 0);
		words += len + (words[len] == ',' ? 1 : 0);
	}
}

static int
try_list(struct stage *s, const char *field, const char *words,
	struct violations *violations, struct err *err)
{
	struct role row = { 0 };
	set_list(record_member(collection_field(&role_collection, field), &row), words);
	int rc = temp_change(
		&s->t, &role_collection, s->role, &row, field, violations, err);
	record_release(&role_collection, &row);
	return rc;
}

static void
give_list(struct stage *s, const char *field, const char *words)
{
	struct err err = { 0 };
	struct violations violations = { 0 };
	if (try_list(s, field, words, &violations, &err) != 0) {
		fail_msg("%s: %s", field, err.msg);
	}
}

static void
assert_list_refused(
	struct stage *s, const char *field, const char *words, const char *says)
{
	struct err err = { 0 };
	struct violations violations = { 0 };
	int64_t before = temp_generation(&s->t, s->accounts[0]);
	if (try_list(s, field, words, &violations, &err) == 0) {
		fail_msg("%s \"%s\" was taken", field, words);
	}
	assert_int_equal(err.code, ERR_INVALID);
	assert_int_equal(violations.len, 1);
	assert_string_equal(violations.items[0].field, field);
	if (strstr(violations.items[0].message, says) == NULL) {
		fail_msg("no \"%s\" in: %s", says, violations.items[0].message);
	}
	assert_int_equal(temp_generation(&s->t, s->accounts[0]), before);
}

static void
exec(struct stage *s, const char *sql)
{
	temp_store_exec(&s->t.temp, sql);
}

static int64_t
role_value(const struct stage *s, const char *column)
{
	char sql[128];
	str_fmt_cut(sql, sizeof(sql), "SELECT %s FROM roles WHERE id = '%s'", column,
		s->role);
	return temp_ask(&s->t, sql, NULL);
}

static int64_t
user_value(const struct stage *s, int user, const char *column)
{
	char sql[256];
	str_fmt_cut(sql, sizeof(sql), "SELECT %s FROM users WHERE id = '%s'", column,
		s->users[user]);
	return temp_ask(&s->t, sql, NULL);
}

static bool
was_urgent(const struct stage *s, int account)
{
	return temp_generation(&s->t, s->accounts[account]) ==
		temp_urgent_generation(&s->t, s->accounts[account]);
}

/* ---- templates ---- */

static void
test_feeds(void **state)
{
	struct stage *s = *state;
	assert_int_equal(role_value(s, "feeds"), 0);
	give_list(s, "publish_permissions", "a.{{name()}},b.{{subject()}}");
	assert_int_equal(role_value(s, "feeds"), TEMPLATE_NAME | TEMPLATE_SUBJECT);
	give_list(s, "subscribe_permissions", "{{tag(x)}}.KV_{{account-subject()}}");
	assert_int_equal(role_value(s, "feeds"),
		TEMPLATE_NAME | TEMPLATE_SUBJECT | TEMPLATE_TAG |
			TEMPLATE_ACCOUNT_SUBJECT);
	give_list(s, "publish_permissions", "a");
	give_list(s, "subscribe_deny_permissions", "a.{{account-name()}}.>");
	assert_int_equal(role_value(s, "feeds"),
		TEMPLATE_TAG | TEMPLATE_ACCOUNT_SUBJECT | TEMPLATE_ACCOUNT_NAME);

	/* from the start */
	struct role row = { 0 };
	struct err err = { 0 };
	char id[RAND_ID_SIZE];
	temp_set(&row.name, "third");
	set_list(&row.publish_permissions, "{{account-tag(x)}}");
	assert_int_equal(temp_create(&s->t, &role_collection, &row,
				 "name,publish_permissions", id, NULL, &err),
		0);
	assert_int_equal(temp_ask(&s->t, "SELECT feeds FROM roles WHERE id = '%s'", id),
		TEMPLATE_ACCOUNT_TAG);
	record_release(&role_collection, &row);
}

static void
test_bad_templates(void **state)
{
	static const struct {
		const char *field;
		const char *words;
		const char *says;
	} cases[] = {
		{ "publish_permissions", "a.{{nme()}}", "unknown template" },
		{ "publish_permissions", "a.{{name()}", "not closed" },
		{ "publish_permissions", "a.{{name()}}..b", "empty token" },
		{ "publish_permissions", "a b", "" },
		{ "publish_permissions", "a.{{Name()}}", "unknown template" },
		{ "subscribe_permissions", "a.{{name()}} q", "" },
		{ "subscribe_permissions", "a.{{name()}},b q", "queue" },
		{ "subscribe_deny_permissions", "a q,b.{{name()}}", "queue" },
		{ "publish_deny_permissions", "KV_{{name()}}.a", "whole token" },
	};
	struct stage *s = *state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_list_refused(s, cases[i].field, cases[i].words, cases[i].says);
	}
}

static void
rename_user(struct stage *s, int user, const char *name)
{
	struct user row = { 0 };
	temp_set(&row.nats_username, name);
	temp_change_ok(&s->t, &user_collection, s->users[user], &row, "nats_username");
	record_release(&user_collection, &row);
}

static void
test_unsafe_names(void **state)
{
	static const char *const unsafe[] = { "a.b", "a*", ">", "a b", "\xc3\xa9",
		"a:b" };
	struct stage *s = *state;
	for (size_t i = 0; i < COUNT(unsafe); i++) {
		give_list(s, "publish_permissions", "b");
		rename_user(s, 1, unsafe[i]);
		assert_list_refused(
			s, "publish_permissions", "a.{{name()}},b", unsafe[i]);
		give_list(s, "publish_permissions", "a.{{subject()}}");
	}
	assert_list_refused(s, "publish_deny_permissions", "{{name()}}", "Rename");
	rename_user(s, 1, "A-z_09");
	give_list(s, "publish_permissions", "a.{{name()}},b");

	exec(s, "UPDATE accounts SET name = 'two & more' WHERE name = 'two'");
	assert_list_refused(
		s, "subscribe_permissions", "{{account-name()}}", "two & more");
	give_list(s, "subscribe_permissions", "{{account-subject()}}");
	exec(s, "UPDATE accounts SET name = 'two' WHERE name = 'two & more'");
	give_list(s, "subscribe_permissions", "{{account-name()}}");
}

static void
set_tags(struct stage *s, const char *tags)
{
	struct user row = { 0 };
	set_list(&row.tags, tags);
	temp_change_ok(&s->t, &user_collection, s->users[1], &row, "tags");
	record_release(&user_collection, &row);
}

static void
test_tags(void **state)
{
	struct stage *s = *state;
	char many[1024] = "";
	size_t len = 0;
	give_list(s, "publish_permissions", "a.{{tag(x)}}"); /* nobody gets anything */
	assert_list_refused(s, "publish_deny_permissions", "a.{{tag(x)}}", "alice");
	exec(s, "UPDATE users SET tags = '[\"x:1\"]' WHERE nats_username = 'alice'");
	assert_list_refused(s, "publish_deny_permissions", "a.{{tag(x)}}", "bob");
	set_tags(s, "x"); /* a key without a value fills nothing in */
	assert_list_refused(s, "publish_deny_permissions", "a.{{tag(x)}}", "bob");
	set_tags(s, "xx:1,y:x");
	assert_list_refused(s, "publish_deny_permissions", "a.{{tag(x)}}", "no tag x");
	set_tags(s, "x:2,y:1");
	give_list(s, "publish_deny_permissions", "a.{{tag(x)}}");
	give_list(s, "publish_deny_permissions", "");

	/* of the account */
	assert_list_refused(
		s, "subscribe_deny_permissions", "{{account-tag(t)}}", "account has no");
	exec(s, "UPDATE accounts SET tags = '[\"t:1\"]' WHERE name = 'one'");
	assert_list_refused(s, "subscribe_deny_permissions", "{{account-tag(t)}}", "bob");
	exec(s, "UPDATE accounts SET tags = '[\"t:1\",\"t:2\"]'");
	give_list(s, "subscribe_deny_permissions", "{{account-tag(t)}}");

	/* 16 * 16 * 16 is what servers take, 17 * 16 * 16 is not */
	for (int i = 0; i < 48; i++) {
		assert_int_equal(str_fmt(many + len, sizeof(many) - len, "%s%c:%d",
					 i > 0 ? "," : "", "xyz"[i % 3], i),
			0);
		len = strlen(many);
	}
	set_tags(s, many);
	give_list(s, "publish_permissions", "{{tag(x)}}.{{tag(y)}}.{{tag(z)}}");
	give_list(s, "publish_permissions", "a");
	assert_int_equal(str_copy(many + len, sizeof(many) - len, ",x:99"), 0);
	set_tags(s, many);
	assert_list_refused(
		s, "publish_permissions", "{{tag(x)}}.{{tag(y)}}.{{tag(z)}}", "4096");
}

/* Users and accounts that change while a role does: only those are looked at again. */
static void
test_changed_meanwhile(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	struct role role = { 0 };
	struct violations violations = { 0 };
	int64_t seen = 0;
	assert_int_equal(store_read_begin(s->t.temp.store, &conn, &err), 0);
	assert_int_equal(
		store_record_get(conn, &role_collection, s->role, &role, &err), 0);
	set_list(&role.publish_deny_permissions, "{{tag(x)}}");
	role.feeds = TEMPLATE_TAG;
	assert_int_equal(role_rules_check_users(conn, &role, -1, &violations, &err), -1);
	assert_int_equal(store_audit_newest(conn, &seen, &err), 0);
	violations.len = 0;
	assert_int_equal(role_rules_check_users(conn, &role, seen, &violations, &err), 0);
	store_read_end(s->t.temp.store, conn);

	rename_user(s, 1, "robert");
	assert_int_equal(store_read_begin(s->t.temp.store, &conn, &err), 0);
	assert_int_equal(
		role_rules_check_users(conn, &role, seen, &violations, &err), -1);
	assert_non_null(strstr(violations.items[0].message, "robert"));
	store_read_end(s->t.temp.store, conn);
	record_release(&role_collection, &role);
}

/* ---- the other way round ---- */

static bool
user_fits(struct stage *s, int user, const char *name, const char *tags,
	struct violations *violations)
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	struct user row = { 0 };
	*violations = (struct violations){ 0 };
	assert_int_equal(store_read_begin(s->t.temp.store, &conn, &err), 0);
	assert_int_equal(
		store_record_get(conn, &user_collection, s->users[user], &row, &err), 0);
	temp_set(&row.nats_username, name);
	set_list(&row.tags, tags);
	int rc = role_rules_check_user(conn, &row, violations, &err);
	store_read_end(s->t.temp.store, conn);
	record_release(&user_collection, &row);
	assert_true(rc == 0 || err.code == ERR_INVALID);
	assert_true((rc == 0) == (violations->len == 0));
	return rc == 0;
}

static void
test_check_user(void **state)
{
	struct stage *s = *state;
	struct violations violations = { 0 };
	assert_true(user_fits(s, 1, "a.b", "", &violations));
	give_list(s, "publish_permissions", "a.{{name()}}");
	assert_false(user_fits(s, 1, "a.b", "", &violations));
	assert_string_equal(violations.items[0].field, "nats_username");
	assert_true(user_fits(s, 1, "a-b", "", &violations));
	exec(s, "UPDATE users SET tags = '[\"x:1\"]'");
	give_list(s, "publish_deny_permissions", "{{tag(x)}}");
	assert_false(user_fits(s, 1, "a-b", "", &violations));
	assert_string_equal(violations.items[0].field, "tags");
	assert_non_null(strstr(violations.items[0].message, "no tag x"));
	assert_true(user_fits(s, 1, "a-b", "x:1", &violations));
	give_list(s, "subscribe_permissions", "{{account-name()}}");
	exec(s, "UPDATE accounts SET name = 'two.two' WHERE name = 'two'");
	assert_false(user_fits(s, 1, "a-b", "x:1", &violations));
	assert_string_equal(violations.items[0].field, "account_id");
}

static bool
account_fits(struct stage *s, const char *name, const char *tags, int64_t since,
	struct violations *violations)
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	struct account row = { 0 };
	*violations = (struct violations){ 0 };
	assert_int_equal(store_read_begin(s->t.temp.store, &conn, &err), 0);
	assert_int_equal(
		store_record_get(conn, &account_collection, s->accounts[1], &row, &err),
		0);
	temp_set(&row.name, name);
	set_list(&row.tags, tags);
	int rc = role_rules_check_account(conn, &row, since, violations, &err);
	store_read_end(s->t.temp.store, conn);
	record_release(&account_collection, &row);
	assert_true(rc == 0 || err.code == ERR_INVALID);
	return rc == 0;
}

static void
test_check_account(void **state)
{
	struct stage *s = *state;
	struct violations violations = { 0 };
	assert_true(account_fits(s, "a.b", "", -1, &violations));
	give_list(s, "publish_permissions", "a.{{account-name()}}");
	assert_false(account_fits(s, "a.b", "", -1, &violations));
	assert_string_equal(violations.items[0].field, "name");
	assert_non_null(strstr(violations.items[0].message, "\"role\""));
	assert_true(account_fits(s, "a_b", "", -1, &violations));
	exec(s, "UPDATE accounts SET tags = '[\"t:1\"]'");
	give_list(s, "publish_deny_permissions", "{{account-tag(t)}}");
	assert_true(account_fits(s, "a_b", "t:2", -1, &violations));
	assert_false(account_fits(s, "a_b", "u:2", -1, &violations));
	assert_string_equal(violations.items[0].field, "tags");
}

/* Users that change while their account does: only those are looked at again. */
static void
test_account_looks_again(void **state)
{
	struct stage *s = *state;
	struct violations violations = { 0 };
	exec(s, "UPDATE accounts SET tags = '[\"t:1\"]'");
	give_list(s, "publish_permissions", "{{tag(x)}}");
	give_list(s, "publish_deny_permissions", "{{account-tag(t)}}");
	int64_t seen = temp_ask(&s->t, "SELECT max(seq) FROM audit", NULL);
	assert_false(account_fits(s, "two", "", -1, &violations));
	assert_string_equal(violations.items[0].field, "tags");
	assert_non_null(strstr(violations.items[0].message, "bob"));
	assert_true(account_fits(s, "two", "", seen, &violations));
	rename_user(s, 0, "of another account");
	assert_true(account_fits(s, "two", "", seen, &violations));
	rename_user(s, 1, "robert");
	assert_false(account_fits(s, "two", "", seen, &violations));
	assert_non_null(strstr(violations.items[0].message, "robert"));
}

/* What somebody else commits between the look and the transaction. */
static struct meanwhile {
	const char *sql; /* NULL: it is done */
	const char *collection;
	const char *id;
} meanwhile;

/* Looked at right before a transaction begins. */
static int64_t
read_mono_and_change(void *ctx)
{
	struct temp_service *t = ctx;
	char sql[512];
	if (meanwhile.sql != NULL) {
		str_fmt_cut(sql, sizeof(sql),
			"INSERT INTO audit (at, actor, action, collection, record_id, "
			"previous, hash) SELECT at, 'superuser', 'update', '%s', '%s', "
			"hash, hash FROM audit ORDER BY seq DESC LIMIT 1",
			meanwhile.collection, meanwhile.id);
		temp_store_exec(&t->temp, meanwhile.sql);
		temp_store_exec(&t->temp, sql);
		meanwhile.sql = NULL;
	}
	return t->temp.clock.mono;
}

/* Tags that everything fitted, until somebody else was faster. */
static void
check_overtaken(struct stage *s, const char *sql, const char *collection, const char *id,
	const char *says)
{
	struct account row = { 0 };
	struct err err = { 0 };
	struct violations violations = { 0 };
	int64_t generation = temp_generation(&s->t, s->accounts[1]);
	set_list(&row.tags, "t:2");
	meanwhile = (struct meanwhile){ .sql = sql, .collection = collection, .id = id };
	s->t.clock.mono = read_mono_and_change;
	assert_int_equal(temp_change(&s->t, &account_collection, s->accounts[1], &row,
				 "tags", &violations, &err),
		says != NULL ? -1 : 0);
	assert_null(meanwhile.sql);
	record_release(&account_collection, &row);
	if (says == NULL) {
		return;
	}
	assert_int_equal(err.code, ERR_INVALID);
	assert_string_equal(violations.items[0].field, "tags");
	assert_non_null(strstr(violations.items[0].message, says));
	assert_int_equal(temp_generation(&s->t, s->accounts[1]), generation);
}

static void
test_account_is_overtaken(void **state)
{
	struct stage *s = *state;
	exec(s, "UPDATE accounts SET tags = '[\"t:1\"]'");
	exec(s, "UPDATE users SET tags = '[\"x:1\"]'");
	give_list(s, "publish_permissions", "{{account-tag(t)}}");
	give_list(s, "publish_deny_permissions", "{{tag(x)}}");
	check_overtaken(s, "UPDATE users SET tags = '[]' WHERE nats_username = 'bob'",
		"nats_users", s->users[1], "bob");
	exec(s, "UPDATE users SET tags = '[\"x:1\"]'");
	check_overtaken(s,
		"UPDATE roles SET publish_deny_permissions = '[\"{{account-tag(u)}}\"]' "
		"WHERE name = 'role'",
		"nats_roles", s->role, "no tag u");
	exec(s, "UPDATE roles SET publish_deny_permissions = '[]' WHERE name = 'role'");
	check_overtaken(s, "UPDATE roles SET description = 'of others'", "nats_roles",
		s->role, NULL);
}

/* ---- what is taken back ---- */

/* As if its JWT had permissions of the role inside, and had left. */
static void
make_override(struct stage *s, int user, int64_t iat, int64_t until, int64_t set)
{
	char sql[512];
	str_fmt_cut(sql, sizeof(sql),
		"UPDATE users SET overrides = 1, iat = %lld, issued_at = %lld, "
		"issued_until = %lld, issued_set = %lld, superseded = 0, exp = 0 WHERE "
		"id = '%s'",
		(long long)iat, (long long)(until != 0 ? iat * 1000 : 0),
		(long long)until, (long long)set, s->users[user]);
	exec(s, sql);
}

static int64_t
now_s(const struct stage *s)
{
	return s->t.temp.clock.wall / 1000;
}

static int64_t
revocation(const struct stage *s, int user, const char *column)
{
	char sql[256];
	str_fmt_cut(sql, sizeof(sql),
		"SELECT coalesce(max(r.%s), -1) FROM revocations r JOIN users u ON "
		"u.public_key = r.public_key AND u.account = r.account WHERE u.id = '%s' "
		"AND r.cause = 'narrow'",
		column, s->users[user]);
	return temp_ask(&s->t, sql, NULL);
}

static void
test_narrow_overrides(void **state)
{
	struct stage *s = *state;
	int64_t now = now_s(s);
	give_list(s, "publish_permissions", "a,b");
	make_override(s, 0, now - 100, USER_FOREVER, 1);
	int64_t version = user_value(s, 0, "version");
	int64_t other = user_value(s, 1, "version");
	int64_t updated = user_value(s, 1, "updated");

	/* widening takes nothing back, and does not hurry */
	give_list(s, "publish_permissions", "a,b,c");
	assert_int_equal(revocation(s, 0, "at"), -1);
	assert_int_equal(user_value(s, 0, "version"), version);
	assert_false(was_urgent(s, 0));

	give_list(s, "publish_permissions", "a,b");
	assert_int_equal(revocation(s, 0, "at"), now);
	assert_int_equal(revocation(s, 0, "expires"), 0);
	assert_int_equal(revocation(s, 0, "key_set"), 1);
	assert_int_equal(user_value(s, 0, "iat"), now + 1);
	assert_int_equal(user_value(s, 0, "issued_at"), 0);
	assert_int_equal(user_value(s, 0, "issued_until"), 0);
	assert_int_equal(user_value(s, 0, "issued_set"), 0);
	assert_true(user_value(s, 0, "version") > version);
	assert_true(was_urgent(s, 0) && was_urgent(s, 1));
	/* the other user has it from the scope */
	assert_int_equal(user_value(s, 1, "version"), other);
	assert_int_equal(user_value(s, 1, "updated"), updated);
	assert_int_equal(temp_ask(&s->t, "SELECT count(*) FROM revocations", NULL), 1);

	/* again, when it was issued anew in the second to come */
	make_override(s, 0, now + 1, now + 500, 1);
	give_list(s, "publish_permissions", "a");
	assert_int_equal(revocation(s, 0, "at"), now + 1);
	assert_int_equal(user_value(s, 0, "iat"), now + 2);
	assert_int_equal(revocation(s, 0, "expires"), 0); /* that of the first stands */
}

static void
test_narrow_needs_none(void **state)
{
	struct stage *s = *state;
	static const struct {
		int64_t until; /* from now */
		int64_t set;
		bool needed;
	} cases[] = {
		{ 0, 0, false }, /* never issued */
		{ 0, 2, true }, /* expired now, but not by the clock of all servers */
		{ -60, 2, true },
		{ -61, 2, false },
		{ 100, 1, false }, /* its keys are gone */
		{ 100, 2, true },
		{ 100, 3, true },
	};
	int64_t now = now_s(s);
	exec(s, "UPDATE signing_keys SET key_set = 2 WHERE account IS NOT NULL");
	exec(s, "UPDATE accounts SET key_set = 2");
	for (size_t i = 0; i < COUNT(cases); i++) {
		bool issued = cases[i].set != 0;
		exec(s, "DELETE FROM revocations");
		give_list(s, "publish_permissions", "a,b");
		make_override(
			s, 0, now - 200, issued ? now + cases[i].until : 0, cases[i].set);
		int64_t version = user_value(s, 0, "version");
		give_list(s, "publish_permissions", "a");
		assert_int_equal(revocation(s, 0, "at"), cases[i].needed ? now : -1);
		assert_int_equal(
			user_value(s, 0, "iat"), cases[i].needed ? now + 1 : now - 200);
		if (cases[i].needed) {
			assert_int_equal(
				revocation(s, 0, "expires"), now + cases[i].until);
			assert_int_equal(revocation(s, 0, "key_set"), cases[i].set);
		}
		/* a JWT that is being made from the old role must not leave */
		assert_int_equal(user_value(s, 0, "version"), version + 1);
		assert_true(was_urgent(s, 0));
	}
}

/* All of the account was refused: its users' JWTs are dated later than their rows. */
static void
test_narrow_after_all(void **state)
{
	struct stage *s = *state;
	int64_t now = now_s(s);
	give_list(s, "publish_permissions", "a,b");
	make_override(s, 0, now - 100, USER_FOREVER, 1);
	exec(s,
		"INSERT INTO revocations (account, public_key, cause, at, created) "
		"SELECT account, x'', 'all', unixepoch() + 1000000000, 0 FROM users "
		"WHERE nats_username = 'alice'");
	int64_t all = temp_ask(&s->t, "SELECT at FROM revocations", NULL);
	give_list(s, "publish_permissions", "a");
	assert_int_equal(revocation(s, 0, "at"), all + 1);
	assert_int_equal(user_value(s, 0, "iat"), all + 2);
}

static void
test_superseded(void **state)
{
	struct stage *s = *state;
	int64_t now = now_s(s);
	make_override(s, 0, now, USER_FOREVER, 1);
	make_override(s, 1, now, now + 100, 1);
	exec(s, "UPDATE users SET overrides = 0, superseded = iat - 5");
	give_list(s, "publish_permissions", ">,a.{{subject()}}");
	assert_int_equal(temp_ask(&s->t, "SELECT count(*) FROM revocations", NULL), 0);
	assert_false(was_urgent(s, 0));
	give_list(s, "publish_permissions", ">,a.{{name()}}");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(revocation(s, i, "at"), now - 5);
		assert_int_equal(user_value(s, i, "superseded"), 0);
		assert_int_equal(user_value(s, i, "iat"), now); /* the newest is good */
		assert_int_equal(user_value(s, i, "issued_set"), 1);
		assert_true(was_urgent(s, i));
	}
	assert_int_equal(revocation(s, 0, "expires"), 0);
	assert_int_equal(revocation(s, 1, "expires"), now + 100);
}

static void
test_narrow_budget(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct violations violations = { 0 };
	give_list(s, "publish_permissions", "a,b");
	temp_fill_revocations(&s->t, temp_account_seq(&s->t, s->accounts[0]),
		LIMIT_ACCOUNT_JWT_BYTES / 100 * 86 / 94);
	give_list(s, "publish_permissions", "a"); /* nothing to refuse, so it fits */
	make_override(s, 0, now_s(s), USER_FOREVER, 1);
	assert_int_equal(try_list(s, "publish_permissions", "x", &violations, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "rotate_keys"));
	assert_int_equal(user_value(s, 0, "iat"), now_s(s)); /* nothing was done */
}

/* ---- sizes ---- */

static void
test_growth(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct violations violations = { 0 };
	struct role row = { 0 };
	char words[40 * 64];
	size_t len = 0;
	for (int i = 0; i < 40; i++) {
		assert_int_equal(str_fmt(words + len, sizeof(words) - len,
					 "%ssubject.%d.of.many", i > 0 ? "," : "", i),
			0);
		len = strlen(words);
	}
	/* as many as go into one JWT of a user with others of its own */
	give_list(s, "publish_permissions", words);
	give_list(s, "publish_permissions", "a");
	make_override(s, 0, now_s(s), USER_FOREVER, 1);
	exec(s,
		"UPDATE users SET publish_permissions = (SELECT "
		"json_group_array('own.' || value) FROM json_each((SELECT "
		"'[' || group_concat(seq) || ']' FROM (WITH RECURSIVE n(seq) AS (SELECT "
		"100 UNION ALL SELECT seq + 1 FROM n WHERE seq < 200) SELECT seq FROM "
		"n)))) WHERE overrides = 1");
	assert_list_refused(s, "publish_permissions", words, "alice");
	assert_list_refused(s, "publish_permissions", words, "3000");
	/* and again, when it comes from templates */
	exec(s,
		"UPDATE users SET publish_permissions = NULL, tags = (SELECT "
		"json_group_array('x:' || value) FROM json_each('[1,2,3,4,5,6,7,8,9,10,"
		"11,12,13,14,15,16,17]')) WHERE overrides = 1");
	assert_list_refused(s, "publish_permissions",
		"{{tag(x)}}.a.subject.that.is.longer.than.most.of.those.that.people.use,"
		"{{tag(x)}}.another.subject.that.is.longer.than.most.of.the.others",
		"alice");
	make_override(s, 0, now_s(s), USER_FOREVER, 1);
	give_list(s, "publish_permissions", "{{tag(x)}}.to.a");

	/* the keys of each set have it in their scope */
	give_list(s, "publish_permissions", "a");
	exec(s, "UPDATE users SET overrides = 0");
	temp_fill_revocations(&s->t, temp_account_seq(&s->t, s->accounts[0]),
		LIMIT_ACCOUNT_JWT_BYTES / 100 * 74 / 94);
	give_list(s, "publish_permissions", words);
	give_list(s, "publish_permissions", "a");
	exec(s,
		"WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i "
		"< 6) INSERT INTO signing_keys (id, account, role, public_key, created, "
		"key_set) SELECT substr(hex(randomblob(8)), 1, 15), account, role, "
		"randomblob(32), 0, i FROM signing_keys, n WHERE role IS NOT NULL");
	assert_int_equal(
		try_list(s, "publish_permissions", words, &violations, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "no room"));
	record_release(&role_collection, &row);
}

/* ---- many ---- */

static double
milliseconds(void)
{
	struct timespec at;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at); /* of work: others may run too */
	return (double)at.tv_sec * 1e3 + (double)at.tv_nsec / 1e6;
}

static int64_t
sum_of_users(const struct stage *s)
{
	return temp_ask(&s->t,
		"SELECT sum(version) + sum(updated % 1000003) + sum(iat % 1000003) + "
		"sum(issued_at % 1000003) FROM users",
		NULL);
}

/* A change of the role costs the same whether it has one user or 100,000. */
static void
test_hundred_thousand(void **state)
{
	struct stage *s = *state;
	enum { MANY = 100000 };
	give_list(s, "publish_permissions", "a,b");
	exec(s,
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i "
		"< 100000) INSERT INTO users (id, account, role, nats_username, "
		"public_key, iat, issued_at, issued_until, issued_set, tags, created, "
		"updated) SELECT printf('user%011d', i), account, role, printf('u%d', "
		"i), randomblob(32), iat, 1, 253402300799, 1, printf('[\"x:%d\"]', i), "
		"created, updated FROM users, n WHERE nats_username = 'bob'");
	assert_int_equal(temp_ask(&s->t, "SELECT count(*) FROM users", NULL), MANY + 2);
	int64_t before = sum_of_users(s);
	int64_t generations =
		temp_ask(&s->t, "SELECT sum(generation) FROM account_publish", NULL);
	static const struct {
		const char *what;
		const char *field;
		const char *words;
		double most_ms;
	} cases[] = {
		{ "narrowed", "publish_permissions", "a", 1000 },
		{ "widened", "publish_permissions", "a,b", 1000 },
		{ "gains {{name()}}", "publish_permissions", "a,b,c.{{name()}}", 1000 },
		/* looks at the tags of all, for which sanitizers take their time */
		{ "gains {{tag(x)}}", "subscribe_permissions", "c.{{tag(x)}}", 4000 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		double since = milliseconds();
		give_list(s, cases[i].field, cases[i].words);
		double took = milliseconds() - since;
		print_message(
			"# 100,000 users, the role %s: %.1f ms\n", cases[i].what, took);
		assert_true(took < cases[i].most_ms);
	}
	assert_int_equal(sum_of_users(s), before);
	assert_int_equal(temp_ask(&s->t, "SELECT count(*) FROM revocations", NULL), 0);
	/* two accounts use the role, each once for each change */
	assert_int_equal(
		temp_ask(&s->t, "SELECT sum(generation) FROM account_publish", NULL),
		generations + 2 * (int64_t)COUNT(cases));
	/* the last one offends */
	exec(s, "UPDATE users SET nats_username = 'a.b' WHERE nats_username = 'u100000'");
	assert_list_refused(s, "publish_permissions", "a,b,d.{{name()}}", "a.b");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_feeds),
		TEST(test_bad_templates),
		TEST(test_unsafe_names),
		TEST(test_tags),
		TEST(test_changed_meanwhile),
		TEST(test_check_user),
		TEST(test_check_account),
		TEST(test_account_looks_again),
		TEST(test_account_is_overtaken),
		TEST(test_narrow_overrides),
		TEST(test_narrow_needs_none),
		TEST(test_narrow_after_all),
		TEST(test_superseded),
		TEST(test_narrow_budget),
		TEST(test_growth),
		TEST(test_hundred_thousand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
