/* SPDX-License-Identifier: Apache-2.0
 * The sets of signing keys of an account: made, removed, replaced, and everything refused
 * at once. */
#include "base/str.h"
#include "model/limits.h"
#include "store/record.h"
#include "support/keys_stage.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int64_t
ask(const struct keys_stage *s, const char *sql)
{
	return temp_ask(s->t, sql, NULL);
}

/* The sum changes with any write to any user. */
static int64_t
user_rows(const struct keys_stage *s)
{
	return ask(s, "SELECT sum(version * 1000 + iat + issued_at) FROM users");
}

static int64_t
seeds(const struct keys_stage *s)
{
	return ask(s, "SELECT count(*) FROM vault");
}

static void
test_add(void **state)
{
	struct keys_stage s;
	keys_stage_init(&s, *state);
	int64_t users = user_rows(&s);
	int64_t had = seeds(&s);
	int64_t generation = temp_generation(s.t, s.account);
	keys_stage_change_ok(&s, "add_signing_key", NULL);
	assert_int_equal(keys_stage_count(&s, 1), 3);
	assert_int_equal(keys_stage_count(&s, 2), 3);
	assert_int_equal(ask(&s,
				 "SELECT count(*) FROM signing_keys WHERE account > 1 "
				 "AND key_set = 2 AND role IS NULL"),
		1);
	assert_int_equal(ask(&s, "SELECT key_set FROM accounts WHERE seq > 1"), 2);
	assert_int_equal(seeds(&s), had + 3);
	assert_int_equal(user_rows(&s), users);
	assert_int_equal(temp_generation(s.t, s.account), generation + 1);
	assert_int_equal(temp_urgent_generation(s.t, s.account), generation + 1);
	struct account_key_list list = keys_stage_look(&s);
	assert_int_equal(list.len, 6);
	for (size_t i = 0; i < list.len; i++) {
		assert_int_equal(list.keys[i].signs, list.keys[i].key_set == 2);
	}
	account_key_list_release(&list);
	(void)temp_issue(s.t, s.users[0]);
	assert_int_equal(ask(&s,
				 "SELECT fields = '[\"add_signing_key\"]' FROM audit "
				 "WHERE action = 'update' ORDER BY seq DESC LIMIT 1"),
		1);
}

static void
test_remove(void **state)
{
	struct keys_stage s;
	struct err err = { 0 };
	char first[NKEY_TEXT_SIZE];
	char second[NKEY_TEXT_SIZE];
	keys_stage_init(&s, *state);
	keys_stage_key(&s, 1, first);
	int64_t had = seeds(&s);
	assert_int_equal(keys_stage_change(&s, "remove_signing_key", first, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_int_equal(
		keys_stage_change(&s, "remove_signing_key",
			"ACATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZIL2R", &err),
		-1);
	assert_int_equal(
		keys_stage_change(&s, "remove_signing_key", "nonsense", &err), -1);
	assert_int_equal(seeds(&s), had);

	temp_store_exec(&s.t->temp,
		"INSERT INTO revocations (account, public_key, cause, at, key_set, "
		"created) SELECT 2, randomblob(32), 'delete', 5, value, 0 FROM "
		"json_each('[0,1,1,2]')");
	keys_stage_change_ok(&s, "add_signing_key", NULL);
	int64_t users = user_rows(&s);
	keys_stage_change_ok(&s, "remove_signing_key", first);
	assert_int_equal(keys_stage_count(&s, 1), 0);
	assert_int_equal(keys_stage_count(&s, 2), 3);
	assert_int_equal(seeds(&s), had);
	assert_int_equal(user_rows(&s), users);
	/* what only the set that went had signed needs no revocation */
	assert_int_equal(
		ask(&s, "SELECT count(*) FROM revocations WHERE key_set = 1"), 0);
	assert_int_equal(ask(&s, "SELECT count(*) FROM revocations"), 2);

	/* both at once, of the set that signs until then */
	keys_stage_key(&s, 2, second);
	keys_stage_change_ok(&s, "add_signing_key,remove_signing_key", second);
	assert_int_equal(keys_stage_count(&s, 2), 0);
	assert_int_equal(keys_stage_count(&s, 3), 3);
	(void)temp_issue(s.t, s.users[2]);
}

static void
test_rotate(void **state)
{
	struct keys_stage s;
	keys_stage_init(&s, *state);
	keys_stage_change_ok(&s, "add_signing_key", NULL);
	keys_stage_change_ok(&s, "revoke_all", NULL);
	assert_int_equal(ask(&s, "SELECT count(*) FROM revocations"), 1);
	int64_t users = user_rows(&s);
	int64_t generation = temp_generation(s.t, s.account);
	int64_t had = seeds(&s);
	keys_stage_change_ok(&s, "rotate_keys,add_signing_key,revoke_all", NULL);
	assert_int_equal(keys_stage_count(&s, 3), 3);
	assert_int_equal(
		ask(&s, "SELECT count(*) FROM signing_keys WHERE account = 2"), 3);
	assert_int_equal(seeds(&s), had - 3);
	assert_int_equal(user_rows(&s), users);
	assert_int_equal(ask(&s, "SELECT count(*) FROM revocations"), 0);
	assert_int_equal(temp_generation(s.t, s.account), generation + 1);
	assert_int_equal(temp_urgent_generation(s.t, s.account), generation + 1);
	(void)temp_issue(s.t, s.users[1]);
	/* nothing asked for: nothing is done */
	struct account no = { .rotate_keys = false };
	temp_change_ok(s.t, &account_collection, s.account, &no, "rotate_keys");
	assert_int_equal(temp_generation(s.t, s.account), generation + 1);
}

/* Does the account's JWT say so? */
static bool
refuses_all(struct keys_stage *s, int64_t at)
{
	struct err err = { 0 };
	struct minting out;
	s->t->temp.clock.wall += 10000;
	assert_int_equal(
		service_mint_account(s->t->service, s->seq, true, &out, &err), 0);
	assert_int_equal(out.result, MINTING_DONE);
	struct jwt_claims claims = temp_account_claims(s->t, s->seq);
	bool found = false;
	for (size_t i = 0; i < claims.as.account.revocations_len; i++) {
		const struct jwt_revocation *entry = &claims.as.account.revocations[i];
		found = found || (str_equal(entry->key, "*") && entry->at == at);
	}
	jwt_claims_release(&claims);
	return found;
}

static void
test_revoke_all(void **state)
{
	struct keys_stage s;
	keys_stage_init(&s, *state);
	int64_t now = s.t->temp.clock.wall / 1000;
	temp_store_exec(&s.t->temp,
		"INSERT INTO revocations (account, public_key, cause, at, created) "
		"SELECT 2, randomblob(32), 'delete', value, 0 FROM "
		"json_each('[5,99999999999]')");
	int64_t users = user_rows(&s);
	keys_stage_change_ok(&s, "revoke_all", NULL);
	assert_int_equal(user_rows(&s), users);
	/* covered entries are gone, the one that reaches further is not */
	assert_int_equal(ask(&s, "SELECT count(*) FROM revocations"), 2);
	assert_int_equal(ask(&s, "SELECT at FROM revocations WHERE cause = 'all'"), now);
	assert_int_equal(
		temp_generation(s.t, s.account), temp_urgent_generation(s.t, s.account));

	/* a JWT that is dated ahead of the clock is met as well, be it out or not */
	temp_store_exec(&s.t->temp, "UPDATE users SET iat = iat + 7 WHERE seq = 1");
	temp_store_exec(&s.t->temp,
		"UPDATE users SET iat = iat + 700, issued_at = 0 WHERE seq = 2");
	int64_t ahead = ask(&s, "SELECT iat FROM users WHERE seq = 1");
	keys_stage_change_ok(&s, "revoke_all", NULL);
	assert_int_equal(
		ask(&s, "SELECT at FROM revocations WHERE cause = 'all'"), ahead);

	assert_true(refuses_all(&s, ahead));

	/* one that was given out since then is dated a second later, whatever the clock
	 */
	s.t->temp.clock.wall -= 10000;
	keys_stage_change_ok(&s, "revoke_all", NULL);
	assert_true(refuses_all(&s, ahead + 1));
}

static void
test_system_account(void **state)
{
	static const char *const fields[] = { "rotate_keys", "add_signing_key",
		"revoke_all", "remove_signing_key" };
	struct keys_stage s;
	keys_stage_init(&s, *state);
	struct account row = {
		.rotate_keys = true,
		.add_signing_key = true,
		.revoke_all = true,
		.remove_signing_key = str_dup("ACAT"),
	};
	char system[RAND_ID_SIZE];
	struct store_conn *conn = NULL;
	struct err err = { 0 };
	struct account account = { 0 };
	assert_int_equal(store_read_begin(s.t->temp.store, &conn, &err), 0);
	assert_int_equal(
		store_record_get_seq(conn, &account_collection, 1, &account, &err), 0);
	store_read_end(s.t->temp.store, conn);
	memcpy(system, account.head.id, sizeof(system));
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		err_clear(&err);
		assert_int_equal(temp_change(s.t, &account_collection, system, &row,
					 fields[i], NULL, &err),
			-1);
		assert_int_equal(err.code, ERR_CONFLICT);
		assert_non_null(strstr(err.msg, "natsid itself connects"));
	}
	free(row.remove_signing_key);
	record_release(&account_collection, &account);
}

/* ---- others at the same time ---- */

/* Set while a change is on its way to its transaction. */
static struct temp_service *meanwhile;

/* Looked at when the first key of the new set is made: by then the old ones were read. */
static int64_t
read_wall_and_add_role(void *ctx)
{
	struct temp_service *t = ctx;
	if (meanwhile != NULL) {
		meanwhile = NULL;
		temp_store_exec(&t->temp,
			"INSERT INTO roles (id, name, publish_permissions, "
			"subscribe_permissions, created, updated) VALUES "
			"('rolerolerole123', 'third', '[]', '[]', 0, 0)");
		temp_store_exec(&t->temp,
			"INSERT INTO signing_keys (id, account, role, public_key, "
			"created, "
			"key_set) SELECT 'keykeykeykey123', 2, max(seq), randomblob(32), "
			"0, "
			"1 FROM roles");
		temp_store_exec(&t->temp,
			"INSERT INTO vault (owner_table, owner_column, owner_id, role, "
			"public_key, sealed) SELECT 'signing_keys', 'public_key', id, 0, "
			"public_key, randomblob(77) FROM signing_keys WHERE id = "
			"'keykeykeykey123'");
	}
	return t->temp.clock.wall;
}

static void
test_role_comes_meanwhile(void **state)
{
	static const char *const triggers[] = { "add_signing_key", "rotate_keys" };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct temp_service t;
		struct keys_stage s;
		temp_service_init(&t);
		keys_stage_init(&s, &t);
		t.clock.wall = read_wall_and_add_role;
		meanwhile = &t;
		keys_stage_change_ok(&s, triggers[i], NULL);
		assert_null(meanwhile);
		assert_int_equal(keys_stage_count(&s, 2), 4);
		assert_int_equal(keys_stage_count(&s, 1), i == 0 ? 4 : 0);
		temp_service_release(&t);
	}
}

/* ---- importers ---- */

static void
test_activations_are_renewed(void **state)
{
	struct keys_stage s;
	char importer[RAND_ID_SIZE];
	char key[NKEY_TEXT_SIZE];
	keys_stage_init(&s, *state);
	temp_make_account(s.t, "importer", importer);
	temp_store_exec(&s.t->temp,
		"INSERT INTO account_imports (id, account, name, subject, exporter, "
		"type, "
		"iat, created, updated) SELECT 'importimport123', 3, 'i', 'a.b', "
		"public_key, 'service', 0, 0, 0 FROM accounts WHERE seq = 2");
	keys_stage_key(&s, 1, key);
	keys_stage_change_ok(&s, "add_signing_key", NULL);
	assert_int_equal(temp_generation(s.t, importer), 2);
	keys_stage_change_ok(&s, "remove_signing_key", key);
	assert_int_equal(temp_generation(s.t, importer), 2);
	keys_stage_change_ok(&s, "rotate_keys", NULL);
	assert_int_equal(temp_generation(s.t, importer), 3);
	assert_int_equal(temp_urgent_generation(s.t, importer), 3);
	keys_stage_change_ok(&s, "revoke_all", NULL);
	assert_int_equal(temp_generation(s.t, importer), 3);
}

/* ---- size ---- */

static void
test_set_must_fit(void **state)
{
	struct keys_stage s;
	struct err err = { 0 };
	struct role row = { 0 };
	keys_stage_init(&s, *state);
	temp_set_long_subjects(&row.publish_permissions, LIMIT_SUBJECTS);
	temp_set_long_subjects(&row.subscribe_permissions, LIMIT_SUBJECTS);
	for (int i = 0; i < 2; i++) {
		temp_change_ok(s.t, &role_collection, s.roles[i], &row,
			"publish_permissions,subscribe_permissions");
	}
	assert_int_equal(keys_stage_change(&s, "add_signing_key", NULL, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "use rotate_keys"));
	keys_stage_change_ok(&s, "rotate_keys", NULL);
	record_release(&role_collection, &row);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_service_set_up, temp_service_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_add),
		TEST(test_remove),
		TEST(test_rotate),
		TEST(test_revoke_all),
		TEST(test_system_account),
		cmocka_unit_test(test_role_comes_meanwhile),
		TEST(test_activations_are_renewed),
		TEST(test_set_must_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
