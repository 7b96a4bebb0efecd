/* SPDX-License-Identifier: Apache-2.0
 * One connection of nats.c, from its connect to its end: it never reconnects by
 * itself. */
#ifndef BUS_LINK_H
#define BUS_LINK_H

#include "bus/bus.h"
#include "bus/url.h"

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus_link;

struct bus_link_message {
	uint64_t epoch;
	bool is_reply;
	uint64_t token; /* of a reply */
	const char *subject;
	const char *data; /* not NULL */
	size_t len;
	bool no_responders;
};

/* Called on nats.c's threads, no lock held. `text` is safe to show. */
struct bus_link_handler {
	void (*on_message)(void *ctx, const struct bus_link_message *message);
	/* The connection is over, as bus_link_lost now says; once, if it had been made.
	 */
	void (*on_lost)(void *ctx);
	/* The connection goes on, but something was refused or dropped. */
	void (*on_trouble)(void *ctx, uint64_t epoch, const char *text);
	/* After that: messages were dropped, that on_message was too slow for. */
	void (*on_dropped)(void *ctx, uint64_t epoch);
};

/* Everything is borrowed until bus_link_free. */
struct bus_link_params {
	const struct bus_params *bus; /* credentials, name, timeouts; no zeros */
	const struct bus_url *url;
	const char *inbox;
	const char *const *subjects;
	size_t subject_count;
	uint64_t epoch;
	const struct bus_link_handler *handler;
	void *ctx;
};

/* Starts nats.c's own threads, once for the process. */
int bus_link_library_open(struct err *err) MUST_CHECK;

/* ERR_INVALID when the file does not hold what its place needs: certificates, or one of
 * them and its private key. */
int bus_link_check_ca(const char *ca_file, struct err *err) MUST_CHECK;
int bus_link_check_pair(
	const char *cert_file, const char *key_file, struct err *err) MUST_CHECK;

/* Connects; blocks. Errors: ERR_UNAUTHENTICATED (refused), ERR_UNAVAILABLE, ERR_TIMEOUT,
 * ERR_NOMEM, ERR_INTERNAL, or those of the credential callbacks. */
int bus_link_open(const struct bus_link_params *params, struct bus_link **out_link,
	struct err *err) MUST_CHECK;

/* Once. Messages wait from then on, and with them nats.c's threads, until
 * bus_link_deliver. */
int bus_link_subscribe(struct bus_link *link, struct err *err) MUST_CHECK;

/* Messages come from now on. */
void bus_link_deliver(struct bus_link *link);

/* 0 when the server answers a PING in time. */
int bus_link_ping(struct bus_link *link, int64_t timeout_ms, struct err *err) MUST_CHECK;

/* True when the connection is over without our doing; *out_text then says why. */
bool bus_link_lost(struct bus_link *link, char out_text[static BUS_ERROR_SIZE]);

/* Threads: any, until bus_link_free. ERR_UNAVAILABLE, ERR_TOO_LARGE, ERR_INVALID. */
int bus_link_publish(struct bus_link *link, const char *subject, uint64_t token,
	const void *data, size_t len, struct err *err) MUST_CHECK;

/* What the server said of itself; its id is "" when it has gone already. */
void bus_link_server(struct bus_link *link, char out_id[static BUS_SERVER_ID_SIZE],
	int64_t *out_max_payload);

/* Waits for handlers that are running; no other one begins. Not from a handler, and with
 * no lock that one takes. */
void bus_link_mute(struct bus_link *link);

/* Ends it; with flush_ms > 0 what was published is sent first. Publishing fails from now
 * on. */
void bus_link_close(struct bus_link *link, int64_t flush_ms);

/* Mutes, closes and frees; NULL is allowed. */
void bus_link_free(struct bus_link *link);

#endif
