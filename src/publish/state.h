/* SPDX-License-Identifier: Apache-2.0
 * The publisher's state, which only its own thread touches, and what its parts offer each
 * other. */
#ifndef PUBLISH_STATE_H
#define PUBLISH_STATE_H

#include "publish/inbox.h"
#include "publish/jobs.h"
#include "publish/pace.h"
#include "publish/publisher.h"
#include "publish/seq_set.h"
#include "service/judge.h"
#include "store/publish.h"
#include "store/server.h"
#include "store/standing.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is remembered of the server in the same place of the roster. */
struct member {
	int64_t seq; /* 0: a twin, of which nothing is written down */
	int64_t incarnation;
	enum store_resolver resolver;
	bool trust_known;
	bool trusted;
	bool checked; /* all accounts were looked at on this incarnation */
};

/* A server that is silent for less is there all the same: under load answers to PING come
 * late. */
enum { ROSTER_SILENCE_MS = 3000 };

/* A round asks who is there, and whom those trust that are new. Its outcome decides whom
 * a push must reach. */
enum round { ROUND_REST, ROUND_PING, ROUND_TRUST };

/* A pass over all accounts: first those that are open or that a server may lack, then
 * every one is looked at. */
enum sweep { SWEEP_REST, SWEEP_LIST, SWEEP_OPEN, SWEEP_ALL, SWEEP_END };

/* When a pass asks which accounts the servers have: for few it costs them little. */
enum list_when { LIST_NEVER, LIST_FIRST, LIST_LAST };

struct pass {
	enum sweep stage;
	enum store_scan scan; /* SWEEP_OPEN: which, the most urgent first, */
	size_t open; /* and how many there were */
	bool slow; /* nobody waits for it: paced */
	bool fresh; /* nothing was seen when it began: what has been since it looked at */
	bool again; /* LIST lacked more than was taken on: the next pass comes at once */
	enum list_when list; /* LIST_NEVER: not, or not any more */
	int64_t accounts; /* when they were counted last; 0: not known */
	int64_t next_list; /* monotonic ms: a slow pass begins with a LIST from then on */
	int64_t after; /* account */
	size_t looking; /* its jobs that were not looked at yet */
	struct seq_set unseen; /* accounts that not all servers showed */
	unsigned repeats; /* passes before this one that left some of them */
	int64_t next; /* monotonic ms: when the next slow one begins, or page is read */
	struct pace pace;
	size_t differing; /* accounts, so far */
	struct publisher_sweep told;
	/* LIST: who answered, and when it was asked (wall ms) */
	uint64_t request;
	uint64_t listed;
	int64_t asked_at;
};

/* A server that is there shows nothing: from the first look that not all servers answered
 * to one that they did. */
struct silence {
	int64_t since; /* monotonic ms; 0: there is none */
	char who[128];
	bool told; /* in the log */
	int64_t ask_at; /* monotonic ms: what kind of resolver it has */
	int64_t ask_pause;
	uint64_t request;
};

/* The servers of the mask, as bits by their place in the roster, hold this generation. */
struct proof {
	int64_t account;
	int64_t generation;
	uint64_t mask;
	bool pushed; /* each of them said by its name that it stored these bytes */
	unsigned drift; /* to be written down as repaired, as bits */
	char key[NKEY_TEXT_SIZE];
	int64_t where; /* the server's seq; 0: not known */
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
	uint64_t epoch; /* of the connection that is, or was */
	uint64_t next_request;
	struct roster roster;
	struct member members[ROSTER_MAX];
	char twins_trust[NKEY_TEXT_SIZE]; /* the operator's key that signed when they were
					     asked */
	/* monotonic ms: the last answer of the server there; later than now: while it
	 * lists its accounts it answers nothing */
	int64_t heard[ROSTER_MAX];
	int64_t roster_at;
	bool silent; /* one of the roster did not answer the last round */
	bool unserved; /* nobody in our system account would answer it */
	int64_t overflow_until; /* monotonic ms: one without room may be there */
	int64_t remembered_at;
	enum round round;
	uint64_t round_request;
	int64_t round_not_before;
	struct roster round_roster;
	struct roster round_known; /* whom we knew when it began */
	struct roster_names round_named; /* whom others have routes to */
	struct roster_names unheard; /* that did not answer, and since when */
	int64_t round_began; /* monotonic ms */
	int64_t confirm_pause; /* ms, between two rounds that proofs wait for */
	char blocked[PUBLISHER_BLOCKED_SIZE]; /* why nothing is pushed, or proven */
	bool barred; /* and indeed nothing may be pushed */
	char blocked_told[PUBLISHER_BLOCKED_SIZE]; /* in the log */
	bool standing_due; /* it may be another than what is written down, */
	int64_t standing_at; /* which is not tried before (monotonic ms) */
	struct store_standing standing; /* written down; since 0: nothing is */
	struct pass pass;
	/* Accounts of which it is known what the servers of the roster hold: others are
	 * looked at before anything of them is minted or pushed. */
	struct seq_set seen;
	/* Accounts of which all servers showed what they hold since natsid is up, and no
	 * other hand was heard of since, as far as we were connected. */
	struct seq_set looked;
	int64_t unsure_until; /* as that of a job: of all that begin before */
	int64_t grown_at; /* monotonic ms: when a server, or all, came */
	struct silence silence;
	int64_t failures_since; /* monotonic ms: logged so many accounts since then */
	size_t failures_told;
	struct pace role_pace;
	int64_t find_at; /* when the open accounts are looked through next, */
	int64_t find_after; /* and after which */
	size_t find_count; /* how many there were */
	struct proof *proofs; /* that wait for the end of a round: see record.c */
	size_t proof_count;
	size_t proof_room;
	size_t confirming; /* the first ones: noted before the round under way began */
	/* Monotonic ms: only what is urgent begins before, as what comes of it cannot be
	 * recorded; 0: the database takes writes, as far as is known. */
	int64_t write_at;
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

/* A server's name for the log. Answers to lookups do not say whose they are. */
static inline const char *
publish_where(const char *server)
{
	return server[0] != '\0' ? server : "(one of several)";
}

/* The first n places of a roster. */
static inline uint64_t
publish_mask(size_t n)
{
	return n == 0 ? 0 : UINT64_MAX >> (64 - n);
}

/* ---- publisher.c: the connection ---- */

/* As bus_request, on the connection that the publisher knows of: ERR_STALE when that is
 * over, and nothing is sent before the news of the next one. */
int publish_request(struct publisher *p, uint64_t number, const char *subject,
	const void *data, size_t len, int64_t timeout_ms, struct err *err) MUST_CHECK;

/* ---- want.c: what is wanted ---- */

/* The account wants something. */
void publish_want(struct publisher *p, int64_t account, enum want want);

/* The account is open in the database: when nobody told of it, somebody else wrote
 * there. */
void publish_found(struct publisher *p, int64_t account, int64_t generation, bool urgent);

/* Servers may hold something else than is known: looks at them, at once. */
void publish_want_look(struct publisher *p, int64_t account);

/* The same of all accounts: it is not known which. */
void publish_want_look_all(struct publisher *p);

/* Paced jobs whose turn it is go on; when the next one's comes (INT64_MAX: there is
 * none). */
void publish_let_paced_go(struct publisher *p);
int64_t publish_pace_due(const struct publisher *p);

/* What changed under way is looked at now; nothing that is known of the servers is
 * forgotten. */
void publish_round_again(struct publisher *p, struct job *job);

/* Another push of the account may be on its way to the servers, for a second: what they
 * show by then proves nothing, and they are looked at after it. */
void publish_be_unsure(const struct publisher *p, struct job *job);

/* What is urgent does not wait for a try of its account that hangs: that begins anew,
 * with the newest bytes. When the next one does (INT64_MAX: none). */
void publish_hurry(struct publisher *p);
int64_t publish_hurry_due(const struct publisher *p);

/* The servers hold this generation, or a person has to choose: away with the job, unless
 * something changed meanwhile, or the servers are looked at once more. */
void publish_finish_job(struct publisher *p, struct job *job);

/* ---- sweep.c: passes over all accounts ---- */

/* All accounts are looked at, as fast as the servers answer; list: and what they have
 * besides. */
void publish_restart_sweep(struct publisher *p, bool list);

/* What the pass under way looked at in vain it looks at again. */
void publish_sweep_anew(struct publisher *p);

/* A server may hold anything: what was seen is forgotten, and all looked at. */
void publish_forget_seen(struct publisher *p);

/* Takes on as many accounts as there is room for; when there may be more to do. */
void publish_sweep(struct publisher *p);
int64_t publish_sweep_due(const struct publisher *p);

/* The job was looked at, or failed. */
void publish_swept(struct publisher *p, struct job *job);

/* The servers may have accounts that are not ours: the next pass, soon, begins with LIST,
 * unless they have too many. */
void publish_list_soon(struct publisher *p);

/* LIST is over: the pass goes on. */
void publish_listed(struct publisher *p);

/* A server's LIST lacked more accounts than jobs are made for: a pass looks at all of
 * them, soon. */
void publish_lacks_many(struct publisher *p);

/* Tells of an account that a server lacked, within reason. */
void publish_differs(struct publisher *p, const struct job *job);

/* ---- inventory.c: which accounts a server says it has ---- */

/* Asks all of them; the pass goes on when they have answered, or not. A server reads all
 * its files for the answer, and reads nothing from our connection meanwhile: a quarter of
 * a millisecond for each account. */
void publish_list(struct publisher *p);

/* What a server says it has is compared with what is ours: foreign accounts are written
 * down, missing ones looked at. */
void publish_on_list_answer(struct publisher *p, const struct note *note);

/* No further answers are waited for. */
void publish_finish_list(struct publisher *p);

/* Perhaps all of the roster has answered, by now or as it has become smaller. */
void publish_finish_listed(struct publisher *p);

/* ---- push.c: minting and pushing ---- */

/* Takes up ready jobs, each with the newest state of its account, whatever it was when
 * the job was made. */
void publish_start_ready(struct publisher *p);

/* When ready jobs that wait for the database may begin; INT64_MAX: none does. */
int64_t publish_start_due(const struct publisher *p);

/* One server's answer to the push. */
void
publish_on_update_answer(struct publisher *p, struct job *job, const struct note *note);

/* No further answers come: judges by those that came. */
void publish_finish_push(struct publisher *p, struct job *job);

/* Not all servers stored it: says why, in their words, and tries again later. */
void publish_fail_push(struct publisher *p, struct job *job);

/* True: it is under way. False: the job waits for another try. */
bool publish_send(struct publisher *p, struct job *job, enum job_phase phase,
	const char *subject, const char *data, size_t len);

/* ---- look.c: what servers hold ---- */

/* Asks all servers what they hold of the account: as the proof of a push, or before
 * anything else is done. */
void publish_look(struct publisher *p, struct job *job);

/* One server's answer; nobody can say whose. */
void
publish_on_lookup_answer(struct publisher *p, struct job *job, const struct note *note);

/* No further answers come: judges by those that came. */
void publish_finish_look(struct publisher *p, struct job *job);

/* How long a look may last, so that what it waits for can be given up in time; INT64_MAX:
 * as long as any. */
int64_t publish_look_limit(const struct publisher *p, const struct job *job);

/* A server turned out to be a cache, which shows nothing: it is not waited for. */
void publish_expect_fewer(struct publisher *p);

/* ---- silence.c: servers that show nothing ---- */

/* A look was not answered by all servers, or it was. */
void publish_on_silence(struct publisher *p, const char *who);
void publish_on_shown(struct publisher *p);

/* It counts from the next look: others are there. */
void publish_forget_silence(struct publisher *p);

/* When it lasts, says so, and asks for the kind of the resolver; when that is due
 * (INT64_MAX: never). */
void publish_tend_silence(struct publisher *p);
int64_t publish_silence_due(const struct publisher *p);
void publish_on_kind_answer(struct publisher *p, const struct note *note);

/* ---- record.c: telling the store ---- */

/* The servers of the mask hold the job's bytes. It is written down once a round that
 * began afterwards has found the same servers - unless another push may be on its way to
 * them: then they are looked at again first. */
void publish_prove(struct publisher *p, const struct job *job, uint64_t mask);

/* The account has a proof of this generation, or a newer one, that is not written yet. */
bool publish_is_proving(const struct publisher *p, int64_t account, int64_t generation);

/* A round begins; it has ended, and found the same servers. Where not all answered, one
 * that nobody knows may be silent, too: what rests on lookups alone waits on. When what
 * it confirms cannot be written, nothing but what is urgent is begun for a while. */
void publish_begin_confirming(struct publisher *p);
void publish_confirm_proofs(struct publisher *p, bool all_answered);

/* The servers are others than those that answered: what waits is no proof any more. look:
 * no pass follows that looks at all accounts anyway. */
void publish_drop_proofs(struct publisher *p, bool look);

/* Something else is known of the account by now. */
void publish_forget_proof(struct publisher *p, int64_t account);

/* This try failed: says why, and tries again later with the bytes that are the newest
 * then. */
void publish_fail(struct publisher *p, struct job *job, enum store_publish_state state,
	const char *message);

/* The same, as a server does not show what it holds: of that the log tells by itself. */
void publish_wait(struct publisher *p, struct job *job, const char *message);

/* Not all servers showed it, and nothing else is wanted of it: the next pass comes to it.
 * message: NULL, or what is to be recorded. The job ends. */
void publish_leave(struct publisher *p, struct job *job, const char *message);

/* The account waits for a person, and what was written to it meanwhile waits with it. The
 * job ends. */
void publish_hold(struct publisher *p, struct job *job, const char *message);

/* The account is minted anew, whatever its claims. */
void publish_renew(struct publisher *p, const struct job *job);

/* A server shows that the account is not proven: so it is called that no longer, whatever
 * comes of the push. */
void publish_doubt(struct publisher *p, const struct job *job);

/* Trouble of our own, which says nothing of the servers. */
void publish_trouble(
	struct publisher *p, struct job *job, const char *what, const struct err *err);

/* A server holds what only a person may overwrite. The job ends, or, where that cannot be
 * written down, tries again later. */
void publish_quarantine(
	struct publisher *p, struct job *job, enum verdict verdict, const char *jwt);

/* ---- round.c: who is there ---- */

/* The server with this id answered something. Its place in the roster, or -1. */
int publish_heard(struct publisher *p, const char *server_id);

/* When the next round begins: the sooner the more waits for it. */
int64_t publish_round_due(const struct publisher *p);

/* Asks who is there. */
void publish_begin_round(struct publisher *p);

/* One server's answer, to PING or about its trust. */
void publish_on_round_answer(struct publisher *p, struct note *note);

/* No further answers to that come. */
void publish_finish_round(struct publisher *p);

/* Jobs under way begin anew: their answers were counted by a roster that is no more. */
void publish_restart_active(struct publisher *p);

/* ---- members.c: what is remembered of them ---- */

/* Reads what is known of the servers of the roster, and writes down who came and went
 * (changed), or from time to time that they are still there. */
int publish_remember(struct publisher *p, bool changed, struct err *err) MUST_CHECK;

/* The ids, and nothing else, of the newest starts that are remembered, also of servers
 * that are not there. */
int
publish_recall(const struct publisher *p, struct roster *out, struct err *err) MUST_CHECK;

/* Writes down how natsid stands to NATS, when that has changed. */
void publish_remember_standing(struct publisher *p);

/* The server said whom it trusts, or how it keeps JWTs. */
void
publish_remember_trust(struct publisher *p, size_t index, const struct strlist *keys);
void publish_remember_resolver(
	struct publisher *p, size_t index, enum store_resolver resolver);

/* How many of the servers did not say yet how they keep JWTs. */
size_t publish_count_unknown(const struct publisher *p);

/* The servers that answer lookups, as bits. */
uint64_t publish_full_servers(const struct publisher *p);

/* ---- hand.c: other hands ---- */

/* Another client of the system account pushed a JWT. */
void publish_on_other_hand(struct publisher *p, const struct note *note);
void publish_on_removal(struct publisher *p, const struct note *note);

/* More was heard than could be kept: any of it may have been such a push, or the news of
 * a server. */
void publish_on_unheard(struct publisher *p);

#endif
