/* SPDX-License-Identifier: Apache-2.0 */
#include "service/user_work.h"

#include "base/str.h"
#include "mint/scope.h"
#include "mint/user.h"
#include "model/limits.h"
#include "model/template.h"

#include <inttypes.h>

static int64_t
later_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int64_t
user_lifetime(const struct service *service, int64_t role_lifetime)
{
	return role_lifetime != 0 ? role_lifetime : service->default_lifetime_s;
}

int
user_jwt_too_large(enum err_code code, size_t bytes, struct err *err)
{
	return err_set(err, code,
		"The JWT of the user would have %zu bytes, more than the %d that fit a "
		"CONNECT. Put what it may do into a role, with templates for what "
		"differs from user to user.",
		bytes, LIMIT_USER_JWT_BYTES);
}

/* ---- keys ---- */

static int
settle_key(struct work *work, struct err *err)
{
	struct user *user = &work->after.user;
	bool given =
		work->is_create ? work->plan.key_given : work_changes(work, "public_key");
	work->plan.new_key = work->is_create || user->revoke;
	if (!work->plan.new_key) {
		return 0;
	}
	user->own_key = given;
	if (given) {
		return 0;
	}
	if (new_key_make(work->service, &work->identity, "users", "public_key",
		    user->head.id, NKEY_USER, err) != 0) {
		return -1;
	}
	user->public_key = work->identity.seed.public_key;
	return 0;
}

static int
settle_scope(struct work *work, struct err *err)
{
	char id[RAND_ID_SIZE];
	if (!work->signing.wanted) {
		return 0;
	}
	rand_id(work->service->clock, id);
	return new_key_make(work->service, &work->signing, "signing_keys", "public_key",
		id, NKEY_ACCOUNT, err);
}

/* ---- does the change take something away? ---- */

/* Compares what both rows let the user do. In doubt the change narrows. */
static int
limits_narrow(const struct work *work, const struct user_sources *sources, bool *out,
	struct err *err)
{
	struct jwt_user_limits before = { 0 };
	struct jwt_user_limits after = { 0 };
	struct err why = { 0 };
	int rc = -1;
	*out = true;
	if (mint_user_limits(&work->before.user, &sources->role, &sources->account,
		    &before, &why) != 0) {
		rc = why.code == ERR_NOMEM ? err_nomem(err) : 0;
		goto out;
	}
	if (mint_user_limits(&work->after.user, &sources->role, &sources->account, &after,
		    err) != 0) {
		goto out;
	}
	*out = mint_scope_narrows(&before, &after);
	rc = 0;
out:
	jwt_user_limits_release(&before);
	jwt_user_limits_release(&after);
	return rc;
}

/* Names and tags that feed the templates of its role. */
static bool
changes_feeds(const struct work *work, const struct role *role)
{
	unsigned feeds = role_feeds(role);
	return ((feeds & TEMPLATE_NAME) != 0 && work_changes(work, "nats_username")) ||
		((feeds & TEMPLATE_TAG) != 0 && work_changes(work, "tags"));
}

static bool
has(const struct strlist *list, const char *entry)
{
	for (size_t i = 0; i < list->len; i++) {
		if (str_equal(list->items[i], entry)) {
			return true;
		}
	}
	return false;
}

static bool
has_more(const struct strlist *after, const struct strlist *before)
{
	for (size_t i = 0; i < after->len; i++) {
		if (!has(before, after->items[i])) {
			return true;
		}
	}
	return false;
}

static bool
sets_limit(int64_t before, int64_t after)
{
	return before == FIELD_NULL_INT && after >= 0;
}

/* Does the user get bounds of its own? The role may have the same ones today; but a JWT
 * from before the user had overrides follows the role, and would outgrow the user's
 * bounds with it. */
static bool
is_bound_anew(const struct user *before, const struct user *after)
{
	return has_more(&after->publish_deny_permissions,
		       &before->publish_deny_permissions) ||
		has_more(&after->subscribe_deny_permissions,
			&before->subscribe_deny_permissions) ||
		sets_limit(before->max_subscriptions, after->max_subscriptions) ||
		sets_limit(before->max_payload, after->max_payload) ||
		(before->connection_types.items == NULL &&
			after->connection_types.len > 0) ||
		(before->networks.items == NULL && after->networks.len > 0) ||
		(before->time_windows == NULL && after->time_windows != NULL) ||
		(!before->proxy_required && after->proxy_required);
}

static int
narrows(const struct work *work, const struct user_sources *sources, int64_t exp,
	bool *out, struct err *err)
{
	const struct user *before = &work->before.user;
	const struct user *after = &work->after.user;
	/* A JWT that says all itself does not follow the role: none may stay when the
	 * user has nothing of its own any more, as no change of the role would find it.
	 * A default lifetime that changed since holds for what is issued from now on.
	 */
	if ((before->overrides && !after->overrides) || is_bound_anew(before, after) ||
		changes_feeds(work, &sources->role) ||
		(work_changes(work, "jwt_expires_at") &&
			user_may_hold_until(before) > user_until(exp))) {
		*out = true;
		return 0;
	}
	if (!before->overrides && !after->overrides) {
		*out = false;
		return 0;
	}
	return limits_narrow(work, sources, out, err);
}

static int
settle_cause(struct work *work, const struct user_sources *sources, int64_t exp,
	struct err *err)
{
	struct user_plan *plan = &work->plan;
	const struct user *user = &work->after.user;
	plan->revokes = true;
	if (user->revoke) {
		plan->cause = STORE_REVOKED_REVOKE;
	} else if (user_moves(work)) {
		plan->cause = STORE_REVOKED_MOVE;
	} else if (user->regenerate) {
		plan->cause = STORE_REVOKED_REGENERATE;
	} else {
		plan->cause = STORE_REVOKED_NARROW;
		return narrows(work, sources, exp, &plan->revokes, err);
	}
	return 0;
}

/* ---- times ---- */

/* Read once: a second that passes before the write must not refuse the new JWT too. */
static int
settle_update(struct work *work, const struct user_sources *sources, struct err *err)
{
	struct user *user = &work->after.user;
	struct user_plan *plan = &work->plan;
	int64_t now = clock_wall_s(work->service->clock);
	int64_t old = user_iat(&work->before.user, plan->premises.all_at);
	int64_t lifetime = user_lifetime(work->service, sources->role.default_lifetime);

	/* later than what left */
	user->iat = later_of(now, user->issued_at == 0 ? old : old + 1);
	user->exp = user_exp(user, user->iat, lifetime);
	if (settle_cause(work, sources, user->exp, err) != 0) {
		return -1;
	}
	if (plan->revokes) {
		plan->revoked_at = later_of(now, old);
		user->iat = later_of(plan->revoked_at, sources->key_at) + 1;
		user->exp = user_exp(user, user->iat, lifetime);
		user->issued_at = 0;
		user->issued_until = 0;
		user->issued_set = 0;
		user->unknown_set = 0;
		user->superseded = 0;
	} else if (user->issued_at != 0 &&
		(work_changes(work, "nats_username") || work_changes(work, "tags"))) {
		user->superseded = later_of(user->superseded, old);
	}
	return 0;
}

static void
settle_create(struct work *work, const struct user_sources *sources)
{
	struct user *user = &work->after.user;
	user->iat = later_of(clock_wall_s(work->service->clock), sources->key_at + 1);
	user->exp = user_exp(user, user->iat,
		user_lifetime(work->service, sources->role.default_lifetime));
}

/* What a server would not take, or not hold, is refused before it is written. */
static int
check_jwt(const struct work *work, const struct user_sources *sources, struct err *err)
{
	size_t bytes = 0;
	const struct user *user = &work->after.user;
	struct mint_user mint = {
		.user = user,
		.account_key = sources->account.public_key,
		.role = user->overrides ? &sources->role : NULL,
		.account = &sources->account,
	};
	if (mint_user_check(&mint, &bytes, err) != 0) {
		return -1;
	}
	return bytes > LIMIT_USER_JWT_BYTES ? user_jwt_too_large(ERR_INVALID, bytes, err)
					    : 0;
}

/* Only what has no effect on the JWT: a permission list that goes from null to empty. */
static bool
says_the_same(const struct work *work)
{
	static const char *const rest[] = { "account_id", "role_id", "nats_username",
		"tags", "public_key", "jwt_expires_at", "regenerate", "revoke", NULL };
	return !work->is_create && !work->before.user.overrides &&
		!work->after.user.overrides && !work_changes_any(work, rest);
}

int
user_settle(struct work *work, const struct user_sources *sources, struct err *err)
{
	struct user *user = &work->after.user;
	user->overrides = user_has_overrides(user);
	if (says_the_same(work)) {
		return 0;
	}
	if (settle_key(work, err) != 0) {
		return -1;
	}
	if (work->is_create) {
		settle_create(work, sources);
	} else if (settle_update(work, sources, err) != 0) {
		return -1;
	}
	work->remade = true;
	if (check_jwt(work, sources, err) != 0) {
		return -1;
	}
	return settle_scope(work, err);
}
