/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt/fragment.h"

#include "base/str.h"
#include "jwt/decode_parts.h"
#include "jwt/mapping.h"
#include "jwt/validate.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- shapes ---- */

enum kind { TEXT, INT, BOOL };

/* min and max: the value of an INT, the bytes of a TEXT. */
struct member {
	const char *name;
	enum kind kind;
	bool required;
	bool no_zero;
	int64_t min;
	int64_t max;
};

/* The members that an object may have, in the order of the JWT. */
struct shape {
	const struct member *members;
	size_t len;
};

#define SHAPE(members) \
	{ \
		(members), sizeof(members) / sizeof((members)[0]) \
	}

static const struct member range_members[] = {
	{ .name = "start", .kind = TEXT, .required = true, .max = LIMIT_NAME_CHARS },
	{ .name = "end", .kind = TEXT, .required = true, .max = LIMIT_NAME_CHARS },
};

static const struct member target_members[] = {
	{ .name = "subject",
		.kind = TEXT,
		.required = true,
		.min = 1,
		.max = LIMIT_SUBJECT_BYTES },
	{ .name = "weight", .kind = INT, .min = 1, .max = JWT_MAPPING_WEIGHT_MAX },
	{ .name = "cluster", .kind = TEXT, .min = 1, .max = LIMIT_NAME_CHARS },
};

/* Where 0 is not allowed, servers take it for unlimited. */
#define STORAGE(member) \
	{ \
		.name = (member), .kind = INT, .min = JWT_UNLIMITED, \
		.max = LIMIT_SAFE_INT \
	}
#define NUMBER(member) \
	{ \
		.name = (member), .kind = INT, .no_zero = true, .min = JWT_UNLIMITED, \
		.max = LIMIT_SAFE_INT \
	}

static const struct member tier_members[] = {
	STORAGE("mem_storage"),
	STORAGE("disk_storage"),
	NUMBER("streams"),
	NUMBER("consumer"),
	NUMBER("max_ack_pending"),
	NUMBER("mem_max_stream_bytes"),
	NUMBER("disk_max_stream_bytes"),
	{ .name = "max_bytes_required", .kind = BOOL },
};

static const struct shape range_shape = SHAPE(range_members);
static const struct shape target_shape = SHAPE(target_members);
static const struct shape tier_shape = SHAPE(tier_members);

static const struct member *
find_member(const struct shape *shape, const char *name)
{
	for (size_t i = 0; i < shape->len; i++) {
		if (str_equal(shape->members[i].name, name)) {
			return &shape->members[i];
		}
	}
	return NULL;
}

static int
check_text(const struct member *member, const json_t *value, struct err *err)
{
	if (!json_is_string(value)) {
		return err_set(err, ERR_INVALID, "%s is not a string", member->name);
	}
	size_t len = json_string_length(value);
	if ((int64_t)len < member->min) {
		return err_set(err, ERR_INVALID, "%s is empty", member->name);
	}
	return (int64_t)len <= member->max
		? 0
		: err_set(err, ERR_INVALID, "%s is over %lld bytes", member->name,
			  (long long)member->max);
}

static int
check_int(const struct member *member, const json_t *value, struct err *err)
{
	if (!json_is_integer(value)) {
		return err_set(
			err, ERR_INVALID, "%s is not a whole number", member->name);
	}
	int64_t n = json_integer_value(value);
	if (n < member->min || n > member->max) {
		return err_set(err, ERR_INVALID, "%s %lld is not between %lld and %lld",
			member->name, (long long)n, (long long)member->min,
			(long long)member->max);
	}
	return n == 0 && member->no_zero
		? err_set(err, ERR_INVALID,
			  "%s 0 would be unlimited for servers; give -1 for that, or a "
			  "number from 1 on",
			  member->name)
		: 0;
}

static int
check_value(const struct member *member, const json_t *value, struct err *err)
{
	switch (member->kind) {
	case TEXT:
		return check_text(member, value, err);
	case INT:
		return check_int(member, value, err);
	case BOOL:
		return json_is_boolean(value)
			? 0
			: err_set(err, ERR_INVALID, "%s is not true or false",
				  member->name);
	}
	return err_set(err, ERR_INTERNAL, "unknown kind of member");
}

static int
check_shape(json_t *json, const struct shape *shape, struct err *err)
{
	if (!json_is_object(json)) {
		return err_set(err, ERR_INVALID, "not an object");
	}
	for (void *it = json_object_iter(json); it != NULL;
		it = json_object_iter_next(json, it)) {
		const char *name = json_object_iter_key(it);
		const struct member *member = find_member(shape, name);
		if (member == NULL) {
			return err_set(
				err, ERR_INVALID, "unknown member \"%.64s\"", name);
		}
		if (check_value(member, json_object_iter_value(it), err) != 0) {
			return -1;
		}
	}
	for (size_t i = 0; i < shape->len; i++) {
		const struct member *member = &shape->members[i];
		if (member->required && json_object_get(json, member->name) == NULL) {
			return err_set(err, ERR_INVALID, "%s is missing", member->name);
		}
	}
	return 0;
}

static int
emit_shape(
	const json_t *json, const struct shape *shape, struct emit *emit, struct err *err)
{
	emit_object_begin(emit);
	for (size_t i = 0; i < shape->len; i++) {
		json_t *value = json_object_get(json, shape->members[i].name);
		if (value == NULL) {
			continue;
		}
		emit_key(emit, shape->members[i].name);
		if (json_emit(value, emit, err) != 0) {
			return -1;
		}
	}
	emit_object_end(emit);
	return 0;
}

static int
emit_shapes(const json_t *array, const struct shape *shape, struct emit *emit,
	struct err *err)
{
	emit_array_begin(emit);
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (emit_shape(json_array_get(array, i), shape, emit, err) != 0) {
			return -1;
		}
	}
	emit_array_end(emit);
	return 0;
}

/* ---- time windows ---- */

static int
check_ranges_shape(const json_t *json, struct err *err)
{
	size_t n = json_array_size(json);
	if (!json_is_array(json)) {
		return err_set(err, ERR_INVALID, "not an array of time windows");
	}
	if (n > LIMIT_TIME_WINDOWS) {
		return err_set(err, ERR_INVALID, "%zu time windows, at most %d are kept",
			n, LIMIT_TIME_WINDOWS);
	}
	for (size_t i = 0; i < n; i++) {
		if (check_shape(json_array_get(json, i), &range_shape, err) != 0) {
			return err_prefix(err, "time window %zu", i + 1);
		}
	}
	return 0;
}

static int
read_ranges(
	const json_t *json, struct jwt_time_range **out, size_t *out_len, struct err *err)
{
	struct jwt_time_range *ranges = NULL;
	size_t len = 0;
	int rc = -1;

	if (check_ranges_shape(json, err) != 0 ||
		jwt_decode_time_ranges(json, &ranges, &len, err) != 0) {
		goto out;
	}
	for (size_t i = 0; i < len; i++) {
		if (jwt_validate_time_range(&ranges[i], err) != 0) {
			err_prefix(err, "time window %zu", i + 1);
			goto out;
		}
	}
	*out = ranges;
	*out_len = len;
	ranges = NULL;
	len = 0;
	rc = 0;
out:
	jwt_time_ranges_release(ranges, len);
	return rc;
}

static int
emit_ranges(const json_t *json, struct emit *emit, struct err *err)
{
	struct jwt_time_range *ranges = NULL;
	size_t len = 0;
	if (read_ranges(json, &ranges, &len, err) != 0) {
		return -1;
	}
	jwt_time_ranges_release(ranges, len);
	return emit_shapes(json, &range_shape, emit, err);
}

/* ---- tiers ---- */

static int
check_tiers_shape(json_t *json, struct err *err)
{
	if (!json_is_object(json)) {
		return err_set(err, ERR_INVALID, "not an object of tiers by name");
	}
	for (void *it = json_object_iter(json); it != NULL;
		it = json_object_iter_next(json, it)) {
		const char *name = json_object_iter_key(it);
		if (jwt_validate_tier(name, err) != 0) {
			return -1;
		}
		if (check_shape(json_object_iter_value(it), &tier_shape, err) != 0) {
			return err_prefix(err, "tier \"%s\"", name);
		}
	}
	return 0;
}

/* In a token they would be 0, which means the same to servers and not to people. */
static void
fill_tier(const json_t *json, struct jwt_jetstream_limits *limits)
{
	struct {
		const char *name;
		int64_t *value;
	} unlimited[] = {
		{ "streams", &limits->streams },
		{ "consumer", &limits->consumer },
		{ "max_ack_pending", &limits->max_ack_pending },
		{ "mem_max_stream_bytes", &limits->mem_max_stream_bytes },
		{ "disk_max_stream_bytes", &limits->disk_max_stream_bytes },
	};
	for (size_t i = 0; i < sizeof(unlimited) / sizeof(unlimited[0]); i++) {
		if (json_object_get(json, unlimited[i].name) == NULL) {
			*unlimited[i].value = JWT_UNLIMITED;
		}
	}
}

static int
compare_tiers(const void *a, const void *b)
{
	const struct jwt_tier *x = a;
	const struct jwt_tier *y = b;
	return strcmp(x->name, y->name);
}

static int
read_tiers(json_t *json, struct jwt_tier **out, size_t *out_len, struct err *err)
{
	struct jwt_tier *tiers = NULL;
	size_t len = 0;
	if (check_tiers_shape(json, err) != 0) {
		return -1;
	}
	if (jwt_decode_tiers(json, &tiers, &len, err) != 0) {
		jwt_tiers_release(tiers, len);
		return -1;
	}
	for (size_t i = 0; i < len; i++) {
		fill_tier(json_object_get(json, tiers[i].name), &tiers[i].limits);
	}
	if (len > 0) {
		qsort(tiers, len, sizeof(*tiers), compare_tiers);
	}
	*out = tiers;
	*out_len = len;
	return 0;
}

static int
emit_tiers(json_t *json, struct emit *emit, struct err *err)
{
	struct jwt_tier *tiers = NULL;
	size_t len = 0;
	int rc = -1;

	if (read_tiers(json, &tiers, &len, err) != 0) {
		goto out;
	}
	emit_object_begin(emit);
	for (size_t i = 0; i < len; i++) {
		emit_key(emit, tiers[i].name);
		if (emit_shape(json_object_get(json, tiers[i].name), &tier_shape, emit,
			    err) != 0) {
			goto out;
		}
	}
	emit_object_end(emit);
	rc = 0;
out:
	jwt_tiers_release(tiers, len);
	return rc;
}

/* ---- mappings ---- */

static int
check_targets_shape(const char *source, const json_t *json, struct err *err)
{
	size_t n = json_array_size(json);
	if (strlen(source) > LIMIT_SUBJECT_BYTES) {
		return err_set(err, ERR_INVALID, "\"%.64s\": over %d bytes", source,
			LIMIT_SUBJECT_BYTES);
	}
	if (!json_is_array(json) || n == 0) {
		return err_set(err, ERR_INVALID,
			"\"%.64s\": not an array of one target or more", source);
	}
	if (n > LIMIT_MAPPING_TARGETS) {
		return err_set(err, ERR_INVALID,
			"\"%.64s\": %zu targets, at most %d are kept", source, n,
			LIMIT_MAPPING_TARGETS);
	}
	for (size_t i = 0; i < n; i++) {
		if (check_shape(json_array_get(json, i), &target_shape, err) != 0) {
			return err_prefix(err, "\"%.64s\" target %zu", source, i + 1);
		}
	}
	return 0;
}

static int
check_mappings_shape(json_t *json, struct err *err)
{
	size_t n = json_object_size(json);
	if (!json_is_object(json)) {
		return err_set(err, ERR_INVALID, "not an object of targets by subject");
	}
	if (n > LIMIT_MAPPINGS) {
		return err_set(err, ERR_INVALID, "%zu mappings, at most %d are kept", n,
			LIMIT_MAPPINGS);
	}
	for (void *it = json_object_iter(json); it != NULL;
		it = json_object_iter_next(json, it)) {
		if (check_targets_shape(json_object_iter_key(it),
			    json_object_iter_value(it), err) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
check_mappings(const struct jwt_mapping *mappings, size_t len, struct err *err)
{
	for (size_t i = 0; i < len; i++) {
		if (jwt_mapping_check(&mappings[i], err) != 0) {
			return -1;
		}
	}
	return jwt_mapping_check_sources(mappings, len, err);
}

static int
compare_mappings(const void *a, const void *b)
{
	const struct jwt_mapping *x = a;
	const struct jwt_mapping *y = b;
	return strcmp(x->subject, y->subject);
}

static int
read_mappings(json_t *json, struct jwt_mapping **out, size_t *out_len, struct err *err)
{
	struct jwt_mapping *mappings = NULL;
	size_t len = 0;
	if (check_mappings_shape(json, err) != 0) {
		return -1;
	}
	if (jwt_decode_mappings(json, &mappings, &len, err) != 0 ||
		check_mappings(mappings, len, err) != 0) {
		jwt_mappings_release(mappings, len);
		return -1;
	}
	if (len > 0) {
		qsort(mappings, len, sizeof(*mappings), compare_mappings);
	}
	*out = mappings;
	*out_len = len;
	return 0;
}

static int
emit_mappings(json_t *json, struct emit *emit, struct err *err)
{
	struct jwt_mapping *mappings = NULL;
	size_t len = 0;
	int rc = -1;

	if (read_mappings(json, &mappings, &len, err) != 0) {
		goto out;
	}
	emit_object_begin(emit);
	for (size_t i = 0; i < len; i++) {
		emit_key(emit, mappings[i].subject);
		if (emit_shapes(json_object_get(json, mappings[i].subject), &target_shape,
			    emit, err) != 0) {
			goto out;
		}
	}
	emit_object_end(emit);
	rc = 0;
out:
	jwt_mappings_release(mappings, len);
	return rc;
}

/* ---- texts ---- */

int
jwt_fragment_times(const char *json, size_t len, struct jwt_time_range **out,
	size_t *out_len, struct err *err)
{
	json_t *parsed = NULL;
	if (json_parse(json, len, LIMIT_CLAIM_BYTES, &parsed, err) != 0) {
		return -1;
	}
	int rc = read_ranges(parsed, out, out_len, err);
	json_decref(parsed);
	return rc;
}

int
jwt_fragment_tiers(const char *json, size_t len, struct jwt_tier **out, size_t *out_len,
	struct err *err)
{
	json_t *parsed = NULL;
	if (json_parse(json, len, LIMIT_CLAIM_BYTES, &parsed, err) != 0) {
		return -1;
	}
	int rc = read_tiers(parsed, out, out_len, err);
	json_decref(parsed);
	return rc;
}

int
jwt_fragment_mappings(const char *json, size_t len, struct jwt_mapping **out,
	size_t *out_len, struct err *err)
{
	json_t *parsed = NULL;
	if (json_parse(json, len, LIMIT_CLAIM_BYTES, &parsed, err) != 0) {
		return -1;
	}
	int rc = read_mappings(parsed, out, out_len, err);
	json_decref(parsed);
	return rc;
}

static int
emit_fragment(enum jwt_fragment kind, json_t *json, struct emit *emit, struct err *err)
{
	switch (kind) {
	case JWT_FRAGMENT_TIMES:
		return emit_ranges(json, emit, err);
	case JWT_FRAGMENT_TIERS:
		return emit_tiers(json, emit, err);
	case JWT_FRAGMENT_MAPPINGS:
		return emit_mappings(json, emit, err);
	}
	return err_set(err, ERR_INTERNAL, "unknown kind of fragment");
}

int
jwt_fragment_canonical(enum jwt_fragment kind, const char *json, size_t len,
	struct buf *out, struct err *err)
{
	int rc = -1;
	json_t *parsed = NULL;
	struct buf text;
	struct emit emit;

	/* Escapes make it longer, and it will be read again. */
	buf_init(&text, LIMIT_CLAIM_BYTES);
	emit_init(&emit, &text);
	if (json_parse(json, len, LIMIT_CLAIM_BYTES, &parsed, err) != 0 ||
		emit_fragment(kind, parsed, &emit, err) != 0 ||
		buf_finish(&text, err) != 0) {
		goto out;
	}
	buf_put(out, text.data, text.len);
	rc = buf_finish(out, err);
out:
	json_decref(parsed);
	buf_release(&text);
	return rc;
}
