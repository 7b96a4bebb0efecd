/* SPDX-License-Identifier: Apache-2.0 */
#include "support/temp_signal.h"

#include "base/clock.h"

#include <time.h>

void
temp_signal_init(struct temp_signal *signal)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&signal->raised, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&signal->lock, NULL);
	signal->count = 0;
}

void
temp_signal_release(struct temp_signal *signal)
{
	pthread_cond_destroy(&signal->raised);
	pthread_mutex_destroy(&signal->lock);
}

void
temp_signal_raise(struct temp_signal *signal)
{
	pthread_mutex_lock(&signal->lock);
	signal->count++;
	pthread_cond_broadcast(&signal->raised);
	pthread_mutex_unlock(&signal->lock);
}

static uint64_t
count_of(struct temp_signal *signal)
{
	pthread_mutex_lock(&signal->lock);
	uint64_t count = signal->count;
	pthread_mutex_unlock(&signal->lock);
	return count;
}

bool
temp_signal_wait(struct temp_signal *signal, bool (*check)(void *ctx), void *ctx,
	int64_t deadline_ms)
{
	int64_t end = clock_mono_ms(&clock_system) + deadline_ms;
	struct timespec until = { .tv_sec = end / 1000, .tv_nsec = end % 1000 * 1000000 };
	for (int code = 0; code == 0;) {
		uint64_t seen = count_of(signal);
		if (check(ctx)) {
			return true;
		}
		pthread_mutex_lock(&signal->lock);
		while (code == 0 && signal->count == seen) {
			code = pthread_cond_timedwait(
				&signal->raised, &signal->lock, &until);
		}
		pthread_mutex_unlock(&signal->lock);
	}
	return check(ctx);
}
