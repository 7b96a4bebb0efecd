/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/signer.h"

#include "base/str.h"
#include "jwt/encode.h"

struct signing {
	const struct vault *vault;
	const struct vault_seed *seed;
};

static int
sign(void *ctx, const uint8_t *msg, size_t len, uint8_t sig[static NKEY_SIG_LEN],
	struct err *err)
{
	const struct signing *signing = ctx;
	return vault_sign(signing->vault, signing->seed, msg, len, sig, err);
}

int
mint_token(const struct vault *vault, const struct vault_seed *issuer,
	const struct jwt_claims *claims, struct buf *out, struct err *err)
{
	struct signing signing = { .vault = vault, .seed = issuer };
	struct jwt_signer signer = {
		.role = issuer->role,
		.key = issuer->public_key,
		.sign = sign,
		.ctx = &signing,
	};
	return jwt_encode(claims, &signer, out, err);
}

char *
mint_key_text(enum nkey_role role, const struct nkey_public *key)
{
	char text[NKEY_TEXT_SIZE];
	nkey_text_encode(role, key, text);
	return str_dup(text);
}
