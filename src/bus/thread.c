/* SPDX-License-Identifier: Apache-2.0
 * The bus thread: which server to connect to, when to try again, what has expired. */
#include "bus/state.h"

#include "base/log.h"
#include "base/str.h"

#include <string.h>

enum {
	EXPIRE_BATCH = 64,
	/* The bus thread looks around at least so often. */
	WAIT_MAX_MS = 60 * 1000
};

/* ---- waiting and expiring --------------------------------------------------------- */

/* The condition has its deadlines on the system's monotonic clock, which need not be the
 * bus's. */
void
bus_wait_on_locked(struct bus *bus, pthread_cond_t *cond, int64_t until)
{
	int64_t pause = until - bus_now_ms(bus);
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
	bus_wait_on_locked(bus, &bus->changed, until);
}

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
		bus_emit(bus,
			&(struct bus_event){ .kind = BUS_EVENT_EXPIRED,
				.epoch = epoch,
				.request = numbers[i] });
	pthread_mutex_lock(&bus->lock);
	return true;
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
	bus->retry_ms = bus_now_ms(bus) + step.pause_ms;
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
	if (bus_attempt_start_locked(bus, server, false) != 0)
		attempt_failed_locked(bus);
}

static int64_t
work_down_locked(struct bus *bus)
{
	if (bus_now_ms(bus) < bus->retry_ms)
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
	bus->up_ms = bus_now_ms(bus);
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
	bus_emit(bus, &(struct bus_event){ .kind = BUS_EVENT_UP, .epoch = epoch });
	bus_link_deliver(link);

	pthread_mutex_lock(&bus->lock);
	memcpy(bus->server_id, id, sizeof(id));
	bus->max_payload = max_payload;
}

static int64_t
work_connecting_locked(struct bus *bus)
{
	int64_t until = 0;

	if (!bus_attempt_ended_locked(bus, &until))
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

	bus_emit(bus, &(struct bus_event){ .kind = BUS_EVENT_DOWN, .epoch = epoch });
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
	bool lasted = bus_now_ms(bus) - bus->up_ms >= bus->params.backoff_max_ms;

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

	if (!bus->attempt.running && bus_now_ms(bus) < bus->probe_ms)
		return bus->probe_ms;
	if (!bus->attempt.running) {
		bus->probes++;
		if (bus_attempt_start_locked(bus, 0, true) == 0)
			return 0;
	} else if (!bus_attempt_ended_locked(bus, &until)) {
		return until;
	}
	if (bus->attempt.link != NULL) {
		fail_back_locked(bus);
		return 0;
	}
	bus->probe_ms = bus_now_ms(bus) + bus->params.failback_interval_ms;
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
	while (bus->attempt.running && !bus_attempt_ended_locked(bus, &until))
		wait_locked(bus, until);
	struct bus_link *unused = bus->attempt.link;
	if (bus->state == BUS_UP)
		go_down_locked(bus, bus->params.write_deadline_ms);
	bus->state = BUS_DOWN;
	pthread_mutex_unlock(&bus->lock);
	bus_link_free(unused);
	pthread_mutex_lock(&bus->lock);
}

void *
bus_thread_main(void *ctx)
{
	struct bus *bus = ctx;

	pthread_mutex_lock(&bus->lock);
	while (!bus->stopping) {
		int64_t deadline = 0;
		if (expire_locked(bus, bus_now_ms(bus), bus->epoch))
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
