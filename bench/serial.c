/* SPDX-License-Identifier: Apache-2.0
 * natsid serve with one commit for each write, under a mutex: the same schema and
 * statements as the group commit that it is held against. The linker puts this
 * store_write in the place of the store's (see CMakeLists.txt). */
#include "app/commands.h"
#include "store/state.h"

#include <malloc.h>
#include <pthread.h>
#include <sodium.h>

int __wrap_store_write(
	struct store *store, store_write_fn fn, void *ctx, struct err *err) MUST_CHECK;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int
run_cached(
	struct store_conn *conn, enum store_stmt_id id, const char *sql, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, id, sql, err) != 0) {
		return -1;
	}
	return store_stmt_run(&stmt, NULL, err);
}

static int
write_locked(struct store *store, store_write_fn fn, void *ctx, struct err *err)
{
	struct store_conn *conn = store->writer;
	struct store_tx tx = { .store = store, .now = clock_wall_ms(store->clock) };
	store->changes_len = 0;
	conn->fatal = 0;
	if (run_cached(conn, STORE_STMT_BEGIN_IMMEDIATE, "BEGIN IMMEDIATE", err) != 0) {
		return -1;
	}
	if (fn(&tx, ctx, err) != 0 ||
		run_cached(conn, STORE_STMT_COMMIT, "COMMIT", err) != 0) {
		(void)sqlite3_exec(conn->db, "ROLLBACK", NULL, NULL, NULL);
		return -1;
	}
	if (store->on_commit != NULL && store->changes_len > 0) {
		store->on_commit(
			store->on_commit_ctx, store->changes, store->changes_len);
	}
	return 0;
}

int
__wrap_store_write(struct store *store, store_write_fn fn, void *ctx, struct err *err)
{
	pthread_mutex_lock(&lock);
	int rc = write_locked(store, fn, ctx, err);
	pthread_mutex_unlock(&lock);
	return rc;
}

int
main(int argc, char **argv)
{
	struct options options = { 0 };
	struct err err = { 0 };
	mallopt(M_ARENA_MAX, 2);
	if (sodium_init() < 0 ||
		options_read(argc - 1, argv + 1, COMMAND_SERVE_OPTIONS, 0, &options,
			&err) != 0) {
		return (int)command_failed(&err);
	}
	enum exit_code code = command_serve(&options);
	options_release(&options);
	return (int)code;
}
