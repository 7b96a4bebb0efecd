/* SPDX-License-Identifier: Apache-2.0
 * Every bound that a request can meet, in one place. */
#ifndef MODEL_LIMITS_H
#define MODEL_LIMITS_H

#include <stdint.h>

enum {
	LIMIT_NAME_CHARS = 100,
	LIMIT_DESCRIPTION_CHARS = 500,
	LIMIT_EMAIL_CHARS = 254,
	LIMIT_PASSWORD_MIN_CHARS = 8,
	LIMIT_PASSWORD_MAX_BYTES = 128,

	LIMIT_SUBJECTS = 256, /* entries of one permission list */
	LIMIT_ENTRIES = 64, /* of another list: networks, tags, ... */
	LIMIT_ENTRY_BYTES = 256, /* of any list */
	LIMIT_SUBJECT_BYTES = 256,
	LIMIT_URL_CHARS = 2048,
	LIMIT_OPERATOR_LIST_BYTES = 64 * 1024, /* a list of the operator's, as JSON */
	LIMIT_TOKEN_BYTES = 10000, /* an activation from outside */
	LIMIT_CLAIM_BYTES = 64 * 1024, /* mappings, tiers, time windows: each as JSON */
	LIMIT_TIME_WINDOWS = 32,
	LIMIT_MAPPINGS = 64,
	LIMIT_MAPPING_TARGETS = 16, /* of one mapping */

	LIMIT_BODY_BYTES = 256 * 1024,
	LIMIT_PAGE_DEFAULT = 30,
	LIMIT_PAGE_MAX = 1000,
	LIMIT_SORT_KEYS = 8,

	/* A server reads max_payload bytes and a JWT library 1 MiB; 80 % leaves room for
	   both. */
	LIMIT_ACCOUNT_JWT_BYTES = 1024 * 1024 / 5 * 4,
	LIMIT_USER_JWT_BYTES = 3000,

	LIMIT_RESPONSE_TTL_SECONDS = 24 * 60 * 60,
	LIMIT_LIFETIME_SECONDS = 10 * 366 * 24 * 60 * 60 /* of a user's JWT */
};

/* nats-server keeps these in an int32. */
#define LIMIT_INT32_MAX ((int64_t)INT32_MAX)

/* The largest integer that every JSON reader keeps exactly (2^53 - 1). */
#define LIMIT_SAFE_INT ((int64_t)9007199254740991)

#endif
