/* SPDX-License-Identifier: Apache-2.0
 * Load on a server of this host: keep-alive connections that each ask again as soon as
 * they are answered.
 *
 *   load PORT CONNECTIONS SECONDS METHOD TOKEN BODY [PATH...]
 *
 * Connection i asks for PATH number i (they go round). Ten zeros in BODY count the
 * requests, so that no two bodies are equal. Prints answers a second; any that is not 200
 * ends it. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREADS_MAX = 2, CONNECTIONS_MAX = 512, ANSWER_MAX = 64 * 1024 };

static const char counter_text[] = "0000000000";

struct connection {
	int fd;
	struct buf request;
	char *counter; /* in request; NULL: none */
	int64_t sent;
	char answer[ANSWER_MAX];
	size_t got;
};

struct worker {
	pthread_t thread;
	struct connection **connections;
	size_t count;
	int64_t end; /* monotonic ms */
	int64_t answers;
	const char *failure;
};

static int
dial(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
		connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
		return -1;
	}
	return fd;
}

static bool
ask(struct connection *c)
{
	int64_t number = c->sent++;
	for (size_t i = strlen(counter_text); c->counter != NULL && i-- > 0;) {
		c->counter[i] = (char)('0' + number % 10);
		number /= 10;
	}
	c->got = 0;
	return send(c->fd, c->request.data, c->request.len, MSG_NOSIGNAL) ==
		(ssize_t)c->request.len;
}

/* The length of a whole answer that is there; 0: more is to come; -1: not a good one. */
static ssize_t
answer_len(struct connection *c)
{
	static const char name[] = "\r\nContent-Length: ";
	int64_t body = 0;
	c->answer[c->got] = '\0';
	const char *end = strstr(c->answer, "\r\n\r\n");
	if (end == NULL) {
		return 0;
	}
	const char *length = strstr(c->answer, name);
	if (strncmp(c->answer, "HTTP/1.1 200", 12) != 0 || length == NULL ||
		length > end) {
		return -1;
	}
	for (const char *p = length + strlen(name); *p >= '0' && *p <= '9'; p++) {
		body = body * 10 + (*p - '0');
	}
	size_t whole = (size_t)(end + 4 - c->answer) + (size_t)body;
	return c->got >= whole ? (ssize_t)whole : 0;
}

/* Takes what came; asks again after a whole answer. */
static const char *
advance(struct worker *w, struct connection *c)
{
	ssize_t n = recv(c->fd, c->answer + c->got, sizeof(c->answer) - 1 - c->got, 0);
	if (n <= 0) {
		return n == 0 ? "the server closed a connection" : strerror(errno);
	}
	c->got += (size_t)n;
	ssize_t len = answer_len(c);
	if (len < 0) {
		fprintf(stderr, "%.400s\n", c->answer);
		return "an answer was not 200 with a length";
	}
	if (len > 0) {
		w->answers++;
		return ask(c) ? NULL : "a request could not be sent";
	}
	return c->got + 1 < sizeof(c->answer) ? NULL : "an answer is too long";
}

static void *
work(void *ctx)
{
	struct worker *w = ctx;
	struct epoll_event events[64];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < w->count; i++) {
		struct epoll_event event = { .events = EPOLLIN,
			.data = { .ptr = w->connections[i] } };
		if (epoll < 0 ||
			epoll_ctl(epoll, EPOLL_CTL_ADD, w->connections[i]->fd, &event) !=
				0 ||
			!ask(w->connections[i])) {
			w->failure = "cannot start";
			return NULL;
		}
	}
	while (w->failure == NULL && clock_mono_ms(&clock_system) < w->end) {
		int n = epoll_wait(epoll, events, 64, 100);
		for (int i = 0; i < n && w->failure == NULL; i++) {
			w->failure = advance(w, events[i].data.ptr);
		}
	}
	close(epoll);
	return NULL;
}

/* argv: METHOD TOKEN BODY PATH... */
static int
make_request(struct connection *c, char *const *argv, const char *path, struct err *err)
{
	const char *body = argv[2];
	buf_init(&c->request, 64 * 1024);
	buf_put_str(&c->request, argv[0]);
	buf_put_str(&c->request, " ");
	buf_put_str(&c->request, path);
	buf_put_str(&c->request, " HTTP/1.1\r\nHost: 127.0.0.1\r\n");
	if (argv[1][0] != '\0') {
		buf_put_str(&c->request, "Authorization: ");
		buf_put_str(&c->request, argv[1]);
		buf_put_str(&c->request, "\r\n");
	}
	if (body[0] != '\0') {
		buf_put_str(&c->request,
			"Content-Type: application/json\r\nContent-Length: ");
		buf_put_int(&c->request, (int64_t)strlen(body));
		buf_put_str(&c->request, "\r\n");
	}
	buf_put_str(&c->request, "\r\n");
	buf_put_str(&c->request, body);
	if (buf_finish(&c->request, err) != 0) {
		return -1;
	}
	c->counter = body[0] != '\0' ? strstr(c->request.data, counter_text) : NULL;
	/* Bodies of one run differ from those of the run before it, too. */
	c->sent = clock_wall_ms(&clock_system) % 100000 * 100000;
	return 0;
}

static int
fail(const char *what)
{
	fprintf(stderr, "load: %s\n", what);
	return 1;
}

int
main(int argc, char **argv)
{
	static struct connection *connections[CONNECTIONS_MAX];
	struct worker workers[THREADS_MAX] = { 0 };
	struct err err = { 0 };
	int64_t port = 0;
	int64_t count = 0;
	int64_t seconds = 0;
	if (argc < 8 || str_to_int(argv[1], 1, UINT16_MAX, &port) != 0 ||
		str_to_int(argv[2], 1, CONNECTIONS_MAX, &count) != 0 ||
		str_to_int(argv[3], 1, 60, &seconds) != 0) {
		return fail("PORT CONNECTIONS SECONDS METHOD TOKEN BODY PATH...");
	}
	for (int64_t i = 0; i < count; i++) {
		connections[i] = calloc(1, sizeof(*connections[i]));
		if (connections[i] == NULL ||
			make_request(connections[i], argv + 4, argv[7 + i % (argc - 7)],
				&err) != 0) {
			return fail("out of memory");
		}
		connections[i]->fd = dial((uint16_t)port);
		if (connections[i]->fd < 0) {
			return fail(strerror(errno));
		}
	}
	size_t threads = count < THREADS_MAX ? (size_t)count : THREADS_MAX;
	size_t share = (size_t)count / threads;
	int64_t start = clock_mono_ms(&clock_system);
	for (size_t i = 0; i < threads; i++) {
		workers[i].connections = connections + i * share;
		workers[i].count = i + 1 < threads ? share : (size_t)count - i * share;
		workers[i].end = start + seconds * 1000;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
			return fail("no thread");
		}
	}
	int64_t answers = 0;
	const char *failure = NULL;
	for (size_t i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		answers += workers[i].answers;
		failure = workers[i].failure != NULL ? workers[i].failure : failure;
	}
	double took = (double)(clock_mono_ms(&clock_system) - start) / 1000;
	for (int64_t i = 0; i < count; i++) {
		close(connections[i]->fd);
		buf_release(&connections[i]->request);
		free(connections[i]);
	}
	if (failure != NULL) {
		return fail(failure);
	}
	printf("%.0f\n", (double)answers / took);
	return 0;
}
