/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

#include "base/log.h"
#include "store/publish.h"
#include "store/server.h"

enum {
	SWEEP_PAGE = 256,
	TROUBLE_PAUSE_MS = 1000, /* after a page that could not be read */
	DIFFERING_LOGGED = 20,
	/* LIST comes first up to so many accounts, and not at all beyond so many. Between
	 * two that nobody asked for the servers rest a thousand times as long as it takes
	 * them. */
	LIST_FIRST_MAX = 2000,
	LIST_ACCOUNTS_MAX = 20000,
	LIST_PAUSE_MS_EACH = 250,
	LIST_PAUSE_LEAST_MS = 60 * 1000,
	LIST_SOON_MS = 2000,
	/* A pass over what a server that came did not show follows so soon, and then each
	 * time twice as late, for so long. */
	AFRESH_FIRST_MS = 100,
	AFRESH_MAX_MS = 60 * 1000
};

/* ---- where a pass begins and ends ---- */

static void
begin_list(struct publisher *p)
{
	p->pass.stage = SWEEP_LIST;
	publish_list(p);
}

/* Nothing of what a server may lack waits for a LIST. */
static void
leave_open(struct publisher *p)
{
	if (p->pass.list == LIST_FIRST && p->pass.open == 0) {
		begin_list(p);
		return;
	}
	p->pass.list = p->pass.list == LIST_NEVER ? LIST_NEVER : LIST_LAST;
	p->pass.stage = SWEEP_ALL;
}

/* It came to the last account. */
static void
next_stage(struct publisher *p)
{
	p->pass.after = 0;
	if (p->pass.stage == SWEEP_ALL) {
		p->pass.stage = SWEEP_END;
	} else if (p->pass.scan == STORE_SCAN_OLDER_URGENT) {
		p->pass.scan = STORE_SCAN_LACKED_URGENT;
	} else if (p->pass.scan == STORE_SCAN_LACKED_URGENT) {
		p->pass.scan = STORE_SCAN_LACKED;
	} else {
		leave_open(p);
	}
}

void
publish_list_soon(struct publisher *p)
{
	int64_t soon = publish_now_ms(p) + LIST_SOON_MS;
	if (p->pass.accounts <= LIST_FIRST_MAX) {
		p->pass.next_list = publish_earlier_of(p->pass.next_list, soon);
		p->pass.next = publish_earlier_of(p->pass.next, soon);
	}
}

void
publish_listed(struct publisher *p)
{
	p->pass.stage = p->pass.list == LIST_FIRST ? SWEEP_ALL : SWEEP_END;
	p->pass.list = LIST_NEVER;
}

void
publish_lacks_many(struct publisher *p)
{
	if (p->pass.list == LIST_FIRST) {
		p->pass.slow = false;
	} else {
		p->pass.again = true;
	}
}

/* The last pass may have been that of fewer, or there was none yet. */
static bool
count_accounts(struct publisher *p)
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	int rc = store_read_begin(p->params.store, &conn, &err);
	if (rc == 0) {
		rc = store_publish_count(conn, &p->pass.accounts, &err);
		store_read_end(p->params.store, conn);
	}
	if (rc != 0) {
		log_err("cannot count the accounts", &err,
			LOG_INT("before", p->pass.accounts));
	}
	return rc == 0;
}

/* Where LIST stands in a pass. What it names is told better before the looks repair it,
 * but many accounts keep a server from everything else, and what a server that came may
 * lack goes before. */
static enum list_when
list_when(struct publisher *p, bool wanted)
{
	if (!wanted || !count_accounts(p) || p->pass.accounts > LIST_ACCOUNTS_MAX) {
		return LIST_NEVER;
	}
	int64_t pause = p->pass.accounts * LIST_PAUSE_MS_EACH;
	p->pass.next_list = publish_now_ms(p) +
		(pause > LIST_PAUSE_LEAST_MS ? pause : LIST_PAUSE_LEAST_MS);
	return p->pass.accounts <= LIST_FIRST_MAX && !p->pass.fresh ? LIST_FIRST
								    : LIST_LAST;
}

static void
begin_pass(struct publisher *p, bool slow, bool list)
{
	p->pass.list = list_when(p, list);
	p->pass.slow = slow;
	p->pass.again = false;
	p->pass.scan = STORE_SCAN_OLDER_URGENT;
	p->pass.open = 0;
	p->pass.next = publish_now_ms(p);
	p->pass.after = 0;
	p->pass.differing = 0;
	seq_set_clear(&p->pass.unseen);
	p->pass.told = (struct publisher_sweep){
		.running = true,
		.started_ms = clock_wall_ms(p->params.clock),
		.finished_ms = p->pass.told.finished_ms,
	};
	p->pass.stage = SWEEP_OPEN;
	if (slow) { /* nothing is open */
		leave_open(p);
	}
}

/* A LIST that the pass under way owes the new one does. */
static void
restart(struct publisher *p, bool fresh, bool list)
{
	bool owed = p->pass.list != LIST_NEVER;
	if (p->pass.request != 0) {
		bus_cancel(p->bus, p->pass.request);
		p->pass.request = 0;
	}
	p->pass.fresh = fresh;
	begin_pass(p, false, list || owed);
}

void
publish_restart_sweep(struct publisher *p, bool list)
{
	restart(p, false, list);
}

void
publish_sweep_anew(struct publisher *p)
{
	restart(p, p->pass.fresh, false);
}

void
publish_forget_seen(struct publisher *p)
{
	bool few = p->pass.accounts > 0 && p->pass.accounts <= LIST_FIRST_MAX;
	seq_set_clear(&p->seen);
	p->grown_at = publish_now_ms(p);
	p->pass.repeats = 0;
	publish_forget_silence(p);
	restart(p, true, few);
}

static int
write_checked(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct publisher *p = ctx;
	for (size_t i = 0; i < p->roster.len; i++) {
		const struct member *member = &p->members[i];
		if (member->seq != 0 &&
			store_server_checked(tx, member->seq, member->incarnation, err) !=
				0) {
			return -1;
		}
	}
	return 0;
}

/* A server that has just come may be slow to show what it holds: while that is so, passes
 * follow soon, over those that were not seen. */
static int64_t
next_pause(struct publisher *p)
{
	p->pass.fresh = p->pass.fresh && p->pass.unseen.len > 0 &&
		publish_now_ms(p) - p->grown_at < AFRESH_MAX_MS;
	p->pass.repeats = p->pass.fresh ? p->pass.repeats + 1 : 0;
	if (p->pass.again) {
		return 0;
	}
	return p->pass.fresh
		? publish_earlier_of((int64_t)AFRESH_FIRST_MS << p->pass.repeats,
			  p->params.sweep_pause_ms)
		: p->params.sweep_pause_ms;
}

/* They showed what they hold of all accounts. */
static void
note_checked(struct publisher *p)
{
	struct err err = { 0 };
	bool checked = true;
	for (size_t i = 0; i < p->roster.len; i++) {
		checked = checked && p->members[i].checked;
		p->members[i].checked = true;
	}
	if (!checked && store_write(p->params.store, write_checked, p, &err) != 0) {
		log_err("cannot record that the servers were checked", &err,
			LOG_INT("servers", (int64_t)p->roster.len));
	}
}

static void
end_pass(struct publisher *p)
{
	if (p->pass.differing > DIFFERING_LOGGED) {
		log_warn("accounts differed on servers",
			LOG_INT("accounts", (int64_t)p->pass.differing));
	}
	p->pass.accounts = p->pass.told.accounts;
	p->pass.stage = SWEEP_REST;
	p->pass.next = publish_now_ms(p) + next_pause(p);
	p->pass.told.running = false;
	p->pass.told.finished_ms = clock_wall_ms(p->params.clock);
	if (p->pass.unseen.len == 0) {
		note_checked(p);
	}
}

void
publish_swept(struct publisher *p, struct job *job)
{
	if (job->swept) {
		job->swept = false;
		p->pass.looking--;
		p->pass.told.looked++;
	}
}

static const char *
name_of(const struct publisher *p, int64_t server)
{
	for (size_t i = 0; server != 0 && i < p->roster.len; i++) {
		if (p->members[i].seq == server) {
			return p->roster.servers[i].name;
		}
	}
	return "";
}

void
publish_differs(struct publisher *p, const struct job *job)
{
	const char *where = name_of(p, job->where);
	if (++p->pass.differing <= DIFFERING_LOGGED) {
		log_warn("a server lacked the newest JWT of an account",
			LOG_STR("account", job->key),
			LOG_STR("server", publish_where(where)),
			LOG_INT("generation", job->generation));
	}
}

/* ---- going through the accounts ---- */

/* It waits already: not behind what is less urgent, nor for another try of what failed
 * while the server was away. */
static void
hasten(struct publisher *p, struct job *job, bool urgent)
{
	bool failed = job->phase == JOB_DELAYED && job->failures > 0 &&
		job->sent_at < p->grown_at;
	bool behind =
		job->phase == JOB_PACED || (job->phase == JOB_READY && !job->urgent);
	if (p->pass.fresh && (failed || (urgent && behind))) {
		job->failures = 0;
		job->first = 0;
		jobs_make_ready(&p->jobs, job, urgent);
	}
}

static int
take_open(struct publisher *p, const struct store_publish_item *item, struct err *err)
{
	bool urgent = p->pass.scan == STORE_SCAN_OLDER_URGENT;
	struct job *job = jobs_find(&p->jobs, item->account);
	p->pass.open++;
	if (job != NULL) {
		hasten(p, job, urgent);
		return 0;
	}
	if (publish_is_proving(p, item->account, item->generation)) {
		return 0; /* pushed since this pass began */
	}
	bool open = item->generation > item->proven_generation;
	job = open ? jobs_add(&p->jobs, item->account, urgent)
		   : jobs_add_look(&p->jobs, item->account, urgent);
	return job != NULL ? 0 : err_nomem(err);
}

static void
await(struct publisher *p, struct job *job)
{
	job->swept = true;
	p->pass.looking++;
}

static void
take_waiting(struct publisher *p, struct job *job)
{
	bool active = job->phase == JOB_PUSHING || job->phase == JOB_LOOKING;
	/* Its change may turn out to change no claims: the visit must not be lost with
	 * it. Servers that nothing is new of are looked at by the job in its turn. */
	if (!p->pass.slow && !active) {
		job->look = true;
	}
	if (!job->swept && (active || job->phase == JOB_READY)) {
		await(p, job);
	} else if (!job->swept) {
		p->pass.told.looked++; /* its time comes, but perhaps not soon */
	}
}

static int
take_any(struct publisher *p, const struct store_publish_item *item, struct err *err)
{
	struct job *job = jobs_find(&p->jobs, item->account);
	p->pass.told.accounts++;
	if ((p->pass.fresh && seq_set_has(&p->seen, item->account)) ||
		seq_set_has(&p->pass.unseen, item->account)) {
		p->pass.told.looked++; /* since this pass began */
		return 0;
	}
	if (job != NULL) {
		take_waiting(p, job);
		return 0;
	}
	job = jobs_add_look(&p->jobs, item->account, false);
	if (job == NULL) {
		return err_nomem(err);
	}
	await(p, job);
	return 0;
}

static int
sweep_item(void *ctx, const struct store_publish_item *item, struct err *err)
{
	struct publisher *p = ctx;
	p->pass.after = item->account;
	return p->pass.stage == SWEEP_OPEN ? take_open(p, item, err)
					   : take_any(p, item, err);
}

/* How many accounts may be taken on now. */
static int64_t
page_size(struct publisher *p)
{
	int64_t n = 0;
	int64_t now = publish_now_ms(p);
	if (!p->pass.slow) {
		return SWEEP_PAGE;
	}
	while (n < SWEEP_PAGE && pace_take(&p->pass.pace, now)) {
		n++;
	}
	return n;
}

/* One page; false when there can be no more now. */
static bool
sweep_page(struct publisher *p)
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	int64_t before = p->pass.after;
	int64_t limit = page_size(p);
	if (limit == 0) {
		return false;
	}
	int rc = store_read_begin(p->params.store, &conn, &err);
	if (rc == 0) {
		rc = store_publish_scan(conn,
			p->pass.stage == SWEEP_OPEN ? p->pass.scan : STORE_SCAN_ALL,
			before, limit, sweep_item, p, &err);
		store_read_end(p->params.store, conn);
	}
	if (rc != 0) {
		log_err("cannot go through the accounts", &err,
			LOG_INT("after", p->pass.after));
		p->pass.next = publish_now_ms(p) + TROUBLE_PAUSE_MS;
		return false;
	}
	if (p->pass.after == before) {
		next_stage(p);
	}
	return true;
}

static bool
has_room(const struct publisher *p)
{
	return jobs_new(&p->jobs) < p->params.in_flight_max;
}

/* Where few are open, a page goes through all accounts: what it found is on its way
 * before the next one. */
static void
take_open_page(struct publisher *p)
{
	if (has_room(p) && publish_now_ms(p) >= p->pass.next) {
		(void)sweep_page(p); /* it said why not */
	}
}

void
publish_sweep(struct publisher *p)
{
	if (p->pass.stage == SWEEP_REST && publish_now_ms(p) >= p->pass.next) {
		bool slow = !p->pass.again && !p->pass.fresh;
		begin_pass(p, slow, slow && publish_now_ms(p) >= p->pass.next_list);
	}
	if (p->pass.stage == SWEEP_OPEN) {
		take_open_page(p);
	}
	while (p->pass.stage == SWEEP_ALL && has_room(p) && sweep_page(p)) {
	}
	if (p->pass.stage != SWEEP_END || p->pass.looking > 0) {
		return;
	}
	if (p->pass.list == LIST_NEVER) {
		end_pass(p);
	} else if (jobs_new(&p->jobs) == 0) { /* what they lacked is on its way */
		begin_list(p);
	}
}

int64_t
publish_sweep_due(const struct publisher *p)
{
	if (p->pass.stage == SWEEP_REST) {
		return p->pass.next;
	}
	if (p->pass.stage == SWEEP_OPEN && has_room(p)) {
		return p->pass.next;
	}
	if (p->pass.stage == SWEEP_ALL && p->pass.slow && has_room(p)) {
		return pace_due(&p->pass.pace);
	}
	return INT64_MAX;
}
