/* SPDX-License-Identifier: Apache-2.0
 * Requests and answers as handlers see them, free of the server underneath. */
#ifndef HTTP_MESSAGE_H
#define HTTP_MESSAGE_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

enum {
	HTTP_ID_SIZE = 16, /* 15 characters and a NUL */
	HTTP_RESPONSE_HEADERS_MAX = 12,
	HTTP_RESPONSE_HEADER_SIZE = 512, /* a value, with its NUL */
	HTTP_RESPONSE_BODY_MAX = 64 << 20
};

struct http_header {
	const char *name;
	const char *value;
};

/* Lives as long as the call of the handler; everything in it is borrowed. */
struct http_request {
	/* Upper case. HEAD is shown as GET; the server drops the body. */
	const char *method;
	/* Percent-decoded, without the query. Begins with '/', is valid UTF-8, has no
	 * control characters, no backslash and no "." or ".." segment. */
	const char *path;
	const char *query; /* raw, "" when absent */
	const char *body; /* "" when absent; NUL-terminated after body_len bytes */
	size_t body_len;
	const char *remote_ip; /* of the socket's peer: a proxy's, when there is one */
	char id[HTTP_ID_SIZE]; /* random; also sent as X-Request-Id and in the log */
	/* For http_request_header. */
	const struct http_header *headers;
	size_t header_count;
};

/* The value of the first header of that name (in any case), NULL when absent. Borrowed;
 * printable ASCII and bytes from 0x80 on, which may be no UTF-8. */
const char *http_request_header(const struct http_request *req, const char *name);

/* Appends the decoded value ('+' is a blank) of the first query parameter of that name
 * to out. 1 found, 0 absent, -1 malformed: bad percent-encoding in a name or the value,
 * NUL or invalid UTF-8 in the value; out is then as it was. Whether the value fitted says
 * buf_finish(out). */
int http_request_query(
	const struct http_request *req, const char *name, struct buf *out) MUST_CHECK;

/* What the handler fills. It comes with status 200, no headers of its own and an empty
 * body. */
struct http_response {
	int status;
	/* Borrowed, static as a rule; "application/json" at start. */
	const char *content_type;
	struct buf body;
	struct {
		char name[48];
		char value[HTTP_RESPONSE_HEADER_SIZE];
	} headers[HTTP_RESPONSE_HEADERS_MAX];
	size_t header_count;
};

/* For the server and tests; handlers get theirs ready. */
void http_response_init(struct http_response *res);
void http_response_release(struct http_response *res);

/* Empties the body, keeps nothing of it, and has what follows wiped after it was sent. */
void http_response_make_secret(struct http_response *res);

/* Sets a header, in place of one that has this name; copies both. -1 when the name is no
 * token, the value holds control characters, one is too long, the place is used up, or
 * the header is one that the server writes itself (Content-Length, Content-Type,
 * Connection, Date, Transfer-Encoding, X-Request-Id). Cache-Control, Vary,
 * X-Frame-Options and X-Content-Type-Options replace the server's own. */
int http_response_header(
	struct http_response *res, const char *name, const char *value) MUST_CHECK;

/* "Not Found"; "Unknown" for what has no name. Static storage. */
const char *http_status_text(int status);

#endif
