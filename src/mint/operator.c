/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/operator.h"

#include "base/secret.h"
#include "base/str.h"
#include "jwt/nkey.h"
#include "jwt/validate.h"

#include <assert.h>
#include <string.h>

static int
copy_claims(
	const struct operator_claims *from, struct jwt_operator *body, struct err *err)
{
	if (strlist_copy(&from->service_urls, &body->operator_service_urls, err) != 0 ||
		strlist_copy(&from->tags, &body->tags, err) != 0) {
		return -1;
	}
	body->account_server_url = str_dup(from->account_server_url);
	body->assert_server_version = str_dup(from->assert_server_version);
	if (body->account_server_url == NULL || body->assert_server_version == NULL) {
		return err_nomem(err);
	}
	body->strict_signing_key_usage = from->strict_signing_key_usage;
	return 0;
}

static int
add_keys(const struct mint_operator *mint, struct jwt_operator *body, struct err *err)
{
	for (size_t i = 0; i < mint->signing_key_count; i++) {
		char key[NKEY_TEXT_SIZE];
		nkey_text_encode(NKEY_OPERATOR, &mint->signing_keys[i], key);
		if (strlist_add(&body->signing_keys, key, err) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
check_claims(const struct jwt_claims *claims, struct err *err)
{
	struct jwt_issues issues = { 0 };
	jwt_validate(claims, claims->iat, &issues);
	const char *blocking = jwt_issues_find_blocking(&issues, true);
	return blocking == NULL ? 0 : err_set(err, ERR_INVALID, "%s", blocking);
}

int
mint_operator(const struct vault *vault, const struct mint_operator *mint,
	struct buf *out, struct err *err)
{
	int rc = -1;
	struct jwt_claims claims = { .type = JWT_OPERATOR, .iat = mint->iat };
	struct jwt_operator *body = &claims.as.operator_;

	claims.name = str_dup(mint->name);
	claims.sub = mint_key_text(NKEY_OPERATOR, &mint->identity->public_key);
	body->system_account = mint_key_text(NKEY_ACCOUNT, &mint->system_account);
	if (claims.name == NULL || claims.sub == NULL || body->system_account == NULL) {
		err_nomem(err);
		goto out;
	}
	if (add_keys(mint, body, err) != 0 ||
		(mint->claims != NULL && copy_claims(mint->claims, body, err) != 0) ||
		check_claims(&claims, err) != 0) {
		goto out;
	}
	rc = mint_token(vault, mint->identity, &claims, out, err);
out:
	jwt_claims_release(&claims);
	return rc;
}

/* ---- seeds as text ---- */

int
mint_operator_seed(const struct vault *vault, const struct vault_seed *seed,
	const char *what, struct buf *out, struct err *err)
{
	uint8_t plain[VAULT_SEED_LEN];
	char text[NKEY_SEED_TEXT_SIZE];
	assert(out->secret);
	if (vault_seed_open(vault, seed, plain, err) != 0) {
		return -1;
	}
	jwt_nkey_seed_encode(seed->role, plain, text);
	secret_wipe(plain, sizeof(plain));
	buf_put_str(out, "-----BEGIN OPERATOR ");
	buf_put_str(out, what);
	buf_put_str(out, " SEED-----\n");
	buf_put(out, text, NKEY_SEED_TEXT_LEN);
	buf_put_str(out, "\n------END OPERATOR ");
	buf_put_str(out, what);
	buf_put_str(out, " SEED------\n");
	secret_wipe(text, sizeof(text));
	return buf_finish(out, err);
}

/* 1: the line is the seed of *seed's public key, and *seed is sealed now. */
static int
take_seed(const struct vault *vault, const char *line, size_t len,
	struct vault_seed *seed, struct err *err)
{
	struct err odd = { 0 };
	enum nkey_role role;
	uint8_t plain[VAULT_SEED_LEN];
	struct nkey_public key;
	int rc = 0;
	if (len != NKEY_SEED_TEXT_LEN ||
		jwt_nkey_seed_decode(line, len, &role, plain, &odd) != 0) {
		return 0;
	}
	jwt_nkey_public(role, plain, &key);
	if (role == seed->role &&
		memcmp(key.bytes, seed->public_key.bytes, sizeof(key.bytes)) == 0) {
		rc = vault_seal(vault, plain, seed, err) == 0 ? 1 : -1;
	}
	secret_wipe(plain, sizeof(plain));
	return rc;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

int
mint_operator_find_seed(const struct vault *vault, const char *text, size_t len,
	struct vault_seed *seed, struct err *err)
{
	const char *end = text + len;
	char key[NKEY_TEXT_SIZE];
	_Static_assert((int)VAULT_SEED_LEN == (int)NKEY_SEED_LEN, "seed");
	for (const char *line = text; line < end;) {
		const char *lf = memchr(line, '\n', (size_t)(end - line));
		const char *stop = lf != NULL ? lf : end;
		while (line < stop && is_blank(*line)) {
			line++;
		}
		while (stop > line && is_blank(stop[-1])) {
			stop--;
		}
		int rc = take_seed(vault, line, (size_t)(stop - line), seed, err);
		if (rc != 0) {
			return rc < 0 ? -1 : 0;
		}
		line = lf != NULL ? lf + 1 : end;
	}
	nkey_text_encode(NKEY_OPERATOR, &seed->public_key, key);
	return err_set(err, ERR_INVALID,
		"the seed of the operator's identity %s is not in what was given", key);
}
