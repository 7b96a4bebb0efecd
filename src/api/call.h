/* SPDX-License-Identifier: Apache-2.0
 * One request on its way through a handler, and the handlers that there are. */
#ifndef API_CALL_H
#define API_CALL_H

#include "api/api.h"
#include "api/route.h"
#include "model/violations.h"
#include "service/authorise.h"
#include "service/touched.h"

struct api {
	struct api_params params;
};

/* Everything is borrowed for the time of the call. */
struct api_call {
	const struct api *api;
	const struct http_request *req;
	struct http_response *res;
	struct api_route_match match;
	struct actor actor; /* a guest where the audience is anyone */
	struct violations violations; /* an error takes them along */
	struct touched touched; /* for prefer.h */
	int64_t wait_s;
};

/* How it stands with NATS now; all is set. */
void api_nats_read(const struct api *api, struct api_nats_status *out);

struct emit;
void api_nats_emit_since(struct emit *emit, const struct api_nats_status *nats);

/* Handlers fill call->res and return 0, or return -1 with err set and, perhaps,
 * violations; what they wrote into the body until then is dropped. */
int api_records_list(struct api_call *call, struct err *err) MUST_CHECK;
int api_records_view(struct api_call *call, struct err *err) MUST_CHECK;
int api_records_create(struct api_call *call, struct err *err) MUST_CHECK;
int api_records_update(struct api_call *call, struct err *err) MUST_CHECK;
int api_records_delete(struct api_call *call, struct err *err) MUST_CHECK;

int api_auth_with_password(struct api_call *call, struct err *err) MUST_CHECK;
int api_auth_refresh(struct api_call *call, struct err *err) MUST_CHECK;
int api_auth_methods(struct api_call *call, struct err *err) MUST_CHECK;

int api_native_operator_jwt(struct api_call *call, struct err *err) MUST_CHECK;
int api_native_nats_conf(struct api_call *call, struct err *err) MUST_CHECK;
int api_native_export_revoke(struct api_call *call, struct err *err) MUST_CHECK;
int api_native_export_allow(struct api_call *call, struct err *err) MUST_CHECK;

int api_native_servers(struct api_call *call, struct err *err) MUST_CHECK;
int api_native_drift(struct api_call *call, struct err *err) MUST_CHECK;
int api_native_reconcile(struct api_call *call, struct err *err) MUST_CHECK;
int api_native_account_state(struct api_call *call, struct err *err) MUST_CHECK;

int api_creds_download(struct api_call *call, struct err *err) MUST_CHECK;
int api_native_keys_list(struct api_call *call, struct err *err) MUST_CHECK;
int api_native_keys_retire(struct api_call *call, struct err *err) MUST_CHECK;
int api_native_keys_keep(struct api_call *call, struct err *err) MUST_CHECK;

int api_native_account_adopt(struct api_call *call, struct err *err) MUST_CHECK;
int api_native_account_override(struct api_call *call, struct err *err) MUST_CHECK;

int api_creds_link_new(struct api_call *call, struct err *err) MUST_CHECK;
int api_creds_link_open(struct api_call *call, struct err *err) MUST_CHECK;
int api_creds_nonce(struct api_call *call, struct err *err) MUST_CHECK;
int api_creds_renew(struct api_call *call, struct err *err) MUST_CHECK;
int api_expiring(struct api_call *call, struct err *err) MUST_CHECK;

int api_page_creds(struct api_call *call, struct err *err) MUST_CHECK;
int api_page_creds_css(struct api_call *call, struct err *err) MUST_CHECK;
int api_page_creds_js(struct api_call *call, struct err *err) MUST_CHECK;

int api_native_nats(struct api_call *call, struct err *err) MUST_CHECK;
int api_metrics(struct api_call *call, struct err *err) MUST_CHECK;

int api_health_pocketbase(struct api_call *call, struct err *err) MUST_CHECK;
int api_health_alive(struct api_call *call, struct err *err) MUST_CHECK;
int api_health_ready(struct api_call *call, struct err *err) MUST_CHECK;

#endif
