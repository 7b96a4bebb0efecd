/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/scope.h"

#include "base/str.h"
#include "jwt/encode.h"
#include "model/limits.h"

#include <stdlib.h>

/* The role's entries for this user, and the user's own. */
static int
unite(const struct strlist *role, const struct strlist *own, bool deny,
	const struct template_values *values, struct strlist *out, struct err *err)
{
	struct strlist united = { 0 };
	if (template_expand(role, deny, values, &united, err) != 0) {
		goto fail;
	}
	for (size_t i = 0; i < own->len; i++) {
		if (strlist_add(&united, own->items[i], err) != 0) {
			goto fail;
		}
	}
	strlist_release(out);
	*out = united;
	return 0;
fail:
	strlist_release(&united);
	return -1;
}

static int
unite_permissions(const struct role *role, const struct user *user,
	const struct template_values *values, struct role *out, struct err *err)
{
	if (unite(&role->publish_permissions, &user->publish_permissions, false, values,
		    &out->publish_permissions, err) != 0 ||
		unite(&role->subscribe_permissions, &user->subscribe_permissions, false,
			values, &out->subscribe_permissions, err) != 0 ||
		unite(&role->publish_deny_permissions, &user->publish_deny_permissions,
			true, values, &out->publish_deny_permissions, err) != 0) {
		return -1;
	}
	return unite(&role->subscribe_deny_permissions, &user->subscribe_deny_permissions,
		true, values, &out->subscribe_deny_permissions, err);
}

static int
replace_text(char **member, const char *text, struct err *err)
{
	char *copy = str_dup(text);
	if (copy == NULL) {
		return err_nomem(err);
	}
	free(*member);
	*member = copy;
	return 0;
}

static int
replace_list(struct strlist *member, const struct strlist *own, struct err *err)
{
	if (own->items == NULL) {
		return 0;
	}
	strlist_release(member);
	return strlist_copy(own, member, err);
}

static int64_t
either(int64_t own, int64_t role)
{
	return own != FIELD_NULL_INT ? own : role;
}

static int
replace_others(const struct user *user, struct role *out, struct err *err)
{
	out->max_subscriptions = either(user->max_subscriptions, out->max_subscriptions);
	out->max_data = either(user->max_data, out->max_data);
	out->max_payload = either(user->max_payload, out->max_payload);
	out->bearer_token = out->bearer_token || user->bearer_token;
	out->proxy_required = out->proxy_required || user->proxy_required;
	if (replace_list(&out->connection_types, &user->connection_types, err) != 0 ||
		replace_list(&out->networks, &user->networks, err) != 0) {
		return -1;
	}
	if (user->time_windows == NULL) {
		return 0;
	}
	if (replace_text(&out->time_windows, user->time_windows, err) != 0) {
		return -1;
	}
	return replace_text(&out->times_location, user->times_location, err);
}

int
mint_scope_of_user(const struct role *role, const struct user *user,
	const struct template_values *values, struct jwt_user_limits *out,
	struct err *err)
{
	struct role own = { 0 };
	int rc = record_copy(&role_collection, role, &own, err);
	if (rc == 0) {
		rc = unite_permissions(role, user, values, &own, err);
	}
	if (rc == 0) {
		rc = replace_others(user, &own, err);
	}
	if (rc == 0) {
		rc = mint_scope(&own, out, err);
	}
	record_release(&role_collection, &own);
	return rc;
}

/* Beside the body: header, signature and dots, and as JSON, before base64 makes four
 * bytes of three, the claims that every JWT has, with its two keys and the hash, and the
 * account's key. */
enum { AROUND_BYTES = 150, COMMON_BYTES = 330 };

static void
put_text(struct buf *out, const char *text)
{
	struct emit emit;
	emit_init(&emit, out);
	emit_text(&emit, text);
}

static int
count_bytes(const struct user *user, const struct jwt_user_limits *limits,
	int64_t *out_bytes, struct err *err)
{
	/* borrows all that it says, so it is not released */
	struct jwt_claims claims = { .type = JWT_USER };
	struct buf body;
	buf_init(&body, LIMIT_ACCOUNT_JWT_BYTES);
	claims.as.user.limits = *limits;
	claims.as.user.tags = user->tags;
	int rc = jwt_encode_body(&claims, &body, err);
	if (rc == 0) {
		put_text(&body, user->nats_username);
		rc = buf_finish(&body, err);
	}
	if (rc == 0) {
		*out_bytes = AROUND_BYTES + ((int64_t)body.len + COMMON_BYTES) * 4 / 3;
	}
	buf_release(&body);
	return rc;
}

int
mint_scope_user_bytes(const struct role *role, const struct user *user,
	const struct template_values *values, int64_t *out_bytes, struct err *err)
{
	struct jwt_user_limits limits;
	if (mint_scope_of_user(role, user, values, &limits, err) != 0) {
		return -1;
	}
	int rc = count_bytes(user, &limits, out_bytes, err);
	jwt_user_limits_release(&limits);
	return rc;
}
