/* SPDX-License-Identifier: Apache-2.0 */
#include "api/body.h"

#include "api/suggest.h"
#include "base/clock.h"
#include "base/nkey_text.h"
#include "base/str.h"
#include "model/limits.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

/* ---- the text of a body ---------------------------------------------------------- */

/* application/json, perhaps with parameters. */
static bool
is_json_type(const char *type)
{
	static const char json[] = "application/json";
	char head[sizeof(json)] = "";
	size_t len = type != NULL ? strcspn(type, "; \t") : 0;
	if (len != sizeof(json) - 1) {
		return false;
	}
	memcpy(head, type, len);
	const char *rest = type + len + strspn(type + len, " \t");
	return str_equal_nocase(head, json) && (*rest == '\0' || *rest == ';');
}

int
api_body_parse(const struct http_request *req, json_t **out, struct err *err)
{
	json_t *json = NULL;
	if (req->body_len == 0) {
		json = json_object();
		if (json == NULL) {
			return err_nomem(err);
		}
		*out = json;
		return 0;
	}
	if (!is_json_type(http_request_header(req, "Content-Type"))) {
		return err_set(err, ERR_MEDIA_TYPE,
			"Unsupported Content-Type. The body must be application/json.");
	}
	if (json_parse(req->body, req->body_len, LIMIT_BODY_BYTES, &json, err) != 0) {
		return err->code == ERR_INVALID
			? err_prefix(err, "The body is not usable JSON")
			: -1;
	}
	if (!json_is_object(json)) {
		json_decref(json);
		return err_set(err, ERR_INVALID,
			"The body must be a JSON object, not an array.");
	}
	*out = json;
	return 0;
}

/* ---- values ---------------------------------------------------------------------- */

struct decoder {
	const struct collection *collection;
	const char *id; /* NULL: a creation */
	void *row;
	uint64_t present;
	struct violations *violations;
};

static const char *
type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		return "null";
	}
	return "that";
}

/* These return 1 when the value is there, 0 when a violation was added instead, and -1
 * when memory ran out. */

static int
wrong_type(struct decoder *d, const struct field *field, const char *expected,
	const json_t *value)
{
	violations_add(d->violations, field->name, VIOLATION_TYPE, "Must be %s, not %s.",
		expected, type_name(value));
	return 0;
}

static int
decode_text(struct decoder *d, const struct field *field, const json_t *value)
{
	char **member = record_member(field, d->row);
	if (!json_is_string(value)) {
		return wrong_type(d, field, "a string", value);
	}
	*member = str_dup_n(json_string_value(value), json_string_length(value));
	return *member != NULL ? 1 : -1;
}

static int
decode_bool(struct decoder *d, const struct field *field, const json_t *value)
{
	bool *member = record_member(field, d->row);
	const char *text = json_is_string(value) ? json_string_value(value) : "";
	if (json_is_true(value) || str_equal(text, "true")) {
		*member = true;
	} else if (json_is_false(value) || str_equal(text, "false")) {
		*member = false;
	} else if (json_is_string(value)) {
		violations_add(d->violations, field->name, VIOLATION_TYPE,
			"Must be true or false.");
		return 0;
	} else {
		return wrong_type(d, field, "true or false", value);
	}
	return 1;
}

/* A whole number in decimal digits that has no room in 64 bits. */
static bool
is_huge_int(const char *text)
{
	const char *digits = text + (text[0] == '-' ? 1 : 0);
	return digits[0] != '\0' && digits[strspn(digits, "0123456789")] == '\0';
}

/* "05", "-0": not how a number is written. */
static bool
has_leading_zero(const char *text)
{
	const char *digits = text[0] == '-' ? text + 1 : text;
	return digits[0] == '0' && (digits[1] != '\0' || digits != text);
}

static int
decode_int_text(struct decoder *d, const struct field *field, const char *text)
{
	if (!has_leading_zero(text) &&
		str_to_int(text, INT64_MIN, INT64_MAX, record_member(field, d->row)) ==
			0) {
		return 1;
	}
	if (has_leading_zero(text) || !is_huge_int(text)) {
		violations_add(d->violations, field->name, VIOLATION_NOT_A_NUMBER,
			"Must be an integer.");
	} else if (text[0] == '-') {
		violations_add(d->violations, field->name, VIOLATION_MIN_NUMBER,
			"Must be at least %" PRId64 ".", field->min);
	} else {
		violations_add(d->violations, field->name, VIOLATION_MAX_NUMBER,
			"Must be at most %" PRId64 ".", field->max);
	}
	return 0;
}

static int
decode_int(struct decoder *d, const struct field *field, const json_t *value)
{
	int64_t *member = record_member(field, d->row);
	if (json_is_integer(value)) {
		*member = json_integer_value(value);
		return 1;
	}
	if (json_is_real(value)) {
		violations_add(d->violations, field->name, VIOLATION_ONLY_INT,
			"Must be an integer, without a fraction or an exponent.");
		return 0;
	}
	if (json_is_string(value)) {
		return decode_int_text(d, field, json_string_value(value));
	}
	return wrong_type(d, field, "an integer", value);
}

static int
decode_date(struct decoder *d, const struct field *field, const json_t *value)
{
	int64_t *member = record_member(field, d->row);
	if (!json_is_string(value)) {
		return wrong_type(d, field, "a date as a string", value);
	}
	if (json_string_length(value) == 0) {
		*member = 0;
		return 1;
	}
	if (clock_parse(json_string_value(value), json_string_length(value), member) !=
		0) {
		violations_add(d->violations, field->name, VIOLATION_DATE,
			"Must be a date like \"2030-01-31 12:00:00.000Z\", or \"\".");
		return 0;
	}
	return 1;
}

static int
decode_list(struct decoder *d, const struct field *field, const json_t *value)
{
	struct strlist *member = record_member(field, d->row);
	if (!json_is_array(value)) {
		return wrong_type(d, field, "a list of strings", value);
	}
	size_t i = 0;
	const json_t *entry = NULL;
	if (strlist_make(member, NULL) != 0) {
		return -1;
	}
	json_array_foreach(value, i, entry)
	{
		if (!json_is_string(entry)) {
			violations_add(d->violations, field->name, VIOLATION_TYPE,
				"Entry %zu: must be a string, not %s.", i,
				type_name(entry));
			return 0;
		}
		if (strlist_add_n(member, json_string_value(entry),
			    json_string_length(entry), NULL) != 0) {
			return -1;
		}
	}
	return 1;
}

/* Its own rules are jwt/'s; here it only has to be JSON without fractions. */
static int
decode_claim(struct decoder *d, const struct field *field, json_t *value)
{
	struct buf text;
	struct emit emit;
	struct err why = { 0 };
	int rc = 0;
	if (!json_is_array(value) && !json_is_object(value)) {
		return wrong_type(d, field, "an object or a list", value);
	}
	buf_init(&text, LIMIT_CLAIM_BYTES);
	emit_init(&emit, &text);
	if (json_emit(value, &emit, &why) == 0 && buf_finish(&text, &why) == 0) {
		*(char **)record_member(field, d->row) = buf_take(&text);
		rc = 1;
	} else if (why.code == ERR_NOMEM) {
		rc = -1;
	} else {
		violations_add(d->violations, field->name, VIOLATION_VALUE,
			"Not usable: %s.", why.msg);
	}
	buf_release(&text);
	return rc;
}

static int
decode_relation(struct decoder *d, const struct field *field, const json_t *value)
{
	if (!json_is_string(value)) {
		return wrong_type(d, field, "the id of a record as a string", value);
	}
	if (str_copy(record_member(field, d->row), RAND_ID_SIZE,
		    json_string_value(value)) != 0) {
		violations_add(d->violations, field->name, VIOLATION_MISSING_REL,
			"There is no %s with this id.", field->relation->noun);
		return 0;
	}
	return 1;
}

/* A record may be sent back whole, so its own id is no mistake. */
static int
decode_id(struct decoder *d, const struct field *field, const json_t *value)
{
	if (!json_is_string(value)) {
		return wrong_type(d, field, "a string", value);
	}
	const char *id = json_string_value(value);
	if (d->id != NULL) {
		if (!str_equal(id, d->id)) {
			violations_add(d->violations, field->name, VIOLATION_PK_CHANGE,
				"The record id cannot be changed.");
		}
		return 0;
	}
	if (str_copy(record_member(field, d->row), RAND_ID_SIZE, id) != 0) {
		violations_add(d->violations, field->name, VIOLATION_FORMAT,
			"Must be %d characters of a-z and 0-9.", RAND_ID_LEN);
		return 0;
	}
	return id[0] != '\0' ? 1 : 0; /* an empty one asks for a new one */
}

static int
decode_key(struct decoder *d, const struct field *field, const json_t *value)
{
	struct err why = { 0 };
	if (!json_is_string(value)) {
		return wrong_type(d, field, "a public key as a string", value);
	}
	if (json_string_length(value) == 0) {
		return 0; /* an empty one asks for a new one */
	}
	if (nkey_text_decode(field->role, json_string_value(value),
		    json_string_length(value), record_member(field, d->row), &why) != 0) {
		violations_add(d->violations, field->name, VIOLATION_FORMAT,
			"Must be the public key of %s: %s.",
			field->role == NKEY_ACCOUNT ? "an account (A...)"
						    : "a user (U...)",
			why.msg);
		return 0;
	}
	return 1;
}

/* The members of an empty row are null where that is a value. */
static int
decode_null(struct decoder *d, const struct field *field)
{
	if ((field->flags & FIELD_NULLABLE) != 0) {
		if (field->type == FIELD_INT) {
			*(int64_t *)record_member(field, d->row) = FIELD_NULL_INT;
		}
		return 1;
	}
	if (field->type == FIELD_LIST) {
		violations_add(d->violations, field->name, VIOLATION_TYPE,
			"Must not be null: [] means nothing; leave the field out to keep "
			"it.");
	} else if (field->type == FIELD_DATE) {
		violations_add(d->violations, field->name, VIOLATION_TYPE,
			"Must not be null: \"\" means none; leave the field out to keep "
			"it.");
	} else {
		violations_add(d->violations, field->name, VIOLATION_TYPE,
			"Must not be null; leave the field out to keep it.");
	}
	return 0;
}

static int
decode_value(struct decoder *d, const struct field *field, json_t *value)
{
	if (json_is_null(value)) {
		return decode_null(d, field);
	}
	switch (field->type) {
	case FIELD_TEXT:
	case FIELD_EMAIL:
	case FIELD_PASSWORD:
		return decode_text(d, field, value);
	case FIELD_BOOL:
		return decode_bool(d, field, value);
	case FIELD_INT:
		return decode_int(d, field, value);
	case FIELD_DATE:
		return decode_date(d, field, value);
	case FIELD_LIST:
		return decode_list(d, field, value);
	case FIELD_CLAIM:
		return decode_claim(d, field, value);
	case FIELD_RELATION:
		return decode_relation(d, field, value);
	case FIELD_ID:
		return decode_id(d, field, value);
	case FIELD_KEY:
		return decode_key(d, field, value);
	case FIELD_JSON:
		break; /* derived; the table says read only */
	}
	return 0;
}

/* ---- keys ------------------------------------------------------------------------ */

static bool
is_listed(const char *const *names, const char *key)
{
	for (; *names != NULL; names++) {
		if (str_equal(*names, key)) {
			return true;
		}
	}
	return false;
}

static bool
is_writable(const struct field *field)
{
	return (field->flags & (FIELD_READ_ONLY | FIELD_INTERNAL)) == 0;
}

/* "max_payload" of "max_payload+", "+max_payload" or "max_payload-"; NULL for other
 * keys. */
static const struct field *
modified_field(const struct collection *collection, const char *key)
{
	char name[64];
	size_t len = strlen(key);
	if (len < 2 || len >= sizeof(name)) {
		return NULL;
	}
	if (key[0] == '+') {
		memcpy(name, key + 1, len);
	} else if (key[len - 1] == '+' || key[len - 1] == '-') {
		memcpy(name, key, len - 1);
		name[len - 1] = '\0';
	} else {
		return NULL;
	}
	int index = collection_field_index(collection, name);
	bool known =
		index >= 0 && (collection->fields[index].flags & FIELD_INTERNAL) == 0;
	return known ? &collection->fields[index] : NULL;
}

/* The nearest: "allow_response_tt" is near "allow_response_max", too. */
static const char *
near_field(const struct collection *collection, const char *key)
{
	const char *nearest = NULL;
	int least = INT_MAX;
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		int slips = is_writable(field) ? api_suggest_slips(key, field->name) : -1;
		if (slips >= 0 && slips < least) {
			nearest = field->name;
			least = slips;
		}
	}
	return nearest;
}

static void
refuse_key(struct decoder *d, const char *key)
{
	const struct field *modified = modified_field(d->collection, key);
	const char *near = near_field(d->collection, key);
	if (modified != NULL) {
		violations_add(d->violations, key, VIOLATION_UNKNOWN_FIELD,
			"Modifiers are not supported; send the whole value as \"%s\".",
			modified->name);
	} else if (near != NULL) {
		violations_add(d->violations, key, VIOLATION_UNKNOWN_FIELD,
			"Unknown field; did you mean \"%s\"?", near);
	} else {
		violations_add(
			d->violations, key, VIOLATION_UNKNOWN_FIELD, "Unknown field.");
	}
}

static int
decode_member(struct decoder *d, const char *key, json_t *value)
{
	static const char *const record_keys[] = { "collectionId", "collectionName",
		"expand", NULL };
	int index = collection_field_index(d->collection, key);
	const struct field *field = index >= 0 ? &d->collection->fields[index] : NULL;
	if (index < 0 || (field->flags & FIELD_INTERNAL) != 0) {
		if (!is_listed(record_keys, key) &&
			!is_listed(d->collection->passed_over, key)) {
			refuse_key(d, key);
		}
		return 0;
	}
	if ((field->flags & FIELD_READ_ONLY) != 0) {
		return 0;
	}
	int rc = decode_value(d, field, value);
	if (rc > 0) {
		d->present |= UINT64_C(1) << index;
	}
	return rc < 0 ? -1 : 0;
}

int
api_body_decode(json_t *object, const struct collection *collection, const char *id,
	void *row, uint64_t *out_present, struct violations *violations, struct err *err)
{
	struct decoder d = {
		.collection = collection,
		.id = id,
		.row = row,
		.violations = violations,
	};
	const char *key = NULL;
	json_t *value = NULL;
	json_object_foreach(object, key, value)
	{
		if (decode_member(&d, key, value) != 0) {
			return err_nomem(err);
		}
	}
	*out_present = d.present;
	return violations_check(violations, err);
}

void
api_body_required_text(const json_t *object, const char *key, const char **out,
	struct violations *violations)
{
	const json_t *value = json_object_get(object, key);
	if (value == NULL || (json_is_string(value) && json_string_length(value) == 0)) {
		violations_add(violations, key, VIOLATION_REQUIRED, "Cannot be blank.");
	} else if (!json_is_string(value)) {
		violations_add(violations, key, VIOLATION_TYPE,
			"Must be a string, not %s.", type_name(value));
	} else {
		*out = json_string_value(value);
	}
}

void
api_body_check_keys(
	json_t *object, const char *const *known, struct violations *violations)
{
	const char *key = NULL;
	json_t *value = NULL;
	json_object_foreach(object, key, value)
	{
		if (!is_listed(known, key)) {
			violations_add(violations, key, VIOLATION_UNKNOWN_FIELD,
				"Unknown field.");
		}
	}
}

int
api_body_read_nothing(
	const struct http_request *req, struct violations *violations, struct err *err)
{
	static const char *const known[] = { NULL };
	json_t *body = NULL;
	int rc = -1;
	if (api_body_parse(req, &body, err) == 0) {
		api_body_check_keys(body, known, violations);
		rc = violations_check(violations, err);
	}
	json_decref(body);
	return rc;
}
