/* SPDX-License-Identifier: Apache-2.0
 * Users whose JWTs end soon. */
#ifndef STORE_EXPIRING_H
#define STORE_EXPIRING_H

#include "base/nkey_text.h"
#include "store/store.h"

/* Texts are borrowed for the time of the call that hands the row out. */
struct store_expiring {
	int64_t seq;
	const char *id;
	const char *name; /* nats_username */
	const char *account_id;
	const char *account_name;
	struct nkey_public public_key;
	int64_t exp; /* unix seconds */
	bool active;
};

/* Those with after < (exp, seq) and exp <= until, in that order, at most limit. */
struct store_expiring_query {
	int64_t after_exp;
	int64_t after_seq;
	int64_t until; /* unix seconds */
	int64_t limit;
};
int store_expiring_list(struct store_conn *conn, const struct store_expiring_query *query,
	int (*fn)(void *ctx, const struct store_expiring *row, struct err *err),
	void *ctx, struct err *err) MUST_CHECK;

#endif
