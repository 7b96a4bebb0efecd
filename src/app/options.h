/* SPDX-License-Identifier: Apache-2.0
 * Options: flag over environment over configuration file over default. */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include "base/err.h"
#include "base/strlist.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each is --name, and most are also NATSID_NAME and the key name (with _ for -) of the
 * JSON file. */
enum option_id {
	OPTION_DATA,
	OPTION_KEY_FILE,
	OPTION_CONFIG,
	OPTION_OPERATOR,
	OPTION_LISTEN,
	OPTION_NATS,
	OPTION_LOG_LEVEL,
	OPTION_JWT_LIFETIME,
	OPTION_OUTPUT,
	OPTION_SERVER_NAME,
	OPTION_PORT,
	OPTION_JETSTREAM,
	OPTION_ROLE_PACE,
	OPTION_TOMBSTONE_TTL,
	OPTION_NATS_MAX_PRIMARY_RETRIES,
	OPTION_NATS_INITIAL_BACKOFF,
	OPTION_NATS_MAX_BACKOFF,
	OPTION_NATS_BACKOFF_MULTIPLIER,
	OPTION_NATS_FAILBACK_INTERVAL,
	OPTION_NATS_CONNECT_TIMEOUT,
	OPTION_NATS_PUBLISH_TIMEOUT,
	OPTION_NATS_REQUEST_TIMEOUT,
	OPTION_NATS_CA,
	OPTION_NATS_CERT,
	OPTION_NATS_KEY,
	/* From here on: of one call only, neither in the environment nor in the file. */
	OPTION_ONE_CALL,
	OPTION_SEEDS = OPTION_ONE_CALL,
	OPTION_FORGET_IDENTITY,
	OPTION_IDENTITY,
	OPTION_WAIT,
	OPTION_WITHOUT,
	OPTION_ABORT,
	OPTION_SERVICE_URLS,
	OPTION_ACCOUNT_SERVER_URL,
	OPTION_ASSERT_SERVER_VERSION,
	OPTION_STRICT_SIGNING_KEYS,
	OPTION_TAGS,
	OPTION_ALL,
	OPTION_COUNT
};

#define OPTION_BIT(id) (UINT64_C(1) << (id))

enum { OPTION_POSITIONAL_MAX = 64 };

/* Values are owned; NULL when neither given nor with a default. One without a value is
 * "" when it was given. Zeroed is valid. */
struct options {
	char *values[OPTION_COUNT];
	const char *positional[OPTION_POSITIONAL_MAX]; /* of argv */
	size_t positional_count;
	bool help;
};

void options_release(struct options *options);

/* Reads argv (after the command's words) for a command that takes the options of the mask
 * and up to `positionals` other arguments, then the environment, then the file.
 * ERR_INVALID names the option and where it was given. */
int options_read(int argc, char *const *argv, uint64_t mask, size_t positionals,
	struct options *out, struct err *err) MUST_CHECK;

/* Without the dashes; static storage. */
const char *options_name(enum option_id id);

/* The help lines of the options in the mask, to stdout. */
void options_print(uint64_t mask);

/* "127.0.0.1:8090", "localhost:8090" (the same host), "[::1]:8090". The caller frees
 * *out_host. */
int options_split_address(const char *text, char **out_host, uint16_t *out_port,
	struct err *err) MUST_CHECK;

/* "20" accounts a second; "0": all at once, which is -1 as publisher_params have it. */
int options_role_pace(const char *text, int64_t *out_pace, struct err *err) MUST_CHECK;

/* "500ms", "8s", "2m", "1h". */
int options_duration(const char *text, int64_t min_ms, int64_t max_ms, int64_t *out_ms,
	struct err *err) MUST_CHECK;

/* Entries between commas, none of them empty; "" is an empty list. *out must be empty. */
int options_split_list(const char *text, struct strlist *out, struct err *err) MUST_CHECK;

/* "30" days, as milliseconds; 0: at once. */
int options_tombstone_ttl(const char *text, int64_t *out_ms, struct err *err) MUST_CHECK;

/* "4222"; 0 is not a port here. */
int options_port(const char *text, uint16_t *out_port, struct err *err) MUST_CHECK;

#endif
