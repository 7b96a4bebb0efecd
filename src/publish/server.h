/* SPDX-License-Identifier: Apache-2.0
 * One server, as it calls itself in its answers. */
#ifndef PUBLISH_SERVER_H
#define PUBLISH_SERVER_H

#include "base/err.h"
#include "json/json.h"

enum { SERVER_NAME_SIZE = 64, SERVER_ID_SIZE = 64, SERVER_VERSION_SIZE = 32 };

/* id is one incarnation: it changes at each start; (cluster, name) is the server. */
struct server {
	char id[SERVER_ID_SIZE];
	char name[SERVER_NAME_SIZE];
	char cluster[SERVER_NAME_SIZE];
	char version[SERVER_VERSION_SIZE];
};

/* The member "server" of an answer. ERR_INVALID: it has none, or one without an id. */
int server_read(const json_t *answer, struct server *out, struct err *err) MUST_CHECK;

#endif
