/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt/sha512_256.h"

#include <sodium.h>
#include <string.h>

/* SHA-512 from other initial values, cut to 32 bytes. (Cutting SHA-512 itself gives other
 * bytes.) */
void
jwt_sha512_256(const uint8_t *data, size_t len, uint8_t out[static JWT_SHA512_256_LEN])
{
	static const uint64_t initial[8] = { 0x22312194fc2bf72c, 0x9f555fa3c84c64c2,
		0x2393b86b6f53b151, 0x963877195940eabd, 0x96283ee2a88effe3,
		0xbe5e1e2553863992, 0x2b0199fc2c85b8aa, 0x0eb72ddc81c52ca2 };
	crypto_hash_sha512_state state;
	uint8_t hash[crypto_hash_sha512_BYTES];

	crypto_hash_sha512_init(&state);
	memcpy(state.state, initial, sizeof(initial));
	crypto_hash_sha512_update(&state, data, len);
	crypto_hash_sha512_final(&state, hash);
	memcpy(out, hash, JWT_SHA512_256_LEN);
}
