/* SPDX-License-Identifier: Apache-2.0
 * What roles need beyond store/record.h. */
#ifndef STORE_ROLE_H
#define STORE_ROLE_H

#include "model/role.h"
#include "store/store.h"

/* The roles that have a scoped key in the account, by seq of the key; one callback each.
 * The row is the callback's only while it runs. */
int store_role_scopes(struct store_conn *conn, int64_t account,
	int (*fn)(void *ctx, const struct role *role, const struct nkey_public *key,
		struct err *err),
	void *ctx, struct err *err) MUST_CHECK;

/* Users of the role, counted up to `most`. */
int store_role_user_count(struct store_conn *conn, int64_t seq, int64_t most,
	int64_t *out_count, struct err *err) MUST_CHECK;

/* The id of the default role: 1 found, 0 none, -1 error. */
int store_role_find_default(struct store_conn *conn, char out_id[static RAND_ID_SIZE],
	struct err *err) MUST_CHECK;

#endif
