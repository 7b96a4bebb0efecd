/* SPDX-License-Identifier: Apache-2.0
 * The publisher's parts: rosters, acks, jobs and the inbox. The whole of it, against
 * servers that answer by hand: test_publisher.c. */
#include "base/str.h"
#include "publish/ack.h"
#include "publish/inbox.h"
#include "publish/jobs.h"
#include "publish/roster.h"
#include "publish/state.h"

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

#define UPDATED ",\"message\":\"jwt updated\""

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
		/* nor do words alone */
		{ "{" SERVER ",\"data\":{\"account\":\"A\",\"code\":500" UPDATED "}}",
			ACK_TRANSIENT, "jwt updated" },
		{ "{" SERVER ",\"data\":{\"account\":\"A\"" UPDATED "}}", ACK_TRANSIENT,
			"jwt updated" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		struct ack ack;
		if (ack_parse(cases[i].json, strlen(cases[i].json), "A", &ack, &err) !=
			0) {
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
		"{\"server\":{\"id\":7},\"data\":{\"message\":\"jwt updated\"}}",
		"{" SERVER ",\"data\":{\"code\":\"200\"" UPDATED "}}",
		/* what was said of another account */
		"{" SERVER ",\"data\":{\"account\":\"B\",\"code\":200" UPDATED "}}",
		"{" SERVER ",\"data\":{\"account\":1,\"code\":200" UPDATED "}}",
		"{" SERVER ",\"error\":{\"account\":\"B\",\"description\":\"x\"}}" };
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		struct ack ack;
		if (ack_parse(cases[i], strlen(cases[i]), "A", &ack, &err) == 0) {
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
	assert_int_equal(ack_parse(json, strlen(json), "A", &ack, &err), 0);
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
			"{\"server\":{\"id\":\"%s\",\"name\":\"%s\"},\"statsz\":{}}", id,
			name);
	} else {
		str_fmt_cut(json, sizeof(json),
			"{\"server\":{\"name\":\"%s\",\"id\":\"%s\",\"cluster\":\"c\","
			"\"ver\":"
			"\"2.15\",\"jetstream\":false},\"statsz\":{\"active_servers\":%d}"
			"}",
			name, id, active);
	}
	int rc = roster_add(roster, json, strlen(json), NULL, &err);
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
	assert_int_equal(roster_find_name(&roster, "c", "two"), 1);
	assert_int_equal(roster_find_name(&roster, "", "two"), -1);
	assert_int_equal(roster_find_name(&roster, "c", "four"), -1);
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
	static const char odd_count[] = "{\"server\":{\"id\":\"N\",\"name\":\"s\"},"
					"\"statsz\":{\"active_servers\":\"3\"}}";
	static const char *const cases[] = { "", "[]", "{}", "null", "{\"server\":{}}",
		"{\"server\":{\"id\":\"\"}}", "{\"server\":{\"id\":1}}",
		"{\"server\":[]}", "{\"server\":{\"id\":\"N\"},\"statsz\":3}", odd_count,
		/* nobody's, as each has a name and says how it is */
		"{\"server\":{\"id\":\"N\",\"name\":\"s\"}}",
		"{\"server\":{\"id\":\"N\"},\"statsz\":{}}",
		"{\"server\":{\"id\":\"N\",\"name\":\"\"},\"statsz\":{}}" };
	struct roster roster = { 0 };
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		if (roster_add(&roster, cases[i], strlen(cases[i]), NULL, &err) == 0) {
			fail_msg("taken: %s", cases[i]);
		}
		assert_int_equal(err.code, ERR_INVALID);
		assert_int_equal(roster.len, 0);
	}
}

/* ---- jobs ---- */

static void
assert_order(const struct job_list *list, const int64_t *accounts, size_t len)
{
	size_t i = 0;
	const struct job *job = NULL;
	TAILQ_FOREACH(job, list, link)
	{
		if (i < len) {
			assert_int_equal(job->account, accounts[i]);
		}
		i++;
	}
	assert_int_equal(i, len);
}

#define ASSERT_ORDER(list, ...) \
	assert_order((list), (const int64_t[]){ __VA_ARGS__ }, \
		COUNT(((const int64_t[]){ __VA_ARGS__ })))

static void
test_jobs_order(void **state)
{
	struct jobs jobs;
	(void)state;
	jobs_init(&jobs);
	for (int64_t i = 1; i <= 5; i++) {
		assert_non_null(jobs_add(&jobs, i, i == 3));
	}
	assert_int_equal(jobs.len, 5);
	assert_int_equal(jobs.ready_len, 5);
	ASSERT_ORDER(&jobs.urgent, 3);
	ASSERT_ORDER(&jobs.ready, 1, 2, 4, 5); /* in order of arrival */
	jobs_remove(&jobs, jobs_find(&jobs, 3));
	assert_null(jobs_find(&jobs, 3));
	/* once urgent, always; and to the end of that list */
	jobs_make_ready(&jobs, jobs_find(&jobs, 4), true);
	jobs_make_ready(&jobs, jobs_find(&jobs, 2), true);
	jobs_make_ready(&jobs, jobs_find(&jobs, 4), false);
	ASSERT_ORDER(&jobs.urgent, 2, 4);
	ASSERT_ORDER(&jobs.ready, 1, 5);
	assert_int_equal(jobs.ready_len, 4);
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
	assert_int_equal(jobs_next_due(&jobs), INT64_MAX);
	for (int64_t i = 1; i <= 3; i++) {
		jobs_delay(&jobs, jobs_add(&jobs, i, false), 100 * i);
	}
	assert_int_equal(jobs.ready_len, 0);
	assert_int_equal(jobs_next_due(&jobs), 100);
	jobs_promote(&jobs, 99);
	assert_int_equal(jobs.ready_len, 0);
	jobs_promote(&jobs, 100);
	ASSERT_ORDER(&jobs.ready, 1);
	assert_int_equal(jobs_next_due(&jobs), 200);
	/* a later time does not hide an earlier one; an earlier one counts at once */
	jobs_delay(&jobs, jobs_find(&jobs, 1), 900);
	assert_int_equal(jobs_next_due(&jobs), 200);
	jobs_delay(&jobs, jobs_find(&jobs, 3), 50);
	assert_int_equal(jobs_next_due(&jobs), 50);
	/* one that goes takes its time with it */
	jobs_remove(&jobs, jobs_find(&jobs, 3));
	assert_int_equal(jobs_next_due(&jobs), 200);
	jobs_promote(&jobs, 10000);
	ASSERT_ORDER(&jobs.ready, 2, 1);
	assert_int_equal(jobs_next_due(&jobs), INT64_MAX);
	jobs_release(&jobs);
}

enum { DELAYED = 500 };

/* Some come, go, and get another time before it has come. */
static void
delay_many(struct jobs *jobs)
{
	uint32_t random = 7;
	for (int64_t i = 1; i <= DELAYED; i++) {
		random = random * 1664525 + 1013904223;
		jobs_delay(jobs, jobs_add(jobs, i, false), random >> 20 & 255);
	}
	for (int64_t i = 1; i <= DELAYED; i += 3) {
		random = random * 1664525 + 1013904223;
		jobs_delay(jobs, jobs_find(jobs, i), random >> 20 & 255);
	}
	for (int64_t i = 2; i <= DELAYED; i += 7) {
		jobs_remove(jobs, jobs_find(jobs, i));
	}
}

/* By their times, and in order of arrival those that have the same. */
static void
test_jobs_delay_order(void **state)
{
	struct jobs jobs;
	const struct job *job = NULL;
	const struct job *before = NULL;
	(void)state;
	jobs_init(&jobs);
	delay_many(&jobs);
	size_t len = jobs.len;
	for (int64_t now = 0; now < 256; now++) {
		jobs_promote(&jobs, now);
		assert_true(jobs_next_due(&jobs) > now);
		job = TAILQ_LAST(&jobs.ready, job_list);
		assert_true(job == NULL || job->due <= now);
	}
	assert_int_equal(jobs.ready_len, len);
	TAILQ_FOREACH(job, &jobs.ready, link)
	{
		assert_true(before == NULL || before->due < job->due ||
			(before->due == job->due && before->turn < job->turn));
		before = job;
	}
	jobs_release(&jobs);
}

/* A new connection: what failed is tried at once, the rest keeps its time. */
static void
test_jobs_retry_failed(void **state)
{
	struct jobs jobs;
	(void)state;
	jobs_init(&jobs);
	for (int64_t i = 1; i <= 9; i++) {
		struct job *job = jobs_add(&jobs, i, false);
		job->failures = i % 4 == 0 ? 3 : 0;
		jobs_delay(&jobs, job, 1000 - i);
	}
	jobs_retry_failed(&jobs);
	assert_int_equal(jobs_find(&jobs, 4)->failures, 0);
	jobs_promote(&jobs, 1);
	ASSERT_ORDER(&jobs.ready, 4, 8);
	jobs_promote(&jobs, 995);
	ASSERT_ORDER(&jobs.ready, 4, 8, 9, 7, 6, 5);
	assert_int_equal(jobs_next_due(&jobs), 997);
	jobs_release(&jobs);
}

/* As many may wait as there are accounts: they hold nothing but who and when. */
static void
test_jobs_delay_keeps_little(void **state)
{
	struct jobs jobs;
	(void)state;
	jobs_init(&jobs);
	struct job *job = jobs_add(&jobs, 1, false);
	assert_int_equal(jobs_activate(&jobs, job, JOB_PUSHING, 1), 0);
	job->said = calloc(ROSTER_MAX, sizeof(*job->said));
	job->jwt = str_dup("a JWT");
	job->jwt_len = strlen(job->jwt);
	jobs_delay(&jobs, job, 10);
	assert_null(job->said);
	assert_null(job->jwt);
	assert_int_equal(job->jwt_len, 0);
	assert_true(sizeof(*job) < 1024);
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
		.request = 9,
		.subject = "s",
		.data = "answer and more",
		.len = 6 };
	struct bus_event up = { .kind = BUS_EVENT_UP };
	(void)state;
	assert_int_equal(inbox_new(&inbox, &err), 0);
	assert_true(inbox_take(inbox, 0, &notes, &lost)); /* nothing, at once */
	assert_true(STAILQ_EMPTY(&notes));
	assert_false(lost);
	inbox_put_bus(inbox, &event);
	inbox_put_wanted(inbox, 12, WANT_NOW);
	inbox_put_bus(inbox, &up);
	assert_true(inbox_take(inbox, -1, &notes, &lost));
	struct note *note = STAILQ_FIRST(&notes);
	assert_int_equal(note->kind, NOTE_BUS);
	assert_int_equal(note->bus, BUS_EVENT_REPLY);
	assert_int_equal(note->request, 9);
	assert_int_equal(note->len, 6);
	assert_string_equal(note->data, "answer"); /* its own copy, and no more */
	note = STAILQ_NEXT(note, link);
	assert_int_equal(note->kind, NOTE_WANTED);
	assert_int_equal(note->account, 12);
	assert_int_equal(note->want, WANT_NOW);
	note = STAILQ_NEXT(note, link);
	assert_int_equal(note->bus, BUS_EVENT_UP);
	assert_string_equal(note->data, "");
	assert_null(STAILQ_NEXT(note, link));
	free_notes(&notes);

	/* closed: says so, still hands out what is there */
	inbox_put_wanted(inbox, 1, WANT_SOON);
	inbox_close(inbox);
	assert_false(inbox_take(inbox, -1, &notes, &lost));
	assert_false(STAILQ_EMPTY(&notes));
	free_notes(&notes);
	assert_false(inbox_take(inbox, -1, &notes, &lost));
	inbox_put_wanted(inbox, 2, WANT_SOON); /* freed with the inbox */
	inbox_free(inbox);
	inbox_free(NULL);
}

static void
put_bytes(struct inbox *inbox, enum note_kind kind, size_t len)
{
	char *data = calloc(1, len);
	assert_non_null(data);
	inbox_put(inbox, kind, data, len);
	free(data);
}

/* What others send takes no more memory than was allowed, and none of it is dropped in
 * silence; what is our own always finds room. */
static void
test_inbox_bound(void **state)
{
	struct err err = { 0 };
	struct inbox *inbox = NULL;
	struct note_list notes;
	bool lost = false;
	struct bus_event up = { .kind = BUS_EVENT_UP };
	(void)state;
	assert_int_equal(inbox_new(&inbox, &err), 0);
	for (int round = 0; round < 2; round++) {
		size_t bytes = 0;
		size_t unheard = 0;
		size_t own = 0;
		struct note *note = NULL;
		for (int i = 0; i < 20; i++) {
			put_bytes(inbox, NOTE_OTHER_HAND, 1024 * 1024);
		}
		inbox_put(inbox, NOTE_RECONCILE, "", 0);
		inbox_put(inbox, NOTE_SERVER, "N", 1);
		inbox_put_wanted(inbox, 1, WANT_NOW);
		inbox_put_bus(inbox, &up);
		assert_true(inbox_take(inbox, -1, &notes, &lost));
		assert_false(lost);
		STAILQ_FOREACH(note, &notes, link)
		{
			bytes += note->len;
			unheard += note->kind == NOTE_UNHEARD ? 1 : 0;
			own += note->kind == NOTE_WANTED || note->kind == NOTE_BUS ? 1
										   : 0;
			assert_int_not_equal(note->kind, NOTE_RECONCILE);
			assert_int_not_equal(note->kind, NOTE_SERVER);
		}
		assert_true(bytes <= INBOX_HEARD_MAX);
		assert_true(bytes > INBOX_HEARD_MAX / 2);
		assert_int_equal(unheard, 1);
		assert_int_equal(own, 2);
		free_notes(&notes);
	}
	/* small ones count too */
	for (int i = 0; i < INBOX_HEARD_MAX / 16; i++) {
		inbox_put(inbox, NOTE_RECONCILE, "", 0);
	}
	assert_true(inbox_take(inbox, -1, &notes, &lost));
	size_t len = 0;
	struct note *note = NULL;
	const struct note *last = NULL;
	STAILQ_FOREACH(note, &notes, link)
	{
		len++;
		last = note;
	}
	assert_non_null(last);
	assert_true(len * sizeof(*note) <= INBOX_HEARD_MAX + sizeof(*note));
	assert_int_equal(last->kind, NOTE_UNHEARD);
	free_notes(&notes);
	inbox_free(inbox);
}

/* ---- what is wanted, and when ---- */

enum { QUIET = 200, RATE = 20 };

struct hand {
	int64_t now;
	struct clock clock;
	struct publisher p;
};

static int64_t
read_hand(void *ctx)
{
	const struct hand *hand = ctx;
	return hand->now;
}

static int
set_up_hand(void **state)
{
	struct hand *hand = calloc(1, sizeof(*hand));
	assert_non_null(hand);
	hand->now = 100000;
	hand->clock = (struct clock){ .mono = read_hand, .ctx = hand };
	hand->p.params = (struct publisher_params){
		.clock = &hand->clock,
		.debounce_quiet_ms = QUIET,
		.debounce_max_ms = 1000,
		.role_pace = RATE,
	};
	hand->p.role_pace.rate = RATE;
	jobs_init(&hand->p.jobs);
	*state = hand;
	return 0;
}

static int
tear_down_hand(void **state)
{
	struct hand *hand = *state;
	jobs_release(&hand->p.jobs);
	free(hand);
	return 0;
}

static size_t
count_phase(struct hand *hand, enum job_phase phase)
{
	size_t n = 0;
	for (int64_t account = 1; account <= 100; account++) {
		const struct job *job = jobs_find(&hand->p.jobs, account);
		n += job != NULL && job->phase == phase ? 1 : 0;
	}
	return n;
}

static struct job *
job_of(struct hand *hand, int64_t account, enum job_phase phase)
{
	struct job *job = jobs_find(&hand->p.jobs, account);
	assert_non_null(job);
	assert_int_equal(job->phase, phase);
	return job;
}

static void
want_paced(struct hand *hand, int64_t first, int64_t last)
{
	for (int64_t account = first; account <= last; account++) {
		publish_want(&hand->p, account, WANT_PACED);
	}
}

static void
test_pace(void **state)
{
	struct hand *hand = *state;
	assert_int_equal(publish_pace_due(&hand->p), INT64_MAX);
	want_paced(hand, 1, 60);
	assert_true(publish_pace_due(&hand->p) <= hand->now);
	publish_let_paced_go(&hand->p);
	/* a bucketful at once, which waits for no more than the debounce */
	assert_int_equal(count_phase(hand, JOB_DELAYED), RATE);
	assert_int_equal(job_of(hand, RATE, JOB_DELAYED)->due, hand->now + QUIET);
	/* then one every 50 ms, in order */
	for (int64_t i = 1; i <= 20; i++) {
		assert_int_equal(publish_pace_due(&hand->p), hand->now + 50);
		hand->now += 49;
		publish_let_paced_go(&hand->p);
		assert_int_equal(count_phase(hand, JOB_DELAYED), RATE + i - 1);
		hand->now += 1;
		publish_let_paced_go(&hand->p);
		assert_int_equal(count_phase(hand, JOB_DELAYED), RATE + i);
		job_of(hand, RATE + i, JOB_DELAYED);
	}
	/* what waited for its turn is not debounced on top */
	assert_true(job_of(hand, 40, JOB_DELAYED)->due <= hand->now);
	/* a long silence is worth no more than a bucketful */
	hand->now += 3600 * 1000;
	want_paced(hand, 61, 100);
	publish_let_paced_go(&hand->p);
	assert_int_equal(count_phase(hand, JOB_PACED), 40);
	job_of(hand, 60, JOB_DELAYED);
	job_of(hand, 61, JOB_PACED);
}

static void
test_pace_rates(void **state)
{
	struct hand *hand = *state;
	hand->p.role_pace.rate = 3; /* 333 1/3 ms each */
	want_paced(hand, 1, 9);
	publish_let_paced_go(&hand->p);
	assert_int_equal(count_phase(hand, JOB_DELAYED), 3);
	int64_t start = hand->now;
	for (size_t i = 4; i <= 9; i++) {
		hand->now = publish_pace_due(&hand->p);
		publish_let_paced_go(&hand->p);
		assert_int_equal(count_phase(hand, JOB_DELAYED), i);
	}
	assert_in_range(hand->now - start, 2000, 2004);
	hand->p.params.role_pace = -1;
	want_paced(hand, 10, 100);
	assert_int_equal(count_phase(hand, JOB_PACED), 0);
	assert_int_equal(job_of(hand, 100, JOB_DELAYED)->due, hand->now + QUIET);
}

/* Whatever else is wanted of an account that waits for its turn takes it out of the
 * row. */
static void
test_pace_is_left(void **state)
{
	struct hand *hand = *state;
	want_paced(hand, 1, 60);
	publish_let_paced_go(&hand->p);
	hand->now += 5;
	publish_want(&hand->p, 50, WANT_NOW);
	ASSERT_ORDER(&hand->p.jobs.urgent, 50);
	assert_true(job_of(hand, 50, JOB_READY)->urgent);
	hand->now += 2000; /* the debounce counts from the account's own change */
	publish_want(&hand->p, 51, WANT_SOON);
	assert_int_equal(job_of(hand, 51, JOB_DELAYED)->due, hand->now + QUIET);
	/* one that waits already is the newest state when it goes: one of many neither
	 * sends it back nor hurries it */
	int64_t due = job_of(hand, 51, JOB_DELAYED)->due;
	hand->now += 10;
	want_paced(hand, 50, 51);
	job_of(hand, 50, JOB_READY);
	assert_int_equal(job_of(hand, 51, JOB_DELAYED)->due, due);
	struct job *job = job_of(hand, 52, JOB_PACED);
	job->failures = 7;
	job->first = 0;
	jobs_delay(&hand->p.jobs, job, hand->now + 30000);
	want_paced(hand, 52, 52);
	assert_int_equal(job_of(hand, 52, JOB_DELAYED)->due, hand->now + 30000);
	assert_int_equal(job->failures, 7);
	publish_want(&hand->p, 52, WANT_SOON);
	assert_int_equal(job_of(hand, 52, JOB_DELAYED)->due, hand->now + QUIET);
	assert_int_equal(job->failures, 0);
}

static void
test_want_under_way(void **state)
{
	struct hand *hand = *state;
	struct jobs *jobs = &hand->p.jobs;
	for (int64_t i = 1; i <= 4; i++) {
		struct job *job = jobs_add(jobs, i, false);
		assert_int_equal(jobs_activate(jobs, job, JOB_PUSHING, (uint64_t)i), 0);
	}
	want_paced(hand, 2, 4);
	publish_want(&hand->p, 3, WANT_SOON);
	publish_want(&hand->p, 4, WANT_NOW);
	want_paced(hand, 2, 4); /* the most urgent of all counts */
	for (int64_t i = 1; i <= 4; i++) {
		publish_finish_job(&hand->p, job_of(hand, i, JOB_PUSHING));
	}
	assert_null(jobs_find(jobs, 1));
	job_of(hand, 2, JOB_PACED);
	job_of(hand, 3, JOB_DELAYED);
	assert_true(job_of(hand, 4, JOB_READY)->urgent);
	/* what failed does not wait for a turn as well */
	struct job *job = job_of(hand, 2, JOB_PACED);
	assert_int_equal(jobs_activate(jobs, job, JOB_PUSHING, 9), 0);
	want_paced(hand, 2, 2);
	publish_round_again(&hand->p, job);
	assert_int_equal(job_of(hand, 2, JOB_DELAYED)->due, hand->now + QUIET);
	assert_int_equal(job->again, WANT_NOTHING);
}

/* Accounts that are open in the database, for whoever's sake. */
static void
test_found(void **state)
{
	struct hand *hand = *state;
	publish_found(&hand->p, 1, 1, false);
	publish_found(&hand->p, 2, 1, true);
	assert_int_equal(job_of(hand, 1, JOB_DELAYED)->due, hand->now + QUIET);
	assert_true(job_of(hand, 2, JOB_READY)->urgent);
	/* seen before the news of the commit came: it is one of many all the same, once
	 */
	publish_found(&hand->p, 3, 1, false);
	want_paced(hand, 3, 3);
	job_of(hand, 3, JOB_PACED);
	publish_found(&hand->p, 3, 1, false);
	job_of(hand, 3, JOB_PACED);
	publish_found(&hand->p, 3, 1, true);
	assert_true(job_of(hand, 3, JOB_READY)->urgent);
	/* what is tried again later is left alone */
	struct job *job = job_of(hand, 1, JOB_DELAYED);
	job->failures = 3;
	job->wanted = 1;
	jobs_delay(&hand->p.jobs, job, hand->now + 30000);
	publish_found(&hand->p, 1, 1, true);
	assert_int_equal(job_of(hand, 1, JOB_DELAYED)->due, hand->now + 30000);
	assert_int_equal(job->failures, 3);
	/* unless somebody wrote to it since */
	publish_found(&hand->p, 1, 2, true);
	job_of(hand, 1, JOB_READY);
	/* what is under way is open, of course; what is newer than that is news */
	assert_int_equal(jobs_activate(&hand->p.jobs, job, JOB_PUSHING, 1), 0);
	job->wanted = 2;
	publish_found(&hand->p, 1, 2, true);
	publish_found(&hand->p, 1, 3, false);
	assert_int_equal(job->again, WANT_NOTHING);
	publish_found(&hand->p, 1, 3, true);
	assert_int_equal(job->again, WANT_NOW);
}

enum { PUTTERS = 8, PUTS = 500 };

static void *
put_many(void *ctx)
{
	for (int i = 0; i < PUTS; i++) {
		inbox_put_wanted(ctx, i, WANT_SOON);
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

#define WITH_HAND(fn) cmocka_unit_test_setup_teardown(fn, set_up_hand, tear_down_hand)

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
		cmocka_unit_test(test_jobs_delay_order),
		cmocka_unit_test(test_jobs_retry_failed),
		cmocka_unit_test(test_jobs_delay_keeps_little),
		cmocka_unit_test(test_jobs_requests),
		WITH_HAND(test_pace),
		WITH_HAND(test_pace_rates),
		WITH_HAND(test_pace_is_left),
		WITH_HAND(test_want_under_way),
		WITH_HAND(test_found),
		cmocka_unit_test(test_inbox),
		cmocka_unit_test(test_inbox_bound),
		cmocka_unit_test(test_inbox_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
