/* SPDX-License-Identifier: Apache-2.0
 * What an account says beside its limits and keys: default permissions, mappings, trace,
 * external authorization, and what describes it. */
#ifndef MINT_ACCOUNT_TERMS_H
#define MINT_ACCOUNT_TERMS_H

#include "base/err.h"
#include "jwt/claims.h"
#include "model/account.h"

/* Adds it to the claims, in canonical order: what means the same is the same. A tombstone
 * says only what its streams need. */
int mint_account_terms_add(const struct account *row, bool tombstone,
	struct jwt_account *out, struct err *err) MUST_CHECK;

#endif
