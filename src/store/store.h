/* SPDX-License-Identifier: Apache-2.0
 * The database: opening, migrations, reads from a pool, writes in group commits. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/clock.h"
#include "base/err.h"
#include "base/rand.h"
#include "model/collection.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* One connection with its statement cache: what every read function takes. Used by one
 * thread at a time. */
struct store_conn;

/* A write under way: belongs to the callback of store_write. */
struct store_tx;

enum { STORE_HASH_LEN = 32 };

enum store_action {
	STORE_CREATED,
	STORE_UPDATED,
	STORE_DELETED,
	STORE_WANTED /* an account's wanted generation grew: the publisher's */
};

/* One committed change. */
struct store_change {
	enum collection_kind collection;
	enum store_action action;
	int64_t seq;
	char id[RAND_ID_SIZE];
	int64_t generation; /* STORE_WANTED: that is wanted now */
	/* STORE_WANTED: must not wait for the debounce; one of many accounts that need
	 * not go all at once. Never both. */
	bool urgent;
	bool paced;
};

struct store_params {
	const char *path;
	unsigned readers; /* connections in the pool; 0: 2 x cores */
	const struct clock *clock;
	/* A 32-byte hash; links the rows of the audit. */
	void (*hash)(const void *data, size_t len, uint8_t out[static STORE_HASH_LEN]);
};

/* Opens the file (creating it, 0600, with `create`), migrates it to the newest schema and
 * checks it. ERR_NOT_FOUND: no file and not `create`. ERR_CONFLICT: a newer natsid made
 * the schema. ERR_CORRUPT: not a database, or damaged. The parameters' clock is borrowed
 * for the store's life. */
int store_open(const struct store_params *params, bool create, struct store **out,
	struct err *err) MUST_CHECK;

/* Waits for nobody: all users must be gone. NULL is allowed. */
void store_close(struct store *store);

/* The newest schema version that this build knows. */
int store_schema_version(void);

/* Called after each commit with its changes in order (n may be 0), by the thread that
 * committed, no lock held; group after group in the order of the commits, and before any
 * store_write of the group returns. Must only enqueue. Set before threads start. */
void store_on_commit(struct store *store,
	void (*fn)(void *ctx, const struct store_change *changes, size_t n), void *ctx);

/* ---- reading ---- */

/* Takes a connection from the pool (waits up to 5 s, then ERR_BUSY) and begins a
 * snapshot. The reads until store_read_end see one state. A read that goes on for over 5
 * s fails with ERR_UNAVAILABLE. */
int store_read_begin(
	struct store *store, struct store_conn **out, struct err *err) MUST_CHECK;

/* The same for a single statement, which is a snapshot by itself: a transaction around it
 * would cost as much again. */
int store_read_begin_one(
	struct store *store, struct store_conn **out, struct err *err) MUST_CHECK;

/* Gives it back; NULL is allowed. */
void store_read_end(struct store *store, struct store_conn *conn);

/* ---- writing ---- */

/* SQL only, at most 1 ms: no crypto, no network, no waiting. May run again only when
 * called again. */
typedef int (*store_write_fn)(struct store_tx *tx, void *ctx, struct err *err);

/* Runs fn in a savepoint of a group commit and returns after the commit is durable
 * (synchronous=FULL). When fn fails, only its own changes are undone and its error is
 * returned. ERR_BUSY: the queue is full. ERR_UNAVAILABLE: the disk is full.
 * ERR_INTERNAL/ERR_CORRUPT: the database failed; nothing of the group is committed.
 * Thread-safe; never call it inside fn. */
int store_write(
	struct store *store, store_write_fn fn, void *ctx, struct err *err) MUST_CHECK;

/* The connection of the write: reads through it see the changes made so far. */
struct store_conn *store_tx_conn(struct store_tx *tx);

/* The wall clock of this write (ms); the same throughout, and never before an earlier
 * write's. */
int64_t store_tx_now(const struct store_tx *tx);

/* Adds to the list that store_on_commit gets, should the write commit. */
int store_tx_changed(struct store_tx *tx, const struct store_change *change,
	struct err *err) MUST_CHECK;

/* What this write added to that list so far; valid until it adds more. */
const struct store_change *store_tx_changes(const struct store_tx *tx, size_t *out_len);

/* PRAGMA integrity_check and foreign_key_check; ERR_CORRUPT with the first finding. */
int store_check(struct store_conn *conn, struct err *err) MUST_CHECK;

#endif
