/* SPDX-License-Identifier: Apache-2.0 */
#include "service/expiring.h"

#include "service/internal.h"

int
service_expiring(struct service *service, const struct actor *actor,
	const struct expiring_query *query,
	int (*fn)(void *ctx, const struct store_expiring *row, struct err *err),
	void *ctx, struct err *err)
{
	int64_t now = clock_wall_s(service->clock);
	struct store_expiring_query page = {
		.after_exp = query->after_exp > now ? query->after_exp : now,
		.after_seq = query->after_seq,
		.until = now + query->within_s,
		.limit = query->limit,
	};
	struct store_conn *conn = NULL;
	if (authorise(actor, VERB_LIST, &user_collection, NULL, err) != 0 ||
		store_read_begin_one(service->store, &conn, err) != 0) {
		return -1;
	}
	int rc = store_expiring_list(conn, &page, fn, ctx, err);
	store_read_end(service->store, conn);
	return rc;
}
