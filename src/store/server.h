/* SPDX-License-Identifier: Apache-2.0
 * The NATS servers that are known, and what each is known to hold. */
#ifndef STORE_SERVER_H
#define STORE_SERVER_H

#include "base/nkey_text.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	STORE_SERVER_NAME_SIZE = 64,
	STORE_SERVER_ID_SIZE = 64,
	STORE_SERVER_VERSION_SIZE = 32,
	STORE_SERVER_WORDS_SIZE = 160
};

/* How a server keeps account JWTs, as far as its answers told. */
enum store_resolver {
	STORE_RESOLVER_UNKNOWN,
	STORE_RESOLVER_FULL,
	STORE_RESOLVER_CACHE /* only what it loaded: it answers no lookup */
};

/* (cluster, name) is the server; server_id and incarnation are its newest start. Times in
 * ms. */
struct store_server {
	int64_t seq;
	char cluster[STORE_SERVER_NAME_SIZE];
	char name[STORE_SERVER_NAME_SIZE];
	char server_id[STORE_SERVER_ID_SIZE];
	int64_t incarnation;
	char version[STORE_SERVER_VERSION_SIZE];
	enum store_resolver resolver;
	bool trust_known; /* of this incarnation */
	bool trusted; /* it takes what the operator's present signing key signs */
	bool checked; /* all accounts were looked at on this incarnation */
	int64_t first_seen;
	int64_t since; /* this incarnation was first seen */
	int64_t last_seen; /* up to a minute old while it answers */
	int64_t missing_since; /* 0: it answers */
	bool absent; /* missing for so long that nothing waits for it */
};

/* All of them, by cluster and name; the caller frees *out. */
int store_server_list(struct store_conn *conn, struct store_server **out, size_t *out_len,
	struct err *err) MUST_CHECK;

/* "full", "cache", "unknown". */
const char *store_resolver_name(enum store_resolver resolver);

/* A server answered: remembers it. A new id is a new incarnation; so is one that was
 * missing, as nobody knows what it heard meanwhile.
 * *out_seq and *out_incarnation say which row it is now. */
struct store_server_seen {
	const char *cluster;
	const char *name;
	const char *server_id;
	const char *version;
};
int store_server_seen(struct store_tx *tx, const struct store_server_seen *seen,
	int64_t *out_seq, int64_t *out_incarnation, struct err *err) MUST_CHECK;

/* It does not answer; from the first time on that this was told. */
int store_server_missing(struct store_tx *tx, int64_t server, struct err *err) MUST_CHECK;

/* Those that are missing since `before` (ms) or longer are absent from now on. Unnamed
 * ones, whose name is their id, never come back: they are forgotten when they are missing
 * since `unnamed_before`. *out_count: how many it were. */
int store_server_absent(struct store_tx *tx, int64_t before, int64_t unnamed_before,
	int64_t *out_count, struct err *err) MUST_CHECK;

/* The operator keys ("O...") that its newest incarnation trusts; others than keys are
 * passed over. */
int store_server_trust(struct store_tx *tx, int64_t server, char *const *keys, size_t len,
	struct err *err) MUST_CHECK;

int store_server_resolver(struct store_tx *tx, int64_t server,
	enum store_resolver resolver, struct err *err) MUST_CHECK;

/* All accounts were looked at on this incarnation. */
int store_server_checked(struct store_tx *tx, int64_t server, int64_t incarnation,
	struct err *err) MUST_CHECK;

/* Forgets a server and what it held. ERR_NOT_FOUND. */
int store_server_forget(struct store_tx *tx, int64_t server, struct err *err) MUST_CHECK;

/* ---- accounts on servers ---- */

/* The server's incarnation was seen to hold this generation of the account. */
int store_account_server_holds(struct store_tx *tx, int64_t account, int64_t server,
	int64_t incarnation, int64_t generation, struct err *err) MUST_CHECK;

/* A try to make the server hold the newest failed; words are cut. */
int store_account_server_failed(struct store_tx *tx, int64_t account, int64_t server,
	const char *words, struct err *err) MUST_CHECK;

struct store_account_server {
	int64_t server; /* seq */
	int64_t generation; /* 0: none that is known */
	bool current; /* seen on the server's present incarnation */
	int64_t proven_at; /* ms, 0: never */
	int64_t tried_at; /* ms, of a try that failed; 0: none */
	char words[STORE_SERVER_WORDS_SIZE];
};

/* One for each known server, in the order of store_server_list; the caller frees *out. */
int store_account_server_list(struct store_conn *conn, int64_t account,
	struct store_account_server **out, size_t *out_len, struct err *err) MUST_CHECK;

#endif
