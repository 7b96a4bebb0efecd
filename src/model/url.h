/* SPDX-License-Identifier: Apache-2.0
 * URLs as servers parse them: a JWT with one that they cannot read they refuse whole. */
#ifndef MODEL_URL_H
#define MODEL_URL_H

#include <stdbool.h>

/* Are authority and escapes well formed? Scheme and host may be missing; servers of
 * different versions take all that this does. */
bool url_is_well_formed(const char *text);

#endif
