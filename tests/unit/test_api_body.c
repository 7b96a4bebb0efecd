/* SPDX-License-Identifier: Apache-2.0
 * Bodies of requests: the text, the fields of each collection, and what is suggested for
 * one that is unknown. */
#include "api/body.h"
#include "api/suggest.h"
#include "base/str.h"
#include "json/json.h"
#include "model/account.h"
#include "model/account_export.h"
#include "model/account_import.h"
#include "model/operator.h"
#include "model/role.h"
#include "model/superuser.h"
#include "model/user.h"
#include "support/jwt_samples.h"
#include "support/temp_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the text ---- */

struct parse_case {
	const char *type; /* Content-Type; NULL: none */
	const char *body;
	enum err_code code; /* ERR_NONE: an object */
	const char *says;
};

static int
parse_body(const char *type, const char *body, size_t len, json_t **out, struct err *err)
{
	struct http_header header = { "Content-Type", type };
	struct http_request req = temp_request("POST", "/", "");
	req.body = body;
	req.body_len = len;
	req.headers = &header;
	req.header_count = type != NULL ? 1 : 0;
	return api_body_parse(&req, out, err);
}

static void
test_body_parse(void **state)
{
	(void)state;
	static const char json[] = "application/json";
	static const struct parse_case cases[] = {
		{ json, "{}", ERR_NONE, "" },
		{ json, " {\"a\":[1]} \n", ERR_NONE, "" },
		{ json, "", ERR_NONE, "" },
		{ NULL, "", ERR_NONE, "" },
		{ "text/plain", "", ERR_NONE, "" },
		{ "Application/JSON; charset=utf-8", "{}", ERR_NONE, "" },
		{ "application/json;charset=UTF-8", "{}", ERR_NONE, "" },
		{ "application/json ; x=y", "{}", ERR_NONE, "" },
		{ NULL, "{}", ERR_MEDIA_TYPE, "application/json" },
		{ "", "{}", ERR_MEDIA_TYPE, "Unsupported Content-Type." },
		{ "text/json", "{}", ERR_MEDIA_TYPE, "Unsupported" },
		{ "application/jsonx", "{}", ERR_MEDIA_TYPE, "Unsupported" },
		{ "application/json, text/html", "{}", ERR_MEDIA_TYPE, "Unsupported" },
		{ "application/json x", "{}", ERR_MEDIA_TYPE, "Unsupported" },
		{ "application/x-www-form-urlencoded", "a=b", ERR_MEDIA_TYPE, "" },
		{ "multipart/form-data; boundary=x", "--x", ERR_MEDIA_TYPE, "" },
		{ json, "{", ERR_INVALID, "line 1 column" },
		{ json, "{\"a\":1,}", ERR_INVALID, "line 1 column" },
		{ json, "{\n\n  \"a\": nul}", ERR_INVALID, "line 3 column" },
		{ json, "{\"a\":1}x", ERR_INVALID, "line 1 column" },
		{ json, "{\"a\":1}{}", ERR_INVALID, "line 1 column" },
		{ json, "{\"a\":1,\n \"a\":2}", ERR_INVALID,
			"line 2 column 2: duplicate object key \"a\"" },
		{ json, "{\"n\":{\"b\":1,\"b\":1}}", ERR_INVALID, "duplicate" },
		{ json, "{\"a\":\"x\\u0000y\"}", ERR_INVALID, "line 1 column" },
		{ json, "{\"a\":\"\xff\"}", ERR_INVALID, "line 1 column 6" },
		{ json, "{\"a\":\"\xc0\x80\"}", ERR_INVALID, "line 1 column 6" },
		{ json, "{\"a\":\"\xed\xa0\x80\"}", ERR_INVALID, "line 1 column 6" },
		{ json, "{\"a\":\"\\ud800\"}", ERR_INVALID, "line 1 column" },
		{ json, "{\"a\":99999999999999999999}", ERR_INVALID, "line 1 column" },
		{ json, "{\"a\":1e999}", ERR_INVALID, "line 1 column" },
		{ json, "{'a':1}", ERR_INVALID, "line 1 column" },
		{ json, "{a:1}", ERR_INVALID, "line 1 column" },
		{ json, "{\"a\":01}", ERR_INVALID, "line 1 column" },
		{ json, "{\"a\":\"x\ny\"}", ERR_INVALID, "line 1 column" },
		{ json, "[]", ERR_INVALID, "must be a JSON object, not an array" },
		{ json, "[{\"a\":1}]", ERR_INVALID, "not an array" },
		{ json, "null", ERR_INVALID, "line 1 column" },
		{ json, "\"a\"", ERR_INVALID, "line 1 column" },
		{ json, "7", ERR_INVALID, "line 1 column" },
		{ json, " ", ERR_INVALID, "line 1 column" },
		{ json, "\xef\xbb\xbf{}", ERR_INVALID, "line 1 column" },
		{ json,
			"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]"
			"]]]]]]]"
			"]}",
			ERR_INVALID, "levels deep" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *out = NULL;
		struct err err = { 0 };
		int rc = parse_body(
			cases[i].type, cases[i].body, strlen(cases[i].body), &out, &err);
		if ((rc == 0) != (cases[i].code == ERR_NONE) ||
			err.code != cases[i].code ||
			strstr(err.msg, cases[i].says) == NULL) {
			fail_msg("row %zu: %s: %s", i, cases[i].body, err.msg);
		}
		assert_true((out != NULL) == (rc == 0));
		json_decref(out);
	}
}

static void
test_body_parse_nul_byte(void **state)
{
	(void)state;
	static const char body[] = "{\"a\":1}\0{}";
	json_t *out = NULL;
	struct err err = { 0 };
	assert_int_equal(
		parse_body("application/json", body, sizeof(body) - 1, &out, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
}

/* ---- the fields ---- */

/* Has what the real collections do not let clients write. */
struct sample {
	struct record_head head;
	int64_t when;
	struct nkey_public key;
	char *secret;
	char *derived;
};

static const struct field sample_fields[] = {
	{ .name = "id",
		.type = FIELD_ID,
		.flags = FIELD_IMMUTABLE,
		.offset = (int)offsetof(struct sample, head.id) },
	{ .name = "when",
		.type = FIELD_DATE,
		.offset = (int)offsetof(struct sample, when) },
	{ .name = "key",
		.type = FIELD_KEY,
		.role = NKEY_USER,
		.offset = (int)offsetof(struct sample, key) },
	{ .name = "secret",
		.type = FIELD_TEXT,
		.flags = FIELD_INTERNAL,
		.offset = (int)offsetof(struct sample, secret) },
	{ .name = "derived",
		.type = FIELD_JSON,
		.flags = FIELD_READ_ONLY,
		.offset = FIELD_NO_OFFSET },
};

static const char *const nothing_passed_over[] = { NULL };

static const struct collection sample_collection = {
	.kind = COLLECTION_COUNT,
	.name = "samples",
	.id = "pbc_1",
	.noun = "sample",
	.fields = sample_fields,
	.field_count = COUNT(sample_fields),
	.passed_over = nothing_passed_over,
	.row_size = sizeof(struct sample),
};

/* What was decoded, in the order of the field table: name=value for each field given. */
static void
dump_member(struct emit *emit, const struct field *field, const void *member)
{
	char text[NKEY_TEXT_SIZE];
	switch (field->type) {
	case FIELD_TEXT:
	case FIELD_EMAIL:
	case FIELD_PASSWORD:
		emit_text(emit, *(char *const *)member);
		break;
	case FIELD_CLAIM: {
		const char *json = *(char *const *)member;
		if (json == NULL) {
			emit_null(emit);
		} else {
			emit_raw(emit, json, strlen(json));
		}
		break;
	}
	case FIELD_BOOL:
		emit_bool(emit, *(const bool *)member);
		break;
	case FIELD_INT:
	case FIELD_DATE:
		if (*(const int64_t *)member == FIELD_NULL_INT) {
			emit_null(emit);
		} else {
			emit_int(emit, *(const int64_t *)member);
		}
		break;
	case FIELD_LIST:
		if (((const struct strlist *)member)->items == NULL) {
			emit_null(emit);
		} else {
			strlist_emit(member, emit);
		}
		break;
	case FIELD_RELATION:
	case FIELD_ID:
		emit_text(emit, member);
		break;
	case FIELD_KEY:
		nkey_text_encode(field->role, member, text);
		emit_text(emit, text);
		break;
	case FIELD_JSON:
		emit_null(emit);
		break;
	}
}

static void
dump(const struct collection *collection, const void *row, uint64_t present,
	struct buf *out)
{
	struct emit emit;
	emit_init(&emit, out);
	emit_object_begin(&emit);
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		if ((present >> i & 1) != 0) {
			emit_key(&emit, field->name);
			dump_member(&emit, field, record_member_const(field, row));
		}
	}
	emit_object_end(&emit);
}

static void
dump_violations(const struct violations *violations, struct buf *out)
{
	for (size_t i = 0; i < violations->len; i++) {
		buf_put_str(out, i > 0 ? " " : "");
		buf_put_str(out, violations->items[i].field);
		buf_put_char(out, ':');
		buf_put_str(out, violations->items[i].code);
	}
}

struct decode_case {
	const struct collection *collection;
	const char *id; /* NULL: a creation */
	const char *body;
	const char *outcome; /* {what was decoded}, or field:code of each violation */
	const char *says; /* in the message of the last violation; may be NULL */
};

#define A &account_collection
#define R &role_collection
#define U &user_collection
#define S &superuser_collection
#define O &operator_collection
#define X &sample_collection
#define ID "abcdefghijklmno"
#define TYPE ":validation_invalid_type"
#define UNKNOWN ":validation_unknown_field"

static const struct decode_case decode_cases[] = {
	/* what each collection takes */
	{ A, NULL, "{}", "{}", NULL },
	{ A, NULL, "{\"name\":\"a\"}", "{\"name\":\"a\"}", NULL },
	{ A, NULL, "{\"name\":\"\",\"description\":\"\"}",
		"{\"name\":\"\",\"description\":\"\"}", NULL },
	{ A, ID, "{\"active\":false,\"max_payload\":-1,\"max_data\":9007199254740991}",
		"{\"active\":false,\"max_data\":9007199254740991,\"max_payload\":-1}",
		NULL },
	{ A, NULL, "{\"name\":\"\xc3\xa9\xf0\x9f\x98\x80\"}",
		"{\"name\":\"\xc3\xa9\xf0\x9f\x98\x80\"}", NULL },
	{ R, NULL, "{\"publish_permissions\":[],\"subscribe_permissions\":[\"a.b q\"]}",
		"{\"publish_permissions\":[],\"subscribe_permissions\":[\"a.b q\"]}",
		NULL },
	{ R, NULL, "{\"publish_deny_permissions\":[\"b\",\"a\",\"b\"]}",
		"{\"publish_deny_permissions\":[\"b\",\"a\",\"b\"]}", NULL },
	{ R, NULL, "{\"subscribe_deny_permissions\":[\"\",\"a..b\"]}",
		"{\"subscribe_deny_permissions\":[\"\",\"a..b\"]}", NULL },
	{ R, ID, "{\"is_default\":true,\"allow_response\":true,\"allow_response_ttl\":0}",
		"{\"is_default\":true,\"allow_response\":true,\"allow_response_ttl\":0}",
		NULL },
	{ U, NULL, "{\"nats_username\":\"u\",\"account_id\":\"" ID "\",\"role_id\":\"\"}",
		"{\"nats_username\":\"u\",\"account_id\":\"" ID "\",\"role_id\":\"\"}",
		NULL },
	{ U, NULL, "{\"email\":\"a@b.c\",\"emailVisibility\":true,\"verified\":true}",
		"{\"email\":\"a@b.c\",\"emailVisibility\":true,\"verified\":true}",
		NULL },
	{ U, NULL, "{\"password\":\"12345678\",\"passwordConfirm\":\"x\"}",
		"{\"password\":\"12345678\",\"passwordConfirm\":\"x\"}", NULL },
	{ S, NULL, "{\"email\":\"a@b.c\",\"password\":\"p\",\"passwordConfirm\":\"p\"}",
		"{\"email\":\"a@b.c\",\"password\":\"p\",\"passwordConfirm\":\"p\"}",
		NULL },
	{ X, NULL, "{\"key\":\"" SAMPLE_USER_KEY "\"}",
		"{\"key\":\"" SAMPLE_USER_KEY "\"}", NULL },

	/* the id: given at creation, its own in an update */
	{ A, NULL, "{\"id\":\"" ID "\"}", "{\"id\":\"" ID "\"}", NULL },
	{ A, NULL, "{\"id\":\"short\"}", "{\"id\":\"short\"}", NULL },
	{ A, NULL, "{\"id\":\"\"}", "{}", NULL },
	{ A, NULL, "{\"id\":\"" ID "p\"}", "id:validation_invalid_format",
		"15 characters" },
	{ A, NULL, "{\"id\":7}", "id" TYPE, "Must be a string, not a number." },
	{ A, NULL, "{\"id\":null}", "id" TYPE, "null" },
	{ A, ID, "{\"id\":\"" ID "\"}", "{}", NULL },
	{ A, ID, "{\"id\":\"bbcdefghijklmno\"}", "id:validation_pk_change",
		"cannot be changed" },
	{ A, ID, "{\"id\":\"\"}", "id:validation_pk_change", NULL },
	{ A, ID, "{\"id\":\"" ID "p\"}", "id:validation_pk_change", NULL },
	{ A, ID, "{\"id\":[]}", "id" TYPE, "not a list" },

	/* passed over: a record sent back whole */
	{ A, ID,
		"{\"collectionId\":\"x\",\"collectionName\":1,\"expand\":{},\"created\":"
		"null,"
		"\"updated\":\"\",\"public_key\":\"A\",\"jwt\":{},\"signing_keys\":[],"
		"\"signing_public_key\":\"\",\"generation\":\"x\",\"published_"
		"generation\":1,"
		"\"publish_status\":\"proven\",\"publish_message\":\"\",\"name\":\"n\"}",
		"{\"name\":\"n\"}", NULL },
	{ A, NULL,
		"{\"private_key\":1,\"seed\":\"\",\"signing_private_key\":\"\","
		"\"signing_seed\":\"\",\"signing_keys_private\":[],\"revocations\":{}}",
		"{}", NULL },
	{ U, ID,
		"{\"private_key\":\"\",\"seed\":\"\",\"tokenKey\":\"\",\"creds_file\":"
		"\"x\","
		"\"jwt\":\"y\",\"issued_at\":\"never\",\"created\":"
		"1}",
		"{}", NULL },
	{ S, ID, "{\"tokenKey\":\"x\",\"verified\":\"no\"}", "{}", NULL },
	{ O, ID, "{\"name\":7,\"seed\":\"x\",\"jwt\":\"\",\"system_account_id\":0}", "{}",
		NULL },
	{ X, NULL, "{\"derived\":{\"a\":1}}", "{}", NULL },

	/* unknown: misspelt, of another collection, internal, not of this version */
	{ A, NULL, "{\"max_paylod\":5}", "max_paylod" UNKNOWN,
		"Unknown field; did you mean \"max_payload\"?" },
	{ A, NULL, "{\"maxPayload\":5}", "maxPayload" UNKNOWN, "\"max_payload\"" },
	{ A, NULL, "{\"Name\":\"x\"}", "Name" UNKNOWN, "\"name\"" },
	{ A, NULL, "{\"naem\":\"x\"}", "naem" UNKNOWN, "\"name\"" },
	{ R, NULL, "{\"publish_deny_permission\":[]}", "publish_deny_permission" UNKNOWN,
		"did you mean \"publish_deny_permissions\"?" },
	{ R, NULL, "{\"publish_denied_permissions\":[]}",
		"publish_denied_permissions" UNKNOWN, "did you mean" },
	{ A, NULL, "{\"nats_username\":\"x\"}", "nats_username" UNKNOWN,
		"Unknown field." },
	{ A, NULL, "{\"is_system\":true}", "is_system" UNKNOWN, "Unknown field." },
	{ A, NULL, "{\"deleted\":1}", "deleted" UNKNOWN, NULL },
	{ A, NULL, "{\"tokenKey\":1}", "tokenKey" UNKNOWN, NULL },
	{ U, NULL, "{\"password_hash\":\"x\"}", "password_hash" UNKNOWN,
		"Unknown field." },
	{ U, NULL, "{\"token_key\":\"x\"}", "token_key" UNKNOWN, NULL },
	{ U, NULL, "{\"iat\":1}", "iat" UNKNOWN, "Unknown field." },
	{ U, NULL, "{\"overrides\":true}", "overrides" UNKNOWN, "Unknown field." },
	{ U, NULL, "{\"issued_until\":1}", "issued_until" UNKNOWN, NULL },
	{ A, NULL, "{\"key_set\":1}", "key_set" UNKNOWN, NULL },
	{ R, NULL, "{\"feeds\":1}", "feeds" UNKNOWN, NULL },
	{ U, ID, "{\"oldPassword\":\"x\"}", "oldPassword" UNKNOWN, "Unknown field." },
	{ R, NULL, "{\"seed\":\"x\"}", "seed" UNKNOWN, NULL },
	{ X, NULL, "{\"secret\":\"x\"}", "secret" UNKNOWN, NULL },
	{ A, NULL, "{\"\":1}", UNKNOWN, NULL },
	{ A, NULL, "{\"name \":\"x\"}", "name " UNKNOWN, "\"name\"" },
	{ A, NULL, "{\"publik_key\":\"x\"}", "publik_key" UNKNOWN, "Unknown field." },
	{ A, NULL, "{\"unknown_with_null\":null}", "unknown_with_null" UNKNOWN, NULL },

	/* PocketBase's modifiers */
	{ A, ID, "{\"max_payload+\":5}", "max_payload+" UNKNOWN,
		"Modifiers are not supported; send the whole value as \"max_payload\"." },
	{ A, ID, "{\"max_payload-\":5}", "max_payload-" UNKNOWN, "Modifiers" },
	{ R, ID, "{\"publish_permissions+\":[\"a\"]}", "publish_permissions+" UNKNOWN,
		"Modifiers" },
	{ R, ID, "{\"+publish_permissions\":[\"a\"]}", "+publish_permissions" UNKNOWN,
		"Modifiers" },
	{ A, ID, "{\"nothing+\":5}", "nothing+" UNKNOWN, "Unknown field." },
	{ A, ID, "{\"is_system+\":1}", "is_system+" UNKNOWN, "Unknown field." },
	{ A, ID, "{\"+\":1}", "+" UNKNOWN, "Unknown field." },
	{ A, NULL, "{\"name:autogenerate\":\"x\"}", "name:autogenerate" UNKNOWN, NULL },

	/* texts */
	{ A, NULL, "{\"name\":5}", "name" TYPE, "Must be a string, not a number." },
	{ A, NULL, "{\"name\":1.5}", "name" TYPE, "not a number" },
	{ A, NULL, "{\"name\":true}", "name" TYPE, "not a boolean" },
	{ A, NULL, "{\"name\":[]}", "name" TYPE, "not a list" },
	{ A, NULL, "{\"name\":{}}", "name" TYPE, "not an object" },
	{ U, NULL, "{\"email\":1}", "email" TYPE, NULL },
	{ U, NULL, "{\"password\":12345678}", "password" TYPE, "not a number" },

	/* booleans: only the exact strings are coerced */
	{ A, NULL, "{\"active\":\"true\"}", "{\"active\":true}", NULL },
	{ A, NULL, "{\"active\":\"false\"}", "{\"active\":false}", NULL },
	{ A, NULL, "{\"active\":\"True\"}", "active" TYPE, "Must be true or false." },
	{ A, NULL, "{\"active\":\"yes\"}", "active" TYPE, "Must be true or false." },
	{ A, NULL, "{\"active\":\"1\"}", "active" TYPE, NULL },
	{ A, NULL, "{\"active\":\"\"}", "active" TYPE, NULL },
	{ A, NULL, "{\"active\":1}", "active" TYPE,
		"Must be true or false, not a number." },
	{ A, NULL, "{\"active\":0}", "active" TYPE, NULL },
	{ A, NULL, "{\"active\":[]}", "active" TYPE, NULL },

	/* integers: decimal strings are coerced */
	{ A, NULL, "{\"max_payload\":\"1024\"}", "{\"max_payload\":1024}", NULL },
	{ A, NULL, "{\"max_payload\":\"-1\"}", "{\"max_payload\":-1}", NULL },
	{ A, NULL, "{\"max_payload\":0}", "{\"max_payload\":0}", NULL },
	{ A, NULL, "{\"max_payload\":9223372036854775807}",
		"{\"max_payload\":9223372036854775807}", NULL },
	{ A, NULL, "{\"max_payload\":1.5}", "max_payload:validation_only_int_constraint",
		"without a fraction" },
	{ A, NULL, "{\"max_payload\":5.0}", "max_payload:validation_only_int_constraint",
		NULL },
	{ A, NULL, "{\"max_payload\":1e3}", "max_payload:validation_only_int_constraint",
		NULL },
	{ A, NULL, "{\"max_payload\":\"\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\"x\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\"1k\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\" 1\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\"+1\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\"05\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\"-0\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\"0x10\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\"1.0\"}", "max_payload:validation_not_a_number",
		NULL },
	{ A, NULL, "{\"max_payload\":\"99999999999999999999\"}",
		"max_payload:validation_max_number_constraint", "2147483647" },
	{ A, NULL, "{\"max_payload\":\"-99999999999999999999\"}",
		"max_payload:validation_min_number_constraint", "-1" },
	{ A, NULL, "{\"max_payload\":true}", "max_payload" TYPE, "an integer" },
	{ A, NULL, "{\"max_payload\":[5]}", "max_payload" TYPE, NULL },

	/* lists */
	{ R, NULL, "{\"publish_permissions\":\"a.>\"}", "publish_permissions" TYPE,
		"Must be a list of strings, not a string." },
	{ R, NULL, "{\"publish_permissions\":\"[\\\"a\\\"]\"}",
		"publish_permissions" TYPE, NULL },
	{ R, NULL, "{\"publish_permissions\":{}}", "publish_permissions" TYPE, NULL },
	{ R, NULL, "{\"publish_permissions\":[\"a\",5]}", "publish_permissions" TYPE,
		"Entry 1: must be a string, not a number." },
	{ R, NULL, "{\"publish_permissions\":[null]}", "publish_permissions" TYPE,
		"Entry 0" },
	{ R, NULL, "{\"publish_permissions\":[[\"a\"]]}", "publish_permissions" TYPE,
		"not a list" },

	/* null */
	{ R, ID, "{\"publish_permissions\":null}", "publish_permissions" TYPE,
		"[] means nothing" },
	{ R, NULL, "{\"publish_permissions\":null}", "publish_permissions" TYPE, NULL },
	{ A, ID, "{\"name\":null}", "name" TYPE, "Must not be null" },
	{ A, ID, "{\"max_payload\":null}", "max_payload" TYPE, "leave the field out" },
	{ A, ID, "{\"active\":null}", "active" TYPE, NULL },
	{ U, ID, "{\"role_id\":null}", "role_id" TYPE, NULL },
	{ X, ID, "{\"when\":null}", "when" TYPE, NULL },
	/* where it says nothing, it is a value */
	{ U, ID, "{\"publish_permissions\":null}", "{\"publish_permissions\":null}",
		NULL },
	{ U, ID, "{\"publish_permissions\":[]}", "{\"publish_permissions\":[]}", NULL },
	{ U, ID, "{\"max_payload\":null}", "{\"max_payload\":null}", NULL },
	{ U, ID, "{\"time_windows\":null}", "{\"time_windows\":null}", NULL },
	{ U, ID, "{\"tags\":null}", "tags" TYPE, "[] means nothing" },
	{ R, ID, "{\"time_windows\":null}", "time_windows" TYPE, "null" },

	/* claims: as natsid writes JSON; what they may hold is not for here to say */
	{ U, ID, "{\"time_windows\":[ {\"start\":\"08:00:00\"} ]}",
		"{\"time_windows\":[{\"start\":\"08:00:00\"}]}", NULL },
	{ A, ID, "{\"mappings\":{ \"a\" : 1 }}", "{\"mappings\":{\"a\":1}}", NULL },
	{ A, ID, "{\"mappings\":\"{}\"}", "mappings" TYPE, "not a string" },
	{ U, ID, "{\"time_windows\":[1.5]}", "time_windows:validation_invalid_value",
		"Not usable" },

	/* triggers */
	{ U, ID, "{\"regenerate\":true,\"revoke\":false}",
		"{\"regenerate\":true,\"revoke\":false}", NULL },
	{ A, ID, "{\"rotate_keys\":\"true\"}", "{\"rotate_keys\":true}", NULL },

	/* relations */
	{ U, NULL, "{\"account_id\":\"" ID "x\"}",
		"account_id:validation_missing_rel_records",
		"There is no account with this id." },
	{ U, NULL, "{\"role_id\":5}", "role_id" TYPE, "id of a record" },
	{ U, NULL, "{\"role_id\":[\"" ID "\"]}", "role_id" TYPE, NULL },

	/* dates */
	{ X, NULL, "{\"when\":\"2026-11-20 21:54:28.441Z\"}", "{\"when\":1795211668441}",
		NULL },
	{ X, NULL, "{\"when\":\"2030-01-01\"}", "{\"when\":1893456000000}", NULL },
	{ X, NULL, "{\"when\":\"2030-01-01T02:00:00+02:00\"}", "{\"when\":1893456000000}",
		NULL },
	{ X, NULL, "{\"when\":\"\"}", "{\"when\":0}", NULL },
	{ X, NULL, "{\"when\":\"tomorrow\"}", "when:validation_invalid_date",
		"2030-01-31 12:00:00.000Z" },
	{ X, NULL, "{\"when\":\"2030-02-30\"}", "when:validation_invalid_date", NULL },
	{ X, NULL, "{\"when\":1893456000}", "when" TYPE, "a date as a string" },

	/* keys */
	{ X, NULL, "{\"key\":\"\"}", "{}", NULL }, /* asks for a new one */
	{ X, NULL,
		"{\"key\":\"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U5\"}",
		"key:validation_invalid_format", NULL },
	{ X, NULL, "{\"key\":7}", "key" TYPE, NULL },

	/* all of it at once, each field once */
	{ A, NULL,
		"{\"name\":1,\"active\":2,\"x\":3,\"max_data\":\"4a\",\"description\":"
		"\"d\"}",
		"name" TYPE " active" TYPE " x" UNKNOWN
		" max_data:validation_not_a_number",
		NULL },
};

static void
check_decode(size_t index, const struct decode_case *c)
{
	struct violations violations = { 0 };
	struct err err = { 0 };
	struct buf text;
	uint64_t present = 0;
	void *row = calloc(1, c->collection->row_size);
	json_t *json = json_loads(c->body, 0, NULL);
	assert_non_null(row);
	assert_non_null(json);
	buf_init(&text, 65536);
	int rc = api_body_decode(
		json, c->collection, c->id, row, &present, &violations, &err);
	if (rc == 0) {
		assert_int_equal(violations.len, 0);
		dump(c->collection, row, present, &text);
	} else {
		assert_int_equal(err.code, ERR_INVALID);
		dump_violations(&violations, &text);
	}
	assert_int_equal(buf_finish(&text, &err), 0);
	if (!str_equal(text.data, c->outcome)) {
		fail_msg("row %zu: %s\n  gave     %s\n  expected %s", index, c->body,
			text.data, c->outcome);
	}
	if (c->says != NULL &&
		(violations.len == 0 ||
			strstr(violations.items[violations.len - 1].message, c->says) ==
				NULL)) {
		fail_msg("row %zu: %s: \"%s\" is not in the message", index, c->body,
			c->says);
	}
	record_release(c->collection, row);
	free(row);
	json_decref(json);
	buf_release(&text);
}

static void
test_body_decode(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(decode_cases); i++) {
		check_decode(i, &decode_cases[i]);
	}
}

/* Each field that clients may write, of each collection, refuses a value of another type,
 * and so nothing is ever guessed for a field that a later table adds. */
static void
test_body_decode_every_field(void **state)
{
	(void)state;
	static const struct collection *const all[] = { A, R, U, S, O, X,
		&account_export_collection, &account_import_collection };
	size_t writable = 0;
	for (size_t i = 0; i < COUNT(all); i++) {
		for (size_t j = 0; j < all[i]->field_count; j++) {
			const struct field *field = &all[i]->fields[j];
			if ((field->flags & (FIELD_READ_ONLY | FIELD_INTERNAL)) != 0) {
				continue;
			}
			char body[160];
			char outcome[160];
			assert_true(field->offset != FIELD_NO_OFFSET);
			/* an object is nothing that a field takes, but for a claim */
			bool claim = field->type == FIELD_CLAIM;
			assert_int_equal(str_fmt(body, sizeof(body), "{\"%s\":%s}",
						 field->name, claim ? "true" : "{}"),
				0);
			assert_int_equal(
				str_fmt(outcome, sizeof(outcome), "%s" TYPE, field->name),
				0);
			struct decode_case wrong = { all[i], NULL, body, outcome,
				claim ? "not a boolean" : "not an object" };
			check_decode(j, &wrong);
			writable++;
		}
	}
	assert_true(writable > 40);
}

/* A body with very many mistakes is answered, and briefly. */
static void
test_body_decode_many_mistakes(void **state)
{
	(void)state;
	struct violations violations = { 0 };
	struct account row = { 0 };
	struct err err = { 0 };
	uint64_t present = 0;
	json_t *json = json_object();
	for (int i = 0; i < 5000; i++) {
		char key[32];
		assert_int_equal(str_fmt(key, sizeof(key), "unknown_%d", i), 0);
		assert_int_equal(json_object_set_new(json, key, json_integer(i)), 0);
	}
	assert_int_equal(
		api_body_decode(json, A, NULL, &row, &present, &violations, &err), -1);
	assert_int_equal(violations.len, VIOLATIONS_MAX);
	record_release(A, &row);
	json_decref(json);
}

static void
test_suggestions(void **state)
{
	(void)state;
	static const struct {
		const char *given;
		const char *known;
		int slips;
	} cases[] = {
		{ "name", "name", 0 },
		{ "nam", "name", 1 },
		{ "names", "name", 1 },
		{ "nmae", "name", 1 },
		{ "NAME", "name", 0 },
		{ "nm", "name", -1 },
		{ "max_paylaod", "max_payload", 1 },
		{ "maxpayloads", "max_payload", 2 },
		{ "max_pay", "max_payload", -1 },
		{ "x", "active", -1 },
		{ "", "id", -1 },
		{ "seed", "name", -1 },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			"a", -1 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (api_suggest_slips(cases[i].given, cases[i].known) != cases[i].slips) {
			fail_msg("%s, %s", cases[i].given, cases[i].known);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_body_parse),
		cmocka_unit_test(test_body_parse_nul_byte),
		cmocka_unit_test(test_body_decode),
		cmocka_unit_test(test_body_decode_every_field),
		cmocka_unit_test(test_body_decode_many_mistakes),
		cmocka_unit_test(test_suggestions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
