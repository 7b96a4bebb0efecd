/* SPDX-License-Identifier: Apache-2.0
 * The options of --nats and its relatives, checked. */
#ifndef APP_NATS_OPTIONS_H
#define APP_NATS_OPTIONS_H

#include "app/options.h"
#include "base/err.h"
#include "base/strlist.h"
#include "bus/bus.h"

#include <stdint.h>

/* Zeroed is valid. What a command does not take is 0 or NULL: the bus's default. */
struct nats_options {
	struct strlist urls;
	int64_t max_primary_retries; /* -1: none */
	int64_t initial_backoff_ms;
	int64_t max_backoff_ms;
	int64_t backoff_percent;
	int64_t failback_interval_ms;
	int64_t connect_timeout_ms;
	int64_t publish_timeout_ms;
	int64_t request_timeout_ms;
	const char *ca_file; /* borrowed from the options, as the next two */
	const char *cert_file;
	const char *key_file;
};

/* ERR_INVALID names the option; files are looked into. */
int nats_options_read(const struct options *options, struct nats_options *out,
	struct err *err) MUST_CHECK;
void nats_options_release(struct nats_options *nats);

/* Sets what they say of a connection; borrowed from them. */
void nats_options_apply(const struct nats_options *nats, struct bus_params *params);

#endif
