/* SPDX-License-Identifier: Apache-2.0 */
#include "store/heartbeat.h"

#include "store/conn.h"

int
store_heartbeat_get(struct store_conn *conn, struct store_heartbeat *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	struct store_heartbeat heartbeat = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_HEARTBEAT_GET,
		    "SELECT coalesce(max(iif(key = 'heartbeat', value, '')), ''), "
		    "coalesce(max(iif(key = 'heartbeat_before', value, '')), '') "
		    "FROM settings WHERE key IN ('heartbeat', 'heartbeat_before')",
		    err) != 0 ||
		store_stmt_step(&stmt, err) < 0 ||
		store_stmt_copy(&stmt, 0, heartbeat.last, sizeof(heartbeat.last), err) !=
			0 ||
		store_stmt_copy(
			&stmt, 1, heartbeat.before, sizeof(heartbeat.before), err) != 0) {
		return -1;
	}
	*out = heartbeat;
	return 0;
}

int
store_heartbeat_put(struct store_tx *tx, const char *beat, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	/* row by row: the first one reads what the second one replaces */
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_HEARTBEAT_PUT,
		    "INSERT INTO settings (key, value) VALUES ('heartbeat_before', "
		    "coalesce((SELECT value FROM settings WHERE key = 'heartbeat'), "
		    "'')), ('heartbeat', ?1) "
		    "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_text(&stmt, 1, beat);
	return store_stmt_run(&stmt, NULL, err);
}
