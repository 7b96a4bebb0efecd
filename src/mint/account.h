/* SPDX-License-Identifier: Apache-2.0
 * Accounts as claims: limits, signing keys with their scopes, revocations; and
 * tombstones. */
#ifndef MINT_ACCOUNT_H
#define MINT_ACCOUNT_H

#include "base/nkey_text.h"
#include "jwt/claims.h"
#include "mint/signer.h"
#include "model/account.h"
#include "model/role.h"

#include <stdbool.h>

/* Collects the claims of one account: begin, then add keys and revocations in any order.
 * The account is borrowed. Release in any case. */
struct mint_account {
	struct jwt_claims claims;
	bool tombstone;
};

void mint_account_release(struct mint_account *mint);

/* Starts from the row, and says all of it. A suspended or deleted account becomes a
 * tombstone: nobody may connect, no key signs, all users are revoked, JetStream limits
 * stay (the streams must survive). */
int mint_account_begin(const struct account *account, bool deleted,
	struct mint_account *mint, struct err *err) MUST_CHECK;

/* A plain signing key. */
int mint_account_add_key(struct mint_account *mint, const struct nkey_public *key,
	struct err *err) MUST_CHECK;

/* The scoped signing key of a role, as mint/scope.h makes it: named by the role's id,
 * described by what the account feeds it with, and that is nothing for most. */
int mint_account_add_scope(struct mint_account *mint, const struct role *role,
	const struct nkey_public *key, struct err *err) MUST_CHECK;

/* JWTs of the user (NULL: of all users) issued at or before `at` are refused. */
int mint_account_add_revocation(struct mint_account *mint, const struct nkey_public *user,
	int64_t at, struct err *err) MUST_CHECK;

/* Servers refuse a whole JWT for one bad claim: ERR_INVALID with the reason if this is
 * one, or if it says what its account does not allow. */
int mint_account_check(
	const struct mint_account *mint, int64_t now_s, struct err *err) MUST_CHECK;

/* A hash of all that the claims say, but for times, jti and our tag: equal hash, nothing
 * to push. */
int mint_account_hash(const struct mint_account *mint, const struct nkey_public *issuer,
	uint8_t out[static 32], struct err *err) MUST_CHECK;

/* Adds the tag "natsid:<database uuid>:<generation>", sets the times, signs with the
 * operator's key. */
struct mint_account_stamp {
	const char *database_uuid;
	int64_t generation;
	int64_t iat; /* unix seconds */
};
int mint_account_sign(struct mint_account *mint, const struct mint_account_stamp *stamp,
	const struct vault *vault, const struct vault_seed *operator_seed,
	struct buf *out, struct err *err) MUST_CHECK;

/* What an account's JWT says of its origin; whoever signed it. One that natsid cannot
 * read, of another version, say, has no tag and no iat. */
struct mint_account_origin {
	char account[NKEY_TEXT_SIZE]; /* A...; "": cannot be read */
	int64_t iat; /* unix seconds */
	bool tagged; /* has our tag, and that says: */
	char database_uuid[37];
	int64_t generation;
};

/* ERR_INVALID: the JWT of something else. ERR_CORRUPT: damaged, or with a signature that
 * is wrong. */
int mint_account_read_origin(const char *jwt, size_t len, struct mint_account_origin *out,
	struct err *err) MUST_CHECK;

#endif
