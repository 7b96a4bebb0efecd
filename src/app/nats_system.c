/* SPDX-License-Identifier: Apache-2.0 */
#include "app/nats_system.h"

#include "base/str.h"

_Static_assert((int)API_NATS_URLS_MAX == (int)BUS_URLS_MAX, "room for each URL");

static void
copy_urls(const struct bus_status *bus, struct api_nats_status *out)
{
	static const char *const states[] = {
		[BUS_URL_STANDBY] = "standby",
		[BUS_URL_CONNECTING] = "connecting",
		[BUS_URL_CONNECTED] = "connected",
		[BUS_URL_PROBING] = "probing",
		[BUS_URL_FAILED] = "failed",
	};
	out->url_count = bus->url_count;
	out->url_index = bus->url_index;
	for (size_t i = 0; i < bus->url_count; i++) {
		const struct bus_url_status *from = &bus->urls[i];
		struct api_nats_url *to = &out->urls[i];
		str_fmt_cut(to->url, sizeof(to->url), "%s", from->url);
		str_fmt_cut(to->error, sizeof(to->error), "%s", from->error);
		to->state = states[from->state];
		to->connects = (int64_t)from->connects;
		to->failures = (int64_t)from->failures;
	}
}

static void
copy_connection(const struct bus_status *bus, struct api_nats_status *out)
{
	static const char *const states[] = {
		[BUS_DOWN] = "disconnected",
		[BUS_CONNECTING] = "connecting",
		[BUS_UP] = "connected",
	};
	out->connected = bus->state == BUS_UP;
	out->state = states[bus->state];
	if (out->connected) {
		out->role = bus->url_index == 0 ? "primary" : "backup";
	} else {
		str_fmt_cut(out->error, sizeof(out->error), "%s", bus->last_error);
	}
	str_fmt_cut(out->url, sizeof(out->url), "%s", bus->url);
	out->since_ms = bus->since_ms;
	out->epoch = (int64_t)bus->epoch;
	out->connects = (int64_t)bus->connects;
	out->failovers = (int64_t)bus->failovers;
	out->failbacks = (int64_t)bus->failbacks;
	out->probes = (int64_t)bus->probes;
	out->open_requests = (int64_t)bus->open_requests;
}

void
nats_system_status(void *ctx, struct api_nats_status *out)
{
	const struct nats_system *system = ctx;
	struct bus_status bus;
	struct publisher_status publisher;
	bus_status(system->bus, &bus);
	publisher_status(system->publisher, &publisher);
	copy_connection(&bus, out);
	copy_urls(&bus, out);
	out->servers = (int64_t)publisher.roster.len;
	out->open_accounts = (int64_t)publisher.open;
	out->pushed = (int64_t)publisher.pushed;
	str_fmt_cut(out->blocked, sizeof(out->blocked), "%s", publisher.blocked);
	int index = roster_index(&publisher.roster, bus.server_id);
	if (index >= 0) {
		const struct server *server = &publisher.roster.servers[index];
		str_fmt_cut(out->server, sizeof(out->server), "%s", server->name);
		str_fmt_cut(out->version, sizeof(out->version), "%s", server->version);
	}
}

/* ---- connections and streams ---- */

struct hand_out {
	int (*fn)(void *ctx, const struct api_connection *connection, struct err *err);
	void *ctx;
};

/* Where a JWT is hidden it is a bearer's. Its iat is not known then: taken for old, as
 * what is asked is who would be cut. */
static int
hand_out_connection(void *ctx, const struct server *server, const struct connection *row,
	struct err *err)
{
	const struct hand_out *out = ctx;
	struct api_connection connection = {
		.user = row->user_key,
		.issuer_key = row->issuer_key,
		.issued_at = row->iat,
		.bearer = !row->has_iat,
	};
	(void)server; /* the same everywhere */
	return out->fn(out->ctx, &connection, err);
}

int
nats_system_connections(void *ctx, const char *account_key,
	int (*fn)(void *fn_ctx, const struct api_connection *connection, struct err *err),
	void *fn_ctx, bool *out_complete, struct err *err)
{
	const struct nats_system *system = ctx;
	struct hand_out out = { .fn = fn, .ctx = fn_ctx };
	struct live_summary summary;
	if (live_connections(system->live, account_key, hand_out_connection, &out,
		    &summary, err) != 0) {
		return -1;
	}
	*out_complete = summary.complete;
	return 0;
}

static int
count_key(void *ctx, const struct api_connection *connection, struct err *err)
{
	account_key_list_count(ctx, connection->issuer_key);
	(void)err; /* counting cannot fail */
	return 0;
}

int
nats_system_count_keys(
	void *ctx, struct account_key_list *list, bool *out_complete, struct err *err)
{
	return nats_system_connections(
		ctx, list->account_key, count_key, list, out_complete, err);
}

struct hand_out_streams {
	int (*fn)(void *ctx, const char *stream, struct err *err);
	void *ctx;
};

static int
hand_out_stream(
	void *ctx, const struct server *server, const char *stream, struct err *err)
{
	const struct hand_out_streams *out = ctx;
	(void)server; /* whichever has it */
	return out->fn(out->ctx, stream, err);
}

int
nats_system_streams(void *ctx, const char *account_key,
	int (*fn)(void *fn_ctx, const char *stream, struct err *err), void *fn_ctx,
	bool *out_complete, struct err *err)
{
	const struct nats_system *system = ctx;
	struct hand_out_streams out = { .fn = fn, .ctx = fn_ctx };
	struct live_summary summary;
	if (live_streams(system->live, account_key, hand_out_stream, &out, &summary,
		    err) != 0) {
		return -1;
	}
	*out_complete = summary.complete;
	return 0;
}

static int
note_removed(void *ctx, const struct server *server, int64_t removed, const char *words,
	struct err *err)
{
	return tombstone_answered(ctx, server->id, server->name, removed, words, err);
}

int
nats_system_remove(void *ctx, const char *request, size_t len,
	struct tombstone_answers *answers, bool *out_complete, struct err *err)
{
	const struct nats_system *system = ctx;
	struct live_summary summary;
	if (live_remove(system->live, request, len, note_removed, answers, &summary,
		    err) != 0) {
		return -1;
	}
	*out_complete = summary.complete;
	return 0;
}

static void
note_shown(void *ctx, const char *account_key)
{
	tombstone_shown(ctx, account_key);
}

int
nats_system_look(void *ctx, const struct tombstone_look *look,
	struct tombstone_answers *answers, size_t *out_answered, struct err *err)
{
	const struct nats_system *system = ctx;
	struct live_summary summary;
	const struct live_lookups_params params = {
		.keys = look->keys,
		.len = look->len,
		.servers = look->servers,
		.fn = note_shown,
		.ctx = answers,
	};
	if (live_lookups(system->live, &params, &summary, err) != 0) {
		return -1;
	}
	*out_answered = summary.answered;
	return 0;
}

/* ---- convergence ---- */

void
nats_system_convergence(void *ctx, struct api_convergence *out)
{
	const struct nats_system *system = ctx;
	struct publisher_status status;
	publisher_status(system->publisher, &status);
	str_fmt_cut(out->blocked, sizeof(out->blocked), "%s", status.blocked);
	out->sweeping = status.sweep.running;
	out->looked = status.sweep.looked;
	out->accounts = status.sweep.accounts;
	out->started_ms = status.sweep.started_ms;
	out->finished_ms = status.sweep.finished_ms;
}

void
nats_system_reconcile(void *ctx)
{
	const struct nats_system *system = ctx;
	publisher_reconcile(system->publisher);
}
