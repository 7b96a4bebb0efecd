/* SPDX-License-Identifier: Apache-2.0 */
#include "api/problem.h"

#include "base/emit.h"

#include <stdbool.h>

static int
status_of(enum err_code code)
{
	switch (code) {
	case ERR_INVALID:
		return 400;
	case ERR_UNAUTHENTICATED:
		return 401;
	case ERR_FORBIDDEN:
		return 403;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_CONFLICT:
		return 409;
	case ERR_STALE:
		return 412;
	case ERR_TOO_LARGE:
		return 413;
	case ERR_MEDIA_TYPE:
		return 415;
	case ERR_LIMITED:
		return 429;
	case ERR_UNAVAILABLE:
	case ERR_BUSY:
		return 503;
	case ERR_TIMEOUT:
		return 504;
	case ERR_NONE: /* an error without a code is a bug of ours */
	case ERR_INTERNAL:
	case ERR_NOMEM:
	case ERR_CORRUPT:
		return 500;
	}
	return 500;
}

int
api_problem_status(enum api_dialect dialect, enum err_code code)
{
	/* PocketBase says 400 for both, and its clients look for that. */
	if (dialect == API_DIALECT_POCKETBASE &&
		(code == ERR_CONFLICT || code == ERR_MEDIA_TYPE)) {
		return 400;
	}
	return status_of(code);
}

static void
emit_violations(struct emit *emit, const struct violations *violations)
{
	emit_object_begin(emit);
	for (size_t i = 0; violations != NULL && i < violations->len; i++) {
		emit_key(emit, violations->items[i].field);
		emit_object_begin(emit);
		emit_kv_text(emit, "code", violations->items[i].code);
		emit_kv_text(emit, "message", violations->items[i].message);
		emit_object_end(emit);
	}
	emit_object_end(emit);
}

static void
write_pocketbase(int status, const char *message, const struct violations *violations,
	struct http_response *res)
{
	struct emit emit;
	res->status = status;
	res->content_type = "application/json";
	buf_clear(&res->body);
	emit_init(&emit, &res->body);
	emit_object_begin(&emit);
	emit_key(&emit, "data");
	emit_violations(&emit, violations);
	emit_kv_text(&emit, "message", message);
	emit_kv_int(&emit, "status", status);
	emit_object_end(&emit);
}

static void
write_native(int status, const char *code, const char *detail, const char *request_id,
	struct http_response *res)
{
	struct emit emit;
	res->status = status;
	res->content_type = "application/problem+json";
	buf_clear(&res->body);
	emit_init(&emit, &res->body);
	emit_object_begin(&emit);
	emit_kv_text(&emit, "type", "about:blank");
	emit_kv_text(&emit, "title", http_status_text(status));
	emit_kv_int(&emit, "status", status);
	emit_kv_text(&emit, "detail", detail);
	emit_kv_text(&emit, "code", code);
	emit_kv_text(&emit, "request_id", request_id);
	emit_object_end(&emit);
}

static const char *
message_of(const struct err *err)
{
	return err->msg[0] != '\0'
		? err->msg
		: "Something went wrong while processing your request.";
}

void
api_problem_write(const struct api_problem *problem, struct http_response *res)
{
	const struct err *err = problem->err;
	int status = api_problem_status(problem->dialect, err->code);
	if (problem->dialect == API_DIALECT_POCKETBASE) {
		write_pocketbase(status, message_of(err), problem->violations, res);
		return;
	}
	enum err_code code = err->code == ERR_NONE ? ERR_INTERNAL : err->code;
	write_native(
		status, err_code_name(code), message_of(err), problem->request_id, res);
	if (code == ERR_UNAUTHENTICATED) {
		/* Without room for it the status still says the same. */
		if (http_response_header(res, "WWW-Authenticate", "Bearer") != 0) {
			return;
		}
	}
}

void
api_problem_method(const char *request_id, const char *allow, struct http_response *res)
{
	write_native(405, "method_not_allowed", "This path does not have that method.",
		request_id, res);
	if (http_response_header(res, "Allow", allow) != 0) {
		return; /* the status still says it */
	}
}

void
api_problem_plain(int status, const char *message, struct http_response *res)
{
	write_pocketbase(status, message, NULL, res);
}
