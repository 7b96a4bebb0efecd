/* SPDX-License-Identifier: Apache-2.0
 * The REST API: one table of routes, two dialects, over the use cases of service. */
#ifndef API_API_H
#define API_API_H

#include "base/clock.h"
#include "base/err.h"
#include "http/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api;
struct service;

enum { API_NATS_URLS_MAX = 16 };

struct api_nats_url {
	char url[128];
	const char *state; /* connected, connecting, probing, standby, failed; static */
	char error[160];
	int64_t connects; /* since the start, as the next */
	int64_t failures;
};

/* How it stands with NATS. Texts are "" where there is nothing to say. */
struct api_nats_status {
	bool connected;
	const char *state; /* connected, connecting, disconnected; static */
	const char *role; /* primary, backup: of the URL that is connected; static */
	char url[128];
	char server[64];
	char version[32];
	char error[160];
	int64_t since_ms; /* wall, of the last change between connected and not */
	int64_t epoch; /* of the connection; grows */
	int64_t connects; /* since the start, as all that is counted */
	int64_t failovers;
	int64_t failbacks;
	int64_t probes; /* of the primary, while a backup is connected */
	int64_t open_requests;
	int64_t servers;
	int64_t open_accounts; /* about to be pushed, or looked at */
	char blocked[200]; /* why nothing is pushed, or proven; "": nothing is in the way
			    */
	int64_t pushed;
	size_t url_index; /* connected, or tried last */
	struct api_nats_url urls[API_NATS_URLS_MAX]; /* the first is the primary */
	size_t url_count;
};

/* One live connection of an account; texts are borrowed, "" and 0 where not known. */
struct api_connection {
	const char *user; /* U... */
	const char *issuer_key; /* A..., that signed its JWT */
	int64_t issued_at; /* unix seconds: iat of its JWT */
	bool bearer;
};

/* What the publisher is at, for the list of servers. Times are wall ms; 0: not yet. */
struct api_convergence {
	char blocked[200]; /* why nothing is pushed, or proven; "": nothing is in the way
			    */
	bool sweeping;
	int64_t looked; /* accounts of this sweep, or of the last one, */
	int64_t accounts; /* of so many */
	int64_t started_ms;
	int64_t finished_ms;
};

/* All borrowed for the API's life. */
struct api_params {
	struct service *service;
	const struct clock *clock;
	/* Fills *out, which comes empty; called by any worker thread. NULL: no NATS. */
	void (*nats_status)(void *ctx, struct api_nats_status *out);
	/* Likewise. */
	void (*convergence)(void *ctx, struct api_convergence *out);
	/* Has all accounts looked at on all servers, soon and at full speed; only begins
	 * it. NULL: no NATS. */
	void (*reconcile)(void *ctx);
	/* Hands out the live connections of an account (A...), of all servers that answer
	 * in time; *out_complete: all did. Waits for NATS; ERR_UNAVAILABLE. NULL: no
	 * NATS. */
	int (*connections)(void *ctx, const char *account_key,
		int (*fn)(void *fn_ctx, const struct api_connection *connection,
			struct err *err),
		void *fn_ctx, bool *out_complete, struct err *err);
	/* The same of the names of its streams; some may come more than once. */
	int (*streams)(void *ctx, const char *account_key,
		int (*fn)(void *fn_ctx, const char *stream, struct err *err),
		void *fn_ctx, bool *out_complete, struct err *err);
	void *nats_ctx;
	const char *version;
};

/* ERR_NOMEM. The caller frees *out when the server that calls it has stopped. */
int
api_new(const struct api_params *params, struct api **out, struct err *err) MUST_CHECK;
void api_free(struct api *api);

/* The callbacks of struct http_params; ctx is the struct api.
 * Thread-safe. */
void api_handle(void *ctx, const struct http_request *req, struct http_response *res);
size_t api_body_limit(void *ctx, const char *method, const char *path);

/* An error that the server found by itself, in PocketBase's envelope: the path is not
 * known. */
void api_refuse(void *ctx, int status, const char *message, struct http_response *res);

#endif
