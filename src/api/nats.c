/* SPDX-License-Identifier: Apache-2.0
 * The connection to NATS, for those who run it. */
#include "api/call.h"

#include "base/emit.h"
#include "model/operator.h"

void
api_nats_read(const struct api *api, struct api_nats_status *out)
{
	*out = (struct api_nats_status){ .state = "disconnected", .role = "" };
	if (api->params.nats_status != NULL) {
		api->params.nats_status(api->params.nats_ctx, out);
	}
}

void
api_nats_emit_since(struct emit *emit, const struct api_nats_status *nats)
{
	char since[CLOCK_TEXT_MAX] = "";
	if (nats->since_ms > 0) {
		clock_format(nats->since_ms, since);
	}
	emit_kv_text(emit, "since", since);
}

static void
emit_url(struct emit *emit, const struct api_nats_url *url, bool is_primary)
{
	emit_object_begin(emit);
	emit_kv_text(emit, "url", url->url);
	emit_kv_text(emit, "role", is_primary ? "primary" : "backup");
	emit_kv_text(emit, "state", url->state);
	emit_kv_text(emit, "error", url->error);
	emit_kv_int(emit, "connects", url->connects);
	emit_kv_int(emit, "failures", url->failures);
	emit_object_end(emit);
}

int
api_native_nats(struct api_call *call, struct err *err)
{
	struct api_nats_status nats;
	struct emit emit;
	if (authorise(&call->actor, VERB_LIST, &operator_collection, NULL, err) != 0) {
		return -1;
	}
	api_nats_read(call->api, &nats);
	emit_init(&emit, &call->res->body);
	emit_object_begin(&emit);
	emit_kv_text(&emit, "state", nats.state);
	emit_kv_text(&emit, "url", nats.url);
	emit_kv_text(&emit, "role", nats.role);
	emit_kv_text(&emit, "server", nats.server);
	emit_kv_text(&emit, "version", nats.version);
	emit_kv_int(&emit, "epoch", nats.epoch);
	api_nats_emit_since(&emit, &nats);
	emit_kv_text(&emit, "error", nats.error);
	emit_kv_int(&emit, "connects", nats.connects);
	emit_kv_int(&emit, "failovers", nats.failovers);
	emit_kv_int(&emit, "failbacks", nats.failbacks);
	emit_key(&emit, "urls");
	emit_array_begin(&emit);
	for (size_t i = 0; i < nats.url_count; i++) {
		emit_url(&emit, &nats.urls[i], i == 0);
	}
	emit_array_end(&emit);
	emit_object_end(&emit);
	return 0;
}
