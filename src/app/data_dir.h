/* SPDX-License-Identifier: Apache-2.0
 * The data directory: natsid.db, master.key, lock; and what opens from it. */
#ifndef APP_DATA_DIR_H
#define APP_DATA_DIR_H

#include "base/err.h"
#include "service/service.h"
#include "store/store.h"
#include "vault/vault.h"

#include <stdbool.h>

struct data_dir {
	char *path; /* absolute */
	int lock_fd; /* -1: not locked */
	struct store *store;
	struct vault *vault;
	struct service *service;
};

struct data_dir_params {
	const char *path;
	const char *key_file; /* NULL: path/master.key */
	bool create; /* make what is missing, when all of it is missing */
	int64_t default_lifetime_s; /* of users' JWTs; 0: for ever */
	bool lock; /* for the one process that serves, or makes it */
};

/* Opens it, or makes it whole: directory (0700), database, master key, vault. A database
 * without its key, and a key without its database, are never taken for an empty
 * directory: ERR_CORRUPT with the way out. ERR_BUSY: another process holds the lock.
 * ERR_NOT_FOUND: nothing there, and not `create`. */
int data_dir_open(const struct data_dir_params *params, struct data_dir *out,
	struct err *err) MUST_CHECK;

/* Is there a database in it? */
bool data_dir_exists(const char *path);

/* A natsid serves from it, at this moment. False as well where nobody can tell. */
bool data_dir_is_served(const struct data_dir *dir);

void data_dir_close(struct data_dir *dir);

#endif
