/* SPDX-License-Identifier: Apache-2.0
 * Questions to all servers of the system about what is live there: who is connected, whom
 * they trust, which streams and account JWTs they have; and the request to remove some.
 * Any number of threads may ask at a time; each waits for its answers. */
#ifndef PUBLISH_LIVE_H
#define PUBLISH_LIVE_H

#include "base/err.h"
#include "base/strlist.h"
#include "bus/bus.h"
#include "publish/answer.h"
#include "publish/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LIVE_CONNECTIONS_MAX = 100 * 1000 };

/* Request numbers with this bit are live's: their events go to live_on_bus. */
#define LIVE_REQUEST_BIT (UINT64_C(1) << 63)

struct live;

struct live_params {
	/* 0 means [2000]: so long the answers to each request of a question are waited
	 * for; it ends as soon as every server that there is has answered. */
	int64_t timeout_ms;
};

/* ERR_NOMEM. */
int
live_new(const struct live_params *params, struct live **out, struct err *err) MUST_CHECK;
void live_free(struct live *live); /* NULL is allowed; nobody may be asking */

/* Before the bus starts, and before anybody asks; borrowed. */
void live_set_bus(struct live *live, struct bus *bus);

/* Is it an answer to a question of here? */
static inline bool
live_owns(const struct bus_event *event)
{
	return (event->request & LIVE_REQUEST_BIT) != 0;
}

/* For the bus's on_event, from any thread; ctx is the live. It only enqueues. */
void live_on_bus(void *ctx, const struct bus_event *event);

struct live_summary {
	size_t servers; /* that answer, or that those know of */
	size_t answered;
	/* All of them answered, and with all that was asked for: what was shown is all
	 * that there was. */
	bool complete;
};

/* Calls fn for each client and leaf node of the account ("A..."), of the first
 * LIVE_CONNECTIONS_MAX, by the thread that asks; strings are borrowed for the call, and
 * -1 ends the question with its error. What connects or leaves meanwhile may be missing
 * or not. ERR_UNAVAILABLE: no connection to NATS, or no answer at all; ERR_INVALID: no
 * account key. */
int live_connections(struct live *live, const char *account_key,
	int (*fn)(void *ctx, const struct server *server, const struct connection *row,
		struct err *err),
	void *ctx, struct live_summary *out, struct err *err) MUST_CHECK;

/* Calls fn for each server with the keys of the operators that it trusts: their identity
 * and signing keys ("O..."). The rest is as above. */
int live_trust(struct live *live,
	int (*fn)(void *ctx, const struct server *server, const struct strlist *trusted,
		struct err *err),
	void *ctx, struct live_summary *out, struct err *err) MUST_CHECK;

/* Calls fn for each stream of the account, by each server that has a replica of it.
 * ERR_INVALID: no account key. There are none only where the summary is complete. */
int live_streams(struct live *live, const char *account_key,
	int (*fn)(void *ctx, const struct server *server, const char *stream,
		struct err *err),
	void *ctx, struct live_summary *out, struct err *err) MUST_CHECK;

/* Which of some accounts servers show a JWT of. Their answers do not say whose they are,
 * so they are counted: complete says that of each account so many servers said that they
 * have none, or that it was shown. Who they were is the caller's to find out: a server
 * that nobody knows may have answered in the place of one that did not. answered: of the
 * account of which the fewest did. ERR_LIMITED: too many accounts. */
enum { LIVE_LOOKUPS_MAX = 1000 };
struct live_lookups_params {
	const char *const *keys; /* "A..."; borrowed */
	size_t len;
	size_t servers; /* that answer lookups: those with full resolvers */
	void (*fn)(void *ctx, const char *account_key); /* once for one that is shown */
	void *ctx;
};
int live_lookups(struct live *live, const struct live_lookups_params *params,
	struct live_summary *out, struct err *err) MUST_CHECK;

/* Sends a request to remove accounts (mint/removal.h). Calls fn for each server with how
 * many it removed, or with -1 and its words where it refused or failed for some: that is
 * an answer, too. */
int live_remove(struct live *live, const char *request, size_t len,
	int (*fn)(void *ctx, const struct server *server, int64_t removed,
		const char *words, struct err *err),
	void *ctx, struct live_summary *out, struct err *err) MUST_CHECK;

#endif
