/* SPDX-License-Identifier: Apache-2.0
 * What an older database that was put in the place of a newer one does not know. */
#ifndef STORE_RESTORED_H
#define STORE_RESTORED_H

#include "store/store.h"

/* Notes of every user that JWTs may have left for it that the database does not know of,
 * signed by any of its account's keys. */
int
store_restored_users(struct store_tx *tx, int64_t *out_users, struct err *err) MUST_CHECK;

/* Refuses who is suspended, up to now and for good: it may have been activated, and given
 * creds. After store_restored_users. */
int store_restored_suspend(
	struct store_tx *tx, int64_t *out_users, struct err *err) MUST_CHECK;

/* Both, of the users of one account. */
int
store_restored_account(struct store_tx *tx, int64_t account, struct err *err) MUST_CHECK;

/* An account of which users are refused as they are suspended. */
struct store_restored_account {
	int64_t seq;
	int64_t at; /* unix seconds: the latest of these */
};

/* The caller frees *out. */
int store_restored_accounts(struct store_conn *conn, struct store_restored_account **out,
	size_t *out_len, struct err *err) MUST_CHECK;

/* Ends all links: one may have been opened. */
int
store_restored_links(struct store_tx *tx, int64_t *out_links, struct err *err) MUST_CHECK;

#endif
