/* SPDX-License-Identifier: Apache-2.0
 * The signing keys of an account, and their planned retirement. */
#ifndef SERVICE_ACCOUNT_KEY_PLANS_H
#define SERVICE_ACCOUNT_KEY_PLANS_H

#include "base/nkey_text.h"
#include "base/rand.h"
#include "service/authorise.h"
#include "service/preview.h"
#include "service/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct account_key {
	char public_key[NKEY_TEXT_SIZE];
	char role_id[RAND_ID_SIZE]; /* "": the plain key */
	int64_t key_set;
	bool signs; /* others are only trusted */
	int64_t created; /* ms */
	int64_t retire_at; /* ms; 0: not planned */
	int64_t retire_below; /* percent; 0: not planned */
	int64_t connections; /* live, of users that it signed, where they were counted */
};

struct account_key_list {
	char account_key[NKEY_TEXT_SIZE];
	struct account_key *keys; /* by set, as they were made */
	size_t len;
	int64_t other_connections; /* live, of users that none of them signed */
	int64_t unknown_connections; /* live, of users whose key was not told */
};

void account_key_list_release(struct account_key_list *list);

/* One live connection of the account, by the key that signed its user's JWT ("A..."; "":
 * not known). */
void account_key_list_count(struct account_key_list *list, const char *issuer_key);

/* Counts the live connections of list->account_key: calls account_key_list_count for each
 * of them. *out_complete: all servers answered, and with all they have. ERR_UNAVAILABLE:
 * there is no connection to NATS. May wait for servers. */
typedef int (*count_connections_fn)(
	void *ctx, struct account_key_list *list, bool *out_complete, struct err *err);

/* All keys of the account, not counted. The caller releases *out. */
int service_account_keys(struct service *service, const struct actor *actor,
	const char *account, struct account_key_list *out, struct err *err) MUST_CHECK;

/* The whole set that the key belongs to goes at the date (ms), or as soon as fewer than
 * `below` percent of the account's live connections are on it (there must be some),
 * whichever is first; both
 * 0: now. What was planned before is forgotten. ERR_NOT_FOUND; ERR_CONFLICT: the set
 * signs. preview: NULL to do it, see service/preview.h. */
struct key_retirement {
	const char *account; /* its id */
	const char *public_key;
	int64_t at;
	int64_t below;
};
int service_account_key_retire(struct service *service, const struct actor *actor,
	const struct key_retirement *retirement, struct preview *preview,
	struct violations *violations, struct err *err) MUST_CHECK;

/* The keys stay. ERR_NOT_FOUND. */
int service_account_key_keep(struct service *service, const struct actor *actor,
	const char *account, const char *public_key, struct preview *preview,
	struct err *err) MUST_CHECK;

/* Carries out what is due now. count NULL: dates only. Goes on after an account that
 * fails; the error of the last one is left in err and -1 returned. */
int service_account_keys_due(struct service *service, count_connections_fn count,
	void *ctx, struct err *err) MUST_CHECK;

#endif
