/* SPDX-License-Identifier: Apache-2.0
 * A service over a store in a directory of its own, and short ways to write and look.
 * Failures end the test. */
#ifndef SUPPORT_TEMP_SERVICE_H
#define SUPPORT_TEMP_SERVICE_H

#include "jwt/claims.h"
#include "service/authorise.h"
#include "service/creds.h"
#include "service/minting.h"
#include "service/record.h"
#include "service/service.h"
#include "support/temp_store.h"

/* wall and mono are temp.clock's; each look at the wall clock moves it on by step_ms. */
struct temp_service {
	struct temp_store temp;
	struct clock clock;
	int64_t step_ms;
	struct vault *vault;
	struct service *service;
};

extern const struct actor temp_superuser_actor;
extern const struct actor temp_console_actor;
extern const struct actor temp_guest_actor;

/* Opens all of it and makes the operator "Test". */
void temp_service_init(struct temp_service *t);

/* The same without an operator. */
void temp_service_init_bare(struct temp_service *t);
void temp_service_release(struct temp_service *t);

/* Moves the wall clock on while other threads look at it. */
void temp_service_advance(struct temp_service *t, int64_t ms);

/* As setup and teardown of a test: *state is the struct temp_service. */
int temp_service_set_up(void **state);
int temp_service_tear_down(void **state);

/* Another service over the same store with this vault. */
struct service *temp_service_beside(struct temp_service *t, struct vault *vault);

/* `fields` names what the row gives, comma separated. 0 or -1 as the service. */
int temp_create(struct temp_service *t, const struct collection *collection,
	const void *row, const char *fields, char out_id[static RAND_ID_SIZE],
	struct violations *violations, struct err *err);
int temp_change(struct temp_service *t, const struct collection *collection,
	const char *id, const void *row, const char *fields,
	struct violations *violations, struct err *err);

/* These must succeed. Of an account that is made they tell the seq. */
void temp_change_ok(struct temp_service *t, const struct collection *collection,
	const char *id, const void *row, const char *fields);
void temp_delete_ok(
	struct temp_service *t, const struct collection *collection, const char *id);
int64_t temp_make_account(
	struct temp_service *t, const char *name, char out_id[static RAND_ID_SIZE]);
void temp_make_role(
	struct temp_service *t, const char *name, char out_id[static RAND_ID_SIZE]);
void temp_make_user(struct temp_service *t, const char *name, const char *account,
	const char *role, char out_id[static RAND_ID_SIZE]);

/* An account, a role and a user of both, which are called "one", "role" and "user". */
void temp_make_all(struct temp_service *t, char out_account[static RAND_ID_SIZE],
	char out_role[static RAND_ID_SIZE], char out_user[static RAND_ID_SIZE]);

/* So many subjects that differ, each as long as may be, in place of what the list has. */
void temp_set_long_subjects(struct strlist *list, size_t count);

/* Deleted users of an account (its seq), as many as that. */
void temp_fill_revocations(struct temp_service *t, int64_t account, int64_t count);

/* The first column of the first row; `sql` may hold one '%s' for `text`. */
int64_t temp_ask(const struct temp_service *t, const char *sql, const char *text);

/* Of an account by its id. */
int64_t temp_generation(const struct temp_service *t, const char *account);
int64_t temp_urgent_generation(const struct temp_service *t, const char *account);
int64_t temp_account_seq(const struct temp_service *t, const char *account);

/* The bytes that its JWT is thought to have, by its seq. */
int64_t temp_estimate(const struct temp_service *t, int64_t account);

/* The claims of its JWT in force, which must be one that servers take; the caller
 * releases them. */
struct jwt_claims temp_account_claims(struct temp_service *t, int64_t account);

/* The iat that the user's creds say now; its JWT must verify. Notes the issue. */
int64_t temp_issue(struct temp_service *t, const char *user);

#endif
