/* SPDX-License-Identifier: Apache-2.0
 * Sealed messages between curve keys: "xkv1", 24 bytes of nonce, and a NaCl box. */
#ifndef JWT_XKEY_H
#define JWT_XKEY_H

#include "base/buf.h"
#include "base/err.h"
#include "jwt/nkey.h"

#include <stddef.h>
#include <stdint.h>

enum { JWT_XKEY_OVERHEAD = 4 + 24 + 16 };

/* Appends len + JWT_XKEY_OVERHEAD bytes to out, under a random nonce. */
int jwt_xkey_seal(const uint8_t seed[static NKEY_SEED_LEN], const struct nkey_public *to,
	const uint8_t *text, size_t len, struct buf *out, struct err *err) MUST_CHECK;

/* Appends the opened text to out. ERR_INVALID when it is malformed, of another version,
 * altered, or not from that sender to this seed. */
int
jwt_xkey_open(const uint8_t seed[static NKEY_SEED_LEN], const struct nkey_public *from,
	const uint8_t *sealed, size_t len, struct buf *out, struct err *err) MUST_CHECK;

#endif
