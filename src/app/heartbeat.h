/* SPDX-License-Identifier: Apache-2.0
 * Tells whether the database is the one that was served here last, or an older one in its
 * place: a beat is written into the database, and then into a file beside it, whenever
 * something was written, and each minute. */
#ifndef APP_HEARTBEAT_H
#define APP_HEARTBEAT_H

#include "app/data_dir.h"
#include "store/heartbeat.h"

#include <stdbool.h>

struct heartbeat;

enum heartbeat_history {
	HEARTBEAT_NEW, /* it was never served */
	HEARTBEAT_SAME,
	HEARTBEAT_RESTORED /* what happened since its last beat is not in it */
};

/* file: what the file says; NULL: there is none. */
enum heartbeat_history
heartbeat_judge(const struct store_heartbeat *database, const char *file) MUST_CHECK;

/* To be called before anything is served or published. In a database that was restored
 * it does what service/restored.h says, and logs a warning; then it beats. A beat that
 * fails is a warning in the log, here and later. `dir` is borrowed. */
int heartbeat_start(
	const struct data_dir *dir, struct heartbeat **out, struct err *err) MUST_CHECK;

/* Something was committed: for store_on_commit. */
void heartbeat_on_commit(struct heartbeat *heartbeat);

/* Beats where it is time to. For one thread, now and then. */
void heartbeat_look(struct heartbeat *heartbeat);

/* The last beat: what is done to a copy from now on is not what was done here. NULL is
 * allowed. Nothing else may write any more. */
void heartbeat_stop(struct heartbeat *heartbeat);

#endif
