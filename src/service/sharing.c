/* SPDX-License-Identifier: Apache-2.0 */
#include "service/sharing.h"

#include "base/buf.h"
#include "base/str.h"
#include "mint/exports.h"
#include "model/limits.h"
#include "store/budget.h"
#include "store/record.h"

#include <stdlib.h>
#include <string.h>

/* ---- claims ---- */

static int
add_revocations(struct store_conn *conn, int64_t export, struct mint_account *mint,
	struct err *err)
{
	struct store_export_revocation *list = NULL;
	size_t len = 0;
	if (store_export_revocations(conn, export, &list, &len, err) != 0) {
		return -1;
	}
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < len; i++) {
		rc = mint_export_revoke(
			mint, list[i].is_all ? NULL : &list[i].importer, list[i].at, err);
	}
	free(list);
	return rc;
}

int
sharing_read_claims(struct store_conn *conn, int64_t account, struct mint_account *mint,
	struct err *err)
{
	struct store_exports exports = { 0 };
	struct store_imports imports = { 0 };
	int rc = store_export_list(conn, account, &exports, err);
	for (size_t i = 0; rc == 0 && i < exports.len; i++) {
		const struct account_export *export = &exports.items[i];
		rc = mint_export_add(mint, export, err);
		if (rc == 0) {
			rc = add_revocations(conn, export->head.seq, mint, err);
		}
	}
	if (rc == 0) {
		rc = store_import_list(conn, account, &imports, err);
	}
	for (size_t i = 0; rc == 0 && i < imports.len; i++) {
		rc = mint_import_add(mint, &imports.items[i], err);
	}
	store_imports_release(&imports);
	store_exports_release(&exports);
	return rc;
}

static int
activate(struct service *service, const struct nkey_public *importer,
	const struct store_activation *item, struct jwt_import *import, struct err *err)
{
	struct vault_seed issuer = sealed_seed(&item->issuer);
	struct mint_activation activation = {
		.issuer = &issuer,
		.exporter = item->exporter,
		.importer = *importer,
		.subject = import->subject,
		.type = import->type,
		.iat = item->iat,
	};
	struct buf token;
	buf_init(&token, LIMIT_TOKEN_BYTES);
	int rc = mint_activation(service->vault, &activation, &token, err);
	if (rc == 0) {
		rc = buf_finish(&token, err);
	}
	if (rc == 0) {
		import->token = buf_take(&token);
	}
	buf_release(&token);
	return rc;
}

int
sharing_activate(struct service *service, const struct nkey_public *importer,
	const struct store_activations *list, struct mint_account *mint, struct err *err)
{
	struct jwt_account *account = &mint->claims.as.account;
	for (size_t i = 0; i < list->len; i++) {
		const struct store_activation *item = &list->items[i];
		if (item->position >= account->imports_len) {
			continue; /* a tombstone takes nothing */
		}
		struct jwt_import *import = &account->imports[item->position];
		if (import->token == NULL &&
			mint_export_contains(item->export_subject, import->subject) &&
			activate(service, importer, item, import, err) != 0) {
			return -1;
		}
	}
	return 0;
}

/* ---- parties ---- */

void
sharing_party_release(struct sharing_party *party)
{
	store_imports_release(&party->imports);
	store_exports_release(&party->exports);
	record_release(&account_collection, &party->account);
}

static int
read_rest(struct store_conn *conn, struct sharing_party *out, struct err *err)
{
	int64_t seq = out->account.head.seq;
	if (store_export_list(conn, seq, &out->exports, err) != 0 ||
		store_import_list(conn, seq, &out->imports, err) != 0) {
		return -1;
	}
	return 1;
}

int
sharing_party_read(struct store_conn *conn, const char *id, struct sharing_party *out,
	struct err *err)
{
	if (store_record_get(conn, &account_collection, id, &out->account, err) != 0) {
		if (err->code != ERR_NOT_FOUND) {
			return -1;
		}
		err_clear(err);
		return 0;
	}
	return read_rest(conn, out, err);
}

int
sharing_party_read_key(struct store_conn *conn, const struct nkey_public *key,
	struct sharing_party *out, struct err *err)
{
	int64_t seq = 0;
	int rc = store_export_find_account(conn, key, &seq, err);
	if (rc <= 0) {
		return rc;
	}
	if (store_record_get_seq(conn, &account_collection, seq, &out->account, err) !=
		0) {
		return -1;
	}
	return read_rest(conn, out, err);
}

static int
add_exports(const struct sharing_party *party, const struct account_export *changed,
	struct mint_account *out, struct err *err)
{
	for (size_t i = 0; i < party->exports.len; i++) {
		const struct account_export *row = &party->exports.items[i];
		if ((changed == NULL || row->head.seq != changed->head.seq) &&
			mint_export_add(out, row, err) != 0) {
			return -1;
		}
	}
	return changed != NULL ? mint_export_add(out, changed, err) : 0;
}

static int
add_import(struct mint_account *out, const struct account_import *row, struct err *err)
{
	char empty[] = "";
	struct account_import without = *row;
	without.token = empty;
	return mint_import_add(out, &without, err);
}

static int
add_imports(const struct sharing_party *party, const struct account_import *changed,
	struct mint_account *out, struct err *err)
{
	for (size_t i = 0; i < party->imports.len; i++) {
		const struct account_import *row = &party->imports.items[i];
		if ((changed == NULL || row->head.seq != changed->head.seq) &&
			add_import(out, row, err) != 0) {
			return -1;
		}
	}
	return changed != NULL ? add_import(out, changed, err) : 0;
}

int
sharing_party_claims(const struct sharing_party *party,
	const struct account_export *export, const struct account_import *import,
	struct mint_account *out, struct err *err)
{
	/* What a suspended account says must be good on the day it comes back. */
	struct account account = party->account;
	account.active = true;
	if (mint_account_begin(&account, false, out, err) != 0 ||
		add_exports(party, export, out, err) != 0) {
		return -1;
	}
	return add_imports(party, import, out, err);
}

/* ---- guards ---- */

int
guards_add(struct guards *guards, const struct record_head *account, struct err *err)
{
	for (size_t i = 0; i < guards->len; i++) {
		if (guards->items[i].seq == account->seq) {
			return 0;
		}
	}
	struct record_head *grown =
		realloc(guards->items, (guards->len + 1) * sizeof(*grown));
	if (grown == NULL) {
		return err_nomem(err);
	}
	guards->items = grown;
	grown[guards->len++] = *account;
	return 0;
}

int
guards_hold(struct store_tx *tx, const struct guards *guards, struct err *err)
{
	for (size_t i = 1; i < guards->len; i++) {
		if (store_export_check_account(tx, &guards->items[i], err) != 0) {
			return -1;
		}
	}
	return guards->len > 0 ? store_export_touch_account(tx, &guards->items[0], err)
			       : 0;
}

/* ---- room ---- */

static size_t
text_bytes(const struct collection *collection, const void *row)
{
	size_t bytes = 0;
	for (size_t i = 0; i < collection->field_count; i++) {
		const struct field *field = &collection->fields[i];
		if (field->type == FIELD_TEXT && field->offset != FIELD_NO_OFFSET) {
			bytes += strlen(*(char *const *)record_member_const(field, row));
		}
	}
	return bytes;
}

int
sharing_check_room(struct store_tx *tx, const struct work *work, struct err *err)
{
	int64_t bytes = 0;
	if (!work->is_create &&
		text_bytes(work->collection, &work->after) <=
			text_bytes(work->collection, &work->before)) {
		return 0;
	}
	if (store_budget_account(store_tx_conn(tx), work->account_seq, &bytes, err) !=
		0) {
		return -1;
	}
	return budget_check(bytes, BUDGET_SHARING, err);
}

/* ---- deleting an account ---- */

static int
refuse_importers(struct store_conn *conn, const struct store_imports *imports,
	const struct account *exporter, struct err *err)
{
	enum { NAMES_SIZE = 100, NAMES_MAX = 3 };
	char names[NAMES_SIZE] = "";
	char last_id[RAND_ID_SIZE] = "";
	size_t count = 0;
	for (size_t i = 0; i < imports->len; i++) {
		struct account importer = { 0 };
		const char *id = imports->items[i].account_id;
		if (str_equal(id, last_id)) {
			continue;
		}
		str_fmt_cut(last_id, sizeof(last_id), "%s", id);
		count++;
		if (count > NAMES_MAX) {
			continue;
		}
		if (store_record_get(conn, &account_collection, id, &importer, err) !=
			0) {
			return -1;
		}
		char before[NAMES_SIZE];
		str_fmt_cut(before, sizeof(before), "%s", names);
		str_fmt_cut(names, sizeof(names), "%s%s\"%.28s\"", before,
			count > 1 ? ", " : "", importer.name);
		record_release(&account_collection, &importer);
	}
	return err_set(err, ERR_CONFLICT,
		"%s%s import%s from \"%.40s\". Delete those imports first.", names,
		count > NAMES_MAX ? " and others" : "", count == 1 ? "s" : "",
		exporter->name);
}

int
sharing_remove_account(
	struct store_tx *tx, const struct account *account, struct err *err)
{
	struct store_conn *conn = store_tx_conn(tx);
	struct store_imports imports = { 0 };
	int rc = store_import_list_from(
		conn, &account->public_key, account->head.seq, &imports, err);
	if (rc == 0 && imports.len > 0) {
		rc = refuse_importers(conn, &imports, account, err);
	}
	if (rc == 0) {
		rc = store_export_delete_all(tx, account->head.seq, err);
	}
	store_imports_release(&imports);
	return rc;
}
