/* SPDX-License-Identifier: Apache-2.0
 * The bus and the servers behind it, as this file plays them: its bus_request and
 * bus_cancel stand in for the bus (the linker takes them before the library's). Answers
 * come at once, and a request expires as soon as all have answered that will - or, on a
 * patient bus, lookups and pushes when the test says so. */
#ifndef SUPPORT_FAKE_BUS_H
#define SUPPORT_FAKE_BUS_H

#include "base/nkey_text.h"
#include "support/temp_signal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Some operator that is not ours: all servers trust it, too. */
#define FAKE_OTHER_OPERATOR "OCFHREVB2OYN6FSAH2RQVVQZVPVWTGXGOSAUVKPA56DD2AZTTEDLZSE3"

struct publisher;
struct stage;

enum {
	SERVERS_MAX = 65, /* one more than natsid follows */
	ACCOUNTS_MAX = 320,
	PUSHES_MAX = ACCOUNTS_MAX * 4,
	ASKED_MAX = 4096,
	QUESTIONS_MAX = 256
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

struct push {
	char key[NKEY_TEXT_SIZE]; /* the account's */
	int64_t at;
	int64_t pinged_at; /* the first PING after it; 0: the next push came before */
};

struct fake_bus {
	struct stage *stage; /* whose bus it is */
	struct publisher *publisher; /* whom it tells */
	pthread_mutex_t lock; /* of all that follows */
	struct fake_server servers[SERVERS_MAX];
	char signing_key[NKEY_TEXT_SIZE]; /* the operator's */
	bool down; /* what is written fails */
	uint64_t epoch; /* of the connection: from 1 */
	bool flap; /* at the next lookup: a new connection, before its answers */
	bool list_hangs; /* nobody answers LIST, and it does not expire */
	bool ping_hangs; /* nor PING */
	/* Called once, by the publisher's own thread, when the next push is out: the news
	 * of what it does comes before any answer. */
	void (*on_push)(struct stage *stage);
	void (*on_list)(struct stage *stage); /* called once, under the lock, at a LIST */
	bool patient;
	struct question questions[QUESTIONS_MAX]; /* of a patient bus */
	size_t question_len;
	struct push pushes[PUSHES_MAX]; /* to the first server, in order */
	unsigned pushed;
	struct temp_signal update; /* one more of them */
	unsigned pings;
	char asked[ASKED_MAX][NKEY_TEXT_SIZE]; /* the accounts that were looked up, and
						  "LIST", in order */
	size_t asked_len;
};

/* The first server is up. From now on this is the bus of the program, until it is
 * released. */
void fake_bus_init(struct fake_bus *bus, struct stage *stage);
void fake_bus_release(struct fake_bus *bus);

/* There is another connection, and the news of it is on its way. */
void fake_bus_reconnect(struct fake_bus *bus);

void fake_bus_expire(struct fake_bus *bus, uint64_t request);

/* Something was published that natsid listens to. */
void fake_bus_hear(struct fake_bus *bus, const char *subject, const char *data);

/* With the lock held: the server answers a lookup, unless it is one that does not. */
void fake_bus_answer_lookup_locked(
	struct fake_bus *bus, int server, uint64_t request, const char *subject);

/* ---- what a server holds: with the lock held ---- */

/* NULL when it holds nothing of this account. */
struct held *fake_server_find(struct fake_server *server, const char *key);
void fake_server_keep(struct fake_server *server, const char *key, const char *jwt);
void fake_server_lose_all(struct fake_server *server);

#endif
