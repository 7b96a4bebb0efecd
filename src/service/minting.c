/* SPDX-License-Identifier: Apache-2.0 */
#include "service/minting.h"

#include "base/log.h"
#include "base/str.h"
#include "model/limits.h"
#include "service/account_claims.h"
#include "service/internal.h"
#include "service/quarantine.h"
#include "service/sharing.h"
#include "store/account.h"
#include "store/publish.h"
#include "store/quarantine.h"
#include "store/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	RACES_MAX = 5,
	BATCH_ACCOUNTS = 64,
	BATCH_BYTES = 1024 * 1024, /* a batch ends with the account that reaches this */
	CLAIM_BYTES = 128, /* what a revocation takes, more or less */
	CLOCK_BEHIND_MS = 5000, /* a clock set back by more holds minting */
	CLOCK_AHEAD_S =
		60 /* a last iat so far ahead is no burst of changes, but a wrong clock */
};

/* One consistent look at all that an account's JWT is made of. */
struct snapshot {
	struct store_publish publish;
	int64_t jwt_bytes; /* of the last one */
	struct mint_account mint;
	struct nkey_public account_key;
	struct store_activations activations; /* to be signed for its imports */
};

/* An order on its way. */
struct attempt {
	struct mint_order *order;
	struct snapshot snapshot;
	struct buf token; /* what was signed; empty when the claims are equal */
	uint8_t claims_hash[STORE_HASH_LEN];
	struct store_mint record;
	bool is_signed; /* the record is to be written */
	bool stale;
};

/* Those that share a read and a write. */
struct batch {
	struct service *service;
	struct mint_order *orders;
	size_t orders_len;
	size_t next; /* order to be looked at */
	struct store_vault_seed issuer; /* the operator's signing key */
	size_t bytes;
	size_t len;
	struct attempt attempts[BATCH_ACCOUNTS];
};

/* An order is to be tried as long as its error says that somebody else was faster. */
static void
leave(struct mint_order *order)
{
	order->rc =
		err_set(&order->err, ERR_STALE, "another process mints the same account");
}

static bool
is_left(const struct mint_order *order)
{
	return order->rc != 0 && order->err.code == ERR_STALE;
}

static void
fail_left(struct mint_order *orders, size_t len, const struct err *err)
{
	for (size_t i = 0; i < len; i++) {
		if (is_left(&orders[i])) {
			orders[i].err = *err;
		}
	}
}

static void
hold(struct minting *out, const char *reason)
{
	out->result = MINTING_HELD;
	str_fmt_cut(out->reason, sizeof(out->reason), "%s", reason);
}

/* 1 it is in quarantine and held, 0 it is not, -1 error. */
static int
hold_in_quarantine(struct store_conn *conn, const struct account *account,
	struct minting *out, struct err *err)
{
	struct store_quarantine found = { 0 };
	int rc = store_quarantine_find(conn, account->head.seq, &found, err);
	if (rc <= 0) {
		return rc;
	}
	out->result = MINTING_HELD;
	service_quarantine_words(&found, account, out->reason, sizeof(out->reason));
	store_quarantine_release(&found);
	return 1;
}

static int
read_claims(struct store_conn *conn, const struct account *account,
	struct snapshot *snapshot, struct err *err)
{
	int64_t seq = account->head.seq;
	int64_t deleted = 0;
	snapshot->account_key = account->public_key;
	if (store_account_deleted(conn, seq, &deleted, err) != 0 ||
		store_publish_get(conn, seq, &snapshot->publish, err) != 0 ||
		store_account_jwt_bytes(conn, seq, &snapshot->jwt_bytes, err) != 0 ||
		account_claims_read(conn, account, deleted != 0, &snapshot->mint, err) !=
			0) {
		return -1;
	}
	return store_activation_list(conn, seq, &snapshot->activations, err);
}

/* 1 there is something to mint from, 0 the account is held, -1 error. */
static int
read_snapshot(struct store_conn *conn, struct mint_order *order,
	struct snapshot *snapshot, struct err *err)
{
	struct account account = { 0 };
	if (store_record_get_seq(
		    conn, &account_collection, order->account, &account, err) != 0) {
		return -1;
	}
	nkey_text_encode(NKEY_ACCOUNT, &account.public_key, order->public_key);
	int rc = hold_in_quarantine(conn, &account, &order->minting, err);
	if (rc == 0) {
		rc = read_claims(conn, &account, snapshot, err) == 0 ? 1 : -1;
	} else if (rc > 0) {
		rc = 0;
	}
	order->proven_generation = snapshot->publish.proven_generation;
	record_release(&account_collection, &account);
	return rc;
}

/* What it takes of the memory, more or less: a first JWT, or one that has grown, is not
 * known by the last. */
static size_t
weigh(const struct snapshot *snapshot)
{
	const struct jwt_account *account = &snapshot->mint.claims.as.account;
	size_t claims = CLAIM_BYTES *
		(account->revocations_len + account->signing_keys_len +
			account->exports_len + account->imports_len);
	size_t last = (size_t)snapshot->jwt_bytes;
	return claims > last ? claims : last;
}

static void
release_attempt(struct attempt *attempt)
{
	mint_account_release(&attempt->snapshot.mint);
	store_activations_release(&attempt->snapshot.activations);
	buf_release(&attempt->token);
}

static void
read_attempt(struct store_conn *conn, struct batch *batch, struct mint_order *order)
{
	struct attempt *attempt = &batch->attempts[batch->len];
	*attempt = (struct attempt){ .order = order };
	buf_init(&attempt->token, LIMIT_ACCOUNT_JWT_BYTES);
	err_clear(&order->err);
	order->minting = (struct minting){ 0 };
	int rc = read_snapshot(conn, order, &attempt->snapshot, &order->err);
	order->rc = rc < 0 ? -1 : 0;
	if (rc <= 0) {
		release_attempt(attempt);
		return;
	}
	batch->bytes += weigh(&attempt->snapshot);
	batch->len++;
}

static int
read_batch(struct store_conn *conn, void *ctx, struct err *err)
{
	struct batch *batch = ctx;
	struct store_signing_key issuer;
	if (store_signing_key_plain(conn, 0, &issuer, err) != 0 ||
		store_vault_seed_get(conn, &issuer.public_key, &batch->issuer, err) !=
			0) {
		return -1;
	}
	while (batch->next < batch->orders_len && batch->len < BATCH_ACCOUNTS &&
		batch->bytes < BATCH_BYTES) {
		struct mint_order *order = &batch->orders[batch->next++];
		if (is_left(order)) {
			read_attempt(conn, batch, order);
		}
	}
	return 0;
}

/* The next iat, or why there is none now. Two JWTs of an account never share a second:
 * servers that missed the second of two would keep the first for good. An account that a
 * person let be ahead has a clock of its own. */
static bool
choose_iat(const struct store_publish *publish, int64_t now_ms, bool urgent,
	int64_t *out_iat, struct minting *out)
{
	int64_t now = now_ms / 1000 + publish->iat_offset;
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
	int64_t ahead = urgent ? MINTING_URGENT_AHEAD_S : 0;
	if (iat > now + ahead) {
		out->result = MINTING_LATER;
		out->not_before = (iat - ahead - publish->iat_offset) * 1000;
		return false;
	}
	*out_iat = iat;
	return true;
}

bool
service_mint_is_held(const struct store_publish *publish, int64_t now_ms)
{
	struct minting minting = { .result = MINTING_DONE };
	int64_t iat = 0;
	return !choose_iat(publish, now_ms, false, &iat, &minting) &&
		minting.result == MINTING_HELD;
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

/* Once, when it grows over one half of what there is room for: time enough to do
 * something about it. */
static void
warn_of_size(const struct attempt *attempt)
{
	enum { HALF = LIMIT_ACCOUNT_JWT_BYTES / 2 };
	if (attempt->token.len > HALF && attempt->snapshot.jwt_bytes <= HALF) {
		log_warn("the JWT of an account has used up half of its room",
			LOG_STR("account", attempt->order->public_key),
			LOG_INT("bytes", (int64_t)attempt->token.len),
			LOG_INT("most", LIMIT_ACCOUNT_JWT_BYTES));
	}
}

/* Signs when the claims are others than before. The order is done, should the record be
 * written; or it is later, or held. */
static int
sign_attempt(const struct batch *batch, struct attempt *attempt, struct err *err)
{
	struct snapshot *snapshot = &attempt->snapshot;
	const struct store_publish *publish = &snapshot->publish;
	struct service *service = batch->service;
	struct minting *out = &attempt->order->minting;
	struct vault_seed issuer = sealed_seed(&batch->issuer);
	int64_t now_ms = clock_wall_ms(service->clock);
	struct store_mint *record = &attempt->record;
	*record = (struct store_mint){
		.account = publish->account,
		.expected_last_iat = publish->last_iat,
		.generation = publish->generation,
		.iat = publish->last_iat,
		.claims_hash = attempt->claims_hash,
	};
	out->generation = publish->generation;
	if (sharing_activate(service, &snapshot->account_key, &snapshot->activations,
		    &snapshot->mint, err) != 0) {
		return -1;
	}
	if (mint_account_hash(&snapshot->mint, &issuer.public_key, attempt->claims_hash,
		    err) != 0) {
		return hold_too_large(out, err);
	}
	out->new_bytes = !publish->has_claims_hash ||
		memcmp(attempt->claims_hash, publish->claims_hash, STORE_HASH_LEN) != 0;
	if (!out->new_bytes) {
		attempt->is_signed = publish->minted_generation != publish->generation;
		return 0;
	}
	if (!choose_iat(publish, now_ms, attempt->order->urgent, &record->iat, out) ||
		!check_claims(&snapshot->mint, now_ms / 1000, out)) {
		return 0;
	}
	struct mint_account_stamp stamp = {
		.database_uuid = service->uuid,
		.generation = publish->generation,
		.iat = record->iat,
	};
	if (mint_account_sign(&snapshot->mint, &stamp, service->vault, &issuer,
		    &attempt->token, err) != 0) {
		return hold_too_large(out, err);
	}
	record->jwt = attempt->token.data;
	attempt->is_signed = true;
	return 0;
}

/* A record that came too late fails by itself; another error is the database's. */
static int
write_batch(struct store_tx *tx, void *ctx, struct err *err)
{
	struct batch *batch = ctx;
	for (size_t i = 0; i < batch->len; i++) {
		struct attempt *attempt = &batch->attempts[i];
		if (!attempt->is_signed ||
			store_publish_minted(tx, &attempt->record, err) == 0) {
			continue;
		}
		if (err->code != ERR_STALE) {
			return -1;
		}
		attempt->stale = true;
		err_clear(err);
	}
	return 0;
}

static void
settle_attempt(struct attempt *attempt)
{
	struct mint_order *order = attempt->order;
	if (attempt->stale) {
		leave(order);
	} else if (attempt->token.len > 0) {
		warn_of_size(attempt);
		order->jwt_len = attempt->token.len;
		order->jwt = buf_take(&attempt->token);
	}
}

/* Writes what was signed; the orders of the batch are settled, or left for another
 * try. */
static void
record_batch(struct batch *batch)
{
	struct err err = { 0 };
	bool any = false;
	for (size_t i = 0; i < batch->len; i++) {
		any = any || batch->attempts[i].is_signed;
	}
	int rc = any ? store_write(batch->service->store, write_batch, batch, &err) : 0;
	for (size_t i = 0; i < batch->len; i++) {
		struct attempt *attempt = &batch->attempts[i];
		if (rc == 0) {
			settle_attempt(attempt);
		} else if (attempt->is_signed) {
			attempt->order->rc = rc;
			attempt->order->err = err;
		}
	}
}

static void
mint_batch(struct batch *batch)
{
	struct err err = { 0 };
	batch->len = 0;
	batch->bytes = 0;
	if (service_read(batch->service, read_batch, batch, &err) != 0) {
		fail_left(batch->orders, batch->orders_len, &err);
		batch->next = batch->orders_len;
		return;
	}
	for (size_t i = 0; i < batch->len; i++) {
		struct attempt *attempt = &batch->attempts[i];
		attempt->order->rc = sign_attempt(batch, attempt, &attempt->order->err);
		mint_account_release(&attempt->snapshot.mint);
	}
	record_batch(batch);
	for (size_t i = 0; i < batch->len; i++) {
		release_attempt(&batch->attempts[i]);
	}
}

/* Everybody's turn once. */
static void
mint_left(struct batch *batch)
{
	for (batch->next = 0; batch->next < batch->orders_len;) {
		mint_batch(batch);
	}
}

static bool
any_left(const struct mint_order *orders, size_t len)
{
	bool any = false;
	for (size_t i = 0; i < len; i++) {
		any = any || is_left(&orders[i]);
	}
	return any;
}

void
service_mint_accounts(struct service *service, struct mint_order *orders, size_t len)
{
	struct err err = { 0 };
	struct batch *batch = calloc(1, sizeof(*batch));
	for (size_t i = 0; i < len; i++) {
		orders[i] = (struct mint_order){
			.account = orders[i].account,
			.urgent = orders[i].urgent,
		};
		leave(&orders[i]);
	}
	if (batch == NULL) {
		err_nomem(&err);
		fail_left(orders, len, &err);
		return;
	}
	batch->service = service;
	batch->orders = orders;
	batch->orders_len = len;
	for (int race = 0; race < RACES_MAX && any_left(orders, len); race++) {
		mint_left(batch);
	}
	err_set(&err, ERR_CONFLICT, "another process mints the same account");
	fail_left(orders, len, &err);
	free(batch);
}

int
service_mint_account(struct service *service, int64_t account, bool urgent,
	struct minting *out, struct err *err)
{
	struct mint_order order = { .account = account, .urgent = urgent };
	service_mint_accounts(service, &order, 1);
	free(order.jwt);
	if (order.rc != 0) {
		*err = order.err;
		return -1;
	}
	*out = order.minting;
	return 0;
}
