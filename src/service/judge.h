/* SPDX-License-Identifier: Apache-2.0
 * What a JWT that a server shows for an account means to us. */
#ifndef SERVICE_JUDGE_H
#define SERVICE_JUDGE_H

#include "service/service.h"

#include <stddef.h>
#include <stdint.h>

enum verdict {
	VERDICT_EQUAL, /* our newest bytes */
	VERDICT_MISSING, /* nothing */
	VERDICT_OLDER, /* ours, and not ahead of what is recorded */
	VERDICT_DAMAGED, /* no JWT of this account that anybody signed: half a file, say
			  */
	VERDICT_NEWER, /* ours, but ahead of what is recorded: was a backup restored? */
	VERDICT_FOREIGN, /* another hand signed it, perhaps in a form that natsid does not
			    read */
	VERDICT_UNKNOWN /* out of memory: it may be any of these */
};

/* What is recorded of the account. */
struct judge_ours {
	const char *key; /* A... */
	const char *jwt; /* the newest bytes; NULL: none were minted yet */
	size_t jwt_len;
	int64_t generation; /* the newest that we may have minted */
	int64_t last_iat; /* unix seconds */
	const uint8_t *overruled; /* hashes of JWTs that a person overruled, one after the
				     other: they are older ones */
	size_t overruled_len; /* so many hashes */
};

/* data is not NULL. */
enum verdict service_judge(const struct service *service, const struct judge_ours *ours,
	const char *data, size_t len);

/* The seq of our account that the JWT speaks of; 0: of none. */
int service_judge_account(struct service *service, const char *jwt, size_t len,
	int64_t *out_account, struct err *err) MUST_CHECK;

/* The seqs of our accounts whose removal the request of another hand asks for, owned by
 * the caller. ERR_INVALID: it cannot be read. */
int service_judge_removal(struct service *service, const char *jwt, size_t len,
	int64_t **out_accounts, size_t *out_len, struct err *err) MUST_CHECK;

#endif
