/* SPDX-License-Identifier: Apache-2.0 */
#include "store/quarantine.h"

#include "base/str.h"
#include "store/conn.h"
#include "store/publish.h"
#include "store/state.h"

#include <stdlib.h>
#include <string.h>

static const char *const cause_names[] = {
	[STORE_QUARANTINE_NEWER] = "newer",
	[STORE_QUARANTINE_FOREIGN] = "foreign",
};

const char *
store_quarantine_cause_name(enum store_quarantine_cause cause)
{
	return cause_names[cause];
}

int
store_quarantine_put(struct store_tx *tx, int64_t account,
	const struct store_quarantine *found, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_QUARANTINE_PUT,
		    "INSERT INTO quarantine (account, cause, server, jwt, found_at) "
		    "VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (account) DO UPDATE SET "
		    "cause = excluded.cause, server = excluded.server, "
		    "jwt = excluded.jwt, found_at = excluded.found_at",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_text(&stmt, 2, cause_names[found->cause]);
	store_stmt_bind_text(&stmt, 3, found->server);
	store_stmt_bind_text(&stmt, 4, found->jwt);
	store_stmt_bind_int(&stmt, 5, store_tx_now(tx));
	return store_stmt_run(&stmt, NULL, err);
}

static int
read_cause(const struct store_stmt *stmt, int column, enum store_quarantine_cause *out,
	struct err *err)
{
	size_t len = 0;
	const char *name = store_stmt_text(stmt, column, &len);
	for (size_t i = 0; i < sizeof(cause_names) / sizeof(cause_names[0]); i++) {
		if (str_equal(name, cause_names[i])) {
			*out = (enum store_quarantine_cause)i;
			return 0;
		}
	}
	return err_set(err, ERR_CORRUPT, "unknown cause of a quarantine");
}

int
store_quarantine_find(struct store_conn *conn, int64_t account,
	struct store_quarantine *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	struct store_quarantine found = { 0 };
	size_t len = 0;
	if (store_stmt_open(&stmt, conn, STORE_STMT_QUARANTINE_FIND,
		    "SELECT cause, server, jwt, found_at FROM quarantine "
		    "WHERE account = ?1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	int rc = store_stmt_step(&stmt, err);
	if (rc <= 0) {
		return rc;
	}
	if (read_cause(&stmt, 0, &found.cause, err) != 0 ||
		store_stmt_copy(&stmt, 1, found.server, sizeof(found.server), err) != 0) {
		return -1;
	}
	const char *jwt = store_stmt_text(&stmt, 2, &len);
	found.found_at = store_stmt_int(&stmt, 3);
	found.jwt = str_dup_n(jwt, len);
	if (found.jwt == NULL) {
		return err_nomem(err);
	}
	*out = found;
	return 1;
}

void
store_quarantine_release(struct store_quarantine *quarantine)
{
	free(quarantine->jwt);
	*quarantine = (struct store_quarantine){ 0 };
}

static int
not_there(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "the account is not in quarantine");
}

static int
forget(struct store_tx *tx, int64_t account, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	int64_t changes = 0;
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_QUARANTINE_FORGET,
		    "DELETE FROM quarantine WHERE account = ?1", err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	if (store_stmt_run(&stmt, &changes, err) != 0) {
		return -1;
	}
	return changes > 0 ? 0 : not_there(err);
}

static int
hash_found(struct store_tx *tx, int64_t account, uint8_t out[static STORE_HASH_LEN],
	struct err *err)
{
	struct store_quarantine found = { 0 };
	int rc = store_quarantine_find(store_tx_conn(tx), account, &found, err);
	if (rc < 0) {
		return -1;
	}
	if (found.jwt == NULL) {
		return not_there(err);
	}
	tx->store->hash(found.jwt, strlen(found.jwt), out);
	store_quarantine_release(&found);
	return 0;
}

/* The hash goes to the front. Other servers may still show what was overruled before, and
 * a person who is to choose between the two would never come to an end. */
static void
overrule(struct store_publish *row, const uint8_t hash[static STORE_HASH_LEN])
{
	size_t at = 0;
	while (at < row->overruled_len &&
		memcmp(row->overruled + at * STORE_HASH_LEN, hash, STORE_HASH_LEN) != 0) {
		at++;
	}
	if (at == row->overruled_len && row->overruled_len < STORE_OVERRULED_MAX) {
		row->overruled_len++;
	} else if (at == STORE_OVERRULED_MAX) {
		at--; /* the oldest goes */
	}
	memmove(row->overruled + STORE_HASH_LEN, row->overruled, at * STORE_HASH_LEN);
	memcpy(row->overruled, hash, STORE_HASH_LEN);
}

int
store_quarantine_lift(struct store_tx *tx, int64_t account, int64_t generation,
	int64_t iat, int64_t iat_offset, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	struct store_publish row;
	uint8_t hash[STORE_HASH_LEN];
	if (hash_found(tx, account, hash, err) != 0 ||
		store_publish_get(store_tx_conn(tx), account, &row, err) != 0) {
		return -1;
	}
	overrule(&row, hash);
	/* What it says counts as minted: a server that shows as much is not ahead. */
	if (forget(tx, account, err) != 0 ||
		store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_QUARANTINE_LIFT,
			"UPDATE account_publish SET generation = max(generation, ?2), "
			"minted_generation = max(minted_generation, ?2), "
			"last_iat = max(last_iat, ?3), iat_offset = ?4, minted_at = 0, "
			"claims_hash = NULL, overruled = ?5 WHERE account = ?1",
			err) != 0) {
		return -1;
	}
	store_stmt_bind_blob(&stmt, 5, row.overruled, row.overruled_len * STORE_HASH_LEN);
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, generation);
	store_stmt_bind_int(&stmt, 3, iat);
	store_stmt_bind_int(&stmt, 4, iat_offset);
	if (store_stmt_run(&stmt, NULL, err) != 0) {
		return -1;
	}
	return store_publish_bump(tx, account, true, err);
}

static int
read_account(const struct store_stmt *stmt, void *out, struct err *err)
{
	int64_t *account = out;
	(void)err; /* a number is a number */
	*account = store_stmt_int(stmt, 0);
	return 0;
}

int
store_quarantine_list(
	struct store_conn *conn, int64_t **out, size_t *out_len, struct err *err)
{
	static const struct store_items kind = { .size = sizeof(**out),
		.read = read_account };
	STORE_STMT_AUTO stmt = { 0 };
	void *items = NULL;
	if (store_stmt_open(&stmt, conn, STORE_STMT_QUARANTINE_LIST,
		    "SELECT account FROM quarantine ORDER BY account", err) != 0 ||
		store_stmt_collect(&stmt, &kind, &items, out_len, err) != 0) {
		return -1;
	}
	*out = items;
	return 0;
}
