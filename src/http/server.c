/* SPDX-License-Identifier: Apache-2.0 */
#include "http/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "http/exchange.h"
#include "http/guard.h"

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
#include <unistd.h>

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

/* ---- requests --------------------------------------------------------------- */

static void
begin(struct http_server *server, struct exchange *x, struct mg_connection *conn)
{
	exchange_init(
		x, conn, &server->params, &server->guard, has_spare_workers(server));
}

static int
on_request(struct mg_connection *conn)
{
	struct exchange x;
	struct http_server *server = server_of(conn);
	begin(server, &x, conn);

	pthread_mutex_lock(&server->lock);
	bool stopping = server->stopping;
	server->active += stopping ? 0 : 1;
	pthread_mutex_unlock(&server->lock);
	if (stopping) {
		exchange_refuse(&x, (struct http_refusal){ 503, "shutting down" });
		return 503;
	}

	exchange_serve(&x);

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
	begin(server_of(conn), &x, conn);
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
	exchange_refuse(&x, why);
	return 0;
}

static int
on_message(const struct mg_connection *conn, const char *message)
{
	struct http_server *server = server_of(conn);
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
