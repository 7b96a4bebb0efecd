/* SPDX-License-Identifier: Apache-2.0
 * The publisher brings all servers to the newest state. */
#include "base/str.h"
#include "store/publish.h"
#include "support/no_memory.h"
#include "support/publish_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { MANY = 20 };

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

static bool
has_nobody(struct stage *s, const void *ctx)
{
	struct publisher_status status;
	(void)ctx;
	publisher_status(s->publisher, &status);
	return status.roster.len == 0;
}

/* Others read in the database that there is no connection: the news of that is written
 * down as soon as the database takes it, though nothing else happens. */
static void
test_standing_is_written_later(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge(s, 1, 1, &account);
	ASSERT_SOON(s, "SELECT count(*) FROM standing WHERE connected = 1");
	temp_store_exec(&s->t.temp,
		"CREATE TRIGGER full BEFORE UPDATE ON standing BEGIN SELECT "
		"RAISE(ABORT, 'the disk is full'); END");
	stage_say(s, BUS_EVENT_DOWN);
	assert_true(stage_eventually(s, has_nobody, NULL)); /* told after the try */
	temp_store_exec(&s->t.temp, "DROP TRIGGER full");
	ASSERT_SOON(s, "SELECT count(*) FROM standing WHERE connected = 0");
}

static void
lose_news_of_connection(struct stage *s)
{
	stage_say(s, BUS_EVENT_DOWN);
	pthread_mutex_lock(&s->bus.lock);
	struct bus_event up = no_memory_event(BUS_EVENT_UP, ++s->bus.epoch, 0);
	pthread_mutex_unlock(&s->bus.lock);
	publisher_on_bus(s->publisher, &up);
}

/* What there was memory for is older than what is asked then. */
static void
test_lost_news_of_connection(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge(s, 1, 1, &account);
	stage_on_push(s, lose_news_of_connection);
	stage_set_connections(s, account, 5);
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
		TEST(test_standing_is_written_later),
		TEST(test_lost_news_of_connection),
		TEST(test_equal_claims_push_nothing),
		TEST(test_new_server),
		TEST(test_storm),
		TEST(test_change_during_push),
		TEST(test_held),
		TEST(test_written_beside),
		TEST(test_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
