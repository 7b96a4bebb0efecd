/* SPDX-License-Identifier: Apache-2.0
 * What a role says as the scope of a signing key, in one form for each meaning: what does
 * not change it does not change the claims, and cuts nobody. */
#ifndef MINT_SCOPE_H
#define MINT_SCOPE_H

#include "jwt/claims.h"
#include "model/role.h"

#include <stdbool.h>

/* The role's permissions and limits. Lists are sorted, networks and time windows too;
 * data is -1 always. *out is for the caller to release. */
int mint_scope(
	const struct role *role, struct jwt_user_limits *out, struct err *err) MUST_CHECK;

/* One direction. An empty `allow` means nothing is allowed; in a JWT it would mean that
 * everything is. *out must be empty. */
int mint_scope_permission(const struct strlist *allow, const struct strlist *deny,
	struct jwt_permission *out, struct err *err) MUST_CHECK;

/* The time windows of a row (CLAIM_TIMES), sorted; *out is for the caller to free with
 * what holds it. ERR_INVALID says what is wrong. */
int mint_scope_times(const char *text, struct jwt_time_range **out, size_t *out_len,
	struct err *err) MUST_CHECK;

/* Something that `before` lets a client do, `after` does not, or not to all. When in
 * doubt it does. Templates are compared as text. */
bool mint_scope_narrows(
	const struct jwt_user_limits *before, const struct jwt_user_limits *after);

#endif
