/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/account_terms.h"

#include "base/str.h"
#include "jwt/fragment.h"

#include <string.h>

#define NANOSECONDS_PER_SECOND ((int64_t)1000000000)

static int
set_text(const char *text, char **out, struct err *err)
{
	if (text[0] == '\0') {
		return 0;
	}
	*out = str_dup(text);
	return *out == NULL ? err_nomem(err) : 0;
}

static int
set_list(const struct strlist *list, struct strlist *out, struct err *err)
{
	if (strlist_copy(list, out, err) != 0) {
		return -1;
	}
	strlist_canonical(out);
	return 0;
}

/* A list that is null says nothing; one that is empty allows nothing, which in a JWT only
 * a denial of everything says. */
static int
set_default(const struct strlist *allow, const struct strlist *deny,
	struct jwt_permission *out, struct err *err)
{
	if (allow->items != NULL && allow->len == 0) {
		return strlist_add(&out->deny, ">", err);
	}
	return set_list(allow, &out->allow, err) != 0 ||
			set_list(deny, &out->deny, err) != 0
		? -1
		: 0;
}

static int
add_defaults(const struct account *row, struct jwt_permissions *out, struct err *err)
{
	if (set_default(&row->default_publish_permissions,
		    &row->default_publish_deny_permissions, &out->pub, err) != 0 ||
		set_default(&row->default_subscribe_permissions,
			&row->default_subscribe_deny_permissions, &out->sub, err) != 0) {
		return -1;
	}
	if (row->default_allow_response) {
		out->has_resp = true;
		out->resp_max = row->default_allow_response_max == 0
			? 1
			: row->default_allow_response_max;
		out->resp_ttl_ns =
			row->default_allow_response_ttl * NANOSECONDS_PER_SECOND;
	}
	return 0;
}

static int
add_mappings(const struct account *row, struct jwt_account *out, struct err *err)
{
	if (jwt_fragment_mappings(row->mappings, strlen(row->mappings), &out->mappings,
		    &out->mappings_len, err) != 0) {
		return err_prefix(err, "mappings");
	}
	return 0;
}

static int
add_authorization(
	const struct account *row, struct jwt_authorization *out, struct err *err)
{
	return set_list(&row->callout_auth_users, &out->auth_users, err) != 0 ||
			set_list(&row->callout_allowed_accounts, &out->allowed_accounts,
				err) != 0 ||
			set_text(row->callout_xkey, &out->xkey, err) != 0
		? -1
		: 0;
}

static int
add_trace(const struct account *row, struct jwt_account *out, struct err *err)
{
	out->has_trace = row->trace_destination[0] != '\0';
	out->trace_sampling = out->has_trace ? row->trace_sampling : 0;
	return set_text(row->trace_destination, &out->trace_dest, err);
}

int
mint_account_terms_add(const struct account *row, bool tombstone, struct jwt_account *out,
	struct err *err)
{
	/* Whose account carries what streams say to each other belongs to the streams. */
	if (set_text(row->cluster_traffic, &out->cluster_traffic, err) != 0) {
		return -1;
	}
	if (tombstone) {
		return 0;
	}
	if (add_defaults(row, &out->default_permissions, err) != 0 ||
		add_mappings(row, out, err) != 0 ||
		add_authorization(row, &out->authorization, err) != 0 ||
		add_trace(row, out, err) != 0) {
		return -1;
	}
	return set_text(row->description, &out->description, err) != 0 ||
			set_text(row->info_url, &out->info_url, err) != 0 ||
			set_list(&row->tags, &out->tags, err) != 0
		? -1
		: 0;
}
