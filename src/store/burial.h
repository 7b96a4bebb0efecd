/* SPDX-License-Identifier: Apache-2.0
 * Deleted accounts on their way off the servers, and out of the database. */
#ifndef STORE_BURIAL_H
#define STORE_BURIAL_H

#include "base/nkey_text.h"
#include "base/rand.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store_burial {
	int64_t account; /* seq */
	char id[RAND_ID_SIZE];
	struct nkey_public public_key;
	bool marked;
	int64_t removed_at; /* ms; all servers said that they removed it; 0: not yet */
};

/* Accounts that were deleted before `before` (ms), of which every server that is known
 * answers and holds the tombstone; and those that are marked. At most limit; the caller
 * frees *out. */
int store_burial_due(struct store_conn *conn, int64_t before, int64_t limit,
	struct store_burial **out, size_t *out_len, struct err *err) MUST_CHECK;

/* Marks it, from when on nothing of it is pushed any more (store_publish_scan passes it
 * over). False in *out_marked: it is not due any more. */
int store_burial_mark(struct store_tx *tx, int64_t account, int64_t before,
	bool *out_marked, struct err *err) MUST_CHECK;

/* All servers said that they removed it. */
int
store_burial_removed(struct store_tx *tx, int64_t account, struct err *err) MUST_CHECK;

/* It stays after all: the tombstone is looked at, and pushed, again. */
int store_burial_unmark(struct store_tx *tx, int64_t account, struct err *err) MUST_CHECK;

/* No server has it any more: all rows of a marked account go. Others are left alone. */
int store_burial_finish(struct store_tx *tx, int64_t account, struct err *err) MUST_CHECK;

#endif
