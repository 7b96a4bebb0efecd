/* SPDX-License-Identifier: Apache-2.0 */
#include "store/publish.h"

#include "base/str.h"
#include "store/conn.h"
#include "store/state.h"

static const char *const state_names[] = {
	[STORE_PUBLISH_PENDING] = "pending",
	[STORE_PUBLISH_PARTIAL] = "partial",
	[STORE_PUBLISH_REFUSED] = "refused",
	[STORE_PUBLISH_HELD] = "held",
};

static int
read_state(const struct store_stmt *stmt, int column, enum store_publish_state *out,
	struct err *err)
{
	size_t len = 0;
	const char *name = store_stmt_text(stmt, column, &len);
	for (size_t i = 0; i < sizeof(state_names) / sizeof(state_names[0]); i++) {
		if (str_equal(name, state_names[i])) {
			*out = (enum store_publish_state)i;
			return 0;
		}
	}
	return err_set(err, ERR_CORRUPT, "unknown publish state of an account");
}

static int
no_account(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "there is no such account");
}

#define PUBLISH_COLUMNS \
	"p.generation, p.urgent_generation, p.minted_generation, p.proven_generation, " \
	"p.last_iat, p.minted_at, p.claims_hash, p.state, p.attempts, p.message, " \
	"p.iat_offset, p.overruled "

static int
read_overruled(const struct store_stmt *stmt, int column, struct store_publish *out,
	struct err *err)
{
	size_t size = store_stmt_blob_len(stmt, column);
	if (size == 0) {
		return 0;
	}
	if (size % STORE_HASH_LEN != 0 || size > sizeof(out->overruled)) {
		return err_set(
			err, ERR_CORRUPT, "odd list of overruled JWTs of an account");
	}
	out->overruled_len = size / STORE_HASH_LEN;
	return store_stmt_blob(stmt, column, out->overruled, size, err);
}

static int
read_row(const struct store_stmt *stmt, int64_t account, struct store_publish *out,
	struct err *err)
{
	struct store_publish row = {
		.account = account,
		.generation = store_stmt_int(stmt, 0),
		.urgent_generation = store_stmt_int(stmt, 1),
		.minted_generation = store_stmt_int(stmt, 2),
		.proven_generation = store_stmt_int(stmt, 3),
		.last_iat = store_stmt_int(stmt, 4),
		.minted_at = store_stmt_int(stmt, 5),
		.has_claims_hash = !store_stmt_is_null(stmt, 6),
		.attempts = store_stmt_int(stmt, 8),
		.iat_offset = store_stmt_int(stmt, 10),
	};
	if ((row.has_claims_hash &&
		    store_stmt_blob(stmt, 6, row.claims_hash, STORE_HASH_LEN, err) !=
			    0) ||
		read_overruled(stmt, 11, &row, err) != 0 ||
		read_state(stmt, 7, &row.state, err) != 0 ||
		store_stmt_copy(stmt, 9, row.message, sizeof(row.message), err) != 0) {
		return -1;
	}
	*out = row;
	return 0;
}

int
store_publish_get(struct store_conn *conn, int64_t account, struct store_publish *out,
	struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_PUBLISH_GET,
		    "SELECT " PUBLISH_COLUMNS "FROM account_publish p "
		    "WHERE p.account = ?1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	int rc = store_stmt_step(&stmt, err);
	if (rc <= 0) {
		return rc < 0 ? -1 : no_account(err);
	}
	return read_row(&stmt, account, out, err);
}

int
store_publish_work(struct store_conn *conn, int64_t account,
	struct store_publish_work *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	struct store_publish_work work = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_PUBLISH_WORK,
		    "SELECT " PUBLISH_COLUMNS ", a.public_key, j.jwt, EXISTS (SELECT 1 "
		    "FROM quarantine q WHERE q.account = p.account), "
		    "EXISTS (SELECT 1 FROM burials b WHERE b.account = p.account), "
		    "(SELECT count(*) FROM account_servers c JOIN servers s ON s.seq = "
		    "c.server WHERE c.account = p.account AND c.generation >= "
		    "p.minted_generation AND c.incarnation = s.incarnation AND "
		    "s.missing_since = 0) "
		    "FROM account_publish p JOIN accounts a ON a.seq = p.account "
		    "LEFT JOIN account_jwt j ON j.account = p.account "
		    "WHERE p.account = ?1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	int rc = store_stmt_step(&stmt, err);
	if (rc <= 0) {
		return rc < 0 ? -1 : no_account(err);
	}
	struct nkey_public key;
	if (read_row(&stmt, account, &work.row, err) != 0 ||
		store_stmt_blob(&stmt, 12, key.bytes, sizeof(key.bytes), err) != 0) {
		return -1;
	}
	nkey_text_encode(NKEY_ACCOUNT, &key, work.public_key);
	work.quarantined = store_stmt_int(&stmt, 14) != 0;
	work.buried = store_stmt_int(&stmt, 15) != 0;
	work.current = store_stmt_int(&stmt, 16);
	if (!store_stmt_is_null(&stmt, 13)) {
		const char *text = store_stmt_text(&stmt, 13, &work.jwt_len);
		work.jwt = str_dup_n(text, work.jwt_len);
		if (work.jwt == NULL) {
			return err_nomem(err);
		}
	}
	*out = work;
	return 0;
}

/* Adds STORE_WANTED for each row (account, id, generation) that the statement gives;
 * *out_count: how many. */
static int
note_wanted(struct store_tx *tx, struct store_stmt *stmt, bool urgent, bool paced,
	size_t *out_count, struct err *err)
{
	size_t count = 0;
	int rc = store_stmt_step(stmt, err);
	while (rc > 0) {
		struct store_change change = { .collection = COLLECTION_ACCOUNTS,
			.action = STORE_WANTED,
			.seq = store_stmt_int(stmt, 0),
			.generation = store_stmt_int(stmt, 2),
			.urgent = urgent,
			.paced = paced };
		if (store_stmt_copy(stmt, 1, change.id, sizeof(change.id), err) != 0 ||
			store_tx_changed(tx, &change, err) != 0) {
			return -1;
		}
		count++;
		rc = store_stmt_step(stmt, err);
	}
	*out_count = count;
	return rc;
}

int
store_publish_insert(struct store_tx *tx, int64_t account, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	size_t count = 0;
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_PUBLISH_INSERT,
		    "INSERT INTO account_publish (account, generation, "
		    "urgent_generation) "
		    "VALUES (?1, 1, 1) "
		    "RETURNING account, (SELECT id FROM accounts WHERE seq = account), "
		    "generation",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	return note_wanted(tx, &stmt, true, false, &count, err);
}

#define PUBLISH_BUMP \
	"UPDATE account_publish SET generation = generation + 1, urgent_generation = " \
	"iif(?2, generation + 1, urgent_generation), state = 'pending', attempts = 0, " \
	"message = '' WHERE account "
#define PUBLISH_BUMPED \
	" RETURNING account, (SELECT id FROM accounts WHERE seq = account), generation"

int
store_publish_bump(struct store_tx *tx, int64_t account, bool urgent, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	size_t count = 0;
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_PUBLISH_BUMP,
		    PUBLISH_BUMP "= ?1" PUBLISH_BUMPED, err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, urgent ? 1 : 0);
	if (note_wanted(tx, &stmt, urgent, false, &count, err) != 0) {
		return -1;
	}
	return count == 0 ? no_account(err) : 0;
}

int
store_publish_bump_role(struct store_tx *tx, int64_t role, bool urgent, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	size_t count = 0;
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_PUBLISH_BUMP_ROLE,
		    PUBLISH_BUMP
		    "IN (SELECT account FROM signing_keys WHERE role = ?1 UNION "
		    "SELECT account FROM users WHERE role = ?1 AND overrides = 1)"
		    "" PUBLISH_BUMPED,
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, role);
	store_stmt_bind_int(&stmt, 2, urgent ? 1 : 0);
	return note_wanted(tx, &stmt, urgent, !urgent, &count, err);
}

int
store_publish_bump_importers(
	struct store_tx *tx, const struct nkey_public *exporter, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	size_t count = 0;
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_PUBLISH_BUMP_IMPORTERS,
		    PUBLISH_BUMP "IN (SELECT account FROM account_imports "
				 "WHERE exporter = ?1 AND token = '')" PUBLISH_BUMPED,
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_key(&stmt, 1, exporter);
	store_stmt_bind_int(&stmt, 2, 1);
	return note_wanted(tx, &stmt, true, false, &count, err);
}

static int
put_jwt(struct store_tx *tx, int64_t account, const char *jwt, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_PUBLISH_JWT_PUT,
		    "INSERT INTO account_jwt (account, jwt) VALUES (?1, ?2) "
		    "ON CONFLICT (account) DO UPDATE SET jwt = excluded.jwt",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_text(&stmt, 2, jwt);
	return store_stmt_run(&stmt, NULL, err);
}

int
store_publish_minted(struct store_tx *tx, const struct store_mint *mint, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	int64_t changes = 0;
	/* Without new bytes nothing was signed: their iat and the time of the signature
	 * stand. */
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_PUBLISH_MINTED,
		    "UPDATE account_publish SET minted_generation = ?3, "
		    "claims_hash = ?4, last_iat = iif(?5, ?6, last_iat), "
		    "minted_at = iif(?5, ?7, minted_at) WHERE account = ?1 AND last_iat "
		    "= ?2 AND minted_generation <= ?3",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, mint->account);
	store_stmt_bind_int(&stmt, 2, mint->expected_last_iat);
	store_stmt_bind_int(&stmt, 3, mint->generation);
	store_stmt_bind_blob(&stmt, 4, mint->claims_hash, STORE_HASH_LEN);
	store_stmt_bind_int(&stmt, 5, mint->jwt != NULL ? 1 : 0);
	store_stmt_bind_int(&stmt, 6, mint->iat);
	/* As it is: store_tx_now stays where a clock that ran ahead once was, and would
	 * hold the next mint for that long. */
	store_stmt_bind_int(&stmt, 7, clock_wall_ms(tx->store->clock));
	if (store_stmt_run(&stmt, &changes, err) != 0) {
		return -1;
	}
	if (changes == 0) {
		return err_set(err, ERR_STALE, "the account was minted meanwhile");
	}
	return mint->jwt != NULL ? put_jwt(tx, mint->account, mint->jwt, err) : 0;
}

int
store_publish_jwt(struct store_conn *conn, int64_t account, char **out_jwt,
	int64_t *out_generation, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	size_t len = 0;
	if (store_stmt_open(&stmt, conn, STORE_STMT_PUBLISH_JWT,
		    "SELECT j.jwt, p.minted_generation FROM account_jwt j "
		    "JOIN account_publish p ON p.account = j.account WHERE j.account = "
		    "?1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	int rc = store_stmt_step(&stmt, err);
	if (rc <= 0) {
		return rc < 0 ? -1
			      : err_set(err, ERR_NOT_FOUND,
					"nothing was minted for the account yet");
	}
	const char *text = store_stmt_text(&stmt, 0, &len);
	char *jwt = str_dup_n(text, len);
	if (jwt == NULL) {
		return err_nomem(err);
	}
	*out_jwt = jwt;
	*out_generation = store_stmt_int(&stmt, 1);
	return 0;
}

static int
run_proven(struct store_tx *tx, enum store_stmt_id id, const char *sql, int64_t account,
	int64_t generation, int64_t *out_changes, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), id, sql, err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, generation);
	return store_stmt_run(&stmt, out_changes, err);
}

#define PUBLISH_PROVEN \
	"UPDATE account_publish SET " \
	"proven_generation = max(proven_generation, min(?2, generation))"

int
store_publish_proven(
	struct store_tx *tx, int64_t account, int64_t generation, struct err *err)
{
	int64_t changes = 0;
	/* A state that is written is checked, which costs more than all the rest: most
	 * accounts have none to clear. */
	if (run_proven(tx, STORE_STMT_PUBLISH_PROVEN,
		    PUBLISH_PROVEN
		    " WHERE account = ?1 AND (generation > ?2 OR "
		    "(state = 'pending' AND attempts = 0 AND message = '' AND "
		    "overruled IS NULL))",
		    account, generation, &changes, err) != 0) {
		return -1;
	}
	if (changes == 0 &&
		run_proven(tx, STORE_STMT_PUBLISH_PROVEN_CLEAR,
			PUBLISH_PROVEN ", state = 'pending', attempts = 0, message = '', "
				       "overruled = iif(EXISTS (SELECT 1 FROM "
				       "unconfirmed u WHERE u.account = ?1), overruled, "
				       "NULL) WHERE account = ?1",
			account, generation, &changes, err) != 0) {
		return -1;
	}
	return changes == 0 ? no_account(err) : 0;
}

/* Nobody holds what is to be minted, not even a server that is away. */
static int
forget_holders(struct store_tx *tx, int64_t account, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_PUBLISH_UNHELD,
		    "UPDATE account_servers SET generation = (SELECT generation - 1 FROM "
		    "account_publish p WHERE p.account = ?1) WHERE account = ?1 AND "
		    "generation >= (SELECT generation FROM account_publish p WHERE "
		    "p.account = ?1)",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	return store_stmt_run(&stmt, NULL, err);
}

int
store_publish_renew(struct store_tx *tx, int64_t account, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (forget_holders(tx, account, err) != 0) {
		return -1;
	}
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_PUBLISH_RENEW,
		    "UPDATE account_publish SET minted_generation = generation - 1, "
		    "proven_generation = min(proven_generation, generation - 1), "
		    "claims_hash = NULL WHERE account = ?1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	return store_stmt_run(&stmt, NULL, err);
}

int
store_publish_unproven(
	struct store_tx *tx, int64_t account, int64_t generation, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_PUBLISH_UNPROVEN,
		    "UPDATE account_publish SET proven_generation = 0 "
		    "WHERE account = ?1 AND generation = ?2",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, generation);
	return store_stmt_run(&stmt, NULL, err);
}

int
store_publish_note(struct store_tx *tx, int64_t account, int64_t generation,
	enum store_publish_state state, const char *message, bool failed, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	char cut[STORE_PUBLISH_MESSAGE_MAX];
	str_cut_middle(cut, sizeof(cut), message);
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_PUBLISH_NOTE,
		    "UPDATE account_publish SET state = ?3, message = ?4, "
		    "attempts = attempts + ?5 WHERE account = ?1 AND generation = ?2",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, generation);
	store_stmt_bind_text(&stmt, 3, state_names[state]);
	store_stmt_bind_text(&stmt, 4, cut);
	store_stmt_bind_int(&stmt, 5, failed ? 1 : 0);
	return store_stmt_run(&stmt, NULL, err);
}

int
store_publish_redate(
	struct store_tx *tx, int64_t account, int64_t iat_offset, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_PUBLISH_REDATE,
		    "UPDATE account_publish SET iat_offset = ?2, minted_at = 0 "
		    "WHERE account = ?1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	store_stmt_bind_int(&stmt, 2, iat_offset);
	return store_stmt_run(&stmt, NULL, err) != 0
		? -1
		: store_publish_bump(tx, account, true, err);
}
