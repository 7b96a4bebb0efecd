/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/account.h"

#include "base/array.h"
#include "base/str.h"
#include "jwt/decode.h"
#include "jwt/intact.h"
#include "jwt/encode.h"
#include "jwt/validate.h"
#include "mint/account_limits.h"
#include "mint/account_terms.h"
#include "mint/scope.h"
#include "model/subject.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 2 * 1024 * 1024 };

void
mint_account_release(struct mint_account *mint)
{
	jwt_claims_release(&mint->claims);
	*mint = (struct mint_account){ 0 };
}

static int
add_export(struct jwt_export *item, const char *name, const char *subject,
	enum jwt_export_type type, int64_t token_position, const char *description,
	struct err *err)
{
	item->name = str_dup(name);
	item->subject = str_dup(subject);
	item->type = type;
	item->account_token_position = token_position;
	item->description = str_dup(description);
	if (type == JWT_EXPORT_SERVICE) {
		item->response_type = str_dup("Stream");
		if (item->response_type == NULL) {
			return err_nomem(err);
		}
	}
	if (item->name == NULL || item->subject == NULL || item->description == NULL) {
		return err_nomem(err);
	}
	return 0;
}

/* What an account may ask and hear about itself; the token position ties both to its own
 * id. */
static int
add_monitoring_exports(struct jwt_account *account, struct err *err)
{
	account->exports = calloc(2, sizeof(*account->exports));
	if (account->exports == NULL) {
		return err_nomem(err);
	}
	account->exports_len = 2;
	if (add_export(&account->exports[0], "account-monitoring-services",
		    "$SYS.REQ.ACCOUNT.*.*", JWT_EXPORT_SERVICE, 4,
		    "Connections, subscriptions, leaf nodes and JetStream of the "
		    "importing account",
		    err) != 0) {
		return -1;
	}
	return add_export(&account->exports[1], "account-monitoring-streams",
		"$SYS.ACCOUNT.*.>", JWT_EXPORT_STREAM, 3,
		"Events of the importing account", err);
}

static int
append_revocation(struct jwt_account *account, char *key, int64_t at, struct err *err)
{
	size_t len = account->revocations_len;
	if (key == NULL) {
		return err_nomem(err);
	}
	struct jwt_revocation *grown =
		array_grow(account->revocations, len, sizeof(*grown), err);
	if (grown == NULL) {
		free(key);
		return -1;
	}
	account->revocations = grown;
	account->revocations[len] = (struct jwt_revocation){ .key = key, .at = at };
	account->revocations_len = len + 1;
	return 0;
}

int
mint_account_begin(const struct account *account, bool deleted, struct mint_account *mint,
	struct err *err)
{
	*mint = (struct mint_account){ .tombstone = deleted || !account->active };
	mint->claims.type = JWT_ACCOUNT;
	jwt_account_init(&mint->claims.as.account);
	mint->claims.name = str_dup(account->name);
	mint->claims.sub = mint_key_text(NKEY_ACCOUNT, &account->public_key);
	if (mint->claims.name == NULL || mint->claims.sub == NULL) {
		return err_nomem(err);
	}
	if (mint_account_limits_set(account, mint->tombstone,
		    &mint->claims.as.account.limits, err) != 0 ||
		mint_account_terms_add(
			account, mint->tombstone, &mint->claims.as.account, err) != 0) {
		return -1;
	}
	if (account->is_system &&
		add_monitoring_exports(&mint->claims.as.account, err) != 0) {
		return -1;
	}
	if (mint->tombstone) {
		/* The time is set when it is signed: it is the JWT's own. */
		return append_revocation(&mint->claims.as.account, str_dup("*"), 0, err);
	}
	return 0;
}

static struct jwt_signing_key *
append_key(struct jwt_account *account, const struct nkey_public *key, struct err *err)
{
	size_t len = account->signing_keys_len;
	struct jwt_signing_key *grown =
		array_grow(account->signing_keys, len, sizeof(*grown), err);
	if (grown == NULL) {
		return NULL;
	}
	account->signing_keys = grown;
	struct jwt_signing_key *item = &account->signing_keys[len];
	*item = (struct jwt_signing_key){ .key = mint_key_text(NKEY_ACCOUNT, key) };
	if (item->key == NULL) {
		err_nomem(err);
		return NULL;
	}
	account->signing_keys_len = len + 1;
	return item;
}

int
mint_account_add_key(
	struct mint_account *mint, const struct nkey_public *key, struct err *err)
{
	if (mint->tombstone) {
		return 0;
	}
	return append_key(&mint->claims.as.account, key, err) != NULL ? 0 : -1;
}

/* Nothing, but for roles that the account feeds. */
static int
describe_scope(const struct mint_account *mint, const struct role *role,
	struct jwt_signing_key *item, struct err *err)
{
	char feed[MINT_FEED_SIZE];
	if (mint_scope_feed(role, mint->claims.name, &mint->claims.as.account.tags, feed,
		    err) != 0) {
		return -1;
	}
	if (feed[0] == '\0') {
		return 0;
	}
	item->description = str_dup(feed);
	return item->description == NULL ? err_nomem(err) : 0;
}

int
mint_account_add_scope(struct mint_account *mint, const struct role *role,
	const struct nkey_public *key, struct err *err)
{
	if (mint->tombstone) {
		return 0;
	}
	struct jwt_signing_key *item = append_key(&mint->claims.as.account, key, err);
	if (item == NULL) {
		return -1;
	}
	item->scoped = true;
	item->role = str_dup(role->head.id);
	if (item->role == NULL) {
		return err_nomem(err);
	}
	if (mint_scope(role, &item->template_, err) != 0 ||
		describe_scope(mint, role, item, err) != 0) {
		return -1;
	}
	/* Servers look for live bearers in the users' own JWTs only; without this those
	 * of the role would stay. */
	if (mint->claims.as.account.limits.disallow_bearer) {
		item->template_.bearer_token = false;
	}
	return 0;
}

int
mint_account_add_revocation(struct mint_account *mint, const struct nkey_public *user,
	int64_t at, struct err *err)
{
	if (mint->tombstone) {
		return 0; /* all are revoked */
	}
	return append_revocation(&mint->claims.as.account,
		user == NULL ? str_dup("*") : mint_key_text(NKEY_USER, user), at, err);
}

/* Servers look at this only where the number of exports is limited. */
static int
check_wildcards(const struct jwt_account *account, struct err *err)
{
	for (size_t i = 0; !account->limits.wildcards && i < account->exports_len; i++) {
		if (subject_has_wildcard(account->exports[i].subject)) {
			return err_set(err, ERR_INVALID,
				"the account allows no exports with wildcards, such as "
				"\"%.64s\"",
				account->exports[i].subject);
		}
	}
	return 0;
}

int
mint_account_check(const struct mint_account *mint, int64_t now_s, struct err *err)
{
	if (check_wildcards(&mint->claims.as.account, err) != 0) {
		return -1;
	}
	struct jwt_issues issues = { 0 };
	jwt_validate(&mint->claims, now_s, &issues);
	const char *blocking = jwt_issues_find_blocking(&issues, true);
	return blocking == NULL ? 0 : err_set(err, ERR_INVALID, "%s", blocking);
}

int
mint_account_hash(const struct mint_account *mint, const struct nkey_public *issuer,
	uint8_t out[static 32], struct err *err)
{
	struct buf text;
	buf_init(&text, BODY_MAX);
	int rc = jwt_encode_body(&mint->claims, &text, err);
	if (rc == 0) {
		/* The body ends in '}', so what follows cannot be taken for a part of
		 * it. */
		buf_put_str(&text, mint->claims.name);
		buf_put(&text, issuer->bytes, NKEY_PUBLIC_LEN);
		rc = buf_finish(&text, err);
	}
	if (rc == 0) {
		vault_hash(text.data, text.len, out);
	}
	buf_release(&text);
	return rc;
}

int
mint_account_sign(struct mint_account *mint, const struct mint_account_stamp *stamp,
	const struct vault *vault, const struct vault_seed *operator_seed,
	struct buf *out, struct err *err)
{
	char tag[96];
	struct jwt_account *account = &mint->claims.as.account;
	if (str_fmt(tag, sizeof(tag), "natsid:%s:%" PRId64, stamp->database_uuid,
		    stamp->generation) != 0) {
		return err_set(
			err, ERR_INTERNAL, "the tag of an account JWT is too long");
	}
	if (strlist_add(&account->tags, tag, err) != 0) {
		return -1;
	}
	mint->claims.iat = stamp->iat;
	if (mint->tombstone) {
		account->revocations[0].at = stamp->iat;
	}
	return mint_token(vault, operator_seed, &mint->claims, out, err);
}

/* "natsid:<uuid>:<generation>" */
static bool
read_tag(const char *tag, struct mint_account_origin *out)
{
	static const char prefix[] = "natsid:";
	if (!str_starts_with(tag, prefix)) {
		return false;
	}
	const char *uuid = tag + sizeof(prefix) - 1;
	const char *end = strchr(uuid, ':');
	if (end == NULL || (size_t)(end - uuid) != sizeof(out->database_uuid) - 1 ||
		str_to_int(end + 1, 0, INT64_MAX, &out->generation) != 0) {
		return false;
	}
	memcpy(out->database_uuid, uuid, (size_t)(end - uuid));
	out->database_uuid[end - uuid] = '\0';
	return true;
}

int
mint_account_read_origin(
	const char *jwt, size_t len, struct mint_account_origin *out, struct err *err)
{
	struct jwt_claims claims = { 0 };
	struct err why = { 0 };
	*out = (struct mint_account_origin){ 0 };
	if (jwt_decode(jwt, len, &claims, &why) != 0) {
		if (why.code == ERR_NOMEM) {
			return err_nomem(err);
		}
		return jwt_intact(jwt, len, out->account, err);
	}
	int rc = claims.type == JWT_ACCOUNT
		? str_copy(out->account, sizeof(out->account), claims.sub)
		: -1;
	const struct strlist *tags = &claims.as.account.tags;
	for (size_t i = 0; rc == 0 && i < tags->len && !out->tagged; i++) {
		out->tagged = read_tag(tags->items[i], out);
	}
	out->iat = claims.iat;
	jwt_claims_release(&claims);
	return rc == 0 ? 0 : err_set(err, ERR_INVALID, "not the JWT of an account");
}
