/* SPDX-License-Identifier: Apache-2.0 */
#include "store/audit.h"

#include "base/buf.h"
#include "base/str.h"
#include "store/conn.h"
#include "store/state.h"

#include <inttypes.h>
#include <string.h>

enum { AUDIT_ROW_MAX = 64 * 1024, AUDIT_FIELDS_MAX = 16 * 1024 };

/* A row as it is hashed: the hash of the row before, then each column, its length (32
 * bits, little endian) in front; integers are 8 bytes, little endian. */
struct audit_row {
	int64_t seq;
	int64_t at;
	const char *request_id;
	const char *actor;
	const char *actor_id;
	const char *action;
	const char *collection;
	const char *record_id;
	const char *fields;
};

static void
put_bytes(struct buf *buf, const void *data, size_t len)
{
	uint8_t prefix[4];
	for (size_t i = 0; i < sizeof(prefix); i++) {
		prefix[i] = (uint8_t)(len >> (8 * i));
	}
	buf_put(buf, prefix, sizeof(prefix));
	buf_put(buf, data, len);
}

static void
put_int(struct buf *buf, int64_t value)
{
	uint8_t bytes[8];
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)((uint64_t)value >> (8 * i));
	}
	put_bytes(buf, bytes, sizeof(bytes));
}

static int
hash_row(const struct store *store, const uint8_t previous[static STORE_HASH_LEN],
	const struct audit_row *row, struct buf *buf, uint8_t out[static STORE_HASH_LEN],
	struct err *err)
{
	const char *const texts[] = { row->request_id, row->actor, row->actor_id,
		row->action, row->collection, row->record_id, row->fields };
	buf_clear(buf);
	buf_put(buf, previous, STORE_HASH_LEN);
	put_int(buf, row->seq);
	put_int(buf, row->at);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put_bytes(buf, texts[i], strlen(texts[i]));
	}
	if (buf_finish(buf, err) != 0) {
		return -1;
	}
	store->hash(buf->data, buf->len, out);
	return 0;
}

/* The end of the chain; another process may have appended since, so it is read each
 * time. */
static int
read_last(struct store_conn *conn, int64_t *out_seq,
	uint8_t out_hash[static STORE_HASH_LEN], struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_AUDIT_LAST,
		    "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", err) != 0) {
		return -1;
	}
	int rc = store_stmt_step(&stmt, err);
	if (rc < 0) {
		return -1;
	}
	*out_seq = 0;
	memset(out_hash, 0, STORE_HASH_LEN);
	if (rc == 0) {
		return 0;
	}
	*out_seq = store_stmt_int(&stmt, 0);
	return store_stmt_blob(&stmt, 1, out_hash, STORE_HASH_LEN, err);
}

static int
insert_row(struct store_conn *conn, const struct audit_row *row,
	const uint8_t previous[static STORE_HASH_LEN],
	const uint8_t hash[static STORE_HASH_LEN], struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_AUDIT_APPEND,
		    "INSERT INTO audit (seq, at, request_id, actor, actor_id, action, "
		    "collection, "
		    "record_id, fields, previous, hash) "
		    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, row->seq);
	store_stmt_bind_int(&stmt, 2, row->at);
	store_stmt_bind_text(&stmt, 3, row->request_id);
	store_stmt_bind_text(&stmt, 4, row->actor);
	store_stmt_bind_text(&stmt, 5, row->actor_id);
	store_stmt_bind_text(&stmt, 6, row->action);
	store_stmt_bind_text(&stmt, 7, row->collection);
	store_stmt_bind_text(&stmt, 8, row->record_id);
	store_stmt_bind_text(&stmt, 9, row->fields);
	store_stmt_bind_blob(&stmt, 10, previous, STORE_HASH_LEN);
	store_stmt_bind_blob(&stmt, 11, hash, STORE_HASH_LEN);
	return store_stmt_run(&stmt, NULL, err);
}

int
store_audit_newest(struct store_conn *conn, int64_t *out_seq, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_AUDIT_NEWEST,
		    "SELECT coalesce(max(seq), 0) FROM audit", err) != 0 ||
		store_stmt_step(&stmt, err) < 0) {
		return -1;
	}
	*out_seq = store_stmt_int(&stmt, 0);
	return 0;
}

int
store_audit_append(
	struct store_tx *tx, const struct store_audit_entry *entry, struct err *err)
{
	int rc = -1;
	struct store_conn *conn = store_tx_conn(tx);
	static const struct strlist no_fields;
	uint8_t previous[STORE_HASH_LEN];
	uint8_t hash[STORE_HASH_LEN];
	struct audit_row row = {
		.at = store_tx_now(tx),
		.request_id = entry->request_id,
		.actor = entry->actor,
		.actor_id = entry->actor_id,
		.action = entry->action,
		.collection = entry->collection->name,
		.record_id = entry->record_id,
	};
	struct buf fields;
	struct buf bytes;
	struct emit emit;

	buf_init(&fields, AUDIT_FIELDS_MAX);
	buf_init(&bytes, AUDIT_ROW_MAX);
	emit_init(&emit, &fields);
	strlist_emit(entry->fields != NULL ? entry->fields : &no_fields, &emit);
	if (buf_finish(&fields, err) != 0 ||
		read_last(conn, &row.seq, previous, err) != 0) {
		goto out;
	}
	row.seq++;
	row.fields = fields.data;
	if (hash_row(conn->store, previous, &row, &bytes, hash, err) != 0 ||
		insert_row(conn, &row, previous, hash, err) != 0) {
		goto out;
	}
	rc = 0;
out:
	buf_release(&bytes);
	buf_release(&fields);
	return rc;
}

static int
broken(int64_t seq, const char *why, struct err *err)
{
	return err_set(err, ERR_CORRUPT, "the audit does not fit at row %" PRId64 ": %s",
		seq, why);
}

/* A text cut by a NUL would hash as what is before it. */
static const char *
column_text(const struct store_stmt *stmt, int column, bool *whole)
{
	size_t len = 0;
	const char *text = store_stmt_text(stmt, column, &len);
	*whole = *whole && strlen(text) == len;
	return text;
}

static int
verify_row(const struct store_stmt *stmt, const struct store *store, int64_t expected,
	uint8_t previous[static STORE_HASH_LEN], struct buf *buf, struct err *err)
{
	bool whole = true;
	uint8_t stored_previous[STORE_HASH_LEN];
	uint8_t stored[STORE_HASH_LEN];
	uint8_t hash[STORE_HASH_LEN];
	struct audit_row row = {
		.seq = store_stmt_int(stmt, 0),
		.at = store_stmt_int(stmt, 1),
		.request_id = column_text(stmt, 2, &whole),
		.actor = column_text(stmt, 3, &whole),
		.actor_id = column_text(stmt, 4, &whole),
		.action = column_text(stmt, 5, &whole),
		.collection = column_text(stmt, 6, &whole),
		.record_id = column_text(stmt, 7, &whole),
		.fields = column_text(stmt, 8, &whole),
	};
	if (row.seq != expected) {
		return broken(expected, "it is missing", err);
	}
	if (store_stmt_blob(stmt, 9, stored_previous, STORE_HASH_LEN, err) != 0 ||
		store_stmt_blob(stmt, 10, stored, STORE_HASH_LEN, err) != 0) {
		return -1;
	}
	if (memcmp(stored_previous, previous, STORE_HASH_LEN) != 0) {
		return broken(row.seq, "it does not follow the row before", err);
	}
	if (hash_row(store, previous, &row, buf, hash, err) != 0) {
		return -1;
	}
	if (!whole || memcmp(stored, hash, STORE_HASH_LEN) != 0) {
		return broken(row.seq, "it was changed", err);
	}
	memcpy(previous, hash, STORE_HASH_LEN);
	return 0;
}

static int
verify(struct store_conn *conn, struct buf *buf, int64_t *out_rows, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	uint8_t previous[STORE_HASH_LEN] = { 0 };
	int64_t rows = 0;
	if (store_stmt_open(&stmt, conn, STORE_STMT_AUDIT_ALL,
		    "SELECT seq, at, request_id, actor, actor_id, action, collection, "
		    "record_id, "
		    "fields, previous, hash FROM audit ORDER BY seq",
		    err) != 0) {
		return -1;
	}
	int rc = store_stmt_step(&stmt, err);
	while (rc > 0) {
		if (verify_row(&stmt, conn->store, rows + 1, previous, buf, err) != 0) {
			return -1;
		}
		rows++;
		rc = store_stmt_step(&stmt, err);
	}
	if (rc == 0) {
		*out_rows = rows;
	}
	return rc;
}

int
store_audit_verify(struct store_conn *conn, int64_t *out_rows, struct err *err)
{
	struct buf buf;
	/* As long as the chain. */
	int64_t query_ms = conn->query_ms;
	conn->query_ms = 0;
	buf_init(&buf, AUDIT_ROW_MAX);
	int rc = verify(conn, &buf, out_rows, err);
	buf_release(&buf);
	conn->query_ms = query_ms;
	return rc;
}
