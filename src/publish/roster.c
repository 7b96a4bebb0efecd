/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/roster.h"

#include "base/str.h"
#include "json/json.h"

#include <string.h>

enum { PING_MAX = 256 * 1024 };

static bool
has_name(const struct roster *roster, const struct server *server)
{
	for (size_t i = 0; i < roster->len; i++) {
		if (str_equal(roster->servers[i].name, server->name) &&
			str_equal(roster->servers[i].cluster, server->cluster)) {
			return true;
		}
	}
	return false;
}

int
roster_add(struct roster *roster, const char *json, size_t len, struct err *err)
{
	int rc = -1;
	json_t *root = NULL;
	json_t *stats = NULL;
	struct server entry = { 0 };
	int64_t active = 0;

	if (json_parse(json, len, PING_MAX, &root, err) != 0 ||
		json_get_object(root, "statsz", &stats, err) != 0 ||
		server_read(root, &entry, err) != 0 ||
		(stats != NULL &&
			json_get_int(stats, "active_servers", &active, err) != 0)) {
		goto out;
	}
	if (roster_index(roster, entry.id) < 0) {
		if (roster->len == ROSTER_MAX) {
			roster->overflow = true;
			err_set(err, ERR_LIMITED, "more than %d servers", ROSTER_MAX);
			goto out;
		}
		if (has_name(roster, &entry)) {
			roster->twin = (int)roster->len;
		}
		roster->servers[roster->len++] = entry;
	}
	if (active > roster->active) {
		roster->active = active;
	}
	rc = 0;
out:
	json_decref(root);
	return rc;
}

bool
roster_is_complete(const struct roster *roster)
{
	return roster->active > 0 && (int64_t)roster->len >= roster->active;
}

int
roster_index(const struct roster *roster, const char *id)
{
	for (size_t i = 0; i < roster->len; i++) {
		if (str_equal(roster->servers[i].id, id)) {
			return (int)i;
		}
	}
	return -1;
}

void
roster_missing(const struct roster *roster, uint64_t mask, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < roster->len; i++) {
		if ((mask >> i & 1) == 0) {
			size_t used = strlen(out);
			str_fmt_cut(out + used, size - used, "%s%s", used > 0 ? ", " : "",
				roster->servers[i].name);
		}
	}
}
