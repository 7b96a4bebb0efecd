/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include "api/call.h"
#include "api/prefer.h"
#include "api/preview.h"
#include "base/log.h"
#include "base/str.h"
#include "service/login.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int
api_new(const struct api_params *params, struct api **out, struct err *err)
{
	struct api *api = calloc(1, sizeof(*api));
	if (api == NULL) {
		return err_nomem(err);
	}
	api->params = *params;
	*out = api;
	return 0;
}

void
api_free(struct api *api)
{
	free(api);
}

/* A header that has no place, or holds what an answer must not, is left out: browsers
 * then refuse by themselves. */
static void
add_header(struct http_response *res, const char *name, const char *value)
{
	if (http_response_header(res, name, value) != 0) {
		log_debug("header left out", LOG_STR("name", name));
	}
}

/* Tokens are no cookies, so pages of any origin may ask; they need a token like
 * everybody. */
static void
allow_origin(const struct http_request *req, struct http_response *res)
{
	if (http_request_header(req, "Origin") != NULL) {
		add_header(res, "Access-Control-Allow-Origin", "*");
	}
}

static void
answer_options(const struct http_request *req, struct http_response *res)
{
	const char *headers = http_request_header(req, "Access-Control-Request-Headers");
	res->status = 204;
	add_header(res, "Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE");
	if (headers != NULL) {
		add_header(res, "Access-Control-Allow-Headers", headers);
	}
	add_header(res, "Vary",
		"Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
}

/* The value of Authorization without its scheme: PocketBase's SDK sends the bare
 * token. */
static const char *
bearer_token(const struct http_request *req)
{
	static const char scheme[] = "bearer ";
	const char *value = http_request_header(req, "Authorization");
	if (value == NULL) {
		return "";
	}
	size_t i = 0;
	while (scheme[i] != '\0' && str_lower(value[i]) == scheme[i]) {
		i++;
	}
	if (scheme[i] == '\0') {
		value += i;
	}
	return value + strspn(value, " ");
}

/* Who asks. A token that is not valid makes a guest, as in PocketBase. */
static int
find_actor(struct api_call *call, struct err *err)
{
	const char *token = bearer_token(call->req);
	call->actor = (struct actor){ .kind = ACTOR_GUEST };
	if (call->match.route->audience != API_AUDIENCE_ANYONE && token[0] != '\0' &&
		service_token_actor(
			call->api->params.service, token, &call->actor, err) != 0) {
		return -1;
	}
	call->actor.request_id = call->req->id;
	if (call->match.route->audience == API_AUDIENCE_TOKEN &&
		call->actor.kind == ACTOR_GUEST) {
		return err_set(err, ERR_UNAUTHENTICATED,
			"The request requires valid record authorization token.");
	}
	return 0;
}

static int
run(struct api_call *call, struct err *err)
{
	const struct http_request *req = call->req;
	if (api_route_find(req->method, req->path, &call->match, err) != 0 ||
		find_actor(call, err) != 0 || api_preview_check(call, err) != 0) {
		return -1;
	}
	api_prefer_begin(call);
	if (call->match.route->handler(call, err) != 0) {
		return -1;
	}
	api_prefer_wait(call);
	return call->res->body.failed ? buf_finish(&call->res->body, err) : 0;
}

/* The native dialect tells a wrong method from a wrong path; PocketBase says 404 to
 * both. */
static bool
answer_method(const struct api_call *call, enum api_dialect dialect)
{
	struct buf allow;
	struct err err = { 0 };
	buf_init(&allow, HTTP_RESPONSE_HEADER_SIZE - 1);
	if (dialect == API_DIALECT_NATIVE && call->match.route == NULL) {
		api_route_methods(call->req->path, &allow);
	}
	bool known = allow.len > 0 && buf_finish(&allow, &err) == 0;
	if (known) {
		api_problem_method(call->req->id, allow.data, call->res);
	}
	buf_release(&allow);
	return known;
}

static void
answer_error(const struct api_call *call, const struct err *err)
{
	assert(call->req != NULL);
	enum api_dialect dialect = call->match.route != NULL
		? call->match.route->dialect
		: api_route_dialect(call->req->path);
	struct api_problem problem = {
		.dialect = dialect,
		.err = err,
		.violations = &call->violations,
		.request_id = call->req->id,
	};
	if (answer_method(call, dialect)) {
		return;
	}
	if (api_problem_status(dialect, err->code) >= 500) {
		log_err("request failed", err, LOG_STR("request", call->req->id),
			LOG_STR("method", call->req->method),
			LOG_STR("path", call->req->path));
	}
	api_problem_write(&problem, call->res);
}

void
api_handle(void *ctx, const struct http_request *req, struct http_response *res)
{
	struct api_call call = { .api = ctx, .req = req, .res = res };
	struct err err = { 0 };
	allow_origin(req, res);
	if (str_equal(req->method, "OPTIONS")) {
		answer_options(req, res);
		return;
	}
	if (run(&call, &err) != 0) {
		answer_error(&call, &err);
	}
	touched_release(&call.touched);
}

size_t
api_body_limit(void *ctx, const char *method, const char *path)
{
	(void)ctx; /* the limits are constants */
	struct api_route_match match;
	return api_route_find(method, path, &match, NULL) == 0
		? api_route_body_limit(match.route)
		: 0;
}

void
api_refuse(void *ctx, int status, const char *message, struct http_response *res)
{
	(void)ctx; /* the text says it all */
	api_problem_plain(status, message, res);
}
