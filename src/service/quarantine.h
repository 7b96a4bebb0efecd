/* SPDX-License-Identifier: Apache-2.0
 * Accounts of which a server holds a JWT that natsid must not overwrite unasked, and what
 * a person chooses for them. */
#ifndef SERVICE_QUARANTINE_H
#define SERVICE_QUARANTINE_H

#include "base/strlist.h"
#include "model/account.h"
#include "service/authorise.h"
#include "service/service.h"
#include "store/quarantine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One account in quarantine. Times in ms, but where they say otherwise. */
struct quarantined {
	char id[RAND_ID_SIZE];
	char key[NKEY_TEXT_SIZE]; /* A... */
	const char *name;
	bool deleted; /* here: what is wanted is a tombstone */
	enum store_quarantine_cause cause;
	const char *server; /* its name; "": not known which */
	int64_t found_at;
	int64_t generation; /* of ours, that the server's JWT says; 0: none */
	int64_t generation_here;
	int64_t iat; /* unix seconds: of the server's JWT; 0: it cannot be read */
	const struct strlist *differences; /* lines for people */
};

/* Calls fn for each, in the order of their creation; what it gets is borrowed. */
int service_quarantine_list(struct service *service, const struct actor *actor,
	int (*fn)(void *ctx, const struct quarantined *account, struct err *err),
	void *ctx, struct err *err) MUST_CHECK;

/* Why an account in quarantine is held, and what to do. */
void service_quarantine_words(const struct store_quarantine *found,
	const struct account *account, char *out, size_t out_size);

/* The same of an account by its seq; found is NULL for what is recorded. ERR_NOT_FOUND:
 * it is not in quarantine. */
int service_quarantine_why(struct service *service, int64_t account,
	const struct store_quarantine *found, char *out, size_t out_size,
	struct err *err) MUST_CHECK;

/* The id of the account that somebody means: by id, public key or name. Deleted ones are
 * found while they are in quarantine. ERR_NOT_FOUND. */
int service_quarantine_find(struct service *service, const struct actor *actor,
	const char *text, char out_id[static RAND_ID_SIZE], struct err *err) MUST_CHECK;

/* What came of it. */
struct quarantine_choice {
	char key[NKEY_TEXT_SIZE];
	int64_t generation; /* that ours are later than */
	size_t revocations; /* taken over */
	bool suspended; /* as the server's JWT had it */
	int64_t revoked_up_to; /* unix seconds; not 0: there was no room for the single
				  revocations, and all JWTs up to then are refused */
	int64_t iat_offset; /* seconds that the account is dated ahead of the clock */
	size_t keys_only_here; /* signing keys that the server's JWT does not have, and
				  that are trusted all the same */
	struct strlist retired; /* public keys: those of them that are not, but gone */
	int64_t retired_users; /* who had creds of these, as far as is known */
	size_t keys_lost; /* signing keys that only the server's JWT has: whoever got
			     creds of them needs new ones */
};
void quarantine_choice_release(struct quarantine_choice *choice);

/* The account leaves the quarantine and goes out again. The revocations of the server's
 * JWT are taken over, for good; from a suspended or deleted one the account is suspended.
 * With the cause newer, signing keys that it does not list are retired as rotate_keys
 * and remove_signing_key would do it: also where another hand edited one of ours. Nothing
 * else of it is taken. The caller releases *out. ERR_CONFLICT: it is not in quarantine,
 * or its JWT cannot be read, or the system account would lose its keys. */
int service_account_adopt(struct service *service, const struct actor *actor,
	const char *id, struct quarantine_choice *out, struct err *err) MUST_CHECK;

/* The same with nothing taken over. It also lets an account go on that is held because
 * the clock was ahead once. ERR_CONFLICT: neither is so. */
int service_account_override(struct service *service, const struct actor *actor,
	const char *id, struct quarantine_choice *out, struct err *err) MUST_CHECK;

#endif
