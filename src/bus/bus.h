/* SPDX-License-Identifier: Apache-2.0
 * The connection to one NATS system: kept up for ever, by the primary or a backup;
 * requests that many servers may answer, subscriptions. */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	BUS_URLS_MAX = 16,
	BUS_SUBSCRIPTIONS_MAX = 32,
	/* Open at a time. */
	BUS_REQUESTS_MAX = 4096,
	/* Of a request, in bytes; the server's max_payload may be lower. */
	BUS_PAYLOAD_MAX = 1024 * 1024,
	BUS_SUBJECT_MAX = 512,
	BUS_NAME_MAX = 64,
	BUS_URL_SIZE = 320,
	BUS_SERVER_ID_SIZE = 64,
	BUS_ERROR_SIZE = 160,
	BUS_INBOX_SIZE = 32,
	BUS_SIGNATURE_LEN = 64
};

enum bus_state { BUS_DOWN, BUS_CONNECTING, BUS_UP };

enum bus_event_kind {
	/* Connected and subscribed; before any other event of its epoch. */
	BUS_EVENT_UP,
	/* After the expiry of the requests that were open; the last event of its
	 * epoch. */
	BUS_EVENT_DOWN,
	/* One answer to a request, or the news that nobody listens (no_responders). */
	BUS_EVENT_REPLY,
	/* A request is over: its time is up, or the connection is down. */
	BUS_EVENT_EXPIRED,
	/* On a subject of bus_subscribe. */
	BUS_EVENT_MESSAGE,
	/* Messages or answers came faster than on_event took them, and some were dropped.
	 */
	BUS_EVENT_DROPPED
};

/* subject and data are borrowed for the time of the call. In REPLY and MESSAGE data is
 * never NULL and NUL-terminated after len bytes; in the other kinds both are NULL. */
struct bus_event {
	enum bus_event_kind kind;
	uint64_t
		epoch; /* number of the connection; grows at each UP, not always by one */
	uint64_t request; /* REPLY and EXPIRED: the caller's number; otherwise 0 */
	const char *subject;
	const char *data;
	size_t len;
	bool no_responders; /* REPLY without data: no server listens on the subject */
};

/* Strings are copied by bus_new; the contexts and the clock are borrowed until bus_free.
 * A zero in a number means the default in brackets. */
struct bus_params {
	const char *const *urls; /* the primary, then its backups in order */
	size_t url_count;
	const char *name; /* as servers show it in CONNZ */

	/* All NULL: no credentials. Each connect has a login of its own: the first makes
	 * it, and the JWT for it, a heap string that nats.c takes and frees; the second
	 * signs the server's nonce; the third ends it, as soon as the connect is over.
	 * Called on threads of the bus, no lock held. */
	int (*user_jwt)(void *ctx, void **out_login, char **out_jwt, struct err *err);
	int (*sign_nonce)(void *login, const char *nonce,
		uint8_t sig[static BUS_SIGNATURE_LEN], struct err *err);
	void (*login_free)(void *login);
	void *auth_ctx;

	/* PEM files, read anew at each connect; NULL: none. The certificates of those who
	 * sign servers' (the system's own are trusted otherwise), our own one, its key.
	 * With any of them no connection goes without TLS. */
	const char *ca_file;
	const char *cert_file;
	const char *key_file;

	/* From nats.c's threads and the bus thread, several at a time, no lock held. It
	 * must only copy and enqueue: it may call bus_cancel and bus_status, but neither
	 * wait nor stop the bus. */
	void (*on_event)(void *ctx, const struct bus_event *event);
	void *event_ctx;

	const struct clock *clock;
	/* [4] So often a connect to the primary that failed is tried again before it is
	 * the turn of the backups; -1: not at all. Then all are tried in order, round
	 * after round. */
	int primary_retries;
	/* [1000] The first pause, before such a retry or the next round; each is
	 * backoff_percent [200] of the one before, with jitter, up to backoff_max_ms
	 * [8000]. A connection that lasts ends the row. */
	int64_t backoff_min_ms;
	int64_t backoff_max_ms;
	int64_t backoff_percent;
	/* [30000] While a backup is connected, the primary is looked at so often, */
	int64_t failback_interval_ms;
	/* [10000] and taken when it has answered PINGs for so long. */
	int64_t failback_healthy_ms;
	int64_t connect_timeout_ms; /* [5000] */
	/* [2000] A write that blocks for so long ends the connection. */
	int64_t write_deadline_ms;
	/* [5000] A silent server is given up after three such intervals. */
	int64_t ping_interval_ms;
};

enum bus_url_state {
	BUS_URL_STANDBY, /* not needed, or not tried yet */
	BUS_URL_CONNECTING,
	BUS_URL_CONNECTED,
	BUS_URL_PROBING, /* the primary: connected beside a backup, to see if it is well
			  */
	BUS_URL_FAILED
};

struct bus_url_status {
	char url[BUS_URL_SIZE]; /* without user and password */
	enum bus_url_state state;
	char error[BUS_ERROR_SIZE]; /* of its last connect or connection; "" when well */
	uint64_t failures; /* connects and probes since the start */
	uint64_t connects;
};

/* What people may see of it: no password, no token. */
struct bus_status {
	enum bus_state state;
	uint64_t epoch; /* of the connection that is or was up last; 0: none yet */
	size_t url_index; /* of the URL connected, being tried, or tried last */
	char url[BUS_URL_SIZE]; /* that one, without user and password */
	char server_id[BUS_SERVER_ID_SIZE]; /* while UP: the server's incarnation */
	int64_t max_payload; /* while UP: the server's, in bytes */
	char last_error[BUS_ERROR_SIZE]; /* why it is down, or was last; "" when never */
	int64_t since_ms; /* wall clock: when it came up, or went down, or was started */
	uint64_t attempts; /* connects tried since it was up last */
	size_t open_requests;
	uint64_t connects; /* how often it came up, since the start */
	uint64_t failovers; /* of those, to another URL than before, but for */
	uint64_t failbacks; /* those back to the primary */
	uint64_t probes; /* of the primary, while a backup was connected */
	struct bus_url_status urls[BUS_URLS_MAX]; /* the first is the primary */
	size_t url_count;
};

struct bus;

/* Do the files hold what struct bus_params wants of them? ERR_INVALID says what is wrong,
 * and not with which. */
int bus_check_ca(const char *ca_file, struct err *err) MUST_CHECK;
int
bus_check_pair(const char *cert_file, const char *key_file, struct err *err) MUST_CHECK;

/* Nothing is connected yet. ERR_INVALID (no or malformed URLs, a bad name), ERR_NOMEM. */
int bus_new(const struct bus_params *params, struct bus **out_bus,
	struct err *err) MUST_CHECK;

/* Registers a subject (wildcards allowed); only before bus_start. Subscribed anew on each
 * connection; what is published while there is none is lost, and what the bus publishes
 * itself is not heard. ERR_INVALID, ERR_LIMITED, ERR_NOMEM. */
int bus_subscribe(struct bus *bus, const char *subject, struct err *err) MUST_CHECK;

/* Starts the bus thread and returns at once, whether a server is there or not. Once only.
 * Like nats.c, it makes the process ignore SIGPIPE. */
int bus_start(struct bus *bus, struct err *err) MUST_CHECK;

/* Sends what was published, closes and joins: after it no event comes any more; before
 * that, open requests expire. Any number of times, from one thread at a time; not from
 * on_event. Takes no longer than a connect (and the resolver) or a few write
 * deadlines. */
void bus_stop(struct bus *bus);

/* Stops and frees; NULL is allowed. Nobody else may be inside a call. */
void bus_free(struct bus *bus);

/* Borrowed for the time of the call. */
struct bus_request {
	uint64_t number; /* the caller's: of all its events */
	/* Only on this connection: its answers mean something to who knows when it came
	 * up. 0: on whichever is up. */
	uint64_t epoch;
	const char *subject;
	const void *data;
	size_t len;
	int64_t timeout_ms;
};

/* Publishes with a reply subject of its own. Each answer is a BUS_EVENT_REPLY with the
 * caller's request number until BUS_EVENT_EXPIRED (once: after timeout_ms, or at DOWN) or
 * bus_cancel. It waits for the network only when the socket's buffer is full, up to the
 * write deadline. An answer that is being delivered while its request expires or is
 * cancelled may arrive just afterwards: ignore numbers that are not known any more. A
 * failed call has no events. ERR_STALE: the connection of that epoch is over, and the
 * news of it is on its way; ERR_UNAVAILABLE: not UP, or the write failed; ERR_LIMITED:
 * BUS_REQUESTS_MAX are open; ERR_CONFLICT: that number is open; ERR_TOO_LARGE;
 * ERR_INVALID. Threads: any. */
int bus_request(
	struct bus *bus, const struct bus_request *request, struct err *err) MUST_CHECK;

/* No further event of that request (but see bus_request); unknown numbers are ignored.
 * Threads: any. */
void bus_cancel(struct bus *bus, uint64_t request);

/* How the connection stands now. Threads: any. */
void bus_status(struct bus *bus, struct bus_status *out);

/* "_INBOX.<22 random>": replies come to "<inbox>.*", so that the permissions of the JWT
 * can be narrowed to it. Lives as long as the bus. */
const char *bus_inbox(const struct bus *bus);

#endif
