/* SPDX-License-Identifier: Apache-2.0 */
#include "api/prefer.h"

#include "api/preview.h"
#include "base/log.h"
#include "base/str.h"
#include "http/server.h"

#include <string.h>

_Static_assert(SERVICE_WAITING_MAX * 3 <= HTTP_THREADS_DEFAULT,
	"who waits must leave most threads to the others");

/* ---- the header ---- */

static bool
is_token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		(c >= 'a' && c <= 'z') || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *
skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

enum { WORD_SIZE = 32 };

/* A token; one that is too long to be of interest reads as "". */
static const char *
read_token(const char *at, char out[static WORD_SIZE])
{
	size_t len = 0;
	while (is_token_char(at[len])) {
		len++;
	}
	if (str_fmt(out, WORD_SIZE, "%.*s", (int)(len < WORD_SIZE ? len : WORD_SIZE),
		    at) != 0) {
		out[0] = '\0';
	}
	return at + len;
}

/* From the opening quote to behind the closing one; NULL: there is none. */
static const char *
read_quoted(const char *at, char out[static WORD_SIZE])
{
	size_t len = 0;
	for (at++; *at != '"'; at++) {
		at += *at == '\\' ? 1 : 0;
		if (*at == '\0') {
			return NULL;
		}
		if (len < WORD_SIZE) {
			out[len++] = *at;
		}
	}
	out[len < WORD_SIZE ? len : 0] = '\0';
	return at + 1;
}

/* token [ "=" word ]; NULL: it is none. */
static const char *
read_pair(const char *at, char name[static WORD_SIZE], char value[static WORD_SIZE])
{
	const char *end = read_token(at, name);
	value[0] = '\0';
	if (end == at) {
		return NULL;
	}
	at = skip_blanks(end);
	if (*at != '=') {
		return at;
	}
	at = skip_blanks(at + 1);
	if (*at == '"') {
		at = read_quoted(at, value);
		return at != NULL ? skip_blanks(at) : NULL;
	}
	return skip_blanks(read_token(at, value));
}

/* Behind the parameters of a preference, which none of ours has. */
static const char *
skip_parameters(const char *at)
{
	char name[WORD_SIZE];
	char value[WORD_SIZE];
	while (at != NULL && *at == ';') {
		at = skip_blanks(at + 1);
		if (*at != ';' && *at != ',' && *at != '\0') {
			at = read_pair(at, name, value);
		}
	}
	return at;
}

/* 1: it was in there, and decides; 0: go on; -1: malformed. */
static int
find_wait(const char *at, char out_value[static WORD_SIZE])
{
	char name[WORD_SIZE];
	char value[WORD_SIZE];
	for (;;) {
		at += strspn(at, " \t,");
		if (*at == '\0') {
			return 0;
		}
		at = read_pair(at, name, value);
		at = at != NULL ? skip_parameters(at) : NULL;
		if (at == NULL || (*at != ',' && *at != '\0')) {
			return -1;
		}
		if (str_equal_nocase(name, "wait")) {
			memcpy(out_value, value, WORD_SIZE);
			return 1;
		}
	}
}

bool
api_prefer_read(const struct http_request *req, int64_t *out_seconds)
{
	char value[WORD_SIZE] = "";
	int found = 0;
	for (size_t i = 0; found == 0 && i < req->header_count; i++) {
		if (str_equal_nocase(req->headers[i].name, "Prefer")) {
			found = find_wait(req->headers[i].value, value);
		}
	}
	int64_t seconds = 0;
	if (found != 1 || str_to_int(value, 1, INT64_MAX, &seconds) != 0) {
		return false;
	}
	*out_seconds = seconds < API_PREFER_WAIT_MAX ? seconds : API_PREFER_WAIT_MAX;
	return true;
}

/* ---- the wait ---- */

void
api_prefer_begin(struct api_call *call)
{
	struct err err = { 0 }; /* the handler tells what is wrong with dry_run */
	bool dry = false;
	if (str_equal(call->req->method, "GET") ||
		call->match.route->audience == API_AUDIENCE_ANYONE ||
		api_preview_wanted(call->req, &dry, &err) != 0 || dry ||
		!api_prefer_read(call->req, &call->wait_s)) {
		return;
	}
	call->actor.touched = &call->touched;
}

static void
add_header(struct api_call *call, const char *name, const char *value)
{
	if (http_response_header(call->res, name, value) != 0) {
		log_debug("header left out", LOG_STR("name", name));
	}
}

void
api_prefer_wait(struct api_call *call)
{
	struct proof_wait wait;
	char applied[32];
	bool of_record = call->match.collection[0] != '\0' &&
		call->match.route->audience == API_AUDIENCE_POLICY;
	if (call->actor.touched == NULL || (call->touched.len == 0 && !of_record)) {
		return;
	}
	call->actor.touched = NULL;
	service_wait_proven(
		call->api->params.service, &call->touched, call->wait_s, &wait);
	if (!wait.waited) {
		return;
	}
	str_fmt_cut(applied, sizeof(applied), "wait=%d", (int)call->wait_s);
	add_header(call, "Preference-Applied", applied);
	if (wait.unproven[0] != '\0') {
		add_header(call, "Natsid-Unproven", wait.unproven);
	}
}
