/* SPDX-License-Identifier: Apache-2.0 */
#include "support/mint_stage.h"

#include "base/str.h"
#include "jwt/decode.h"
#include "jwt/encode.h"
#include "jwt/validate.h"
#include "support/temp_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include <stdlib.h>

struct vault_seed
mint_stage_seed(const struct vault *vault, enum nkey_role role)
{
	struct err err = { 0 };
	struct vault_seed seed = {
		.owner_table = "t", .owner_column = "c", .owner_id = "i", .role = role
	};
	assert_int_equal(vault_generate(vault, &seed, &err), 0);
	return seed;
}

int
mint_stage_set_up(void **state)
{
	static const uint8_t master_key[VAULT_KEY_LEN] = { 1 };
	struct mint_stage *s = calloc(1, sizeof(*s));
	struct vault_slot slot;
	struct vault_data_key key;
	struct err err = { 0 };
	assert_non_null(s);
	assert_true(sodium_init() >= 0);
	assert_int_equal(vault_create(master_key, "01234567-89ab-cdef-0123-456789abcdef",
				 &slot, &key, &s->vault, &err),
		0);
	s->operator_identity = mint_stage_seed(s->vault, NKEY_OPERATOR);
	s->operator_key = mint_stage_seed(s->vault, NKEY_OPERATOR);
	s->account_key = mint_stage_seed(s->vault, NKEY_ACCOUNT);
	s->scope_key = mint_stage_seed(s->vault, NKEY_ACCOUNT);
	s->user_key = mint_stage_seed(s->vault, NKEY_USER);
	assert_int_equal(account_init(&s->account, &err), 0);
	temp_set(&s->account.name, "Tenant");
	s->account.public_key = s->account_key.public_key;
	assert_int_equal(role_init(&s->role, &err), 0);
	temp_set(&s->role.name, "sensors");
	assert_int_equal(
		str_copy(s->role.head.id, sizeof(s->role.head.id), "role00000000001"), 0);
	*state = s;
	return 0;
}

int
mint_stage_tear_down(void **state)
{
	struct mint_stage *s = *state;
	record_release(&account_collection, &s->account);
	record_release(&role_collection, &s->role);
	vault_free(s->vault);
	free(s);
	return 0;
}

void
mint_stage_begin(const struct mint_stage *s, bool deleted, struct mint_account *out)
{
	struct err err = { 0 };
	assert_int_equal(mint_account_begin(&s->account, deleted, out, &err), 0);
}

void
mint_stage_add_scope(const struct mint_stage *s, struct mint_account *mint)
{
	struct err err = { 0 };
	assert_int_equal(
		mint_account_add_scope(mint, &s->role, &s->scope_key.public_key, &err),
		0);
}

char *
mint_stage_text(struct mint_account *mint)
{
	struct err err = { 0 };
	struct buf body;
	buf_init(&body, MINT_TOKEN_MAX);
	assert_int_equal(jwt_encode_body(&mint->claims, &body, &err), 0);
	mint_account_release(mint);
	char *text = buf_take(&body);
	assert_non_null(text);
	return text;
}

struct jwt_claims
mint_stage_read(const struct buf *token)
{
	struct err err = { 0 };
	struct jwt_claims claims = { 0 };
	struct jwt_issues issues = { 0 };
	assert_int_equal(jwt_decode(token->data, token->len, &claims, &err), 0);
	jwt_validate(&claims, MINT_NOW, &issues);
	if (issues.len != 0) {
		fail_msg("%s", issues.items[0].text);
	}
	return claims;
}

void
mint_stage_assert_key(
	const char *text, enum nkey_role role, const struct nkey_public *expected)
{
	char key[NKEY_TEXT_SIZE];
	nkey_text_encode(role, expected, key);
	assert_string_equal(text, key);
}
