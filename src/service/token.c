/* SPDX-License-Identifier: Apache-2.0 */
#include "service/token.h"

#include "base/codec.h"
#include "base/emit.h"
#include "base/secret.h"
#include "base/str.h"
#include "service/internal.h"
#include "service/login.h"
#include "store/auth.h"

#include <string.h>

static const char header[] = "{\"alg\":\"BLAKE2b\",\"typ\":\"JWT\"}";

enum { MAC_TEXT_LEN = CODEC_BASE64_LEN(VAULT_MAC_LEN), CLAIMS_MAX = 256 };

/* The one byte form that claims have: written here, and compared with when they come
 * back. */
static int
write_claims(const char *id, int64_t exp, struct buf *out, struct err *err)
{
	struct emit emit;
	emit_init(&emit, out);
	emit_object_begin(&emit);
	emit_kv_text(&emit, "collectionId", superuser_collection.id);
	emit_kv_int(&emit, "exp", exp);
	emit_kv_text(&emit, "id", id);
	emit_kv_bool(&emit, "refreshable", true);
	emit_kv_text(&emit, "type", "auth");
	emit_object_end(&emit);
	return buf_finish(out, err);
}

int
token_issue(struct service *service, const char *id, const char *token_key,
	struct buf *out, struct err *err)
{
	struct buf claims;
	uint8_t mac[VAULT_MAC_LEN];
	buf_init(&claims, CLAIMS_MAX);
	int64_t exp = clock_wall_s(service->clock) + TOKEN_LIFETIME_SECONDS;
	int rc = write_claims(id, exp, &claims, err);
	if (rc == 0) {
		size_t start = out->len;
		codec_base64url_put(out, (const uint8_t *)header, sizeof(header) - 1);
		buf_put_char(out, '.');
		codec_base64url_put(out, (const uint8_t *)claims.data, claims.len);
		rc = buf_finish(out, err);
		if (rc == 0) {
			vault_mac(service->vault, superuser_collection.id, token_key,
				out->data + start, out->len - start, mac);
			buf_put_char(out, '.');
			codec_base64url_put(out, mac, sizeof(mac));
			rc = buf_finish(out, err);
		}
	}
	buf_release(&claims);
	return rc;
}

struct token {
	size_t signed_len; /* header and claims with their dot */
	char id[RAND_ID_SIZE];
	int64_t exp;
	uint8_t mac[VAULT_MAC_LEN];
};

/* Reads the value after `mark` up to `end`. */
static int
between(const char *text, const char *mark, char end, char *out, size_t size)
{
	const char *start = strstr(text, mark);
	if (start == NULL) {
		return -1;
	}
	start += strlen(mark);
	const char *stop = strchr(start, end);
	if (stop == NULL || (size_t)(stop - start) >= size) {
		return -1;
	}
	memcpy(out, start, (size_t)(stop - start));
	out[stop - start] = '\0';
	return 0;
}

/* 0 when the text has exactly the form that token_issue writes; nothing is verified
 * yet. */
static int
parse_token(const char *text, struct token *out)
{
	int rc = -1;
	char head[CODEC_BASE64_LEN(sizeof(header) - 1) + 1];
	uint8_t raw[CLAIMS_MAX];
	size_t raw_len = 0;
	size_t mac_len = 0;
	char exp[24];
	struct buf again;
	const char *claims = strchr(text, '.');
	const char *mac = claims != NULL ? strchr(claims + 1, '.') : NULL;

	buf_init(&again, CLAIMS_MAX);
	codec_base64url_encode((const uint8_t *)header, sizeof(header) - 1, head);
	if (mac == NULL || (size_t)(claims - text) != strlen(head) ||
		strncmp(text, head, strlen(head)) != 0 ||
		codec_base64url_decode(claims + 1, (size_t)(mac - claims - 1), raw,
			sizeof(raw) - 1, &raw_len) != 0 ||
		strlen(mac + 1) != MAC_TEXT_LEN ||
		codec_base64url_decode(mac + 1, MAC_TEXT_LEN, out->mac, sizeof(out->mac),
			&mac_len) != 0 ||
		mac_len != VAULT_MAC_LEN) {
		goto out;
	}
	raw[raw_len] = '\0';
	if (between((const char *)raw, "\"exp\":", ',', exp, sizeof(exp)) != 0 ||
		between((const char *)raw, "\"id\":\"", '"', out->id, sizeof(out->id)) !=
			0 ||
		str_to_int(exp, 0, INT64_MAX, &out->exp) != 0 ||
		write_claims(out->id, out->exp, &again, NULL) != 0 ||
		again.len != raw_len || memcmp(again.data, raw, raw_len) != 0) {
		goto out;
	}
	out->signed_len = (size_t)(mac - text);
	rc = 0;
out:
	buf_release(&again);
	return rc;
}

struct key_lookup {
	const char *id;
	char key[STORE_TOKEN_KEY_SIZE];
	bool found;
};

static int
find_key(struct service *service, struct key_lookup *lookup, struct err *err)
{
	struct store_conn *conn = NULL;
	if (store_read_begin_one(service->store, &conn, err) != 0) {
		return -1;
	}
	int found = store_auth_token_key(conn, lookup->id, lookup->key, err);
	store_read_end(service->store, conn);
	lookup->found = found == 1;
	return found < 0 ? -1 : 0;
}

int
service_token_actor(
	struct service *service, const char *token, struct actor *out, struct err *err)
{
	struct token parsed;
	uint8_t mac[VAULT_MAC_LEN];
	*out = (struct actor){ .kind = ACTOR_GUEST };
	if (token == NULL || strlen(token) > TOKEN_MAX ||
		parse_token(token, &parsed) != 0 ||
		parsed.exp <= clock_wall_s(service->clock)) {
		return 0;
	}
	struct key_lookup lookup = { .id = parsed.id };
	if (find_key(service, &lookup, err) != 0) {
		return -1;
	}
	if (lookup.found) {
		vault_mac(service->vault, superuser_collection.id, lookup.key, token,
			parsed.signed_len, mac);
		if (secret_equal(mac, parsed.mac, sizeof(mac))) {
			out->kind = ACTOR_SUPERUSER;
			memcpy(out->id, parsed.id, sizeof(out->id));
		}
	}
	secret_wipe(lookup.key, sizeof(lookup.key));
	return 0;
}

int
service_token_refresh(struct service *service, const struct actor *actor,
	struct buf *out_token, struct err *err)
{
	struct key_lookup lookup = { .id = actor->id };
	if (actor->kind != ACTOR_SUPERUSER) {
		return err_set(err, ERR_UNAUTHENTICATED,
			"The request requires valid record authorization token.");
	}
	int rc = find_key(service, &lookup, err);
	if (rc == 0 && !lookup.found) {
		rc = err_set(err, ERR_UNAUTHENTICATED,
			"The request requires valid record authorization token.");
	}
	if (rc == 0) {
		rc = token_issue(service, actor->id, lookup.key, out_token, err);
	}
	secret_wipe(lookup.key, sizeof(lookup.key));
	return rc;
}
