/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt/roles.h"

bool
jwt_roles_may_sign(enum nkey_role role, enum jwt_type type)
{
	switch (type) {
	case JWT_OPERATOR:
		return role == NKEY_OPERATOR;
	case JWT_ACCOUNT:
	case JWT_ACTIVATION:
		return role == NKEY_ACCOUNT || role == NKEY_OPERATOR;
	case JWT_USER:
	case JWT_AUTH_RESPONSE:
		return role == NKEY_ACCOUNT;
	case JWT_AUTH_REQUEST:
		return role == NKEY_SERVER;
	case JWT_GENERIC:
		return role != NKEY_CURVE; /* curve keys cannot sign at all */
	}
	return false;
}

bool
jwt_roles_of_subject(enum jwt_type type, enum nkey_role *out_role)
{
	switch (type) {
	case JWT_OPERATOR:
		*out_role = NKEY_OPERATOR;
		return true;
	case JWT_ACCOUNT:
	case JWT_ACTIVATION:
		*out_role = NKEY_ACCOUNT;
		return true;
	case JWT_USER:
	case JWT_AUTH_RESPONSE:
		*out_role = NKEY_USER;
		return true;
	case JWT_AUTH_REQUEST:
	case JWT_GENERIC:
		return false;
	}
	return false;
}

char
jwt_roles_letter(enum nkey_role role)
{
	return (char)('A' + (int)((unsigned)role >> 3));
}
