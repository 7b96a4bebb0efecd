/* SPDX-License-Identifier: Apache-2.0
 * The text form of public nkeys: base32(prefix byte, 32 bytes, CRC-16 little-endian), 56
 * characters. Source: nats-io/nkeys. Seeds and signatures are in jwt/nkey.h. */
#ifndef BASE_NKEY_TEXT_H
#define BASE_NKEY_TEXT_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { NKEY_PUBLIC_LEN = 32, NKEY_TEXT_LEN = 56, NKEY_TEXT_SIZE = NKEY_TEXT_LEN + 1 };

/* The prefix byte of each role; its top five bits make the first letter. */
enum nkey_role {
	NKEY_ACCOUNT = 0x00, /* A */
	NKEY_CLUSTER = 0x10, /* C */
	NKEY_SERVER = 0x68, /* N */
	NKEY_OPERATOR = 0x70, /* O */
	NKEY_USER = 0xa0, /* U */
	NKEY_CURVE = 0xb8 /* X */
};

struct nkey_public {
	uint8_t bytes[NKEY_PUBLIC_LEN];
};

/* "account", "user", ...; static storage. */
const char *nkey_role_name(enum nkey_role role);

/* Writes 56 characters and a NUL. */
void nkey_text_encode(enum nkey_role role, const struct nkey_public *key,
	char out[static NKEY_TEXT_SIZE]);

/* Exactly 56 characters of a key of that role, CRC right; otherwise ERR_INVALID. */
int nkey_text_decode(enum nkey_role role, const char *text, size_t len,
	struct nkey_public *out_key, struct err *err) MUST_CHECK;

/* The same for a key of any role. */
int nkey_text_decode_any(const char *text, size_t len, enum nkey_role *out_role,
	struct nkey_public *out_key, struct err *err) MUST_CHECK;

#endif
