/* SPDX-License-Identifier: Apache-2.0 */
#include "jwt/claims.h"

#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

const char *
jwt_type_name(enum jwt_type type)
{
	switch (type) {
	case JWT_OPERATOR:
		return "operator";
	case JWT_ACCOUNT:
		return "account";
	case JWT_USER:
		return "user";
	case JWT_ACTIVATION:
		return "activation";
	case JWT_AUTH_REQUEST:
		return "authorization_request";
	case JWT_AUTH_RESPONSE:
		return "authorization_response";
	case JWT_GENERIC:
		return "generic";
	}
	return "generic";
}

void
jwt_account_init(struct jwt_account *account)
{
	*account = (struct jwt_account){
		.limits = {
			.subs = JWT_UNLIMITED,
			.data = JWT_UNLIMITED,
			.payload = JWT_UNLIMITED,
			.imports = JWT_UNLIMITED,
			.exports = JWT_UNLIMITED,
			.wildcards = true,
			.conn = JWT_UNLIMITED,
			.leaf = JWT_UNLIMITED,
		},
	};
}

void
jwt_user_limits_init(struct jwt_user_limits *limits)
{
	*limits = (struct jwt_user_limits){
		.subs = JWT_UNLIMITED,
		.data = JWT_UNLIMITED,
		.payload = JWT_UNLIMITED,
	};
}

void
jwt_user_init(struct jwt_user *user)
{
	*user = (struct jwt_user){ 0 };
	jwt_user_limits_init(&user->limits);
}

static bool
permission_is_empty(const struct jwt_permission *permission)
{
	return permission->allow.len == 0 && permission->deny.len == 0;
}

static bool
text_is_empty(const char *text)
{
	return text == NULL || text[0] == '\0';
}

bool
jwt_user_limits_are_empty(const struct jwt_user_limits *limits)
{
	const struct jwt_permissions *permissions = &limits->permissions;
	return permission_is_empty(&permissions->pub) &&
		permission_is_empty(&permissions->sub) && !permissions->has_resp &&
		limits->src.len == 0 && limits->times_len == 0 &&
		text_is_empty(limits->times_location) && limits->subs == 0 &&
		limits->data == 0 && limits->payload == 0 && !limits->bearer_token &&
		!limits->proxy_required && limits->allowed_connection_types.len == 0;
}

static void
permissions_release(struct jwt_permissions *permissions)
{
	strlist_release(&permissions->pub.allow);
	strlist_release(&permissions->pub.deny);
	strlist_release(&permissions->sub.allow);
	strlist_release(&permissions->sub.deny);
}

void
jwt_time_ranges_release(struct jwt_time_range *ranges, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		free(ranges[i].start);
		free(ranges[i].end);
	}
	free(ranges);
}

void
jwt_user_limits_release(struct jwt_user_limits *limits)
{
	permissions_release(&limits->permissions);
	strlist_release(&limits->src);
	jwt_time_ranges_release(limits->times, limits->times_len);
	free(limits->times_location);
	strlist_release(&limits->allowed_connection_types);
	*limits = (struct jwt_user_limits){ 0 };
}

static void
user_release(struct jwt_user *user)
{
	jwt_user_limits_release(&user->limits);
	free(user->issuer_account);
	strlist_release(&user->tags);
}

static void
revocations_release(struct jwt_revocation *revocations, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		free(revocations[i].key);
	}
	free(revocations);
}

static void
imports_release(struct jwt_import *imports, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		free(imports[i].name);
		free(imports[i].subject);
		free(imports[i].account);
		free(imports[i].token);
		free(imports[i].to);
		free(imports[i].local_subject);
	}
	free(imports);
}

static void
exports_release(struct jwt_export *exports, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		free(exports[i].name);
		free(exports[i].subject);
		revocations_release(exports[i].revocations, exports[i].revocations_len);
		free(exports[i].response_type);
		free(exports[i].latency_results);
		free(exports[i].description);
		free(exports[i].info_url);
	}
	free(exports);
}

static void
signing_keys_release(struct jwt_signing_key *keys, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		free(keys[i].key);
		free(keys[i].role);
		jwt_user_limits_release(&keys[i].template_);
		free(keys[i].description);
	}
	free(keys);
}

void
jwt_tiers_release(struct jwt_tier *tiers, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		free(tiers[i].name);
	}
	free(tiers);
}

void
jwt_mappings_release(struct jwt_mapping *mappings, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		for (size_t j = 0; j < mappings[i].targets_len; j++) {
			free(mappings[i].targets[j].subject);
			free(mappings[i].targets[j].cluster);
		}
		free(mappings[i].targets);
		free(mappings[i].subject);
	}
	free(mappings);
}

static void
account_release(struct jwt_account *account)
{
	imports_release(account->imports, account->imports_len);
	exports_release(account->exports, account->exports_len);
	jwt_tiers_release(account->limits.tiers, account->limits.tiers_len);
	signing_keys_release(account->signing_keys, account->signing_keys_len);
	revocations_release(account->revocations, account->revocations_len);
	permissions_release(&account->default_permissions);
	jwt_mappings_release(account->mappings, account->mappings_len);
	strlist_release(&account->authorization.auth_users);
	strlist_release(&account->authorization.allowed_accounts);
	free(account->authorization.xkey);
	free(account->trace_dest);
	free(account->cluster_traffic);
	free(account->description);
	free(account->info_url);
	strlist_release(&account->tags);
}

static void
operator_release(struct jwt_operator *operator_)
{
	strlist_release(&operator_->signing_keys);
	free(operator_->account_server_url);
	strlist_release(&operator_->operator_service_urls);
	free(operator_->system_account);
	free(operator_->assert_server_version);
	strlist_release(&operator_->tags);
}

static void
activation_release(struct jwt_activation *activation)
{
	free(activation->subject);
	free(activation->issuer_account);
	strlist_release(&activation->tags);
}

static void
connect_opts_release(struct jwt_connect_opts *connect)
{
	secret_free_text(connect->jwt);
	free(connect->nkey);
	secret_free_text(connect->sig);
	secret_free_text(connect->auth_token);
	free(connect->user);
	secret_free_text(connect->pass);
	free(connect->name);
	free(connect->lang);
	free(connect->version);
}

static void
auth_request_release(struct jwt_auth_request *request)
{
	free(request->server.name);
	free(request->server.host);
	free(request->server.id);
	free(request->server.version);
	free(request->server.cluster);
	strlist_release(&request->server.tags);
	free(request->server.xkey);
	free(request->user_nkey);
	free(request->client.host);
	free(request->client.user);
	free(request->client.name);
	strlist_release(&request->client.tags);
	free(request->client.name_tag);
	free(request->client.kind);
	free(request->client.type);
	free(request->client.mqtt_id);
	free(request->client.nonce);
	connect_opts_release(&request->connect);
	free(request->tls.version);
	free(request->tls.cipher);
	strlist_release(&request->tls.certs);
	for (size_t i = 0; i < request->tls.verified_chains_len; i++) {
		strlist_release(&request->tls.verified_chains[i]);
	}
	free(request->tls.verified_chains);
	free(request->request_nonce);
	strlist_release(&request->tags);
}

static void
auth_response_release(struct jwt_auth_response *response)
{
	free(response->jwt);
	free(response->error);
	free(response->issuer_account);
	strlist_release(&response->tags);
}

static void
generic_release(struct jwt_generic *generic)
{
	for (size_t i = 0; i < generic->members_len; i++) {
		free(generic->members[i].key);
		free(generic->members[i].json);
	}
	free(generic->members);
}

void
jwt_claims_release(struct jwt_claims *claims)
{
	switch (claims->type) {
	case JWT_OPERATOR:
		operator_release(&claims->as.operator_);
		break;
	case JWT_ACCOUNT:
		account_release(&claims->as.account);
		break;
	case JWT_USER:
		user_release(&claims->as.user);
		break;
	case JWT_ACTIVATION:
		activation_release(&claims->as.activation);
		break;
	case JWT_AUTH_REQUEST:
		auth_request_release(&claims->as.auth_request);
		break;
	case JWT_AUTH_RESPONSE:
		auth_response_release(&claims->as.auth_response);
		break;
	case JWT_GENERIC:
		generic_release(&claims->as.generic);
		break;
	}
	free(claims->aud);
	free(claims->jti);
	free(claims->iss);
	free(claims->name);
	free(claims->sub);
	memset(claims, 0, sizeof(*claims));
}
