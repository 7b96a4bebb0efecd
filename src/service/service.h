/* SPDX-License-Identifier: Apache-2.0
 * The use cases: each authorises, validates, and changes everything in one transaction.
 * All functions are thread-safe. */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "base/clock.h"
#include "base/err.h"
#include "store/store.h"
#include "vault/vault.h"

struct service;

/* All borrowed for the service's life. */
struct service_params {
	struct store *store;
	struct vault *vault;
	const struct clock *clock;
	int64_t default_lifetime_s; /* of users' JWTs whose role says none; 0: for ever */
};

int service_new(const struct service_params *params, struct service **out,
	struct err *err) MUST_CHECK;
void service_free(struct service *service);

/* Are the database and the vault well? A cheap look, for health checks. */
int service_check(struct service *service, struct err *err) MUST_CHECK;

#endif
