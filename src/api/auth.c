/* SPDX-License-Identifier: Apache-2.0
 * Logging in with a password and keeping a session, as PocketBase's SDK does it. */
#include "api/call.h"

#include "api/body.h"
#include "api/query.h"
#include "api/record.h"
#include "base/buf.h"
#include "base/str.h"
#include "service/login.h"
#include "service/record.h"

#include <string.h>

enum { TOKEN_MAX = 2048 };

static const struct collection *
find_auth_collection(const struct api_call *call, struct err *err)
{
	const struct collection *found = collection_find(call->match.collection);
	if (found == NULL || !found->is_auth) {
		err_set(err, ERR_NOT_FOUND,
			"Missing or invalid auth collection context.");
		return NULL;
	}
	return found;
}

static int
read_fields(const struct api_call *call, struct api_fields *out, struct err *err)
{
	if (api_query_refuse(call->req, "expand", err) != 0) {
		return -1;
	}
	return api_fields_read(call->req, out, err);
}

/* {"record":{...},"token":"..."}; one's own e-mail is always shown. */
static int
answer_session(struct api_call *call, const struct actor *self,
	const struct collection *collection, const char *token,
	const struct api_fields *fields, struct err *err)
{
	struct api_selection selection;
	struct api_record_writer writer = { .style = { .selection = &selection,
						    .show_email = true } };
	http_response_make_secret(call->res);
	api_fields_select(fields, "record", collection, &selection);
	emit_init(&writer.emit, &call->res->body);
	emit_object_begin(&writer.emit);
	if (api_fields_want(fields, "record")) {
		emit_key(&writer.emit, "record");
		if (service_record_view(call->api->params.service, self, collection,
			    self->id, api_record_write, &writer, err) != 0) {
			return -1;
		}
	}
	if (api_fields_want(fields, "token")) {
		emit_kv_text(&writer.emit, "token", token);
	}
	emit_object_end(&writer.emit);
	return 0;
}

struct login {
	const char *identity;
	const char *password;
};

/* What it hands out is borrowed from the body. */
static int
read_login(
	json_t *body, struct login *out, struct violations *violations, struct err *err)
{
	static const char *const known[] = { "identity", "password", "identityField",
		NULL };
	const char *field = "email";
	if (json_get_text(body, "identityField", &field, err) != 0) {
		return -1;
	}
	if (field[0] != '\0' && !str_equal(field, "email")) {
		violations_add(violations, "identityField", VIOLATION_VALUE,
			"Must be \"email\".");
	}
	api_body_required_text(body, "identity", &out->identity, violations);
	api_body_required_text(body, "password", &out->password, violations);
	api_body_check_keys(body, known, violations);
	if (violations->len > 0) {
		return err_set(err, ERR_INVALID,
			"An error occurred while validating the submitted data.");
	}
	return 0;
}

/* Wrong names and wrong passwords are 400 in this dialect. */
static int
log_in(struct api_call *call, const struct collection *collection,
	const struct login *login, struct buf *out_token, struct err *err)
{
	char id[RAND_ID_SIZE] = "";
	if (service_login(call->api->params.service, collection, login->identity,
		    login->password, call->req->remote_ip, out_token, id, err) == 0) {
		return buf_finish(out_token, err);
	}
	if (err->code == ERR_UNAUTHENTICATED) {
		return err_set(err, ERR_INVALID, "Failed to authenticate.");
	}
	return -1;
}

int
api_auth_with_password(struct api_call *call, struct err *err)
{
	const struct collection *collection = find_auth_collection(call, err);
	struct api_fields fields = { 0 };
	struct login login = { 0 };
	struct actor self = { 0 };
	struct buf token;
	json_t *body = NULL;
	int rc = -1;
	buf_init_secret(&token, TOKEN_MAX);
	if (collection == NULL || read_fields(call, &fields, err) != 0 ||
		api_body_parse(call->req, &body, err) != 0 ||
		read_login(body, &login, &call->violations, err) != 0 ||
		log_in(call, collection, &login, &token, err) != 0 ||
		service_token_actor(call->api->params.service, token.data, &self, err) !=
			0) {
		goto out;
	}
	self.request_id = call->req->id;
	rc = answer_session(call, &self, collection, token.data, &fields, err);
out:
	json_decref(body);
	buf_release(&token);
	api_fields_release(&fields);
	return rc;
}

int
api_auth_refresh(struct api_call *call, struct err *err)
{
	const struct collection *collection = find_auth_collection(call, err);
	struct api_fields fields = { 0 };
	struct buf token;
	int rc = -1;
	buf_init_secret(&token, TOKEN_MAX);
	if (collection == NULL) {
		goto out;
	}
	if (collection->kind != COLLECTION_SUPERUSERS ||
		call->actor.kind != ACTOR_SUPERUSER) {
		err_set(err, ERR_FORBIDDEN,
			"The request requires auth record from %s collection.",
			collection->name);
		goto out;
	}
	if (read_fields(call, &fields, err) != 0 ||
		service_token_refresh(
			call->api->params.service, &call->actor, &token, err) != 0 ||
		buf_finish(&token, err) != 0) {
		goto out;
	}
	rc = answer_session(call, &call->actor, collection, token.data, &fields, err);
out:
	buf_release(&token);
	api_fields_release(&fields);
	return rc;
}

static void
emit_password_method(struct emit *emit, bool enabled)
{
	emit_key(emit, "password");
	emit_object_begin(emit);
	emit_kv_bool(emit, "enabled", enabled);
	emit_key(emit, "identityFields");
	emit_array_begin(emit);
	if (enabled) {
		emit_text(emit, "email");
	}
	emit_array_end(emit);
	emit_object_end(emit);
}

/* One-time passwords and second factors: there are none. */
static void
emit_disabled_method(struct emit *emit, const char *key)
{
	emit_key(emit, key);
	emit_object_begin(emit);
	emit_kv_bool(emit, "enabled", false);
	emit_kv_int(emit, "duration", 0);
	emit_object_end(emit);
}

static void
emit_oauth2_method(struct emit *emit)
{
	emit_key(emit, "oauth2");
	emit_object_begin(emit);
	emit_kv_bool(emit, "enabled", false);
	emit_key(emit, "providers");
	emit_array_begin(emit);
	emit_array_end(emit);
	emit_object_end(emit);
}

int
api_auth_methods(struct api_call *call, struct err *err)
{
	const struct collection *collection = find_auth_collection(call, err);
	struct api_fields fields = { 0 };
	struct emit emit;
	if (collection == NULL || api_fields_read(call->req, &fields, err) != 0) {
		return -1;
	}
	bool enabled = collection->kind == COLLECTION_SUPERUSERS;
	emit_init(&emit, &call->res->body);
	emit_object_begin(&emit);
	if (api_fields_want(&fields, "password")) {
		emit_password_method(&emit, enabled);
	}
	if (api_fields_want(&fields, "oauth2")) {
		emit_oauth2_method(&emit);
	}
	if (api_fields_want(&fields, "mfa")) {
		emit_disabled_method(&emit, "mfa");
	}
	if (api_fields_want(&fields, "otp")) {
		emit_disabled_method(&emit, "otp");
	}
	/* The form of older clients. */
	if (api_fields_want(&fields, "authProviders")) {
		emit_kv_text(&emit, "authProviders", NULL);
	}
	if (api_fields_want(&fields, "usernamePassword")) {
		emit_kv_bool(&emit, "usernamePassword", false);
	}
	if (api_fields_want(&fields, "emailPassword")) {
		emit_kv_bool(&emit, "emailPassword", enabled);
	}
	emit_object_end(&emit);
	api_fields_release(&fields);
	return 0;
}
