/* SPDX-License-Identifier: Apache-2.0
 * Signs JWTs with a sealed seed. */
#ifndef MINT_SIGNER_H
#define MINT_SIGNER_H

#include "base/buf.h"
#include "jwt/claims.h"
#include "vault/vault.h"

/* Encodes and signs the claims with the seed; its role must be one that may issue them.
 * Appends the token to *out. */
int mint_token(const struct vault *vault, const struct vault_seed *issuer,
	const struct jwt_claims *claims, struct buf *out, struct err *err) MUST_CHECK;

/* The text of a public key; NULL when out of memory. The caller frees. */
char *mint_key_text(enum nkey_role role, const struct nkey_public *key) MUST_CHECK;

#endif
