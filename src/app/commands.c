/* SPDX-License-Identifier: Apache-2.0 */
#include "app/commands.h"

#include "app/data_dir.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/secret.h"
#include "base/str.h"
#include "model/limits.h"
#include "service/login.h"
#include "service/operator.h"

#include <civetweb.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <nats/nats.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct actor console = { .kind = ACTOR_CONSOLE };

enum exit_code
command_failed(const struct err *err)
{
	fprintf(stderr, "natsid: %s\n", err->msg);
	if (err->detail[0] != '\0') {
		fprintf(stderr, "        (%s)\n", err->detail);
	}
	if (err->code == ERR_BUSY) {
		return EXIT_IN_USE;
	}
	if (err->code == ERR_INVALID) {
		return EXIT_USAGE;
	}
	return err->code == ERR_CORRUPT || err->code == ERR_FORBIDDEN ? EXIT_DATA
								      : EXIT_FAILED;
}

enum exit_code
command_data_failed(const struct err *err)
{
	command_failed(err);
	return err->code == ERR_BUSY ? EXIT_IN_USE : EXIT_DATA;
}

int
command_open_data(
	const struct options *options, struct data_dir *dir, enum exit_code *out_code)
{
	struct err err = { 0 };
	struct data_dir_params params = {
		.path = options->values[OPTION_DATA],
		.key_file = options->values[OPTION_KEY_FILE],
	};
	if (data_dir_open(&params, dir, &err) == 0) {
		return 0;
	}
	*out_code = command_data_failed(&err);
	return -1;
}

enum exit_code
command_init(const struct options *options)
{
	struct err err = { 0 };
	struct data_dir dir;
	struct data_dir_params params = {
		.path = options->values[OPTION_DATA],
		.key_file = options->values[OPTION_KEY_FILE],
		.create = true,
		.lock = true,
	};
	if (data_dir_open(&params, &dir, &err) != 0) {
		return command_data_failed(&err);
	}
	enum exit_code code = EXIT_OK;
	if (service_operator_init(
		    dir.service, &console, options->values[OPTION_OPERATOR], &err) == 0) {
		printf("Made the operator \"%s\" in %s.\n"
		       "Back up natsid.db and master.key; each is worthless without the "
		       "other.\n",
			options->values[OPTION_OPERATOR], dir.path);
	} else if (err.code == ERR_CONFLICT) {
		printf("%s has an operator already; nothing was changed.\n", dir.path);
	} else {
		code = command_failed(&err);
	}
	data_dir_close(&dir);
	return code;
}

/* One line from standard input, without its end. */
static int
read_password(struct buf *out, struct err *err)
{
	char c = 0;
	for (;;) {
		ssize_t n = read(STDIN_FILENO, &c, 1);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0 || c == '\n') {
			break;
		}
		buf_put_char(out, c);
	}
	if (out->len > 0 && out->data[out->len - 1] == '\r') {
		buf_truncate(out, out->len - 1);
	}
	if (out->len == 0) {
		return err_set(
			err, ERR_INVALID, "there is no password on standard input");
	}
	if (buf_finish(out, err) != 0) {
		return err_set(
			err, ERR_INVALID, "the password on standard input is too long");
	}
	if (memchr(out->data, '\0', out->len) != NULL) {
		return err_set(
			err, ERR_INVALID, "the password on standard input holds a NUL");
	}
	return 0;
}

enum exit_code
command_superuser_upsert(const struct options *options)
{
	struct err err = { 0 };
	struct data_dir dir;
	struct buf password;
	struct violations violations = { 0 };
	bool created = false;
	enum exit_code code = EXIT_OK;

	if (options->positional_count != 2) {
		err_set(&err, ERR_INVALID,
			"superuser upsert takes EMAIL and - (or PASSWORD)");
		return command_failed(&err);
	}
	const char *email = options->positional[0];
	buf_init_secret(&password, LIMIT_PASSWORD_MAX_BYTES + 1);
	if (str_equal(options->positional[1], "-")) {
		if (read_password(&password, &err) != 0) {
			code = command_failed(&err);
			goto out;
		}
	} else {
		fprintf(stderr,
			"natsid: warning: other users of this host can see a password on "
			"the command line; give - and write it to standard input\n");
		buf_put_str(&password, options->positional[1]);
		if (buf_finish(&password, &err) != 0) {
			err_set(&err, ERR_INVALID, "the password is too long");
			code = command_failed(&err);
			goto out;
		}
	}
	if (!str_is_utf8(password.data, password.len)) {
		/* no login could ever give it */
		err_set(&err, ERR_INVALID, "the password is not UTF-8 text");
		code = command_failed(&err);
		goto out;
	}
	if (command_open_data(options, &dir, &code) != 0) {
		goto out;
	}
	if (service_superuser_upsert(dir.service, &console, email, password.data,
		    &created, &violations, &err) != 0) {
		code = command_failed(&err);
	} else {
		printf("%s superuser %s.\n", created ? "Made" : "Set the password of",
			email);
	}
	data_dir_close(&dir);
out:
	buf_release(&password);
	return code;
}

/* The file is whole or not there: written beside it, then renamed. What is exported is
 * public. */
static int
write_file(const char *path, const struct buf *text, struct err *err)
{
	char part[PATH_MAX];
	if (str_fmt(part, sizeof(part), "%s.part", path) != 0) {
		return err_set(err, ERR_INVALID, "the path %s is too long", path);
	}
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int rc = fd >= 0 && fchmod(fd, 0644) == 0
		? file_write_all(fd, text->data, text->len)
		: -1;
	if (rc == 0) {
		rc = fsync(fd);
	}
	int cause = errno;
	if (fd >= 0 && close(fd) != 0 && rc == 0) {
		rc = -1;
		cause = errno;
	}
	if (rc == 0 && rename(part, path) != 0) {
		rc = -1;
		cause = errno;
	}
	if (rc != 0) {
		unlink(part);
		return err_set(err, ERR_UNAVAILABLE, "cannot write %s: %s", path,
			strerror(cause));
	}
	return 0;
}

static int
deliver(const struct options *options, struct buf *text, struct err *err)
{
	if (options->values[OPTION_OUTPUT] != NULL) {
		return write_file(options->values[OPTION_OUTPUT], text, err);
	}
	if (file_write_all(STDOUT_FILENO, text->data, text->len) != 0) {
		return err_set(err, ERR_UNAVAILABLE,
			"cannot write to standard output: %s", strerror(errno));
	}
	return 0;
}

enum { EXPORT_MAX = 4 * 1024 * 1024 };

enum exit_code
command_export_operator_jwt(const struct options *options)
{
	struct err err = { 0 };
	struct data_dir dir;
	struct buf text;
	enum exit_code code = EXIT_OK;
	if (command_open_data(options, &dir, &code) != 0) {
		return code;
	}
	buf_init(&text, EXPORT_MAX);
	if (service_operator_jwt(dir.service, &console, &text, &err) != 0) {
		code = command_failed(&err);
	} else {
		buf_put_char(&text, '\n');
		if (buf_finish(&text, &err) != 0 || deliver(options, &text, &err) != 0) {
			code = command_failed(&err);
		}
	}
	buf_release(&text);
	data_dir_close(&dir);
	return code;
}

/* A server's name also names its directory below the data directory. */
static bool
is_server_name(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && strlen(name) <= 64 &&
		strspn(name,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._"
			"-") == strlen(name);
}

/* Relative paths in the configuration would be taken from where the server is started. */
static int
absolute_path(const char *path, char *out, size_t size, struct err *err)
{
	char cwd[PATH_MAX];
	if (path[0] == '/') {
		return str_copy(out, size, path) == 0
			? 0
			: err_set(err, ERR_INVALID, "the path %s is too long", path);
	}
	if (getcwd(cwd, sizeof(cwd)) == NULL ||
		str_fmt(out, size, "%s/%s", cwd,
			str_starts_with(path, "./") ? path + 2 : path) != 0) {
		return err_set(
			err, ERR_INVALID, "cannot make the path %s absolute", path);
	}
	return 0;
}

/* Below the directory each server has its own, so that all can be given the same one. A
 * server that keeps its streams in the directory itself must find them there again. */
static int
jetstream_path(const char *given, const char *server_name, char *out, size_t size,
	struct err *err)
{
	char dir[PATH_MAX];
	char used[PATH_MAX];
	if (absolute_path(given, dir, sizeof(dir), err) != 0) {
		return -1;
	}
	if (str_fmt(used, sizeof(used), "%s/jetstream", dir) != 0 ||
		str_fmt(out, size, "%s/%s", dir, server_name) != 0) {
		return err_set(err, ERR_INVALID, "the path %s is too long", given);
	}
	/* its store would pass for one in the directory itself */
	if (str_equal(server_name, "jetstream")) {
		return err_set(err, ERR_INVALID,
			"--server-name jetstream: with --jetstream use another name");
	}
	if (access(used, F_OK) == 0) {
		fprintf(stderr,
			"natsid: a server has streams in %s already: the configuration "
			"leaves them there. Another server needs another --jetstream\n",
			used);
		return str_fmt(out, size, "%s", dir) == 0
			? 0
			: err_set(err, ERR_INVALID, "the path %s is too long", given);
	}
	return errno == ENOENT || errno == ENOTDIR
		? 0
		: err_set(err, ERR_UNAVAILABLE,
			  "cannot see whether a server has streams in %s: %s. Export as "
			  "a user who can",
			  used, strerror(errno));
}

static int
export_conf(const struct options *options, const struct data_dir *dir, struct err *err)
{
	struct buf text;
	char resolver[PATH_MAX];
	char jetstream[PATH_MAX] = "";
	struct nats_conf_params params = {
		.server_name = options->values[OPTION_SERVER_NAME],
		.resolver_dir = resolver,
		.jetstream_dir = jetstream,
	};
	const char *jetstream_dir = options->values[OPTION_JETSTREAM];
	if (options_port(options->values[OPTION_PORT], &params.port, err) != 0) {
		return -1;
	}
	if (!is_server_name(params.server_name)) {
		return err_set(err, ERR_INVALID,
			"--server-name \"%s\": use up to 64 letters, digits, '.', '_' "
			"and '-'",
			params.server_name);
	}
	if (str_fmt(resolver, sizeof(resolver), "%s/nats/%s/jwt", dir->path,
		    params.server_name) != 0) {
		return err_set(
			err, ERR_INVALID, "the path of the data directory is too long");
	}
	if (jetstream_dir != NULL &&
		jetstream_path(jetstream_dir, params.server_name, jetstream,
			sizeof(jetstream), err) != 0) {
		return -1;
	}
	buf_init(&text, EXPORT_MAX);
	int rc = service_nats_conf(dir->service, &console, &params, &text, err);
	if (rc == 0) {
		rc = deliver(options, &text, err);
	}
	buf_release(&text);
	return rc;
}

enum exit_code
command_export_nats_conf(const struct options *options)
{
	struct err err = { 0 };
	struct data_dir dir;
	enum exit_code code = EXIT_OK;
	if (command_open_data(options, &dir, &code) != 0) {
		return code;
	}
	if (export_conf(options, &dir, &err) != 0) {
		code = command_failed(&err);
	}
	data_dir_close(&dir);
	return code;
}

enum exit_code
command_version(const struct options *options)
{
	(void)options; /* it has none */
	printf("natsid %s (schema %d)\n"
	       "civetweb %s, jansson %s, libsodium %s, nats.c %s, sqlite %s\n",
		NATSID_VERSION, store_schema_version(), mg_version(),
		jansson_version_str(), sodium_version_string(), nats_GetVersion(),
		sqlite3_libversion());
	return EXIT_OK;
}
