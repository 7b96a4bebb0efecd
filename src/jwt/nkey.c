/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt/nkey.h"

#include "base/codec.h"

#include <sodium.h>
#include <string.h>

enum {
	PREFIX_PRIVATE = 0x78,
	PREFIX_SEED = 0x90,
	SEED_RAW_LEN = 2 + NKEY_SEED_LEN + 2,
	SECRET_KEY_LEN = NKEY_SEED_LEN + NKEY_PUBLIC_LEN
};

void
jwt_nkey_public(enum nkey_role role, const uint8_t seed[static NKEY_SEED_LEN],
	struct nkey_public *out)
{
	if (role == NKEY_CURVE) {
		crypto_scalarmult_base(out->bytes, seed);
		return;
	}
	uint8_t secret_key[SECRET_KEY_LEN];
	crypto_sign_seed_keypair(out->bytes, secret_key, seed);
	sodium_memzero(secret_key, sizeof(secret_key));
}

void
jwt_nkey_sign(const uint8_t seed[static NKEY_SEED_LEN], const struct nkey_public *pub,
	const uint8_t *msg, size_t len, uint8_t sig[static NKEY_SIG_LEN])
{
	/* libsodium's secret key is the seed and the public key side by side. */
	uint8_t secret_key[SECRET_KEY_LEN];
	memcpy(secret_key, seed, NKEY_SEED_LEN);
	memcpy(secret_key + NKEY_SEED_LEN, pub->bytes, NKEY_PUBLIC_LEN);
	crypto_sign_detached(sig, NULL, msg, len, secret_key);
	sodium_memzero(secret_key, sizeof(secret_key));
}

bool
jwt_nkey_verify(const struct nkey_public *pub, const uint8_t *msg, size_t len,
	const uint8_t sig[static NKEY_SIG_LEN])
{
	return crypto_sign_verify_detached(sig, msg, len, pub->bytes) == 0;
}

static void
put_crc(uint8_t *raw, size_t len)
{
	uint16_t crc = codec_crc16(raw, len);
	raw[len] = (uint8_t)(crc & 0xff);
	raw[len + 1] = (uint8_t)(crc >> 8);
}

void
jwt_nkey_seed_encode(enum nkey_role role, const uint8_t seed[static NKEY_SEED_LEN],
	char out[static NKEY_SEED_TEXT_SIZE])
{
	uint8_t raw[SEED_RAW_LEN];
	/* The role is shifted by five bits, so that it makes the second letter. */
	raw[0] = (uint8_t)(PREFIX_SEED | (unsigned)role >> 5);
	raw[1] = (uint8_t)(((unsigned)role & 0x1f) << 3);
	memcpy(raw + 2, seed, NKEY_SEED_LEN);
	put_crc(raw, SEED_RAW_LEN - 2);
	codec_base32_encode(raw, sizeof(raw), out);
	sodium_memzero(raw, sizeof(raw));
}

static bool
find_role(unsigned prefix, enum nkey_role *out)
{
	static const enum nkey_role roles[] = { NKEY_ACCOUNT, NKEY_CLUSTER, NKEY_SERVER,
		NKEY_OPERATOR, NKEY_USER, NKEY_CURVE };
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if ((unsigned)roles[i] == prefix) {
			*out = roles[i];
			return true;
		}
	}
	return false;
}

static int
check_raw_seed(
	const uint8_t raw[static SEED_RAW_LEN], enum nkey_role *out_role, struct err *err)
{
	uint16_t crc = codec_crc16(raw, SEED_RAW_LEN - 2);
	if (raw[SEED_RAW_LEN - 2] != (crc & 0xff) || raw[SEED_RAW_LEN - 1] != crc >> 8) {
		return err_set(err, ERR_INVALID, "the checksum of the seed is wrong");
	}
	if ((raw[0] & 0xf8) != PREFIX_SEED) {
		return err_set(err, ERR_INVALID, "the nkey is not a seed");
	}
	/* The low bits of the second byte are unused: a seed has one text form only. */
	unsigned prefix = (raw[0] & 7U) << 5 | raw[1] >> 3;
	if ((raw[1] & 7) != 0 || !find_role(prefix, out_role)) {
		return err_set(err, ERR_INVALID, "the seed has an unknown role");
	}
	return 0;
}

int
jwt_nkey_seed_decode(const char *text, size_t len, enum nkey_role *out_role,
	uint8_t out_seed[static NKEY_SEED_LEN], struct err *err)
{
	int rc = -1;
	uint8_t raw[SEED_RAW_LEN];
	size_t raw_len = 0;

	if (len != NKEY_SEED_TEXT_LEN) {
		return err_set(err, ERR_INVALID, "a seed has %d characters, not %zu",
			NKEY_SEED_TEXT_LEN, len);
	}
	if (codec_base32_decode(text, len, raw, sizeof(raw), &raw_len) != 0 ||
		raw_len != SEED_RAW_LEN) {
		err_set(err, ERR_INVALID, "the seed is not base32");
		goto out;
	}
	if (check_raw_seed(raw, out_role, err) != 0) {
		goto out;
	}
	memcpy(out_seed, raw + 2, NKEY_SEED_LEN);
	rc = 0;
out:
	sodium_memzero(raw, sizeof(raw));
	return rc;
}

void
jwt_nkey_private_encode(enum nkey_role role, const uint8_t seed[static NKEY_SEED_LEN],
	char out[static NKEY_PRIVATE_TEXT_SIZE])
{
	uint8_t raw[1 + SECRET_KEY_LEN + 2];
	size_t len = 1 + NKEY_SEED_LEN;
	raw[0] = PREFIX_PRIVATE;
	memcpy(raw + 1, seed, NKEY_SEED_LEN);
	if (role != NKEY_CURVE) {
		struct nkey_public pub;
		jwt_nkey_public(role, seed, &pub);
		memcpy(raw + len, pub.bytes, NKEY_PUBLIC_LEN);
		len += NKEY_PUBLIC_LEN;
	}
	put_crc(raw, len);
	codec_base32_encode(raw, len + 2, out);
	sodium_memzero(raw, sizeof(raw));
}
