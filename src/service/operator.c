/* SPDX-License-Identifier: Apache-2.0 */
#include "service/operator.h"

#include "base/str.h"
#include "mint/operator.h"
#include "mint/user.h"
#include "model/limits.h"
#include "model/operator.h"
#include "service/internal.h"
#include "store/operator.h"
#include "store/publish.h"
#include "store/record.h"

#include <stdlib.h>
#include <string.h>

enum { TOKEN_MAX_BYTES = 64 * 1024 };

static const char system_account_name[] = "SYS";

struct init {
	const struct actor *actor;
	struct operator_row operator;
	struct account system;
	struct new_key identity; /* of the operator */
	struct new_key signing; /* of the operator */
	struct new_key system_identity;
	struct new_key system_signing;
};

static int
make_keys(struct service *service, struct init *init, struct err *err)
{
	char operator_key_id[RAND_ID_SIZE];
	char system_key_id[RAND_ID_SIZE];
	rand_id(service->clock, operator_key_id);
	rand_id(service->clock, system_key_id);
	if (new_key_make(service, &init->identity, "operator", "public_key",
		    init->operator.head.id, NKEY_OPERATOR, err) != 0 ||
		new_key_make(service, &init->signing, "signing_keys", "public_key",
			operator_key_id, NKEY_OPERATOR, err) != 0 ||
		new_key_make(service, &init->system_identity, "accounts", "public_key",
			init->system.head.id, NKEY_ACCOUNT, err) != 0 ||
		new_key_make(service, &init->system_signing, "signing_keys", "public_key",
			system_key_id, NKEY_ACCOUNT, err) != 0) {
		return -1;
	}
	init->operator.public_key = init->identity.seed.public_key;
	init->system.public_key = init->system_identity.seed.public_key;
	return 0;
}

static int
mint_operator_jwt(struct service *service, struct init *init, struct err *err)
{
	struct buf token;
	struct vault_seed identity = sealed_seed(&init->identity.seed);
	struct mint_operator mint = {
		.name = init->operator.name,
		.identity = &identity,
		.signing_keys = &init->signing.seed.public_key,
		.signing_key_count = 1,
		.system_account = init->system.public_key,
		.iat = clock_wall_s(service->clock),
	};
	buf_init(&token, TOKEN_MAX_BYTES);
	int rc = mint_operator(service->vault, &mint, &token, err);
	if (rc == 0) {
		rc = buf_finish(&token, err);
	}
	if (rc == 0) {
		init->operator.jwt = buf_take(&token);
	}
	buf_release(&token);
	return rc;
}

static int
insert_key(
	struct store_tx *tx, const struct new_key *key, int64_t account, struct err *err)
{
	struct store_signing_key row = {
		.account = account,
		.public_key = key->seed.public_key,
		.key_set = 1,
	};
	memcpy(row.id, key->id, sizeof(row.id));
	if (store_signing_key_insert(tx, &row, err) < 0) {
		return -1;
	}
	return store_vault_seed_insert(tx, &key->seed, err);
}

static int
write_operator(struct store_tx *tx, void *ctx, struct err *err)
{
	struct init *init = ctx;
	struct operator_row existing = { 0 };
	int found = store_operator_find(store_tx_conn(tx), &existing, err);
	record_release(&operator_collection, &existing);
	if (found != 0) {
		return found < 0
			? -1
			: err_set(err, ERR_CONFLICT, "there is an operator already");
	}
	if (store_record_insert(tx, &account_collection, &init->system, NULL, err) != 0 ||
		store_vault_seed_insert(tx, &init->system_identity.seed, err) != 0 ||
		insert_key(tx, &init->system_signing, init->system.head.seq, err) != 0 ||
		store_publish_insert(tx, init->system.head.seq, err) != 0 ||
		store_record_insert(
			tx, &operator_collection, &init->operator, NULL, err) != 0 ||
		store_vault_seed_insert(tx, &init->identity.seed, err) != 0 ||
		insert_key(tx, &init->signing, 0, err) != 0) {
		return -1;
	}
	if (service_audit(tx, init->actor, "create", &account_collection,
		    init->system.head.id, NULL, err) != 0) {
		return -1;
	}
	return service_audit(tx, init->actor, "create", &operator_collection,
		init->operator.head.id, NULL, err);
}

int
service_operator_init(struct service *service, const struct actor *actor,
	const char *name, struct err *err)
{
	struct init init = { .actor = actor };
	struct violations violations = { 0 };
	int rc = -1;

	if (authorise(actor, VERB_CREATE, &operator_collection, NULL, err) != 0) {
		return -1;
	}
	rand_id(service->clock, init.operator.head.id);
	init.operator.name = str_dup(name);
	if (init.operator.name == NULL || account_init(&init.system, err) != 0) {
		err_nomem(err);
		goto out;
	}
	free(init.system.name);
	init.system.name = str_dup(system_account_name);
	if (init.system.name == NULL) {
		err_nomem(err);
		goto out;
	}
	init.system.is_system = true;
	rand_id(service->clock, init.system.head.id);
	memcpy(init.operator.system_account_id, init.system.head.id, RAND_ID_SIZE);

	record_validate(&operator_collection, &init.operator,
		collection_field_bit(&operator_collection, "name"), &violations);
	if (violations_check(&violations, err) != 0 ||
		make_keys(service, &init, err) != 0 ||
		mint_operator_jwt(service, &init, err) != 0) {
		goto out;
	}
	rc = store_write(service->store, write_operator, &init, err);
out:
	record_release(&operator_collection, &init.operator);
	record_release(&account_collection, &init.system);
	return rc;
}

static int
read_operator(struct store_conn *conn, void *ctx, struct err *err)
{
	int found = store_operator_find(conn, ctx, err);
	if (found == 0) {
		return err_set(err, ERR_NOT_FOUND,
			"there is no operator yet: run natsid init, or natsid serve");
	}
	return found < 0 ? -1 : 0;
}

int
service_operator_jwt(struct service *service, const struct actor *actor, struct buf *out,
	struct err *err)
{
	struct operator_row row = { 0 };
	if (authorise(actor, VERB_DOWNLOAD, &operator_collection, NULL, err) != 0) {
		return -1;
	}
	int rc = service_read(service, read_operator, &row, err);
	if (rc == 0) {
		buf_put_str(out, row.jwt);
		rc = buf_finish(out, err);
	}
	record_release(&operator_collection, &row);
	return rc;
}

/* The system account's key that signs, and what its users name as their account. */
struct system_issuer {
	struct nkey_public account_key;
	struct store_vault_seed seed;
};

static int
read_system_issuer(struct store_conn *conn, void *ctx, struct err *err)
{
	struct system_issuer *issuer = ctx;
	struct operator_row operator= { 0 };
	struct account account = { 0 };
	struct store_signing_key key;
	int rc = read_operator(conn, &operator, err);
	if (rc == 0) {
		rc = store_record_get(conn,
			&account_collection, operator.system_account_id, &account, err);
	}
	if (rc == 0) {
		issuer->account_key = account.public_key;
		rc = store_signing_key_plain(conn, account.head.seq, &key, err);
	}
	if (rc == 0) {
		rc = store_vault_seed_get(conn, &key.public_key, &issuer->seed, err);
	}
	record_release(&operator_collection, &operator);
	record_release(&account_collection, &account);
	return rc;
}

int
service_system_user_jwt(struct service *service, const struct nkey_public *user_key,
	const char *inbox, char **out_jwt, struct err *err)
{
	struct system_issuer issuer = { 0 };
	struct buf token;
	buf_init(&token, LIMIT_USER_JWT_BYTES);
	int rc = service_read(service, read_system_issuer, &issuer, err);
	if (rc == 0) {
		struct vault_seed seed = sealed_seed(&issuer.seed);
		struct mint_system_user mint = {
			.issuer = &seed,
			.account_key = issuer.account_key,
			.user_key = *user_key,
			.inbox = inbox,
			.iat = clock_wall_s(service->clock),
		};
		rc = mint_system_user(service->vault, &mint, &token, err);
	}
	if (rc == 0) {
		rc = buf_finish(&token, err);
	}
	if (rc == 0) {
		*out_jwt = buf_take(&token);
	}
	buf_release(&token);
	return rc;
}
