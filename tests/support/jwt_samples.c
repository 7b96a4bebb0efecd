/* SPDX-License-Identifier: Apache-2.0 */
#include "support/jwt_samples.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
die(const char *what)
{
	fprintf(stderr, "sample: %s\n", what);
	abort();
}

/* ---- keys ---- */

struct sample_key
sample_key_make(enum nkey_role role, uint8_t byte)
{
	struct sample_key key = { .role = role };
	memset(key.seed, byte, sizeof(key.seed));
	jwt_nkey_public(role, key.seed, &key.pub);
	nkey_text_encode(role, &key.pub, key.text);
	return key;
}

static int
sign(void *ctx, const uint8_t *msg, size_t len, uint8_t sig[static NKEY_SIG_LEN],
	struct err *err)
{
	const struct sample_key *key = ctx;
	(void)err; /* cannot fail */
	jwt_nkey_sign(key->seed, &key->pub, msg, len, sig);
	return 0;
}

struct jwt_signer
sample_signer(struct sample_key *key)
{
	return (struct jwt_signer){
		.role = key->role, .key = key->pub, .sign = sign, .ctx = key
	};
}

/* ---- pieces ---- */

static char *
text(const char *value)
{
	char *copy = str_dup(value);
	if (copy == NULL) {
		die("out of memory");
	}
	return copy;
}

static void *
items(size_t n, size_t size)
{
	void *array = calloc(n, size);
	if (array == NULL) {
		die("out of memory");
	}
	return array;
}

static void
add(struct strlist *list, const char *value)
{
	if (strlist_add(list, value, NULL) != 0) {
		die("out of memory");
	}
}

static char *
key_text(enum nkey_role role, uint8_t byte)
{
	return text(sample_key_make(role, byte).text);
}

static void
add_key(struct strlist *list, enum nkey_role role, uint8_t byte)
{
	add(list, sample_key_make(role, byte).text);
}

static void
begin(struct jwt_claims *claims, enum jwt_type type, const char *name,
	enum nkey_role role, uint8_t sub)
{
	*claims = (struct jwt_claims){ .type = type, .iat = SAMPLE_ISSUED_AT };
	claims->name = name != NULL ? text(name) : NULL;
	claims->sub = key_text(role, sub);
}

/* ---- operator ---- */

static void
operator_minimal(struct jwt_claims *claims)
{
	begin(claims, JWT_OPERATOR, "O", NKEY_OPERATOR, 0x01);
}

static void
operator_full(struct jwt_claims *claims)
{
	begin(claims, JWT_OPERATOR, "Op & <Co>", NKEY_OPERATOR, 0x01);
	struct jwt_operator *operator_ = &claims->as.operator_;
	add_key(&operator_->signing_keys, NKEY_OPERATOR, 0x11);
	operator_->account_server_url = text("nats://localhost:4222");
	add(&operator_->operator_service_urls, "nats://localhost:4222");
	operator_->system_account = key_text(NKEY_ACCOUNT, 0x02);
	operator_->assert_server_version = text("2.10.0");
	operator_->strict_signing_key_usage = true;
	add(&operator_->tags, "env:prod");
}

/* ---- account ---- */

static void
account_default(struct jwt_claims *claims)
{
	begin(claims, JWT_ACCOUNT, "A", NKEY_ACCOUNT, 0x02);
	jwt_account_init(&claims->as.account);
}

static void
account_zero(struct jwt_claims *claims)
{
	begin(claims, JWT_ACCOUNT, "A", NKEY_ACCOUNT, 0x02);
}

/* Imports, exports and maps are put in here in another order than they leave in. */
static void
put_imports(struct jwt_account *account)
{
	struct jwt_import *imports = items(2, sizeof(*imports));
	imports[0].name = text("i");
	imports[0].subject = text("remote.svc.*");
	imports[0].account = key_text(NKEY_ACCOUNT, 0x22);
	imports[0].local_subject = text("local.$1");
	imports[0].type = JWT_EXPORT_SERVICE;
	imports[0].share = true;
	imports[1].subject = text("data.>");
	imports[1].account = key_text(NKEY_ACCOUNT, 0x22);
	imports[1].token = text("tok");
	imports[1].to = text("imp");
	imports[1].type = JWT_EXPORT_STREAM;
	imports[1].allow_trace = true;
	account->imports = imports;
	account->imports_len = 2;
}

static void
put_exports(struct jwt_account *account)
{
	struct jwt_export *exports = items(2, sizeof(*exports));
	exports[0].name = text("svc");
	exports[0].subject = text("svc.*");
	exports[0].type = JWT_EXPORT_SERVICE;
	exports[0].token_req = true;
	exports[0].revocations = items(1, sizeof(*exports[0].revocations));
	exports[0].revocations[0].key = key_text(NKEY_ACCOUNT, 0x22);
	exports[0].revocations[0].at = 9;
	exports[0].revocations_len = 1;
	exports[0].response_type = text("Stream");
	exports[0].response_threshold_ns = 2000000000;
	exports[0].has_latency = true;
	exports[0].latency_results = text("lat.res");
	exports[0].account_token_position = 2;
	exports[0].advertise = true;
	exports[0].allow_trace = true;
	exports[1].name = text("evt");
	exports[1].subject = text("events.>");
	exports[1].type = JWT_EXPORT_STREAM;
	account->exports = exports;
	account->exports_len = 2;
}

static void
put_limits(struct jwt_account_limits *limits)
{
	limits->subs = 0;
	limits->leaf = 0;
	limits->conn = 100;
	limits->disallow_bearer = true;
	limits->tiers = items(2, sizeof(*limits->tiers));
	limits->tiers_len = 2;
	limits->tiers[0].name = text("R3");
	limits->tiers[0].limits.mem_storage = JWT_UNLIMITED;
	limits->tiers[0].limits.disk_storage = 1024;
	limits->tiers[0].limits.streams = 5;
	limits->tiers[0].limits.consumer = 10;
	limits->tiers[0].limits.max_bytes_required = true;
	limits->tiers[1].name = text("R1");
	limits->tiers[1].limits.disk_storage = JWT_UNLIMITED;
}

static void
put_signing_keys(struct jwt_account *account)
{
	struct jwt_signing_key *keys = items(2, sizeof(*keys));
	keys[0].key = key_text(NKEY_ACCOUNT, 0x13);
	keys[0].scoped = true;
	keys[0].role = text("svc");
	keys[0].description = text("d");
	struct jwt_user_limits *template_ = &keys[0].template_;
	jwt_user_limits_init(template_);
	add(&template_->permissions.pub.allow, "app.{{tag(team)}}.>");
	add(&template_->permissions.sub.allow, "_INBOX.{{subject()}}.>");
	add(&template_->permissions.sub.allow, "q.* workers");
	template_->permissions.has_resp = true;
	template_->permissions.resp_max = 1;
	template_->permissions.resp_ttl_ns = 1000000000;
	add(&template_->allowed_connection_types, "STANDARD");
	keys[1].key = key_text(NKEY_ACCOUNT, 0x12);
	account->signing_keys = keys;
	account->signing_keys_len = 2;
}

static void
put_revocations(struct jwt_account *account)
{
	account->revocations = items(2, sizeof(*account->revocations));
	account->revocations_len = 2;
	account->revocations[0].key = key_text(NKEY_USER, 0x03);
	account->revocations[0].at = 1700000001;
	account->revocations[1].key = text("*");
	account->revocations[1].at = 5;
}

static void
put_mappings(struct jwt_account *account)
{
	struct jwt_mapping_target *targets = items(2, sizeof(*targets));
	targets[0].subject = text("bar.$1");
	targets[0].weight = 60;
	targets[1].subject = text("baz.{{wildcard(1)}}");
	targets[1].weight = 40;
	targets[1].cluster = text("c1");
	account->mappings = items(1, sizeof(*account->mappings));
	account->mappings_len = 1;
	account->mappings[0].subject = text("foo.*");
	account->mappings[0].targets = targets;
	account->mappings[0].targets_len = 2;
}

static void
account_full(struct jwt_claims *claims)
{
	begin(claims, JWT_ACCOUNT, "Full", NKEY_ACCOUNT, 0x02);
	claims->aud = text("x");
	claims->exp = 1800000000;
	claims->nbf = 1600000000;
	struct jwt_account *account = &claims->as.account;
	jwt_account_init(account);
	put_imports(account);
	put_exports(account);
	put_limits(&account->limits);
	put_signing_keys(account);
	put_revocations(account);
	put_mappings(account);
	add(&account->default_permissions.pub.deny, "secret.>");
	account->default_permissions.has_resp = true;
	account->default_permissions.resp_max = JWT_UNLIMITED;
	account->default_permissions.resp_ttl_ns = JWT_UNLIMITED;
	add_key(&account->authorization.auth_users, NKEY_USER, 0x03);
	add(&account->authorization.allowed_accounts, "*");
	account->authorization.xkey = key_text(NKEY_CURVE, 0x06);
	account->has_trace = true;
	account->trace_dest = text("trace.dest");
	account->trace_sampling = 50;
	account->cluster_traffic = text("owner");
	account->description = text("desc");
	account->info_url = text("http://x.y/z");
	add(&account->tags, "team:a");
	add(&account->tags, "b");
}

/* ---- user ---- */

static void
user_default(struct jwt_claims *claims)
{
	begin(claims, JWT_USER, "U", NKEY_USER, 0x03);
	jwt_user_init(&claims->as.user);
}

static void
user_scoped(struct jwt_claims *claims)
{
	begin(claims, JWT_USER, "scoped", NKEY_USER, 0x03);
	claims->as.user.issuer_account = key_text(NKEY_ACCOUNT, 0x02);
	add(&claims->as.user.tags, "team:red");
}

static void
user_full(struct jwt_claims *claims)
{
	begin(claims, JWT_USER, "full", NKEY_USER, 0x03);
	claims->exp = 1800000000;
	struct jwt_user *user = &claims->as.user;
	jwt_user_init(user);
	struct jwt_permissions *permissions = &user->limits.permissions;
	add(&permissions->pub.allow, "a.>");
	add(&permissions->pub.allow, "b");
	add(&permissions->pub.deny, "a.x");
	add(&permissions->sub.allow, "c q1");
	add(&permissions->sub.deny, "d");
	permissions->has_resp = true;
	permissions->resp_max = 5;
	permissions->resp_ttl_ns = 60000000000;
	add(&user->limits.src, "10.0.0.0/8");
	user->limits.times = items(1, sizeof(*user->limits.times));
	user->limits.times_len = 1;
	user->limits.times[0].start = text("08:00:00");
	user->limits.times[0].end = text("17:00:00");
	user->limits.times_location = text("Europe/Rome");
	user->limits.bearer_token = true;
	user->limits.proxy_required = true;
	add(&user->limits.allowed_connection_types, "STANDARD");
	add(&user->limits.allowed_connection_types, "WEBSOCKET");
	user->issuer_account = key_text(NKEY_ACCOUNT, 0x02);
}

static void
user_issued(struct jwt_claims *claims)
{
	begin(claims, JWT_USER, NULL, NKEY_USER, 0x03);
	claims->name = text(claims->sub);
	claims->as.user.issuer_account = key_text(NKEY_ACCOUNT, 0x02);
}

/* ---- the others ---- */

static void
activation(struct jwt_claims *claims)
{
	begin(claims, JWT_ACTIVATION, "act", NKEY_ACCOUNT, 0x22);
	claims->as.activation.subject = text("svc.*");
	claims->as.activation.kind = JWT_EXPORT_SERVICE;
	claims->as.activation.issuer_account = key_text(NKEY_ACCOUNT, 0x02);
}

static void
auth_request(struct jwt_claims *claims)
{
	begin(claims, JWT_AUTH_REQUEST, NULL, NKEY_ACCOUNT, 0x02);
	claims->aud = text("nats-authorization-request");
	claims->exp = 1700000002;
	struct jwt_auth_request *request = &claims->as.auth_request;
	request->server.name = text("n");
	request->server.host = text("0.0.0.0");
	request->server.id = key_text(NKEY_SERVER, 0x04);
	request->server.version = text("2.12.0");
	request->user_nkey = key_text(NKEY_USER, 0x03);
	request->client.host = text("127.0.0.1");
	request->client.id = 7;
	request->client.kind = text("Client");
	request->client.type = text("nats");
	request->connect.user = text("dlc");
	request->connect.pass = text("zzz");
	request->connect.lang = text("c");
	request->connect.version = text("3.10");
	request->connect.protocol = 1;
}

static void
auth_response_ok(struct jwt_claims *claims)
{
	struct buf token;
	begin(claims, JWT_AUTH_RESPONSE, NULL, NKEY_USER, 0x03);
	claims->aud = key_text(NKEY_SERVER, 0x04);
	buf_init(&token, 4096);
	jwt_sample_put(jwt_sample_find("user default by account"), &token);
	claims->as.auth_response.jwt = buf_take(&token);
}

static void
auth_response_error(struct jwt_claims *claims)
{
	begin(claims, JWT_AUTH_RESPONSE, NULL, NKEY_USER, 0x03);
	claims->aud = key_text(NKEY_SERVER, 0x04);
	claims->as.auth_response.error = text("bad creds");
	claims->as.auth_response.issuer_account = key_text(NKEY_ACCOUNT, 0x02);
}

static void
generic_delete(struct jwt_claims *claims)
{
	struct buf json;
	struct emit emit;
	begin(claims, JWT_GENERIC, NULL, NKEY_OPERATOR, 0x01);
	buf_init(&json, 4096);
	emit_init(&emit, &json);
	emit_array_begin(&emit);
	emit_text(&emit, sample_key_make(NKEY_ACCOUNT, 0x02).text);
	emit_array_end(&emit);
	struct jwt_generic *generic = &claims->as.generic;
	generic->members = items(1, sizeof(*generic->members));
	generic->members_len = 1;
	generic->members[0].key = text("accounts");
	generic->members[0].json = buf_take(&json);
}

const struct jwt_sample jwt_samples[] = {
	{ "operator minimal", NKEY_OPERATOR, 0x01, operator_minimal },
	{ "operator full", NKEY_OPERATOR, 0x01, operator_full },
	{ "account default", NKEY_OPERATOR, 0x01, account_default },
	{ "account all-zero limits", NKEY_OPERATOR, 0x01, account_zero },
	{ "account full", NKEY_OPERATOR, 0x11, account_full },
	{ "user default by account", NKEY_ACCOUNT, 0x02, user_default },
	{ "user scoped", NKEY_ACCOUNT, 0x13, user_scoped },
	{ "user full", NKEY_ACCOUNT, 0x12, user_full },
	{ "activation", NKEY_ACCOUNT, 0x12, activation },
	{ "auth request", NKEY_SERVER, 0x04, auth_request },
	{ "auth response ok", NKEY_ACCOUNT, 0x02, auth_response_ok },
	{ "auth response err", NKEY_ACCOUNT, 0x12, auth_response_error },
	{ "generic delete", NKEY_OPERATOR, 0x01, generic_delete },
	{ "IssueUserJWT", NKEY_ACCOUNT, 0x13, user_issued },
};
const size_t jwt_samples_len = sizeof(jwt_samples) / sizeof(jwt_samples[0]);

const struct jwt_sample *
jwt_sample_find(const char *name)
{
	for (size_t i = 0; i < jwt_samples_len; i++) {
		if (str_equal(jwt_samples[i].name, name)) {
			return &jwt_samples[i];
		}
	}
	return NULL;
}

void
jwt_sample_put(const struct jwt_sample *sample, struct buf *out)
{
	struct jwt_claims claims;
	struct err err = { 0 };
	struct sample_key key = sample_key_make(sample->role, sample->signer);
	struct jwt_signer signer = sample_signer(&key);
	sample->build(&claims);
	if (jwt_encode(&claims, &signer, out, &err) != 0) {
		die(err.msg);
	}
	jwt_claims_release(&claims);
}
