/* SPDX-License-Identifier: Apache-2.0
 * Key pairs: public keys from seeds, signatures, and the text form of seeds.
 * The text form of public keys is in base/nkey_text.h. */
#ifndef JWT_NKEY_H
#define JWT_NKEY_H

#include "base/err.h"
#include "base/nkey_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NKEY_SEED_LEN = 32,
	NKEY_SEED_TEXT_LEN = 58,
	NKEY_SEED_TEXT_SIZE = NKEY_SEED_TEXT_LEN + 1,
	NKEY_PRIVATE_TEXT_SIZE = 108 + 1,
	NKEY_SIG_LEN = 64
};

/* The public key of a seed: Ed25519, or X25519 for NKEY_CURVE. */
void jwt_nkey_public(enum nkey_role role, const uint8_t seed[static NKEY_SEED_LEN],
	struct nkey_public *out);

/* Ed25519 over the message; pub must be the seed's own public key (deriving it again
 * would double the cost). Not for curve keys. */
void
jwt_nkey_sign(const uint8_t seed[static NKEY_SEED_LEN], const struct nkey_public *pub,
	const uint8_t *msg, size_t len, uint8_t sig[static NKEY_SIG_LEN]);

bool jwt_nkey_verify(const struct nkey_public *pub, const uint8_t *msg, size_t len,
	const uint8_t sig[static NKEY_SIG_LEN]) MUST_CHECK;

/* "SU...": 58 characters and a NUL. The caller wipes out. */
void jwt_nkey_seed_encode(enum nkey_role role, const uint8_t seed[static NKEY_SEED_LEN],
	char out[static NKEY_SEED_TEXT_SIZE]);

/* Exactly 58 characters of a seed of a known role, CRC right; otherwise ERR_INVALID,
 * whose message never repeats the text. The caller wipes out_seed. */
int jwt_nkey_seed_decode(const char *text, size_t len, enum nkey_role *out_role,
	uint8_t out_seed[static NKEY_SEED_LEN], struct err *err) MUST_CHECK;

/* "P...": 108 characters, 56 for a curve key, and a NUL. The caller wipes out. */
void
jwt_nkey_private_encode(enum nkey_role role, const uint8_t seed[static NKEY_SEED_LEN],
	char out[static NKEY_PRIVATE_TEXT_SIZE]);

#endif
