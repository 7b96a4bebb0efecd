/* SPDX-License-Identifier: Apache-2.0 */
#include "model/url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#define DIGITS "0123456789"
#define HEX DIGITS "abcdefABCDEF"
#define NAME_CHARS \
	DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.~!$&'()*+,;="

static bool
escapes_are_good(const char *text)
{
	for (const char *p = strchr(text, '%'); p != NULL; p = strchr(p + 1, '%')) {
		if (strspn(p + 1, HEX) < 2) {
			return false;
		}
	}
	return true;
}

/* More than ASCII is left to names. */
static size_t
span_name(const char *text, size_t len)
{
	size_t n = 0;
	while (n < len &&
		((unsigned char)text[n] >= 0x80 || strchr(NAME_CHARS, text[n]) != NULL)) {
		n++;
	}
	return n;
}

/* Nothing, or ":" and digits. */
static bool
is_port(const char *text, size_t len)
{
	return len == 0 || (text[0] == ':' && strspn(text + 1, DIGITS) >= len - 1);
}

/* The text behind "[": an IPv6 address, "]" and perhaps a port. */
static bool
is_bracketed(const char *text, size_t len)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr out;
	size_t n = strspn(text, HEX ":.");
	if (n >= len || n >= sizeof(address) || text[n] != ']') {
		return false;
	}
	memcpy(address, text, n);
	address[n] = '\0';
	return inet_pton(AF_INET6, address, &out) == 1 &&
		is_port(text + n + 1, len - n - 1);
}

static bool
is_host(const char *text, size_t len)
{
	if (len > 0 && text[0] == '[') {
		return is_bracketed(text + 1, len - 1);
	}
	size_t n = span_name(text, len);
	return is_port(text + n, len - n);
}

/* With a user there must be a host. */
static bool
is_authority(const char *text, size_t len)
{
	const char *at = memchr(text, '@', len);
	if (at == NULL) {
		return is_host(text, len);
	}
	size_t user = (size_t)(at - text);
	size_t rest = len - user - 1;
	return strspn(text, NAME_CHARS ":") == user && rest > 0 && at[1] != ':' &&
		is_host(at + 1, rest);
}

bool
url_is_well_formed(const char *text)
{
	const char *start = strstr(text, "://");
	return escapes_are_good(text) &&
		(start == NULL || is_authority(start + 3, strcspn(start + 3, "/?#")));
}
