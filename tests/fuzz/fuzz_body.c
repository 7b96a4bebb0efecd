/* SPDX-License-Identifier: Apache-2.0
 * Bodies of requests: the first byte chooses the collection and whether it is a creation,
 * the rest is the body. */
#include "api/body.h"
#include "base/str.h"
#include "model/limits.h"

#include <stdlib.h>
#include <string.h>

static void
require(bool holds)
{
	if (!holds) {
		__builtin_trap();
	}
}

/* What a decoded row promises to the use cases. */
static void
check_field(const struct field *field, const void *member)
{
	require((field->flags & (FIELD_READ_ONLY | FIELD_INTERNAL)) == 0);
	if (field->type == FIELD_TEXT || field->type == FIELD_EMAIL ||
		field->type == FIELD_PASSWORD) {
		const char *text = *(char *const *)member;
		require(text != NULL && str_is_utf8(text, strlen(text)));
	} else if (field->type == FIELD_RELATION || field->type == FIELD_ID) {
		require(memchr(member, '\0', RAND_ID_SIZE) != NULL);
	} else if (field->type == FIELD_LIST) {
		const struct strlist *list = member;
		for (size_t i = 0; i < list->len; i++) {
			require(str_is_utf8(list->items[i], strlen(list->items[i])));
		}
	}
}

static void
decode(json_t *body, const struct collection *collection, const char *id)
{
	struct violations violations = { 0 };
	struct violations more = { 0 };
	struct err err = { 0 };
	uint64_t present = 0;
	void *row = calloc(1, collection->row_size);
	require(row != NULL);
	int rc = api_body_decode(body, collection, id, row, &present, &violations, &err);
	require((rc == 0) == (violations.len == 0));
	if (rc == 0) {
		for (size_t i = 0; i < collection->field_count; i++) {
			const struct field *field = &collection->fields[i];
			if ((present >> i & 1) != 0) {
				check_field(field, record_member_const(field, row));
			}
		}
		/* Rules run on whatever was decoded; a creation fills in the rest. */
		if (id != NULL) {
			record_validate(collection, row, present, &more);
		}
	}
	record_release(collection, row);
	free(row);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct http_header header = { "Content-Type", "application/json" };
	struct http_request req = { .headers = &header, .header_count = 1 };
	struct err err = { 0 };
	json_t *body = NULL;
	if (size == 0 || size > LIMIT_BODY_BYTES) {
		return 0;
	}
	char *text = str_dup_n((const char *)data + 1, size - 1);
	require(text != NULL);
	req.body = text;
	req.body_len = size - 1;
	if (api_body_parse(&req, &body, &err) == 0) {
		enum collection_kind kind = data[0] % COLLECTION_COUNT;
		bool is_create = (data[0] & 0x80) != 0;
		decode(body, collection_of(kind), is_create ? NULL : "abcdefghijklmno");
		json_decref(body);
	} else {
		require(err.code != ERR_NONE && err.msg[0] != '\0');
	}
	free(text);
	return 0;
}
