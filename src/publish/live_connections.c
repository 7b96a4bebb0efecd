/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/live.h"

#include "base/buf.h"
#include "base/emit.h"
#include "base/str.h"
#include "publish/live_question.h"

#include <string.h>

enum {
	PAGE_LEN = 1024,
	/* Pages are by position: when some of those before leave, the others move up. So
	 * each page begins with the last ones of the page before; where none of these is
	 * seen again, some may have been missed. */
	PAGE_OVERLAP = 64,
	PAGES_MAX = LIVE_CONNECTIONS_MAX / (PAGE_LEN - PAGE_OVERLAP) + 2,
	BODY_MAX = 512
};

_Static_assert((int)PAGES_MAX <= (int)LIVE_MORE_MAX, "each page can be asked for");

struct connections {
	const char *account_key;
	int (*fn)(void *ctx, const struct server *server, const struct connection *row,
		struct err *err);
	void *ctx;
	int64_t shown;
	bool cut;
	/* by place in the roster */
	int64_t offset[ROSTER_MAX]; /* of the page that is awaited */
	int64_t last_cid[ROSTER_MAX];
};

static int
show(struct live_question *q, size_t at, const struct answer *answer, size_t len,
	struct err *err)
{
	struct connections *c = q->ctx;
	for (size_t i = 0; i < len; i++) {
		struct connection row;
		if (answer_connection(answer, i, &row, err) != 0) {
			return -1;
		}
		if (row.cid <= c->last_cid[at]) {
			continue; /* seen in the page before */
		}
		q->partial = q->partial || (i == 0 && c->last_cid[at] > 0);
		if (c->shown == LIVE_CONNECTIONS_MAX) {
			c->cut = true;
			q->partial = true;
			return 0;
		}
		c->last_cid[at] = row.cid;
		c->shown++;
		if (c->fn(c->ctx, publish_live_server(q, at), &row, err) != 0) {
			q->failed = true;
			return -1;
		}
	}
	return 0;
}

static int
put_body(const struct connections *c, int64_t offset, struct buf *out, struct err *err)
{
	struct emit emit;
	emit_init(&emit, out);
	emit_object_begin(&emit);
	emit_kv_bool(&emit, "auth", true);
	emit_kv_text(&emit, "acc", c->account_key);
	emit_kv_text(&emit, "sort", "cid");
	emit_kv_int(&emit, "limit", PAGE_LEN);
	emit_kv_int(&emit, "offset", offset);
	emit_object_end(&emit);
	return buf_finish(out, err);
}

static int
ask_for_page(struct live_question *q, size_t at, struct err *err)
{
	const struct connections *c = q->ctx;
	char subject[BUS_SUBJECT_MAX];
	struct buf body;
	buf_init(&body, BODY_MAX);
	int rc = put_body(c, c->offset[at], &body, err);
	if (rc == 0 &&
		str_fmt(subject, sizeof(subject), "$SYS.REQ.SERVER.%s.CONNZ",
			publish_live_server(q, at)->id) != 0) {
		rc = err_set(err, ERR_INVALID, "a server id that is too long");
	}
	if (rc == 0) {
		rc = publish_live_ask_more(q, at, subject, body.data, body.len, err);
	}
	buf_release(&body);
	return rc;
}

static int
read_page(
	struct live_question *q, size_t at, const struct answer *answer, struct err *err)
{
	struct connections *c = q->ctx;
	struct page page;
	if (answer_page(answer, &page, err) != 0) {
		return -1;
	}
	if (page.offset != c->offset[at]) {
		return err_set(err, ERR_INVALID, "another page than was asked for");
	}
	q->partial = q->partial || (page.len == 0 && page.total > 0);
	if (show(q, at, answer, page.len, err) != 0) {
		return -1;
	}
	int64_t end = page.offset + (int64_t)page.len;
	if (page.len == 0 || end >= page.total || c->cut) {
		return 0;
	}
	if (page.len != PAGE_LEN || q->more[at] == PAGES_MAX) {
		return err_set(err, ERR_INVALID, "%zu connections and no end in page %u",
			page.len, q->more[at] + 1);
	}
	c->offset[at] = end - PAGE_OVERLAP;
	return ask_for_page(q, at, err);
}

int
live_connections(struct live *live, const char *account_key,
	int (*fn)(void *ctx, const struct server *server, const struct connection *row,
		struct err *err),
	void *ctx, struct live_summary *out, struct err *err)
{
	struct nkey_public key;
	struct buf body;
	struct connections connections = {
		.account_key = account_key, .fn = fn, .ctx = ctx
	};
	struct live_question q = {
		.what = "CONNZ",
		.subject = "$SYS.REQ.SERVER.PING.CONNZ",
		.read = read_page,
		.ctx = &connections,
	};
	if (nkey_text_decode(NKEY_ACCOUNT, account_key, strlen(account_key), &key, err) !=
		0) {
		return -1;
	}
	buf_init(&body, BODY_MAX);
	int rc = put_body(&connections, 0, &body, err);
	if (rc == 0) {
		q.body = body.data;
		q.body_len = body.len;
		rc = publish_live_ask(live, &q, out, err);
	}
	buf_release(&body);
	return rc;
}
