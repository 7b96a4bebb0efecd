/* SPDX-License-Identifier: Apache-2.0 */
#include "model/network.h"

#include "base/str.h"

#include <arpa/inet.h>
#include <string.h>

enum { V4_BITS = 32, V6_BITS = 128, MAPPED_BITS = V6_BITS - V4_BITS };

static int
parse_bits(const char *text, unsigned most, unsigned *out)
{
	int64_t bits = 0;
	bool leading_zero = text[0] == '0' && text[1] != '\0';
	if (leading_zero || str_to_int(text, 0, most, &bits) != 0) {
		return -1;
	}
	*out = (unsigned)bits;
	return 0;
}

/* Sets the bits beyond the prefix to zero. */
static void
mask(struct network *network)
{
	unsigned bytes = network->v6 ? V6_BITS / 8 : V4_BITS / 8;
	for (unsigned i = 0; i < bytes; i++) {
		unsigned left = network->bits > i * 8 ? network->bits - i * 8 : 0;
		if (left < 8) {
			network->bytes[i] &= (uint8_t)(0xff00U >> left);
		}
	}
}

static void
unmap(struct network *network)
{
	static const uint8_t prefix[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	if (!network->v6 || network->bits < MAPPED_BITS ||
		memcmp(network->bytes, prefix, sizeof(prefix)) != 0) {
		return;
	}
	memmove(network->bytes, network->bytes + sizeof(prefix), V4_BITS / 8);
	network->bits -= MAPPED_BITS;
	network->v6 = false;
}

int
network_parse(const char *text, struct network *out)
{
	char address[INET6_ADDRSTRLEN];
	struct network network = { 0 };
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : sizeof(address);
	if (len >= sizeof(address)) {
		return -1;
	}
	memcpy(address, text, len);
	address[len] = '\0';
	network.v6 = inet_pton(AF_INET, address, network.bytes) != 1;
	if (network.v6 && inet_pton(AF_INET6, address, network.bytes) != 1) {
		return -1;
	}
	if (parse_bits(slash + 1, network.v6 ? V6_BITS : V4_BITS, &network.bits) != 0) {
		return -1;
	}
	mask(&network);
	unmap(&network);
	*out = network;
	return 0;
}

void
network_format(const struct network *network, char out[static NETWORK_TEXT_SIZE])
{
	char address[INET6_ADDRSTRLEN];
	if (inet_ntop(network->v6 ? AF_INET6 : AF_INET, network->bytes, address,
		    sizeof(address)) == NULL) {
		address[0] = '\0'; /* not with this size and these families */
	}
	str_fmt_cut(out, NETWORK_TEXT_SIZE, "%s/%u", address, network->bits);
}

bool
network_contains(const struct network *outer, const struct network *inner)
{
	if (outer->v6 != inner->v6 || outer->bits > inner->bits) {
		return false;
	}
	struct network cut = *inner;
	cut.bits = outer->bits;
	mask(&cut);
	return memcmp(cut.bytes, outer->bytes, sizeof(cut.bytes)) == 0;
}
