/* SPDX-License-Identifier: Apache-2.0
 * The least that fills servers with account JWTs: publishes those of a data directory
 * with replies, so many at a time, and looks at no answer.
 *
 *   pipeline DIRECTORY URL SERVERS WINDOW
 *
 * A JWT is done when as many replies came as there are servers. Prints JWTs a second, and
 * microseconds of the processor for each. */
#include "bench/data.h"

#include "app/nats_auth.h"
#include "base/str.h"
#include "store/publish.h"

#include <inttypes.h>
#include <nats/nats.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define INBOX "_INBOX.pipeline"

enum { STALL_S = 10, PING_MS = 250 };

struct item {
	int64_t account;
	char *jwt;
	int64_t answers;
};

struct pipeline {
	struct data_dir dir;
	struct nats_auth *auth;
	void *login; /* of the one connect */
	natsConnection *nc;
	natsSubscription *sub;
	struct item *items;
	size_t len;
	size_t room;
	int64_t servers;
	size_t window;
	size_t sent; /* the sender's */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t done;
};

/* ---- the JWTs ---- */

static int
note_account(void *ctx, const struct store_publish_item *item, struct err *err)
{
	struct pipeline *p = ctx;
	if (p->len == p->room) {
		size_t room = p->room == 0 ? 4096 : 2 * p->room;
		struct item *grown = realloc(p->items, room * sizeof(*grown));
		if (grown == NULL) {
			return err_nomem(err);
		}
		p->items = grown;
		p->room = room;
	}
	p->items[p->len++] = (struct item){ .account = item->account };
	return 0;
}

static int
read_jwts(struct pipeline *p, struct err *err)
{
	struct store_conn *conn = NULL;
	int64_t generation = 0;
	if (store_read_begin(p->dir.store, &conn, err) != 0) {
		return -1;
	}
	int rc = store_publish_scan(
		conn, STORE_SCAN_ALL, 0, INT64_MAX, note_account, p, err);
	for (size_t i = 0; rc == 0 && i < p->len; i++) {
		rc = store_publish_jwt(
			conn, p->items[i].account, &p->items[i].jwt, &generation, err);
	}
	store_read_end(p->dir.store, conn);
	if (rc == 0 && p->len == 0) {
		rc = err_set(err, ERR_NOT_FOUND, "there is no JWT to push");
	}
	return rc;
}

/* ---- the connection ---- */

static natsStatus
give_jwt(char **user_jwt, char **error_text, void *ctx)
{
	struct pipeline *p = ctx;
	struct err err = { 0 };
	if (nats_auth_user_jwt(p->auth, &p->login, user_jwt, &err) != 0) {
		*error_text = strdup(err.msg);
		return NATS_ERR;
	}
	return NATS_OK;
}

static natsStatus
give_signature(char **error_text, unsigned char **signature, int *len, const char *nonce,
	void *ctx)
{
	struct pipeline *p = ctx;
	struct err err = { 0 };
	*len = BUS_SIGNATURE_LEN;
	*signature = malloc(BUS_SIGNATURE_LEN);
	if (*signature == NULL ||
		nats_auth_sign(p->login, nonce, *signature, &err) != 0) {
		*error_text = strdup(err.msg);
		return NATS_ERR;
	}
	return NATS_OK;
}

/* Subjects end in the number of the JWT. */
static void
on_answer(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *ctx)
{
	struct pipeline *p = ctx;
	size_t number = strtoul(natsMsg_GetSubject(msg) + strlen(INBOX "."), NULL, 10);
	(void)nc;
	(void)sub;
	natsMsg_Destroy(msg);
	if (number >= p->len || ++p->items[number].answers != p->servers) {
		return;
	}
	pthread_mutex_lock(&p->lock);
	p->done++;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

/* Servers that start together need a moment to find each other. */
static int
await_servers(struct pipeline *p, struct err *err)
{
	char reply[64];
	natsSubscription *sub = NULL;
	int64_t servers = 0;
	double deadline = bench_now() + STALL_S;
	str_fmt_cut(reply, sizeof(reply), INBOX ".%zu", p->len); /* of no JWT */
	natsStatus status = natsConnection_SubscribeSync(&sub, p->nc, INBOX ".*");
	while (status == NATS_OK && servers < p->servers && bench_now() < deadline) {
		natsMsg *msg = NULL;
		servers = 0;
		status = natsConnection_PublishRequest(
			p->nc, "$SYS.REQ.SERVER.PING", reply, "", 0);
		while (status == NATS_OK && servers < p->servers &&
			natsSubscription_NextMsg(&msg, sub, PING_MS) == NATS_OK) {
			natsMsg_Destroy(msg);
			servers++;
		}
	}
	natsSubscription_Destroy(sub);
	if (status != NATS_OK) {
		return err_set(err, ERR_UNAVAILABLE, "cannot ask for the servers: %s",
			natsStatus_GetText(status));
	}
	return servers >= p->servers
		? 0
		: err_set(err, ERR_TIMEOUT, "%" PRId64 " of %" PRId64 " servers answer",
			  servers, p->servers);
}

static int
connect_nats(struct pipeline *p, const char *url, struct err *err)
{
	natsOptions *options = NULL;
	nats_auth_set_inbox(p->auth, INBOX);
	natsStatus status = natsOptions_Create(&options);
	if (status == NATS_OK) {
		status = natsOptions_SetURL(options, url);
	}
	if (status == NATS_OK) {
		status = natsOptions_SetUserCredentialsCallbacks(
			options, give_jwt, p, give_signature, p);
	}
	if (status == NATS_OK) {
		status = natsConnection_Connect(&p->nc, options);
	}
	natsOptions_Destroy(options);
	return status == NATS_OK ? 0
				 : err_set(err, ERR_UNAVAILABLE, "cannot connect: %s",
					   natsStatus_GetText(status));
}

/* ---- sending ---- */

/* Until `most` are without their answers. */
static int
wait_for_room(struct pipeline *p, size_t most, struct err *err)
{
	int rc = 0;
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STALL_S;
	pthread_mutex_lock(&p->lock);
	while (rc == 0 && p->sent - p->done > most) {
		rc = pthread_cond_timedwait(&p->changed, &p->lock, &until);
	}
	size_t done = p->done;
	pthread_mutex_unlock(&p->lock);
	return rc == 0 ? 0
		       : err_set(err, ERR_TIMEOUT, "%zu of %zu JWTs were answered", done,
				 p->sent);
}

static int
send_all(struct pipeline *p, struct err *err)
{
	natsStatus status =
		natsConnection_Subscribe(&p->sub, p->nc, INBOX ".*", on_answer, p);
	if (status == NATS_OK) {
		status = natsSubscription_SetPendingLimits(p->sub, -1, -1);
	}
	for (p->sent = 0; status == NATS_OK && p->sent < p->len;) {
		char reply[64];
		struct item *item = &p->items[p->sent];
		str_fmt_cut(reply, sizeof(reply), INBOX ".%zu", p->sent);
		if (wait_for_room(p, p->window - 1, err) != 0) {
			return -1;
		}
		status = natsConnection_PublishRequest(p->nc, "$SYS.REQ.CLAIMS.UPDATE",
			reply, item->jwt, (int)strlen(item->jwt));
		p->sent++;
	}
	if (status != NATS_OK) {
		return err_set(err, ERR_UNAVAILABLE, "cannot publish: %s",
			natsStatus_GetText(status));
	}
	return wait_for_room(p, 0, err);
}

static int
run(struct pipeline *p, const char *url, struct err *err)
{
	if (read_jwts(p, err) != 0 || nats_auth_new(p->dir.service, &p->auth, err) != 0 ||
		connect_nats(p, url, err) != 0 || await_servers(p, err) != 0) {
		return -1;
	}
	double start = bench_now();
	double cpu = bench_cpu();
	if (send_all(p, err) != 0) {
		return -1;
	}
	double took = bench_now() - start;
	printf("%.0f %.1f\n", (double)p->len / took,
		(bench_cpu() - cpu) * 1e6 / (double)p->len);
	return 0;
}

static void
release(struct pipeline *p)
{
	natsSubscription_Destroy(p->sub);
	natsConnection_Destroy(p->nc);
	nats_Close();
	nats_auth_login_free(p->login);
	nats_auth_free(p->auth);
	for (size_t i = 0; i < p->len; i++) {
		free(p->items[i].jwt);
	}
	free(p->items);
	data_dir_close(&p->dir);
}

int
main(int argc, char **argv)
{
	struct pipeline p = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };
	struct err err = { 0 };
	int64_t window = 0;
	if (argc != 5 || str_to_int(argv[3], 1, 64, &p.servers) != 0 ||
		str_to_int(argv[4], 1, 65536, &window) != 0) {
		fprintf(stderr, "pipeline: DIRECTORY URL SERVERS WINDOW\n");
		return 2;
	}
	p.window = (size_t)window;
	if (bench_data_open(argv[1], false, &p.dir, &err) != 0) {
		return bench_failed("pipeline", &err);
	}
	int rc = run(&p, argv[2], &err);
	release(&p);
	return rc == 0 ? 0 : bench_failed("pipeline", &err);
}
