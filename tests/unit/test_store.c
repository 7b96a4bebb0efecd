/* SPDX-License-Identifier: Apache-2.0
 * The store's files, records and tables. Writes at once, faults and crashes:
 * test_store_write.c. */
#include "base/str.h"
#include "base/strlist.h"
#include "store/account.h"
#include "store/account_export.h"
#include "store/audit.h"
#include "store/auth.h"
#include "store/conn.h"
#include "store/operator.h"
#include "store/publish.h"
#include "store/record.h"
#include "store/revocation.h"
#include "store/role.h"
#include "store/settings.h"
#include "store/signing_key.h"
#include "store/state.h"
#include "store/user.h"
#include "store/vault.h"
#include "support/temp_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- fixture ---- */

static int
set_up_closed(void **state)
{
	struct temp_store *temp = malloc(sizeof(*temp));
	assert_non_null(temp);
	temp_store_init(temp);
	temp->clock.clock.ctx = &temp->clock;
	*state = temp;
	return 0;
}

static int
set_up(void **state)
{
	set_up_closed(state);
	temp_store_open(*state);
	return 0;
}

static int
tear_down(void **state)
{
	temp_store_release(*state);
	free(*state);
	return 0;
}

static struct store_conn *
begin_read(struct temp_store *temp)
{
	struct store_conn *conn = NULL;
	struct err err = { 0 };
	if (store_read_begin(temp->store, &conn, &err) != 0) {
		fail_msg("cannot read: %s (%s)", err.msg, err.detail);
	}
	return conn;
}

static void
assert_ok(int rc, const struct err *err)
{
	if (rc < 0) {
		fail_msg("%s (%s)", err->msg, err->detail);
	}
}

static void
write_ok(struct temp_store *temp, store_write_fn fn, void *ctx)
{
	struct err err = { 0 };
	assert_ok(store_write(temp->store, fn, ctx, &err), &err);
}

static void
check_ok(struct temp_store *temp)
{
	struct err err = { 0 };
	struct store_conn *conn = begin_read(temp);
	assert_ok(store_check(conn, &err), &err);
	store_read_end(temp->store, conn);
}

/* An account, a role and a user in it; ids and seqs for the tables that hang on them. */
struct world {
	struct account account;
	struct role role;
	struct user user;
};

static void
world_insert(struct temp_store *temp, struct world *world)
{
	temp_account(&world->account, "acme");
	temp_insert_ok(temp->store, &account_collection, &world->account);
	temp_role(&world->role, "sensor");
	temp_insert_ok(temp->store, &role_collection, &world->role);
	temp_user(&world->user, "alice", world->account.head.id, world->role.head.id);
	temp_insert_ok(temp->store, &user_collection, &world->user);
}

static void
world_release(struct world *world)
{
	record_release(&account_collection, &world->account);
	record_release(&role_collection, &world->role);
	record_release(&user_collection, &world->user);
}

/* ---- files ---- */

static unsigned
mode_of(const char *path, const char *suffix)
{
	char full[128];
	struct stat st;
	assert_int_equal(str_fmt(full, sizeof(full), "%s%s", path, suffix), 0);
	assert_int_equal(stat(full, &st), 0);
	return st.st_mode & 0777;
}

static void
test_file_is_private(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	mode_t before = umask(0);
	temp_store_open(temp);
	world_insert(temp, &world);
	umask(before);
	assert_int_equal(mode_of(temp->path, ""), 0600);
	assert_int_equal(mode_of(temp->path, "-wal"), 0600);
	assert_int_equal(mode_of(temp->path, "-shm"), 0600);
	world_release(&world);

	temp_store_close(temp);
	assert_int_equal(access(temp->path, F_OK), 0);
	assert_int_equal(chmod(temp->path, 0644), 0);
	temp_store_open(temp);
	assert_int_equal(mode_of(temp->path, ""), 0600);
}

static int64_t
pragma(struct store_conn *conn, const char *text)
{
	int64_t value = -1;
	assert_int_equal(store_conn_int(conn, text, &value, NULL), 0);
	return value;
}

static void
test_settings(void **state)
{
	struct temp_store *temp = *state;
	struct store_conn *reader = begin_read(temp);
	struct store_conn *both[] = { temp->store->writer, reader };
	for (size_t i = 0; i < COUNT(both); i++) {
		assert_int_equal(pragma(both[i], "PRAGMA synchronous"), 2);
		assert_int_equal(pragma(both[i], "PRAGMA foreign_keys"), 1);
		assert_int_equal(pragma(both[i], "PRAGMA trusted_schema"), 0);
		assert_int_equal(pragma(both[i], "PRAGMA secure_delete"), 1);
		assert_int_equal(pragma(both[i], "PRAGMA temp_store"), 2);
		assert_int_equal(pragma(both[i], "PRAGMA busy_timeout"), 5000);
		assert_int_equal(pragma(both[i], "PRAGMA application_id"), 0x6e736964);
	}
	assert_int_equal(pragma(both[0], "PRAGMA cache_size"), -16384);
	assert_int_equal(pragma(both[0], "PRAGMA journal_size_limit"), 64 * 1024 * 1024);
	assert_int_equal(pragma(both[0], "PRAGMA wal_autocheckpoint"), 1000);
	assert_int_equal(pragma(reader, "PRAGMA query_only"), 1);
	assert_int_equal(store_conn_exec(reader, "DELETE FROM settings", NULL), -1);
	/* The defensive mode: the schema cannot be written as if it were a table. */
	assert_int_equal(
		store_conn_exec(both[0], "PRAGMA writable_schema = ON", NULL), 0);
	assert_int_equal(store_conn_exec(both[0], "DELETE FROM sqlite_schema", NULL), -1);
	store_read_end(temp->store, reader);
	assert_int_equal(temp_store_query(temp,
				 "SELECT journal_mode = 'wal' FROM "
				 "pragma_journal_mode"),
		1);
}

static void
read_uuid(struct temp_store *temp, char out[static STORE_UUID_SIZE])
{
	struct store_conn *conn = begin_read(temp);
	assert_int_equal(store_settings_uuid(conn, out, NULL), 0);
	store_read_end(temp->store, conn);
}

static void
test_uuid_is_kept(void **state)
{
	struct temp_store *temp = *state;
	char first[STORE_UUID_SIZE];
	char second[STORE_UUID_SIZE];
	read_uuid(temp, first);
	temp_store_close(temp);
	temp_store_open(temp);
	read_uuid(temp, second);
	assert_string_equal(first, second);
	assert_int_equal(strlen(first), 36);
	assert_int_equal(strspn(first, "0123456789abcdef-"), 36);
	assert_true(first[8] == '-' && first[13] == '-' && first[14] == '4' &&
		first[18] == '-' && first[23] == '-');
	assert_int_equal(
		temp_store_query(temp, "PRAGMA user_version"), store_schema_version());
}

static void
assert_refused(struct temp_store *temp, bool create, enum err_code code, const char *says)
{
	struct err err = { 0 };
	struct store *store = NULL;
	assert_int_equal(store_open(&temp->params, create, &store, &err), -1);
	assert_null(store);
	if (err.code != code || strstr(err.msg, says) == NULL) {
		fail_msg("%s: %s (%s)", err_code_name(err.code), err.msg, err.detail);
	}
}

static void
write_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static void
test_no_file(void **state)
{
	struct temp_store *temp = *state;
	assert_refused(temp, false, ERR_NOT_FOUND, temp->path);
	assert_int_equal(access(temp->path, F_OK), -1);
	/* A crash right after the creation. */
	write_file(temp->path, "", 0);
	assert_refused(temp, false, ERR_NOT_FOUND, "holds no database yet");
	temp_store_open(temp);
}

static void
test_no_directory(void **state)
{
	struct temp_store *temp = *state;
	temp->params.path = "/nowhere/at/all/natsid.db";
	assert_refused(temp, true, ERR_INTERNAL, "cannot create /nowhere");
	assert_refused(temp, false, ERR_NOT_FOUND, "/nowhere");
	temp->params.path = temp->dir;
	assert_refused(temp, true, ERR_CORRUPT, "not a file");
}

static void
test_not_a_database(void **state)
{
	struct temp_store *temp = *state;
	char text[8192];
	memset(text, 'x', sizeof(text));
	write_file(temp->path, text, sizeof(text));
	assert_refused(temp, true, ERR_CORRUPT, "is not a database");
	char short_text[] = "hello";
	write_file(temp->path, short_text, strlen(short_text));
	assert_refused(temp, true, ERR_CORRUPT, "is not a database");
}

static void
test_other_program(void **state)
{
	struct temp_store *temp = *state;
	temp_store_exec(temp, "CREATE TABLE t (a); PRAGMA user_version = 1");
	assert_refused(temp, true, ERR_CORRUPT, "another program");
	temp_store_exec(
		temp, "DROP TABLE t; PRAGMA user_version = 0; PRAGMA application_id = 7");
	assert_refused(temp, true, ERR_CORRUPT, "another program");
	/* Nothing was done to it. */
	assert_int_equal(temp_store_query(temp, "PRAGMA application_id"), 7);
	assert_int_equal(temp_store_query(temp,
				 "SELECT journal_mode = 'delete' FROM "
				 "pragma_journal_mode"),
		1);
}

static void
test_newer_schema(void **state)
{
	struct temp_store *temp = *state;
	temp_store_close(temp);
	temp_store_exec(temp, "PRAGMA user_version = 9999");
	assert_refused(temp, true, ERR_CONFLICT, "install the newer natsid");
	assert_int_equal(temp_store_query(temp, "PRAGMA user_version"), 9999);
}

static void
test_truncated(void **state)
{
	struct temp_store *temp = *state;
	struct stat st;
	temp_store_close(temp);
	assert_int_equal(stat(temp->path, &st), 0);
	assert_int_equal(truncate(temp->path, st.st_size / 4096 / 2 * 4096), 0);
	assert_refused(temp, true, ERR_CORRUPT, "damaged");
}

static void
test_damaged_page(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	world_insert(temp, &world);
	temp_store_close(temp);
	int64_t page = temp_store_query(
		temp, "SELECT rootpage FROM sqlite_schema WHERE name = 'users_name'");
	int fd = open(temp->path, O_WRONLY);
	char noise[512];
	memset(noise, 0x5a, sizeof(noise));
	assert_int_equal(pwrite(fd, noise, sizeof(noise), (off_t)((page - 1) * 4096)),
		(ssize_t)sizeof(noise));
	close(fd);
	assert_refused(temp, true, ERR_CORRUPT, "damaged");
	world_release(&world);
}

/* Damage that the structure does not show: found by the full check. */
static void
test_check_finds(void **state)
{
	struct temp_store *temp = *state;
	static const struct {
		const char *sql;
		const char *finding;
	} table[] = {
		{ "PRAGMA foreign_keys = OFF; DELETE FROM roles",
			"refers to a missing roles" },
		{ "UPDATE counters SET total = 5 WHERE name = 'users'",
			"users are counted as 5" },
	};
	struct world world;
	world_insert(temp, &world);
	check_ok(temp);
	for (size_t i = 0; i < COUNT(table); i++) {
		struct err err = { 0 };
		temp_store_exec(temp, table[i].sql);
		struct store_conn *conn = begin_read(temp);
		assert_int_equal(store_check(conn, &err), -1);
		assert_int_equal(err.code, ERR_CORRUPT);
		assert_non_null(strstr(err.detail, table[i].finding));
		store_read_end(temp->store, conn);
		if (i == 0) {
			temp_store_exec(
				temp, "PRAGMA foreign_keys = OFF; DELETE FROM users");
		} else {
			temp_store_exec(temp,
				"UPDATE counters SET total = 0 WHERE name = 'users'");
			check_ok(temp);
		}
	}
	world_release(&world);
}

/* Processes that open a new file at once: one schema, one uuid. */
static void
open_together(struct temp_store *temp)
{
	pid_t children[6];
	for (size_t i = 0; i < COUNT(children); i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0) {
			struct store *store = NULL;
			int rc = store_open(&temp->params, true, &store, NULL);
			store_close(store);
			_exit(rc == 0 ? 0 : 1);
		}
	}
	for (size_t i = 0; i < COUNT(children); i++) {
		int status = -1;
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(temp_store_query(temp, "SELECT count(*) FROM settings"), 1);
}

static void
test_migrate_together(void **state)
{
	struct temp_store *temp = *state;
	for (int round = 0; round < 20; round++) {
		open_together(temp);
		temp_store_remove(temp);
	}
}

/* ---- records ---- */

/* Texts that the schema CHECKs. */
static bool
fill_checked(const struct field *field, void *member)
{
	static const struct {
		const char *field;
		const char *value;
	} checked[] = { { "cluster_traffic", "owner" }, { "type", "stream" },
		{ "response_type", "Chunked" } };
	for (size_t i = 0; i < COUNT(checked); i++) {
		if (str_equal(field->name, checked[i].field)) {
			temp_set(member, checked[i].value);
			return true;
		}
	}
	return false;
}

/* Gives every stored field of a row a value of its own that is not the default. */
static void
fill(const struct collection *collection, void *row)
{
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		if (field->column == NULL || field->offset == FIELD_NO_OFFSET) {
			continue;
		}
		void *member = record_member(field, row);
		char text[64];
		if (fill_checked(field, member)) {
			continue;
		}
		str_fmt_cut(text, sizeof(text), "%s-%zu <&> \xc3\xa9", field->name, i);
		switch (field->type) {
		case FIELD_TEXT:
			temp_set(member, text);
			break;
		case FIELD_EMAIL:
			temp_set(member, "someone@example.org");
			break;
		case FIELD_BOOL:
			*(bool *)member = !*(bool *)member;
			break;
		case FIELD_INT:
			*(int64_t *)member = field->max == 100 ? 7 : 1000 + (int64_t)i;
			break;
		case FIELD_CLAIM:
			temp_set(member, "{}");
			break;
		case FIELD_LIST:
			strlist_release(member);
			assert_int_equal(strlist_add(member, text, NULL), 0);
			assert_int_equal(strlist_add(member, ">", NULL), 0);
			break;
		case FIELD_DATE:
			if (str_equal(field->name, "issued_at")) {
				*(int64_t *)member = INT64_C(1790000000123);
			}
			break;
		case FIELD_RELATION:
		case FIELD_ID:
		case FIELD_KEY:
		case FIELD_PASSWORD:
		case FIELD_JSON:
			break;
		}
	}
}

static void
assert_same_row(const struct collection *collection, const void *a, const void *b)
{
	const struct record_head *x = a;
	const struct record_head *y = b;
	uint64_t diff = record_diff(collection, a, b);
	for (size_t i = 0; i < collection->field_count; i++) {
		if ((diff >> i & 1) != 0 &&
			collection->fields[i].type != FIELD_PASSWORD) {
			fail_msg("%s.%s differs", collection->name,
				collection->fields[i].name);
		}
	}
	assert_int_equal(x->seq, y->seq);
	assert_int_equal(x->version, y->version);
}

/* What says nothing is null in its column, too. */
static bool
is_null(const struct field *field, const void *member)
{
	if ((field->flags & FIELD_NULLABLE) == 0) {
		return false;
	}
	if (field->type == FIELD_INT) {
		return *(const int64_t *)member == FIELD_NULL_INT;
	}
	if (field->type == FIELD_LIST) {
		return ((const struct strlist *)member)->items == NULL;
	}
	return *(char *const *)member == NULL;
}

static int
view_row(void *ctx, const struct record_view *view, struct err *err)
{
	const void *row = ctx;
	const struct collection *collection = view->collection;
	(void)err; /* cannot fail but by assertion */
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		size_t len = 99;
		if (field->offset == FIELD_NO_OFFSET || field->type == FIELD_PASSWORD) {
			if (field->read == NULL) {
				assert_string_equal(record_view_text(view, i, &len), "");
				assert_int_equal(len, 0);
				assert_int_equal(record_view_int(view, i), 0);
				assert_non_null(record_view_blob(view, i, &len));
				assert_int_equal(len, 0);
			}
			continue;
		}
		const void *member = record_member_const(field, row);
		if (is_null(field, member)) {
			assert_true(record_view_is_null(view, i));
			continue;
		}
		switch (field->type) {
		case FIELD_TEXT:
		case FIELD_EMAIL: {
			const char *text = *(char *const *)member;
			text = text != NULL ? text : "";
			assert_string_equal(record_view_text(view, i, &len), text);
			assert_int_equal(len, strlen(text));
			break;
		}
		case FIELD_ID:
		case FIELD_RELATION:
			assert_string_equal(record_view_text(view, i, &len), member);
			break;
		case FIELD_BOOL:
			assert_int_equal(record_view_int(view, i), *(const bool *)member);
			break;
		case FIELD_INT:
		case FIELD_DATE:
			assert_int_equal(
				record_view_int(view, i), *(const int64_t *)member);
			break;
		case FIELD_KEY:
			assert_memory_equal(record_view_blob(view, i, &len), member, 32);
			assert_int_equal(len, 32);
			break;
		case FIELD_CLAIM:
			assert_string_equal(
				record_view_text(view, i, &len), *(char *const *)member);
			break;
		case FIELD_LIST: {
			struct strlist list = { 0 };
			const char *json = record_view_text(view, i, &len);
			assert_int_equal(strlist_read(json, len, &list, NULL), 0);
			assert_true(strlist_equal(&list, member));
			strlist_release(&list);
			break;
		}
		case FIELD_PASSWORD:
		case FIELD_JSON:
			break;
		}
	}
	return 0;
}

static void
assert_stored(struct temp_store *temp, const struct collection *collection, void *row)
{
	const struct record_head *head = row;
	struct err err = { 0 };
	void *read = calloc(1, collection->row_size);
	struct store_conn *conn = begin_read(temp);
	assert_non_null(read);
	assert_ok(store_record_get(conn, collection, head->id, read, &err), &err);
	assert_same_row(collection, row, read);
	record_release(collection, read);
	assert_ok(store_record_get_seq(conn, collection, head->seq, read, &err), &err);
	assert_same_row(collection, row, read);
	record_release(collection, read);
	assert_ok(
		store_record_view(conn, collection, head->id, view_row, row, &err), &err);
	store_read_end(temp->store, conn);
	free(read);
}

static int64_t
count_of(struct temp_store *temp, const struct collection *collection)
{
	int64_t count = -1;
	struct store_conn *conn = begin_read(temp);
	assert_int_equal(store_record_count(conn, collection, &count, NULL), 0);
	store_read_end(temp->store, conn);
	return count;
}

static void
assert_gone(struct temp_store *temp, const struct collection *collection,
	const struct record_head *head)
{
	struct err err = { 0 };
	uint64_t row[64];
	struct store_conn *conn = begin_read(temp);
	assert_true(collection->row_size <= sizeof(row));
	assert_int_equal(store_record_get(conn, collection, head->id, row, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(
		store_record_view(conn, collection, head->id, view_row, NULL, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	store_read_end(temp->store, conn);
}

/* Insert, read, change all, read, stale, delete. */
static void
live(struct temp_store *temp, const struct collection *collection, void *row,
	bool deletable)
{
	struct record_head *head = row;
	struct err err = { 0 };
	const struct field *field = NULL;
	int64_t before = count_of(temp, collection);

	temp_insert_ok(temp->store, collection, row);
	assert_int_equal(head->version, 1);
	assert_true(head->seq > 0);
	assert_int_equal(head->created, temp->clock.wall);
	assert_int_equal(head->updated, temp->clock.wall);
	assert_stored(temp, collection, row);
	assert_int_equal(count_of(temp, collection), before + 1);

	const struct record_head old = *head;
	temp->clock.wall += 10;
	fill(collection, row);
	assert_ok(temp_update(temp->store, collection, row, &field, &err), &err);
	assert_null(field);
	assert_int_equal(head->version, 2);
	assert_int_equal(head->created, old.created);
	assert_int_equal(head->updated, old.updated + 10);
	assert_stored(temp, collection, row);

	const struct record_head new = *head;
	*head = old;
	assert_int_equal(temp_update(temp->store, collection, row, &field, &err), -1);
	assert_int_equal(err.code, ERR_STALE);
	assert_int_equal(head->version, old.version);
	assert_int_equal(head->updated, old.updated);
	assert_int_equal(temp_delete(temp->store, collection, &old, &err), -1);
	assert_int_equal(err.code, ERR_STALE);
	*head = new;
	assert_stored(temp, collection, row);

	if (deletable) {
		assert_ok(temp_delete(temp->store, collection, head, &err), &err);
		assert_gone(temp, collection, head);
		assert_int_equal(count_of(temp, collection), before);
		assert_int_equal(temp_delete(temp->store, collection, head, &err), -1);
		assert_int_equal(err.code, ERR_STALE);
	}
}

static void
test_records(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	struct account account;
	struct role role;
	struct user user;
	struct superuser superuser;
	struct account_export export;
	struct account_import import;
	struct operator_row operator= { 0 };

	temp_account(&account, "acme 1");
	live(temp, &account_collection, &account, false);
	record_release(&account_collection, &account);

	temp_role(&role, "role");
	live(temp, &role_collection, &role, true);
	record_release(&role_collection, &role);

	temp_superuser(&superuser, "root@example.org");
	live(temp, &superuser_collection, &superuser, true);
	record_release(&superuser_collection, &superuser);

	world_insert(temp, &world);
	temp_user(&user, "bob", world.account.head.id, world.role.head.id);
	live(temp, &user_collection, &user, true);
	record_release(&user_collection, &user);

	temp_export(&export, "out.>", world.account.head.id);
	live(temp, &account_export_collection, &export, true);
	record_release(&account_export_collection, &export);
	temp_import(&import, "in.>", world.account.head.id);
	live(temp, &account_import_collection, &import, true);
	record_release(&account_import_collection, &import);

	rand_id(&clock_system, operator.head.id);
	rand_bytes(&operator.public_key, sizeof(operator.public_key));
	temp_set(&operator.name, "O");
	temp_set(&operator.jwt, "jwt");
	assert_int_equal(
		str_copy(operator.system_account_id, RAND_ID_SIZE, world.account.head.id),
		0);
	live(temp, &operator_collection, &operator, false);
	record_release(&operator_collection, &operator);
	world_release(&world);
	check_ok(temp);
}

/* SQLite gives the seq of a deleted last row again, and every first version is 1: a row
 * that was read before may not be taken for the new one. */
static void
test_seq_of_a_deleted_row(void **state)
{
	struct temp_store *temp = *state;
	struct role old;
	struct role new;
	struct err err = { 0 };
	temp_role(&old, "old");
	temp_role(&new, "new");
	temp_insert_ok(temp->store, &role_collection, &old);
	assert_ok(temp_delete(temp->store, &role_collection, &old.head, &err), &err);
	temp_insert_ok(temp->store, &role_collection, &new);
	assert_int_equal(new.head.seq, old.head.seq);
	assert_int_equal(
		temp_update(temp->store, &role_collection, &old, NULL, &err), -1);
	assert_int_equal(err.code, ERR_STALE);
	assert_int_equal(temp_delete(temp->store, &role_collection, &old.head, &err), -1);
	assert_int_equal(err.code, ERR_STALE);
	assert_stored(temp, &role_collection, &new);
	record_release(&role_collection, &old);
	record_release(&role_collection, &new);
}

/* Devices have no e-mail: any number of them. */
static void
test_empty_email(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	struct user other;
	world_insert(temp, &world);
	temp_user(&other, "bob", world.account.head.id, world.role.head.id);
	temp_insert_ok(temp->store, &user_collection, &other);
	assert_stored(temp, &user_collection, &other);
	assert_string_equal(other.email, "");
	assert_int_equal(
		temp_store_query(temp, "SELECT count(*) FROM users WHERE email IS NULL"),
		2);
	record_release(&user_collection, &other);
	world_release(&world);
}

struct refusal {
	enum err_code code;
	const char *field;
};

static void
assert_insert_refused(struct temp_store *temp, const struct collection *collection,
	void *row, enum err_code code, const char *field_name)
{
	struct err err = { 0 };
	const struct field *field = NULL;
	const struct record_head *head = row;
	assert_int_equal(temp_insert(temp->store, collection, row, &field, &err), -1);
	if (err.code != code ||
		!str_equal(field != NULL ? field->name : "", field_name)) {
		fail_msg("%s, field %s: %s (%s)", err_code_name(err.code),
			field != NULL ? field->name : "none", err.msg, err.detail);
	}
	/* SQLite's words are for the log. */
	assert_null(strstr(err.msg, "constraint"));
	assert_null(strstr(err.msg, "UNIQUE"));
	assert_int_equal(head->seq, 0);
}

static void
test_refusals_name_the_field(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	struct account account;
	struct role role;
	struct user user;
	struct superuser superuser;
	world_insert(temp, &world);

	temp_account(&account, "acme");
	assert_insert_refused(temp, &account_collection, &account, ERR_CONFLICT, "name");
	temp_set(&account.name, "other");
	account.public_key = world.account.public_key;
	assert_insert_refused(
		temp, &account_collection, &account, ERR_CONFLICT, "public_key");
	rand_bytes(&account.public_key, sizeof(account.public_key));
	memcpy(account.head.id, world.account.head.id, RAND_ID_SIZE);
	assert_insert_refused(temp, &account_collection, &account, ERR_CONFLICT, "id");
	record_release(&account_collection, &account);

	temp_role(&role, "sensor");
	assert_insert_refused(temp, &role_collection, &role, ERR_CONFLICT, "name");
	record_release(&role_collection, &role);

	temp_user(&user, "alice", world.account.head.id, world.role.head.id);
	assert_insert_refused(
		temp, &user_collection, &user, ERR_CONFLICT, "nats_username");
	temp_set(&user.nats_username, "bob");
	memcpy(user.role_id, "nosuchrole00000", RAND_ID_SIZE);
	assert_insert_refused(temp, &user_collection, &user, ERR_INVALID, "role_id");
	user.role_id[0] = '\0';
	assert_insert_refused(temp, &user_collection, &user, ERR_INVALID, "role_id");
	memcpy(user.role_id, world.role.head.id, RAND_ID_SIZE);
	memcpy(user.account_id, world.role.head.id, RAND_ID_SIZE);
	assert_insert_refused(temp, &user_collection, &user, ERR_INVALID, "account_id");
	memcpy(user.account_id, world.account.head.id, RAND_ID_SIZE);
	temp_set(&user.email, "a@example.org");
	temp_insert_ok(temp->store, &user_collection, &user);

	struct user twin;
	temp_user(&twin, "carol", world.account.head.id, world.role.head.id);
	temp_set(&twin.email, "a@example.org");
	assert_insert_refused(temp, &user_collection, &twin, ERR_CONFLICT, "email");
	record_release(&user_collection, &twin);
	record_release(&user_collection, &user);

	temp_superuser(&superuser, "root@example.org");
	temp_insert_ok(temp->store, &superuser_collection, &superuser);
	struct superuser again;
	temp_superuser(&again, "root@example.org");
	assert_insert_refused(temp, &superuser_collection, &again, ERR_CONFLICT, "email");
	record_release(&superuser_collection, &again);
	record_release(&superuser_collection, &superuser);
	world_release(&world);
	check_ok(temp);
}

static void
test_only_one_default_and_system(void **state)
{
	struct temp_store *temp = *state;
	struct role roles[2];
	struct account accounts[2];
	temp_role(&roles[0], "a");
	temp_role(&roles[1], "b");
	roles[0].is_default = true;
	roles[1].is_default = true;
	temp_insert_ok(temp->store, &role_collection, &roles[0]);
	assert_insert_refused(
		temp, &role_collection, &roles[1], ERR_CONFLICT, "is_default");
	temp_account(&accounts[0], "a");
	temp_account(&accounts[1], "b");
	accounts[0].is_system = true;
	accounts[1].is_system = true;
	temp_insert_ok(temp->store, &account_collection, &accounts[0]);
	assert_insert_refused(
		temp, &account_collection, &accounts[1], ERR_CONFLICT, "is_system");

	struct operator_row operators[2] = { 0 };
	for (size_t i = 0; i < 2; i++) {
		rand_id(&clock_system, operators[i].head.id);
		rand_bytes(&operators[i].public_key, sizeof(operators[i].public_key));
		temp_set(&operators[i].name, "O");
		temp_set(&operators[i].jwt, "jwt");
		memcpy(operators[i].system_account_id, accounts[0].head.id, RAND_ID_SIZE);
	}
	temp_insert_ok(temp->store, &operator_collection, &operators[0]);
	assert_insert_refused(
		temp, &operator_collection, &operators[1], ERR_CONFLICT, "");
	for (size_t i = 0; i < 2; i++) {
		record_release(&role_collection, &roles[i]);
		record_release(&account_collection, &accounts[i]);
		record_release(&operator_collection, &operators[i]);
	}
}

static void
test_update_refusals(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	struct user user;
	struct err err = { 0 };
	const struct field *field = NULL;
	world_insert(temp, &world);
	temp_user(&user, "bob", world.account.head.id, world.role.head.id);
	temp_insert_ok(temp->store, &user_collection, &user);

	temp_set(&user.nats_username, "alice");
	assert_int_equal(
		temp_update(temp->store, &user_collection, &user, &field, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_string_equal(field->name, "nats_username");
	assert_int_equal(user.head.version, 1);
	temp_set(&user.nats_username, "bob");
	memcpy(user.account_id, "nosuchaccount00", RAND_ID_SIZE);
	assert_int_equal(
		temp_update(temp->store, &user_collection, &user, &field, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_string_equal(field->name, "account_id");
	/* out_field may be NULL. */
	assert_int_equal(
		temp_update(temp->store, &user_collection, &user, NULL, NULL), -1);

	assert_int_equal(
		temp_delete(temp->store, &role_collection, &world.role.head, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "refer"));
	assert_int_equal(
		temp_delete(temp->store, &account_collection, &world.account.head, &err),
		-1);
	assert_int_equal(err.code, ERR_CONFLICT);
	record_release(&user_collection, &user);
	world_release(&world);
}

/* Bytes that are no list, or no key, are told as damage, not passed on. */
static void
test_damaged_values(void **state)
{
	struct temp_store *temp = *state;
	static const char *const table[] = {
		"UPDATE roles SET publish_permissions = '[\"a\"'",
		"UPDATE roles SET publish_permissions = ''",
		"UPDATE roles SET publish_permissions = '{}'",
		"PRAGMA ignore_check_constraints = ON; UPDATE roles SET id = id || 'x'",
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct role role;
		struct role read = { 0 };
		struct err err = { 0 };
		temp_role(&role, "role");
		temp_insert_ok(temp->store, &role_collection, &role);
		temp_store_exec(temp, table[i]);
		struct store_conn *conn = begin_read(temp);
		assert_int_equal(store_record_get_seq(conn, &role_collection,
					 role.head.seq, &read, &err),
			-1);
		assert_int_equal(err.code, ERR_CORRUPT);
		store_read_end(temp->store, conn);
		temp_store_exec(temp, "DELETE FROM roles");
		record_release(&role_collection, &role);
	}
}

/* A list with a damaged row in it is not handed out in part. */
static void
test_damaged_list(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	struct store_imports imports = { 0 };
	struct err err = { 0 };
	world_insert(temp, &world);
	for (int i = 0; i < 3; i++) {
		struct account_import row;
		temp_import(&row, "in.>", world.account.head.id);
		temp_insert_ok(temp->store, &account_import_collection, &row);
		record_release(&account_import_collection, &row);
	}
	temp_store_exec(temp,
		"PRAGMA ignore_check_constraints = ON; UPDATE account_imports SET "
		"exporter = x'00' WHERE seq = 3");
	struct store_conn *conn = begin_read(temp);
	assert_int_equal(
		store_import_list(conn, world.account.head.seq, &imports, &err), -1);
	store_read_end(temp->store, conn);
	assert_int_equal(err.code, ERR_CORRUPT);
	assert_int_equal(imports.len, 0);
	assert_null(imports.items);
	world_release(&world);
}

static int
mark_deleted(struct store_tx *tx, void *ctx, struct err *err)
{
	return store_account_mark_deleted(tx, ctx, err);
}

static void
test_account_deleted(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	struct err err = { 0 };
	struct account read = { 0 };
	int64_t when = -1;
	world_insert(temp, &world);

	struct record_head wrong = world.account.head;
	wrong.version++;
	assert_int_equal(store_write(temp->store, mark_deleted, &wrong, &err), -1);
	assert_int_equal(err.code, ERR_STALE);
	temp->clock.wall += 5;
	write_ok(temp, mark_deleted, &world.account.head);
	assert_int_equal(
		store_write(temp->store, mark_deleted, &world.account.head, &err), -1);
	assert_int_equal(err.code, ERR_STALE);

	assert_gone(temp, &account_collection, &world.account.head);
	assert_int_equal(count_of(temp, &account_collection), 0);
	struct store_conn *conn = begin_read(temp);
	assert_int_equal(store_record_get_seq(conn, &account_collection,
				 world.account.head.seq, &read, &err),
		0);
	assert_string_equal(read.name, "acme");
	record_release(&account_collection, &read);
	assert_int_equal(
		store_account_deleted(conn, world.account.head.seq, &when, &err), 0);
	assert_int_equal(when, temp->clock.wall);
	assert_int_equal(store_account_deleted(conn, 999, &when, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	/* Creds of its users are no more. */
	struct store_user_issue issue;
	assert_int_equal(store_user_issue(conn, world.user.head.id, &issue, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	store_read_end(temp->store, conn);

	/* Its name is free, and nobody moves in. */
	struct account account;
	struct user user;
	temp_account(&account, "acme");
	temp_insert_ok(temp->store, &account_collection, &account);
	temp_user(&user, "bob", world.account.head.id, world.role.head.id);
	assert_insert_refused(temp, &user_collection, &user, ERR_INVALID, "account_id");
	record_release(&user_collection, &user);
	record_release(&account_collection, &account);
	world_release(&world);
	check_ok(temp);
}

/* ---- lists ---- */

struct page {
	size_t len;
	char names[64][32];
	size_t field;
};

static int
collect(void *ctx, const struct record_view *view, struct err *err)
{
	struct page *page = ctx;
	size_t len = 0;
	assert_true(page->len < COUNT(page->names));
	(void)err; /* cannot fail but by assertion */
	str_fmt_cut(page->names[page->len++], 32, "%s",
		record_view_text(view, page->field, &len));
	return 0;
}

static struct page
list(struct temp_store *temp, const struct store_list_query *query, int64_t *out_total)
{
	struct page page = { 0 };
	struct err err = { 0 };
	int index = collection_field_index(query->collection,
		query->collection == &user_collection ? "nats_username" : "name");
	page.field = (size_t)index;
	struct store_conn *conn = begin_read(temp);
	assert_ok(store_record_list(conn, query, collect, &page, out_total, &err), &err);
	store_read_end(temp->store, conn);
	return page;
}

static void
assert_page(const struct page *page, const char *expected)
{
	char joined[1024] = "";
	size_t at = 0;
	for (size_t i = 0; i < page->len; i++) {
		assert_int_equal(str_fmt(joined + at, sizeof(joined) - at, "%s%s",
					 i > 0 ? " " : "", page->names[i]),
			0);
		at += strlen(joined + at);
	}
	assert_string_equal(joined, expected);
}

static void
test_list(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	static const struct {
		const char *name;
		const char *full_name;
		bool active;
	} users[] = { { "dora", "x", true }, { "bob", "y", false }, { "carl", "x", true },
		{ "eve", "x", false } };
	world_insert(temp, &world);
	for (size_t i = 0; i < COUNT(users); i++) {
		struct user user;
		temp_user(
			&user, users[i].name, world.account.head.id, world.role.head.id);
		temp_set(&user.full_name, users[i].full_name);
		user.active = users[i].active;
		temp_insert_ok(temp->store, &user_collection, &user);
		record_release(&user_collection, &user);
	}
	const struct field *name = collection_field(&user_collection, "nats_username");
	const struct field *full = collection_field(&user_collection, "full_name");
	const struct field *active = collection_field(&user_collection, "active");
	const struct field *created = collection_field(&user_collection, "created");
	const struct field *account = collection_field(&user_collection, "account_id");
	const struct {
		struct store_sort_key sort[2];
		size_t sort_count;
		int64_t limit;
		int64_t offset;
		const char *expected;
	} table[] = {
		{ { { 0 } }, 0, 10, 0, "alice dora bob carl eve" },
		{ { { 0 } }, 0, 2, 1, "dora bob" },
		{ { { 0 } }, 0, 2, 4, "eve" },
		{ { { 0 } }, 0, 2, 5, "" },
		{ { { 0 } }, 0, 0, 0, "" },
		{ { { NULL, true } }, 1, 3, 0, "eve carl bob" },
		{ { { created, true } }, 1, 3, 1, "carl bob dora" },
		{ { { name, false } }, 1, 10, 0, "alice bob carl dora eve" },
		{ { { name, true } }, 1, 2, 1, "dora carl" },
		{ { { full, false }, { name, true } }, 2, 10, 0,
			"alice eve dora carl bob" },
		{ { { full, true }, { name, false } }, 2, 10, 0,
			"bob carl dora eve alice" },
		{ { { full, true }, { NULL, true } }, 2, 10, 0,
			"bob eve carl dora alice" },
		{ { { active, false } }, 1, 10, 0, "bob eve alice dora carl" },
		{ { { account, true } }, 1, 10, 0, "alice dora bob carl eve" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		int64_t total = 0;
		struct store_list_query query = { .collection = &user_collection,
			.limit = table[i].limit,
			.offset = table[i].offset,
			.sort = table[i].sort,
			.sort_count = table[i].sort_count };
		struct page page = list(temp, &query, &total);
		assert_page(&page, table[i].expected);
		assert_int_equal(total, 5);
		query.skip_total = true;
		page = list(temp, &query, &total);
		assert_page(&page, table[i].expected);
		assert_int_equal(total, -1);
	}
	world_release(&world);
}

/* Each field of each collection that may be sorted by makes a statement that runs; more
 * different ones than the cache holds. */
static void
test_list_sorts_by_all(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	struct account hidden;
	static const char *const names[COLLECTION_COUNT] = {
		[COLLECTION_OPERATOR] = "",
		[COLLECTION_ACCOUNTS] = "acme",
		[COLLECTION_ROLES] = "sensor",
		[COLLECTION_USERS] = "alice",
		[COLLECTION_EXPORTS] = "out.>",
		[COLLECTION_IMPORTS] = "in.>",
	};
	struct account_export export;
	struct account_import import;
	size_t sorts = 0;
	world_insert(temp, &world);
	temp_account(&hidden, "hidden");
	temp_insert_ok(temp->store, &account_collection, &hidden);
	write_ok(temp, mark_deleted, &hidden.head);
	record_release(&account_collection, &hidden);
	temp_export(&export, "out.>", world.account.head.id);
	temp_insert_ok(temp->store, &account_export_collection, &export);
	record_release(&account_export_collection, &export);
	temp_import(&import, "in.>", world.account.head.id);
	temp_insert_ok(temp->store, &account_import_collection, &import);
	record_release(&account_import_collection, &import);
	for (size_t round = 0; round < 2; round++) {
		for (size_t kind = 0; kind < COLLECTION_COUNT; kind++) {
			const struct collection *collection =
				collection_of((enum collection_kind)kind);
			if (collection_field_index(collection, "name") < 0) {
				continue; /* nothing to collect */
			}
			for (size_t i = 0; i < collection->field_count; i++) {
				struct store_sort_key key = { &collection->fields[i],
					i % 2 == 0 };
				struct store_list_query query = { .collection =
									  collection,
					.limit = 5,
					.sort = &key,
					.sort_count = 1 };
				int64_t total = 0;
				if (!store_record_can_sort(key.field)) {
					continue;
				}
				struct page page = list(temp, &query, &total);
				assert_page(&page, names[kind]);
				assert_int_equal(total, page.len);
				sorts++;
			}
		}
	}
	assert_true(sorts > 4 * STORE_CACHED_LISTS);
	assert_false(store_record_can_sort(
		collection_field(&user_collection, "password_hash")));
	assert_false(
		store_record_can_sort(collection_field(&user_collection, "password")));
	assert_false(store_record_can_sort(collection_field(&user_collection, "jwt")));
	assert_true(store_record_can_sort(
		collection_field(&account_collection, "publish_status")));
	world_release(&world);
}

static int
stop_at_second(void *ctx, const struct record_view *view, struct err *err)
{
	int *seen = ctx;
	(void)view; /* only counted */
	return ++*seen == 2 ? err_set(err, ERR_TOO_LARGE, "enough") : 0;
}

static void
test_list_stops(void **state)
{
	struct temp_store *temp = *state;
	struct err err = { 0 };
	int seen = 0;
	int64_t total = 77;
	for (int i = 0; i < 4; i++) {
		struct role role;
		char name[8];
		str_fmt_cut(name, sizeof(name), "r%d", i);
		temp_role(&role, name);
		temp_insert_ok(temp->store, &role_collection, &role);
		record_release(&role_collection, &role);
	}
	struct store_list_query query = { .collection = &role_collection, .limit = 9 };
	struct store_conn *conn = begin_read(temp);
	assert_int_equal(
		store_record_list(conn, &query, stop_at_second, &seen, &total, &err), -1);
	assert_int_equal(err.code, ERR_TOO_LARGE);
	assert_int_equal(seen, 2);
	assert_int_equal(total, 77);
	/* The statement is free again. */
	seen = 2;
	assert_int_equal(
		store_record_list(conn, &query, stop_at_second, &seen, &total, &err), 0);
	assert_int_equal(seen, 6);
	store_read_end(temp->store, conn);
}

struct nested {
	struct store_conn *conn;
	int depth;
	int seen;
};

/* A read inside the callback of the same read. */
static int
list_again(void *ctx, const struct record_view *view, struct err *err)
{
	struct nested *nested = ctx;
	size_t len = 0;
	int64_t total = 0;
	struct store_list_query query = { .collection = &role_collection, .limit = 9 };
	nested->seen++;
	assert_string_equal(record_view_text(view, 1, &len), "role");
	if (nested->depth == 3) {
		return 0;
	}
	nested->depth++;
	int rc = store_record_list(nested->conn, &query, list_again, nested, &total, err);
	nested->depth--;
	assert_string_equal(record_view_text(view, 1, &len), "role");
	return rc;
}

static void
test_nested_reads(void **state)
{
	struct temp_store *temp = *state;
	struct role role;
	struct err err = { 0 };
	temp_role(&role, "role");
	temp_insert_ok(temp->store, &role_collection, &role);
	struct nested nested = { .conn = begin_read(temp) };
	struct store_list_query query = { .collection = &role_collection, .limit = 9 };
	int64_t total = 0;
	assert_ok(
		store_record_list(nested.conn, &query, list_again, &nested, &total, &err),
		&err);
	assert_int_equal(nested.seen, 4);
	store_read_end(temp->store, nested.conn);
	record_release(&role_collection, &role);
}

/* ---- publish ---- */

enum step_kind {
	STEP_BUMP,
	STEP_BUMP_ROLE,
	STEP_MINT,
	STEP_PROVEN,
	STEP_UNPROVEN,
	STEP_NOTE
};

struct step {
	enum step_kind kind;
	int64_t target;
	int64_t generation;
	bool flag;
	struct store_mint mint;
	enum store_publish_state state;
	const char *message;
};

static int
run_step(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct step *step = ctx;
	switch (step->kind) {
	case STEP_BUMP:
		return store_publish_bump(tx, step->target, step->flag, err);
	case STEP_BUMP_ROLE:
		return store_publish_bump_role(tx, step->target, step->flag, err);
	case STEP_MINT:
		return store_publish_minted(tx, &step->mint, err);
	case STEP_PROVEN:
		return store_publish_proven(tx, step->target, step->generation, err);
	case STEP_UNPROVEN:
		return store_publish_unproven(tx, step->target, step->generation, err);
	case STEP_NOTE:
		return store_publish_note(tx, step->target, step->generation, step->state,
			step->message, step->flag, err);
	}
	return -1;
}

static struct store_publish
publish_of(struct temp_store *temp, int64_t account)
{
	struct store_publish out = { 0 };
	struct err err = { 0 };
	struct store_conn *conn = begin_read(temp);
	assert_ok(store_publish_get(conn, account, &out, &err), &err);
	store_read_end(temp->store, conn);
	return out;
}

static void
assert_jwt(struct temp_store *temp, int64_t account, const char *expected,
	int64_t generation)
{
	char *jwt = NULL;
	int64_t found = 0;
	struct err err = { 0 };
	struct store_conn *conn = begin_read(temp);
	assert_ok(store_publish_jwt(conn, account, &jwt, &found, &err), &err);
	assert_string_equal(jwt, expected);
	assert_int_equal(found, generation);
	free(jwt);
	store_read_end(temp->store, conn);
}

static void
test_publish(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	struct err err = { 0 };
	char *jwt = NULL;
	int64_t generation = 0;
	uint8_t hash[STORE_HASH_LEN];
	memset(hash, 7, sizeof(hash));
	world_insert(temp, &world);
	int64_t account = world.account.head.seq;

	struct store_publish p = publish_of(temp, account);
	assert_int_equal(p.generation, 1);
	assert_int_equal(p.urgent_generation, 1);
	assert_int_equal(p.minted_generation, 0);
	assert_int_equal(p.proven_generation, 0);
	assert_int_equal(p.last_iat, 0);
	assert_false(p.has_claims_hash);
	assert_int_equal(p.state, STORE_PUBLISH_PENDING);
	struct store_conn *conn = begin_read(temp);
	assert_int_equal(store_publish_jwt(conn, account, &jwt, &generation, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(store_publish_get(conn, 99, &p, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	store_read_end(temp->store, conn);

	struct step bump = { .kind = STEP_BUMP, .target = account };
	write_ok(temp, run_step, &bump);
	p = publish_of(temp, account);
	assert_int_equal(p.generation, 2);
	assert_int_equal(p.urgent_generation, 1);
	bump.flag = true;
	write_ok(temp, run_step, &bump);
	p = publish_of(temp, account);
	assert_int_equal(p.generation, 3);
	assert_int_equal(p.urgent_generation, 3);
	bump.target = 99;
	assert_int_equal(store_write(temp->store, run_step, &bump, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);

	struct step mint = { .kind = STEP_MINT,
		.mint = { .account = account,
			.generation = 3,
			.iat = 1000,
			.jwt = "one",
			.claims_hash = hash } };
	temp->clock.wall += 7;
	write_ok(temp, run_step, &mint);
	p = publish_of(temp, account);
	assert_int_equal(p.minted_generation, 3);
	assert_int_equal(p.last_iat, 1000);
	assert_int_equal(p.minted_at, temp->clock.wall);
	assert_true(p.has_claims_hash);
	assert_memory_equal(p.claims_hash, hash, sizeof(hash));
	assert_jwt(temp, account, "one", 3);

	/* A second mint from the same state lost the race, and leaves the bytes alone. */
	mint.mint.jwt = "two";
	mint.mint.iat = 1001;
	assert_int_equal(store_write(temp->store, run_step, &mint, &err), -1);
	assert_int_equal(err.code, ERR_STALE);
	assert_jwt(temp, account, "one", 3);
	mint.mint.expected_last_iat = 1000;
	mint.mint.generation = 4;
	write_ok(temp, run_step, &mint);
	assert_jwt(temp, account, "two", 4);

	/* Equal claims leave last_iat alone, so an older mint is told by its generation.
	 */
	mint.mint.expected_last_iat = 1001;
	mint.mint.generation = 3;
	mint.mint.jwt = "old";
	assert_int_equal(store_write(temp->store, run_step, &mint, &err), -1);
	assert_int_equal(err.code, ERR_STALE);
	assert_jwt(temp, account, "two", 4);

	/* Equal claims: the generation moves on, the bytes and their times stand. */
	int64_t minted_at = temp->clock.wall;
	temp->clock.wall += 7;
	mint.mint = (struct store_mint){ .account = account,
		.expected_last_iat = 1001,
		.generation = 5,
		.claims_hash = hash };
	write_ok(temp, run_step, &mint);
	p = publish_of(temp, account);
	assert_int_equal(p.last_iat, 1001);
	assert_int_equal(p.minted_at, minted_at);
	assert_jwt(temp, account, "two", 5);

	/* A clock that ran ahead and is right again: minted_at is what it says now. */
	struct step ahead = { .kind = STEP_NOTE, .target = account, .message = "" };
	temp->clock.wall += 3600 * 1000;
	write_ok(temp, run_step, &ahead);
	temp->clock.wall -= 3600 * 1000;
	mint.mint.generation = 6;
	mint.mint.iat = 1002;
	mint.mint.jwt = "three";
	write_ok(temp, run_step, &mint);
	p = publish_of(temp, account);
	assert_int_equal(p.minted_at, temp->clock.wall);
	assert_jwt(temp, account, "three", 6);

	/* Notes count for the wanted generation only. */
	struct step note = { .kind = STEP_NOTE,
		.target = account,
		.generation = 3,
		.state = STORE_PUBLISH_REFUSED,
		.message = "no",
		.flag = true };
	write_ok(temp, run_step, &note);
	write_ok(temp, run_step, &note);
	note.flag = false;
	note.state = STORE_PUBLISH_PARTIAL;
	note.message = "half";
	write_ok(temp, run_step, &note);
	p = publish_of(temp, account);
	assert_int_equal(p.state, STORE_PUBLISH_PARTIAL);
	assert_string_equal(p.message, "half");
	assert_int_equal(p.attempts, 2);
	note.generation = 2;
	note.message = "late";
	write_ok(temp, run_step, &note);
	assert_string_equal(publish_of(temp, account).message, "half");

	/* A long message is cut in its middle, between characters. */
	char text[600];
	memset(text, 'm', sizeof(text));
	text[125] = '\xc3';
	text[126] = '\xa9';
	text[599] = '\0';
	note.generation = 3;
	note.message = text;
	write_ok(temp, run_step, &note);
	assert_int_equal(strlen(publish_of(temp, account).message), 254);

	/* Proof of an older generation clears nothing; of the wanted one, all. */
	struct step proven = { .kind = STEP_PROVEN, .target = account, .generation = 2 };
	write_ok(temp, run_step, &proven);
	p = publish_of(temp, account);
	assert_int_equal(p.proven_generation, 2);
	assert_int_equal(p.state, STORE_PUBLISH_PARTIAL);
	proven.generation = 1;
	write_ok(temp, run_step, &proven);
	assert_int_equal(publish_of(temp, account).proven_generation, 2);
	proven.generation = 99;
	write_ok(temp, run_step, &proven);
	p = publish_of(temp, account);
	assert_int_equal(p.proven_generation, 3);
	assert_int_equal(p.state, STORE_PUBLISH_PENDING);
	assert_int_equal(p.attempts, 0);
	assert_string_equal(p.message, "");

	/* Only the wanted generation is taken back. */
	struct step lost = { .kind = STEP_UNPROVEN, .target = account, .generation = 2 };
	write_ok(temp, run_step, &lost);
	assert_int_equal(publish_of(temp, account).proven_generation, 3);
	lost.generation = 3;
	write_ok(temp, run_step, &lost);
	assert_int_equal(publish_of(temp, account).proven_generation, 0);
	write_ok(temp, run_step, &proven);

	/* A bump forgets what was said about the generation before. */
	note.message = "again";
	note.flag = true;
	write_ok(temp, run_step, &note);
	bump.target = account;
	write_ok(temp, run_step, &bump);
	p = publish_of(temp, account);
	assert_int_equal(p.attempts, 0);
	assert_string_equal(p.message, "");
	assert_int_equal(p.state, STORE_PUBLISH_PENDING);
	world_release(&world);
}

struct key_work {
	struct store_signing_key key;
	int rc;
	bool delete;
};

static int
work_key(struct store_tx *tx, void *ctx, struct err *err)
{
	struct key_work *work = ctx;
	if (work->delete) {
		return store_signing_key_delete(tx, work->key.seq, err);
	}
	work->rc = store_signing_key_insert(tx, &work->key, err);
	return work->rc < 0 ? -1 : 0;
}

static struct key_work
insert_key(struct temp_store *temp, int64_t account, int64_t role)
{
	struct key_work work = {
		.key = { .account = account, .role = role, .key_set = 1 }
	};
	rand_id(&clock_system, work.key.id);
	rand_bytes(&work.key.public_key, sizeof(work.key.public_key));
	write_ok(temp, work_key, &work);
	return work;
}

struct scan {
	size_t len;
	struct store_publish_item items[16];
};

static int
scan_item(void *ctx, const struct store_publish_item *item, struct err *err)
{
	struct scan *scan = ctx;
	assert_true(scan->len < COUNT(scan->items));
	scan->items[scan->len++] = *item;
	return item->account == 1000 ? err_set(err, ERR_INTERNAL, "stop") : 0;
}

struct wanted {
	size_t len;
	struct store_change changes[64];
};

static void
collect_changes(void *ctx, const struct store_change *changes, size_t n)
{
	struct wanted *wanted = ctx;
	for (size_t i = 0; i < n; i++) {
		assert_true(wanted->len < COUNT(wanted->changes));
		wanted->changes[wanted->len++] = changes[i];
	}
}

static void
test_publish_many(void **state)
{
	struct temp_store *temp = *state;
	struct account accounts[5];
	struct role role;
	struct err err = { 0 };
	struct wanted wanted = { 0 };
	store_on_commit(temp->store, collect_changes, &wanted);
	temp_role(&role, "role");
	temp_insert_ok(temp->store, &role_collection, &role);
	for (size_t i = 0; i < COUNT(accounts); i++) {
		char name[8];
		str_fmt_cut(name, sizeof(name), "a%zu", i);
		temp_account(&accounts[i], name);
		temp_insert_ok(temp->store, &account_collection, &accounts[i]);
		if (i != 2) {
			insert_key(temp, accounts[i].head.seq, role.head.seq);
		}
	}
	/* role created; account created and wanted, each */
	assert_int_equal(wanted.len, 1 + 2 * COUNT(accounts));
	assert_int_equal(wanted.changes[2].action, STORE_WANTED);
	assert_int_equal(wanted.changes[2].collection, COLLECTION_ACCOUNTS);
	assert_true(wanted.changes[2].urgent);
	assert_int_equal(wanted.changes[2].seq, accounts[0].head.seq);
	assert_string_equal(wanted.changes[2].id, accounts[0].head.id);

	wanted.len = 0;
	struct step bump = {
		.kind = STEP_BUMP_ROLE, .target = role.head.seq, .flag = true
	};
	write_ok(temp, run_step, &bump);
	assert_int_equal(wanted.len, 4);
	for (size_t i = 0; i < wanted.len; i++) {
		const struct account *account = &accounts[i < 2 ? i : i + 1];
		assert_int_equal(wanted.changes[i].action, STORE_WANTED);
		assert_int_equal(wanted.changes[i].seq, account->head.seq);
		assert_string_equal(wanted.changes[i].id, account->head.id);
		assert_true(wanted.changes[i].urgent);
		assert_false(wanted.changes[i].paced);
		assert_int_equal(
			publish_of(temp, account->head.seq).urgent_generation, 2);
	}
	bump.flag = false;
	write_ok(temp, run_step, &bump);
	assert_false(wanted.changes[4].urgent);
	assert_true(wanted.changes[4].paced); /* what widens need not go all at once */
	assert_int_equal(publish_of(temp, accounts[0].head.seq).urgent_generation, 2);
	assert_int_equal(publish_of(temp, accounts[0].head.seq).generation, 3);
	assert_int_equal(publish_of(temp, accounts[2].head.seq).generation, 1);
	/* A role that nobody uses. */
	bump.target = 999;
	write_ok(temp, run_step, &bump);

	struct step proven = {
		.kind = STEP_PROVEN, .target = accounts[1].head.seq, .generation = 3
	};
	write_ok(temp, run_step, &proven);
	write_ok(temp, mark_deleted, &accounts[3].head);
	struct store_conn *conn = begin_read(temp);
	struct scan scan = { 0 };
	assert_ok(store_publish_scan(conn, STORE_SCAN_ALL, 0, 10, scan_item, &scan, &err),
		&err);
	assert_int_equal(scan.len, 5);
	char text[NKEY_TEXT_SIZE];
	nkey_text_encode(NKEY_ACCOUNT, &accounts[0].public_key, text);
	assert_string_equal(scan.items[0].public_key, text);
	assert_int_equal(scan.items[0].generation, 3);
	assert_int_equal(scan.items[0].urgent_generation, 2);
	assert_int_equal(scan.items[1].proven_generation, 3);
	scan.len = 0;
	assert_ok(store_publish_scan(conn, STORE_SCAN_OPEN, accounts[0].head.seq, 2,
			  scan_item, &scan, &err),
		&err);
	assert_int_equal(scan.len, 2);
	assert_int_equal(scan.items[0].account, accounts[2].head.seq);
	assert_int_equal(scan.items[1].account, accounts[3].head.seq); /* the tombstone */
	store_read_end(temp->store, conn);
	for (size_t i = 0; i < COUNT(accounts); i++) {
		record_release(&account_collection, &accounts[i]);
	}
	record_release(&role_collection, &role);
}

/* ---- keys ---- */

struct scopes {
	int count;
	struct nkey_public keys[4];
	char names[4][16];
};

static int
collect_scope(void *ctx, const struct role *role, const struct nkey_public *key,
	struct err *err)
{
	struct scopes *scopes = ctx;
	(void)err; /* cannot fail */
	scopes->keys[scopes->count] = *key;
	str_fmt_cut(scopes->names[scopes->count++], 16, "%s", role->name);
	return 0;
}

static void
test_signing_keys(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	struct role other;
	struct err err = { 0 };
	struct store_signing_key key = { 0 };
	struct store_signing_key *keys = NULL;
	size_t len = 0;
	world_insert(temp, &world);
	temp_role(&other, "other");
	temp_insert_ok(temp->store, &role_collection, &other);
	int64_t account = world.account.head.seq;
	int64_t role = world.role.head.seq;

	struct store_conn *conn = begin_read(temp);
	assert_int_equal(store_signing_key_plain(conn, account, &key, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(store_signing_key_plain(conn, 0, &key, &err), -1);
	assert_int_equal(
		store_signing_key_find_scope(conn, account, role, &key, &err), 0);
	store_read_end(temp->store, conn);

	struct key_work operator1 = insert_key(temp, 0, 0);
	struct key_work operator2 = insert_key(temp, 0, 0);
	struct key_work plain = insert_key(temp, account, 0);
	struct key_work later = insert_key(temp, account, other.head.seq);
	struct key_work scope = insert_key(temp, account, role);
	assert_int_equal(scope.rc, 1);
	assert_true(scope.key.seq > plain.key.seq);
	/* Two creators of the first user at once: the second finds the key there. */
	assert_int_equal(insert_key(temp, account, role).rc, 0);
	/* The same public key twice is a bug, not a race. */
	struct key_work twin = { .key = plain.key };
	rand_id(&clock_system, twin.key.id);
	assert_int_equal(store_write(temp->store, work_key, &twin, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);

	conn = begin_read(temp);
	assert_ok(store_signing_key_plain(conn, 0, &key, &err), &err);
	assert_string_equal(key.id, operator2.key.id);
	assert_int_equal(key.account, 0);
	assert_ok(store_signing_key_plain(conn, account, &key, &err), &err);
	assert_string_equal(key.id, plain.key.id);
	assert_int_equal(
		store_signing_key_find_scope(conn, account, role, &key, &err), 1);
	assert_string_equal(key.id, scope.key.id);
	assert_int_equal(key.role, role);
	assert_memory_equal(
		&key.public_key, &scope.key.public_key, sizeof(key.public_key));
	assert_ok(store_signing_key_list(conn, 0, &keys, &len, &err), &err);
	assert_int_equal(len, 2);
	assert_string_equal(keys[0].id, operator1.key.id);
	free(keys);
	assert_ok(store_signing_key_list(conn, account, &keys, &len, &err), &err);
	assert_int_equal(len, 3);
	assert_string_equal(keys[0].id, plain.key.id);
	free(keys);
	assert_ok(store_signing_key_list_role(conn, role, &keys, &len, &err), &err);
	assert_int_equal(len, 1);
	assert_string_equal(keys[0].id, scope.key.id);
	free(keys);
	keys = NULL;
	assert_ok(store_signing_key_list(conn, 999, &keys, &len, &err), &err);
	assert_int_equal(len, 0);
	free(keys);

	struct scopes scopes = { 0 };
	assert_ok(store_role_scopes(conn, account, collect_scope, &scopes, &err), &err);
	assert_int_equal(scopes.count, 2);
	assert_string_equal(scopes.names[0], "other");
	assert_string_equal(scopes.names[1], "sensor");
	assert_memory_equal(&scopes.keys[0], &later.key.public_key, 32);
	store_read_end(temp->store, conn);

	scope.delete = true;
	write_ok(temp, work_key, &scope);
	assert_int_equal(store_write(temp->store, work_key, &scope, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	record_release(&role_collection, &other);
	world_release(&world);
}

static void
test_counts_and_default(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	char id[RAND_ID_SIZE];
	int64_t count = 0;
	struct err err = { 0 };
	world_insert(temp, &world);
	for (int i = 0; i < 3; i++) {
		struct user user;
		char name[8];
		str_fmt_cut(name, sizeof(name), "u%d", i);
		temp_user(&user, name, world.account.head.id, world.role.head.id);
		temp_insert_ok(temp->store, &user_collection, &user);
		record_release(&user_collection, &user);
	}
	struct store_conn *conn = begin_read(temp);
	assert_ok(
		store_account_user_count(conn, world.account.head.seq, 99, &count, &err),
		&err);
	assert_int_equal(count, 4);
	assert_ok(store_account_user_count(conn, world.account.head.seq, 2, &count, &err),
		&err);
	assert_int_equal(count, 2);
	assert_ok(
		store_role_user_count(conn, world.role.head.seq, 99, &count, &err), &err);
	assert_int_equal(count, 4);
	assert_ok(store_role_user_count(conn, 999, 99, &count, &err), &err);
	assert_int_equal(count, 0);
	assert_int_equal(store_role_find_default(conn, id, &err), 0);
	store_read_end(temp->store, conn);
	world.role.is_default = true;
	assert_ok(temp_update(temp->store, &role_collection, &world.role, NULL, &err),
		&err);
	conn = begin_read(temp);
	assert_int_equal(store_role_find_default(conn, id, &err), 1);
	assert_string_equal(id, world.role.head.id);
	store_read_end(temp->store, conn);
	world_release(&world);
}

/* ---- revocations ---- */

struct revocation_work {
	struct store_revocation_entry entry;
	bool lift;
	bool lifted;
};

static int
work_revocation(struct store_tx *tx, void *ctx, struct err *err)
{
	struct revocation_work *work = ctx;
	const struct store_revocation_entry *entry = &work->entry;
	return work->lift ? store_revocation_lift(tx, entry->account, &entry->public_key,
				    entry->cause, &work->lifted, err)
			  : store_revocation_put(tx, entry, err);
}

static void
assert_revoked(struct temp_store *temp, int64_t account, const struct nkey_public *key,
	int64_t at)
{
	struct store_revocation *entries = NULL;
	size_t len = 0;
	int64_t found = 0;
	struct err err = { 0 };
	struct store_conn *conn = begin_read(temp);
	assert_ok(store_revocation_list(conn, account, &entries, &len, &err), &err);
	for (size_t i = 0; i < len; i++) {
		if (i > 0) {
			assert_true(memcmp(&entries[i - 1].public_key,
					    &entries[i].public_key, 32) < 0);
		}
		if (memcmp(&entries[i].public_key, key, sizeof(*key)) == 0) {
			found = entries[i].at;
		}
	}
	assert_int_equal(found, at);
	free(entries);
	store_read_end(temp->store, conn);
}

static void
test_revocations(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	world_insert(temp, &world);
	struct revocation_work a = { .entry = { .account = world.account.head.seq,
					     .public_key = world.user.public_key,
					     .cause = STORE_REVOKED_SUSPEND,
					     .at = 100 } };
	int64_t account = a.entry.account;
	const struct nkey_public *key = &world.user.public_key;
	write_ok(temp, work_revocation, &a);
	assert_revoked(temp, account, key, 100);
	a.entry.at = 90; /* never back */
	write_ok(temp, work_revocation, &a);
	assert_revoked(temp, account, key, 100);
	a.entry.at = 110;
	write_ok(temp, work_revocation, &a);
	assert_revoked(temp, account, key, 110);

	struct revocation_work b = a;
	b.entry.at = 105;
	for (int cause = STORE_REVOKED_DELETE; cause <= STORE_REVOKED_NARROW; cause++) {
		b.entry.cause = (enum store_revocation_cause)cause;
		write_ok(temp, work_revocation, &b);
		assert_revoked(temp, account, key, 110);
	}
	/* Other keys, in order. */
	for (unsigned i = 0; i < 20; i++) {
		struct revocation_work more = b;
		rand_bytes(&more.entry.public_key, sizeof(more.entry.public_key));
		more.entry.cause = STORE_REVOKED_DELETE;
		write_ok(temp, work_revocation, &more);
		assert_revoked(temp, account, &more.entry.public_key, 105);
	}
	/* Activation lifts the suspension, not the others. */
	a.lift = true;
	write_ok(temp, work_revocation, &a);
	assert_true(a.lifted);
	assert_revoked(temp, account, key, 105);
	write_ok(temp, work_revocation, &a);
	assert_false(a.lifted);
	assert_revoked(temp, 999, key, 0);
	world_release(&world);
}

static int64_t
count_revocations(struct temp_store *temp)
{
	return temp_store_query(temp, "SELECT count(*) FROM revocations");
}

/* Nothing is refused for longer than it lives, and nothing for less. */
static void
test_revocations_expire(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	world_insert(temp, &world);
	int64_t now = temp->clock.wall / 1000;
	struct revocation_work a = { .entry = { .account = world.account.head.seq,
					     .public_key = world.user.public_key,
					     .cause = STORE_REVOKED_MOVE,
					     .at = 100,
					     .expires = now + 10,
					     .key_set = 3 } };
	const struct nkey_public *key = &world.user.public_key;
	write_ok(temp, work_revocation, &a);
	a.entry.expires = now + 5; /* the later one counts */
	a.entry.key_set = 2;
	write_ok(temp, work_revocation, &a);
	assert_int_equal(
		temp_store_query(temp, "SELECT expires FROM revocations"), now + 10);
	assert_int_equal(temp_store_query(temp, "SELECT key_set FROM revocations"), 3);
	assert_revoked(temp, a.entry.account, key, 100);
	/* a server's clock may be behind */
	temp->clock.wall += 70 * 1000;
	assert_revoked(temp, a.entry.account, key, 100);
	temp->clock.wall += 1000;
	assert_revoked(temp, a.entry.account, key, 0);

	/* the next one of the account sweeps; those of others wait for theirs */
	struct revocation_work b = a;
	rand_bytes(&b.entry.public_key, sizeof(b.entry.public_key));
	b.entry.expires = 0;
	write_ok(temp, work_revocation, &b);
	assert_int_equal(count_revocations(temp), 1);
	assert_revoked(temp, a.entry.account, &b.entry.public_key, 100);

	/* never is later than any time, and not known than any set */
	b.entry.expires = now + 1000;
	b.entry.key_set = 0;
	write_ok(temp, work_revocation, &b);
	assert_int_equal(temp_store_query(temp, "SELECT expires FROM revocations"), 0);
	assert_int_equal(temp_store_query(temp, "SELECT key_set FROM revocations"), 0);
	a.entry.expires = now + 1000;
	write_ok(temp, work_revocation, &a);
	a.entry.expires = 0;
	write_ok(temp, work_revocation, &a);
	assert_int_equal(temp_store_query(temp,
				 "SELECT count(*) FROM revocations WHERE expires = 0"),
		2);
	world_release(&world);
}

struct account_work {
	int64_t account;
	int64_t number;
	int (*fn)(struct store_tx *tx, int64_t account, int64_t number, struct err *err);
};

static int
work_account(struct store_tx *tx, void *ctx, struct err *err)
{
	struct account_work *work = ctx;
	return work->fn == NULL ? store_revocation_drop_all(tx, work->account, err)
				: work->fn(tx, work->account, work->number, err);
}

static int64_t
all_at(struct temp_store *temp, int64_t account)
{
	struct err err = { 0 };
	int64_t at = -1;
	struct store_conn *conn = begin_read(temp);
	assert_ok(store_revocation_all_at(conn, account, &at, &err), &err);
	store_read_end(temp->store, conn);
	return at;
}

static void
test_revocations_of_all(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	struct err err = { 0 };
	struct store_revocation *list = NULL;
	size_t len = 0;
	world_insert(temp, &world);
	int64_t account = world.account.head.seq;
	struct revocation_work a = { .entry = { .account = account,
					     .public_key = world.user.public_key } };
	for (int i = 0; i < 4; i++) {
		a.entry.at = 100 + i;
		a.entry.cause = i % 2 == 0 ? STORE_REVOKED_SUSPEND : STORE_REVOKED_DELETE;
		rand_bytes(&a.entry.public_key, sizeof(a.entry.public_key));
		write_ok(temp, work_revocation, &a);
	}
	assert_int_equal(all_at(temp, account), 0);
	struct account_work all = { account, 102, store_revocation_put_all };
	write_ok(temp, work_account, &all);
	assert_int_equal(all_at(temp, account), 102);
	assert_int_equal(all_at(temp, 999), 0);
	assert_int_equal(count_revocations(temp), 2); /* the others are covered */
	struct store_conn *conn = begin_read(temp);
	assert_ok(store_revocation_list(conn, account, &list, &len, &err), &err);
	assert_int_equal(len, 2);
	assert_true(list[0].all && list[0].at == 102);
	assert_true(!list[1].all && list[1].at == 103);
	assert_memory_equal(&list[1].public_key, &a.entry.public_key, 32);
	free(list);
	int64_t at = 0;
	assert_ok(store_revocation_key_at(conn, account, &a.entry.public_key, &at, &err),
		&err);
	assert_int_equal(at, 103);
	assert_ok(
		store_revocation_key_at(conn, account, &world.user.public_key, &at, &err),
		&err);
	assert_int_equal(at, 0);
	store_read_end(temp->store, conn);

	/* An older one that comes later says nothing. */
	a.entry.at = 50;
	rand_bytes(&a.entry.public_key, sizeof(a.entry.public_key));
	write_ok(temp, work_revocation, &a);
	assert_revoked(temp, account, &a.entry.public_key, 0);
	/* What was issued after the last one is refused by the next, in the same second,
	 * too. */
	write_ok(temp, work_account, &all);
	assert_int_equal(all_at(temp, account), 103);
	assert_int_equal(count_revocations(temp), 1);
	all.number = 500;
	write_ok(temp, work_account, &all);
	assert_int_equal(all_at(temp, account), 500);
	assert_int_equal(temp_store_query(temp, "SELECT key_set FROM revocations"), 1);
	world_release(&world);
}

static void
test_revocations_of_sets(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	world_insert(temp, &world);
	int64_t account = world.account.head.seq;
	struct revocation_work a = {
		.entry = { .account = account, .cause = STORE_REVOKED_DELETE, .at = 100 }
	};
	for (int set = 0; set < 4; set++) {
		a.entry.key_set = set;
		rand_bytes(&a.entry.public_key, sizeof(a.entry.public_key));
		write_ok(temp, work_revocation, &a);
	}
	struct account_work below = { account, 2, store_revocation_drop_below };
	struct account_work other = { 999, 9, store_revocation_drop_below };
	write_ok(temp, work_account, &other);
	assert_int_equal(count_revocations(temp), 4);
	write_ok(temp, work_account, &below);
	assert_int_equal(temp_store_query(temp,
				 "SELECT group_concat(key_set, '') = '023' FROM "
				 "(SELECT key_set FROM revocations ORDER BY 1)"),
		1);
	struct account_work drop = { .account = 999 };
	write_ok(temp, work_account, &drop);
	assert_int_equal(count_revocations(temp), 3);
	drop.account = account;
	write_ok(temp, work_account, &drop);
	assert_int_equal(count_revocations(temp), 0);
	world_release(&world);
}

static bool
may_live(struct temp_store *temp, int64_t account, const struct user *user)
{
	struct err err = { 0 };
	bool out = false;
	struct store_conn *conn = begin_read(temp);
	assert_ok(store_revocation_may_live(conn, account, user, &out, &err), &err);
	store_read_end(temp->store, conn);
	return out;
}

static void
test_may_live(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	world_insert(temp, &world);
	int64_t account = world.account.head.seq;
	int64_t now = temp->clock.wall / 1000;
	struct key_work key = { .key = { .account = account, .key_set = 3 } };
	rand_id(&clock_system, key.key.id);
	rand_bytes(&key.key.public_key, sizeof(key.key.public_key));
	write_ok(temp, work_key, &key);
	static const struct {
		int64_t at;
		int64_t until; /* from now */
		int64_t set;
		bool lives;
	} cases[] = {
		{ 0, 0, 0, false },
		{ 1, 10, 3, true },
		{ 1, 10, 4, true },
		{ 1, 10, 2, false },
		{ 1, -60, 3, true }, /* a server's clock may be behind */
		{ 1, -61, 3, false },
		{ 0, 10, 3, false },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct user user = { .issued_at = cases[i].at,
			.issued_until = now + cases[i].until,
			.issued_set = cases[i].set };
		if (may_live(temp, account, &user) != cases[i].lives) {
			fail_msg("case %zu", i);
		}
	}
	world_release(&world);
}

/* ---- vault and issue ---- */

struct vault_work {
	const struct store_vault_slot *slot;
	const struct store_vault_key *key;
	const struct store_vault_seed *seed;
	const struct nkey_public *delete;
};

static int
work_vault(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct vault_work *work = ctx;
	return work->slot != NULL    ? store_vault_slot_insert(tx, work->slot, err)
		: work->key != NULL  ? store_vault_key_insert(tx, work->key, err)
		: work->seed != NULL ? store_vault_seed_insert(tx, work->seed, err)
				     : store_vault_seed_delete(tx, work->delete, err);
}

static struct store_vault_seed
make_seed(const char *table, const char *id, enum nkey_role role,
	const struct nkey_public *key)
{
	struct store_vault_seed seed = { .role = role, .public_key = *key };
	assert_int_equal(str_copy(seed.owner_table, sizeof(seed.owner_table), table), 0);
	assert_int_equal(
		str_copy(seed.owner_column, sizeof(seed.owner_column), "public_key"), 0);
	assert_int_equal(str_copy(seed.owner_id, sizeof(seed.owner_id), id), 0);
	rand_bytes(seed.sealed, sizeof(seed.sealed));
	return seed;
}

static void
assert_seed(const struct store_vault_seed *a, const struct store_vault_seed *b)
{
	assert_string_equal(a->owner_table, b->owner_table);
	assert_string_equal(a->owner_column, b->owner_column);
	assert_string_equal(a->owner_id, b->owner_id);
	assert_int_equal(a->role, b->role);
	assert_memory_equal(&a->public_key, &b->public_key, 32);
	assert_memory_equal(a->sealed, b->sealed, sizeof(a->sealed));
}

static void
test_vault(void **state)
{
	struct temp_store *temp = *state;
	struct err err = { 0 };
	struct store_vault_slot slot;
	struct store_vault_slot read_slot;
	struct store_vault_key keys[2] = { { .id = 2 }, { .id = 1 } };
	struct store_vault_key *read_keys = NULL;
	size_t len = 9;
	rand_bytes(&slot, sizeof(slot));
	rand_bytes(keys[0].wrapped, sizeof(keys[0].wrapped));
	rand_bytes(keys[1].wrapped, sizeof(keys[1].wrapped));

	struct store_conn *conn = begin_read(temp);
	assert_int_equal(store_vault_slot_get(conn, &read_slot, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_ok(store_vault_keys(conn, &read_keys, &len, &err), &err);
	assert_int_equal(len, 0);
	free(read_keys);
	store_read_end(temp->store, conn);

	struct vault_work work = { .slot = &slot };
	write_ok(temp, work_vault, &work);
	assert_int_equal(store_write(temp->store, work_vault, &work, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	for (size_t i = 0; i < 2; i++) {
		work = (struct vault_work){ .key = &keys[i] };
		write_ok(temp, work_vault, &work);
	}
	conn = begin_read(temp);
	assert_ok(store_vault_slot_get(conn, &read_slot, &err), &err);
	assert_memory_equal(&slot, &read_slot, sizeof(slot));
	assert_ok(store_vault_keys(conn, &read_keys, &len, &err), &err);
	assert_int_equal(len, 2);
	assert_int_equal(read_keys[0].id, 1);
	assert_memory_equal(read_keys[0].wrapped, keys[1].wrapped, STORE_WRAPPED_LEN);
	assert_memory_equal(read_keys[1].wrapped, keys[0].wrapped, STORE_WRAPPED_LEN);
	free(read_keys);
	store_read_end(temp->store, conn);
}

static bool
file_holds(const char *path, const void *needle, size_t len)
{
	char *bytes = NULL;
	struct stat st;
	bool found = false;
	int fd = open(path, O_RDONLY);
	if (fd < 0) {
		return false;
	}
	assert_int_equal(fstat(fd, &st), 0);
	bytes = malloc((size_t)st.st_size + 1);
	assert_non_null(bytes);
	assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
	close(fd);
	for (size_t i = 0; i + len <= (size_t)st.st_size && !found; i++) {
		found = memcmp(bytes + i, needle, len) == 0;
	}
	free(bytes);
	return found;
}

static void
test_issue(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	struct err err = { 0 };
	struct store_user_issue issue = { 0 };
	world_insert(temp, &world);
	const char *id = world.user.head.id;

	struct store_conn *conn = begin_read(temp);
	assert_int_equal(store_user_issue(conn, id, &issue, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
	assert_int_equal(store_user_issue(conn, "nobody", &issue, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	store_read_end(temp->store, conn);

	struct key_work scope =
		insert_key(temp, world.account.head.seq, world.role.head.seq);
	struct store_vault_seed signing = make_seed(
		"signing_keys", scope.key.id, NKEY_ACCOUNT, &scope.key.public_key);
	struct store_vault_seed own =
		make_seed("users", id, NKEY_USER, &world.user.public_key);
	struct vault_work work = { .seed = &signing };
	write_ok(temp, work_vault, &work);
	conn = begin_read(temp);
	assert_int_equal(store_user_issue(conn, id, &issue, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
	store_read_end(temp->store, conn);
	work.seed = &own;
	write_ok(temp, work_vault, &work);
	conn = begin_read(temp);
	assert_ok(store_user_issue(conn, id, &issue, &err), &err);
	assert_same_row(&user_collection, &issue.user, &world.user);
	assert_int_equal(issue.account_seq, world.account.head.seq);
	assert_true(issue.account_active);
	assert_memory_equal(&issue.account_key, &world.account.public_key, 32);
	assert_seed(&issue.signing_seed, &signing);
	assert_seed(&issue.user_seed, &own);
	record_release(&user_collection, &issue.user);
	struct store_vault_seed seed;
	assert_ok(store_vault_seed_get(conn, &world.user.public_key, &seed, &err), &err);
	assert_seed(&seed, &own);
	store_read_end(temp->store, conn);

	work = (struct vault_work){ .delete = &world.user.public_key };
	write_ok(temp, work_vault, &work);
	write_ok(temp, work_vault, &work); /* nothing when there is none */
	conn = begin_read(temp);
	assert_int_equal(
		store_vault_seed_get(conn, &world.user.public_key, &seed, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	store_read_end(temp->store, conn);
	/* A deleted seed does not stay behind in free space. */
	temp_store_close(temp);
	assert_false(file_holds(temp->path, own.sealed, sizeof(own.sealed)));
	assert_true(file_holds(temp->path, signing.sealed, sizeof(signing.sealed)));
	world_release(&world);
}

static int
mark_issued(struct store_tx *tx, void *ctx, struct err *err)
{
	return store_user_mark_issued(tx, ctx, err);
}

static void
test_mark_issued(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	struct err err = { 0 };
	struct wanted changes = { 0 };
	struct store_user_mark mark = {
		.head = &world.user.head, .iat = 70, .exp = 90, .key_set = 2
	};
	world_insert(temp, &world);
	store_on_commit(temp->store, collect_changes, &changes);
	int64_t first = temp->clock.wall += 3;
	write_ok(temp, mark_issued, &mark);
	assert_int_equal(changes.len, 1);
	assert_int_equal(changes.changes[0].collection, COLLECTION_USERS);
	assert_int_equal(changes.changes[0].action, STORE_UPDATED);
	assert_string_equal(changes.changes[0].id, world.user.head.id);
	assert_int_equal(temp_store_query(temp,
				 "SELECT iat = 70 AND exp = 90 AND issued_until = 90 AND "
				 "issued_set = 2 FROM users"),
		1);

	/* What was read before it left may not write over it. */
	assert_int_equal(
		temp_update(temp->store, &user_collection, &world.user, NULL, &err), -1);
	assert_int_equal(err.code, ERR_STALE);
	assert_int_equal(store_write(temp->store, mark_issued, &mark, &err), -1);
	assert_int_equal(err.code, ERR_STALE);
	world.user.head.version++;
	temp->clock.wall += 3;
	/* The last of all that left is what counts. */
	mark.exp = 80;
	mark.key_set = 1;
	write_ok(temp, mark_issued, &mark);
	assert_int_equal(temp_store_query(temp, "SELECT issued_at FROM users"), first);
	assert_int_equal(
		temp_store_query(temp,
			"SELECT exp = 80 AND issued_until = 90 AND issued_set = 2 "
			"FROM users"),
		1);
	world.user.head.version++;
	mark.exp = 0; /* never ends */
	write_ok(temp, mark_issued, &mark);
	assert_int_equal(temp_store_query(temp,
				 "SELECT exp = 0 AND issued_until = 253402300799 "
				 "FROM users"),
		1);
	world_release(&world);
}

static int
check_premises(struct store_tx *tx, void *ctx, struct err *err)
{
	return store_user_check_premises(tx, ctx, err);
}

static void
assert_premises(
	struct temp_store *temp, const struct store_user_premises *premises, bool good)
{
	struct err err = { 0 };
	struct store_user_premises copy = *premises;
	int rc = store_write(temp->store, check_premises, &copy, &err);
	assert_int_equal(rc, good ? 0 : -1);
	assert_int_equal(err.code, good ? ERR_NONE : ERR_STALE);
}

static void
test_premises(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	world_insert(temp, &world);
	int64_t account = world.account.head.seq;
	const struct store_user_premises good = { .account = account,
		.key_set = 1,
		.account_version = 1,
		.role = world.role.head.seq,
		.role_version = 1,
		.old_account = account };
	struct store_user_premises other = good;
	assert_premises(temp, &good, true);
	other.key_set = 2;
	assert_premises(temp, &other, false);
	other = good;
	other.role_version = 2;
	assert_premises(temp, &other, false);
	other = good;
	other.account_version = 2;
	assert_premises(temp, &other, false);
	other.account_version = 0;
	assert_premises(temp, &other, true);
	other.role++;
	assert_premises(temp, &other, false);
	struct account_work all = { account, 102, store_revocation_put_all };
	write_ok(temp, work_account, &all);
	assert_premises(temp, &good, false);
	other = good;
	other.all_at = 102;
	assert_premises(temp, &other, true);
	world_release(&world);
}

/* Who signs: the scoped key of the role, with overrides the plain one; both of the set
 * that signs now. */
static void
test_issue_signer(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	struct err err = { 0 };
	struct store_vault_seed seeds[4];
	world_insert(temp, &world);
	int64_t account = world.account.head.seq;
	for (int i = 0; i < 4; i++) {
		struct key_work key = { .key = { .account = account,
						.role = i % 2 == 0 ? 0
								   : world.role.head.seq,
						.key_set = 1 + i / 2 } };
		rand_id(&clock_system, key.key.id);
		rand_bytes(&key.key.public_key, sizeof(key.key.public_key));
		write_ok(temp, work_key, &key);
		seeds[i] = make_seed(
			"signing_keys", key.key.id, NKEY_ACCOUNT, &key.key.public_key);
		struct vault_work work = { .seed = &seeds[i] };
		write_ok(temp, work_vault, &work);
	}
	temp_store_exec(temp, "UPDATE users SET own_key = 1");
	temp_store_exec(temp, "UPDATE roles SET default_lifetime = 33");
	struct account_work all = { account, 102, store_revocation_put_all };
	write_ok(temp, work_account, &all);
	for (int i = 0; i < 4; i++) {
		struct store_user_issue issue = { 0 };
		char sql[128];
		str_fmt_cut(sql, sizeof(sql),
			"UPDATE users SET overrides = %d; UPDATE accounts SET key_set = "
			"%d",
			1 - i % 2, 1 + i / 2);
		temp_store_exec(temp, sql);
		struct store_conn *conn = begin_read(temp);
		assert_ok(store_user_issue(conn, world.user.head.id, &issue, &err), &err);
		store_read_end(temp->store, conn);
		assert_seed(&issue.signing_seed, &seeds[i]);
		assert_int_equal(issue.key_set, 1 + i / 2);
		assert_false(issue.has_user_seed);
		assert_int_equal(issue.role_lifetime, 33);
		assert_int_equal(issue.all_at, 102);
		record_release(&user_collection, &issue.user);
	}
	world_release(&world);
}

static void
test_auth_and_operator(void **state)
{
	struct temp_store *temp = *state;
	struct world world;
	struct superuser superuser;
	struct superuser found;
	struct operator_row operator= { 0 };
	struct operator_row read;
	struct err err = { 0 };
	char token[STORE_TOKEN_KEY_SIZE];
	temp_superuser(&superuser, "root@example.org");
	temp_insert_ok(temp->store, &superuser_collection, &superuser);
	struct store_conn *conn = begin_read(temp);
	assert_int_equal(
		store_auth_find_superuser(conn, "root@example.org", &found, &err), 1);
	assert_string_equal(found.password_hash, "$argon2id$x");
	assert_string_equal(found.head.id, superuser.head.id);
	record_release(&superuser_collection, &found);
	assert_int_equal(
		store_auth_find_superuser(conn, "Root@example.org", &found, &err), 0);
	assert_int_equal(store_auth_find_superuser(conn, "", &found, &err), 0);
	assert_int_equal(store_auth_token_key(conn, superuser.head.id, token, &err), 1);
	assert_string_equal(token, "tokentokentoken");
	assert_int_equal(store_auth_token_key(conn, "nobody", token, &err), 0);
	assert_int_equal(store_operator_find(conn, &read, &err), 0);
	store_read_end(temp->store, conn);

	world_insert(temp, &world);
	rand_id(&clock_system, operator.head.id);
	rand_bytes(&operator.public_key, sizeof(operator.public_key));
	temp_set(&operator.name, "O");
	temp_set(&operator.jwt, "jwt");
	memcpy(operator.system_account_id, world.account.head.id, RAND_ID_SIZE);
	temp_insert_ok(temp->store, &operator_collection, &operator);
	conn = begin_read(temp);
	assert_int_equal(store_operator_find(conn, &read, &err), 1);
	assert_same_row(&operator_collection, &operator, & read);
	record_release(&operator_collection, &read);
	store_read_end(temp->store, conn);
	record_release(&operator_collection, &operator);
	record_release(&superuser_collection, &superuser);
	world_release(&world);
}

/* ---- audit ---- */

static int
append_audit(struct store_tx *tx, void *ctx, struct err *err)
{
	int *count = ctx;
	struct strlist fields = { 0 };
	int rc = strlist_add(&fields, "name", err);
	for (int i = 0; rc == 0 && i < *count; i++) {
		struct store_audit_entry entry = { .request_id = "r\"1\"",
			.actor = "superuser",
			.actor_id = "abc",
			.action = "create",
			.collection = &account_collection,
			.record_id = "def",
			.fields = i % 2 == 0 ? &fields : NULL };
		rc = store_audit_append(tx, &entry, err);
	}
	strlist_release(&fields);
	return rc;
}

static int
verify_audit(struct temp_store *temp, int64_t *out_rows, struct err *err)
{
	struct store_conn *conn = begin_read(temp);
	int rc = store_audit_verify(conn, out_rows, err);
	store_read_end(temp->store, conn);
	return rc;
}

static void
test_audit(void **state)
{
	struct temp_store *temp = *state;
	struct err err = { 0 };
	int64_t rows = -1;
	int count = 3;
	assert_ok(verify_audit(temp, &rows, &err), &err);
	assert_int_equal(rows, 0);
	write_ok(temp, append_audit, &count);
	write_ok(temp, append_audit, &count);
	assert_ok(verify_audit(temp, &rows, &err), &err);
	assert_int_equal(rows, 6);
	assert_int_equal(temp_store_query(temp,
				 "SELECT count(*) FROM audit WHERE seq = 1 AND "
				 "fields = '[\"name\"]' AND collection = "
				 "'nats_accounts' AND previous = zeroblob(32)"),
		1);
	assert_int_equal(
		temp_store_query(temp, "SELECT count(*) FROM audit WHERE fields = '[]'"),
		2);
}

/* An independent reading of how a row is hashed. */
static void
test_audit_bytes(void **state)
{
	struct temp_store *temp = *state;
	int count = 1;
	uint8_t hash[STORE_HASH_LEN];
	uint8_t bytes[256] = { 0 };
	size_t at = STORE_HASH_LEN;
	static const char *const texts[] = { "r\"1\"", "superuser", "abc", "create",
		"nats_accounts", "def", "[\"name\"]" };
	temp->clock.wall = INT64_C(0x0102030405060708);
	write_ok(temp, append_audit, &count);
	static const uint8_t ints[] = { 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 8,
		7, 6, 5, 4, 3, 2, 1 };
	memcpy(bytes + at, ints, sizeof(ints));
	at += sizeof(ints);
	for (size_t i = 0; i < COUNT(texts); i++) {
		bytes[at] = (uint8_t)strlen(texts[i]);
		memcpy(bytes + at + 4, texts[i], strlen(texts[i]));
		at += 4 + strlen(texts[i]);
	}
	temp_hash(bytes, at, hash);
	char hex[2 * STORE_HASH_LEN + 1];
	char sql[256];
	for (size_t i = 0; i < STORE_HASH_LEN; i++) {
		str_fmt_cut(hex + 2 * i, 3, "%02x", hash[i]);
	}
	str_fmt_cut(
		sql, sizeof(sql), "SELECT count(*) FROM audit WHERE hash = x'%s'", hex);
	assert_int_equal(temp_store_query(temp, sql), 1);
}

static void
test_audit_finds_tampering(void **state)
{
	struct temp_store *temp = *state;
	static const struct {
		const char *sql;
		const char *says;
	} table[] = {
		{ "UPDATE audit SET actor_id = 'mallory' WHERE seq = 3",
			"row 3: it was changed" },
		{ "UPDATE audit SET at = at + 1 WHERE seq = 1", "row 1: it was changed" },
		{ "UPDATE audit SET fields = '[]' WHERE seq = 5",
			"row 5: it was changed" },
		{ "UPDATE audit SET record_id = record_id || char(0) || 'x' WHERE seq = "
		  "4",
			"row 4" },
		/* the boundary between two columns */
		{ "UPDATE audit SET actor = 'superuse', actor_id = 'rabc' WHERE seq = 2",
			"row 2" },
		{ "UPDATE audit SET hash = zeroblob(32) WHERE seq = 2", "row 2" },
		{ "DELETE FROM audit WHERE seq = 3", "row 3: it is missing" },
		{ "DELETE FROM audit WHERE seq = 1", "row 1: it is missing" },
		/* deleted, and the gap closed */
		{ "DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = seq - 1 WHERE "
		  "seq > 3",
			"row 3: it does not follow" },
		{ "UPDATE audit SET seq = 100 WHERE seq = 2; UPDATE audit SET seq = 2 "
		  "WHERE seq = "
		  "3; UPDATE audit SET seq = 3 WHERE seq = 100",
			"row 2: it does not follow" },
		{ "INSERT INTO audit SELECT 7, at, request_id, actor, actor_id, action, "
		  "collection, "
		  "record_id, fields, hash, hash FROM audit WHERE seq = 6",
			"row 7" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct err err = { 0 };
		int64_t rows = -1;
		int count = 6;
		write_ok(temp, append_audit, &count);
		assert_ok(verify_audit(temp, &rows, &err), &err);
		temp_store_exec(temp, table[i].sql);
		assert_int_equal(verify_audit(temp, &rows, &err), -1);
		if (err.code != ERR_CORRUPT || strstr(err.msg, table[i].says) == NULL) {
			fail_msg("%s: %s", table[i].sql, err.msg);
		}
		temp_store_exec(temp, "DELETE FROM audit");
	}
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
#define FILE_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up_closed, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(test_file_is_private),
		STORE_TEST(test_settings),
		STORE_TEST(test_uuid_is_kept),
		FILE_TEST(test_no_file),
		FILE_TEST(test_no_directory),
		FILE_TEST(test_not_a_database),
		FILE_TEST(test_other_program),
		STORE_TEST(test_newer_schema),
		STORE_TEST(test_truncated),
		STORE_TEST(test_damaged_page),
		STORE_TEST(test_check_finds),
		FILE_TEST(test_migrate_together),
		STORE_TEST(test_records),
		STORE_TEST(test_seq_of_a_deleted_row),
		STORE_TEST(test_empty_email),
		STORE_TEST(test_refusals_name_the_field),
		STORE_TEST(test_only_one_default_and_system),
		STORE_TEST(test_update_refusals),
		STORE_TEST(test_damaged_values),
		STORE_TEST(test_damaged_list),
		STORE_TEST(test_account_deleted),
		STORE_TEST(test_list),
		STORE_TEST(test_list_sorts_by_all),
		STORE_TEST(test_list_stops),
		STORE_TEST(test_nested_reads),
		STORE_TEST(test_publish),
		STORE_TEST(test_publish_many),
		STORE_TEST(test_signing_keys),
		STORE_TEST(test_counts_and_default),
		STORE_TEST(test_revocations),
		STORE_TEST(test_revocations_expire),
		STORE_TEST(test_revocations_of_all),
		STORE_TEST(test_revocations_of_sets),
		STORE_TEST(test_may_live),
		STORE_TEST(test_vault),
		STORE_TEST(test_issue),
		STORE_TEST(test_issue_signer),
		STORE_TEST(test_mark_issued),
		STORE_TEST(test_premises),
		STORE_TEST(test_auth_and_operator),
		STORE_TEST(test_audit),
		STORE_TEST(test_audit_bytes),
		STORE_TEST(test_audit_finds_tampering),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
