/* SPDX-License-Identifier: Apache-2.0 */
#include "store/auth.h"

#include "store/conn.h"
#include "store/record.h"

int
store_auth_find_superuser(struct store_conn *conn, const char *email,
	struct superuser *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_AUTH_FIND_SUPERUSER,
		    "SELECT seq FROM superusers WHERE email = ?1", err) != 0) {
		return -1;
	}
	store_stmt_bind_text(&stmt, 1, email);
	int rc = store_stmt_step(&stmt, err);
	if (rc <= 0) {
		return rc;
	}
	return store_record_get_seq(conn, &superuser_collection, store_stmt_int(&stmt, 0),
		       out, err) == 0
		? 1
		: -1;
}

int
store_auth_token_key(struct store_conn *conn, const char *id,
	char out[static STORE_TOKEN_KEY_SIZE], struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_AUTH_TOKEN_KEY,
		    "SELECT token_key FROM superusers WHERE id = ?1", err) != 0) {
		return -1;
	}
	store_stmt_bind_text(&stmt, 1, id);
	int rc = store_stmt_step(&stmt, err);
	if (rc > 0 && store_stmt_copy(&stmt, 0, out, STORE_TOKEN_KEY_SIZE, err) != 0) {
		return -1;
	}
	return rc;
}
