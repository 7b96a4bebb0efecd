/* SPDX-License-Identifier: Apache-2.0 */
#include "support/temp_folder.h"

#include "base/str.h"
#include "service/operator.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int
temp_folder_set_up(void **state)
{
	struct temp_folder *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	assert_int_equal(str_copy(f->dir, sizeof(f->dir), "/tmp/natsid-test-XXXXXX"), 0);
	assert_non_null(mkdtemp(f->dir));
	str_fmt_cut(f->data, sizeof(f->data), "%s/data", f->dir);
	str_fmt_cut(f->db, sizeof(f->db), "%s/data/natsid.db", f->dir);
	str_fmt_cut(f->key, sizeof(f->key), "%s/data/master.key", f->dir);
	str_fmt_cut(f->config, sizeof(f->config), "%s/config.json", f->dir);
	*state = f;
	return 0;
}

static void
remove_all(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry = NULL;
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char inner[TEMP_PATH_SIZE + 300];
		if (str_equal(entry->d_name, ".") || str_equal(entry->d_name, "..")) {
			continue;
		}
		str_fmt_cut(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		if (unlink(inner) != 0) {
			remove_all(inner);
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
	rmdir(path);
}

int
temp_folder_tear_down(void **state)
{
	struct temp_folder *f = *state;
	remove_all(f->dir);
	free(f);
	return 0;
}

void
temp_write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

int
temp_folder_open(
	const struct temp_folder *f, bool create, struct data_dir *dir, struct err *err)
{
	struct data_dir_params params = {
		.path = f->data, .create = create, .lock = create
	};
	*err = (struct err){ 0 };
	return data_dir_open(&params, dir, err);
}

void
temp_folder_make_system(const struct temp_folder *f)
{
	struct data_dir dir;
	struct err err = { 0 };
	if (temp_folder_open(f, true, &dir, &err) != 0 ||
		service_operator_init(dir.service, &temp_console_actor, "First", &err) !=
			0) {
		fail_msg("%s (%s)", err.msg, err.detail);
	}
	data_dir_close(&dir);
}
