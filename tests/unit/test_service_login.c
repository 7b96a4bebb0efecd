/* SPDX-License-Identifier: Apache-2.0
 * Logins, their bounds, and the tokens that they give. */
#include "base/codec.h"
#include "base/str.h"
#include "service/login.h"
#include "service/throttle.h"
#include "service/token.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A superuser whose password is "secret word", hashed at the lowest cost. */
struct stage {
	struct temp_service t;
	struct superuser row;
};

static void
cheap_hash(const char *password, char out[static crypto_pwhash_STRBYTES])
{
	assert_int_equal(crypto_pwhash_str(out, password, strlen(password),
				 crypto_pwhash_OPSLIMIT_MIN, crypto_pwhash_MEMLIMIT_MIN),
		0);
}

static int
set_up(void **state)
{
	char hash[crypto_pwhash_STRBYTES];
	struct stage *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	temp_service_init(&s->t);
	temp_superuser(&s->row, "root@example.com");
	cheap_hash("secret word", hash);
	temp_set(&s->row.password_hash, hash);
	temp_insert_ok(s->t.temp.store, &superuser_collection, &s->row);
	*state = s;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *s = *state;
	record_release(&superuser_collection, &s->row);
	temp_service_release(&s->t);
	free(s);
	return 0;
}

static int
login(struct stage *s, const char *email, const char *password, const char *address,
	struct buf *out, struct err *err)
{
	char id[RAND_ID_SIZE] = "";
	*err = (struct err){ 0 };
	int rc = service_login(s->t.service, &superuser_collection, email, password,
		address, out, id, err);
	if (rc == 0) {
		assert_string_equal(id, s->row.head.id);
	}
	return rc;
}

static void
good_login(struct stage *s, struct buf *out)
{
	struct err err;
	buf_init_secret(out, TOKEN_MAX);
	if (login(s, "root@example.com", "secret word", "10.0.0.1", out, &err) != 0) {
		fail_msg("%s (%s)", err.msg, err.detail);
	}
}

static struct actor
actor_of(struct service *service, const char *token)
{
	struct err err = { 0 };
	struct actor actor = { .kind = ACTOR_SYSTEM };
	if (service_token_actor(service, token, &actor, &err) != 0) {
		fail_msg("%s", err.msg);
	}
	return actor;
}

static void
assert_guest(struct service *service, const char *token)
{
	struct actor actor = actor_of(service, token);
	if (actor.kind != ACTOR_GUEST || actor.id[0] != '\0') {
		fail_msg("let in: %s", token != NULL ? token : "nothing");
	}
}

/* ---- tokens ---- */

static void
test_token(void **state)
{
	struct stage *s = *state;
	struct buf token;
	struct buf fresh;
	struct err err = { 0 };
	uint8_t claims[256];
	size_t len = 0;
	good_login(s, &token);
	struct actor actor = actor_of(s->t.service, token.data);
	assert_int_equal(actor.kind, ACTOR_SUPERUSER);
	assert_string_equal(actor.id, s->row.head.id);

	/* the claims that the SDK reads */
	const char *dot = strchr(token.data, '.');
	assert_non_null(dot);
	assert_int_equal(codec_base64url_decode(dot + 1, strcspn(dot + 1, "."), claims,
				 sizeof(claims) - 1, &len),
		0);
	claims[len] = '\0';
	char expected[256];
	str_fmt_cut(expected, sizeof(expected),
		"{\"collectionId\":\"pbc_3142635823\",\"exp\":%lld,\"id\":\"%s\","
		"\"refreshable\":true,\"type\":\"auth\"}",
		(long long)s->t.temp.clock.wall / 1000 + TOKEN_LIFETIME_SECONDS,
		s->row.head.id);
	assert_string_equal((const char *)claims, expected);

	/* it ends by itself, to the second */
	s->t.temp.clock.wall += (int64_t)(TOKEN_LIFETIME_SECONDS - 1) * 1000;
	assert_int_equal(actor_of(s->t.service, token.data).kind, ACTOR_SUPERUSER);
	buf_init_secret(&fresh, TOKEN_MAX);
	assert_int_equal(service_token_refresh(s->t.service, &actor, &fresh, &err), 0);
	s->t.temp.clock.wall += 1000;
	assert_guest(s->t.service, token.data);
	assert_int_equal(actor_of(s->t.service, fresh.data).kind, ACTOR_SUPERUSER);
	buf_release(&token);
	buf_release(&fresh);

	buf_init_secret(&fresh, TOKEN_MAX);
	assert_int_equal(
		service_token_refresh(s->t.service, &temp_guest_actor, &fresh, &err), -1);
	assert_int_equal(err.code, ERR_UNAUTHENTICATED);
	assert_int_equal(
		service_token_refresh(s->t.service, &temp_superuser_actor, &fresh, &err),
		-1);
	assert_int_equal(err.code, ERR_UNAUTHENTICATED); /* that record does not exist */
	buf_release(&fresh);
}

static void
test_tampering(void **state)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
	struct stage *s = *state;
	struct buf token;
	good_login(s, &token);
	char *text = str_dup(token.data);
	assert_non_null(text);
	for (size_t i = 0; i < token.len; i++) {
		/* one bit of the character's value, and its case */
		const char *at = strchr(alphabet, text[i]);
		assert_non_null(at);
		size_t value = (size_t)(at - alphabet);
		text[i] = alphabet[value == 64 ? 0 : value ^ 1];
		assert_guest(s->t.service, text);
		text[i] = alphabet[value == 64 ? 0 : value ^ 32];
		assert_guest(s->t.service, text);
		text[i] = '=';
		assert_guest(s->t.service, text);
		text[i] = token.data[i];
	}
	/* every length */
	for (size_t i = 0; i < token.len; i++) {
		text[i] = '\0';
		assert_guest(s->t.service, text);
		text[i] = token.data[i];
	}
	assert_int_equal(actor_of(s->t.service, text).kind, ACTOR_SUPERUSER);
	char longer[TOKEN_MAX + 16];
	static const char *const tails[] = { "A", ".", "=", " ", "\n", ".A" };
	for (size_t i = 0; i < COUNT(tails); i++) {
		str_fmt_cut(longer, sizeof(longer), "%s%s", text, tails[i]);
		assert_guest(s->t.service, longer);
	}
	memset(longer, 'A', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_guest(s->t.service, longer);
	static const char *const others[] = { "", ".", "..", "...", "a.b.c", "Bearer x" };
	for (size_t i = 0; i < COUNT(others); i++) {
		assert_guest(s->t.service, others[i]);
	}
	assert_guest(s->t.service, NULL);
	free(text);
	buf_release(&token);
}

/* A token made by hand: header and claims as given, signed with the right key. */
static void
forge(struct stage *s, const char *header, const char *claims, const char *scope,
	const char *key, struct buf *out)
{
	uint8_t mac[VAULT_MAC_LEN];
	struct err err = { 0 };
	buf_init_secret(out, 2048);
	codec_base64url_put(out, (const uint8_t *)header, strlen(header));
	buf_put_char(out, '.');
	codec_base64url_put(out, (const uint8_t *)claims, strlen(claims));
	assert_int_equal(buf_finish(out, &err), 0);
	vault_mac(s->t.vault, scope, key, out->data, out->len, mac);
	buf_put_char(out, '.');
	codec_base64url_put(out, mac, sizeof(mac));
	assert_int_equal(buf_finish(out, &err), 0);
}

static void
test_forms(void **state)
{
	static const char header[] = "{\"alg\":\"BLAKE2b\",\"typ\":\"JWT\"}";
	static const char form[] =
		"{\"collectionId\":\"%s\",\"exp\":%s,\"id\":\"%s\",\"refreshable\":%s,"
		"\"type\":\"%s\"}";
	static const char scope[] = "pbc_3142635823";
	static const struct {
		const char *header;
		const char *collection;
		const char *exp;
		const char *refreshable;
		const char *type;
		const char *scope;
		const char *key;
		bool good;
	} cases[] = {
		{ header, scope, "9000000000", "true", "auth", scope, "tokentokentoken",
			true },
		{ "{\"alg\":\"none\"}", scope, "9000000000", "true", "auth", scope,
			"tokentokentoken", false },
		{ header, "pbc_4097575383", "9000000000", "true", "auth", scope,
			"tokentokentoken", false },
		{ header, "pbc_4097575383", "9000000000", "true", "auth",
			"pbc_4097575383", "tokentokentoken", false },
		{ header, scope, "9000000000", "true", "auth", "pbc_4097575383",
			"tokentokentoken", false },
		{ header, scope, "9000000000", "true", "auth", scope, "anothertokenkey",
			false },
		{ header, scope, "9000000000", "true", "auth", scope, "", false },
		{ header, scope, "09000000000", "true", "auth", scope, "tokentokentoken",
			false },
		{ header, scope, "9e9", "true", "auth", scope, "tokentokentoken", false },
		{ header, scope, "-1", "true", "auth", scope, "tokentokentoken", false },
		{ header, scope, "9223372036854775808", "true", "auth", scope,
			"tokentokentoken", false },
		{ header, scope, "9000000000", "false", "auth", scope, "tokentokentoken",
			false },
		{ header, scope, "9000000000", "true", "file", scope, "tokentokentoken",
			false },
	};
	struct stage *s = *state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char claims[256];
		struct buf token;
		/* the form is one of the constants above */
		assert_int_equal(
			str_fmt(claims, sizeof(claims), form, cases[i].collection,
				cases[i].exp, s->row.head.id, cases[i].refreshable,
				cases[i].type),
			0);
		forge(s, cases[i].header, claims, cases[i].scope, cases[i].key, &token);
		if (cases[i].good) {
			assert_int_equal(
				actor_of(s->t.service, token.data).kind, ACTOR_SUPERUSER);
		} else {
			assert_guest(s->t.service, token.data);
		}
		buf_release(&token);
	}
}

static void
test_other_vault(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct buf token;
	struct vault *foreign = NULL;
	struct vault_slot slot;
	struct vault_data_key data_key;
	static const uint8_t master_key[VAULT_KEY_LEN] = { 1, 2, 3 };
	good_login(s, &token);
	assert_int_equal(vault_create(master_key, "00000000-0000-0000-0000-000000000000",
				 &slot, &data_key, &foreign, &err),
		0);
	struct service *service = temp_service_beside(&s->t, foreign);
	assert_guest(service, token.data);
	service_free(service);
	vault_free(foreign);
	buf_release(&token);
}

/* What ends sessions: a new password, a new e-mail, and the end of the record. */
static void
test_sessions_end(void **state)
{
	struct stage *s = *state;
	struct buf token;
	struct superuser row = { 0 };
	struct superuser second = { 0 };
	struct err err;
	good_login(s, &token);
	row.email_visibility = true;
	temp_change_ok(
		&s->t, &superuser_collection, s->row.head.id, &row, "emailVisibility");
	assert_int_equal(actor_of(s->t.service, token.data).kind, ACTOR_SUPERUSER);
	temp_set(&row.email, "new@example.com");
	temp_change_ok(&s->t, &superuser_collection, s->row.head.id, &row, "email");
	assert_guest(s->t.service, token.data);
	buf_clear(&token);
	assert_int_equal(
		login(s, "new@example.com", "secret word", "10.0.0.1", &token, &err), 0);

	temp_set(&row.password, "another word");
	temp_set(&row.password_confirm, "another word");
	temp_change_ok(&s->t, &superuser_collection, s->row.head.id, &row,
		"password,passwordConfirm");
	assert_guest(s->t.service, token.data);
	buf_clear(&token);
	assert_int_equal(
		login(s, "new@example.com", "secret word", "10.0.0.1", &token, &err), -1);
	assert_int_equal(err.code, ERR_UNAUTHENTICATED);
	assert_int_equal(
		login(s, "new@example.com", "another word", "10.0.0.1", &token, &err), 0);

	temp_superuser(&second, "second@example.com");
	temp_insert_ok(s->t.temp.store, &superuser_collection, &second);
	temp_delete_ok(&s->t, &superuser_collection, s->row.head.id);
	assert_guest(s->t.service, token.data);
	record_release(&superuser_collection, &second);
	record_release(&superuser_collection, &row);
	buf_release(&token);
}

/* ---- logins ---- */

static void
test_wrong_alike(void **state)
{
	struct stage *s = *state;
	struct buf token;
	struct err one;
	struct err two;
	char id[RAND_ID_SIZE] = "";
	buf_init_secret(&token, TOKEN_MAX);
	assert_int_equal(
		login(s, "root@example.com", "wrong", "10.0.0.1", &token, &one), -1);
	assert_int_equal(
		login(s, "nobody@example.com", "secret word", "10.0.0.1", &token, &two),
		-1);
	assert_int_equal(one.code, ERR_UNAUTHENTICATED);
	assert_int_equal(two.code, one.code);
	assert_string_equal(two.msg, one.msg);
	assert_string_equal(two.detail, one.detail);
	assert_int_equal(two.line, one.line);
	assert_int_equal(token.len, 0);

	static const char *const wrong[] = { "", "secret wor", "secret word ",
		"SECRET WORD" };
	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_int_equal(
			login(s, "root@example.com", wrong[i], "10.0.0.2", &token, &one),
			-1);
		assert_int_equal(one.code, ERR_UNAUTHENTICATED);
	}
	assert_int_equal(service_login(s->t.service, &user_collection, "root@example.com",
				 "secret word", "10.0.0.3", &token, id, &one),
		-1);
	assert_int_equal(one.code, ERR_FORBIDDEN);
	buf_release(&token);
}

static void
test_throttle(void **state)
{
	struct stage *s = *state;
	struct buf token;
	struct err err;
	buf_init_secret(&token, TOKEN_MAX);
	for (int i = 0; i < THROTTLE_FAILURES; i++) {
		/* a good one in between takes nothing away and gives nothing back */
		assert_int_equal(login(s, "root@example.com", "secret word", "10.0.0.1",
					 &token, &err),
			0);
		buf_clear(&token);
		assert_int_equal(
			login(s, "root@example.com", "wrong", "10.0.0.1", &token, &err),
			-1);
		assert_int_equal(err.code, ERR_UNAUTHENTICATED);
		s->t.temp.clock.mono += 1000;
	}
	assert_int_equal(
		login(s, "root@example.com", "secret word", "10.0.0.1", &token, &err),
		-1);
	assert_int_equal(err.code, ERR_LIMITED);
	assert_int_equal(
		login(s, "other@example.com", "wrong", "10.0.0.1", &token, &err), -1);
	assert_int_equal(err.code, ERR_LIMITED);
	/* the owner elsewhere */
	assert_int_equal(
		login(s, "root@example.com", "secret word", "10.0.0.2", &token, &err), 0);
	buf_clear(&token);
	s->t.temp.clock.mono += THROTTLE_WINDOW_MS - THROTTLE_FAILURES * 1000 - 1;
	assert_int_equal(
		login(s, "root@example.com", "secret word", "10.0.0.1", &token, &err),
		-1);
	assert_int_equal(err.code, ERR_LIMITED);
	s->t.temp.clock.mono += 1;
	assert_int_equal(
		login(s, "root@example.com", "secret word", "10.0.0.1", &token, &err), 0);
	buf_release(&token);
}

struct guess {
	struct stage *stage;
	int tried;
	int limited;
};

static void *
guess_password(void *ctx)
{
	struct guess *guess = ctx;
	struct err err = { 0 };
	struct buf token;
	char id[RAND_ID_SIZE];
	buf_init_secret(&token, TOKEN_MAX);
	if (service_login(guess->stage->t.service, &superuser_collection,
		    "root@example.com", "wrong", "10.0.0.9", &token, id, &err) == 0) {
		abort();
	}
	if (err.code == ERR_LIMITED) {
		__atomic_add_fetch(&guess->limited, 1, __ATOMIC_RELAXED);
	} else if (err.code == ERR_UNAUTHENTICATED) {
		__atomic_add_fetch(&guess->tried, 1, __ATOMIC_RELAXED);
	} else {
		abort();
	}
	buf_release(&token);
	return NULL;
}

static void
test_parallel_guesses(void **state)
{
	enum { GUESSERS = 40 };
	struct guess guess = { .stage = *state };
	pthread_t threads[GUESSERS];
	for (int i = 0; i < GUESSERS; i++) {
		assert_int_equal(
			pthread_create(&threads[i], NULL, guess_password, &guess), 0);
	}
	for (int i = 0; i < GUESSERS; i++) {
		pthread_join(threads[i], NULL);
	}
	assert_int_equal(guess.tried, THROTTLE_FAILURES);
	assert_int_equal(guess.limited, GUESSERS - THROTTLE_FAILURES);
}

/* The table alone: addresses of any length, and more of them than it has places. */
static void
test_throttle_table(void **state)
{
	struct stage *s = *state;
	struct throttle *throttle = NULL;
	struct err err = { 0 };
	char address[80];
	memset(address, 'f', sizeof(address) - 1);
	address[sizeof(address) - 1] = '\0';
	assert_int_equal(throttle_new(&s->t.clock, &throttle, &err), 0);
	for (int i = 0; i < THROTTLE_FAILURES; i++) {
		assert_int_equal(throttle_enter(throttle, address, &err), 0);
	}
	assert_int_equal(throttle_enter(throttle, address, &err), -1);
	assert_int_equal(err.code, ERR_LIMITED);
	throttle_succeeded(throttle, address);
	assert_int_equal(throttle_enter(throttle, address, &err), 0);
	assert_int_equal(throttle_enter(throttle, address, &err), -1);

	/* 1,000 others that fail once do not push it out */
	for (int i = 0; i < 1000; i++) {
		char other[32];
		s->t.temp.clock.mono++;
		str_fmt_cut(other, sizeof(other), "10.1.%d.%d", i / 250, i % 250);
		assert_int_equal(throttle_enter(throttle, other, &err), 0);
	}
	assert_int_equal(throttle_enter(throttle, address, &err), -1);
	/* nor do any number that succeed */
	for (int i = 0; i < 3000; i++) {
		char other[32];
		s->t.temp.clock.mono++;
		str_fmt_cut(other, sizeof(other), "10.2.%d.%d", i / 250, i % 250);
		assert_int_equal(throttle_enter(throttle, other, &err), 0);
		throttle_succeeded(throttle, other);
	}
	assert_int_equal(throttle_enter(throttle, address, &err), -1);
	/* a success of an address that is not there changes nothing */
	throttle_succeeded(throttle, "10.9.9.9");
	throttle_free(throttle);
	throttle_free(NULL);
}

static void
test_upsert(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct violations violations = { 0 };
	struct buf token;
	bool created = false;
	good_login(s, &token);
	assert_int_equal(
		service_superuser_upsert(s->t.service, &temp_guest_actor,
			"new@example.com", "new password", &created, &violations, &err),
		-1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	assert_int_equal(service_superuser_upsert(s->t.service, &temp_console_actor,
				 "new@example.com", "short", &created, &violations, &err),
		-1);
	assert_int_equal(err.code, ERR_INVALID);
	violations = (struct violations){ 0 };
	assert_int_equal(
		service_superuser_upsert(s->t.service, &temp_console_actor, "not a mail",
			"new password", &created, &violations, &err),
		-1);
	assert_int_equal(err.code, ERR_INVALID);
	violations = (struct violations){ 0 };
	assert_int_equal(
		service_superuser_upsert(s->t.service, &temp_console_actor,
			"new@example.com", "new password", &created, &violations, &err),
		0);
	assert_true(created);
	assert_int_equal(
		service_superuser_upsert(s->t.service, &temp_console_actor,
			"root@example.com", "new password", &created, &violations, &err),
		0);
	assert_false(created);
	assert_guest(s->t.service, token.data); /* its sessions are over */
	assert_int_equal(temp_ask(&s->t, "SELECT count(*) FROM superusers", NULL), 2);
	buf_release(&token);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_token),
		TEST(test_tampering),
		TEST(test_forms),
		TEST(test_other_vault),
		TEST(test_sessions_end),
		TEST(test_wrong_alike),
		TEST(test_throttle),
		TEST(test_parallel_guesses),
		TEST(test_throttle_table),
		TEST(test_upsert),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
