/* SPDX-License-Identifier: Apache-2.0
 * The claims of NATS JWTs (version 2) as plain structs.
 *
 * Every struct owns all that it points to: text from str_dup, arrays from calloc. Zeroed
 * is valid and empty. NULL and "" are the same, and absent from the token. Numbers follow
 * the token: in limits -1 is unlimited and 0 is none, not "unset", so start from the
 * _init functions. */
#ifndef JWT_CLAIMS_H
#define JWT_CLAIMS_H

#include "base/strlist.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum jwt_type {
	JWT_OPERATOR,
	JWT_ACCOUNT,
	JWT_USER,
	JWT_ACTIVATION,
	JWT_AUTH_REQUEST,
	JWT_AUTH_RESPONSE,
	JWT_GENERIC
};

enum { JWT_UNLIMITED = -1 };

/* ---- users and scopes ---- */

struct jwt_permission {
	struct strlist allow;
	struct strlist deny;
};

struct jwt_permissions {
	struct jwt_permission pub;
	struct jwt_permission sub;
	bool has_resp;
	int64_t resp_max;
	int64_t resp_ttl_ns;
};

/* "HH:MM:SS"; start after end crosses midnight. */
struct jwt_time_range {
	char *start;
	char *end;
};

struct jwt_user_limits {
	struct jwt_permissions permissions;
	struct strlist src; /* CIDR */
	struct jwt_time_range *times;
	size_t times_len;
	char *times_location; /* IANA name */
	int64_t subs;
	int64_t data;
	int64_t payload;
	bool bearer_token;
	bool proxy_required;
	struct strlist allowed_connection_types;
};

/* A user of a scoped signing key has a zeroed `limits`. */
struct jwt_user {
	struct jwt_user_limits limits;
	char *issuer_account; /* when signed by an account signing key */
	struct strlist tags;
};

/* ---- accounts ---- */

/* A key of the account; `scoped`: its users get the template's limits. */
struct jwt_signing_key {
	char *key;
	bool scoped;
	char *role;
	struct jwt_user_limits template_;
	char *description;
};

/* Tokens of key ("*": all) issued at or before `at` (unix seconds) are revoked. */
struct jwt_revocation {
	char *key;
	int64_t at;
};

enum jwt_export_type { JWT_EXPORT_UNKNOWN, JWT_EXPORT_STREAM, JWT_EXPORT_SERVICE };

struct jwt_import {
	char *name;
	char *subject;
	char *account;
	char *token;
	char *to; /* deprecated, kept for reading */
	char *local_subject;
	enum jwt_export_type type;
	bool share;
	bool allow_trace;
};

struct jwt_export {
	char *name;
	char *subject;
	enum jwt_export_type type;
	bool token_req;
	struct jwt_revocation *revocations;
	size_t revocations_len;
	char *response_type; /* "Singleton", "Stream", "Chunked" */
	int64_t response_threshold_ns;
	bool has_latency;
	int64_t latency_sampling; /* 1-100; 0 is "headers" */
	char *latency_results;
	int64_t account_token_position;
	bool advertise;
	bool allow_trace;
	char *description;
	char *info_url;
};

struct jwt_jetstream_limits {
	int64_t mem_storage;
	int64_t disk_storage;
	int64_t streams;
	int64_t consumer;
	int64_t max_ack_pending;
	int64_t mem_max_stream_bytes;
	int64_t disk_max_stream_bytes;
	bool max_bytes_required;
};

struct jwt_tier {
	char *name; /* "R1", "R3" */
	struct jwt_jetstream_limits limits;
};

struct jwt_account_limits {
	int64_t subs;
	int64_t data;
	int64_t payload;
	int64_t imports;
	int64_t exports;
	bool wildcards;
	bool disallow_bearer;
	int64_t conn;
	int64_t leaf;
	struct jwt_jetstream_limits jetstream; /* not together with tiers */
	struct jwt_tier *tiers;
	size_t tiers_len;
};

struct jwt_mapping_target {
	char *subject;
	int64_t weight; /* 1-100; 0 is absent, which means 100 */
	char *cluster;
};

struct jwt_mapping {
	char *subject;
	struct jwt_mapping_target *targets;
	size_t targets_len;
};

struct jwt_authorization {
	struct strlist auth_users;
	struct strlist allowed_accounts;
	char *xkey;
};

struct jwt_account {
	struct jwt_import *imports;
	size_t imports_len;
	struct jwt_export *exports;
	size_t exports_len;
	struct jwt_account_limits limits;
	struct jwt_signing_key *signing_keys;
	size_t signing_keys_len;
	struct jwt_revocation *revocations;
	size_t revocations_len;
	struct jwt_permissions default_permissions;
	struct jwt_mapping *mappings;
	size_t mappings_len;
	struct jwt_authorization authorization;
	bool has_trace;
	char *trace_dest;
	int64_t trace_sampling;
	char *cluster_traffic; /* "system", "owner" */
	char *description;
	char *info_url;
	struct strlist tags;
};

/* ---- the others ---- */

struct jwt_operator {
	struct strlist signing_keys;
	char *account_server_url;
	struct strlist operator_service_urls;
	char *system_account;
	char *assert_server_version;
	bool strict_signing_key_usage;
	struct strlist tags;
};

struct jwt_activation {
	char *subject;
	enum jwt_export_type kind;
	char *issuer_account;
	struct strlist tags;
};

struct jwt_server_id {
	char *name;
	char *host;
	char *id;
	char *version;
	char *cluster;
	struct strlist tags;
	char *xkey;
};

struct jwt_client_info {
	char *host;
	int64_t id;
	char *user;
	char *name;
	struct strlist tags;
	char *name_tag;
	char *kind;
	char *type;
	char *mqtt_id;
	char *nonce;
};

/* What the client sent: jwt, sig, auth_token and pass are secrets and are wiped on
 * release. */
struct jwt_connect_opts {
	char *jwt;
	char *nkey;
	char *sig;
	char *auth_token;
	char *user;
	char *pass;
	char *name;
	char *lang;
	char *version;
	int64_t protocol;
};

struct jwt_client_tls {
	char *version;
	char *cipher;
	struct strlist certs;
	struct strlist *verified_chains;
	size_t verified_chains_len;
};

struct jwt_auth_request {
	struct jwt_server_id server;
	char *user_nkey;
	struct jwt_client_info client;
	struct jwt_connect_opts connect;
	bool has_tls;
	struct jwt_client_tls tls;
	char *request_nonce;
	struct strlist tags;
};

struct jwt_auth_response {
	char *jwt;
	char *error;
	char *issuer_account;
	struct strlist tags;
};

/* json is one value in the emitter's byte form. */
struct jwt_member {
	char *key;
	char *json;
};

/* A free object; "version" is the encoder's and not among the members. */
struct jwt_generic {
	struct jwt_member *members;
	size_t members_len;
};

/* exp and nbf 0: absent. jti and iss are the encoder's; the decoder fills them. */
struct jwt_claims {
	enum jwt_type type;
	char *aud;
	int64_t exp;
	char *jti;
	int64_t iat;
	char *iss;
	char *name;
	int64_t nbf;
	char *sub;
	union {
		struct jwt_operator operator_;
		struct jwt_account account;
		struct jwt_user user;
		struct jwt_activation activation;
		struct jwt_auth_request auth_request;
		struct jwt_auth_response auth_response;
		struct jwt_generic generic;
	} as;
};

/* The defaults of the reference library: unlimited, wildcards allowed, no JetStream. They
 * write over what is there without freeing it. */
void jwt_account_init(struct jwt_account *account);
void jwt_user_limits_init(struct jwt_user_limits *limits);
void jwt_user_init(struct jwt_user *user);

/* Nothing set at all, as servers require of the users of a scoped signing key. */
bool jwt_user_limits_are_empty(const struct jwt_user_limits *limits);

/* Frees what the struct owns and zeroes it. */
void jwt_claims_release(struct jwt_claims *claims);
void jwt_user_limits_release(struct jwt_user_limits *limits);

/* Frees the array and what its items own; NULL with 0 is fine. */
void jwt_time_ranges_release(struct jwt_time_range *ranges, size_t len);
void jwt_tiers_release(struct jwt_tier *tiers, size_t len);
void jwt_mappings_release(struct jwt_mapping *mappings, size_t len);

/* "operator", "authorization_request", ...; "generic" for JWT_GENERIC. Static storage. */
const char *jwt_type_name(enum jwt_type type);

#endif
