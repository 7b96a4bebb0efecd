/* SPDX-License-Identifier: Apache-2.0
 * One address of a NATS server, checked, with the form that may be shown. */
#ifndef BUS_URL_H
#define BUS_URL_H

#include "bus/bus.h"

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct bus_url {
	char *full; /* owned; what nats.c gets, may hold a password */
	char shown[BUS_URL_SIZE]; /* scheme://host:port */
	char host[BUS_URL_SIZE]; /* without the brackets of IPv6 */
	uint16_t port;
	bool tls;
	bool has_userinfo;
};

/* [nats:// or tls://][user[:password]@]host[:port]; otherwise ERR_INVALID, in a message
 * that holds nothing of the user part. */
int bus_url_init(struct bus_url *url, const char *text, struct err *err) MUST_CHECK;

/* Wipes it, too. */
void bus_url_release(struct bus_url *url);

#endif
