/* SPDX-License-Identifier: Apache-2.0
 * Do all servers trust a key of the operator? */
#ifndef APP_TRUST_H
#define APP_TRUST_H

#include "app/probe.h"
#include "base/buf.h"

struct trust_params {
	struct service *service;
	struct probe *probe;
	const char *key; /* O... */
	const struct strlist *without; /* names of servers that may be left out */
};

struct trust_result {
	size_t servers; /* that answered */
	bool all; /* nobody would be locked out */
	struct buf why; /* a line for each reason why not */
};

/* Asks all servers, and remembers who they are: one that was seen before and is missing
 * now counts as one that does not trust the key. trust_result_release frees the result,
 * also after an error. */
int trust_ask(const struct trust_params *params, struct trust_result *out,
	struct err *err) MUST_CHECK;
void trust_result_release(struct trust_result *result);

#endif
