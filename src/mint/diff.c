/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/diff.h"

#include "base/str.h"
#include "jwt/encode.h"

#include <stdlib.h>

enum { SCOPE_MAX = 1024 * 1024 };

void
mint_cut_release(struct mint_cut *cut)
{
	strlist_release(&cut->issuer_keys);
	free(cut->users);
	*cut = (struct mint_cut){ 0 };
}

int
mint_account_body(const struct mint_account *mint, struct buf *out, struct err *err)
{
	if (jwt_encode_body(&mint->claims, out, err) != 0) {
		return -1;
	}
	return buf_finish(out, err);
}

/* A key alone, as its JWT would say it: servers compare the whole scope. */
static int
encode_key(const struct jwt_signing_key *key, struct buf *out, struct err *err)
{
	struct jwt_signing_key one = *key;
	struct jwt_claims claims = { .type = JWT_ACCOUNT };
	claims.as.account.signing_keys = &one;
	claims.as.account.signing_keys_len = 1;
	if (jwt_encode_body(&claims, out, err) != 0) {
		return -1;
	}
	return buf_finish(out, err);
}

static int
same_key(const struct jwt_signing_key *a, const struct jwt_signing_key *b, bool *out,
	struct err *err)
{
	struct buf text_a;
	struct buf text_b;
	buf_init(&text_a, SCOPE_MAX);
	buf_init(&text_b, SCOPE_MAX);
	int rc = encode_key(a, &text_a, err);
	if (rc == 0) {
		rc = encode_key(b, &text_b, err);
	}
	if (rc == 0) {
		*out = str_equal(text_a.data, text_b.data);
	}
	buf_release(&text_a);
	buf_release(&text_b);
	return rc;
}

static const struct jwt_signing_key *
find_key(const struct jwt_account *account, const char *key)
{
	for (size_t i = 0; i < account->signing_keys_len; i++) {
		if (str_equal(account->signing_keys[i].key, key)) {
			return &account->signing_keys[i];
		}
	}
	return NULL;
}

/* Keys that are gone, or stand for another scope. */
static int
diff_keys(const struct jwt_account *before, const struct jwt_account *after,
	struct mint_cut *out, struct err *err)
{
	for (size_t i = 0; i < before->signing_keys_len; i++) {
		const struct jwt_signing_key *old = &before->signing_keys[i];
		const struct jwt_signing_key *now = find_key(after, old->key);
		bool same = false;
		if (now != NULL && same_key(old, now, &same, err) != 0) {
			return -1;
		}
		if (!same && strlist_add(&out->issuer_keys, old->key, err) != 0) {
			return -1;
		}
	}
	return 0;
}

/* 0: not revoked. */
static int64_t
revoked_at(const struct jwt_account *account, const char *key)
{
	for (size_t i = 0; i < account->revocations_len; i++) {
		if (str_equal(account->revocations[i].key, key)) {
			return account->revocations[i].at;
		}
	}
	return 0;
}

static int
diff_revocations(const struct jwt_account *before, const struct jwt_account *after,
	struct mint_cut *out, struct err *err)
{
	out->users = calloc(after->revocations_len + 1, sizeof(*out->users));
	if (out->users == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < after->revocations_len; i++) {
		const struct jwt_revocation *entry = &after->revocations[i];
		if (entry->at <= revoked_at(before, entry->key)) {
			continue;
		}
		if (str_equal(entry->key, "*")) {
			out->all = true;
			out->all_at = entry->at;
			continue;
		}
		struct mint_cut_user *user = &out->users[out->users_len++];
		user->at = entry->at;
		str_fmt_cut(user->key, sizeof(user->key), "%s", entry->key);
	}
	return 0;
}

int
mint_diff(const struct mint_account *before, const struct mint_account *after,
	struct mint_cut *out, struct err *err)
{
	const struct jwt_account *old = &before->claims.as.account;
	const struct jwt_account *now = &after->claims.as.account;
	*out = (struct mint_cut){ 0 };
	if (after->tombstone) {
		out->all = !before->tombstone;
		out->all_at = INT64_MAX;
		return 0;
	}
	if (diff_keys(old, now, out, err) != 0 ||
		diff_revocations(old, now, out, err) != 0) {
		return -1;
	}
	int64_t most = now->limits.conn;
	out->bearer = now->limits.disallow_bearer && !old->limits.disallow_bearer;
	out->fewer = most >= 0 && (old->limits.conn < 0 || most < old->limits.conn);
	out->max_connections = most;
	return 0;
}
