/* SPDX-License-Identifier: Apache-2.0 */
#include "model/collection.h"

#include "base/secret.h"
#include "base/str.h"
#include "base/strlist.h"
#include "model/account.h"
#include "model/account_export.h"
#include "model/account_import.h"
#include "model/limits.h"
#include "model/operator.h"
#include "model/publish_queue.h"
#include "model/role.h"
#include "model/superuser.h"
#include "model/user.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct collection *const collections[COLLECTION_COUNT] = {
	[COLLECTION_OPERATOR] = &operator_collection,
	[COLLECTION_ACCOUNTS] = &account_collection,
	[COLLECTION_ROLES] = &role_collection,
	[COLLECTION_USERS] = &user_collection,
	[COLLECTION_EXPORTS] = &account_export_collection,
	[COLLECTION_IMPORTS] = &account_import_collection,
	[COLLECTION_PUBLISH_QUEUE] = &publish_queue_collection,
	[COLLECTION_SUPERUSERS] = &superuser_collection,
};

const struct collection *
collection_of(enum collection_kind kind)
{
	return collections[kind];
}

const struct collection *
collection_find(const char *name)
{
	for (size_t i = 0; i < COLLECTION_COUNT; i++) {
		const struct collection *c = collections[i];
		if (str_equal_nocase(name, c->name) || str_equal(name, c->id) ||
			(c->alias != NULL && str_equal_nocase(name, c->alias))) {
			return c;
		}
	}
	return NULL;
}

int
collection_field_index(const struct collection *collection, const char *name)
{
	for (size_t i = 0; i < collection->field_count; i++) {
		if (str_equal(collection->fields[i].name, name)) {
			return (int)i;
		}
	}
	return -1;
}

const struct field *
collection_field(const struct collection *collection, const char *name)
{
	int index = collection_field_index(collection, name);
	assert(index >= 0);
	return &collection->fields[index];
}

uint64_t
collection_field_bit(const struct collection *collection, const char *name)
{
	int index = collection_field_index(collection, name);
	assert(index >= 0);
	return UINT64_C(1) << index;
}

void *
record_member(const struct field *field, void *row)
{
	return (char *)row + field->offset;
}

const void *
record_member_const(const struct field *field, const void *row)
{
	return (const char *)row + field->offset;
}

int
record_init(const struct collection *collection, void *row, struct err *err)
{
	switch (collection->kind) {
	case COLLECTION_ACCOUNTS:
		return account_init(row, err);
	case COLLECTION_ROLES:
		return role_init(row, err);
	case COLLECTION_USERS:
		return user_init(row, err);
	case COLLECTION_EXPORTS:
		return account_export_init(row, err);
	case COLLECTION_IMPORTS:
		return account_import_init(row, err);
	case COLLECTION_SUPERUSERS:
		return superuser_init(row, err);
	case COLLECTION_OPERATOR:
	case COLLECTION_PUBLISH_QUEUE:
	case COLLECTION_COUNT:
		break;
	}
	memset(row, 0, collection->row_size);
	return 0;
}

void
record_release(const struct collection *collection, void *row)
{
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		if (field->offset == FIELD_NO_OFFSET) {
			continue;
		}
		void *member = record_member(field, row);
		if (field->type == FIELD_TEXT || field->type == FIELD_EMAIL ||
			field->type == FIELD_CLAIM) {
			free(*(char **)member);
		} else if (field->type == FIELD_PASSWORD) {
			secret_free_text(*(char **)member);
		} else if (field->type == FIELD_LIST) {
			strlist_release(member);
		}
	}
	memset(row, 0, collection->row_size);
}

static int
copy_text(const char *from, char **to, struct err *err)
{
	char *copy = NULL;
	if (from != NULL) {
		copy = str_dup(from);
		if (copy == NULL) {
			return err_nomem(err);
		}
	}
	secret_free_text(*to);
	*to = copy;
	return 0;
}

static int
copy_member(const struct field *field, const void *from, void *to, struct err *err)
{
	switch (field->type) {
	case FIELD_TEXT:
	case FIELD_EMAIL:
	case FIELD_PASSWORD:
	case FIELD_CLAIM:
		return copy_text(*(char *const *)from, to, err);
	case FIELD_LIST: {
		struct strlist copy = { 0 };
		if (strlist_copy(from, &copy, err) != 0) {
			return -1;
		}
		strlist_release(to);
		*(struct strlist *)to = copy;
		return 0;
	}
	case FIELD_BOOL:
		*(bool *)to = *(const bool *)from;
		return 0;
	case FIELD_INT:
	case FIELD_DATE:
		*(int64_t *)to = *(const int64_t *)from;
		return 0;
	case FIELD_ID:
	case FIELD_RELATION:
		memcpy(to, from, RAND_ID_SIZE);
		return 0;
	case FIELD_KEY:
		*(struct nkey_public *)to = *(const struct nkey_public *)from;
		return 0;
	case FIELD_JSON:
		return 0;
	}
	return 0;
}

int
record_apply(const struct collection *collection, const void *from, uint64_t present,
	void *to, struct err *err)
{
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		if ((present >> i & 1) == 0 || field->offset == FIELD_NO_OFFSET) {
			continue;
		}
		if (copy_member(field, record_member_const(field, from),
			    record_member(field, to), err) != 0) {
			return -1;
		}
	}
	return 0;
}

int
record_copy(const struct collection *collection, const void *from, void *out_row,
	struct err *err)
{
	memset(out_row, 0, collection->row_size);
	if (record_apply(collection, from, UINT64_MAX, out_row, err) != 0) {
		record_release(collection, out_row);
		return -1;
	}
	const struct record_head *head = from;
	*(struct record_head *)out_row = *head;
	return 0;
}

static bool
same_text(const char *a, const char *b)
{
	return str_equal(a != NULL ? a : "", b != NULL ? b : "");
}

static bool
same_claim(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : str_equal(a, b);
}

static bool
same_list(const struct field *field, const struct strlist *a, const struct strlist *b)
{
	bool nullable = (field->flags & FIELD_NULLABLE) != 0;
	if (nullable && (a->items == NULL) != (b->items == NULL)) {
		return false;
	}
	return strlist_equal(a, b);
}

static bool
same_member(const struct field *field, const void *a, const void *b)
{
	switch (field->type) {
	case FIELD_TEXT:
	case FIELD_EMAIL:
	case FIELD_PASSWORD:
		return same_text(*(char *const *)a, *(char *const *)b);
	case FIELD_CLAIM:
		return same_claim(*(char *const *)a, *(char *const *)b);
	case FIELD_LIST:
		return same_list(field, a, b);
	case FIELD_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case FIELD_INT:
	case FIELD_DATE:
		return *(const int64_t *)a == *(const int64_t *)b;
	case FIELD_ID:
	case FIELD_RELATION:
		return str_equal(a, b);
	case FIELD_KEY:
		return memcmp(a, b, sizeof(struct nkey_public)) == 0;
	case FIELD_JSON:
		return true;
	}
	return true;
}

uint64_t
record_diff(const struct collection *collection, const void *a, const void *b)
{
	uint64_t mask = 0;
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		if (field->offset != FIELD_NO_OFFSET &&
			!same_member(field, record_member_const(field, a),
				record_member_const(field, b))) {
			mask |= UINT64_C(1) << i;
		}
	}
	return mask;
}

/* Control characters have no place in names: they forge lines in logs, creds and
 * terminals. */
static bool
has_control(const char *text, bool multiline)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		bool allowed = multiline && (*p == '\n' || *p == '\t' || *p == '\r');
		if ((*p < 0x20 && !allowed) || *p == 0x7f) {
			return true;
		}
	}
	return false;
}

/* What a field's own check finds. */
static const char *
code_of(const struct field *field)
{
	return (field->flags & FIELD_SUBJECT) != 0 ? VIOLATION_SUBJECT : VIOLATION_VALUE;
}

static void
check_text(const struct field *field, const char *text, struct violations *out)
{
	/* JSON is UTF-8 or refused; what the command line gives may be anything. */
	if (!str_is_utf8(text, strlen(text))) {
		violations_add(out, field->name, VIOLATION_FORMAT, "Must be UTF-8 text.");
		return;
	}
	size_t len = strlen(text);
	size_t chars = str_utf8_length(text, len);
	if ((field->flags & FIELD_REQUIRED) != 0 && len == 0) {
		violations_add(out, field->name, VIOLATION_REQUIRED, "Cannot be blank.");
	} else if (field->max > 0 && chars > (uint64_t)field->max) {
		violations_add(out, field->name, VIOLATION_MAX_TEXT,
			"Must be at most %" PRId64 " characters, not %zu.", field->max,
			chars);
	} else if (has_control(text, (field->flags & FIELD_MULTILINE) != 0)) {
		violations_add(out, field->name, VIOLATION_FORMAT,
			"Must not hold control characters.");
	} else if ((field->flags & FIELD_REQUIRED) != 0 &&
		(text[0] == ' ' || text[len - 1] == ' ')) {
		violations_add(out, field->name, VIOLATION_FORMAT,
			"Must not begin or end with a blank.");
	} else if (len > 0 && field->check != NULL) {
		struct err why = { 0 };
		if (field->check(text, &why) != 0) {
			violations_add(out, field->name, code_of(field),
				"Not usable: %s.", why.msg);
		}
	}
}

/* One @ with something on both sides, a dot in the domain, no blanks: what can be told
 * from the text; whether it exists, only a mail can tell. */
static bool
is_email(const char *text)
{
	const char *at = strchr(text, '@');
	if (at == NULL || at == text || strchr(at + 1, '@') != NULL) {
		return false;
	}
	const char *dot = strrchr(at + 1, '.');
	if (at[1] == '\0' || at[1] == '.' || (dot != NULL && dot[1] == '\0') ||
		strstr(at, "..") != NULL) {
		return false;
	}
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		if (*p <= ' ' || *p == 0x7f || strchr("\"(),:;<>[\\]", *p) != NULL) {
			return false;
		}
	}
	return true;
}

static void
check_int(const struct field *field, int64_t value, struct violations *out)
{
	if (value == FIELD_NULL_INT && (field->flags & FIELD_NULLABLE) != 0) {
		return;
	}
	if (value < field->min) {
		violations_add(out, field->name, VIOLATION_MIN_NUMBER,
			"Must be at least %" PRId64 ".", field->min);
	} else if (value > field->max) {
		violations_add(out, field->name, VIOLATION_MAX_NUMBER,
			"Must be at most %" PRId64 ".", field->max);
	}
}

static void
check_list(const struct field *field, const struct strlist *list, struct violations *out)
{
	if (list->len > (uint64_t)field->max) {
		violations_add(out, field->name, VIOLATION_TOO_MANY,
			"Must have at most %" PRId64 " entries, not %zu.", field->max,
			list->len);
		return;
	}
	for (size_t i = 0; i < list->len; i++) {
		struct err why = { 0 };
		const char *entry = list->items[i];
		int rc = 0;
		if (strlen(entry) > LIMIT_ENTRY_BYTES) {
			rc = err_set(&why, ERR_INVALID, "longer than %d bytes",
				LIMIT_ENTRY_BYTES);
		} else {
			rc = field->check(entry, &why);
		}
		if (rc != 0) {
			violations_add(out, field->name, code_of(field), "Entry %zu: %s.",
				i, why.msg);
			return;
		}
	}
}

static bool
is_record_id(const char *id)
{
	return strlen(id) == RAND_ID_LEN &&
		strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789") == RAND_ID_LEN;
}

static void
check_member(const struct field *field, const void *member, struct violations *out)
{
	switch (field->type) {
	case FIELD_TEXT: {
		const char *text = *(char *const *)member;
		check_text(field, text != NULL ? text : "", out);
		break;
	}
	case FIELD_EMAIL: {
		const char *text = *(char *const *)member;
		check_text(field, text != NULL ? text : "", out);
		if (text != NULL && text[0] != '\0' && !is_email(text)) {
			violations_add(out, field->name, VIOLATION_EMAIL,
				"Must be a valid email address.");
		}
		break;
	}
	case FIELD_INT:
		check_int(field, *(const int64_t *)member, out);
		break;
	case FIELD_LIST:
		check_list(field, member, out);
		break;
	case FIELD_RELATION: {
		const char *id = member;
		if (id[0] == '\0' && (field->flags & FIELD_REQUIRED) != 0) {
			violations_add(
				out, field->name, VIOLATION_REQUIRED, "Cannot be blank.");
		} else if (id[0] != '\0' && !is_record_id(id)) {
			violations_add(out, field->name, VIOLATION_MISSING_REL,
				"There is no %s with this id.", field->relation->noun);
		}
		break;
	}
	case FIELD_ID: {
		const char *id = member;
		if (id[0] != '\0' && !is_record_id(id)) {
			violations_add(out, field->name, VIOLATION_FORMAT,
				"Must be %d characters of a-z and 0-9.", RAND_ID_LEN);
		}
		break;
	}
	case FIELD_BOOL:
	case FIELD_DATE:
	case FIELD_PASSWORD:
	case FIELD_KEY:
	case FIELD_JSON:
	case FIELD_CLAIM: /* read by jwt/, which knows its rules */
		break;
	}
}

void
record_validate(const struct collection *collection, const void *row, uint64_t present,
	struct violations *violations)
{
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		bool given = (present >> i & 1) != 0;
		if (field->offset == FIELD_NO_OFFSET ||
			(!given && (field->flags & FIELD_REQUIRED) == 0)) {
			continue;
		}
		check_member(field, record_member_const(field, row), violations);
	}
}
