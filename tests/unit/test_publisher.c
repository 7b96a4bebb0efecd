/* SPDX-License-Identifier: Apache-2.0
 * The publisher against servers that this file plays: bus_request and bus_cancel below
 * stand in for the bus (the linker takes them before the library's). Answers come at
 * once, and a request expires as soon as all have answered that will. */
#include "base/str.h"
#include "jwt/decode.h"
#include "publish/publisher.h"
#include "store/publish.h"
#include "store/signing_key.h"
#include "support/temp_service.h"
#include "support/temp_signal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SERVERS_MAX = 3, ACCOUNTS_MAX = 64, DEADLINE_MS = 20000 };

enum answer { STORES, SILENT, SKIPS, REFUSES, FAILS, LIES };

struct held {
	char key[NKEY_TEXT_SIZE];
	char *jwt;
};

struct fake_server {
	bool up;
	bool hidden; /* does not answer PING yet */
	bool distrusts; /* our operator's signing key */
	int incarnation;
	enum answer answer;
	struct held held[ACCOUNTS_MAX];
	size_t held_len;
	unsigned updates; /* it was asked to store */
	unsigned lookups;
};

struct stage {
	struct temp_service t;
	struct clock clock; /* the service's wall, the system's monotonic time */
	struct publisher *publisher;
	pthread_mutex_t lock;
	struct fake_server servers[SERVERS_MAX];
	bool down; /* requests fail */
	char meddle[RAND_ID_SIZE]; /* an account that changes while the next push is out
				    */
	char order[ACCOUNTS_MAX * 4][NKEY_TEXT_SIZE]; /* in which accounts were pushed to
							 the first */
	int64_t pushed_at[ACCOUNTS_MAX * 4];
	size_t pushed;
	struct temp_signal update; /* a push came to the first */
	unsigned looks; /* at the monotonic clock */
	char signing_key[NKEY_TEXT_SIZE]; /* the operator's */
	bool flap; /* at the next lookup: a new connection, before its answers */
};

/* The bus that the publisher holds is never looked into. */
static struct stage *the_stage;

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

static void
answer_ping(int index, const struct fake_server *server, uint64_t request)
{
	char text[256];
	int active = 0;
	for (int i = 0; i < SERVERS_MAX; i++) {
		active +=
			the_stage->servers[i].up && !the_stage->servers[i].hidden ? 1 : 0;
	}
	str_fmt_cut(text, sizeof(text),
		"{\"server\":{\"id\":\"N%d-%d\",\"name\":\"s%d\",\"cluster\":\"c\","
		"\"ver\":\"2.15\"},"
		"\"statsz\":{\"active_servers\":%d}}",
		index, server->incarnation, index, active);
	reply(request, text);
}

/* Whom it trusts. */
static void
answer_varz(int index, const struct fake_server *server, uint64_t request)
{
	char text[384];
	str_fmt_cut(text, sizeof(text),
		"{\"server\":{\"id\":\"N%d-%d\",\"name\":\"s%d\",\"cluster\":\"c\"},"
		"\"data\":{\"trusted_operators_claim\":[{\"sub\":\"%s\",\"nats\":{"
		"\"signing_keys\":[\"%s\"]}}]}}",
		index, server->incarnation, index, the_stage->signing_key,
		server->distrusts ? "" : the_stage->signing_key);
	reply(request, text);
}

static void
answer_list(int index, const struct fake_server *server, uint64_t request)
{
	struct buf text;
	buf_init(&text, 64 * 1024);
	char head[128];
	str_fmt_cut(head, sizeof(head),
		"{\"server\":{\"id\":\"N%d-%d\",\"name\":\"s%d\"},\"data\":[", index,
		server->incarnation, index);
	buf_put_str(&text, head);
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
	};
	struct err err = { 0 };
	struct jwt_claims claims = { 0 };
	char text[256];
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
	if (server->answer != SILENT) {
		str_fmt_cut(text, sizeof(text),
			"{\"server\":{\"id\":\"N%d-%d\",\"name\":\"s%d\"},%s}", index,
			server->incarnation, index, words[server->answer]);
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
	if (server->answer != SILENT) {
		reply(request, held != NULL ? held->jwt : "");
	}
}

/* By the publisher's own thread: the news of it comes before any answer. */
static void
change_under_way(struct stage *s)
{
	struct account row = { .max_connections = 77 };
	char account[RAND_ID_SIZE];
	memcpy(account, s->meddle, sizeof(account));
	s->meddle[0] = '\0';
	temp_service_advance(&s->t, 1000);
	temp_change_ok(&s->t, &account_collection, account, &row, "max_connections");
}

int
bus_request(struct bus *bus, uint64_t request, const char *subject, const void *data,
	size_t len, int64_t timeout_ms, struct err *err)
{
	struct stage *s = the_stage;
	struct bus_event expired = {
		.kind = BUS_EVENT_EXPIRED, .epoch = 1, .request = request
	};
	(void)bus;
	(void)timeout_ms;
	pthread_mutex_lock(&s->lock);
	if (s->down) {
		pthread_mutex_unlock(&s->lock);
		return err_set(err, ERR_UNAVAILABLE, "not connected");
	}
	if (s->meddle[0] != '\0' && str_equal(subject, "$SYS.REQ.CLAIMS.UPDATE")) {
		change_under_way(s);
	}
	if (s->flap && strstr(subject, "LOOKUP") != NULL) {
		struct bus_event down = { .kind = BUS_EVENT_DOWN, .epoch = 1 };
		struct bus_event up = { .kind = BUS_EVENT_UP, .epoch = 2 };
		s->flap = false;
		publisher_on_bus(s->publisher, &down);
		publisher_on_bus(s->publisher, &up);
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
			if (!server->hidden) {
				answer_ping(i, server, request);
			}
		} else if (str_equal(subject, "$SYS.REQ.CLAIMS.UPDATE")) {
			if (strlen(data) != len) {
				abort();
			}
			answer_update(i, server, request, data);
		} else {
			answer_lookup(server, request, subject);
		}
	}
	publisher_on_bus(s->publisher, &expired);
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
	(void)bus; /* what comes for it afterwards is to be passed over */
	(void)request;
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
	return clock_mono_ms(&clock_system);
}

static void
say(struct stage *s, enum bus_event_kind kind)
{
	struct bus_event event = { .kind = kind, .epoch = 1 };
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

static int
set_up_with(void **state, int64_t quiet_ms, int64_t role_pace)
{
	struct stage *s = calloc(1, sizeof(*s));
	struct err err = { 0 };
	assert_non_null(s);
	temp_service_init(&s->t);
	assert_int_equal(pthread_mutex_init(&s->lock, NULL), 0);
	temp_signal_init(&s->update);
	s->clock = (struct clock){ .wall = read_wall, .mono = read_mono, .ctx = s };
	s->servers[0].up = true;
	read_signing_key(s);
	the_stage = s;
	struct publisher_params params = {
		.store = s->t.temp.store,
		.service = s->t.service,
		.clock = &s->clock,
		.debounce_quiet_ms = quiet_ms,
		.debounce_max_ms = 5 * quiet_ms,
		.request_ms = 1000,
		.role_pace = role_pace,
	};
	assert_int_equal(publisher_new(&params, &s->publisher, &err), 0);
	store_on_commit(s->t.temp.store, publisher_on_commit, s->publisher);
	assert_int_equal(publisher_start(s->publisher, NULL, &err), 0);
	*state = s;
	return 0;
}

static int
set_up_slow(void **state, int64_t quiet_ms)
{
	return set_up_with(state, quiet_ms, 0);
}

static int
set_up(void **state)
{
	return set_up_slow(state, 20);
}

static int
tear_down(void **state)
{
	struct stage *s = *state;
	publisher_stop(s->publisher);
	publisher_free(s->publisher);
	for (int i = 0; i < SERVERS_MAX; i++) {
		wipe(&s->servers[i]);
	}
	temp_service_release(&s->t);
	temp_signal_release(&s->update);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return 0;
}

/* Looks again and again until check says so, or the deadline has passed. That it has
 * nothing left to do the publisher tells nobody: it comes after the proof's commit. */
static bool
eventually(
	struct stage *s, bool (*check)(struct stage *s, const void *ctx), const void *ctx)
{
	int64_t end = clock_mono_ms(&clock_system) + DEADLINE_MS;
	while (!check(s, ctx)) {
		struct timespec pause = { .tv_nsec = 3000000 };
		if (clock_mono_ms(&clock_system) > end) {
			return false;
		}
		nanosleep(&pause, NULL);
	}
	return true;
}

static bool
is_quiet(struct stage *s, const void *ctx)
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

/* The servers that are up hold, of every account, the bytes that are in force. */
static bool
is_converged(struct stage *s, const void *ctx)
{
	bool same = true;
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	int64_t accounts = temp_ask(&s->t, "SELECT count(*) FROM accounts", NULL);
	if (!is_quiet(s, ctx)) {
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
	return same;
}

static void
assert_converges(struct stage *s)
{
	if (!eventually(s, is_converged, NULL)) {
		fail_msg("not converged: %ld open",
			(long)temp_ask(&s->t,
				"SELECT count(*) FROM account_publish WHERE "
				"proven_generation < "
				"generation",
				NULL));
	}
}

static bool
has_state(struct stage *s, const void *ctx)
{
	char sql[256];
	str_fmt_cut(sql, sizeof(sql),
		"SELECT count(*) FROM account_publish WHERE generation > "
		"proven_generation AND %s",
		(const char *)ctx);
	return temp_ask(&s->t, sql, NULL) > 0;
}

static unsigned
updates(struct stage *s, int server)
{
	pthread_mutex_lock(&s->lock);
	unsigned n = s->servers[server].updates;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static void
set_connections(struct stage *s, const char *account, int64_t n)
{
	struct account row = { .max_connections = n };
	temp_service_advance(&s->t, 1000);
	temp_change_ok(&s->t, &account_collection, account, &row, "max_connections");
}

/* Takes nothing from anybody, so it waits for the debounce. */
static void
describe(struct stage *s, const char *account, const char *text)
{
	struct account row = { .description = (char *)(uintptr_t)text };
	temp_service_advance(&s->t, 1000);
	temp_change_ok(&s->t, &account_collection, account, &row, "description");
}

static void
set_answer(struct stage *s, int server, enum answer answer)
{
	pthread_mutex_lock(&s->lock);
	s->servers[server].answer = answer;
	pthread_mutex_unlock(&s->lock);
}

static void
set_server(struct stage *s, int server, bool up)
{
	pthread_mutex_lock(&s->lock);
	s->servers[server].up = up;
	pthread_mutex_unlock(&s->lock);
}

static void
wipe_server(struct stage *s, int server)
{
	pthread_mutex_lock(&s->lock);
	wipe(&s->servers[server]);
	pthread_mutex_unlock(&s->lock);
}

/* ---- what it does ---- */

static void
test_converges(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	temp_make_account(&s->t, "before", account);
	set_server(s, 1, true);
	say(s, BUS_EVENT_UP);
	assert_converges(s);
	temp_make_account(&s->t, "after", account);
	assert_converges(s);
	unsigned before = updates(s, 0);
	set_connections(s, account, 5);
	assert_converges(s);
	assert_int_equal(updates(s, 0), before + 1);
	struct publisher_status status;
	publisher_status(s->publisher, &status);
	assert_int_equal(status.roster.len, 2);
	assert_int_equal(status.pushed, before + 1);
	/* suspended and deleted: tombstones are pushed the same way */
	struct account row = { .active = false };
	temp_change_ok(&s->t, &account_collection, account, &row, "active");
	assert_converges(s);
	temp_service_advance(&s->t, 5000);
	temp_delete_ok(&s->t, &account_collection, account);
	assert_converges(s);
}

static void
test_nothing_while_down(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	temp_make_account(&s->t, "one", account);
	struct account row = { .active = false };
	temp_change_ok(&s->t, &account_collection, account, &row, "active");
	assert_int_equal(updates(s, 0), 0);
	say(s, BUS_EVENT_UP);
	assert_converges(s);
	/* requests that fail although it was told to be up */
	pthread_mutex_lock(&s->lock);
	s->down = true;
	pthread_mutex_unlock(&s->lock);
	set_connections(s, account, 1);
	say(s, BUS_EVENT_DOWN);
	set_connections(s, account, 2);
	pthread_mutex_lock(&s->lock);
	s->down = false;
	pthread_mutex_unlock(&s->lock);
	say(s, BUS_EVENT_UP);
	assert_converges(s);
}

static void
test_equal_claims_push_nothing(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	temp_make_account(&s->t, "one", account);
	say(s, BUS_EVENT_UP);
	assert_converges(s);
	unsigned before = updates(s, 0);
	/* one transaction each, one debounce: by the time it is minted they are equal */
	temp_store_exec(
		&s->t.temp, "UPDATE account_publish SET generation = generation + 1");
	set_connections(s, account, -1); /* unchanged: writes nothing */
	say(s, BUS_EVENT_UP);
	assert_true(eventually(s, is_quiet, NULL));
	assert_int_equal(updates(s, 0), before);
}

static void
test_debounce(void **state)
{
	void *own = NULL;
	char account[RAND_ID_SIZE];
	(void)state;
	set_up_slow(&own, 300);
	struct stage *s = own;
	temp_make_account(&s->t, "one", account);
	say(s, BUS_EVENT_UP);
	assert_converges(s);
	unsigned before = updates(s, 0);
	int64_t start = clock_mono_ms(&clock_system);
	for (int i = 1; i <= 10; i++) {
		char text[16];
		str_fmt_cut(text, sizeof(text), "change %d", i);
		describe(s, account, text);
	}
	int64_t written = clock_mono_ms(&clock_system);
	assert_converges(s);
	/* as many as there were silences, on a box of any speed: one, as a rule */
	assert_true(updates(s, 0) - before <= 1 + (unsigned)((written - start) / 300));
	assert_true(
		clock_mono_ms(&clock_system) - written >= 250 || written - start > 300);
	/* the urgent ones wait for nothing */
	struct account row = { .active = false };
	temp_service_advance(&s->t, 5000);
	temp_change_ok(&s->t, &account_collection, account, &row, "active");
	assert_converges(s);
	assert_int_equal(
		temp_generation(&s->t, account), temp_urgent_generation(&s->t, account));
	tear_down(&own);
}

/* Whatever a server says but "stored" is shown, and tried again. */
static void
test_answers(void **state)
{
	static const struct {
		enum answer answer;
		const char *shown;
		bool again; /* within the time of a test */
	} cases[] = {
		{ SILENT, "state = 'partial' AND message = 'no answer from s1'", true },
		{ SKIPS, "state = 'partial' AND message = 's1: jwt update cache skipped'",
			true },
		{ FAILS, "state = 'partial' AND message = 's1: disk trouble'", true },
		{ LIES, "state = 'partial' AND message LIKE '1 of 2 servers show%'",
			true },
		{ REFUSES,
			"state = 'refused' AND message = 's1: jwt validation failed - x'",
			false },
	};
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	temp_make_account(&s->t, "one", account);
	set_server(s, 1, true);
	say(s, BUS_EVENT_UP);
	assert_converges(s);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_answer(s, 1, cases[i].answer);
		set_connections(s, account, (int64_t)i);
		if (!eventually(s, has_state, cases[i].shown)) {
			fail_msg("never shown: %s", cases[i].shown);
		}
		assert_true(has_state(s, "attempts > 0"));
		set_answer(s, 1, STORES);
		if (!cases[i].again) {
			set_connections(
				s, account, 1000); /* a new change is tried at once */
		}
		assert_converges(s);
		assert_int_equal(temp_ask(&s->t,
					 "SELECT count(*) FROM account_publish WHERE "
					 "message <> ''",
					 NULL),
			0);
	}
}

static void
test_silent_system(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	temp_make_account(&s->t, "one", account);
	say(s, BUS_EVENT_UP);
	assert_converges(s);
	set_answer(s, 0, SILENT);
	set_connections(s, account, 3);
	assert_true(eventually(s, has_state,
		"state = 'pending' AND message = 'no server answered the push'"));
	set_answer(s, 0, STORES);
	assert_converges(s);
}

/* A server that is new to the round gets all that it lacks; what it holds is not pushed.
 */
static void
test_new_server(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	for (int i = 0; i < 20; i++) {
		char name[16];
		str_fmt_cut(name, sizeof(name), "account%d", i);
		temp_make_account(&s->t, name, account);
	}
	say(s, BUS_EVENT_UP);
	assert_converges(s);
	set_server(s, 1, true);
	say(s, BUS_EVENT_UP);
	assert_converges(s);
	assert_int_equal(updates(s, 1), 21);
	/* all is there: looked up, not pushed */
	unsigned before = updates(s, 0);
	say(s, BUS_EVENT_DOWN);
	say(s, BUS_EVENT_UP);
	assert_true(eventually(s, is_quiet, NULL));
	assert_converges(s);
	assert_int_equal(updates(s, 0), before);
	/* restarted, and empty */
	wipe_server(s, 0);
	say(s, BUS_EVENT_UP);
	assert_converges(s);
	assert_true(updates(s, 0) >= before + 21);
}

/* A server that answers the push and was not in the round: the round is asked for anew.
 */
static void
test_unknown_server_answers(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	char other[RAND_ID_SIZE];
	temp_make_account(&s->t, "one", account);
	temp_make_account(&s->t, "two", other);
	set_server(s, 0, false);
	set_server(s, 1, true);
	say(s, BUS_EVENT_UP);
	assert_converges(s);
	int64_t start = clock_mono_ms(&clock_system);
	set_server(s, 0, true);
	set_connections(s, account, 3);
	assert_converges(s);
	struct publisher_status status;
	publisher_status(s->publisher, &status);
	assert_int_equal(status.roster.len, 2);
	/* not only in the next round of an idle system, 10 s later */
	assert_true(clock_mono_ms(&clock_system) - start < 8000);
}

/* What changes while its push is out is pushed too. */
static void
test_change_during_push(void **state)
{
	struct stage *s = *state;
	temp_make_account(&s->t, "one", s->meddle);
	char account[RAND_ID_SIZE];
	memcpy(account, s->meddle, sizeof(account));
	say(s, BUS_EVENT_UP);
	assert_converges(s);
	pthread_mutex_lock(&s->lock);
	memcpy(s->meddle, account, sizeof(account));
	pthread_mutex_unlock(&s->lock);
	set_connections(s, account, 5);
	assert_converges(s);
	assert_int_equal(
		temp_ask(&s->t, "SELECT max_connections FROM accounts WHERE id = '%s'",
			account),
		77);
}

/* A change waits for its debounce and will turn out to change nothing, while a server
 * comes back empty: it must get the account all the same. */
static void
test_sweep_meets_debounce(void **state)
{
	void *own = NULL;
	char account[RAND_ID_SIZE];
	(void)state;
	set_up_slow(&own, 400);
	struct stage *s = own;
	temp_make_account(&s->t, "one", account);
	say(s, BUS_EVENT_UP);
	assert_converges(s);
	for (int i = 0; i < 2; i++) {
		describe(s, account, "described");
		if (i == 0) {
			wipe_server(s, 0);
			say(s, BUS_EVENT_UP); /* the sweep comes while the change waits,
					       */
			describe(s, account, "");
		} else {
			describe(s, account, "");
			wipe_server(s, 0);
			say(s, BUS_EVENT_UP); /* or the change while the sweep does */
		}
		assert_converges(s);
	}
	tear_down(&own);
}

struct writers {
	struct stage *stage;
	char accounts[8][RAND_ID_SIZE];
	int next;
};

static void *
write_many(void *ctx)
{
	struct writers *writers = ctx;
	int number = __atomic_fetch_add(&writers->next, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 30; i++) {
		set_connections(writers->stage, writers->accounts[(number + i) % 8], i);
	}
	return NULL;
}

/* Changes that come while others are under way, and servers that come and go. */
static void
test_storm(void **state)
{
	struct stage *s = *state;
	struct writers writers = { .stage = s };
	pthread_t threads[4];
	for (int i = 0; i < 8; i++) {
		char name[16];
		str_fmt_cut(name, sizeof(name), "account%d", i);
		temp_make_account(&s->t, name, writers.accounts[i]);
	}
	say(s, BUS_EVENT_UP);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(
			pthread_create(&threads[i], NULL, write_many, &writers), 0);
	}
	for (int i = 0; i < 10; i++) {
		set_server(s, 1 + i % 2, i % 3 != 0);
		set_answer(s, i % 3, i % 4 == 0 ? FAILS : STORES);
		wipe_server(s, 2);
		say(s, i % 2 == 0 ? BUS_EVENT_DOWN : BUS_EVENT_UP);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
	}
	for (int i = 0; i < SERVERS_MAX; i++) {
		set_answer(s, i, STORES);
	}
	temp_service_advance(
		&s->t, 60000); /* none may wait for a clock that stands still */
	say(s, BUS_EVENT_UP);
	assert_converges(s);
}

/* The connection is a new one before the answers are read: they are counted by a new
 * round, or not at all. */
static void
test_reconnect_during_lookup(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	temp_make_account(&s->t, "one", account);
	set_server(s, 1, true);
	say(s, BUS_EVENT_UP);
	assert_converges(s);
	temp_store_exec(&s->t.temp,
		"CREATE TABLE proofs (generation INTEGER);"
		"CREATE TRIGGER proof AFTER UPDATE OF proven_generation ON "
		"account_publish "
		"WHEN new.proven_generation > old.proven_generation BEGIN "
		"INSERT INTO proofs VALUES (new.proven_generation); END");
	pthread_mutex_lock(&s->lock);
	s->servers[1].answer = LIES;
	s->flap = true;
	pthread_mutex_unlock(&s->lock);
	set_connections(s, account, 5);
	assert_true(eventually(
		s, has_state, "state = 'partial' AND message LIKE '1 of 2 servers%'"));
	assert_int_equal(temp_ask(&s->t, "SELECT count(*) FROM proofs", NULL), 0);
	set_answer(s, 1, STORES);
	assert_converges(s);
	assert_int_equal(temp_ask(&s->t, "SELECT count(*) FROM proofs", NULL), 1);
}

static void
test_held(void **state)
{
	struct stage *s = *state;
	char account[RAND_ID_SIZE];
	temp_make_account(&s->t, "one", account);
	say(s, BUS_EVENT_UP);
	assert_converges(s);
	temp_store_exec(
		&s->t.temp, "UPDATE account_publish SET last_iat = last_iat + 100000");
	set_connections(s, account, 5);
	assert_true(eventually(
		s, has_state, "state = 'held' AND message LIKE '%Set the clock%'"));
	assert_int_equal(
		temp_ask(&s->t,
			"SELECT count(*) FROM account_publish WHERE state = 'held'",
			NULL),
		1);
}

enum { PACE = 5, MANY = 20 };

/* Accounts with a user each of one role. */
static void
make_users_of_a_role(
	struct stage *s, char role[static RAND_ID_SIZE], char accounts[][RAND_ID_SIZE])
{
	temp_make_role(&s->t, "role", role);
	for (int i = 0; i < MANY; i++) {
		char name[16];
		char user[RAND_ID_SIZE];
		str_fmt_cut(name, sizeof(name), "account%d", i);
		temp_make_account(&s->t, name, accounts[i]);
		temp_make_user(&s->t, "user", accounts[i], role, user);
	}
}

static void
set_role_payload(struct stage *s, const char *role, int64_t payload)
{
	struct role row = { .max_payload = payload };
	temp_service_advance(&s->t, 5000);
	temp_change_ok(&s->t, &role_collection, role, &row, "max_payload");
}

static size_t
pushed(struct stage *s)
{
	pthread_mutex_lock(&s->lock);
	size_t n = s->pushed;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static int64_t
pushed_at(struct stage *s, size_t index)
{
	pthread_mutex_lock(&s->lock);
	int64_t at = s->pushed_at[index];
	pthread_mutex_unlock(&s->lock);
	return at;
}

/* The first accounts of a role that grew go at once, the others one after the other; what
 * must not wait goes before them, and a role that narrowed goes whole. */
static void
test_role_pace(void **state)
{
	void *own = NULL;
	char role[RAND_ID_SIZE];
	char accounts[MANY][RAND_ID_SIZE];
	struct account suspended = { .active = false };
	(void)state;
	set_up_with(&own, 20, PACE);
	struct stage *s = own;
	make_users_of_a_role(s, role, accounts);
	say(s, BUS_EVENT_UP);
	assert_converges(s);
	set_role_payload(s, role, 1000);
	assert_converges(s); /* it narrowed: urgent */

	size_t before = pushed(s);
	int64_t start = clock_mono_ms(&clock_system);
	set_role_payload(s, role, 2000);
	temp_change_ok(
		&s->t, &account_collection, accounts[MANY - 1], &suspended, "active");
	set_connections(s, accounts[MANY - 2], 7);
	assert_converges(s);
	/* one push each: those two took their turns with them */
	assert_int_equal(pushed(s), before + MANY);
	size_t paced = 0;
	size_t alone = 0;
	for (size_t i = PACE + 2; i < MANY; i++) {
		paced++;
		int64_t least = (int64_t)paced * 1000 / PACE;
		assert_true(pushed_at(s, before + i) - start >= least);
		alone += pushed_at(s, before + i) - pushed_at(s, before + i - 1) > 100
			? 1
			: 0;
	}
	/* evenly, not so many each second */
	assert_true(alone > 5);
	assert_int_equal(temp_ask(&s->t,
				 "SELECT count(*) FROM account_publish WHERE state <> "
				 "'pending'",
				 NULL),
		0);
	tear_down(&own);
}

static int64_t
open_accounts(struct stage *s)
{
	return temp_ask(&s->t,
		"SELECT count(*) FROM account_publish WHERE generation > "
		"proven_generation",
		NULL);
}

struct pushes {
	struct stage *stage;
	size_t wanted;
};

static bool
were_pushed(void *ctx)
{
	const struct pushes *pushes = ctx;
	return pushed(pushes->stage) >= pushes->wanted;
}

/* The news of a change may be late, the look at the database is not: paced accounts stay
 * paced whatever else finds them open. A narrowing takes all of them out. */
static void
test_role_pace_ends(void **state)
{
	void *own = NULL;
	char role[RAND_ID_SIZE];
	char accounts[MANY][RAND_ID_SIZE];
	(void)state;
	set_up_with(&own, 20, 1);
	struct stage *s = own;
	make_users_of_a_role(s, role, accounts);
	say(s, BUS_EVENT_UP);
	set_role_payload(s, role, 500);
	assert_converges(s);
	int64_t start = clock_mono_ms(&clock_system);
	size_t before = pushed(s);
	set_role_payload(s, role, 2000);
	set_role_payload(s, role, 3000);
	say(s, BUS_EVENT_DOWN);
	say(s, BUS_EVENT_UP);
	struct pushes four = { .stage = s, .wanted = before + 4 };
	assert_true(temp_signal_wait(&s->update, were_pushed, &four, DEADLINE_MS));
	assert_true(pushed_at(s, before + 3) - start >= 3000);
	assert_true(open_accounts(s) > 0);
	set_role_payload(s, role, 1000);
	int64_t narrowed = clock_mono_ms(&clock_system);
	assert_converges(s);
	assert_true(clock_mono_ms(&clock_system) - narrowed < 10000);
	tear_down(&own);
}

static int
bump_beside(struct store_tx *tx, void *ctx, struct err *err)
{
	const int64_t *account = ctx;
	return store_publish_bump(tx, *account, false, err);
}

/* As a command beside the daemon does: nobody tells the publisher. */
static void
change_beside(struct stage *s, const char *account, const char *set)
{
	struct err err = { 0 };
	struct store *beside = NULL;
	char sql[256];
	int64_t seq = temp_account_seq(&s->t, account);
	temp_service_advance(&s->t, 5000);
	assert_int_equal(str_fmt(sql, sizeof(sql),
				 "UPDATE accounts SET %s WHERE id = '%s'", set, account),
		0);
	temp_store_exec(&s->t.temp, sql);
	assert_int_equal(store_open(&s->t.temp.params, false, &beside, &err), 0);
	assert_int_equal(store_write(beside, bump_beside, &seq, &err), 0);
	store_close(beside);
}

static bool
has_one_open(struct stage *s, const void *ctx)
{
	(void)ctx;
	return open_accounts(s) == 1;
}

static bool
has_looked(struct stage *s, const void *ctx)
{
	const unsigned *looks = ctx;
	return __atomic_load_n(&s->looks, __ATOMIC_RELAXED) >= *looks;
}

static void
test_written_beside(void **state)
{
	struct stage *s = *state;
	char refused[RAND_ID_SIZE];
	char account[RAND_ID_SIZE];
	temp_make_account(&s->t, "refused", refused);
	temp_make_account(&s->t, "one", account);
	say(s, BUS_EVENT_UP);
	assert_converges(s);
	for (int i = 0; i < 2; i++) {
		unsigned before = updates(s, 0);
		change_beside(s, account,
			i == 0 ? "max_connections = 7" : "max_connections = 8");
		assert_converges(s);
		assert_int_equal(updates(s, 0), before + 1);
	}
	/* what is refused waits for long, however often it is seen open meanwhile, and
	 * hinders no other */
	set_answer(s, 0, REFUSES);
	set_connections(s, refused, 5);
	assert_true(eventually(s, has_state, "state = 'refused'"));
	set_answer(s, 0, STORES);
	unsigned before = updates(s, 0);
	change_beside(s, account, "max_connections = 9");
	assert_true(eventually(s, has_one_open, NULL));
	assert_int_equal(updates(s, 0), before + 1);
	/* and nothing is done in between: a few looks at the clock each second */
	unsigned looks = __atomic_load_n(&s->looks, __ATOMIC_RELAXED) + 20;
	int64_t start = clock_mono_ms(&clock_system);
	assert_true(eventually(s, has_looked, &looks));
	assert_true(clock_mono_ms(&clock_system) - start >= 1000);
	assert_int_equal(updates(s, 0), before + 1);
}

static void
test_stop(void **state)
{
	struct err err = { 0 };
	struct publisher *publisher = NULL;
	struct stage *s = *state;
	struct publisher_params params = {
		.store = s->t.temp.store, .service = s->t.service, .clock = &s->clock
	};
	assert_int_equal(publisher_new(&params, &publisher, &err), 0);
	publisher_stop(publisher); /* never started */
	publisher_free(publisher);
	publisher_free(NULL);
	publisher_stop(s->publisher);
	publisher_stop(s->publisher);
	say(s, BUS_EVENT_UP); /* late news do no harm */
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_converges),
		TEST(test_nothing_while_down),
		TEST(test_equal_claims_push_nothing),
		cmocka_unit_test(test_debounce),
		TEST(test_answers),
		TEST(test_silent_system),
		TEST(test_new_server),
		TEST(test_unknown_server_answers),
		cmocka_unit_test(test_sweep_meets_debounce),
		TEST(test_storm),
		TEST(test_change_during_push),
		TEST(test_reconnect_during_lookup),
		TEST(test_held),
		cmocka_unit_test(test_role_pace),
		cmocka_unit_test(test_role_pace_ends),
		TEST(test_written_beside),
		TEST(test_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
