/* SPDX-License-Identifier: Apache-2.0
 * The publisher against servers that this file plays: its bus_request and bus_cancel
 * stand in for the bus (the linker takes them before the library's). Answers come at
 * once, and a request expires as soon as all have answered that will - or, on a patient
 * stage, lookups and pushes when the test says so. */
#ifndef SUPPORT_PUBLISH_STAGE_H
#define SUPPORT_PUBLISH_STAGE_H

#include "publish/publisher.h"
#include "support/temp_service.h"
#include "support/temp_signal.h"

#include <pthread.h>

enum {
	SERVERS_MAX = 65, /* one more than natsid follows */
	ACCOUNTS_MAX = 320,
	ASKED_MAX = 4096,
	QUESTIONS_MAX = 256,
	DEADLINE_MS = 20000
};

/* SILENT: to lookups, too. */
enum answer { STORES, SILENT, SKIPS, REFUSES, FAILS, LIES, HANGS };

struct held {
	char key[NKEY_TEXT_SIZE];
	char *jwt;
};

struct fake_server {
	bool up;
	bool hidden; /* does not answer PING yet */
	bool deaf; /* does not answer PING, and the others know of it */
	bool joining; /* the others have a route to it, and do not count it yet */
	bool alone; /* it has just started, and knows of no other */
	bool distrusts; /* our operator's signing key */
	bool unnamed; /* its name is its id */
	bool twin; /* it is called as the first one */
	bool mute; /* does not answer lookups */
	bool cache; /* its resolver: nobody there listens to lookups */
	int incarnation;
	enum answer answer;
	bool hangs; /* while it is SILENT, requests to all do not expire either */
	struct held held[ACCOUNTS_MAX];
	size_t held_len;
	unsigned updates; /* it was asked to store */
	unsigned lookups;
};

/* A lookup or a push that may be answered still. */
struct question {
	uint64_t request;
	int64_t timeout_ms;
	char subject[128];
};

struct stage {
	struct temp_service t;
	struct clock clock; /* the service's wall, the system's monotonic time */
	struct publisher_params params;
	struct publisher *publisher;
	pthread_mutex_t lock;
	struct fake_server servers[SERVERS_MAX];
	bool down; /* requests fail */
	/* Called once, by the publisher's own thread, when the next push is out: the news
	 * of what it does comes before any answer. */
	void (*on_push)(struct stage *s);
	char account[RAND_ID_SIZE]; /* that it is about */
	const char *jwt; /* of it, that another hand has */
	int64_t ahead; /* ms of the monotonic clock */
	char order[ACCOUNTS_MAX * 4][NKEY_TEXT_SIZE]; /* in which accounts were pushed to
							 the first */
	int64_t pushed_at[ACCOUNTS_MAX * 4];
	int64_t pinged_at[ACCOUNTS_MAX * 4]; /* the first PING after each of them; 0: the
						next push came before */
	size_t pushed;
	struct temp_signal update; /* a push came to the first */
	bool patient;
	struct question questions[QUESTIONS_MAX]; /* of a patient stage */
	size_t question_len;
	unsigned looks; /* at the monotonic clock, */
	struct temp_signal step; /* of which each is news: it is the last thing that the
				    publisher does before it waits */
	char signing_key[NKEY_TEXT_SIZE]; /* the operator's */
	bool flap; /* at the next lookup: a new connection, before its answers */
	unsigned pings;
	bool list_hangs; /* nobody answers LIST, and it does not expire */
	void (*on_list)(struct stage *s); /* called once, under the lock, at a LIST */
	char asked[ASKED_MAX][NKEY_TEXT_SIZE]; /* the accounts that were looked up, and
						  "LIST", in order */
	size_t asked_len;
};

/* quiet_ms: of the debounce. */
int stage_set_up_with(void **state, int64_t quiet_ms, int64_t role_pace);
int stage_set_up_slow(void **state, int64_t quiet_ms);
int stage_set_up(void **state);
int stage_tear_down(void **state);

/* natsid ends, and starts again. */
void stage_restart(struct stage *s);

/* The news of the bus. */
void stage_say(struct stage *s, enum bus_event_kind kind);

/* Looks whenever the publisher did something until check says so, or the deadline has
 * passed. */
bool stage_eventually(struct stage *s, bool (*check)(struct stage *s, const void *ctx),
	const void *ctx);

/* Nothing is left to do. */
bool stage_is_quiet(struct stage *s, const void *ctx);

/* ctx: a condition on account_publish that an open account fulfils. */
bool stage_has_state(struct stage *s, const void *ctx);

/* The monotonic clock goes on. */
void stage_pass(struct stage *s, int64_t ms);

/* And the publisher looks at it, instead of waiting as long as it meant to. */
void stage_wake(struct stage *s);

/* The servers that are up come to hold, of every account, the bytes that are in force. */
void stage_assert_converges(struct stage *s);

/* How often the server was asked to store. */
unsigned stage_updates(struct stage *s, int server);

/* How often it was asked who is there. */
unsigned stage_pings(struct stage *s);

/* Of the pushes to the first server. */
size_t stage_pushed(struct stage *s);
int64_t stage_pushed_at(struct stage *s, size_t index);
int64_t stage_pinged_at(struct stage *s, size_t index);

int64_t stage_open_accounts(struct stage *s);

/* The server says that it is there, as it does when it has started. */
void stage_announce(struct stage *s, int server);

/* Changes of an account: one that waits for nothing, and one that takes nothing from
 * anybody, so it waits for the debounce. */
void stage_set_connections(struct stage *s, const char *account, int64_t n);
void stage_describe(struct stage *s, const char *account, const char *text);

void stage_set_answer(struct stage *s, int server, enum answer answer);
void stage_set_server(struct stage *s, int server, bool up);
void stage_wipe_server(struct stage *s, int server);
void stage_set_mute(struct stage *s, int server, bool mute);

/* ---- a patient stage ---- */

void stage_set_patient(struct stage *s);

/* Waits for a lookup of the account whose request comes after this one. */
struct question
stage_await_lookup(struct stage *s, const char *account, uint64_t after) MUST_CHECK;

/* The server answers a lookup, be it still open or not. */
void stage_answer_lookup(struct stage *s, int server, const struct question *question);

/* All that is open expires. */
void stage_expire(struct stage *s);

/* ---- what others do ---- */

/* The public key of the account. */
void stage_key(struct stage *s, const char *account, char out[static NKEY_TEXT_SIZE]);

/* The bytes in force; free() is the caller's. */
char *stage_jwt(struct stage *s, const char *account) MUST_CHECK;

/* A JWT of the account that another hand signed, dated in the future; tag: NULL, or a
 * format with the uuid of our database. free() is the caller's. */
char *stage_foreign_jwt(struct stage *s, const char *account, const char *tag) MUST_CHECK;

/* The server's file of the account becomes another, goes, or is cut in half. */
void stage_store(struct stage *s, int server, const char *jwt);
void stage_lose(struct stage *s, int server, const char *account);
void stage_damage(struct stage *s, int server, const char *account);

/* An account that natsid does not know. */
void stage_put_stranger(struct stage *s, int server);

/* All servers that are up come to hold what is in force for this account. */
void stage_assert_holds_newest(struct stage *s, const char *account);

/* A person says that the account in quarantine may be overwritten. */
void stage_lift(struct stage *s, const char *account);

/* Of the publishers that are made from now on; 0: as it is by default. */
extern int64_t stage_sweep_pause_ms;
extern size_t stage_in_flight_max;

#endif
