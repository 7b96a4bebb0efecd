/* SPDX-License-Identifier: Apache-2.0
 * Accounts in quarantine: what a person chooses for them. */
#include "api/call.h"

#include "api/body.h"
#include "base/emit.h"
#include "service/quarantine.h"

static void
answer(struct api_call *call, const struct quarantine_choice *choice)
{
	struct emit emit;
	char text[CLOCK_TEXT_MAX] = "";
	if (choice->revoked_up_to != 0) {
		clock_format(choice->revoked_up_to * 1000, text);
	}
	emit_init(&emit, &call->res->body);
	emit_object_begin(&emit);
	emit_kv_text(&emit, "account", call->match.id);
	emit_kv_text(&emit, "public_key", choice->key);
	emit_kv_int(&emit, "adopted_revocations", (int64_t)choice->revocations);
	emit_kv_text(&emit, "revoked_up_to", text);
	emit_kv_bool(&emit, "suspended", choice->suspended);
	emit_kv_int(&emit, "dated_ahead_seconds", choice->iat_offset);
	emit_kv_int(&emit, "signing_keys_only_here", (int64_t)choice->keys_only_here);
	emit_key(&emit, "retired_signing_keys");
	strlist_emit(&choice->retired, &emit);
	emit_kv_int(&emit, "users_of_retired_keys", choice->retired_users);
	emit_kv_int(&emit, "lost_signing_keys", (int64_t)choice->keys_lost);
	emit_object_end(&emit);
}

static int
choose(struct api_call *call,
	int (*verb)(struct service *service, const struct actor *actor, const char *id,
		struct quarantine_choice *out, struct err *err),
	struct err *err)
{
	struct quarantine_choice choice;
	if (api_body_read_nothing(call->req, &call->violations, err) != 0 ||
		verb(call->api->params.service, &call->actor, call->match.id, &choice,
			err) != 0) {
		return -1;
	}
	answer(call, &choice);
	quarantine_choice_release(&choice);
	return 0;
}

int
api_native_account_adopt(struct api_call *call, struct err *err)
{
	return choose(call, service_account_adopt, err);
}

int
api_native_account_override(struct api_call *call, struct err *err)
{
	return choose(call, service_account_override, err);
}
