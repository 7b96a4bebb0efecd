/* SPDX-License-Identifier: Apache-2.0
 * How natsid stands to NATS: what the process that serves wrote down last, for others
 * that read the database, and for what is said of accounts. */
#ifndef STORE_STANDING_H
#define STORE_STANDING_H

#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

enum { STORE_STANDING_WORDS_SIZE = 200 };

struct store_standing {
	bool connected;
	/* Why nothing is pushed, or nothing can be proven; "": nothing is in the way. */
	char words[STORE_STANDING_WORDS_SIZE];
	int64_t since; /* ms: so long it is so; 0: nothing was ever written */
};

int store_standing_get(
	struct store_conn *conn, struct store_standing *out, struct err *err) MUST_CHECK;

/* It is so from now on; its `since` is passed over. */
int store_standing_put(struct store_tx *tx, const struct store_standing *standing,
	struct err *err) MUST_CHECK;

#endif
