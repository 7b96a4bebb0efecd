/* SPDX-License-Identifier: Apache-2.0
 * The operator's JWT, self-signed by the identity key, and the text form of the
 * operator's seeds. */
#ifndef MINT_OPERATOR_H
#define MINT_OPERATOR_H

#include "mint/signer.h"
#include "model/operator.h"

struct mint_operator {
	const char *name;
	const struct vault_seed *identity;
	const struct nkey_public *signing_keys;
	size_t signing_key_count;
	struct nkey_public system_account;
	const struct operator_claims *claims; /* NULL: none */
	int64_t iat; /* unix seconds */
};

/* ERR_INVALID: servers would not take these claims. */
int mint_operator(const struct vault *vault, const struct mint_operator *mint,
	struct buf *out, struct err *err) MUST_CHECK;

/* Appends the seed between two lines that say what it is: "-----BEGIN OPERATOR <what>
 * SEED-----". out must be secret. */
int mint_operator_seed(const struct vault *vault, const struct vault_seed *seed,
	const char *what, struct buf *out, struct err *err) MUST_CHECK;

/* Looks for the seed of the operator's identity in a text: a line that holds nothing
 * else. Seals it for the use that is made of it now; nothing is stored. seed has its
 * owner, role and public key. ERR_INVALID: it is not there. */
int mint_operator_find_seed(const struct vault *vault, const char *text, size_t len,
	struct vault_seed *seed, struct err *err) MUST_CHECK;

#endif
