/* SPDX-License-Identifier: Apache-2.0
 * What users and accounts must be for the templates of their roles, and what roles must
 * be for their users. Each is asked in the transaction of the change, after its row was
 * written, and adds a violation that names the first that does not fit and what to do. */
#ifndef SERVICE_ROLE_RULES_H
#define SERVICE_ROLE_RULES_H

#include "model/account.h"
#include "model/role.h"
#include "model/user.h"
#include "model/violations.h"
#include "store/store.h"

/* Of a user that is new, renamed or moved, or whose tags change: its name and tags, and
 * its account's, can fill in the templates of its role. Reads role and account as they
 * are now; cheap when the role has no templates. */
int role_rules_check_user(struct store_conn *conn, const struct user *user,
	struct violations *violations, struct err *err) MUST_CHECK;

/* Of an account that is renamed, or whose tags change: it can still fill in the templates
 * of all roles that it uses. Where users have tags, too, all of them are looked at, so
 * this is asked before the transaction (since: -1), and in it only of the users that
 * changed meanwhile (since: store_audit_newest before the first look). */
int role_rules_check_account(struct store_conn *conn, const struct account *account,
	int64_t since, struct violations *violations, struct err *err) MUST_CHECK;

/* Of a role whose templates change: the names of its users and accounts are safe. */
int role_rules_check_names(struct store_conn *conn, const struct role *role,
	struct violations *violations, struct err *err) MUST_CHECK;

/* The same: tags fill in its templates, to no more subjects than servers take, and the
 * JWTs of its users with overrides stay as small as JWTs must be. This takes a while
 * where there are many: it is asked before the transaction of all of them (since: -1),
 * and in it only of those that changed meanwhile (since: store_audit_newest before the
 * first look). */
int role_rules_check_users(struct store_conn *conn, const struct role *role,
	int64_t since, struct violations *violations, struct err *err) MUST_CHECK;

/* The lists and texts of the role's scope, as JSON. */
int role_rules_scope_bytes(
	const struct role *role, int64_t *out_bytes, struct err *err) MUST_CHECK;

#endif
