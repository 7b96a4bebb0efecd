/* SPDX-License-Identifier: Apache-2.0
 * SHA-512/256 (FIPS 180-4), which token ids are made with and libsodium lacks. */
#ifndef JWT_SHA512_256_H
#define JWT_SHA512_256_H

#include <stddef.h>
#include <stdint.h>

enum { JWT_SHA512_256_LEN = 32 };

void
jwt_sha512_256(const uint8_t *data, size_t len, uint8_t out[static JWT_SHA512_256_LEN]);

#endif
