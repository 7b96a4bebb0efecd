/* SPDX-License-Identifier: Apache-2.0
 * What natsid is made of, doing next to nothing: civetweb with natsid's options that
 * answers
 * {} to everything, and the other libraries in use as natsid uses them. The limit for
 * answers, memory and the time to start.
 *
 *   floor PORT DATABASE [NATS-URL CREDS]
 */
#include "base/str.h"
#include "http/server.h"

#include <civetweb.h>
#include <jansson.h>
#include <malloc.h>
#include <nats/nats.h>
#include <signal.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

enum { CONNECTIONS = 5, SUBSCRIPTIONS = 5 };

static int
answer(struct mg_connection *conn)
{
	static const char text[] = "HTTP/1.1 200 OK\r\n"
				   "Content-Type: application/json\r\n"
				   "Content-Length: 2\r\n"
				   "Connection: keep-alive\r\n"
				   "\r\n"
				   "{}";
	mg_write(conn, text, strlen(text));
	return 200;
}

static struct mg_context *
start_http(const char *port)
{
	char where[32];
	char threads[16];
	if (str_fmt(where, sizeof(where), "127.0.0.1:%s", port) != 0 ||
		str_fmt(threads, sizeof(threads), "%d", HTTP_THREADS_DEFAULT) != 0) {
		return NULL;
	}
	/* clang-format off */
	const char *options[] = {
		"listening_ports", where,
		"num_threads", threads,
		"connection_queue", "256",
		"listen_backlog", "256",
		"request_timeout_ms", "5000",
		"enable_keep_alive", "yes",
		"keep_alive_timeout_ms", "500",
		"tcp_nodelay", "1",
		"max_request_size", "16384",
		"linger_timeout_ms", "-2",
		"decode_url", "no",
		"decode_query_string", "no",
		NULL,
	};
	/* clang-format on */
	static const struct mg_callbacks callbacks = { .begin_request = answer };
	mg_init_library(MG_FEATURES_DEFAULT);
	return mg_start(&callbacks, NULL, options);
}

static int
open_databases(const char *path)
{
	for (int i = 0; i < CONNECTIONS; i++) {
		sqlite3 *db = NULL;
		if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) !=
				SQLITE_OK ||
			sqlite3_exec(db,
				"PRAGMA journal_mode = WAL; SELECT count(*) FROM users",
				NULL, NULL, NULL) != SQLITE_OK) {
			return -1;
		}
	}
	return 0;
}

static void
ignore(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *ctx)
{
	(void)nc;
	(void)sub;
	(void)ctx;
	natsMsg_Destroy(msg);
}

static int
connect_nats(const char *url, const char *creds)
{
	natsOptions *options = NULL;
	natsConnection *nc = NULL;
	natsSubscription *sub = NULL;
	nats_Open(-1);
	if (natsOptions_Create(&options) != NATS_OK ||
		natsOptions_SetURL(options, url) != NATS_OK ||
		natsOptions_SetUserCredentialsFromFiles(options, creds, NULL) !=
			NATS_OK ||
		natsOptions_UseGlobalMessageDelivery(options, true) != NATS_OK ||
		natsConnection_Connect(&nc, options) != NATS_OK) {
		return -1;
	}
	for (int i = 0; i < SUBSCRIPTIONS; i++) {
		if (natsConnection_Subscribe(&sub, nc, "floor", ignore, NULL) !=
			NATS_OK) {
			return -1;
		}
	}
	return 0;
}

int
main(int argc, char **argv)
{
	sigset_t signals;
	int number = 0;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	mallopt(M_ARENA_MAX, 2);
	if (argc < 3 || sodium_init() < 0) {
		return 2;
	}
	json_decref(json_object());
	if (open_databases(argv[2]) != 0) {
		fprintf(stderr, "floor: cannot open %s\n", argv[2]);
		return 1;
	}
	if (argc > 4 && connect_nats(argv[3], argv[4]) != 0) {
		fprintf(stderr, "floor: cannot connect to %s\n", argv[3]);
		return 1;
	}
	struct mg_context *civetweb = start_http(argv[1]);
	if (civetweb == NULL) {
		fprintf(stderr, "floor: cannot listen on port %s\n", argv[1]);
		return 1;
	}
	sigwait(&signals, &number);
	mg_stop(civetweb);
	return 0;
}
