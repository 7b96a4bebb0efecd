/* SPDX-License-Identifier: Apache-2.0
 * Account JWTs that were found on servers: what they say, and how that differs from
 * ours. */
#ifndef MINT_SEEN_H
#define MINT_SEEN_H

#include "base/strlist.h"
#include "mint/account.h"

/* The claims of the token, whoever signed it; out->tombstone: it lets nobody in.
 * ERR_INVALID: no account's JWT, or not whole. The caller releases *out in any case. */
int mint_seen_read(const char *jwt, struct mint_account *out, struct err *err) MUST_CHECK;

/* A signing key of the account that it trusts. */
bool mint_seen_lists_key(const struct mint_account *seen, const struct nkey_public *key);

/* How many signing keys ours lists that the other does not: with ours in its place, what
 * they signed is good again. Those of accounts that let nobody in do not count. */
size_t mint_seen_keys_only_here(
	const struct mint_account *seen, const struct mint_account *ours);

/* One line for each thing in which they differ, in words; times, jti and tags of natsid
 * are passed over. Adds to *out. */
int mint_seen_compare(const struct mint_account *seen, const struct mint_account *ours,
	struct strlist *out, struct err *err) MUST_CHECK;

#endif
