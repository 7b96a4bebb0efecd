/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/ack.h"

#include "base/str.h"
#include "json/json.h"

#include <string.h>

enum { ACK_MAX = 64 * 1024 };

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
meaning_of_message(const char *words)
{
	if (strstr(words, "skipped") != NULL) {
		return ACK_SKIPPED;
	}
	return str_starts_with(words, "jwt updated") ? ACK_STORED : ACK_TRANSIENT;
}

static enum store_resolver
resolver_of(const char *words)
{
	if (str_starts_with(words, "jwt updated cache") ||
		str_starts_with(words, "jwt update cache")) {
		return STORE_RESOLVER_CACHE;
	}
	return str_equal(words, "jwt updated") ? STORE_RESOLVER_FULL
					       : STORE_RESOLVER_UNKNOWN;
}

static int
read_ack(const json_t *root, struct ack *out, struct err *err)
{
	json_t *server = NULL;
	json_t *data = NULL;
	json_t *error = NULL;
	const char *id = NULL;
	const char *name = "";
	const char *words = "";
	if (json_get_object(root, "server", &server, err) != 0 ||
		json_get_object(root, "data", &data, err) != 0 ||
		json_get_object(root, "error", &error, err) != 0) {
		return -1;
	}
	if (server == NULL || (data == NULL && error == NULL)) {
		return err_set(err, ERR_INVALID, "not an answer to an account update");
	}
	if (json_get_text(server, "id", &id, err) != 0 ||
		json_get_text(server, "name", &name, err) != 0 ||
		(error != NULL &&
			json_get_text(error, "description", &words, err) != 0) ||
		(error == NULL && json_get_text(data, "message", &words, err) != 0)) {
		return -1;
	}
	if (id == NULL) {
		return err_set(err, ERR_INVALID, "an answer without a server id");
	}
	str_fmt_cut(out->server_id, sizeof(out->server_id), "%s", id);
	str_fmt_cut(out->server_name, sizeof(out->server_name), "%s", name);
	str_fmt_cut(out->words, sizeof(out->words), "%s", words);
	out->resolver = resolver_of(words);
	out->meaning =
		error != NULL ? meaning_of_error(words) : meaning_of_message(words);
	return 0;
}

int
ack_parse(const char *json, size_t len, struct ack *out, struct err *err)
{
	json_t *root = NULL;
	if (json_parse(json, len, ACK_MAX, &root, err) != 0) {
		return -1;
	}
	int rc = read_ack(root, out, err);
	json_decref(root);
	return rc;
}
