/* SPDX-License-Identifier: Apache-2.0
 * Signed tokens to claims. There is no way to read a token without checking its
 * signature. */
#ifndef JWT_DECODE_H
#define JWT_DECODE_H

#include "base/err.h"
#include "jwt/claims.h"

#include <stddef.h>

enum { JWT_TOKEN_MAX = 1024 * 1024 };

/* Version 2 tokens whose signature is that of `iss`, and whose `iss` has a role that may
 * sign the type. That says who signed, not that the signer is trusted or the time right:
 * see jwt/validate.h. Unknown fields are passed over. ERR_INVALID or ERR_TOO_LARGE; the
 * message never repeats the token. The caller releases *out. */
int jwt_decode(const char *token, size_t len, struct jwt_claims *out,
	struct err *err) MUST_CHECK;

#endif
