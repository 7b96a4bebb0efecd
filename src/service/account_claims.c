/* SPDX-License-Identifier: Apache-2.0 */
#include "service/account_claims.h"

#include "service/sharing.h"
#include "store/account.h"
#include "store/record.h"
#include "store/revocation.h"
#include "store/role.h"
#include "store/signing_key.h"

#include <stdlib.h>

static int
add_scope(void *ctx, const struct role *role, const struct nkey_public *key,
	struct err *err)
{
	return mint_account_add_scope(ctx, role, key, err);
}

static int
add_plain_keys(struct store_conn *conn, int64_t account, struct mint_account *mint,
	struct err *err)
{
	struct store_signing_key *keys = NULL;
	size_t len = 0;
	if (store_signing_key_list(conn, account, &keys, &len, err) != 0) {
		return -1;
	}
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < len; i++) {
		if (keys[i].role == 0) {
			rc = mint_account_add_key(mint, &keys[i].public_key, err);
		}
	}
	free(keys);
	return rc;
}

static int
add_revocations(struct store_conn *conn, int64_t account, struct mint_account *mint,
	struct err *err)
{
	struct store_revocation *list = NULL;
	size_t len = 0;
	if (store_revocation_list(conn, account, &list, &len, err) != 0) {
		return -1;
	}
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < len; i++) {
		rc = mint_account_add_revocation(
			mint, list[i].all ? NULL : &list[i].public_key, list[i].at, err);
	}
	free(list);
	return rc;
}

/* What can contradict something else. */
static int
read_terms(struct store_conn *conn, const struct account *row, bool deleted,
	struct mint_account *out, struct err *err)
{
	if (mint_account_begin(row, deleted, out, err) != 0) {
		return -1;
	}
	return sharing_read_claims(conn, row->head.seq, out, err);
}

int
account_claims_read(struct store_conn *conn, const struct account *row, bool deleted,
	struct mint_account *out, struct err *err)
{
	int64_t account = row->head.seq;
	if (read_terms(conn, row, deleted, out, err) != 0 ||
		add_plain_keys(conn, account, out, err) != 0 ||
		store_role_scopes(conn, account, add_scope, out, err) != 0) {
		return -1;
	}
	return add_revocations(conn, account, out, err);
}

int
account_claims_check(
	struct store_conn *conn, int64_t account, int64_t now_s, struct err *err)
{
	struct account row = { 0 };
	struct mint_account mint = { 0 };
	int rc = -1;
	if (store_record_get_seq(conn, &account_collection, account, &row, err) != 0) {
		return -1;
	}
	/* Of a suspended account, too: what it says must be good when it comes back. */
	row.active = true;
	if (read_terms(conn, &row, false, &mint, err) != 0) {
		goto out;
	}
	rc = mint_account_check(&mint, now_s, err);
out:
	mint_account_release(&mint);
	record_release(&account_collection, &row);
	return rc;
}
