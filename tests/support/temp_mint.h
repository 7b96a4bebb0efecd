/* SPDX-License-Identifier: Apache-2.0
 * Short ways to mint the JWT of an account of a service, to give a reason to, and to look
 * at what came of it. Failures end the test. */
#ifndef SUPPORT_TEMP_MINT_H
#define SUPPORT_TEMP_MINT_H

#include "store/quarantine.h"
#include "support/temp_service.h"

/* Mints it, if it can be; `account` is the seq here and below. */
struct minting temp_mint(struct temp_service *t, int64_t account, bool urgent);

/* The iat of the JWT in force. */
int64_t temp_minted_iat(struct temp_service *t, int64_t account);

/* A column of account_publish. */
int64_t
temp_publish_value(const struct temp_service *t, const char *column, int64_t account);

/* A JWT of it was found that must not be overwritten unasked. */
void temp_quarantine(struct temp_service *t, int64_t account,
	enum store_quarantine_cause cause, const char *server);

/* Changes of the account, by its id. */
void temp_set_connections(struct temp_service *t, const char *account, int64_t n);
void temp_set_active(struct temp_service *t, const char *account, bool active);

#endif
