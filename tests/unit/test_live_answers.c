/* SPDX-License-Identifier: Apache-2.0
 * Live against servers that this file plays: bus_request and bus_cancel below stand in
 * for the bus (the linker takes them before the library's). Against real ones:
 * test_live.c. */
#include "publish/live.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SERVERS_MAX = 70, TIMEOUT_MS = 300, OPEN_MAX = 256 };

struct fake_server {
	bool no_ping; /* PING does not reach it, the question does */
	bool silent;
	int64_t connections;
	int64_t leave; /* so many of its first ones are gone after its first page */
	const char *data; /* instead of connections: its data, as it stands */
	const char *error;
	const char *raw; /* instead of all that */
	bool twice; /* says everything twice */
	bool short_pages;
	bool page_fails; /* further pages cannot be asked for */
	bool page_silent; /* or are not answered */
};

struct stage {
	struct live *live;
	char account[NKEY_TEXT_SIZE];
	struct fake_server servers[SERVERS_MAX];
	size_t len;
	bool down;
	bool nobody;
	bool never_expires;
	size_t requests;
	uint64_t last_request;
	uint64_t open[OPEN_MAX]; /* neither cancelled nor expired */
	size_t open_len;
	/* what was shown */
	int64_t shown;
	int64_t last_cid;
	int64_t cid_sum;
	size_t trusted;
	size_t trust_calls;
};

static struct stage *the_stage;

/* ---- the servers ---- */

static void
reply(uint64_t request, const char *text, size_t len)
{
	struct bus_event event = { .kind = BUS_EVENT_REPLY,
		.request = request,
		.subject = "inbox",
		.data = text,
		.len = len };
	assert_true(live_owns(&event));
	live_on_bus(the_stage->live, &event);
}

static void
expire(uint64_t request)
{
	struct bus_event event = { .kind = BUS_EVENT_EXPIRED, .request = request };
	live_on_bus(the_stage->live, &event);
}

static void
say(uint64_t request, const struct fake_server *server, const char *text)
{
	reply(request, text, strlen(text));
	if (server->twice) {
		reply(request, text, strlen(text));
	}
}

static void
answer_ping(size_t index, const struct fake_server *server, uint64_t request)
{
	char text[256];
	if (!server->no_ping && !server->silent) {
		str_fmt_cut(text, sizeof(text),
			"{\"server\":{\"id\":\"N%zu\",\"name\":\"s%zu\",\"ver\":\"2.10\"}"
			",\"statsz\":{"
			"\"active_servers\":%zu}}",
			index, index, the_stage->len);
		say(request, server, text);
	}
}

/* cids from 1, 10 apart. */
static void
put_page(const struct fake_server *server, int64_t offset, struct buf *out)
{
	int64_t gone = offset > 0 ? server->leave : 0;
	int64_t total = server->connections - gone;
	char text[128];
	str_fmt_cut(text, sizeof(text),
		"{\"total\":%" PRId64 ",\"offset\":%" PRId64 ",\"connections\":[", total,
		offset);
	buf_put_str(out, text);
	for (int64_t i = 0; i < (server->short_pages ? 1023 : 1024) && offset + i < total;
		i++) {
		str_fmt_cut(text, sizeof(text), "%s{\"cid\":%" PRId64 "}",
			i > 0 ? "," : "", (gone + offset + i) * 10 + 1);
		buf_put_str(out, text);
	}
	buf_put_str(out, "]}");
}

static void
answer_question(size_t index, const struct fake_server *server, uint64_t request,
	const char *body)
{
	struct buf text;
	char head[128];
	struct err err = { 0 };
	int64_t offset = 0;
	const char *at = strstr(body, "\"offset\":");
	if (at != NULL) {
		char digits[24];
		at += strlen("\"offset\":");
		str_fmt_cut(digits, sizeof(digits), "%.*s", (int)strcspn(at, "}"), at);
		assert_int_equal(str_to_int(digits, 0, INT64_MAX, &offset), 0);
	}
	if (server->silent || (offset > 0 && server->page_silent)) {
		return;
	}
	if (server->raw != NULL) {
		say(request, server, server->raw);
		return;
	}
	buf_init(&text, 1024 * 1024);
	str_fmt_cut(head, sizeof(head),
		"{\"server\":{\"id\":\"N%zu\",\"name\":\"s%zu\",\"ver\":\"2.10\"},",
		index, index);
	buf_put_str(&text, head);
	if (server->error != NULL) {
		buf_put_str(&text, "\"error\":{\"code\":500,\"description\":\"");
		buf_put_str(&text, server->error);
		buf_put_str(&text, "\"}}");
	} else {
		buf_put_str(&text, "\"data\":");
		if (server->data != NULL) {
			buf_put_str(&text, server->data);
		} else {
			put_page(server, offset, &text);
		}
		buf_put_str(&text, "}");
	}
	assert_int_equal(buf_finish(&text, &err), 0);
	say(request, server, text.data);
	buf_release(&text);
}

/* The server that is asked alone, or NULL. */
static struct fake_server *
server_of(struct stage *s, const char *subject)
{
	for (size_t i = 0; i < s->len; i++) {
		char page[64];
		str_fmt_cut(page, sizeof(page), "$SYS.REQ.SERVER.N%zu.CONNZ", i);
		if (str_equal(subject, page)) {
			return &s->servers[i];
		}
	}
	return NULL;
}

static void
forget(struct stage *s, uint64_t request)
{
	for (size_t i = 0; i < s->open_len; i++) {
		if (s->open[i] == request) {
			s->open[i] = s->open[--s->open_len];
			return;
		}
	}
}

int
bus_request(struct bus *bus, uint64_t request, const char *subject, const void *data,
	size_t len, int64_t timeout_ms, struct err *err)
{
	struct stage *s = the_stage;
	const struct fake_server *alone = server_of(s, subject);
	bool ping = str_equal(subject, "$SYS.REQ.SERVER.PING");
	(void)bus;
	assert_int_equal(timeout_ms, TIMEOUT_MS);
	assert_int_equal(strlen(data), len);
	for (size_t i = 0; i < s->open_len; i++) {
		assert_true(s->open[i] != request);
	}
	if (s->down || (alone != NULL && alone->page_fails)) {
		return err_set(err, ERR_UNAVAILABLE, "not connected");
	}
	if (!ping && alone == NULL) {
		assert_true(str_equal(subject, "$SYS.REQ.SERVER.PING.CONNZ") ||
			str_equal(subject, "$SYS.REQ.SERVER.PING.VARZ"));
	}
	assert_true(s->open_len < OPEN_MAX);
	s->open[s->open_len++] = request;
	s->requests++;
	s->last_request = request;
	if (s->nobody) {
		struct bus_event event = { .kind = BUS_EVENT_REPLY,
			.request = request,
			.data = "",
			.no_responders = true };
		live_on_bus(s->live, &event);
		return 0;
	}
	bool all = true;
	for (size_t i = 0; i < s->len; i++) {
		const struct fake_server *server = &s->servers[i];
		if (ping) {
			answer_ping(i, server, request);
		} else if (alone == NULL || alone == server) {
			answer_question(i, server, request, data);
		}
		all = all && !server->silent && !server->page_silent;
	}
	if (!all && !s->never_expires) {
		expire(request);
		forget(s, request);
	}
	return 0;
}

void
bus_cancel(struct bus *bus, uint64_t request)
{
	(void)bus;
	forget(the_stage, request);
}

/* ---- the stage ---- */

static int
set_up(void **state)
{
	struct err err = { 0 };
	struct live_params params = { .timeout_ms = TIMEOUT_MS };
	struct stage *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	assert_int_equal(live_new(&params, &s->live, &err), 0);
	live_set_bus(s->live, NULL);
	struct nkey_public key = { .bytes = { 1, 2, 3 } };
	nkey_text_encode(NKEY_ACCOUNT, &key, s->account);
	the_stage = s;
	s->len = 2;
	*state = s;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *s = *state;
	assert_int_equal(s->open_len, 0); /* nothing is left open */
	live_free(s->live);
	live_free(NULL);
	free(s);
	return 0;
}

static int
see(void *ctx, const struct server *server, const struct connection *row, struct err *err)
{
	struct stage *s = ctx;
	(void)err;
	assert_int_equal(server->name[0], 's');
	assert_string_equal(row->kind, "");
	assert_string_equal(row->user_key, "");
	s->shown++;
	s->cid_sum += row->cid;
	s->last_cid = row->cid;
	return 0;
}

static struct live_summary
look(struct stage *s)
{
	struct err err = { 0 };
	struct live_summary summary = { 0 };
	s->shown = 0;
	s->cid_sum = 0;
	s->requests = 0;
	if (live_connections(s->live, s->account, see, s, &summary, &err) != 0) {
		fail_msg("%s", err.msg);
	}
	assert_int_equal(summary.connections, s->shown);
	return summary;
}

static int
see_trust(void *ctx, const struct server *server, const struct strlist *trusted,
	struct err *err)
{
	struct stage *s = ctx;
	(void)err;
	assert_string_equal(server->version, "2.10");
	s->trust_calls++;
	s->trusted += trusted->len;
	return 0;
}

/* ---- connections ---- */

static void
test_pages(void **state)
{
	struct stage *s = *state;
	s->servers[0].connections = 3000;
	s->servers[1].connections = 1024;
	struct live_summary summary = look(s);
	assert_true(summary.complete);
	assert_int_equal(s->shown, 4024);
	assert_int_equal(summary.total, 4024);
	assert_int_equal(s->requests, 2 + 3); /* a full page may be the last one */
	/* an answer that comes again is passed over */
	s->servers[0].twice = true;
	s->servers[1].twice = true;
	summary = look(s);
	assert_int_equal(s->shown, 4024);
	assert_true(summary.complete);
	s->servers[0].twice = false;
	/* each is shown once, whatever leaves meanwhile */
	s->servers[0].leave = 60;
	s->servers[1] = (struct fake_server){ 0 };
	summary = look(s);
	assert_true(summary.complete);
	assert_int_equal(summary.total, 2940);
	assert_int_equal(s->shown, 3000); /* gone after they were seen */
	assert_int_equal(s->cid_sum, (int64_t)10 * 3000 * 2999 / 2 + 3000);
	/* too many left to be sure of those behind them */
	s->servers[0].leave = 500;
	summary = look(s);
	assert_false(summary.complete);
	assert_false(summary.cut);
	assert_true(s->shown < 3000);
	s->servers[0].leave = 2900;
	summary = look(s);
	assert_false(summary.complete);
	assert_int_equal(s->shown, 1024);
	/* all of them left: there is nobody to be missed */
	s->servers[0].leave = 3000;
	summary = look(s);
	assert_true(summary.complete);
	assert_int_equal(s->shown, 1024);
	assert_int_equal(summary.total, 0);
}

static void
test_cut(void **state)
{
	struct stage *s = *state;
	s->servers[0].connections = LIVE_CONNECTIONS_MAX - 5;
	s->servers[1].connections = 5;
	struct live_summary summary = look(s);
	assert_int_equal(s->shown, LIVE_CONNECTIONS_MAX);
	assert_false(summary.cut);
	assert_true(summary.complete);
	s->servers[1].connections = 6;
	summary = look(s);
	assert_int_equal(s->shown, LIVE_CONNECTIONS_MAX);
	assert_int_equal(summary.total, LIVE_CONNECTIONS_MAX + 1);
	assert_true(summary.cut);
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
	s->servers[0].connections = 2000;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		s->servers[1] = cases[i];
		struct live_summary summary = look(s);
		int64_t shown = 2000 +
			(cases[i].connections == 0             ? 0
					: cases[i].short_pages ? 1023
							       : 1024);
		if (summary.complete || s->shown != shown || summary.servers != 2) {
			fail_msg("case %zu: %" PRId64 " shown", i, s->shown);
		}
	}
	s->servers[1] = (struct fake_server){ .data = "{\"connections\":null}" };
	struct live_summary summary = look(s);
	assert_true(summary.complete);
	assert_int_equal(summary.answered, 2);
}

static void
test_nobody(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct live_summary summary = { 0 };
	s->nobody = true;
	int64_t start = clock_mono_ms(&clock_system);
	assert_int_equal(
		live_connections(s->live, s->account, see, s, &summary, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_true(clock_mono_ms(&clock_system) - start < TIMEOUT_MS);
	s->nobody = false;
	s->down = true;
	assert_int_equal(
		live_connections(s->live, s->account, see, s, &summary, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_string_equal(err.msg, "not connected");
	/* the bus does not even say that it is over */
	s->down = false;
	s->never_expires = true;
	s->servers[0].silent = true;
	s->servers[1].silent = true;
	assert_int_equal(
		live_connections(s->live, s->account, see, s, &summary, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_true(clock_mono_ms(&clock_system) - start >= TIMEOUT_MS);
	/* what comes too late is nobody's */
	reply(s->last_request, "{}", 2);
	expire(s->last_request);
	s->servers[0].silent = false;
	s->servers[1].silent = false;
	s->servers[1].connections = 7;
	summary = look(s);
	assert_true(summary.complete);
	assert_int_equal(s->shown, 7);
}

/* Who does not answer PING may answer the question; and there may be too many. */
static void
test_rosters(void **state)
{
	struct stage *s = *state;
	s->len = 3;
	s->servers[2] = (struct fake_server){ .connections = 4, .no_ping = true };
	struct live_summary summary = look(s);
	assert_true(summary.complete);
	assert_int_equal(summary.answered, 3);
	assert_int_equal(s->shown, 4);
	s->len = ROSTER_MAX;
	summary = look(s);
	assert_true(summary.complete);
	assert_int_equal(summary.servers, ROSTER_MAX);
	s->len = ROSTER_MAX + 1;
	s->servers[ROSTER_MAX].silent = true;
	summary = look(s);
	assert_false(summary.complete);
	assert_int_equal(summary.servers, ROSTER_MAX + 1);
	assert_int_equal(summary.answered, ROSTER_MAX);
	s->servers[ROSTER_MAX] = (struct fake_server){ 0 };
	s->servers[0].silent = true;
	s->len = SERVERS_MAX;
	summary = look(s);
	assert_false(summary.complete);
	assert_int_equal(summary.servers, SERVERS_MAX);
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
	s->len = 1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };
		struct live_summary summary = { 0 };
		s->servers[0].data = cases[i].data;
		s->trusted = 0;
		s->trust_calls = 0;
		assert_int_equal(live_trust(s->live, see_trust, s, &summary, &err), 0);
		if (s->trusted != cases[i].trusted ||
			summary.complete != cases[i].complete ||
			s->trust_calls != (cases[i].complete ? 1 : 0)) {
			fail_msg("%s: %zu", cases[i].data, s->trusted);
		}
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pages),
		TEST(test_cut),
		TEST(test_odd),
		TEST(test_nobody),
		TEST(test_rosters),
		TEST(test_trust),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
