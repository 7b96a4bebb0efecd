/* SPDX-License-Identifier: Apache-2.0
 * Accounts to claims to tokens, and the hash by which it is seen that there is something
 * new to mint. */
#include "mint/account.h"

#include "base/str.h"
#include "support/jwt_samples.h"
#include "support/mint_stage.h"
#include "support/temp_user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The token of the account, read back and found without fault. */
static struct jwt_claims
signed_claims(const struct mint_stage *s, struct mint_account *mint)
{
	struct err err = { 0 };
	struct buf token;
	struct mint_account_stamp stamp = {
		.database_uuid = "uuid", .generation = 7, .iat = MINT_NOW
	};
	buf_init(&token, MINT_TOKEN_MAX);
	if (mint_account_sign(mint, &stamp, s->vault, &s->operator_key, &token, &err) !=
		0) {
		fail_msg("%s", err.msg);
	}
	struct jwt_claims claims = mint_stage_read(&token);
	buf_release(&token);
	return claims;
}

static void
hash_of(const struct mint_stage *s, const struct mint_account *mint,
	uint8_t out[static 32])
{
	struct err err = { 0 };
	assert_int_equal(
		mint_account_hash(mint, &s->operator_key.public_key, out, &err), 0);
}

/* ---- limits ---- */

static void
test_account_limits(void **state)
{
	static const struct {
		int64_t disk;
		int64_t memory;
		int64_t streams;
	} cases[] = { { 0, 0, 0 }, { -1, 0, -1 }, { 0, -1, -1 }, { 5, 6, -1 },
		{ -1, -1, -1 } };
	struct mint_stage *s = *state;
	s->account.max_connections = 1;
	s->account.max_subscriptions = 2;
	s->account.max_data = 3;
	s->account.max_payload = 4;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct mint_account mint;
		s->account.max_jetstream_disk_storage = cases[i].disk;
		s->account.max_jetstream_memory_storage = cases[i].memory;
		mint_stage_begin(s, false, &mint);
		struct jwt_claims claims = signed_claims(s, &mint);
		const struct jwt_account_limits *limits = &claims.as.account.limits;
		assert_int_equal(limits->conn, 1);
		assert_int_equal(limits->subs, 2);
		assert_int_equal(limits->data, 3);
		assert_int_equal(limits->payload, 4);
		assert_int_equal(limits->leaf, -1);
		assert_int_equal(limits->imports, -1);
		assert_int_equal(limits->exports, -1);
		assert_true(limits->wildcards);
		assert_int_equal(limits->jetstream.disk_storage, cases[i].disk);
		assert_int_equal(limits->jetstream.mem_storage, cases[i].memory);
		assert_int_equal(limits->jetstream.streams, cases[i].streams);
		assert_int_equal(limits->jetstream.consumer, cases[i].streams);
		jwt_claims_release(&claims);
		mint_account_release(&mint);
	}
	/* 0 is none, not unlimited */
	struct mint_account mint;
	s->account.max_connections = 0;
	s->account.max_subscriptions = 0;
	mint_stage_begin(s, false, &mint);
	struct jwt_claims claims = signed_claims(s, &mint);
	assert_int_equal(claims.as.account.limits.conn, 0);
	assert_int_equal(claims.as.account.limits.subs, 0);
	jwt_claims_release(&claims);
	mint_account_release(&mint);
}

/* ---- the other terms of an account ---- */

static char *
account_text(const struct mint_stage *s, bool deleted)
{
	struct mint_account mint;
	mint_stage_begin(s, deleted, &mint);
	return mint_stage_text(&mint);
}

static void
assert_says(const struct mint_stage *s, bool deleted, const char *part, bool says)
{
	char *text = account_text(s, deleted);
	if ((strstr(text, part) != NULL) != says) {
		fail_msg("%s in %s", part, text);
	}
	free(text);
}

/* As the reference library writes it: tests/golden. */
static void
test_default_account(void **state)
{
	struct mint_stage *s = *state;
	char *text = account_text(s, false);
	assert_string_equal(text,
		"{\"limits\":{\"subs\":-1,\"data\":-1,\"payload\":-1,\"imports\":-1,"
		"\"exports\":-1,\"wildcards\":true,\"conn\":-1,\"leaf\":-1},"
		"\"default_permissions\":{\"pub\":{},\"sub\":{}},\"authorization\":{},"
		"\"type\":\"account\",\"version\":2}");
	free(text);
}

static void
test_account_terms(void **state)
{
	struct mint_stage *s = *state;
	struct account *a = &s->account;
	struct err err = { 0 };
	a->max_leafnodes = 3;
	a->disallow_bearer = true;
	a->default_allow_response = true;
	a->default_allow_response_ttl = 2;
	assert_int_equal(strlist_make(&a->default_publish_permissions, &err), 0);
	temp_list(&a->default_publish_deny_permissions, "ignored");
	temp_list(&a->default_subscribe_permissions, "b");
	temp_list(&a->default_subscribe_permissions, "a");
	temp_list(&a->default_subscribe_deny_permissions, "c");
	temp_list(&a->tags, "b:2");
	temp_list(&a->tags, "a:1");
	temp_set(&a->mappings, "{\"a\":[{\"subject\":\"b\",\"weight\":10}]}");
	temp_set(&a->trace_destination, "trace");
	a->trace_sampling = 5;
	temp_set(&a->cluster_traffic, "owner");
	temp_set(&a->description, "described");
	temp_set(&a->info_url, "https://example.com/");
	temp_list(&a->callout_auth_users, SAMPLE_USER_KEY);
	temp_list(&a->callout_allowed_accounts, "*");
	temp_set(&a->callout_xkey, SAMPLE_CURVE_KEY);
	static const char defaults[] =
		"\"default_permissions\":{\"pub\":{\"deny\":[\"\\u003e\"]},\"sub\":"
		"{\"allow\":[\"a\",\"b\"],\"deny\":[\"c\"]},"
		"\"resp\":{\"max\":1,\"ttl\":2000000000}}";
	static const char *const parts[] = { "\"disallow_bearer\":true", "\"leaf\":3",
		defaults, "\"mappings\":{\"a\":[{\"subject\":\"b\",\"weight\":10}]}",
		"\"allowed_accounts\":[\"*\"],\"xkey\":\"XD23",
		"\"trace\":{\"dest\":\"trace\",\"sampling\":5}",
		"\"description\":\"described\"", "\"info_url\":\"https://example.com/\"",
		"\"tags\":[\"a:1\",\"b:2\"]" };
	for (size_t i = 0; i < COUNT(parts); i++) {
		assert_says(s, false, parts[i], true);
		if (i > 0) {
			assert_says(s, true, parts[i], false);
		}
	}
	/* what the streams of a tombstone need */
	assert_says(s, false, "\"cluster_traffic\":\"owner\"", true);
	assert_says(s, true, "\"cluster_traffic\":\"owner\"", true);
	struct mint_account mint;
	mint_stage_begin(s, false, &mint);
	struct jwt_claims claims = signed_claims(s, &mint); /* found without fault */
	assert_int_equal(claims.as.account.tags.len, 3);
	jwt_claims_release(&claims);
	mint_account_release(&mint);
}

static void
test_tiers(void **state)
{
	static const char tiers[] = "\"tiered_limits\":{\"R1\":{\"mem_storage\":-1,"
				    "\"disk_storage\":5,\"streams\":-1";
	struct mint_stage *s = *state;
	temp_set(&s->account.jetstream_tiers,
		"{\"R1\":{\"mem_storage\":-1,\"disk_storage\":5}}");
	s->account.max_jetstream_disk_storage = 77;
	assert_says(s, false, tiers, true);
	assert_says(s, true, tiers, true);
	assert_says(s, false, "77", false);
	temp_set(&s->account.jetstream_tiers, "{");
	struct mint_account mint;
	struct err err = { 0 };
	assert_int_equal(mint_account_begin(&s->account, false, &mint, &err), -1);
	assert_non_null(strstr(err.msg, "jetstream_tiers"));
	mint_account_release(&mint);
}

static void
test_account_token(void **state)
{
	struct mint_stage *s = *state;
	struct err err = { 0 };
	struct mint_account mint;
	char key[NKEY_TEXT_SIZE];
	mint_stage_begin(s, false, &mint);
	/* more than one doubling of each list */
	for (int i = 0; i < 5; i++) {
		struct vault_seed plain = mint_stage_seed(s->vault, NKEY_ACCOUNT);
		struct vault_seed user = mint_stage_seed(s->vault, NKEY_USER);
		assert_int_equal(mint_account_add_key(&mint, &plain.public_key, &err), 0);
		assert_int_equal(mint_account_add_revocation(
					 &mint, &user.public_key, 100 + i, &err),
			0);
	}
	mint_stage_add_scope(s, &mint);
	struct jwt_claims claims = signed_claims(s, &mint);
	assert_string_equal(claims.name, "Tenant");
	assert_int_equal(claims.iat, MINT_NOW);
	assert_int_equal(claims.exp, 0);
	mint_stage_assert_key(claims.sub, NKEY_ACCOUNT, &s->account.public_key);
	mint_stage_assert_key(claims.iss, NKEY_OPERATOR, &s->operator_key.public_key);
	assert_int_equal(claims.as.account.signing_keys_len, 6);
	assert_int_equal(claims.as.account.revocations_len, 5);
	assert_int_equal(claims.as.account.tags.len, 1);
	assert_string_equal(claims.as.account.tags.items[0], "natsid:uuid:7");
	assert_int_equal(claims.as.account.exports_len, 0);
	int scoped = 0;
	nkey_text_encode(NKEY_ACCOUNT, &s->scope_key.public_key, key);
	for (size_t i = 0; i < 6; i++) {
		const struct jwt_signing_key *item = &claims.as.account.signing_keys[i];
		assert_int_equal(item->scoped, str_equal(item->key, key));
		scoped += item->scoped ? 1 : 0;
	}
	assert_int_equal(scoped, 1);
	jwt_claims_release(&claims);
	mint_account_release(&mint);
	mint_account_release(&mint); /* zeroed is allowed */
}

static void
test_system_account(void **state)
{
	struct mint_stage *s = *state;
	struct mint_account mint;
	s->account.is_system = true;
	mint_stage_begin(s, false, &mint);
	struct jwt_claims claims = signed_claims(s, &mint);
	assert_int_equal(claims.as.account.exports_len, 2);
	const struct jwt_export *stream = &claims.as.account.exports[0];
	const struct jwt_export *service = &claims.as.account.exports[1];
	assert_string_equal(stream->subject, "$SYS.ACCOUNT.*.>");
	assert_int_equal(stream->type, JWT_EXPORT_STREAM);
	assert_int_equal(stream->account_token_position, 3);
	assert_string_equal(service->subject, "$SYS.REQ.ACCOUNT.*.*");
	assert_int_equal(service->type, JWT_EXPORT_SERVICE);
	assert_int_equal(service->account_token_position, 4);
	assert_string_equal(service->response_type, "Stream");
	assert_int_equal(claims.as.account.limits.jetstream.disk_storage, 0);
	assert_int_equal(claims.as.account.limits.jetstream.mem_storage, 0);
	jwt_claims_release(&claims);
	mint_account_release(&mint);
}

static void
test_tombstone(void **state)
{
	struct mint_stage *s = *state;
	struct err err = { 0 };
	s->account.max_jetstream_disk_storage = 77;
	s->account.max_connections = 10;
	uint8_t hashes[2][32];
	for (int deleted = 0; deleted < 2; deleted++) {
		struct mint_account mint;
		s->account.active = deleted == 1;
		mint_stage_begin(s, deleted == 1, &mint);
		assert_true(mint.tombstone);
		assert_int_equal(
			mint_account_add_key(&mint, &s->scope_key.public_key, &err), 0);
		mint_stage_add_scope(s, &mint);
		assert_int_equal(mint_account_add_revocation(
					 &mint, &s->user_key.public_key, 5, &err),
			0);
		hash_of(s, &mint, hashes[deleted]);
		struct jwt_claims claims = signed_claims(s, &mint);
		const struct jwt_account *body = &claims.as.account;
		assert_int_equal(body->limits.conn, 0);
		assert_int_equal(body->limits.leaf, 0);
		assert_int_equal(body->signing_keys_len, 0);
		assert_int_equal(body->revocations_len, 1);
		assert_string_equal(body->revocations[0].key, "*");
		assert_int_equal(body->revocations[0].at, MINT_NOW);
		assert_int_equal(body->limits.jetstream.disk_storage, 77);
		assert_int_equal(body->limits.jetstream.streams, -1);
		jwt_claims_release(&claims);
		mint_account_release(&mint);
	}
	/* its time is not in the hash: two tombstones say the same */
	assert_memory_equal(hashes[0], hashes[1], 32);
	s->account.active = true;
	struct mint_account alive;
	mint_stage_begin(s, false, &alive);
	assert_false(alive.tombstone);
	hash_of(s, &alive, hashes[1]);
	assert_memory_not_equal(hashes[0], hashes[1], 32);
	mint_account_release(&alive);
}

/* ---- the hash ---- */

static void
make_hash(const struct mint_stage *s, int64_t revoked_at, uint8_t out[static 32])
{
	struct err err = { 0 };
	struct mint_account mint;
	mint_stage_begin(s, false, &mint);
	mint_stage_add_scope(s, &mint);
	if (revoked_at > 0) {
		assert_int_equal(mint_account_add_revocation(&mint,
					 &s->user_key.public_key, revoked_at, &err),
			0);
	}
	hash_of(s, &mint, out);
	mint_account_release(&mint);
}

static void
test_hash(void **state)
{
	struct mint_stage *s = *state;
	uint8_t first[32];
	uint8_t now[32];
	make_hash(s, 5, first);

	/* must not change it */
	s->account.head.version = 9;
	s->account.head.updated = 123;
	temp_set(&s->role.name, "renamed");
	s->role.max_data = 5;
	make_hash(s, 5, now);
	assert_memory_equal(now, first, 32);

	/* must change it, each on its own */
	int64_t *numbers[] = { &s->account.max_connections, &s->account.max_subscriptions,
		&s->account.max_data, &s->account.max_payload,
		&s->account.max_jetstream_disk_storage,
		&s->account.max_jetstream_memory_storage, &s->role.max_subscriptions,
		&s->role.max_payload };
	for (size_t i = 0; i < COUNT(numbers); i++) {
		int64_t old = *numbers[i];
		*numbers[i] = 42;
		make_hash(s, 5, now);
		assert_memory_not_equal(now, first, 32);
		*numbers[i] = old;
	}
	struct strlist *lists[] = { &s->role.publish_permissions,
		&s->role.subscribe_permissions, &s->role.publish_deny_permissions,
		&s->role.subscribe_deny_permissions };
	for (size_t i = 0; i < COUNT(lists); i++) {
		temp_list(lists[i], "new.subject");
		make_hash(s, 5, now);
		assert_memory_not_equal(now, first, 32);
		lists[i]->len--;
		free(lists[i]->items[lists[i]->len]);
	}
	s->role.allow_response = true;
	make_hash(s, 5, now);
	assert_memory_not_equal(now, first, 32);
	s->role.allow_response = false;
	make_hash(s, 6, now);
	assert_memory_not_equal(now, first, 32);
	make_hash(s, 0, now);
	assert_memory_not_equal(now, first, 32);
	temp_set(&s->account.name, "Other");
	make_hash(s, 5, now);
	assert_memory_not_equal(now, first, 32);
	temp_set(&s->account.name, "Tenant");
	make_hash(s, 5, now);
	assert_memory_equal(now, first, 32);

	/* another key of the operator: the JWT must be signed anew */
	s->operator_key = mint_stage_seed(s->vault, NKEY_OPERATOR);
	make_hash(s, 5, now);
	assert_memory_not_equal(now, first, 32);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, mint_stage_set_up, mint_stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_account_limits),
		TEST(test_default_account),
		TEST(test_account_terms),
		TEST(test_tiers),
		TEST(test_account_token),
		TEST(test_system_account),
		TEST(test_tombstone),
		TEST(test_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
