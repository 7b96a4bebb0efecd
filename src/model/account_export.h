/* SPDX-License-Identifier: Apache-2.0
 * Exports: what an account offers to others. */
#ifndef MODEL_ACCOUNT_EXPORT_H
#define MODEL_ACCOUNT_EXPORT_H

#include "model/collection.h"

struct account_export {
	struct record_head head;
	char account_id[RAND_ID_SIZE]; /* the exporter */
	char *name;
	char *subject;
	char *type; /* "stream", "service" */
	bool token_req; /* importers need an activation */
	char *response_type; /* services: "Singleton", "Stream", "Chunked"; "": the first
			      */
	int64_t response_threshold; /* services: ms; 0: none */
	int64_t latency_sampling; /* services: percent */
	bool latency_headers; /* sampled where trace headers ask for it, instead */
	char *latency_results; /* subject of the measurements; "": none are made */
	int64_t account_token_position; /* token `*`, from 1, that must be the importer's
					   key; 0: none */
	bool advertise;
	bool allow_trace;
	char *description;
	char *info_url;
};

extern const struct collection account_export_collection;

int account_export_init(void *row, struct err *err) MUST_CHECK;

#endif
