/* SPDX-License-Identifier: Apache-2.0 */
#include "api/preview.h"

#include "api/query.h"
#include "base/emit.h"
#include "base/log.h"
#include "base/str.h"

#include <string.h>

int
api_preview_wanted(const struct http_request *req, bool *out_wanted, struct err *err)
{
	char text[8];
	if (api_query_text(req, "dry_run", text, sizeof(text), err) != 0) {
		return -1;
	}
	*out_wanted = str_equal(text, "1") || str_equal(text, "true");
	if (!*out_wanted && text[0] != '\0' && !str_equal(text, "0") &&
		!str_equal(text, "false")) {
		return err_set(err, ERR_INVALID,
			"The query parameter \"dry_run\" must be 1 or 0.");
	}
	return 0;
}

/* Whose handlers look at dry_run themselves. */
static bool
answers_preview(const struct api_route *route)
{
	static int (*const handlers[])(struct api_call * call, struct err * err) = {
		api_records_create,
		api_records_update,
		api_records_delete,
		api_native_export_revoke,
		api_native_export_allow,
		api_native_keys_retire,
		api_native_keys_keep,
	};
	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		if (route->handler == handlers[i]) {
			return true;
		}
	}
	return false;
}

int
api_preview_check(const struct api_call *call, struct err *err)
{
	static const char *const known[] = { "dry_run", "fields", "expand", NULL };
	static const char *const known_to_delete[] = { "dry_run", "fields", "expand",
		"force", NULL };
	bool wanted = false;
	bool deletes = call->match.route->handler == api_records_delete;
	if (str_equal(call->req->method, "GET")) {
		return 0;
	}
	if (api_query_check_known(call->req, deletes ? known_to_delete : known, err) !=
		0) {
		return -1;
	}
	if (answers_preview(call->match.route)) {
		return 0;
	}
	if (api_preview_wanted(call->req, &wanted, err) != 0) {
		return -1;
	}
	return wanted ? err_set(err, ERR_INVALID,
				"This cannot be asked beforehand. "
				"Leave \"dry_run\" out.")
		      : 0;
}

struct count {
	const struct mint_cut *cut;
	int64_t live;
	int64_t cut_off;
};

static bool
is_listed(const struct strlist *list, const char *text)
{
	for (size_t i = 0; i < list->len; i++) {
		if (str_equal(list->items[i], text)) {
			return true;
		}
	}
	return false;
}

static bool
is_revoked(const struct mint_cut *cut, const struct api_connection *connection)
{
	for (size_t i = 0; i < cut->users_len; i++) {
		if (str_equal(cut->users[i].key, connection->user) &&
			connection->issued_at <= cut->users[i].at) {
			return true;
		}
	}
	return false;
}

static int
count_connection(void *ctx, const struct api_connection *connection, struct err *err)
{
	struct count *count = ctx;
	const struct mint_cut *cut = count->cut;
	(void)err; /* cannot fail */
	count->live++;
	if ((cut->all && connection->issued_at <= cut->all_at) ||
		(cut->bearer && connection->bearer) ||
		is_listed(&cut->issuer_keys, connection->issuer_key) ||
		is_revoked(cut, connection)) {
		count->cut_off++;
	}
	return 0;
}

/* Each server judges the limit by its own clients; this counts them all. */
static void
count_surplus(struct count *count)
{
	if (!count->cut->fewer) {
		return;
	}
	int64_t left = count->live - count->cut_off;
	if (left > count->cut->max_connections) {
		count->cut_off = count->live - count->cut->max_connections;
	}
}

/* False when it cannot be told: the answer says null then. */
static bool
count_connections(
	struct api_call *call, const struct preview_account *account, struct count *out)
{
	const struct api_params *params = &call->api->params;
	struct err why = { 0 };
	bool complete = false;
	*out = (struct count){ .cut = &account->cut };
	if (account->claims_before.claims.sub == NULL) {
		return true; /* nobody is connected to what is not there yet */
	}
	if (params->connections == NULL) {
		return false;
	}
	if (params->connections(params->nats_ctx, account->key, count_connection, out,
		    &complete, &why) != 0) {
		log_debug("connections are not known", LOG_STR("account", account->id),
			LOG_STR("error", why.msg));
		return false;
	}
	count_surplus(out);
	return complete;
}

static void
emit_claims(struct emit *emit, const char *key, const char *json)
{
	emit_key(emit, key);
	if (json == NULL) {
		emit_null(emit);
	} else {
		emit_raw(emit, json, strlen(json));
	}
}

static void
emit_count(struct emit *emit, const char *key, bool known, int64_t value)
{
	emit_key(emit, key);
	if (known) {
		emit_int(emit, value);
	} else {
		emit_null(emit);
	}
}

static void
emit_cut(struct emit *emit, const struct mint_cut *cut)
{
	emit_key(emit, "cuts");
	emit_object_begin(emit);
	emit_kv_bool(emit, "everybody", cut->all);
	emit_kv_bool(emit, "bearers", cut->bearer);
	emit_key(emit, "issuer_keys");
	strlist_emit(&cut->issuer_keys, emit);
	emit_key(emit, "users");
	emit_array_begin(emit);
	for (size_t i = 0; i < cut->users_len; i++) {
		emit_text(emit, cut->users[i].key);
	}
	emit_array_end(emit);
	emit_count(emit, "down_to_connections", cut->fewer, cut->max_connections);
	emit_object_end(emit);
}

static void
emit_account(struct emit *emit, const struct preview_account *account,
	const struct count *count, bool known)
{
	emit_object_begin(emit);
	emit_kv_text(emit, "id", account->id);
	emit_kv_text(emit, "name", account->name);
	emit_kv_text(emit, "public_key", account->key);
	emit_kv_bool(emit, "pushed", account->changes);
	emit_kv_bool(emit, "urgent", account->urgent);
	emit_claims(emit, "claims_before", account->before);
	emit_claims(emit, "claims_after", account->after);
	emit_cut(emit, &account->cut);
	emit_count(emit, "connections", known, count->live);
	emit_count(emit, "connections_cut", known, count->cut_off);
	emit_object_end(emit);
}

int
api_preview_answer(struct api_call *call, const struct preview *preview, struct err *err)
{
	struct emit emit;
	struct count total = { 0 };
	bool all_known = preview->accounts_total == preview->accounts_len;
	emit_init(&emit, &call->res->body);
	emit_object_begin(&emit);
	emit_kv_bool(&emit, "dry_run", true);
	emit_kv_int(&emit, "accounts_total", (int64_t)preview->accounts_total);
	emit_key(&emit, "accounts");
	emit_array_begin(&emit);
	for (size_t i = 0; i < preview->accounts_len; i++) {
		struct count count;
		bool known = count_connections(call, &preview->accounts[i], &count);
		emit_account(&emit, &preview->accounts[i], &count, known);
		total.cut_off += count.cut_off;
		all_known = all_known && known;
	}
	emit_array_end(&emit);
	emit_count(&emit, "connections_cut", all_known, total.cut_off);
	emit_object_end(&emit);
	return buf_finish(&call->res->body, err);
}

int
api_preview_finish(
	struct api_call *call, bool dry, const struct preview *preview, struct err *err)
{
	if (dry) {
		return api_preview_answer(call, preview, err);
	}
	call->res->status = 204;
	return 0;
}
