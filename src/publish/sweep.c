/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

#include "base/log.h"
#include "store/publish.h"
#include "store/server.h"

enum {
	SWEEP_PAGE = 256,
	DIFFERING_LOGGED = 20,
	/* LIST comes first up to so many accounts, and not at all beyond so many. Between
	 * two that nobody asked for the servers rest a thousand times as long as it takes
	 * them. */
	LIST_FIRST_MAX = 2000,
	LIST_ACCOUNTS_MAX = 20000,
	LIST_PAUSE_MS_EACH = 250,
	LIST_PAUSE_LEAST_MS = 60 * 1000,
	LIST_SOON_MS = 2000
};

/* ---- where a pass begins and ends ---- */

static void
enter(struct publisher *p, enum sweep stage)
{
	p->pass.stage = stage;
	p->pass.after = 0;
	if (stage == SWEEP_LIST) {
		publish_list(p);
	}
}

static void
next_stage(struct publisher *p)
{
	switch (p->pass.stage) {
	case SWEEP_REST:
	case SWEEP_END:
		break;
	case SWEEP_OPEN:
		enter(p, p->pass.list == LIST_FIRST ? SWEEP_LIST : SWEEP_ALL);
		break;
	case SWEEP_ALL:
		enter(p, p->pass.list == LIST_LAST ? SWEEP_LIST : SWEEP_END);
		break;
	case SWEEP_LIST:
		enter(p, p->pass.list == LIST_FIRST ? SWEEP_ALL : SWEEP_END);
		break;
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
	next_stage(p);
}

/* Where LIST stands in a pass. What it names is told better before the looks repair it,
 * but many accounts keep a server from everything else. */
static enum list_when
list_when(struct publisher *p, bool wanted)
{
	int64_t accounts = p->pass.accounts;
	if (!wanted || accounts > LIST_ACCOUNTS_MAX) {
		return LIST_NEVER;
	}
	int64_t pause = accounts * LIST_PAUSE_MS_EACH;
	p->pass.next_list = publish_now_ms(p) +
		(pause > LIST_PAUSE_LEAST_MS ? pause : LIST_PAUSE_LEAST_MS);
	return accounts > 0 && accounts <= LIST_FIRST_MAX ? LIST_FIRST : LIST_LAST;
}

static void
begin_pass(struct publisher *p, bool slow, bool list)
{
	p->pass.list = list_when(p, list);
	p->pass.slow = slow;
	p->pass.after = 0;
	p->pass.differing = 0;
	p->pass.told = (struct publisher_sweep){
		.running = true,
		.started_ms = clock_wall_ms(p->params.clock),
		.finished_ms = p->pass.told.finished_ms,
	};
	p->pass.stage = SWEEP_OPEN;
	if (slow) { /* nothing is open */
		next_stage(p);
	}
}

void
publish_restart_sweep(struct publisher *p, bool list)
{
	if (p->pass.request != 0) {
		bus_cancel(p->bus, p->pass.request);
		p->pass.request = 0;
	}
	begin_pass(p, false, list);
}

void
publish_forget_seen(struct publisher *p)
{
	bool few = p->pass.accounts > 0 && p->pass.accounts <= LIST_FIRST_MAX;
	seq_set_clear(&p->seen);
	publish_restart_sweep(p, few);
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

static void
end_pass(struct publisher *p)
{
	struct err err = { 0 };
	bool checked = true;
	for (size_t i = 0; i < p->roster.len; i++) {
		checked = checked && p->members[i].checked;
		p->members[i].checked = true;
	}
	if (p->pass.differing > DIFFERING_LOGGED) {
		log_warn("accounts differed on servers",
			LOG_INT("accounts", (int64_t)p->pass.differing));
	}
	p->pass.accounts = p->pass.told.accounts;
	p->pass.stage = SWEEP_REST;
	p->pass.next = publish_now_ms(p) + p->params.sweep_pause_ms;
	p->pass.told.running = false;
	p->pass.told.finished_ms = clock_wall_ms(p->params.clock);
	if (!checked && store_write(p->params.store, write_checked, p, &err) != 0) {
		log_err("cannot record that the servers were checked", &err,
			LOG_INT("servers", (int64_t)p->roster.len));
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

void
publish_differs(struct publisher *p, const struct job *job)
{
	const char *where = publish_where(job->where);
	if (++p->pass.differing <= DIFFERING_LOGGED) {
		log_warn("a server lacked the newest JWT of an account",
			LOG_STR("account", job->key), LOG_STR("server", where),
			LOG_INT("generation", job->generation));
	}
}

/* ---- going through the accounts ---- */

static int
sweep_waiting(struct publisher *p, struct job *job)
{
	/* Its change may turn out to change no claims: the visit must not be lost with
	 * it. Servers that nothing is new of are looked at by the job in its turn. */
	if (p->pass.stage == SWEEP_ALL && !p->pass.slow && job->phase != JOB_PUSHING &&
		job->phase != JOB_LOOKING) {
		job->look = true;
	}
	p->pass.told.looked++;
	return 0;
}

static int
sweep_item(void *ctx, const struct store_publish_item *item, struct err *err)
{
	struct publisher *p = ctx;
	bool open = p->pass.stage == SWEEP_OPEN;
	p->pass.after = item->account;
	p->pass.told.accounts += open ? 0 : 1;
	struct job *waiting = jobs_find(&p->jobs, item->account);
	if (waiting != NULL) {
		return open ? 0 : sweep_waiting(p, waiting);
	}
	bool urgent = open && item->urgent_generation > item->proven_generation;
	struct job *job = jobs_add(&p->jobs, item->account, urgent);
	if (job == NULL) {
		return err_nomem(err);
	}
	job->look = !open;
	job->swept = !open;
	p->pass.looking += open ? 0 : 1;
	return 0;
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
		rc = store_publish_scan(conn, before, limit, p->pass.stage == SWEEP_OPEN,
			sweep_item, p, &err);
		store_read_end(p->params.store, conn);
	}
	if (rc != 0) {
		log_err("cannot go through the accounts", &err,
			LOG_INT("after", p->pass.after));
		return false;
	}
	if (p->pass.after == before) {
		next_stage(p);
	}
	return true;
}

void
publish_sweep(struct publisher *p)
{
	if (p->pass.stage == SWEEP_REST && publish_now_ms(p) >= p->pass.next) {
		begin_pass(p, true, publish_now_ms(p) >= p->pass.next_list);
	}
	while ((p->pass.stage == SWEEP_OPEN || p->pass.stage == SWEEP_ALL) &&
		p->jobs.ready_len < p->params.in_flight_max && sweep_page(p)) {
	}
	if (p->pass.stage == SWEEP_END && p->pass.looking == 0) {
		end_pass(p);
	}
}

int64_t
publish_sweep_due(const struct publisher *p)
{
	if (p->pass.stage == SWEEP_REST) {
		return p->pass.next;
	}
	if (p->pass.stage == SWEEP_ALL && p->pass.slow &&
		p->jobs.ready_len < p->params.in_flight_max) {
		return pace_due(&p->pass.pace);
	}
	return INT64_MAX;
}
