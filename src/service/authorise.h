/* SPDX-License-Identifier: Apache-2.0
 * Who may do what: one table, asked by every use case. */
#ifndef SERVICE_AUTHORISE_H
#define SERVICE_AUTHORISE_H

#include "base/err.h"
#include "model/collection.h"

enum actor_kind {
	ACTOR_GUEST,
	ACTOR_SUPERUSER,
	ACTOR_CONSOLE, /* somebody at the host's command line, who can read master.key
			  anyway */
	ACTOR_SYSTEM /* natsid itself */
};

struct touched;

/* request_id is borrowed, and may be NULL. */
struct actor {
	enum actor_kind kind;
	char id[RAND_ID_SIZE];
	const char *request_id;
	struct touched *touched; /* takes what the actor's writes want of accounts;
				    borrowed; NULL: nobody asks */
};

enum verb {
	VERB_LIST,
	VERB_VIEW,
	VERB_CREATE,
	VERB_UPDATE,
	VERB_DELETE,
	VERB_DOWNLOAD, /* a user's creds; the operator's JWT and configuration */
	VERB_COUNT
};

/* 0, or ERR_FORBIDDEN with the reason. row is the record that it is about, as stored, or
 * NULL when the verb has none yet (list, create). */
int authorise(const struct actor *actor, enum verb verb,
	const struct collection *collection, const void *row, struct err *err) MUST_CHECK;

/* ERR_FORBIDDEN: nobody may write that collection. */
int authorise_refused(const struct collection *collection, struct err *err) MUST_CHECK;

/* "superuser", ...; static storage. */
const char *actor_name(enum actor_kind kind);

#endif
