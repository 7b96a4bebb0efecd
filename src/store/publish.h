/* SPDX-License-Identifier: Apache-2.0
 * What is wanted on the NATS servers for each account, what was minted and what is
 * proven. */
#ifndef STORE_PUBLISH_H
#define STORE_PUBLISH_H

#include "base/nkey_text.h"
#include "store/store.h"

enum store_publish_state {
	STORE_PUBLISH_PENDING,
	STORE_PUBLISH_PARTIAL, /* some servers hold it, some did not answer */
	STORE_PUBLISH_REFUSED, /* a server said no for good */
	STORE_PUBLISH_HELD /* natsid itself holds it back (clock set back, too large, ...)
			    */
};

enum {
	STORE_PUBLISH_MESSAGE_MAX = 256,
	STORE_OVERRULED_MAX = 8 /* JWTs of an account; the newest stay */
};

struct store_publish {
	int64_t account; /* seq */
	int64_t generation;
	int64_t urgent_generation;
	int64_t minted_generation;
	int64_t proven_generation;
	int64_t last_iat; /* unix seconds */
	int64_t minted_at; /* ms */
	int64_t iat_offset; /* seconds that a person let it be ahead of the clock */
	bool has_claims_hash;
	uint8_t claims_hash[STORE_HASH_LEN];
	size_t overruled_len; /* JWTs that a person overruled, */
	uint8_t overruled[STORE_OVERRULED_MAX * STORE_HASH_LEN]; /* and their hashes, the
								    newest first */
	enum store_publish_state state;
	int64_t attempts;
	char message[STORE_PUBLISH_MESSAGE_MAX];
};

int store_publish_get(struct store_conn *conn, int64_t account, struct store_publish *out,
	struct err *err) MUST_CHECK;

/* The row of a new account: generation 1, urgent. Adds STORE_WANTED to the commit's
 * list. */
int
store_publish_insert(struct store_tx *tx, int64_t account, struct err *err) MUST_CHECK;

/* generation + 1; state pending, attempts 0; urgent: urgent_generation follows. Adds
 * STORE_WANTED. */
int store_publish_bump(
	struct store_tx *tx, int64_t account, bool urgent, struct err *err) MUST_CHECK;

/* The same for every account that has a scoped key of the role, or users of it with
 * overrides, in one statement. What is not urgent is paced. */
int store_publish_bump_role(
	struct store_tx *tx, int64_t role, bool urgent, struct err *err) MUST_CHECK;

/* The same, urgent, for every account that imports from the exporter without a token from
 * outside: the activations that natsid mints for them are others now, and the old ones
 * may be refused at once. */
int store_publish_bump_importers(struct store_tx *tx, const struct nkey_public *exporter,
	struct err *err) MUST_CHECK;

/* Records a mint: bytes (NULL: the old ones stand, the claims are equal), hash, iat, wall
 * time, and the generation that they say. Only when last_iat is still expected_last_iat
 * and no newer generation was minted (one with equal claims leaves last_iat alone): else
 * ERR_STALE. */
struct store_mint {
	int64_t account;
	int64_t expected_last_iat;
	int64_t generation;
	int64_t iat;
	const char *jwt;
	const uint8_t *claims_hash; /* STORE_HASH_LEN bytes */
};
int store_publish_minted(
	struct store_tx *tx, const struct store_mint *mint, struct err *err) MUST_CHECK;

/* The bytes in force: the caller frees *out_jwt. ERR_NOT_FOUND when nothing was minted
 * yet. */
int store_publish_jwt(struct store_conn *conn, int64_t account, char **out_jwt,
	int64_t *out_generation, struct err *err) MUST_CHECK;

/* All that a try to publish begins with, in one look. jwt is NULL before the first mint;
 * free() is the caller's. ERR_NOT_FOUND. */
struct store_publish_work {
	struct store_publish row;
	char public_key[NKEY_TEXT_SIZE]; /* A... */
	char *jwt;
	size_t jwt_len;
	bool quarantined;
	bool buried; /* on its way off the servers: nothing is pushed */
	int64_t current; /* servers that were seen to hold these bytes since they started
			  */
};
int store_publish_work(struct store_conn *conn, int64_t account,
	struct store_publish_work *out, struct err *err) MUST_CHECK;

/* The account with this key, deleted ones too; *out_account 0: there is none. */
int store_publish_find(struct store_conn *conn, const struct nkey_public *key,
	int64_t *out_account, struct err *err) MUST_CHECK;

/* Calls fn for every account in the order of the bytes of their keys. */
struct store_publish_key {
	int64_t account;
	struct nkey_public key;
	int64_t minted_at; /* ms */
	int64_t proven_generation;
	bool buried; /* on its way off the servers */
};
int store_publish_keys(struct store_conn *conn,
	int (*fn)(void *ctx, const struct store_publish_key *key, struct err *err),
	void *ctx, struct err *err) MUST_CHECK;

/* proven_generation = generation when that is newer; state and message are cleared when
 * nothing newer is wanted; and when no server is unconfirmed, either, it is forgotten
 * which JWTs a person overruled. */
int store_publish_proven(struct store_tx *tx, int64_t account, int64_t generation,
	struct err *err) MUST_CHECK;

/* The same generation is to be minted anew, with a later iat: a server that was pushed
 * the same bytes before acknowledges them and writes nothing, even when it has lost them.
 * The old bytes stay until then, and no server counts as one
 * that holds them. */
int store_publish_renew(struct store_tx *tx, int64_t account, struct err *err) MUST_CHECK;

/* A server lacks what was proven: proven_generation is 0 then. Nothing happens when
 * the wanted generation is no longer the given one. */
int store_publish_unproven(struct store_tx *tx, int64_t account, int64_t generation,
	struct err *err) MUST_CHECK;

/* Says why it is not proven: state and message; attempts + 1 with `failed`. Nothing when
 * the wanted generation is no longer the given one. */
int store_publish_note(struct store_tx *tx, int64_t account, int64_t generation,
	enum store_publish_state state, const char *message, bool failed,
	struct err *err) MUST_CHECK;

/* A person lets the account's JWTs be dated iat_offset seconds ahead of the clock, and
 * takes the clock for right. Adds STORE_WANTED, urgent. */
int store_publish_redate(struct store_tx *tx, int64_t account, int64_t iat_offset,
	struct err *err) MUST_CHECK;

/* How many accounts there are, deleted ones too. */
int
store_publish_count(struct store_conn *conn, int64_t *out, struct err *err) MUST_CHECK;

/* Which accounts. Open ones (generation > proven_generation) are not proven by the
 * servers that were there. A server that is there lacks what it was never seen to hold,
 * in this start or another; what its last start held it may lack too, but that is less
 * urgent. */
enum store_scan {
	STORE_SCAN_OPEN,
	STORE_SCAN_OLDER_URGENT, /* a server held one from before an urgent change, or the
				    change is open */
	STORE_SCAN_LACKED_URGENT, /* the same, or it held none */
	STORE_SCAN_LACKED, /* all that is open, or that a server lacks the newest of */
	STORE_SCAN_ALL
};

/* Calls fn for the accounts of this kind after seq `after`, at most `limit`, in order of
 * seq. Deleted accounts (tombstones) are among them, those in quarantine and those that
 * are being buried (store/burial.h) are not. */
struct store_publish_item {
	int64_t account;
	char public_key[NKEY_TEXT_SIZE]; /* A... */
	int64_t generation;
	int64_t urgent_generation;
	int64_t minted_generation;
	int64_t proven_generation;
};
int store_publish_scan(struct store_conn *conn, enum store_scan scan, int64_t after,
	int64_t limit,
	int (*fn)(void *ctx, const struct store_publish_item *item, struct err *err),
	void *ctx, struct err *err) MUST_CHECK;

#endif
