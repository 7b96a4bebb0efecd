/* SPDX-License-Identifier: Apache-2.0 */
#include "api/route.h"

#include "api/call.h"
#include "base/str.h"
#include "model/limits.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum { SMALL_BODY_BYTES = 4096 };

#define POCKETBASE(verb, path, function, body_kind, who) \
	{ \
		.method = (verb), .pattern = (path), .handler = (function), \
		.dialect = API_DIALECT_POCKETBASE, .body = (body_kind), \
		.audience = (who) \
	}

#define NATIVE(verb, path, function, body_kind, who) \
	{ \
		.method = (verb), .pattern = (path), .handler = (function), \
		.dialect = API_DIALECT_NATIVE, .body = (body_kind), .audience = (who) \
	}

static const struct api_route routes[] = {
	POCKETBASE("GET", "/api/collections/:collection/records", api_records_list,
		API_BODY_NONE, API_AUDIENCE_POLICY),
	POCKETBASE("POST", "/api/collections/:collection/records", api_records_create,
		API_BODY_RECORD, API_AUDIENCE_POLICY),
	POCKETBASE("GET", "/api/collections/:collection/records/:id", api_records_view,
		API_BODY_NONE, API_AUDIENCE_POLICY),
	POCKETBASE("PATCH", "/api/collections/:collection/records/:id",
		api_records_update, API_BODY_RECORD, API_AUDIENCE_POLICY),
	POCKETBASE("DELETE", "/api/collections/:collection/records/:id",
		api_records_delete, API_BODY_NONE, API_AUDIENCE_POLICY),
	POCKETBASE("GET", "/api/collections/:collection/auth-methods", api_auth_methods,
		API_BODY_NONE, API_AUDIENCE_ANYONE),
	POCKETBASE("POST", "/api/collections/:collection/auth-with-password",
		api_auth_with_password, API_BODY_SMALL, API_AUDIENCE_ANYONE),
	POCKETBASE("POST", "/api/collections/:collection/auth-refresh", api_auth_refresh,
		API_BODY_SMALL, API_AUDIENCE_TOKEN),
	POCKETBASE("GET", "/api/health", api_health_pocketbase, API_BODY_NONE,
		API_AUDIENCE_ANYONE),
	NATIVE("GET", "/healthz", api_health_alive, API_BODY_NONE, API_AUDIENCE_ANYONE),
	NATIVE("GET", "/readyz", api_health_ready, API_BODY_NONE, API_AUDIENCE_ANYONE),
	NATIVE("GET", "/metrics", api_metrics, API_BODY_NONE, API_AUDIENCE_ANYONE),
	NATIVE("GET", "/api/v1/nats", api_native_nats, API_BODY_NONE, API_AUDIENCE_TOKEN),
	NATIVE("GET", "/api/v1/operator.jwt", api_native_operator_jwt, API_BODY_NONE,
		API_AUDIENCE_TOKEN),
	NATIVE("GET", "/api/v1/nats.conf", api_native_nats_conf, API_BODY_NONE,
		API_AUDIENCE_TOKEN),
	NATIVE("POST", "/api/v1/exports/:id/revoke", api_native_export_revoke,
		API_BODY_SMALL, API_AUDIENCE_TOKEN),
	NATIVE("POST", "/api/v1/exports/:id/allow", api_native_export_allow,
		API_BODY_SMALL, API_AUDIENCE_TOKEN),
	NATIVE("GET", "/api/v1/users/:id/creds", api_creds_download, API_BODY_NONE,
		API_AUDIENCE_TOKEN),
	NATIVE("POST", "/api/v1/users/:id/creds-link", api_creds_link_new, API_BODY_SMALL,
		API_AUDIENCE_TOKEN),
	NATIVE("POST", "/api/v1/creds-links/open", api_creds_link_open, API_BODY_SMALL,
		API_AUDIENCE_ANYONE),
	NATIVE("GET", "/api/v1/accounts/:id/signing-keys", api_native_keys_list,
		API_BODY_NONE, API_AUDIENCE_TOKEN),
	NATIVE("POST", "/api/v1/accounts/:id/signing-keys/:key/retire",
		api_native_keys_retire, API_BODY_SMALL, API_AUDIENCE_TOKEN),
	NATIVE("POST", "/api/v1/accounts/:id/signing-keys/:key/keep",
		api_native_keys_keep, API_BODY_SMALL, API_AUDIENCE_TOKEN),
	NATIVE("POST", "/api/v1/accounts/:id/adopt", api_native_account_adopt,
		API_BODY_SMALL, API_AUDIENCE_TOKEN),
	NATIVE("POST", "/api/v1/accounts/:id/override", api_native_account_override,
		API_BODY_SMALL, API_AUDIENCE_TOKEN),
	NATIVE("POST", "/api/v1/creds/nonce", api_creds_nonce, API_BODY_SMALL,
		API_AUDIENCE_ANYONE),
	NATIVE("POST", "/api/v1/creds/renew", api_creds_renew, API_BODY_SMALL,
		API_AUDIENCE_ANYONE),
	NATIVE("GET", "/api/v1/servers", api_native_servers, API_BODY_NONE,
		API_AUDIENCE_TOKEN),
	NATIVE("GET", "/api/v1/drift", api_native_drift, API_BODY_NONE,
		API_AUDIENCE_TOKEN),
	NATIVE("POST", "/api/v1/reconcile", api_native_reconcile, API_BODY_SMALL,
		API_AUDIENCE_TOKEN),
	NATIVE("GET", "/api/v1/accounts/:id/state", api_native_account_state,
		API_BODY_NONE, API_AUDIENCE_TOKEN),
	NATIVE("GET", "/api/v1/expiring", api_expiring, API_BODY_NONE,
		API_AUDIENCE_TOKEN),
	NATIVE("GET", "/creds", api_page_creds, API_BODY_NONE, API_AUDIENCE_ANYONE),
	NATIVE("GET", "/creds.css", api_page_creds_css, API_BODY_NONE,
		API_AUDIENCE_ANYONE),
	NATIVE("GET", "/creds.js", api_page_creds_js, API_BODY_NONE, API_AUDIENCE_ANYONE),
};

enum { ROUTE_COUNT = sizeof(routes) / sizeof(routes[0]) };

const struct api_route *
api_route_table(size_t *out_count)
{
	*out_count = ROUTE_COUNT;
	return routes;
}

/* Where the value of a ":name" segment goes. */
static char *
segment_of(struct api_route_match *match, const char *name, size_t len)
{
	const struct {
		const char *name;
		char *value;
	} segments[] = {
		{ ":collection", match->collection },
		{ ":id", match->id },
		{ ":key", match->key },
	};
	for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
		if (len == strlen(segments[i].name) &&
			memcmp(name, segments[i].name, len) == 0) {
			return segments[i].value;
		}
	}
	assert(false); /* a segment of the table without a place */
	return match->id;
}

static bool
matches(const struct api_route *route, const char *path, struct api_route_match *out)
{
	const char *pattern = route->pattern;
	while (*pattern == '/' && *path == '/') {
		size_t want = strcspn(++pattern, "/");
		size_t have = strcspn(++path, "/");
		if (*pattern == ':') {
			if (have == 0 || have >= API_ROUTE_SEGMENT_SIZE) {
				return false;
			}
			char *value = segment_of(out, pattern, want);
			memcpy(value, path, have);
			value[have] = '\0';
		} else if (want != have || memcmp(pattern, path, want) != 0) {
			return false;
		}
		pattern += want;
		path += have;
	}
	return *pattern == '\0' && *path == '\0';
}

int
api_route_find(const char *method, const char *path, struct api_route_match *out,
	struct err *err)
{
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		struct api_route_match match = { .route = &routes[i] };
		if (str_equal(routes[i].method, method) &&
			matches(&routes[i], path, &match)) {
			*out = match;
			return 0;
		}
	}
	return err_set(err, ERR_NOT_FOUND, "The requested resource wasn't found.");
}

void
api_route_methods(const char *path, struct buf *out)
{
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		struct api_route_match match = { 0 };
		if (!matches(&routes[i], path, &match)) {
			continue;
		}
		if (out->len > 0) {
			buf_put_str(out, ", ");
		}
		buf_put_str(out, routes[i].method);
		if (str_equal(routes[i].method, "GET")) {
			buf_put_str(out, ", HEAD");
		}
	}
}

size_t
api_route_body_limit(const struct api_route *route)
{
	switch (route->body) {
	case API_BODY_NONE:
		return 0;
	case API_BODY_SMALL:
		return SMALL_BODY_BYTES;
	case API_BODY_RECORD:
		return LIMIT_BODY_BYTES;
	}
	return 0;
}

enum api_dialect
api_route_dialect(const char *path)
{
	bool native = str_starts_with(path, "/api/v1/") || str_equal(path, "/healthz") ||
		str_equal(path, "/readyz") || str_equal(path, "/metrics") ||
		str_starts_with(path, "/creds");
	return native ? API_DIALECT_NATIVE : API_DIALECT_POCKETBASE;
}
