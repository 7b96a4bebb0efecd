/* SPDX-License-Identifier: Apache-2.0 */
#include "model/account.h"

#include "base/str.h"
#include "model/check.h"
#include "model/limits.h"
#include "model/template.h"

#define ACCOUNT(member) ((int)offsetof(struct account, member))

#define ACCOUNT_LIMIT(column_name, most) \
	{ \
		.name = #column_name, .type = FIELD_INT, .column = #column_name, \
		.min = -1, .max = (most), .offset = ACCOUNT(column_name) \
	}

#define ACCOUNT_BOOL(column_name) \
	{ \
		.name = #column_name, .type = FIELD_BOOL, .column = #column_name, \
		.offset = ACCOUNT(column_name) \
	}

#define ACCOUNT_TEXT(column_name, most, check_function, more_flags) \
	{ \
		.name = #column_name, .type = FIELD_TEXT, .column = #column_name, \
		.flags = (more_flags), .max = (most), .check = (check_function), \
		.offset = ACCOUNT(column_name) \
	}

#define ACCOUNT_LIST(column_name, most, check_function, more_flags) \
	{ \
		.name = #column_name, .type = FIELD_LIST, .column = #column_name, \
		.flags = (more_flags), .max = (most), .check = (check_function), \
		.offset = ACCOUNT(column_name) \
	}

#define ACCOUNT_CLAIM(column_name, kind) \
	{ \
		.name = #column_name, .type = FIELD_CLAIM, .column = #column_name, \
		.claim = (kind), .offset = ACCOUNT(column_name) \
	}

#define ACCOUNT_TRIGGER(member, field_type) \
	{ \
		.name = #member, .type = (field_type), .flags = FIELD_TRIGGER, \
		.max = NKEY_TEXT_LEN, .offset = ACCOUNT(member) \
	}

_Static_assert(LIMIT_ACCOUNT_JWT_BYTES == 838860, "what .warnings says");

static const struct field fields[] = {
	{ .name = "id",
		.type = FIELD_ID,
		.column = "id",
		.flags = FIELD_IMMUTABLE,
		.offset = ACCOUNT(head.id) },
	{ .name = "name",
		.type = FIELD_TEXT,
		.column = "name",
		.flags = FIELD_REQUIRED | FIELD_UNIQUE,
		.max = LIMIT_NAME_CHARS,
		.offset = ACCOUNT(name) },
	{ .name = "description",
		.type = FIELD_TEXT,
		.column = "description",
		.flags = FIELD_MULTILINE,
		.max = LIMIT_DESCRIPTION_CHARS,
		.offset = ACCOUNT(description) },
	{ .name = "public_key",
		.type = FIELD_KEY,
		.role = NKEY_ACCOUNT,
		.column = "public_key",
		.flags = FIELD_READ_ONLY,
		.offset = ACCOUNT(public_key) },
	{ .name = "signing_keys",
		.type = FIELD_JSON,
		.flags = FIELD_READ_ONLY,
		.read = "(SELECT json_group_array(nkey_text(0, k.public_key)) FROM "
			"(SELECT "
			"public_key FROM signing_keys WHERE account = t.seq ORDER BY "
			"seq) k)",
		.offset = FIELD_NO_OFFSET },
	{ .name = "signing_public_key",
		.type = FIELD_TEXT,
		.flags = FIELD_READ_ONLY,
		.read = "(SELECT nkey_text(0, public_key) FROM signing_keys WHERE "
			"account = "
			"t.seq AND role IS NULL ORDER BY seq DESC LIMIT 1)",
		.offset = FIELD_NO_OFFSET },
	{ .name = "jwt",
		.type = FIELD_TEXT,
		.flags = FIELD_READ_ONLY,
		.read = "(SELECT jwt FROM account_jwt WHERE account = t.seq)",
		.offset = FIELD_NO_OFFSET },
	{ .name = "active",
		.type = FIELD_BOOL,
		.column = "active",
		.offset = ACCOUNT(active) },
	{ .name = "is_system",
		.type = FIELD_BOOL,
		.column = "is_system",
		.flags = FIELD_INTERNAL | FIELD_READ_ONLY,
		.offset = ACCOUNT(is_system) },
	ACCOUNT_LIMIT(max_connections, LIMIT_INT32_MAX),
	ACCOUNT_LIMIT(max_subscriptions, LIMIT_INT32_MAX),
	ACCOUNT_LIMIT(max_data, LIMIT_SAFE_INT),
	ACCOUNT_LIMIT(max_payload, LIMIT_INT32_MAX),
	ACCOUNT_LIMIT(max_jetstream_disk_storage, LIMIT_SAFE_INT),
	ACCOUNT_LIMIT(max_jetstream_memory_storage, LIMIT_SAFE_INT),
	ACCOUNT_LIMIT(max_leafnodes, LIMIT_INT32_MAX),
	ACCOUNT_LIMIT(max_imports, LIMIT_INT32_MAX),
	ACCOUNT_LIMIT(max_exports, LIMIT_INT32_MAX),
	ACCOUNT_BOOL(allow_wildcard_exports),
	ACCOUNT_BOOL(disallow_bearer),
	ACCOUNT_LIMIT(max_streams, LIMIT_INT32_MAX),
	ACCOUNT_LIMIT(max_consumers, LIMIT_INT32_MAX),
	ACCOUNT_LIMIT(max_ack_pending, LIMIT_INT32_MAX),
	ACCOUNT_LIMIT(max_memory_stream_bytes, LIMIT_SAFE_INT),
	ACCOUNT_LIMIT(max_disk_stream_bytes, LIMIT_SAFE_INT),
	ACCOUNT_BOOL(max_bytes_required),
	ACCOUNT_CLAIM(jetstream_tiers, CLAIM_TIERS),
	ACCOUNT_LIST(default_publish_permissions, LIMIT_SUBJECTS, check_publish_entry,
		FIELD_NULLABLE | FIELD_SUBJECT),
	ACCOUNT_LIST(default_subscribe_permissions, LIMIT_SUBJECTS, check_subscribe_entry,
		FIELD_NULLABLE | FIELD_SUBJECT),
	ACCOUNT_LIST(default_publish_deny_permissions, LIMIT_SUBJECTS,
		check_publish_entry, FIELD_NULLABLE | FIELD_SUBJECT),
	ACCOUNT_LIST(default_subscribe_deny_permissions, LIMIT_SUBJECTS,
		check_subscribe_entry, FIELD_NULLABLE | FIELD_SUBJECT),
	ACCOUNT_BOOL(default_allow_response),
	ACCOUNT_LIMIT(default_allow_response_max, LIMIT_INT32_MAX),
	{ .name = "default_allow_response_ttl",
		.type = FIELD_INT,
		.column = "default_allow_response_ttl",
		.max = LIMIT_RESPONSE_TTL_SECONDS,
		.offset = ACCOUNT(default_allow_response_ttl) },
	ACCOUNT_CLAIM(mappings, CLAIM_MAPPINGS),
	ACCOUNT_TEXT(trace_destination, LIMIT_SUBJECT_BYTES, check_literal_subject,
		FIELD_SUBJECT),
	{ .name = "trace_sampling",
		.type = FIELD_INT,
		.column = "trace_sampling",
		.max = 100,
		.offset = ACCOUNT(trace_sampling) },
	ACCOUNT_TEXT(cluster_traffic, 16, check_cluster_traffic, 0),
	ACCOUNT_LIST(tags, LIMIT_ENTRIES, template_check_tag, 0),
	ACCOUNT_TEXT(info_url, LIMIT_URL_CHARS, check_url, 0),
	ACCOUNT_LIST(callout_auth_users, LIMIT_ENTRIES, check_user_key, 0),
	ACCOUNT_LIST(
		callout_allowed_accounts, LIMIT_ENTRIES, check_account_key_or_star, 0),
	ACCOUNT_TEXT(callout_xkey, NKEY_TEXT_LEN, check_xkey, 0),
	{ .name = "key_set",
		.type = FIELD_INT,
		.column = "key_set",
		.flags = FIELD_INTERNAL | FIELD_READ_ONLY,
		.offset = ACCOUNT(key_set) },
	ACCOUNT_TRIGGER(rotate_keys, FIELD_BOOL),
	ACCOUNT_TRIGGER(add_signing_key, FIELD_BOOL),
	ACCOUNT_TRIGGER(remove_signing_key, FIELD_TEXT),
	ACCOUNT_TRIGGER(revoke_all, FIELD_BOOL),
	{ .name = "revocations",
		.type = FIELD_JSON,
		.flags = FIELD_READ_ONLY,
		.read = "(SELECT json_group_object(iif(length(r.public_key) = 0, '*', "
			"nkey_text(160, r.public_key)), r.at) FROM (SELECT public_key, "
			"max(at) AS at FROM revocations WHERE account = t.seq GROUP BY "
			"public_key ORDER BY public_key) r)",
		.offset = FIELD_NO_OFFSET },
	{ .name = "warnings",
		.type = FIELD_JSON,
		.flags = FIELD_READ_ONLY,
		.read = "(SELECT iif(length(jwt) <= 838860 / 2, '[]', json_array(printf("
			"'The JWT of the account takes %d bytes, %d %% of the 838860 "
			"that servers take for sure. What adds to it is refused from "
			"75 %% on. Remove old signing keys, use fewer roles, or give "
			"users another account.', length(jwt), "
			"length(jwt) * 100 / 838860))) "
			"FROM account_jwt WHERE account = t.seq)",
		.offset = FIELD_NO_OFFSET },
	{ .name = "generation",
		.type = FIELD_INT,
		.flags = FIELD_READ_ONLY,
		.read = "p.generation",
		.offset = FIELD_NO_OFFSET },
	{ .name = "published_generation",
		.type = FIELD_INT,
		.flags = FIELD_READ_ONLY,
		.read = "p.proven_generation",
		.offset = FIELD_NO_OFFSET },
	{ .name = "publish_status",
		.type = FIELD_TEXT,
		.flags = FIELD_READ_ONLY,
		.read = ACCOUNT_READ_PUBLISH_STATUS,
		.offset = FIELD_NO_OFFSET },
	{ .name = "publish_message",
		.type = FIELD_TEXT,
		.flags = FIELD_READ_ONLY,
		.read = ACCOUNT_READ_PUBLISH_MESSAGE,
		.offset = FIELD_NO_OFFSET },
	{ .name = "created",
		.type = FIELD_DATE,
		.column = "created",
		.flags = FIELD_READ_ONLY,
		.offset = ACCOUNT(head.created) },
	{ .name = "updated",
		.type = FIELD_DATE,
		.column = "updated",
		.flags = FIELD_READ_ONLY,
		.offset = ACCOUNT(head.updated) },
};

/* pb-nats's key fields: a record that is sent back whole may hold them. */
static const char *const passed_over[] = { "private_key", "seed", "signing_private_key",
	"signing_seed", "signing_keys_private", NULL };

const struct collection account_collection = {
	.kind = COLLECTION_ACCOUNTS,
	.name = "nats_accounts",
	.id = "pbc_4029046258",
	.noun = "account",
	.table = "accounts",
	.joins = "JOIN account_publish p ON p.account = t.seq",
	.where = "t.deleted = 0",
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(fields[0]),
	.passed_over = passed_over,
	.row_size = sizeof(struct account),
};

int
account_init(void *row, struct err *err)
{
	struct account *account = row;
	*account = (struct account){
		.name = str_dup(""),
		.description = str_dup(""),
		.active = true,
		.max_connections = -1,
		.max_subscriptions = -1,
		.max_data = -1,
		.max_payload = -1,
		.max_leafnodes = -1,
		.max_imports = -1,
		.max_exports = -1,
		.allow_wildcard_exports = true,
		.max_streams = -1,
		.max_consumers = -1,
		.max_ack_pending = -1,
		.max_memory_stream_bytes = -1,
		.max_disk_stream_bytes = -1,
		.jetstream_tiers = str_dup("{}"),
		.mappings = str_dup("{}"),
		.trace_destination = str_dup(""),
		.cluster_traffic = str_dup(""),
		.info_url = str_dup(""),
		.callout_xkey = str_dup(""),
		.key_set = 1,
	};
	if (account->name == NULL || account->description == NULL ||
		account->jetstream_tiers == NULL || account->mappings == NULL ||
		account->trace_destination == NULL || account->cluster_traffic == NULL ||
		account->info_url == NULL || account->callout_xkey == NULL) {
		record_release(&account_collection, account);
		return err_nomem(err);
	}
	return 0;
}
