/* SPDX-License-Identifier: Apache-2.0
 * The operator's keys: the rotation of its signing key, what its JWT says, and the
 * identity's seed, which may go offline. */
#ifndef SERVICE_OPERATOR_KEYS_H
#define SERVICE_OPERATOR_KEYS_H

#include "base/buf.h"
#include "service/authorise.h"
#include "service/service.h"
#include "store/operator.h"
#include "store/server.h"

/* Each step is one transaction, and the rows tell which one was the last. */
enum rotation_phase {
	ROTATION_NONE, /* one signing key */
	ROTATION_ADDED, /* the operator's JWT names a further one, which does not sign */
	ROTATION_SWITCHED /* it signs; the old one is still trusted */
};

struct rotation {
	enum rotation_phase phase;
	char signing_key[NKEY_TEXT_SIZE]; /* O..., that signs now */
	char next_key[NKEY_TEXT_SIZE]; /* ADDED: that will; else "" */
	char old_key[NKEY_TEXT_SIZE]; /* SWITCHED: that did; else "" */
	bool identity_online; /* the seed of the identity is here */
	int64_t unproven; /* accounts whose JWT by the new key is not proven yet */
};

/* How far it is. */
int service_rotation(struct service *service, const struct actor *actor,
	struct rotation *out, struct err *err) MUST_CHECK;

/* The steps. Those that mint the operator's JWT need its identity's seed: `identity` is a
 * text that holds it, NULL: the one that is here. ERR_CONFLICT: the rotation is not where
 * this step begins, or there is no seed. */

/* Makes the next key and names it in the JWT. */
int service_rotation_add(struct service *service, const struct actor *actor,
	const struct buf *identity, struct err *err) MUST_CHECK;

/* Drops the next key again. */
int service_rotation_abort(struct service *service, const struct actor *actor,
	const struct buf *identity, struct err *err) MUST_CHECK;

/* The next key signs from now on, and every account is minted anew. That all servers
 * trust it is for the caller to know. */
int service_rotation_switch(
	struct service *service, const struct actor *actor, struct err *err) MUST_CHECK;

/* Drops the old key and destroys its seed. ERR_CONFLICT while an account is not proven.
 */
int service_rotation_remove(struct service *service, const struct actor *actor,
	const struct buf *identity, struct err *err) MUST_CHECK;

/* Calls fn for at most `limit` accounts that are not proven yet. */
int service_rotation_unproven(struct service *service, const struct actor *actor,
	int64_t limit,
	int (*fn)(void *ctx, const struct store_unproven *account, struct err *err),
	void *ctx, struct err *err) MUST_CHECK;

/* Adds the servers that answered to those that are known, and gives all of these; the
 * caller frees *out. */
int service_rotation_servers(struct service *service, const struct actor *actor,
	const struct store_server_seen *seen, size_t seen_len, struct store_server **out,
	size_t *out_len, struct err *err) MUST_CHECK;

/* ---- what the JWT says ---- */

/* NULL: as it is. */
struct operator_change {
	const struct strlist *service_urls;
	const char *account_server_url;
	const char *assert_server_version;
	const bool *strict_signing_key_usage;
	const struct strlist *tags;
};

/* ERR_INVALID with what servers would not take. */
int service_operator_set(struct service *service, const struct actor *actor,
	const struct operator_change *to, const struct buf *identity,
	struct err *err) MUST_CHECK;

/* ---- seeds ---- */

/* Appends the seeds of the identity and of the signing keys, as text that
 * service_rotation_add takes. out must be secret. ERR_CONFLICT: the identity's is no
 * longer here. */
int service_operator_seeds(struct service *service, const struct actor *actor,
	struct buf *out, struct err *err) MUST_CHECK;

/* Destroys the identity's seed. `exported` is what was written for safekeeping: it must
 * hold that seed, or nothing happens (ERR_INVALID). */
int service_operator_forget(struct service *service, const struct actor *actor,
	const struct buf *exported, struct err *err) MUST_CHECK;

/* After a seed was destroyed: old pages that held it go from the database's files.
 * rewrite: see store_scrub. */
int
service_operator_scrub(struct service *service, bool rewrite, struct err *err) MUST_CHECK;

#endif
