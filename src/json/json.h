/* SPDX-License-Identifier: Apache-2.0
 * Bounded JSON parsing, and typed access to what was parsed. The only header that
 * includes jansson; all JSON that leaves the program goes through base/emit.h. */
#ifndef JSON_JSON_H
#define JSON_JSON_H

#include "base/emit.h"
#include "base/err.h"
#include "base/strlist.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_DEPTH_MAX = 32 };

/* Makes every value that is freed be wiped first: bodies hold passwords. Call once,
 * before anything is parsed. */
void json_wipe_on_free(void);

/* One object or array of at most max bytes and JSON_DEPTH_MAX levels; no duplicate keys,
 * no NUL, valid UTF-8. ERR_TOO_LARGE, ERR_NOMEM, or ERR_INVALID with the place: `line 1
 * column 5: duplicate object key "name"`; of the text only such a key is repeated, as
 * values may be secrets. *out is owned by the caller (json_decref). */
int json_parse(const char *text, size_t len, size_t max, json_t **out,
	struct err *err) MUST_CHECK;

/* Getters of members. Absent and null are the same: 0, and the output is left alone.
 * Another type is ERR_INVALID `"key" is not a string`. What they hand out is borrowed,
 * lists are copies. */
int json_get_text(const json_t *object, const char *key, const char **out,
	struct err *err) MUST_CHECK;
int json_get_int(
	const json_t *object, const char *key, int64_t *out, struct err *err) MUST_CHECK;
int json_get_bool(
	const json_t *object, const char *key, bool *out, struct err *err) MUST_CHECK;
int json_get_object(
	const json_t *object, const char *key, json_t **out, struct err *err) MUST_CHECK;
int json_get_array(
	const json_t *object, const char *key, json_t **out, struct err *err) MUST_CHECK;
int json_get_list(const json_t *object, const char *key, struct strlist *out,
	struct err *err) MUST_CHECK;

/* An array of strings; `what` names it in errors. *out must be empty; it is released on
 * error. */
int json_read_list(const json_t *array, const char *what, struct strlist *out,
	struct err *err) MUST_CHECK;

/* Writes the value, object keys sorted by bytes as Go does with maps. ERR_INVALID for
 * numbers with a fraction, which the emitter does not know. */
int json_emit(json_t *value, struct emit *emit, struct err *err) MUST_CHECK;

#endif
