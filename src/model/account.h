/* SPDX-License-Identifier: Apache-2.0
 * Accounts: the tenants of a NATS system. */
#ifndef MODEL_ACCOUNT_H
#define MODEL_ACCOUNT_H

#include "model/collection.h"

/* Limits: -1 unlimited, 0 none, n the limit. Begins as struct record_head; record_release
 * frees. */
struct account {
	struct record_head head;
	char *name;
	char *description;
	struct nkey_public public_key;
	bool active;
	bool is_system;
	int64_t max_connections;
	int64_t max_subscriptions;
	int64_t max_data; /* minted, though no server enforces it */
	int64_t max_payload;
	int64_t max_jetstream_disk_storage;
	int64_t max_jetstream_memory_storage;
};

extern const struct collection account_collection;

int account_init(void *row, struct err *err) MUST_CHECK;

#endif
