/* SPDX-License-Identifier: Apache-2.0
 * Imports: what an account takes of the exports of others. */
#ifndef MODEL_ACCOUNT_IMPORT_H
#define MODEL_ACCOUNT_IMPORT_H

#include "model/collection.h"

struct account_import {
	struct record_head head;
	char account_id[RAND_ID_SIZE]; /* the importer */
	char *name;
	char *subject; /* the exporter's */
	struct nkey_public account; /* the exporter */
	char *local_subject; /* what it is called here; "": the same */
	char *type; /* "stream", "service" */
	char *token; /* an activation from outside; "": natsid mints one if it is needed
		      */
	bool share; /* services: tell the exporter who asks */
	bool allow_trace; /* streams */
	char *description;
	int64_t iat; /* unix seconds, of the activation that natsid mints */
};

extern const struct collection account_import_collection;

int account_import_init(void *row, struct err *err) MUST_CHECK;

#endif
