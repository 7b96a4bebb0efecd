/* SPDX-License-Identifier: Apache-2.0
 * What servers may answer when live asks for connections, and for whom they trust. What
 * real ones do: test_live.c. Its other questions: test_live_accounts.c. */
#include "publish/live.h"

#include "base/clock.h"
#include "publish/roster.h"
#include "support/live_stage.h"
#include "support/no_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>

struct seen {
	int64_t shown;
	int64_t last_cid;
	int64_t cid_sum;
	size_t trusted;
	size_t trust_calls;
};

static int
see(void *ctx, const struct server *server, const struct connection *row, struct err *err)
{
	struct seen *seen = ctx;
	(void)err;
	assert_int_equal(server->name[0], 's');
	assert_string_equal(row->name, "");
	assert_string_equal(row->user_key, "");
	seen->shown++;
	seen->cid_sum += row->cid;
	seen->last_cid = row->cid;
	return 0;
}

static struct live_summary
look(struct stage *s, struct seen *seen)
{
	struct err err = { 0 };
	struct live_summary summary = { 0 };
	seen->shown = 0;
	seen->cid_sum = 0;
	s->requests = 0;
	if (live_connections(s->live, s->account, see, seen, &summary, &err) != 0) {
		fail_msg("%s", err.msg);
	}
	return summary;
}

static int
see_trust(void *ctx, const struct server *server, const struct strlist *trusted,
	struct err *err)
{
	struct seen *seen = ctx;
	(void)err;
	assert_string_equal(server->version, "2.10");
	seen->trust_calls++;
	seen->trusted += trusted->len;
	return 0;
}

/* ---- connections ---- */

static void
test_pages(void **state)
{
	struct stage *s = *state;
	struct seen seen = { 0 };
	s->servers[0].connections = 3000;
	s->servers[1].connections = 1024;
	struct live_summary summary = look(s, &seen);
	assert_true(summary.complete);
	assert_int_equal(seen.shown, 4024);
	assert_int_equal(s->requests, 2 + 3); /* a full page may be the last one */
	/* an answer that comes again is passed over */
	s->servers[0].twice = true;
	s->servers[1].twice = true;
	summary = look(s, &seen);
	assert_int_equal(seen.shown, 4024);
	assert_true(summary.complete);
	s->servers[0].twice = false;
	/* each is shown once, whatever leaves meanwhile */
	s->servers[0].leave = 60;
	s->servers[1] = (struct fake_server){ 0 };
	summary = look(s, &seen);
	assert_true(summary.complete);
	assert_int_equal(seen.shown, 3000); /* gone after they were seen */
	assert_int_equal(seen.cid_sum, (int64_t)10 * 3000 * 2999 / 2 + 3000);
	/* too many left to be sure of those behind them */
	s->servers[0].leave = 500;
	summary = look(s, &seen);
	assert_false(summary.complete);
	assert_true(seen.shown < 3000);
	s->servers[0].leave = 2900;
	summary = look(s, &seen);
	assert_false(summary.complete);
	assert_int_equal(seen.shown, 1024);
	/* all of them left: there is nobody to be missed */
	s->servers[0].leave = 3000;
	summary = look(s, &seen);
	assert_true(summary.complete);
	assert_int_equal(seen.shown, 1024);
}

static void
test_cut(void **state)
{
	struct stage *s = *state;
	struct seen seen = { 0 };
	s->servers[0].connections = LIVE_CONNECTIONS_MAX - 5;
	s->servers[1].connections = 5;
	struct live_summary summary = look(s, &seen);
	assert_int_equal(seen.shown, LIVE_CONNECTIONS_MAX);
	assert_true(summary.complete);
	s->servers[1].connections = 6;
	summary = look(s, &seen);
	assert_int_equal(seen.shown, LIVE_CONNECTIONS_MAX);
	assert_false(summary.complete);
}

/* What one server says wrong does no harm to what the other says, and is told. */
static void
test_odd(void **state)
{
	static const struct fake_server cases[] = {
		{ .silent = true },
		{ .error = "no such account" },
		{ .raw = "" },
		{ .raw = "[]" },
		{ .raw = "{\"data\":{}}" },
		{ .raw = "{\"server\":{\"id\":\"N1\",\"name\":\"s1\"}}" },
		{ .data = "{\"total\":1,\"offset\":0,\"connections\":[{}]}" },
		{ .data = "{\"total\":1,\"offset\":0,\"connections\":[7]}" },
		{ .data = "{\"total\":1,\"offset\":0,\"connections\":[{\"cid\":1,"
			  "\"name\":2}]}" },
		{ .data = "{\"total\":1,\"offset\":1,\"connections\":[{\"cid\":1}]}" },
		{ .data = "{\"total\":\"1\"}" },
		{ .data = "{\"total\":9,\"offset\":0}" },
		{ .short_pages = true, .connections = 1025 },
		{ .data = "{\"connections\":{}}" },
		{ .connections = 1025, .page_fails = true },
		{ .connections = 1025, .page_silent = true },
	};
	struct stage *s = *state;
	struct seen seen = { 0 };
	s->servers[0].connections = 2000;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		s->servers[1] = cases[i];
		struct live_summary summary = look(s, &seen);
		int64_t shown = 2000 +
			(cases[i].connections == 0             ? 0
					: cases[i].short_pages ? 1023
							       : 1024);
		if (summary.complete || seen.shown != shown || summary.servers != 2) {
			fail_msg("case %zu: %" PRId64 " shown", i, seen.shown);
		}
	}
	s->servers[1] = (struct fake_server){ .data = "{\"connections\":null}" };
	struct live_summary summary = look(s, &seen);
	assert_true(summary.complete);
	assert_int_equal(summary.answered, 2);
}

static void
test_nobody(void **state)
{
	struct stage *s = *state;
	struct seen seen = { 0 };
	struct err err = { 0 };
	struct live_summary summary = { 0 };
	s->nobody = true;
	stage_set_timeout(s, NEVER_MS);
	int64_t start = clock_mono_ms(&clock_system);
	assert_int_equal(
		live_connections(s->live, s->account, see, &seen, &summary, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_true(clock_mono_ms(&clock_system) - start < SOON_MS);
	s->nobody = false;
	s->down = true;
	assert_int_equal(
		live_connections(s->live, s->account, see, &seen, &summary, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_string_equal(err.msg, "not connected");
	/* the bus does not even say that it is over */
	s->down = false;
	s->never_expires = true;
	s->servers[0].silent = true;
	s->servers[1].silent = true;
	stage_set_timeout(s, TIMEOUT_MS);
	start = clock_mono_ms(&clock_system);
	assert_int_equal(
		live_connections(s->live, s->account, see, &seen, &summary, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_true(clock_mono_ms(&clock_system) - start >= TIMEOUT_MS);
	/* what comes too late is nobody's */
	stage_reply(s->last_request, "{}", 2);
	stage_expire(s->last_request);
	s->servers[0].silent = false;
	s->servers[1].silent = false;
	s->servers[1].connections = 7;
	summary = look(s, &seen);
	assert_true(summary.complete);
	assert_int_equal(seen.shown, 7);
}

/* Who does not answer PING may answer the question; and there may be too many. */
static void
test_rosters(void **state)
{
	struct stage *s = *state;
	struct seen seen = { 0 };
	s->len = 3;
	s->servers[2] = (struct fake_server){ .connections = 4, .no_ping = true };
	struct live_summary summary = look(s, &seen);
	assert_true(summary.complete);
	assert_int_equal(summary.answered, 3);
	assert_int_equal(seen.shown, 4);
	s->len = ROSTER_MAX;
	summary = look(s, &seen);
	assert_true(summary.complete);
	assert_int_equal(summary.servers, ROSTER_MAX);
	s->len = ROSTER_MAX + 1;
	s->servers[ROSTER_MAX].silent = true;
	summary = look(s, &seen);
	assert_false(summary.complete);
	assert_int_equal(summary.servers, ROSTER_MAX + 1);
	assert_int_equal(summary.answered, ROSTER_MAX);
	s->servers[ROSTER_MAX] = (struct fake_server){ 0 };
	s->servers[0].silent = true;
	s->len = SERVERS_MAX;
	summary = look(s, &seen);
	assert_false(summary.complete);
	assert_int_equal(summary.servers, SERVERS_MAX);
}

static void
lose_answer(struct stage *s)
{
	struct bus_event event = no_memory_event(BUS_EVENT_REPLY, 0, s->last_request);
	live_on_bus(s->live, &event);
}

/* Without one of the answers the others are nothing to go by. They are freed. */
static void
test_lost_answer(void **state)
{
	struct stage *s = *state;
	struct seen seen = { 0 };
	struct err err = { 0 };
	struct live_summary summary = { 0 };
	s->servers[0].connections = 3;
	s->meanwhile = lose_answer;
	assert_int_equal(
		live_connections(s->live, s->account, see, &seen, &summary, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_int_equal(seen.shown, 0);
}

/* ---- trust ---- */

static void
test_trust(void **state)
{
	static const struct {
		const char *data;
		size_t trusted;
		bool complete;
	} cases[] = {
		{ "{}", 0, true },
		{ "{\"trusted_operators_claim\":[]}", 0, true },
		{ "{\"trusted_operators_claim\":[{\"sub\":\"O1\"}]}", 1, true },
		{ "{\"connections\":7,\"trusted_operators_claim\":[{\"sub\":\"O1\","
		  "\"nats\":{\"signing_keys\":[\"O2\",\"O3\"]}},{\"sub\":\"O4\","
		  "\"nats\":{\"signing_keys\":null}}]}",
			4, true },
		{ "{\"trusted_operators_claim\":[{}]}", 0, false },
		{ "{\"trusted_operators_claim\":[\"O1\"]}", 0, false },
		{ "{\"trusted_operators_claim\":{}}", 0, false },
		{ "{\"trusted_operators_claim\":[{\"sub\":\"O1\"},{\"sub\":\"O2\","
		  "\"nats\":{\"signing_keys\":[1]}}]}",
			0, false },
	};
	struct stage *s = *state;
	struct seen seen = { 0 };
	s->len = 1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };
		struct live_summary summary = { 0 };
		s->servers[0].data = cases[i].data;
		seen.trusted = 0;
		seen.trust_calls = 0;
		assert_int_equal(
			live_trust(s->live, see_trust, &seen, &summary, &err), 0);
		if (seen.trusted != cases[i].trusted ||
			summary.complete != cases[i].complete ||
			seen.trust_calls != (cases[i].complete ? 1 : 0)) {
			fail_msg("%s: %zu", cases[i].data, seen.trusted);
		}
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, stage_set_up, stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pages),
		TEST(test_cut),
		TEST(test_odd),
		TEST(test_nobody),
		TEST(test_rosters),
		TEST(test_lost_answer),
		TEST(test_trust),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
