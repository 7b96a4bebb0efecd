/* SPDX-License-Identifier: Apache-2.0
 * Exports and imports as claims of an account, and the activations that some of them
 * need. */
#ifndef MINT_EXPORTS_H
#define MINT_EXPORTS_H

#include "mint/account.h"
#include "model/account_export.h"
#include "model/account_import.h"

#include <stdbool.h>

/* Adds the export; a tombstone offers nothing. */
int mint_export_add(struct mint_account *mint, const struct account_export *row,
	struct err *err) MUST_CHECK;

/* Activations of the export that was added last, issued to the importer (NULL: to all)
 * up to `at`, are refused. */
int mint_export_revoke(struct mint_account *mint, const struct nkey_public *importer,
	int64_t at, struct err *err) MUST_CHECK;

/* Adds the import with its own token, if it has one; a tombstone takes nothing. */
int mint_import_add(struct mint_account *mint, const struct account_import *row,
	struct err *err) MUST_CHECK;

/* ---- what goes with what ---- */

/* The server's own notion: its library also takes "a.>" for a part of "a.*". Both are
 * valid subjects. */
bool mint_export_contains(const char *outer, const char *inner);

/* The export is of the import's type and covers its subject, whoever imports it. */
bool
mint_export_covers(const struct jwt_export *export, const struct account_import *import);

/* The subject has the importer's key where the export wants to see it. */
bool mint_export_names(const struct jwt_export *export,
	const struct account_import *import, const struct nkey_public *importer);

/* Both. */
bool mint_export_admits(const struct jwt_export *export,
	const struct account_import *import, const struct nkey_public *importer);

/* The export that admits the import, or NULL. */
const struct jwt_export *mint_export_find(const struct mint_account *exporter,
	const struct account_import *import, const struct nkey_public *importer);

/* ---- local subjects ---- */

/* What the subject may be called: all of its wildcards, each once, as `*` in their order
 * or as $1, $2, ... in any. ERR_INVALID with the reason. Both are valid subjects. */
int mint_local_subject_check(
	const char *local, const char *subject, struct err *err) MUST_CHECK;

/* What the import is called in its account, with `*` for $1, $2, ...; NULL when out of
 * memory. The caller frees. */
char *mint_local_pattern(const struct account_import *import) MUST_CHECK;

/* What requests on the subject, which may have wildcards, become in the exporter's
 * account when they go through the import: NULL in *out when none of them does. The
 * caller frees. The import's subjects fit each other. */
int mint_local_follow(const struct account_import *import, const char *subject,
	char **out, struct err *err) MUST_CHECK;

/* ---- activations ---- */

/* Allows the importer to take the subject. Equal parameters are an equal token. */
struct mint_activation {
	const struct vault_seed *issuer; /* a signing key of the exporter */
	struct nkey_public exporter;
	struct nkey_public importer;
	const char *subject;
	enum jwt_export_type type;
	int64_t iat; /* unix seconds */
};
int mint_activation(const struct vault *vault, const struct mint_activation *activation,
	struct buf *out, struct err *err) MUST_CHECK;

/* A token from outside: signed, in time, and for this import of this account.
 * *out_issuer is the key that signed it, the exporter's own or, as it says, one of the
 * exporter's signing keys. ERR_INVALID with the reason. */
int mint_activation_check(const struct account_import *import,
	const struct nkey_public *importer, int64_t now_s, struct nkey_public *out_issuer,
	int64_t *out_iat, struct err *err) MUST_CHECK;

#endif
