/* SPDX-License-Identifier: Apache-2.0 */
#include "service/export.h"

#include "base/str.h"
#include "mint/exports.h"
#include "model/subject.h"
#include "service/sharing.h"
#include "store/budget.h"
#include "store/publish.h"
#include "store/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool
is_service(const struct account_export *export)
{
	return str_equal(export->type, "service");
}

/* ---- what an export by itself must be like ---- */

static void
check_service_fields(const struct account_export *export, struct violations *out)
{
	const struct {
		const char *field;
		bool given;
	} fields[] = {
		{ "response_type", export->response_type[0] != '\0' },
		{ "response_threshold", export->response_threshold != 0 },
		{ "latency_sampling", export->latency_sampling != 0 },
		{ "latency_headers", export->latency_headers },
		{ "latency_results", export->latency_results[0] != '\0' },
		{ "allow_trace", export->allow_trace },
	};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (fields[i].given) {
			violations_add(out, fields[i].field, VIOLATION_VALUE,
				"Only services have this, and it is a stream.");
		}
	}
}

static void
check_latency(const struct account_export *export, struct violations *out)
{
	bool measured = export->latency_sampling != 0 || export->latency_headers;
	if (export->latency_sampling != 0 && export->latency_headers) {
		violations_add(out, "latency_headers", VIOLATION_VALUE,
			"Either headers say what is measured or latency_sampling, not "
			"both.");
	}
	if (measured && export->latency_results[0] == '\0') {
		violations_add(out, "latency_results", VIOLATION_REQUIRED,
			"Measurements need a subject to go to.");
	}
	if (!measured && export->latency_results[0] != '\0') {
		violations_add(out, "latency_sampling", VIOLATION_REQUIRED,
			"Say how many percent of the requests are measured, or set "
			"latency_headers.");
	}
}

static void
check_token_position(const struct account_export *export, struct violations *out)
{
	int64_t position = export->account_token_position;
	const char *token = export->subject;
	if (position == 0) {
		return;
	}
	for (int64_t i = 1; i < position && token != NULL; i++) {
		token = strchr(token, '.');
		token = token != NULL ? token + 1 : NULL;
	}
	if (token == NULL || token[0] != '*' || (token[1] != '.' && token[1] != '\0')) {
		violations_add(out, "account_token_position", VIOLATION_VALUE,
			"Token %" PRId64 " of the subject must be \"*\".", position);
	}
	if (export->token_req) {
		violations_add(out, "token_req", VIOLATION_VALUE,
			"Servers ask for no token where account_token_position says who "
			"may import.");
	}
}

static void
check_shape(const struct account_export *export, struct violations *out)
{
	if (is_service(export)) {
		check_latency(export, out);
	} else {
		check_service_fields(export, out);
	}
	check_token_position(export, out);
}

/* ---- what it must be like beside the others of its account ---- */

static void
check_limits(const struct sharing_party *owner, const struct account_export *export,
	bool is_new, struct violations *out)
{
	int64_t most = owner->account.max_exports;
	if (is_new && most >= 0 && (int64_t)owner->exports.len >= most) {
		violations_add(out, "account_id", VIOLATION_TOO_MANY,
			"The account may have %" PRId64 " exports (max_exports).", most);
	}
	if (!owner->account.allow_wildcard_exports &&
		subject_has_wildcard(export->subject)) {
		violations_add(out, "subject", VIOLATION_SUBJECT,
			"The account may not export wildcards "
			"(allow_wildcard_exports).");
	}
}

static bool
is_guarded(const struct account_export *export)
{
	return export->token_req || export->account_token_position != 0;
}

/* Servers refuse an account whose exports contain one another. Those that only overlap
 * they take, and then let an import in by either: by chance. */
static void
check_others(const struct sharing_party *owner, const struct account_export *export,
	struct violations *out)
{
	for (size_t i = 0; i < owner->exports.len; i++) {
		const struct account_export *other = &owner->exports.items[i];
		if (other->head.seq == export->head.seq ||
			!str_equal(other->type, export->type)) {
			continue;
		}
		if (mint_export_contains(other->subject, export->subject) ||
			mint_export_contains(export->subject, other->subject)) {
			violations_add(out, "subject", VIOLATION_SUBJECT,
				"It overlaps with the %s \"%.60s\" that the account "
				"exports already.",
				other->type, other->subject);
		} else if ((is_guarded(export) || is_guarded(other)) &&
			subject_overlaps(export->subject, other->subject)) {
			violations_add(out, "subject", VIOLATION_SUBJECT,
				"It overlaps with the export \"%.60s\": only where "
				"neither asks for a token or an account may they.",
				other->subject);
		}
	}
}

/* Last: what the rules above have no words for. */
static int
check_claims(struct work *work, const struct sharing_party *owner, struct err *err)
{
	struct mint_account mint = { 0 };
	int rc = sharing_party_claims(
		owner, &work->after.account_export, NULL, &mint, err);
	if (rc == 0) {
		rc = mint_account_check(&mint, clock_wall_s(work->service->clock), err);
	}
	mint_account_release(&mint);
	return rc;
}

struct look {
	struct work *work;
	struct sharing_party owner;
	int found;
};

static int
read_owner(struct store_conn *conn, void *ctx, struct err *err)
{
	struct look *look = ctx;
	look->found = sharing_party_read(
		conn, look->work->after.account_export.account_id, &look->owner, err);
	return look->found < 0 ? -1 : 0;
}

static int
check_beside(struct look *look, struct err *err)
{
	struct work *work = look->work;
	const struct account_export *export = &work->after.account_export;
	if (look->found == 0) {
		violations_add(work->violations, "account_id", VIOLATION_MISSING_REL,
			"There is no account with this id.");
		return 0;
	}
	work->account_seq = look->owner.account.head.seq;
	check_limits(&look->owner, export, work->is_create, work->violations);
	check_others(&look->owner, export, work->violations);
	if (work->violations->len > 0) {
		return 0; /* the answer names them all */
	}
	if (guards_add(&work->guards, &look->owner.account.head, err) != 0) {
		return -1;
	}
	return check_claims(work, &look->owner, err);
}

static int
prepare(struct work *work, struct err *err)
{
	struct look look = { .work = work };
	check_shape(&work->after.account_export, work->violations);
	int rc = service_read(work->service, read_owner, &look, err);
	if (rc == 0) {
		rc = check_beside(&look, err);
	}
	sharing_party_release(&look.owner);
	return rc;
}

/* ---- imports that stand on it ---- */

struct stand {
	const struct jwt_export *before; /* as the imports know it */
	const struct mint_account *now; /* what the account exports after the change */
	struct account importer; /* of the import looked at last */
	size_t fallen;
	char name[64]; /* of the first importer that would fall, */
	char subject[64]; /* and what it imports */
};

static int
look_at_import(struct store_conn *conn, struct stand *stand,
	const struct account_import *import, struct err *err)
{
	if (!mint_export_covers(stand->before, import)) {
		return 0;
	}
	if (!str_equal(stand->importer.head.id, import->account_id)) {
		record_release(&account_collection, &stand->importer);
		if (store_record_get(conn, &account_collection, import->account_id,
			    &stand->importer, err) != 0) {
			return -1;
		}
	}
	const struct nkey_public *key = &stand->importer.public_key;
	if (!mint_export_names(stand->before, import, key) ||
		mint_export_find(stand->now, import, key) != NULL) {
		return 0;
	}
	if (stand->fallen++ == 0) {
		str_fmt_cut(stand->name, sizeof(stand->name), "%s", stand->importer.name);
		str_fmt_cut(
			stand->subject, sizeof(stand->subject), "%s", import->subject);
	}
	return 0;
}

static int
look_at_imports(struct store_conn *conn, struct stand *stand,
	const struct nkey_public *exporter, struct err *err)
{
	struct store_imports imports = { 0 };
	int rc = store_import_list_from(conn, exporter, 0, &imports, err);
	for (size_t i = 0; rc == 0 && i < imports.len; i++) {
		rc = look_at_import(conn, stand, &imports.items[i], err);
	}
	record_release(&account_collection, &stand->importer);
	store_imports_release(&imports);
	if (rc != 0 || stand->fallen == 0) {
		return rc;
	}
	return err_set(err, ERR_CONFLICT,
		"The account \"%s\" imports \"%s\" from it%s. Change or delete what is "
		"imported first.",
		stand->name, stand->subject,
		stand->fallen > 1 ? ", and there are more imports" : "");
}

/* After the row was written or removed: nobody imports what is not exported any more. */
static int
check_importers(struct store_tx *tx, const struct account_export *before, struct err *err)
{
	struct store_conn *conn = store_tx_conn(tx);
	struct sharing_party owner = { 0 };
	struct mint_account now = { 0 };
	struct mint_account one = { .claims = { .type = JWT_ACCOUNT } };
	int rc = sharing_party_read(conn, before->account_id, &owner, err);
	if (rc > 0) {
		rc = sharing_party_claims(&owner, NULL, NULL, &now, err);
	}
	if (rc == 0) {
		rc = mint_export_add(&one, before, err);
	}
	if (rc == 0) {
		struct stand stand = {
			.before = &one.claims.as.account.exports[0],
			.now = &now,
		};
		rc = look_at_imports(conn, &stand, &owner.account.public_key, err);
	}
	mint_account_release(&one);
	mint_account_release(&now);
	sharing_party_release(&owner);
	return rc;
}

/* ---- writing ---- */

/* Could somebody lose what he has? */
static bool
narrows(const struct account_export *before, const struct account_export *after)
{
	return !str_equal(before->type, after->type) ||
		!subject_contains(after->subject, before->subject) ||
		(after->account_token_position != 0 &&
			after->account_token_position != before->account_token_position);
}

/* Whether activations are needed, and so what the importers' JWTs say. */
static int
bump_importers(struct store_tx *tx, const struct account_export *export, struct err *err)
{
	struct account account = { 0 };
	int rc = store_record_get(store_tx_conn(tx), &account_collection,
		export->account_id, &account, err);
	if (rc == 0) {
		rc = store_publish_bump_importers(tx, &account.public_key, err);
	}
	record_release(&account_collection, &account);
	return rc;
}

static int
write_change(struct store_tx *tx, struct work *work, struct err *err)
{
	const struct account_export *before = &work->before.account_export;
	const struct account_export *after = &work->after.account_export;
	bool takes = narrows(before, after);
	bool guards = before->token_req != after->token_req;
	if (takes && check_importers(tx, before, err) != 0) {
		return -1;
	}
	/* Servers that ask for tokens let only those in that show one: the tokens come
	 * first in the order of the pushes, or at least at the same time. */
	if ((guards || (takes && after->token_req)) &&
		bump_importers(tx, after, err) != 0) {
		return -1;
	}
	return store_publish_bump(
		tx, work->account_seq, takes || (guards && after->token_req), err);
}

static int
write_export(struct store_tx *tx, struct work *work, struct err *err)
{
	if (guards_hold(tx, &work->guards, err) != 0 ||
		sharing_check_room(tx, work, err) != 0) {
		return -1;
	}
	return work->is_create ? store_publish_bump(tx, work->account_seq, false, err)
			       : write_change(tx, work, err);
}

/* The row of the owner, in the transaction: another version from now on. */
static int
touch_owner(
	struct store_tx *tx, const char *account_id, struct account *out, struct err *err)
{
	if (store_record_get(
		    store_tx_conn(tx), &account_collection, account_id, out, err) != 0) {
		return -1;
	}
	return store_export_touch_account(tx, &out->head, err);
}

static int
remove_export(struct store_tx *tx, struct work *work, struct err *err)
{
	const struct account_export *export = &work->before.account_export;
	struct account owner = { 0 };
	int rc = touch_owner(tx, export->account_id, &owner, err);
	if (rc == 0) {
		rc = store_record_delete(tx, work->collection, &export->head, err);
	}
	if (rc == 0) {
		rc = check_importers(tx, export, err);
	}
	if (rc == 0) {
		rc = store_publish_bump(tx, owner.head.seq, true, err);
	}
	record_release(&account_collection, &owner);
	return rc;
}

const struct record_ops account_export_ops = {
	.prepare = prepare,
	.write = write_export,
	.remove = remove_export,
};

/* ---- revoking activations ---- */

struct verb_work {
	const struct actor *actor;
	const char *id;
	const struct nkey_public *importer; /* NULL: all */
	struct account_export export;
	struct account owner;
	struct store_export_revocation *entries; /* before the change */
	size_t entries_len;
	size_t reissued; /* imports that got another activation */
};

static void
verb_release(struct verb_work *verb)
{
	free(verb->entries);
	record_release(&account_collection, &verb->owner);
	record_release(&account_export_collection, &verb->export);
}

/* Up to when activations of the importer (NULL: of all) are refused by an entry of just
 * that; 0: there is none. */
static int64_t
entry_at(const struct verb_work *verb, const struct nkey_public *importer)
{
	for (size_t i = 0; i < verb->entries_len; i++) {
		const struct store_export_revocation *entry = &verb->entries[i];
		bool is_it = importer == NULL ? entry->is_all
					      : !entry->is_all &&
				memcmp(&entry->importer, importer, sizeof(*importer)) ==
					0;
		if (is_it) {
			return entry->at;
		}
	}
	return 0;
}

static int
begin_verb(struct store_tx *tx, struct verb_work *verb, struct err *err)
{
	struct store_conn *conn = store_tx_conn(tx);
	if (store_record_get(conn, &account_export_collection, verb->id, &verb->export,
		    err) != 0 ||
		store_export_revocations(conn, verb->export.head.seq, &verb->entries,
			&verb->entries_len, err) != 0) {
		return -1;
	}
	return touch_owner(tx, verb->export.account_id, &verb->owner, err);
}

static int
end_verb(struct store_tx *tx, const struct verb_work *verb, const char *action,
	bool urgent, struct err *err)
{
	if (store_publish_bump(tx, verb->owner.head.seq, urgent, err) != 0) {
		return -1;
	}
	return service_audit(tx, verb->actor, action, &account_export_collection,
		verb->export.head.id, NULL, err);
}

/* Revokes what may be dated ahead of the clock too. */
static int
find_last_iat(struct store_conn *conn, const struct verb_work *verb, int64_t *at,
	struct err *err)
{
	struct store_imports imports = { 0 };
	int rc = store_import_list_from(conn, &verb->owner.public_key, 0, &imports, err);
	for (size_t i = 0; rc == 0 && i < imports.len; i++) {
		*at = imports.items[i].iat > *at ? imports.items[i].iat : *at;
	}
	store_imports_release(&imports);
	return rc;
}

/* One entry of all takes the place of many. */
static int
check_room(struct store_tx *tx, const struct verb_work *verb, struct err *err)
{
	int64_t bytes = 0;
	if (store_budget_account(store_tx_conn(tx), verb->owner.head.seq, &bytes, err) !=
		0) {
		return -1;
	}
	if (budget_check(bytes, BUDGET_DELETES, err) == 0) {
		return 0;
	}
	return err_set(err, ERR_CONFLICT,
		"The account's JWT has no room for this. Revoke \"*\" instead, and "
		"allow those that stay.");
}

static int
run_revoke(struct store_tx *tx, void *ctx, struct err *err)
{
	struct verb_work *verb = ctx;
	int64_t at = store_tx_now(tx) / 1000;
	if (begin_verb(tx, verb, err) != 0) {
		return -1;
	}
	if (!verb->export.token_req) {
		return err_set(err, ERR_CONFLICT,
			"Importing this needs no activation, so none can be revoked. Set "
			"token_req.");
	}
	if (find_last_iat(store_tx_conn(tx), verb, &at, err) != 0 ||
		store_export_revocation_put(
			tx, verb->export.head.seq, verb->importer, at, err) != 0) {
		return -1;
	}
	if (verb->importer != NULL && check_room(tx, verb, err) != 0) {
		return -1;
	}
	return end_verb(tx, verb, "revoke", true, err);
}

/* A new activation for one import, if the verb means its account, past all that was said
 * of it. */
static int
reissue(struct store_tx *tx, struct verb_work *verb, const struct account_import *import,
	struct err *err)
{
	struct account importer = { 0 };
	if (store_record_get(store_tx_conn(tx), &account_collection, import->account_id,
		    &importer, err) != 0) {
		return -1;
	}
	const struct nkey_public *key = &importer.public_key;
	int64_t own = entry_at(verb, key);
	int64_t all = entry_at(verb, NULL);
	int64_t at = own > all ? own : all;
	bool meant = verb->importer != NULL
		? memcmp(verb->importer, key, sizeof(*key)) == 0
		: own == 0; /* who was revoked by name stays out */
	int rc = 0;
	if (meant && import->iat <= at) {
		verb->reissued++;
		rc = store_import_reissue(tx, import->head.seq, at + 1, err);
		if (rc == 0) {
			rc = store_publish_bump(tx, importer.head.seq, false, err);
		}
	}
	record_release(&account_collection, &importer);
	return rc;
}

static int
reissue_all(struct store_tx *tx, struct verb_work *verb, struct err *err)
{
	struct store_imports imports = { 0 };
	struct mint_account one = { .claims = { .type = JWT_ACCOUNT } };
	int rc = mint_export_add(&one, &verb->export, err);
	if (rc == 0) {
		rc = store_import_list_from(
			store_tx_conn(tx), &verb->owner.public_key, 0, &imports, err);
	}
	for (size_t i = 0; rc == 0 && i < imports.len; i++) {
		const struct account_import *import = &imports.items[i];
		if (import->token[0] == '\0' &&
			mint_export_covers(&one.claims.as.account.exports[0], import)) {
			rc = reissue(tx, verb, import, err);
		}
	}
	mint_account_release(&one);
	store_imports_release(&imports);
	return rc;
}

static int
run_allow(struct store_tx *tx, void *ctx, struct err *err)
{
	struct verb_work *verb = ctx;
	if (begin_verb(tx, verb, err) != 0 || reissue_all(tx, verb, err) != 0) {
		return -1;
	}
	if (entry_at(verb, verb->importer) == 0 && verb->reissued == 0) {
		return err_set(err, ERR_CONFLICT, "%s",
			verb->importer == NULL ? "It is not revoked for all."
				: entry_at(verb, NULL) != 0
				? "It is revoked for all, and this account has no import "
				  "of it. Allow \"*\" first."
				: "Nothing is revoked for this account.");
	}
	if (store_export_revocation_delete(
		    tx, verb->export.head.seq, verb->importer, err) != 0) {
		return -1;
	}
	return end_verb(tx, verb, "allow", false, err);
}

static int
run_verb(struct service *service, const struct actor *actor, const char *id,
	const struct nkey_public *importer, store_write_fn fn, struct preview *preview,
	struct err *err)
{
	struct verb_work verb = { .actor = actor, .id = id, .importer = importer };
	if (authorise(actor, VERB_UPDATE, &account_export_collection, NULL, err) != 0) {
		return -1;
	}
	int rc = service_write(service, actor, fn, &verb, preview, err);
	verb_release(&verb);
	return rc;
}

int
service_export_revoke(struct service *service, const struct actor *actor, const char *id,
	const struct nkey_public *importer, struct preview *preview, struct err *err)
{
	return run_verb(service, actor, id, importer, run_revoke, preview, err);
}

int
service_export_allow(struct service *service, const struct actor *actor, const char *id,
	const struct nkey_public *importer, struct preview *preview, struct err *err)
{
	return run_verb(service, actor, id, importer, run_allow, preview, err);
}
