/* SPDX-License-Identifier: Apache-2.0 */
#include "http/server.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"
#include "http/guard.h"
#include "http/head.h"

#include <civetweb.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	ID_BYTES = 9,
	ONE_WRITE_MAX = 65536, /* answers up to here leave in one piece */
	HEAD_RESERVE = 1024, /* room for the head of most answers */
	DRAIN_MAX = 8 << 20, /* what is read of a body that nobody wants, ... */
	DRAIN_TIMEOUT_MS = 1000, /* ... and for how long */
};

struct http_server {
	struct http_params params;
	char host[INET6_ADDRSTRLEN]; /* without brackets */
	bool is_ipv6;
	uint16_t port;
	struct mg_context *civetweb;
	struct http_guard guard;
	bool has_guard;

	atomic_uint held; /* connections that have a worker */

	pthread_mutex_t lock;
	pthread_cond_t idle;
	unsigned active; /* requests under way */
	bool stopping;
	bool started;
	char start_message[256]; /* what civetweb said when it could not start */
};

/* civetweb gives a connection a worker until it closes, and others wait for one
 * meanwhile. So connections stay open only while a quarter of the workers is free; beyond
 * that each serves one request and goes to the end of the queue. */
static bool
has_spare_workers(struct http_server *server)
{
	unsigned threads = server->params.threads;
	return atomic_load(&server->held) <= threads - threads / 4;
}

static struct http_server *
server_of(const struct mg_connection *conn)
{
	return mg_get_user_data(mg_get_context(conn));
}

static int
on_connection(const struct mg_connection *conn, void **conn_data)
{
	(void)conn_data; /* nothing is kept with a connection */
	atomic_fetch_add(&server_of(conn)->held, 1);
	return 0;
}

static void
on_connection_end(const struct mg_connection *conn)
{
	atomic_fetch_sub(&server_of(conn)->held, 1);
}

/* One request under way. */
struct exchange {
	struct http_server *server;
	struct mg_connection *conn;
	const struct mg_request_info *info;
	struct http_request req;
	struct http_header headers[MG_MAX_HEADERS];
	char path[HTTP_PATH_SIZE];
	struct http_framing framing;
	bool framed; /* framing is known */
	bool head_only; /* HEAD: the answer has no body */
	bool keep_alive; /* the connection stays open after the answer */
	bool body_pending; /* the client may still be sending a body */
	int64_t began;
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
	put_connection(out, x->keep_alive, x->server->params.keep_alive_ms);
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
		x->info, HTTP_GUARD_CUT_ALL, (int64_t)x->server->params.send_timeout_ms);
	http_guard_enter(&x->server->guard, &watch);
	int n = mg_write(x->conn, data, len);
	bool was_cut = http_guard_leave(&x->server->guard, &watch);
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
	http_guard_enter(&x->server->guard, &watch);
	while (left > 0 && clock_mono_ms(&clock_system) < watch.deadline) {
		int n = mg_read(
			x->conn, scrap, left < sizeof(scrap) ? left : sizeof(scrap));
		if (n <= 0) {
			break;
		}
		left -= (size_t)n;
	}
	(void)http_guard_leave(
		&x->server->guard, &watch); /* the connection ends anyway */
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

static void
answer_refusal(struct exchange *x, struct http_refusal why)
{
	struct http_server *server = x->server;
	struct http_response res;
	http_response_init(&res);
	res.status = why.status;
	server->params.refuse(server->params.ctx, why.status, why.message, &res);
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

static void
exchange_init(struct exchange *x, struct mg_connection *conn)
{
	x->server = mg_get_user_data(mg_get_context(conn));
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
	x->keep_alive = x->framing.keep_alive && has_spare_workers(x->server);
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
		x->info, HTTP_GUARD_CUT_READ, (int64_t)x->server->params.body_timeout_ms);
	http_guard_enter(&x->server->guard, &watch);
	while (got < len) {
		int n = mg_read(x->conn, place + got, len - got);
		/* 0 is a silence of civetweb's own timeout. */
		if (n < 0 || (n == 0 && clock_mono_ms(&clock_system) >= watch.deadline)) {
			break;
		}
		got += (size_t)n;
	}
	(void)http_guard_leave(&x->server->guard, &watch); /* got says it all */
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
	struct http_server *server = x->server;
	struct http_response res;
	struct err err = { 0 };

	http_response_init(&res);
	server->params.handle(server->params.ctx, &x->req, &res);
	if (buf_finish(&res.body, &err) != 0) {
		log_err("answer lost", &err, LOG_STR("request", x->req.id));
		answer_refusal(
			x, (struct http_refusal){ 500, "the answer is too large" });
	} else if (res.status < 200 || res.status > 599) {
		err_set(&err, ERR_INTERNAL, "handler left status %d", res.status);
		log_err("answer lost", &err, LOG_STR("request", x->req.id));
		answer_refusal(x, (struct http_refusal){ 500, "internal error" });
	} else {
		answer(x, &res);
	}
	http_response_release(&res);
}

static void
serve(struct exchange *x)
{
	const struct http_params *params = &x->server->params;
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
		answer_refusal(x, why);
	} else {
		handle(x);
	}
	buf_release(&body);
}

static int
on_request(struct mg_connection *conn)
{
	struct exchange x;
	exchange_init(&x, conn);
	struct http_server *server = x.server;

	pthread_mutex_lock(&server->lock);
	bool stopping = server->stopping;
	server->active += stopping ? 0 : 1;
	pthread_mutex_unlock(&server->lock);
	if (stopping) {
		answer_refusal(&x, (struct http_refusal){ 503, "shutting down" });
		return 503;
	}

	serve(&x);

	pthread_mutex_lock(&server->lock);
	server->active--;
	if (server->stopping && server->active == 0) {
		pthread_cond_signal(&server->idle);
	}
	pthread_mutex_unlock(&server->lock);
	return 200; /* anything but 0: civetweb has nothing to add */
}

/* Errors that civetweb finds before it calls on_request; it closes the connection after
 * them. */
static int
on_error(struct mg_connection *conn, int status, const char *message)
{
	struct exchange x;
	exchange_init(&x, conn);
	/* Of a 400 civetweb does not tell why. */
	struct http_refusal why = { status,
		"malformed, incomplete or too long request head" };
	(void)message; /* says no more than the status */
	if (status == 411) {
		why = (struct http_refusal){ 400, "Content-Length is not a number" };
	} else if (status == 505) {
		why.message = "only HTTP/1.0 and HTTP/1.1 are spoken here";
	} else if (status >= 500) {
		why.message = "internal error";
	}
	answer_refusal(&x, why);
	return 0;
}

static int
on_message(const struct mg_connection *conn, const char *message)
{
	struct http_server *server = mg_get_user_data(mg_get_context(conn));
	pthread_mutex_lock(&server->lock);
	bool started = server->started;
	/* The first is the cause, what follows only says that it failed. */
	if (!started && server->start_message[0] == '\0') {
		str_fmt_cut(server->start_message, sizeof(server->start_message), "%s",
			message);
	}
	pthread_mutex_unlock(&server->lock);
	if (started) {
		log_warn("civetweb", LOG_STR("message", message));
	}
	return 1; /* civetweb keeps no log of its own */
}

/* ---- start and stop ----------------------------------------------------------- */

static int
parse_host(struct http_server *server, const char *host, struct err *err)
{
	struct in_addr in;
	struct in6_addr in6;
	size_t len = strlen(host);
	bool bracketed = len >= 2 && host[0] == '[' && host[len - 1] == ']';
	if (str_fmt(server->host, sizeof(server->host), "%.*s",
		    (int)(bracketed ? len - 2 : len), bracketed ? host + 1 : host) == 0) {
		if (!bracketed && inet_pton(AF_INET, server->host, &in) == 1) {
			return 0;
		}
		if (inet_pton(AF_INET6, server->host, &in6) == 1) {
			server->is_ipv6 = true;
			/* The form that the kernel's address prints as. */
			(void)!inet_ntop(
				AF_INET6, &in6, server->host, sizeof(server->host));
			return 0;
		}
	}
	return err_set(err, ERR_INVALID, "cannot listen on %s: not an IP address", host);
}

/* The errno that binding and listening there gives now; 0 when it works. */
static int
probe(const struct http_server *server)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} address = { .in6 = { 0 } };
	socklen_t len = sizeof(address.in);
	int on = 1;
	int result = 0;

	if (server->is_ipv6) {
		len = sizeof(address.in6);
		address.in6.sin6_family = AF_INET6;
		address.in6.sin6_port = htons(server->params.port);
		(void)inet_pton(AF_INET6, server->host, &address.in6.sin6_addr);
	} else {
		address.in.sin_family = AF_INET;
		address.in.sin_port = htons(server->params.port);
		(void)inet_pton(AF_INET, server->host, &address.in.sin_addr);
	}
	int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return errno;
	}
	/* As civetweb does; a port in TIME_WAIT is not taken. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &address.any, len) != 0 || listen(fd, 1) != 0) {
		result = errno;
	}
	close(fd);
	return result;
}

/* civetweb only says that it failed. */
static int
explain_failure(const struct http_server *server, struct err *err)
{
	char where[INET6_ADDRSTRLEN + 16];
	int reason = probe(server);
	if (str_fmt(where, sizeof(where), server->is_ipv6 ? "[%s]:%u" : "%s:%u",
		    server->host, (unsigned)server->params.port) != 0) {
		return err_nomem(err);
	}
	if (reason == EADDRINUSE) {
		err_set(err, ERR_CONFLICT, "cannot listen on %s: address already in use",
			where);
	} else if (reason == EACCES || reason == EPERM) {
		err_set(err, ERR_FORBIDDEN, "cannot listen on %s: permission denied",
			where);
	} else if (reason == EADDRNOTAVAIL) {
		err_set(err, ERR_INVALID,
			"cannot listen on %s: not an address of this host", where);
	} else {
		err_set(err, ERR_UNAVAILABLE, "cannot listen on %s", where);
	}
	return err_detail(err, "civetweb: %s; errno %d", server->start_message, reason);
}

int
http_server_probe(const char *host, uint16_t port, struct err *err)
{
	struct http_server server = { .params = { .port = port } };
	if (parse_host(&server, host, err) != 0) {
		return -1;
	}
	return probe(&server) == 0 ? 0 : explain_failure(&server, err);
}

static int
start_civetweb(struct http_server *server, struct err *err)
{
	const struct http_params *params = &server->params;
	char where[INET6_ADDRSTRLEN + 16];
	char threads[16];
	char head_timeout[16];
	char keep_alive[16];
	char head_max[16];
	unsigned head_timeout_ms = params->body_timeout_ms < HTTP_HEAD_TIMEOUT_MS
		? params->body_timeout_ms
		: HTTP_HEAD_TIMEOUT_MS;
	if (str_fmt(where, sizeof(where), server->is_ipv6 ? "[%s]:%u" : "%s:%u",
		    server->host, (unsigned)params->port) != 0 ||
		str_fmt(threads, sizeof(threads), "%u", params->threads) != 0 ||
		str_fmt(head_timeout, sizeof(head_timeout), "%u", head_timeout_ms) != 0 ||
		str_fmt(keep_alive, sizeof(keep_alive), "%u", params->keep_alive_ms) !=
			0 ||
		str_fmt(head_max, sizeof(head_max), "%d", HTTP_HEAD_MAX) != 0) {
		return err_nomem(err);
	}
	/* No document_root: civetweb has no file to show. Paths and queries come
	 * undecoded. */
	/* clang-format off */
	const char *options[] = {
		"listening_ports", where,
		"num_threads", threads,
		"connection_queue", "256",
		"listen_backlog", "256",
		"request_timeout_ms", head_timeout,
		"enable_keep_alive", "yes",
		"keep_alive_timeout_ms", keep_alive,
		"tcp_nodelay", "1",
		"max_request_size", head_max,
		"linger_timeout_ms", "-2",
		"enable_directory_listing", "no",
		"enable_auth_domain_check", "no",
		"decode_url", "no",
		"decode_query_string", "no",
		NULL,
	};
	/* clang-format on */
	static const struct mg_callbacks callbacks = {
		.init_connection = on_connection,
		.connection_close = on_connection_end,
		.begin_request = on_request,
		.http_error = on_error,
		.log_message = on_message,
	};
	struct mg_server_port port;
	if (server->is_ipv6 && !mg_check_feature(MG_FEATURES_IPV6)) {
		return err_set(err, ERR_UNAVAILABLE,
			"cannot listen on %s: the civetweb of this system has no IPv6",
			where);
	}
	server->civetweb = mg_start(&callbacks, server, options);
	if (server->civetweb == NULL) {
		return explain_failure(server, err);
	}
	if (mg_get_server_ports(server->civetweb, 1, &port) != 1) {
		return err_set(
			err, ERR_INTERNAL, "cannot learn the port of the HTTP server");
	}
	server->port = (uint16_t)port.port;
	pthread_mutex_lock(&server->lock);
	server->started = true;
	pthread_mutex_unlock(&server->lock);
	return 0;
}

int
http_server_start(
	const struct http_params *params, struct http_server **out, struct err *err)
{
	struct http_server *server = calloc(1, sizeof(*server));
	if (server == NULL) {
		return err_nomem(err);
	}
	server->params = *params;
	server->params.host = NULL; /* server->host instead */
	if (params->threads == 0) {
		server->params.threads = HTTP_THREADS_DEFAULT;
	}
	if (params->body_timeout_ms == 0) {
		server->params.body_timeout_ms = HTTP_BODY_TIMEOUT_MS;
	}
	if (params->send_timeout_ms == 0) {
		server->params.send_timeout_ms = HTTP_SEND_TIMEOUT_MS;
	}
	if (params->keep_alive_ms == 0) {
		server->params.keep_alive_ms = HTTP_KEEP_ALIVE_MS;
	}
	/* These fail only on arguments that are wrong. */
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->idle, NULL);
	mg_init_library(MG_FEATURES_DEFAULT);

	int rc = parse_host(server, params->host, err);
	if (rc == 0) {
		rc = http_guard_init(&server->guard, err);
		server->has_guard = rc == 0;
	}
	if (rc == 0) {
		rc = start_civetweb(server, err);
	}
	if (rc != 0) {
		http_server_stop(server);
		return -1;
	}
	*out = server;
	return 0;
}

uint16_t
http_server_port(const struct http_server *server)
{
	return server->port;
}

void
http_server_stop(struct http_server *server)
{
	if (server == NULL) {
		return;
	}
	if (server->civetweb != NULL) {
		/* mg_stop would break answers off in the middle; a client that is slow
		 * with its body or with our answer cannot hold the end up for long. */
		http_guard_hasten(&server->guard,
			clock_mono_ms(&clock_system) + HTTP_STOP_TIMEOUT_MS);
		pthread_mutex_lock(&server->lock);
		server->stopping = true;
		while (server->active > 0) {
			pthread_cond_wait(&server->idle, &server->lock);
		}
		pthread_mutex_unlock(&server->lock);
		/* Else its accepting thread looks up only every two seconds. */
		http_guard_shut_listener(server->host, server->port);
		mg_stop(server->civetweb);
	}
	if (server->has_guard) {
		http_guard_release(&server->guard);
	}
	mg_exit_library();
	pthread_cond_destroy(&server->idle);
	pthread_mutex_destroy(&server->lock);
	free(server);
}
