/* SPDX-License-Identifier: Apache-2.0
 * What writing a file durably takes. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/err.h"

#include <stddef.h>

/* All of it, over interrupts and short writes; -1 with errno. */
int file_write_all(int fd, const void *data, size_t len) MUST_CHECK;

/* Syncs the directory that the path is in: a new name is durable only with it. -1 with
 * errno. */
int file_sync_parent(const char *path) MUST_CHECK;

#endif
