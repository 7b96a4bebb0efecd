/* SPDX-License-Identifier: Apache-2.0
 * A request as the API gets it, without a connection. */
#ifndef SUPPORT_TEMP_REQUEST_H
#define SUPPORT_TEMP_REQUEST_H

#include "http/message.h"

/* Without headers and with an empty body; borrows the texts. */
struct http_request temp_request(const char *method, const char *path, const char *query);

#endif
