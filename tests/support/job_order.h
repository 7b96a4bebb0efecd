/* SPDX-License-Identifier: Apache-2.0
 * The order in which jobs wait. */
#ifndef SUPPORT_JOB_ORDER_H
#define SUPPORT_JOB_ORDER_H

#include "publish/jobs.h"

#include <stddef.h>
#include <stdint.h>

void job_order_assert(const struct job_list *list, const int64_t *accounts, size_t len);

/* The list has these accounts, in this order. */
#define ASSERT_ORDER(list, ...) \
	job_order_assert((list), (const int64_t[]){ __VA_ARGS__ }, \
		sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))

#endif
