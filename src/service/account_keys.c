/* SPDX-License-Identifier: Apache-2.0 */
#include "service/internal.h"

#include "mint/seen.h"
#include "store/account.h"
#include "store/budget.h"
#include "store/publish.h"
#include "store/restored.h"
#include "store/revocation.h"

#include <stdlib.h>
#include <string.h>

/* What a change of an account does to its keys. */
struct account_keys {
	int64_t account; /* seq */
	int64_t key_set; /* that signs afterwards; .made are of it */
	struct store_signing_key *old; /* of all sets, as they were looked at */
	bool *goes; /* each of .old */
	size_t old_len;
	struct new_key *made;
	int64_t *roles; /* of each; 0: the plain one */
	size_t made_len;
};

void
account_keys_free(struct account_keys *keys)
{
	if (keys != NULL) {
		free(keys->old);
		free(keys->goes);
		free(keys->made);
		free(keys->roles);
		free(keys);
	}
}

static int
make_room(struct account_keys *keys, struct err *err)
{
	size_t most = keys->old_len + 1;
	keys->goes = calloc(most, sizeof(*keys->goes));
	keys->made = calloc(most, sizeof(*keys->made));
	keys->roles = calloc(most, sizeof(*keys->roles));
	return keys->goes != NULL && keys->made != NULL && keys->roles != NULL
		? 0
		: err_nomem(err);
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
read_old(struct store_conn *conn, void *ctx, struct err *err)
{
	struct account_keys *keys = ctx;
	return store_signing_key_list(
		conn, keys->account, &keys->old, &keys->old_len, err);
}

static int
read_keys(struct store_conn *conn, void *ctx, struct err *err)
{
	struct work *work = ctx;
	int64_t account = work->before.head.seq;
	int64_t bytes = 0;
	int64_t more = 0;
	if (read_old(conn, work->keys, err) != 0) {
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

static void
let_set_go(struct account_keys *keys, int64_t key_set)
{
	for (size_t i = 0; i < keys->old_len; i++) {
		keys->goes[i] = keys->goes[i] || keys->old[i].key_set == key_set;
	}
}

static void
let_all_go(struct account_keys *keys)
{
	for (size_t i = 0; i < keys->old_len; i++) {
		keys->goes[i] = true;
	}
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
		let_set_go(keys, key->key_set);
	}
}

/* ---- making ---- */

static int
make_key(
	struct service *service, struct account_keys *keys, int64_t role, struct err *err)
{
	char id[RAND_ID_SIZE];
	rand_id(service->clock, id);
	if (new_key_make(service, &keys->made[keys->made_len], "signing_keys",
		    "public_key", id, NKEY_ACCOUNT, err) != 0) {
		return -1;
	}
	keys->roles[keys->made_len++] = role;
	return 0;
}

/* Of the same roles as the set that signs until now. */
static int
make_set(struct service *service, struct account_keys *keys, struct err *err)
{
	int64_t current = keys->key_set++;
	int rc = make_key(service, keys, 0, err);
	for (size_t i = 0; rc == 0 && i < keys->old_len; i++) {
		if (keys->old[i].key_set == current && keys->old[i].role != 0) {
			rc = make_key(service, keys, keys->old[i].role, err);
		}
	}
	return rc;
}

static struct account_keys *
begin(const struct account *account, struct err *err)
{
	struct account_keys *keys = calloc(1, sizeof(*keys));
	if (keys == NULL) {
		err_nomem(err);
		return NULL;
	}
	keys->account = account->head.seq;
	keys->key_set = account->key_set;
	return keys;
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
	work->keys = begin(&work->before.account, err);
	if (work->keys == NULL ||
		service_read(work->service, read_keys, work, err) != 0 ||
		make_room(work->keys, err) != 0) {
		return -1;
	}
	if (work->after.account.rotate_keys) {
		let_all_go(work->keys);
	}
	if (removes_set(work)) {
		choose_removal(work);
	}
	if (makes_set(work) && make_set(work->service, work->keys, err) != 0) {
		return -1;
	}
	work->after.account.key_set = work->keys->key_set;
	return 0;
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
check_same_keys(struct store_tx *tx, const struct account_keys *keys, struct err *err)
{
	struct store_signing_key *now = NULL;
	size_t len = 0;
	if (store_signing_key_list(store_tx_conn(tx), keys->account, &now, &len, err) !=
		0) {
		return -1;
	}
	bool same = same_keys(keys, now, len);
	free(now);
	return same
		? 0
		: err_set(err, ERR_STALE,
			  "the account's signing keys or their plans changed meanwhile");
}

static int
write_made(struct store_tx *tx, const struct account_keys *keys, struct err *err)
{
	for (size_t i = 0; i < keys->made_len; i++) {
		struct store_signing_key key = {
			.account = keys->account,
			.role = keys->roles[i],
			.public_key = keys->made[i].seed.public_key,
			.key_set = keys->key_set,
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

/* The oldest set that is left. */
static int64_t
oldest_left(const struct account_keys *keys)
{
	int64_t oldest = keys->key_set;
	for (size_t i = 0; i < keys->old_len; i++) {
		if (!keys->goes[i] && keys->old[i].key_set < oldest) {
			oldest = keys->old[i].key_set;
		}
	}
	return oldest;
}

/* What no key can have signed any more needs no revocation. */
static int
remove_all(struct store_tx *tx, const struct account_keys *keys, struct err *err)
{
	return store_signing_key_delete_sets(
		       tx, keys->account, keys->key_set, true, err) != 0
		? -1
		: store_revocation_drop_all(tx, keys->account, err);
}

static size_t
count_going(const struct account_keys *keys)
{
	size_t count = 0;
	for (size_t i = 0; i < keys->old_len; i++) {
		count += keys->goes[i] ? 1 : 0;
	}
	return count;
}

/* With its plain key the whole set goes. */
static int
remove_sets(struct store_tx *tx, const struct account_keys *keys, struct err *err)
{
	for (size_t i = 0; i < keys->old_len; i++) {
		if (!keys->goes[i] || keys->old[i].role != 0) {
			continue;
		}
		if (store_signing_key_delete_sets(
			    tx, keys->account, keys->old[i].key_set, false, err) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
remove_as_asked(struct store_tx *tx, const struct account_keys *keys, struct err *err)
{
	size_t going = count_going(keys);
	if (going == 0) {
		return 0;
	}
	if (going == keys->old_len) {
		return remove_all(tx, keys, err);
	}
	return remove_sets(tx, keys, err) != 0
		? -1
		: store_revocation_drop_below(tx, keys->account, oldest_left(keys), err);
}

/* The activations in the JWTs of others are signed by the set that signs, so they are
 * none of a set that is removed. */
static int
renew_activations(struct store_tx *tx, const struct account_keys *keys,
	const struct nkey_public *account, struct err *err)
{
	return keys->made_len > 0 ? store_publish_bump_importers(tx, account, err) : 0;
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
	const struct account_keys *keys = work->keys;
	if (keys == NULL) {
		return 0;
	}
	if (check_same_keys(tx, keys, err) != 0 || write_made(tx, keys, err) != 0 ||
		remove_as_asked(tx, keys, err) != 0 ||
		renew_activations(tx, keys, &work->after.account.public_key, err) != 0 ||
		revoke_all(tx, work, err) != 0) {
		return -1;
	}
	return store_publish_bump(tx, work->after.head.seq, true, err);
}

/* ---- after a restored backup ---- */

static bool
set_goes(const struct account_keys *keys, int64_t key_set)
{
	for (size_t i = 0; i < keys->old_len; i++) {
		if (keys->old[i].key_set == key_set && keys->old[i].role == 0) {
			return keys->goes[i];
		}
	}
	return true;
}

/* natsid removes sets as a whole, and scoped keys with their role. Without its plain key
 * a set is none that natsid would keep. */
static void
let_unlisted_go(struct account_keys *keys, const struct mint_account *seen)
{
	for (size_t i = 0; i < keys->old_len; i++) {
		keys->goes[i] = !mint_seen_lists_key(seen, &keys->old[i].public_key);
	}
	for (size_t i = 0; i < keys->old_len; i++) {
		if (set_goes(keys, keys->old[i].key_set)) {
			let_set_go(keys, keys->old[i].key_set);
		}
	}
}

/* Those that users of the set that signs will need. */
static int
replace(struct service *service, const struct account *account, struct account_keys *keys,
	struct err *err)
{
	if (!set_goes(keys, account->key_set)) {
		int rc = 0;
		for (size_t i = 0; rc == 0 && i < keys->old_len; i++) {
			if (keys->goes[i] && keys->old[i].key_set == account->key_set) {
				rc = make_key(service, keys, keys->old[i].role, err);
			}
		}
		return rc;
	}
	if (account->is_system) {
		return err_set(err, ERR_CONFLICT,
			"The server's JWT does not list the keys of the system account, "
			"and natsid itself connects with them: they cannot be retired. "
			"Use override.");
	}
	return make_set(service, keys, err);
}

int
account_keys_prepare_restored(struct service *service, struct account *account,
	const struct mint_account *seen, struct account_keys **out, struct err *err)
{
	struct account_keys *keys = begin(account, err);
	if (keys == NULL || service_read(service, read_old, keys, err) != 0 ||
		make_room(keys, err) != 0) {
		goto fail;
	}
	let_unlisted_go(keys, seen);
	if (replace(service, account, keys, err) != 0) {
		goto fail;
	}
	account->key_set = keys->key_set;
	*out = keys;
	return 0;
fail:
	account_keys_free(keys);
	return -1;
}

struct telling {
	const struct account_keys *keys;
	struct strlist *out_keys;
	int64_t *out_users;
};

static int
tell_key(struct store_conn *conn, const struct telling *telling,
	const struct store_signing_key *key, struct err *err)
{
	const struct account_keys *keys = telling->keys;
	char text[NKEY_TEXT_SIZE];
	int64_t users = 0;
	nkey_text_encode(NKEY_ACCOUNT, &key->public_key, text);
	if (strlist_add(telling->out_keys, text, err) != 0) {
		return -1;
	}
	if (key->role != 0 && set_goes(keys, key->key_set)) {
		return 0; /* they are counted with the set */
	}
	if (store_user_count_signed(
		    conn, keys->account, key->key_set, key->role, &users, err) != 0) {
		return -1;
	}
	*telling->out_users += users;
	return 0;
}

static int
read_telling(struct store_conn *conn, void *ctx, struct err *err)
{
	const struct telling *telling = ctx;
	const struct account_keys *keys = telling->keys;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < keys->old_len; i++) {
		if (keys->goes[i]) {
			rc = tell_key(conn, telling, &keys->old[i], err);
		}
	}
	return rc;
}

int
account_keys_tell_restored(struct service *service, const struct account_keys *keys,
	struct strlist *out_keys, int64_t *out_users, struct err *err)
{
	struct telling telling = {
		.keys = keys, .out_keys = out_keys, .out_users = out_users
	};
	return service_read(service, read_telling, &telling, err);
}

/* Scoped keys whose set stays. */
static int
remove_scoped(struct store_tx *tx, const struct account_keys *keys, struct err *err)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < keys->old_len; i++) {
		if (keys->goes[i] && !set_goes(keys, keys->old[i].key_set)) {
			rc = destroy_signing_keys(tx, &keys->old[i], 1, err);
		}
	}
	return rc;
}

/* Which users got creds since the backup is not known, nor who of the suspended was
 * active again; so no revocation goes while a key stays. */
static int
remove_restored(struct store_tx *tx, const struct account_keys *keys, struct err *err)
{
	size_t going = count_going(keys);
	if (going > 0 && going == keys->old_len) {
		return remove_all(tx, keys, err);
	}
	return remove_scoped(tx, keys, err) != 0 || remove_sets(tx, keys, err) != 0
		? -1
		: store_restored_account(tx, keys->account, err);
}

int
account_keys_write_restored(struct store_tx *tx, const struct account_keys *keys,
	const struct account *account, struct err *err)
{
	return check_same_keys(tx, keys, err) != 0 ||
			remove_restored(tx, keys, err) != 0 ||
			write_made(tx, keys, err) != 0
		? -1
		: renew_activations(tx, keys, &account->public_key, err);
}
