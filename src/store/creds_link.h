/* SPDX-License-Identifier: Apache-2.0
 * One-time links to a user's creds. */
#ifndef STORE_CREDS_LINK_H
#define STORE_CREDS_LINK_H

#include "store/store.h"

enum { STORE_LINK_HASH_LEN = 32, STORE_LINK_SEALED_MAX = 8192 };

struct store_creds_link {
	uint8_t token_hash[STORE_LINK_HASH_LEN];
	char user_id[RAND_ID_SIZE];
	int64_t expires; /* ms */
	size_t sealed_len;
	uint8_t sealed[STORE_LINK_SEALED_MAX];
};

/* Inserts it, and deletes those that have expired. ERR_NOT_FOUND: no such user. */
int store_creds_link_insert(struct store_tx *tx, const struct store_creds_link *link,
	struct err *err) MUST_CHECK;

/* Deletes the link and hands it out: nobody can take it again. ERR_NOT_FOUND: there is
 * none (any more), or it has expired. */
int store_creds_link_take(struct store_tx *tx,
	const uint8_t token_hash[static STORE_LINK_HASH_LEN],
	struct store_creds_link *out, struct err *err) MUST_CHECK;

#endif
