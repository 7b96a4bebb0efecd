/* SPDX-License-Identifier: Apache-2.0 */
#include "app/nats_auth.h"

#include "service/operator.h"
#include "vault/vault.h"

#include <stdlib.h>
#include <string.h>

struct nats_auth {
	struct service *service;
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
	free(auth);
}

void
nats_auth_set_inbox(struct nats_auth *auth, const char *inbox)
{
	auth->inbox = inbox;
}

int
nats_auth_user_jwt(void *ctx, void **out_login, char **out_jwt, struct err *err)
{
	struct nats_auth *auth = ctx;
	struct vault_pair *pair = NULL;
	struct nkey_public key;
	if (vault_pair_new(&pair, &key, err) != 0) {
		return -1;
	}
	if (service_system_user_jwt(auth->service, &key, auth->inbox, out_jwt, err) !=
		0) {
		vault_pair_free(pair);
		return -1;
	}
	*out_login = pair;
	return 0;
}

int
nats_auth_sign(void *login, const char *nonce, uint8_t sig[static BUS_SIGNATURE_LEN],
	struct err *err)
{
	if (login == NULL) {
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
	vault_pair_sign(login, (const uint8_t *)nonce, strlen(nonce), sig);
	return 0;
}

void
nats_auth_login_free(void *login)
{
	vault_pair_free(login);
}
