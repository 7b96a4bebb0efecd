/* SPDX-License-Identifier: Apache-2.0 */
#include "service/creds_link.h"

#include "base/rand.h"
#include "base/secret.h"
#include "base/str.h"
#include "service/internal.h"
#include "store/creds_link.h"

#include <string.h>

_Static_assert((int)STORE_LINK_HASH_LEN == (int)VAULT_LINK_HASH_LEN, "hash of a link");

struct link_write {
	const struct actor *actor;
	const char *action;
	struct store_creds_link row;
};

static int
insert_link(struct store_tx *tx, void *ctx, struct err *err)
{
	struct link_write *write = ctx;
	if (store_creds_link_insert(tx, &write->row, err) != 0) {
		return -1;
	}
	return service_audit(tx, write->actor, write->action, &user_collection,
		write->row.user_id, NULL, err);
}

static int
seal(const uint8_t *token, const struct buf *creds, struct store_creds_link *row,
	struct err *err)
{
	row->sealed_len = creds->len + VAULT_LINK_OVERHEAD;
	if (row->sealed_len > sizeof(row->sealed)) {
		return err_set(err, ERR_TOO_LARGE, "these creds do not fit into a link");
	}
	vault_link_hash(token, row->token_hash);
	vault_link_seal(token, row->user_id, creds->data, creds->len, row->sealed);
	return 0;
}

int
service_creds_link_new(struct service *service, const struct actor *actor,
	const char *user_id, int64_t ttl_s, struct creds_link *out, struct err *err)
{
	uint8_t token[VAULT_LINK_TOKEN_LEN];
	struct user_creds creds = { 0 };
	struct link_write write = { .actor = actor, .action = "create creds link" };
	int rc = -1;
	if (ttl_s < 1 || ttl_s > CREDS_LINK_TTL_MAX_S) {
		return err_set(err, ERR_INVALID,
			"ttl_seconds: must be from 1 to %d seconds.",
			CREDS_LINK_TTL_MAX_S);
	}
	if (service_user_creds(service, actor, user_id, &creds, err) != 0) {
		goto out;
	}
	if (str_copy(write.row.user_id, sizeof(write.row.user_id), user_id) != 0) {
		err_set(err, ERR_NOT_FOUND, "there is no such user");
		goto out;
	}
	rand_bytes(token, sizeof(token));
	write.row.expires = clock_wall_ms(service->clock) + ttl_s * 1000;
	if (seal(token, &creds.creds, &write.row, err) != 0 ||
		store_write(service->store, insert_link, &write, err) != 0) {
		goto out;
	}
	codec_base64url_encode(token, sizeof(token), out->token);
	out->expires = write.row.expires;
	rc = 0;
out:
	user_creds_release(&creds);
	secret_wipe(token, sizeof(token));
	return rc;
}

static int
take_link(struct store_tx *tx, void *ctx, struct err *err)
{
	struct link_write *write = ctx;
	uint8_t hash[STORE_LINK_HASH_LEN];
	memcpy(hash, write->row.token_hash, sizeof(hash));
	if (store_creds_link_take(tx, hash, &write->row, err) != 0) {
		return -1;
	}
	return service_audit(tx, write->actor, write->action, &user_collection,
		write->row.user_id, NULL, err);
}

/* A link is dead as soon as its creds are: suspended, revoked, rotated, expired. They are
 * a function of the rows, so the same again means that they are alive. */
static int
check_current(struct service *service, const uint8_t *token,
	const struct store_creds_link *row, struct user_creds *creds, struct err *err)
{
	static const struct actor system = { .kind = ACTOR_SYSTEM };
	uint8_t plain[STORE_LINK_SEALED_MAX];
	struct err why = { 0 };
	size_t len = row->sealed_len - VAULT_LINK_OVERHEAD;
	if (vault_link_open(
		    token, row->user_id, row->sealed, row->sealed_len, plain, err) != 0) {
		return -1;
	}
	bool same =
		service_user_creds(service, &system, row->user_id, creds, &why) == 0 &&
		creds->creds.len == len && secret_equal(creds->creds.data, plain, len);
	secret_wipe(plain, sizeof(plain));
	if (!same) {
		user_creds_release(creds);
		return err_set(err, ERR_NOT_FOUND,
			"The creds of this link are no longer valid. Ask for a new one.");
	}
	return 0;
}

int
service_creds_link_open(struct service *service, const struct actor *actor,
	const char *token, const char *address, struct user_creds *out, struct err *err)
{
	uint8_t raw[VAULT_LINK_TOKEN_LEN];
	size_t len = 0;
	struct link_write write = { .actor = actor, .action = "open creds link" };
	if (throttle_enter(service->throttle, address, err) != 0) {
		return -1;
	}
	if (codec_base64url_decode(token, strlen(token), raw, sizeof(raw), &len) != 0 ||
		len != sizeof(raw)) {
		return err_set(err, ERR_INVALID, "token: not the token of a link.");
	}
	vault_link_hash(raw, write.row.token_hash);
	int rc = store_write(service->store, take_link, &write, err);
	if (rc == 0 || err->code != ERR_NOT_FOUND) {
		throttle_succeeded(service->throttle, address);
	}
	if (rc == 0) {
		rc = check_current(service, raw, &write.row, out, err);
	}
	secret_wipe(raw, sizeof(raw));
	return rc;
}
