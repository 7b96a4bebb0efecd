/* SPDX-License-Identifier: Apache-2.0
 * The data directory in every state that it can be found in. */
#include "app/data_dir.h"
#include "base/str.h"
#include "service/operator.h"
#include "support/assert_code.h"
#include "support/temp_folder.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <sqlite3.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
exec_sql(const struct temp_folder *f, const char *sql)
{
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* The operator's JWT: "" when there is none. */
static char *
operator_jwt(struct data_dir *dir)
{
	struct err err = { 0 };
	struct buf jwt;
	buf_init(&jwt, 8192);
	int rc = service_operator_jwt(dir->service, &temp_console_actor, &jwt, &err);
	char *text = rc == 0 ? buf_take(&jwt) : str_dup("");
	buf_release(&jwt);
	return text;
}

static void
assert_mode(const char *path, mode_t mode)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	if ((st.st_mode & 07777) != mode) {
		fail_msg("%s has mode %o", path, (unsigned)(st.st_mode & 07777));
	}
}

static void
test_fresh(void **state)
{
	const struct temp_folder *f = *state;
	struct data_dir dir;
	struct err err;
	assert_code(temp_folder_open(f, false, &dir, &err), &err, ERR_NOT_FOUND);
	assert_int_equal(access(f->data, F_OK), -1); /* reading makes nothing */
	temp_folder_make_system(f);
	assert_mode(f->data, 0700);
	assert_mode(f->db, 0600);
	assert_mode(f->key, 0600);
	assert_int_equal(temp_folder_open(f, false, &dir, &err), 0);
	assert_string_equal(dir.path, f->data);
	assert_int_equal(service_check(dir.service, &err), 0);
	data_dir_close(&dir);
	assert_null(dir.service);
	data_dir_close(&dir); /* again: nothing */

	/* an empty directory that is there already */
	char other[TEMP_PATH_SIZE];
	str_fmt_cut(other, sizeof(other), "%s/other", f->dir);
	assert_int_equal(mkdir(other, 0700), 0);
	struct data_dir_params params = { .path = other };
	assert_code(data_dir_open(&params, &dir, &err), &err, ERR_NOT_FOUND);
	params.create = true;
	assert_int_equal(data_dir_open(&params, &dir, &err), 0);
	data_dir_close(&dir);
	/* a place that cannot be */
	params.path = "/nonexistent/parent/data";
	assert_code(data_dir_open(&params, &dir, &err), &err, ERR_UNAVAILABLE);
}

/* What is damaged or missing is said, and never taken for an empty directory. */
static void
test_matrix(void **state)
{
	static const char other_key[] =
		"natsid-master-key-1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n";
	enum damage {
		NONE,
		NO_KEY,
		NO_DB,
		OTHER_KEY,
		BAD_KEY,
		EMPTY_KEY,
		OPEN_KEY,
		NO_SLOT,
		BAD_SLOT,
		BAD_DATA_KEY,
		NO_DATA_KEY,
		OTHER_UUID,
		BAD_DB
	};
	static const struct {
		enum damage damage;
		enum err_code code;
		const char *words;
	} cases[] = {
		{ NONE, ERR_NONE, NULL },
		{ NO_KEY, ERR_CORRUPT, "is missing" },
		{ NO_DB, ERR_CORRUPT, "natsid.db is missing" },
		{ OTHER_KEY, ERR_FORBIDDEN, "not the one" },
		{ BAD_KEY, ERR_INVALID, "not a master key" },
		{ EMPTY_KEY, ERR_INVALID, "not a master key" },
		{ OPEN_KEY, ERR_INVALID, "chmod 600" },
		{ NO_SLOT, ERR_CORRUPT, "slot" },
		{ BAD_SLOT, ERR_CORRUPT, "slot is damaged" },
		{ BAD_DATA_KEY, ERR_CORRUPT, "data key 1 is damaged" },
		{ NO_DATA_KEY, ERR_CORRUPT, "no data key" },
		{ OTHER_UUID, ERR_CORRUPT, "damaged" },
		{ BAD_DB, ERR_CORRUPT, NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases) * 2; i++) {
		bool create = i % 2 == 1;
		enum damage damage = cases[i / 2].damage;
		void *own = NULL;
		struct data_dir dir;
		struct err err;
		temp_folder_set_up(&own);
		const struct temp_folder *f = own;
		temp_folder_make_system(f);
		switch (damage) {
		case NONE:
			break;
		case NO_KEY:
			assert_int_equal(unlink(f->key), 0);
			break;
		case NO_DB:
			assert_int_equal(unlink(f->db), 0);
			break;
		case OTHER_KEY:
			temp_write_text(f->key, other_key);
			break;
		case BAD_KEY:
			temp_write_text(f->key, "garbage\n");
			break;
		case EMPTY_KEY:
			temp_write_text(f->key, "");
			break;
		case OPEN_KEY:
			assert_int_equal(chmod(f->key, 0644), 0);
			break;
		case NO_SLOT:
			exec_sql(f, "DELETE FROM vault_slots");
			break;
		case BAD_SLOT:
			exec_sql(f, "UPDATE vault_slots SET wrapped = zeroblob(72)");
			break;
		case BAD_DATA_KEY:
			exec_sql(f, "UPDATE vault_keys SET wrapped = zeroblob(72)");
			break;
		case NO_DATA_KEY:
			exec_sql(f, "DELETE FROM vault_keys");
			break;
		case OTHER_UUID:
			exec_sql(f,
				"UPDATE settings SET value = "
				"'01234567-89ab-cdef-0123-456789abcdef' WHERE key = "
				"'database_uuid'");
			break;
		case BAD_DB:
			temp_write_text(f->db,
				"this is no database, though it is long enough to be "
				"looked at as one, with a header of a hundred bytes");
			break;
		}
		int rc = temp_folder_open(f, create, &dir, &err);
		if (cases[i / 2].code == ERR_NONE) {
			assert_int_equal(rc, 0);
			char *jwt = operator_jwt(&dir);
			assert_true(strlen(jwt) > 0);
			free(jwt);
			data_dir_close(&dir);
		} else {
			assert_code(rc, &err, cases[i / 2].code);
			if (cases[i / 2].words != NULL &&
				strstr(err.msg, cases[i / 2].words) == NULL) {
				fail_msg("\"%s\" instead of \"%s\"", err.msg,
					cases[i / 2].words);
			}
			/* and nothing was put in its place */
			assert_int_equal(access(f->key, F_OK), damage == NO_KEY ? -1 : 0);
			assert_int_equal(access(f->db, F_OK), damage == NO_DB ? -1 : 0);
		}
		temp_folder_tear_down(&own);
	}
}

/* The lost half comes back from its backup: the same operator. */
static void
test_key_comes_back(void **state)
{
	const struct temp_folder *f = *state;
	char away[TEMP_PATH_SIZE];
	struct data_dir dir;
	struct err err;
	temp_folder_make_system(f);
	assert_int_equal(temp_folder_open(f, false, &dir, &err), 0);
	char *before = operator_jwt(&dir);
	data_dir_close(&dir);
	str_fmt_cut(away, sizeof(away), "%s/away", f->dir);
	assert_int_equal(rename(f->key, away), 0);
	assert_code(temp_folder_open(f, true, &dir, &err), &err, ERR_CORRUPT);
	/* elsewhere is as good */
	struct data_dir_params params = {
		.path = f->data, .key_file = away, .create = true
	};
	assert_int_equal(data_dir_open(&params, &dir, &err), 0);
	char *after = operator_jwt(&dir);
	assert_string_equal(after, before);
	data_dir_close(&dir);
	assert_int_equal(rename(away, f->key), 0);
	assert_int_equal(temp_folder_open(f, true, &dir, &err), 0);
	data_dir_close(&dir);
	free(before);
	free(after);
}

/* A start that ended between the schema and the vault: the next one goes on. */
static void
test_interrupted(void **state)
{
	(void)state;
	for (int with_key = 0; with_key < 2; with_key++) {
		void *own = NULL;
		struct data_dir dir;
		struct err err;
		struct store *store = NULL;
		temp_folder_set_up(&own);
		const struct temp_folder *f = own;
		struct store_params params = {
			.path = f->db, .clock = &clock_system, .hash = vault_hash
		};
		uint8_t key[VAULT_KEY_LEN] = { 0 };
		uint8_t again[VAULT_KEY_LEN] = { 0 };
		assert_int_equal(mkdir(f->data, 0700), 0);
		assert_int_equal(store_open(&params, true, &store, &err), 0);
		store_close(store);
		if (with_key == 1) {
			assert_int_equal(vault_key_file_create(f->key, &err), 0);
			assert_int_equal(vault_key_file_read(f->key, key, &err), 0);
		}
		/* an offline command does not finish it, nor blames a lost key */
		assert_code(temp_folder_open(f, false, &dir, &err), &err, ERR_NOT_FOUND);
		assert_non_null(strstr(err.msg, "natsid init"));
		assert_int_equal(access(f->key, F_OK), with_key == 1 ? 0 : -1);

		assert_int_equal(temp_folder_open(f, true, &dir, &err), 0);
		assert_int_equal(service_operator_init(dir.service, &temp_console_actor,
					 "Resumed", &err),
			0);
		data_dir_close(&dir);
		assert_int_equal(vault_key_file_read(f->key, again, &err), 0);
		if (with_key == 1) {
			assert_memory_equal(again, key, sizeof(key));
		}
		/* with a vault but no operator: init goes on too (see the case above) */
		assert_int_equal(temp_folder_open(f, false, &dir, &err), 0);
		assert_int_equal(service_check(dir.service, &err), 0);
		data_dir_close(&dir);
		temp_folder_tear_down(&own);
	}
}

static void
test_lock(void **state)
{
	const struct temp_folder *f = *state;
	struct data_dir first;
	struct data_dir second;
	struct err err;
	char pid[24];
	temp_folder_make_system(f);
	assert_int_equal(temp_folder_open(f, true, &first, &err), 0);
	assert_code(temp_folder_open(f, true, &second, &err), &err, ERR_BUSY);
	str_fmt_cut(pid, sizeof(pid), "process %" PRId64 ")", (int64_t)getpid());
	assert_non_null(strstr(err.msg, pid));
	/* another process, which ends with the lock held by us */
	pid_t child = fork();
	if (child == 0) {
		_exit(temp_folder_open(f, true, &second, &err) == -1 &&
					err.code == ERR_BUSY
				? 0
				: 1);
	}
	int status = 1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_code(temp_folder_open(f, true, &second, &err), &err, ERR_BUSY);
	/* offline commands work beside it */
	assert_int_equal(temp_folder_open(f, false, &second, &err), 0);
	data_dir_close(&second);
	data_dir_close(&first);
	assert_int_equal(temp_folder_open(f, true, &first, &err), 0);
	data_dir_close(&first);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_folder_set_up, temp_folder_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fresh),
		cmocka_unit_test(test_matrix),
		TEST(test_key_comes_back),
		cmocka_unit_test(test_interrupted),
		TEST(test_lock),
	};
	if (sodium_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
