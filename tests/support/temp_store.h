/* SPDX-License-Identifier: Apache-2.0
 * A store in a directory of its own, and rows to put into it. Failures end the test. */
#ifndef SUPPORT_TEMP_STORE_H
#define SUPPORT_TEMP_STORE_H

#include "model/account.h"
#include "model/account_export.h"
#include "model/account_import.h"
#include "model/operator.h"
#include "model/role.h"
#include "model/superuser.h"
#include "model/user.h"
#include "store/store.h"

/* wall and mono stand still until they are set; a field may be changed at any time by one
 * thread. */
struct temp_clock {
	struct clock clock;
	int64_t wall;
	int64_t mono;
};

struct temp_store {
	char dir[64];
	char path[96];
	struct temp_clock clock;
	struct store_params params;
	struct store *store;
};

/* Makes the directory and the parameters; opens nothing. */
void temp_store_init(struct temp_store *temp);

void temp_store_open(struct temp_store *temp);
void temp_store_close(struct temp_store *temp);

/* Removes the files of a store that nobody has open. */
void temp_store_remove(const struct temp_store *temp);

/* Closes, and removes the directory. */
void temp_store_release(struct temp_store *temp);

/* Runs SQL on the file with a connection of its own, behind the store's back. */
void temp_store_exec(const struct temp_store *temp, const char *sql);

/* The first column of its first row. */
int64_t temp_store_query(const struct temp_store *temp, const char *sql);

void temp_hash(const void *data, size_t len, uint8_t out[static STORE_HASH_LEN]);

/* New rows with an id, a key and a name; released with record_release. */
void temp_account(struct account *row, const char *name);
void temp_role(struct role *row, const char *name);
void temp_user(
	struct user *row, const char *name, const char *account_id, const char *role_id);
void temp_superuser(struct superuser *row, const char *email);
void temp_export(struct account_export *row, const char *subject, const char *account_id);
void temp_import(struct account_import *row, const char *subject, const char *account_id);

/* Replaces a text of a row. */
void temp_set(char **member, const char *text);

/* One write that inserts the row; accounts get their row of account_publish too. */
int temp_insert(struct store *store, const struct collection *collection, void *row,
	const struct field **out_field, struct err *err);
void temp_insert_ok(struct store *store, const struct collection *collection, void *row);
int temp_update(struct store *store, const struct collection *collection, void *row,
	const struct field **out_field, struct err *err);
int temp_delete(struct store *store, const struct collection *collection,
	const struct record_head *head, struct err *err);

#endif
