/* SPDX-License-Identifier: Apache-2.0 */
#include "service/account_state.h"

#include "base/str.h"
#include "service/internal.h"
#include "store/publish.h"
#include "store/record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void
account_state_release(struct account_state *state)
{
	free(state->status);
	free(state->message);
	free(state->servers);
	free(state->held);
	store_quarantine_release(&state->quarantine);
	*state = (struct account_state){ 0 };
}

static int
copy_field(const struct record_view *view, const char *name, char **out, struct err *err)
{
	size_t len = 0;
	int index = collection_field_index(view->collection, name);
	assert(index >= 0);
	const char *text = record_view_text(view, (size_t)index, &len);
	*out = str_dup_n(text != NULL ? text : "", len);
	return *out == NULL ? err_nomem(err) : 0;
}

static int
read_record(void *ctx, const struct record_view *view, struct err *err)
{
	struct account_state *state = ctx;
	return copy_field(view, "publish_status", &state->status, err) != 0 ||
			copy_field(view, "publish_message", &state->message, err) != 0
		? -1
		: 0;
}

static int
read_generations(struct store_conn *conn, int64_t seq, struct account_state *state,
	struct err *err)
{
	struct store_publish publish;
	if (store_publish_get(conn, seq, &publish, err) != 0) {
		return -1;
	}
	state->wanted = publish.generation;
	state->minted = publish.minted_generation;
	state->proven = publish.proven_generation;
	state->attempts = publish.attempts;
	return 0;
}

/* Both lists are in the same order, of one snapshot. */
static int
read_servers(struct store_conn *conn, int64_t seq, struct account_state *state,
	struct err *err)
{
	size_t len = 0;
	if (store_server_list(conn, &state->servers, &state->len, err) != 0 ||
		store_account_server_list(conn, seq, &state->held, &len, err) != 0) {
		return -1;
	}
	assert(len == state->len);
	return 0;
}

/* What a server was seen to hold it may have held until it was given what is in
 * quarantine; mostly it is not known which server was. */
static void
doubt_servers(struct account_state *state)
{
	const char *where = state->quarantine.server;
	for (size_t i = 0; i < state->len; i++) {
		if (where[0] == '\0' || str_equal(where, state->servers[i].name)) {
			state->held[i].current = false;
		}
	}
}

static int
read_quarantine(struct store_conn *conn, int64_t seq, struct account_state *state,
	struct err *err)
{
	int rc = store_quarantine_find(conn, seq, &state->quarantine, err);
	state->quarantined = rc > 0;
	if (rc > 0) {
		doubt_servers(state);
	}
	return rc < 0 ? -1 : 0;
}

struct reading {
	const struct actor *actor;
	const char *id;
	struct account_state state;
};

static int
read_state(struct store_conn *conn, void *ctx, struct err *err)
{
	struct reading *reading = ctx;
	struct account_state *state = &reading->state;
	struct account account = { 0 };
	int rc = -1;
	if (store_record_get(conn, &account_collection, reading->id, &account, err) !=
			0 ||
		authorise(reading->actor, VERB_VIEW, &account_collection, &account,
			err) != 0 ||
		store_record_view(conn, &account_collection, reading->id, read_record,
			state, err) != 0 ||
		read_generations(conn, account.head.seq, state, err) != 0 ||
		read_servers(conn, account.head.seq, state, err) != 0 ||
		read_quarantine(conn, account.head.seq, state, err) != 0) {
		goto out;
	}
	memcpy(state->id, account.head.id, sizeof(state->id));
	nkey_text_encode(NKEY_ACCOUNT, &account.public_key, state->public_key);
	rc = 0;
out:
	record_release(&account_collection, &account);
	return rc;
}

int
service_account_state(struct service *service, const struct actor *actor, const char *id,
	struct account_state *out, struct err *err)
{
	struct reading reading = { .actor = actor, .id = id };
	if (authorise(actor, VERB_VIEW, &account_collection, NULL, err) != 0) {
		return -1;
	}
	if (service_read(service, read_state, &reading, err) != 0) {
		account_state_release(&reading.state);
		return -1;
	}
	*out = reading.state;
	return 0;
}

int
service_reconcile_count(struct service *service, const struct actor *actor,
	int64_t *out_count, struct err *err)
{
	struct store_conn *conn = NULL;
	if (authorise(actor, VERB_UPDATE, &account_collection, NULL, err) != 0 ||
		store_read_begin_one(service->store, &conn, err) != 0) {
		return -1;
	}
	int rc = store_record_count(conn, &account_collection, out_count, err);
	store_read_end(service->store, conn);
	return rc;
}
