/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/operator.h"

#include "base/str.h"

int
mint_operator(const struct vault *vault, const struct mint_operator *mint,
	struct buf *out, struct err *err)
{
	int rc = -1;
	char key[NKEY_TEXT_SIZE];
	struct jwt_claims claims = { .type = JWT_OPERATOR, .iat = mint->iat };
	struct jwt_operator *body = &claims.as.operator_;

	claims.name = str_dup(mint->name);
	claims.sub = mint_key_text(NKEY_OPERATOR, &mint->identity->public_key);
	body->system_account = mint_key_text(NKEY_ACCOUNT, &mint->system_account);
	if (claims.name == NULL || claims.sub == NULL || body->system_account == NULL) {
		err_nomem(err);
		goto out;
	}
	nkey_text_encode(NKEY_OPERATOR, &mint->signing_key, key);
	if (strlist_add(&body->signing_keys, key, err) != 0) {
		goto out;
	}
	rc = mint_token(vault, mint->identity, &claims, out, err);
out:
	jwt_claims_release(&claims);
	return rc;
}
