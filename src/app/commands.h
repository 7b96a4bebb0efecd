/* SPDX-License-Identifier: Apache-2.0
 * The commands of the command line. */
#ifndef APP_COMMANDS_H
#define APP_COMMANDS_H

#include "app/exit_code.h"
#include "app/options.h"
#include "base/err.h"

struct data_dir;

struct command {
	const char *words[2]; /* "superuser", "upsert"; the second may be NULL */
	const char *arguments; /* for the usage line */
	const char *help;
	uint64_t options; /* mask of OPTION_BIT */
	size_t positionals;
	/* Runs with its options; prints what it has to say, errors too. */
	enum exit_code (*run)(const struct options *options);
};

/* Options of every command that opens a data directory, of every one that connects to
 * NATS, and all of serve. */
#define COMMAND_DATA_OPTIONS \
	(OPTION_BIT(OPTION_DATA) | OPTION_BIT(OPTION_KEY_FILE) | \
		OPTION_BIT(OPTION_CONFIG))
#define COMMAND_NATS_OPTIONS \
	(OPTION_BIT(OPTION_NATS) | OPTION_BIT(OPTION_NATS_CONNECT_TIMEOUT) | \
		OPTION_BIT(OPTION_NATS_REQUEST_TIMEOUT) | OPTION_BIT(OPTION_NATS_CA) | \
		OPTION_BIT(OPTION_NATS_CERT) | OPTION_BIT(OPTION_NATS_KEY))
#define COMMAND_SERVE_OPTIONS \
	(COMMAND_DATA_OPTIONS | COMMAND_NATS_OPTIONS | OPTION_BIT(OPTION_OPERATOR) | \
		OPTION_BIT(OPTION_LISTEN) | OPTION_BIT(OPTION_LOG_LEVEL) | \
		OPTION_BIT(OPTION_JWT_LIFETIME) | OPTION_BIT(OPTION_ROLE_PACE) | \
		OPTION_BIT(OPTION_TOMBSTONE_TTL) | \
		OPTION_BIT(OPTION_NATS_MAX_PRIMARY_RETRIES) | \
		OPTION_BIT(OPTION_NATS_INITIAL_BACKOFF) | \
		OPTION_BIT(OPTION_NATS_MAX_BACKOFF) | \
		OPTION_BIT(OPTION_NATS_BACKOFF_MULTIPLIER) | \
		OPTION_BIT(OPTION_NATS_FAILBACK_INTERVAL) | \
		OPTION_BIT(OPTION_NATS_PUBLISH_TIMEOUT))

enum exit_code command_init(const struct options *options);
enum exit_code command_serve(const struct options *options);
enum exit_code command_superuser_upsert(const struct options *options);
enum exit_code command_export_operator_jwt(const struct options *options);
enum exit_code command_export_nats_conf(const struct options *options);
enum exit_code command_operator_export(const struct options *options);
enum exit_code command_operator_rotate(const struct options *options);
enum exit_code command_operator_set(const struct options *options);
enum exit_code command_account_quarantine(const struct options *options);
enum exit_code command_account_adopt(const struct options *options);
enum exit_code command_account_override(const struct options *options);
enum exit_code command_servers_list(const struct options *options);
enum exit_code command_servers_forget(const struct options *options);
enum exit_code command_version(const struct options *options);

/* Opens the data directory of a command that works beside a running natsid serve; -1:
 * *out_code, and the reason was printed. */
int command_open_data(const struct options *options, struct data_dir *dir,
	enum exit_code *out_code) MUST_CHECK;

/* Prints "natsid: message" and returns the exit code that fits the error. */
enum exit_code command_failed(const struct err *err);

/* The same for a data directory that does not open: whatever is wrong, it is wrong with
 * the data. */
enum exit_code command_data_failed(const struct err *err);

#endif
