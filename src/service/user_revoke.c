/* SPDX-License-Identifier: Apache-2.0 */
#include "service/user_work.h"

#include "store/budget.h"
#include "store/publish.h"
#include "store/record.h"

/* Refuses what left for the user as it was, where any of it may still live. *out_changed
 * is set when it did. */
static int
refuse(struct store_tx *tx, struct work *work, enum store_revocation_cause cause,
	int64_t at, bool *out_changed, struct err *err)
{
	const struct user *user = &work->before.user;
	struct store_conn *conn = store_tx_conn(tx);
	bool needed = false;
	int64_t bytes = 0;
	int64_t until = user_may_hold_until(user);
	struct store_revocation_entry entry = {
		.account = work->plan.old_account,
		.public_key = user->public_key,
		.cause = cause,
		.at = at,
		.expires = until == USER_FOREVER ? 0 : until,
		.key_set = user_may_hold_set(user),
	};
	if (store_revocation_may_live(conn, entry.account, user, &needed, err) != 0) {
		return -1;
	}
	if (!needed) {
		return 0;
	}
	/* with what it drops, and what it replaces */
	if (store_revocation_put(tx, &entry, err) != 0 ||
		store_budget_account(conn, entry.account, &bytes, err) != 0 ||
		budget_check(bytes,
			cause == STORE_REVOKED_SUSPEND ? BUDGET_SUSPENSIONS
						       : BUDGET_DELETES,
			err) != 0) {
		return -1;
	}
	*out_changed = true;
	return 0;
}

/* Up to when the JWTs that the user may hold must be refused: a server refuses what was
 * issued at or before it. */
static int
revoke_time(
	struct store_tx *tx, const struct work *work, int64_t *out_at, struct err *err)
{
	int64_t all_at = 0;
	if (store_revocation_all_at(
		    store_tx_conn(tx), work->plan.old_account, &all_at, err) != 0) {
		return -1;
	}
	int64_t now = clock_wall_s(work->service->clock);
	int64_t iat = user_iat(&work->before.user, all_at);
	*out_at = now > iat ? now : iat;
	return 0;
}

static int
suspend(struct store_tx *tx, struct work *work, bool *out_changed, struct err *err)
{
	int64_t at = 0;
	if (work->plan.revokes) {
		return 0; /* refused for good, and nothing left since */
	}
	if (revoke_time(tx, work, &at, err) != 0) {
		return -1;
	}
	return refuse(tx, work, STORE_REVOKED_SUSPEND, at, out_changed, err);
}

static int
lift_suspension(
	struct store_tx *tx, struct work *work, bool *out_changed, struct err *err)
{
	bool lifted = false;
	if (store_revocation_lift(tx, work->plan.old_account,
		    &work->before.user.public_key, STORE_REVOKED_SUSPEND, &lifted,
		    err) != 0) {
		return -1;
	}
	*out_changed = *out_changed || lifted;
	return 0;
}

/* Where a key leaves an account all that it was used for is refused for good, so a
 * suspension would only be forgotten there, and meet the key should it ever come back
 * with a clock that was set back. Where it comes to, nothing was issued yet, and creds
 * are not given out while the user is suspended. */
static int
write_activity(struct store_tx *tx, struct work *work, bool *out_changed, struct err *err)
{
	if (work_changes(work, "account_id") || work->plan.new_key) {
		return lift_suspension(tx, work, out_changed, err);
	}
	if (!work_changes(work, "active")) {
		return 0;
	}
	return work->after.user.active ? lift_suspension(tx, work, out_changed, err)
				       : suspend(tx, work, out_changed, err);
}

int
user_write_revocations(struct store_tx *tx, struct work *work, struct err *err)
{
	const struct user_plan *plan = &work->plan;
	bool changed = false;
	if (plan->revokes &&
		refuse(tx, work, plan->cause, plan->revoked_at, &changed, err) != 0) {
		return -1;
	}
	if (write_activity(tx, work, &changed, err) != 0) {
		return -1;
	}
	return changed ? store_publish_bump(tx, plan->old_account, true, err) : 0;
}

int
user_revoke_deleted(struct store_tx *tx, struct work *work, struct err *err)
{
	int64_t at = 0;
	bool changed = false;
	struct account account = { 0 };
	if (store_record_get(store_tx_conn(tx), &account_collection,
		    work->before.user.account_id, &account, err) != 0) {
		return -1;
	}
	work->plan.old_account = account.head.seq;
	record_release(&account_collection, &account);
	if (revoke_time(tx, work, &at, err) != 0 ||
		refuse(tx, work, STORE_REVOKED_DELETE, at, &changed, err) != 0) {
		return -1;
	}
	return changed ? store_publish_bump(tx, work->plan.old_account, true, err) : 0;
}
