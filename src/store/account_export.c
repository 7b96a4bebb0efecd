/* SPDX-License-Identifier: Apache-2.0 */
#include "store/account_export.h"

#include "base/buf.h"
#include "base/str.h"
#include "store/conn.h"
#include "store/state.h"

#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

static int
open_rows(struct store_stmt *stmt, struct store_conn *conn,
	const struct collection *collection, enum store_stmt_id id, const char *rest,
	struct err *err)
{
	struct buf sql;
	buf_init(&sql, 16 * 1024);
	buf_put_str(&sql, "SELECT ");
	buf_put_str(&sql,
		conn->store->record_sql[collection->kind][STORE_RECORD_ROW_COLUMNS]);
	buf_put_str(&sql, " FROM ");
	buf_put_str(&sql, collection->table);
	buf_put_str(&sql, " t ");
	buf_put_str(&sql, rest);
	int rc = buf_finish(&sql, err);
	if (rc == 0) {
		rc = store_stmt_open(stmt, conn, id, sql.data, err);
	}
	buf_release(&sql);
	return rc;
}

static int
read_export(const struct store_stmt *stmt, void *out, struct err *err)
{
	return store_row_read(stmt, 0, &account_export_collection, out, err);
}

static void
release_export(void *export)
{
	record_release(&account_export_collection, export);
}

void
store_exports_release(struct store_exports *list)
{
	for (size_t i = 0; i < list->len; i++) {
		release_export(&list->items[i]);
	}
	free(list->items);
	*list = (struct store_exports){ 0 };
}

int
store_export_list(struct store_conn *conn, int64_t account, struct store_exports *out,
	struct err *err)
{
	static const struct store_items kind = { .size = sizeof(*out->items),
		.read = read_export,
		.release = release_export };
	STORE_STMT_AUTO stmt = { 0 };
	void *items = NULL;
	if (open_rows(&stmt, conn, &account_export_collection, STORE_STMT_EXPORT_LIST,
		    "WHERE t.account = ?1 ORDER BY t.seq", err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	if (store_stmt_collect(&stmt, &kind, &items, &out->len, err) != 0) {
		return -1;
	}
	out->items = items;
	return 0;
}

static int
read_import(const struct store_stmt *stmt, void *out, struct err *err)
{
	return store_row_read(stmt, 0, &account_import_collection, out, err);
}

static void
release_import(void *import)
{
	record_release(&account_import_collection, import);
}

void
store_imports_release(struct store_imports *list)
{
	for (size_t i = 0; i < list->len; i++) {
		release_import(&list->items[i]);
	}
	free(list->items);
	*list = (struct store_imports){ 0 };
}

static int
collect_imports(struct store_stmt *stmt, struct store_imports *out, struct err *err)
{
	static const struct store_items kind = { .size = sizeof(*out->items),
		.read = read_import,
		.release = release_import };
	void *items = NULL;
	if (store_stmt_collect(stmt, &kind, &items, &out->len, err) != 0) {
		return -1;
	}
	out->items = items;
	return 0;
}

int
store_import_list(struct store_conn *conn, int64_t account, struct store_imports *out,
	struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (open_rows(&stmt, conn, &account_import_collection, STORE_STMT_IMPORT_LIST,
		    "WHERE t.account = ?1 ORDER BY t.seq", err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	return collect_imports(&stmt, out, err);
}

int
store_import_list_from(struct store_conn *conn, const struct nkey_public *exporter,
	int64_t but, struct store_imports *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (open_rows(&stmt, conn, &account_import_collection,
		    STORE_STMT_IMPORT_LIST_FROM,
		    "WHERE t.exporter = ?1 AND t.account <> ?2 ORDER BY t.account, t.seq",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_key(&stmt, 1, exporter);
	store_stmt_bind_int(&stmt, 2, but);
	return collect_imports(&stmt, out, err);
}

int
store_export_find_account(struct store_conn *conn, const struct nkey_public *key,
	int64_t *out_seq, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_EXPORT_FIND_ACCOUNT,
		    "SELECT seq FROM accounts WHERE public_key = ?1 AND deleted = 0",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_key(&stmt, 1, key);
	int rc = store_stmt_step(&stmt, err);
	if (rc > 0) {
		*out_seq = store_stmt_int(&stmt, 0);
	}
	return rc;
}

/* ---- the version of an account ---- */

static int
stale(struct err *err)
{
	return err_set(err, ERR_STALE, "an account was changed or deleted meanwhile");
}

int
store_export_check_account(
	struct store_tx *tx, const struct record_head *account, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_EXPORT_CHECK_ACCOUNT,
		    "SELECT 1 FROM accounts WHERE seq = ?1 AND version = ?2", err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account->seq);
	store_stmt_bind_int(&stmt, 2, account->version);
	int rc = store_stmt_step(&stmt, err);
	if (rc < 0) {
		return -1;
	}
	return rc == 0 ? stale(err) : 0;
}

int
store_export_touch_account(
	struct store_tx *tx, const struct record_head *account, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	int64_t changes = 0;
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_EXPORT_TOUCH_ACCOUNT,
		    "UPDATE accounts SET version = version + 1 "
		    "WHERE seq = ?1 AND version = ?2",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account->seq);
	store_stmt_bind_int(&stmt, 2, account->version);
	if (store_stmt_run(&stmt, &changes, err) != 0) {
		return -1;
	}
	return changes == 0 ? stale(err) : 0;
}

/* ---- revoked activations ---- */

static int
read_revocation(const struct store_stmt *stmt, void *out, struct err *err)
{
	struct store_export_revocation *entry = out;
	*entry = (struct store_export_revocation){
		.is_all = store_stmt_int(stmt, 0) == 0,
		.at = store_stmt_int(stmt, 2),
	};
	return entry->is_all ? 0
			     : store_stmt_blob(stmt, 1, entry->importer.bytes,
				       sizeof(entry->importer.bytes), err);
}

int
store_export_revocations(struct store_conn *conn, int64_t export,
	struct store_export_revocation **out, size_t *out_len, struct err *err)
{
	static const struct store_items kind = { .size = sizeof(**out),
		.read = read_revocation };
	STORE_STMT_AUTO stmt = { 0 };
	void *list = NULL;
	if (store_stmt_open(&stmt, conn, STORE_STMT_EXPORT_REVOCATIONS,
		    "SELECT length(account_key), account_key, at FROM export_revocations "
		    "WHERE export = ?1 ORDER BY account_key",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, export);
	if (store_stmt_collect(&stmt, &kind, &list, out_len, err) != 0) {
		return -1;
	}
	*out = list;
	return 0;
}

static void
bind_importer(struct store_stmt *stmt, int index, const struct nkey_public *importer)
{
	if (importer != NULL) {
		store_stmt_bind_key(stmt, index, importer);
	} else {
		store_stmt_bind_blob(stmt, index, "", 0);
	}
}

/* An entry of all says what older ones say. */
static int
drop_older(struct store_tx *tx, int64_t export, int64_t at, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_EXPORT_REVOCATION_DROP,
		    "DELETE FROM export_revocations WHERE export = ?1 AND at <= ?2 AND "
		    "length(account_key) > 0",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, export);
	store_stmt_bind_int(&stmt, 2, at);
	return store_stmt_run(&stmt, NULL, err);
}

int
store_export_revocation_put(struct store_tx *tx, int64_t export,
	const struct nkey_public *importer, int64_t at, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_EXPORT_REVOCATION_PUT,
		    "INSERT INTO export_revocations (export, account_key, at, created) "
		    "VALUES (?1, ?2, ?3, ?4) ON CONFLICT (export, account_key) "
		    "DO UPDATE SET at = max(at, excluded.at)",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, export);
	bind_importer(&stmt, 2, importer);
	store_stmt_bind_int(&stmt, 3, at);
	store_stmt_bind_int(&stmt, 4, store_tx_now(tx));
	if (store_stmt_run(&stmt, NULL, err) != 0) {
		return -1;
	}
	return importer == NULL ? drop_older(tx, export, at, err) : 0;
}

int
store_export_revocation_delete(struct store_tx *tx, int64_t export,
	const struct nkey_public *importer, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_EXPORT_REVOCATION_DELETE,
		    "DELETE FROM export_revocations WHERE export = ?1 AND account_key = "
		    "?2",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, export);
	bind_importer(&stmt, 2, importer);
	return store_stmt_run(&stmt, NULL, err);
}

int
store_import_reissue(struct store_tx *tx, int64_t import, int64_t iat, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_IMPORT_REISSUE,
		    "UPDATE account_imports SET iat = ?2, version = version + 1 "
		    "WHERE seq = ?1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, import);
	store_stmt_bind_int(&stmt, 2, iat);
	return store_stmt_run(&stmt, NULL, err);
}

/* ---- activations to mint ---- */

static void
release_activation(void *activation)
{
	free(((struct store_activation *)activation)->export_subject);
}

void
store_activations_release(struct store_activations *list)
{
	for (size_t i = 0; i < list->len; i++) {
		release_activation(&list->items[i]);
	}
	free(list->items);
	*list = (struct store_activations){ 0 };
}

static int
read_activation(const struct store_stmt *stmt, void *out, struct err *err)
{
	size_t len = 0;
	struct store_activation item = {
		.position = (size_t)store_stmt_int(stmt, 0),
		.iat = store_stmt_int(stmt, 1),
	};
	if (store_stmt_blob(stmt, 2, item.exporter.bytes, sizeof(item.exporter.bytes),
		    err) != 0 ||
		store_vault_seed_read(stmt, 4, &item.issuer, err) != 0) {
		return -1;
	}
	const char *subject = store_stmt_text(stmt, 3, &len);
	item.export_subject = str_dup_n(subject, len);
	if (item.export_subject == NULL) {
		return err_nomem(err);
	}
	*(struct store_activation *)out = item;
	return 0;
}

int
store_activation_list(struct store_conn *conn, int64_t account,
	struct store_activations *out, struct err *err)
{
	static const struct store_items kind = { .size = sizeof(*out->items),
		.read = read_activation,
		.release = release_activation };
	STORE_STMT_AUTO stmt = { 0 };
	void *items = NULL;
	if (store_stmt_open(&stmt, conn, STORE_STMT_ACTIVATION_LIST,
		    "SELECT (SELECT count(*) FROM account_imports o WHERE o.account = "
		    "i.account AND o.seq < i.seq), i.iat, e.public_key, "
		    "x.subject, " STORE_VAULT_SEED_COLUMNS(
			    "v") " FROM account_imports i "
				 "CROSS JOIN accounts e ON e.public_key = i.exporter AND "
				 "e.deleted = "
				 "0 "
				 "CROSS JOIN account_exports x ON x.account = e.seq AND "
				 "x.type = i.type AND x.token_req = 1 "
				 "CROSS JOIN signing_keys k ON k.account = e.seq AND "
				 "k.role IS NULL "
				 "AND k.key_set = e.key_set "
				 "CROSS JOIN vault v ON v.public_key = k.public_key "
				 "WHERE i.account = ?1 AND i.token = '' ORDER BY i.seq, "
				 "x.seq",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	if (store_stmt_collect(&stmt, &kind, &items, &out->len, err) != 0) {
		return -1;
	}
	out->items = items;
	return 0;
}

/* ---- with the account ---- */

static int
delete_of(struct store_tx *tx, enum store_stmt_id id, const char *sql, int64_t account,
	struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), id, sql, err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, account);
	return store_stmt_run(&stmt, NULL, err);
}

int
store_export_delete_all(struct store_tx *tx, int64_t account, struct err *err)
{
	if (delete_of(tx, STORE_STMT_EXPORT_DELETE_ALL,
		    "DELETE FROM account_exports WHERE account = ?1", account,
		    err) != 0) {
		return -1;
	}
	return delete_of(tx, STORE_STMT_IMPORT_DELETE_ALL,
		"DELETE FROM account_imports WHERE account = ?1", account, err);
}
