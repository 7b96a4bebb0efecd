/* SPDX-License-Identifier: Apache-2.0 */
#include "service/import_cycle.h"

#include "base/array.h"
#include "base/str.h"
#include "mint/exports.h"
#include "model/subject.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEPTH_MAX = 64, /* servers give up as well, at 1,024 accounts */
	NODES_MAX = 2000, /* accounts looked at for one import */
	STOPS_MAX = 2000
};

struct edge {
	struct account_import *import; /* borrowed from the party, or the given one */
	char *local; /* what it is called in its account */
	bool is_service;
};

struct node {
	struct sharing_party party;
	struct edge *edges;
	size_t edges_len;
	bool visited;
	bool reaches; /* the importer, over imports of its own */
	bool done; /* its importers were looked at */
};

/* An account that requests of the import come to, and what they are called there. */
struct stop {
	const struct node *node;
	char *subject;
	size_t depth; /* its place on the path */
	bool on_way; /* else all ways on from here were followed, and end */
};

struct walk {
	struct store_conn *conn;
	const struct account *importer;
	struct account_import import; /* as it is to be; borrows */
	struct node **nodes;
	size_t nodes_len;
	struct stop *stops;
	size_t stops_len;
	const struct node *path[DEPTH_MAX];
	size_t depth;
	bool found;
};

static void
node_free(struct node *node)
{
	if (node == NULL) {
		return;
	}
	for (size_t i = 0; i < node->edges_len; i++) {
		free(node->edges[i].local);
	}
	free(node->edges);
	sharing_party_release(&node->party);
	free(node);
}

static void
walk_release(struct walk *walk)
{
	for (size_t i = 0; i < walk->nodes_len; i++) {
		node_free(walk->nodes[i]);
	}
	free(walk->nodes);
	for (size_t i = 0; i < walk->stops_len; i++) {
		free(walk->stops[i].subject);
	}
	free(walk->stops);
}

/* ---- loading ---- */

static int
add_edge(struct node *node, struct account_import *import, struct err *err)
{
	struct edge *edge = &node->edges[node->edges_len];
	*edge = (struct edge){
		.import = import,
		.local = mint_local_pattern(import),
		.is_service = str_equal(import->type, "service"),
	};
	if (edge->local == NULL) {
		return err_nomem(err);
	}
	node->edges_len++;
	return 0;
}

/* The imports as they are to be: the given one in place of the row of the same seq. */
static int
add_edges(struct walk *walk, struct node *node, struct err *err)
{
	struct store_imports *imports = &node->party.imports;
	assert(walk->importer != NULL);
	bool is_importer = node->party.account.head.seq == walk->importer->head.seq;
	node->edges = calloc(imports->len + 1, sizeof(*node->edges));
	if (node->edges == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < imports->len; i++) {
		bool replaced = is_importer &&
			imports->items[i].head.seq == walk->import.head.seq;
		if (!replaced && add_edge(node, &imports->items[i], err) != 0) {
			return -1;
		}
	}
	return is_importer ? add_edge(node, &walk->import, err) : 0;
}

static int
add_node(struct walk *walk, struct node *node, struct err *err)
{
	struct node **grown =
		realloc(walk->nodes, (walk->nodes_len + 1) * sizeof(struct node *));
	if (grown == NULL) {
		return err_nomem(err);
	}
	walk->nodes = grown;
	walk->nodes[walk->nodes_len++] = node;
	return 0;
}

/* By key, or by id when that is NULL. *out is NULL for accounts that are not ours. */
static int
load_node(struct walk *walk, const struct nkey_public *key, const char *id,
	struct node **out, struct err *err)
{
	*out = NULL;
	struct node *node = calloc(1, sizeof(*node));
	if (node == NULL) {
		return err_nomem(err);
	}
	int rc = key != NULL ? sharing_party_read_key(walk->conn, key, &node->party, err)
			     : sharing_party_read(walk->conn, id, &node->party, err);
	if (rc <= 0) {
		node_free(node);
		return rc;
	}
	if (add_edges(walk, node, err) != 0 || add_node(walk, node, err) != 0) {
		node_free(node);
		return -1;
	}
	*out = node;
	return 0;
}

static int
find_node(struct walk *walk, const struct nkey_public *key, struct node **out,
	struct err *err)
{
	assert(key != NULL);
	for (size_t i = 0; i < walk->nodes_len; i++) {
		if (memcmp(&walk->nodes[i]->party.account.public_key, key,
			    sizeof(*key)) == 0) {
			*out = walk->nodes[i];
			return 0;
		}
	}
	return load_node(walk, key, NULL, out, err);
}

static int
find_node_id(struct walk *walk, const char *id, struct node **out, struct err *err)
{
	for (size_t i = 0; i < walk->nodes_len; i++) {
		if (str_equal(walk->nodes[i]->party.account.head.id, id)) {
			*out = walk->nodes[i];
			return 0;
		}
	}
	return load_node(walk, NULL, id, out, err);
}

/* ---- requests that would go round ----
 *
 * Followed from account to account, by what they are called in each. A request that comes
 * back to an account as what it was there, or as more than that, goes round for ever. One
 * that comes back as less may end the next time, so it is followed on. */

/* Takes the subject. */
static int
add_stop(struct walk *walk, const struct node *node, char *subject, struct err *err)
{
	struct stop *grown =
		array_grow(walk->stops, walk->stops_len, sizeof(*walk->stops), err);
	if (grown == NULL) {
		free(subject);
		return -1;
	}
	walk->stops = grown;
	walk->stops[walk->stops_len++] = (struct stop){
		.node = node, .subject = subject, .depth = walk->depth, .on_way = true
	};
	return 0;
}

/* The path is that of the ring alone, from the stop on. */
static void
close_ring(struct walk *walk, const struct stop *stop)
{
	walk->depth -= stop->depth;
	memmove(walk->path, walk->path + stop->depth,
		walk->depth * sizeof(struct node *));
	walk->path[walk->depth++] = stop->node;
	walk->found = true;
}

/* Is there nothing to follow from here? A subject that grows each round never comes back
 * as it was: such ways are long. */
static bool
is_settled(struct walk *walk, const struct node *node, const char *subject)
{
	bool too_far = walk->depth == DEPTH_MAX - 1;
	const struct stop *last = NULL;
	for (size_t i = 0; i < walk->stops_len; i++) {
		const struct stop *stop = &walk->stops[i];
		if (stop->node != node) {
			continue;
		}
		last = stop->on_way ? stop : last;
		if (stop->on_way && subject_contains(subject, stop->subject)) {
			close_ring(walk, stop);
			return true;
		}
		if (!stop->on_way && subject_contains(stop->subject, subject)) {
			return true;
		}
	}
	if (too_far && last != NULL) {
		close_ring(walk, last);
	}
	return too_far || walk->stops_len == STOPS_MAX;
}

static int visit(struct walk *walk, struct node *node, char *subject, struct err *err);

static int
follow_request(
	struct walk *walk, const struct edge *edge, const char *subject, struct err *err)
{
	char *theirs = NULL;
	struct node *next = NULL;
	if (mint_local_follow(edge->import, subject, &theirs, err) != 0) {
		return -1;
	}
	if (theirs == NULL) {
		return 0;
	}
	if (find_node(walk, &edge->import->account, &next, err) != 0) {
		free(theirs);
		return -1;
	}
	if (next == NULL || is_settled(walk, next, theirs)) {
		free(theirs);
		return 0;
	}
	return visit(walk, next, theirs, err);
}

/* Takes the subject. Recursion is bounded: by DEPTH_MAX. */
static int
visit(struct walk *walk, struct node *node, char *subject, struct err *err)
{
	size_t stop = walk->stops_len;
	if (add_stop(walk, node, subject, err) != 0) {
		return -1;
	}
	walk->path[walk->depth++] = node;
	for (size_t i = 0; i < node->edges_len; i++) {
		const struct edge *edge = &node->edges[i];
		if (edge->is_service && subject_overlaps(subject, edge->local) &&
			follow_request(walk, edge, subject, err) != 0) {
			return -1;
		}
		if (walk->found) {
			return 0; /* with the path to it */
		}
	}
	walk->depth--;
	walk->stops[stop].on_way = false;
	return 0;
}

/* A ring that the import closes leads over it. */
static int
find_ring(struct walk *walk, struct node *importer, const struct edge *edge,
	struct err *err)
{
	if (!edge->is_service) {
		return 0; /* what comes in by a stream goes out by no other */
	}
	char *subject = str_dup(edge->local);
	return subject != NULL ? visit(walk, importer, subject, err) : err_nomem(err);
}

/* ---- the server's search ----
 *
 * It compares what is asked for with what is asked for elsewhere, not with what it is
 * called there, so it misses rings and sees some that are none: the imports that it
 * refuses are refused all the same. */

static bool
exports_stream(const struct node *node, const char *subject)
{
	const struct store_exports *exports = &node->party.exports;
	for (size_t i = 0; i < exports->len; i++) {
		if (str_equal(exports->items[i].type, "stream") &&
			subject_contains(exports->items[i].subject, subject)) {
			return true;
		}
	}
	return false;
}

/* What the search compares an import with: for a service what it asks for, for a stream
 * what it is called. */
static const char *
meeting_point(const struct edge *edge)
{
	return edge->is_service ? edge->import->subject : edge->local;
}

static int search(struct walk *walk, struct node *node, bool is_service,
	const char *subject, struct err *err);

static int
follow(struct walk *walk, struct node *node, const struct edge *edge, const char *subject,
	struct err *err)
{
	struct node *next = NULL;
	if (find_node(walk, &edge->import->account, &next, err) != 0) {
		return -1;
	}
	if (next == NULL) {
		return 0;
	}
	if (next->visited || walk->depth == DEPTH_MAX - 1) {
		walk->path[walk->depth++] = next;
		walk->found = true;
		return 0;
	}
	node->visited = true;
	const char *narrower =
		subject_contains(subject, edge->local) ? edge->local : subject;
	return search(walk, next, edge->is_service, narrower, err);
}

/* Recursion is bounded: by DEPTH_MAX. */
static int
search(struct walk *walk, struct node *node, bool is_service, const char *subject,
	struct err *err)
{
	walk->path[walk->depth++] = node;
	if (!is_service && !exports_stream(node, subject)) {
		walk->depth--;
		return 0;
	}
	for (size_t i = 0; i < node->edges_len; i++) {
		const struct edge *edge = &node->edges[i];
		if (edge->is_service != is_service ||
			!subject_overlaps(subject, meeting_point(edge))) {
			continue;
		}
		if (follow(walk, node, edge, subject, err) != 0) {
			return -1;
		}
		if (walk->found) {
			return 0; /* with the path to it */
		}
	}
	walk->depth--;
	return 0;
}

static int
search_from(struct walk *walk, struct node *node, const struct edge *edge,
	const char *subject, struct err *err)
{
	struct node *first = NULL;
	if (find_node(walk, &edge->import->account, &first, err) != 0) {
		return -1;
	}
	if (first == NULL) {
		return 0;
	}
	for (size_t i = 0; i < walk->nodes_len; i++) {
		walk->nodes[i]->visited = false;
	}
	node->visited = true;
	walk->path[0] = node;
	walk->depth = 1;
	return search(walk, first, edge->is_service, subject, err);
}

static int
check_edge(struct walk *walk, struct node *node, const struct edge *edge, struct err *err)
{
	assert(edge->import != NULL);
	int rc = search_from(walk, node, edge, edge->local, err);
	if (rc == 0 && !walk->found && !edge->is_service) {
		rc = search_from(walk, node, edge, edge->import->subject, err);
	}
	return rc;
}

/* ---- everybody who may see it ---- */

static int
check_importer(
	struct walk *walk, const struct node *node, const char *id, struct err *err)
{
	struct node *other = NULL;
	if (find_node_id(walk, id, &other, err) != 0 || other == NULL) {
		return -1;
	}
	other->reaches = true;
	for (size_t i = 0; i < other->edges_len && !walk->found; i++) {
		const struct edge *edge = &other->edges[i];
		if (memcmp(&edge->import->account, &node->party.account.public_key,
			    sizeof(edge->import->account)) == 0 &&
			check_edge(walk, other, edge, err) != 0) {
			return -1;
		}
	}
	return 0;
}

/* The imports of others that lead to the node; what leads to those comes later. */
static int
check_importers(struct walk *walk, struct node *node, struct err *err)
{
	struct store_imports imports = { 0 };
	const struct account *account = &node->party.account;
	const char *last = "";
	node->done = true;
	int rc = store_import_list_from(
		walk->conn, &account->public_key, account->head.seq, &imports, err);
	for (size_t i = 0; rc == 0 && i < imports.len && !walk->found; i++) {
		const char *id = imports.items[i].account_id;
		if (!str_equal(id, last)) {
			rc = check_importer(walk, node, id, err);
		}
		last = id;
	}
	store_imports_release(&imports);
	return rc;
}

/* Beyond NODES_MAX accounts the search ends: what it has not seen by then is so far away
 * that servers, at worst, drop one import of many. */
static int
check_all(struct walk *walk, struct err *err)
{
	struct node *node = NULL;
	if (find_node(walk, &walk->importer->public_key, &node, err) != 0) {
		return -1;
	}
	if (node == NULL) {
		return err_set(err, ERR_STALE, "the account was deleted meanwhile");
	}
	node->reaches = true;
	const struct edge *edge = &node->edges[node->edges_len - 1];
	int rc = find_ring(walk, node, edge, err);
	if (rc == 0 && !walk->found) {
		rc = check_edge(walk, node, edge, err);
	}
	for (size_t i = 0; rc == 0 && !walk->found && i < walk->nodes_len &&
		walk->nodes_len < NODES_MAX;
		i++) {
		if (walk->nodes[i]->reaches && !walk->nodes[i]->done) {
			rc = check_importers(walk, walk->nodes[i], err);
			i = (size_t)-1; /* some that were passed may reach it now */
		}
	}
	return rc;
}

static void
tell_path(const struct walk *walk, char out[static IMPORT_CYCLE_PATH_SIZE])
{
	char before[IMPORT_CYCLE_PATH_SIZE];
	out[0] = '\0';
	for (size_t i = 0; walk->found && i < walk->depth; i++) {
		str_fmt_cut(before, sizeof(before), "%s", out);
		str_fmt_cut(out, IMPORT_CYCLE_PATH_SIZE, "%s%s%.28s", before,
			i > 0 ? " > " : "", walk->path[i]->party.account.name);
	}
}

int
import_cycle_find(struct store_conn *conn, const struct account *importer,
	const struct account_import *import, struct guards *guards,
	char out_path[static IMPORT_CYCLE_PATH_SIZE], struct err *err)
{
	struct walk walk = { .conn = conn, .importer = importer, .import = *import };
	int rc = check_all(&walk, err);
	for (size_t i = 0; rc == 0 && i < walk.nodes_len; i++) {
		rc = guards_add(guards, &walk.nodes[i]->party.account.head, err);
	}
	if (rc == 0) {
		tell_path(&walk, out_path);
	}
	walk_release(&walk);
	return rc;
}
