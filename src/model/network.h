/* SPDX-License-Identifier: Apache-2.0
 * Networks in the form that JWTs take: "10.0.0.0/8", "fd00::/8". */
#ifndef MODEL_NETWORK_H
#define MODEL_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

enum { NETWORK_TEXT_SIZE = 64 };

/* The address has no bits beyond the prefix. A mapped IPv4 network (::ffff:10.0.0.0/104)
 * is the IPv4 one, as it is to servers. */
struct network {
	bool v6;
	uint8_t bytes[16]; /* 4 with IPv4 */
	unsigned bits;
};

/* -1 when it is none. Bits beyond the prefix are dropped, as servers do. */
int network_parse(const char *text, struct network *out);

/* In one form for each network. */
void network_format(const struct network *network, char out[static NETWORK_TEXT_SIZE]);

/* Every address of inner is one of outer. */
bool network_contains(const struct network *outer, const struct network *inner);

#endif
