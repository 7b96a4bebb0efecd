/* SPDX-License-Identifier: Apache-2.0
 * Claims that a user writes as JSON, in the JWT's own shape: read strictly, and stored as
 * canonical text. */
#ifndef JWT_FRAGMENT_H
#define JWT_FRAGMENT_H

#include "base/buf.h"
#include "base/err.h"
#include "jwt/claims.h"
#include "model/limits.h"

#include <stddef.h>

enum jwt_fragment {
	JWT_FRAGMENT_TIMES, /* [{"start":"08:00:00","end":"17:30:00"}] */
	JWT_FRAGMENT_TIERS, /* {"R1":{"disk_storage":1024}} */
	JWT_FRAGMENT_MAPPINGS /* {"orders.*":[{"subject":"orders.v2.$1","weight":80}]} */
};

/* What is accepted, jwt_validate does not block. Unknown and duplicate members, nulls and
 * numbers that servers would take for something else are refused. ERR_INVALID names the
 * place: "\"orders.*\" target 2: weight 130 is not between 1 and 100"; ERR_TOO_LARGE,
 * ERR_NOMEM. *out is an array for the caller to release (jwt/claims.h), maps sorted by
 * key; NULL when there is nothing in it. */
int jwt_fragment_times(const char *json, size_t len, struct jwt_time_range **out,
	size_t *out_len, struct err *err) MUST_CHECK;

/* What a tier does not say: no storage; of the rest any number. */
int jwt_fragment_tiers(const char *json, size_t len, struct jwt_tier **out,
	size_t *out_len, struct err *err) MUST_CHECK;

int jwt_fragment_mappings(const char *json, size_t len, struct jwt_mapping **out,
	size_t *out_len, struct err *err) MUST_CHECK;

/* Checks it as above and appends it to out: compact, members in the JWT's order, maps
 * sorted, nothing added or left out. out is left alone when something is wrong. */
int jwt_fragment_canonical(enum jwt_fragment kind, const char *json, size_t len,
	struct buf *out, struct err *err) MUST_CHECK;

#endif
