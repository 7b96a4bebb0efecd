/* SPDX-License-Identifier: Apache-2.0
 * The operator: the root of trust of one NATS system. One row. */
#ifndef MODEL_OPERATOR_H
#define MODEL_OPERATOR_H

#include "base/strlist.h"
#include "model/collection.h"

struct operator_row {
	struct record_head head;
	char *name;
	struct nkey_public public_key;
	char system_account_id[RAND_ID_SIZE];
	char *jwt;
};

/* What its JWT says beyond its keys. Owned; texts are never NULL once read. */
struct operator_claims {
	struct strlist service_urls;
	char *account_server_url;
	char *assert_server_version;
	bool strict_signing_key_usage;
	struct strlist tags;
};

void operator_claims_release(struct operator_claims *claims);

extern const struct collection operator_collection;

#endif
