/* SPDX-License-Identifier: Apache-2.0 */
#include "support/live_stage.h"

#include "base/buf.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 4 * 1024 * 1024 };

/* The bus that live holds is never looked into. */
static struct stage *the_stage;

/* ---- the servers ---- */

void
stage_reply(uint64_t request, const char *text, size_t len)
{
	struct bus_event event = { .kind = BUS_EVENT_REPLY,
		.request = request,
		.subject = "inbox",
		.data = text,
		.len = len };
	assert_true(live_owns(&event));
	live_on_bus(the_stage->live, &event);
}

void
stage_expire(uint64_t request)
{
	struct bus_event event = { .kind = BUS_EVENT_EXPIRED, .request = request };
	live_on_bus(the_stage->live, &event);
}

static void
say(uint64_t request, const struct fake_server *server, const char *text)
{
	stage_reply(request, text, strlen(text));
	if (server->twice) {
		stage_reply(request, text, strlen(text));
	}
}

static void
answer_ping(size_t index, const struct fake_server *server, uint64_t request)
{
	char text[256];
	size_t active = the_stage->active > 0 ? the_stage->active : the_stage->len;
	if (!server->no_ping && !server->silent) {
		str_fmt_cut(text, sizeof(text),
			"{\"server\":{\"id\":\"N%zu\",\"name\":\"s%zu\",\"ver\":\"2.10\"}"
			",\"statsz\":{"
			"\"active_servers\":%zu}}",
			index, index, active);
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

/* Of a page of connections; 0: of anything else. */
static int64_t
read_offset(const char *body)
{
	int64_t offset = 0;
	char digits[24];
	const char *at = strstr(body, "\"offset\":");
	if (at != NULL) {
		at += strlen("\"offset\":");
		str_fmt_cut(digits, sizeof(digits), "%.*s", (int)strcspn(at, "}"), at);
		assert_int_equal(str_to_int(digits, 0, INT64_MAX, &offset), 0);
	}
	return offset;
}

static void
put_answer(
	size_t index, const struct fake_server *server, int64_t offset, struct buf *out)
{
	char head[128];
	str_fmt_cut(head, sizeof(head),
		"{\"server\":{\"id\":\"N%zu\",\"name\":\"s%zu\",\"ver\":\"2.10\"},",
		index, index);
	buf_put_str(out, head);
	if (server->error != NULL) {
		buf_put_str(out, "\"error\":{\"code\":500,\"description\":\"");
		buf_put_str(out, server->error);
		buf_put_str(out, "\"}}");
		return;
	}
	buf_put_str(out, server->more != NULL ? server->more : "");
	buf_put_str(out, "\"data\":");
	if (server->data != NULL) {
		buf_put_str(out, server->data);
	} else {
		put_page(server, offset, out);
	}
	buf_put_str(out, "}");
}

static void
answer_question(size_t index, const struct fake_server *server, uint64_t request,
	const char *body)
{
	struct buf text;
	struct err err = { 0 };
	int64_t offset = read_offset(body);
	if (server->silent || server->late || (offset > 0 && server->page_silent)) {
		return;
	}
	if (server->raw != NULL) {
		say(request, server, server->raw);
		return;
	}
	buf_init(&text, TEXT_MAX);
	put_answer(index, server, offset, &text);
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

static void
open_request(struct stage *s, uint64_t request)
{
	for (size_t i = 0; i < s->open_len; i++) {
		assert_true(s->open[i] != request);
	}
	assert_true(s->open_len < OPEN_MAX);
	s->open[s->open_len++] = request;
	s->requests++;
	s->last_request = request;
}

static void
say_nobody(struct stage *s, uint64_t request)
{
	struct bus_event event = { .kind = BUS_EVENT_REPLY,
		.request = request,
		.data = "",
		.no_responders = true };
	live_on_bus(s->live, &event);
}

static void
answer_pings(struct stage *s, uint64_t request)
{
	bool all = true;
	for (size_t i = 0; i < s->len; i++) {
		answer_ping(i, &s->servers[i], request);
		all = all && !s->servers[i].silent;
	}
	if (!all && !s->never_expires) {
		stage_expire(request);
		forget(s, request);
	}
}

/* alone: the one that is asked, NULL: all. */
static void
answer_questions(struct stage *s, uint64_t request, const struct fake_server *alone,
	const char *body)
{
	bool all = true;
	for (size_t i = 0; i < s->len; i++) {
		const struct fake_server *server = &s->servers[i];
		if (alone == NULL || alone == server) {
			answer_question(i, server, request, body);
		}
		all = all && !server->silent && !server->late && !server->page_silent &&
			server->raw == NULL;
	}
	if (!all && !s->never_expires) {
		stage_expire(request);
		forget(s, request);
	}
}

/* The account that is looked up, or "". */
static void
account_of(const char *subject, char out[static NKEY_TEXT_SIZE])
{
	static const char begin[] = "$SYS.REQ.ACCOUNT.";
	out[0] = '\0';
	if (str_starts_with(subject, begin)) {
		const char *key = subject + strlen(begin);
		size_t len = strcspn(key, ".");
		assert_string_equal(key + len, ".CLAIMS.LOOKUP");
		assert_int_equal(str_fmt(out, NKEY_TEXT_SIZE, "%.*s", (int)len, key), 0);
	}
}

static void
answer_lookups(struct stage *s, uint64_t request, const char *account)
{
	bool all = true;
	for (size_t i = 0; i < s->len; i++) {
		const struct fake_server *server = &s->servers[i];
		bool answers = !server->silent && !server->late && !server->no_lookups;
		all = all && answers;
		if (answers) {
			say(request, server,
				server->holds != NULL && str_equal(server->holds, account)
					? "eyJ.of.account"
					: "");
		}
	}
	if (!all && !s->never_expires) {
		stage_expire(request);
		forget(s, request);
	}
}

static void
note_question(struct stage *s, const char *subject, const char *body)
{
	str_fmt_cut(s->subject, sizeof(s->subject), "%s", subject);
	str_fmt_cut(s->body, sizeof(s->body), "%s", body);
	if (s->meanwhile != NULL) {
		s->meanwhile(s);
	}
}

int
bus_request(struct bus *bus, const struct bus_request *request, struct err *err)
{
	struct stage *s = the_stage;
	const struct fake_server *alone = server_of(s, request->subject);
	bool ping = str_equal(request->subject, "$SYS.REQ.SERVER.PING");
	char account[NKEY_TEXT_SIZE];
	account_of(request->subject, account);
	(void)bus;
	assert_int_equal(request->timeout_ms, s->timeout_ms);
	assert_int_equal(strlen(request->data), request->len);
	if (s->down || (alone != NULL && alone->page_fails)) {
		return err_set(err, ERR_UNAVAILABLE, "not connected");
	}
	open_request(s, request->number);
	if (s->nobody) {
		say_nobody(s, request->number);
		return 0;
	}
	if (ping && s->ping_last) {
		s->ping = request->number;
		return 0;
	}
	if (ping) {
		answer_pings(s, request->number);
		return 0;
	}
	if (alone == NULL) {
		note_question(s, request->subject, request->data);
	}
	if (account[0] != '\0') {
		answer_lookups(s, request->number, account);
		return 0;
	}
	answer_questions(s, request->number, alone, request->data);
	if (s->ping_last) {
		answer_pings(s, s->ping);
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

void
stage_set_timeout(struct stage *s, int64_t timeout_ms)
{
	struct err err = { 0 };
	struct live_params params = { .timeout_ms = timeout_ms };
	live_free(s->live);
	assert_int_equal(live_new(&params, &s->live, &err), 0);
	live_set_bus(s->live, NULL);
	s->timeout_ms = timeout_ms;
}

int
stage_set_up(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	stage_set_timeout(s, TIMEOUT_MS);
	struct nkey_public key = { .bytes = { 1, 2, 3 } };
	nkey_text_encode(NKEY_ACCOUNT, &key, s->account);
	the_stage = s;
	s->len = 2;
	*state = s;
	return 0;
}

int
stage_tear_down(void **state)
{
	struct stage *s = *state;
	assert_int_equal(s->open_len, 0); /* nothing is left open */
	live_free(s->live);
	live_free(NULL);
	free(s);
	return 0;
}
