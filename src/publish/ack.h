/* SPDX-License-Identifier: Apache-2.0
 * What a server's answer to $SYS.REQ.CLAIMS.UPDATE means. A 200 alone says little: caches
 * answer it to what they did not store. */
#ifndef PUBLISH_ACK_H
#define PUBLISH_ACK_H

#include "base/err.h"
#include "store/server.h"

#include <stddef.h>

enum ack_meaning {
	ACK_STORED,
	ACK_SKIPPED, /* a 200 that stored nothing */
	ACK_REFUSED, /* these bytes will never be taken */
	ACK_TRANSIENT /* may work later */
};

struct ack {
	enum ack_meaning meaning;
	enum store_resolver resolver; /* as far as the words tell */
	char server_id[64];
	char server_name[64];
	char words[160]; /* the server's own */
};

/* ERR_INVALID: not an answer of a server. */
int ack_parse(const char *json, size_t len, struct ack *out, struct err *err) MUST_CHECK;

#endif
