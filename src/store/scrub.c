/* SPDX-License-Identifier: Apache-2.0 */
#include "store/scrub.h"

#include "store/state.h"

int
store_scrub(struct store *store, bool rewrite, struct err *err)
{
	struct store_conn *conn = NULL;
	/* A connection of its own: the writer belongs to the group commits. */
	if (store_conn_open(store, &conn, err) != 0) {
		return -1;
	}
	int rc = store_conn_setup(conn, STORE_CONN_WRITER, err);
	if (rc == 0 && rewrite) {
		/* the copy would be held in memory otherwise */
		rc = store_conn_exec(conn, "PRAGMA temp_store = FILE; VACUUM", err);
	}
	if (rc == 0) {
		int code = sqlite3_wal_checkpoint_v2(
			conn->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
		rc = code == SQLITE_OK ? 0 : store_conn_fail(conn, code, err);
	}
	store_conn_close(conn);
	return rc;
}
