/* SPDX-License-Identifier: Apache-2.0 */
#include "store/budget.h"

#include "store/conn.h"

/* base64 makes four bytes of three. Lists and texts are stored as the JWT has them; the
 * rest of a scope (keys, names, limits) is some 390 bytes, and 200 with all that few
 * scopes have. Empty accounts take some 1,000. */
#define BYTES(column) " + length(CAST(r." #column " AS BLOB))"
#define ROLE_BYTES \
	"(400 + iif(r.bearer_token OR r.proxy_required OR r.networks <> '[]' OR " \
	"r.connection_types <> '[]' OR r.time_windows <> '[]', 200, 0) + 4 * (0" BYTES( \
		publish_permissions) BYTES(subscribe_permissions) \
		BYTES(publish_deny_permissions) BYTES(subscribe_deny_permissions) \
			BYTES(networks) BYTES(connection_types) BYTES(time_windows) \
				BYTES(times_location) ") / 3)"
#define SCOPE_BYTES_OF(account) \
	"(SELECT coalesce(sum(" ROLE_BYTES "), 0) FROM signing_keys k " \
	"JOIN roles r ON r.seq = k.role WHERE k.account = " account ")"
#define REVOCATION_BYTES_OF(account) \
	"(SELECT 94 * count(*) FROM revocations WHERE account = " account ")"
#define ACCOUNT_BYTES(account) \
	"1200 + " SCOPE_BYTES_OF(account) " + " REVOCATION_BYTES_OF(account)

static int
ask(struct store_conn *conn, enum store_stmt_id id, const char *sql, int64_t seq,
	int64_t *out_bytes, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, id, sql, err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, seq);
	int rc = store_stmt_step(&stmt, err);
	if (rc < 0) {
		return -1;
	}
	*out_bytes = rc > 0 ? store_stmt_int(&stmt, 0) : 0;
	return 0;
}

int
store_budget_account(
	struct store_conn *conn, int64_t account, int64_t *out_bytes, struct err *err)
{
	return ask(conn, STORE_STMT_BUDGET_ACCOUNT, "SELECT " ACCOUNT_BYTES("?1"),
		account, out_bytes, err);
}

int
store_budget_role(
	struct store_conn *conn, int64_t role, int64_t *out_bytes, struct err *err)
{
	return ask(conn, STORE_STMT_BUDGET_ROLE,
		"SELECT " ROLE_BYTES " FROM roles r WHERE r.seq = ?1", role, out_bytes,
		err);
}

int
store_budget_role_accounts(struct store_conn *conn, int64_t role, int64_t growth,
	int64_t *out_bytes, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_BUDGET_ROLE_ACCOUNTS,
		    "SELECT coalesce(max(" ACCOUNT_BYTES(
			    "u.account") " + ?2 * u.scopes), 0) FROM (SELECT account, "
					 "sum(scope) AS scopes FROM (SELECT account, 1 "
					 "AS "
					 "scope FROM signing_keys WHERE role = ?1 UNION "
					 "ALL SELECT DISTINCT account, 0 FROM users "
					 "WHERE "
					 "role = ?1 AND overrides = 1) GROUP BY account) "
					 "u",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, role);
	store_stmt_bind_int(&stmt, 2, growth);
	if (store_stmt_step(&stmt, err) < 0) {
		return -1;
	}
	*out_bytes = store_stmt_int(&stmt, 0);
	return 0;
}
