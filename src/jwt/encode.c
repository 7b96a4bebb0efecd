/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt/encode.h"

#include "base/codec.h"
#include "base/emit.h"
#include "base/str.h"
#include "jwt/roles.h"
#include "jwt/sha512_256.h"

#include <stdlib.h>
#include <string.h>

/*
 * The order of the members is that of the structs of the reference library, and so is
 * what is left out when empty: values are, objects are not.
 */

enum { CLAIMS_VERSION = 2, JTI_SIZE = CODEC_BASE32_LEN(JWT_SHA512_256_LEN) + 1 };

/* {"typ":"JWT","alg":"ed25519-nkey"} and the dot. */
static const char header[] = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.";

/* ---- order ---- */

struct sorted {
	const char *key;
	const void *item;
};

static int
compare_sorted(const void *a, const void *b)
{
	const struct sorted *x = a;
	const struct sorted *y = b;
	int order = strcmp(x->key, y->key);
	if (order != 0) {
		return order;
	}
	return x->item < y->item ? -1 : x->item > y->item ? 1 : 0;
}

/* The items by the text that each has at `offset`; equal ones keep their order. NULL when
 * out of memory; the caller frees. */
static struct sorted *
sort_items(const void *items, size_t len, size_t size, size_t offset)
{
	struct sorted *sorted = calloc(len, sizeof(*sorted));
	if (sorted == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < len; i++) {
		const char *item = (const char *)items + i * size;
		const char *key = NULL;
		memcpy(&key, item + offset, sizeof(key));
		sorted[i] =
			(struct sorted){ .key = key != NULL ? key : "", .item = item };
	}
	qsort(sorted, len, sizeof(*sorted), compare_sorted);
	return sorted;
}

/* The same for maps, where a key may occur only once. NULL with err set otherwise. */
static struct sorted *
sort_map(const char *what, const void *items, size_t len, size_t size, size_t offset,
	struct err *err)
{
	struct sorted *sorted = sort_items(items, len, size, offset);
	if (sorted == NULL) {
		err_nomem(err);
		return NULL;
	}
	for (size_t i = 1; i < len; i++) {
		if (str_equal(sorted[i].key, sorted[i - 1].key)) {
			err_set(err, ERR_INVALID, "%s: \"%s\" is there twice", what,
				sorted[i].key);
			free(sorted);
			return NULL;
		}
	}
	return sorted;
}

/* ---- parts ---- */

static void
put_opt_list(struct emit *emit, const char *key, const struct strlist *list)
{
	if (list->len > 0) {
		emit_key(emit, key);
		strlist_emit(list, emit);
	}
}

/* Where the reference library does not leave out the empty text. */
static void
put_text(struct emit *emit, const char *key, const char *text)
{
	emit_kv_text(emit, key, text != NULL ? text : "");
}

static void
put_tail(struct emit *emit, const struct strlist *tags, enum jwt_type type)
{
	put_opt_list(emit, "tags", tags);
	emit_kv_text(emit, "type", jwt_type_name(type));
	emit_kv_int(emit, "version", CLAIMS_VERSION);
}

static void
put_permission(
	struct emit *emit, const char *key, const struct jwt_permission *permission)
{
	emit_key(emit, key);
	emit_object_begin(emit);
	put_opt_list(emit, "allow", &permission->allow);
	put_opt_list(emit, "deny", &permission->deny);
	emit_object_end(emit);
}

/* The members, not the object around them. */
static void
put_permissions(struct emit *emit, const struct jwt_permissions *permissions)
{
	put_permission(emit, "pub", &permissions->pub);
	put_permission(emit, "sub", &permissions->sub);
	if (permissions->has_resp) {
		emit_key(emit, "resp");
		emit_object_begin(emit);
		emit_kv_int(emit, "max", permissions->resp_max);
		emit_kv_int(emit, "ttl", permissions->resp_ttl_ns);
		emit_object_end(emit);
	}
}

static void
put_times(struct emit *emit, const struct jwt_user_limits *limits)
{
	if (limits->times_len == 0) {
		return;
	}
	emit_key(emit, "times");
	emit_array_begin(emit);
	for (size_t i = 0; i < limits->times_len; i++) {
		emit_object_begin(emit);
		emit_opt_text(emit, "start", limits->times[i].start);
		emit_opt_text(emit, "end", limits->times[i].end);
		emit_object_end(emit);
	}
	emit_array_end(emit);
}

/* In a template a limit that is left out is unlimited. The reference library leaves zeros
 * out all the same, and so makes "none" unlimited; servers honour a zero that is
 * there. */
static void
put_limit(struct emit *emit, const char *key, int64_t value, bool in_template)
{
	if (in_template || value != 0) {
		emit_kv_int(emit, key, value);
	}
}

static void
put_user_limits(struct emit *emit, const struct jwt_user_limits *limits, bool in_template)
{
	put_permissions(emit, &limits->permissions);
	put_opt_list(emit, "src", &limits->src);
	put_times(emit, limits);
	emit_opt_text(emit, "times_location", limits->times_location);
	put_limit(emit, "subs", limits->subs, in_template);
	put_limit(emit, "data", limits->data, in_template);
	put_limit(emit, "payload", limits->payload, in_template);
	emit_opt_bool(emit, "bearer_token", limits->bearer_token);
	emit_opt_bool(emit, "proxy_required", limits->proxy_required);
	put_opt_list(emit, "allowed_connection_types", &limits->allowed_connection_types);
}

static const char *
export_type_name(enum jwt_export_type type)
{
	switch (type) {
	case JWT_EXPORT_STREAM:
		return "stream";
	case JWT_EXPORT_SERVICE:
		return "service";
	case JWT_EXPORT_UNKNOWN:
		return NULL;
	}
	return NULL;
}

static int
put_revocations(struct emit *emit, const struct jwt_revocation *revocations, size_t len,
	struct err *err)
{
	if (len == 0) {
		return 0;
	}
	struct sorted *sorted = sort_map("revocations", revocations, len,
		sizeof(*revocations), offsetof(struct jwt_revocation, key), err);
	if (sorted == NULL) {
		return -1;
	}
	emit_key(emit, "revocations");
	emit_object_begin(emit);
	for (size_t i = 0; i < len; i++) {
		const struct jwt_revocation *revocation = sorted[i].item;
		emit_kv_int(emit, sorted[i].key, revocation->at);
	}
	emit_object_end(emit);
	free(sorted);
	return 0;
}

/* ---- account ---- */

static void
put_import(struct emit *emit, const struct jwt_import *import)
{
	emit_object_begin(emit);
	emit_opt_text(emit, "name", import->name);
	emit_opt_text(emit, "subject", import->subject);
	emit_opt_text(emit, "account", import->account);
	emit_opt_text(emit, "token", import->token);
	emit_opt_text(emit, "to", import->to);
	emit_opt_text(emit, "local_subject", import->local_subject);
	emit_opt_text(emit, "type", export_type_name(import->type));
	emit_opt_bool(emit, "share", import->share);
	emit_opt_bool(emit, "allow_trace", import->allow_trace);
	emit_object_end(emit);
}

static int
put_imports(struct emit *emit, const struct jwt_account *account, struct err *err)
{
	if (account->imports_len == 0) {
		return 0;
	}
	struct sorted *sorted = sort_items(account->imports, account->imports_len,
		sizeof(*account->imports), offsetof(struct jwt_import, subject));
	if (sorted == NULL) {
		return err_nomem(err);
	}
	emit_key(emit, "imports");
	emit_array_begin(emit);
	for (size_t i = 0; i < account->imports_len; i++) {
		put_import(emit, sorted[i].item);
	}
	emit_array_end(emit);
	free(sorted);
	return 0;
}

static void
put_latency(struct emit *emit, const struct jwt_export *export)
{
	if (!export->has_latency) {
		return;
	}
	emit_key(emit, "service_latency");
	emit_object_begin(emit);
	emit_key(emit, "sampling");
	if (export->latency_sampling == 0) {
		emit_text(emit, "headers");
	} else {
		emit_int(emit, export->latency_sampling);
	}
	put_text(emit, "results", export->latency_results);
	emit_object_end(emit);
}

static int
put_export(struct emit *emit, const struct jwt_export *export, struct err *err)
{
	emit_object_begin(emit);
	emit_opt_text(emit, "name", export->name);
	emit_opt_text(emit, "subject", export->subject);
	emit_opt_text(emit, "type", export_type_name(export->type));
	emit_opt_bool(emit, "token_req", export->token_req);
	if (put_revocations(emit, export->revocations, export->revocations_len, err) !=
		0) {
		return -1;
	}
	emit_opt_text(emit, "response_type", export->response_type);
	emit_opt_int(emit, "response_threshold", export->response_threshold_ns);
	put_latency(emit, export);
	emit_opt_int(emit, "account_token_position", export->account_token_position);
	emit_opt_bool(emit, "advertise", export->advertise);
	emit_opt_bool(emit, "allow_trace", export->allow_trace);
	emit_opt_text(emit, "description", export->description);
	emit_opt_text(emit, "info_url", export->info_url);
	emit_object_end(emit);
	return 0;
}

static int
put_exports(struct emit *emit, const struct jwt_account *account, struct err *err)
{
	int rc = -1;
	if (account->exports_len == 0) {
		return 0;
	}
	struct sorted *sorted = sort_items(account->exports, account->exports_len,
		sizeof(*account->exports), offsetof(struct jwt_export, subject));
	if (sorted == NULL) {
		return err_nomem(err);
	}
	emit_key(emit, "exports");
	emit_array_begin(emit);
	for (size_t i = 0; i < account->exports_len; i++) {
		if (put_export(emit, sorted[i].item, err) != 0) {
			goto out;
		}
	}
	emit_array_end(emit);
	rc = 0;
out:
	free(sorted);
	return rc;
}

static void
put_jetstream(struct emit *emit, const struct jwt_jetstream_limits *limits)
{
	emit_opt_int(emit, "mem_storage", limits->mem_storage);
	emit_opt_int(emit, "disk_storage", limits->disk_storage);
	emit_opt_int(emit, "streams", limits->streams);
	emit_opt_int(emit, "consumer", limits->consumer);
	emit_opt_int(emit, "max_ack_pending", limits->max_ack_pending);
	emit_opt_int(emit, "mem_max_stream_bytes", limits->mem_max_stream_bytes);
	emit_opt_int(emit, "disk_max_stream_bytes", limits->disk_max_stream_bytes);
	emit_opt_bool(emit, "max_bytes_required", limits->max_bytes_required);
}

static int
put_tiers(struct emit *emit, const struct jwt_account_limits *limits, struct err *err)
{
	if (limits->tiers_len == 0) {
		return 0;
	}
	struct sorted *sorted =
		sort_map("tiered_limits", limits->tiers, limits->tiers_len,
			sizeof(*limits->tiers), offsetof(struct jwt_tier, name), err);
	if (sorted == NULL) {
		return -1;
	}
	emit_key(emit, "tiered_limits");
	emit_object_begin(emit);
	for (size_t i = 0; i < limits->tiers_len; i++) {
		const struct jwt_tier *tier = sorted[i].item;
		emit_key(emit, sorted[i].key);
		emit_object_begin(emit);
		put_jetstream(emit, &tier->limits);
		emit_object_end(emit);
	}
	emit_object_end(emit);
	free(sorted);
	return 0;
}

static int
put_account_limits(
	struct emit *emit, const struct jwt_account_limits *limits, struct err *err)
{
	emit_key(emit, "limits");
	emit_object_begin(emit);
	emit_opt_int(emit, "subs", limits->subs);
	emit_opt_int(emit, "data", limits->data);
	emit_opt_int(emit, "payload", limits->payload);
	emit_opt_int(emit, "imports", limits->imports);
	emit_opt_int(emit, "exports", limits->exports);
	emit_opt_bool(emit, "wildcards", limits->wildcards);
	emit_opt_bool(emit, "disallow_bearer", limits->disallow_bearer);
	emit_opt_int(emit, "conn", limits->conn);
	emit_opt_int(emit, "leaf", limits->leaf);
	put_jetstream(emit, &limits->jetstream);
	if (put_tiers(emit, limits, err) != 0) {
		return -1;
	}
	emit_object_end(emit);
	return 0;
}

static void
put_signing_key(struct emit *emit, const struct jwt_signing_key *key)
{
	if (!key->scoped) {
		emit_text(emit, key->key != NULL ? key->key : "");
		return;
	}
	emit_object_begin(emit);
	emit_kv_text(emit, "kind", "user_scope");
	put_text(emit, "key", key->key);
	put_text(emit, "role", key->role);
	emit_key(emit, "template");
	emit_object_begin(emit);
	put_user_limits(emit, &key->template_, true);
	emit_object_end(emit);
	put_text(emit, "description", key->description);
	emit_object_end(emit);
}

static int
put_signing_keys(struct emit *emit, const struct jwt_account *account, struct err *err)
{
	if (account->signing_keys_len == 0) {
		return 0;
	}
	struct sorted *sorted = sort_map("signing_keys", account->signing_keys,
		account->signing_keys_len, sizeof(*account->signing_keys),
		offsetof(struct jwt_signing_key, key), err);
	if (sorted == NULL) {
		return -1;
	}
	emit_key(emit, "signing_keys");
	emit_array_begin(emit);
	for (size_t i = 0; i < account->signing_keys_len; i++) {
		put_signing_key(emit, sorted[i].item);
	}
	emit_array_end(emit);
	free(sorted);
	return 0;
}

static void
put_mapping_targets(struct emit *emit, const struct jwt_mapping *mapping)
{
	emit_array_begin(emit);
	for (size_t i = 0; i < mapping->targets_len; i++) {
		const struct jwt_mapping_target *target = &mapping->targets[i];
		emit_object_begin(emit);
		put_text(emit, "subject", target->subject);
		emit_opt_int(emit, "weight", target->weight);
		emit_opt_text(emit, "cluster", target->cluster);
		emit_object_end(emit);
	}
	emit_array_end(emit);
}

static int
put_mappings(struct emit *emit, const struct jwt_account *account, struct err *err)
{
	if (account->mappings_len == 0) {
		return 0;
	}
	struct sorted *sorted = sort_map("mappings", account->mappings,
		account->mappings_len, sizeof(*account->mappings),
		offsetof(struct jwt_mapping, subject), err);
	if (sorted == NULL) {
		return -1;
	}
	emit_key(emit, "mappings");
	emit_object_begin(emit);
	for (size_t i = 0; i < account->mappings_len; i++) {
		emit_key(emit, sorted[i].key);
		put_mapping_targets(emit, sorted[i].item);
	}
	emit_object_end(emit);
	free(sorted);
	return 0;
}

static void
put_account_rest(struct emit *emit, const struct jwt_account *account)
{
	emit_key(emit, "authorization");
	emit_object_begin(emit);
	put_opt_list(emit, "auth_users", &account->authorization.auth_users);
	put_opt_list(emit, "allowed_accounts", &account->authorization.allowed_accounts);
	emit_opt_text(emit, "xkey", account->authorization.xkey);
	emit_object_end(emit);
	if (account->has_trace) {
		emit_key(emit, "trace");
		emit_object_begin(emit);
		emit_opt_text(emit, "dest", account->trace_dest);
		emit_opt_int(emit, "sampling", account->trace_sampling);
		emit_object_end(emit);
	}
	emit_opt_text(emit, "cluster_traffic", account->cluster_traffic);
	emit_opt_text(emit, "description", account->description);
	emit_opt_text(emit, "info_url", account->info_url);
}

static int
put_account(struct emit *emit, const struct jwt_account *account, struct err *err)
{
	if (put_imports(emit, account, err) != 0 ||
		put_exports(emit, account, err) != 0 ||
		put_account_limits(emit, &account->limits, err) != 0 ||
		put_signing_keys(emit, account, err) != 0 ||
		put_revocations(
			emit, account->revocations, account->revocations_len, err) != 0) {
		return -1;
	}
	emit_key(emit, "default_permissions");
	emit_object_begin(emit);
	put_permissions(emit, &account->default_permissions);
	emit_object_end(emit);
	if (put_mappings(emit, account, err) != 0) {
		return -1;
	}
	put_account_rest(emit, account);
	put_tail(emit, &account->tags, JWT_ACCOUNT);
	return 0;
}

/* ---- the others ---- */

static void
put_operator(struct emit *emit, const struct jwt_operator *operator_)
{
	put_opt_list(emit, "signing_keys", &operator_->signing_keys);
	emit_opt_text(emit, "account_server_url", operator_->account_server_url);
	put_opt_list(emit, "operator_service_urls", &operator_->operator_service_urls);
	emit_opt_text(emit, "system_account", operator_->system_account);
	emit_opt_text(emit, "assert_server_version", operator_->assert_server_version);
	emit_opt_bool(
		emit, "strict_signing_key_usage", operator_->strict_signing_key_usage);
	put_tail(emit, &operator_->tags, JWT_OPERATOR);
}

static void
put_user(struct emit *emit, const struct jwt_user *user)
{
	put_user_limits(emit, &user->limits, false);
	emit_opt_text(emit, "issuer_account", user->issuer_account);
	put_tail(emit, &user->tags, JWT_USER);
}

static void
put_activation(struct emit *emit, const struct jwt_activation *activation)
{
	emit_opt_text(emit, "subject", activation->subject);
	emit_opt_text(emit, "kind", export_type_name(activation->kind));
	emit_opt_text(emit, "issuer_account", activation->issuer_account);
	put_tail(emit, &activation->tags, JWT_ACTIVATION);
}

static void
put_server_id(struct emit *emit, const struct jwt_server_id *server)
{
	emit_object_begin(emit);
	put_text(emit, "name", server->name);
	put_text(emit, "host", server->host);
	put_text(emit, "id", server->id);
	emit_opt_text(emit, "version", server->version);
	emit_opt_text(emit, "cluster", server->cluster);
	put_opt_list(emit, "tags", &server->tags);
	emit_opt_text(emit, "xkey", server->xkey);
	emit_object_end(emit);
}

static void
put_client_info(struct emit *emit, const struct jwt_client_info *client)
{
	emit_object_begin(emit);
	emit_opt_text(emit, "host", client->host);
	emit_opt_int(emit, "id", client->id);
	emit_opt_text(emit, "user", client->user);
	emit_opt_text(emit, "name", client->name);
	put_opt_list(emit, "tags", &client->tags);
	emit_opt_text(emit, "name_tag", client->name_tag);
	emit_opt_text(emit, "kind", client->kind);
	emit_opt_text(emit, "type", client->type);
	emit_opt_text(emit, "mqtt_id", client->mqtt_id);
	emit_opt_text(emit, "nonce", client->nonce);
	emit_object_end(emit);
}

static void
put_connect_opts(struct emit *emit, const struct jwt_connect_opts *connect)
{
	emit_object_begin(emit);
	emit_opt_text(emit, "jwt", connect->jwt);
	emit_opt_text(emit, "nkey", connect->nkey);
	emit_opt_text(emit, "sig", connect->sig);
	emit_opt_text(emit, "auth_token", connect->auth_token);
	emit_opt_text(emit, "user", connect->user);
	emit_opt_text(emit, "pass", connect->pass);
	emit_opt_text(emit, "name", connect->name);
	emit_opt_text(emit, "lang", connect->lang);
	emit_opt_text(emit, "version", connect->version);
	emit_kv_int(emit, "protocol", connect->protocol);
	emit_object_end(emit);
}

static void
put_client_tls(struct emit *emit, const struct jwt_client_tls *tls)
{
	emit_object_begin(emit);
	emit_opt_text(emit, "version", tls->version);
	emit_opt_text(emit, "cipher", tls->cipher);
	put_opt_list(emit, "certs", &tls->certs);
	if (tls->verified_chains_len > 0) {
		emit_key(emit, "verified_chains");
		emit_array_begin(emit);
		for (size_t i = 0; i < tls->verified_chains_len; i++) {
			strlist_emit(&tls->verified_chains[i], emit);
		}
		emit_array_end(emit);
	}
	emit_object_end(emit);
}

static void
put_auth_request(struct emit *emit, const struct jwt_auth_request *request)
{
	emit_key(emit, "server_id");
	put_server_id(emit, &request->server);
	put_text(emit, "user_nkey", request->user_nkey);
	emit_key(emit, "client_info");
	put_client_info(emit, &request->client);
	emit_key(emit, "connect_opts");
	put_connect_opts(emit, &request->connect);
	if (request->has_tls) {
		emit_key(emit, "client_tls");
		put_client_tls(emit, &request->tls);
	}
	emit_opt_text(emit, "request_nonce", request->request_nonce);
	put_tail(emit, &request->tags, JWT_AUTH_REQUEST);
}

static void
put_auth_response(struct emit *emit, const struct jwt_auth_response *response)
{
	emit_opt_text(emit, "jwt", response->jwt);
	emit_opt_text(emit, "error", response->error);
	emit_opt_text(emit, "issuer_account", response->issuer_account);
	put_tail(emit, &response->tags, JWT_AUTH_RESPONSE);
}

/* The version takes its place among the sorted members. */
static int
put_generic(struct emit *emit, const struct jwt_generic *generic, struct err *err)
{
	static const char version_key[] = "version";
	struct sorted *sorted = NULL;
	if (generic->members_len > 0) {
		sorted = sort_map("nats", generic->members, generic->members_len,
			sizeof(*generic->members), offsetof(struct jwt_member, key), err);
		if (sorted == NULL) {
			return -1;
		}
	}
	bool version_done = false;
	for (size_t i = 0; i < generic->members_len; i++) {
		int order = strcmp(sorted[i].key, version_key);
		if (order == 0) {
			continue;
		}
		if (order > 0 && !version_done) {
			emit_kv_int(emit, version_key, CLAIMS_VERSION);
			version_done = true;
		}
		const struct jwt_member *member = sorted[i].item;
		emit_key(emit, sorted[i].key);
		emit_raw(emit, member->json, strlen(member->json));
	}
	if (!version_done) {
		emit_kv_int(emit, version_key, CLAIMS_VERSION);
	}
	free(sorted);
	return 0;
}

static int
put_members(struct emit *emit, const struct jwt_claims *claims, struct err *err)
{
	switch (claims->type) {
	case JWT_OPERATOR:
		put_operator(emit, &claims->as.operator_);
		return 0;
	case JWT_ACCOUNT:
		return put_account(emit, &claims->as.account, err);
	case JWT_USER:
		put_user(emit, &claims->as.user);
		return 0;
	case JWT_ACTIVATION:
		put_activation(emit, &claims->as.activation);
		return 0;
	case JWT_AUTH_REQUEST:
		put_auth_request(emit, &claims->as.auth_request);
		return 0;
	case JWT_AUTH_RESPONSE:
		put_auth_response(emit, &claims->as.auth_response);
		return 0;
	case JWT_GENERIC:
		return put_generic(emit, &claims->as.generic, err);
	}
	return err_set(err, ERR_INTERNAL, "unknown type of claims");
}

static int
put_body(struct emit *emit, const struct jwt_claims *claims, struct err *err)
{
	emit_object_begin(emit);
	if (put_members(emit, claims, err) != 0) {
		return -1;
	}
	emit_object_end(emit);
	return 0;
}

int
jwt_encode_body(const struct jwt_claims *claims, struct buf *out, struct err *err)
{
	struct emit emit;
	emit_init(&emit, out);
	if (put_body(&emit, claims, err) != 0) {
		return -1;
	}
	return buf_finish(out, err);
}

/* ---- the token ---- */

static void
put_top(struct emit *emit, const struct jwt_claims *claims, const char *iss,
	const char *jti)
{
	emit_opt_text(emit, "aud", claims->aud);
	emit_opt_int(emit, "exp", claims->exp);
	emit_opt_text(emit, "jti", jti);
	emit_opt_int(emit, "iat", claims->iat);
	emit_opt_text(emit, "iss", iss);
	emit_opt_text(emit, "name", claims->name);
	emit_opt_int(emit, "nbf", claims->nbf);
	emit_opt_text(emit, "sub", claims->sub);
}

/* The hash of the top-level claims, without the body: two tokens that differ only in it
 * share their id. That is what the reference library does, and servers compare ids. */
static void
compute_jti(const struct jwt_claims *claims, const char *iss, struct buf *json,
	char out[static JTI_SIZE])
{
	struct emit emit;
	uint8_t hash[JWT_SHA512_256_LEN];
	out[0] = '\0';
	emit_init(&emit, json);
	emit_object_begin(&emit);
	put_top(&emit, claims, iss, NULL);
	emit_object_end(&emit);
	if (!json->failed) {
		jwt_sha512_256((const uint8_t *)json->data, json->len, hash);
		codec_base32_encode(hash, sizeof(hash), out);
	}
	buf_clear(json);
}

static int
put_payload(struct buf *json, const struct jwt_claims *claims, const char *iss,
	const char *jti, struct err *err)
{
	struct emit emit;
	emit_init(&emit, json);
	emit_object_begin(&emit);
	put_top(&emit, claims, iss, jti);
	emit_key(&emit, "nats");
	if (put_body(&emit, claims, err) != 0) {
		return -1;
	}
	emit_object_end(&emit);
	return buf_finish(json, err);
}

static int
put_token(const struct buf *json, const struct jwt_signer *signer, struct buf *out,
	struct err *err)
{
	uint8_t sig[NKEY_SIG_LEN];
	size_t start = out->len;
	buf_put(out, header, sizeof(header) - 1);
	codec_base64url_put(out, (const uint8_t *)json->data, json->len);
	if (buf_finish(out, err) != 0) {
		return -1;
	}
	if (signer->sign(signer->ctx, (const uint8_t *)out->data + start,
		    out->len - start, sig, err) != 0) {
		return -1;
	}
	buf_put_char(out, '.');
	codec_base64url_put(out, sig, sizeof(sig));
	return buf_finish(out, err);
}

static int
check_roles(
	const struct jwt_claims *claims, const struct jwt_signer *signer, struct err *err)
{
	if (!jwt_roles_may_sign(signer->role, claims->type)) {
		return err_set(err, ERR_INVALID,
			"a key of role %s cannot sign claims of type %s",
			nkey_role_name(signer->role), jwt_type_name(claims->type));
	}
	if (claims->sub == NULL || claims->sub[0] == '\0') {
		return err_set(err, ERR_INVALID, "the claims have no subject");
	}
	/* A look at the form only, as this is on the way of every user that is minted;
	 * jwt_validate decodes it. */
	enum nkey_role role = NKEY_ACCOUNT;
	if (jwt_roles_of_subject(claims->type, &role) &&
		(claims->sub[0] != jwt_roles_letter(role) ||
			strlen(claims->sub) != NKEY_TEXT_LEN)) {
		return err_set(err, ERR_INVALID,
			"the subject of claims of type %s is a public key that begins "
			"with %c",
			jwt_type_name(claims->type), jwt_roles_letter(role));
	}
	return 0;
}

int
jwt_encode(const struct jwt_claims *claims, const struct jwt_signer *signer,
	struct buf *out, struct err *err)
{
	int rc = -1;
	struct buf json;
	size_t start = out->len;
	char iss[NKEY_TEXT_SIZE];
	char jti[JTI_SIZE];

	buf_init(&json, out->max);
	if (check_roles(claims, signer, err) != 0) {
		goto out;
	}
	nkey_text_encode(signer->role, &signer->key, iss);
	compute_jti(claims, iss, &json, jti);
	if (put_payload(&json, claims, iss, jti, err) != 0 ||
		put_token(&json, signer, out, err) != 0) {
		goto out;
	}
	rc = 0;
out:
	if (rc != 0) {
		buf_truncate(out, start);
	}
	buf_release(&json);
	return rc;
}
