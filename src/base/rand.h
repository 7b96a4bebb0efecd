/* SPDX-License-Identifier: Apache-2.0
 * Randomness from the kernel, and record ids. */
#ifndef BASE_RAND_H
#define BASE_RAND_H

#include "base/clock.h"

#include <stddef.h>
#include <stdint.h>

/* Cryptographic randomness; blocks only before the kernel's pool is seeded. Cannot fail:
 * a kernel without getrandom ends the process. */
void rand_bytes(void *out, size_t len);

/* Uniform in [0, bound), bound > 0. */
uint32_t rand_below(uint32_t bound);

enum { RAND_ID_LEN = 15, RAND_ID_SIZE = RAND_ID_LEN + 1 };

/* A record id: 15 characters [a-z0-9], in order of time: 8 base36 digits of milliseconds,
 * 2 of a counter, 5 random. Ids of one process never go back, also when the clock does.
 * Thread-safe. */
void rand_id(const struct clock *clock, char out[static RAND_ID_SIZE]);

/* n characters of [A-Za-z0-9] plus NUL. */
void rand_alnum(char *out, size_t n);

#endif
