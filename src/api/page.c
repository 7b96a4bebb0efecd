/* SPDX-License-Identifier: Apache-2.0
 * The files of web/ as they are. */
#include "api/call.h"

#include "api/web.h"
#include "base/str.h"

/* Everything that a page needs comes from natsid itself; none of it may be framed. */
static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; "
			     "connect-src 'self'; base-uri 'none'; form-action 'none'; "
			     "frame-ancestors 'none'";

static int
answer_file(struct api_call *call, const char *name, const char *type, struct err *err)
{
	for (const struct web_file *file = web_files; file->name != NULL; file++) {
		if (!str_equal(file->name, name)) {
			continue;
		}
		call->res->content_type = type;
		if (http_response_header(call->res, "Content-Security-Policy", policy) !=
				0 ||
			http_response_header(
				call->res, "Referrer-Policy", "no-referrer") != 0) {
			return err_set(
				err, ERR_INTERNAL, "the headers of a page do not fit");
		}
		buf_put(&call->res->body, file->data, file->len);
		return 0;
	}
	return err_set(err, ERR_INTERNAL, "the page %s was not built in", name);
}

int
api_page_creds(struct api_call *call, struct err *err)
{
	return answer_file(call, "creds.html", "text/html; charset=utf-8", err);
}

int
api_page_creds_css(struct api_call *call, struct err *err)
{
	return answer_file(call, "creds.css", "text/css; charset=utf-8", err);
}

int
api_page_creds_js(struct api_call *call, struct err *err)
{
	return answer_file(call, "creds.js", "text/javascript; charset=utf-8", err);
}
