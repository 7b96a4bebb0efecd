/* SPDX-License-Identifier: Apache-2.0
 * Converges the servers of one NATS system to the store: looks at what they hold, mints
 * what is wanted, pushes the newest bytes, and calls an account proven when every server
 * that answers PING acknowledged this push as stored, every lookup shows our bytes, and a
 * PING afterwards found the same servers. What another hand signed it never overwrites.
 * One thread; the API never waits for it. */
#ifndef PUBLISH_PUBLISHER_H
#define PUBLISH_PUBLISHER_H

#include "bus/bus.h"
#include "publish/roster.h"
#include "service/service.h"
#include "store/store.h"

struct publisher;

enum { PUBLISHER_BLOCKED_SIZE = 200 };

/* Borrowed for the publisher's life; zeros mean the defaults in brackets. */
struct publisher_params {
	struct store *store;
	struct service *service;
	const struct clock *clock;
	int64_t debounce_quiet_ms; /* [200] a change waits for this long a silence, */
	int64_t debounce_max_ms; /* [1000] but no longer than this */
	/* [2000] for the answers to an account's first push or lookup; twice as long
	 * after each that failed, up to request_max_ms [10000] */
	int64_t request_ms;
	int64_t request_max_ms;
	size_t in_flight_max; /* [128] accounts under way at a time; urgent ones may be
				 16 more */
	/* [20] accounts a second of a change that many share (store_change.paced), after
	 * as many at once; -1: all at once */
	int64_t role_pace;
	int64_t sweep_pause_ms; /* [10000] between two passes over all accounts */
};

/* Nothing runs yet. ERR_NOMEM. */
int publisher_new(const struct publisher_params *params, struct publisher **out,
	struct err *err) MUST_CHECK;

/* What it wants to hear of besides answers; before the bus starts. */
int publisher_subscribe(struct bus *bus, struct err *err) MUST_CHECK;

/* To be given to store_on_commit and to the bus; ctx is the publisher. They only
 * enqueue. */
void publisher_on_commit(void *ctx, const struct store_change *changes, size_t n);
void publisher_on_bus(void *ctx, const struct bus_event *event);

/* The bus may be started before or after; it is borrowed until publisher_stop. */
int
publisher_start(struct publisher *publisher, struct bus *bus, struct err *err) MUST_CHECK;

/* Waits for its thread; what is under way begins anew at the next start of natsid. Any
 * number of times. */
void publisher_stop(struct publisher *publisher);

/* Stops and frees; NULL is allowed. Neither the store nor the bus may still call. */
void publisher_free(struct publisher *publisher);

/* Looks at all accounts on all servers, as fast as they answer. Threads: any. */
void publisher_reconcile(struct publisher *publisher);

/* The pass over all accounts that runs, or ran last. */
struct publisher_sweep {
	bool running;
	int64_t looked; /* accounts so far */
	int64_t accounts; /* that it came to so far */
	int64_t started_ms; /* wall clock; 0: none yet */
	int64_t finished_ms; /* of the last one that came to its end; 0: none yet */
};

struct publisher_status {
	struct roster roster; /* of the last round; empty while not connected */
	size_t open; /* accounts with something to do, and proofs not written yet */
	uint64_t pushed; /* updates sent since the start */
	char blocked[PUBLISHER_BLOCKED_SIZE]; /* why nothing is pushed, or proven; "" */
	struct publisher_sweep sweep;
};

/* Threads: any. */
void publisher_status(struct publisher *publisher, struct publisher_status *out);

#endif
