/* SPDX-License-Identifier: Apache-2.0
 * What the writes of one request want of accounts, and waiting until servers hold it. */
#ifndef SERVICE_TOUCHED_H
#define SERVICE_TOUCHED_H

#include "base/err.h"
#include "service/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SERVICE_WAITING_MAX = 32, /* calls that wait at a time; each holds a thread */
	SERVICE_UNPROVEN_SIZE = 448
};

struct touched_account {
	int64_t account; /* seq */
	int64_t generation;
};

/* Zeroed is empty. */
struct touched {
	struct touched_account *items;
	size_t len;
};

void touched_release(struct touched *touched);

struct proof_wait {
	bool waited; /* false: too many wait already */
	/* "s1: does not answer, s2: not confirmed yet": printable ASCII; "": all of it is
	 * proven on every server */
	char unproven[SERVICE_UNPROVEN_SIZE];
};

/* Waits until all servers that are there hold all of it, at most so many seconds. Cannot
 * fail: the writes are done, so what goes wrong with the waiting is only told. */
void service_wait_proven(struct service *service, const struct touched *touched,
	int64_t seconds, struct proof_wait *out);

/* To be called at each commit of the store, from any thread; only wakes. */
void service_on_commit(struct service *service);

/* Sends all away who wait, and whoever comes after them; for the end of the process. */
void service_stop_waiting(struct service *service);

#endif
