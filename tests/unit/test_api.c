/* SPDX-License-Identifier: Apache-2.0
 * The API without a database: routes, problems, bodies, records, query parameters. What
 * needs the use cases is tested over HTTP in tests/integration. */
#include "api/api.h"
#include "api/body.h"
#include "api/prefer.h"
#include "api/problem.h"
#include "api/query.h"
#include "api/record.h"
#include "api/route.h"
#include "api/suggest.h"
#include "base/clock.h"
#include "base/str.h"
#include "json/json.h"
#include "model/account.h"
#include "model/account_export.h"
#include "model/account_import.h"
#include "model/limits.h"
#include "model/operator.h"
#include "model/role.h"
#include "model/superuser.h"
#include "model/user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- requests and answers ---------------------------------------------------------- */

static struct http_request
make_request(const char *method, const char *path, const char *query)
{
	return (struct http_request){
		.method = method,
		.path = path,
		.query = query,
		.body = "",
		.remote_ip = "127.0.0.1",
		.id = "request00000001",
	};
}

static const char *
response_header(const struct http_response *res, const char *name)
{
	for (size_t i = 0; i < res->header_count; i++) {
		if (str_equal_nocase(res->headers[i].name, name)) {
			return res->headers[i].value;
		}
	}
	return NULL;
}

static void
check_body(struct http_response *res, const char *expected)
{
	struct err err = { 0 };
	assert_int_equal(buf_finish(&res->body, &err), 0);
	assert_string_equal(res->body.data, expected);
}

static void
check_body_holds(struct http_response *res, const char *part)
{
	struct err err = { 0 };
	assert_int_equal(buf_finish(&res->body, &err), 0);
	if (strstr(res->body.data, part) == NULL) {
		fail_msg("no %s in %s", part, res->body.data);
	}
}

/* ---- preferences ------------------------------------------------------------------- */

static void
test_prefer(void **state)
{
	(void)state;
	static const struct {
		const char *first; /* the values of two headers */
		const char *second;
		int64_t seconds; /* 0: none */
	} cases[] = {
		{ "wait=10", NULL, 10 },
		{ "Wait = 10", NULL, 10 },
		{ "wait=\"10\"", NULL, 10 },
		{ "wait=60", NULL, 60 },
		{ "wait=1", NULL, 1 },
		{ "respond-async, wait=5", NULL, 5 },
		{ "handling=lenient; strict=\"a,;\\\"b\"; x, wait=5;", NULL, 5 },
		{ ",, wait=5 ,", NULL, 5 },
		{ "wait=5, wait=9", NULL, 5 },
		{ "return=minimal", "wait=7", 7 },
		{ "wait=5", "wait=9", 5 },
		{ "wait=0", NULL, 0 },
		{ "wait=61", NULL, 60 },
		{ "wait=120", "wait=9", 60 },
		{ "wait=9223372036854775807", NULL, 60 },
		{ "wait=0, wait=5", NULL, 0 },
		{ "wait=-1", NULL, 0 },
		{ "wait=+5", NULL, 0 },
		{ "wait=5.5", NULL, 0 },
		{ "wait=5s", NULL, 0 },
		{ "wait", NULL, 0 },
		{ "wait=", NULL, 0 },
		{ "wait=5 6", NULL, 0 },
		{ "wait:5", NULL, 0 },
		{ "waiting=5", NULL, 0 },
		{ "wait=\"5", NULL, 0 },
		{ "a=\"\\", NULL, 0 },
		{ "=5, wait=5", NULL, 0 },
		{ "wait=999999999999999999999999999999999999999999", NULL, 0 },
		{ "wait=\"555555555555555555555555555555555555555555\"", NULL, 0 },
		{ "", NULL, 0 },
		{ ";", NULL, 0 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request req = make_request("POST", "/", "");
		const struct http_header headers[] = { { "PREFER", cases[i].first },
			{ "prefer", cases[i].second } };
		int64_t seconds = 0;
		req.headers = headers;
		req.header_count = cases[i].second != NULL ? 2 : 1;
		bool found = api_prefer_read(&req, &seconds);
		if (found != (cases[i].seconds > 0) ||
			(found && seconds != cases[i].seconds)) {
			fail_msg("%s: %d, %d s", cases[i].first, found, (int)seconds);
		}
	}
}

/* ---- routes ------------------------------------------------------------------------ */

static void
test_routes_are_complete(void **state)
{
	(void)state;
	size_t count = 0;
	const struct api_route *routes = api_route_table(&count);
	assert_true(count >= 14);
	for (size_t i = 0; i < count; i++) {
		const struct api_route *route = &routes[i];
		bool writes = str_equal(route->method, "POST") ||
			str_equal(route->method, "PATCH");
		assert_non_null(route->handler);
		assert_true(route->dialect == api_route_dialect(route->pattern));
		assert_true(route->audience >= API_AUDIENCE_ANYONE &&
			route->audience <= API_AUDIENCE_TOKEN);
		assert_true(
			route->body >= API_BODY_NONE && route->body <= API_BODY_RECORD);
		size_t limit = api_route_body_limit(route);
		assert_true(writes ? limit > 0 && limit <= LIMIT_BODY_BYTES : limit == 0);
		for (size_t j = 0; j < i; j++) {
			assert_false(str_equal(route->method, routes[j].method) &&
				str_equal(route->pattern, routes[j].pattern));
		}
	}
}

/* Who may come without a token is a decision, so the list of those is written down
 * twice. */
static void
test_routes_open_to_anyone(void **state)
{
	(void)state;
	static const char *const open[] = {
		"/api/collections/:collection/auth-methods",
		"/api/collections/:collection/auth-with-password",
		"/api/health",
		"/healthz",
		"/readyz",
		"/metrics",
		"/api/v1/creds-links/open",
		"/api/v1/creds/nonce",
		"/api/v1/creds/renew",
		"/creds",
		"/creds.css",
		"/creds.js",
	};
	size_t count = 0;
	size_t seen = 0;
	const struct api_route *routes = api_route_table(&count);
	for (size_t i = 0; i < count; i++) {
		bool listed = false;
		for (size_t j = 0; j < COUNT(open); j++) {
			listed = listed || str_equal(routes[i].pattern, open[j]);
		}
		assert_true(listed == (routes[i].audience == API_AUDIENCE_ANYONE));
		seen += listed ? 1 : 0;
	}
	assert_int_equal(seen, COUNT(open));
}

struct route_case {
	const char *method;
	const char *path;
	const char *pattern; /* NULL: nothing is there */
	const char *collection;
	const char *id;
};

static void
test_route_find(void **state)
{
	(void)state;
#define RECORDS "/api/collections/:collection/records"
	static const struct route_case cases[] = {
		{ "GET", "/api/collections/nats_users/records", RECORDS, "nats_users",
			"" },
		{ "POST", "/api/collections/pbc_1/records", RECORDS, "pbc_1", "" },
		{ "GET", "/api/collections/x/records/abc", RECORDS "/:id", "x", "abc" },
		{ "PATCH", "/api/collections/x/records/a b", RECORDS "/:id", "x", "a b" },
		{ "DELETE", "/api/collections/x/records/abc", RECORDS "/:id", "x",
			"abc" },
		{ "GET", "/api/v1/users/abc/creds", "/api/v1/users/:id/creds", "",
			"abc" },
		{ "GET", "/api/v1/operator.jwt", "/api/v1/operator.jwt", "", "" },
		{ "GET", "/healthz", "/healthz", "", "" },
		{ "GET", "/", NULL, NULL, NULL },
		{ "GET", "/api", NULL, NULL, NULL },
		{ "GET", "/api/", NULL, NULL, NULL },
		{ "GET", "/api/health/", NULL, NULL, NULL },
		{ "GET", "//api/health", NULL, NULL, NULL },
		{ "GET", "/api//health", NULL, NULL, NULL },
		{ "GET", "/API/health", NULL, NULL, NULL },
		{ "GET", "/api/healthy", NULL, NULL, NULL },
		{ "GET", "/api/healt", NULL, NULL, NULL },
		{ "POST", "/api/health", NULL, NULL, NULL },
		{ "get", "/api/health", NULL, NULL, NULL },
		{ "GET", "/api/collections//records", NULL, NULL, NULL },
		{ "GET", "/api/collections/x/records/", NULL, NULL, NULL },
		{ "GET", "/api/collections/x/records/a/b", NULL, NULL, NULL },
		{ "PUT", "/api/collections/x/records/a", NULL, NULL, NULL },
		{ "DELETE", "/api/collections/x/records", NULL, NULL, NULL },
		{ "GET", "/api/v1/users//creds", NULL, NULL, NULL },
		{ "GET", "/api/v1/users/abc", NULL, NULL, NULL },
		{ "GET", "/api/collections/:collection/record", NULL, NULL, NULL },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct api_route_match match = { 0 };
		struct err err = { 0 };
		int rc = api_route_find(cases[i].method, cases[i].path, &match, &err);
		if ((rc == 0) != (cases[i].pattern != NULL)) {
			fail_msg("%s %s", cases[i].method, cases[i].path);
		}
		if (rc == 0) {
			assert_string_equal(match.route->pattern, cases[i].pattern);
			assert_string_equal(match.route->method, cases[i].method);
			assert_string_equal(match.collection, cases[i].collection);
			assert_string_equal(match.id, cases[i].id);
		} else {
			assert_int_equal(err.code, ERR_NOT_FOUND);
		}
	}
}

static void
test_route_segment_too_long(void **state)
{
	(void)state;
	char path[160] = "/api/v1/users/";
	size_t head = strlen(path);
	struct api_route_match match;
	memset(path + head, 'a', API_ROUTE_SEGMENT_SIZE - 1);
	memcpy(path + head + API_ROUTE_SEGMENT_SIZE - 1, "/creds", 7);
	assert_int_equal(api_route_find("GET", path, &match, NULL), 0);
	assert_int_equal(strlen(match.id), API_ROUTE_SEGMENT_SIZE - 1);
	memset(path + head, 'a', API_ROUTE_SEGMENT_SIZE);
	memcpy(path + head + API_ROUTE_SEGMENT_SIZE, "/creds", 7);
	assert_int_equal(api_route_find("GET", path, &match, NULL), -1);
}

static void
test_body_limits(void **state)
{
	(void)state;
	const char *records = "/api/collections/nats_roles/records";
	assert_int_equal(api_body_limit(NULL, "POST", records), LIMIT_BODY_BYTES);
	assert_int_equal(api_body_limit(NULL, "GET", records), 0);
	assert_int_equal(api_body_limit(NULL, "POST", "/nothing"), 0);
	assert_int_equal(api_body_limit(NULL, "OPTIONS", records), 0);
	size_t login = api_body_limit(
		NULL, "POST", "/api/collections/_superusers/auth-with-password");
	assert_true(login > 0 && login < LIMIT_BODY_BYTES);
}

/* ---- problems ---------------------------------------------------------------------- */

static void
test_problem_statuses(void **state)
{
	(void)state;
	static const struct {
		enum err_code code;
		int native;
		int pocketbase;
	} cases[] = {
		{ ERR_NONE, 500, 500 },
		{ ERR_INVALID, 400, 400 },
		{ ERR_UNAUTHENTICATED, 401, 401 },
		{ ERR_FORBIDDEN, 403, 403 },
		{ ERR_NOT_FOUND, 404, 404 },
		{ ERR_CONFLICT, 409, 400 },
		{ ERR_STALE, 412, 412 },
		{ ERR_TOO_LARGE, 413, 413 },
		{ ERR_MEDIA_TYPE, 415, 400 },
		{ ERR_LIMITED, 429, 429 },
		{ ERR_INTERNAL, 500, 500 },
		{ ERR_NOMEM, 500, 500 },
		{ ERR_CORRUPT, 500, 500 },
		{ ERR_UNAVAILABLE, 503, 503 },
		{ ERR_BUSY, 503, 503 },
		{ ERR_TIMEOUT, 504, 504 },
	};
/* A sum cannot stand in parentheses term by term.
 * NOLINTNEXTLINE(bugprone-macro-parentheses) */
#define ONE(name, wire) +1
	assert_int_equal(COUNT(cases), 1 ERR_CODES(ONE));
#undef ONE
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(cases[i].code, i);
		assert_int_equal(api_problem_status(API_DIALECT_NATIVE, cases[i].code),
			cases[i].native);
		assert_int_equal(
			api_problem_status(API_DIALECT_POCKETBASE, cases[i].code),
			cases[i].pocketbase);
	}
}

static void
write_problem(enum api_dialect dialect, const struct err *err,
	const struct violations *violations, struct http_response *res)
{
	struct api_problem problem = {
		.dialect = dialect,
		.err = err,
		.violations = violations,
		.request_id = "request00000001",
	};
	buf_put_str(&res->body, "half an answer");
	api_problem_write(&problem, res);
}

static void
test_problem_pocketbase(void **state)
{
	(void)state;
	struct http_response res;
	struct violations violations = { 0 };
	struct err err = { 0 };
	violations_add(&violations, "name", VIOLATION_REQUIRED, "Cannot be blank.");
	violations_add(&violations, "x\"\n", VIOLATION_UNKNOWN_FIELD, "Unknown field.");
	err_set(&err, ERR_INVALID, "Failed to create record.");
	err_detail(&err, "SECRET SQL");
	http_response_init(&res);
	write_problem(API_DIALECT_POCKETBASE, &err, &violations, &res);
	assert_int_equal(res.status, 400);
	assert_string_equal(res.content_type, "application/json");
	check_body(&res,
		"{\"data\":{\"name\":{\"code\":\"validation_required\","
		"\"message\":\"Cannot be blank.\"},\"x\\\"\\n\":{\"code\":"
		"\"validation_unknown_field\",\"message\":\"Unknown field.\"}},"
		"\"message\":\"Failed to create record.\",\"status\":400}");
	http_response_release(&res);
}

static void
test_problem_native(void **state)
{
	(void)state;
	struct http_response res;
	struct err err = { 0 };
	err_set(&err, ERR_CONFLICT, "The user is \"suspended\".");
	err_detail(&err, "SECRET SQL");
	http_response_init(&res);
	write_problem(API_DIALECT_NATIVE, &err, NULL, &res);
	assert_int_equal(res.status, 409);
	assert_string_equal(res.content_type, "application/problem+json");
	check_body(&res,
		"{\"type\":\"about:blank\",\"title\":\"Conflict\",\"status\":409,"
		"\"detail\":\"The user is \\\"suspended\\\".\",\"code\":\"conflict\","
		"\"request_id\":\"request00000001\"}");
	http_response_release(&res);
}

static void
test_problem_without_message(void **state)
{
	(void)state;
	struct http_response res;
	struct err err = { 0 };
	http_response_init(&res);
	write_problem(API_DIALECT_POCKETBASE, &err, NULL, &res);
	check_body(&res,
		"{\"data\":{},\"message\":\"Something went wrong while processing your "
		"request.\",\"status\":500}");
	write_problem(API_DIALECT_NATIVE, &err, NULL, &res);
	check_body_holds(&res, "\"code\":\"internal\"");
	http_response_release(&res);
}

static void
test_refuse(void **state)
{
	(void)state;
	struct http_response res;
	http_response_init(&res);
	api_refuse(NULL, 413, "Request entity too large.", &res);
	assert_int_equal(res.status, 413);
	check_body(&res,
		"{\"data\":{},\"message\":\"Request entity too large.\",\"status\":413}");
	http_response_release(&res);
}

/* ---- dispatch ---------------------------------------------------------------------- */

static void
say_connected(void *ctx, struct api_nats_status *out)
{
	const char *url = ctx;
	out->connected = true;
	assert_int_equal(str_copy(out->url, sizeof(out->url), url), 0);
}

static struct api *
make_api(void)
{
	static char url[] = "nats://127.0.0.1:4222";
	struct api_params params = {
		.clock = &clock_system,
		.nats_status = say_connected,
		.nats_ctx = url,
		.version = "1.2.3",
	};
	struct api *api = NULL;
	struct err err = { 0 };
	assert_int_equal(api_new(&params, &api, &err), 0);
	return api;
}

struct dispatch_case {
	const char *method;
	const char *path;
	int status;
	const char *holds;
};

/* All of it without a token and without a use case behind. */
static void
test_dispatch(void **state)
{
	(void)state;
#define ONLY_SUPERUSERS \
	"\"message\":\"Only superusers can perform this action.\",\"status\":403"
#define NOT_FOUND \
	"{\"data\":{},\"message\":\"The requested resource wasn't " \
	"found.\",\"status\":404}"
	static const struct dispatch_case cases[] = {
		{ "GET", "/api/health", 200,
			"{\"message\":\"API is healthy.\",\"code\":200,\"data\":{}}" },
		{ "GET", "/healthz", 200, "{\"status\":\"ok\"}" },
		{ "GET", "/api/nothing", 404, NOT_FOUND },
		{ "POST", "/api/health", 404, NOT_FOUND },
		{ "GET", "/api/health/", 404, NOT_FOUND },
		{ "GET", "/", 404, NOT_FOUND },
		{ "PUT", "/api/collections/nats_roles/records", 404, NOT_FOUND },
		{ "GET", "/api/v1/nothing", 404, "\"code\":\"not_found\"" },
		{ "POST", "/api/v1/operator.jwt", 405,
			"\"code\":\"method_not_allowed\"" },
		{ "DELETE", "/healthz", 405, "\"status\":405" },
		{ "GET", "/api/v1/operator.jwt", 401, "\"code\":\"unauthenticated\"" },
		{ "GET", "/api/v1/nats", 401, "\"code\":\"unauthenticated\"" },
		{ "POST", "/metrics", 405, "\"code\":\"method_not_allowed\"" },
		{ "GET", "/api/v1/nats.conf", 401, "valid record authorization token" },
		{ "GET", "/api/v1/users/abc/creds", 401, "\"request_id\":\"request000" },
		{ "POST", "/api/collections/_superusers/auth-refresh", 401,
			"\"status\":401" },
		{ "GET", "/api/collections/nats_roles/records", 403, ONLY_SUPERUSERS },
		{ "POST", "/api/collections/nats_roles/records", 403, ONLY_SUPERUSERS },
		{ "GET", "/api/collections/pbc_4029046258/records/a", 403,
			ONLY_SUPERUSERS },
		{ "PATCH", "/api/collections/USERS/records/a", 403, ONLY_SUPERUSERS },
		{ "DELETE", "/api/collections/_superusers/records/a", 403,
			ONLY_SUPERUSERS },
		{ "GET", "/api/collections/nats_nothing/records", 404,
			"\"message\":\"Missing collection context.\"" },
		{ "GET", "/api/collections/nats_roles/auth-methods", 404,
			"Missing or invalid auth collection context." },
		{ "POST", "/api/collections/nothing/auth-with-password", 404,
			"Missing or invalid auth collection context." },
		{ "POST", "/api/collections/_superusers/auth-with-password", 400,
			"\"identity\":{\"code\":\"validation_required\"" },
		{ "POST", "/api/collections/_superusers/auth-with-password", 400,
			"\"password\":{\"code\":\"validation_required\"" },
	};
	struct api *api = make_api();
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request req =
			make_request(cases[i].method, cases[i].path, "");
		struct http_response res;
		http_response_init(&res);
		api_handle(api, &req, &res);
		if (res.status != cases[i].status) {
			fail_msg("%s %s: %d", cases[i].method, cases[i].path, res.status);
		}
		check_body_holds(&res, cases[i].holds);
		http_response_release(&res);
	}
	api_free(api);
}

static void
test_dispatch_headers(void **state)
{
	(void)state;
	static const struct http_header headers[] = {
		{ "Origin", "https://example.org" },
		{ "Access-Control-Request-Headers", "authorization,content-type" },
	};
	struct api *api = make_api();
	struct http_response res;
	struct http_request req = make_request("OPTIONS", "/api/anything", "");

	http_response_init(&res);
	req.headers = headers;
	req.header_count = COUNT(headers);
	api_handle(api, &req, &res);
	assert_int_equal(res.status, 204);
	assert_int_equal(res.body.len, 0);
	assert_string_equal(response_header(&res, "Access-Control-Allow-Origin"), "*");
	assert_string_equal(response_header(&res, "Access-Control-Allow-Headers"),
		"authorization,content-type");
	assert_string_equal(response_header(&res, "Access-Control-Allow-Methods"),
		"GET,HEAD,PUT,PATCH,POST,DELETE");
	http_response_release(&res);

	http_response_init(&res);
	req = make_request("GET", "/healthz", "");
	api_handle(api, &req, &res);
	assert_null(response_header(&res, "Access-Control-Allow-Origin"));
	http_response_release(&res);

	http_response_init(&res);
	req = make_request("PATCH", "/api/v1/users/x/creds", "");
	api_handle(api, &req, &res);
	assert_string_equal(response_header(&res, "Allow"), "GET, HEAD");
	http_response_release(&res);

	http_response_init(&res);
	req = make_request("GET", "/api/v1/users/x/creds", "");
	api_handle(api, &req, &res);
	assert_string_equal(response_header(&res, "WWW-Authenticate"), "Bearer");
	http_response_release(&res);
	api_free(api);
}

static void
test_auth_methods(void **state)
{
	(void)state;
	struct api *api = make_api();
	struct http_response res;
	struct http_request req =
		make_request("GET", "/api/collections/_superusers/auth-methods", "");
	http_response_init(&res);
	api_handle(api, &req, &res);
	check_body(&res,
		"{\"password\":{\"enabled\":true,\"identityFields\":[\"email\"]},"
		"\"oauth2\":{\"enabled\":false,\"providers\":[]},"
		"\"mfa\":{\"enabled\":false,\"duration\":0},"
		"\"otp\":{\"enabled\":false,\"duration\":0},\"authProviders\":null,"
		"\"usernamePassword\":false,\"emailPassword\":true}");
	http_response_release(&res);

	http_response_init(&res);
	req = make_request("GET", "/api/collections/nats_users/auth-methods",
		"fields=mfa%2Cpassword");
	api_handle(api, &req, &res);
	check_body(&res,
		"{\"password\":{\"enabled\":false,\"identityFields\":[]},"
		"\"mfa\":{\"enabled\":false,\"duration\":0}}");
	http_response_release(&res);
	api_free(api);
}

/* ---- bodies: the text
 * ---------------------------------------------------------------- */

struct parse_case {
	const char *type; /* Content-Type; NULL: none */
	const char *body;
	enum err_code code; /* ERR_NONE: an object */
	const char *says;
};

static int
parse_body(const char *type, const char *body, size_t len, json_t **out, struct err *err)
{
	struct http_header header = { "Content-Type", type };
	struct http_request req = make_request("POST", "/", "");
	req.body = body;
	req.body_len = len;
	req.headers = &header;
	req.header_count = type != NULL ? 1 : 0;
	return api_body_parse(&req, out, err);
}

static void
test_body_parse(void **state)
{
	(void)state;
	static const char json[] = "application/json";
	static const struct parse_case cases[] = {
		{ json, "{}", ERR_NONE, "" },
		{ json, " {\"a\":[1]} \n", ERR_NONE, "" },
		{ json, "", ERR_NONE, "" },
		{ NULL, "", ERR_NONE, "" },
		{ "text/plain", "", ERR_NONE, "" },
		{ "Application/JSON; charset=utf-8", "{}", ERR_NONE, "" },
		{ "application/json;charset=UTF-8", "{}", ERR_NONE, "" },
		{ "application/json ; x=y", "{}", ERR_NONE, "" },
		{ NULL, "{}", ERR_MEDIA_TYPE, "application/json" },
		{ "", "{}", ERR_MEDIA_TYPE, "Unsupported Content-Type." },
		{ "text/json", "{}", ERR_MEDIA_TYPE, "Unsupported" },
		{ "application/jsonx", "{}", ERR_MEDIA_TYPE, "Unsupported" },
		{ "application/json, text/html", "{}", ERR_MEDIA_TYPE, "Unsupported" },
		{ "application/json x", "{}", ERR_MEDIA_TYPE, "Unsupported" },
		{ "application/x-www-form-urlencoded", "a=b", ERR_MEDIA_TYPE, "" },
		{ "multipart/form-data; boundary=x", "--x", ERR_MEDIA_TYPE, "" },
		{ json, "{", ERR_INVALID, "line 1 column" },
		{ json, "{\"a\":1,}", ERR_INVALID, "line 1 column" },
		{ json, "{\n\n  \"a\": nul}", ERR_INVALID, "line 3 column" },
		{ json, "{\"a\":1}x", ERR_INVALID, "line 1 column" },
		{ json, "{\"a\":1}{}", ERR_INVALID, "line 1 column" },
		{ json, "{\"a\":1,\n \"a\":2}", ERR_INVALID,
			"line 2 column 2: duplicate object key \"a\"" },
		{ json, "{\"n\":{\"b\":1,\"b\":1}}", ERR_INVALID, "duplicate" },
		{ json, "{\"a\":\"x\\u0000y\"}", ERR_INVALID, "line 1 column" },
		{ json, "{\"a\":\"\xff\"}", ERR_INVALID, "line 1 column 6" },
		{ json, "{\"a\":\"\xc0\x80\"}", ERR_INVALID, "line 1 column 6" },
		{ json, "{\"a\":\"\xed\xa0\x80\"}", ERR_INVALID, "line 1 column 6" },
		{ json, "{\"a\":\"\\ud800\"}", ERR_INVALID, "line 1 column" },
		{ json, "{\"a\":99999999999999999999}", ERR_INVALID, "line 1 column" },
		{ json, "{\"a\":1e999}", ERR_INVALID, "line 1 column" },
		{ json, "{'a':1}", ERR_INVALID, "line 1 column" },
		{ json, "{a:1}", ERR_INVALID, "line 1 column" },
		{ json, "{\"a\":01}", ERR_INVALID, "line 1 column" },
		{ json, "{\"a\":\"x\ny\"}", ERR_INVALID, "line 1 column" },
		{ json, "[]", ERR_INVALID, "must be a JSON object, not an array" },
		{ json, "[{\"a\":1}]", ERR_INVALID, "not an array" },
		{ json, "null", ERR_INVALID, "line 1 column" },
		{ json, "\"a\"", ERR_INVALID, "line 1 column" },
		{ json, "7", ERR_INVALID, "line 1 column" },
		{ json, " ", ERR_INVALID, "line 1 column" },
		{ json, "\xef\xbb\xbf{}", ERR_INVALID, "line 1 column" },
		{ json,
			"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]"
			"]]]]]]]"
			"]}",
			ERR_INVALID, "levels deep" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *out = NULL;
		struct err err = { 0 };
		int rc = parse_body(
			cases[i].type, cases[i].body, strlen(cases[i].body), &out, &err);
		if ((rc == 0) != (cases[i].code == ERR_NONE) ||
			err.code != cases[i].code ||
			strstr(err.msg, cases[i].says) == NULL) {
			fail_msg("row %zu: %s: %s", i, cases[i].body, err.msg);
		}
		assert_true((out != NULL) == (rc == 0));
		json_decref(out);
	}
}

static void
test_body_parse_nul_byte(void **state)
{
	(void)state;
	static const char body[] = "{\"a\":1}\0{}";
	json_t *out = NULL;
	struct err err = { 0 };
	assert_int_equal(
		parse_body("application/json", body, sizeof(body) - 1, &out, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
}

/* ---- bodies: the fields
 * -------------------------------------------------------------- */

/* Has what the real collections do not let clients write. */
struct sample {
	struct record_head head;
	int64_t when;
	struct nkey_public key;
	char *secret;
	char *derived;
};

static const struct field sample_fields[] = {
	{ .name = "id",
		.type = FIELD_ID,
		.flags = FIELD_IMMUTABLE,
		.offset = (int)offsetof(struct sample, head.id) },
	{ .name = "when",
		.type = FIELD_DATE,
		.offset = (int)offsetof(struct sample, when) },
	{ .name = "key",
		.type = FIELD_KEY,
		.role = NKEY_USER,
		.offset = (int)offsetof(struct sample, key) },
	{ .name = "secret",
		.type = FIELD_TEXT,
		.flags = FIELD_INTERNAL,
		.offset = (int)offsetof(struct sample, secret) },
	{ .name = "derived",
		.type = FIELD_JSON,
		.flags = FIELD_READ_ONLY,
		.offset = FIELD_NO_OFFSET },
};

static const char *const nothing_passed_over[] = { NULL };

static const struct collection sample_collection = {
	.kind = COLLECTION_COUNT,
	.name = "samples",
	.id = "pbc_1",
	.noun = "sample",
	.fields = sample_fields,
	.field_count = COUNT(sample_fields),
	.passed_over = nothing_passed_over,
	.row_size = sizeof(struct sample),
};

/* What was decoded, in the order of the field table: name=value for each field given. */
static void
dump_member(struct emit *emit, const struct field *field, const void *member)
{
	char text[NKEY_TEXT_SIZE];
	switch (field->type) {
	case FIELD_TEXT:
	case FIELD_EMAIL:
	case FIELD_PASSWORD:
		emit_text(emit, *(char *const *)member);
		break;
	case FIELD_CLAIM: {
		const char *json = *(char *const *)member;
		if (json == NULL) {
			emit_null(emit);
		} else {
			emit_raw(emit, json, strlen(json));
		}
		break;
	}
	case FIELD_BOOL:
		emit_bool(emit, *(const bool *)member);
		break;
	case FIELD_INT:
	case FIELD_DATE:
		if (*(const int64_t *)member == FIELD_NULL_INT) {
			emit_null(emit);
		} else {
			emit_int(emit, *(const int64_t *)member);
		}
		break;
	case FIELD_LIST:
		if (((const struct strlist *)member)->items == NULL) {
			emit_null(emit);
		} else {
			strlist_emit(member, emit);
		}
		break;
	case FIELD_RELATION:
	case FIELD_ID:
		emit_text(emit, member);
		break;
	case FIELD_KEY:
		nkey_text_encode(field->role, member, text);
		emit_text(emit, text);
		break;
	case FIELD_JSON:
		emit_null(emit);
		break;
	}
}

static void
dump(const struct collection *collection, const void *row, uint64_t present,
	struct buf *out)
{
	struct emit emit;
	emit_init(&emit, out);
	emit_object_begin(&emit);
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		if ((present >> i & 1) != 0) {
			emit_key(&emit, field->name);
			dump_member(&emit, field, record_member_const(field, row));
		}
	}
	emit_object_end(&emit);
}

static void
dump_violations(const struct violations *violations, struct buf *out)
{
	for (size_t i = 0; i < violations->len; i++) {
		buf_put_str(out, i > 0 ? " " : "");
		buf_put_str(out, violations->items[i].field);
		buf_put_char(out, ':');
		buf_put_str(out, violations->items[i].code);
	}
}

struct decode_case {
	const struct collection *collection;
	const char *id; /* NULL: a creation */
	const char *body;
	const char *outcome; /* {what was decoded}, or field:code of each violation */
	const char *says; /* in the message of the last violation; may be NULL */
};

#define A &account_collection
#define R &role_collection
#define U &user_collection
#define S &superuser_collection
#define O &operator_collection
#define X &sample_collection
#define ID "abcdefghijklmno"
#define TYPE ":validation_invalid_type"
#define UNKNOWN ":validation_unknown_field"
#define ACCOUNT_KEY "ACATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZIL2R"
#define USER_KEY "UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4"

static const struct decode_case decode_cases[] = {
	/* what each collection takes */
	{ A, NULL, "{}", "{}", NULL },
	{ A, NULL, "{\"name\":\"a\"}", "{\"name\":\"a\"}", NULL },
	{ A, NULL, "{\"name\":\"\",\"description\":\"\"}",
		"{\"name\":\"\",\"description\":\"\"}", NULL },
	{ A, ID, "{\"active\":false,\"max_payload\":-1,\"max_data\":9007199254740991}",
		"{\"active\":false,\"max_data\":9007199254740991,\"max_payload\":-1}",
		NULL },
	{ A, NULL, "{\"name\":\"\xc3\xa9\xf0\x9f\x98\x80\"}",
		"{\"name\":\"\xc3\xa9\xf0\x9f\x98\x80\"}", NULL },
	{ R, NULL, "{\"publish_permissions\":[],\"subscribe_permissions\":[\"a.b q\"]}",
		"{\"publish_permissions\":[],\"subscribe_permissions\":[\"a.b q\"]}",
		NULL },
	{ R, NULL, "{\"publish_deny_permissions\":[\"b\",\"a\",\"b\"]}",
		"{\"publish_deny_permissions\":[\"b\",\"a\",\"b\"]}", NULL },
	{ R, NULL, "{\"subscribe_deny_permissions\":[\"\",\"a..b\"]}",
		"{\"subscribe_deny_permissions\":[\"\",\"a..b\"]}", NULL },
	{ R, ID, "{\"is_default\":true,\"allow_response\":true,\"allow_response_ttl\":0}",
		"{\"is_default\":true,\"allow_response\":true,\"allow_response_ttl\":0}",
		NULL },
	{ U, NULL, "{\"nats_username\":\"u\",\"account_id\":\"" ID "\",\"role_id\":\"\"}",
		"{\"nats_username\":\"u\",\"account_id\":\"" ID "\",\"role_id\":\"\"}",
		NULL },
	{ U, NULL, "{\"email\":\"a@b.c\",\"emailVisibility\":true,\"verified\":true}",
		"{\"email\":\"a@b.c\",\"emailVisibility\":true,\"verified\":true}",
		NULL },
	{ U, NULL, "{\"password\":\"12345678\",\"passwordConfirm\":\"x\"}",
		"{\"password\":\"12345678\",\"passwordConfirm\":\"x\"}", NULL },
	{ S, NULL, "{\"email\":\"a@b.c\",\"password\":\"p\",\"passwordConfirm\":\"p\"}",
		"{\"email\":\"a@b.c\",\"password\":\"p\",\"passwordConfirm\":\"p\"}",
		NULL },
	{ X, NULL, "{\"key\":\"" USER_KEY "\"}", "{\"key\":\"" USER_KEY "\"}", NULL },

	/* the id: given at creation, its own in an update */
	{ A, NULL, "{\"id\":\"" ID "\"}", "{\"id\":\"" ID "\"}", NULL },
	{ A, NULL, "{\"id\":\"short\"}", "{\"id\":\"short\"}", NULL },
	{ A, NULL, "{\"id\":\"\"}", "{}", NULL },
	{ A, NULL, "{\"id\":\"" ID "p\"}", "id:validation_invalid_format",
		"15 characters" },
	{ A, NULL, "{\"id\":7}", "id" TYPE, "Must be a string, not a number." },
	{ A, NULL, "{\"id\":null}", "id" TYPE, "null" },
	{ A, ID, "{\"id\":\"" ID "\"}", "{}", NULL },
	{ A, ID, "{\"id\":\"bbcdefghijklmno\"}", "id:validation_pk_change",
		"cannot be changed" },
	{ A, ID, "{\"id\":\"\"}", "id:validation_pk_change", NULL },
	{ A, ID, "{\"id\":\"" ID "p\"}", "id:validation_pk_change", NULL },
	{ A, ID, "{\"id\":[]}", "id" TYPE, "not a list" },

	/* passed over: a record sent back whole */
	{ A, ID,
		"{\"collectionId\":\"x\",\"collectionName\":1,\"expand\":{},\"created\":"
		"null,"
		"\"updated\":\"\",\"public_key\":\"A\",\"jwt\":{},\"signing_keys\":[],"
		"\"signing_public_key\":\"\",\"generation\":\"x\",\"published_"
		"generation\":1,"
		"\"publish_status\":\"proven\",\"publish_message\":\"\",\"name\":\"n\"}",
		"{\"name\":\"n\"}", NULL },
	{ A, NULL,
		"{\"private_key\":1,\"seed\":\"\",\"signing_private_key\":\"\","
		"\"signing_seed\":\"\",\"signing_keys_private\":[],\"revocations\":{}}",
		"{}", NULL },
	{ U, ID,
		"{\"private_key\":\"\",\"seed\":\"\",\"tokenKey\":\"\",\"creds_file\":"
		"\"x\","
		"\"jwt\":\"y\",\"issued_at\":\"never\",\"created\":"
		"1}",
		"{}", NULL },
	{ S, ID, "{\"tokenKey\":\"x\",\"verified\":\"no\"}", "{}", NULL },
	{ O, ID, "{\"name\":7,\"seed\":\"x\",\"jwt\":\"\",\"system_account_id\":0}", "{}",
		NULL },
	{ X, NULL, "{\"derived\":{\"a\":1}}", "{}", NULL },

	/* unknown: misspelt, of another collection, internal, not of this version */
	{ A, NULL, "{\"max_paylod\":5}", "max_paylod" UNKNOWN,
		"Unknown field; did you mean \"max_payload\"?" },
	{ A, NULL, "{\"maxPayload\":5}", "maxPayload" UNKNOWN, "\"max_payload\"" },
	{ A, NULL, "{\"Name\":\"x\"}", "Name" UNKNOWN, "\"name\"" },
	{ A, NULL, "{\"naem\":\"x\"}", "naem" UNKNOWN, "\"name\"" },
	{ R, NULL, "{\"publish_deny_permission\":[]}", "publish_deny_permission" UNKNOWN,
		"did you mean \"publish_deny_permissions\"?" },
	{ R, NULL, "{\"publish_denied_permissions\":[]}",
		"publish_denied_permissions" UNKNOWN, "did you mean" },
	{ A, NULL, "{\"nats_username\":\"x\"}", "nats_username" UNKNOWN,
		"Unknown field." },
	{ A, NULL, "{\"is_system\":true}", "is_system" UNKNOWN, "Unknown field." },
	{ A, NULL, "{\"deleted\":1}", "deleted" UNKNOWN, NULL },
	{ A, NULL, "{\"tokenKey\":1}", "tokenKey" UNKNOWN, NULL },
	{ U, NULL, "{\"password_hash\":\"x\"}", "password_hash" UNKNOWN,
		"Unknown field." },
	{ U, NULL, "{\"token_key\":\"x\"}", "token_key" UNKNOWN, NULL },
	{ U, NULL, "{\"iat\":1}", "iat" UNKNOWN, "Unknown field." },
	{ U, NULL, "{\"overrides\":true}", "overrides" UNKNOWN, "Unknown field." },
	{ U, NULL, "{\"issued_until\":1}", "issued_until" UNKNOWN, NULL },
	{ A, NULL, "{\"key_set\":1}", "key_set" UNKNOWN, NULL },
	{ R, NULL, "{\"feeds\":1}", "feeds" UNKNOWN, NULL },
	{ U, ID, "{\"oldPassword\":\"x\"}", "oldPassword" UNKNOWN, "Unknown field." },
	{ R, NULL, "{\"seed\":\"x\"}", "seed" UNKNOWN, NULL },
	{ X, NULL, "{\"secret\":\"x\"}", "secret" UNKNOWN, NULL },
	{ A, NULL, "{\"\":1}", UNKNOWN, NULL },
	{ A, NULL, "{\"name \":\"x\"}", "name " UNKNOWN, "\"name\"" },
	{ A, NULL, "{\"publik_key\":\"x\"}", "publik_key" UNKNOWN, "Unknown field." },
	{ A, NULL, "{\"unknown_with_null\":null}", "unknown_with_null" UNKNOWN, NULL },

	/* PocketBase's modifiers */
	{ A, ID, "{\"max_payload+\":5}", "max_payload+" UNKNOWN,
		"Modifiers are not supported; send the whole value as \"max_payload\"." },
	{ A, ID, "{\"max_payload-\":5}", "max_payload-" UNKNOWN, "Modifiers" },
	{ R, ID, "{\"publish_permissions+\":[\"a\"]}", "publish_permissions+" UNKNOWN,
		"Modifiers" },
	{ R, ID, "{\"+publish_permissions\":[\"a\"]}", "+publish_permissions" UNKNOWN,
		"Modifiers" },
	{ A, ID, "{\"nothing+\":5}", "nothing+" UNKNOWN, "Unknown field." },
	{ A, ID, "{\"is_system+\":1}", "is_system+" UNKNOWN, "Unknown field." },
	{ A, ID, "{\"+\":1}", "+" UNKNOWN, "Unknown field." },
	{ A, NULL, "{\"name:autogenerate\":\"x\"}", "name:autogenerate" UNKNOWN, NULL },

	/* texts */
	{ A, NULL, "{\"name\":5}", "name" TYPE, "Must be a string, not a number." },
	{ A, NULL, "{\"name\":1.5}", "name" TYPE, "not a number" },
	{ A, NULL, "{\"name\":true}", "name" TYPE, "not a boolean" },
	{ A, NULL, "{\"name\":[]}", "name" TYPE, "not a list" },
	{ A, NULL, "{\"name\":{}}", "name" TYPE, "not an object" },
	{ U, NULL, "{\"email\":1}", "email" TYPE, NULL },
	{ U, NULL, "{\"password\":12345678}", "password" TYPE, "not a number" },

	/* booleans: only the exact strings are coerced */
	{ A, NULL, "{\"active\":\"true\"}", "{\"active\":true}", NULL },
	{ A, NULL, "{\"active\":\"false\"}", "{\"active\":false}", NULL },
	{ A, NULL, "{\"active\":\"True\"}", "active" TYPE, "Must be true or false." },
	{ A, NULL, "{\"active\":\"yes\"}", "active" TYPE, "Must be true or false." },
	{ A, NULL, "{\"active\":\"1\"}", "active" TYPE, NULL },
	{ A, NULL, "{\"active\":\"\"}", "active" TYPE, NULL },
	{ A, NULL, "{\"active\":1}", "active" TYPE,
		"Must be true or false, not a number." },
	{ A, NULL, "{\"active\":0}", "active" TYPE, NULL },
	{ A, NULL, "{\"active\":[]}", "active" TYPE, NULL },

	/* integers: decimal strings are coerced */
	{ A, NULL, "{\"max_payload\":\"1024\"}", "{\"max_payload\":1024}", NULL },
	{ A, NULL, "{\"max_payload\":\"-1\"}", "{\"max_payload\":-1}", NULL },
	{ A, NULL, "{\"max_payload\":0}", "{\"max_payload\":0}", NULL },
	{ A, NULL, "{\"max_payload\":9223372036854775807}",
		"{\"max_payload\":9223372036854775807}", NULL },
	{ A, NULL, "{\"max_payload\":1.5}", "max_payload:validation_only_int_constraint",
		"without a fraction" },
	{ A, NULL, "{\"max_payload\":5.0}", "max_payload:validation_only_int_constraint",
		NULL },
	{ A, NULL, "{\"max_payload\":1e3}", "max_payload:validation_only_int_constraint",
		NULL },
	{ A, NULL, "{\"max_payload\":\"\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\"x\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\"1k\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\" 1\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\"+1\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\"05\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\"-0\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\"0x10\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\"1.0\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\"99999999999999999999\"}",
		"max_payload:validation_max_number_constraint", "2147483647" },
	{ A, NULL, "{\"max_payload\":\"-99999999999999999999\"}",
		"max_payload:validation_min_number_constraint", "-1" },
	{ A, NULL, "{\"max_payload\":true}", "max_payload" TYPE, "an integer" },
	{ A, NULL, "{\"max_payload\":[5]}", "max_payload" TYPE, NULL },

	/* lists */
	{ R, NULL, "{\"publish_permissions\":\"a.>\"}", "publish_permissions" TYPE,
		"Must be a list of strings, not a string." },
	{ R, NULL, "{\"publish_permissions\":\"[\\\"a\\\"]\"}",
		"publish_permissions" TYPE, NULL },
	{ R, NULL, "{\"publish_permissions\":{}}", "publish_permissions" TYPE, NULL },
	{ R, NULL, "{\"publish_permissions\":[\"a\",5]}", "publish_permissions" TYPE,
		"Entry 1: must be a string, not a number." },
	{ R, NULL, "{\"publish_permissions\":[null]}", "publish_permissions" TYPE,
		"Entry 0" },
	{ R, NULL, "{\"publish_permissions\":[[\"a\"]]}", "publish_permissions" TYPE,
		"not a list" },

	/* null */
	{ R, ID, "{\"publish_permissions\":null}", "publish_permissions" TYPE,
		"[] means nothing" },
	{ R, NULL, "{\"publish_permissions\":null}", "publish_permissions" TYPE, NULL },
	{ A, ID, "{\"name\":null}", "name" TYPE, "Must not be null" },
	{ A, ID, "{\"max_payload\":null}", "max_payload" TYPE, "leave the field out" },
	{ A, ID, "{\"active\":null}", "active" TYPE, NULL },
	{ U, ID, "{\"role_id\":null}", "role_id" TYPE, NULL },
	{ X, ID, "{\"when\":null}", "when" TYPE, NULL },
	/* where it says nothing, it is a value */
	{ U, ID, "{\"publish_permissions\":null}", "{\"publish_permissions\":null}",
		NULL },
	{ U, ID, "{\"publish_permissions\":[]}", "{\"publish_permissions\":[]}", NULL },
	{ U, ID, "{\"max_payload\":null}", "{\"max_payload\":null}", NULL },
	{ U, ID, "{\"time_windows\":null}", "{\"time_windows\":null}", NULL },
	{ U, ID, "{\"tags\":null}", "tags" TYPE, "[] means nothing" },
	{ R, ID, "{\"time_windows\":null}", "time_windows" TYPE, "null" },

	/* claims: as natsid writes JSON; what they may hold is not for here to say */
	{ U, ID, "{\"time_windows\":[ {\"start\":\"08:00:00\"} ]}",
		"{\"time_windows\":[{\"start\":\"08:00:00\"}]}", NULL },
	{ A, ID, "{\"mappings\":{ \"a\" : 1 }}", "{\"mappings\":{\"a\":1}}", NULL },
	{ A, ID, "{\"mappings\":\"{}\"}", "mappings" TYPE, "not a string" },
	{ U, ID, "{\"time_windows\":[1.5]}", "time_windows:validation_invalid_value",
		"Not usable" },

	/* triggers */
	{ U, ID, "{\"regenerate\":true,\"revoke\":false}",
		"{\"regenerate\":true,\"revoke\":false}", NULL },
	{ A, ID, "{\"rotate_keys\":\"true\"}", "{\"rotate_keys\":true}", NULL },

	/* relations */
	{ U, NULL, "{\"account_id\":\"" ID "x\"}",
		"account_id:validation_missing_rel_records",
		"There is no account with this id." },
	{ U, NULL, "{\"role_id\":5}", "role_id" TYPE, "id of a record" },
	{ U, NULL, "{\"role_id\":[\"" ID "\"]}", "role_id" TYPE, NULL },

	/* dates */
	{ X, NULL, "{\"when\":\"2026-11-20 21:54:28.441Z\"}", "{\"when\":1795211668441}",
		NULL },
	{ X, NULL, "{\"when\":\"2030-01-01\"}", "{\"when\":1893456000000}", NULL },
	{ X, NULL, "{\"when\":\"2030-01-01T02:00:00+02:00\"}", "{\"when\":1893456000000}",
		NULL },
	{ X, NULL, "{\"when\":\"\"}", "{\"when\":0}", NULL },
	{ X, NULL, "{\"when\":\"tomorrow\"}", "when:validation_invalid_date",
		"2030-01-31 12:00:00.000Z" },
	{ X, NULL, "{\"when\":\"2030-02-30\"}", "when:validation_invalid_date", NULL },
	{ X, NULL, "{\"when\":1893456000}", "when" TYPE, "a date as a string" },

	/* keys */
	{ X, NULL, "{\"key\":\"\"}", "{}", NULL }, /* asks for a new one */
	{ X, NULL,
		"{\"key\":\"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U5\"}",
		"key:validation_invalid_format", NULL },
	{ X, NULL, "{\"key\":7}", "key" TYPE, NULL },

	/* all of it at once, each field once */
	{ A, NULL,
		"{\"name\":1,\"active\":2,\"x\":3,\"max_data\":\"4a\",\"description\":"
		"\"d\"}",
		"name" TYPE " active" TYPE " x" UNKNOWN
		" max_data:validation_not_a_number",
		NULL },
};

static void
check_decode(size_t index, const struct decode_case *c)
{
	struct violations violations = { 0 };
	struct err err = { 0 };
	struct buf text;
	uint64_t present = 0;
	void *row = calloc(1, c->collection->row_size);
	json_t *json = json_loads(c->body, 0, NULL);
	assert_non_null(row);
	assert_non_null(json);
	buf_init(&text, 65536);
	int rc = api_body_decode(
		json, c->collection, c->id, row, &present, &violations, &err);
	if (rc == 0) {
		assert_int_equal(violations.len, 0);
		dump(c->collection, row, present, &text);
	} else {
		assert_int_equal(err.code, ERR_INVALID);
		dump_violations(&violations, &text);
	}
	assert_int_equal(buf_finish(&text, &err), 0);
	if (!str_equal(text.data, c->outcome)) {
		fail_msg("row %zu: %s\n  gave     %s\n  expected %s", index, c->body,
			text.data, c->outcome);
	}
	if (c->says != NULL &&
		(violations.len == 0 ||
			strstr(violations.items[violations.len - 1].message, c->says) ==
				NULL)) {
		fail_msg("row %zu: %s: \"%s\" is not in the message", index, c->body,
			c->says);
	}
	record_release(c->collection, row);
	free(row);
	json_decref(json);
	buf_release(&text);
}

static void
test_body_decode(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(decode_cases); i++) {
		check_decode(i, &decode_cases[i]);
	}
}

/* Each field that clients may write, of each collection, refuses a value of another type,
 * and so nothing is ever guessed for a field that a later table adds. */
static void
test_body_decode_every_field(void **state)
{
	(void)state;
	static const struct collection *const all[] = { A, R, U, S, O, X,
		&account_export_collection, &account_import_collection };
	size_t writable = 0;
	for (size_t i = 0; i < COUNT(all); i++) {
		for (size_t j = 0; j < all[i]->field_count; j++) {
			const struct field *field = &all[i]->fields[j];
			if ((field->flags & (FIELD_READ_ONLY | FIELD_INTERNAL)) != 0) {
				continue;
			}
			char body[160];
			char outcome[160];
			assert_true(field->offset != FIELD_NO_OFFSET);
			/* an object is nothing that a field takes, but for a claim */
			bool claim = field->type == FIELD_CLAIM;
			assert_int_equal(str_fmt(body, sizeof(body), "{\"%s\":%s}",
						 field->name, claim ? "true" : "{}"),
				0);
			assert_int_equal(
				str_fmt(outcome, sizeof(outcome), "%s" TYPE, field->name),
				0);
			struct decode_case wrong = { all[i], NULL, body, outcome,
				claim ? "not a boolean" : "not an object" };
			check_decode(j, &wrong);
			writable++;
		}
	}
	assert_true(writable > 40);
}

/* A body with very many mistakes is answered, and briefly. */
static void
test_body_decode_many_mistakes(void **state)
{
	(void)state;
	struct violations violations = { 0 };
	struct account row = { 0 };
	struct err err = { 0 };
	uint64_t present = 0;
	json_t *json = json_object();
	for (int i = 0; i < 5000; i++) {
		char key[32];
		assert_int_equal(str_fmt(key, sizeof(key), "unknown_%d", i), 0);
		assert_int_equal(json_object_set_new(json, key, json_integer(i)), 0);
	}
	assert_int_equal(
		api_body_decode(json, A, NULL, &row, &present, &violations, &err), -1);
	assert_int_equal(violations.len, VIOLATIONS_MAX);
	record_release(A, &row);
	json_decref(json);
}

static void
test_suggestions(void **state)
{
	(void)state;
	static const struct {
		const char *given;
		const char *known;
		int slips;
	} cases[] = {
		{ "name", "name", 0 },
		{ "nam", "name", 1 },
		{ "names", "name", 1 },
		{ "nmae", "name", 1 },
		{ "NAME", "name", 0 },
		{ "nm", "name", -1 },
		{ "max_paylaod", "max_payload", 1 },
		{ "maxpayloads", "max_payload", 2 },
		{ "max_pay", "max_payload", -1 },
		{ "x", "active", -1 },
		{ "", "id", -1 },
		{ "seed", "name", -1 },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			"a", -1 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (api_suggest_slips(cases[i].given, cases[i].known) != cases[i].slips) {
			fail_msg("%s, %s", cases[i].given, cases[i].known);
		}
	}
}

/* ---- records
 * ------------------------------------------------------------------------- */

/* One stored value; what a column of a database would hold. */
struct value {
	int64_t integer;
	const char *text;
	const uint8_t *blob;
	size_t len; /* of the blob */
};

static int64_t
fake_integer(void *row, size_t index)
{
	const struct value *values = row;
	return values[index].integer;
}

static const char *
fake_text(void *row, size_t index, size_t *out_len)
{
	const struct value *values = row;
	*out_len = values[index].text != NULL ? strlen(values[index].text) : 0;
	return values[index].text;
}

static const uint8_t *
fake_blob(void *row, size_t index, size_t *out_len)
{
	const struct value *values = row;
	*out_len = values[index].len;
	return values[index].blob;
}

/* A nullable member is null when nothing is stored. */
static bool
fake_is_null(void *row, size_t index)
{
	const struct value *values = row;
	return values[index].text == NULL && values[index].blob == NULL &&
		values[index].integer == 0;
}

static const struct record_view_ops fake_ops = {
	.is_null = fake_is_null,
	.integer = fake_integer,
	.text = fake_text,
	.blob = fake_blob,
};

static void
set(struct value *values, const struct collection *collection, const char *name,
	struct value value)
{
	int index = collection_field_index(collection, name);
	assert_true(index >= 0);
	values[index] = value;
}

struct shown {
	const char *query; /* fields=... */
	bool show_email;
	const struct api_minted *minted;
};

static int
encode(const struct collection *collection, struct value *values,
	const struct shown *shown, struct buf *out, struct err *err)
{
	struct http_request req = make_request("GET", "/", shown->query);
	struct record_view view = { collection, &fake_ops, values };
	struct api_fields fields = { 0 };
	struct api_selection selection;
	struct api_record_style style = { &selection, shown->show_email, shown->minted };
	struct emit emit;
	assert_int_equal(api_fields_read(&req, &fields, err), 0);
	api_fields_select(&fields, NULL, collection, &selection);
	api_fields_release(&fields);
	emit_init(&emit, out);
	return api_record_emit(&emit, &view, &style, err);
}

static void
check_encode(const struct collection *collection, struct value *values,
	const struct shown *shown, const char *expected)
{
	struct err err = { 0 };
	struct buf out;
	buf_init(&out, 65536);
	assert_int_equal(encode(collection, values, shown, &out, &err), 0);
	assert_int_equal(buf_finish(&out, &err), 0);
	assert_string_equal(out.data, expected);
	buf_release(&out);
}

static void
fill_account(struct value *values)
{
	static struct nkey_public key;
	assert_int_equal(
		nkey_text_decode(NKEY_ACCOUNT, ACCOUNT_KEY, NKEY_TEXT_LEN, &key, NULL),
		0);
	set(values, A, "id", (struct value){ .text = ID });
	set(values, A, "name",
		(struct value){ .text = "a \"b\" \\ \n <x> \xe2\x82\xac" });
	set(values, A, "description", (struct value){ .text = "" });
	set(values, A, "public_key",
		(struct value){ .blob = key.bytes, .len = sizeof(key) });
	set(values, A, "signing_keys", (struct value){ .text = "[\"AA\",\"AB\"]" });
	set(values, A, "jetstream_tiers", (struct value){ .text = "{}" });
	set(values, A, "mappings", (struct value){ .text = "{}" });
	set(values, A, "revocations", (struct value){ .text = "{}" });
	set(values, A, "active", (struct value){ .integer = 1 });
	set(values, A, "is_system", (struct value){ .integer = 1 });
	set(values, A, "max_payload", (struct value){ .integer = -1 });
	set(values, A, "max_data", (struct value){ .integer = 9007199254740991 });
	set(values, A, "publish_status", (struct value){ .text = "proven" });
	set(values, A, "created", (struct value){ .integer = 1795211668441 });
}

static void
test_record_account(void **state)
{
	(void)state;
	struct value values[64] = { 0 };
	struct shown all = { .query = "" };
	fill_account(values);
	check_encode(A, values, &all,
		"{\"collectionId\":\"pbc_4029046258\",\"collectionName\":\"nats_"
		"accounts\","
		"\"id\":\"" ID "\",\"name\":\"a \\\"b\\\" \\\\ \\n \\u003cx\\u003e "
		"\xe2\x82\xac\",\"description\":\"\",\"public_key\":"
		"\"" ACCOUNT_KEY "\","
		"\"signing_keys\":[\"AA\",\"AB\"],\"signing_public_key\":\"\",\"jwt\":"
		"\"\","
		"\"active\":true,\"max_connections\":0,\"max_subscriptions\":0,"
		"\"max_data\":9007199254740991,\"max_payload\":-1,"
		"\"max_jetstream_disk_storage\":0,\"max_jetstream_memory_storage\":0,"
		"\"max_leafnodes\":0,\"max_imports\":0,\"max_exports\":0,"
		"\"allow_wildcard_exports\":false,\"disallow_bearer\":false,"
		"\"max_streams\":0,\"max_consumers\":0,\"max_ack_pending\":0,"
		"\"max_memory_stream_bytes\":0,\"max_disk_stream_bytes\":0,"
		"\"max_bytes_required\":false,\"jetstream_tiers\":{},"
		"\"default_publish_permissions\":null,"
		"\"default_subscribe_permissions\":null,"
		"\"default_publish_deny_permissions\":null,"
		"\"default_subscribe_deny_permissions\":null,"
		"\"default_allow_response\":false,\"default_allow_response_max\":0,"
		"\"default_allow_response_ttl\":0,\"mappings\":{},"
		"\"trace_destination\":\"\",\"trace_sampling\":0,"
		"\"cluster_traffic\":\"\",\"tags\":[],\"info_url\":\"\","
		"\"callout_auth_users\":[],\"callout_allowed_accounts\":[],"
		"\"callout_xkey\":\"\",\"rotate_keys\":false,"
		"\"add_signing_key\":false,\"remove_signing_key\":\"\","
		"\"revoke_all\":false,"
		"\"revocations\":{},\"warnings\":[],"
		"\"generation\":0,\"published_generation\":0,\"publish_status\":"
		"\"proven\","
		"\"publish_message\":\"\",\"created\":\"2026-11-20 21:54:28.441Z\","
		"\"updated\":\"\"}");
}

static void
test_record_selection(void **state)
{
	(void)state;
	struct value values[64] = { 0 };
	static const struct {
		const char *query;
		const char *expected;
	} cases[] = {
		{ "fields=id,active", "{\"id\":\"" ID "\",\"active\":true}" },
		{ "fields=active,id", "{\"id\":\"" ID "\",\"active\":true}" },
		{ "fields=%20id%20,,%20", "{\"id\":\"" ID "\"}" },
		{ "fields=collectionName", "{\"collectionName\":\"nats_accounts\"}" },
		{ "fields=collectionId,nothing",
			"{\"collectionId\":\"pbc_4029046258\"}" },
		{ "fields=nothing", "{}" },
		{ "fields=is_system", "{}" },
		{ "fields=name.x,expand.account_id", "{}" },
		{ "fields=ID", "{}" },
		{ "x=1&fields=signing_keys", "{\"signing_keys\":[\"AA\",\"AB\"]}" },
	};
	fill_account(values);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct shown shown = { .query = cases[i].query };
		check_encode(A, values, &shown, cases[i].expected);
	}
}

static void
test_record_user(void **state)
{
	(void)state;
	struct value values[64] = { 0 };
	struct api_minted minted = { .jwt = "J.W.T", .creds_file = "-----\nX\n" };
	set(values, U, "id", (struct value){ .text = ID });
	set(values, U, "email", (struct value){ .text = "a@b.c" });
	set(values, U, "account_id", (struct value){ .text = ID });
	set(values, U, "password_hash", (struct value){ .text = "$argon2id$HASH" });
	set(values, U, "token_key", (struct value){ .text = "TOKENKEY" });
	set(values, U, "iat", (struct value){ .integer = 77 });
	/* what is not null in these fields */
	set(values, U, "max_subscriptions", (struct value){ .integer = -1 });
	set(values, U, "networks", (struct value){ .text = "[\"10.0.0.0/8\"]" });
#define HEAD \
	"{\"collectionId\":\"pbc_4097575383\",\"collectionName\":\"nats_users\",\"id\":" \
	"\"" ID "\",\"nats_username\":\"\",\"full_name\":\"\",\"description\":\"\"," \
	"\"account_id\":\"" ID \
	"\",\"role_id\":\"\",\"public_key\":\"\",\"own_key\":false," \
	"\"active\":false,\"publish_permissions\":null," \
	"\"subscribe_permissions\":null,\"publish_deny_permissions\":null," \
	"\"subscribe_deny_permissions\":null,\"max_subscriptions\":-1," \
	"\"max_data\":null,\"max_payload\":null,\"connection_types\":null," \
	"\"networks\":[\"10.0.0.0/8\"],\"time_windows\":null," \
	"\"times_location\":\"\",\"bearer_token\":false," \
	"\"proxy_required\":false,\"tags\":[],\"jwt_expires_at\":\"\"," \
	"\"expires_at\":\"\",\"regenerate\":false,\"revoke\":false," \
	"\"issued_at\":\"\","
#define TAIL(j, c) \
	"\"verified\":false,\"jwt\":\"" j "\",\"creds_file\":\"" c \
	"\",\"created\":\"\",\"updated\":\"\"}"
	struct shown plain = { .query = "" };
	check_encode(U, values, &plain, HEAD "\"emailVisibility\":false," TAIL("", ""));
	struct shown super = { .query = "", .show_email = true, .minted = &minted };
	check_encode(U, values, &super,
		HEAD "\"email\":\"a@b.c\",\"emailVisibility\":false," TAIL(
			"J.W.T", "-----\\nX\\n"));
	set(values, U, "emailVisibility", (struct value){ .integer = 1 });
	check_encode(U, values, &plain,
		HEAD "\"email\":\"a@b.c\",\"emailVisibility\":true," TAIL("", ""));
	struct shown secrets = {
		.query = "fields=password,password_hash,token_key,tokenKey,iat,"
			 "passwordConfirm",
		.show_email = true,
	};
	check_encode(U, values, &secrets, "{}");
}

static void
test_record_empty_lists(void **state)
{
	(void)state;
	struct value values[64] = { 0 };
	struct shown shown = {
		.query = "fields=publish_permissions,subscribe_permissions"
	};
	set(values, R, "subscribe_permissions",
		(struct value){ .text = "[\"a.\\u003e\"]" });
	check_encode(R, values, &shown,
		"{\"publish_permissions\":[],\"subscribe_permissions\":[\"a.\\u003e\"]}");
}

static void
test_record_corrupt_key(void **state)
{
	(void)state;
	static const uint8_t key[31] = { 0 };
	struct value values[64] = { 0 };
	struct shown shown = { .query = "" };
	struct err err = { 0 };
	struct buf out;
	set(values, A, "public_key", (struct value){ .blob = key, .len = sizeof(key) });
	buf_init(&out, 65536);
	assert_int_equal(encode(A, values, &shown, &out, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
	buf_release(&out);
}

/* ---- query parameters
 * ------------------------------------------------------------------ */

static void
test_query_paging(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		int64_t page;
		int64_t per_page;
		bool skip_total;
		const char *sort;
		const char *error;
	} cases[] = {
		{ "", 1, 30, false, "", NULL },
		{ "page=2&perPage=50&skipTotal=1&sort=-created%2Cname", 2, 50, true,
			"-created,name", NULL },
		{ "page=0&perPage=0", 1, 30, false, "", NULL },
		{ "page=-5&perPage=-5", 1, 30, false, "", NULL },
		{ "perPage=1000", 1, 1000, false, "", NULL },
		{ "perPage=1001", 1, 1000, false, "", NULL },
		{ "perPage=9223372036854775807", 1, 1000, false, "", NULL },
		{ "page=&perPage=&skipTotal=&sort=", 1, 30, false, "", NULL },
		{ "skipTotal=true", 1, 30, true, "", NULL },
		{ "skipTotal=T", 1, 30, true, "", NULL },
		{ "skipTotal=FALSE", 1, 30, false, "", NULL },
		{ "autoRefresh=true&anything=%20", 1, 30, false, "", NULL },
		{ "page=x", 0, 0, false, "", "\"page\" must be an integer" },
		{ "page=1.5", 0, 0, false, "", "\"page\"" },
		{ "page=1e3", 0, 0, false, "", "\"page\"" },
		{ "page=9223372036854775808", 0, 0, false, "", "\"page\"" },
		{ "page=9223372036854775807", 0, 0, false, "",
			"\"page\" must be at most" },
		{ "page=11111111111111111111111111111111111", 0, 0, false, "",
			"\"page\" is longer" },
		{ "perPage=ten", 0, 0, false, "", "\"perPage\" must be an integer" },
		{ "skipTotal=yes", 0, 0, false, "",
			"\"skipTotal\" must be true or false" },
		{ "skipTotal=2", 0, 0, false, "", "\"skipTotal\"" },
		{ "page=%zz", 0, 0, false, "", "\"page\" is malformed" },
		{ "sort=%00", 0, 0, false, "", "\"sort\" is malformed" },
		{ "sort=%ff", 0, 0, false, "", "\"sort\" is malformed" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request req = make_request("GET", "/", cases[i].query);
		struct api_paging paging = { 0 };
		struct err err = { 0 };
		int rc = api_query_paging(&req, &paging, &err);
		if ((rc != 0) != (cases[i].error != NULL)) {
			fail_msg("%s: %s", cases[i].query, err.msg);
		}
		if (rc != 0) {
			assert_int_equal(err.code, ERR_INVALID);
			assert_non_null(strstr(err.msg, cases[i].error));
			continue;
		}
		assert_int_equal(paging.page, cases[i].page);
		assert_int_equal(paging.per_page, cases[i].per_page);
		assert_true(paging.skip_total == cases[i].skip_total);
		assert_string_equal(paging.sort, cases[i].sort);
	}
}

static void
test_query_text_too_long(void **state)
{
	(void)state;
	struct http_request req = make_request("GET", "/", "sort=abcd&fit=abc");
	struct err err = { 0 };
	char text[4] = "x";
	assert_int_equal(api_query_text(&req, "sort", text, sizeof(text), &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_non_null(strstr(err.msg, "\"sort\" is longer than 3 bytes"));
	assert_int_equal(api_query_text(&req, "fit", text, sizeof(text), &err), 0);
	assert_string_equal(text, "abc");
}

static void
test_query_refuse(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		bool refused;
	} cases[] = {
		{ "", false },
		{ "filter=", false },
		{ "filters=x", false },
		{ "filter=x", true },
		{ "filter=name%3D%22x%22", true },
		{ "filter=%zz", true },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request req = make_request("GET", "/", cases[i].query);
		struct err err = { 0 };
		int rc = api_query_refuse(&req, "filter", &err);
		assert_true((rc != 0) == cases[i].refused);
		assert_true(err.code == (cases[i].refused ? ERR_INVALID : ERR_NONE));
	}
}

static void
test_fields_modifier(void **state)
{
	(void)state;
	struct http_request req =
		make_request("GET", "/", "fields=id,description:excerpt(200,true)");
	struct api_fields fields = { 0 };
	struct err err = { 0 };
	assert_int_equal(api_fields_read(&req, &fields, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_non_null(strstr(err.msg, "Modifiers"));
}

/* What an answer to a login shows: {"record":{...},"token":"..."}. */
static void
test_fields_under_parent(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		bool record;
		bool token;
		size_t shown; /* fields of the record */
		bool collection_name;
	} cases[] = {
		{ "", true, true, 10, true },
		{ "fields=*", true, true, 10, true },
		{ "fields=token", false, true, 0, false },
		{ "fields=token,record.id", true, true, 1, false },
		{ "fields=record", true, false, 10, true },
		{ "fields=record.*", true, false, 10, true },
		{ "fields=record.collectionName", true, false, 0, true },
		{ "fields=id,records.id", false, false, 0, false },
	};
	assert_int_equal(superuser_collection.field_count, 10);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request req = make_request("GET", "/", cases[i].query);
		struct api_fields fields = { 0 };
		struct api_selection selection;
		struct err err = { 0 };
		size_t shown = 0;
		assert_int_equal(api_fields_read(&req, &fields, &err), 0);
		api_fields_select(&fields, "record", S, &selection);
		for (size_t bit = 0; bit < 64; bit++) {
			shown += selection.fields >> bit & 1;
		}
		assert_true(api_fields_want(&fields, "record") == cases[i].record);
		assert_true(api_fields_want(&fields, "token") == cases[i].token);
		assert_int_equal(shown, cases[i].shown);
		assert_true(selection.collection_name == cases[i].collection_name);
		api_fields_release(&fields);
	}
}

/* Seeds leave only when they are asked for: by name, or as part of what a change made. */
static void
test_selection_of_minted(void **state)
{
	(void)state;
	static const struct {
		const struct collection *collection;
		const char *query;
		bool shows;
		bool names;
	} cases[] = {
		{ U, "", true, false },
		{ U, "fields=*", true, false },
		{ U, "fields=id,name", false, false },
		{ U, "fields=id,jwt", true, true },
		{ U, "fields=creds_file", true, true },
		{ U, "fields=*,creds_file", true, true },
		{ A, "", false, false },
		{ A, "fields=jwt", false, false },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request req = make_request("GET", "/", cases[i].query);
		struct api_fields fields = { 0 };
		struct api_selection selection;
		struct err err = { 0 };
		assert_int_equal(api_fields_read(&req, &fields, &err), 0);
		api_fields_select(&fields, NULL, cases[i].collection, &selection);
		api_fields_release(&fields);
		assert_true(api_selection_shows_minted(&selection, cases[i].collection) ==
			cases[i].shows);
		assert_true(api_selection_names_minted(&selection, cases[i].collection) ==
			cases[i].names);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefer),
		cmocka_unit_test(test_routes_are_complete),
		cmocka_unit_test(test_routes_open_to_anyone),
		cmocka_unit_test(test_route_find),
		cmocka_unit_test(test_route_segment_too_long),
		cmocka_unit_test(test_body_limits),
		cmocka_unit_test(test_problem_statuses),
		cmocka_unit_test(test_problem_pocketbase),
		cmocka_unit_test(test_problem_native),
		cmocka_unit_test(test_problem_without_message),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_dispatch),
		cmocka_unit_test(test_dispatch_headers),
		cmocka_unit_test(test_auth_methods),
		cmocka_unit_test(test_body_parse),
		cmocka_unit_test(test_body_parse_nul_byte),
		cmocka_unit_test(test_body_decode),
		cmocka_unit_test(test_body_decode_every_field),
		cmocka_unit_test(test_body_decode_many_mistakes),
		cmocka_unit_test(test_suggestions),
		cmocka_unit_test(test_record_account),
		cmocka_unit_test(test_record_selection),
		cmocka_unit_test(test_record_user),
		cmocka_unit_test(test_record_empty_lists),
		cmocka_unit_test(test_record_corrupt_key),
		cmocka_unit_test(test_query_paging),
		cmocka_unit_test(test_query_text_too_long),
		cmocka_unit_test(test_query_refuse),
		cmocka_unit_test(test_fields_modifier),
		cmocka_unit_test(test_fields_under_parent),
		cmocka_unit_test(test_selection_of_minted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
