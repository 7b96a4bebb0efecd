/* SPDX-License-Identifier: Apache-2.0 */
#include "model/operator.h"

#include "model/account.h"
#include "model/limits.h"

#include <stdlib.h>

#define OPERATOR(member) ((int)offsetof(struct operator_row, member))

static const struct field fields[] = {
	{ .name = "id",
		.type = FIELD_ID,
		.column = "id",
		.flags = FIELD_IMMUTABLE,
		.offset = OPERATOR(head.id) },
	{ .name = "name",
		.type = FIELD_TEXT,
		.column = "name",
		.flags = FIELD_READ_ONLY | FIELD_REQUIRED,
		.max = LIMIT_NAME_CHARS,
		.offset = OPERATOR(name) },
	{ .name = "public_key",
		.type = FIELD_KEY,
		.role = NKEY_OPERATOR,
		.column = "public_key",
		.flags = FIELD_READ_ONLY,
		.offset = OPERATOR(public_key) },
	{ .name = "signing_keys",
		.type = FIELD_JSON,
		.flags = FIELD_READ_ONLY,
		.read = "(SELECT json_group_array(nkey_text(112, k.public_key)) FROM "
			"(SELECT "
			"public_key FROM signing_keys WHERE account IS NULL ORDER BY "
			"seq) k)",
		.offset = FIELD_NO_OFFSET },
	{ .name = "signing_public_key", /* the one that signs now */
		.type = FIELD_TEXT,
		.flags = FIELD_READ_ONLY,
		.read = "(SELECT nkey_text(112, public_key) FROM signing_keys WHERE "
			"account IS NULL AND state = 'active' ORDER BY key_set DESC, seq "
			"DESC LIMIT 1)",
		.offset = FIELD_NO_OFFSET },
	{ .name = "identity_online", /* its seed is here: the JWT can be minted anew */
		.type = FIELD_BOOL,
		.flags = FIELD_READ_ONLY,
		.read = "EXISTS (SELECT 1 FROM vault v WHERE v.public_key = "
			"t.public_key)",
		.offset = FIELD_NO_OFFSET },
	{ .name = "operator_service_urls",
		.type = FIELD_JSON,
		.flags = FIELD_READ_ONLY,
		.read = "t.service_urls",
		.offset = FIELD_NO_OFFSET },
	{ .name = "account_server_url",
		.type = FIELD_TEXT,
		.flags = FIELD_READ_ONLY,
		.read = "t.account_server_url",
		.offset = FIELD_NO_OFFSET },
	{ .name = "assert_server_version",
		.type = FIELD_TEXT,
		.flags = FIELD_READ_ONLY,
		.read = "t.assert_server_version",
		.offset = FIELD_NO_OFFSET },
	{ .name = "strict_signing_key_usage",
		.type = FIELD_BOOL,
		.flags = FIELD_READ_ONLY,
		.read = "t.strict_signing_key_usage",
		.offset = FIELD_NO_OFFSET },
	{ .name = "tags",
		.type = FIELD_JSON,
		.flags = FIELD_READ_ONLY,
		.read = "t.tags",
		.offset = FIELD_NO_OFFSET },
	{ .name = "system_account_id",
		.type = FIELD_RELATION,
		.column = "system_account",
		.flags = FIELD_READ_ONLY,
		.relation = &account_collection,
		.offset = OPERATOR(system_account_id) },
	{ .name = "jwt",
		.type = FIELD_TEXT,
		.column = "jwt",
		.flags = FIELD_READ_ONLY,
		.offset = OPERATOR(jwt) },
	{ .name = "created",
		.type = FIELD_DATE,
		.column = "created",
		.flags = FIELD_READ_ONLY,
		.offset = OPERATOR(head.created) },
	{ .name = "updated",
		.type = FIELD_DATE,
		.column = "updated",
		.flags = FIELD_READ_ONLY,
		.offset = OPERATOR(head.updated) },
};

static const char *const passed_over[] = { "private_key", "seed", "signing_private_key",
	"signing_seed", "signing_keys_private", NULL };

const struct collection operator_collection = {
	.kind = COLLECTION_OPERATOR,
	.name = "nats_system_operator",
	.id = "pbc_1386776968",
	.noun = "operator",
	.table = "operator",
	.joins = "",
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(fields[0]),
	.passed_over = passed_over,
	.row_size = sizeof(struct operator_row),
};

void
operator_claims_release(struct operator_claims *claims)
{
	strlist_release(&claims->service_urls);
	free(claims->account_server_url);
	free(claims->assert_server_version);
	strlist_release(&claims->tags);
	*claims = (struct operator_claims){ 0 };
}
