/* SPDX-License-Identifier: Apache-2.0
 * "Prefer: wait=N" (RFC 7240): a write is answered when the servers hold it. */
#ifndef API_PREFER_H
#define API_PREFER_H

#include "api/call.h"

enum { API_PREFER_WAIT_MAX = 60 };

/* The seconds that the request prefers to wait, API_PREFER_WAIT_MAX at most: it says only
 * what it likes, and the answer how long it was. False when it does not prefer to wait,
 * or not in these words: a preference that is not understood is none. */
bool api_prefer_read(const struct http_request *req, int64_t *out_seconds) MUST_CHECK;

/* Before the handler: notes what the call is about to change. */
void api_prefer_begin(struct api_call *call);

/* After the change and before it is shown: waits, once, and says in the headers of the
 * answer what came of it. */
void api_prefer_wait(struct api_call *call);

#endif
