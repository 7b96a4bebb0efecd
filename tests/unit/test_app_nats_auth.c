/* SPDX-License-Identifier: Apache-2.0
 * Logging in to NATS. */
#include "app/nats_auth.h"
#include "jwt/decode.h"
#include "support/assert_code.h"
#include "support/temp_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include <stdlib.h>
#include <string.h>

struct login {
	void *pair;
	struct nkey_public key;
};

static void
log_in(struct nats_auth *auth, struct login *login)
{
	struct err err = { 0 };
	char *jwt = NULL;
	enum nkey_role role = NKEY_ACCOUNT;
	struct jwt_claims claims = { 0 };
	assert_int_equal(nats_auth_user_jwt(auth, &login->pair, &jwt, &err), 0);
	assert_int_equal(jwt_decode(jwt, strlen(jwt), &claims, &err), 0);
	assert_int_equal(nkey_text_decode_any(claims.sub, strlen(claims.sub), &role,
				 &login->key, &err),
		0);
	assert_int_equal(role, NKEY_USER);
	jwt_claims_release(&claims);
	free(jwt);
}

static void
assert_signs(const struct login *login)
{
	struct err err = { 0 };
	uint8_t sig[BUS_SIGNATURE_LEN];
	assert_int_equal(nats_auth_sign(login->pair, "nonce", sig, &err), 0);
	assert_int_equal(crypto_sign_verify_detached(
				 sig, (const uint8_t *)"nonce", 5, login->key.bytes),
		0);
}

static void
test_nats_auth(void **state)
{
	const struct temp_folder *f = *state;
	struct data_dir dir;
	struct nats_auth *auth = NULL;
	struct login first = { 0 };
	struct login second = { 0 };
	struct err err = { 0 };
	uint8_t sig[BUS_SIGNATURE_LEN];
	temp_folder_make_system(f);
	assert_int_equal(temp_folder_open(f, false, &dir, &err), 0);
	assert_int_equal(nats_auth_new(dir.service, &auth, &err), 0);
	nats_auth_set_inbox(auth, "_INBOX.abc");
	assert_code(nats_auth_sign(NULL, "nonce", sig, &err), &err, ERR_INTERNAL);
	/* Each connect has its own key, which another connect leaves alone. */
	log_in(auth, &first);
	log_in(auth, &second);
	assert_memory_not_equal(first.key.bytes, second.key.bytes, NKEY_PUBLIC_LEN);
	assert_signs(&first);
	assert_signs(&second);
	nats_auth_login_free(first.pair);
	assert_signs(&second);
	assert_code(nats_auth_sign(second.pair, "", sig, &err), &err, ERR_UNAVAILABLE);
	nats_auth_login_free(second.pair);
	nats_auth_login_free(NULL);
	nats_auth_free(auth);
	nats_auth_free(NULL);
	data_dir_close(&dir);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_folder_set_up, temp_folder_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nats_auth),
	};
	if (sodium_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
