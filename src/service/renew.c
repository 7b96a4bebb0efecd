/* SPDX-License-Identifier: Apache-2.0 */
#include "service/renew.h"

#include "base/buf.h"
#include "base/rand.h"
#include "base/secret.h"
#include "service/internal.h"
#include "store/user_key.h"

#include <string.h>

enum { TIME_LEN = 8, RANDOM_LEN = 16, MAC_LEN = 16, SIGNED_MAX = 128 };

_Static_assert(RENEW_NONCE_LEN == TIME_LEN + RANDOM_LEN + MAC_LEN, "nonce");

struct holder {
	struct nkey_public key;
	bool found;
	struct store_user_key user;
};

static int
read_holder(struct store_conn *conn, void *ctx, struct err *err)
{
	struct holder *holder = ctx;
	int found = store_user_key_find(conn, &holder->key, &holder->user, err);
	holder->found = found == 1;
	return found < 0 ? -1 : 0;
}

static int
find_holder(struct service *service, const char *public_key, struct holder *out,
	struct err *err)
{
	*out = (struct holder){ 0 };
	if (nkey_text_decode(NKEY_USER, public_key, strlen(public_key), &out->key, err) !=
		0) {
		return err_prefix(err, "public_key");
	}
	return service_read(service, read_holder, out, err);
}

static void
put_int64(uint8_t *out, int64_t value)
{
	for (int i = 0; i < TIME_LEN; i++) {
		out[i] = (uint8_t)((uint64_t)value >> (56 - 8 * i));
	}
}

static int64_t
get_int64(const uint8_t *data)
{
	uint64_t value = 0;
	for (int i = 0; i < TIME_LEN; i++) {
		value = value << 8 | data[i];
	}
	return (int64_t)value;
}

/* Over time, randomness, the key and the iat of its JWT. */
static void
mac_of(const struct service *service, const struct holder *holder, const uint8_t *nonce,
	uint8_t out[static MAC_LEN])
{
	uint8_t msg[TIME_LEN + RANDOM_LEN + TIME_LEN];
	uint8_t mac[VAULT_MAC_LEN];
	char key[NKEY_TEXT_SIZE];
	memcpy(msg, nonce, TIME_LEN + RANDOM_LEN);
	put_int64(msg + TIME_LEN + RANDOM_LEN, holder->found ? holder->user.iat : -1);
	nkey_text_encode(NKEY_USER, &holder->key, key);
	vault_mac(service->vault, "renew", key, msg, sizeof(msg), mac);
	memcpy(out, mac, MAC_LEN);
}

int
service_renew_nonce(struct service *service, const char *public_key,
	char out_nonce[static RENEW_NONCE_SIZE], int64_t *out_expires_ms, struct err *err)
{
	struct holder holder;
	uint8_t nonce[RENEW_NONCE_LEN];
	if (find_holder(service, public_key, &holder, err) != 0) {
		return -1;
	}
	int64_t expires =
		clock_wall_ms(service->clock) + (int64_t)RENEW_NONCE_TTL_S * 1000;
	put_int64(nonce, expires);
	rand_bytes(nonce + TIME_LEN, RANDOM_LEN);
	mac_of(service, &holder, nonce, nonce + TIME_LEN + RANDOM_LEN);
	codec_base64url_encode(nonce, sizeof(nonce), out_nonce);
	*out_expires_ms = expires;
	return 0;
}

static bool
nonce_is_good(
	const struct service *service, const struct holder *holder, const char *text)
{
	uint8_t nonce[RENEW_NONCE_LEN];
	uint8_t mac[MAC_LEN];
	size_t len = 0;
	if (codec_base64url_decode(text, strlen(text), nonce, sizeof(nonce), &len) != 0 ||
		len != sizeof(nonce)) {
		return false;
	}
	mac_of(service, holder, nonce, mac);
	return secret_equal(mac, nonce + TIME_LEN + RANDOM_LEN, MAC_LEN) &&
		get_int64(nonce) > clock_wall_ms(service->clock);
}

static bool
signature_is_good(const struct holder *holder, const struct renewal *renewal)
{
	uint8_t signature[VAULT_SIG_LEN];
	struct buf msg;
	size_t len = 0;
	bool good = false;
	buf_init(&msg, SIGNED_MAX);
	buf_put_str(&msg, RENEW_PREFIX);
	buf_put_str(&msg, renewal->nonce);
	if (codec_base64url_decode(renewal->signature, strlen(renewal->signature),
		    signature, sizeof(signature), &len) == 0 &&
		len == sizeof(signature) && buf_finish(&msg, NULL) == 0) {
		good = vault_verify(
			&holder->key, (const uint8_t *)msg.data, msg.len, signature);
	}
	buf_release(&msg);
	return good;
}

int
service_renew(struct service *service, const struct renewal *renewal, const char *address,
	struct user_creds *out, struct err *err)
{
	struct holder holder;
	if (throttle_enter(service->throttle, address, err) != 0) {
		return -1;
	}
	if (find_holder(service, renewal->public_key, &holder, err) != 0) {
		return -1;
	}
	if (!nonce_is_good(service, &holder, renewal->nonce) ||
		!signature_is_good(&holder, renewal) || !holder.found) {
		return err_set(err, ERR_UNAUTHENTICATED,
			"The signature is not this key's over \"" RENEW_PREFIX
			"\" and the nonce, or the nonce is used up or too old: ask for "
			"another.");
	}
	throttle_succeeded(service->throttle, address);
	return service_user_renew(service, holder.user.id, holder.user.iat, out, err);
}
