/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/inbox.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct inbox {
	pthread_mutex_t lock;
	pthread_cond_t arrived;
	struct note_list notes;
	size_t heard; /* bytes that inbox_put took since the last inbox_take */
	bool unheard; /* and that it dropped some */
	bool lost;
	bool closed;
};

int
inbox_new(struct inbox **out, struct err *err)
{
	pthread_condattr_t attr;
	struct inbox *inbox = calloc(1, sizeof(*inbox));
	if (inbox == NULL) {
		return err_nomem(err);
	}
	pthread_mutex_init(&inbox->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&inbox->arrived, &attr);
	pthread_condattr_destroy(&attr);
	STAILQ_INIT(&inbox->notes);
	*out = inbox;
	return 0;
}

void
inbox_free(struct inbox *inbox)
{
	if (inbox == NULL) {
		return;
	}
	while (!STAILQ_EMPTY(&inbox->notes)) {
		struct note *note = STAILQ_FIRST(&inbox->notes);
		STAILQ_REMOVE_HEAD(&inbox->notes, link);
		free(note);
	}
	pthread_cond_destroy(&inbox->arrived);
	pthread_mutex_destroy(&inbox->lock);
	free(inbox);
}

static void
put(struct inbox *inbox, struct note *note)
{
	pthread_mutex_lock(&inbox->lock);
	/* Whoever waits does so for the first one, and then takes all. */
	bool first = STAILQ_EMPTY(&inbox->notes);
	if (note == NULL) {
		inbox->lost = true;
	} else {
		STAILQ_INSERT_TAIL(&inbox->notes, note, link);
	}
	if (first) {
		pthread_cond_signal(&inbox->arrived);
	}
	pthread_mutex_unlock(&inbox->lock);
}

struct note *
inbox_note_of_bus(const struct bus_event *event)
{
	struct note *note = calloc(1, sizeof(*note) + event->len + 1);
	if (note != NULL) {
		note->kind = NOTE_BUS;
		note->bus = event->kind;
		note->epoch = event->epoch;
		note->request = event->request;
		note->no_responders = event->no_responders;
		note->len = event->len;
		if (event->len > 0) {
			memcpy(note->data, event->data, event->len);
		}
	}
	return note;
}

void
inbox_put_bus(struct inbox *inbox, const struct bus_event *event)
{
	put(inbox, inbox_note_of_bus(event));
}

void
inbox_put_wanted(struct inbox *inbox, int64_t account, enum want want)
{
	struct note *note = calloc(1, sizeof(*note) + 1);
	if (note != NULL) {
		note->kind = NOTE_WANTED;
		note->account = account;
		note->want = want;
	}
	put(inbox, note);
}

/* False: no room; *out_first: for the first time. */
static bool
take_room(struct inbox *inbox, size_t bytes, bool *out_first)
{
	pthread_mutex_lock(&inbox->lock);
	bool had_room = !inbox->unheard;
	bool has_room = had_room && bytes <= INBOX_HEARD_MAX - inbox->heard;
	if (has_room) {
		inbox->heard += bytes;
	}
	inbox->unheard = !has_room;
	*out_first = had_room && !has_room;
	pthread_mutex_unlock(&inbox->lock);
	return has_room;
}

void
inbox_put(struct inbox *inbox, enum note_kind kind, const char *data, size_t len)
{
	bool first = false;
	if (!take_room(inbox, sizeof(struct note) + len, &first)) {
		if (!first) {
			return;
		}
		kind = NOTE_UNHEARD;
		len = 0;
	}
	struct note *note = calloc(1, sizeof(*note) + len + 1);
	if (note != NULL) {
		note->kind = kind;
		note->len = len;
		if (len > 0) {
			memcpy(note->data, data, len);
		}
	}
	put(inbox, note);
}

void
inbox_close(struct inbox *inbox)
{
	pthread_mutex_lock(&inbox->lock);
	inbox->closed = true;
	pthread_cond_broadcast(&inbox->arrived);
	pthread_mutex_unlock(&inbox->lock);
}

bool
inbox_take(struct inbox *inbox, int64_t wait_ms, struct note_list *out, bool *out_lost)
{
	int64_t until = clock_mono_ms(&clock_system) + wait_ms;
	struct timespec deadline = {
		.tv_sec = (time_t)(until / 1000),
		.tv_nsec = (long)(until % 1000) * 1000000,
	};
	int rc = 0;
	pthread_mutex_lock(&inbox->lock);
	while (STAILQ_EMPTY(&inbox->notes) && !inbox->closed && !inbox->lost && rc == 0) {
		if (wait_ms < 0) {
			pthread_cond_wait(&inbox->arrived, &inbox->lock);
		} else {
			rc = pthread_cond_timedwait(
				&inbox->arrived, &inbox->lock, &deadline);
		}
	}
	STAILQ_INIT(out);
	STAILQ_CONCAT(out, &inbox->notes);
	inbox->heard = 0;
	inbox->unheard = false;
	*out_lost = inbox->lost;
	inbox->lost = false;
	bool open = !inbox->closed;
	pthread_mutex_unlock(&inbox->lock);
	return open;
}
