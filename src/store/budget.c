/* SPDX-License-Identifier: Apache-2.0 */
#include "store/budget.h"

#include "store/conn.h"

/* base64 makes four bytes of three. Lists and claims are stored as the JWT has them;
 * texts are not, and what JSON escapes takes up to six bytes. */
#define BASE64(bytes) "(4 * (" bytes ") / 3)"
#define JSON_BYTES(all) "length(CAST(" all " AS BLOB))"
#define TEXT_BYTES(all) \
	"(SELECT length(CAST(x AS BLOB)) + 5 * (length(x) - length(" \
	"replace(replace(replace(replace(replace(replace(x, '<', ''), '>', ''), '&', " \
	"''), '\"', ''), '\\', ''), char(10), ''))) FROM (SELECT " all " AS x))"

/* Of a scope the rest (keys, names, limits) is some 400 bytes, and 200 with all that few
 * scopes have. */
#define ROLE_LISTS \
	"r.publish_permissions || r.subscribe_permissions || " \
	"r.publish_deny_permissions || r.subscribe_deny_permissions || " \
	"r.connection_types || r.networks || r.time_windows || r.times_location"
#define ROLE_EXTRA \
	"iif(r.bearer_token OR r.proxy_required OR r.networks <> '[]' OR " \
	"r.connection_types <> '[]' OR r.time_windows <> '[]', 200, 0)"
#define ROLE_BYTES "(400 + " ROLE_EXTRA " + " BASE64(JSON_BYTES(ROLE_LISTS)) ")"

/* Keys of all sets are in the JWT. */
#define KEY_BYTES_WHERE(condition) \
	"(SELECT coalesce(sum(iif(r.seq IS NULL, 80, " ROLE_BYTES ")), 0) " \
	"FROM signing_keys k LEFT JOIN roles r ON r.seq = k.role WHERE " condition ")"
#define REVOCATION_BYTES_OF(account) \
	"(SELECT 94 * count(*) FROM revocations WHERE account = " account ")"

/* What the account's row says. Of an empty account it is some 1,000 bytes. */
#define TERMS_TEXTS "a.name || a.description || a.info_url || a.trace_destination"
#define TERMS_LISTS \
	"a.jetstream_tiers || a.mappings || a.tags || a.callout_auth_users || " \
	"a.callout_allowed_accounts || coalesce(a.default_publish_permissions, '') || " \
	"coalesce(a.default_subscribe_permissions, '') || " \
	"coalesce(a.default_publish_deny_permissions, '') || " \
	"coalesce(a.default_subscribe_deny_permissions, '')"
#define TERMS_BYTES_OF(account) \
	"(SELECT 1200 + " BASE64(TEXT_BYTES(TERMS_TEXTS) " + " JSON_BYTES( \
		TERMS_LISTS)) " FROM accounts a WHERE a.seq = " account ")"

/* An importer that was refused is some 70 bytes of the export. */
#define EXPORT_TEXTS \
	"e.name || e.subject || e.latency_results || e.description || e.info_url"
#define EXPORT_REFUSED \
	"(SELECT count(*) FROM export_revocations v WHERE v.export = e.seq)"
#define EXPORT_BYTES BASE64("300 + 72 * " EXPORT_REFUSED " + " TEXT_BYTES(EXPORT_TEXTS))
#define EXPORT_BYTES_OF(account) \
	"(SELECT coalesce(sum(" EXPORT_BYTES "), 0) FROM account_exports e " \
	"WHERE e.account = " account ")"

/* An activation that natsid mints is some 900 bytes. */
#define IMPORT_TEXTS "i.name || i.subject || i.local_subject || i.token"
#define IMPORT_IS_ACTIVATED \
	"(i.token = '' AND EXISTS (SELECT 1 FROM accounts x " \
	"JOIN account_exports e ON e.account = x.seq " \
	"WHERE x.public_key = i.exporter AND e.type = i.type AND e.token_req = 1))"
#define IMPORT_TOKEN_BYTES "900 + " TEXT_BYTES("i.subject")
#define IMPORT_BYTES \
	BASE64("250 + iif(" IMPORT_IS_ACTIVATED ", " IMPORT_TOKEN_BYTES \
	       ", 0) + " TEXT_BYTES(IMPORT_TEXTS))
#define IMPORT_BYTES_OF(account) \
	"(SELECT coalesce(sum(" IMPORT_BYTES "), 0) FROM account_imports i " \
	"WHERE i.account = " account ")"

#define ACCOUNT_BYTES(account) \
	TERMS_BYTES_OF(account) \
	" + " KEY_BYTES_WHERE("k.account = " account) " + " REVOCATION_BYTES_OF( \
		account) " + " EXPORT_BYTES_OF(account) " + " IMPORT_BYTES_OF(account)

int
store_budget_account(
	struct store_conn *conn, int64_t account, int64_t *out_bytes, struct err *err)
{
	return store_stmt_ask(conn, STORE_STMT_BUDGET_ACCOUNT,
		"SELECT " ACCOUNT_BYTES("?1"), account, out_bytes, err);
}

int
store_budget_terms(
	struct store_conn *conn, int64_t account, int64_t *out_bytes, struct err *err)
{
	return store_stmt_ask(conn, STORE_STMT_BUDGET_TERMS,
		"SELECT " TERMS_BYTES_OF("?1"), account, out_bytes, err);
}

int
store_budget_keys(
	struct store_conn *conn, int64_t account, int64_t *out_bytes, struct err *err)
{
	return store_stmt_ask(conn, STORE_STMT_BUDGET_KEYS,
		"SELECT " KEY_BYTES_WHERE(
			"k.account = ?1 AND k.key_set = "
			"(SELECT key_set FROM accounts WHERE seq = ?1)"),
		account, out_bytes, err);
}

int
store_budget_role(
	struct store_conn *conn, int64_t role, int64_t *out_bytes, struct err *err)
{
	return store_stmt_ask(conn, STORE_STMT_BUDGET_ROLE,
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
