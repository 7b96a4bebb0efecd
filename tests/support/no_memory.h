/* SPDX-License-Identifier: Apache-2.0
 * News that there is no memory for. */
#ifndef SUPPORT_NO_MEMORY_H
#define SUPPORT_NO_MEMORY_H

#include "bus/bus.h"

/* More than any machine has; its data is nowhere, and never read. */
struct bus_event
no_memory_event(enum bus_event_kind kind, uint64_t epoch, uint64_t request) MUST_CHECK;

#endif
