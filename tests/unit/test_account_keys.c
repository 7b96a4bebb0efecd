/* SPDX-License-Identifier: Apache-2.0
 * The sets of signing keys of an account: made, retired, planned, and everything refused
 * at once. */
#include "base/str.h"
#include "model/limits.h"
#include "service/account_key_plans.h"
#include "store/budget.h"
#include "store/record.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* An account with two roles of three users, all of whom have creds. */
struct stage {
	struct temp_service *t;
	char account[RAND_ID_SIZE];
	char roles[2][RAND_ID_SIZE];
	char users[3][RAND_ID_SIZE];
	int64_t seq;
};

static void
make_stage(struct stage *s, struct temp_service *t)
{
	*s = (struct stage){ .t = t };
	temp_make_account(t, "one", s->account);
	temp_make_role(t, "role", s->roles[0]);
	temp_make_role(t, "other", s->roles[1]);
	temp_make_user(t, "a", s->account, s->roles[0], s->users[0]);
	temp_make_user(t, "b", s->account, s->roles[0], s->users[1]);
	temp_make_user(t, "c", s->account, s->roles[1], s->users[2]);
	for (int i = 0; i < 3; i++) {
		(void)temp_issue(t, s->users[i]);
	}
	s->seq = temp_account_seq(t, s->account);
}

static int
trigger(struct stage *s, const char *fields, const char *remove, struct err *err)
{
	struct account row = {
		.rotate_keys = true,
		.add_signing_key = true,
		.revoke_all = true,
		.remove_signing_key = str_dup(remove != NULL ? remove : ""),
	};
	int rc = temp_change(
		s->t, &account_collection, s->account, &row, fields, NULL, err);
	free(row.remove_signing_key);
	return rc;
}

static void
trigger_ok(struct stage *s, const char *fields, const char *remove)
{
	struct err err = { 0 };
	if (trigger(s, fields, remove, &err) != 0) {
		fail_msg("%s: %s", fields, err.msg);
	}
}

static int64_t
ask(const struct stage *s, const char *sql)
{
	return temp_ask(s->t, sql, NULL);
}

#define KEYS_OF "SELECT count(*) FROM signing_keys WHERE account > 1 AND key_set = "

/* The sum changes with any write to any user. */
static int64_t
user_rows(const struct stage *s)
{
	return ask(s, "SELECT sum(version * 1000 + iat + issued_at) FROM users");
}

static int64_t
seeds(const struct stage *s)
{
	return ask(s, "SELECT count(*) FROM vault");
}

/* The keys, looked at as a client does. */
static struct account_key_list
look(struct stage *s)
{
	struct err err = { 0 };
	struct account_key_list list = { 0 };
	assert_int_equal(service_account_keys(s->t->service, &temp_superuser_actor,
				 s->account, &list, &err),
		0);
	return list;
}

/* The plain key of a set. */
static void
key_of(struct stage *s, int64_t key_set, char out[static NKEY_TEXT_SIZE])
{
	struct account_key_list list = look(s);
	out[0] = '\0';
	for (size_t i = 0; i < list.len; i++) {
		if (list.keys[i].key_set == key_set && list.keys[i].role_id[0] == '\0') {
			memcpy(out, list.keys[i].public_key, NKEY_TEXT_SIZE);
		}
	}
	account_key_list_release(&list);
	assert_string_not_equal(out, "");
}

static void
test_add(void **state)
{
	struct stage s;
	make_stage(&s, *state);
	int64_t users = user_rows(&s);
	int64_t had = seeds(&s);
	int64_t generation = temp_generation(s.t, s.account);
	trigger_ok(&s, "add_signing_key", NULL);
	assert_int_equal(ask(&s, KEYS_OF "1"), 3);
	assert_int_equal(ask(&s, KEYS_OF "2"), 3);
	assert_int_equal(ask(&s, KEYS_OF "2 AND role IS NULL"), 1);
	assert_int_equal(ask(&s, "SELECT key_set FROM accounts WHERE seq > 1"), 2);
	assert_int_equal(seeds(&s), had + 3);
	assert_int_equal(user_rows(&s), users);
	assert_int_equal(temp_generation(s.t, s.account), generation + 1);
	assert_int_equal(temp_urgent_generation(s.t, s.account), generation + 1);
	struct account_key_list list = look(&s);
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
	struct stage s;
	struct err err = { 0 };
	char first[NKEY_TEXT_SIZE];
	char second[NKEY_TEXT_SIZE];
	make_stage(&s, *state);
	key_of(&s, 1, first);
	int64_t had = seeds(&s);
	assert_int_equal(trigger(&s, "remove_signing_key", first, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_int_equal(
		trigger(&s, "remove_signing_key",
			"ACATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZIL2R", &err),
		-1);
	assert_int_equal(trigger(&s, "remove_signing_key", "nonsense", &err), -1);
	assert_int_equal(seeds(&s), had);

	temp_store_exec(&s.t->temp,
		"INSERT INTO revocations (account, public_key, cause, at, key_set, "
		"created) SELECT 2, randomblob(32), 'delete', 5, value, 0 FROM "
		"json_each('[0,1,1,2]')");
	trigger_ok(&s, "add_signing_key", NULL);
	int64_t users = user_rows(&s);
	trigger_ok(&s, "remove_signing_key", first);
	assert_int_equal(ask(&s, KEYS_OF "1"), 0);
	assert_int_equal(ask(&s, KEYS_OF "2"), 3);
	assert_int_equal(seeds(&s), had);
	assert_int_equal(user_rows(&s), users);
	/* what only the set that went had signed needs no revocation */
	assert_int_equal(
		ask(&s, "SELECT count(*) FROM revocations WHERE key_set = 1"), 0);
	assert_int_equal(ask(&s, "SELECT count(*) FROM revocations"), 2);

	/* both at once, of the set that signs until then */
	key_of(&s, 2, second);
	trigger_ok(&s, "add_signing_key,remove_signing_key", second);
	assert_int_equal(ask(&s, KEYS_OF "2"), 0);
	assert_int_equal(ask(&s, KEYS_OF "3"), 3);
	(void)temp_issue(s.t, s.users[2]);
}

static void
test_rotate(void **state)
{
	struct stage s;
	make_stage(&s, *state);
	trigger_ok(&s, "add_signing_key", NULL);
	trigger_ok(&s, "revoke_all", NULL);
	assert_int_equal(ask(&s, "SELECT count(*) FROM revocations"), 1);
	int64_t users = user_rows(&s);
	int64_t generation = temp_generation(s.t, s.account);
	int64_t had = seeds(&s);
	trigger_ok(&s, "rotate_keys,add_signing_key,revoke_all", NULL);
	assert_int_equal(ask(&s, KEYS_OF "3"), 3);
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
refuses_all(struct stage *s, int64_t at)
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
	struct stage s;
	make_stage(&s, *state);
	int64_t now = s.t->temp.clock.wall / 1000;
	temp_store_exec(&s.t->temp,
		"INSERT INTO revocations (account, public_key, cause, at, created) "
		"SELECT 2, randomblob(32), 'delete', value, 0 FROM "
		"json_each('[5,99999999999]')");
	int64_t users = user_rows(&s);
	trigger_ok(&s, "revoke_all", NULL);
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
	trigger_ok(&s, "revoke_all", NULL);
	assert_int_equal(
		ask(&s, "SELECT at FROM revocations WHERE cause = 'all'"), ahead);

	assert_true(refuses_all(&s, ahead));

	/* one that was given out since then is dated a second later, whatever the clock
	 */
	s.t->temp.clock.wall -= 10000;
	trigger_ok(&s, "revoke_all", NULL);
	assert_true(refuses_all(&s, ahead + 1));
}

static void
test_system_account(void **state)
{
	static const char *const fields[] = { "rotate_keys", "add_signing_key",
		"revoke_all", "remove_signing_key" };
	struct stage s;
	make_stage(&s, *state);
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
		struct stage s;
		temp_service_init(&t);
		make_stage(&s, &t);
		t.clock.wall = read_wall_and_add_role;
		meanwhile = &t;
		trigger_ok(&s, triggers[i], NULL);
		assert_null(meanwhile);
		assert_int_equal(ask(&s, KEYS_OF "2"), 4);
		assert_int_equal(ask(&s, KEYS_OF "1"), i == 0 ? 4 : 0);
		temp_service_release(&t);
	}
}

/* ---- importers ---- */

static void
test_activations_are_renewed(void **state)
{
	struct stage s;
	char importer[RAND_ID_SIZE];
	char key[NKEY_TEXT_SIZE];
	make_stage(&s, *state);
	temp_make_account(s.t, "importer", importer);
	temp_store_exec(&s.t->temp,
		"INSERT INTO account_imports (id, account, name, subject, exporter, "
		"type, "
		"iat, created, updated) SELECT 'importimport123', 3, 'i', 'a.b', "
		"public_key, 'service', 0, 0, 0 FROM accounts WHERE seq = 2");
	key_of(&s, 1, key);
	trigger_ok(&s, "add_signing_key", NULL);
	assert_int_equal(temp_generation(s.t, importer), 2);
	trigger_ok(&s, "remove_signing_key", key);
	assert_int_equal(temp_generation(s.t, importer), 2);
	trigger_ok(&s, "rotate_keys", NULL);
	assert_int_equal(temp_generation(s.t, importer), 3);
	assert_int_equal(temp_urgent_generation(s.t, importer), 3);
	trigger_ok(&s, "revoke_all", NULL);
	assert_int_equal(temp_generation(s.t, importer), 3);
}

/* ---- size ---- */

static void
test_set_must_fit(void **state)
{
	struct stage s;
	struct err err = { 0 };
	struct role row = { 0 };
	make_stage(&s, *state);
	for (int i = 0; i < LIMIT_SUBJECTS; i++) {
		char subject[LIMIT_SUBJECT_BYTES + 1];
		memset(subject, 'x', sizeof(subject));
		subject[LIMIT_SUBJECT_BYTES] = '\0';
		char number[8];
		str_fmt_cut(number, sizeof(number), "%03d.", i);
		memcpy(subject, number, 4);
		assert_int_equal(strlist_add(&row.publish_permissions, subject, &err), 0);
		assert_int_equal(
			strlist_add(&row.subscribe_permissions, subject, &err), 0);
	}
	for (int i = 0; i < 2; i++) {
		temp_change_ok(s.t, &role_collection, s.roles[i], &row,
			"publish_permissions,subscribe_permissions");
	}
	assert_int_equal(trigger(&s, "add_signing_key", NULL, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "use rotate_keys"));
	trigger_ok(&s, "rotate_keys", NULL);
	record_release(&role_collection, &row);
}

/* ---- plans ---- */

struct fake_servers {
	int64_t on_first; /* connections signed by the first set, */
	int64_t on_second;
	int64_t elsewhere; /* and by a key that natsid does not know */
	bool complete;
	bool down;
	int asked;
};

static int
count(void *ctx, struct account_key_list *list, bool *out_complete, struct err *err)
{
	struct fake_servers *servers = ctx;
	servers->asked++;
	if (servers->down) {
		return err_set(err, ERR_UNAVAILABLE, "no NATS");
	}
	for (size_t i = 0; i < list->len; i++) {
		int64_t connections = list->keys[i].key_set == 1 ? servers->on_first
								 : servers->on_second;
		for (int64_t n = 0; n < connections && list->keys[i].role_id[0] == '\0';
			n++) {
			account_key_list_count(list, list->keys[i].public_key);
		}
	}
	for (int64_t n = 0; n < servers->elsewhere; n++) {
		account_key_list_count(list, "elsewhere");
	}
	*out_complete = servers->complete;
	return 0;
}

static void
due(struct stage *s, struct fake_servers *servers)
{
	struct err err = { 0 };
	if (service_account_keys_due(
		    s->t->service, servers != NULL ? count : NULL, servers, &err) != 0) {
		fail_msg("%s", err.msg);
	}
}

static int
retire(struct stage *s, const char *key, int64_t at, int64_t below, struct err *err)
{
	struct violations violations = { 0 };
	struct key_retirement retirement = {
		.account = s->account, .public_key = key, .at = at, .below = below
	};
	return service_account_key_retire(s->t->service, &temp_superuser_actor,
		&retirement, NULL, &violations, err);
}

static void
test_retire_at_date(void **state)
{
	struct stage s;
	struct err err = { 0 };
	char key[NKEY_TEXT_SIZE];
	make_stage(&s, *state);
	key_of(&s, 1, key);
	int64_t at = s.t->temp.clock.wall + 1000;
	assert_int_equal(retire(&s, key, at, 0, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	trigger_ok(&s, "add_signing_key", NULL);
	assert_int_equal(retire(&s, key, at, 0, &err), 0);
	struct account_key_list list = look(&s);
	for (size_t i = 0; i < list.len; i++) {
		assert_int_equal(list.keys[i].retire_at, list.keys[i].signs ? 0 : at);
	}
	account_key_list_release(&list);
	int64_t generation = temp_generation(s.t, s.account);
	due(&s, NULL);
	assert_int_equal(ask(&s, KEYS_OF "1"), 3);
	s.t->temp.clock.wall = at;
	due(&s, NULL);
	assert_int_equal(ask(&s, KEYS_OF "1"), 0);
	assert_int_equal(ask(&s, KEYS_OF "2"), 3);
	assert_int_equal(temp_urgent_generation(s.t, s.account), generation + 1);
	assert_int_equal(
		ask(&s,
			"SELECT actor = 'system' AND fields = "
			"'[\"remove_signing_key\"]' FROM audit ORDER BY seq DESC "
			"LIMIT 1"),
		1);
	due(&s, NULL);
	assert_int_equal(temp_generation(s.t, s.account), generation + 1);
}

static void
test_retire_below_percent(void **state)
{
	struct stage s;
	struct err err = { 0 };
	char key[NKEY_TEXT_SIZE];
	struct fake_servers servers = { .on_first = 1, .on_second = 8, .elsewhere = 1 };
	make_stage(&s, *state);
	key_of(&s, 1, key);
	trigger_ok(&s, "add_signing_key", NULL);
	assert_int_equal(retire(&s, key, 0, 10, &err), 0);
	due(&s, NULL); /* nobody to ask */
	servers.complete = true;
	due(&s, &servers); /* 10 of 100 are not below 10 */
	assert_int_equal(ask(&s, KEYS_OF "1"), 3);
	servers.on_first = 0;
	servers.complete = false;
	due(&s, &servers); /* a server did not say */
	servers.complete = true;
	servers.down = true;
	due(&s, &servers);
	assert_int_equal(ask(&s, KEYS_OF "1"), 3);
	assert_int_equal(servers.asked, 3);
	servers.down = false;
	servers.on_first = 1;
	servers.elsewhere = 2; /* one of eleven */
	due(&s, &servers);
	assert_int_equal(ask(&s, KEYS_OF "1"), 0);
	assert_int_equal(servers.asked, 4);
	due(&s, &servers); /* nothing is planned: nobody is asked */
	assert_int_equal(servers.asked, 4);
}

static void
test_retire_now_and_keep(void **state)
{
	struct stage s;
	struct err err = { 0 };
	struct fake_servers nobody = { .complete = true };
	char key[NKEY_TEXT_SIZE];
	make_stage(&s, *state);
	key_of(&s, 1, key);
	trigger_ok(&s, "add_signing_key", NULL);
	assert_int_equal(retire(&s, "nonsense", 0, 10, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(retire(&s, key, 1, 10, &err), 0);
	assert_int_equal(service_account_key_keep(s.t->service, &temp_superuser_actor,
				 s.account, key, NULL, &err),
		0);
	due(&s, &nobody);
	assert_int_equal(ask(&s, KEYS_OF "1"), 3);
	assert_int_equal(retire(&s, key, 0, 0, &err), 0);
	assert_int_equal(ask(&s, KEYS_OF "1"), 0);
	/* nobody is there at all: that tells nothing */
	key_of(&s, 2, key);
	trigger_ok(&s, "add_signing_key", NULL);
	assert_int_equal(retire(&s, key, 0, 1, &err), 0);
	due(&s, &nobody);
	assert_int_equal(ask(&s, KEYS_OF "2"), 3);

	struct account_key_list list = { 0 };
	assert_int_equal(service_account_keys(
				 s.t->service, &temp_guest_actor, s.account, &list, &err),
		-1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
}

static void
keep(struct stage *s, const char *key)
{
	struct err err = { 0 };
	if (service_account_key_keep(s->t->service, &temp_superuser_actor, s->account,
		    key, NULL, &err) != 0) {
		fail_msg("%s", err.msg);
	}
}

/* Somebody changes the plan while the servers are asked. */
struct change_of_mind {
	struct stage *s;
	const char *key;
	bool later; /* in place of not at all */
	bool removes; /* in place of both */
};

static int
count_and_change(
	void *ctx, struct account_key_list *list, bool *out_complete, struct err *err)
{
	const struct change_of_mind *mind = ctx;
	struct fake_servers servers = { .on_second = 1, .complete = true };
	if (mind->later) {
		assert_int_equal(retire(mind->s, mind->key, INT64_MAX / 2, 0, err), 0);
	} else if (mind->removes) {
		assert_int_equal(retire(mind->s, mind->key, 0, 0, err), 0);
	} else {
		keep(mind->s, mind->key);
	}
	return count(&servers, list, out_complete, err);
}

static void
test_plan_changes_while_counting(void **state)
{
	struct stage s;
	struct err err = { 0 };
	char key[NKEY_TEXT_SIZE];
	struct change_of_mind mind = { .s = &s, .key = key };
	make_stage(&s, *state);
	key_of(&s, 1, key);
	trigger_ok(&s, "add_signing_key", NULL);
	for (int i = 0; i < 3; i++) {
		mind.later = i == 1;
		mind.removes = i == 2;
		assert_int_equal(retire(&s, key, 0, 10, &err), 0);
		assert_int_equal(service_account_keys_due(
					 s.t->service, count_and_change, &mind, &err),
			0);
		assert_int_equal(ask(&s, KEYS_OF "1"), i < 2 ? 3 : 0);
	}
	assert_int_equal(ask(&s,
				 "SELECT count(*) FROM audit WHERE actor = 'system' AND "
				 "fields = '[\"remove_signing_key\"]'"),
		0);
}

/* Looked at right before a transaction begins. */
static int64_t
read_mono_and_keep(void *ctx)
{
	struct temp_service *t = ctx;
	if (meanwhile != NULL) {
		meanwhile = NULL;
		temp_store_exec(&t->temp,
			"UPDATE signing_keys SET retire_at = 0, retire_below = 0");
	}
	return t->temp.clock.mono;
}

static void
test_plan_is_cancelled_before_removal(void **state)
{
	struct stage s;
	struct err err = { 0 };
	char key[NKEY_TEXT_SIZE];
	make_stage(&s, *state);
	key_of(&s, 1, key);
	trigger_ok(&s, "add_signing_key", NULL);
	assert_int_equal(retire(&s, key, 1, 0, &err), 0);
	s.t->clock.mono = read_mono_and_keep;
	meanwhile = s.t;
	due(&s, NULL);
	assert_null(meanwhile);
	assert_int_equal(ask(&s, KEYS_OF "1"), 3);
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
		TEST(test_retire_at_date),
		TEST(test_retire_below_percent),
		TEST(test_retire_now_and_keep),
		TEST(test_plan_changes_while_counting),
		TEST(test_plan_is_cancelled_before_removal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
