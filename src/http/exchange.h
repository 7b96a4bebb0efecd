/* SPDX-License-Identifier: Apache-2.0
 * One request and its answer, on a connection of civetweb. */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include "http/guard.h"
#include "http/head.h"
#include "http/server.h"

#include <civetweb.h>

#include <stdbool.h>

struct exchange {
	const struct http_params *params;
	struct http_guard *guard;
	struct mg_connection *conn;
	const struct mg_request_info *info;
	struct http_request req;
	struct http_header headers[MG_MAX_HEADERS];
	char path[HTTP_PATH_SIZE];
	struct http_framing framing;
	bool framed; /* framing is known */
	bool head_only; /* HEAD: the answer has no body */
	bool may_stay; /* the server has workers to spare for the connection */
	bool keep_alive; /* the connection stays open after the answer */
	bool body_pending; /* the client may still be sending a body */
	int64_t began;
};

/* All borrowed; params without zeros, may_stay: the connection may stay open. */
void exchange_init(struct exchange *x, struct mg_connection *conn,
	const struct http_params *params, struct http_guard *guard, bool may_stay);

/* Reads the rest of the request, has it handled, and answers. */
void exchange_serve(struct exchange *x);

/* Answers an error that the server found by itself; the connection ends. */
void exchange_refuse(struct exchange *x, struct http_refusal why);

#endif
