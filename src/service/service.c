/* SPDX-License-Identifier: Apache-2.0 */
#include "service/internal.h"

#include "base/rand.h"
#include "base/secret.h"
#include "base/str.h"
#include "store/audit.h"

#include <stdlib.h>
#include <string.h>

int
service_read(struct service *service,
	int (*fn)(struct store_conn *conn, void *ctx, struct err *err), void *ctx,
	struct err *err)
{
	struct store_conn *conn = NULL;
	if (store_read_begin(service->store, &conn, err) != 0) {
		return -1;
	}
	int rc = fn(conn, ctx, err);
	store_read_end(service->store, conn);
	return rc;
}

static int
read_uuid(struct store_conn *conn, void *ctx, struct err *err)
{
	struct service *service = ctx;
	return store_settings_uuid(conn, service->uuid, err);
}

int
service_new(const struct service_params *params, struct service **out, struct err *err)
{
	struct service *service = calloc(1, sizeof(*service));
	if (service == NULL) {
		return err_nomem(err);
	}
	service->store = params->store;
	service->vault = params->vault;
	service->clock = params->clock;
	service->default_lifetime_s = params->default_lifetime_s;
	if (throttle_new(params->clock, &service->throttle, err) != 0 ||
		hashing_new(&service->hashing, err) != 0 ||
		turn_new(&service->turn, err) != 0 ||
		waits_new(&service->waits, err) != 0 ||
		service_read(service, read_uuid, service, err) != 0) {
		service_free(service);
		return -1;
	}
	*out = service;
	return 0;
}

void
service_free(struct service *service)
{
	if (service != NULL) {
		throttle_free(service->throttle);
		hashing_free(service->hashing);
		turn_free(service->turn);
		waits_free(service->waits);
		free(service);
	}
}

static int
check_vault(struct store_conn *conn, void *ctx, struct err *err)
{
	struct service *service = ctx;
	struct store_signing_key key;
	struct store_vault_seed stored;
	uint8_t plain[VAULT_SEED_LEN];
	if (store_signing_key_plain(conn, 0, &key, err) != 0 ||
		store_vault_seed_get(conn, &key.public_key, &stored, err) != 0) {
		return -1;
	}
	struct vault_seed seed = sealed_seed(&stored);
	int rc = vault_seed_open(service->vault, &seed, plain, err);
	secret_wipe(plain, sizeof(plain));
	return rc;
}

int
service_check(struct service *service, struct err *err)
{
	return service_read(service, check_vault, service, err);
}

struct vault_seed
sealed_seed(const struct store_vault_seed *stored)
{
	struct vault_seed seed = {
		.owner_table = stored->owner_table,
		.owner_column = stored->owner_column,
		.owner_id = stored->owner_id,
		.role = stored->role,
		.public_key = stored->public_key,
	};
	_Static_assert(sizeof(seed.sealed) == sizeof(stored->sealed), "sealed seed");
	memcpy(seed.sealed, stored->sealed, sizeof(seed.sealed));
	return seed;
}

int
new_key_make(struct service *service, struct new_key *key, const char *table,
	const char *column, const char *id, enum nkey_role role, struct err *err)
{
	struct vault_seed seed = {
		.owner_table = table,
		.owner_column = column,
		.owner_id = id,
		.role = role,
	};
	if (vault_generate(service->vault, &seed, err) != 0) {
		return -1;
	}
	*key = (struct new_key){ .wanted = true };
	key->seed.role = role;
	key->seed.public_key = seed.public_key;
	memcpy(key->seed.sealed, seed.sealed, sizeof(key->seed.sealed));
	if (str_copy(key->id, sizeof(key->id), id) != 0 ||
		str_copy(key->seed.owner_table, sizeof(key->seed.owner_table), table) !=
			0 ||
		str_copy(key->seed.owner_column, sizeof(key->seed.owner_column),
			column) != 0 ||
		str_copy(key->seed.owner_id, sizeof(key->seed.owner_id), id) != 0) {
		return err_set(err, ERR_INTERNAL, "the owner of a key is too long");
	}
	return 0;
}

int
destroy_signing_keys(struct store_tx *tx, const struct store_signing_key *keys,
	size_t len, struct err *err)
{
	for (size_t i = 0; i < len; i++) {
		if (store_vault_seed_delete(tx, &keys[i].public_key, err) != 0 ||
			store_signing_key_delete(tx, keys[i].seq, err) != 0) {
			return -1;
		}
	}
	return 0;
}

int
service_audit(struct store_tx *tx, const struct actor *actor, const char *action,
	const struct collection *collection, const char *id, const struct strlist *fields,
	struct err *err)
{
	struct store_audit_entry entry = {
		.request_id = actor->request_id != NULL ? actor->request_id : "",
		.actor = actor_name(actor->kind),
		.actor_id = actor->id,
		.action = action,
		.collection = collection,
		.record_id = id,
		.fields = fields,
	};
	return store_audit_append(tx, &entry, err);
}

int
service_hash_password(
	struct service *service, const char *password, char **out_hash, struct err *err)
{
	char hash[VAULT_PASSWORD_HASH_SIZE];
	if (hashing_enter(service->hashing, err) != 0) {
		return -1;
	}
	int rc = vault_password_hash(password, hash, err);
	hashing_leave(service->hashing);
	if (rc != 0) {
		return -1;
	}
	char *copy = str_dup(hash);
	if (copy == NULL) {
		return err_nomem(err);
	}
	free(*out_hash);
	*out_hash = copy;
	return 0;
}

int
service_verify_password(
	struct service *service, const char *hash, const char *password, struct err *err)
{
	if (hashing_enter(service->hashing, err) != 0) {
		return -1;
	}
	int matches = vault_password_verify(hash, password);
	hashing_leave(service->hashing);
	return matches;
}

char *
service_token_key(void)
{
	enum { TOKEN_KEY_CHARS = 50 };
	char key[TOKEN_KEY_CHARS + 1];
	rand_alnum(key, TOKEN_KEY_CHARS);
	return str_dup(key);
}
