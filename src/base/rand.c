/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rand.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

void
rand_bytes(void *out, size_t len)
{
	unsigned char *p = out;
	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			/* No caller can go on without randomness: keys would be
			 * guessable. */
			abort();
		}
		p += n;
		len -= (size_t)n;
	}
}

uint32_t
rand_below(uint32_t bound)
{
	/* Draws below the largest multiple of bound, so that no value is favoured. */
	uint32_t limit = UINT32_MAX - UINT32_MAX % bound;
	uint32_t value = 0;
	do {
		rand_bytes(&value, sizeof(value));
	} while (value >= limit);
	return value % bound;
}

static void
base36(uint64_t value, char *out, size_t digits)
{
	static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	for (size_t i = digits; i > 0; i--) {
		out[i - 1] = alphabet[value % 36];
		value /= 36;
	}
}

void
rand_id(const struct clock *clock, char out[static RAND_ID_SIZE])
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static uint64_t last_tick;
	enum { COUNTER_RANGE = 36 * 36 };

	/* One number orders all: milliseconds, then the counter; a full counter borrows
	 * the next millisecond rather than going back. */
	uint64_t tick = (uint64_t)clock_wall_ms(clock) * COUNTER_RANGE;
	pthread_mutex_lock(&lock);
	if (tick <= last_tick) {
		tick = last_tick + 1;
	}
	last_tick = tick;
	pthread_mutex_unlock(&lock);

	base36(tick / COUNTER_RANGE, out, 8);
	base36(tick % COUNTER_RANGE, out + 8, 2);
	base36(rand_below(36 * 36 * 36 * 36 * 36), out + 10, 5);
	out[RAND_ID_LEN] = '\0';
}

void
rand_alnum(char *out, size_t n)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	for (size_t i = 0; i < n; i++) {
		out[i] = alphabet[rand_below(sizeof(alphabet) - 1)];
	}
	out[n] = '\0';
}
