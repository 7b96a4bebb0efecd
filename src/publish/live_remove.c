/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/live.h"

#include "publish/live_question.h"

struct removal {
	int (*fn)(void *ctx, const struct server *server, int64_t removed,
		const char *words, struct err *err);
	void *ctx;
};

static int
read_removed(
	struct live_question *q, size_t at, const struct answer *answer, struct err *err)
{
	const struct removal *removal = q->ctx;
	int64_t removed = 0;
	if (answer_removed(answer, &removed, err) != 0) {
		return -1;
	}
	int rc = removal->fn(removal->ctx, publish_live_server(q, at), removed, "", err);
	q->failed = rc != 0;
	return rc;
}

static int
read_refusal(struct live_question *q, size_t at, const char *words, struct err *err)
{
	const struct removal *removal = q->ctx;
	return removal->fn(removal->ctx, publish_live_server(q, at), -1, words, err);
}

int
live_remove(struct live *live, const char *request, size_t len,
	int (*fn)(void *ctx, const struct server *server, int64_t removed,
		const char *words, struct err *err),
	void *ctx, struct live_summary *out, struct err *err)
{
	struct removal removal = { .fn = fn, .ctx = ctx };
	struct live_question q = {
		.what = "DELETE",
		.subject = "$SYS.REQ.CLAIMS.DELETE",
		.body = request,
		.body_len = len,
		.read = read_removed,
		.refused = read_refusal,
		.ctx = &removal,
	};
	return publish_live_ask(live, &q, out, err);
}
