/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/account_limits.h"

#include "jwt/fragment.h"

#include <string.h>

/* Without storage there is no JetStream, and nothing to limit. */
static struct jwt_jetstream_limits
flat_jetstream(const struct account *row)
{
	if (row->max_jetstream_disk_storage == 0 &&
		row->max_jetstream_memory_storage == 0) {
		return (struct jwt_jetstream_limits){ 0 };
	}
	return (struct jwt_jetstream_limits){
		.mem_storage = row->max_jetstream_memory_storage,
		.disk_storage = row->max_jetstream_disk_storage,
		.streams = row->max_streams,
		.consumer = row->max_consumers,
		.max_ack_pending = row->max_ack_pending,
		.mem_max_stream_bytes = row->max_memory_stream_bytes,
		.disk_max_stream_bytes = row->max_disk_stream_bytes,
		.max_bytes_required = row->max_bytes_required,
	};
}

int
mint_account_limits_set(const struct account *row, bool tombstone,
	struct jwt_account_limits *out, struct err *err)
{
	struct jwt_account_limits limits = {
		.subs = row->max_subscriptions,
		.data = row->max_data,
		.payload = row->max_payload,
		.imports = row->max_imports,
		.exports = row->max_exports,
		.wildcards = row->allow_wildcard_exports,
		.disallow_bearer = row->disallow_bearer,
		.conn = tombstone ? 0 : row->max_connections,
		.leaf = tombstone ? 0 : row->max_leafnodes,
	};
	if (jwt_fragment_tiers(row->jetstream_tiers, strlen(row->jetstream_tiers),
		    &limits.tiers, &limits.tiers_len, err) != 0) {
		return err_prefix(err, "jetstream_tiers");
	}
	if (limits.tiers_len == 0) {
		limits.jetstream = flat_jetstream(row);
	}
	*out = limits;
	return 0;
}
