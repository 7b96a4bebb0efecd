/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/claim.h"

#include "jwt/fragment.h"
#include "model/limits.h"

#include <string.h>

int
mint_claim_canonical(enum claim_kind kind, const char *json, char **out, struct err *err)
{
	static const enum jwt_fragment fragments[] = {
		[CLAIM_TIMES] = JWT_FRAGMENT_TIMES,
		[CLAIM_TIERS] = JWT_FRAGMENT_TIERS,
		[CLAIM_MAPPINGS] = JWT_FRAGMENT_MAPPINGS,
	};
	struct buf text;
	buf_init(&text, LIMIT_CLAIM_BYTES);
	int rc = jwt_fragment_canonical(fragments[kind], json, strlen(json), &text, err);
	if (rc == 0) {
		rc = buf_finish(&text, err);
	}
	if (rc == 0) {
		*out = buf_take(&text);
	}
	buf_release(&text);
	return rc;
}
