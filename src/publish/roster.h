/* SPDX-License-Identifier: Apache-2.0
 * The servers that answered a round of PING. */
#ifndef PUBLISH_ROSTER_H
#define PUBLISH_ROSTER_H

#include "base/err.h"
#include "publish/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROSTER_MAX = 64 };

struct roster {
	struct server servers[ROSTER_MAX];
	size_t len;
	bool overflow; /* more answered than there is room for: nothing can be proven */
	int twin; /* place of one that has the name of another; 0: there is none */
	int64_t active; /* how many the servers themselves know of; 0: unknown */
};

/* Servers that others have routes to. A route is there before anybody counts who is
 * behind it. */
struct roster_names {
	struct {
		char cluster[SERVER_NAME_SIZE];
		char name[SERVER_NAME_SIZE];
		int64_t since; /* the caller's */
	} at[ROSTER_MAX];
	size_t len;
};

/* Adds the server of one answer to $SYS.REQ.SERVER.PING; a second answer of a server
 * adds it no second time. ERR_INVALID: not such an answer, as without a name (one that
 * was given none has its id for one) or statistics. ERR_LIMITED: more than ROSTER_MAX.
 * *named, unless NULL, gets those that the server has routes to, as far as there is room.
 */
int roster_add(struct roster *roster, const char *json, size_t len,
	struct roster_names *named, struct err *err) MUST_CHECK;

/* Position of the server, which is added unless it is there; -1: there is no room for it,
 * which the roster notes. */
int roster_keep(struct roster *roster, const struct server *server);

/* Position of that cluster and name, or -1. */
int roster_named(const struct roster_names *names, const char *cluster, const char *name);

/* Once each, as far as there is room; a name that is too long is passed over. */
void roster_names_add(struct roster_names *names, const char *cluster, const char *name);

/* All that the servers know of have answered. */
bool roster_is_complete(const struct roster *roster);

/* Position by id, or -1. */
int roster_index(const struct roster *roster, const char *id);

/* Position of the first one of that cluster and name, or -1. */
int roster_find_name(const struct roster *roster, const char *cluster, const char *name);

/* Names, comma separated, of the servers whose bit in `mask` is not set, cut where there
 * is no room for more. */
void roster_missing(const struct roster *roster, uint64_t mask, char *out, size_t size);

#endif
