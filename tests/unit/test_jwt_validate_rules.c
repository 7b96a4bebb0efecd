/* SPDX-License-Identifier: Apache-2.0
 * What claims may not say, rule by rule. */
#include "jwt/validate.h"

#include "support/jwt_samples.h"
#include "support/jwt_token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const int64_t now_s = SAMPLE_ISSUED_AT;

#define OP SAMPLE_OPERATOR_KEY
#define AC SAMPLE_ACCOUNT_KEY
#define AC2 SAMPLE_OTHER_ACCOUNT_KEY
#define US SAMPLE_USER_KEY
#define XK SAMPLE_CURVE_KEY
#define ACCOUNT "'type':'account','version':2,"
#define OPEN ACCOUNT "'limits':{'imports':-1,'exports':-1,'wildcards':true},"
#define USR "'type':'user','version':2,"
#define OPR "'type':'operator','version':2,"
#define IMPORT(rest) OPEN "'imports':[{'account':'" AC2 "'," rest "}]"
#define EXPORT(rest) OPEN "'exports':[{" rest "}]"
#define SCOPE(rest) \
	OPEN "'signing_keys':[{'kind':'user_scope','key':'" AC2 "','template':{" rest \
	     "}}]"

struct rule {
	enum nkey_role signer;
	const char *nats;
	const char *blocking; /* part of the first blocking issue; NULL: none */
};

static const struct rule user_rules[] = {
	{ NKEY_ACCOUNT, USR "'pub':{'allow':['a.>','*'],'deny':['b']}", NULL },
	{ NKEY_ACCOUNT, USR "'pub':{'allow':['a..b']}",
		"pub.allow: \"a..b\": empty token" },
	{ NKEY_ACCOUNT, USR "'pub':{'allow':['a.>.b']}", "\">\" at position 2" },
	{ NKEY_ACCOUNT, USR "'pub':{'deny':['a q']}", "pub.deny: \"a q\": space" },
	{ NKEY_ACCOUNT, USR "'sub':{'allow':['a q'],'deny':['a.> q.*']}", NULL },
	{ NKEY_ACCOUNT, USR "'sub':{'allow':['a q r']}", "more than one space" },
	{ NKEY_ACCOUNT, USR "'sub':{'allow':['a ']}", "no queue" },
	{ NKEY_ACCOUNT, USR "'sub':{'deny':['{{name()}}']}",
		"templates work in scopes only" },
	{ NKEY_ACCOUNT, USR "'src':['10.0.0.0/8','::1/128','0.0.0.0/0']", NULL },
	{ NKEY_ACCOUNT, USR "'src':['10.0.0.1']", "src" },
	{ NKEY_ACCOUNT, USR "'src':['10.0.0.0/33']", "src" },
	{ NKEY_ACCOUNT, USR "'src':['10.0.0/8']", "src" },
	{ NKEY_ACCOUNT, USR "'src':['::1/129']", "src" },
	{ NKEY_ACCOUNT, USR "'src':['10.0.0.0/-1']", "src" },
	{ NKEY_ACCOUNT, USR "'times':[{'start':'00:00:00','end':'23:59:59'}]", NULL },
	{ NKEY_ACCOUNT, USR "'times':[{'start':'24:00:00','end':'23:59:59'}]",
		"times: range 1" },
	{ NKEY_ACCOUNT, USR "'times':[{'start':'08:00:00'}]", "times: range 1" },
	{ NKEY_ACCOUNT, USR "'times':[{'start':'8:00:00','end':'09:60:00'}]",
		"times: range 1" },
	{ NKEY_ACCOUNT, USR "'times_location':'UTC'", NULL },
	{ NKEY_ACCOUNT, USR "'times_location':'Europe/Rome'", NULL },
	/* A folder, a file that is no zone, one that is not there. */
	{ NKEY_ACCOUNT, USR "'times_location':'Europe'", "time zone" },
	{ NKEY_ACCOUNT, USR "'times_location':'leapseconds'", "time zone" },
	{ NKEY_ACCOUNT, USR "'times_location':'Europe/Atlantis'", "time zone" },
	{ NKEY_ACCOUNT, USR "'times_location':'../../etc/passwd'", "time zone" },
	{ NKEY_ACCOUNT, USR "'times_location':'Rome, Italy'", "time zone" },
	{ NKEY_ACCOUNT, USR "'subs':2147483647", NULL },
	{ NKEY_ACCOUNT, USR "'subs':2147483648", "subs: over 2147483647" },
	{ NKEY_ACCOUNT, USR "'payload':2147483648", "payload" },
	{ NKEY_ACCOUNT, USR "'issuer_account':'" AC "'", NULL },
	{ NKEY_ACCOUNT, USR "'issuer_account':'" US "'", "issuer_account" },
	{ NKEY_ACCOUNT, USR "'allowed_connection_types':['standard','TELNET']", NULL },
	{ NKEY_ACCOUNT, USR "'allowed_connection_types':[]", NULL },
	{ NKEY_ACCOUNT, USR "'allowed_connection_types':['TELNET','FTP']",
		"none is known" },
	{ NKEY_ACCOUNT,
		USR "'times':[{'start':'22:00:00','end':'06:00:00'},{'start':'08:00:00',"
		    "'end':'08:00:00'}]",
		"times: range 2: start and end are equal" },
	{ NKEY_ACCOUNT, USR "'sub':{'deny':['a.>.b q']}", "\">\" at position 2" },
	{ NKEY_ACCOUNT, USR "'sub':{'allow':['a  q']}", "more than one space" },
	{ NKEY_ACCOUNT, USR "'sub':{'allow':['a q..r']}", "queue" },
	{ NKEY_ACCOUNT, USR "'pub':{'allow':['']}", "the subject is empty" },
	{ NKEY_ACCOUNT, USR "'pub':{'deny':['.a']}", "empty token at position 1" },
	{ NKEY_ACCOUNT, USR "'src':['']", "src" },
	{ NKEY_ACCOUNT, USR "'src':['010.0.0.0/8']", "src" },
	{ NKEY_ACCOUNT, USR "'src':['fe80::1%eth0/64']", "src" },
	{ NKEY_ACCOUNT, USR "'src':['10.0.0.0/']", "src" },
};

static const struct rule operator_rules[] = {
	{ NKEY_OPERATOR, OPR "'signing_keys':['" OP "'],'system_account':'" AC "'",
		NULL },
	{ NKEY_OPERATOR, OPR "'signing_keys':['" AC "']", "signing_keys" },
	{ NKEY_OPERATOR, OPR "'system_account':'" OP "'", "system_account" },
	{ NKEY_OPERATOR, OPR "'assert_server_version':'2.10.0'", NULL },
	{ NKEY_OPERATOR, OPR "'assert_server_version':'2.10'", "assert_server_version" },
	{ NKEY_OPERATOR, OPR "'assert_server_version':'2.10.0.1'",
		"assert_server_version" },
	{ NKEY_OPERATOR, OPR "'assert_server_version':'2.-1.0'",
		"assert_server_version" },
	{ NKEY_OPERATOR, OPR "'assert_server_version':'v2.1.0'",
		"assert_server_version" },
	{ NKEY_OPERATOR, OPR "'account_server_url':'https://h/jwt/v1'", NULL },
	{ NKEY_OPERATOR, OPR "'account_server_url':'localhost'", "account_server_url" },
	{ NKEY_OPERATOR, OPR "'operator_service_urls':['nats://h:4222','wss://h']",
		NULL },
	{ NKEY_OPERATOR, OPR "'operator_service_urls':['http://h']",
		"nats, tls, ws or wss" },
	{ NKEY_OPERATOR, OPR "'operator_service_urls':['nats://u:pw@h']", "credentials" },
	{ NKEY_OPERATOR, OPR "'operator_service_urls':['nats://h/path']", "path" },
	{ NKEY_OPERATOR, OPR "'operator_service_urls':['h']", "not a URL" },
};

static const struct rule account_rules[] = {
	{ NKEY_OPERATOR, OPEN "'tags':['a']", NULL },
	{ NKEY_OPERATOR, OPEN "'limits2':1,'description':'d','info_url':'https://a.b/c'",
		NULL },
	{ NKEY_OPERATOR, OPEN "'info_url':'a.b/c'", "info_url" },
	{ NKEY_OPERATOR, OPEN "'info_url':'http:///c'", "info_url" },
	{ NKEY_OPERATOR, OPEN "'cluster_traffic':'owner'", NULL },
	{ NKEY_OPERATOR, OPEN "'cluster_traffic':'mine'", "cluster_traffic" },
	{ NKEY_OPERATOR, OPEN "'trace':{'dest':'a.b','sampling':100}", NULL },
	{ NKEY_OPERATOR, OPEN "'trace':{'dest':'a.*'}", "trace.dest" },
	{ NKEY_OPERATOR, OPEN "'trace':{}", "trace.dest" },
	{ NKEY_OPERATOR, OPEN "'trace':{'dest':'a','sampling':101}", "trace.sampling" },
	{ NKEY_OPERATOR, OPEN "'trace':{'dest':'a','sampling':-1}", "trace.sampling" },
	{ NKEY_OPERATOR, OPEN "'trace':{'dest':'a.>'}", "trace.dest" },
	{ NKEY_OPERATOR, OPEN "'trace':{'dest':'a b'}", "trace.dest" },
	{ NKEY_OPERATOR, OPEN "'cluster_traffic':'system'", NULL },
	{ NKEY_OPERATOR, OPEN "'cluster_traffic':'Owner'", "cluster_traffic" },
	{ NKEY_OPERATOR, OPEN "'default_permissions':{'sub':{'allow':['a q']}}", NULL },
	{ NKEY_OPERATOR, OPEN "'default_permissions':{'sub':{'allow':['a q r']}}",
		"sub.allow" },
	{ NKEY_OPERATOR, OPEN "'default_permissions':{'pub':{'allow':['{{name()}}']}}",
		"templates work in scopes only" },
	{ NKEY_OPERATOR, OPEN "'signing_keys':['" AC2 "']", NULL },
	{ NKEY_OPERATOR, OPEN "'signing_keys':['" US "']", "signing_keys" },
	{ NKEY_OPERATOR, OPEN "'default_permissions':{'pub':{'deny':['a b']}}",
		"pub.deny" },
	/* limits */
	{ NKEY_OPERATOR, ACCOUNT "'limits':{'conn':2147483648}", "limits.conn" },
	{ NKEY_OPERATOR, ACCOUNT "'limits':{'leaf':2147483648}", "limits.leaf" },
	{ NKEY_OPERATOR, ACCOUNT "'limits':{'tiered_limits':{'':{}}}",
		"tier without a name" },
	{ NKEY_OPERATOR, ACCOUNT "'limits':{'tiered_limits':{'R1':{},'R5':{}}}", NULL },
	{ NKEY_OPERATOR, ACCOUNT "'limits':{'tiered_limits':{'R6':{}}}",
		"limits: tier \"R6\"" },
	{ NKEY_OPERATOR, ACCOUNT "'limits':{'tiered_limits':{'gold':{}}}",
		"limits: tier \"gold\"" },
	{ NKEY_OPERATOR, ACCOUNT "'limits':{'subs':2147483648}", "limits.subs" },
	{ NKEY_OPERATOR, ACCOUNT "'limits':{'payload':2147483648}", "limits.payload" },
	{ NKEY_OPERATOR,
		ACCOUNT "'limits':{'imports':0},'imports':[{'account':'" AC2
			"','subject':'a','type':'stream'}]",
		"imports: 1 are over the limit of 0" },
	{ NKEY_OPERATOR,
		ACCOUNT
		"'limits':{'exports':0},'exports':[{'subject':'a','type':'stream'}]",
		"exports: 1 are over the limit of 0" },
	{ NKEY_OPERATOR,
		ACCOUNT
		"'limits':{'exports':1},'exports':[{'subject':'a.*','type':'stream'}]",
		"wildcards are not allowed" },
	{ NKEY_OPERATOR,
		ACCOUNT
		"'limits':{'exports':-1},'exports':[{'subject':'a.*','type':'stream'}]",
		NULL },
	/* scopes */
	{ NKEY_OPERATOR, SCOPE("'pub':{'allow':['a.{{name()}}.{{tag(x)}}','b.>']}"),
		NULL },
	{ NKEY_OPERATOR, SCOPE("'pub':{'allow':['{{user()}}']}"), "unknown template" },
	{ NKEY_OPERATOR, SCOPE("'pub':{'allow':['{{tag()}}']}"), "unknown template" },
	{ NKEY_OPERATOR, SCOPE("'pub':{'allow':['{{name(}}']}"), "unknown template" },
	{ NKEY_OPERATOR, SCOPE("'pub':{'deny':['{{name()']}"), "not closed" },
	{ NKEY_OPERATOR, SCOPE("'sub':{'allow':['{{name()}}','a q']}"), "queue" },
	{ NKEY_OPERATOR, SCOPE("'sub':{'allow':['a q']}"), NULL },
	{ NKEY_OPERATOR, SCOPE("'src':['x']"), "src" },
	{ NKEY_OPERATOR, SCOPE("'times':[{'start':'08:00:00','end':'08:00:00'}]"),
		"times: range 1: start and end are equal" },
	{ NKEY_OPERATOR, SCOPE("'times_location':'Europe'"), "time zone" },
	{ NKEY_OPERATOR, SCOPE("'allowed_connection_types':['TELNET']"),
		"none is known" },
	{ NKEY_OPERATOR, SCOPE("'allowed_connection_types':['MQTT','TELNET']"), NULL },
	{ NKEY_OPERATOR, SCOPE("'subs':2147483648"), "subs" },
	{ NKEY_OPERATOR,
		OPEN "'signing_keys':[{'kind':'user_scope','key':'" US "','template':{}}"
		     "]",
		"signing_keys" },
	/* mappings */
	{ NKEY_OPERATOR,
		OPEN "'mappings':{'a':[{'subject':'b','weight':60},{'subject':'c','"
		     "weight':40}]}",
		NULL },
	{ NKEY_OPERATOR,
		OPEN "'mappings':{'a':[{'subject':'b','weight':60},{'subject':'c','"
		     "weight':41}]}",
		"sum up to 101" },
	{ NKEY_OPERATOR, OPEN "'mappings':{'a':[{'subject':'b'},{'subject':'c'}]}",
		"sum up to 200" },
	{ NKEY_OPERATOR,
		OPEN "'mappings':{'a':[{'subject':'b'},{'subject':'c','cluster':'x'}]}",
		NULL },
	{ NKEY_OPERATOR, OPEN "'mappings':{'a':[{'subject':'b','weight':101}]}",
		"mapping \"a\" target 1: weight 101" },
	{ NKEY_OPERATOR, OPEN "'mappings':{'a.*':[{'subject':'b.$2'}]}",
		"mapping \"a.*\" target 1: subject \"b.$2\": there is no wildcard 2" },
	{ NKEY_OPERATOR, OPEN "'mappings':{'a':[{'subject':'a','weight':1}],'*':[]}",
		"mappings: \"a\" and \"*\" overlap" },
	{ NKEY_OPERATOR,
		OPEN "'mappings':{'a':[{'subject':'b','cluster':'x'},{'subject':'b'}]}",
		"is that of target 1 already" },
	{ NKEY_OPERATOR, OPEN "'mappings':{'a..b':[]}", "mapping \"a..b\"" },
	{ NKEY_OPERATOR, OPEN "'mappings':{'a':[{'weight':1}]}", "subject is empty" },
	/* authorization */
	{ NKEY_OPERATOR,
		OPEN "'authorization':{'auth_users':['" US "'],'allowed_accounts':['" AC
		     "'],'xkey':'" XK "'}",
		NULL },
	{ NKEY_OPERATOR, OPEN "'authorization':{'allowed_accounts':['*']}",
		"without auth_users" },
	{ NKEY_OPERATOR, OPEN "'authorization':{'auth_users':['" AC "']}", "auth_users" },
	{ NKEY_OPERATOR,
		OPEN "'authorization':{'auth_users':['" US
		     "'],'allowed_accounts':['*','" AC "']}",
		"stands alone" },
	{ NKEY_OPERATOR,
		OPEN "'authorization':{'auth_users':['" US "'],'allowed_accounts':['" US
		     "']}",
		"allowed_accounts" },
	{ NKEY_OPERATOR, OPEN "'authorization':{'auth_users':['" US "'],'xkey':'" US "'}",
		"xkey" },
};

static const struct rule import_rules[] = {
	{ NKEY_OPERATOR, IMPORT("'subject':'a.>','type':'stream','allow_trace':true"),
		NULL },
	{ NKEY_OPERATOR, IMPORT("'subject':'a'"), "neither stream nor service" },
	{ NKEY_OPERATOR, OPEN "'imports':[{'subject':'a','type':'stream'}]",
		"no account" },
	{ NKEY_OPERATOR, OPEN "'imports':[{'subject':'a','type':'stream','account':'x'}]",
		"role account" },
	{ NKEY_OPERATOR, IMPORT("'subject':'a.','type':'stream'"), "empty token" },
	{ NKEY_OPERATOR, IMPORT("'subject':'a','type':'stream','share':true"), "share" },
	{ NKEY_OPERATOR, IMPORT("'subject':'a','type':'service','allow_trace':true"),
		"allow_trace" },
	{ NKEY_OPERATOR, IMPORT("'subject':'a','type':'stream','to':'b'"), NULL },
	{ NKEY_OPERATOR,
		IMPORT("'subject':'a','type':'stream','to':'b','local_subject':'c'"),
		"both of to" },
	{ NKEY_OPERATOR,
		IMPORT("'subject':'a.*.*','type':'service','local_subject':'b.$2.$1'"),
		NULL },
	{ NKEY_OPERATOR,
		IMPORT("'subject':'a.*.*','type':'service','local_subject':'b.*.$1'"),
		NULL },
	{ NKEY_OPERATOR, IMPORT("'subject':'a.*','type':'service','local_subject':'b'"),
		"uses 0 of 1" },
	{ NKEY_OPERATOR,
		IMPORT("'subject':'a.*','type':'service','local_subject':'b.$2'"), "$2" },
	/* References for servers, and to nothing. */
	{ NKEY_OPERATOR, IMPORT("'subject':'a','type':'service','local_subject':'b.$0'"),
		"$0, but the subject has 0 wildcards" },
	{ NKEY_OPERATOR, IMPORT("'subject':'a','type':'service','local_subject':'b.$-1'"),
		"$-1, but" },
	{ NKEY_OPERATOR,
		IMPORT("'subject':'a','type':'service','local_subject':'b.$4294967297'"),
		"$4294967297, but" },
	{ NKEY_OPERATOR,
		IMPORT("'subject':'a.*','type':'service','local_subject':'b.$1.$x'"),
		NULL },
	{ NKEY_OPERATOR,
		IMPORT("'subject':'a.*','type':'service','local_subject':'b.$1.$1'"),
		"uses 2 of 1" },
	{ NKEY_OPERATOR, IMPORT("'subject':'a.>','type':'stream','local_subject':'b'"),
		"end in \">\"" },
	{ NKEY_OPERATOR, IMPORT("'subject':'a.>','type':'stream','local_subject':'>'"),
		NULL },
	{ NKEY_OPERATOR, IMPORT("'subject':'a','type':'stream','local_subject':'b..c'"),
		"empty token" },
	{ NKEY_OPERATOR, IMPORT("'subject':'a','type':'stream','token':'tok'"),
		"invalid" },
	/* Services overlap also between exporting accounts. */
	{ NKEY_OPERATOR,
		OPEN "'imports':[{'account':'" AC "','subject':'a.>','type':'service'},"
		     "{'account':'" AC2 "','subject':'a.b','type':'service'}]",
		"overlap" },
	{ NKEY_OPERATOR,
		OPEN "'imports':[{'account':'" AC "','subject':'x.*','type':'service',"
		     "'local_subject':'a.$1'},{'account':'" AC2
		     "','subject':'a.b','type':'service'}]",
		"overlap" },
	{ NKEY_OPERATOR,
		OPEN "'imports':[{'account':'" AC "','subject':'a','type':'service'},"
		     "{'account':'" AC2
		     "','subject':'a','type':'service','local_subject':'b'}]",
		NULL },
	{ NKEY_OPERATOR,
		OPEN "'imports':[{'account':'" AC "','subject':'a','type':'stream'},"
		     "{'account':'" AC2 "','subject':'a','type':'stream'}]",
		NULL },
};

static const struct rule export_rules[] = {
	{ NKEY_OPERATOR, EXPORT("'subject':'a.>','type':'stream'"), NULL },
	{ NKEY_OPERATOR, EXPORT("'subject':'a'"), "neither stream nor service" },
	{ NKEY_OPERATOR, EXPORT("'subject':'a b','type':'stream'"), "space" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a','type':'service','response_type':'Chunked'"),
		NULL },
	{ NKEY_OPERATOR, EXPORT("'subject':'a','type':'service','response_type':'Many'"),
		"response_type" },
	{ NKEY_OPERATOR, EXPORT("'subject':'a','type':'stream','response_type':'Stream'"),
		"response_type" },
	{ NKEY_OPERATOR, EXPORT("'subject':'a','type':'service','response_threshold':-1"),
		"response_threshold" },
	{ NKEY_OPERATOR, EXPORT("'subject':'a','type':'stream','response_threshold':1"),
		"response_threshold" },
	{ NKEY_OPERATOR, EXPORT("'subject':'a','type':'stream','allow_trace':true"),
		"allow_trace" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a','type':'service','service_latency':{'sampling':101,"
		       "'results':'r'}"),
		"sampling" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a','type':'service','service_latency':{'sampling':1,"
		       "'results':'r.*'}"),
		"wildcard" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a','type':'stream','service_latency':{'sampling':1,"
		       "'results':'r'}"),
		"services only" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a.*','type':'stream','account_token_position':2"),
		NULL },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a.*','type':'stream','account_token_position':1"),
		"account_token_position" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a.*','type':'stream','account_token_position':3"),
		"account_token_position" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a.>','type':'stream','account_token_position':2"),
		"account_token_position" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a.*b','type':'stream','account_token_position':2"),
		"account_token_position" },
	{ NKEY_OPERATOR, EXPORT("'subject':'a','type':'stream','info_url':'x'"),
		"info_url" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a.*','type':'stream'},{'subject':'a.b','type':'"
		       "stream'"),
		"overlap" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a','type':'stream'},{'subject':'a','type':'stream'"),
		"overlap" },
	{ NKEY_OPERATOR,
		EXPORT("'subject':'a.*','type':'stream'},{'subject':'a.b','type':'"
		       "service'"),
		NULL },
};

#define ACT "'type':'activation','version':2,"
#define RES "'type':'authorization_response','version':2,"

static const struct rule other_rules[] = {
	{ NKEY_ACCOUNT, ACT "'subject':'a.*','kind':'stream','issuer_account':'" AC "'",
		NULL },
	{ NKEY_ACCOUNT, ACT "'subject':'a.*'", "neither stream nor service" },
	{ NKEY_ACCOUNT, ACT "'kind':'stream'", "subject is empty" },
	{ NKEY_ACCOUNT, ACT "'subject':'a','kind':'stream','issuer_account':'" US "'",
		"issuer_account" },
	{ NKEY_ACCOUNT, RES "'jwt':'x'", NULL },
	{ NKEY_ACCOUNT, RES "'error':'x','issuer_account':'" AC "'", NULL },
	{ NKEY_ACCOUNT, RES "'tags':[]", "one of jwt and error" },
	{ NKEY_ACCOUNT, RES "'jwt':'x','error':'y'", "one of jwt and error" },
	{ NKEY_ACCOUNT, RES "'jwt':'x','issuer_account':'" US "'", "issuer_account" },
	{ NKEY_SERVER, "'type':'authorization_request','version':2,'user_nkey':'" US "'",
		NULL },
	{ NKEY_SERVER, "'type':'authorization_request','version':2,'user_nkey':'" AC "'",
		"user_nkey" },
	{ NKEY_OPERATOR, "'accounts':[],'version':2", NULL },
};

static void
check_rules(const struct rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct jwt_claims claims = { 0 };
		struct jwt_issues issues;
		token_decode_nats(rules[i].nats, rules[i].signer, &claims);
		jwt_validate(&claims, now_s, &issues);
		const char *found = jwt_issues_find_blocking(&issues, true);
		if (rules[i].blocking == NULL ? found != NULL
					      : found == NULL ||
					strstr(found, rules[i].blocking) == NULL) {
			fail_msg("%s: \"%s\", expected \"%s\"", rules[i].nats,
				found != NULL ? found : "none",
				rules[i].blocking != NULL ? rules[i].blocking : "none");
		}
		jwt_claims_release(&claims);
	}
}

static void
test_validate_rules(void **state)
{
	(void)state;
	check_rules(user_rules, COUNT(user_rules));
	check_rules(operator_rules, COUNT(operator_rules));
	check_rules(account_rules, COUNT(account_rules));
	check_rules(import_rules, COUNT(import_rules));
	check_rules(export_rules, COUNT(export_rules));
	check_rules(other_rules, COUNT(other_rules));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_validate_rules),
	};
	if (sodium_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests_name("jwt_validate_rules", tests, NULL, NULL);
}
