/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/user.h"

#include "base/secret.h"
#include "base/str.h"
#include "jwt/creds.h"

static int
start_claims(const char *name, const struct nkey_public *user_key,
	const struct nkey_public *account_key, int64_t iat, struct jwt_claims *claims,
	struct err *err)
{
	*claims = (struct jwt_claims){ .type = JWT_USER, .iat = iat };
	claims->name = str_dup(name);
	claims->sub = mint_key_text(NKEY_USER, user_key);
	claims->as.user.issuer_account = mint_key_text(NKEY_ACCOUNT, account_key);
	if (claims->name == NULL || claims->sub == NULL ||
		claims->as.user.issuer_account == NULL) {
		return err_nomem(err);
	}
	return 0;
}

int
mint_user(const struct vault *vault, const struct mint_user *mint, struct buf *out,
	struct err *err)
{
	struct jwt_claims claims;
	int rc = start_claims(mint->user->nats_username, &mint->user->public_key,
		&mint->account_key, mint->user->iat, &claims, err);
	if (rc == 0) {
		rc = mint_token(vault, mint->issuer, &claims, out, err);
	}
	jwt_claims_release(&claims);
	return rc;
}

int
mint_creds(const struct vault *vault, const struct buf *token,
	const struct vault_seed *user_seed, struct buf *out, struct err *err)
{
	uint8_t seed[VAULT_SEED_LEN];
	if (vault_seed_open(vault, user_seed, seed, err) != 0) {
		return -1;
	}
	int rc = jwt_creds_render(token->data, token->len, seed, out, err);
	secret_wipe(seed, sizeof(seed));
	return rc;
}

int
mint_system_user(const struct vault *vault, const struct mint_system_user *mint,
	struct buf *out, struct err *err)
{
	/* *.CONNZ: PING asks all servers, an id one of them for its next page. */
	static const char *const publish[] = { "$SYS.REQ.CLAIMS.UPDATE",
		"$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP", "$SYS.REQ.SERVER.PING",
		"$SYS.REQ.SERVER.*.CONNZ", "$SYS.REQ.SERVER.PING.VARZ" };
	char inbox[64];
	struct jwt_claims claims;
	int rc = start_claims(
		"natsid", &mint->user_key, &mint->account_key, mint->iat, &claims, err);
	struct jwt_user_limits *limits = &claims.as.user.limits;
	limits->subs = JWT_UNLIMITED;
	limits->data = JWT_UNLIMITED;
	limits->payload = JWT_UNLIMITED;
	if (rc == 0 && str_fmt(inbox, sizeof(inbox), "%s.*", mint->inbox) != 0) {
		rc = err_set(
			err, ERR_INTERNAL, "the inbox of the system user is too long");
	}
	if (rc == 0) {
		rc = strlist_add(&limits->permissions.sub.allow, inbox, err);
	}
	for (size_t i = 0; rc == 0 && i < sizeof(publish) / sizeof(publish[0]); i++) {
		rc = strlist_add(&limits->permissions.pub.allow, publish[i], err);
	}
	if (rc == 0) {
		rc = mint_token(vault, mint->issuer, &claims, out, err);
	}
	jwt_claims_release(&claims);
	return rc;
}
