/* SPDX-License-Identifier: Apache-2.0
 * The bus thread: which server to connect to, when to try again, what has expired. */
#include "bus/bus.h"

#include "bus/link.h"
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
	/* Beyond its own timeout, until nats.c's connect is ended from outside. */
	CONNECT_GRACE_MS = 1000,
	/* The bus thread looks around at least so often. */
	WAIT_MAX_MS = 60 * 1000
};

/* One of the addresses, in the order of preference. */
struct server {
	struct bus_url url;
	char reason[BUS_ERROR_SIZE]; /* of its last failure, to log each only once */
};

/* The connect that a thread of its own works on. */
struct attempt {
	pthread_t thread;
	struct bus *bus;
	size_t server;
	uint64_t epoch;
	int64_t overdue_ms; /* when it is ended from outside */
	/* Set by its thread, under the lock: */
	bool done;
	struct bus_link *link; /* NULL: failed, see err */
	struct err err;
};

struct bus {
	/* Fixed after bus_start. */
	struct bus_params params;
	char name[BUS_NAME_MAX + 1];
	char inbox[BUS_INBOX_SIZE];
	struct server servers[BUS_URLS_MAX]; /* .reason: bus thread only */
	size_t server_count;
	char *subjects[BUS_SUBSCRIPTIONS_MAX];
	size_t subject_count;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* wakes the bus thread */
	bool stopping;
	bool thread_ended;
	enum bus_state state;
	size_t server; /* of the state's attempt or link, or the last one */
	int64_t since_ms;
	uint64_t attempts;
	char last_error[BUS_ERROR_SIZE];
	struct attempt attempt; /* CONNECTING */
	uint64_t last_epoch; /* given to an attempt */
	struct bus_link *link; /* UP */
	uint64_t epoch; /* of the last link that was up */
	uint64_t lost_epoch; /* the newest that nats.c reported closed */
	char lost_reason[BUS_ERROR_SIZE];
	char server_id[BUS_SERVER_ID_SIZE];
	int64_t max_payload;
	unsigned publishing; /* calls that use the link */
	unsigned rounds; /* over all servers, that failed one after the other */
	int64_t retry_ms; /* DOWN: when to try again */
	int64_t up_ms; /* UP: since when */
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
wait_locked(struct bus *bus, int64_t until)
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
	(void)pthread_cond_timedwait(&bus->changed, &bus->lock, &ts);
}

/* How long to pause after so many failed rounds. */
static int64_t
backoff_ms(const struct bus *bus)
{
	int64_t full = bus->params.backoff_min_ms;

	for (unsigned i = 1; i < bus->rounds && full < bus->params.backoff_max_ms; i++)
		full *= 2;
	if (full > bus->params.backoff_max_ms)
		full = bus->params.backoff_max_ms;
	/* The first try after a loss comes soon, but not of all natsids at once. */
	int64_t floor = bus->rounds == 0 ? 0 : full / 2;
	return floor + (int64_t)rand_below((uint32_t)(full - floor) + 1);
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

static void
on_lost(void *ctx, uint64_t epoch, const char *text)
{
	struct bus *bus = ctx;

	pthread_mutex_lock(&bus->lock);
	if (epoch > bus->lost_epoch) {
		bus->lost_epoch = epoch;
		str_fmt_cut(bus->lost_reason, sizeof(bus->lost_reason), "%s", text);
		pthread_cond_signal(&bus->changed);
	}
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

/* ---- DOWN and CONNECTING -------------------------------------------------------- */

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

	pthread_mutex_lock(&bus->lock);
	attempt->link = rc == 0 ? link : NULL;
	attempt->err = err;
	attempt->done = true;
	pthread_cond_signal(&bus->changed);
	pthread_mutex_unlock(&bus->lock);
	return NULL;
}

static void try_next_locked(struct bus *bus, size_t server);

/* The attempt's thread has ended, or was never made. */
static void
attempt_failed_locked(struct bus *bus, const struct err *err)
{
	struct server *server = &bus->servers[bus->server];

	str_fmt_cut(bus->last_error, sizeof(bus->last_error), "%s", err->msg);
	if (!str_equal(server->reason, bus->last_error)) {
		memcpy(server->reason, bus->last_error, sizeof(server->reason));
		pthread_mutex_unlock(&bus->lock);
		log_warn("nats connection failed", LOG_STR("url", server->url.shown),
			LOG_STR("reason", server->reason));
		pthread_mutex_lock(&bus->lock);
	}
	if (bus->server + 1 < bus->server_count) {
		try_next_locked(bus, bus->server + 1);
		return;
	}
	bus->rounds++;
	bus->state = BUS_DOWN;
	bus->retry_ms = now_ms(bus) + backoff_ms(bus);
}

static void
try_next_locked(struct bus *bus, size_t server)
{
	bus->state = BUS_CONNECTING;
	bus->server = server;
	bus->attempts++;
	bus->attempt = (struct attempt){
		.bus = bus,
		.server = server,
		.epoch = ++bus->last_epoch,
		.overdue_ms =
			now_ms(bus) + bus->params.connect_timeout_ms + CONNECT_GRACE_MS,
	};
	if (pthread_create(&bus->attempt.thread, NULL, attempt_main, &bus->attempt) !=
		0) {
		struct err err = { 0 };
		err_set(&err, ERR_NOMEM, "cannot connect: no thread for it");
		attempt_failed_locked(bus, &err);
	}
}

static int64_t
work_down_locked(struct bus *bus)
{
	if (now_ms(bus) < bus->retry_ms)
		return bus->retry_ms;
	try_next_locked(bus, 0);
	return 0;
}

static void
come_up_locked(struct bus *bus, struct bus_link *link, uint64_t epoch)
{
	struct server *server = &bus->servers[bus->server];

	bus->state = BUS_UP;
	bus->link = link;
	bus->epoch = epoch;
	bus->attempts = 0;
	bus->up_ms = now_ms(bus);
	bus->since_ms = clock_wall_ms(bus->params.clock);
	for (size_t i = 0; i < bus->server_count; i++)
		bus->servers[i].reason[0] = '\0';
	pthread_mutex_unlock(&bus->lock);

	char id[BUS_SERVER_ID_SIZE] = "";
	int64_t max_payload = 0;
	bus_link_server(link, id, &max_payload);
	log_info("nats connected", LOG_STR("url", server->url.shown),
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
	struct attempt *attempt = &bus->attempt;

	if (!attempt->done && now_ms(bus) < attempt->overdue_ms)
		return attempt->overdue_ms;
	if (!attempt->done) {
		attempt->overdue_ms = now_ms(bus) + CONNECT_GRACE_MS;
		pthread_mutex_unlock(&bus->lock);
		(void)bus_socket_shut_silent(bus->servers[attempt->server].url.port,
			bus->params.connect_timeout_ms / 2); /* none: try again */
		pthread_mutex_lock(&bus->lock);
		return 0;
	}

	pthread_mutex_unlock(&bus->lock);
	pthread_join(attempt->thread, NULL);
	pthread_mutex_lock(&bus->lock);
	if (attempt->link != NULL)
		come_up_locked(bus, attempt->link, attempt->epoch);
	else
		attempt_failed_locked(bus, &attempt->err);
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
	/* A connection that does not last is not worth a fresh start of the backoff. */
	if (now_ms(bus) - bus->up_ms >= bus->params.backoff_max_ms)
		bus->rounds = 0;
	else
		bus->rounds++;
	bus->retry_ms = now_ms(bus) + backoff_ms(bus);
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

static int64_t
work_up_locked(struct bus *bus)
{
	if (bus->lost_epoch != bus->epoch)
		return INT64_MAX;
	memcpy(bus->last_error, bus->lost_reason, sizeof(bus->last_error));
	pthread_mutex_unlock(&bus->lock);
	log_warn("nats connection lost",
		LOG_STR("url", bus->servers[bus->server].url.shown),
		LOG_STR("reason", bus->last_error), LOG_INT("epoch", bus->epoch));
	pthread_mutex_lock(&bus->lock);
	go_down_locked(bus, 0);
	return 0;
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
	struct attempt *attempt = &bus->attempt;

	while (bus->state == BUS_CONNECTING && !attempt->done)
		wait_locked(bus, work_connecting_locked(bus));
	if (bus->state == BUS_CONNECTING) {
		bus->state = BUS_DOWN;
		pthread_mutex_unlock(&bus->lock);
		pthread_join(attempt->thread, NULL);
		bus_link_free(attempt->link);
		pthread_mutex_lock(&bus->lock);
	}
	if (bus->state == BUS_UP)
		go_down_locked(bus, bus->params.write_deadline_ms);
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
take_params(struct bus *bus, const struct bus_params *params, struct err *err)
{
	struct bus_params *p = &bus->params;

	if (params->url_count == 0 || params->url_count > BUS_URLS_MAX)
		return err_set(
			err, ERR_INVALID, "1 to %d NATS URLs are needed", BUS_URLS_MAX);
	if ((params->user_jwt == NULL) != (params->sign_nonce == NULL))
		return err_set(
			err, ERR_INVALID, "credentials need a JWT and a signature");
	if (str_copy(bus->name, sizeof(bus->name), params->name) != 0 ||
		strpbrk(bus->name, "\"\\\r\n") != NULL) /* nats.c escapes nothing */
		return err_set(err, ERR_INVALID,
			"the name of a connection has at most %d bytes and no quotes",
			BUS_NAME_MAX);
	*p = *params;
	p->name = bus->name;
	p->urls = NULL; /* parsed into servers */
	p->backoff_min_ms = or_default(params->backoff_min_ms, 200);
	p->backoff_max_ms = or_default(params->backoff_max_ms, 5000);
	p->connect_timeout_ms = or_default(params->connect_timeout_ms, 2000);
	p->write_deadline_ms = or_default(params->write_deadline_ms, 2000);
	p->ping_interval_ms = or_default(params->ping_interval_ms, 5000);
	p->pings_out = params->pings_out > 0 ? params->pings_out : 2;
	if (p->backoff_min_ms > p->backoff_max_ms || p->backoff_max_ms > INT32_MAX)
		return err_set(err, ERR_INVALID, "the pauses between connects are wrong");
	for (size_t i = 0; i < params->url_count; i++) {
		if (bus_url_init(&bus->servers[i].url, params->urls[i], err) != 0)
			return -1;
		bus->server_count++;
	}
	return 0;
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
	pthread_cond_destroy(&bus->changed);
	pthread_mutex_destroy(&bus->lock);
	free(bus);
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
	};
	const struct bus_url *url = &bus->servers[bus->server].url;
	memcpy(out->url, url->shown, sizeof(out->url));
	memcpy(out->server_id, bus->server_id, sizeof(out->server_id));
	memcpy(out->last_error, bus->last_error, sizeof(out->last_error));
	pthread_mutex_unlock(&bus->lock);
}

const char *
bus_inbox(const struct bus *bus)
{
	return bus->inbox;
}
