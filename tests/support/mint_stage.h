/* SPDX-License-Identifier: Apache-2.0
 * A vault, an account and a role to mint from, without a database. Tokens are read back
 * by the decoder and the validator; that real servers take them is shown by the
 * integration tests. Failures end the test. */
#ifndef SUPPORT_MINT_STAGE_H
#define SUPPORT_MINT_STAGE_H

#include "mint/account.h"
#include "vault/vault.h"

enum { MINT_NOW = 1800000000, MINT_TOKEN_MAX = 256 * 1024 };

struct mint_stage {
	struct vault *vault;
	struct vault_seed operator_identity;
	struct vault_seed operator_key;
	struct vault_seed account_key; /* identity of the account */
	struct vault_seed scope_key;
	struct vault_seed user_key;
	struct account account;
	struct role role;
};

/* As setup and teardown of a test: *state is the struct mint_stage. */
int mint_stage_set_up(void **state);
int mint_stage_tear_down(void **state);

struct vault_seed mint_stage_seed(const struct vault *vault, enum nkey_role role);

/* The account as it is, and its role as a scope of it. */
void mint_stage_begin(const struct mint_stage *s, bool deleted, struct mint_account *out);
void mint_stage_add_scope(const struct mint_stage *s, struct mint_account *mint);

/* The body of the claims, which are released; free() is the caller's. */
char *mint_stage_text(struct mint_account *mint) MUST_CHECK;

/* The claims of the token, in which nothing is at fault; the caller releases them. */
struct jwt_claims mint_stage_read(const struct buf *token) MUST_CHECK;

/* The text is that key. */
void mint_stage_assert_key(
	const char *text, enum nkey_role role, const struct nkey_public *expected);

#endif
