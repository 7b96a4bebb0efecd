/* SPDX-License-Identifier: Apache-2.0
 * A user's JWT and creds: minted when asked for, never stored. */
#ifndef SERVICE_CREDS_H
#define SERVICE_CREDS_H

#include "base/buf.h"
#include "service/authorise.h"
#include "service/service.h"

enum { CREDS_NAME_SIZE = 112 };

/* What leaves: name is the nats_username, for file names. */
struct user_creds {
	struct buf jwt; /* the token */
	struct buf creds; /* the file, with the seed unless the user keeps its own */
	char name[CREDS_NAME_SIZE * 4];
	int64_t exp; /* unix seconds, of the JWT; 0: never */
};

/* Zeroed is valid; wipes. */
void user_creds_release(struct user_creds *creds);

/* Notes durably that a JWT left before it returns one, and makes one anew when the last
 * has ended. ERR_NOT_FOUND; ERR_CONFLICT when the user or its account is suspended, or
 * the user's time is over. */
int service_user_creds(struct service *service, const struct actor *actor, const char *id,
	struct user_creds *out, struct err *err) MUST_CHECK;

/* The same for who has proved to hold the user's key: a JWT that has an end is made anew,
 * also when it has not ended yet. ERR_UNAUTHENTICATED: the row's iat is not the one that
 * the proof was for. */
int service_user_renew(struct service *service, const char *id, int64_t asked_iat,
	struct user_creds *out, struct err *err) MUST_CHECK;

#endif
