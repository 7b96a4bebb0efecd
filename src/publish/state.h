/* SPDX-License-Identifier: Apache-2.0
 * The publisher's state, which only its own thread touches, and what its parts offer each
 * other. */
#ifndef PUBLISH_STATE_H
#define PUBLISH_STATE_H

#include "publish/inbox.h"
#include "publish/jobs.h"
#include "publish/publisher.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* After a connect every account is visited once: first the open ones, then all others. */
enum sweep { SWEEP_DONE, SWEEP_OPEN, SWEEP_ALL };

/* Lets paced jobs go: up to `rate` at once after a rest, then so many a second. In
 * thousandths of a job, so that a millisecond adds a whole number. */
struct pace {
	int64_t credit;
	int64_t counted_at; /* monotonic ms up to which the credit is counted */
};

struct proof {
	int64_t account;
	int64_t generation;
};

struct publisher {
	struct publisher_params params;
	struct inbox *inbox;
	struct bus *bus;
	pthread_t thread;
	bool started;

	/* the thread's own */
	struct jobs jobs;
	bool up;
	uint64_t next_request;
	struct roster roster;
	int64_t roster_at;
	bool pinging;
	uint64_t ping_request;
	int64_t ping_not_before;
	struct roster ping_roster;
	enum sweep sweep;
	int64_t sweep_after;
	struct pace pace;
	int64_t find_at; /* when the open accounts are looked through next, */
	int64_t find_after; /* and after which */
	size_t find_count; /* how many there were */
	struct proof *proofs; /* in_flight_max places */
	size_t proof_count;
	uint64_t pushed;

	pthread_mutex_t status_lock;
	struct publisher_status status;
};

static inline int64_t
publish_now_ms(const struct publisher *p)
{
	return clock_mono_ms(p->params.clock);
}

static inline int64_t
publish_earlier_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* ---- want.c: what is wanted ---- */

/* All accounts are visited again. */
void publish_restart_sweep(struct publisher *p);

/* The account wants something. */
void publish_want(struct publisher *p, int64_t account, enum want want);

/* The account is open in the database: when nobody told of it, somebody else wrote
 * there. */
void publish_found(struct publisher *p, int64_t account, bool urgent);

/* Paced jobs whose turn it is go on; when the next one's comes (INT64_MAX: there is
 * none). */
void publish_let_paced_go(struct publisher *p);
int64_t publish_pace_due(const struct publisher *p);

/* What changed under way is looked at now; nothing that is known of the servers is
 * forgotten. */
void publish_round_again(struct publisher *p, struct job *job);

/* The servers hold this generation: away with the job, or a new one for what changed
 * meanwhile. */
void publish_finish_job(struct publisher *p, struct job *job);

/* ---- push.c: minting, pushing, looking, and telling the store ---- */

/* Begins with the newest state of the account, whatever it was when the job was made. */
void publish_start(struct publisher *p, struct job *job);

/* An answer to the job's push, or lookup. */
void
publish_on_update_answer(struct publisher *p, struct job *job, const struct note *note);
void
publish_on_lookup_answer(struct publisher *p, struct job *job, const struct note *note);

/* No further answers come: judges by those that came. */
void publish_finish_push(struct publisher *p, struct job *job);
void publish_finish_look(struct publisher *p, struct job *job);

/* One transaction for all that was proven in this step. */
void publish_flush_proofs(struct publisher *p);

/* ---- round.c: who is there ---- */

/* When the next round is due; its answers decide whom a push must reach. */
int64_t publish_ping_due(const struct publisher *p);
void publish_ping(struct publisher *p);
void publish_on_ping_answer(struct publisher *p, const struct note *note);
void publish_finish_ping(struct publisher *p);

/* Jobs under way begin anew: their answers were counted by a roster that is no more. */
void publish_restart_active(struct publisher *p);

#endif
