/* SPDX-License-Identifier: Apache-2.0 */
#include "store/user_key.h"

#include "store/conn.h"

int
store_user_key_find(struct store_conn *conn, const struct nkey_public *key,
	struct store_user_key *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_USER_KEY_FIND,
		    "SELECT id, iat FROM users WHERE public_key = ?1", err) != 0) {
		return -1;
	}
	store_stmt_bind_key(&stmt, 1, key);
	int rc = store_stmt_step(&stmt, err);
	if (rc > 0) {
		out->iat = store_stmt_int(&stmt, 1);
		if (store_stmt_copy(&stmt, 0, out->id, sizeof(out->id), err) != 0) {
			return -1;
		}
	}
	return rc;
}
