/* SPDX-License-Identifier: Apache-2.0
 * What waits for a while before it is pushed, and how long. */
#include "base/str.h"
#include "support/publish_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { PACE = 5, MANY = 20 };

static void
test_debounce(void **state)
{
	void *own = NULL;
	char account[RAND_ID_SIZE];
	(void)state;
	stage_set_up_slow(&own, 300);
	struct stage *s = own;
	stage_converge(s, 1, 1, &account);
	unsigned before = stage_updates(s, 0);
	int64_t start = clock_mono_ms(&clock_system);
	for (int i = 1; i <= 10; i++) {
		char text[16];
		str_fmt_cut(text, sizeof(text), "change %d", i);
		stage_describe(s, account, text);
	}
	int64_t written = clock_mono_ms(&clock_system);
	stage_assert_converges(s);
	/* as many as there were silences, on a box of any speed: one, as a rule */
	assert_true(
		stage_updates(s, 0) - before <= 1 + (unsigned)((written - start) / 300));
	assert_true(
		clock_mono_ms(&clock_system) - written >= 250 || written - start > 300);
	/* the urgent ones wait for nothing */
	struct account row = { .active = false };
	temp_service_advance(&s->t, 5000);
	temp_change_ok(&s->t, &account_collection, account, &row, "active");
	stage_assert_converges(s);
	assert_int_equal(
		temp_generation(&s->t, account), temp_urgent_generation(&s->t, account));
	stage_tear_down(&own);
}

/* A change waits for its debounce and will turn out to change nothing, while a server
 * comes back empty: it must get the account all the same. */
static void
test_sweep_meets_debounce(void **state)
{
	void *own = NULL;
	char account[RAND_ID_SIZE];
	(void)state;
	stage_set_up_slow(&own, 400);
	struct stage *s = own;
	stage_converge(s, 1, 1, &account);
	for (int i = 0; i < 2; i++) {
		stage_describe(s, account, "described");
		if (i == 0) {
			stage_wipe_server(s, 0);
			stage_say(s,
				BUS_EVENT_UP); /* the sweep comes while the change waits,
						*/
			stage_describe(s, account, "");
		} else {
			stage_describe(s, account, "");
			stage_wipe_server(s, 0);
			stage_say(
				s, BUS_EVENT_UP); /* or the change while the sweep does */
		}
		stage_assert_converges(s);
	}
	stage_tear_down(&own);
}

/* Accounts with a user each of one role. */
static void
make_users_of_a_role(
	struct stage *s, char role[static RAND_ID_SIZE], char accounts[][RAND_ID_SIZE])
{
	temp_make_role(&s->t, "role", role);
	stage_make_accounts(s, MANY, accounts);
	for (int i = 0; i < MANY; i++) {
		char user[RAND_ID_SIZE];
		temp_make_user(&s->t, "user", accounts[i], role, user);
	}
}

static void
set_role_payload(struct stage *s, const char *role, int64_t payload)
{
	struct role row = { .max_payload = payload };
	temp_service_advance(&s->t, 5000);
	temp_change_ok(&s->t, &role_collection, role, &row, "max_payload");
}

struct pushes {
	struct stage *stage;
	size_t wanted;
};

static bool
were_pushed(void *ctx)
{
	const struct pushes *pushes = ctx;
	return stage_pushed(pushes->stage) >= pushes->wanted;
}

static void
assert_pushed(struct stage *s, size_t times)
{
	struct pushes pushes = { .stage = s, .wanted = times };
	assert_true(temp_signal_wait(&s->bus.update, were_pushed, &pushes, DEADLINE_MS));
}

/* The first accounts of a role that grew go at once, the others one after the other; what
 * must not wait goes before them, and a role that narrowed goes whole. */
static void
test_role_pace(void **state)
{
	void *own = NULL;
	char role[RAND_ID_SIZE];
	char accounts[MANY][RAND_ID_SIZE];
	struct account suspended = { .active = false };
	(void)state;
	stage_set_up_still(&own, PACE);
	struct stage *s = own;
	make_users_of_a_role(s, role, accounts);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
	set_role_payload(s, role, 1000);
	stage_assert_converges(s); /* it narrowed: urgent */

	size_t before = stage_pushed(s);
	int64_t start = stage_now(s);
	set_role_payload(s, role, 2000);
	temp_change_ok(
		&s->t, &account_collection, accounts[MANY - 1], &suspended, "active");
	stage_set_connections(s, accounts[MANY - 2], 7);
	for (size_t i = PACE + 2; i <= MANY; i++) {
		assert_pushed(s, before + i);
		stage_pass(s, 1000 / PACE);
		stage_wake(s);
	}
	stage_assert_converges(s);
	/* one push each: those two took their turns with them */
	assert_int_equal(stage_pushed(s), before + MANY);
	size_t paced = 0;
	size_t alone = 0;
	for (size_t i = PACE + 2; i < MANY; i++) {
		paced++;
		int64_t least = (int64_t)paced * 1000 / PACE;
		assert_true(stage_push(s, before + i).at - start >= least);
		alone += stage_push(s, before + i).at - stage_push(s, before + i - 1).at >
				100
			? 1
			: 0;
	}
	/* evenly, not so many each second */
	assert_true(alone > 5);
	assert_int_equal(stage_ask(s,
				 "SELECT count(*) FROM account_publish WHERE state <> "
				 "'pending'"),
		0);
	stage_tear_down(&own);
}

static bool
has_looked(struct stage *s, const void *ctx)
{
	const unsigned *before = ctx;
	return stage_looks(s) > *before;
}

/* The news of a change may be late, the look at the database is not: paced accounts stay
 * paced whatever else finds them open. A narrowing takes all of them out. */
static void
test_role_pace_ends(void **state)
{
	void *own = NULL;
	char role[RAND_ID_SIZE];
	char accounts[MANY][RAND_ID_SIZE];
	(void)state;
	stage_set_up_still(&own, 1);
	struct stage *s = own;
	make_users_of_a_role(s, role, accounts);
	stage_say(s, BUS_EVENT_UP);
	set_role_payload(s, role, 500);
	stage_assert_converges(s);
	int64_t start = stage_now(s);
	size_t before = stage_pushed(s);
	set_role_payload(s, role, 2000);
	set_role_payload(s, role, 3000);
	stage_say(s, BUS_EVENT_DOWN);
	stage_say(s, BUS_EVENT_UP);
	/* whose turn was lost with the connection waits for another */
	for (int i = 0; i < 100 && stage_pushed(s) < before + 4; i++) {
		unsigned looks = stage_looks(s);
		stage_pass(s, 100);
		stage_wake(s);
		assert_true(stage_eventually(s, has_looked, &looks));
	}
	assert_pushed(s, before + 4);
	assert_true(stage_push(s, before + 3).at - start >= 3000);
	assert_true(stage_open_accounts(s) > 0);
	set_role_payload(s, role, 1000);
	int64_t narrowed = stage_now(s);
	stage_assert_converges(s);
	assert_true(stage_now(s) - narrowed < 10000);
	stage_tear_down(&own);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_debounce),
		cmocka_unit_test(test_sweep_meets_debounce),
		cmocka_unit_test(test_role_pace),
		cmocka_unit_test(test_role_pace_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
