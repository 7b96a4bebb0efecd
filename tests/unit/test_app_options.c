/* SPDX-License-Identifier: Apache-2.0
 * The command line: options, those of the connection to NATS, and exit codes. */
#include "app/commands.h"
#include "app/nats_options.h"
#include "app/options.h"
#include "base/str.h"
#include "support/assert_code.h"
#include "support/temp_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- options ---- */

static void
clear_environment(void)
{
	static const char *const names[] = { "NATSID_DATA", "NATSID_KEY_FILE",
		"NATSID_CONFIG", "NATSID_OPERATOR", "NATSID_LISTEN", "NATSID_NATS",
		"NATSID_LOG_LEVEL", "NATSID_OUTPUT", "NATSID_SERVER_NAME", "NATSID_PORT",
		"NATSID_JETSTREAM", "NATSID_ROLE_PACE", "NATSID_JWT_LIFETIME",
		"NATSID_NATS_MAX_PRIMARY_RETRIES", "NATSID_NATS_INITIAL_BACKOFF",
		"NATSID_NATS_MAX_BACKOFF", "NATSID_NATS_BACKOFF_MULTIPLIER",
		"NATSID_NATS_FAILBACK_INTERVAL", "NATSID_NATS_CONNECT_TIMEOUT",
		"NATSID_NATS_PUBLISH_TIMEOUT", "NATSID_NATS_REQUEST_TIMEOUT",
		"NATSID_NATS_CA", "NATSID_NATS_CERT", "NATSID_NATS_KEY",
		"NATSID_TOMBSTONE_TTL" };
	assert_int_equal(COUNT(names), OPTION_ONE_CALL);
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_int_equal(unsetenv(names[i]), 0);
	}
}

enum {
	MASK = OPTION_BIT(OPTION_DATA) | OPTION_BIT(OPTION_CONFIG) |
		OPTION_BIT(OPTION_LISTEN) | OPTION_BIT(OPTION_NATS) |
		OPTION_BIT(OPTION_KEY_FILE)
};

/* Arguments up to NULL; at most `positionals` that are no options. */
static int
read_args(
	const char *const *args, size_t positionals, struct options *out, struct err *err)
{
	char *argv[16];
	int argc = 0;
	*out = (struct options){ 0 };
	*err = (struct err){ 0 };
	for (; args[argc] != NULL; argc++) {
		argv[argc] = str_dup(args[argc]);
		assert_non_null(argv[argc]);
	}
	int rc = options_read(argc, argv, MASK, positionals, out, err);
	/* positional arguments are of argv: compare before it goes */
	for (int i = 0; i < argc; i++) {
		for (size_t p = 0; p < out->positional_count; p++) {
			if (out->positional[p] == argv[i]) {
				out->positional[p] = args[i];
			}
		}
		free(argv[i]);
	}
	return rc;
}

static void
test_precedence(void **state)
{
	const struct temp_folder *f = *state;
	struct options options;
	struct err err;
	clear_environment();
	assert_int_equal(read_args((const char *const[]){ NULL }, 0, &options, &err), 0);
	assert_string_equal(options.values[OPTION_DATA], "./natsid-data");
	assert_string_equal(options.values[OPTION_LISTEN], "127.0.0.1:8090");
	assert_string_equal(options.values[OPTION_NATS], "nats://127.0.0.1:4222");
	assert_null(options.values[OPTION_KEY_FILE]);
	assert_null(options.values[OPTION_CONFIG]);
	assert_null(options.values[OPTION_OPERATOR]); /* not this command's */
	options_release(&options);

	temp_write_text(f->config,
		"{\"data\": \"from-file\", \"listen\": \"file:1\", \"nats\": "
		"\"nats://file\", \"operator\": \"of another command\", "
		"\"port\": 4333}");
	const char *const with_file[] = { "--config", f->config, NULL };
	assert_int_equal(read_args(with_file, 0, &options, &err), 0);
	assert_string_equal(options.values[OPTION_DATA], "from-file");
	assert_string_equal(options.values[OPTION_LISTEN], "file:1");
	assert_null(options.values[OPTION_OPERATOR]);
	assert_null(options.values[OPTION_PORT]);
	options_release(&options);

	setenv("NATSID_LISTEN", "env:2", 1);
	setenv("NATSID_NATS", "", 1); /* as good as unset */
	setenv("NATSID_DATA", "from-env", 1);
	const char *const with_flags[] = { "--config", f->config, "--data=from-flag",
		NULL };
	assert_int_equal(read_args(with_flags, 0, &options, &err), 0);
	assert_string_equal(options.values[OPTION_DATA], "from-flag");
	assert_string_equal(options.values[OPTION_LISTEN], "env:2");
	assert_string_equal(options.values[OPTION_NATS], "nats://file");
	options_release(&options);

	/* the file itself from the environment; the last flag counts */
	setenv("NATSID_CONFIG", f->config, 1);
	const char *const twice[] = { "--data", "a", "--data", "b", NULL };
	assert_int_equal(read_args(twice, 0, &options, &err), 0);
	assert_string_equal(options.values[OPTION_DATA], "b");
	assert_string_equal(options.values[OPTION_NATS], "nats://file");
	options_release(&options);
	clear_environment();
}

static void
test_wrong_options(void **state)
{
	static const struct {
		const char *args[4];
		const char *words;
	} cases[] = {
		{ { "--nope", "x" }, "unknown option --nope" },
		{ { "--dat", "x" }, "unknown option --dat" },
		{ { "--nope=1" }, "unknown option --nope" },
		{ { "--" }, "unknown option --" },
		{ { "--operator", "x" },
			"unknown option --operator" }, /* of another command */
		{ { "--data" }, "--data needs a value" },
		{ { "stray" }, "unexpected argument \"stray\"" },
		{ { "--data", "a", "stray" }, "unexpected argument \"stray\"" },
		{ { "--config", "/nonexistent/c.json" },
			"configuration /nonexistent/c.json" },
	};
	(void)state;
	clear_environment();
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct options options;
		struct err err;
		int rc = read_args(cases[i].args, 0, &options, &err);
		assert_code(rc, &err, ERR_INVALID);
		if (strstr(err.msg, cases[i].words) == NULL) {
			fail_msg("\"%s\" instead of \"%s\"", err.msg, cases[i].words);
		}
		options_release(&options);
	}
}

static void
test_positionals(void **state)
{
	struct options options;
	struct err err;
	(void)state;
	clear_environment();
	const char *const args[] = { "me@example.com", "--data", "d", "-", NULL };
	assert_int_equal(read_args(args, 2, &options, &err), 0);
	assert_int_equal(options.positional_count, 2);
	assert_string_equal(options.positional[0], "me@example.com");
	assert_string_equal(options.positional[1], "-");
	options_release(&options);
	const char *const more[] = { "a", "b", "c", NULL };
	assert_code(read_args(more, 2, &options, &err), &err, ERR_INVALID);
	assert_non_null(strstr(err.msg, "\"c\""));
	options_release(&options);
	/* help needs nothing else to be right */
	const char *const help[] = { "--config", "/nonexistent", "--help", NULL };
	assert_int_equal(read_args(help, 0, &options, &err), 0);
	assert_true(options.help);
	options_release(&options);
}

static void
test_wrong_config(void **state)
{
	static const struct {
		const char *text;
		const char *words;
	} cases[] = {
		{ "{\"listn\": \"x\"}", "unknown key \"listn\"" },
		{ "{\"config\": \"x\"}", "unknown key \"config\"" },
		{ "{\"key-file\": \"x\"}", "unknown key \"key-file\"" },
		{ "{\"data\": true}", "\"data\" is not a string" },
		{ "{\"data\": null}", "\"data\" is not a string" },
		{ "{\"data\": 1.5}", "\"data\" is not a string" },
		{ "{\"data\": \"a\", \"data\": \"b\"}", "configuration" },
		{ "[]", "not a JSON object" },
		{ "", "configuration" },
		{ "{\"data\": \"a\"", "configuration" },
	};
	const struct temp_folder *f = *state;
	clear_environment();
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct options options;
		struct err err;
		const char *const args[] = { "--config", f->config, NULL };
		temp_write_text(f->config, cases[i].text);
		int rc = read_args(args, 0, &options, &err);
		assert_code(rc, &err, ERR_INVALID);
		if (strstr(err.msg, cases[i].words) == NULL ||
			strstr(err.msg, f->config) == NULL) {
			fail_msg("\"%s\" instead of \"%s\"", err.msg, cases[i].words);
		}
		options_release(&options);
	}
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *text;
		const char *host; /* NULL: refused */
		uint16_t port;
	} cases[] = {
		{ "127.0.0.1:8090", "127.0.0.1", 8090 },
		{ "localhost:0", "127.0.0.1", 0 },
		{ "[::1]:65535", "::1", 65535 },
		{ "127.0.0.1", NULL, 0 },
		{ "127.0.0.1:", NULL, 0 },
		{ ":8090", NULL, 0 },
		{ "8090", NULL, 0 },
		{ "", NULL, 0 },
		{ ":", NULL, 0 },
		{ "127.0.0.1:65536", NULL, 0 },
		{ "127.0.0.1:-1", NULL, 0 },
		{ "127.0.0.1:80x", NULL, 0 },
		{ "127.0.0.1: 80", NULL, 0 },
		{ "::1", NULL, 0 },
		{ "::1:8090", NULL, 0 },
		{ "[::1]", NULL, 0 },
		{ "[::1]8090", NULL, 0 },
		{ "[]:80", NULL, 0 },
		{ "[:80", NULL, 0 },
		{ "[::1:80", NULL, 0 },
		{ "::1]:80", NULL, 0 },
		{ "[[::1]]:80", NULL, 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		char *host = NULL;
		uint16_t port = 7;
		int rc = options_split_address(cases[i].text, &host, &port, &err);
		if ((rc == 0) != (cases[i].host != NULL)) {
			fail_msg("\"%s\": %d, host \"%s\"", cases[i].text, rc,
				host != NULL ? host : "");
		}
		if (rc == 0) {
			assert_string_equal(host, cases[i].host);
			assert_int_equal(port, cases[i].port);
		} else {
			assert_int_equal(err.code, ERR_INVALID);
			assert_null(host);
			assert_int_equal(port, 7);
		}
		free(host);
	}
}

static void
test_ports(void **state)
{
	static const char *const wrong[] = { "", "0", "65536", "-1", "+1", "1 ", "0x10",
		"x" };
	struct err err = { 0 };
	uint16_t port = 0;
	(void)state;
	assert_int_equal(options_port("1", &port, &err), 0);
	assert_int_equal(port, 1);
	assert_int_equal(options_port("65535", &port, &err), 0);
	assert_int_equal(port, 65535);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_code(options_port(wrong[i], &port, &err), &err, ERR_INVALID);
		assert_int_equal(port, 65535);
	}
}

static void
test_role_pace(void **state)
{
	static const char *const wrong[] = { "", "-1", "+1", "1.5", "100001", "x" };
	struct err err = { 0 };
	int64_t pace = 0;
	(void)state;
	assert_int_equal(options_role_pace("20", &pace, &err), 0);
	assert_int_equal(pace, 20);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_code(options_role_pace(wrong[i], &pace, &err), &err, ERR_INVALID);
		assert_int_equal(pace, 20);
	}
	/* a zero would be the publisher's default */
	assert_int_equal(options_role_pace("0", &pace, &err), 0);
	assert_int_equal(pace, -1);
}

static void
test_exit_codes(void **state)
{
	static const struct {
		enum err_code code;
		enum exit_code expected;
	} cases[] = { { ERR_BUSY, EXIT_IN_USE }, { ERR_CORRUPT, EXIT_DATA },
		{ ERR_FORBIDDEN, EXIT_DATA }, { ERR_INVALID, EXIT_USAGE },
		{ ERR_INTERNAL, EXIT_FAILED }, { ERR_UNAVAILABLE, EXIT_FAILED } };
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = { 0 };
		err_set(&err, cases[i].code, "test");
		assert_int_equal(command_failed(&err), cases[i].expected);
	}
}

/* ---- the options of --nats and its relatives ---- */

enum { NATS_ARGS_MAX = 8 };

/* Reads them as `natsid serve` does. */
static int
read_nats(const char *const *args, struct options *options, struct nats_options *nats,
	struct err *err)
{
	char *argv[NATS_ARGS_MAX];
	int argc = 0;
	clear_environment();
	while (args[argc] != NULL) {
		argv[argc] = (char *)(uintptr_t)args[argc];
		argc++;
	}
	assert_int_equal(
		options_read(argc, argv, COMMAND_SERVE_OPTIONS, 0, options, err), 0);
	return nats_options_read(options, nats, err);
}

static void
test_nats_options(void **state)
{
	(void)state;
	struct options options = { 0 };
	struct nats_options nats = { 0 };
	struct bus_params params = { 0 };
	struct err err = { 0 };
	assert_int_equal(read_nats((const char *[]){ NULL }, &options, &nats, &err), 0);
	assert_int_equal(nats.urls.len, 1);
	assert_int_equal(nats.publish_timeout_ms, 10000);
	assert_int_equal(nats.request_timeout_ms, 10000);
	nats_options_apply(&nats, &params);
	assert_int_equal(params.url_count, 1);
	assert_int_equal(params.primary_retries, 4);
	assert_int_equal(params.backoff_min_ms, 1000);
	assert_int_equal(params.backoff_max_ms, 8000);
	assert_int_equal(params.backoff_percent, 200);
	assert_int_equal(params.failback_interval_ms, 30000);
	assert_int_equal(params.connect_timeout_ms, 5000);
	assert_null(params.ca_file);
	nats_options_release(&nats);
	options_release(&options);

	assert_int_equal(read_nats((const char *[]){ "--nats=a:1,tls://b",
					   "--nats-max-primary-retries=0",
					   "--nats-backoff-multiplier=1.5",
					   "--nats-initial-backoff=250ms",
					   "--nats-failback-interval=2m", NULL },
				 &options, &nats, &err),
		0);
	nats_options_apply(&nats, &params);
	assert_int_equal(params.url_count, 2);
	assert_int_equal(params.primary_retries, -1);
	assert_int_equal(params.backoff_min_ms, 250);
	assert_int_equal(params.backoff_percent, 150);
	assert_int_equal(params.failback_interval_ms, 120000);
	nats_options_release(&nats);
	options_release(&options);
}

static void
test_bad_nats_options(void **state)
{
	static const struct {
		const char *args[3];
		const char *words;
	} cases[] = {
		{ { "--nats=" }, "--nats: at least one URL" },
		{ { "--nats=nats://a,,b" }, "--nats: " },
		{ { "--nats=http://a" }, "--nats: URL 1 of 1: " },
		{ { "--nats=nats://a,nats://b:x,nats://c" }, "--nats: URL 2 of 3: " },
		{ { "--nats-max-primary-retries=-1" },
			"--nats-max-primary-retries \"-1\"" },
		{ { "--nats-initial-backoff=8" }, "--nats-initial-backoff: \"8\"" },
		{ { "--nats-initial-backoff=s" }, "--nats-initial-backoff: \"s\"" },
		{ { "--nats-initial-backoff=1.5s" }, "--nats-initial-backoff: " },
		{ { "--nats-initial-backoff=9s" }, "longer than --nats-max-backoff 8s" },
		{ { "--nats-max-backoff=2h" }, "--nats-max-backoff: \"2h\"" },
		{ { "--nats-max-backoff=99999999999999999999s" },
			"--nats-max-backoff: " },
		{ { "--nats-backoff-multiplier=0.5" },
			"--nats-backoff-multiplier \"0.5\"" },
		{ { "--nats-backoff-multiplier=11" }, "--nats-backoff-multiplier " },
		{ { "--nats-backoff-multiplier=1.555" }, "--nats-backoff-multiplier " },
		{ { "--nats-backoff-multiplier=x" }, "--nats-backoff-multiplier " },
		{ { "--nats-failback-interval=0s" }, "--nats-failback-interval: " },
		{ { "--nats-connect-timeout=1h" }, "--nats-connect-timeout: " },
		{ { "--nats-publish-timeout=1ms" }, "--nats-publish-timeout: " },
		{ { "--nats-request-timeout=never" }, "--nats-request-timeout: " },
		{ { "--nats-ca=/no/such/file" }, "--nats-ca /no/such/file: cannot be" },
		{ { "--nats-ca=/proc/self/status" }, "--nats-ca /proc/self/status: no" },
		{ { "--nats-cert=/etc/hostname" }, "--nats-key is missing" },
		{ { "--nats-key=/etc/hostname" }, "--nats-cert is missing" },
		{ { "--nats-cert=/etc/hostname", "--nats-key=/etc/hostname" },
			"--nats-cert /etc/hostname, --nats-key /etc/hostname: they" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct options options = { 0 };
		struct nats_options nats = { 0 };
		struct err err = { 0 };
		assert_code(read_nats(cases[i].args, &options, &nats, &err), &err,
			ERR_INVALID);
		if (strstr(err.msg, cases[i].words) == NULL) {
			fail_msg("%s: %s", cases[i].args[0], err.msg);
		}
		options_release(&options);
	}
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_folder_set_up, temp_folder_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_precedence),
		cmocka_unit_test(test_wrong_options),
		cmocka_unit_test(test_positionals),
		TEST(test_wrong_config),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_role_pace),
		cmocka_unit_test(test_exit_codes),
		cmocka_unit_test(test_nats_options),
		cmocka_unit_test(test_bad_nats_options),
	};
	if (sodium_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
