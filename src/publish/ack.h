/* SPDX-License-Identifier: Apache-2.0
 * What a server's answer to $SYS.REQ.CLAIMS.UPDATE means. A 200 alone says little: caches
 * answer it to what they did not store. Words alone say little, too. */
#ifndef PUBLISH_ACK_H
#define PUBLISH_ACK_H

#include "base/err.h"
#include "publish/server.h"
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
	char server_id[SERVER_ID_SIZE];
	char server_name[SERVER_NAME_SIZE];
	char words[160]; /* the server's own, shortened in their middle */
};

/* account: the key ("A...") that the push was about. ERR_INVALID: not an answer of a
 * server, or one that is about another account. */
int ack_parse(const char *json, size_t len, const char *account, struct ack *out,
	struct err *err) MUST_CHECK;

#endif
