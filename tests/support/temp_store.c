/* SPDX-License-Identifier: Apache-2.0 */
#include "support/temp_store.h"

#include "base/str.h"
#include "store/publish.h"
#include "store/record.h"
#include "store/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <sqlite3.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t
read_wall(void *ctx)
{
	return ((struct temp_clock *)ctx)->wall;
}

static int64_t
read_mono(void *ctx)
{
	return ((struct temp_clock *)ctx)->mono;
}

void
temp_hash(const void *data, size_t len, uint8_t out[static STORE_HASH_LEN])
{
	crypto_generichash(out, STORE_HASH_LEN, data, len, NULL, 0);
}

void
temp_store_init(struct temp_store *temp)
{
	*temp = (struct temp_store){ 0 };
	assert_int_equal(
		str_copy(temp->dir, sizeof(temp->dir), "/tmp/natsid-test-XXXXXX"), 0);
	assert_non_null(mkdtemp(temp->dir));
	assert_int_equal(
		str_fmt(temp->path, sizeof(temp->path), "%s/natsid.db", temp->dir), 0);
	temp->clock = (struct temp_clock){
		.clock = { .wall = read_wall, .mono = read_mono, .ctx = &temp->clock },
		.wall = INT64_C(1790000000000),
	};
	temp->params = (struct store_params){
		.path = temp->path,
		.readers = 4,
		.clock = &temp->clock.clock,
		.hash = temp_hash,
	};
}

void
temp_store_open(struct temp_store *temp)
{
	struct err err = { 0 };
	if (store_open(&temp->params, true, &temp->store, &err) != 0) {
		fail_msg("cannot open the store: %s (%s)", err.msg, err.detail);
	}
}

void
temp_store_close(struct temp_store *temp)
{
	store_close(temp->store);
	temp->store = NULL;
}

void
temp_store_remove(const struct temp_store *temp)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char path[128];
		assert_int_equal(
			str_fmt(path, sizeof(path), "%s%s", temp->path, suffixes[i]), 0);
		unlink(path);
	}
}

void
temp_store_release(struct temp_store *temp)
{
	/* A test that failed in the middle of a read still holds its connection: leave
	 * the store to the end of the process, so that the failure is told and not a
	 * failed assertion. */
	unsigned idle = 0;
	for (struct store_conn *conn = temp->store != NULL ? temp->store->pool_free
							   : NULL;
		conn != NULL; conn = conn->next) {
		idle++;
	}
	if (temp->store == NULL || idle == temp->store->pool_open) {
		temp_store_close(temp);
	}
	temp_store_remove(temp);
	assert_int_equal(rmdir(temp->dir), 0);
}

static sqlite3 *
open_raw(const struct temp_store *temp)
{
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(temp->path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	return db;
}

void
temp_store_exec(const struct temp_store *temp, const char *sql)
{
	sqlite3 *db = open_raw(temp);
	char *message = NULL;
	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
		fail_msg("%s: %s", sql, message);
	}
	sqlite3_close(db);
}

int64_t
temp_store_query(const struct temp_store *temp, const char *sql)
{
	sqlite3 *db = open_raw(temp);
	sqlite3_stmt *stmt = NULL;
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int64_t value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return value;
}

void
temp_set(char **member, const char *text)
{
	free(*member);
	*member = str_dup(text);
	assert_non_null(*member);
}

void
temp_account(struct account *row, const char *name)
{
	assert_int_equal(account_init(row, NULL), 0);
	rand_id(&clock_system, row->head.id);
	rand_bytes(&row->public_key, sizeof(row->public_key));
	temp_set(&row->name, name);
}

void
temp_role(struct role *row, const char *name)
{
	assert_int_equal(role_init(row, NULL), 0);
	rand_id(&clock_system, row->head.id);
	temp_set(&row->name, name);
}

void
temp_user(struct user *row, const char *name, const char *account_id, const char *role_id)
{
	assert_int_equal(user_init(row, NULL), 0);
	rand_id(&clock_system, row->head.id);
	rand_bytes(&row->public_key, sizeof(row->public_key));
	temp_set(&row->nats_username, name);
	assert_int_equal(
		str_copy(row->account_id, sizeof(row->account_id), account_id), 0);
	assert_int_equal(str_copy(row->role_id, sizeof(row->role_id), role_id), 0);
}

void
temp_superuser(struct superuser *row, const char *email)
{
	assert_int_equal(superuser_init(row, NULL), 0);
	rand_id(&clock_system, row->head.id);
	temp_set(&row->email, email);
	temp_set(&row->password_hash, "$argon2id$x");
	temp_set(&row->token_key, "tokentokentoken");
}

void
temp_export(struct account_export *row, const char *subject, const char *account_id)
{
	assert_int_equal(account_export_init(row, NULL), 0);
	rand_id(&clock_system, row->head.id);
	temp_set(&row->name, subject);
	temp_set(&row->subject, subject);
	temp_set(&row->type, "service");
	assert_int_equal(
		str_copy(row->account_id, sizeof(row->account_id), account_id), 0);
}

void
temp_import(struct account_import *row, const char *subject, const char *account_id)
{
	assert_int_equal(account_import_init(row, NULL), 0);
	rand_id(&clock_system, row->head.id);
	rand_bytes(&row->account, sizeof(row->account));
	temp_set(&row->name, subject);
	temp_set(&row->subject, subject);
	temp_set(&row->type, "service");
	assert_int_equal(
		str_copy(row->account_id, sizeof(row->account_id), account_id), 0);
}

struct row_work {
	const struct collection *collection;
	void *row;
	const struct field *field;
};

static int
insert_row(struct store_tx *tx, void *ctx, struct err *err)
{
	struct row_work *work = ctx;
	const struct record_head *head = work->row;
	if (store_record_insert(tx, work->collection, work->row, &work->field, err) !=
		0) {
		return -1;
	}
	return work->collection->kind == COLLECTION_ACCOUNTS
		? store_publish_insert(tx, head->seq, err)
		: 0;
}

static int
update_row(struct store_tx *tx, void *ctx, struct err *err)
{
	struct row_work *work = ctx;
	return store_record_update(tx, work->collection, work->row, &work->field, err);
}

static int
delete_row(struct store_tx *tx, void *ctx, struct err *err)
{
	struct row_work *work = ctx;
	return store_record_delete(tx, work->collection, work->row, err);
}

int
temp_insert(struct store *store, const struct collection *collection, void *row,
	const struct field **out_field, struct err *err)
{
	struct row_work work = { .collection = collection, .row = row };
	int rc = store_write(store, insert_row, &work, err);
	if (out_field != NULL) {
		*out_field = work.field;
	}
	return rc;
}

void
temp_insert_ok(struct store *store, const struct collection *collection, void *row)
{
	struct err err = { 0 };
	if (temp_insert(store, collection, row, NULL, &err) != 0) {
		fail_msg("cannot insert: %s (%s)", err.msg, err.detail);
	}
}

int
temp_update(struct store *store, const struct collection *collection, void *row,
	const struct field **out_field, struct err *err)
{
	struct row_work work = { .collection = collection, .row = row };
	int rc = store_write(store, update_row, &work, err);
	if (out_field != NULL) {
		*out_field = work.field;
	}
	return rc;
}

int
temp_delete(struct store *store, const struct collection *collection,
	const struct record_head *head, struct err *err)
{
	struct record_head copy = *head;
	struct row_work work = { .collection = collection, .row = &copy };
	return store_write(store, delete_row, &work, err);
}
