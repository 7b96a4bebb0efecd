/* SPDX-License-Identifier: Apache-2.0 */
#include "http/message.h"

#include "base/str.h"
#include "http/percent.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

const char *
http_request_header(const struct http_request *req, const char *name)
{
	for (size_t i = 0; i < req->header_count; i++) {
		if (str_equal_nocase(req->headers[i].name, name)) {
			return req->headers[i].value;
		}
	}
	return NULL;
}

/* The next byte (1-255) of form-encoded text before end, which is not reached yet; -1 for
 * bad encoding and for NUL. */
static int
next_byte(const char **text, const char *end)
{
	const char *p = *text;
	if (*p != '%') {
		*text = p + 1;
		return *p == '+' ? ' ' : (unsigned char)*p;
	}
	int byte = http_percent_byte(p, (size_t)(end - p));
	*text = p + 3;
	return byte == 0 ? -1 : byte;
}

/* 1 when the encoded text is this name, 0 when it is another, -1 when malformed. */
static int
name_matches(const char *text, const char *end, const char *name)
{
	bool same = true;
	while (text < end) {
		int byte = next_byte(&text, end);
		if (byte < 0) {
			return -1;
		}
		same = same && byte == (unsigned char)*name;
		if (same) {
			name++;
		}
	}
	return same && *name == '\0' ? 1 : 0;
}

static int
put_decoded(struct buf *out, const char *text, const char *end)
{
	size_t start = out->len;
	while (text < end) {
		int byte = next_byte(&text, end);
		if (byte < 0) {
			buf_truncate(out, start);
			return -1;
		}
		buf_put_char(out, (char)byte);
	}
	if (!out->failed && out->len > start &&
		!str_is_utf8(out->data + start, out->len - start)) {
		buf_truncate(out, start);
		return -1;
	}
	return 1;
}

int
http_request_query(const struct http_request *req, const char *name, struct buf *out)
{
	const char *p = req->query;
	while (*p != '\0') {
		const char *end = p + strcspn(p, "&");
		const char *name_end = memchr(p, '=', (size_t)(end - p));
		const char *value = name_end != NULL ? name_end + 1 : end;
		int match = name_matches(p, name_end != NULL ? name_end : end, name);
		if (match < 0) {
			return -1;
		}
		if (match > 0) {
			return put_decoded(out, value, end);
		}
		p = *end == '&' ? end + 1 : end;
	}
	return 0;
}

void
http_response_init(struct http_response *res)
{
	res->status = 200;
	res->content_type = "application/json";
	res->header_count = 0;
	buf_init(&res->body, HTTP_RESPONSE_BODY_MAX);
}

void
http_response_release(struct http_response *res)
{
	buf_release(&res->body);
}

void
http_response_make_secret(struct http_response *res)
{
	/* What is there already may be part of the secret. */
	res->body.secret = true;
	buf_release(&res->body);
	buf_init_secret(&res->body, HTTP_RESPONSE_BODY_MAX);
}

/* token of RFC 9110 section 5.6.2 */
static bool
is_token(const char *text)
{
	if (*text == '\0') {
		return false;
	}
	for (const char *p = text; *p != '\0'; p++) {
		char c = str_lower(*p);
		bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!alnum && strchr("!#$%&'*+-.^_`|~", c) == NULL) {
			return false;
		}
	}
	return true;
}

static bool
has_control(const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f) {
			return true;
		}
	}
	return false;
}

static bool
is_reserved(const char *name)
{
	static const char *const reserved[] = { "Content-Length", "Content-Type",
		"Connection", "Date", "Transfer-Encoding", "X-Request-Id" };
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (str_equal_nocase(name, reserved[i])) {
			return true;
		}
	}
	return false;
}

int
http_response_header(struct http_response *res, const char *name, const char *value)
{
	if (!is_token(name) || has_control(value) || is_reserved(name) ||
		strlen(name) >= sizeof(res->headers[0].name) ||
		strlen(value) >= sizeof(res->headers[0].value)) {
		return -1;
	}
	size_t i = 0;
	while (i < res->header_count && !str_equal_nocase(res->headers[i].name, name)) {
		i++;
	}
	if (i == HTTP_RESPONSE_HEADERS_MAX) {
		return -1;
	}
	memcpy(res->headers[i].name, name, strlen(name) + 1);
	memcpy(res->headers[i].value, value, strlen(value) + 1);
	if (i == res->header_count) {
		res->header_count++;
	}
	return 0;
}

const char *
http_status_text(int status)
{
	static const struct {
		int status;
		const char *text;
	} texts[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 406, "Not Acceptable" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 411, "Length Required" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" },
		{ 422, "Unprocessable Content" },
		{ 428, "Precondition Required" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].status == status) {
			return texts[i].text;
		}
	}
	return "Unknown";
}
