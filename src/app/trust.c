/* SPDX-License-Identifier: Apache-2.0 */
#include "app/trust.h"

#include "base/str.h"
#include "publish/roster.h"
#include "service/operator_keys.h"

#include <stdlib.h>

enum { CONNECT_WAIT_MS = 5000, WHY_MAX = 64 * 1024 };

struct asked {
	const struct trust_params *params;
	struct trust_result *result;
	struct server servers[ROSTER_MAX];
	size_t len;
	size_t left_out; /* of those that did not answer */
	size_t named; /* remembered, missing, and not left out */
};

static const struct actor console = { .kind = ACTOR_CONSOLE };

static bool
is_in(const struct strlist *list, const char *text)
{
	for (size_t i = 0; i < list->len; i++) {
		if (str_equal(list->items[i], text)) {
			return true;
		}
	}
	return false;
}

static void
put_reason(struct asked *asked, const char *server, const char *why)
{
	buf_put_str(&asked->result->why, "  ");
	buf_put_str(&asked->result->why, server);
	buf_put_str(&asked->result->why, why);
	buf_put_char(&asked->result->why, '\n');
	asked->result->all = false;
}

static int
on_server(void *ctx, const struct server *server, const struct strlist *trusted,
	struct err *err)
{
	struct asked *asked = ctx;
	(void)err;
	if (asked->len < ROSTER_MAX) {
		asked->servers[asked->len++] = *server;
	}
	if (!is_in(trusted, asked->params->key) &&
		!is_in(asked->params->without, server->name)) {
		put_reason(asked, server->name,
			": does not trust it yet; restart it with the operator's new "
			"JWT");
	}
	return 0;
}

static bool
has_answered(const struct asked *asked, const char *cluster, const char *name)
{
	for (size_t i = 0; i < asked->len; i++) {
		if (str_equal(asked->servers[i].name, name) &&
			str_equal(asked->servers[i].cluster, cluster)) {
			return true;
		}
	}
	return false;
}

static void
check_remembered(struct asked *asked, const struct store_server *server)
{
	if (has_answered(asked, server->cluster, server->name)) {
		return;
	}
	if (is_in(asked->params->without, server->name)) {
		asked->left_out++;
		return;
	}
	asked->named++;
	put_reason(asked, server->name,
		": was there before and does not answer; start it, leave it out with "
		"--without, or forget it with natsid servers forget");
}

static int
remember(struct asked *asked, struct err *err)
{
	struct store_server_seen seen[ROSTER_MAX];
	struct store_server *known = NULL;
	size_t len = 0;
	for (size_t i = 0; i < asked->len; i++) {
		seen[i] = (struct store_server_seen){
			.cluster = asked->servers[i].cluster,
			.name = asked->servers[i].name,
			.server_id = asked->servers[i].id,
			.version = asked->servers[i].version,
		};
	}
	if (service_rotation_servers(asked->params->service, &console, seen, asked->len,
		    &known, &len, err) != 0) {
		return -1;
	}
	for (size_t i = 0; i < len; i++) {
		check_remembered(asked, &known[i]);
	}
	free(known);
	return 0;
}

/* Those that the others know of and that nobody here can name. */
static void
count_silent(struct asked *asked, const struct live_summary *summary)
{
	char silent[64];
	size_t accounted = asked->len + asked->left_out + asked->named;
	if (summary->servers > accounted) {
		str_fmt_cut(silent, sizeof(silent), "%zu more server%s",
			summary->servers - accounted,
			summary->servers - accounted == 1 ? "" : "s");
		put_reason(asked, silent, ": known to the others, and without an answer");
	} else if (!summary->complete && asked->left_out == 0 && asked->named == 0) {
		put_reason(asked, "(some server)", ": its answer could not be read");
	}
}

int
trust_ask(const struct trust_params *params, struct trust_result *out, struct err *err)
{
	struct live *live = NULL;
	struct live_summary summary = { 0 };
	struct asked asked = { .params = params, .result = out };
	*out = (struct trust_result){ .all = true };
	buf_init(&out->why, WHY_MAX);
	if (probe_live(params->probe, CONNECT_WAIT_MS, &live, err) != 0 ||
		live_trust(live, on_server, &asked, &summary, err) != 0 ||
		remember(&asked, err) != 0) {
		return -1;
	}
	count_silent(&asked, &summary);
	out->servers = asked.len;
	return out->why.len == 0 ? 0 : buf_finish(&out->why, err);
}

void
trust_result_release(struct trust_result *result)
{
	buf_release(&result->why);
}
