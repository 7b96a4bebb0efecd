/* SPDX-License-Identifier: Apache-2.0
 * NATS subjects: syntax (the strict rules of the server) and containment. */
#ifndef MODEL_SUBJECT_H
#define MODEL_SUBJECT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Tokens between dots, none empty, no blanks or control characters, UTF-8, `>` only last.
 * `*` and `>` inside a longer token are ordinary characters. Messages name the first
 * fault and the token, counted from 1: "empty token at position 2". ERR_INVALID. */
int subject_check(const char *text, struct err *err) MUST_CHECK;
bool subject_is_valid(const char *text);

/* "subject", or "subject queue" with one space, as in permissions to subscribe. */
int subject_check_queue(const char *text, struct err *err) MUST_CHECK;

/* The functions below take valid subjects. */

/* A token `*`, or `>` at the end. */
bool subject_has_wildcard(const char *text);

/* How many tokens are `*`. */
size_t subject_count_stars(const char *text);

/* Each subject that inner matches is matched by outer. */
bool subject_contains(const char *outer, const char *inner);

/* Some subject is matched by both. */
bool subject_overlaps(const char *a, const char *b);

#endif
