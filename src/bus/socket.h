/* SPDX-License-Identifier: Apache-2.0
 * Ends a connect of nats.c that has outlived its own timeout. */
#ifndef BUS_SOCKET_H
#define BUS_SOCKET_H

#include <stddef.h>
#include <stdint.h>

/* Shuts down the process's connections to that port of a server on which little was ever
 * sent and nothing was received for min_silence_ms. Returns how many.
 *
 * Why: natsConnection_Connect may not come back. During a TLS handshake its socket has no
 * timeout; before nats.c 3.8.0 a server that falls silent between INFO and PONG makes it
 * loop and eat memory (nats.c pull request 707); and its timeouts follow the wall clock,
 * which may be set back. It hands out no socket while it connects, so the socket has to
 * be found. */
size_t bus_socket_shut_silent(uint16_t port, int64_t min_silence_ms);

#endif
