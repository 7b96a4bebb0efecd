/* SPDX-License-Identifier: Apache-2.0
 * The bus thread: which server to connect to, when to try again, what has expired. */
#include "bus/bus.h"

#include "bus/link.h"
#include "bus/plan.h"
#include "bus/requests.h"
#include "bus/socket.h"
#include "bus/url.h"

#include "base/log.h"
#include "base/rand.h"
#include "base/str.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
	INBOX_RANDOM_LEN = 22,
	EXPIRE_BATCH = 64,
	BACKOFF_PERCENT_MAX = 1000,
	/* Beyond its own timeout, until nats.c's connect is ended from outside. */
	CONNECT_GRACE_MS = 1000,
	/* A probe that has connected sends a PING so often. */
	PROBE_PING_MS = 1000,
	/* The bus thread looks around at least so often. */
	WAIT_MAX_MS = 60 * 1000
};

/* One of the addresses, in the order of preference; the first is the primary. */
struct server {
	struct bus_url url;
	/* Under the lock: */
	char error[BUS_ERROR_SIZE]; /* of its last failure; "" once it is well */
	bool logged; /* that error, since a connection came up */
	uint64_t failures;
	uint64_t connects;
};

/* The one connect that a thread of its own works on: for want of a connection, or, while
 * a backup is connected, as a probe of the primary. Then it is done only when that has
 * been well for a while, or at once when the backup is lost. */
struct attempt {
	pthread_t thread;
	struct bus *bus;
	size_t server;
	uint64_t epoch;
	int64_t overdue_ms; /* when the connect is ended from outside */
	/* Under the lock: */
	bool running; /* from its thread's start until that is joined */
	bool is_probe; /* nobody needs it at once */
	bool connected;
	bool done;
	struct bus_link *link; /* NULL: failed, see err */
	struct err err;
};

struct bus {
	/* Fixed after bus_start. */
	struct bus_params params;
	char name[BUS_NAME_MAX + 1];
	char *files[3]; /* what params name */
	char inbox[BUS_INBOX_SIZE];
	struct server servers[BUS_URLS_MAX];
	size_t server_count;
	char *subjects[BUS_SUBSCRIPTIONS_MAX];
	size_t subject_count;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* wakes the bus thread */
	pthread_cond_t hurry; /* wakes a probe */
	bool stopping;
	bool thread_ended;
	enum bus_state state;
	size_t server; /* of the state's attempt or link, or the last one */
	int64_t since_ms;
	uint64_t attempts;
	char last_error[BUS_ERROR_SIZE];
	struct attempt attempt; /* CONNECTING, and UP on a backup */
	uint64_t last_epoch; /* given to an attempt */
	struct bus_link *link; /* UP */
	uint64_t epoch; /* of the last link that was up */
	char server_id[BUS_SERVER_ID_SIZE];
	int64_t max_payload;
	unsigned publishing; /* calls that use the link */
	struct bus_plan plan; /* bus thread only */
	size_t next_server; /* DOWN: what to try */
	int64_t retry_ms; /* DOWN: and when */
	int64_t up_ms; /* UP: since when */
	int64_t probe_ms; /* UP on a backup: when to look at the primary */
	size_t last_up; /* server of the last connection */
	uint64_t connects;
	uint64_t failovers;
	uint64_t failbacks;
	uint64_t probes;
	struct bus_requests *requests;
};

/* ---- small helpers ------------------------------------------------------------- */

static int64_t
now_ms(const struct bus *bus)
{
	return clock_mono_ms(bus->params.clock);
}

static void
emit(struct bus *bus, const struct bus_event *event)
{
	bus->params.on_event(bus->params.event_ctx, event);
}

/* Waits until woken, or until `until` on the bus's clock. The condition has its deadlines
 * on the system's monotonic clock, which need not be the bus's. */
static void
wait_on_locked(struct bus *bus, pthread_cond_t *cond, int64_t until)
{
	int64_t pause = until - now_ms(bus);
	struct timespec ts = { 0 };

	if (pause <= 0)
		return;
	if (pause > WAIT_MAX_MS)
		pause = WAIT_MAX_MS;
	int64_t at = clock_mono_ms(&clock_system) + pause;
	ts.tv_sec = at / 1000;
	ts.tv_nsec = at % 1000 * 1000000;
	/* Why it returned does not matter: the caller looks at everything anew. */
	(void)pthread_cond_timedwait(cond, &bus->lock, &ts);
}

static void
wait_locked(struct bus *bus, int64_t until)
{
	wait_on_locked(bus, &bus->changed, until);
}

/* ---- requests ------------------------------------------------------------------- */

/* Expires what is due, with the lock released meanwhile. True: look at everything
 * anew. */
static bool
expire_locked(struct bus *bus, int64_t now, uint64_t epoch)
{
	uint64_t numbers[EXPIRE_BATCH];
	size_t n = bus_requests_take_due(bus->requests, now, numbers, EXPIRE_BATCH);

	if (n == 0)
		return false;
	pthread_mutex_unlock(&bus->lock);
	for (size_t i = 0; i < n; i++)
		emit(bus,
			&(struct bus_event){ .kind = BUS_EVENT_EXPIRED,
				.epoch = epoch,
				.request = numbers[i] });
	pthread_mutex_lock(&bus->lock);
	return true;
}

/* A line break in a subject would be a command of its own to the server. */
static int
check_subject(const char *subject, struct err *err)
{
	size_t len = strlen(subject);

	if (len == 0 || len > BUS_SUBJECT_MAX)
		return err_set(err, ERR_INVALID, "a subject must have 1 to %d bytes",
			BUS_SUBJECT_MAX);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)subject[i];
		if (c <= 0x20 || c == 0x7f)
			return err_set(err, ERR_INVALID,
				"a subject must not have blanks or control characters");
	}
	return 0;
}

int
bus_request(struct bus *bus, uint64_t request, const char *subject, const void *data,
	size_t len, int64_t timeout_ms, struct err *err)
{
	uint64_t token = 0;
	struct bus_link *link = NULL;

	if (check_subject(subject, err) != 0)
		return -1;
	if (timeout_ms <= 0)
		return err_set(err, ERR_INVALID, "a request needs a timeout");
	if (len > BUS_PAYLOAD_MAX)
		return err_set(err, ERR_TOO_LARGE, "a request may have %d bytes",
			BUS_PAYLOAD_MAX);

	pthread_mutex_lock(&bus->lock);
	if (bus->state != BUS_UP) {
		pthread_mutex_unlock(&bus->lock);
		return err_set(err, ERR_UNAVAILABLE, "not connected to NATS");
	}
	int64_t now = now_ms(bus);
	int64_t deadline = timeout_ms < INT64_MAX - now ? now + timeout_ms : INT64_MAX;
	int64_t earliest = INT64_MAX;
	(void)bus_requests_next_deadline(bus->requests, &earliest); /* or none */
	if (bus_requests_add(bus->requests, request, deadline, &token, err) != 0) {
		pthread_mutex_unlock(&bus->lock);
		return -1;
	}
	if (deadline < earliest)
		pthread_cond_signal(&bus->changed);
	link = bus->link;
	bus->publishing++;
	pthread_mutex_unlock(&bus->lock);

	int rc = bus_link_publish(link, subject, token, data, len, err);

	pthread_mutex_lock(&bus->lock);
	/* Where it has expired meanwhile, that is the news of it and not the failure. */
	if (rc != 0 && !bus_requests_remove_token(bus->requests, token))
		rc = 0;
	if (--bus->publishing == 0 && bus->link != link) /* it is waited for */
		pthread_cond_signal(&bus->changed);
	pthread_mutex_unlock(&bus->lock);
	return rc;
}

void
bus_cancel(struct bus *bus, uint64_t request)
{
	pthread_mutex_lock(&bus->lock);
	bus_requests_remove(bus->requests, request);
	pthread_mutex_unlock(&bus->lock);
}

/* ---- what comes from nats.c's threads ------------------------------------------- */

static void
on_message(void *ctx, const struct bus_link_message *message)
{
	struct bus *bus = ctx;
	struct bus_event event = {
		.kind = message->is_reply ? BUS_EVENT_REPLY : BUS_EVENT_MESSAGE,
		.epoch = message->epoch,
		.subject = message->subject,
		.data = message->data,
		.len = message->len,
		.no_responders = message->no_responders,
	};

	pthread_mutex_lock(&bus->lock);
	bool wanted = bus->state == BUS_UP && bus->epoch == message->epoch;
	if (wanted && message->is_reply)
		wanted = bus_requests_find(bus->requests, message->token, &event.request);
	pthread_mutex_unlock(&bus->lock);
	if (wanted)
		emit(bus, &event);
}

/* Whichever link it is: the bus thread asks its own, a probe the other. */
static void
on_lost(void *ctx)
{
	struct bus *bus = ctx;

	pthread_mutex_lock(&bus->lock);
	pthread_cond_signal(&bus->changed);
	pthread_cond_signal(&bus->hurry);
	pthread_mutex_unlock(&bus->lock);
}

static void
on_trouble(void *ctx, uint64_t epoch, const char *text)
{
	(void)ctx; /* nothing changes */
	log_warn("nats connection in trouble", LOG_STR("reason", text),
		LOG_INT("epoch", epoch));
}

static const struct bus_link_handler link_handler = {
	.on_message = on_message,
	.on_lost = on_lost,
	.on_trouble = on_trouble,
};

/* ---- an attempt, on its own thread ---------------------------------------------- */

/* A probe waits until the primary has answered for a while, or is needed at once. */
static int
wait_until_healthy(struct attempt *attempt, struct bus_link *link, struct err *err)
{
	struct bus *bus = attempt->bus;
	char reason[BUS_ERROR_SIZE] = "";
	int rc = 0;

	pthread_mutex_lock(&bus->lock);
	attempt->connected = true;
	int64_t until = now_ms(bus) + bus->params.failback_healthy_ms;
	while (rc == 0 && attempt->is_probe && !bus->stopping && now_ms(bus) < until) {
		int64_t next = now_ms(bus) + PROBE_PING_MS;
		pthread_mutex_unlock(&bus->lock);
		rc = bus_link_ping(link, bus->params.write_deadline_ms, err);
		pthread_mutex_lock(&bus->lock);
		while (rc == 0 && attempt->is_probe && !bus->stopping &&
			!bus_link_lost(link, reason) && now_ms(bus) < next &&
			now_ms(bus) < until)
			wait_on_locked(bus, &bus->hurry, next < until ? next : until);
	}
	pthread_mutex_unlock(&bus->lock);
	return rc;
}

static void *
attempt_main(void *ctx)
{
	struct attempt *attempt = ctx;
	struct bus *bus = attempt->bus;
	struct bus_link *link = NULL;
	struct err err = { 0 };
	struct bus_link_params params = {
		.bus = &bus->params,
		.url = &bus->servers[attempt->server].url,
		.inbox = bus->inbox,
		.subjects = (const char *const *)bus->subjects,
		.subject_count = bus->subject_count,
		.epoch = attempt->epoch,
		.handler = &link_handler,
		.ctx = bus,
	};

	int rc = bus_link_open(&params, &link, &err);
	if (rc == 0)
		rc = wait_until_healthy(attempt, link, &err);
	if (rc == 0)
		rc = bus_link_subscribe(link, &err);
	if (rc != 0) {
		bus_link_free(link);
		link = NULL;
	}

	pthread_mutex_lock(&bus->lock);
	attempt->link = link;
	attempt->err = err;
	attempt->done = true;
	pthread_cond_signal(&bus->changed);
	pthread_mutex_unlock(&bus->lock);
	return NULL;
}

/* -1: no thread for it, see attempt.err. */
static int
attempt_start_locked(struct bus *bus, size_t server, bool is_probe)
{
	struct attempt *attempt = &bus->attempt;

	*attempt = (struct attempt){
		.bus = bus,
		.server = server,
		.epoch = ++bus->last_epoch,
		.is_probe = is_probe,
		.overdue_ms =
			now_ms(bus) + bus->params.connect_timeout_ms + CONNECT_GRACE_MS,
	};
	if (pthread_create(&attempt->thread, NULL, attempt_main, attempt) != 0)
		return err_set(
			&attempt->err, ERR_NOMEM, "cannot connect: no thread for it");
	attempt->running = true;
	return 0;
}

/* True once its thread has ended. Otherwise *out_until is when to look again. */
static bool
attempt_ended_locked(struct bus *bus, int64_t *out_until)
{
	struct attempt *attempt = &bus->attempt;

	*out_until = 0;
	if (attempt->done) {
		pthread_mutex_unlock(&bus->lock);
		pthread_join(attempt->thread, NULL);
		pthread_mutex_lock(&bus->lock);
		attempt->running = false;
		return true;
	}
	if (attempt->connected) {
		*out_until = INT64_MAX;
	} else if (now_ms(bus) < attempt->overdue_ms) {
		*out_until = attempt->overdue_ms;
	} else {
		attempt->overdue_ms = now_ms(bus) + CONNECT_GRACE_MS;
		pthread_mutex_unlock(&bus->lock);
		(void)bus_socket_shut_silent(bus->servers[attempt->server].url.port,
			bus->params.connect_timeout_ms / 2); /* none: try again */
		pthread_mutex_lock(&bus->lock);
	}
	return false;
}

/* ---- DOWN and CONNECTING -------------------------------------------------------- */

/* Each error of a server is told once, until a connection comes up. */
static void
note_failure_locked(struct bus *bus, size_t index, const char *what, const char *error)
{
	struct server *server = &bus->servers[index];
	bool is_news = !server->logged || !str_equal(server->error, error);

	server->failures++;
	server->logged = true;
	str_fmt_cut(server->error, sizeof(server->error), "%s", error);
	if (!is_news)
		return;
	pthread_mutex_unlock(&bus->lock);
	log_warn(what, LOG_STR("url", server->url.shown),
		LOG_STR("reason", server->error));
	pthread_mutex_lock(&bus->lock);
}

static void try_next_locked(struct bus *bus, size_t server);

static void
follow_locked(struct bus *bus, struct bus_step step)
{
	if (step.pause_ms == 0 && bus->state == BUS_CONNECTING) {
		try_next_locked(bus, step.server);
		return;
	}
	bus->state = BUS_DOWN;
	bus->next_server = step.server;
	bus->retry_ms = now_ms(bus) + step.pause_ms;
}

/* The attempt's thread has ended, or was never made. */
static void
attempt_failed_locked(struct bus *bus)
{
	str_fmt_cut(bus->last_error, sizeof(bus->last_error), "%s", bus->attempt.err.msg);
	note_failure_locked(bus, bus->server, "nats connection failed", bus->last_error);
	follow_locked(bus, bus_plan_failed(&bus->plan, bus->server));
}

static void
try_next_locked(struct bus *bus, size_t server)
{
	bus->state = BUS_CONNECTING;
	bus->server = server;
	bus->attempts++;
	if (attempt_start_locked(bus, server, false) != 0)
		attempt_failed_locked(bus);
}

static int64_t
work_down_locked(struct bus *bus)
{
	if (now_ms(bus) < bus->retry_ms)
		return bus->retry_ms;
	try_next_locked(bus, bus->next_server);
	return 0;
}

static void
count_up_locked(struct bus *bus)
{
	bus->connects++;
	bus->servers[bus->server].connects++;
	if (bus->server != bus->last_up && bus->server == 0)
		bus->failbacks++;
	else if (bus->server != bus->last_up)
		bus->failovers++;
	bus->last_up = bus->server;
}

static void
come_up_locked(struct bus *bus, struct bus_link *link, uint64_t epoch)
{
	struct server *server = &bus->servers[bus->server];

	bus->state = BUS_UP;
	bus->link = link;
	bus->attempt.link = NULL;
	bus->epoch = epoch;
	bus->attempts = 0;
	bus->up_ms = now_ms(bus);
	bus->probe_ms = bus->up_ms + bus->params.failback_interval_ms;
	bus->since_ms = clock_wall_ms(bus->params.clock);
	server->error[0] = '\0';
	for (size_t i = 0; i < bus->server_count; i++)
		bus->servers[i].logged = false;
	count_up_locked(bus);
	pthread_mutex_unlock(&bus->lock);

	char id[BUS_SERVER_ID_SIZE] = "";
	int64_t max_payload = 0;
	bus_link_server(link, id, &max_payload);
	log_info("nats connected", LOG_STR("url", server->url.shown),
		LOG_STR("role", bus->server == 0 ? "primary" : "backup"),
		LOG_STR("server", id), LOG_INT("epoch", epoch));
	emit(bus, &(struct bus_event){ .kind = BUS_EVENT_UP, .epoch = epoch });
	bus_link_deliver(link);

	pthread_mutex_lock(&bus->lock);
	memcpy(bus->server_id, id, sizeof(id));
	bus->max_payload = max_payload;
}

static int64_t
work_connecting_locked(struct bus *bus)
{
	int64_t until = 0;

	if (!attempt_ended_locked(bus, &until))
		return until;
	if (bus->attempt.link != NULL)
		come_up_locked(bus, bus->attempt.link, bus->attempt.epoch);
	else
		attempt_failed_locked(bus);
	return 0;
}

/* ---- UP ------------------------------------------------------------------------- */

/* From UP to DOWN: requests expire, the event is sent, the link is gone. */
static void
go_down_locked(struct bus *bus, int64_t flush_ms)
{
	struct bus_link *link = bus->link;
	uint64_t epoch = bus->epoch;

	bus->state = BUS_DOWN;
	bus->link = NULL;
	bus->server_id[0] = '\0';
	bus->max_payload = 0;
	bus->since_ms = clock_wall_ms(bus->params.clock);
	pthread_mutex_unlock(&bus->lock);

	bus_link_mute(link); /* the news of the end is the last that comes */
	pthread_mutex_lock(&bus->lock);
	while (expire_locked(bus, INT64_MAX, epoch))
		;
	pthread_mutex_unlock(&bus->lock);

	emit(bus, &(struct bus_event){ .kind = BUS_EVENT_DOWN, .epoch = epoch });
	bus_link_close(link, flush_ms); /* ends the calls that still publish */

	pthread_mutex_lock(&bus->lock);
	while (bus->publishing > 0)
		pthread_cond_wait(&bus->changed, &bus->lock);
	pthread_mutex_unlock(&bus->lock);
	bus_link_free(link);
	pthread_mutex_lock(&bus->lock);
}

static void
lose_locked(struct bus *bus)
{
	struct server *server = &bus->servers[bus->server];
	bool lasted = now_ms(bus) - bus->up_ms >= bus->params.backoff_max_ms;

	memcpy(server->error, bus->last_error, sizeof(server->error));
	pthread_mutex_unlock(&bus->lock);
	log_warn("nats connection lost", LOG_STR("url", server->url.shown),
		LOG_STR("reason", bus->last_error), LOG_INT("epoch", bus->epoch));
	pthread_mutex_lock(&bus->lock);
	go_down_locked(bus, 0);

	struct bus_step step = bus_plan_lost(&bus->plan, bus->server, lasted);
	if (!bus->attempt.running) {
		follow_locked(bus, step);
		return;
	}
	/* The probe of the primary is what is to be done next anyway. */
	bus->state = BUS_CONNECTING;
	bus->server = 0;
	bus->attempts++;
	bus->attempt.is_probe = false;
	pthread_cond_signal(&bus->hurry);
}

/* The primary takes over: the old connection has ended before the new one is told of. */
static void
fail_back_locked(struct bus *bus)
{
	struct bus_link *link = bus->attempt.link;
	uint64_t epoch = bus->attempt.epoch;

	pthread_mutex_unlock(&bus->lock);
	log_info("nats primary is back", LOG_STR("url", bus->servers[0].url.shown),
		LOG_INT("epoch", epoch));
	pthread_mutex_lock(&bus->lock);
	go_down_locked(bus, bus->params.write_deadline_ms);
	bus_plan_primary_is_well(&bus->plan);
	bus->server = 0;
	come_up_locked(bus, link, epoch);
}

static int64_t
work_backup_locked(struct bus *bus)
{
	int64_t until = 0;

	if (!bus->attempt.running && now_ms(bus) < bus->probe_ms)
		return bus->probe_ms;
	if (!bus->attempt.running) {
		bus->probes++;
		if (attempt_start_locked(bus, 0, true) == 0)
			return 0;
	} else if (!attempt_ended_locked(bus, &until)) {
		return until;
	}
	if (bus->attempt.link != NULL) {
		fail_back_locked(bus);
		return 0;
	}
	bus->probe_ms = now_ms(bus) + bus->params.failback_interval_ms;
	note_failure_locked(bus, 0, "nats primary is not back", bus->attempt.err.msg);
	return 0;
}

static int64_t
work_up_locked(struct bus *bus)
{
	if (bus_link_lost(bus->link, bus->last_error)) {
		lose_locked(bus);
		return 0;
	}
	return bus->server == 0 ? INT64_MAX : work_backup_locked(bus);
}

/* ---- the bus thread --------------------------------------------------------------- */

/* What a state has to do now; returns when to look again, 0 for at once. Each may release
 * the lock meanwhile, but only this thread changes the state. */
static int64_t (*const state_work[])(struct bus *) = {
	[BUS_DOWN] = work_down_locked,
	[BUS_CONNECTING] = work_connecting_locked,
	[BUS_UP] = work_up_locked,
};

static void
end_locked(struct bus *bus)
{
	int64_t until = 0;

	pthread_cond_signal(&bus->hurry);
	while (bus->attempt.running && !attempt_ended_locked(bus, &until))
		wait_locked(bus, until);
	struct bus_link *unused = bus->attempt.link;
	if (bus->state == BUS_UP)
		go_down_locked(bus, bus->params.write_deadline_ms);
	bus->state = BUS_DOWN;
	pthread_mutex_unlock(&bus->lock);
	bus_link_free(unused);
	pthread_mutex_lock(&bus->lock);
}

static void *
bus_main(void *ctx)
{
	struct bus *bus = ctx;

	pthread_mutex_lock(&bus->lock);
	while (!bus->stopping) {
		int64_t deadline = 0;
		if (expire_locked(bus, now_ms(bus), bus->epoch))
			continue;
		int64_t until = state_work[bus->state](bus);
		if (bus->stopping || until == 0)
			continue;
		if (bus_requests_next_deadline(bus->requests, &deadline) &&
			deadline < until)
			until = deadline;
		wait_locked(bus, until);
	}
	end_locked(bus);
	pthread_mutex_unlock(&bus->lock);
	return NULL;
}

/* ---- lifecycle -------------------------------------------------------------------- */

static int64_t
or_default(int64_t value, int64_t fallback)
{
	return value > 0 ? value : fallback;
}

static int
take_file(struct bus *bus, size_t at, const char **file, struct err *err)
{
	if (*file == NULL)
		return 0;
	*file = bus->files[at] = str_dup(*file);
	return *file != NULL ? 0 : err_nomem(err);
}

static int
take_files(struct bus *bus, struct err *err)
{
	struct bus_params *p = &bus->params;

	if ((p->cert_file == NULL) != (p->key_file == NULL))
		return err_set(
			err, ERR_INVALID, "a client certificate and its key go together");
	if (take_file(bus, 0, &p->ca_file, err) != 0 ||
		take_file(bus, 1, &p->cert_file, err) != 0)
		return -1;
	return take_file(bus, 2, &p->key_file, err);
}

static int
take_servers(struct bus *bus, const struct bus_params *params, struct err *err)
{
	for (size_t i = 0; i < params->url_count; i++) {
		if (bus_url_init(&bus->servers[i].url, params->urls[i], err) != 0)
			return -1;
		bus->server_count++;
	}
	return 0;
}

static int
take_times(struct bus *bus, struct err *err)
{
	struct bus_params *p = &bus->params;

	p->backoff_min_ms = or_default(p->backoff_min_ms, 1000);
	p->backoff_max_ms = or_default(p->backoff_max_ms, 8000);
	p->backoff_percent = or_default(p->backoff_percent, 200);
	p->failback_interval_ms = or_default(p->failback_interval_ms, 30000);
	p->failback_healthy_ms = or_default(p->failback_healthy_ms, 10000);
	p->connect_timeout_ms = or_default(p->connect_timeout_ms, 5000);
	p->write_deadline_ms = or_default(p->write_deadline_ms, 2000);
	p->ping_interval_ms = or_default(p->ping_interval_ms, 5000);
	p->pings_out = p->pings_out > 0 ? p->pings_out : 2;
	if (p->primary_retries == 0)
		p->primary_retries = 4;
	if (p->backoff_min_ms > p->backoff_max_ms || p->backoff_max_ms > INT32_MAX ||
		p->backoff_percent < 100 || p->backoff_percent > BACKOFF_PERCENT_MAX)
		return err_set(err, ERR_INVALID, "the pauses between connects are wrong");
	bus_plan_init(&bus->plan,
		&(struct bus_plan_params){
			.servers = bus->server_count,
			.primary_retries =
				p->primary_retries > 0 ? (unsigned)p->primary_retries : 0,
			.backoff_min_ms = p->backoff_min_ms,
			.backoff_max_ms = p->backoff_max_ms,
			.backoff_percent = p->backoff_percent,
		});
	return 0;
}

static int
take_params(struct bus *bus, const struct bus_params *params, struct err *err)
{
	bool has_login = params->user_jwt != NULL;

	if (params->url_count == 0 || params->url_count > BUS_URLS_MAX)
		return err_set(
			err, ERR_INVALID, "1 to %d NATS URLs are needed", BUS_URLS_MAX);
	if (has_login != (params->sign_nonce != NULL) ||
		has_login != (params->login_free != NULL))
		return err_set(
			err, ERR_INVALID, "credentials need a JWT and a signature");
	if (str_copy(bus->name, sizeof(bus->name), params->name) != 0 ||
		strpbrk(bus->name, "\"\\\r\n") != NULL) /* nats.c escapes nothing */
		return err_set(err, ERR_INVALID,
			"the name of a connection has at most %d bytes and no quotes",
			BUS_NAME_MAX);
	bus->params = *params;
	bus->params.name = bus->name;
	bus->params.urls = NULL; /* parsed into servers */
	if (take_servers(bus, params, err) != 0 || take_files(bus, err) != 0)
		return -1;
	return take_times(bus, err);
}

static int
init_sync(struct bus *bus, struct err *err)
{
	pthread_condattr_t attr;

	if (pthread_mutex_init(&bus->lock, NULL) != 0)
		return err_nomem(err);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&bus->changed, &attr);
	pthread_cond_init(&bus->hurry, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

int
bus_new(const struct bus_params *params, struct bus **out_bus, struct err *err)
{
	struct bus *bus = calloc(1, sizeof(*bus));
	char random[INBOX_RANDOM_LEN + 1] = "";

	if (bus == NULL)
		return err_nomem(err);
	if (init_sync(bus, err) != 0) {
		free(bus);
		return -1;
	}
	rand_alnum(random, INBOX_RANDOM_LEN);
	if (take_params(bus, params, err) != 0 ||
		bus_requests_new(&bus->requests, err) != 0) {
		bus_free(bus);
		return -1;
	}
	str_fmt_cut(bus->inbox, sizeof(bus->inbox), "_INBOX.%s", random);
	*out_bus = bus;
	return 0;
}

int
bus_subscribe(struct bus *bus, const char *subject, struct err *err)
{
	if (check_subject(subject, err) != 0)
		return -1;
	if (bus->started)
		return err_set(
			err, ERR_INVALID, "subscriptions are made before the start");
	if (bus->subject_count == BUS_SUBSCRIPTIONS_MAX)
		return err_set(err, ERR_LIMITED, "too many subscriptions");
	char *copy = str_dup(subject);
	if (copy == NULL)
		return err_nomem(err);
	bus->subjects[bus->subject_count++] = copy;
	return 0;
}

int
bus_start(struct bus *bus, struct err *err)
{
	if (bus->started)
		return err_set(err, ERR_INVALID, "the bus was started before");
	if (bus_link_library_open(err) != 0)
		return -1;
	bus->since_ms = clock_wall_ms(bus->params.clock);
	if (pthread_create(&bus->thread, NULL, bus_main, bus) != 0)
		return err_set(err, ERR_NOMEM, "no thread for the connection to NATS");
	bus->started = true;
	return 0;
}

void
bus_stop(struct bus *bus)
{
	if (!bus->started || bus->thread_ended)
		return;
	pthread_mutex_lock(&bus->lock);
	bus->stopping = true;
	pthread_cond_signal(&bus->changed);
	pthread_mutex_unlock(&bus->lock);
	pthread_join(bus->thread, NULL);
	bus->thread_ended = true;
}

void
bus_free(struct bus *bus)
{
	if (bus == NULL)
		return;
	bus_stop(bus);
	bus_requests_free(bus->requests);
	for (size_t i = 0; i < bus->server_count; i++)
		bus_url_release(&bus->servers[i].url);
	for (size_t i = 0; i < bus->subject_count; i++)
		free(bus->subjects[i]);
	for (size_t i = 0; i < sizeof(bus->files) / sizeof(bus->files[0]); i++)
		free(bus->files[i]);
	pthread_cond_destroy(&bus->hurry);
	pthread_cond_destroy(&bus->changed);
	pthread_mutex_destroy(&bus->lock);
	free(bus);
}

static enum bus_url_state
url_state_locked(const struct bus *bus, size_t server)
{
	const struct attempt *attempt = &bus->attempt;

	if (attempt->running && attempt->server == server)
		return attempt->is_probe && attempt->connected ? BUS_URL_PROBING
							       : BUS_URL_CONNECTING;
	if (bus->state == BUS_UP && bus->server == server)
		return BUS_URL_CONNECTED;
	return bus->servers[server].error[0] != '\0' ? BUS_URL_FAILED : BUS_URL_STANDBY;
}

static void
url_status_locked(const struct bus *bus, size_t index, struct bus_url_status *out)
{
	const struct server *server = &bus->servers[index];

	memcpy(out->url, server->url.shown, sizeof(out->url));
	memcpy(out->error, server->error, sizeof(out->error));
	out->state = url_state_locked(bus, index);
	out->failures = server->failures;
	out->connects = server->connects;
}

void
bus_status(struct bus *bus, struct bus_status *out)
{
	pthread_mutex_lock(&bus->lock);
	*out = (struct bus_status){
		.state = bus->state,
		.epoch = bus->epoch,
		.url_index = bus->server,
		.max_payload = bus->max_payload,
		.since_ms = bus->since_ms,
		.attempts = bus->attempts,
		.open_requests = bus_requests_count(bus->requests),
		.connects = bus->connects,
		.failovers = bus->failovers,
		.failbacks = bus->failbacks,
		.probes = bus->probes,
		.url_count = bus->server_count,
	};
	for (size_t i = 0; i < bus->server_count; i++)
		url_status_locked(bus, i, &out->urls[i]);
	memcpy(out->url, out->urls[bus->server].url, sizeof(out->url));
	memcpy(out->server_id, bus->server_id, sizeof(out->server_id));
	memcpy(out->last_error, bus->last_error, sizeof(out->last_error));
	pthread_mutex_unlock(&bus->lock);
}

int
bus_check_ca(const char *ca_file, struct err *err)
{
	return bus_link_check_ca(ca_file, err);
}

int
bus_check_pair(const char *cert_file, const char *key_file, struct err *err)
{
	return bus_link_check_pair(cert_file, key_file, err);
}

const char *
bus_inbox(const struct bus *bus)
{
	return bus->inbox;
}
