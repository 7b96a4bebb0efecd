/* SPDX-License-Identifier: Apache-2.0
 * What natsid alone takes to change many accounts at once: widens the role that all use,
 * mints and records them, and records the proof of each on some servers. No network.
 *
 *   mintall DIRECTORY ROLE BATCH SERVERS
 *
 * of a directory that bench/fleet.c made and nobody serves. BATCH accounts share a record
 * of proofs; SERVERS are made up; with 0, nothing is proven. Prints, for each part,
 * microseconds for an account: of time, and of the processor. */
#include "bench/data.h"

#include "base/clock.h"
#include "base/str.h"
#include "model/role.h"
#include "service/minting.h"
#include "service/record.h"
#include "store/publish.h"
#include "store/server.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH_MAX = 4096, SERVERS_MAX = 16 };

struct mintall {
	struct data_dir dir;
	struct mint_order *orders;
	size_t len;
	size_t batch;
	size_t servers;
	int64_t server[SERVERS_MAX]; /* seq */
	int64_t incarnation[SERVERS_MAX];
};

/* The orders that a write proves. */
struct proofs {
	const struct mintall *all;
	const struct mint_order *orders;
	size_t len;
};

static int
note_account(void *ctx, const struct store_publish_item *item, struct err *err)
{
	struct mintall *all = ctx;
	if (all->len % BATCH_MAX == 0) {
		struct mint_order *grown =
			realloc(all->orders, (all->len + BATCH_MAX) * sizeof(*grown));
		if (grown == NULL) {
			return err_nomem(err);
		}
		all->orders = grown;
	}
	all->orders[all->len++] = (struct mint_order){ .account = item->account };
	return 0;
}

static int
list_accounts(struct mintall *all, struct err *err)
{
	struct store_conn *conn = NULL;
	if (store_read_begin(all->dir.store, &conn, err) != 0) {
		return -1;
	}
	int rc = store_publish_scan(
		conn, STORE_SCAN_ALL, 0, INT64_MAX, note_account, all, err);
	store_read_end(all->dir.store, conn);
	return rc;
}

static int
write_servers(struct store_tx *tx, void *ctx, struct err *err)
{
	struct mintall *all = ctx;
	for (size_t i = 0; i < all->servers; i++) {
		char name[16];
		str_fmt_cut(name, sizeof(name), "made-up-%zu", i);
		struct store_server_seen seen = {
			.cluster = "", .name = name, .server_id = name, .version = ""
		};
		if (store_server_seen(
			    tx, &seen, &all->server[i], &all->incarnation[i], err) != 0) {
			return -1;
		}
	}
	return 0;
}

/* To what it was not before. */
static int
change_role(struct mintall *all, const char *role, struct err *err)
{
	static const struct actor console = { .kind = ACTOR_CONSOLE };
	struct violations violations = { 0 };
	struct role row = { .max_payload =
				    1 + clock_wall_ms(&clock_system) % 1000000000 };
	struct record_change change = {
		.collection = &role_collection,
		.row = &row,
		.present = collection_field_bit(&role_collection, "max_payload"),
	};
	return service_record_update(
		all->dir.service, &console, role, &change, NULL, &violations, err);
}

static int
write_proofs(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct proofs *proofs = ctx;
	const struct mintall *all = proofs->all;
	for (size_t i = 0; i < proofs->len; i++) {
		const struct mint_order *order = &proofs->orders[i];
		for (size_t j = 0; j < all->servers; j++) {
			if (store_account_server_holds(tx, order->account, all->server[j],
				    all->incarnation[j], order->minting.generation,
				    err) != 0) {
				return -1;
			}
		}
		if (store_publish_proven(
			    tx, order->account, order->minting.generation, err) != 0) {
			return -1;
		}
	}
	return 0;
}

/* ---- the parts ---- */

struct stopwatch {
	double time;
	double cpu;
};

static struct stopwatch
start_watch(void)
{
	return (struct stopwatch){ .time = bench_now(), .cpu = bench_cpu() };
}

static void
print_watch(const char *what, const struct stopwatch *since, size_t accounts)
{
	printf("%s %.1f %.1f\n", what,
		(bench_now() - since->time) * 1e6 / (double)accounts,
		(bench_cpu() - since->cpu) * 1e6 / (double)accounts);
}

static int
check_order(const struct mint_order *order, struct err *err)
{
	if (order->rc != 0) {
		*err = order->err;
		return -1;
	}
	return order->minting.result == MINTING_DONE
		? 0
		: err_set(err, ERR_INTERNAL, "an account was not minted: %s",
			  order->minting.reason);
}

static int
mint_all(struct mintall *all, struct err *err)
{
	int rc = 0;
	for (size_t at = 0; rc == 0 && at < all->len; at += all->batch) {
		size_t len = all->len - at < all->batch ? all->len - at : all->batch;
		service_mint_accounts(all->dir.service, &all->orders[at], len);
		for (size_t i = at; i < at + len; i++) {
			free(all->orders[i].jwt);
			rc = rc == 0 ? check_order(&all->orders[i], err) : rc;
		}
	}
	return rc;
}

static int
prove_all(struct mintall *all, struct err *err)
{
	int rc = 0;
	for (size_t at = 0; rc == 0 && at < all->len; at += all->batch) {
		struct proofs proofs = {
			.all = all,
			.orders = &all->orders[at],
			.len = all->len - at < all->batch ? all->len - at : all->batch,
		};
		rc = store_write(all->dir.store, write_proofs, &proofs, err);
	}
	return rc;
}

static int
run(struct mintall *all, const char *role, struct err *err)
{
	if (list_accounts(all, err) != 0 ||
		store_write(all->dir.store, write_servers, all, err) != 0) {
		return -1;
	}
	for (size_t i = 0; i < all->len; i++) {
		all->orders[i].urgent = true;
	}
	struct stopwatch watch = start_watch();
	if (change_role(all, role, err) != 0) {
		return -1;
	}
	print_watch("change", &watch, all->len);
	watch = start_watch();
	if (mint_all(all, err) != 0) {
		return -1;
	}
	print_watch("mint", &watch, all->len);
	watch = start_watch();
	if (all->servers > 0 && prove_all(all, err) != 0) {
		return -1;
	}
	print_watch("prove", &watch, all->len);
	return 0;
}

int
main(int argc, char **argv)
{
	struct mintall all = { 0 };
	struct err err = { 0 };
	int64_t batch = 0;
	int64_t servers = 0;
	if (argc != 5 || str_to_int(argv[3], 1, BATCH_MAX, &batch) != 0 ||
		str_to_int(argv[4], 0, SERVERS_MAX, &servers) != 0) {
		fprintf(stderr, "mintall: DIRECTORY ROLE BATCH SERVERS\n");
		return 2;
	}
	all.batch = (size_t)batch;
	all.servers = (size_t)servers;
	if (bench_data_open(argv[1], true, &all.dir, &err) != 0) {
		return bench_failed("mintall", &err);
	}
	int rc = run(&all, argv[2], &err);
	free(all.orders);
	data_dir_close(&all.dir);
	return rc == 0 ? 0 : bench_failed("mintall", &err);
}
