/* SPDX-License-Identifier: Apache-2.0 */
#include "store/restored.h"

#include "store/conn.h"

static int
change(struct store_tx *tx, enum store_stmt_id id, const char *sql, int64_t *out_changes,
	struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), id, sql, err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, store_tx_now(tx));
	return store_stmt_run(&stmt, out_changes, err);
}

/* Every set has a plain key. One that did not sign yet may have begun to. */
#define SET_UNKNOWN \
	"UPDATE users SET issued_at = iif(issued_at = 0, ?1, issued_at), " \
	"unknown_set = coalesce((SELECT max(k.key_set) FROM signing_keys k WHERE " \
	"k.account = users.account AND k.role IS NULL), 0), version = version + 1"

int
store_restored_users(struct store_tx *tx, int64_t *out_users, struct err *err)
{
	return change(tx, STORE_STMT_RESTORED_USERS, SET_UNKNOWN, out_users, err);
}

/* What refuses all of the account dates the user's JWTs later than its row does. */
#define REFUSE_SUSPENDED(where) \
	"INSERT INTO revocations (account, public_key, cause, at, key_set, created) " \
	"SELECT u.account, u.public_key, 'suspend', max(?1 / 1000, u.iat, " \
	"coalesce((SELECT r.at + 1 FROM revocations r WHERE r.account = u.account AND " \
	"r.public_key = x'' AND r.cause = 'all'), 0)), u.unknown_set, ?1 " \
	"FROM users u WHERE u.active = 0" where \
	" ON CONFLICT (account, public_key, cause) DO UPDATE SET " \
	"at = max(at, excluded.at), expires = 0, key_set = excluded.key_set"

int
store_restored_suspend(struct store_tx *tx, int64_t *out_users, struct err *err)
{
	return change(
		tx, STORE_STMT_RESTORED_SUSPEND, REFUSE_SUSPENDED(""), out_users, err);
}

static int
change_one(struct store_tx *tx, enum store_stmt_id id, const char *sql, int64_t account,
	struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), id, sql, err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, store_tx_now(tx));
	store_stmt_bind_int(&stmt, 2, account);
	return store_stmt_run(&stmt, NULL, err);
}

int
store_restored_account(struct store_tx *tx, int64_t account, struct err *err)
{
	return change_one(tx, STORE_STMT_RESTORED_USERS_OF,
		       SET_UNKNOWN " WHERE account = ?2", account, err) != 0
		? -1
		: change_one(tx, STORE_STMT_RESTORED_SUSPEND_OF,
			  REFUSE_SUSPENDED(" AND u.account = ?2"), account, err);
}

static int
read_account(const struct store_stmt *stmt, void *out, struct err *err)
{
	struct store_restored_account *account = out;
	(void)err; /* a number is a number */
	account->seq = store_stmt_int(stmt, 0);
	account->at = store_stmt_int(stmt, 1);
	return 0;
}

int
store_restored_accounts(struct store_conn *conn, struct store_restored_account **out,
	size_t *out_len, struct err *err)
{
	static const struct store_items kind = { .size = sizeof(**out),
		.read = read_account };
	STORE_STMT_AUTO stmt = { 0 };
	void *list = NULL;
	if (store_stmt_open(&stmt, conn, STORE_STMT_RESTORED_ACCOUNTS,
		    "SELECT account, max(at) FROM revocations WHERE cause = 'suspend' "
		    "GROUP BY account",
		    err) != 0 ||
		store_stmt_collect(&stmt, &kind, &list, out_len, err) != 0) {
		return -1;
	}
	*out = list;
	return 0;
}

int
store_restored_links(struct store_tx *tx, int64_t *out_links, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_RESTORED_LINKS,
		    "DELETE FROM creds_links", err) != 0) {
		return -1;
	}
	return store_stmt_run(&stmt, out_links, err);
}
