/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/live.h"

#include "publish/live_question.h"

struct accounts {
	int (*on_server)(void *ctx, const struct server *server, struct err *err);
	int (*fn)(void *ctx, const struct server *server, const char *account_key,
		struct err *err);
	void *ctx;
};

/* Those of the server at that place. */
struct accounts_of {
	struct live_question *q;
	size_t at;
};

static int
show(void *ctx, const char *account_key, struct err *err)
{
	const struct accounts_of *of = ctx;
	const struct accounts *accounts = of->q->ctx;
	int rc = accounts->fn(
		accounts->ctx, publish_live_server(of->q, of->at), account_key, err);
	of->q->failed = rc != 0;
	return rc;
}

static int
read_accounts(
	struct live_question *q, size_t at, const struct answer *answer, struct err *err)
{
	const struct accounts *accounts = q->ctx;
	struct accounts_of of = { .q = q, .at = at };
	if (accounts->on_server(accounts->ctx, publish_live_server(q, at), err) != 0) {
		q->failed = true;
		return -1;
	}
	return answer_accounts(answer, show, &of, err);
}

int
live_accounts(struct live *live,
	int (*on_server)(void *ctx, const struct server *server, struct err *err),
	int (*fn)(void *ctx, const struct server *server, const char *account_key,
		struct err *err),
	void *ctx, struct live_summary *out, struct err *err)
{
	struct accounts accounts = { .on_server = on_server, .fn = fn, .ctx = ctx };
	struct live_question q = {
		.what = "LIST",
		.subject = "$SYS.REQ.CLAIMS.LIST",
		.body = "",
		.read = read_accounts,
		.ctx = &accounts,
	};
	return publish_live_ask(live, &q, out, err);
}
