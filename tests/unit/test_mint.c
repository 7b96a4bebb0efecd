/* SPDX-License-Identifier: Apache-2.0
 * Rows to claims to tokens. Tokens are read back by the decoder and the validator; that
 * real servers take them is shown by the integration tests. */
#include "base/str.h"
#include "jwt/creds.h"
#include "jwt/decode.h"
#include "jwt/encode.h"
#include "jwt/validate.h"
#include "mint/account.h"
#include "mint/scope.h"
#include "mint/operator.h"
#include "mint/user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { NOW = 1800000000, TOKEN_MAX = 256 * 1024 };

struct stage {
	struct vault *vault;
	struct vault_seed operator_identity;
	struct vault_seed operator_key;
	struct vault_seed account_key; /* identity of the account */
	struct vault_seed scope_key;
	struct vault_seed user_key;
	struct account account;
	struct role role;
};

static struct vault_seed
new_seed(const struct vault *vault, enum nkey_role role)
{
	struct err err = { 0 };
	struct vault_seed seed = {
		.owner_table = "t", .owner_column = "c", .owner_id = "i", .role = role
	};
	assert_int_equal(vault_generate(vault, &seed, &err), 0);
	return seed;
}

static void
set_text(char **member, const char *text)
{
	free(*member);
	*member = str_dup(text);
	assert_non_null(*member);
}

static void
add(struct strlist *list, const char *text)
{
	assert_int_equal(strlist_add(list, text, NULL), 0);
}

static int
set_up(void **state)
{
	static const uint8_t master_key[VAULT_KEY_LEN] = { 1 };
	struct stage *s = calloc(1, sizeof(*s));
	struct vault_slot slot;
	struct vault_data_key key;
	struct err err = { 0 };
	assert_non_null(s);
	assert_int_equal(vault_create(master_key, "01234567-89ab-cdef-0123-456789abcdef",
				 &slot, &key, &s->vault, &err),
		0);
	s->operator_identity = new_seed(s->vault, NKEY_OPERATOR);
	s->operator_key = new_seed(s->vault, NKEY_OPERATOR);
	s->account_key = new_seed(s->vault, NKEY_ACCOUNT);
	s->scope_key = new_seed(s->vault, NKEY_ACCOUNT);
	s->user_key = new_seed(s->vault, NKEY_USER);
	assert_int_equal(account_init(&s->account, &err), 0);
	set_text(&s->account.name, "Tenant");
	s->account.public_key = s->account_key.public_key;
	assert_int_equal(role_init(&s->role, &err), 0);
	set_text(&s->role.name, "sensors");
	assert_int_equal(
		str_copy(s->role.head.id, sizeof(s->role.head.id), "role00000000001"), 0);
	*state = s;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *s = *state;
	record_release(&account_collection, &s->account);
	record_release(&role_collection, &s->role);
	vault_free(s->vault);
	free(s);
	return 0;
}

static void
begin(const struct stage *s, bool deleted, struct mint_account *mint)
{
	struct err err = { 0 };
	assert_int_equal(mint_account_begin(&s->account, deleted, mint, &err), 0);
}

static void
add_scope(const struct stage *s, struct mint_account *mint)
{
	struct err err = { 0 };
	assert_int_equal(
		mint_account_add_scope(mint, &s->role, &s->scope_key.public_key, &err),
		0);
}

/* The token of the account, read back and found without fault. */
static struct jwt_claims
signed_claims(const struct stage *s, struct mint_account *mint)
{
	struct err err = { 0 };
	struct buf token;
	struct jwt_claims claims = { 0 };
	struct jwt_issues issues = { 0 };
	struct mint_account_stamp stamp = {
		.database_uuid = "uuid", .generation = 7, .iat = NOW
	};
	buf_init(&token, TOKEN_MAX);
	if (mint_account_sign(mint, &stamp, s->vault, &s->operator_key, &token, &err) !=
		0) {
		fail_msg("%s", err.msg);
	}
	assert_int_equal(jwt_decode(token.data, token.len, &claims, &err), 0);
	jwt_validate(&claims, NOW, &issues);
	if (issues.len != 0) {
		fail_msg("%s", issues.items[0].text);
	}
	buf_release(&token);
	return claims;
}

static void
hash_of(const struct stage *s, const struct mint_account *mint, uint8_t out[static 32])
{
	struct err err = { 0 };
	assert_int_equal(
		mint_account_hash(mint, &s->operator_key.public_key, out, &err), 0);
}

/* ---- scopes ---- */

static char *
scope_text(const struct stage *s)
{
	struct err err = { 0 };
	struct mint_account mint;
	struct buf body;
	begin(s, false, &mint);
	add_scope(s, &mint);
	buf_init(&body, TOKEN_MAX);
	assert_int_equal(jwt_encode_body(&mint.claims, &body, &err), 0);
	mint_account_release(&mint);
	char *text = buf_take(&body);
	assert_non_null(text);
	return text;
}

static void
set_lists(struct role *role, const char *const *subjects)
{
	struct strlist *lists[] = { &role->publish_permissions,
		&role->subscribe_permissions, &role->publish_deny_permissions,
		&role->subscribe_deny_permissions };
	for (size_t i = 0; i < COUNT(lists); i++) {
		strlist_release(lists[i]);
		for (size_t j = 0; subjects[j] != NULL; j++) {
			add(lists[i], subjects[j]);
		}
	}
}

static void
test_scope_canonical(void **state)
{
	static const char *const sorted[] = { "A.b", "a.*", "a.>", "b", NULL };
	static const char *const shuffled[] = { "b", "a.>", "A.b", "a.*", NULL };
	static const char *const doubled[] = { "a.*", "b", "a.>", "b", "A.b", "A.b",
		NULL };
	static const char *const other[] = { "a.*", "a.>", "A.b", NULL };
	struct stage *s = *state;
	set_lists(&s->role, sorted);
	char *expected = scope_text(s);
	assert_non_null(strstr(expected, "\"role\":\"role00000000001\""));
	assert_non_null(strstr(expected, "\"description\":\"\""));
	assert_non_null(
		strstr(expected, "\"allow\":[\"A.b\",\"a.*\",\"a.\\u003e\",\"b\"]"));

	set_lists(&s->role, shuffled);
	char *text = scope_text(s);
	assert_string_equal(text, expected);
	free(text);
	set_lists(&s->role, doubled);
	set_text(&s->role.name, "renamed");
	set_text(&s->role.description, "described");
	s->role.max_data = 12345;
	s->role.is_default = true;
	s->role.head.version = 9;
	text = scope_text(s);
	assert_string_equal(text, expected);
	free(text);
	/* the row's own order is left alone: it is what the API shows */
	assert_string_equal(s->role.publish_permissions.items[0], "a.*");

	set_lists(&s->role, other);
	text = scope_text(s);
	assert_string_not_equal(text, expected);
	free(text);
	free(expected);
}

/* In a JWT an empty list allows everything; in a role it allows nothing. */
static void
test_scope_empty(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct jwt_user_limits limits;
	strlist_release(&s->role.publish_permissions);
	add(&s->role.publish_deny_permissions, "x");
	assert_int_equal(mint_scope(&s->role, &limits, &err), 0);
	assert_int_equal(limits.permissions.pub.allow.len, 0);
	assert_int_equal(limits.permissions.pub.deny.len, 1);
	assert_string_equal(limits.permissions.pub.deny.items[0], ">");
	assert_int_equal(limits.permissions.sub.allow.len, 2);
	assert_int_equal(limits.permissions.sub.deny.len, 0);
	jwt_user_limits_release(&limits);

	strlist_release(&s->role.subscribe_permissions);
	assert_int_equal(mint_scope(&s->role, &limits, &err), 0);
	assert_int_equal(limits.permissions.sub.allow.len, 0);
	assert_int_equal(limits.permissions.sub.deny.len, 1);
	assert_string_equal(limits.permissions.sub.deny.items[0], ">");
	jwt_user_limits_release(&limits);

	add(&s->role.subscribe_permissions, "a");
	add(&s->role.subscribe_deny_permissions, "b q");
	assert_int_equal(mint_scope(&s->role, &limits, &err), 0);
	assert_string_equal(limits.permissions.sub.allow.items[0], "a");
	assert_string_equal(limits.permissions.sub.deny.items[0], "b q");
	jwt_user_limits_release(&limits);
}

static void
test_scope_limits(void **state)
{
	static const struct {
		bool allowed;
		int64_t max;
		int64_t ttl;
		int64_t minted_max;
		int64_t minted_ttl_ns;
	} cases[] = {
		{ false, 5, 5, 0, 0 },
		{ true, 0, 0, 1, 0 },
		{ true, -1, 1, -1, INT64_C(1000000000) },
		{ true, 1, 86400, 1, INT64_C(86400000000000) },
		{ true, 100, 2, 100, INT64_C(2000000000) },
	};
	static const int64_t numbers[] = { -1, 0, 1, 2147483647 };
	struct stage *s = *state;
	struct err err = { 0 };
	struct jwt_user_limits limits;
	for (size_t i = 0; i < COUNT(cases); i++) {
		s->role.allow_response = cases[i].allowed;
		s->role.allow_response_max = cases[i].max;
		s->role.allow_response_ttl = cases[i].ttl;
		assert_int_equal(mint_scope(&s->role, &limits, &err), 0);
		assert_int_equal(limits.permissions.has_resp, cases[i].allowed);
		assert_int_equal(limits.permissions.resp_max, cases[i].minted_max);
		assert_int_equal(limits.permissions.resp_ttl_ns, cases[i].minted_ttl_ns);
		jwt_user_limits_release(&limits);
	}
	for (size_t i = 0; i < COUNT(numbers); i++) {
		s->role.max_subscriptions = numbers[i];
		s->role.max_payload = numbers[COUNT(numbers) - 1 - i];
		s->role.max_data = 99;
		assert_int_equal(mint_scope(&s->role, &limits, &err), 0);
		assert_int_equal(limits.subs, numbers[i]);
		assert_int_equal(limits.payload, numbers[COUNT(numbers) - 1 - i]);
		assert_int_equal(limits.data, -1);
		assert_false(limits.bearer_token);
		jwt_user_limits_release(&limits);
	}
}

/* ---- accounts ---- */

static void
test_account_limits(void **state)
{
	static const struct {
		int64_t disk;
		int64_t memory;
		int64_t streams;
	} cases[] = { { 0, 0, 0 }, { -1, 0, -1 }, { 0, -1, -1 }, { 5, 6, -1 },
		{ -1, -1, -1 } };
	struct stage *s = *state;
	s->account.max_connections = 1;
	s->account.max_subscriptions = 2;
	s->account.max_data = 3;
	s->account.max_payload = 4;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct mint_account mint;
		s->account.max_jetstream_disk_storage = cases[i].disk;
		s->account.max_jetstream_memory_storage = cases[i].memory;
		begin(s, false, &mint);
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
	begin(s, false, &mint);
	struct jwt_claims claims = signed_claims(s, &mint);
	assert_int_equal(claims.as.account.limits.conn, 0);
	assert_int_equal(claims.as.account.limits.subs, 0);
	jwt_claims_release(&claims);
	mint_account_release(&mint);
}

/* ---- the other terms of an account ---- */

static char *
account_text(const struct stage *s, bool deleted)
{
	struct err err = { 0 };
	struct mint_account mint;
	struct buf body;
	begin(s, deleted, &mint);
	buf_init(&body, TOKEN_MAX);
	assert_int_equal(jwt_encode_body(&mint.claims, &body, &err), 0);
	mint_account_release(&mint);
	char *text = buf_take(&body);
	assert_non_null(text);
	return text;
}

static void
assert_says(const struct stage *s, bool deleted, const char *part, bool says)
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
	struct stage *s = *state;
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
	struct stage *s = *state;
	struct account *a = &s->account;
	struct err err = { 0 };
	a->max_leafnodes = 3;
	a->disallow_bearer = true;
	a->default_allow_response = true;
	a->default_allow_response_ttl = 2;
	assert_int_equal(strlist_make(&a->default_publish_permissions, &err), 0);
	add(&a->default_publish_deny_permissions, "ignored");
	add(&a->default_subscribe_permissions, "b");
	add(&a->default_subscribe_permissions, "a");
	add(&a->default_subscribe_deny_permissions, "c");
	add(&a->tags, "b:2");
	add(&a->tags, "a:1");
	set_text(&a->mappings, "{\"a\":[{\"subject\":\"b\",\"weight\":10}]}");
	set_text(&a->trace_destination, "trace");
	a->trace_sampling = 5;
	set_text(&a->cluster_traffic, "owner");
	set_text(&a->description, "described");
	set_text(&a->info_url, "https://example.com/");
	add(&a->callout_auth_users,
		"UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4");
	add(&a->callout_allowed_accounts, "*");
	set_text(&a->callout_xkey,
		"XD23FVXGB6KHPYYQYKMC3KVGZEJWYEEKC534LFD6ISH2G7LIC5CVP5IW");
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
	begin(s, false, &mint);
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
	struct stage *s = *state;
	set_text(&s->account.jetstream_tiers,
		"{\"R1\":{\"mem_storage\":-1,\"disk_storage\":5}}");
	s->account.max_jetstream_disk_storage = 77;
	assert_says(s, false, tiers, true);
	assert_says(s, true, tiers, true);
	assert_says(s, false, "77", false);
	set_text(&s->account.jetstream_tiers, "{");
	struct mint_account mint;
	struct err err = { 0 };
	assert_int_equal(mint_account_begin(&s->account, false, &mint, &err), -1);
	assert_non_null(strstr(err.msg, "jetstream_tiers"));
	mint_account_release(&mint);
}

static void
test_account_token(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct mint_account mint;
	char key[NKEY_TEXT_SIZE];
	begin(s, false, &mint);
	/* more than one doubling of each list */
	for (int i = 0; i < 5; i++) {
		struct vault_seed plain = new_seed(s->vault, NKEY_ACCOUNT);
		struct vault_seed user = new_seed(s->vault, NKEY_USER);
		assert_int_equal(mint_account_add_key(&mint, &plain.public_key, &err), 0);
		assert_int_equal(mint_account_add_revocation(
					 &mint, &user.public_key, 100 + i, &err),
			0);
	}
	add_scope(s, &mint);
	struct jwt_claims claims = signed_claims(s, &mint);
	assert_string_equal(claims.name, "Tenant");
	assert_int_equal(claims.iat, NOW);
	assert_int_equal(claims.exp, 0);
	nkey_text_encode(NKEY_ACCOUNT, &s->account.public_key, key);
	assert_string_equal(claims.sub, key);
	nkey_text_encode(NKEY_OPERATOR, &s->operator_key.public_key, key);
	assert_string_equal(claims.iss, key);
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
	struct stage *s = *state;
	struct mint_account mint;
	s->account.is_system = true;
	begin(s, false, &mint);
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
	struct stage *s = *state;
	struct err err = { 0 };
	s->account.max_jetstream_disk_storage = 77;
	s->account.max_connections = 10;
	uint8_t hashes[2][32];
	for (int deleted = 0; deleted < 2; deleted++) {
		struct mint_account mint;
		s->account.active = deleted == 1;
		begin(s, deleted == 1, &mint);
		assert_true(mint.tombstone);
		assert_int_equal(
			mint_account_add_key(&mint, &s->scope_key.public_key, &err), 0);
		add_scope(s, &mint);
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
		assert_int_equal(body->revocations[0].at, NOW);
		assert_int_equal(body->limits.jetstream.disk_storage, 77);
		assert_int_equal(body->limits.jetstream.streams, -1);
		jwt_claims_release(&claims);
		mint_account_release(&mint);
	}
	/* its time is not in the hash: two tombstones say the same */
	assert_memory_equal(hashes[0], hashes[1], 32);
	s->account.active = true;
	struct mint_account alive;
	begin(s, false, &alive);
	assert_false(alive.tombstone);
	hash_of(s, &alive, hashes[1]);
	assert_memory_not_equal(hashes[0], hashes[1], 32);
	mint_account_release(&alive);
}

/* ---- the hash ---- */

static void
make_hash(const struct stage *s, int64_t revoked_at, uint8_t out[static 32])
{
	struct err err = { 0 };
	struct mint_account mint;
	begin(s, false, &mint);
	add_scope(s, &mint);
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
	struct stage *s = *state;
	uint8_t first[32];
	uint8_t now[32];
	make_hash(s, 5, first);

	/* must not change it */
	s->account.head.version = 9;
	s->account.head.updated = 123;
	set_text(&s->role.name, "renamed");
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
		add(lists[i], "new.subject");
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
	set_text(&s->account.name, "Other");
	make_hash(s, 5, now);
	assert_memory_not_equal(now, first, 32);
	set_text(&s->account.name, "Tenant");
	make_hash(s, 5, now);
	assert_memory_equal(now, first, 32);

	/* another key of the operator: the JWT must be signed anew */
	s->operator_key = new_seed(s->vault, NKEY_OPERATOR);
	make_hash(s, 5, now);
	assert_memory_not_equal(now, first, 32);
}

/* ---- users ---- */

static void
test_user(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct buf token;
	struct buf creds;
	struct jwt_claims claims = { 0 };
	struct jwt_issues issues = { 0 };
	char key[NKEY_TEXT_SIZE];
	char name[] = "sensor-1";
	struct user user = {
		.nats_username = name, .public_key = s->user_key.public_key, .iat = NOW
	};
	struct mint_user mint = {
		.user = &user,
		.account_key = s->account.public_key,
		.issuer = &s->scope_key,
	};
	buf_init(&token, TOKEN_MAX);
	assert_int_equal(mint_user(s->vault, &mint, &token, &err), 0);
	assert_int_equal(jwt_decode(token.data, token.len, &claims, &err), 0);
	jwt_validate(&claims, NOW, &issues);
	assert_int_equal(issues.len, 0);
	assert_string_equal(claims.name, "sensor-1");
	assert_int_equal(claims.iat, NOW);
	assert_int_equal(claims.exp, 0);
	nkey_text_encode(NKEY_ACCOUNT, &s->scope_key.public_key, key);
	assert_string_equal(claims.iss, key);
	nkey_text_encode(NKEY_ACCOUNT, &s->account.public_key, key);
	assert_string_equal(claims.as.user.issuer_account, key);
	nkey_text_encode(NKEY_USER, &s->user_key.public_key, key);
	assert_string_equal(claims.sub, key);
	/* servers refuse a user of a scope that says anything of its own */
	assert_true(jwt_user_limits_are_empty(&claims.as.user.limits));
	struct buf body;
	buf_init(&body, 4096);
	assert_int_equal(jwt_encode_body(&claims, &body, &err), 0);
	char expected[256];
	str_fmt_cut(expected, sizeof(expected),
		"{\"pub\":{},\"sub\":{},\"issuer_account\":\"%s\",\"type\":\"user\","
		"\"version\":2}",
		claims.as.user.issuer_account);
	assert_string_equal(body.data, expected);
	buf_release(&body);

	/* the file: this token, this user's seed */
	const char *found = NULL;
	size_t found_len = 0;
	uint8_t seed[NKEY_SEED_LEN];
	uint8_t plain[VAULT_SEED_LEN];
	buf_init_secret(&creds, TOKEN_MAX);
	assert_int_equal(mint_creds(s->vault, &token, &s->user_key, &creds, &err), 0);
	assert_int_equal(
		jwt_creds_parse(creds.data, creds.len, &found, &found_len, seed, &err),
		0);
	assert_int_equal(found_len, token.len);
	assert_memory_equal(found, token.data, token.len);
	assert_int_equal(vault_seed_open(s->vault, &s->user_key, plain, &err), 0);
	assert_memory_equal(seed, plain, sizeof(seed));
	buf_release(&creds);

	/* a damaged seed gives no file, and no token */
	struct vault_seed damaged = s->user_key;
	damaged.sealed[40] ^= 1;
	buf_init_secret(&creds, TOKEN_MAX);
	assert_int_equal(mint_creds(s->vault, &token, &damaged, &creds, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
	assert_int_equal(creds.len, 0);
	damaged = s->scope_key;
	damaged.sealed[40] ^= 1;
	mint.issuer = &damaged;
	buf_clear(&token);
	assert_int_equal(mint_user(s->vault, &mint, &token, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
	/* nor does a key of the wrong role sign */
	mint.issuer = &s->user_key;
	buf_clear(&token);
	assert_int_equal(mint_user(s->vault, &mint, &token, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	buf_release(&creds);
	buf_release(&token);
	jwt_claims_release(&claims);
}

static void
assert_list(const struct strlist *list, const char *const *expected, size_t len)
{
	assert_int_equal(list->len, len);
	for (size_t i = 0; i < len; i++) {
		assert_string_equal(list->items[i], expected[i]);
	}
}

static void
test_system_user(void **state)
{
	static const char *const publish[] = { "$SYS.REQ.CLAIMS.UPDATE",
		"$SYS.REQ.CLAIMS.DELETE", "$SYS.REQ.CLAIMS.LIST",
		"$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP", "$SYS.REQ.SERVER.PING",
		"$SYS.REQ.SERVER.*.CONNZ", "$SYS.REQ.SERVER.*.VARZ",
		"$SYS.REQ.SERVER.*.ACCOUNTZ", "$SYS.REQ.SERVER.*.JSZ" };
	static const char *const subscribe[] = { "_INBOX.abc.*", "$SYS.REQ.CLAIMS.UPDATE",
		"$SYS.REQ.CLAIMS.DELETE", "$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE",
		"$SYS.ACCOUNT.*.CLAIMS.UPDATE", "$SYS.SERVER.*.STATSZ" };
	struct stage *s = *state;
	struct err err = { 0 };
	struct buf token;
	struct jwt_claims claims = { 0 };
	struct jwt_issues issues = { 0 };
	buf_init(&token, TOKEN_MAX);
	struct mint_system_user mint = { .issuer = &s->scope_key,
		.account_key = s->account.public_key,
		.user_key = s->user_key.public_key,
		.inbox = "_INBOX.abc",
		.iat = NOW };
	assert_int_equal(mint_system_user(s->vault, &mint, &token, &err), 0);
	assert_int_equal(jwt_decode(token.data, token.len, &claims, &err), 0);
	jwt_validate(&claims, NOW, &issues);
	assert_int_equal(issues.len, 0);
	const struct jwt_user_limits *limits = &claims.as.user.limits;
	assert_list(&limits->permissions.pub.allow, publish, COUNT(publish));
	assert_list(&limits->permissions.sub.allow, subscribe, COUNT(subscribe));
	assert_int_equal(limits->permissions.pub.deny.len, 0);
	assert_false(limits->permissions.has_resp);
	assert_false(limits->bearer_token);
	assert_int_equal(limits->subs, -1);
	assert_int_equal(limits->payload, -1);
	buf_release(&token);
	jwt_claims_release(&claims);
}

static void
test_operator(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct buf token;
	struct jwt_claims claims = { 0 };
	struct jwt_issues issues = { 0 };
	char key[NKEY_TEXT_SIZE];
	struct mint_operator mint = {
		.name = "Op",
		.identity = &s->operator_identity,
		.signing_keys = &s->operator_key.public_key,
		.signing_key_count = 1,
		.system_account = s->account.public_key,
		.iat = NOW,
	};
	buf_init(&token, TOKEN_MAX);
	assert_int_equal(mint_operator(s->vault, &mint, &token, &err), 0);
	assert_int_equal(jwt_decode(token.data, token.len, &claims, &err), 0);
	jwt_validate(&claims, NOW, &issues);
	assert_int_equal(issues.len, 0);
	nkey_text_encode(NKEY_OPERATOR, &s->operator_identity.public_key, key);
	assert_string_equal(claims.iss, key);
	assert_string_equal(claims.sub, key);
	assert_int_equal(claims.as.operator_.signing_keys.len, 1);
	nkey_text_encode(NKEY_OPERATOR, &s->operator_key.public_key, key);
	assert_string_equal(claims.as.operator_.signing_keys.items[0], key);
	nkey_text_encode(NKEY_ACCOUNT, &s->account.public_key, key);
	assert_string_equal(claims.as.operator_.system_account, key);
	assert_string_equal(claims.name, "Op");
	assert_int_equal(claims.iat, NOW);
	assert_false(claims.as.operator_.strict_signing_key_usage);
	jwt_claims_release(&claims);

	/* only an operator's key */
	mint.identity = &s->account_key;
	buf_clear(&token);
	assert_int_equal(mint_operator(s->vault, &mint, &token, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	buf_release(&token);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_scope_canonical),
		TEST(test_scope_empty),
		TEST(test_scope_limits),
		TEST(test_account_limits),
		TEST(test_default_account),
		TEST(test_account_terms),
		TEST(test_tiers),
		TEST(test_account_token),
		TEST(test_system_account),
		TEST(test_tombstone),
		TEST(test_hash),
		TEST(test_user),
		TEST(test_system_user),
		TEST(test_operator),
	};
	if (sodium_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
