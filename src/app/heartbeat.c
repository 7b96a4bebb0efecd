/* SPDX-License-Identifier: Apache-2.0 */
#include "app/heartbeat.h"

#include "base/file.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"
#include "service/restored.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BEAT_MS = 60 * 1000 };

struct heartbeat {
	const struct data_dir *dir;
	char path[PATH_MAX];
	char beat[STORE_BEAT_SIZE]; /* the database's last one */
	bool behind; /* the file does not say that one yet */
	bool told; /* that it cannot beat */
	int64_t next; /* ms, monotonic */
	atomic_uint_fast64_t commits;
	uint64_t seen; /* of commits, what the last beat came after */
};

/* ---- the file ---- */

/* Its first line, as much of it as is needed to compare it. */
static int
read_file(const char *path, char *out, size_t size, bool *out_found, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, size - 1) : -1;
	int cause = errno;
	if (fd >= 0) {
		close(fd);
	}
	*out_found = n >= 0;
	if (n < 0 && cause != ENOENT) {
		return err_set(err, ERR_UNAVAILABLE,
			"cannot read %s: %s. It tells whether natsid.db is the newest "
			"one: make it readable",
			path, strerror(cause));
	}
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return 0;
}

/* 0, or the errno. */
static int
write_line(int fd, const char *beat)
{
	char line[STORE_BEAT_SIZE + 1];
	if (str_fmt(line, sizeof(line), "%s\n", beat) != 0) {
		return EINVAL;
	}
	return file_write_all(fd, line, strlen(line)) != 0 ||
			ftruncate(fd, (off_t)strlen(line)) != 0 || fsync(fd) != 0
		? errno
		: 0;
}

/* Over the last one, which is as long: no disk writes half of so little, no full disk
 * refuses it, and nothing comes and goes in the directory that others may be copying. */
static int
write_file(struct heartbeat *heartbeat, struct err *err)
{
	int fd = open(heartbeat->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int cause = fd >= 0 ? write_line(fd, heartbeat->beat) : errno;
	if (fd >= 0 && close(fd) != 0 && cause == 0) {
		cause = errno;
	}
	if (cause == 0 && file_sync_parent(heartbeat->path) != 0) {
		cause = errno;
	}
	if (cause != 0) {
		return err_set(err, ERR_UNAVAILABLE, "cannot write %s: %s",
			heartbeat->path, strerror(cause));
	}
	heartbeat->behind = false;
	return 0;
}

/* ---- beating ---- */

static int
put(struct store_tx *tx, void *ctx, struct err *err)
{
	return store_heartbeat_put(tx, ctx, err);
}

/* First the database, then the file; and no second time before the file has followed: it
 * is never behind by more than one. */
static int
beat(struct heartbeat *heartbeat, struct err *err)
{
	char id[RAND_ID_SIZE];
	char text[STORE_BEAT_SIZE];
	uint64_t before = atomic_load(&heartbeat->commits);
	if (heartbeat->behind && write_file(heartbeat, err) != 0) {
		return -1;
	}
	rand_id(&clock_system, id);
	if (str_fmt(text, sizeof(text), "%s %" PRId64, id,
		    clock_wall_ms(&clock_system)) != 0) {
		return err_set(err, ERR_INTERNAL, "a beat is too long");
	}
	if (store_write(heartbeat->dir->store, put, text, err) != 0) {
		return -1;
	}
	memcpy(heartbeat->beat, text, sizeof(text));
	heartbeat->behind = true;
	heartbeat->seen = before + 1; /* with its own commit */
	return write_file(heartbeat, err);
}

static void
beat_or_warn(struct heartbeat *heartbeat)
{
	struct err err = { 0 };
	heartbeat->next = clock_mono_ms(&clock_system) + BEAT_MS;
	if (beat(heartbeat, &err) == 0) {
		heartbeat->told = false;
	} else if (!heartbeat->told) {
		heartbeat->told = true;
		log_warn("cannot note that the database is served: a backup that is "
			 "restored might not be noticed",
			LOG_STR("reason", err.msg), LOG_STR("detail", err.detail));
	}
}

void
heartbeat_on_commit(struct heartbeat *heartbeat)
{
	atomic_fetch_add(&heartbeat->commits, 1);
}

void
heartbeat_look(struct heartbeat *heartbeat)
{
	if (heartbeat->behind || atomic_load(&heartbeat->commits) != heartbeat->seen ||
		clock_mono_ms(&clock_system) >= heartbeat->next) {
		beat_or_warn(heartbeat);
	}
}

/* ---- the start ---- */

/* Which of two that differ is the older one does not matter, and cannot be told where
 * backups were restored more than once. No file has followed where nothing came before
 * the last beat: that was the first one, and natsid was killed after it. */
enum heartbeat_history
heartbeat_judge(const struct store_heartbeat *database, const char *file)
{
	if (file == NULL || (file[0] == '\0' && database->last[0] != '\0')) {
		return database->before[0] == '\0' ? HEARTBEAT_NEW : HEARTBEAT_RESTORED;
	}
	return file[0] != '\0' &&
			(str_equal(file, database->last) ||
				str_equal(file, database->before))
		? HEARTBEAT_SAME
		: HEARTBEAT_RESTORED;
}

/* "" where it does not say one. */
static void
time_of(const char *text, char out[static CLOCK_TEXT_MAX])
{
	int64_t ms = 0;
	const char *blank = strchr(text, ' ');
	out[0] = '\0';
	if (blank != NULL && str_to_int(blank + 1, 1, INT64_MAX, &ms) == 0) {
		clock_format(ms, out);
	}
}

static int
mark_restored(const struct heartbeat *heartbeat, const struct store_heartbeat *database,
	const char *file, struct err *err)
{
	struct restored restored = { 0 };
	char database_at[CLOCK_TEXT_MAX];
	char file_at[CLOCK_TEXT_MAX];
	if (service_restored(heartbeat->dir->service, &restored, err) != 0) {
		return err_prefix(err, "a backup was restored");
	}
	if (restored.users == 0) {
		return 0; /* there was nothing to forget */
	}
	time_of(database->last, database_at);
	time_of(file != NULL ? file : "", file_at);
	log_warn(
		"a backup was restored: who got creds since it was made is not known, so "
		"all users are taken to have some, suspended ones are refused anew, "
		"and links to creds are ended",
		LOG_STR("database_of", database_at), LOG_STR("served_until", file_at),
		LOG_STR("heartbeat",
			file == NULL                 ? "missing"
				: file_at[0] == '\0' ? "damaged"
						     : "another"),
		LOG_INT("users", restored.users),
		LOG_INT("suspended", restored.suspended),
		LOG_INT("accounts_refused", restored.accounts_refused),
		LOG_INT("links", restored.links),
		LOG_STR("read", "docs/cli.md#creds-since-the-backup"));
	return 0;
}

static int
read_database(struct store *store, struct store_heartbeat *out, struct err *err)
{
	struct store_conn *conn = NULL;
	if (store_read_begin_one(store, &conn, err) != 0) {
		return -1;
	}
	int rc = store_heartbeat_get(conn, out, err);
	store_read_end(store, conn);
	return rc;
}

static int
find_history(struct heartbeat *heartbeat, struct err *err)
{
	char file[STORE_BEAT_SIZE + 1] = "";
	bool found = false;
	struct store_heartbeat database = { 0 };
	if (read_file(heartbeat->path, file, sizeof(file), &found, err) != 0 ||
		read_database(heartbeat->dir->store, &database, err) != 0) {
		return -1;
	}
	switch (heartbeat_judge(&database, found ? file : NULL)) {
	case HEARTBEAT_RESTORED:
		return mark_restored(heartbeat, &database, found ? file : NULL, err);
	case HEARTBEAT_SAME:
		memcpy(heartbeat->beat, database.last, sizeof(heartbeat->beat));
		heartbeat->behind = !str_equal(file, database.last);
		break;
	case HEARTBEAT_NEW:
		break;
	}
	return 0;
}

int
heartbeat_start(const struct data_dir *dir, struct heartbeat **out, struct err *err)
{
	struct heartbeat *heartbeat = calloc(1, sizeof(*heartbeat));
	if (heartbeat == NULL) {
		return err_nomem(err);
	}
	heartbeat->dir = dir;
	if (str_fmt(heartbeat->path, sizeof(heartbeat->path), "%s/heartbeat",
		    dir->path) != 0) {
		err_set(err, ERR_INVALID, "the path of the data directory is too long");
		goto failed;
	}
	if (find_history(heartbeat, err) != 0) {
		goto failed;
	}
	beat_or_warn(heartbeat);
	heartbeat->seen = 0; /* nobody told of that commit */
	*out = heartbeat;
	return 0;
failed:
	free(heartbeat);
	return -1;
}

void
heartbeat_stop(struct heartbeat *heartbeat)
{
	if (heartbeat == NULL) {
		return;
	}
	beat_or_warn(heartbeat);
	free(heartbeat);
}
