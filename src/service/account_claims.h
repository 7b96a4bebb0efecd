/* SPDX-License-Identifier: Apache-2.0
 * All that an account's JWT says, from one look at the database. */
#ifndef SERVICE_ACCOUNT_CLAIMS_H
#define SERVICE_ACCOUNT_CLAIMS_H

#include "mint/account.h"
#include "store/store.h"

/* The claims of the row as it is given, with what else the database knows of the account:
 * exports, imports, signing keys, scopes, revocations. SQL and memory only, so it may run
 * inside a transaction. The caller releases *out in any case. */
int account_claims_read(struct store_conn *conn, const struct account *row, bool deleted,
	struct mint_account *out, struct err *err) MUST_CHECK;

/* Would servers take the account as this transaction (or read) sees it? Looks at all that
 * one change can set against another: row, exports and imports, not keys and
 * revocations. ERR_INVALID with the reason. */
int account_claims_check(struct store_conn *conn, int64_t account, int64_t now_s,
	struct err *err) MUST_CHECK;

#endif
