/* SPDX-License-Identifier: Apache-2.0
 * The publisher brings all servers to the newest state. */
#include "base/str.h"
#include "store/publish.h"
#include "support/publish_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

enum { PACE = 5, MANY = 20 };

/* ---- what it does ---- */

static void
test_converges(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	temp_make_account(&s->t, "before", account);
	stage_set_server(s, 1, true);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
	temp_make_account(&s->t, "after", account);
	stage_assert_converges(s);
	unsigned before = stage_updates(s, 0);
	stage_set_connections(s, account, 5);
	stage_assert_converges(s);
	assert_int_equal(stage_updates(s, 0), before + 1);
	struct publisher_status status;
	publisher_status(s->publisher, &status);
	assert_int_equal(status.roster.len, 2);
	assert_int_equal(status.pushed, before + 1);
	/* suspended and deleted: tombstones are pushed the same way */
	struct account row = { .active = false };
	temp_change_ok(&s->t, &account_collection, account, &row, "active");
	stage_assert_converges(s);
	temp_service_advance(&s->t, 5000);
	temp_delete_ok(&s->t, &account_collection, account);
	stage_assert_converges(s);
}

static void
test_nothing_while_down(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	temp_make_account(&s->t, "one", account);
	struct account row = { .active = false };
	temp_change_ok(&s->t, &account_collection, account, &row, "active");
	assert_int_equal(stage_updates(s, 0), 0);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
	/* requests that fail although it was told to be up */
	stage_set_flag(s, &s->bus.down, true);
	stage_set_connections(s, account, 1);
	stage_say(s, BUS_EVENT_DOWN);
	stage_set_connections(s, account, 2);
	stage_set_flag(s, &s->bus.down, false);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
}

static void
test_equal_claims_push_nothing(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge(s, 1, 1, &account);
	unsigned before = stage_updates(s, 0);
	/* one transaction each, one debounce: by the time it is minted they are equal */
	temp_store_exec(
		&s->t.temp, "UPDATE account_publish SET generation = generation + 1");
	stage_set_connections(s, account, -1); /* unchanged: writes nothing */
	stage_say(s, BUS_EVENT_UP);
	assert_true(stage_eventually(s, stage_is_quiet, NULL));
	assert_int_equal(stage_updates(s, 0), before);
}

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

/* Whatever a server says but "stored" is shown, and tried again. */
static void
test_answers(void **state)
{
	static const struct {
		enum answer answer;
		const char *shown;
		bool again; /* within the time of a test */
	} cases[] = {
		{ SILENT, "state = 'partial' AND message = 'no answer from s1'", true },
		{ SKIPS, "state = 'partial' AND message = 's1: jwt update cache skipped'",
			true },
		{ FAILS, "state = 'partial' AND message = 's1: disk trouble'", true },
		{ LIES, "state = 'partial' AND message LIKE '1 of 2 servers show%'",
			true },
		{ REFUSES,
			"state = 'refused' AND message = 's1: jwt validation failed - x'",
			false },
	};
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge(s, 2, 1, &account);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		stage_set_answer(s, 1, cases[i].answer);
		stage_set_connections(s, account, (int64_t)i);
		if (!stage_eventually(s, stage_has_state, cases[i].shown)) {
			fail_msg("never shown: %s", cases[i].shown);
		}
		assert_true(stage_has_state(s, "attempts > 0"));
		stage_set_answer(s, 1, STORES);
		/* each try after a lie is a JWT of its own second */
		temp_service_advance(&s->t, 10000);
		if (!cases[i].again) {
			stage_set_connections(
				s, account, 1000); /* a new change is tried at once */
		}
		stage_assert_converges(s);
		assert_int_equal(stage_ask(s,
					 "SELECT count(*) FROM account_publish WHERE "
					 "message <> ''"),
			0);
	}
}

static void
test_silent_system(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge(s, 1, 1, &account);
	stage_set_answer(s, 0, SILENT);
	stage_set_connections(s, account, 3);
	assert_true(stage_eventually(s, stage_has_state,
		"state = 'pending' AND message = 'no server answered the push'"));
	stage_set_answer(s, 0, STORES);
	stage_assert_converges(s);
}

/* A server that is new to the round gets all that it lacks; what it holds is not pushed.
 */
static void
test_new_server(void **state)
{
	struct stage *s = *state;
	char accounts[MANY][RAND_ID_SIZE];
	stage_converge(s, 1, MANY, accounts);
	stage_set_server(s, 1, true);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
	assert_int_equal(stage_updates(s, 1), MANY + 1);
	/* all is there: looked up, not pushed */
	unsigned before = stage_updates(s, 0);
	stage_say(s, BUS_EVENT_DOWN);
	stage_say(s, BUS_EVENT_UP);
	assert_true(stage_eventually(s, stage_is_quiet, NULL));
	stage_assert_converges(s);
	assert_int_equal(stage_updates(s, 0), before);
	/* restarted, and empty */
	stage_wipe_server(s, 0);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
	assert_true(stage_updates(s, 0) >= before + MANY + 1);
}

static void
come_up(struct stage *s)
{
	stage_set_server(s, 0, true);
}

/* A server that answers the push and was not in the round: the round is asked for anew.
 */
static void
test_unknown_server_answers(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	char other[RAND_ID_SIZE];
	temp_make_account(&s->t, "one", account);
	temp_make_account(&s->t, "two", other);
	stage_set_server(s, 0, false);
	stage_set_server(s, 1, true);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
	stage_on_push(s, come_up);
	stage_set_connections(s, account, 3);
	stage_assert_converges(s);
	struct publisher_status status;
	publisher_status(s->publisher, &status);
	assert_int_equal(status.roster.len, 2);
	/* not only with the next round, a second after the last one */
	assert_true(stage_push(s, 0).pinged_at > 0);
	assert_true(stage_push(s, 0).pinged_at - stage_push(s, 0).at < 900);
}

static void
change_under_way(struct stage *s)
{
	stage_set_connections(s, s->account, 77);
}

/* What changes while its push is out is pushed too. */
static void
test_change_during_push(void **state)
{
	struct stage *s = *state;
	temp_make_account(&s->t, "one", s->account);
	const char *account = s->account;
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
	stage_on_push(s, change_under_way);
	stage_set_connections(s, account, 5);
	stage_assert_converges(s);
	assert_int_equal(
		temp_ask(&s->t, "SELECT max_connections FROM accounts WHERE id = '%s'",
			account),
		77);
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

struct writers {
	struct stage *stage;
	char accounts[8][RAND_ID_SIZE];
	int next;
};

static void *
write_many(void *ctx)
{
	struct writers *writers = ctx;
	int number = __atomic_fetch_add(&writers->next, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 30; i++) {
		stage_set_connections(
			writers->stage, writers->accounts[(number + i) % 8], i);
	}
	return NULL;
}

/* Changes that come while others are under way, and servers that come and go. */
static void
test_storm(void **state)
{
	struct stage *s = *state;
	struct writers writers = { .stage = s };
	pthread_t threads[4];
	stage_make_accounts(s, 8, writers.accounts);
	stage_say(s, BUS_EVENT_UP);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(
			pthread_create(&threads[i], NULL, write_many, &writers), 0);
	}
	for (int i = 0; i < 10; i++) {
		stage_set_server(s, 1 + i % 2, i % 3 != 0);
		stage_set_answer(s, i % 3, i % 4 == 0 ? FAILS : STORES);
		stage_wipe_server(s, 2);
		stage_say(s, i % 2 == 0 ? BUS_EVENT_DOWN : BUS_EVENT_UP);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
	}
	for (int i = 0; i < SERVERS_MAX; i++) {
		stage_set_answer(s, i, STORES);
	}
	temp_service_advance(
		&s->t, 60000); /* none may wait for a clock that stands still */
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
}

/* The connection is a new one before the answers are read: they are counted by a new
 * round, or not at all. */
static void
test_reconnect_during_lookup(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge(s, 2, 1, &account);
	temp_store_exec(&s->t.temp,
		"CREATE TABLE proofs (generation INTEGER);"
		"CREATE TRIGGER proof AFTER UPDATE OF proven_generation ON "
		"account_publish "
		"WHEN new.proven_generation > old.proven_generation BEGIN "
		"INSERT INTO proofs VALUES (new.proven_generation); END");
	stage_set_answer(s, 1, LIES);
	stage_set_flag(s, &s->bus.flap, true);
	stage_set_connections(s, account, 5);
	assert_true(stage_eventually(s, stage_has_state,
		"state = 'partial' AND message LIKE '1 of 2 servers%'"));
	assert_int_equal(stage_ask(s, "SELECT count(*) FROM proofs"), 0);
	stage_set_answer(s, 1, STORES);
	stage_assert_converges(s);
	assert_int_equal(stage_ask(s, "SELECT count(*) FROM proofs"), 1);
}

static void
test_held(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge(s, 1, 1, &account);
	temp_store_exec(
		&s->t.temp, "UPDATE account_publish SET last_iat = last_iat + 100000");
	stage_set_connections(s, account, 5);
	assert_true(stage_eventually(
		s, stage_has_state, "state = 'held' AND message LIKE '%Set the clock%'"));
	assert_int_equal(
		stage_ask(s, "SELECT count(*) FROM account_publish WHERE state = 'held'"),
		1);
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
	stage_set_up_with(&own, 20, PACE);
	struct stage *s = own;
	make_users_of_a_role(s, role, accounts);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
	set_role_payload(s, role, 1000);
	stage_assert_converges(s); /* it narrowed: urgent */

	size_t before = stage_pushed(s);
	int64_t start = clock_mono_ms(&clock_system);
	set_role_payload(s, role, 2000);
	temp_change_ok(
		&s->t, &account_collection, accounts[MANY - 1], &suspended, "active");
	stage_set_connections(s, accounts[MANY - 2], 7);
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

/* The news of a change may be late, the look at the database is not: paced accounts stay
 * paced whatever else finds them open. A narrowing takes all of them out. */
static void
test_role_pace_ends(void **state)
{
	void *own = NULL;
	char role[RAND_ID_SIZE];
	char accounts[MANY][RAND_ID_SIZE];
	(void)state;
	stage_set_up_with(&own, 20, 1);
	struct stage *s = own;
	make_users_of_a_role(s, role, accounts);
	stage_say(s, BUS_EVENT_UP);
	set_role_payload(s, role, 500);
	stage_assert_converges(s);
	int64_t start = clock_mono_ms(&clock_system);
	size_t before = stage_pushed(s);
	set_role_payload(s, role, 2000);
	set_role_payload(s, role, 3000);
	stage_say(s, BUS_EVENT_DOWN);
	stage_say(s, BUS_EVENT_UP);
	struct pushes four = { .stage = s, .wanted = before + 4 };
	assert_true(temp_signal_wait(&s->bus.update, were_pushed, &four, DEADLINE_MS));
	assert_true(stage_push(s, before + 3).at - start >= 3000);
	assert_true(stage_open_accounts(s) > 0);
	set_role_payload(s, role, 1000);
	int64_t narrowed = clock_mono_ms(&clock_system);
	stage_assert_converges(s);
	assert_true(clock_mono_ms(&clock_system) - narrowed < 10000);
	stage_tear_down(&own);
}

static int
bump_beside(struct store_tx *tx, void *ctx, struct err *err)
{
	const int64_t *account = ctx;
	return store_publish_bump(tx, *account, false, err);
}

/* As a command beside the daemon does: nobody tells the publisher. */
static void
change_beside(struct stage *s, const char *account, const char *set)
{
	struct err err = { 0 };
	struct store *beside = NULL;
	char sql[256];
	int64_t seq = temp_account_seq(&s->t, account);
	temp_service_advance(&s->t, 5000);
	assert_int_equal(str_fmt(sql, sizeof(sql),
				 "UPDATE accounts SET %s WHERE id = '%s'", set, account),
		0);
	temp_store_exec(&s->t.temp, sql);
	assert_int_equal(store_open(&s->t.temp.params, false, &beside, &err), 0);
	assert_int_equal(store_write(beside, bump_beside, &seq, &err), 0);
	store_close(beside);
}

static bool
has_one_open(struct stage *s, const void *ctx)
{
	(void)ctx;
	return stage_open_accounts(s) == 1;
}

static bool
has_looked(struct stage *s, const void *ctx)
{
	const unsigned *looks = ctx;
	return stage_looks(s) >= *looks;
}

static void
test_written_beside(void **state)
{
	struct stage *s = *state;
	char refused[RAND_ID_SIZE];
	char account[RAND_ID_SIZE];
	temp_make_account(&s->t, "refused", refused);
	stage_converge(s, 1, 1, &account);
	for (int i = 0; i < 2; i++) {
		unsigned before = stage_updates(s, 0);
		change_beside(s, account,
			i == 0 ? "max_connections = 7" : "max_connections = 8");
		stage_assert_converges(s);
		assert_int_equal(stage_updates(s, 0), before + 1);
	}
	/* what is refused waits for long, however often it is seen open meanwhile, and
	 * hinders no other */
	stage_set_answer(s, 0, REFUSES);
	stage_set_connections(s, refused, 5);
	assert_true(stage_eventually(s, stage_has_state, "state = 'refused'"));
	stage_set_answer(s, 0, STORES);
	unsigned before = stage_updates(s, 0);
	change_beside(s, account, "max_connections = 9");
	assert_true(stage_eventually(s, has_one_open, NULL));
	assert_int_equal(stage_updates(s, 0), before + 1);
	/* and nothing is done in between: a few looks at the clock each second */
	unsigned looks = stage_looks(s) + 20;
	int64_t start = clock_mono_ms(&clock_system);
	assert_true(stage_eventually(s, has_looked, &looks));
	assert_true(clock_mono_ms(&clock_system) - start >= 1000);
	assert_int_equal(stage_updates(s, 0), before + 1);
}

static void
test_stop(void **state)
{
	struct err err = { 0 };
	struct publisher *publisher = NULL;
	struct stage *s = *state;
	struct publisher_params params = {
		.store = s->t.temp.store, .service = s->t.service, .clock = &s->clock
	};
	assert_int_equal(publisher_new(&params, &publisher, &err), 0);
	publisher_stop(publisher); /* never started */
	publisher_free(publisher);
	publisher_free(NULL);
	publisher_stop(s->publisher);
	publisher_stop(s->publisher);
	stage_say(s, BUS_EVENT_UP); /* late news do no harm */
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, stage_set_up, stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_converges),
		TEST(test_nothing_while_down),
		TEST(test_equal_claims_push_nothing),
		cmocka_unit_test(test_debounce),
		TEST(test_answers),
		TEST(test_silent_system),
		TEST(test_new_server),
		TEST(test_unknown_server_answers),
		cmocka_unit_test(test_sweep_meets_debounce),
		TEST(test_storm),
		TEST(test_change_during_push),
		TEST(test_reconnect_during_lookup),
		TEST(test_held),
		cmocka_unit_test(test_role_pace),
		cmocka_unit_test(test_role_pace_ends),
		TEST(test_written_beside),
		TEST(test_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
