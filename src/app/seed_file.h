/* SPDX-License-Identifier: Apache-2.0
 * Where seeds go when they leave, and come from when they are brought: files that are
 * their owner's alone. */
#ifndef APP_SEED_FILE_H
#define APP_SEED_FILE_H

#include "base/buf.h"

/* Tells before anything is done whether seed_file_write could write there. ERR_CONFLICT:
 * there is something already; it is never overwritten. */
int seed_file_check(const char *path, struct err *err) MUST_CHECK;

/* Makes the file (0600) and returns when it is durable. */
int
seed_file_write(const char *path, const struct buf *seeds, struct err *err) MUST_CHECK;

/* Standard output takes seeds unless a screen or others would see them: a pipe, or a
 * file that is the owner's alone. ERR_INVALID. */
int seed_file_check_stdout(struct err *err) MUST_CHECK;
int seed_file_write_stdout(const struct buf *seeds, struct err *err) MUST_CHECK;

/* Appends what is there, up to out's max; out must be secret. */
int seed_file_read(const char *path, struct buf *out, struct err *err) MUST_CHECK;
int seed_file_read_stdin(struct buf *out, struct err *err) MUST_CHECK;

#endif
