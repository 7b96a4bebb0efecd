/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/url.h"

#include "base/secret.h"
#include "base/str.h"

#include <stddef.h>
#include <string.h>

enum { PORT_DEFAULT = 4222 };

/* nats.c writes user and password into its JSON as they are. */
static bool
is_clean(const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\')
			return false;
	}
	return true;
}

static bool
is_host(const char *host)
{
	for (const char *c = host; *c != '\0'; c++) {
		bool ok = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
			(*c >= '0' && *c <= '9') || strchr("-._:%", *c) != NULL;
		if (!ok)
			return false;
	}
	return *host != '\0';
}

static int
take_port(struct bus_url *url, const char *text, struct err *err)
{
	int64_t port = PORT_DEFAULT;
	if (*text == ':' && str_to_int(text + 1, 1, UINT16_MAX, &port) != 0)
		return err_set(
			err, ERR_INVALID, "the port of a NATS URL must be 1 to 65535");
	if (*text != ':' && *text != '\0')
		return err_set(err, ERR_INVALID, "a NATS URL must end with host:port");
	url->port = (uint16_t)port;
	return 0;
}

/* "host", "host:port", "[v6]" or "[v6]:port". */
static int
take_authority(struct bus_url *url, const char *text, struct err *err)
{
	bool v6 = *text == '[';
	const char *host = v6 ? text + 1 : text;
	size_t len = strcspn(host, v6 ? "]" : ":");
	const char *rest = host + len;

	if (v6 && *rest != ']')
		return err_set(err, ERR_INVALID, "a NATS URL has '[' without ']'");
	if (v6)
		rest++;
	if (len >= sizeof(url->host))
		return err_set(err, ERR_INVALID, "the host of a NATS URL is too long");
	memcpy(url->host, host, len);
	url->host[len] = '\0';
	if (!is_host(url->host) || (!v6 && strchr(url->host, '%') != NULL))
		return err_set(err, ERR_INVALID, "a NATS URL has no valid host");
	if (take_port(url, rest, err) != 0)
		return -1;
	if (str_fmt(url->shown, sizeof(url->shown), "%s://%s%s%s:%d",
		    url->tls ? "tls" : "nats", v6 ? "[" : "", url->host, v6 ? "]" : "",
		    url->port) != 0)
		return err_set(err, ERR_INVALID, "the host of a NATS URL is too long");
	return 0;
}

int
bus_url_init(struct bus_url *url, const char *text, struct err *err)
{
	const char *authority = text;
	const char *scheme_end = strstr(text, "://");
	const char *at = strrchr(text, '@');

	*url = (struct bus_url){ 0 };
	if (!is_clean(text))
		return err_set(err, ERR_INVALID,
			"a NATS URL has blanks, quotes, backslashes or non-ASCII "
			"characters");
	if (scheme_end != NULL) {
		url->tls = str_starts_with(text, "tls://");
		if (!url->tls && !str_starts_with(text, "nats://"))
			return err_set(err, ERR_INVALID,
				"a NATS URL must begin with nats:// or tls://");
		authority = scheme_end + 3;
	}
	if (at != NULL && at >= authority) {
		url->has_userinfo = true;
		authority = at + 1;
	}
	if (take_authority(url, authority, err) != 0)
		return -1;
	url->full = str_dup(text);
	if (url->full == NULL)
		return err_nomem(err);
	return 0;
}

void
bus_url_release(struct bus_url *url)
{
	secret_free_text(url->full);
	*url = (struct bus_url){ 0 };
}
