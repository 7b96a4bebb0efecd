/* SPDX-License-Identifier: Apache-2.0
 * Key slots, data keys and sealed seeds as stored. Their meaning is the vault
 * module's. */
#ifndef STORE_VAULT_H
#define STORE_VAULT_H

#include "base/nkey_text.h"
#include "store/store.h"

enum { STORE_KEY_ID_LEN = 16, STORE_WRAPPED_LEN = 24 + 32 + 16, STORE_SEALED_LEN = 77 };

struct store_vault_slot {
	uint8_t key_id[STORE_KEY_ID_LEN];
	uint8_t wrapped[STORE_WRAPPED_LEN];
};

struct store_vault_key {
	uint32_t id;
	uint8_t wrapped[STORE_WRAPPED_LEN];
};

/* One sealed seed. table and column have static storage when written, and are the row's
 * when read. */
struct store_vault_seed {
	char owner_table[24];
	char owner_column[24];
	char owner_id[RAND_ID_SIZE];
	enum nkey_role role;
	struct nkey_public public_key;
	uint8_t sealed[STORE_SEALED_LEN];
};

/* The one slot of kind 'file'; ERR_NOT_FOUND when the vault was never set up. */
int store_vault_slot_get(struct store_conn *conn, struct store_vault_slot *out,
	struct err *err) MUST_CHECK;
int store_vault_slot_insert(struct store_tx *tx, const struct store_vault_slot *slot,
	struct err *err) MUST_CHECK;

/* All data keys, oldest first; the caller frees *out. */
int store_vault_keys(struct store_conn *conn, struct store_vault_key **out,
	size_t *out_len, struct err *err) MUST_CHECK;
int store_vault_key_insert(struct store_tx *tx, const struct store_vault_key *key,
	struct err *err) MUST_CHECK;

int store_vault_seed_get(struct store_conn *conn, const struct nkey_public *public_key,
	struct store_vault_seed *out, struct err *err) MUST_CHECK;
int store_vault_seed_insert(struct store_tx *tx, const struct store_vault_seed *seed,
	struct err *err) MUST_CHECK;

/* Nothing when there is none. */
int store_vault_seed_delete(struct store_tx *tx, const struct nkey_public *public_key,
	struct err *err) MUST_CHECK;

#endif
