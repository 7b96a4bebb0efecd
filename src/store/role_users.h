/* SPDX-License-Identifier: Apache-2.0
 * The users and accounts of a role: what feeds its templates, and whose older JWTs say
 * more than it does. */
#ifndef STORE_ROLE_USERS_H
#define STORE_ROLE_USERS_H

#include "base/strlist.h"
#include "model/role.h"
#include "model/user.h"
#include "store/store.h"

/* ---- what feeds templates ---- */

/* The name of a user of the role that must not feed a template: 1 found (the caller frees
 * *out), 0 none, -1 error. */
int store_role_unsafe_user(
	struct store_conn *conn, int64_t role, char **out, struct err *err) MUST_CHECK;

/* The same of the accounts that use the role. */
int store_role_unsafe_account(
	struct store_conn *conn, int64_t role, char **out, struct err *err) MUST_CHECK;

/* The roles that the account uses and that read its name or its tags, one callback
 * each. */
int store_role_fed_by_account(struct store_conn *conn, int64_t account,
	int (*fn)(void *ctx, const struct role *role, struct err *err), void *ctx,
	struct err *err) MUST_CHECK;

/* Was a role that the account uses written after that row of the audit
 * (store_audit_newest)? 1, 0, -1 error. */
int store_role_changed_of_account(struct store_conn *conn, int64_t account, int64_t since,
	struct err *err) MUST_CHECK;

/* Which users of a role: of all accounts or of one, and all of them or those that were
 * written after a row of the audit, themselves. */
struct store_role_users {
	int64_t role;
	int64_t account; /* 0: of any */
	int64_t since; /* -1: written at any time */
	bool any_one; /* one of them is enough; not together with since */
};

/* What a user feeds templates with. Borrowed by the callback. */
struct store_role_user {
	const char *name;
	struct strlist tags;
	const char *account_name;
	struct strlist account_tags;
};
int store_role_each_user(struct store_conn *conn, const struct store_role_users *which,
	int (*fn)(void *ctx, const struct store_role_user *user, struct err *err),
	void *ctx, struct err *err) MUST_CHECK;

/* Was an account of the role written after that row of the audit? 1, 0, -1 error. */
int store_role_accounts_changed(
	struct store_conn *conn, int64_t role, int64_t since, struct err *err) MUST_CHECK;

/* The users with overrides whose own part of a JWT (lists, name, tags; as stored) is
 * longer than `bytes`, with their accounts; a callback each, by which they are borrowed.
 * .account of `which` is not looked at. */
struct store_role_override {
	const struct user *user;
	const char *account_name;
	struct strlist account_tags;
	struct nkey_public account_key;
};
int store_role_each_override(struct store_conn *conn,
	const struct store_role_users *which, int64_t bytes,
	int (*fn)(void *ctx, const struct store_role_override *user, struct err *err),
	void *ctx, struct err *err) MUST_CHECK;

/* ---- what is taken back ---- */

/* Both refuse older JWTs of the role's users, in a few statements however many there are,
 * and tell how many revocations they wrote. Nothing is bumped. */

/* Those of users with overrides (in one account; 0: in all), whose JWTs hold what the
 * role said: their next ones are dated later. What was prepared from such a user's row is
 * stale from then on, issued or not. */
int store_role_revoke_overrides(struct store_tx *tx, int64_t role, int64_t account,
	int64_t now_s, int64_t *out_revoked, struct err *err) MUST_CHECK;

/* Those that say a name or tags that the user has no more. */
int store_role_revoke_superseded(struct store_tx *tx, int64_t role, int64_t now_s,
	int64_t *out_revoked, struct err *err) MUST_CHECK;

#endif
