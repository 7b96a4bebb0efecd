/* SPDX-License-Identifier: Apache-2.0
 * The publisher under strain: requests that hang, places that are taken, a database that
 * takes no writes, more news than it can keep. */
#include "base/str.h"
#include "publish/state.h"
#include "support/other_hands.h"
#include "support/publish_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { PLACES = 4, HOUR_MS = 3600 * 1000 };

/* Nothing is found by a pass that nobody asked for, and few places are soon taken. */
static int
set_up(void **state)
{
	stage_sweep_pause_ms = HOUR_MS;
	stage_in_flight_max = PLACES;
	int rc = stage_set_up(state);
	stage_sweep_pause_ms = 0;
	stage_in_flight_max = 0;
	return rc;
}

static bool
were_updates(struct stage *s, const void *ctx)
{
	return stage_updates(s, 0) >= *(const unsigned *)ctx;
}

static bool
were_lookups(struct stage *s, const void *ctx)
{
	return stage_lookups(s, 0) >= *(const unsigned *)ctx;
}

/* The first server comes to be asked so often to store something. */
static void
assert_updates(struct stage *s, unsigned n)
{
	if (!stage_eventually(s, were_updates, &n)) {
		fail_msg("%u of %u pushes", stage_updates(s, 0), n);
	}
	assert_int_equal(stage_updates(s, 0), n);
}

static void
assert_lookups(struct stage *s, unsigned n)
{
	if (!stage_eventually(s, were_lookups, &n)) {
		fail_msg("%u of %u lookups", stage_lookups(s, 0), n);
	}
}

static void
set_hung(struct stage *s, int server, bool hung)
{
	pthread_mutex_lock(&s->bus.lock);
	s->bus.servers[server].answer = hung ? SILENT : STORES;
	s->bus.servers[server].hangs = hung;
	pthread_mutex_unlock(&s->bus.lock);
}

static void
make_accounts(struct stage *s, char accounts[][RAND_ID_SIZE], int n)
{
	stage_converge(s, 1, n, accounts);
}

/* The push at this place in the order was one of the account. */
static void
assert_pushed(struct stage *s, size_t at, const char *account)
{
	char key[NKEY_TEXT_SIZE];
	stage_key(s, account, key);
	assert_true(stage_pushed(s) > at);
	assert_string_equal(stage_push(s, at).key, key);
}

/* ---- what is urgent ---- */

/* A server that answers nobody keeps the others from nothing: what is urgent gives the
 * try before up, and goes out with the newest bytes. */
static void
test_own_try_hangs(void **state)
{
	struct stage *s = *state;
	char account[1][RAND_ID_SIZE];
	stage_set_server(s, 1, true);
	make_accounts(s, account, 1);
	unsigned pushes = stage_updates(s, 0);
	unsigned looks = stage_lookups(s, 0);
	set_hung(s, 1, true);
	stage_describe(s, account[0], "that hangs");
	assert_updates(s, pushes + 1);
	stage_set_connections(s, account[0], 7);
	assert_updates(s, pushes + 2);
	/* nor is the next one kept by that */
	set_hung(s, 1, false);
	stage_set_connections(s, account[0], 8);
	stage_assert_converges(s);
	stage_assert_holds_newest(s, account[0]);
	assert_int_equal(stage_updates(s, 0), pushes + 3);
	/* once for the proof, and once more: what was given up may have come later */
	assert_int_equal(stage_lookups(s, 0), looks + 2);
}

/* What is not urgent waits for its account's try, however long. */
static void
test_only_urgent_hurries(void **state)
{
	struct stage *s = *state;
	char account[2][RAND_ID_SIZE];
	make_accounts(s, account, 2);
	unsigned pushes = stage_updates(s, 0);
	set_hung(s, 0, true);
	stage_describe(s, account[0], "that hangs");
	assert_updates(s, pushes + 1);
	stage_describe(s, account[0], "that waits");
	stage_pass(s, 5000);
	/* by the time that this one was pushed twice, that one would have been */
	stage_set_connections(s, account[1], 7);
	assert_updates(s, pushes + 2);
	stage_set_connections(s, account[1], 8);
	assert_updates(s, pushes + 3);
	assert_pushed(s, stage_pushed(s) - 1, account[1]);
	set_hung(s, 0, false);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
}

/* Others' requests that hang do not hold all places. */
static void
test_places(void **state)
{
	enum { URGENT = 2 };
	struct stage *s = *state;
	char accounts[PLACES + 1 + URGENT][RAND_ID_SIZE];
	make_accounts(s, accounts, PLACES + 1 + URGENT);
	unsigned pushes = stage_updates(s, 0);
	set_hung(s, 0, true);
	for (int i = 0; i < PLACES + 1; i++) {
		stage_describe(s, accounts[i], "that hangs");
	}
	assert_updates(s, pushes + PLACES);
	for (unsigned i = 1; i <= URGENT; i++) {
		stage_set_connections(s, accounts[PLACES + i], 7);
		assert_updates(s, pushes + PLACES + i);
		assert_pushed(s, stage_pushed(s) - 1, accounts[PLACES + i]);
	}
	set_hung(s, 0, false);
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
}

static void
test_order(void **state)
{
	struct stage *s = *state;
	char accounts[4][RAND_ID_SIZE];
	make_accounts(s, accounts, 4);
	stage_say(s, BUS_EVENT_DOWN);
	assert_true(stage_eventually(s, stage_is_quiet, NULL));
	size_t at = stage_pushed(s);
	stage_describe(s, accounts[2], "first");
	stage_describe(s, accounts[0], "second");
	stage_describe(s, accounts[1], "third");
	stage_set_connections(s, accounts[3], 7);
	stage_pass(s, 5000); /* no debounce is left */
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
	assert_int_equal(stage_pushed(s), at + 4);
	assert_pushed(s, at, accounts[3]);
	assert_pushed(s, at + 1, accounts[2]);
	assert_pushed(s, at + 2, accounts[0]);
	assert_pushed(s, at + 3, accounts[1]);
}

static int64_t
read_now(void *ctx)
{
	return *(const int64_t *)ctx;
}

/* Which tries are given up, and when. */
static void
test_hurry(void **state)
{
	static const struct {
		enum job_phase phase;
		bool pushed;
		unsigned failures;
		enum want want;
		bool hurries;
		bool unsure;
	} cases[] = {
		{ JOB_PUSHING, true, 0, WANT_NOW, true, true },
		{ JOB_PUSHING, true, 3, WANT_NOW, true, true },
		{ JOB_PUSHING, true, 0, WANT_SOON, false, false },
		{ JOB_LOOKING, true, 0, WANT_NOW, true, false }, /* the proof */
		{ JOB_LOOKING, true, 0, WANT_PACED, false, false },
		{ JOB_LOOKING, false, 0, WANT_NOW, false, false },
		{ JOB_LOOKING, false, 2, WANT_NOW, true, false }, /* a patient one */
	};
	enum { CASES = sizeof(cases) / sizeof(cases[0]) };
	int64_t now = 100000;
	const struct clock clock = { .mono = read_now, .ctx = &now };
	struct publisher p = { .params = { .clock = &clock } };
	(void)state;
	jobs_init(&p.jobs);
	assert_int_equal(publish_hurry_due(&p), INT64_MAX);
	for (int i = 0; i < CASES; i++) {
		struct job *job = jobs_add(&p.jobs, i, false);
		assert_non_null(job);
		assert_int_equal(
			jobs_activate(&p.jobs, job, cases[i].phase, (uint64_t)i + 1), 0);
		job->sent_at = now;
		job->pushed = cases[i].pushed;
		job->failures = cases[i].failures;
		publish_want(&p, i, cases[i].want);
		assert_int_equal(job->phase, cases[i].phase);
	}
	assert_int_equal(publish_hurry_due(&p), now + 500);
	now += 499;
	publish_hurry(&p);
	assert_int_equal(p.jobs.active_len, CASES);
	now += 1;
	publish_hurry(&p);
	for (int i = 0; i < CASES; i++) {
		const struct job *job = jobs_find(&p.jobs, i);
		assert_int_equal(
			job->phase, cases[i].hurries ? JOB_READY : cases[i].phase);
		assert_int_equal(job->unsure_until, cases[i].unsure ? now + 1000 : 0);
		assert_int_equal(job->urgent, cases[i].want == WANT_NOW);
		if (cases[i].hurries) {
			assert_int_equal(job->again, WANT_NOTHING);
			assert_int_equal(job->failures, 0);
		}
	}
	assert_int_equal(publish_hurry_due(&p), INT64_MAX);
	jobs_release(&p.jobs);
}

/* ---- a database that takes no writes ---- */

/* As a full disk does, but only for what is recorded of servers. */
static void
set_full(struct stage *s, bool full)
{
	temp_store_exec(&s->t.temp,
		full ? "CREATE TRIGGER full BEFORE INSERT ON account_servers BEGIN "
		       "SELECT RAISE(ABORT, 'the disk is full'); END"
		     : "DROP TRIGGER full");
}

/* News of nothing: the publisher looks at the clock. */
static void
wake(struct stage *s)
{
	stage_announce(s, 0);
}

static bool
has_stepped(struct stage *s, const void *ctx)
{
	return stage_looks(s) > *(const unsigned *)ctx;
}

static void
step(struct stage *s)
{
	unsigned before = stage_looks(s);
	wake(s);
	assert_true(stage_eventually(s, has_stepped, &before));
}

static void
pass_a_second(struct stage *s)
{
	unsigned looks = stage_lookups(s, 0);
	stage_pass(s, 1000);
	wake(s);
	assert_lookups(s, looks + 1);
	for (int i = 0; i < 5; i++) { /* whatever else goes on in it */
		step(s);
	}
}

/* What cannot be recorded is pushed once, and looked at once a second until it can. */
static void
test_unwritable(void **state)
{
	enum { SECONDS = 20 };
	struct stage *s = *state;
	char account[1][RAND_ID_SIZE];
	make_accounts(s, account, 1);
	unsigned pushes = stage_updates(s, 0);
	unsigned looks = stage_lookups(s, 0);
	int64_t start = clock_mono_ms(&s->clock);
	set_full(s, true);
	stage_set_connections(s, account[0], 7);
	assert_updates(s, pushes + 1);
	for (int i = 0; i < SECONDS; i++) {
		pass_a_second(s);
	}
	unsigned seconds = (unsigned)((clock_mono_ms(&s->clock) - start) / 1000) + 1;
	assert_in_range(stage_lookups(s, 0) - looks, SECONDS, 1 + seconds);
	assert_int_equal(stage_updates(s, 0), pushes + 1);
	assert_int_equal(stage_open_accounts(s), 1);
	/* what is urgent is not kept by that */
	stage_set_connections(s, account[0], 8);
	assert_updates(s, pushes + 2);
	set_full(s, false);
	stage_assert_converges(s);
	assert_int_equal(stage_updates(s, 0), pushes + 2);
	ASSERT_SOON(s, "SELECT count(*) = 0 FROM unconfirmed");
}

/* Servers that were started hold all of it: nothing is open, and it is recorded all the
 * same. */
static void
test_unrecorded(void **state)
{
	enum { ACCOUNTS = 8 };
	struct stage *s = *state;
	char accounts[ACCOUNTS][RAND_ID_SIZE];
	make_accounts(s, accounts, ACCOUNTS);
	unsigned pushes = stage_updates(s, 0);
	unsigned looks = stage_lookups(s, 0);
	set_full(s, true);
	stage_restart_server(s, 0);
	stage_say(s, BUS_EVENT_UP);
	/* each was looked at, so some were in vain */
	assert_lookups(s, looks + ACCOUNTS + 1 + PLACES);
	set_full(s, false);
	ASSERT_SOON(s, "SELECT count(*) = 0 FROM unconfirmed");
	assert_int_equal(stage_updates(s, 0), pushes);
}

/* ---- more news than can be kept ---- */

/* It comes while the publisher is busy. */
static void
flood(struct stage *s)
{
	enum { LEN = 1024 * 1024 };
	char *subject = malloc(LEN + 1);
	assert_non_null(subject);
	memset(subject, 'N', LEN);
	memcpy(subject, "$SYS.SERVER.", strlen("$SYS.SERVER."));
	subject[LEN] = '\0';
	for (int i = 0; i <= INBOX_HEARD_MAX / LEN; i++) {
		fake_bus_hear(&s->bus, subject, "");
	}
	free(subject);
	other_hands_push(s, 0, s->jwt);
}

/* There was none in the bus. */
static void
test_dropped(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge(s, 1, 1, &account);
	char *old = stage_replace_jwt(s, account);
	other_hands_store(s, 0, old);
	stage_say(s, BUS_EVENT_DROPPED);
	stage_assert_holds_newest(s, account);
	free(old);
}

/* Nor need it have arrived at the servers by then. */
static void
test_dropped_and_slow(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	stage_converge(s, 1, 1, &account);
	char *old = stage_replace_jwt(s, account);
	unsigned looks = stage_lookups(s, 0);
	stage_say(s, BUS_EVENT_DROPPED);
	assert_lookups(s, looks + 2);
	other_hands_store(s, 0, old);
	stage_pass(s, 1000);
	stage_wake(s);
	stage_assert_holds_newest(s, account);
	free(old);
}

/* The push of another hand that there was no room for is found all the same. */
static void
test_flood(void **state)
{
	struct stage *s = *state;
	char accounts[2][RAND_ID_SIZE];
	make_accounts(s, accounts, 2);
	char *old = stage_replace_jwt(s, accounts[1]);
	s->jwt = old;
	stage_on_push(s, flood);
	unsigned pushes = stage_updates(s, 0);
	stage_set_connections(s, accounts[0], 7);
	ASSERT_SOON(s, "SELECT count(*) FROM drift WHERE repaired_at > 0");
	stage_assert_holds_newest(s, accounts[1]);
	assert_int_equal(stage_updates(s, 0), pushes + 2);
	free(old);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_own_try_hangs),
		TEST(test_only_urgent_hurries),
		TEST(test_places),
		TEST(test_order),
		cmocka_unit_test(test_hurry),
		TEST(test_unwritable),
		TEST(test_unrecorded),
		TEST(test_dropped),
		TEST(test_dropped_and_slow),
		TEST(test_flood),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
