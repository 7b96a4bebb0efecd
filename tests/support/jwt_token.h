/* SPDX-License-Identifier: Apache-2.0
 * Tokens made by hand, as no encoder would. Their JSON is without the quotes of C: '
 * stands for ". Failures end the test. */
#ifndef SUPPORT_JWT_TOKEN_H
#define SUPPORT_JWT_TOKEN_H

#include "base/buf.h"
#include "jwt/claims.h"
#include "support/jwt_samples.h"

/* The usual one. */
extern const char token_header[];

/* A rightly signed token; %s in the payload is the signer's public key. */
void token_make(struct buf *out, const char *header, const char *payload,
	const struct sample_key *key);

/* Appends a signature of all that is there. */
void token_put_signature(struct buf *out, const struct sample_key *key);

void token_cut_signature(struct buf *token);

/* Signs anew, and over the payload alone, as version 1 did. */
void token_sign_payload(struct buf *token, const struct sample_key *key);

/* Decodes the nats object of a token signed by a key of the role; the caller releases
 * *out. */
void token_decode_nats(const char *nats, enum nkey_role role, struct jwt_claims *out);

/* The body that the claims are encoded to. */
void token_assert_body(const struct jwt_claims *claims, const char *expected);

#endif
