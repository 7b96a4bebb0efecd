/* SPDX-License-Identifier: Apache-2.0
 * Subject mappings of accounts: what every server from 2.10 on applies as it is written.
 * Servers pass over a mapping that they do not like and say nothing. */
#ifndef JWT_MAPPING_H
#define JWT_MAPPING_H

#include "base/err.h"
#include "jwt/claims.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JWT_MAPPING_WEIGHT_MAX = 100 };

/* Servers take "$" with a number behind it for the n-th star of another subject. *out is
 * 0 for a number that no star has ("$0", "$-1"). */
bool jwt_mapping_is_reference(const char *token, size_t len, int64_t *out);

/* The subject with a star for each reference: what its own messages are seen under. NULL
 * when out of memory; the caller frees. */
char *jwt_mapping_pattern(const char *subject) MUST_CHECK;

/* One source with its targets. ERR_INVALID with the place: "\"orders.*\" target 2: weight
 * 130 is not between 1 and 100". */
int jwt_mapping_check(const struct jwt_mapping *mapping, struct err *err) MUST_CHECK;

/* No subject is matched by two of the sources: servers would take one by chance.
 * ERR_INVALID. Sources that are no subjects are passed over. */
int jwt_mapping_check_sources(
	const struct jwt_mapping *mappings, size_t len, struct err *err) MUST_CHECK;

#endif
