/* SPDX-License-Identifier: Apache-2.0
 * A list of strings, and its stored form: a JSON array of strings as base/emit.h writes
 * it. */
#ifndef BASE_STRLIST_H
#define BASE_STRLIST_H

#include "base/buf.h"
#include "base/emit.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* items[i] are NUL-terminated and owned. {0} is an empty list, and no list at all where
 * that makes a difference: strlist_make makes it one. */
struct strlist {
	char **items;
	size_t len;
	size_t cap;
};

void strlist_release(struct strlist *list);

/* An empty list that is there: items is no longer NULL. */
int strlist_make(struct strlist *list, struct err *err) MUST_CHECK;

/* Appends a copy. Strings must not contain NUL. 0, or ERR_NOMEM. */
int strlist_add(struct strlist *list, const char *text, struct err *err) MUST_CHECK;
int strlist_add_n(
	struct strlist *list, const char *text, size_t len, struct err *err) MUST_CHECK;

/* A list that is there stays there. */
int
strlist_copy(const struct strlist *from, struct strlist *out, struct err *err) MUST_CHECK;

/* Sorts by bytes and drops duplicates: the canonical form of permission lists. */
void strlist_canonical(struct strlist *list);

bool strlist_equal(const struct strlist *a, const struct strlist *b);

/* ["a","b"] */
void strlist_emit(const struct strlist *list, struct emit *emit);

/* Reads that form back, as a list that is there; anything else is ERR_CORRUPT. *out must
 * be empty; it is released on error. */
int strlist_read(
	const char *json, size_t len, struct strlist *out, struct err *err) MUST_CHECK;

#endif
