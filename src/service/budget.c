/* SPDX-License-Identifier: Apache-2.0 */
#include "model/limits.h"
#include "service/internal.h"

#include <inttypes.h>

int
budget_check(int64_t bytes, enum budget_use use, struct err *err)
{
	static const struct {
		int64_t percent;
		const char *way_out;
	} uses[] = {
		[BUDGET_ROLES] = { 75,
			"Use fewer roles in one account, or fewer and wider subjects." },
		[BUDGET_TERMS] = { 75,
			"Use fewer mappings, and fewer default permissions." },
		[BUDGET_KEYS] = { 75,
			"A further set of signing keys says every role once more. Remove "
			"an older set first, or use rotate_keys." },
		[BUDGET_SHARING] = { 75,
			"Use fewer exports and imports, of wider subjects." },
		[BUDGET_DELETES] = { 85,
			"Suspend the user instead, or make a new "
			"account for the users that stay." },
		[BUDGET_NARROWINGS] = { 85,
			"Rotate the account's keys (rotate_keys) instead: that refuses "
			"all that was issued." },
		[BUDGET_SUSPENSIONS] = { 95,
			"Suspend the whole account, or make a new "
			"one for the users that stay." },
	};
	int64_t most = LIMIT_ACCOUNT_JWT_BYTES / 100 * uses[use].percent;
	if (bytes <= most) {
		return 0;
	}
	return err_set(err, ERR_CONFLICT,
		"The account's JWT has no room for this: %" PRId64 " of %" PRId64
		" bytes. %s",
		bytes, most, uses[use].way_out);
}
