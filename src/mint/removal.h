/* SPDX-License-Identifier: Apache-2.0
 * The request that makes servers remove accounts. */
#ifndef MINT_REMOVAL_H
#define MINT_REMOVAL_H

#include "base/strlist.h"
#include "mint/signer.h"

/* Appends it to *out, which must be secret: whoever can publish in the system account
 * could send it again, at any time. No keys: it removes nothing, and the answers tell who
 * would. The issuer is the operator's key that signs. */
int mint_removal(const struct vault *vault, const struct vault_seed *issuer,
	const struct nkey_public *accounts, size_t len, int64_t iat, struct buf *out,
	struct err *err) MUST_CHECK;

/* Whose removal such a request asks for, as they are written there: whoever signed it,
 * and whether or not they are keys. *out must be empty; the caller releases it.
 * ERR_INVALID: it is none. */
int mint_removal_read(
	const char *jwt, size_t len, struct strlist *out, struct err *err) MUST_CHECK;

#endif
