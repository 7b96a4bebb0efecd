/* SPDX-License-Identifier: Apache-2.0
 * Parts of claims that are read from JSON outside of tokens as well. */
#ifndef JWT_DECODE_PARTS_H
#define JWT_DECODE_PARTS_H

#include "base/err.h"
#include "json/json.h"
#include "jwt/claims.h"

#include <stddef.h>

/* As tokens are read: unknown members are passed over and values are not judged. *out is
 * an array with *out_len items that the caller releases, after an error too; NULL when
 * there are none. They start as NULL and 0. ERR_INVALID, ERR_NOMEM. */
int jwt_decode_time_ranges(const json_t *array, struct jwt_time_range **out,
	size_t *out_len, struct err *err) MUST_CHECK;
int jwt_decode_tiers(
	json_t *map, struct jwt_tier **out, size_t *out_len, struct err *err) MUST_CHECK;
int jwt_decode_mappings(json_t *map, struct jwt_mapping **out, size_t *out_len,
	struct err *err) MUST_CHECK;

#endif
