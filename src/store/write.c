/* SPDX-License-Identifier: Apache-2.0
 * Group commit: the first waiter commits for all who queued meanwhile. Nobody waits for a
 * group to grow: what arrives during one fsync is the next group. */
#include "store/state.h"

#include <assert.h>
#include <stdlib.h>

enum { WRITE_CHANGES_KEPT = 4096 }; /* more than that is given back after the commit */

int
store_write_init(struct store *store, struct err *err)
{
	/* Pages that no burst ever reached stay untouched. */
	store->jobs = calloc(STORE_QUEUE_MAX, sizeof(*store->jobs));
	if (store->jobs == NULL) {
		return err_nomem(err);
	}
	if (pthread_mutex_init(&store->write_lock, NULL) != 0) {
		free(store->jobs);
		return err_nomem(err);
	}
	return 0;
}

void
store_write_release(struct store *store)
{
	assert(store->queue_head == NULL && !store->led);
	for (size_t i = 0; i < store->jobs_used; i++) {
		pthread_cond_destroy(&store->jobs[i].wake);
	}
	free(store->jobs);
	free(store->changes);
	pthread_mutex_destroy(&store->write_lock);
}

void
store_on_commit(struct store *store,
	void (*fn)(void *ctx, const struct store_change *changes, size_t n), void *ctx)
{
	store->on_commit = fn;
	store->on_commit_ctx = ctx;
}

struct store_conn *
store_tx_conn(struct store_tx *tx)
{
	return tx->store->writer;
}

int64_t
store_tx_now(const struct store_tx *tx)
{
	return tx->now;
}

int
store_tx_changed(struct store_tx *tx, const struct store_change *change, struct err *err)
{
	struct store *store = tx->store;
	if (store->changes_len == store->changes_cap) {
		size_t cap = store->changes_cap == 0 ? 64 : store->changes_cap * 2;
		struct store_change *changes =
			realloc(store->changes, cap * sizeof(*changes));
		if (changes == NULL) {
			return err_nomem(err);
		}
		store->changes = changes;
		store->changes_cap = cap;
	}
	store->changes[store->changes_len++] = *change;
	return 0;
}

const struct store_change *
store_tx_changes(const struct store_tx *tx, size_t *out_len)
{
	*out_len = tx->store->changes_len - tx->changes_from;
	return tx->store->changes + tx->changes_from;
}

/* ---- the leader, without the lock ---- */

static int
run_simple(
	struct store_conn *conn, enum store_stmt_id id, const char *sql, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, id, sql, err) != 0) {
		return -1;
	}
	return store_stmt_run(&stmt, NULL, err);
}

/* Neither the transaction nor any job of it can be saved. */
static bool
is_lost(const struct store_conn *conn)
{
	return conn->fatal != 0 || sqlite3_get_autocommit(conn->db) != 0;
}

static void
run_job(struct store *store, struct store_job *job)
{
	struct store_conn *conn = store->writer;
	size_t changes_before = store->changes_len;
	int64_t wall = clock_wall_ms(store->clock);
	store->last_now = wall > store->last_now ? wall : store->last_now;
	struct store_tx tx = {
		.store = store, .now = store->last_now, .changes_from = changes_before
	};

	job->rc = -1;
	if (run_simple(conn, STORE_STMT_SAVEPOINT, "SAVEPOINT job", job->err) != 0) {
		return;
	}
	if (job->fn(&tx, job->ctx, job->err) == 0 &&
		run_simple(conn, STORE_STMT_SAVEPOINT_RELEASE, "RELEASE job", job->err) ==
			0) {
		job->rc = 0;
		return;
	}
	store->changes_len = changes_before;
	if (is_lost(conn)) {
		return;
	}
	/* Its own error stays; one of these two means that the whole transaction is
	 * beyond repair. */
	struct err err = { 0 };
	if (run_simple(conn, STORE_STMT_SAVEPOINT_UNDO, "ROLLBACK TO job", &err) != 0 ||
		run_simple(conn, STORE_STMT_SAVEPOINT_RELEASE, "RELEASE job", &err) !=
			0) {
		if (conn->fatal == 0) {
			conn->fatal = SQLITE_ERROR;
		}
	}
}

/* The next job of the group, or NULL when the group is complete. */
static struct store_job *
next_job(struct store *store)
{
	pthread_mutex_lock(&store->write_lock);
	struct store_job *job = store->queue_head;
	if (job != NULL) {
		store->queue_head = job->next;
		if (store->queue_head == NULL) {
			store->queue_tail = NULL;
		}
	}
	pthread_mutex_unlock(&store->write_lock);
	return job;
}

/* Jobs that failed by themselves keep their own error. */
static void
fail_group(struct store *store, struct store_job **group, size_t n, const struct err *err)
{
	/* Undone already where the error was SQLite's. */
	if (sqlite3_get_autocommit(store->writer->db) == 0) {
		(void)sqlite3_exec(store->writer->db, "ROLLBACK", NULL, NULL, NULL);
	}
	for (size_t i = 0; i < n; i++) {
		if (group[i]->rc == 0) {
			group[i]->rc = -1;
			if (group[i]->err != NULL) {
				*group[i]->err = *err;
			}
		}
	}
	store->changes_len = 0;
}

/* After a failed fsync the kernel may have dropped the pages and call the next one good:
 * only a restart, which reads what is really there, tells what the disk holds. */
static void
note_sync_failure(struct store *store)
{
	int code = store->writer->fatal;
	if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC) {
		store->sync_failed = code;
	}
}

static int
begin_group(struct store *store, struct err *err)
{
	if (store->sync_failed != 0) {
		err_set(err, ERR_INTERNAL,
			"the disk failed; nothing is written until natsid is restarted");
		return err_detail(err, "sqlite %d", store->sync_failed);
	}
	store->writer->fatal = 0;
	return run_simple(
		store->writer, STORE_STMT_BEGIN_IMMEDIATE, "BEGIN IMMEDIATE", err);
}

static void
hand_out_changes(struct store *store)
{
	store->commits++;
	if (store->on_commit != NULL) {
		store->on_commit(
			store->on_commit_ctx, store->changes, store->changes_len);
	}
	store->changes_len = 0;
	if (store->changes_cap > WRITE_CHANGES_KEPT) {
		free(store->changes);
		store->changes = NULL;
		store->changes_cap = 0;
	}
}

/* Runs and commits one group; fills `group` with its jobs and returns how many they
 * are. */
static size_t
run_group(struct store *store, struct store_job *group[static STORE_QUEUE_MAX])
{
	struct store_conn *conn = store->writer;
	struct err err = { 0 };
	size_t n = 0;
	int64_t start = clock_mono_ms(store->clock);

	store->changes_len = 0;
	if (begin_group(store, &err) != 0) {
		/* Who came while we waited would wait as long and for as little. */
		for (struct store_job *job = next_job(store); job != NULL;
			job = next_job(store)) {
			assert(n < STORE_QUEUE_MAX);
			job->rc = 0;
			group[n++] = job;
		}
		fail_group(store, group, n, &err);
		return n;
	}
	while (n < STORE_GROUP_MAX && !is_lost(conn) &&
		(n == 0 || clock_mono_ms(store->clock) - start < STORE_GROUP_MS)) {
		struct store_job *job = next_job(store);
		if (job == NULL) {
			break;
		}
		group[n++] = job;
		run_job(store, job);
	}
	if (is_lost(conn)) {
		store_conn_fail(
			conn, conn->fatal != 0 ? conn->fatal : SQLITE_ERROR, &err);
		note_sync_failure(store);
		fail_group(store, group, n, &err);
	} else if (run_simple(conn, STORE_STMT_COMMIT, "COMMIT", &err) != 0) {
		note_sync_failure(store);
		fail_group(store, group, n, &err);
	} else {
		hand_out_changes(store);
	}
	return n;
}

/* ---- the queue, under the lock ---- */

static struct store_job *
take_job_locked(struct store *store)
{
	struct store_job *job = store->jobs_free;
	if (job != NULL) {
		store->jobs_free = job->next;
		return job;
	}
	if (store->jobs_used == STORE_QUEUE_MAX) {
		return NULL;
	}
	job = &store->jobs[store->jobs_used];
	if (pthread_cond_init(&job->wake, NULL) != 0) {
		return NULL;
	}
	store->jobs_used++;
	return job;
}

static void
enqueue_locked(struct store *store, struct store_job *job)
{
	job->next = NULL;
	if (store->queue_tail != NULL) {
		store->queue_tail->next = job;
	} else {
		store->queue_head = job;
	}
	store->queue_tail = job;
}

/* Leads the group that begins with the caller's own job, and names the next leader. The
 * lock is released and taken again. */
static void
lead_locked(struct store *store, const struct store_job *own)
{
	struct store_job *group[STORE_QUEUE_MAX];
	pthread_cond_t *next_leader = NULL;

	store->leader = pthread_self();
	store->running = true;
	pthread_mutex_unlock(&store->write_lock);
	size_t n = run_group(store, group);

	pthread_mutex_lock(&store->write_lock);
	for (size_t i = 0; i < n; i++) {
		group[i]->done = true;
	}
	store->running = false;
	store->led = store->queue_head != NULL;
	if (store->led) {
		store->queue_head->lead = true;
		next_leader = &store->queue_head->wake;
	}
	pthread_mutex_unlock(&store->write_lock);

	if (next_leader != NULL) {
		pthread_cond_signal(next_leader);
	}
	for (size_t i = 0; i < n; i++) {
		if (group[i] != own) {
			pthread_cond_signal(&group[i]->wake);
		}
	}
	pthread_mutex_lock(&store->write_lock);
}

int
store_write(struct store *store, store_write_fn fn, void *ctx, struct err *err)
{
	pthread_mutex_lock(&store->write_lock);
	assert(!store->running || !pthread_equal(store->leader, pthread_self()));
	struct store_job *job = take_job_locked(store);
	if (job == NULL) {
		pthread_mutex_unlock(&store->write_lock);
		return err_set(err, ERR_BUSY, "too many writes at once, try again");
	}
	job->fn = fn;
	job->ctx = ctx;
	job->err = err;
	job->rc = -1;
	job->done = false;
	job->lead = !store->led;
	enqueue_locked(store, job);
	store->led = true;
	while (!job->done && !job->lead) {
		pthread_cond_wait(&job->wake, &store->write_lock);
	}
	if (!job->done) {
		lead_locked(store, job);
		assert(job->done);
	}
	int rc = job->rc;
	job->next = store->jobs_free;
	store->jobs_free = job;
	pthread_mutex_unlock(&store->write_lock);
	return rc;
}
