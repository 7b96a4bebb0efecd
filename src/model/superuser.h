/* SPDX-License-Identifier: Apache-2.0
 * Superusers: the people and programs that administer natsid. */
#ifndef MODEL_SUPERUSER_H
#define MODEL_SUPERUSER_H

#include "model/collection.h"

struct superuser {
	struct record_head head;
	char *email;
	bool email_visibility;
	char *password;
	char *password_confirm;
	char *password_hash;
	char *token_key;
};

extern const struct collection superuser_collection;

int superuser_init(void *row, struct err *err) MUST_CHECK;

/* Adds what is wrong with a password and its confirmation; for every auth collection. */
void password_validate(
	const char *password, const char *confirm, struct violations *violations);

#endif
