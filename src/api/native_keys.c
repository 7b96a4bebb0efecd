/* SPDX-License-Identifier: Apache-2.0
 * The signing keys of an account: who is on which, and when they go. */
#include "api/call.h"

#include "api/body.h"
#include "api/preview.h"
#include "base/emit.h"
#include "service/account_key_plans.h"

#include <string.h>

/* ---- answers ---------------------------------------------------------------------- */

static int
count_connection(void *ctx, const struct api_connection *connection, struct err *err)
{
	struct account_key_list *list = ctx;
	account_key_list_count(list, connection->issuer_key);
	(void)err; /* counting cannot fail */
	return 0;
}

/* Without NATS the keys are told all the same: *out_counted says whether there are
 * numbers, *out_complete whether they are those of all servers. */
static int
count(const struct api_call *call, struct account_key_list *list, bool *out_counted,
	bool *out_complete, struct err *err)
{
	const struct api_params *params = &call->api->params;
	if (params->connections == NULL) {
		return 0;
	}
	if (params->connections(params->nats_ctx, list->account_key, count_connection,
		    list, out_complete, err) == 0) {
		*out_counted = true;
		return 0;
	}
	if (err->code != ERR_UNAVAILABLE) {
		return -1;
	}
	err_clear(err);
	return 0;
}

static void
emit_count(struct emit *emit, const char *key, bool counted, int64_t connections)
{
	emit_key(emit, key);
	if (counted) {
		emit_int(emit, connections);
	} else {
		emit_null(emit);
	}
}

static void
emit_signing_key(struct emit *emit, const struct account_key *key, bool counted)
{
	emit_object_begin(emit);
	emit_kv_text(emit, "public_key", key->public_key);
	emit_kv_text(emit, "role_id", key->role_id);
	emit_kv_int(emit, "key_set", key->key_set);
	emit_kv_bool(emit, "signs", key->signs);
	emit_kv_date(emit, "created", key->created);
	emit_kv_date(emit, "retire_at", key->retire_at);
	emit_kv_int(emit, "retire_below_percent", key->retire_below);
	emit_count(emit, "connections", counted, key->connections);
	emit_object_end(emit);
}

int
api_native_keys_list(struct api_call *call, struct err *err)
{
	struct account_key_list list = { 0 };
	struct emit emit;
	bool counted = false;
	bool complete = false;
	int rc = -1;
	if (service_account_keys(call->api->params.service, &call->actor, call->match.id,
		    &list, err) != 0 ||
		count(call, &list, &counted, &complete, err) != 0) {
		goto out;
	}
	emit_init(&emit, &call->res->body);
	emit_object_begin(&emit);
	emit_key(&emit, "signing_keys");
	emit_array_begin(&emit);
	for (size_t i = 0; i < list.len; i++) {
		emit_signing_key(&emit, &list.keys[i], counted);
	}
	emit_array_end(&emit);
	/* of users that none of these keys signed, or whose key a server did not tell */
	emit_count(&emit, "other_connections", counted,
		list.other_connections + list.unknown_connections);
	emit_kv_bool(&emit, "complete", complete);
	emit_object_end(&emit);
	rc = 0;
out:
	account_key_list_release(&list);
	return rc;
}

/* ---- verbs ------------------------------------------------------------------------ */

static int
read_date(const json_t *body, int64_t now_ms, int64_t *out, struct violations *violations,
	struct err *err)
{
	const char *text = "";
	if (json_get_text(body, "at", &text, err) != 0) {
		return -1;
	}
	if (text[0] != '\0' && (clock_parse(text, strlen(text), out) != 0 || *out <= 0)) {
		violations_add(violations, "at", VIOLATION_DATE,
			"Must be a date such as \"2026-12-31 00:00:00Z\".");
	} else if (text[0] != '\0' && *out <= now_ms) {
		violations_add(violations, "at", VIOLATION_DATE,
			"Must be in the future. To retire the keys now, send {}.");
	}
	return 0;
}

static int
read_plan(struct api_call *call, struct key_retirement *out, struct err *err)
{
	static const char *const known[] = { "at", "below_percent", NULL };
	json_t *body = NULL;
	int rc = -1;
	if (api_body_parse(call->req, &body, err) == 0 &&
		read_date(body, clock_wall_ms(call->api->params.clock), &out->at,
			&call->violations, err) == 0 &&
		json_get_int(body, "below_percent", &out->below, err) == 0) {
		if (out->below < 0 || out->below > 100) {
			violations_add(&call->violations, "below_percent",
				VIOLATION_VALUE, "Must be from 1 to 100.");
		}
		api_body_check_keys(body, known, &call->violations);
		rc = violations_check(&call->violations, err);
	}
	json_decref(body);
	return rc;
}

int
api_native_keys_retire(struct api_call *call, struct err *err)
{
	struct key_retirement plan = { .account = call->match.id,
		.public_key = call->match.key };
	struct preview preview = { 0 };
	bool dry = false;
	int rc = -1;
	if (api_preview_wanted(call->req, &dry, err) == 0 &&
		read_plan(call, &plan, err) == 0 &&
		service_account_key_retire(call->api->params.service, &call->actor, &plan,
			dry ? &preview : NULL, &call->violations, err) == 0) {
		rc = api_preview_finish(call, dry, &preview, err);
	}
	preview_release(&preview);
	return rc;
}

int
api_native_keys_keep(struct api_call *call, struct err *err)
{
	struct preview preview = { 0 };
	bool dry = false;
	int rc = -1;
	if (api_preview_wanted(call->req, &dry, err) == 0 &&
		service_account_key_keep(call->api->params.service, &call->actor,
			call->match.id, call->match.key, dry ? &preview : NULL,
			err) == 0) {
		rc = api_preview_finish(call, dry, &preview, err);
	}
	preview_release(&preview);
	return rc;
}
