/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/removal.h"

#include "base/emit.h"
#include "base/str.h"
#include "jwt/decode.h"

#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 128 * 1024 };

static const char accounts_member[] = "accounts";

static void
put_accounts(const struct nkey_public *accounts, size_t len, struct buf *out)
{
	struct emit emit;
	emit_init(&emit, out);
	emit_array_begin(&emit);
	for (size_t i = 0; i < len; i++) {
		char text[NKEY_TEXT_SIZE];
		nkey_text_encode(NKEY_ACCOUNT, &accounts[i], text);
		emit_text(&emit, text);
	}
	emit_array_end(&emit);
}

/* Servers take it only from who is its own subject. */
int
mint_removal(const struct vault *vault, const struct vault_seed *issuer,
	const struct nkey_public *accounts, size_t len, int64_t iat, struct buf *out,
	struct err *err)
{
	struct buf list;
	struct jwt_claims claims = { .type = JWT_GENERIC, .iat = iat };
	int rc = -1;

	buf_init(&list, LIST_MAX);
	put_accounts(accounts, len, &list);
	if (buf_finish(&list, err) != 0) {
		goto out;
	}
	claims.sub = mint_key_text(NKEY_OPERATOR, &issuer->public_key);
	claims.as.generic.members = calloc(1, sizeof(*claims.as.generic.members));
	if (claims.sub == NULL || claims.as.generic.members == NULL) {
		err_nomem(err);
		goto out;
	}
	claims.as.generic.members_len = 1;
	claims.as.generic.members[0].key = str_dup(accounts_member);
	claims.as.generic.members[0].json = str_dup(list.data);
	if (claims.as.generic.members[0].key == NULL ||
		claims.as.generic.members[0].json == NULL) {
		err_nomem(err);
		goto out;
	}
	rc = mint_token(vault, issuer, &claims, out, err);
out:
	jwt_claims_release(&claims);
	buf_release(&list);
	return rc;
}

int
mint_removal_read(const char *jwt, size_t len, struct strlist *out, struct err *err)
{
	struct jwt_claims claims = { 0 };
	const char *list = NULL;
	if (jwt_decode(jwt, len, &claims, err) != 0) {
		return -1;
	}
	const struct jwt_generic *generic = &claims.as.generic;
	for (size_t i = 0; claims.type == JWT_GENERIC && i < generic->members_len; i++) {
		if (str_equal(generic->members[i].key, accounts_member)) {
			list = generic->members[i].json;
		}
	}
	int rc = 0;
	if (list == NULL || strlist_read(list, strlen(list), out, err) != 0) {
		rc = list != NULL && err->code == ERR_NOMEM
			? -1
			: err_set(err, ERR_INVALID, "it names no accounts to remove");
	}
	jwt_claims_release(&claims);
	return rc;
}
