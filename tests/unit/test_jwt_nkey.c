/* SPDX-License-Identifier: Apache-2.0
 * Keys and their texts, against what the Go library made. */
#include "jwt/nkey.h"

#include "base/codec.h"
#include "base/str.h"
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

static const struct {
	const char *line;
	enum nkey_role role;
	uint8_t byte;
} key_vectors[] = {
	{ "operator raw=", NKEY_OPERATOR, 0x01 },
	{ "account raw=", NKEY_ACCOUNT, 0x02 },
	{ "user raw=", NKEY_USER, 0x03 },
	{ "server raw=", NKEY_SERVER, 0x04 },
	{ "cluster raw=", NKEY_CLUSTER, 0x05 },
	{ "curve raw=", NKEY_CURVE, 0x06 },
};

static void
test_key_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(key_vectors); i++) {
		const char *line = key_vectors[i].line;
		struct sample_key key =
			sample_key_make(key_vectors[i].role, key_vectors[i].byte);
		char seed_text[NKEY_SEED_TEXT_SIZE];
		char private_text[NKEY_PRIVATE_TEXT_SIZE];
		uint8_t seed[NKEY_SEED_LEN];
		enum nkey_role role;
		struct nkey_public pub;
		struct err err = { 0 };
		char *expected_seed = jwt_golden_value(line, "seed=");
		char *expected_pub = jwt_golden_value(line, "pub=");
		char *expected_private = jwt_golden_value(line, "priv=");

		jwt_nkey_seed_encode(key.role, key.seed, seed_text);
		jwt_nkey_private_encode(key.role, key.seed, private_text);
		assert_string_equal(seed_text, expected_seed);
		assert_string_equal(key.text, expected_pub);
		assert_string_equal(private_text, expected_private);

		assert_int_equal(jwt_nkey_seed_decode(seed_text, NKEY_SEED_TEXT_LEN,
					 &role, seed, &err),
			0);
		assert_int_equal(role, key.role);
		assert_memory_equal(seed, key.seed, NKEY_SEED_LEN);
		assert_int_equal(
			nkey_text_decode(key.role, key.text, NKEY_TEXT_LEN, &pub, &err),
			0);
		assert_memory_equal(pub.bytes, key.pub.bytes, NKEY_PUBLIC_LEN);
		free(expected_seed);
		free(expected_pub);
		free(expected_private);
	}
}

static void
test_key_signatures(void **state)
{
	(void)state;
	static const uint8_t msg[] = "nonce-123";
	const size_t len = sizeof(msg) - 1;
	for (size_t i = 0; i < COUNT(key_vectors); i++) {
		if (key_vectors[i].role == NKEY_CURVE) {
			continue;
		}
		struct sample_key key =
			sample_key_make(key_vectors[i].role, key_vectors[i].byte);
		uint8_t sig[NKEY_SIG_LEN];
		char hex[2 * NKEY_SIG_LEN + 1];
		char *expected =
			jwt_golden_value(key_vectors[i].line, "sign(nonce-123) hex=");
		jwt_nkey_sign(key.seed, &key.pub, msg, len, sig);
		codec_hex_encode(sig, sizeof(sig), hex);
		assert_string_equal(hex, expected);
		assert_true(jwt_nkey_verify(&key.pub, msg, len, sig));
		assert_false(jwt_nkey_verify(&key.pub, msg, len - 1, sig));
		sig[40] ^= 1;
		assert_false(jwt_nkey_verify(&key.pub, msg, len, sig));
		free(expected);
	}
}

static void
test_public_key_malformed(void **state)
{
	(void)state;
	static const char good[] = SAMPLE_USER_KEY;
	static const char *const bad[] = {
		"", "U",
		"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U", /* truncated */
		"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4A", /* longer */
		"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U5", /* checksum */
		"UEWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4", /* one
									       character
									     */
		"UCWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4", /* prefix */
		"udwuskggfdi4frxk5ebtreczsvqsswjhhjogh6jwg3aumffmq435c2u4",
		"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U1", /* no base32
									     */
		"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U=",
		SAMPLE_ACCOUNT_KEY, /* an account */
		"SUAAGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGAYDAMBQGA6BEM", /* a seed */
	};
	struct nkey_public pub;
	struct err err = { 0 };
	assert_int_equal(nkey_text_decode(NKEY_USER, good, strlen(good), &pub, &err), 0);
	for (size_t i = 0; i < COUNT(bad); i++) {
		err_clear(&err);
		assert_int_equal(
			nkey_text_decode(NKEY_USER, bad[i], strlen(bad[i]), &pub, &err),
			-1);
		assert_int_equal(err.code, ERR_INVALID);
	}
}

/* base32(b1, b2, payload, CRC): a seed that is right but for what the test changes. */
static void
raw_seed(uint8_t b1, uint8_t b2, size_t payload, char *out)
{
	uint8_t raw[64];
	raw[0] = b1;
	raw[1] = b2;
	memset(raw + 2, 3, payload);
	uint16_t crc = codec_crc16(raw, 2 + payload);
	raw[2 + payload] = (uint8_t)(crc & 0xff);
	raw[3 + payload] = (uint8_t)(crc >> 8);
	codec_base32_encode(raw, 4 + payload, out);
}

static void
test_seed_malformed(void **state)
{
	(void)state;
	const struct {
		uint8_t b1;
		uint8_t b2;
		size_t payload;
		const char *expected; /* NULL: it is well-formed */
	} table[] = {
		{ 0x90 | 0xa0 >> 5, (0xa0 & 31) << 3, 32, NULL },
		{ 0x90 | 0xa0 >> 5, (0xa0 & 31) << 3, 31, "characters" },
		{ 0x90 | 0xa0 >> 5, (0xa0 & 31) << 3, 33, "characters" },
		{ 0x90 | 0x78 >> 5, (0x78 & 31) << 3, 32, "unknown role" }, /* private */
		{ 0x90 | 0xc8 >> 5, (0xc8 & 31) << 3, 32, "unknown role" },
		{ 0x90 | 0xa0 >> 5, (0xa0 & 31) << 3 | 1, 32,
			"unknown role" }, /* unused bit */
		{ 0xa0, 0x00, 32, "not a seed" },
	};
	uint8_t seed[NKEY_SEED_LEN];
	enum nkey_role role;
	char text[128];
	for (size_t i = 0; i < COUNT(table); i++) {
		struct err err = { 0 };
		raw_seed(table[i].b1, table[i].b2, table[i].payload, text);
		int rc = jwt_nkey_seed_decode(text, strlen(text), &role, seed, &err);
		if (table[i].expected == NULL) {
			assert_int_equal(rc, 0);
			continue;
		}
		assert_int_equal(rc, -1);
		assert_non_null(strstr(err.msg, table[i].expected));
		assert_null(strstr(err.msg, "DAMBQ")); /* part of the seed's text */
	}

	struct err err = { 0 };
	raw_seed(table[0].b1, table[0].b2, 32, text);
	for (size_t i = 0; i < NKEY_SEED_TEXT_LEN; i++) {
		char kept = text[i];
		text[i] = kept == 'B' ? 'C' : 'B';
		assert_int_equal(
			jwt_nkey_seed_decode(text, NKEY_SEED_TEXT_LEN, &role, seed, &err),
			-1);
		text[i] = str_lower(kept);
		if (text[i] != kept) {
			assert_int_equal(jwt_nkey_seed_decode(text, NKEY_SEED_TEXT_LEN,
						 &role, seed, &err),
				-1);
		}
		text[i] = kept;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_texts),
		cmocka_unit_test(test_key_signatures),
		cmocka_unit_test(test_public_key_malformed),
		cmocka_unit_test(test_seed_malformed),
	};
	return cmocka_run_group_tests_name(
		"jwt_nkey", tests, jwt_golden_set_up, jwt_golden_tear_down);
}
