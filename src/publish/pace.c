/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/pace.h"

enum { ONE = 1000 };

bool
pace_take(struct pace *pace, int64_t now)
{
	int64_t full = pace->rate * ONE;
	int64_t credit = pace->credit + (now - pace->counted_at) * pace->rate;
	pace->credit = credit < full ? credit : full;
	pace->counted_at = now;
	if (pace->credit < ONE) {
		return false;
	}
	pace->credit -= ONE;
	return true;
}

int64_t
pace_due(const struct pace *pace)
{
	int64_t lacking = ONE - pace->credit;
	return pace->counted_at +
		(lacking > 0 ? (lacking + pace->rate - 1) / pace->rate : 0);
}
