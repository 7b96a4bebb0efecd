/* SPDX-License-Identifier: Apache-2.0 */
#include "store/server.h"

#include "base/str.h"
#include "store/conn.h"
#include "store/state.h"

#include <string.h>

static const char *const resolver_names[] = {
	[STORE_RESOLVER_UNKNOWN] = "unknown",
	[STORE_RESOLVER_FULL] = "full",
	[STORE_RESOLVER_CACHE] = "cache",
};

const char *
store_resolver_name(enum store_resolver resolver)
{
	return resolver_names[resolver];
}

static int
read_resolver(const struct store_stmt *stmt, int column, enum store_resolver *out,
	struct err *err)
{
	size_t len = 0;
	const char *name = store_stmt_text(stmt, column, &len);
	for (size_t i = 0; i < sizeof(resolver_names) / sizeof(resolver_names[0]); i++) {
		if (str_equal(name, resolver_names[i])) {
			*out = (enum store_resolver)i;
			return 0;
		}
	}
	return err_set(err, ERR_CORRUPT, "unknown kind of resolver of a server");
}

static int
read_server(const struct store_stmt *stmt, void *out, struct err *err)
{
	struct store_server *server = out;
	*server = (struct store_server){
		.seq = store_stmt_int(stmt, 0),
		.incarnation = store_stmt_int(stmt, 4),
		.trust_known = store_stmt_int(stmt, 7) != 0,
		.trusted = store_stmt_int(stmt, 8) != 0,
		.checked = store_stmt_int(stmt, 9) != 0,
		.first_seen = store_stmt_int(stmt, 10),
		.since = store_stmt_int(stmt, 11),
		.last_seen = store_stmt_int(stmt, 12),
		.missing_since = store_stmt_int(stmt, 13),
		.absent = store_stmt_int(stmt, 14) != 0,
	};
	if (store_stmt_copy(stmt, 1, server->cluster, sizeof(server->cluster), err) !=
			0 ||
		store_stmt_copy(stmt, 2, server->name, sizeof(server->name), err) != 0 ||
		store_stmt_copy(stmt, 3, server->server_id, sizeof(server->server_id),
			err) != 0 ||
		store_stmt_copy(stmt, 5, server->version, sizeof(server->version), err) !=
			0) {
		return -1;
	}
	return read_resolver(stmt, 6, &server->resolver, err);
}

int
store_server_list(struct store_conn *conn, struct store_server **out, size_t *out_len,
	struct err *err)
{
	static const struct store_items kind = { .size = sizeof(**out),
		.read = read_server };
	STORE_STMT_AUTO stmt = { 0 };
	void *items = NULL;
	if (store_stmt_open(&stmt, conn, STORE_STMT_SERVER_LIST,
		    "SELECT seq, cluster, name, server_id, incarnation, version, "
		    "resolver, trust_incarnation = incarnation, "
		    "trust_incarnation = incarnation AND EXISTS (SELECT 1 FROM "
		    "server_trust t WHERE t.server = s.seq AND t.operator_key = "
		    "(SELECT public_key FROM signing_keys WHERE account IS NULL AND "
		    "role IS NULL AND state = 'active' "
		    "ORDER BY key_set DESC, seq DESC LIMIT 1)), "
		    "checked_incarnation = incarnation, "
		    "first_seen, since, last_seen, missing_since, absent "
		    "FROM servers s ORDER BY cluster, name",
		    err) != 0 ||
		store_stmt_collect(&stmt, &kind, &items, out_len, err) != 0) {
		return -1;
	}
	*out = items;
	return 0;
}

int
store_server_seen(struct store_tx *tx, const struct store_server_seen *seen,
	int64_t *out_seq, int64_t *out_incarnation, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_SERVER_SEEN,
		    "INSERT INTO servers (cluster, name, server_id, version, first_seen, "
		    "since, last_seen) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?5) "
		    "ON CONFLICT (cluster, name) DO UPDATE SET "
		    "incarnation = incarnation + (server_id <> excluded.server_id OR "
		    "missing_since > 0), "
		    "since = iif(server_id = excluded.server_id, since, "
		    "excluded.since), "
		    "server_id = excluded.server_id, version = excluded.version, "
		    "last_seen = excluded.last_seen, missing_since = 0, absent = 0 "
		    "RETURNING seq, incarnation",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_text(&stmt, 1, seen->cluster);
	store_stmt_bind_text(&stmt, 2, seen->name);
	store_stmt_bind_text(&stmt, 3, seen->server_id);
	store_stmt_bind_text(&stmt, 4, seen->version);
	store_stmt_bind_int(&stmt, 5, store_tx_now(tx));
	if (store_stmt_step(&stmt, err) <= 0) {
		return -1;
	}
	*out_seq = store_stmt_int(&stmt, 0);
	*out_incarnation = store_stmt_int(&stmt, 1);
	return 0;
}

int
store_server_missing(struct store_tx *tx, int64_t server, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_SERVER_MISSING,
		    "UPDATE servers SET missing_since = ?2 "
		    "WHERE seq = ?1 AND missing_since = 0",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, server);
	store_stmt_bind_int(&stmt, 2, store_tx_now(tx));
	return store_stmt_run(&stmt, NULL, err);
}

static int
forget_unnamed(struct store_tx *tx, int64_t before, int64_t *out_count, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_SERVER_UNNAMED,
		    "DELETE FROM servers WHERE name = server_id AND missing_since > 0 "
		    "AND missing_since <= ?1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, before);
	return store_stmt_run(&stmt, out_count, err);
}

int
store_server_absent(struct store_tx *tx, int64_t before, int64_t unnamed_before,
	int64_t *out_count, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	int64_t forgotten = 0;
	int64_t absent = 0;
	if (forget_unnamed(tx, unnamed_before, &forgotten, err) != 0 ||
		store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_SERVER_ABSENT,
			"UPDATE servers SET absent = 1 WHERE absent = 0 AND "
			"missing_since > 0 AND missing_since <= ?1",
			err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, before);
	if (store_stmt_run(&stmt, &absent, err) != 0) {
		return -1;
	}
	*out_count = forgotten + absent;
	return 0;
}

static int
add_trusted(struct store_tx *tx, int64_t server, const struct nkey_public *key,
	struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_SERVER_TRUST_PUT,
		    "INSERT INTO server_trust (server, operator_key) VALUES (?1, ?2) "
		    "ON CONFLICT DO NOTHING",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, server);
	store_stmt_bind_key(&stmt, 2, key);
	return store_stmt_run(&stmt, NULL, err);
}

/* A statement that takes the server alone. */
static int
run_on_server(struct store_tx *tx, enum store_stmt_id id, const char *sql, int64_t server,
	int64_t *out_changes, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), id, sql, err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, server);
	return store_stmt_run(&stmt, out_changes, err);
}

int
store_server_trust(struct store_tx *tx, int64_t server, char *const *keys, size_t len,
	struct err *err)
{
	if (run_on_server(tx, STORE_STMT_SERVER_TRUST_CLEAR,
		    "DELETE FROM server_trust WHERE server = ?1", server, NULL,
		    err) != 0) {
		return -1;
	}
	for (size_t i = 0; i < len; i++) {
		struct nkey_public key;
		struct err odd = { 0 };
		if (nkey_text_decode(
			    NKEY_OPERATOR, keys[i], strlen(keys[i]), &key, &odd) == 0 &&
			add_trusted(tx, server, &key, err) != 0) {
			return -1;
		}
	}
	return run_on_server(tx, STORE_STMT_SERVER_TRUST_KNOWN,
		"UPDATE servers SET trust_incarnation = incarnation WHERE seq = ?1",
		server, NULL, err);
}

int
store_server_resolver(struct store_tx *tx, int64_t server, enum store_resolver resolver,
	struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_SERVER_RESOLVER,
		    "UPDATE servers SET resolver = ?2 WHERE seq = ?1", err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, server);
	store_stmt_bind_text(&stmt, 2, resolver_names[resolver]);
	return store_stmt_run(&stmt, NULL, err);
}

int
store_server_checked(
	struct store_tx *tx, int64_t server, int64_t incarnation, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_SERVER_CHECKED,
		    "UPDATE servers SET checked_incarnation = ?2 "
		    "WHERE seq = ?1 AND checked_incarnation < ?2",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, server);
	store_stmt_bind_int(&stmt, 2, incarnation);
	return store_stmt_run(&stmt, NULL, err);
}

int
store_server_forget(struct store_tx *tx, int64_t server, struct err *err)
{
	int64_t changes = 0;
	if (run_on_server(tx, STORE_STMT_SERVER_FORGET,
		    "DELETE FROM servers WHERE seq = ?1", server, &changes, err) != 0) {
		return -1;
	}
	return changes > 0 ? 0 : err_set(err, ERR_NOT_FOUND, "there is no such server");
}

/* ---- accounts on servers ---- */

int
store_account_server_holds(struct store_tx *tx, int64_t account, int64_t server,
	int64_t incarnation, int64_t generation, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	/* What it holds already is left alone: looking again writes nothing. */
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_ACCOUNT_SERVER_HOLDS,
		    "INSERT INTO account_servers (account, server, generation, "
		    "incarnation, proven_at) SELECT ?1, ?2, ?3, ?4, ?5 "
		    "WHERE EXISTS (SELECT 1 FROM servers WHERE seq = ?2) "
		    "AND EXISTS (SELECT 1 FROM accounts WHERE seq = ?1) "
		    "ON CONFLICT DO UPDATE SET proven_at = "
		    "iif(generation = excluded.generation AND proven_at > 0, proven_at, "
		    "excluded.proven_at), generation = excluded.generation, "
		    "incarnation = excluded.incarnation, tried_at = 0, words = '' "
		    "WHERE generation <> excluded.generation OR "
		    "incarnation <> excluded.incarnation OR tried_at > 0",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, server);
	store_stmt_bind_int(&stmt, 3, generation);
	store_stmt_bind_int(&stmt, 4, incarnation);
	store_stmt_bind_int(&stmt, 5, store_tx_now(tx));
	return store_stmt_run(&stmt, NULL, err);
}

int
store_account_server_failed(struct store_tx *tx, int64_t account, int64_t server,
	const char *words, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	char cut[STORE_SERVER_WORDS_SIZE];
	str_cut_middle(cut, sizeof(cut), words);
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_ACCOUNT_SERVER_FAILED,
		    "INSERT INTO account_servers (account, server, tried_at, words) "
		    "SELECT ?1, ?2, ?3, ?4 "
		    "WHERE EXISTS (SELECT 1 FROM servers WHERE seq = ?2) "
		    "AND EXISTS (SELECT 1 FROM accounts WHERE seq = ?1) "
		    "ON CONFLICT DO UPDATE SET tried_at = excluded.tried_at, "
		    "words = excluded.words",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, server);
	store_stmt_bind_int(&stmt, 3, store_tx_now(tx));
	store_stmt_bind_text(&stmt, 4, cut);
	return store_stmt_run(&stmt, NULL, err);
}

static int
read_account_server(const struct store_stmt *stmt, void *out, struct err *err)
{
	struct store_account_server *item = out;
	*item = (struct store_account_server){
		.server = store_stmt_int(stmt, 0),
		.generation = store_stmt_int(stmt, 1),
		.current = store_stmt_int(stmt, 2) != 0,
		.proven_at = store_stmt_int(stmt, 3),
		.tried_at = store_stmt_int(stmt, 4),
	};
	return store_stmt_copy(stmt, 5, item->words, sizeof(item->words), err);
}

int
store_account_server_list(struct store_conn *conn, int64_t account,
	struct store_account_server **out, size_t *out_len, struct err *err)
{
	static const struct store_items kind = { .size = sizeof(**out),
		.read = read_account_server };
	STORE_STMT_AUTO stmt = { 0 };
	void *items = NULL;
	if (store_stmt_open(&stmt, conn, STORE_STMT_ACCOUNT_SERVER_LIST,
		    "SELECT s.seq, coalesce(c.generation, 0), "
		    "coalesce(c.incarnation = s.incarnation, 0), "
		    "coalesce(c.proven_at, 0), coalesce(c.tried_at, 0), "
		    "coalesce(c.words, '') FROM servers s LEFT JOIN account_servers c "
		    "ON c.server = s.seq AND c.account = ?1 ORDER BY s.cluster, s.name",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	if (store_stmt_collect(&stmt, &kind, &items, out_len, err) != 0) {
		return -1;
	}
	*out = items;
	return 0;
}
