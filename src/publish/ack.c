/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/ack.h"

#include "base/str.h"
#include "json/json.h"

#include <string.h>

enum { ACK_MAX = 64 * 1024, CODE_STORED = 200 };

/* Descriptions that will be the same at the next try. All others are taken for passing
 * trouble. */
static const char *const permanent[] = { "jwt validation failed",
	"account validation failed", "claim failed V2 signature verification",
	"expected 3 chunks", "subject does not match jwt content",
	"operator requires issuer to be a signing key", "jwt store is full" };

static enum ack_meaning
meaning_of_error(const char *words)
{
	for (size_t i = 0; i < sizeof(permanent) / sizeof(permanent[0]); i++) {
		if (strstr(words, permanent[i]) != NULL) {
			return ACK_REFUSED;
		}
	}
	return ACK_TRANSIENT;
}

static enum ack_meaning
meaning_of_message(int64_t code, const char *words)
{
	if (strstr(words, "skipped") != NULL) {
		return ACK_SKIPPED;
	}
	return code == CODE_STORED && str_starts_with(words, "jwt updated")
		? ACK_STORED
		: ACK_TRANSIENT;
}

static enum store_resolver
resolver_of(const char *words)
{
	if (str_starts_with(words, "jwt updated cache") ||
		str_starts_with(words, "jwt update cache")) {
		return STORE_RESOLVER_CACHE;
	}
	return str_equal(words, "jwt updated") ||
			str_starts_with(words, "jwt update resulted in error")
		? STORE_RESOLVER_FULL
		: STORE_RESOLVER_UNKNOWN;
}

/* A server that cannot read a JWT does not know whose it is. */
static int
check_account(const json_t *said, const char *account, struct err *err)
{
	const char *about = account;
	if (json_get_text(said, "account", &about, err) != 0) {
		return -1;
	}
	return str_equal(about, account) || str_equal(about, "n/a")
		? 0
		: err_set(err, ERR_INVALID, "an answer about another account");
}

/* An error counts, whatever else is said. */
static int
read_outcome(const json_t *root, const char *account, struct ack *out, struct err *err)
{
	json_t *data = NULL;
	json_t *error = NULL;
	const char *words = "";
	int64_t code = 0;
	if (json_get_object(root, "data", &data, err) != 0 ||
		json_get_object(root, "error", &error, err) != 0) {
		return -1;
	}
	if (data == NULL && error == NULL) {
		return err_set(err, ERR_INVALID, "not an answer to an account update");
	}
	const json_t *said = error != NULL ? error : data;
	if (check_account(said, account, err) != 0 ||
		json_get_int(said, "code", &code, err) != 0 ||
		json_get_text(said, error != NULL ? "description" : "message", &words,
			err) != 0) {
		return -1;
	}
	str_cut_middle(out->words, sizeof(out->words), words);
	out->resolver = resolver_of(words);
	out->meaning =
		error != NULL ? meaning_of_error(words) : meaning_of_message(code, words);
	return 0;
}

static int
read_ack(const json_t *root, const char *account, struct ack *out, struct err *err)
{
	struct server server = { 0 };
	if (server_read(root, &server, err) != 0 ||
		read_outcome(root, account, out, err) != 0) {
		return -1;
	}
	memcpy(out->server_id, server.id, sizeof(server.id));
	memcpy(out->server_name, server.name, sizeof(server.name));
	return 0;
}

int
ack_parse(const char *json, size_t len, const char *account, struct ack *out,
	struct err *err)
{
	json_t *root = NULL;
	if (json_parse(json, len, ACK_MAX, &root, err) != 0) {
		return -1;
	}
	int rc = read_ack(root, account, out, err);
	json_decref(root);
	return rc;
}
