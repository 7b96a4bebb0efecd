/* SPDX-License-Identifier: Apache-2.0
 * Numbers for Prometheus, in its text format. */
#include "api/call.h"

#include "service/servers.h"
#include "service/service.h"

#include <stddef.h>

/* What there is to tell, in one look. A new number is a member here, a line in read_all
 * and one in the table. */
struct numbers {
	int64_t ready;
	int64_t connected;
	int64_t on_backup;
	int64_t since_seconds;
	int64_t failures;
	int64_t blocked;
	struct store_proof_counts counts;
	struct api_nats_status nats;
};

enum kind { GAUGE, COUNTER };

static const struct metric {
	const char *name;
	enum kind kind;
	const char *help; /* one line, no backslashes */
	size_t offset; /* of an int64_t in struct numbers */
} metrics[] = {
	{ "natsid_ready", GAUGE, "1 while database and vault are well.",
		offsetof(struct numbers, ready) },
	{ "natsid_nats_connected", GAUGE, "1 while natsid is connected to NATS.",
		offsetof(struct numbers, connected) },
	{ "natsid_nats_on_backup", GAUGE,
		"1 while the connection is to another server than the primary.",
		offsetof(struct numbers, on_backup) },
	{ "natsid_nats_epoch", GAUGE,
		"Number of the connection that is or was up last; it grows.",
		offsetof(struct numbers, nats.epoch) },
	{ "natsid_nats_since_timestamp_seconds", GAUGE,
		"When the connection came up or was lost.",
		offsetof(struct numbers, since_seconds) },
	{ "natsid_nats_connects_total", COUNTER, "Connections that came up.",
		offsetof(struct numbers, nats.connects) },
	{ "natsid_nats_connect_failures_total", COUNTER,
		"Connects and looks at the primary that failed.",
		offsetof(struct numbers, failures) },
	{ "natsid_nats_failovers_total", COUNTER, "Changes to a backup.",
		offsetof(struct numbers, nats.failovers) },
	{ "natsid_nats_failbacks_total", COUNTER, "Returns to the primary.",
		offsetof(struct numbers, nats.failbacks) },
	{ "natsid_nats_probes_total", COUNTER,
		"Looks at the primary while a backup was connected.",
		offsetof(struct numbers, nats.probes) },
	{ "natsid_nats_open_requests", GAUGE, "Requests whose answers are waited for.",
		offsetof(struct numbers, nats.open_requests) },
	{ "natsid_nats_servers", GAUGE, "Servers of the NATS system that answer.",
		offsetof(struct numbers, nats.servers) },
	{ "natsid_accounts_open", GAUGE,
		"Accounts that natsid is about to push or to look at.",
		offsetof(struct numbers, nats.open_accounts) },
	{ "natsid_accounts_unproven", GAUGE,
		"Accounts whose newest state is not proven on every server that is "
		"there.",
		offsetof(struct numbers, counts.unproven) },
	{ "natsid_accounts_quarantined", GAUGE,
		"Accounts that wait for a person: natsid account quarantine.",
		offsetof(struct numbers, counts.quarantined) },
	{ "natsid_accounts_foreign", GAUGE,
		"Accounts on servers that natsid does not have: /api/v1/drift.",
		offsetof(struct numbers, counts.foreign) },
	{ "natsid_servers_missing", GAUGE, "Servers that are known and do not answer.",
		offsetof(struct numbers, counts.missing) },
	{ "natsid_servers_absent", GAUGE,
		"Servers that have not answered for so long that nothing waits for them.",
		offsetof(struct numbers, counts.absent) },
	{ "natsid_push_blocked", GAUGE,
		"1 while nothing is pushed, or can be proven, at all; /readyz says why.",
		offsetof(struct numbers, blocked) },
	{ "natsid_pushes_total", COUNTER, "Account JWTs sent to the servers.",
		offsetof(struct numbers, nats.pushed) },
};

static void
read_all(const struct api *api, struct numbers *out)
{
	struct err why = { 0 };
	*out = (struct numbers){ 0 };
	api_nats_read(api, &out->nats);
	out->ready = service_check(api->params.service, &why) == 0 &&
		service_proof_counts(api->params.service, &out->counts, &why) == 0;
	out->blocked = out->nats.blocked[0] != '\0';
	out->connected = out->nats.connected;
	out->on_backup = out->nats.connected && out->nats.url_index > 0;
	out->since_seconds = out->nats.since_ms / 1000;
	for (size_t i = 0; i < out->nats.url_count; i++) {
		out->failures += out->nats.urls[i].failures;
	}
}

static void
put_metric(const struct metric *metric, const struct numbers *numbers, struct buf *out)
{
	const char *value = (const char *)numbers + metric->offset;
	buf_put_str(out, "# HELP ");
	buf_put_str(out, metric->name);
	buf_put_char(out, ' ');
	buf_put_str(out, metric->help);
	buf_put_str(out, "\n# TYPE ");
	buf_put_str(out, metric->name);
	buf_put_str(out, metric->kind == COUNTER ? " counter\n" : " gauge\n");
	buf_put_str(out, metric->name);
	buf_put_char(out, ' ');
	buf_put_int(out, *(const int64_t *)(const void *)value);
	buf_put_char(out, '\n');
}

int
api_metrics(struct api_call *call, struct err *err)
{
	struct numbers numbers;
	(void)err; /* what is wrong is one of the numbers */
	read_all(call->api, &numbers);
	call->res->content_type = "text/plain; version=0.0.4; charset=utf-8";
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		put_metric(&metrics[i], &numbers, &call->res->body);
	}
	return 0;
}
