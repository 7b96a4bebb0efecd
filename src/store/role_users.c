/* SPDX-License-Identifier: Apache-2.0 */
#include "store/role_users.h"

#include "base/buf.h"
#include "base/str.h"
#include "store/conn.h"
#include "store/state.h"

#include <stdlib.h>
#include <string.h>

/* ---- what feeds templates ---- */

/* The first column of the only row that the statement gives: 1, 0, -1. */
static int
take_text(struct store_stmt *stmt, char **out, struct err *err)
{
	size_t len = 0;
	int rc = store_stmt_step(stmt, err);
	if (rc <= 0) {
		return rc;
	}
	const char *text = store_stmt_text(stmt, 0, &len);
	char *copy = str_dup_n(text, len);
	if (copy == NULL) {
		return err_nomem(err);
	}
	*out = copy;
	return 1;
}

/* The condition is that of the index, letter for letter: SQLite uses it for no other. */
int
store_role_unsafe_user(struct store_conn *conn, int64_t role, char **out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_ROLE_UNSAFE_USER,
		    "SELECT nats_username FROM users INDEXED BY users_unsafe_names "
		    "WHERE role = ?1 AND nats_username GLOB '*[^A-Za-z0-9_-]*' LIMIT 1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, role);
	return take_text(&stmt, out, err);
}

#define ACCOUNTS_OF_ROLE \
	"(SELECT account FROM signing_keys WHERE role = ?1 UNION " \
	"SELECT account FROM users WHERE role = ?1 AND overrides = 1)"

int
store_role_unsafe_account(
	struct store_conn *conn, int64_t role, char **out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_ROLE_UNSAFE_ACCOUNT,
		    "SELECT name FROM accounts WHERE seq IN " ACCOUNTS_OF_ROLE
		    " AND deleted = 0 AND name GLOB '*[^A-Za-z0-9_-]*' LIMIT 1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, role);
	return take_text(&stmt, out, err);
}

static int
open_with_row(struct store_stmt *stmt, struct store_conn *conn, enum store_stmt_id id,
	const struct collection *collection, const char *rest, struct err *err)
{
	struct buf sql;
	buf_init(&sql, 16 * 1024);
	buf_put_str(&sql, "SELECT ");
	buf_put_str(&sql,
		conn->store->record_sql[collection->kind][STORE_RECORD_ROW_COLUMNS]);
	buf_put_str(&sql, rest);
	int rc = buf_finish(&sql, err);
	if (rc == 0) {
		rc = store_stmt_open(stmt, conn, id, sql.data, err);
	}
	buf_release(&sql);
	return rc;
}

#define USED_BY_ACCOUNT(role) \
	"(EXISTS (SELECT 1 FROM signing_keys WHERE account = ?1 AND role = " role ") " \
	"OR EXISTS (SELECT 1 FROM users WHERE role = " role " AND overrides = 1 AND " \
	"account = ?1))"

/* 36: enum template_feed's account name and account tag. */
int
store_role_fed_by_account(struct store_conn *conn, int64_t account,
	int (*fn)(void *ctx, const struct role *role, struct err *err), void *ctx,
	struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (open_with_row(&stmt, conn, STORE_STMT_ROLE_FED_BY, &role_collection,
		    " FROM roles t WHERE t.feeds & 36 AND " USED_BY_ACCOUNT("t.seq"),
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	int rc = store_stmt_step(&stmt, err);
	while (rc > 0) {
		struct role role;
		if (store_row_read(&stmt, 0, &role_collection, &role, err) != 0) {
			return -1;
		}
		rc = fn(ctx, &role, err);
		record_release(&role_collection, &role);
		if (rc != 0) {
			return -1;
		}
		rc = store_stmt_step(&stmt, err);
	}
	return rc;
}

int
store_role_changed_of_account(
	struct store_conn *conn, int64_t account, int64_t since, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_ROLE_OF_ACCOUNT_SINCE,
		    "SELECT 1 FROM audit x CROSS JOIN roles r ON r.id = x.record_id "
		    "WHERE x.seq > ?2 AND x.collection = 'nats_roles' AND "
		    "" USED_BY_ACCOUNT("r.seq") " LIMIT 1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, since);
	return store_stmt_step(&stmt, err);
}

static int
open_users(struct store_stmt *stmt, struct store_conn *conn,
	const struct store_role_users *which, struct err *err)
{
	int rc = which->since < 0
		? store_stmt_open(stmt, conn, STORE_STMT_ROLE_USERS,
			  "SELECT u.nats_username, u.tags, a.name, a.tags FROM users u "
			  "JOIN accounts a ON a.seq = u.account WHERE u.role = ?1 AND "
			  "(?2 = 0 OR u.account = ?2) LIMIT ?3",
			  err)
		: store_stmt_open(stmt, conn, STORE_STMT_ROLE_USERS_SINCE,
			  "SELECT u.nats_username, u.tags, a.name, a.tags FROM audit x "
			  "CROSS JOIN users u ON u.id = x.record_id JOIN accounts a ON "
			  "a.seq = u.account WHERE x.seq > ?3 AND x.collection = "
			  "'nats_users' AND u.role = ?1 AND (?2 = 0 OR u.account = ?2)",
			  err);
	if (rc != 0) {
		return -1;
	}
	store_stmt_bind_int(stmt, 1, which->role);
	store_stmt_bind_int(stmt, 2, which->account);
	if (which->since >= 0) {
		store_stmt_bind_int(stmt, 3, which->since);
	} else {
		store_stmt_bind_int(stmt, 3, which->any_one ? 1 : -1);
	}
	return 0;
}

static int
read_list(const struct store_stmt *stmt, int index, struct strlist *out, struct err *err)
{
	size_t len = 0;
	const char *text = store_stmt_text(stmt, index, &len);
	return strlist_read(text, len, out, err);
}

static int
hand_out_user(const struct store_stmt *stmt,
	int (*fn)(void *ctx, const struct store_role_user *user, struct err *err),
	void *ctx, struct err *err)
{
	size_t len = 0;
	struct store_role_user user = {
		.name = store_stmt_text(stmt, 0, &len),
		.account_name = store_stmt_text(stmt, 2, &len),
	};
	int rc = -1;
	if (read_list(stmt, 1, &user.tags, err) == 0 &&
		read_list(stmt, 3, &user.account_tags, err) == 0) {
		rc = fn(ctx, &user, err);
	}
	strlist_release(&user.tags);
	strlist_release(&user.account_tags);
	return rc;
}

int
store_role_each_user(struct store_conn *conn, const struct store_role_users *which,
	int (*fn)(void *ctx, const struct store_role_user *user, struct err *err),
	void *ctx, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (open_users(&stmt, conn, which, err) != 0) {
		return -1;
	}
	int rc = store_stmt_step(&stmt, err);
	while (rc > 0) {
		if (hand_out_user(&stmt, fn, ctx, err) != 0) {
			return -1;
		}
		rc = store_stmt_step(&stmt, err);
	}
	return rc;
}

int
store_role_accounts_changed(
	struct store_conn *conn, int64_t role, int64_t since, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_ROLE_ACCOUNTS_SINCE,
		    "SELECT 1 FROM audit x CROSS JOIN accounts a ON a.id = x.record_id "
		    "WHERE x.seq > ?2 AND x.collection = 'nats_accounts' AND a.seq IN "
		    "" ACCOUNTS_OF_ROLE " LIMIT 1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, role);
	store_stmt_bind_int(&stmt, 2, since);
	return store_stmt_step(&stmt, err);
}

#define BYTES(column) "coalesce(length(CAST(t." #column " AS BLOB)), 0)"

/* A name may be escaped in JSON, which makes six bytes of one at most. */
#define OVERRIDE_BYTES \
	"(" BYTES(publish_permissions) " + " BYTES(subscribe_permissions) " + " BYTES(publish_deny_permissions) " + " BYTES(subscribe_deny_permissions) " + " BYTES( \
		connection_types) " + " BYTES(networks) " + " BYTES(time_windows) " +" \
										  " " BYTES(times_location) " + " BYTES( \
											  tags) " + 6 * " BYTES(nats_username) ")"

#define OVERRIDE_COLUMNS ", a.name, a.tags, a.public_key "

static int
open_overrides(struct store_stmt *stmt, struct store_conn *conn,
	const struct store_role_users *which, int64_t bytes, struct err *err)
{
	int rc = which->since < 0
		? open_with_row(stmt, conn, STORE_STMT_ROLE_OVERRIDES, &user_collection,
			  OVERRIDE_COLUMNS
			  "FROM users t JOIN accounts a ON a.seq = t.account WHERE "
			  "t.role = ?1 AND t.overrides = 1 AND " OVERRIDE_BYTES " > ?2",
			  err)
		: open_with_row(stmt, conn, STORE_STMT_ROLE_OVERRIDES_SINCE,
			  &user_collection,
			  OVERRIDE_COLUMNS
			  "FROM audit x CROSS JOIN users t ON t.id = x.record_id JOIN "
			  "accounts a ON a.seq = t.account WHERE x.seq > ?3 AND "
			  "x.collection = 'nats_users' AND t.role = ?1 AND t.overrides = "
			  "1 AND " OVERRIDE_BYTES " > ?2",
			  err);
	if (rc != 0) {
		return -1;
	}
	store_stmt_bind_int(stmt, 1, which->role);
	store_stmt_bind_int(stmt, 2, bytes);
	if (which->since >= 0) {
		store_stmt_bind_int(stmt, 3, which->since);
	}
	return 0;
}

static int
hand_out_override(const struct store_stmt *stmt,
	int (*fn)(void *ctx, const struct store_role_override *user, struct err *err),
	void *ctx, struct err *err)
{
	struct user user = { 0 };
	struct store_role_override out = { .user = &user };
	int at = store_row_columns(&user_collection);
	size_t len = 0;
	int rc = -1;
	out.account_name = store_stmt_text(stmt, at, &len);
	if (read_list(stmt, at + 1, &out.account_tags, err) == 0 &&
		store_stmt_blob(stmt, at + 2, out.account_key.bytes,
			sizeof(out.account_key.bytes), err) == 0 &&
		store_row_read(stmt, 0, &user_collection, &user, err) == 0) {
		rc = fn(ctx, &out, err);
	}
	strlist_release(&out.account_tags);
	record_release(&user_collection, &user);
	return rc;
}

int
store_role_each_override(struct store_conn *conn, const struct store_role_users *which,
	int64_t bytes,
	int (*fn)(void *ctx, const struct store_role_override *user, struct err *err),
	void *ctx, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (open_overrides(&stmt, conn, which, bytes, err) != 0) {
		return -1;
	}
	int rc = store_stmt_step(&stmt, err);
	while (rc > 0) {
		if (hand_out_override(&stmt, fn, ctx, err) != 0) {
			return -1;
		}
		rc = store_stmt_step(&stmt, err);
	}
	return rc;
}

/* ---- what is taken back ---- */

/* A JWT of the user u may still be good, as store_revocation_may_live says of one user.
 * ?2: now; the clock of a server may be behind by a minute. */
#define LIVES(u) \
	u ".issued_at <> 0 AND (" u ".issued_until >= ?2 - 60 OR " u \
	  ".unknown_set <> 0) AND max(" u ".issued_set, " u ".unknown_set) >= " \
	  "(SELECT coalesce(min(k.key_set), 0) FROM signing_keys k WHERE k.account = " u \
	  ".account)"

/* at: of the JWTs that it refuses. What refuses all of the account dates the user's JWTs
 * later than its row does. */
#define PUT_NARROW(at, which) \
	"INSERT INTO revocations (account, public_key, cause, at, expires, key_set, " \
	"created) SELECT u.account, u.public_key, 'narrow', " at \
	", iif(u.issued_until >= 253402300799 OR u.unknown_set <> 0, 0, " \
	"u.issued_until), max(u.issued_set, u.unknown_set), ?3 " \
	"FROM users u WHERE u.role = ?1 AND (?4 = 0 OR u.account = ?4) AND " which \
	" AND " LIVES("u") " ON CONFLICT (account, public_key, cause) DO UPDATE SET " \
			   "at = max(at, excluded.at), " \
			   "expires = iif(expires = 0 OR excluded.expires = 0, 0, " \
			   "max(expires, " \
			   "excluded.expires)), " \
			   "key_set = iif(key_set = 0 OR excluded.key_set = 0, 0, " \
			   "max(key_set, " \
			   "excluded.key_set))"

#define ALL_ISSUED \
	"max(?2, u.iat, coalesce((SELECT r.at + 1 FROM revocations r WHERE r.account = " \
	"u.account AND r.public_key = x'' AND r.cause = 'all'), 0))"

/* The time of the entry that was just written. */
#define NARROWED_AT \
	"(SELECT r.at FROM revocations r WHERE r.account = users.account AND " \
	"r.public_key = users.public_key AND r.cause = 'narrow')"

/* account: 0 for the users of all accounts. */
static int
put_entries(struct store_tx *tx, enum store_stmt_id id, const char *sql, int64_t role,
	int64_t account, int64_t now_s, int64_t *out_revoked, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), id, sql, err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, role);
	store_stmt_bind_int(&stmt, 2, now_s);
	store_stmt_bind_int(&stmt, 3, store_tx_now(tx));
	store_stmt_bind_int(&stmt, 4, account);
	return store_stmt_run(&stmt, out_revoked, err);
}

/* Runs an UPDATE that returns (seq, id) of the users that it changed. */
static int
report_users(struct store_tx *tx, struct store_stmt *stmt, struct err *err)
{
	int rc = store_stmt_step(stmt, err);
	while (rc > 0) {
		struct store_change change = { .collection = COLLECTION_USERS,
			.action = STORE_UPDATED,
			.seq = store_stmt_int(stmt, 0) };
		if (store_stmt_copy(stmt, 1, change.id, sizeof(change.id), err) != 0 ||
			store_tx_changed(tx, &change, err) != 0) {
			return -1;
		}
		rc = store_stmt_step(stmt, err);
	}
	return rc;
}

#define IF_LIVES(then, otherwise) "iif(" LIVES("users") ", " then ", " otherwise ")"
#define FORGET(column) ", " column " = " IF_LIVES("0", column)
#define FORGET_ISSUED \
	FORGET("issued_at") \
	FORGET("issued_until") \
	FORGET("issued_set") \
	FORGET("unknown_set") \
	FORGET("superseded")
#define NARROWED_IAT IF_LIVES(NARROWED_AT " + 1", "iat")

/* The version of those that were never issued grows too: a JWT that is made from the old
 * role right now must not leave. */
static int
reset_overrides(struct store_tx *tx, int64_t role, int64_t account, int64_t now_s,
	struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_ROLE_RESET_OVERRIDES,
		    "UPDATE users SET version = version + 1, "
		    "iat = " NARROWED_IAT FORGET_ISSUED " WHERE role = ?1 AND "
		    "overrides = 1 AND (?3 = 0 OR account = ?3) RETURNING seq, id",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, role);
	store_stmt_bind_int(&stmt, 2, now_s);
	store_stmt_bind_int(&stmt, 3, account);
	return report_users(tx, &stmt, err);
}

int
store_role_revoke_overrides(struct store_tx *tx, int64_t role, int64_t account,
	int64_t now_s, int64_t *out_revoked, struct err *err)
{
	if (put_entries(tx, STORE_STMT_ROLE_REVOKE_OVERRIDES,
		    PUT_NARROW(ALL_ISSUED, "u.overrides = 1"), role, account, now_s,
		    out_revoked, err) != 0) {
		return -1;
	}
	return reset_overrides(tx, role, account, now_s, err);
}

static int
reset_superseded(struct store_tx *tx, int64_t role, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_ROLE_RESET_SUPERSEDED,
		    "UPDATE users SET version = version + 1, superseded = 0 "
		    "WHERE role = ?1 AND superseded > 0 RETURNING seq, id",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, role);
	return report_users(tx, &stmt, err);
}

int
store_role_revoke_superseded(struct store_tx *tx, int64_t role, int64_t now_s,
	int64_t *out_revoked, struct err *err)
{
	if (put_entries(tx, STORE_STMT_ROLE_REVOKE_SUPERSEDED,
		    PUT_NARROW("u.superseded", "u.superseded > 0"), role, 0, now_s,
		    out_revoked, err) != 0) {
		return -1;
	}
	return reset_superseded(tx, role, err);
}
