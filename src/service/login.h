/* SPDX-License-Identifier: Apache-2.0
 * Passwords in, tokens out; tokens in, actors out. */
#ifndef SERVICE_LOGIN_H
#define SERVICE_LOGIN_H

#include "base/buf.h"
#include "service/authorise.h"
#include "service/service.h"

/* Checks e-mail and password of a record of _superusers. A wrong e-mail and a wrong
 * password take the same time and give the same ERR_UNAUTHENTICATED. ERR_LIMITED: 10
 * failures within a minute from this address. ERR_BUSY: too many hashes under way.
 * ERR_FORBIDDEN: this collection has no password login. The token goes into *out_token (a
 * secret buffer). */
int service_login(struct service *service, const struct collection *collection,
	const char *identity, const char *password, const char *address,
	struct buf *out_token, char out_id[static RAND_ID_SIZE],
	struct err *err) MUST_CHECK;

/* A fresh token for the actor (auth-refresh). */
int service_token_refresh(struct service *service, const struct actor *actor,
	struct buf *out_token, struct err *err) MUST_CHECK;

/* Who a token speaks for: ACTOR_GUEST when it is absent, malformed, expired or no longer
 * valid. -1 only when that could not be found out. */
int service_token_actor(struct service *service, const char *token, struct actor *out,
	struct err *err) MUST_CHECK;

/* How many superusers there are: without one nobody can log in. */
int service_superuser_count(
	struct service *service, int64_t *out_count, struct err *err) MUST_CHECK;

/* Creates the superuser or sets its password; *out_created tells which. For the command
 * line. */
int service_superuser_upsert(struct service *service, const struct actor *actor,
	const char *email, const char *password, bool *out_created,
	struct violations *violations, struct err *err) MUST_CHECK;

#endif
