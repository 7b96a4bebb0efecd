/* SPDX-License-Identifier: Apache-2.0 */
#include "store/role.h"

#include "store/conn.h"
#include "store/state.h"

#include "base/buf.h"

static int
open_scopes(struct store_stmt *stmt, struct store_conn *conn, struct err *err)
{
	struct buf sql;
	buf_init(&sql, 16 * 1024);
	buf_put_str(&sql, "SELECT ");
	buf_put_str(&sql,
		conn->store->record_sql[COLLECTION_ROLES][STORE_RECORD_ROW_COLUMNS]);
	buf_put_str(&sql,
		", k.public_key FROM signing_keys k CROSS JOIN roles t ON t.seq = k.role "
		"WHERE k.account = ?1 ORDER BY k.seq");
	int rc = buf_finish(&sql, err);
	if (rc == 0) {
		rc = store_stmt_open(stmt, conn, STORE_STMT_ROLE_SCOPES, sql.data, err);
	}
	buf_release(&sql);
	return rc;
}

static int
hand_out_scope(const struct store_stmt *stmt,
	int (*fn)(void *ctx, const struct role *role, const struct nkey_public *key,
		struct err *err),
	void *ctx, struct err *err)
{
	struct role role;
	struct nkey_public key;
	if (store_stmt_blob(stmt, store_row_columns(&role_collection), key.bytes,
		    sizeof(key.bytes), err) != 0 ||
		store_row_read(stmt, 0, &role_collection, &role, err) != 0) {
		return -1;
	}
	int rc = fn(ctx, &role, &key, err);
	record_release(&role_collection, &role);
	return rc;
}

int
store_role_scopes(struct store_conn *conn, int64_t account,
	int (*fn)(void *ctx, const struct role *role, const struct nkey_public *key,
		struct err *err),
	void *ctx, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (open_scopes(&stmt, conn, err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	int rc = store_stmt_step(&stmt, err);
	while (rc > 0) {
		if (hand_out_scope(&stmt, fn, ctx, err) != 0) {
			return -1;
		}
		rc = store_stmt_step(&stmt, err);
	}
	return rc;
}

int
store_role_user_count(struct store_conn *conn, int64_t seq, int64_t most,
	int64_t *out_count, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_ROLE_USER_COUNT,
		    "SELECT count(*) FROM (SELECT 1 FROM users WHERE role = ?1 LIMIT ?2)",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, seq);
	store_stmt_bind_int(&stmt, 2, most);
	if (store_stmt_step(&stmt, err) < 0) {
		return -1;
	}
	*out_count = store_stmt_int(&stmt, 0);
	return 0;
}

int
store_role_find_default(
	struct store_conn *conn, char out_id[static RAND_ID_SIZE], struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_ROLE_FIND_DEFAULT,
		    "SELECT id FROM roles WHERE is_default = 1", err) != 0) {
		return -1;
	}
	int rc = store_stmt_step(&stmt, err);
	if (rc > 0 && store_stmt_copy(&stmt, 0, out_id, RAND_ID_SIZE, err) != 0) {
		return -1;
	}
	return rc;
}
