/* SPDX-License-Identifier: Apache-2.0 */
#include "store/drift.h"

#include "base/str.h"
#include "store/conn.h"
#include "store/state.h"

static const char *const kind_names[] = {
	[STORE_DRIFT_FOREIGN] = "foreign",
	[STORE_DRIFT_MISSING] = "missing",
	[STORE_DRIFT_OLDER] = "older",
	[STORE_DRIFT_DIFFERENT] = "different",
};

const char *
store_drift_kind_name(enum store_drift_kind kind)
{
	return kind_names[kind];
}

int
store_drift_found(struct store_tx *tx, int64_t server, const char *account_key,
	enum store_drift_kind kind, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	/* found_at of what is foreign moves on: that is how one that has gone is told. A
	 * server that was forgotten meanwhile is not known. */
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_DRIFT_FOUND,
		    "INSERT INTO drift (server, account_key, kind, found_at) "
		    "VALUES ((SELECT seq FROM servers WHERE seq = ?1), ?2, ?3, ?4) "
		    "ON CONFLICT (account_key, coalesce(server, 0), kind) "
		    "WHERE repaired_at = 0 "
		    "DO UPDATE SET found_at = excluded.found_at",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, server);
	store_stmt_bind_text(&stmt, 2, account_key);
	store_stmt_bind_text(&stmt, 3, kind_names[kind]);
	store_stmt_bind_int(&stmt, 4, store_tx_now(tx));
	return store_stmt_run(&stmt, NULL, err);
}

static int
drop_old(struct store_tx *tx, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_DRIFT_DROP_OLD,
		    "DELETE FROM drift WHERE repaired_at > 0 AND "
		    "seq <= (SELECT max(seq) FROM drift) - ?1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, STORE_DRIFT_KEPT);
	return store_stmt_run(&stmt, NULL, err);
}

int
store_drift_repaired(struct store_tx *tx, const char *account_key, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	int64_t changes = 0;
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_DRIFT_REPAIRED,
		    "UPDATE drift SET repaired_at = ?2 WHERE account_key = ?1 AND "
		    "repaired_at = 0 AND kind <> 'foreign'",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_text(&stmt, 1, account_key);
	store_stmt_bind_int(&stmt, 2, store_tx_now(tx));
	if (store_stmt_run(&stmt, &changes, err) != 0) {
		return -1;
	}
	return changes > 0 ? drop_old(tx, err) : 0;
}

int
store_drift_foreign_gone(
	struct store_tx *tx, int64_t server, int64_t before, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_DRIFT_GONE,
		    "DELETE FROM drift WHERE kind = 'foreign' AND server = ?1 AND "
		    "repaired_at = 0 AND found_at < ?2",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, server);
	store_stmt_bind_int(&stmt, 2, before);
	return store_stmt_run(&stmt, NULL, err);
}

int
store_drift_foreign(
	struct store_conn *conn, int64_t server, int64_t *out_count, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_DRIFT_FOREIGN,
		    "SELECT count(*) FROM drift WHERE repaired_at = 0 AND "
		    "kind = 'foreign' AND server = ?1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, server);
	if (store_stmt_step(&stmt, err) < 0) {
		return -1;
	}
	*out_count = store_stmt_int(&stmt, 0);
	return 0;
}

int
store_drift_is_foreign(struct store_conn *conn, const char *account_key,
	bool *out_foreign, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_DRIFT_IS_FOREIGN,
		    "SELECT 1 FROM drift WHERE repaired_at = 0 AND "
		    "kind = 'foreign' AND account_key = ?1 LIMIT 1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_text(&stmt, 1, account_key);
	int rc = store_stmt_step(&stmt, err);
	if (rc < 0) {
		return -1;
	}
	*out_foreign = rc > 0;
	return 0;
}

static int
read_kind(const struct store_stmt *stmt, int column, enum store_drift_kind *out,
	struct err *err)
{
	size_t len = 0;
	const char *name = store_stmt_text(stmt, column, &len);
	for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++) {
		if (str_equal(name, kind_names[i])) {
			*out = (enum store_drift_kind)i;
			return 0;
		}
	}
	return err_set(err, ERR_CORRUPT, "unknown kind of drift");
}

static int
read_drift(const struct store_stmt *stmt, void *out, struct err *err)
{
	struct store_drift *item = out;
	*item = (struct store_drift){
		.found_at = store_stmt_int(stmt, 4),
		.repaired_at = store_stmt_int(stmt, 5),
	};
	if (store_stmt_copy(stmt, 0, item->cluster, sizeof(item->cluster), err) != 0 ||
		store_stmt_copy(stmt, 1, item->server, sizeof(item->server), err) != 0 ||
		store_stmt_copy(stmt, 2, item->account_key, sizeof(item->account_key),
			err) != 0) {
		return -1;
	}
	return read_kind(stmt, 3, &item->kind, err);
}

int
store_drift_list(struct store_conn *conn, int64_t limit, struct store_drift **out,
	size_t *out_len, struct err *err)
{
	static const struct store_items kind = { .size = sizeof(**out),
		.read = read_drift };
	STORE_STMT_AUTO stmt = { 0 };
	void *items = NULL;
	if (store_stmt_open(&stmt, conn, STORE_STMT_DRIFT_LIST,
		    "SELECT coalesce(s.cluster, ''), coalesce(s.name, ''), "
		    "d.account_key, d.kind, d.found_at, d.repaired_at FROM drift d "
		    "LEFT JOIN servers s ON s.seq = d.server "
		    "ORDER BY d.seq DESC LIMIT ?1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, limit);
	if (store_stmt_collect(&stmt, &kind, &items, out_len, err) != 0) {
		return -1;
	}
	*out = items;
	return 0;
}
