/* SPDX-License-Identifier: Apache-2.0
 * Two ways to do something, run by turns in one process, and how often each was done. */
#ifndef BENCH_COMPARE_H
#define BENCH_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { COMPARE_TURNS = 11, COMPARE_TURN_MS = 200, COMPARE_BATCH = 50 };

/* Does it once; false when it failed. */
typedef bool (*compare_fn)(void *ctx);

static inline int
compare_order(const void *a, const void *b)
{
	double left = *(const double *)a;
	double right = *(const double *)b;
	return (left > right) - (left < right);
}

static inline double
compare_median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare_order);
	return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* How often fn runs in a second of this thread's processor time, which others on a shared
 * machine do not lengthen; over one turn. 0 when it failed. */
static inline double
compare_turn(compare_fn fn, void *ctx)
{
	int64_t count = 0;
	clock_t start = clock();
	clock_t now = start;
	while (now - start < (clock_t)COMPARE_TURN_MS * (CLOCKS_PER_SEC / 1000)) {
		for (int i = 0; i < COMPARE_BATCH; i++) {
			if (!fn(ctx)) {
				return 0;
			}
		}
		count += COMPARE_BATCH;
		now = clock();
	}
	return (double)count * CLOCKS_PER_SEC / (double)(now - start);
}

/* Prints "NAME MEASURED LIMIT", medians of the turns. The ratio of neighbours is what
 * counts on a machine that is shared, so each turn of one is followed by one of the
 * other. */
static inline int
compare_run(const char *name, compare_fn ours, compare_fn limit, void *ctx)
{
	double our_rates[COMPARE_TURNS];
	double limit_rates[COMPARE_TURNS];
	if (compare_turn(ours, ctx) == 0 || compare_turn(limit, ctx) == 0) {
		fprintf(stderr, "%s failed\n", name);
		return -1;
	}
	for (int i = 0; i < COMPARE_TURNS; i++) {
		our_rates[i] = compare_turn(ours, ctx);
		limit_rates[i] = compare_turn(limit, ctx);
	}
	printf("%s %.0f %.0f\n", name, compare_median(our_rates, COMPARE_TURNS),
		compare_median(limit_rates, COMPARE_TURNS));
	return 0;
}

#endif
