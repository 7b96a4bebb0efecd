/* SPDX-License-Identifier: Apache-2.0
 * Where servers differed from what is recorded here. A server is its seq; 0: it is one of
 * several, not known which. What is known of one goes when it is forgotten. */
#ifndef STORE_DRIFT_H
#define STORE_DRIFT_H

#include "base/nkey_text.h"
#include "store/server.h"

enum store_drift_kind {
	STORE_DRIFT_FOREIGN, /* an account that natsid does not have, or not its JWT */
	STORE_DRIFT_MISSING,
	STORE_DRIFT_OLDER,
	STORE_DRIFT_DIFFERENT /* no valid JWT */
};

enum { STORE_DRIFT_KEPT = 1000 }; /* repaired ones that are remembered */

struct store_drift {
	char cluster[STORE_SERVER_NAME_SIZE];
	char server[STORE_SERVER_NAME_SIZE]; /* "": one of several, not known which */
	char account_key[NKEY_TEXT_SIZE];
	enum store_drift_kind kind;
	int64_t found_at; /* ms */
	int64_t repaired_at; /* ms, 0: not (yet) */
};

const char *store_drift_kind_name(enum store_drift_kind kind);

/* Notes what was found; what is open already stays as it is. */
int store_drift_found(struct store_tx *tx, int64_t server, const char *account_key,
	enum store_drift_kind kind, struct err *err) MUST_CHECK;

/* All that was found of the account, but foreign, is repaired. */
int store_drift_repaired(
	struct store_tx *tx, const char *account_key, struct err *err) MUST_CHECK;

/* What is foreign on the server and was not found again since `before` (ms) has gone. */
int store_drift_foreign_gone(
	struct store_tx *tx, int64_t server, int64_t before, struct err *err) MUST_CHECK;

/* How many foreign accounts the server holds. */
int store_drift_foreign(struct store_conn *conn, int64_t server, int64_t *out_count,
	struct err *err) MUST_CHECK;

/* Some server was found to hold it, and nothing since says otherwise. */
int store_drift_is_foreign(struct store_conn *conn, const char *account_key,
	bool *out_foreign, struct err *err) MUST_CHECK;

/* The newest first, at most limit; the caller frees *out. */
int store_drift_list(struct store_conn *conn, int64_t limit, struct store_drift **out,
	size_t *out_len, struct err *err) MUST_CHECK;

#endif
