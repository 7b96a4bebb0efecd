/* SPDX-License-Identifier: Apache-2.0
 * What a role says as the scope of a signing key, in one form for each meaning: what does
 * not change it does not change the claims, and cuts nobody. */
#ifndef MINT_SCOPE_H
#define MINT_SCOPE_H

#include "jwt/claims.h"
#include "model/role.h"
#include "model/template.h"
#include "model/user.h"

#include <stdbool.h>

/* The role's permissions and limits. Lists are sorted, networks and time windows too;
 * data is -1 always. *out is for the caller to release. */
int mint_scope(
	const struct role *role, struct jwt_user_limits *out, struct err *err) MUST_CHECK;

/* What the account feeds the role's templates with, as a short text that is another one
 * when that is; "" when it feeds none. In the description of the scope it cuts the
 * clients that a server filled the templates in for: it does so when they connect, and
 * never again. */
enum { MINT_FEED_SIZE = 9 };
int mint_scope_feed(const struct role *role, const char *account_name,
	const struct strlist *account_tags, char out[static MINT_FEED_SIZE],
	struct err *err) MUST_CHECK;

/* Would servers take an account with this scope? ERR_INVALID with the reason: they would
 * refuse all of the account's JWT. */
int mint_scope_check(const struct role *role, struct err *err) MUST_CHECK;

/* One direction. An empty `allow` means nothing is allowed; in a JWT it would mean that
 * everything is. *out must be empty. */
int mint_scope_permission(const struct strlist *allow, const struct strlist *deny,
	struct jwt_permission *out, struct err *err) MUST_CHECK;

/* The time windows of a row (CLAIM_TIMES), sorted; *out is for the caller to free with
 * what holds it. ERR_INVALID says what is wrong. */
int mint_scope_times(const char *text, struct jwt_time_range **out, size_t *out_len,
	struct err *err) MUST_CHECK;

/* What a user with overrides has inside of its JWT: its own permissions beside the
 * role's, whose templates are filled in, and its own limits in place of the role's.
 * ERR_INVALID when a template cannot be filled in. *out is for the caller to release. */
int mint_scope_of_user(const struct role *role, const struct user *user,
	const struct template_values *values, struct jwt_user_limits *out,
	struct err *err) MUST_CHECK;

/* The bytes of the JWT of such a user, a few more rather than less. */
int mint_scope_user_bytes(const struct role *role, const struct user *user,
	const struct template_values *values, int64_t *out_bytes,
	struct err *err) MUST_CHECK;

/* Something that `before` lets a client do, `after` does not, or not to all. When in
 * doubt it does. Templates are compared as text. */
bool mint_scope_narrows(
	const struct jwt_user_limits *before, const struct jwt_user_limits *after);

/* The same of the scopes of two rows. */
int mint_scope_role_narrows(const struct role *before, const struct role *after,
	bool *out_narrows, struct err *err) MUST_CHECK;

#endif
