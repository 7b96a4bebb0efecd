/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt/xkey_nonce.h"

#include "base/rand.h"

#include <sodium.h>
#include <string.h>

static const char version[] = "xkv1";

enum {
	VERSION_LEN = sizeof(version) - 1,
	HEAD_LEN = VERSION_LEN + JWT_XKEY_NONCE_LEN,
	MAC_LEN = crypto_box_MACBYTES
};

int
jwt_xkey_seal_with_nonce(const uint8_t seed[static NKEY_SEED_LEN],
	const struct nkey_public *to, const uint8_t nonce[static JWT_XKEY_NONCE_LEN],
	const uint8_t *text, size_t len, struct buf *out, struct err *err)
{
	size_t start = out->len;
	buf_put(out, version, VERSION_LEN);
	buf_put(out, nonce, JWT_XKEY_NONCE_LEN);
	char *box = buf_grow(out, len + MAC_LEN);
	if (box == NULL) {
		return buf_finish(out, err);
	}
	/* Fails when the recipient's key is a point of small order. */
	if (crypto_box_easy((uint8_t *)box, text, len, nonce, to->bytes, seed) != 0) {
		buf_truncate(out, start);
		return err_set(
			err, ERR_INVALID, "the recipient's curve key is not usable");
	}
	return 0;
}

int
jwt_xkey_seal(const uint8_t seed[static NKEY_SEED_LEN], const struct nkey_public *to,
	const uint8_t *text, size_t len, struct buf *out, struct err *err)
{
	uint8_t nonce[JWT_XKEY_NONCE_LEN];
	rand_bytes(nonce, sizeof(nonce));
	return jwt_xkey_seal_with_nonce(seed, to, nonce, text, len, out, err);
}

int
jwt_xkey_open(const uint8_t seed[static NKEY_SEED_LEN], const struct nkey_public *from,
	const uint8_t *sealed, size_t len, struct buf *out, struct err *err)
{
	if (len < HEAD_LEN + MAC_LEN) {
		return err_set(err, ERR_INVALID, "the sealed message is too short");
	}
	if (memcmp(sealed, version, VERSION_LEN) != 0) {
		return err_set(
			err, ERR_INVALID, "the sealed message is not of version xkv1");
	}
	size_t start = out->len;
	char *text = buf_grow(out, len - HEAD_LEN - MAC_LEN);
	if (text == NULL) {
		return buf_finish(out, err);
	}
	if (crypto_box_open_easy((uint8_t *)text, sealed + HEAD_LEN, len - HEAD_LEN,
		    sealed + VERSION_LEN, from->bytes, seed) != 0) {
		buf_truncate(out, start);
		return err_set(err, ERR_INVALID,
			"the sealed message was altered, or is not for this key");
	}
	return 0;
}
