/* SPDX-License-Identifier: Apache-2.0 */
#include "store/record.h"

#include "base/str.h"
#include "base/strlist.h"
#include "model/limits.h"
#include "store/conn.h"
#include "store/record_sql.h"

#include <stdlib.h>
#include <string.h>

enum {
	RECORD_FIRST_FIELD = 2, /* columns before the fields: seq, version */
	RECORD_LIST_SQL_MAX = 32 * 1024,
	/* Every byte of an entry may take six in JSON. */
	RECORD_LIST_MAX = LIMIT_SUBJECTS * (6 * LIMIT_ENTRY_BYTES + 3) + 2
};

/* ---- reading ---- */

static int
read_text(const struct store_stmt *stmt, int column, char **out, struct err *err)
{
	size_t len = 0;
	const char *text = store_stmt_text(stmt, column, &len);
	*out = str_dup_n(text, len);
	return *out == NULL ? err_nomem(err) : 0;
}

static int
read_member(const struct store_stmt *stmt, int column, const struct field *field,
	void *member, struct err *err)
{
	size_t len = 0;
	bool is_null = store_stmt_is_null(stmt, column);
	switch (field->type) {
	case FIELD_TEXT:
	case FIELD_EMAIL:
		return read_text(stmt, column, member, err);
	case FIELD_BOOL:
		*(bool *)member = store_stmt_int(stmt, column) != 0;
		return 0;
	case FIELD_INT:
	case FIELD_DATE:
		*(int64_t *)member = is_null && (field->flags & FIELD_NULLABLE) != 0
			? FIELD_NULL_INT
			: store_stmt_int(stmt, column);
		return 0;
	case FIELD_CLAIM:
		return is_null ? 0 : read_text(stmt, column, member, err);
	case FIELD_LIST: {
		if (is_null) {
			return 0;
		}
		const char *json = store_stmt_text(stmt, column, &len);
		return strlist_read(json, len, member, err);
	}
	case FIELD_RELATION:
	case FIELD_ID:
		return store_stmt_copy(stmt, column, member, RAND_ID_SIZE, err);
	case FIELD_KEY: {
		struct nkey_public *key = member;
		return store_stmt_blob(stmt, column, key->bytes, sizeof(key->bytes), err);
	}
	case FIELD_PASSWORD:
	case FIELD_JSON:
		return 0;
	}
	return 0;
}

int
store_row_columns(const struct collection *collection)
{
	return RECORD_FIRST_FIELD + (int)collection->field_count;
}

int
store_row_read(const struct store_stmt *stmt, int first,
	const struct collection *collection, void *out_row, struct err *err)
{
	struct record_head *head = out_row;
	memset(out_row, 0, collection->row_size);
	head->seq = store_stmt_int(stmt, first);
	head->version = store_stmt_int(stmt, first + 1);
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		if (field->offset == FIELD_NO_OFFSET) {
			continue;
		}
		if (read_member(stmt, first + RECORD_FIRST_FIELD + (int)i, field,
			    record_member(field, out_row), err) != 0) {
			record_release(collection, out_row);
			return err_prefix(
				err, "%s of a %s", field->name, collection->noun);
		}
	}
	return 0;
}

static int
not_found(const struct collection *collection, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no such %s", collection->noun);
}

int
store_record_get(struct store_conn *conn, const struct collection *collection,
	const char *id, void *out_row, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open_record(&stmt, conn, collection, STORE_RECORD_GET, err) != 0) {
		return -1;
	}
	store_stmt_bind_text(&stmt, 1, id);
	int rc = store_stmt_step(&stmt, err);
	if (rc <= 0) {
		return rc < 0 ? -1 : not_found(collection, err);
	}
	return store_row_read(&stmt, 0, collection, out_row, err);
}

int
store_record_get_seq(struct store_conn *conn, const struct collection *collection,
	int64_t seq, void *out_row, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open_record(&stmt, conn, collection, STORE_RECORD_GET_SEQ, err) !=
		0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, seq);
	int rc = store_stmt_step(&stmt, err);
	if (rc <= 0) {
		return rc < 0 ? -1 : not_found(collection, err);
	}
	return store_row_read(&stmt, 0, collection, out_row, err);
}

/* ---- views ---- */

static int64_t
view_integer(void *row, size_t index)
{
	return store_stmt_int(row, RECORD_FIRST_FIELD + (int)index);
}

static const char *
view_text(void *row, size_t index, size_t *out_len)
{
	return store_stmt_text(row, RECORD_FIRST_FIELD + (int)index, out_len);
}

static const uint8_t *
view_blob(void *row, size_t index, size_t *out_len)
{
	const struct store_stmt *stmt = row;
	static const uint8_t nothing[1];
	const void *data =
		sqlite3_column_blob(stmt->raw, RECORD_FIRST_FIELD + (int)index);
	*out_len = data == NULL ? 0
				: (size_t)sqlite3_column_bytes(
					  stmt->raw, RECORD_FIRST_FIELD + (int)index);
	return data == NULL ? nothing : data;
}

static bool
view_is_null(void *row, size_t index)
{
	return store_stmt_is_null(row, RECORD_FIRST_FIELD + (int)index);
}

static const struct record_view_ops view_ops = {
	.is_null = view_is_null,
	.integer = view_integer,
	.text = view_text,
	.blob = view_blob,
};

int
store_record_view(struct store_conn *conn, const struct collection *collection,
	const char *id, record_fn fn, void *ctx, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open_record(&stmt, conn, collection, STORE_RECORD_VIEW, err) !=
		0) {
		return -1;
	}
	store_stmt_bind_text(&stmt, 1, id);
	int rc = store_stmt_step(&stmt, err);
	if (rc <= 0) {
		return rc < 0 ? -1 : not_found(collection, err);
	}
	struct record_view view = {
		.collection = collection, .ops = &view_ops, .row = &stmt
	};
	return fn(ctx, &view, err);
}

static int
open_list(struct store_stmt *stmt, struct store_conn *conn,
	const struct store_list_query *query, struct err *err)
{
	struct buf sql;
	buf_init(&sql, RECORD_LIST_SQL_MAX);
	store_record_sql_list(query, &sql);
	int rc = buf_finish(&sql, err);
	if (rc == 0) {
		rc = store_stmt_open_list(stmt, conn, sql.data, err);
	}
	buf_release(&sql);
	return rc;
}

/* A page that is not full is the last one: nothing needs to be counted. */
static int
total_rows(struct store_conn *conn, const struct store_list_query *query, int64_t rows,
	int64_t *out_total, struct err *err)
{
	if (rows < query->limit && (rows > 0 || query->offset == 0)) {
		*out_total = query->offset + rows;
		return 0;
	}
	return store_record_count(conn, query->collection, out_total, err);
}

int
store_record_list(struct store_conn *conn, const struct store_list_query *query,
	record_fn fn, void *ctx, int64_t *out_total, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	int64_t total = -1;
	int64_t rows = 0;
	if (open_list(&stmt, conn, query, err) != 0) {
		return -1;
	}
	struct record_view view = {
		.collection = query->collection, .ops = &view_ops, .row = &stmt
	};
	store_stmt_bind_int(&stmt, 1, query->limit);
	store_stmt_bind_int(&stmt, 2, query->offset);
	int rc = store_stmt_step(&stmt, err);
	while (rc > 0) {
		if (fn(ctx, &view, err) != 0) {
			return -1;
		}
		rows++;
		rc = store_stmt_step(&stmt, err);
	}
	if (rc != 0 ||
		(!query->skip_total && total_rows(conn, query, rows, &total, err) != 0)) {
		return -1;
	}
	*out_total = total;
	return 0;
}

bool
store_record_can_sort(const struct field *field)
{
	return (field->column != NULL || field->read != NULL) &&
		(field->flags & (FIELD_INTERNAL | FIELD_ON_DEMAND)) == 0 &&
		field->type != FIELD_PASSWORD && field->type != FIELD_JSON &&
		field->type != FIELD_CLAIM && field->type != FIELD_LIST;
}

int
store_record_count(struct store_conn *conn, const struct collection *collection,
	int64_t *out_count, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open_record(&stmt, conn, collection, STORE_RECORD_COUNT, err) !=
		0) {
		return -1;
	}
	int rc = store_stmt_step(&stmt, err);
	if (rc < 0) {
		return -1;
	}
	if (rc == 0) {
		return err_set(
			err, ERR_CORRUPT, "nothing counts the %ss", collection->noun);
	}
	*out_count = store_stmt_int(&stmt, 0);
	return 0;
}

/* ---- writing ---- */

static bool
is_written(const struct field *field)
{
	return field->column != NULL && field->offset != FIELD_NO_OFFSET;
}

/* The seq behind an id; "" and unknown ids bind NULL or fail. */
static int
bind_relation(struct store_stmt *stmt, int index, const struct field *field,
	const char *id, const struct field **out_field, struct err *err)
{
	STORE_STMT_AUTO find = { 0 };
	if (id[0] == '\0') {
		store_stmt_bind_null(stmt, index);
		return 0;
	}
	if (store_stmt_open_record(&find, stmt->conn, field->relation,
		    STORE_RECORD_FIND_SEQ, err) != 0) {
		return -1;
	}
	store_stmt_bind_text(&find, 1, id);
	int rc = store_stmt_step(&find, err);
	if (rc < 0) {
		return -1;
	}
	if (rc == 0) {
		*out_field = field;
		return err_set(err, ERR_INVALID, "%s: there is no %s with this id",
			field->name, field->relation->noun);
	}
	store_stmt_bind_int(stmt, index, store_stmt_int(&find, 0));
	return 0;
}

static int
bind_list(struct store_stmt *stmt, int index, const struct strlist *list, struct err *err)
{
	struct buf json;
	struct emit emit;
	buf_init(&json, RECORD_LIST_MAX);
	emit_init(&emit, &json);
	strlist_emit(list, &emit);
	if (buf_finish(&json, err) != 0) {
		buf_release(&json);
		return -1;
	}
	/* SQLite frees it with the binding. */
	size_t len = json.len;
	char *text = buf_take(&json);
	int code = sqlite3_bind_text64(stmt->raw, index, text, len, free, SQLITE_UTF8);
	return code == SQLITE_OK ? 0 : store_conn_fail(stmt->conn, code, err);
}

static int
bind_member(struct store_stmt *stmt, int index, const struct field *field,
	const void *member, const struct field **out_field, struct err *err)
{
	bool nullable = (field->flags & FIELD_NULLABLE) != 0;
	switch (field->type) {
	case FIELD_TEXT: {
		const char *text = *(char *const *)member;
		store_stmt_bind_text(stmt, index, text != NULL ? text : "");
		return 0;
	}
	case FIELD_EMAIL: {
		const char *text = *(char *const *)member;
		if (text == NULL || text[0] == '\0') {
			store_stmt_bind_null(stmt, index);
		} else {
			store_stmt_bind_text(stmt, index, text);
		}
		return 0;
	}
	case FIELD_BOOL:
		store_stmt_bind_int(stmt, index, *(const bool *)member ? 1 : 0);
		return 0;
	case FIELD_INT:
	case FIELD_DATE: {
		int64_t value = *(const int64_t *)member;
		if (nullable && value == FIELD_NULL_INT) {
			store_stmt_bind_null(stmt, index);
		} else {
			store_stmt_bind_int(stmt, index, value);
		}
		return 0;
	}
	case FIELD_CLAIM: {
		const char *text = *(char *const *)member;
		if (text == NULL) {
			store_stmt_bind_null(stmt, index);
		} else {
			store_stmt_bind_text(stmt, index, text);
		}
		return 0;
	}
	case FIELD_LIST: {
		const struct strlist *list = member;
		if (nullable && list->items == NULL) {
			store_stmt_bind_null(stmt, index);
			return 0;
		}
		return bind_list(stmt, index, list, err);
	}
	case FIELD_RELATION:
		return bind_relation(stmt, index, field, member, out_field, err);
	case FIELD_ID:
		store_stmt_bind_text(stmt, index, member);
		return 0;
	case FIELD_KEY:
		store_stmt_bind_key(stmt, index, member);
		return 0;
	case FIELD_PASSWORD:
	case FIELD_JSON:
		break;
	}
	store_stmt_bind_null(stmt, index);
	return 0;
}

/* Binds all columns from 1 on; *out_next is the index after the last. */
static int
bind_row(struct store_stmt *stmt, const struct collection *collection, const void *row,
	int *out_next, const struct field **out_field, struct err *err)
{
	int index = 1;
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		if (!is_written(field)) {
			continue;
		}
		if (bind_member(stmt, index++, field, record_member_const(field, row),
			    out_field, err) != 0) {
			return -1;
		}
	}
	*out_next = index;
	return 0;
}

/* "UNIQUE constraint failed: users.account, users.nats_username": the field that is told
 * to be unique, else the last that is a field at all. Both forms of SQLite's message list
 * columns; indexes on expressions, which it would name instead, there are none. */
static const struct field *
field_of_constraint(const struct collection *collection, const char *message)
{
	const struct field *found = NULL;
	const char *columns = strstr(message, "failed: ");
	for (size_t i = 0; columns != NULL && i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		char name[128];
		if (field->column == NULL ||
			str_fmt(name, sizeof(name), "%s.%s", collection->table,
				field->column) != 0) {
			continue;
		}
		const char *at = strstr(columns, name);
		if (at == NULL || (at[strlen(name)] != '\0' && at[strlen(name)] != ',')) {
			continue;
		}
		if ((field->flags & FIELD_UNIQUE) != 0) {
			return field;
		}
		found = field;
	}
	return found;
}

static int
constraint_error(struct store_conn *conn, const struct collection *collection, int code,
	const struct field **out_field, struct err *err)
{
	const char *message = sqlite3_errmsg(conn->db);
	const struct field *field = field_of_constraint(collection, message);
	store_conn_fail(conn, code, err);
	char detail[ERR_DETAIL_MAX];
	str_fmt_cut(detail, sizeof(detail), "%s", message);

	if (code == SQLITE_CONSTRAINT_UNIQUE && field != NULL) {
		*out_field = field;
		err_set(err, ERR_CONFLICT, "%s: another %s has it already", field->name,
			collection->noun);
	} else if (code == SQLITE_CONSTRAINT_NOTNULL && field != NULL) {
		*out_field = field;
		err_set(err, ERR_INVALID, "%s: cannot be blank", field->name);
	} else if (collection->kind == COLLECTION_OPERATOR &&
		strstr(message, "seq = 1") != NULL) {
		err_set(err, ERR_CONFLICT, "there is an operator already");
	} else {
		return -1;
	}
	return err_detail(err, "sqlite %d: %s", code, detail);
}

static int
write_row(struct store_stmt *stmt, const struct collection *collection,
	const struct field **out_field, struct err *err)
{
	int code = store_stmt_step_code(stmt);
	if (code == SQLITE_DONE) {
		return 0;
	}
	if ((code & 0xff) == SQLITE_CONSTRAINT) {
		return constraint_error(stmt->conn, collection, code, out_field, err);
	}
	return store_conn_fail(stmt->conn, code, err);
}

static int
note_change(struct store_tx *tx, const struct collection *collection,
	enum store_action action, const struct record_head *head, struct err *err)
{
	struct store_change change = {
		.collection = collection->kind, .action = action, .seq = head->seq
	};
	memcpy(change.id, head->id, sizeof(change.id));
	return store_tx_changed(tx, &change, err);
}

static int
insert_row(struct store_tx *tx, const struct collection *collection, const void *row,
	int64_t *out_seq, const struct field **out_field, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	struct store_conn *conn = store_tx_conn(tx);
	int next = 0;
	if (store_stmt_open_record(&stmt, conn, collection, STORE_RECORD_INSERT, err) !=
			0 ||
		bind_row(&stmt, collection, row, &next, out_field, err) != 0 ||
		write_row(&stmt, collection, out_field, err) != 0) {
		return -1;
	}
	*out_seq = sqlite3_last_insert_rowid(conn->db);
	return 0;
}

int
store_record_insert(struct store_tx *tx, const struct collection *collection, void *row,
	const struct field **out_field, struct err *err)
{
	struct record_head *head = row;
	const struct record_head before = *head;
	const struct field *field = NULL;

	head->version = 1;
	head->created = store_tx_now(tx);
	head->updated = head->created;
	int rc = insert_row(tx, collection, row, &head->seq, &field, err);
	if (rc == 0) {
		rc = note_change(tx, collection, STORE_CREATED, head, err);
	}
	if (rc != 0) {
		*head = before;
	}
	if (out_field != NULL) {
		*out_field = field;
	}
	return rc;
}

static int
stale(const struct collection *collection, struct err *err)
{
	return err_set(err, ERR_STALE, "the %s was changed or deleted meanwhile",
		collection->noun);
}

static int
update_row(struct store_tx *tx, const struct collection *collection, const void *row,
	const struct field **out_field, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	const struct record_head *head = row;
	struct store_conn *conn = store_tx_conn(tx);
	int next = 0;
	if (store_stmt_open_record(&stmt, conn, collection, STORE_RECORD_UPDATE, err) !=
			0 ||
		bind_row(&stmt, collection, row, &next, out_field, err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, next, head->seq);
	store_stmt_bind_int(&stmt, next + 1, head->version);
	if (write_row(&stmt, collection, out_field, err) != 0) {
		return -1;
	}
	return sqlite3_changes64(conn->db) == 0 ? stale(collection, err) : 0;
}

int
store_record_update(struct store_tx *tx, const struct collection *collection, void *row,
	const struct field **out_field, struct err *err)
{
	struct record_head *head = row;
	const struct record_head before = *head;
	const struct field *field = NULL;

	head->updated = store_tx_now(tx);
	int rc = update_row(tx, collection, row, &field, err);
	if (rc == 0) {
		head->version++;
		rc = note_change(tx, collection, STORE_UPDATED, head, err);
	}
	if (rc != 0) {
		*head = before;
	}
	if (out_field != NULL) {
		*out_field = field;
	}
	return rc;
}

int
store_record_delete(struct store_tx *tx, const struct collection *collection,
	const struct record_head *head, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	const struct field *field = NULL;
	struct store_conn *conn = store_tx_conn(tx);
	if (store_stmt_open_record(&stmt, conn, collection, STORE_RECORD_DELETE, err) !=
		0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, head->seq);
	store_stmt_bind_int(&stmt, 2, head->version);
	store_stmt_bind_text(&stmt, 3, head->id);
	if (write_row(&stmt, collection, &field, err) != 0) {
		return -1;
	}
	if (sqlite3_changes64(conn->db) == 0) {
		return stale(collection, err);
	}
	return note_change(tx, collection, STORE_DELETED, head, err);
}
