/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt/decode.h"

#include "base/buf.h"
#include "base/codec.h"
#include "base/str.h"
#include "json/json.h"
#include "jwt/decode_parts.h"
#include "jwt/nkey.h"
#include "jwt/roles.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER_MAX = 1024, CLAIMS_VERSION = 2 };

struct chunk {
	const char *text;
	size_t len;
};

/* ---- getters that own ---- */

static int
get_text(const json_t *object, const char *key, char **out, struct err *err)
{
	const char *text = NULL;
	if (json_get_text(object, key, &text, err) != 0) {
		return -1;
	}
	if (text == NULL || text[0] == '\0') {
		return 0;
	}
	*out = str_dup(text);
	return *out == NULL ? err_nomem(err) : 0;
}

/* The array's items decoded one by one into a fresh array. *out_len grows with what is
 * owned, so that a release in the middle frees just that. */
struct item_reader {
	size_t size;
	int (*read)(const json_t *json, void *out, struct err *err);
};

static int
read_items(const json_t *array, const char *key, const struct item_reader *reader,
	void **out, size_t *out_len, struct err *err)
{
	size_t n = json_array_size(array);
	if (n == 0) {
		return 0;
	}
	char *items = calloc(n, reader->size);
	if (items == NULL) {
		return err_nomem(err);
	}
	*out = items;
	for (size_t i = 0; i < n; i++) {
		*out_len = i + 1;
		if (reader->read(json_array_get(array, i), items + i * reader->size,
			    err) != 0) {
			return err_prefix(err, "%s, item %zu", key, i + 1);
		}
	}
	return 0;
}

static int
get_items(const json_t *object, const char *key, const struct item_reader *reader,
	void **out, size_t *out_len, struct err *err)
{
	json_t *array = NULL;
	if (json_get_array(object, key, &array, err) != 0) {
		return -1;
	}
	return read_items(array, key, reader, out, out_len, err);
}

/* The same for the members of an object. */
struct member_reader {
	size_t size;
	int (*read)(const char *key, json_t *json, void *out, struct err *err);
};

static int
read_members(json_t *object, const struct member_reader *reader, void **out,
	size_t *out_len, struct err *err)
{
	size_t n = json_object_size(object);
	if (n == 0) {
		return 0;
	}
	char *items = calloc(n, reader->size);
	if (items == NULL) {
		return err_nomem(err);
	}
	*out = items;
	for (void *it = json_object_iter(object); it != NULL;
		it = json_object_iter_next(object, it)) {
		char *item = items + *out_len * reader->size;
		(*out_len)++;
		if (reader->read(json_object_iter_key(it), json_object_iter_value(it),
			    item, err) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
get_members(const json_t *object, const char *key, const struct member_reader *reader,
	void **out, size_t *out_len, struct err *err)
{
	json_t *map = NULL;
	if (json_get_object(object, key, &map, err) != 0) {
		return -1;
	}
	if (read_members(map, reader, out, out_len, err) != 0) {
		return err_prefix(err, "%s", key);
	}
	return 0;
}

static int
need_object(const json_t *json, struct err *err)
{
	return json_is_object(json) ? 0 : err_set(err, ERR_INVALID, "not an object");
}

static int
need_int(const json_t *json, int64_t *out, struct err *err)
{
	if (!json_is_integer(json)) {
		return err_set(err, ERR_INVALID, "not a whole number");
	}
	*out = json_integer_value(json);
	return 0;
}

/* ---- permissions and limits of users ---- */

static int
get_permission(const json_t *object, const char *key, struct jwt_permission *out,
	struct err *err)
{
	json_t *permission = NULL;
	if (json_get_object(object, key, &permission, err) != 0) {
		return -1;
	}
	if (json_get_list(permission, "allow", &out->allow, err) != 0 ||
		json_get_list(permission, "deny", &out->deny, err) != 0) {
		return err_prefix(err, "%s", key);
	}
	return 0;
}

static int
read_permissions(const json_t *object, struct jwt_permissions *out, struct err *err)
{
	json_t *resp = NULL;
	if (get_permission(object, "pub", &out->pub, err) != 0 ||
		get_permission(object, "sub", &out->sub, err) != 0 ||
		json_get_object(object, "resp", &resp, err) != 0) {
		return -1;
	}
	if (resp == NULL) {
		return 0;
	}
	out->has_resp = true;
	if (json_get_int(resp, "max", &out->resp_max, err) != 0 ||
		json_get_int(resp, "ttl", &out->resp_ttl_ns, err) != 0) {
		return err_prefix(err, "resp");
	}
	return 0;
}

static int
read_time_range(const json_t *json, void *out, struct err *err)
{
	struct jwt_time_range *range = out;
	if (need_object(json, err) != 0 ||
		get_text(json, "start", &range->start, err) != 0 ||
		get_text(json, "end", &range->end, err) != 0) {
		return -1;
	}
	return 0;
}

int
jwt_decode_time_ranges(const json_t *array, struct jwt_time_range **out, size_t *out_len,
	struct err *err)
{
	static const struct item_reader reader = { sizeof(struct jwt_time_range),
		read_time_range };
	void *ranges = NULL;
	int rc = read_items(array, "times", &reader, &ranges, out_len, err);
	*out = ranges;
	return rc;
}

/* "10.0.0.0/8, 192.168.1.0/24": the older form of a list of networks. */
static int
split_networks(const char *text, struct strlist *out, struct err *err)
{
	static const char blanks[] = " \t\r\n";
	while (*text != '\0') {
		text += strspn(text, blanks);
		size_t len = strcspn(text, ",");
		const char *next = text[len] == ',' ? text + len + 1 : text + len;
		while (len > 0 && strchr(blanks, text[len - 1]) != NULL) {
			len--;
		}
		if (len > 0 && strlist_add_n(out, text, len, err) != 0) {
			return -1;
		}
		text = next;
	}
	for (size_t i = 0; i < out->len; i++) {
		for (char *c = out->items[i]; *c != '\0'; c++) {
			*c = str_lower(*c);
		}
	}
	return 0;
}

static int
get_networks(const json_t *object, struct strlist *out, struct err *err)
{
	const json_t *src = json_object_get(object, "src");
	if (json_is_string(src)) {
		return split_networks(json_string_value(src), out, err);
	}
	return json_get_list(object, "src", out, err);
}

static int
read_user_limits(const json_t *object, struct jwt_user_limits *out, struct err *err)
{
	json_t *times = NULL;
	if (read_permissions(object, &out->permissions, err) != 0 ||
		get_networks(object, &out->src, err) != 0 ||
		json_get_array(object, "times", &times, err) != 0 ||
		jwt_decode_time_ranges(times, &out->times, &out->times_len, err) != 0 ||
		get_text(object, "times_location", &out->times_location, err) != 0 ||
		json_get_int(object, "subs", &out->subs, err) != 0 ||
		json_get_int(object, "data", &out->data, err) != 0 ||
		json_get_int(object, "payload", &out->payload, err) != 0 ||
		json_get_bool(object, "bearer_token", &out->bearer_token, err) != 0 ||
		json_get_bool(object, "proxy_required", &out->proxy_required, err) != 0 ||
		json_get_list(object, "allowed_connection_types",
			&out->allowed_connection_types, err) != 0) {
		return -1;
	}
	return 0;
}

/* ---- account ---- */

static int
get_export_type(
	const json_t *object, const char *key, enum jwt_export_type *out, struct err *err)
{
	const char *text = NULL;
	if (json_get_text(object, key, &text, err) != 0) {
		return -1;
	}
	if (text == NULL) {
		return 0;
	}
	if (str_equal(text, "stream")) {
		*out = JWT_EXPORT_STREAM;
	} else if (str_equal(text, "service")) {
		*out = JWT_EXPORT_SERVICE;
	} else {
		return err_set(
			err, ERR_INVALID, "\"%s\" is neither stream nor service", key);
	}
	return 0;
}

static int
read_revocation(const char *key, json_t *json, void *out, struct err *err)
{
	struct jwt_revocation *revocation = out;
	revocation->key = str_dup(key);
	if (revocation->key == NULL) {
		return err_nomem(err);
	}
	return need_int(json, &revocation->at, err);
}

static int
get_revocations(const json_t *object, struct jwt_revocation **out, size_t *out_len,
	struct err *err)
{
	static const struct member_reader reader = { sizeof(struct jwt_revocation),
		read_revocation };
	void *items = NULL;
	int rc = get_members(object, "revocations", &reader, &items, out_len, err);
	*out = items;
	return rc;
}

static int
read_import(const json_t *json, void *out, struct err *err)
{
	struct jwt_import *import = out;
	if (need_object(json, err) != 0 ||
		get_text(json, "name", &import->name, err) != 0 ||
		get_text(json, "subject", &import->subject, err) != 0 ||
		get_text(json, "account", &import->account, err) != 0 ||
		get_text(json, "token", &import->token, err) != 0 ||
		get_text(json, "to", &import->to, err) != 0 ||
		get_text(json, "local_subject", &import->local_subject, err) != 0 ||
		get_export_type(json, "type", &import->type, err) != 0 ||
		json_get_bool(json, "share", &import->share, err) != 0 ||
		json_get_bool(json, "allow_trace", &import->allow_trace, err) != 0) {
		return -1;
	}
	return 0;
}

static int
get_latency(const json_t *object, struct jwt_export *out, struct err *err)
{
	json_t *latency = NULL;
	if (json_get_object(object, "service_latency", &latency, err) != 0) {
		return -1;
	}
	if (latency == NULL) {
		return 0;
	}
	out->has_latency = true;
	const json_t *sampling = json_object_get(latency, "sampling");
	bool headers = json_is_string(sampling) &&
		str_equal_nocase(json_string_value(sampling), "headers");
	if ((!headers &&
		    json_get_int(latency, "sampling", &out->latency_sampling, err) !=
			    0) ||
		get_text(latency, "results", &out->latency_results, err) != 0) {
		return err_prefix(err, "service_latency");
	}
	return 0;
}

static int
read_export(const json_t *json, void *out, struct err *err)
{
	struct jwt_export *export = out;
	if (need_object(json, err) != 0 ||
		get_text(json, "name", &export->name, err) != 0 ||
		get_text(json, "subject", &export->subject, err) != 0 ||
		get_export_type(json, "type", &export->type, err) != 0 ||
		json_get_bool(json, "token_req", &export->token_req, err) != 0 ||
		get_revocations(
			json, &export->revocations, &export->revocations_len, err) != 0 ||
		get_text(json, "response_type", &export->response_type, err) != 0 ||
		json_get_int(json, "response_threshold", &export->response_threshold_ns,
			err) != 0 ||
		get_latency(json, export, err) != 0 ||
		json_get_int(json, "account_token_position",
			&export->account_token_position, err) != 0 ||
		json_get_bool(json, "advertise", &export->advertise, err) != 0 ||
		json_get_bool(json, "allow_trace", &export->allow_trace, err) != 0 ||
		get_text(json, "description", &export->description, err) != 0 ||
		get_text(json, "info_url", &export->info_url, err) != 0) {
		return -1;
	}
	return 0;
}

static int
read_jetstream(const json_t *object, struct jwt_jetstream_limits *out, struct err *err)
{
	if (json_get_int(object, "mem_storage", &out->mem_storage, err) != 0 ||
		json_get_int(object, "disk_storage", &out->disk_storage, err) != 0 ||
		json_get_int(object, "streams", &out->streams, err) != 0 ||
		json_get_int(object, "consumer", &out->consumer, err) != 0 ||
		json_get_int(object, "max_ack_pending", &out->max_ack_pending, err) !=
			0 ||
		json_get_int(object, "mem_max_stream_bytes", &out->mem_max_stream_bytes,
			err) != 0 ||
		json_get_int(object, "disk_max_stream_bytes", &out->disk_max_stream_bytes,
			err) != 0 ||
		json_get_bool(object, "max_bytes_required", &out->max_bytes_required,
			err) != 0) {
		return -1;
	}
	return 0;
}

static int
read_tier(const char *key, json_t *json, void *out, struct err *err)
{
	struct jwt_tier *tier = out;
	tier->name = str_dup(key);
	if (tier->name == NULL) {
		return err_nomem(err);
	}
	if (need_object(json, err) != 0) {
		return -1;
	}
	return read_jetstream(json, &tier->limits, err);
}

int
jwt_decode_tiers(json_t *map, struct jwt_tier **out, size_t *out_len, struct err *err)
{
	static const struct member_reader reader = { sizeof(struct jwt_tier), read_tier };
	void *tiers = NULL;
	int rc = read_members(map, &reader, &tiers, out_len, err);
	*out = tiers;
	return rc;
}

static int
get_tiers(const json_t *object, struct jwt_account_limits *out, struct err *err)
{
	json_t *map = NULL;
	if (json_get_object(object, "tiered_limits", &map, err) != 0) {
		return -1;
	}
	return jwt_decode_tiers(map, &out->tiers, &out->tiers_len, err) == 0
		? 0
		: err_prefix(err, "tiered_limits");
}

static int
read_account_limits(const json_t *object, struct jwt_account_limits *out, struct err *err)
{
	if (get_tiers(object, out, err) != 0 ||
		json_get_int(object, "subs", &out->subs, err) != 0 ||
		json_get_int(object, "data", &out->data, err) != 0 ||
		json_get_int(object, "payload", &out->payload, err) != 0 ||
		json_get_int(object, "imports", &out->imports, err) != 0 ||
		json_get_int(object, "exports", &out->exports, err) != 0 ||
		json_get_bool(object, "wildcards", &out->wildcards, err) != 0 ||
		json_get_bool(object, "disallow_bearer", &out->disallow_bearer, err) !=
			0 ||
		json_get_int(object, "conn", &out->conn, err) != 0 ||
		json_get_int(object, "leaf", &out->leaf, err) != 0 ||
		read_jetstream(object, &out->jetstream, err) != 0) {
		return -1;
	}
	if (out->tiers_len > 0) {
		/* Tiers win over the flat limits, in servers as well. */
		out->jetstream = (struct jwt_jetstream_limits){ 0 };
	}
	return 0;
}

static int
read_scope(const json_t *json, struct jwt_signing_key *out, struct err *err)
{
	const char *kind = NULL;
	json_t *template_ = NULL;
	if (json_get_text(json, "kind", &kind, err) != 0) {
		return -1;
	}
	if (kind == NULL || !str_equal(kind, "user_scope")) {
		return err_set(err, ERR_INVALID, "\"kind\" is not user_scope");
	}
	out->scoped = true;
	/* Here, unlike in a user, limits that are missing are unlimited. */
	jwt_user_limits_init(&out->template_);
	if (get_text(json, "key", &out->key, err) != 0 ||
		get_text(json, "role", &out->role, err) != 0 ||
		get_text(json, "description", &out->description, err) != 0 ||
		json_get_object(json, "template", &template_, err) != 0) {
		return -1;
	}
	if (read_user_limits(template_, &out->template_, err) != 0) {
		return err_prefix(err, "template");
	}
	return 0;
}

static int
read_signing_key(const json_t *json, void *out, struct err *err)
{
	struct jwt_signing_key *key = out;
	if (json_is_object(json)) {
		return read_scope(json, key, err);
	}
	if (!json_is_string(json)) {
		return err_set(err, ERR_INVALID, "neither a string nor an object");
	}
	key->key = str_dup(json_string_value(json));
	return key->key == NULL ? err_nomem(err) : 0;
}

static int
read_mapping_target(const json_t *json, void *out, struct err *err)
{
	struct jwt_mapping_target *target = out;
	if (need_object(json, err) != 0 ||
		get_text(json, "subject", &target->subject, err) != 0 ||
		json_get_int(json, "weight", &target->weight, err) != 0 ||
		get_text(json, "cluster", &target->cluster, err) != 0) {
		return -1;
	}
	return 0;
}

static int
read_mapping(const char *key, json_t *json, void *out, struct err *err)
{
	struct jwt_mapping *mapping = out;
	size_t n = json_array_size(json);
	mapping->subject = str_dup(key);
	mapping->targets = calloc(n + 1, sizeof(*mapping->targets));
	if (mapping->subject == NULL || mapping->targets == NULL) {
		return err_nomem(err);
	}
	if (!json_is_array(json)) {
		return err_set(err, ERR_INVALID, "not an array");
	}
	for (size_t i = 0; i < n; i++) {
		mapping->targets_len = i + 1;
		if (read_mapping_target(
			    json_array_get(json, i), &mapping->targets[i], err) != 0) {
			return -1;
		}
	}
	return 0;
}

int
jwt_decode_mappings(
	json_t *map, struct jwt_mapping **out, size_t *out_len, struct err *err)
{
	static const struct member_reader reader = { sizeof(struct jwt_mapping),
		read_mapping };
	void *mappings = NULL;
	int rc = read_members(map, &reader, &mappings, out_len, err);
	*out = mappings;
	return rc;
}

static int
get_mappings(const json_t *object, struct jwt_account *out, struct err *err)
{
	json_t *map = NULL;
	if (json_get_object(object, "mappings", &map, err) != 0) {
		return -1;
	}
	return jwt_decode_mappings(map, &out->mappings, &out->mappings_len, err) == 0
		? 0
		: err_prefix(err, "mappings");
}

static int
read_authorization(const json_t *object, struct jwt_authorization *out, struct err *err)
{
	if (json_get_list(object, "auth_users", &out->auth_users, err) != 0 ||
		json_get_list(object, "allowed_accounts", &out->allowed_accounts, err) !=
			0 ||
		get_text(object, "xkey", &out->xkey, err) != 0) {
		return -1;
	}
	return 0;
}

static int
read_trace(const json_t *object, struct jwt_account *out, struct err *err)
{
	out->has_trace = true;
	if (get_text(object, "dest", &out->trace_dest, err) != 0 ||
		json_get_int(object, "sampling", &out->trace_sampling, err) != 0) {
		return err_prefix(err, "trace");
	}
	return 0;
}

/* The members that are objects. */
static int
read_account_objects(const json_t *body, struct jwt_account *out, struct err *err)
{
	json_t *limits = NULL;
	json_t *permissions = NULL;
	json_t *authorization = NULL;
	json_t *trace = NULL;
	if (json_get_object(body, "limits", &limits, err) != 0 ||
		json_get_object(body, "default_permissions", &permissions, err) != 0 ||
		json_get_object(body, "authorization", &authorization, err) != 0 ||
		json_get_object(body, "trace", &trace, err) != 0) {
		return -1;
	}
	if (read_account_limits(limits, &out->limits, err) != 0) {
		return err_prefix(err, "limits");
	}
	if (read_permissions(permissions, &out->default_permissions, err) != 0) {
		return err_prefix(err, "default_permissions");
	}
	if (read_authorization(authorization, &out->authorization, err) != 0) {
		return err_prefix(err, "authorization");
	}
	return trace == NULL ? 0 : read_trace(trace, out, err);
}

/* The members that are arrays and maps. */
static int
read_account_lists(const json_t *body, struct jwt_account *out, struct err *err)
{
	static const struct item_reader import = { sizeof(struct jwt_import),
		read_import };
	static const struct item_reader export = { sizeof(struct jwt_export),
		read_export };
	static const struct item_reader key = { sizeof(struct jwt_signing_key),
		read_signing_key };
	void *imports = NULL;
	void *exports = NULL;
	void *keys = NULL;
	int rc = 0;
	if (get_items(body, "imports", &import, &imports, &out->imports_len, err) != 0 ||
		get_items(body, "exports", &export, &exports, &out->exports_len, err) !=
			0 ||
		get_items(body, "signing_keys", &key, &keys, &out->signing_keys_len,
			err) != 0 ||
		get_mappings(body, out, err) != 0) {
		rc = -1;
	}
	out->imports = imports;
	out->exports = exports;
	out->signing_keys = keys;
	return rc;
}

static int
read_account(const json_t *body, struct jwt_account *out, struct err *err)
{
	if (read_account_lists(body, out, err) != 0 ||
		read_account_objects(body, out, err) != 0 ||
		get_revocations(body, &out->revocations, &out->revocations_len, err) !=
			0 ||
		get_text(body, "cluster_traffic", &out->cluster_traffic, err) != 0 ||
		get_text(body, "description", &out->description, err) != 0 ||
		get_text(body, "info_url", &out->info_url, err) != 0 ||
		json_get_list(body, "tags", &out->tags, err) != 0) {
		return -1;
	}
	return 0;
}

/* ---- the others ---- */

static int
read_operator(const json_t *body, struct jwt_operator *out, struct err *err)
{
	if (json_get_list(body, "signing_keys", &out->signing_keys, err) != 0 ||
		get_text(body, "account_server_url", &out->account_server_url, err) !=
			0 ||
		json_get_list(body, "operator_service_urls", &out->operator_service_urls,
			err) != 0 ||
		get_text(body, "system_account", &out->system_account, err) != 0 ||
		get_text(body, "assert_server_version", &out->assert_server_version,
			err) != 0 ||
		json_get_bool(body, "strict_signing_key_usage",
			&out->strict_signing_key_usage, err) != 0 ||
		json_get_list(body, "tags", &out->tags, err) != 0) {
		return -1;
	}
	return 0;
}

static int
read_user(const json_t *body, struct jwt_user *out, struct err *err)
{
	if (read_user_limits(body, &out->limits, err) != 0 ||
		get_text(body, "issuer_account", &out->issuer_account, err) != 0 ||
		json_get_list(body, "tags", &out->tags, err) != 0) {
		return -1;
	}
	return 0;
}

/* Servers know a member by any spelling that Unicode folds to its name, and take the last
 * one: what looks like a member and is none would say something else to them. */
static int
check_spelling(json_t *object, struct err *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
	for (void *it = json_object_iter(object); it != NULL;
		it = json_object_iter_next(object, it)) {
		const char *key = json_object_iter_key(it);
		if (key[strspn(key, plain)] != '\0') {
			return err_set(err, ERR_INVALID,
				"a member of the token that servers could take for "
				"another one: \"%.40s\"",
				key);
		}
	}
	return 0;
}

static int
read_activation(json_t *body, struct jwt_activation *out, struct err *err)
{
	if (check_spelling(body, err) != 0 ||
		get_text(body, "subject", &out->subject, err) != 0 ||
		get_export_type(body, "kind", &out->kind, err) != 0 ||
		get_text(body, "issuer_account", &out->issuer_account, err) != 0 ||
		json_get_list(body, "tags", &out->tags, err) != 0) {
		return -1;
	}
	return 0;
}

static int
read_server_id(const json_t *object, struct jwt_server_id *out, struct err *err)
{
	if (get_text(object, "name", &out->name, err) != 0 ||
		get_text(object, "host", &out->host, err) != 0 ||
		get_text(object, "id", &out->id, err) != 0 ||
		get_text(object, "version", &out->version, err) != 0 ||
		get_text(object, "cluster", &out->cluster, err) != 0 ||
		json_get_list(object, "tags", &out->tags, err) != 0 ||
		get_text(object, "xkey", &out->xkey, err) != 0) {
		return err_prefix(err, "server_id");
	}
	return 0;
}

static int
read_client_info(const json_t *object, struct jwt_client_info *out, struct err *err)
{
	if (get_text(object, "host", &out->host, err) != 0 ||
		json_get_int(object, "id", &out->id, err) != 0 ||
		get_text(object, "user", &out->user, err) != 0 ||
		get_text(object, "name", &out->name, err) != 0 ||
		json_get_list(object, "tags", &out->tags, err) != 0 ||
		get_text(object, "name_tag", &out->name_tag, err) != 0 ||
		get_text(object, "kind", &out->kind, err) != 0 ||
		get_text(object, "type", &out->type, err) != 0 ||
		get_text(object, "mqtt_id", &out->mqtt_id, err) != 0 ||
		get_text(object, "nonce", &out->nonce, err) != 0) {
		return err_prefix(err, "client_info");
	}
	return 0;
}

static int
read_connect_opts(const json_t *object, struct jwt_connect_opts *out, struct err *err)
{
	if (get_text(object, "jwt", &out->jwt, err) != 0 ||
		get_text(object, "nkey", &out->nkey, err) != 0 ||
		get_text(object, "sig", &out->sig, err) != 0 ||
		get_text(object, "auth_token", &out->auth_token, err) != 0 ||
		get_text(object, "user", &out->user, err) != 0 ||
		get_text(object, "pass", &out->pass, err) != 0 ||
		get_text(object, "name", &out->name, err) != 0 ||
		get_text(object, "lang", &out->lang, err) != 0 ||
		get_text(object, "version", &out->version, err) != 0 ||
		json_get_int(object, "protocol", &out->protocol, err) != 0) {
		return err_prefix(err, "connect_opts");
	}
	return 0;
}

static int
read_chain(const json_t *json, void *out, struct err *err)
{
	if (!json_is_array(json)) {
		return err_set(err, ERR_INVALID, "not an array");
	}
	return json_read_list(json, "chain", out, err);
}

static int
read_client_tls(const json_t *object, struct jwt_client_tls *out, struct err *err)
{
	static const struct item_reader chain = { sizeof(struct strlist), read_chain };
	void *chains = NULL;
	int rc = get_items(object, "verified_chains", &chain, &chains,
		&out->verified_chains_len, err);
	out->verified_chains = chains;
	if (rc != 0 || get_text(object, "version", &out->version, err) != 0 ||
		get_text(object, "cipher", &out->cipher, err) != 0 ||
		json_get_list(object, "certs", &out->certs, err) != 0) {
		return err_prefix(err, "client_tls");
	}
	return 0;
}

static int
read_auth_request(const json_t *body, struct jwt_auth_request *out, struct err *err)
{
	json_t *server = NULL;
	json_t *client = NULL;
	json_t *connect = NULL;
	json_t *tls = NULL;
	if (json_get_object(body, "server_id", &server, err) != 0 ||
		json_get_object(body, "client_info", &client, err) != 0 ||
		json_get_object(body, "connect_opts", &connect, err) != 0 ||
		json_get_object(body, "client_tls", &tls, err) != 0 ||
		read_server_id(server, &out->server, err) != 0 ||
		get_text(body, "user_nkey", &out->user_nkey, err) != 0 ||
		read_client_info(client, &out->client, err) != 0 ||
		read_connect_opts(connect, &out->connect, err) != 0 ||
		get_text(body, "request_nonce", &out->request_nonce, err) != 0 ||
		json_get_list(body, "tags", &out->tags, err) != 0) {
		return -1;
	}
	out->has_tls = tls != NULL;
	return tls == NULL ? 0 : read_client_tls(tls, &out->tls, err);
}

static int
read_auth_response(const json_t *body, struct jwt_auth_response *out, struct err *err)
{
	if (get_text(body, "jwt", &out->jwt, err) != 0 ||
		get_text(body, "error", &out->error, err) != 0 ||
		get_text(body, "issuer_account", &out->issuer_account, err) != 0 ||
		json_get_list(body, "tags", &out->tags, err) != 0) {
		return -1;
	}
	return 0;
}

static int
read_generic_member(const char *key, json_t *json, void *out, struct err *err)
{
	struct jwt_member *member = out;
	struct buf text;
	struct emit emit;
	int rc = -1;

	buf_init(&text, JWT_TOKEN_MAX * 2);
	member->key = str_dup(key);
	if (member->key == NULL) {
		err_nomem(err);
		goto out;
	}
	emit_init(&emit, &text);
	if (json_emit(json, &emit, err) != 0 || buf_finish(&text, err) != 0) {
		goto out;
	}
	member->json = buf_take(&text);
	rc = 0;
out:
	buf_release(&text);
	return rc;
}

static int
read_generic(json_t *body, struct jwt_generic *out, struct err *err)
{
	static const struct member_reader reader = { sizeof(struct jwt_member),
		read_generic_member };
	void *members = NULL;
	/* It was read before, and the encoder puts it back. */
	json_object_del(body, "version");
	int rc = read_members(body, &reader, &members, &out->members_len, err);
	out->members = members;
	return rc;
}

static int
read_body(json_t *body, struct jwt_claims *out, struct err *err)
{
	switch (out->type) {
	case JWT_OPERATOR:
		return read_operator(body, &out->as.operator_, err);
	case JWT_ACCOUNT:
		return read_account(body, &out->as.account, err);
	case JWT_USER:
		return read_user(body, &out->as.user, err);
	case JWT_ACTIVATION:
		return read_activation(body, &out->as.activation, err);
	case JWT_AUTH_REQUEST:
		return read_auth_request(body, &out->as.auth_request, err);
	case JWT_AUTH_RESPONSE:
		return read_auth_response(body, &out->as.auth_response, err);
	case JWT_GENERIC:
		return read_generic(body, &out->as.generic, err);
	}
	return err_set(err, ERR_INTERNAL, "unknown type of claims");
}

static int
read_top(json_t *json, struct jwt_claims *out, struct err *err)
{
	if (check_spelling(json, err) != 0 ||
		get_text(json, "aud", &out->aud, err) != 0 ||
		json_get_int(json, "exp", &out->exp, err) != 0 ||
		get_text(json, "jti", &out->jti, err) != 0 ||
		json_get_int(json, "iat", &out->iat, err) != 0 ||
		get_text(json, "iss", &out->iss, err) != 0 ||
		get_text(json, "name", &out->name, err) != 0 ||
		json_get_int(json, "nbf", &out->nbf, err) != 0 ||
		get_text(json, "sub", &out->sub, err) != 0) {
		return -1;
	}
	return 0;
}

/* ---- the envelope ---- */

static int
split_token(const char *token, size_t len, struct chunk out[static 3], struct err *err)
{
	const char *p = token;
	const char *end = token + len;
	for (size_t i = 0; i < 3; i++) {
		const char *dot = memchr(p, '.', (size_t)(end - p));
		if ((dot == NULL) != (i == 2)) {
			return err_set(err, ERR_INVALID,
				"a token has three parts, with dots between");
		}
		out[i] = (struct chunk){ p, (size_t)((dot != NULL ? dot : end) - p) };
		p = dot != NULL ? dot + 1 : end;
	}
	return 0;
}

static int
parse_header(struct chunk chunk, json_t **out, struct err *err)
{
	uint8_t text[HEADER_MAX];
	size_t len = 0;
	if (codec_base64url_decode(chunk.text, chunk.len, text, sizeof(text), &len) !=
		0) {
		return err_set(err, ERR_INVALID, "it is not base64url");
	}
	return json_parse((const char *)text, len, sizeof(text), out, err);
}

static int
check_header_members(const json_t *json, struct err *err)
{
	const char *typ = NULL;
	const char *alg = NULL;
	if (json_get_text(json, "typ", &typ, err) != 0 ||
		json_get_text(json, "alg", &alg, err) != 0) {
		return -1;
	}
	if (typ == NULL || !str_equal_nocase(typ, "JWT")) {
		return err_set(err, ERR_INVALID, "the type is not JWT");
	}
	if (alg != NULL && str_equal_nocase(alg, "ed25519")) {
		return err_set(err, ERR_INVALID, "tokens of version 1 are not supported");
	}
	if (alg == NULL || !str_equal_nocase(alg, "ed25519-nkey")) {
		return err_set(err, ERR_INVALID, "the algorithm is not ed25519-nkey");
	}
	return 0;
}

static int
check_header(struct chunk chunk, struct err *err)
{
	/* {"typ":"JWT","alg":"ed25519-nkey"}, as all libraries write it. */
	static const char usual[] = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ";
	json_t *json = NULL;
	if (chunk.len == sizeof(usual) - 1 && memcmp(chunk.text, usual, chunk.len) == 0) {
		return 0;
	}
	int rc = parse_header(chunk, &json, err) == 0 &&
			check_header_members(json, err) == 0
		? 0
		: -1;
	json_decref(json);
	return rc == 0 ? 0 : err_prefix(err, "header of the token");
}

static int
parse_payload(struct chunk chunk, json_t **out, struct err *err)
{
	int rc = -1;
	struct buf text;
	size_t len = 0;

	/* The connect options of a callout request hold passwords. */
	buf_init_secret(&text, JWT_TOKEN_MAX);
	char *place = buf_grow(&text, chunk.len);
	if (place == NULL) {
		rc = buf_finish(&text, err);
		goto out;
	}
	if (codec_base64url_decode(
		    chunk.text, chunk.len, (uint8_t *)place, chunk.len, &len) != 0) {
		err_set(err, ERR_INVALID, "the payload of the token is not base64url");
		goto out;
	}
	if (json_parse(place, len, JWT_TOKEN_MAX, out, err) != 0) {
		err_prefix(err, "payload of the token");
		goto out;
	}
	rc = 0;
out:
	buf_release(&text);
	return rc;
}

static int
find_type(const char *name, enum jwt_type *out, struct err *err)
{
	static const enum jwt_type known[] = { JWT_OPERATOR, JWT_ACCOUNT, JWT_USER,
		JWT_ACTIVATION, JWT_AUTH_REQUEST, JWT_AUTH_RESPONSE };
	*out = JWT_GENERIC;
	if (name == NULL) {
		return 0;
	}
	if (str_equal(name, "cluster") || str_equal(name, "server")) {
		return err_set(
			err, ERR_INVALID, "claims of type %s are not supported", name);
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (str_equal(name, jwt_type_name(known[i]))) {
			*out = known[i];
		}
	}
	return 0;
}

static int
check_version(
	const json_t *json, json_t **out_body, enum jwt_type *out_type, struct err *err)
{
	int64_t version = 0;
	const char *type = NULL;
	json_t *body = NULL;
	if (json_get_object(json, "nats", &body, err) != 0) {
		return -1;
	}
	if (json_object_get(json, "type") != NULL) {
		return err_set(err, ERR_INVALID, "tokens of version 1 are not supported");
	}
	if (body == NULL) {
		return err_set(err, ERR_INVALID, "the token has no \"nats\" claims");
	}
	if (json_get_int(body, "version", &version, err) != 0 ||
		json_get_text(body, "type", &type, err) != 0) {
		return -1;
	}
	if (version > CLAIMS_VERSION) {
		return err_set(err, ERR_INVALID, "the token is of a newer version (%lld)",
			(long long)version);
	}
	if (version < CLAIMS_VERSION) {
		return err_set(err, ERR_INVALID,
			"tokens of version %lld are not supported", (long long)version);
	}
	*out_body = body;
	return find_type(type, out_type, err);
}

/* The signature covers the first two parts and the dot between them. */
static int
check_signature(const char *token, const struct chunk chunks[static 3], const char *iss,
	enum jwt_type type, struct err *err)
{
	uint8_t sig[NKEY_SIG_LEN];
	size_t sig_len = 0;
	enum nkey_role role;
	struct nkey_public key;
	if (codec_base64url_decode(
		    chunks[2].text, chunks[2].len, sig, sizeof(sig), &sig_len) != 0 ||
		sig_len != sizeof(sig)) {
		return err_set(
			err, ERR_INVALID, "the signature of the token is malformed");
	}
	if (iss == NULL) {
		return err_set(err, ERR_INVALID, "the token has no issuer");
	}
	if (nkey_text_decode_any(iss, strlen(iss), &role, &key, err) != 0) {
		return err_prefix(err, "issuer of the token");
	}
	size_t signed_len = (size_t)(chunks[1].text - token) + chunks[1].len;
	if (!jwt_nkey_verify(&key, (const uint8_t *)token, signed_len, sig)) {
		return err_set(err, ERR_INVALID, "the signature of the token is wrong");
	}
	if (!jwt_roles_may_sign(role, type)) {
		return err_set(err, ERR_INVALID,
			"a key of role %s cannot sign claims of type %s",
			nkey_role_name(role), jwt_type_name(type));
	}
	return 0;
}

int
jwt_decode(const char *token, size_t len, struct jwt_claims *out, struct err *err)
{
	int rc = -1;
	struct chunk chunks[3] = { 0 };
	json_t *json = NULL;
	json_t *body = NULL;
	struct jwt_claims claims = { 0 };

	if (len > JWT_TOKEN_MAX) {
		err_set(err, ERR_TOO_LARGE, "the token is too large: over %d bytes",
			JWT_TOKEN_MAX);
		goto out;
	}
	if (split_token(token, len, chunks, err) != 0 ||
		check_header(chunks[0], err) != 0 ||
		parse_payload(chunks[1], &json, err) != 0 ||
		check_version(json, &body, &claims.type, err) != 0 ||
		read_top(json, &claims, err) != 0 ||
		check_signature(token, chunks, claims.iss, claims.type, err) != 0) {
		goto out;
	}
	if (read_body(body, &claims, err) != 0) {
		err_prefix(err, "%s claims", jwt_type_name(claims.type));
		goto out;
	}
	*out = claims;
	memset(&claims, 0, sizeof(claims));
	rc = 0;
out:
	json_decref(json);
	jwt_claims_release(&claims);
	return rc;
}
