/* SPDX-License-Identifier: Apache-2.0
 * Group commit, faults of the disk, crashes, and reads beside writes. */
#include "base/str.h"
#include "store/audit.h"
#include "store/conn.h"
#include "store/record.h"
#include "store/state.h"
#include "support/temp_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { WAIT_MS = 30000 };

/* ---- a disk that can fail ---- */

/* What the next operations on any file answer; SQLITE_OK: what the real file does. */
static atomic_int fault_write;
static atomic_int fault_sync;

struct fault_file {
	sqlite3_file base;
	sqlite3_file *real; /* behind this struct */
};

#define REAL(file) (((struct fault_file *)(file))->real)

static int
fault_close(sqlite3_file *file)
{
	return REAL(file)->pMethods->xClose(REAL(file));
}

static int
fault_read(sqlite3_file *file, void *data, int len, sqlite3_int64 at)
{
	return REAL(file)->pMethods->xRead(REAL(file), data, len, at);
}

static int
fault_do_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
	int code = atomic_load(&fault_write);
	return code != SQLITE_OK
		? code
		: REAL(file)->pMethods->xWrite(REAL(file), data, len, at);
}

static int
fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return REAL(file)->pMethods->xTruncate(REAL(file), size);
}

static int
fault_do_sync(sqlite3_file *file, int flags)
{
	int code = atomic_load(&fault_sync);
	return code != SQLITE_OK ? code : REAL(file)->pMethods->xSync(REAL(file), flags);
}

static int
fault_size(sqlite3_file *file, sqlite3_int64 *out)
{
	return REAL(file)->pMethods->xFileSize(REAL(file), out);
}

static int
fault_lock(sqlite3_file *file, int level)
{
	return REAL(file)->pMethods->xLock(REAL(file), level);
}

static int
fault_unlock(sqlite3_file *file, int level)
{
	return REAL(file)->pMethods->xUnlock(REAL(file), level);
}

static int
fault_check_lock(sqlite3_file *file, int *out)
{
	return REAL(file)->pMethods->xCheckReservedLock(REAL(file), out);
}

static int
fault_control(sqlite3_file *file, int op, void *arg)
{
	return REAL(file)->pMethods->xFileControl(REAL(file), op, arg);
}

static int
fault_sector(sqlite3_file *file)
{
	return REAL(file)->pMethods->xSectorSize(REAL(file));
}

static int
fault_device(sqlite3_file *file)
{
	return REAL(file)->pMethods->xDeviceCharacteristics(REAL(file));
}

static int
fault_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
	return REAL(file)->pMethods->xShmMap(REAL(file), page, size, extend, out);
}

static int
fault_shm_lock(sqlite3_file *file, int at, int n, int flags)
{
	return REAL(file)->pMethods->xShmLock(REAL(file), at, n, flags);
}

static void
fault_shm_barrier(sqlite3_file *file)
{
	REAL(file)->pMethods->xShmBarrier(REAL(file));
}

static int
fault_shm_unmap(sqlite3_file *file, int remove)
{
	return REAL(file)->pMethods->xShmUnmap(REAL(file), remove);
}

static const sqlite3_io_methods fault_methods = { 2, fault_close, fault_read,
	fault_do_write, fault_truncate, fault_do_sync, fault_size, fault_lock,
	fault_unlock, fault_check_lock, fault_control, fault_sector, fault_device,
	fault_shm_map, fault_shm_lock, fault_shm_barrier, fault_shm_unmap, NULL, NULL };

static sqlite3_vfs fault_vfs;
static sqlite3_vfs *real_vfs;

static int
fault_open(
	sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	struct fault_file *fault = (struct fault_file *)file;
	(void)vfs; /* there is one */
	*fault = (struct fault_file){ .real = (sqlite3_file *)(fault + 1) };
	int code = real_vfs->xOpen(real_vfs, name, fault->real, flags, out_flags);
	if (fault->real->pMethods != NULL) {
		fault->base.pMethods = &fault_methods;
	}
	return code;
}

static int
install_faults(void **state)
{
	(void)state; /* for the whole program */
	real_vfs = sqlite3_vfs_find(NULL);
	fault_vfs = *real_vfs;
	fault_vfs.zName = "fault";
	fault_vfs.szOsFile += (int)sizeof(struct fault_file);
	fault_vfs.xOpen = fault_open;
	assert_int_equal(sqlite3_vfs_register(&fault_vfs, 1), SQLITE_OK);
	return 0;
}

/* ---- fixture ---- */

static int
set_up_closed(void **state)
{
	struct temp_store *temp = malloc(sizeof(*temp));
	assert_non_null(temp);
	temp_store_init(temp);
	temp->clock.clock.ctx = &temp->clock;
	*state = temp;
	return 0;
}

static int
set_up(void **state)
{
	set_up_closed(state);
	temp_store_open(*state);
	return 0;
}

static int
tear_down(void **state)
{
	atomic_store(&fault_write, SQLITE_OK);
	atomic_store(&fault_sync, SQLITE_OK);
	temp_store_release(*state);
	free(*state);
	return 0;
}

static struct store_conn *
begin_read(struct temp_store *temp)
{
	struct store_conn *conn = NULL;
	struct err err = { 0 };
	if (store_read_begin(temp->store, &conn, &err) != 0) {
		fail_msg("cannot read: %s (%s)", err.msg, err.detail);
	}
	return conn;
}

static int64_t
count_roles(struct store_conn *conn)
{
	int64_t count = -1;
	assert_int_equal(store_record_count(conn, &role_collection, &count, NULL), 0);
	return count;
}

static int64_t
count_roles_now(struct temp_store *temp)
{
	struct store_conn *conn = begin_read(temp);
	int64_t count = count_roles(conn);
	store_read_end(temp->store, conn);
	return count;
}

/* A role and its audit entry, as a use case writes them. */
struct job {
	struct store *store;
	char name[32];
	char id[RAND_ID_SIZE];
	bool fail; /* after having written */
	int fatal; /* SQLite's code, as if it had come up then */
	atomic_bool *gate; /* waits for it, when not NULL */
	atomic_bool started;
	int64_t now;
	int64_t seq;
	int rc;
	struct err err;
	pthread_t thread;
};

static void
wait_for(const atomic_bool *flag)
{
	int64_t deadline = clock_mono_ms(&clock_system) + WAIT_MS;
	while (!atomic_load(flag)) {
		if (clock_mono_ms(&clock_system) > deadline) {
			abort(); /* not in the thread of the test */
		}
		sched_yield();
	}
}

static int
insert_role(struct store_tx *tx, struct job *job, struct err *err)
{
	struct role role;
	if (role_init(&role, err) != 0) {
		return -1;
	}
	temp_set(&role.name, job->name);
	rand_id(&clock_system, role.head.id);
	memcpy(job->id, role.head.id, sizeof(job->id));
	int rc = store_record_insert(tx, &role_collection, &role, NULL, err);
	job->seq = role.head.seq;
	record_release(&role_collection, &role);
	return rc;
}

static int
run_job(struct store_tx *tx, void *ctx, struct err *err)
{
	struct job *job = ctx;
	atomic_store(&job->started, true);
	if (job->gate != NULL) {
		wait_for(job->gate);
	}
	job->now = store_tx_now(tx);
	if (insert_role(tx, job, err) != 0) {
		return -1;
	}
	struct store_audit_entry entry = { .request_id = "",
		.actor = "system",
		.actor_id = "",
		.action = "create",
		.collection = &role_collection,
		.record_id = job->id };
	if (store_audit_append(tx, &entry, err) != 0) {
		return -1;
	}
	if (job->fatal != 0) {
		return store_conn_fail(store_tx_conn(tx), job->fatal, err);
	}
	return job->fail ? err_set(err, ERR_FORBIDDEN, "no") : 0;
}

static void *
job_thread(void *ctx)
{
	struct job *job = ctx;
	job->rc = store_write(job->store, run_job, job, &job->err);
	return NULL;
}

static void
start(struct job *job, struct temp_store *temp, const char *name)
{
	job->store = temp->store;
	str_fmt_cut(job->name, sizeof(job->name), "%s", name);
	pthread_attr_t attr;
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstacksize(&attr, 512 * 1024), 0);
	assert_int_equal(pthread_create(&job->thread, &attr, job_thread, job), 0);
	pthread_attr_destroy(&attr);
}

static size_t
queue_length(struct store *store)
{
	size_t n = 0;
	pthread_mutex_lock(&store->write_lock);
	for (const struct store_job *job = store->queue_head; job != NULL;
		job = job->next) {
		n++;
	}
	pthread_mutex_unlock(&store->write_lock);
	return n;
}

static void
wait_for_queue(struct temp_store *temp, size_t n)
{
	int64_t deadline = clock_mono_ms(&clock_system) + WAIT_MS;
	while (queue_length(temp->store) != n) {
		assert_true(clock_mono_ms(&clock_system) < deadline);
		sched_yield();
	}
}

static int
write_one(struct temp_store *temp, struct job *job, const char *name)
{
	str_fmt_cut(job->name, sizeof(job->name), "%s", name);
	job->err = (struct err){ 0 };
	job->rc = store_write(temp->store, run_job, job, &job->err);
	return job->rc;
}

static void
assert_sound(struct temp_store *temp, int64_t roles)
{
	int64_t rows = 0;
	struct err err = { 0 };
	struct store_conn *conn = begin_read(temp);
	if (store_check(conn, &err) != 0 || store_audit_verify(conn, &rows, &err) != 0) {
		fail_msg("%s (%s)", err.msg, err.detail);
	}
	assert_int_equal(count_roles(conn), roles);
	assert_int_equal(rows, roles);
	store_read_end(temp->store, conn);
}

/* ---- groups ---- */

/* Starts a leader that holds its group open, and n more behind it in the queue. */
static void
gather(struct temp_store *temp, struct job *jobs, size_t n, atomic_bool *gate)
{
	jobs[0].gate = gate;
	start(&jobs[0], temp, "leader");
	wait_for(&jobs[0].started);
	for (size_t i = 1; i < n; i++) {
		char name[16];
		str_fmt_cut(name, sizeof(name), "r%zu", i);
		start(&jobs[i], temp, name);
		wait_for_queue(temp, i);
	}
}

static void
finish(struct job *jobs, size_t n, atomic_bool *gate)
{
	atomic_store(gate, true);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(pthread_join(jobs[i].thread, NULL), 0);
	}
}

struct seen {
	size_t len;
	struct store_change changes[4096];
	atomic_bool busy;
	bool overlapped;
};

/* Called by one thread after the other, without a lock of its own: TSan watches. */
static void
see(void *ctx, const struct store_change *changes, size_t n)
{
	struct seen *seen = ctx;
	if (atomic_exchange(&seen->busy, true)) {
		seen->overlapped = true;
	}
	for (size_t i = 0; i < n && seen->len < COUNT(seen->changes); i++) {
		seen->changes[seen->len++] = changes[i];
	}
	atomic_store(&seen->busy, false);
}

static void
test_failing_job_undoes_itself(void **state)
{
	struct temp_store *temp = *state;
	struct job jobs[6] = { 0 };
	struct seen *seen = calloc(1, sizeof(*seen));
	atomic_bool gate = false;
	assert_non_null(seen);
	store_on_commit(temp->store, see, seen);
	jobs[2].fail = true;
	uint64_t commits = temp->store->commits;
	gather(temp, jobs, COUNT(jobs), &gate);
	finish(jobs, COUNT(jobs), &gate);
	assert_int_equal(temp->store->commits, commits + 1);
	for (size_t i = 0; i < COUNT(jobs); i++) {
		assert_int_equal(jobs[i].rc, i == 2 ? -1 : 0);
	}
	assert_int_equal(jobs[2].err.code, ERR_FORBIDDEN);
	assert_string_equal(jobs[2].err.msg, "no");
	assert_sound(temp, 5);
	/* Its change is not told; the others are, in the order of the queue. */
	static const size_t order[] = { 0, 1, 3, 4, 5 };
	assert_int_equal(seen->len, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(seen->changes[i].action, STORE_CREATED);
		assert_int_equal(seen->changes[i].collection, COLLECTION_ROLES);
		assert_string_equal(seen->changes[i].id, jobs[order[i]].id);
		assert_int_equal(seen->changes[i].seq, jobs[order[i]].seq);
	}
	free(seen);
}

/* A group takes 64 at most, and none after its time is up. */
static void
test_group_is_bounded(void **state)
{
	struct temp_store *temp = *state;
	struct job *jobs = calloc(130, sizeof(*jobs));
	atomic_bool gate = false;
	assert_non_null(jobs);
	uint64_t commits = temp->store->commits;
	gather(temp, jobs, 130, &gate);
	finish(jobs, 130, &gate);
	assert_int_equal(temp->store->commits, commits + 3); /* 64 + 64 + 2 */

	/* By the real clock, a leader that dawdles ends the group alone. */
	temp_store_close(temp);
	temp->params.clock = &clock_system;
	temp_store_open(temp);
	commits = temp->store->commits;
	atomic_store(&gate, false);
	memset(jobs, 0, 3 * sizeof(*jobs));
	str_fmt_cut(jobs[0].name, sizeof(jobs[0].name), "slow");
	jobs[0].gate = &gate;
	start(&jobs[0], temp, "slow");
	wait_for(&jobs[0].started);
	start(&jobs[1], temp, "second");
	wait_for_queue(temp, 1);
	start(&jobs[2], temp, "third");
	wait_for_queue(temp, 2);
	int64_t until = clock_mono_ms(&clock_system) + STORE_GROUP_MS + 5;
	while (clock_mono_ms(&clock_system) < until) {
		sched_yield();
	}
	finish(jobs, 3, &gate);
	assert_int_equal(temp->store->commits, commits + 2);
	assert_sound(temp, 133);
	free(jobs);
}

static void
test_queue_full(void **state)
{
	struct temp_store *temp = *state;
	struct job *jobs = calloc(STORE_QUEUE_MAX, sizeof(*jobs));
	struct job refused = { 0 };
	atomic_bool gate = false;
	assert_non_null(jobs);
	gather(temp, jobs, STORE_QUEUE_MAX, &gate);
	assert_int_equal(write_one(temp, &refused, "one too many"), -1);
	assert_int_equal(refused.err.code, ERR_BUSY);
	assert_false(atomic_load(&refused.started));
	finish(jobs, STORE_QUEUE_MAX, &gate);
	for (size_t i = 0; i < STORE_QUEUE_MAX; i++) {
		assert_int_equal(jobs[i].rc, 0);
	}
	assert_int_equal(write_one(temp, &refused, "now there is room"), 0);
	assert_sound(temp, STORE_QUEUE_MAX + 1);
	free(jobs);
}

static void
test_clock_never_goes_back(void **state)
{
	struct temp_store *temp = *state;
	struct job job = { 0 };
	int64_t start_wall = temp->clock.wall;
	assert_int_equal(write_one(temp, &job, "a"), 0);
	assert_int_equal(job.now, start_wall);
	temp->clock.wall -= 60000;
	assert_int_equal(write_one(temp, &job, "b"), 0);
	assert_int_equal(job.now, start_wall);
	temp->clock.wall = start_wall + 1;
	assert_int_equal(write_one(temp, &job, "c"), 0);
	assert_int_equal(job.now, start_wall + 1);
}

/* ---- many writers ---- */

enum { WRITERS = 64, WRITES_EACH = 50 };

struct writer {
	struct temp_store *temp;
	unsigned number;
	pthread_t thread;
	unsigned failed;
};

static void *
write_many(void *ctx)
{
	struct writer *writer = ctx;
	for (unsigned i = 0; i < WRITES_EACH; i++) {
		struct job job = { 0 };
		char name[32];
		str_fmt_cut(name, sizeof(name), "w%u-%u", writer->number, i);
		writer->failed += write_one(writer->temp, &job, name) != 0 ? 1 : 0;
	}
	return NULL;
}

static void
test_many_writers(void **state)
{
	struct temp_store *temp = *state;
	struct writer writers[WRITERS];
	struct seen *seen = calloc(1, sizeof(*seen));
	assert_non_null(seen);
	temp->params.clock = &clock_system;
	temp_store_open(temp);
	store_on_commit(temp->store, see, seen);
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ .temp = temp, .number = i };
		assert_int_equal(
			pthread_create(&writers[i].thread, NULL, write_many, &writers[i]),
			0);
	}
	for (unsigned i = 0; i < WRITERS; i++) {
		assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
		assert_int_equal(writers[i].failed, 0);
	}
	assert_sound(temp, WRITERS * WRITES_EACH);
	/* Many share a commit. */
	assert_true(temp->store->commits < WRITERS * WRITES_EACH / 2);
	/* seq is given in the order of the commits; so are the changes, all of them. */
	assert_false(seen->overlapped);
	assert_int_equal(seen->len, WRITERS * WRITES_EACH);
	for (size_t i = 0; i < seen->len; i++) {
		assert_int_equal(seen->changes[i].seq, i + 1);
	}
	free(seen);
	temp_store_close(temp);
	temp_store_open(temp);
	assert_sound(temp, WRITERS * WRITES_EACH);
}

/* Readers beside writers: each snapshot holds as many roles as audit entries. */
static void *
read_many(void *ctx)
{
	struct writer *writer = ctx;
	for (unsigned i = 0; i < WRITES_EACH; i++) {
		struct store_conn *conn = NULL;
		int64_t rows = -1;
		int64_t roles = -2;
		if (store_read_begin(writer->temp->store, &conn, NULL) != 0 ||
			store_record_count(conn, &role_collection, &roles, NULL) != 0 ||
			store_audit_verify(conn, &rows, NULL) != 0 || rows != roles) {
			writer->failed++;
		}
		store_read_end(writer->temp->store, conn);
	}
	return NULL;
}

static void
test_readers_beside_writers(void **state)
{
	struct temp_store *temp = *state;
	struct writer threads[16];
	for (unsigned i = 0; i < COUNT(threads); i++) {
		threads[i] = (struct writer){ .temp = temp, .number = i };
		assert_int_equal(
			pthread_create(&threads[i].thread, NULL,
				i % 2 == 0 ? write_many : read_many, &threads[i]),
			0);
	}
	for (unsigned i = 0; i < COUNT(threads); i++) {
		assert_int_equal(pthread_join(threads[i].thread, NULL), 0);
		assert_int_equal(threads[i].failed, 0);
	}
	assert_sound(temp, (int64_t)(COUNT(threads) / 2 * WRITES_EACH));
}

/* ---- faults ---- */

static void
test_disk_full(void **state)
{
	struct temp_store *temp = *state;
	struct job jobs[4] = { 0 };
	struct job job = { 0 };
	struct seen *seen = calloc(1, sizeof(*seen));
	atomic_bool gate = false;
	assert_non_null(seen);
	assert_int_equal(write_one(temp, &job, "before"), 0);
	store_on_commit(temp->store, see, seen);

	jobs[1].fail = true;
	gather(temp, jobs, COUNT(jobs), &gate);
	atomic_store(&fault_write, SQLITE_FULL);
	finish(jobs, COUNT(jobs), &gate);
	for (size_t i = 0; i < COUNT(jobs); i++) {
		assert_int_equal(jobs[i].rc, -1);
		assert_int_equal(
			jobs[i].err.code, i == 1 ? ERR_FORBIDDEN : ERR_UNAVAILABLE);
	}
	assert_string_equal(jobs[0].err.msg, "the disk is full");
	assert_int_equal(seen->len, 0);
	/* Reads go on, and writes when there is room again. */
	assert_sound(temp, 1);
	atomic_store(&fault_write, SQLITE_OK);
	assert_int_equal(write_one(temp, &job, "after"), 0);
	assert_sound(temp, 2);
	assert_int_equal(seen->len, 1);
	free(seen);
}

static void
test_disk_error(void **state)
{
	struct temp_store *temp = *state;
	struct job job = { 0 };
	assert_int_equal(write_one(temp, &job, "before"), 0);
	atomic_store(&fault_write, SQLITE_IOERR_WRITE);
	assert_int_equal(write_one(temp, &job, "lost"), -1);
	assert_int_equal(job.err.code, ERR_INTERNAL);
	atomic_store(&fault_write, SQLITE_OK);
	assert_int_equal(write_one(temp, &job, "after"), 0);
	assert_sound(temp, 2);
}

/* An fsync that failed once is never trusted again: nothing is written until a
 * restart. */
static void
test_sync_error(void **state)
{
	struct temp_store *temp = *state;
	struct job job = { 0 };
	assert_int_equal(write_one(temp, &job, "before"), 0);
	atomic_store(&fault_sync, SQLITE_IOERR_FSYNC);
	assert_int_equal(write_one(temp, &job, "lost"), -1);
	assert_int_equal(job.err.code, ERR_INTERNAL);
	atomic_store(&fault_sync, SQLITE_OK);
	atomic_store(&job.started, false);
	assert_int_equal(write_one(temp, &job, "refused"), -1);
	assert_int_equal(job.err.code, ERR_INTERNAL);
	assert_non_null(strstr(job.err.msg, "restarted"));
	assert_false(atomic_load(&job.started));
	assert_sound(temp, 1);
	temp_store_close(temp);
	temp_store_open(temp);
	assert_int_equal(write_one(temp, &job, "after"), 0);
	/* Whether "lost" is there, nobody was told. */
	assert_true(count_roles_now(temp) >= 2);
}

/* Errors that no savepoint survives fail all of the group, whatever the job itself
 * answers. */
static void
test_fatal_in_a_job(void **state)
{
	struct temp_store *temp = *state;
	static const struct {
		int code;
		enum err_code expected;
	} table[] = { { SQLITE_NOMEM, ERR_NOMEM }, { SQLITE_CORRUPT, ERR_CORRUPT },
		{ SQLITE_FULL, ERR_UNAVAILABLE }, { SQLITE_IOERR_READ, ERR_INTERNAL } };
	for (size_t i = 0; i < COUNT(table); i++) {
		struct job jobs[3] = { 0 };
		struct job job = { 0 };
		atomic_bool gate = false;
		char name[16];
		jobs[1].fatal = table[i].code;
		gather(temp, jobs, COUNT(jobs), &gate);
		finish(jobs, COUNT(jobs), &gate);
		assert_int_equal(jobs[0].rc, -1);
		assert_int_equal(jobs[0].err.code, table[i].expected);
		assert_int_equal(jobs[1].rc, -1);
		assert_int_equal(jobs[1].err.code, table[i].expected);
		assert_int_equal(jobs[2].rc, 0); /* of the next group */
		assert_int_equal(count_roles_now(temp), 2 * (int64_t)i + 1);
		str_fmt_cut(name, sizeof(name), "after%zu", i);
		assert_int_equal(write_one(temp, &job, name), 0);
		temp_store_exec(
			temp, "UPDATE roles SET name = name || seq WHERE name = 'r2'");
	}
	assert_sound(temp, 2 * (int64_t)COUNT(table));
}

static void
test_error_codes(void **state)
{
	struct temp_store *temp = *state;
	static const struct {
		int code;
		enum err_code expected;
	} table[] = {
		{ SQLITE_BUSY, ERR_BUSY },
		{ SQLITE_BUSY_SNAPSHOT, ERR_BUSY },
		{ SQLITE_LOCKED, ERR_BUSY },
		{ SQLITE_FULL, ERR_UNAVAILABLE },
		{ SQLITE_IOERR_SHORT_READ, ERR_INTERNAL },
		{ SQLITE_IOERR_NOMEM, ERR_NOMEM },
		{ SQLITE_CORRUPT_INDEX, ERR_CORRUPT },
		{ SQLITE_NOTADB, ERR_CORRUPT },
		{ SQLITE_READONLY_DBMOVED, ERR_UNAVAILABLE },
		{ SQLITE_CANTOPEN, ERR_UNAVAILABLE },
		{ SQLITE_INTERRUPT, ERR_UNAVAILABLE },
		{ SQLITE_TOOBIG, ERR_TOO_LARGE },
		{ SQLITE_CONSTRAINT_FOREIGNKEY, ERR_CONFLICT },
		{ SQLITE_CONSTRAINT_UNIQUE, ERR_CONFLICT },
		{ SQLITE_CONSTRAINT_CHECK, ERR_INTERNAL },
		{ SQLITE_MISUSE, ERR_INTERNAL },
	};
	struct store_conn *conn = begin_read(temp);
	for (size_t i = 0; i < COUNT(table); i++) {
		struct err err = { 0 };
		assert_int_equal(store_conn_fail(conn, table[i].code, &err), -1);
		assert_int_equal(err.code, table[i].expected);
		assert_null(strstr(err.msg, "qlite"));
		assert_non_null(strstr(err.detail, "sqlite"));
		assert_int_equal(store_conn_fail(conn, table[i].code, NULL), -1);
	}
	/* A connection that met a fatal error does not go back to the pool. */
	assert_int_equal(temp->store->pool_open, 1);
	store_read_end(temp->store, conn);
	assert_int_equal(temp->store->pool_open, 0);
}

/* ---- other processes ---- */

static void
test_two_processes(void **state)
{
	struct temp_store *temp = *state;
	temp->params.clock = &clock_system;
	pid_t children[3];
	for (unsigned c = 0; c < COUNT(children); c++) {
		children[c] = fork();
		assert_true(children[c] >= 0);
		if (children[c] == 0) {
			struct writer writer = { .temp = temp, .number = c };
			if (store_open(&temp->params, true, &temp->store, NULL) != 0) {
				_exit(1);
			}
			write_many(&writer);
			store_close(temp->store);
			_exit(writer.failed == 0 ? 0 : 2);
		}
	}
	for (unsigned c = 0; c < COUNT(children); c++) {
		int status = -1;
		assert_int_equal(waitpid(children[c], &status, 0), children[c]);
		assert_int_equal(status, 0);
	}
	temp_store_open(temp);
	assert_sound(temp, (int64_t)(COUNT(children) * WRITES_EACH));
}

/* Somebody else holds the write lock: all who wait are told, and nobody waits for
 * ever. */
static void
test_locked_by_another(void **state)
{
	struct temp_store *temp = *state;
	struct job job = { 0 };
	sqlite3 *other = NULL;
	assert_int_equal(sqlite3_open(temp->path, &other), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_busy_timeout(temp->store->writer->db, 20);
	assert_int_equal(write_one(temp, &job, "refused"), -1);
	assert_int_equal(job.err.code, ERR_BUSY);
	assert_false(atomic_load(&job.started));
	assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(write_one(temp, &job, "accepted"), 0);
	sqlite3_close(other);
}

/* ---- crashes ---- */

enum { CRASH_ROUNDS = 6, CRASH_WRITERS = 8, CRASH_ACKED_MAX = 4096 };

struct crash_writer {
	struct store *store;
	unsigned round;
	unsigned number;
	int pipe;
	pthread_t thread;
};

/* Writes for ever, and says so after each. */
static void *
write_and_tell(void *ctx)
{
	struct crash_writer *writer = ctx;
	for (unsigned i = 0;; i++) {
		struct job job = { 0 };
		str_fmt_cut(job.name, sizeof(job.name), "c%u-%u-%u", writer->round,
			writer->number, i);
		if (store_write(writer->store, run_job, &job, &job.err) != 0 ||
			write(writer->pipe, job.id, RAND_ID_LEN) != RAND_ID_LEN) {
			_exit(3);
		}
	}
}

static void
crash_child(struct temp_store *temp, unsigned round, int fd)
{
	struct crash_writer writers[CRASH_WRITERS];
	if (store_open(&temp->params, true, &temp->store, NULL) != 0) {
		_exit(1);
	}
	for (unsigned i = 0; i < CRASH_WRITERS; i++) {
		writers[i] = (struct crash_writer){
			.store = temp->store, .round = round, .number = i, .pipe = fd
		};
		if (pthread_create(
			    &writers[i].thread, NULL, write_and_tell, &writers[i]) != 0) {
			_exit(2);
		}
	}
	pthread_join(writers[0].thread, NULL);
	_exit(4);
}

static ssize_t
read_id(int fd, char id[static RAND_ID_SIZE])
{
	size_t got = 0;
	while (got < RAND_ID_LEN) {
		ssize_t n = read(fd, id + got, RAND_ID_LEN - got);
		if (n <= 0) {
			return n;
		}
		got += (size_t)n;
	}
	id[RAND_ID_LEN] = '\0';
	return RAND_ID_LEN;
}

static void
assert_all_there(struct temp_store *temp, char (*acked)[RAND_ID_SIZE], size_t n)
{
	struct store_conn *conn = begin_read(temp);
	for (size_t i = 0; i < n; i++) {
		struct role role = { 0 };
		struct err err = { 0 };
		if (store_record_get(conn, &role_collection, acked[i], &role, &err) !=
			0) {
			fail_msg("%s was acknowledged, but: %s", acked[i], err.msg);
		}
		record_release(&role_collection, &role);
	}
	store_read_end(temp->store, conn);
}

static void
test_kill(void **state)
{
	struct temp_store *temp = *state;
	char(*acked)[RAND_ID_SIZE] = calloc(CRASH_ACKED_MAX, sizeof(*acked));
	size_t n = 0;
	uint32_t seed = 20261120;
	assert_non_null(acked);
	temp->params.clock = &clock_system;
	for (unsigned round = 0; round < CRASH_ROUNDS; round++) {
		int fds[2];
		assert_int_equal(pipe(fds), 0);
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			close(fds[0]);
			crash_child(temp, round, fds[1]);
		}
		close(fds[1]);
		seed = seed * 1664525 + 1013904223;
		size_t kill_at = n + 1 + (seed >> 16) % 300;
		while (n < kill_at) {
			assert_int_equal(read_id(fds[0], acked[n]), RAND_ID_LEN);
			n++;
		}
		assert_int_equal(kill(child, SIGKILL), 0);
		while (n < CRASH_ACKED_MAX && read_id(fds[0], acked[n]) > 0) {
			n++;
		}
		close(fds[0]);
		int status = 0;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

		temp_store_open(temp);
		assert_all_there(temp, acked, n);
		int64_t roles = count_roles_now(temp);
		assert_true(roles >= (int64_t)n);
		assert_sound(temp, roles);
		temp_store_close(temp);
	}
	free(acked);
}

/* ---- reading ---- */

static void
test_snapshot(void **state)
{
	struct temp_store *temp = *state;
	struct job job = { 0 };
	assert_int_equal(write_one(temp, &job, "a"), 0);
	struct store_conn *old = begin_read(temp);
	assert_int_equal(count_roles(old), 1);
	assert_int_equal(write_one(temp, &job, "b"), 0);
	struct store_conn *new = begin_read(temp);
	assert_int_equal(count_roles(new), 2);
	assert_int_equal(count_roles(old), 1);
	store_read_end(temp->store, old);
	store_read_end(temp->store, new);
	old = begin_read(temp);
	assert_int_equal(count_roles(old), 2);
	store_read_end(temp->store, old);
	store_read_end(temp->store, NULL);
}

struct reader {
	struct temp_store *temp;
	atomic_bool waiting;
	int rc;
	pthread_t thread;
};

static void *
read_once(void *ctx)
{
	struct reader *reader = ctx;
	struct store_conn *conn = NULL;
	atomic_store(&reader->waiting, true);
	reader->rc = store_read_begin(reader->temp->store, &conn, NULL);
	store_read_end(reader->temp->store, conn);
	return NULL;
}

static void
test_pool(void **state)
{
	struct temp_store *temp = *state;
	struct store_conn *conns[4];
	struct store_conn *none = NULL;
	struct err err = { 0 };
	for (size_t i = 0; i < COUNT(conns); i++) {
		conns[i] = begin_read(temp);
	}
	temp->store->read_wait_ms = 30;
	int64_t before = clock_mono_ms(&clock_system);
	assert_int_equal(store_read_begin(temp->store, &none, &err), -1);
	assert_int_equal(err.code, ERR_BUSY);
	assert_null(none);
	assert_true(clock_mono_ms(&clock_system) - before >= 29);

	/* Who waits gets the first that is given back. */
	temp->store->read_wait_ms = WAIT_MS;
	struct reader readers[3];
	for (size_t i = 0; i < COUNT(readers); i++) {
		readers[i] = (struct reader){ .temp = temp, .rc = -1 };
		assert_int_equal(
			pthread_create(&readers[i].thread, NULL, read_once, &readers[i]),
			0);
		wait_for(&readers[i].waiting);
	}
	store_read_end(temp->store, conns[0]);
	for (size_t i = 0; i < COUNT(readers); i++) {
		assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
		assert_int_equal(readers[i].rc, 0);
	}
	for (size_t i = 1; i < COUNT(conns); i++) {
		store_read_end(temp->store, conns[i]);
	}
	assert_int_equal(temp->store->pool_open, 4);
}

static int
count_forever(struct store_conn *conn, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open_list(&stmt, conn,
		    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
		    "SELECT count(*) FROM n",
		    err) != 0) {
		return -1;
	}
	return store_stmt_step(&stmt, err);
}

static void
test_deadline(void **state)
{
	struct temp_store *temp = *state;
	struct err err = { 0 };
	temp->store->query_ms = 40; /* read when the connection opens */
	struct store_conn *conn = begin_read(temp);
	int64_t before = clock_mono_ms(&clock_system);
	assert_int_equal(count_forever(conn, &err), -1);
	int64_t took = clock_mono_ms(&clock_system) - before;
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_string_equal(err.msg, "the query took too long");
	assert_true(took >= 40 && took < WAIT_MS);
	/* The connection is as good as before. */
	assert_int_equal(count_roles(conn), 0);
	store_read_end(temp->store, conn);
	assert_int_equal(temp->store->pool_open, 1);
	assert_int_equal(count_roles_now(temp), 0);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
#define FILE_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up_closed, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_failing_job_undoes_itself),
		STORE_TEST(test_group_is_bounded),
		STORE_TEST(test_queue_full),
		STORE_TEST(test_clock_never_goes_back),
		FILE_TEST(test_many_writers),
		STORE_TEST(test_readers_beside_writers),
		STORE_TEST(test_disk_full),
		STORE_TEST(test_disk_error),
		STORE_TEST(test_sync_error),
		STORE_TEST(test_fatal_in_a_job),
		STORE_TEST(test_error_codes),
		FILE_TEST(test_two_processes),
		STORE_TEST(test_locked_by_another),
		FILE_TEST(test_kill),
		STORE_TEST(test_snapshot),
		STORE_TEST(test_pool),
		STORE_TEST(test_deadline),
	};
	return cmocka_run_group_tests(tests, install_faults, NULL);
}
