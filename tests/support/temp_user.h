/* SPDX-License-Identifier: Apache-2.0
 * One user with its account and its role in a service of its own, and short ways to
 * change it and to look at what is issued and revoked. Failures end the test. */
#ifndef SUPPORT_TEMP_USER_H
#define SUPPORT_TEMP_USER_H

#include "jwt/claims.h"
#include "support/temp_service.h"

struct temp_user {
	struct temp_service t;
	char account[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	char id[RAND_ID_SIZE];
};

/* As setup and teardown of a test: *state is the struct temp_user. */
int temp_user_set_up(void **state);
int temp_user_tear_down(void **state);

/* Rows to change it (its role) by. */
struct user temp_user_row(void);
struct role temp_user_role_row(void);

/* Changes the user (the role) by such a row; `fields` is comma separated. Releases what
 * the row holds. */
void temp_user_change(struct temp_user *u, struct user *row, const char *fields);
void temp_user_change_role(struct temp_user *u, struct role *row, const char *fields);

/* Two such changes; trigger: regenerate or revoke. */
void temp_user_set_active(struct temp_user *u, bool active);
void temp_user_pull(struct temp_user *u, const char *trigger);

/* The same change of the user is refused, by a violation of `field` ("": by the message
 * alone) that holds `says`; and nothing of the user, of keys or of revocations changes.
 */
void temp_user_refused(struct temp_user *u, struct user *row, const char *fields,
	const char *field, const char *says);

/* One column of the user's row. */
int64_t temp_user_value(const struct temp_user *u, const char *column);

/* What its creds say now; the caller releases *out. */
void temp_user_claims(struct temp_user *u, struct jwt_claims *out);

/* Creds are refused, for the reason. */
void temp_user_has_no_creds(struct temp_user *u, enum err_code code, const char *says);

/* The latest revocation of the user's key of a cause ("%": of any) in its account, and of
 * all keys of that cause anywhere. 0: none. */
int64_t temp_user_revoked(const struct temp_user *u, const char *cause);
int64_t temp_user_revoked_any(const struct temp_user *u, const char *cause);

/* Second of the wall clock, and so many later. */
int64_t temp_user_now(const struct temp_user *u);
void temp_user_advance(struct temp_user *u, int64_t seconds);

/* Lists and texts of rows. */
void temp_list(struct strlist *list, const char *entry); /* NULL: make it empty */

#endif
