/* SPDX-License-Identifier: Apache-2.0
 * Accounts that have something to do: one job each, in one list each, or in the heap of
 * those that wait for their time. Used by the publisher's thread only. */
#ifndef PUBLISH_JOBS_H
#define PUBLISH_JOBS_H

#include "base/err.h"
#include "base/nkey_text.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum { JOB_WORDS_SIZE = 256 }; /* a server's words with its name */

/* How soon an account wants something, the slowest first. */
enum want {
	WANT_NOTHING,
	WANT_PACED, /* one of many: in its turn */
	WANT_SOON, /* after the debounce */
	WANT_NOW
};

enum job_phase {
	JOB_PACED, /* until its turn comes */
	JOB_DELAYED, /* until .due: debounce, backoff, or the clock */
	JOB_READY, /* as soon as there is a server and a place */
	JOB_PUSHING, /* an update is under way */
	JOB_LOOKING /* a lookup is under way */
};

/* Which ready jobs it waits among. */
enum job_lane {
	LANE_URGENT,
	LANE_FIRST, /* something changed */
	LANE_LOOK, /* nobody but a pass wants something of it */
	LANE_AGAIN, /* tried before, in vain */
	LANE_COUNT
};

struct job {
	TAILQ_ENTRY(job) link;
	int64_t account;
	enum job_phase phase;
	enum job_lane lane; /* JOB_READY, and that it came from when it is under way */
	bool urgent;
	bool pass; /* a pass made it, to look at it, and nobody asked for more since */
	bool look; /* look at what the servers hold before anything else */
	bool swept; /* the pass over all accounts waits for it */
	bool drifted; /* a lookup missed what is recorded as proven: push it all the
			 same */
	/* Seen open in the database, and nobody told of it (yet). */
	bool found;
	unsigned drift; /* how servers differed, as bits of enum store_drift_kind, */
	int64_t where; /* and which, by its seq: the only one, or one whose LIST lacked
			  it; 0: not known */
	enum want again; /* changed while under way */
	int64_t first; /* monotonic ms: when the change came that is debounced or paced */
	int64_t due; /* JOB_DELAYED */
	uint64_t turn; /* among those that are due together */
	size_t place; /* in the heap */
	unsigned failures;
	uint32_t told; /* hash of why, as it was logged last */
	int64_t unsure_until; /* monotonic ms: another push may be on its way, so a try
				 that began before is followed by a look; 0: no */
	int64_t unseen_since; /* monotonic ms: no look was complete since; 0: there was
				 none, or it was */

	/* under way */
	uint64_t request;
	int64_t sent_at; /* monotonic ms */
	char key[NKEY_TEXT_SIZE];
	int64_t wanted; /* generation */
	int64_t generation; /* that the bytes say */
	int64_t proven; /* proven before */
	int64_t last_iat;
	size_t current; /* servers that held these bytes since they started, as recorded
			 */
	bool noted; /* words of a try that failed are recorded */
	uint8_t *overruled; /* see struct store_publish; owned, NULL: none */
	size_t overruled_len;
	char *jwt; /* owned; NULL: none was minted yet */
	size_t jwt_len;
	bool pushed; /* it was, in this try: a lookup is the proof */
	uint64_t answered; /* servers of the roster that answered an update, as bits */
	uint64_t stored; /* and said that they stored it */
	uint64_t cached; /* and that in a cache, which shows nothing */
	bool refused;
	char (*said)[JOB_WORDS_SIZE]; /* by place in the roster, of those that did not
					 store it; owned, NULL: nobody */
	char words[JOB_WORDS_SIZE]; /* the last of these, with the server's name */
	size_t equal; /* lookups that showed our bytes, */
	size_t missing; /* nothing, */
	size_t older; /* older ones, */
	size_t damaged; /* none at all */
};

TAILQ_HEAD(job_list, job);

struct jobs {
	void *by_account; /* trees of <search.h> */
	void *by_request;
	struct job_list paced; /* in order of arrival */
	struct job **delayed; /* heap: the first is due first. Room for all jobs, so that
				 none can fail to get in */
	size_t delayed_len;
	size_t delayed_room;
	uint64_t turns;
	struct job_list lanes[LANE_COUNT]; /* of those that are ready */
	struct job_list active;
	size_t active_len;
	size_t active_in[LANE_COUNT]; /* that came from there */
	size_t ready_len; /* of all lanes */
	size_t ready_in[LANE_COUNT];
	size_t len;
};

void jobs_init(struct jobs *jobs);

/* With all jobs. */
void jobs_release(struct jobs *jobs);

/* The account's, or NULL. */
struct job *jobs_find(struct jobs *jobs, int64_t account);

/* NULL when out of memory. New jobs are JOB_READY. */
struct job *jobs_add(struct jobs *jobs, int64_t account, bool urgent);

/* One of a pass, that is only looked at. */
struct job *jobs_add_look(struct jobs *jobs, int64_t account, bool urgent);

/* Frees it. */
void jobs_remove(struct jobs *jobs, struct job *job);

/* Ready ones that were not tried yet. */
static inline size_t
jobs_new(const struct jobs *jobs)
{
	return jobs->ready_len - jobs->ready_in[LANE_AGAIN];
}

/* The job that the request belongs to, or NULL. */
struct job *jobs_find_request(struct jobs *jobs, uint64_t request);

/* Behind the others that wait for their turn. */
void jobs_pace(struct jobs *jobs, struct job *job);

/* Nothing of its last try is kept: as many may wait as there are accounts. */
void jobs_delay(struct jobs *jobs, struct job *job, int64_t due);
void jobs_make_ready(
	struct jobs *jobs, struct job *job, bool urgent); /* once urgent, always */

/* Under way with a request; -1 when out of memory: then jobs_find_request does not find
 * it. */
int jobs_activate(struct jobs *jobs, struct job *job, enum job_phase phase,
	uint64_t request) MUST_CHECK;

/* Moves delayed jobs whose time has come to the ready ones, in the order of their
 * times. */
void jobs_promote(struct jobs *jobs, int64_t now);

/* When the next of them is due; INT64_MAX: there is none. */
int64_t jobs_next_due(const struct jobs *jobs);

/* The time of all delayed ones that failed has come, as if they had not. */
void jobs_retry_failed(struct jobs *jobs);

#endif
