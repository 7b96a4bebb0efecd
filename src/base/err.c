/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include "base/str.h"

#include <string.h>

int
err_set_at(struct err *err, enum err_code code, const char *file, int line,
	const char *fmt, ...)
{
	if (err == NULL) {
		return -1;
	}
	va_list args;
	va_start(args, fmt);
	str_vfmt_cut(err->msg, sizeof(err->msg), fmt, args);
	va_end(args);
	err->code = code;
	err->detail[0] = '\0';
	err->file = file;
	err->line = line;
	return -1;
}

int
err_detail(struct err *err, const char *fmt, ...)
{
	if (err == NULL) {
		return -1;
	}
	va_list args;
	va_start(args, fmt);
	str_vfmt_cut(err->detail, sizeof(err->detail), fmt, args);
	va_end(args);
	return -1;
}

int
err_prefix(struct err *err, const char *fmt, ...)
{
	if (err == NULL) {
		return -1;
	}
	char head[ERR_MSG_MAX];
	char whole[ERR_MSG_MAX];
	va_list args;
	va_start(args, fmt);
	str_vfmt_cut(head, sizeof(head), fmt, args);
	va_end(args);
	str_fmt_cut(whole, sizeof(whole), "%s: %s", head, err->msg);
	memcpy(err->msg, whole, sizeof(err->msg));
	return -1;
}

void
err_clear(struct err *err)
{
	memset(err, 0, sizeof(*err));
}

const char *
err_code_name(enum err_code code)
{
	switch (code) {
	case ERR_NONE:
		return "none";
#define ERR_CASE(name, wire) \
	case ERR_##name: \
		return wire;
		ERR_CODES(ERR_CASE)
#undef ERR_CASE
	}
	return "internal";
}
