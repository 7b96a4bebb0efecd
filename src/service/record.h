/* SPDX-License-Identifier: Apache-2.0
 * Creating, changing, deleting and reading the records of any collection. */
#ifndef SERVICE_RECORD_H
#define SERVICE_RECORD_H

#include "model/record_view.h"
#include "model/violations.h"
#include "service/authorise.h"
#include "service/preview.h"
#include "service/service.h"

struct store_retirement;

/* What a request gives: values in a row struct, and which fields those are. Borrowed. */
struct record_change {
	const struct collection *collection;
	const void *row;
	uint64_t present;
	const struct store_retirement *planned; /* accounts: remove_signing_key is refused
						   unless this is its plan; NULL: whatever
						   is planned */
	struct preview *preview; /* not NULL: only tell what it would do; the caller
				    releases it */
};

/* 0 after the commit; the new id is in out_id. ERR_INVALID: violations (may be empty when
 * the message says it all). ERR_CONFLICT after five lost races. */
int service_record_create(struct service *service, const struct actor *actor,
	const struct record_change *change, char out_id[static RAND_ID_SIZE],
	struct violations *violations, struct err *err) MUST_CHECK;

/* *out_remade (may be NULL): the change made a user's JWT anew, so the answer shows
 * it. */
int service_record_update(struct service *service, const struct actor *actor,
	const char *id, const struct record_change *change, bool *out_remade,
	struct violations *violations, struct err *err) MUST_CHECK;

/* What others refer to is ERR_CONFLICT with the reason. */
int service_record_delete(struct service *service, const struct actor *actor,
	const struct collection *collection, const char *id, struct err *err) MUST_CHECK;

/* What that would do; the caller releases *out in any case. */
int service_record_preview_delete(struct service *service, const struct actor *actor,
	const struct collection *collection, const char *id, struct preview *out,
	struct err *err) MUST_CHECK;

int service_record_view(struct service *service, const struct actor *actor,
	const struct collection *collection, const char *id, record_fn fn, void *ctx,
	struct err *err) MUST_CHECK;

/* page counts from 1; per_page <= LIMIT_PAGE_MAX; sort as PocketBase writes it
 * ("-created,name",
 * "@rowid"), "" for the order of creation. */
struct record_list {
	const struct collection *collection;
	int64_t page;
	int64_t per_page;
	bool skip_total;
	const char *sort;
};

/* *out_total is -1 with skip_total. ERR_INVALID names the part of sort that is wrong. */
int service_record_list(struct service *service, const struct actor *actor,
	const struct record_list *list, record_fn fn, void *ctx, int64_t *out_total,
	struct err *err) MUST_CHECK;

#endif
