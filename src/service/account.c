/* SPDX-License-Identifier: Apache-2.0 */
#include "service/internal.h"

#include "service/sharing.h"
#include "store/account.h"
#include "store/publish.h"
#include "store/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What the account's JWT says of the row. */
static const char *const minted[] = { "name", "active", "max_connections",
	"max_subscriptions", "max_data", "max_payload", "max_jetstream_disk_storage",
	"max_jetstream_memory_storage", NULL };

static int
prepare_create(struct work *work, struct err *err)
{
	char signing_id[RAND_ID_SIZE];
	struct account *account = &work->after.account;
	rand_id(work->service->clock, signing_id);
	if (new_key_make(work->service, &work->identity, "accounts", "public_key",
		    account->head.id, NKEY_ACCOUNT, err) != 0 ||
		new_key_make(work->service, &work->signing, "signing_keys", "public_key",
			signing_id, NKEY_ACCOUNT, err) != 0) {
		return -1;
	}
	account->public_key = work->identity.seed.public_key;
	return 0;
}

static int
prepare(struct work *work, struct err *err)
{
	if (work->is_create) {
		return prepare_create(work, err);
	}
	if (work->before.account.is_system && work_changes_any(work, minted)) {
		return err_set(err, ERR_CONFLICT,
			"The system account keeps its name, its limits and its activity: "
			"natsid "
			"itself connects through it.");
	}
	return 0;
}

static int
write_new(struct store_tx *tx, struct work *work, struct err *err)
{
	struct store_signing_key key = {
		.account = work->after.head.seq,
		.public_key = work->signing.seed.public_key,
		.key_set = work->after.account.key_set,
	};
	memcpy(key.id, work->signing.id, sizeof(key.id));
	if (store_vault_seed_insert(tx, &work->identity.seed, err) != 0 ||
		store_vault_seed_insert(tx, &work->signing.seed, err) != 0 ||
		store_signing_key_insert(tx, &key, err) < 0) {
		return -1;
	}
	return store_publish_insert(tx, work->after.head.seq, err);
}

static int
write_account(struct store_tx *tx, struct work *work, struct err *err)
{
	if (work->is_create) {
		return write_new(tx, work, err);
	}
	if (!work_changes_any(work, minted)) {
		return 0;
	}
	return store_publish_bump(
		tx, work->after.head.seq, work_changes(work, "active"), err);
}

/* The account's keys die with it: nobody can sign for it again, whatever a server still
 * holds. */
static int
destroy_keys(struct store_tx *tx, const struct account *account, struct err *err)
{
	struct store_signing_key *keys = NULL;
	size_t len = 0;
	if (store_signing_key_list(
		    store_tx_conn(tx), account->head.seq, &keys, &len, err) != 0) {
		return -1;
	}
	int rc = store_vault_seed_delete(tx, &account->public_key, err);
	if (rc == 0) {
		rc = destroy_signing_keys(tx, keys, len, err);
	}
	free(keys);
	return rc;
}

static int
remove_account(struct store_tx *tx, struct work *work, struct err *err)
{
	enum { COUNT_MOST = 1000000 };
	int64_t users = 0;
	const struct account *account = &work->before.account;
	if (account->is_system) {
		return err_set(
			err, ERR_CONFLICT, "The system account cannot be deleted.");
	}
	if (store_account_user_count(
		    store_tx_conn(tx), account->head.seq, COUNT_MOST, &users, err) != 0) {
		return -1;
	}
	if (users > 0) {
		return err_set(err, ERR_CONFLICT,
			"The account still has %" PRId64
			" user%s. Delete or move %s first.",
			users, users == 1 ? "" : "s", users == 1 ? "it" : "them");
	}
	if (sharing_remove_account(tx, account, err) != 0 ||
		store_account_mark_deleted(tx, &account->head, err) != 0 ||
		destroy_keys(tx, account, err) != 0) {
		return -1;
	}
	return store_publish_bump(tx, account->head.seq, true, err);
}

const struct record_ops account_ops = {
	.prepare = prepare,
	.write = write_account,
	.remove = remove_account,
};
