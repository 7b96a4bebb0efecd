/* SPDX-License-Identifier: Apache-2.0
 * How large the JWT of an account is going to be: servers take no more than their
 * max_payload, and one that is too large can carry no suspension either. */
#ifndef STORE_BUDGET_H
#define STORE_BUDGET_H

#include "store/store.h"

/* An estimate, on the high side, of the bytes of the account's JWT: what its row says,
 * exports, imports, the keys and scopes of all sets, revocations. */
int store_budget_account(struct store_conn *conn, int64_t account, int64_t *out_bytes,
	struct err *err) MUST_CHECK;

/* What the account's row takes of it. */
int store_budget_terms(struct store_conn *conn, int64_t account, int64_t *out_bytes,
	struct err *err) MUST_CHECK;

/* What the set of keys that signs takes of it: one more set takes as much again. */
int store_budget_keys(struct store_conn *conn, int64_t account, int64_t *out_bytes,
	struct err *err) MUST_CHECK;

/* What the role's scope takes of it. */
int store_budget_role(struct store_conn *conn, int64_t role, int64_t *out_bytes,
	struct err *err) MUST_CHECK;

/* The largest estimate of all accounts that use the role, with each scope of it larger by
 * growth; 0 when none does. */
int store_budget_role_accounts(struct store_conn *conn, int64_t role, int64_t growth,
	int64_t *out_bytes, struct err *err) MUST_CHECK;

/* One revocation in a JWT. */
enum { STORE_BUDGET_REVOCATION_BYTES = 94 };

#endif
