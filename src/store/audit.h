/* SPDX-License-Identifier: Apache-2.0
 * The audit: one row for each change, chained by hashes, in the change's own
 * transaction. */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "base/strlist.h"
#include "store/store.h"

struct store_audit_entry {
	const char *request_id; /* "" when there is no request */
	const char *actor; /* "superuser", "system", "console" */
	const char *actor_id;
	const char *action; /* "create", "update", "delete", ... */
	const struct collection *collection;
	const char *record_id;
	const struct strlist *fields; /* names of what changed; NULL: none named */
};

int store_audit_append(struct store_tx *tx, const struct store_audit_entry *entry,
	struct err *err) MUST_CHECK;

/* The seq of the newest row, 0 when there is none: what is written later has a greater
 * one. */
int
store_audit_newest(struct store_conn *conn, int64_t *out_seq, struct err *err) MUST_CHECK;

/* Walks the chain; ERR_CORRUPT names the first row that does not fit. *out_rows: rows
 * seen. */
int store_audit_verify(
	struct store_conn *conn, int64_t *out_rows, struct err *err) MUST_CHECK;

#endif
