/* SPDX-License-Identifier: Apache-2.0 */
#include "api/streams.h"

#include "api/query.h"
#include "base/buf.h"
#include "base/str.h"
#include "service/tombstone.h"

#include <string.h>

enum { STREAMS_SHOWN_BYTES = 72 };

static int
is_forced(const struct http_request *req, const struct collection *collection,
	bool *out_forced, struct err *err)
{
	char text[8];
	if (api_query_text(req, "force", text, sizeof(text), err) != 0) {
		return -1;
	}
	if (text[0] != '\0' && collection->kind != COLLECTION_ACCOUNTS) {
		return err_set(err, ERR_INVALID,
			"The query parameter \"force\" is for accounts only.");
	}
	*out_forced = str_equal(text, "1") || str_equal(text, "true");
	if (!*out_forced && text[0] != '\0' && !str_equal(text, "0") &&
		!str_equal(text, "false")) {
		return err_set(err, ERR_INVALID,
			"The query parameter \"force\" must be 1 or 0.");
	}
	return 0;
}

/* Replicas have the same name. */
static int
note_stream(void *ctx, const char *stream, struct err *err)
{
	struct strlist *names = ctx;
	for (size_t i = 0; i < names->len; i++) {
		if (str_equal(names->items[i], stream)) {
			return 0;
		}
	}
	return strlist_add(names, stream, err);
}

/* Only a user of the account can delete them. */
static const char *
way_out(const struct account_streams_check *check)
{
	if (check->suspended) {
		return "It is suspended, so nobody can delete them.";
	}
	return check->has_users ? "Delete them first, and its users then."
				: "It has no user left who could delete them.";
}

/* As many as there is room for, at least one in part. */
static int
has_streams(const struct account_streams_check *check, const struct strlist *names,
	struct err *err)
{
	char shown[STREAMS_SHOWN_BYTES + 8] = "";
	char more[32] = "";
	size_t at = 0;
	for (; at < names->len; at++) {
		char longer[sizeof(shown)];
		size_t len = strlen(shown) + strlen(names->items[at]);
		if (at > 0 && len > STREAMS_SHOWN_BYTES) {
			break;
		}
		str_fmt_cut(longer, sizeof(longer), "%s%s%s", shown, at > 0 ? ", " : "",
			names->items[at]);
		memcpy(shown, longer, sizeof(shown));
	}
	if (at < names->len) {
		str_fmt_cut(more, sizeof(more), " and %zu more", names->len - at);
	}
	return err_set(err, ERR_CONFLICT,
		"The account has streams: %s%s. %s With ?force=1 they stay, out of "
		"reach.",
		shown, more, way_out(check));
}

static int
not_known(const char *why, struct err *err)
{
	return err_set(err, ERR_CONFLICT,
		"%.90s, so the account may have streams. Try again later, or delete it "
		"with ?force=1.",
		why);
}

static int
ask(const struct api_call *call, const struct account_streams_check *check,
	struct err *err)
{
	const struct api_params *params = &call->api->params;
	struct strlist names = { 0 };
	struct err why = { 0 };
	char text[96];
	bool complete = false;
	int rc = -1;
	if (params->streams == NULL ||
		params->streams(params->nats_ctx, check->key, note_stream, &names,
			&complete, &why) != 0) {
		if (why.code == ERR_NONE || why.code == ERR_UNAVAILABLE) {
			not_known("NATS does not answer", err);
		} else {
			*err = why;
		}
		goto out;
	}
	if (names.len > 0) {
		has_streams(check, &names, err);
	} else if (check->missing[0] != '\0') {
		str_fmt_cut(text, sizeof(text), "The server %.60s does not answer",
			check->missing);
		not_known(text, err);
	} else if (!complete) {
		not_known("Not all servers answer", err);
	} else {
		rc = 0;
	}
out:
	strlist_release(&names);
	return rc;
}

int
api_streams_check(
	const struct api_call *call, const struct collection *collection, struct err *err)
{
	struct account_streams_check check;
	bool forced = false;
	if (is_forced(call->req, collection, &forced, err) != 0) {
		return -1;
	}
	if (forced || collection->kind != COLLECTION_ACCOUNTS) {
		return 0;
	}
	if (service_account_streams_check(call->api->params.service, &call->actor,
		    call->match.id, &check, err) != 0) {
		return -1;
	}
	return check.needed ? ask(call, &check, err) : 0;
}
