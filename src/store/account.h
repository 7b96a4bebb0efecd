/* SPDX-License-Identifier: Apache-2.0
 * What accounts need beyond store/record.h. */
#ifndef STORE_ACCOUNT_H
#define STORE_ACCOUNT_H

#include "model/account.h"
#include "store/store.h"

/* Marks the account deleted (its row stays for the tombstone); version as
 * store_record_delete. */
int store_account_mark_deleted(
	struct store_tx *tx, const struct record_head *head, struct err *err) MUST_CHECK;

/* Is the account deleted, and since when (ms; 0: no)? */
int store_account_deleted(struct store_conn *conn, int64_t seq, int64_t *out_when,
	struct err *err) MUST_CHECK;

/* The account of this id, public key ("A...") or name; of the name, a deleted one only
 * where it is in quarantine. 1 found, 0 not, -1 error. */
int store_account_find(struct store_conn *conn, const char *text, int64_t *out_seq,
	char out_id[static RAND_ID_SIZE], struct err *err) MUST_CHECK;

/* Users of the account, counted up to `most`. */
int store_account_user_count(struct store_conn *conn, int64_t seq, int64_t most,
	int64_t *out_count, struct err *err) MUST_CHECK;

/* The latest iat (unix seconds) that a JWT of any user of the account may have; 0: there
 * is none. After a revocation of all, they begin one second later. */
int store_account_newest_iat(struct store_conn *conn, int64_t seq, int64_t *out_iat,
	struct err *err) MUST_CHECK;

/* Bytes of the JWT that was minted last; 0: none was. */
int store_account_jwt_bytes(struct store_conn *conn, int64_t seq, int64_t *out_bytes,
	struct err *err) MUST_CHECK;

#endif
