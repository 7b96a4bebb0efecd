/* SPDX-License-Identifier: Apache-2.0
 * Which name somebody may have meant. */
#ifndef API_SUGGEST_H
#define API_SUGGEST_H

#include <stdbool.h>

/* The two are a slip apart, or two or three when they are long: a letter changed, added,
 * left out or swapped with its neighbour. Case does not count. */
bool api_suggest_is_near(const char *given, const char *known);

#endif
