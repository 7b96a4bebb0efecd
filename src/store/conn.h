/* SPDX-License-Identifier: Apache-2.0
 * One connection with its cached statements: private to store/. */
#ifndef STORE_CONN_H
#define STORE_CONN_H

#include "base/nkey_text.h"
#include "store/store.h"

#include <sqlite3.h>

/* Statements with a text of their own; the text stands where they are run. */
enum store_stmt_id {
	STORE_STMT_BEGIN,
	STORE_STMT_BEGIN_IMMEDIATE,
	STORE_STMT_COMMIT,
	STORE_STMT_SAVEPOINT,
	STORE_STMT_SAVEPOINT_RELEASE,
	STORE_STMT_SAVEPOINT_UNDO,
	STORE_STMT_ACCOUNT_MARK_DELETED,
	STORE_STMT_ACCOUNT_DELETED,
	STORE_STMT_ACCOUNT_USER_COUNT,
	STORE_STMT_ACCOUNT_NEWEST_IAT,
	STORE_STMT_ACCOUNT_JWT_BYTES,
	STORE_STMT_ACCOUNT_FIND,
	STORE_STMT_BUDGET_ACCOUNT,
	STORE_STMT_BUDGET_TERMS,
	STORE_STMT_BUDGET_KEYS,
	STORE_STMT_BUDGET_ROLE,
	STORE_STMT_BUDGET_ROLE_ACCOUNTS,
	STORE_STMT_AUDIT_LAST,
	STORE_STMT_AUDIT_NEWEST,
	STORE_STMT_AUDIT_APPEND,
	STORE_STMT_AUDIT_ALL,
	STORE_STMT_AUTH_FIND_SUPERUSER,
	STORE_STMT_AUTH_TOKEN_KEY,
	STORE_STMT_BURIAL_DUE,
	STORE_STMT_BURIAL_MARK,
	STORE_STMT_BURIAL_REMOVED,
	STORE_STMT_BURIAL_UNMARK,
	STORE_STMT_BURIAL_REPROVE,
	STORE_STMT_BURIAL_DROP_JWT,
	STORE_STMT_BURIAL_DROP_PUBLISH,
	STORE_STMT_BURIAL_DROP_REVOCATIONS,
	STORE_STMT_BURIAL_DROP_ACCOUNT,
	STORE_STMT_CREDS_LINK_SWEEP,
	STORE_STMT_CREDS_LINK_INSERT,
	STORE_STMT_CREDS_LINK_TAKE,
	STORE_STMT_EXPIRING_LIST,
	STORE_STMT_CHECK_INTEGRITY,
	STORE_STMT_CHECK_FOREIGN_KEYS,
	STORE_STMT_CHECK_COUNTERS,
	STORE_STMT_EXPORT_LIST,
	STORE_STMT_EXPORT_FIND_ACCOUNT,
	STORE_STMT_EXPORT_CHECK_ACCOUNT,
	STORE_STMT_EXPORT_TOUCH_ACCOUNT,
	STORE_STMT_EXPORT_REVOCATIONS,
	STORE_STMT_EXPORT_REVOCATION_DROP,
	STORE_STMT_EXPORT_REVOCATION_PUT,
	STORE_STMT_EXPORT_REVOCATION_DELETE,
	STORE_STMT_EXPORT_DELETE_ALL,
	STORE_STMT_IMPORT_LIST,
	STORE_STMT_IMPORT_LIST_FROM,
	STORE_STMT_IMPORT_REISSUE,
	STORE_STMT_IMPORT_DELETE_ALL,
	STORE_STMT_ACTIVATION_LIST,
	STORE_STMT_OPERATOR_CLAIMS,
	STORE_STMT_OPERATOR_CLAIMS_UPDATE,
	STORE_STMT_OPERATOR_UPDATE,
	STORE_STMT_OPERATOR_ACTIVATE,
	STORE_STMT_OPERATOR_REISSUE,
	STORE_STMT_OPERATOR_UNPROVEN,
	STORE_STMT_PUBLISH_GET,
	STORE_STMT_PUBLISH_INSERT,
	STORE_STMT_PUBLISH_BUMP,
	STORE_STMT_PUBLISH_BUMP_ROLE,
	STORE_STMT_PUBLISH_BUMP_IMPORTERS,
	STORE_STMT_PUBLISH_MINTED,
	STORE_STMT_PUBLISH_JWT_PUT,
	STORE_STMT_PUBLISH_JWT,
	STORE_STMT_PUBLISH_PROVEN,
	STORE_STMT_PUBLISH_PROVEN_CLEAR,
	STORE_STMT_PUBLISH_RENEW,
	STORE_STMT_PUBLISH_UNHELD,
	STORE_STMT_PUBLISH_UNPROVEN,
	STORE_STMT_PUBLISH_NOTE,
	STORE_STMT_PUBLISH_WORK,
	STORE_STMT_PUBLISH_FIND,
	STORE_STMT_PUBLISH_KEYS,
	STORE_STMT_PUBLISH_REDATE,
	STORE_STMT_PUBLISH_SCAN_ALL,
	STORE_STMT_PUBLISH_SCAN_OPEN,
	STORE_STMT_PUBLISH_SCAN_OLDER_URGENT,
	STORE_STMT_PUBLISH_SCAN_LACKED_URGENT,
	STORE_STMT_PUBLISH_SCAN_LACKED,
	STORE_STMT_PUBLISH_COUNT,
	STORE_STMT_PROOF_LOOK,
	STORE_STMT_PROOF_GAPS,
	STORE_STMT_PROOF_COUNTS,
	STORE_STMT_QUARANTINE_PUT,
	STORE_STMT_QUARANTINE_FIND,
	STORE_STMT_QUARANTINE_FORGET,
	STORE_STMT_QUARANTINE_LIFT,
	STORE_STMT_QUARANTINE_LIST,
	STORE_STMT_DRIFT_FOUND,
	STORE_STMT_DRIFT_DROP_OLD,
	STORE_STMT_DRIFT_REPAIRED,
	STORE_STMT_DRIFT_GONE,
	STORE_STMT_DRIFT_LIST,
	STORE_STMT_DRIFT_FOREIGN,
	STORE_STMT_DRIFT_IS_FOREIGN,
	STORE_STMT_SERVER_LIST,
	STORE_STMT_SERVER_SEEN,
	STORE_STMT_SERVER_MISSING,
	STORE_STMT_SERVER_ABSENT,
	STORE_STMT_SERVER_UNNAMED,
	STORE_STMT_SERVER_TRUST_PUT,
	STORE_STMT_SERVER_TRUST_CLEAR,
	STORE_STMT_SERVER_TRUST_KNOWN,
	STORE_STMT_SERVER_RESOLVER,
	STORE_STMT_SERVER_CHECKED,
	STORE_STMT_SERVER_FORGET,
	STORE_STMT_ACCOUNT_SERVER_HOLDS,
	STORE_STMT_ACCOUNT_SERVER_FAILED,
	STORE_STMT_ACCOUNT_SERVER_LIST,
	STORE_STMT_RESTORED_USERS,
	STORE_STMT_RESTORED_USERS_OF,
	STORE_STMT_RESTORED_SUSPEND_OF,
	STORE_STMT_RESTORED_SUSPEND,
	STORE_STMT_RESTORED_ACCOUNTS,
	STORE_STMT_RESTORED_LINKS,
	STORE_STMT_REVOCATION_PUT,
	STORE_STMT_REVOCATION_LIFT,
	STORE_STMT_REVOCATION_LIST,
	STORE_STMT_REVOCATION_PUT_ALL,
	STORE_STMT_REVOCATION_DROP_COVERED,
	STORE_STMT_REVOCATION_ADOPT,
	STORE_STMT_REVOCATION_LATEST,
	STORE_STMT_REVOCATION_ADOPT_ALL,
	STORE_STMT_REVOCATION_DROP_BELOW,
	STORE_STMT_REVOCATION_DROP_ALL,
	STORE_STMT_REVOCATION_DROP_EXPIRED,
	STORE_STMT_REVOCATION_ALL_AT,
	STORE_STMT_REVOCATION_KEY_AT,
	STORE_STMT_REVOCATION_OLDEST_SET,
	STORE_STMT_ROLE_SCOPES,
	STORE_STMT_ROLE_USER_COUNT,
	STORE_STMT_ROLE_FIND_DEFAULT,
	STORE_STMT_ROLE_FED_BY,
	STORE_STMT_ROLE_UNSAFE_USER,
	STORE_STMT_ROLE_UNSAFE_ACCOUNT,
	STORE_STMT_ROLE_USERS,
	STORE_STMT_ROLE_USERS_SINCE,
	STORE_STMT_ROLE_ACCOUNTS_SINCE,
	STORE_STMT_ROLE_OF_ACCOUNT_SINCE,
	STORE_STMT_ROLE_OVERRIDES,
	STORE_STMT_ROLE_OVERRIDES_SINCE,
	STORE_STMT_ROLE_REVOKE_OVERRIDES,
	STORE_STMT_ROLE_RESET_OVERRIDES,
	STORE_STMT_ROLE_REVOKE_SUPERSEDED,
	STORE_STMT_ROLE_RESET_SUPERSEDED,
	STORE_STMT_SETTINGS_UUID,
	STORE_STMT_HEARTBEAT_GET,
	STORE_STMT_HEARTBEAT_PUT,
	STORE_STMT_STANDING_GET,
	STORE_STMT_STANDING_PUT,
	STORE_STMT_SIGNING_KEY_PLAIN,
	STORE_STMT_SIGNING_KEY_SCOPE,
	STORE_STMT_SIGNING_KEY_LIST,
	STORE_STMT_SIGNING_KEY_LIST_ROLE,
	STORE_STMT_SIGNING_KEY_INSERT,
	STORE_STMT_SIGNING_KEY_DELETE,
	STORE_STMT_SIGNING_KEY_DELETE_SEEDS,
	STORE_STMT_SIGNING_KEY_DELETE_SETS,
	STORE_STMT_SIGNING_KEY_PLAN,
	STORE_STMT_SIGNING_KEY_PLANNED,
	STORE_STMT_USER_ISSUE,
	STORE_STMT_USER_MARK_ISSUED,
	STORE_STMT_USER_COUNT_SIGNED,
	STORE_STMT_USER_PREMISES,
	STORE_STMT_USER_KEY_FIND,
	STORE_STMT_VAULT_SLOT_GET,
	STORE_STMT_VAULT_SLOT_INSERT,
	STORE_STMT_VAULT_KEYS,
	STORE_STMT_VAULT_KEY_INSERT,
	STORE_STMT_VAULT_SEED_GET,
	STORE_STMT_VAULT_SEED_INSERT,
	STORE_STMT_VAULT_SEED_DELETE,
	STORE_STMT_COUNT
};

/* Statements of every collection; the texts are made from its field table when the store
 * opens. */
enum store_record_op {
	STORE_RECORD_VIEW, /* all that is read, by id */
	STORE_RECORD_GET, /* what a row struct holds, by id */
	STORE_RECORD_GET_SEQ, /* the same by seq, hidden rows too */
	STORE_RECORD_FIND_SEQ,
	STORE_RECORD_INSERT,
	STORE_RECORD_UPDATE,
	STORE_RECORD_DELETE,
	STORE_RECORD_COUNT,
	STORE_RECORD_ROW_COLUMNS, /* not a statement: the columns of STORE_RECORD_GET */
	STORE_RECORD_OP_COUNT
};

enum {
	STORE_CACHED_COUNT = (int)STORE_STMT_COUNT +
		(int)COLLECTION_COUNT * (int)STORE_RECORD_OP_COUNT,
	STORE_CACHED_LISTS = 16
};

struct store_cached {
	sqlite3_stmt *raw;
	bool in_use;
};

/* A list query, found again by its text. */
struct store_cached_list {
	struct store_cached cached;
	uint64_t last_use;
};

struct store_conn {
	sqlite3 *db;
	struct store *store;
	struct store_conn *next; /* in the pool */
	int64_t query_ms; /* how long one statement may run; 0: for ever */
	int64_t deadline; /* of the newest statement, on the monotonic clock */
	int fatal; /* first error that the whole transaction does not survive */
	uint64_t list_uses;
	struct store_cached cached[STORE_CACHED_COUNT];
	struct store_cached_list lists[STORE_CACHED_LISTS];
};

enum store_conn_kind { STORE_CONN_WRITER, STORE_CONN_READER };

/* Opens the store's file as it is, with nothing read or changed in it yet. */
int
store_conn_open(struct store *store, struct store_conn **out, struct err *err) MUST_CHECK;

/* Settles what the connection is used for. */
int store_conn_setup(
	struct store_conn *conn, enum store_conn_kind kind, struct err *err) MUST_CHECK;
void store_conn_close(struct store_conn *conn);

/* Runs constant text: no values, no results. */
int store_conn_exec(struct store_conn *conn, const char *sql, struct err *err) MUST_CHECK;

/* The first column of the only row of a constant statement. */
int store_conn_int(struct store_conn *conn, const char *sql, int64_t *out,
	struct err *err) MUST_CHECK;

/* Tells an SQLite result code in our words; SQLite's own go into the detail. Returns
 * -1. */
int store_conn_fail(struct store_conn *conn, int code, struct err *err);

/* ---- statements ---- */

/* One use of a statement. Declared with STORE_STMT_AUTO at the top of a function: leaving
 * it resets the statement and clears its bindings. What was bound must live until then or
 * until the last step. */
struct store_stmt {
	sqlite3_stmt *raw;
	struct store_conn *conn;
	struct store_cached *cached; /* NULL: not cached, finalized at the end */
	int bind_code; /* first failed bind; told by the next step */
};

void store_stmt_close(struct store_stmt *stmt);
#define STORE_STMT_AUTO __attribute__((cleanup(store_stmt_close))) struct store_stmt

int store_stmt_open(struct store_stmt *stmt, struct store_conn *conn,
	enum store_stmt_id id, const char *sql, struct err *err) MUST_CHECK;
int store_stmt_open_record(struct store_stmt *stmt, struct store_conn *conn,
	const struct collection *collection, enum store_record_op op,
	struct err *err) MUST_CHECK;
int store_stmt_open_list(struct store_stmt *stmt, struct store_conn *conn,
	const char *sql, struct err *err) MUST_CHECK;

/* Parameters count from 1. Texts and blobs are borrowed. */
void store_stmt_bind_int(struct store_stmt *stmt, int index, int64_t value);
void store_stmt_bind_text(struct store_stmt *stmt, int index, const char *text);
void
store_stmt_bind_blob(struct store_stmt *stmt, int index, const void *data, size_t len);
void store_stmt_bind_null(struct store_stmt *stmt, int index);
void
store_stmt_bind_key(struct store_stmt *stmt, int index, const struct nkey_public *key);

/* 0 binds NULL: a reference that is not there. */
void store_stmt_bind_ref(struct store_stmt *stmt, int index, int64_t seq);

/* SQLite's code: SQLITE_ROW, SQLITE_DONE or an error. */
int store_stmt_step_code(struct store_stmt *stmt);

/* 1 a row, 0 no more, -1 error. */
int store_stmt_step(struct store_stmt *stmt, struct err *err) MUST_CHECK;

/* Steps a statement that gives no rows; *out_changes (may be NULL) says how many it
 * changed. */
int
store_stmt_run(struct store_stmt *stmt, int64_t *out_changes, struct err *err) MUST_CHECK;

/* The first column of the first row of a statement that takes one number; 0 when there is
 * none. */
int store_stmt_ask(struct store_conn *conn, enum store_stmt_id id, const char *sql,
	int64_t value, int64_t *out, struct err *err) MUST_CHECK;

/* What rows are read into. */
struct store_items {
	size_t size; /* of one */
	int (*read)(const struct store_stmt *stmt, void *out_item, struct err *err);
	void (*release)(void *item); /* NULL: it owns nothing */
};

/* Steps to the end and reads each row into an item of an array, which the caller frees;
 * there is none on an error. */
int store_stmt_collect(struct store_stmt *stmt, const struct store_items *kind,
	void **out, size_t *out_len, struct err *err) MUST_CHECK;

/* Columns count from 0. Texts are borrowed until the next step; NULL reads as 0 and
 * "". */
int64_t store_stmt_int(const struct store_stmt *stmt, int index);
const char *store_stmt_text(const struct store_stmt *stmt, int index, size_t *out_len);
bool store_stmt_is_null(const struct store_stmt *stmt, int index);

/* Bytes; 0: NULL, or empty. */
size_t store_stmt_blob_len(const struct store_stmt *stmt, int index);

/* Exactly len bytes, or ERR_CORRUPT. */
int store_stmt_blob(const struct store_stmt *stmt, int index, void *out, size_t len,
	struct err *err) MUST_CHECK;

/* A text with its NUL into a field of that size, or ERR_CORRUPT. */
int store_stmt_copy(const struct store_stmt *stmt, int index, char *out, size_t size,
	struct err *err) MUST_CHECK;

/* ---- rows of collections ---- */

/* Reads the columns of STORE_RECORD_ROW_COLUMNS, which begin with column `first`. */
int store_row_read(const struct store_stmt *stmt, int first,
	const struct collection *collection, void *out_row, struct err *err) MUST_CHECK;

/* How many columns those are. */
int store_row_columns(const struct collection *collection);

/* The columns of a sealed seed, of the vault under an alias. */
enum { STORE_VAULT_SEED_COLUMN_COUNT = 6 };
#define STORE_VAULT_SEED_COLUMNS(alias) \
	alias ".owner_table, " alias ".owner_column, " alias ".owner_id, " alias \
	      ".role, " alias ".public_key, " alias ".sealed"

struct store_vault_seed;
int store_vault_seed_read(const struct store_stmt *stmt, int first,
	struct store_vault_seed *out, struct err *err) MUST_CHECK;

#endif
