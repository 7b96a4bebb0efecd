/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/server.h"

#include "base/str.h"

static int
copy_member(
	const json_t *object, const char *key, char *out, size_t size, struct err *err)
{
	const char *text = "";
	if (json_get_text(object, key, &text, err) != 0) {
		return -1;
	}
	str_fmt_cut(out, size, "%s", text);
	return 0;
}

int
server_read(const json_t *answer, struct server *out, struct err *err)
{
	json_t *server = NULL;
	if (json_get_object(answer, "server", &server, err) != 0) {
		return -1;
	}
	if (server == NULL) {
		return err_set(err, ERR_INVALID, "an answer without a server");
	}
	if (copy_member(server, "id", out->id, sizeof(out->id), err) != 0 ||
		copy_member(server, "name", out->name, sizeof(out->name), err) != 0 ||
		copy_member(server, "cluster", out->cluster, sizeof(out->cluster), err) !=
			0 ||
		copy_member(server, "ver", out->version, sizeof(out->version), err) !=
			0) {
		return -1;
	}
	return out->id[0] != '\0'
		? 0
		: err_set(err, ERR_INVALID, "an answer without a server id");
}
