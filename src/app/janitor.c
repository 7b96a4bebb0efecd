/* SPDX-License-Identifier: Apache-2.0 */
#include "app/janitor.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum {
	INTERVAL_MS = 1000,
	COUNT_MS = 10000,
	TROUBLE_PAUSE_MAX_MS = 5 * 60 * 1000, /* between two burials that fail */
	BURY_AGAIN_MS = 24 * 60 * 60 * 1000 /* where servers do not remove accounts */
};

struct janitor {
	struct janitor_params params;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake; /* on the monotonic clock */
	bool stopping;

	/* the thread's own */
	int64_t next_count; /* ms, monotonic */
	int64_t next_burial;
	unsigned failed_burials; /* since the last one */
	char told[192]; /* the last error: the same again is not told again */
	char told_burial[256];
	char told_refusal[192];
};

/* Once: a server that does not remove accounts is configured so. */
static void
tell_refusal(struct janitor *janitor, const struct tombstone_report *report)
{
	if (!str_equal(janitor->told_refusal, report->refusal)) {
		str_fmt_cut(janitor->told_refusal, sizeof(janitor->told_refusal), "%s",
			report->refusal);
		log_warn("deleted accounts stay on the servers, as ones that let nobody "
			 "in",
			LOG_STR("server", report->refused_by),
			LOG_STR("reason", report->refusal));
	}
}

/* The servers are not asked all the time for accounts that have been there for weeks. Who
 * keeps no tombstones waits for them to go. */
static int64_t
burial_pause(const struct janitor *janitor)
{
	return janitor->params.tombstone_ttl_ms < janitor->params.count_ms
		? janitor->params.interval_ms
		: janitor->params.count_ms;
}

/* Servers that are asked the same again and again have other things to do. What was put
 * back is proven before the next try, so that a look which finds nothing to do ends no
 * row of failures. */
static void
back_off(struct janitor *janitor)
{
	int64_t now = clock_mono_ms(&clock_system); /* it may have waited for answers */
	int64_t pause = burial_pause(janitor);
	janitor->failed_burials++;
	for (unsigned i = 0; i < janitor->failed_burials && pause < TROUBLE_PAUSE_MAX_MS;
		i++) {
		pause *= 2;
	}
	janitor->next_burial =
		now + (pause < TROUBLE_PAUSE_MAX_MS ? pause : TROUBLE_PAUSE_MAX_MS);
}

/* True: it was not told before. */
static bool
is_news(struct janitor *janitor, const char *words)
{
	bool news = !str_equal(janitor->told_burial, words);
	str_fmt_cut(janitor->told_burial, sizeof(janitor->told_burial), "%s", words);
	return news;
}

static void
tell_trouble(struct janitor *janitor, const char *words)
{
	if (is_news(janitor, words)) {
		log_warn(
			"deleted accounts are not removed yet", LOG_STR("reason", words));
	}
}

static void
bury(struct janitor *janitor, int64_t now)
{
	struct err err = { 0 };
	struct tombstone_report report;
	if (janitor->params.hands.remove == NULL || now < janitor->next_burial) {
		return;
	}
	janitor->next_burial = now + burial_pause(janitor);
	if (service_tombstones_bury(janitor->params.service,
		    janitor->params.tombstone_ttl_ms, &janitor->params.hands, &report,
		    &err) != 0) {
		back_off(janitor);
		if (err.code == ERR_UNAVAILABLE) {
			tell_trouble(janitor, err.msg);
		} else if (is_news(janitor, err.msg)) {
			log_err("a planned task failed", &err,
				LOG_STR("task", "remove deleted accounts"));
		}
		return;
	}
	if (report.buried > 0) {
		janitor->failed_burials = 0;
		janitor->told_burial[0] = '\0';
	}
	if (report.refusal[0] != '\0') {
		janitor->next_burial = now + BURY_AGAIN_MS;
		tell_refusal(janitor, &report);
	} else if (report.trouble[0] != '\0') {
		back_off(janitor);
		tell_trouble(janitor, report.trouble);
	}
	if (report.buried > 0) {
		log_info("deleted accounts are gone from all servers and from the "
			 "database",
			LOG_INT("accounts", (int64_t)report.buried));
	}
}

static void
retire(struct janitor *janitor, int64_t now)
{
	struct err err = { 0 };
	count_connections_fn count = NULL;
	if (now >= janitor->next_count) {
		janitor->next_count = now + janitor->params.count_ms;
		count = janitor->params.count;
	}
	if (service_account_keys_due(janitor->params.service, count,
		    janitor->params.count_ctx, &err) == 0) {
		janitor->told[0] = '\0';
		return;
	}
	if (!str_equal(janitor->told, err.msg)) {
		str_fmt_cut(janitor->told, sizeof(janitor->told), "%s", err.msg);
		log_err("a planned task failed", &err,
			LOG_STR("task", "retire signing keys"));
	}
}

static void
look(struct janitor *janitor)
{
	int64_t now = clock_mono_ms(&clock_system);
	retire(janitor, now);
	bury(janitor, now);
}

/* Woken, late or for nothing: another look does no harm. */
static void
wait_locked(struct janitor *janitor)
{
	int64_t at = clock_mono_ms(&clock_system) + janitor->params.interval_ms;
	struct timespec until = {
		.tv_sec = (time_t)(at / 1000),
		.tv_nsec = (long)(at % 1000) * 1000000,
	};
	if (!janitor->stopping) {
		(void)pthread_cond_timedwait(&janitor->wake, &janitor->lock, &until);
	}
}

static void *
run(void *ctx)
{
	struct janitor *janitor = ctx;
	pthread_mutex_lock(&janitor->lock);
	while (!janitor->stopping) {
		pthread_mutex_unlock(&janitor->lock);
		look(janitor);
		pthread_mutex_lock(&janitor->lock);
		wait_locked(janitor);
	}
	pthread_mutex_unlock(&janitor->lock);
	return NULL;
}

static void
release(struct janitor *janitor)
{
	pthread_cond_destroy(&janitor->wake);
	pthread_mutex_destroy(&janitor->lock);
	free(janitor);
}

int
janitor_start(const struct janitor_params *params, struct janitor **out, struct err *err)
{
	pthread_condattr_t attr;
	struct janitor *janitor = calloc(1, sizeof(*janitor));
	if (janitor == NULL) {
		return err_nomem(err);
	}
	janitor->params = *params;
	if (janitor->params.interval_ms == 0) {
		janitor->params.interval_ms = INTERVAL_MS;
	}
	if (janitor->params.count_ms == 0) {
		janitor->params.count_ms = COUNT_MS;
	}
	/* These fail only on arguments that are wrong. */
	pthread_mutex_init(&janitor->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&janitor->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&janitor->thread, NULL, run, janitor) != 0) {
		release(janitor);
		return err_set(err, ERR_INTERNAL, "cannot start the janitor's thread");
	}
	*out = janitor;
	return 0;
}

void
janitor_stop(struct janitor *janitor)
{
	if (janitor == NULL) {
		return;
	}
	pthread_mutex_lock(&janitor->lock);
	janitor->stopping = true;
	pthread_cond_signal(&janitor->wake);
	pthread_mutex_unlock(&janitor->lock);
	pthread_join(janitor->thread, NULL);
	release(janitor);
}
