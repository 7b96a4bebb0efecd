/* SPDX-License-Identifier: Apache-2.0
 * The operator's keys: the steps of a rotation and who may make them when, the claims,
 * and the identity's seed that leaves. */
#include "base/str.h"
#include "jwt/decode.h"
#include "mint/operator.h"
#include "model/operator.h"
#include "service/operator.h"
#include "service/operator_keys.h"
#include "store/publish.h"
#include "support/temp_mint.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 64 * 1024, THREADS = 8 };

static const struct actor *const console = &temp_console_actor;

static struct rotation
look(struct temp_service *t)
{
	struct err err = { 0 };
	struct rotation out;
	if (service_rotation(t->service, console, &out, &err) != 0) {
		fail_msg("%s (%s)", err.msg, err.detail);
	}
	return out;
}

static struct jwt_claims
operator_claims(struct temp_service *t)
{
	struct err err = { 0 };
	struct buf text;
	struct jwt_claims claims = { 0 };
	buf_init(&text, TEXT_MAX);
	assert_int_equal(service_operator_jwt(t->service, console, &text, &err), 0);
	assert_int_equal(jwt_decode(text.data, text.len, &claims, &err), 0);
	buf_release(&text);
	return claims;
}

/* The signing keys that the JWT names, comma separated. */
static void
assert_keys(struct temp_service *t, const char *first, const char *second)
{
	struct jwt_claims claims = operator_claims(t);
	const struct strlist *keys = &claims.as.operator_.signing_keys;
	assert_int_equal(keys->len, second != NULL ? 2 : 1);
	assert_string_equal(keys->items[0], first);
	if (second != NULL) {
		assert_string_equal(keys->items[1], second);
	}
	jwt_claims_release(&claims);
}

static void
mint(struct temp_service *t, int64_t account)
{
	assert_int_equal(temp_mint(t, account, true).result, MINTING_DONE);
}

/* Who signed the account's bytes in force. */
static void
assert_issuer(struct temp_service *t, int64_t account, const char *expected)
{
	struct jwt_claims claims = temp_account_claims(t, account);
	assert_string_equal(claims.iss, expected);
	jwt_claims_release(&claims);
}

struct proof {
	int64_t account;
	bool lost;
};

static int
write_proof(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct proof *proof = ctx;
	struct store_publish row;
	if (store_publish_get(store_tx_conn(tx), proof->account, &row, err) != 0) {
		return -1;
	}
	return proof->lost
		? store_publish_unproven(tx, proof->account, row.generation, err)
		: store_publish_proven(tx, proof->account, row.minted_generation, err);
}

static void
prove(struct temp_service *t, int64_t account, bool lost)
{
	struct err err = { 0 };
	struct proof proof = { .account = account, .lost = lost };
	assert_int_equal(store_write(t->temp.store, write_proof, &proof, &err), 0);
}

/* ---- the steps ---- */

static void
test_steps(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	char id[RAND_ID_SIZE];
	char buried[RAND_ID_SIZE];
	temp_make_account(t, "acme", id);
	temp_make_account(t, "buried", buried);
	int64_t account = temp_account_seq(t, id);
	int64_t tombstone = temp_account_seq(t, buried);
	temp_delete_ok(t, &account_collection, buried);
	int64_t system = temp_ask(t, "SELECT seq FROM accounts WHERE is_system", "");
	mint(t, account);

	struct rotation before = look(t);
	assert_int_equal(before.phase, ROTATION_NONE);
	assert_string_equal(before.next_key, "");
	assert_string_equal(before.old_key, "");
	assert_true(before.identity_online);
	assert_keys(t, before.signing_key, NULL);
	assert_int_equal(service_rotation_switch(t->service, console, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(service_rotation_remove(t->service, console, NULL, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(service_rotation_abort(t->service, console, NULL, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);

	/* named, and not signing */
	int64_t generation = temp_generation(t, id);
	assert_int_equal(service_rotation_add(t->service, console, NULL, &err), 0);
	struct rotation added = look(t);
	assert_int_equal(added.phase, ROTATION_ADDED);
	assert_string_equal(added.signing_key, before.signing_key);
	assert_keys(t, before.signing_key, added.next_key);
	assert_int_equal(temp_generation(t, id), generation);
	mint(t, account);
	assert_issuer(t, account, before.signing_key);
	assert_int_equal(service_rotation_add(t->service, console, NULL, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(service_rotation_remove(t->service, console, NULL, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);

	/* signing: every account is wanted anew, tombstones too */
	int64_t of_tombstone = temp_ask(t,
		"SELECT generation FROM account_publish WHERE account = (SELECT seq "
		"FROM accounts WHERE id = '%s')",
		buried);
	assert_int_equal(service_rotation_switch(t->service, console, &err), 0);
	struct rotation switched = look(t);
	assert_int_equal(switched.phase, ROTATION_SWITCHED);
	assert_string_equal(switched.signing_key, added.next_key);
	assert_string_equal(switched.old_key, before.signing_key);
	assert_string_equal(switched.next_key, "");
	assert_int_equal(switched.unproven, 3);
	assert_keys(t, before.signing_key, added.next_key);
	assert_int_equal(temp_generation(t, id), generation + 1);
	assert_int_equal(temp_ask(t,
				 "SELECT generation FROM account_publish WHERE account = "
				 "(SELECT seq FROM accounts WHERE id = '%s')",
				 buried),
		of_tombstone + 1);
	assert_int_equal(service_rotation_abort(t->service, console, NULL, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);

	/* the proof of what the old key signed is no proof */
	prove(t, account, false);
	assert_int_equal(look(t).unproven, 3);
	mint(t, account);
	assert_issuer(t, account, added.next_key);
	prove(t, account, false);
	assert_int_equal(look(t).unproven, 2);
	mint(t, tombstone);
	prove(t, tombstone, false);
	assert_int_equal(service_rotation_remove(t->service, console, NULL, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	mint(t, system);
	prove(t, system, false);

	/* lost again by a server, and proven again */
	prove(t, account, true);
	assert_int_equal(service_rotation_remove(t->service, console, NULL, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	prove(t, account, false);

	/* a change after the switch does not hold the end up: its proof is of the new key
	 * whatever comes */
	temp_make_account(t, "fresh", id);
	assert_int_equal(service_rotation_remove(t->service, console, NULL, &err), 0);
	struct rotation after = look(t);
	assert_int_equal(after.phase, ROTATION_NONE);
	assert_string_equal(after.signing_key, added.next_key);
	assert_keys(t, added.next_key, NULL);
	assert_int_equal(
		temp_ask(t,
			"SELECT count(*) FROM vault WHERE owner_table = 'signing_keys' "
			"AND role = 112",
			""),
		1);
	assert_int_equal(service_check(t->service, &err), 0);
}

static void
test_abort(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct rotation before = look(t);
	assert_int_equal(service_rotation_add(t->service, console, NULL, &err), 0);
	struct rotation first = look(t);
	assert_int_equal(service_rotation_abort(t->service, console, NULL, &err), 0);
	assert_int_equal(look(t).phase, ROTATION_NONE);
	assert_string_equal(look(t).signing_key, before.signing_key);
	assert_keys(t, before.signing_key, NULL);
	assert_int_equal(service_rotation_add(t->service, console, NULL, &err), 0);
	assert_string_not_equal(look(t).next_key, first.next_key);
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM vault WHERE role = 112", ""),
		3); /* identity, active, next */
}

static void
test_forbidden(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct buf seeds;
	const struct actor *superuser = &temp_superuser_actor;
	struct operator_change change = { .account_server_url = "https://a.example" };
	buf_init_secret(&seeds, TEXT_MAX);
	assert_int_equal(service_rotation_add(t->service, superuser, NULL, &err), -1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	assert_int_equal(service_rotation_switch(t->service, superuser, &err), -1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	assert_int_equal(
		service_operator_set(t->service, superuser, &change, NULL, &err), -1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	assert_int_equal(service_operator_seeds(t->service, superuser, &seeds, &err), -1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	assert_int_equal(seeds.len, 0);
	buf_release(&seeds);
}

/* ---- races ---- */

struct racer {
	struct temp_service *t;
	int (*step)(struct service *service, const struct actor *actor,
		const struct buf *identity, struct err *err);
	pthread_t thread;
	int rc;
	enum err_code code;
};

static int
switch_step(struct service *service, const struct actor *actor,
	const struct buf *identity, struct err *err)
{
	(void)identity;
	return service_rotation_switch(service, actor, err);
}

static void *
race(void *ctx)
{
	struct racer *racer = ctx;
	struct err err = { 0 };
	racer->rc = racer->step(racer->t->service, console, NULL, &err);
	racer->code = err.code;
	return NULL;
}

/* Many at a time: one makes the step, the others are told that it was made. */
static void
run_race(struct temp_service *t,
	int (*step)(struct service *service, const struct actor *actor,
		const struct buf *identity, struct err *err))
{
	struct racer racers[THREADS];
	size_t made = 0;
	for (size_t i = 0; i < THREADS; i++) {
		racers[i] = (struct racer){ .t = t, .step = step };
		assert_int_equal(
			pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(racers[i].thread, NULL);
		made += racers[i].rc == 0;
		if (racers[i].rc != 0) {
			assert_int_equal(racers[i].code, ERR_CONFLICT);
		}
	}
	assert_int_equal(made, 1);
}

static void
test_races(void **state)
{
	struct temp_service *t = *state;
	int64_t system = temp_ask(t, "SELECT seq FROM accounts WHERE is_system", "");
	run_race(t, service_rotation_add);
	run_race(t, service_rotation_abort);
	run_race(t, service_rotation_add);
	assert_int_equal(
		temp_ask(t, "SELECT count(*) FROM vault WHERE role = 112", ""), 3);
	struct rotation added = look(t);
	run_race(t, switch_step);
	assert_int_equal(temp_ask(t,
				 "SELECT generation - reissue_generation FROM "
				 "account_publish",
				 ""),
		0);
	mint(t, system);
	prove(t, system, false);
	run_race(t, service_rotation_remove);
	assert_keys(t, added.next_key, NULL);
}

/* ---- the identity goes offline ---- */

static void
export_seeds(struct temp_service *t, struct buf *out)
{
	struct err err = { 0 };
	buf_init_secret(out, TEXT_MAX);
	if (service_operator_seeds(t->service, console, out, &err) != 0) {
		fail_msg("%s (%s)", err.msg, err.detail);
	}
}

static void
assert_offline(struct temp_service *t, struct err *err)
{
	assert_int_equal(err->code, ERR_CONFLICT);
	assert_non_null(strstr(err->msg, "--identity -"));
	assert_int_equal(look(t).phase, ROTATION_NONE);
}

static void
test_forget(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	char id[RAND_ID_SIZE];
	struct buf seeds;
	struct buf wrong;
	struct operator_change change = { .account_server_url = "https://a.example" };
	export_seeds(t, &seeds);

	/* only what holds the identity's seed will do: the rest of the file does not */
	buf_init_secret(&wrong, TEXT_MAX);
	buf_put_str(&wrong, strstr(seeds.data, "-----BEGIN OPERATOR SIGNING"));
	assert_int_equal(service_operator_forget(t->service, console, &wrong, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_true(look(t).identity_online);
	assert_int_equal(service_operator_forget(t->service, console, &seeds, &err), 0);
	assert_false(look(t).identity_online);
	assert_int_equal(service_operator_scrub(t->service, true, &err), 0);
	assert_int_equal(service_operator_forget(t->service, console, &seeds, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);

	/* daily work goes on */
	assert_int_equal(service_check(t->service, &err), 0);
	temp_make_account(t, "acme", id);
	mint(t, temp_account_seq(t, id));
	assert_issuer(t, temp_account_seq(t, id), look(t).signing_key);

	/* what needs the seed says how to give it */
	assert_int_equal(service_rotation_add(t->service, console, NULL, &err), -1);
	assert_offline(t, &err);
	assert_int_equal(
		service_operator_set(t->service, console, &change, NULL, &err), -1);
	assert_offline(t, &err);
	assert_int_equal(service_rotation_add(t->service, console, &wrong, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_int_equal(service_rotation_add(t->service, console, &seeds, &err), 0);
	assert_keys(t, look(t).signing_key, look(t).next_key);
	assert_false(look(t).identity_online);

	/* the switch needs none */
	assert_int_equal(service_rotation_switch(t->service, console, &err), 0);
	buf_release(&wrong);
	buf_release(&seeds);
}

/* However it was copied: with blanks around it, with CR LF, alone. */
static void
test_find_seed(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct buf seeds;
	struct operator_row row = { 0 };
	struct store_conn *conn = NULL;
	export_seeds(t, &seeds);
	const char *seed = strstr(seeds.data, "-----\nSO") + 6;
	assert_int_equal(store_read_begin(t->temp.store, &conn, &err), 0);
	assert_int_equal(store_operator_find(conn, &row, &err), 1);
	store_read_end(t->temp.store, conn);
	struct {
		const char *before;
		int len;
		const char *after;
		int rc;
	} cases[] = {
		{ "", 58, "", 0 },
		{ "", 58, "\n", 0 },
		{ "x\r\n \t", 58, " \r\nmore", 0 },
		{ "", 57, "", -1 },
		{ "", 58, "A", -1 },
		{ "x", 58, "", -1 },
		{ "", 0, "", -1 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[128];
		struct vault_seed found = {
			.owner_table = "operator",
			.owner_column = "public_key",
			.owner_id = row.head.id,
			.role = NKEY_OPERATOR,
			.public_key = row.public_key,
		};
		str_fmt_cut(text, sizeof(text), "%s%.*s%s", cases[i].before, cases[i].len,
			seed, cases[i].after);
		int rc = mint_operator_find_seed(
			t->vault, text, strlen(text), &found, &err);
		if (rc != cases[i].rc) {
			fail_msg("case %zu", i);
		}
		assert_true(rc == 0 || err.code == ERR_INVALID);
		str_fmt_cut(text, sizeof(text), "%.20s", seed);
		assert_null(strstr(err.msg, text));
	}
	record_release(&operator_collection, &row);
	buf_release(&seeds);
}

/* ---- what the JWT says ---- */

static void
test_set(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct strlist urls = { 0 };
	struct strlist none = { 0 };
	bool strict = true;
	struct operator_change change = {
		.service_urls = &urls,
		.account_server_url = "https://a.example/jwt/v1",
		.strict_signing_key_usage = &strict,
	};
	struct operator_change tags = { .tags = &urls };
	struct operator_change clear = { .service_urls = &none };
	struct operator_change bad = { .assert_server_version = "two" };
	assert_int_equal(strlist_make(&none, &err), 0);
	assert_int_equal(strlist_add(&urls, "nats://a.example:4222", &err), 0);
	assert_int_equal(
		service_operator_set(t->service, console, &change, NULL, &err), 0);
	assert_int_equal(service_operator_set(t->service, console, &tags, NULL, &err), 0);
	assert_int_equal(service_operator_set(t->service, console, &bad, NULL, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);

	struct jwt_claims claims = operator_claims(t);
	const struct jwt_operator *body = &claims.as.operator_;
	assert_true(strlist_equal(&body->operator_service_urls, &urls));
	assert_string_equal(body->account_server_url, "https://a.example/jwt/v1");
	assert_true(body->strict_signing_key_usage);
	assert_int_equal(body->tags.len, 1);
	assert_true(body->assert_server_version == NULL ||
		body->assert_server_version[0] == '\0');
	jwt_claims_release(&claims);

	/* a rotation keeps them, and an empty list is one */
	assert_int_equal(service_rotation_add(t->service, console, NULL, &err), 0);
	assert_int_equal(
		service_operator_set(t->service, console, &clear, NULL, &err), 0);
	claims = operator_claims(t);
	assert_int_equal(claims.as.operator_.operator_service_urls.len, 0);
	assert_int_equal(claims.as.operator_.signing_keys.len, 2);
	assert_true(claims.as.operator_.strict_signing_key_usage);
	jwt_claims_release(&claims);
	strlist_release(&urls);
	strlist_release(&none);
}

static void
assert_servers(struct temp_service *t, const struct store_server_seen *seen, size_t len,
	const char *expected)
{
	struct err err = { 0 };
	struct store_server *known = NULL;
	size_t known_len = 0;
	char names[128] = "";
	assert_int_equal(service_rotation_servers(t->service, console, seen, len, &known,
				 &known_len, &err),
		0);
	for (size_t i = 0; i < known_len; i++) {
		size_t used = strlen(names);
		str_fmt_cut(names + used, sizeof(names) - used, "%s/%s ",
			known[i].cluster, known[i].name);
	}
	free(known);
	assert_string_equal(names, expected);
}

static void
test_servers(void **state)
{
	struct temp_service *t = *state;
	const struct store_server_seen seen[] = { { "c", "b", "N1", "2.15.1" },
		{ "c", "a", "N2", "2.15.1" }, { "", "a", "N3", "2.10.27" } };
	assert_servers(t, seen, 2, "c/a c/b ");
	assert_servers(t, seen + 1, 2, "/a c/a c/b ");
	assert_servers(t, NULL, 0, "/a c/a c/b ");
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_service_set_up, temp_service_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_steps),
		TEST(test_abort),
		TEST(test_forbidden),
		TEST(test_races),
		TEST(test_forget),
		TEST(test_find_seed),
		TEST(test_set),
		TEST(test_servers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
