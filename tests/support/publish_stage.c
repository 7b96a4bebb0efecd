/* SPDX-License-Identifier: Apache-2.0 */
#include "support/publish_stage.h"

#include "base/buf.h"
#include "base/str.h"
#include "jwt/decode.h"
#include "store/publish.h"
#include "store/quarantine.h"
#include "store/signing_key.h"
#include "support/jwt_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/* The bus that the publisher holds is never looked into. */
static struct stage *the_stage;

int64_t stage_sweep_pause_ms = 0;
size_t stage_in_flight_max = 0;

/* Some operator that is not ours. */
#define OTHER_OPERATOR "OALTEWE2AUBXGYOEWFLFS7ALBBGOCGNYW3DCS7LGLBIX2BFPXAUFB6TY"

/* ---- the servers ---- */

static struct held *
find_held(struct fake_server *server, const char *key)
{
	for (size_t i = 0; i < server->held_len; i++) {
		if (str_equal(server->held[i].key, key)) {
			return &server->held[i];
		}
	}
	return NULL;
}

static void
keep(struct fake_server *server, const char *key, const char *jwt)
{
	struct held *held = find_held(server, key);
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

static void
wipe(struct fake_server *server)
{
	for (size_t i = 0; i < server->held_len; i++) {
		free(server->held[i].jwt);
	}
	server->held_len = 0;
	server->incarnation++;
}

static void
reply(uint64_t request, const char *text)
{
	struct bus_event event = { .kind = BUS_EVENT_REPLY,
		.epoch = 1,
		.request = request,
		.subject = "inbox",
		.data = text,
		.len = strlen(text) };
	publisher_on_bus(the_stage->publisher, &event);
}

/* What every answer begins with. */
static void
put_server(int index, const struct fake_server *server, char *out, size_t size)
{
	char id[32];
	char name[32];
	str_fmt_cut(id, sizeof(id), "N%d-%d", index, server->incarnation);
	str_fmt_cut(name, sizeof(name), "s%d", server->twin ? 0 : index);
	str_fmt_cut(out, size,
		"{\"server\":{\"id\":\"%s\",\"name\":\"%s\",\"cluster\":\"c\",\"ver\":"
		"\"2.15\"},",
		id, server->unnamed ? id : name);
}

static void
answer_ping(int index, const struct fake_server *server, uint64_t request)
{
	char head[160];
	char routes[64] = "";
	char text[384];
	int active = 0;
	for (int i = 0; i < SERVERS_MAX; i++) {
		const struct fake_server *other = &the_stage->servers[i];
		active += other->up && !other->hidden && !other->joining ? 1 : 0;
		if (other->up && other->joining && i != index) {
			str_fmt_cut(routes, sizeof(routes),
				"{\"rid\":7},{\"rid\":8,\"name\":\"s%d\"}", i);
		}
	}
	put_server(index, server, head, sizeof(head));
	str_fmt_cut(text, sizeof(text),
		"%s\"statsz\":{\"routes\":[%s],\"active_servers\":%d}}", head, routes,
		server->alone ? 1 : active);
	reply(request, text);
}

/* Whom it trusts. */
static void
answer_varz(int index, const struct fake_server *server, uint64_t request)
{
	char head[160];
	char text[512];
	put_server(index, server, head, sizeof(head));
	str_fmt_cut(text, sizeof(text),
		"%s\"data\":{\"trusted_operators_claim\":[{\"sub\":\"%s\",\"nats\":{"
		"\"signing_keys\":[\"%s\"]}}]}}",
		head, OTHER_OPERATOR,
		server->distrusts ? OTHER_OPERATOR : the_stage->signing_key);
	reply(request, text);
}

static void
answer_list(int index, const struct fake_server *server, uint64_t request)
{
	struct buf text;
	buf_init(&text, 64 * 1024);
	char head[160];
	put_server(index, server, head, sizeof(head));
	buf_put_str(&text, head);
	buf_put_str(&text, "\"data\":[");
	for (size_t i = 0; i < server->held_len; i++) {
		buf_put_str(&text, i > 0 ? ",\"" : "\"");
		buf_put_str(&text, server->held[i].key);
		buf_put_char(&text, '"');
	}
	buf_put_str(&text, "]}");
	if (buf_finish(&text, &(struct err){ 0 }) != 0) {
		abort();
	}
	reply(request, text.data);
	buf_release(&text);
}

static void
answer_update(int index, struct fake_server *server, uint64_t request, const char *jwt)
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
	struct err err = { 0 };
	struct jwt_claims claims = { 0 };
	char text[384];
	server->updates++;
	if (jwt_decode(jwt, strlen(jwt), &claims, &err) != 0) {
		abort();
	}
	if (index == 0 && the_stage->pushed < ACCOUNTS_MAX * 4) {
		str_fmt_cut(the_stage->order[the_stage->pushed], NKEY_TEXT_SIZE, "%s",
			claims.sub);
		the_stage->pushed_at[the_stage->pushed++] = clock_mono_ms(&clock_system);
		temp_signal_raise(&the_stage->update);
	}
	if (server->answer == STORES) {
		keep(server, claims.sub, jwt);
	}
	jwt_claims_release(&claims);
	if (words[server->answer][0] != '\0') {
		char head[160];
		put_server(index, server, head, sizeof(head));
		str_fmt_cut(text, sizeof(text), "%s%s}", head,
			server->cache ? cached : words[server->answer]);
		reply(request, text);
	}
}

static void
answer_lookup(struct fake_server *server, uint64_t request, const char *subject)
{
	char key[NKEY_TEXT_SIZE];
	str_fmt_cut(key, sizeof(key), "%s", subject + strlen("$SYS.REQ.ACCOUNT."));
	const struct held *held = find_held(server, key);
	server->lookups++;
	if (server->answer != SILENT && !server->mute && !server->cache) {
		reply(request, held != NULL ? held->jwt : "");
	}
}

/* As the bus says it when nobody listens. */
static void
answer_for_nobody(uint64_t request)
{
	struct bus_event event = { .kind = BUS_EVENT_REPLY,
		.epoch = 1,
		.request = request,
		.subject = "inbox",
		.no_responders = true };
	for (int i = 0; i < SERVERS_MAX; i++) {
		if (the_stage->servers[i].up && !the_stage->servers[i].cache) {
			return;
		}
	}
	publisher_on_bus(the_stage->publisher, &event);
}

static void
expire(uint64_t request)
{
	struct bus_event expired = {
		.kind = BUS_EVENT_EXPIRED, .epoch = 1, .request = request
	};
	publisher_on_bus(the_stage->publisher, &expired);
}

/* What is asked of servers that a roster counts on is theirs to answer in time. */
static void
expire_or_keep(struct stage *s, uint64_t request, const char *subject, int64_t timeout_ms)
{
	bool claims = str_equal(subject, "$SYS.REQ.CLAIMS.UPDATE") ||
		strstr(subject, "LOOKUP") != NULL;
	if (!s->patient || !claims) {
		expire(request);
		return;
	}
	if (s->question_len == QUESTIONS_MAX) {
		abort();
	}
	struct question *question = &s->questions[s->question_len++];
	*question = (struct question){ .request = request, .timeout_ms = timeout_ms };
	str_fmt_cut(question->subject, sizeof(question->subject), "%s", subject);
}

static void
call_on_push(struct stage *s)
{
	pthread_mutex_lock(&s->lock);
	void (*on_push)(struct stage * s) = s->on_push;
	s->on_push = NULL;
	pthread_mutex_unlock(&s->lock);
	if (on_push != NULL) {
		on_push(s);
	}
}

static void
note_asked(struct stage *s, const char *subject)
{
	static const char lookup[] = "$SYS.REQ.ACCOUNT.";
	bool list = str_equal(subject, "$SYS.REQ.CLAIMS.LIST");
	if (str_equal(subject, "$SYS.REQ.SERVER.PING")) {
		s->pings++;
	}
	if ((list || str_starts_with(subject, lookup)) && s->asked_len < ASKED_MAX) {
		str_fmt_cut(s->asked[s->asked_len++], NKEY_TEXT_SIZE, "%s",
			list ? "LIST" : subject + strlen(lookup));
	}
	if (list && s->on_list != NULL) {
		void (*on_list)(struct stage * stage) = s->on_list;
		s->on_list = NULL;
		on_list(s);
	}
}

int
bus_request(struct bus *bus, uint64_t request, const char *subject, const void *data,
	size_t len, int64_t timeout_ms, struct err *err)
{
	struct stage *s = the_stage;
	bool hangs = false;
	(void)bus;
	if (str_equal(subject, "$SYS.REQ.CLAIMS.UPDATE")) {
		call_on_push(s);
	}
	pthread_mutex_lock(&s->lock);
	if (s->down) {
		pthread_mutex_unlock(&s->lock);
		return err_set(err, ERR_UNAVAILABLE, "not connected");
	}
	if (s->flap && strstr(subject, "LOOKUP") != NULL) {
		struct bus_event down = { .kind = BUS_EVENT_DOWN, .epoch = 1 };
		struct bus_event up = { .kind = BUS_EVENT_UP, .epoch = 2 };
		s->flap = false;
		publisher_on_bus(s->publisher, &down);
		publisher_on_bus(s->publisher, &up);
	}
	if (str_equal(subject, "$SYS.REQ.SERVER.PING") && s->pushed > 0 &&
		s->pinged_at[s->pushed - 1] == 0) {
		s->pinged_at[s->pushed - 1] = clock_mono_ms(&clock_system);
	}
	note_asked(s, subject);
	if (s->list_hangs && str_equal(subject, "$SYS.REQ.CLAIMS.LIST")) {
		pthread_mutex_unlock(&s->lock);
		return 0;
	}
	for (int i = 0; i < SERVERS_MAX; i++) {
		struct fake_server *server = &s->servers[i];
		if (!server->up) {
			continue;
		}
		if (str_equal(subject, "$SYS.REQ.SERVER.PING.VARZ")) {
			answer_varz(i, server, request);
		} else if (str_equal(subject, "$SYS.REQ.CLAIMS.LIST")) {
			answer_list(i, server, request);
		} else if (str_equal(subject, "$SYS.REQ.SERVER.PING")) {
			if (!server->hidden && !server->deaf) {
				answer_ping(i, server, request);
			}
		} else if (str_equal(subject, "$SYS.REQ.CLAIMS.UPDATE")) {
			if (strlen(data) != len) {
				abort();
			}
			answer_update(i, server, request, data);
			hangs = hangs || (server->hangs && server->answer == SILENT);
		} else {
			answer_lookup(server, request, subject);
			hangs = hangs || (server->hangs && server->answer == SILENT);
		}
	}
	if (strstr(subject, "LOOKUP") != NULL) {
		answer_for_nobody(request);
	}
	if (!hangs) {
		expire_or_keep(s, request, subject, timeout_ms);
	}
	pthread_mutex_unlock(&s->lock);
	return 0;
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
	struct stage *s = the_stage;
	(void)bus; /* what comes for it afterwards is to be passed over */
	if (s == NULL) {
		return; /* a test without one */
	}
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->question_len; i++) {
		if (s->questions[i].request == request) {
			s->questions[i] = s->questions[--s->question_len];
			break;
		}
	}
	pthread_mutex_unlock(&s->lock);
}

void
bus_status(struct bus *bus, struct bus_status *out)
{
	struct stage *s = the_stage;
	(void)bus;
	*out = (struct bus_status){ 0 };
	pthread_mutex_lock(&s->lock);
	out->state = s->down ? BUS_DOWN : BUS_UP;
	pthread_mutex_unlock(&s->lock);
}

/* ---- the stage ---- */

static int64_t
read_wall(void *ctx)
{
	struct stage *s = ctx;
	return clock_wall_ms(&s->t.clock);
}

static int64_t
read_mono(void *ctx)
{
	struct stage *s = ctx;
	__atomic_add_fetch(&s->looks, 1, __ATOMIC_RELAXED);
	temp_signal_raise(&s->step);
	return clock_mono_ms(&clock_system) +
		__atomic_load_n(&s->ahead, __ATOMIC_RELAXED);
}

void
stage_pass(struct stage *s, int64_t ms)
{
	__atomic_add_fetch(&s->ahead, ms, __ATOMIC_RELAXED);
}

void
stage_wake(struct stage *s)
{
	expire(UINT64_MAX); /* of nobody */
	(void)s;
}

void
stage_say(struct stage *s, enum bus_event_kind kind)
{
	struct bus_event event = { .kind = kind, .epoch = 1 };
	publisher_on_bus(s->publisher, &event);
}

void
stage_announce(struct stage *s, int server)
{
	char subject[64];
	pthread_mutex_lock(&s->lock);
	str_fmt_cut(subject, sizeof(subject), "$SYS.SERVER.N%d-%d.STATSZ", server,
		s->servers[server].incarnation);
	pthread_mutex_unlock(&s->lock);
	struct bus_event event = { .kind = BUS_EVENT_MESSAGE,
		.epoch = 1,
		.subject = subject,
		.data = "",
		.len = 0 };
	publisher_on_bus(s->publisher, &event);
}

static void
read_signing_key(struct stage *s)
{
	struct store_conn *conn = NULL;
	struct store_signing_key key;
	struct err err = { 0 };
	assert_int_equal(store_read_begin(s->t.temp.store, &conn, &err), 0);
	assert_int_equal(store_signing_key_plain(conn, 0, &key, &err), 0);
	store_read_end(s->t.temp.store, conn);
	nkey_text_encode(NKEY_OPERATOR, &key.public_key, s->signing_key);
}

static void
start_publisher(struct stage *s)
{
	struct err err = { 0 };
	assert_int_equal(publisher_new(&s->params, &s->publisher, &err), 0);
	store_on_commit(s->t.temp.store, publisher_on_commit, s->publisher);
	assert_int_equal(publisher_start(s->publisher, NULL, &err), 0);
}

int
stage_set_up_with(void **state, int64_t quiet_ms, int64_t role_pace)
{
	struct stage *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	temp_service_init(&s->t);
	assert_int_equal(pthread_mutex_init(&s->lock, NULL), 0);
	temp_signal_init(&s->update);
	temp_signal_init(&s->step);
	s->clock = (struct clock){ .wall = read_wall, .mono = read_mono, .ctx = s };
	s->servers[0].up = true;
	read_signing_key(s);
	the_stage = s;
	s->params = (struct publisher_params){
		.store = s->t.temp.store,
		.service = s->t.service,
		.clock = &s->clock,
		.debounce_quiet_ms = quiet_ms,
		.debounce_max_ms = 5 * quiet_ms,
		.request_ms = 1000,
		.role_pace = role_pace,
		.sweep_pause_ms = stage_sweep_pause_ms,
		.in_flight_max = stage_in_flight_max,
	};
	start_publisher(s);
	*state = s;
	return 0;
}

void
stage_restart(struct stage *s)
{
	publisher_stop(s->publisher);
	struct publisher *old = s->publisher;
	start_publisher(s);
	publisher_free(old);
}

int
stage_set_up_slow(void **state, int64_t quiet_ms)
{
	return stage_set_up_with(state, quiet_ms, 0);
}

int
stage_set_up(void **state)
{
	return stage_set_up_slow(state, 20);
}

int
stage_tear_down(void **state)
{
	struct stage *s = *state;
	publisher_stop(s->publisher);
	publisher_free(s->publisher);
	the_stage = NULL;
	for (int i = 0; i < SERVERS_MAX; i++) {
		wipe(&s->servers[i]);
	}
	temp_service_release(&s->t);
	temp_signal_release(&s->update);
	temp_signal_release(&s->step);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return 0;
}

struct wait {
	struct stage *stage;
	bool (*check)(struct stage *s, const void *ctx);
	const void *ctx;
};

static bool
is_over(void *ctx)
{
	const struct wait *wait = ctx;
	return wait->check(wait->stage, wait->ctx);
}

bool
stage_eventually(
	struct stage *s, bool (*check)(struct stage *s, const void *ctx), const void *ctx)
{
	struct wait wait = { .stage = s, .check = check, .ctx = ctx };
	return temp_signal_wait(&s->step, is_over, &wait, DEADLINE_MS);
}

bool
stage_is_quiet(struct stage *s, const void *ctx)
{
	struct publisher_status status;
	(void)ctx;
	publisher_status(s->publisher, &status);
	return status.open == 0 &&
		temp_ask(&s->t,
			"SELECT count(*) FROM account_publish WHERE proven_generation < "
			"generation",
			NULL) == 0;
}

/* Of the account; 0: of all. Asked last: what the publisher says of itself may be older
 * than what servers hold. */
static int64_t
count_unconfirmed(struct stage *s, int64_t account)
{
	char sql[128];
	str_fmt_cut(sql, sizeof(sql),
		"SELECT count(*) FROM unconfirmed WHERE missing_since = 0 AND %d IN (0, "
		"account)",
		(int)account);
	return temp_ask(&s->t, sql, NULL);
}

/* The servers that are up hold, of every account, the bytes that are in force. */
static bool
is_converged(struct stage *s, const void *ctx)
{
	bool same = true;
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	int64_t accounts = temp_ask(&s->t, "SELECT count(*) FROM accounts", NULL);
	if (!stage_is_quiet(s, ctx)) {
		return false;
	}
	assert_int_equal(store_read_begin(s->t.temp.store, &conn, &err), 0);
	for (int64_t seq = 1; same && seq <= accounts; seq++) {
		struct jwt_claims claims = { 0 };
		char *jwt = NULL;
		int64_t generation = 0;
		assert_int_equal(
			store_publish_jwt(conn, seq, &jwt, &generation, &err), 0);
		assert_int_equal(jwt_decode(jwt, strlen(jwt), &claims, &err), 0);
		pthread_mutex_lock(&s->lock);
		for (int i = 0; i < SERVERS_MAX; i++) {
			const struct held *held = find_held(&s->servers[i], claims.sub);
			same = same &&
				(!s->servers[i].up ||
					(held != NULL && str_equal(held->jwt, jwt)));
		}
		pthread_mutex_unlock(&s->lock);
		jwt_claims_release(&claims);
		free(jwt);
	}
	store_read_end(s->t.temp.store, conn);
	return same && count_unconfirmed(s, 0) == 0;
}

void
stage_assert_converges(struct stage *s)
{
	if (!stage_eventually(s, is_converged, NULL)) {
		fail_msg("not converged: %ld open",
			(long)temp_ask(&s->t,
				"SELECT count(*) FROM account_publish WHERE "
				"proven_generation < "
				"generation",
				NULL));
	}
}

bool
stage_has_state(struct stage *s, const void *ctx)
{
	char sql[256];
	str_fmt_cut(sql, sizeof(sql),
		"SELECT count(*) FROM account_publish WHERE generation > "
		"proven_generation AND %s",
		(const char *)ctx);
	return temp_ask(&s->t, sql, NULL) > 0;
}

unsigned
stage_updates(struct stage *s, int server)
{
	pthread_mutex_lock(&s->lock);
	unsigned n = s->servers[server].updates;
	pthread_mutex_unlock(&s->lock);
	return n;
}

void
stage_set_connections(struct stage *s, const char *account, int64_t n)
{
	struct account row = { .max_connections = n };
	temp_service_advance(&s->t, 1000);
	temp_change_ok(&s->t, &account_collection, account, &row, "max_connections");
}

/* Takes nothing from anybody, so it waits for the debounce. */
void
stage_describe(struct stage *s, const char *account, const char *text)
{
	struct account row = { .description = (char *)(uintptr_t)text };
	temp_service_advance(&s->t, 1000);
	temp_change_ok(&s->t, &account_collection, account, &row, "description");
}

void
stage_set_answer(struct stage *s, int server, enum answer answer)
{
	pthread_mutex_lock(&s->lock);
	s->servers[server].answer = answer;
	pthread_mutex_unlock(&s->lock);
}

void
stage_set_server(struct stage *s, int server, bool up)
{
	pthread_mutex_lock(&s->lock);
	s->servers[server].up = up;
	pthread_mutex_unlock(&s->lock);
}

void
stage_wipe_server(struct stage *s, int server)
{
	pthread_mutex_lock(&s->lock);
	wipe(&s->servers[server]);
	pthread_mutex_unlock(&s->lock);
}

void
stage_set_mute(struct stage *s, int server, bool mute)
{
	pthread_mutex_lock(&s->lock);
	s->servers[server].mute = mute;
	pthread_mutex_unlock(&s->lock);
}

unsigned
stage_pings(struct stage *s)
{
	pthread_mutex_lock(&s->lock);
	unsigned n = s->pings;
	pthread_mutex_unlock(&s->lock);
	return n;
}

size_t
stage_pushed(struct stage *s)
{
	pthread_mutex_lock(&s->lock);
	size_t n = s->pushed;
	pthread_mutex_unlock(&s->lock);
	return n;
}

int64_t
stage_pushed_at(struct stage *s, size_t index)
{
	pthread_mutex_lock(&s->lock);
	int64_t at = s->pushed_at[index];
	pthread_mutex_unlock(&s->lock);
	return at;
}

int64_t
stage_pinged_at(struct stage *s, size_t index)
{
	pthread_mutex_lock(&s->lock);
	int64_t at = s->pinged_at[index];
	pthread_mutex_unlock(&s->lock);
	return at;
}

int64_t
stage_open_accounts(struct stage *s)
{
	return temp_ask(&s->t,
		"SELECT count(*) FROM account_publish WHERE generation > "
		"proven_generation",
		NULL);
}

/* ---- what others do ---- */

char *
stage_jwt(struct stage *s, const char *account)
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	char *jwt = NULL;
	int64_t generation = 0;
	assert_int_equal(store_read_begin(s->t.temp.store, &conn, &err), 0);
	assert_int_equal(store_publish_jwt(conn, temp_account_seq(&s->t, account), &jwt,
				 &generation, &err),
		0);
	store_read_end(s->t.temp.store, conn);
	return jwt;
}

char *
stage_foreign_jwt(struct stage *s, const char *account, const char *tag)
{
	struct err err = { 0 };
	struct jwt_claims claims = { 0 };
	struct buf out;
	struct sample_key key = sample_key_make(NKEY_OPERATOR, 7);
	struct jwt_signer signer = sample_signer(&key);
	char *jwt = stage_jwt(s, account);
	assert_int_equal(jwt_decode(jwt, strlen(jwt), &claims, &err), 0);
	free(jwt);
	struct strlist *tags = &claims.as.account.tags;
	assert_int_equal(tags->len, 1);
	/* natsid:<uuid>:<generation> */
	char uuid[40];
	char text[96] = "elsewhere";
	str_fmt_cut(uuid, sizeof(uuid), "%.36s", tags->items[0] + strlen("natsid:"));
	if (tag != NULL) {
		str_fmt_cut(text, sizeof(text), "natsid:%s:9", uuid);
	}
	strlist_release(tags);
	assert_int_equal(strlist_add(tags, text, &err), 0);
	claims.iat += 1000;
	buf_init(&out, 64 * 1024);
	assert_int_equal(jwt_encode(&claims, &signer, &out, &err), 0);
	assert_int_equal(buf_finish(&out, &err), 0);
	char *copy = str_dup(out.data);
	assert_non_null(copy);
	buf_release(&out);
	jwt_claims_release(&claims);
	return copy;
}

void
stage_store(struct stage *s, int server, const char *jwt)
{
	struct err err = { 0 };
	struct jwt_claims claims = { 0 };
	assert_int_equal(jwt_decode(jwt, strlen(jwt), &claims, &err), 0);
	pthread_mutex_lock(&s->lock);
	keep(&s->servers[server], claims.sub, jwt);
	pthread_mutex_unlock(&s->lock);
	jwt_claims_release(&claims);
}

void
stage_key(struct stage *s, const char *account, char out[static NKEY_TEXT_SIZE])
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	struct store_publish_work work;
	assert_int_equal(store_read_begin(s->t.temp.store, &conn, &err), 0);
	assert_int_equal(
		store_publish_work(conn, temp_account_seq(&s->t, account), &work, &err),
		0);
	store_read_end(s->t.temp.store, conn);
	memcpy(out, work.public_key, NKEY_TEXT_SIZE);
	free(work.jwt);
}

void
stage_lose(struct stage *s, int server, const char *account)
{
	char key[NKEY_TEXT_SIZE];
	stage_key(s, account, key);
	pthread_mutex_lock(&s->lock);
	struct fake_server *fake = &s->servers[server];
	struct held *held = find_held(fake, key);
	assert_non_null(held);
	free(held->jwt);
	*held = fake->held[--fake->held_len];
	pthread_mutex_unlock(&s->lock);
}

void
stage_damage(struct stage *s, int server, const char *account)
{
	char key[NKEY_TEXT_SIZE];
	stage_key(s, account, key);
	pthread_mutex_lock(&s->lock);
	struct held *held = find_held(&s->servers[server], key);
	assert_non_null(held);
	held->jwt[strlen(held->jwt) / 2] = '\0';
	pthread_mutex_unlock(&s->lock);
}

void
stage_put_stranger(struct stage *s, int server)
{
	struct sample_key key = sample_key_make(NKEY_ACCOUNT, 99);
	pthread_mutex_lock(&s->lock);
	keep(&s->servers[server], key.text, "whatever");
	pthread_mutex_unlock(&s->lock);
}

/* ---- a patient stage ---- */

void
stage_set_patient(struct stage *s)
{
	pthread_mutex_lock(&s->lock);
	s->patient = true;
	pthread_mutex_unlock(&s->lock);
}

struct search {
	char key[NKEY_TEXT_SIZE];
	uint64_t after;
	struct question *found;
};

static bool
is_looked_up(struct stage *s, const void *ctx)
{
	const struct search *search = ctx;
	bool found = false;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; !found && i < s->question_len; i++) {
		found = s->questions[i].request > search->after &&
			strstr(s->questions[i].subject, search->key) != NULL;
		*search->found = s->questions[i];
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

struct question
stage_await_lookup(struct stage *s, const char *account, uint64_t after)
{
	struct question found = { 0 };
	struct search search = { .after = after, .found = &found };
	stage_key(s, account, search.key);
	assert_true(stage_eventually(s, is_looked_up, &search));
	return found;
}

void
stage_answer_lookup(struct stage *s, int server, const struct question *question)
{
	pthread_mutex_lock(&s->lock);
	struct fake_server *fake = &s->servers[server];
	bool mute = fake->mute;
	fake->mute = false;
	answer_lookup(fake, question->request, question->subject);
	fake->mute = mute;
	pthread_mutex_unlock(&s->lock);
}

void
stage_expire(struct stage *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->question_len > 0) {
		expire(s->questions[--s->question_len].request);
	}
	pthread_mutex_unlock(&s->lock);
}

static bool
holds_newest(struct stage *s, const void *ctx)
{
	const char *account = ctx;
	char key[NKEY_TEXT_SIZE];
	bool same = stage_is_quiet(s, NULL);
	char *jwt = stage_jwt(s, account);
	stage_key(s, account, key);
	pthread_mutex_lock(&s->lock);
	for (int i = 0; i < SERVERS_MAX; i++) {
		const struct held *held = find_held(&s->servers[i], key);
		same = same &&
			(!s->servers[i].up ||
				(held != NULL && str_equal(held->jwt, jwt)));
	}
	pthread_mutex_unlock(&s->lock);
	free(jwt);
	return same && count_unconfirmed(s, temp_account_seq(&s->t, account)) == 0;
}

void
stage_assert_holds_newest(struct stage *s, const char *account)
{
	assert_true(stage_eventually(s, holds_newest, account));
}

static int
lift(struct store_tx *tx, void *ctx, struct err *err)
{
	const int64_t *account = ctx;
	return store_quarantine_lift(tx, *account, 100, 0, 0, err);
}

void
stage_lift(struct stage *s, const char *account)
{
	struct err err = { 0 };
	int64_t seq = temp_account_seq(&s->t, account);
	temp_service_advance(&s->t, 2000 * 1000);
	assert_int_equal(store_write(s->t.temp.store, lift, &seq, &err), 0);
}
