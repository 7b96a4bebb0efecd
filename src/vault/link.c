/* SPDX-License-Identifier: Apache-2.0
 * One-time links. */
#include "vault/vault.h"

#include "base/rand.h"
#include "base/secret.h"

#include <sodium.h>
#include <string.h>

enum {
	NONCE_LEN = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	TAG_LEN = crypto_aead_xchacha20poly1305_ietf_ABYTES,
	SUBKEY_HASH = 1,
	SUBKEY_SEAL = 2
};

_Static_assert(VAULT_LINK_OVERHEAD == NONCE_LEN + TAG_LEN, "overhead");
_Static_assert(VAULT_LINK_TOKEN_LEN == crypto_kdf_KEYBYTES, "token");

static const char context[crypto_kdf_CONTEXTBYTES + 1] = "credlink";

void
vault_link_hash(const uint8_t token[static VAULT_LINK_TOKEN_LEN],
	uint8_t out_hash[static VAULT_LINK_HASH_LEN])
{
	crypto_kdf_derive_from_key(
		out_hash, VAULT_LINK_HASH_LEN, SUBKEY_HASH, context, token);
}

void
vault_link_seal(const uint8_t token[static VAULT_LINK_TOKEN_LEN], const char *owner_id,
	const void *text, size_t len, uint8_t *out)
{
	uint8_t key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
	crypto_kdf_derive_from_key(key, sizeof(key), SUBKEY_SEAL, context, token);
	rand_bytes(out, NONCE_LEN);
	crypto_aead_xchacha20poly1305_ietf_encrypt(out + NONCE_LEN, NULL, text, len,
		(const uint8_t *)owner_id, strlen(owner_id), NULL, out, key);
	secret_wipe(key, sizeof(key));
}

int
vault_link_open(const uint8_t token[static VAULT_LINK_TOKEN_LEN], const char *owner_id,
	const uint8_t *sealed, size_t len, uint8_t *out, struct err *err)
{
	uint8_t key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
	int rc = -1;
	if (len >= VAULT_LINK_OVERHEAD) {
		crypto_kdf_derive_from_key(key, sizeof(key), SUBKEY_SEAL, context, token);
		rc = crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL,
			sealed + NONCE_LEN, len - NONCE_LEN, (const uint8_t *)owner_id,
			strlen(owner_id), sealed, key);
		secret_wipe(key, sizeof(key));
	}
	return rc == 0 ? 0 : err_set(err, ERR_CORRUPT, "what the link holds is damaged");
}
