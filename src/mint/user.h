/* SPDX-License-Identifier: Apache-2.0
 * Users' JWTs and creds, and the system user's. */
#ifndef MINT_USER_H
#define MINT_USER_H

#include "jwt/claims.h"
#include "mint/signer.h"
#include "model/account.h"
#include "model/role.h"
#include "model/user.h"

/* Without a role: a user of a scoped signing key; name, tags, keys and times, as all
 * permissions are the scope's. With one: a user with overrides, of the account's plain
 * key; all that role and user say is inside. */
struct mint_user {
	const struct user *user;
	struct nkey_public account_key;
	const struct vault_seed *issuer;
	const struct role *role; /* NULL: no overrides */
	const struct account *account; /* with a role: feeds its templates */
};
int mint_user(const struct vault *vault, const struct mint_user *mint, struct buf *out,
	struct err *err) MUST_CHECK;

/* What servers would make of the JWT, without signing it (issuer may be NULL):
 * ERR_INVALID with the reason when they refused it. *out_bytes: how long it is. */
int mint_user_check(
	const struct mint_user *mint, size_t *out_bytes, struct err *err) MUST_CHECK;

/* All that a user with this role may do, templates filled in: permissions are added to
 * the role's, other overrides stand in their place. The same for a user without overrides
 * is what its scope lets it do. *out is for the caller to release. ERR_INVALID: the
 * templates cannot be filled in. */
int mint_user_limits(const struct user *user, const struct role *role,
	const struct account *account, struct jwt_user_limits *out,
	struct err *err) MUST_CHECK;

/* The creds file of a token: *out must be a secret buffer. user_seed NULL: of a key that
 * was brought along, without its seed. */
int mint_creds(const struct vault *vault, const struct buf *token,
	const struct vault_seed *user_seed, struct buf *out, struct err *err) MUST_CHECK;

/* The user that natsid itself connects as: it may push accounts, look them up, ask who
 * is there, who is connected and whom the servers trust, and hears what comes to its own
 * inbox. */
struct mint_system_user {
	const struct vault_seed *issuer; /* plain key of the system account */
	struct nkey_public account_key;
	struct nkey_public user_key;
	const char *inbox; /* "_INBOX.x": answers come to "_INBOX.x.*" */
	int64_t iat; /* unix seconds */
};
int mint_system_user(const struct vault *vault, const struct mint_system_user *mint,
	struct buf *out, struct err *err) MUST_CHECK;

#endif
