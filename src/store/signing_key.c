/* SPDX-License-Identifier: Apache-2.0 */
#include "store/signing_key.h"

#include "store/conn.h"

#include <stdlib.h>

#define SIGNING_KEY_SELECT \
	"SELECT seq, id, coalesce(account, 0), coalesce(role, 0), public_key, key_set, " \
	"state = 'next', retire_at, retire_below, created, " \
	"coalesce((SELECT id FROM roles WHERE seq = role), '') FROM signing_keys "

static int
read_key(const struct store_stmt *stmt, void *out, struct err *err)
{
	struct store_signing_key key = {
		.seq = store_stmt_int(stmt, 0),
		.account = store_stmt_int(stmt, 2),
		.role = store_stmt_int(stmt, 3),
		.key_set = store_stmt_int(stmt, 5),
		.next = store_stmt_int(stmt, 6) != 0,
		.retire_at = store_stmt_int(stmt, 7),
		.retire_below = store_stmt_int(stmt, 8),
		.created = store_stmt_int(stmt, 9),
	};
	if (store_stmt_copy(stmt, 1, key.id, sizeof(key.id), err) != 0 ||
		store_stmt_copy(stmt, 10, key.role_id, sizeof(key.role_id), err) != 0 ||
		store_stmt_blob(stmt, 4, key.public_key.bytes,
			sizeof(key.public_key.bytes), err) != 0) {
		return -1;
	}
	*(struct store_signing_key *)out = key;
	return 0;
}

int
store_signing_key_plain(struct store_conn *conn, int64_t account,
	struct store_signing_key *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_SIGNING_KEY_PLAIN,
		    SIGNING_KEY_SELECT
		    "WHERE account IS ?1 AND role IS NULL AND state = 'active' "
		    "ORDER BY key_set DESC, seq DESC LIMIT 1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_ref(&stmt, 1, account);
	int rc = store_stmt_step(&stmt, err);
	if (rc < 0) {
		return -1;
	}
	if (rc == 0) {
		return err_set(err, ERR_NOT_FOUND, "the %s has no signing key",
			account == 0 ? "operator" : "account");
	}
	return read_key(&stmt, out, err);
}

int
store_signing_key_find_scope(struct store_conn *conn, int64_t account, int64_t role,
	struct store_signing_key *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_SIGNING_KEY_SCOPE,
		    SIGNING_KEY_SELECT "WHERE account = ?1 AND role = ?2 AND key_set = "
				       "(SELECT key_set FROM accounts WHERE seq = ?1)",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, role);
	int rc = store_stmt_step(&stmt, err);
	if (rc > 0 && read_key(&stmt, out, err) != 0) {
		return -1;
	}
	return rc;
}

static int
read_keys(struct store_stmt *stmt, struct store_signing_key **out, size_t *out_len,
	struct err *err)
{
	static const struct store_items kind = { .size = sizeof(**out),
		.read = read_key };
	void *keys = NULL;
	if (store_stmt_collect(stmt, &kind, &keys, out_len, err) != 0) {
		return -1;
	}
	*out = keys;
	return 0;
}

int
store_signing_key_list(struct store_conn *conn, int64_t account,
	struct store_signing_key **out, size_t *out_len, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_SIGNING_KEY_LIST,
		    SIGNING_KEY_SELECT "WHERE account IS ?1 ORDER BY seq", err) != 0) {
		return -1;
	}
	store_stmt_bind_ref(&stmt, 1, account);
	return read_keys(&stmt, out, out_len, err);
}

int
store_signing_key_list_role(struct store_conn *conn, int64_t role,
	struct store_signing_key **out, size_t *out_len, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_SIGNING_KEY_LIST_ROLE,
		    SIGNING_KEY_SELECT "WHERE role = ?1 ORDER BY account", err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, role);
	return read_keys(&stmt, out, out_len, err);
}

int
store_signing_key_insert(
	struct store_tx *tx, struct store_signing_key *key, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	struct store_conn *conn = store_tx_conn(tx);
	int64_t changes = 0;
	if (store_stmt_open(&stmt, conn, STORE_STMT_SIGNING_KEY_INSERT,
		    "INSERT INTO signing_keys (id, account, role, public_key, created, "
		    "key_set, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
		    "ON CONFLICT (account, role, key_set) WHERE role IS NOT NULL DO "
		    "NOTHING",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_text(&stmt, 1, key->id);
	store_stmt_bind_ref(&stmt, 2, key->account);
	store_stmt_bind_ref(&stmt, 3, key->role);
	store_stmt_bind_key(&stmt, 4, &key->public_key);
	store_stmt_bind_int(&stmt, 5, store_tx_now(tx));
	store_stmt_bind_int(&stmt, 6, key->key_set);
	store_stmt_bind_text(&stmt, 7, key->next ? "next" : "active");
	if (store_stmt_run(&stmt, &changes, err) != 0) {
		return -1;
	}
	if (changes == 0) {
		return 0;
	}
	key->seq = sqlite3_last_insert_rowid(conn->db);
	key->created = store_tx_now(tx);
	return 1;
}

int
store_signing_key_delete(struct store_tx *tx, int64_t seq, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	int64_t changes = 0;
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_SIGNING_KEY_DELETE,
		    "DELETE FROM signing_keys WHERE seq = ?1", err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, seq);
	if (store_stmt_run(&stmt, &changes, err) != 0) {
		return -1;
	}
	return changes == 0 ? err_set(err, ERR_NOT_FOUND, "there is no such signing key")
			    : 0;
}

#define SETS_WHERE "WHERE account = ?1 AND (key_set = ?2) <> ?3"

static int
run_on_sets(struct store_tx *tx, enum store_stmt_id id, const char *sql, int64_t account,
	int64_t key_set, bool others, int64_t *out_changes, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), id, sql, err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, key_set);
	store_stmt_bind_int(&stmt, 3, others ? 1 : 0);
	return store_stmt_run(&stmt, out_changes, err);
}

int
store_signing_key_delete_sets(struct store_tx *tx, int64_t account, int64_t key_set,
	bool others, struct err *err)
{
	int64_t seeds = 0;
	int64_t keys = 0;
	if (run_on_sets(tx, STORE_STMT_SIGNING_KEY_DELETE_SEEDS,
		    "DELETE FROM vault WHERE public_key IN "
		    "(SELECT public_key FROM signing_keys " SETS_WHERE ")",
		    account, key_set, others, &seeds, err) != 0 ||
		run_on_sets(tx, STORE_STMT_SIGNING_KEY_DELETE_SETS,
			"DELETE FROM signing_keys " SETS_WHERE, account, key_set, others,
			&keys, err) != 0) {
		return -1;
	}
	return seeds == keys
		? 0
		: err_set(err, ERR_CORRUPT, "a signing key of the account has no seed");
}

int
store_signing_key_plan(struct store_tx *tx, int64_t account, int64_t key_set,
	const struct store_retirement *plan, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	int64_t changes = 0;
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_SIGNING_KEY_PLAN,
		    "UPDATE signing_keys SET retire_at = ?3, retire_below = ?4 "
		    "WHERE account = ?1 AND key_set = ?2",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, key_set);
	store_stmt_bind_int(&stmt, 3, plan->at);
	store_stmt_bind_int(&stmt, 4, plan->below);
	if (store_stmt_run(&stmt, &changes, err) != 0) {
		return -1;
	}
	return changes == 0 ? err_set(err, ERR_STALE, "the signing keys went meanwhile")
			    : 0;
}

int
store_signing_key_planned(struct store_conn *conn, struct store_signing_key **out,
	size_t *out_len, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_SIGNING_KEY_PLANNED,
		    SIGNING_KEY_SELECT "WHERE (retire_at > 0 OR retire_below > 0) "
				       "AND account IS NOT NULL AND role IS NULL "
				       "ORDER BY account, key_set",
		    err) != 0) {
		return -1;
	}
	return read_keys(&stmt, out, out_len, err);
}
