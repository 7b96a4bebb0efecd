/* SPDX-License-Identifier: Apache-2.0
 * Bounds on guessing: failed logins by address, and how many password hashes run at
 * once. */
#ifndef SERVICE_THROTTLE_H
#define SERVICE_THROTTLE_H

#include "base/clock.h"
#include "base/err.h"

enum { THROTTLE_FAILURES = 10, THROTTLE_WINDOW_MS = 60 * 1000 };

/* A table of fixed size: spraying from many addresses takes no memory; the one that
 * failed longest ago makes room. Thread-safe. */
struct throttle;
int throttle_new(
	const struct clock *clock, struct throttle **out, struct err *err) MUST_CHECK;
void throttle_free(struct throttle *throttle);

/* Counts an attempt from the address as failed before it is made, so that parallel
 * guesses cannot pass the bound together; throttle_succeeded takes it back. ERR_LIMITED
 * at THROTTLE_FAILURES within THROTTLE_WINDOW_MS. */
int throttle_enter(
	struct throttle *throttle, const char *address, struct err *err) MUST_CHECK;
void throttle_succeeded(struct throttle *throttle, const char *address);

/* As many hashes at once as there are cores, 64 MiB each; a bounded number waits. */
struct hashing;
int hashing_new(struct hashing **out, struct err *err) MUST_CHECK;
void hashing_free(struct hashing *hashing);
int hashing_enter(struct hashing *hashing, struct err *err) MUST_CHECK; /* ERR_BUSY */
void hashing_leave(struct hashing *hashing);

#endif
