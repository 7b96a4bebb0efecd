/* SPDX-License-Identifier: Apache-2.0
 * Verbs of exports: activations are taken back, and given again. */
#include "api/call.h"

#include "api/body.h"
#include "api/preview.h"
#include "base/str.h"
#include "service/export.h"

#include <string.h>

/* {"account": "A..."} or "*" for all: *out_all then. */
static int
read_importer(
	struct api_call *call, struct nkey_public *out, bool *out_all, struct err *err)
{
	static const char *const known[] = { "account", NULL };
	const char *account = NULL;
	struct err why = { 0 };
	json_t *body = NULL;
	int rc = -1;
	if (api_body_parse(call->req, &body, err) != 0) {
		return -1;
	}
	api_body_required_text(body, "account", &account, &call->violations);
	api_body_check_keys(body, known, &call->violations);
	*out_all = account != NULL && str_equal(account, "*");
	if (account != NULL && !*out_all &&
		nkey_text_decode(NKEY_ACCOUNT, account, strlen(account), out, &why) !=
			0) {
		violations_add(&call->violations, "account", VIOLATION_FORMAT,
			"Must be the public key of an account, or \"*\": %s.", why.msg);
	}
	rc = violations_check(&call->violations, err);
	json_decref(body);
	return rc;
}

static int
run(struct api_call *call,
	int (*verb)(struct service *service, const struct actor *actor, const char *id,
		const struct nkey_public *importer, struct preview *preview,
		struct err *err),
	struct err *err)
{
	struct nkey_public importer;
	struct preview preview = { 0 };
	bool all = false;
	bool dry = false;
	int rc = -1;
	if (api_preview_wanted(call->req, &dry, err) == 0 &&
		read_importer(call, &importer, &all, err) == 0 &&
		verb(call->api->params.service, &call->actor, call->match.id,
			all ? NULL : &importer, dry ? &preview : NULL, err) == 0) {
		rc = api_preview_finish(call, dry, &preview, err);
	}
	preview_release(&preview);
	return rc;
}

int
api_native_export_revoke(struct api_call *call, struct err *err)
{
	return run(call, service_export_revoke, err);
}

int
api_native_export_allow(struct api_call *call, struct err *err)
{
	return run(call, service_export_allow, err);
}
