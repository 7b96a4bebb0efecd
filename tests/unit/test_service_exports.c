/* SPDX-License-Identifier: Apache-2.0
 * Exports and imports: what is refused and why, the activations that are minted, what
 * stands on what, and two writes at once. */
#include "base/str.h"
#include "jwt/decode.h"
#include "mint/exports.h"
#include "service/export.h"
#include "store/record.h"
#include "support/jwt_samples.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define NOW_S (INT64_C(1790000000))

/* ---- writing ---- */

struct export_fields {
	const char *subject;
	const char *type; /* NULL: "service" */
	bool token_req;
	const char *response_type;
	int64_t threshold;
	int64_t sampling;
	bool headers;
	const char *results;
	int64_t position;
	bool allow_trace;
};

static const char export_names[] =
	"account_id,name,subject,type,token_req,response_type,response_threshold,latency_"
	"sampling,latency_headers,latency_results,account_token_position,allow_trace";

static const char *
or_text(const char *text, const char *otherwise)
{
	return text != NULL ? text : otherwise;
}

static void
fill_export(struct account_export *row, const char *account,
	const struct export_fields *fields)
{
	assert_int_equal(account_export_init(row, NULL), 0);
	str_fmt_cut(row->account_id, sizeof(row->account_id), "%s", account);
	temp_set(&row->name, "an export");
	temp_set(&row->subject, fields->subject);
	temp_set(&row->type, or_text(fields->type, "service"));
	temp_set(&row->response_type, or_text(fields->response_type, ""));
	temp_set(&row->latency_results, or_text(fields->results, ""));
	row->token_req = fields->token_req;
	row->response_threshold = fields->threshold;
	row->latency_sampling = fields->sampling;
	row->latency_headers = fields->headers;
	row->account_token_position = fields->position;
	row->allow_trace = fields->allow_trace;
}

static int
try_export(struct temp_service *t, const char *account,
	const struct export_fields *fields, char out_id[static RAND_ID_SIZE],
	struct violations *violations, struct err *err)
{
	struct account_export row;
	fill_export(&row, account, fields);
	int rc = temp_create(t, &account_export_collection, &row, export_names, out_id,
		violations, err);
	record_release(&account_export_collection, &row);
	return rc;
}

static void
make_export(struct temp_service *t, const char *account,
	const struct export_fields *fields, char out_id[static RAND_ID_SIZE])
{
	struct err err = { 0 };
	struct violations violations = { 0 };
	if (try_export(t, account, fields, out_id, &violations, &err) != 0) {
		fail_msg("export %s: %s", fields->subject, err.msg);
	}
}

struct import_fields {
	const char *subject;
	const char *type; /* NULL: "service" */
	const char *local;
	const char *token;
	bool share;
	bool allow_trace;
};

static const char import_names[] =
	"account_id,name,subject,account,local_subject,type,token,share,allow_trace";

static int
try_import(struct temp_service *t, const char *account,
	const struct nkey_public *exporter, const struct import_fields *fields,
	char out_id[static RAND_ID_SIZE], struct violations *violations, struct err *err)
{
	struct account_import row;
	assert_int_equal(account_import_init(&row, NULL), 0);
	str_fmt_cut(row.account_id, sizeof(row.account_id), "%s", account);
	row.account = *exporter;
	temp_set(&row.name, "an import");
	temp_set(&row.subject, fields->subject);
	temp_set(&row.type, or_text(fields->type, "service"));
	temp_set(&row.local_subject, or_text(fields->local, ""));
	temp_set(&row.token, or_text(fields->token, ""));
	row.share = fields->share;
	row.allow_trace = fields->allow_trace;
	int rc = temp_create(t, &account_import_collection, &row, import_names, out_id,
		violations, err);
	record_release(&account_import_collection, &row);
	return rc;
}

static void
make_import(struct temp_service *t, const char *account,
	const struct nkey_public *exporter, const struct import_fields *fields,
	char out_id[static RAND_ID_SIZE])
{
	struct err err = { 0 };
	struct violations violations = { 0 };
	if (try_import(t, account, exporter, fields, out_id, &violations, &err) != 0) {
		fail_msg("import %s: %s", fields->subject, err.msg);
	}
}

/* ---- looking ---- */

static struct nkey_public
key_of(struct temp_service *t, const char *account)
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	struct account row;
	assert_int_equal(store_read_begin(t->temp.store, &conn, &err), 0);
	assert_int_equal(
		store_record_get(conn, &account_collection, account, &row, &err), 0);
	store_read_end(t->temp.store, conn);
	struct nkey_public key = row.public_key;
	record_release(&account_collection, &row);
	return key;
}

static int64_t
all_generations(const struct temp_service *t)
{
	return temp_ask(t, "SELECT sum(generation) FROM account_publish", NULL);
}

/* Mints what is wanted; the claims of the bytes in force, which servers would take. */
static struct jwt_claims
minted(struct temp_service *t, const char *account)
{
	struct err err = { 0 };
	struct minting out = { 0 };
	int64_t seq = temp_account_seq(t, account);
	t->temp.clock.wall += 10000;
	assert_int_equal(service_mint_account(t->service, seq, true, &out, &err), 0);
	if (out.result != MINTING_DONE) {
		fail_msg("held: %s", out.reason);
	}
	return temp_account_claims(t, seq);
}

static void
check_says(const struct violations *violations, const struct err *err, const char *field,
	const char *says, const char *what)
{
	for (size_t i = 0; i < violations->len; i++) {
		const struct violation *item = &violations->items[i];
		if (str_equal(item->field, field)) {
			if (strstr(item->message, says) == NULL) {
				fail_msg("%s: %s: \"%s\" is not in \"%s\"", what, field,
					says, item->message);
			}
			return;
		}
	}
	fail_msg("%s: nothing is said of %s: %s", what, field, err->msg);
}

/* ---- the exports that are refused ---- */

struct bad_export {
	struct export_fields fields;
	const char *field;
	const char *says;
};

static const struct bad_export bad_exports[] = {
	{ { .subject = "" }, "subject", "blank" },
	{ { .subject = "a..b" }, "subject", "empty token" },
	{ { .subject = "a.>.b" }, "subject", "last token" },
	{ { .subject = "a b" }, "subject", "space" },
	{ { .subject = "{{name()}}" }, "subject", "templates" },
	{ { .subject = "n", .type = "queue" }, "type", "none of stream, service" },
	{ { .subject = "n", .response_type = "Many" }, "response_type", "none of" },
	{ { .subject = "n", .type = "stream", .response_type = "Stream" },
		"response_type", "Only services" },
	{ { .subject = "n", .type = "stream", .threshold = 5 }, "response_threshold",
		"Only services" },
	{ { .subject = "n", .type = "stream", .sampling = 5 }, "latency_sampling",
		"Only services" },
	{ { .subject = "n", .type = "stream", .headers = true }, "latency_headers",
		"Only services" },
	{ { .subject = "n", .type = "stream", .results = "m" }, "latency_results",
		"Only services" },
	{ { .subject = "n", .type = "stream", .allow_trace = true }, "allow_trace",
		"Only services" },
	{ { .subject = "n", .threshold = -1 }, "response_threshold", "at least 0" },
	{ { .subject = "n", .sampling = 101, .results = "m" }, "latency_sampling",
		"at most 100" },
	{ { .subject = "n", .sampling = -1, .results = "m" }, "latency_sampling",
		"at least 0" },
	{ { .subject = "n", .sampling = 5, .headers = true, .results = "m" },
		"latency_headers", "not both" },
	{ { .subject = "n", .sampling = 5 }, "latency_results", "need a subject" },
	{ { .subject = "n", .headers = true }, "latency_results", "need a subject" },
	{ { .subject = "n", .results = "m" }, "latency_sampling", "how many percent" },
	{ { .subject = "n", .sampling = 5, .results = "m.*" }, "latency_results",
		"wildcards" },
	{ { .subject = "n.*", .position = 1 }, "account_token_position",
		"must be \"*\"" },
	{ { .subject = "n.*", .position = 3 }, "account_token_position",
		"must be \"*\"" },
	{ { .subject = "n.>", .position = 2 }, "account_token_position",
		"must be \"*\"" },
	{ { .subject = "n", .position = -1 }, "account_token_position", "at least 0" },
	{ { .subject = "n.*", .position = 2, .token_req = true }, "token_req",
		"no token" },
	{ { .subject = "have.it" }, "subject", "overlaps" },
	{ { .subject = "have.>" }, "subject", "overlaps" },
	{ { .subject = ">" }, "subject", "overlaps" },
	{ { .subject = "star.x" }, "subject", "overlaps" },
	/* the library takes "rest.>" for a part of "rest.*" */
	{ { .subject = "rest.b.>", .type = "stream" }, "subject", "overlaps" },
	/* either of them would let an import in, by chance */
	{ { .subject = "*.y", .token_req = true }, "subject", "neither" },
	{ { .subject = "*.z.*", .position = 3 }, "subject", "neither" },
};

static void
test_bad_exports(void **state)
{
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	char id[RAND_ID_SIZE];
	temp_make_account(t, "exporter", account);
	make_export(t, account, &(struct export_fields){ .subject = "have.it" }, id);
	make_export(t, account, &(struct export_fields){ .subject = "star.*" }, id);
	make_export(t, account, &(struct export_fields){ .subject = "w.*.q" }, id);
	make_export(t, account,
		&(struct export_fields){ .subject = "rest.*.*", .type = "stream" }, id);
	int64_t before = all_generations(t);
	for (size_t i = 0; i < COUNT(bad_exports); i++) {
		struct err err = { 0 };
		struct violations violations = { 0 };
		const struct bad_export *bad = &bad_exports[i];
		int rc = try_export(t, account, &bad->fields, id, &violations, &err);
		if (rc == 0) {
			fail_msg("row %zu, \"%s\", was taken", i, bad->fields.subject);
		}
		assert_int_equal(err.code, ERR_INVALID);
		check_says(&violations, &err, bad->field, bad->says, bad->fields.subject);
	}
	assert_int_equal(all_generations(t), before);

	/* what looks like those, and is good */
	make_export(t, account,
		&(struct export_fields){ .subject = "have.it", .type = "stream" }, id);
	make_export(t, account, &(struct export_fields){ .subject = "*.z" }, id);
	make_export(t, account,
		&(struct export_fields){ .subject = "p.*.>", .position = 2 }, id);
	make_export(t, account,
		&(struct export_fields){ .subject = "l",
			.headers = true,
			.results = "m.l",
			.response_type = "Chunked",
			.threshold = 2000,
			.allow_trace = true },
		id);
	struct jwt_claims claims = minted(t, account);
	assert_int_equal(claims.as.account.exports_len, 8);
	jwt_claims_release(&claims);
}

static void
test_export_limits(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct violations violations = { 0 };
	char account[RAND_ID_SIZE];
	char id[RAND_ID_SIZE];
	temp_make_account(t, "exporter", account);
	temp_store_exec(&t->temp,
		"UPDATE accounts SET max_exports = 1, allow_wildcard_exports = 0");
	assert_int_equal(
		try_export(t, account, &(struct export_fields){ .subject = "a.*" }, id,
			&violations, &err),
		-1);
	check_says(&violations, &err, "subject", "allow_wildcard_exports", "wildcard");
	make_export(t, account, &(struct export_fields){ .subject = "a" }, id);
	violations = (struct violations){ 0 };
	assert_int_equal(try_export(t, account, &(struct export_fields){ .subject = "b" },
				 id, &violations, &err),
		-1);
	check_says(&violations, &err, "account_id", "max_exports", "limit");
	violations = (struct violations){ 0 };
	assert_int_equal(
		try_export(t, "000000000000000",
			&(struct export_fields){ .subject = "b" }, id, &violations, &err),
		-1);
	check_says(&violations, &err, "account_id", "no account", "missing account");
}

/* ---- the imports that are refused ---- */

struct two {
	struct temp_service *t;
	char exporter[RAND_ID_SIZE];
	char importer[RAND_ID_SIZE];
	struct nkey_public exporter_key;
	struct nkey_public importer_key;
	char importer_text[NKEY_TEXT_SIZE];
	char id[RAND_ID_SIZE]; /* of what was made last */
};

static struct two
make_two(struct temp_service *t)
{
	struct two two = { .t = t };
	temp_make_account(t, "exporter", two.exporter);
	temp_make_account(t, "importer", two.importer);
	two.exporter_key = key_of(t, two.exporter);
	two.importer_key = key_of(t, two.importer);
	nkey_text_encode(NKEY_ACCOUNT, &two.importer_key, two.importer_text);
	return two;
}

static void
refuse_import(struct two *two, const struct nkey_public *exporter,
	const struct import_fields *fields, const char *field, const char *says)
{
	struct err err = { 0 };
	struct violations violations = { 0 };
	int64_t before = all_generations(two->t);
	char id[RAND_ID_SIZE];
	if (try_import(two->t, two->importer, exporter, fields, id, &violations, &err) ==
		0) {
		fail_msg("\"%s\" was taken", fields->subject);
	}
	assert_int_equal(err.code, ERR_INVALID);
	check_says(&violations, &err, field, says, fields->subject);
	assert_int_equal(all_generations(two->t), before);
}

struct bad_import {
	struct import_fields fields;
	const char *field;
	const char *says;
};

static const struct bad_import bad_imports[] = {
	{ { .subject = "" }, "subject", "blank" },
	{ { .subject = "a..b" }, "subject", "empty token" },
	{ { .subject = "other" }, "subject", "does not export this service" },
	{ { .subject = "open", .type = "stream" }, "subject",
		"does not export this stream" },
	{ { .subject = "wide.>" }, "subject", "does not export" },
	{ { .subject = "*" }, "subject", "does not export" },
	{ { .subject = "mine.x" }, "subject", "must be the key of the importing" },
	{ { .subject = "mine.*" }, "subject", "must be the key of the importing" },
	{ { .subject = "open", .type = "topic" }, "type", "none of" },
	{ { .subject = "flow.a", .type = "stream", .share = true }, "share",
		"Only services" },
	{ { .subject = "open", .allow_trace = true }, "allow_trace", "Only streams" },
	{ { .subject = "open", .local = "x.*" }, "local_subject", "1 of the 0" },
	{ { .subject = "open", .local = "x.$1" }, "local_subject", "none of the 0" },
	{ { .subject = "open", .local = "x.>" }, "local_subject", "end in \">\"" },
	{ { .subject = "open", .local = "x..y" }, "local_subject", "empty token" },
	{ { .subject = "open", .local = "x.{{name()}}" }, "local_subject", "templates" },
	{ { .subject = "wide.*.*", .local = "x.*" }, "local_subject", "1 of the 2" },
	{ { .subject = "wide.*.*", .local = "x.$1" }, "local_subject", "1 of the 2" },
	{ { .subject = "wide.*.*", .local = "x.$1.$1" }, "local_subject", "twice" },
	{ { .subject = "wide.*.*", .local = "x.$1.*" }, "local_subject", "both" },
	{ { .subject = "wide.*.*", .local = "x.$1.$3" }, "local_subject",
		"none of the 2" },
	{ { .subject = "wide.*.*", .local = "x.$0.$1" }, "local_subject",
		"none of the 2" },
	{ { .subject = "wide.*.*", .local = "x.$1.$2x" }, "local_subject", "neither" },
	{ { .subject = "wide.*.*", .local = "x.*.*.*" }, "local_subject", "3 of the 2" },
	{ { .subject = "flow.>", .type = "stream", .local = "x" }, "local_subject",
		"end in \">\"" },
	{ { .subject = "have" }, "subject", "overlaps" },
	{ { .subject = "open", .local = "have" }, "local_subject", "overlaps" },
	{ { .subject = "wide.*.*", .local = "*.*" }, "local_subject", "overlaps" },
	{ { .subject = "wide.*.*", .local = "$2.$1" }, "local_subject", "overlaps" },
	{ { .subject = "flow.have", .type = "stream" }, "subject", "already" },
	{ { .subject = "flow.have", .type = "stream", .local = "elsewhere" }, "subject",
		"already" },
	{ { .subject = "open", .token = "x" }, "token", "Not usable" },
	{ { .subject = "open", .token = "e30.e30.e30" }, "token", "Not usable" },
};

static void
offer_all(struct two *two)
{
	static const struct export_fields exports[] = {
		{ .subject = "open" },
		{ .subject = "have" },
		{ .subject = "two.tokens" },
		{ .subject = "wide.*.*" },
		{ .subject = "mine.*", .position = 2 },
		{ .subject = "paid", .token_req = true },
		{ .subject = "flow.>", .type = "stream" },
	};
	for (size_t i = 0; i < COUNT(exports); i++) {
		make_export(two->t, two->exporter, &exports[i], two->id);
	}
}

static void
test_bad_imports(void **state)
{
	struct two two = make_two(*state);
	struct nkey_public nobody = { .bytes = { 7 } };
	char subject[100];
	offer_all(&two);
	make_import(two.t, two.importer, &two.exporter_key,
		&(struct import_fields){ .subject = "have" }, two.id);
	make_import(two.t, two.importer, &two.exporter_key,
		&(struct import_fields){ .subject = "two.tokens" }, two.id);
	make_import(two.t, two.importer, &two.exporter_key,
		&(struct import_fields){ .subject = "flow.have", .type = "stream" },
		two.id);
	for (size_t i = 0; i < COUNT(bad_imports); i++) {
		const struct bad_import *bad = &bad_imports[i];
		refuse_import(
			&two, &two.exporter_key, &bad->fields, bad->field, bad->says);
	}
	refuse_import(&two, &nobody, &(struct import_fields){ .subject = "open" },
		"account", "needs a token");
	refuse_import(&two, &two.importer_key,
		&(struct import_fields){ .subject = "open" }, "account", "itself");
	refuse_import(&two, &(struct nkey_public){ .bytes = { 0 } },
		&(struct import_fields){ .subject = "open" }, "account", "blank");

	/* what looks like those, and is good */
	str_fmt_cut(subject, sizeof(subject), "mine.%s", two.importer_text);
	make_import(two.t, two.importer, &two.exporter_key,
		&(struct import_fields){ .subject = subject, .share = true }, two.id);
	make_import(two.t, two.importer, &two.exporter_key,
		&(struct import_fields){ .subject = "wide.*.*", .local = "x.$2.$1" },
		two.id);
	make_import(two.t, two.importer, &two.exporter_key,
		&(struct import_fields){ .subject = "flow.>",
			.type = "stream",
			.local = "from.them.>",
			.allow_trace = true },
		two.id);
	struct jwt_claims claims = minted(two.t, two.importer);
	assert_int_equal(claims.as.account.imports_len, 6);
	jwt_claims_release(&claims);
}

static void
test_import_limits(void **state)
{
	struct two two = make_two(*state);
	struct account row = { .active = false };
	offer_all(&two);
	temp_store_exec(&two.t->temp, "UPDATE accounts SET max_imports = 1");
	make_import(two.t, two.importer, &two.exporter_key,
		&(struct import_fields){ .subject = "open" }, two.id);
	refuse_import(&two, &two.exporter_key,
		&(struct import_fields){ .subject = "have" }, "account_id",
		"max_imports");
	temp_store_exec(&two.t->temp, "UPDATE accounts SET max_imports = -1");
	temp_change_ok(two.t, &account_collection, two.exporter, &row, "active");
	refuse_import(&two, &two.exporter_key,
		&(struct import_fields){ .subject = "have" }, "account", "suspended");
	/* what takes nothing new is no affair of the exporter's */
	struct account_import change = { 0 };
	temp_set(&change.name, "renamed");
	temp_change_ok(two.t, &account_import_collection, two.id, &change, "name");
	record_release(&account_import_collection, &change);
}

/* ---- tokens from outside ---- */

struct token {
	const char *subject;
	enum jwt_export_type kind;
	uint8_t signer; /* seed of */
	uint8_t issuer_account; /* seed of; 0: none */
	bool other_sub;
	int64_t exp;
	int64_t nbf;
};

static char *
make_token(const struct two *two, const struct token *token)
{
	struct err err = { 0 };
	struct buf out;
	struct jwt_claims claims = { .type = JWT_ACTIVATION, .iat = NOW_S };
	struct sample_key key = sample_key_make(NKEY_ACCOUNT, token->signer);
	struct jwt_signer signer = sample_signer(&key);
	claims.sub = str_dup(token->other_sub ? key.text : two->importer_text);
	claims.exp = token->exp;
	claims.nbf = token->nbf;
	claims.as.activation.subject = str_dup(token->subject);
	claims.as.activation.kind = token->kind;
	if (token->issuer_account != 0) {
		struct sample_key account =
			sample_key_make(NKEY_ACCOUNT, token->issuer_account);
		claims.as.activation.issuer_account = str_dup(account.text);
	}
	buf_init(&out, 4096);
	assert_int_equal(jwt_encode(&claims, &signer, &out, &err), 0);
	assert_int_equal(buf_finish(&out, &err), 0);
	jwt_claims_release(&claims);
	return buf_take(&out);
}

static void
test_outside_tokens(void **state)
{
	enum { OUTSIDE = 9, STRANGER = 10 };
	static const struct {
		struct token token;
		const char *says;
	} bad[] = {
		{ { "svc", JWT_EXPORT_SERVICE, STRANGER, 0, false, 0, 0 },
			"another account" },
		{ { "svc", JWT_EXPORT_SERVICE, OUTSIDE, STRANGER, false, 0, 0 },
			"another account" },
		{ { "svc", JWT_EXPORT_SERVICE, OUTSIDE, 0, true, 0, 0 },
			"for another account" },
		{ { "svc", JWT_EXPORT_STREAM, OUTSIDE, 0, false, 0, 0 },
			"not for a service" },
		{ { "other", JWT_EXPORT_SERVICE, OUTSIDE, 0, false, 0, 0 },
			"does not cover" },
		{ { "svc", JWT_EXPORT_SERVICE, OUTSIDE, 0, false, NOW_S, 0 }, "expired" },
		{ { "svc", JWT_EXPORT_SERVICE, OUTSIDE, 0, false, 0, NOW_S + 99 },
			"not valid yet" },
	};
	static const struct token good[] = {
		{ "svc", JWT_EXPORT_SERVICE, OUTSIDE, 0, false, 0, 0 },
		{ ">", JWT_EXPORT_SERVICE, STRANGER, OUTSIDE, false, NOW_S + 9999,
			NOW_S },
	};
	struct two two = make_two(*state);
	struct nkey_public outside = sample_key_make(NKEY_ACCOUNT, OUTSIDE).pub;
	for (size_t i = 0; i < COUNT(bad); i++) {
		char *token = make_token(&two, &bad[i].token);
		refuse_import(&two, &outside,
			&(struct import_fields){ .subject = "svc", .token = token },
			"token", bad[i].says);
		free(token);
	}
	/* a token of another kind, with a good signature */
	struct buf user;
	buf_init(&user, 8192);
	jwt_sample_put(jwt_sample_find("user default by account"), &user);
	refuse_import(&two, &outside,
		&(struct import_fields){ .subject = "svc", .token = user.data }, "token",
		"no activation");
	buf_release(&user);
	for (size_t i = 0; i < COUNT(good); i++) {
		char *token = make_token(&two, &good[i]);
		make_import(two.t, two.importer, &outside,
			&(struct import_fields){ .subject = "svc", .token = token },
			two.id);
		struct jwt_claims claims = minted(two.t, two.importer);
		assert_int_equal(claims.as.account.imports_len, 1);
		assert_string_equal(claims.as.account.imports[0].token, token);
		jwt_claims_release(&claims);
		temp_delete_ok(two.t, &account_import_collection, two.id);
		free(token);
	}

	/* A stranger's signature, in the name of an account of ours whose keys are known.
	 */
	make_export(two.t, two.exporter,
		&(struct export_fields){ .subject = "svc", .token_req = true }, two.id);
	struct sample_key stranger = sample_key_make(NKEY_ACCOUNT, STRANGER);
	struct jwt_signer signer = sample_signer(&stranger);
	struct err err = { 0 };
	struct buf forged;
	struct jwt_claims claims = { .type = JWT_ACTIVATION, .iat = NOW_S };
	char exporter[NKEY_TEXT_SIZE];
	nkey_text_encode(NKEY_ACCOUNT, &two.exporter_key, exporter);
	claims.sub = str_dup(two.importer_text);
	claims.as.activation.subject = str_dup("svc");
	claims.as.activation.kind = JWT_EXPORT_SERVICE;
	claims.as.activation.issuer_account = str_dup(exporter);
	buf_init(&forged, 4096);
	assert_int_equal(jwt_encode(&claims, &signer, &forged, &err), 0);
	refuse_import(&two, &two.exporter_key,
		&(struct import_fields){ .subject = "svc", .token = forged.data },
		"token", "not signed by a key");
	buf_release(&forged);
	jwt_claims_release(&claims);
}

/* ---- activations of ours ---- */

static struct jwt_claims
activation_in(const struct jwt_claims *claims)
{
	struct err err = { 0 };
	struct jwt_claims activation = { 0 };
	const char *token = claims->as.account.imports[0].token;
	assert_non_null(token);
	assert_int_equal(jwt_decode(token, strlen(token), &activation, &err), 0);
	return activation;
}

static int64_t
minted_activation_iat(struct two *two)
{
	struct jwt_claims claims = minted(two->t, two->importer);
	struct jwt_claims activation = activation_in(&claims);
	int64_t iat = activation.iat;
	jwt_claims_release(&activation);
	jwt_claims_release(&claims);
	return iat;
}

static void
test_activation(void **state)
{
	struct two two = make_two(*state);
	struct err err = { 0 };
	struct minting out = { 0 };
	char export[RAND_ID_SIZE];
	char exporter[NKEY_TEXT_SIZE];
	nkey_text_encode(NKEY_ACCOUNT, &two.exporter_key, exporter);
	make_export(two.t, two.exporter,
		&(struct export_fields){ .subject = "paid.>", .token_req = true },
		export);
	make_import(two.t, two.importer, &two.exporter_key,
		&(struct import_fields){ .subject = "paid.a", .local = "a" }, two.id);
	struct jwt_claims offers = minted(two.t, two.exporter);
	struct jwt_claims claims = minted(two.t, two.importer);
	struct jwt_claims activation = activation_in(&claims);
	assert_int_equal(activation.type, JWT_ACTIVATION);
	assert_string_equal(activation.iss, offers.as.account.signing_keys[0].key);
	assert_string_equal(activation.sub, two.importer_text);
	assert_int_equal(activation.iat, NOW_S);
	assert_string_equal(activation.as.activation.issuer_account, exporter);
	assert_string_equal(activation.as.activation.subject, "paid.a");
	assert_int_equal(activation.as.activation.kind, JWT_EXPORT_SERVICE);
	jwt_claims_release(&activation);
	jwt_claims_release(&claims);
	jwt_claims_release(&offers);

	/* the same rows are the same bytes */
	two.t->temp.clock.wall += 60000;
	assert_int_equal(service_mint_account(two.t->service,
				 temp_account_seq(two.t, two.importer), true, &out, &err),
		0);
	assert_int_equal(out.result, MINTING_DONE);
	assert_false(out.new_bytes);

	/* no token any more: the importer's JWT says another thing */
	int64_t before = temp_generation(two.t, two.importer);
	struct account_export row = { .token_req = false };
	temp_change_ok(two.t, &account_export_collection, export, &row, "token_req");
	assert_int_equal(temp_generation(two.t, two.importer), before + 1);
	claims = minted(two.t, two.importer);
	assert_null(claims.as.account.imports[0].token);
	jwt_claims_release(&claims);
	row.token_req = true;
	temp_change_ok(two.t, &account_export_collection, export, &row, "token_req");
	assert_int_equal(temp_urgent_generation(two.t, two.importer), before + 2);
	assert_int_equal(minted_activation_iat(&two), NOW_S);
}

static void
test_activation_follows_keys(void **state)
{
	struct two two = make_two(*state);
	struct account row = { .rotate_keys = true };
	make_export(two.t, two.exporter,
		&(struct export_fields){ .subject = "paid", .token_req = true }, two.id);
	make_import(two.t, two.importer, &two.exporter_key,
		&(struct import_fields){ .subject = "paid" }, two.id);
	struct jwt_claims before = minted(two.t, two.importer);
	int64_t generation = temp_generation(two.t, two.importer);
	temp_change_ok(two.t, &account_collection, two.exporter, &row, "rotate_keys");
	assert_int_equal(temp_generation(two.t, two.importer), generation + 1);
	assert_int_equal(temp_urgent_generation(two.t, two.importer), generation + 1);
	struct jwt_claims offers = minted(two.t, two.exporter);
	struct jwt_claims claims = minted(two.t, two.importer);
	struct jwt_claims activation = activation_in(&claims);
	assert_string_equal(activation.iss, offers.as.account.signing_keys[0].key);
	assert_int_equal(activation.iat, NOW_S);
	assert_string_not_equal(
		before.as.account.imports[0].token, claims.as.account.imports[0].token);
	jwt_claims_release(&activation);
	jwt_claims_release(&claims);
	jwt_claims_release(&offers);
	jwt_claims_release(&before);
}

/* What is accepted can be minted; what would not fit is refused in time. */
static void
test_budget(void **state)
{
	struct two two = make_two(*state);
	struct err err = { 0 };
	struct violations violations = { 0 };
	char sql[600];
	make_export(
		two.t, two.exporter, &(struct export_fields){ .subject = "s" }, two.id);
	str_fmt_cut(sql, sizeof(sql),
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i "
		"< 900) INSERT INTO account_exports (id, account, name, subject, type, "
		"description, created, updated) SELECT printf('%%015d', i), (SELECT seq "
		"FROM accounts WHERE id = '%s'), 'n', 'many.' || i, 'stream', "
		"printf('%%.400c', 'x'), 0, 0 FROM n",
		two.exporter);
	temp_store_exec(&two.t->temp, sql);
	int64_t before = all_generations(two.t);
	assert_int_equal(try_export(two.t, two.exporter,
				 &(struct export_fields){ .subject = "more" }, two.id,
				 &violations, &err),
		-1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "no room"));
	assert_int_equal(all_generations(two.t), before);
	struct jwt_claims claims = minted(two.t, two.exporter);
	jwt_claims_release(&claims);
}

static void
revoke_ok(struct two *two, const char *export, bool all)
{
	struct err err = { 0 };
	if (service_export_revoke(two->t->service, &temp_superuser_actor, export,
		    all ? NULL : &two->importer_key, NULL, &err) != 0) {
		fail_msg("%s", err.msg);
	}
}

static int
allow(struct two *two, const char *export, bool all, struct err *err)
{
	return service_export_allow(two->t->service, &temp_superuser_actor, export,
		all ? NULL : &two->importer_key, NULL, err);
}

static void
test_revoke_and_allow(void **state)
{
	struct two two = make_two(*state);
	struct err err = { 0 };
	char export[RAND_ID_SIZE];
	char other[RAND_ID_SIZE];
	make_export(
		two.t, two.exporter, &(struct export_fields){ .subject = "open" }, other);
	make_export(two.t, two.exporter,
		&(struct export_fields){ .subject = "paid", .token_req = true }, export);
	make_import(two.t, two.importer, &two.exporter_key,
		&(struct import_fields){ .subject = "paid" }, two.id);
	assert_int_equal(service_export_revoke(two.t->service, &temp_superuser_actor,
				 other, NULL, NULL, &err),
		-1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(allow(&two, export, false, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(service_export_revoke(two.t->service, &temp_guest_actor, export,
				 NULL, NULL, &err),
		-1);
	assert_int_equal(err.code, ERR_FORBIDDEN);

	/* the clock stands where the import was made: revoked all the same */
	int64_t urgent = temp_urgent_generation(two.t, two.exporter);
	revoke_ok(&two, export, false);
	assert_true(temp_urgent_generation(two.t, two.exporter) > urgent);
	struct jwt_claims claims = minted(two.t, two.exporter);
	const struct jwt_export *paid = NULL;
	for (size_t i = 0; i < claims.as.account.exports_len; i++) {
		if (claims.as.account.exports[i].token_req) {
			paid = &claims.as.account.exports[i];
		}
	}
	assert_non_null(paid);
	assert_int_equal(paid->revocations_len, 1);
	assert_string_equal(paid->revocations[0].key, two.importer_text);
	assert_int_equal(paid->revocations[0].at, NOW_S);
	jwt_claims_release(&claims);
	refuse_import(&two, &two.exporter_key,
		&(struct import_fields){ .subject = "paid", .local = "again" }, "account",
		"revoked this for this account");

	assert_int_equal(allow(&two, export, false, &err), 0);
	assert_int_equal(minted_activation_iat(&two), NOW_S + 1);
	claims = minted(two.t, two.exporter);
	assert_int_equal(claims.as.account.exports[1].revocations_len, 0);
	jwt_claims_release(&claims);

	/* of all; an account let in again stays in while the entry stands */
	revoke_ok(&two, export, true);
	refuse_import(&two, &two.exporter_key,
		&(struct import_fields){ .subject = "paid", .local = "again" }, "account",
		"all accounts");
	int64_t at = temp_ask(two.t, "SELECT max(at) FROM export_revocations", NULL);
	assert_int_equal(allow(&two, export, false, &err), 0);
	assert_int_equal(minted_activation_iat(&two), at + 1);
	assert_int_equal(
		temp_ask(two.t, "SELECT count(*) FROM export_revocations", NULL), 1);
	/* revoked by name, it stays out when all are allowed */
	revoke_ok(&two, export, false);
	assert_int_equal(allow(&two, export, true, &err), 0);
	assert_int_equal(
		temp_ask(two.t, "SELECT count(*) FROM export_revocations", NULL), 1);
	int64_t own = temp_ask(two.t, "SELECT at FROM export_revocations", NULL);
	assert_true(minted_activation_iat(&two) <= own);
	/* an entry of all takes the place of older ones */
	revoke_ok(&two, export, true);
	assert_int_equal(
		temp_ask(two.t, "SELECT count(*) FROM export_revocations", NULL), 1);
	temp_delete_ok(two.t, &account_import_collection, two.id);
	temp_delete_ok(two.t, &account_export_collection, export);
	assert_int_equal(
		temp_ask(two.t, "SELECT count(*) FROM export_revocations", NULL), 0);
}

/* ---- what stands on what ---- */

static int
change_export(struct two *two, const char *id, const struct export_fields *fields,
	const char *names, struct err *err)
{
	struct account_export row;
	fill_export(&row, two->exporter, fields);
	int rc = temp_change(
		two->t, &account_export_collection, id, &row, names, NULL, err);
	record_release(&account_export_collection, &row);
	return rc;
}

static void
test_standing_imports(void **state)
{
	struct two two = make_two(*state);
	struct err err = { 0 };
	char export[RAND_ID_SIZE];
	make_export(
		two.t, two.exporter, &(struct export_fields){ .subject = "a.*" }, export);
	make_import(two.t, two.importer, &two.exporter_key,
		&(struct import_fields){ .subject = "a.x" }, two.id);
	int64_t before = all_generations(two.t);
	static const struct export_fields narrower[] = {
		{ .subject = "a.y" },
		{ .subject = "a.*", .type = "stream" },
		{ .subject = "a.*", .position = 2 },
	};
	for (size_t i = 0; i < COUNT(narrower); i++) {
		assert_int_equal(change_export(&two, export, &narrower[i],
					 "subject,type,account_token_position", &err),
			-1);
		assert_int_equal(err.code, ERR_CONFLICT);
		assert_non_null(strstr(err.msg, "\"importer\" imports \"a.x\""));
	}
	assert_int_equal(service_record_delete(two.t->service, &temp_superuser_actor,
				 &account_export_collection, export, &err),
		-1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "importer"));
	assert_int_equal(service_record_delete(two.t->service, &temp_superuser_actor,
				 &account_collection, two.exporter, &err),
		-1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "\"importer\" imports from \"exporter\""));
	assert_int_equal(all_generations(two.t), before);

	/* still covered */
	assert_int_equal(
		change_export(&two, export, &(struct export_fields){ .subject = "a.x" },
			"subject", &err),
		0);
	assert_int_equal(temp_urgent_generation(two.t, two.exporter),
		temp_generation(two.t, two.exporter));
	assert_int_equal(
		change_export(&two, export, &(struct export_fields){ .subject = "a.>" },
			"subject", &err),
		0);
	assert_true(temp_urgent_generation(two.t, two.exporter) <
		temp_generation(two.t, two.exporter));

	/* the importer goes, with its imports; then the exporter may */
	temp_delete_ok(two.t, &account_collection, two.importer);
	assert_int_equal(
		temp_ask(two.t, "SELECT count(*) FROM account_imports", NULL), 0);
	temp_delete_ok(two.t, &account_collection, two.exporter);
	assert_int_equal(
		temp_ask(two.t, "SELECT count(*) FROM account_exports", NULL), 0);
}

/* ---- circles ---- */

enum { RING = 4 };

struct ring {
	struct temp_service *t;
	char ids[RING][RAND_ID_SIZE];
	struct nkey_public keys[RING];
};

static struct ring
make_ring(struct temp_service *t, const char *type)
{
	static const char *const names[RING] = { "north", "east", "south", "west" };
	struct ring ring = { .t = t };
	char id[RAND_ID_SIZE];
	for (size_t i = 0; i < RING; i++) {
		temp_make_account(t, names[i], ring.ids[i]);
		ring.keys[i] = key_of(t, ring.ids[i]);
		make_export(t, ring.ids[i],
			&(struct export_fields){ .subject = "r.>", .type = type }, id);
	}
	return ring;
}

static int
link_ring(struct ring *ring, size_t from, size_t to, const char *type,
	struct violations *violations)
{
	struct err err = { 0 };
	char id[RAND_ID_SIZE];
	return try_import(ring->t, ring->ids[from], &ring->keys[to],
		&(struct import_fields){ .subject = "r.>", .type = type }, id, violations,
		&err);
}

static void
check_ring(struct temp_service *t, const char *type)
{
	struct ring ring = make_ring(t, type);
	struct violations violations = { 0 };
	struct err err = { 0 };
	assert_int_equal(link_ring(&ring, 0, 1, type, &violations), 0);
	assert_int_equal(link_ring(&ring, 2, 3, type, &violations), 0);
	assert_int_equal(link_ring(&ring, 1, 2, type, &violations), 0);
	assert_int_equal(link_ring(&ring, 3, 0, type, &violations), -1);
	check_says(&violations, &err, "account", "west > north > east > south > west",
		"four");
	violations = (struct violations){ 0 };
	assert_int_equal(link_ring(&ring, 1, 0, type, &violations), -1);
	/* a service of that name is there already, which is told first */
	check_says(&violations, &err, str_equal(type, "stream") ? "account" : "subject",
		str_equal(type, "stream") ? "east > north > east" : "overlaps", "two");
	for (size_t i = 0; i < RING; i++) {
		struct jwt_claims claims = minted(t, ring.ids[i]);
		jwt_claims_release(&claims);
	}
}

static void
test_service_circle(void **state)
{
	check_ring(*state, "service");
}

static void
test_stream_circle(void **state)
{
	check_ring(*state, "stream");
}

/* What goes back under another part of the name space goes in no circle. */
static void
test_no_circle(void **state)
{
	struct ring ring = make_ring(*state, "service");
	struct err err = { 0 };
	struct violations violations = { 0 };
	char id[RAND_ID_SIZE];
	make_import(ring.t, ring.ids[0], &ring.keys[1],
		&(struct import_fields){ .subject = "r.a" }, id);
	make_import(ring.t, ring.ids[1], &ring.keys[0],
		&(struct import_fields){ .subject = "r.b" }, id);
	/* a change can close one too */
	struct account_import row = { 0 };
	temp_set(&row.subject, "r.a");
	assert_int_equal(temp_change(ring.t, &account_import_collection, id, &row,
				 "subject", &violations, &err),
		-1);
	check_says(&violations, &err, "account", "circle", "change");
	record_release(&account_import_collection, &row);
}

/* What north asks east for leads nowhere, but south's import, over north, meets east's:
 * servers would drop that one when they read south the next time. */
static void
test_circle_seen_by_another(void **state)
{
	struct ring ring = make_ring(*state, "service");
	struct err err = { 0 };
	struct violations violations = { 0 };
	char id[RAND_ID_SIZE];
	assert_int_equal(link_ring(&ring, 1, 2, "service", &violations), 0);
	assert_int_equal(link_ring(&ring, 2, 0, "service", &violations), 0);
	assert_int_equal(
		try_import(ring.t, ring.ids[0], &ring.keys[1],
			&(struct import_fields){ .subject = "r.>", .local = "x.>" }, id,
			&violations, &err),
		-1);
	check_says(&violations, &err, "account", "south > north > east > south", "far");
}

/* Requests that the accounts pass on to each other, n to w; the last import is judged. */
static const struct passing {
	const char *what;
	struct {
		size_t from, to; /* who takes it from whom */
		const char *local, *subject;
	} imports[5];
	const char *path; /* NULL: it is no ring */
} passings[] = {
	{ "three, renamed by each",
		{ { 0, 1, "r.n", "r.e" }, { 1, 2, "r.e", "r.s" },
			{ 2, 0, "r.s", "r.n" } },
		"south > north > east > south" },
	{ "four, renamed by each",
		{ { 0, 1, "r.n", "r.e" }, { 1, 2, "r.e", "r.s" }, { 2, 3, "r.s", "r.w" },
			{ 3, 0, "r.w", "r.n" } },
		"west > north > east > south > west" },
	{ "wildcards",
		{ { 0, 1, "n.*.>", "r.e.*.>" }, { 1, 2, "r.e.*.>", "r.s.*.>" },
			{ 2, 0, "r.s.>", "r.n.>" }, { 0, 3, "r.n.*.x.>", "r.w.*.>" },
			{ 3, 0, "r.w.>", "r.n.y.x.>" } },
		"north > west > north" },
	{ "wildcards that change places",
		{ { 0, 1, "r.n.$2.$1", "r.e.*.*" }, { 1, 2, "r.e.x.*", "r.s.*" },
			{ 2, 0, "r.s.*", "r.n.*.x" } },
		"south > north > east > south" },
	{ "wildcards that change places, and then do not fit",
		{ { 0, 1, "r.n.$2.$1", "r.e.*.*" }, { 1, 2, "r.e.x.*", "r.s.*" },
			{ 2, 0, "r.s.*", "r.n.y.*" } },
		NULL },
	{ "only one subject of many goes round",
		{ { 0, 1, "r.n.>", "r.e.>" }, { 1, 2, "r.e.x", "r.s" },
			{ 2, 0, "r.s", "r.n.x" } },
		"south > north > east > south" },
	{ "it comes back as what is not passed on",
		{ { 0, 1, "r.n.>", "r.e.>" }, { 1, 2, "r.e.x", "r.s" },
			{ 2, 0, "r.s", "r.n.y" } },
		NULL },
	{ "it comes back as what nobody asks for",
		{ { 0, 1, "r.n", "r.e" }, { 1, 2, "r.e", "r.s" },
			{ 2, 0, "r.s", "r.z" } },
		NULL },
	{ "it grows each round",
		{ { 0, 1, "r.n.>", "r.e.>" }, { 1, 2, "r.e.>", "r.s.>" },
			{ 2, 0, "r.s.>", "r.n.more.>" } },
		"south > north > east > south" },
	{ "it shrinks each round",
		{ { 0, 1, "r.n.less.>", "r.e.>" }, { 1, 2, "r.e.>", "r.s.>" },
			{ 2, 0, "r.s.>", "r.n.>" } },
		"south > north > east > south" },
	{ "twice through one account",
		{ { 0, 1, "r.n", "r.e" }, { 1, 2, "r.e", "r.s" }, { 2, 3, "r.s", "r.w" },
			{ 3, 1, "r.w", "r.e2" }, { 1, 0, "r.e2", "r.n" } },
		"east > north > east > south > west > east" },
	{ "twice through one account, and then to its end",
		{ { 0, 1, "r.n", "r.e" }, { 1, 2, "r.e", "r.s" }, { 2, 3, "r.s", "r.w" },
			{ 3, 1, "r.w", "r.e2" }, { 1, 0, "r.e2", "r.n2" } },
		NULL },
	{ "two ways to one end",
		{ { 0, 1, "r.n.a", "r.e" }, { 0, 2, "r.n.b", "r.s" },
			{ 1, 3, "r.e", "r.w" }, { 2, 3, "r.s", "r.w" } },
		NULL },
};

static int
pass_on(struct ring *ring, const struct passing *passing, size_t step,
	struct violations *violations, struct err *err)
{
	char id[RAND_ID_SIZE];
	return try_import(ring->t, ring->ids[passing->imports[step].from],
		&ring->keys[passing->imports[step].to],
		&(struct import_fields){ .subject = passing->imports[step].subject,
			.local = passing->imports[step].local },
		id, violations, err);
}

static void
check_passing(struct ring *ring, const struct passing *passing)
{
	struct violations violations = { 0 };
	struct err err = { 0 };
	size_t last = COUNT(passing->imports) - 1;
	while (passing->imports[last].local == NULL) {
		last--;
	}
	for (size_t i = 0; i <= last; i++) {
		bool refused = i == last && passing->path != NULL;
		if (pass_on(ring, passing, i, &violations, &err) != (refused ? -1 : 0)) {
			fail_msg("%s: %zu: %s", passing->what, i, err.msg);
		}
	}
	if (passing->path != NULL) {
		check_says(&violations, &err, "account", passing->path, passing->what);
	}
	temp_store_exec(&ring->t->temp, "DELETE FROM account_imports");
}

static void
test_passings(void **state)
{
	struct ring ring = make_ring(*state, "service");
	for (size_t i = 0; i < COUNT(passings); i++) {
		check_passing(&ring, &passings[i]);
	}
}

static void
test_follow(void **state)
{
	static const struct {
		const char *local, *subject, *asked, *becomes;
	} rows[] = {
		{ "", "a.b", "a.b", "a.b" },
		{ "x", "a.b", "x", "a.b" },
		{ "x", "a.b", "y", NULL },
		{ "x", "a.b", "x.y", NULL },
		{ "x.y", "a.b", "x", NULL },
		{ "x.y", "a.b", "*.*", "a.b" },
		{ "x.y", "a.b", "x.>", "a.b" },
		{ "x", "a.b", ">", "a.b" },
		{ "x", "a.b", "x.>", NULL },
		{ "x.*", "a.*.b", "x.1", "a.1.b" },
		{ "x.*", "a.*.b", "x.>", "a.*.b" },
		{ "x.*", "a.*.b", ">", "a.*.b" },
		{ "x.*.*", "a.*.b.*", "*.1.>", "a.1.b.*" },
		{ "x.*.*", "a.*.b.*", "*.1", NULL },
		{ "$2.$1", "a.*.b.*", "1.2", "a.2.b.1" },
		{ "$2.$1", "a.*.b.*", "1.>", "a.*.b.1" },
		{ "x.>", "a.>", "x.1.*.>", "a.1.*.>" },
		{ "x.>", "a.>", "x", NULL },
		{ "x.>", "a.>", ">", "a.>" },
		{ "x.*.>", "a.*.b.>", "x.1.2.3", "a.1.b.2.3" },
		{ "", "$9.*", "$9.1", "$9.1" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct account_import row;
		struct err err = { 0 };
		char *is = NULL;
		assert_int_equal(account_import_init(&row, NULL), 0);
		temp_set(&row.local_subject, rows[i].local);
		temp_set(&row.subject, rows[i].subject);
		assert_int_equal(mint_local_follow(&row, rows[i].asked, &is, &err), 0);
		if (!str_equal(is != NULL ? is : "nothing",
			    rows[i].becomes != NULL ? rows[i].becomes : "nothing")) {
			fail_msg("%s of %s: %s becomes %s", rows[i].local,
				rows[i].subject, rows[i].asked, is);
		}
		free(is);
		record_release(&account_import_collection, &row);
	}
}

/* ---- at once ---- */

struct racer {
	struct temp_service *t;
	const char *account;
	struct nkey_public exporter;
	const char *subject;
	bool is_import;
	int rc;
	pthread_barrier_t *start;
};

static void *
race(void *arg)
{
	struct racer *racer = arg;
	struct err err = { 0 };
	struct violations violations = { 0 };
	char id[RAND_ID_SIZE];
	pthread_barrier_wait(racer->start);
	racer->rc = racer->is_import
		? try_import(racer->t, racer->account, &racer->exporter,
			  &(struct import_fields){ .subject = racer->subject }, id,
			  &violations, &err)
		: try_export(racer->t, racer->account,
			  &(struct export_fields){ .subject = racer->subject }, id,
			  &violations, &err);
	return NULL;
}

/* How many got through. */
static size_t
run_race(struct racer *racers, size_t len)
{
	pthread_t threads[8];
	pthread_barrier_t start;
	size_t through = 0;
	pthread_barrier_init(&start, NULL, (unsigned)len);
	for (size_t i = 0; i < len; i++) {
		racers[i].start = &start;
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	}
	for (size_t i = 0; i < len; i++) {
		pthread_join(threads[i], NULL);
		through += racers[i].rc == 0 ? 1 : 0;
	}
	pthread_barrier_destroy(&start);
	return through;
}

static void
clear(struct temp_service *t)
{
	temp_store_exec(&t->temp, "DELETE FROM account_imports");
}

static void
test_races(void **state)
{
	enum { ROUNDS = 30 };
	struct ring ring = make_ring(*state, "service");
	char account[RAND_ID_SIZE];
	temp_make_account(ring.t, "racing", account);
	for (int i = 0; i < ROUNDS; i++) {
		/* each fits alone, none beside another */
		struct racer exports[] = {
			{ .t = ring.t, .account = account, .subject = "x.a" },
			{ .t = ring.t, .account = account, .subject = "x.>" },
			{ .t = ring.t, .account = account, .subject = "x.*" },
		};
		size_t through = run_race(exports, COUNT(exports));
		assert_true(through == 1);
		temp_store_exec(&ring.t->temp,
			"DELETE FROM account_exports WHERE subject LIKE 'x.%'");
		/* half of a circle each, from accounts that have nothing in common */
		struct violations violations = { 0 };
		assert_int_equal(link_ring(&ring, 1, 2, "service", &violations), 0);
		assert_int_equal(link_ring(&ring, 3, 0, "service", &violations), 0);
		struct racer halves[] = {
			{ .t = ring.t,
				.account = ring.ids[0],
				.exporter = ring.keys[1],
				.subject = "r.>",
				.is_import = true },
			{ .t = ring.t,
				.account = ring.ids[2],
				.exporter = ring.keys[3],
				.subject = "r.>",
				.is_import = true },
		};
		assert_int_equal(run_race(halves, COUNT(halves)), 1);
		clear(ring.t);
	}
}

int
main(void)
{
#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_service_set_up, temp_service_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_bad_exports),
		TEST(test_export_limits),
		TEST(test_bad_imports),
		TEST(test_import_limits),
		TEST(test_outside_tokens),
		TEST(test_activation),
		TEST(test_activation_follows_keys),
		TEST(test_budget),
		TEST(test_revoke_and_allow),
		TEST(test_standing_imports),
		TEST(test_service_circle),
		TEST(test_stream_circle),
		TEST(test_no_circle),
		TEST(test_circle_seen_by_another),
		TEST(test_passings),
		cmocka_unit_test(test_follow),
		TEST(test_races),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
