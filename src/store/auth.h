/* SPDX-License-Identifier: Apache-2.0
 * Look-ups for password login and for tokens, in the auth collections. */
#ifndef STORE_AUTH_H
#define STORE_AUTH_H

#include "model/superuser.h"
#include "store/store.h"

/* By exact e-mail: 1 found, 0 none, -1 error. record_release frees the row. */
int store_auth_find_superuser(struct store_conn *conn, const char *email,
	struct superuser *out, struct err *err) MUST_CHECK;

enum { STORE_TOKEN_KEY_SIZE = 64 };

/* The token key of a superuser: 1 found, 0 none, -1 error. */
int store_auth_token_key(struct store_conn *conn, const char *id,
	char out[static STORE_TOKEN_KEY_SIZE], struct err *err) MUST_CHECK;

#endif
