/* SPDX-License-Identifier: Apache-2.0
 * What servers answer, or do not, and what the publisher makes of it. */
#include "support/publish_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

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

static void
come_up(struct stage *s)
{
	stage_set_server(s, 0, true);
}

static bool
was_pinged_since(struct stage *s, const void *ctx)
{
	(void)ctx;
	return stage_pushed(s) > 0 && stage_push(s, 0).pinged_at > 0;
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
	/* no lookup is over before, so no proof waits for a round */
	stage_set_mute(s, 0, true);
	stage_set_mute(s, 1, true);
	stage_set_patient(s);
	stage_set_connections(s, account, 3);
	/* not only with the next round, a second after the last one */
	assert_true(stage_eventually(s, was_pinged_since, NULL));
	assert_true(stage_push(s, 0).pinged_at - stage_push(s, 0).at < 900);
	stage_set_mute(s, 0, false);
	stage_set_mute(s, 1, false);
	stage_set_flag(s, &s->bus.patient, false);
	stage_expire(s);
	stage_assert_converges(s);
	struct publisher_status status;
	publisher_status(s->publisher, &status);
	assert_int_equal(status.roster.len, 2);
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

static int
set_up_still(void **state)
{
	return stage_set_up_still(state, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, stage_set_up, stage_tear_down)
#define STILL_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up_still, stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answers),
		TEST(test_silent_system),
		STILL_TEST(test_unknown_server_answers),
		TEST(test_reconnect_during_lookup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
