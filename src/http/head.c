/* SPDX-License-Identifier: Apache-2.0 */
#include "http/head.h"

#include "base/str.h"
#include "http/percent.h"

#include <stdint.h>
#include <string.h>

static const struct http_refusal accepted = { 0, NULL };

static struct http_refusal
refuse(int status, const char *message)
{
	return (struct http_refusal){ status, message };
}

/* The number of headers of that name; *out_value is the first one's value. */
static size_t
count_headers(const struct http_header *headers, size_t count, const char *name,
	const char **out_value)
{
	size_t found = 0;
	for (size_t i = 0; i < count; i++) {
		if (str_equal_nocase(headers[i].name, name) && found++ == 0) {
			*out_value = headers[i].value;
		}
	}
	return found;
}

/* Digits, and blanks at the end, which belong to the line and not to the value. */
static int
parse_length(const char *value, size_t *out)
{
	char digits[20];
	size_t n = strspn(value, "0123456789");
	int64_t length = 0;
	if (value[n + strspn(value + n, " ")] != '\0' || n >= sizeof(digits)) {
		return -1;
	}
	memcpy(digits, value, n);
	digits[n] = '\0';
	if (str_to_int(digits, 0, INT64_MAX, &length) != 0) {
		return -1;
	}
	*out = (size_t)length;
	return 0;
}

/* Whether the comma-separated list has this token, in any case. */
static bool
list_has(const char *list, const char *token)
{
	size_t token_len = strlen(token);
	while (*list != '\0') {
		list += strspn(list, ", \t");
		size_t len = strcspn(list, ", \t");
		size_t same = 0;
		while (same < len && same < token_len &&
			str_lower(list[same]) == str_lower(token[same])) {
			same++;
		}
		if (len == token_len && same == len) {
			return true;
		}
		list += len;
	}
	return false;
}

static bool
wants_keep_alive(const struct http_header *headers, size_t count, bool is_http11)
{
	bool asks = false;
	bool has_connection = false;
	for (size_t i = 0; i < count; i++) {
		if (str_equal_nocase(headers[i].name, "Upgrade")) {
			return false; /* we stay with HTTP/1.1, civetweb closes after it
				       */
		}
		if (!str_equal_nocase(headers[i].name, "Connection")) {
			continue;
		}
		if (list_has(headers[i].value, "close")) {
			return false;
		}
		/* The first one only, as civetweb reads it. */
		asks = asks ||
			(!has_connection && list_has(headers[i].value, "keep-alive"));
		has_connection = true;
	}
	return asks || (is_http11 && !has_connection);
}

struct http_refusal
http_head_framing(const struct http_header *headers, size_t count, bool is_http11,
	struct http_framing *out)
{
	const char *length = NULL;
	const char *ignored = NULL;
	const char *expect = NULL;
	struct http_framing framing = { 0 };

	size_t lengths = count_headers(headers, count, "Content-Length", &length);
	if (count_headers(headers, count, "Transfer-Encoding", &ignored) > 0) {
		return lengths > 0
			? refuse(400,
				  "Transfer-Encoding and Content-Length in one request")
			: refuse(501,
				  "Transfer-Encoding is not supported, send "
				  "Content-Length");
	}
	if (lengths > 1) {
		return refuse(400, "more than one Content-Length");
	}
	if (lengths == 1 && parse_length(length, &framing.body_len) != 0) {
		return refuse(400, "Content-Length is not a number");
	}
	size_t hosts = count_headers(headers, count, "Host", &ignored);
	if (hosts > 1) {
		return refuse(400, "more than one Host");
	}
	if (hosts == 0 && is_http11) {
		return refuse(400, "Host is missing");
	}
	if (is_http11 && count_headers(headers, count, "Expect", &expect) > 0) {
		if (!str_equal_nocase(expect, "100-continue")) {
			return refuse(417, "this Expect is not supported");
		}
		framing.expect_continue = true;
	}
	framing.keep_alive = wants_keep_alive(headers, count, is_http11);
	*out = framing;
	return accepted;
}

static bool
has_dot_segment(const char *path)
{
	for (const char *p = path; *p != '\0';) {
		p++; /* the slash */
		size_t len = strcspn(p, "/");
		if ((len == 1 && p[0] == '.') ||
			(len == 2 && p[0] == '.' && p[1] == '.')) {
			return true;
		}
		p += len;
	}
	return false;
}

struct http_refusal
http_head_path(const char *raw, char out[static HTTP_PATH_SIZE])
{
	size_t len = 0;
	if (raw[0] != '/') {
		return refuse(400, "the path does not begin with a slash");
	}
	for (const char *p = raw; *p != '\0'; p++) {
		int byte = (unsigned char)*p;
		if (*p == '%') {
			byte = http_percent_byte(p, strnlen(p, 3));
			if (byte < 0) {
				return refuse(400, "bad percent-encoding in the path");
			}
			p += 2;
			if (byte == '/') {
				return refuse(400, "encoded slash in the path");
			}
		}
		if (byte < ' ' || byte == 0x7f || byte == '\\') {
			return refuse(400, "forbidden character in the path");
		}
		if (len + 1 == HTTP_PATH_SIZE) {
			return refuse(414, "the path is too long");
		}
		out[len++] = (char)byte;
	}
	out[len] = '\0';
	if (!str_is_utf8(out, len)) {
		return refuse(400, "the path is not UTF-8");
	}
	if (has_dot_segment(out)) {
		return refuse(400, "\".\" or \"..\" in the path");
	}
	return accepted;
}
