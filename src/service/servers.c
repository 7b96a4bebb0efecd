/* SPDX-License-Identifier: Apache-2.0 */
#include "service/servers.h"

#include "base/str.h"
#include "model/operator.h"
#include "service/internal.h"
#include "store/record.h"

#include <stdlib.h>

/* last_seen of a server that answers is up to a minute old; this leaves a busy natsid
 * some time. */
enum { ANSWERED_LATELY_MS = 3 * 60 * 1000, LABEL_SIZE = 2 * STORE_SERVER_NAME_SIZE };

/* ---- the list ---- */

void
server_list_release(struct server_list *list)
{
	free(list->items);
	*list = (struct server_list){ 0 };
}

const char *
server_state(const struct store_server *server)
{
	if (server->absent) {
		return "absent";
	}
	return server->missing_since > 0 ? "missing" : "present";
}

bool
server_answers(const struct store_server *server, int64_t now)
{
	return server->missing_since == 0 && now - server->last_seen < ANSWERED_LATELY_MS;
}

static int
fill_items(struct store_conn *conn, const struct store_server *servers, size_t len,
	struct server_list *list, struct err *err)
{
	list->items = calloc(len + 1, sizeof(*list->items));
	if (list->items == NULL) {
		return err_nomem(err);
	}
	for (; list->len < len; list->len++) {
		struct server_item *item = &list->items[list->len];
		item->server = servers[list->len];
		if (store_drift_foreign(conn, item->server.seq, &item->foreign, err) !=
			0) {
			return -1;
		}
	}
	return 0;
}

static int
read_servers(struct store_conn *conn, void *ctx, struct err *err)
{
	struct server_list *list = ctx;
	struct store_server *servers = NULL;
	size_t len = 0;
	if (store_standing_get(conn, &list->standing, err) != 0 ||
		store_server_list(conn, &servers, &len, err) != 0) {
		return -1;
	}
	int rc = fill_items(conn, servers, len, list, err);
	free(servers);
	return rc;
}

int
service_servers(struct service *service, const struct actor *actor,
	struct server_list *out, struct err *err)
{
	struct server_list list = { .now = clock_wall_ms(service->clock) };
	if (authorise(actor, VERB_VIEW, &operator_collection, NULL, err) != 0) {
		return -1;
	}
	if (service_read(service, read_servers, &list, err) != 0) {
		server_list_release(&list);
		return -1;
	}
	*out = list;
	return 0;
}

/* ---- forgetting ---- */

static bool
is_called(const struct store_server *server, const char *name)
{
	char label[LABEL_SIZE];
	str_fmt_cut(label, sizeof(label), "%s/%s", server->cluster, server->name);
	return str_equal(name, server->name) || str_equal(name, label);
}

static int
is_ambiguous(
	const struct store_server *servers, size_t len, const char *name, struct err *err)
{
	char labels[128] = "";
	for (size_t i = 0; i < len; i++) {
		char before[sizeof(labels)];
		if (!is_called(&servers[i], name)) {
			continue;
		}
		str_fmt_cut(before, sizeof(before), "%s%s", labels,
			labels[0] != '\0' ? ", " : "");
		str_fmt_cut(labels, sizeof(labels), "%s%s/%s", before, servers[i].cluster,
			servers[i].name);
	}
	return err_set(err, ERR_CONFLICT, "\"%s\" may be any of %s: name the cluster too",
		name, labels);
}

static int
choose(const struct store_server *servers, size_t len, const char *name,
	struct store_server *out, struct err *err)
{
	size_t found = len;
	for (size_t i = 0; i < len; i++) {
		if (!is_called(&servers[i], name)) {
			continue;
		}
		if (found < len) {
			return is_ambiguous(servers, len, name, err);
		}
		found = i;
	}
	if (found == len) {
		return err_set(err, ERR_NOT_FOUND,
			"there is no server \"%s\"; natsid servers list names them",
			name);
	}
	*out = servers[found];
	return 0;
}

struct forgetting {
	const struct actor *actor;
	const char *name;
	bool served;
};

static int
audit_forget(struct store_tx *tx, const struct actor *actor,
	const struct store_server *server, struct err *err)
{
	struct operator_row operator= { 0 };
	struct strlist names = { 0 };
	char label[LABEL_SIZE];
	str_fmt_cut(label, sizeof(label), "%s/%s", server->cluster, server->name);
	int rc = store_record_get_seq(
		store_tx_conn(tx), &operator_collection, 1, &operator, err);
	if (rc == 0) {
		rc = strlist_add(&names, label, err);
	}
	if (rc == 0) {
		rc = service_audit(tx, actor, "forget_server",
			&operator_collection, operator.head.id, &names, err);
	}
	strlist_release(&names);
	record_release(&operator_collection, &operator);
	return rc;
}

static int
forget(struct store_tx *tx, const struct forgetting *forgetting,
	const struct store_server *server, struct err *err)
{
	struct store_standing standing;
	if (store_standing_get(store_tx_conn(tx), &standing, err) != 0) {
		return -1;
	}
	if (forgetting->served && standing.connected &&
		server_answers(server, store_tx_now(tx))) {
		return err_set(err, ERR_CONFLICT,
			"the server \"%s\" answers; stop it first, natsid would only "
			"meet it again",
			server->name);
	}
	return store_server_forget(tx, server->seq, err) != 0 ||
			audit_forget(tx, forgetting->actor, server, err) != 0
		? -1
		: 0;
}

static int
write_forget(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct forgetting *forgetting = ctx;
	struct store_server server = { 0 };
	struct store_server *servers = NULL;
	size_t len = 0;
	if (store_server_list(store_tx_conn(tx), &servers, &len, err) != 0) {
		return -1;
	}
	int rc = choose(servers, len, forgetting->name, &server, err);
	if (rc == 0) {
		rc = forget(tx, forgetting, &server, err);
	}
	free(servers);
	return rc;
}

int
service_server_forget(struct service *service, const struct actor *actor,
	const char *name, bool served, struct err *err)
{
	struct forgetting forgetting = { actor, name, served };
	if (authorise(actor, VERB_UPDATE, &operator_collection, NULL, err) != 0) {
		return -1;
	}
	return store_write(service->store, write_forget, &forgetting, err);
}

/* ---- drift ---- */

int
service_drift(struct service *service, const struct actor *actor, int64_t limit,
	struct store_drift **out, size_t *out_len, struct err *err)
{
	struct store_conn *conn = NULL;
	if (authorise(actor, VERB_VIEW, &operator_collection, NULL, err) != 0 ||
		store_read_begin_one(service->store, &conn, err) != 0) {
		return -1;
	}
	int rc = store_drift_list(conn, limit, out, out_len, err);
	store_read_end(service->store, conn);
	return rc;
}

/* ---- counts ---- */

static int
read_counts(struct store_conn *conn, void *ctx, struct err *err)
{
	return store_proof_counts(conn, ctx, err);
}

int
service_proof_counts(
	struct service *service, struct store_proof_counts *out, struct err *err)
{
	*out = (struct store_proof_counts){ 0 };
	return service_read(service, read_counts, out, err);
}
