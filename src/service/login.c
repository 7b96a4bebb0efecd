/* SPDX-License-Identifier: Apache-2.0 */
#include "service/login.h"

#include "service/internal.h"
#include "service/token.h"
#include "store/auth.h"

#include <string.h>

struct candidate {
	const char *identity;
	struct superuser row;
	bool found;
};

static int
find_candidate(struct store_conn *conn, void *ctx, struct err *err)
{
	struct candidate *candidate = ctx;
	int found = store_auth_find_superuser(
		conn, candidate->identity, &candidate->row, err);
	candidate->found = found == 1;
	return found < 0 ? -1 : 0;
}

/* An unknown e-mail costs a hash as well. */
static int
check_password(struct service *service, const struct candidate *candidate,
	const char *password, struct err *err)
{
	const char *hash = candidate->found ? candidate->row.password_hash : "";
	int matches = service_verify_password(service, hash, password, err);
	if (matches == 0) {
		return err_set(err, ERR_UNAUTHENTICATED, "Failed to authenticate.");
	}
	return matches == 1 ? 0 : -1;
}

int
service_login(struct service *service, const struct collection *collection,
	const char *identity, const char *password, const char *address,
	struct buf *out_token, char out_id[static RAND_ID_SIZE], struct err *err)
{
	struct candidate candidate = { .identity = identity };
	if (collection->kind != COLLECTION_SUPERUSERS) {
		return err_set(err, ERR_FORBIDDEN,
			"The collection is not configured to allow password "
			"authentication.");
	}
	if (throttle_enter(service->throttle, address, err) != 0) {
		return -1;
	}
	int rc = service_read(service, find_candidate, &candidate, err);
	if (rc == 0) {
		rc = check_password(service, &candidate, password, err);
	}
	if (rc == 0 || err->code != ERR_UNAUTHENTICATED) {
		throttle_succeeded(service->throttle, address);
	}
	if (rc == 0) {
		rc = token_issue(service, candidate.row.head.id, candidate.row.token_key,
			out_token, err);
	}
	if (rc == 0) {
		memcpy(out_id, candidate.row.head.id, RAND_ID_SIZE);
	}
	record_release(&superuser_collection, &candidate.row);
	return rc;
}
