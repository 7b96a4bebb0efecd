/* SPDX-License-Identifier: Apache-2.0
 * What the API and the janitor ask of the NATS system, and have done there: each function
 * is one of their callbacks, whose ctx is a struct nats_system. */
#ifndef APP_NATS_SYSTEM_H
#define APP_NATS_SYSTEM_H

#include "api/api.h"
#include "bus/bus.h"
#include "publish/live.h"
#include "publish/publisher.h"
#include "service/account_key_plans.h"
#include "service/tombstone.h"

/* Owned by whoever made them. */
struct nats_system {
	struct publisher *publisher;
	struct live *live;
	struct bus *bus;
};

/* How natsid is connected, and what for. */
void nats_system_status(void *ctx, struct api_nats_status *out);

/* Clients and leaf nodes of the account: told of, or counted by the key that signed. */
int nats_system_connections(void *ctx, const char *account_key,
	int (*fn)(void *fn_ctx, const struct api_connection *connection, struct err *err),
	void *fn_ctx, bool *out_complete, struct err *err) MUST_CHECK;
int nats_system_count_keys(void *ctx, struct account_key_list *list, bool *out_complete,
	struct err *err) MUST_CHECK;

/* Names, borrowed for the time of the call. */
int nats_system_streams(void *ctx, const char *account_key,
	int (*fn)(void *fn_ctx, const char *stream, struct err *err), void *fn_ctx,
	bool *out_complete, struct err *err) MUST_CHECK;

/* See struct tombstone_hands. */
int nats_system_remove(void *ctx, const char *request, size_t len,
	struct tombstone_answers *answers, bool *out_complete,
	struct err *err) MUST_CHECK;
int nats_system_look(void *ctx, const struct tombstone_look *look,
	struct tombstone_answers *answers, size_t *out_answered,
	struct err *err) MUST_CHECK;

/* How far the publisher is with a pass, and the order to begin one. */
void nats_system_convergence(void *ctx, struct api_convergence *out);
void nats_system_reconcile(void *ctx);

#endif
