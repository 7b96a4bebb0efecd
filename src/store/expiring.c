/* SPDX-License-Identifier: Apache-2.0 */
#include "store/expiring.h"

#include "store/conn.h"

static int
hand_out(const struct store_stmt *stmt,
	int (*fn)(void *ctx, const struct store_expiring *row, struct err *err),
	void *ctx, struct err *err)
{
	size_t len = 0; /* of texts that end in NUL anyway */
	struct store_expiring row = {
		.seq = store_stmt_int(stmt, 0),
		.id = store_stmt_text(stmt, 1, &len),
		.name = store_stmt_text(stmt, 2, &len),
		.account_id = store_stmt_text(stmt, 3, &len),
		.account_name = store_stmt_text(stmt, 4, &len),
		.exp = store_stmt_int(stmt, 6),
		.active = store_stmt_int(stmt, 7) != 0,
	};
	if (store_stmt_blob(stmt, 5, row.public_key.bytes, sizeof(row.public_key.bytes),
		    err) != 0) {
		return -1;
	}
	return fn(ctx, &row, err);
}

int
store_expiring_list(struct store_conn *conn, const struct store_expiring_query *query,
	int (*fn)(void *ctx, const struct store_expiring *row, struct err *err),
	void *ctx, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	/* the first term lets the index be used, the second drops what was seen */
	if (store_stmt_open(&stmt, conn, STORE_STMT_EXPIRING_LIST,
		    "SELECT t.seq, t.id, t.nats_username, a.id, a.name, t.public_key, "
		    "t.exp, t.active FROM users t JOIN accounts a ON a.seq = t.account "
		    "WHERE t.exp > 0 AND t.exp >= ?1 AND (t.exp, t.seq) > (?1, ?2) "
		    "AND t.exp <= ?3 ORDER BY t.exp, t.seq LIMIT ?4",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, query->after_exp);
	store_stmt_bind_int(&stmt, 2, query->after_seq);
	store_stmt_bind_int(&stmt, 3, query->until);
	store_stmt_bind_int(&stmt, 4, query->limit);
	int rc = store_stmt_step(&stmt, err);
	while (rc > 0) {
		if (hand_out(&stmt, fn, ctx, err) != 0) {
			return -1;
		}
		rc = store_stmt_step(&stmt, err);
	}
	return rc;
}
