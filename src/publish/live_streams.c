/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/live.h"

#include "base/buf.h"
#include "base/emit.h"
#include "publish/live_question.h"

#include <string.h>

enum { BODY_MAX = 512 };

struct streams {
	const char *account_key;
	int (*fn)(void *ctx, const struct server *server, const char *stream,
		struct err *err);
	void *ctx;
};

static int
read_streams(
	struct live_question *q, size_t at, const struct answer *answer, struct err *err)
{
	const struct streams *streams = q->ctx;
	struct strlist names = { 0 };
	if (answer_streams(answer, streams->account_key, &names, err) != 0) {
		return -1;
	}
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < names.len; i++) {
		rc = streams->fn(
			streams->ctx, publish_live_server(q, at), names.items[i], err);
	}
	q->failed = rc != 0;
	strlist_release(&names);
	return rc;
}

int
live_streams(struct live *live, const char *account_key,
	int (*fn)(void *ctx, const struct server *server, const char *stream,
		struct err *err),
	void *ctx, struct live_summary *out, struct err *err)
{
	struct nkey_public key;
	struct buf body;
	struct emit emit;
	struct streams streams = { .account_key = account_key, .fn = fn, .ctx = ctx };
	struct live_question q = {
		.what = "JSZ",
		.subject = "$SYS.REQ.SERVER.PING.JSZ",
		.read = read_streams,
		.ctx = &streams,
	};
	if (nkey_text_decode(NKEY_ACCOUNT, account_key, strlen(account_key), &key, err) !=
		0) {
		return -1;
	}
	buf_init(&body, BODY_MAX);
	emit_init(&emit, &body);
	emit_object_begin(&emit);
	emit_kv_text(&emit, "account", account_key);
	emit_kv_bool(&emit, "accounts", true);
	emit_kv_bool(&emit, "streams", true);
	emit_object_end(&emit);
	int rc = buf_finish(&body, err);
	if (rc == 0) {
		q.body = body.data;
		q.body_len = body.len;
		rc = publish_live_ask(live, &q, out, err);
	}
	buf_release(&body);
	return rc;
}
