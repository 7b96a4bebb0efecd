/* SPDX-License-Identifier: Apache-2.0
 * Options, and the data directory in every state that it can be found in. */
#include "app/commands.h"
#include "app/data_dir.h"
#include "app/nats_auth.h"
#include "app/nats_options.h"
#include "app/options.h"
#include "base/str.h"
#include "jwt/decode.h"
#include "service/operator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <sqlite3.h>

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { PATH_SIZE = 160 };

static const struct actor console = { .kind = ACTOR_CONSOLE };

static void
assert_code(int rc, const struct err *err, enum err_code code)
{
	if (rc != -1 || err->code != code) {
		fail_msg("rc %d, %s instead of %s: %s (%s)", rc, err_code_name(err->code),
			err_code_name(code), err->msg, err->detail);
	}
}

/* ---- a folder of its own ---- */

struct folder {
	char dir[64];
	char data[PATH_SIZE];
	char db[PATH_SIZE];
	char key[PATH_SIZE];
	char config[PATH_SIZE];
};

static int
set_up(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	assert_int_equal(str_copy(f->dir, sizeof(f->dir), "/tmp/natsid-test-XXXXXX"), 0);
	assert_non_null(mkdtemp(f->dir));
	str_fmt_cut(f->data, sizeof(f->data), "%s/data", f->dir);
	str_fmt_cut(f->db, sizeof(f->db), "%s/data/natsid.db", f->dir);
	str_fmt_cut(f->key, sizeof(f->key), "%s/data/master.key", f->dir);
	str_fmt_cut(f->config, sizeof(f->config), "%s/config.json", f->dir);
	*state = f;
	return 0;
}

static void
remove_all(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry = NULL;
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char inner[PATH_SIZE + 300];
		if (str_equal(entry->d_name, ".") || str_equal(entry->d_name, "..")) {
			continue;
		}
		str_fmt_cut(inner, sizeof(inner), "%s/%s", path, entry->d_name);
		if (unlink(inner) != 0) {
			remove_all(inner);
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
	rmdir(path);
}

static int
tear_down(void **state)
{
	struct folder *f = *state;
	remove_all(f->dir);
	free(f);
	return 0;
}

static void
write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

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
	const struct folder *f = *state;
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

	write_text(f->config,
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
	const struct folder *f = *state;
	clear_environment();
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct options options;
		struct err err;
		const char *const args[] = { "--config", f->config, NULL };
		write_text(f->config, cases[i].text);
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

/* ---- the data directory ---- */

static int
open_dir(const struct folder *f, bool create, struct data_dir *dir, struct err *err)
{
	struct data_dir_params params = {
		.path = f->data, .create = create, .lock = create
	};
	*err = (struct err){ 0 };
	return data_dir_open(&params, dir, err);
}

static void
make_system(const struct folder *f)
{
	struct data_dir dir;
	struct err err = { 0 };
	if (open_dir(f, true, &dir, &err) != 0 ||
		service_operator_init(dir.service, &console, "First", &err) != 0) {
		fail_msg("%s (%s)", err.msg, err.detail);
	}
	data_dir_close(&dir);
}

static void
exec_sql(const struct folder *f, const char *sql)
{
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* The operator's JWT: "" when there is none. */
static char *
operator_jwt(struct data_dir *dir)
{
	struct err err = { 0 };
	struct buf jwt;
	buf_init(&jwt, 8192);
	int rc = service_operator_jwt(dir->service, &console, &jwt, &err);
	char *text = rc == 0 ? buf_take(&jwt) : str_dup("");
	buf_release(&jwt);
	return text;
}

static void
assert_mode(const char *path, mode_t mode)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	if ((st.st_mode & 07777) != mode) {
		fail_msg("%s has mode %o", path, (unsigned)(st.st_mode & 07777));
	}
}

static void
test_fresh(void **state)
{
	const struct folder *f = *state;
	struct data_dir dir;
	struct err err;
	assert_code(open_dir(f, false, &dir, &err), &err, ERR_NOT_FOUND);
	assert_int_equal(access(f->data, F_OK), -1); /* reading makes nothing */
	make_system(f);
	assert_mode(f->data, 0700);
	assert_mode(f->db, 0600);
	assert_mode(f->key, 0600);
	assert_int_equal(open_dir(f, false, &dir, &err), 0);
	assert_string_equal(dir.path, f->data);
	assert_int_equal(service_check(dir.service, &err), 0);
	data_dir_close(&dir);
	assert_null(dir.service);
	data_dir_close(&dir); /* again: nothing */

	/* an empty directory that is there already */
	char other[PATH_SIZE];
	str_fmt_cut(other, sizeof(other), "%s/other", f->dir);
	assert_int_equal(mkdir(other, 0700), 0);
	struct data_dir_params params = { .path = other };
	assert_code(data_dir_open(&params, &dir, &err), &err, ERR_NOT_FOUND);
	params.create = true;
	assert_int_equal(data_dir_open(&params, &dir, &err), 0);
	data_dir_close(&dir);
	/* a place that cannot be */
	params.path = "/nonexistent/parent/data";
	assert_code(data_dir_open(&params, &dir, &err), &err, ERR_UNAVAILABLE);
}

/* What is damaged or missing is said, and never taken for an empty directory. */
static void
test_matrix(void **state)
{
	static const char other_key[] =
		"natsid-master-key-1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n";
	enum damage {
		NONE,
		NO_KEY,
		NO_DB,
		OTHER_KEY,
		BAD_KEY,
		EMPTY_KEY,
		OPEN_KEY,
		NO_SLOT,
		BAD_SLOT,
		BAD_DATA_KEY,
		NO_DATA_KEY,
		OTHER_UUID,
		BAD_DB
	};
	static const struct {
		enum damage damage;
		enum err_code code;
		const char *words;
	} cases[] = {
		{ NONE, ERR_NONE, NULL },
		{ NO_KEY, ERR_CORRUPT, "is missing" },
		{ NO_DB, ERR_CORRUPT, "natsid.db is missing" },
		{ OTHER_KEY, ERR_FORBIDDEN, "not the one" },
		{ BAD_KEY, ERR_INVALID, "not a master key" },
		{ EMPTY_KEY, ERR_INVALID, "not a master key" },
		{ OPEN_KEY, ERR_INVALID, "chmod 600" },
		{ NO_SLOT, ERR_CORRUPT, "slot" },
		{ BAD_SLOT, ERR_CORRUPT, "slot is damaged" },
		{ BAD_DATA_KEY, ERR_CORRUPT, "data key 1 is damaged" },
		{ NO_DATA_KEY, ERR_CORRUPT, "no data key" },
		{ OTHER_UUID, ERR_CORRUPT, "damaged" },
		{ BAD_DB, ERR_CORRUPT, NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases) * 2; i++) {
		bool create = i % 2 == 1;
		enum damage damage = cases[i / 2].damage;
		void *own = NULL;
		struct data_dir dir;
		struct err err;
		set_up(&own);
		const struct folder *f = own;
		make_system(f);
		switch (damage) {
		case NONE:
			break;
		case NO_KEY:
			assert_int_equal(unlink(f->key), 0);
			break;
		case NO_DB:
			assert_int_equal(unlink(f->db), 0);
			break;
		case OTHER_KEY:
			write_text(f->key, other_key);
			break;
		case BAD_KEY:
			write_text(f->key, "garbage\n");
			break;
		case EMPTY_KEY:
			write_text(f->key, "");
			break;
		case OPEN_KEY:
			assert_int_equal(chmod(f->key, 0644), 0);
			break;
		case NO_SLOT:
			exec_sql(f, "DELETE FROM vault_slots");
			break;
		case BAD_SLOT:
			exec_sql(f, "UPDATE vault_slots SET wrapped = zeroblob(72)");
			break;
		case BAD_DATA_KEY:
			exec_sql(f, "UPDATE vault_keys SET wrapped = zeroblob(72)");
			break;
		case NO_DATA_KEY:
			exec_sql(f, "DELETE FROM vault_keys");
			break;
		case OTHER_UUID:
			exec_sql(f,
				"UPDATE settings SET value = "
				"'01234567-89ab-cdef-0123-456789abcdef' WHERE key = "
				"'database_uuid'");
			break;
		case BAD_DB:
			write_text(f->db,
				"this is no database, though it is long enough to be "
				"looked at as one, with a header of a hundred bytes");
			break;
		}
		int rc = open_dir(f, create, &dir, &err);
		if (cases[i / 2].code == ERR_NONE) {
			assert_int_equal(rc, 0);
			char *jwt = operator_jwt(&dir);
			assert_true(strlen(jwt) > 0);
			free(jwt);
			data_dir_close(&dir);
		} else {
			assert_code(rc, &err, cases[i / 2].code);
			if (cases[i / 2].words != NULL &&
				strstr(err.msg, cases[i / 2].words) == NULL) {
				fail_msg("\"%s\" instead of \"%s\"", err.msg,
					cases[i / 2].words);
			}
			/* and nothing was put in its place */
			assert_int_equal(access(f->key, F_OK), damage == NO_KEY ? -1 : 0);
			assert_int_equal(access(f->db, F_OK), damage == NO_DB ? -1 : 0);
		}
		tear_down(&own);
	}
}

/* The lost half comes back from its backup: the same operator. */
static void
test_key_comes_back(void **state)
{
	const struct folder *f = *state;
	char away[PATH_SIZE];
	struct data_dir dir;
	struct err err;
	make_system(f);
	assert_int_equal(open_dir(f, false, &dir, &err), 0);
	char *before = operator_jwt(&dir);
	data_dir_close(&dir);
	str_fmt_cut(away, sizeof(away), "%s/away", f->dir);
	assert_int_equal(rename(f->key, away), 0);
	assert_code(open_dir(f, true, &dir, &err), &err, ERR_CORRUPT);
	/* elsewhere is as good */
	struct data_dir_params params = {
		.path = f->data, .key_file = away, .create = true
	};
	assert_int_equal(data_dir_open(&params, &dir, &err), 0);
	char *after = operator_jwt(&dir);
	assert_string_equal(after, before);
	data_dir_close(&dir);
	assert_int_equal(rename(away, f->key), 0);
	assert_int_equal(open_dir(f, true, &dir, &err), 0);
	data_dir_close(&dir);
	free(before);
	free(after);
}

/* A start that ended between the schema and the vault: the next one goes on. */
static void
test_interrupted(void **state)
{
	(void)state;
	for (int with_key = 0; with_key < 2; with_key++) {
		void *own = NULL;
		struct data_dir dir;
		struct err err;
		struct store *store = NULL;
		set_up(&own);
		const struct folder *f = own;
		struct store_params params = {
			.path = f->db, .clock = &clock_system, .hash = vault_hash
		};
		uint8_t key[VAULT_KEY_LEN] = { 0 };
		uint8_t again[VAULT_KEY_LEN] = { 0 };
		assert_int_equal(mkdir(f->data, 0700), 0);
		assert_int_equal(store_open(&params, true, &store, &err), 0);
		store_close(store);
		if (with_key == 1) {
			assert_int_equal(vault_key_file_create(f->key, &err), 0);
			assert_int_equal(vault_key_file_read(f->key, key, &err), 0);
		}
		/* an offline command does not finish it, nor blames a lost key */
		assert_code(open_dir(f, false, &dir, &err), &err, ERR_NOT_FOUND);
		assert_non_null(strstr(err.msg, "natsid init"));
		assert_int_equal(access(f->key, F_OK), with_key == 1 ? 0 : -1);

		assert_int_equal(open_dir(f, true, &dir, &err), 0);
		assert_int_equal(
			service_operator_init(dir.service, &console, "Resumed", &err), 0);
		data_dir_close(&dir);
		assert_int_equal(vault_key_file_read(f->key, again, &err), 0);
		if (with_key == 1) {
			assert_memory_equal(again, key, sizeof(key));
		}
		/* with a vault but no operator: init goes on too (see the case above) */
		assert_int_equal(open_dir(f, false, &dir, &err), 0);
		assert_int_equal(service_check(dir.service, &err), 0);
		data_dir_close(&dir);
		tear_down(&own);
	}
}

static void
test_lock(void **state)
{
	const struct folder *f = *state;
	struct data_dir first;
	struct data_dir second;
	struct err err;
	char pid[24];
	make_system(f);
	assert_int_equal(open_dir(f, true, &first, &err), 0);
	assert_code(open_dir(f, true, &second, &err), &err, ERR_BUSY);
	str_fmt_cut(pid, sizeof(pid), "process %" PRId64 ")", (int64_t)getpid());
	assert_non_null(strstr(err.msg, pid));
	/* another process, which ends with the lock held by us */
	pid_t child = fork();
	if (child == 0) {
		_exit(open_dir(f, true, &second, &err) == -1 && err.code == ERR_BUSY ? 0
										     : 1);
	}
	int status = 1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_code(open_dir(f, true, &second, &err), &err, ERR_BUSY);
	/* offline commands work beside it */
	assert_int_equal(open_dir(f, false, &second, &err), 0);
	data_dir_close(&second);
	data_dir_close(&first);
	assert_int_equal(open_dir(f, true, &first, &err), 0);
	data_dir_close(&first);
}

/* ---- logging in to NATS ---- */

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

struct login {
	void *pair;
	struct nkey_public key;
};

static void
log_in(struct nats_auth *auth, struct login *login)
{
	struct err err = { 0 };
	char *jwt = NULL;
	enum nkey_role role = NKEY_ACCOUNT;
	struct jwt_claims claims = { 0 };
	assert_int_equal(nats_auth_user_jwt(auth, &login->pair, &jwt, &err), 0);
	assert_int_equal(jwt_decode(jwt, strlen(jwt), &claims, &err), 0);
	assert_int_equal(nkey_text_decode_any(claims.sub, strlen(claims.sub), &role,
				 &login->key, &err),
		0);
	assert_int_equal(role, NKEY_USER);
	jwt_claims_release(&claims);
	free(jwt);
}

static void
assert_signs(const struct login *login)
{
	struct err err = { 0 };
	uint8_t sig[BUS_SIGNATURE_LEN];
	assert_int_equal(nats_auth_sign(login->pair, "nonce", sig, &err), 0);
	assert_int_equal(crypto_sign_verify_detached(
				 sig, (const uint8_t *)"nonce", 5, login->key.bytes),
		0);
}

static void
test_nats_auth(void **state)
{
	const struct folder *f = *state;
	struct data_dir dir;
	struct nats_auth *auth = NULL;
	struct login first = { 0 };
	struct login second = { 0 };
	struct err err = { 0 };
	uint8_t sig[BUS_SIGNATURE_LEN];
	make_system(f);
	assert_int_equal(open_dir(f, false, &dir, &err), 0);
	assert_int_equal(nats_auth_new(dir.service, &auth, &err), 0);
	nats_auth_set_inbox(auth, "_INBOX.abc");
	assert_code(nats_auth_sign(NULL, "nonce", sig, &err), &err, ERR_INTERNAL);
	/* Each connect has its own key, which another connect leaves alone. */
	log_in(auth, &first);
	log_in(auth, &second);
	assert_memory_not_equal(first.key.bytes, second.key.bytes, NKEY_PUBLIC_LEN);
	assert_signs(&first);
	assert_signs(&second);
	nats_auth_login_free(first.pair);
	assert_signs(&second);
	assert_code(nats_auth_sign(second.pair, "", sig, &err), &err, ERR_UNAVAILABLE);
	nats_auth_login_free(second.pair);
	nats_auth_login_free(NULL);
	nats_auth_free(auth);
	nats_auth_free(NULL);
	data_dir_close(&dir);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

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
		TEST(test_fresh),
		cmocka_unit_test(test_matrix),
		TEST(test_key_comes_back),
		cmocka_unit_test(test_interrupted),
		TEST(test_lock),
		TEST(test_nats_options),
		TEST(test_bad_nats_options),
		TEST(test_nats_auth),
	};
	if (sodium_init() < 0) {
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
