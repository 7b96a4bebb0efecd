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
	/* of the scoped key of (account, role), with overrides of the plain one */
	struct store_vault_seed signing_seed;
	bool has_user_seed; /* not for a key that was brought along */
	struct store_vault_seed user_seed;
};
int store_user_issue(struct store_conn *conn, const char *id,
	struct store_user_issue *out, struct err *err) MUST_CHECK;

/* Sets issued_at where seq and version are the given ones, and bumps version: a change
 * that was prepared for a user without a JWT must not be written after one left.
 * ERR_STALE: somebody else was faster. No audit: it is no change of the identity. */
int store_user_mark_issued(
	struct store_tx *tx, const struct record_head *head, struct err *err) MUST_CHECK;

#endif
