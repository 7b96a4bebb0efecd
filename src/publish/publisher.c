/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/publisher.h"

#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"
#include "publish/ack.h"
#include "publish/inbox.h"
#include "publish/jobs.h"
#include "service/minting.h"
#include "store/publish.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
	ROSTER_FRESH_MS = 1000, /* a push counts on a roster no older than this, */
	ROSTER_IDLE_MS = 10000, /* which is asked for anyway this often */
	PING_WAIT_MS = 500, /* for servers that others know of and that do not answer */
	PING_PAUSE_MS = 200, /* after a round that nobody answered */
	BACKOFF_FIRST_MS = 200,
	BACKOFF_MAX_MS = 30000,
	HELD_MS = 10000, /* what natsid itself holds back is looked at again after */
	SWEEP_PAGE = 256
};

/* After a connect every account is visited once: first the open ones, then all others. */
enum sweep { SWEEP_DONE, SWEEP_OPEN, SWEEP_ALL };

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
	struct proof *proofs; /* in_flight_max places */
	size_t proof_count;
	uint64_t pushed;

	pthread_mutex_t status_lock;
	struct publisher_status status;
};

static int64_t
now_ms(const struct publisher *p)
{
	return clock_mono_ms(p->params.clock);
}

static int64_t
earlier_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* ---- what is wanted ---- */

static void
debounce(struct publisher *p, struct job *job)
{
	int64_t now = now_ms(p);
	if (job->first == 0) {
		job->first = now;
	}
	jobs_delay(&p->jobs, job,
		earlier_of(now + p->params.debounce_quiet_ms,
			job->first + p->params.debounce_max_ms));
}

static void
restart_sweep(struct publisher *p)
{
	p->sweep = SWEEP_OPEN;
	p->sweep_after = 0;
}

static void
want(struct publisher *p, int64_t account, bool urgent)
{
	struct job *job = jobs_find(&p->jobs, account);
	if (job == NULL) {
		job = jobs_add(&p->jobs, account, urgent);
		if (job == NULL) {
			restart_sweep(p); /* out of memory: the database remembers */
			return;
		}
		if (!urgent) {
			debounce(p, job);
		}
		return;
	}
	switch (job->phase) {
	case JOB_PUSHING:
	case JOB_LOOKING:
		job->again = true;
		job->again_urgent = job->again_urgent || urgent;
		return;
	case JOB_READY:
	case JOB_DELAYED:
		break;
	}
	job->failures = 0;
	if (urgent) {
		jobs_make_ready(&p->jobs, job, true);
	} else if (job->phase == JOB_DELAYED) {
		debounce(p, job);
	}
}

/* What changed under way is looked at now; nothing that is known of the servers is
 * forgotten. */
static void
round_again(struct publisher *p, struct job *job)
{
	bool urgent = job->again_urgent;
	job->again = false;
	job->again_urgent = false;
	job->failures = 0;
	job->first = 0;
	if (urgent) {
		jobs_make_ready(&p->jobs, job, true);
	} else {
		debounce(p, job);
	}
}

/* The servers hold this generation: away with the job, or a new one for what changed
 * meanwhile. */
static void
finish_job(struct publisher *p, struct job *job)
{
	bool again = job->again;
	bool urgent = job->again_urgent;
	int64_t account = job->account;
	jobs_remove(&p->jobs, job);
	if (again) {
		want(p, account, urgent);
	}
}

/* ---- telling the store ---- */

static int
write_proofs(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct publisher *p = ctx;
	for (size_t i = 0; i < p->proof_count; i++) {
		if (store_publish_proven(tx, p->proofs[i].account,
			    p->proofs[i].generation, err) != 0) {
			return -1;
		}
	}
	return 0;
}

/* One transaction for all that was proven in this step. */
static void
flush_proofs(struct publisher *p)
{
	struct err err = { 0 };
	if (p->proof_count == 0) {
		return;
	}
	if (store_write(p->params.store, write_proofs, p, &err) != 0) {
		log_err("cannot record what is proven", &err,
			LOG_INT("accounts", p->proof_count));
		/* They are proven all the same; the sweep finds them open and records
		 * them then. */
		restart_sweep(p);
	}
	p->proof_count = 0;
}

static void
prove(struct publisher *p, const struct job *job)
{
	if (job->proven >= job->generation) {
		return;
	}
	if (p->proof_count == p->params.in_flight_max) {
		flush_proofs(p);
	}
	p->proofs[p->proof_count++] =
		(struct proof){ .account = job->account, .generation = job->generation };
}

struct note_params {
	const struct job *job;
	enum store_publish_state state;
	const char *message;
};

static int
write_note(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct note_params *note = ctx;
	const struct job *job = note->job;
	if (job->drifted &&
		store_publish_unproven(tx, job->account, job->generation, err) != 0) {
		return -1;
	}
	return store_publish_note(
		tx, job->account, job->generation, note->state, note->message, true, err);
}

static void
note_failure(struct publisher *p, const struct job *job, enum store_publish_state state,
	const char *message)
{
	struct err err = { 0 };
	struct note_params note = { .job = job, .state = state, .message = message };
	if (store_write(p->params.store, write_note, &note, &err) != 0) {
		log_err("cannot record why an account is not proven", &err,
			LOG_INT("account", job->account));
	}
}

static int64_t
backoff(unsigned failures)
{
	unsigned doublings = failures < 8 ? failures : 8;
	int64_t pause =
		earlier_of((int64_t)BACKOFF_FIRST_MS << doublings, BACKOFF_MAX_MS);
	return pause / 2 + (int64_t)rand_below((uint32_t)pause / 2 + 1);
}

/* This try failed: says why, and tries again later with the bytes that are the newest
 * then. */
static void
fail(struct publisher *p, struct job *job, enum store_publish_state state,
	const char *message)
{
	note_failure(p, job, state, message);
	log_warn("account not proven", LOG_STR("account", job->key),
		LOG_INT("generation", job->generation), LOG_STR("reason", message));
	if (job->again) {
		round_again(p, job);
		return;
	}
	int64_t pause = state == STORE_PUBLISH_REFUSED ? BACKOFF_MAX_MS
		: state == STORE_PUBLISH_HELD          ? HELD_MS
						       : backoff(job->failures);
	job->failures++;
	job->first = 0;
	jobs_delay(&p->jobs, job, now_ms(p) + pause);
}

/* ---- pushing and looking ---- */

static void
reset_answers(struct job *job)
{
	job->answered = 0;
	job->stored = 0;
	job->equal = 0;
	job->different = 0;
	job->refused = false;
	job->words[0] = '\0';
}

/* True: it is under way. False: the job waits for another try. */
static bool
send_request(struct publisher *p, struct job *job, enum job_phase phase,
	const char *subject, const char *data, size_t len)
{
	struct err err = { 0 };
	uint64_t request = p->next_request++;
	reset_answers(job);
	if (jobs_activate(&p->jobs, job, phase, request) != 0) {
		fail(p, job, STORE_PUBLISH_PENDING, "out of memory");
		return false;
	}
	if (bus_request(p->bus, request, subject, data, len, p->params.request_ms,
		    &err) != 0) {
		fail(p, job, STORE_PUBLISH_PENDING, err.msg);
		return false;
	}
	return true;
}

/* After a lookup that failed with the connection there is nothing to tell of the servers
 * yet: then look_first stays. */
static void
push(struct publisher *p, struct job *job)
{
	p->pushed++;
	if (send_request(p, job, JOB_PUSHING, "$SYS.REQ.CLAIMS.UPDATE", job->jwt,
		    job->jwt_len) &&
		job->look_first) {
		job->look_first = false;
		job->drifted = true;
	}
}

static void
look(struct publisher *p, struct job *job)
{
	char subject[128];
	str_fmt_cut(
		subject, sizeof(subject), "$SYS.REQ.ACCOUNT.%s.CLAIMS.LOOKUP", job->key);
	(void)send_request(p, job, JOB_LOOKING, subject, "", 0); /* it told why */
}

struct wanted {
	struct store_publish row;
	struct store_publish_item item;
	char *jwt;
	int64_t jwt_generation;
};

static int
take_item(void *ctx, const struct store_publish_item *item, struct err *err)
{
	struct wanted *wanted = ctx;
	(void)err; /* copying cannot fail */
	wanted->item = *item;
	return 0;
}

static int
read_wanted(struct publisher *p, int64_t account, struct wanted *out, struct err *err)
{
	struct store_conn *conn = NULL;
	*out = (struct wanted){ 0 };
	if (store_read_begin(p->params.store, &conn, err) != 0) {
		return -1;
	}
	int rc = store_publish_get(conn, account, &out->row, err);
	if (rc == 0) {
		rc = store_publish_scan(conn, account - 1, 1, false, take_item, out, err);
	}
	if (rc == 0 && out->row.minted_generation > 0) {
		rc = store_publish_jwt(
			conn, account, &out->jwt, &out->jwt_generation, err);
	}
	store_read_end(p->params.store, conn);
	return rc;
}

static void
trouble(struct publisher *p, struct job *job, const char *what, const struct err *err)
{
	log_err(what, err, LOG_INT("account", job->account));
	job->first = 0;
	jobs_delay(&p->jobs, job, now_ms(p) + backoff(job->failures++));
}

/* Mints what is wanted and not yet minted. True: the job goes on; false: it is dealt
 * with. */
static bool
mint(struct publisher *p, struct job *job, const struct store_publish *row)
{
	struct minting minting;
	struct err err = { 0 };
	if (row->minted_generation == row->generation) {
		return true;
	}
	job->generation = row->generation;
	if (service_mint_account(
		    p->params.service, job->account, job->urgent, &minting, &err) != 0) {
		trouble(p, job, "cannot mint an account", &err);
		return false;
	}
	switch (minting.result) {
	case MINTING_DONE:
		if (minting.new_bytes) {
			job->look_first = false; /* nobody can hold them yet */
		}
		if (!minting.new_bytes &&
			row->proven_generation >= row->minted_generation &&
			!job->look_first && !job->drifted) {
			/* The claims are those that are proven already: nothing to
			 * push. */
			job->generation = minting.generation;
			job->proven = row->proven_generation;
			prove(p, job);
			finish_job(p, job);
			return false;
		}
		return true;
	case MINTING_LATER: {
		int64_t wait = minting.not_before - clock_wall_ms(p->params.clock);
		jobs_delay(&p->jobs, job, now_ms(p) + (wait > 0 ? wait : 1));
		return false;
	}
	case MINTING_HELD:
		fail(p, job, STORE_PUBLISH_HELD, minting.reason);
		return false;
	}
	return false;
}

/* Begins with the newest state of the account, whatever it was when the job was made. */
static void
start(struct publisher *p, struct job *job)
{
	struct wanted wanted;
	struct err err = { 0 };
	if (read_wanted(p, job->account, &wanted, &err) != 0) {
		trouble(p, job, "cannot read an account to publish", &err);
		goto out;
	}
	memcpy(job->key, wanted.item.public_key, sizeof(job->key));
	if (!mint(p, job, &wanted.row)) {
		goto out;
	}
	free(wanted.jwt);
	if (read_wanted(p, job->account, &wanted, &err) != 0) {
		trouble(p, job, "cannot read an account to publish", &err);
		goto out;
	}
	if (wanted.jwt_generation != wanted.row.generation) {
		/* changed since it was minted: round again, at once */
		jobs_make_ready(&p->jobs, job, job->urgent);
		goto out;
	}
	job->generation = wanted.jwt_generation;
	job->proven = wanted.row.proven_generation;
	if (job->proven >= job->generation && !job->look_first && !job->drifted) {
		finish_job(p, job);
		goto out;
	}
	free(job->jwt);
	job->jwt = wanted.jwt;
	job->jwt_len = strlen(wanted.jwt);
	wanted.jwt = NULL;
	if (job->look_first) {
		look(p, job);
	} else {
		push(p, job);
	}
out:
	free(wanted.jwt);
}

static size_t
count_bits(uint64_t mask)
{
	return (size_t)__builtin_popcountll(mask);
}

static void
finish_push(struct publisher *p, struct job *job)
{
	char words[STORE_PUBLISH_MESSAGE_MAX];
	bus_cancel(p->bus, job->request);
	if (count_bits(job->stored) == p->roster.len) {
		look(p, job);
		return;
	}
	if (job->refused) {
		fail(p, job, STORE_PUBLISH_REFUSED, job->words);
	} else if (job->answered == 0) {
		fail(p, job, STORE_PUBLISH_PENDING,
			job->words[0] != '\0' ? job->words
					      : "no server answered the push");
	} else if (count_bits(job->answered) < p->roster.len) {
		char missing[STORE_PUBLISH_MESSAGE_MAX - 32];
		roster_missing(&p->roster, job->answered, missing, sizeof(missing));
		str_fmt_cut(words, sizeof(words), "no answer from %s", missing);
		fail(p, job, STORE_PUBLISH_PARTIAL, words);
	} else {
		fail(p, job, STORE_PUBLISH_PARTIAL, job->words);
	}
}

static void
finish_look(struct publisher *p, struct job *job)
{
	bus_cancel(p->bus, job->request);
	if (p->roster.overflow) {
		fail(p, job, STORE_PUBLISH_HELD,
			"there are more servers than natsid can follow");
	} else if (job->different == 0 && job->equal >= p->roster.len) {
		prove(p, job);
		finish_job(p, job);
	} else if (job->look_first) {
		if (job->again) {
			round_again(p, job);
		} else {
			push(p, job);
		}
	} else {
		char words[STORE_PUBLISH_MESSAGE_MAX];
		str_fmt_cut(words, sizeof(words),
			"%zu of %zu servers show the new JWT when they are asked for it",
			job->equal, p->roster.len);
		fail(p, job, STORE_PUBLISH_PARTIAL, words);
	}
}

static void
on_update_answer(struct publisher *p, struct job *job, const struct note *note)
{
	struct ack ack;
	struct err err = { 0 };
	if (note->no_responders) {
		str_fmt_cut(job->words, sizeof(job->words),
			"no server takes account updates: is this an operator-mode "
			"server with a "
			"full resolver?");
		finish_push(p, job);
		return;
	}
	if (ack_parse(note->data, note->len, &ack, &err) != 0) {
		log_warn("odd answer to an account update", LOG_STR("error", err.msg));
		return;
	}
	int index = roster_index(&p->roster, ack.server_id);
	if (index < 0) {
		p->roster_at = 0; /* a server that came after the last round: ask again */
		return;
	}
	job->answered |= UINT64_C(1) << index;
	if (ack.meaning == ACK_STORED) {
		job->stored |= UINT64_C(1) << index;
	} else {
		job->refused = job->refused || ack.meaning == ACK_REFUSED;
		str_fmt_cut(job->words, sizeof(job->words), "%s: %s", ack.server_name,
			ack.words);
	}
	if (count_bits(job->answered) == p->roster.len) {
		finish_push(p, job);
	}
}

static void
on_lookup_answer(struct publisher *p, struct job *job, const struct note *note)
{
	bool equal = !note->no_responders && note->len == job->jwt_len &&
		memcmp(note->data, job->jwt, job->jwt_len) == 0;
	if (equal) {
		job->equal++;
	} else {
		job->different++;
	}
	if (note->no_responders || job->equal + job->different >= p->roster.len) {
		finish_look(p, job);
	}
}

/* ---- rounds of PING ---- */

static bool
same_servers(const struct roster *a, const struct roster *b)
{
	if (a->len != b->len || a->overflow != b->overflow) {
		return false;
	}
	for (size_t i = 0; i < a->len; i++) {
		if (roster_index(b, a->servers[i].id) < 0) {
			return false;
		}
	}
	return true;
}

/* Answers under way were counted by the old roster: they begin anew. */
static void
restart_active(struct publisher *p)
{
	while (!TAILQ_EMPTY(&p->jobs.active)) {
		struct job *job = TAILQ_FIRST(&p->jobs.active);
		bus_cancel(p->bus, job->request);
		jobs_make_ready(&p->jobs, job, false);
	}
}

static void
log_roster(const struct roster *roster)
{
	for (size_t i = 0; i < roster->len; i++) {
		log_info("nats server", LOG_STR("name", roster->servers[i].name),
			LOG_STR("cluster", roster->servers[i].cluster),
			LOG_STR("version", roster->servers[i].version),
			LOG_STR("id", roster->servers[i].id));
	}
}

static void
finish_ping(struct publisher *p)
{
	bus_cancel(p->bus, p->ping_request);
	p->pinging = false;
	p->roster_at = now_ms(p);
	if (p->ping_roster.len == 0) {
		p->ping_not_before = p->roster_at + PING_PAUSE_MS;
	}
	if (same_servers(&p->roster, &p->ping_roster)) {
		return;
	}
	/* A server that is new holds what it happens to hold: everything is looked up
	 * again. */
	bool grown = false;
	for (size_t i = 0; i < p->ping_roster.len; i++) {
		grown = grown ||
			roster_index(&p->roster, p->ping_roster.servers[i].id) < 0;
	}
	p->roster = p->ping_roster;
	log_roster(&p->roster);
	restart_active(p);
	if (grown) {
		restart_sweep(p);
	}
}

static void
on_ping_answer(struct publisher *p, const struct note *note)
{
	struct err err = { 0 };
	if (note->no_responders) {
		finish_ping(p);
		return;
	}
	if (roster_add(&p->ping_roster, note->data, note->len, &err) != 0) {
		log_warn("odd answer to PING", LOG_STR("error", err.msg));
	} else if (roster_is_complete(&p->ping_roster)) {
		finish_ping(p);
	}
}

static void
ping(struct publisher *p)
{
	struct err err = { 0 };
	p->ping_roster = (struct roster){ 0 };
	p->ping_request = p->next_request++;
	if (bus_request(p->bus, p->ping_request, "$SYS.REQ.SERVER.PING", "", 0,
		    PING_WAIT_MS, &err) != 0) {
		p->ping_not_before = now_ms(p) + PING_PAUSE_MS;
		return;
	}
	p->pinging = true;
}

static bool
has_work(const struct publisher *p)
{
	return p->jobs.ready_len > 0 || p->sweep != SWEEP_DONE;
}

/* When the next round is due; its answers decide whom a push must reach. */
static int64_t
ping_due(const struct publisher *p)
{
	int64_t age = has_work(p) ? ROSTER_FRESH_MS : ROSTER_IDLE_MS;
	int64_t due = p->roster.len == 0 ? 0 : p->roster_at + age;
	return due > p->ping_not_before ? due : p->ping_not_before;
}

/* ---- the thread ---- */

static int
sweep_item(void *ctx, const struct store_publish_item *item, struct err *err)
{
	struct publisher *p = ctx;
	p->sweep_after = item->account;
	struct job *waiting = jobs_find(&p->jobs, item->account);
	if (waiting != NULL) {
		/* Its change may turn out to change no claims: the visit must not be lost
		 * with it. */
		if (p->sweep == SWEEP_ALL &&
			(waiting->phase == JOB_READY || waiting->phase == JOB_DELAYED)) {
			waiting->look_first = true;
		}
		return 0;
	}
	bool urgent = p->sweep == SWEEP_OPEN &&
		item->urgent_generation > item->proven_generation;
	struct job *job = jobs_add(&p->jobs, item->account, urgent);
	if (job == NULL) {
		return err_nomem(err);
	}
	job->look_first = p->sweep == SWEEP_ALL;
	return 0;
}

/* The next page of accounts, as long as there is room to work on them. */
static void
continue_sweep(struct publisher *p)
{
	while (p->sweep != SWEEP_DONE && p->jobs.ready_len < p->params.in_flight_max) {
		struct err err = { 0 };
		struct store_conn *conn = NULL;
		int64_t before = p->sweep_after;
		int rc = store_read_begin(p->params.store, &conn, &err);
		if (rc == 0) {
			rc = store_publish_scan(conn, before, SWEEP_PAGE,
				p->sweep == SWEEP_OPEN, sweep_item, p, &err);
			store_read_end(p->params.store, conn);
		}
		if (rc != 0) {
			log_err("cannot go through the accounts", &err,
				LOG_INT("after", p->sweep_after));
			return;
		}
		if (p->sweep_after == before) {
			p->sweep = p->sweep == SWEEP_OPEN ? SWEEP_ALL : SWEEP_DONE;
			p->sweep_after = 0;
		}
	}
}

static void
on_up(struct publisher *p)
{
	p->up = true;
	p->pinging = false;
	/* Sent on the new connection before the news of it was read: without a roster the
	 * first answer would count as all. */
	restart_active(p);
	p->roster.len = 0;
	p->ping_not_before = 0;
	restart_sweep(p);
	/* what failed on the old connection need not wait on the new one */
	struct job *job;
	TAILQ_FOREACH(job, &p->jobs.delayed, link)
	{
		if (job->failures > 0) {
			job->failures = 0;
			job->due = 0;
			p->jobs.next_due = 0;
		}
	}
}

static void
on_answer(struct publisher *p, const struct note *note)
{
	if (p->pinging && note->request == p->ping_request) {
		on_ping_answer(p, note);
		return;
	}
	struct job *job = jobs_find_request(&p->jobs, note->request);
	if (job == NULL) {
		return; /* late: that try is over */
	}
	if (job->phase == JOB_PUSHING) {
		on_update_answer(p, job, note);
	} else {
		on_lookup_answer(p, job, note);
	}
}

static void
on_expired(struct publisher *p, uint64_t request)
{
	if (p->pinging && request == p->ping_request) {
		finish_ping(p);
		return;
	}
	struct job *job = jobs_find_request(&p->jobs, request);
	if (job == NULL) {
		return;
	}
	if (job->phase == JOB_PUSHING) {
		finish_push(p, job);
	} else {
		finish_look(p, job);
	}
}

static void
on_note(struct publisher *p, const struct note *note)
{
	if (note->kind == NOTE_WANTED) {
		want(p, note->account, note->urgent);
		return;
	}
	switch (note->bus) {
	case BUS_EVENT_UP:
		on_up(p);
		break;
	case BUS_EVENT_DOWN:
		p->up = false;
		p->pinging = false;
		break;
	case BUS_EVENT_REPLY:
		on_answer(p, note);
		break;
	case BUS_EVENT_EXPIRED:
		on_expired(p, note->request);
		break;
	case BUS_EVENT_MESSAGE:
		break; /* the publisher subscribes to nothing */
	}
}

static void
step(struct publisher *p)
{
	int64_t now = now_ms(p);
	jobs_promote(&p->jobs, now);
	if (p->up) {
		if (!p->pinging && now >= ping_due(p)) {
			ping(p);
		}
		/* While a round is asked for, its outcome decides whom to count. */
		if (!p->pinging && p->roster.len > 0) {
			continue_sweep(p);
			struct job *job;
			while (p->jobs.active_len < p->params.in_flight_max &&
				(job = jobs_next(&p->jobs)) != NULL) {
				start(p, job);
			}
		}
	}
	flush_proofs(p);

	pthread_mutex_lock(&p->status_lock);
	p->status.roster = p->roster;
	if (!p->up) {
		p->status.roster.len = 0;
	}
	p->status.open = p->jobs.len;
	p->status.pushed = p->pushed;
	pthread_mutex_unlock(&p->status_lock);
}

static int64_t
next_wait(const struct publisher *p)
{
	int64_t due = p->jobs.next_due;
	if (p->up && !p->pinging) {
		due = earlier_of(due, ping_due(p));
	}
	if (due == INT64_MAX) {
		return -1;
	}
	int64_t now = now_ms(p);
	return due > now ? due - now : 0;
}

/* Out of memory, notes were dropped: answers are asked for again, and how the connection
 * stands is read instead of heard. */
static void
recover(struct publisher *p)
{
	struct bus_status status;
	restart_active(p);
	p->pinging = false;
	bus_status(p->bus, &status);
	p->up = false;
	if (status.state == BUS_UP) {
		on_up(p);
	}
}

static void *
run(void *ctx)
{
	struct publisher *p = ctx;
	struct note_list notes;
	bool lost = false;
	while (inbox_take(p->inbox, next_wait(p), &notes, &lost)) {
		if (lost) {
			recover(p);
		}
		while (!STAILQ_EMPTY(&notes)) {
			struct note *note = STAILQ_FIRST(&notes);
			STAILQ_REMOVE_HEAD(&notes, link);
			on_note(p, note);
			free(note);
		}
		step(p);
	}
	while (!STAILQ_EMPTY(&notes)) {
		struct note *note = STAILQ_FIRST(&notes);
		STAILQ_REMOVE_HEAD(&notes, link);
		free(note);
	}
	return NULL;
}

/* ---- from outside ---- */

int
publisher_new(
	const struct publisher_params *params, struct publisher **out, struct err *err)
{
	struct publisher *p = calloc(1, sizeof(*p));
	if (p == NULL) {
		return err_nomem(err);
	}
	p->params = *params;
	if (p->params.debounce_quiet_ms == 0) {
		p->params.debounce_quiet_ms = 200;
	}
	if (p->params.debounce_max_ms == 0) {
		p->params.debounce_max_ms = 1000;
	}
	if (p->params.request_ms == 0) {
		p->params.request_ms = 2000;
	}
	if (p->params.in_flight_max == 0) {
		p->params.in_flight_max = 128;
	}
	p->next_request = 1;
	jobs_init(&p->jobs);
	pthread_mutex_init(&p->status_lock, NULL);
	p->proofs = calloc(p->params.in_flight_max, sizeof(*p->proofs));
	if (p->proofs == NULL || inbox_new(&p->inbox, err) != 0) {
		publisher_free(p);
		return err_nomem(err);
	}
	*out = p;
	return 0;
}

void
publisher_on_commit(void *ctx, const struct store_change *changes, size_t n)
{
	struct publisher *p = ctx;
	for (size_t i = 0; i < n; i++) {
		if (changes[i].action == STORE_WANTED) {
			inbox_put_wanted(p->inbox, changes[i].seq, changes[i].urgent);
		}
	}
}

void
publisher_on_bus(void *ctx, const struct bus_event *event)
{
	struct publisher *p = ctx;
	inbox_put_bus(p->inbox, event);
}

int
publisher_start(struct publisher *publisher, struct bus *bus, struct err *err)
{
	publisher->bus = bus;
	if (pthread_create(&publisher->thread, NULL, run, publisher) != 0) {
		return err_set(
			err, ERR_UNAVAILABLE, "cannot start the publisher's thread");
	}
	publisher->started = true;
	return 0;
}

void
publisher_stop(struct publisher *publisher)
{
	if (publisher->started) {
		inbox_close(publisher->inbox);
		pthread_join(publisher->thread, NULL);
		publisher->started = false;
	}
}

void
publisher_free(struct publisher *publisher)
{
	if (publisher == NULL) {
		return;
	}
	publisher_stop(publisher);
	jobs_release(&publisher->jobs);
	inbox_free(publisher->inbox);
	pthread_mutex_destroy(&publisher->status_lock);
	free(publisher->proofs);
	free(publisher);
}

void
publisher_status(struct publisher *publisher, struct publisher_status *out)
{
	pthread_mutex_lock(&publisher->status_lock);
	*out = publisher->status;
	pthread_mutex_unlock(&publisher->status_lock);
}
