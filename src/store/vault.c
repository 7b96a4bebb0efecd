/* SPDX-License-Identifier: Apache-2.0 */
#include "store/vault.h"

#include "store/conn.h"

#include <stdlib.h>

int
store_vault_slot_get(
	struct store_conn *conn, struct store_vault_slot *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	struct store_vault_slot slot;
	if (store_stmt_open(&stmt, conn, STORE_STMT_VAULT_SLOT_GET,
		    "SELECT key_id, wrapped FROM vault_slots WHERE kind = 'file'",
		    err) != 0) {
		return -1;
	}
	int rc = store_stmt_step(&stmt, err);
	if (rc < 0) {
		return -1;
	}
	if (rc == 0) {
		return err_set(err, ERR_NOT_FOUND, "the vault was never set up");
	}
	if (store_stmt_blob(&stmt, 0, slot.key_id, sizeof(slot.key_id), err) != 0 ||
		store_stmt_blob(&stmt, 1, slot.wrapped, sizeof(slot.wrapped), err) != 0) {
		return -1;
	}
	*out = slot;
	return 0;
}

int
store_vault_slot_insert(
	struct store_tx *tx, const struct store_vault_slot *slot, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_VAULT_SLOT_INSERT,
		    "INSERT INTO vault_slots (kind, key_id, wrapped, created) "
		    "VALUES ('file', ?1, ?2, ?3)",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_blob(&stmt, 1, slot->key_id, sizeof(slot->key_id));
	store_stmt_bind_blob(&stmt, 2, slot->wrapped, sizeof(slot->wrapped));
	store_stmt_bind_int(&stmt, 3, store_tx_now(tx));
	return store_stmt_run(&stmt, NULL, err);
}

static int
read_data_key(const struct store_stmt *stmt, void *out, struct err *err)
{
	struct store_vault_key *key = out;
	key->id = (uint32_t)store_stmt_int(stmt, 0);
	return store_stmt_blob(stmt, 1, key->wrapped, sizeof(key->wrapped), err);
}

int
store_vault_keys(struct store_conn *conn, struct store_vault_key **out, size_t *out_len,
	struct err *err)
{
	static const struct store_items kind = { .size = sizeof(**out),
		.read = read_data_key };
	STORE_STMT_AUTO stmt = { 0 };
	void *keys = NULL;
	if (store_stmt_open(&stmt, conn, STORE_STMT_VAULT_KEYS,
		    "SELECT id, wrapped FROM vault_keys ORDER BY id", err) != 0 ||
		store_stmt_collect(&stmt, &kind, &keys, out_len, err) != 0) {
		return -1;
	}
	*out = keys;
	return 0;
}

int
store_vault_key_insert(
	struct store_tx *tx, const struct store_vault_key *key, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_VAULT_KEY_INSERT,
		    "INSERT INTO vault_keys (id, wrapped, created) VALUES (?1, ?2, ?3)",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, key->id);
	store_stmt_bind_blob(&stmt, 2, key->wrapped, sizeof(key->wrapped));
	store_stmt_bind_int(&stmt, 3, store_tx_now(tx));
	return store_stmt_run(&stmt, NULL, err);
}

int
store_vault_seed_read(const struct store_stmt *stmt, int first,
	struct store_vault_seed *out, struct err *err)
{
	struct store_vault_seed seed = { .role = (enum nkey_role)store_stmt_int(
						 stmt, first + 3) };
	if (store_stmt_copy(
		    stmt, first, seed.owner_table, sizeof(seed.owner_table), err) != 0 ||
		store_stmt_copy(stmt, first + 1, seed.owner_column,
			sizeof(seed.owner_column), err) != 0 ||
		store_stmt_copy(stmt, first + 2, seed.owner_id, sizeof(seed.owner_id),
			err) != 0 ||
		store_stmt_blob(stmt, first + 4, seed.public_key.bytes,
			sizeof(seed.public_key.bytes), err) != 0 ||
		store_stmt_blob(stmt, first + 5, seed.sealed, sizeof(seed.sealed), err) !=
			0) {
		return -1;
	}
	*out = seed;
	return 0;
}

int
store_vault_seed_get(struct store_conn *conn, const struct nkey_public *public_key,
	struct store_vault_seed *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_VAULT_SEED_GET,
		    "SELECT " STORE_VAULT_SEED_COLUMNS(
			    "v") " FROM vault v WHERE public_key = ?1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_key(&stmt, 1, public_key);
	int rc = store_stmt_step(&stmt, err);
	if (rc <= 0) {
		return rc < 0 ? -1
			      : err_set(err, ERR_NOT_FOUND,
					"the vault holds no seed of this key");
	}
	return store_vault_seed_read(&stmt, 0, out, err);
}

int
store_vault_seed_insert(
	struct store_tx *tx, const struct store_vault_seed *seed, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_VAULT_SEED_INSERT,
		    "INSERT INTO vault (owner_table, owner_column, owner_id, role, "
		    "public_key, "
		    "sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_text(&stmt, 1, seed->owner_table);
	store_stmt_bind_text(&stmt, 2, seed->owner_column);
	store_stmt_bind_text(&stmt, 3, seed->owner_id);
	store_stmt_bind_int(&stmt, 4, seed->role);
	store_stmt_bind_key(&stmt, 5, &seed->public_key);
	store_stmt_bind_blob(&stmt, 6, seed->sealed, sizeof(seed->sealed));
	return store_stmt_run(&stmt, NULL, err);
}

int
store_vault_seed_delete(
	struct store_tx *tx, const struct nkey_public *public_key, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_VAULT_SEED_DELETE,
		    "DELETE FROM vault WHERE public_key = ?1", err) != 0) {
		return -1;
	}
	store_stmt_bind_key(&stmt, 1, public_key);
	return store_stmt_run(&stmt, NULL, err);
}
