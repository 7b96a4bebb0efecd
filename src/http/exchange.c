/* SPDX-License-Identifier: Apache-2.0 */
#include "http/exchange.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"

#include <string.h>
#include <time.h>

enum {
	ID_BYTES = 9,
	ONE_WRITE_MAX = 65536, /* answers up to here leave in one piece */
	HEAD_RESERVE = 1024, /* room for the head of most answers */
	DRAIN_MAX = 8 << 20, /* what is read of a body that nobody wants, ... */
	DRAIN_TIMEOUT_MS = 1000, /* ... and for how long */
};

/* ---- answers ---------------------------------------------------------------- */

static void
put_date(struct buf *out)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm;
	char text[48];
	time_t now = (time_t)clock_wall_s(&clock_system);
	if (gmtime_r(&now, &tm) != NULL &&
		str_fmt(text, sizeof(text),
			"Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n",
			&days[tm.tm_wday * 3], tm.tm_mday, &months[tm.tm_mon * 3],
			tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec) == 0) {
		buf_put_str(out, text);
	}
}

static void
put_header(struct buf *out, const char *name, const char *value)
{
	buf_put_str(out, name);
	buf_put_str(out, ": ");
	buf_put_str(out, value);
	buf_put_str(out, "\r\n");
}

static bool
has_header(const struct http_response *res, const char *name)
{
	for (size_t i = 0; i < res->header_count; i++) {
		if (str_equal_nocase(res->headers[i].name, name)) {
			return true;
		}
	}
	return false;
}

/* 204 and 304 have no body, and so no length of one. */
static bool
status_has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

/* How long the connection stays open, in whole seconds rounded down: a client that knows
 * does not send a request into a connection that is just being closed. */
static void
put_connection(struct buf *out, bool keep_alive, unsigned keep_alive_ms)
{
	put_header(out, "Connection", keep_alive ? "keep-alive" : "close");
	if (keep_alive) {
		buf_put_str(out, "Keep-Alive: timeout=");
		buf_put_int(out, keep_alive_ms / 1000);
		buf_put_str(out, "\r\n");
	}
}

static void
put_head(struct buf *out, const struct http_response *res, const struct exchange *x)
{
	static const struct http_header defaults[] = {
		{ "X-Content-Type-Options", "nosniff" },
		{ "X-Frame-Options", "SAMEORIGIN" },
		{ "Cache-Control", "no-store" },
		{ "Vary", "Origin" },
	};
	buf_put_str(out, "HTTP/1.1 ");
	buf_put_int(out, res->status);
	buf_put_char(out, ' ');
	buf_put_str(out, http_status_text(res->status));
	buf_put_str(out, "\r\n");
	put_date(out);
	if (status_has_body(res->status)) {
		put_header(out, "Content-Type", res->content_type);
		buf_put_str(out, "Content-Length: ");
		buf_put_int(out, (int64_t)res->body.len);
		buf_put_str(out, "\r\n");
	}
	put_connection(out, x->keep_alive, x->params->keep_alive_ms);
	put_header(out, "X-Request-Id", x->req.id);
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		if (!has_header(res, defaults[i].name)) {
			put_header(out, defaults[i].name, defaults[i].value);
		}
	}
	for (size_t i = 0; i < res->header_count; i++) {
		put_header(out, res->headers[i].name, res->headers[i].value);
	}
	buf_put_str(out, "\r\n");
}

static struct http_guard_watch
watch_of(const struct mg_request_info *info, enum http_guard_cut cut, int64_t timeout_ms)
{
	return (struct http_guard_watch){
		.remote_ip = info->remote_addr,
		.remote_port = (uint16_t)info->remote_port,
		.local_port = (uint16_t)info->server_port,
		.cut = cut,
		.deadline = clock_mono_ms(&clock_system) + timeout_ms,
	};
}

/* 0 when all of it was handed to the kernel. */
static int
send_bytes(struct exchange *x, const char *data, size_t len)
{
	if (len == 0) {
		return 0;
	}
	struct http_guard_watch watch = watch_of(
		x->info, HTTP_GUARD_CUT_ALL, (int64_t)x->params->send_timeout_ms);
	http_guard_enter(x->guard, &watch);
	int n = mg_write(x->conn, data, len);
	bool was_cut = http_guard_leave(x->guard, &watch);
	return was_cut || n < 0 || (size_t)n != len ? -1 : 0;
}

static int
send_response(struct exchange *x, const struct http_response *res)
{
	int rc = -1;
	size_t body_len =
		x->head_only || !status_has_body(res->status) ? 0 : res->body.len;
	size_t inlined = body_len <= ONE_WRITE_MAX ? body_len : 0;
	struct buf out;

	if (res->body.secret) {
		buf_init_secret(&out, HTTP_RESPONSE_BODY_MAX);
	} else {
		buf_init(&out, HTTP_RESPONSE_BODY_MAX);
	}
	/* All the memory at once; appending then copies nothing twice. */
	(void)!buf_grow(&out, HEAD_RESERVE + inlined);
	buf_truncate(&out, 0);
	put_head(&out, res, x);
	if (inlined > 0) {
		buf_put(&out, res->body.data, inlined);
	}
	/* Without memory for the answer there is none for an error either: close. */
	if (buf_finish(&out, NULL) == 0 && send_bytes(x, out.data, out.len) == 0) {
		rc = inlined == body_len ? 0 : send_bytes(x, res->body.data, body_len);
	}
	buf_release(&out);
	return rc;
}

/* Reads away what the client still sends of its body: closing before would make the
 * kernel answer it with a reset, which can overtake our answer. */
static void
drain(struct exchange *x)
{
	char scrap[4096];
	size_t left = x->framing.body_len < DRAIN_MAX ? x->framing.body_len : DRAIN_MAX;
	struct http_guard_watch watch =
		watch_of(x->info, HTTP_GUARD_CUT_READ, DRAIN_TIMEOUT_MS);
	http_guard_enter(x->guard, &watch);
	while (left > 0 && clock_mono_ms(&clock_system) < watch.deadline) {
		int n = mg_read(
			x->conn, scrap, left < sizeof(scrap) ? left : sizeof(scrap));
		if (n <= 0) {
			break;
		}
		left -= (size_t)n;
	}
	(void)http_guard_leave(x->guard, &watch); /* the connection ends anyway */
}

static void
answer(struct exchange *x, const struct http_response *res)
{
	if (x->body_pending) {
		x->keep_alive = false;
	}
	int rc = send_response(x, res);
	if (rc == 0 && x->body_pending && x->framed && !x->framing.expect_continue) {
		drain(x);
	}
	if (rc != 0 || !x->keep_alive) {
		mg_disable_connection_keep_alive(x->conn);
	}
	log_debug("request", LOG_STR("method", x->head_only ? "HEAD" : x->req.method),
		LOG_STR("path", x->req.path), LOG_INT("status", res->status),
		LOG_INT("ms", clock_mono_ms(&clock_system) - x->began),
		LOG_STR("request", x->req.id), LOG_INT("sent", rc == 0));
}

void
exchange_refuse(struct exchange *x, struct http_refusal why)
{
	struct http_response res;
	http_response_init(&res);
	res.status = why.status;
	x->params->refuse(x->params->ctx, why.status, why.message, &res);
	if (buf_finish(&res.body, NULL) != 0) {
		buf_clear(&res.body);
	}
	res.status = why.status;
	x->keep_alive = false;
	answer(x, &res);
	http_response_release(&res);
}

/* ---- requests --------------------------------------------------------------- */

static void
new_id(char out[static HTTP_ID_SIZE])
{
	/* One system call for many ids. */
	static _Thread_local uint8_t pool[ID_BYTES * 32];
	static _Thread_local size_t left;
	_Static_assert(CODEC_BASE32_LEN(ID_BYTES) + 1 == HTTP_ID_SIZE, "the id's size");
	if (left == 0) {
		rand_bytes(pool, sizeof(pool));
		left = sizeof(pool);
	}
	left -= ID_BYTES;
	codec_base32_encode(pool + left, ID_BYTES, out);
}

void
exchange_init(struct exchange *x, struct mg_connection *conn,
	const struct http_params *params, struct http_guard *guard, bool may_stay)
{
	x->params = params;
	x->guard = guard;
	x->may_stay = may_stay;
	x->conn = conn;
	x->info = mg_get_request_info(conn);
	x->framing = (struct http_framing){ 0 };
	x->framed = false;
	x->head_only = false;
	x->keep_alive = false;
	x->body_pending = false;
	x->began = clock_mono_ms(&clock_system);
	x->req = (struct http_request){
		.method = "",
		.path = "",
		.query = "",
		.body = "",
		.remote_ip = x->info->remote_addr,
		.headers = x->headers,
	};
	new_id(x->req.id);
}

/* The place after the NUL that ends text. */
static const char *
after(const char *text)
{
	return text + strlen(text) + 1;
}

/*
 * What civetweb's parser swallows silently. It works in place: NULs take the place of the
 * blanks and line ends around each word, so the words must follow each other at exact
 * distances, and the last header must be followed by the empty line.
 *
 * - After a folded line or one without a name the parser stops, as after 64 headers: what
 * follows, Transfer-Encoding perhaps, would be for the proxy's eyes only.
 * - Of a request that is nothing but blank lines it parses what an earlier request,
 * another client's perhaps, left behind them in the buffer. The buffer of a thread never
 * moves and requests begin at its start, so one that begins further on came after blanks.
 */
static struct http_refusal
check_parse(const struct mg_request_info *info)
{
	static _Thread_local const char *buffer;
	static const struct http_refusal malformed = { 400, "malformed request" };

	if (buffer == NULL || info->request_method < buffer) {
		buffer = info->request_method;
	}
	const char *end = info->query_string != NULL ? after(info->query_string)
						     : after(info->request_uri);
	if (info->request_method != buffer ||
		after(info->request_method) != info->request_uri ||
		info->http_version != end + strlen("HTTP/")) {
		return malformed;
	}
	if (info->num_headers >= MG_MAX_HEADERS) {
		return (struct http_refusal){ 431, "too many headers" };
	}
	end = after(info->http_version) + 1;
	for (int i = 0; i < info->num_headers; i++) {
		if (info->http_headers[i].name != end) {
			return malformed;
		}
		end = after(info->http_headers[i].value) + 1;
	}
	/* Keeps the look at *end within the buffer. */
	if (end - buffer >= HTTP_HEAD_MAX) {
		return (struct http_refusal){ 431, "the request header is too long" };
	}
	/* The CR of the empty line; overwritten when there are no headers. */
	return *end == (info->num_headers > 0 ? '\r' : '\0')
		? (struct http_refusal){ 0, NULL }
		: malformed;
}

/* Everything that is checked before the handler's side is asked anything. */
static struct http_refusal
check_head(struct exchange *x)
{
	const struct mg_request_info *info = x->info;
	struct http_refusal why = check_parse(info);
	/* civetweb goes on with the bytes after the body as the next request, so until
	 * the framing is known the connection may not go on. */
	x->body_pending = true;
	if (why.status != 0) {
		return why;
	}
	for (int i = 0; i < info->num_headers; i++) {
		x->headers[i] = (struct http_header){ info->http_headers[i].name,
			info->http_headers[i].value };
	}
	x->req.header_count = (size_t)info->num_headers;
	x->head_only = str_equal(info->request_method, "HEAD");
	x->req.method = x->head_only ? "GET" : info->request_method;
	x->req.query = info->query_string != NULL ? info->query_string : "";

	why = http_head_framing(x->headers, x->req.header_count,
		str_equal(info->http_version, "1.1"), &x->framing);
	if (why.status != 0) {
		return why;
	}
	if (x->framing.body_len > 0 &&
		info->content_length != (long long)x->framing.body_len) {
		return (struct http_refusal){ 400, "Content-Length is not a number" };
	}
	x->framed = true;
	x->body_pending = x->framing.body_len > 0;
	x->keep_alive = x->framing.keep_alive && x->may_stay;
	why = http_head_path(info->request_uri, x->path);
	if (why.status == 0) {
		x->req.path = x->path;
	}
	return why;
}

static struct http_refusal
read_body(struct exchange *x, struct buf *body)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	size_t len = x->framing.body_len;
	size_t got = 0;
	char *place = buf_grow(body, len);
	if (place == NULL) {
		return (struct http_refusal){ 503, "out of memory" };
	}
	if (x->framing.expect_continue && send_bytes(x, go_on, strlen(go_on)) != 0) {
		return (struct http_refusal){ 408, "the client went away" };
	}
	x->framing.expect_continue = false;
	struct http_guard_watch watch = watch_of(
		x->info, HTTP_GUARD_CUT_READ, (int64_t)x->params->body_timeout_ms);
	http_guard_enter(x->guard, &watch);
	while (got < len) {
		int n = mg_read(x->conn, place + got, len - got);
		/* 0 is a silence of civetweb's own timeout. */
		if (n < 0 || (n == 0 && clock_mono_ms(&clock_system) >= watch.deadline)) {
			break;
		}
		got += (size_t)n;
	}
	(void)http_guard_leave(x->guard, &watch); /* got says it all */
	if (got < len) {
		x->framed = false; /* nothing more to expect */
		return (struct http_refusal){ 408, "the body did not arrive in time" };
	}
	x->body_pending = false;
	x->req.body = place;
	x->req.body_len = len;
	return (struct http_refusal){ 0, NULL };
}

static void
handle(struct exchange *x)
{
	struct http_response res;
	struct err err = { 0 };

	http_response_init(&res);
	x->params->handle(x->params->ctx, &x->req, &res);
	if (buf_finish(&res.body, &err) != 0) {
		log_err("answer lost", &err, LOG_STR("request", x->req.id));
		exchange_refuse(
			x, (struct http_refusal){ 500, "the answer is too large" });
	} else if (res.status < 200 || res.status > 599) {
		err_set(&err, ERR_INTERNAL, "handler left status %d", res.status);
		log_err("answer lost", &err, LOG_STR("request", x->req.id));
		exchange_refuse(x, (struct http_refusal){ 500, "internal error" });
	} else {
		answer(x, &res);
	}
	http_response_release(&res);
}

void
exchange_serve(struct exchange *x)
{
	const struct http_params *params = x->params;
	struct http_refusal why = check_head(x);
	struct buf body;
	char too_large[64];
	/* Bodies hold passwords. */
	buf_init_secret(&body, x->framing.body_len);
	if (why.status == 0 && x->framing.body_len > 0) {
		size_t limit =
			params->body_limit(params->ctx, x->req.method, x->req.path);
		if (limit > 0 && x->framing.body_len > limit) {
			str_fmt_cut(too_large, sizeof(too_large),
				"the body is larger than %zu bytes", limit);
			why = (struct http_refusal){ 413, too_large };
		} else if (limit > 0) {
			why = read_body(x, &body);
		}
	}
	if (why.status != 0) {
		exchange_refuse(x, why);
	} else {
		handle(x);
	}
	buf_release(&body);
}
