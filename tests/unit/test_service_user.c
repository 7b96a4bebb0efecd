/* SPDX-License-Identifier: Apache-2.0
 * Users: what is issued, and that it can always be taken back. */
#include "base/str.h"
#include "jwt/creds.h"
#include "jwt/decode.h"
#include "jwt/nkey.h"
#include "jwt/validate.h"
#include "store/record.h"
#include "support/assert_code.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Two accounts, two roles, each role known in each account, one user. */
struct stage {
	struct temp_service t;
	char accounts[2][RAND_ID_SIZE];
	char roles[2][RAND_ID_SIZE];
	char user[RAND_ID_SIZE];
};

static int
set_up(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	char id[RAND_ID_SIZE];
	assert_non_null(s);
	temp_service_init(&s->t);
	temp_make_account(&s->t, "one", s->accounts[0]);
	temp_make_account(&s->t, "two", s->accounts[1]);
	temp_make_role(&s->t, "first", s->roles[0]);
	temp_make_role(&s->t, "second", s->roles[1]);
	for (int i = 0; i < 4; i++) {
		char name[16];
		str_fmt_cut(name, sizeof(name), "other%d", i);
		temp_make_user(&s->t, name, s->accounts[i / 2], s->roles[i % 2], id);
	}
	temp_make_user(&s->t, "user", s->accounts[0], s->roles[0], s->user);
	*state = s;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *s = *state;
	temp_service_release(&s->t);
	free(s);
	return 0;
}

static int64_t
user_value(const struct stage *s, const char *column)
{
	char sql[128];
	str_fmt_cut(sql, sizeof(sql), "SELECT %s FROM users WHERE id = '%s'", column,
		s->user);
	return temp_ask(&s->t, sql, NULL);
}

/* The latest revocation in an account (only the user ever has one); 0: none. */
static int64_t
revoked_at(const struct stage *s, int account)
{
	return temp_ask(&s->t,
		"SELECT coalesce(max(at), 0) FROM revocations WHERE account = (SELECT "
		"seq FROM "
		"accounts WHERE id = '%s')",
		s->accounts[account]);
}

static void
put_id(char out[static RAND_ID_SIZE], const char *id)
{
	assert_int_equal(str_copy(out, RAND_ID_SIZE, id), 0);
}

static void
set_active(struct stage *s, bool active)
{
	struct user row = { .active = active };
	temp_change_ok(&s->t, &user_collection, s->user, &row, "active");
}

static void
move_to(struct stage *s, int account, int role)
{
	struct user row = { 0 };
	put_id(row.account_id, s->accounts[account]);
	put_id(row.role_id, s->roles[role]);
	temp_change_ok(&s->t, &user_collection, s->user, &row, "account_id,role_id");
}

/* ---- what is issued ---- */

static void
test_creds(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct user_creds creds = { 0 };
	struct user_creds again = { 0 };
	struct jwt_claims claims = { 0 };
	struct jwt_issues issues = { 0 };
	struct nkey_public public_key;
	const char *token = NULL;
	size_t token_len = 0;
	uint8_t seed[NKEY_SEED_LEN];
	char text[NKEY_TEXT_SIZE];
	assert_int_equal(user_value(s, "issued_at"), 0);
	assert_int_equal(service_user_creds(s->t.service, &temp_superuser_actor, s->user,
				 &creds, &err),
		0);
	assert_string_equal(creds.name, "user");
	assert_int_equal(user_value(s, "issued_at"), s->t.temp.clock.wall);
	int64_t version = user_value(s, "version");

	assert_int_equal(jwt_decode(creds.jwt.data, creds.jwt.len, &claims, &err), 0);
	jwt_validate(&claims, claims.iat, &issues);
	assert_null(jwt_issues_find_blocking(&issues, true));
	assert_string_equal(claims.name, "user");
	assert_true(jwt_user_limits_are_empty(&claims.as.user.limits));
	assert_string_not_equal(claims.iss, claims.as.user.issuer_account);

	/* the file holds the same token, and the seed of its subject */
	assert_int_equal(jwt_creds_parse(creds.creds.data, creds.creds.len, &token,
				 &token_len, seed, &err),
		0);
	assert_int_equal(token_len, creds.jwt.len);
	assert_memory_equal(token, creds.jwt.data, token_len);
	jwt_nkey_public(NKEY_USER, seed, &public_key);
	nkey_text_encode(NKEY_USER, &public_key, text);
	assert_string_equal(text, claims.sub);
	assert_true(creds.jwt.secret && creds.creds.secret);

	/* a pure function of rows: the same bytes, and no further write */
	s->t.temp.clock.wall += 5000;
	assert_int_equal(service_user_creds(s->t.service, &temp_superuser_actor, s->user,
				 &again, &err),
		0);
	assert_string_equal(again.creds.data, creds.creds.data);
	assert_int_equal(user_value(s, "version"), version);
	user_creds_release(&again);
	user_creds_release(&creds);
	jwt_claims_release(&claims);
	assert_code(service_user_creds(s->t.service, &temp_superuser_actor,
			    "000000000000000", &creds, &err),
		&err, ERR_NOT_FOUND);
	assert_null(creds.creds.data);
}

static void
test_creds_of_suspended(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct user_creds creds = { 0 };
	struct account row = { .active = false };
	set_active(s, false);
	assert_code(service_user_creds(
			    s->t.service, &temp_superuser_actor, s->user, &creds, &err),
		&err, ERR_CONFLICT);
	assert_int_equal(user_value(s, "issued_at"), 0);
	set_active(s, true);
	temp_change_ok(&s->t, &account_collection, s->accounts[0], &row, "active");
	assert_code(service_user_creds(
			    s->t.service, &temp_superuser_actor, s->user, &creds, &err),
		&err, ERR_CONFLICT);
	assert_int_equal(user_value(s, "issued_at"), 0);
	row.active = true;
	temp_change_ok(&s->t, &account_collection, s->accounts[0], &row, "active");
	temp_issue(&s->t, s->user);
}

/* ---- what is taken back ---- */

enum action { SUSPEND, MOVE_ROLE, MOVE_ACCOUNT, MOVE_BOTH, REMOVE };

static void
act(struct stage *s, enum action action)
{
	switch (action) {
	case SUSPEND:
		set_active(s, false);
		break;
	case MOVE_ROLE:
		move_to(s, 0, 1);
		break;
	case MOVE_ACCOUNT:
		move_to(s, 1, 0);
		break;
	case MOVE_BOTH:
		move_to(s, 1, 1);
		break;
	case REMOVE:
		temp_delete_ok(&s->t, &user_collection, s->user);
		break;
	}
}

/* The second of the issue, later, and with a clock that was set back. */
static void
check_action(enum action action, int64_t clock_ms)
{
	void *state = NULL;
	set_up(&state);
	struct stage *s = state;
	int64_t iat = temp_issue(&s->t, s->user);
	assert_int_equal(iat, s->t.temp.clock.wall / 1000);
	int64_t generation = temp_generation(&s->t, s->accounts[0]);
	s->t.temp.clock.wall += clock_ms;
	int64_t now = s->t.temp.clock.wall / 1000;
	act(s, action);

	int64_t at = revoked_at(s, 0);
	assert_int_equal(at, now > iat ? now : iat);
	assert_int_equal(revoked_at(s, 1), 0);
	assert_int_equal(temp_generation(&s->t, s->accounts[0]), generation + 1);
	assert_int_equal(temp_urgent_generation(&s->t, s->accounts[0]), generation + 1);
	if (action == MOVE_ROLE || action == MOVE_ACCOUNT || action == MOVE_BOTH) {
		assert_int_equal(user_value(s, "issued_at"), 0);
		assert_int_equal(user_value(s, "iat"), at + 1);
		assert_int_equal(temp_issue(&s->t, s->user), at + 1);
	}
	if (action == SUSPEND) {
		assert_int_equal(user_value(s, "iat"), iat);
	}
	tear_down(&state);
}

static void
test_revocations(void **state)
{
	static const int64_t clocks[] = { 0, 1000, 3600 * 1000, -100 * 1000 };
	(void)state;
	for (int action = SUSPEND; action <= REMOVE; action++) {
		for (size_t i = 0; i < COUNT(clocks); i++) {
			check_action((enum action)action, clocks[i]);
		}
	}
}

/* No JWT ever left: nothing to refuse, nothing to push. */
static void
test_never_issued(void **state)
{
	(void)state;
	for (int action = SUSPEND; action <= REMOVE; action++) {
		void *own = NULL;
		set_up(&own);
		struct stage *s = own;
		int64_t generation = temp_generation(&s->t, s->accounts[0]);
		act(s, (enum action)action);
		assert_int_equal(
			temp_ask(&s->t, "SELECT count(*) FROM revocations", NULL), 0);
		assert_int_equal(temp_generation(&s->t, s->accounts[0]), generation);
		assert_int_equal(
			temp_ask(&s->t, "SELECT count(*) FROM audit", NULL), 2 + 9 + 1);
		tear_down(&own);
	}
}

/* Seconds pass between the steps of a move: the new JWT must not be refused with the old.
 */
static void
test_move_while_time_passes(void **state)
{
	struct stage *s = *state;
	s->t.step_ms = 1000;
	for (int i = 1; i <= 6; i++) {
		int64_t old = temp_issue(&s->t, s->user);
		int before = (i - 1) / 2 % 2;
		move_to(s, i / 2 % 2, i % 2);
		int64_t at = revoked_at(s, before);
		assert_true(old <= at);
		int64_t new = temp_issue(&s->t, s->user);
		assert_true(new > revoked_at(s, i / 2 % 2));
	}
}

static void
test_activation(void **state)
{
	struct stage *s = *state;
	int64_t iat = temp_issue(&s->t, s->user);
	int64_t generation = temp_generation(&s->t, s->accounts[0]);
	s->t.temp.clock.wall += 10000;
	set_active(s, false);
	assert_int_equal(revoked_at(s, 0), iat + 10);
	set_active(s, true);
	assert_int_equal(revoked_at(s, 0), 0);
	assert_int_equal(temp_urgent_generation(&s->t, s->accounts[0]), generation + 2);
	assert_int_equal(temp_issue(&s->t, s->user), iat); /* the same creds */

	/* what was refused for good stays refused */
	move_to(s, 0, 1);
	int64_t moved_at = revoked_at(s, 0);
	temp_issue(&s->t, s->user);
	s->t.temp.clock.wall += 10000;
	set_active(s, false);
	assert_true(revoked_at(s, 0) > moved_at);
	set_active(s, true);
	assert_int_equal(revoked_at(s, 0), moved_at);

	/* a user that was suspended without a JWT has nothing to lift */
	move_to(s, 0, 0);
	generation = temp_generation(&s->t, s->accounts[0]);
	set_active(s, false);
	set_active(s, true);
	assert_int_equal(temp_generation(&s->t, s->accounts[0]), generation);
}

/* Suspended in one account, moved to the other, activated there. */
static void
test_suspended_moves(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct user_creds creds = { 0 };
	int64_t old = temp_issue(&s->t, s->user);
	set_active(s, false);
	move_to(s, 1, 0);
	assert_true(revoked_at(s, 0) >= old);
	assert_code(service_user_creds(
			    s->t.service, &temp_superuser_actor, s->user, &creds, &err),
		&err, ERR_CONFLICT);
	set_active(s, true);
	assert_true(revoked_at(s, 0) >= old);
	assert_true(temp_issue(&s->t, s->user) > revoked_at(s, 1));
	/* and back, in the same second */
	move_to(s, 0, 0);
	assert_true(temp_issue(&s->t, s->user) > revoked_at(s, 0));

	/* both in one request */
	struct user row = { .active = false };
	put_id(row.role_id, s->roles[1]);
	old = temp_issue(&s->t, s->user);
	temp_change_ok(&s->t, &user_collection, s->user, &row, "active,role_id");
	assert_true(revoked_at(s, 0) >= old);
	row.active = true;
	put_id(row.role_id, s->roles[0]);
	temp_change_ok(&s->t, &user_collection, s->user, &row, "active,role_id");
	assert_true(temp_issue(&s->t, s->user) > revoked_at(s, 0));
}

/* It must not be refused where it was suspended once, whatever the clock does. */
static void
test_suspended_comes_back(void **state)
{
	struct stage *s = *state;
	int64_t old = temp_issue(&s->t, s->user);
	s->t.temp.clock.wall += 100 * 1000;
	set_active(s, false);
	s->t.temp.clock.wall -= 50 * 1000;
	move_to(s, 1, 0);
	set_active(s, true);
	assert_true(revoked_at(s, 0) >= old);
	move_to(s, 0, 0);
	assert_true(revoked_at(s, 0) >= old);
	assert_true(temp_issue(&s->t, s->user) > revoked_at(s, 0));
	/* suspended by the move itself: what was issued before it is refused all the same
	 */
	struct user row = { .active = false };
	put_id(row.account_id, s->accounts[1]);
	old = temp_issue(&s->t, s->user);
	temp_change_ok(&s->t, &user_collection, s->user, &row, "active,account_id");
	assert_true(revoked_at(s, 0) >= old);
	assert_int_equal(
		temp_ask(&s->t,
			"SELECT count(*) FROM revocations WHERE cause = 'suspend'", NULL),
		0);
}

static void
test_delete(void **state)
{
	struct stage *s = *state;
	int64_t old = temp_issue(&s->t, s->user);
	int64_t seeds = temp_ask(&s->t, "SELECT count(*) FROM vault", NULL);
	temp_delete_ok(&s->t, &user_collection, s->user);
	assert_true(revoked_at(s, 0) >= old);
	assert_int_equal(temp_ask(&s->t, "SELECT count(*) FROM vault", NULL), seeds - 1);
	/* a namesake is somebody else */
	temp_make_user(&s->t, "user", s->accounts[0], s->roles[0], s->user);
	assert_int_equal(temp_ask(&s->t,
				 "SELECT count(*) FROM revocations r JOIN users u ON "
				 "u.public_key = r.public_key",
				 NULL),
		0);
}

/* ---- what changes nothing ---- */

static void
test_default_role(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct role role = { .is_default = true };
	struct user row = { 0 };
	char id[RAND_ID_SIZE];
	temp_change_ok(&s->t, &role_collection, s->roles[0], &role, "is_default");
	/* at creation */
	temp_set(&row.nats_username, "third");
	put_id(row.account_id, s->accounts[0]);
	assert_int_equal(temp_create(&s->t, &user_collection, &row,
				 "nats_username,account_id", id, NULL, &err),
		0);
	assert_int_equal(
		temp_ask(&s->t,
			"SELECT r.is_default FROM users u JOIN roles r ON r.seq = u.role "
			"WHERE u.id = '%s'",
			id),
		1);

	/* in a change: the role that it has already is no move */
	int64_t iat = temp_issue(&s->t, s->user);
	int64_t version = user_value(s, "version");
	int64_t audit = temp_ask(&s->t, "SELECT count(*) FROM audit", NULL);
	s->t.temp.clock.wall += 5000;
	row.role_id[0] = '\0';
	temp_change_ok(&s->t, &user_collection, s->user, &row, "role_id");
	assert_int_equal(user_value(s, "version"), version);
	assert_int_equal(user_value(s, "iat"), iat);
	assert_true(user_value(s, "issued_at") != 0);
	assert_int_equal(temp_ask(&s->t, "SELECT count(*) FROM audit", NULL), audit);
	assert_int_equal(revoked_at(s, 0), 0);
	temp_set(&row.description, "d");
	temp_change_ok(&s->t, &user_collection, s->user, &row, "role_id,description");
	assert_int_equal(user_value(s, "iat"), iat);
	assert_true(user_value(s, "issued_at") != 0);
	assert_int_equal(revoked_at(s, 0), 0);

	/* and another one is */
	move_to(s, 0, 1);
	temp_issue(&s->t, s->user);
	int64_t before = revoked_at(s, 0);
	s->t.temp.clock.wall += 5000;
	temp_change_ok(&s->t, &user_collection, s->user, &row, "role_id");
	assert_true(revoked_at(s, 0) > before);
	assert_true(user_value(s, "iat") > revoked_at(s, 0));
	record_release(&user_collection, &row);
}

static void
test_harmless_changes(void **state)
{
	static const char *const fields[] = { "full_name", "description", "email",
		"emailVisibility", "verified", "publish_permissions" };
	struct stage *s = *state;
	struct err err = { 0 };
	struct user row = { .email_visibility = true, .verified = true };
	/* it adds nothing */
	assert_int_equal(strlist_make(&row.publish_permissions, &err), 0);
	temp_set(&row.full_name, "Full Name");
	temp_set(&row.description, "described");
	temp_set(&row.email, "user@example.com");
	int64_t iat = temp_issue(&s->t, s->user);
	int64_t generation = temp_generation(&s->t, s->accounts[0]);
	int64_t audit = temp_ask(&s->t, "SELECT count(*) FROM audit", NULL);
	for (size_t i = 0; i < COUNT(fields); i++) {
		temp_change_ok(&s->t, &user_collection, s->user, &row, fields[i]);
		temp_change_ok(&s->t, &user_collection, s->user, &row, fields[i]);
		audit++;
		assert_int_equal(
			temp_ask(&s->t, "SELECT count(*) FROM audit", NULL), audit);
	}
	assert_int_equal(temp_generation(&s->t, s->accounts[0]), generation);
	assert_int_equal(revoked_at(s, 0), 0);
	assert_int_equal(temp_issue(&s->t, s->user), iat);
	record_release(&user_collection, &row);
}

/* The end of the user's JWTs is sooner when it is set so, and only then: a default that
 * was lowered since does not refuse what was issued before. */
static void
test_end_moved(void **state)
{
	struct stage *s = *state;
	struct user row = { 0 };
	struct role role = { .default_lifetime = 3600 };
	int64_t now = s->t.temp.clock.wall;
	temp_set(&row.nats_username, "renamed");
	temp_issue(&s->t, s->user);
	temp_change_ok(&s->t, &role_collection, s->roles[0], &role, "default_lifetime");
	temp_change_ok(&s->t, &user_collection, s->user, &row, "nats_username");
	assert_int_equal(revoked_at(s, 0), 0);

	row.jwt_expires_at = now / 1000 * 1000 + 7200 * 1000;
	temp_change_ok(&s->t, &user_collection, s->user, &row, "jwt_expires_at");
	int64_t at = revoked_at(s, 0);
	assert_true(at >= now / 1000);
	temp_issue(&s->t, s->user);
	row.jwt_expires_at += 1000;
	temp_change_ok(&s->t, &user_collection, s->user, &row, "jwt_expires_at");
	assert_int_equal(revoked_at(s, 0), at);
	temp_issue(&s->t, s->user);
	row.jwt_expires_at -= 1000;
	temp_change_ok(&s->t, &user_collection, s->user, &row, "jwt_expires_at");
	assert_true(revoked_at(s, 0) > at);
	record_release(&user_collection, &row);
}

/* The answer to a change shows the JWT when the change made it anew. */
static void
test_remade(void **state)
{
	struct stage *s = *state;
	static const struct {
		const char *field;
		bool remade;
	} cases[] = { { "description", false }, { "nats_username", true },
		{ "role_id", true }, { "role_id", false } };
	struct user row = { 0 };
	temp_set(&row.description, "described");
	temp_set(&row.nats_username, "renamed");
	put_id(row.role_id, s->roles[1]);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		struct violations violations = { 0 };
		bool remade = !cases[i].remade;
		struct record_change change = { .collection = &user_collection,
			.row = &row,
			.present =
				collection_field_bit(&user_collection, cases[i].field) };
		assert_int_equal(
			service_record_update(s->t.service, &temp_superuser_actor,
				s->user, &change, &remade, &violations, &err),
			0);
		assert_int_equal(remade, cases[i].remade);
	}
	record_release(&user_collection, &row);
}

static void
test_password(void **state)
{
	struct stage *s = *state;
	struct user row = { 0 };
	temp_set(&row.email, "user@example.com");
	temp_change_ok(&s->t, &user_collection, s->user, &row, "email");
	assert_int_equal(user_value(s, "length(token_key)"), 50);
	assert_int_equal(user_value(s, "length(password_hash)"), 0);
	temp_store_exec(&s->t.temp, "UPDATE users SET token_key = 'old'");
	temp_set(&row.password, "correct horse");
	temp_set(&row.password_confirm, "correct horse");
	temp_change_ok(
		&s->t, &user_collection, s->user, &row, "password,passwordConfirm");
	assert_int_equal(user_value(s, "password_hash LIKE '$argon2id$%'"), 1);
	assert_int_equal(user_value(s, "length(token_key)"), 50);
	assert_int_equal(
		temp_ask(&s->t,
			"SELECT fields LIKE '%\"password\"%' AND fields NOT LIKE "
			"'%hash%' AND fields NOT LIKE '%onfirm%' AND fields NOT LIKE "
			"'%token%' FROM audit ORDER BY seq DESC LIMIT 1",
			NULL),
		1);
	record_release(&user_collection, &row);
}

/* ---- issues against changes ---- */

enum { ISSUERS = 6, SEEN_MAX = 4096 };

struct seen {
	int account;
	int64_t iat;
};

struct race {
	struct stage *stage;
	char keys[2][NKEY_TEXT_SIZE];
	int stop;
	pthread_mutex_t lock;
	struct seen seen[SEEN_MAX];
	size_t seen_len;
	size_t issued;
};

static void
note_jwt(struct race *race, const struct user_creds *creds)
{
	struct err err = { 0 };
	struct jwt_claims claims = { 0 };
	if (jwt_decode(creds->jwt.data, creds->jwt.len, &claims, &err) != 0) {
		abort();
	}
	int account = str_equal(claims.as.user.issuer_account, race->keys[0]) ? 0 : 1;
	int64_t iat = claims.iat;
	jwt_claims_release(&claims);
	pthread_mutex_lock(&race->lock);
	race->issued++;
	for (size_t i = 0; i < race->seen_len; i++) {
		if (race->seen[i].account == account && race->seen[i].iat == iat) {
			account = -1;
			break;
		}
	}
	if (account >= 0) {
		if (race->seen_len == SEEN_MAX) {
			abort();
		}
		race->seen[race->seen_len++] = (struct seen){ account, iat };
	}
	pthread_mutex_unlock(&race->lock);
}

static void *
issue_until_stopped(void *ctx)
{
	struct race *race = ctx;
	while (__atomic_load_n(&race->stop, __ATOMIC_ACQUIRE) == 0) {
		struct err err = { 0 };
		struct user_creds creds = { 0 };
		if (service_user_creds(race->stage->t.service, &temp_superuser_actor,
			    race->stage->user, &creds, &err) == 0) {
			note_jwt(race, &creds);
			user_creds_release(&creds);
		} else if (err.code != ERR_CONFLICT && err.code != ERR_NOT_FOUND) {
			abort();
		}
	}
	return NULL;
}

static void
change_like_mad(struct stage *s, int rounds)
{
	for (int i = 1; i <= rounds; i++) {
		switch (i % 4) {
		case 0:
			set_active(s, false);
			break;
		case 1:
			set_active(s, true);
			break;
		case 2:
			move_to(s, i / 4 % 2, i / 8 % 2);
			break;
		default:
			move_to(s, i / 4 % 2, (i / 8 + 1) % 2);
			break;
		}
	}
}

static void
read_account_keys(const struct stage *s, struct race *race)
{
	for (int i = 0; i < 2; i++) {
		struct err err = { 0 };
		struct store_conn *conn = NULL;
		struct account row = { 0 };
		assert_int_equal(store_read_begin(s->t.temp.store, &conn, &err), 0);
		int rc = store_record_get(
			conn, &account_collection, s->accounts[i], &row, &err);
		store_read_end(s->t.temp.store, conn);
		assert_int_equal(rc, 0);
		nkey_text_encode(NKEY_ACCOUNT, &row.public_key, race->keys[i]);
		record_release(&account_collection, &row);
	}
}

/* Whatever left is either what is in force, or refused. */
static void
assert_all_covered(const struct race *race, bool exists)
{
	const struct stage *s = race->stage;
	int64_t iat = exists ? user_value(s, "iat") : -1;
	bool active = exists && user_value(s, "active") != 0;
	int64_t revoked[2] = { revoked_at(s, 0), revoked_at(s, 1) };
	int at_home = exists &&
			temp_ask(&s->t,
				"SELECT count(*) FROM users u JOIN accounts a ON a.seq = "
				"u.account "
				"WHERE u.nats_username = 'user' AND a.id = '%s'",
				s->accounts[0]) == 1
		? 0
		: 1;
	for (size_t i = 0; i < race->seen_len; i++) {
		const struct seen *seen = &race->seen[i];
		bool in_force = active && seen->account == at_home && seen->iat == iat;
		if (!in_force && seen->iat > revoked[seen->account]) {
			fail_msg("a JWT of account %d with iat %ld outlives its "
				 "revocation %ld "
				 "(in force: %ld of %d)",
				seen->account, (long)seen->iat,
				(long)revoked[seen->account], (long)iat, at_home);
		}
		if (in_force && seen->iat <= revoked[seen->account]) {
			fail_msg("the JWT in force is refused");
		}
	}
}

static struct race *
race_begin(struct stage *s, pthread_t threads[static ISSUERS])
{
	struct race *race = calloc(1, sizeof(*race));
	assert_non_null(race);
	race->stage = s;
	pthread_mutex_init(&race->lock, NULL);
	read_account_keys(s, race);
	for (int i = 0; i < ISSUERS; i++) {
		assert_int_equal(
			pthread_create(&threads[i], NULL, issue_until_stopped, race), 0);
	}
	return race;
}

static void
race_end(struct race *race, pthread_t threads[static ISSUERS])
{
	__atomic_store_n(&race->stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < ISSUERS; i++) {
		pthread_join(threads[i], NULL);
	}
}

static void
test_issue_race(void **state)
{
	struct stage *s = *state;
	pthread_t threads[ISSUERS];
	for (int round = 0; round < 4; round++) {
		struct race *race = race_begin(s, threads);
		change_like_mad(s, 40 + round); /* ends in each of the four states once */
		race_end(race, threads);
		assert_true(race->issued > 0);
		assert_all_covered(race, true);
		pthread_mutex_destroy(&race->lock);
		free(race);
		set_active(s, true);
	}
}

static void
test_delete_race(void **state)
{
	struct stage *s = *state;
	pthread_t threads[ISSUERS];
	for (int round = 0; round < 15; round++) {
		struct race *race = race_begin(s, threads);
		if (round % 3 != 0) {
			move_to(s, 1, 0);
		}
		temp_delete_ok(&s->t, &user_collection, s->user);
		race_end(race, threads);
		assert_all_covered(race, false);
		pthread_mutex_destroy(&race->lock);
		free(race);
		temp_store_exec(&s->t.temp, "DELETE FROM revocations");
		temp_make_user(&s->t, "user", s->accounts[0], s->roles[0], s->user);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_creds),
		TEST(test_creds_of_suspended),
		cmocka_unit_test(test_revocations),
		cmocka_unit_test(test_never_issued),
		TEST(test_move_while_time_passes),
		TEST(test_activation),
		TEST(test_suspended_moves),
		TEST(test_suspended_comes_back),
		TEST(test_delete),
		TEST(test_default_role),
		TEST(test_harmless_changes),
		TEST(test_end_moved),
		TEST(test_remade),
		TEST(test_password),
		TEST(test_issue_race),
		TEST(test_delete_race),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
