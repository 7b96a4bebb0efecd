/* SPDX-License-Identifier: Apache-2.0 */
#include "service/internal.h"

#include "store/budget.h"
#include "store/publish.h"
#include "store/record.h"
#include "store/revocation.h"
#include "store/role.h"

#include <stdlib.h>
#include <string.h>

static int64_t
later_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Up to when (unix seconds) the JWTs that the user may hold must be refused: a server
 * refuses what was issued at or before it. */
static int64_t
revoke_time(const struct service *service, const struct user *user)
{
	return later_of(clock_wall_s(service->clock), user->iat);
}

static bool
moves(const struct work *work)
{
	return !work->is_create &&
		(work_changes(work, "account_id") || work_changes(work, "role_id"));
}

/* What the change revokes or lifts is in the account that the user was in. */
static bool
needs_old_account(const struct work *work)
{
	return !work->is_create && (moves(work) || work_changes(work, "active"));
}

/* One more role in the account. */
static int
check_room_for_role(struct store_conn *conn, const struct work *work, struct err *err)
{
	int64_t account = 0;
	int64_t role = 0;
	if (store_budget_account(conn, work->account_seq, &account, err) != 0 ||
		store_budget_role(conn, work->role_seq, &role, err) != 0) {
		return -1;
	}
	return budget_check(account + role, BUDGET_ROLES, err);
}

/* The seqs that the row refers to, and whether (account, role) has a scoped key
 * already. */
static int
read_relations(struct store_conn *conn, void *ctx, struct err *err)
{
	struct work *work = ctx;
	struct user *user = &work->after.user;
	struct account account = { 0 };
	struct role role = { 0 };
	struct store_signing_key key;
	int found = 0;
	int rc = -1;

	if (user->role_id[0] == '\0' &&
		store_role_find_default(conn, user->role_id, err) < 0) {
		goto out;
	}
	if (user->role_id[0] == '\0') {
		violations_add(work->violations, "role_id", VIOLATION_REQUIRED,
			"Cannot be blank: there is no default role.");
		rc = 0;
		goto out;
	}
	if (store_record_get(
		    conn, &account_collection, user->account_id, &account, err) != 0) {
		if (err->code == ERR_NOT_FOUND) {
			violations_add(work->violations, "account_id",
				VIOLATION_MISSING_REL,
				"There is no account with this id.");
			rc = 0;
		}
		goto out;
	}
	if (store_record_get(conn, &role_collection, user->role_id, &role, err) != 0) {
		if (err->code == ERR_NOT_FOUND) {
			violations_add(work->violations, "role_id", VIOLATION_MISSING_REL,
				"There is no role with this id.");
			rc = 0;
		}
		goto out;
	}
	work->account_seq = account.head.seq;
	work->key_set = account.key_set;
	work->role_seq = role.head.seq;
	if (!work->is_create) {
		/* The default role may be the one that the user has: then it does not
		 * move. */
		work->changed =
			record_diff(work->collection, &work->before, &work->after);
	}
	found = store_signing_key_find_scope(
		conn, account.head.seq, role.head.seq, &key, err);
	work->signing.wanted = found == 0;
	rc = found < 0 ? -1 : 0;
	if (found == 0) {
		rc = check_room_for_role(conn, work, err);
	}
out:
	record_release(&account_collection, &account);
	record_release(&role_collection, &role);
	return rc;
}

static int
read_old_account(struct store_conn *conn, void *ctx, struct err *err)
{
	struct work *work = ctx;
	struct account account = { 0 };
	if (store_record_get(conn, &account_collection, work->before.user.account_id,
		    &account, err) != 0) {
		return -1;
	}
	work->old_account_seq = account.head.seq;
	record_release(&account_collection, &account);
	return 0;
}

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
prepare(struct work *work, struct err *err)
{
	struct user *user = &work->after.user;
	struct service *service = work->service;

	if (needs_old_account(work) &&
		service_read(service, read_old_account, work, err) != 0) {
		return -1;
	}
	if ((work->is_create || moves(work)) &&
		service_read(service, read_relations, work, err) != 0) {
		return -1;
	}
	if (prepare_password(work, err) != 0) {
		return -1;
	}
	if (work->violations->len > 0) {
		return 0;
	}
	if (work->signing.wanted) {
		char id[RAND_ID_SIZE];
		rand_id(service->clock, id);
		if (new_key_make(service, &work->signing, "signing_keys", "public_key",
			    id, NKEY_ACCOUNT, err) != 0) {
			return -1;
		}
	}
	if (work->is_create) {
		user->iat = clock_wall_s(service->clock);
		if (new_key_make(service, &work->identity, "users", "public_key",
			    user->head.id, NKEY_USER, err) != 0) {
			return -1;
		}
		user->public_key = work->identity.seed.public_key;
	} else if (moves(work)) {
		/* What was issued before is refused from now on; what is issued next is
		 * not. Read once: a second that passes before the write must not refuse
		 * the new JWT too. */
		work->moved_at = revoke_time(service, &work->before.user);
		user->iat = work->moved_at + 1;
		user->issued_at = 0;
	}
	work->remade =
		work->is_create || moves(work) || work_changes(work, "nats_username");
	return 0;
}

/* The scoped key of (account, role), unless another write made it first. */
static int
write_scope(struct store_tx *tx, struct work *work, struct err *err)
{
	if (!work->signing.wanted) {
		return 0;
	}
	struct store_signing_key key = {
		.account = work->account_seq,
		.role = work->role_seq,
		.public_key = work->signing.seed.public_key,
		.key_set = work->key_set,
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
	return store_publish_bump(tx, work->account_seq, true, err);
}

static int
revoke(struct store_tx *tx, struct work *work, enum store_revocation_cause cause,
	int64_t at, struct err *err)
{
	const struct user *user = &work->before.user;
	if (user->issued_at == 0) {
		return 0; /* no JWT ever left: there is nothing to refuse */
	}
	int64_t bytes = 0;
	if (store_budget_account(store_tx_conn(tx), work->old_account_seq, &bytes, err) !=
			0 ||
		budget_check(bytes + STORE_BUDGET_REVOCATION_BYTES,
			cause == STORE_REVOKED_SUSPEND ? BUDGET_SUSPENSIONS
						       : BUDGET_DELETES,
			err) != 0 ||
		store_revocation_put(tx, work->old_account_seq, &user->public_key, cause,
			at, err) != 0) {
		return -1;
	}
	return store_publish_bump(tx, work->old_account_seq, true, err);
}

static int
lift_suspension(struct store_tx *tx, struct work *work, struct err *err)
{
	bool lifted = false;
	if (store_revocation_lift(tx, work->old_account_seq,
		    &work->before.user.public_key, STORE_REVOKED_SUSPEND, &lifted,
		    err) != 0) {
		return -1;
	}
	return lifted ? store_publish_bump(tx, work->old_account_seq, true, err) : 0;
}

/* In the account that the user stays in. In one that it comes to nothing was issued for
 * it yet, and its creds are not given out while it is suspended. In one that it leaves
 * all is refused for good, so a suspension would only be forgotten there, and meet the
 * user should it ever come back with a clock that was set back. */
static int
write_activity(struct store_tx *tx, struct work *work, struct err *err)
{
	if (work_changes(work, "account_id")) {
		return lift_suspension(tx, work, err);
	}
	if (!work_changes(work, "active")) {
		return 0;
	}
	if (work->after.user.active) {
		return lift_suspension(tx, work, err);
	}
	return revoke(tx, work, STORE_REVOKED_SUSPEND,
		revoke_time(work->service, &work->before.user), err);
}

static int
write_user(struct store_tx *tx, struct work *work, struct err *err)
{
	if (work->is_create &&
		store_vault_seed_insert(tx, &work->identity.seed, err) != 0) {
		return -1;
	}
	if (write_scope(tx, work, err) != 0) {
		return -1;
	}
	if (work->is_create) {
		return 0;
	}
	if (moves(work) &&
		revoke(tx, work, STORE_REVOKED_MOVE, work->moved_at, err) != 0) {
		return -1;
	}
	return write_activity(tx, work, err);
}

static int
remove_user(struct store_tx *tx, struct work *work, struct err *err)
{
	const struct user *user = &work->before.user;
	struct account account = { 0 };
	if (store_record_get(store_tx_conn(tx), &account_collection, user->account_id,
		    &account, err) != 0) {
		return -1;
	}
	work->old_account_seq = account.head.seq;
	record_release(&account_collection, &account);
	if (revoke(tx, work, STORE_REVOKED_DELETE, revoke_time(work->service, user),
		    err) != 0 ||
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
