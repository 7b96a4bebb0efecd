/* SPDX-License-Identifier: Apache-2.0
 * The servers that natsid knows, where they differed, and looking at all of them again.
 */
#include "api/call.h"

#include "api/body.h"
#include "api/query.h"
#include "base/emit.h"
#include "base/str.h"
#include "service/account_state.h"
#include "service/servers.h"

#include <stdlib.h>

enum { DRIFT_SHOWN = 200 };

static void
emit_trusted(struct emit *emit, const struct store_server *server)
{
	emit_key(emit, "trusted");
	if (server->trust_known) {
		emit_bool(emit, server->trusted);
	} else {
		emit_null(emit);
	}
}

static void
emit_server(struct emit *emit, const struct server_item *item)
{
	const struct store_server *server = &item->server;
	emit_object_begin(emit);
	emit_kv_text(emit, "cluster", server->cluster);
	emit_kv_text(emit, "name", server->name);
	emit_kv_text(emit, "id", server->server_id);
	emit_kv_int(emit, "incarnation", server->incarnation);
	emit_kv_text(emit, "version", server->version);
	emit_kv_text(emit, "resolver", store_resolver_name(server->resolver));
	emit_kv_text(emit, "state", server_state(server));
	emit_kv_date(emit, "since", server->since);
	emit_kv_date(emit, "first_seen", server->first_seen);
	emit_kv_date(emit, "last_seen", server->last_seen);
	emit_kv_date(emit, "missing_since", server->missing_since);
	emit_trusted(emit, server);
	emit_kv_bool(emit, "checked", server->checked);
	emit_kv_int(emit, "foreign", item->foreign);
	emit_object_end(emit);
}

static void
emit_sweep(struct emit *emit, const struct api_convergence *state)
{
	emit_kv_text(emit, "blocked", state->blocked);
	emit_key(emit, "sweep");
	emit_object_begin(emit);
	emit_kv_bool(emit, "running", state->sweeping);
	emit_kv_int(emit, "looked", state->looked);
	emit_kv_int(emit, "accounts", state->accounts);
	emit_kv_date(emit, "started", state->started_ms);
	emit_kv_date(emit, "finished", state->finished_ms);
	emit_object_end(emit);
}

int
api_native_servers(struct api_call *call, struct err *err)
{
	const struct api_params *params = &call->api->params;
	struct api_convergence state = { 0 };
	struct server_list list = { 0 };
	struct emit emit;
	if (service_servers(params->service, &call->actor, &list, err) != 0) {
		return -1;
	}
	if (params->convergence != NULL) {
		params->convergence(params->nats_ctx, &state);
	}
	emit_init(&emit, &call->res->body);
	emit_object_begin(&emit);
	emit_key(&emit, "items");
	emit_array_begin(&emit);
	for (size_t i = 0; i < list.len; i++) {
		emit_server(&emit, &list.items[i]);
	}
	emit_array_end(&emit);
	emit_sweep(&emit, &state);
	emit_object_end(&emit);
	server_list_release(&list);
	return 0;
}

static int
read_limit(const struct api_call *call, int64_t *out, struct err *err)
{
	char text[16];
	*out = DRIFT_SHOWN;
	if (api_query_text(call->req, "limit", text, sizeof(text), err) != 0) {
		return -1;
	}
	if (text[0] != '\0' && str_to_int(text, 1, STORE_DRIFT_KEPT, out) != 0) {
		return err_set(err, ERR_INVALID,
			"The query parameter \"limit\" must be a number from 1 to %d.",
			STORE_DRIFT_KEPT);
	}
	return 0;
}

int
api_native_drift(struct api_call *call, struct err *err)
{
	struct store_drift *rows = NULL;
	size_t len = 0;
	int64_t limit = 0;
	struct emit emit;
	/* What is misspelt would seem to be answered, and is the drift of all. */
	static const char *const known[] = { "limit", NULL };
	if (api_query_check_known(call->req, known, err) != 0 ||
		read_limit(call, &limit, err) != 0 ||
		service_drift(call->api->params.service, &call->actor, limit, &rows, &len,
			err) != 0) {
		return -1;
	}
	emit_init(&emit, &call->res->body);
	emit_object_begin(&emit);
	emit_key(&emit, "items");
	emit_array_begin(&emit);
	for (size_t i = 0; i < len; i++) {
		emit_object_begin(&emit);
		emit_kv_text(&emit, "cluster", rows[i].cluster);
		emit_kv_text(&emit, "server", rows[i].server);
		emit_kv_text(&emit, "account", rows[i].account_key);
		emit_kv_text(&emit, "kind", store_drift_kind_name(rows[i].kind));
		emit_kv_date(&emit, "found_at", rows[i].found_at);
		emit_kv_date(&emit, "repaired_at", rows[i].repaired_at);
		emit_object_end(&emit);
	}
	emit_array_end(&emit);
	emit_object_end(&emit);
	free(rows);
	return 0;
}

int
api_native_reconcile(struct api_call *call, struct err *err)
{
	const struct api_params *params = &call->api->params;
	struct emit emit;
	int64_t accounts = 0;
	if (api_body_read_nothing(call->req, &call->violations, err) != 0 ||
		service_reconcile_count(params->service, &call->actor, &accounts, err) !=
			0) {
		return -1;
	}
	if (params->reconcile == NULL) {
		return err_set(err, ERR_UNAVAILABLE,
			"This natsid has no NATS servers to look at.");
	}
	params->reconcile(params->nats_ctx);
	call->res->status = 202;
	emit_init(&emit, &call->res->body);
	emit_object_begin(&emit);
	emit_kv_int(&emit, "accounts", accounts);
	emit_object_end(&emit);
	return 0;
}
