/* SPDX-License-Identifier: Apache-2.0
 * A growing byte buffer with a mandatory maximum and one check at the end. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Appends that fail (out of memory, over max) set `failed`; later appends do nothing.
 * data is NUL-terminated after len bytes whenever it is not NULL. */
struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max;
	bool failed;
	bool too_large; /* why: over max */
	bool secret; /* wiped when it grows, is cleared or released */
};

void buf_init(struct buf *buf, size_t max);

/* For seeds and creds: every copy that the buffer leaves behind is wiped. */
void buf_init_secret(struct buf *buf, size_t max);

void buf_release(struct buf *buf);

/* Empties it and keeps the memory; `failed` is reset. */
void buf_clear(struct buf *buf);

void buf_put(struct buf *buf, const void *data, size_t len);
void buf_put_char(struct buf *buf, char c);
void buf_put_str(struct buf *buf, const char *text);
void buf_put_int(struct buf *buf, int64_t value);

/* Reserves n bytes at the end and returns them for writing (len grows at once); NULL when
 * failed. */
char *buf_grow(struct buf *buf, size_t n) MUST_CHECK;

/* Drops everything after the first len bytes. */
void buf_truncate(struct buf *buf, size_t len);

/* 0 when every append succeeded, and data is then not NULL; else ERR_NOMEM or
 * ERR_TOO_LARGE. */
int buf_finish(struct buf *buf, struct err *err) MUST_CHECK;

/* Hands the bytes over: the caller frees *out; the buffer is empty again. Call after
 * buf_finish. */
char *buf_take(struct buf *buf) MUST_CHECK;

#endif
