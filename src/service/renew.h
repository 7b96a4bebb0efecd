/* SPDX-License-Identifier: Apache-2.0
 * Renewal without a password: who holds a user's key gets its newest JWT, also when the
 * old one has expired or the key that signed it was retired. */
#ifndef SERVICE_RENEW_H
#define SERVICE_RENEW_H

#include "base/codec.h"
#include "service/creds.h"

enum {
	RENEW_NONCE_TTL_S = 60,
	RENEW_NONCE_LEN = 8 + 16 + 16, /* when it ends, randomness, MAC */
	RENEW_NONCE_SIZE = CODEC_BASE64_LEN(RENEW_NONCE_LEN) + 1
};

/* What the user signs is this text and the nonce, so that no other signature that a key
 * gives can be taken for one. */
#define RENEW_PREFIX "natsid-renew:"

/* A nonce for the key ("U..."), known or not: it tells nothing. It is not stored: it is
 * good for the JWT that is in force now, so a renewal that makes a new one uses it up.
 * ERR_INVALID: not a user's key. */
int service_renew_nonce(struct service *service, const char *public_key,
	char out_nonce[static RENEW_NONCE_SIZE], int64_t *out_expires_ms,
	struct err *err) MUST_CHECK;

struct renewal {
	const char *public_key; /* U... */
	const char *nonce;
	const char *signature; /* base64url, of RENEW_PREFIX and the nonce */
};

/* The JWT in out->jwt; where it has an end, a new one. ERR_UNAUTHENTICATED: unknown key,
 * wrong signature, or a nonce that is not good (any more). ERR_CONFLICT: suspended or
 * expired for good. ERR_LIMITED: too many failures from this address. */
int service_renew(struct service *service, const struct renewal *renewal,
	const char *address, struct user_creds *out, struct err *err) MUST_CHECK;

#endif
