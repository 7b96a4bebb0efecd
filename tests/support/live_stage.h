/* SPDX-License-Identifier: Apache-2.0
 * Live against servers that this file plays: its bus_request and bus_cancel stand in for
 * the bus (the linker takes them before the library's). Answers come at once, and a
 * request expires as soon as all have answered that will. */
#ifndef SUPPORT_LIVE_STAGE_H
#define SUPPORT_LIVE_STAGE_H

#include "base/nkey_text.h"
#include "publish/live.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SERVERS_MAX = 70,
	TIMEOUT_MS = 300,
	NEVER_MS = 20 * 1000, /* a timeout that is not waited out: */
	SOON_MS = 10 * 1000, /* what does not takes less than this */
	OPEN_MAX = 256,
	BODY_MAX = 512
};

/* N0, called s0, and so on. */
struct fake_server {
	bool no_ping; /* PING does not reach it, the question does */
	bool late; /* it came after the question, and before PING */
	bool silent;
	int64_t connections;
	int64_t leave; /* so many of its first ones are gone after its first page */
	const char *data; /* instead of connections: its data, as it stands */
	const char *more; /* besides its data: members, as `"x":1,` */
	const char *error;
	const char *raw; /* instead of all that */
	bool no_lookups; /* a cache: it answers none */
	const char *holds; /* shows a JWT of this account when it is looked up */
	bool twice; /* says everything twice */
	bool short_pages;
	bool page_fails; /* further pages cannot be asked for */
	bool page_silent; /* or are not answered */
};

struct stage {
	struct live *live;
	int64_t timeout_ms; /* of its requests */
	char account[NKEY_TEXT_SIZE];
	struct fake_server servers[SERVERS_MAX];
	size_t len;
	size_t active; /* that the servers know of; 0: all */
	bool down;
	bool nobody;
	bool never_expires;
	bool ping_last; /* PING is answered when the question has been */
	uint64_t ping; /* that one */
	void (*meanwhile)(struct stage *s); /* called before the question comes */
	size_t requests;
	uint64_t last_request;
	char subject[128]; /* of the last question, */
	char body[BODY_MAX]; /* and with it */
	uint64_t open[OPEN_MAX]; /* neither cancelled nor expired */
	size_t open_len;
};

/* For cmocka: two servers that have nothing, and TIMEOUT_MS. Nothing may be open in the
 * end. */
int stage_set_up(void **state);
int stage_tear_down(void **state);

/* From now on live waits for so long; nobody may be asking. */
void stage_set_timeout(struct stage *s, int64_t timeout_ms);

/* What comes for a request. */
void stage_reply(uint64_t request, const char *text, size_t len);
void stage_expire(uint64_t request);

#endif
