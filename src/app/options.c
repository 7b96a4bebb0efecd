/* SPDX-License-Identifier: Apache-2.0 */
#include "app/options.h"

#include "base/buf.h"
#include "base/str.h"
#include "json/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MAX = 64 * 1024, ROLE_PACE_MAX = 100000, TOMBSTONE_TTL_MAX = 36500 };

struct option {
	const char *name;
	const char *env; /* NULL: not from there */
	const char *key; /* of the file; the same */
	const char *value_name; /* NULL: it takes no value */
	const char *fallback;
	const char *help;
};

static const struct option options_table[OPTION_COUNT] = {
	[OPTION_DATA] = { "data", "NATSID_DATA", "data", "DIR", "./natsid-data",
		"the data directory" },
	[OPTION_KEY_FILE] = { "key-file", "NATSID_KEY_FILE", "key_file", "FILE", NULL,
		"the master key (DIR/master.key)" },
	[OPTION_CONFIG] = { "config", "NATSID_CONFIG", NULL, "FILE", NULL,
		"a JSON file with any of these options as keys" },
	[OPTION_OPERATOR] = { "operator", "NATSID_OPERATOR", "operator", "NAME", "natsid",
		"the operator's name, when it is made" },
	[OPTION_LISTEN] = { "listen", "NATSID_LISTEN", "listen", "HOST:PORT",
		"127.0.0.1:8090", "where to serve; port 0 is any free one" },
	[OPTION_NATS] = { "nats", "NATSID_NATS", "nats", "URL[,URL...]",
		"nats://127.0.0.1:4222",
		"servers of the NATS system: the primary, then its backups in order" },
	[OPTION_LOG_LEVEL] = { "log-level", "NATSID_LOG_LEVEL", "log_level", "LEVEL",
		"info", "what goes to standard error: debug, info, warn or error" },
	[OPTION_JWT_LIFETIME] = { "jwt-lifetime", "NATSID_JWT_LIFETIME", "jwt_lifetime",
		"SECONDS", "0",
		"how long users' JWTs live whose role says nothing else; 0: for ever" },
	[OPTION_OUTPUT] = { "output", "NATSID_OUTPUT", "output", "FILE", NULL,
		"write to this file (standard output)" },
	[OPTION_SERVER_NAME] = { "server-name", "NATSID_SERVER_NAME", "server_name",
		"NAME", "natsid-1", "the server's name, its own in the system" },
	[OPTION_PORT] = { "port", "NATSID_PORT", "port", "N", "4222",
		"the port that the server listens on" },
	[OPTION_JETSTREAM] = { "jetstream", "NATSID_JETSTREAM", "jetstream", "DIR", NULL,
		"switch JetStream on, with its store in DIR/NAME" },
	[OPTION_ROLE_PACE] = { "role-pace", "NATSID_ROLE_PACE", "role_pace", "N", "20",
		"accounts a second that a wider role reaches; 0 is all at once" },
	[OPTION_NATS_MAX_PRIMARY_RETRIES] = { "nats-max-primary-retries",
		"NATSID_NATS_MAX_PRIMARY_RETRIES", "nats_max_primary_retries", "N", "4",
		"how often the primary is tried again before its backups" },
	[OPTION_NATS_INITIAL_BACKOFF] = { "nats-initial-backoff",
		"NATSID_NATS_INITIAL_BACKOFF", "nats_initial_backoff", "TIME", "1s",
		"the pause before the first retry" },
	[OPTION_NATS_MAX_BACKOFF] = { "nats-max-backoff", "NATSID_NATS_MAX_BACKOFF",
		"nats_max_backoff", "TIME", "8s", "the longest pause between retries" },
	[OPTION_NATS_BACKOFF_MULTIPLIER] = { "nats-backoff-multiplier",
		"NATSID_NATS_BACKOFF_MULTIPLIER", "nats_backoff_multiplier", "N", "2",
		"how much longer each pause is than the one before" },
	[OPTION_NATS_FAILBACK_INTERVAL] = { "nats-failback-interval",
		"NATSID_NATS_FAILBACK_INTERVAL", "nats_failback_interval", "TIME", "30s",
		"how often the primary is looked at while a backup serves" },
	[OPTION_NATS_CONNECT_TIMEOUT] = { "nats-connect-timeout",
		"NATSID_NATS_CONNECT_TIMEOUT", "nats_connect_timeout", "TIME", "5s",
		"how long a connect to a server may take" },
	[OPTION_NATS_PUBLISH_TIMEOUT] = { "nats-publish-timeout",
		"NATSID_NATS_PUBLISH_TIMEOUT", "nats_publish_timeout", "TIME", "10s",
		"how long the answers to a push are waited for at most" },
	[OPTION_NATS_REQUEST_TIMEOUT] = { "nats-request-timeout",
		"NATSID_NATS_REQUEST_TIMEOUT", "nats_request_timeout", "TIME", "10s",
		"how long a silent server is waited for that is asked who is connected" },
	[OPTION_NATS_CA] = { "nats-ca", "NATSID_NATS_CA", "nats_ca", "FILE", NULL,
		"certificates that must have signed those of the NATS servers (the "
		"system's)" },
	[OPTION_NATS_CERT] = { "nats-cert", "NATSID_NATS_CERT", "nats_cert", "FILE", NULL,
		"the client certificate for the NATS servers" },
	[OPTION_NATS_KEY] = { "nats-key", "NATSID_NATS_KEY", "nats_key", "FILE", NULL,
		"its private key" },
	[OPTION_SEEDS] = { "seeds", NULL, NULL, NULL, NULL,
		"the seeds of the operator's keys, for safekeeping" },
	[OPTION_FORGET_IDENTITY] = { "forget-identity", NULL, NULL, NULL, NULL,
		"once they are in the file, destroy the identity's seed here" },
	[OPTION_IDENTITY] = { "identity", NULL, NULL, "-", NULL,
		"read the identity's seed from standard input" },
	[OPTION_WAIT] = { "wait", NULL, NULL, "SECONDS", NULL,
		"wait for servers and accounts for so long (0)" },
	[OPTION_WITHOUT] = { "without", NULL, NULL, "SERVER[,...]", NULL,
		"go on although these servers do not trust the new key" },
	[OPTION_ABORT] = { "abort", NULL, NULL, NULL, NULL,
		"drop the new key again, while it does not sign" },
	[OPTION_SERVICE_URLS] = { "service-urls", NULL, NULL, "URL[,...]", NULL,
		"where clients connect, as tools show it" },
	[OPTION_ACCOUNT_SERVER_URL] = { "account-server-url", NULL, NULL, "URL", NULL,
		"where tools fetch account JWTs" },
	[OPTION_ASSERT_SERVER_VERSION] = { "assert-server-version", NULL, NULL, "X.Y.Z",
		NULL, "older servers refuse to start with the JWT" },
	[OPTION_STRICT_SIGNING_KEYS] = { "strict-signing-keys", NULL, NULL, "on|off",
		NULL, "servers refuse what an identity key signed" },
	[OPTION_TOMBSTONE_TTL] = { "tombstone-ttl", "NATSID_TOMBSTONE_TTL",
		"tombstone_ttl", "DAYS", "30",
		"how long a deleted account stays on the servers, as one that lets "
		"nobody in" },
	[OPTION_ALL] = { "all", NULL, NULL, NULL, NULL,
		"all accounts that are in quarantine" },
	[OPTION_TAGS] = { "tags", NULL, NULL, "TAG[,...]", NULL, "tags of the JWT" },
};

void
options_release(struct options *options)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		free(options->values[i]);
	}
	*options = (struct options){ 0 };
}

static int
set_value(struct options *options, enum option_id id, const char *value, struct err *err)
{
	char *copy = str_dup(value);
	if (copy == NULL) {
		return err_nomem(err);
	}
	free(options->values[id]);
	options->values[id] = copy;
	return 0;
}

static int
find_option(const char *name, size_t len, uint64_t mask)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const char *known = options_table[i].name;
		if ((mask & OPTION_BIT(i)) != 0 && strlen(known) == len &&
			strncmp(known, name, len) == 0) {
			return (int)i;
		}
	}
	return -1;
}

static int
read_flag(int argc, char *const *argv, int *at, uint64_t mask, struct options *out,
	struct err *err)
{
	const char *arg = argv[*at];
	const char *name = arg + 2;
	size_t len = strcspn(name, "=");
	int id = find_option(name, len, mask);
	if (id < 0) {
		return err_set(err, ERR_INVALID, "unknown option --%.*s", (int)len, name);
	}
	if (options_table[id].value_name == NULL) {
		return name[len] == '=' ? err_set(err, ERR_INVALID, "--%s takes no value",
						  options_table[id].name)
					: set_value(out, (enum option_id)id, "", err);
	}
	if (name[len] == '=') {
		return set_value(out, (enum option_id)id, name + len + 1, err);
	}
	if (*at + 1 >= argc) {
		return err_set(err, ERR_INVALID, "--%s needs a value: %s",
			options_table[id].name, options_table[id].value_name);
	}
	(*at)++;
	return set_value(out, (enum option_id)id, argv[*at], err);
}

static int
read_flags(int argc, char *const *argv, uint64_t mask, size_t positionals,
	struct options *out, struct err *err)
{
	for (int i = 0; i < argc; i++) {
		if (str_equal(argv[i], "--help") || str_equal(argv[i], "-h")) {
			out->help = true;
		} else if (str_starts_with(argv[i], "--")) {
			if (read_flag(argc, argv, &i, mask, out, err) != 0) {
				return -1;
			}
		} else if (out->positional_count < positionals) {
			out->positional[out->positional_count++] = argv[i];
		} else {
			return err_set(
				err, ERR_INVALID, "unexpected argument \"%s\"", argv[i]);
		}
	}
	return 0;
}

static int
read_environment(uint64_t mask, struct options *out, struct err *err)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const char *env = options_table[i].env;
		const char *value = env != NULL ? getenv(env) : NULL;
		if ((mask & OPTION_BIT(i)) == 0 || out->values[i] != NULL ||
			value == NULL || value[0] == '\0') {
			continue;
		}
		if (set_value(out, (enum option_id)i, value, err) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
read_file(const char *path, struct buf *out, struct err *err)
{
	char chunk[4096];
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		return err_set(err, ERR_INVALID, "cannot be read: %s", strerror(errno));
	}
	size_t n = 0;
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
		buf_put(out, chunk, n);
	}
	int failed = ferror(file);
	fclose(file);
	if (failed) {
		return err_set(err, ERR_INVALID, "cannot be read");
	}
	return buf_finish(out, err);
}

static int
config_key(const char *key)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (options_table[i].key != NULL &&
			str_equal(options_table[i].key, key)) {
			return (int)i;
		}
	}
	return -1;
}

/* Keys of other commands are known, so that one file serves all of them. */
static int
apply_config(json_t *root, uint64_t mask, struct options *out, struct err *err)
{
	const char *key = NULL;
	json_t *value = NULL;
	json_object_foreach(root, key, value)
	{
		char number[24];
		const char *text = json_string_value(value);
		int id = config_key(key);
		if (id < 0) {
			return err_set(err, ERR_INVALID, "unknown key \"%s\"", key);
		}
		if (json_is_integer(value)) {
			str_fmt_cut(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
				json_integer_value(value));
			text = number;
		}
		if (text == NULL) {
			return err_set(err, ERR_INVALID, "\"%s\" is not a string", key);
		}
		if ((mask & OPTION_BIT(id)) != 0 && out->values[id] == NULL &&
			set_value(out, (enum option_id)id, text, err) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
read_config(const char *path, uint64_t mask, struct options *out, struct err *err)
{
	struct buf text;
	json_t *root = NULL;
	buf_init(&text, CONFIG_MAX);
	int rc = read_file(path, &text, err);
	if (rc == 0) {
		rc = json_parse(text.data, text.len, CONFIG_MAX, &root, err);
	}
	if (rc == 0 && !json_is_object(root)) {
		rc = err_set(err, ERR_INVALID, "not a JSON object");
	}
	if (rc == 0) {
		rc = apply_config(root, mask, out, err);
	}
	if (rc != 0) {
		err_prefix(err, "configuration %s", path);
	}
	json_decref(root);
	buf_release(&text);
	return rc;
}

int
options_read(int argc, char *const *argv, uint64_t mask, size_t positionals,
	struct options *out, struct err *err)
{
	if (read_flags(argc, argv, mask, positionals, out, err) != 0) {
		return -1;
	}
	if (out->help) {
		return 0;
	}
	if (read_environment(mask, out, err) != 0) {
		return -1;
	}
	if (out->values[OPTION_CONFIG] != NULL &&
		read_config(out->values[OPTION_CONFIG], mask, out, err) != 0) {
		return -1;
	}
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const char *fallback = options_table[i].fallback;
		if ((mask & OPTION_BIT(i)) != 0 && out->values[i] == NULL &&
			fallback != NULL &&
			set_value(out, (enum option_id)i, fallback, err) != 0) {
			return -1;
		}
	}
	return 0;
}

const char *
options_name(enum option_id id)
{
	return options_table[id].name;
}

void
options_print(uint64_t mask)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option *option = &options_table[i];
		char flag[64];
		if ((mask & OPTION_BIT(i)) == 0) {
			continue;
		}
		str_fmt_cut(flag, sizeof(flag), "--%s %s", option->name,
			option->value_name != NULL ? option->value_name : "");
		printf("  %-28s %s%s%s%s\n", flag, option->help,
			option->fallback != NULL ? " (" : "",
			option->fallback != NULL ? option->fallback : "",
			option->fallback != NULL ? ")" : "");
	}
	printf("  %-28s %s\n", "--help", "this text");
	printf("\nEach option may also come from the environment (NATSID_DATA for "
	       "--data) or, but\n"
	       "for --config, from the JSON file: flag over environment over file over "
	       "default.\n"
	       "Those without a name there (docs/cli.md) are of one call only.\n");
}

int
options_split_list(const char *text, struct strlist *out, struct err *err)
{
	if (strlist_make(out, err) != 0) {
		return -1;
	}
	for (const char *at = text; *text != '\0' && at != NULL;) {
		size_t len = strcspn(at, ",");
		if (len == 0) {
			strlist_release(out);
			return err_set(err, ERR_INVALID,
				"\"%s\" has an empty entry between its commas", text);
		}
		if (strlist_add_n(out, at, len, err) != 0) {
			strlist_release(out);
			return -1;
		}
		at = at[len] == ',' ? at + len + 1 : NULL;
	}
	return 0;
}

int
options_tombstone_ttl(const char *text, int64_t *out_ms, struct err *err)
{
	enum { MS_PER_DAY = 24 * 60 * 60 * 1000 };
	int64_t days = 0;
	if (str_to_int(text, 0, TOMBSTONE_TTL_MAX, &days) != 0) {
		return err_set(err, ERR_INVALID, "\"%.20s\": use days, from 0 to %d",
			text, TOMBSTONE_TTL_MAX);
	}
	*out_ms = days * MS_PER_DAY;
	return 0;
}

int
options_role_pace(const char *text, int64_t *out_pace, struct err *err)
{
	int64_t pace = 0;
	if (str_to_int(text, 0, ROLE_PACE_MAX, &pace) != 0) {
		return err_set(err, ERR_INVALID,
			"\"%s\" is not a number of accounts (0 to %d)", text,
			ROLE_PACE_MAX);
	}
	*out_pace = pace == 0 ? -1 : pace;
	return 0;
}

int
options_duration(const char *text, int64_t min_ms, int64_t max_ms, int64_t *out_ms,
	struct err *err)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {
		{ "ms", 1 },
		{ "s", 1000 },
		{ "m", 60 * 1000 },
		{ "h", 60 * 60 * 1000 },
	};
	char number[16] = "";
	int64_t value = 0;
	size_t len = strspn(text, "0123456789");
	if (len > 0 && len < sizeof(number)) {
		memcpy(number, text, len);
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (str_equal(text + len, units[i].name) &&
			str_to_int(number, 0, max_ms / units[i].ms, &value) == 0 &&
			value * units[i].ms >= min_ms) {
			*out_ms = value * units[i].ms;
			return 0;
		}
	}
	return err_set(err, ERR_INVALID,
		"\"%s\" is not a time such as 500ms, 8s, 2m or 1h, from %" PRId64
		"ms to %" PRId64 "s",
		text, min_ms, max_ms / 1000);
}

int
options_port(const char *text, uint16_t *out_port, struct err *err)
{
	int64_t port = 0;
	if (str_to_int(text, 1, UINT16_MAX, &port) != 0) {
		return err_set(
			err, ERR_INVALID, "\"%s\" is not a port (1 to 65535)", text);
	}
	*out_port = (uint16_t)port;
	return 0;
}

int
options_split_address(
	const char *text, char **out_host, uint16_t *out_port, struct err *err)
{
	int64_t port = 0;
	const char *colon = strrchr(text, ':');
	const char *host = text;
	size_t len = colon != NULL ? (size_t)(colon - text) : 0;
	bool bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';
	if (bracketed) {
		host++;
		len -= 2;
	}
	/* "::1" is an address without a port, not the host "::" and port 1 */
	if (len == 0 || strcspn(host, "[]") < len ||
		(!bracketed && strcspn(host, ":") < len) ||
		str_to_int(colon + 1, 0, UINT16_MAX, &port) != 0) {
		return err_set(err, ERR_INVALID,
			"\"%s\" is not HOST:PORT, as in 127.0.0.1:8090 or [::1]:8090",
			text);
	}
	bool is_localhost =
		len == strlen("localhost") && strncmp(host, "localhost", len) == 0;
	char *copy = is_localhost ? str_dup("127.0.0.1") : str_dup_n(host, len);
	if (copy == NULL) {
		return err_nomem(err);
	}
	*out_host = copy;
	*out_port = (uint16_t)port;
	return 0;
}
