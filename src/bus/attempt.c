/* SPDX-License-Identifier: Apache-2.0
 * A connect on a thread of its own, so that the bus thread goes on meanwhile. */
#include "bus/state.h"

#include "bus/socket.h"

#include "base/log.h"

enum {
	/* Beyond its own timeout, until nats.c's connect is ended from outside. */
	CONNECT_GRACE_MS = 1000,
	/* A probe that has connected sends a PING so often. */
	PROBE_PING_MS = 1000
};

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
		bus_emit(bus, &event);
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

static void
on_dropped(void *ctx, uint64_t epoch)
{
	struct bus *bus = ctx;
	struct bus_event event = { .kind = BUS_EVENT_DROPPED, .epoch = epoch };

	pthread_mutex_lock(&bus->lock);
	bool wanted = bus->state == BUS_UP && bus->epoch == epoch;
	pthread_mutex_unlock(&bus->lock);
	if (wanted)
		bus_emit(bus, &event);
}

static const struct bus_link_handler link_handler = {
	.on_message = on_message,
	.on_lost = on_lost,
	.on_trouble = on_trouble,
	.on_dropped = on_dropped,
};

/* ---- the attempt's own thread ---------------------------------------------------- */

/* A probe waits until the primary has answered for a while, or is needed at once. */
static int
wait_until_healthy(struct attempt *attempt, struct bus_link *link, struct err *err)
{
	struct bus *bus = attempt->bus;
	char reason[BUS_ERROR_SIZE] = "";
	int rc = 0;

	pthread_mutex_lock(&bus->lock);
	attempt->connected = true;
	int64_t until = bus_now_ms(bus) + bus->params.failback_healthy_ms;
	while (rc == 0 && attempt->is_probe && !bus->stopping &&
		bus_now_ms(bus) < until) {
		int64_t next = bus_now_ms(bus) + PROBE_PING_MS;
		pthread_mutex_unlock(&bus->lock);
		rc = bus_link_ping(link, bus->params.write_deadline_ms, err);
		pthread_mutex_lock(&bus->lock);
		while (rc == 0 && attempt->is_probe && !bus->stopping &&
			!bus_link_lost(link, reason) && bus_now_ms(bus) < next &&
			bus_now_ms(bus) < until)
			bus_wait_on_locked(bus, &bus->hurry, next < until ? next : until);
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

/* ---- the bus thread's view of it --------------------------------------------------- */

int
bus_attempt_start_locked(struct bus *bus, size_t server, bool is_probe)
{
	struct attempt *attempt = &bus->attempt;

	*attempt = (struct attempt){
		.bus = bus,
		.server = server,
		.epoch = ++bus->last_epoch,
		.is_probe = is_probe,
		.overdue_ms = bus_now_ms(bus) + bus->params.connect_timeout_ms +
			CONNECT_GRACE_MS,
	};
	if (pthread_create(&attempt->thread, NULL, attempt_main, attempt) != 0)
		return err_set(
			&attempt->err, ERR_NOMEM, "cannot connect: no thread for it");
	attempt->running = true;
	return 0;
}

bool
bus_attempt_ended_locked(struct bus *bus, int64_t *out_until)
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
	} else if (bus_now_ms(bus) < attempt->overdue_ms) {
		*out_until = attempt->overdue_ms;
	} else {
		attempt->overdue_ms = bus_now_ms(bus) + CONNECT_GRACE_MS;
		pthread_mutex_unlock(&bus->lock);
		(void)bus_socket_shut_silent(bus->servers[attempt->server].url.port,
			bus->params.connect_timeout_ms / 2); /* none: try again */
		pthread_mutex_lock(&bus->lock);
	}
	return false;
}
