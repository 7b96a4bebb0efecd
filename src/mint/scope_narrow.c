/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/scope.h"

#include "base/str.h"
#include "model/limits.h"
#include "model/network.h"
#include "model/subject.h"

#include <string.h>

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

/* ---- subjects ---- */

/* What the entry speaks of is spoken of by the list. A subject alone covers its queues; a
 * queue covers only itself. A template is one token like others: it is filled in with
 * one. */
static bool
is_covered(const char *entry, const struct strlist *list)
{
	char subject[LIMIT_ENTRY_BYTES + 1];
	str_fmt_cut(subject, sizeof(subject), "%.*s", (int)strcspn(entry, " "), entry);
	for (size_t i = 0; i < list->len; i++) {
		const char *other = list->items[i];
		if (str_equal(entry, other) ||
			(strchr(other, ' ') == NULL &&
				subject_contains(other, subject))) {
			return true;
		}
	}
	return false;
}

static bool
all_covered(const struct strlist *entries, const struct strlist *list)
{
	for (size_t i = 0; i < entries->len; i++) {
		if (!is_covered(entries->items[i], list)) {
			return false;
		}
	}
	return true;
}

/* Without an entry everything is allowed, unless `>` is denied. */
static bool
permission_narrows(
	const struct jwt_permission *before, const struct jwt_permission *after)
{
	if (has(&before->deny, ">")) {
		return false; /* there was nothing to lose */
	}
	if (!all_covered(&after->deny, &before->deny)) {
		return true;
	}
	if (after->allow.len == 0) {
		return false;
	}
	return before->allow.len == 0 ? !is_covered(">", &after->allow)
				      : !all_covered(&before->allow, &after->allow);
}

/* -1 is no limit. */
static bool
is_lower(int64_t after, int64_t before)
{
	return after >= 0 && (before < 0 || after < before);
}

/* How long 0 is, is the server's to say. */
static bool
responses_narrow(
	const struct jwt_permissions *before, const struct jwt_permissions *after)
{
	return before->has_resp &&
		(!after->has_resp || is_lower(after->resp_max, before->resp_max) ||
			after->resp_ttl_ns != before->resp_ttl_ns);
}

/* ---- from where, when and how ---- */

static bool
is_in_networks(const char *text, const struct strlist *networks)
{
	struct network inner;
	struct network outer;
	if (network_parse(text, &inner) != 0) {
		return false;
	}
	for (size_t i = 0; i < networks->len; i++) {
		if (network_parse(networks->items[i], &outer) == 0 &&
			network_contains(&outer, &inner)) {
			return true;
		}
	}
	return false;
}

/* An empty list is everything. */
static bool
list_narrows(const struct strlist *before, const struct strlist *after,
	bool (*is_in)(const char *entry, const struct strlist *list))
{
	if (after->len == 0) {
		return false;
	}
	for (size_t i = 0; i < before->len; i++) {
		if (!is_in(before->items[i], after)) {
			return true;
		}
	}
	return before->len == 0;
}

static bool
is_in_list(const char *entry, const struct strlist *list)
{
	return has(list, entry);
}

/* Both within a day. One that crosses midnight covers only itself. */
static bool
range_covers(const struct jwt_time_range *outer, const struct jwt_time_range *inner)
{
	if (str_equal(outer->start, inner->start) && str_equal(outer->end, inner->end)) {
		return true;
	}
	return strcmp(outer->start, outer->end) < 0 &&
		strcmp(inner->start, inner->end) < 0 &&
		strcmp(outer->start, inner->start) <= 0 &&
		strcmp(outer->end, inner->end) >= 0;
}

static bool
is_in_times(const struct jwt_time_range *range, const struct jwt_user_limits *limits)
{
	for (size_t i = 0; i < limits->times_len; i++) {
		if (range_covers(&limits->times[i], range)) {
			return true;
		}
	}
	return false;
}

static bool
times_narrow(const struct jwt_user_limits *before, const struct jwt_user_limits *after)
{
	const char *was = before->times_location != NULL ? before->times_location : "";
	const char *is = after->times_location != NULL ? after->times_location : "";
	if (after->times_len == 0) {
		return false;
	}
	if (before->times_len == 0 || !str_equal(was, is)) {
		return true;
	}
	for (size_t i = 0; i < before->times_len; i++) {
		if (!is_in_times(&before->times[i], after)) {
			return true;
		}
	}
	return false;
}

bool
mint_scope_narrows(
	const struct jwt_user_limits *before, const struct jwt_user_limits *after)
{
	return permission_narrows(&before->permissions.pub, &after->permissions.pub) ||
		permission_narrows(&before->permissions.sub, &after->permissions.sub) ||
		responses_narrow(&before->permissions, &after->permissions) ||
		is_lower(after->subs, before->subs) ||
		is_lower(after->payload, before->payload) ||
		list_narrows(&before->src, &after->src, is_in_networks) ||
		list_narrows(&before->allowed_connection_types,
			&after->allowed_connection_types, is_in_list) ||
		times_narrow(before, after) ||
		(before->bearer_token && !after->bearer_token) ||
		(!before->proxy_required && after->proxy_required);
}

int
mint_scope_role_narrows(const struct role *before, const struct role *after,
	bool *out_narrows, struct err *err)
{
	struct jwt_user_limits was = { 0 };
	struct jwt_user_limits is = { 0 };
	int rc = mint_scope(before, &was, err);
	if (rc == 0) {
		rc = mint_scope(after, &is, err);
	}
	if (rc == 0) {
		*out_narrows = mint_scope_narrows(&was, &is);
	}
	jwt_user_limits_release(&was);
	jwt_user_limits_release(&is);
	return rc;
}
