/* SPDX-License-Identifier: Apache-2.0
 * What users need beyond store/record.h. */
#ifndef STORE_USER_H
#define STORE_USER_H

#include "base/nkey_text.h"
#include "model/user.h"
#include "store/store.h"
#include "store/vault.h"

/* All that a user's JWT and creds are made of, in one query. user is released by
 * record_release. */
struct store_user_issue {
	struct user user;
	int64_t account_seq;
	bool account_active;
	struct nkey_public account_key;
	int64_t key_set; /* that signs in the account */
	int64_t role_lifetime; /* seconds, as the role says; 0: it does not */
	int64_t all_at; /* unix seconds: the revocation of all users of the account */
	int64_t refused_at; /* the same of the user */
	/* of the scoped key of (account, role), with overrides of the plain one */
	struct store_vault_seed signing_seed;
	bool has_user_seed; /* not for a key that was brought along */
	struct store_vault_seed user_seed;
};
int store_user_issue(struct store_conn *conn, const char *id,
	struct store_user_issue *out, struct err *err) MUST_CHECK;

/* A JWT is about to leave: notes of the row what it says and who signed it, where seq and
 * version are the given ones, and bumps version: a change that was prepared for a user
 * without that JWT must not be written after it left. ERR_STALE: somebody else was
 * faster. No audit: it is no change of the identity. */
struct store_user_mark {
	const struct record_head *head;
	int64_t iat; /* unix seconds */
	int64_t exp; /* unix seconds; 0: never */
	int64_t key_set;
};
int store_user_mark_issued(struct store_tx *tx, const struct store_user_mark *mark,
	struct err *err) MUST_CHECK;

/* How many users of the account have a JWT that may still be good, and whose newest one
 * the set signed; role (0: any): only those whom its scoped key signs for. */
int store_user_count_signed(struct store_conn *conn, int64_t account, int64_t key_set,
	int64_t role, int64_t *out_count, struct err *err) MUST_CHECK;

/* What a write of a user was prepared for. ERR_STALE when something of it is no longer
 * so. */
struct store_user_premises {
	int64_t account; /* seq; the one after the write */
	int64_t key_set; /* that signs there */
	int64_t account_version; /* 0: does not matter */
	int64_t role; /* seq */
	int64_t role_version;
	int64_t old_account; /* seq; the one before the write */
	int64_t all_at; /* unix seconds: the revocation of all its users */
};
int store_user_check_premises(struct store_tx *tx,
	const struct store_user_premises *premises, struct err *err) MUST_CHECK;

#endif
