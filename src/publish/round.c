/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

#include "base/log.h"

enum {
	ROSTER_FRESH_MS = 1000, /* a push counts on a roster no older than this, */
	ROSTER_IDLE_MS = 10000, /* which is asked for anyway this often */
	PING_WAIT_MS = 500, /* for servers that others know of and that do not answer */
	PING_PAUSE_MS = 200 /* after a round that nobody answered */
};

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

void
publish_restart_active(struct publisher *p)
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

void
publish_finish_ping(struct publisher *p)
{
	bus_cancel(p->bus, p->ping_request);
	p->pinging = false;
	p->roster_at = publish_now_ms(p);
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
	publish_restart_active(p);
	if (grown) {
		publish_restart_sweep(p);
	}
}

void
publish_on_ping_answer(struct publisher *p, const struct note *note)
{
	struct err err = { 0 };
	if (note->no_responders) {
		publish_finish_ping(p);
		return;
	}
	if (roster_add(&p->ping_roster, note->data, note->len, &err) != 0) {
		log_warn("odd answer to PING", LOG_STR("error", err.msg));
	} else if (roster_is_complete(&p->ping_roster)) {
		publish_finish_ping(p);
	}
}

void
publish_ping(struct publisher *p)
{
	struct err err = { 0 };
	p->ping_roster = (struct roster){ 0 };
	p->ping_request = p->next_request++;
	if (bus_request(p->bus, p->ping_request, "$SYS.REQ.SERVER.PING", "", 0,
		    PING_WAIT_MS, &err) != 0) {
		p->ping_not_before = publish_now_ms(p) + PING_PAUSE_MS;
		return;
	}
	p->pinging = true;
}

static bool
has_work(const struct publisher *p)
{
	return p->jobs.ready_len > 0 || p->sweep != SWEEP_DONE;
}

int64_t
publish_ping_due(const struct publisher *p)
{
	int64_t age = has_work(p) ? ROSTER_FRESH_MS : ROSTER_IDLE_MS;
	int64_t due = p->roster.len == 0 ? 0 : p->roster_at + age;
	return due > p->ping_not_before ? due : p->ping_not_before;
}
