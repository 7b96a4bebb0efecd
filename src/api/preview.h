/* SPDX-License-Identifier: Apache-2.0
 * ?dry_run=1: the answer to a write that is only asked about. */
#ifndef API_PREVIEW_H
#define API_PREVIEW_H

#include "api/call.h"
#include "service/preview.h"

/* Does the request ask for it? ERR_INVALID: dry_run is neither 1, true, 0 nor false. */
int api_preview_wanted(
	const struct http_request *req, bool *out_wanted, struct err *err) MUST_CHECK;

/* Writes take no parameter that they do not know, and one that cannot be asked beforehand
 * must not be done by who meant to ask: ERR_INVALID. */
int api_preview_check(const struct api_call *call, struct err *err) MUST_CHECK;

/* After a write without an answer of its own: 204, or with `dry` what it would do. */
int api_preview_finish(struct api_call *call, bool dry, const struct preview *preview,
	struct err *err) MUST_CHECK;

/* Accounts with their claims before and after, and the live connections that would be
 * cut, as far as NATS can be asked. */
int api_preview_answer(
	struct api_call *call, const struct preview *preview, struct err *err) MUST_CHECK;

#endif
