/* SPDX-License-Identifier: Apache-2.0 */
#include "store/account.h"

#include "store/conn.h"

#include <string.h>

static int
mark(struct store_tx *tx, const struct record_head *head, int64_t *out_changes,
	struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_ACCOUNT_MARK_DELETED,
		    "UPDATE accounts SET deleted = ?3, updated = ?3, version = version + "
		    "1 "
		    "WHERE seq = ?1 AND version = ?2 AND deleted = 0",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, head->seq);
	store_stmt_bind_int(&stmt, 2, head->version);
	store_stmt_bind_int(&stmt, 3, store_tx_now(tx));
	return store_stmt_run(&stmt, out_changes, err);
}

int
store_account_mark_deleted(
	struct store_tx *tx, const struct record_head *head, struct err *err)
{
	int64_t changes = 0;
	if (mark(tx, head, &changes, err) != 0) {
		return -1;
	}
	if (changes == 0) {
		return err_set(
			err, ERR_STALE, "the account was changed or deleted meanwhile");
	}
	struct store_change change = { .collection = COLLECTION_ACCOUNTS,
		.action = STORE_DELETED,
		.seq = head->seq };
	memcpy(change.id, head->id, sizeof(change.id));
	return store_tx_changed(tx, &change, err);
}

int
store_account_deleted(
	struct store_conn *conn, int64_t seq, int64_t *out_when, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_ACCOUNT_DELETED,
		    "SELECT deleted FROM accounts WHERE seq = ?1", err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, seq);
	int rc = store_stmt_step(&stmt, err);
	if (rc <= 0) {
		return rc < 0 ? -1
			      : err_set(err, ERR_NOT_FOUND, "there is no such account");
	}
	*out_when = store_stmt_int(&stmt, 0);
	return 0;
}

int
store_account_find(struct store_conn *conn, const char *text, int64_t *out_seq,
	char out_id[static RAND_ID_SIZE], struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	struct nkey_public key = { 0 };
	struct err ignored = { 0 };
	bool is_key =
		nkey_text_decode(NKEY_ACCOUNT, text, strlen(text), &key, &ignored) == 0;
	if (store_stmt_open(&stmt, conn, STORE_STMT_ACCOUNT_FIND,
		    "SELECT seq, id FROM accounts WHERE id = ?1 OR public_key = ?2 OR "
		    "(name = ?1 AND (deleted = 0 OR seq IN (SELECT account FROM "
		    "quarantine))) ORDER BY id = ?1 DESC, public_key IS ?2 DESC, "
		    "deleted, seq LIMIT 1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_text(&stmt, 1, text);
	if (is_key) {
		store_stmt_bind_key(&stmt, 2, &key);
	} else {
		store_stmt_bind_null(&stmt, 2);
	}
	int rc = store_stmt_step(&stmt, err);
	if (rc <= 0) {
		return rc;
	}
	*out_seq = store_stmt_int(&stmt, 0);
	return store_stmt_copy(&stmt, 1, out_id, RAND_ID_SIZE, err) != 0 ? -1 : 1;
}

int
store_account_user_count(struct store_conn *conn, int64_t seq, int64_t most,
	int64_t *out_count, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_ACCOUNT_USER_COUNT,
		    "SELECT count(*) FROM (SELECT 1 FROM users WHERE account = ?1 LIMIT "
		    "?2)",
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
store_account_newest_iat(
	struct store_conn *conn, int64_t seq, int64_t *out_iat, struct err *err)
{
	return store_stmt_ask(conn, STORE_STMT_ACCOUNT_NEWEST_IAT,
		"SELECT max(coalesce((SELECT max(iat) FROM users "
		"WHERE account = ?1 AND issued_at > 0), 0), "
		"coalesce((SELECT at + 1 FROM revocations "
		"WHERE account = ?1 AND public_key = x'' AND cause = 'all'), 0))",
		seq, out_iat, err);
}

int
store_account_jwt_bytes(
	struct store_conn *conn, int64_t seq, int64_t *out_bytes, struct err *err)
{
	return store_stmt_ask(conn, STORE_STMT_ACCOUNT_JWT_BYTES,
		"SELECT length(jwt) FROM account_jwt WHERE account = ?1", seq, out_bytes,
		err);
}
