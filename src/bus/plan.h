/* SPDX-License-Identifier: Apache-2.0
 * Which server is tried next, and when: the primary with its retries, then the backups in
 * order, then all of them again. */
#ifndef BUS_PLAN_H
#define BUS_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fixed. */
struct bus_plan_params {
	size_t servers; /* the first is the primary */
	unsigned primary_retries;
	int64_t backoff_min_ms; /* the first pause, with jitter from its half on */
	int64_t backoff_max_ms;
	int64_t backoff_percent; /* of the pause before */
};

struct bus_plan {
	struct bus_plan_params params;
	/* Since the primary was connected for long: so many of its retries are used up. A
	 * primary that has none left is tried once a round like every other server. */
	unsigned retries;
	unsigned pauses; /* since any server was connected for long */
};

struct bus_step {
	size_t server;
	int64_t pause_ms;
};

/* The params are copied; nothing was tried yet. */
void bus_plan_init(struct bus_plan *plan, const struct bus_plan_params *params);

/* What follows when a connect to the server failed. */
struct bus_step bus_plan_failed(struct bus_plan *plan, size_t server);

/* What follows when the connection to it is lost. One that did not last is worth no more
 * than a connect that failed. */
struct bus_step bus_plan_lost(struct bus_plan *plan, size_t server, bool lasted);

/* The primary has shown that it is well. */
void bus_plan_primary_is_well(struct bus_plan *plan);

#endif
