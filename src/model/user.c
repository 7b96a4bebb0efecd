/* SPDX-License-Identifier: Apache-2.0 */
#include "model/user.h"

#include "base/str.h"
#include "model/account.h"
#include "model/check.h"
#include "model/limits.h"
#include "model/template.h"
#include "model/role.h"

#define USER(member) ((int)offsetof(struct user, member))

#define USER_LIST(column_name, most, check_function, more_flags) \
	{ \
		.name = #column_name, .type = FIELD_LIST, .column = #column_name, \
		.flags = (more_flags), .max = (most), .check = (check_function), \
		.offset = USER(column_name) \
	}

#define USER_LIMIT(column_name, most) \
	{ \
		.name = #column_name, .type = FIELD_INT, .column = #column_name, \
		.flags = FIELD_NULLABLE, .min = -1, .max = (most), \
		.offset = USER(column_name) \
	}

#define USER_BOOL(column_name, more_flags) \
	{ \
		.name = #column_name, .type = FIELD_BOOL, .column = #column_name, \
		.flags = (more_flags), .offset = USER(column_name) \
	}

#define USER_STATE(column_name) \
	{ \
		.name = #column_name, .type = FIELD_INT, .column = #column_name, \
		.flags = FIELD_INTERNAL | FIELD_READ_ONLY, .offset = USER(column_name) \
	}

static const struct field fields[] = {
	{ .name = "id",
		.type = FIELD_ID,
		.column = "id",
		.flags = FIELD_IMMUTABLE,
		.offset = USER(head.id) },
	{ .name = "nats_username",
		.type = FIELD_TEXT,
		.column = "nats_username",
		.flags = FIELD_REQUIRED | FIELD_UNIQUE,
		.max = LIMIT_NAME_CHARS,
		.offset = USER(nats_username) },
	{ .name = "full_name",
		.type = FIELD_TEXT,
		.column = "full_name",
		.max = LIMIT_NAME_CHARS,
		.offset = USER(full_name) },
	{ .name = "description",
		.type = FIELD_TEXT,
		.column = "description",
		.flags = FIELD_MULTILINE,
		.max = LIMIT_DESCRIPTION_CHARS,
		.offset = USER(description) },
	{ .name = "account_id",
		.type = FIELD_RELATION,
		.column = "account",
		.flags = FIELD_REQUIRED,
		.relation = &account_collection,
		.offset = USER(account_id) },
	/* not required: the default role stands in */
	{ .name = "role_id",
		.type = FIELD_RELATION,
		.column = "role",
		.relation = &role_collection,
		.offset = USER(role_id) },
	{ .name = "public_key",
		.type = FIELD_KEY,
		.role = NKEY_USER,
		.column = "public_key",
		.flags = FIELD_UNIQUE,
		.offset = USER(public_key) },
	USER_BOOL(own_key, FIELD_READ_ONLY),
	{ .name = "active",
		.type = FIELD_BOOL,
		.column = "active",
		.offset = USER(active) },
	USER_LIST(publish_permissions, LIMIT_SUBJECTS, check_publish_entry,
		FIELD_NULLABLE | FIELD_SUBJECT),
	USER_LIST(subscribe_permissions, LIMIT_SUBJECTS, check_subscribe_entry,
		FIELD_NULLABLE | FIELD_SUBJECT),
	USER_LIST(publish_deny_permissions, LIMIT_SUBJECTS, check_publish_entry,
		FIELD_NULLABLE | FIELD_SUBJECT),
	USER_LIST(subscribe_deny_permissions, LIMIT_SUBJECTS, check_subscribe_entry,
		FIELD_NULLABLE | FIELD_SUBJECT),
	USER_LIMIT(max_subscriptions, LIMIT_INT32_MAX),
	USER_LIMIT(max_data, LIMIT_SAFE_INT),
	USER_LIMIT(max_payload, LIMIT_INT32_MAX),
	USER_LIST(connection_types, LIMIT_ENTRIES, check_connection_type, FIELD_NULLABLE),
	USER_LIST(networks, LIMIT_ENTRIES, check_network, FIELD_NULLABLE),
	{ .name = "time_windows",
		.type = FIELD_CLAIM,
		.column = "time_windows",
		.flags = FIELD_NULLABLE,
		.claim = CLAIM_TIMES,
		.offset = USER(time_windows) },
	{ .name = "times_location",
		.type = FIELD_TEXT,
		.column = "times_location",
		.max = LIMIT_NAME_CHARS,
		.check = check_location,
		.offset = USER(times_location) },
	USER_BOOL(bearer_token, 0),
	USER_BOOL(proxy_required, 0),
	USER_BOOL(overrides, FIELD_INTERNAL | FIELD_READ_ONLY),
	USER_LIST(tags, LIMIT_ENTRIES, template_check_tag, 0),
	{ .name = "jwt_expires_at",
		.type = FIELD_DATE,
		.column = "jwt_expires_at",
		.offset = USER(jwt_expires_at) },
	{ .name = "expires_at",
		.type = FIELD_DATE,
		.flags = FIELD_READ_ONLY,
		.read = "t.exp * 1000",
		.offset = FIELD_NO_OFFSET },
	{ .name = "regenerate",
		.type = FIELD_BOOL,
		.flags = FIELD_TRIGGER,
		.offset = USER(regenerate) },
	{ .name = "revoke",
		.type = FIELD_BOOL,
		.flags = FIELD_TRIGGER,
		.offset = USER(revoke) },
	{ .name = "issued_at",
		.type = FIELD_DATE,
		.column = "issued_at",
		.flags = FIELD_READ_ONLY,
		.offset = USER(issued_at) },
	{ .name = "email",
		.type = FIELD_EMAIL,
		.column = "email",
		.flags = FIELD_UNIQUE,
		.max = LIMIT_EMAIL_CHARS,
		.offset = USER(email) },
	{ .name = "emailVisibility",
		.type = FIELD_BOOL,
		.column = "email_visibility",
		.offset = USER(email_visibility) },
	{ .name = "verified",
		.type = FIELD_BOOL,
		.column = "verified",
		.offset = USER(verified) },
	{ .name = "password", .type = FIELD_PASSWORD, .offset = USER(password) },
	{ .name = "passwordConfirm",
		.type = FIELD_PASSWORD,
		.offset = USER(password_confirm) },
	{ .name = "password_hash",
		.type = FIELD_TEXT,
		.column = "password_hash",
		.flags = FIELD_INTERNAL | FIELD_READ_ONLY,
		.offset = USER(password_hash) },
	{ .name = "token_key",
		.type = FIELD_TEXT,
		.column = "token_key",
		.flags = FIELD_INTERNAL | FIELD_READ_ONLY,
		.offset = USER(token_key) },
	{ .name = "iat",
		.type = FIELD_INT,
		.column = "iat",
		.flags = FIELD_INTERNAL | FIELD_READ_ONLY,
		.offset = USER(iat) },
	USER_STATE(exp),
	USER_STATE(issued_until),
	USER_STATE(issued_set),
	USER_STATE(unknown_set),
	USER_STATE(superseded),
	{ .name = "jwt",
		.type = FIELD_TEXT,
		.flags = FIELD_READ_ONLY | FIELD_ON_DEMAND,
		.offset = FIELD_NO_OFFSET },
	{ .name = "creds_file",
		.type = FIELD_TEXT,
		.flags = FIELD_READ_ONLY | FIELD_ON_DEMAND,
		.offset = FIELD_NO_OFFSET },
	{ .name = "created",
		.type = FIELD_DATE,
		.column = "created",
		.flags = FIELD_READ_ONLY,
		.offset = USER(head.created) },
	{ .name = "updated",
		.type = FIELD_DATE,
		.column = "updated",
		.flags = FIELD_READ_ONLY,
		.offset = USER(head.updated) },
};

static const char *const passed_over[] = { "private_key", "seed", "tokenKey", NULL };

const struct collection user_collection = {
	.kind = COLLECTION_USERS,
	.name = "nats_users",
	.alias = "users",
	.id = "pbc_4097575383",
	.is_auth = true,
	.noun = "user",
	.table = "users",
	.joins = "",
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(fields[0]),
	.passed_over = passed_over,
	.row_size = sizeof(struct user),
};

int
user_init(void *row, struct err *err)
{
	struct user *user = row;
	*user = (struct user){
		.nats_username = str_dup(""),
		.full_name = str_dup(""),
		.description = str_dup(""),
		.email = str_dup(""),
		.times_location = str_dup(""),
		.max_subscriptions = FIELD_NULL_INT,
		.max_data = FIELD_NULL_INT,
		.max_payload = FIELD_NULL_INT,
		.active = true,
	};
	if (user->nats_username == NULL || user->full_name == NULL ||
		user->description == NULL || user->email == NULL ||
		user->times_location == NULL) {
		record_release(&user_collection, user);
		return err_nomem(err);
	}
	return 0;
}

bool
user_has_overrides(const struct user *user)
{
	return user->publish_permissions.len > 0 || user->subscribe_permissions.len > 0 ||
		user->publish_deny_permissions.len > 0 ||
		user->subscribe_deny_permissions.len > 0 ||
		user->max_subscriptions != FIELD_NULL_INT ||
		user->max_data != FIELD_NULL_INT || user->max_payload != FIELD_NULL_INT ||
		user->connection_types.items != NULL || user->networks.items != NULL ||
		user->time_windows != NULL || user->bearer_token || user->proxy_required;
}

int64_t
user_iat(const struct user *user, int64_t all_at)
{
	return user->iat > all_at ? user->iat : all_at + 1;
}

int64_t
user_exp(const struct user *user, int64_t iat, int64_t lifetime)
{
	if (user->jwt_expires_at != 0) {
		return user->jwt_expires_at / 1000;
	}
	return lifetime > 0 ? iat + lifetime : 0;
}

int64_t
user_until(int64_t exp)
{
	return exp == 0 ? USER_FOREVER : exp;
}

int64_t
user_may_hold_until(const struct user *user)
{
	return user->unknown_set != 0 ? USER_FOREVER : user->issued_until;
}

int64_t
user_may_hold_set(const struct user *user)
{
	return user->issued_set > user->unknown_set ? user->issued_set
						    : user->unknown_set;
}
