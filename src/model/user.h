/* SPDX-License-Identifier: Apache-2.0
 * Users: the identities that connect to NATS. */
#ifndef MODEL_USER_H
#define MODEL_USER_H

#include "model/collection.h"

struct user {
	struct record_head head;
	char *nats_username; /* unique in its account */
	char *full_name;
	char *description;
	char account_id[RAND_ID_SIZE];
	char role_id[RAND_ID_SIZE];
	struct nkey_public public_key;
	bool active;
	int64_t iat; /* unix seconds: of the JWT in force */
	int64_t issued_at; /* ms: when a JWT first left the daemon; 0: never */
	char *email; /* "" for devices */
	bool email_visibility;
	bool verified;
	char *password;
	char *password_confirm;
	char *password_hash; /* crypto_pwhash_str, or "" */
	char *token_key; /* changes with e-mail and password; ends sessions */
};

extern const struct collection user_collection;

int user_init(void *row, struct err *err) MUST_CHECK;

#endif
