/* SPDX-License-Identifier: Apache-2.0
 * The publisher's parts: rosters, acks, jobs and the inbox. The whole of it, against
 * servers that answer by hand: test_publisher.c. */
#include "base/str.h"
#include "publish/ack.h"
#include "publish/inbox.h"
#include "publish/jobs.h"
#include "publish/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- acks ---- */

#define SERVER \
	"\"server\":{\"name\":\"s1\",\"host\":\"0.0.0.0\",\"id\":\"NID\",\"ver\":\"2." \
	"10\"}"
#define OLD_OK(text) \
	"{\"data\":{\"account\":\"A\",\"code\":200,\"message\":\"" text "\"}," SERVER "}"
#define NEW_OK(text) \
	"{" SERVER ",\"data\":{\"account\":\"A\",\"code\":200,\"message\":\"" text "\"}" \
	"}"
#define OLD_BAD(text) \
	"{\"error\":{\"account\":\"A\",\"code\":500,\"description\":\"" text \
	"\"}," SERVER "}"
#define NEW_BAD(text) \
	"{" SERVER \
	",\"error\":{\"account\":\"n/a\",\"code\":500,\"description\":\"" text "\"}}"

static void
test_ack(void **state)
{
	static const struct {
		const char *json;
		enum ack_meaning meaning;
		const char *words;
	} cases[] = {
		{ OLD_OK("jwt updated"), ACK_STORED, "jwt updated" },
		{ NEW_OK("jwt updated"), ACK_STORED, "jwt updated" },
		{ NEW_OK("jwt updated cache"), ACK_STORED, "jwt updated cache" },
		{ OLD_OK("jwt update cache skipped"), ACK_SKIPPED,
			"jwt update cache skipped" },
		{ NEW_OK("jwt update skipped"), ACK_SKIPPED, "jwt update skipped" },
		{ NEW_OK("something new"), ACK_TRANSIENT, "something new" },
		{ NEW_OK(""), ACK_TRANSIENT, "" },
		{ "{" SERVER ",\"data\":{}}", ACK_TRANSIENT, "" },
		{ OLD_BAD("jwt update resulted in error - expected 3 chunks"),
			ACK_REFUSED, NULL },
		{ NEW_BAD("jwt update resulted in error - claim failed V2 signature "
			  "verification"),
			ACK_REFUSED, NULL },
		{ NEW_BAD("jwt update resulted in error - subject does not match jwt "
			  "content"),
			ACK_REFUSED, NULL },
		{ NEW_BAD("jwt update resulted in error - operator requires issuer to be "
			  "a "
			  "signing key"),
			ACK_REFUSED, NULL },
		{ NEW_BAD("jwt update resulted in error - jwt store is full"),
			ACK_REFUSED, NULL },
		{ NEW_BAD("jwt validation failed - validation errors: [x]"), ACK_REFUSED,
			NULL },
		{ NEW_BAD("jwt update resulted in error - account validation failed"),
			ACK_REFUSED, NULL },
		{ NEW_BAD("jwt update resulted in error - open x: no space left on "
			  "device"),
			ACK_TRANSIENT, NULL },
		{ NEW_BAD(""), ACK_TRANSIENT, "" },
		/* an error counts, whatever else is said */
		{ "{" SERVER ",\"data\":{\"message\":\"jwt updated\"},\"error\":"
		  "{\"description\":\"jwt store is full\"}}",
			ACK_REFUSED, "jwt store is full" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		struct ack ack;
		if (ack_parse(cases[i].json, strlen(cases[i].json), &ack, &err) != 0) {
			fail_msg("%s: %s", cases[i].json, err.msg);
		}
		if (ack.meaning != cases[i].meaning) {
			fail_msg("%s: %d", cases[i].json, (int)ack.meaning);
		}
		assert_string_equal(ack.server_id, "NID");
		assert_string_equal(ack.server_name, "s1");
		if (cases[i].words != NULL) {
			assert_string_equal(ack.words, cases[i].words);
		}
	}
}

static void
test_ack_garbage(void **state)
{
	static const char *const cases[] = { "", "null", "[]", "{}", "+OK",
		"{" SERVER "}", "{\"data\":{\"message\":\"jwt updated\"}}",
		"{\"server\":{\"name\":\"x\"},\"data\":{\"message\":\"jwt updated\"}}",
		"{\"server\":\"NID\",\"data\":{\"message\":\"jwt updated\"}}",
		"{" SERVER ",\"data\":\"jwt updated\"}",
		"{" SERVER ",\"data\":{\"message\":1}}",
		"{" SERVER ",\"data\":{\"message\":\"jwt updated\"}",
		"{\"server\":{\"id\":7},\"data\":{\"message\":\"jwt updated\"}}" };
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		struct ack ack;
		if (ack_parse(cases[i], strlen(cases[i]), &ack, &err) == 0) {
			fail_msg("taken: %s", cases[i]);
		}
		assert_int_equal(err.code, ERR_INVALID);
	}
	/* words are cut, not overrun */
	char json[1024];
	char words[600];
	memset(words, 'w', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	struct err err = { 0 };
	struct ack ack;
	assert_int_equal(str_fmt(json, sizeof(json),
				 "{\"server\":{\"id\":\"%s\",\"name\":\"x\"},\"data\":{"
				 "\"message\":\"%.200s\"}}",
				 words, words),
		0);
	assert_int_equal(ack_parse(json, strlen(json), &ack, &err), 0);
	assert_int_equal(strlen(ack.server_id), sizeof(ack.server_id) - 1);
	assert_int_equal(strlen(ack.words), sizeof(ack.words) - 1);
}

/* ---- rosters ---- */

static int
add_server(struct roster *roster, const char *id, const char *name, int active)
{
	char json[512];
	struct err err = { 0 };
	if (active < 0) {
		str_fmt_cut(json, sizeof(json),
			"{\"server\":{\"id\":\"%s\",\"name\":\"%s\"}}", id, name);
	} else {
		str_fmt_cut(json, sizeof(json),
			"{\"server\":{\"name\":\"%s\",\"id\":\"%s\",\"cluster\":\"c\","
			"\"ver\":"
			"\"2.15\",\"jetstream\":false},\"statsz\":{\"active_servers\":%d}"
			"}",
			name, id, active);
	}
	int rc = roster_add(roster, json, strlen(json), &err);
	if (rc != 0) {
		assert_int_equal(err.code, ERR_LIMITED);
	}
	return rc;
}

static void
test_roster(void **state)
{
	struct roster roster = { 0 };
	char text[64];
	(void)state;
	assert_false(roster_is_complete(&roster));
	assert_int_equal(add_server(&roster, "N1", "one", 3), 0);
	assert_int_equal(add_server(&roster, "N1", "one", 3), 0); /* again */
	assert_int_equal(roster.len, 1);
	assert_false(roster_is_complete(&roster));
	assert_int_equal(add_server(&roster, "N2", "two", 2), 0);
	assert_int_equal(roster.active, 3); /* the one that knows most */
	assert_false(roster_is_complete(&roster));
	assert_int_equal(add_server(&roster, "N3", "three", 3), 0);
	assert_true(roster_is_complete(&roster));
	assert_int_equal(roster_index(&roster, "N2"), 1);
	assert_int_equal(roster_index(&roster, "N9"), -1);
	assert_string_equal(roster.servers[0].cluster, "c");
	assert_string_equal(roster.servers[0].version, "2.15");

	roster_missing(&roster, 0, text, sizeof(text));
	assert_string_equal(text, "one, two, three");
	roster_missing(&roster, 2, text, sizeof(text));
	assert_string_equal(text, "one, three");
	roster_missing(&roster, 7, text, sizeof(text));
	assert_string_equal(text, "");
	roster_missing(&roster, 0, text, 8);
	assert_string_equal(text, "one, tw");
	roster_missing(&roster, 0, text, 1);
	assert_string_equal(text, "");
}

static void
test_roster_unknown_size(void **state)
{
	struct roster roster = { 0 };
	(void)state;
	assert_int_equal(add_server(&roster, "N1", "one", -1), 0);
	assert_int_equal(roster.active, 0);
	assert_false(roster_is_complete(&roster));
	for (int i = 1; i < ROSTER_MAX; i++) {
		char id[16];
		str_fmt_cut(id, sizeof(id), "M%d", i);
		assert_int_equal(add_server(&roster, id, "x", -1), 0);
	}
	assert_false(roster.overflow);
	assert_int_equal(add_server(&roster, "one more", "x", -1), -1);
	assert_true(roster.overflow); /* so nothing counts as proven by the others */
	assert_int_equal(roster.len, ROSTER_MAX);
	assert_int_equal(add_server(&roster, "N1", "one", -1), 0); /* known */
	char text[1024];
	roster_missing(&roster, UINT64_MAX - (UINT64_C(1) << 63), text, sizeof(text));
	assert_string_equal(text, "x"); /* the last bit counts */
}

static void
test_roster_garbage(void **state)
{
	static const char *const cases[] = { "", "[]", "{}", "null", "{\"server\":{}}",
		"{\"server\":{\"id\":\"\"}}", "{\"server\":{\"id\":1}}",
		"{\"server\":[]}", "{\"server\":{\"id\":\"N\"},\"statsz\":3}",
		"{\"server\":{\"id\":\"N\"},\"statsz\":{\"active_servers\":\"3\"}}" };
	struct roster roster = { 0 };
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		if (roster_add(&roster, cases[i], strlen(cases[i]), &err) == 0) {
			fail_msg("taken: %s", cases[i]);
		}
		assert_int_equal(err.code, ERR_INVALID);
		assert_int_equal(roster.len, 0);
	}
}

/* ---- jobs ---- */

static void
test_jobs_order(void **state)
{
	struct jobs jobs;
	(void)state;
	jobs_init(&jobs);
	assert_null(jobs_next(&jobs));
	for (int64_t i = 1; i <= 4; i++) {
		assert_non_null(jobs_add(&jobs, i, i == 3));
	}
	assert_int_equal(jobs.len, 4);
	assert_int_equal(jobs.ready_len, 4);
	assert_int_equal(jobs_next(&jobs)->account, 3); /* urgent first */
	jobs_remove(&jobs, jobs_find(&jobs, 3));
	assert_null(jobs_find(&jobs, 3));
	assert_int_equal(jobs_next(&jobs)->account, 1); /* then in order */
	/* once urgent, always; and to the end of that list */
	jobs_make_ready(&jobs, jobs_find(&jobs, 4), true);
	jobs_make_ready(&jobs, jobs_find(&jobs, 2), true);
	jobs_make_ready(&jobs, jobs_find(&jobs, 4), false);
	assert_int_equal(jobs_next(&jobs)->account, 2);
	jobs_remove(&jobs, jobs_find(&jobs, 2));
	assert_int_equal(jobs_next(&jobs)->account, 4);
	assert_int_equal(jobs.ready_len, 2);
	jobs_release(&jobs);
	assert_int_equal(jobs.len, 0);
	assert_int_equal(jobs.ready_len, 0);
}

static void
test_jobs_delay(void **state)
{
	struct jobs jobs;
	(void)state;
	jobs_init(&jobs);
	assert_int_equal(jobs.next_due, INT64_MAX);
	for (int64_t i = 1; i <= 3; i++) {
		jobs_delay(&jobs, jobs_add(&jobs, i, false), 100 * i);
	}
	assert_null(jobs_next(&jobs));
	assert_int_equal(jobs.next_due, 100);
	jobs_promote(&jobs, 99);
	assert_null(jobs_next(&jobs));
	jobs_promote(&jobs, 100);
	assert_int_equal(jobs_next(&jobs)->account, 1);
	assert_int_equal(jobs.next_due, 200);
	/* a later time does not hide an earlier one; an earlier one counts at once */
	jobs_delay(&jobs, jobs_find(&jobs, 1), 900);
	assert_int_equal(jobs.next_due, 200);
	jobs_delay(&jobs, jobs_find(&jobs, 3), 50);
	assert_int_equal(jobs.next_due, 50);
	jobs_promote(&jobs, 10000);
	assert_int_equal(jobs.ready_len, 3);
	assert_int_equal(jobs.next_due, INT64_MAX);
	jobs_release(&jobs);
}

static void
test_jobs_requests(void **state)
{
	enum { JOBS = 200 };
	struct jobs jobs;
	(void)state;
	jobs_init(&jobs);
	for (int64_t i = 1; i <= JOBS; i++) {
		struct job *job = jobs_add(&jobs, i, false);
		assert_non_null(job);
		assert_int_equal(jobs_activate(&jobs, job, JOB_PUSHING,
					 UINT64_C(1000) + (uint64_t)i),
			0);
	}
	assert_int_equal(jobs.active_len, JOBS);
	assert_int_equal(jobs.ready_len, 0);
	assert_int_equal(jobs_find_request(&jobs, 1007)->account, 7);
	assert_null(jobs_find_request(&jobs, 7));
	/* another request of the same job: the old number is nobody's */
	assert_int_equal(jobs_activate(&jobs, jobs_find(&jobs, 7), JOB_LOOKING, 5000), 0);
	assert_null(jobs_find_request(&jobs, 1007));
	assert_int_equal(jobs_find_request(&jobs, 5000)->account, 7);
	assert_int_equal(jobs.active_len, JOBS);
	jobs_delay(&jobs, jobs_find(&jobs, 7), 10);
	assert_null(jobs_find_request(&jobs, 5000));
	assert_int_equal(jobs.active_len, JOBS - 1);
	jobs_make_ready(&jobs, jobs_find(&jobs, 8), false);
	assert_null(jobs_find_request(&jobs, 1008));
	jobs_remove(&jobs, jobs_find(&jobs, 9));
	assert_null(jobs_find_request(&jobs, 1009));
	assert_int_equal(jobs.active_len, JOBS - 3);
	assert_int_equal(jobs.len, JOBS - 1);
	/* numbers beyond int64 are numbers too */
	struct job *job = jobs_find(&jobs, 10);
	assert_int_equal(jobs_activate(&jobs, job, JOB_PUSHING, UINT64_MAX), 0);
	assert_ptr_equal(jobs_find_request(&jobs, UINT64_MAX), job);
	job->jwt = str_dup("owned");
	jobs_release(&jobs);
	assert_int_equal(jobs.len, 0);
	assert_int_equal(jobs.active_len, 0);
}

/* ---- the inbox ---- */

static void
free_notes(struct note_list *notes)
{
	while (!STAILQ_EMPTY(notes)) {
		struct note *note = STAILQ_FIRST(notes);
		STAILQ_REMOVE_HEAD(notes, link);
		free(note);
	}
}

static void
test_inbox(void **state)
{
	struct err err = { 0 };
	struct inbox *inbox = NULL;
	struct note_list notes;
	bool lost = true;
	struct bus_event event = { .kind = BUS_EVENT_REPLY,
		.epoch = 3,
		.request = 9,
		.subject = "s",
		.data = "answer and more",
		.len = 6 };
	struct bus_event up = { .kind = BUS_EVENT_UP, .epoch = 4 };
	(void)state;
	assert_int_equal(inbox_new(&inbox, &err), 0);
	assert_true(inbox_take(inbox, 0, &notes, &lost)); /* nothing, at once */
	assert_true(STAILQ_EMPTY(&notes));
	assert_false(lost);
	inbox_put_bus(inbox, &event);
	inbox_put_wanted(inbox, 12, true);
	inbox_put_bus(inbox, &up);
	assert_true(inbox_take(inbox, -1, &notes, &lost));
	struct note *note = STAILQ_FIRST(&notes);
	assert_int_equal(note->kind, NOTE_BUS);
	assert_int_equal(note->bus, BUS_EVENT_REPLY);
	assert_int_equal(note->epoch, 3);
	assert_int_equal(note->request, 9);
	assert_int_equal(note->len, 6);
	assert_string_equal(note->data, "answer"); /* its own copy, and no more */
	note = STAILQ_NEXT(note, link);
	assert_int_equal(note->kind, NOTE_WANTED);
	assert_int_equal(note->account, 12);
	assert_true(note->urgent);
	note = STAILQ_NEXT(note, link);
	assert_int_equal(note->bus, BUS_EVENT_UP);
	assert_string_equal(note->data, "");
	assert_null(STAILQ_NEXT(note, link));
	free_notes(&notes);

	/* closed: says so, still hands out what is there */
	inbox_put_wanted(inbox, 1, false);
	inbox_close(inbox);
	assert_false(inbox_take(inbox, -1, &notes, &lost));
	assert_false(STAILQ_EMPTY(&notes));
	free_notes(&notes);
	assert_false(inbox_take(inbox, -1, &notes, &lost));
	inbox_put_wanted(inbox, 2, false); /* freed with the inbox */
	inbox_free(inbox);
	inbox_free(NULL);
}

enum { PUTTERS = 8, PUTS = 500 };

static void *
put_many(void *ctx)
{
	for (int i = 0; i < PUTS; i++) {
		inbox_put_wanted(ctx, i, false);
	}
	return NULL;
}

static void
test_inbox_threads(void **state)
{
	struct err err = { 0 };
	struct inbox *inbox = NULL;
	pthread_t threads[PUTTERS];
	size_t got = 0;
	(void)state;
	assert_int_equal(inbox_new(&inbox, &err), 0);
	for (int i = 0; i < PUTTERS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, put_many, inbox), 0);
	}
	while (got < (size_t)PUTTERS * PUTS) {
		struct note_list notes;
		struct note *note = NULL;
		bool lost = false;
		assert_true(inbox_take(inbox, 20000, &notes, &lost));
		assert_false(STAILQ_EMPTY(&notes));
		STAILQ_FOREACH(note, &notes, link)
		{
			got++;
		}
		free_notes(&notes);
	}
	for (int i = 0; i < PUTTERS; i++) {
		pthread_join(threads[i], NULL);
	}
	inbox_free(inbox);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ack),
		cmocka_unit_test(test_ack_garbage),
		cmocka_unit_test(test_roster),
		cmocka_unit_test(test_roster_unknown_size),
		cmocka_unit_test(test_roster_garbage),
		cmocka_unit_test(test_jobs_order),
		cmocka_unit_test(test_jobs_delay),
		cmocka_unit_test(test_jobs_requests),
		cmocka_unit_test(test_inbox),
		cmocka_unit_test(test_inbox_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
