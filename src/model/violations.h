/* SPDX-License-Identifier: Apache-2.0
 * What is wrong with a request, field by field, so that one answer can name all of it. */
#ifndef MODEL_VIOLATIONS_H
#define MODEL_VIOLATIONS_H

#include "base/err.h"

#include <stddef.h>

enum { VIOLATIONS_MAX = 32 };

/* code is a PocketBase validation code ("validation_required"), static storage; the
 * message is a sentence that may reach a client. */
struct violation {
	char field[64];
	const char *code;
	char message[160];
};

struct violations {
	size_t len;
	struct violation items[VIOLATIONS_MAX];
};

#define VIOLATION_REQUIRED "validation_required"
#define VIOLATION_NOT_UNIQUE "validation_not_unique"
#define VIOLATION_MIN_TEXT "validation_min_text_constraint"
#define VIOLATION_MAX_TEXT "validation_max_text_constraint"
#define VIOLATION_FORMAT "validation_invalid_format"
#define VIOLATION_MIN_NUMBER "validation_min_number_constraint"
#define VIOLATION_MAX_NUMBER "validation_max_number_constraint"
#define VIOLATION_ONLY_INT "validation_only_int_constraint"
#define VIOLATION_NOT_A_NUMBER "validation_not_a_number"
#define VIOLATION_TYPE "validation_invalid_type"
#define VIOLATION_EMAIL "validation_is_email"
#define VIOLATION_MISSING_REL "validation_missing_rel_records"
#define VIOLATION_TOO_MANY "validation_too_many_values"
#define VIOLATION_VALUE "validation_invalid_value"
#define VIOLATION_MISMATCH "validation_values_mismatch"
#define VIOLATION_OLD_PASSWORD "validation_invalid_old_password"
#define VIOLATION_PK_CHANGE "validation_pk_change"
#define VIOLATION_UNKNOWN_FIELD "validation_unknown_field"
#define VIOLATION_SUBJECT "validation_invalid_subject"
#define VIOLATION_DATE "validation_invalid_date"

/* Adds one; the first of a field counts, and what comes after VIOLATIONS_MAX is
 * dropped. */
void violations_add(struct violations *list, const char *field, const char *code,
	const char *fmt, ...) PRINTF_LIKE(4, 5);

/* 0 when there are none; otherwise ERR_INVALID with the first in its message. */
int violations_check(const struct violations *list, struct err *err) MUST_CHECK;

#endif
