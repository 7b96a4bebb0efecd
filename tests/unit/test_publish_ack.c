/* SPDX-License-Identifier: Apache-2.0
 * What servers answer to a push. */
#include "publish/ack.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define SERVER \
	"\"server\":{\"name\":\"s1\",\"host\":\"0.0.0.0\",\"id\":\"NID\",\"ver\":\"2." \
	"10\"}"
#define OLD_OK(text) \
	"{\"data\":{\"account\":\"A\",\"code\":200,\"message\":\"" text "\"}," SERVER "}"
#define NEW_OK(text) \
	"{" SERVER ",\"data\":{\"account\":\"A\",\"code\":200,\"message\":\"" text "\"}" \
	"}"
#define OLD_BAD(text) \
	"{\"error\":{\"account\":\"A\",\"code\":500,\"description\":\"" text \
	"\"}," SERVER "}"
#define NEW_BAD(text) \
	"{" SERVER \
	",\"error\":{\"account\":\"n/a\",\"code\":500,\"description\":\"" text "\"}}"

#define UPDATED ",\"message\":\"jwt updated\""

static void
test_ack(void **state)
{
	static const struct {
		const char *json;
		enum ack_meaning meaning;
		const char *words;
	} cases[] = {
		{ OLD_OK("jwt updated"), ACK_STORED, "jwt updated" },
		{ NEW_OK("jwt updated"), ACK_STORED, "jwt updated" },
		{ NEW_OK("jwt updated cache"), ACK_STORED, "jwt updated cache" },
		{ OLD_OK("jwt update cache skipped"), ACK_SKIPPED,
			"jwt update cache skipped" },
		{ NEW_OK("jwt update skipped"), ACK_SKIPPED, "jwt update skipped" },
		{ NEW_OK("something new"), ACK_TRANSIENT, "something new" },
		{ NEW_OK(""), ACK_TRANSIENT, "" },
		{ "{" SERVER ",\"data\":{}}", ACK_TRANSIENT, "" },
		{ OLD_BAD("jwt update resulted in error - expected 3 chunks"),
			ACK_REFUSED, NULL },
		{ NEW_BAD("jwt update resulted in error - claim failed V2 signature "
			  "verification"),
			ACK_REFUSED, NULL },
		{ NEW_BAD("jwt update resulted in error - subject does not match jwt "
			  "content"),
			ACK_REFUSED, NULL },
		{ NEW_BAD("jwt update resulted in error - operator requires issuer to be "
			  "a "
			  "signing key"),
			ACK_REFUSED, NULL },
		{ NEW_BAD("jwt update resulted in error - jwt store is full"),
			ACK_REFUSED, NULL },
		{ NEW_BAD("jwt validation failed - validation errors: [x]"), ACK_REFUSED,
			NULL },
		{ NEW_BAD("jwt update resulted in error - account validation failed"),
			ACK_REFUSED, NULL },
		{ NEW_BAD("jwt update resulted in error - open x: no space left on "
			  "device"),
			ACK_TRANSIENT, NULL },
		{ NEW_BAD(""), ACK_TRANSIENT, "" },
		/* an error counts, whatever else is said */
		{ "{" SERVER ",\"data\":{\"message\":\"jwt updated\"},\"error\":"
		  "{\"description\":\"jwt store is full\"}}",
			ACK_REFUSED, "jwt store is full" },
		/* nor do words alone */
		{ "{" SERVER ",\"data\":{\"account\":\"A\",\"code\":500" UPDATED "}}",
			ACK_TRANSIENT, "jwt updated" },
		{ "{" SERVER ",\"data\":{\"account\":\"A\"" UPDATED "}}", ACK_TRANSIENT,
			"jwt updated" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		struct ack ack;
		if (ack_parse(cases[i].json, strlen(cases[i].json), "A", &ack, &err) !=
			0) {
			fail_msg("%s: %s", cases[i].json, err.msg);
		}
		if (ack.meaning != cases[i].meaning) {
			fail_msg("%s: %d", cases[i].json, (int)ack.meaning);
		}
		assert_string_equal(ack.server_id, "NID");
		assert_string_equal(ack.server_name, "s1");
		if (cases[i].words != NULL) {
			assert_string_equal(ack.words, cases[i].words);
		}
	}
}

/* How a server keeps JWTs it says by its words, also where it stores nothing. */
static void
test_ack_resolver(void **state)
{
	static const struct {
		const char *json;
		enum store_resolver resolver;
	} cases[] = {
		{ NEW_OK("jwt updated"), STORE_RESOLVER_FULL },
		{ NEW_OK("jwt updated cache"), STORE_RESOLVER_CACHE },
		{ NEW_OK("jwt update cache skipped"), STORE_RESOLVER_CACHE },
		{ NEW_BAD("jwt update resulted in error - expected 3 chunks"),
			STORE_RESOLVER_FULL },
		{ NEW_BAD("jwt update cache resulted in error - expected 3 chunks"),
			STORE_RESOLVER_CACHE },
		{ NEW_OK("jwt update skipped"), STORE_RESOLVER_UNKNOWN },
		{ NEW_BAD("something new"), STORE_RESOLVER_UNKNOWN },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		struct ack ack;
		assert_int_equal(
			ack_parse(cases[i].json, strlen(cases[i].json), "A", &ack, &err),
			0);
		if (ack.resolver != cases[i].resolver) {
			fail_msg("%s: %d", cases[i].json, (int)ack.resolver);
		}
	}
}

static void
test_ack_garbage(void **state)
{
	static const char *const cases[] = { "", "null", "[]", "{}", "+OK",
		"{" SERVER "}", "{\"data\":{\"message\":\"jwt updated\"}}",
		"{\"server\":{\"name\":\"x\"},\"data\":{\"message\":\"jwt updated\"}}",
		"{\"server\":\"NID\",\"data\":{\"message\":\"jwt updated\"}}",
		"{" SERVER ",\"data\":\"jwt updated\"}",
		"{" SERVER ",\"data\":{\"message\":1}}",
		"{" SERVER ",\"data\":{\"message\":\"jwt updated\"}",
		"{\"server\":{\"id\":7},\"data\":{\"message\":\"jwt updated\"}}",
		"{" SERVER ",\"data\":{\"code\":\"200\"" UPDATED "}}",
		/* what was said of another account */
		"{" SERVER ",\"data\":{\"account\":\"B\",\"code\":200" UPDATED "}}",
		"{" SERVER ",\"data\":{\"account\":1,\"code\":200" UPDATED "}}",
		"{" SERVER ",\"error\":{\"account\":\"B\",\"description\":\"x\"}}" };
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		struct ack ack;
		if (ack_parse(cases[i], strlen(cases[i]), "A", &ack, &err) == 0) {
			fail_msg("taken: %s", cases[i]);
		}
		assert_int_equal(err.code, ERR_INVALID);
	}
	/* words are cut, not overrun */
	char json[1024];
	char words[600];
	memset(words, 'w', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	struct err err = { 0 };
	struct ack ack;
	assert_int_equal(str_fmt(json, sizeof(json),
				 "{\"server\":{\"id\":\"%s\",\"name\":\"x\"},\"data\":{"
				 "\"message\":\"%.200s\"}}",
				 words, words),
		0);
	assert_int_equal(ack_parse(json, strlen(json), "A", &ack, &err), 0);
	assert_int_equal(strlen(ack.server_id), sizeof(ack.server_id) - 1);
	assert_int_equal(strlen(ack.words), sizeof(ack.words) - 1);
	/* the reason stands behind a long path */
	assert_int_equal(
		str_fmt(json, sizeof(json),
			"{\"server\":{\"id\":\"N\",\"name\":\"x\"},\"error\":{\"code\":"
			"500,"
			"\"description\":\"jwt update resulted in error - open /%.200s"
			".jwt: operation not permitted\"}}",
			words),
		0);
	assert_int_equal(ack_parse(json, strlen(json), "A", &ack, &err), 0);
	assert_non_null(strstr(ack.words, "jwt update resulted in error - open /w"));
	assert_non_null(strstr(ack.words, "w...w"));
	assert_non_null(strstr(ack.words, ".jwt: operation not permitted"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ack),
		cmocka_unit_test(test_ack_resolver),
		cmocka_unit_test(test_ack_garbage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
