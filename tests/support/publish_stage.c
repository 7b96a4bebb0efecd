/* SPDX-License-Identifier: Apache-2.0 */
#include "support/publish_stage.h"

#include "base/str.h"
#include "jwt/decode.h"
#include "store/publish.h"
#include "store/signing_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { QUIET_MS = 20 };

int64_t stage_sweep_pause_ms = 0;
size_t stage_in_flight_max = 0;

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
	if (s->still_at != 0) {
		__atomic_add_fetch(&s->ahead, 1, __ATOMIC_RELAXED);
	}
	temp_signal_raise(&s->step);
	return stage_now(s);
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
	nkey_text_encode(NKEY_OPERATOR, &key.public_key, s->bus.signing_key);
}

static void
start_publisher(struct stage *s)
{
	struct err err = { 0 };
	assert_int_equal(publisher_new(&s->params, &s->publisher, &err), 0);
	s->bus.publisher = s->publisher;
	store_on_commit(s->t.temp.store, publisher_on_commit, s->publisher);
	assert_int_equal(publisher_start(s->publisher, NULL, &err), 0);
}

static void
set_up(void **state, int64_t still_at, int64_t quiet_ms, int64_t role_pace)
{
	struct stage *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	s->still_at = still_at;
	temp_service_init(&s->t);
	temp_signal_init(&s->step);
	s->clock = (struct clock){ .wall = read_wall, .mono = read_mono, .ctx = s };
	fake_bus_init(&s->bus, s);
	read_signing_key(s);
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
}

int
stage_set_up_with(void **state, int64_t quiet_ms, int64_t role_pace)
{
	set_up(state, 0, quiet_ms, role_pace);
	return 0;
}

int
stage_set_up_still(void **state, int64_t role_pace)
{
	set_up(state, clock_mono_ms(&clock_system), QUIET_MS, role_pace);
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
	return stage_set_up_slow(state, QUIET_MS);
}

int
stage_tear_down(void **state)
{
	struct stage *s = *state;
	publisher_stop(s->publisher);
	publisher_free(s->publisher);
	fake_bus_release(&s->bus);
	temp_service_release(&s->t);
	temp_signal_release(&s->step);
	free(s);
	return 0;
}

void
stage_say(struct stage *s, enum bus_event_kind kind)
{
	struct bus_event event = { .kind = kind };
	pthread_mutex_lock(&s->bus.lock);
	s->bus.epoch += kind == BUS_EVENT_UP ? 1 : 0;
	event.epoch = s->bus.epoch;
	pthread_mutex_unlock(&s->bus.lock);
	publisher_on_bus(s->publisher, &event);
}

void
stage_announce(struct stage *s, int server)
{
	char subject[64];
	pthread_mutex_lock(&s->bus.lock);
	str_fmt_cut(subject, sizeof(subject), "$SYS.SERVER.N%d-%d.STATSZ", server,
		s->bus.servers[server].incarnation);
	pthread_mutex_unlock(&s->bus.lock);
	fake_bus_hear(&s->bus, subject, "");
}

/* ---- time ---- */

void
stage_pass(struct stage *s, int64_t ms)
{
	__atomic_add_fetch(&s->ahead, ms, __ATOMIC_RELAXED);
}

int64_t
stage_now(const struct stage *s)
{
	int64_t at = s->still_at != 0 ? s->still_at : clock_mono_ms(&clock_system);
	return at + __atomic_load_n(&s->ahead, __ATOMIC_RELAXED);
}

void
stage_wake(struct stage *s)
{
	fake_bus_expire(&s->bus, UINT64_MAX); /* of nobody */
}

unsigned
stage_looks(const struct stage *s)
{
	return __atomic_load_n(&s->looks, __ATOMIC_RELAXED);
}

/* ---- what is waited for ---- */

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

int64_t
stage_ask(struct stage *s, const char *sql)
{
	return temp_ask(&s->t, sql, NULL);
}

bool
stage_is_true(struct stage *s, const void *ctx)
{
	return stage_ask(s, (const char *)ctx) > 0;
}

bool
stage_is_quiet(struct stage *s, const void *ctx)
{
	struct publisher_status status;
	(void)ctx;
	publisher_status(s->publisher, &status);
	return status.open == 0 && stage_open_accounts(s) == 0;
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
	return stage_ask(s, sql);
}

/* By the servers that are up. */
static bool
is_held(struct stage *s, const char *key, const char *jwt)
{
	bool same = true;
	pthread_mutex_lock(&s->bus.lock);
	for (int i = 0; same && i < SERVERS_MAX; i++) {
		struct fake_server *server = &s->bus.servers[i];
		const struct held *held = fake_server_find(server, key);
		same = !server->up || (held != NULL && str_equal(held->jwt, jwt));
	}
	pthread_mutex_unlock(&s->bus.lock);
	return same;
}

/* The servers that are up hold, of every account, the bytes that are in force. */
static bool
is_converged(struct stage *s, const void *ctx)
{
	bool same = true;
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	int64_t accounts = stage_ask(s, "SELECT count(*) FROM accounts");
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
		same = is_held(s, claims.sub, jwt);
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
		fail_msg("not converged: %ld open", (long)stage_open_accounts(s));
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
	return stage_ask(s, sql) > 0;
}

bool
stage_has_pinged(struct stage *s, const void *ctx)
{
	const unsigned *before = ctx;
	return stage_pings(s) > *before;
}

bool
stage_has_passed(struct stage *s, const void *ctx)
{
	const int64_t *since = ctx;
	struct publisher_status status;
	publisher_status(s->publisher, &status);
	return !status.sweep.running && status.sweep.started_ms > *since;
}

static bool
holds_newest(struct stage *s, const void *ctx)
{
	const char *account = ctx;
	char key[NKEY_TEXT_SIZE];
	bool same = stage_is_quiet(s, NULL);
	char *jwt = stage_jwt(s, account);
	stage_key(s, account, key);
	same = same && is_held(s, key, jwt);
	free(jwt);
	return same && count_unconfirmed(s, temp_account_seq(&s->t, account)) == 0;
}

void
stage_assert_holds_newest(struct stage *s, const char *account)
{
	assert_true(stage_eventually(s, holds_newest, account));
}

/* ---- what can be seen ---- */

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

int64_t
stage_open_accounts(struct stage *s)
{
	return stage_ask(s,
		"SELECT count(*) FROM account_publish WHERE generation > "
		"proven_generation");
}

int64_t
stage_count_status(struct stage *s, const char *status)
{
	char sql[512];
	assert_int_equal(str_fmt(sql, sizeof(sql),
				 "SELECT count(*) FROM accounts t JOIN account_publish p "
				 "ON p.account = t.seq WHERE '%s' = (CASE WHEN "
				 "p.proven_generation < p.generation THEN p.state ELSE "
				 "coalesce((SELECT iif(max(missing_since) > 0, "
				 "'partial', 'pending') FROM unconfirmed u WHERE "
				 "u.account = t.seq HAVING count(*) > 0), 'proven') END)",
				 status),
		0);
	return stage_ask(s, sql);
}

static unsigned
read_count(struct stage *s, const unsigned *count)
{
	pthread_mutex_lock(&s->bus.lock);
	unsigned n = *count;
	pthread_mutex_unlock(&s->bus.lock);
	return n;
}

unsigned
stage_updates(struct stage *s, int server)
{
	return read_count(s, &s->bus.servers[server].updates);
}

unsigned
stage_lookups(struct stage *s, int server)
{
	return read_count(s, &s->bus.servers[server].lookups);
}

unsigned
stage_pings(struct stage *s)
{
	return read_count(s, &s->bus.pings);
}

size_t
stage_pushed(struct stage *s)
{
	return read_count(s, &s->bus.pushed);
}

struct push
stage_push(struct stage *s, size_t index)
{
	pthread_mutex_lock(&s->bus.lock);
	struct push push = s->bus.pushes[index];
	pthread_mutex_unlock(&s->bus.lock);
	return push;
}

/* ---- accounts ---- */

void
stage_make_accounts(struct stage *s, int len, char (*out)[RAND_ID_SIZE])
{
	for (int i = 0; i < len; i++) {
		char name[16];
		str_fmt_cut(name, sizeof(name), "account%d", i);
		temp_make_account(&s->t, name, out[i]);
	}
}

void
stage_converge(struct stage *s, int servers, int len, char (*out)[RAND_ID_SIZE])
{
	stage_make_accounts(s, len, out);
	for (int i = 0; i < servers; i++) {
		stage_set_server(s, i, true);
	}
	stage_say(s, BUS_EVENT_UP);
	stage_assert_converges(s);
}

void
stage_converge_two(struct stage *s, char account[static RAND_ID_SIZE])
{
	char accounts[2][RAND_ID_SIZE];
	stage_converge(s, 2, 2, accounts);
	memcpy(account, accounts[0], RAND_ID_SIZE);
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

char *
stage_replace_jwt(struct stage *s, const char *account)
{
	char *old = stage_jwt(s, account);
	stage_set_connections(s, account, 5);
	stage_assert_converges(s);
	return old;
}

/* ---- servers ---- */

void
stage_set_flag(struct stage *s, bool *flag, bool value)
{
	pthread_mutex_lock(&s->bus.lock);
	*flag = value;
	pthread_mutex_unlock(&s->bus.lock);
}

void
stage_set_server(struct stage *s, int server, bool up)
{
	stage_set_flag(s, &s->bus.servers[server].up, up);
}

void
stage_lose_server(struct stage *s, int server)
{
	stage_set_server(s, server, false);
	stage_say(s, BUS_EVENT_UP);
	ASSERT_SOON(s, "SELECT count(*) FROM servers WHERE missing_since > 0");
}

void
stage_set_mute(struct stage *s, int server, bool mute)
{
	stage_set_flag(s, &s->bus.servers[server].mute, mute);
}

void
stage_set_answer(struct stage *s, int server, enum answer answer)
{
	pthread_mutex_lock(&s->bus.lock);
	s->bus.servers[server].answer = answer;
	pthread_mutex_unlock(&s->bus.lock);
}

void
stage_restart_server(struct stage *s, int server)
{
	pthread_mutex_lock(&s->bus.lock);
	s->bus.servers[server].incarnation++;
	pthread_mutex_unlock(&s->bus.lock);
}

void
stage_wipe_server(struct stage *s, int server)
{
	pthread_mutex_lock(&s->bus.lock);
	fake_server_lose_all(&s->bus.servers[server]);
	s->bus.servers[server].incarnation++;
	pthread_mutex_unlock(&s->bus.lock);
}

void
stage_on_push(struct stage *s, void (*on_push)(struct stage *s))
{
	pthread_mutex_lock(&s->bus.lock);
	s->bus.on_push = on_push;
	pthread_mutex_unlock(&s->bus.lock);
}

/* ---- a patient bus ---- */

void
stage_set_patient(struct stage *s)
{
	stage_set_flag(s, &s->bus.patient, true);
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
	pthread_mutex_lock(&s->bus.lock);
	for (size_t i = 0; !found && i < s->bus.question_len; i++) {
		found = s->bus.questions[i].request > search->after &&
			strstr(s->bus.questions[i].subject, search->key) != NULL;
		*search->found = s->bus.questions[i];
	}
	pthread_mutex_unlock(&s->bus.lock);
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
	pthread_mutex_lock(&s->bus.lock);
	struct fake_server *fake = &s->bus.servers[server];
	bool mute = fake->mute;
	fake->mute = false;
	fake_bus_answer_lookup_locked(
		&s->bus, server, question->request, question->subject);
	fake->mute = mute;
	pthread_mutex_unlock(&s->bus.lock);
}

void
stage_expire(struct stage *s)
{
	pthread_mutex_lock(&s->bus.lock);
	while (s->bus.question_len > 0) {
		struct question *last = &s->bus.questions[--s->bus.question_len];
		fake_bus_expire(&s->bus, last->request);
	}
	pthread_mutex_unlock(&s->bus.lock);
}
