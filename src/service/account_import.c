/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "mint/exports.h"
#include "model/subject.h"
#include "service/import_cycle.h"
#include "service/sharing.h"
#include "store/publish.h"
#include "store/record.h"
#include "store/signing_key.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* All that decides whether the import is good, from one snapshot. */
struct look {
	struct work *work;
	struct sharing_party importer;
	int importer_found;
	struct sharing_party exporter;
	int exporter_found; /* 0: it is none of ours */
	struct mint_account offers; /* what the exporter exports */
	const struct jwt_export *export; /* that admits the import, or NULL */
	struct nkey_public token_issuer; /* of a token that is good so far */
	int64_t token_iat;
	bool has_token;
};

static void
look_release(struct look *look)
{
	mint_account_release(&look->offers);
	sharing_party_release(&look->exporter);
	sharing_party_release(&look->importer);
}

static struct account_import *
import_of(const struct look *look)
{
	return &look->work->after.account_import;
}

static bool
is_service(const struct account_import *import)
{
	return str_equal(import->type, "service");
}

static bool
same_key(const struct nkey_public *a, const struct nkey_public *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* ---- the import by itself ---- */

static void
check_shape(const struct account_import *import, struct violations *out)
{
	static const struct nkey_public none;
	struct err why = { 0 };
	if (same_key(&import->account, &none)) {
		violations_add(out, "account", VIOLATION_REQUIRED, "Cannot be blank.");
	}
	if (import->share && !is_service(import)) {
		violations_add(out, "share", VIOLATION_VALUE,
			"Only services have this, and it is a stream.");
	}
	if (import->allow_trace && is_service(import)) {
		violations_add(out, "allow_trace", VIOLATION_VALUE,
			"Only streams have this, and it is a service.");
	}
	if (import->local_subject[0] != '\0' &&
		mint_local_subject_check(import->local_subject, import->subject, &why) !=
			0) {
		violations_add(out, "local_subject", VIOLATION_SUBJECT, "Not usable: %s.",
			why.msg);
	}
}

/* ---- beside the other imports of the account ---- */

static int
check_other(const struct account_import *import, const char *local,
	const struct account_import *other, struct violations *out, struct err *err)
{
	if (!str_equal(import->type, other->type)) {
		return 0;
	}
	if (!is_service(import)) {
		if (same_key(&import->account, &other->account) &&
			str_equal(import->subject, other->subject)) {
			violations_add(out, "subject", VIOLATION_SUBJECT,
				"The account imports this stream already.");
		}
		return 0;
	}
	char *others = mint_local_pattern(other);
	if (others == NULL) {
		return err_nomem(err);
	}
	/* Newer servers take them from different exporters, older ones refuse the whole
	 * account; and all would ask both services. */
	if (subject_overlaps(local, others)) {
		violations_add(out,
			import->local_subject[0] != '\0' ? "local_subject" : "subject",
			VIOLATION_SUBJECT,
			"It overlaps with the imported service at \"%.60s\".", others);
	}
	free(others);
	return 0;
}

static int
check_others(const struct look *look, struct err *err)
{
	const struct account_import *import = import_of(look);
	struct violations *out = look->work->violations;
	const struct sharing_party *party = &look->importer;
	int64_t most = party->account.max_imports;
	if (look->work->is_create && most >= 0 && (int64_t)party->imports.len >= most) {
		violations_add(out, "account_id", VIOLATION_TOO_MANY,
			"The account may have %" PRId64 " imports (max_imports).", most);
	}
	char *local = mint_local_pattern(import);
	if (local == NULL) {
		return err_nomem(err);
	}
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < party->imports.len; i++) {
		const struct account_import *other = &party->imports.items[i];
		if (other->head.seq != import->head.seq) {
			rc = check_other(import, local, other, out, err);
		}
	}
	free(local);
	return rc;
}

/* ---- what the exporter offers ---- */

/* Why no export admits it. */
static void
tell_missing(const struct look *look, struct violations *out)
{
	const struct account_import *import = import_of(look);
	const struct jwt_account *offers = &look->offers.claims.as.account;
	char key[NKEY_TEXT_SIZE];
	nkey_text_encode(NKEY_ACCOUNT, &look->importer.account.public_key, key);
	for (size_t i = 0; i < offers->exports_len; i++) {
		if (mint_export_covers(&offers->exports[i], import)) {
			violations_add(out, "subject", VIOLATION_SUBJECT,
				"Token %" PRId64 " must be the key of the importing "
				"account, %s.",
				offers->exports[i].account_token_position, key);
			return;
		}
	}
	violations_add(out, "subject", VIOLATION_SUBJECT,
		"The account \"%.60s\" does not export this %s.",
		look->exporter.account.name, import->type);
}

static void
check_offer(struct look *look)
{
	struct violations *out = look->work->violations;
	const struct account *importer = &look->importer.account;
	const struct account_import *import = import_of(look);
	if (same_key(&import->account, &importer->public_key)) {
		violations_add(out, "account", VIOLATION_VALUE,
			"An account does not import from itself.");
	} else if (look->exporter_found == 0) {
		if (import->token[0] == '\0') {
			violations_add(out, "account", VIOLATION_MISSING_REL,
				"It is none of our accounts: an import from outside "
				"needs a token.");
		}
	} else if (!look->exporter.account.active) {
		violations_add(out, "account", VIOLATION_VALUE,
			"The account \"%.60s\" is suspended and exports nothing.",
			look->exporter.account.name);
	} else {
		look->export =
			mint_export_find(&look->offers, import, &importer->public_key);
		if (look->export == NULL) {
			tell_missing(look, out);
		}
	}
}

/* ---- tokens and revocations ---- */

static void
check_token(struct look *look)
{
	struct err why = { 0 };
	const struct account_import *import = import_of(look);
	int64_t now = clock_wall_s(look->work->service->clock);
	if (import->token[0] == '\0') {
		return;
	}
	look->has_token =
		mint_activation_check(import, &look->importer.account.public_key, now,
			&look->token_issuer, &look->token_iat, &why) == 0;
	if (!look->has_token) {
		violations_add(look->work->violations, "token", VIOLATION_VALUE,
			"Not usable: %s.", why.msg);
	}
}

/* Of an exporter of ours the keys that may have signed are known. */
static int
check_issuer(struct store_conn *conn, const struct look *look, struct err *err)
{
	struct store_signing_key *keys = NULL;
	size_t len = 0;
	const struct account *exporter = &look->exporter.account;
	bool known = same_key(&look->token_issuer, &exporter->public_key);
	if (store_signing_key_list(conn, exporter->head.seq, &keys, &len, err) != 0) {
		return -1;
	}
	for (size_t i = 0; i < len; i++) {
		known = known || same_key(&look->token_issuer, &keys[i].public_key);
	}
	free(keys);
	if (!known) {
		violations_add(look->work->violations, "token", VIOLATION_VALUE,
			"It is not signed by a key of the account \"%.60s\".",
			exporter->name);
	}
	return 0;
}

/* The entry that refuses the activation: while one stands, nothing new comes past it. */
static bool
is_refused(const struct look *look, const struct jwt_revocation *entry)
{
	char key[NKEY_TEXT_SIZE];
	const struct work *work = look->work;
	nkey_text_encode(NKEY_ACCOUNT, &look->importer.account.public_key, key);
	if (!str_equal(entry->key, "*") && !str_equal(entry->key, key)) {
		return false;
	}
	return look->has_token
		? look->token_iat <= entry->at
		: work->is_create || work->before.account_import.iat <= entry->at;
}

static void
check_revoked(const struct look *look)
{
	const struct work *work = look->work;
	const struct jwt_export *export = look->export;
	if (export == NULL || !export->token_req) {
		return;
	}
	for (size_t i = 0; i < export->revocations_len; i++) {
		if (is_refused(look, &export->revocations[i])) {
			violations_add(work->violations,
				look->has_token ? "token" : "account", VIOLATION_VALUE,
				"The account \"%.60s\" has revoked this for %s.",
				look->exporter.account.name,
				str_equal(export->revocations[i].key, "*")
					? "all accounts"
					: "this account");
			return;
		}
	}
}

/* ---- all together ---- */

static int
check_cycle(struct store_conn *conn, struct look *look, struct err *err)
{
	char path[IMPORT_CYCLE_PATH_SIZE] = "";
	struct work *work = look->work;
	if (import_cycle_find(conn, &look->importer.account, import_of(look),
		    &work->guards, path, err) != 0) {
		return -1;
	}
	if (path[0] != '\0') {
		violations_add(work->violations, "account", VIOLATION_VALUE,
			"The imports would go in a circle: %s.", path);
	}
	return 0;
}

/* Last: what the rules above have no words for. */
static int
check_claims(const struct look *look, struct err *err)
{
	struct mint_account mint = { 0 };
	int64_t now = clock_wall_s(look->work->service->clock);
	int rc = sharing_party_claims(&look->importer, NULL, import_of(look), &mint, err);
	if (rc == 0) {
		rc = mint_account_check(&mint, now, err);
	}
	mint_account_release(&mint);
	return rc;
}

static int
read_parties(struct store_conn *conn, struct look *look, struct err *err)
{
	const struct account_import *import = import_of(look);
	look->importer_found =
		sharing_party_read(conn, import->account_id, &look->importer, err);
	if (look->importer_found <= 0) {
		return look->importer_found;
	}
	look->exporter_found =
		sharing_party_read_key(conn, &import->account, &look->exporter, err);
	if (look->exporter_found <= 0) {
		return look->exporter_found;
	}
	if (mint_account_begin(&look->exporter.account, false, &look->offers, err) != 0) {
		return -1;
	}
	return sharing_read_claims(
		conn, look->exporter.account.head.seq, &look->offers, err);
}

/* A change that takes nothing else than before is not judged by what has become of the
 * exporter or the token meanwhile. */
static bool
takes_anew(const struct work *work)
{
	static const char *const content[] = { "subject", "type", "token", NULL };
	return work->is_create || work_changes_any(work, content);
}

static int
check_taken(struct store_conn *conn, struct look *look, struct err *err)
{
	check_offer(look);
	check_token(look);
	if (look->has_token && look->exporter_found > 0 &&
		check_issuer(conn, look, err) != 0) {
		return -1;
	}
	check_revoked(look);
	return 0;
}

static int
guard_parties(struct look *look, struct err *err)
{
	struct guards *guards = &look->work->guards;
	if (guards_add(guards, &look->importer.account.head, err) != 0) {
		return -1;
	}
	return look->exporter_found > 0
		? guards_add(guards, &look->exporter.account.head, err)
		: 0;
}

static int
judge(struct store_conn *conn, void *ctx, struct err *err)
{
	struct look *look = ctx;
	struct work *work = look->work;
	if (read_parties(conn, look, err) < 0) {
		return -1;
	}
	if (look->importer_found == 0) {
		violations_add(work->violations, "account_id", VIOLATION_MISSING_REL,
			"There is no account with this id.");
		return 0;
	}
	work->account_seq = look->importer.account.head.seq;
	if (guard_parties(look, err) != 0 ||
		(takes_anew(work) && check_taken(conn, look, err) != 0) ||
		check_others(look, err) != 0) {
		return -1;
	}
	if (work->violations->len > 0) {
		return 0; /* the answer names them all */
	}
	return check_cycle(conn, look, err);
}

static int
prepare(struct work *work, struct err *err)
{
	struct look look = { .work = work };
	int rc = 0;
	check_shape(&work->after.account_import, work->violations);
	if (work->violations->len > 0) {
		return 0;
	}
	if (work->is_create) {
		work->after.account_import.iat = clock_wall_s(work->service->clock);
	}
	rc = service_read(work->service, judge, &look, err);
	if (rc == 0 && work->violations->len == 0) {
		rc = check_claims(&look, err);
	}
	look_release(&look);
	return rc;
}

/* What the account calls it, and what that leads to. */
static const char *const moves[] = { "subject", "local_subject", "type", "token", NULL };

static int
write_import(struct store_tx *tx, struct work *work, struct err *err)
{
	static const char *const minted[] = { "name", "subject", "local_subject", "type",
		"token", "share", "allow_trace", NULL };
	if (guards_hold(tx, &work->guards, err) != 0 ||
		sharing_check_room(tx, work, err) != 0) {
		return -1;
	}
	if (!work->is_create && !work_changes_any(work, minted)) {
		return 0;
	}
	return store_publish_bump(tx, work->account_seq,
		!work->is_create && work_changes_any(work, moves), err);
}

static int
remove_import(struct store_tx *tx, struct work *work, struct err *err)
{
	const struct account_import *import = &work->before.account_import;
	struct account owner = { 0 };
	int rc = store_record_get(
		store_tx_conn(tx), &account_collection, import->account_id, &owner, err);
	if (rc == 0) {
		rc = store_export_touch_account(tx, &owner.head, err);
	}
	if (rc == 0) {
		rc = store_record_delete(tx, work->collection, &import->head, err);
	}
	if (rc == 0) {
		rc = store_publish_bump(tx, owner.head.seq, true, err);
	}
	record_release(&account_collection, &owner);
	return rc;
}

const struct record_ops account_import_ops = {
	.prepare = prepare,
	.write = write_import,
	.remove = remove_import,
};
