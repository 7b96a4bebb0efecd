/* SPDX-License-Identifier: Apache-2.0 */
#include "service/user_work.h"

#include "store/publish.h"
#include "store/record.h"

#include <stdlib.h>
#include <string.h>

static int
prepare_password(struct work *work, struct err *err)
{
	struct user *user = &work->after.user;
	bool email_changed = !work->is_create && work_changes(work, "email");
	bool has_password = user->password != NULL && user->password[0] != '\0';
	if (has_password ||
		(user->password_confirm != NULL && user->password_confirm[0] != '\0')) {
		password_validate(has_password ? user->password : "",
			user->password_confirm, work->violations);
	}
	if (work->violations->len > 0 || (!has_password && !email_changed)) {
		return 0;
	}
	char *token_key = service_token_key();
	if (token_key == NULL) {
		return err_nomem(err);
	}
	free(user->token_key);
	user->token_key = token_key;
	return has_password ? service_hash_password(work->service, user->password,
				      &user->password_hash, err)
			    : 0;
}

static int
prepare_minted(struct work *work, struct err *err)
{
	struct user_sources sources = { 0 };
	int rc = user_sources_read(work, &sources, err);
	if (rc == 0 && work->violations->len == 0) {
		user_rules_check(work, &sources);
	}
	if (rc == 0) {
		rc = prepare_password(work, err);
	}
	if (rc == 0 && work->violations->len == 0) {
		rc = user_settle(work, &sources, err);
	}
	user_sources_release(&sources);
	return rc;
}

static int
prepare(struct work *work, struct err *err)
{
	if (user_is_minted_anew(work)) {
		return prepare_minted(work, err);
	}
	if (work_changes(work, "active") &&
		service_read(work->service, user_sources_old_account, work, err) != 0) {
		return -1;
	}
	return prepare_password(work, err);
}

/* The scoped key of (account, role), unless another write made it first. */
static int
write_scope(struct store_tx *tx, struct work *work, struct err *err)
{
	if (!work->signing.wanted) {
		return 0;
	}
	const struct store_user_premises *premises = &work->plan.premises;
	struct store_signing_key key = {
		.account = premises->account,
		.role = premises->role,
		.public_key = work->signing.seed.public_key,
		.key_set = premises->key_set,
	};
	memcpy(key.id, work->signing.id, sizeof(key.id));
	int inserted = store_signing_key_insert(tx, &key, err);
	if (inserted <= 0) {
		return inserted;
	}
	if (store_vault_seed_insert(tx, &work->signing.seed, err) != 0) {
		return -1;
	}
	/* urgent: the creds that the answer holds must work at once */
	return store_publish_bump(tx, premises->account, true, err);
}

/* A key that was given may have been refused in the account since it was looked at. */
static int
check_given_key(struct store_tx *tx, const struct work *work, struct err *err)
{
	int64_t at = 0;
	const struct user *user = &work->after.user;
	if (!work->plan.key_given) {
		return 0;
	}
	if (store_revocation_key_at(store_tx_conn(tx), work->plan.premises.account,
		    &user->public_key, &at, err) != 0) {
		return -1;
	}
	return at < user->iat
		? 0
		: err_set(err, ERR_STALE, "the key was revoked in the account meanwhile");
}

static int
write_key(struct store_tx *tx, struct work *work, struct err *err)
{
	if (work->identity.wanted &&
		store_vault_seed_insert(tx, &work->identity.seed, err) != 0) {
		return -1;
	}
	if (work->plan.new_key && !work->is_create &&
		store_vault_seed_delete(tx, &work->before.user.public_key, err) != 0) {
		return -1;
	}
	return check_given_key(tx, work, err);
}

static int
write_user(struct store_tx *tx, struct work *work, struct err *err)
{
	const struct store_user_premises *premises = &work->plan.premises;
	if (premises->account != 0 && store_user_check_premises(tx, premises, err) != 0) {
		return -1;
	}
	if (write_key(tx, work, err) != 0 || write_scope(tx, work, err) != 0) {
		return -1;
	}
	return work->is_create ? 0 : user_write_revocations(tx, work, err);
}

static int
remove_user(struct store_tx *tx, struct work *work, struct err *err)
{
	const struct user *user = &work->before.user;
	if (user_revoke_deleted(tx, work, err) != 0 ||
		store_vault_seed_delete(tx, &user->public_key, err) != 0) {
		return -1;
	}
	return store_record_delete(tx, work->collection, &user->head, err);
}

const struct record_ops user_ops = {
	.prepare = prepare,
	.write = write_user,
	.remove = remove_user,
};
