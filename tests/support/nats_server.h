/* SPDX-License-Identifier: Apache-2.0
 * Real nats-servers for tests: each on 127.0.0.1, with a folder of its own. */
#ifndef SUPPORT_NATS_SERVER_H
#define SUPPORT_NATS_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { NATS_SERVER_PATH_MAX = 512 };

struct nats_server {
	bool oldest; /* the oldest that natsid supports; otherwise the newest at hand */
	pid_t pid; /* 0: not running */
	uint16_t port;
	char url[64];
	char dir[64]; /* "": one is made; removed by nats_server_release */
};

/* A port on which nothing listens, or 0: below those that the kernel gives to
 * connections, so that none takes it while its server is down. No other program gets it
 * from here before this one ends. */
uint16_t nats_server_free_port(void);

/* Starts one and waits until it listens; port 0 picks a free one. `config` is the text of
 * a configuration file, or NULL. A server that was killed may be started again: it keeps
 * its port when that is given. False, after saying why on stderr, when there is no
 * server. */
bool nats_server_start(struct nats_server *server, uint16_t port, const char *config);

void nats_server_signal(const struct nats_server *server, int signal);

/* SIGKILL, and waits for the end; also when it does not run. */
void nats_server_kill(struct nats_server *server);

/* Kills it and removes its folder. */
void nats_server_release(struct nats_server *server);

#endif
