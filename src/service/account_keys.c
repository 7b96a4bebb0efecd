/* SPDX-License-Identifier: Apache-2.0 */
#include "service/internal.h"

#include "store/account.h"
#include "store/budget.h"
#include "store/publish.h"
#include "store/revocation.h"

#include <stdlib.h>
#include <string.h>

/* What a change of an account does to its keys. */
struct account_keys {
	struct store_signing_key *old; /* of all sets, as they were looked at */
	size_t old_len;
	struct new_key *made; /* the new set; of the same roles as .old of the set that
				 signs */
	int64_t *roles; /* of each; 0: the plain one */
	size_t made_len;
	int64_t remove; /* set; 0: none */
};

void
account_keys_free(struct account_keys *keys)
{
	if (keys != NULL) {
		free(keys->old);
		free(keys->made);
		free(keys->roles);
		free(keys);
	}
}

/* ---- looking ---- */

static bool
makes_set(const struct work *work)
{
	return work->after.account.rotate_keys || work->after.account.add_signing_key;
}

static bool
removes_set(const struct work *work)
{
	const char *key = work->after.account.remove_signing_key;
	return key != NULL && key[0] != '\0';
}

static int
read_keys(struct store_conn *conn, void *ctx, struct err *err)
{
	struct work *work = ctx;
	struct account_keys *keys = work->keys;
	int64_t account = work->before.head.seq;
	int64_t bytes = 0;
	int64_t more = 0;
	if (store_signing_key_list(conn, account, &keys->old, &keys->old_len, err) != 0) {
		return -1;
	}
	if (!work->after.account.add_signing_key || work->after.account.rotate_keys) {
		return 0;
	}
	if (store_budget_account(conn, account, &bytes, err) != 0 ||
		store_budget_keys(conn, account, &more, err) != 0) {
		return -1;
	}
	return budget_check(bytes + more, BUDGET_KEYS, err);
}

const struct store_signing_key *
account_keys_find(const struct store_signing_key *keys, size_t len, const char *text)
{
	struct nkey_public wanted;
	if (nkey_text_decode(NKEY_ACCOUNT, text, strlen(text), &wanted, NULL) != 0) {
		return NULL;
	}
	for (size_t i = 0; i < len; i++) {
		if (memcmp(&keys[i].public_key, &wanted, sizeof(wanted)) == 0) {
			return &keys[i];
		}
	}
	return NULL;
}

static bool
is_planned(const struct store_signing_key *key, const struct store_retirement *plan)
{
	return key->retire_at == plan->at && key->retire_below == plan->below;
}

/* With a new set the one that signs until now may go. */
static void
choose_removal(struct work *work)
{
	struct account_keys *keys = work->keys;
	const struct store_signing_key *key = account_keys_find(
		keys->old, keys->old_len, work->after.account.remove_signing_key);
	if (key == NULL) {
		violations_add(work->violations, "remove_signing_key", VIOLATION_VALUE,
			"The account has no such signing key.");
	} else if (key->key_set == work->before.account.key_set && !makes_set(work)) {
		violations_add(work->violations, "remove_signing_key", VIOLATION_VALUE,
			"It is one of the keys that sign. Send add_signing_key first, or "
			"rotate_keys in place of both.");
	} else if (work->planned != NULL && !is_planned(key, work->planned)) {
		violations_add(work->violations, "remove_signing_key", VIOLATION_VALUE,
			"It is not planned to go like this any more.");
	} else {
		keys->remove = key->key_set;
	}
}

/* ---- making ---- */

static int
make_key(struct work *work, int64_t role, struct err *err)
{
	char id[RAND_ID_SIZE];
	struct account_keys *keys = work->keys;
	rand_id(work->service->clock, id);
	if (new_key_make(work->service, &keys->made[keys->made_len], "signing_keys",
		    "public_key", id, NKEY_ACCOUNT, err) != 0) {
		return -1;
	}
	keys->roles[keys->made_len++] = role;
	return 0;
}

static int
make_set(struct work *work, struct err *err)
{
	struct account_keys *keys = work->keys;
	int64_t current = work->before.account.key_set;
	keys->made = calloc(keys->old_len + 1, sizeof(*keys->made));
	keys->roles = calloc(keys->old_len + 1, sizeof(*keys->roles));
	if (keys->made == NULL || keys->roles == NULL) {
		return err_nomem(err);
	}
	int rc = make_key(work, 0, err);
	for (size_t i = 0; rc == 0 && i < keys->old_len; i++) {
		if (keys->old[i].key_set == current && keys->old[i].role != 0) {
			rc = make_key(work, keys->old[i].role, err);
		}
	}
	work->after.account.key_set = current + 1;
	return rc;
}

int
account_keys_prepare(struct work *work, struct err *err)
{
	if (!makes_set(work) && !removes_set(work) && !work->after.account.revoke_all) {
		return 0;
	}
	if (work->is_create) {
		if (removes_set(work)) {
			violations_add(work->violations, "remove_signing_key",
				VIOLATION_VALUE, "The account has no such signing key.");
		}
		return 0; /* its keys are new, and nobody has a JWT of them */
	}
	work->keys = calloc(1, sizeof(*work->keys));
	if (work->keys == NULL) {
		return err_nomem(err);
	}
	if (service_read(work->service, read_keys, work, err) != 0) {
		return -1;
	}
	if (removes_set(work)) {
		choose_removal(work);
	}
	return makes_set(work) ? make_set(work, err) : 0;
}

/* ---- writing ---- */

static bool
same_key(const struct store_signing_key *was, const struct store_signing_key *now)
{
	struct store_retirement plan = { .at = now->retire_at,
		.below = now->retire_below };
	return memcmp(&was->public_key, &now->public_key, sizeof(now->public_key)) == 0 &&
		is_planned(was, &plan);
}

static bool
same_keys(const struct account_keys *keys, const struct store_signing_key *now,
	size_t now_len)
{
	if (keys->old_len != now_len) {
		return false;
	}
	for (size_t i = 0; i < now_len; i++) {
		if (!same_key(&keys->old[i], &now[i])) {
			return false;
		}
	}
	return true;
}

/* A role that came to the account meanwhile would have no key in the new set, and a set
 * whose plan was cancelled meanwhile would go all the same. */
static int
check_same_keys(struct store_tx *tx, const struct work *work, struct err *err)
{
	struct store_signing_key *now = NULL;
	size_t len = 0;
	if (store_signing_key_list(
		    store_tx_conn(tx), work->after.head.seq, &now, &len, err) != 0) {
		return -1;
	}
	bool same = same_keys(work->keys, now, len);
	free(now);
	return same
		? 0
		: err_set(err, ERR_STALE,
			  "the account's signing keys or their plans changed meanwhile");
}

static int
write_set(struct store_tx *tx, const struct work *work, struct err *err)
{
	const struct account_keys *keys = work->keys;
	for (size_t i = 0; i < keys->made_len; i++) {
		struct store_signing_key key = {
			.account = work->after.head.seq,
			.role = keys->roles[i],
			.public_key = keys->made[i].seed.public_key,
			.key_set = work->after.account.key_set,
		};
		memcpy(key.id, keys->made[i].id, sizeof(key.id));
		int inserted = store_signing_key_insert(tx, &key, err);
		if (inserted == 0) {
			return err_set(err, ERR_STALE, "the set of keys is there");
		}
		if (inserted < 0 ||
			store_vault_seed_insert(tx, &keys->made[i].seed, err) != 0) {
			return -1;
		}
	}
	return 0;
}

/* The oldest set that is left when one is removed. */
static int64_t
oldest_left(const struct work *work)
{
	const struct account_keys *keys = work->keys;
	int64_t oldest = work->after.account.key_set;
	for (size_t i = 0; i < keys->old_len; i++) {
		int64_t key_set = keys->old[i].key_set;
		if (key_set != keys->remove && key_set < oldest) {
			oldest = key_set;
		}
	}
	return oldest;
}

/* What no key can have signed any more needs no revocation. */
static int
remove_sets(struct store_tx *tx, const struct work *work, struct err *err)
{
	const struct account *account = &work->after.account;
	int64_t seq = work->after.head.seq;
	if (account->rotate_keys) {
		return store_signing_key_delete_sets(
			       tx, seq, account->key_set, true, err) != 0
			? -1
			: store_revocation_drop_all(tx, seq, err);
	}
	if (work->keys->remove == 0) {
		return 0;
	}
	return store_signing_key_delete_sets(tx, seq, work->keys->remove, false, err) != 0
		? -1
		: store_revocation_drop_below(tx, seq, oldest_left(work), err);
}

/* The activations in the JWTs of others are signed by the set that signs, so they are
 * none of a set that is removed. */
static int
renew_activations(struct store_tx *tx, const struct work *work, struct err *err)
{
	return work->keys->made_len > 0
		? store_publish_bump_importers(tx, &work->after.account.public_key, err)
		: 0;
}

/* Nobody can hold a JWT of keys that were just made. */
static int
revoke_all(struct store_tx *tx, const struct work *work, struct err *err)
{
	int64_t seq = work->after.head.seq;
	int64_t at = 0;
	int64_t now = clock_wall_s(work->service->clock);
	if (!work->after.account.revoke_all || work->after.account.rotate_keys) {
		return 0;
	}
	if (store_account_newest_iat(store_tx_conn(tx), seq, &at, err) != 0) {
		return -1;
	}
	return store_revocation_put_all(tx, seq, at > now ? at : now, err);
}

int
account_keys_write(struct store_tx *tx, struct work *work, struct err *err)
{
	if (work->keys == NULL) {
		return 0;
	}
	if (check_same_keys(tx, work, err) != 0 || write_set(tx, work, err) != 0 ||
		remove_sets(tx, work, err) != 0 ||
		renew_activations(tx, work, err) != 0 || revoke_all(tx, work, err) != 0) {
		return -1;
	}
	return store_publish_bump(tx, work->after.head.seq, true, err);
}
