/* SPDX-License-Identifier: Apache-2.0
 * Sealing under a given nonce, for test vectors; a nonce used twice gives the messages
 * away. */
#ifndef JWT_XKEY_NONCE_H
#define JWT_XKEY_NONCE_H

#include "jwt/xkey.h"

enum { JWT_XKEY_NONCE_LEN = 24 };

/* jwt_xkey_seal with the nonce of the caller. */
int jwt_xkey_seal_with_nonce(const uint8_t seed[static NKEY_SEED_LEN],
	const struct nkey_public *to, const uint8_t nonce[static JWT_XKEY_NONCE_LEN],
	const uint8_t *text, size_t len, struct buf *out, struct err *err) MUST_CHECK;

#endif
