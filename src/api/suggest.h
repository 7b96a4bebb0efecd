/* SPDX-License-Identifier: Apache-2.0
 * Which name somebody may have meant. */
#ifndef API_SUGGEST_H
#define API_SUGGEST_H

/* How many slips the two are apart: a letter changed, added, left out or swapped with its
 * neighbour. Case does not count. -1 when that is more than one, or two or three where
 * they are long: then it is another name. */
int api_suggest_slips(const char *given, const char *known);

#endif
