/* SPDX-License-Identifier: Apache-2.0
 * Records of any collection, by its field table. */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "model/collection.h"
#include "model/record_view.h"
#include "store/store.h"

/* Reads the row into *out_row (zeroed or released; record_release frees). Rows that the
 * collection's `where` hides are ERR_NOT_FOUND. */
int store_record_get(struct store_conn *conn, const struct collection *collection,
	const char *id, void *out_row, struct err *err) MUST_CHECK;

/* The same by seq, and hidden rows too. */
int store_record_get_seq(struct store_conn *conn, const struct collection *collection,
	int64_t seq, void *out_row, struct err *err) MUST_CHECK;

/* Hands the record to fn. ERR_NOT_FOUND. */
int store_record_view(struct store_conn *conn, const struct collection *collection,
	const char *id, record_fn fn, void *ctx, struct err *err) MUST_CHECK;

struct store_sort_key {
	const struct field *field; /* NULL: order of creation */
	bool descending;
};

struct store_list_query {
	const struct collection *collection;
	int64_t limit;
	int64_t offset;
	bool skip_total;
	const struct store_sort_key *sort; /* none: order of creation */
	size_t sort_count;
};

/* Hands the page's records to fn in order; *out_total is -1 with skip_total. */
int store_record_list(struct store_conn *conn, const struct store_list_query *query,
	record_fn fn, void *ctx, int64_t *out_total, struct err *err) MUST_CHECK;

/* Can this field be sorted by? (It has a column or an expression, and leaves the
 * daemon.) */
bool store_record_can_sort(const struct field *field);

/* Inserts all columns of the row and sets head.seq, version, created and updated; head.id
 * must be set. *out_field (may be NULL) names the field when a UNIQUE constraint refused
 * it (ERR_CONFLICT), or the relation that does not exist (ERR_INVALID); NULL otherwise.
 * Adds the change to the commit's list. An account is seen by views and lists only with
 * its row of store/publish.h. */
int store_record_insert(struct store_tx *tx, const struct collection *collection,
	void *row, const struct field **out_field, struct err *err) MUST_CHECK;

/* Writes all columns where seq and version are the row's; bumps version and updated in
 * the row too. ERR_STALE: somebody else was faster (or it is gone). Otherwise as
 * insert. */
int store_record_update(struct store_tx *tx, const struct collection *collection,
	void *row, const struct field **out_field, struct err *err) MUST_CHECK;

/* Deletes the row where seq and version are the given ones: ERR_STALE when there is none;
 * ERR_CONFLICT when others refer to it. */
int store_record_delete(struct store_tx *tx, const struct collection *collection,
	const struct record_head *head, struct err *err) MUST_CHECK;

/* Rows of a collection, counted without the hidden ones. */
int store_record_count(struct store_conn *conn, const struct collection *collection,
	int64_t *out_count, struct err *err) MUST_CHECK;

#endif
