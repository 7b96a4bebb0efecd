/* SPDX-License-Identifier: Apache-2.0
 * Many accounts: makes a role and accounts that all use it, in a data directory that
 * nobody serves. Prints the role's id.
 *
 *   fleet DIRECTORY ACCOUNTS
 *
 * Through the service, as the API makes them, but without HTTP and on several threads,
 * which share commits. */
#include "bench/data.h"

#include "base/rand.h"
#include "base/str.h"
#include "model/account.h"
#include "model/role.h"
#include "model/user.h"
#include "service/record.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 32 };

struct fleet {
	struct service *service;
	char role[RAND_ID_SIZE];
	int64_t count;
	int64_t next; /* atomic */
	int failed; /* atomic */
};

static const struct actor console = { .kind = ACTOR_CONSOLE };

static int
create(struct service *service, const struct collection *collection, const void *row,
	uint64_t present, char out_id[static RAND_ID_SIZE], struct err *err)
{
	struct violations violations = { 0 };
	struct record_change change = {
		.collection = collection, .row = row, .present = present
	};
	return service_record_create(
		service, &console, &change, out_id, &violations, err);
}

static int
make_role(struct fleet *fleet, struct err *err)
{
	char name[] = "fleet";
	struct role row = { .name = name };
	return create(fleet->service, &role_collection, &row,
		collection_field_bit(&role_collection, "name"), fleet->role, err);
}

/* An account and its first user, which makes the scoped key of the role. */
static int
make_account(struct fleet *fleet, int64_t number, struct err *err)
{
	char name[32];
	char user_name[] = "first";
	char id[RAND_ID_SIZE];
	struct account account = { .name = name };
	struct user user = { .nats_username = user_name };
	str_fmt_cut(name, sizeof(name), "fleet-%06lld", (long long)number);
	if (create(fleet->service, &account_collection, &account,
		    collection_field_bit(&account_collection, "name"), user.account_id,
		    err) != 0) {
		return -1;
	}
	str_fmt_cut(user.role_id, sizeof(user.role_id), "%s", fleet->role);
	return create(fleet->service, &user_collection, &user,
		collection_field_bit(&user_collection, "nats_username") |
			collection_field_bit(&user_collection, "account_id") |
			collection_field_bit(&user_collection, "role_id"),
		id, err);
}

static void *
work(void *ctx)
{
	struct fleet *fleet = ctx;
	struct err err = { 0 };
	int64_t number = __atomic_fetch_add(&fleet->next, 1, __ATOMIC_RELAXED);
	while (number < fleet->count) {
		if (make_account(fleet, number, &err) != 0) {
			fprintf(stderr, "fleet: %s (%s)\n", err.msg, err.detail);
			__atomic_store_n(&fleet->failed, 1, __ATOMIC_RELAXED);
			return NULL;
		}
		number = __atomic_fetch_add(&fleet->next, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static int
run(struct fleet *fleet, struct err *err)
{
	pthread_t threads[THREADS];
	size_t started = 0;
	if (make_role(fleet, err) != 0) {
		return -1;
	}
	while (started < THREADS &&
		pthread_create(&threads[started], NULL, work, fleet) == 0) {
		started++;
	}
	for (size_t i = 0; i < started; i++) {
		pthread_join(threads[i], NULL);
	}
	return started > 0 && fleet->failed == 0
		? 0
		: err_set(err, ERR_INTERNAL, "not all accounts were made");
}

int
main(int argc, char **argv)
{
	struct fleet fleet = { 0 };
	struct data_dir dir = { .lock_fd = -1 };
	struct err err = { 0 };
	if (argc != 3 || str_to_int(argv[2], 1, 10000000, &fleet.count) != 0) {
		fprintf(stderr, "fleet: DIRECTORY ACCOUNTS\n");
		return 2;
	}
	if (bench_data_open(argv[1], true, &dir, &err) != 0) {
		return bench_failed("fleet", &err);
	}
	fleet.service = dir.service;
	int rc = run(&fleet, &err);
	data_dir_close(&dir);
	if (rc != 0) {
		return bench_failed("fleet", &err);
	}
	printf("%s\n", fleet.role);
	return 0;
}
