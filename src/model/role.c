/* SPDX-License-Identifier: Apache-2.0 */
#include "model/role.h"

#include "base/str.h"
#include "model/check.h"
#include "model/limits.h"
#include "model/template.h"

#define ROLE(member) ((int)offsetof(struct role, member))

#define ROLE_LIST(column_name, most, check_function, more_flags) \
	{ \
		.name = #column_name, .type = FIELD_LIST, .column = #column_name, \
		.flags = (more_flags), .max = (most), .check = (check_function), \
		.offset = ROLE(column_name) \
	}

#define ROLE_INT(column_name, least, most) \
	{ \
		.name = #column_name, .type = FIELD_INT, .column = #column_name, \
		.min = (least), .max = (most), .offset = ROLE(column_name) \
	}

static const struct field fields[] = {
	{ .name = "id",
		.type = FIELD_ID,
		.column = "id",
		.flags = FIELD_IMMUTABLE,
		.offset = ROLE(head.id) },
	{ .name = "name",
		.type = FIELD_TEXT,
		.column = "name",
		.flags = FIELD_REQUIRED | FIELD_UNIQUE,
		.max = LIMIT_NAME_CHARS,
		.offset = ROLE(name) },
	{ .name = "description",
		.type = FIELD_TEXT,
		.column = "description",
		.flags = FIELD_MULTILINE,
		.max = LIMIT_DESCRIPTION_CHARS,
		.offset = ROLE(description) },
	{ .name = "is_default",
		.type = FIELD_BOOL,
		.column = "is_default",
		.flags = FIELD_UNIQUE,
		.offset = ROLE(is_default) },
	ROLE_LIST(publish_permissions, LIMIT_SUBJECTS, check_publish_template,
		FIELD_SUBJECT),
	ROLE_LIST(subscribe_permissions, LIMIT_SUBJECTS, check_subscribe_template,
		FIELD_SUBJECT),
	ROLE_LIST(publish_deny_permissions, LIMIT_SUBJECTS, check_publish_template,
		FIELD_SUBJECT),
	ROLE_LIST(subscribe_deny_permissions, LIMIT_SUBJECTS, check_subscribe_template,
		FIELD_SUBJECT),
	{ .name = "allow_response",
		.type = FIELD_BOOL,
		.column = "allow_response",
		.offset = ROLE(allow_response) },
	ROLE_INT(allow_response_max, -1, LIMIT_INT32_MAX),
	ROLE_INT(allow_response_ttl, 0, LIMIT_RESPONSE_TTL_SECONDS),
	ROLE_INT(max_subscriptions, -1, LIMIT_INT32_MAX),
	ROLE_INT(max_data, -1, LIMIT_SAFE_INT),
	ROLE_INT(max_payload, -1, LIMIT_INT32_MAX),
	ROLE_LIST(connection_types, LIMIT_ENTRIES, check_connection_type, 0),
	ROLE_LIST(networks, LIMIT_ENTRIES, check_network, 0),
	{ .name = "time_windows",
		.type = FIELD_CLAIM,
		.column = "time_windows",
		.claim = CLAIM_TIMES,
		.offset = ROLE(time_windows) },
	{ .name = "times_location",
		.type = FIELD_TEXT,
		.column = "times_location",
		.max = LIMIT_NAME_CHARS,
		.check = check_location,
		.offset = ROLE(times_location) },
	{ .name = "bearer_token",
		.type = FIELD_BOOL,
		.column = "bearer_token",
		.offset = ROLE(bearer_token) },
	{ .name = "proxy_required",
		.type = FIELD_BOOL,
		.column = "proxy_required",
		.offset = ROLE(proxy_required) },
	ROLE_INT(default_lifetime, 0, LIMIT_LIFETIME_SECONDS),
	{ .name = "feeds",
		.type = FIELD_INT,
		.column = "feeds",
		.flags = FIELD_INTERNAL | FIELD_READ_ONLY,
		.offset = ROLE(feeds) },
	{ .name = "created",
		.type = FIELD_DATE,
		.column = "created",
		.flags = FIELD_READ_ONLY,
		.offset = ROLE(head.created) },
	{ .name = "updated",
		.type = FIELD_DATE,
		.column = "updated",
		.flags = FIELD_READ_ONLY,
		.offset = ROLE(head.updated) },
};

static const char *const passed_over[] = { NULL };

const struct collection role_collection = {
	.kind = COLLECTION_ROLES,
	.name = "nats_roles",
	.id = "pbc_3780300774",
	.noun = "role",
	.table = "roles",
	.joins = "",
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(fields[0]),
	.passed_over = passed_over,
	.row_size = sizeof(struct role),
};

int
role_init(void *row, struct err *err)
{
	struct role *role = row;
	*role = (struct role){
		.name = str_dup(""),
		.description = str_dup(""),
		.time_windows = str_dup("[]"),
		.times_location = str_dup(""),
		.max_subscriptions = -1,
		.max_data = -1,
		.max_payload = -1,
	};
	/* Lists that a creation leaves out: pb-nats's defaults. They are stored, so they
	 * can be seen. */
	if (role->name == NULL || role->description == NULL ||
		role->time_windows == NULL || role->times_location == NULL ||
		strlist_add(&role->publish_permissions, ">", err) != 0 ||
		strlist_add(&role->subscribe_permissions, ">", err) != 0 ||
		strlist_add(&role->subscribe_permissions, "_INBOX.>", err) != 0) {
		record_release(&role_collection, role);
		return err_nomem(err);
	}
	return 0;
}

static const struct {
	const char *name;
	int offset;
	bool deny;
} lists[ROLE_LISTS] = {
	{ "publish_permissions", ROLE(publish_permissions), false },
	{ "subscribe_permissions", ROLE(subscribe_permissions), false },
	{ "publish_deny_permissions", ROLE(publish_deny_permissions), true },
	{ "subscribe_deny_permissions", ROLE(subscribe_deny_permissions), true },
};

struct role_list
role_list(const struct role *role, size_t index)
{
	const char *row = (const char *)role;
	return (struct role_list){
		.name = lists[index].name,
		.entries =
			(const struct strlist *)(const void *)(row + lists[index].offset),
		.deny = lists[index].deny,
	};
}

/* Servers 2.10 fill in only templates that are whole tokens, and take others literally:
 * harmless in what is allowed, as nothing is then, but nothing is denied either. */
static void
check_denied_templates(const struct role_list *list, struct violations *violations)
{
	for (size_t i = 0; i < list->entries->len; i++) {
		if (!template_is_whole_tokens(list->entries->items[i])) {
			violations_add(violations, list->name, VIOLATION_SUBJECT,
				"Entry %zu: a template that is denied must be a whole "
				"token between dots: servers 2.10 would deny nothing.",
				i);
		}
	}
}

static void
check_repeated_tags(const struct role_list *list, struct violations *violations)
{
	for (size_t i = 0; i < list->entries->len; i++) {
		if (template_repeats_tag(list->entries->items[i])) {
			violations_add(violations, list->name, VIOLATION_SUBJECT,
				"Entry %zu: a tag may be in it once: servers 2.10 would "
				"combine its values.",
				i);
		}
	}
}

void
role_check(const struct role *role, struct violations *violations)
{
	for (size_t i = 0; i < ROLE_LISTS; i++) {
		struct role_list list = role_list(role, i);
		struct err why = { 0 };
		if (template_check_list(list.entries, &why) != 0) {
			violations_add(violations, list.name, VIOLATION_SUBJECT,
				"Not usable: %s.", why.msg);
		}
		if (list.deny) {
			check_denied_templates(&list, violations);
		}
		check_repeated_tags(&list, violations);
	}
}

unsigned
role_feeds(const struct role *role)
{
	unsigned feeds = 0;
	for (size_t i = 0; i < ROLE_LISTS; i++) {
		feeds |= template_feeds(role_list(role, i).entries);
	}
	return feeds;
}
