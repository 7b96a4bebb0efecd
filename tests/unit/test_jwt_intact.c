/* SPDX-License-Identifier: Apache-2.0
 * What cannot be read is told from what is damaged. */
#include "jwt/intact.h"

#include "jwt/decode.h"
#include "support/jwt_samples.h"
#include "support/jwt_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define DEEP_10(text) "[[[[[[[[[[" text "]]]]]]]]]]"
#define DEEP DEEP_10(DEEP_10(DEEP_10(DEEP_10("1"))))

static void
test_intact(void **state)
{
	(void)state;
	static const struct {
		const char *header;
		const char *payload; /* %s: the signer */
		bool of_payload; /* the signature is over it alone */
		bool has_subject;
	} table[] = {
		{ token_header,
			"{'iss':'%s','sub':'" SAMPLE_ACCOUNT_KEY
			"','nats':{'version':3}}",
			false, true },
		{ "{'typ':'jwt','alg':'ed25519'}",
			"{'sub':'" SAMPLE_ACCOUNT_KEY
			"','type':'account','nats':{},'iss' : '%s'}",
			true, true },
		{ "{'typ':'JWT','alg':'something-new'}",
			"{'a':1,'a':2,'nats':{'sub':{'allow':[]},'sub':'x'},'iss':7,'iss'"
			":"
			"'%s'}",
			false, false },
		{ token_header, "{'iss':'%s','deep':" DEEP "}", false, false },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		char sub[NKEY_TEXT_SIZE];
		struct jwt_claims claims = { 0 };
		struct err err = { 0 };
		struct buf token;
		struct sample_key key = sample_key_make(NKEY_OPERATOR, 0x31);
		struct sample_key other = sample_key_make(NKEY_OPERATOR, 0x32);
		buf_init(&token, JWT_TOKEN_MAX);
		token_make(&token, table[i].header, table[i].payload, &key);
		if (table[i].of_payload) {
			token_sign_payload(&token, &key);
		}
		assert_int_equal(jwt_decode(token.data, token.len, &claims, &err), -1);
		assert_int_equal(jwt_intact(token.data, token.len, sub, &err), 0);
		assert_string_equal(sub, table[i].has_subject ? SAMPLE_ACCOUNT_KEY : "");
		/* cut anywhere, it is whole no more; nor when any character is another */
		for (size_t n = 0; n < token.len; n++) {
			assert_int_equal(jwt_intact(token.data, n, sub, &err), -1);
			assert_int_equal(err.code, ERR_CORRUPT);
		}
		for (size_t n = table[i].of_payload ? strcspn(token.data, ".") : 0;
			n < token.len; n++) {
			char kept = token.data[n];
			token.data[n] = kept == 'A' ? 'B' : 'A';
			assert_int_equal(
				jwt_intact(token.data, token.len, sub, &err), -1);
			token.data[n] = kept;
		}
		token_cut_signature(&token);
		token_put_signature(&token, &other);
		assert_int_equal(jwt_intact(token.data, token.len, sub, &err), -1);
		buf_release(&token);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_intact),
	};
	if (sodium_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests_name("jwt_intact", tests, NULL, NULL);
}
