/* SPDX-License-Identifier: Apache-2.0 */
#include "store/burial.h"

#include "store/conn.h"
#include "store/publish.h"
#include "store/state.h"

/* Absent servers count here: one that comes back with an old JWT would let everybody in
 * again. Without any server nothing is proven. What is the same for all accounts comes
 * first: it is asked once. */
#define IS_DUE(account, before) \
	"EXISTS (SELECT 1 FROM servers) AND " \
	"NOT EXISTS (SELECT 1 FROM servers WHERE missing_since > 0) AND " \
	"EXISTS (SELECT 1 FROM accounts a JOIN account_publish p ON p.account = a.seq " \
	"WHERE a.seq = " account " AND a.deleted > 0 AND a.deleted <= " before \
	" AND p.proven_generation = p.generation) " \
	"AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.account = " account ") " \
	"AND NOT EXISTS (SELECT 1 FROM servers s LEFT JOIN account_servers c ON " \
	"c.server = s.seq AND c.account = " account " WHERE " \
	"c.incarnation IS NULL OR c.incarnation < s.incarnation OR c.generation < " \
	"(SELECT generation FROM account_publish WHERE account = " account "))"

static int
read_burial(const struct store_stmt *stmt, void *out, struct err *err)
{
	struct store_burial *burial = out;
	*burial = (struct store_burial){
		.account = store_stmt_int(stmt, 0),
		.marked = store_stmt_int(stmt, 3) != 0,
		.removed_at = store_stmt_int(stmt, 4),
	};
	if (store_stmt_copy(stmt, 1, burial->id, sizeof(burial->id), err) != 0) {
		return -1;
	}
	return store_stmt_blob(
		stmt, 2, burial->public_key.bytes, sizeof(burial->public_key.bytes), err);
}

/* The oldest first. Servers that are away are away for all, and most accounts are not
 * deleted: neither makes this look at more than it hands out. */
int
store_burial_due(struct store_conn *conn, int64_t before, int64_t limit,
	struct store_burial **out, size_t *out_len, struct err *err)
{
	static const struct store_items kind = { .size = sizeof(**out),
		.read = read_burial };
	STORE_STMT_AUTO stmt = { 0 };
	void *items = NULL;
	if (store_stmt_open(&stmt, conn, STORE_STMT_BURIAL_DUE,
		    "SELECT d.seq, d.id, d.public_key, b.account IS NOT NULL, "
		    "coalesce(b.removed_at, 0) FROM accounts d "
		    "INDEXED BY accounts_deleted LEFT JOIN burials b ON b.account = "
		    "d.seq "
		    "WHERE d.deleted > 0 AND (b.account IS NOT NULL OR (" IS_DUE(
			    "d.seq", "?1") ")) ORDER BY d.deleted, d.seq LIMIT ?2",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, before);
	store_stmt_bind_int(&stmt, 2, limit);
	if (store_stmt_collect(&stmt, &kind, &items, out_len, err) != 0) {
		return -1;
	}
	*out = items;
	return 0;
}

/* A statement that takes the account. */
static int
run(struct store_tx *tx, enum store_stmt_id id, const char *sql, int64_t account,
	int64_t *out_changes, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), id, sql, err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	return store_stmt_run(&stmt, out_changes, err);
}

int
store_burial_mark(struct store_tx *tx, int64_t account, int64_t before, bool *out_marked,
	struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	int64_t changes = 0;
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_BURIAL_MARK,
		    "INSERT INTO burials (account, since) SELECT ?1, ?3 WHERE " IS_DUE(
			    "?1", "?2"),
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, before);
	store_stmt_bind_int(&stmt, 3, store_tx_now(tx));
	if (store_stmt_run(&stmt, &changes, err) != 0) {
		return -1;
	}
	*out_marked = changes > 0;
	return 0;
}

int
store_burial_removed(struct store_tx *tx, int64_t account, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_BURIAL_REMOVED,
		    "UPDATE burials SET removed_at = ?2 WHERE account = ?1", err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, store_tx_now(tx));
	return store_stmt_run(&stmt, NULL, err);
}

int
store_burial_unmark(struct store_tx *tx, int64_t account, struct err *err)
{
	int64_t changes = 0;
	if (run(tx, STORE_STMT_BURIAL_UNMARK, "DELETE FROM burials WHERE account = ?1",
		    account, &changes, err) != 0) {
		return -1;
	}
	return changes == 0 ? 0
			    : run(tx, STORE_STMT_BURIAL_REPROVE,
				      "UPDATE account_publish SET proven_generation = 0, "
				      "state = 'pending', attempts = 0, message = '' "
				      "WHERE account = ?1",
				      account, NULL, err);
}

int
store_burial_finish(struct store_tx *tx, int64_t account, struct err *err)
{
	static const struct {
		enum store_stmt_id id;
		const char *sql;
	} drops[] = {
		{ STORE_STMT_BURIAL_DROP_JWT,
			"DELETE FROM account_jwt WHERE account = ?1" },
		{ STORE_STMT_BURIAL_DROP_PUBLISH,
			"DELETE FROM account_publish WHERE account = ?1" },
		{ STORE_STMT_BURIAL_DROP_REVOCATIONS,
			"DELETE FROM revocations WHERE account = ?1" },
		/* burials and account_servers go with it */
		{ STORE_STMT_BURIAL_DROP_ACCOUNT, "DELETE FROM accounts WHERE seq = ?1" },
	};
	int64_t marked = 0;
	if (run(tx, STORE_STMT_BURIAL_UNMARK, "DELETE FROM burials WHERE account = ?1",
		    account, &marked, err) != 0) {
		return -1;
	}
	for (size_t i = 0; marked > 0 && i < sizeof(drops) / sizeof(drops[0]); i++) {
		if (run(tx, drops[i].id, drops[i].sql, account, NULL, err) != 0) {
			return -1;
		}
	}
	return 0;
}
