/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

#include "base/log.h"
#include "json/json.h"
#include "publish/server.h"
#include "store/drift.h"
#include "store/publish.h"
#include "store/server.h"

#include <stdlib.h>
#include <string.h>

enum {
	LIST_WAIT_MS = 2000, /* and one for each account */
	LIST_MAX = 256 * 1024 * 1024, /* bytes; an account takes 59 */
	MISSING_MAX = 256, /* jobs that one answer makes */
	FOREIGN_MAX = 1000, /* of one server, that are written down */
	JUST_NOW_MS = 2000 /* what was minted later than that before the question may not
			      have been there yet */
};

struct inventory {
	struct publisher *p;
	size_t index; /* of the server, in the roster */
	struct nkey_public *keys; /* that it has, sorted; owned */
	size_t len;
	size_t at; /* of the walk along our accounts */
	size_t foreign;
	struct nkey_public *foreign_keys; /* owned, FOREIGN_MAX places */
	size_t unheard; /* of those, that no server was known to have */
	char first_unheard[NKEY_TEXT_SIZE];
	size_t missing;
};

static int
compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct nkey_public));
}

static int
take_keys(struct inventory *inventory, const json_t *list, struct err *err)
{
	size_t i = 0;
	json_t *item = NULL;
	inventory->keys = calloc(json_array_size(list) + 1, sizeof(*inventory->keys));
	inventory->foreign_keys = calloc(FOREIGN_MAX, sizeof(*inventory->foreign_keys));
	if (inventory->keys == NULL || inventory->foreign_keys == NULL) {
		return err_nomem(err);
	}
	json_array_foreach(list, i, item)
	{
		struct err odd = { 0 };
		const char *text = json_string_value(item);
		if (text != NULL &&
			nkey_text_decode(NKEY_ACCOUNT, text, strlen(text),
				&inventory->keys[inventory->len], &odd) == 0) {
			inventory->len++;
		}
	}
	qsort(inventory->keys, inventory->len, sizeof(*inventory->keys), compare_keys);
	return 0;
}

static void
add_foreign(struct inventory *inventory)
{
	if (inventory->foreign < FOREIGN_MAX) {
		inventory->foreign_keys[inventory->foreign] =
			inventory->keys[inventory->at];
	}
	inventory->foreign++;
}

/* It says that it lacks what all were seen to hold. That is looked at before it is
 * pushed.
 */
static void
add_missing(struct inventory *inventory, const struct store_publish_key *ours)
{
	struct publisher *p = inventory->p;
	if (ours->buried || ours->proven_generation == 0 ||
		ours->minted_at > p->pass.asked_at - JUST_NOW_MS ||
		p->members[inventory->index].resolver == STORE_RESOLVER_CACHE ||
		jobs_find(&p->jobs, ours->account) != NULL) {
		return;
	}
	if (++inventory->missing > MISSING_MAX) {
		publish_lacks_many(p);
		return;
	}
	struct job *job = jobs_add(&p->jobs, ours->account, true);
	if (job != NULL) { /* otherwise the pass comes to it */
		job->look = true;
		job->where = p->members[inventory->index].seq;
	}
}

static int
compare_account(void *ctx, const struct store_publish_key *ours, struct err *err)
{
	struct inventory *inventory = ctx;
	(void)err; /* comparing cannot fail */
	while (inventory->at < inventory->len &&
		compare_keys(&inventory->keys[inventory->at], &ours->key) < 0) {
		add_foreign(inventory);
		inventory->at++;
	}
	if (inventory->at < inventory->len &&
		compare_keys(&inventory->keys[inventory->at], &ours->key) == 0) {
		inventory->at++;
	} else {
		add_missing(inventory, ours);
	}
	return 0;
}

static int
write_foreign_one(struct store_tx *tx, struct inventory *inventory, int64_t server,
	const char *key, struct err *err)
{
	bool known = false;
	if (store_drift_is_foreign(store_tx_conn(tx), key, &known, err) != 0) {
		return -1;
	}
	if (!known && inventory->unheard++ == 0) {
		memcpy(inventory->first_unheard, key, NKEY_TEXT_SIZE);
	}
	return store_drift_found(tx, server, key, STORE_DRIFT_FOREIGN, err);
}

static int
write_foreign(struct store_tx *tx, void *ctx, struct err *err)
{
	struct inventory *inventory = ctx;
	int64_t server = inventory->p->members[inventory->index].seq;
	int64_t begin = store_tx_now(tx);
	if (server == 0) {
		return 0; /* one of two of one name: whose they are nobody could tell */
	}
	size_t len = inventory->foreign < FOREIGN_MAX ? inventory->foreign : FOREIGN_MAX;
	inventory->unheard = 0;
	for (size_t i = 0; i < len; i++) {
		char key[NKEY_TEXT_SIZE];
		nkey_text_encode(NKEY_ACCOUNT, &inventory->foreign_keys[i], key);
		if (write_foreign_one(tx, inventory, server, key, err) != 0) {
			return -1;
		}
	}
	return store_drift_foreign_gone(tx, server, begin, err);
}

/* Of what all servers have the first one to tell it is named, and once. */
static void
tell_foreign(const struct inventory *inventory)
{
	if (inventory->unheard > 0) {
		log_warn("a server holds accounts that natsid does not know",
			LOG_STR("server",
				inventory->p->roster.servers[inventory->index].name),
			LOG_INT("accounts", (int64_t)inventory->unheard),
			LOG_STR("first", inventory->first_unheard));
	}
}

static int
compare(struct inventory *inventory, struct err *err)
{
	struct publisher *p = inventory->p;
	struct store_conn *conn = NULL;
	if (store_read_begin(p->params.store, &conn, err) != 0) {
		return -1;
	}
	int rc = store_publish_keys(conn, compare_account, inventory, err);
	store_read_end(p->params.store, conn);
	for (; rc == 0 && inventory->at < inventory->len; inventory->at++) {
		add_foreign(inventory);
	}
	if (rc != 0 || store_write(p->params.store, write_foreign, inventory, err) != 0) {
		return -1;
	}
	tell_foreign(inventory);
	return 0;
}

static int
take_inventory(struct publisher *p, const struct server *server, const json_t *list,
	struct err *err)
{
	struct inventory inventory = { .p = p };
	int index = publish_heard(p, server->id);
	if (index < 0) {
		return 0; /* one that came since */
	}
	p->heard[index] = publish_now_ms(p); /* and from now on it answers */
	p->pass.listed |= UINT64_C(1) << index;
	if (list == NULL) {
		return 0; /* it keeps no accounts, or cannot tell them */
	}
	inventory.index = (size_t)index;
	int rc = take_keys(&inventory, list, err);
	if (rc == 0) {
		rc = compare(&inventory, err);
	}
	free(inventory.keys);
	free(inventory.foreign_keys);
	return rc;
}

static int
take_answer(struct publisher *p, const struct note *note, struct err *err)
{
	json_t *root = NULL;
	json_t *list = NULL;
	struct server server = { 0 };
	if (json_parse(note->data, note->len, LIST_MAX, &root, err) != 0) {
		return -1;
	}
	int rc = server_read(root, &server, err);
	if (rc == 0) {
		rc = json_get_array(root, "data", &list, err);
	}
	if (rc == 0) {
		rc = take_inventory(p, &server, list, err);
	}
	json_decref(root);
	return rc;
}

void
publish_list(struct publisher *p)
{
	struct err err = { 0 };
	int64_t wait = LIST_WAIT_MS + p->pass.accounts;
	p->pass.listed = 0;
	p->pass.request = p->next_request++;
	p->pass.asked_at = clock_wall_ms(p->params.clock);
	if (publish_request(
		    p, p->pass.request, "$SYS.REQ.CLAIMS.LIST", "", 0, wait, &err) != 0) {
		publish_finish_list(p); /* the connection is down: a new pass comes */
		return;
	}
	/* Who is silent now is not missing, though LIST be given up before. */
	for (size_t i = 0; i < p->roster.len; i++) {
		p->heard[i] = publish_now_ms(p) + wait;
	}
}

void
publish_on_list_answer(struct publisher *p, const struct note *note)
{
	struct err err = { 0 };
	if (!note->no_responders && take_answer(p, note, &err) != 0) {
		log_warn("odd answer to LIST", LOG_STR("error", err.msg));
	}
	if (note->no_responders) {
		publish_finish_list(p);
	} else {
		publish_finish_listed(p);
	}
}

void
publish_finish_listed(struct publisher *p)
{
	if (p->pass.request != 0 && p->pass.listed == publish_mask(p->roster.len)) {
		publish_finish_list(p);
	}
}

void
publish_finish_list(struct publisher *p)
{
	if (p->pass.request != 0) {
		bus_cancel(p->bus, p->pass.request);
		p->pass.request = 0;
	}
	publish_listed(p);
}
