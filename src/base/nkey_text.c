/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nkey_text.h"

#include "base/codec.h"

#include <stdbool.h>
#include <string.h>

enum { RAW_LEN = 1 + NKEY_PUBLIC_LEN + 2 };

const char *
nkey_role_name(enum nkey_role role)
{
	switch (role) {
	case NKEY_ACCOUNT:
		return "account";
	case NKEY_CLUSTER:
		return "cluster";
	case NKEY_SERVER:
		return "server";
	case NKEY_OPERATOR:
		return "operator";
	case NKEY_USER:
		return "user";
	case NKEY_CURVE:
		return "curve";
	}
	return "unknown";
}

static bool
is_role(uint8_t prefix)
{
	return prefix == NKEY_ACCOUNT || prefix == NKEY_CLUSTER ||
		prefix == NKEY_SERVER || prefix == NKEY_OPERATOR || prefix == NKEY_USER ||
		prefix == NKEY_CURVE;
}

void
nkey_text_encode(enum nkey_role role, const struct nkey_public *key,
	char out[static NKEY_TEXT_SIZE])
{
	uint8_t raw[RAW_LEN];
	raw[0] = (uint8_t)role;
	memcpy(raw + 1, key->bytes, NKEY_PUBLIC_LEN);
	uint16_t crc = codec_crc16(raw, 1 + NKEY_PUBLIC_LEN);
	raw[RAW_LEN - 2] = (uint8_t)(crc & 0xff);
	raw[RAW_LEN - 1] = (uint8_t)(crc >> 8);
	codec_base32_encode(raw, sizeof(raw), out);
}

int
nkey_text_decode_any(const char *text, size_t len, enum nkey_role *out_role,
	struct nkey_public *out_key, struct err *err)
{
	uint8_t raw[RAW_LEN];
	size_t raw_len = 0;
	if (len != NKEY_TEXT_LEN) {
		return err_set(err, ERR_INVALID,
			"a public nkey has %d characters, not %zu", NKEY_TEXT_LEN, len);
	}
	if (codec_base32_decode(text, len, raw, sizeof(raw), &raw_len) != 0 ||
		raw_len != RAW_LEN) {
		return err_set(err, ERR_INVALID, "the public nkey is not base32");
	}
	uint16_t crc = codec_crc16(raw, RAW_LEN - 2);
	if (raw[RAW_LEN - 2] != (crc & 0xff) || raw[RAW_LEN - 1] != crc >> 8) {
		return err_set(
			err, ERR_INVALID, "the checksum of the public nkey is wrong");
	}
	if (!is_role(raw[0])) {
		return err_set(err, ERR_INVALID, "the public nkey has an unknown role");
	}
	*out_role = (enum nkey_role)raw[0];
	memcpy(out_key->bytes, raw + 1, NKEY_PUBLIC_LEN);
	return 0;
}

int
nkey_text_decode(enum nkey_role role, const char *text, size_t len,
	struct nkey_public *out_key, struct err *err)
{
	enum nkey_role found = NKEY_ACCOUNT;
	struct nkey_public key;
	if (nkey_text_decode_any(text, len, &found, &key, err) != 0) {
		return -1;
	}
	if (found != role) {
		return err_set(err, ERR_INVALID,
			"expected a public key of role %s, not %s", nkey_role_name(role),
			nkey_role_name(found));
	}
	*out_key = key;
	return 0;
}
