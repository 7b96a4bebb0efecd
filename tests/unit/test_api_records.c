/* SPDX-License-Identifier: Apache-2.0
 * Records as the API shows them. */
#include "api/query.h"
#include "api/record.h"
#include "base/emit.h"
#include "model/account.h"
#include "model/role.h"
#include "model/user.h"
#include "support/jwt_samples.h"
#include "support/temp_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define A &account_collection
#define R &role_collection
#define U &user_collection
#define ID "abcdefghijklmno"

/* One stored value; what a column of a database would hold. */
struct value {
	int64_t integer;
	const char *text;
	const uint8_t *blob;
	size_t len; /* of the blob */
};

static int64_t
fake_integer(void *row, size_t index)
{
	const struct value *values = row;
	return values[index].integer;
}

static const char *
fake_text(void *row, size_t index, size_t *out_len)
{
	const struct value *values = row;
	*out_len = values[index].text != NULL ? strlen(values[index].text) : 0;
	return values[index].text;
}

static const uint8_t *
fake_blob(void *row, size_t index, size_t *out_len)
{
	const struct value *values = row;
	*out_len = values[index].len;
	return values[index].blob;
}

/* A nullable member is null when nothing is stored. */
static bool
fake_is_null(void *row, size_t index)
{
	const struct value *values = row;
	return values[index].text == NULL && values[index].blob == NULL &&
		values[index].integer == 0;
}

static const struct record_view_ops fake_ops = {
	.is_null = fake_is_null,
	.integer = fake_integer,
	.text = fake_text,
	.blob = fake_blob,
};

static void
set(struct value *values, const struct collection *collection, const char *name,
	struct value value)
{
	int index = collection_field_index(collection, name);
	assert_true(index >= 0);
	values[index] = value;
}

struct shown {
	const char *query; /* fields=... */
	bool show_email;
	const struct api_minted *minted;
};

static int
encode(const struct collection *collection, struct value *values,
	const struct shown *shown, struct buf *out, struct err *err)
{
	struct http_request req = temp_request("GET", "/", shown->query);
	struct record_view view = { collection, &fake_ops, values };
	struct api_fields fields = { 0 };
	struct api_selection selection;
	struct api_record_style style = { &selection, shown->show_email, shown->minted };
	struct emit emit;
	assert_int_equal(api_fields_read(&req, &fields, err), 0);
	api_fields_select(&fields, NULL, collection, &selection);
	api_fields_release(&fields);
	emit_init(&emit, out);
	return api_record_emit(&emit, &view, &style, err);
}

static void
check_encode(const struct collection *collection, struct value *values,
	const struct shown *shown, const char *expected)
{
	struct err err = { 0 };
	struct buf out;
	buf_init(&out, 65536);
	assert_int_equal(encode(collection, values, shown, &out, &err), 0);
	assert_int_equal(buf_finish(&out, &err), 0);
	assert_string_equal(out.data, expected);
	buf_release(&out);
}

static void
fill_account(struct value *values)
{
	static struct nkey_public key;
	assert_int_equal(nkey_text_decode(NKEY_ACCOUNT, SAMPLE_ACCOUNT_KEY, NKEY_TEXT_LEN,
				 &key, NULL),
		0);
	set(values, A, "id", (struct value){ .text = ID });
	set(values, A, "name",
		(struct value){ .text = "a \"b\" \\ \n <x> \xe2\x82\xac" });
	set(values, A, "description", (struct value){ .text = "" });
	set(values, A, "public_key",
		(struct value){ .blob = key.bytes, .len = sizeof(key) });
	set(values, A, "signing_keys", (struct value){ .text = "[\"AA\",\"AB\"]" });
	set(values, A, "jetstream_tiers", (struct value){ .text = "{}" });
	set(values, A, "mappings", (struct value){ .text = "{}" });
	set(values, A, "revocations", (struct value){ .text = "{}" });
	set(values, A, "active", (struct value){ .integer = 1 });
	set(values, A, "is_system", (struct value){ .integer = 1 });
	set(values, A, "max_payload", (struct value){ .integer = -1 });
	set(values, A, "max_data", (struct value){ .integer = 9007199254740991 });
	set(values, A, "publish_status", (struct value){ .text = "proven" });
	set(values, A, "created", (struct value){ .integer = 1795211668441 });
}

static void
test_record_account(void **state)
{
	(void)state;
	struct value values[64] = { 0 };
	struct shown all = { .query = "" };
	fill_account(values);
	check_encode(A, values, &all,
		"{\"collectionId\":\"pbc_4029046258\",\"collectionName\":\"nats_"
		"accounts\","
		"\"id\":\"" ID "\",\"name\":\"a \\\"b\\\" \\\\ \\n \\u003cx\\u003e "
		"\xe2\x82\xac\",\"description\":\"\",\"public_key\":"
		"\"" SAMPLE_ACCOUNT_KEY "\","
		"\"signing_keys\":[\"AA\",\"AB\"],\"signing_public_key\":\"\",\"jwt\":"
		"\"\","
		"\"active\":true,\"max_connections\":0,\"max_subscriptions\":0,"
		"\"max_data\":9007199254740991,\"max_payload\":-1,"
		"\"max_jetstream_disk_storage\":0,\"max_jetstream_memory_storage\":0,"
		"\"max_leafnodes\":0,\"max_imports\":0,\"max_exports\":0,"
		"\"allow_wildcard_exports\":false,\"disallow_bearer\":false,"
		"\"max_streams\":0,\"max_consumers\":0,\"max_ack_pending\":0,"
		"\"max_memory_stream_bytes\":0,\"max_disk_stream_bytes\":0,"
		"\"max_bytes_required\":false,\"jetstream_tiers\":{},"
		"\"default_publish_permissions\":null,"
		"\"default_subscribe_permissions\":null,"
		"\"default_publish_deny_permissions\":null,"
		"\"default_subscribe_deny_permissions\":null,"
		"\"default_allow_response\":false,\"default_allow_response_max\":0,"
		"\"default_allow_response_ttl\":0,\"mappings\":{},"
		"\"trace_destination\":\"\",\"trace_sampling\":0,"
		"\"cluster_traffic\":\"\",\"tags\":[],\"info_url\":\"\","
		"\"callout_auth_users\":[],\"callout_allowed_accounts\":[],"
		"\"callout_xkey\":\"\",\"rotate_keys\":false,"
		"\"add_signing_key\":false,\"remove_signing_key\":\"\","
		"\"revoke_all\":false,"
		"\"revocations\":{},\"warnings\":[],"
		"\"generation\":0,\"published_generation\":0,\"publish_status\":"
		"\"proven\","
		"\"publish_message\":\"\",\"created\":\"2026-11-20 21:54:28.441Z\","
		"\"updated\":\"\"}");
}

static void
test_record_selection(void **state)
{
	(void)state;
	struct value values[64] = { 0 };
	static const struct {
		const char *query;
		const char *expected;
	} cases[] = {
		{ "fields=id,active", "{\"id\":\"" ID "\",\"active\":true}" },
		{ "fields=active,id", "{\"id\":\"" ID "\",\"active\":true}" },
		{ "fields=%20id%20,,%20", "{\"id\":\"" ID "\"}" },
		{ "fields=collectionName", "{\"collectionName\":\"nats_accounts\"}" },
		{ "fields=collectionId,nothing",
			"{\"collectionId\":\"pbc_4029046258\"}" },
		{ "fields=nothing", "{}" },
		{ "fields=is_system", "{}" },
		{ "fields=name.x,expand.account_id", "{}" },
		{ "fields=ID", "{}" },
		{ "x=1&fields=signing_keys", "{\"signing_keys\":[\"AA\",\"AB\"]}" },
	};
	fill_account(values);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct shown shown = { .query = cases[i].query };
		check_encode(A, values, &shown, cases[i].expected);
	}
}

static void
test_record_user(void **state)
{
	(void)state;
	struct value values[64] = { 0 };
	struct api_minted minted = { .jwt = "J.W.T", .creds_file = "-----\nX\n" };
	set(values, U, "id", (struct value){ .text = ID });
	set(values, U, "email", (struct value){ .text = "a@b.c" });
	set(values, U, "account_id", (struct value){ .text = ID });
	set(values, U, "password_hash", (struct value){ .text = "$argon2id$HASH" });
	set(values, U, "token_key", (struct value){ .text = "TOKENKEY" });
	set(values, U, "iat", (struct value){ .integer = 77 });
	/* what is not null in these fields */
	set(values, U, "max_subscriptions", (struct value){ .integer = -1 });
	set(values, U, "networks", (struct value){ .text = "[\"10.0.0.0/8\"]" });
#define HEAD \
	"{\"collectionId\":\"pbc_4097575383\",\"collectionName\":\"nats_users\",\"id\":" \
	"\"" ID "\",\"nats_username\":\"\",\"full_name\":\"\",\"description\":\"\"," \
	"\"account_id\":\"" ID \
	"\",\"role_id\":\"\",\"public_key\":\"\",\"own_key\":false," \
	"\"active\":false,\"publish_permissions\":null," \
	"\"subscribe_permissions\":null,\"publish_deny_permissions\":null," \
	"\"subscribe_deny_permissions\":null,\"max_subscriptions\":-1," \
	"\"max_data\":null,\"max_payload\":null,\"connection_types\":null," \
	"\"networks\":[\"10.0.0.0/8\"],\"time_windows\":null," \
	"\"times_location\":\"\",\"bearer_token\":false," \
	"\"proxy_required\":false,\"tags\":[],\"jwt_expires_at\":\"\"," \
	"\"expires_at\":\"\",\"regenerate\":false,\"revoke\":false," \
	"\"issued_at\":\"\","
#define TAIL(j, c) \
	"\"verified\":false,\"jwt\":\"" j "\",\"creds_file\":\"" c \
	"\",\"created\":\"\",\"updated\":\"\"}"
	struct shown plain = { .query = "" };
	check_encode(U, values, &plain, HEAD "\"emailVisibility\":false," TAIL("", ""));
	struct shown super = { .query = "", .show_email = true, .minted = &minted };
	check_encode(U, values, &super,
		HEAD "\"email\":\"a@b.c\",\"emailVisibility\":false," TAIL(
			"J.W.T", "-----\\nX\\n"));
	set(values, U, "emailVisibility", (struct value){ .integer = 1 });
	check_encode(U, values, &plain,
		HEAD "\"email\":\"a@b.c\",\"emailVisibility\":true," TAIL("", ""));
	struct shown secrets = {
		.query = "fields=password,password_hash,token_key,tokenKey,iat,"
			 "passwordConfirm",
		.show_email = true,
	};
	check_encode(U, values, &secrets, "{}");
}

static void
test_record_empty_lists(void **state)
{
	(void)state;
	struct value values[64] = { 0 };
	struct shown shown = {
		.query = "fields=publish_permissions,subscribe_permissions"
	};
	set(values, R, "subscribe_permissions",
		(struct value){ .text = "[\"a.\\u003e\"]" });
	check_encode(R, values, &shown,
		"{\"publish_permissions\":[],\"subscribe_permissions\":[\"a.\\u003e\"]}");
}

static void
test_record_corrupt_key(void **state)
{
	(void)state;
	static const uint8_t key[31] = { 0 };
	struct value values[64] = { 0 };
	struct shown shown = { .query = "" };
	struct err err = { 0 };
	struct buf out;
	set(values, A, "public_key", (struct value){ .blob = key, .len = sizeof(key) });
	buf_init(&out, 65536);
	assert_int_equal(encode(A, values, &shown, &out, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_account),
		cmocka_unit_test(test_record_selection),
		cmocka_unit_test(test_record_user),
		cmocka_unit_test(test_record_empty_lists),
		cmocka_unit_test(test_record_corrupt_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
