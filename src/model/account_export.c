/* SPDX-License-Identifier: Apache-2.0 */
#include "model/account_export.h"

#include "base/str.h"
#include "model/account.h"
#include "model/check.h"
#include "model/limits.h"

#define EXPORT(member) ((int)offsetof(struct account_export, member))

#define EXPORT_TEXT(column_name, most, check_function, more_flags) \
	{ \
		.name = #column_name, .type = FIELD_TEXT, .column = #column_name, \
		.flags = (more_flags), .max = (most), .check = (check_function), \
		.offset = EXPORT(column_name) \
	}

#define EXPORT_BOOL(column_name) \
	{ \
		.name = #column_name, .type = FIELD_BOOL, .column = #column_name, \
		.offset = EXPORT(column_name) \
	}

#define EXPORT_INT(column_name, most) \
	{ \
		.name = #column_name, .type = FIELD_INT, .column = #column_name, \
		.max = (most), .offset = EXPORT(column_name) \
	}

enum { RESPONSE_THRESHOLD_MAX_MS = 24 * 60 * 60 * 1000, TOKENS_MAX = 128 };

static const struct field fields[] = {
	{ .name = "id",
		.type = FIELD_ID,
		.column = "id",
		.flags = FIELD_IMMUTABLE,
		.offset = EXPORT(head.id) },
	{ .name = "account_id",
		.type = FIELD_RELATION,
		.column = "account",
		.flags = FIELD_REQUIRED | FIELD_IMMUTABLE,
		.relation = &account_collection,
		.offset = EXPORT(account_id) },
	EXPORT_TEXT(name, LIMIT_NAME_CHARS, NULL, FIELD_REQUIRED),
	EXPORT_TEXT(subject, LIMIT_SUBJECT_BYTES, check_subject,
		FIELD_REQUIRED | FIELD_SUBJECT | FIELD_UNIQUE),
	EXPORT_TEXT(type, 16, check_export_type, FIELD_REQUIRED),
	EXPORT_BOOL(token_req),
	EXPORT_TEXT(response_type, 16, check_response_type, 0),
	EXPORT_INT(response_threshold, RESPONSE_THRESHOLD_MAX_MS),
	EXPORT_INT(latency_sampling, 100),
	EXPORT_BOOL(latency_headers),
	EXPORT_TEXT(latency_results, LIMIT_SUBJECT_BYTES, check_literal_subject,
		FIELD_SUBJECT),
	EXPORT_INT(account_token_position, TOKENS_MAX),
	EXPORT_BOOL(advertise),
	EXPORT_BOOL(allow_trace),
	EXPORT_TEXT(description, LIMIT_DESCRIPTION_CHARS, NULL, FIELD_MULTILINE),
	EXPORT_TEXT(info_url, LIMIT_URL_CHARS, check_url, 0),
	{ .name = "revocations",
		.type = FIELD_JSON,
		.flags = FIELD_READ_ONLY,
		.read = "(SELECT json_group_object(iif(length(r.account_key) = 0, '*', "
			"nkey_text(0, r.account_key)), r.at) FROM export_revocations r "
			"WHERE r.export = t.seq)",
		.offset = FIELD_NO_OFFSET },
	{ .name = "created",
		.type = FIELD_DATE,
		.column = "created",
		.flags = FIELD_READ_ONLY,
		.offset = EXPORT(head.created) },
	{ .name = "updated",
		.type = FIELD_DATE,
		.column = "updated",
		.flags = FIELD_READ_ONLY,
		.offset = EXPORT(head.updated) },
};

static const char *const passed_over[] = { NULL };

const struct collection account_export_collection = {
	.kind = COLLECTION_EXPORTS,
	.name = "nats_account_exports",
	.id = "pbc_3387006851",
	.noun = "export",
	.table = "account_exports",
	.joins = "",
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(fields[0]),
	.passed_over = passed_over,
	.row_size = sizeof(struct account_export),
};

int
account_export_init(void *row, struct err *err)
{
	struct account_export *export = row;
	*export = (struct account_export){
		.name = str_dup(""),
		.subject = str_dup(""),
		.type = str_dup(""),
		.response_type = str_dup(""),
		.latency_results = str_dup(""),
		.description = str_dup(""),
		.info_url = str_dup(""),
	};
	if (export->name == NULL || export->subject == NULL || export->type == NULL ||
		export->response_type == NULL || export->latency_results == NULL ||
		export->description == NULL || export->info_url == NULL) {
		record_release(&account_export_collection, export);
		return err_nomem(err);
	}
	return 0;
}
