/* SPDX-License-Identifier: Apache-2.0
 * What servers would refuse, skip or misread in a set of claims. */
#ifndef JWT_VALIDATE_H
#define JWT_VALIDATE_H

#include "base/err.h"
#include "jwt/claims.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* time: exp or nbf, which matter where the token is used, not where it is stored;
 * blocking as well. Neither: a warning. */
struct jwt_issue {
	bool blocking;
	bool time;
	char text[160];
};

enum { JWT_ISSUES_MAX = 32 };

/* The first JWT_ISSUES_MAX issues are kept, all are counted. */
struct jwt_issues {
	struct jwt_issue items[JWT_ISSUES_MAX];
	size_t len;
	size_t blocking; /* blocking ones but those of time */
	size_t time;
	size_t warnings;
};

/* All rules for the claims of its type; subjects by the strict rules of the server.
 * Writes *out anew. now_s: unix seconds. */
void jwt_validate(const struct jwt_claims *claims, int64_t now_s, struct jwt_issues *out);

/* The rules for one part of the claims. ERR_INVALID. */
int
jwt_validate_time_range(const struct jwt_time_range *range, struct err *err) MUST_CHECK;
int jwt_validate_tier(const char *name, struct err *err) MUST_CHECK;

/* The text of the first blocking issue, NULL when there is none. */
const char *jwt_issues_find_blocking(const struct jwt_issues *issues, bool include_time);

#endif
