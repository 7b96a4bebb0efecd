/* SPDX-License-Identifier: Apache-2.0
 * One-time links that hand a user's creds to who is to use them, without a login. The
 * database holds the creds only under a key that is in the link alone. */
#ifndef SERVICE_CREDS_LINK_H
#define SERVICE_CREDS_LINK_H

#include "base/codec.h"
#include "service/creds.h"

enum {
	CREDS_LINK_TTL_MAX_S = 15 * 60,
	CREDS_LINK_TOKEN_SIZE = CODEC_BASE64_LEN(VAULT_LINK_TOKEN_LEN) + 1
};

struct creds_link {
	char token[CREDS_LINK_TOKEN_SIZE]; /* a secret: the caller wipes it */
	int64_t expires; /* ms */
};

/* ttl_s: 1 to CREDS_LINK_TTL_MAX_S. Errors as service_user_creds, whose JWT counts as
 * issued from now on. Audited. */
int service_creds_link_new(struct service *service, const struct actor *actor,
	const char *user_id, int64_t ttl_s, struct creds_link *out,
	struct err *err) MUST_CHECK;

/* Hands the creds out, once: whoever comes second gets ERR_NOT_FOUND. So does who comes
 * too late, or when the creds are others by now. ERR_LIMITED: too many wrong tokens from
 * this address. Audited. */
int service_creds_link_open(struct service *service, const struct actor *actor,
	const char *token, const char *address, struct user_creds *out,
	struct err *err) MUST_CHECK;

#endif
