/* SPDX-License-Identifier: Apache-2.0
 * Creds files, against what the Go library made. */
#include "jwt/creds.h"

#include "support/jwt_golden.h"
#include "support/jwt_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
test_creds_render(void **state)
{
	(void)state;
	struct sample_key user = sample_key_make(NKEY_USER, 0x03);
	struct err err = { 0 };
	struct buf out;
	char *token = jwt_golden_token("user default by account");
	char *expected = jwt_golden_creds();
	assert_int_equal(strlen(expected), 969);
	buf_init_secret(&out, 8192);
	assert_int_equal(
		jwt_creds_render(token, strlen(token), user.seed, &out, &err), 0);
	assert_string_equal(out.data, expected);
	buf_clear(&out);
	assert_int_equal(jwt_creds_render_token(token, strlen(token), &out, &err), 0);
	assert_memory_equal(out.data, expected, out.len);
	assert_memory_equal(expected + out.len, "*****", 5);
	buf_clear(&out);
	assert_int_equal(jwt_creds_render_token("a\nb", 3, &out, &err), -1);
	assert_int_equal(jwt_creds_render_token("", 0, &out, &err), -1);
	buf_release(&out);
	free(token);
	free(expected);
}

static void
test_creds_parse(void **state)
{
	(void)state;
	struct sample_key user = sample_key_make(NKEY_USER, 0x03);
	struct err err = { 0 };
	char *token = jwt_golden_token("user default by account");
	char *creds = jwt_golden_creds();
	struct buf text;
	buf_init(&text, 8192);
	/* As it is; with CRLF; with text around and dashes of another length. */
	for (int form = 0; form < 3; form++) {
		const char *found = NULL;
		size_t found_len = 0;
		uint8_t seed[NKEY_SEED_LEN];
		buf_clear(&text);
		buf_put_str(&text, form == 2 ? "hello\n---\n\n" : "");
		for (const char *p = creds; *p != '\0'; p++) {
			buf_put_str(&text, form == 1 && *p == '\n' ? "\r" : "");
			buf_put_char(&text, *p);
		}
		buf_put_str(&text, form == 2 ? "bye" : "");
		assert_int_equal(buf_finish(&text, NULL), 0);
		assert_int_equal(jwt_creds_parse(text.data, text.len, &found, &found_len,
					 seed, &err),
			0);
		assert_int_equal(found_len, strlen(token));
		assert_memory_equal(found, token, found_len);
		assert_memory_equal(seed, user.seed, NKEY_SEED_LEN);
	}
	buf_release(&text);
	free(token);
	free(creds);
}

static void
test_creds_malformed(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *expected;
	} table[] = {
		{ "", "no token" },
		{ "-----BEGIN NATS USER JWT-----\n", "no token" },
		{ "-----BEGIN X-----\na b\n------END X------\n", "no token" },
		{ "-----BEGIN X-----\nabc\n", "no token" },
		{ "-----BEGIN X-----\nabc\n------END X------\n", "no seed" },
		{ "---BEGIN X---\nabc\n---END X---\n---BEGIN Y---\nSUAA\n---END Y---\n",
			"58 characters" },
		{ "---BEGIN X---\nabc\n---END X---\n---BEGIN Y---\n"
		  "SAAAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAQCAIBAEAUN5U\n---END "
		  "Y---\n",
			"not of a user" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		const char *token = NULL;
		size_t len = 0;
		uint8_t seed[NKEY_SEED_LEN];
		struct err err = { 0 };
		assert_int_equal(jwt_creds_parse(table[i].text, strlen(table[i].text),
					 &token, &len, seed, &err),
			-1);
		assert_non_null(strstr(err.msg, table[i].expected));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_creds_render),
		cmocka_unit_test(test_creds_parse),
		cmocka_unit_test(test_creds_malformed),
	};
	return cmocka_run_group_tests_name(
		"jwt_creds", tests, jwt_golden_set_up, jwt_golden_tear_down);
}
