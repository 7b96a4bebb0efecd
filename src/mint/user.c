/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/user.h"

#include "base/secret.h"
#include "base/str.h"
#include "jwt/creds.h"
#include "jwt/encode.h"
#include "jwt/validate.h"

#include <string.h>

enum { MEASURE_MAX = 1024 * 1024 };

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

static int
user_claims(const struct mint_user *mint, struct jwt_claims *claims, struct err *err)
{
	const struct user *user = mint->user;
	if (start_claims(user->nats_username, &user->public_key, &mint->account_key,
		    user->iat, claims, err) != 0 ||
		strlist_copy(&user->tags, &claims->as.user.tags, err) != 0) {
		return -1;
	}
	claims->exp = user->exp;
	if (mint->role == NULL) {
		return 0;
	}
	return mint_user_limits(
		user, mint->role, mint->account, &claims->as.user.limits, err);
}

int
mint_user(const struct vault *vault, const struct mint_user *mint, struct buf *out,
	struct err *err)
{
	struct jwt_claims claims;
	int rc = user_claims(mint, &claims, err);
	if (rc == 0) {
		rc = mint_token(vault, mint->issuer, &claims, out, err);
	}
	jwt_claims_release(&claims);
	return rc;
}

static int
sign_with_nothing(void *ctx, const uint8_t *msg, size_t len,
	uint8_t sig[static NKEY_SIG_LEN], struct err *err)
{
	(void)ctx;
	(void)msg;
	(void)len;
	(void)err; /* cannot fail */
	memset(sig, 0, NKEY_SIG_LEN);
	return 0;
}

/* Keys and signatures are as long as any other. */
static int
measure(const struct jwt_claims *claims, size_t *out_bytes, struct err *err)
{
	struct jwt_signer signer = { .role = NKEY_ACCOUNT, .sign = sign_with_nothing };
	struct buf token;
	buf_init(&token, MEASURE_MAX);
	int rc = jwt_encode(claims, &signer, &token, err);
	if (rc == 0) {
		rc = buf_finish(&token, err);
	}
	*out_bytes = token.len;
	buf_release(&token);
	return rc;
}

int
mint_user_check(const struct mint_user *mint, size_t *out_bytes, struct err *err)
{
	struct jwt_claims claims;
	struct jwt_issues issues = { 0 };
	int rc = user_claims(mint, &claims, err);
	if (rc == 0) {
		/* at no time: a row may be changed when its time is over, too */
		jwt_validate(&claims, 0, &issues);
		const char *blocking = jwt_issues_find_blocking(&issues, true);
		rc = blocking == NULL ? measure(&claims, out_bytes, err)
				      : err_set(err, ERR_INVALID, "%s", blocking);
	}
	jwt_claims_release(&claims);
	return rc;
}

int
mint_creds(const struct vault *vault, const struct buf *token,
	const struct vault_seed *user_seed, struct buf *out, struct err *err)
{
	uint8_t seed[VAULT_SEED_LEN];
	if (user_seed == NULL) {
		return jwt_creds_render_token(token->data, token->len, out, err);
	}
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
	/* SERVER.*.X: the word PING asks all servers, an id one of them. */
	static const char *const publish[] = { "$SYS.REQ.CLAIMS.UPDATE",
		"$SYS.REQ.CLAIMS.DELETE", "$SYS.REQ.CLAIMS.LIST",
		"$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP", "$SYS.REQ.SERVER.PING",
		"$SYS.REQ.SERVER.*.CONNZ", "$SYS.REQ.SERVER.*.VARZ",
		"$SYS.REQ.SERVER.*.ACCOUNTZ", "$SYS.REQ.SERVER.*.JSZ" };
	/* What other hands push, by the old subjects too, and delete, and servers that
	 * come up. */
	static const char *const subscribe[] = { "$SYS.REQ.CLAIMS.UPDATE",
		"$SYS.REQ.CLAIMS.DELETE", "$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE",
		"$SYS.ACCOUNT.*.CLAIMS.UPDATE", "$SYS.SERVER.*.STATSZ" };
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
	for (size_t i = 0; rc == 0 && i < sizeof(subscribe) / sizeof(subscribe[0]); i++) {
		rc = strlist_add(&limits->permissions.sub.allow, subscribe[i], err);
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
