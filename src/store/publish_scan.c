/* SPDX-License-Identifier: Apache-2.0 */
#include "store/publish.h"

#include "store/conn.h"

/* ---- of one public key, and of all ---- */

int
store_publish_find(struct store_conn *conn, const struct nkey_public *key,
	int64_t *out_account, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_PUBLISH_FIND,
		    "SELECT seq FROM accounts WHERE public_key = ?1", err) != 0) {
		return -1;
	}
	store_stmt_bind_key(&stmt, 1, key);
	int rc = store_stmt_step(&stmt, err);
	*out_account = rc > 0 ? store_stmt_int(&stmt, 0) : 0;
	return rc < 0 ? -1 : 0;
}

int
store_publish_keys(struct store_conn *conn,
	int (*fn)(void *ctx, const struct store_publish_key *key, struct err *err),
	void *ctx, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_PUBLISH_KEYS,
		    "SELECT a.seq, a.public_key, p.minted_at, p.proven_generation, "
		    "EXISTS (SELECT 1 FROM burials b WHERE b.account = a.seq) "
		    "FROM accounts a "
		    "CROSS JOIN account_publish p ON p.account = a.seq "
		    "ORDER BY a.public_key",
		    err) != 0) {
		return -1;
	}
	int rc = store_stmt_step(&stmt, err);
	while (rc > 0) {
		struct store_publish_key key = { .account = store_stmt_int(&stmt, 0),
			.minted_at = store_stmt_int(&stmt, 2),
			.proven_generation = store_stmt_int(&stmt, 3),
			.buried = store_stmt_int(&stmt, 4) != 0 };
		if (store_stmt_blob(
			    &stmt, 1, key.key.bytes, sizeof(key.key.bytes), err) != 0 ||
			fn(ctx, &key, err) != 0) {
			return -1;
		}
		rc = store_stmt_step(&stmt, err);
	}
	return rc;
}

/* ---- what there is to publish ---- */

#define PUBLISH_SCAN \
	"SELECT p.account, a.public_key, p.generation, p.urgent_generation, " \
	"p.minted_generation, p.proven_generation FROM account_publish p " \
	"CROSS JOIN accounts a ON a.seq = p.account WHERE p.account > ?1 " \
	"AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.account = p.account) " \
	"AND NOT EXISTS (SELECT 1 FROM burials b WHERE b.account = p.account) "
#define PUBLISH_SCAN_ORDER " ORDER BY p.account LIMIT ?2"
/* Some server that is there, of whose row (c) this is so. Caches keep what they like:
 * only what one has held it is to have the newest of. The rows of each account are found
 * by key; where few accounts are lacked, a page goes through all of them (0.2 s for
 * 100,000 on three servers). */
#define PUBLISH_SCAN_LACKED(what) \
	"EXISTS (SELECT 1 FROM servers s LEFT JOIN account_servers c ON " \
	"c.account = p.account AND c.server = s.seq WHERE s.missing_since = 0 AND " what \
	" AND (s.resolver <> 'cache' OR c.generation > 0))"

struct scan_query {
	enum store_stmt_id id;
	const char *sql;
};

static const struct scan_query scan_queries[] = {
	[STORE_SCAN_OPEN] = { STORE_STMT_PUBLISH_SCAN_OPEN,
		PUBLISH_SCAN
		"AND p.generation > p.proven_generation" PUBLISH_SCAN_ORDER },
	[STORE_SCAN_OLDER_URGENT] = { STORE_STMT_PUBLISH_SCAN_OLDER_URGENT,
		PUBLISH_SCAN
		"AND (p.urgent_generation > p.proven_generation "
		"OR " PUBLISH_SCAN_LACKED("c.generation > 0 AND c.generation < "
					  "p.urgent_generation") ")" PUBLISH_SCAN_ORDER },
	[STORE_SCAN_LACKED_URGENT] = { STORE_STMT_PUBLISH_SCAN_LACKED_URGENT,
		PUBLISH_SCAN
		"AND (p.urgent_generation > p.proven_generation OR " PUBLISH_SCAN_LACKED(
			"coalesce(c.generation, 0) < p.urgent_generation") ")" PUBLISH_SCAN_ORDER },
	[STORE_SCAN_LACKED] = { STORE_STMT_PUBLISH_SCAN_LACKED,
		PUBLISH_SCAN
		"AND (p.generation > p.proven_generation OR " PUBLISH_SCAN_LACKED(
			"coalesce(c.generation, 0) < p.generation") ")" PUBLISH_SCAN_ORDER },
	[STORE_SCAN_ALL] = { STORE_STMT_PUBLISH_SCAN_ALL,
		PUBLISH_SCAN PUBLISH_SCAN_ORDER },
};

int
store_publish_count(struct store_conn *conn, int64_t *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_PUBLISH_COUNT,
		    "SELECT count(*) FROM account_publish", err) != 0) {
		return -1;
	}
	int rc = store_stmt_step(&stmt, err);
	if (rc <= 0) {
		return rc < 0 ? -1 : err_set(err, ERR_CORRUPT, "nothing is counted");
	}
	*out = store_stmt_int(&stmt, 0);
	return 0;
}

static int
read_item(const struct store_stmt *stmt, struct store_publish_item *out, struct err *err)
{
	struct nkey_public key;
	if (store_stmt_blob(stmt, 1, key.bytes, sizeof(key.bytes), err) != 0) {
		return -1;
	}
	*out = (struct store_publish_item){
		.account = store_stmt_int(stmt, 0),
		.generation = store_stmt_int(stmt, 2),
		.urgent_generation = store_stmt_int(stmt, 3),
		.minted_generation = store_stmt_int(stmt, 4),
		.proven_generation = store_stmt_int(stmt, 5),
	};
	nkey_text_encode(NKEY_ACCOUNT, &key, out->public_key);
	return 0;
}

int
store_publish_scan(struct store_conn *conn, enum store_scan scan, int64_t after,
	int64_t limit,
	int (*fn)(void *ctx, const struct store_publish_item *item, struct err *err),
	void *ctx, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	const struct scan_query *query = &scan_queries[scan];
	if (store_stmt_open(&stmt, conn, query->id, query->sql, err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, after);
	store_stmt_bind_int(&stmt, 2, limit);
	int rc = store_stmt_step(&stmt, err);
	while (rc > 0) {
		struct store_publish_item item;
		if (read_item(&stmt, &item, err) != 0 || fn(ctx, &item, err) != 0) {
			return -1;
		}
		rc = store_stmt_step(&stmt, err);
	}
	return rc;
}
