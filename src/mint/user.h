/* SPDX-License-Identifier: Apache-2.0
 * Users' JWTs and creds, and the system user's. */
#ifndef MINT_USER_H
#define MINT_USER_H

#include "mint/signer.h"
#include "model/user.h"

/* A user of a scoped signing key: name, keys and times; all permissions are the
 * scope's. */
struct mint_user {
	const struct user *user;
	struct nkey_public account_key;
	const struct vault_seed *issuer; /* scoped key of (account, role) */
};
int mint_user(const struct vault *vault, const struct mint_user *mint, struct buf *out,
	struct err *err) MUST_CHECK;

/* The creds file of a token: *out must be a secret buffer. */
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
