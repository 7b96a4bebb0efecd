/* SPDX-License-Identifier: Apache-2.0
 * Claims to signed tokens, byte for byte as the reference library writes them (but for a
 * zero in a template, which it loses). */
#ifndef JWT_ENCODE_H
#define JWT_ENCODE_H

#include "base/buf.h"
#include "base/err.h"
#include "jwt/claims.h"
#include "jwt/nkey.h"

#include <stddef.h>
#include <stdint.h>

/* Who signs: key is the public key, of that role. sign returns 0, or -1 with err set. */
struct jwt_signer {
	enum nkey_role role;
	struct nkey_public key;
	int (*sign)(void *ctx, const uint8_t *msg, size_t len,
		uint8_t sig[static NKEY_SIG_LEN], struct err *err);
	void *ctx;
};

/* Appends the token to out. iss is the signer's key and jti is computed; those of the
 * claims are not read. Imports and exports leave sorted by subject, maps by key; the
 * claims are not changed. ERR_INVALID: a signer or a subject of the wrong role, or a key
 * that is twice in a map. It does not validate (jwt/validate.h). */
int jwt_encode(const struct jwt_claims *claims, const struct jwt_signer *signer,
	struct buf *out, struct err *err) MUST_CHECK;

/* Appends the `nats` object alone, which says whether two sets of claims mean the
 * same. */
int jwt_encode_body(
	const struct jwt_claims *claims, struct buf *out, struct err *err) MUST_CHECK;

#endif
