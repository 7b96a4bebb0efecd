/* SPDX-License-Identifier: Apache-2.0 */
#include "model/account.h"

#include "base/str.h"
#include "model/limits.h"

#define ACCOUNT(member) ((int)offsetof(struct account, member))

#define ACCOUNT_LIMIT(column_name, most) \
	{ \
		.name = #column_name, .type = FIELD_INT, .column = #column_name, \
		.min = -1, .max = (most), .offset = ACCOUNT(column_name) \
	}

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
		.read = "CASE WHEN p.proven_generation = p.generation THEN 'proven' "
			"ELSE p.state END",
		.offset = FIELD_NO_OFFSET },
	{ .name = "publish_message",
		.type = FIELD_TEXT,
		.flags = FIELD_READ_ONLY,
		.read = "CASE WHEN p.proven_generation = p.generation THEN '' "
			"ELSE p.message END",
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
	"signing_seed", "signing_keys_private", "revocations", NULL };

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
	};
	if (account->name == NULL || account->description == NULL) {
		record_release(&account_collection, account);
		return err_nomem(err);
	}
	return 0;
}
