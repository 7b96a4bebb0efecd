/* SPDX-License-Identifier: Apache-2.0
 * Accounts of which a server holds a JWT that natsid must not overwrite unasked. */
#ifndef STORE_QUARANTINE_H
#define STORE_QUARANTINE_H

#include "store/server.h"

enum store_quarantine_cause {
	STORE_QUARANTINE_NEWER, /* ours, but ahead of this database: was it restored? */
	STORE_QUARANTINE_FOREIGN /* another hand signed it */
};

struct store_quarantine {
	enum store_quarantine_cause cause;
	char server[STORE_SERVER_NAME_SIZE]; /* "": not known which */
	char *jwt; /* what it holds */
	int64_t found_at; /* ms */
};

/* "newer", "foreign". */
const char *store_quarantine_cause_name(enum store_quarantine_cause cause);

/* Puts an account there, or replaces what was found before; found_at is set to now. */
int store_quarantine_put(struct store_tx *tx, int64_t account,
	const struct store_quarantine *found, struct err *err) MUST_CHECK;

/* 1 it is there (store_quarantine_release is the caller's), 0 it is not, -1 error. */
int store_quarantine_find(struct store_conn *conn, int64_t account,
	struct store_quarantine *out, struct err *err) MUST_CHECK;
void store_quarantine_release(struct store_quarantine *quarantine);

/* Lets it go; the account's next JWT is of a later generation than `generation` and of a
 * later iat than `iat` (unix seconds), dated iat_offset seconds ahead of the clock where
 * it has to be. The JWT that was found is overruled: it is an older one until the account
 * is proven, and so are those that were overruled before it. Adds STORE_WANTED, urgent.
 * ERR_NOT_FOUND: it is not in quarantine. */
int store_quarantine_lift(struct store_tx *tx, int64_t account, int64_t generation,
	int64_t iat, int64_t iat_offset, struct err *err) MUST_CHECK;

/* The accounts there, in order of seq; the caller frees *out. */
int store_quarantine_list(struct store_conn *conn, int64_t **out, size_t *out_len,
	struct err *err) MUST_CHECK;

#endif
