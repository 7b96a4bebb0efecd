/* SPDX-License-Identifier: Apache-2.0 */
#include "model/account_import.h"

#include "base/str.h"
#include "model/account.h"
#include "model/check.h"
#include "model/limits.h"

#define IMPORT(member) ((int)offsetof(struct account_import, member))

#define IMPORT_TEXT(column_name, most, check_function, more_flags) \
	{ \
		.name = #column_name, .type = FIELD_TEXT, .column = #column_name, \
		.flags = (more_flags), .max = (most), .check = (check_function), \
		.offset = IMPORT(column_name) \
	}

#define IMPORT_BOOL(column_name) \
	{ \
		.name = #column_name, .type = FIELD_BOOL, .column = #column_name, \
		.offset = IMPORT(column_name) \
	}

static const struct field fields[] = {
	{ .name = "id",
		.type = FIELD_ID,
		.column = "id",
		.flags = FIELD_IMMUTABLE,
		.offset = IMPORT(head.id) },
	{ .name = "account_id",
		.type = FIELD_RELATION,
		.column = "account",
		.flags = FIELD_REQUIRED | FIELD_IMMUTABLE,
		.relation = &account_collection,
		.offset = IMPORT(account_id) },
	IMPORT_TEXT(name, LIMIT_NAME_CHARS, NULL, FIELD_REQUIRED),
	IMPORT_TEXT(subject, LIMIT_SUBJECT_BYTES, check_subject,
		FIELD_REQUIRED | FIELD_SUBJECT),
	{ .name = "account",
		.type = FIELD_KEY,
		.role = NKEY_ACCOUNT,
		.column = "exporter",
		.flags = FIELD_REQUIRED | FIELD_IMMUTABLE,
		.offset = IMPORT(account) },
	/* may hold $1 for the first * of the subject: its own rule is service's */
	IMPORT_TEXT(local_subject, LIMIT_SUBJECT_BYTES, check_subject, FIELD_SUBJECT),
	IMPORT_TEXT(type, 16, check_export_type, FIELD_REQUIRED),
	IMPORT_TEXT(token, LIMIT_TOKEN_BYTES, NULL, 0),
	IMPORT_BOOL(share),
	IMPORT_BOOL(allow_trace),
	IMPORT_TEXT(description, LIMIT_DESCRIPTION_CHARS, NULL, FIELD_MULTILINE),
	{ .name = "iat",
		.type = FIELD_INT,
		.column = "iat",
		.flags = FIELD_INTERNAL | FIELD_READ_ONLY,
		.offset = IMPORT(iat) },
	{ .name = "created",
		.type = FIELD_DATE,
		.column = "created",
		.flags = FIELD_READ_ONLY,
		.offset = IMPORT(head.created) },
	{ .name = "updated",
		.type = FIELD_DATE,
		.column = "updated",
		.flags = FIELD_READ_ONLY,
		.offset = IMPORT(head.updated) },
};

static const char *const passed_over[] = { NULL };

const struct collection account_import_collection = {
	.kind = COLLECTION_IMPORTS,
	.name = "nats_account_imports",
	.id = "pbc_1566205663",
	.noun = "import",
	.table = "account_imports",
	.joins = "",
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(fields[0]),
	.passed_over = passed_over,
	.row_size = sizeof(struct account_import),
};

int
account_import_init(void *row, struct err *err)
{
	struct account_import *import = row;
	*import = (struct account_import){
		.name = str_dup(""),
		.subject = str_dup(""),
		.local_subject = str_dup(""),
		.type = str_dup(""),
		.token = str_dup(""),
		.description = str_dup(""),
	};
	if (import->name == NULL || import->subject == NULL ||
		import->local_subject == NULL || import->type == NULL ||
		import->token == NULL || import->description == NULL) {
		record_release(&account_import_collection, import);
		return err_nomem(err);
	}
	return 0;
}
