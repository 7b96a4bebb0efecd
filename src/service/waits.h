/* SPDX-License-Identifier: Apache-2.0
 * Waiting for commits: woken by each, bounded in number and time. */
#ifndef SERVICE_WAITS_H
#define SERVICE_WAITS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct waits;

int waits_new(struct waits **out, struct err *err) MUST_CHECK;
void waits_free(struct waits *waits);

/* False when SERVICE_WAITING_MAX wait already. */
bool waits_enter(struct waits *waits) MUST_CHECK;
void waits_leave(struct waits *waits);

/* How many commits there were: read before a look at what they brought. */
uint64_t waits_commits(struct waits *waits);

/* Until there were more commits than `seen`, but not before `not_before` (monotonic ms).
 * False: the deadline is over, or nobody is to wait any more. */
bool waits_sleep(struct waits *waits, uint64_t seen, int64_t not_before,
	int64_t deadline) MUST_CHECK;

/* Something was committed. */
void waits_wake(struct waits *waits);

/* Nobody waits from now on. */
void waits_stop(struct waits *waits);
bool waits_stopped(struct waits *waits);

#endif
