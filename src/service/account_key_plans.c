/* SPDX-License-Identifier: Apache-2.0 */
#include "service/account_key_plans.h"

#include "base/log.h"
#include "base/str.h"
#include "service/internal.h"
#include "store/record.h"

#include <stdlib.h>
#include <string.h>

/* ---- the list ---- */

void
account_key_list_release(struct account_key_list *list)
{
	free(list->keys);
	*list = (struct account_key_list){ 0 };
}

void
account_key_list_count(struct account_key_list *list, const char *issuer_key)
{
	if (issuer_key == NULL || issuer_key[0] == '\0') {
		list->unknown_connections++;
		return;
	}
	for (size_t i = 0; i < list->len; i++) {
		if (str_equal(list->keys[i].public_key, issuer_key)) {
			list->keys[i].connections++;
			return;
		}
	}
	list->other_connections++;
}

struct key_query {
	const char *account; /* id; NULL: by .seq */
	int64_t seq;
	char id[RAND_ID_SIZE];
	struct account_key_list list;
};

static int
fill_list(const struct account *account, const struct store_signing_key *keys, size_t len,
	struct account_key_list *out, struct err *err)
{
	out->keys = calloc(len + 1, sizeof(*out->keys));
	if (out->keys == NULL) {
		return err_nomem(err);
	}
	nkey_text_encode(NKEY_ACCOUNT, &account->public_key, out->account_key);
	for (size_t i = 0; i < len; i++) {
		struct account_key *key = &out->keys[out->len++];
		nkey_text_encode(NKEY_ACCOUNT, &keys[i].public_key, key->public_key);
		memcpy(key->role_id, keys[i].role_id, sizeof(key->role_id));
		key->key_set = keys[i].key_set;
		key->signs = keys[i].key_set == account->key_set;
		key->created = keys[i].created;
		key->retire_at = keys[i].retire_at;
		key->retire_below = keys[i].retire_below;
	}
	return 0;
}

static int
read_list(struct store_conn *conn, void *ctx, struct err *err)
{
	struct key_query *query = ctx;
	struct account account = { 0 };
	struct store_signing_key *keys = NULL;
	size_t len = 0;
	int rc = query->account != NULL ? store_record_get(conn, &account_collection,
						  query->account, &account, err)
					: store_record_get_seq(conn, &account_collection,
						  query->seq, &account, err);
	if (rc == 0) {
		query->seq = account.head.seq;
		memcpy(query->id, account.head.id, sizeof(query->id));
		rc = store_signing_key_list(conn, account.head.seq, &keys, &len, err);
	}
	if (rc == 0) {
		rc = fill_list(&account, keys, len, &query->list, err);
	}
	free(keys);
	record_release(&account_collection, &account);
	return rc;
}

int
service_account_keys(struct service *service, const struct actor *actor,
	const char *account, struct account_key_list *out, struct err *err)
{
	struct key_query query = { .account = account };
	if (authorise(actor, VERB_VIEW, &account_collection, NULL, err) != 0 ||
		service_read(service, read_list, &query, err) != 0) {
		return -1;
	}
	*out = query.list;
	return 0;
}

/* ---- plans ---- */

struct plan {
	const struct actor *actor;
	const struct key_retirement *wanted;
};

static int
write_plan(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct plan *plan = ctx;
	const struct key_retirement *wanted = plan->wanted;
	struct account account = { 0 };
	struct store_signing_key *keys = NULL;
	const struct store_signing_key *key = NULL;
	size_t len = 0;
	int rc = -1;
	bool keep = wanted->at == 0 && wanted->below == 0;
	struct store_conn *conn = store_tx_conn(tx);
	struct store_retirement retirement = { .at = wanted->at, .below = wanted->below };
	if (store_record_get(conn, &account_collection, wanted->account, &account, err) !=
			0 ||
		store_signing_key_list(conn, account.head.seq, &keys, &len, err) != 0) {
		goto out;
	}
	key = account_keys_find(keys, len, wanted->public_key);
	if (key == NULL) {
		err_set(err, ERR_NOT_FOUND, "The account has no such signing key.");
		goto out;
	}
	if (key->key_set == account.key_set && !keep) {
		err_set(err, ERR_CONFLICT,
			"It is one of the keys that sign. Send add_signing_key to the "
			"account first.");
		goto out;
	}
	if (store_signing_key_plan(
		    tx, account.head.seq, key->key_set, &retirement, err) != 0) {
		goto out;
	}
	rc = service_audit(tx, plan->actor, keep ? "keep_keys" : "retire_keys",
		&account_collection, account.head.id, NULL, err);
out:
	free(keys);
	record_release(&account_collection, &account);
	return rc;
}

static int
note_plan(struct service *service, const struct actor *actor,
	const struct key_retirement *wanted, struct preview *preview, struct err *err)
{
	struct plan plan = { .actor = actor, .wanted = wanted };
	if (authorise(actor, VERB_UPDATE, &account_collection, NULL, err) != 0) {
		return -1;
	}
	return service_write(service, actor, write_plan, &plan, preview, err);
}

/* As a change of the account that says remove_signing_key. */
static int
remove_now(struct service *service, const struct actor *actor,
	const struct key_retirement *which, const struct store_retirement *planned,
	struct preview *preview, struct violations *violations, struct err *err)
{
	struct account row = { .remove_signing_key = str_dup(which->public_key) };
	struct record_change change = {
		.collection = &account_collection,
		.row = &row,
		.present =
			collection_field_bit(&account_collection, "remove_signing_key"),
		.planned = planned,
		.preview = preview,
	};
	if (row.remove_signing_key == NULL) {
		return err_nomem(err);
	}
	int rc = service_record_update(
		service, actor, which->account, &change, NULL, violations, err);
	free(row.remove_signing_key);
	return rc;
}

int
service_account_key_retire(struct service *service, const struct actor *actor,
	const struct key_retirement *retirement, struct preview *preview,
	struct violations *violations, struct err *err)
{
	if (retirement->at == 0 && retirement->below == 0) {
		return remove_now(
			service, actor, retirement, NULL, preview, violations, err);
	}
	return note_plan(service, actor, retirement, preview, err);
}

int
service_account_key_keep(struct service *service, const struct actor *actor,
	const char *account, const char *public_key, struct preview *preview,
	struct err *err)
{
	struct key_retirement none = { .account = account, .public_key = public_key };
	return note_plan(service, actor, &none, preview, err);
}

/* ---- carrying them out ---- */

struct planned {
	struct store_signing_key *keys;
	size_t len;
};

static int
read_planned(struct store_conn *conn, void *ctx, struct err *err)
{
	struct planned *planned = ctx;
	return store_signing_key_planned(conn, &planned->keys, &planned->len, err);
}

/* Fewer than `below` percent of all connections. Who may be on it counts as if it were.
 * Where nobody is connected nothing can be told: a fleet that is asleep keeps its keys.
 */
static bool
is_below(const struct account_key_list *list, int64_t key_set, int64_t below)
{
	int64_t on_set = list->unknown_connections;
	int64_t all = list->unknown_connections + list->other_connections;
	for (size_t i = 0; i < list->len; i++) {
		all += list->keys[i].connections;
		on_set +=
			list->keys[i].key_set == key_set ? list->keys[i].connections : 0;
	}
	return all > 0 && on_set * 100 < below * all;
}

/* Only a complete count tells that nobody is there. */
static int
is_due(struct service *service, const struct store_signing_key *key,
	struct key_query *query, count_connections_fn count, void *ctx, bool *out,
	struct err *err)
{
	bool complete = false;
	*out = key->retire_at > 0 && key->retire_at <= clock_wall_ms(service->clock);
	if (*out || key->retire_below == 0 || count == NULL) {
		return 0;
	}
	if (count(ctx, &query->list, &complete, err) != 0) {
		if (err->code != ERR_UNAVAILABLE) {
			return -1;
		}
		err_clear(err);
		return 0;
	}
	*out = complete && is_below(&query->list, key->key_set, key->retire_below);
	return 0;
}

/* Somebody may have cancelled or changed the plan since it was read, or have removed the
 * keys: then there is nothing to do. */
static int
remove_as_planned(struct service *service, const struct store_signing_key *key,
	const char *account, struct err *err)
{
	static const struct actor system = { .kind = ACTOR_SYSTEM };
	char text[NKEY_TEXT_SIZE];
	struct violations violations = { 0 };
	struct key_retirement which = { .account = account, .public_key = text };
	struct store_retirement planned = { .at = key->retire_at,
		.below = key->retire_below };
	nkey_text_encode(NKEY_ACCOUNT, &key->public_key, text);
	if (remove_now(service, &system, &which, &planned, NULL, &violations, err) == 0) {
		log_info("retired signing keys as planned", LOG_STR("account", account),
			LOG_STR("key", text));
		return 0;
	}
	if (violations.len != 1 ||
		!str_equal(violations.items[0].field, "remove_signing_key")) {
		return -1;
	}
	err_clear(err);
	return 0;
}

static int
carry_out(struct service *service, const struct store_signing_key *key,
	count_connections_fn count, void *ctx, struct err *err)
{
	bool due = false;
	struct key_query query = { .seq = key->account };
	int rc = service_read(service, read_list, &query, err);
	if (rc == 0) {
		rc = is_due(service, key, &query, count, ctx, &due, err);
	}
	if (rc == 0 && due) {
		rc = remove_as_planned(service, key, query.id, err);
	}
	account_key_list_release(&query.list);
	return rc;
}

int
service_account_keys_due(
	struct service *service, count_connections_fn count, void *ctx, struct err *err)
{
	int rc = 0;
	struct planned planned = { 0 };
	if (service_read(service, read_planned, &planned, err) != 0) {
		return -1;
	}
	for (size_t i = 0; i < planned.len; i++) {
		struct err why = { 0 };
		if (carry_out(service, &planned.keys[i], count, ctx, &why) != 0) {
			*err = why;
			rc = -1;
		}
	}
	free(planned.keys);
	return rc;
}
