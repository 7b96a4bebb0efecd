/* SPDX-License-Identifier: Apache-2.0 */
#include "service/internal.h"

#include "base/str.h"
#include "mint/scope.h"
#include "model/template.h"
#include "service/role_rules.h"
#include "store/audit.h"
#include "store/budget.h"
#include "store/publish.h"
#include "store/record.h"
#include "store/role.h"
#include "store/role_users.h"

#include <inttypes.h>
#include <stdlib.h>

/* What a scope says of the row. max_data is not in it: no server enforces it, and writing
 * it would cut every client of the role. */
static const char *const minted[] = { "publish_permissions", "subscribe_permissions",
	"publish_deny_permissions", "subscribe_deny_permissions", "allow_response",
	"allow_response_max", "allow_response_ttl", "max_subscriptions", "max_payload",
	"networks", "connection_types", "time_windows", "times_location", "bearer_token",
	"proxy_required", NULL };

/* Names and tags that feed templates. */
enum { FEEDS_USER = (int)TEMPLATE_NAME | (int)TEMPLATE_TAG };

/* ---- what the change is ---- */

/* base64 makes four bytes of three; some keys come with the first entry. */
static int64_t
growth_of(int64_t before, int64_t after)
{
	enum { KEYS_BYTES = 200 };
	return after > before ? KEYS_BYTES + 4 * (after - before) / 3 : 0;
}

/* A role that grows makes every account that uses it grow. */
static int
check_accounts(struct store_conn *conn, const struct work *work, struct err *err)
{
	int64_t before = 0;
	int64_t after = 0;
	int64_t bytes = 0;
	if (role_rules_scope_bytes(&work->before.role, &before, err) != 0 ||
		role_rules_scope_bytes(&work->after.role, &after, err) != 0) {
		return -1;
	}
	if (after <= before) {
		return 0;
	}
	if (store_budget_role_accounts(conn, work->before.head.seq,
		    growth_of(before, after), &bytes, err) != 0) {
		return -1;
	}
	return budget_check(bytes, BUDGET_ROLES, err);
}

static int
look(struct store_conn *conn, void *ctx, struct err *err)
{
	struct work *work = ctx;
	if (store_audit_newest(conn, &work->seen, err) != 0 ||
		check_accounts(conn, work, err) != 0) {
		return -1;
	}
	return role_rules_check_users(conn, &work->after.role, -1, work->violations, err);
}

/* What the field checks cannot know: the account's JWT would be refused whole. */
static int
check_scope(struct work *work, struct err *err)
{
	struct err why = { 0 };
	const struct role *role = &work->after.role;
	if (mint_scope_check(role, &why) != 0) {
		if (why.code != ERR_INVALID) {
			*err = why;
			return -1;
		}
		bool zone = strstr(why.msg, "times_location") != NULL;
		violations_add(work->violations,
			zone ? "times_location" : "publish_permissions", VIOLATION_VALUE,
			"Not usable: %s.", why.msg);
	}
	bool places = work->is_create || work_changes(work, "times_location");
	if (places && role->times_location[0] != '\0' &&
		str_equal(role->time_windows, "[]")) {
		violations_add(work->violations, "times_location", VIOLATION_VALUE,
			"It belongs to time_windows, and the role has none.");
	}
	return 0;
}

/* A role that is new has no users, and no keys: those are made with the first user of
 * each account. */
static int
prepare(struct work *work, struct err *err)
{
	struct role *role = &work->after.role;
	role_check(role, work->violations);
	if (work->violations->len > 0) {
		return 0;
	}
	if (check_scope(work, err) != 0) {
		return -1;
	}
	if (work->violations->len > 0) {
		return 0;
	}
	role->feeds = role_feeds(role);
	if (work->is_create || !work_changes_any(work, minted)) {
		return 0;
	}
	if (mint_scope_role_narrows(&work->before.role, role, &work->narrows, err) != 0) {
		return -1;
	}
	return service_read(work->service, look, work, err);
}

/* ---- what follows from it ---- */

/* Users came and went since the look, and what they are may not fit the role. */
static int
check_again(struct store_conn *conn, struct work *work, struct err *err)
{
	const struct role *role = &work->after.role;
	int changed = store_role_accounts_changed(conn, role->head.seq, work->seen, err);
	if (changed < 0) {
		return -1;
	}
	if (changed > 0 && role->feeds != 0) {
		return err_set(
			err, ERR_STALE, "an account of the role was changed meanwhile");
	}
	if (role_rules_check_names(conn, role, work->violations, err) != 0) {
		return -1;
	}
	return role_rules_check_users(conn, role, work->seen, work->violations, err);
}

/* JWTs that hold what the role said, and JWTs whose names or tags were good only while
 * nothing read them. */
static int
revoke(struct store_tx *tx, const struct work *work, int64_t *out_revoked,
	struct err *err)
{
	const struct role *role = &work->after.role;
	int64_t now = store_tx_now(tx) / 1000;
	int64_t overrides = 0;
	int64_t superseded = 0;
	if (work->narrows &&
		store_role_revoke_overrides(
			tx, role->head.seq, 0, now, &overrides, err) != 0) {
		return -1;
	}
	if ((role->feeds & FEEDS_USER) != 0 &&
		store_role_revoke_superseded(tx, role->head.seq, now, &superseded, err) !=
			0) {
		return -1;
	}
	*out_revoked = overrides + superseded;
	return 0;
}

static int
write_role(struct store_tx *tx, struct work *work, struct err *err)
{
	struct store_conn *conn = store_tx_conn(tx);
	int64_t role = work->after.head.seq;
	int64_t revoked = 0;
	int64_t bytes = 0;
	if (work->is_create || !work_changes_any(work, minted)) {
		return 0;
	}
	if (check_again(conn, work, err) != 0 || revoke(tx, work, &revoked, err) != 0) {
		return -1;
	}
	if (revoked > 0 &&
		(store_budget_role_accounts(conn, role, 0, &bytes, err) != 0 ||
			budget_check(bytes, BUDGET_NARROWINGS, err) != 0)) {
		return -1;
	}
	return store_publish_bump_role(tx, role, work->narrows || revoked > 0, err);
}

static int
destroy_keys(struct store_tx *tx, int64_t role, struct err *err)
{
	struct store_signing_key *keys = NULL;
	size_t len = 0;
	if (store_signing_key_list_role(store_tx_conn(tx), role, &keys, &len, err) != 0) {
		return -1;
	}
	int rc = destroy_signing_keys(tx, keys, len, err);
	free(keys);
	return rc;
}

static int
remove_role(struct store_tx *tx, struct work *work, struct err *err)
{
	enum { COUNT_MOST = 1000000 };
	int64_t users = 0;
	const struct record_head *role = &work->before.head;
	if (store_role_user_count(
		    store_tx_conn(tx), role->seq, COUNT_MOST, &users, err) != 0) {
		return -1;
	}
	if (users > 0) {
		return err_set(err, ERR_CONFLICT,
			"The role still has %" PRId64
			" user%s. Give %s another one first.",
			users, users == 1 ? "" : "s", users == 1 ? "it" : "them");
	}
	/* The accounts lose a key: urgent. The bump finds them by the keys, so it comes
	 * first. */
	if (store_publish_bump_role(tx, role->seq, true, err) != 0 ||
		destroy_keys(tx, role->seq, err) != 0) {
		return -1;
	}
	return store_record_delete(tx, work->collection, role, err);
}

const struct record_ops role_ops = {
	.prepare = prepare,
	.write = write_role,
	.remove = remove_role,
};
