/* SPDX-License-Identifier: Apache-2.0
 * The fields of accounts: each is said by the JWT, means something beside the others, and
 * takes away at once what it takes. */
#include "base/str.h"
#include "mint/account.h"
#include "model/limits.h"
#include "model/template.h"
#include "service/account_rules.h"
#include "store/budget.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char user_key[] = "UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4";

static void
add(struct strlist *list, const char *text)
{
	struct err err = { 0 };
	assert_int_equal(strlist_add(list, text, &err), 0);
}

/* ---- what is minted ---- */

/* An account of which every field says something: those that only count beside another
 * one have it. */
static void
make_full(struct account *row)
{
	struct err err = { 0 };
	assert_int_equal(account_init(row, &err), 0);
	temp_set(&row->name, "full");
	row->max_jetstream_disk_storage = 1024;
	row->max_jetstream_memory_storage = 1024;
	row->default_allow_response = true;
	row->default_allow_response_max = 7;
	add(&row->default_publish_permissions, "a");
	add(&row->default_subscribe_permissions, "a");
	temp_set(&row->trace_destination, "trace");
	add(&row->callout_auth_users, user_key);
}

static void
change_member(const struct field *field, struct account *row)
{
	void *member = record_member(field, row);
	static const char *const claims[] = {
		[CLAIM_TIERS] = "{\"R1\":{\"disk_storage\":1}}",
		[CLAIM_MAPPINGS] = "{\"a\":[{\"subject\":\"b\"}]}",
	};
	switch (field->type) {
	case FIELD_TEXT:
		temp_set(member, "changed");
		return;
	case FIELD_BOOL:
		*(bool *)member = !*(bool *)member;
		return;
	case FIELD_INT:
		*(int64_t *)member += 5;
		return;
	case FIELD_LIST:
		add(member, "changed");
		return;
	case FIELD_CLAIM:
		temp_set(member, claims[field->claim]);
		return;
	case FIELD_ID:
		memcpy(member, "changedchanged1", RAND_ID_SIZE);
		return;
	case FIELD_EMAIL:
	case FIELD_PASSWORD:
	case FIELD_DATE:
	case FIELD_RELATION:
	case FIELD_KEY:
	case FIELD_JSON:
		break;
	}
	fail_msg("%s: say here how to change it", field->name);
}

static void
hash_of(const struct account *row, uint8_t out[static 32])
{
	static const struct nkey_public issuer = { { 1 } };
	struct err err = { 0 };
	struct mint_account mint;
	assert_int_equal(mint_account_begin(row, false, &mint, &err), 0);
	assert_int_equal(mint_account_hash(&mint, &issuer, out, &err), 0);
	mint_account_release(&mint);
}

/* A field that is new is in this walk without anybody thinking of it. */
static void
test_every_field_is_minted(void **state)
{
	(void)state;
	size_t minted = 0;
	for (size_t i = 0; i < account_collection.field_count; i++) {
		const struct field *field = &account_collection.fields[i];
		struct account row;
		uint8_t before[32];
		uint8_t after[32];
		bool writable = field->offset != FIELD_NO_OFFSET &&
			(field->flags & (FIELD_READ_ONLY | FIELD_INTERNAL)) == 0;
		if (!writable) {
			continue;
		}
		make_full(&row);
		hash_of(&row, before);
		change_member(field, &row);
		hash_of(&row, after);
		bool changed = memcmp(before, after, sizeof(after)) != 0;
		bool silent = str_equal(field->name, "id") ||
			(field->flags & FIELD_TRIGGER) != 0;
		if (changed == silent || account_rules_is_minted(field) != changed) {
			fail_msg("%s: is it minted or not?", field->name);
		}
		minted += changed ? 1 : 0;
		record_release(&account_collection, &row);
	}
	assert_true(minted >= 37);
}

/* ---- fields beside each other ---- */

static void
assert_violation(const struct account *row, const char *field, const char *message)
{
	struct violations violations = { 0 };
	account_rules_check(row, &violations);
	if (field == NULL) {
		assert_int_equal(violations.len, 0);
		return;
	}
	assert_int_equal(violations.len, 1);
	assert_string_equal(violations.items[0].field, field);
	assert_non_null(strstr(violations.items[0].message, message));
}

static void
test_rules(void **state)
{
	struct account row;
	(void)state;
	make_full(&row);
	assert_violation(&row, NULL, NULL);
	temp_set(&row.jetstream_tiers, "{\"R1\":{\"disk_storage\":1}}");
	assert_violation(&row, "jetstream_tiers", "max_jetstream_disk_storage");
	row.max_jetstream_disk_storage = 0;
	assert_violation(&row, "jetstream_tiers", "max_jetstream_memory_storage");
	row.max_jetstream_memory_storage = 0;
	assert_violation(&row, NULL, NULL);
	row.max_consumers = 7;
	assert_violation(&row, "jetstream_tiers", "set that to -1");
	row.max_consumers = -1;
	row.max_bytes_required = true;
	assert_violation(&row, "jetstream_tiers", "max_bytes_required");
	row.max_bytes_required = false;
	temp_set(&row.jetstream_tiers, "{}");
	int64_t *zeros[] = { &row.max_streams, &row.max_consumers, &row.max_ack_pending,
		&row.max_memory_stream_bytes, &row.max_disk_stream_bytes };
	for (size_t i = 0; i < COUNT(zeros); i++) {
		*zeros[i] = 0;
		struct violations violations = { 0 };
		account_rules_check(&row, &violations);
		assert_int_equal(violations.len, 1);
		*zeros[i] = -1;
	}

	add(&row.callout_allowed_accounts, "*");
	assert_violation(&row, NULL, NULL);
	add(&row.callout_allowed_accounts, "ACAT");
	assert_violation(&row, "callout_allowed_accounts", "stands alone");
	strlist_release(&row.callout_auth_users);
	strlist_release(&row.callout_allowed_accounts);
	add(&row.callout_allowed_accounts, "*");
	assert_violation(&row, "callout_allowed_accounts", "callout_auth_users");
	strlist_release(&row.callout_allowed_accounts);
	temp_set(&row.callout_xkey, "X");
	assert_violation(&row, "callout_xkey", "callout_auth_users");
	temp_set(&row.callout_xkey, "");

	row.trace_sampling = 5;
	assert_violation(&row, NULL, NULL);
	temp_set(&row.trace_destination, "");
	assert_violation(&row, "trace_sampling", "trace_destination");
	row.trace_sampling = 0;

	strlist_release(&row.default_publish_permissions);
	assert_violation(&row, "default_allow_response", "default_publish_permissions");
	struct err err = { 0 };
	assert_int_equal(strlist_make(&row.default_publish_permissions, &err), 0);
	assert_violation(&row, NULL, NULL);

	add(&row.tags, "natsid:x");
	assert_violation(&row, "tags", "natsid's own");
	record_release(&account_collection, &row);
}

/* ---- what takes ---- */

static bool
takes(const struct account *before, const struct account *after)
{
	return account_rules_takes(
		before, after, record_diff(&account_collection, before, after));
}

static void
test_numbers_and_flags_take(void **state)
{
	static const struct {
		const char *field;
		int64_t before;
		int64_t after;
		bool takes;
	} cases[] = {
		{ "max_connections", -1, 5, true }, { "max_connections", 5, 4, true },
		{ "max_connections", 4, 5, false }, { "max_connections", 4, -1, false },
		{ "max_leafnodes", 1, 0, true },
		{ "max_jetstream_disk_storage", 0, 5, false },
		{ "max_streams", -1, 100, true },
		{ "default_allow_response_max", 2, 1, true },
		{ "default_allow_response_ttl", 1, 2, true }, /* who knows */
		{ "trace_sampling", 1, 2, false }, { "disallow_bearer", 0, 1, true },
		{ "disallow_bearer", 1, 0, false }, { "max_bytes_required", 0, 1, true },
		{ "allow_wildcard_exports", 1, 0, true },
		{ "allow_wildcard_exports", 0, 1, false },
		{ "default_allow_response", 1, 0, true },
		{ "default_allow_response", 0, 1, false }, { "active", 1, 0, true },
		{ "active", 0, 1, true }, /* creds that are given out must work */
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct field *field =
			collection_field(&account_collection, cases[i].field);
		struct account rows[2];
		make_full(&rows[0]);
		make_full(&rows[1]);
		for (size_t j = 0; j < 2; j++) {
			void *member = record_member(field, &rows[j]);
			int64_t value = j == 0 ? cases[i].before : cases[i].after;
			if (field->type == FIELD_BOOL) {
				*(bool *)member = value != 0;
			} else {
				*(int64_t *)member = value;
			}
		}
		if (takes(&rows[0], &rows[1]) != cases[i].takes) {
			fail_msg("%s from %ld to %ld", cases[i].field,
				(long)cases[i].before, (long)cases[i].after);
		}
		record_release(&account_collection, &rows[0]);
		record_release(&account_collection, &rows[1]);
	}
}

/* A list of single letters; NULL: none that is there. */
static void
set_letters(struct strlist *list, const char *letters)
{
	struct err err = { 0 };
	strlist_release(list);
	if (letters == NULL) {
		return;
	}
	assert_int_equal(strlist_make(list, &err), 0);
	for (const char *p = letters; *p != '\0'; p++) {
		assert_int_equal(strlist_add_n(list, p, 1, &err), 0);
	}
}

static void
test_lists_take(void **state)
{
	static const struct {
		const char *field;
		const char *before;
		const char *after;
		bool takes;
	} cases[] = {
		{ "default_publish_permissions", NULL, "a", true },
		{ "default_publish_permissions", NULL, "", true },
		{ "default_publish_permissions", "", NULL, false },
		{ "default_publish_permissions", "", "a", false },
		{ "default_publish_permissions", "a", "ba", false },
		{ "default_publish_permissions", "ab", "b", true },
		{ "default_subscribe_permissions", "a", "b", true },
		{ "default_publish_deny_permissions", NULL, "a", true },
		{ "default_publish_deny_permissions", "ab", "b", false },
		{ "default_subscribe_deny_permissions", "a", NULL, false },
		{ "default_subscribe_deny_permissions", "a", "ab", true },
		{ "tags", "", "a", false },
		{ "tags", "a", "", true },
		{ "callout_auth_users", "a", "ab", true },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct field *field =
			collection_field(&account_collection, cases[i].field);
		struct account rows[2];
		make_full(&rows[0]);
		make_full(&rows[1]);
		set_letters(record_member(field, &rows[0]), cases[i].before);
		set_letters(record_member(field, &rows[1]), cases[i].after);
		if (takes(&rows[0], &rows[1]) != cases[i].takes) {
			fail_msg("case %zu: %s", i, cases[i].field);
		}
		record_release(&account_collection, &rows[0]);
		record_release(&account_collection, &rows[1]);
	}
}

static void
test_texts_do_not_take(void **state)
{
	struct account before;
	struct account after;
	(void)state;
	make_full(&before);
	make_full(&after);
	temp_set(&after.name, "renamed");
	temp_set(&after.description, "described");
	temp_set(&after.info_url, "https://example.com");
	temp_set(&after.trace_destination, "elsewhere");
	temp_set(&after.cluster_traffic, "owner");
	assert_false(takes(&before, &after));
	temp_set(&after.mappings, "{\"a\":[{\"subject\":\"b\"}]}");
	assert_true(takes(&before, &after));
	record_release(&account_collection, &before);
	record_release(&account_collection, &after);
}

/* ---- through the service ---- */

static void
assert_refused(struct temp_service *t, const char *id, const struct account *row,
	const char *fields, const char *field, const char *message)
{
	struct violations violations = { 0 };
	struct err err = { 0 };
	assert_int_equal(
		temp_change(t, &account_collection, id, row, fields, &violations, &err),
		-1);
	assert_true(violations.len >= 1);
	assert_string_equal(violations.items[0].field, field);
	assert_non_null(strstr(violations.items[0].message, message));
}

static void
test_written_and_minted(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct minting out;
	struct account row = { 0 };
	char id[RAND_ID_SIZE];
	int64_t seq = temp_make_account(t, "one", id);
	row.max_leafnodes = 3;
	row.disallow_bearer = true;
	temp_set(&row.mappings, "{\"a\":[{\"subject\":\"b\",\"weight\":10}]}");
	temp_set(
		&row.jetstream_tiers, "{\"R1\":{\"disk_storage\":5,\"mem_storage\":-1}}");
	add(&row.default_publish_permissions, "x.>");
	add(&row.tags, "b:2");
	add(&row.tags, "a:1");
	temp_set(&row.trace_destination, "trace");
	temp_change_ok(t, &account_collection, id, &row,
		"max_leafnodes,disallow_bearer,mappings,jetstream_tiers,"
		"default_publish_permissions,tags,trace_destination");
	assert_int_equal(temp_generation(t, id), 2);
	assert_int_equal(temp_urgent_generation(t, id), 2);
	assert_int_equal(service_mint_account(t->service, seq, true, &out, &err), 0);
	assert_int_equal(out.result, MINTING_DONE);
	assert_refused(t, id, &(struct account){ .max_jetstream_disk_storage = 5 },
		"max_jetstream_disk_storage", "jetstream_tiers", "Stands in place");

	/* suspended, the streams keep their tiers */
	t->temp.clock.wall += 10000;
	struct account off = { .active = false };
	temp_change_ok(t, &account_collection, id, &off, "active");
	assert_int_equal(service_mint_account(t->service, seq, true, &out, &err), 0);
	assert_int_equal(out.result, MINTING_DONE);
	record_release(&account_collection, &row);
}

static void
test_name_that_feeds(void **state)
{
	struct temp_service *t = *state;
	struct account row = { 0 };
	char id[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	char user[RAND_ID_SIZE];
	char sql[80];
	temp_make_account(t, "one", id);
	temp_make_role(t, "role", role);
	str_fmt_cut(sql, sizeof(sql), "UPDATE roles SET feeds = %d",
		TEMPLATE_ACCOUNT_NAME | TEMPLATE_SUBJECT);
	temp_store_exec(&t->temp, sql);
	temp_set(&row.name, "two.words");
	temp_change_ok(
		t, &account_collection, id, &row, "name"); /* the role is not used */
	temp_set(&row.name, "one");
	temp_change_ok(t, &account_collection, id, &row, "name");
	temp_make_user(t, "user", id, role, user);
	temp_set(&row.name, "two.words");
	assert_refused(t, id, &row, "name", "name", "{{account-name()}}");
	temp_set(&row.name, "two-words");
	temp_change_ok(t, &account_collection, id, &row, "name");
	temp_store_exec(&t->temp, "UPDATE roles SET feeds = 1");
	temp_set(&row.name, "two.words");
	temp_change_ok(t, &account_collection, id, &row, "name");
	record_release(&account_collection, &row);
}

static void
test_limits_of_exports(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct account row = { .max_exports = 0, .allow_wildcard_exports = false };
	char id[RAND_ID_SIZE];
	temp_make_account(t, "one", id);
	temp_change_ok(t, &account_collection, id, &row, "allow_wildcard_exports");
	row.allow_wildcard_exports = true;
	temp_change_ok(t, &account_collection, id, &row, "allow_wildcard_exports");
	temp_store_exec(&t->temp,
		"INSERT INTO account_exports (id, account, name, subject, type, created, "
		"updated) VALUES ('exportexport123', 2, 'e', 'a.>', 'stream', 0, 0)");
	int64_t generation = temp_generation(t, id);
	row.allow_wildcard_exports = false;
	assert_int_equal(temp_change(t, &account_collection, id, &row,
				 "allow_wildcard_exports", NULL, &err),
		-1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_non_null(strstr(err.msg, "wildcards"));
	assert_int_equal(
		temp_change(t, &account_collection, id, &row, "max_exports", NULL, &err),
		-1);
	assert_int_equal(err.code, ERR_INVALID);

	/* nor while nothing of it is minted */
	struct account off = { .active = false };
	temp_change_ok(t, &account_collection, id, &off, "active");
	assert_int_equal(
		temp_change(t, &account_collection, id, &row, "max_exports", NULL, &err),
		-1);
	assert_int_equal(temp_generation(t, id), generation + 1);
}

/* ---- size ---- */

static void
fill_revocations(struct temp_service *t, int64_t account, int64_t bytes)
{
	temp_fill_revocations(t, account, bytes / STORE_BUDGET_REVOCATION_BYTES);
}

static void
test_row_must_fit(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct account row = { .disallow_bearer = true };
	char id[RAND_ID_SIZE];
	temp_make_account(t, "one", id);
	temp_set_long_subjects(&row.default_publish_permissions, LIMIT_SUBJECTS);
	temp_change_ok(t, &account_collection, id, &row, "default_publish_permissions");
	fill_revocations(t, temp_account_seq(t, id), LIMIT_ACCOUNT_JWT_BYTES / 100 * 60);
	temp_set_long_subjects(&row.default_subscribe_permissions, LIMIT_SUBJECTS);
	assert_int_equal(temp_change(t, &account_collection, id, &row,
				 "default_subscribe_permissions", NULL, &err),
		-1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "has no room for this"));

	/* what takes away is never too large */
	fill_revocations(t, temp_account_seq(t, id), LIMIT_ACCOUNT_JWT_BYTES / 100 * 10);
	temp_change_ok(t, &account_collection, id, &row, "disallow_bearer");
	strlist_release(&row.default_publish_permissions);
	add(&row.default_publish_permissions, "a");
	temp_change_ok(t, &account_collection, id, &row, "default_publish_permissions");
	record_release(&account_collection, &row);
}

static int
read_warnings(void *ctx, const struct record_view *view, struct err *err)
{
	size_t len = 0;
	size_t index = (size_t)collection_field_index(&account_collection, "warnings");
	const char *text = record_view_text(view, index, &len);
	(void)err;
	assert_int_equal(str_fmt(ctx, 400, "%.*s", (int)len, text), 0);
	return 0;
}

static void
test_half_is_told(void **state)
{
	struct temp_service *t = *state;
	char warnings[400];
	char id[RAND_ID_SIZE];
	int64_t seq = temp_make_account(t, "one", id);
	static const int percent[] = { 1, 40, 20 };
	for (size_t i = 0; i < COUNT(percent); i++) {
		struct err err = { 0 };
		struct minting out;
		fill_revocations(t, seq, LIMIT_ACCOUNT_JWT_BYTES / 100 * percent[i]);
		t->temp.clock.wall += 10000;
		assert_int_equal(
			service_mint_account(t->service, seq, true, &out, &err), 0);
		assert_int_equal(out.result, MINTING_DONE);
		assert_int_equal(
			service_record_view(t->service, &temp_superuser_actor,
				&account_collection, id, read_warnings, warnings, &err),
			0);
		if (i < 2) {
			assert_string_equal(warnings, "[]");
		} else {
			assert_non_null(strstr(warnings, " % of the 838860 "));
			assert_non_null(strstr(warnings, "use fewer roles"));
		}
	}
}

static void
test_estimate_counts_the_row(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct minting out;
	struct account row = { 0 };
	char id[RAND_ID_SIZE];
	char text[LIMIT_DESCRIPTION_CHARS + 1];
	memset(text, '<', sizeof(text));
	text[LIMIT_DESCRIPTION_CHARS] = '\0';
	int64_t seq = temp_make_account(t, "one", id);
	temp_set(&row.description, text);
	temp_set(&row.mappings, "{\"a\":[{\"subject\":\"b\",\"weight\":10}]}");
	add(&row.callout_auth_users, user_key);
	temp_set_long_subjects(&row.default_publish_permissions, LIMIT_SUBJECTS);
	temp_set_long_subjects(&row.default_subscribe_deny_permissions, LIMIT_SUBJECTS);
	temp_change_ok(t, &account_collection, id, &row,
		"description,mappings,callout_auth_users,default_publish_permissions,"
		"default_subscribe_deny_permissions");
	assert_int_equal(service_mint_account(t->service, seq, true, &out, &err), 0);
	int64_t real =
		temp_store_query(&t->temp, "SELECT max(length(jwt)) FROM account_jwt");
	assert_true(real < temp_estimate(t, seq));
	assert_true(real > temp_estimate(t, seq) * 9 / 10);
	record_release(&account_collection, &row);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_service_set_up, temp_service_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_field_is_minted),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_numbers_and_flags_take),
		cmocka_unit_test(test_lists_take),
		cmocka_unit_test(test_texts_do_not_take),
		TEST(test_written_and_minted),
		TEST(test_name_that_feeds),
		TEST(test_limits_of_exports),
		TEST(test_row_must_fit),
		TEST(test_half_is_told),
		TEST(test_estimate_counts_the_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
