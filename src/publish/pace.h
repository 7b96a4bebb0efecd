/* SPDX-License-Identifier: Apache-2.0
 * Lets things go at a rate: as many as a second has at once after a rest, then one by
 * one. */
#ifndef PUBLISH_PACE_H
#define PUBLISH_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	int64_t rate; /* a second, at least 1 */
	int64_t credit; /* in thousandths, so that a millisecond adds a whole number */
	int64_t counted_at; /* monotonic ms up to which the credit is counted */
};

/* May the next one go now? */
bool pace_take(struct pace *pace, int64_t now);

/* When the next one may go. */
int64_t pace_due(const struct pace *pace);

#endif
