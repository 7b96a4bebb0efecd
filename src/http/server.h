/* SPDX-License-Identifier: Apache-2.0
 * The HTTP/1.1 server: plain, meant for loopback behind a reverse proxy. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "base/err.h"
#include "http/message.h"

#include <stddef.h>
#include <stdint.h>

enum {
	HTTP_THREADS_DEFAULT = 96, /* 20 kB each while they are idle */
	HTTP_HEAD_MAX = 16384, /* request line and headers */
	HTTP_HEAD_TIMEOUT_MS = 5000, /* from the connection to the end of the headers */
	HTTP_BODY_TIMEOUT_MS = 10000,
	HTTP_SEND_TIMEOUT_MS = 60000,
	HTTP_STOP_TIMEOUT_MS = 2000, /* for bodies and answers under way at the stop */
	HTTP_KEEP_ALIVE_MS = 500
};

struct http_server;

/* The callbacks run on worker threads, several at a time, with no lock held. */
struct http_params {
	const char *host; /* "127.0.0.1", "::1" or "[::1]": an address, never a name */
	uint16_t port; /* 0: any free one, see http_server_port */
	/* Requests under way at a time; 0: HTTP_THREADS_DEFAULT. Idle connections hold at
	 * most three quarters of them: with more, answers close their connections. */
	unsigned threads;
	unsigned body_timeout_ms; /* for a whole body; 0: HTTP_BODY_TIMEOUT_MS */
	unsigned send_timeout_ms; /* for a whole answer; 0: HTTP_SEND_TIMEOUT_MS */
	/* How long an idle connection keeps its thread; 0: HTTP_KEEP_ALIVE_MS. Behind a
	 * proxy that holds few connections open, seconds are better. */
	unsigned keep_alive_ms;
	/* The most bytes that this route takes (method and path as in struct
	 * http_request, so GET also for HEAD); longer bodies are answered 413 unread.
	 * With 0 (no such route, or one without a body) `handle` still answers; it sees
	 * no body, and the connection closes if there was one. */
	size_t (*body_limit)(void *ctx, const char *method, const char *path);
	void (*handle)(
		void *ctx, const struct http_request *req, struct http_response *res);
	/* Writes the body of an error that the server finds by itself; the status is set
	 * already. */
	void (*refuse)(
		void *ctx, int status, const char *message, struct http_response *res);
	void *ctx; /* borrowed until http_server_stop has returned */
};

/* Serves when it returns. *out is owned by the caller, http_server_stop ends it. host is
 * copied. ERR_CONFLICT when the address is taken ("cannot listen on 127.0.0.1:8090:
 * address already in use"), ERR_INVALID for a host that is no address, ERR_FORBIDDEN,
 * ERR_UNAVAILABLE otherwise. */
int http_server_start(const struct http_params *params, struct http_server **out,
	struct err *err) MUST_CHECK;

/* Could it listen there now? The same errors as http_server_start; for who wants to know
 * before making anything. */
int http_server_probe(const char *host, uint16_t port, struct err *err) MUST_CHECK;

/* The port that it listens on. */
uint16_t http_server_port(const struct http_server *server);

/* Waits for requests under way (HTTP_STOP_TIMEOUT_MS at most for slow clients), answers
 * new ones 503 meanwhile, then closes all connections and frees the server. NULL is
 * allowed. Start and stop servers from one thread only. */
void http_server_stop(struct http_server *server);

#endif
