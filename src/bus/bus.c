/* SPDX-License-Identifier: Apache-2.0
 * The bus as others see it: its life, requests and status. */
#include "bus/state.h"

#include "base/rand.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum { INBOX_RANDOM_LEN = 22, BACKOFF_PERCENT_MAX = 1000 };

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
	if (pthread_create(&bus->thread, NULL, bus_thread_main, bus) != 0)
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

/* ---- requests ------------------------------------------------------------------- */

static int
check_connection_locked(const struct bus *bus, uint64_t epoch, struct err *err)
{
	if (epoch != 0 && (bus->state != BUS_UP || bus->epoch != epoch))
		return err_set(err, ERR_STALE, "the connection to NATS is another one");
	if (bus->state != BUS_UP)
		return err_set(err, ERR_UNAVAILABLE, "not connected to NATS");
	return 0;
}

int
bus_request(struct bus *bus, const struct bus_request *request, struct err *err)
{
	uint64_t token = 0;
	struct bus_link *link = NULL;

	if (check_subject(request->subject, err) != 0)
		return -1;
	if (request->timeout_ms <= 0)
		return err_set(err, ERR_INVALID, "a request needs a timeout");
	if (request->len > BUS_PAYLOAD_MAX)
		return err_set(err, ERR_TOO_LARGE, "a request may have %d bytes",
			BUS_PAYLOAD_MAX);

	pthread_mutex_lock(&bus->lock);
	if (check_connection_locked(bus, request->epoch, err) != 0) {
		pthread_mutex_unlock(&bus->lock);
		return -1;
	}
	int64_t now = bus_now_ms(bus);
	int64_t deadline = request->timeout_ms < INT64_MAX - now
		? now + request->timeout_ms
		: INT64_MAX;
	int64_t earliest = INT64_MAX;
	(void)bus_requests_next_deadline(bus->requests, &earliest); /* or none */
	if (bus_requests_add(bus->requests, request->number, deadline, &token, err) !=
		0) {
		pthread_mutex_unlock(&bus->lock);
		return -1;
	}
	if (deadline < earliest)
		pthread_cond_signal(&bus->changed);
	link = bus->link;
	bus->publishing++;
	pthread_mutex_unlock(&bus->lock);

	int rc = bus_link_publish(
		link, request->subject, token, request->data, request->len, err);

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

/* ---- status --------------------------------------------------------------------- */

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
