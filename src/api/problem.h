/* SPDX-License-Identifier: Apache-2.0
 * Answers that say what went wrong: the one place where error codes become HTTP
 * statuses. */
#ifndef API_PROBLEM_H
#define API_PROBLEM_H

#include "base/err.h"
#include "http/message.h"
#include "model/violations.h"

/* None of them is 0, so that a route that leaves it out is found. */
enum api_dialect {
	API_DIALECT_POCKETBASE = 1, /* {"data":{},"message":"...","status":404} */
	API_DIALECT_NATIVE /* application/problem+json, RFC 9457 */
};

struct api_problem {
	enum api_dialect dialect;
	const struct err *err;
	const struct violations *violations; /* may be NULL */
	const char *request_id; /* for the native dialect */
};

int api_problem_status(enum api_dialect dialect, enum err_code code);

/* Replaces what the answer holds. Never shows err->detail. */
void api_problem_write(const struct api_problem *problem, struct http_response *res);

/* The path is there, the method is not; allow is the value of the Allow header. */
void
api_problem_method(const char *request_id, const char *allow, struct http_response *res);

/* For errors that have a status already and no code, in PocketBase's envelope. */
void api_problem_plain(int status, const char *message, struct http_response *res);

#endif
