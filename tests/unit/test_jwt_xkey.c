/* SPDX-License-Identifier: Apache-2.0
 * Sealed messages, against what the Go library made. */
#include "jwt/xkey_nonce.h"

#include "base/codec.h"
#include "support/jwt_golden.h"
#include "support/jwt_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

static void
test_xkey_vector(void **state)
{
	(void)state;
	struct sample_key from = sample_key_make(NKEY_CURVE, 0x06);
	struct sample_key to = sample_key_make(NKEY_CURVE, 0x07);
	uint8_t nonce[JWT_XKEY_NONCE_LEN];
	struct buf sealed;
	struct buf opened;
	struct err err = { 0 };
	char hex[256];
	char *expected = jwt_golden_value("seal x1->x2", "'hello': ");
	memset(nonce, 0x24, sizeof(nonce));
	buf_init(&sealed, 1024);
	buf_init_secret(&opened, 1024);

	assert_int_equal(jwt_xkey_seal_with_nonce(from.seed, &to.pub, nonce,
				 (const uint8_t *)"hello", 5, &sealed, &err),
		0);
	assert_int_equal(sealed.len, 5 + JWT_XKEY_OVERHEAD);
	codec_hex_encode((const uint8_t *)sealed.data, sealed.len, hex);
	assert_string_equal(hex, expected);
	assert_int_equal(jwt_xkey_open(to.seed, &from.pub, (const uint8_t *)sealed.data,
				 sealed.len, &opened, &err),
		0);
	assert_int_equal(opened.len, 5);
	assert_memory_equal(opened.data, "hello", 5);
	free(expected);
	buf_release(&sealed);
	buf_release(&opened);
}

static void
test_xkey_malformed(void **state)
{
	(void)state;
	struct sample_key from = sample_key_make(NKEY_CURVE, 0x06);
	struct sample_key to = sample_key_make(NKEY_CURVE, 0x07);
	struct buf sealed;
	struct buf opened;
	struct err err = { 0 };
	buf_init(&sealed, 1024);
	buf_init(&opened, 1024);
	assert_int_equal(jwt_xkey_seal(from.seed, &to.pub, (const uint8_t *)"hello", 5,
				 &sealed, &err),
		0);
	uint8_t *data = (uint8_t *)sealed.data;

	for (size_t len = 0; len < sealed.len; len++) {
		assert_int_equal(
			jwt_xkey_open(to.seed, &from.pub, data, len, &opened, &err), -1);
	}
	for (size_t i = 0; i < sealed.len; i++) {
		data[i] ^= 1; /* "xkv0" is among them */
		assert_int_equal(jwt_xkey_open(to.seed, &from.pub, data, sealed.len,
					 &opened, &err),
			-1);
		data[i] ^= 1;
	}
	data[3] = '2';
	assert_int_equal(
		jwt_xkey_open(to.seed, &from.pub, data, sealed.len, &opened, &err), -1);
	assert_non_null(strstr(err.msg, "xkv1"));
	data[3] = '1';
	assert_int_equal(
		jwt_xkey_open(from.seed, &from.pub, data, sealed.len, &opened, &err), -1);
	assert_int_equal(opened.len, 0);
	assert_int_equal(
		jwt_xkey_open(to.seed, &from.pub, data, sealed.len, &opened, &err), 0);

	/* Nonces differ. */
	buf_clear(&opened);
	assert_int_equal(jwt_xkey_seal(from.seed, &to.pub, (const uint8_t *)"hello", 5,
				 &opened, &err),
		0);
	assert_memory_not_equal(opened.data, sealed.data, sealed.len);
	buf_release(&sealed);
	buf_release(&opened);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_xkey_vector),
		cmocka_unit_test(test_xkey_malformed),
	};
	return cmocka_run_group_tests_name(
		"jwt_xkey", tests, jwt_golden_set_up, jwt_golden_tear_down);
}
