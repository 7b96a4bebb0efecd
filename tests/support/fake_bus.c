/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fake_bus.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "bus/bus.h"
#include "jwt/decode.h"
#include "publish/publisher.h"
#include "support/publish_stage.h"

#include <stdlib.h>
#include <string.h>

/* The bus that the publisher holds is never looked into. */
static struct fake_bus *the_bus;

#define PING "$SYS.REQ.SERVER.PING"
#define VARZ "$SYS.REQ.SERVER.PING.VARZ"
#define LIST "$SYS.REQ.CLAIMS.LIST"
#define UPDATE "$SYS.REQ.CLAIMS.UPDATE"
#define ACCOUNT "$SYS.REQ.ACCOUNT."

enum { ANSWER_MAX = 64 * 1024 };

/* ---- what a server holds ---- */

struct held *
fake_server_find(struct fake_server *server, const char *key)
{
	for (size_t i = 0; i < server->held_len; i++) {
		if (str_equal(server->held[i].key, key)) {
			return &server->held[i];
		}
	}
	return NULL;
}

void
fake_server_keep(struct fake_server *server, const char *key, const char *jwt)
{
	struct held *held = fake_server_find(server, key);
	if (held == NULL) {
		if (server->held_len == ACCOUNTS_MAX) {
			abort();
		}
		held = &server->held[server->held_len++];
		*held = (struct held){ 0 };
		str_fmt_cut(held->key, sizeof(held->key), "%s", key);
	}
	free(held->jwt);
	held->jwt = str_dup(jwt);
	if (held->jwt == NULL) {
		abort();
	}
}

void
fake_server_lose_all(struct fake_server *server)
{
	for (size_t i = 0; i < server->held_len; i++) {
		free(server->held[i].jwt);
	}
	server->held_len = 0;
}

/* ---- what a server answers ---- */

static void
reply(struct fake_bus *bus, uint64_t request, const char *text)
{
	struct bus_event event = { .kind = BUS_EVENT_REPLY,
		.epoch = 1,
		.request = request,
		.subject = "inbox",
		.data = text,
		.len = strlen(text) };
	publisher_on_bus(bus->publisher, &event);
}

/* Every answer says who gives it, and one thing more. */
static void
reply_as(struct fake_bus *bus, int index, uint64_t request, const char *member)
{
	const struct fake_server *server = &bus->servers[index];
	char id[32];
	char name[32];
	char head[160];
	struct buf text;
	str_fmt_cut(id, sizeof(id), "N%d-%d", index, server->incarnation);
	str_fmt_cut(name, sizeof(name), "s%d", server->twin ? 0 : index);
	str_fmt_cut(head, sizeof(head),
		"{\"server\":{\"id\":\"%s\",\"name\":\"%s\",\"cluster\":\"c\",\"ver\":"
		"\"2.15\"},",
		id, server->unnamed ? id : name);
	buf_init(&text, ANSWER_MAX);
	buf_put_str(&text, head);
	buf_put_str(&text, member);
	buf_put_char(&text, '}');
	if (buf_finish(&text, &(struct err){ 0 }) != 0) {
		abort();
	}
	reply(bus, request, text.data);
	buf_release(&text);
}

static void
answer_ping(struct fake_bus *bus, int index, uint64_t request)
{
	char routes[64] = "";
	char text[384];
	int active = 0;
	for (int i = 0; i < SERVERS_MAX; i++) {
		const struct fake_server *other = &bus->servers[i];
		active += other->up && !other->hidden && !other->joining ? 1 : 0;
		if (other->up && other->joining && i != index) {
			str_fmt_cut(routes, sizeof(routes),
				"{\"rid\":7},{\"rid\":8,\"name\":\"s%d\"}", i);
		}
	}
	str_fmt_cut(text, sizeof(text),
		"\"statsz\":{\"routes\":[%s],\"active_servers\":%d}", routes,
		bus->servers[index].alone ? 1 : active);
	reply_as(bus, index, request, text);
}

/* Whom it trusts. */
static void
answer_varz(struct fake_bus *bus, int index, uint64_t request)
{
	char text[512];
	str_fmt_cut(text, sizeof(text),
		"\"data\":{\"trusted_operators_claim\":[{\"sub\":\"%s\",\"nats\":{"
		"\"signing_keys\":[\"%s\"]}}]}",
		FAKE_OTHER_OPERATOR,
		bus->servers[index].distrusts ? FAKE_OTHER_OPERATOR : bus->signing_key);
	reply_as(bus, index, request, text);
}

static void
answer_list(struct fake_bus *bus, int index, uint64_t request)
{
	const struct fake_server *server = &bus->servers[index];
	struct buf text;
	buf_init(&text, ANSWER_MAX);
	buf_put_str(&text, "\"data\":[");
	for (size_t i = 0; i < server->held_len; i++) {
		buf_put_str(&text, i > 0 ? ",\"" : "\"");
		buf_put_str(&text, server->held[i].key);
		buf_put_char(&text, '"');
	}
	buf_put_char(&text, ']');
	if (buf_finish(&text, &(struct err){ 0 }) != 0) {
		abort();
	}
	reply_as(bus, index, request, text.data);
	buf_release(&text);
}

static void
note_push(struct fake_bus *bus, const char *key)
{
	if (bus->pushed == PUSHES_MAX) {
		return;
	}
	struct push *push = &bus->pushes[bus->pushed++];
	str_fmt_cut(push->key, sizeof(push->key), "%s", key);
	push->at = stage_now(bus->stage);
	temp_signal_raise(&bus->update);
}

/* It is no JWT: nothing is stored, and how the server says so tells its resolver. */
static void
answer_odd_update(struct fake_bus *bus, int index, uint64_t request)
{
	const struct fake_server *server = &bus->servers[index];
	char text[384];
	str_fmt_cut(text, sizeof(text),
		"\"error\":{\"account\":\"n/a\",\"code\":500,\"description\":\"jwt "
		"update %sresulted in error - expected 3 chunks\"}",
		server->cache ? "cache " : "");
	if (server->answer != SILENT && server->answer != HANGS) {
		reply_as(bus, index, request, text);
	}
}

static void
answer_update(struct fake_bus *bus, int index, uint64_t request, const char *jwt)
{
	static const char *const words[] = {
		[STORES] = "\"data\":{\"code\":200,\"message\":\"jwt updated\"}",
		[SILENT] = "",
		[SKIPS] = "\"data\":{\"code\":200,\"message\":\"jwt update cache "
			  "skipped\"}",
		[REFUSES] = "\"error\":{\"code\":500,\"description\":\"jwt validation "
			    "failed - x\"}",
		[FAILS] = "\"error\":{\"code\":500,\"description\":\"disk trouble\"}",
		[LIES] = "\"data\":{\"code\":200,\"message\":\"jwt updated\"}",
		[HANGS] = "",
	};
	static const char cached[] =
		"\"data\":{\"code\":200,\"message\":\"jwt updated cache\"}";
	struct fake_server *server = &bus->servers[index];
	struct err err = { 0 };
	struct jwt_claims claims = { 0 };
	server->updates++;
	if (jwt_decode(jwt, strlen(jwt), &claims, &err) != 0) {
		abort();
	}
	if (index == 0) {
		note_push(bus, claims.sub);
	}
	if (server->answer == STORES) {
		fake_server_keep(server, claims.sub, jwt);
	}
	jwt_claims_release(&claims);
	if (words[server->answer][0] != '\0') {
		reply_as(bus, index, request,
			server->cache ? cached : words[server->answer]);
	}
}

void
fake_bus_answer_lookup_locked(
	struct fake_bus *bus, int server, uint64_t request, const char *subject)
{
	struct fake_server *fake = &bus->servers[server];
	char key[NKEY_TEXT_SIZE];
	str_fmt_cut(key, sizeof(key), "%s", subject + strlen(ACCOUNT));
	const struct held *held = fake_server_find(fake, key);
	fake->lookups++;
	if (fake->answer != SILENT && !fake->mute && !fake->cache) {
		reply(bus, request, held != NULL ? held->jwt : "");
	}
}

/* True when the server keeps what is asked of all from expiring. */
static bool
answer(struct fake_bus *bus, int index, uint64_t request, const char *subject,
	const char *data)
{
	const struct fake_server *server = &bus->servers[index];
	if (str_equal(subject, VARZ)) {
		answer_varz(bus, index, request);
		return false;
	}
	if (str_equal(subject, LIST)) {
		answer_list(bus, index, request);
		return false;
	}
	if (str_equal(subject, PING)) {
		if (!server->hidden && !server->deaf) {
			answer_ping(bus, index, request);
		}
		return false;
	}
	if (str_equal(subject, UPDATE) && strchr(data, '.') == NULL) {
		answer_odd_update(bus, index, request);
	} else if (str_equal(subject, UPDATE)) {
		answer_update(bus, index, request, data);
	} else {
		fake_bus_answer_lookup_locked(bus, index, request, subject);
	}
	return server->hangs && server->answer == SILENT;
}

/* ---- what the bus says ---- */

/* As the bus says it when nobody listens. */
static void
answer_for_nobody(struct fake_bus *bus, uint64_t request)
{
	struct bus_event event = { .kind = BUS_EVENT_REPLY,
		.epoch = 1,
		.request = request,
		.subject = "inbox",
		.no_responders = true };
	for (int i = 0; i < SERVERS_MAX; i++) {
		if (bus->servers[i].up && !bus->servers[i].cache) {
			return;
		}
	}
	publisher_on_bus(bus->publisher, &event);
}

void
fake_bus_expire(struct fake_bus *bus, uint64_t request)
{
	struct bus_event expired = {
		.kind = BUS_EVENT_EXPIRED, .epoch = 1, .request = request
	};
	publisher_on_bus(bus->publisher, &expired);
}

/* What is asked of servers that a roster counts on is theirs to answer in time. */
static void
expire_or_keep(
	struct fake_bus *bus, uint64_t request, const char *subject, int64_t timeout_ms)
{
	bool claims = str_equal(subject, UPDATE) || strstr(subject, "LOOKUP") != NULL;
	if (!bus->patient || !claims) {
		fake_bus_expire(bus, request);
		return;
	}
	if (bus->question_len == QUESTIONS_MAX) {
		abort();
	}
	struct question *question = &bus->questions[bus->question_len++];
	*question = (struct question){ .request = request, .timeout_ms = timeout_ms };
	str_fmt_cut(question->subject, sizeof(question->subject), "%s", subject);
}

void
fake_bus_hear(struct fake_bus *bus, const char *subject, const char *data)
{
	struct bus_event event = { .kind = BUS_EVENT_MESSAGE,
		.epoch = 1,
		.subject = subject,
		.data = data,
		.len = strlen(data) };
	publisher_on_bus(bus->publisher, &event);
}

static void
reconnect_locked(struct fake_bus *bus)
{
	struct bus_event down = { .kind = BUS_EVENT_DOWN, .epoch = bus->epoch };
	struct bus_event up = { .kind = BUS_EVENT_UP, .epoch = ++bus->epoch };
	publisher_on_bus(bus->publisher, &down);
	publisher_on_bus(bus->publisher, &up);
}

void
fake_bus_reconnect(struct fake_bus *bus)
{
	pthread_mutex_lock(&bus->lock);
	reconnect_locked(bus);
	pthread_mutex_unlock(&bus->lock);
}

static void
call_on_push(struct fake_bus *bus)
{
	pthread_mutex_lock(&bus->lock);
	void (*on_push)(struct stage *) = bus->on_push;
	bus->on_push = NULL;
	pthread_mutex_unlock(&bus->lock);
	if (on_push != NULL) {
		on_push(bus->stage);
	}
}

static void
call_on_list(struct fake_bus *bus)
{
	void (*on_list)(struct stage *) = bus->on_list;
	bus->on_list = NULL;
	if (on_list != NULL) {
		on_list(bus->stage);
	}
}

static void
note_ping(struct fake_bus *bus)
{
	bus->pings++;
	if (bus->pushed > 0 && bus->pushes[bus->pushed - 1].pinged_at == 0) {
		bus->pushes[bus->pushed - 1].pinged_at = stage_now(bus->stage);
	}
}

static void
note_asked(struct fake_bus *bus, const char *subject)
{
	bool list = str_equal(subject, LIST);
	if ((list || str_starts_with(subject, ACCOUNT)) && bus->asked_len < ASKED_MAX) {
		str_fmt_cut(bus->asked[bus->asked_len++], NKEY_TEXT_SIZE, "%s",
			list ? "LIST" : subject + strlen(ACCOUNT));
	}
}

/* All that are up are asked. */
static void
ask_locked(struct fake_bus *bus, uint64_t request, const char *subject, const char *data,
	int64_t timeout_ms)
{
	bool hangs = false;
	for (int i = 0; i < SERVERS_MAX; i++) {
		if (bus->servers[i].up) {
			hangs = answer(bus, i, request, subject, data) || hangs;
		}
	}
	if (strstr(subject, "LOOKUP") != NULL) {
		answer_for_nobody(bus, request);
	}
	if (!hangs) {
		expire_or_keep(bus, request, subject, timeout_ms);
	}
}

static int
request_locked(struct fake_bus *bus, const struct bus_request *request, struct err *err)
{
	const char *subject = request->subject;
	if (bus->down) {
		return err_set(err, ERR_UNAVAILABLE, "the write failed");
	}
	if (bus->flap && strstr(subject, "LOOKUP") != NULL) {
		bus->flap = false;
		reconnect_locked(bus);
	}
	if (request->epoch != bus->epoch) {
		return err_set(err, ERR_STALE, "another connection");
	}
	if (str_equal(subject, PING)) {
		note_ping(bus);
		if (bus->ping_hangs) {
			return 0;
		}
	}
	note_asked(bus, subject);
	if (str_equal(subject, LIST)) {
		call_on_list(bus);
		if (bus->list_hangs) {
			return 0;
		}
	}
	ask_locked(bus, request->number, subject, request->data, request->timeout_ms);
	return 0;
}

/* ---- in the place of the bus ---- */

int
bus_request(struct bus *bus, const struct bus_request *request, struct err *err)
{
	struct fake_bus *fake = the_bus;
	(void)bus;
	if (str_equal(request->subject, UPDATE)) {
		if (strlen(request->data) != request->len) {
			abort();
		}
		call_on_push(fake);
	}
	pthread_mutex_lock(&fake->lock);
	int rc = request_locked(fake, request, err);
	pthread_mutex_unlock(&fake->lock);
	return rc;
}

int
bus_subscribe(struct bus *bus, const char *subject, struct err *err)
{
	(void)bus; /* what is published the tests say themselves */
	(void)subject;
	(void)err;
	return 0;
}

void
bus_cancel(struct bus *bus, uint64_t request)
{
	struct fake_bus *fake = the_bus;
	(void)bus; /* what comes for it afterwards is to be passed over */
	if (fake == NULL) {
		return; /* a test without one */
	}
	pthread_mutex_lock(&fake->lock);
	for (size_t i = 0; i < fake->question_len; i++) {
		if (fake->questions[i].request == request) {
			fake->questions[i] = fake->questions[--fake->question_len];
			break;
		}
	}
	pthread_mutex_unlock(&fake->lock);
}

void
bus_status(struct bus *bus, struct bus_status *out)
{
	struct fake_bus *fake = the_bus;
	(void)bus;
	*out = (struct bus_status){ 0 };
	pthread_mutex_lock(&fake->lock);
	out->state = fake->down ? BUS_DOWN : BUS_UP;
	out->epoch = fake->epoch;
	pthread_mutex_unlock(&fake->lock);
}

void
fake_bus_init(struct fake_bus *bus, struct stage *stage)
{
	memset(bus, 0, sizeof(*bus)); /* too large for a literal on the stack */
	bus->stage = stage;
	if (pthread_mutex_init(&bus->lock, NULL) != 0) {
		abort();
	}
	temp_signal_init(&bus->update);
	bus->servers[0].up = true;
	bus->epoch = 1;
	the_bus = bus;
}

void
fake_bus_release(struct fake_bus *bus)
{
	the_bus = NULL;
	for (int i = 0; i < SERVERS_MAX; i++) {
		fake_server_lose_all(&bus->servers[i]);
	}
	temp_signal_release(&bus->update);
	pthread_mutex_destroy(&bus->lock);
}
