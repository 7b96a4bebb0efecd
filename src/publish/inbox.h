/* SPDX-License-Identifier: Apache-2.0
 * What other threads tell the publisher: bus events and committed changes, in order. */
#ifndef PUBLISH_INBOX_H
#define PUBLISH_INBOX_H

#include "bus/bus.h"
#include "publish/jobs.h"

#include <stdbool.h>
#include <sys/queue.h>

/* Bytes of what came on subscriptions that wait at a time. */
enum { INBOX_HEARD_MAX = 16 * 1024 * 1024 };

enum note_kind {
	NOTE_BUS,
	NOTE_WANTED,
	NOTE_RECONCILE,
	NOTE_SERVER, /* the server with the id in .data is there */
	NOTE_OTHER_HAND, /* another client pushed .data, */
	NOTE_REMOVAL, /* or asked with it that servers remove accounts */
	NOTE_UNHEARD /* there was no room for some of these, here or in the bus */
};

struct note {
	STAILQ_ENTRY(note) link;
	enum note_kind kind;
	/* NOTE_BUS */
	enum bus_event_kind bus;
	uint64_t epoch;
	uint64_t request;
	bool no_responders;
	/* NOTE_WANTED */
	int64_t account;
	enum want want;
	size_t len;
	char data[]; /* len bytes and a NUL */
};

STAILQ_HEAD(note_list, note);

struct inbox;

/* ERR_NOMEM. */
int inbox_new(struct inbox **out, struct err *err) MUST_CHECK;

/* With the notes that nobody took; NULL is allowed. */
void inbox_free(struct inbox *inbox);

/* From any thread; never waits. Out of memory they set a flag that inbox_take hands out:
 * what was lost is found again by looking everything up. */
void inbox_put_bus(struct inbox *inbox, const struct bus_event *event);
void inbox_put_wanted(struct inbox *inbox, int64_t account, enum want want);

/* Other clients decide how many of these come: beyond INBOX_HEARD_MAX all are dropped
 * until the next inbox_take, which hands out one NOTE_UNHEARD for them. */
void inbox_put(struct inbox *inbox, enum note_kind kind, const char *data, size_t len);

/* What inbox_put_bus puts: free() is the caller's; NULL when out of memory. */
struct note *inbox_note_of_bus(const struct bus_event *event) MUST_CHECK;

/* Makes inbox_take return false from now on. */
void inbox_close(struct inbox *inbox);

/* Waits at most wait_ms (-1: until something comes) and moves all notes to *out, which
 * may stay empty; the caller frees each. False after inbox_close. */
bool
inbox_take(struct inbox *inbox, int64_t wait_ms, struct note_list *out, bool *out_lost);

#endif
