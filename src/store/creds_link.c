/* SPDX-License-Identifier: Apache-2.0 */
#include "store/creds_link.h"

#include "store/conn.h"

#include <string.h>

static int
sweep(struct store_tx *tx, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_CREDS_LINK_SWEEP,
		    "DELETE FROM creds_links WHERE expires <= ?1", err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, store_tx_now(tx));
	return store_stmt_run(&stmt, NULL, err);
}

int
store_creds_link_insert(
	struct store_tx *tx, const struct store_creds_link *link, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	int64_t changes = 0;
	if (sweep(tx, err) != 0 ||
		store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_CREDS_LINK_INSERT,
			"INSERT INTO creds_links (token_hash, user, sealed, expires, "
			"created) SELECT ?1, seq, ?3, ?4, ?5 FROM users WHERE id = ?2",
			err) != 0) {
		return -1;
	}
	store_stmt_bind_blob(&stmt, 1, link->token_hash, sizeof(link->token_hash));
	store_stmt_bind_text(&stmt, 2, link->user_id);
	store_stmt_bind_blob(&stmt, 3, link->sealed, link->sealed_len);
	store_stmt_bind_int(&stmt, 4, link->expires);
	store_stmt_bind_int(&stmt, 5, store_tx_now(tx));
	if (store_stmt_run(&stmt, &changes, err) != 0) {
		return -1;
	}
	return changes == 1 ? 0 : err_set(err, ERR_NOT_FOUND, "there is no such user");
}

static int
read_link(struct store_stmt *stmt, struct store_creds_link *out, struct err *err)
{
	size_t len = (size_t)sqlite3_column_bytes(stmt->raw, 1);
	if (len > sizeof(out->sealed)) {
		return err_set(err, ERR_CORRUPT, "a stored link is too large");
	}
	if (store_stmt_copy(stmt, 0, out->user_id, sizeof(out->user_id), err) != 0 ||
		store_stmt_blob(stmt, 1, out->sealed, len, err) != 0) {
		return -1;
	}
	out->sealed_len = len;
	out->expires = store_stmt_int(stmt, 2);
	return 0;
}

int
store_creds_link_take(struct store_tx *tx,
	const uint8_t token_hash[static STORE_LINK_HASH_LEN],
	struct store_creds_link *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_CREDS_LINK_TAKE,
		    "DELETE FROM creds_links WHERE token_hash = ?1 AND expires > ?2 "
		    "RETURNING (SELECT id FROM users WHERE seq = user), sealed, expires",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_blob(&stmt, 1, token_hash, STORE_LINK_HASH_LEN);
	store_stmt_bind_int(&stmt, 2, store_tx_now(tx));
	int rc = store_stmt_step(&stmt, err);
	if (rc <= 0) {
		return rc < 0 ? -1
			      : err_set(err, ERR_NOT_FOUND,
					"This link has expired or was used already. Ask "
					"for a new one.");
	}
	memcpy(out->token_hash, token_hash, sizeof(out->token_hash));
	return read_link(&stmt, out, err);
}
