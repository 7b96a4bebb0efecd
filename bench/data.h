/* SPDX-License-Identifier: Apache-2.0
 * What programs that open a data directory have in common. */
#ifndef BENCH_DATA_H
#define BENCH_DATA_H

#include "app/data_dir.h"

#include <sodium.h>
#include <stdio.h>
#include <time.h>

static inline int
bench_failed(const char *program, const struct err *err)
{
	fprintf(stderr, "%s: %s (%s)\n", program, err->msg, err->detail);
	return 1;
}

/* `alone`: nobody else may serve it. */
static inline int
bench_data_open(const char *path, bool alone, struct data_dir *out, struct err *err)
{
	struct data_dir_params params = { .path = path, .lock = alone };
	if (sodium_init() < 0) {
		return err_set(err, ERR_INTERNAL, "no libsodium");
	}
	return data_dir_open(&params, out, err);
}

/* Seconds on the monotonic clock. */
static inline double
bench_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Seconds of this process's processor time. */
static inline double
bench_cpu(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

#endif
