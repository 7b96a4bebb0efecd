/* SPDX-License-Identifier: Apache-2.0
 * The field tables against the schema, and the functions that work by them. */
#include "base/codec.h"
#include "base/str.h"
#include "base/strlist.h"
#include "model/limits.h"
#include "model/url.h"
#include "store/conn.h"
#include "store/record.h"
#include "store/state.h"
#include "support/temp_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A row of any collection. */
union any_row {
	struct record_head head;
	struct account account;
	struct account_export account_export;
	struct account_import account_import;
	struct operator_row operator;
	struct role role;
	struct superuser superuser;
	struct user user;
};

/* ---- tables and schema ---- */

static void
each_collection(void (*fn)(const struct collection *collection, void *ctx), void *ctx)
{
	for (size_t kind = 0; kind < COLLECTION_COUNT; kind++) {
		fn(collection_of((enum collection_kind)kind), ctx);
	}
}

static const char *
sql_type(const struct field *field)
{
	switch (field->type) {
	case FIELD_TEXT:
	case FIELD_EMAIL:
	case FIELD_LIST:
	case FIELD_CLAIM:
	case FIELD_ID:
	case FIELD_JSON:
		return "TEXT";
	case FIELD_BOOL:
	case FIELD_INT:
	case FIELD_DATE:
	case FIELD_RELATION:
		return "INTEGER";
	case FIELD_KEY:
		return "BLOB";
	case FIELD_PASSWORD:
		break;
	}
	return "nothing";
}

/* Columns that are no fields. */
static bool
is_plumbing(const char *column)
{
	return str_equal(column, "seq") || str_equal(column, "version") ||
		str_equal(column, "deleted");
}

/* Written by the table, or only read as it is. */
static bool
is_of_column(const struct field *field, const char *column)
{
	char read[64];
	str_fmt_cut(read, sizeof(read), "t.%s", column);
	return (field->column != NULL && str_equal(field->column, column)) ||
		(field->column == NULL && field->read != NULL &&
			str_equal(field->read, read));
}

static const struct field *
field_of_column(const struct collection *collection, const char *column)
{
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		if (is_of_column(field, column)) {
			return field;
		}
	}
	return NULL;
}

static void
check_columns(const struct collection *collection, void *ctx)
{
	struct store_conn *conn = ctx;
	sqlite3_stmt *stmt = NULL;
	size_t found = 0;
	size_t stored = 0;
	assert_int_equal(
		sqlite3_prepare_v2(conn->db,
			"SELECT name, type, \"notnull\" FROM pragma_table_info(?1)", -1,
			&stmt, NULL),
		SQLITE_OK);
	sqlite3_bind_text(stmt, 1, collection->table, -1, SQLITE_STATIC);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);
		const struct field *field = field_of_column(collection, name);
		if (is_plumbing(name)) {
			assert_null(field);
			continue;
		}
		if (field == NULL) {
			fail_msg("%s.%s has no field", collection->table, name);
			break; /* never reached, which the analyzer cannot know */
		}
		if (!str_equal((const char *)sqlite3_column_text(stmt, 1),
			    sql_type(field))) {
			fail_msg("%s.%s is of the wrong type", collection->table, name);
		}
		/* An empty e-mail is NULL, and what the table says. */
		bool nullable = sqlite3_column_int(stmt, 2) == 0;
		bool may_be = (field->flags & FIELD_NULLABLE) != 0 ||
			(field->type == FIELD_EMAIL &&
				(field->flags & FIELD_REQUIRED) == 0);
		bool is_view = collection->why_read_only != NULL;
		if (nullable != may_be && !is_view) {
			fail_msg("%s.%s: NOT NULL is wrong", collection->table, name);
		}
		found += field->column != NULL ? 1 : 0;
	}
	sqlite3_finalize(stmt);
	for (size_t i = 0; i < collection->field_count; i++) {
		stored += collection->fields[i].column != NULL ? 1 : 0;
	}
	assert_int_equal(found, stored);
}

static void
check_expressions(const struct collection *collection, void *ctx)
{
	struct store_conn *conn = ctx;
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		char sql[1024];
		sqlite3_stmt *stmt = NULL;
		if (field->read == NULL) {
			continue;
		}
		assert_int_equal(
			str_fmt(sql, sizeof(sql), "SELECT %s FROM %s t %s", field->read,
				collection->table, collection->joins),
			0);
		if (sqlite3_prepare_v2(conn->db, sql, -1, &stmt, NULL) != SQLITE_OK) {
			fail_msg("%s: %s", sql, sqlite3_errmsg(conn->db));
		}
		sqlite3_finalize(stmt);
	}
}

static void
test_tables_match_schema(void **state)
{
	struct temp_store temp;
	struct store_conn *conn = NULL;
	(void)state; /* unused */
	temp_store_init(&temp);
	temp_store_open(&temp);
	assert_int_equal(store_read_begin(temp.store, &conn, NULL), 0);
	each_collection(check_columns, conn);
	each_collection(check_expressions, conn);
	store_read_end(temp.store, conn);
	temp_store_release(&temp);
}

static size_t
member_size(enum field_type type)
{
	switch (type) {
	case FIELD_TEXT:
	case FIELD_EMAIL:
	case FIELD_PASSWORD:
	case FIELD_CLAIM:
		return sizeof(char *);
	case FIELD_BOOL:
		return sizeof(bool);
	case FIELD_INT:
	case FIELD_DATE:
		return sizeof(int64_t);
	case FIELD_LIST:
		return sizeof(struct strlist);
	case FIELD_RELATION:
	case FIELD_ID:
		return RAND_ID_SIZE;
	case FIELD_KEY:
		return sizeof(struct nkey_public);
	case FIELD_JSON:
		break;
	}
	return 0;
}

/* Members lie inside the row and apart from each other; names are unique; flags make
 * sense. */
static void
check_table(const struct collection *collection, void *ctx)
{
	uint8_t taken[sizeof(union any_row)] = { 0 };
	(void)ctx; /* unused */
	assert_true(collection->row_size <= sizeof(taken));
	assert_true(collection->field_count <= 64);
	assert_non_null(collection->passed_over);
	assert_int_equal(collection_field_index(collection, "id"), 0);
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		assert_int_equal(collection_field_index(collection, field->name), i);
		assert_ptr_equal(collection_field(collection, field->name), field);
		assert_true(collection_field_bit(collection, field->name) ==
			UINT64_C(1) << i);
		assert_true((field->type == FIELD_RELATION) == (field->relation != NULL));
		/* What cannot be read cannot be sorted by, and what is stored has a
		 * member. */
		assert_true(field->column == NULL || field->offset != FIELD_NO_OFFSET);
		if (field->offset == FIELD_NO_OFFSET) {
			assert_true((field->flags & FIELD_READ_ONLY) != 0);
			continue;
		}
		size_t size = member_size(field->type);
		assert_true(
			size > 0 && (size_t)field->offset + size <= collection->row_size);
		for (size_t at = 0; at < size; at++) {
			if (taken[(size_t)field->offset + at]++ != 0) {
				fail_msg("%s.%s overlaps", collection->name, field->name);
			}
		}
		if (field->type == FIELD_TEXT && (field->flags & FIELD_READ_ONLY) == 0) {
			assert_true(field->max > 0);
		}
		if (field->type == FIELD_INT && (field->flags & FIELD_READ_ONLY) == 0) {
			assert_true(field->max > field->min);
			assert_true(field->max <= LIMIT_SAFE_INT);
		}
		for (const char *const *p = collection->passed_over; *p != NULL; p++) {
			assert_string_not_equal(*p, field->name);
		}
	}
	/* created and updated are the head's. */
	assert_int_equal(collection_field(collection, "created")->offset,
		offsetof(struct record_head, created));
	assert_int_equal(collection_field(collection, "updated")->offset,
		offsetof(struct record_head, updated));
}

static void
test_tables_are_sound(void **state)
{
	(void)state; /* unused */
	each_collection(check_table, NULL);
}

static void
test_ids(void **state)
{
	static const char *const names[COLLECTION_COUNT] = {
		[COLLECTION_OPERATOR] = "nats_system_operator",
		[COLLECTION_ACCOUNTS] = "nats_accounts",
		[COLLECTION_ROLES] = "nats_roles",
		[COLLECTION_USERS] = "nats_users",
		[COLLECTION_EXPORTS] = "nats_account_exports",
		[COLLECTION_IMPORTS] = "nats_account_imports",
		[COLLECTION_PUBLISH_QUEUE] = "nats_publish_queue",
		[COLLECTION_SUPERUSERS] = "_superusers",
	};
	(void)state; /* unused */
	for (size_t kind = 0; kind < COLLECTION_COUNT; kind++) {
		const struct collection *c = collection_of((enum collection_kind)kind);
		char text[64];
		char id[24];
		assert_int_equal(c->kind, kind);
		assert_string_equal(c->name, names[kind]);
		bool is_auth = kind == COLLECTION_USERS || kind == COLLECTION_SUPERUSERS;
		assert_int_equal(c->is_auth, is_auth);
		str_fmt_cut(
			text, sizeof(text), "%s%s", is_auth ? "auth" : "base", c->name);
		str_fmt_cut(id, sizeof(id), "pbc_%u", codec_crc32(text));
		assert_string_equal(c->id, id);
		assert_ptr_equal(collection_find(c->name), c);
		assert_ptr_equal(collection_find(c->id), c);
	}
	/* As every PocketBase derives it. */
	assert_string_equal(collection_of(COLLECTION_SUPERUSERS)->id, "pbc_3142635823");
	assert_ptr_equal(collection_find("users"), &user_collection);
	assert_ptr_equal(collection_find("NATS_Users"), &user_collection);
	assert_null(collection_find("PBC_3142635823"));
	assert_null(collection_find(""));
	assert_null(collection_find("nats_user"));
	assert_int_equal(collection_field_index(&user_collection, "Email"), -1);
}

/* ---- rows ---- */

/* Sets a member to a value that differs from the default and from other salts. */
static void
set_member(const struct field *field, void *member, int salt)
{
	char text[64];
	str_fmt_cut(text, sizeof(text), "%s.%d", field->name, salt);
	switch (field->type) {
	case FIELD_TEXT:
	case FIELD_EMAIL:
	case FIELD_PASSWORD:
	case FIELD_CLAIM:
		temp_set(member, text);
		break;
	case FIELD_BOOL:
		*(bool *)member = !*(bool *)member;
		break;
	case FIELD_INT:
	case FIELD_DATE:
		*(int64_t *)member = 1000 + salt;
		break;
	case FIELD_LIST:
		assert_int_equal(strlist_add(member, text, NULL), 0);
		break;
	case FIELD_RELATION:
	case FIELD_ID:
		str_fmt_cut(member, RAND_ID_SIZE, "id%013d", salt);
		break;
	case FIELD_KEY:
		memset(member, salt, sizeof(struct nkey_public));
		break;
	case FIELD_JSON:
		break;
	}
}

/* Each field alone: set, seen by diff, carried over by apply and by copy. */
static void
check_rows(const struct collection *collection, void *ctx)
{
	union any_row a;
	union any_row b;
	union any_row c;
	(void)ctx; /* unused */
	assert_int_equal(record_init(collection, &a, NULL), 0);
	assert_int_equal(record_init(collection, &b, NULL), 0);
	assert_true(record_diff(collection, &a, &b) == 0);
	uint64_t all = 0;
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		uint64_t bit = UINT64_C(1) << i;
		if (field->offset == FIELD_NO_OFFSET) {
			continue;
		}
		set_member(field, record_member(field, &a), 7);
		assert_true(record_diff(collection, &a, &b) == bit);
		assert_true(record_diff(collection, &b, &a) == bit);
		/* A mask without the field leaves it alone. */
		assert_int_equal(record_apply(collection, &a, ~bit, &b, NULL), 0);
		assert_true(record_diff(collection, &a, &b) == bit);
		assert_int_equal(record_apply(collection, &a, bit, &b, NULL), 0);
		assert_true(record_diff(collection, &a, &b) == 0);
		all |= bit;
	}
	a.head.seq = 5;
	a.head.version = 6;
	assert_int_equal(record_copy(collection, &a, &c, NULL), 0);
	assert_true(record_diff(collection, &a, &c) == 0);
	assert_int_equal(c.head.seq, 5);
	assert_int_equal(c.head.version, 6);
	/* The copy is one: nothing is shared. */
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		if (field->offset != FIELD_NO_OFFSET) {
			set_member(field, record_member(field, &c), 9);
		}
	}
	assert_true(record_diff(collection, &a, &c) == all);
	record_release(collection, &a);
	record_release(collection, &b);
	record_release(collection, &c);
	for (size_t i = 0; i < collection->row_size; i++) {
		assert_int_equal(((const uint8_t *)&c)[i], 0);
	}
	record_release(collection, &c); /* zeroed rows are allowed */
}

static void
test_rows(void **state)
{
	(void)state; /* unused */
	each_collection(check_rows, NULL);
}

static void
test_defaults(void **state)
{
	union any_row row;
	(void)state; /* unused */
	assert_int_equal(record_init(&account_collection, &row, NULL), 0);
	assert_true(row.account.active);
	assert_false(row.account.is_system);
	assert_int_equal(row.account.max_connections, -1);
	assert_int_equal(row.account.max_payload, -1);
	assert_int_equal(row.account.max_jetstream_disk_storage, 0);
	assert_int_equal(row.account.max_jetstream_memory_storage, 0);
	record_release(&account_collection, &row);

	assert_int_equal(record_init(&role_collection, &row, NULL), 0);
	assert_int_equal(row.role.publish_permissions.len, 1);
	assert_string_equal(row.role.publish_permissions.items[0], ">");
	assert_int_equal(row.role.subscribe_permissions.len, 2);
	assert_string_equal(row.role.subscribe_permissions.items[1], "_INBOX.>");
	assert_int_equal(row.role.publish_deny_permissions.len, 0);
	assert_false(row.role.allow_response);
	assert_int_equal(row.role.max_payload, -1);
	record_release(&role_collection, &row);

	assert_int_equal(record_init(&user_collection, &row, NULL), 0);
	assert_true(row.user.active);
	assert_false(row.user.verified);
	assert_string_equal(row.user.email, "");
	record_release(&user_collection, &row);
}

/* ---- validation ---- */

/* A row that passes, with one text, number or list replaced. */
static void
valid_row(const struct collection *collection, union any_row *row)
{
	switch (collection->kind) {
	case COLLECTION_ACCOUNTS:
		temp_account(&row->account, "acme");
		break;
	case COLLECTION_ROLES:
		temp_role(&row->role, "role");
		break;
	case COLLECTION_USERS:
		temp_user(&row->user, "alice", "a00000000000000", "r00000000000000");
		break;
	case COLLECTION_SUPERUSERS:
		temp_superuser(&row->superuser, "root@example.org");
		break;
	case COLLECTION_EXPORTS:
		temp_export(&row->account_export, "orders", "a00000000000000");
		break;
	case COLLECTION_IMPORTS:
		temp_import(&row->account_import, "orders", "a00000000000000");
		break;
	case COLLECTION_OPERATOR:
	case COLLECTION_PUBLISH_QUEUE:
	case COLLECTION_COUNT:
		memset(row, 0, sizeof(*row));
		break;
	}
}

/* Compares the code of the field ("" for none), and that nothing else is wrong. */
static void
assert_violation(const struct collection *collection, const union any_row *row,
	uint64_t present, const char *field, const char *code)
{
	struct violations violations = { 0 };
	struct err err = { 0 };
	record_validate(collection, row, present, &violations);
	if (code == NULL) {
		if (violations_check(&violations, &err) != 0) {
			fail_msg("%s", err.msg);
		}
		return;
	}
	if (violations.len != 1 || !str_equal(violations.items[0].field, field) ||
		!str_equal(violations.items[0].code, code)) {
		fail_msg("%s %s: %zu violations, first %s %s", field, code,
			violations.len, violations.items[0].field,
			violations.items[0].code);
	}
	assert_int_equal(violations_check(&violations, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
}

static void
check_text(const struct collection *collection, const char *name, const char *text,
	const char *code)
{
	union any_row row;
	const struct field *field = collection_field(collection, name);
	valid_row(collection, &row);
	temp_set(record_member(field, &row), text);
	assert_violation(
		collection, &row, collection_field_bit(collection, name), name, code);
	record_release(collection, &row);
}

/* n times the text. */
static char *
repeat(const char *text, size_t n)
{
	size_t len = strlen(text);
	char *out = malloc(n * len + 1);
	assert_non_null(out);
	for (size_t i = 0; i < n; i++) {
		memcpy(out + i * len, text, len);
	}
	out[n * len] = '\0';
	return out;
}

static void
check_length(const struct collection *collection, const char *name, const char *unit,
	size_t n, const char *code)
{
	char *text = repeat(unit, n);
	check_text(collection, name, text, code);
	free(text);
}

static void
test_texts(void **state)
{
	(void)state; /* unused */
	static const struct {
		const struct collection *collection;
		const char *name;
	} names[] = { { &account_collection, "name" }, { &role_collection, "name" },
		{ &user_collection, "nats_username" } };
	for (size_t i = 0; i < COUNT(names); i++) {
		const struct collection *c = names[i].collection;
		const char *name = names[i].name;
		check_text(c, name, "x", NULL);
		check_text(c, name, "Caf\xc3\xa9 \xe2\x82\xac <&> \"'", NULL);
		check_text(c, name, "", VIOLATION_REQUIRED);
		check_text(c, name, " x", VIOLATION_FORMAT);
		check_text(c, name, "x ", VIOLATION_FORMAT);
		check_text(c, name, " ", VIOLATION_FORMAT);
		check_text(c, name, "a\nb", VIOLATION_FORMAT);
		check_text(c, name, "a\tb", VIOLATION_FORMAT);
		check_text(c, name, "a\x1b[31m", VIOLATION_FORMAT);
		check_text(c, name, "a\x7f", VIOLATION_FORMAT);
		check_text(c, name, "a\x01", VIOLATION_FORMAT);
		/* Characters count, not bytes. */
		check_length(c, name, "x", LIMIT_NAME_CHARS, NULL);
		check_length(c, name, "\xe2\x82\xac", LIMIT_NAME_CHARS, NULL);
		check_length(c, name, "x", LIMIT_NAME_CHARS + 1, VIOLATION_MAX_TEXT);
		check_length(c, name, "\xe2\x82\xac", LIMIT_NAME_CHARS + 1,
			VIOLATION_MAX_TEXT);

		check_text(c, "description", "", NULL);
		check_text(c, "description", " two\nlines\t\r\n", NULL);
		check_text(c, "description", "a\x1b", VIOLATION_FORMAT);
		check_length(c, "description", "x", LIMIT_DESCRIPTION_CHARS, NULL);
		check_length(c, "description", "x", LIMIT_DESCRIPTION_CHARS + 1,
			VIOLATION_MAX_TEXT);
	}
	check_text(&user_collection, "full_name", "", NULL);
	check_text(&user_collection, "full_name", "a\nb", VIOLATION_FORMAT);
}

static void
test_emails(void **state)
{
	static const char *const good[] = { "a@b.c", "first.last+tag@sub.example.org",
		"o'brien@example.org", "root@localhost", "\xc3\xa9@example.org", "a@b" };
	static const char *const bad[] = { "a", "@b.c", "a@", "a@@b.c", "a@b@c.d",
		"a b@c.d", "a@b c.d", "a@.b", "a@b.", "a@b..c", "a,b@c.d", "<a@b.c>",
		"a@b.c\"", "a@b\\c.d", "a;b@c.d" };
	(void)state; /* unused */
	for (size_t i = 0; i < COUNT(good); i++) {
		check_text(&user_collection, "email", good[i], NULL);
		check_text(&superuser_collection, "email", good[i], NULL);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		check_text(&user_collection, "email", bad[i], VIOLATION_EMAIL);
		check_text(&superuser_collection, "email", bad[i], VIOLATION_EMAIL);
	}
	check_text(&user_collection, "email", "a@b.c\n", VIOLATION_FORMAT);
	check_text(&user_collection, "email", "", NULL);
	check_text(&superuser_collection, "email", "", VIOLATION_REQUIRED);
	char *local = repeat("x", LIMIT_EMAIL_CHARS);
	memcpy(local + LIMIT_EMAIL_CHARS - 4, "@b.c", 4);
	check_text(&user_collection, "email", local, NULL);
	free(local);
	local = repeat("x", LIMIT_EMAIL_CHARS + 1);
	memcpy(local + LIMIT_EMAIL_CHARS - 3, "@b.c", 4);
	check_text(&user_collection, "email", local, VIOLATION_MAX_TEXT);
	free(local);
}

static void
check_number(const struct collection *collection, const char *name, int64_t value,
	const char *code)
{
	union any_row row;
	valid_row(collection, &row);
	*(int64_t *)record_member(collection_field(collection, name), &row) = value;
	assert_violation(
		collection, &row, collection_field_bit(collection, name), name, code);
	record_release(collection, &row);
}

static void
test_numbers(void **state)
{
	static const struct {
		const struct collection *collection;
		const char *name;
		int64_t min;
		int64_t max;
	} table[] = {
		{ &account_collection, "max_connections", -1, INT32_MAX },
		{ &account_collection, "max_subscriptions", -1, INT32_MAX },
		{ &account_collection, "max_data", -1, LIMIT_SAFE_INT },
		{ &account_collection, "max_payload", -1, INT32_MAX },
		{ &account_collection, "max_jetstream_disk_storage", -1, LIMIT_SAFE_INT },
		{ &account_collection, "max_jetstream_memory_storage", -1,
			LIMIT_SAFE_INT },
		{ &role_collection, "max_subscriptions", -1, INT32_MAX },
		{ &role_collection, "max_data", -1, LIMIT_SAFE_INT },
		{ &role_collection, "max_payload", -1, INT32_MAX },
		{ &role_collection, "allow_response_max", -1, INT32_MAX },
		{ &role_collection, "allow_response_ttl", 0, 86400 },
	};
	(void)state; /* unused */
	for (size_t i = 0; i < COUNT(table); i++) {
		check_number(table[i].collection, table[i].name, table[i].min, NULL);
		check_number(table[i].collection, table[i].name, table[i].max, NULL);
		check_number(table[i].collection, table[i].name, 0, NULL);
		check_number(table[i].collection, table[i].name, table[i].min - 1,
			VIOLATION_MIN_NUMBER);
		check_number(table[i].collection, table[i].name, table[i].max + 1,
			VIOLATION_MAX_NUMBER);
		check_number(table[i].collection, table[i].name, INT64_MIN,
			VIOLATION_MIN_NUMBER);
		check_number(table[i].collection, table[i].name, INT64_MAX,
			VIOLATION_MAX_NUMBER);
	}
}

static void
check_subject(const char *name, const char *subject, size_t n, const char *code)
{
	union any_row row;
	valid_row(&role_collection, &row);
	struct strlist *list =
		record_member(collection_field(&role_collection, name), &row);
	strlist_release(list);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(strlist_add(list, subject, NULL), 0);
	}
	assert_violation(&role_collection, &row,
		collection_field_bit(&role_collection, name), name, code);
	record_release(&role_collection, &row);
}

static void
test_subjects(void **state)
{
	static const char *const lists[] = { "publish_permissions",
		"subscribe_permissions", "publish_deny_permissions",
		"subscribe_deny_permissions" };
	(void)state; /* unused */
	for (size_t i = 0; i < COUNT(lists); i++) {
		bool subscribe = strstr(lists[i], "subscribe") != NULL;
		check_subject(lists[i], "a.b.*.>", 1, NULL);
		check_subject(lists[i], "a", LIMIT_SUBJECTS, NULL);
		check_subject(lists[i], "a", 0, NULL);
		check_subject(lists[i], "a", LIMIT_SUBJECTS + 1, VIOLATION_TOO_MANY);
		check_subject(lists[i], "a..b", 1, VIOLATION_SUBJECT);
		check_subject(lists[i], "", 1, VIOLATION_SUBJECT);
		check_subject(lists[i], "a.>.b", 1, VIOLATION_SUBJECT);
		check_subject(lists[i], "a\tb", 1, VIOLATION_SUBJECT);
		check_subject(lists[i], "a.{{name()}}", 1, NULL);
		check_subject(lists[i], "a.{{nick()}}", 1, VIOLATION_SUBJECT);
		check_subject(
			lists[i], "a queue", 1, subscribe ? NULL : VIOLATION_SUBJECT);
		check_subject(lists[i], "a b c", 1, VIOLATION_SUBJECT);
		char *text = repeat("x", LIMIT_SUBJECT_BYTES);
		check_subject(lists[i], text, 1, NULL);
		free(text);
		text = repeat("x", LIMIT_SUBJECT_BYTES + 1);
		check_subject(lists[i], text, 1, VIOLATION_SUBJECT);
		free(text);
	}
}

static void
check_id(const char *name, const char *id, const char *code)
{
	union any_row row;
	valid_row(&user_collection, &row);
	assert_int_equal(
		str_copy(record_member(collection_field(&user_collection, name), &row),
			RAND_ID_SIZE, id),
		0);
	assert_violation(&user_collection, &row,
		collection_field_bit(&user_collection, name), name, code);
	record_release(&user_collection, &row);
}

static void
test_record_ids(void **state)
{
	static const char *const bad[] = { "short", "UPPERCASE000000", "abc-def00000000",
		"abc def00000000", "abcdef'--000000", "\xc3\xa9" };
	(void)state; /* unused */
	check_id("id", "abcdefghij01234", NULL);
	check_id("id", "", NULL); /* one is drawn */
	check_id("account_id", "abcdefghij01234", NULL);
	check_id("account_id", "", VIOLATION_REQUIRED);
	check_id("role_id", "", NULL); /* the default role fills it */
	for (size_t i = 0; i < COUNT(bad); i++) {
		check_id("id", bad[i], VIOLATION_FORMAT);
		check_id("account_id", bad[i], VIOLATION_MISSING_REL);
		check_id("role_id", bad[i], VIOLATION_MISSING_REL);
	}
}

/* An update is checked where it speaks; what is required, always. */
static void
test_present(void **state)
{
	union any_row row;
	(void)state; /* unused */
	valid_row(&account_collection, &row);
	row.account.max_payload = -5;
	assert_violation(&account_collection, &row, 0, "", NULL);
	assert_violation(&account_collection, &row,
		collection_field_bit(&account_collection, "max_payload"), "max_payload",
		VIOLATION_MIN_NUMBER);
	row.account.max_payload = -1;
	temp_set(&row.account.name, "");
	assert_violation(&account_collection, &row, 0, "name", VIOLATION_REQUIRED);
	record_release(&account_collection, &row);
}

static void
test_passwords(void **state)
{
	char longest[LIMIT_PASSWORD_MAX_BYTES + 2];
	memset(longest, 'x', sizeof(longest));
	longest[LIMIT_PASSWORD_MAX_BYTES] = '\0';
	char too_long[LIMIT_PASSWORD_MAX_BYTES + 2];
	memset(too_long, 'x', sizeof(too_long));
	too_long[LIMIT_PASSWORD_MAX_BYTES + 1] = '\0';
	const struct {
		const char *password;
		const char *confirm;
		const char *field;
		const char *code;
	} table[] = {
		{ "12345678", "12345678", "", NULL },
		{ longest, longest, "", NULL },
		{ "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
			"password", VIOLATION_MIN_TEXT },
		{ "1234567", "1234567", "password", VIOLATION_MIN_TEXT },
		{ too_long, too_long, "password", VIOLATION_MAX_TEXT },
		{ "12345678", "12345679", "passwordConfirm", VIOLATION_MISMATCH },
		{ "12345678", "", "passwordConfirm", VIOLATION_REQUIRED },
		{ "12345678", NULL, "passwordConfirm", VIOLATION_REQUIRED },
	};
	(void)state; /* unused */
	for (size_t i = 0; i < COUNT(table); i++) {
		struct violations violations = { 0 };
		password_validate(table[i].password, table[i].confirm, &violations);
		assert_int_equal(violations.len, table[i].code != NULL ? 1 : 0);
		if (table[i].code != NULL) {
			assert_string_equal(violations.items[0].field, table[i].field);
			assert_string_equal(violations.items[0].code, table[i].code);
			/* Never what was typed. */
			assert_null(
				strstr(violations.items[0].message, table[i].password));
		}
	}
}

static void
test_violations(void **state)
{
	struct violations list = { 0 };
	struct err err = { 0 };
	(void)state; /* unused */
	assert_int_equal(violations_check(&list, &err), 0);
	violations_add(&list, "a", VIOLATION_REQUIRED, "first %d", 1);
	violations_add(&list, "a", VIOLATION_FORMAT, "second");
	assert_int_equal(list.len, 1);
	assert_string_equal(list.items[0].message, "first 1");
	assert_int_equal(violations_check(&list, &err), -1);
	assert_string_equal(err.msg, "a: first 1");
	for (int i = 0; i < 2 * VIOLATIONS_MAX; i++) {
		char name[16];
		str_fmt_cut(name, sizeof(name), "f%d", i);
		violations_add(&list, name, VIOLATION_FORMAT, "wrong");
	}
	assert_int_equal(list.len, VIOLATIONS_MAX);
	/* Names that the request chose may be of any length. */
	char *text = repeat("\xe2\x82\xac", 500);
	list.len = 0;
	violations_add(&list, text, VIOLATION_UNKNOWN_FIELD, "%s", text);
	assert_true(str_is_utf8(list.items[0].field, strlen(list.items[0].field)));
	assert_true(str_is_utf8(list.items[0].message, strlen(list.items[0].message)));
	free(text);
}

/* Each one that is taken must be read by servers of all versions; they refuse the whole
 * JWT otherwise. */
static void
test_urls(void **state)
{
	static const char *const good[] = { "https://example.org", "http://a:/",
		"http://a:99999/x", "http://[::1]:80/x?y=%20#a%41", "http://[fe80::1]",
		"http://u:p@h:1/", "h+-.://a", "http://a/%25", "http://a/[", "mailto://x",
		"http://\xc3\xa4/" };
	static const char *const bad[] = { "http://[", "http://[]", "http://[::1",
		"http://[::1]x", "http://[::1]:x", "http://[abc]", "http://[1:2]",
		"http://[1.2.3.4]",
		"http://[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]",
		"http://[fe80::1%25en0]/", "http://a]b", "http://a:b", "http://a:1:2",
		"http://a%41", "http://a/%", "http://a/%4", "http://a/%zz",
		"http://a#%zz", "http://u@", "http://u@:80", "http://u@/", "http://u[@h",
		"http://\xc3\xa4@h", "http://u%41@h" };
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!url_is_well_formed(good[i])) {
			fail_msg("%s was refused", good[i]);
		}
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (url_is_well_formed(bad[i])) {
			fail_msg("%s was taken", bad[i]);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables_match_schema),
		cmocka_unit_test(test_tables_are_sound),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_emails),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_subjects),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_record_ids),
		cmocka_unit_test(test_present),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_violations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
