/* SPDX-License-Identifier: Apache-2.0
 * Checked string helpers: formatting, numbers, UTF-8. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* snprintf that treats truncation as a failure: 0, or -1 with dst holding "". */
int str_fmt(char *dst, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4) MUST_CHECK;

/* For texts that people read: cuts at the last whole UTF-8 character that fits. */
void str_fmt_cut(char *dst, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);
void
str_vfmt_cut(char *dst, size_t size, const char *fmt, va_list args) PRINTF_LIKE(3, 0);

/* Copies a text that people read; of one that is too long the middle gives way to "...",
 * as what counts may stand at either end. */
void str_cut_middle(char *dst, size_t size, const char *src);

/* Copies src; -1 when it does not fit (dst is then ""). */
int str_copy(char *dst, size_t size, const char *src) MUST_CHECK;

/* A heap copy of n bytes plus NUL; NULL when out of memory. The caller frees. */
char *str_dup_n(const char *src, size_t n) MUST_CHECK;
char *str_dup(const char *src) MUST_CHECK;

/* The whole of text is a decimal integer within [min, max]; otherwise -1. No blanks, no
 * '+'. */
int str_to_int(const char *text, int64_t min, int64_t max, int64_t *out) MUST_CHECK;

bool str_equal(const char *a, const char *b);
bool str_starts_with(const char *text, const char *prefix);

/* ASCII only, independent of the locale. */
bool str_equal_nocase(const char *a, const char *b);
char str_lower(char c);

/* Well-formed UTF-8 (no overlong forms, no surrogates); NUL bytes count as ill-formed. */
bool str_is_utf8(const char *text, size_t len);

/* Code points in well-formed UTF-8. */
size_t str_utf8_length(const char *text, size_t len);

#endif
