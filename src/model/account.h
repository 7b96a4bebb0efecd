/* SPDX-License-Identifier: Apache-2.0
 * Accounts: the tenants of a NATS system. */
#ifndef MODEL_ACCOUNT_H
#define MODEL_ACCOUNT_H

#include "base/strlist.h"
#include "model/collection.h"

/* Limits: -1 unlimited, 0 none, n the limit. Begins as struct record_head; record_release
 * frees. */
struct account {
	struct record_head head;
	char *name;
	char *description;
	struct nkey_public public_key;
	bool active;
	bool is_system;
	int64_t max_connections;
	int64_t max_subscriptions;
	int64_t max_data; /* minted, though no server enforces it */
	int64_t max_payload;
	int64_t max_jetstream_disk_storage;
	int64_t max_jetstream_memory_storage;
	int64_t max_leafnodes;
	int64_t max_imports;
	int64_t max_exports;
	bool allow_wildcard_exports;
	bool disallow_bearer;
	/* of JetStream, as long as one of its storages is not 0 */
	int64_t max_streams;
	int64_t max_consumers;
	int64_t max_ack_pending;
	int64_t max_memory_stream_bytes;
	int64_t max_disk_stream_bytes;
	bool max_bytes_required;
	char *jetstream_tiers; /* CLAIM_TIERS, in place of the flat limits of JetStream */
	/* of users that have none of their own; a list that is null says nothing */
	struct strlist default_publish_permissions;
	struct strlist default_subscribe_permissions;
	struct strlist default_publish_deny_permissions;
	struct strlist default_subscribe_deny_permissions;
	bool default_allow_response;
	int64_t default_allow_response_max; /* -1 unlimited; 0 means 1 */
	int64_t default_allow_response_ttl; /* seconds; 0: the server's default */
	char *mappings; /* CLAIM_MAPPINGS */
	char *trace_destination; /* subject; "": no trace */
	int64_t trace_sampling; /* percent; 0 means 100 */
	char *cluster_traffic; /* "system", "owner", or "" */
	struct strlist tags;
	char *info_url;
	struct strlist callout_auth_users; /* U... */
	struct strlist callout_allowed_accounts; /* A..., or "*" alone */
	char *callout_xkey; /* X..., or "" */
	int64_t key_set; /* the set of signing keys that signs now */
	/* triggers */
	bool rotate_keys;
	bool add_signing_key;
	char *remove_signing_key; /* A... */
	bool revoke_all;
};

extern const struct collection account_collection;

/* SQL: what the API says of the convergence of account t.seq, whose row of
 * account_publish is p. */
#define ACCOUNT_READ_PUBLISH_STATUS \
	"CASE WHEN p.proven_generation < p.generation THEN p.state " \
	"ELSE coalesce((SELECT iif(max(missing_since) > 0, 'partial', 'pending') " \
	"FROM unconfirmed u WHERE u.account = t.seq HAVING count(*) > 0), 'proven') END"
#define ACCOUNT_READ_PUBLISH_MESSAGE \
	"CASE WHEN p.proven_generation < p.generation THEN coalesce((SELECT words FROM " \
	"standing WHERE words <> '' AND p.state = 'pending'), p.message) " \
	"ELSE (SELECT coalesce(group_concat(name || iif(missing_since > 0, " \
	"' does not answer', ' is being checked'), ', '), '') " \
	"FROM unconfirmed u WHERE u.account = t.seq) END"

int account_init(void *row, struct err *err) MUST_CHECK;

#endif
