/* SPDX-License-Identifier: Apache-2.0 */
#define NATSID_ALLOW_SNPRINTF
#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
format_checked(char *dst, size_t size, const char *fmt, va_list args) PRINTF_LIKE(3, 0);

static int
format_checked(char *dst, size_t size, const char *fmt, va_list args)
{
	int n = vsnprintf(dst, size, fmt, args);
	if (n < 0 || (size_t)n >= size) {
		return -1;
	}
	return 0;
}

int
str_fmt(char *dst, size_t size, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int rc = format_checked(dst, size, fmt, args);
	va_end(args);
	if (rc != 0 && size > 0) {
		dst[0] = '\0';
	}
	return rc;
}

void
str_vfmt_cut(char *dst, size_t size, const char *fmt, va_list args)
{
	if (size == 0 || format_checked(dst, size, fmt, args) == 0) {
		return;
	}
	size_t len = strlen(dst);
	while (len > 0 && !str_is_utf8(dst, len)) {
		len--;
	}
	dst[len] = '\0';
}

void
str_fmt_cut(char *dst, size_t size, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	str_vfmt_cut(dst, size, fmt, args);
	va_end(args);
}

static bool
is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

void
str_cut_middle(char *dst, size_t size, const char *src)
{
	static const char gap[] = "...";
	size_t len = strlen(src);
	if (len < size || size <= sizeof(gap)) {
		str_fmt_cut(dst, size, "%s", src);
		return;
	}
	size_t head = (size - sizeof(gap)) / 2;
	size_t tail = len - (size - sizeof(gap) - head);
	while (head > 0 && is_continuation(src[head])) {
		head--;
	}
	while (is_continuation(src[tail])) {
		tail++;
	}
	str_fmt_cut(dst, size, "%.*s%s%s", (int)head, src, gap, src + tail);
}

int
str_copy(char *dst, size_t size, const char *src)
{
	return str_fmt(dst, size, "%s", src);
}

char *
str_dup_n(const char *src, size_t n)
{
	char *copy = malloc(n + 1);
	if (copy == NULL) {
		return NULL;
	}
	memcpy(copy, src, n);
	copy[n] = '\0';
	return copy;
}

char *
str_dup(const char *src)
{
	return str_dup_n(src, strlen(src));
}

int
str_to_int(const char *text, int64_t min, int64_t max, int64_t *out)
{
	const char *digits = text[0] == '-' ? text + 1 : text;
	if (digits[0] == '\0') {
		return -1;
	}
	for (const char *p = digits; *p != '\0'; p++) {
		if (*p < '0' || *p > '9') {
			return -1;
		}
	}
	errno = 0;
	intmax_t value = strtoimax(text, NULL, 10);
	if (errno != 0 || value < min || value > max) {
		return -1;
	}
	*out = (int64_t)value;
	return 0;
}

bool
str_equal(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

bool
str_starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

char
str_lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool
str_equal_nocase(const char *a, const char *b)
{
	while (*a != '\0' && str_lower(*a) == str_lower(*b)) {
		a++;
		b++;
	}
	return *a == '\0' && *b == '\0';
}

/* Length of the well-formed sequence at p (1-4), or 0. Table 3-7 of the Unicode
 * standard. */
static size_t
utf8_sequence(const unsigned char *p, size_t left)
{
	if (p[0] < 0x80) {
		return p[0] == 0 ? 0 : 1;
	}
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || left < n) {
		return 0;
	}
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	if (p[0] == 0xe0) {
		low = 0xa0;
	} else if (p[0] == 0xed) {
		high = 0x9f;
	} else if (p[0] == 0xf0) {
		low = 0x90;
	} else if (p[0] == 0xf4) {
		high = 0x8f;
	}
	if (p[1] < low || p[1] > high) {
		return 0;
	}
	for (size_t i = 2; i < n; i++) {
		if (p[i] < 0x80 || p[i] > 0xbf) {
			return 0;
		}
	}
	return n;
}

bool
str_is_utf8(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t i = 0;
	while (i < len) {
		size_t n = utf8_sequence(p + i, len - i);
		if (n == 0) {
			return false;
		}
		i += n;
	}
	return true;
}

size_t
str_utf8_length(const char *text, size_t len)
{
	size_t count = 0;
	for (size_t i = 0; i < len; i++) {
		count += is_continuation(text[i]) ? 0 : 1;
	}
	return count;
}
