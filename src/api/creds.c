/* SPDX-License-Identifier: Apache-2.0
 * Users' creds: the file, one-time links to it, and renewal. */
#include "api/call.h"

#include "api/body.h"
#include "base/clock.h"
#include "base/secret.h"
#include "base/str.h"
#include "service/creds_link.h"

#include <string.h>

enum { FILE_NAME_SIZE = 80 };

/* "<name>.creds" in characters that mean nothing to headers, shells and file systems. */
static void
file_name(const char *name, char out[static FILE_NAME_SIZE])
{
	static const char safe[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
	static const char end[] = ".creds";
	size_t len = 0;
	for (const char *p = name; *p != '\0' && len < FILE_NAME_SIZE - sizeof(end);
		p++) {
		bool keep = strchr(safe, *p) != NULL && (*p != '.' || len > 0);
		out[len++] = *p;
		if (!keep) {
			out[len - 1] = '_';
		}
	}
	memcpy(out + len, end, sizeof(end));
}

static int
answer_creds(struct api_call *call, const struct user_creds *creds, struct err *err)
{
	char name[FILE_NAME_SIZE];
	char disposition[FILE_NAME_SIZE + 32];
	file_name(creds->name, name);
	if (str_fmt(disposition, sizeof(disposition), "attachment; filename=\"%s\"",
		    name) != 0 ||
		http_response_header(call->res, "Content-Disposition", disposition) !=
			0) {
		return err_set(err, ERR_INTERNAL, "the headers of a download do not fit");
	}
	call->res->content_type = "text/plain; charset=utf-8";
	http_response_make_secret(call->res);
	buf_put(&call->res->body, creds->creds.data, creds->creds.len);
	return 0;
}

int
api_creds_download(struct api_call *call, struct err *err)
{
	struct user_creds creds = { 0 };
	int rc = service_user_creds(
		call->api->params.service, &call->actor, call->match.id, &creds, err);
	if (rc == 0) {
		rc = answer_creds(call, &creds, err);
	}
	user_creds_release(&creds);
	return rc;
}

/* ---- one-time links --------------------------------------------------------------- */

/* ttl_seconds, if it is given. */
static int
read_ttl(struct api_call *call, int64_t *out, struct err *err)
{
	static const char *const known[] = { "ttl_seconds", NULL };
	json_t *body = NULL;
	int rc = -1;
	if (api_body_parse(call->req, &body, err) == 0 &&
		json_get_int(body, "ttl_seconds", out, err) == 0) {
		api_body_check_keys(body, known, &call->violations);
		rc = violations_check(&call->violations, err);
	}
	json_decref(body);
	return rc;
}

int
api_creds_link_new(struct api_call *call, struct err *err)
{
	struct creds_link link = { 0 };
	char expires[CLOCK_TEXT_MAX];
	char path[sizeof("/creds#") + CREDS_LINK_TOKEN_SIZE];
	int64_t ttl_s = CREDS_LINK_TTL_MAX_S;
	struct emit emit;
	if (read_ttl(call, &ttl_s, err) != 0 ||
		service_creds_link_new(call->api->params.service, &call->actor,
			call->match.id, ttl_s, &link, err) != 0) {
		return -1;
	}
	clock_format(link.expires, expires);
	call->res->status = 201;
	http_response_make_secret(call->res);
	emit_init(&emit, &call->res->body);
	emit_object_begin(&emit);
	emit_kv_text(&emit, "token", link.token);
	/* behind natsid's own address, or its proxy's */
	str_fmt_cut(path, sizeof(path), "/creds#%s", link.token);
	emit_kv_text(&emit, "path", path);
	emit_kv_text(&emit, "expires_at", expires);
	emit_object_end(&emit);
	secret_wipe(&link, sizeof(link));
	secret_wipe(path, sizeof(path));
	return 0;
}

int
api_creds_link_open(struct api_call *call, struct err *err)
{
	static const char *const known[] = { "token", NULL };
	struct user_creds creds = { 0 };
	const char *token = NULL;
	json_t *body = NULL;
	int rc = -1;
	if (api_body_parse(call->req, &body, err) != 0) {
		goto out;
	}
	api_body_required_text(body, "token", &token, &call->violations);
	api_body_check_keys(body, known, &call->violations);
	if (violations_check(&call->violations, err) != 0 ||
		service_creds_link_open(call->api->params.service, &call->actor, token,
			call->req->remote_ip, &creds, err) != 0) {
		goto out;
	}
	rc = answer_creds(call, &creds, err);
out:
	json_decref(body);
	user_creds_release(&creds);
	return rc;
}
