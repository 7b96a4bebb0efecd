/* SPDX-License-Identifier: Apache-2.0
 * Signing keys: the operator's, an account's plain ones, and its scoped one for each
 * role. */
#ifndef STORE_SIGNING_KEY_H
#define STORE_SIGNING_KEY_H

#include "base/nkey_text.h"
#include "store/store.h"

/* account 0: the operator's. role 0: a plain key. The keys of a set were made together
 * and sign together: those of the account's newest set do, the others are only trusted.
 */
struct store_signing_key {
	int64_t seq;
	char id[RAND_ID_SIZE];
	int64_t account;
	int64_t role;
	char role_id[RAND_ID_SIZE]; /* read only; "": a plain key */
	struct nkey_public public_key;
	int64_t key_set;
	bool next; /* operator: trusted, and does not sign yet */
	int64_t retire_at; /* ms: goes then; 0: not planned */
	int64_t retire_below; /* percent: goes when fewer connections are on its set */
	int64_t created; /* ms; set by the insert */
};

/* The plain key of the account that signs (0: of the operator). ERR_NOT_FOUND. */
int store_signing_key_plain(struct store_conn *conn, int64_t account,
	struct store_signing_key *out, struct err *err) MUST_CHECK;

/* The scoped key of (account, role) in the set that signs: 1 found, 0 none, -1 error. */
int store_signing_key_find_scope(struct store_conn *conn, int64_t account, int64_t role,
	struct store_signing_key *out, struct err *err) MUST_CHECK;

/* All keys of the account, oldest first; the caller frees *out. */
int store_signing_key_list(struct store_conn *conn, int64_t account,
	struct store_signing_key **out, size_t *out_len, struct err *err) MUST_CHECK;

/* All scoped keys of a role, by account; the caller frees *out. */
int store_signing_key_list_role(struct store_conn *conn, int64_t role,
	struct store_signing_key **out, size_t *out_len, struct err *err) MUST_CHECK;

/* Inserts and sets seq; 1 inserted, 0 when (account, role) has one in that set already,
 * -1 error. */
int store_signing_key_insert(
	struct store_tx *tx, struct store_signing_key *key, struct err *err) MUST_CHECK;

int
store_signing_key_delete(struct store_tx *tx, int64_t seq, struct err *err) MUST_CHECK;

/* Deletes all keys of one set of the account with their seeds, or (`others`) of all sets
 * but that one: nobody can sign with them again. */
int store_signing_key_delete_sets(struct store_tx *tx, int64_t account, int64_t key_set,
	bool others, struct err *err) MUST_CHECK;

/* Notes when the keys of a set are to go; zeros: no more. */
struct store_retirement {
	int64_t at; /* ms */
	int64_t below; /* percent */
};
int store_signing_key_plan(struct store_tx *tx, int64_t account, int64_t key_set,
	const struct store_retirement *plan, struct err *err) MUST_CHECK;

/* The plain keys of all sets of all accounts that are to go; the caller frees *out. */
int store_signing_key_planned(struct store_conn *conn, struct store_signing_key **out,
	size_t *out_len, struct err *err) MUST_CHECK;

#endif
