/* SPDX-License-Identifier: Apache-2.0
 * Claims that are taken as JSON: what is read, what is refused and in which words, and
 * that it agrees with what is minted. */
#include "base/str.h"
#include "jwt/decode_parts.h"
#include "jwt/fragment.h"
#include "jwt/mapping.h"
#include "jwt/validate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define AC "ACATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZIL2R"
#define US "UDWUSKGGFDI4FRXK5EBTRECZSVQSSWJHHJOGH6JWG3AUMFFMQ435C2U4"

static const int64_t now_s = 1700000000;

/* With ' for ", as the JSON below is written. */
struct example {
	const char *json;
	const char *canonical; /* what is stored; NULL: refused */
	const char *message; /* all of it, when refused */
};

/* ---- the tables ---- */

#define WINDOW "{'start':'08:00:00','end':'17:30:00'}"
#define WINDOWS4 WINDOW "," WINDOW "," WINDOW "," WINDOW
#define WINDOWS16 WINDOWS4 "," WINDOWS4 "," WINDOWS4 "," WINDOWS4
#define WINDOWS32 WINDOWS16 "," WINDOWS16
#define TIME_FORM " is not a time of day such as 08:00:00"

static const struct example times[] = {
	{ "[]", "[]", NULL },
	{ "[" WINDOW "]", "[" WINDOW "]", NULL },
	{ " [ { 'end' : '06:00:00' , 'start' : '22:00:00' } ]\n",
		"[{'start':'22:00:00','end':'06:00:00'}]", NULL },
	{ "[{'start':'00:00:00','end':'23:59:59'}," WINDOW "]",
		"[{'start':'00:00:00','end':'23:59:59'}," WINDOW "]", NULL },
	{ "[{'start':'\\u00308:00:00','end':'17:30:00'}]", "[" WINDOW "]", NULL },
	{ "[" WINDOWS32 "]", "[" WINDOWS32 "]", NULL },
	{ "[" WINDOWS32 "," WINDOW "]", NULL, "33 time windows, at most 32 are kept" },
	{ "{}", NULL, "not an array of time windows" },
	{ "[" WINDOW ",7]", NULL, "time window 2: not an object" },
	{ "[null]", NULL, "time window 1: not an object" },
	{ "[{}]", NULL, "time window 1: start is missing" },
	{ "[{'start':'08:00:00'}]", NULL, "time window 1: end is missing" },
	{ "[{'end':'08:00:00'}]", NULL, "time window 1: start is missing" },
	{ "[{'start':null,'end':'08:00:00'}]", NULL,
		"time window 1: start is not a string" },
	{ "[{'start':8,'end':'08:00:00'}]", NULL,
		"time window 1: start is not a string" },
	{ "[{'start':'08:00:00','end':'09:00:00','day':1}]", NULL,
		"time window 1: unknown member \"day\"" },
	{ "[{'Start':'08:00:00','end':'09:00:00'}]", NULL,
		"time window 1: unknown member \"Start\"" },
	{ "[{'start':'','end':'09:00:00'}]", NULL, "time window 1: \"start\"" TIME_FORM },
	{ "[{'start':'8:00:00','end':'09:00:00'}]", NULL,
		"time window 1: \"start\"" TIME_FORM },
	{ "[{'start':'08:00','end':'09:00:00'}]", NULL,
		"time window 1: \"start\"" TIME_FORM },
	{ "[{'start':'08:00:00.5','end':'09:00:00'}]", NULL,
		"time window 1: \"start\"" TIME_FORM },
	{ "[{'start':'08-00-00','end':'09:00:00'}]", NULL,
		"time window 1: \"start\"" TIME_FORM },
	{ "[{'start':'08:00:00','end':'24:00:00'}]", NULL,
		"time window 1: \"end\"" TIME_FORM },
	{ "[{'start':'08:00:00','end':'09:60:00'}]", NULL,
		"time window 1: \"end\"" TIME_FORM },
	{ "[{'start':'08:00:00','end':'09:00:60'}]", NULL,
		"time window 1: \"end\"" TIME_FORM },
	{ "[{'start':'08:00:00','end':'09:00:00 '}]", NULL,
		"time window 1: \"end\"" TIME_FORM },
	{ "[" WINDOW ",{'start':'08:00:00','end':'08:00:00'}]", NULL,
		"time window 2: start and end are equal, and servers would let nobody "
		"in; for the whole day leave the time windows out" },
	{ "[{'start':'08:00:00','start':'09:00:00','end':'10:00:00'}]", NULL,
		"line 1 column 22: duplicate object key \"start\"" },
};

#define ALL_OF_A_TIER \
	"'mem_storage':1,'disk_storage':0,'streams':2,'consumer':-1,'max_ack_pending':" \
	"3,'mem_max_stream_bytes':4,'disk_max_stream_bytes':9007199254740991,'max_" \
	"bytes_" \
	"required':false"
#define UNLIMITED_0 \
	" 0 would be unlimited for servers; give -1 for that, or a number from 1 on"

static const struct example tiers[] = {
	{ "{}", "{}", NULL },
	{ "{'R1':{}}", "{'R1':{}}", NULL },
	{ "{'R3':{'disk_storage':1024},'R1':{'max_bytes_required':true}}",
		"{'R1':{'max_bytes_required':true},'R3':{'disk_storage':1024}}", NULL },
	{ "{'R1':{" ALL_OF_A_TIER "}}", "{'R1':{" ALL_OF_A_TIER "}}", NULL },
	{ "{'R1':{'streams':2,'disk_storage':0,'mem_storage':-1}}",
		"{'R1':{'mem_storage':-1,'disk_storage':0,'streams':2}}", NULL },
	{ "{'R5':{},'R4':{},'R3':{},'R2':{},'R1':{}}",
		"{'R1':{},'R2':{},'R3':{},'R4':{},'R5':{}}", NULL },
	{ "[]", NULL, "not an object of tiers by name" },
	{ "{'':{}}", NULL, "a tier without a name" },
	{ "{'R6':{}}", NULL,
		"tier \"R6\": servers know R1 to R5, by the number of replicas" },
	{ "{'R0':{}}", NULL,
		"tier \"R0\": servers know R1 to R5, by the number of replicas" },
	{ "{'r1':{}}", NULL,
		"tier \"r1\": servers know R1 to R5, by the number of replicas" },
	{ "{'R10':{}}", NULL,
		"tier \"R10\": servers know R1 to R5, by the number of replicas" },
	{ "{'R':{}}", NULL,
		"tier \"R\": servers know R1 to R5, by the number of replicas" },
	{ "{'R1':[]}", NULL, "tier \"R1\": not an object" },
	{ "{'R1':null}", NULL, "tier \"R1\": not an object" },
	{ "{'R1':{'consumers':1}}", NULL, "tier \"R1\": unknown member \"consumers\"" },
	{ "{'R1':{'max_streams':1}}", NULL,
		"tier \"R1\": unknown member \"max_streams\"" },
	{ "{'R1':{'streams':null}}", NULL, "tier \"R1\": streams is not a whole number" },
	{ "{'R1':{'streams':'1'}}", NULL, "tier \"R1\": streams is not a whole number" },
	{ "{'R1':{'streams':1.0}}", NULL, "tier \"R1\": streams is not a whole number" },
	{ "{'R1':{'disk_storage':1e3}}", NULL,
		"tier \"R1\": disk_storage is not a whole number" },
	{ "{'R1':{'disk_storage':-2}}", NULL,
		"tier \"R1\": disk_storage -2 is not between -1 and 9007199254740991" },
	{ "{'R1':{'mem_storage':9007199254740992}}", NULL,
		"tier \"R1\": mem_storage 9007199254740992 is not between -1 and "
		"9007199254740991" },
	{ "{'R1':{'streams':0}}", NULL, "tier \"R1\": streams" UNLIMITED_0 },
	{ "{'R1':{'consumer':0}}", NULL, "tier \"R1\": consumer" UNLIMITED_0 },
	{ "{'R1':{'max_ack_pending':0}}", NULL,
		"tier \"R1\": max_ack_pending" UNLIMITED_0 },
	{ "{'R1':{'mem_max_stream_bytes':0}}", NULL,
		"tier \"R1\": mem_max_stream_bytes" UNLIMITED_0 },
	{ "{'R1':{'disk_max_stream_bytes':0}}", NULL,
		"tier \"R1\": disk_max_stream_bytes" UNLIMITED_0 },
	{ "{'R1':{'max_bytes_required':1}}", NULL,
		"tier \"R1\": max_bytes_required is not true or false" },
	{ "{'R1':{},'R1':{}}", NULL, "line 1 column 10: duplicate object key \"R1\"" },
};

#define TO(source, target) "{'" source "':[{'subject':'" target "'}]}"
#define SAME(json) json, json, NULL
#define UNKNOWN \
	"unknown function; there are wildcard, partition, splitFromLeft, " \
	"splitFromRight, " \
	"sliceFromLeft, sliceFromRight and split"
#define NO_STAR(n, stars) "there is no wildcard " #n ", the mapped subject has " #stars

/* What is accepted here was tried with nats-server -t, 2.10.27 and 2.15.1. */
static const struct example mappings[] = {
	{ SAME("{}") },
	{ SAME(TO("orders", "orders.v2")) },
	{ SAME("{'orders.*':[{'subject':'orders.v2.$1','weight':80,'cluster':'east'}]"
	       "}") },
	{ "{'b':[{'cluster':'c','weight':100,'subject':'x'}],'a':[{'subject':'y'}]}",
		"{'a':[{'subject':'y'}],'b':[{'subject':'x','weight':100,'cluster':'c'}]"
		"}",
		NULL },
	{ SAME("{'a':[{'subject':'b','weight':60},{'subject':'c','weight':40}]}") },
	{ SAME("{'a':[{'subject':'b'},{'subject':'c','cluster':'x'}]}") },
	{ SAME("{'a':[{'subject':'a','weight':90},{'subject':'b','weight':1}]}") },
	{ SAME(TO("a.*", "b")) },
	{ SAME(TO("a.*.*", "b.$2.$1")) },
	{ SAME(TO("a.*.*", "b.$2.$2")) },
	{ SAME(TO("a.*.*", "b.{{wildcard(2)}}.{{Wildcard(1)}}")) },
	{ "{'a.>':[{'subject':'b.>'}]}", "{'a.\\u003e':[{'subject':'b.\\u003e'}]}",
		NULL },
	{ "{'*.>':[{'subject':'b.$1.>'}]}", "{'*.\\u003e':[{'subject':'b.$1.\\u003e'}]}",
		NULL },
	{ SAME(TO("a.*.*", "b.{{partition(10,1,2)}}.$1")) },
	{ SAME(TO("a.*", "b.{{Partition(2147483647,1)}}")) },
	{ SAME(TO("a.*", "b.{{splitFromLeft(1,3)}}")) },
	{ SAME(TO("a.*", "b.{{splitfromleft(1,3)}}")) },
	{ SAME(TO("a.*", "b.{{SplitFromRight(1,3)}}")) },
	{ SAME(TO("a.*", "b.{{SliceFromLeft(1,3)}}")) },
	{ SAME(TO("a.*", "b.{{slicefromright(1,3)}}")) },
	{ SAME(TO("a.*", "b.{{split(1,-)}}")) },
	{ SAME(TO("a.*", "b.{{Split(1,))}}")) },
	{ SAME(TO("a.*", "b.$x.$")) },
	{ SAME(TO("a.*", "b.{x}.c{}")) },
	{ SAME(TO("$SYS.x", "$JS.y")) },
	/* the form */
	{ "[]", NULL, "not an object of targets by subject" },
	{ "{'a':{}}", NULL, "\"a\": not an array of one target or more" },
	{ "{'a':[]}", NULL, "\"a\": not an array of one target or more" },
	{ "{'a':['b']}", NULL, "\"a\" target 1: not an object" },
	{ "{'a':[{}]}", NULL, "\"a\" target 1: subject is missing" },
	{ "{'a':[{'subject':7}]}", NULL, "\"a\" target 1: subject is not a string" },
	{ "{'a':[{'subject':''}]}", NULL, "\"a\" target 1: subject is empty" },
	{ "{'a':[{'subject':'b','dest':'c'}]}", NULL,
		"\"a\" target 1: unknown member \"dest\"" },
	{ "{'a':[{'subject':'b','cluster':''}]}", NULL,
		"\"a\" target 1: cluster is empty" },
	{ "{'a':[{'subject':'b','cluster':null}]}", NULL,
		"\"a\" target 1: cluster is not a string" },
	{ "{'a':[{'subject':'b','cluster':'the east'}]}", NULL,
		"\"a\" target 1: no cluster has a name with blanks in it" },
	{ "{'a':[{'subject':'b'}],'a':[{'subject':'c'}]}", NULL,
		"line 1 column 24: duplicate object key \"a\"" },
	/* weights */
	{ "{'orders.*':[{'subject':'b','weight':1},{'subject':'c','weight':130}]}", NULL,
		"\"orders.*\" target 2: weight 130 is not between 1 and 100" },
	{ "{'a':[{'subject':'b','weight':0}]}", NULL,
		"\"a\" target 1: weight 0 is not between 1 and 100" },
	{ "{'a':[{'subject':'b','weight':-1}]}", NULL,
		"\"a\" target 1: weight -1 is not between 1 and 100" },
	{ "{'a':[{'subject':'b','weight':'80%'}]}", NULL,
		"\"a\" target 1: weight is not a whole number" },
	{ "{'a':[{'subject':'b','weight':0.5}]}", NULL,
		"\"a\" target 1: weight is not a whole number" },
	{ "{'a':[{'subject':'b','weight':60},{'subject':'c','weight':41}]}", NULL,
		"\"a\": the weights sum up to 101, over 100" },
	{ "{'a':[{'subject':'b'},{'subject':'c','weight':1}]}", NULL,
		"\"a\": the weights sum up to 101, over 100" },
	{ "{'a':[{'subject':'b'},{'subject':'c','weight':60,'cluster':'e'},"
	  "{'subject':'d','weight':60,'cluster':'e'}]}",
		NULL, "\"a\": the weights of cluster \"e\" sum up to 120, over 100" },
	{ "{'a':[{'subject':'b','weight':1},{'subject':'b','weight':2}]}", NULL,
		"\"a\" target 2: subject \"b\" is that of target 1 already" },
	{ "{'a':[{'subject':'b','cluster':'e'},{'subject':'b','cluster':'w'}]}", NULL,
		"\"a\" target 2: subject \"b\" is that of target 1 already" },
	/* sources */
	{ TO("", "b"), NULL, "\"\": the subject is empty" },
	{ TO("a..b", "b"), NULL, "\"a..b\": empty token at position 2" },
	{ TO("a b", "b"), NULL, "\"a b\": space in the token at position 1" },
	{ TO("a.>.b", "b"), NULL,
		"\"a.>.b\": \">\" at position 2, it may only be the last token" },
	{ TO("a.*.$1", "b"), NULL,
		"\"a.*.$1\": references and functions are for targets" },
	{ TO("a.{{wildcard(1)}}", "b"), NULL,
		"\"a.{{wildcard(1)}}\": references and functions are for targets" },
	{ "{'a.*':[{'subject':'x'}],'a.b':[{'subject':'y'}]}", NULL,
		"\"a.*\" and \"a.b\" overlap, servers would take one of them by chance" },
	{ "{'a.*':[{'subject':'x'}],'c':[{'subject':'z'}],'*.b':[{'subject':'y'}]}", NULL,
		"\"a.*\" and \"*.b\" overlap, servers would take one of them by chance" },
	/* targets */
	{ TO("a", "b..c"), NULL,
		"\"a\" target 1: subject \"b..c\": empty token at position 2" },
	{ TO("a", "b c"), NULL,
		"\"a\" target 1: subject \"b c\": space in the token at position 1" },
	{ TO("a.*", "b.*"), NULL,
		"\"a.*\" target 1: subject \"b.*\": \"*\" must be a reference such as "
		"$1 or {{wildcard(1)}}" },
	{ TO("a.>", "b"), NULL,
		"\"a.>\" target 1: subject \"b\": it ends in \">\" if and only if the "
		"mapped subject does" },
	{ TO("a", "b.>"), NULL,
		"\"a\" target 1: subject \"b.>\": it ends in \">\" if and only if the "
		"mapped subject does" },
	{ TO("a.*", "b.$2"), NULL, "\"a.*\" target 1: subject \"b.$2\": " NO_STAR(2, 1) },
	{ TO("a", "b.$1"), NULL, "\"a\" target 1: subject \"b.$1\": " NO_STAR(1, 0) },
	{ TO("a.*", "b.$0"), NULL, "\"a.*\" target 1: subject \"b.$0\": " NO_STAR(0, 1) },
	{ TO("a.*", "b.$-1"), NULL,
		"\"a.*\" target 1: subject \"b.$-1\": " NO_STAR(0, 1) },
	{ TO("a.*", "b.$+1"), NULL,
		"\"a.*\" target 1: subject \"b.$+1\": " NO_STAR(0, 1) },
	{ TO("a.*", "b.$99999999999999999999"), NULL,
		"\"a.*\" target 1: subject \"b.$99999999999999999999\": " NO_STAR(0, 1) },
	{ TO("a.*", "b.{{wildcard(0)}}"), NULL,
		"\"a.*\" target 1: subject \"b.{{wildcard(0)}}\": " NO_STAR(0, 1) },
	{ TO("a.*", "b.{{wildcard(2)}}"), NULL,
		"\"a.*\" target 1: subject \"b.{{wildcard(2)}}\": " NO_STAR(2, 1) },
	{ TO("a", "{{wildcard(1)}}"), NULL,
		"\"a\" target 1: subject \"{{wildcard(1)}}\": " NO_STAR(1, 0) },
	{ TO("a.*", "{{wildcard()}}"), NULL,
		"\"a.*\" target 1: subject \"{{wildcard()}}\": \"\" is not a wildcard's "
		"number" },
	{ TO("a.*", "{{wildcard(x)}}"), NULL,
		"\"a.*\" target 1: subject \"{{wildcard(x)}}\": \"x\" is not a "
		"wildcard's number" },
	{ TO("a.*", "{{wildcard(1,1)}}"), NULL,
		"\"a.*\" target 1: subject \"{{wildcard(1,1)}}\": the form is "
		"wildcard(number)" },
	{ TO("a.*", "{{wildcard( 1 )}}"), NULL,
		"\"a.*\" target 1: subject \"{{wildcard( 1 )}}\": space in the token at "
		"position 1" },
	{ TO("a.*", "b{{wildcard(1)}}"), NULL,
		"\"a.*\" target 1: subject \"b{{wildcard(1)}}\": a function is a whole "
		"token of the form {{name(...)}}" },
	{ TO("a.*", "{{wildcard(1)}}b"), NULL,
		"\"a.*\" target 1: subject \"{{wildcard(1)}}b\": a function is a whole "
		"token of the form {{name(...)}}" },
	{ TO("a.*", "{{wildcard(1)"), NULL,
		"\"a.*\" target 1: subject \"{{wildcard(1)\": a function is a whole "
		"token of the form {{name(...)}}" },
	{ TO("a.*", "wildcard(1)}}"), NULL,
		"\"a.*\" target 1: subject \"wildcard(1)}}\": a function is a whole "
		"token of the form {{name(...)}}" },
	{ TO("a.*", "{{}}"), NULL,
		"\"a.*\" target 1: subject \"{{}}\": a function is a whole token of the "
		"form {{name(...)}}" },
	{ TO("a.*", "{{name)}}"), NULL,
		"\"a.*\" target 1: subject \"{{name)}}\": " UNKNOWN },
	{ TO("a.*", "{{WILDCARD(1)}}"), NULL,
		"\"a.*\" target 1: subject \"{{WILDCARD(1)}}\": " UNKNOWN },
	{ TO("a.*", "{{left(1,2)}}"), NULL,
		"\"a.*\" target 1: subject \"{{left(1,2)}}\": " UNKNOWN },
	{ TO("a.*", "{{random(5)}}"), NULL,
		"\"a.*\" target 1: subject \"{{random(5)}}\": " UNKNOWN },
	{ TO("a.*", "{{x{{wildcard(1)}}"), NULL,
		"\"a.*\" target 1: subject \"{{x{{wildcard(1)}}\": " UNKNOWN },
	{ TO("a.*", "{{partition(10)}}"), NULL,
		"\"a.*\" target 1: subject \"{{partition(10)}}\": the form is "
		"partition(count,wildcard,...)" },
	{ TO("a.*", "{{partition(0,1)}}"), NULL,
		"\"a.*\" target 1: subject \"{{partition(0,1)}}\": \"0\" is not a "
		"number from 1 on" },
	{ TO("a.*", "{{partition(2147483648,1)}}"), NULL,
		"\"a.*\" target 1: subject \"{{partition(2147483648,1)}}\": "
		"\"2147483648\" is not a number from 1 on" },
	{ TO("a.*", "{{partition(10,1,2)}}"), NULL,
		"\"a.*\" target 1: subject \"{{partition(10,1,2)}}\": " NO_STAR(2, 1) },
	{ TO("a.>", "{{partition(10,1)}}.>"), NULL,
		"\"a.>\" target 1: subject \"{{partition(10,1)}}.>\": " NO_STAR(1, 0) },
	{ TO("a.*", "{{splitFromLeft(1)}}"), NULL,
		"\"a.*\" target 1: subject \"{{splitFromLeft(1)}}\": the form is "
		"name(wildcard,length)" },
	{ TO("a.*", "{{splitFromLeft(1,0)}}"), NULL,
		"\"a.*\" target 1: subject \"{{splitFromLeft(1,0)}}\": \"0\" is not a "
		"number from 1 on" },
	{ TO("a.*", "{{sliceFromRight(2,3)}}"), NULL,
		"\"a.*\" target 1: subject \"{{sliceFromRight(2,3)}}\": " NO_STAR(2, 1) },
	{ TO("a.*", "{{split(1)}}"), NULL,
		"\"a.*\" target 1: subject \"{{split(1)}}\": the form is "
		"split(wildcard,separator)" },
	{ TO("a.*", "{{split(1,)}}"), NULL,
		"\"a.*\" target 1: subject \"{{split(1,)}}\": the separator is empty or "
		"has braces in it" },
	{ TO("a.*", "{{split(1,,)}}"), NULL,
		"\"a.*\" target 1: subject \"{{split(1,,)}}\": the form is "
		"split(wildcard,separator)" },
	{ TO("a.*", "{{split(1,})}}"), NULL,
		"\"a.*\" target 1: subject \"{{split(1,})}}\": the separator is empty "
		"or has braces in it" },
};

/* ---- running them ---- */

static char *
with_quotes(const char *json)
{
	char *text = str_dup(json);
	assert_non_null(text);
	for (char *p = text; *p != '\0'; p++) {
		*p = *p == '\'' ? '"' : *p;
	}
	return text;
}

/* Into claims that are fine otherwise; the caller releases them, after an error too. */
static int
read_fragment(
	enum jwt_fragment kind, const char *json, struct jwt_claims *out, struct err *err)
{
	size_t len = strlen(json);
	*out = (struct jwt_claims){ .type = JWT_ACCOUNT };
	struct jwt_account *account = &out->as.account;
	switch (kind) {
	case JWT_FRAGMENT_TIMES:
		out->type = JWT_USER;
		jwt_user_init(&out->as.user);
		out->sub = str_dup(US);
		return jwt_fragment_times(json, len, &out->as.user.limits.times,
			&out->as.user.limits.times_len, err);
	case JWT_FRAGMENT_TIERS:
		jwt_account_init(account);
		out->sub = str_dup(AC);
		return jwt_fragment_tiers(json, len, &account->limits.tiers,
			&account->limits.tiers_len, err);
	case JWT_FRAGMENT_MAPPINGS:
		jwt_account_init(account);
		out->sub = str_dup(AC);
		return jwt_fragment_mappings(
			json, len, &account->mappings, &account->mappings_len, err);
	}
	return -1;
}

/* As a token would be read, and nothing stands against minting it. */
static bool
is_mintable(enum jwt_fragment kind, const char *json)
{
	struct jwt_claims claims = { 0 };
	struct jwt_issues issues;
	json_t *parsed = NULL;
	int rc = -1;
	assert_int_equal(read_fragment(kind, kind == JWT_FRAGMENT_TIMES ? "[]" : "{}",
				 &claims, NULL),
		0);
	if (json_parse(json, strlen(json), LIMIT_CLAIM_BYTES, &parsed, NULL) == 0) {
		struct jwt_account *account = &claims.as.account;
		struct jwt_user_limits *limits = &claims.as.user.limits;
		rc = kind == JWT_FRAGMENT_TIMES
			? jwt_decode_time_ranges(
				  parsed, &limits->times, &limits->times_len, NULL)
			: kind == JWT_FRAGMENT_TIERS
			? jwt_decode_tiers(parsed, &account->limits.tiers,
				  &account->limits.tiers_len, NULL)
			: jwt_decode_mappings(parsed, &account->mappings,
				  &account->mappings_len, NULL);
	}
	jwt_validate(&claims, now_s, &issues);
	jwt_claims_release(&claims);
	json_decref(parsed);
	return rc == 0 && jwt_issues_find_blocking(&issues, true) == NULL;
}

static void
check_accepted(
	enum jwt_fragment kind, const char *json, const char *expected, struct buf *out)
{
	struct err err = { 0 };
	struct buf again;
	if (jwt_fragment_canonical(kind, json, strlen(json), out, &err) != 0) {
		fail_msg("%s: %s", json, err.msg);
	}
	assert_string_equal(out->data, expected);
	buf_init(&again, LIMIT_CLAIM_BYTES);
	assert_int_equal(
		jwt_fragment_canonical(kind, out->data, out->len, &again, &err), 0);
	assert_string_equal(again.data, out->data);
	assert_true(is_mintable(kind, json));
	buf_release(&again);
}

static void
check_refused(
	enum jwt_fragment kind, const char *json, const char *expected, struct buf *out)
{
	struct err err = { 0 };
	struct err again = { 0 };
	struct jwt_claims claims;
	assert_int_equal(jwt_fragment_canonical(kind, json, strlen(json), out, &err), -1);
	/* The longest are cut. */
	assert_memory_equal(err.msg, expected, strlen(err.msg));
	assert_true(strlen(err.msg) == strlen(expected) ||
		strlen(err.msg) == sizeof(err.msg) - 1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_int_equal(out->len, 0);
	assert_int_equal(read_fragment(kind, json, &claims, &again), -1);
	assert_string_equal(again.msg, err.msg);
	jwt_claims_release(&claims);
}

static void
check_examples(enum jwt_fragment kind, const struct example *examples, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char *json = with_quotes(examples[i].json);
		struct buf out;
		buf_init(&out, LIMIT_CLAIM_BYTES);
		if (examples[i].canonical != NULL) {
			char *expected = with_quotes(examples[i].canonical);
			check_accepted(kind, json, expected, &out);
			free(expected);
		} else {
			check_refused(kind, json, examples[i].message, &out);
		}
		buf_release(&out);
		free(json);
	}
}

static void
test_examples(void **state)
{
	(void)state;
	check_examples(JWT_FRAGMENT_TIMES, times, COUNT(times));
	check_examples(JWT_FRAGMENT_TIERS, tiers, COUNT(tiers));
	check_examples(JWT_FRAGMENT_MAPPINGS, mappings, COUNT(mappings));
}

/* ---- values ---- */

static void
test_values(void **state)
{
	(void)state;
	static const char windows[] = "[{\"end\":\"06:00:00\",\"start\":\"22:00:00\"}]";
	static const char levels[] = "{\"R3\":{\"streams\":5,\"disk_storage\":7},\"R1\":"
				     "{\"max_bytes_required\":true}}";
	static const char targets[] =
		"{\"b\":[{\"subject\":\"x\"}],\"a.*\":[{\"subject\":\"y.$1\",\"weight\":"
		"30,\"cluster\":\"c\"},{\"subject\":\"z\",\"weight\":5}]}";
	struct err err = { 0 };
	struct jwt_time_range *ranges = NULL;
	struct jwt_tier *tier = NULL;
	struct jwt_mapping *mapping = NULL;
	size_t len = 0;

	assert_int_equal(
		jwt_fragment_times(windows, strlen(windows), &ranges, &len, &err), 0);
	assert_int_equal(len, 1);
	assert_string_equal(ranges[0].start, "22:00:00");
	assert_string_equal(ranges[0].end, "06:00:00");
	jwt_time_ranges_release(ranges, len);

	assert_int_equal(
		jwt_fragment_tiers(levels, strlen(levels), &tier, &len, &err), 0);
	assert_int_equal(len, 2);
	assert_string_equal(tier[0].name, "R1");
	assert_int_equal(tier[0].limits.mem_storage, 0);
	assert_int_equal(tier[0].limits.disk_storage, 0);
	assert_int_equal(tier[0].limits.streams, JWT_UNLIMITED);
	assert_int_equal(tier[0].limits.consumer, JWT_UNLIMITED);
	assert_int_equal(tier[0].limits.max_ack_pending, JWT_UNLIMITED);
	assert_int_equal(tier[0].limits.mem_max_stream_bytes, JWT_UNLIMITED);
	assert_int_equal(tier[0].limits.disk_max_stream_bytes, JWT_UNLIMITED);
	assert_true(tier[0].limits.max_bytes_required);
	assert_string_equal(tier[1].name, "R3");
	assert_int_equal(tier[1].limits.streams, 5);
	assert_int_equal(tier[1].limits.disk_storage, 7);
	assert_false(tier[1].limits.max_bytes_required);
	jwt_tiers_release(tier, len);

	assert_int_equal(
		jwt_fragment_mappings(targets, strlen(targets), &mapping, &len, &err), 0);
	assert_int_equal(len, 2);
	assert_string_equal(mapping[0].subject, "a.*");
	assert_int_equal(mapping[0].targets_len, 2);
	assert_string_equal(mapping[0].targets[0].subject, "y.$1");
	assert_int_equal(mapping[0].targets[0].weight, 30);
	assert_string_equal(mapping[0].targets[0].cluster, "c");
	assert_null(mapping[0].targets[1].cluster);
	assert_string_equal(mapping[1].subject, "b");
	assert_int_equal(mapping[1].targets[0].weight, 0);
	jwt_mappings_release(mapping, len);
}

static void
test_nothing_written_on_error(void **state)
{
	(void)state;
	struct jwt_claims claims;
	struct buf out;
	const char *bad[] = { "[{}]", "{\"R9\":{}}", "{\"a\":[]}" };
	for (size_t i = 0; i < COUNT(bad); i++) {
		enum jwt_fragment kind = (enum jwt_fragment)i;
		assert_int_equal(read_fragment(kind, bad[i], &claims, NULL), -1);
		assert_null(claims.as.account.mappings);
		assert_null(claims.as.account.limits.tiers);
		jwt_claims_release(&claims);
		buf_init(&out, 100);
		buf_put_str(&out, "kept");
		assert_int_equal(
			jwt_fragment_canonical(kind, bad[i], strlen(bad[i]), &out, NULL),
			-1);
		assert_string_equal(out.data, "kept");
		buf_release(&out);
	}
}

/* ---- bounds ---- */

/* "{" and n times "sNN":[targets] with m targets each. */
static void
put_mappings(struct buf *out, size_t n, size_t m, const char *tail)
{
	struct emit emit;
	emit_init(&emit, out);
	emit_object_begin(&emit);
	for (size_t i = 0; i < n; i++) {
		char text[LIMIT_SUBJECT_BYTES * 2];
		assert_int_equal(str_fmt(text, sizeof(text), "s%zu", i), 0);
		emit_key(&emit, text);
		emit_array_begin(&emit);
		for (size_t j = 0; j < m; j++) {
			assert_int_equal(
				str_fmt(text, sizeof(text), "t%zu%s", j, tail), 0);
			emit_object_begin(&emit);
			emit_kv_text(&emit, "subject", text);
			emit_kv_int(&emit, "weight", 1);
			emit_object_end(&emit);
		}
		emit_array_end(&emit);
	}
	emit_object_end(&emit);
	assert_int_equal(buf_finish(out, NULL), 0);
}

static void
check_bound(size_t n, size_t m, const char *tail, const char *message)
{
	struct err err = { 0 };
	struct jwt_mapping *out = NULL;
	size_t len = 0;
	struct buf json;
	buf_init(&json, (size_t)1 << 20);
	put_mappings(&json, n, m, tail);
	int rc = jwt_fragment_mappings(json.data, json.len, &out, &len, &err);
	assert_int_equal(rc, message == NULL ? 0 : -1);
	if (message != NULL) {
		assert_string_equal(err.msg, message);
	}
	jwt_mappings_release(out, len);
	buf_release(&json);
}

static void
test_bounds(void **state)
{
	(void)state;
	char tail[LIMIT_SUBJECT_BYTES] = { 0 };
	memset(tail, 'x', sizeof(tail) - 1);
	check_bound(64, 16, "", NULL);
	check_bound(65, 1, "", "65 mappings, at most 64 are kept");
	check_bound(1, 17, "", "\"s0\": 17 targets, at most 16 are kept");
	check_bound(1, 1, tail, "\"s0\" target 1: subject is over 256 bytes");
	tail[sizeof(tail) - 2] = '\0';
	check_bound(1, 1, tail, NULL);
	check_bound(64, 16, tail, "289655 bytes of JSON are over the limit of 65536");
}

static void
test_long_source(void **state)
{
	(void)state;
	char json[LIMIT_SUBJECT_BYTES + 64];
	char source[LIMIT_SUBJECT_BYTES + 2] = { 0 };
	struct jwt_claims claims;
	struct err err = { 0 };
	memset(source, 'x', LIMIT_SUBJECT_BYTES);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(str_fmt(json, sizeof(json),
					 "{\"%s\":[{\"subject\":\"b\"}]}", source),
			0);
		assert_int_equal(
			read_fragment(JWT_FRAGMENT_MAPPINGS, json, &claims, &err), -i);
		jwt_claims_release(&claims);
		source[LIMIT_SUBJECT_BYTES] = 'x';
	}
	assert_non_null(strstr(err.msg, "over 256 bytes"));
}

/* What is stored must be readable again: escapes count. */
static void
test_escapes_count(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct buf json;
	struct buf out;
	char tail[200] = { 0 };
	memset(tail, '<', sizeof(tail) - 1);
	buf_init(&json, LIMIT_CLAIM_BYTES);
	buf_init(&out, (size_t)1 << 20);
	buf_put_str(&json, "{\"a\":[");
	for (int i = 0; i < 16; i++) {
		buf_put_str(&json, i > 0 ? "," : "");
		buf_put_str(&json, "{\"weight\":1,\"subject\":\"");
		buf_put_int(&json, i);
		buf_put_str(&json, tail);
		buf_put_str(&json, "\"}");
	}
	buf_put_str(&json, "]}");
	assert_int_equal(buf_finish(&json, NULL), 0);
	assert_int_equal(jwt_fragment_canonical(
				 JWT_FRAGMENT_MAPPINGS, json.data, json.len, &out, &err),
		0);
	assert_true(out.len > json.len * 4);
	buf_clear(&out);
	buf_clear(&json);
	buf_put_char(&json, '{');
	for (int i = 0; i < 40; i++) {
		buf_put_str(&json, i > 0 ? ",\"" : "\"");
		buf_put_int(&json, i);
		buf_put_str(&json, "\":[{\"subject\":\"");
		buf_put_str(&json, tail);
		buf_put_str(&json, "\"},{\"cluster\":\"c\",\"subject\":\"x");
		buf_put_str(&json, tail);
		buf_put_str(&json, "\"}]");
	}
	buf_put_char(&json, '}');
	assert_int_equal(buf_finish(&json, NULL), 0);
	assert_int_equal(jwt_fragment_canonical(
				 JWT_FRAGMENT_MAPPINGS, json.data, json.len, &out, &err),
		-1);
	assert_int_equal(err.code, ERR_TOO_LARGE);
	assert_int_equal(out.len, 0);
	buf_release(&json);
	buf_release(&out);
}

/* ---- what is accepted can be minted, and the other way round ---- */

static void
test_refusals_agree(void **state)
{
	(void)state;
	static const char *const sources[] = { "a", "a.*", "a.*.*", ">", "a.>", "*.>",
		"a..b", "a b", "a.$1", "a.*.$1", "a.{{wildcard(1)}}", "a.>.b", "a\\t" };
	static const char *const tokens[] = { "b", "*", ">", "$1", "$2", "$0", "$-1",
		"$x", "$01", "{{wildcard(1)}}", "{{wildcard(2)}}", "{{Wildcard(0)}}",
		"{{partition(3,1)}}", "{{partition(0,1)}}", "{{partition(3)}}",
		"{{split(1,-)}}", "{{split(1,)}}", "{{sliceFromLeft(1,2)}}",
		"{{splitFromRight(2,2)}}", "{{left(1,1)}}", "{{random(2)}}", "{{x}}",
		"b{{wildcard(1)}}", "{{", "" };
	size_t accepted = 0;
	for (size_t i = 0; i < COUNT(sources); i++) {
		for (size_t j = 0; j < COUNT(tokens) * COUNT(tokens); j++) {
			char json[256];
			struct jwt_claims claims;
			struct err err = { 0 };
			assert_int_equal(str_fmt(json, sizeof(json),
						 "{\"%s\":[{\"subject\":\"%s.%s\"}]}",
						 sources[i], tokens[j % COUNT(tokens)],
						 tokens[j / COUNT(tokens)]),
				0);
			int rc =
				read_fragment(JWT_FRAGMENT_MAPPINGS, json, &claims, &err);
			if ((rc == 0) != is_mintable(JWT_FRAGMENT_MAPPINGS, json)) {
				fail_msg("%s: read %d, %s", json, rc, err.msg);
			}
			accepted += rc == 0 ? 1 : 0;
			jwt_claims_release(&claims);
		}
	}
	assert_in_range(accepted, 200, 2000);
}

/* Of what the examples refuse, all that is wrong in more than its form is blocked before
 * minting too. */
static void
test_blocked_is_refused(void **state)
{
	(void)state;
	const struct {
		const struct example *examples;
		size_t len;
		size_t blocked; /* at least */
	} tables[] = {
		[JWT_FRAGMENT_TIMES] = { times, COUNT(times), 12 },
		[JWT_FRAGMENT_TIERS] = { tiers, COUNT(tiers), 6 },
		[JWT_FRAGMENT_MAPPINGS] = { mappings, COUNT(mappings), 50 },
	};
	for (size_t kind = 0; kind < COUNT(tables); kind++) {
		size_t blocked = 0;
		for (size_t i = 0; i < tables[kind].len; i++) {
			char *json = with_quotes(tables[kind].examples[i].json);
			if (!is_mintable((enum jwt_fragment)kind, json)) {
				assert_null(tables[kind].examples[i].canonical);
				blocked++;
			}
			free(json);
		}
		assert_true(blocked >= tables[kind].blocked);
	}
}

/* ---- references ---- */

static void
test_references(void **state)
{
	(void)state;
	static const struct {
		const char *token;
		bool reference;
		int64_t n;
	} table[] = {
		{ "$1", true, 1 },
		{ "$12", true, 12 },
		{ "$007", true, 7 },
		{ "$0", true, 0 },
		{ "$-3", true, 0 },
		{ "$+3", true, 0 },
		{ "$4294967297", true, 0 },
		{ "$123456789012345678901234567890", true, 0 },
		{ "$", false, -1 },
		{ "$-", false, -1 },
		{ "$1a", false, -1 },
		{ "$JS", false, -1 },
		{ "1", false, -1 },
		{ "", false, -1 },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		int64_t n = -1;
		bool reference = jwt_mapping_is_reference(
			table[i].token, strlen(table[i].token), &n);
		assert_int_equal(reference, table[i].reference);
		assert_int_equal(reference ? n : -1, table[i].n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_nothing_written_on_error),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_long_source),
		cmocka_unit_test(test_escapes_count),
		cmocka_unit_test(test_refusals_agree),
		cmocka_unit_test(test_blocked_is_refused),
		cmocka_unit_test(test_references),
	};
	return cmocka_run_group_tests_name("fragment", tests, NULL, NULL);
}
