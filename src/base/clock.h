/* SPDX-License-Identifier: Apache-2.0
 * Time as an object, so that tests can turn the hands. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* wall: milliseconds since 1970 (UTC), may jump. mono: milliseconds, never goes back; for
 * timeouts. */
struct clock {
	int64_t (*wall)(void *ctx);
	int64_t (*mono)(void *ctx);
	void *ctx;
};

/* The system's clocks. */
extern const struct clock clock_system;

int64_t clock_wall_ms(const struct clock *clock);
int64_t clock_wall_s(const struct clock *clock);
int64_t clock_mono_ms(const struct clock *clock);

enum { CLOCK_TEXT_MAX = 32 };

/* "2026-11-20 21:54:28.441Z"; ms outside the years 1970-9999 gives "". */
void clock_format(int64_t ms, char out[static CLOCK_TEXT_MAX]);

/* Accepts that form, RFC 3339, and a date alone (midnight UTC); -1 on anything else. */
int clock_parse(const char *text, size_t len, int64_t *out_ms) MUST_CHECK;

#endif
