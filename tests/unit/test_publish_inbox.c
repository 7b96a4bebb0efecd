/* SPDX-License-Identifier: Apache-2.0
 * The news that wait for the publisher. */
#include "publish/inbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inbox),
		cmocka_unit_test(test_inbox_bound),
		cmocka_unit_test(test_inbox_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
