/* SPDX-License-Identifier: Apache-2.0 */
#include "store/revocation.h"

#include "store/conn.h"

#include <stdlib.h>

static const char *const cause_names[] = {
	[STORE_REVOKED_SUSPEND] = "suspend",
	[STORE_REVOKED_DELETE] = "delete",
	[STORE_REVOKED_MOVE] = "move",
};

int
store_revocation_put(struct store_tx *tx, int64_t account,
	const struct nkey_public *public_key, enum store_revocation_cause cause,
	int64_t at, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_REVOCATION_PUT,
		    "INSERT INTO revocations (account, public_key, cause, at, created) "
		    "VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (account, public_key, "
		    "cause) "
		    "DO UPDATE SET at = max(at, excluded.at)",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_key(&stmt, 2, public_key);
	store_stmt_bind_text(&stmt, 3, cause_names[cause]);
	store_stmt_bind_int(&stmt, 4, at);
	store_stmt_bind_int(&stmt, 5, store_tx_now(tx));
	return store_stmt_run(&stmt, NULL, err);
}

int
store_revocation_lift(struct store_tx *tx, int64_t account,
	const struct nkey_public *public_key, enum store_revocation_cause cause,
	bool *out_lifted, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	int64_t changes = 0;
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_REVOCATION_LIFT,
		    "DELETE FROM revocations "
		    "WHERE account = ?1 AND public_key = ?2 AND cause = ?3",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_key(&stmt, 2, public_key);
	store_stmt_bind_text(&stmt, 3, cause_names[cause]);
	if (store_stmt_run(&stmt, &changes, err) != 0) {
		return -1;
	}
	*out_lifted = changes > 0;
	return 0;
}

static int
add_entry(const struct store_stmt *stmt, struct store_revocation **list, size_t *len,
	size_t *cap, struct err *err)
{
	if (*len == *cap) {
		size_t grown = *cap == 0 ? 16 : *cap * 2;
		struct store_revocation *more = realloc(*list, grown * sizeof(**list));
		if (more == NULL) {
			return err_nomem(err);
		}
		*list = more;
		*cap = grown;
	}
	struct store_revocation *entry = &(*list)[*len];
	entry->at = store_stmt_int(stmt, 1);
	entry->all = store_stmt_int(stmt, 2) != 0;
	if (!entry->all &&
		store_stmt_blob(stmt, 0, entry->public_key.bytes,
			sizeof(entry->public_key.bytes), err) != 0) {
		return -1;
	}
	(*len)++;
	return 0;
}

int
store_revocation_list(struct store_conn *conn, int64_t account,
	struct store_revocation **out, size_t *out_len, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	struct store_revocation *list = NULL;
	size_t len = 0;
	size_t cap = 0;
	if (store_stmt_open(&stmt, conn, STORE_STMT_REVOCATION_LIST,
		    "SELECT public_key, max(at), length(public_key) = 0 "
		    "FROM revocations WHERE account = ?1 "
		    "GROUP BY public_key ORDER BY public_key",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	int rc = store_stmt_step(&stmt, err);
	while (rc > 0) {
		if (add_entry(&stmt, &list, &len, &cap, err) != 0) {
			free(list);
			return -1;
		}
		rc = store_stmt_step(&stmt, err);
	}
	if (rc < 0) {
		free(list);
		return -1;
	}
	*out = list;
	*out_len = len;
	return 0;
}

/* A statement that takes the account and perhaps a number. */
static int
run(struct store_tx *tx, enum store_stmt_id id, const char *sql, int64_t account,
	int64_t number, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), id, sql, err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	if (number != 0) {
		store_stmt_bind_int(&stmt, 2, number);
	}
	return store_stmt_run(&stmt, NULL, err);
}

static int
put_all(struct store_tx *tx, int64_t account, int64_t at, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_REVOCATION_PUT_ALL,
		    "INSERT INTO revocations (account, public_key, cause, at, key_set, "
		    "created) VALUES (?1, x'', 'all', ?2, "
		    "(SELECT key_set FROM accounts WHERE seq = ?1), ?3) "
		    "ON CONFLICT (account, public_key, cause) DO UPDATE SET "
		    "at = max(at, excluded.at), key_set = excluded.key_set",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, at);
	store_stmt_bind_int(&stmt, 3, store_tx_now(tx));
	return store_stmt_run(&stmt, NULL, err);
}

int
store_revocation_put_all(
	struct store_tx *tx, int64_t account, int64_t at, struct err *err)
{
	if (put_all(tx, account, at, err) != 0) {
		return -1;
	}
	return run(tx, STORE_STMT_REVOCATION_DROP_COVERED,
		"DELETE FROM revocations WHERE account = ?1 AND cause <> 'all' AND "
		"at <= ?2",
		account, at, err);
}

int
store_revocation_drop_below(
	struct store_tx *tx, int64_t account, int64_t key_set, struct err *err)
{
	return run(tx, STORE_STMT_REVOCATION_DROP_BELOW,
		"DELETE FROM revocations WHERE account = ?1 AND key_set > 0 AND "
		"key_set < ?2",
		account, key_set, err);
}

int
store_revocation_drop_all(struct store_tx *tx, int64_t account, struct err *err)
{
	return run(tx, STORE_STMT_REVOCATION_DROP_ALL,
		"DELETE FROM revocations WHERE account = ?1", account, 0, err);
}
