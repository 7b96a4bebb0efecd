/* SPDX-License-Identifier: Apache-2.0
 * Access tokens: three base64url parts as the PocketBase SDK reads them - header, claims
 * {collectionId, exp, id, refreshable, type}, and a keyed BLAKE2b over both under (root
 * key, collection, token key of the record). A copied database forges none; a new token
 * key ends them all. */
#ifndef SERVICE_TOKEN_H
#define SERVICE_TOKEN_H

#include "base/buf.h"
#include "service/service.h"

enum { TOKEN_LIFETIME_SECONDS = 24 * 60 * 60, TOKEN_MAX = 512 };

/* Appends a token of the superuser to *out. */
int token_issue(struct service *service, const char *id, const char *token_key,
	struct buf *out, struct err *err) MUST_CHECK;

#endif
