/* SPDX-License-Identifier: Apache-2.0
 * Revocations with their causes. */
#ifndef STORE_REVOCATION_H
#define STORE_REVOCATION_H

#include "base/nkey_text.h"
#include "store/store.h"

#include <stdbool.h>

enum store_revocation_cause {
	STORE_REVOKED_SUSPEND, /* lifted by activation */
	STORE_REVOKED_DELETE,
	STORE_REVOKED_MOVE
};

/* What is minted: one entry per key, the latest of its causes. */
struct store_revocation {
	bool all; /* "*": of all users; without a key */
	struct nkey_public public_key;
	int64_t at; /* unix seconds */
};

/* Sets (or moves forward, never back) the entry of (account, key, cause). */
int store_revocation_put(struct store_tx *tx, int64_t account,
	const struct nkey_public *public_key, enum store_revocation_cause cause,
	int64_t at, struct err *err) MUST_CHECK;

/* Lifts it; *out_lifted tells whether there was one. */
int store_revocation_lift(struct store_tx *tx, int64_t account,
	const struct nkey_public *public_key, enum store_revocation_cause cause,
	bool *out_lifted, struct err *err) MUST_CHECK;

/* All keys of the account, in order of the key's bytes; the caller frees *out. */
int store_revocation_list(struct store_conn *conn, int64_t account,
	struct store_revocation **out, size_t *out_len, struct err *err) MUST_CHECK;

/* One entry for all users of the account ("*"): JWTs issued up to `at` are refused. The
 * entries that it covers go. */
int store_revocation_put_all(
	struct store_tx *tx, int64_t account, int64_t at, struct err *err) MUST_CHECK;

/* Deletes the entries of the account for JWTs that no key may have signed any more: those
 * of sets older than this, the oldest that is left. */
int store_revocation_drop_below(struct store_tx *tx, int64_t account, int64_t key_set,
	struct err *err) MUST_CHECK;

/* Deletes all entries of the account: all keys are gone that signed before. */
int store_revocation_drop_all(
	struct store_tx *tx, int64_t account, struct err *err) MUST_CHECK;

#endif
