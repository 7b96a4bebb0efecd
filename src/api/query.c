/* SPDX-License-Identifier: Apache-2.0 */
#include "api/query.h"

#include "base/buf.h"
#include "base/str.h"
#include "model/limits.h"

#include <inttypes.h>
#include <string.h>

/* page * perPage stays an exact integer everywhere. */
static const int64_t page_max = LIMIT_SAFE_INT / LIMIT_PAGE_MAX;

int
api_query_text(const struct http_request *req, const char *name, char *out, size_t size,
	struct err *err)
{
	struct buf value;
	int rc = -1;
	buf_init(&value, size - 1);
	int found = http_request_query(req, name, &value);
	if (found < 0) {
		err_set(err, ERR_INVALID, "The query parameter \"%s\" is malformed.",
			name);
		goto out;
	}
	if (buf_finish(&value, err) != 0) {
		if (err->code == ERR_TOO_LARGE) {
			err_set(err, ERR_INVALID,
				"The query parameter \"%s\" is longer than %zu bytes.",
				name, size - 1);
		}
		goto out;
	}
	memcpy(out, value.data, value.len);
	out[value.len] = '\0';
	rc = 0;
out:
	buf_release(&value);
	return rc;
}

int
api_query_refuse(const struct http_request *req, const char *name, struct err *err)
{
	char first[2];
	struct err why = { 0 };
	/* Too long for two bytes, or malformed: there is something in it. */
	if (api_query_text(req, name, first, sizeof(first), &why) != 0) {
		if (why.code != ERR_INVALID) {
			*err = why;
			return -1;
		}
	} else if (first[0] == '\0') {
		return 0;
	}
	return err_set(err, ERR_INVALID,
		"The query parameter \"%s\" is not supported by this version.", name);
}

/* 0 when the parameter is absent. */
static int
read_int(const struct http_request *req, const char *name, int64_t *out, struct err *err)
{
	char text[32];
	*out = 0;
	if (api_query_text(req, name, text, sizeof(text), err) != 0) {
		return -1;
	}
	if (text[0] != '\0' && str_to_int(text, INT64_MIN, INT64_MAX, out) != 0) {
		return err_set(err, ERR_INVALID,
			"The query parameter \"%s\" must be an integer.", name);
	}
	return 0;
}

/* The forms of Go's ParseBool, which PocketBase reads booleans with. */
static int
read_bool(const struct http_request *req, const char *name, bool *out, struct err *err)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "", "0", "f", "F", "false", "FALSE", "False" };
	char text[16];
	if (api_query_text(req, name, text, sizeof(text), err) != 0) {
		return -1;
	}
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (str_equal(text, yes[i])) {
			*out = true;
			return 0;
		}
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		if (str_equal(text, no[i])) {
			*out = false;
			return 0;
		}
	}
	return err_set(err, ERR_INVALID,
		"The query parameter \"%s\" must be true or false.", name);
}

int
api_query_paging(const struct http_request *req, struct api_paging *out, struct err *err)
{
	struct api_paging paging = { 0 };
	if (read_int(req, "page", &paging.page, err) != 0 ||
		read_int(req, "perPage", &paging.per_page, err) != 0 ||
		read_bool(req, "skipTotal", &paging.skip_total, err) != 0 ||
		api_query_text(req, "sort", paging.sort, sizeof(paging.sort), err) != 0) {
		return -1;
	}
	if (paging.page > page_max) {
		return err_set(err, ERR_INVALID,
			"The query parameter \"page\" must be at most %" PRId64 ".",
			page_max);
	}
	if (paging.page <= 0) {
		paging.page = 1;
	}
	if (paging.per_page <= 0) {
		paging.per_page = LIMIT_PAGE_DEFAULT;
	} else if (paging.per_page > LIMIT_PAGE_MAX) {
		paging.per_page = LIMIT_PAGE_MAX;
	}
	*out = paging;
	return 0;
}

static int
add_name(struct api_fields *fields, const char *text, size_t len, struct err *err)
{
	while (len > 0 && *text == ' ') {
		text++;
		len--;
	}
	while (len > 0 && text[len - 1] == ' ') {
		len--;
	}
	return len == 0 ? 0 : strlist_add_n(&fields->names, text, len, err);
}

int
api_fields_read(const struct http_request *req, struct api_fields *out, struct err *err)
{
	char text[API_QUERY_FIELDS_SIZE];
	if (api_query_text(req, "fields", text, sizeof(text), err) != 0) {
		return -1;
	}
	if (strchr(text, ':') != NULL) {
		return err_set(err, ERR_INVALID,
			"Modifiers (\":...\") in the query parameter \"fields\" are not "
			"supported.");
	}
	for (const char *p = text; *p != '\0';) {
		size_t len = strcspn(p, ",");
		if (add_name(out, p, len, err) != 0) {
			api_fields_release(out);
			return -1;
		}
		p += len;
		p += *p == ',' ? 1 : 0;
	}
	out->all = out->names.len == 0;
	return 0;
}

void
api_fields_release(struct api_fields *fields)
{
	strlist_release(&fields->names);
	fields->all = false;
}

bool
api_fields_want(const struct api_fields *fields, const char *key)
{
	size_t len = strlen(key);
	for (size_t i = 0; i < fields->names.len; i++) {
		const char *name = fields->names.items[i];
		if (str_equal(name, "*") ||
			(str_starts_with(name, key) &&
				(name[len] == '\0' || name[len] == '.'))) {
			return true;
		}
	}
	return fields->all;
}

static void
select_all(const struct collection *collection, struct api_selection *out)
{
	out->collection_id = true;
	out->collection_name = true;
	for (size_t i = 0; i < collection->field_count; i++) {
		out->fields |= UINT64_C(1) << i;
	}
}

static void
select_one(
	const char *name, const struct collection *collection, struct api_selection *out)
{
	int index = collection_field_index(collection, name);
	if (str_equal(name, "*")) {
		select_all(collection, out);
	} else if (str_equal(name, "collectionId")) {
		out->collection_id = true;
	} else if (str_equal(name, "collectionName")) {
		out->collection_name = true;
	} else if (index >= 0) {
		out->fields |= UINT64_C(1) << index;
		out->named |= UINT64_C(1) << index;
	}
}

void
api_fields_select(const struct api_fields *fields, const char *parent,
	const struct collection *collection, struct api_selection *out)
{
	*out = (struct api_selection){ 0 };
	if (fields->all) {
		select_all(collection, out);
		return;
	}
	size_t skip = parent != NULL ? strlen(parent) : 0;
	for (size_t i = 0; i < fields->names.len; i++) {
		const char *name = fields->names.items[i];
		if (parent == NULL) {
			select_one(name, collection, out);
		} else if (str_equal(name, "*") || str_equal(name, parent)) {
			select_all(collection, out);
		} else if (str_starts_with(name, parent) && name[skip] == '.') {
			select_one(name + skip + 1, collection, out);
		}
	}
}

static bool
holds_minted(uint64_t fields, const struct collection *collection)
{
	for (size_t i = 0; i < collection->field_count; i++) {
		if ((fields >> i & 1) != 0 &&
			(collection->fields[i].flags & FIELD_ON_DEMAND) != 0) {
			return true;
		}
	}
	return false;
}

bool
api_selection_shows_minted(
	const struct api_selection *selection, const struct collection *collection)
{
	return holds_minted(selection->fields, collection);
}

bool
api_selection_names_minted(
	const struct api_selection *selection, const struct collection *collection)
{
	return holds_minted(selection->named, collection);
}

int
api_query_check_known(
	const struct http_request *req, const char *const *known, struct err *err)
{
	enum { NAME_SHOWN = 40 };
	for (const char *p = req->query; *p != '\0'; p += *p == '&' ? 1 : 0) {
		size_t len = strcspn(p, "&=");
		const char *const *name = known;
		while (*name != NULL &&
			(strlen(*name) != len || memcmp(*name, p, len) != 0)) {
			name++;
		}
		if (len > 0 && *name == NULL) {
			return err_set(err, ERR_INVALID,
				"Unknown query parameter \"%.*s\".",
				(int)(len < NAME_SHOWN ? len : NAME_SHOWN), p);
		}
		p += strcspn(p, "&");
	}
	return 0;
}
