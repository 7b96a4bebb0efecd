/* SPDX-License-Identifier: Apache-2.0
 * The API without a database: preferences, routes, problems, dispatch. What needs the use
 * cases is tested over HTTP in tests/integration. */
#include "api/api.h"
#include "api/prefer.h"
#include "api/problem.h"
#include "api/route.h"
#include "base/clock.h"
#include "base/str.h"
#include "model/limits.h"
#include "support/temp_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- answers ---- */

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

/* ---- preferences ---- */

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
		struct http_request req = temp_request("POST", "/", "");
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

/* ---- routes ---- */

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

/* ---- problems ---- */

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

/* ---- dispatch ---- */

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
			temp_request(cases[i].method, cases[i].path, "");
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
	struct http_request req = temp_request("OPTIONS", "/api/anything", "");

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
	req = temp_request("GET", "/healthz", "");
	api_handle(api, &req, &res);
	assert_null(response_header(&res, "Access-Control-Allow-Origin"));
	http_response_release(&res);

	http_response_init(&res);
	req = temp_request("PATCH", "/api/v1/users/x/creds", "");
	api_handle(api, &req, &res);
	assert_string_equal(response_header(&res, "Allow"), "GET, HEAD");
	http_response_release(&res);

	http_response_init(&res);
	req = temp_request("GET", "/api/v1/users/x/creds", "");
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
		temp_request("GET", "/api/collections/_superusers/auth-methods", "");
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
	req = temp_request("GET", "/api/collections/nats_users/auth-methods",
		"fields=mfa%2Cpassword");
	api_handle(api, &req, &res);
	check_body(&res,
		"{\"password\":{\"enabled\":false,\"identityFields\":[]},"
		"\"mfa\":{\"enabled\":false,\"duration\":0}}");
	http_response_release(&res);
	api_free(api);
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
