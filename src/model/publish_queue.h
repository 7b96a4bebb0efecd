/* SPDX-License-Identifier: Apache-2.0
 * The publish queue: one record for each account that some server is not known to hold as
 * it is wanted. A view: what changes it is the publisher's work. */
#ifndef MODEL_PUBLISH_QUEUE_H
#define MODEL_PUBLISH_QUEUE_H

#include "model/collection.h"

/* All that the fields need is read by name; nobody writes a row. */
struct publish_queue_item {
	struct record_head head; /* id and times are the account's */
};

extern const struct collection publish_queue_collection;

#endif
