/* SPDX-License-Identifier: Apache-2.0
 * What servers may answer when live asks for the streams of an account and for the JWTs
 * of some, and when it wants some removed. What real ones do:
 * test_live.c. The other questions: test_live_answers.c. */
#include "publish/live.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "support/live_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST "eyJ.of.removal"

enum {
	SEEN_MAX = 4096,
	GIANT_LEN = 33 * 1024 * 1024 /* more than is read */
};

/* ---- what was shown ---- */

struct seen {
	char text[SEEN_MAX];
	size_t calls;
	size_t fail_at; /* that call; 0: none */
};

static int
note(struct seen *seen, const struct server *server, const char *what, struct err *err)
{
	size_t len = strlen(seen->text);
	seen->calls++;
	str_fmt_cut(seen->text + len, SEEN_MAX - len, "%s%s %s", len > 0 ? ", " : "",
		server->name, what);
	return seen->calls == seen->fail_at ? err_set(err, ERR_LIMITED, "enough") : 0;
}

static int
see_text(void *ctx, const struct server *server, const char *text, struct err *err)
{
	return note(ctx, server, text, err);
}

static int
see_removed(void *ctx, const struct server *server, int64_t removed, const char *words,
	struct err *err)
{
	char text[256];
	str_fmt_cut(text, sizeof(text), "%" PRId64 " (%s)", removed, words);
	return note(ctx, server, text, err);
}

static int
ask_streams(struct stage *s, struct seen *seen, struct live_summary *out, struct err *err)
{
	return live_streams(s->live, s->account, see_text, seen, out, err);
}

static int
ask_removal(struct stage *s, struct seen *seen, struct live_summary *out, struct err *err)
{
	return live_remove(
		s->live, REQUEST, strlen(REQUEST), see_removed, seen, out, err);
}

/* What is the same for all of them is tried with each. */
struct ask {
	const char *name;
	int (*fn)(struct stage *s, struct seen *seen, struct live_summary *out,
		struct err *err);
	char data[256]; /* of a good answer */
	const char *shows; /* of it, for each server */
	const char *none; /* data of a server that has nothing */
	const char *shows_none;
};

enum { ASKS = 2 };

static void
make_asks(const struct stage *s, struct ask out[static ASKS])
{
	out[0] = (struct ask){ .name = "streams",
		.fn = ask_streams,
		.shows = "S",
		.none = "{\"streams\":0}",
		.shows_none = "" };
	str_fmt_cut(out[0].data, sizeof(out[0].data),
		"{\"streams\":1,\"account_details\":[{\"id\":\"%s\",\"stream_detail\":[{"
		"\"name\":\"S\"},{\"name\":\"T\"}]}]}",
		s->account);
	out[1] = (struct ask){ .name = "removal",
		.fn = ask_removal,
		.data = "{\"code\":200,\"message\":\"deleted 7 accounts\"}",
		.shows = "7 ()",
		.none = "{\"code\":200,\"message\":\"deleted 0 accounts\"}",
		.shows_none = "0 ()" };
}

static struct live_summary
ask(struct stage *s, const struct ask *ask, struct seen *seen)
{
	struct err err = { 0 };
	struct live_summary summary = { 0 };
	*seen = (struct seen){ 0 };
	if (ask->fn(s, seen, &summary, &err) != 0) {
		fail_msg("%s: %s", ask->name, err.msg);
	}
	return summary;
}

/* All servers that there are hold the same, but for those in question. */
static void
set_servers(struct stage *s, size_t len, const char *data)
{
	s->len = len;
	for (size_t i = 0; i < SERVERS_MAX; i++) {
		s->servers[i] = (struct fake_server){ .data = data };
	}
}

/* Asks, and so many of so many servers answer. */
static void
assert_answers(struct stage *s, const struct ask *with, struct seen *seen, size_t servers,
	size_t answered, bool complete)
{
	struct live_summary summary = ask(s, with, seen);
	if (summary.servers != servers || summary.answered != answered ||
		summary.complete != complete) {
		fail_msg("%s: %zu of %zu servers, %s", with->name, summary.answered,
			summary.servers, summary.complete ? "complete" : "incomplete");
	}
}

static bool
has_shown(const struct seen *seen, size_t server, const char *what)
{
	char text[64];
	str_fmt_cut(text, sizeof(text), "s%zu %s", server, what);
	return strstr(seen->text, text) != NULL;
}

/* ---- who answers ---- */

static void
test_all(void **state)
{
	struct stage *s = *state;
	struct ask asks[ASKS];
	struct seen seen;
	make_asks(s, asks);
	for (size_t i = 0; i < ASKS; i++) {
		set_servers(s, 3, asks[i].data);
		assert_answers(s, &asks[i], &seen, 3, 3, true);
		for (size_t at = 0; at < 3; at++) {
			assert_true(has_shown(&seen, at, asks[i].shows));
		}
		/* none has any, and all said so */
		set_servers(s, 2, asks[i].none);
		assert_answers(s, &asks[i], &seen, 2, 2, true);
		assert_false(has_shown(&seen, 0, asks[i].shows));
	}
}

/* Nobody takes the silence of one for "there are none". */
static void
test_silent(void **state)
{
	struct stage *s = *state;
	struct ask asks[ASKS];
	struct seen seen;
	make_asks(s, asks);
	for (size_t i = 0; i < ASKS; i++) {
		stage_set_timeout(s, NEVER_MS);
		int64_t start = clock_mono_ms(&clock_system);
		for (size_t silent = 0; silent < 3; silent++) {
			set_servers(s, 3, asks[i].none);
			s->servers[silent].silent = true;
			assert_answers(s, &asks[i], &seen, 3, 2, false);
			assert_false(has_shown(&seen, silent, ""));
		}
		/* it is not waited for any longer when the time of the request is up */
		assert_true(clock_mono_ms(&clock_system) - start < SOON_MS);
		/* nor is it otherwise when the bus forgets to say that the time is up */
		stage_set_timeout(s, TIMEOUT_MS);
		s->never_expires = true;
		assert_answers(s, &asks[i], &seen, 3, 2, false);
		s->never_expires = false;
	}
}

static void
test_nobody(void **state)
{
	struct stage *s = *state;
	struct ask asks[ASKS];
	struct seen seen = { 0 };
	struct live_summary summary = { .servers = 77 };
	make_asks(s, asks);
	for (size_t i = 0; i < ASKS; i++) {
		struct err err = { 0 };
		set_servers(s, 2, asks[i].data);
		s->nobody = true;
		assert_int_equal(asks[i].fn(s, &seen, &summary, &err), -1);
		assert_int_equal(err.code, ERR_UNAVAILABLE);
		assert_non_null(strstr(err.msg, "no NATS server answered"));
		s->nobody = false;
		s->servers[0].silent = true;
		s->servers[1].silent = true;
		assert_int_equal(asks[i].fn(s, &seen, &summary, &err), -1);
		assert_int_equal(err.code, ERR_UNAVAILABLE);
		assert_non_null(strstr(err.msg, "no NATS server answered"));
		s->down = true;
		assert_int_equal(asks[i].fn(s, &seen, &summary, &err), -1);
		assert_int_equal(err.code, ERR_UNAVAILABLE);
		assert_string_equal(err.msg, "not connected");
		s->down = false;
		assert_int_equal(summary.servers, 77); /* not touched */
		assert_int_equal(seen.calls, 0);
	}
}

static void
test_twice(void **state)
{
	struct stage *s = *state;
	struct ask asks[ASKS];
	struct seen seen;
	make_asks(s, asks);
	for (size_t i = 0; i < ASKS; i++) {
		set_servers(s, 2, asks[i].data);
		ask(s, &asks[i], &seen);
		struct seen once = seen;
		s->servers[0].twice = true;
		s->servers[1].twice = true;
		assert_answers(s, &asks[i], &seen, 2, 2, true);
		assert_string_equal(seen.text, once.text);
		/* and it makes no other's answer of it */
		set_servers(s, 2, asks[i].none);
		s->servers[0].twice = true;
		s->servers[1].silent = true;
		assert_answers(s, &asks[i], &seen, 2, 1, false);
	}
}

static void
join(struct stage *s)
{
	s->len = 3;
}

/* A server that comes while the others are asked. */
static void
test_join(void **state)
{
	struct stage *s = *state;
	struct ask asks[ASKS];
	struct seen seen;
	make_asks(s, asks);
	for (size_t i = 0; i < ASKS; i++) {
		/* between PING and the question */
		set_servers(s, 2, asks[i].data);
		s->meanwhile = join;
		assert_answers(s, &asks[i], &seen, 3, 3, true);
		assert_true(has_shown(&seen, 2, asks[i].shows));
		s->meanwhile = NULL;
		/* after the question, and it answers PING, which was slow */
		set_servers(s, 3, asks[i].none);
		s->servers[2].late = true;
		s->ping_last = true;
		assert_answers(s, &asks[i], &seen, 3, 2, false);
		s->ping_last = false;
		/* the others know of it, and it answers nothing yet */
		set_servers(s, 2, asks[i].none);
		s->active = 3;
		s->never_expires = true;
		assert_answers(s, &asks[i], &seen, 3, 2, false);
		s->never_expires = false;
		/* it answers, and the others do not count it yet */
		set_servers(s, 3, asks[i].data);
		s->active = 2;
		assert_answers(s, &asks[i], &seen, 3, 3, true);
		assert_true(has_shown(&seen, 2, asks[i].shows));
		s->active = 0;
	}
}

/* Answers that come before those to PING are as good; and as long as nobody said how
 * many servers there are they are not all. */
static void
test_slow_ping(void **state)
{
	struct stage *s = *state;
	struct ask asks[ASKS];
	struct seen seen;
	make_asks(s, asks);
	for (size_t i = 0; i < ASKS; i++) {
		set_servers(s, 2, asks[i].data);
		s->ping_last = true;
		assert_answers(s, &asks[i], &seen, 2, 2, true);
		s->ping_last = false;
		s->servers[0].no_ping = true;
		s->servers[1].no_ping = true;
		assert_answers(s, &asks[i], &seen, 2, 2, false);
		assert_true(has_shown(&seen, 0, asks[i].shows));
		assert_true(has_shown(&seen, 1, asks[i].shows));
	}
}

/* The caller has seen enough, or has no memory left. */
static void
test_failed(void **state)
{
	struct stage *s = *state;
	struct ask asks[ASKS];
	make_asks(s, asks);
	for (size_t i = 0; i < ASKS; i++) {
		set_servers(s, 2, asks[i].data);
		struct seen all;
		ask(s, &asks[i], &all);
		assert_true(all.calls >= 2);
		for (size_t at = 1; at <= all.calls; at++) {
			struct err err = { 0 };
			struct live_summary summary = { .servers = 77 };
			struct seen seen = { .fail_at = at };
			assert_int_equal(asks[i].fn(s, &seen, &summary, &err), -1);
			assert_int_equal(err.code, ERR_LIMITED);
			assert_string_equal(err.msg, "enough");
			assert_int_equal(seen.calls, at); /* it is not called again */
			assert_int_equal(summary.servers, 77);
		}
	}
	/* when it is told of a refusal, too */
	struct err err = { 0 };
	struct live_summary summary = { .servers = 77 };
	struct seen seen = { .fail_at = 1 };
	set_servers(s, 2, asks[1].data);
	s->servers[0].error = "no";
	assert_int_equal(ask_removal(s, &seen, &summary, &err), -1);
	assert_string_equal(err.msg, "enough");
	assert_int_equal(seen.calls, 1);
	assert_int_equal(summary.servers, 77);
}

/* ---- what they answer ---- */

/* `{"server":...,"data":` and so many spaces. */
static char *
make_giant(void)
{
	static const char head[] = "{\"server\":{\"id\":\"N1\",\"name\":\"s1\"},\"data\":"
				   "[";
	char *text = malloc(GIANT_LEN + 1);
	assert_non_null(text);
	memset(text, ' ', GIANT_LEN);
	memcpy(text, head, strlen(head));
	text[GIANT_LEN - 2] = ']';
	text[GIANT_LEN - 1] = '}';
	text[GIANT_LEN] = '\0';
	return text;
}

struct odd {
	struct fake_server server;
	bool nameless; /* it cannot be told whose answer it is */
};

/* The second server says something odd, and the first has nothing: whatever it is, that
 * is not called all. */
static void
check_odd(struct stage *s, const struct ask *with, const struct odd *odd)
{
	struct seen seen;
	set_servers(s, 2, with->none);
	s->servers[1] = odd->server;
	struct live_summary summary = ask(s, with, &seen);
	if (summary.complete || summary.servers != 2 ||
		summary.answered != (odd->nameless ? 1 : 2) ||
		(with->shows_none[0] != '\0' && !has_shown(&seen, 0, with->shows_none))) {
		fail_msg("%s: %s%s%s: %zu answered, %s", with->name,
			odd->server.raw != NULL ? odd->server.raw : "",
			odd->server.more != NULL ? odd->server.more : "",
			odd->server.data != NULL ? odd->server.data : "",
			summary.answered, seen.text);
	}
	/* and it takes nothing away from what the first has */
	s->servers[0].data = with->data;
	summary = ask(s, with, &seen);
	assert_false(summary.complete);
	assert_true(has_shown(&seen, 0, with->shows));
}

static void
test_odd(void **state)
{
	static const struct odd cases[] = {
		{ { .raw = "" }, true },
		{ { .raw = "[]" }, true },
		{ { .raw = "-ERR" }, true },
		{ { .raw = "{\"data\":[]}" }, true },
		{ { .raw = "{\"server\":{\"name\":\"s1\"},\"data\":[]}" }, true },
		{ { .raw = "{\"server\":{\"id\":\"N1\",\"name\":\"s1\"},\"data\":[" },
			true },
		{ { .raw = "{\"server\":{\"id\":\"N1\",\"name\":\"s1\"}}" }, false },
		{ { .data = "null" }, false },
		{ { .data = "\"\"" }, false },
		{ { .data = "200" }, false },
		{ { .more = "\"error\":\"no\",", .data = "[]" }, false },
		{ { .more = "\"error\":[],", .data = "{\"streams\":0}" }, false },
		{ { .more = "\"error\":{\"description\":1},", .data = "[]" }, false },
	};
	struct stage *s = *state;
	struct ask asks[ASKS];
	char *text = make_giant();
	const struct odd giant = { { .raw = text }, true };
	make_asks(s, asks);
	for (size_t i = 0; i < ASKS; i++) {
		for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
			check_odd(s, &asks[i], &cases[at]);
		}
		check_odd(s, &asks[i], &giant);
	}
	free(text);
}

/* An error is one whatever its number is, and whatever comes with it. */
static void
test_errors(void **state)
{
	static const struct odd cases[] = {
		{ { .error = "no" }, false },
		{ { .more = "\"error\":{\"code\":200,\"description\":\"no\"},",
			  .data = "{\"streams\":0}" },
			false },
		{ { .more = "\"error\":{\"code\":200,\"description\":\"no\"},",
			  .data = "[]" },
			false },
		{ { .more = "\"error\":{\"code\":200,\"description\":\"no\"},",
			  .data = "{\"code\":200,\"message\":\"deleted 0 accounts\"}" },
			false },
	};
	struct stage *s = *state;
	struct ask asks[ASKS];
	struct seen seen;
	make_asks(s, asks);
	for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
		check_odd(s, &asks[0], &cases[at]);
		/* who is asked to remove may refuse */
		set_servers(s, 2, asks[1].data);
		s->servers[1] = cases[at].server;
		assert_answers(s, &asks[1], &seen, 2, 2, true);
		assert_string_equal(seen.text, "s0 7 (), s1 -1 (no)");
	}
	set_servers(s, 2, asks[1].data);
	s->servers[0] = (struct fake_server){ .more = "\"error\":{},", .data = "[]" };
	assert_answers(s, &asks[1], &seen, 2, 2, true);
	assert_string_equal(seen.text, "s0 -1 (no reason), s1 7 ()");
}

/* ---- streams ---- */

static void
test_streams(void **state)
{
	struct stage *s = *state;
	struct ask asks[ASKS];
	struct seen seen;
	struct live_summary summary = { 0 };
	struct err err = { 0 };
	char expected[256];
	char text[512];
	make_asks(s, asks);
	str_fmt_cut(text, sizeof(text),
		"{\"streams\":4,\"account_details\":[{\"id\":\"AOTHER\","
		"\"stream_detail\":[{\"name\":\"THEIRS\"}]},{\"id\":\"%s\","
		"\"stream_detail\":[{\"name\":\"ORDERS\"},{\"name\":\"a b\"}]}]}",
		s->account);
	set_servers(s, 4, asks[0].data);
	s->servers[0].data = text;
	s->servers[2].data = "{\"disabled\":true,\"streams\":0}";
	s->servers[3].data = "{\"streams\":1,\"account_details\":[{\"id\":\"AOTHER\","
			     "\"stream_detail\":[{\"name\":\"THEIRS\"}]}]}";
	assert_answers(s, &asks[0], &seen, 4, 4, true);
	assert_string_equal(seen.text, "s0 ORDERS, s0 a b, s1 S, s1 T");
	/* what was asked */
	assert_string_equal(s->subject, "$SYS.REQ.SERVER.PING.JSZ");
	str_fmt_cut(expected, sizeof(expected),
		"{\"account\":\"%s\",\"accounts\":true,\"streams\":true}", s->account);
	assert_string_equal(s->body, expected);
	/* nothing of one who is no account */
	static const char *const wrong[] = { "", "A", "A\",\"x\":\"" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		s->requests = 0;
		assert_int_equal(
			live_streams(s->live, wrong[i], see_text, &seen, &summary, &err),
			-1);
		assert_int_equal(err.code, ERR_INVALID);
		assert_int_equal(s->requests, 0);
	}
}

static void
test_odd_streams(void **state)
{
	static const struct odd cases[] = {
		{ { .data = "[]" }, false },
		{ { .data = "{\"streams\":0,\"account_details\":{}}" }, false },
		{ { .data = "{\"streams\":0,\"account_details\":7}" }, false },
		{ { .data = "{\"streams\":0,\"account_details\":[{\"id\":7}]}" }, false },
		{ { .data = "{\"streams\":0,\"account_details\":[{}]}" }, false },
		{ { .data = "{\"streams\":0,\"account_details\":[7]}" }, false },
		/* a 200 that is no answer to this */
		{ { .data = "{}" }, false },
		{ { .data = "{\"code\":200,\"message\":\"no\"}" }, false },
		{ { .data = "{\"streams\":\"0\"}" }, false },
		{ { .data = "{\"streams\":null}" }, false },
	};
	static const char *const details[] = {
		"{}",
		"7",
		"[\"S\"]",
		"[{}]",
		"[{\"name\":7}]",
		"[{\"name\":null}]",
		"[{\"name\":\"S\"},{}]",
	};
	struct stage *s = *state;
	struct ask asks[ASKS];
	make_asks(s, asks);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check_odd(s, &asks[0], &cases[i]);
	}
	for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++) {
		char text[256];
		str_fmt_cut(text, sizeof(text),
			"{\"streams\":0,\"account_details\":[{\"id\":\"%s\","
			"\"stream_detail\":%s}]}",
			s->account, details[i]);
		const struct odd odd = { { .data = text }, false };
		check_odd(s, &asks[0], &odd);
	}
}

/* ---- lookups ---- */

enum { KEYS = 100, ROUNDS = 5 };

struct looked {
	char keys[KEYS][NKEY_TEXT_SIZE];
	const char *list[KEYS];
	size_t shown[KEYS];
};

static void
count_shown(void *ctx, const char *account_key)
{
	struct looked *looked = ctx;
	for (size_t i = 0; i < KEYS; i++) {
		looked->shown[i] += str_equal(account_key, looked->keys[i]) ? 1 : 0;
	}
}

static int
look(struct stage *s, size_t len, size_t servers, struct looked *looked,
	struct live_summary *out, struct err *err)
{
	*looked = (struct looked){ 0 };
	for (size_t i = 0; i < KEYS; i++) {
		struct nkey_public key = { .bytes = { 9, (uint8_t)i } };
		nkey_text_encode(NKEY_ACCOUNT, &key, looked->keys[i]);
		looked->list[i] = looked->keys[i];
	}
	const struct live_lookups_params params = {
		.keys = looked->list,
		.len = len,
		.servers = servers,
		.fn = count_shown,
		.ctx = looked,
	};
	return live_lookups(s->live, &params, out, err);
}

static void
assert_looked(struct stage *s, size_t servers, size_t answered)
{
	struct err err = { 0 };
	struct looked looked;
	struct live_summary summary = { 0 };
	assert_int_equal(look(s, KEYS, servers, &looked, &summary, &err), 0);
	assert_int_equal(summary.servers, servers);
	assert_int_equal(summary.answered, answered);
	assert_int_equal(summary.complete, answered == servers);
	for (size_t i = 0; i < KEYS; i++) {
		assert_int_equal(looked.shown[i], 0);
	}
}

static void
test_lookups(void **state)
{
	struct stage *s = *state;
	char text[128];
	set_servers(s, 3, NULL);
	assert_looked(s, 3, 3);
	assert_int_equal(s->requests, KEYS);
	struct nkey_public last = { .bytes = { 9, KEYS - 1 } };
	char key[NKEY_TEXT_SIZE];
	nkey_text_encode(NKEY_ACCOUNT, &last, key);
	str_fmt_cut(text, sizeof(text), "$SYS.REQ.ACCOUNT.%s.CLAIMS.LOOKUP", key);
	assert_string_equal(s->subject, text);
	assert_string_equal(s->body, "");
	/* one of them answers none, and it is known */
	s->servers[1].no_lookups = true;
	assert_looked(s, 2, 2);
	/* nobody waits for what would not come */
	s->never_expires = true;
	stage_set_timeout(s, NEVER_MS);
	int64_t start = clock_mono_ms(&clock_system);
	for (int i = 0; i < ROUNDS; i++) {
		assert_looked(s, 2, 2);
	}
	size_t before = s->requests;
	assert_looked(s, 0, 0);
	assert_int_equal(s->requests, before);
	assert_true(clock_mono_ms(&clock_system) - start < SOON_MS);
}

/* The silence of one is no "I have none". */
static void
test_lookups_silent(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct looked looked;
	struct live_summary summary = { .servers = 77 };
	set_servers(s, 3, NULL);
	s->servers[0].no_lookups = true;
	/* when the time of the requests is up nobody waits any longer */
	stage_set_timeout(s, NEVER_MS);
	int64_t start = clock_mono_ms(&clock_system);
	for (int i = 0; i < ROUNDS; i++) {
		assert_looked(s, 3, 2);
	}
	assert_true(clock_mono_ms(&clock_system) - start < SOON_MS);
	stage_set_timeout(s, TIMEOUT_MS);
	s->never_expires = true;
	assert_looked(s, 3, 2);
	s->never_expires = false;
	set_servers(s, 2, NULL);
	s->servers[0].silent = true;
	s->servers[1].no_lookups = true;
	assert_int_equal(look(s, 2, 2, &looked, &summary, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	s->nobody = true;
	assert_int_equal(look(s, 2, 2, &looked, &summary, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	s->nobody = false;
	s->down = true;
	assert_int_equal(look(s, 2, 2, &looked, &summary, &err), -1);
	assert_string_equal(err.msg, "not connected");
	assert_int_equal(look(s, LIVE_LOOKUPS_MAX + 1, 2, &looked, &summary, &err), -1);
	assert_int_equal(err.code, ERR_LIMITED);
	assert_int_equal(summary.servers, 77); /* not touched */
}

/* Whoever has it, and whoever else says nothing. */
static void
test_lookups_shown(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct looked looked;
	struct live_summary summary = { 0 };
	struct nkey_public third = { .bytes = { 9, 2 } };
	char key[NKEY_TEXT_SIZE];
	nkey_text_encode(NKEY_ACCOUNT, &third, key);
	for (size_t who = 0; who < 3; who++) {
		set_servers(s, 3, NULL);
		s->servers[who].holds = key;
		s->servers[who].twice = true;
		assert_int_equal(look(s, KEYS, 3, &looked, &summary, &err), 0);
		assert_true(summary.complete);
		for (size_t i = 0; i < KEYS; i++) {
			assert_int_equal(looked.shown[i], i == 2 ? 1 : 0);
		}
	}
	/* the others are as unknown as before */
	s->servers[2].twice = false;
	s->servers[0].no_lookups = true;
	assert_int_equal(look(s, KEYS, 3, &looked, &summary, &err), 0);
	assert_int_equal(looked.shown[2], 1);
	assert_int_equal(summary.answered, 2);
	assert_false(summary.complete);
}

/* ---- removal ---- */

static void
test_removal(void **state)
{
	struct stage *s = *state;
	struct ask asks[ASKS];
	struct seen seen;
	make_asks(s, asks);
	set_servers(s, 3, asks[1].data);
	s->servers[0].data = "{\"message\":\"deleted 9223372036854775807 accounts\"}";
	/* it did not work for some: its words tell */
	s->servers[1].data = "{\"code\":200,\"message\":\"deleted 2 accounts, failed for "
			     "1\"}";
	assert_answers(s, &asks[1], &seen, 3, 3, true);
	assert_string_equal(seen.text,
		"s0 9223372036854775807 (), s1 -1 (deleted 2 accounts, failed for 1), s2 "
		"7 ()");
	assert_string_equal(s->subject, "$SYS.REQ.CLAIMS.DELETE");
	assert_string_equal(s->body, REQUEST);
	/* long words are cut, not lost */
	char words[256];
	memset(words, 'w', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	set_servers(s, 1, NULL);
	s->servers[0].error = words;
	assert_answers(s, &asks[1], &seen, 1, 1, true);
	assert_true(str_starts_with(seen.text, "s0 -1 (wwww"));
	assert_int_equal(strspn(seen.text + strlen("s0 -1 ("), "w"), 150);
}

/* No number, so nothing is said of what was removed. */
static void
test_odd_removal(void **state)
{
	static const struct odd cases[] = {
		{ { .data = "{}" }, false },
		{ { .data = "[]" }, false },
		{ { .data = "{\"code\":200}" }, false },
		{ { .data = "{\"message\":7}" }, false },
		{ { .data = "{\"message\":\"\"}" }, false },
		{ { .data = "{\"message\":\"jwt updated\"}" }, false },
		{ { .data = "{\"message\":\"deleted  accounts\"}" }, false },
		{ { .data = "{\"message\":\"deleted 9223372036854775808 accounts\"}" },
			false },
		{ { .data = "{\"message\":\"deleted 99999999999999999999999999 "
			    "accounts\"}" },
			false },
	};
	struct stage *s = *state;
	struct ask asks[ASKS];
	struct seen seen;
	make_asks(s, asks);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check_odd(s, &asks[1], &cases[i]);
		ask(s, &asks[1], &seen);
		assert_false(has_shown(&seen, 1, ""));
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, stage_set_up, stage_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all),
		TEST(test_silent),
		TEST(test_nobody),
		TEST(test_twice),
		TEST(test_join),
		TEST(test_slow_ping),
		TEST(test_failed),
		TEST(test_odd),
		TEST(test_errors),
		TEST(test_streams),
		TEST(test_odd_streams),
		TEST(test_lookups),
		TEST(test_lookups_silent),
		TEST(test_lookups_shown),
		TEST(test_removal),
		TEST(test_odd_removal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
