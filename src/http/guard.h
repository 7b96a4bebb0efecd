/* SPDX-License-Identifier: Apache-2.0
 * Cuts off connections whose body or answer takes too long, however little by little. */
#ifndef HTTP_GUARD_H
#define HTTP_GUARD_H

#include "base/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/*
 * civetweb's timeout counts silence only: a client that sends or takes one byte now and
 * then holds its worker for ever, and civetweb does not give its socket away. So a worker
 * registers what it is about to do, and a thread of our own shuts the socket down when
 * that is late. The socket is searched for only then, by its two ends: while the worker
 * is registered, it is open and unique.
 */

enum http_guard_cut { HTTP_GUARD_CUT_READ, HTTP_GUARD_CUT_ALL };

/* One operation; on the worker's stack. */
struct http_guard_watch {
	const char *remote_ip; /* borrowed, in numbers */
	uint16_t remote_port;
	uint16_t local_port;
	enum http_guard_cut cut;
	int64_t deadline; /* monotonic milliseconds */
	/* Private. */
	bool was_cut;
	LIST_ENTRY(http_guard_watch) link;
};

struct http_guard {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake; /* waits on the monotonic clock */
	LIST_HEAD(http_guard_list, http_guard_watch) watches;
	int64_t next; /* when the thread wakes by itself; INT64_MAX: never */
	int64_t latest; /* no deadline is later than this */
	bool stopping;
};

/* Starts the thread; http_guard_release ends it. ERR_UNAVAILABLE when there is no
 * thread. */
int http_guard_init(struct http_guard *guard, struct err *err) MUST_CHECK;

/* No watch may be left. */
void http_guard_release(struct http_guard *guard);

/* Between the two calls the connection must stay open. Leave says whether it was cut. */
void http_guard_enter(struct http_guard *guard, struct http_guard_watch *watch);
bool http_guard_leave(struct http_guard *guard, struct http_guard_watch *watch);

/* Whatever is registered, or will be, is late after this (monotonic milliseconds). */
void http_guard_hasten(struct http_guard *guard, int64_t latest);

/* Shuts the socket that listens there (ip in numbers) down, so that whoever polls it
 * wakes. */
void http_guard_shut_listener(const char *ip, uint16_t port);

#endif
