/* SPDX-License-Identifier: Apache-2.0
 * Templates of permissions: which are read, and what servers make of them. */
#include "model/template.h"

#include "base/str.h"
#include "model/subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ITEMS = 12 };

static struct strlist
list_of(const char *const *texts)
{
	struct strlist list = { 0 };
	for (size_t i = 0; texts[i] != NULL; i++) {
		assert_int_equal(strlist_add(&list, texts[i], NULL), 0);
	}
	return list;
}

static void
assert_list(const struct strlist *list, const char *const *expected)
{
	for (size_t i = 0; i < list->len; i++) {
		assert_non_null(expected[i]);
		assert_string_equal(list->items[i], expected[i]);
	}
	assert_null(expected[list->len]);
}

static void
assert_outcome(int rc, const struct err *err, const char *expected)
{
	if (expected == NULL) {
		assert_string_equal(err->msg, "");
		assert_int_equal(rc, 0);
		return;
	}
	if (strstr(err->msg, expected) == NULL) {
		fail_msg("\"%s\" is not in \"%s\"", expected, err->msg);
	}
	assert_int_equal(rc, -1);
	assert_int_equal(err->code, ERR_INVALID);
	assert_true(str_is_utf8(err->msg, strlen(err->msg)));
}

/* ---- checks ---- */

#define KEY_62 "abcdefghijklmnopqrstuvwxyz0123456789_-abcdefghijklmnopqrstuvwx"
#define UMLAUTS_20 \
	"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3" \
	"\xa4" \
	"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3" \
	"\xa4"

static void
test_check(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *expected; /* part of the message; NULL: valid */
	} table[] = {
		{ "a.b", NULL },
		{ "a.*.>", NULL },
		{ "a.* workers", NULL },
		{ "{{name()}}", NULL },
		{ "a.{{subject()}}.{{account-name()}}.{{account-subject()}}", NULL },
		{ "KV_{{tag(bucket)}}.{{account-tag(x_1-y)}}.>", NULL },
		{ "{{name()}}{{subject()}}", NULL },
		{ "a.{{tag(x)}}.{{tag(x)}}.*", NULL },
		{ "{{name()}}*.{{name()}}>", NULL }, /* ordinary characters */
		{ "{{tag(" KEY_62 ")}}", NULL },
		{ "a.{b}.}c", NULL },
		{ "{{name()}}}", NULL }, /* so do servers read it */
		{ "a{b{{name()}}", NULL },

		{ "{{name()", "\"{{\" at byte 1 is not closed" },
		{ "{{", "\"{{\" at byte 1 is not closed" },
		{ "{{name()}", "\"{{\" at byte 1 is not closed" },
		{ "{{name()}.}", "\"{{\" at byte 1 is not closed" },
		{ "a.{{name()}}.{{tag(x)", "\"{{\" at byte 14 is not closed" },
		{ "a.}}", "\"}}\" at byte 3 closes nothing" },
		{ "{name()}}", "\"}}\" at byte 8 closes nothing" },
		{ "{{name()}}}}", "\"}}\" at byte 11 closes nothing" },
		{ "a}}.{{name()}}", "\"}}\" at byte 2 closes nothing" },

		{ "{{Name()}}", "unknown template \"{{Name()}}\" at byte 1; there are" },
		{ "b.{{NAME()}}", "unknown template \"{{NAME()}}\" at byte 3" },
		{ "{{Tag(x)}}", "unknown template" },
		{ "{{ name() }}", "unknown template \"{{ name() }}\"" },
		{ "{{name() }}", "unknown template" },
		{ "{{name( )}}", "unknown template" },
		{ "{{name}}", "unknown template" },
		{ "{{name(x)}}", "unknown template" },
		{ "{{}}", "unknown template" },
		{ "{{x}}", "unknown template" },
		{ "{{user()}}", "unknown template" },
		{ "{{wildcard(1)}}", "unknown template" },
		{ "{{account_name()}}", "unknown template" },
		{ "{{{name()}}", "unknown template \"{{{name()}}\"" },
		{ "{{{name()}}}", "unknown template" },
		{ "{{a.{{name()}}", "unknown template" },
		{ "{{tag}}", "unknown template" },
		{ "{{tag()}}", "unknown template" },
		{ "{{account-tag()}}", "unknown template" },
		{ "{{tag(x}}", "unknown template" },
		{ "{{tag(x)y}}", "unknown template" },
		{ "{{tags(x)}}", "unknown template" },
		{ "{{x" UMLAUTS_20 UMLAUTS_20 "}}", "unknown template" },

		{ "{{tag(x))}}", "\"{{tag(x))}}\" at byte 1: the key of a tag is" },
		{ "a.{{tag(Region)}}", "\"{{tag(Region)}}\" at byte 3: the key of a" },
		{ "{{tag( x)}}", "the key of a tag is" },
		{ "{{tag(x )}}", "the key of a tag is" },
		{ "{{tag(x:y)}}", "the key of a tag is" },
		{ "{{tag(x.y)}}", "the key of a tag is" },
		{ "{{tag(*)}}", "the key of a tag is" },
		{ "{{tag({{name())}}", "the key of a tag is" },
		{ "{{tag(\xc3\xa4)}}", "the key of a tag is" },
		{ "{{account-tag(X)}}", "the key of a tag is" },
		{ "{{tag(" KEY_62 "z)}}", "1 to 62 of a-z, 0-9, _ and -" },

		{ "", "the subject is empty" },
		{ "{{name()}}.", "empty token at position 2" },
		{ ".{{name()}}", "empty token at position 1" },
		{ "{{name()}}..a", "empty token at position 2" },
		{ "a.>.{{name()}}", "\">\" at position 2" },
		{ "a.{{name()}}\t", "control character in the token at position 2" },
		{ "a.{{name()}}.\xff", "the subject is not UTF-8" },
		{ "a.{{\xff}}", "the subject is not UTF-8" },
		{ "a..b q", "empty token at position 2" },
		{ "a.{{name()}} workers", "cannot have a queue" },
		{ "a q.{{name()}}", "cannot have a queue" },
		{ "a.{{name()}} ", "cannot have a queue" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct err err = { 0 };
		int rc = template_check(table[i].text, &err);
		assert_outcome(rc, &err, table[i].expected);
	}
	assert_true(template_is_in("a.{{name()}}"));
	assert_false(template_is_in("a.{b}"));
}

static void
test_check_list(void **state)
{
	(void)state;
	static const struct {
		const char *list[ITEMS];
		const char *expected;
	} table[] = {
		{ { NULL }, NULL },
		{ { "a.>", "b.* workers" }, NULL },
		{ { "a.>", "b.{{name()}}" }, NULL },
		{ { "b.* workers", "b.{{name()}}" }, "\"b.* workers\": a queue cannot" },
		{ { "b.{{name()}}", "b.* workers" }, "\"b.* workers\": a queue cannot" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct err err = { 0 };
		struct strlist list = list_of(table[i].list);
		int rc = template_check_list(&list, &err);
		assert_outcome(rc, &err, table[i].expected);
		strlist_release(&list);
	}
}

static void
test_text_is_safe(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool safe;
	} table[] = {
		{ "a", true },
		{ "sensor-7_B", true },
		{ "-", true },
		{ "", false },
		{ "a.b", false },
		{ "*", false },
		{ ">", false },
		{ "a b", false },
		{ "a ", false },
		{ "{{name()}}", false },
		{ "a\n", false },
		{ "caf\xc3\xa9", false },
		{ "a:b", false },
		{ "$SYS", false },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		assert_int_equal(template_text_is_safe(table[i].text), table[i].safe);
	}
}

static void
test_check_tag(void **state)
{
	(void)state;
	static const struct {
		const char *tag;
		const char *expected;
	} table[] = {
		{ "region", NULL },
		{ "region:eu-West_1", NULL },
		{ "a_b-c1:x", NULL },
		{ KEY_62 ":v", NULL },
		{ KEY_62 ":vw", "a tag of 65 bytes, 64 are the most" },
		{ "", "tag \"\": its key must be" },
		{ ":v", "tag \":v\": its key must be" },
		{ "Region:eu", "tag \"Region:eu\": its key must be" },
		{ "re gion", "its key must be" },
		{ "re.gion:x", "its key must be" },
		{ " a", "its key must be" },
		{ "\xc3\xa4:x", "its key must be" },
		{ "k" UMLAUTS_20 UMLAUTS_20, "a tag of 81 bytes" },
		{ "k" UMLAUTS_20 ":x", "its key must be" },
		{ "region:", "tag \"region:\": its value must be" },
		{ "a:b:c", "tag \"a:b:c\": its value must be" },
		{ "a:b.c", "its value must be" },
		{ "a:*", "its value must be" },
		{ "a:>", "its value must be" },
		{ "a: b", "its value must be" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct err err = { 0 };
		int rc = template_check_tag(table[i].tag, &err);
		assert_outcome(rc, &err, table[i].expected);
	}
}

/* ---- what lists read ---- */

static void
test_feeds(void **state)
{
	(void)state;
	static const struct {
		const char *list[ITEMS];
		unsigned feeds;
	} table[] = {
		{ { NULL }, 0 },
		{ { "a", "b.>" }, 0 },
		{ { "{{name()}}" }, TEMPLATE_NAME },
		{ { "{{subject()}}" }, TEMPLATE_SUBJECT },
		{ { "{{account-name()}}" }, TEMPLATE_ACCOUNT_NAME },
		{ { "{{account-subject()}}" }, TEMPLATE_ACCOUNT_SUBJECT },
		{ { "{{tag(x)}}" }, TEMPLATE_TAG },
		{ { "{{account-tag(x)}}" }, TEMPLATE_ACCOUNT_TAG },
		{ { "a.{{name()}}.{{name()}}.{{tag(x)}}", "b", "c.{{account-name()}}" },
			TEMPLATE_NAME | TEMPLATE_TAG | TEMPLATE_ACCOUNT_NAME },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct strlist list = list_of(table[i].list);
		assert_int_equal(template_feeds(&list), table[i].feeds);
		strlist_release(&list);
	}
}

static void
test_is_whole_tokens(void **state)
{
	(void)state;
	static const struct {
		const char *entry;
		bool whole;
	} table[] = {
		{ "a.b", true },
		{ "{{name()}}", true },
		{ "a.{{name()}}.{{tag(x)}}.>", true },
		{ "KV_{{tag(x)}}", false },
		{ "{{tag(x)}}_KV.a", false },
		{ "{{name()}}.a{{tag(x)}}", false },
		{ "{{name()}}{{tag(x)}}", false },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		assert_int_equal(
			template_is_whole_tokens(table[i].entry), table[i].whole);
	}
}

static void
test_tag_names(void **state)
{
	(void)state;
	static const struct {
		const char *list[ITEMS];
		const char *user[ITEMS];
		const char *account[ITEMS];
	} table[] = {
		{ { NULL }, { NULL }, { NULL } },
		{ { "a.{{name()}}" }, { NULL }, { NULL } },
		{ { "{{tag(xyz)}}.{{tag(x)}}.{{tag(y)}}.{{tag(x)}}", "{{account-tag(z)}}",
			  "KV_{{tag(xy)}}.{{tag(y)}}" },
			{ "xyz", "x", "y", "xy" }, { "z" } },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct strlist list = list_of(table[i].list);
		struct strlist user = { 0 };
		struct strlist account = { 0 };
		assert_int_equal(template_tag_names(&list, false, &user, NULL), 0);
		assert_int_equal(template_tag_names(&list, true, &account, NULL), 0);
		assert_list(&user, table[i].user);
		assert_list(&account, table[i].account);
		strlist_release(&list);
		strlist_release(&user);
		strlist_release(&account);
	}
}

static void
test_tag_names_appends(void **state)
{
	(void)state;
	static const char *const good[] = { "{{tag(x)}}.{{tag(y)}}", NULL };
	static const char *const bad[] = { "{{tag(z)}}", "{{tag(w)}}.{{what()}}", NULL };
	static const char *const had[] = { "y", NULL };
	struct err err = { 0 };
	struct strlist out = list_of(had);
	struct strlist list = list_of(good);
	assert_int_equal(template_tag_names(&list, false, &out, &err), 0);
	assert_list(&out, (const char *const[]){ "y", "x", NULL });
	strlist_release(&list);

	list = list_of(bad);
	assert_outcome(
		template_tag_names(&list, false, &out, &err), &err, "unknown template");
	assert_list(&out, (const char *const[]){ "y", "x", NULL });
	strlist_release(&list);
	strlist_release(&out);
}

/* ---- filling in ---- */

static const char *const user_tags[] = { "foo:foo1", "bar:bar1", "foo:foo2", "bar:bar2",
	"plain", "fo:no", "bar:bar3", "up:Eu-West_1", "bad:a.b", "empty:", "many:x:y",
	"wild:*", "late:ok", "late:>", NULL };
static const char *const account_tags[] = { "acc:acc1", "acc:acc2", "foo:other", NULL };

/* A user of whom everything is as the golden of the reference has it, but for a name that
 * is given. */
static int
expand(const char *const *texts, bool deny, const char *name, struct strlist *out,
	struct err *err)
{
	struct strlist list = list_of(texts);
	struct strlist tags = list_of(user_tags);
	struct strlist of_account = list_of(account_tags);
	struct template_values values = { .name = name,
		.subject = "UABC",
		.account_name = "accname",
		.account_subject = "ADEF",
		.tags = &tags,
		.account_tags = &of_account };
	int rc = template_expand(&list, deny, &values, out, err);
	strlist_release(&list);
	strlist_release(&tags);
	strlist_release(&of_account);
	return rc;
}

static void
test_expand(void **state)
{
	(void)state;
	static const struct {
		const char *list[ITEMS];
		const char *expected[ITEMS];
	} table[] = {
		{ { NULL }, { NULL } },
		{ { "a", "b.* workers", "a" }, { "a", "b.* workers", "a" } },

		/* TestJWTTemplates and TestJWTInLineTemplates of nats-server */
		{ { "{{tag(foo)}}.none.{{tag(bar)}}" },
			{ "foo1.none.bar1", "foo1.none.bar2", "foo1.none.bar3",
				"foo2.none.bar1", "foo2.none.bar2", "foo2.none.bar3" } },
		{ { "{{tag(foo)}}.{{account-tag(acc)}}" },
			{ "foo1.acc1", "foo1.acc2", "foo2.acc1", "foo2.acc2" } },
		{ { "foo.{{name()}}.{{subject()}}.{{account-name()}}."
		    "{{account-subject()}}.bar" },
			{ "foo.myname.UABC.accname.ADEF.bar" } },
		{ { "$JS.API.STREAM.INFO.KV_{{tag(foo)}}" },
			{ "$JS.API.STREAM.INFO.KV_foo1",
				"$JS.API.STREAM.INFO.KV_foo2" } },

		{ { "{{tag(up)}}" }, { "Eu-West_1" } },
		{ { "{{tag(fo)}}" }, { "no" } }, /* not the value of foo */
		{ { "{{account-tag(foo)}}" }, { "other" } },
		{ { "{{name()}}{{subject()}}" }, { "mynameUABC" } },
		{ { "a.{{name()}}.*.>", "b", "{{name()}}*" },
			{ "a.myname.*.>", "b", "myname*" } },
		{ { "a}{{name()}}}" }, { "a}myname}" } },
		/* a repeated template has one value at a time */
		{ { "{{name()}}.{{name()}}" }, { "myname.myname" } },
		{ { "{{tag(foo)}}.{{tag(foo)}}" }, { "foo1.foo1", "foo2.foo2" } },
		{ { "{{tag(foo)}}.{{account-tag(acc)}}.{{tag(foo)}}.x" },
			{ "foo1.acc1.foo1.x", "foo1.acc2.foo1.x", "foo2.acc1.foo2.x",
				"foo2.acc2.foo2.x" } },
	};
	for (size_t i = 0; i < 2 * COUNT(table); i++) {
		struct err err = { 0 };
		struct strlist out = { 0 };
		assert_outcome(
			expand(table[i / 2].list, i % 2 == 1, "myname", &out, &err), &err,
			NULL);
		assert_list(&out, table[i / 2].expected);
		strlist_release(&out);
	}
}

static void
test_expand_missing_tag(void **state)
{
	(void)state;
	static const struct {
		const char *list[ITEMS];
		const char *allowed[ITEMS];
		const char *denied; /* the message */
	} table[] = {
		{ { "{{tag(not_there)}}" }, { NULL }, "the user has no tag not_there:" },
		{ { "{{tag(plain)}}" }, { NULL }, "the user has no tag plain:" },
		{ { "{{tag(acc)}}" }, { NULL }, "the user has no tag acc:" },
		{ { "{{account-tag(bar)}}" }, { NULL }, "the account has no tag bar:" },
		{ { "a", "x{{tag(not_there)}}.{{tag(foo)}}", "b.{{name()}}" },
			{ "a", "b.myname" }, "the user has no tag not_there:" },
		{ { "{{tag(foo)}}.{{tag(not_there)}}", "{{tag(foo)}}" },
			{ "foo1", "foo2" }, "the user has no tag not_there:" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct err err = { 0 };
		struct strlist out = { 0 };
		assert_outcome(
			expand(table[i].list, false, "myname", &out, &err), &err, NULL);
		assert_list(&out, table[i].allowed);
		assert_outcome(expand(table[i].list, true, "myname", &out, &err), &err,
			table[i].denied);
		assert_list(&out, table[i].allowed); /* as it was */
		strlist_release(&out);
	}
}

#define TEN(text) text text text text text text text text text text

static void
test_expand_refuses(void **state)
{
	(void)state;
	static const struct {
		const char *list[ITEMS];
		const char *name;
		const char *expected;
	} table[] = {
		{ { "a.{{name()}}" }, "a.b",
			"the user's name \"a.b\" feeds \"{{name()}}\" and so must be" },
		{ { "a.{{name()}}" }, "*", "the user's name \"*\" feeds" },
		{ { "a.{{name()}}" }, ">", "the user's name \">\" feeds" },
		{ { "a{{name()}}" }, "", "the user's name \"\" feeds" },
		{ { "a.{{name()}}" }, "a b", "the user's name \"a b\" feeds" },
		{ { "a.{{name()}}" }, NULL, "the user's name \"\" feeds" },
		{ { "{{name()}}" }, "{{subject()}}", "the user's name" },
		{ { "{{tag(not_there)}}.{{name()}}" }, "*", "the user's name" },
		{ { "{{tag(bad)}}" }, "n", "the user's tag \"bad:a.b\" feeds" },
		{ { "{{tag(wild)}}" }, "n", "the user's tag \"wild:*\" feeds" },
		{ { "x{{tag(empty)}}" }, "n", "the user's tag \"empty:\" feeds" },
		{ { "{{tag(many)}}" }, "n", "the user's tag \"many:x:y\" feeds" },
		{ { "{{tag(late)}}" }, "n", "the user's tag \"late:>\" feeds" },

		{ { "{{what()}}" }, "n", "unknown template" },
		{ { "{{NAME()}}" }, "n", "unknown template" },
		{ { "a.{{name()" }, "n", "is not closed" },
		{ { "a..{{name()}}" }, "n", "empty token" },
		{ { "{{name()}}", "a..b" }, "n", "empty token" },
		{ { "a..b" }, "n", "empty token" },
		{ { "{{name()}}", "b workers" }, "n", "a queue cannot be in a list" },
		{ { TEN("{{name()}}") TEN("{{name()}}") TEN("{{name()}}") }, "n",
			"has more than 25 templates" },
	};
	for (size_t i = 0; i < 2 * COUNT(table); i++) {
		struct err err = { 0 };
		static const char *const had[] = { "had", NULL };
		struct strlist out = list_of(had);
		assert_outcome(expand(table[i / 2].list, i % 2 == 1, table[i / 2].name,
				       &out, &err),
			&err, table[i / 2].expected);
		assert_list(&out, had);
		strlist_release(&out);
	}
}

/* What no template reads, need not be safe, nor there. */
static void
test_expand_reads_only_what_it_needs(void **state)
{
	(void)state;
	static const char *const texts[] = { "a", "b.{{subject()}}", "c.{{tag(x)}}",
		NULL };
	struct template_values values = { .name = "a.*", .subject = "UABC" };
	struct strlist list = list_of(texts);
	struct strlist out = { 0 };
	assert_int_equal(template_expand(&list, false, &values, &out, NULL), 0);
	assert_list(&out, (const char *const[]){ "a", "b.UABC", NULL });
	strlist_release(&list);
	strlist_release(&out);
}

/* ---- the cap ---- */

/* n values for each of the keys a and b, and one for c. */
static struct strlist
many_tags(int n)
{
	struct strlist tags = { 0 };
	for (int i = 0; i < n; i++) {
		char tag[16];
		assert_int_equal(str_fmt(tag, sizeof(tag), "a:v%d", i), 0);
		assert_int_equal(strlist_add(&tags, tag, NULL), 0);
		tag[0] = 'b';
		assert_int_equal(strlist_add(&tags, tag, NULL), 0);
	}
	assert_int_equal(strlist_add(&tags, "c:one", NULL), 0);
	return tags;
}

static void
test_expand_cap(void **state)
{
	(void)state;
	static const struct {
		int values;
		const char *list[ITEMS];
		size_t made; /* 0: refused */
	} table[] = {
		{ 64, { "{{tag(a)}}.{{tag(b)}}" }, 4096 },
		{ 64, { "{{tag(a)}}.{{tag(b)}}.{{tag(c)}}.{{name()}}" }, 4096 },
		{ 65, { "{{tag(a)}}.{{tag(b)}}" }, 0 },
		{ 128, { "foo.{{tag(a)}}.{{tag(b)}}" }, 0 },
		{ 64, { "{{tag(a)}}.{{tag(b)}}", "x.{{tag(c)}}" }, 0 },
		{ 64, { "x.{{tag(c)}}", "{{tag(a)}}.{{tag(b)}}" }, 0 },
		{ 64, { "x.{{name()}}", "{{tag(a)}}.{{tag(b)}}" }, 0 },
		{ 64, { "x", "{{tag(a)}}.{{tag(b)}}" }, 0 },
		{ 45, { "{{tag(a)}}.{{tag(b)}}", "x.{{tag(a)}}.{{tag(b)}}" }, 4050 },
		{ 46, { "{{tag(a)}}.{{tag(b)}}", "x.{{tag(a)}}.{{tag(b)}}" }, 0 },
		/* a repeated template is counted each time, though it makes less */
		{ 64, { "{{tag(a)}}.{{tag(a)}}" }, 64 },
		{ 65, { "{{tag(a)}}.{{tag(a)}}" }, 0 },
		/* an entry that is dropped is counted, but takes nothing from others */
		{ 65, { "{{tag(d)}}.{{tag(a)}}.{{tag(b)}}", "x" }, 0 },
		{ 64, { "{{tag(d)}}.{{tag(a)}}.{{tag(b)}}", "{{tag(a)}}.{{tag(b)}}" },
			4096 },
		{ 4096, { "{{tag(a)}}" }, 4096 },
		{ 4097, { "{{tag(a)}}" }, 0 },
		{ 4096,
			{ "{{tag(a)}}.{{tag(b)}}.{{tag(a)}}.{{tag(b)}}.{{tag(a)}}.{{tag("
			  "b)}}" },
			0 },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct err err = { 0 };
		struct strlist out = { 0 };
		struct strlist list = list_of(table[i].list);
		struct strlist tags = many_tags(table[i].values);
		struct template_values values = { .name = "n", .tags = &tags };
		int rc = template_expand(&list, false, &values, &out, &err);
		assert_outcome(rc, &err,
			table[i].made > 0 ? NULL : "to more than 4096 subjects");
		assert_int_equal(out.len, table[i].made);
		for (size_t k = 0; k < out.len; k++) {
			assert_true(subject_is_valid(out.items[k]));
		}
		strlist_release(&list);
		strlist_release(&tags);
		strlist_release(&out);
	}
}

/* A subject of absurd length is refused, not cut. */
static void
test_expand_long_value(void **state)
{
	(void)state;
	static const char *const texts[] = { "short", "{{name()}}.{{name()}}", NULL };
	static char name[10001];
	struct err err = { 0 };
	struct strlist out = { 0 };
	struct strlist list = list_of(texts);
	struct template_values values = { .name = name };
	memset(name, 'n', sizeof(name) - 1);
	assert_int_equal(template_expand(&list, false, &values, &out, &err), -1);
	assert_int_equal(err.code, ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
	strlist_release(&list);
	strlist_release(&out);
}

static void
test_repeats_tag(void **state)
{
	(void)state; /* unused */
	assert_true(template_repeats_tag("{{tag(a)}}.x.{{tag(a)}}"));
	assert_true(template_repeats_tag(
		"K_{{account-tag(a)}}.{{name()}}.{{account-tag(a)}}"));
	assert_false(template_repeats_tag("{{tag(a)}}.{{tag(b)}}"));
	assert_false(template_repeats_tag("{{tag(a)}}.{{account-tag(a)}}"));
	assert_false(template_repeats_tag("{{tag(a)}}.{{tag(ab)}}"));
	assert_false(template_repeats_tag("{{name()}}.{{name()}}"));
	assert_false(template_repeats_tag("plain.>"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_repeats_tag),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_check_list),
		cmocka_unit_test(test_text_is_safe),
		cmocka_unit_test(test_check_tag),
		cmocka_unit_test(test_feeds),
		cmocka_unit_test(test_is_whole_tokens),
		cmocka_unit_test(test_tag_names),
		cmocka_unit_test(test_tag_names_appends),
		cmocka_unit_test(test_expand),
		cmocka_unit_test(test_expand_missing_tag),
		cmocka_unit_test(test_expand_refuses),
		cmocka_unit_test(test_expand_reads_only_what_it_needs),
		cmocka_unit_test(test_expand_cap),
		cmocka_unit_test(test_expand_long_value),
	};
	return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
