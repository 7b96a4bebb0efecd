/* SPDX-License-Identifier: Apache-2.0
 * How far an account has come on its way to the servers. */
#include "api/call.h"

#include "base/emit.h"
#include "service/account_state.h"
#include "service/servers.h"

static void
emit_quarantine(struct emit *emit, const struct store_quarantine *quarantine)
{
	emit_key(emit, "quarantine");
	emit_object_begin(emit);
	emit_kv_text(emit, "cause", store_quarantine_cause_name(quarantine->cause));
	emit_kv_text(emit, "server", quarantine->server);
	emit_kv_date(emit, "found_at", quarantine->found_at);
	emit_object_end(emit);
}

static void
emit_server(struct emit *emit, const struct store_server *server,
	const struct store_account_server *held, int64_t wanted)
{
	emit_object_begin(emit);
	emit_kv_text(emit, "cluster", server->cluster);
	emit_kv_text(emit, "name", server->name);
	emit_kv_text(emit, "state", server_state(server));
	emit_kv_int(emit, "wanted", wanted);
	emit_kv_int(emit, "proven", held->generation);
	emit_kv_bool(emit, "current", held->current);
	emit_kv_date(emit, "since", held->proven_at);
	emit_kv_text(emit, "words", held->words);
	emit_kv_date(emit, "tried_at", held->tried_at);
	emit_object_end(emit);
}

static void
emit_state(struct emit *emit, const struct account_state *state)
{
	emit_object_begin(emit);
	emit_kv_text(emit, "account", state->id);
	emit_kv_text(emit, "public_key", state->public_key);
	emit_kv_text(emit, "publish_status", state->status);
	emit_kv_text(emit, "message", state->message);
	emit_kv_int(emit, "wanted", state->wanted);
	emit_kv_int(emit, "minted", state->minted);
	emit_kv_int(emit, "proven", state->proven);
	emit_kv_int(emit, "attempts", state->attempts);
	if (state->quarantined) {
		emit_quarantine(emit, &state->quarantine);
	}
	emit_key(emit, "servers");
	emit_array_begin(emit);
	for (size_t i = 0; i < state->len; i++) {
		emit_server(emit, &state->servers[i], &state->held[i], state->wanted);
	}
	emit_array_end(emit);
	emit_object_end(emit);
}

int
api_native_account_state(struct api_call *call, struct err *err)
{
	struct account_state state = { 0 };
	struct emit emit;
	if (service_account_state(call->api->params.service, &call->actor, call->match.id,
		    &state, err) != 0) {
		return -1;
	}
	emit_init(&emit, &call->res->body);
	emit_state(&emit, &state);
	account_state_release(&state);
	return 0;
}
