/* SPDX-License-Identifier: Apache-2.0
 * Whether natsid lives, and whether it can work. */
#include "api/call.h"

#include "base/emit.h"
#include "base/log.h"
#include "service/servers.h"
#include "service/service.h"

int
api_health_pocketbase(struct api_call *call, struct err *err)
{
	(void)err; /* an answer that is always the same cannot fail */
	struct emit emit;
	emit_init(&emit, &call->res->body);
	emit_object_begin(&emit);
	emit_kv_text(&emit, "message", "API is healthy.");
	emit_kv_int(&emit, "code", 200);
	emit_key(&emit, "data");
	emit_object_begin(&emit);
	emit_object_end(&emit);
	emit_object_end(&emit);
	return 0;
}

int
api_health_alive(struct api_call *call, struct err *err)
{
	(void)err; /* an answer that is always the same cannot fail */
	struct emit emit;
	emit_init(&emit, &call->res->body);
	emit_object_begin(&emit);
	emit_kv_text(&emit, "status", "ok");
	emit_object_end(&emit);
	return 0;
}

/* counts: NULL where they could not be read. */
static void
emit_nats(
	struct emit *emit, const struct api *api, const struct store_proof_counts *counts)
{
	struct api_nats_status nats;
	api_nats_read(api, &nats);
	emit_key(emit, "nats");
	emit_object_begin(emit);
	emit_kv_bool(emit, "connected", nats.connected);
	emit_kv_text(emit, "state", nats.state);
	emit_kv_text(emit, "url", nats.url);
	emit_kv_text(emit, "role", nats.role);
	emit_kv_text(emit, "server", nats.server);
	emit_kv_text(emit, "version", nats.version);
	emit_kv_text(emit, "error", nats.error);
	api_nats_emit_since(emit, &nats);
	emit_kv_int(emit, "servers", nats.servers);
	emit_kv_int(emit, "open_accounts", nats.open_accounts);
	emit_kv_text(emit, "blocked", nats.blocked);
	if (counts != NULL) {
		emit_kv_int(emit, "known_servers", counts->servers);
		emit_kv_int(emit, "missing_servers", counts->missing + counts->absent);
		emit_kv_int(emit, "unproven_accounts", counts->unproven);
		emit_kv_int(emit, "quarantined_accounts", counts->quarantined);
	}
	emit_object_end(emit);
}

int
api_health_ready(struct api_call *call, struct err *err)
{
	struct err why = { 0 };
	struct emit emit;
	struct service *service = call->api->params.service;
	struct store_proof_counts counts = { 0 };
	bool ready = service_check(service, &why) == 0 &&
		service_proof_counts(service, &counts, &why) == 0;
	if (!ready) {
		log_err("not ready", &why, LOG_STR("request", call->req->id));
		call->res->status = 503;
	}
	(void)err; /* what is wrong is the answer */
	emit_init(&emit, &call->res->body);
	emit_object_begin(&emit);
	emit_kv_text(&emit, "status", ready ? "ready" : "not ready");
	emit_kv_text(&emit, "reason", why.msg);
	emit_kv_text(&emit, "version", call->api->params.version);
	emit_nats(&emit, call->api, ready ? &counts : NULL);
	emit_object_end(&emit);
	return 0;
}
