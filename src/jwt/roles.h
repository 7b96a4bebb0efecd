/* SPDX-License-Identifier: Apache-2.0
 * Which keys may sign, and be the subject of, which claims. */
#ifndef JWT_ROLES_H
#define JWT_ROLES_H

#include "base/nkey_text.h"
#include "jwt/claims.h"

#include <stdbool.h>

bool jwt_roles_may_sign(enum nkey_role role, enum jwt_type type);

/* False when the subject may be anything; else the role that it must have. */
bool jwt_roles_of_subject(enum jwt_type type, enum nkey_role *out_role);

/* The letter that the text of such a public key begins with. */
char jwt_roles_letter(enum nkey_role role);

#endif
