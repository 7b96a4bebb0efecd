/* SPDX-License-Identifier: Apache-2.0 */
#include "service/role_rules.h"

#include "base/buf.h"
#include "base/emit.h"
#include "base/str.h"
#include "mint/scope.h"
#include "model/limits.h"
#include "model/template.h"
#include "store/record.h"
#include "store/role_users.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	FEEDS_TAGS = (int)TEMPLATE_TAG | (int)TEMPLATE_ACCOUNT_TAG,
	FEEDS_ACCOUNT = (int)TEMPLATE_ACCOUNT_NAME | (int)TEMPLATE_ACCOUNT_TAG,
	NAME_SHOWN = 40, /* bytes of a name in a message */
	BESIDE_LISTS_BYTES = 800 /* of a user's JWT as JSON, beside lists and texts */
};

#define SAFE_TEXT "must be of A-Z, a-z, 0-9, _ and -"

static bool
reads(const struct role *role, int feeds)
{
	return (role->feeds & feeds) != 0;
}

/* The first list that reads any of these. */
static const char *
list_that_reads(const struct role *role, unsigned feeds)
{
	for (size_t i = 0; i < ROLE_LISTS; i++) {
		struct role_list list = role_list(role, i);
		if ((template_feeds(list.entries) & feeds) != 0) {
			return list.name;
		}
	}
	return "publish_permissions";
}

/* The list that takes most of a JWT. */
static const char *
longest_list(const struct role *role)
{
	const char *name = "";
	size_t most = 0;
	for (size_t i = 0; i < ROLE_LISTS; i++) {
		struct role_list list = role_list(role, i);
		size_t bytes = 1;
		for (size_t k = 0; k < list.entries->len; k++) {
			bytes += strlen(list.entries->items[k]);
		}
		if (bytes > most) {
			name = list.name;
			most = bytes;
		}
	}
	return name;
}

/* ---- of one user ---- */

/* Public keys are safe whatever they are, and count as one. */
static const char any_key[] = "KEY";

/* Tries to fill in the lists that read tags. 1 all can be, 0 not: *out_list is the first
 * that cannot, and why. */
static int
try_tags(const struct role *role, const struct template_values *values,
	struct role_list *out_list, struct err *why)
{
	for (size_t i = 0; i < ROLE_LISTS; i++) {
		struct role_list list = role_list(role, i);
		struct strlist filled = { 0 };
		if ((template_feeds(list.entries) & FEEDS_TAGS) == 0) {
			continue;
		}
		int rc = template_expand(list.entries, list.deny, values, &filled, why);
		strlist_release(&filled);
		if (rc != 0) {
			*out_list = list;
			return why->code == ERR_INVALID ? 0 : -1;
		}
	}
	return 1;
}

/* Whose tags are at fault: the user's, unless the role reads only its account's. */
static const char *
field_at_fault(const struct role_list *list)
{
	return (template_feeds(list->entries) & TEMPLATE_TAG) != 0 ? "tags"
								   : "account_id";
}

static int
check_user(const struct role *role, const struct account *account,
	const struct user *user, struct violations *violations, struct err *err)
{
	struct err why = { 0 };
	struct role_list list = { 0 };
	struct template_values values = {
		.name = user->nats_username,
		.subject = any_key,
		.account_name = account->name,
		.account_subject = any_key,
		.tags = &user->tags,
		.account_tags = &account->tags,
	};
	if (reads(role, TEMPLATE_NAME) && !template_text_is_safe(user->nats_username)) {
		violations_add(violations, "nats_username", VIOLATION_VALUE,
			"It feeds {{name()}} of the role, and so " SAFE_TEXT ".");
		return 0;
	}
	if (reads(role, TEMPLATE_ACCOUNT_NAME) && !template_text_is_safe(account->name)) {
		violations_add(violations, "account_id", VIOLATION_VALUE,
			"The account's name feeds {{account-name()}} of the role, and "
			"so " SAFE_TEXT ". Rename the account first.");
		return 0;
	}
	int rc = try_tags(role, &values, &list, &why);
	if (rc < 0) {
		*err = why;
		return -1;
	}
	if (rc == 0) {
		violations_add(violations, field_at_fault(&list), VIOLATION_VALUE,
			"The role needs others: %s.", why.msg);
	}
	return 0;
}

int
role_rules_check_user(struct store_conn *conn, const struct user *user,
	struct violations *violations, struct err *err)
{
	struct role role = { 0 };
	struct account account = { 0 };
	int rc = store_record_get(conn, &role_collection, user->role_id, &role, err);
	if (rc == 0 && role.feeds != 0) {
		rc = store_record_get(
			conn, &account_collection, user->account_id, &account, err);
		if (rc == 0) {
			rc = check_user(&role, &account, user, violations, err);
		}
	}
	record_release(&account_collection, &account);
	record_release(&role_collection, &role);
	if (rc != 0) {
		return -1;
	}
	return violations_check(violations, err);
}

/* ---- of an account ---- */

struct account_check {
	struct store_conn *conn;
	const struct account *account;
	int64_t since;
	struct violations *violations;
};

struct tags_check {
	const struct role *role;
	const struct strlist *account_tags; /* NULL: those of the row */
	struct violations *violations;
	const char *field; /* to name; NULL: the list */
};

static int
check_tags_of(void *ctx, const struct store_role_user *user, struct err *err)
{
	const struct tags_check *check = ctx;
	struct err why = { 0 };
	struct role_list list = { 0 };
	char name[NAME_SHOWN];
	struct template_values values = {
		.name = user->name,
		.subject = any_key,
		.account_name = user->account_name,
		.account_subject = any_key,
		.tags = &user->tags,
		.account_tags = check->account_tags != NULL ? check->account_tags
							    : &user->account_tags,
	};
	if (check->violations->len > 0) {
		return 0; /* the first is enough */
	}
	int rc = try_tags(check->role, &values, &list, &why);
	if (rc < 0) {
		*err = why;
		return -1;
	}
	if (rc == 0) {
		str_fmt_cut(name, sizeof(name), "%s", user->name);
		violations_add(check->violations,
			check->field != NULL ? check->field : list.name, VIOLATION_VALUE,
			"Change user \"%s\" first: %s.", name, why.msg);
	}
	return 0;
}

/* What the account's tags are missing is missing for each of its users; what they are too
 * many for depends on the user's own. */
static int
check_account_role(void *ctx, const struct role *role, struct err *err)
{
	const struct account_check *check = ctx;
	char name[NAME_SHOWN];
	str_fmt_cut(name, sizeof(name), "%s", role->name);
	if (reads(role, TEMPLATE_ACCOUNT_NAME) &&
		!template_text_is_safe(check->account->name)) {
		violations_add(check->violations, "name", VIOLATION_VALUE,
			"It feeds {{account-name()}} of role \"%s\", and so " SAFE_TEXT
			".",
			name);
		return 0;
	}
	if (!reads(role, TEMPLATE_ACCOUNT_TAG)) {
		return 0;
	}
	struct tags_check tags = {
		.role = role,
		.account_tags = &check->account->tags,
		.violations = check->violations,
		.field = "tags",
	};
	struct store_role_users which = {
		.role = role->head.seq,
		.account = check->account->head.seq,
		.since = check->since,
		/* where users feed nothing, what holds for one holds for a million */
		.any_one = !reads(role, TEMPLATE_TAG),
	};
	return store_role_each_user(check->conn, &which, check_tags_of, &tags, err);
}

int
role_rules_check_account(struct store_conn *conn, const struct account *account,
	int64_t since, struct violations *violations, struct err *err)
{
	struct account_check check = {
		.conn = conn, .account = account, .since = since, .violations = violations
	};
	if (store_role_fed_by_account(
		    conn, account->head.seq, check_account_role, &check, err) != 0) {
		return -1;
	}
	return violations_check(violations, err);
}

/* ---- of a role ---- */

static int
check_user_names(struct store_conn *conn, const struct role *role,
	struct violations *violations, struct err *err)
{
	char *name = NULL;
	if (!reads(role, TEMPLATE_NAME)) {
		return 0;
	}
	int rc = store_role_unsafe_user(conn, role->head.seq, &name, err);
	if (rc > 0) {
		violations_add(violations, list_that_reads(role, TEMPLATE_NAME),
			VIOLATION_VALUE,
			"{{name()}}: names " SAFE_TEXT
			". Rename a user of the role first, or use {{subject()}}: "
			"\"%s\".",
			name);
	}
	free(name);
	return rc < 0 ? -1 : 0;
}

static int
check_account_names(struct store_conn *conn, const struct role *role,
	struct violations *violations, struct err *err)
{
	char *name = NULL;
	if (!reads(role, TEMPLATE_ACCOUNT_NAME)) {
		return 0;
	}
	int rc = store_role_unsafe_account(conn, role->head.seq, &name, err);
	if (rc > 0) {
		violations_add(violations, list_that_reads(role, TEMPLATE_ACCOUNT_NAME),
			VIOLATION_VALUE,
			"{{account-name()}}: names " SAFE_TEXT
			". Rename this account first, or use {{account-subject()}}: "
			"\"%s\".",
			name);
	}
	free(name);
	return rc < 0 ? -1 : 0;
}

int
role_rules_check_names(struct store_conn *conn, const struct role *role,
	struct violations *violations, struct err *err)
{
	if (check_user_names(conn, role, violations, err) != 0 ||
		check_account_names(conn, role, violations, err) != 0) {
		return -1;
	}
	return violations_check(violations, err);
}

struct size_check {
	const struct role *role;
	struct violations *violations;
};

static int
user_bytes(const struct role *role, const struct store_role_override *item,
	int64_t *out_bytes, struct err *err)
{
	char key[NKEY_TEXT_SIZE];
	char account_key[NKEY_TEXT_SIZE];
	struct template_values values = {
		.name = item->user->nats_username,
		.subject = key,
		.account_name = item->account_name,
		.account_subject = account_key,
		.tags = &item->user->tags,
		.account_tags = &item->account_tags,
	};
	nkey_text_encode(NKEY_USER, &item->user->public_key, key);
	nkey_text_encode(NKEY_ACCOUNT, &item->account_key, account_key);
	return mint_scope_user_bytes(role, item->user, &values, out_bytes, err);
}

static int
check_size_of(void *ctx, const struct store_role_override *item, struct err *err)
{
	const struct size_check *check = ctx;
	int64_t bytes = 0;
	char name[NAME_SHOWN];
	if (check->violations->len > 0) {
		return 0;
	}
	if (user_bytes(check->role, item, &bytes, err) != 0) {
		return -1;
	}
	if (bytes > LIMIT_USER_JWT_BYTES) {
		str_fmt_cut(name, sizeof(name), "%s", item->user->nats_username);
		violations_add(check->violations, longest_list(check->role),
			VIOLATION_VALUE,
			"The JWT of user \"%s\", who has permissions of its own, would "
			"be %" PRId64 " bytes, of %d. Give it a role of its own.",
			name, bytes, LIMIT_USER_JWT_BYTES);
	}
	return 0;
}

int
role_rules_scope_bytes(const struct role *role, int64_t *out_bytes, struct err *err)
{
	struct buf json;
	struct emit emit;
	buf_init(&json, SIZE_MAX / 2);
	emit_init(&emit, &json);
	emit_array_begin(&emit);
	for (size_t i = 0; i < ROLE_LISTS; i++) {
		strlist_emit(role_list(role, i).entries, &emit);
	}
	strlist_emit(&role->networks, &emit);
	strlist_emit(&role->connection_types, &emit);
	emit_text(&emit, role->time_windows);
	emit_text(&emit, role->times_location);
	emit_array_end(&emit);
	int rc = buf_finish(&json, err);
	*out_bytes = (int64_t)json.len;
	buf_release(&json);
	return rc;
}

/* Only the JWTs that may be too large are made: those with templates, which make any
 * number of subjects, and those whose own part is large. */
static int
check_sizes(struct store_conn *conn, const struct role *role,
	const struct store_role_users *which, struct violations *violations,
	struct err *err)
{
	struct size_check check = { .role = role, .violations = violations };
	int64_t bytes = 0;
	if (role_rules_scope_bytes(role, &bytes, err) != 0) {
		return -1;
	}
	int64_t room = LIMIT_USER_JWT_BYTES / 4 * 3 - BESIDE_LISTS_BYTES - bytes;
	return store_role_each_override(
		conn, which, role->feeds != 0 ? -1 : room, check_size_of, &check, err);
}

int
role_rules_check_users(struct store_conn *conn, const struct role *role, int64_t since,
	struct violations *violations, struct err *err)
{
	struct store_role_users which = { .role = role->head.seq, .since = since };
	struct tags_check tags = { .role = role, .violations = violations };
	if (reads(role, FEEDS_TAGS) &&
		store_role_each_user(conn, &which, check_tags_of, &tags, err) != 0) {
		return -1;
	}
	if (violations_check(violations, err) != 0 ||
		check_sizes(conn, role, &which, violations, err) != 0) {
		return -1;
	}
	return violations_check(violations, err);
}
