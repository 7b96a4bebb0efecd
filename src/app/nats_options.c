/* SPDX-License-Identifier: Apache-2.0 */
#include "app/nats_options.h"

#include "base/str.h"
#include "bus/url.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum {
	SECOND_MS = 1000,
	MINUTE_MS = 60 * SECOND_MS,
	HOUR_MS = 60 * MINUTE_MS,
	PRIMARY_RETRIES_MAX = 1000,
	MULTIPLIER_MIN_PERCENT = 100,
	MULTIPLIER_MAX_PERCENT = 1000
};

static const struct {
	enum option_id id;
	int64_t min_ms;
	int64_t max_ms;
	size_t offset;
} durations[] = {
	{ OPTION_NATS_INITIAL_BACKOFF, 10, HOUR_MS,
		offsetof(struct nats_options, initial_backoff_ms) },
	{ OPTION_NATS_MAX_BACKOFF, 10, HOUR_MS,
		offsetof(struct nats_options, max_backoff_ms) },
	{ OPTION_NATS_FAILBACK_INTERVAL, 100, 24 * HOUR_MS,
		offsetof(struct nats_options, failback_interval_ms) },
	{ OPTION_NATS_CONNECT_TIMEOUT, 100, MINUTE_MS,
		offsetof(struct nats_options, connect_timeout_ms) },
	{ OPTION_NATS_PUBLISH_TIMEOUT, 100, 5 * MINUTE_MS,
		offsetof(struct nats_options, publish_timeout_ms) },
	{ OPTION_NATS_REQUEST_TIMEOUT, 100, 5 * MINUTE_MS,
		offsetof(struct nats_options, request_timeout_ms) },
};

/* ---- numbers ---------------------------------------------------------------------- */

static int
read_durations(const struct options *options, struct nats_options *out, struct err *err)
{
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		const char *text = options->values[durations[i].id];
		int64_t *ms = (int64_t *)((char *)out + durations[i].offset);
		if (text != NULL &&
			options_duration(text, durations[i].min_ms, durations[i].max_ms,
				ms, err) != 0) {
			return err_prefix(err, "--%s", options_name(durations[i].id));
		}
	}
	if (out->initial_backoff_ms > out->max_backoff_ms) {
		return err_set(err, ERR_INVALID,
			"--nats-initial-backoff %s is longer than --nats-max-backoff %s",
			options->values[OPTION_NATS_INITIAL_BACKOFF],
			options->values[OPTION_NATS_MAX_BACKOFF]);
	}
	return 0;
}

static int
read_retries(const char *text, int64_t *out, struct err *err)
{
	int64_t retries = 0;
	if (text == NULL) {
		return 0;
	}
	if (str_to_int(text, 0, PRIMARY_RETRIES_MAX, &retries) != 0) {
		return err_set(err, ERR_INVALID,
			"--nats-max-primary-retries \"%s\": use a number from 0 to %d",
			text, PRIMARY_RETRIES_MAX);
	}
	*out = retries == 0 ? -1 : retries;
	return 0;
}

/* "2", "1.5": in percent. */
static int
read_multiplier(const char *text, int64_t *out_percent, struct err *err)
{
	char whole[8] = "";
	char rest[3] = "00";
	int64_t units = 0;
	int64_t hundredths = 0;
	if (text == NULL) {
		return 0;
	}
	size_t len = strcspn(text, ".");
	const char *digits = text[len] == '.' ? text + len + 1 : "0";
	size_t count = strlen(digits);
	bool fits = len < sizeof(whole) && count >= 1 && count <= 2;
	if (fits) {
		memcpy(whole, text, len);
		memcpy(rest, digits, count);
	}
	int64_t percent = -1;
	if (fits && str_to_int(whole, 0, MULTIPLIER_MAX_PERCENT / 100, &units) == 0 &&
		str_to_int(rest, 0, 99, &hundredths) == 0) {
		percent = units * 100 + hundredths;
	}
	if (percent < MULTIPLIER_MIN_PERCENT || percent > MULTIPLIER_MAX_PERCENT) {
		return err_set(err, ERR_INVALID,
			"--nats-backoff-multiplier \"%s\": use a number from %d to %d, "
			"such as 2 or 1.5",
			text, MULTIPLIER_MIN_PERCENT / 100, MULTIPLIER_MAX_PERCENT / 100);
	}
	*out_percent = percent;
	return 0;
}

/* ---- addresses and files ---------------------------------------------------------- */

static int
read_urls(const char *list, struct strlist *out, struct err *err)
{
	if (options_split_list(list, out, err) != 0) {
		return -1;
	}
	if (out->len == 0 || out->len > BUS_URLS_MAX) {
		return out->len == 0
			? err_set(err, ERR_INVALID, "at least one URL is needed")
			: err_set(err, ERR_INVALID, "more than %d URLs", BUS_URLS_MAX);
	}
	for (size_t i = 0; i < out->len; i++) {
		struct bus_url url;
		if (bus_url_init(&url, out->items[i], err) != 0) {
			/* by its place, as it may hold a password */
			return err_prefix(err, "URL %zu of %zu", i + 1, out->len);
		}
		bus_url_release(&url);
	}
	return 0;
}

static int
check_readable(enum option_id id, const char *path, struct err *err)
{
	if (path == NULL || access(path, R_OK) == 0) {
		return 0;
	}
	return err_set(err, ERR_INVALID, "--%s %s: cannot be read: %s", options_name(id),
		path, strerror(errno));
}

static int
read_files(const struct options *options, struct nats_options *out, struct err *err)
{
	const char *ca = options->values[OPTION_NATS_CA];
	const char *cert = options->values[OPTION_NATS_CERT];
	const char *key = options->values[OPTION_NATS_KEY];
	if ((cert == NULL) != (key == NULL)) {
		return err_set(err, ERR_INVALID,
			"--nats-cert and --nats-key go together: --%s is missing",
			options_name(cert == NULL ? OPTION_NATS_CERT : OPTION_NATS_KEY));
	}
	if (check_readable(OPTION_NATS_CA, ca, err) != 0 ||
		check_readable(OPTION_NATS_CERT, cert, err) != 0 ||
		check_readable(OPTION_NATS_KEY, key, err) != 0) {
		return -1;
	}
	if (ca != NULL && bus_check_ca(ca, err) != 0) {
		return err_prefix(err, "--nats-ca %s", ca);
	}
	if (cert != NULL && bus_check_pair(cert, key, err) != 0) {
		return err_prefix(err, "--nats-cert %s, --nats-key %s", cert, key);
	}
	out->ca_file = ca;
	out->cert_file = cert;
	out->key_file = key;
	return 0;
}

/* ---- all of them ------------------------------------------------------------------ */

int
nats_options_read(
	const struct options *options, struct nats_options *out, struct err *err)
{
	struct nats_options nats = { 0 };
	int rc = read_urls(options->values[OPTION_NATS], &nats.urls, err);
	if (rc != 0) {
		err_prefix(err, "--nats");
	} else if (read_retries(options->values[OPTION_NATS_MAX_PRIMARY_RETRIES],
			   &nats.max_primary_retries, err) != 0 ||
		read_multiplier(options->values[OPTION_NATS_BACKOFF_MULTIPLIER],
			&nats.backoff_percent, err) != 0 ||
		read_durations(options, &nats, err) != 0 ||
		read_files(options, &nats, err) != 0) {
		rc = -1;
	}
	if (rc != 0) {
		nats_options_release(&nats);
		return -1;
	}
	*out = nats;
	return 0;
}

void
nats_options_release(struct nats_options *nats)
{
	strlist_release(&nats->urls);
	*nats = (struct nats_options){ 0 };
}

void
nats_options_apply(const struct nats_options *nats, struct bus_params *params)
{
	params->urls = (const char *const *)nats->urls.items;
	params->url_count = nats->urls.len;
	params->primary_retries = (int)nats->max_primary_retries;
	params->backoff_min_ms = nats->initial_backoff_ms;
	params->backoff_max_ms = nats->max_backoff_ms;
	params->backoff_percent = nats->backoff_percent;
	params->failback_interval_ms = nats->failback_interval_ms;
	params->connect_timeout_ms = nats->connect_timeout_ms;
	params->ca_file = nats->ca_file;
	params->cert_file = nats->cert_file;
	params->key_file = nats->key_file;
}
