/* SPDX-License-Identifier: Apache-2.0 */
#include "service/minting.h"

#include "base/log.h"
#include "base/str.h"
#include "model/limits.h"
#include "service/account_claims.h"
#include "service/internal.h"
#include "service/sharing.h"
#include "store/account.h"
#include "store/publish.h"
#include "store/record.h"

#include <inttypes.h>
#include <string.h>

enum {
	RACES_MAX = 5,
	URGENT_AHEAD_S = 3, /* how far an urgent JWT may be dated ahead of the clock */
	CLOCK_BEHIND_MS = 5000, /* a clock set back by more holds minting */
	CLOCK_AHEAD_S =
		60 /* a last iat so far ahead is no burst of changes, but a wrong clock */
};

/* One consistent look at all that an account's JWT is made of. */
struct snapshot {
	int64_t account_seq;
	struct store_publish publish;
	struct store_vault_seed issuer; /* the operator's signing key */
	int64_t jwt_bytes; /* of the last one */
	struct mint_account mint;
	struct nkey_public account_key;
	struct store_activations activations; /* to be signed for its imports */
};

static int
read_snapshot(struct store_conn *conn, void *ctx, struct err *err)
{
	struct snapshot *snapshot = ctx;
	struct account account = { 0 };
	struct store_signing_key issuer;
	int64_t deleted = 0;
	int rc = -1;

	if (store_record_get_seq(conn, &account_collection, snapshot->account_seq,
		    &account, err) != 0 ||
		store_account_deleted(conn, snapshot->account_seq, &deleted, err) != 0 ||
		store_publish_get(conn, snapshot->account_seq, &snapshot->publish, err) !=
			0 ||
		store_account_jwt_bytes(
			conn, snapshot->account_seq, &snapshot->jwt_bytes, err) != 0 ||
		store_signing_key_plain(conn, 0, &issuer, err) != 0 ||
		store_vault_seed_get(conn, &issuer.public_key, &snapshot->issuer, err) !=
			0) {
		goto out;
	}
	snapshot->account_key = account.public_key;
	rc = account_claims_read(conn, &account, deleted != 0, &snapshot->mint, err);
	if (rc == 0) {
		rc = store_activation_list(
			conn, snapshot->account_seq, &snapshot->activations, err);
	}
out:
	record_release(&account_collection, &account);
	return rc;
}

static void
hold(struct minting *out, const char *reason)
{
	out->result = MINTING_HELD;
	str_fmt_cut(out->reason, sizeof(out->reason), "%s", reason);
}

/* The next iat, or why there is none now. Two JWTs of an account never share a second:
 * servers that missed the second of two would keep the first for good. */
static bool
choose_iat(const struct store_publish *publish, int64_t now_ms, bool urgent,
	int64_t *out_iat, struct minting *out)
{
	int64_t now = now_ms / 1000;
	int64_t iat = publish->last_iat + 1 > now ? publish->last_iat + 1 : now;
	if (publish->minted_at > now_ms + CLOCK_BEHIND_MS) {
		out->result = MINTING_HELD;
		str_fmt_cut(out->reason, sizeof(out->reason),
			"The clock of natsid is %" PRId64
			" s behind the last mint of this account. Set the clock.",
			(publish->minted_at - now_ms) / 1000);
		return false;
	}
	if (iat > now + CLOCK_AHEAD_S) {
		out->result = MINTING_HELD;
		str_fmt_cut(out->reason, sizeof(out->reason),
			"The last JWT of this account is dated %" PRId64
			" s ahead of the clock. Set the clock.",
			iat - now);
		return false;
	}
	int64_t ahead = urgent ? URGENT_AHEAD_S : 0;
	if (iat > now + ahead) {
		out->result = MINTING_LATER;
		out->not_before = (iat - ahead) * 1000;
		return false;
	}
	*out_iat = iat;
	return true;
}

static bool
check_claims(const struct mint_account *mint, int64_t now, struct minting *out)
{
	struct err why = { 0 };
	int rc = mint_account_check(mint, now, &why);
	if (rc != 0) {
		hold(out, why.msg);
	}
	return rc == 0;
}

/* What no try will ever make smaller needs a person; other errors stay errors. */
static int
hold_too_large(struct minting *out, const struct err *err)
{
	if (err->code != ERR_TOO_LARGE) {
		return -1;
	}
	hold(out,
		"The JWT of this account would be larger than servers take. It has too "
		"many "
		"roles or revocations.");
	return 0;
}

static int
write_mint(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct store_mint *mint = ctx;
	return store_publish_minted(tx, mint, err);
}

/* Once, when it grows over one half of what there is room for: time enough to do
 * something about it. */
static void
warn_of_size(const struct snapshot *snapshot, size_t bytes)
{
	enum { HALF = LIMIT_ACCOUNT_JWT_BYTES / 2 };
	if (bytes > HALF && snapshot->jwt_bytes <= HALF) {
		log_warn("the JWT of an account has used up half of its room",
			LOG_STR("account", snapshot->mint.claims.sub),
			LOG_INT("bytes", (int64_t)bytes),
			LOG_INT("most", LIMIT_ACCOUNT_JWT_BYTES));
	}
}

/* Signs new bytes and records them; equal claims only record the generation. */
static int
mint_from(struct service *service, struct snapshot *snapshot, bool urgent,
	struct minting *out, struct err *err)
{
	int rc = -1;
	struct buf token;
	uint8_t hash[STORE_HASH_LEN];
	struct vault_seed issuer = sealed_seed(&snapshot->issuer);
	const struct store_publish *publish = &snapshot->publish;
	int64_t now_ms = clock_wall_ms(service->clock);
	struct store_mint record = {
		.account = snapshot->account_seq,
		.expected_last_iat = publish->last_iat,
		.generation = publish->generation,
		.iat = publish->last_iat,
		.claims_hash = hash,
	};

	buf_init(&token, LIMIT_ACCOUNT_JWT_BYTES);
	if (sharing_activate(service, &snapshot->account_key, &snapshot->activations,
		    &snapshot->mint, err) != 0) {
		goto out;
	}
	if (mint_account_hash(&snapshot->mint, &issuer.public_key, hash, err) != 0) {
		rc = hold_too_large(out, err);
		goto out;
	}
	out->new_bytes = !publish->has_claims_hash ||
		memcmp(hash, publish->claims_hash, sizeof(hash)) != 0;
	if (out->new_bytes) {
		if (!choose_iat(publish, now_ms, urgent, &record.iat, out) ||
			!check_claims(&snapshot->mint, now_ms / 1000, out)) {
			rc = 0;
			goto out;
		}
		struct mint_account_stamp stamp = {
			.database_uuid = service->uuid,
			.generation = publish->generation,
			.iat = record.iat,
		};
		if (mint_account_sign(&snapshot->mint, &stamp, service->vault, &issuer,
			    &token, err) != 0) {
			rc = hold_too_large(out, err);
			goto out;
		}
		record.jwt = token.data;
	}
	if (store_write(service->store, write_mint, &record, err) != 0) {
		goto out;
	}
	warn_of_size(snapshot, out->new_bytes ? token.len : 0);
	out->result = MINTING_DONE;
	out->generation = publish->generation;
	rc = 0;
out:
	buf_release(&token);
	return rc;
}

int
service_mint_account(struct service *service, int64_t account, bool urgent,
	struct minting *out, struct err *err)
{
	for (int race = 0; race < RACES_MAX; race++) {
		struct snapshot snapshot = { .account_seq = account };
		*out = (struct minting){ 0 };
		err_clear(err);
		int rc = service_read(service, read_snapshot, &snapshot, err);
		if (rc == 0) {
			rc = mint_from(service, &snapshot, urgent, out, err);
		}
		mint_account_release(&snapshot.mint);
		store_activations_release(&snapshot.activations);
		if (rc == 0 || err->code != ERR_STALE) {
			return rc;
		}
	}
	return err_set(err, ERR_CONFLICT, "another process mints the same account");
}
