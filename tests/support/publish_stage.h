/* SPDX-License-Identifier: Apache-2.0
 * The publisher on a service of its own, with a fake bus: what tests change and wait
 * for. */
#ifndef SUPPORT_PUBLISH_STAGE_H
#define SUPPORT_PUBLISH_STAGE_H

#include "publish/publisher.h"
#include "support/fake_bus.h"
#include "support/temp_service.h"
#include "support/temp_signal.h"

enum { DEADLINE_MS = 20000 };

struct stage {
	struct temp_service t;
	struct clock clock; /* the service's wall, the system's monotonic time */
	struct publisher_params params;
	struct publisher *publisher;
	struct fake_bus bus;
	char account[RAND_ID_SIZE]; /* that a call of the bus is about */
	const char *jwt; /* of it, that another hand has */
	int64_t still_at; /* where the monotonic clock stands; 0: it goes */
	int64_t ahead; /* ms of it besides */
	unsigned looks; /* at the monotonic clock, */
	struct temp_signal step; /* of which each is news: it is the last thing that the
				    publisher does before it waits */
};

/* quiet_ms: of the debounce. */
int stage_set_up_with(void **state, int64_t quiet_ms, int64_t role_pace);
int stage_set_up_slow(void **state, int64_t quiet_ms);
int stage_set_up(void **state);

/* With a monotonic clock that goes on by stage_pass, and by a millisecond whenever the
 * publisher looks at it: however long all that takes. */
int stage_set_up_still(void **state, int64_t role_pace);
int stage_tear_down(void **state);

/* natsid ends, and starts again. */
void stage_restart(struct stage *s);

/* The news of the bus. */
void stage_say(struct stage *s, enum bus_event_kind kind);

/* The server says that it is there, as it does when it has started. */
void stage_announce(struct stage *s, int server);

/* ---- time ---- */

/* The monotonic clock goes on. */
void stage_pass(struct stage *s, int64_t ms);

/* And the publisher looks at it, instead of waiting as long as it meant to. */
void stage_wake(struct stage *s);

/* What the publisher would see. */
int64_t stage_now(const struct stage *s);

/* How often it looked. */
unsigned stage_looks(const struct stage *s);

/* ---- what is waited for ---- */

/* Looks whenever the publisher did something until check says so, or the deadline has
 * passed. */
bool stage_eventually(struct stage *s, bool (*check)(struct stage *s, const void *ctx),
	const void *ctx);

/* The first column of the first row. */
int64_t stage_ask(struct stage *s, const char *sql);

/* ctx: what to ask. */
bool stage_is_true(struct stage *s, const void *ctx);

/* Needs cmocka's header, and names the line of the test. */
#define ASSERT_SOON(s, sql) \
	do { \
		if (!stage_eventually((s), stage_is_true, (sql))) { \
			fail_msg("never true: %s", (sql)); \
		} \
	} while (0)

/* Nothing is left to do. */
bool stage_is_quiet(struct stage *s, const void *ctx);

/* ctx: a condition on account_publish that an open account fulfils. */
bool stage_has_state(struct stage *s, const void *ctx);

/* ctx: how often it had been asked who is there. */
bool stage_has_pinged(struct stage *s, const void *ctx);

/* ctx: since when (wall ms): a pass began later, and has ended. */
bool stage_has_passed(struct stage *s, const void *ctx);

/* The servers that are up come to hold, of every account, the bytes that are in force. */
void stage_assert_converges(struct stage *s);

/* The same, of one account. */
void stage_assert_holds_newest(struct stage *s, const char *account);

/* ---- what can be seen ---- */

/* The public key of the account. */
void stage_key(struct stage *s, const char *account, char out[static NKEY_TEXT_SIZE]);

/* The bytes in force; free() is the caller's. */
char *stage_jwt(struct stage *s, const char *account) MUST_CHECK;

int64_t stage_open_accounts(struct stage *s);

/* Accounts of which the API says this. */
int64_t stage_count_status(struct stage *s, const char *status);

/* How often the server was asked to store, and what it holds. */
unsigned stage_updates(struct stage *s, int server);
unsigned stage_lookups(struct stage *s, int server);

/* How often it was asked who is there. */
unsigned stage_pings(struct stage *s);

/* Of the pushes to the first server. */
size_t stage_pushed(struct stage *s);
struct push stage_push(struct stage *s, size_t index) MUST_CHECK;

/* ---- accounts ---- */

void stage_make_accounts(struct stage *s, int len, char (*out)[RAND_ID_SIZE]);

/* So many accounts are made, and so many servers hold them and the system's own. */
void stage_converge(struct stage *s, int servers, int len, char (*out)[RAND_ID_SIZE]);

/* Two servers that hold all of two accounts, of which this is one. */
void stage_converge_two(struct stage *s, char account[static RAND_ID_SIZE]);

/* Changes of an account: one that waits for nothing, and one that takes nothing from
 * anybody, so it waits for the debounce. */
void stage_set_connections(struct stage *s, const char *account, int64_t n);
void stage_describe(struct stage *s, const char *account, const char *text);

/* The account changes, and servers come to hold that. Its bytes of before; free() is the
 * caller's. */
char *stage_replace_jwt(struct stage *s, const char *account) MUST_CHECK;

/* ---- servers ---- */

/* One of those of the bus or of a server. */
void stage_set_flag(struct stage *s, bool *flag, bool value);

void stage_set_server(struct stage *s, int server, bool up);

/* It goes away, and natsid comes to know. */
void stage_lose_server(struct stage *s, int server);

void stage_set_mute(struct stage *s, int server, bool mute);
void stage_set_answer(struct stage *s, int server, enum answer answer);

/* It is started anew: with its files, or without. */
void stage_restart_server(struct stage *s, int server);
void stage_wipe_server(struct stage *s, int server);

/* What is done once, while the next push is under way. */
void stage_on_push(struct stage *s, void (*on_push)(struct stage *s));

/* ---- a patient bus ---- */

void stage_set_patient(struct stage *s);

/* Waits for a lookup of the account whose request comes after this one. */
struct question
stage_await_lookup(struct stage *s, const char *account, uint64_t after) MUST_CHECK;

/* The server answers a lookup, be it still open or not. */
void stage_answer_lookup(struct stage *s, int server, const struct question *question);

/* All that is open expires. */
void stage_expire(struct stage *s);

/* Of the publishers that are made from now on; 0: as it is by default. */
extern int64_t stage_sweep_pause_ms;
extern size_t stage_in_flight_max;

#endif
