/* SPDX-License-Identifier: Apache-2.0 */
#include "service/waits.h"

#include "base/clock.h"
#include "service/touched.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct waits {
	pthread_mutex_t lock;
	pthread_cond_t committed; /* both on the monotonic clock */
	pthread_cond_t stop;
	uint64_t commits;
	unsigned waiting;
	bool stopped;
};

static int
init_cond(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	if (pthread_condattr_init(&attr) != 0) {
		return -1;
	}
	int rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0 ||
			pthread_cond_init(cond, &attr) != 0
		? -1
		: 0;
	pthread_condattr_destroy(&attr);
	return rc;
}

int
waits_new(struct waits **out, struct err *err)
{
	struct waits *waits = calloc(1, sizeof(*waits));
	if (waits == NULL) {
		return err_nomem(err);
	}
	if (init_cond(&waits->committed) != 0) {
		free(waits);
		return err_nomem(err);
	}
	if (init_cond(&waits->stop) != 0) {
		pthread_cond_destroy(&waits->committed);
		free(waits);
		return err_nomem(err);
	}
	pthread_mutex_init(&waits->lock, NULL);
	*out = waits;
	return 0;
}

void
waits_free(struct waits *waits)
{
	if (waits != NULL) {
		pthread_cond_destroy(&waits->committed);
		pthread_cond_destroy(&waits->stop);
		pthread_mutex_destroy(&waits->lock);
		free(waits);
	}
}

bool
waits_enter(struct waits *waits)
{
	pthread_mutex_lock(&waits->lock);
	bool room = waits->waiting < SERVICE_WAITING_MAX;
	waits->waiting += room ? 1 : 0;
	pthread_mutex_unlock(&waits->lock);
	return room;
}

void
waits_leave(struct waits *waits)
{
	pthread_mutex_lock(&waits->lock);
	waits->waiting--;
	pthread_mutex_unlock(&waits->lock);
}

uint64_t
waits_commits(struct waits *waits)
{
	pthread_mutex_lock(&waits->lock);
	uint64_t commits = waits->commits;
	pthread_mutex_unlock(&waits->lock);
	return commits;
}

static bool
sleep_locked(struct waits *waits, pthread_cond_t *cond, int64_t until)
{
	struct timespec at = { .tv_sec = (time_t)(until / 1000),
		.tv_nsec = (long)(until % 1000) * 1000000 };
	return pthread_cond_timedwait(cond, &waits->lock, &at) == 0;
}

bool
waits_sleep(struct waits *waits, uint64_t seen, int64_t not_before, int64_t deadline)
{
	bool in_time = clock_mono_ms(&clock_system) < deadline;
	pthread_mutex_lock(&waits->lock);
	while (in_time && !waits->stopped && waits->commits == seen) {
		in_time = sleep_locked(waits, &waits->committed, deadline);
	}
	/* Many commits a second are looked at together. */
	int64_t rest = not_before < deadline ? not_before : deadline;
	while (in_time && !waits->stopped && clock_mono_ms(&clock_system) < rest) {
		(void)sleep_locked(waits, &waits->stop, rest); /* the clock tells */
	}
	bool go_on = in_time && !waits->stopped;
	pthread_mutex_unlock(&waits->lock);
	return go_on;
}

void
waits_wake(struct waits *waits)
{
	pthread_mutex_lock(&waits->lock);
	waits->commits++;
	bool heard = waits->waiting > 0;
	pthread_mutex_unlock(&waits->lock);
	if (heard) {
		pthread_cond_broadcast(&waits->committed);
	}
}

void
waits_stop(struct waits *waits)
{
	pthread_mutex_lock(&waits->lock);
	waits->stopped = true;
	pthread_mutex_unlock(&waits->lock);
	pthread_cond_broadcast(&waits->committed);
	pthread_cond_broadcast(&waits->stop);
}

bool
waits_stopped(struct waits *waits)
{
	pthread_mutex_lock(&waits->lock);
	bool stopped = waits->stopped;
	pthread_mutex_unlock(&waits->lock);
	return stopped;
}
