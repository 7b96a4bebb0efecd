/* SPDX-License-Identifier: Apache-2.0
 * Brings a database to the newest schema: schema/NNNN_name.sql in order. */
#include "store/state.h"

#include "base/str.h"
#include "store/schema.h"
#include "store/settings.h"

#include <inttypes.h>

/* "nsid": tells our files from those of other programs, here and in file(1). */
#define MIGRATE_APPLICATION_ID INT64_C(0x6e736964)

enum { MIGRATE_WAIT_MS = 5000, MIGRATE_RETRY_MS = 5 };

int
store_schema_version(void)
{
	return schema_file_count == 0 ? 0 : schema_files[schema_file_count - 1].version;
}

static int
too_new(int64_t version, struct err *err)
{
	return err_set(err, ERR_CONFLICT,
		"a newer natsid made this database: its schema is %" PRId64
		", this natsid knows up to %d; install the newer natsid, or restore a "
		"backup "
		"made before the upgrade",
		version, store_schema_version());
}

struct identity {
	int64_t application;
	int64_t version;
	int64_t tables;
};

/* All in one snapshot: another process may be making the schema just now. */
static int
read_identity(struct store_conn *conn, struct identity *out, struct err *err)
{
	if (store_conn_exec(conn, "BEGIN", err) != 0) {
		return -1;
	}
	int rc = -1;
	if (store_conn_int(
		    conn, "SELECT count(*) FROM sqlite_schema", &out->tables, err) == 0 &&
		store_conn_int(conn, "PRAGMA application_id", &out->application, err) ==
			0 &&
		store_conn_int(conn, "PRAGMA user_version", &out->version, err) == 0) {
		rc = 0;
	}
	/* Nothing was written, so nothing can be lost. */
	(void)sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/* Looks, and changes nothing: the file may be somebody else's. */
static int
identify(struct store_conn *conn, bool create, struct err *err)
{
	struct identity is = { 0 };
	if (read_identity(conn, &is, err) != 0) {
		return -1;
	}
	if (is.application == 0 && is.version == 0 && is.tables == 0) {
		/* What a crash right after the creation leaves behind. */
		return create
			? 0
			: err_set(err, ERR_NOT_FOUND, "the file holds no database yet");
	}
	if (is.application != MIGRATE_APPLICATION_ID) {
		err_set(err, ERR_CORRUPT, "the file is a database of another program");
		return err_detail(err, "application_id %" PRId64, is.application);
	}
	return is.version > store_schema_version() ? too_new(is.version, err) : 0;
}

static int
insert_uuid(struct store_conn *conn, struct err *err)
{
	STORE_STMT_AUTO stmt = { .conn = conn };
	uint8_t bytes[16];
	char text[STORE_UUID_SIZE];
	static const char digits[] = "0123456789abcdef";

	rand_bytes(bytes, sizeof(bytes));
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40); /* version 4: random */
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	size_t at = 0;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10) {
			text[at++] = '-';
		}
		text[at++] = digits[bytes[i] >> 4];
		text[at++] = digits[bytes[i] & 15];
	}
	text[at] = '\0';

	int code = sqlite3_prepare_v3(conn->db,
		"INSERT INTO settings (key, value) VALUES ('database_uuid', ?1)", -1, 0,
		&stmt.raw, NULL);
	if (code != SQLITE_OK) {
		return store_conn_fail(conn, code, err);
	}
	store_stmt_bind_text(&stmt, 1, text);
	return store_stmt_run(&stmt, NULL, err);
}

/* One file, inside a transaction. */
static int
apply(struct store_conn *conn, const struct schema_file *file, struct err *err)
{
	/* A pragma takes no parameters; the number is our own. */
	char pragma[64];
	if (store_conn_exec(conn, (const char *)file->sql, err) != 0 ||
		str_fmt(pragma, sizeof(pragma), "PRAGMA user_version = %d",
			file->version) != 0 ||
		store_conn_exec(conn, pragma, err) != 0) {
		return err_prefix(err, "schema %s", file->name);
	}
	return 0;
}

/* Another process may be migrating the same file: what is missing is asked again under
 * the lock. */
static int
apply_next(struct store_conn *conn, bool *out_more, struct err *err)
{
	int64_t version = 0;
	if (store_conn_int(conn, "PRAGMA user_version", &version, err) != 0) {
		return -1;
	}
	if (version > store_schema_version()) {
		return too_new(version, err);
	}
	*out_more = false;
	for (size_t i = 0; i < schema_file_count; i++) {
		if (schema_files[i].version <= version) {
			continue;
		}
		if (version == 0 &&
			store_conn_exec(
				conn, "PRAGMA application_id = 0x6e736964", err) != 0) {
			return -1;
		}
		if (apply(conn, &schema_files[i], err) != 0 ||
			(version == 0 && insert_uuid(conn, err) != 0)) {
			return -1;
		}
		*out_more = true;
		return 0;
	}
	return 0;
}

static int
try_wal(struct store_conn *conn, int *out_code, struct err *err)
{
	STORE_STMT_AUTO stmt = { .conn = conn };
	size_t len = 0;
	int code = sqlite3_prepare_v3(
		conn->db, "PRAGMA journal_mode = WAL", -1, 0, &stmt.raw, NULL);
	if (code == SQLITE_OK) {
		code = store_stmt_step_code(&stmt);
	}
	*out_code = code;
	if (code != SQLITE_ROW) {
		return store_conn_fail(conn, code, err);
	}
	if (!str_equal(store_stmt_text(&stmt, 0, &len), "wal")) {
		return err_set(err, ERR_UNAVAILABLE,
			"this file system cannot hold the database: it does not support "
			"shared "
			"memory (use a local disk)");
	}
	return 0;
}

/* The first switch of a new file to WAL wants it alone, and does not wait by itself while
 * another process that opens it too holds a lock. */
static int
set_wal(struct store_conn *conn, struct err *err)
{
	int code = SQLITE_OK;
	int64_t deadline = clock_mono_ms(&clock_system) + MIGRATE_WAIT_MS;
	int rc = try_wal(conn, &code, err);
	while (rc != 0 && (code & 0xff) == SQLITE_BUSY &&
		clock_mono_ms(&clock_system) < deadline) {
		sqlite3_sleep(MIGRATE_RETRY_MS);
		rc = try_wal(conn, &code, err);
	}
	return rc;
}

int
store_migrate(struct store_conn *conn, bool create, struct err *err)
{
	if (identify(conn, create, err) != 0 || set_wal(conn, err) != 0) {
		return -1;
	}
	int64_t version = 0;
	if (store_conn_int(conn, "PRAGMA user_version", &version, err) != 0) {
		return -1;
	}
	bool more = version < store_schema_version();
	while (more) {
		if (store_conn_exec(conn, "BEGIN IMMEDIATE", err) != 0) {
			return -1;
		}
		if (apply_next(conn, &more, err) != 0 ||
			store_conn_exec(conn, "COMMIT", err) != 0) {
			/* The error that counts is told already. */
			(void)sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL);
			return -1;
		}
	}
	return 0;
}
