/* SPDX-License-Identifier: Apache-2.0
 * What tells a database from an older copy of itself: a text that changes again and
 * again while it is served, and that a file beside it has, too. */
#ifndef STORE_HEARTBEAT_H
#define STORE_HEARTBEAT_H

#include "store/store.h"

enum { STORE_BEAT_SIZE = 48 };

/* Both are "" in a database that was never served. */
struct store_heartbeat {
	char last[STORE_BEAT_SIZE];
	char before[STORE_BEAT_SIZE]; /* the one before */
};

int store_heartbeat_get(
	struct store_conn *conn, struct store_heartbeat *out, struct err *err) MUST_CHECK;

/* The last one is the one before from now on. */
int
store_heartbeat_put(struct store_tx *tx, const char *beat, struct err *err) MUST_CHECK;

#endif
