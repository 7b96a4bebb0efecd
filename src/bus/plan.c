/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/plan.h"

#include "base/rand.h"

void
bus_plan_init(struct bus_plan *plan, const struct bus_plan_params *params)
{
	*plan = (struct bus_plan){ .params = *params };
}

static int64_t
between(int64_t low, int64_t high)
{
	return low + (int64_t)rand_below((uint32_t)(high - low) + 1);
}

/* The next pause: longer than the one before, and never the same for all natsids. */
static int64_t
pause_ms(struct bus_plan *plan)
{
	const struct bus_plan_params *params = &plan->params;
	int64_t full = params->backoff_min_ms;

	for (unsigned i = 0; i < plan->pauses && full < params->backoff_max_ms &&
		params->backoff_percent > 100;
		i++)
		full = full * params->backoff_percent / 100 + 1;
	if (full > params->backoff_max_ms)
		full = params->backoff_max_ms;
	plan->pauses++;
	return between(full / 2, full);
}

struct bus_step
bus_plan_failed(struct bus_plan *plan, size_t server)
{
	if (server == 0 && plan->retries < plan->params.primary_retries) {
		plan->retries++;
		return (struct bus_step){ .pause_ms = pause_ms(plan) };
	}
	if (server + 1 < plan->params.servers)
		return (struct bus_step){ .server = server + 1 };
	return (struct bus_step){ .pause_ms = pause_ms(plan) };
}

struct bus_step
bus_plan_lost(struct bus_plan *plan, size_t server, bool lasted)
{
	if (!lasted && server == 0)
		return bus_plan_failed(plan, 0);
	if (!lasted)
		return (struct bus_step){ .pause_ms = pause_ms(plan) };
	plan->pauses = 0;
	if (server == 0)
		plan->retries = 0;
	/* Soon, but not of all natsids at once. */
	return (struct bus_step){ .pause_ms = between(0, plan->params.backoff_min_ms) };
}

void
bus_plan_primary_is_well(struct bus_plan *plan)
{
	plan->retries = 0;
	plan->pauses = 0;
}
