/* SPDX-License-Identifier: Apache-2.0
 * Downloads for servers: the operator's JWT and their configuration. */
#include "api/call.h"

#include "api/query.h"
#include "base/str.h"
#include "service/operator.h"

static const char text_type[] = "text/plain; charset=utf-8";

enum { PATH_SIZE = 1024 };

int
api_native_operator_jwt(struct api_call *call, struct err *err)
{
	call->res->content_type = "application/jwt";
	return service_operator_jwt(
		call->api->params.service, &call->actor, &call->res->body, err);
}

static int
read_port(const struct api_call *call, uint16_t *out, struct err *err)
{
	char text[16];
	int64_t port = 0;
	if (api_query_text(call->req, "port", text, sizeof(text), err) != 0) {
		return -1;
	}
	if (text[0] != '\0' && str_to_int(text, 1, UINT16_MAX, &port) != 0) {
		return err_set(err, ERR_INVALID,
			"The query parameter \"port\" must be a number from 1 to 65535.");
	}
	*out = (uint16_t)port;
	return 0;
}

static const char *
or_default(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

int
api_native_nats_conf(struct api_call *call, struct err *err)
{
	char server_name[256];
	char resolver_dir[PATH_SIZE];
	char jetstream_dir[PATH_SIZE];
	uint16_t port = 0;
	if (api_query_text(call->req, "server_name", server_name, sizeof(server_name),
		    err) != 0 ||
		api_query_text(
			call->req, "dir", resolver_dir, sizeof(resolver_dir), err) != 0 ||
		api_query_text(call->req, "jetstream", jetstream_dir,
			sizeof(jetstream_dir), err) != 0 ||
		read_port(call, &port, err) != 0) {
		return -1;
	}
	struct nats_conf_params params = {
		.server_name = or_default(server_name),
		.port = port,
		.resolver_dir = or_default(resolver_dir),
		.jetstream_dir = or_default(jetstream_dir),
	};
	call->res->content_type = text_type;
	return service_nats_conf(
		call->api->params.service, &call->actor, &params, &call->res->body, err);
}
