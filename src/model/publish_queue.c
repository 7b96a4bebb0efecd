/* SPDX-License-Identifier: Apache-2.0 */
#include "model/publish_queue.h"

#include "model/account.h"

#define QUEUE_READ(field_name, field_type, expression) \
	{ \
		.name = #field_name, .type = (field_type), .flags = FIELD_READ_ONLY, \
		.read = (expression), .offset = FIELD_NO_OFFSET \
	}

#define QUEUE_TIME(column) \
	"iif(" column " > 0, strftime('%Y-%m-%d %H:%M:%fZ', " column \
	" / 1000.0, 'unixepoch'), '')"

#define QUEUE_HEAD(field_name, field_type) \
	{ \
		.name = #field_name, .type = (field_type), .column = #field_name, \
		.flags = FIELD_READ_ONLY, \
		.offset = (int)offsetof(struct publish_queue_item, head.field_name) \
	}

static const struct field fields[] = {
	QUEUE_HEAD(id, FIELD_ID),
	{ .name = "account_id",
		.type = FIELD_RELATION,
		.flags = FIELD_READ_ONLY,
		.read = "t.id",
		.relation = &account_collection,
		.offset = FIELD_NO_OFFSET },
	{ .name = "account_public_key",
		.type = FIELD_KEY,
		.role = NKEY_ACCOUNT,
		.flags = FIELD_READ_ONLY,
		.read = "t.public_key",
		.offset = FIELD_NO_OFFSET },
	QUEUE_READ(account_name, FIELD_TEXT, "t.name"),
	QUEUE_READ(action, FIELD_TEXT, "iif(t.deleted = 0, 'upsert', 'delete')"),
	QUEUE_READ(publish_status, FIELD_TEXT, ACCOUNT_READ_PUBLISH_STATUS),
	QUEUE_READ(message, FIELD_TEXT, ACCOUNT_READ_PUBLISH_MESSAGE),
	QUEUE_READ(attempts, FIELD_INT, "p.attempts"),
	QUEUE_READ(failed_at, FIELD_DATE,
		"(SELECT max(tried_at) FROM account_servers WHERE account = t.seq)"),
	QUEUE_READ(generation, FIELD_INT, "p.generation"),
	QUEUE_READ(minted_generation, FIELD_INT, "p.minted_generation"),
	QUEUE_READ(proven_generation, FIELD_INT, "p.proven_generation"),
	QUEUE_READ(servers, FIELD_JSON,
		"(SELECT json_group_array(json_object('cluster', s.cluster, 'name', "
		"s.name, 'state', iif(s.missing_since > 0, 'missing', 'present'), "
		"'proven', coalesce(c.generation, 0), 'words', coalesce(c.words, ''), "
		"'tried_at', " QUEUE_TIME(
			"coalesce(c.tried_at, 0)") ")) "
						   "FROM unconfirmed u JOIN servers s ON "
						   "s.seq = u.server "
						   "LEFT JOIN account_servers c ON "
						   "c.account = u.account AND "
						   "c.server = u.server WHERE u.account "
						   "= t.seq)"),
	QUEUE_HEAD(created, FIELD_DATE),
	QUEUE_HEAD(updated, FIELD_DATE),
};

static const char *const passed_over[] = { NULL };

const struct collection publish_queue_collection = {
	.kind = COLLECTION_PUBLISH_QUEUE,
	.name = "nats_publish_queue",
	.id = "pbc_2168816934",
	.noun = "publish queue entry",
	.why_read_only = "The publish queue shows what is not proven yet and cannot be "
			 "written: change the account, or POST /api/v1/reconcile to have "
			 "all servers looked at.",
	.table = "publish_queue",
	.joins = "JOIN account_publish p ON p.account = t.seq",
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(fields[0]),
	.passed_over = passed_over,
	.row_size = sizeof(struct publish_queue_item),
};
