/* SPDX-License-Identifier: Apache-2.0
 * What the database has of an account that may be in quarantine: to show it, and to
 * choose for it. */
#ifndef SERVICE_QUARANTINE_LOOK_H
#define SERVICE_QUARANTINE_LOOK_H

#include "model/account.h"
#include "service/service.h"
#include "store/publish.h"
#include "store/quarantine.h"

#include <stdbool.h>
#include <stdint.h>

/* One account as one snapshot has it. */
struct quarantine_look {
	const char *id;
	struct account account;
	int64_t deleted; /* ms */
	struct store_publish publish;
	bool found; /* in quarantine */
	struct store_quarantine quarantine;
};

void quarantine_look_release(struct quarantine_look *look);

/* For service_read: ctx is a struct quarantine_look with its id set, that the caller
 * releases. ERR_NOT_FOUND: a deleted account is there for nobody, but while it needs a
 * choice. */
int quarantine_look_read(struct store_conn *conn, void *ctx, struct err *err) MUST_CHECK;

/* Of ours, that the JWT says; 0: it is not of this database. */
int64_t quarantine_generation_of(const struct service *service, const char *jwt);

#endif
