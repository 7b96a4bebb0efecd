/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/exports.h"

#include "base/array.h"
#include "base/buf.h"
#include "base/str.h"
#include "jwt/decode.h"
#include "jwt/mapping.h"
#include "model/limits.h"
#include "model/subject.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NANOSECONDS_PER_MILLISECOND ((int64_t)1000000)

/* Texts that say nothing stay NULL. */
static int
set_text(char **out, const char *text, struct err *err)
{
	if (text[0] == '\0') {
		return 0;
	}
	*out = str_dup(text);
	return *out == NULL ? err_nomem(err) : 0;
}

static enum jwt_export_type
type_of(const char *name)
{
	return str_equal(name, "service") ? JWT_EXPORT_SERVICE : JWT_EXPORT_STREAM;
}

static int
set_export(struct jwt_export *item, const struct account_export *row, struct err *err)
{
	item->type = type_of(row->type);
	item->token_req = row->token_req;
	item->response_threshold_ns =
		row->response_threshold * NANOSECONDS_PER_MILLISECOND;
	item->has_latency = row->latency_results[0] != '\0';
	item->latency_sampling = row->latency_headers ? 0 : row->latency_sampling;
	item->account_token_position = row->account_token_position;
	item->advertise = row->advertise;
	item->allow_trace = row->allow_trace;
	if (set_text(&item->name, row->name, err) != 0 ||
		set_text(&item->subject, row->subject, err) != 0 ||
		set_text(&item->response_type, row->response_type, err) != 0 ||
		set_text(&item->latency_results, row->latency_results, err) != 0 ||
		set_text(&item->description, row->description, err) != 0) {
		return -1;
	}
	return set_text(&item->info_url, row->info_url, err);
}

int
mint_export_add(
	struct mint_account *mint, const struct account_export *row, struct err *err)
{
	struct jwt_account *account = &mint->claims.as.account;
	if (mint->tombstone) {
		return 0;
	}
	/* of the system account there may be two already */
	size_t len = account->exports_len;
	struct jwt_export *grown =
		realloc(account->exports, (len + 1) * sizeof(*account->exports));
	if (grown == NULL) {
		return err_nomem(err);
	}
	account->exports = grown;
	account->exports[len] = (struct jwt_export){ 0 };
	account->exports_len = len + 1;
	return set_export(&account->exports[len], row, err);
}

int
mint_export_revoke(struct mint_account *mint, const struct nkey_public *importer,
	int64_t at, struct err *err)
{
	struct jwt_account *account = &mint->claims.as.account;
	if (mint->tombstone) {
		return 0;
	}
	struct jwt_export *export = &account->exports[account->exports_len - 1];
	size_t len = export->revocations_len;
	void *grown =
		array_grow(export->revocations, len, sizeof(*export->revocations), err);
	if (grown == NULL) {
		return -1;
	}
	export->revocations = grown;
	char *key =
		importer == NULL ? str_dup("*") : mint_key_text(NKEY_ACCOUNT, importer);
	if (key == NULL) {
		return err_nomem(err);
	}
	export->revocations[len] = (struct jwt_revocation){ .key = key, .at = at };
	export->revocations_len = len + 1;
	return 0;
}

int
mint_import_add(
	struct mint_account *mint, const struct account_import *row, struct err *err)
{
	struct jwt_account *account = &mint->claims.as.account;
	if (mint->tombstone) {
		return 0;
	}
	size_t len = account->imports_len;
	void *grown = array_grow(account->imports, len, sizeof(*account->imports), err);
	if (grown == NULL) {
		return -1;
	}
	account->imports = grown;
	struct jwt_import *item = &account->imports[len];
	*item = (struct jwt_import){
		.type = type_of(row->type),
		.share = row->share,
		.allow_trace = row->allow_trace,
		.account = mint_key_text(NKEY_ACCOUNT, &row->account),
	};
	account->imports_len = len + 1;
	if (item->account == NULL) {
		return err_nomem(err);
	}
	if (set_text(&item->name, row->name, err) != 0 ||
		set_text(&item->subject, row->subject, err) != 0 ||
		set_text(&item->local_subject, row->local_subject, err) != 0) {
		return -1;
	}
	return set_text(&item->token, row->token, err);
}

/* ---- what goes with what ---- */

static size_t
count_tokens(const char *subject)
{
	size_t n = 1;
	for (; *subject != '\0'; subject++) {
		n += *subject == '.' ? 1 : 0;
	}
	return n;
}

/* "a.b.>" as "a.b.*": the library has no eye for a last ">" of the inner subject. */
static bool
contains_rest(const char *outer, const char *inner)
{
	size_t len = strlen(inner);
	char *copy = NULL;
	if (inner[len - 1] != '>' || (len > 1 && inner[len - 2] != '.') ||
		count_tokens(outer) != count_tokens(inner)) {
		return false;
	}
	copy = str_dup(inner);
	if (copy == NULL) {
		return true;
	}
	copy[len - 1] = '*';
	bool contains = subject_contains(outer, copy);
	free(copy);
	return contains;
}

bool
mint_export_contains(const char *outer, const char *inner)
{
	return subject_contains(outer, inner) || contains_rest(outer, inner);
}

bool
mint_export_covers(const struct jwt_export *export, const struct account_import *import)
{
	return export->type == type_of(import->type) &&
		subject_contains(export->subject, import->subject);
}

/* Token number n, from 1, is the text. */
static bool
token_is(const char *subject, int64_t n, const char *text)
{
	for (; n > 1 && subject != NULL; n--) {
		subject = strchr(subject, '.');
		subject = subject != NULL ? subject + 1 : NULL;
	}
	return subject != NULL && strcspn(subject, ".") == strlen(text) &&
		str_starts_with(subject, text);
}

bool
mint_export_names(const struct jwt_export *export, const struct account_import *import,
	const struct nkey_public *importer)
{
	char text[NKEY_TEXT_SIZE];
	if (export->account_token_position == 0) {
		return true;
	}
	nkey_text_encode(NKEY_ACCOUNT, importer, text);
	return token_is(import->subject, export->account_token_position, text);
}

bool
mint_export_admits(const struct jwt_export *export, const struct account_import *import,
	const struct nkey_public *importer)
{
	return mint_export_covers(export, import) &&
		mint_export_names(export, import, importer);
}

const struct jwt_export *
mint_export_find(const struct mint_account *exporter, const struct account_import *import,
	const struct nkey_public *importer)
{
	const struct jwt_account *account = &exporter->claims.as.account;
	for (size_t i = 0; i < account->exports_len; i++) {
		if (mint_export_admits(&account->exports[i], import, importer)) {
			return &account->exports[i];
		}
	}
	return NULL;
}

/* ---- local subjects ---- */

static bool
ends_in_rest(const char *subject)
{
	size_t len = strlen(subject);
	return str_equal(subject, ">") || (len > 2 && str_equal(subject + len - 2, ".>"));
}

/* "$1x": the library reads it as a word, the server as a reference. */
static bool
is_half_reference(const char *token, size_t len)
{
	int64_t n = 0;
	return len > 1 && token[0] == '$' && token[1] >= '0' && token[1] <= '9' &&
		!jwt_mapping_is_reference(token, len, &n);
}

/* Notes the reference in *used. */
static int
check_reference(int64_t n, int64_t stars, uint64_t *used, struct err *err)
{
	enum { REFERENCES_MAX = 64 };
	if (n < 1 || n > stars || n > REFERENCES_MAX) {
		return err_set(err, ERR_INVALID,
			"it refers to a wildcard that is none of the %" PRId64
			" of the subject",
			stars);
	}
	if ((*used >> (n - 1) & 1) != 0) {
		return err_set(err, ERR_INVALID, "$%" PRId64 " is in it twice", n);
	}
	*used |= UINT64_C(1) << (n - 1);
	return 0;
}

int
mint_local_subject_check(const char *local, const char *subject, struct err *err)
{
	int64_t wanted = (int64_t)subject_count_stars(subject);
	int64_t stars = 0;
	int64_t references = 0;
	uint64_t used = 0;
	if (ends_in_rest(local) != ends_in_rest(subject)) {
		return err_set(err, ERR_INVALID,
			"both it and the subject end in \">\", or none of them");
	}
	for (const char *token = local; token != NULL;) {
		size_t len = strcspn(token, ".");
		int64_t n = 0;
		if (is_half_reference(token, len)) {
			return err_set(err, ERR_INVALID,
				"\"%.*s\" is neither a reference nor a word",
				len > 40 ? 40 : (int)len, token);
		}
		if (jwt_mapping_is_reference(token, len, &n)) {
			references++;
			if (check_reference(n, wanted, &used, err) != 0) {
				return -1;
			}
		}
		stars += len == 1 && token[0] == '*' ? 1 : 0;
		token = token[len] == '.' ? token + len + 1 : NULL;
	}
	if (stars > 0 && references > 0) {
		return err_set(err, ERR_INVALID,
			"it has both \"*\" and references such as $1; use one of them");
	}
	if (stars + references != wanted) {
		return err_set(err, ERR_INVALID,
			"it has %" PRId64 " of the %" PRId64 " wildcards of the subject",
			stars + references, wanted);
	}
	return 0;
}

char *
mint_local_pattern(const struct account_import *import)
{
	const char *from = import->local_subject[0] != '\0' ? import->local_subject
							    : import->subject;
	return jwt_mapping_pattern(from);
}

/* What the wildcards of an import stand for in requests that go through it: tokens of
 * their subject, or stars. */
struct bound {
	struct text {
		const char *text;
		size_t len;
	} stars[LIMIT_SUBJECT_BYTES], rest;
};

static struct text
token_at(const char *text)
{
	return (struct text){ text, strcspn(text, ".") };
}

/* Behind the token; NULL after the last. */
static const char *
after(struct text token)
{
	return token.text[token.len] == '.' ? token.text + token.len + 1 : NULL;
}

static bool
is_wildcard(struct text token, char wildcard)
{
	return token.len == 1 && token.text[0] == wildcard;
}

/* Requests go through if their subject meets the import's pattern; `local` says by
 * references which star is which. */
static bool
bind_wildcards(
	const char *local, const char *pattern, const char *subject, struct bound *out)
{
	int64_t stars = 0;
	while (pattern != NULL && subject != NULL) {
		struct text name = token_at(local);
		struct text mine = token_at(pattern);
		struct text theirs = token_at(subject);
		bool all = is_wildcard(theirs, '>');
		if (is_wildcard(mine, '>')) {
			out->rest = (struct text){ subject, strlen(subject) };
			return true;
		}
		if (is_wildcard(mine, '*')) {
			int64_t n = ++stars;
			(void)jwt_mapping_is_reference(name.text, name.len, &n);
			assert(n >= 1 && n <= LIMIT_SUBJECT_BYTES);
			out->stars[n - 1] = all ? mine : theirs;
		} else if (!all && !is_wildcard(theirs, '*') &&
			(mine.len != theirs.len ||
				memcmp(mine.text, theirs.text, mine.len) != 0)) {
			return false;
		}
		local = after(name);
		pattern = after(mine);
		if (!all || pattern == NULL) {
			subject = after(theirs);
		}
	}
	return pattern == NULL && subject == NULL;
}

/* The subject with its wildcards as they are bound. */
static int
put_bound(const char *subject, const struct bound *bound, char **out, struct err *err)
{
	struct buf text;
	size_t stars = 0;
	buf_init(&text, SIZE_MAX / 2);
	for (const char *p = subject; p != NULL;) {
		struct text token = token_at(p);
		p = after(token);
		if (is_wildcard(token, '*')) {
			token = bound->stars[stars++];
		} else if (is_wildcard(token, '>')) {
			token = bound->rest;
		}
		buf_put(&text, token.text, token.len);
		if (p != NULL) {
			buf_put_str(&text, ".");
		}
	}
	if (buf_finish(&text, err) != 0) {
		buf_release(&text);
		return -1;
	}
	*out = buf_take(&text);
	return 0;
}

int
mint_local_follow(const struct account_import *import, const char *subject, char **out,
	struct err *err)
{
	struct bound bound = { 0 };
	bool renamed = import->local_subject[0] != '\0';
	const char *local = renamed ? import->local_subject : import->subject;
	char *pattern = renamed ? jwt_mapping_pattern(local) : str_dup(local);
	if (pattern == NULL) {
		return err_nomem(err);
	}
	*out = NULL;
	int rc = bind_wildcards(local, pattern, subject, &bound)
		? put_bound(import->subject, &bound, out, err)
		: 0;
	free(pattern);
	return rc;
}

/* ---- activations ---- */

int
mint_activation(const struct vault *vault, const struct mint_activation *activation,
	struct buf *out, struct err *err)
{
	int rc = -1;
	struct jwt_claims claims = { .type = JWT_ACTIVATION, .iat = activation->iat };
	struct jwt_activation *body = &claims.as.activation;
	claims.sub = mint_key_text(NKEY_ACCOUNT, &activation->importer);
	body->issuer_account = mint_key_text(NKEY_ACCOUNT, &activation->exporter);
	body->subject = str_dup(activation->subject);
	body->kind = activation->type;
	if (claims.sub == NULL || body->issuer_account == NULL || body->subject == NULL) {
		err_nomem(err);
		goto out;
	}
	rc = mint_token(vault, activation->issuer, &claims, out, err);
out:
	jwt_claims_release(&claims);
	return rc;
}

static bool
is_key(const char *text, const struct nkey_public *key)
{
	char expected[NKEY_TEXT_SIZE];
	nkey_text_encode(NKEY_ACCOUNT, key, expected);
	return text != NULL && str_equal(text, expected);
}

static int
check_claims(const struct jwt_claims *claims, const struct account_import *import,
	const struct nkey_public *importer, int64_t now_s, struct err *err)
{
	const struct jwt_activation *body = &claims->as.activation;
	bool by_signing_key =
		body->issuer_account != NULL && body->issuer_account[0] != '\0';
	if (claims->type != JWT_ACTIVATION) {
		return err_set(err, ERR_INVALID, "it is no activation");
	}
	if (!is_key(by_signing_key ? body->issuer_account : claims->iss,
		    &import->account)) {
		return err_set(err, ERR_INVALID,
			"it was issued by another account than the one to import from");
	}
	if (!is_key(claims->sub, importer)) {
		return err_set(err, ERR_INVALID, "it is for another account");
	}
	if (body->kind != type_of(import->type)) {
		return err_set(err, ERR_INVALID, "it is not for a %s", import->type);
	}
	if (body->subject == NULL || !subject_is_valid(body->subject) ||
		!subject_contains(body->subject, import->subject)) {
		return err_set(
			err, ERR_INVALID, "it does not cover \"%.60s\"", import->subject);
	}
	if (claims->exp > 0 && claims->exp <= now_s) {
		return err_set(err, ERR_INVALID, "it has expired");
	}
	if (claims->nbf > now_s) {
		return err_set(err, ERR_INVALID, "it is not valid yet");
	}
	return 0;
}

int
mint_activation_check(const struct account_import *import,
	const struct nkey_public *importer, int64_t now_s, struct nkey_public *out_issuer,
	int64_t *out_iat, struct err *err)
{
	struct jwt_claims claims = { 0 };
	struct nkey_public issuer;
	int rc = -1;
	if (jwt_decode(import->token, strlen(import->token), &claims, err) != 0 ||
		check_claims(&claims, import, importer, now_s, err) != 0) {
		goto out;
	}
	if (nkey_text_decode(
		    NKEY_ACCOUNT, claims.iss, strlen(claims.iss), &issuer, err) != 0) {
		err_set(err, ERR_INVALID, "it was not signed by an account");
		goto out;
	}
	*out_issuer = issuer;
	*out_iat = claims.iat;
	rc = 0;
out:
	jwt_claims_release(&claims);
	return rc;
}
