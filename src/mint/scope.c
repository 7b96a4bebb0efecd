/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/scope.h"

#include "base/str.h"
#include "jwt/fragment.h"
#include "jwt/validate.h"
#include "mint/signer.h"
#include "model/network.h"

#include <stdlib.h>
#include <string.h>

#define NANOSECONDS_PER_SECOND ((int64_t)1000000000)

int
mint_scope_permission(const struct strlist *allow, const struct strlist *deny,
	struct jwt_permission *out, struct err *err)
{
	if (allow->len == 0) {
		return strlist_add(&out->deny, ">", err);
	}
	if (strlist_copy(allow, &out->allow, err) != 0 ||
		strlist_copy(deny, &out->deny, err) != 0) {
		return -1;
	}
	strlist_canonical(&out->allow);
	strlist_canonical(&out->deny);
	return 0;
}

static int
set_permissions(
	const struct role *role, struct jwt_permissions *permissions, struct err *err)
{
	if (mint_scope_permission(&role->publish_permissions,
		    &role->publish_deny_permissions, &permissions->pub, err) != 0 ||
		mint_scope_permission(&role->subscribe_permissions,
			&role->subscribe_deny_permissions, &permissions->sub, err) != 0) {
		return -1;
	}
	if (role->allow_response) {
		permissions->has_resp = true;
		permissions->resp_max =
			role->allow_response_max == 0 ? 1 : role->allow_response_max;
		permissions->resp_ttl_ns =
			role->allow_response_ttl * NANOSECONDS_PER_SECOND;
	}
	return 0;
}

static int
set_networks(const struct strlist *networks, struct strlist *out, struct err *err)
{
	for (size_t i = 0; i < networks->len; i++) {
		struct network network;
		char text[NETWORK_TEXT_SIZE];
		if (network_parse(networks->items[i], &network) != 0) {
			return err_set(err, ERR_INVALID, "\"%.64s\" is not a network",
				networks->items[i]);
		}
		network_format(&network, text);
		if (strlist_add(out, text, err) != 0) {
			return -1;
		}
	}
	strlist_canonical(out);
	return 0;
}

/* ---- times ---- */

static int
compare_ranges(const void *a, const void *b)
{
	const struct jwt_time_range *x = a;
	const struct jwt_time_range *y = b;
	int starts = strcmp(x->start, y->start);
	return starts != 0 ? starts : strcmp(x->end, y->end);
}

/* Drops those that are there twice; the array is sorted. */
static size_t
drop_doubles(struct jwt_time_range *ranges, size_t len)
{
	size_t kept = 0;
	for (size_t i = 0; i < len; i++) {
		if (kept > 0 && compare_ranges(&ranges[kept - 1], &ranges[i]) == 0) {
			free(ranges[i].start);
			free(ranges[i].end);
			continue;
		}
		ranges[kept++] = ranges[i];
	}
	return kept;
}

int
mint_scope_times(
	const char *text, struct jwt_time_range **out, size_t *out_len, struct err *err)
{
	struct jwt_time_range *ranges = NULL;
	size_t len = 0;
	if (jwt_fragment_times(text, strlen(text), &ranges, &len, err) != 0) {
		return -1;
	}
	if (len > 0) {
		qsort(ranges, len, sizeof(*ranges), compare_ranges);
		len = drop_doubles(ranges, len);
	}
	*out = ranges;
	*out_len = len;
	return 0;
}

/* A location alone says nothing. */
static int
set_times(const struct role *role, struct jwt_user_limits *out, struct err *err)
{
	if (mint_scope_times(role->time_windows, &out->times, &out->times_len, err) !=
		0) {
		return -1;
	}
	if (out->times_len > 0 && role->times_location[0] != '\0') {
		out->times_location = str_dup(role->times_location);
		if (out->times_location == NULL) {
			return err_nomem(err);
		}
	}
	return 0;
}

int
mint_scope(const struct role *role, struct jwt_user_limits *out, struct err *err)
{
	struct jwt_user_limits limits = {
		.subs = role->max_subscriptions,
		.data = JWT_UNLIMITED, /* no server enforces another one */
		.payload = role->max_payload,
		.bearer_token = role->bearer_token,
		.proxy_required = role->proxy_required,
	};
	if (set_permissions(role, &limits.permissions, err) != 0 ||
		set_networks(&role->networks, &limits.src, err) != 0 ||
		set_times(role, &limits, err) != 0 ||
		strlist_copy(&role->connection_types, &limits.allowed_connection_types,
			err) != 0) {
		jwt_user_limits_release(&limits);
		return -1;
	}
	strlist_canonical(&limits.allowed_connection_types);
	*out = limits;
	return 0;
}

int
mint_scope_check(const struct role *role, struct err *err)
{
	static const struct nkey_public any_key;
	struct jwt_signing_key key = {
		.key = mint_key_text(NKEY_ACCOUNT, &any_key),
		.scoped = true,
	};
	struct jwt_claims claims = { .type = JWT_ACCOUNT, .sub = key.key };
	struct jwt_issues issues = { 0 };
	if (key.key == NULL) {
		return err_nomem(err);
	}
	jwt_account_init(&claims.as.account);
	claims.as.account.signing_keys = &key;
	claims.as.account.signing_keys_len = 1;
	int rc = mint_scope(role, &key.template_, err);
	if (rc == 0) {
		jwt_validate(&claims, 0, &issues);
		const char *blocking = jwt_issues_find_blocking(&issues, false);
		rc = blocking == NULL ? 0 : err_set(err, ERR_INVALID, "%s", blocking);
	}
	jwt_user_limits_release(&key.template_);
	free(key.key);
	return rc;
}
