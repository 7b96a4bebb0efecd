/* SPDX-License-Identifier: Apache-2.0
 * Revocations with their causes. */
#ifndef STORE_REVOCATION_H
#define STORE_REVOCATION_H

#include "base/nkey_text.h"
#include "model/user.h"
#include "store/store.h"

#include <stdbool.h>

/* Only a suspension is lifted; the others are for good. */
enum store_revocation_cause {
	STORE_REVOKED_SUSPEND, /* lifted by activation */
	STORE_REVOKED_DELETE,
	STORE_REVOKED_MOVE,
	STORE_REVOKED_REGENERATE,
	STORE_REVOKED_REVOKE,
	STORE_REVOKED_NARROW,
	STORE_REVOKED_ADOPTED /* a server's JWT refused it: nothing else is known of it */
};

struct store_revocation_entry {
	int64_t account;
	struct nkey_public public_key; /* of the user */
	enum store_revocation_cause cause;
	int64_t at; /* unix seconds: JWTs issued up to then are refused */
	int64_t expires; /* unix seconds: the last of them ends then; 0: never */
	int64_t key_set; /* the newest set that signed one of them; 0: not known */
};

/* What is minted: one entry per key, the latest of its causes. */
struct store_revocation {
	bool all; /* "*": of all users; without a key */
	struct nkey_public public_key;
	int64_t at; /* unix seconds */
};

/* Sets (or moves forward, never back) the entry of (account, key, cause), and deletes
 * those of the account that have nothing left to refuse. */
int store_revocation_put(struct store_tx *tx, const struct store_revocation_entry *entry,
	struct err *err) MUST_CHECK;

/* Lifts it; *out_lifted tells whether there was one. */
int store_revocation_lift(struct store_tx *tx, int64_t account,
	const struct nkey_public *public_key, enum store_revocation_cause cause,
	bool *out_lifted, struct err *err) MUST_CHECK;

/* All keys of the account that still have something to refuse, in order of the key's
 * bytes; the caller frees *out. What the entry for all users refuses anyway is not among
 * them. */
int store_revocation_list(struct store_conn *conn, int64_t account,
	struct store_revocation **out, size_t *out_len, struct err *err) MUST_CHECK;

/* One entry for all users of the account ("*"): JWTs issued up to `at` are refused, and
 * in any case those that were issued after the last such entry. The entries that it
 * covers go. */
int store_revocation_put_all(
	struct store_tx *tx, int64_t account, int64_t at, struct err *err) MUST_CHECK;

/* Takes over what a JWT of the account refused: a key, or all users (NULL). Nothing is
 * known of the JWTs that it is about, so the entry has no end and is of no key set. One
 * of our own that refuses as much for as long stands for it: then *out_taken is 0, and
 * else 1. */
int store_revocation_adopt(struct store_tx *tx, int64_t account,
	const struct nkey_public *public_key, int64_t at, int64_t *out_taken,
	struct err *err) MUST_CHECK;

/* Deletes the entries of the account for JWTs that no key may have signed any more: those
 * of sets older than this, the oldest that is left. */
int store_revocation_drop_below(struct store_tx *tx, int64_t account, int64_t key_set,
	struct err *err) MUST_CHECK;

/* Deletes all entries of the account: all keys are gone that signed before. */
int store_revocation_drop_all(
	struct store_tx *tx, int64_t account, struct err *err) MUST_CHECK;

/* The time (unix seconds) of the entry for all users of the account; 0: there is none. */
int store_revocation_all_at(struct store_conn *conn, int64_t account, int64_t *out_at,
	struct err *err) MUST_CHECK;

/* The latest time of all entries of a key; 0: there is none. */
int store_revocation_key_at(struct store_conn *conn, int64_t account,
	const struct nkey_public *public_key, int64_t *out_at,
	struct err *err) MUST_CHECK;

/* The latest time up to which any JWT of the account is refused; 0: none is. */
int store_revocation_latest(struct store_conn *conn, int64_t account, int64_t *out_at,
	struct err *err) MUST_CHECK;

/* Could a JWT that left for this user in this account still be taken? If not, there is
 * nothing to revoke. */
int store_revocation_may_live(struct store_conn *conn, int64_t account,
	const struct user *user, bool *out, struct err *err) MUST_CHECK;

#endif
