/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/live.h"

#include "publish/live_question.h"

struct trust {
	int (*fn)(void *ctx, const struct server *server, const struct strlist *trusted,
		struct err *err);
	void *ctx;
};

static int
read_trust(
	struct live_question *q, size_t at, const struct answer *answer, struct err *err)
{
	const struct trust *trust = q->ctx;
	struct strlist trusted = { 0 };
	if (answer_trusted(answer, &trusted, err) != 0) {
		return -1;
	}
	int rc = trust->fn(trust->ctx, publish_live_server(q, at), &trusted, err);
	q->failed = rc != 0;
	strlist_release(&trusted);
	return rc;
}

int
live_trust(struct live *live,
	int (*fn)(void *ctx, const struct server *server, const struct strlist *trusted,
		struct err *err),
	void *ctx, struct live_summary *out, struct err *err)
{
	struct trust trust = { .fn = fn, .ctx = ctx };
	struct live_question q = {
		.what = "VARZ",
		.subject = "$SYS.REQ.SERVER.PING.VARZ",
		.body = "",
		.read = read_trust,
		.ctx = &trust,
	};
	return publish_live_ask(live, &q, out, err);
}
