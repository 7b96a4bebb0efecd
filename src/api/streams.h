/* SPDX-License-Identifier: Apache-2.0
 * An account that is to be deleted: it has no streams, or ?force=1 says that it does not
 * matter. */
#ifndef API_STREAMS_H
#define API_STREAMS_H

#include "api/call.h"
#include "model/collection.h"

/* ERR_CONFLICT names the streams, or says why it is not known whether there are any.
 * Waits for the servers where the account may have some. */
int api_streams_check(const struct api_call *call, const struct collection *collection,
	struct err *err) MUST_CHECK;

#endif
