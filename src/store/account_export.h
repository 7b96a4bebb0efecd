/* SPDX-License-Identifier: Apache-2.0
 * What exports and imports need beyond store/record.h. */
#ifndef STORE_ACCOUNT_EXPORT_H
#define STORE_ACCOUNT_EXPORT_H

#include "base/nkey_text.h"
#include "model/account_export.h"
#include "model/account_import.h"
#include "store/store.h"
#include "store/vault.h"

/* Rows in the order of their creation; _release frees them and zeroes the list. */
struct store_exports {
	struct account_export *items;
	size_t len;
};
void store_exports_release(struct store_exports *list);

/* All exports of the account. The caller releases *out, also after an error. */
int store_export_list(struct store_conn *conn, int64_t account, struct store_exports *out,
	struct err *err) MUST_CHECK;

struct store_imports {
	struct account_import *items;
	size_t len;
};
void store_imports_release(struct store_imports *list);

/* All imports of the account. */
int store_import_list(struct store_conn *conn, int64_t account, struct store_imports *out,
	struct err *err) MUST_CHECK;

/* All imports of our accounts from the exporter; not those of `but` (0: of all). */
int store_import_list_from(struct store_conn *conn, const struct nkey_public *exporter,
	int64_t but, struct store_imports *out, struct err *err) MUST_CHECK;

/* The account that has this key and is not deleted: 1 found, 0 none, -1 error. */
int store_export_find_account(struct store_conn *conn, const struct nkey_public *key,
	int64_t *out_seq, struct err *err) MUST_CHECK;

/* An account's version stands for its exports and imports too: nothing of it was written
 * since it was read with this version, or ERR_STALE. */
int store_export_check_account(struct store_tx *tx, const struct record_head *account,
	struct err *err) MUST_CHECK;

/* The same, and it is another version from now on. */
int store_export_touch_account(struct store_tx *tx, const struct record_head *account,
	struct err *err) MUST_CHECK;

/* ---- revoked activations ---- */

/* is_all: of every importer. */
struct store_export_revocation {
	bool is_all;
	struct nkey_public importer;
	int64_t at; /* unix seconds */
};

/* All of the export; the caller frees *out. */
int store_export_revocations(struct store_conn *conn, int64_t export,
	struct store_export_revocation **out, size_t *out_len,
	struct err *err) MUST_CHECK;

/* Sets the entry of the importer (NULL: of all), never back in time; one of all takes the
 * place of the older ones. */
int store_export_revocation_put(struct store_tx *tx, int64_t export,
	const struct nkey_public *importer, int64_t at, struct err *err) MUST_CHECK;

int store_export_revocation_delete(struct store_tx *tx, int64_t export,
	const struct nkey_public *importer, struct err *err) MUST_CHECK;

/* The activation that natsid mints for the import is dated `iat` from now on. */
int store_import_reissue(
	struct store_tx *tx, int64_t import, int64_t iat, struct err *err) MUST_CHECK;

/* ---- activations to mint ---- */

/* An import of ours without a token, and an export of ours of its type that asks for one;
 * whether it is the one that covers the subject is for the caller to see. */
struct store_activation {
	size_t position; /* of the import among those of the account, from 0 */
	int64_t iat;
	struct nkey_public exporter;
	char *export_subject; /* owned */
	struct store_vault_seed issuer; /* the exporter's plain key that signs now */
};

/* Of all imports of the account, in their order. */
struct store_activations {
	struct store_activation *items;
	size_t len;
};
void store_activations_release(struct store_activations *list);
int store_activation_list(struct store_conn *conn, int64_t account,
	struct store_activations *out, struct err *err) MUST_CHECK;

/* ---- with the account ---- */

/* Deletes all exports and imports of the account. */
int
store_export_delete_all(struct store_tx *tx, int64_t account, struct err *err) MUST_CHECK;

#endif
