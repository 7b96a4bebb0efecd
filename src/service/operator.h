/* SPDX-License-Identifier: Apache-2.0
 * The operator: making it, and what servers need of it. */
#ifndef SERVICE_OPERATOR_H
#define SERVICE_OPERATOR_H

#include "base/buf.h"
#include "service/authorise.h"
#include "service/service.h"

/* Makes operator, system account and their keys in one transaction. ERR_CONFLICT when
 * there is one; ERR_FORBIDDEN for actors of the API. */
int service_operator_init(struct service *service, const struct actor *actor,
	const char *name, struct err *err) MUST_CHECK;

/* The operator's JWT, no line break. */
int service_operator_jwt(struct service *service, const struct actor *actor,
	struct buf *out, struct err *err) MUST_CHECK;

/* Defaults for NULL and 0: "natsid-1", 4222, "./jwt"; JetStream off. */
struct nats_conf_params {
	const char *server_name;
	uint16_t port;
	const char *resolver_dir;
	const char *jetstream_dir;
	const char *listen_host;
};

/* A whole nats-server configuration: one key per line. ERR_INVALID for values that cannot
 * be quoted. */
int service_nats_conf(struct service *service, const struct actor *actor,
	const struct nats_conf_params *params, struct buf *out,
	struct err *err) MUST_CHECK;

/* The JWT of the system user for one connection to NATS, for the given key, that hears
 * answers below the inbox. The caller frees it. */
int service_system_user_jwt(struct service *service, const struct nkey_public *user_key,
	const char *inbox, char **out_jwt, struct err *err) MUST_CHECK;

#endif
