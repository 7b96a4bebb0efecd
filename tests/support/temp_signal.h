/* SPDX-License-Identifier: Apache-2.0
 * Waiting for what other threads do: they raise the signal, the test looks again. */
#ifndef SUPPORT_TEMP_SIGNAL_H
#define SUPPORT_TEMP_SIGNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct temp_signal {
	pthread_mutex_t lock;
	pthread_cond_t raised; /* on the monotonic clock */
	uint64_t count;
};

void temp_signal_init(struct temp_signal *signal);
void temp_signal_release(struct temp_signal *signal);

/* From any thread: something that a test may wait for has happened. */
void temp_signal_raise(struct temp_signal *signal);

/* Until check(ctx) is true, which is asked at once and after each raise, with no lock
 * held. False when that was not so within deadline_ms. */
bool temp_signal_wait(struct temp_signal *signal, bool (*check)(void *ctx), void *ctx,
	int64_t deadline_ms);

#endif
