/* SPDX-License-Identifier: Apache-2.0 */
#include "store/standing.h"

#include "store/conn.h"

int
store_standing_get(struct store_conn *conn, struct store_standing *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	struct store_standing standing = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_STANDING_GET,
		    "SELECT connected, since, words FROM standing WHERE id = 1",
		    err) != 0) {
		return -1;
	}
	int rc = store_stmt_step(&stmt, err);
	if (rc < 0) {
		return -1;
	}
	if (rc > 0) {
		standing.connected = store_stmt_int(&stmt, 0) != 0;
		standing.since = store_stmt_int(&stmt, 1);
		if (store_stmt_copy(
			    &stmt, 2, standing.words, sizeof(standing.words), err) != 0) {
			return -1;
		}
	}
	*out = standing;
	return 0;
}

int
store_standing_put(
	struct store_tx *tx, const struct store_standing *standing, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_STANDING_PUT,
		    "INSERT INTO standing (id, connected, words, since) "
		    "VALUES (1, ?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET "
		    "connected = excluded.connected, words = excluded.words, "
		    "since = excluded.since",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, standing->connected ? 1 : 0);
	store_stmt_bind_text(&stmt, 2, standing->words);
	store_stmt_bind_int(&stmt, 3, store_tx_now(tx));
	return store_stmt_run(&stmt, NULL, err);
}
