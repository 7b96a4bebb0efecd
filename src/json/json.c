/* SPDX-License-Identifier: Apache-2.0 */
#include "json/json.h"

#include "base/secret.h"
#include "base/str.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static void
wipe_and_free(void *block)
{
	if (block != NULL) {
		secret_wipe(block, malloc_usable_size(block));
		free(block);
	}
}

void
json_wipe_on_free(void)
{
	json_set_alloc_funcs(malloc, wipe_and_free);
}

struct place {
	size_t line;
	size_t column;
};

/* Of the byte at `at`; columns count characters, as jansson's do. */
static struct place
place_of(const char *text, size_t at)
{
	struct place place = { 1, 1 };
	for (size_t i = 0; i < at; i++) {
		if (text[i] == '\n') {
			place.line++;
			place.column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			place.column++;
		}
	}
	return place;
}

/* jansson descends on the stack, up to 2048 levels; this looks at the depth beforehand.
 * What is not well-formed is left to jansson. */
static int
check_depth(const char *text, size_t len, struct err *err)
{
	size_t depth = 0;
	bool in_string = false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (in_string) {
			if (c == '\\') {
				i++;
			} else if (c == '"') {
				in_string = false;
			}
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JSON_DEPTH_MAX) {
				struct place place = place_of(text, i);
				return err_set(err, ERR_INVALID,
					"line %zu column %zu: more than %d levels deep",
					place.line, place.column, JSON_DEPTH_MAX);
			}
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return 0;
}

/* The key that ends just before `end`, as it was written and at most 64 bytes of it. */
static int
set_duplicate_key(const char *text, size_t end, struct err *err)
{
	size_t close = end > 0 ? end - 1 : 0;
	size_t open = close;
	while (open > 0) {
		open--;
		size_t slashes = 0;
		while (slashes < open && text[open - 1 - slashes] == '\\') {
			slashes++;
		}
		if (text[open] == '"' && slashes % 2 == 0) {
			break;
		}
	}
	size_t len = close > open ? close - open - 1 : 0;
	struct place place = place_of(text, open);
	return err_set(err, ERR_INVALID,
		"line %zu column %zu: duplicate object key \"%.*s\"", place.line,
		place.column, len > 64 ? 64 : (int)len, text + open + 1);
}

static int
set_parse_error(const char *text, size_t len, const json_error_t *error, struct err *err)
{
	size_t position = error->position < 0 ? 0 : (size_t)error->position;
	if (position > len) {
		position = len;
	}
	if (json_error_code(error) == json_error_out_of_memory) {
		return err_nomem(err);
	}
	if (json_error_code(error) == json_error_duplicate_key) {
		return set_duplicate_key(text, position, err);
	}
	/* " near '...'" repeats the text, which may be a password, and a flag of
	 * jansson's tells a client nothing. */
	size_t shown = strlen(error->text);
	static const char *const untold[] = { " near '", " without JSON_" };
	for (size_t i = 0; i < sizeof(untold) / sizeof(untold[0]); i++) {
		const char *at = strstr(error->text, untold[i]);
		if (at != NULL && (size_t)(at - error->text) < shown) {
			shown = (size_t)(at - error->text);
		}
	}
	return err_set(err, ERR_INVALID, "line %d column %d: %.*s", error->line,
		error->column, (int)shown, error->text);
}

int
json_parse(const char *text, size_t len, size_t max, json_t **out, struct err *err)
{
	json_error_t error;
	if (len > max) {
		return err_set(err, ERR_TOO_LARGE,
			"%zu bytes of JSON are over the limit of %zu", len, max);
	}
	/* jansson passes over some of them. */
	const char *nul = memchr(text, '\0', len);
	if (nul != NULL) {
		struct place place = place_of(text, (size_t)(nul - text));
		return err_set(err, ERR_INVALID, "line %zu column %zu: NUL byte",
			place.line, place.column);
	}
	if (check_depth(text, len, err) != 0) {
		return -1;
	}
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL) {
		return set_parse_error(text, len, &error, err);
	}
	*out = json;
	return 0;
}

/* NULL for absent and for null. */
static json_t *
find_member(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);
	return json_is_null(value) ? NULL : value;
}

static int
wrong_type(const char *key, const char *expected, struct err *err)
{
	return err_set(err, ERR_INVALID, "\"%s\" is not %s", key, expected);
}

int
json_get_text(const json_t *object, const char *key, const char **out, struct err *err)
{
	const json_t *value = find_member(object, key);
	if (value == NULL) {
		return 0;
	}
	if (!json_is_string(value)) {
		return wrong_type(key, "a string", err);
	}
	*out = json_string_value(value);
	return 0;
}

int
json_get_int(const json_t *object, const char *key, int64_t *out, struct err *err)
{
	const json_t *value = find_member(object, key);
	if (value == NULL) {
		return 0;
	}
	if (!json_is_integer(value)) {
		return wrong_type(key, "a whole number", err);
	}
	*out = json_integer_value(value);
	return 0;
}

int
json_get_bool(const json_t *object, const char *key, bool *out, struct err *err)
{
	const json_t *value = find_member(object, key);
	if (value == NULL) {
		return 0;
	}
	if (!json_is_boolean(value)) {
		return wrong_type(key, "true or false", err);
	}
	*out = json_is_true(value);
	return 0;
}

int
json_get_object(const json_t *object, const char *key, json_t **out, struct err *err)
{
	json_t *value = find_member(object, key);
	if (value == NULL) {
		return 0;
	}
	if (!json_is_object(value)) {
		return wrong_type(key, "an object", err);
	}
	*out = value;
	return 0;
}

int
json_get_array(const json_t *object, const char *key, json_t **out, struct err *err)
{
	json_t *value = find_member(object, key);
	if (value == NULL) {
		return 0;
	}
	if (!json_is_array(value)) {
		return wrong_type(key, "an array", err);
	}
	*out = value;
	return 0;
}

int
json_read_list(
	const json_t *array, const char *what, struct strlist *out, struct err *err)
{
	struct strlist list = { 0 };
	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *item = json_array_get(array, i);
		if (!json_is_string(item)) {
			err_set(err, ERR_INVALID, "item %zu of \"%s\" is not a string",
				i + 1, what);
			goto fail;
		}
		if (strlist_add_n(&list, json_string_value(item),
			    json_string_length(item), err) != 0) {
			goto fail;
		}
	}
	*out = list;
	return 0;
fail:
	strlist_release(&list);
	return -1;
}

int
json_get_list(const json_t *object, const char *key, struct strlist *out, struct err *err)
{
	json_t *array = NULL;
	if (json_get_array(object, key, &array, err) != 0) {
		return -1;
	}
	return array == NULL ? 0 : json_read_list(array, key, out, err);
}

static int
compare_keys(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;
	return strcmp(*x, *y);
}

/* The keys of the object, sorted; the caller frees the array. */
static const char **
sorted_keys(json_t *object)
{
	const char **keys = calloc(json_object_size(object) + 1, sizeof(*keys));
	if (keys == NULL) {
		return NULL;
	}
	size_t n = 0;
	for (void *it = json_object_iter(object); it != NULL;
		it = json_object_iter_next(object, it)) {
		keys[n++] = json_object_iter_key(it);
	}
	qsort(keys, n, sizeof(*keys), compare_keys);
	return keys;
}

static int
emit_object(json_t *object, struct emit *emit, struct err *err)
{
	int rc = -1;
	const char **keys = sorted_keys(object);
	if (keys == NULL) {
		return err_nomem(err);
	}
	emit_object_begin(emit);
	for (size_t i = 0; i < json_object_size(object); i++) {
		emit_key(emit, keys[i]);
		if (json_emit(json_object_get(object, keys[i]), emit, err) != 0) {
			goto out;
		}
	}
	emit_object_end(emit);
	rc = 0;
out:
	free(keys);
	return rc;
}

static int
emit_array(json_t *array, struct emit *emit, struct err *err)
{
	emit_array_begin(emit);
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (json_emit(json_array_get(array, i), emit, err) != 0) {
			return -1;
		}
	}
	emit_array_end(emit);
	return 0;
}

int
json_emit(json_t *value, struct emit *emit, struct err *err)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return emit_object(value, emit, err);
	case JSON_ARRAY:
		return emit_array(value, emit, err);
	case JSON_STRING:
		emit_text_n(emit, json_string_value(value), json_string_length(value));
		return 0;
	case JSON_INTEGER:
		emit_int(emit, json_integer_value(value));
		return 0;
	case JSON_TRUE:
	case JSON_FALSE:
		emit_bool(emit, json_is_true(value));
		return 0;
	case JSON_NULL:
		emit_null(emit);
		return 0;
	case JSON_REAL:
		return err_set(err, ERR_INVALID, "a number is not whole");
	}
	return err_set(err, ERR_INTERNAL, "unknown kind of JSON value");
}
