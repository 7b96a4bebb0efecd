/* SPDX-License-Identifier: Apache-2.0 */
#include "app/data_dir.h"

#include "base/buf.h"
#include "base/secret.h"
#include "base/str.h"
#include "store/settings.h"
#include "store/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int
make_directory(const char *path, bool create, char **out_absolute, struct err *err)
{
	if (create && mkdir(path, 0700) != 0 && errno != EEXIST) {
		return err_set(err, ERR_UNAVAILABLE,
			"cannot make the data directory %s: %s", path, strerror(errno));
	}
	char *absolute = realpath(path, NULL);
	if (absolute == NULL) {
		return err_set(err, ERR_NOT_FOUND,
			"there is no data directory %s (%s): name it by --data "
			"DIR; natsid init makes a new operator",
			path, strerror(errno));
	}
	*out_absolute = absolute;
	return 0;
}

static int
join(const char *dir, const char *name, char **out, struct err *err)
{
	struct buf path;
	buf_init(&path, PATH_MAX);
	buf_put_str(&path, dir);
	buf_put_char(&path, '/');
	buf_put_str(&path, name);
	if (buf_finish(&path, err) != 0) {
		buf_release(&path);
		return -1;
	}
	*out = buf_take(&path);
	return 0;
}

static void
pause_shortly(void)
{
	static const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
	nanosleep(&pause, NULL);
}

/* Who holds the lock. It writes that just after it took it, so it may take a moment. */
static void
read_holder(int fd, char *out, size_t size)
{
	enum { TRIES = 100 };
	ssize_t n = 0;
	for (int i = 0; n <= 0 && i < TRIES; i++) {
		if (i > 0) {
			pause_shortly();
		}
		n = pread(fd, out, size - 1, 0);
	}
	out[n > 0 ? n : 0] = '\0';
}

/* Who only asks whether it is held has it for a moment, too. */
static int
lock_soon(int fd)
{
	enum { TRIES = 5 };
	int rc = flock(fd, LOCK_EX | LOCK_NB);
	for (int i = 1; rc != 0 && i < TRIES; i++) {
		pause_shortly();
		rc = flock(fd, LOCK_EX | LOCK_NB);
	}
	return rc;
}

/* Held until the process ends, however it ends. */
static int
take_lock(struct data_dir *dir, struct err *err)
{
	char pid[24] = "";
	char *path = NULL;
	if (join(dir->path, "lock", &path, err) != 0) {
		return -1;
	}
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	free(path);
	if (fd < 0) {
		return err_set(err, ERR_UNAVAILABLE, "cannot open the lock in %s: %s",
			dir->path, strerror(errno));
	}
	if (lock_soon(fd) != 0) {
		read_holder(fd, pid, sizeof(pid));
		close(fd);
		return err_set(err, ERR_BUSY,
			"another natsid (process %.10s) uses the data directory %s",
			pid[0] != '\0' ? pid : "unknown", dir->path);
	}
	str_fmt_cut(pid, sizeof(pid), "%" PRId64, (int64_t)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, strlen(pid), 0) < 0) {
		close(fd);
		return err_set(err, ERR_UNAVAILABLE, "cannot write the lock in %s: %s",
			dir->path, strerror(errno));
	}
	dir->lock_fd = fd;
	return 0;
}

bool
data_dir_is_served(const struct data_dir *dir)
{
	struct err err = { 0 };
	char *path = NULL;
	if (join(dir->path, "lock", &path, &err) != 0) {
		return false;
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	free(path);
	if (fd < 0) {
		return false;
	}
	bool served = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	close(fd);
	return served;
}

/* What the vault is made of in the database. */
struct stored_vault {
	char uuid[STORE_UUID_SIZE];
	bool present;
	struct store_vault_slot slot;
	struct store_vault_key *keys;
	size_t key_count;
};

static int
read_stored(struct store *store, struct stored_vault *out, struct err *err)
{
	struct store_conn *conn = NULL;
	if (store_read_begin(store, &conn, err) != 0) {
		return -1;
	}
	int rc = store_settings_uuid(conn, out->uuid, err);
	if (rc == 0) {
		rc = store_vault_slot_get(conn, &out->slot, err);
		out->present = rc == 0;
		if (rc != 0 && err->code == ERR_NOT_FOUND) {
			err_clear(err);
			rc = 0;
		}
	}
	if (rc == 0) {
		rc = store_vault_keys(conn, &out->keys, &out->key_count, err);
	}
	store_read_end(store, conn);
	if (rc == 0 && !out->present && out->key_count > 0) {
		/* Both are written at once: this is no interrupted start. */
		return err_set(err, ERR_CORRUPT,
			"natsid.db has lost its key slot: restore it from its backup");
	}
	return rc;
}

static int
write_vault(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct stored_vault *stored = ctx;
	if (store_vault_slot_insert(tx, &stored->slot, err) != 0) {
		return -1;
	}
	return store_vault_key_insert(tx, &stored->keys[0], err);
}

static int
make_vault(struct data_dir *dir, const uint8_t master_key[static VAULT_KEY_LEN],
	struct stored_vault *stored, struct err *err)
{
	struct vault_slot slot;
	struct vault_data_key key;
	if (vault_create(master_key, stored->uuid, &slot, &key, &dir->vault, err) != 0) {
		return -1;
	}
	free(stored->keys);
	stored->keys = calloc(1, sizeof(*stored->keys));
	if (stored->keys == NULL) {
		return err_nomem(err);
	}
	_Static_assert(sizeof(slot) == sizeof(stored->slot), "vault slot");
	memcpy(stored->slot.key_id, slot.key_id, sizeof(slot.key_id));
	memcpy(stored->slot.wrapped, slot.wrapped, sizeof(slot.wrapped));
	stored->keys[0].id = key.id;
	memcpy(stored->keys[0].wrapped, key.wrapped, sizeof(key.wrapped));
	return store_write(dir->store, write_vault, stored, err);
}

static int
open_vault(struct data_dir *dir, const uint8_t master_key[static VAULT_KEY_LEN],
	const struct stored_vault *stored, struct err *err)
{
	struct vault_slot slot;
	struct vault_data_key *keys = calloc(stored->key_count + 1, sizeof(*keys));
	if (keys == NULL) {
		return err_nomem(err);
	}
	memcpy(slot.key_id, stored->slot.key_id, sizeof(slot.key_id));
	memcpy(slot.wrapped, stored->slot.wrapped, sizeof(slot.wrapped));
	for (size_t i = 0; i < stored->key_count; i++) {
		keys[i].id = stored->keys[i].id;
		memcpy(keys[i].wrapped, stored->keys[i].wrapped, sizeof(keys[i].wrapped));
	}
	int rc = vault_open(master_key, stored->uuid, &slot, keys, stored->key_count,
		&dir->vault, err);
	free(keys);
	return rc;
}

static int
unlock_vault(struct data_dir *dir, const char *key_path, bool create, struct err *err)
{
	int rc = -1;
	uint8_t master_key[VAULT_KEY_LEN] = { 0 };
	struct stored_vault stored = { 0 };

	if (read_stored(dir->store, &stored, err) != 0) {
		goto out;
	}
	if (!stored.present && !create) {
		err_set(err, ERR_NOT_FOUND,
			"the data directory was never finished: run natsid init, or "
			"natsid serve");
		goto out;
	}
	if (!stored.present && access(key_path, F_OK) != 0 &&
		vault_key_file_create(key_path, err) != 0) {
		goto out;
	}
	if (vault_key_file_read(key_path, master_key, err) != 0) {
		if (err->code == ERR_NOT_FOUND) {
			err_set(err, ERR_CORRUPT,
				"the master key %s is missing. Without it the seeds in "
				"natsid.db "
				"cannot be opened: restore it from its backup",
				key_path);
		}
		goto out;
	}
	rc = stored.present ? open_vault(dir, master_key, &stored, err)
			    : make_vault(dir, master_key, &stored, err);
out:
	secret_wipe(master_key, sizeof(master_key));
	free(stored.keys);
	return rc;
}

/* A key alone is what is left of a lost database: making a new operator beside it would
 * hide that. */
static int
check_leftovers(const char *db_path, const char *key_path, struct err *err)
{
	if (access(db_path, F_OK) == 0 || access(key_path, F_OK) != 0) {
		return 0;
	}
	return err_set(err, ERR_CORRUPT,
		"%s is there, but natsid.db is missing. Restore natsid.db, or move the "
		"key away to "
		"start a new system",
		key_path);
}

static int
open_parts(const struct data_dir_params *params, const char *db_path,
	const char *key_path, struct data_dir *dir, struct err *err)
{
	struct store_params store_params = {
		.path = db_path,
		.clock = &clock_system,
		.hash = vault_hash,
	};
	if (check_leftovers(db_path, key_path, err) != 0 ||
		store_open(&store_params, params->create, &dir->store, err) != 0 ||
		unlock_vault(dir, key_path, params->create, err) != 0) {
		return -1;
	}
	struct service_params service_params = {
		.store = dir->store,
		.vault = dir->vault,
		.clock = &clock_system,
		.default_lifetime_s = params->default_lifetime_s,
	};
	return service_new(&service_params, &dir->service, err);
}

int
data_dir_open(const struct data_dir_params *params, struct data_dir *out, struct err *err)
{
	int rc = -1;
	char *db_path = NULL;
	char *key_path = NULL;
	struct data_dir dir = { .lock_fd = -1 };

	if (make_directory(params->path, params->create, &dir.path, err) != 0 ||
		join(dir.path, "natsid.db", &db_path, err) != 0) {
		goto out;
	}
	if (params->key_file != NULL) {
		key_path = str_dup(params->key_file);
		if (key_path == NULL) {
			err_nomem(err);
			goto out;
		}
	} else if (join(dir.path, "master.key", &key_path, err) != 0) {
		goto out;
	}
	if (params->lock && take_lock(&dir, err) != 0) {
		goto out;
	}
	rc = open_parts(params, db_path, key_path, &dir, err);
out:
	free(db_path);
	free(key_path);
	if (rc != 0) {
		data_dir_close(&dir);
		return -1;
	}
	*out = dir;
	return 0;
}

bool
data_dir_exists(const char *path)
{
	struct err err = { 0 };
	char *db_path = NULL;
	if (join(path, "natsid.db", &db_path, &err) != 0) {
		return false;
	}
	bool exists = access(db_path, F_OK) == 0;
	free(db_path);
	return exists;
}

void
data_dir_close(struct data_dir *dir)
{
	service_free(dir->service);
	vault_free(dir->vault);
	store_close(dir->store);
	if (dir->lock_fd >= 0) {
		close(dir->lock_fd);
	}
	free(dir->path);
	*dir = (struct data_dir){ .lock_fd = -1 };
}
