/* SPDX-License-Identifier: Apache-2.0 */
#include "service/user_work.h"

static bool
is_touched(const struct work *work, const char *field)
{
	return work->is_create || work_changes(work, field);
}

static void
check_key(struct work *work)
{
	const struct user *user = &work->after.user;
	if (work->is_create) {
		if (user->revoke || user->regenerate) {
			violations_add(work->violations,
				user->revoke ? "revoke" : "regenerate", VIOLATION_VALUE,
				"A user that is new has nothing to take back.");
		}
	} else if (work_changes(work, "public_key") && !user->revoke) {
		violations_add(work->violations, "public_key", VIOLATION_VALUE,
			"It changes only with \"revoke\": true, which takes the old one "
			"back.");
	} else if (user->revoke && work->before.user.own_key &&
		!work_changes(work, "public_key")) {
		violations_add(work->violations, "public_key", VIOLATION_REQUIRED,
			"This user brought its own key: send the new public_key with "
			"\"revoke\".");
	}
}

static void
check_times(struct work *work)
{
	const struct user *user = &work->after.user;
	int64_t now = clock_wall_s(work->service->clock);
	if (is_touched(work, "jwt_expires_at") && user->jwt_expires_at != 0 &&
		user->jwt_expires_at / 1000 <= now) {
		violations_add(work->violations, "jwt_expires_at", VIOLATION_DATE,
			"Must be in the future. To end the user's access now, set "
			"\"active\" to false.");
	}
	if (user->times_location[0] != '\0' && user->time_windows == NULL) {
		violations_add(work->violations, "times_location", VIOLATION_VALUE,
			"It belongs to time_windows, and the user has none of its own.");
	}
}

static void
check_bearer(struct work *work, const struct user_sources *sources)
{
	const struct user *user = &work->after.user;
	bool touched = is_touched(work, "bearer_token") || user_moves(work);
	if (touched && sources->account.disallow_bearer &&
		(user->bearer_token || sources->role.bearer_token)) {
		violations_add(work->violations,
			user->bearer_token ? "bearer_token" : "role_id", VIOLATION_VALUE,
			"The account disallows bearer tokens.");
	}
}

void
user_rules_check(struct work *work, const struct user_sources *sources)
{
	check_key(work);
	check_times(work);
	check_bearer(work, sources);
}
