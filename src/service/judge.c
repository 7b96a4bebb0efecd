/* SPDX-License-Identifier: Apache-2.0 */
#include "service/judge.h"

#include "base/str.h"
#include "mint/account.h"
#include "mint/removal.h"
#include "service/internal.h"
#include "store/publish.h"

#include <stdlib.h>
#include <string.h>

static bool
is_overruled(const struct judge_ours *ours, const char *data, size_t len)
{
	uint8_t hash[STORE_HASH_LEN];
	if (ours->overruled_len == 0) {
		return false;
	}
	vault_hash(data, len, hash);
	for (size_t i = 0; i < ours->overruled_len; i++) {
		if (memcmp(hash, ours->overruled + i * sizeof(hash), sizeof(hash)) == 0) {
			return true;
		}
	}
	return false;
}

/* Ours are told by their tag. A tool that edits a JWT of ours keeps the tag and gives a
 * newer iat. What is rightly signed and cannot be read is nobody's to overwrite unasked:
 * the servers may read it. */
enum verdict
service_judge(const struct service *service, const struct judge_ours *ours,
	const char *data, size_t len)
{
	struct mint_account_origin origin;
	struct err odd = { 0 };
	if (len == 0) {
		return VERDICT_MISSING;
	}
	if (ours->jwt != NULL && len == ours->jwt_len &&
		memcmp(data, ours->jwt, len) == 0) {
		return VERDICT_EQUAL;
	}
	if (is_overruled(ours, data, len)) {
		return VERDICT_OLDER;
	}
	if (mint_account_read_origin(data, len, &origin, &odd) != 0) {
		return odd.code == ERR_NOMEM ? VERDICT_UNKNOWN : VERDICT_DAMAGED;
	}
	if (origin.account[0] != '\0' && !str_equal(origin.account, ours->key)) {
		return VERDICT_DAMAGED;
	}
	if (!origin.tagged || !str_equal(origin.database_uuid, service->uuid)) {
		return VERDICT_FOREIGN;
	}
	return origin.generation > ours->generation || origin.iat > ours->last_iat
		? VERDICT_NEWER
		: VERDICT_OLDER;
}

struct search {
	struct nkey_public key;
	int64_t account;
};

static int
find_account(struct store_conn *conn, void *ctx, struct err *err)
{
	struct search *search = ctx;
	return store_publish_find(conn, &search->key, &search->account, err);
}

int
service_judge_account(struct service *service, const char *jwt, size_t len,
	int64_t *out_account, struct err *err)
{
	struct search search = { 0 };
	struct mint_account_origin origin;
	struct err odd = { 0 };
	*out_account = 0;
	if (mint_account_read_origin(jwt, len, &origin, &odd) != 0 ||
		nkey_text_decode(NKEY_ACCOUNT, origin.account, strlen(origin.account),
			&search.key, &odd) != 0) {
		if (odd.code == ERR_NOMEM) {
			*err = odd;
			return -1;
		}
		return 0;
	}
	if (service_read(service, find_account, &search, err) != 0) {
		return -1;
	}
	*out_account = search.account;
	return 0;
}

struct removal {
	struct strlist keys;
	int64_t *accounts;
	size_t len;
};

static int
find_accounts(struct store_conn *conn, void *ctx, struct err *err)
{
	struct removal *removal = ctx;
	for (size_t i = 0; i < removal->keys.len; i++) {
		struct search search = { 0 };
		struct err odd = { 0 };
		const char *text = removal->keys.items[i];
		if (nkey_text_decode(
			    NKEY_ACCOUNT, text, strlen(text), &search.key, &odd) != 0) {
			continue; /* servers remove nothing for that */
		}
		if (find_account(conn, &search, err) != 0) {
			return -1;
		}
		if (search.account != 0) {
			removal->accounts[removal->len++] = search.account;
		}
	}
	return 0;
}

int
service_judge_removal(struct service *service, const char *jwt, size_t len,
	int64_t **out_accounts, size_t *out_len, struct err *err)
{
	struct removal removal = { 0 };
	int rc = -1;
	if (mint_removal_read(jwt, len, &removal.keys, err) != 0) {
		goto out;
	}
	removal.accounts = calloc(removal.keys.len + 1, sizeof(*removal.accounts));
	if (removal.accounts == NULL) {
		err_nomem(err);
		goto out;
	}
	if (service_read(service, find_accounts, &removal, err) != 0) {
		goto out;
	}
	*out_accounts = removal.accounts;
	*out_len = removal.len;
	removal.accounts = NULL;
	rc = 0;
out:
	free(removal.accounts);
	strlist_release(&removal.keys);
	return rc;
}
