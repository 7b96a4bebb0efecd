/* SPDX-License-Identifier: Apache-2.0
 * Users' creds: the file, one-time links to it, and renewal. */
#include "api/call.h"

#include "api/body.h"
#include "base/clock.h"
#include "base/secret.h"
#include "base/str.h"
#include "api/query.h"
#include "service/creds_link.h"
#include "service/expiring.h"
#include "service/renew.h"

#include <inttypes.h>
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

/* ---- renewal ---------------------------------------------------------------------- */

int
api_creds_nonce(struct api_call *call, struct err *err)
{
	static const char *const known[] = { "public_key", NULL };
	char nonce[RENEW_NONCE_SIZE];
	char expires[CLOCK_TEXT_MAX];
	const char *public_key = NULL;
	int64_t expires_ms = 0;
	struct emit emit;
	json_t *body = NULL;
	int rc = -1;
	if (api_body_parse(call->req, &body, err) != 0) {
		goto out;
	}
	api_body_required_text(body, "public_key", &public_key, &call->violations);
	api_body_check_keys(body, known, &call->violations);
	if (violations_check(&call->violations, err) != 0 ||
		service_renew_nonce(call->api->params.service, public_key, nonce,
			&expires_ms, err) != 0) {
		goto out;
	}
	clock_format(expires_ms, expires);
	emit_init(&emit, &call->res->body);
	emit_object_begin(&emit);
	emit_kv_text(&emit, "nonce", nonce);
	emit_kv_text(&emit, "sign", RENEW_PREFIX);
	emit_kv_text(&emit, "expires_at", expires);
	emit_object_end(&emit);
	rc = 0;
out:
	json_decref(body);
	return rc;
}

static void
emit_renewed(struct api_call *call, const struct user_creds *creds)
{
	char expires[CLOCK_TEXT_MAX] = "";
	struct emit emit;
	if (creds->exp != 0) {
		clock_format(creds->exp * 1000, expires);
	}
	http_response_make_secret(call->res);
	emit_init(&emit, &call->res->body);
	emit_object_begin(&emit);
	emit_kv_text(&emit, "jwt", creds->jwt.data);
	emit_kv_text(&emit, "expires_at", expires);
	emit_object_end(&emit);
}

int
api_creds_renew(struct api_call *call, struct err *err)
{
	static const char *const known[] = { "public_key", "nonce", "signature", NULL };
	struct user_creds creds = { 0 };
	struct renewal renewal = { 0 };
	json_t *body = NULL;
	int rc = -1;
	if (api_body_parse(call->req, &body, err) != 0) {
		goto out;
	}
	api_body_required_text(
		body, "public_key", &renewal.public_key, &call->violations);
	api_body_required_text(body, "nonce", &renewal.nonce, &call->violations);
	api_body_required_text(body, "signature", &renewal.signature, &call->violations);
	api_body_check_keys(body, known, &call->violations);
	if (violations_check(&call->violations, err) != 0 ||
		service_renew(call->api->params.service, &renewal, call->req->remote_ip,
			&creds, err) != 0) {
		goto out;
	}
	emit_renewed(call, &creds);
	rc = 0;
out:
	json_decref(body);
	user_creds_release(&creds);
	return rc;
}

/* ---- what ends soon --------------------------------------------------------------- */

enum { EXPIRING_PAGE = 500, DAY_S = 24 * 60 * 60 };

/* "30d", "12h", "90m", "45s". */
static int
read_within(const struct http_request *req, int64_t *out, struct err *err)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 'd', DAY_S }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	char text[16];
	if (api_query_text(req, "within", text, sizeof(text), err) != 0) {
		return -1;
	}
	size_t len = strlen(text);
	for (size_t i = 0; len > 1 && i < sizeof(units) / sizeof(units[0]); i++) {
		int64_t count = 0;
		if (text[len - 1] != units[i].unit) {
			continue;
		}
		text[len - 1] = '\0';
		if (str_to_int(text, 1, EXPIRING_WITHIN_MAX_S / units[i].seconds,
			    &count) == 0) {
			*out = count * units[i].seconds;
			return 0;
		}
	}
	return err_set(err, ERR_INVALID,
		"The query parameter \"within\" must be a time like 30d, 12h, 90m or "
		"45s.");
}

/* "exp.seq" of the last row of the page before, as `next` gave it. */
static int
read_after(const struct http_request *req, struct expiring_query *out, struct err *err)
{
	char text[48];
	if (api_query_text(req, "after", text, sizeof(text), err) != 0) {
		return -1;
	}
	char *dot = strchr(text, '.');
	if (text[0] == '\0') {
		return 0;
	}
	if (dot != NULL) {
		*dot = '\0';
		if (str_to_int(text, 1, INT64_MAX, &out->after_exp) == 0 &&
			str_to_int(dot + 1, 0, INT64_MAX, &out->after_seq) == 0) {
			return 0;
		}
	}
	return err_set(err, ERR_INVALID,
		"The query parameter \"after\" must be what \"next\" was in the page "
		"before.");
}

struct expiring_page {
	struct emit emit;
	int64_t rows;
	int64_t last_exp;
	int64_t last_seq;
};

static int
emit_expiring(void *ctx, const struct store_expiring *row, struct err *err)
{
	struct expiring_page *page = ctx;
	char key[NKEY_TEXT_SIZE];
	char expires[CLOCK_TEXT_MAX];
	(void)err; /* the buffer tells at the end */
	page->rows++;
	page->last_exp = row->exp;
	page->last_seq = row->seq;
	nkey_text_encode(NKEY_USER, &row->public_key, key);
	clock_format(row->exp * 1000, expires);
	emit_object_begin(&page->emit);
	emit_kv_text(&page->emit, "id", row->id);
	emit_kv_text(&page->emit, "nats_username", row->name);
	emit_kv_text(&page->emit, "public_key", key);
	emit_kv_text(&page->emit, "account_id", row->account_id);
	emit_kv_text(&page->emit, "account_name", row->account_name);
	emit_kv_bool(&page->emit, "active", row->active);
	emit_kv_text(&page->emit, "expires_at", expires);
	emit_object_end(&page->emit);
	return 0;
}

int
api_expiring(struct api_call *call, struct err *err)
{
	struct expiring_query query = { .limit = EXPIRING_PAGE };
	struct expiring_page page = { 0 };
	char next[48] = "";
	if (read_within(call->req, &query.within_s, err) != 0 ||
		read_after(call->req, &query, err) != 0) {
		return -1;
	}
	emit_init(&page.emit, &call->res->body);
	emit_object_begin(&page.emit);
	emit_key(&page.emit, "items");
	emit_array_begin(&page.emit);
	if (service_expiring(call->api->params.service, &call->actor, &query,
		    emit_expiring, &page, err) != 0) {
		return -1;
	}
	emit_array_end(&page.emit);
	if (page.rows == EXPIRING_PAGE) {
		str_fmt_cut(next, sizeof(next), "%" PRId64 ".%" PRId64, page.last_exp,
			page.last_seq);
	}
	emit_kv_text(&page.emit, "next", next);
	emit_object_end(&page.emit);
	return 0;
}
