/* SPDX-License-Identifier: Apache-2.0
 * The HTTP server over real sockets, and its pure parts by table. */
#include "base/clock.h"
#include "base/str.h"
#include "http/head.h"
#include "http/message.h"
#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	DEADLINE_MS = 10000, /* for anything that ought to happen at once */
	ECHO_LIMIT = 1000,
	LARGE_LIMIT = 1 << 20,
	BIG_ANSWER = 16 << 20
};

/* ---- the application behind the server -------------------------------------------- */

struct app {
	struct http_server *server;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned inside; /* requests in /gate */
	bool open; /* /gate lets them go */
	unsigned handled;
};

static size_t
app_body_limit(void *ctx, const char *method, const char *path)
{
	(void)ctx;
	if (str_equal(path, "/large")) {
		return LARGE_LIMIT;
	}
	return str_equal(path, "/echo") && !str_equal(method, "DELETE") ? ECHO_LIMIT : 0;
}

static void
wait_in_gate(struct app *app)
{
	pthread_mutex_lock(&app->lock);
	app->inside++;
	pthread_cond_broadcast(&app->changed);
	while (!app->open) {
		pthread_cond_wait(&app->changed, &app->lock);
	}
	app->inside--;
	pthread_mutex_unlock(&app->lock);
}

/* method|path|query|length|body, and what only this handler could know */
static void
echo(const struct http_request *req, struct http_response *res)
{
	buf_put_str(&res->body, req->method);
	buf_put_char(&res->body, '|');
	buf_put_str(&res->body, req->path);
	buf_put_char(&res->body, '|');
	buf_put_str(&res->body, req->query);
	buf_put_char(&res->body, '|');
	buf_put_int(&res->body, (int64_t)req->body_len);
	buf_put_char(&res->body, '|');
	buf_put_str(&res->body, req->body);
	const char *custom = http_request_header(req, "x-CUSTOM");
	assert_int_equal(
		http_response_header(res, "X-Saw", custom != NULL ? custom : "none"), 0);
	assert_int_equal(http_response_header(res, "X-Saw-Id", req->id), 0);
	assert_int_equal(http_response_header(res, "X-Saw-Ip", req->remote_ip), 0);
}

static void
app_handle(void *ctx, const struct http_request *req, struct http_response *res)
{
	struct app *app = ctx;
	pthread_mutex_lock(&app->lock);
	app->handled++;
	pthread_mutex_unlock(&app->lock);

	if (str_equal(req->path, "/echo") || str_equal(req->path, "/large")) {
		echo(req, res);
	} else if (str_equal(req->path, "/nothing")) {
		res->status = 204;
		buf_put_str(&res->body, "must not be sent");
	} else if (str_equal(req->path, "/secret")) {
		http_response_make_secret(res);
		buf_put_str(&res->body, "SUAsecret");
		res->content_type = "text/plain";
		assert_int_equal(
			http_response_header(res, "Cache-Control", "private"), 0);
	} else if (str_equal(req->path, "/big")) {
		char *place = buf_grow(&res->body, BIG_ANSWER);
		assert_non_null(place);
		memset(place, 'b', BIG_ANSWER);
	} else if (str_equal(req->path, "/gate")) {
		wait_in_gate(app);
		buf_put_str(&res->body, "through");
	} else if (str_equal(req->path, "/too-big-answer")) {
		buf_put_str(&res->body, "lost");
		res->body.failed = true;
	} else if (str_equal(req->path, "/bad-status")) {
		res->status = 42;
	} else {
		res->status = 404;
		buf_put_str(&res->body, "unknown");
	}
}

static void
app_refuse(void *ctx, int status, const char *message, struct http_response *res)
{
	(void)ctx;
	assert_int_equal(res->status, status);
	res->content_type = "text/plain";
	buf_put_str(&res->body, "refused: ");
	buf_put_str(&res->body, message);
}

static struct app *
app_new(struct http_params params)
{
	struct err err = { 0 };
	struct app *app = calloc(1, sizeof(*app));
	assert_non_null(app);
	pthread_mutex_init(&app->lock, NULL);
	pthread_cond_init(&app->changed, NULL);
	if (params.host == NULL) {
		params.host = "127.0.0.1";
	}
	params.body_limit = app_body_limit;
	params.handle = app_handle;
	params.refuse = app_refuse;
	params.ctx = app;
	if (http_server_start(&params, &app->server, &err) != 0) {
		fail_msg("%s (%s)", err.msg, err.detail);
	}
	return app;
}

static void
app_free(struct app *app)
{
	http_server_stop(app->server);
	pthread_cond_destroy(&app->changed);
	pthread_mutex_destroy(&app->lock);
	free(app);
}

static void
app_wait_inside(struct app *app, unsigned n)
{
	pthread_mutex_lock(&app->lock);
	while (app->inside < n) {
		pthread_cond_wait(&app->changed, &app->lock);
	}
	pthread_mutex_unlock(&app->lock);
}

static void
app_open_gate(struct app *app)
{
	pthread_mutex_lock(&app->lock);
	app->open = true;
	pthread_cond_broadcast(&app->changed);
	pthread_mutex_unlock(&app->lock);
}

static unsigned
app_handled(struct app *app)
{
	pthread_mutex_lock(&app->lock);
	unsigned n = app->handled;
	pthread_mutex_unlock(&app->lock);
	return n;
}

/* ---- a client of plain sockets
 * ------------------------------------------------------ */

static int64_t
now_ms(void)
{
	return clock_mono_ms(&clock_system);
}

/* -1 when nobody listens. */
static int
try_dial(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
dial(const struct app *app)
{
	int fd = try_dial(http_server_port(app->server));
	assert_true(fd >= 0);
	return fd;
}

/* 0, or -1 when the server does not take (all of) it any more. */
static int
try_send(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n <= 0) {
			return -1;
		}
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static void
send_text(int fd, const char *text)
{
	assert_int_equal(try_send(fd, text, strlen(text)), 0);
}

/* At least one byte, 0 at the end, -1 for a reset. */
static ssize_t
receive(int fd, char *out, size_t max)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&pollfd, 1, DEADLINE_MS), 1);
	return recv(fd, out, max, 0);
}

struct answer {
	int status;
	char head[2048];
	struct buf body;
};

static const char *
answer_header(const struct answer *answer, const char *name, char out[static 256])
{
	char line_start[80];
	assert_int_equal(str_fmt(line_start, sizeof(line_start), "\r\n%s: ", name), 0);
	const char *at = strstr(answer->head, line_start);
	if (at == NULL) {
		return NULL;
	}
	at += strlen(line_start);
	assert_int_equal(str_fmt(out, 256, "%.*s", (int)strcspn(at, "\r"), at), 0);
	return out;
}

/* Byte by byte up to the empty line, so that nothing of a second answer is taken. */
static void
read_head(int fd, struct answer *answer)
{
	size_t len = 0;
	do {
		assert_true(len + 1 < sizeof(answer->head));
		assert_int_equal(receive(fd, answer->head + len, 1), 1);
		answer->head[++len] = '\0';
	} while (len < 4 || strcmp(answer->head + len - 4, "\r\n\r\n") != 0);

	int64_t status = 0;
	char digits[4] = { 0 };
	assert_true(str_starts_with(answer->head, "HTTP/1.1 "));
	memcpy(digits, answer->head + 9, 3);
	assert_int_equal(str_to_int(digits, 100, 599, &status), 0);
	answer->status = (int)status;
}

static void
read_answer(int fd, bool has_body, struct answer *answer)
{
	char text[256];
	int64_t length = 0;
	read_head(fd, answer);
	buf_init(&answer->body, BIG_ANSWER);
	const char *value = answer_header(answer, "Content-Length", text);
	if (value == NULL || !has_body) {
		return;
	}
	assert_int_equal(str_to_int(value, 0, BIG_ANSWER, &length), 0);
	char *place = buf_grow(&answer->body, (size_t)length);
	assert_non_null(place);
	for (int64_t got = 0; got < length;) {
		ssize_t n = receive(fd, place + got, (size_t)(length - got));
		assert_true(n > 0);
		got += n;
	}
}

static bool
is_closed(int fd)
{
	char byte;
	return receive(fd, &byte, 1) <= 0;
}

/* By a FIN: a reset can take away an answer that the client has not read yet. */
static bool
is_closed_gently(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);
	struct pollfd pollfd = { .fd = fd };
	if (!is_closed(fd)) {
		return false;
	}
	/* Both sides are done now, and poll waits for the end, of which kind ever. */
	(void)shutdown(fd, SHUT_WR); /* fails after a reset */
	assert_int_equal(poll(&pollfd, 1, DEADLINE_MS), 1);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
	return error == 0;
}

static void
release(struct answer *answer)
{
	buf_release(&answer->body);
}

#define assert_body(answer, text) assert_string_equal((answer).body.data, (text))

static void
assert_header(const struct answer *answer, const char *name, const char *expected)
{
	char text[256];
	const char *value = answer_header(answer, name, text);
	assert_non_null(value);
	assert_string_equal(value, expected);
}

/* ---- fixtures
 * ------------------------------------------------------------------------ */

static int
setup(void **state)
{
	*state = app_new((struct http_params){ .threads = 16 });
	return 0;
}

static int
teardown(void **state)
{
	app_free(*state);
	return 0;
}

/* ---- tests of the server
 * ---------------------------------------------------------------- */

static void
test_answers_a_request(void **state)
{
	struct answer answer;
	char id[256];
	int fd = dial(*state);
	send_text(fd,
		"GET /echo?a=b%20c HTTP/1.1\r\nHost: x\r\nX-Custom: yes "
		"\xc3\xa9\r\n\r\n");
	read_answer(fd, true, &answer);
	assert_int_equal(answer.status, 200);
	assert_body(answer, "GET|/echo|a=b%20c|0|");
	assert_header(&answer, "Content-Type", "application/json");
	assert_header(&answer, "Content-Length", "20");
	assert_header(&answer, "X-Content-Type-Options", "nosniff");
	assert_header(&answer, "X-Frame-Options", "SAMEORIGIN");
	assert_header(&answer, "Cache-Control", "no-store");
	assert_header(&answer, "Vary", "Origin");
	assert_header(&answer, "Connection", "keep-alive");
	assert_header(&answer, "Keep-Alive", "timeout=0");
	assert_header(&answer, "X-Saw", "yes \xc3\xa9");
	assert_header(&answer, "X-Saw-Ip", "127.0.0.1");
	assert_non_null(answer_header(&answer, "X-Request-Id", id));
	assert_int_equal(strlen(id), HTTP_ID_SIZE - 1);
	assert_header(&answer, "X-Saw-Id", id);
	assert_non_null(strstr(answer.head, " GMT\r\n"));
	release(&answer);
	close(fd);
}

/* Everything here is answered by app_refuse, never by civetweb, and ends the
 * connection. */
static void
test_refuses_bad_heads(void **state)
{
	static const struct {
		const char *request;
		int status;
	} cases[] = {
		/* Framing. */
		{ "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "1\r\na\r\n0\r\n\r\n",
			501 },
		{ "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : "
		  "identity\r\n\r\n",
			501 },
		{ "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, "
		  "chunked\r\n\r\n",
			400 }, /* civetweb's own */
		{ "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
		  "Transfer-Encoding: chunked\r\n\r\na",
			400 },
		{ "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: "
		  "1\r\nContent-Length: 2\r\n\r\n"
		  "ab",
			400 },
		{ "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: "
		  "1\r\ncontent-length: 1\r\n\r\n"
		  "a",
			400 },
		{ "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\na",
			400 },
		{ "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na", 400 },
		{ "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\na", 400 },
		{ "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\na", 400 },
		{ "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: one\r\n\r\na", 400 },
		{ "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\na", 400 },
		{ "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: "
		  "99999999999999999999999999\r\n\r\na",
			400 },
		{ "GET /echo HTTP/1.1\r\nAccept: a\r\n\r\n", 400 },
		{ "GET /echo HTTP/1.1\r\n\r\n", 400 },
		{ "GET /echo HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400 },
		{ "GET /echo HTTP/1.0\r\nHost: x\r\nhost: y\r\n\r\n", 400 },
		{ "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: magic\r\nContent-Length: "
		  "0\r\n\r\n",
			417 },
		/* Lines that the parser would have hidden the rest of the head behind. */
		{ "GET /echo HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n", 400 },
		{ "GET /echo HTTP/1.1\r\nHost: x\r\n\tfolded\r\n\r\n", 400 },
		{ "GET /echo HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\nTransfer-Encoding: "
		  "chunked\r\n\r\n",
			400 },
		{ "GET /echo HTTP/1.1\r\nHost: x\r\n: nameless\r\nContent-Length: "
		  "5\r\n\r\n",
			400 },
		{ "GET /echo HTTP/1.0\r\n: nameless\r\n\r\n", 400 },
		{ "GET /echo HTTP/1.1\r\n Host: x\r\n\r\n", 400 },
		{ "GET /echo HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400 },
		{ "GET /echo HTTP/1.1\nHost: x\r\n\r\n", 400 },
		{ "GET /echo HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400 },
		/* The request line. */
		{ "GET  /echo HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /echo  HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /echo?q  HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "BREW /echo HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "get /echo HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /echo HTTP/2.0\r\nHost: x\r\n\r\n", 505 },
		{ "GET /echo\r\n\r\n", 400 },
		{ "\x01\x02\x03\x04\r\n\r\n", 400 },
		/* The path. */
		{ "GET /ec%00ho HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /a%2fb HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /a%2Fb HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /a%5cb HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /a\\b HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /a%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /a%2 HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /a%ff HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /a%0a HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /a%7f HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /a\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /a\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /x/../echo HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /x/%2e%2e/echo HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
		{ "GET /echo/. HTTP/1.1\r\nHost: x\r\n\r\n", 400 },
	};
	struct app *app = *state;
	unsigned before = app_handled(app);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer answer;
		char text[256];
		int fd = dial(app);
		send_text(fd, cases[i].request);
		read_answer(fd, true, &answer);
		if (answer.status != cases[i].status ||
			!str_starts_with(answer.body.data, "refused: ")) {
			fail_msg("%s -> %d %s", cases[i].request, answer.status,
				answer.body.data);
		}
		assert_header(&answer, "Connection", "close");
		assert_header(&answer, "Cache-Control", "no-store");
		assert_non_null(answer_header(&answer, "X-Request-Id", text));
		assert_true(is_closed(fd));
		release(&answer);
		close(fd);
	}
	assert_int_equal(app_handled(app), before);
}

static void
test_refuses_long_heads(void **state)
{
	enum { HEADERS = 80, PATH = 3000 };
	struct answer answer;
	struct buf head;
	buf_init(&head, 4 * HTTP_HEAD_MAX);

	/* More headers than the parser keeps: the last ones would be unseen. */
	buf_put_str(&head, "GET /echo HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < HEADERS; i++) {
		buf_put_str(&head, "A: b\r\n");
	}
	buf_put_str(&head, "Transfer-Encoding: chunked\r\n\r\n");
	int fd = dial(*state);
	send_text(fd, head.data);
	read_answer(fd, true, &answer);
	assert_int_equal(answer.status, 431);
	assert_true(is_closed(fd));
	release(&answer);
	close(fd);

	buf_clear(&head);
	buf_put_str(&head, "GET /echo HTTP/1.1\r\nHost: x\r\nA: ");
	while (head.len < HTTP_HEAD_MAX) {
		buf_put_char(&head, 'a');
	}
	/* civetweb does not tell a long head from a malformed one. */
	fd = dial(*state);
	send_text(fd, head.data);
	read_answer(fd, true, &answer);
	assert_int_equal(answer.status, 400);
	assert_true(str_starts_with(answer.body.data, "refused: "));
	assert_true(is_closed(fd));
	release(&answer);
	close(fd);

	buf_clear(&head);
	buf_put_str(&head, "GET /");
	while (head.len < PATH) {
		buf_put_char(&head, 'a');
	}
	buf_put_str(&head, " HTTP/1.1\r\nHost: x\r\n\r\n");
	fd = dial(*state);
	send_text(fd, head.data);
	read_answer(fd, true, &answer);
	assert_int_equal(answer.status, 414);
	release(&answer);
	close(fd);
	buf_release(&head);
}

/* Idle connections never hold all workers: the one that takes the last quarter is closed
 * after its answer, so that the next client is served. */
static void
test_connections_leave_workers_free(void **state)
{
	enum { THREADS = 4, KEPT = 3, LATER = 20 };
	static const char get[] = "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n";
	(void)state; /* a server of its own */
	struct app *app = app_new(
		(struct http_params){ .threads = THREADS, .keep_alive_ms = 60000 });
	struct answer answer;
	int kept[KEPT];
	for (size_t i = 0; i < KEPT; i++) {
		kept[i] = dial(app);
		send_text(kept[i], get);
		read_answer(kept[i], true, &answer);
		assert_header(&answer, "Connection", "keep-alive");
		release(&answer);
	}
	for (size_t i = 0; i < LATER; i++) {
		int fd = dial(app);
		send_text(fd, get);
		read_answer(fd, true, &answer);
		assert_int_equal(answer.status, 200);
		assert_header(&answer, "Connection", "close");
		assert_true(is_closed(fd));
		release(&answer);
		close(fd);
	}
	for (size_t i = 0; i < KEPT; i++) {
		close(kept[i]);
	}
	app_free(app);
}

static void
test_keep_alive_and_pipelining(void **state)
{
	struct answer answer;
	int fd = dial(*state);
	send_text(fd,
		"POST /echo?1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none"
		"POST /echo?2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\ntwo"
		"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
		"GET /echo?3 HTTP/1.1\r\nHost: x\r\n\r\n");
	read_answer(fd, true, &answer);
	assert_body(answer, "POST|/echo|1|3|one");
	release(&answer);
	read_answer(fd, true, &answer);
	assert_body(answer, "POST|/echo|2|3|two");
	release(&answer);
	read_answer(fd, true, &answer);
	assert_int_equal(answer.status, 204);
	release(&answer);
	read_answer(fd, true, &answer);
	assert_body(answer, "GET|/echo|3|0|");
	release(&answer);

	send_text(
		fd, "GET /echo?4 HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive\r\n\r\n");
	read_answer(fd, true, &answer);
	assert_body(answer, "GET|/echo|4|0|");
	assert_header(&answer, "Connection", "keep-alive");
	release(&answer);

	send_text(fd, "GET /echo?5 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	read_answer(fd, true, &answer);
	assert_body(answer, "GET|/echo|5|0|");
	assert_header(&answer, "Connection", "close");
	assert_true(is_closed(fd));
	release(&answer);
	close(fd);

	/* HTTP/1.0 closes by itself and needs neither Host nor any other header. */
	fd = dial(*state);
	send_text(fd, "GET /echo HTTP/1.0\r\n\r\n");
	read_answer(fd, true, &answer);
	assert_body(answer, "GET|/echo||0|");
	assert_header(&answer, "Connection", "close");
	assert_true(is_closed(fd));
	release(&answer);
	close(fd);

	/* A refusal in front of a pipelined request: that one must never be served. */
	fd = dial(*state);
	unsigned before = app_handled(*state);
	send_text(fd,
		"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		"0\r\n\r\nGET /echo?smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
	read_answer(fd, true, &answer);
	assert_int_equal(answer.status, 501);
	assert_true(is_closed(fd));
	assert_int_equal(app_handled(*state), before);
	release(&answer);
	close(fd);
}

static void
post(int fd, const char *path, size_t declared, size_t sent)
{
	struct buf request;
	buf_init(&request, sent + 200);
	buf_put_str(&request, "POST ");
	buf_put_str(&request, path);
	buf_put_str(&request, " HTTP/1.1\r\nHost: x\r\nContent-Length: ");
	buf_put_int(&request, (int64_t)declared);
	buf_put_str(&request, "\r\n\r\n");
	for (size_t i = 0; i < sent; i++) {
		buf_put_char(&request, 'p');
	}
	assert_int_equal(buf_finish(&request, NULL), 0);
	/* Fails when the server has had enough: its answer says why. */
	(void)try_send(fd, request.data, request.len);
	buf_release(&request);
}

static void
test_body_limits(void **state)
{
	static const struct {
		const char *path;
		size_t length;
		int status;
		bool closes;
		const char *starts;
	} cases[] = {
		{ "/echo", 1, 200, false, "POST|/echo||1|p" },
		{ "/echo", ECHO_LIMIT, 200, false, "POST|/echo||1000|p" },
		{ "/echo", ECHO_LIMIT + 1, 413, true, "refused: " },
		{ "/large", LARGE_LIMIT, 200, false, "POST|/large||1048576|p" },
		{ "/large", LARGE_LIMIT + 1, 413, true, "refused: " },
		{ "/large", 3 * LARGE_LIMIT, 413, true, "refused: " },
		/* The handler says 404, body or not. */
		{ "/unknown", 0, 404, false, "unknown" },
		{ "/unknown", 10, 404, true, "unknown" },
		{ "/unknown", LARGE_LIMIT, 404, true, "unknown" },
	};
	/* Three rounds: whether a reset overtakes the end is a matter of luck. */
	enum { COUNT = sizeof(cases) / sizeof(cases[0]) };
	for (size_t round = 0; round < 3 * COUNT; round++) {
		size_t i = round % COUNT;
		struct answer answer;
		int fd = dial(*state);
		post(fd, cases[i].path, cases[i].length, cases[i].length);
		read_answer(fd, true, &answer);
		assert_int_equal(answer.status, cases[i].status);
		assert_true(str_starts_with(answer.body.data, cases[i].starts));
		assert_header(
			&answer, "Connection", cases[i].closes ? "close" : "keep-alive");
		release(&answer);
		if (cases[i].closes) {
			assert_true(is_closed_gently(fd));
		} else {
			send_text(fd, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
			read_answer(fd, true, &answer);
			assert_body(answer, "GET|/echo||0|");
			release(&answer);
		}
		close(fd);
	}
}

/* 413 comes before the body: the declared length is enough. */
static void
test_too_large_is_answered_unread(void **state)
{
	struct answer answer;
	int fd = dial(*state);
	post(fd, "/echo", ECHO_LIMIT + 1, 0);
	read_answer(fd, true, &answer);
	assert_int_equal(answer.status, 413);
	release(&answer);
	close(fd);
}

static void
test_expect_continue(void **state)
{
	struct answer answer;
	int fd = dial(*state);
	send_text(fd,
		"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\n"
		"Content-Length: 4\r\n\r\n");
	read_head(fd, &answer);
	assert_int_equal(answer.status, 100);
	send_text(fd, "body");
	read_answer(fd, true, &answer);
	assert_body(answer, "POST|/echo||4|body");
	release(&answer);

	/* A body that is not wanted is not asked for. */
	send_text(fd,
		"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
		"Content-Length: 4000\r\n\r\n");
	read_answer(fd, true, &answer);
	assert_int_equal(answer.status, 413);
	assert_true(is_closed(fd));
	release(&answer);
	close(fd);
}

static void
test_slow_body_meets_the_deadline(void **state)
{
	enum { TIMEOUT_MS = 200, DRIP_MS = 20 };
	(void)state;
	struct app *app = app_new(
		(struct http_params){ .threads = 2, .body_timeout_ms = TIMEOUT_MS });
	for (int drips = 0; drips <= 1; drips++) {
		struct answer answer;
		int64_t began = now_ms();
		int fd = dial(app);
		post(fd, "/echo", ECHO_LIMIT, 1);
		/* One byte at a time: never silent, never done. */
		struct pollfd pollfd = { .fd = fd, .events = POLLIN };
		while (poll(&pollfd, 1, drips != 0 ? DRIP_MS : DEADLINE_MS) == 0) {
			assert_true(now_ms() - began < DEADLINE_MS);
			(void)try_send(fd, "d", 1); /* it may have been cut meanwhile */
		}
		read_answer(fd, true, &answer);
		assert_int_equal(answer.status, 408);
		assert_true(now_ms() - began >= TIMEOUT_MS);
		/* all that it could have waited for instead is longer */
		assert_true(now_ms() - began < HTTP_HEAD_TIMEOUT_MS);
		assert_true(is_closed(fd));
		release(&answer);
		close(fd);
	}
	assert_int_equal(app_handled(app), 0);
	app_free(app);
}

static void
test_slow_reader_is_cut_off(void **state)
{
	enum { TIMEOUT_MS = 200, DRIP_MS = 20 };
	(void)state;
	char scrap[512];
	struct app *app = app_new(
		(struct http_params){ .threads = 1, .send_timeout_ms = TIMEOUT_MS });
	int slow = dial(app);
	send_text(slow, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");

	/* The only worker is busy with it until it is cut off. */
	struct answer answer;
	int64_t began = now_ms();
	int fd = dial(app);
	send_text(fd, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	while (poll(&pollfd, 1, DRIP_MS) == 0) {
		assert_true(now_ms() - began < DEADLINE_MS);
		assert_true(recv(slow, scrap, sizeof(scrap), MSG_DONTWAIT) != 0);
	}
	read_answer(fd, true, &answer);
	assert_int_equal(answer.status, 200);
	assert_true(now_ms() - began >= TIMEOUT_MS / 2);
	release(&answer);
	close(fd);
	close(slow);
	app_free(app);
}

static void
test_big_answer_arrives_whole(void **state)
{
	struct answer answer;
	int fd = dial(*state);
	send_text(fd, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
	read_answer(fd, true, &answer);
	assert_int_equal(answer.body.len, BIG_ANSWER);
	for (size_t i = 0; i < BIG_ANSWER; i++) {
		assert_true(answer.body.data[i] == 'b');
	}
	release(&answer);
	close(fd);
}

static void
test_head_and_204(void **state)
{
	struct answer answer;
	char text[256];
	int fd = dial(*state);
	send_text(fd,
		"HEAD /echo?h HTTP/1.1\r\nHost: x\r\n\r\n"
		"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
		"HEAD /missing HTTP/1.1\r\nHost: x\r\n\r\n"
		"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	read_answer(fd, false, &answer);
	assert_int_equal(answer.status, 200);
	assert_header(&answer, "Content-Length", "14"); /* of GET|/echo|h|0| */
	release(&answer);
	read_answer(fd, true, &answer);
	assert_int_equal(answer.status, 204);
	assert_null(answer_header(&answer, "Content-Length", text));
	assert_null(answer_header(&answer, "Content-Type", text));
	release(&answer);
	read_answer(fd, false, &answer);
	assert_int_equal(answer.status, 404);
	release(&answer);
	/* In step: nothing of a body stood in between. */
	read_answer(fd, true, &answer);
	assert_body(answer, "GET|/echo||0|");
	release(&answer);
	close(fd);
}

static void
test_secret_and_overridden_headers(void **state)
{
	struct answer answer;
	int fd = dial(*state);
	send_text(fd, "GET /secret HTTP/1.1\r\nHost: x\r\n\r\n");
	read_answer(fd, true, &answer);
	assert_body(answer, "SUAsecret");
	assert_header(&answer, "Content-Type", "text/plain");
	assert_header(&answer, "Cache-Control", "private");
	assert_null(strstr(answer.head, "no-store"));
	release(&answer);
	close(fd);
}

static void
test_broken_answers_become_500(void **state)
{
	static const char *const paths[] = { "/too-big-answer", "/bad-status" };
	for (size_t i = 0; i < 2; i++) {
		struct answer answer;
		char request[100];
		int fd = dial(*state);
		assert_int_equal(str_fmt(request, sizeof(request),
					 "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]),
			0);
		send_text(fd, request);
		read_answer(fd, true, &answer);
		assert_int_equal(answer.status, 500);
		assert_true(str_starts_with(answer.body.data, "refused: "));
		release(&answer);
		close(fd);
	}
}

/*
 * Blank lines alone, exactly as long as another client's first request: behind them in
 * the worker's buffer stands that client's pipelined second request, token and all,
 * unparsed.
 */
static void
test_no_request_of_another_client_comes_back(void **state)
{
	static const char first[] =
		"GET /echo?long-enough-to-hold-the-second-one-behind-it "
		"HTTP/1.1\r\nHost: x\r\nX-Pad: 0123456789\r\n\r\n";
	static const char second[] =
		"GET /echo HTTP/1.1\r\nHost: x\r\nX-Custom: token\r\n"
		"Connection: close\r\n\r\n";
	(void)state;
	struct answer answer;
	struct app *app = app_new((struct http_params){ .threads = 1 });
	assert_true(sizeof(second) <= sizeof(first));
	int fd = dial(app);
	char both[sizeof(first) + sizeof(second)];
	assert_int_equal(str_fmt(both, sizeof(both), "%s%s", first, second), 0);
	send_text(fd, both);
	read_answer(fd, true, &answer);
	release(&answer);
	read_answer(fd, true, &answer);
	assert_header(&answer, "X-Saw", "token");
	assert_true(is_closed(fd));
	release(&answer);
	close(fd);

	char blank[sizeof(first)];
	memset(blank, '\r', sizeof(blank));
	memcpy(blank + sizeof(first) - 1 - 4, "\r\n\r\n", 5);
	fd = dial(app);
	send_text(fd, blank);
	read_answer(fd, true, &answer);
	assert_int_equal(answer.status, 400);
	release(&answer);
	close(fd);

	/* The price: blank lines in front of a request are not forgiven. */
	fd = dial(app);
	send_text(fd, "\r\nGET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
	read_answer(fd, true, &answer);
	assert_int_equal(answer.status, 400);
	assert_int_equal(app_handled(app), 2);
	release(&answer);
	close(fd);
	app_free(app);
}

static void
test_port_taken(void **state)
{
	struct app *app = *state;
	struct http_server *second = NULL;
	struct err err = { 0 };
	char expected[100];
	struct http_params params = { .host = "127.0.0.1",
		.port = http_server_port(app->server),
		.body_limit = app_body_limit,
		.handle = app_handle,
		.refuse = app_refuse };
	assert_int_equal(http_server_start(&params, &second, &err), -1);
	assert_null(second);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(str_fmt(expected, sizeof(expected),
				 "cannot listen on 127.0.0.1:%d: address already in use",
				 (int)params.port),
		0);
	assert_string_equal(err.msg, expected);
	assert_non_null(strstr(err.detail, "cannot bind"));

	params.host = "localhost";
	assert_int_equal(http_server_start(&params, &second, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	params.host = "192.0.2.1"; /* TEST-NET-1: nobody's */
	assert_int_equal(http_server_start(&params, &second, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	http_server_stop(NULL);
}

/* Debian builds civetweb without IPv6 (1.15); then the error has to say so. */
static void
test_ipv6(void **state)
{
	(void)state;
	struct sockaddr_in6 address = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct app app = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct http_params params = { .host = "[0:0::1]",
		.threads = 1,
		.body_limit = app_body_limit,
		.handle = app_handle,
		.refuse = app_refuse,
		.ctx = &app };
	struct err err = { 0 };
	struct answer answer;
	if (http_server_start(&params, &app.server, &err) != 0) {
		assert_int_equal(err.code, ERR_UNAVAILABLE);
		assert_string_equal(err.msg,
			"cannot listen on [::1]:0: the civetweb of this system has no "
			"IPv6");
		return;
	}
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	address.sin6_port = htons(http_server_port(app.server));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	send_text(fd, "GET /echo HTTP/1.1\r\nHost: [::1]\r\n\r\n");
	read_answer(fd, true, &answer);
	assert_header(&answer, "X-Saw-Ip", "::1");
	release(&answer);
	close(fd);
	http_server_stop(app.server);
}

static void *
stop_server(void *ctx)
{
	struct app *app = ctx;
	http_server_stop(app->server);
	app->server = NULL;
	return NULL;
}

static void
test_stop_waits_for_requests(void **state)
{
	(void)state;
	struct answer answer;
	pthread_t stopper;
	struct app *app = app_new((struct http_params){ .threads = 4 });
	uint16_t port = http_server_port(app->server);
	int fd = dial(app);
	send_text(fd, "GET /gate HTTP/1.1\r\nHost: x\r\n\r\n");
	app_wait_inside(app, 1);
	assert_int_equal(pthread_create(&stopper, NULL, stop_server, app), 0);

	/* From some moment on, new requests are turned away. */
	int64_t began = now_ms();
	int status = 200;
	while (status == 200) {
		assert_true(now_ms() - began < DEADLINE_MS);
		int other = try_dial(port);
		assert_true(other >= 0);
		send_text(other,
			"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
		read_answer(other, true, &answer);
		status = answer.status;
		release(&answer);
		close(other);
	}
	assert_int_equal(status, 503);

	app_open_gate(app);
	read_answer(fd, true, &answer);
	assert_int_equal(answer.status, 200);
	assert_body(answer, "through");
	release(&answer);
	close(fd);
	pthread_join(stopper, NULL);
	assert_int_equal(try_dial(port), -1);
	app_free(app);
}

/* How long it took. */
static int64_t
stop_after_a_request(void)
{
	struct answer answer;
	struct app *app = app_new((struct http_params){ .threads = 4 });
	int fd = dial(app);
	send_text(fd, "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	read_answer(fd, true, &answer);
	assert_true(is_closed(fd));
	release(&answer);
	close(fd);
	int64_t began = now_ms();
	app_free(app);
	return now_ms() - began;
}

/* A server that is left to look up by itself does so every two seconds: all of them
 * together would take a minute. */
static void
test_stop_is_quick(void **state)
{
	enum { QUICK_MS = 1000, STOPS = 30 };
	(void)state;
	int64_t took = 0;
	for (int i = 0; i < STOPS; i++) {
		took += stop_after_a_request();
	}
	assert_true(took < STOPS * QUICK_MS);
}

static void *
client(void *ctx)
{
	enum { REQUESTS = 25 };
	static _Atomic unsigned next_name;
	unsigned name = next_name++;
	int fd = dial(ctx);
	for (int i = 0; i < REQUESTS; i++) {
		struct answer answer;
		char request[200];
		char expected[100];
		char body[64];
		assert_int_equal(str_fmt(body, sizeof(body), "body %u/%d", name, i), 0);
		assert_int_equal(str_fmt(request, sizeof(request),
					 "POST /echo?%u HTTP/1.1\r\nHost: x\r\n"
					 "Content-Length: %zu\r\n\r\n%s",
					 name, strlen(body), body),
			0);
		assert_int_equal(
			str_fmt(expected, sizeof(expected), "POST|/echo|%u|%zu|%s", name,
				strlen(body), body),
			0);
		send_text(fd, request);
		read_answer(fd, true, &answer);
		assert_body(answer, expected);
		char text[256];
		const char *connection = answer_header(&answer, "Connection", text);
		assert_non_null(connection);
		if (str_equal(connection, "close")) {
			close(fd);
			fd = dial(ctx);
		}
		release(&answer);
	}
	close(fd);
	return NULL;
}

static void
test_many_clients(void **state)
{
	enum { CLIENTS = 64 };
	pthread_t threads[CLIENTS];
	for (size_t i = 0; i < CLIENTS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, client, *state), 0);
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		pthread_join(threads[i], NULL);
	}
}

/* ---- tests of the pure parts
 * ------------------------------------------------------------ */

static void
test_path_decoding(void **state)
{
	static const struct {
		const char *raw;
		const char *path; /* NULL: refused */
	} cases[] = {
		{ "/", "/" },
		{ "/a/b", "/a/b" },
		{ "/a//b/", "/a//b/" },
		{ "/a%20b+c", "/a b+c" },
		{ "/%c3%A9", "/\xc3\xa9" },
		{ "/%25%32%66", "/%2f" }, /* decoded once */
		{ "/...", "/..." },
		{ "/.a/..b/c..", "/.a/..b/c.." },
		{ "", NULL },
		{ "a", NULL },
		{ "*", NULL },
		{ "http://x/", NULL },
		{ "/%", NULL },
		{ "/%4", NULL },
		{ "/%g0", NULL },
		{ "/%0g", NULL },
		{ "/%%41", NULL },
		{ "/%00", NULL },
		{ "/%2f", NULL },
		{ "/%5C", NULL },
		{ "/\\", NULL },
		{ "/%1f", NULL },
		{ "/%7F", NULL },
		{ "/%c3", NULL },
		{ "/%c0%af", NULL }, /* overlong slash */
		{ "/%ed%a0%80", NULL }, /* surrogate */
		{ "/.", NULL },
		{ "/..", NULL },
		{ "/a/./b", NULL },
		{ "/a/../b", NULL },
		{ "/a/.%2e", NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[HTTP_PATH_SIZE] = "";
		struct http_refusal why = http_head_path(cases[i].raw, path);
		if (cases[i].path == NULL) {
			if (why.status != 400) {
				fail_msg("%s was taken", cases[i].raw);
			}
			assert_non_null(why.message);
		} else {
			assert_int_equal(why.status, 0);
			assert_string_equal(path, cases[i].path);
		}
	}

	char raw[HTTP_PATH_SIZE + 1];
	char path[HTTP_PATH_SIZE];
	memset(raw, '/', sizeof(raw));
	raw[HTTP_PATH_SIZE] = '\0';
	assert_int_equal(http_head_path(raw, path).status, 414);
	raw[HTTP_PATH_SIZE - 1] = '\0';
	assert_int_equal(http_head_path(raw, path).status, 0);
}

static void
test_keep_alive_rules(void **state)
{
	static const struct {
		bool is_http11;
		const char *connection;
		const char *second;
		bool keep_alive;
	} cases[] = {
		{ true, NULL, NULL, true },
		{ true, "keep-alive", NULL, true },
		{ true, "Keep-Alive, TE", NULL, true },
		{ true, "close", NULL, false },
		{ true, "keep-alive, Close", NULL, false },
		{ true, "keep-alive", "close", false },
		{ true, "TE", "keep-alive", false },
		{ true, "upgrade", NULL, false },
		{ true, "closed, keep-alive", NULL, true },
		{ true, "", NULL, false },
		{ false, NULL, NULL, false },
		{ false, "keep-alive", NULL, true },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_header headers[3] = { { "Host", "x" },
			{ "connection", cases[i].connection },
			{ "Connection", cases[i].second } };
		struct http_framing framing;
		size_t n = cases[i].connection == NULL ? 1
			: cases[i].second == NULL      ? 2
						       : 3;
		struct http_refusal why =
			http_head_framing(headers, n, cases[i].is_http11, &framing);
		assert_int_equal(why.status, 0);
		assert_int_equal(framing.keep_alive, cases[i].keep_alive);
	}
	struct http_header upgrade[] = { { "Host", "x" }, { "Upgrade", "websocket" },
		{ "Connection", "keep-alive" } };
	struct http_framing framing;
	assert_int_equal(http_head_framing(upgrade, 3, true, &framing).status, 0);
	assert_false(framing.keep_alive);
}

static void
test_query_decoding(void **state)
{
	static const struct {
		const char *query;
		const char *name;
		int result;
		const char *value;
	} cases[] = {
		{ "", "a", 0, "" }, { "a=1", "a", 1, "1" }, { "a=1&a=2", "a", 1, "1" },
		{ "b=1&a=2", "a", 1, "2" }, { "a", "a", 1, "" }, { "a=", "a", 1, "" },
		{ "&&a=1", "a", 1, "1" }, { "aa=1&ab=2", "a", 0, "" },
		{ "a=1", "aa", 0, "" }, { "a=b=c", "a", 1, "b=c" },
		{ "a=b+c%20d%2Be", "a", 1, "b c d+e" }, { "a=%26%3D", "a", 1, "&=" },
		{ "%61%2b=x", "a+", 1, "x" }, { "a+b=x", "a b", 1, "x" },
		{ "filter=id%3D%22%C3%A9%22", "filter", 1, "id=\"\xc3\xa9\"" },
		{ "a=%0a", "a", 1, "\n" }, { "a=%2", "a", -1, "" },
		{ "a=%zz", "a", -1, "" }, { "a=%", "a", -1, "" },
		{ "a=x%00y", "a", -1, "" }, { "a%00=1", "a", -1, "" },
		{ "a%00b=1", "a", -1, "" }, { "a=%ff", "a", -1, "" },
		{ "a=%c3", "a", -1, "" }, { "%zz=1&a=2", "a", -1, "" },
		{ "b=%zz&a=2", "a", 1, "2" }, /* not asked for */
		{ "a=2&b=%zz", "a", 1, "2" }, { "a=%e2%82%ac", "a", 1, "\xe2\x82\xac" },
		{ "a=%&2", "a", -1, "" }, /* the escape does not reach over the end */
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_request req = { .query = cases[i].query };
		struct buf out;
		buf_init(&out, 100);
		buf_put_str(&out, ">");
		int result = http_request_query(&req, cases[i].name, &out);
		if (result != cases[i].result ||
			!str_equal(out.data + 1, cases[i].value)) {
			fail_msg("%s of %s: %d %s", cases[i].name, cases[i].query, result,
				out.data);
		}
		buf_release(&out);
	}
	/* A value that does not fit is the buffer's error. */
	struct http_request req = { .query = "a=12345" };
	struct buf out;
	struct err err = { 0 };
	buf_init(&out, 4);
	assert_int_equal(http_request_query(&req, "a", &out), 1);
	assert_int_equal(buf_finish(&out, &err), -1);
	buf_release(&out);
}

static void
test_response_headers(void **state)
{
	(void)state;
	struct http_response res;
	char name[100];
	char value[HTTP_RESPONSE_HEADER_SIZE + 1];
	http_response_init(&res);
	assert_int_equal(http_response_header(&res, "Location", "/a\r\nX-Evil: 1"), -1);
	assert_int_equal(http_response_header(&res, "Location", "/a\n"), -1);
	assert_int_equal(http_response_header(&res, "Location", "/a\x01"), -1);
	assert_int_equal(http_response_header(&res, "X\r\nY", "1"), -1);
	assert_int_equal(http_response_header(&res, "X: Y", "1"), -1);
	assert_int_equal(http_response_header(&res, "", "1"), -1);
	assert_int_equal(http_response_header(&res, "content-length", "1"), -1);
	assert_int_equal(http_response_header(&res, "Connection", "close"), -1);
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	assert_int_equal(http_response_header(&res, "X-Long", value), -1);
	assert_int_equal(res.header_count, 0);
	value[HTTP_RESPONSE_HEADER_SIZE - 1] = '\0';
	assert_int_equal(http_response_header(&res, "X-Long", value), 0);
	assert_int_equal(http_response_header(&res, "x-long", "short"), 0);
	assert_int_equal(res.header_count, 1);
	assert_string_equal(res.headers[0].value, "short");
	for (int i = 1; i < HTTP_RESPONSE_HEADERS_MAX; i++) {
		assert_int_equal(str_fmt(name, sizeof(name), "X-%d", i), 0);
		assert_int_equal(http_response_header(&res, name, "v"), 0);
	}
	assert_int_equal(http_response_header(&res, "X-One-More", "v"), -1);

	buf_put_str(&res.body, "begun in the open");
	http_response_make_secret(&res);
	assert_true(res.body.secret);
	assert_int_equal(res.body.len, 0);
	http_response_release(&res);
	assert_string_equal(http_status_text(413), "Content Too Large");
	assert_string_equal(http_status_text(299), "Unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_a_request),
		cmocka_unit_test(test_refuses_bad_heads),
		cmocka_unit_test(test_refuses_long_heads),
		cmocka_unit_test(test_connections_leave_workers_free),
		cmocka_unit_test(test_keep_alive_and_pipelining),
		cmocka_unit_test(test_body_limits),
		cmocka_unit_test(test_too_large_is_answered_unread),
		cmocka_unit_test(test_expect_continue),
		cmocka_unit_test(test_slow_body_meets_the_deadline),
		cmocka_unit_test(test_slow_reader_is_cut_off),
		cmocka_unit_test(test_big_answer_arrives_whole),
		cmocka_unit_test(test_head_and_204),
		cmocka_unit_test(test_secret_and_overridden_headers),
		cmocka_unit_test(test_broken_answers_become_500),
		cmocka_unit_test(test_no_request_of_another_client_comes_back),
		cmocka_unit_test(test_port_taken),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_stop_waits_for_requests),
		cmocka_unit_test(test_stop_is_quick),
		cmocka_unit_test(test_many_clients),
		cmocka_unit_test(test_path_decoding),
		cmocka_unit_test(test_keep_alive_rules),
		cmocka_unit_test(test_query_decoding),
		cmocka_unit_test(test_response_headers),
	};
	return cmocka_run_group_tests_name("http", tests, setup, teardown);
}
