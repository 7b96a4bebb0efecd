/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

#include "base/log.h"
#include "base/str.h"
#include "store/server.h"
#include "store/signing_key.h"

#include <stdlib.h>
#include <string.h>

enum {
	STILL_THERE_MS = 60 * 1000, /* that they are is written down so often */
	ABSENT_MS = 3600 * 1000, /* one that is silent for so long is not waited for */
	UNNAMED_MS = 60 * 1000 /* a server without a name never comes back under it */
};

struct memory {
	struct publisher *p;
	int64_t absent; /* how many became so */
	struct roster_names gone; /* that are missing from now on, */
	struct roster_names back; /* and that were */
};

static int
find_server(const struct store_server *known, size_t len, const struct server *server)
{
	for (size_t i = 0; i < len; i++) {
		if (str_equal(known[i].name, server->name) &&
			str_equal(known[i].cluster, server->cluster)) {
			return (int)i;
		}
	}
	return -1;
}

static bool
is_twin(const struct roster *roster, size_t index)
{
	const struct server *server = &roster->servers[index];
	return roster->twin > 0 &&
		roster_find_name(roster, server->cluster, server->name) < (int)index;
}

static int
write_missing(struct store_tx *tx, struct memory *memory, struct err *err)
{
	struct store_server *known = NULL;
	size_t len = 0;
	int rc = store_server_list(store_tx_conn(tx), &known, &len, err);
	for (size_t i = 0; rc == 0 && i < len; i++) {
		const struct store_server *server = &known[i];
		bool missed = server->missing_since > 0;
		bool there = roster_find_name(&memory->p->roster, server->cluster,
				     server->name) >= 0;
		if (there && missed) {
			roster_names_add(&memory->back, server->cluster, server->name);
		} else if (!there && !missed) {
			roster_names_add(&memory->gone, server->cluster, server->name);
			rc = store_server_missing(tx, server->seq, err);
		}
	}
	free(known);
	return rc;
}

static void
log_comings(const struct memory *memory)
{
	for (size_t i = 0; i < memory->gone.len; i++) {
		log_warn("nats server does not answer",
			LOG_STR("name", memory->gone.at[i].name),
			LOG_STR("cluster", memory->gone.at[i].cluster));
	}
	for (size_t i = 0; i < memory->back.len; i++) {
		log_info("nats server is back", LOG_STR("name", memory->back.at[i].name),
			LOG_STR("cluster", memory->back.at[i].cluster));
	}
	if (memory->absent > 0) {
		log_warn("servers are absent: nothing waits for them any more",
			LOG_INT("servers", memory->absent));
	}
}

static int
write_servers(struct store_tx *tx, void *ctx, struct err *err)
{
	struct memory *memory = ctx;
	const struct publisher *p = memory->p;
	memory->gone.len = 0;
	memory->back.len = 0;
	/* before those that are there are written down: they may have been missing */
	if (write_missing(tx, memory, err) != 0) {
		return -1;
	}
	for (size_t i = 0; i < p->roster.len; i++) {
		const struct server *server = &p->roster.servers[i];
		const struct store_server_seen seen = {
			.cluster = server->cluster,
			.name = server->name,
			.server_id = server->id,
			.version = server->version,
		};
		int64_t seq = 0;
		int64_t incarnation = 0;
		if (!is_twin(&p->roster, i) &&
			store_server_seen(tx, &seen, &seq, &incarnation, err) != 0) {
			return -1;
		}
	}
	int64_t now = store_tx_now(tx);
	return store_server_absent(
		tx, now - ABSENT_MS, now - UNNAMED_MS, &memory->absent, err);
}

/* The caller frees *out. */
static int
read_known(const struct publisher *p, struct store_server **out, size_t *out_len,
	struct err *err)
{
	struct store_conn *conn = NULL;
	if (store_read_begin(p->params.store, &conn, err) != 0) {
		return -1;
	}
	int rc = store_server_list(conn, out, out_len, err);
	store_read_end(p->params.store, conn);
	return rc;
}

/* What twins said of their trust is that of one key. */
static int
check_signing_key(struct publisher *p, struct err *err)
{
	struct store_conn *conn = NULL;
	struct store_signing_key key;
	char text[NKEY_TEXT_SIZE];
	if (store_read_begin(p->params.store, &conn, err) != 0) {
		return -1;
	}
	int rc = store_signing_key_plain(conn, 0, &key, err);
	store_read_end(p->params.store, conn);
	if (rc != 0) {
		return -1;
	}
	nkey_text_encode(NKEY_OPERATOR, &key.public_key, text);
	for (size_t i = 0; i < p->roster.len && !str_equal(text, p->twins_trust); i++) {
		if (is_twin(&p->roster, i)) {
			p->members[i].trust_known = false;
		}
	}
	memcpy(p->twins_trust, text, sizeof(text));
	return 0;
}

/* Somebody may have forgotten a server of the roster: then it is not known. */
static int
read_members(struct publisher *p, bool *out_all, struct err *err)
{
	struct store_server *known = NULL;
	size_t len = 0;
	*out_all = true;
	int rc = read_known(p, &known, &len, err);
	for (size_t i = 0; rc == 0 && i < p->roster.len; i++) {
		int at = find_server(known, len, &p->roster.servers[i]);
		if (is_twin(&p->roster, i)) {
			continue;
		}
		p->members[i] = (struct member){ 0 };
		if (at < 0 || !str_equal(known[at].server_id, p->roster.servers[i].id)) {
			*out_all = false;
			continue;
		}
		p->members[i] = (struct member){
			.seq = known[at].seq,
			.incarnation = known[at].incarnation,
			.resolver = known[at].resolver,
			.trust_known = known[at].trust_known,
			.trusted = known[at].trusted,
			.checked = known[at].checked,
		};
	}
	free(known);
	return rc != 0 || p->roster.twin == 0 ? rc : check_signing_key(p, err);
}

int
publish_remember(struct publisher *p, bool changed, struct err *err)
{
	struct memory memory = { .p = p };
	int64_t now = publish_now_ms(p);
	bool all = false;
	if (!changed && now - p->remembered_at < STILL_THERE_MS) {
		if (read_members(p, &all, err) != 0) {
			return -1;
		}
		if (all) {
			return 0;
		}
	}
	if (store_write(p->params.store, write_servers, &memory, err) != 0) {
		return -1;
	}
	p->remembered_at = now;
	log_comings(&memory);
	if (read_members(p, &all, err) != 0) {
		return -1;
	}
	return all ? 0
		   : err_set(err, ERR_CONFLICT,
			     "somebody else changes what is known of "
			     "the servers");
}

int
publish_recall(const struct publisher *p, struct roster *out, struct err *err)
{
	struct store_server *known = NULL;
	size_t len = 0;
	*out = (struct roster){ 0 };
	int rc = read_known(p, &known, &len, err);
	for (size_t i = 0; rc == 0 && i < len && out->len < ROSTER_MAX; i++) {
		str_fmt_cut(out->servers[out->len++].id, sizeof(out->servers[0].id), "%s",
			known[i].server_id);
	}
	free(known);
	return rc;
}

/* ---- how natsid stands to NATS ---- */

static int
write_standing(struct store_tx *tx, void *ctx, struct err *err)
{
	return store_standing_put(tx, ctx, err);
}

void
publish_remember_standing(struct publisher *p)
{
	enum { PAUSE_MS = 1000 };
	struct err err = { 0 };
	struct store_standing now = { .connected = p->up, .since = 1 };
	if (!p->standing_due || publish_now_ms(p) < p->standing_at) {
		return;
	}
	str_fmt_cut(now.words, sizeof(now.words), "%s",
		p->up ? p->blocked : "not connected to NATS");
	if (p->standing.since == 0 || p->standing.connected != now.connected ||
		!str_equal(p->standing.words, now.words)) {
		if (store_write(p->params.store, write_standing, &now, &err) != 0) {
			log_err("cannot remember how natsid stands to NATS", &err,
				LOG_STR("standing", now.words));
			p->standing_at = publish_now_ms(p) + PAUSE_MS;
			return;
		}
		p->standing = now;
	}
	p->standing_due = false;
}

/* ---- what servers say of themselves ---- */

struct trust {
	int64_t server;
	const struct strlist *keys;
};

static int
write_trust(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct trust *trust = ctx;
	return store_server_trust(
		tx, trust->server, trust->keys->items, trust->keys->len, err);
}

static void
note_twin(struct publisher *p, struct member *twin, const struct strlist *keys)
{
	twin->trust_known = true;
	twin->trusted = false;
	for (size_t i = 0; i < keys->len; i++) {
		twin->trusted =
			twin->trusted || str_equal(keys->items[i], p->twins_trust);
	}
}

void
publish_remember_trust(struct publisher *p, size_t index, const struct strlist *keys)
{
	struct err err = { 0 };
	struct trust trust = { .server = p->members[index].seq, .keys = keys };
	bool all = false;
	if (trust.server == 0) {
		note_twin(p, &p->members[index], keys);
		return;
	}
	if (store_write(p->params.store, write_trust, &trust, &err) != 0 ||
		read_members(p, &all, &err) != 0) {
		log_err("cannot remember whom a server trusts", &err,
			LOG_STR("server", p->roster.servers[index].name));
	}
}

struct kind {
	int64_t server;
	enum store_resolver resolver;
};

static int
write_resolver(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct kind *kind = ctx;
	return store_server_resolver(tx, kind->server, kind->resolver, err);
}

void
publish_remember_resolver(struct publisher *p, size_t index, enum store_resolver resolver)
{
	struct err err = { 0 };
	struct kind kind = { .server = p->members[index].seq, .resolver = resolver };
	if (resolver == STORE_RESOLVER_UNKNOWN ||
		p->members[index].resolver == resolver) {
		return;
	}
	p->members[index].resolver = resolver;
	if (kind.server != 0 &&
		store_write(p->params.store, write_resolver, &kind, &err) != 0) {
		log_err("cannot remember the resolver of a server", &err,
			LOG_STR("server", p->roster.servers[index].name));
	}
	if (resolver == STORE_RESOLVER_CACHE && kind.server != 0) {
		publish_expect_fewer(p);
	}
}

size_t
publish_count_unknown(const struct publisher *p)
{
	size_t n = 0;
	for (size_t i = 0; i < p->roster.len; i++) {
		n += p->members[i].resolver == STORE_RESOLVER_UNKNOWN ? 1 : 0;
	}
	return n;
}

uint64_t
publish_full_servers(const struct publisher *p)
{
	uint64_t mask = 0;
	for (size_t i = 0; i < p->roster.len; i++) {
		if (p->members[i].resolver != STORE_RESOLVER_CACHE) {
			mask |= UINT64_C(1) << i;
		}
	}
	return mask;
}
