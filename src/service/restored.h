/* SPDX-License-Identifier: Apache-2.0
 * An older database was put in the place of the one that was served. */
#ifndef SERVICE_RESTORED_H
#define SERVICE_RESTORED_H

#include "service/service.h"

/* What was done. */
struct restored {
	int64_t users; /* that may have creds of which the database does not know */
	int64_t suspended; /* of them, who are refused anew */
	/* where these had no room in the account's JWT, so that all users are refused */
	int64_t accounts_refused;
	int64_t links; /* that were ended */
};

/* Has natsid act as though it had handed out creds, without an end, to every user since
 * the database was current, and lets nobody in who is suspended. In one transaction; once
 * more does no harm. */
int service_restored(
	struct service *service, struct restored *out, struct err *err) MUST_CHECK;

#endif
