/* SPDX-License-Identifier: Apache-2.0
 * The operator: the root of trust of one NATS system. One row. */
#ifndef MODEL_OPERATOR_H
#define MODEL_OPERATOR_H

#include "model/collection.h"

struct operator_row {
	struct record_head head;
	char *name;
	struct nkey_public public_key;
	char system_account_id[RAND_ID_SIZE];
	char *jwt;
};

extern const struct collection operator_collection;

#endif
