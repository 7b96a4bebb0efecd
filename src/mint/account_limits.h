/* SPDX-License-Identifier: Apache-2.0
 * Limits of an account. */
#ifndef MINT_ACCOUNT_LIMITS_H
#define MINT_ACCOUNT_LIMITS_H

#include "base/err.h"
#include "jwt/claims.h"
#include "model/account.h"

/* What the row says: with tiers, none of the flat limits of JetStream. Of a tombstone
 * nobody may connect, and JetStream keeps all it has: the streams must survive. out is
 * written over, its tiers are new. */
int mint_account_limits_set(const struct account *row, bool tombstone,
	struct jwt_account_limits *out, struct err *err) MUST_CHECK;

#endif
