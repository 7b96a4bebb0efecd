/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

#include "base/log.h"
#include "base/str.h"
#include "publish/answer.h"

#include <string.h>

enum {
	ROSTER_FRESH_MS = 1000, /* a push counts on a roster no older than this, */
	ROSTER_IDLE_MS = 3000, /* which is asked for anyway this often */
	CONFIRM_PAUSE_MS = 5, /* at least between two rounds that proofs wait for, */
	CONFIRM_PAUSE_MAX_MS = 100, /* and at most: */
	CONFIRM_SHARE = 4, /* so many times what one took */
	PING_WAIT_MS = 500, /* for servers that others know of and that do not answer */
	TRUST_WAIT_MS = 2000,
	ROUND_PAUSE_MS = 200 /* after a round that came to nothing */
};

static bool
same_servers(const struct roster *a, const struct roster *b)
{
	if (a->len != b->len || a->overflow != b->overflow ||
		(a->twin > 0) != (b->twin > 0)) {
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
		if (job->phase == JOB_PUSHING) {
			publish_be_unsure(p, job); /* it may come after the next */
		}
		jobs_make_ready(&p->jobs, job, false);
	}
}

static void
log_newcomers(const struct roster *known, const struct roster *roster)
{
	for (size_t i = 0; i < roster->len; i++) {
		if (roster_index(known, roster->servers[i].id) >= 0) {
			continue;
		}
		log_info("nats server", LOG_STR("name", roster->servers[i].name),
			LOG_STR("cluster", roster->servers[i].cluster),
			LOG_STR("version", roster->servers[i].version),
			LOG_STR("id", roster->servers[i].id));
	}
}

/* What comes from a server that lists its accounts was sent before. */
static void
heard_now(struct publisher *p, size_t index)
{
	int64_t now = publish_now_ms(p);
	if (p->heard[index] < now) {
		p->heard[index] = now;
	}
}

int
publish_heard(struct publisher *p, const char *server_id)
{
	int index = roster_index(&p->roster, server_id);
	if (index >= 0) {
		heard_now(p, (size_t)index);
	}
	return index;
}

/* ---- whom they trust ---- */

/* A server acknowledges what an operator signed that it does not trust, and locks the
 * account's users out: so nothing at all is pushed to a system with such a server. Two
 * that have one name only keep everything from being called proven. */
static void
judge_trust(struct publisher *p)
{
	char why[PUBLISHER_BLOCKED_SIZE] = "";
	if (p->roster.len == 0) {
		str_fmt_cut(why, sizeof(why), "%s",
			p->unserved
				? "no server answers in the system account: start those "
				  "that have another system_account with the "
				  "configuration that natsid exports"
				: "the server that natsid is connected to does not "
				  "answer, and the others are asked through it");
	}
	for (size_t i = 0; i < p->roster.len && why[0] == '\0'; i++) {
		const struct member *member = &p->members[i];
		const char *name = p->roster.servers[i].name;
		const char *which = member->seq == 0 ? "another server called " : "";
		if (!member->trust_known) {
			str_fmt_cut(why, sizeof(why),
				"%s%s did not say yet which operator it trusts", which,
				name);
		} else if (!member->trusted) {
			str_fmt_cut(why, sizeof(why),
				"%s%s does not trust the signing key of this operator: "
				"start it with the configuration that natsid exports",
				which, name);
		}
	}
	p->barred = why[0] != '\0';
	if (!p->barred && p->roster.twin > 0) {
		/* What is pushed reaches both: revocations do not wait for a name. */
		str_fmt_cut(why, sizeof(why),
			"two servers are both called %s, so nothing can be proven: give "
			"each its own server_name",
			p->roster.servers[p->roster.twin].name);
	}
	str_fmt_cut(p->blocked, sizeof(p->blocked), "%s", why);
}

static uint64_t
untold_trust(const struct publisher *p)
{
	uint64_t mask = 0;
	for (size_t i = 0; i < p->roster.len; i++) {
		if (!p->members[i].trust_known) {
			mask |= UINT64_C(1) << i;
		}
	}
	return mask;
}

static void
end_round(struct publisher *p)
{
	p->round = ROUND_REST;
	p->standing_due = true;
	if (!str_equal(p->blocked, p->blocked_told)) {
		memcpy(p->blocked_told, p->blocked, sizeof(p->blocked));
		if (p->blocked[0] != '\0') {
			log_warn(p->barred ? "nothing is pushed" : "nothing is proven",
				LOG_STR("reason", p->blocked));
		}
	}
	if (p->barred || p->roster.len == 0) {
		p->round_not_before = publish_now_ms(p) + ROUND_PAUSE_MS;
	}
}

static void
ask_trust(struct publisher *p)
{
	struct err err = { 0 };
	p->round_request = p->next_request++;
	if (publish_request(p, p->round_request, "$SYS.REQ.SERVER.PING.VARZ", "", 0,
		    TRUST_WAIT_MS, &err) != 0) {
		log_warn("cannot ask whom the servers trust", LOG_STR("error", err.msg));
		end_round(p);
		return;
	}
	p->round = ROUND_TRUST;
}

static void
finish_trust(struct publisher *p)
{
	bus_cancel(p->bus, p->round_request);
	judge_trust(p);
	end_round(p);
}

static void
on_trust_answer(struct publisher *p, struct note *note)
{
	struct err err = { 0 };
	struct server server;
	struct answer *answer = NULL;
	struct strlist keys = { 0 };
	if (answer_parse(note->data, note->len, &server, &answer, &err) != 0 ||
		answer_trusted(answer, &keys, &err) != 0) {
		log_warn("odd answer to VARZ", LOG_STR("error", err.msg));
		answer_free(answer);
		return;
	}
	int index = roster_index(&p->roster, server.id);
	if (index >= 0) {
		publish_remember_trust(p, (size_t)index, &keys);
	}
	strlist_release(&keys);
	answer_free(answer);
	if (untold_trust(p) == 0) {
		finish_trust(p);
	}
}

/* ---- who is there ---- */

/* Not for ever: one that others have a route to may be frozen, or another operator's. */
static bool
is_waited_for(const struct publisher *p, const char *cluster, const char *name)
{
	int at = roster_named(&p->unheard, cluster, name);
	return at < 0 || publish_now_ms(p) - p->unheard.at[at].since < ROSTER_SILENCE_MS;
}

static bool
have_named_answered(const struct publisher *p)
{
	for (size_t i = 0; i < p->round_named.len; i++) {
		const char *cluster = p->round_named.at[i].cluster;
		const char *name = p->round_named.at[i].name;
		if (roster_find_name(&p->round_roster, cluster, name) < 0 &&
			is_waited_for(p, cluster, name)) {
			return false;
		}
	}
	return true;
}

static void
note_unheard(struct publisher *p)
{
	struct roster_names unheard = { 0 };
	for (size_t i = 0; i < p->round_named.len; i++) {
		const char *cluster = p->round_named.at[i].cluster;
		const char *name = p->round_named.at[i].name;
		if (roster_find_name(&p->round_roster, cluster, name) < 0) {
			int was = roster_named(&p->unheard, cluster, name);
			unheard.at[unheard.len] = p->round_named.at[i];
			unheard.at[unheard.len++].since =
				was >= 0 ? p->unheard.at[was].since : publish_now_ms(p);
		}
	}
	p->unheard = unheard;
}

/* All that are there have answered. A server that has just started knows of itself alone:
 * only those that were known before are believed how many there are. */
static bool
have_all_answered(const struct publisher *p)
{
	bool known = false;
	for (size_t i = 0; i < p->round_roster.len; i++) {
		known = known ||
			roster_index(&p->round_known, p->round_roster.servers[i].id) >= 0;
	}
	return known && roster_is_complete(&p->round_roster) && have_named_answered(p);
}

/* One that is new has its name. */
static bool
is_back(const struct publisher *p, const struct server *server)
{
	const struct roster *roster = &p->round_roster;
	for (size_t i = 0; i < roster->len; i++) {
		if (str_equal(roster->servers[i].name, server->name) &&
			str_equal(roster->servers[i].cluster, server->cluster) &&
			roster_index(&p->roster, roster->servers[i].id) < 0) {
			return true;
		}
	}
	return false;
}

/* Servers that did not answer this round and were heard just before stay, unless the
 * others know that they have gone, or they are back under a new id. Where there is no
 * room for one, that there are too many is what stays, for as long. */
static void
keep_silent(struct publisher *p)
{
	int64_t now = publish_now_ms(p);
	struct roster *roster = &p->round_roster;
	for (size_t i = 0; i < p->roster.len; i++) {
		const struct server *server = &p->roster.servers[i];
		if (now - p->heard[i] < ROSTER_SILENCE_MS && !is_back(p, server)) {
			(void)roster_keep(roster, server); /* it says so itself */
		}
	}
	if (roster->overflow) {
		p->overflow_until = now + ROSTER_SILENCE_MS;
	}
	roster->overflow = now < p->overflow_until;
}

/* The places of the new roster are others. */
static void
carry_heard(struct publisher *p)
{
	int64_t heard[ROSTER_MAX] = { 0 };
	uint64_t listed = 0;
	for (size_t i = 0; i < p->round_roster.len; i++) {
		int was = roster_index(&p->roster, p->round_roster.servers[i].id);
		heard[i] = was >= 0 ? p->heard[was] : publish_now_ms(p);
		listed |= was >= 0 ? (p->pass.listed >> was & 1) << i : 0;
	}
	memcpy(p->heard, heard, sizeof(heard));
	p->pass.listed = listed;
}

/* Members first, so that what comes next can be recorded. A failed one is like no answer:
 * the next round tries again. */
static bool
take_roster(struct publisher *p)
{
	struct err err = { 0 };
	size_t answered = p->round_roster.len;
	bool complete = have_all_answered(p);
	bool all_named = have_named_answered(p);
	note_unheard(p);
	for (size_t i = 0; i < answered; i++) {
		(void)publish_heard(p, p->round_roster.servers[i].id); /* or it is new */
	}
	if (complete) {
		p->overflow_until = 0;
	} else {
		keep_silent(p);
	}
	p->silent = p->round_roster.len > answered;
	bool changed = !same_servers(&p->roster, &p->round_roster);
	bool grown = false;
	for (size_t i = 0; i < p->round_roster.len; i++) {
		grown = grown ||
			roster_index(&p->roster, p->round_roster.servers[i].id) < 0;
	}
	if (changed) {
		publish_drop_proofs(p, !grown); /* they count by the old one */
		publish_restart_active(p);
		carry_heard(p);
		log_newcomers(&p->roster, &p->round_roster);
		p->roster = p->round_roster;
		memset(p->members, 0, sizeof(p->members));
	}
	if (publish_remember(p, changed, &err) != 0) {
		log_err("cannot remember the servers", &err,
			LOG_INT("servers", (int64_t)p->roster.len));
		publish_drop_proofs(p, false);
		publish_restart_active(p); /* no answers would count as all */
		p->roster.len = 0;
		return false;
	}
	publish_confirm_proofs(p, all_named && !p->silent);
	if (grown) {
		publish_forget_seen(p);
	} else if (changed) {
		publish_finish_listed(p);
	}
	return true;
}

/* PINGs cost servers more the more they have to tell, and what they confirm is written
 * down. */
static void
set_confirm_pause(struct publisher *p)
{
	int64_t pause = CONFIRM_SHARE * (publish_now_ms(p) - p->round_began);
	p->confirm_pause = pause < CONFIRM_PAUSE_MS ? CONFIRM_PAUSE_MS
		: pause > CONFIRM_PAUSE_MAX_MS      ? CONFIRM_PAUSE_MAX_MS
						    : pause;
}

static void
finish_ping(struct publisher *p)
{
	bus_cancel(p->bus, p->round_request);
	p->roster_at = publish_now_ms(p);
	bool taken = take_roster(p);
	set_confirm_pause(p);
	if (!taken) {
		end_round(p);
		return;
	}
	judge_trust(p);
	if (untold_trust(p) != 0) {
		ask_trust(p);
	} else {
		end_round(p);
	}
}

static void
on_ping_answer(struct publisher *p, const struct note *note)
{
	struct err err = { 0 };
	if (note->no_responders) {
		p->unserved = true;
		finish_ping(p);
		return;
	}
	if (roster_add(&p->round_roster, note->data, note->len, &p->round_named, &err) !=
		0) {
		log_warn("odd answer to PING", LOG_STR("error", err.msg));
	} else if (have_all_answered(p)) {
		finish_ping(p);
	}
}

void
publish_begin_round(struct publisher *p)
{
	struct err err = { 0 };
	p->round_roster = (struct roster){ 0 };
	p->round_named = (struct roster_names){ 0 };
	p->round_began = publish_now_ms(p);
	p->unserved = false;
	p->round_known = p->roster;
	if (p->roster.len == 0 && publish_recall(p, &p->round_known, &err) != 0) {
		/* the round lasts a moment longer */
		log_warn(
			"cannot read which servers are known", LOG_STR("error", err.msg));
	}
	p->round_request = p->next_request++;
	/* Silence begins with the question: long ones between two rounds are none. */
	for (size_t i = 0; i < p->roster.len && !p->silent; i++) {
		heard_now(p, i);
	}
	if (publish_request(p, p->round_request, "$SYS.REQ.SERVER.PING", "", 0,
		    PING_WAIT_MS, &err) != 0) {
		p->round_not_before = publish_now_ms(p) + ROUND_PAUSE_MS;
		return;
	}
	p->round = ROUND_PING;
	publish_begin_confirming(p);
}

void
publish_on_round_answer(struct publisher *p, struct note *note)
{
	if (p->round == ROUND_PING) {
		on_ping_answer(p, note);
	} else {
		on_trust_answer(p, note);
	}
}

void
publish_finish_round(struct publisher *p)
{
	if (p->round == ROUND_PING) {
		finish_ping(p);
	} else {
		finish_trust(p);
	}
}

static bool
has_work(const struct publisher *p)
{
	return p->jobs.ready_len > 0 || p->jobs.active_len > 0 ||
		(p->pass.stage != SWEEP_REST && !p->pass.slow);
}

/* One round, and one write, are for all whose answers come soon. */
static int64_t
confirm_age(const struct publisher *p)
{
	return p->jobs.active_len > 0 ? p->confirm_pause : CONFIRM_PAUSE_MS;
}

int64_t
publish_round_due(const struct publisher *p)
{
	int64_t age = p->proof_count > 0   ? confirm_age(p)
		: has_work(p) || p->silent ? ROSTER_FRESH_MS
					   : ROSTER_IDLE_MS;
	int64_t due = p->roster.len == 0 || p->barred ? 0 : p->roster_at + age;
	return due > p->round_not_before ? due : p->round_not_before;
}
