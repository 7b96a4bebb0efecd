/* SPDX-License-Identifier: Apache-2.0 */
#include "support/job_order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

void
job_order_assert(const struct job_list *list, const int64_t *accounts, size_t len)
{
	size_t i = 0;
	const struct job *job = NULL;
	TAILQ_FOREACH(job, list, link)
	{
		if (i < len) {
			assert_int_equal(job->account, accounts[i]);
		}
		i++;
	}
	assert_int_equal(i, len);
}
