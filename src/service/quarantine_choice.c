/* SPDX-License-Identifier: Apache-2.0 */
#include "service/quarantine.h"

#include "base/str.h"
#include "mint/seen.h"
#include "service/account_claims.h"
#include "service/internal.h"
#include "service/minting.h"
#include "service/quarantine_look.h"
#include "store/budget.h"
#include "store/publish.h"
#include "store/record.h"

#include <stdlib.h>
#include <string.h>

enum { RACES_MAX = 5 };

/* 9999-12-31: no date is later. */
#define TIME_MAX_S INT64_C(253402300799)

void
quarantine_choice_release(struct quarantine_choice *choice)
{
	strlist_release(&choice->retired);
}

struct choosing {
	struct service *service;
	const struct actor *actor;
	bool adopt;
	struct quarantine_look look;
	struct mint_account seen; /* zeroed where it cannot be read */
	struct mint_account ours; /* where it can */
	int64_t iat; /* that ours must be later than */
	struct account_keys *keys; /* NULL: they stay as they are */
	struct quarantine_choice choice;
};

static void
choosing_release(struct choosing *choosing)
{
	quarantine_choice_release(&choosing->choice);
	account_keys_free(choosing->keys);
	mint_account_release(&choosing->ours);
	mint_account_release(&choosing->seen);
	quarantine_look_release(&choosing->look);
}

static bool
revokes_key(const struct jwt_revocation *entry, struct nkey_public *out)
{
	struct err ignored = { 0 };
	return nkey_text_decode(
		       NKEY_USER, entry->key, strlen(entry->key), out, &ignored) == 0;
}

/* Entries of what is no user refuse nobody. */
static int
adopt_entry(struct store_tx *tx, struct choosing *choosing,
	const struct jwt_revocation *entry, struct err *err)
{
	struct nkey_public key;
	bool all = str_equal(entry->key, "*");
	int64_t at = entry->at < TIME_MAX_S ? entry->at : TIME_MAX_S;
	if (!all && !revokes_key(entry, &key)) {
		return 0;
	}
	int64_t taken = 0;
	if (store_revocation_adopt(tx, choosing->look.account.head.seq, all ? NULL : &key,
		    at, &taken, err) != 0) {
		return -1;
	}
	choosing->choice.revocations += (size_t)taken;
	return 0;
}

/* There is always room for one entry, and it refuses at least as much. */
static int
make_room(struct store_tx *tx, struct choosing *choosing, struct err *err)
{
	int64_t seq = choosing->look.account.head.seq;
	int64_t bytes = 0;
	int64_t latest = 0;
	struct err full = { 0 };
	struct store_conn *conn = store_tx_conn(tx);
	if (store_budget_account(conn, seq, &bytes, err) != 0 ||
		store_revocation_latest(conn, seq, &latest, err) != 0) {
		return -1;
	}
	if (latest == 0 || budget_check(bytes, BUDGET_SUSPENSIONS, &full) == 0) {
		return 0;
	}
	int64_t taken = 0;
	choosing->choice.revoked_up_to = latest;
	return store_revocation_adopt(tx, seq, NULL, latest, &taken, err);
}

static int
adopt_revocations(struct store_tx *tx, struct choosing *choosing, struct err *err)
{
	const struct jwt_account *seen = &choosing->seen.claims.as.account;
	for (size_t i = 0; i < seen->revocations_len; i++) {
		if (adopt_entry(tx, choosing, &seen->revocations[i], err) != 0) {
			return -1;
		}
	}
	return make_room(tx, choosing, err);
}

static int
suspend(struct choosing *choosing, struct err *err)
{
	struct account *row = &choosing->look.account;
	if (!row->active) {
		return 0;
	}
	if (row->is_system) {
		return err_set(err, ERR_CONFLICT,
			"On the server the system account lets nobody in. It cannot be "
			"suspended: natsid itself connects through it. Use override.");
	}
	row->active = false;
	choosing->choice.suspended = true;
	return 0;
}

/* Before the revocations: with the last old key those of the database go. */
static int
retire_keys(struct store_tx *tx, const struct choosing *choosing, struct err *err)
{
	return choosing->keys == NULL ? 0
				      : account_keys_write_restored(tx, choosing->keys,
						&choosing->look.account, err);
}

static int
update_row(struct store_tx *tx, struct choosing *choosing, struct err *err)
{
	const struct field *refused = NULL;
	if (!choosing->choice.suspended && choosing->choice.retired.len == 0) {
		return 0;
	}
	return store_record_update(
		tx, &account_collection, &choosing->look.account, &refused, err);
}

/* A tombstone's entry for all is what makes it one: it is lifted when the account is. */
static int
take_over(struct store_tx *tx, struct choosing *choosing, struct err *err)
{
	bool tombstone = choosing->seen.tombstone;
	if (!choosing->adopt || choosing->look.deleted != 0) {
		return 0;
	}
	if ((tombstone && suspend(choosing, err) != 0) ||
		retire_keys(tx, choosing, err) != 0 ||
		update_row(tx, choosing, err) != 0) {
		return -1;
	}
	return tombstone ? 0 : adopt_revocations(tx, choosing, err);
}

/* What was decided by is still what is there. */
static int
check_unchanged(
	struct store_conn *conn, const struct quarantine_look *look, struct err *err)
{
	struct store_quarantine now = { 0 };
	int rc = store_quarantine_find(conn, look->account.head.seq, &now, err);
	if (rc < 0) {
		return -1;
	}
	bool same = (rc > 0) == look->found &&
		(!look->found || str_equal(now.jwt, look->quarantine.jwt));
	store_quarantine_release(&now);
	return same
		? 0
		: err_set(err, ERR_STALE, "another JWT was found on a server meanwhile");
}

/* The clock may say anything; what counts is that the next JWT is later than the last. */
static int64_t
offset_of(const struct choosing *choosing)
{
	int64_t last = choosing->look.publish.last_iat;
	int64_t next = (choosing->iat > last ? choosing->iat : last) + 1;
	int64_t ahead = next - clock_wall_s(choosing->service->clock);
	return ahead > MINTING_URGENT_AHEAD_S ? ahead : 0;
}

static int
write_choice(struct store_tx *tx, void *ctx, struct err *err)
{
	struct choosing *choosing = ctx;
	struct quarantine_choice *choice = &choosing->choice;
	const struct account *account = &choosing->look.account;
	choice->iat_offset = offset_of(choosing);
	if (check_unchanged(store_tx_conn(tx), &choosing->look, err) != 0 ||
		take_over(tx, choosing, err) != 0) {
		return -1;
	}
	int rc = choosing->look.found
		? store_quarantine_lift(tx, account->head.seq, choice->generation,
			  choosing->iat, choice->iat_offset, err)
		: store_publish_redate(tx, account->head.seq, choice->iat_offset, err);
	if (rc != 0) {
		return -1;
	}
	return service_audit(tx, choosing->actor, choosing->adopt ? "adopt" : "override",
		&account_collection, account->head.id, NULL, err);
}

static int
check_needed(const struct choosing *choosing, struct err *err)
{
	if (choosing->look.found) {
		return 0;
	}
	if (choosing->adopt) {
		return err_set(err, ERR_CONFLICT, "The account is not in quarantine.");
	}
	return service_mint_is_held(
		       &choosing->look.publish, clock_wall_ms(choosing->service->clock))
		? 0
		: err_set(err, ERR_CONFLICT,
			  "The account is neither in quarantine nor held because of the "
			  "clock.");
}

/* Ours may be a tombstone, which lists no keys: what counts is what the database has. */
static int
count_lost(struct store_conn *conn, struct choosing *choosing, struct err *err)
{
	const struct jwt_account *there = &choosing->seen.claims.as.account;
	struct store_signing_key *keys = NULL;
	size_t len = 0;
	if (store_signing_key_list(
		    conn, choosing->look.account.head.seq, &keys, &len, err) != 0) {
		return -1;
	}
	for (size_t i = 0; i < there->signing_keys_len; i++) {
		const char *key = there->signing_keys[i].key;
		choosing->choice.keys_lost +=
			account_keys_find(keys, len, key) == NULL ? 1 : 0;
	}
	free(keys);
	return 0;
}

static int
read_ours(struct store_conn *conn, void *ctx, struct err *err)
{
	struct choosing *choosing = ctx;
	bool deleted = choosing->look.deleted != 0;
	if (!deleted && count_lost(conn, choosing, err) != 0) {
		return -1;
	}
	return account_claims_read(
		conn, &choosing->look.account, deleted, &choosing->ours, err);
}

/* Only what passes for natsid's own JWT says which keys are to be trusted. One that lets
 * nobody in lists none: whether any was removed before is not known. */
static bool
retires(const struct choosing *choosing)
{
	const struct quarantine_look *look = &choosing->look;
	return choosing->adopt && look->found && look->deleted == 0 &&
		look->quarantine.cause == STORE_QUARANTINE_NEWER;
}

static int
choose_keys(struct choosing *choosing, struct err *err)
{
	struct quarantine_choice *choice = &choosing->choice;
	return account_keys_prepare_restored(choosing->service, &choosing->look.account,
		       &choosing->seen, &choosing->keys, err) != 0
		? -1
		: account_keys_tell_restored(choosing->service, choosing->keys,
			  &choice->retired, &choice->retired_users, err);
}

/* What nobody chooses, and has to know. */
static int
count_keys(struct choosing *choosing, struct err *err)
{
	if (choosing->seen.claims.sub == NULL) {
		return 0; /* it cannot be read */
	}
	if (service_read(choosing->service, read_ours, choosing, err) != 0) {
		return -1;
	}
	if (retires(choosing)) {
		return choose_keys(choosing, err);
	}
	choosing->choice.keys_only_here =
		mint_seen_keys_only_here(&choosing->seen, &choosing->ours);
	return 0;
}

/* Of what cannot be read nothing is known but that it must go. */
static int
read_seen(struct choosing *choosing, struct err *err)
{
	struct err why = { 0 };
	if (!choosing->look.found) {
		return 0;
	}
	if (mint_seen_read(choosing->look.quarantine.jwt, &choosing->seen, &why) == 0) {
		choosing->choice.generation = quarantine_generation_of(
			choosing->service, choosing->look.quarantine.jwt);
		choosing->iat = choosing->seen.claims.iat;
	} else if (why.code == ERR_NOMEM) {
		*err = why;
		return -1;
	} else if (choosing->adopt) {
		return err_set(err, ERR_CONFLICT,
			"The server's JWT cannot be read (%.100s), so nothing can be "
			"taken over. Use override.",
			why.msg);
	}
	if (choosing->iat >= TIME_MAX_S) {
		return err_set(err, ERR_CONFLICT,
			"The server's JWT is dated so far ahead that none can be later. "
			"Remove the account from the servers first.");
	}
	return 0;
}

static int
choose_once(struct choosing *choosing, struct err *err)
{
	struct quarantine_look *look = &choosing->look;
	if (service_read(choosing->service, quarantine_look_read, look, err) != 0 ||
		authorise(choosing->actor, VERB_UPDATE, &account_collection,
			&look->account, err) != 0 ||
		check_needed(choosing, err) != 0 || read_seen(choosing, err) != 0 ||
		count_keys(choosing, err) != 0) {
		return -1;
	}
	nkey_text_encode(NKEY_ACCOUNT, &look->account.public_key, choosing->choice.key);
	return service_write(
		choosing->service, choosing->actor, write_choice, choosing, NULL, err);
}

static int
choose(struct service *service, const struct actor *actor, const char *id, bool adopt,
	struct quarantine_choice *out, struct err *err)
{
	if (authorise(actor, VERB_UPDATE, &account_collection, NULL, err) != 0) {
		return -1;
	}
	for (int race = 0; race < RACES_MAX; race++) {
		struct choosing choosing = { .service = service,
			.actor = actor,
			.adopt = adopt,
			.look = { .id = id } };
		err_clear(err);
		int rc = choose_once(&choosing, err);
		if (rc == 0) {
			*out = choosing.choice;
			choosing.choice.retired = (struct strlist){ 0 };
		}
		choosing_release(&choosing);
		if (rc == 0) {
			return 0;
		}
		if (err->code != ERR_STALE) {
			return -1;
		}
	}
	return err_set(
		err, ERR_CONFLICT, "Others keep changing this account. Try again.");
}

int
service_account_adopt(struct service *service, const struct actor *actor, const char *id,
	struct quarantine_choice *out, struct err *err)
{
	return choose(service, actor, id, true, out, err);
}

int
service_account_override(struct service *service, const struct actor *actor,
	const char *id, struct quarantine_choice *out, struct err *err)
{
	return choose(service, actor, id, false, out, err);
}
