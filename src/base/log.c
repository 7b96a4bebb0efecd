/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/emit.h"
#include "base/str.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { LOG_LINE_MAX = 4096 };

static enum log_level threshold = LOG_LEVEL_INFO;

static const char *
level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_DEBUG:
		return "debug";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_WARN:
		return "warn";
	case LOG_LEVEL_ERROR:
		return "error";
	}
	return "info";
}

int
log_set_level(const char *level)
{
	for (enum log_level known = LOG_LEVEL_DEBUG; known <= LOG_LEVEL_ERROR; known++) {
		if (str_equal(level_name(known), level)) {
			threshold = known;
			return 0;
		}
	}
	return -1;
}

static void
put_value(struct buf *line, const char *text)
{
	size_t plain = 0;
	while (text[plain] > ' ' && text[plain] != '"' && text[plain] != '\\' &&
		text[plain] != '=' && text[plain] != 0x7f) {
		plain++;
	}
	if (plain > 0 && text[plain] == '\0') {
		buf_put(line, text, plain);
		return;
	}
	struct emit quoted;
	emit_init(&quoted, line);
	emit_text(&quoted, text);
}

static void
put_field(struct buf *line, const struct log_field *field)
{
	buf_put_char(line, ' ');
	buf_put_str(line, field->key);
	buf_put_char(line, '=');
	if (field->text != NULL) {
		put_value(line, field->text);
	} else {
		buf_put_int(line, field->number);
	}
}

void
log_write_err(enum log_level level, const char *message, const struct err *err,
	const struct log_field *fields, size_t n)
{
	if (level < threshold) {
		return;
	}
	struct buf line;
	char when[CLOCK_TEXT_MAX];
	buf_init(&line, LOG_LINE_MAX);
	clock_format(clock_wall_ms(&clock_system), when);
	when[10] = 'T';
	buf_put_str(&line, when);
	buf_put_char(&line, ' ');
	buf_put_str(&line, level_name(level));
	buf_put_char(&line, ' ');
	buf_put_str(&line, message);
	for (size_t i = 0; i < n; i++) {
		put_field(&line, &fields[i]);
	}
	if (err != NULL) {
		put_field(&line, &LOG_STR("error", err->msg));
		put_field(&line, &LOG_STR("code", err_code_name(err->code)));
		if (err->detail[0] != '\0') {
			put_field(&line, &LOG_STR("detail", err->detail));
		}
		if (err->file != NULL) {
			put_field(&line, &LOG_STR("file", err->file));
			put_field(&line, &LOG_INT("line", err->line));
		}
	}
	/* A line that is too long keeps what fitted: that beats losing it. */
	line.failed = false;
	line.max = LOG_LINE_MAX + 1;
	buf_put_char(&line, '\n');
	if (line.data != NULL) {
		/* One write a line: lines of several threads do not mix. Nowhere to
		 * report a failure to. */
		ssize_t rc;
		do {
			rc = write(STDERR_FILENO, line.data, line.len);
		} while (rc < 0 && errno == EINTR);
	}
	buf_release(&line);
}

void
log_write(enum log_level level, const char *message, const struct log_field *fields,
	size_t n)
{
	log_write_err(level, message, NULL, fields, n);
}
