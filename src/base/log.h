/* SPDX-License-Identifier: Apache-2.0
 * Structured log lines on stderr: a constant message and key/value pairs. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct log_field {
	const char *key;
	const char *text; /* NULL: the number counts */
	int64_t number;
};

#define LOG_STR(k, v) ((struct log_field){ .key = (k), .text = (v) != NULL ? (v) : "" })
#define LOG_INT(k, v) ((struct log_field){ .key = (k), .number = (int64_t)(v) })

/* One line: `2026-11-20T21:54:28.441Z info account created account=... request=...`.
 * Values with blanks, quotes or control characters are quoted and escaped, so that no
 * value can forge a line. Never give it a secret. Thread-safe. */
void log_write(enum log_level level, const char *message, const struct log_field *fields,
	size_t n);

/* Adds msg, code, detail and the place of the error. */
void log_write_err(enum log_level level, const char *message, const struct err *err,
	const struct log_field *fields, size_t n);

/* Lines below the level are dropped; info at start. Set before threads start. -1: no such
 * level ("debug", "info", "warn", "error"). */
int log_set_level(const char *level) MUST_CHECK;

#define LOG_FIELDS(...) \
	(const struct log_field[]) \
	{ \
		__VA_ARGS__ \
	}
#define LOG_COUNT(...) (sizeof(LOG_FIELDS(__VA_ARGS__)) / sizeof(struct log_field))
#define log_debug(msg, ...) \
	log_write(LOG_LEVEL_DEBUG, (msg), LOG_FIELDS(__VA_ARGS__), LOG_COUNT(__VA_ARGS__))
#define log_info(msg, ...) \
	log_write(LOG_LEVEL_INFO, (msg), LOG_FIELDS(__VA_ARGS__), LOG_COUNT(__VA_ARGS__))
#define log_warn(msg, ...) \
	log_write(LOG_LEVEL_WARN, (msg), LOG_FIELDS(__VA_ARGS__), LOG_COUNT(__VA_ARGS__))
#define log_err(msg, err, ...) \
	log_write_err(LOG_LEVEL_ERROR, (msg), (err), LOG_FIELDS(__VA_ARGS__), \
		LOG_COUNT(__VA_ARGS__))

#endif
