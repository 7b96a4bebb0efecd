/* SPDX-License-Identifier: Apache-2.0 */
#include "app/commands.h"

#include "api/api.h"
#include "app/data_dir.h"
#include "app/janitor.h"
#include "app/nats_auth.h"
#include "app/nats_options.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/bus.h"
#include "http/server.h"
#include "model/limits.h"
#include "publish/live.h"
#include "publish/publisher.h"
#include "service/login.h"
#include "service/operator.h"
#include "service/touched.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything that runs, in the order in which it starts. */
struct daemon {
	struct data_dir dir;
	struct publisher *publisher;
	struct live *live;
	struct nats_auth *auth;
	struct bus *bus;
	struct api *api;
	struct http_server *http;
	struct janitor *janitor;
};

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

static void
nats_status(void *ctx, struct api_nats_status *out)
{
	struct daemon *daemon = ctx;
	struct bus_status bus;
	struct publisher_status publisher;
	bus_status(daemon->bus, &bus);
	publisher_status(daemon->publisher, &publisher);
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

static int
ensure_operator(struct daemon *daemon, const char *name, struct err *err)
{
	static const struct actor system = { .kind = ACTOR_SYSTEM };
	if (service_operator_init(daemon->dir.service, &system, name, err) == 0) {
		/* That may be a surprise: it takes no more than a wrong --data. */
		log_warn("made a new operator; servers of another one will refuse it",
			LOG_STR("name", name), LOG_STR("data", daemon->dir.path));
		return 0;
	}
	if (err->code != ERR_CONFLICT) {
		return -1;
	}
	err_clear(err);
	return 0;
}

/* Says how to make one; a natsid without it serves, but nobody can log in. */
static int
hint_superuser(const struct daemon *daemon, struct err *err)
{
	int64_t count = 0;
	if (service_superuser_count(daemon->dir.service, &count, err) != 0) {
		return -1;
	}
	if (count == 0) {
		log_warn("there is no superuser yet, so nobody can log in",
			LOG_STR("make_one", "natsid superuser upsert EMAIL -"),
			LOG_STR("data", daemon->dir.path));
	}
	return 0;
}

static int
read_role_pace(const struct options *options, int64_t *out_pace, struct err *err)
{
	return options_role_pace(options->values[OPTION_ROLE_PACE], out_pace, err) == 0
		? 0
		: err_prefix(err, "--role-pace");
}

/* Each hears the answers to its own requests; the state of the connection is the
 * publisher's. */
static void
on_bus(void *ctx, const struct bus_event *event)
{
	struct daemon *daemon = ctx;
	if (live_owns(event)) {
		live_on_bus(daemon->live, event);
	} else {
		publisher_on_bus(daemon->publisher, event);
	}
}

static void
on_commit(void *ctx, const struct store_change *changes, size_t n)
{
	struct daemon *daemon = ctx;
	publisher_on_commit(daemon->publisher, changes, n);
	service_on_commit(daemon->dir.service);
}

static int
start_nats(struct daemon *daemon, const struct options *options,
	const struct nats_options *nats, struct err *err)
{
	const struct live_params live_params = { .timeout_ms = nats->request_timeout_ms };
	struct publisher_params publisher_params = {
		.store = daemon->dir.store,
		.service = daemon->dir.service,
		.clock = &clock_system,
		.request_max_ms = nats->publish_timeout_ms,
	};
	struct bus_params bus_params = {
		.name = "natsid",
		.user_jwt = nats_auth_user_jwt,
		.sign_nonce = nats_auth_sign,
		.login_free = nats_auth_login_free,
		.on_event = on_bus,
		.event_ctx = daemon,
		.clock = &clock_system,
	};
	nats_options_apply(nats, &bus_params);
	if (read_role_pace(options, &publisher_params.role_pace, err) != 0 ||
		live_new(&live_params, &daemon->live, err) != 0 ||
		publisher_new(&publisher_params, &daemon->publisher, err) != 0 ||
		nats_auth_new(daemon->dir.service, &daemon->auth, err) != 0) {
		return -1;
	}
	bus_params.auth_ctx = daemon->auth;
	if (bus_new(&bus_params, &daemon->bus, err) != 0) {
		return -1;
	}
	live_set_bus(daemon->live, daemon->bus);
	nats_auth_set_inbox(daemon->auth, bus_inbox(daemon->bus));
	store_on_commit(daemon->dir.store, on_commit, daemon);
	if (publisher_subscribe(daemon->bus, err) != 0 ||
		publisher_start(daemon->publisher, daemon->bus, err) != 0) {
		return -1;
	}
	return bus_start(daemon->bus, err);
}

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

static int
list_connections(void *ctx, const char *account_key,
	int (*fn)(void *fn_ctx, const struct api_connection *connection, struct err *err),
	void *fn_ctx, bool *out_complete, struct err *err)
{
	struct daemon *daemon = ctx;
	struct hand_out out = { .fn = fn, .ctx = fn_ctx };
	struct live_summary summary;
	if (live_connections(daemon->live, account_key, hand_out_connection, &out,
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

static int
count_keys(void *ctx, struct account_key_list *list, bool *out_complete, struct err *err)
{
	return list_connections(
		ctx, list->account_key, count_key, list, out_complete, err);
}

/* ---- streams, and deleted accounts ---- */

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

static int
list_streams(void *ctx, const char *account_key,
	int (*fn)(void *fn_ctx, const char *stream, struct err *err), void *fn_ctx,
	bool *out_complete, struct err *err)
{
	struct daemon *daemon = ctx;
	struct hand_out_streams out = { .fn = fn, .ctx = fn_ctx };
	struct live_summary summary;
	if (live_streams(daemon->live, account_key, hand_out_stream, &out, &summary,
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

static int
remove_accounts(void *ctx, const char *request, size_t len,
	struct tombstone_answers *answers, bool *out_complete, struct err *err)
{
	struct daemon *daemon = ctx;
	struct live_summary summary;
	if (live_remove(daemon->live, request, len, note_removed, answers, &summary,
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

static int
look_at_accounts(void *ctx, const struct tombstone_look *look,
	struct tombstone_answers *answers, size_t *out_answered, struct err *err)
{
	struct daemon *daemon = ctx;
	struct live_summary summary;
	const struct live_lookups_params params = {
		.keys = look->keys,
		.len = look->len,
		.servers = look->servers,
		.fn = note_shown,
		.ctx = answers,
	};
	if (live_lookups(daemon->live, &params, &summary, err) != 0) {
		return -1;
	}
	*out_answered = summary.answered;
	return 0;
}

static int
read_tombstone_ttl(const struct options *options, int64_t *out_ms, struct err *err)
{
	return options_tombstone_ttl(
		       options->values[OPTION_TOMBSTONE_TTL], out_ms, err) == 0
		? 0
		: err_prefix(err, "--tombstone-ttl");
}

static int
start_janitor(struct daemon *daemon, const struct options *options, struct err *err)
{
	struct janitor_params params = {
		.service = daemon->dir.service,
		.count = count_keys,
		.count_ctx = daemon,
		.hands = { .remove = remove_accounts,
			.look = look_at_accounts,
			.ctx = daemon },
	};
	if (read_tombstone_ttl(options, &params.tombstone_ttl_ms, err) != 0) {
		return -1;
	}
	return janitor_start(&params, &daemon->janitor, err);
}

static void
tell_convergence(void *ctx, struct api_convergence *out)
{
	const struct daemon *daemon = ctx;
	struct publisher_status status;
	publisher_status(daemon->publisher, &status);
	str_fmt_cut(out->blocked, sizeof(out->blocked), "%s", status.blocked);
	out->sweeping = status.sweep.running;
	out->looked = status.sweep.looked;
	out->accounts = status.sweep.accounts;
	out->started_ms = status.sweep.started_ms;
	out->finished_ms = status.sweep.finished_ms;
}

static void
reconcile(void *ctx)
{
	const struct daemon *daemon = ctx;
	publisher_reconcile(daemon->publisher);
}

static int
start_http(struct daemon *daemon, const char *listen, struct err *err)
{
	char *host = NULL;
	char address[80];
	struct http_params params = {
		.body_limit = api_body_limit,
		.handle = api_handle,
		.refuse = api_refuse,
	};
	struct api_params api_params = {
		.service = daemon->dir.service,
		.clock = &clock_system,
		.nats_status = nats_status,
		.status_ctx = daemon,
		.connections = list_connections,
		.streams = list_streams,
		.convergence = tell_convergence,
		.reconcile = reconcile,
		.nats_ctx = daemon,
		.version = NATSID_VERSION,
	};
	if (options_split_address(listen, &host, &params.port, err) != 0) {
		return err_prefix(err, "--listen");
	}
	int rc = api_new(&api_params, &daemon->api, err);
	if (rc == 0) {
		params.host = host;
		params.ctx = daemon->api;
		rc = http_server_start(&params, &daemon->http, err);
		if (rc != 0 && err->code == ERR_CONFLICT) {
			/* its code says which exit code; its message gains the way out */
			err_prefix(err, "--listen");
		}
	}
	if (rc == 0) {
		str_fmt_cut(address, sizeof(address),
			strchr(host, ':') != NULL ? "[%s]:%d" : "%s:%d", host,
			http_server_port(daemon->http));
		log_info("listening", LOG_STR("address", address),
			LOG_STR("data", daemon->dir.path),
			LOG_STR("version", NATSID_VERSION));
	}
	free(host);
	return rc;
}

/* 127.0.0.0/8 or ::1. */
static bool
is_loopback(const char *host)
{
	struct in_addr v4;
	struct in6_addr v6;
	if (inet_pton(AF_INET, host, &v4) == 1) {
		return ntohl(v4.s_addr) >> 24 == 127;
	}
	return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* A port that is taken is told before a data directory is made for nothing. One that is
 * there says first whether another natsid uses it. */
static int
check_port(const struct options *options, struct err *err)
{
	char *host = NULL;
	uint16_t port = 0;
	if (data_dir_exists(options->values[OPTION_DATA])) {
		return 0;
	}
	int rc = options_split_address(options->values[OPTION_LISTEN], &host, &port, err);
	if (rc == 0) {
		rc = http_server_probe(host, port, err);
	}
	free(host);
	return rc == 0 ? 0 : err_prefix(err, "--listen");
}

/* Is the address one of this host's own? Plain HTTP is for those only. */
static int
check_listen(const char *listen, struct err *err)
{
	char *host = NULL;
	uint16_t port = 0;
	if (options_split_address(listen, &host, &port, err) != 0) {
		return err_prefix(err, "--listen");
	}
	bool loopback = is_loopback(host);
	if (!loopback) {
		err_set(err, ERR_INVALID,
			"--listen %s: natsid speaks plain HTTP and serves on loopback "
			"only; put a "
			"TLS proxy in front of 127.0.0.1",
			listen);
	}
	free(host);
	return loopback ? 0 : -1;
}

static int
read_jwt_lifetime(const struct options *options, int64_t *out, struct err *err)
{
	const char *text = options->values[OPTION_JWT_LIFETIME];
	return str_to_int(text, 0, LIMIT_LIFETIME_SECONDS, out) == 0
		? 0
		: err_set(err, ERR_INVALID,
			  "--jwt-lifetime \"%s\": use seconds, from 0 (for ever) to %d",
			  text, LIMIT_LIFETIME_SECONDS);
}

static int
set_log_level(const char *level, struct err *err)
{
	return log_set_level(level) == 0
		? 0
		: err_set(err, ERR_INVALID,
			  "--log-level \"%s\": use debug, info, warn or error", level);
}

/* In the reverse order of the start: no request without a store, no answer without a
 * publisher. */
static void
daemon_stop(struct daemon *daemon)
{
	janitor_stop(daemon->janitor);
	if (daemon->dir.service != NULL) {
		service_stop_waiting(daemon->dir.service);
	}
	http_server_stop(daemon->http);
	api_free(daemon->api);
	if (daemon->publisher != NULL) {
		publisher_stop(daemon->publisher);
	}
	bus_free(daemon->bus);
	publisher_free(daemon->publisher);
	live_free(daemon->live);
	nats_auth_free(daemon->auth);
	data_dir_close(&daemon->dir);
}

static enum exit_code
exit_code_of(const struct err *err)
{
	switch (err->code) {
	case ERR_INVALID:
		return EXIT_USAGE;
	case ERR_BUSY:
	case ERR_CONFLICT:
		return EXIT_IN_USE;
	case ERR_CORRUPT:
	case ERR_FORBIDDEN:
		return EXIT_DATA;
	case ERR_NONE:
	case ERR_UNAUTHENTICATED:
	case ERR_NOT_FOUND:
	case ERR_STALE:
	case ERR_TOO_LARGE:
	case ERR_MEDIA_TYPE:
	case ERR_LIMITED:
	case ERR_INTERNAL:
	case ERR_NOMEM:
	case ERR_UNAVAILABLE:
	case ERR_TIMEOUT:
		break;
	}
	return EXIT_FAILED;
}

enum exit_code
command_serve(const struct options *options)
{
	struct err err = { 0 };
	struct daemon daemon = { .dir = { .lock_fd = -1 } };
	struct data_dir_params params = {
		.path = options->values[OPTION_DATA],
		.key_file = options->values[OPTION_KEY_FILE],
		.create = true,
		.lock = true,
	};
	sigset_t signals;
	int signal_number = 0;
	int64_t role_pace = 0;
	struct nats_options nats = { 0 };
	int64_t tombstone_ttl = 0;

	/* Blocked in every thread; this one waits for them. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	/* What can be told from the command line is told before anything is made. */
	if (check_listen(options->values[OPTION_LISTEN], &err) != 0 ||
		nats_options_read(options, &nats, &err) != 0 ||
		read_role_pace(options, &role_pace, &err) != 0 ||
		read_tombstone_ttl(options, &tombstone_ttl, &err) != 0 ||
		read_jwt_lifetime(options, &params.default_lifetime_s, &err) != 0 ||
		set_log_level(options->values[OPTION_LOG_LEVEL], &err) != 0 ||
		check_port(options, &err) != 0) {
		command_failed(&err);
		nats_options_release(&nats);
		return exit_code_of(&err);
	}
	if (data_dir_open(&params, &daemon.dir, &err) != 0) {
		nats_options_release(&nats);
		return command_data_failed(&err);
	}
	enum exit_code code = EXIT_OK;
	if (ensure_operator(&daemon, options->values[OPTION_OPERATOR], &err) != 0 ||
		start_nats(&daemon, options, &nats, &err) != 0 ||
		start_janitor(&daemon, options, &err) != 0 ||
		start_http(&daemon, options->values[OPTION_LISTEN], &err) != 0 ||
		hint_superuser(&daemon, &err) != 0) {
		command_failed(&err);
		code = exit_code_of(&err);
	} else {
		int waited = 0;
		do {
			waited = sigwait(&signals, &signal_number);
		} while (waited != 0);
		log_info("stopping",
			LOG_STR("signal",
				signal_number == SIGINT ? "SIGINT" : "SIGTERM"));
	}
	daemon_stop(&daemon);
	nats_options_release(&nats);
	if (code == EXIT_OK) {
		log_info("stopped", LOG_INT("signal", signal_number));
	}
	return code;
}
