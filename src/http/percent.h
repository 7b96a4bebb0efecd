/* SPDX-License-Identifier: Apache-2.0
 * Percent-encoding, one byte at a time. */
#ifndef HTTP_PERCENT_H
#define HTTP_PERCENT_H

#include "base/err.h"

#include <stddef.h>

/* The byte (0-255) that the three characters at text ("%2f") stand for; -1 when fewer
 * than three are left or they are no such thing. */
int http_percent_byte(const char *text, size_t left) MUST_CHECK;

#endif
