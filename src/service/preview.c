/* SPDX-License-Identifier: Apache-2.0 */
#include "service/preview.h"

#include "base/str.h"
#include "service/account_claims.h"
#include "store/account.h"
#include "store/record.h"

#include <stdlib.h>
#include <string.h>

void
preview_release(struct preview *preview)
{
	for (size_t i = 0; i < preview->accounts_len; i++) {
		struct preview_account *account = &preview->accounts[i];
		free(account->name);
		free(account->before);
		free(account->after);
		mint_cut_release(&account->cut);
		mint_account_release(&account->claims_before);
		mint_account_release(&account->claims_after);
	}
	*preview = (struct preview){ 0 };
}

/* *out_text stays NULL where the claims are too large to be told. */
static int
read_claims(struct store_conn *conn, int64_t seq, struct mint_account *out,
	char **out_name, char **out_text, struct err *err)
{
	struct account row = { 0 };
	struct err why = { 0 };
	struct buf text;
	int64_t deleted = 0;
	int rc = -1;
	buf_init(&text, PREVIEW_CLAIMS_MAX);
	if (store_record_get_seq(conn, &account_collection, seq, &row, err) != 0 ||
		store_account_deleted(conn, seq, &deleted, err) != 0 ||
		account_claims_read(conn, &row, deleted != 0, out, err) != 0) {
		goto out;
	}
	if (mint_account_body(out, &text, &why) == 0) {
		*out_text = buf_take(&text);
	} else if (why.code != ERR_TOO_LARGE) {
		*err = why;
		goto out;
	}
	if (out_name != NULL) {
		*out_name = row.name;
		row.name = NULL;
	}
	rc = 0;
out:
	buf_release(&text);
	record_release(&account_collection, &row);
	return rc;
}

static struct preview_account *
find_account(struct preview *preview, int64_t seq)
{
	for (size_t i = 0; i < preview->accounts_len; i++) {
		if (preview->accounts[i].seq == seq) {
			return &preview->accounts[i];
		}
	}
	return NULL;
}

/* A write may want an account more than once; only those that are told in full are told
 * apart, of the others each counts once, since one statement bumps them. */
static int
add_account(struct store_conn *conn, struct preview *preview,
	const struct store_change *change, struct err *err)
{
	struct preview_account *account = find_account(preview, change->seq);
	if (account != NULL) {
		account->urgent = account->urgent || change->urgent;
		return 0;
	}
	preview->accounts_total++;
	if (preview->accounts_len == PREVIEW_ACCOUNTS_MAX) {
		return 0;
	}
	account = &preview->accounts[preview->accounts_len++];
	account->seq = change->seq;
	account->urgent = change->urgent;
	memcpy(account->id, change->id, sizeof(account->id));
	return read_claims(conn, change->seq, &account->claims_after, &account->name,
		&account->after, err);
}

/* Inside of the transaction, behind all that the write does: what it wants. */
static int
take(struct store_tx *tx, struct preview *preview, struct err *err)
{
	size_t len = 0;
	const struct store_change *changes = store_tx_changes(tx, &len);
	for (size_t i = 0; i < len; i++) {
		if (changes[i].action == STORE_WANTED &&
			add_account(store_tx_conn(tx), preview, &changes[i], err) != 0) {
			return -1;
		}
	}
	preview->taken = true;
	return 0;
}

struct trial {
	store_write_fn fn;
	void *ctx;
	struct preview *preview;
};

/* Fails in any case, so that all of it is undone. */
static int
try_write(struct store_tx *tx, void *ctx, struct err *err)
{
	struct trial *trial = ctx;
	if (trial->fn(tx, trial->ctx, err) != 0 || take(tx, trial->preview, err) != 0) {
		return -1;
	}
	return err_set(err, ERR_CONFLICT, "not written: only asked for");
}

static int
compare(struct store_conn *conn, struct preview_account *account, struct err *err)
{
	struct err why = { 0 };
	const char *key = account->claims_after.claims.sub;
	str_fmt_cut(account->key, sizeof(account->key), "%s", key);
	if (read_claims(conn, account->seq, &account->claims_before, NULL,
		    &account->before, &why) != 0) {
		/* an account that the write makes is not there */
		account->changes = true;
		if (why.code == ERR_NOT_FOUND) {
			return 0;
		}
		*err = why;
		return -1;
	}
	account->changes = account->before == NULL || account->after == NULL ||
		!str_equal(account->before, account->after) ||
		!str_equal(account->claims_before.claims.name,
			account->claims_after.claims.name);
	return mint_diff(
		&account->claims_before, &account->claims_after, &account->cut, err);
}

static int
compare_all(struct store_conn *conn, struct preview *preview, struct err *err)
{
	for (size_t i = 0; i < preview->accounts_len; i++) {
		if (compare(conn, &preview->accounts[i], err) != 0) {
			return -1;
		}
	}
	return 0;
}

int
preview_write(struct store *store, store_write_fn fn, void *ctx, struct preview *preview,
	struct err *err)
{
	struct trial trial = { .fn = fn, .ctx = ctx, .preview = preview };
	struct store_conn *conn = NULL;
	if (preview == NULL) {
		return store_write(store, fn, ctx, err);
	}
	if (store_write(store, try_write, &trial, err) != 0 && !preview->taken) {
		return -1;
	}
	err_clear(err);
	if (store_read_begin(store, &conn, err) != 0) {
		return -1;
	}
	int rc = compare_all(conn, preview, err);
	store_read_end(store, conn);
	return rc;
}
