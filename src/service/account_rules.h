/* SPDX-License-Identifier: Apache-2.0
 * What the fields of an account mean to each other. */
#ifndef SERVICE_ACCOUNT_RULES_H
#define SERVICE_ACCOUNT_RULES_H

#include "model/account.h"
#include "model/violations.h"

#include <stdbool.h>
#include <stdint.h>

/* Adds what servers would refuse, or take for something else than it says. */
void account_rules_check(const struct account *row, struct violations *violations);

/* Is the field said by the account's JWT? All that a client writes and natsid stores is;
 * triggers see to the JWT by themselves. */
bool account_rules_is_minted(const struct field *field);

/* Does one of the changed fields take something away? What it takes must be gone at once;
 * what it gives may wait for the changes that come with it. A field that is not known to
 * give takes. */
bool account_rules_takes(
	const struct account *before, const struct account *after, uint64_t changed);

#endif
