/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/bus.h"
#include "bus/plan.h"
#include "bus/requests.h"
#include "bus/url.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include "support/nats_server.h"

#include <nats/nats.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	PATIENCE_MS = 20 * 1000,
	SOON_MS = 10 * 1000, /* for what would take longer by a wrong way */
	NEVER_MS = 10 * 60 * 1000, /* that way */
	PAYLOAD_BIG = 1024 * 1024
};

#define ANY UINT64_MAX

/* ---- what the bus said
 * -------------------------------------------------------------- */

struct record {
	enum bus_event_kind kind;
	uint64_t epoch;
	uint64_t request;
	size_t len;
	bool no_responders;
	char text[32]; /* the beginning of the data */
	char subject[64];
};

struct recorder {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct record *records;
	size_t len;
	size_t cap;
	bool slow; /* messages wait */
};

static void
recorder_init(struct recorder *recorder)
{
	pthread_condattr_t attr;

	*recorder = (struct recorder){ .cap = 16384 };
	recorder->records = calloc(recorder->cap, sizeof(*recorder->records));
	assert_non_null(recorder->records);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&recorder->lock, NULL);
	pthread_cond_init(&recorder->changed, &attr);
	pthread_condattr_destroy(&attr);
}

static void
recorder_release(struct recorder *recorder)
{
	pthread_cond_destroy(&recorder->changed);
	pthread_mutex_destroy(&recorder->lock);
	free(recorder->records);
}

static void
record_event(void *ctx, const struct bus_event *event)
{
	struct recorder *recorder = ctx;

	pthread_mutex_lock(&recorder->lock);
	while (recorder->slow && event->kind == BUS_EVENT_MESSAGE)
		pthread_cond_wait(&recorder->changed, &recorder->lock);
	if (recorder->len < recorder->cap) {
		struct record *record = &recorder->records[recorder->len++];
		*record = (struct record){
			.kind = event->kind,
			.epoch = event->epoch,
			.request = event->request,
			.len = event->len,
			.no_responders = event->no_responders,
		};
		str_fmt_cut(record->text, sizeof(record->text), "%s",
			event->data != NULL ? event->data : "");
		str_fmt_cut(record->subject, sizeof(record->subject), "%s",
			event->subject != NULL ? event->subject : "");
	}
	pthread_cond_broadcast(&recorder->changed);
	pthread_mutex_unlock(&recorder->lock);
}

static size_t
count_locked(const struct recorder *recorder, enum bus_event_kind kind, uint64_t request)
{
	size_t n = 0;
	for (size_t i = 0; i < recorder->len; i++) {
		const struct record *record = &recorder->records[i];
		if (record->kind == kind &&
			(request == ANY || record->request == request))
			n++;
	}
	return n;
}

static size_t
count(struct recorder *recorder, enum bus_event_kind kind, uint64_t request)
{
	pthread_mutex_lock(&recorder->lock);
	size_t n = count_locked(recorder, kind, request);
	pthread_mutex_unlock(&recorder->lock);
	return n;
}

/* Waits until there are n such events; returns the last of all such. */
static struct record
wait_for(struct recorder *recorder, enum bus_event_kind kind, uint64_t request, size_t n)
{
	int64_t until = clock_mono_ms(&clock_system) + PATIENCE_MS;
	struct timespec ts = { .tv_sec = until / 1000,
		.tv_nsec = until % 1000 * 1000000 };
	struct record last = { 0 };
	int rc = 0;

	pthread_mutex_lock(&recorder->lock);
	while (rc == 0 && count_locked(recorder, kind, request) < n)
		rc = pthread_cond_timedwait(&recorder->changed, &recorder->lock, &ts);
	bool found = count_locked(recorder, kind, request) >= n;
	for (size_t i = 0; i < recorder->len; i++) {
		const struct record *record = &recorder->records[i];
		if (record->kind == kind &&
			(request == ANY || record->request == request))
			last = *record;
	}
	pthread_mutex_unlock(&recorder->lock);
	if (!found)
		fail_msg("event %d of request %lld did not come %zu times", (int)kind,
			(long long)request, n);
	return last;
}

/* ---- fixture: two servers that do not run yet, and a recorder
 * ------------------------- */

struct fixture {
	struct recorder recorder;
	struct nats_server first;
	struct nats_server second;
	struct bus *bus;
};

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return -1;
	recorder_init(&f->recorder);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	bus_free(f->bus);
	nats_server_release(&f->first);
	nats_server_release(&f->second);
	recorder_release(&f->recorder);
	free(f);
	return 0;
}

static struct bus_params
params_of(struct fixture *f, const char *const *urls, size_t n)
{
	return (struct bus_params){
		.urls = urls,
		.url_count = n,
		.name = "natsid test",
		.on_event = record_event,
		.event_ctx = &f->recorder,
		.clock = &clock_system,
		.backoff_min_ms = 10,
		.backoff_max_ms = 100,
	};
}

static void
start_with(struct fixture *f, const struct bus_params *params)
{
	struct err err = { 0 };
	assert_int_equal(bus_new(params, &f->bus, &err), 0);
	assert_int_equal(bus_start(f->bus, &err), 0);
}

static void
start_on_first(struct fixture *f)
{
	if (f->first.pid == 0)
		assert_true(nats_server_start(&f->first, 0, NULL));
	const char *urls[] = { f->first.url };
	struct bus_params params = params_of(f, urls, 1);
	start_with(f, &params);
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 1);
}

static int
send_data(struct fixture *f, uint64_t number, const char *subject, const char *data,
	size_t len, int64_t timeout_ms, struct err *err)
{
	struct bus_request request = {
		.number = number,
		.subject = subject,
		.data = data,
		.len = len,
		.timeout_ms = timeout_ms,
	};
	return bus_request(f->bus, &request, err);
}

static int
request(struct fixture *f, uint64_t number, const char *subject, int64_t timeout_ms)
{
	struct err err = { 0 };
	return send_data(f, number, subject, "ping", 4, timeout_ms, &err);
}

static size_t
open_requests(struct fixture *f)
{
	struct bus_status status;
	bus_status(f->bus, &status);
	return status.open_requests;
}

/* ---- the other end
 * --------------------------------------------------------------------- */

/* Replies with its closure, a text. */
static void
respond(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *closure)
{
	(void)sub;
	if (natsMsg_GetReply(msg) != NULL)
		natsConnection_PublishString(nc, natsMsg_GetReply(msg), closure);
	natsMsg_Destroy(msg);
}

struct peer {
	natsConnection *nc;
	natsSubscription *subs[4];
	size_t n;
};

static void
peer_open(struct peer *peer, const char *url)
{
	*peer = (struct peer){ 0 };
	assert_int_equal(natsConnection_ConnectTo(&peer->nc, url), NATS_OK);
}

static void
peer_respond(struct peer *peer, const char *subject, char *text)
{
	assert_int_equal(natsConnection_Subscribe(&peer->subs[peer->n++], peer->nc,
				 subject, respond, text),
		NATS_OK);
	assert_int_equal(natsConnection_Flush(peer->nc), NATS_OK);
}

static void
peer_close(struct peer *peer)
{
	for (size_t i = 0; i < peer->n; i++)
		natsSubscription_Destroy(peer->subs[i]);
	natsConnection_Destroy(peer->nc);
}

/* ---- who logs in
 * ------------------------------------------------------------------------- */

struct auth {
	unsigned jwts;
	unsigned signatures;
	unsigned logins; /* that live */
	bool refuse;
};

static int
give_jwt(void *ctx, void **out_login, char **out_jwt, struct err *err)
{
	struct auth *auth = ctx;
	__atomic_add_fetch(&auth->jwts, 1, __ATOMIC_SEQ_CST);
	if (auth->refuse)
		return err_set(err, ERR_UNAVAILABLE, "the key ring is closed");
	*out_jwt = str_dup("eyJ.not.checked");
	if (*out_jwt == NULL)
		return err_nomem(err);
	__atomic_add_fetch(&auth->logins, 1, __ATOMIC_SEQ_CST);
	*out_login = auth;
	return 0;
}

static int
give_signature(void *login, const char *nonce, uint8_t sig[static BUS_SIGNATURE_LEN],
	struct err *err)
{
	struct auth *auth = login;
	(void)err;
	assert_non_null(nonce);
	__atomic_add_fetch(&auth->signatures, 1, __ATOMIC_SEQ_CST);
	memset(sig, 7, BUS_SIGNATURE_LEN);
	return 0;
}

static void
end_login(void *login)
{
	struct auth *auth = login;
	__atomic_sub_fetch(&auth->logins, 1, __ATOMIC_SEQ_CST);
}

static void
log_in_with(struct bus_params *params, struct auth *auth)
{
	params->user_jwt = give_jwt;
	params->sign_nonce = give_signature;
	params->login_free = end_login;
	params->auth_ctx = auth;
}

/* ---- the parts
 * --------------------------------------------------------------------------- */

static void
test_url_forms(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *shown; /* NULL: refused */
	} cases[] = {
		{ "nats://localhost", "nats://localhost:4222" },
		{ "10.0.0.1:5222", "nats://10.0.0.1:5222" },
		{ "tls://sys:s3cret@nats.example:4443", "tls://nats.example:4443" },
		{ "nats://to:k@en@h:1", "nats://h:1" },
		{ "nats://[::1]:4222", "nats://[::1]:4222" },
		{ "[fe80::1]", "nats://[fe80::1]:4222" },
		{ "", NULL },
		{ "nats://", NULL },
		{ "http://h", NULL },
		{ "nats://h:0", NULL },
		{ "nats://h:65536", NULL },
		{ "nats://h:1/path", NULL },
		{ "nats://[::1", NULL },
		{ "nats://a b", NULL },
		{ "nats://u:\"@h", NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bus_url url;
		struct err err = { 0 };
		int rc = bus_url_init(&url, cases[i].text, &err);
		if (cases[i].shown == NULL) {
			assert_int_equal(rc, -1);
			assert_int_equal(err.code, ERR_INVALID);
		} else {
			assert_int_equal(rc, 0);
			assert_string_equal(url.shown, cases[i].shown);
			assert_string_equal(url.full, cases[i].text);
		}
		bus_url_release(&url);
	}
}

static void
test_requests_in_order_of_deadline(void **state)
{
	(void)state;
	struct bus_requests *requests = NULL;
	struct err err = { 0 };
	uint64_t tokens[BUS_REQUESTS_MAX];
	uint64_t token = 0;
	uint64_t number = 0;
	int64_t deadline = 0;

	assert_int_equal(bus_requests_new(&requests, &err), 0);
	assert_false(bus_requests_next_deadline(requests, &deadline));
	for (uint64_t i = 0; i < BUS_REQUESTS_MAX; i++) /* 7919 is prime: a permutation */
		assert_int_equal(
			bus_requests_add(requests, i,
				(int64_t)(i * 7919 % BUS_REQUESTS_MAX), &tokens[i], &err),
			0);
	assert_int_equal(bus_requests_add(requests, 99999, 1, &token, &err), -1);
	assert_int_equal(err.code, ERR_LIMITED);
	for (uint64_t i = 0; i < BUS_REQUESTS_MAX; i++) {
		assert_true(bus_requests_find(requests, tokens[i], &number));
		assert_int_equal(number, i);
	}
	for (uint64_t i = 0; i < BUS_REQUESTS_MAX; i += 3)
		assert_true(i % 2 == 0 ? bus_requests_remove(requests, i)
				       : bus_requests_remove_token(requests, tokens[i]));
	assert_false(bus_requests_remove(requests, 0));
	assert_false(bus_requests_find(requests, tokens[3], &number));
	assert_int_equal(bus_requests_add(requests, 1, 1, &token, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);

	int64_t last = -1;
	size_t taken = 0;
	while (bus_requests_next_deadline(requests, &deadline)) {
		assert_int_equal(
			bus_requests_take_due(requests, deadline - 1, &number, 1), 0);
		assert_int_equal(
			bus_requests_take_due(requests, deadline, &number, 1), 1);
		assert_int_equal(deadline, number * 7919 % BUS_REQUESTS_MAX);
		assert_true(deadline > last);
		last = deadline;
		taken++;
	}
	assert_int_equal(taken, BUS_REQUESTS_MAX - (BUS_REQUESTS_MAX + 2) / 3);
	assert_int_equal(bus_requests_count(requests), 0);
	/* A slot that is used again does not answer to its old token. */
	assert_int_equal(bus_requests_add(requests, 5, 1, &token, &err), 0);
	for (size_t i = 0; i < BUS_REQUESTS_MAX; i++)
		assert_false(bus_requests_find(requests, tokens[i], &number));
	bus_requests_free(requests);
}

static struct bus_plan
make_plan(size_t servers, unsigned retries)
{
	struct bus_plan plan;
	bus_plan_init(&plan,
		&(struct bus_plan_params){
			.servers = servers,
			.primary_retries = retries,
			.backoff_min_ms = 1000,
			.backoff_max_ms = 8000,
			.backoff_percent = 200,
		});
	return plan;
}

static void
assert_step(struct bus_step step, size_t server, int64_t full_pause_ms)
{
	assert_int_equal(step.server, server);
	assert_in_range(step.pause_ms, full_pause_ms / 2, full_pause_ms + 8);
}

static void
test_plan_of_primary_and_backups(void **state)
{
	static const int64_t pauses[] = { 1000, 2000, 4000, 8000 };
	(void)state;
	struct bus_plan plan = make_plan(3, 4);

	for (size_t i = 0; i < 4; i++)
		assert_step(bus_plan_failed(&plan, 0), 0, pauses[i]);
	/* Its retries are used up: from now on a try for each in a round. */
	for (size_t round = 0; round < 3; round++) {
		assert_step(bus_plan_failed(&plan, 0), 1, 0);
		assert_step(bus_plan_failed(&plan, 1), 2, 0);
		assert_step(bus_plan_failed(&plan, 2), 0, 8000);
	}
	/* A backup that is lost: the primary is asked once, soon. */
	struct bus_step step = bus_plan_lost(&plan, 1, true);
	assert_int_equal(step.server, 0);
	assert_in_range(step.pause_ms, 0, 1000);
	assert_step(bus_plan_failed(&plan, 0), 1, 0);
	/* One that did not last is no reason to hurry. */
	assert_step(bus_plan_lost(&plan, 1, false), 0, 1000);
	assert_step(bus_plan_lost(&plan, 1, false), 0, 2000);

	/* A primary that was well has its retries again. */
	bus_plan_primary_is_well(&plan);
	assert_step(bus_plan_failed(&plan, 0), 0, 1000);
	step = bus_plan_lost(&plan, 0, true);
	assert_in_range(step.pause_ms, 0, 1000);
	assert_step(bus_plan_failed(&plan, 0), 0, 1000);
	/* And one that only comes and goes uses them up. */
	for (size_t i = 1; i < 4; i++)
		assert_step(bus_plan_lost(&plan, 0, false), 0, pauses[i]);
	assert_step(bus_plan_lost(&plan, 0, false), 1, 0);
	assert_int_equal(bus_plan_lost(&plan, 0, true).server, 0);
	assert_step(bus_plan_lost(&plan, 0, false), 0, 1000);
}

static void
test_plan_of_one_server(void **state)
{
	static const int64_t pauses[] = { 1000, 2000, 4000, 8000, 8000, 8000, 8000 };
	(void)state;
	struct bus_plan plan = make_plan(1, 4);
	int64_t low = INT64_MAX;
	int64_t high = 0;

	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++)
		assert_step(bus_plan_failed(&plan, 0), 0, pauses[i]);
	for (size_t i = 0; i < 200; i++) {
		int64_t pause = bus_plan_failed(&plan, 0).pause_ms;
		low = pause < low ? pause : low;
		high = pause > high ? pause : high;
	}
	assert_true(low < 5000 && high > 7000); /* jitter */
}

static void
test_bad_params_are_refused(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	const char *good[] = { "nats://127.0.0.1:4222" };
	const char *bad[] = { "nats://sys:s3cret@h:99999" };

	struct bus_params params = params_of(f, good, 0);
	assert_int_equal(bus_new(&params, &f->bus, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	params = params_of(f, bad, 1);
	assert_int_equal(bus_new(&params, &f->bus, &err), -1);
	assert_null(strstr(err.msg, "s3cret"));
	params = params_of(f, good, 1);
	params.name = "a\"b";
	assert_int_equal(bus_new(&params, &f->bus, &err), -1);

	params = params_of(f, good, 1);
	assert_int_equal(bus_new(&params, &f->bus, &err), 0);
	assert_int_equal(bus_subscribe(f->bus, "a b", &err), -1);
	assert_int_equal(bus_subscribe(f->bus, "", &err), -1);
	assert_int_equal(send_data(f, 1, "a\r\nPUB b 0", "", 0, 10, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_int_equal(send_data(f, 1, "a", "", BUS_PAYLOAD_MAX + 1, 10, &err), -1);
	assert_int_equal(err.code, ERR_TOO_LARGE);
	assert_int_equal(send_data(f, 1, "a", "", 0, 10, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_true(str_starts_with(bus_inbox(f->bus), "_INBOX."));
	bus_stop(f->bus); /* never started */
}

/* ---- up and down
 * -------------------------------------------------------------------------- */

static void
test_bootstrap_without_server(void **state)
{
	struct fixture *f = *state;
	char url[64] = "";
	uint16_t port = nats_server_free_port();
	struct bus_status status;
	struct err err = { 0 };

	assert_int_equal(str_fmt(url, sizeof(url), "nats://127.0.0.1:%d", port), 0);
	const char *urls[] = { url };
	struct bus_params params = params_of(f, urls, 1);
	start_with(f, &params);
	assert_int_equal(send_data(f, 1, "a", "", 0, 1000, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	do /* the bus says no more of a failed connect than its status */
		bus_status(f->bus, &status);
	while (status.attempts < 3);
	assert_int_not_equal(status.state, BUS_UP);
	assert_string_equal(status.url, url);
	assert_true(status.last_error[0] != '\0');
	assert_int_equal(count(&f->recorder, BUS_EVENT_UP, ANY), 0);

	assert_true(nats_server_start(&f->first, port, NULL));
	struct record up = wait_for(&f->recorder, BUS_EVENT_UP, ANY, 1);
	bus_status(f->bus, &status);
	assert_int_equal(status.state, BUS_UP);
	assert_int_equal(status.epoch, up.epoch);
	assert_int_equal(count(&f->recorder, BUS_EVENT_DOWN, ANY), 0);
	assert_int_equal(count(&f->recorder, BUS_EVENT_EXPIRED, ANY), 0);
}

static void
test_status_while_up(void **state)
{
	struct fixture *f = *state;
	struct bus_status status;

	start_on_first(f);
	assert_int_equal(request(f, 1, "nobody", 5000), 0); /* after UP was handled */
	wait_for(&f->recorder, BUS_EVENT_REPLY, 1, 1);
	bus_status(f->bus, &status);
	assert_int_equal(status.state, BUS_UP);
	assert_int_equal(status.url_index, 0);
	assert_string_equal(status.url, f->first.url);
	assert_int_equal(status.server_id[0], 'N');
	assert_int_equal(status.max_payload, 1024 * 1024);
	assert_true(status.since_ms > 0);
	assert_int_equal(status.attempts, 0);
}

static void
test_kill_then_restart(void **state)
{
	struct fixture *f = *state;
	uint64_t epoch = 0;

	start_on_first(f);
	for (size_t round = 1; round <= 3; round++) {
		struct peer peer;
		struct record up = wait_for(&f->recorder, BUS_EVENT_UP, ANY, round);
		assert_true(up.epoch > epoch);
		epoch = up.epoch;

		peer_open(&peer, f->first.url);
		assert_int_equal(natsConnection_SubscribeSync(
					 &peer.subs[peer.n++], peer.nc, "silent"),
			NATS_OK);
		assert_int_equal(natsConnection_Flush(peer.nc), NATS_OK);
		for (uint64_t i = 0; i < 100; i++)
			assert_int_equal(
				request(f, round * 1000 + i, "silent", 60000), 0);
		nats_server_kill(&f->first);
		struct record down = wait_for(&f->recorder, BUS_EVENT_DOWN, ANY, round);
		assert_int_equal(down.epoch, epoch);
		for (uint64_t i = 0; i < 100; i++)
			assert_int_equal(
				count(&f->recorder, BUS_EVENT_EXPIRED, round * 1000 + i),
				1);
		assert_int_equal(open_requests(f), 0);
		peer_close(&peer);
		assert_true(nats_server_start(&f->first, f->first.port, NULL));
	}
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 4);
	bus_stop(f->bus);

	/* UP and DOWN alternate, with the same epoch in a pair, and nothing of an epoch
	 * comes outside of its pair: nothing stale. */
	uint64_t current = 0;
	for (size_t i = 0; i < f->recorder.len; i++) {
		const struct record *record = &f->recorder.records[i];
		if (record->kind == BUS_EVENT_UP) {
			assert_int_equal(current, 0);
			current = record->epoch;
		}
		assert_int_equal(record->epoch, current);
		if (record->kind == BUS_EVENT_DOWN)
			current = 0;
	}
	assert_int_equal(count(&f->recorder, BUS_EVENT_UP, ANY), 4);
	assert_int_equal(count(&f->recorder, BUS_EVENT_DOWN, ANY), 4);
}

static void
test_second_url_when_first_is_dead(void **state)
{
	struct fixture *f = *state;
	char dead[64] = "";
	struct bus_status status;

	assert_int_equal(str_fmt(dead, sizeof(dead), "nats://sys:s3cret@127.0.0.1:%d",
				 nats_server_free_port()),
		0);
	assert_true(nats_server_start(&f->second, 0, NULL));
	const char *urls[] = { dead, f->second.url };
	struct bus_params params = params_of(f, urls, 2);
	start_with(f, &params);
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 1);
	bus_status(f->bus, &status);
	assert_int_equal(status.url_index, 1);
	assert_string_equal(status.url, f->second.url);
	assert_true(status.last_error[0] != '\0');
	assert_null(strstr(status.last_error, "s3cret"));
}

/* ---- failover and failback
 * ----------------------------------------------------------------- */

static struct bus_params
params_of_two(struct fixture *f, const char **urls)
{
	assert_true(nats_server_start(&f->first, 0, NULL));
	assert_true(nats_server_start(&f->second, 0, NULL));
	urls[0] = f->first.url;
	urls[1] = f->second.url;
	struct bus_params params = params_of(f, urls, 2);
	params.primary_retries = 2;
	params.failback_interval_ms = 50;
	params.failback_healthy_ms = 300;
	return params;
}

static struct bus_status
status_of(struct fixture *f)
{
	struct bus_status status;
	bus_status(f->bus, &status);
	return status;
}

/* A request is answered, if only that nobody listens: what was sent before has arrived.
 */
static void
round_trip(struct fixture *f, uint64_t number)
{
	assert_int_equal(request(f, number, "nobody", 60000), 0);
	wait_for(&f->recorder, BUS_EVENT_REPLY, number, 1);
}

/* Whether a request that is meant for the connection of that epoch is taken. */
static void
assert_meant_for(struct fixture *f, uint64_t epoch, enum err_code code)
{
	static uint64_t number = 5000;
	struct err err = { 0 };
	number++;
	struct bus_request request = {
		.number = number,
		.epoch = epoch,
		.subject = "nobody",
		.data = "",
		.timeout_ms = 60000,
	};
	assert_int_equal(bus_request(f->bus, &request, &err), code == ERR_NONE ? 0 : -1);
	assert_int_equal(err.code, code);
}

/* What is meant for one connection does not go out on the next, nor on none. */
static void
test_request_of_another_connection(void **state)
{
	struct fixture *f = *state;
	start_on_first(f);
	uint64_t first = status_of(f).epoch;
	assert_meant_for(f, first, ERR_NONE);
	nats_server_kill(&f->first);
	wait_for(&f->recorder, BUS_EVENT_DOWN, ANY, 1);
	assert_meant_for(f, first, ERR_STALE);
	assert_true(nats_server_start(&f->first, f->first.port, NULL));
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 2);
	assert_meant_for(f, first, ERR_STALE);
	assert_meant_for(f, status_of(f).epoch, ERR_NONE);
}

/* The primary, alone, then a while without it, on the backup. */
static void
fail_over(struct fixture *f)
{
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 1);
	assert_int_equal(status_of(f).url_index, 0);
	/* Longer than backoff_max_ms: a connection that lasted. */
	assert_int_equal(request(f, 9999, "nobody", 110), 0);
	wait_for(&f->recorder, BUS_EVENT_EXPIRED, 9999, 1);
	nats_server_kill(&f->first);
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 2);
	assert_int_equal(status_of(f).url_index, 1);
}

static void
test_failover_after_the_primarys_retries(void **state)
{
	struct fixture *f = *state;
	const char *urls[2];
	struct bus_params params = params_of_two(f, urls);

	params.failback_interval_ms = 60000;
	start_with(f, &params);
	fail_over(f);
	struct bus_status status = status_of(f);
	assert_int_equal(status.urls[0].failures, 1 + 2);
	assert_int_equal(status.urls[0].state, BUS_URL_FAILED);
	assert_true(status.urls[0].error[0] != '\0');
	assert_int_equal(status.urls[0].connects, 1);
	assert_int_equal(status.urls[1].failures, 0);
	assert_int_equal(status.urls[1].state, BUS_URL_CONNECTED);
	assert_int_equal(status.url_count, 2);
	assert_int_equal(status.connects, 2);
	assert_int_equal(status.failovers, 1);
	assert_int_equal(status.failbacks, 0);

	/* Both down: once all have failed, whichever comes first is taken. */
	nats_server_kill(&f->second);
	wait_for(&f->recorder, BUS_EVENT_DOWN, ANY, 2);
	do
		status = status_of(f);
	while (status.urls[1].failures < 2);
	assert_int_equal(status.urls[1].state, BUS_URL_FAILED);
	assert_true(nats_server_start(&f->second, f->second.port, NULL));
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 3);
	assert_int_equal(status_of(f).url_index, 1);
	assert_int_equal(status_of(f).failovers, 1); /* it is where it was */
}

static void
test_failback_when_the_primary_has_been_well(void **state)
{
	struct fixture *f = *state;
	const char *urls[2];
	struct bus_params params = params_of_two(f, urls);
	struct auth auth = { 0 };
	struct err err = { 0 };
	struct peer peer;

	params.failback_healthy_ms = 1500;
	log_in_with(&params, &auth);
	assert_int_equal(bus_new(&params, &f->bus, &err), 0);
	assert_int_equal(bus_subscribe(f->bus, "events.>", &err), 0);
	assert_int_equal(bus_start(f->bus, &err), 0);
	fail_over(f);
	struct record old = wait_for(&f->recorder, BUS_EVENT_UP, ANY, 2);
	peer_open(&peer, f->second.url);
	assert_int_equal(
		natsConnection_SubscribeSync(&peer.subs[peer.n++], peer.nc, "silent"),
		NATS_OK);
	assert_int_equal(natsConnection_Flush(peer.nc), NATS_OK);
	assert_int_equal(request(f, 7, "silent", 60000), 0); /* open when it swaps */
	int64_t begin = clock_mono_ms(&clock_system);
	assert_true(nats_server_start(&f->first, f->first.port, NULL));
	struct record up = wait_for(&f->recorder, BUS_EVENT_UP, ANY, 3);
	assert_true(clock_mono_ms(&clock_system) - begin >= 1500);

	/* The old one has ended, with its requests, before the new one began. */
	const struct record *records = f->recorder.records;
	size_t n = f->recorder.len;
	assert_int_equal(records[n - 1].kind, BUS_EVENT_UP);
	assert_int_equal(records[n - 2].kind, BUS_EVENT_DOWN);
	assert_int_equal(records[n - 2].epoch, old.epoch);
	assert_int_equal(records[n - 3].kind, BUS_EVENT_EXPIRED);
	assert_int_equal(records[n - 3].request, 7);
	assert_true(up.epoch > old.epoch);
	struct bus_status status = status_of(f);
	assert_int_equal(status.url_index, 0);
	assert_int_equal(status.failovers, 1);
	assert_int_equal(status.failbacks, 1);
	assert_int_equal(status.connects, 3);
	assert_true(status.probes >= 1);
	assert_string_equal(status.urls[0].error, "");
	assert_int_equal(status.urls[1].state, BUS_URL_STANDBY);
	peer_close(&peer);

	/* What is subscribed is subscribed there. */
	round_trip(f, 8);
	peer_open(&peer, f->first.url);
	assert_int_equal(
		natsConnection_PublishString(peer.nc, "events.a", "hello"), NATS_OK);
	assert_int_equal(natsConnection_Flush(peer.nc), NATS_OK);
	assert_int_equal(
		wait_for(&f->recorder, BUS_EVENT_MESSAGE, ANY, 1).epoch, up.epoch);
	peer_close(&peer);
	bus_stop(f->bus);
	/* As many as servers that were there to ask: the probe's, too. */
	assert_int_equal(auth.jwts, 3);
	assert_int_equal(auth.signatures, 3);
	assert_int_equal(auth.logins, 0);
}

static void
test_primary_that_does_not_answer_is_not_taken(void **state)
{
	struct fixture *f = *state;
	const char *urls[2];
	struct bus_params params = params_of_two(f, urls);
	struct bus_status status;

	params.failback_healthy_ms = 60000;
	params.write_deadline_ms = 300; /* of a PING, too */
	params.connect_timeout_ms = 300;
	start_with(f, &params);
	fail_over(f);
	assert_true(nats_server_start(&f->first, f->first.port, NULL));
	do
		status = status_of(f);
	while (status.urls[0].state != BUS_URL_PROBING);
	uint64_t failures = status.urls[0].failures;
	nats_server_signal(&f->first, SIGSTOP);
	do
		status = status_of(f);
	while (status.urls[0].failures == failures);
	assert_non_null(strstr(status.urls[0].error, "PING"));
	do /* and one that does not even take a connection */
		status = status_of(f);
	while (status.urls[0].failures < failures + 2);
	nats_server_signal(&f->first, SIGCONT);
	assert_int_equal(count(&f->recorder, BUS_EVENT_UP, ANY), 2);
	assert_int_equal(count(&f->recorder, BUS_EVENT_DOWN, ANY), 1);
	round_trip(f, 1);

	/* The backup is lost while the primary is looked at: nobody waits any more. */
	do
		status = status_of(f);
	while (status.urls[0].state != BUS_URL_PROBING);
	nats_server_kill(&f->second);
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 3);
	assert_int_equal(status_of(f).url_index, 0);
	assert_int_equal(status_of(f).failbacks, 1);
	round_trip(f, 2);
}

static void
test_stop_while_probing(void **state)
{
	struct fixture *f = *state;
	const char *urls[2];
	struct bus_params params = params_of_two(f, urls);
	struct bus_status status;

	params.failback_healthy_ms = 60000;
	start_with(f, &params);
	fail_over(f);
	assert_true(nats_server_start(&f->first, f->first.port, NULL));
	do
		status = status_of(f);
	while (status.urls[0].state != BUS_URL_PROBING);
	int64_t begin = clock_mono_ms(&clock_system);
	bus_stop(f->bus);
	assert_true(clock_mono_ms(&clock_system) - begin < 5000);
	assert_int_equal(count(&f->recorder, BUS_EVENT_UP, ANY), 2);
	assert_int_equal(count(&f->recorder, BUS_EVENT_DOWN, ANY), 2);
}

/* What servers that this file plays say first. */
static const char played_info[] = "INFO {\"server_id\":\"N\",\"version\":\"2.10.0\","
				  "\"proto\":1,\"headers\":true,\"max_payload\":1048576}"
				  "\r\n";

static int
listen_somewhere(uint16_t *out_port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listener, 8), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	*out_port = ntohs(addr.sin_port);
	return listener;
}

static void
test_frozen_server_is_given_up(void **state)
{
	struct fixture *f = *state;

	assert_true(nats_server_start(&f->first, 0, NULL));
	const char *urls[] = { f->first.url };
	struct bus_params params = params_of(f, urls, 1);
	params.ping_interval_ms = 300;
	params.write_deadline_ms = 500;
	params.connect_timeout_ms = 300;
	start_with(f, &params);
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 1);

	nats_server_signal(&f->first, SIGSTOP);
	int64_t begin = clock_mono_ms(&clock_system);
	assert_int_equal(request(f, 1, "a", 60000), 0);
	wait_for(&f->recorder, BUS_EVENT_DOWN, ANY, 1);
	assert_true(clock_mono_ms(&clock_system) - begin < SOON_MS);
	wait_for(&f->recorder, BUS_EVENT_EXPIRED, 1, 1);
	nats_server_signal(&f->first, SIGCONT);
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 2);
}

/* Takes one connection, and says nothing more to it. Returns how many PINGs came. */
static void *
deaf_server(void *ctx)
{
	static const char pong[] = "PONG\r\n";
	int fd = accept(*(int *)ctx, NULL, NULL);
	char text[16 * 1024] = "";
	size_t len = 0;
	uintptr_t pings = 0;
	bool is_up = false;

	if (fd < 0 || send(fd, played_info, sizeof(played_info) - 1, MSG_NOSIGNAL) < 0)
		return NULL;
	for (ssize_t n = 1; n > 0 && len < sizeof(text) - 1; len += (size_t)n) {
		n = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		if (n < 0)
			n = 0;
		text[len + (size_t)n] = '\0';
		if (!is_up && strstr(text, "PING\r\n") != NULL)
			is_up = send(fd, pong, sizeof(pong) - 1, MSG_NOSIGNAL) > 0;
	}
	for (const char *at = text; (at = strstr(at, "PING\r\n")) != NULL; at++)
		pings++;
	close(fd);
	return (void *)pings;
}

static void
test_silent_server_is_given_up_after_three_intervals(void **state)
{
	struct fixture *f = *state;
	char deaf[64] = "";
	uint16_t port = 0;
	int listener = listen_somewhere(&port);
	pthread_t thread;
	void *pings = NULL;

	assert_int_equal(pthread_create(&thread, NULL, deaf_server, &listener), 0);
	assert_int_equal(str_fmt(deaf, sizeof(deaf), "nats://127.0.0.1:%d", port), 0);
	const char *urls[] = { deaf };
	struct bus_params params = params_of(f, urls, 1);
	params.ping_interval_ms = 50;
	start_with(f, &params);
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 1);
	shutdown(listener, SHUT_RDWR); /* there is no second time */
	wait_for(&f->recorder, BUS_EVENT_DOWN, ANY, 1);
	pthread_join(thread, &pings);
	/* That of the connect, and one for each interval that was not the last. */
	assert_int_equal((uintptr_t)pings, 1 + 2);
	close(listener);
}

/* Who asks one waits neither for it nor until it is given up. */
static void
test_frozen_server_holds_nobody_up(void **state)
{
	struct fixture *f = *state;

	assert_true(nats_server_start(&f->first, 0, NULL));
	const char *urls[] = { f->first.url };
	struct bus_params params = params_of(f, urls, 1);
	params.ping_interval_ms = SOON_MS; /* given up only after three */
	params.write_deadline_ms = NEVER_MS;
	params.connect_timeout_ms = NEVER_MS;
	start_with(f, &params);
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 1);

	nats_server_signal(&f->first, SIGSTOP);
	int64_t begin = clock_mono_ms(&clock_system);
	assert_int_equal(request(f, 1, "a", NEVER_MS), 0);
	assert_true(clock_mono_ms(&clock_system) - begin < SOON_MS);
	assert_int_equal(count(&f->recorder, BUS_EVENT_REPLY, 1), 0);
	nats_server_signal(&f->first, SIGCONT);
	wait_for(&f->recorder, BUS_EVENT_REPLY, 1, 1);
	assert_int_equal(count(&f->recorder, BUS_EVENT_DOWN, ANY), 0);
}

/* With a full socket no call takes much longer than the write deadline. */
static void
test_write_deadline(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	static char big[PAYLOAD_BIG];
	int rc = 0;

	assert_true(nats_server_start(&f->first, 0, NULL));
	const char *urls[] = { f->first.url };
	struct bus_params params = params_of(f, urls, 1);
	params.ping_interval_ms = SOON_MS; /* given up only after three */
	params.write_deadline_ms = 500;
	start_with(f, &params);
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 1);

	nats_server_signal(&f->first, SIGSTOP);
	for (uint64_t i = 100; i < 164 && rc == 0; i++) {
		int64_t begin = clock_mono_ms(&clock_system);
		rc = send_data(f, i, "a", big, sizeof(big), NEVER_MS, &err);
		assert_true(clock_mono_ms(&clock_system) - begin < SOON_MS);
	}
	if (rc != 0)
		assert_int_equal(err.code, ERR_UNAVAILABLE);
	wait_for(&f->recorder, BUS_EVENT_DOWN, ANY, 1);
	assert_int_equal(open_requests(f), 0);
}

/* Accepts, says INFO and nothing more: nats.c 3.4.1 does not come back from that by
 * itself. */
static void *
mute_server(void *ctx)
{
	int listener = *(int *)ctx;
	int clients[64];
	size_t n = 0;

	while (n < 64 && (clients[n] = accept(listener, NULL, NULL)) >= 0) {
		if (send(clients[n], played_info, sizeof(played_info) - 1, MSG_NOSIGNAL) <
			0)
			print_message("the client has gone\n");
		n++;
	}
	while (n > 0)
		close(clients[--n]);
	return NULL;
}

static void
test_server_that_falls_silent_in_the_connect(void **state)
{
	struct fixture *f = *state;
	char mute[64] = "";
	uint16_t port = 0;
	int listener = listen_somewhere(&port);
	pthread_t thread;
	struct bus_status status;

	assert_int_equal(pthread_create(&thread, NULL, mute_server, &listener), 0);
	assert_int_equal(str_fmt(mute, sizeof(mute), "nats://127.0.0.1:%d", port), 0);
	assert_true(nats_server_start(&f->second, 0, NULL));
	const char *urls[] = { mute, f->second.url };
	struct bus_params params = params_of(f, urls, 2);
	params.connect_timeout_ms = 200;
	start_with(f, &params);
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 1);
	bus_status(f->bus, &status);
	assert_int_equal(status.url_index, 1);
	nats_server_kill(&f->second);
	wait_for(&f->recorder, BUS_EVENT_DOWN, ANY, 1);

	/* It is now at the mute server again, or soon. */
	int64_t begin = clock_mono_ms(&clock_system);
	bus_stop(f->bus);
	assert_true(clock_mono_ms(&clock_system) - begin < 5000);
	shutdown(listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(listener);
}

/* ---- requests
 * --------------------------------------------------------------------------- */

static void
test_replies_of_three_servers(void **state)
{
	struct fixture *f = *state;
	struct peer peers[3];
	static char names[3][8] = { "one", "two", "three" };

	start_on_first(f);
	for (size_t i = 0; i < 3; i++) {
		peer_open(&peers[i], f->first.url);
		peer_respond(&peers[i], "who", names[i]);
	}
	assert_int_equal(request(f, 7, "who", 60000), 0);
	wait_for(&f->recorder, BUS_EVENT_REPLY, 7, 3);
	unsigned seen = 0;
	for (size_t i = 0; i < f->recorder.len; i++) {
		for (unsigned k = 0; k < 3; k++)
			if (str_equal(f->recorder.records[i].text, names[k]))
				seen |= 1U << k;
	}
	assert_int_equal(seen, 7);
	assert_int_equal(open_requests(f), 1);
	assert_int_equal(request(f, 7, "who", 60000), -1); /* that number is open */
	bus_cancel(f->bus, 7);
	assert_int_equal(open_requests(f), 0);
	assert_int_equal(request(f, 7, "who", 60000), 0);
	wait_for(&f->recorder, BUS_EVENT_REPLY, 7, 6);
	for (size_t i = 0; i < 3; i++)
		peer_close(&peers[i]);
}

static void
test_expiry(void **state)
{
	struct fixture *f = *state;
	struct peer peer;

	start_on_first(f);
	peer_open(&peer, f->first.url);
	peer_respond(&peer, "fast", (char[]){ "x" });
	int64_t begin = clock_mono_ms(&clock_system);
	assert_int_equal(request(f, 1, "fast", 60000), 0);
	assert_int_equal(
		request(f, 2, "fast", 150), 0); /* earlier than what it waits for */
	wait_for(&f->recorder, BUS_EVENT_REPLY, 2, 1);
	wait_for(&f->recorder, BUS_EVENT_EXPIRED, 2, 1);
	int64_t took = clock_mono_ms(&clock_system) - begin;
	assert_true(took >= 150 && took < 3000);
	assert_int_equal(count(&f->recorder, BUS_EVENT_EXPIRED, 1), 0);
	assert_int_equal(open_requests(f), 1);
	peer_close(&peer);
}

static void
test_cancelled_requests_are_silent(void **state)
{
	struct fixture *f = *state;
	struct peer peer;
	natsMsg *msg = NULL;

	start_on_first(f);
	peer_open(&peer, f->first.url);
	assert_int_equal(
		natsConnection_SubscribeSync(&peer.subs[peer.n++], peer.nc, "slow"),
		NATS_OK);
	peer_respond(&peer, "fast", (char[]){ "x" });
	assert_int_equal(request(f, 1, "slow", 100), 0);
	assert_int_equal(
		natsSubscription_NextMsg(&msg, peer.subs[0], PATIENCE_MS), NATS_OK);
	bus_cancel(f->bus, 1);
	bus_cancel(f->bus, 1);
	bus_cancel(f->bus, 12345);
	respond(peer.nc, NULL, msg, (char[]){ "late" });
	/* The late answer is before this one on the same subscription, and the deadline
	 * of the cancelled one is past when this one expires. */
	assert_int_equal(request(f, 2, "fast", 200), 0);
	wait_for(&f->recorder, BUS_EVENT_REPLY, 2, 1);
	wait_for(&f->recorder, BUS_EVENT_EXPIRED, 2, 1);
	assert_int_equal(count(&f->recorder, BUS_EVENT_REPLY, 1), 0);
	assert_int_equal(count(&f->recorder, BUS_EVENT_EXPIRED, 1), 0);
	peer_close(&peer);
}

static void
test_no_responders(void **state)
{
	struct fixture *f = *state;

	start_on_first(f);
	assert_int_equal(request(f, 1, "nobody.there", 60000), 0);
	struct record reply = wait_for(&f->recorder, BUS_EVENT_REPLY, 1, 1);
	assert_true(reply.no_responders);
	assert_int_equal(reply.len, 0);
}

static void
test_payload_of_one_mebibyte(void **state)
{
	struct fixture *f = *state;
	struct peer peer;
	natsMsg *msg = NULL;
	struct err err = { 0 };
	static char big[PAYLOAD_BIG];

	start_on_first(f);
	peer_open(&peer, f->first.url);
	assert_int_equal(
		natsConnection_SubscribeSync(&peer.subs[peer.n++], peer.nc, "big"),
		NATS_OK);
	assert_int_equal(natsConnection_Flush(peer.nc), NATS_OK);
	memset(big, 'x', sizeof(big));
	assert_int_equal(send_data(f, 1, "big", big, sizeof(big), 60000, &err), 0);
	assert_int_equal(
		natsSubscription_NextMsg(&msg, peer.subs[0], PATIENCE_MS), NATS_OK);
	assert_int_equal(natsMsg_GetDataLength(msg), PAYLOAD_BIG);
	assert_int_equal(natsConnection_Publish(peer.nc, natsMsg_GetReply(msg),
				 natsMsg_GetData(msg), PAYLOAD_BIG),
		NATS_OK);
	natsMsg_Destroy(msg);
	struct record reply = wait_for(&f->recorder, BUS_EVENT_REPLY, 1, 1);
	assert_int_equal(reply.len, PAYLOAD_BIG);
	peer_close(&peer);
}

static void
test_servers_max_payload(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	static const char big[2048];

	assert_true(nats_server_start(&f->first, 0, "max_payload: 1024\n"));
	start_on_first(f);
	assert_int_equal(send_data(f, 1, "a", big, sizeof(big), 60000, &err), -1);
	assert_int_equal(err.code, ERR_TOO_LARGE);
	assert_int_equal(open_requests(f), 0);
	assert_int_equal(count(&f->recorder, BUS_EVENT_DOWN, ANY), 0);
}

static void
test_a_thousand_requests(void **state)
{
	struct fixture *f = *state;
	struct peer peer;

	start_on_first(f);
	peer_open(&peer, f->first.url);
	peer_respond(&peer, "many", (char[]){ "1" });
	peer_respond(&peer, "many", (char[]){ "2" });
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(request(f, i, "many", 60000), 0);
	assert_int_equal(open_requests(f), 1000);
	wait_for(&f->recorder, BUS_EVENT_REPLY, ANY, 2000);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(count(&f->recorder, BUS_EVENT_REPLY, i), 2);
	peer_close(&peer);
}

static void *
ask_from_a_thread(void *ctx)
{
	struct fixture *f = ((void **)ctx)[0];
	uint64_t base = *(const uint64_t *)((void **)ctx)[1];
	uintptr_t failed = 0;

	for (uint64_t i = 0; i < 500; i++) {
		if (request(f, base + i, "many", 60000) != 0)
			failed++;
		if (i % 2 == 0)
			bus_cancel(f->bus, base + i);
	}
	return (void *)failed;
}

static void
test_threads_ask_and_the_bus_stops(void **state)
{
	struct fixture *f = *state;
	struct peer peer;
	pthread_t threads[4];
	uint64_t bases[4] = { 0, 1000, 2000, 3000 };
	void *args[4][2];

	start_on_first(f);
	peer_open(&peer, f->first.url);
	peer_respond(&peer, "many", (char[]){ "1" });
	for (size_t i = 0; i < 4; i++) {
		args[i][0] = f;
		args[i][1] = &bases[i];
		assert_int_equal(
			pthread_create(&threads[i], NULL, ask_from_a_thread, args[i]), 0);
	}
	wait_for(&f->recorder, BUS_EVENT_REPLY, ANY, 10);
	bus_stop(f->bus);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(open_requests(f), 0);
	assert_int_equal(request(f, 1, "many", 1000), -1);
	/* Each request that was not cancelled either was refused or expired. */
	assert_int_equal(count(&f->recorder, BUS_EVENT_DOWN, ANY), 1);
	assert_int_equal(f->recorder.records[f->recorder.len - 1].kind, BUS_EVENT_DOWN);
	peer_close(&peer);
}

/* ---- subscriptions, stop
 * --------------------------------------------------------------- */

static void
test_subscription_survives_a_restart(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };
	struct bus_status status;

	assert_true(nats_server_start(&f->first, 0, NULL));
	const char *urls[] = { f->first.url };
	struct bus_params params = params_of(f, urls, 1);
	assert_int_equal(bus_new(&params, &f->bus, &err), 0);
	assert_int_equal(bus_subscribe(f->bus, "events.>", &err), 0);
	assert_int_equal(bus_subscribe(f->bus, "other.*", &err), 0);
	assert_int_equal(bus_start(f->bus, &err), 0);
	assert_int_equal(bus_start(f->bus, &err), -1);
	assert_int_equal(bus_subscribe(f->bus, "late", &err), -1);
	for (size_t round = 1; round <= 2; round++) {
		struct peer peer;
		struct record up = wait_for(&f->recorder, BUS_EVENT_UP, ANY, round);
		/* An answer proves that the server has seen the subscriptions before
		 * it. */
		assert_int_equal(request(f, round, "nobody", 60000), 0);
		wait_for(&f->recorder, BUS_EVENT_REPLY, round, 1);
		peer_open(&peer, f->first.url);
		assert_int_equal(
			natsConnection_PublishString(peer.nc, "events.a.b", "hello"),
			NATS_OK);
		assert_int_equal(natsConnection_Flush(peer.nc), NATS_OK);
		struct record message =
			wait_for(&f->recorder, BUS_EVENT_MESSAGE, ANY, round);
		assert_string_equal(message.subject, "events.a.b");
		assert_string_equal(message.text, "hello");
		assert_int_equal(message.epoch, up.epoch);
		assert_int_equal(message.request, 0);
		peer_close(&peer);
		nats_server_kill(&f->first);
		wait_for(&f->recorder, BUS_EVENT_DOWN, ANY, round);
		assert_true(nats_server_start(&f->first, f->first.port, NULL));
	}
	bus_status(f->bus, &status);
	assert_true(status.last_error[0] != '\0');
}

static void
set_slow(struct recorder *recorder, bool slow)
{
	pthread_mutex_lock(&recorder->lock);
	recorder->slow = slow;
	pthread_cond_broadcast(&recorder->changed);
	pthread_mutex_unlock(&recorder->lock);
}

/* The first server is there, and the bus listens to "push". Returns when it came up. */
static struct record
listen_to_pushes(struct fixture *f)
{
	struct err err = { 0 };
	assert_true(nats_server_start(&f->first, 0, NULL));
	const char *urls[] = { f->first.url };
	struct bus_params params = params_of(f, urls, 1);
	assert_int_equal(bus_new(&params, &f->bus, &err), 0);
	assert_int_equal(bus_subscribe(f->bus, "push", &err), 0);
	assert_int_equal(bus_start(f->bus, &err), 0);
	return wait_for(&f->recorder, BUS_EVENT_UP, ANY, 1);
}

/* More than nats.c keeps come while on_event takes its time. */
static void
test_dropped_messages_are_told_of(void **state)
{
	enum { TOO_MANY = 70000 };
	struct fixture *f = *state;
	struct peer peer;

	struct record up = listen_to_pushes(f);
	round_trip(f, 1);
	set_slow(&f->recorder, true);
	peer_open(&peer, f->first.url);
	for (int i = 0; i < TOO_MANY; i++)
		assert_int_equal(
			natsConnection_PublishString(peer.nc, "push", "x"), NATS_OK);
	assert_int_equal(natsConnection_Flush(peer.nc), NATS_OK);
	assert_int_equal(
		wait_for(&f->recorder, BUS_EVENT_DROPPED, ANY, 1).epoch, up.epoch);
	set_slow(&f->recorder, false);
	peer_close(&peer);
}

/* What it hears is of others: an own request does not come back, and counts as heard by
 * nobody when nobody else listens. */
static void
test_no_echo(void **state)
{
	struct fixture *f = *state;
	struct peer peer;

	listen_to_pushes(f);
	assert_int_equal(request(f, 1, "push", 60000), 0);
	assert_true(wait_for(&f->recorder, BUS_EVENT_REPLY, 1, 1).no_responders);

	peer_open(&peer, f->first.url);
	peer_respond(&peer, "push", (char[]){ "yes" });
	assert_int_equal(request(f, 2, "push", 60000), 0);
	struct record reply = wait_for(&f->recorder, BUS_EVENT_REPLY, 2, 1);
	assert_false(reply.no_responders);
	assert_string_equal(reply.text, "yes");
	assert_int_equal(
		natsConnection_PublishString(peer.nc, "push", "another's"), NATS_OK);
	assert_int_equal(natsConnection_Flush(peer.nc), NATS_OK);
	assert_string_equal(
		wait_for(&f->recorder, BUS_EVENT_MESSAGE, ANY, 1).text, "another's");
	assert_int_equal(count(&f->recorder, BUS_EVENT_MESSAGE, ANY), 1);
	peer_close(&peer);
}

static void
test_stop_while_connecting(void **state)
{
	struct fixture *f = *state;
	char url[64] = "";
	struct bus_status status;

	assert_int_equal(
		str_fmt(url, sizeof(url), "nats://127.0.0.1:%d", nats_server_free_port()),
		0);
	const char *urls[] = { url };
	struct bus_params params = params_of(f, urls, 1);
	params.backoff_min_ms = 60000;
	params.backoff_max_ms = 60000;
	start_with(f, &params);
	int64_t begin = clock_mono_ms(&clock_system);
	bus_stop(f->bus);
	bus_stop(f->bus);
	assert_true(clock_mono_ms(&clock_system) - begin < 5000);
	bus_status(f->bus, &status);
	assert_int_equal(status.state, BUS_DOWN);
	assert_int_equal(f->recorder.len, 0);
}

static void
test_stop_sends_what_was_published(void **state)
{
	struct fixture *f = *state;
	struct peer peer;
	natsMsg *msg = NULL;

	start_on_first(f);
	peer_open(&peer, f->first.url);
	assert_int_equal(
		natsConnection_SubscribeSync(&peer.subs[peer.n++], peer.nc, "last"),
		NATS_OK);
	assert_int_equal(natsConnection_Flush(peer.nc), NATS_OK);
	for (uint64_t i = 0; i < 50; i++)
		assert_int_equal(request(f, i, "last", 60000), 0);
	bus_stop(f->bus);
	for (uint64_t i = 0; i < 50; i++) {
		assert_int_equal(
			natsSubscription_NextMsg(&msg, peer.subs[0], PATIENCE_MS),
			NATS_OK);
		natsMsg_Destroy(msg);
		assert_int_equal(count(&f->recorder, BUS_EVENT_EXPIRED, i), 1);
	}
	assert_int_equal(f->recorder.records[f->recorder.len - 1].kind, BUS_EVENT_DOWN);
	peer_close(&peer);
}

/* ---- credentials
 * --------------------------------------------------------------------- */

static void
test_credentials_are_asked_for_at_each_connect(void **state)
{
	struct fixture *f = *state;
	struct auth auth = { 0 };

	assert_true(nats_server_start(&f->first, 0, NULL));
	const char *urls[] = { f->first.url };
	struct bus_params params = params_of(f, urls, 1);
	log_in_with(&params, &auth);
	start_with(f, &params);
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 1);
	nats_server_kill(&f->first);
	wait_for(&f->recorder, BUS_EVENT_DOWN, ANY, 1);
	assert_true(nats_server_start(&f->first, f->first.port, NULL));
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 2);
	bus_stop(f->bus);
	/* A server that is not there is told no JWT. */
	assert_int_equal(auth.jwts, 2);
	assert_int_equal(auth.signatures, 2);
	assert_int_equal(auth.logins, 0);
}

/* Of one connect or another: the server may hang up before its reason has come. */
static struct bus_status
await_error(struct fixture *f, const char *word)
{
	int64_t until = clock_mono_ms(&clock_system) + PATIENCE_MS;
	struct bus_status status;

	do
		status = status_of(f);
	while (strstr(status.last_error, word) == NULL &&
		clock_mono_ms(&clock_system) < until);
	return status;
}

static void
test_refused_credentials_are_not_the_end(void **state)
{
	struct fixture *f = *state;
	char url[64] = "";
	struct bus_status status;

	assert_true(nats_server_start(
		&f->first, 0, "authorization { user: a, password: right }\n"));
	assert_int_equal(
		str_fmt(url, sizeof(url), "nats://a:wrong@127.0.0.1:%d", f->first.port),
		0);
	const char *urls[] = { url };
	struct bus_params params = params_of(f, urls, 1);
	start_with(f, &params);
	do /* more than the two equal errors after which nats.c gives up */
		bus_status(f->bus, &status);
	while (status.attempts < 5);
	status = await_error(f, "uth");
	assert_non_null(strstr(status.last_error, "uth"));
	assert_null(strstr(status.last_error, "wrong"));
	uint16_t port = f->first.port;
	nats_server_kill(&f->first);
	assert_true(nats_server_start(
		&f->first, port, "authorization { user: a, password: wrong }\n"));
	wait_for(&f->recorder, BUS_EVENT_UP, ANY, 1);
}

static void
test_own_refusal_is_shown(void **state)
{
	struct fixture *f = *state;
	struct auth auth = { .refuse = true };
	struct bus_status status;

	assert_true(nats_server_start(&f->first, 0, NULL));
	const char *urls[] = { f->first.url };
	struct bus_params params = params_of(f, urls, 1);
	log_in_with(&params, &auth);
	start_with(f, &params);
	do
		bus_status(f->bus, &status);
	while (status.attempts < 2);
	assert_string_equal(status.last_error, "the key ring is closed");
	bus_stop(f->bus); /* auth ends here */
	assert_int_equal(auth.signatures, 0);
}

static void
test_refused_login_names_what_may_be_wrong(void **state)
{
	struct fixture *f = *state;
	struct auth auth = { 0 };
	struct bus_status status;

	assert_true(nats_server_start(
		&f->first, 0, "authorization { user: a, password: right }\n"));
	const char *urls[] = { f->first.url };
	struct bus_params params = params_of(f, urls, 1);
	log_in_with(&params, &auth);
	start_with(f, &params);
	do
		bus_status(f->bus, &status);
	while (status.attempts < 2);
	status = await_error(f, "Authorization");
	bus_stop(f->bus); /* auth ends here */
	assert_string_equal(status.last_error,
		"cannot connect: Authorization Violation; perhaps the server trusts "
		"another operator than that of this data directory (--data)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url_forms),
		cmocka_unit_test(test_requests_in_order_of_deadline),
		cmocka_unit_test(test_plan_of_primary_and_backups),
		cmocka_unit_test(test_plan_of_one_server),
#define WITH_SERVERS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		WITH_SERVERS(test_bad_params_are_refused),
		WITH_SERVERS(test_bootstrap_without_server),
		WITH_SERVERS(test_status_while_up),
		WITH_SERVERS(test_kill_then_restart),
		WITH_SERVERS(test_request_of_another_connection),
		WITH_SERVERS(test_second_url_when_first_is_dead),
		WITH_SERVERS(test_failover_after_the_primarys_retries),
		WITH_SERVERS(test_failback_when_the_primary_has_been_well),
		WITH_SERVERS(test_primary_that_does_not_answer_is_not_taken),
		WITH_SERVERS(test_stop_while_probing),
		WITH_SERVERS(test_frozen_server_is_given_up),
		WITH_SERVERS(test_silent_server_is_given_up_after_three_intervals),
		WITH_SERVERS(test_frozen_server_holds_nobody_up),
		WITH_SERVERS(test_write_deadline),
		WITH_SERVERS(test_server_that_falls_silent_in_the_connect),
		WITH_SERVERS(test_replies_of_three_servers),
		WITH_SERVERS(test_expiry),
		WITH_SERVERS(test_cancelled_requests_are_silent),
		WITH_SERVERS(test_no_responders),
		WITH_SERVERS(test_payload_of_one_mebibyte),
		WITH_SERVERS(test_servers_max_payload),
		WITH_SERVERS(test_a_thousand_requests),
		WITH_SERVERS(test_threads_ask_and_the_bus_stops),
		WITH_SERVERS(test_subscription_survives_a_restart),
		WITH_SERVERS(test_dropped_messages_are_told_of),
		WITH_SERVERS(test_no_echo),
		WITH_SERVERS(test_stop_while_connecting),
		WITH_SERVERS(test_stop_sends_what_was_published),
		WITH_SERVERS(test_credentials_are_asked_for_at_each_connect),
		WITH_SERVERS(test_refused_credentials_are_not_the_end),
		WITH_SERVERS(test_own_refusal_is_shown),
		WITH_SERVERS(test_refused_login_names_what_may_be_wrong),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	nats_CloseAndWait(PATIENCE_MS);
	return rc;
}
