/* SPDX-License-Identifier: Apache-2.0 */
#include "app/commands.h"

#include "api/api.h"
#include "app/data_dir.h"
#include "app/heartbeat.h"
#include "app/janitor.h"
#include "app/nats_auth.h"
#include "app/nats_options.h"
#include "app/nats_system.h"
#include "base/log.h"
#include "base/str.h"
#include "http/server.h"
#include "model/limits.h"
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
	struct heartbeat *heartbeat;
	struct nats_auth *auth;
	struct nats_system nats;
	struct api *api;
	struct http_server *http;
	struct janitor *janitor;
};

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
		live_on_bus(daemon->nats.live, event);
	} else {
		publisher_on_bus(daemon->nats.publisher, event);
	}
}

static void
on_commit(void *ctx, const struct store_change *changes, size_t n)
{
	struct daemon *daemon = ctx;
	heartbeat_on_commit(daemon->heartbeat);
	publisher_on_commit(daemon->nats.publisher, changes, n);
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
		live_new(&live_params, &daemon->nats.live, err) != 0 ||
		publisher_new(&publisher_params, &daemon->nats.publisher, err) != 0 ||
		nats_auth_new(daemon->dir.service, &daemon->auth, err) != 0) {
		return -1;
	}
	bus_params.auth_ctx = daemon->auth;
	if (bus_new(&bus_params, &daemon->nats.bus, err) != 0) {
		return -1;
	}
	live_set_bus(daemon->nats.live, daemon->nats.bus);
	nats_auth_set_inbox(daemon->auth, bus_inbox(daemon->nats.bus));
	store_on_commit(daemon->dir.store, on_commit, daemon);
	if (publisher_subscribe(daemon->nats.bus, err) != 0 ||
		publisher_start(daemon->nats.publisher, daemon->nats.bus, err) != 0) {
		return -1;
	}
	return bus_start(daemon->nats.bus, err);
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
		.count = nats_system_count_keys,
		.count_ctx = &daemon->nats,
		.hands = { .remove = nats_system_remove,
			.look = nats_system_look,
			.ctx = &daemon->nats },
	};
	if (read_tombstone_ttl(options, &params.tombstone_ttl_ms, err) != 0) {
		return -1;
	}
	return janitor_start(&params, &daemon->janitor, err);
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
		.nats_status = nats_system_status,
		.connections = nats_system_connections,
		.streams = nats_system_streams,
		.convergence = nats_system_convergence,
		.reconcile = nats_system_reconcile,
		.nats_ctx = &daemon->nats,
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

/* Its last beat is a commit, and who would hear of that is gone. */
static void
stop_heartbeat(struct daemon *daemon)
{
	if (daemon->heartbeat != NULL) {
		store_on_commit(daemon->dir.store, NULL, NULL);
		heartbeat_stop(daemon->heartbeat);
	}
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
	if (daemon->nats.publisher != NULL) {
		publisher_stop(daemon->nats.publisher);
	}
	bus_free(daemon->nats.bus);
	publisher_free(daemon->nats.publisher);
	live_free(daemon->nats.live);
	nats_auth_free(daemon->auth);
	stop_heartbeat(daemon);
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

/* The main thread has nothing else to do, and waits for nobody. */
static int
wait_for_signal(struct daemon *daemon, const sigset_t *signals)
{
	static const struct timespec a_second = { .tv_sec = 1 };
	int number = -1;
	while (number < 0) {
		number = sigtimedwait(signals, NULL, &a_second);
		heartbeat_look(daemon->heartbeat);
	}
	return number;
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
		heartbeat_start(&daemon.dir, &daemon.heartbeat, &err) != 0 ||
		start_nats(&daemon, options, &nats, &err) != 0 ||
		start_janitor(&daemon, options, &err) != 0 ||
		start_http(&daemon, options->values[OPTION_LISTEN], &err) != 0 ||
		hint_superuser(&daemon, &err) != 0) {
		command_failed(&err);
		code = exit_code_of(&err);
	} else {
		signal_number = wait_for_signal(&daemon, &signals);
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
