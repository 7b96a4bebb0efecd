/* SPDX-License-Identifier: Apache-2.0
 * A folder of its own for a data directory and a configuration. Failures end the test. */
#ifndef SUPPORT_TEMP_FOLDER_H
#define SUPPORT_TEMP_FOLDER_H

#include "app/data_dir.h"

enum { TEMP_PATH_SIZE = 160 };

struct temp_folder {
	char dir[64];
	char data[TEMP_PATH_SIZE];
	char db[TEMP_PATH_SIZE];
	char key[TEMP_PATH_SIZE];
	char config[TEMP_PATH_SIZE];
};

/* As setup and teardown of a test: *state is the struct temp_folder, in which nothing has
 * been made. */
int temp_folder_set_up(void **state);
int temp_folder_tear_down(void **state);

/* 0 or -1 as data_dir_open. It is locked when it may be created. */
int temp_folder_open(
	const struct temp_folder *f, bool create, struct data_dir *dir, struct err *err);

/* Makes the data directory, and in it the operator "First". */
void temp_folder_make_system(const struct temp_folder *f);

/* The whole of a file. */
void temp_write_text(const char *path, const char *text);

#endif
