/* SPDX-License-Identifier: Apache-2.0
 * How far an account has come on its way to the servers. */
#ifndef SERVICE_ACCOUNT_STATE_H
#define SERVICE_ACCOUNT_STATE_H

#include "service/authorise.h"
#include "service/service.h"
#include "store/quarantine.h"
#include "store/server.h"

struct account_state {
	char id[RAND_ID_SIZE];
	char public_key[NKEY_TEXT_SIZE];
	char *status; /* as publish_status and publish_message of its record */
	char *message;
	int64_t wanted; /* generations */
	int64_t minted;
	int64_t proven;
	int64_t attempts;
	bool quarantined;
	struct store_quarantine quarantine;
	struct store_server *servers; /* by cluster and name, */
	struct store_account_server *held; /* and the account on each of them */
	size_t len;
};

/* ERR_NOT_FOUND, as for every read of an account that is deleted: what of its tombstone
 * is still to be proven, the publish queue tells. */
int service_account_state(struct service *service, const struct actor *actor,
	const char *id, struct account_state *out, struct err *err) MUST_CHECK;
void account_state_release(struct account_state *state);

/* How many accounts there are to look at; for an actor who may change them. */
int service_reconcile_count(struct service *service, const struct actor *actor,
	int64_t *out_count, struct err *err) MUST_CHECK;

#endif
