/* SPDX-License-Identifier: Apache-2.0 */
#include "http/guard.h"

#include "base/clock.h"
#include "base/str.h"

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { GUARD_FD_MAX = 65536 };

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage storage;
};

static uint16_t
port_of(const union address *address)
{
	if (address->any.sa_family == AF_INET) {
		return ntohs(address->in.sin_port);
	}
	return address->any.sa_family == AF_INET6 ? ntohs(address->in6.sin6_port) : 0;
}

/* ip NULL: any. */
static bool
is_address(const union address *address, socklen_t len, const char *ip, uint16_t port)
{
	char text[64];
	return port_of(address) == port &&
		(ip == NULL ||
			(getnameinfo(&address->any, len, text, sizeof(text), NULL, 0,
				 NI_NUMERICHOST) == 0 &&
				str_equal(text, ip)));
}

static bool
local_end_is(int fd, const char *ip, uint16_t port)
{
	union address local = { .storage = { 0 } };
	socklen_t len = sizeof(local);
	return getsockname(fd, &local.any, &len) == 0 &&
		is_address(&local, len, ip, port);
}

static bool
is_connection(int fd, const struct http_guard_watch *watch)
{
	union address peer = { .storage = { 0 } };
	socklen_t len = sizeof(peer);
	return getpeername(fd, &peer.any, &len) == 0 &&
		is_address(&peer, len, watch->remote_ip, watch->remote_port) &&
		local_end_is(fd, NULL, watch->local_port);
}

static int
fd_end(void)
{
	long max = sysconf(_SC_OPEN_MAX);
	return max < 0 || max > GUARD_FD_MAX ? GUARD_FD_MAX : (int)max;
}

static void
cut(struct http_guard_watch *watch)
{
	watch->was_cut = true;
	for (int fd = 0; fd < fd_end(); fd++) {
		if (is_connection(fd, watch)) {
			/* It can only fail when the peer was faster. */
			(void)shutdown(fd,
				watch->cut == HTTP_GUARD_CUT_READ ? SHUT_RD : SHUT_RDWR);
			return;
		}
	}
}

void
http_guard_shut_listener(const char *ip, uint16_t port)
{
	for (int fd = 0; fd < fd_end(); fd++) {
		int listens = 0;
		socklen_t len = sizeof(listens);
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 &&
			listens != 0 && local_end_is(fd, ip, port)) {
			/* Only a faster stop is lost when it fails. */
			(void)shutdown(fd, SHUT_RD);
		}
	}
}

static int64_t
deadline_locked(const struct http_guard *guard, const struct http_guard_watch *watch)
{
	return watch->deadline < guard->latest ? watch->deadline : guard->latest;
}

/* Cuts all that are late; returns the next deadline. */
static int64_t
cut_late_locked(struct http_guard *guard, int64_t now)
{
	int64_t next = INT64_MAX;
	struct http_guard_watch *watch = NULL;
	LIST_FOREACH(watch, &guard->watches, link)
	{
		if (watch->was_cut) {
			continue;
		}
		int64_t deadline = deadline_locked(guard, watch);
		if (deadline <= now) {
			cut(watch);
		} else if (deadline < next) {
			next = deadline;
		}
	}
	return next;
}

static void *
run(void *ctx)
{
	struct http_guard *guard = ctx;
	pthread_mutex_lock(&guard->lock);
	while (!guard->stopping) {
		guard->next = cut_late_locked(guard, clock_mono_ms(&clock_system));
		if (guard->next == INT64_MAX) {
			pthread_cond_wait(&guard->wake, &guard->lock);
			continue;
		}
		struct timespec until = {
			.tv_sec = (time_t)(guard->next / 1000),
			.tv_nsec = (long)(guard->next % 1000) * 1000000,
		};
		/* Woken, late or for nothing: the loop looks for itself. */
		(void)pthread_cond_timedwait(&guard->wake, &guard->lock, &until);
	}
	pthread_mutex_unlock(&guard->lock);
	return NULL;
}

int
http_guard_init(struct http_guard *guard, struct err *err)
{
	pthread_condattr_t attr;
	*guard = (struct http_guard){ .next = INT64_MAX, .latest = INT64_MAX };
	LIST_INIT(&guard->watches);
	/* These fail only on arguments that are wrong. */
	pthread_mutex_init(&guard->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&guard->wake, &attr);
	pthread_condattr_destroy(&attr);
	int rc = pthread_create(&guard->thread, NULL, run, guard);
	if (rc != 0) {
		pthread_cond_destroy(&guard->wake);
		pthread_mutex_destroy(&guard->lock);
		err_set(err, ERR_UNAVAILABLE, "cannot start the HTTP server");
		return err_detail(err, "pthread_create: error %d", rc);
	}
	return 0;
}

void
http_guard_release(struct http_guard *guard)
{
	pthread_mutex_lock(&guard->lock);
	guard->stopping = true;
	pthread_cond_signal(&guard->wake);
	pthread_mutex_unlock(&guard->lock);
	pthread_join(guard->thread, NULL);
	pthread_cond_destroy(&guard->wake);
	pthread_mutex_destroy(&guard->lock);
}

void
http_guard_enter(struct http_guard *guard, struct http_guard_watch *watch)
{
	watch->was_cut = false;
	pthread_mutex_lock(&guard->lock);
	LIST_INSERT_HEAD(&guard->watches, watch, link);
	int64_t deadline = deadline_locked(guard, watch);
	if (deadline < guard->next) {
		/* Deadlines mostly grow: this wakes the thread once in a while, not for
		 * each. */
		guard->next = deadline;
		pthread_cond_signal(&guard->wake);
	}
	pthread_mutex_unlock(&guard->lock);
}

bool
http_guard_leave(struct http_guard *guard, struct http_guard_watch *watch)
{
	pthread_mutex_lock(&guard->lock);
	LIST_REMOVE(watch, link);
	pthread_mutex_unlock(&guard->lock);
	return watch->was_cut;
}

void
http_guard_hasten(struct http_guard *guard, int64_t latest)
{
	pthread_mutex_lock(&guard->lock);
	guard->latest = latest;
	pthread_cond_signal(&guard->wake);
	pthread_mutex_unlock(&guard->lock);
}
