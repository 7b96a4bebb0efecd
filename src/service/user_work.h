/* SPDX-License-Identifier: Apache-2.0
 * The parts of a user's create or update. */
#ifndef SERVICE_USER_WORK_H
#define SERVICE_USER_WORK_H

#include "service/internal.h"

/* What a user's JWT is made of beside its row, of one look at the database. */
struct user_sources {
	struct account account; /* that it is in after the write */
	struct role role; /* that it has after the write */
	int64_t key_at; /* unix seconds: the latest revocation of a key that was given */
};
void user_sources_release(struct user_sources *sources);

/* Fills in the default role, reads the sources and notes in the plan what the write
 * depends on. Adds a violation where there is no such account or role, and then the
 * sources are not to be used. The caller releases *out in any case. */
int user_sources_read(
	struct work *work, struct user_sources *out, struct err *err) MUST_CHECK;

/* Notes the account that the user was in; ctx is the work. For service_read. */
int
user_sources_old_account(struct store_conn *conn, void *ctx, struct err *err) MUST_CHECK;

/* Does the change touch what the JWT says, or ask for another one? */
bool user_is_minted_anew(const struct work *work);
bool user_moves(const struct work *work);

/* The rules that go beyond single fields; adds what is wrong. */
void user_rules_check(struct work *work, const struct user_sources *sources);

/* Settles keys, times and what is revoked: fills in the row and the plan. */
int user_settle(struct work *work, const struct user_sources *sources,
	struct err *err) MUST_CHECK;

/* Inside of the transaction: refuses what the plan and the change of activity say, and
 * lets in again whom the change activates. */
int user_write_revocations(
	struct store_tx *tx, struct work *work, struct err *err) MUST_CHECK;

/* Inside of the transaction: refuses all JWTs that left for the user before it is
 * deleted. */
int
user_revoke_deleted(struct store_tx *tx, struct work *work, struct err *err) MUST_CHECK;

/* How long a JWT lives (seconds; 0: for ever) whose role says role_lifetime (0:
 * nothing). */
int64_t user_lifetime(const struct service *service, int64_t role_lifetime);

/* Returns -1 with the size and what to do about it. */
int user_jwt_too_large(enum err_code code, size_t bytes, struct err *err);

#endif
