/* SPDX-License-Identifier: Apache-2.0
 * Tokens that jwt_decode does not read: whole ones, which say something to others, and
 * damaged ones, which say nothing to anybody. */
#ifndef JWT_INTACT_H
#define JWT_INTACT_H

#include "base/nkey_text.h"

/* Three parts in base64url, the last being the signature of a key that the claims name as
 * `iss`: of any version, and whatever else the claims are. *out_sub: the account's key
 * that they name as `sub`; "": none can be found. ERR_CORRUPT: not so. */
int jwt_intact(const char *token, size_t len, char out_sub[static NKEY_TEXT_SIZE],
	struct err *err) MUST_CHECK;

#endif
