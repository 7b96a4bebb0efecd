/* SPDX-License-Identifier: Apache-2.0
 * How one thing is asked of all servers (live.c), and what the files of the questions
 * (live_*.c) give for it. Everything here is the asking thread's. */
#ifndef PUBLISH_LIVE_QUESTION_H
#define PUBLISH_LIVE_QUESTION_H

#include "publish/answer.h"
#include "publish/inbox.h"
#include "publish/live.h"
#include "publish/roster.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* So often one server can be asked for more. */
enum { LIVE_MORE_MAX = 1000 };

struct live_question {
	/* Takes what came for a slot, in any order; -1: the question is over. */
	int (*take)(struct live_question *q, unsigned slot, struct note *note,
		struct err *err);
	bool (*is_over)(const struct live_question *q);

	/* what is asked by publish_live_ask, which gives the two above; borrowed */
	const char *what; /* for the log */
	const char *subject;
	const char *body;
	size_t body_len;
	/* Reads an answer of the server at that place of the roster, and asks for more
	 * when there is more. -1: unreadable, unless q->failed says that the question is
	 * over. */
	int (*read)(struct live_question *q, size_t at, const struct answer *answer,
		struct err *err);
	/* Its error, in its words; NULL: it is odd. -1: the question is over. */
	int (*refused)(
		struct live_question *q, size_t at, const char *words, struct err *err);
	void *ctx; /* theirs */

	/* what they say */
	bool failed; /* the caller's callback said so, or no memory */
	bool partial; /* not all that was asked for was shown */

	/* live.c's own, but for reading */
	struct live *live;
	LIST_ENTRY(live_question) link;
	uint64_t number; /* with the bit, without the slot */
	struct note_list notes; /* under the live's lock, as is: */
	bool lost; /* out of memory: an answer is missing */
	struct roster *roster; /* too large for the stack of an HTTP worker */
	bool expired; /* whoever has not answered yet will not */
	uint64_t answered; /* by place in the roster, as bits */
	uint64_t odd; /* answered, but nothing of use */
	unsigned awaited[ROSTER_MAX]; /* the slot of the request for more; 0: none */
	unsigned more[ROSTER_MAX]; /* such requests so far */
};

/* The server at that place. */
static inline const struct server *
publish_live_server(const struct live_question *q, size_t at)
{
	return &q->roster->servers[at];
}

/* Questions whose answers do not say whose they are ask by themselves. First of all: what
 * comes for q is kept for it from now on. */
void publish_live_open(struct live_question *q, struct live *live);

/* A request, in a slot of the asker's choice that was not used before, of 16 bits. Those
 * that are not over are cancelled by who sent them, before publish_live_close. */
int publish_live_send(struct live_question *q, unsigned slot, const char *subject,
	const char *body, size_t len, struct err *err) MUST_CHECK;
void publish_live_cancel(struct live_question *q, unsigned slot);

/* Has all taken that comes, until it is over or the silence has lasted too long. */
int publish_live_hear(struct live_question *q, struct err *err) MUST_CHECK;

void publish_live_close(struct live_question *q);

/* Asks all servers, and waits until all have answered, or the silence has lasted too
 * long. *out gets what every question has. ERR_UNAVAILABLE: no connection to NATS, or no
 * answer at all; otherwise errors are those of the callbacks. */
int publish_live_ask(struct live *live, struct live_question *q, struct live_summary *out,
	struct err *err) MUST_CHECK;

/* From read: asks that server something more, at most LIVE_MORE_MAX times; its answer
 * comes to read, too. */
int publish_live_ask_more(struct live_question *q, size_t at, const char *subject,
	const char *body, size_t len, struct err *err) MUST_CHECK;

#endif
