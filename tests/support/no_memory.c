/* SPDX-License-Identifier: Apache-2.0 */
#include "support/no_memory.h"

/* Sanitizers end a program that asks for so much, unless told what the C library does. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *
__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

struct bus_event
no_memory_event(enum bus_event_kind kind, uint64_t epoch, uint64_t request)
{
	return (struct bus_event){
		.kind = kind,
		.epoch = epoch,
		.request = request,
		.subject = "",
		.len = SIZE_MAX / 2,
	};
}
