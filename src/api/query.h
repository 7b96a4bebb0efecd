/* SPDX-License-Identifier: Apache-2.0
 * Query parameters: text, paging, and which fields an answer shows. */
#ifndef API_QUERY_H
#define API_QUERY_H

#include "base/err.h"
#include "base/strlist.h"
#include "http/message.h"
#include "model/collection.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { API_QUERY_FIELDS_SIZE = 2048, API_QUERY_SORT_SIZE = 512 };

/* The value of a parameter, "" when it is absent. ERR_INVALID names the parameter when it
 * is malformed or has no room. */
int api_query_text(const struct http_request *req, const char *name, char *out,
	size_t size, struct err *err) MUST_CHECK;

/* ERR_INVALID when the parameter is there and not empty. */
int api_query_refuse(
	const struct http_request *req, const char *name, struct err *err) MUST_CHECK;

/* ERR_INVALID for a parameter that is none of the known (NULL-terminated): one that is
 * misspelt must not be passed over where something is changed. */
int api_query_check_known(const struct http_request *req, const char *const *known,
	struct err *err) MUST_CHECK;

/* page, perPage, skipTotal and sort as PocketBase reads them: what is out of range
 * becomes the nearest sensible value, what is no number is ERR_INVALID. */
struct api_paging {
	int64_t page;
	int64_t per_page;
	bool skip_total;
	char sort[API_QUERY_SORT_SIZE];
};

int api_query_paging(const struct http_request *req, struct api_paging *out,
	struct err *err) MUST_CHECK;

/* The parameter `fields`: names to show, {.all} when it is absent or names nothing. */
struct api_fields {
	bool all;
	struct strlist names;
};

/* ERR_INVALID for a modifier (":excerpt(...)"). The caller releases *out, which is zeroed
 * before and on error. */
int api_fields_read(const struct http_request *req, struct api_fields *out,
	struct err *err) MUST_CHECK;
void api_fields_release(struct api_fields *fields);

/* The key is shown, as a whole or in part. */
bool api_fields_want(const struct api_fields *fields, const char *key);

/* What is shown of one record. */
struct api_selection {
	uint64_t fields; /* by position in the field table */
	uint64_t named; /* those of them that `fields` names one by one */
	bool collection_id;
	bool collection_name;
};

/* parent: the key that the record is under ("record" in an answer to a login), or
 * NULL. */
void api_fields_select(const struct api_fields *fields, const char *parent,
	const struct collection *collection, struct api_selection *out);

/* Some field of the selection that is minted on demand; of all shown ones or of those
 * named. */
bool api_selection_shows_minted(
	const struct api_selection *selection, const struct collection *collection);
bool api_selection_names_minted(
	const struct api_selection *selection, const struct collection *collection);

#endif
