/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/vault.h"

#include "base/rand.h"
#include "base/secret.h"
#include "base/str.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
	NONCE_LEN = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	TAG_LEN = crypto_aead_xchacha20poly1305_ietf_ABYTES,
	SEALED_VERSION = 1,
	UUID_LEN = 36
};

_Static_assert(VAULT_WRAPPED_LEN == NONCE_LEN + VAULT_KEY_LEN + TAG_LEN, "wrapped key");
_Static_assert(
	VAULT_SEALED_LEN == 1 + 4 + NONCE_LEN + VAULT_SEED_LEN + TAG_LEN, "sealed seed");
_Static_assert(VAULT_SIG_LEN == crypto_sign_BYTES, "signature");
_Static_assert(VAULT_PASSWORD_HASH_SIZE >= crypto_pwhash_STRBYTES, "password hash");

struct data_key {
	uint32_t id;
	uint8_t *key; /* locked memory */
};

struct vault {
	char uuid[UUID_LEN + 1];
	uint8_t *root_key; /* locked memory */
	uint8_t *mac_key; /* locked memory, derived from the root key */
	struct data_key *keys;
	size_t key_count;
};

/* Associated data: every part with its length before it, so that no two tuples read the
 * same. */
enum { AAD_MAX = 512 };

struct aad {
	uint8_t data[AAD_MAX];
	size_t len;
	bool overflow;
};

static void
aad_put(struct aad *aad, const void *part, size_t len)
{
	if (len > UINT16_MAX || aad->len + 2 + len > AAD_MAX) {
		aad->overflow = true;
		return;
	}
	aad->data[aad->len++] = (uint8_t)(len >> 8);
	aad->data[aad->len++] = (uint8_t)len;
	memcpy(aad->data + aad->len, part, len);
	aad->len += len;
}

static void
aad_put_text(struct aad *aad, const char *text)
{
	aad_put(aad, text, strlen(text));
}

static int
aad_of_seed(const struct vault *vault, const struct vault_seed *seed, struct aad *aad,
	struct err *err)
{
	uint8_t role = (uint8_t)seed->role;
	aad->len = 0;
	aad->overflow = false;
	aad_put_text(aad, "natsid seed v1");
	aad_put_text(aad, vault->uuid);
	aad_put_text(aad, seed->owner_table);
	aad_put_text(aad, seed->owner_column);
	aad_put_text(aad, seed->owner_id);
	aad_put(aad, &role, 1);
	aad_put(aad, seed->public_key.bytes, NKEY_PUBLIC_LEN);
	return aad->overflow
		? err_set(err, ERR_INTERNAL, "the owner of a seed is too long")
		: 0;
}

static void
aad_of_key(const char *uuid, const char *purpose, uint32_t id, struct aad *aad)
{
	uint8_t number[4] = { (uint8_t)(id >> 24), (uint8_t)(id >> 16),
		(uint8_t)(id >> 8), (uint8_t)id };
	aad->len = 0;
	aad->overflow = false;
	aad_put_text(aad, purpose);
	aad_put_text(aad, uuid);
	aad_put(aad, number, sizeof(number));
}

/* out: nonce, ciphertext, tag. */
static void
seal(const uint8_t *key, const uint8_t *plain, size_t len, const struct aad *aad,
	uint8_t *out)
{
	rand_bytes(out, NONCE_LEN);
	crypto_aead_xchacha20poly1305_ietf_encrypt(
		out + NONCE_LEN, NULL, plain, len, aad->data, aad->len, NULL, out, key);
}

static int
unseal(const uint8_t *key, const uint8_t *sealed, size_t plain_len, const struct aad *aad,
	uint8_t *out)
{
	return crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL,
		sealed + NONCE_LEN, plain_len + TAG_LEN, aad->data, aad->len, sealed,
		key);
}

/* Tells one master key from another without telling anything about it. */
static void
fingerprint(const uint8_t master_key[static VAULT_KEY_LEN],
	uint8_t out[static VAULT_KEY_ID_LEN])
{
	static const char purpose[] = "natsid master key fingerprint";
	crypto_generichash(out, VAULT_KEY_ID_LEN, (const uint8_t *)purpose,
		sizeof(purpose) - 1, master_key, VAULT_KEY_LEN);
}

static struct vault *
vault_alloc(const char *uuid, size_t key_count, struct err *err)
{
	if (strlen(uuid) != UUID_LEN) {
		err_set(err, ERR_CORRUPT, "the database has no uuid");
		return NULL;
	}
	struct vault *vault = calloc(1, sizeof(*vault));
	if (vault == NULL) {
		err_nomem(err);
		return NULL;
	}
	memcpy(vault->uuid, uuid, UUID_LEN + 1);
	vault->root_key = sodium_malloc(VAULT_KEY_LEN);
	vault->mac_key = sodium_malloc(VAULT_KEY_LEN);
	vault->keys = calloc(key_count, sizeof(*vault->keys));
	if (vault->root_key == NULL || vault->mac_key == NULL || vault->keys == NULL) {
		vault_free(vault);
		err_set(err, ERR_NOMEM,
			"no locked memory for the keys: raise `ulimit -l`");
		return NULL;
	}
	for (size_t i = 0; i < key_count; i++) {
		vault->keys[i].key = sodium_malloc(VAULT_KEY_LEN);
		if (vault->keys[i].key == NULL) {
			vault_free(vault);
			err_set(err, ERR_NOMEM,
				"no locked memory for the keys: raise `ulimit -l`");
			return NULL;
		}
		vault->key_count = i + 1;
	}
	return vault;
}

static void
derive_mac_key(struct vault *vault)
{
	crypto_kdf_derive_from_key(
		vault->mac_key, VAULT_KEY_LEN, 1, "natsid-m", vault->root_key);
}

int
vault_create(const uint8_t master_key[static VAULT_KEY_LEN], const char *database_uuid,
	struct vault_slot *out_slot, struct vault_data_key *out_key, struct vault **out,
	struct err *err)
{
	struct aad aad;
	struct vault *vault = vault_alloc(database_uuid, 1, err);
	if (vault == NULL) {
		return -1;
	}
	rand_bytes(vault->root_key, VAULT_KEY_LEN);
	derive_mac_key(vault);
	vault->keys[0].id = 1;
	rand_bytes(vault->keys[0].key, VAULT_KEY_LEN);

	fingerprint(master_key, out_slot->key_id);
	aad_of_key(vault->uuid, "natsid root key v1", 0, &aad);
	seal(master_key, vault->root_key, VAULT_KEY_LEN, &aad, out_slot->wrapped);
	out_key->id = 1;
	aad_of_key(vault->uuid, "natsid data key v1", 1, &aad);
	seal(vault->root_key, vault->keys[0].key, VAULT_KEY_LEN, &aad, out_key->wrapped);
	*out = vault;
	return 0;
}

int
vault_open(const uint8_t master_key[static VAULT_KEY_LEN], const char *database_uuid,
	const struct vault_slot *slot, const struct vault_data_key *keys,
	size_t key_count, struct vault **out, struct err *err)
{
	struct aad aad;
	uint8_t key_id[VAULT_KEY_ID_LEN];

	fingerprint(master_key, key_id);
	if (!secret_equal(key_id, slot->key_id, sizeof(key_id))) {
		return err_set(err, ERR_FORBIDDEN,
			"the master key is not the one that this database was made with");
	}
	if (key_count == 0) {
		return err_set(err, ERR_CORRUPT, "the database has no data key");
	}
	struct vault *vault = vault_alloc(database_uuid, key_count, err);
	if (vault == NULL) {
		return -1;
	}
	aad_of_key(vault->uuid, "natsid root key v1", 0, &aad);
	if (unseal(master_key, slot->wrapped, VAULT_KEY_LEN, &aad, vault->root_key) !=
		0) {
		vault_free(vault);
		return err_set(err, ERR_CORRUPT,
			"the key slot is damaged (the master key is the right one)");
	}
	derive_mac_key(vault);
	for (size_t i = 0; i < key_count; i++) {
		vault->keys[i].id = keys[i].id;
		aad_of_key(vault->uuid, "natsid data key v1", keys[i].id, &aad);
		if (unseal(vault->root_key, keys[i].wrapped, VAULT_KEY_LEN, &aad,
			    vault->keys[i].key) != 0) {
			vault_free(vault);
			return err_set(
				err, ERR_CORRUPT, "data key %u is damaged", keys[i].id);
		}
	}
	*out = vault;
	return 0;
}

void
vault_free(struct vault *vault)
{
	if (vault == NULL) {
		return;
	}
	assert(vault->keys != NULL || vault->key_count == 0);
	for (size_t i = 0; i < vault->key_count; i++) {
		sodium_free(vault->keys[i].key);
	}
	free(vault->keys);
	sodium_free(vault->root_key);
	sodium_free(vault->mac_key);
	free(vault);
}

static const uint8_t *
find_key(const struct vault *vault, uint32_t id)
{
	for (size_t i = 0; i < vault->key_count; i++) {
		if (vault->keys[i].id == id) {
			return vault->keys[i].key;
		}
	}
	return NULL;
}

/* Curve keys are X25519 scalars; all others are Ed25519 seeds. */
static void
derive_public(enum nkey_role role, const uint8_t seed[static VAULT_SEED_LEN],
	struct nkey_public *out)
{
	if (role == NKEY_CURVE) {
		crypto_scalarmult_base(out->bytes, seed);
		return;
	}
	uint8_t secret_key[crypto_sign_SECRETKEYBYTES];
	crypto_sign_seed_keypair(out->bytes, secret_key, seed);
	secret_wipe(secret_key, sizeof(secret_key));
}

int
vault_seal(const struct vault *vault, const uint8_t plain[static VAULT_SEED_LEN],
	struct vault_seed *seed, struct err *err)
{
	struct aad aad;
	const struct data_key *newest = &vault->keys[vault->key_count - 1];

	derive_public(seed->role, plain, &seed->public_key);
	if (aad_of_seed(vault, seed, &aad, err) != 0) {
		return -1;
	}
	seed->sealed[0] = SEALED_VERSION;
	seed->sealed[1] = (uint8_t)(newest->id >> 24);
	seed->sealed[2] = (uint8_t)(newest->id >> 16);
	seed->sealed[3] = (uint8_t)(newest->id >> 8);
	seed->sealed[4] = (uint8_t)newest->id;
	seal(newest->key, plain, VAULT_SEED_LEN, &aad, seed->sealed + 5);
	return 0;
}

int
vault_generate(const struct vault *vault, struct vault_seed *seed, struct err *err)
{
	uint8_t plain[VAULT_SEED_LEN];
	rand_bytes(plain, sizeof(plain));
	int rc = vault_seal(vault, plain, seed, err);
	secret_wipe(plain, sizeof(plain));
	return rc;
}

int
vault_seed_open(const struct vault *vault, const struct vault_seed *seed,
	uint8_t out_seed[static VAULT_SEED_LEN], struct err *err)
{
	struct aad aad;
	const uint8_t *s = seed->sealed;
	if (s[0] != SEALED_VERSION) {
		return err_set(err, ERR_CORRUPT,
			"a sealed seed has the unknown version %d", s[0]);
	}
	uint32_t id =
		(uint32_t)s[1] << 24 | (uint32_t)s[2] << 16 | (uint32_t)s[3] << 8 | s[4];
	const uint8_t *key = find_key(vault, id);
	if (key == NULL) {
		return err_set(
			err, ERR_CORRUPT, "data key %u of a sealed seed is missing", id);
	}
	if (aad_of_seed(vault, seed, &aad, err) != 0) {
		return -1;
	}
	if (unseal(key, s + 5, VAULT_SEED_LEN, &aad, out_seed) != 0) {
		return err_set(err, ERR_CORRUPT, "the sealed seed of %s %s is damaged",
			seed->owner_table, seed->owner_id);
	}
	return 0;
}

/* libsodium's secret key is seed and public key. The seal binds this public key to this
 * seed, so it need not be derived again (16 us): signing with a wrong one would give the
 * seed away. */
static void
sign_with(const uint8_t *seed, const struct nkey_public *public_key, const uint8_t *msg,
	size_t len, uint8_t *out_sig)
{
	uint8_t secret_key[crypto_sign_SECRETKEYBYTES];
	memcpy(secret_key, seed, VAULT_SEED_LEN);
	memcpy(secret_key + VAULT_SEED_LEN, public_key->bytes, NKEY_PUBLIC_LEN);
	crypto_sign_detached(out_sig, NULL, msg, len, secret_key);
	secret_wipe(secret_key, sizeof(secret_key));
}

int
vault_sign(const struct vault *vault, const struct vault_seed *seed, const uint8_t *msg,
	size_t len, uint8_t out_sig[static VAULT_SIG_LEN], struct err *err)
{
	uint8_t plain[VAULT_SEED_LEN];
	if (vault_seed_open(vault, seed, plain, err) != 0) {
		return -1;
	}
	sign_with(plain, &seed->public_key, msg, len, out_sig);
	secret_wipe(plain, sizeof(plain));
	return 0;
}

struct vault_pair {
	uint8_t seed[VAULT_SEED_LEN];
	struct nkey_public public_key;
};

int
vault_pair_new(struct vault_pair **out, struct nkey_public *out_key, struct err *err)
{
	struct vault_pair *pair = sodium_malloc(sizeof(*pair));
	if (pair == NULL) {
		return err_set(
			err, ERR_NOMEM, "no locked memory for a key: raise `ulimit -l`");
	}
	rand_bytes(pair->seed, sizeof(pair->seed));
	derive_public(NKEY_USER, pair->seed, &pair->public_key);
	*out_key = pair->public_key;
	*out = pair;
	return 0;
}

void
vault_pair_sign(const struct vault_pair *pair, const uint8_t *msg, size_t len,
	uint8_t out_sig[static VAULT_SIG_LEN])
{
	sign_with(pair->seed, &pair->public_key, msg, len, out_sig);
}

void
vault_pair_free(struct vault_pair *pair)
{
	sodium_free(pair); /* wipes; NULL is allowed */
}

void
vault_mac(const struct vault *vault, const char *scope, const char *key, const void *msg,
	size_t len, uint8_t out_mac[static VAULT_MAC_LEN])
{
	crypto_generichash_state state;
	const char *parts[] = { scope, key };
	crypto_generichash_init(&state, vault->mac_key, VAULT_KEY_LEN, VAULT_MAC_LEN);
	for (size_t i = 0; i < 2; i++) {
		uint64_t part_len = strlen(parts[i]);
		uint8_t prefix[8];
		for (size_t b = 0; b < sizeof(prefix); b++) {
			prefix[b] = (uint8_t)(part_len >> (8 * b));
		}
		crypto_generichash_update(&state, prefix, sizeof(prefix));
		crypto_generichash_update(&state, (const uint8_t *)parts[i], part_len);
	}
	crypto_generichash_update(&state, msg, len);
	crypto_generichash_final(&state, out_mac, VAULT_MAC_LEN);
	sodium_memzero(&state, sizeof(state));
}

bool
vault_verify(const struct nkey_public *key, const uint8_t *msg, size_t len,
	const uint8_t sig[static VAULT_SIG_LEN])
{
	return crypto_sign_verify_detached(sig, msg, len, key->bytes) == 0;
}

void
vault_hash(const void *data, size_t len, uint8_t out[static 32])
{
	crypto_generichash(out, 32, data, len, NULL, 0);
}
