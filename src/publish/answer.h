/* SPDX-License-Identifier: Apache-2.0
 * What a server's answers to $SYS.REQ.SERVER.PING.CONNZ, VARZ and JSZ and to
 * $SYS.REQ.CLAIMS.DELETE say. They hold the users' JWTs, those of bearers too:
 * nothing of them is kept but the times. */
#ifndef PUBLISH_ANSWER_H
#define PUBLISH_ANSWER_H

#include "base/err.h"
#include "base/nkey_text.h"
#include "base/strlist.h"
#include "publish/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One client or leaf node. Strings are borrowed from the answer, "" where the server says
 * nothing. */
struct connection {
	int64_t cid; /* its number on that server */
	const char *name; /* as the client calls itself */
	/* The JWT's subject. Where the server hides the JWT (newer ones those of bearers)
	 * it is what the server calls the user, and that a client can choose by the
	 * `user` or `nkey` of its CONNECT: for hints, not for proofs. "" when that is no
	 * user's key. */
	char user_key[NKEY_TEXT_SIZE];
	char issuer_key[NKEY_TEXT_SIZE]; /* the account's key that signed the JWT */
	bool has_iat; /* the JWT could be read */
	int64_t iat; /* unix seconds */
};

struct answer;

/* Changes json, which answer_* does not need afterwards. ERR_INVALID: not an answer of a
 * server, or one without data. ERR_UNAVAILABLE: the server's own error, in its words.
 * *out_server is filled as soon as it is known whose answer it is, whatever follows.
 * answer_free is the caller's when it succeeded. */
int answer_parse(char *json, size_t len, struct server *out_server, struct answer **out,
	struct err *err) MUST_CHECK;
void answer_free(struct answer *answer); /* NULL is allowed */

/* A page of CONNZ. */
struct page {
	int64_t total; /* connections that there are */
	int64_t offset; /* of the first one here */
	size_t len;
};

/* ERR_INVALID: not a page. */
int
answer_page(const struct answer *answer, struct page *out, struct err *err) MUST_CHECK;

/* One of the page's. ERR_INVALID: there is none, or it has no number. */
int answer_connection(const struct answer *answer, size_t index, struct connection *out,
	struct err *err) MUST_CHECK;

/* Of VARZ: the identity and signing keys of the operators that the server trusts. *out
 * must be empty. */
int answer_trusted(
	const struct answer *answer, struct strlist *out, struct err *err) MUST_CHECK;

/* Of JSZ: the names of the account's streams. *out must be empty. ERR_INVALID: an answer
 * that does not say how many streams there are, accounts without a key, streams without a
 * name. */
int answer_streams(const struct answer *answer, const char *account_key,
	struct strlist *out, struct err *err) MUST_CHECK;

/* Of DELETE: how many it removed. ERR_UNAVAILABLE: it failed for some, in the server's
 * words. ERR_INVALID: no number. */
int answer_removed(
	const struct answer *answer, int64_t *out_count, struct err *err) MUST_CHECK;

#endif
