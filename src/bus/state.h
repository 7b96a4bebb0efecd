/* SPDX-License-Identifier: Apache-2.0
 * The bus's state, and what its parts offer each other. The bus thread alone changes the
 * state; names that end in _locked want the lock, and may release it meanwhile. */
#ifndef BUS_STATE_H
#define BUS_STATE_H

#include "bus/bus.h"
#include "bus/link.h"
#include "bus/plan.h"
#include "bus/requests.h"
#include "bus/url.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One of the addresses, in the order of preference; the first is the primary. */
struct server {
	struct bus_url url;
	/* Under the lock: */
	char error[BUS_ERROR_SIZE]; /* of its last failure; "" once it is well */
	bool logged; /* that error, since a connection came up */
	uint64_t failures;
	uint64_t connects;
};

/* The one connect that a thread of its own works on: for want of a connection, or, while
 * a backup is connected, as a probe of the primary. Then it is done only when that has
 * been well for a while, or at once when the backup is lost. */
struct attempt {
	pthread_t thread;
	struct bus *bus;
	size_t server;
	uint64_t epoch;
	int64_t overdue_ms; /* when the connect is ended from outside */
	/* Under the lock: */
	bool running; /* from its thread's start until that is joined */
	bool is_probe; /* nobody needs it at once */
	bool connected;
	bool done;
	struct bus_link *link; /* NULL: failed, see err */
	struct err err;
};

struct bus {
	/* Fixed after bus_start. */
	struct bus_params params;
	char name[BUS_NAME_MAX + 1];
	char *files[3]; /* what params name */
	char inbox[BUS_INBOX_SIZE];
	struct server servers[BUS_URLS_MAX];
	size_t server_count;
	char *subjects[BUS_SUBSCRIPTIONS_MAX];
	size_t subject_count;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* wakes the bus thread */
	pthread_cond_t hurry; /* wakes a probe */
	bool stopping;
	bool thread_ended;
	enum bus_state state;
	size_t server; /* of the state's attempt or link, or the last one */
	int64_t since_ms;
	uint64_t attempts;
	char last_error[BUS_ERROR_SIZE];
	struct attempt attempt; /* CONNECTING, and UP on a backup */
	uint64_t last_epoch; /* given to an attempt */
	struct bus_link *link; /* UP */
	uint64_t epoch; /* of the last link that was up */
	char server_id[BUS_SERVER_ID_SIZE];
	int64_t max_payload;
	unsigned publishing; /* calls that use the link */
	struct bus_plan plan; /* bus thread only */
	size_t next_server; /* DOWN: what to try */
	int64_t retry_ms; /* DOWN: and when */
	int64_t up_ms; /* UP: since when */
	int64_t probe_ms; /* UP on a backup: when to look at the primary */
	size_t last_up; /* server of the last connection */
	uint64_t connects;
	uint64_t failovers;
	uint64_t failbacks;
	uint64_t probes;
	struct bus_requests *requests;
};

static inline int64_t
bus_now_ms(const struct bus *bus)
{
	return clock_mono_ms(bus->params.clock);
}

static inline void
bus_emit(struct bus *bus, const struct bus_event *event)
{
	bus->params.on_event(bus->params.event_ctx, event);
}

/* Waits until woken, or until `until` on the bus's clock. */
void bus_wait_on_locked(struct bus *bus, pthread_cond_t *cond, int64_t until);

/* ---- attempt.c: the one connect under way ---- */

/* -1: no thread for it, see attempt.err. */
int bus_attempt_start_locked(struct bus *bus, size_t server, bool is_probe) MUST_CHECK;

/* True once its thread has ended. Otherwise *out_until is when to look again. */
bool bus_attempt_ended_locked(struct bus *bus, int64_t *out_until);

/* ---- thread.c: the bus thread ---- */

/* ctx: the bus. */
void *bus_thread_main(void *ctx);

#endif
