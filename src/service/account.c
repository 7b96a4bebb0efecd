/* SPDX-License-Identifier: Apache-2.0 */
#include "service/internal.h"

#include "base/str.h"
#include "mint/scope.h"
#include "service/account_claims.h"
#include "service/account_rules.h"
#include "service/role_rules.h"
#include "service/sharing.h"
#include "store/account.h"
#include "store/audit.h"
#include "store/budget.h"
#include "store/publish.h"
#include "store/role_users.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Fields that the account's JWT says. */
static bool
changes_minted(const struct work *work)
{
	for (size_t i = 0; i < account_collection.field_count; i++) {
		if ((work->changed >> i & 1) != 0 &&
			account_rules_is_minted(&account_collection.fields[i])) {
			return true;
		}
	}
	return false;
}

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

/* What describes the system account may change; what natsid itself needs of it may not.
 */
static int
check_system(const struct work *work, struct err *err)
{
	static const char *const describing[] = { "description", "info_url", "tags",
		NULL };
	uint64_t free_to_change = 0;
	for (size_t i = 0; describing[i] != NULL; i++) {
		free_to_change |=
			collection_field_bit(&account_collection, describing[i]);
	}
	if (!work->before.account.is_system || (work->changed & ~free_to_change) == 0) {
		return 0;
	}
	return err_set(err, ERR_CONFLICT,
		"The system account keeps its name, its keys, its limits and its "
		"activity: "
		"natsid itself connects through it.");
}

/* Name and tags become parts of subjects where a role says so. */
static bool
changes_feeds(const struct work *work)
{
	return work_changes(work, "name") || work_changes(work, "tags");
}

static int
look(struct store_conn *conn, void *ctx, struct err *err)
{
	struct work *work = ctx;
	if (store_budget_terms(conn, work->before.head.seq, &work->terms_bytes, err) !=
			0 ||
		store_audit_newest(conn, &work->seen, err) != 0) {
		return -1;
	}
	return changes_feeds(work) ? role_rules_check_account(conn, &work->after.account,
					     -1, work->violations, err)
				   : 0;
}

static int
prepare(struct work *work, struct err *err)
{
	account_rules_check(&work->after.account, work->violations);
	if (work->is_create) {
		return prepare_create(work, err) != 0 ? -1
						      : account_keys_prepare(work, err);
	}
	if (check_system(work, err) != 0 || account_keys_prepare(work, err) != 0) {
		return -1;
	}
	return changes_minted(work) && work->violations->len == 0
		? service_read(work->service, look, work, err)
		: 0;
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

/* A row that grows must fit; one that takes something away always may. */
static int
check_room(struct store_conn *conn, const struct work *work, struct err *err)
{
	int64_t terms = 0;
	int64_t bytes = 0;
	if (store_budget_terms(conn, work->after.head.seq, &terms, err) != 0 ||
		store_budget_account(conn, work->after.head.seq, &bytes, err) != 0) {
		return -1;
	}
	return terms <= work->terms_bytes ? 0 : budget_check(bytes, BUDGET_TERMS, err);
}

/* Users and roles may have changed since the look. */
static int
check_feeds_again(struct store_conn *conn, const struct work *work, struct err *err)
{
	const struct account *account = &work->after.account;
	if (!changes_feeds(work)) {
		return 0;
	}
	int changed =
		store_role_changed_of_account(conn, account->head.seq, work->seen, err);
	if (changed < 0) {
		return -1;
	}
	return changed > 0
		? err_set(err, ERR_STALE, "a role of the account was changed meanwhile")
		: role_rules_check_account(
			  conn, account, work->seen, work->violations, err);
}

/* An account that is fed into a role's templates, before and after the change. */
struct feeding {
	struct store_tx *tx;
	const struct work *work;
	bool changed; /* what some role is fed with */
	int64_t revoked;
};

/* JWTs of users with overrides hold what their role's templates were filled in with;
 * scopes are cut by what describes them. */
static int
revoke_fed(void *ctx, const struct role *role, struct err *err)
{
	struct feeding *feeding = ctx;
	const struct account *before = &feeding->work->before.account;
	const struct account *after = &feeding->work->after.account;
	char was[MINT_FEED_SIZE];
	char is[MINT_FEED_SIZE];
	int64_t revoked = 0;
	if (mint_scope_feed(role, before->name, &before->tags, was, err) != 0 ||
		mint_scope_feed(role, after->name, &after->tags, is, err) != 0) {
		return -1;
	}
	if (str_equal(was, is)) {
		return 0;
	}
	feeding->changed = true;
	if (store_role_revoke_overrides(feeding->tx, role->head.seq, after->head.seq,
		    store_tx_now(feeding->tx) / 1000, &revoked, err) != 0) {
		return -1;
	}
	feeding->revoked += revoked;
	return 0;
}

/* *out_changed: subjects that somebody has are made of other parts from now on. */
static int
write_feeds(
	struct store_tx *tx, const struct work *work, bool *out_changed, struct err *err)
{
	struct feeding feeding = { .tx = tx, .work = work };
	int64_t account = work->after.head.seq;
	int64_t bytes = 0;
	*out_changed = false;
	if (!changes_feeds(work)) {
		return 0;
	}
	struct store_conn *conn = store_tx_conn(tx);
	if (store_role_fed_by_account(conn, account, revoke_fed, &feeding, err) != 0 ||
		(feeding.revoked > 0 &&
			(store_budget_account(conn, account, &bytes, err) != 0 ||
				budget_check(bytes, BUDGET_NARROWINGS, err) != 0))) {
		return -1;
	}
	*out_changed = feeding.changed;
	return 0;
}

/* What the row may say alone may contradict the exports and imports that there are: the
 * fields that speak of those, if the change touches one. */
static int
blame_field(const struct work *work, struct err *err)
{
	static const char *const fields[] = { "max_exports", "max_imports",
		"allow_wildcard_exports" };
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (work_changes(work, fields[i])) {
			violations_add(work->violations, fields[i], VIOLATION_VALUE,
				"Not usable: %s.", err->msg);
			return violations_check(work->violations, err);
		}
	}
	return -1;
}

static int
check_claims(struct store_conn *conn, const struct work *work, struct err *err)
{
	if (account_claims_check(conn, work->after.head.seq,
		    clock_wall_s(work->service->clock), err) == 0) {
		return 0;
	}
	return err->code == ERR_INVALID ? blame_field(work, err) : -1;
}

static int
check_whole(struct store_conn *conn, const struct work *work, struct err *err)
{
	return check_room(conn, work, err) != 0 || check_claims(conn, work, err) != 0 ? -1
										      : 0;
}

static int
write_account(struct store_tx *tx, struct work *work, struct err *err)
{
	struct store_conn *conn = store_tx_conn(tx);
	if (work->is_create) {
		return write_new(tx, work, err) != 0 ? -1 : check_whole(conn, work, err);
	}
	if (account_keys_write(tx, work, err) != 0) {
		return -1;
	}
	if (!changes_minted(work)) {
		return 0;
	}
	bool feeds_others = false;
	if (check_feeds_again(conn, work, err) != 0 ||
		check_whole(conn, work, err) != 0 ||
		write_feeds(tx, work, &feeds_others, err) != 0) {
		return -1;
	}
	return store_publish_bump(tx, work->after.head.seq,
		feeds_others ||
			account_rules_takes(&work->before.account, &work->after.account,
				work->changed),
		err);
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
