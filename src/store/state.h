/* SPDX-License-Identifier: Apache-2.0
 * What a store consists of: private to store/ (and its tests). */
#ifndef STORE_STATE_H
#define STORE_STATE_H

#include "store/conn.h"
#include "store/store.h"

#include <pthread.h>

enum {
	STORE_QUEUE_MAX = 1024, /* writes waiting */
	STORE_GROUP_MAX = 64, /* writes of one commit */
	STORE_GROUP_MS = 20, /* no more are taken into a group after that */
	STORE_READ_WAIT_MS = 5000,
	STORE_QUERY_MS = 5000
};

/* A write that waits, or runs. The store owns it and its condition lives as long as the
 * store: it is signalled after the lock is released, when the waiter may be gone
 * already. */
struct store_job {
	pthread_cond_t wake;
	store_write_fn fn;
	void *ctx;
	struct err *err; /* the waiter's; may be NULL */
	int rc;
	bool done;
	bool lead; /* woken to lead the next group */
	struct store_job *next;
};

struct store_tx {
	struct store *store;
	int64_t now;
	size_t changes_from; /* of the store's changes, those of this write */
};

struct store {
	char *path;
	const struct clock *clock;
	void (*hash)(const void *data, size_t len, uint8_t out[static STORE_HASH_LEN]);
	char *record_sql[COLLECTION_COUNT][STORE_RECORD_OP_COUNT];

	/* Reading. Connections are opened when first needed, and the last used is taken
	 * first. */
	pthread_mutex_t pool_lock;
	pthread_cond_t pool_freed; /* on the monotonic clock */
	struct store_conn *pool_free;
	unsigned pool_open;
	unsigned pool_max;
	int64_t read_wait_ms;
	int64_t query_ms;

	/* Writing: the queue, under write_lock. */
	pthread_mutex_t write_lock;
	struct store_job *queue_head;
	struct store_job *queue_tail;
	bool led; /* some thread leads a group, or was named to */
	bool running; /* a group runs, in the thread `leader` */
	pthread_t leader;
	struct store_job *jobs_free;
	size_t jobs_used; /* of jobs; the rest was never touched */
	struct store_job *jobs;

	/* Writing: the leader's alone. */
	struct store_conn *writer;
	int64_t last_now;
	int sync_failed; /* SQLite's code; nothing is written any more */
	uint64_t commits;
	struct store_change *changes;
	size_t changes_len;
	size_t changes_cap;
	void (*on_commit)(void *ctx, const struct store_change *changes, size_t n);
	void *on_commit_ctx;
};

/* Brings the database behind conn to the newest schema. */
int store_migrate(struct store_conn *conn, bool create, struct err *err) MUST_CHECK;

/* The parts of the group commit that live as long as the store. */
int store_write_init(struct store *store, struct err *err) MUST_CHECK;
void store_write_release(struct store *store);

#endif
