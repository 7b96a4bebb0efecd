/* SPDX-License-Identifier: Apache-2.0
 * How natsid itself logs in to NATS: for each connect a fresh key pair in locked memory,
 * and a JWT of the system account for it. Any number of connects at a time. */
#ifndef APP_NATS_AUTH_H
#define APP_NATS_AUTH_H

#include "bus/bus.h"
#include "service/service.h"

struct nats_auth;
int nats_auth_new(
	struct service *service, struct nats_auth **out, struct err *err) MUST_CHECK;
void nats_auth_free(struct nats_auth *auth);

/* Where the connections hear their answers (bus_inbox); before the bus starts. Borrowed.
 */
void nats_auth_set_inbox(struct nats_auth *auth, const char *inbox);

/* The callbacks of struct bus_params; ctx is the struct nats_auth, a login the key pair
 * of one connect. */
int nats_auth_user_jwt(void *ctx, void **out_login, char **out_jwt, struct err *err);
int nats_auth_sign(void *login, const char *nonce, uint8_t sig[static BUS_SIGNATURE_LEN],
	struct err *err);
void nats_auth_login_free(void *login);

#endif
