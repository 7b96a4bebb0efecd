/* SPDX-License-Identifier: Apache-2.0
 * An account whose sets of signing keys change, with users who have creds of the first
 * set. Failures end the test. */
#ifndef SUPPORT_KEYS_STAGE_H
#define SUPPORT_KEYS_STAGE_H

#include "service/account_key_plans.h"
#include "support/temp_service.h"

/* An account with two roles of three users, all of whom have creds. */
struct keys_stage {
	struct temp_service *t;
	char account[RAND_ID_SIZE];
	char roles[2][RAND_ID_SIZE];
	char users[3][RAND_ID_SIZE];
	int64_t seq;
};

void keys_stage_init(struct keys_stage *s, struct temp_service *t);

/* Asks for each of `fields` (comma separated) of the account, and for the removal of the
 * key `remove` if that is one of them. 0 or -1 as the service. */
int keys_stage_change(
	struct keys_stage *s, const char *fields, const char *remove, struct err *err);

/* This must succeed. */
void keys_stage_change_ok(struct keys_stage *s, const char *fields, const char *remove);

/* How many keys of accounts other than the system's a set has. */
int64_t keys_stage_count(const struct keys_stage *s, int key_set);

/* The keys, looked at as a client does; the caller releases them. */
struct account_key_list keys_stage_look(struct keys_stage *s) MUST_CHECK;

/* The plain key of a set. */
void keys_stage_key(struct keys_stage *s, int key_set, char out[static NKEY_TEXT_SIZE]);

#endif
