/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/link_options.h"

#include "bus/link_words.h"

enum { IO_BUFFER_SIZE = 64 * 1024, PINGS_OUT_MAX = 2 };

bool
link_options_want_tls(const struct bus_link_params *params)
{
	const struct bus_params *bus = params->bus;

	return params->url->tls || bus->ca_file != NULL || bus->cert_file != NULL;
}

static natsStatus
set_connection(const struct bus_link_params *params, natsOptions *opts)
{
	const struct bus_params *bus = params->bus;
	natsStatus s = natsOptions_SetURL(opts, params->url->full);

	if (s == NATS_OK)
		s = natsOptions_SetName(opts, bus->name);
	if (s == NATS_OK)
		s = natsOptions_SetAllowReconnect(opts, false);
	if (s == NATS_OK)
		s = natsOptions_SetRetryOnFailedConnect(opts, false, NULL, NULL);
	if (s == NATS_OK)
		s = natsOptions_SetIgnoreDiscoveredServers(opts, true);
	if (s == NATS_OK)
		s = natsOptions_SetTimeout(opts, bus->connect_timeout_ms);
	if (s == NATS_OK)
		s = natsOptions_SetPingInterval(opts, bus->ping_interval_ms);
	if (s == NATS_OK)
		s = natsOptions_SetMaxPingsOut(opts, PINGS_OUT_MAX);
	if (s == NATS_OK)
		s = natsOptions_SetWriteDeadline(opts, bus->write_deadline_ms);
	if (s == NATS_OK)
		s = natsOptions_SetIOBufSize(opts, IO_BUFFER_SIZE);
	if (s == NATS_OK)
		s = natsOptions_SetFailRequestsOnDisconnect(opts, true);
	if (s == NATS_OK)
		s = natsOptions_UseGlobalMessageDelivery(opts, true);
	if (s == NATS_OK) /* nats.c's own inboxes come from rand() */
		s = natsOptions_SetCustomInboxPrefix(opts, params->inbox);
	if (s == NATS_OK) /* what it hears of others must not be its own */
		s = natsOptions_SetNoEcho(opts, true);
	return s;
}

/* A server may require TLS whatever the URL says: then its certificate must fit, too. */
static natsStatus
set_tls(const struct bus_link_params *params, natsOptions *opts)
{
	const struct bus_params *bus = params->bus;
	natsStatus s = natsOptions_SetExpectedHostname(opts, params->url->host);

	if (s == NATS_OK && bus->ca_file != NULL)
		s = natsOptions_LoadCATrustedCertificates(opts, bus->ca_file);
	if (s == NATS_OK && bus->cert_file != NULL)
		s = natsOptions_LoadCertificatesChain(
			opts, bus->cert_file, bus->key_file);
	if (s == NATS_OK && link_options_want_tls(params))
		s = natsOptions_SetSecure(opts, true);
	return s;
}

natsStatus
link_options_set(const struct bus_link_params *params, natsOptions *opts)
{
	natsStatus s = set_connection(params, opts);

	return s == NATS_OK ? set_tls(params, opts) : s;
}

static int
file_err(natsStatus status, const char *what, struct err *err)
{
	char shown[BUS_ERROR_SIZE] = "";

	if (status == NATS_OK)
		return 0;
	link_words_copy(shown, link_words_of(status));
	return err_set(err, status == NATS_NO_MEMORY ? ERR_NOMEM : ERR_INVALID, "%s: %s",
		what, shown);
}

int
bus_link_check_ca(const char *ca_file, struct err *err)
{
	natsOptions *opts = NULL;
	natsStatus s = natsOptions_Create(&opts);

	if (s == NATS_OK)
		s = natsOptions_LoadCATrustedCertificates(opts, ca_file);
	natsOptions_Destroy(opts);
	return file_err(s, "no certificates in PEM form can be read from it", err);
}

int
bus_link_check_pair(const char *cert_file, const char *key_file, struct err *err)
{
	natsOptions *opts = NULL;
	natsStatus s = natsOptions_Create(&opts);

	if (s == NATS_OK)
		s = natsOptions_LoadCertificatesChain(opts, cert_file, key_file);
	natsOptions_Destroy(opts);
	return file_err(
		s, "they are not a certificate and its private key in PEM form", err);
}
