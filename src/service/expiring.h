/* SPDX-License-Identifier: Apache-2.0
 * Users whose JWTs end soon. */
#ifndef SERVICE_EXPIRING_H
#define SERVICE_EXPIRING_H

#include "service/authorise.h"
#include "service/service.h"
#include "store/expiring.h"

enum { EXPIRING_WITHIN_MAX_S = 10 * 366 * 24 * 60 * 60 };

/* Hands out the users whose JWTs end from now on within so many seconds, the soonest
 * first, behind (after_exp, after_seq), which are 0 for the first page. */
struct expiring_query {
	int64_t within_s;
	int64_t after_exp;
	int64_t after_seq;
	int64_t limit;
};
int service_expiring(struct service *service, const struct actor *actor,
	const struct expiring_query *query,
	int (*fn)(void *ctx, const struct store_expiring *row, struct err *err),
	void *ctx, struct err *err) MUST_CHECK;

#endif
