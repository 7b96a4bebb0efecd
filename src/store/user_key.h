/* SPDX-License-Identifier: Apache-2.0
 * Users by their public key. */
#ifndef STORE_USER_KEY_H
#define STORE_USER_KEY_H

#include "base/nkey_text.h"
#include "store/store.h"

struct store_user_key {
	char id[RAND_ID_SIZE];
	int64_t iat; /* unix seconds, of its JWT in force */
};

/* 1 found, 0 there is none, -1 error. */
int store_user_key_find(struct store_conn *conn, const struct nkey_public *key,
	struct store_user_key *out, struct err *err) MUST_CHECK;

#endif
