/* SPDX-License-Identifier: Apache-2.0
 * Minting account JWTs, for the publisher. */
#ifndef SERVICE_MINTING_H
#define SERVICE_MINTING_H

#include "base/nkey_text.h"
#include "service/service.h"
#include "store/publish.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How far an urgent JWT may be dated ahead of the clock without being asked. */
enum { MINTING_URGENT_AHEAD_S = 3 };

enum minting_result {
	MINTING_DONE, /* account_jwt says the wanted generation; new bytes or equal claims
		       */
	MINTING_LATER, /* the clock must reach .not_before (ms, wall) first */
	MINTING_HELD /* needs a person: .reason */
};

struct minting {
	enum minting_result result;
	int64_t generation; /* what the bytes say now */
	bool new_bytes; /* false: the claims were equal, nothing to push for this change
			 */
	int64_t not_before;
	char reason[256];
};

/* One account to mint, and what came of it. */
struct mint_order {
	int64_t account; /* seq */
	bool urgent; /* may be dated MINTING_URGENT_AHEAD_S ahead of the clock */

	int rc; /* 0, or -1 with .err; the rest is good with 0 only */
	struct err err;
	struct minting minting;
	char *jwt; /* new bytes, which the caller frees; NULL without */
	size_t jwt_len;
	char public_key[NKEY_TEXT_SIZE]; /* of the account */
	int64_t proven_generation; /* when the account was looked at */
};

/* Brings the bytes of these accounts up to their wanted generations, a batch at a time:
 * reads snapshots, builds the claims, signs outside of any transaction, and records all
 * of the batch in one write. What another minted meanwhile is tried again; nobody's
 * trouble is another's. Works for deleted and suspended accounts: a tombstone. Accounts
 * in quarantine are held. Thread-safe; no account may be named twice. */
void
service_mint_accounts(struct service *service, struct mint_order *orders, size_t len);

/* Minting an account with this row would be held at this time (wall): the clock was ahead
 * once. */
bool service_mint_is_held(const struct store_publish *publish, int64_t now_ms);

/* The same for one; the bytes are in the store. */
int service_mint_account(struct service *service, int64_t account, bool urgent,
	struct minting *out, struct err *err) MUST_CHECK;

#endif
