/* SPDX-License-Identifier: Apache-2.0 */
#include "app/nats_auth.h"

#include "service/operator.h"
#include "vault/vault.h"

#include <stdlib.h>
#include <string.h>

/* The bus never makes two connections at a time, so one pair is enough. */
struct nats_auth {
	struct service *service;
	struct vault_pair *pair;
	const char *inbox;
};

int
nats_auth_new(struct service *service, struct nats_auth **out, struct err *err)
{
	struct nats_auth *auth = calloc(1, sizeof(*auth));
	if (auth == NULL) {
		return err_nomem(err);
	}
	auth->service = service;
	*out = auth;
	return 0;
}

void
nats_auth_free(struct nats_auth *auth)
{
	if (auth != NULL) {
		vault_pair_free(auth->pair);
		free(auth);
	}
}

void
nats_auth_set_inbox(struct nats_auth *auth, const char *inbox)
{
	auth->inbox = inbox;
}

int
nats_auth_user_jwt(void *ctx, char **out_jwt, struct err *err)
{
	struct nats_auth *auth = ctx;
	struct nkey_public key;
	vault_pair_free(auth->pair);
	auth->pair = NULL;
	if (vault_pair_new(&auth->pair, &key, err) != 0) {
		return -1;
	}
	return service_system_user_jwt(auth->service, &key, auth->inbox, out_jwt, err);
}

int
nats_auth_sign(void *ctx, const char *nonce, uint8_t sig[static BUS_SIGNATURE_LEN],
	struct err *err)
{
	struct nats_auth *auth = ctx;
	if (auth->pair == NULL) {
		return err_set(
			err, ERR_INTERNAL, "a nonce to sign before there is a key");
	}
	/* Such a server would take the connection and then answer no system request. */
	if (nonce[0] == '\0') {
		return err_set(err, ERR_UNAVAILABLE,
			"the server asks for no credentials, so it is not in operator "
			"mode: start it "
			"with the configuration that natsid exports");
	}
	vault_pair_sign(auth->pair, (const uint8_t *)nonce, strlen(nonce), sig);
	return 0;
}
