/* SPDX-License-Identifier: Apache-2.0
 * The operator's JWT: self-signed by the identity key. */
#ifndef MINT_OPERATOR_H
#define MINT_OPERATOR_H

#include "mint/signer.h"

struct mint_operator {
	const char *name;
	const struct vault_seed *identity;
	struct nkey_public signing_key;
	struct nkey_public system_account;
	int64_t iat; /* unix seconds */
};
int mint_operator(const struct vault *vault, const struct mint_operator *mint,
	struct buf *out, struct err *err) MUST_CHECK;

#endif
