/* SPDX-License-Identifier: Apache-2.0 */
#include "store/user.h"

#include "base/buf.h"
#include "store/conn.h"
#include "store/state.h"

#include <string.h>

/* A user with overrides is minted by the plain key, the others by the scoped one of their
 * role; both of the set that signs now. */
#define ISSUE_FROM \
	" FROM users t JOIN accounts a ON a.seq = t.account AND a.deleted = 0 " \
	"LEFT JOIN signing_keys k ON t.overrides = 0 AND k.account = t.account AND " \
	"k.role = t.role AND k.key_set = a.key_set " \
	"LEFT JOIN signing_keys p ON t.overrides = 1 AND p.account = t.account AND " \
	"p.role IS NULL AND p.key_set = a.key_set " \
	"LEFT JOIN vault s ON s.public_key = coalesce(k.public_key, p.public_key) " \
	"LEFT JOIN vault u ON u.public_key = t.public_key WHERE t.id = ?1"

static int
open_issue(struct store_stmt *stmt, struct store_conn *conn, struct err *err)
{
	struct buf sql;
	buf_init(&sql, 16 * 1024);
	buf_put_str(&sql, "SELECT ");
	buf_put_str(&sql,
		conn->store->record_sql[COLLECTION_USERS][STORE_RECORD_ROW_COLUMNS]);
	buf_put_str(&sql,
		", a.seq, a.active, a.public_key, a.key_set, "
		"(SELECT default_lifetime FROM roles WHERE seq = t.role), "
		"coalesce((SELECT at FROM revocations WHERE account = t.account AND "
		"public_key = x'' AND cause = 'all'), 0), "
		"coalesce((SELECT max(at) FROM revocations WHERE account = t.account AND "
		"public_key = t.public_key), 0), "
		"" STORE_VAULT_SEED_COLUMNS("s") ", " STORE_VAULT_SEED_COLUMNS("u")
			ISSUE_FROM);
	int rc = buf_finish(&sql, err);
	if (rc == 0) {
		rc = store_stmt_open(stmt, conn, STORE_STMT_USER_ISSUE, sql.data, err);
	}
	buf_release(&sql);
	return rc;
}

static int
read_issue(const struct store_stmt *stmt, struct store_user_issue *out, struct err *err)
{
	int at = store_row_columns(&user_collection);
	int signing = at + 7;
	int own = signing + STORE_VAULT_SEED_COLUMN_COUNT;
	if (store_stmt_is_null(stmt, signing)) {
		return err_set(
			err, ERR_CORRUPT, "the key that signs for the user is missing");
	}
	out->account_seq = store_stmt_int(stmt, at);
	out->account_active = store_stmt_int(stmt, at + 1) != 0;
	out->key_set = store_stmt_int(stmt, at + 3);
	out->role_lifetime = store_stmt_int(stmt, at + 4);
	out->all_at = store_stmt_int(stmt, at + 5);
	out->refused_at = store_stmt_int(stmt, at + 6);
	out->has_user_seed = !store_stmt_is_null(stmt, own);
	if (store_stmt_blob(stmt, at + 2, out->account_key.bytes,
		    sizeof(out->account_key.bytes), err) != 0 ||
		store_vault_seed_read(stmt, signing, &out->signing_seed, err) != 0 ||
		(out->has_user_seed &&
			store_vault_seed_read(stmt, own, &out->user_seed, err) != 0) ||
		store_row_read(stmt, 0, &user_collection, &out->user, err) != 0) {
		return -1;
	}
	if (!out->has_user_seed && !out->user.own_key) {
		record_release(&user_collection, &out->user);
		return err_set(err, ERR_CORRUPT, "the seed of the user is missing");
	}
	return 0;
}

int
store_user_issue(struct store_conn *conn, const char *id, struct store_user_issue *out,
	struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	struct store_user_issue issue = { 0 };
	if (open_issue(&stmt, conn, err) != 0) {
		return -1;
	}
	store_stmt_bind_text(&stmt, 1, id);
	int rc = store_stmt_step(&stmt, err);
	if (rc <= 0) {
		return rc < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "there is no such user");
	}
	if (read_issue(&stmt, &issue, err) != 0) {
		return -1;
	}
	*out = issue;
	return 0;
}

static int
mark_issued(struct store_tx *tx, const struct store_user_mark *mark, int64_t *out_changes,
	struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_USER_MARK_ISSUED,
		    "UPDATE users SET iat = ?5, exp = ?6, "
		    "issued_at = iif(issued_at = 0, ?3, issued_at), "
		    "issued_until = max(issued_until, ?7), "
		    "issued_set = max(issued_set, ?8), version = version + 1 "
		    "WHERE seq = ?1 AND version = ?2 AND id = ?4",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, mark->head->seq);
	store_stmt_bind_int(&stmt, 2, mark->head->version);
	store_stmt_bind_int(&stmt, 3, store_tx_now(tx));
	store_stmt_bind_text(&stmt, 4, mark->head->id);
	store_stmt_bind_int(&stmt, 5, mark->iat);
	store_stmt_bind_int(&stmt, 6, mark->exp);
	store_stmt_bind_int(&stmt, 7, user_until(mark->exp));
	store_stmt_bind_int(&stmt, 8, mark->key_set);
	return store_stmt_run(&stmt, out_changes, err);
}

int
store_user_mark_issued(
	struct store_tx *tx, const struct store_user_mark *mark, struct err *err)
{
	int64_t changes = 0;
	if (mark_issued(tx, mark, &changes, err) != 0) {
		return -1;
	}
	if (changes == 0) {
		return err_set(
			err, ERR_STALE, "the user was changed or deleted meanwhile");
	}
	struct store_change change = { .collection = COLLECTION_USERS,
		.action = STORE_UPDATED,
		.seq = mark->head->seq };
	memcpy(change.id, mark->head->id, sizeof(change.id));
	return store_tx_changed(tx, &change, err);
}

int
store_user_count_signed(struct store_conn *conn, int64_t account, int64_t key_set,
	int64_t role, int64_t *out_count, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_USER_COUNT_SIGNED,
		    "SELECT count(*) FROM users WHERE account = ?1 AND issued_at > 0 AND "
		    "issued_set = ?2 AND (?3 = 0 OR (role = ?3 AND overrides = 0)) AND "
		    "issued_until >= ?4",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, key_set);
	store_stmt_bind_int(&stmt, 3, role);
	store_stmt_bind_int(&stmt, 4, clock_wall_s(conn->store->clock));
	if (store_stmt_step(&stmt, err) < 0) {
		return -1;
	}
	*out_count = store_stmt_int(&stmt, 0);
	return 0;
}

int
store_user_check_premises(
	struct store_tx *tx, const struct store_user_premises *premises, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_USER_PREMISES,
		    "SELECT EXISTS (SELECT 1 FROM accounts WHERE seq = ?1 AND "
		    "key_set = ?2 AND (?3 = 0 OR version = ?3)) AND "
		    "EXISTS (SELECT 1 FROM roles WHERE seq = ?4 AND version = ?5) AND "
		    "coalesce((SELECT at FROM revocations WHERE account = ?6 AND "
		    "public_key = x'' AND cause = 'all'), 0) = ?7",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, premises->account);
	store_stmt_bind_int(&stmt, 2, premises->key_set);
	store_stmt_bind_int(&stmt, 3, premises->account_version);
	store_stmt_bind_int(&stmt, 4, premises->role);
	store_stmt_bind_int(&stmt, 5, premises->role_version);
	store_stmt_bind_int(&stmt, 6, premises->old_account);
	store_stmt_bind_int(&stmt, 7, premises->all_at);
	if (store_stmt_step(&stmt, err) < 0) {
		return -1;
	}
	if (store_stmt_int(&stmt, 0) != 1) {
		return err_set(err, ERR_STALE,
			"the account or the role of the user was changed meanwhile");
	}
	return 0;
}
