/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strlist.h"

#include "base/str.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void
strlist_release(struct strlist *list)
{
	for (size_t i = 0; i < list->len; i++) {
		free(list->items[i]);
	}
	free(list->items);
	*list = (struct strlist){ 0 };
}

static int
grow(struct strlist *list, struct err *err)
{
	size_t cap = list->cap == 0 ? 8 : list->cap * 2;
	char **items = realloc(list->items, cap * sizeof(*items));
	if (items == NULL) {
		err_nomem(err);
		return -1;
	}
	list->items = items;
	list->cap = cap;
	return 0;
}

int
strlist_make(struct strlist *list, struct err *err)
{
	return list->items != NULL ? 0 : grow(list, err);
}

int
strlist_add_n(struct strlist *list, const char *text, size_t len, struct err *err)
{
	if ((list->items == NULL || list->len == list->cap) && grow(list, err) != 0) {
		return -1;
	}
	char *copy = str_dup_n(text, len);
	if (copy == NULL) {
		return err_nomem(err);
	}
	list->items[list->len++] = copy;
	return 0;
}

int
strlist_add(struct strlist *list, const char *text, struct err *err)
{
	return strlist_add_n(list, text, strlen(text), err);
}

int
strlist_copy(const struct strlist *from, struct strlist *out, struct err *err)
{
	struct strlist copy = { 0 };
	if (from->items == NULL) {
		*out = copy;
		return 0;
	}
	if (strlist_make(&copy, err) != 0) {
		return -1;
	}
	for (size_t i = 0; i < from->len; i++) {
		if (strlist_add(&copy, from->items[i], err) != 0) {
			strlist_release(&copy);
			return -1;
		}
	}
	*out = copy;
	return 0;
}

static int
compare_items(const void *a, const void *b)
{
	char *const *x = a;
	char *const *y = b;
	return strcmp(*x, *y);
}

void
strlist_canonical(struct strlist *list)
{
	if (list->len < 2) {
		return;
	}
	qsort(list->items, list->len, sizeof(*list->items), compare_items);
	size_t kept = 1;
	for (size_t i = 1; i < list->len; i++) {
		if (str_equal(list->items[i], list->items[kept - 1])) {
			free(list->items[i]);
		} else {
			list->items[kept++] = list->items[i];
		}
	}
	list->len = kept;
}

bool
strlist_equal(const struct strlist *a, const struct strlist *b)
{
	if (a->len != b->len) {
		return false;
	}
	for (size_t i = 0; i < a->len; i++) {
		if (!str_equal(a->items[i], b->items[i])) {
			return false;
		}
	}
	return true;
}

void
strlist_emit(const struct strlist *list, struct emit *emit)
{
	emit_array_begin(emit);
	for (size_t i = 0; i < list->len; i++) {
		emit_text(emit, list->items[i]);
	}
	emit_array_end(emit);
}

/* Reads \uXXXX at p (after the 'u'); -1 when the digits are wrong. The emitter never
 * writes surrogates, so they are malformed here. */
static int
read_u_escape(const char *p, const char *end, uint32_t *out)
{
	uint32_t code = 0;
	if (end - p < 4) {
		return -1;
	}
	for (int i = 0; i < 4; i++) {
		char c = str_lower(p[i]);
		uint32_t digit;
		if (c >= '0' && c <= '9') {
			digit = (uint32_t)(c - '0');
		} else if (c >= 'a' && c <= 'f') {
			digit = (uint32_t)(c - 'a' + 10);
		} else {
			return -1;
		}
		code = code << 4 | digit;
	}
	*out = code;
	return code == 0 || (code >= 0xd800 && code <= 0xdfff) ? -1 : 0;
}

static void
put_code_point(struct buf *buf, uint32_t code)
{
	if (code < 0x80) {
		buf_put_char(buf, (char)code);
	} else if (code < 0x800) {
		buf_put_char(buf, (char)(0xc0 | code >> 6));
		buf_put_char(buf, (char)(0x80 | (code & 0x3f)));
	} else {
		buf_put_char(buf, (char)(0xe0 | code >> 12));
		buf_put_char(buf, (char)(0x80 | (code >> 6 & 0x3f)));
		buf_put_char(buf, (char)(0x80 | (code & 0x3f)));
	}
}

/* Reads one string from its opening quote; returns the place after the closing one, or
 * NULL. */
static const char *
read_string(const char *p, const char *end, struct buf *out)
{
	if (p == end || *p != '"') {
		return NULL;
	}
	p++;
	while (p < end && *p != '"') {
		if ((unsigned char)*p < 0x20) {
			return NULL; /* the emitter escapes these */
		}
		if (*p != '\\') {
			buf_put_char(out, *p++);
			continue;
		}
		if (++p == end) {
			return NULL;
		}
		static const char names[] = "\"\\/nrtbf";
		static const char values[] = "\"\\/\n\r\t\b\f";
		const char *at = strchr(names, *p);
		uint32_t code = 0;
		if (*p == 'u' && read_u_escape(p + 1, end, &code) == 0) {
			put_code_point(out, code);
			p += 5;
		} else if (at != NULL && *p != '\0') {
			buf_put_char(out, values[at - names]);
			p++;
		} else {
			return NULL;
		}
	}
	return p < end ? p + 1 : NULL;
}

int
strlist_read(const char *json, size_t len, struct strlist *out, struct err *err)
{
	int rc = -1;
	struct strlist list = { 0 };
	struct buf item;
	const char *p = json;
	const char *end = json + len;

	buf_init(&item, len + 1);
	if (len < 2 || *p != '[' || end[-1] != ']') {
		err_set(err, ERR_CORRUPT, "not a list of strings");
		goto out;
	}
	if (strlist_make(&list, err) != 0) {
		goto out;
	}
	p++;
	while (p < end - 1) {
		buf_clear(&item);
		p = read_string(p, end, &item);
		if (p == NULL || (*p != ',' && p != end - 1) ||
			(*p == ',' && p[1] == ']')) {
			err_set(err, ERR_CORRUPT, "not a list of strings");
			goto out;
		}
		if (buf_finish(&item, err) != 0 ||
			strlist_add_n(&list, item.data, item.len, err) != 0) {
			goto out;
		}
		if (*p == ',') {
			p++;
		}
	}
	*out = list;
	list = (struct strlist){ 0 };
	rc = 0;
out:
	buf_release(&item);
	strlist_release(&list);
	return rc;
}
