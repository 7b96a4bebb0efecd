/* SPDX-License-Identifier: Apache-2.0
 * What the files of service share. */
#ifndef SERVICE_INTERNAL_H
#define SERVICE_INTERNAL_H

#include "base/strlist.h"
#include "model/account.h"
#include "model/account_export.h"
#include "model/account_import.h"
#include "model/role.h"
#include "model/superuser.h"
#include "model/user.h"
#include "service/preview.h"
#include "service/record.h"
#include "service/service.h"
#include "service/throttle.h"
#include "service/turn.h"
#include "service/waits.h"
#include "store/revocation.h"
#include "store/settings.h"
#include "store/signing_key.h"
#include "store/user.h"
#include "store/vault.h"

#include <stdbool.h>

struct service {
	struct store *store;
	struct vault *vault;
	const struct clock *clock;
	char uuid[STORE_UUID_SIZE];
	int64_t default_lifetime_s;
	struct throttle *throttle;
	struct hashing *hashing;
	struct turn *turn;
	struct waits *waits;
};

struct account_keys;
struct mint_account;

/* A key made for a row that is about to be written. */
struct new_key {
	bool wanted;
	char id[RAND_ID_SIZE];
	struct store_vault_seed seed;
};

/* Accounts as they were read: what was decided by them holds only while these versions
 * do. */
struct guards {
	struct record_head *items;
	size_t len;
};

/* What the write of a user does beside its row, settled before the transaction. */
struct user_plan {
	struct store_user_premises
		premises; /* account 0: none; its account and role after */
	int64_t old_account; /* seq; before */
	bool new_key; /* the user gets another key than it had */
	bool key_given; /* a key that natsid did not draw comes into its account */
	bool revokes; /* for good, all JWTs that left: */
	enum store_revocation_cause cause;
	int64_t revoked_at; /* unix seconds: up to when */
};

/* One create, update or delete on its way: rows before and after, and what was made
 * outside of the transaction. */
struct work {
	struct service *service;
	const struct actor *actor;
	const struct collection *collection;
	const struct record_ops *ops;
	struct violations *violations;
	struct preview *preview; /* NULL: the work is to be done */
	uint64_t present; /* fields that the request gave */
	uint64_t changed; /* fields in which before and after differ */
	bool is_create;
	bool remade; /* the user's JWT is another one now */
	union {
		struct record_head head;
		struct account account;
		struct role role;
		struct user user;
		struct superuser superuser;
		struct account_export account_export;
		struct account_import account_import;
	} before, after;
	struct guards guards; /* exports, imports: the first is of the own account */
	int64_t account_seq; /* exports, imports: of the own account */
	struct user_plan plan; /* users */
	bool narrows; /* roles: something is taken away */
	int64_t seen; /* accounts, roles: newest row of the audit before the look at
			 their users */
	struct new_key identity; /* accounts, users */
	struct new_key signing; /* accounts: plain; users: scoped, when (account, role)
				   has none */
	struct account_keys *keys; /* accounts: what its triggers ask for */
	const struct store_retirement *planned; /* accounts: as of struct record_change */
	int64_t terms_bytes; /* accounts: what the row took of the JWT before */
};

/* What differs between the collections. prepare runs outside of the transaction and may
 * add violations; write and remove run inside, after the row itself was written, and
 * before it is removed. */
struct record_ops {
	int (*prepare)(struct work *work, struct err *err);
	int (*write)(struct store_tx *tx, struct work *work, struct err *err);
	int (*remove)(struct store_tx *tx, struct work *work, struct err *err);
};

extern const struct record_ops account_ops;
extern const struct record_ops role_ops;
extern const struct record_ops user_ops;
extern const struct record_ops superuser_ops;
extern const struct record_ops account_export_ops;
extern const struct record_ops account_import_ops;

/* Did the change touch this field? */
bool work_changes(const struct work *work, const char *field);

/* Any of these? NULL ends the list. */
bool work_changes_any(const struct work *work, const char *const *fields);

/* Draws and seals a key for the row `id` of a table. */
int new_key_make(struct service *service, struct new_key *key, const char *table,
	const char *column, const char *id, enum nkey_role role,
	struct err *err) MUST_CHECK;

/* Deletes keys and their seeds: nobody can sign with them again. */
int destroy_signing_keys(struct store_tx *tx, const struct store_signing_key *keys,
	size_t len, struct err *err) MUST_CHECK;

/* The signing keys of an account that is changed: what its triggers ask for is looked at
 * and made outside of the transaction, and written inside. May add violations. */
int account_keys_prepare(struct work *work, struct err *err) MUST_CHECK;
int
account_keys_write(struct store_tx *tx, struct work *work, struct err *err) MUST_CHECK;
void account_keys_free(struct account_keys *keys);

/* The database was restored, and a server holds a newer JWT of the account: what that
 * does not list was removed since. Sets without their plain key there go, with a new one
 * in place of the one that signs; of the others the scoped keys that are not there, with
 * new ones where they sign. account: its row; key_set is moved. ERR_CONFLICT: it is the
 * system account, and natsid could not connect any more. */
int account_keys_prepare_restored(struct service *service, struct account *account,
	const struct mint_account *seen, struct account_keys **out,
	struct err *err) MUST_CHECK;

/* Adds the public keys of those that go, and how many users' newest creds, as far as the
 * database knows, they signed. */
int account_keys_tell_restored(struct service *service, const struct account_keys *keys,
	struct strlist *out_keys, int64_t *out_users, struct err *err) MUST_CHECK;

/* The row itself and the account's generation are the caller's to write. ERR_STALE: the
 * keys are others now. */
int account_keys_write_restored(struct store_tx *tx, const struct account_keys *keys,
	const struct account *account, struct err *err) MUST_CHECK;

/* The one with this public key; NULL when there is none. */
const struct store_signing_key *
account_keys_find(const struct store_signing_key *keys, size_t len, const char *text);

/* The sealed seed as the vault takes it; borrows from the stored one. */
struct vault_seed sealed_seed(const struct store_vault_seed *stored);

/* Runs fn under one read snapshot. */
int service_read(struct service *service,
	int (*fn)(struct store_conn *conn, void *ctx, struct err *err), void *ctx,
	struct err *err) MUST_CHECK;

/* store_write, or preview_write with a preview; the actor's .touched gets what it wants
 * of accounts. */
int service_write(struct service *service, const struct actor *actor, store_write_fn fn,
	void *ctx, struct preview *preview, struct err *err) MUST_CHECK;

/* One audit row. fields NULL: none named. */
int service_audit(struct store_tx *tx, const struct actor *actor, const char *action,
	const struct collection *collection, const char *id, const struct strlist *fields,
	struct err *err) MUST_CHECK;

/* The JWT of an account has room for this use of it. What gives rights stops first, so
 * that there is always room to take them back: roles at 75 % of the limit, the
 * revocations of deletes, moves and narrowed roles at 85 %, those of suspensions at 95 %.
 * ERR_CONFLICT with the way out. */
enum budget_use {
	BUDGET_ROLES,
	BUDGET_TERMS, /* what the account's row says */
	BUDGET_KEYS, /* a further set of signing keys */
	BUDGET_SHARING, /* exports and imports */
	BUDGET_DELETES,
	BUDGET_NARROWINGS,
	BUDGET_SUSPENSIONS
};
int budget_check(int64_t bytes, enum budget_use use, struct err *err) MUST_CHECK;

/* Hashes a password under the bound on parallel hashes; ERR_BUSY when too many wait. */
int service_hash_password(struct service *service, const char *password, char **out_hash,
	struct err *err) MUST_CHECK;

/* 1 matches, 0 does not, -1 ERR_BUSY. */
int service_verify_password(struct service *service, const char *hash,
	const char *password, struct err *err) MUST_CHECK;

/* A fresh token key; NULL when out of memory. */
char *service_token_key(void) MUST_CHECK;

#endif
