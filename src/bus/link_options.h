/* SPDX-License-Identifier: Apache-2.0
 * How nats.c is to connect. */
#ifndef BUS_LINK_OPTIONS_H
#define BUS_LINK_OPTIONS_H

#include "bus/link.h"

#include <nats/nats.h>

/* Who names a CA or a certificate never talks in the clear: the server's first line,
 * which says whether it speaks TLS, could be anybody's. */
bool link_options_want_tls(const struct bus_link_params *params);

/* All but the callbacks. */
natsStatus link_options_set(const struct bus_link_params *params, natsOptions *opts);

#endif
