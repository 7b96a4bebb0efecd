/* SPDX-License-Identifier: Apache-2.0 */
#include "app/probe.h"

#include "app/nats_auth.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { BACKOFF_MIN_MS = 200 };

struct probe {
	struct nats_auth *auth;
	struct live *live;
	struct bus *bus;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* on the monotonic clock */
	bool up;
};

static void
on_bus(void *ctx, const struct bus_event *event)
{
	struct probe *probe = ctx;
	if (live_owns(event)) {
		live_on_bus(probe->live, event);
		return;
	}
	if (event->kind == BUS_EVENT_UP || event->kind == BUS_EVENT_DOWN) {
		pthread_mutex_lock(&probe->lock);
		probe->up = event->kind == BUS_EVENT_UP;
		pthread_cond_broadcast(&probe->changed);
		pthread_mutex_unlock(&probe->lock);
	}
}

static int
start_bus(struct probe *probe, const struct nats_options *nats, struct err *err)
{
	struct bus_params params = {
		.name = "natsid command",
		.user_jwt = nats_auth_user_jwt,
		.sign_nonce = nats_auth_sign,
		.login_free = nats_auth_login_free,
		.auth_ctx = probe->auth,
		.on_event = on_bus,
		.event_ctx = probe,
		.clock = &clock_system,
	};
	nats_options_apply(nats, &params);
	params.primary_retries = -1; /* somebody waits: any server will do */
	params.backoff_min_ms = BACKOFF_MIN_MS;
	if (bus_new(&params, &probe->bus, err) != 0) {
		return -1;
	}
	nats_auth_set_inbox(probe->auth, bus_inbox(probe->bus));
	live_set_bus(probe->live, probe->bus);
	return bus_start(probe->bus, err);
}

static void
init_lock(struct probe *probe)
{
	pthread_condattr_t attr;
	pthread_mutex_init(&probe->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&probe->changed, &attr);
	pthread_condattr_destroy(&attr);
}

int
probe_open(struct service *service, const struct nats_options *nats, struct probe **out,
	struct err *err)
{
	const struct live_params live_params = { .timeout_ms = nats->request_timeout_ms };
	struct probe *probe = calloc(1, sizeof(*probe));
	if (probe == NULL) {
		return err_nomem(err);
	}
	init_lock(probe);
	if (live_new(&live_params, &probe->live, err) != 0 ||
		nats_auth_new(service, &probe->auth, err) != 0 ||
		start_bus(probe, nats, err) != 0) {
		probe_close(probe);
		return -1;
	}
	*out = probe;
	return 0;
}

void
probe_close(struct probe *probe)
{
	if (probe == NULL) {
		return;
	}
	bus_free(probe->bus);
	live_free(probe->live);
	nats_auth_free(probe->auth);
	pthread_cond_destroy(&probe->changed);
	pthread_mutex_destroy(&probe->lock);
	free(probe);
}

int
probe_live(struct probe *probe, int64_t timeout_ms, struct live **out, struct err *err)
{
	struct bus_status status;
	int64_t until = clock_mono_ms(&clock_system) + timeout_ms;
	struct timespec deadline = {
		.tv_sec = (time_t)(until / 1000),
		.tv_nsec = (long)(until % 1000) * 1000000,
	};
	int rc = 0;
	pthread_mutex_lock(&probe->lock);
	while (!probe->up && rc == 0) {
		rc = pthread_cond_timedwait(&probe->changed, &probe->lock, &deadline);
	}
	bool up = probe->up;
	pthread_mutex_unlock(&probe->lock);
	if (!up) {
		bus_status(probe->bus, &status);
		return err_set(err, ERR_UNAVAILABLE, "no connection to NATS (%s): %s",
			status.url, status.last_error);
	}
	*out = probe->live;
	return 0;
}
