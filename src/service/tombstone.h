/* SPDX-License-Identifier: Apache-2.0
 * Deleted accounts: how long their tombstones stay, and how they leave the servers and
 * the database for good. */
#ifndef SERVICE_TOMBSTONE_H
#define SERVICE_TOMBSTONE_H

#include "service/authorise.h"
#include "service/service.h"
#include "store/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the servers said to one question; filled by who asks. */
struct tombstone_answers;

/* A server answered, by its newest id. removed: how many accounts it says it removed, -1:
 * it refuses, in these words. */
int tombstone_answered(struct tombstone_answers *answers, const char *server_id,
	const char *server_name, int64_t removed, const char *words,
	struct err *err) MUST_CHECK;

/* A server shows a JWT of this account ("A..."). */
void tombstone_shown(struct tombstone_answers *answers, const char *account_key);

/* A question for the JWTs of accounts. */
struct tombstone_look {
	const char *const *keys; /* "A..." */
	size_t len;
	size_t servers; /* so many answer it, without saying who they are */
};

/* Both ask all servers and wait for them. ERR_UNAVAILABLE: no connection to NATS, or no
 * answer. */
struct tombstone_hands {
	/* Sends a request to remove accounts: tombstone_answered. *out_complete: all that
	 * there are answered. */
	int (*remove)(void *ctx, const char *request, size_t len,
		struct tombstone_answers *answers, bool *out_complete, struct err *err);
	/* Asks whether they have JWTs: tombstone_shown. *out_answered: so many of the
	 * servers said of every other account that they have none. */
	int (*look)(void *ctx, const struct tombstone_look *look,
		struct tombstone_answers *answers, size_t *out_answered, struct err *err);
	void *ctx;
};

/* What was done; counts of accounts. */
struct tombstone_report {
	size_t removed; /* from the servers */
	size_t buried; /* and now from the database */
	/* Not "": a server is configured not to remove accounts, in its words. */
	char refusal[160];
	char refused_by[64];
	char trouble[256]; /* not "": what went wrong, and may go well another time */
};

/* Buries what was deleted ttl_ms ago or longer, where every known server is there and
 * holds the tombstone: first they are asked whether they would, then they remove it, and
 * when none shows it any more (ttl_ms later, at most five minutes), all rows go. Whatever
 * goes wrong, the tombstone stays or is put back. Many at a time; call it again, and
 * later each time that it fails or tells of trouble. */
int service_tombstones_bury(struct service *service, int64_t ttl_ms,
	const struct tombstone_hands *hands, struct tombstone_report *out,
	struct err *err) MUST_CHECK;

/* What must be asked before an account is deleted. */
struct account_streams_check {
	bool needed; /* it may have streams, as far as its limits say */
	bool suspended;
	bool has_users;
	char key[NKEY_TEXT_SIZE]; /* A... */
	char missing[STORE_SERVER_NAME_SIZE]; /* a server that is known and does not
						 answer: it cannot be asked; "": none */
};
int service_account_streams_check(struct service *service, const struct actor *actor,
	const char *id, struct account_streams_check *out, struct err *err) MUST_CHECK;

#endif
