/* SPDX-License-Identifier: Apache-2.0 */
#include "model/superuser.h"

#include "base/str.h"
#include "model/limits.h"

#include <string.h>

#define SUPERUSER(member) ((int)offsetof(struct superuser, member))

static const struct field fields[] = {
	{ .name = "id",
		.type = FIELD_ID,
		.column = "id",
		.flags = FIELD_IMMUTABLE,
		.offset = SUPERUSER(head.id) },
	{ .name = "email",
		.type = FIELD_EMAIL,
		.column = "email",
		.flags = FIELD_REQUIRED | FIELD_UNIQUE,
		.max = LIMIT_EMAIL_CHARS,
		.offset = SUPERUSER(email) },
	{ .name = "emailVisibility",
		.type = FIELD_BOOL,
		.column = "email_visibility",
		.offset = SUPERUSER(email_visibility) },
	{ .name = "verified",
		.type = FIELD_BOOL,
		.flags = FIELD_READ_ONLY,
		.read = "1",
		.offset = FIELD_NO_OFFSET },
	{ .name = "password", .type = FIELD_PASSWORD, .offset = SUPERUSER(password) },
	{ .name = "passwordConfirm",
		.type = FIELD_PASSWORD,
		.offset = SUPERUSER(password_confirm) },
	{ .name = "password_hash",
		.type = FIELD_TEXT,
		.column = "password_hash",
		.flags = FIELD_INTERNAL | FIELD_READ_ONLY,
		.offset = SUPERUSER(password_hash) },
	{ .name = "token_key",
		.type = FIELD_TEXT,
		.column = "token_key",
		.flags = FIELD_INTERNAL | FIELD_READ_ONLY,
		.offset = SUPERUSER(token_key) },
	{ .name = "created",
		.type = FIELD_DATE,
		.column = "created",
		.flags = FIELD_READ_ONLY,
		.offset = SUPERUSER(head.created) },
	{ .name = "updated",
		.type = FIELD_DATE,
		.column = "updated",
		.flags = FIELD_READ_ONLY,
		.offset = SUPERUSER(head.updated) },
};

static const char *const passed_over[] = { "tokenKey", NULL };

const struct collection superuser_collection = {
	.kind = COLLECTION_SUPERUSERS,
	.name = "_superusers",
	.id = "pbc_3142635823",
	.is_auth = true,
	.noun = "superuser",
	.table = "superusers",
	.joins = "",
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(fields[0]),
	.passed_over = passed_over,
	.row_size = sizeof(struct superuser),
};

int
superuser_init(void *row, struct err *err)
{
	struct superuser *superuser = row;
	*superuser = (struct superuser){ .email = str_dup("") };
	return superuser->email == NULL ? err_nomem(err) : 0;
}

void
password_validate(
	const char *password, const char *confirm, struct violations *violations)
{
	size_t len = strlen(password);
	if (str_utf8_length(password, len) < LIMIT_PASSWORD_MIN_CHARS) {
		violations_add(violations, "password", VIOLATION_MIN_TEXT,
			"Must be at least %d characters.", LIMIT_PASSWORD_MIN_CHARS);
	} else if (len > LIMIT_PASSWORD_MAX_BYTES) {
		violations_add(violations, "password", VIOLATION_MAX_TEXT,
			"Must be at most %d bytes.", LIMIT_PASSWORD_MAX_BYTES);
	}
	if (confirm == NULL || confirm[0] == '\0') {
		violations_add(violations, "passwordConfirm", VIOLATION_REQUIRED,
			"Cannot be blank.");
	} else if (!str_equal(password, confirm)) {
		violations_add(violations, "passwordConfirm", VIOLATION_MISMATCH,
			"Values don't match.");
	}
}
