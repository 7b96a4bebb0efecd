/* SPDX-License-Identifier: Apache-2.0 */
#include "store/conn.h"

#include "base/array.h"
#include "base/str.h"
#include "store/state.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
	CONN_BUSY_MS = 5000,
	CONN_PROGRESS_OPS = 2000 /* some 50 us */
};

int
store_conn_fail(struct store_conn *conn, int code, struct err *err)
{
	int system_error = sqlite3_system_errno(conn->db);
	bool fatal = true;

	switch (code & 0xff) {
	case SQLITE_FULL:
		err_set(err, ERR_UNAVAILABLE, "the disk is full");
		break;
	case SQLITE_IOERR:
		if (code == SQLITE_IOERR_NOMEM) {
			err_nomem(err);
		} else if (system_error == ENOSPC || system_error == EDQUOT) {
			/* Growing the shared memory of the WAL, for one, says no more
			 * than this. */
			err_set(err, ERR_UNAVAILABLE, "the disk is full");
		} else {
			err_set(err, ERR_INTERNAL,
				"the database file cannot be read or written");
		}
		break;
	case SQLITE_NOMEM:
		err_nomem(err);
		break;
	case SQLITE_CORRUPT:
		err_set(err, ERR_CORRUPT, "the database is damaged");
		break;
	case SQLITE_NOTADB:
		err_set(err, ERR_CORRUPT, "the file is not a database");
		break;
	case SQLITE_READONLY:
		err_set(err, ERR_UNAVAILABLE, "the database cannot be written");
		break;
	case SQLITE_CANTOPEN:
		err_set(err, ERR_UNAVAILABLE, "the database cannot be opened");
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		fatal = false;
		err_set(err, ERR_BUSY, "the database is busy, try again");
		break;
	case SQLITE_INTERRUPT:
		fatal = false;
		err_set(err, ERR_UNAVAILABLE, "the query took too long");
		break;
	case SQLITE_TOOBIG:
		fatal = false;
		err_set(err, ERR_TOO_LARGE, "a value is too large for the database");
		break;
	case SQLITE_CONSTRAINT:
		fatal = false;
		if (code == SQLITE_CONSTRAINT_FOREIGNKEY) {
			err_set(err, ERR_CONFLICT, "other records refer to it");
		} else if (code == SQLITE_CONSTRAINT_UNIQUE ||
			code == SQLITE_CONSTRAINT_PRIMARYKEY) {
			err_set(err, ERR_CONFLICT, "it exists already");
		} else {
			err_set(err, ERR_INTERNAL, "the database refused a value");
		}
		break;
	default:
		fatal = false;
		err_set(err, ERR_INTERNAL, "the database failed");
		break;
	}
	if (fatal && conn->fatal == 0) {
		conn->fatal = code;
	}
	return err_detail(err, "sqlite %d: %s", code, sqlite3_errmsg(conn->db));
}

/* nkey_text(prefix byte, 32 bytes); NULL for anything else. */
static void
nkey_text_function(sqlite3_context *context, int count, sqlite3_value **values)
{
	(void)count; /* registered with two */
	struct nkey_public key;
	char text[NKEY_TEXT_SIZE];
	if (sqlite3_value_type(values[1]) != SQLITE_BLOB ||
		sqlite3_value_bytes(values[1]) != NKEY_PUBLIC_LEN) {
		sqlite3_result_null(context);
		return;
	}
	memcpy(key.bytes, sqlite3_value_blob(values[1]), NKEY_PUBLIC_LEN);
	nkey_text_encode((enum nkey_role)sqlite3_value_int(values[0]), &key, text);
	sqlite3_result_text(context, text, NKEY_TEXT_LEN, SQLITE_TRANSIENT);
}

static int
past_deadline(void *ctx)
{
	const struct store_conn *conn = ctx;
	return conn->query_ms > 0 && clock_mono_ms(&clock_system) > conn->deadline;
}

int
store_conn_open(struct store *store, struct store_conn **out, struct err *err)
{
	struct store_conn *conn = calloc(1, sizeof(*conn));
	if (conn == NULL) {
		return err_nomem(err);
	}
	conn->store = store;
	int code = sqlite3_open_v2(store->path, &conn->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
			SQLITE_OPEN_EXRESCODE,
		NULL);
	if (code == SQLITE_OK) {
		code = sqlite3_busy_timeout(conn->db, CONN_BUSY_MS);
	}
	if (code == SQLITE_OK) {
		code = sqlite3_db_config(conn->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	}
	if (code == SQLITE_OK) {
		code = sqlite3_create_function_v2(conn->db, "nkey_text", 2,
			SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL,
			nkey_text_function, NULL, NULL, NULL);
	}
	if (code != SQLITE_OK) {
		store_conn_fail(conn, code, err);
		store_conn_close(conn);
		return -1;
	}
	*out = conn;
	return 0;
}

int
store_conn_setup(struct store_conn *conn, enum store_conn_kind kind, struct err *err)
{
	if (store_conn_exec(conn,
		    "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
		    "PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;"
		    "PRAGMA secure_delete = ON; PRAGMA synchronous = FULL;",
		    err) != 0) {
		return -1;
	}
	if (kind == STORE_CONN_READER) {
		conn->query_ms = conn->store->query_ms;
		sqlite3_progress_handler(
			conn->db, CONN_PROGRESS_OPS, past_deadline, conn);
		return store_conn_exec(conn, "PRAGMA query_only = ON", err);
	}
	return store_conn_exec(conn,
		"PRAGMA cache_size = -16384; PRAGMA journal_size_limit = 67108864;"
		"PRAGMA wal_autocheckpoint = 1000;",
		err);
}

void
store_conn_close(struct store_conn *conn)
{
	if (conn == NULL) {
		return;
	}
	for (size_t i = 0; i < STORE_CACHED_COUNT; i++) {
		sqlite3_finalize(conn->cached[i].raw);
	}
	for (size_t i = 0; i < STORE_CACHED_LISTS; i++) {
		sqlite3_finalize(conn->lists[i].cached.raw);
	}
	sqlite3_close(conn->db);
	free(conn);
}

int
store_conn_exec(struct store_conn *conn, const char *sql, struct err *err)
{
	int code = sqlite3_exec(conn->db, sql, NULL, NULL, NULL);
	return code == SQLITE_OK ? 0 : store_conn_fail(conn, code, err);
}

int
store_conn_int(struct store_conn *conn, const char *sql, int64_t *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { .conn = conn };
	int code = sqlite3_prepare_v3(conn->db, sql, -1, 0, &stmt.raw, NULL);
	if (code != SQLITE_OK) {
		return store_conn_fail(conn, code, err);
	}
	int rc = store_stmt_step(&stmt, err);
	if (rc < 0) {
		return -1;
	}
	if (rc == 0) {
		return err_set(err, ERR_INTERNAL, "the database gave no answer");
	}
	*out = store_stmt_int(&stmt, 0);
	return 0;
}

/* ---- statements ---- */

void
store_stmt_close(struct store_stmt *stmt)
{
	if (stmt->cached == NULL) {
		sqlite3_finalize(stmt->raw);
	} else {
		/* Its result is that of the last step, which was told then. */
		(void)sqlite3_reset(stmt->raw);
		(void)sqlite3_clear_bindings(stmt->raw);
		stmt->cached->in_use = false;
	}
	*stmt = (struct store_stmt){ 0 };
}

/* A cached statement that is in use (by a caller further up) gets an uncached twin. */
static int
open_cached(struct store_stmt *stmt, struct store_conn *conn, struct store_cached *cached,
	const char *sql, struct err *err)
{
	*stmt = (struct store_stmt){ .conn = conn };
	if (conn->query_ms > 0) {
		conn->deadline = clock_mono_ms(&clock_system) + conn->query_ms;
	}
	if (!cached->in_use && cached->raw != NULL) {
		stmt->raw = cached->raw;
		stmt->cached = cached;
		cached->in_use = true;
		return 0;
	}
	int code = sqlite3_prepare_v3(conn->db, sql, -1,
		cached->in_use ? 0 : SQLITE_PREPARE_PERSISTENT, &stmt->raw, NULL);
	if (code != SQLITE_OK) {
		return store_conn_fail(conn, code, err);
	}
	if (!cached->in_use) {
		cached->raw = stmt->raw;
		cached->in_use = true;
		stmt->cached = cached;
	}
	return 0;
}

int
store_stmt_open(struct store_stmt *stmt, struct store_conn *conn, enum store_stmt_id id,
	const char *sql, struct err *err)
{
	return open_cached(stmt, conn, &conn->cached[id], sql, err);
}

int
store_stmt_open_record(struct store_stmt *stmt, struct store_conn *conn,
	const struct collection *collection, enum store_record_op op, struct err *err)
{
	size_t index = (size_t)STORE_STMT_COUNT +
		(size_t)collection->kind * STORE_RECORD_OP_COUNT + (size_t)op;
	return open_cached(stmt, conn, &conn->cached[index],
		conn->store->record_sql[collection->kind][op], err);
}

int
store_stmt_open_list(struct store_stmt *stmt, struct store_conn *conn, const char *sql,
	struct err *err)
{
	struct store_cached_list *oldest = &conn->lists[0];
	for (size_t i = 0; i < STORE_CACHED_LISTS; i++) {
		struct store_cached_list *list = &conn->lists[i];
		if (list->cached.raw != NULL &&
			str_equal(sqlite3_sql(list->cached.raw), sql)) {
			oldest = list;
			break;
		}
		if (oldest->cached.in_use ||
			(!list->cached.in_use && list->last_use < oldest->last_use)) {
			oldest = list;
		}
	}
	if (!oldest->cached.in_use && oldest->cached.raw != NULL &&
		!str_equal(sqlite3_sql(oldest->cached.raw), sql)) {
		sqlite3_finalize(oldest->cached.raw);
		oldest->cached.raw = NULL;
	}
	oldest->last_use = ++conn->list_uses;
	return open_cached(stmt, conn, &oldest->cached, sql, err);
}

static void
note_bind(struct store_stmt *stmt, int code)
{
	if (code != SQLITE_OK && stmt->bind_code == SQLITE_OK) {
		stmt->bind_code = code;
	}
}

void
store_stmt_bind_int(struct store_stmt *stmt, int index, int64_t value)
{
	note_bind(stmt, sqlite3_bind_int64(stmt->raw, index, value));
}

void
store_stmt_bind_text(struct store_stmt *stmt, int index, const char *text)
{
	note_bind(stmt,
		sqlite3_bind_text64(stmt->raw, index, text, strlen(text), SQLITE_STATIC,
			SQLITE_UTF8));
}

void
store_stmt_bind_blob(struct store_stmt *stmt, int index, const void *data, size_t len)
{
	note_bind(stmt, sqlite3_bind_blob64(stmt->raw, index, data, len, SQLITE_STATIC));
}

void
store_stmt_bind_null(struct store_stmt *stmt, int index)
{
	note_bind(stmt, sqlite3_bind_null(stmt->raw, index));
}

void
store_stmt_bind_key(struct store_stmt *stmt, int index, const struct nkey_public *key)
{
	store_stmt_bind_blob(stmt, index, key->bytes, sizeof(key->bytes));
}

void
store_stmt_bind_ref(struct store_stmt *stmt, int index, int64_t seq)
{
	if (seq == 0) {
		store_stmt_bind_null(stmt, index);
	} else {
		store_stmt_bind_int(stmt, index, seq);
	}
}

int
store_stmt_step_code(struct store_stmt *stmt)
{
	return stmt->bind_code != SQLITE_OK ? stmt->bind_code : sqlite3_step(stmt->raw);
}

int
store_stmt_step(struct store_stmt *stmt, struct err *err)
{
	int code = store_stmt_step_code(stmt);
	if (code == SQLITE_ROW) {
		return 1;
	}
	return code == SQLITE_DONE ? 0 : store_conn_fail(stmt->conn, code, err);
}

int
store_stmt_run(struct store_stmt *stmt, int64_t *out_changes, struct err *err)
{
	int rc = store_stmt_step(stmt, err);
	if (rc < 0) {
		return -1;
	}
	if (out_changes != NULL) {
		*out_changes = sqlite3_changes64(stmt->conn->db);
	}
	return 0;
}

int
store_stmt_ask(struct store_conn *conn, enum store_stmt_id id, const char *sql,
	int64_t value, int64_t *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, id, sql, err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, value);
	int rc = store_stmt_step(&stmt, err);
	if (rc < 0) {
		return -1;
	}
	*out = rc > 0 ? store_stmt_int(&stmt, 0) : 0;
	return 0;
}

static void
release_items(const struct store_items *kind, char *items, size_t len)
{
	for (size_t i = 0; kind->release != NULL && i < len; i++) {
		kind->release(items + i * kind->size);
	}
	free(items);
}

int
store_stmt_collect(struct store_stmt *stmt, const struct store_items *kind, void **out,
	size_t *out_len, struct err *err)
{
	char *items = NULL;
	size_t len = 0;
	int rc = store_stmt_step(stmt, err);
	while (rc > 0) {
		char *grown = array_grow(items, len, kind->size, err);
		if (grown == NULL) {
			rc = -1;
			break;
		}
		items = grown;
		rc = kind->read(stmt, items + len * kind->size, err);
		if (rc == 0) {
			len++;
			rc = store_stmt_step(stmt, err);
		}
	}
	if (rc < 0) {
		release_items(kind, items, len);
		return -1;
	}
	*out = items;
	*out_len = len;
	return 0;
}

int64_t
store_stmt_int(const struct store_stmt *stmt, int index)
{
	return sqlite3_column_int64(stmt->raw, index);
}

const char *
store_stmt_text(const struct store_stmt *stmt, int index, size_t *out_len)
{
	const unsigned char *text = sqlite3_column_text(stmt->raw, index);
	if (text == NULL) {
		*out_len = 0;
		return "";
	}
	*out_len = (size_t)sqlite3_column_bytes(stmt->raw, index);
	return (const char *)text;
}

bool
store_stmt_is_null(const struct store_stmt *stmt, int index)
{
	return sqlite3_column_type(stmt->raw, index) == SQLITE_NULL;
}

static int
corrupt_column(const struct store_stmt *stmt, int index, struct err *err)
{
	err_set(err, ERR_CORRUPT, "a stored value is damaged");
	const char *name = sqlite3_column_name(stmt->raw, index);
	return err_detail(err, "column %s of: %s", name != NULL ? name : "?",
		sqlite3_sql(stmt->raw));
}

size_t
store_stmt_blob_len(const struct store_stmt *stmt, int index)
{
	return (size_t)sqlite3_column_bytes(stmt->raw, index);
}

int
store_stmt_blob(
	const struct store_stmt *stmt, int index, void *out, size_t len, struct err *err)
{
	const void *data = sqlite3_column_blob(stmt->raw, index);
	if (data == NULL || (size_t)sqlite3_column_bytes(stmt->raw, index) != len) {
		return corrupt_column(stmt, index, err);
	}
	memcpy(out, data, len);
	return 0;
}

int
store_stmt_copy(
	const struct store_stmt *stmt, int index, char *out, size_t size, struct err *err)
{
	size_t len = 0;
	const char *text = store_stmt_text(stmt, index, &len);
	if (len >= size || strlen(text) != len) {
		return corrupt_column(stmt, index, err);
	}
	memcpy(out, text, len + 1);
	return 0;
}
