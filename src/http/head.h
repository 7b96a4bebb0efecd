/* SPDX-License-Identifier: Apache-2.0
 * What the head of a request must look like before anything is done for it. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "base/err.h"
#include "http/message.h"

#include <stdbool.h>
#include <stddef.h>

enum { HTTP_PATH_SIZE = 2048 }; /* a decoded path, with its NUL */

/* Why a request is refused; status 0 means that it is not. The message is
 * borrowed: static, or of whoever answers. */
struct http_refusal {
	int status;
	const char *message;
};

/* How the rest of the message is framed. */
struct http_framing {
	size_t body_len;
	bool keep_alive; /* the client is fine with another request on the connection */
	bool expect_continue; /* it waits for 100 before it sends the body */
};

/* Refuses every head on whose meaning a proxy in front could disagree: any
 * Transfer-Encoding, more than one Content-Length or one that is no plain number, a
 * missing or second Host (HTTP/1.0 may go without). *out is written only when the status
 * is 0. */
struct http_refusal http_head_framing(const struct http_header *headers, size_t count,
	bool is_http11, struct http_framing *out) MUST_CHECK;

/* Decodes the raw path of the request line into out. Refuses bad percent-encoding,
 * encoded slashes, backslashes, NUL and control characters, invalid UTF-8, "." and ".."
 * segments. */
struct http_refusal
http_head_path(const char *raw, char out[static HTTP_PATH_SIZE]) MUST_CHECK;

#endif
