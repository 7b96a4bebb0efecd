/* SPDX-License-Identifier: Apache-2.0 */
#include "support/temp_request.h"

struct http_request
temp_request(const char *method, const char *path, const char *query)
{
	return (struct http_request){
		.method = method,
		.path = path,
		.query = query,
		.body = "",
		.remote_ip = "127.0.0.1",
		.id = "request00000001",
	};
}
