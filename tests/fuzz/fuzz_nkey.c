/* SPDX-License-Identifier: Apache-2.0
 * Texts of keys: what decodes is the only text of that key. */
#include "jwt/nkey.h"

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void
must(bool holds)
{
	if (!holds) {
		abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	enum nkey_role role;
	struct nkey_public key;
	uint8_t seed[NKEY_SEED_LEN];
	struct err err = { 0 };

	must(sodium_init() >= 0);
	if (nkey_text_decode_any(text, size, &role, &key, &err) == 0) {
		char again[NKEY_TEXT_SIZE];
		nkey_text_encode(role, &key, again);
		must(size == NKEY_TEXT_LEN && memcmp(again, text, size) == 0);
		must(nkey_text_decode(role, text, size, &key, &err) == 0);
	} else {
		must(err.code == ERR_INVALID && err.msg[0] != '\0');
	}
	if (jwt_nkey_seed_decode(text, size, &role, seed, &err) == 0) {
		char again[NKEY_SEED_TEXT_SIZE];
		jwt_nkey_seed_encode(role, seed, again);
		must(size == NKEY_SEED_TEXT_LEN && memcmp(again, text, size) == 0);
	}
	return 0;
}
