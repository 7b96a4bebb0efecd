/* SPDX-License-Identifier: Apache-2.0
 * Waiting until servers hold what a write wants. */
#include "base/str.h"
#include "service/internal.h"
#include "service/touched.h"
#include "store/proof.h"
#include "store/publish.h"
#include "store/server.h"
#include "store/standing.h"
#include "support/temp_service.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SOON_MS = 5000, LONG_S = 60 };

/* ---- a service that hears of commits ----------------------------------------------- */

static void
ok(int rc, const struct err *err)
{
	if (rc != 0) {
		fail_msg("%s (%s)", err->msg, err->detail);
	}
}

static void
on_commit(void *ctx, const struct store_change *changes, size_t n)
{
	const struct temp_service *t = ctx;
	(void)changes; /* whatever they are */
	(void)n;
	service_on_commit(t->service);
}

static int
set_up(void **state)
{
	int rc = temp_service_set_up(state);
	struct temp_service *t = *state;
	store_on_commit(t->temp.store, on_commit, t);
	return rc;
}

static struct actor
asking_actor(struct touched *touched)
{
	struct actor actor = temp_superuser_actor;
	actor.touched = touched;
	return actor;
}

static void
change_account(struct temp_service *t, const char *id, int64_t max_connections,
	struct touched *touched, struct preview *preview)
{
	struct err err = { 0 };
	struct violations violations = { 0 };
	struct actor actor = asking_actor(touched);
	struct account row = { .max_connections = max_connections };
	struct record_change change = { .collection = &account_collection,
		.row = &row,
		.present = collection_field_bit(&account_collection, "max_connections"),
		.preview = preview };
	ok(service_record_update(
		   t->service, &actor, id, &change, NULL, &violations, &err),
		&err);
}

/* ---- servers ----------------------------------------------------------------------- */

struct step {
	int (*fn)(struct store_tx *tx, const struct step *step, struct err *err);
	const char *name;
	int64_t account;
	int64_t generation;
	const char *words;
};

static int
run_step(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct step *step = ctx;
	return step->fn(tx, step, err);
}

static void
write_ok(struct temp_service *t, struct step step)
{
	struct err err = { 0 };
	ok(store_write(t->temp.store, run_step, &step, &err), &err);
}

/* Servers are told apart by their only letter; their seq is its place in the alphabet. */
static int64_t
seq_of(const char *name)
{
	return name[0] - 'a' + 1;
}

static int
meet(struct store_tx *tx, const struct step *step, struct err *err)
{
	struct store_server_seen seen = { "", step->name, step->words, "2.11.0" };
	int64_t seq = 0;
	int64_t incarnation = 0;
	int rc = store_server_seen(tx, &seen, &seq, &incarnation, err);
	assert_int_equal(seq, seq_of(step->name));
	return rc;
}

static void
meet_a_and_b(struct temp_service *t)
{
	write_ok(t, (struct step){ meet, "a", .words = "N1" });
	write_ok(t, (struct step){ meet, "b", .words = "N2" });
}

static int
miss(struct store_tx *tx, const struct step *step, struct err *err)
{
	return store_server_missing(tx, seq_of(step->name), err);
}

static int
hold(struct store_tx *tx, const struct step *step, struct err *err)
{
	return store_account_server_holds(
		tx, step->account, seq_of(step->name), 1, step->generation, err);
}

static int
refuse(struct store_tx *tx, const struct step *step, struct err *err)
{
	return store_account_server_failed(
		tx, step->account, seq_of(step->name), step->words, err);
}

static int
prove(struct store_tx *tx, const struct step *step, struct err *err)
{
	return store_publish_proven(tx, step->account, step->generation, err);
}

static int
note(struct store_tx *tx, const struct step *step, struct err *err)
{
	return store_publish_note(tx, step->account, step->generation, STORE_PUBLISH_HELD,
		step->words, true, err);
}

static int
put_off(struct store_tx *tx, const struct step *step, struct err *err)
{
	return store_publish_note(tx, step->account, step->generation,
		STORE_PUBLISH_PENDING, step->words, true, err);
}

/* ---- waiting in a thread ----------------------------------------------------------- */

struct waiter {
	struct temp_service *t;
	struct touched touched;
	int64_t seconds;
	struct proof_wait result;
	int64_t took_ms;
	pthread_t thread;
	bool done;
};

static void *
wait_main(void *ctx)
{
	struct waiter *waiter = ctx;
	int64_t since = clock_mono_ms(&clock_system);
	service_wait_proven(
		waiter->t->service, &waiter->touched, waiter->seconds, &waiter->result);
	waiter->took_ms = clock_mono_ms(&clock_system) - since;
	__atomic_store_n(&waiter->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void
wait_begin(struct temp_service *t, struct waiter *waiter, int64_t seconds)
{
	waiter->t = t;
	waiter->seconds = seconds;
	waiter->done = false;
	assert_int_equal(pthread_create(&waiter->thread, NULL, wait_main, waiter), 0);
}

static void
wait_end(struct waiter *waiter)
{
	assert_int_equal(pthread_join(waiter->thread, NULL), 0);
}

static bool
is_done(struct waiter *waiter)
{
	return __atomic_load_n(&waiter->done, __ATOMIC_ACQUIRE);
}

/* What a wait of no more than a second says in the end. */
static void
assert_unproven(
	struct temp_service *t, const struct touched *touched, const char *expected)
{
	struct proof_wait wait;
	service_wait_proven(t->service, touched, 1, &wait);
	assert_true(wait.waited);
	assert_string_equal(wait.unproven, expected);
}

/* ---- tests ------------------------------------------------------------------------- */

static void
test_writes_tell_what_they_want(void **state)
{
	struct temp_service *t = *state;
	struct preview preview = { 0 };
	struct touched touched = { 0 };
	char id[RAND_ID_SIZE];
	temp_make_account(t, "acme", id);
	change_account(t, id, 5, &touched, NULL);
	assert_int_equal(touched.len, 1);
	assert_int_equal(touched.items[0].account, temp_account_seq(t, id));
	assert_int_equal(touched.items[0].generation, 2);
	/* what changes nothing wants nothing, nor does what is only asked for */
	change_account(t, id, 5, &touched, NULL);
	change_account(t, id, 6, &touched, &preview);
	preview_release(&preview);
	assert_int_equal(touched.len, 1);
	struct actor actor = asking_actor(&touched);
	struct err err = { 0 };
	ok(service_record_delete(t->service, &actor, &account_collection, id, &err),
		&err);
	assert_int_equal(touched.len, 2);
	assert_int_equal(touched.items[1].generation, 3);
	touched_release(&touched);
}

static void
test_nothing_to_wait_for(void **state)
{
	struct temp_service *t = *state;
	static const struct touched nothing;
	assert_unproven(t, &nothing, "");
}

static void
test_wait_until_all_hold_it(void **state)
{
	struct temp_service *t = *state;
	struct waiter waiter = { 0 };
	char id[RAND_ID_SIZE];
	int64_t account = temp_make_account(t, "acme", id);
	meet_a_and_b(t);
	change_account(t, id, 5, &waiter.touched, NULL);
	wait_begin(t, &waiter, LONG_S);
	write_ok(t, (struct step){ hold, "a", account, 2, NULL });
	write_ok(t, (struct step){ prove, NULL, account, 2, NULL });
	assert_false(is_done(&waiter)); /* b does not hold it */
	/* a newer wish of somebody else is not waited for */
	change_account(t, id, 7, NULL, NULL);
	write_ok(t, (struct step){ hold, "b", account, 2, NULL });
	wait_end(&waiter);
	assert_true(waiter.result.waited);
	assert_string_equal(waiter.result.unproven, "");
	assert_true(waiter.took_ms < SOON_MS);
	touched_release(&waiter.touched);
}

static void
test_wait_for_each_account(void **state)
{
	struct temp_service *t = *state;
	struct waiter waiter = { 0 };
	char first[RAND_ID_SIZE];
	char second[RAND_ID_SIZE];
	temp_make_account(t, "first", first);
	temp_make_account(t, "second", second);
	change_account(t, first, 5, &waiter.touched, NULL);
	change_account(t, second, 5, &waiter.touched, NULL);
	assert_int_equal(waiter.touched.len, 2);
	wait_begin(t, &waiter, LONG_S);
	write_ok(t, (struct step){ prove, NULL, temp_account_seq(t, second), 2, NULL });
	assert_false(is_done(&waiter));
	write_ok(t, (struct step){ prove, NULL, temp_account_seq(t, first), 2, NULL });
	wait_end(&waiter);
	assert_string_equal(waiter.result.unproven, "");
	assert_true(waiter.took_ms < SOON_MS);
	touched_release(&waiter.touched);
}

static void
test_missing_servers_are_named_and_not_waited_for(void **state)
{
	struct temp_service *t = *state;
	struct touched touched = { 0 };
	char id[RAND_ID_SIZE];
	int64_t account = temp_make_account(t, "acme", id);
	meet_a_and_b(t);
	write_ok(t, (struct step){ miss, "b", 0, 0, NULL });
	change_account(t, id, 5, &touched, NULL);
	write_ok(t, (struct step){ hold, "a", account, 2, NULL });
	write_ok(t, (struct step){ prove, NULL, account, 2, NULL });
	struct proof_wait wait;
	int64_t since = clock_mono_ms(&clock_system);
	service_wait_proven(t->service, &touched, LONG_S, &wait);
	assert_true(clock_mono_ms(&clock_system) - since < SOON_MS);
	assert_string_equal(wait.unproven, "b: does not answer");
	temp_store_exec(&t->temp, "UPDATE servers SET absent = 1 WHERE name = 'b'");
	assert_unproven(t, &touched, "");
	touched_release(&touched);
}

static void
test_what_is_missing_is_told(void **state)
{
	struct temp_service *t = *state;
	struct touched touched = { 0 };
	char id[RAND_ID_SIZE];
	int64_t account = temp_make_account(t, "acme", id);
	change_account(t, id, 5, &touched, NULL);
	assert_unproven(t, &touched, "natsid: no server has confirmed it yet");
	write_ok(t, (struct step){ note, NULL, account, 2, "the clock is behind" });
	assert_unproven(t, &touched, "natsid: the clock is behind");
	meet_a_and_b(t);
	write_ok(t,
		(struct step){ refuse, "b", account, 0, "too large,\r\nsaid h\xc3\xa9" });
	assert_unproven(t, &touched,
		"a: not confirmed yet, b: too large;??said h??, natsid: the clock is "
		"behind");
	write_ok(t, (struct step){ hold, "b", account, 2, NULL });
	write_ok(t, (struct step){ meet, "b", .words = "N3" });
	write_ok(t, (struct step){ note, NULL, account, 2, "" });
	assert_unproven(t, &touched, "a: not confirmed yet, b: is being checked");
	touched_release(&touched);
}

static int
stand(struct store_tx *tx, const struct step *step, struct err *err)
{
	struct store_standing standing = { .connected = true };
	str_fmt_cut(standing.words, sizeof(standing.words), "%s", step->words);
	return store_standing_put(tx, &standing, err);
}

/* It comes before what became of an earlier try. */
static void
test_what_is_in_the_way_of_all_is_told(void **state)
{
	struct temp_service *t = *state;
	struct touched touched = { 0 };
	char id[RAND_ID_SIZE];
	int64_t account = temp_make_account(t, "acme", id);
	write_ok(t, (struct step){ stand, .words = "not connected to NATS" });
	change_account(t, id, 5, &touched, NULL);
	assert_unproven(t, &touched, "natsid: not connected to NATS");
	write_ok(t, (struct step){ meet, "a", .words = "N1" });
	/* but what waits for a person does not wait for that */
	write_ok(t, (struct step){ note, NULL, account, 2, "the clock is behind" });
	assert_unproven(t, &touched, "a: not confirmed yet, natsid: the clock is behind");
	write_ok(t, (struct step){ put_off, NULL, account, 2, "no answer" });
	assert_unproven(
		t, &touched, "a: not confirmed yet, natsid: not connected to NATS");
	write_ok(t, (struct step){ refuse, "a", account, 0, "disk full" });
	assert_unproven(t, &touched, "a: disk full, natsid: not connected to NATS");
	/* a server that is away does not wait for natsid */
	write_ok(t, (struct step){ prove, NULL, account, 2, NULL });
	write_ok(t, (struct step){ miss, "a", 0, 0, NULL });
	assert_unproven(t, &touched, "a: does not answer");
	touched_release(&touched);
}

static void
test_only_so_many_wait(void **state)
{
	struct temp_service *t = *state;
	struct proof_wait wait;
	static const struct touched nothing;
	for (size_t i = 0; i < SERVICE_WAITING_MAX; i++) {
		assert_true(waits_enter(t->service->waits));
	}
	service_wait_proven(t->service, &nothing, LONG_S, &wait);
	assert_false(wait.waited);
	waits_leave(t->service->waits);
	/* the one that is free is given back each time */
	for (size_t i = 0; i < 2; i++) {
		service_wait_proven(t->service, &nothing, LONG_S, &wait);
		assert_true(wait.waited);
	}
}

static void
test_the_end_sends_them_away(void **state)
{
	struct temp_service *t = *state;
	struct waiter waiters[2] = { 0 };
	char id[RAND_ID_SIZE];
	temp_make_account(t, "acme", id);
	for (size_t i = 0; i < 2; i++) {
		change_account(t, id, 5 + (int64_t)i, &waiters[i].touched, NULL);
		wait_begin(t, &waiters[i], LONG_S);
	}
	service_stop_waiting(t->service);
	for (size_t i = 0; i < 2; i++) {
		wait_end(&waiters[i]);
		assert_string_equal(
			waiters[i].result.unproven, "natsid: is being stopped");
		assert_true(waiters[i].took_ms < SOON_MS);
		touched_release(&waiters[i].touched);
	}
}

/* What is committed between the look and the sleep is not slept over; many commits are
 * looked at once in a while, and a deadline ends it all. */
static void
test_sleep(void **state)
{
	struct temp_service *t = *state;
	struct waits *waits = t->service->waits;
	int64_t now = clock_mono_ms(&clock_system);
	uint64_t seen = waits_commits(waits);
	waits_wake(waits);
	assert_true(waits_sleep(waits, seen, 0, now + SOON_MS));
	assert_true(clock_mono_ms(&clock_system) < now + SOON_MS);
	now = clock_mono_ms(&clock_system);
	assert_true(waits_sleep(waits, seen, now + 50, now + SOON_MS));
	assert_true(clock_mono_ms(&clock_system) >= now + 50);
	now = clock_mono_ms(&clock_system);
	assert_false(waits_sleep(waits, waits_commits(waits), 0, now + 50));
	assert_true(clock_mono_ms(&clock_system) >= now + 50);
	assert_false(waits_sleep(waits, seen, 0, now));
}

static void
assert_proof(struct temp_service *t, int64_t account, enum store_proof expected)
{
	struct store_conn *conn = NULL;
	struct err err = { 0 };
	enum store_proof proof = STORE_PROOF_OPEN;
	ok(store_read_begin_one(t->temp.store, &conn, &err), &err);
	ok(store_proof_look(conn, account, 1, &proof, &err), &err);
	store_read_end(t->temp.store, conn);
	assert_int_equal(proof, expected);
}

static void
test_proof_look(void **state)
{
	struct temp_service *t = *state;
	assert_proof(t, 999, STORE_PROOF_WHOLE); /* gone: nothing is wanted of it */
	assert_proof(t, 1, STORE_PROOF_OPEN);
	write_ok(t, (struct step){ prove, NULL, 1, 1, NULL });
	assert_proof(t, 1, STORE_PROOF_WHOLE);
	meet_a_and_b(t);
	write_ok(t, (struct step){ miss, "b", 0, 0, NULL });
	assert_proof(t, 1, STORE_PROOF_OPEN); /* one is missing, but a is there */
	write_ok(t, (struct step){ hold, "a", 1, 1, NULL });
	assert_proof(t, 1, STORE_PROOF_PARTIAL);
}

#define WAIT_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, temp_service_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WAIT_TEST(test_writes_tell_what_they_want),
		WAIT_TEST(test_nothing_to_wait_for),
		WAIT_TEST(test_wait_until_all_hold_it),
		WAIT_TEST(test_wait_for_each_account),
		WAIT_TEST(test_missing_servers_are_named_and_not_waited_for),
		WAIT_TEST(test_what_is_missing_is_told),
		WAIT_TEST(test_what_is_in_the_way_of_all_is_told),
		WAIT_TEST(test_only_so_many_wait),
		WAIT_TEST(test_the_end_sends_them_away),
		WAIT_TEST(test_sleep),
		WAIT_TEST(test_proof_look),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
