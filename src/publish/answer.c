/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/answer.h"

#include "base/buf.h"
#include "base/codec.h"
#include "base/str.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

enum {
	/* 1024 connections with a JWT of the longest control line that a server takes by
	 * default make 5 MB. */
	ANSWER_MAX = 32 * 1024 * 1024,
	CLAIMS_MAX = 64 * 1024
};

struct answer {
	json_t *root; /* owned */
	json_t *data; /* borrowed from it */
};

/* Of the server, as it says it. */
static int
read_error(const json_t *root, struct err *err)
{
	json_t *error = NULL;
	const char *words = "no reason";
	if (json_get_object(root, "error", &error, err) != 0) {
		return -1;
	}
	if (error == NULL) {
		return 0;
	}
	if (json_get_text(error, "description", &words, err) != 0) {
		return -1;
	}
	return err_set(err, ERR_UNAVAILABLE, "%.150s", words);
}

/* A client may have a NUL in its name, and the parser takes none: it must not be able to
 * hide all others. */
static void
replace_nul_escapes(char *json, size_t len)
{
	static const char nul[] = "u0000";
	static const char replacement[] = "ufffd";
	size_t n = sizeof(nul) - 1;
	char *end = json + len;
	char *at = memchr(json, '\\', len);
	while (at != NULL && (size_t)(end - at) > n) {
		if (memcmp(at + 1, nul, n) == 0) {
			memcpy(at + 1, replacement, n);
		}
		at += 2; /* an escaped backslash begins no escape */
		at = memchr(at, '\\', (size_t)(end - at));
	}
}

int
answer_parse(char *json, size_t len, struct server *out_server, struct answer **out,
	struct err *err)
{
	struct server server = { 0 };
	struct answer *answer = calloc(1, sizeof(*answer));
	if (answer == NULL) {
		return err_nomem(err);
	}
	replace_nul_escapes(json, len);
	if (json_parse(json, len, ANSWER_MAX, &answer->root, err) != 0 ||
		server_read(answer->root, &server, err) != 0) {
		answer_free(answer);
		return -1;
	}
	*out_server = server;
	answer->data = json_object_get(answer->root, "data");
	if (read_error(answer->root, err) != 0) {
		answer_free(answer);
		return -1;
	}
	if (!json_is_object(answer->data)) {
		answer_free(answer);
		return err_set(err, ERR_INVALID, "an answer without data");
	}
	*out = answer;
	return 0;
}

void
answer_free(struct answer *answer)
{
	if (answer != NULL) {
		json_decref(answer->root);
		free(answer);
	}
}

/* ---- CONNZ ---- */

int
answer_page(const struct answer *answer, struct page *out, struct err *err)
{
	json_t *connections = NULL;
	struct page page = { 0 };
	if (json_get_array(answer->data, "connections", &connections, err) != 0 ||
		json_get_int(answer->data, "total", &page.total, err) != 0 ||
		json_get_int(answer->data, "offset", &page.offset, err) != 0) {
		return -1;
	}
	page.len = json_array_size(connections);
	*out = page;
	return 0;
}

static void
copy_key(enum nkey_role role, const char *text, char out[static NKEY_TEXT_SIZE])
{
	struct nkey_public key;
	struct err ignored = { 0 };
	out[0] = '\0';
	if (nkey_text_decode(role, text, strlen(text), &key, &ignored) == 0) {
		memcpy(out, text, NKEY_TEXT_SIZE);
	}
}

/* Subject and iat, when the text is a JWT. The server checked it when it let the client
 * in. */
static void
read_claims(const char *jwt, struct connection *out)
{
	struct err ignored = { 0 };
	struct buf json;
	json_t *claims = NULL;
	const char *sub = NULL;
	const char *body = strchr(jwt, '.');
	size_t body_len = body != NULL ? strcspn(body + 1, ".") : 0;
	size_t len = 0;
	int64_t iat = 0;
	if (body_len == 0) {
		return;
	}
	buf_init_secret(&json, CLAIMS_MAX);
	char *bytes = buf_grow(&json, body_len);
	if (bytes != NULL &&
		codec_base64url_decode(
			body + 1, body_len, (uint8_t *)bytes, body_len, &len) == 0 &&
		json_parse(bytes, len, CLAIMS_MAX, &claims, &ignored) == 0 &&
		json_get_text(claims, "sub", &sub, &ignored) == 0 &&
		json_get_int(claims, "iat", &iat, &ignored) == 0 && sub != NULL) {
		copy_key(NKEY_USER, sub, out->user_key);
		out->has_iat = true;
		out->iat = iat;
	}
	json_decref(claims);
	buf_release(&json);
}

int
answer_connection(const struct answer *answer, size_t index, struct connection *out,
	struct err *err)
{
	json_t *connections = NULL;
	const json_t *item = NULL;
	struct connection row = { .name = "" };
	const char *user = "";
	const char *issuer = "";
	const char *jwt = "";
	if (json_get_array(answer->data, "connections", &connections, err) != 0) {
		return -1;
	}
	item = json_array_get(connections, index);
	if (!json_is_object(item)) {
		return err_set(err, ERR_INVALID, "a connection that is no object");
	}
	if (json_get_int(item, "cid", &row.cid, err) != 0 ||
		json_get_text(item, "name", &row.name, err) != 0 ||
		json_get_text(item, "authorized_user", &user, err) != 0 ||
		json_get_text(item, "issuer_key", &issuer, err) != 0 ||
		json_get_text(item, "jwt", &jwt, err) != 0) {
		return -1;
	}
	if (row.cid <= 0) {
		return err_set(err, ERR_INVALID, "a connection without a number");
	}
	copy_key(NKEY_USER, user, row.user_key);
	copy_key(NKEY_ACCOUNT, issuer, row.issuer_key);
	read_claims(jwt, &row);
	*out = row;
	return 0;
}

/* ---- VARZ ---- */

static int
add_operator(const json_t *claim, struct strlist *out, struct err *err)
{
	const char *sub = NULL;
	json_t *nats = NULL;
	struct strlist keys = { 0 };
	if (json_get_text(claim, "sub", &sub, err) != 0 ||
		json_get_object(claim, "nats", &nats, err) != 0) {
		return -1;
	}
	if (sub == NULL) {
		return err_set(err, ERR_INVALID, "an operator without a key");
	}
	int rc = strlist_add(out, sub, err);
	if (rc == 0 && nats != NULL) {
		rc = json_get_list(nats, "signing_keys", &keys, err);
	}
	for (size_t i = 0; rc == 0 && i < keys.len; i++) {
		rc = strlist_add(out, keys.items[i], err);
	}
	strlist_release(&keys);
	return rc;
}

int
answer_trusted(const struct answer *answer, struct strlist *out, struct err *err)
{
	json_t *claims = NULL;
	size_t i = 0;
	json_t *claim = NULL;
	struct strlist keys = { 0 };
	if (json_get_array(answer->data, "trusted_operators_claim", &claims, err) != 0) {
		return -1;
	}
	json_array_foreach(claims, i, claim)
	{
		if (!json_is_object(claim)) {
			err_set(err, ERR_INVALID, "an operator that is no object");
			goto fail;
		}
		if (add_operator(claim, &keys, err) != 0) {
			goto fail;
		}
	}
	*out = keys;
	return 0;
fail:
	strlist_release(&keys);
	return -1;
}

/* ---- JSZ ---- */

static int
add_streams(const json_t *account, struct strlist *out, struct err *err)
{
	json_t *streams = NULL;
	json_t *stream = NULL;
	size_t i = 0;
	if (json_get_array(account, "stream_detail", &streams, err) != 0) {
		return -1;
	}
	json_array_foreach(streams, i, stream)
	{
		const char *name = NULL;
		if (json_get_text(stream, "name", &name, err) != 0) {
			return -1;
		}
		if (name == NULL) {
			return err_set(err, ERR_INVALID, "a stream without a name");
		}
		if (strlist_add(out, name, err) != 0) {
			return -1;
		}
	}
	return 0;
}

/* Where a server does not have the account it shows others. */
int
answer_streams(const struct answer *answer, const char *account_key, struct strlist *out,
	struct err *err)
{
	json_t *accounts = NULL;
	json_t *account = NULL;
	size_t i = 0;
	struct strlist names = { 0 };
	int64_t count = -1; /* of all accounts */
	int rc = -1;
	if (json_get_int(answer->data, "streams", &count, err) != 0 ||
		json_get_array(answer->data, "account_details", &accounts, err) != 0) {
		return -1;
	}
	/* Without any, servers leave the accounts out, but not their number. */
	if (count < 0) {
		return err_set(err, ERR_INVALID, "an answer without a number of streams");
	}
	json_array_foreach(accounts, i, account)
	{
		const char *id = NULL;
		if (json_get_text(account, "id", &id, err) != 0) {
			goto out;
		}
		if (id == NULL) {
			err_set(err, ERR_INVALID, "an account without a key");
			goto out;
		}
		if (str_equal(id, account_key) &&
			add_streams(account, &names, err) != 0) {
			goto out;
		}
	}
	*out = names;
	names = (struct strlist){ 0 };
	rc = 0;
out:
	strlist_release(&names);
	return rc;
}

/* ---- DELETE ---- */

/* "deleted 3 accounts", or "deleted 2 accounts, failed for 1". */
int
answer_removed(const struct answer *answer, int64_t *out_count, struct err *err)
{
	static const char begin[] = "deleted ";
	static const char end[] = " accounts";
	const char *message = NULL;
	char number[24];
	if (json_get_text(answer->data, "message", &message, err) != 0) {
		return -1;
	}
	if (message == NULL || !str_starts_with(message, begin)) {
		return err_set(err, ERR_INVALID, "an answer without a number");
	}
	const char *digits = message + strlen(begin);
	size_t len = strspn(digits, "0123456789");
	if (!str_equal(digits + len, end)) {
		return err_set(err, ERR_UNAVAILABLE, "%.150s", message);
	}
	if (str_fmt(number, sizeof(number), "%.*s", (int)len, digits) != 0 ||
		str_to_int(number, 0, INT64_MAX, out_count) != 0) {
		return err_set(err, ERR_INVALID, "an answer without a number");
	}
	return 0;
}
