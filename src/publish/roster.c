/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/roster.h"

#include "base/str.h"
#include "json/json.h"

#include <string.h>

enum { PING_MAX = 256 * 1024 };

static int
read_answer(const json_t *root, struct server *out, int64_t *out_active, struct err *err)
{
	json_t *stats = NULL;
	if (json_get_object(root, "statsz", &stats, err) != 0 ||
		server_read(root, out, err) != 0) {
		return -1;
	}
	if (stats == NULL || out->name[0] == '\0') {
		return err_set(
			err, ERR_INVALID, "an answer without a name or statistics");
	}
	return json_get_int(stats, "active_servers", out_active, err);
}

int
roster_named(const struct roster_names *names, const char *cluster, const char *name)
{
	for (size_t i = 0; i < names->len; i++) {
		if (str_equal(names->at[i].name, name) &&
			str_equal(names->at[i].cluster, cluster)) {
			return (int)i;
		}
	}
	return -1;
}

void
roster_names_add(struct roster_names *names, const char *cluster, const char *name)
{
	if (strlen(name) >= SERVER_NAME_SIZE || names->len == ROSTER_MAX ||
		roster_named(names, cluster, name) >= 0) {
		return;
	}
	str_fmt_cut(names->at[names->len].cluster, SERVER_NAME_SIZE, "%s", cluster);
	str_fmt_cut(names->at[names->len].name, SERVER_NAME_SIZE, "%s", name);
	names->len++;
}

/* Routes join servers of one cluster; there are several to each. */
static void
add_named(struct roster_names *names, const json_t *root, const char *cluster)
{
	size_t i = 0;
	const json_t *route = NULL;
	json_array_foreach(
		json_object_get(json_object_get(root, "statsz"), "routes"), i, route)
	{
		const char *name = json_string_value(json_object_get(route, "name"));
		if (name != NULL) {
			roster_names_add(names, cluster, name);
		}
	}
}

int
roster_keep(struct roster *roster, const struct server *server)
{
	int at = roster_index(roster, server->id);
	if (at >= 0) {
		return at;
	}
	if (roster->len == ROSTER_MAX) {
		roster->overflow = true;
		return -1;
	}
	if (roster_find_name(roster, server->cluster, server->name) >= 0) {
		roster->twin = (int)roster->len;
	}
	roster->servers[roster->len] = *server;
	return (int)roster->len++;
}

int
roster_add(struct roster *roster, const char *json, size_t len,
	struct roster_names *named, struct err *err)
{
	int rc = -1;
	json_t *root = NULL;
	struct server entry = { 0 };
	int64_t active = 0;

	if (json_parse(json, len, PING_MAX, &root, err) != 0 ||
		read_answer(root, &entry, &active, err) != 0) {
		goto out;
	}
	if (roster_keep(roster, &entry) < 0) {
		err_set(err, ERR_LIMITED, "more than %d servers", ROSTER_MAX);
		goto out;
	}
	if (active > roster->active) {
		roster->active = active;
	}
	if (named != NULL) {
		add_named(named, root, entry.cluster);
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

int
roster_find_name(const struct roster *roster, const char *cluster, const char *name)
{
	for (size_t i = 0; i < roster->len; i++) {
		if (str_equal(roster->servers[i].name, name) &&
			str_equal(roster->servers[i].cluster, cluster)) {
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
