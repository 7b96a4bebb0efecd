/* SPDX-License-Identifier: Apache-2.0
 * The table of routes: each with its handler, dialect, body limit and audience. */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "api/problem.h"
#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

struct api_call;

/* None of them is 0, so that a row that leaves one out is found. */
enum api_body_kind {
	API_BODY_NONE = 1,
	API_BODY_SMALL, /* a login */
	API_BODY_RECORD
};

/* Who gets as far as the handler. What a record is to whom is service's to decide. */
enum api_audience {
	API_AUDIENCE_ANYONE = 1, /* tokens are not looked at */
	API_AUDIENCE_POLICY, /* guests too: the use case authorises */
	API_AUDIENCE_TOKEN /* 401 without a valid token; the use case authorises */
};

struct api_route {
	const char *method;
	const char *pattern; /* segments ":collection", ":id" and ":key" match any text */
	int (*handler)(struct api_call *call, struct err *err);
	enum api_dialect dialect;
	enum api_body_kind body;
	enum api_audience audience;
};

/* Longer segments are nobody's id or name: they match nothing. */
enum { API_ROUTE_SEGMENT_SIZE = 64 };

struct api_route_match {
	const struct api_route *route;
	char collection[API_ROUTE_SEGMENT_SIZE];
	char id[API_ROUTE_SEGMENT_SIZE];
	char key[API_ROUTE_SEGMENT_SIZE];
};

/* The whole table, for tests; static storage. */
const struct api_route *api_route_table(size_t *out_count);

/* 0, or ERR_NOT_FOUND when no route has this path and method. */
int api_route_find(const char *method, const char *path, struct api_route_match *out,
	struct err *err) MUST_CHECK;

/* The methods that a path has, as Allow names them ("GET, HEAD"); nothing for an unknown
 * path. */
void api_route_methods(const char *path, struct buf *out);

size_t api_route_body_limit(const struct api_route *route);

/* The dialect of a path, be there a route or not. */
enum api_dialect api_route_dialect(const char *path);

#endif
