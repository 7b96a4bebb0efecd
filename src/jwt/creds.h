/* SPDX-License-Identifier: Apache-2.0
 * Credentials files: a user's token and seed in the form that NATS clients read. */
#ifndef JWT_CREDS_H
#define JWT_CREDS_H

#include "base/buf.h"
#include "base/err.h"
#include "jwt/nkey.h"

#include <stddef.h>
#include <stdint.h>

/* Appends the file to out, which must be a secret buffer. That the seed is the one of the
 * token's subject is the caller's to know: checking it here would cost as much as the
 * signature. */
int
jwt_creds_render(const char *token, size_t len, const uint8_t seed[static NKEY_SEED_LEN],
	struct buf *out, struct err *err) MUST_CHECK;

/* The same without a seed, for users who keep their own. */
int jwt_creds_render_token(
	const char *token, size_t len, struct buf *out, struct err *err) MUST_CHECK;

/* Finds the token (borrowed from text, not decoded) and the seed of a user; ERR_INVALID
 * when either is missing. Text around the sections is passed over, CRLF is read too. The
 * caller wipes out_seed. */
int jwt_creds_parse(const char *text, size_t len, const char **out_token,
	size_t *out_token_len, uint8_t out_seed[static NKEY_SEED_LEN],
	struct err *err) MUST_CHECK;

#endif
