/* SPDX-License-Identifier: Apache-2.0
 * Whom a change of an account's claims cuts off: what servers do to live connections when
 * they take the new JWT. */
#ifndef MINT_DIFF_H
#define MINT_DIFF_H

#include "base/strlist.h"
#include "mint/account.h"

#include <stdbool.h>

struct mint_cut_user {
	char key[NKEY_TEXT_SIZE]; /* U... */
	int64_t at; /* its JWTs issued up to then (unix seconds) */
};

/* Zeroed: nobody. */
struct mint_cut {
	bool all; /* everybody whose JWT was issued up to all_at */
	int64_t all_at;
	struct strlist issuer_keys; /* everybody whose JWT one of them signed */
	struct mint_cut_user *users;
	size_t users_len;
	bool bearer; /* everybody with a bearer token */
	bool fewer; /* the newest ones, down to max_connections */
	int64_t max_connections;
};

/* The caller releases *out in any case. ERR_NOMEM. */
int mint_diff(const struct mint_account *before, const struct mint_account *after,
	struct mint_cut *out, struct err *err) MUST_CHECK;
void mint_cut_release(struct mint_cut *cut);

/* The claims of the account as servers read them, without times: JSON. */
int mint_account_body(
	const struct mint_account *mint, struct buf *out, struct err *err) MUST_CHECK;

#endif
