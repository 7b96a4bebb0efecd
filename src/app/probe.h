/* SPDX-License-Identifier: Apache-2.0
 * A short connection to the NATS system, for commands that ask its servers something. */
#ifndef APP_PROBE_H
#define APP_PROBE_H

#include "app/nats_options.h"
#include "publish/live.h"
#include "service/service.h"

struct probe;

/* Starts to connect, as a system user of its own. */
int probe_open(struct service *service, const struct nats_options *nats,
	struct probe **out, struct err *err) MUST_CHECK;
void probe_close(struct probe *probe); /* NULL is allowed */

/* What there is to ask, once it is connected. ERR_UNAVAILABLE, with the reason, when it
 * is not within timeout_ms. */
int probe_live(struct probe *probe, int64_t timeout_ms, struct live **out,
	struct err *err) MUST_CHECK;

#endif
