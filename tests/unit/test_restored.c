/* SPDX-License-Identifier: Apache-2.0
 * A database that was restored does not know which creds left since: what is taken back
 * from then on is refused whatever it knows. */
#include "base/str.h"
#include "model/limits.h"
#include "service/creds_link.h"
#include "service/restored.h"
#include "store/budget.h"
#include "support/temp_user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { A_DAY_S = 24 * 60 * 60 };

static struct restored
restore(struct temp_user *u)
{
	struct err err = { 0 };
	struct restored restored;
	if (service_restored(u->t.service, &restored, &err) != 0) {
		fail_msg("%s (%s)", err.msg, err.detail);
	}
	return restored;
}

/* Its creds end after ten minutes. */
static void
make_short_lived(struct temp_user *u)
{
	struct role row = temp_user_role_row();
	row.default_lifetime = 600;
	temp_user_change_role(u, &row, "default_lifetime");
	temp_user_pull(u, "regenerate");
	temp_user_advance(u, 1);
	assert_int_equal(temp_user_value(u, "exp"), temp_user_now(u) + 600);
}

static void
change_account(struct temp_user *u, const char *trigger)
{
	struct account row = { .rotate_keys = true, .add_signing_key = true };
	temp_change_ok(&u->t, &account_collection, u->account, &row, trigger);
}

/* Of the one revocation that there is. */
static int64_t
entry(const struct temp_user *u, const char *column)
{
	char sql[64];
	assert_int_equal(temp_ask(&u->t, "SELECT count(*) FROM revocations", NULL), 1);
	str_fmt_cut(sql, sizeof(sql), "SELECT %s FROM revocations", column);
	return temp_ask(&u->t, sql, NULL);
}

static void
suspend(struct temp_user *u)
{
	temp_user_set_active(u, false);
}

static void
revoke(struct temp_user *u)
{
	temp_user_pull(u, "revoke");
}

static void
regenerate(struct temp_user *u)
{
	temp_user_pull(u, "regenerate");
}

static void
delete_user(struct temp_user *u)
{
	temp_delete_ok(&u->t, &user_collection, u->id);
}

static void
move(struct temp_user *u)
{
	char other[RAND_ID_SIZE];
	temp_make_account(&u->t, "other", other);
	struct user row = temp_user_row();
	memcpy(row.account_id, other, sizeof(row.account_id));
	temp_user_change(u, &row, "account_id");
}

static void (*const ways[])(
	struct temp_user *u) = { suspend, revoke, regenerate, delete_user, move };

/* Nothing ever left, as far as it knows. */
static void
test_first_creds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ways); i++) {
		void *fresh = NULL;
		temp_user_set_up(&fresh);
		struct temp_user *u = fresh;
		assert_int_equal(restore(u).users, 1);
		temp_user_advance(u, A_DAY_S);
		int64_t now = temp_user_now(u);
		ways[i](u);
		assert_int_equal(entry(u, "at"), now);
		assert_int_equal(entry(u, "expires"), 0);
		assert_int_equal(entry(u, "key_set"), 1);
		temp_user_tear_down(&fresh);
	}
}

/* What it knows has ended; what was renewed has not. */
static void
test_renewed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(ways); i++) {
		void *fresh = NULL;
		temp_user_set_up(&fresh);
		struct temp_user *u = fresh;
		make_short_lived(u);
		temp_issue(&u->t, u->id);
		restore(u);
		temp_user_advance(u, A_DAY_S);
		assert_true(temp_user_value(u, "issued_until") < temp_user_now(u));
		ways[i](u);
		assert_int_equal(entry(u, "expires"), 0);
		temp_user_tear_down(&fresh);
	}
}

/* Known creds that leave later do not make the others known. */
static void
test_creds_after(void **state)
{
	struct temp_user *u = *state;
	make_short_lived(u);
	restore(u);
	temp_issue(&u->t, u->id);
	assert_int_equal(temp_user_value(u, "unknown_set"), 1);
	temp_user_advance(u, A_DAY_S);
	suspend(u);
	assert_int_equal(entry(u, "expires"), 0);
	temp_user_set_active(u, true);
	assert_int_equal(temp_ask(&u->t, "SELECT count(*) FROM revocations", NULL), 0);
	suspend(u);
	assert_int_equal(entry(u, "expires"), 0);
}

/* What takes everything back ends it. */
static void
test_ends_with_what_left(void **state)
{
	struct temp_user *u = *state;
	make_short_lived(u);
	restore(u);
	regenerate(u);
	assert_int_equal(temp_user_value(u, "unknown_set"), 0);
	assert_int_equal(temp_user_value(u, "issued_at"), 0);
	suspend(u);
	assert_int_equal(temp_user_revoked(u, "suspend"), 0);
	temp_user_set_active(u, true);
	temp_issue(&u->t, u->id);
	temp_user_advance(u, A_DAY_S);
	suspend(u); /* what left has ended */
	assert_int_equal(temp_user_revoked(u, "suspend"), 0);
}

/* What none of the account's keys signed is refused anyway. */
static void
test_ends_with_the_keys(void **state)
{
	struct temp_user *u = *state;
	restore(u);
	change_account(u, "rotate_keys");
	suspend(u);
	assert_int_equal(temp_ask(&u->t, "SELECT count(*) FROM revocations", NULL), 0);
}

/* A set that did not sign when the backup was made may have signed since. */
static void
test_keys_of_every_set(void **state)
{
	struct temp_user *u = *state;
	temp_issue(&u->t, u->id);
	change_account(u, "add_signing_key");
	restore(u);
	assert_int_equal(temp_user_value(u, "issued_set"), 1);
	assert_int_equal(temp_user_value(u, "unknown_set"), 2);
	suspend(u);
	assert_int_equal(entry(u, "key_set"), 2);
}

/* An end that is set for creds that are not known to have one. */
static void
test_end_that_is_set(void **state)
{
	struct temp_user *u = *state;
	make_short_lived(u);
	temp_issue(&u->t, u->id);
	restore(u);
	struct user row = temp_user_row();
	row.jwt_expires_at = (temp_user_now(u) + A_DAY_S) * 1000;
	temp_user_change(u, &row, "jwt_expires_at");
	assert_true(temp_user_revoked(u, "narrow") >= temp_user_now(u));
	assert_int_equal(entry(u, "expires"), 0);
}

static void
test_narrowed_role(void **state)
{
	struct temp_user *u = *state;
	struct user row = temp_user_row();
	temp_list(&row.publish_permissions, "own");
	temp_user_change(u, &row, "publish_permissions");
	make_short_lived(u);
	temp_issue(&u->t, u->id);
	restore(u);
	temp_user_advance(u, A_DAY_S);
	struct role role = temp_user_role_row();
	temp_list(&role.publish_deny_permissions, "less");
	temp_user_change_role(u, &role, "publish_deny_permissions");
	assert_int_equal(temp_user_revoked(u, "narrow"), temp_user_now(u));
	assert_int_equal(entry(u, "expires"), 0);
	assert_int_equal(entry(u, "key_set"), 1);
	assert_int_equal(temp_user_value(u, "unknown_set"), 0);
	assert_int_equal(temp_user_value(u, "issued_at"), 0);
}

/* It may have been activated, and given creds. */
static void
test_suspended(void **state)
{
	struct temp_user *u = *state;
	make_short_lived(u);
	int64_t iat = temp_issue(&u->t, u->id);
	suspend(u);
	assert_int_equal(entry(u, "at"), iat);
	assert_true(entry(u, "expires") != 0);
	temp_user_advance(u, A_DAY_S);
	int64_t generation = temp_generation(&u->t, u->account);
	struct restored restored = restore(u);
	assert_int_equal(restored.suspended, 1);
	assert_int_equal(restored.accounts_refused, 0);
	assert_int_equal(entry(u, "at"), temp_user_now(u));
	assert_int_equal(entry(u, "expires"), 0);
	assert_int_equal(temp_generation(&u->t, u->account), generation + 1);
	assert_int_equal(temp_urgent_generation(&u->t, u->account), generation + 1);
	temp_user_set_active(u, true);
	assert_int_equal(temp_ask(&u->t, "SELECT count(*) FROM revocations", NULL), 0);
}

/* Who had no creds when it was suspended has no entry. */
static void
test_suspended_without_creds(void **state)
{
	struct temp_user *u = *state;
	suspend(u);
	assert_int_equal(temp_user_revoked(u, "%"), 0);
	temp_user_advance(u, 10);
	int64_t first = temp_user_now(u);
	assert_int_equal(restore(u).suspended, 1);
	assert_int_equal(temp_user_revoked(u, "suspend"), first);
	/* again does no harm, and takes nothing away */
	temp_store_exec(&u->t.temp, "UPDATE revocations SET at = at + 5");
	assert_int_equal(restore(u).suspended, 1);
	assert_int_equal(entry(u, "at"), first + 5);
}

/* JWTs that left are dated after the clock. */
static void
test_suspended_ahead_of_the_clock(void **state)
{
	struct temp_user *u = *state;
	suspend(u);
	temp_store_exec(&u->t.temp, "UPDATE users SET iat = iat + 500");
	restore(u);
	assert_int_equal(entry(u, "at"), temp_user_now(u) + 500);
}

/* No account is pushed for nothing. */
static void
test_nobody_suspended(void **state)
{
	struct temp_user *u = *state;
	int64_t generation = temp_generation(&u->t, u->account);
	assert_int_equal(restore(u).suspended, 0);
	assert_int_equal(temp_ask(&u->t, "SELECT count(*) FROM revocations", NULL), 0);
	assert_int_equal(temp_generation(&u->t, u->account), generation);
	assert_int_equal(
		temp_ask(&u->t, "SELECT count(*) FROM audit WHERE action = 'restored'",
			NULL),
		1);
}

static void
test_no_room(void **state)
{
	struct temp_user *u = *state;
	char active[RAND_ID_SIZE];
	suspend(u);
	temp_make_user(&u->t, "active", u->account, u->role, active);
	int64_t account = temp_account_seq(&u->t, u->account);
	int64_t most = LIMIT_ACCOUNT_JWT_BYTES / 100 * 95;
	temp_fill_revocations(&u->t, account,
		(most - temp_estimate(&u->t, account)) / STORE_BUDGET_REVOCATION_BYTES);
	temp_user_advance(u, 10);
	int64_t now = temp_user_now(u);
	struct restored restored = restore(u);
	assert_int_equal(restored.accounts_refused, 1);
	assert_int_equal(entry(u, "at"), now);
	assert_int_equal(entry(u, "length(public_key)"), 0);
	assert_int_equal(entry(u, "expires"), 0);
	/* who is active gets creds that work */
	assert_int_equal(temp_issue(&u->t, active), now + 1);
}

static void
test_links(void **state)
{
	struct temp_user *u = *state;
	struct err err = { 0 };
	struct creds_link link;
	struct user_creds creds;
	assert_int_equal(service_creds_link_new(u->t.service, &temp_superuser_actor,
				 u->id, 600, &link, &err),
		0);
	assert_int_equal(restore(u).links, 1);
	assert_int_equal(service_creds_link_open(u->t.service, &temp_guest_actor,
				 link.token, "192.0.2.1", &creds, &err),
		-1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

/* A million users, with NATSID_RESTORED_USERS=1000000. */
static void
test_many(void **state)
{
	struct temp_user *u = *state;
	struct timespec begin;
	struct timespec end;
	char sql[512];
	const char *wanted = getenv("NATSID_RESTORED_USERS");
	int64_t users = 20000;
	if (wanted != NULL) {
		assert_int_equal(str_to_int(wanted, 1, 10000000, &users), 0);
	}
	str_fmt_cut(sql, sizeof(sql),
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i "
		"< %lld) INSERT INTO users (id, account, role, nats_username, "
		"public_key, iat, issued_at, issued_until, issued_set, active, created, "
		"updated) SELECT printf('user%%011d', i), account, role, "
		"printf('u%%d', i), randomblob(32), iat, i %% 2, i %% 2 * 253402300799, "
		"i %% 2, i %% 1000 > 0, created, updated FROM users, n",
		(long long)users);
	temp_store_exec(&u->t.temp, sql);
	timespec_get(&begin, TIME_UTC);
	struct restored restored = restore(u);
	timespec_get(&end, TIME_UTC);
	print_message("# %lld users: %.0f ms\n", (long long)users,
		(double)(end.tv_sec - begin.tv_sec) * 1000 +
			(double)(end.tv_nsec - begin.tv_nsec) / 1e6);
	assert_int_equal(restored.users, users + 1);
	assert_int_equal(restored.suspended, users / 1000);
	assert_int_equal(temp_ask(&u->t,
				 "SELECT count(*) FROM users WHERE unknown_set <> 1 OR "
				 "issued_at = 0",
				 NULL),
		0);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, temp_user_set_up, temp_user_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_creds),
		cmocka_unit_test(test_renewed),
		TEST(test_creds_after),
		TEST(test_ends_with_what_left),
		TEST(test_ends_with_the_keys),
		TEST(test_keys_of_every_set),
		TEST(test_end_that_is_set),
		TEST(test_narrowed_role),
		TEST(test_suspended),
		TEST(test_suspended_without_creds),
		TEST(test_suspended_ahead_of_the_clock),
		TEST(test_nobody_suspended),
		TEST(test_no_room),
		TEST(test_links),
		TEST(test_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
