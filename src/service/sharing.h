/* SPDX-License-Identifier: Apache-2.0
 * What accounts offer each other and take: the parts that exports, imports and the
 * account's JWT have in common. */
#ifndef SERVICE_SHARING_H
#define SERVICE_SHARING_H

#include "mint/account.h"
#include "service/internal.h"
#include "store/account_export.h"

/* Adds the exports of the account, with their revocations, and its imports, with tokens
 * from outside; activations that natsid mints come with sharing_activate. */
int sharing_read_claims(struct store_conn *conn, int64_t account,
	struct mint_account *mint, struct err *err) MUST_CHECK;

/* Signs the activations that the imports need and puts them into the claims. The list is
 * of the same snapshot as the claims. */
int sharing_activate(struct service *service, const struct nkey_public *importer,
	const struct store_activations *list, struct mint_account *mint,
	struct err *err) MUST_CHECK;

/* One account with what it offers and takes, as one snapshot saw it. Release in any
 * case. */
struct sharing_party {
	struct account account;
	struct store_exports exports;
	struct store_imports imports;
};
void sharing_party_release(struct sharing_party *party);

/* 1 read, 0 there is no such account, -1 error. */
int sharing_party_read(struct store_conn *conn, const char *id, struct sharing_party *out,
	struct err *err) MUST_CHECK;
int sharing_party_read_key(struct store_conn *conn, const struct nkey_public *key,
	struct sharing_party *out, struct err *err) MUST_CHECK;

/* Its claims, as if it were active, with the changed export or import (NULL: none) in
 * place of the row of the same seq, or added. Tokens are left out. The caller releases
 * *out in any case. */
int sharing_party_claims(const struct sharing_party *party,
	const struct account_export *export, const struct account_import *import,
	struct mint_account *out, struct err *err) MUST_CHECK;

/* Notes that the decision depends on this account. */
int guards_add(struct guards *guards, const struct record_head *account,
	struct err *err) MUST_CHECK;

/* Nothing changed in them since; the first gets a new version. ERR_STALE. */
int
guards_hold(struct store_tx *tx, const struct guards *guards, struct err *err) MUST_CHECK;

/* After the row was written: the JWT of the account has room for it, or it did not
 * grow. */
int sharing_check_room(
	struct store_tx *tx, const struct work *work, struct err *err) MUST_CHECK;

/* An account that is deleted gives up its exports and imports; ERR_CONFLICT when others
 * import from it. */
int sharing_remove_account(
	struct store_tx *tx, const struct account *account, struct err *err) MUST_CHECK;

#endif
