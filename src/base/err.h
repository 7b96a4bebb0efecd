/* SPDX-License-Identifier: Apache-2.0
 * One error type for the whole program: what went wrong, in words that may reach a
 * client. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* X(enum suffix, wire string). HTTP statuses are in api/problem.c. */
#define ERR_CODES(X) \
	X(INVALID, "invalid") \
	X(UNAUTHENTICATED, "unauthenticated") \
	X(FORBIDDEN, "forbidden") \
	X(NOT_FOUND, "not_found") \
	X(CONFLICT, "conflict") \
	X(STALE, "stale") \
	X(TOO_LARGE, "too_large") \
	X(MEDIA_TYPE, "media_type") \
	X(LIMITED, "limited") \
	X(INTERNAL, "internal") \
	X(NOMEM, "nomem") \
	X(CORRUPT, "corrupt") \
	X(UNAVAILABLE, "unavailable") \
	X(BUSY, "busy") \
	X(TIMEOUT, "timeout")

enum err_code {
	ERR_NONE = 0,
#define ERR_ENUM(name, wire) ERR_##name,
	ERR_CODES(ERR_ENUM)
#undef ERR_ENUM
};

enum { ERR_MSG_MAX = 192, ERR_DETAIL_MAX = 256 };

/* msg may reach a client; detail (SQLite text, errno, NATS status) is for logs only.
 * Neither ever holds a secret or a token. Caller-owned; zero it before first use. */
struct err {
	enum err_code code;
	char msg[ERR_MSG_MAX];
	char detail[ERR_DETAIL_MAX];
	const char *file;
	int line;
};

/* Fills err (NULL is allowed) and returns -1, so that `return err_set(...)` reads well.
 * Clears the detail; a message that does not fit is cut at the end. */
#define err_set(err, code, ...) err_set_at((err), (code), __FILE__, __LINE__, __VA_ARGS__)
int err_set_at(struct err *err, enum err_code code, const char *file, int line,
	const char *fmt, ...) PRINTF_LIKE(5, 6);

/* Adds the detail to an error that is already set; returns -1. */
int err_detail(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Sets ERR_NOMEM; returns -1. */
#define err_nomem(err) err_set_at((err), ERR_NOMEM, __FILE__, __LINE__, "out of memory")

/* Puts "prefix: " before the message; code, detail and place stay. Returns -1. */
int err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

void err_clear(struct err *err);

/* The wire string of a code ("conflict"); static storage. */
const char *err_code_name(enum err_code code);

#endif
