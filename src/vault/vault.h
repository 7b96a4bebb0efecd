/* SPDX-License-Identifier: Apache-2.0
 * Seeds at rest. A master key (a file) opens a slot with the root key; the root key opens
 * the data keys; the newest data key seals each seed with XChaCha20-Poly1305, bound to
 * the row that it is of. Root and data keys live in locked memory; a seed is open on the
 * stack for one use. */
#ifndef VAULT_VAULT_H
#define VAULT_VAULT_H

#include "base/err.h"
#include "base/nkey_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	VAULT_KEY_LEN = 32,
	VAULT_KEY_ID_LEN = 16,
	VAULT_WRAPPED_LEN = 24 + 32 + 16, /* nonce, ciphertext, tag */
	VAULT_SEALED_LEN = 1 + 4 + 24 + 32 +
		16, /* v1, data key id (big-endian), nonce, ciphertext, tag */
	VAULT_SEED_LEN = 32,
	VAULT_SIG_LEN = 64,
	VAULT_MAC_LEN = 32,
	VAULT_PASSWORD_HASH_SIZE = 128
};

/* The master key as a slot: which key wraps the root key. */
struct vault_slot {
	uint8_t key_id[VAULT_KEY_ID_LEN];
	uint8_t wrapped[VAULT_WRAPPED_LEN];
};

struct vault_data_key {
	uint32_t id;
	uint8_t wrapped[VAULT_WRAPPED_LEN];
};

/* A sealed seed and what it is bound to. */
struct vault_seed {
	const char *owner_table; /* borrowed */
	const char *owner_column; /* borrowed */
	const char *owner_id; /* borrowed */
	enum nkey_role role;
	struct nkey_public public_key;
	uint8_t sealed[VAULT_SEALED_LEN];
};

struct vault;

/* ---- master key file ---- */

/* One line, "natsid-master-key-1 " and 43 base64url characters. */

/* Creates the file (0600, durable) with a new key. ERR_CONFLICT when it exists. */
int vault_key_file_create(const char *path, struct err *err) MUST_CHECK;

/* ERR_NOT_FOUND: no such file. ERR_INVALID: not a key file, or others can read it. The
 * key is wiped by the caller. */
int vault_key_file_read(const char *path, uint8_t out_key[static VAULT_KEY_LEN],
	struct err *err) MUST_CHECK;

/* ---- opening ---- */

/* New root and data key under the master key; the slot and the data key are to be
 * stored. */
int vault_create(const uint8_t master_key[static VAULT_KEY_LEN],
	const char *database_uuid, struct vault_slot *out_slot,
	struct vault_data_key *out_key, struct vault **out, struct err *err) MUST_CHECK;

/* ERR_FORBIDDEN: this is not the key that the slot was made with. ERR_CORRUPT: it is, but
 * slot or data key are damaged. */
int vault_open(const uint8_t master_key[static VAULT_KEY_LEN], const char *database_uuid,
	const struct vault_slot *slot, const struct vault_data_key *keys,
	size_t key_count, struct vault **out, struct err *err) MUST_CHECK;

void vault_free(struct vault *vault);

/* ---- seeds; thread-safe ---- */

/* Draws a seed, derives its public key and seals it; the owner and role of *seed are
 * given. */
int vault_generate(
	const struct vault *vault, struct vault_seed *seed, struct err *err) MUST_CHECK;

/* The same with a seed that somebody brings. */
int vault_seal(const struct vault *vault, const uint8_t plain[static VAULT_SEED_LEN],
	struct vault_seed *seed, struct err *err) MUST_CHECK;

/* ERR_CORRUPT when it was damaged or moved from another row. The caller wipes
 * out_seed. */
int vault_seed_open(const struct vault *vault, const struct vault_seed *seed,
	uint8_t out_seed[static VAULT_SEED_LEN], struct err *err) MUST_CHECK;

/* Ed25519 over msg with the sealed seed. */
int
vault_sign(const struct vault *vault, const struct vault_seed *seed, const uint8_t *msg,
	size_t len, uint8_t out_sig[static VAULT_SIG_LEN], struct err *err) MUST_CHECK;

/* ---- a key pair for one connection, in locked memory ---- */

struct vault_pair;
int vault_pair_new(
	struct vault_pair **out, struct nkey_public *out_key, struct err *err) MUST_CHECK;
void vault_pair_sign(const struct vault_pair *pair, const uint8_t *msg, size_t len,
	uint8_t out_sig[static VAULT_SIG_LEN]);
void vault_pair_free(struct vault_pair *pair);

/* ---- other uses of the root key ---- */

/* Keyed BLAKE2b of (scope, key, msg), under a key derived from the root key: a copy of
 * the database forges nothing. */
void vault_mac(const struct vault *vault, const char *scope, const char *key,
	const void *msg, size_t len, uint8_t out_mac[static VAULT_MAC_LEN]);

/* Ed25519: does the signature over msg come from the key? */
bool vault_verify(const struct nkey_public *key, const uint8_t *msg, size_t len,
	const uint8_t sig[static VAULT_SIG_LEN]);

/* ---- one-time links: who has the token, and nobody else, can open the text ---- */

enum {
	VAULT_LINK_TOKEN_LEN = 32,
	VAULT_LINK_HASH_LEN = 32,
	VAULT_LINK_OVERHEAD = 24 + 16
};

/* What the text is found by: tells nothing of the token or its key. */
void vault_link_hash(const uint8_t token[static VAULT_LINK_TOKEN_LEN],
	uint8_t out_hash[static VAULT_LINK_HASH_LEN]);

/* XChaCha20-Poly1305 under a key derived from the token, bound to the owner's id; writes
 * len + VAULT_LINK_OVERHEAD bytes. */
void vault_link_seal(const uint8_t token[static VAULT_LINK_TOKEN_LEN],
	const char *owner_id, const void *text, size_t len, uint8_t *out);

/* Writes len - VAULT_LINK_OVERHEAD bytes; the caller wipes them. ERR_CORRUPT: another
 * token or owner, or damaged. */
int
vault_link_open(const uint8_t token[static VAULT_LINK_TOKEN_LEN], const char *owner_id,
	const uint8_t *sealed, size_t len, uint8_t *out, struct err *err) MUST_CHECK;

/* BLAKE2b-256. */
void vault_hash(const void *data, size_t len, uint8_t out[static 32]);

/* ---- passwords (Argon2id, crypto_pwhash_str); slow, 64 MiB each: callers bound how many
 * run ---- */

int vault_password_hash(const char *password, char out[static VAULT_PASSWORD_HASH_SIZE],
	struct err *err) MUST_CHECK;

/* 1 matches, 0 does not. An empty hash costs the same time and never matches. */
int vault_password_verify(const char *hash, const char *password);

#endif
