/* SPDX-License-Identifier: Apache-2.0 */
#include "store/revocation.h"

#include "store/conn.h"
#include "store/state.h"

#include <stdlib.h>

#define ALL_AT_OF(account) \
	"coalesce((SELECT at FROM revocations WHERE account = " account \
	" AND public_key = x'' AND cause = 'all'), 0)"

enum {
	/* how far the clock of a server may be behind: entries outlive their JWTs by that
	 */
	CLOCK_SKEW_S = 60
};

static const char *const cause_names[] = {
	[STORE_REVOKED_SUSPEND] = "suspend",
	[STORE_REVOKED_DELETE] = "delete",
	[STORE_REVOKED_MOVE] = "move",
	[STORE_REVOKED_REGENERATE] = "regenerate",
	[STORE_REVOKED_REVOKE] = "revoke",
	[STORE_REVOKED_NARROW] = "narrow",
	[STORE_REVOKED_ADOPTED] = "adopted",
};

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
drop_expired(struct store_tx *tx, int64_t account, struct err *err)
{
	return run(tx, STORE_STMT_REVOCATION_DROP_EXPIRED,
		"DELETE FROM revocations WHERE account = ?1 AND expires > 0 AND "
		"expires < ?2",
		account, store_tx_now(tx) / 1000 - CLOCK_SKEW_S, err);
}

int
store_revocation_put(
	struct store_tx *tx, const struct store_revocation_entry *entry, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (drop_expired(tx, entry->account, err) != 0 ||
		store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_REVOCATION_PUT,
			"INSERT INTO revocations (account, public_key, cause, at, "
			"expires, key_set, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
			"ON CONFLICT (account, public_key, cause) DO UPDATE SET "
			"at = max(at, excluded.at), "
			"expires = iif(expires = 0 OR excluded.expires = 0, 0, "
			"max(expires, excluded.expires)), "
			"key_set = iif(key_set = 0 OR excluded.key_set = 0, 0, "
			"max(key_set, excluded.key_set))",
			err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, entry->account);
	store_stmt_bind_key(&stmt, 2, &entry->public_key);
	store_stmt_bind_text(&stmt, 3, cause_names[entry->cause]);
	store_stmt_bind_int(&stmt, 4, entry->at);
	store_stmt_bind_int(&stmt, 5, entry->expires);
	store_stmt_bind_int(&stmt, 6, entry->key_set);
	store_stmt_bind_int(&stmt, 7, store_tx_now(tx));
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
read_entry(const struct store_stmt *stmt, void *out, struct err *err)
{
	struct store_revocation *entry = out;
	*entry = (struct store_revocation){
		.all = store_stmt_int(stmt, 2) != 0,
		.at = store_stmt_int(stmt, 1),
	};
	return entry->all ? 0
			  : store_stmt_blob(stmt, 0, entry->public_key.bytes,
				    sizeof(entry->public_key.bytes), err);
}

int
store_revocation_list(struct store_conn *conn, int64_t account,
	struct store_revocation **out, size_t *out_len, struct err *err)
{
	static const struct store_items kind = { .size = sizeof(**out),
		.read = read_entry };
	STORE_STMT_AUTO stmt = { 0 };
	void *list = NULL;
	if (store_stmt_open(&stmt, conn, STORE_STMT_REVOCATION_LIST,
		    "SELECT public_key, max(at), length(public_key) = 0 "
		    "FROM revocations WHERE account = ?1 AND "
		    "(expires = 0 OR expires >= ?2) AND "
		    "(cause = 'all' OR at > " ALL_AT_OF(
			    "?1") ") "
				  "GROUP BY public_key ORDER BY public_key",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, clock_wall_s(conn->store->clock) - CLOCK_SKEW_S);
	if (store_stmt_collect(&stmt, &kind, &list, out_len, err) != 0) {
		return -1;
	}
	*out = list;
	return 0;
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
		    "at = max(at + 1, excluded.at), key_set = excluded.key_set",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, at);
	store_stmt_bind_int(&stmt, 3, store_tx_now(tx));
	return store_stmt_run(&stmt, NULL, err);
}

static int
drop_covered(struct store_tx *tx, int64_t account, struct err *err)
{
	return run(tx, STORE_STMT_REVOCATION_DROP_COVERED,
		"DELETE FROM revocations WHERE account = ?1 AND cause <> 'all' AND "
		"at <= " ALL_AT_OF("?1"),
		account, 0, err);
}

int
store_revocation_put_all(
	struct store_tx *tx, int64_t account, int64_t at, struct err *err)
{
	return put_all(tx, account, at, err) != 0 ? -1 : drop_covered(tx, account, err);
}

static int
adopt_all(struct store_tx *tx, int64_t account, int64_t at, int64_t *out_taken,
	struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_REVOCATION_ADOPT_ALL,
		    "INSERT INTO revocations (account, public_key, cause, at, created) "
		    "VALUES (?1, x'', 'all', ?2, ?3) "
		    "ON CONFLICT (account, public_key, cause) DO UPDATE SET "
		    "at = excluded.at, key_set = 0 WHERE at < excluded.at",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, at);
	store_stmt_bind_int(&stmt, 3, store_tx_now(tx));
	return store_stmt_run(&stmt, out_taken, err) != 0
		? -1
		: drop_covered(tx, account, err);
}

int
store_revocation_adopt(struct store_tx *tx, int64_t account,
	const struct nkey_public *public_key, int64_t at, int64_t *out_taken,
	struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (public_key == NULL) {
		return adopt_all(tx, account, at, out_taken, err);
	}
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_REVOCATION_ADOPT,
		    "INSERT INTO revocations (account, public_key, cause, at, created) "
		    "SELECT ?1, ?2, 'adopted', ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM "
		    "revocations WHERE account = ?1 AND public_key = ?2 AND at >= ?3 AND "
		    "expires = 0 AND key_set = 0 AND cause <> 'suspend') AND "
		    "?3 > " ALL_AT_OF("?1") " ON CONFLICT (account, public_key, cause) "
					    "DO UPDATE SET at = max(at, excluded.at)",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_key(&stmt, 2, public_key);
	store_stmt_bind_int(&stmt, 3, at);
	store_stmt_bind_int(&stmt, 4, store_tx_now(tx));
	return store_stmt_run(&stmt, out_taken, err);
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

/* The first column of a statement that takes the account and perhaps a key; 0 when it is
 * null. */
static int
ask(struct store_conn *conn, enum store_stmt_id id, const char *sql, int64_t account,
	const struct nkey_public *key, int64_t *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, id, sql, err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	if (key != NULL) {
		store_stmt_bind_key(&stmt, 2, key);
	}
	if (store_stmt_step(&stmt, err) < 0) {
		return -1;
	}
	*out = store_stmt_int(&stmt, 0);
	return 0;
}

int
store_revocation_all_at(
	struct store_conn *conn, int64_t account, int64_t *out_at, struct err *err)
{
	return ask(conn, STORE_STMT_REVOCATION_ALL_AT, "SELECT " ALL_AT_OF("?1"), account,
		NULL, out_at, err);
}

int
store_revocation_key_at(struct store_conn *conn, int64_t account,
	const struct nkey_public *public_key, int64_t *out_at, struct err *err)
{
	return ask(conn, STORE_STMT_REVOCATION_KEY_AT,
		"SELECT max(at) FROM revocations WHERE account = ?1 AND public_key = ?2",
		account, public_key, out_at, err);
}

int
store_revocation_latest(
	struct store_conn *conn, int64_t account, int64_t *out_at, struct err *err)
{
	return ask(conn, STORE_STMT_REVOCATION_LATEST,
		"SELECT max(at) FROM revocations WHERE account = ?1", account, NULL,
		out_at, err);
}

int
store_revocation_may_live(struct store_conn *conn, int64_t account,
	const struct user *user, bool *out, struct err *err)
{
	int64_t oldest_set = 0;
	int64_t now = clock_wall_s(conn->store->clock);
	*out = false;
	if (user->issued_at == 0 || user_may_hold_until(user) < now - CLOCK_SKEW_S) {
		return 0;
	}
	if (ask(conn, STORE_STMT_REVOCATION_OLDEST_SET,
		    "SELECT min(key_set) FROM signing_keys WHERE account = ?1", account,
		    NULL, &oldest_set, err) != 0) {
		return -1;
	}
	*out = user_may_hold_set(user) >= oldest_set;
	return 0;
}
