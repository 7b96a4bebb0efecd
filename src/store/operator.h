/* SPDX-License-Identifier: Apache-2.0
 * The operator's row, and the state of the rotation of its signing key. */
#ifndef STORE_OPERATOR_H
#define STORE_OPERATOR_H

#include "model/operator.h"
#include "store/store.h"

/* 1 found, 0 there is none yet, -1 error. record_release frees the row. */
int store_operator_find(
	struct store_conn *conn, struct operator_row *out, struct err *err) MUST_CHECK;

/* operator_claims_release frees them. */
int store_operator_claims(
	struct store_conn *conn, struct operator_claims *out, struct err *err) MUST_CHECK;

/* Writes the JWT and what it says. ERR_STALE: the row is no longer at the version of
 * *head; that is how two changes of the operator at a time are told. */
int store_operator_update(struct store_tx *tx, const struct record_head *head,
	const char *jwt, const struct operator_claims *claims,
	struct err *err) MUST_CHECK;

/* ---- rotation of the signing key ---- */

/* The operator's key 'next' signs from now on. */
int store_operator_activate(struct store_tx *tx, int64_t seq, struct err *err) MUST_CHECK;

/* Wants every account, tombstones too, minted and pushed anew, and notes the generations
 * that tell when that is done. Adds STORE_WANTED for each. */
int store_operator_reissue(struct store_tx *tx, struct err *err) MUST_CHECK;

/* An account whose new JWT is not proven yet. Strings are borrowed for the call. */
struct store_unproven {
	const char *name;
	const char *state; /* pending, partial, refused, held */
	const char *message;
};

/* Calls fn for the first `limit` of them, those with a message first; *out_count: how
 * many there are. fn may be NULL. */
int store_operator_unproven(struct store_conn *conn, int64_t limit,
	int (*fn)(void *ctx, const struct store_unproven *account, struct err *err),
	void *ctx, int64_t *out_count, struct err *err) MUST_CHECK;

#endif
