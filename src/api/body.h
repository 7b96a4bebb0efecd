/* SPDX-License-Identifier: Apache-2.0
 * Bodies of requests: JSON, decoded by field table; what looks like a mistake is
 * refused. */
#ifndef API_BODY_H
#define API_BODY_H

#include "base/err.h"
#include "http/message.h"
#include "json/json.h"
#include "model/collection.h"
#include "model/violations.h"

#include <stddef.h>
#include <stdint.h>

/* The body as an object; an absent one is an empty object. ERR_MEDIA_TYPE when there is a
 * body and it is not application/json, ERR_INVALID with line and column. The caller owns
 * *out. */
int
api_body_parse(const struct http_request *req, json_t **out, struct err *err) MUST_CHECK;

/* Decodes an object into row (row_size zeroed bytes, the caller's; record_release frees
 * it, also after an error) and notes in *out_present which fields it gave. id: the record
 * that is changed; NULL for a creation. Adds what is wrong, all of it, and then returns
 * ERR_INVALID; otherwise ERR_NOMEM. */
int api_body_decode(json_t *object, const struct collection *collection, const char *id,
	void *row, uint64_t *out_present, struct violations *violations,
	struct err *err) MUST_CHECK;

/* A string member that must be there and not be empty; violations otherwise and out left
 * alone. Borrowed from the object. */
void api_body_required_text(const json_t *object, const char *key, const char **out,
	struct violations *violations);

/* For bodies without a field table: every key that is not one of the known
 * (NULL-terminated) is a violation. */
void api_body_check_keys(
	json_t *object, const char *const *known, struct violations *violations);

/* No body, or an empty object: for what has no terms. Otherwise an error, or
 * violations. */
int api_body_read_nothing(const struct http_request *req, struct violations *violations,
	struct err *err) MUST_CHECK;

#endif
