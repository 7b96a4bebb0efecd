/* SPDX-License-Identifier: Apache-2.0 */
#include "store/operator.h"

#include "base/str.h"
#include "model/limits.h"
#include "store/conn.h"
#include "store/record.h"

enum { OPERATOR_SEQ = 1 }; /* one row */

int
store_operator_find(struct store_conn *conn, struct operator_row *out, struct err *err)
{
	struct err why = { 0 };
	if (store_record_get_seq(conn, &operator_collection, OPERATOR_SEQ, out, &why) ==
		0) {
		return 1;
	}
	if (why.code == ERR_NOT_FOUND) {
		return 0;
	}
	if (err != NULL) {
		*err = why;
	}
	return -1;
}

/* ---- what its JWT says ---- */

static int
read_list(const struct store_stmt *stmt, int column, struct strlist *out, struct err *err)
{
	size_t len = 0;
	const char *json = store_stmt_text(stmt, column, &len);
	return strlist_read(json, len, out, err);
}

static int
read_text(const struct store_stmt *stmt, int column, char **out, struct err *err)
{
	size_t len = 0;
	const char *text = store_stmt_text(stmt, column, &len);
	*out = str_dup_n(text, len);
	return *out == NULL ? err_nomem(err) : 0;
}

int
store_operator_claims(
	struct store_conn *conn, struct operator_claims *out, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	struct operator_claims claims = { 0 };
	if (store_stmt_open(&stmt, conn, STORE_STMT_OPERATOR_CLAIMS,
		    "SELECT service_urls, account_server_url, assert_server_version, "
		    "strict_signing_key_usage, tags FROM operator_claims",
		    err) != 0) {
		return -1;
	}
	int rc = store_stmt_step(&stmt, err);
	if (rc <= 0) {
		return rc < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "there is no operator");
	}
	claims.strict_signing_key_usage = store_stmt_int(&stmt, 3) != 0;
	if (read_list(&stmt, 0, &claims.service_urls, err) != 0 ||
		read_text(&stmt, 1, &claims.account_server_url, err) != 0 ||
		read_text(&stmt, 2, &claims.assert_server_version, err) != 0 ||
		read_list(&stmt, 4, &claims.tags, err) != 0) {
		operator_claims_release(&claims);
		return -1;
	}
	*out = claims;
	return 0;
}

static int
bind_list(struct store_stmt *stmt, int index, const struct strlist *list, struct buf *buf,
	struct err *err)
{
	struct emit emit;
	emit_init(&emit, buf);
	strlist_emit(list, &emit);
	if (buf_finish(buf, err) != 0) {
		return -1;
	}
	store_stmt_bind_text(stmt, index, buf->data);
	return 0;
}

static int
note_operator(
	struct store_tx *tx, enum store_action action, const char *id, struct err *err)
{
	struct store_change change = {
		.collection = COLLECTION_OPERATOR,
		.action = action,
		.seq = OPERATOR_SEQ,
	};
	if (str_copy(change.id, sizeof(change.id), id) != 0) {
		return err_set(err, ERR_INTERNAL, "an id that is too long");
	}
	return store_tx_changed(tx, &change, err);
}

static int
update_row(struct store_tx *tx, const struct record_head *head, const char *jwt,
	struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	int64_t changes = 0;
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_OPERATOR_UPDATE,
		    "UPDATE operator SET jwt = ?2, version = version + 1, updated = ?3 "
		    "WHERE version = ?1",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, head->version);
	store_stmt_bind_text(&stmt, 2, jwt);
	store_stmt_bind_int(&stmt, 3, store_tx_now(tx));
	if (store_stmt_run(&stmt, &changes, err) != 0) {
		return -1;
	}
	return changes == 0
		? err_set(err, ERR_STALE, "the operator was changed meanwhile, try again")
		: 0;
}

static int
update_claims(struct store_tx *tx, const struct operator_claims *claims, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	struct buf urls;
	struct buf tags;
	buf_init(&urls, LIMIT_OPERATOR_LIST_BYTES);
	buf_init(&tags, LIMIT_OPERATOR_LIST_BYTES);
	int rc = store_stmt_open(&stmt, store_tx_conn(tx),
		STORE_STMT_OPERATOR_CLAIMS_UPDATE,
		"UPDATE operator_claims SET service_urls = ?1, account_server_url = ?2, "
		"assert_server_version = ?3, strict_signing_key_usage = ?4, tags = ?5",
		err);
	if (rc == 0) {
		rc = bind_list(&stmt, 1, &claims->service_urls, &urls, err);
	}
	if (rc == 0) {
		rc = bind_list(&stmt, 5, &claims->tags, &tags, err);
	}
	if (rc == 0) {
		store_stmt_bind_text(&stmt, 2, claims->account_server_url);
		store_stmt_bind_text(&stmt, 3, claims->assert_server_version);
		store_stmt_bind_int(&stmt, 4, claims->strict_signing_key_usage ? 1 : 0);
		rc = store_stmt_run(&stmt, NULL, err);
	}
	buf_release(&urls);
	buf_release(&tags);
	return rc;
}

int
store_operator_update(struct store_tx *tx, const struct record_head *head,
	const char *jwt, const struct operator_claims *claims, struct err *err)
{
	if (update_row(tx, head, jwt, err) != 0 || update_claims(tx, claims, err) != 0) {
		return -1;
	}
	return note_operator(tx, STORE_UPDATED, head->id, err);
}

/* ---- rotation of the signing key ---- */

int
store_operator_activate(struct store_tx *tx, int64_t seq, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	int64_t changes = 0;
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_OPERATOR_ACTIVATE,
		    "UPDATE signing_keys SET state = 'active' "
		    "WHERE seq = ?1 AND account IS NULL AND state = 'next'",
		    err) != 0) {
		return -1;
	}
	store_stmt_bind_int(&stmt, 1, seq);
	if (store_stmt_run(&stmt, &changes, err) != 0) {
		return -1;
	}
	return changes == 0 ? err_set(err, ERR_STALE, "that key signs already") : 0;
}

int
store_operator_reissue(struct store_tx *tx, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	if (store_stmt_open(&stmt, store_tx_conn(tx), STORE_STMT_OPERATOR_REISSUE,
		    "UPDATE account_publish SET generation = generation + 1, "
		    "reissue_generation = generation + 1, state = 'pending', attempts = "
		    "0, message = '' RETURNING account, (SELECT id FROM accounts WHERE "
		    "seq = account), generation",
		    err) != 0) {
		return -1;
	}
	int rc = store_stmt_step(&stmt, err);
	while (rc > 0) {
		struct store_change change = { .collection = COLLECTION_ACCOUNTS,
			.action = STORE_WANTED,
			.seq = store_stmt_int(&stmt, 0),
			.generation = store_stmt_int(&stmt, 2) };
		if (store_stmt_copy(&stmt, 1, change.id, sizeof(change.id), err) != 0 ||
			store_tx_changed(tx, &change, err) != 0) {
			return -1;
		}
		rc = store_stmt_step(&stmt, err);
	}
	return rc;
}

static int
show_unproven(const struct store_stmt *stmt,
	int (*fn)(void *ctx, const struct store_unproven *account, struct err *err),
	void *ctx, struct err *err)
{
	size_t len = 0;
	struct store_unproven account = {
		.name = store_stmt_text(stmt, 0, &len),
		.state = store_stmt_text(stmt, 1, &len),
		.message = store_stmt_text(stmt, 2, &len),
	};
	return fn(ctx, &account, err);
}

int
store_operator_unproven(struct store_conn *conn, int64_t limit,
	int (*fn)(void *ctx, const struct store_unproven *account, struct err *err),
	void *ctx, int64_t *out_count, struct err *err)
{
	STORE_STMT_AUTO stmt = { 0 };
	int64_t count = 0;
	if (store_stmt_open(&stmt, conn, STORE_STMT_OPERATOR_UNPROVEN,
		    "SELECT a.name, p.state, p.message FROM account_publish p JOIN "
		    "accounts a ON a.seq = p.account WHERE p.proven_generation < "
		    "p.reissue_generation ORDER BY p.message = '', p.account",
		    err) != 0) {
		return -1;
	}
	int rc = store_stmt_step(&stmt, err);
	while (rc > 0) {
		if (fn != NULL && count < limit &&
			show_unproven(&stmt, fn, ctx, err) != 0) {
			return -1;
		}
		count++;
		rc = store_stmt_step(&stmt, err);
	}
	if (rc == 0) {
		*out_count = count;
	}
	return rc;
}
