/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include "base/file.h"
#include "base/str.h"
#include "store/record_sql.h"
#include "store/settings.h"
#include "store/state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A quick_check reads every row and its constraints, 6 ms for a MiB on two shared cores.
 * Up to this size nobody notices at a start; above it, damage is found when it is read,
 * or by store_check. */
enum { STORE_QUICK_CHECK_BYTES = 8 * 1024 * 1024 };

static int
file_error(const char *what, const char *path, int error, struct err *err)
{
	char text[128] = "";
	/* Unknown numbers leave an empty text; the number itself is there. */
	(void)strerror_r(error, text, sizeof(text));
	err_set(err, error == ENOSPC || error == EDQUOT ? ERR_UNAVAILABLE : ERR_INTERNAL,
		"cannot %s %s", what, path);
	return err_detail(err, "errno %d: %s", error, text);
}

/* Sees to it that the file is there and that nobody else may read it; SQLite gives the
 * WAL and the shared memory the mode of the file. An existing file is not opened: closing
 * it would drop the locks that this process may hold on it. */
static int
prepare_file(const char *path, bool create, struct err *err)
{
	if (create) {
		int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0) {
			int failed = fsync(fd) != 0 ? errno : 0;
			close(fd);
			if (failed == 0 && file_sync_parent(path) != 0) {
				failed = errno;
			}
			return failed != 0 ? file_error("create", path, failed, err) : 0;
		}
		if (errno != EEXIST) {
			return file_error("create", path, errno, err);
		}
	}
	struct stat st;
	if (stat(path, &st) != 0) {
		return errno == ENOENT
			? err_set(err, ERR_NOT_FOUND, "there is no database at %s", path)
			: file_error("open", path, errno, err);
	}
	if (!S_ISREG(st.st_mode)) {
		return err_set(err, ERR_CORRUPT, "%s is not a file", path);
	}
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0 && chmod(path, 0600) != 0) {
		return file_error("restrict the access to", path, errno, err);
	}
	return 0;
}

static int
quick_check(struct store_conn *conn, struct err *err)
{
	STORE_STMT_AUTO stmt = { .conn = conn };
	struct stat st;
	size_t len = 0;
	if (stat(conn->store->path, &st) != 0 || st.st_size > STORE_QUICK_CHECK_BYTES) {
		return 0;
	}
	int code = sqlite3_prepare_v3(
		conn->db, "PRAGMA quick_check(1)", -1, 0, &stmt.raw, NULL);
	if (code != SQLITE_OK) {
		return store_conn_fail(conn, code, err);
	}
	int rc = store_stmt_step(&stmt, err);
	if (rc < 0) {
		return -1;
	}
	const char *finding = store_stmt_text(&stmt, 0, &len);
	if (!str_equal(finding, "ok")) {
		err_set(err, ERR_CORRUPT, "the database is damaged; restore a backup");
		return err_detail(err, "%s", finding);
	}
	return 0;
}

static void
configure_sqlite(void)
{
	/* Before first use: counting memory takes a global lock at each allocation, and
	 * paths are paths (Debian's SQLite takes "file:" for a URI). Refused when SQLite
	 * runs already; both are no more than nice to have. */
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	(void)sqlite3_config(SQLITE_CONFIG_URI, 0);
}

static int
init_pool(struct store *store, unsigned readers, struct err *err)
{
	pthread_condattr_t attr;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	store->pool_max = readers > 0 ? readers : cores > 0 ? 2 * (unsigned)cores : 2;
	store->read_wait_ms = STORE_READ_WAIT_MS;
	store->query_ms = STORE_QUERY_MS;
	if (pthread_condattr_init(&attr) != 0) {
		return err_nomem(err);
	}
	bool failed = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0 ||
		pthread_cond_init(&store->pool_freed, &attr) != 0;
	pthread_condattr_destroy(&attr);
	if (failed) {
		return err_nomem(err);
	}
	if (pthread_mutex_init(&store->pool_lock, NULL) != 0) {
		pthread_cond_destroy(&store->pool_freed);
		return err_nomem(err);
	}
	return 0;
}

static void
release_pool(struct store *store)
{
	while (store->pool_free != NULL) {
		struct store_conn *conn = store->pool_free;
		store->pool_free = conn->next;
		store_conn_close(conn);
		store->pool_open--;
	}
	assert(store->pool_open == 0);
	pthread_mutex_destroy(&store->pool_lock);
	pthread_cond_destroy(&store->pool_freed);
}

static int
open_writer(struct store *store, bool create, struct err *err)
{
	if (prepare_file(store->path, create, err) != 0) {
		return -1;
	}
	if (store_conn_open(store, &store->writer, err) != 0 ||
		store_migrate(store->writer, create, err) != 0 ||
		store_conn_setup(store->writer, STORE_CONN_WRITER, err) != 0 ||
		quick_check(store->writer, err) != 0) {
		return err_prefix(err, "%s", store->path);
	}
	return 0;
}

int
store_open(const struct store_params *params, bool create, struct store **out,
	struct err *err)
{
	static pthread_once_t configured = PTHREAD_ONCE_INIT;
	pthread_once(&configured, configure_sqlite);

	struct store *store = calloc(1, sizeof(*store));
	if (store == NULL) {
		return err_nomem(err);
	}
	store->clock = params->clock;
	store->hash = params->hash;
	if (init_pool(store, params->readers, err) != 0) {
		free(store);
		return -1;
	}
	if (store_write_init(store, err) != 0) {
		release_pool(store);
		free(store);
		return -1;
	}
	store->path = str_dup(params->path);
	if (store->path == NULL) {
		err_nomem(err);
	} else if (store_record_sql_build(store, err) == 0 &&
		open_writer(store, create, err) == 0) {
		*out = store;
		return 0;
	}
	store_close(store);
	return -1;
}

void
store_close(struct store *store)
{
	if (store == NULL) {
		return;
	}
	release_pool(store);
	/* The last connection to close writes the WAL back and removes it; readers may
	 * not. */
	store_conn_close(store->writer);
	store_write_release(store);
	store_record_sql_release(store);
	free(store->path);
	free(store);
}

/* ---- reading ---- */

static struct timespec
mono_deadline(int64_t wait_ms)
{
	int64_t ms = clock_mono_ms(&clock_system) + wait_ms;
	return (struct timespec){ .tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000 };
}

/* *out is NULL when there is room for one more connection; the caller opens it. */
static int
take_conn(struct store *store, struct store_conn **out, struct err *err)
{
	int timed_out = 0;
	bool full = true;
	struct timespec deadline = mono_deadline(store->read_wait_ms);

	pthread_mutex_lock(&store->pool_lock);
	while (store->pool_free == NULL && store->pool_open == store->pool_max &&
		timed_out == 0) {
		timed_out = pthread_cond_timedwait(
			&store->pool_freed, &store->pool_lock, &deadline);
	}
	struct store_conn *conn = store->pool_free;
	if (conn != NULL) {
		store->pool_free = conn->next;
		full = false;
	} else if (store->pool_open < store->pool_max) {
		store->pool_open++;
		full = false;
	}
	pthread_mutex_unlock(&store->pool_lock);
	if (full) {
		return err_set(err, ERR_BUSY, "too many reads at once, try again");
	}
	*out = conn;
	return 0;
}

/* NULL gives the room back that a connection would have taken. */
static void
give_conn(struct store *store, struct store_conn *conn)
{
	pthread_mutex_lock(&store->pool_lock);
	if (conn == NULL) {
		store->pool_open--;
	} else {
		conn->next = store->pool_free;
		store->pool_free = conn;
	}
	pthread_mutex_unlock(&store->pool_lock);
	pthread_cond_signal(&store->pool_freed);
}

static int
begin_read(struct store_conn *conn, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_BEGIN, "BEGIN", err) != 0) {
		return -1;
	}
	return store_stmt_run(&stmt, NULL, err);
}

int
store_read_begin_one(struct store *store, struct store_conn **out, struct err *err)
{
	struct store_conn *conn = NULL;
	if (take_conn(store, &conn, err) != 0) {
		return -1;
	}
	if (conn == NULL &&
		(store_conn_open(store, &conn, err) != 0 ||
			store_conn_setup(conn, STORE_CONN_READER, err) != 0)) {
		store_conn_close(conn);
		give_conn(store, NULL);
		return -1;
	}
	*out = conn;
	return 0;
}

int
store_read_begin(struct store *store, struct store_conn **out, struct err *err)
{
	struct store_conn *conn = NULL;
	if (store_read_begin_one(store, &conn, err) != 0) {
		return -1;
	}
	if (begin_read(conn, err) != 0) {
		store_conn_close(conn);
		give_conn(store, NULL);
		return -1;
	}
	*out = conn;
	return 0;
}

static int
end_read(struct store_conn *conn)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_COMMIT, "COMMIT", NULL) != 0) {
		return -1;
	}
	return store_stmt_run(&stmt, NULL, NULL);
}

void
store_read_end(struct store *store, struct store_conn *conn)
{
	if (conn == NULL) {
		return;
	}
	/* An error may have ended the transaction already. A connection that is not clean
	 * afterwards, or that met a failing disk, is not used again. */
	int rc = sqlite3_get_autocommit(conn->db) != 0 ? 0 : end_read(conn);
	if (rc != 0 || conn->fatal != 0) {
		store_conn_close(conn);
		conn = NULL;
	}
	give_conn(store, conn);
}

/* ---- checking ---- */

static int
first_finding(
	struct store_stmt *stmt, const char *good, const char *what, struct err *err)
{
	size_t len = 0;
	int rc = store_stmt_step(stmt, err);
	if (rc <= 0) {
		return rc;
	}
	const char *finding = store_stmt_text(stmt, 0, &len);
	if (good != NULL && str_equal(finding, good)) {
		return 0;
	}
	err_set(err, ERR_CORRUPT, "the database is damaged: %s", what);
	return err_detail(err, "%s", finding);
}

static int
check_integrity(struct store_conn *conn, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_CHECK_INTEGRITY,
		    "PRAGMA integrity_check(1)", err) != 0) {
		return -1;
	}
	return first_finding(&stmt, "ok", "its structure", err);
}

static int
check_references(struct store_conn *conn, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_CHECK_FOREIGN_KEYS,
		    "SELECT \"table\" || ' row ' || coalesce(rowid, 0) || ' refers to a "
		    "missing ' "
		    "|| parent FROM pragma_foreign_key_check LIMIT 1",
		    err) != 0) {
		return -1;
	}
	return first_finding(&stmt, NULL, "a reference to a missing row", err);
}

static int
check_counters(struct store_conn *conn, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_CHECK_COUNTERS,
		    "SELECT name || ' are counted as ' || total FROM counters WHERE "
		    "total <> "
		    "CASE name WHEN 'accounts' THEN (SELECT count(*) FROM accounts WHERE "
		    "deleted = "
		    "0) WHEN 'users' THEN (SELECT count(*) FROM users) END",
		    err) != 0) {
		return -1;
	}
	return first_finding(&stmt, NULL, "a counter of rows", err);
}

int
store_check(struct store_conn *conn, struct err *err)
{
	/* A check is as long as the database. */
	int64_t query_ms = conn->query_ms;
	conn->query_ms = 0;
	int rc = check_integrity(conn, err) != 0 || check_references(conn, err) != 0 ||
			check_counters(conn, err) != 0
		? -1
		: 0;
	conn->query_ms = query_ms;
	return rc;
}

int
store_settings_uuid(
	struct store_conn *conn, char out[static STORE_UUID_SIZE], struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_SETTINGS_UUID,
		    "SELECT value FROM settings WHERE key = 'database_uuid'", err) != 0) {
		return -1;
	}
	int rc = store_stmt_step(&stmt, err);
	if (rc < 0) {
		return -1;
	}
	if (rc == 0) {
		return err_set(err, ERR_CORRUPT, "the database has no uuid");
	}
	return store_stmt_copy(&stmt, 0, out, STORE_UUID_SIZE, err);
}
