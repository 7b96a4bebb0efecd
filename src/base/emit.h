/* SPDX-License-Identifier: Apache-2.0
 * The one JSON emitter: compact, in the byte form of Go's encoding/json (which JWTs
 * need). */
#ifndef BASE_EMIT_H
#define BASE_EMIT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EMIT_DEPTH_MAX = 32 };

/* Writes into a buffer that it borrows; errors are the buffer's (buf_finish). Commas are
 * its own affair. Strings: `<`, `>`, `&`, U+2028 and U+2029 leave as \u escapes, invalid
 * UTF-8 as \ufffd. */
struct emit {
	struct buf *buf;
	unsigned depth;
	bool has_items[EMIT_DEPTH_MAX];
	bool after_key;
};

void emit_init(struct emit *emit, struct buf *buf);

void emit_object_begin(struct emit *emit);
void emit_object_end(struct emit *emit);
void emit_array_begin(struct emit *emit);
void emit_array_end(struct emit *emit);

/* The next value belongs to this key. */
void emit_key(struct emit *emit, const char *key);

void emit_text(struct emit *emit, const char *text); /* NULL emits null */
void emit_text_n(struct emit *emit, const char *text, size_t len);
void emit_int(struct emit *emit, int64_t value);
void emit_bool(struct emit *emit, bool value);
void emit_null(struct emit *emit);

/* Bytes that already are one JSON value, made by this emitter (a list from the database,
 * say). */
void emit_raw(struct emit *emit, const char *json, size_t len);

/* Key and value in one call. */
void emit_kv_text(struct emit *emit, const char *key, const char *text);
void emit_kv_int(struct emit *emit, const char *key, int64_t value);
void emit_kv_bool(struct emit *emit, const char *key, bool value);

/* A time in ms as clock_format has it; "" for 0. */
void emit_kv_date(struct emit *emit, const char *key, int64_t ms);

/* With Go's omitempty: nothing at all for NULL, "", 0, false. */
void emit_opt_text(struct emit *emit, const char *key, const char *text);
void emit_opt_int(struct emit *emit, const char *key, int64_t value);
void emit_opt_bool(struct emit *emit, const char *key, bool value);

#endif
