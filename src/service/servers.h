/* SPDX-License-Identifier: Apache-2.0
 * The servers that natsid knows, and where they differed from what is recorded. */
#ifndef SERVICE_SERVERS_H
#define SERVICE_SERVERS_H

#include "service/authorise.h"
#include "service/service.h"
#include "store/drift.h"
#include "store/proof.h"
#include "store/server.h"
#include "store/standing.h"

/* Times in ms. */
struct server_item {
	struct store_server server;
	int64_t foreign; /* accounts on it that are not natsid's */
};

struct server_list {
	struct server_item *items; /* by cluster and name */
	size_t len;
	struct store_standing standing; /* of the natsid that serves, or did last */
	int64_t now; /* when it was read */
};

int service_servers(struct service *service, const struct actor *actor,
	struct server_list *out, struct err *err) MUST_CHECK;
void server_list_release(struct server_list *list);

/* "present", "missing", "absent": an absent one is missing for so long that nothing waits
 * for it. */
const char *server_state(const struct store_server *server);

/* It answered lately: whoever asks the servers has seen it. */
bool server_answers(const struct store_server *server, int64_t now);

/* Forgets a server that has gone, by its name or CLUSTER/NAME ("/NAME": of no cluster);
 * an actor of the command line's only. ERR_NOT_FOUND; ERR_CONFLICT with the servers that
 * the name fits, or while it answers. Only a natsid that serves (`served`), connected to
 * NATS, hears whether it does: otherwise the actor is believed. One that was there all
 * the same is met anew, as a new one. */
int service_server_forget(struct service *service, const struct actor *actor,
	const char *name, bool served, struct err *err) MUST_CHECK;

/* The newest first, at most limit; the caller frees *out. */
int service_drift(struct service *service, const struct actor *actor, int64_t limit,
	struct store_drift **out, size_t *out_len, struct err *err) MUST_CHECK;

/* For everybody: numbers only. */
int service_proof_counts(struct service *service, struct store_proof_counts *out,
	struct err *err) MUST_CHECK;

#endif
