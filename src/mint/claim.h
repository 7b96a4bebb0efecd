/* SPDX-License-Identifier: Apache-2.0
 * Claims that are stored in the JWT's own shape. */
#ifndef MINT_CLAIM_H
#define MINT_CLAIM_H

#include "model/field.h"

/* The one text of what the JSON says, which is what is stored: equal claims are equal
 * texts. ERR_INVALID names the place; the caller frees *out. */
int mint_claim_canonical(
	enum claim_kind kind, const char *json, char **out, struct err *err) MUST_CHECK;

#endif
