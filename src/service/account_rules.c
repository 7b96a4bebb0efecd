/* SPDX-License-Identifier: Apache-2.0 */
#include "service/account_rules.h"

#include "base/str.h"

#include <string.h>

/* ---- one field against another ---- */

/* The limits of JetStream that tiers stand in place of, and what each is when it says
 * nothing. */
static const struct {
	const char *name;
	int64_t nothing;
} flat_limits[] = {
	{ "max_jetstream_disk_storage", 0 },
	{ "max_jetstream_memory_storage", 0 },
	{ "max_streams", -1 },
	{ "max_consumers", -1 },
	{ "max_ack_pending", -1 },
	{ "max_memory_stream_bytes", -1 },
	{ "max_disk_stream_bytes", -1 },
};

enum { FLAT_LIMITS = sizeof(flat_limits) / sizeof(flat_limits[0]) };

static int64_t
number_of(const struct account *row, const char *name)
{
	const struct field *field = collection_field(&account_collection, name);
	return *(const int64_t *)record_member_const(field, row);
}

static void
check_tiers(const struct account *row, struct violations *violations)
{
	if (str_equal(row->jetstream_tiers, "{}")) {
		return;
	}
	for (size_t i = 0; i < FLAT_LIMITS; i++) {
		if (number_of(row, flat_limits[i].name) != flat_limits[i].nothing) {
			violations_add(violations, "jetstream_tiers", VIOLATION_VALUE,
				"Stands in place of %s: set that to %d, or take the "
				"tiers "
				"away with {}.",
				flat_limits[i].name, (int)flat_limits[i].nothing);
			return;
		}
	}
	if (row->max_bytes_required) {
		violations_add(violations, "jetstream_tiers", VIOLATION_VALUE,
			"Stands in place of max_bytes_required: set that to false, and "
			"max_bytes_required in each tier.");
	}
}

/* Servers take 0 for no limit; here it would say that there is none to have. */
static void
check_zero_limits(const struct account *row, struct violations *violations)
{
	for (size_t i = 0; i < FLAT_LIMITS; i++) {
		if (flat_limits[i].nothing != 0 &&
			number_of(row, flat_limits[i].name) == 0) {
			violations_add(violations, flat_limits[i].name, VIOLATION_VALUE,
				"Servers take 0 for no limit. Use -1 for that, and the "
				"storages of JetStream to allow nothing.");
		}
	}
}

static void
check_callout(const struct account *row, struct violations *violations)
{
	const struct strlist *accounts = &row->callout_allowed_accounts;
	bool none = row->callout_auth_users.len == 0;
	if (none && accounts->len > 0) {
		violations_add(violations, "callout_allowed_accounts", VIOLATION_VALUE,
			"Needs callout_auth_users: without them there is no auth "
			"callout.");
	}
	if (none && row->callout_xkey[0] != '\0') {
		violations_add(violations, "callout_xkey", VIOLATION_VALUE,
			"Needs callout_auth_users: without them there is no auth "
			"callout.");
	}
	for (size_t i = 0; accounts->len > 1 && i < accounts->len; i++) {
		if (str_equal(accounts->items[i], "*")) {
			violations_add(violations, "callout_allowed_accounts",
				VIOLATION_VALUE,
				"* stands for all accounts, so it stands alone.");
		}
	}
}

static void
check_trace(const struct account *row, struct violations *violations)
{
	if (row->trace_sampling != 0 && row->trace_destination[0] == '\0') {
		violations_add(violations, "trace_sampling", VIOLATION_VALUE,
			"Needs trace_destination: without it nothing is traced.");
	}
}

/* To servers an answer that is allowed, and no list of what else is, means that nothing
 * else is. */
static void
check_defaults(const struct account *row, struct violations *violations)
{
	if (row->default_allow_response &&
		row->default_publish_permissions.items == NULL) {
		violations_add(violations, "default_allow_response", VIOLATION_VALUE,
			"Needs default_publish_permissions: without them servers let "
			"users publish answers and nothing else. Use [] to say so.");
	}
}

/* natsid tells its own JWTs by a tag. */
static void
check_tags(const struct account *row, struct violations *violations)
{
	for (size_t i = 0; i < row->tags.len; i++) {
		const char *tag = row->tags.items[i];
		if (str_equal(tag, "natsid") || str_starts_with(tag, "natsid:")) {
			violations_add(violations, "tags", VIOLATION_VALUE,
				"Entry %zu: the tag \"natsid\" is natsid's own.", i);
		}
	}
}

void
account_rules_check(const struct account *row, struct violations *violations)
{
	check_tiers(row, violations);
	check_zero_limits(row, violations);
	check_callout(row, violations);
	check_trace(row, violations);
	check_defaults(row, violations);
	check_tags(row, violations);
}

/* ---- what a change means ---- */

bool
account_rules_is_minted(const struct field *field)
{
	return field->column != NULL && field->type != FIELD_ID &&
		(field->flags & (FIELD_READ_ONLY | FIELD_INTERNAL)) == 0;
}

/* What a change of a field gives, if it gives. Limits need no mention. */
enum meaning {
	MEANING_TAKES, /* or who knows */
	MEANING_NONE, /* no right depends on it */
	MEANING_ALLOWS, /* true gives, more entries give, null gives */
	MEANING_DENIES /* the other way round */
};

static const struct {
	const char *name;
	enum meaning meaning;
} meanings[] = {
	{ "description", MEANING_NONE },
	{ "name", MEANING_NONE },
	{ "info_url", MEANING_NONE },
	{ "trace_destination", MEANING_NONE },
	{ "trace_sampling", MEANING_NONE },
	{ "cluster_traffic", MEANING_NONE },
	{ "tags", MEANING_ALLOWS },
	{ "allow_wildcard_exports", MEANING_ALLOWS },
	{ "disallow_bearer", MEANING_DENIES },
	{ "max_bytes_required", MEANING_DENIES },
	{ "default_publish_permissions", MEANING_ALLOWS },
	{ "default_subscribe_permissions", MEANING_ALLOWS },
	{ "default_publish_deny_permissions", MEANING_DENIES },
	{ "default_subscribe_deny_permissions", MEANING_DENIES },
	{ "default_allow_response", MEANING_ALLOWS },
};

static enum meaning
meaning_of(const struct field *field)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (str_equal(meanings[i].name, field->name)) {
			return meanings[i].meaning;
		}
	}
	/* a limit: -1 is none */
	return field->type == FIELD_INT && field->min == -1 ? MEANING_ALLOWS
							    : MEANING_TAKES;
}

static bool
has_entry(const struct strlist *list, const char *entry)
{
	for (size_t i = 0; i < list->len; i++) {
		if (str_equal(list->items[i], entry)) {
			return true;
		}
	}
	return false;
}

static bool
has_all(const struct strlist *list, const struct strlist *entries)
{
	for (size_t i = 0; i < entries->len; i++) {
		if (!has_entry(list, entries->items[i])) {
			return false;
		}
	}
	return true;
}

/* Does `after` have all that `before` has? A null list of what is allowed is everything,
 * one of what is denied (or of tags) is nothing. */
static bool
is_more(const struct field *field, bool allows, const void *before, const void *after)
{
	if (field->type == FIELD_BOOL) {
		return *(const bool *)after || !*(const bool *)before;
	}
	if (field->type == FIELD_INT) {
		int64_t was = *(const int64_t *)before;
		int64_t is = *(const int64_t *)after;
		return is < 0 || (was >= 0 && is >= was);
	}
	const struct strlist *was = before;
	const struct strlist *is = after;
	bool all = allows && (field->flags & FIELD_NULLABLE) != 0;
	if (all && (was->items == NULL || is->items == NULL)) {
		return is->items == NULL;
	}
	return has_all(is, was);
}

static bool
takes(const struct field *field, const struct account *before,
	const struct account *after)
{
	const void *was = record_member_const(field, before);
	const void *is = record_member_const(field, after);
	switch (meaning_of(field)) {
	case MEANING_TAKES:
		return true;
	case MEANING_NONE:
		return false;
	case MEANING_ALLOWS:
		return !is_more(field, true, was, is);
	case MEANING_DENIES:
		return !is_more(field, false, is, was);
	}
	return true;
}

bool
account_rules_takes(
	const struct account *before, const struct account *after, uint64_t changed)
{
	for (size_t i = 0; i < account_collection.field_count; i++) {
		const struct field *field = &account_collection.fields[i];
		if ((changed >> i & 1) != 0 && account_rules_is_minted(field) &&
			takes(field, before, after)) {
			return true;
		}
	}
	return false;
}
