/* SPDX-License-Identifier: Apache-2.0
 * Query parameters, and what fields=... selects. */
#include "api/query.h"
#include "api/record.h"
#include "model/account.h"
#include "model/superuser.h"
#include "model/user.h"
#include "support/temp_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
test_query_paging(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		int64_t page;
		int64_t per_page;
		bool skip_total;
		const char *sort;
		const char *error;
	} cases[] = {
		{ "", 1, 30, false, "", NULL },
		{ "page=2&perPage=50&skipTotal=1&sort=-created%2Cname", 2, 50, true,
			"-created,name", NULL },
		{ "page=0&perPage=0", 1, 30, false, "", NULL },
		{ "page=-5&perPage=-5", 1, 30, false, "", NULL },
		{ "perPage=1000", 1, 1000, false, "", NULL },
		{ "perPage=1001", 1, 1000, false, "", NULL },
		{ "perPage=9223372036854775807", 1, 1000, false, "", NULL },
		{ "page=&perPage=&skipTotal=&sort=", 1, 30, false, "", NULL },
		{ "skipTotal=true", 1, 30, true, "", NULL },
		{ "skipTotal=T", 1, 30, true, "", NULL },
		{ "skipTotal=FALSE", 1, 30, false, "", NULL },
		{ "autoRefresh=true&anything=%20", 1, 30, false, "", NULL },
		{ "page=x", 0, 0, false, "", "\"page\" must be an integer" },
		{ "page=1.5", 0, 0, false, "", "\"page\"" },
		{ "page=1e3", 0, 0, false, "", "\"page\"" },
		{ "page=9223372036854775808", 0, 0, false, "", "\"page\"" },
		{ "page=9223372036854775807", 0, 0, false, "",
			"\"page\" must be at most" },
		{ "page=11111111111111111111111111111111111", 0, 0, false, "",
			"\"page\" is longer" },
		{ "perPage=ten", 0, 0, false, "", "\"perPage\" must be an integer" },
		{ "skipTotal=yes", 0, 0, false, "",
			"\"skipTotal\" must be true or false" },
		{ "skipTotal=2", 0, 0, false, "", "\"skipTotal\"" },
		{ "page=%zz", 0, 0, false, "", "\"page\" is malformed" },
		{ "sort=%00", 0, 0, false, "", "\"sort\" is malformed" },
		{ "sort=%ff", 0, 0, false, "", "\"sort\" is malformed" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request req = temp_request("GET", "/", cases[i].query);
		struct api_paging paging = { 0 };
		struct err err = { 0 };
		int rc = api_query_paging(&req, &paging, &err);
		if ((rc != 0) != (cases[i].error != NULL)) {
			fail_msg("%s: %s", cases[i].query, err.msg);
		}
		if (rc != 0) {
			assert_int_equal(err.code, ERR_INVALID);
			assert_non_null(strstr(err.msg, cases[i].error));
			continue;
		}
		assert_int_equal(paging.page, cases[i].page);
		assert_int_equal(paging.per_page, cases[i].per_page);
		assert_true(paging.skip_total == cases[i].skip_total);
		assert_string_equal(paging.sort, cases[i].sort);
	}
}

static void
test_query_text_too_long(void **state)
{
	(void)state;
	struct http_request req = temp_request("GET", "/", "sort=abcd&fit=abc");
	struct err err = { 0 };
	char text[4] = "x";
	assert_int_equal(api_query_text(&req, "sort", text, sizeof(text), &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_non_null(strstr(err.msg, "\"sort\" is longer than 3 bytes"));
	assert_int_equal(api_query_text(&req, "fit", text, sizeof(text), &err), 0);
	assert_string_equal(text, "abc");
}

static void
test_query_refuse(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		bool refused;
	} cases[] = {
		{ "", false },
		{ "filter=", false },
		{ "filters=x", false },
		{ "filter=x", true },
		{ "filter=name%3D%22x%22", true },
		{ "filter=%zz", true },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request req = temp_request("GET", "/", cases[i].query);
		struct err err = { 0 };
		int rc = api_query_refuse(&req, "filter", &err);
		assert_true((rc != 0) == cases[i].refused);
		assert_true(err.code == (cases[i].refused ? ERR_INVALID : ERR_NONE));
	}
}

static void
test_fields_modifier(void **state)
{
	(void)state;
	struct http_request req =
		temp_request("GET", "/", "fields=id,description:excerpt(200,true)");
	struct api_fields fields = { 0 };
	struct err err = { 0 };
	assert_int_equal(api_fields_read(&req, &fields, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_non_null(strstr(err.msg, "Modifiers"));
}

/* What an answer to a login shows: {"record":{...},"token":"..."}. */
static void
test_fields_under_parent(void **state)
{
	(void)state;
	static const struct {
		const char *query;
		bool record;
		bool token;
		size_t shown; /* fields of the record */
		bool collection_name;
	} cases[] = {
		{ "", true, true, 10, true },
		{ "fields=*", true, true, 10, true },
		{ "fields=token", false, true, 0, false },
		{ "fields=token,record.id", true, true, 1, false },
		{ "fields=record", true, false, 10, true },
		{ "fields=record.*", true, false, 10, true },
		{ "fields=record.collectionName", true, false, 0, true },
		{ "fields=id,records.id", false, false, 0, false },
	};
	assert_int_equal(superuser_collection.field_count, 10);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request req = temp_request("GET", "/", cases[i].query);
		struct api_fields fields = { 0 };
		struct api_selection selection;
		struct err err = { 0 };
		size_t shown = 0;
		assert_int_equal(api_fields_read(&req, &fields, &err), 0);
		api_fields_select(&fields, "record", &superuser_collection, &selection);
		for (size_t bit = 0; bit < 64; bit++) {
			shown += selection.fields >> bit & 1;
		}
		assert_true(api_fields_want(&fields, "record") == cases[i].record);
		assert_true(api_fields_want(&fields, "token") == cases[i].token);
		assert_int_equal(shown, cases[i].shown);
		assert_true(selection.collection_name == cases[i].collection_name);
		api_fields_release(&fields);
	}
}

/* Seeds leave only when they are asked for: by name, or as part of what a change made. */
static void
test_selection_of_minted(void **state)
{
	(void)state;
	static const struct {
		const struct collection *collection;
		const char *query;
		bool shows;
		bool names;
	} cases[] = {
		{ &user_collection, "", true, false },
		{ &user_collection, "fields=*", true, false },
		{ &user_collection, "fields=id,name", false, false },
		{ &user_collection, "fields=id,jwt", true, true },
		{ &user_collection, "fields=creds_file", true, true },
		{ &user_collection, "fields=*,creds_file", true, true },
		{ &account_collection, "", false, false },
		{ &account_collection, "fields=jwt", false, false },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_request req = temp_request("GET", "/", cases[i].query);
		struct api_fields fields = { 0 };
		struct api_selection selection;
		struct err err = { 0 };
		assert_int_equal(api_fields_read(&req, &fields, &err), 0);
		api_fields_select(&fields, NULL, cases[i].collection, &selection);
		api_fields_release(&fields);
		assert_true(api_selection_shows_minted(&selection, cases[i].collection) ==
			cases[i].shows);
		assert_true(api_selection_names_minted(&selection, cases[i].collection) ==
			cases[i].names);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query_paging),
		cmocka_unit_test(test_query_text_too_long),
		cmocka_unit_test(test_query_refuse),
		cmocka_unit_test(test_fields_modifier),
		cmocka_unit_test(test_fields_under_parent),
		cmocka_unit_test(test_selection_of_minted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
