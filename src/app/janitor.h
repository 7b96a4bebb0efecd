/* SPDX-License-Identifier: Apache-2.0
 * A thread that carries out what was planned for later: signing keys that retire, and
 * deleted accounts that leave the servers. */
#ifndef APP_JANITOR_H
#define APP_JANITOR_H

#include "base/err.h"
#include "service/account_key_plans.h"
#include "service/tombstone.h"

struct janitor;

/* Looks at once, and then again and again until it is stopped. */
struct janitor_params {
	struct service *service; /* borrowed */
	int64_t interval_ms; /* 0 means [1000] between two looks at dates */
	int64_t count_ms; /* 0 means [10000] between two counts, which ask all servers */
	count_connections_fn count; /* NULL: no NATS */
	void *count_ctx;
	int64_t tombstone_ttl_ms;
	struct tombstone_hands hands; /* zeroed: no NATS */
};

int janitor_start(const struct janitor_params *params, struct janitor **out,
	struct err *err) MUST_CHECK;

/* Waits for a look that is under way. NULL is allowed. */
void janitor_stop(struct janitor *janitor);

#endif
