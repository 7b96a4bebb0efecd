/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt/mapping.h"

#include "base/str.h"
#include "model/subject.h"

#include <string.h>

enum { ARGS_MAX = 32 };

struct slice {
	const char *text;
	size_t len;
};

static const char *
shown(const char *text)
{
	return text != NULL ? text : "";
}

static int
slice_to_int(struct slice slice, int64_t min, int64_t *out)
{
	char digits[12];
	if (slice.len >= sizeof(digits)) {
		return -1;
	}
	memcpy(digits, slice.text, slice.len);
	digits[slice.len] = '\0';
	return str_to_int(digits, min, INT32_MAX, out);
}

bool
jwt_mapping_is_reference(const char *token, size_t len, int64_t *out)
{
	int64_t n = 0;
	if (len < 2 || token[0] != '$') {
		return false;
	}
	size_t sign = token[1] == '-' || token[1] == '+' ? 1 : 0;
	for (size_t i = 1 + sign; i < len; i++) {
		if (token[i] < '0' || token[i] > '9') {
			return false;
		}
	}
	bool fits = slice_to_int((struct slice){ token + 1, len - 1 }, 1, &n) == 0;
	*out = fits ? n : 0;
	return len > 1 + sign;
}

/* ---- functions ---- */

struct args {
	struct slice items[ARGS_MAX];
	size_t len;
};

static int
check_star(int64_t n, int64_t stars, struct err *err)
{
	return n >= 1 && n <= stars
		? 0
		: err_set(err, ERR_INVALID,
			  "there is no wildcard %lld, the mapped subject has %lld",
			  (long long)n, (long long)stars);
}

static int
check_index(struct slice arg, int64_t stars, struct err *err)
{
	int64_t n = 0;
	if (slice_to_int(arg, 0, &n) != 0) {
		return err_set(err, ERR_INVALID, "\"%.*s\" is not a wildcard's number",
			arg.len > 40 ? 40 : (int)arg.len, arg.text);
	}
	return check_star(n, stars, err);
}

/* With 0 some servers divide by it and end, the others do nothing. */
static int
check_positive(struct slice arg, struct err *err)
{
	int64_t n = 0;
	return slice_to_int(arg, 1, &n) == 0
		? 0
		: err_set(err, ERR_INVALID, "\"%.*s\" is not a number from 1 on",
			  arg.len > 40 ? 40 : (int)arg.len, arg.text);
}

static int
check_args_len(const struct args *args, size_t len, const char *expected, struct err *err)
{
	return args->len == len ? 0
				: err_set(err, ERR_INVALID, "the form is %s", expected);
}

static int
check_wildcard(const struct args *args, int64_t stars, struct err *err)
{
	return check_args_len(args, 1, "wildcard(number)", err) != 0
		? -1
		: check_index(args->items[0], stars, err);
}

/* Without wildcards to look at it is for servers from 2.12 on. */
static int
check_partition(const struct args *args, int64_t stars, struct err *err)
{
	if (args->len < 2) {
		return err_set(
			err, ERR_INVALID, "the form is partition(count,wildcard,...)");
	}
	for (size_t i = 1; i < args->len; i++) {
		if (check_index(args->items[i], stars, err) != 0) {
			return -1;
		}
	}
	return check_positive(args->items[0], err);
}

/* splitFromLeft and its kin */
static int
check_cut(const struct args *args, int64_t stars, struct err *err)
{
	if (check_args_len(args, 2, "name(wildcard,length)", err) != 0 ||
		check_index(args->items[0], stars, err) != 0) {
		return -1;
	}
	return check_positive(args->items[1], err);
}

static int
check_split(const struct args *args, int64_t stars, struct err *err)
{
	if (check_args_len(args, 2, "split(wildcard,separator)", err) != 0 ||
		check_index(args->items[0], stars, err) != 0) {
		return -1;
	}
	struct slice separator = args->items[1];
	if (separator.len == 0 || memchr(separator.text, '{', separator.len) != NULL ||
		memchr(separator.text, '}', separator.len) != NULL) {
		return err_set(
			err, ERR_INVALID, "the separator is empty or has braces in it");
	}
	return 0;
}

/* Letters that are large here may be small. Not here, because servers of 2.10 pass over
 * mappings with them: left, right and random. */
static const struct function {
	const char *name;
	int (*check)(const struct args *args, int64_t stars, struct err *err);
} functions[] = {
	{ "Wildcard", check_wildcard },
	{ "Partition", check_partition },
	{ "SplitFromLeft", check_cut },
	{ "SplitFromRight", check_cut },
	{ "SliceFromLeft", check_cut },
	{ "SliceFromRight", check_cut },
	{ "Split", check_split },
};

static bool
is_name(struct slice text, const char *name)
{
	if (text.len != strlen(name)) {
		return false;
	}
	for (size_t i = 0; i < text.len; i++) {
		if (text.text[i] != name[i] && text.text[i] != str_lower(name[i])) {
			return false;
		}
	}
	return true;
}

static const struct function *
find_function(struct slice name)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (is_name(name, functions[i].name)) {
			return &functions[i];
		}
	}
	return NULL;
}

static int
split_args(struct slice text, struct args *out, struct err *err)
{
	const char *end = text.text + text.len;
	for (const char *p = text.text; p != NULL;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		if (out->len == ARGS_MAX) {
			return err_set(
				err, ERR_INVALID, "more than %d arguments", ARGS_MAX);
		}
		out->items[out->len++] =
			(struct slice){ p, (size_t)((comma != NULL ? comma : end) - p) };
		p = comma != NULL ? comma + 1 : NULL;
	}
	return 0;
}

/* "{{name(args)}}" */
static int
check_function(struct slice token, int64_t stars, struct err *err)
{
	struct args args = { 0 };
	const char *end = token.text + token.len - strlen(")}}");
	if (token.len < strlen("{{x()}}") || memcmp(token.text, "{{", 2) != 0 ||
		memcmp(end, ")}}", 3) != 0) {
		return err_set(err, ERR_INVALID,
			"a function is a whole token of the form {{name(...)}}");
	}
	struct slice name = { token.text + 2, 0 };
	const char *open = memchr(name.text, '(', (size_t)(end - name.text));
	name.len = open != NULL ? (size_t)(open - name.text) : 0;
	const struct function *function = find_function(name);
	if (function == NULL) {
		return err_set(err, ERR_INVALID,
			"unknown function; there are wildcard, partition, splitFromLeft, "
			"splitFromRight, sliceFromLeft, sliceFromRight and split");
	}
	struct slice inner = { open + 1, (size_t)(end - open) - 1 };
	if (split_args(inner, &args, err) != 0) {
		return -1;
	}
	return function->check(&args, stars, err);
}

/* ---- tokens ---- */

static bool
has_pair(struct slice token, const char *pair)
{
	for (size_t i = 0; i + 1 < token.len; i++) {
		if (memcmp(token.text + i, pair, 2) == 0) {
			return true;
		}
	}
	return false;
}

static bool
looks_like_function(struct slice token)
{
	return has_pair(token, "{{") || has_pair(token, "}}");
}

static struct slice
first_token(const char *subject)
{
	return (struct slice){ subject, strcspn(subject, ".") };
}

static struct slice
next_token(struct slice token)
{
	const char *end = token.text + token.len;
	return *end == '.' ? first_token(end + 1) : (struct slice){ 0 };
}

static bool
ends_in_rest(const char *subject)
{
	size_t len = strlen(subject);
	return str_equal(subject, ">") || (len > 2 && str_equal(subject + len - 2, ".>"));
}

/* Where the weights leave a part to the source, servers make a target of it, with
 * references for its stars; a reference of its own would be taken for one of those. */
static int
check_source(const char *source, struct err *err)
{
	int64_t n = 0;
	if (subject_check(source, err) != 0) {
		return -1;
	}
	for (struct slice t = first_token(source); t.text != NULL; t = next_token(t)) {
		if (looks_like_function(t) ||
			jwt_mapping_is_reference(t.text, t.len, &n)) {
			return err_set(err, ERR_INVALID,
				"references and functions are for targets");
		}
	}
	return 0;
}

static int
check_destination_token(struct slice token, int64_t stars, struct err *err)
{
	int64_t n = 0;
	if (token.len == 1 && token.text[0] == '*') {
		return err_set(err, ERR_INVALID,
			"\"*\" must be a reference such as $1 or {{wildcard(1)}}");
	}
	if (jwt_mapping_is_reference(token.text, token.len, &n)) {
		return check_star(n, stars, err);
	}
	return looks_like_function(token) ? check_function(token, stars, err) : 0;
}

static int
check_destination(const char *source, const char *destination, struct err *err)
{
	int64_t stars = (int64_t)subject_count_stars(source);
	if (subject_check(destination, err) != 0) {
		return -1;
	}
	if (ends_in_rest(source) != ends_in_rest(destination)) {
		return err_set(err, ERR_INVALID,
			"it ends in \">\" if and only if the mapped subject does");
	}
	for (struct slice t = first_token(destination); t.text != NULL;
		t = next_token(t)) {
		if (check_destination_token(t, stars, err) != 0) {
			return -1;
		}
	}
	return 0;
}

/* ---- targets ---- */

static int64_t
weight_of(const struct jwt_mapping_target *target)
{
	return target->weight == 0 ? JWT_MAPPING_WEIGHT_MAX : target->weight;
}

static int
check_cluster(const char *cluster, struct err *err)
{
	for (const char *p = cluster; *p != '\0'; p++) {
		if ((unsigned char)*p <= ' ' || *p == 0x7f) {
			return err_set(err, ERR_INVALID,
				"no cluster has a name with blanks in it");
		}
	}
	return 0;
}

static int
check_target(const char *source, const struct jwt_mapping_target *target, struct err *err)
{
	const char *subject = shown(target->subject);
	if (check_destination(source, subject, err) != 0) {
		return err_prefix(err, "subject \"%.64s\"", subject);
	}
	if (target->weight < 0 || target->weight > JWT_MAPPING_WEIGHT_MAX) {
		return err_set(err, ERR_INVALID, "weight %lld is not between 1 and %d",
			(long long)target->weight, JWT_MAPPING_WEIGHT_MAX);
	}
	return check_cluster(shown(target->cluster), err);
}

/* The same subject for two clusters, too, makes servers refuse the whole mapping. */
static int
check_duplicate(const struct jwt_mapping *mapping, size_t at, struct err *err)
{
	const char *subject = shown(mapping->targets[at].subject);
	for (size_t i = 0; i < at; i++) {
		if (str_equal(shown(mapping->targets[i].subject), subject)) {
			return err_set(err, ERR_INVALID,
				"subject \"%.64s\" is that of target %zu already",
				subject, i + 1);
		}
	}
	return 0;
}

/* Of the cluster of the target at `at`. */
static int
check_sum(const struct jwt_mapping *mapping, size_t at, struct err *err)
{
	const char *cluster = shown(mapping->targets[at].cluster);
	int64_t sum = 0;
	for (size_t i = 0; i < mapping->targets_len; i++) {
		if (str_equal(shown(mapping->targets[i].cluster), cluster)) {
			sum += weight_of(&mapping->targets[i]);
		}
	}
	if (sum <= JWT_MAPPING_WEIGHT_MAX) {
		return 0;
	}
	return cluster[0] == '\0'
		? err_set(err, ERR_INVALID, "the weights sum up to %lld, over %d",
			  (long long)sum, JWT_MAPPING_WEIGHT_MAX)
		: err_set(err, ERR_INVALID,
			  "the weights of cluster \"%.64s\" sum up to %lld, over %d",
			  cluster, (long long)sum, JWT_MAPPING_WEIGHT_MAX);
}

int
jwt_mapping_check(const struct jwt_mapping *mapping, struct err *err)
{
	const char *source = shown(mapping->subject);
	if (check_source(source, err) != 0) {
		return err_prefix(err, "\"%.64s\"", source);
	}
	for (size_t i = 0; i < mapping->targets_len; i++) {
		if (check_target(source, &mapping->targets[i], err) != 0 ||
			check_duplicate(mapping, i, err) != 0) {
			return err_prefix(err, "\"%.64s\" target %zu", source, i + 1);
		}
	}
	for (size_t i = 0; i < mapping->targets_len; i++) {
		if (check_sum(mapping, i, err) != 0) {
			return err_prefix(err, "\"%.64s\"", source);
		}
	}
	return 0;
}

int
jwt_mapping_check_sources(const struct jwt_mapping *mappings, size_t len, struct err *err)
{
	for (size_t i = 0; i < len; i++) {
		const char *a = shown(mappings[i].subject);
		for (size_t j = 0; j < i && subject_is_valid(a); j++) {
			const char *b = shown(mappings[j].subject);
			if (subject_is_valid(b) && subject_overlaps(a, b)) {
				return err_set(err, ERR_INVALID,
					"\"%.64s\" and \"%.64s\" overlap, servers would "
					"take one of them by chance",
					b, a);
			}
		}
	}
	return 0;
}

char *
jwt_mapping_pattern(const char *subject)
{
	char *pattern = str_dup(subject);
	if (pattern == NULL) {
		return NULL;
	}
	char *to = pattern;
	for (const char *token = subject; token != NULL;) {
		size_t len = strcspn(token, ".");
		int64_t n = 0;
		if (jwt_mapping_is_reference(token, len, &n)) {
			*to++ = '*';
		} else {
			memmove(to, token, len);
			to += len;
		}
		bool more = token[len] == '.';
		if (more) {
			*to++ = '.';
		}
		token = more ? token + len + 1 : NULL;
	}
	*to = '\0';
	return pattern;
}
