/* SPDX-License-Identifier: Apache-2.0
 * What nats.c and servers say, as it can be shown. */
#ifndef BUS_LINK_WORDS_H
#define BUS_LINK_WORDS_H

#include "bus/bus.h"

#include "base/err.h"

#include <nats/nats.h>

/* A server's text may hold anything: what is no printable ASCII becomes '?'. */
void link_words_copy(char out[static BUS_ERROR_SIZE], const char *text);

enum err_code link_words_code(natsStatus status);

/* Borrowed. Only right after the call that failed, on its thread: otherwise nats.c's text
 * is stale. */
const char *link_words_of(natsStatus status);

#endif
