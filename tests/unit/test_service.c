/* SPDX-License-Identifier: Apache-2.0
 * Use cases over a real store: what each change writes, what is refused, who may. Users
 * and their revocations: test_service_user.c; login: test_service_login.c; minting:
 * test_service_mint.c. */
#include "base/str.h"
#include "jwt/decode.h"
#include "jwt/validate.h"
#include "service/operator.h"
#include "store/audit.h"
#include "store/record.h"
#include "store/user.h"
#include "support/assert_code.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int64_t
audit_rows(const struct temp_service *t)
{
	return temp_ask(t, "SELECT count(*) FROM audit", NULL);
}

/* Runs fn n times at once. */
static void
run_parallel(size_t n, void *(*fn)(void *), void *ctx)
{
	pthread_t threads[64];
	assert_true(n <= COUNT(threads));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, fn, ctx), 0);
	}
	for (size_t i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
	}
}

/* ---- the operator ---- */

static void
test_operator_once(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM operator", NULL), 1);
	assert_int_equal(temp_ask(t,
				 "SELECT count(*) FROM accounts WHERE is_system = 1 AND "
				 "name = 'SYS'",
				 NULL),
		1);
	/* identity and signing key of each, sealed */
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM vault", NULL), 4);
	assert_int_equal(
		temp_ask(t, "SELECT count(*) FROM vault WHERE role = 112", NULL), 2);
	assert_int_equal(
		temp_ask(t,
			"SELECT count(*) FROM vault v WHERE EXISTS (SELECT 1 FROM "
			"signing_keys k "
			"WHERE k.public_key = v.public_key AND k.id = v.owner_id)",
			NULL),
		2);
	assert_int_equal(
		temp_ask(t, "SELECT count(*) FROM audit WHERE actor = 'console'", NULL),
		2);
	assert_int_equal(
		temp_ask(t, "SELECT urgent_generation FROM account_publish", NULL), 1);

	assert_code(service_operator_init(t->service, &temp_console_actor, "Again", &err),
		&err, ERR_CONFLICT);
	assert_int_equal(audit_rows(t), 2);
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM accounts", NULL), 1);
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM vault", NULL), 4);
}

static void *
init_operator(void *ctx)
{
	struct temp_service *t = ctx;
	struct err err = { 0 };
	if (service_operator_init(t->service, &temp_console_actor, "Race", &err) != 0 &&
		err.code != ERR_CONFLICT) {
		abort();
	}
	return NULL;
}

static void
test_operator_race(void **state)
{
	struct temp_service t;
	struct err err = { 0 };
	(void)state;
	temp_service_init_bare(&t);
	struct buf jwt;
	buf_init(&jwt, 4096);
	assert_code(service_operator_jwt(t.service, &temp_console_actor, &jwt, &err),
		&err, ERR_NOT_FOUND);
	buf_release(&jwt);
	assert_code(service_check(t.service, &err), &err, ERR_NOT_FOUND);

	assert_code(service_operator_init(t.service, &temp_superuser_actor, "x", &err),
		&err, ERR_FORBIDDEN);
	assert_code(service_operator_init(t.service, &temp_guest_actor, "x", &err), &err,
		ERR_FORBIDDEN);
	assert_code(service_operator_init(t.service, &temp_console_actor, "", &err), &err,
		ERR_INVALID);
	assert_code(service_operator_init(t.service, &temp_console_actor, "a\nb", &err),
		&err, ERR_INVALID);
	assert_int_equal(temp_ask(&t, "SELECT count(*) FROM accounts", NULL), 0);

	run_parallel(8, init_operator, &t);
	assert_int_equal(temp_ask(&t, "SELECT count(*) FROM operator", NULL), 1);
	assert_int_equal(temp_ask(&t, "SELECT count(*) FROM accounts", NULL), 1);
	assert_int_equal(temp_ask(&t, "SELECT count(*) FROM vault", NULL), 4);
	assert_int_equal(audit_rows(&t), 2);
	assert_int_equal(service_check(t.service, &err), 0);
	temp_service_release(&t);
}

static void
test_operator_jwt(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct buf jwt;
	struct jwt_claims claims = { 0 };
	struct jwt_issues issues = { 0 };
	buf_init(&jwt, 8192);
	assert_code(service_operator_jwt(t->service, &temp_guest_actor, &jwt, &err), &err,
		ERR_FORBIDDEN);
	assert_int_equal(jwt.len, 0);
	assert_int_equal(
		service_operator_jwt(t->service, &temp_superuser_actor, &jwt, &err), 0);
	assert_int_equal(jwt_decode(jwt.data, jwt.len, &claims, &err), 0);
	jwt_validate(&claims, claims.iat, &issues);
	assert_null(jwt_issues_find_blocking(&issues, true));
	assert_string_equal(claims.name, "Test");
	assert_string_equal(claims.iss, claims.sub);
	assert_int_equal(claims.as.operator_.signing_keys.len, 1);
	assert_string_not_equal(claims.as.operator_.signing_keys.items[0], claims.sub);
	jwt_claims_release(&claims);
	buf_release(&jwt);
}

/* ---- what a change writes ---- */

struct field_case {
	const char *field;
	int bump; /* 0 none, 1 plain, 2 urgent */
};

static void
set_account_field(struct account *row, const char *field)
{
	temp_set(&row->name, "renamed");
	temp_set(&row->description, "described");
	row->active = false;
	row->max_connections = 10;
	row->max_subscriptions = 11;
	row->max_data = 12;
	row->max_payload = 13;
	row->max_jetstream_disk_storage = 14;
	row->max_jetstream_memory_storage = 15;
	(void)field; /* which of them counts is said by the change */
}

static void
assert_bump(const struct temp_service *t, const char *account, const struct field_case *c,
	int64_t before, int64_t urgent_before)
{
	int64_t after = temp_generation(t, account);
	int64_t urgent = temp_urgent_generation(t, account);
	if (after != before + (c->bump > 0 ? 1 : 0) ||
		urgent != (c->bump == 2 ? after : urgent_before)) {
		fail_msg("%s: generation %ld to %ld, urgent %ld to %ld", c->field,
			(long)before, (long)after, (long)urgent_before, (long)urgent);
	}
}

static void
test_account_bumps(void **state)
{
	static const struct field_case cases[] = { { "description", 1 }, { "name", 1 },
		{ "max_connections", 2 }, { "max_subscriptions", 2 }, { "max_data", 2 },
		{ "max_payload", 2 }, { "max_jetstream_disk_storage", 1 },
		{ "max_jetstream_memory_storage", 1 }, { "active", 2 } };
	struct temp_service *t = *state;
	char id[RAND_ID_SIZE];
	char other[RAND_ID_SIZE];
	struct account row = { 0 };
	temp_make_account(t, "one", id);
	temp_make_account(t, "two", other);
	assert_int_equal(temp_generation(t, id), 1);
	assert_int_equal(temp_urgent_generation(t, id), 1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t before = temp_generation(t, id);
		int64_t urgent = temp_urgent_generation(t, id);
		int64_t audit = audit_rows(t);
		set_account_field(&row, cases[i].field);
		temp_change_ok(t, &account_collection, id, &row, cases[i].field);
		assert_bump(t, id, &cases[i], before, urgent);
		assert_int_equal(audit_rows(t), audit + 1);
		assert_int_equal(
			temp_ask(t,
				"SELECT fields = '[\"%s\"]' FROM audit ORDER BY seq DESC "
				"LIMIT 1",
				cases[i].field),
			1);

		/* the same again: nothing is written */
		int64_t version =
			temp_ask(t, "SELECT version FROM accounts WHERE id = '%s'", id);
		before = temp_generation(t, id);
		temp_change_ok(t, &account_collection, id, &row, cases[i].field);
		assert_int_equal(audit_rows(t), audit + 1);
		assert_int_equal(temp_generation(t, id), before);
		assert_int_equal(
			temp_ask(t, "SELECT version FROM accounts WHERE id = '%s'", id),
			version);
	}
	assert_int_equal(temp_generation(t, other), 1);
	record_release(&account_collection, &row);
}

static void
test_role_bumps(void **state)
{
	static const struct field_case cases[] = { { "name", 0 }, { "description", 0 },
		{ "is_default", 0 }, { "max_data", 0 }, { "publish_permissions", 2 },
		{ "subscribe_permissions", 2 }, { "publish_deny_permissions", 2 },
		{ "subscribe_deny_permissions", 2 }, { "allow_response", 1 },
		{ "allow_response_max", 1 }, { "allow_response_ttl", 2 },
		{ "max_subscriptions", 2 }, { "max_payload", 2 } };
	struct temp_service *t = *state;
	struct err err = { 0 };
	char account[RAND_ID_SIZE];
	char other[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	char user[RAND_ID_SIZE];
	struct role row = {
		.is_default = true,
		.allow_response = true,
		.allow_response_max = 3,
		.allow_response_ttl = 4,
		.max_subscriptions = 5,
		.max_data = 6,
		.max_payload = 7,
	};
	temp_set(&row.name, "renamed");
	temp_set(&row.description, "described");
	assert_int_equal(strlist_add(&row.publish_permissions, "a", &err), 0);
	assert_int_equal(strlist_add(&row.subscribe_permissions, "b", &err), 0);
	assert_int_equal(strlist_add(&row.publish_deny_permissions, "c", &err), 0);
	assert_int_equal(strlist_add(&row.subscribe_deny_permissions, "d", &err), 0);
	temp_make_account(t, "one", account);
	temp_make_account(t, "two", other);
	temp_make_role(t, "role", role);
	temp_make_user(t, "user", account, role, user);
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t before = temp_generation(t, account);
		int64_t urgent = temp_urgent_generation(t, account);
		int64_t audit = audit_rows(t);
		temp_change_ok(t, &role_collection, role, &row, cases[i].field);
		assert_bump(t, account, &cases[i], before, urgent);
		assert_int_equal(temp_generation(t, other), 1);
		assert_int_equal(audit_rows(t), audit + 1);
		temp_change_ok(t, &role_collection, role, &row, cases[i].field);
		assert_int_equal(audit_rows(t), audit + 1);
		assert_bump(t, account, &cases[i], before, urgent);
	}
	record_release(&role_collection, &row);
}

static void
set_list(struct strlist *list, const char *words)
{
	struct err err = { 0 };
	strlist_release(list);
	while (*words != '\0') {
		size_t len = strcspn(words, ",");
		assert_int_equal(strlist_add_n(list, words, len, &err), 0);
		words += len + (words[len] == ',' ? 1 : 0);
	}
}

/* What takes something away does not wait for the debounce; what gives does. */
static void
test_role_narrowing_is_urgent(void **state)
{
	static const struct {
		const char *before;
		const char *after;
		bool allow_narrows;
		bool deny_narrows;
	} cases[] = {
		{ "a,b", "a", true, false },
		{ "a", "a,b", false, true },
		{ "a.>", "a.*", true, false },
		{ "a.*", "a.>", false, true },
		{ "a.b", "a.*", false, true },
		{ ">", "a.>,b", true, false },
		{ "a", "b", true, true },
		{ "a", "", true, false },
		{ "", "a", false, true },
	};
	static const struct {
		const char *before;
		const char *after;
		bool narrows;
	} queues[] = {
		{ "a q", "a", false },
		{ "a", "a q", true },
		{ "a.>", "a.b q", true },
		{ "a q", "a q,b", false },
		{ "> q", "a q", true },
	};
	static const char *const allow[] = { "publish_permissions",
		"subscribe_permissions" };
	static const char *const deny[] = { "publish_deny_permissions",
		"subscribe_deny_permissions" };
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	char user[RAND_ID_SIZE];
	struct role row = { 0 };
	struct strlist *lists[] = { &row.publish_permissions, &row.subscribe_permissions,
		&row.publish_deny_permissions, &row.subscribe_deny_permissions };
	temp_make_all(t, account, role, user);
	for (size_t side = 0; side < 2; side++) {
		for (size_t i = 0; i < COUNT(cases); i++) {
			set_list(lists[side], cases[i].before);
			set_list(lists[side + 2], "");
			temp_change_ok(t, &role_collection, role, &row, allow[side]);
			temp_change_ok(t, &role_collection, role, &row, deny[side]);
			set_list(lists[side], cases[i].after);
			temp_change_ok(t, &role_collection, role, &row, allow[side]);
			assert_int_equal(temp_urgent_generation(t, account) ==
					temp_generation(t, account),
				cases[i].allow_narrows);
			set_list(lists[side], ">");
			set_list(lists[side + 2], cases[i].before);
			temp_change_ok(t, &role_collection, role, &row, allow[side]);
			temp_change_ok(t, &role_collection, role, &row, deny[side]);
			set_list(lists[side + 2], cases[i].after);
			temp_change_ok(t, &role_collection, role, &row, deny[side]);
			assert_int_equal(temp_urgent_generation(t, account) ==
					temp_generation(t, account),
				cases[i].deny_narrows);
		}
	}
	for (size_t i = 0; i < COUNT(queues); i++) {
		set_list(&row.subscribe_permissions, queues[i].before);
		temp_change_ok(t, &role_collection, role, &row, allow[1]);
		set_list(&row.subscribe_permissions, queues[i].after);
		temp_change_ok(t, &role_collection, role, &row, allow[1]);
		assert_int_equal(
			temp_urgent_generation(t, account) == temp_generation(t, account),
			queues[i].narrows);
	}
	record_release(&role_collection, &row);
}

static void
test_audit_chain(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	char account[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	char user[RAND_ID_SIZE];
	int64_t rows = 0;
	temp_make_all(t, account, role, user);
	temp_delete_ok(t, &user_collection, user);
	temp_delete_ok(t, &role_collection, role);
	temp_delete_ok(t, &account_collection, account);
	assert_int_equal(audit_rows(t), 2 + 6);
	assert_int_equal(temp_ask(t,
				 "SELECT count(*) FROM audit WHERE actor = 'superuser' "
				 "AND actor_id = "
				 "'superuser000001' AND request_id = 'request-1'",
				 NULL),
		6);
	assert_int_equal(temp_ask(t,
				 "SELECT count(*) FROM audit WHERE action = 'delete' AND "
				 "record_id = '%s'",
				 account),
		1);
	assert_int_equal(store_read_begin(t->temp.store, &conn, &err), 0);
	int rc = store_audit_verify(conn, &rows, &err);
	store_read_end(t->temp.store, conn);
	assert_int_equal(rc, 0);
	assert_int_equal(rows, 8);
}

struct update_race {
	struct temp_service *t;
	char id[RAND_ID_SIZE];
	int next;
	int done;
};

/* Each writer says a text that nobody else says, and tries until it is through. */
static void *
update_description(void *ctx)
{
	struct update_race *race = ctx;
	struct account row = { 0 };
	char text[32];
	int number = __atomic_add_fetch(&race->next, 1, __ATOMIC_RELAXED);
	str_fmt_cut(text, sizeof(text), "text %d", number);
	row.description = text;
	row.max_connections = number;
	for (int i = 0; i < 1000; i++) {
		struct err err = { 0 };
		if (temp_change(race->t, &account_collection, race->id, &row,
			    number % 2 == 0 ? "description" : "max_connections", NULL,
			    &err) == 0) {
			__atomic_add_fetch(&race->done, 1, __ATOMIC_RELAXED);
			return NULL;
		}
		if (err.code != ERR_CONFLICT) {
			abort();
		}
	}
	return NULL;
}

static void
test_update_race(void **state)
{
	enum { WRITERS = 50 };
	struct temp_service *t = *state;
	struct update_race race = { .t = t };
	temp_make_account(t, "one", race.id);
	int64_t audit = audit_rows(t);
	run_parallel(WRITERS, update_description, &race);
	assert_int_equal(race.done, WRITERS);
	assert_int_equal(
		temp_ask(t, "SELECT version FROM accounts WHERE id = '%s'", race.id),
		1 + WRITERS);
	assert_int_equal(audit_rows(t), audit + WRITERS);
	/* the halves wrote different fields: one must not undo the other */
	assert_int_equal(temp_generation(t, race.id), 1 + WRITERS);
	assert_int_equal(temp_ask(t,
				 "SELECT description LIKE 'text %' FROM accounts WHERE "
				 "max_connections > 0",
				 NULL),
		1);
}

struct scope_race {
	struct temp_service *t;
	char account[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	int next;
};

static void *
create_user(void *ctx)
{
	struct scope_race *race = ctx;
	char id[RAND_ID_SIZE];
	char name[32];
	str_fmt_cut(name, sizeof(name), "user%d",
		__atomic_add_fetch(&race->next, 1, __ATOMIC_RELAXED));
	temp_make_user(race->t, name, race->account, race->role, id);
	return NULL;
}

static void
test_scope_once(void **state)
{
	struct temp_service *t = *state;
	struct scope_race race = { .t = t };
	temp_make_account(t, "one", race.account);
	temp_make_role(t, "role", race.role);
	run_parallel(32, create_user, &race);
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM users", NULL), 32);
	assert_int_equal(
		temp_ask(t, "SELECT count(*) FROM signing_keys WHERE role IS NOT NULL",
			NULL),
		1);
	/* 4 of the operator, 2 of the account, 1 scope, 32 users: no orphan of the losers
	 */
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM vault", NULL), 4 + 2 + 1 + 32);
	assert_int_equal(temp_generation(t, race.account), 2);
	assert_int_equal(temp_urgent_generation(t, race.account), 2);
}

/* ---- what is refused ---- */

static void
test_system_account(void **state)
{
	static const char *const fields[] = { "name", "active", "max_connections",
		"max_subscriptions", "max_data", "max_payload",
		"max_jetstream_disk_storage", "max_jetstream_memory_storage" };
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct account row = { 0 };
	struct store_conn *conn = NULL;
	struct account system = { 0 };
	assert_int_equal(store_read_begin(t->temp.store, &conn, &err), 0);
	int rc = store_record_get_seq(conn, &account_collection, 1, &system, &err);
	store_read_end(t->temp.store, conn);
	assert_int_equal(rc, 0);
	for (size_t i = 0; i < COUNT(fields); i++) {
		set_account_field(&row, fields[i]);
		assert_code(temp_change(t, &account_collection, system.head.id, &row,
				    fields[i], NULL, &err),
			&err, ERR_CONFLICT);
	}
	temp_change_ok(t, &account_collection, system.head.id, &row, "description");
	assert_int_equal(temp_generation(t, system.head.id), 2);
	assert_code(service_record_delete(t->service, &temp_superuser_actor,
			    &account_collection, system.head.id, &err),
		&err, ERR_CONFLICT);
	record_release(&account_collection, &row);
	record_release(&account_collection, &system);
}

static void
test_delete_refused(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	char account[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	char user[RAND_ID_SIZE];
	char second[RAND_ID_SIZE];
	temp_make_all(t, account, role, user);
	int64_t audit = audit_rows(t);
	assert_code(service_record_delete(t->service, &temp_superuser_actor,
			    &account_collection, account, &err),
		&err, ERR_CONFLICT);
	assert_string_equal(
		err.msg, "The account still has 1 user. Delete or move it first.");
	assert_code(service_record_delete(t->service, &temp_superuser_actor,
			    &role_collection, role, &err),
		&err, ERR_CONFLICT);
	assert_string_equal(
		err.msg, "The role still has 1 user. Give it another one first.");
	temp_make_user(t, "second", account, role, second);
	assert_code(service_record_delete(t->service, &temp_superuser_actor,
			    &role_collection, role, &err),
		&err, ERR_CONFLICT);
	assert_string_equal(
		err.msg, "The role still has 2 users. Give them another one first.");
	assert_int_equal(audit_rows(t), audit + 1);
	assert_int_equal(
		temp_ask(t, "SELECT deleted FROM accounts WHERE id = '%s'", account), 0);
	assert_code(service_record_delete(t->service, &temp_superuser_actor,
			    &role_collection, "000000000000000", &err),
		&err, ERR_NOT_FOUND);
}

/* Nobody can sign for what was deleted; what servers hold of it becomes a tombstone. */
static void
test_delete_destroys_keys(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	char account[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	char user[RAND_ID_SIZE];
	temp_make_all(t, account, role, user);
	temp_delete_ok(t, &user_collection, user);
	int64_t before = temp_generation(t, account);
	temp_delete_ok(t, &role_collection, role);
	assert_int_equal(temp_generation(t, account), before + 1);
	assert_int_equal(temp_urgent_generation(t, account), before + 1);
	assert_int_equal(
		temp_ask(t, "SELECT count(*) FROM signing_keys WHERE role IS NOT NULL",
			NULL),
		0);
	temp_delete_ok(t, &account_collection, account);
	assert_int_equal(temp_urgent_generation(t, account), before + 2);
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM vault", NULL), 4);
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM signing_keys", NULL), 2);
	/* gone to every reader, and its name is free */
	assert_code(service_record_delete(t->service, &temp_superuser_actor,
			    &account_collection, account, &err),
		&err, ERR_NOT_FOUND);
	temp_make_account(t, "one", account);
}

/* A row's seq may be used again after a delete: what was prepared for the old row must
 * not land on the new one. */
static int
mark_issued(struct store_tx *tx, void *ctx, struct err *err)
{
	return store_user_mark_issued(tx, ctx, err);
}

static void
test_seq_reuse(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	char account[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	char first[RAND_ID_SIZE];
	char second[RAND_ID_SIZE];
	struct store_conn *conn = NULL;
	struct user row = { 0 };
	temp_make_account(t, "one", account);
	temp_make_role(t, "role", role);
	temp_make_user(t, "first", account, role, first);
	assert_int_equal(store_read_begin(t->temp.store, &conn, &err), 0);
	int rc = store_record_get(conn, &user_collection, first, &row, &err);
	store_read_end(t->temp.store, conn);
	assert_int_equal(rc, 0);
	temp_delete_ok(t, &user_collection, first);
	temp_make_user(t, "second", account, role, second);
	assert_int_equal(temp_ask(t, "SELECT seq FROM users WHERE id = '%s'", second),
		row.head.seq);

	struct store_user_mark mark = { .head = &row.head };
	assert_code(
		store_write(t->temp.store, mark_issued, &mark, &err), &err, ERR_STALE);
	assert_code(temp_update(t->temp.store, &user_collection, &row, NULL, &err), &err,
		ERR_STALE);
	assert_code(temp_delete(t->temp.store, &user_collection, &row.head, &err), &err,
		ERR_STALE);
	assert_int_equal(
		temp_ask(t,
			"SELECT count(*) FROM users WHERE id = '%s' AND issued_at = 0 "
			"AND nats_username = 'second'",
			second),
		1);
	record_release(&user_collection, &row);
}

static void
test_last_superuser(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct superuser one = { 0 };
	struct superuser two = { 0 };
	temp_superuser(&one, "one@example.com");
	temp_superuser(&two, "two@example.com");
	temp_insert_ok(t->temp.store, &superuser_collection, &one);
	temp_insert_ok(t->temp.store, &superuser_collection, &two);
	temp_delete_ok(t, &superuser_collection, one.head.id);
	assert_code(service_record_delete(t->service, &temp_superuser_actor,
			    &superuser_collection, two.head.id, &err),
		&err, ERR_CONFLICT);
	assert_string_equal(err.msg, "You can't delete the only existing superuser.");
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM superusers", NULL), 1);
	record_release(&superuser_collection, &one);
	record_release(&superuser_collection, &two);
}

static void
assert_violation(const struct violations *list, const char *field, const char *code)
{
	for (size_t i = 0; i < list->len; i++) {
		if (str_equal(list->items[i].field, field)) {
			assert_string_equal(list->items[i].code, code);
			return;
		}
	}
	fail_msg("nothing wrong with %s", field);
}

static void
test_account_violations(void **state)
{
	static const struct {
		const char *fields;
		const char *name;
		int64_t limit;
		const char *wrong;
		const char *code;
	} cases[] = {
		{ "description", "", 0, "name", VIOLATION_REQUIRED },
		{ "name", "", 0, "name", VIOLATION_REQUIRED },
		{ "name", "a\tb", 0, "name", VIOLATION_FORMAT },
		{ "name", " a", 0, "name", VIOLATION_FORMAT },
		{ "name", "taken", 0, "name", VIOLATION_NOT_UNIQUE },
		{ "name,max_connections", "x", -2, "max_connections",
			VIOLATION_MIN_NUMBER },
		{ "name,max_payload", "x", INT64_C(2147483648), "max_payload",
			VIOLATION_MAX_NUMBER },
		{ "name,max_subscriptions", "x", INT64_C(2147483648), "max_subscriptions",
			VIOLATION_MAX_NUMBER },
		{ "name,max_jetstream_disk_storage", "x", INT64_C(9007199254740992),
			"max_jetstream_disk_storage", VIOLATION_MAX_NUMBER },
	};
	struct temp_service *t = *state;
	char id[RAND_ID_SIZE];
	temp_make_account(t, "taken", id);
	int64_t rows = temp_ask(t, "SELECT count(*) FROM accounts", NULL);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		struct violations violations = { 0 };
		struct account row = {
			.max_connections = cases[i].limit,
			.max_subscriptions = cases[i].limit,
			.max_payload = cases[i].limit,
			.max_jetstream_disk_storage = cases[i].limit,
		};
		temp_set(&row.name, cases[i].name);
		assert_code(temp_create(t, &account_collection, &row, cases[i].fields, id,
				    &violations, &err),
			&err, ERR_INVALID);
		assert_violation(&violations, cases[i].wrong, cases[i].code);
		record_release(&account_collection, &row);
	}
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM accounts", NULL), rows);
	/* keys of what was refused are not kept */
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM vault", NULL), 4 + 2);
}

static void
test_role_violations(void **state)
{
	static const struct {
		const char *publish;
		const char *subscribe;
		const char *wrong;
	} cases[] = {
		{ "a..b", NULL, "publish_permissions" },
		{ ">.a", NULL, "publish_permissions" },
		{ "a b", NULL, "publish_permissions" },
		{ "", NULL, "publish_permissions" },
		{ "{{nme()}}.a", NULL, "publish_permissions" },
		{ NULL, "a b c", "subscribe_permissions" },
		{ NULL, "a..b", "subscribe_permissions" },
	};
	struct temp_service *t = *state;
	struct err err = { 0 };
	char id[RAND_ID_SIZE];
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct violations violations = { 0 };
		struct role row = { 0 };
		temp_set(&row.name, "r");
		if (cases[i].publish != NULL) {
			assert_int_equal(strlist_add(&row.publish_permissions,
						 cases[i].publish, &err),
				0);
		}
		if (cases[i].subscribe != NULL) {
			assert_int_equal(strlist_add(&row.subscribe_permissions,
						 cases[i].subscribe, &err),
				0);
		}
		assert_code(temp_create(t, &role_collection, &row,
				    "name,publish_permissions,subscribe_permissions", id,
				    &violations, &err),
			&err, ERR_INVALID);
		assert_violation(&violations, cases[i].wrong, VIOLATION_SUBJECT);
		record_release(&role_collection, &row);
	}
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM roles", NULL), 0);

	/* one default at most */
	struct violations violations = { 0 };
	struct role row = { .is_default = true };
	temp_set(&row.name, "first");
	assert_int_equal(
		temp_create(t, &role_collection, &row, "name,is_default", id, NULL, &err),
		0);
	temp_set(&row.name, "second");
	assert_code(temp_create(t, &role_collection, &row, "name,is_default", id,
			    &violations, &err),
		&err, ERR_INVALID);
	assert_violation(&violations, "is_default", VIOLATION_NOT_UNIQUE);
	record_release(&role_collection, &row);
}

static void
test_user_violations(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	char account[RAND_ID_SIZE];
	char other[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	char id[RAND_ID_SIZE];
	temp_make_account(t, "one", account);
	temp_make_account(t, "two", other);
	temp_make_role(t, "role", role);
	temp_make_user(t, "taken", account, role, id);
	static const struct {
		const char *name;
		const char *account; /* NULL: the one that is there */
		const char *role;
		const char *email;
		const char *wrong;
		const char *code;
	} cases[] = {
		{ "", NULL, NULL, "", "nats_username", VIOLATION_REQUIRED },
		{ "x", "", NULL, "", "account_id", VIOLATION_REQUIRED },
		{ "x", "000000000000000", NULL, "", "account_id", VIOLATION_MISSING_REL },
		{ "x", NULL, "000000000000000", "", "role_id", VIOLATION_MISSING_REL },
		{ "x", NULL, "", "", "role_id", VIOLATION_REQUIRED },
		{ "taken", NULL, NULL, "", "nats_username", VIOLATION_NOT_UNIQUE },
		{ "x", NULL, NULL, "no mail", "email", VIOLATION_EMAIL },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct violations violations = { 0 };
		struct user row = { 0 };
		temp_set(&row.nats_username, cases[i].name);
		temp_set(&row.email, cases[i].email);
		assert_int_equal(
			str_copy(row.account_id, sizeof(row.account_id),
				cases[i].account != NULL ? cases[i].account : account),
			0);
		assert_int_equal(str_copy(row.role_id, sizeof(row.role_id),
					 cases[i].role != NULL ? cases[i].role : role),
			0);
		assert_code(temp_create(t, &user_collection, &row,
				    "nats_username,account_id,role_id,email", id,
				    &violations, &err),
			&err, ERR_INVALID);
		assert_violation(&violations, cases[i].wrong, cases[i].code);
		record_release(&user_collection, &row);
	}
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM users", NULL), 1);
	/* the name is unique in its account, not beyond */
	temp_make_user(t, "taken", other, role, id);
	/* passwords: too short, and not repeated */
	struct user row = { 0 };
	struct violations violations = { 0 };
	temp_set(&row.password, "short");
	temp_set(&row.password_confirm, "other");
	assert_code(temp_change(t, &user_collection, id, &row, "password,passwordConfirm",
			    &violations, &err),
		&err, ERR_INVALID);
	assert_violation(&violations, "password", VIOLATION_MIN_TEXT);
	assert_violation(&violations, "passwordConfirm", VIOLATION_MISMATCH);
	record_release(&user_collection, &row);
}

static void
test_id_is_kept(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct violations violations = { 0 };
	char id[RAND_ID_SIZE];
	struct account row = { .head = { .id = "abc000000000001" } };
	temp_set(&row.name, "one");
	assert_int_equal(
		temp_create(t, &account_collection, &row, "id,name", id, NULL, &err), 0);
	assert_string_equal(id, "abc000000000001");
	assert_int_equal(
		str_copy(row.head.id, sizeof(row.head.id), "abc000000000002"), 0);
	assert_code(
		temp_change(t, &account_collection, id, &row, "id", &violations, &err),
		&err, ERR_INVALID);
	assert_violation(&violations, "id", VIOLATION_PK_CHANGE);
	/* the id of a deleted account is not given away: its tombstone has it */
	temp_delete_ok(t, &account_collection, id);
	violations = (struct violations){ 0 };
	assert_int_equal(
		str_copy(row.head.id, sizeof(row.head.id), "abc000000000001"), 0);
	assert_code(temp_create(t, &account_collection, &row, "id,name", id, &violations,
			    &err),
		&err, ERR_INVALID);
	assert_violation(&violations, "id", VIOLATION_NOT_UNIQUE);
	record_release(&account_collection, &row);
}

/* ---- who may ---- */

static void
test_authorise(void **state)
{
	enum {
		L = 1 << VERB_LIST,
		V = 1 << VERB_VIEW,
		C = 1 << VERB_CREATE,
		U = 1 << VERB_UPDATE,
		D = 1 << VERB_DELETE,
		F = 1 << VERB_DOWNLOAD,
		ALL = L | V | C | U | D | F
	};
	static const struct {
		enum actor_kind actor;
		enum collection_kind collection;
		unsigned verbs;
	} cells[] = {
		{ ACTOR_GUEST, COLLECTION_OPERATOR, 0 },
		{ ACTOR_GUEST, COLLECTION_ACCOUNTS, 0 },
		{ ACTOR_GUEST, COLLECTION_ROLES, 0 },
		{ ACTOR_GUEST, COLLECTION_USERS, 0 },
		{ ACTOR_GUEST, COLLECTION_EXPORTS, 0 },
		{ ACTOR_GUEST, COLLECTION_IMPORTS, 0 },
		{ ACTOR_GUEST, COLLECTION_PUBLISH_QUEUE, 0 },
		{ ACTOR_GUEST, COLLECTION_SUPERUSERS, 0 },
		{ ACTOR_SUPERUSER, COLLECTION_OPERATOR, L | V | F },
		{ ACTOR_SUPERUSER, COLLECTION_ACCOUNTS, L | V | C | U | D },
		{ ACTOR_SUPERUSER, COLLECTION_ROLES, L | V | C | U | D },
		{ ACTOR_SUPERUSER, COLLECTION_USERS, L | V | C | U | D | F },
		{ ACTOR_SUPERUSER, COLLECTION_EXPORTS, L | V | C | U | D },
		{ ACTOR_SUPERUSER, COLLECTION_IMPORTS, L | V | C | U | D },
		{ ACTOR_SUPERUSER, COLLECTION_PUBLISH_QUEUE, L | V },
		{ ACTOR_SUPERUSER, COLLECTION_SUPERUSERS, L | V | C | U | D },
		{ ACTOR_CONSOLE, COLLECTION_OPERATOR, ALL },
		{ ACTOR_CONSOLE, COLLECTION_ACCOUNTS, ALL },
		{ ACTOR_CONSOLE, COLLECTION_ROLES, ALL },
		{ ACTOR_CONSOLE, COLLECTION_USERS, ALL },
		{ ACTOR_CONSOLE, COLLECTION_EXPORTS, ALL },
		{ ACTOR_CONSOLE, COLLECTION_IMPORTS, ALL },
		{ ACTOR_CONSOLE, COLLECTION_PUBLISH_QUEUE, ALL },
		{ ACTOR_CONSOLE, COLLECTION_SUPERUSERS, ALL },
		{ ACTOR_SYSTEM, COLLECTION_OPERATOR, ALL },
		{ ACTOR_SYSTEM, COLLECTION_ACCOUNTS, ALL },
		{ ACTOR_SYSTEM, COLLECTION_ROLES, ALL },
		{ ACTOR_SYSTEM, COLLECTION_USERS, ALL },
		{ ACTOR_SYSTEM, COLLECTION_EXPORTS, ALL },
		{ ACTOR_SYSTEM, COLLECTION_IMPORTS, ALL },
		{ ACTOR_SYSTEM, COLLECTION_PUBLISH_QUEUE, ALL },
		{ ACTOR_SYSTEM, COLLECTION_SUPERUSERS, ALL },
	};
	(void)state;
	assert_int_equal(COUNT(cells), 4 * COLLECTION_COUNT);
	for (size_t i = 0; i < COUNT(cells); i++) {
		const struct collection *collection = collection_of(cells[i].collection);
		struct actor actor = { .kind = cells[i].actor };
		for (int verb = 0; verb < VERB_COUNT; verb++) {
			struct err err = { 0 };
			int rc = authorise(
				&actor, (enum verb)verb, collection, NULL, &err);
			if ((rc == 0) != ((cells[i].verbs >> verb & 1) != 0)) {
				fail_msg("%s, verb %d, %s: %d", actor_name(actor.kind),
					verb, collection->name, rc);
			}
			if (rc != 0) {
				assert_int_equal(err.code, ERR_FORBIDDEN);
			}
		}
	}
	/* an actor that was not filled in is a guest */
	struct actor zero = { 0 };
	struct err err = { 0 };
	assert_code(authorise(&zero, VERB_VIEW, &role_collection, NULL, &err), &err,
		ERR_FORBIDDEN);
}

static int
count_view(void *ctx, const struct record_view *view, struct err *err)
{
	int *count = ctx;
	(void)view;
	(void)err;
	(*count)++;
	return 0;
}

/* The table is asked by every use case. */
static void
test_guests_get_nothing(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct violations violations = { 0 };
	struct account row = { 0 };
	struct record_change change = { .collection = &account_collection, .row = &row };
	struct record_list list = {
		.collection = &account_collection, .page = 1, .per_page = 30, .sort = ""
	};
	struct user_creds creds = { 0 };
	struct nats_conf_params params = { 0 };
	struct buf conf;
	char id[RAND_ID_SIZE];
	int count = 0;
	int64_t total = 0;
	const struct actor *guest = &temp_guest_actor;
	temp_make_account(t, "one", id);
	int64_t audit = audit_rows(t);
	buf_init(&conf, 65536);
	assert_code(
		service_record_create(t->service, guest, &change, id, &violations, &err),
		&err, ERR_FORBIDDEN);
	assert_code(service_record_update(
			    t->service, guest, id, &change, NULL, &violations, &err),
		&err, ERR_FORBIDDEN);
	assert_code(
		service_record_delete(t->service, guest, &account_collection, id, &err),
		&err, ERR_FORBIDDEN);
	assert_code(service_record_view(t->service, guest, &account_collection, id,
			    count_view, &count, &err),
		&err, ERR_FORBIDDEN);
	assert_code(service_record_list(
			    t->service, guest, &list, count_view, &count, &total, &err),
		&err, ERR_FORBIDDEN);
	assert_code(service_user_creds(t->service, guest, id, &creds, &err), &err,
		ERR_FORBIDDEN);
	assert_code(service_nats_conf(t->service, guest, &params, &conf, &err), &err,
		ERR_FORBIDDEN);
	assert_int_equal(count, 0);
	assert_int_equal(conf.len, 0);
	assert_int_equal(audit_rows(t), audit);

	/* nor does a superuser write the operator's record */
	change.collection = &operator_collection;
	assert_code(service_record_create(t->service, &temp_superuser_actor, &change, id,
			    &violations, &err),
		&err, ERR_FORBIDDEN);
	assert_code(service_record_create(t->service, &temp_console_actor, &change, id,
			    &violations, &err),
		&err, ERR_FORBIDDEN);
}

static void
test_list(void **state)
{
	static const char *const wrong[] = { "nothing", "-", ",", "name,,name",
		"password", "password_hash", "token_key", "name desc",
		"name,name,name,name,name,name,name,name,name" };
	struct temp_service *t = *state;
	struct err err = { 0 };
	char id[RAND_ID_SIZE];
	int count = 0;
	int64_t total = 0;
	temp_make_account(t, "one", id);
	temp_make_account(t, "two", id);
	temp_delete_ok(t, &account_collection, id);
	struct record_list list = { .collection = &account_collection,
		.page = 1,
		.per_page = 30,
		.sort = "-created, +name,@rowid" };
	assert_int_equal(service_record_list(t->service, &temp_superuser_actor, &list,
				 count_view, &count, &total, &err),
		0);
	assert_int_equal(count, 2); /* with the system account, without the deleted one */
	assert_int_equal(total, 2);
	list.skip_total = true;
	list.page = 2;
	assert_int_equal(service_record_list(t->service, &temp_superuser_actor, &list,
				 count_view, &count, &total, &err),
		0);
	assert_int_equal(count, 2);
	assert_int_equal(total, -1);
	list.collection = &user_collection;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		list.sort = wrong[i];
		assert_code(service_record_list(t->service, &temp_superuser_actor, &list,
				    count_view, &count, &total, &err),
			&err, ERR_INVALID);
	}
	list.sort = "";
	list.page = INT64_MAX;
	assert_code(service_record_list(t->service, &temp_superuser_actor, &list,
			    count_view, &count, &total, &err),
		&err, ERR_INVALID);
}

/* ---- for the servers ---- */

static void
test_nats_conf(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct buf conf;
	struct nats_conf_params params = { 0 };
	buf_init(&conf, 65536);
	assert_int_equal(service_nats_conf(
				 t->service, &temp_superuser_actor, &params, &conf, &err),
		0);
	assert_non_null(strstr(conf.data, "\nserver_name: \"natsid-1\"\n"));
	assert_non_null(strstr(conf.data, "\nport: 4222\n"));
	assert_non_null(strstr(conf.data, "\noperator: \"eyJ"));
	assert_non_null(strstr(conf.data, "\nsystem_account: \"A"));
	assert_non_null(strstr(conf.data,
		"\nresolver: {\n\ttype: full\n\tdir: \"./jwt\"\n\tallow_delete: true\n"
		"\tinterval: \"1m\"\n}\n"));
	assert_null(strstr(conf.data, "limit"));
	assert_non_null(strstr(conf.data, "\nresolver_preload: {\n\tA"));
	assert_null(strstr(conf.data, "jetstream"));
	/* it minted the system account, since nobody had */
	assert_int_equal(
		temp_ask(t, "SELECT minted_generation FROM account_publish", NULL), 1);

	buf_clear(&conf);
	params = (struct nats_conf_params){
		.server_name = "a\"b\\c",
		.port = 5222,
		.resolver_dir = "/x y/$HOME/#/é",
		.jetstream_dir = "/js",
		.listen_host = "127.0.0.1",
	};
	assert_int_equal(service_nats_conf(
				 t->service, &temp_superuser_actor, &params, &conf, &err),
		0);
	assert_non_null(strstr(conf.data, "\nserver_name: \"a\\\"b\\\\c\"\n"));
	assert_non_null(strstr(conf.data, "\nhost: \"127.0.0.1\"\nport: 5222\n"));
	assert_non_null(strstr(conf.data, "\n\tdir: \"/x y/$HOME/#/é\"\n"));
	assert_non_null(strstr(conf.data, "\njetstream: {\n\tstore_dir: \"/js\"\n}\n"));

	static const char *const wrong[] = { "a\nb", "\x7f", "a\tb", "\x01" };
	for (size_t i = 0; i < COUNT(wrong); i++) {
		buf_clear(&conf);
		params.jetstream_dir = wrong[i];
		assert_code(service_nats_conf(t->service, &temp_superuser_actor, &params,
				    &conf, &err),
			&err, ERR_INVALID);
	}
	buf_release(&conf);
}

static void
test_system_user(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct nkey_public key = { { 1 } };
	struct vault_pair *pair = NULL;
	char *token = NULL;
	char text[NKEY_TEXT_SIZE];
	struct jwt_claims claims = { 0 };
	struct jwt_issues issues = { 0 };
	assert_int_equal(vault_pair_new(&pair, &key, &err), 0);
	assert_int_equal(
		service_system_user_jwt(t->service, &key, "_INBOX.abc", &token, &err), 0);
	assert_int_equal(jwt_decode(token, strlen(token), &claims, &err), 0);
	jwt_validate(&claims, claims.iat, &issues);
	assert_null(jwt_issues_find_blocking(&issues, true));
	nkey_text_encode(NKEY_USER, &key, text);
	assert_string_equal(claims.sub, text);
	assert_string_not_equal(claims.iss, claims.as.user.issuer_account);
	assert_int_equal(claims.iat, t->temp.clock.wall / 1000);
	free(token);
	vault_pair_free(pair);
	jwt_claims_release(&claims);
}

/* The health check opens a real seed. */
static void
test_check(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct vault *foreign = NULL;
	struct vault_slot slot;
	struct vault_data_key data_key;
	static const uint8_t master_key[VAULT_KEY_LEN] = { 9 };
	assert_int_equal(service_check(t->service, &err), 0);
	assert_int_equal(vault_create(master_key, "00000000-0000-0000-0000-000000000000",
				 &slot, &data_key, &foreign, &err),
		0);
	struct service *service = temp_service_beside(t, foreign);
	assert_code(service_check(service, &err), &err, ERR_CORRUPT);
	service_free(service);
	vault_free(foreign);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_service_set_up, temp_service_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_operator_once),
		cmocka_unit_test(test_operator_race),
		TEST(test_operator_jwt),
		TEST(test_account_bumps),
		TEST(test_role_bumps),
		TEST(test_role_narrowing_is_urgent),
		TEST(test_audit_chain),
		TEST(test_update_race),
		TEST(test_scope_once),
		TEST(test_system_account),
		TEST(test_delete_refused),
		TEST(test_delete_destroys_keys),
		TEST(test_seq_reuse),
		TEST(test_last_superuser),
		TEST(test_account_violations),
		TEST(test_role_violations),
		TEST(test_user_violations),
		TEST(test_id_is_kept),
		cmocka_unit_test(test_authorise),
		TEST(test_guests_get_nothing),
		TEST(test_list),
		TEST(test_nats_conf),
		TEST(test_system_user),
		TEST(test_check),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
