/* SPDX-License-Identifier: Apache-2.0 */
#include "service/user_work.h"

#include "model/template.h"
#include "service/role_rules.h"
#include "store/budget.h"
#include "store/record.h"
#include "store/role.h"

/* What a user's JWT says of the row, and what asks for another one. */
static const char *const minted[] = { "account_id", "role_id", "nats_username", "tags",
	"public_key", "publish_permissions", "subscribe_permissions",
	"publish_deny_permissions", "subscribe_deny_permissions", "max_subscriptions",
	"max_data", "max_payload", "connection_types", "networks", "time_windows",
	"times_location", "bearer_token", "proxy_required", "jwt_expires_at",
	"regenerate", "revoke", NULL };

bool
user_is_minted_anew(const struct work *work)
{
	return work->is_create || work_changes_any(work, minted);
}

bool
user_moves(const struct work *work)
{
	return !work->is_create &&
		(work_changes(work, "account_id") || work_changes(work, "role_id"));
}

void
user_sources_release(struct user_sources *sources)
{
	record_release(&account_collection, &sources->account);
	record_release(&role_collection, &sources->role);
}

/* One more role in the account. */
static int
check_room_for_role(
	struct store_conn *conn, const struct user_sources *sources, struct err *err)
{
	int64_t account = 0;
	int64_t role = 0;
	if (store_budget_account(conn, sources->account.head.seq, &account, err) != 0 ||
		store_budget_role(conn, sources->role.head.seq, &role, err) != 0) {
		return -1;
	}
	return budget_check(account + role, BUDGET_ROLES, err);
}

/* *out_found is false when the record is missing, with a violation. */
static int
find(struct store_conn *conn, struct work *work, const struct field *field, void *row,
	bool *out_found, struct err *err)
{
	const char *id = record_member_const(field, &work->after);
	struct err why = { 0 };
	*out_found = store_record_get(conn, field->relation, id, row, &why) == 0;
	if (*out_found) {
		return 0;
	}
	if (why.code != ERR_NOT_FOUND) {
		*err = why;
		return -1;
	}
	violations_add(work->violations, field->name, VIOLATION_MISSING_REL,
		"There is no %s with this id.", field->relation->noun);
	return 0;
}

static int
fill_in_role(struct store_conn *conn, struct work *work, struct err *err)
{
	struct user *user = &work->after.user;
	if (user->role_id[0] != '\0') {
		return 0;
	}
	if (store_role_find_default(conn, user->role_id, err) < 0) {
		return -1;
	}
	if (user->role_id[0] == '\0') {
		violations_add(work->violations, "role_id", VIOLATION_REQUIRED,
			"Cannot be blank: there is no default role.");
	} else if (!work->is_create) {
		/* It may be the one that the user has: then it does not move. */
		work->changed =
			record_diff(work->collection, &work->before, &work->after);
	}
	return 0;
}

/* A key that was given may have been a user's before, and refused for that. */
static int
read_key(struct store_conn *conn, struct work *work, struct user_sources *out,
	struct err *err)
{
	const struct user *user = &work->after.user;
	uint64_t key = collection_field_bit(work->collection, "public_key");
	bool given = work->is_create ? (work->present & key) != 0
				     : work_changes(work, "public_key") ||
			(user->own_key && work_changes(work, "account_id"));
	work->plan.key_given = given;
	return given ? store_revocation_key_at(conn, out->account.head.seq,
			       &user->public_key, &out->key_at, err)
		     : 0;
}

static int
read_scope(struct store_conn *conn, struct work *work, const struct user_sources *sources,
	struct err *err)
{
	struct store_signing_key key;
	if (!work->is_create && !user_moves(work)) {
		return 0; /* made with the user, and kept since */
	}
	int found = store_signing_key_find_scope(
		conn, sources->account.head.seq, sources->role.head.seq, &key, err);
	work->signing.wanted = found == 0;
	return found != 0 ? (found < 0 ? -1 : 0)
			  : check_room_for_role(conn, sources, err);
}

int
user_sources_old_account(struct store_conn *conn, void *ctx, struct err *err)
{
	struct work *work = ctx;
	struct account account = { 0 };
	if (store_record_get(conn, &account_collection, work->before.user.account_id,
		    &account, err) != 0) {
		return -1;
	}
	work->plan.old_account = account.head.seq;
	record_release(&account_collection, &account);
	return 0;
}

static int
note_premises(struct store_conn *conn, struct work *work,
	const struct user_sources *sources, struct err *err)
{
	enum { OF_ACCOUNT = TEMPLATE_ACCOUNT_NAME | TEMPLATE_ACCOUNT_TAG };
	struct user_plan *plan = &work->plan;
	const struct account *account = &sources->account;
	bool fed = (role_feeds(&sources->role) & (unsigned)OF_ACCOUNT) != 0;
	plan->old_account = account->head.seq;
	if (!work->is_create && work_changes(work, "account_id") &&
		user_sources_old_account(conn, work, err) != 0) {
		return -1;
	}
	plan->premises = (struct store_user_premises){
		.account = account->head.seq,
		.key_set = account->key_set,
		.account_version = fed ? account->head.version : 0,
		.role = sources->role.head.seq,
		.role_version = sources->role.head.version,
		.old_account = plan->old_account,
	};
	return store_revocation_all_at(
		conn, plan->old_account, &plan->premises.all_at, err);
}

/* Here and not in the transaction: the premises are what it looks at. */
static int
check_feeds(struct store_conn *conn, struct work *work, struct err *err)
{
	if (!work->is_create && !user_moves(work) &&
		!work_changes(work, "nats_username") && !work_changes(work, "tags")) {
		return 0;
	}
	return role_rules_check_user(conn, &work->after.user, work->violations, err);
}

struct reading {
	struct work *work;
	struct user_sources *out;
};

static int
read_sources(struct store_conn *conn, void *ctx, struct err *err)
{
	struct reading *reading = ctx;
	struct work *work = reading->work;
	struct user_sources *out = reading->out;
	bool has_account = false;
	bool has_role = false;
	if (fill_in_role(conn, work, err) != 0 ||
		find(conn, work, collection_field(work->collection, "account_id"),
			&out->account, &has_account, err) != 0) {
		return -1;
	}
	if (work->after.user.role_id[0] != '\0' &&
		find(conn, work, collection_field(work->collection, "role_id"),
			&out->role, &has_role, err) != 0) {
		return -1;
	}
	if (!has_account || !has_role) {
		return 0;
	}
	if (note_premises(conn, work, out, err) != 0 ||
		check_feeds(conn, work, err) != 0 ||
		read_key(conn, work, out, err) != 0) {
		return -1;
	}
	return read_scope(conn, work, out, err);
}

int
user_sources_read(struct work *work, struct user_sources *out, struct err *err)
{
	struct reading reading = { .work = work, .out = out };
	return service_read(work->service, read_sources, &reading, err);
}
