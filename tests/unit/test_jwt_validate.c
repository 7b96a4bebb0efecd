/* SPDX-License-Identifier: Apache-2.0
 * What is found in claims as a whole: times, subjects, activations. The single rules:
 * test_jwt_validate_rules.c. */
#include "jwt/validate.h"

#include "base/str.h"
#include "support/jwt_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const int64_t now_s = SAMPLE_ISSUED_AT;

/* The Go library found these two in the same claims. */
static void
test_validate_golden(void **state)
{
	(void)state;
	struct jwt_claims claims;
	struct jwt_issues issues;
	jwt_sample_find("account full")->build(&claims);
	jwt_validate(&claims, now_s, &issues);
	/* Of ours alone: queues beside templates in the scope. */
	assert_int_equal(issues.blocking, 2);
	assert_int_equal(issues.warnings, 1);
	assert_int_equal(issues.time, 0);
	assert_non_null(strstr(issues.items[0].text, "deprecated"));
	assert_non_null(strstr(issues.items[1].text, "activation token is invalid"));
	assert_non_null(strstr(issues.items[2].text, "queue"));
	jwt_claims_release(&claims);
	for (size_t i = 0; i < jwt_samples_len; i++) {
		if (str_equal(jwt_samples[i].name, "account full")) {
			continue;
		}
		jwt_samples[i].build(&claims);
		jwt_validate(&claims, now_s, &issues);
		assert_int_equal(issues.len, 0);
		jwt_claims_release(&claims);
	}
}

static void
test_validate_times(void **state)
{
	(void)state;
	const struct {
		int64_t exp;
		int64_t nbf;
		size_t time;
	} table[] = {
		{ 0, 0, 0 },
		{ now_s, now_s, 0 },
		{ now_s - 1, 0, 1 },
		{ 0, now_s + 1, 1 },
		{ now_s - 1, now_s + 1, 2 },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct jwt_claims claims;
		struct jwt_issues issues;
		jwt_sample_find("user scoped")->build(&claims);
		claims.exp = table[i].exp;
		claims.nbf = table[i].nbf;
		jwt_validate(&claims, now_s, &issues);
		assert_int_equal(issues.time, table[i].time);
		assert_int_equal(issues.blocking, 0);
		assert_int_equal(jwt_issues_find_blocking(&issues, true) != NULL,
			table[i].time > 0);
		assert_null(jwt_issues_find_blocking(&issues, false));
		jwt_claims_release(&claims);
	}
}

static void
test_validate_subject_role(void **state)
{
	(void)state;
	struct jwt_claims claims;
	struct jwt_issues issues;
	jwt_sample_find("user scoped")->build(&claims);
	free(claims.sub);
	claims.sub = str_dup(SAMPLE_ACCOUNT_KEY);
	jwt_validate(&claims, now_s, &issues);
	assert_non_null(strstr(jwt_issues_find_blocking(&issues, false), "sub: "));
	jwt_claims_release(&claims);
}

/* All are counted, also those for which there is no room. */
static void
test_validate_many(void **state)
{
	(void)state;
	struct jwt_claims claims;
	struct jwt_issues issues;
	jwt_sample_find("user scoped")->build(&claims);
	for (int i = 0; i < JWT_ISSUES_MAX; i++) {
		assert_int_equal(
			strlist_add(&claims.as.user.limits.allowed_connection_types, "X",
				NULL),
			0);
	}
	assert_int_equal(strlist_add(&claims.as.user.limits.allowed_connection_types,
				 "MQTT", NULL),
		0);
	free(claims.as.user.issuer_account);
	claims.as.user.issuer_account = str_dup("X");
	jwt_validate(&claims, now_s, &issues);
	assert_int_equal(issues.len, JWT_ISSUES_MAX);
	assert_int_equal(issues.warnings, JWT_ISSUES_MAX);
	assert_int_equal(issues.blocking, 1);
	assert_non_null(jwt_issues_find_blocking(&issues, false));
	jwt_claims_release(&claims);
}

/* An import with the golden activation, changed in one thing at a time. */
static void
test_validate_activation(void **state)
{
	(void)state;
	const struct {
		enum nkey_role role;
		uint8_t importer;
		const char *account;
		enum jwt_export_type type;
		const char *subject;
		const char *expected;
	} table[] = {
		{ NKEY_ACCOUNT, 0x22, SAMPLE_ACCOUNT_KEY, JWT_EXPORT_SERVICE, "svc.a",
			NULL },
		{ NKEY_ACCOUNT, 0x02, SAMPLE_ACCOUNT_KEY, JWT_EXPORT_SERVICE, "svc.a",
			"for another account" },
		{ NKEY_ACCOUNT, 0x22, SAMPLE_OTHER_ACCOUNT_KEY, JWT_EXPORT_SERVICE,
			"svc.a", "of another account" },
		{ NKEY_ACCOUNT, 0x22, SAMPLE_ACCOUNT_KEY, JWT_EXPORT_STREAM, "svc.a",
			"of another type" },
		{ NKEY_ACCOUNT, 0x22, SAMPLE_ACCOUNT_KEY, JWT_EXPORT_SERVICE, "svc.a.b",
			"does not cover" },
		{ NKEY_ACCOUNT, 0x22, SAMPLE_ACCOUNT_KEY, JWT_EXPORT_SERVICE, "svc.>",
			"does not cover" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct jwt_claims claims = { .type = JWT_ACCOUNT };
		struct jwt_issues issues;
		struct buf token;
		struct jwt_import *import = calloc(1, sizeof(*import));
		assert_non_null(import);
		buf_init(&token, 4096);
		jwt_sample_put(jwt_sample_find("activation"), &token);
		jwt_account_init(&claims.as.account);
		claims.sub =
			str_dup(sample_key_make(table[i].role, table[i].importer).text);
		import->account = str_dup(table[i].account);
		import->type = table[i].type;
		import->subject = str_dup(table[i].subject);
		import->token = buf_take(&token);
		claims.as.account.imports = import;
		claims.as.account.imports_len = 1;
		jwt_validate(&claims, now_s, &issues);
		const char *found = jwt_issues_find_blocking(&issues, false);
		if (table[i].expected == NULL) {
			assert_null(found);
		} else {
			assert_non_null(found);
			assert_non_null(strstr(found, table[i].expected));
		}
		jwt_claims_release(&claims);
	}
}

/* The issuer is the exporter itself, so nothing else looks at the issuer_account. */
static void
test_validate_activation_issuer(void **state)
{
	(void)state;
	for (int bad = 0; bad < 2; bad++) {
		struct sample_key exporter = sample_key_make(NKEY_ACCOUNT, 0x02);
		struct jwt_signer signer = sample_signer(&exporter);
		struct jwt_claims activation = { .type = JWT_ACTIVATION };
		struct jwt_claims claims = { .type = JWT_ACCOUNT };
		struct jwt_issues issues;
		struct err err = { 0 };
		struct buf token;
		struct jwt_import *import = calloc(1, sizeof(*import));
		assert_non_null(import);
		activation.sub = str_dup(SAMPLE_OTHER_ACCOUNT_KEY);
		activation.as.activation.subject = str_dup("a");
		activation.as.activation.kind = JWT_EXPORT_STREAM;
		activation.as.activation.issuer_account =
			str_dup(bad ? SAMPLE_USER_KEY : SAMPLE_ACCOUNT_KEY);
		buf_init(&token, 4096);
		assert_int_equal(jwt_encode(&activation, &signer, &token, &err), 0);
		jwt_account_init(&claims.as.account);
		claims.sub = str_dup(SAMPLE_OTHER_ACCOUNT_KEY);
		import->account = str_dup(SAMPLE_ACCOUNT_KEY);
		import->type = JWT_EXPORT_STREAM;
		import->subject = str_dup("a");
		import->token = buf_take(&token);
		claims.as.account.imports = import;
		claims.as.account.imports_len = 1;
		jwt_validate(&claims, now_s, &issues);
		const char *found = jwt_issues_find_blocking(&issues, false);
		if (bad) {
			assert_non_null(found);
			assert_non_null(
				strstr(found, "issuer_account of the activation"));
		} else {
			assert_null(found);
		}
		jwt_claims_release(&claims);
		jwt_claims_release(&activation);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_validate_golden),
		cmocka_unit_test(test_validate_times),
		cmocka_unit_test(test_validate_subject_role),
		cmocka_unit_test(test_validate_many),
		cmocka_unit_test(test_validate_activation),
		cmocka_unit_test(test_validate_activation_issuer),
	};
	if (sodium_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests_name("jwt_validate", tests, NULL, NULL);
}
