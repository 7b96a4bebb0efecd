/* SPDX-License-Identifier: Apache-2.0
 * Minting account JWTs, for the publisher. */
#ifndef SERVICE_MINTING_H
#define SERVICE_MINTING_H

#include "service/service.h"

#include <stdbool.h>

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
	char reason[200];
};

/* Brings the account's bytes up to its wanted generation: reads a snapshot, builds the
 * claims, signs outside of any transaction, writes when nobody else minted meanwhile.
 * urgent: may run up to 3 s ahead of the clock. Works for deleted and suspended accounts:
 * a tombstone. */
int service_mint_account(struct service *service, int64_t account, bool urgent,
	struct minting *out, struct err *err) MUST_CHECK;

#endif
