/* SPDX-License-Identifier: Apache-2.0 */
#include "store/record_sql.h"

#include "base/str.h"
#include "store/state.h"

#include <stdlib.h>

enum { RECORD_SQL_MAX = 16 * 1024 };

static bool
is_written(const struct field *field)
{
	return field->column != NULL && field->offset != FIELD_NO_OFFSET;
}

static void
put_read(struct buf *buf, const struct field *field)
{
	if (field->read != NULL) {
		buf_put_str(buf, field->read);
	} else if (field->column == NULL) {
		buf_put_str(buf, "NULL");
	} else if (field->type == FIELD_RELATION) {
		buf_put_str(buf, "(SELECT id FROM ");
		buf_put_str(buf, field->relation->table);
		buf_put_str(buf, " WHERE seq = t.");
		buf_put_str(buf, field->column);
		buf_put_str(buf, ")");
	} else {
		buf_put_str(buf, "t.");
		buf_put_str(buf, field->column);
	}
}

/* t.seq, t.version and one column for each field. */
static void
put_columns(struct buf *buf, const struct collection *collection, bool row_only)
{
	buf_put_str(buf, "t.seq, t.version");
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		buf_put_str(buf, ", ");
		if (row_only && field->offset == FIELD_NO_OFFSET) {
			buf_put_str(buf, "NULL");
		} else {
			put_read(buf, field);
		}
	}
}

static void
put_from(struct buf *buf, const struct collection *collection, bool joins)
{
	buf_put_str(buf, " FROM ");
	buf_put_str(buf, collection->table);
	buf_put_str(buf, " t");
	if (joins && collection->joins[0] != '\0') {
		buf_put_str(buf, " ");
		buf_put_str(buf, collection->joins);
	}
}

static void
put_where(struct buf *buf, const char *condition, const char *more)
{
	if (condition != NULL || more != NULL) {
		buf_put_str(buf, " WHERE ");
		buf_put_str(buf, condition != NULL ? condition : more);
	}
	if (condition != NULL && more != NULL) {
		buf_put_str(buf, " AND ");
		buf_put_str(buf, more);
	}
}

/* The members of a row may come out of the joins. */
static bool
row_needs_joins(const struct collection *collection)
{
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		if (field->offset != FIELD_NO_OFFSET && field->read != NULL) {
			return true;
		}
	}
	return false;
}

static void
put_insert(struct buf *buf, const struct collection *collection)
{
	int count = 0;
	buf_put_str(buf, "INSERT INTO ");
	buf_put_str(buf, collection->table);
	for (size_t i = 0; i < collection->field_count; i++) {
		if (is_written(&collection->fields[i])) {
			buf_put_str(buf, count++ == 0 ? " (" : ", ");
			buf_put_str(buf, collection->fields[i].column);
		}
	}
	buf_put_str(buf, ") VALUES (");
	for (int i = 1; i <= count; i++) {
		buf_put_str(buf, i == 1 ? "?" : ", ?");
		buf_put_int(buf, i);
	}
	buf_put_str(buf, ")");
}

/* The parameters of the columns are numbered as in put_insert, also where one is left
 * out. */
static void
put_update(struct buf *buf, const struct collection *collection)
{
	int count = 0;
	int id = 0;
	buf_put_str(buf, "UPDATE ");
	buf_put_str(buf, collection->table);
	buf_put_str(buf, " SET version = version + 1");
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		if (!is_written(field)) {
			continue;
		}
		count++;
		if (field->type == FIELD_ID) {
			id = count;
			continue;
		}
		buf_put_str(buf, ", ");
		buf_put_str(buf, field->column);
		buf_put_str(buf, " = ?");
		buf_put_int(buf, count);
	}
	/* The id too: the seq and first version of a deleted row may be another's by
	 * now. */
	buf_put_str(buf, " WHERE id = ?");
	buf_put_int(buf, id);
	buf_put_str(buf, " AND seq = ?");
	buf_put_int(buf, count + 1);
	buf_put_str(buf, " AND version = ?");
	buf_put_int(buf, count + 2);
}

static void
put_count(struct buf *buf, const struct collection *collection)
{
	/* Large tables are counted as they change (see schema/). */
	if (collection->kind == COLLECTION_USERS ||
		collection->kind == COLLECTION_ACCOUNTS) {
		buf_put_str(buf, "SELECT total FROM counters WHERE name = '");
		buf_put_str(buf, collection->table);
		buf_put_str(buf, "'");
		return;
	}
	buf_put_str(buf, "SELECT count(*)");
	put_from(buf, collection, false);
	put_where(buf, collection->where, NULL);
}

static void
put_statement(
	struct buf *buf, const struct collection *collection, enum store_record_op op)
{
	switch (op) {
	case STORE_RECORD_VIEW:
		buf_put_str(buf, "SELECT ");
		put_columns(buf, collection, false);
		put_from(buf, collection, true);
		put_where(buf, "t.id = ?1", collection->where);
		break;
	case STORE_RECORD_GET:
	case STORE_RECORD_GET_SEQ:
		buf_put_str(buf, "SELECT ");
		put_columns(buf, collection, true);
		put_from(buf, collection, row_needs_joins(collection));
		if (op == STORE_RECORD_GET) {
			put_where(buf, "t.id = ?1", collection->where);
		} else {
			put_where(buf, "t.seq = ?1", NULL);
		}
		break;
	case STORE_RECORD_FIND_SEQ:
		buf_put_str(buf, "SELECT t.seq");
		put_from(buf, collection, false);
		put_where(buf, "t.id = ?1", collection->where);
		break;
	case STORE_RECORD_INSERT:
		put_insert(buf, collection);
		break;
	case STORE_RECORD_UPDATE:
		put_update(buf, collection);
		break;
	case STORE_RECORD_DELETE:
		buf_put_str(buf, "DELETE FROM ");
		buf_put_str(buf, collection->table);
		buf_put_str(buf, " WHERE seq = ?1 AND version = ?2 AND id = ?3");
		break;
	case STORE_RECORD_COUNT:
		put_count(buf, collection);
		break;
	case STORE_RECORD_ROW_COLUMNS:
		put_columns(buf, collection, true);
		break;
	case STORE_RECORD_OP_COUNT:
		break;
	}
}

int
store_record_sql_build(struct store *store, struct err *err)
{
	struct buf buf;
	buf_init(&buf, RECORD_SQL_MAX);
	for (size_t kind = 0; kind < COLLECTION_COUNT; kind++) {
		for (size_t op = 0; op < STORE_RECORD_OP_COUNT; op++) {
			put_statement(&buf, collection_of((enum collection_kind)kind),
				(enum store_record_op)op);
			if (buf_finish(&buf, err) != 0) {
				buf_release(&buf);
				return -1;
			}
			store->record_sql[kind][op] = buf_take(&buf);
		}
	}
	return 0;
}

void
store_record_sql_release(struct store *store)
{
	for (size_t kind = 0; kind < COLLECTION_COUNT; kind++) {
		for (size_t op = 0; op < STORE_RECORD_OP_COUNT; op++) {
			free(store->record_sql[kind][op]);
		}
	}
}

/* ---- lists ---- */

/* Records are numbered in the order of their creation, so `created` needs no index of its
 * own. */
static bool
sorts_by_creation(const struct store_sort_key *key)
{
	return key->field == NULL || str_equal(key->field->name, "created");
}

static void
put_sort_key(struct buf *buf, const struct store_sort_key *key)
{
	const struct field *field = key->field;
	if (field->read != NULL) {
		buf_put_str(buf, field->read);
	} else {
		/* A relation sorts by the other record's creation, as its id does. */
		buf_put_str(buf, "t.");
		buf_put_str(buf, field->column);
	}
	buf_put_str(buf, key->descending ? " DESC" : "");
}

/* Ties go by creation, so that pages neither overlap nor leave gaps. */
static void
put_order(struct buf *buf, const struct store_list_query *query)
{
	buf_put_str(buf, " ORDER BY ");
	for (size_t i = 0; i < query->sort_count; i++) {
		const struct store_sort_key *key = &query->sort[i];
		if (sorts_by_creation(key)) {
			buf_put_str(buf, key->descending ? "t.seq DESC" : "t.seq");
			return;
		}
		put_sort_key(buf, key);
		buf_put_str(buf, ", ");
	}
	buf_put_str(buf, "t.seq");
}

static bool
sort_needs_joins(const struct store_list_query *query)
{
	for (size_t i = 0; i < query->sort_count; i++) {
		if (query->sort[i].field != NULL && query->sort[i].field->read != NULL) {
			return true;
		}
	}
	return false;
}

void
store_record_sql_list(const struct store_list_query *query, struct buf *buf)
{
	const struct collection *collection = query->collection;
	bool by_creation = query->sort_count == 0 || sorts_by_creation(&query->sort[0]);

	buf_put_str(buf, "SELECT ");
	put_columns(buf, collection, false);
	if (by_creation) {
		put_from(buf, collection, true);
		put_where(buf, collection->where, NULL);
		put_order(buf, query);
		buf_put_str(buf, " LIMIT ?1 OFFSET ?2");
		return;
	}
	/* The page is found first: else every row of the table went through the sorter
	 * whole, with all that is derived for it. */
	buf_put_str(buf, " FROM (SELECT t.seq AS page_seq");
	put_from(buf, collection, sort_needs_joins(query));
	put_where(buf, collection->where, NULL);
	put_order(buf, query);
	buf_put_str(buf, " LIMIT ?1 OFFSET ?2) page CROSS JOIN ");
	buf_put_str(buf, collection->table);
	buf_put_str(buf, " t ON t.seq = page.page_seq ");
	buf_put_str(buf, collection->joins);
	put_order(buf, query);
}
