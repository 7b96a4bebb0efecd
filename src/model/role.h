/* SPDX-License-Identifier: Apache-2.0
 * Roles: named permissions and limits, minted as scoped signing keys. */
#ifndef MODEL_ROLE_H
#define MODEL_ROLE_H

#include "base/strlist.h"
#include "model/collection.h"

struct role {
	struct record_head head;
	char *name;
	char *description;
	bool is_default; /* the role of users that name none; at most one */
	struct strlist publish_permissions;
	struct strlist subscribe_permissions;
	struct strlist publish_deny_permissions;
	struct strlist subscribe_deny_permissions;
	bool allow_response;
	int64_t allow_response_max; /* -1 unlimited; 0 means 1 */
	int64_t allow_response_ttl; /* seconds; 0: the server's default */
	int64_t max_subscriptions;
	int64_t max_data; /* no server enforces it */
	int64_t max_payload;
	struct strlist connection_types; /* empty: all */
	struct strlist networks; /* CIDR; empty: all */
	char *time_windows; /* CLAIM_TIMES; "[]": always */
	char *times_location; /* IANA; "": the server's own */
	bool bearer_token;
	bool proxy_required;
	int64_t default_lifetime; /* seconds, of its users' JWTs; 0: natsid's default */
	int64_t feeds; /* what its templates read: bits of enum template_feed */
};

extern const struct collection role_collection;

int role_init(void *row, struct err *err) MUST_CHECK;

/* Its lists of permissions one by one: index < ROLE_LISTS; entries are borrowed. */
enum { ROLE_LISTS = 4 };
struct role_list {
	const char *name; /* of the field */
	const struct strlist *entries;
	bool deny;
};
struct role_list role_list(const struct role *role, size_t index);

/* The rules of whole lists, of which each entry is valid: adds what is wrong. */
void role_check(const struct role *role, struct violations *violations);

/* What its lists read: bits of enum template_feed. */
unsigned role_feeds(const struct role *role);

#endif
