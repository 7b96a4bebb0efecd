/* SPDX-License-Identifier: Apache-2.0
 * What is told of servers, of accounts on them, and of what is not proven yet. */
#include "base/str.h"
#include "model/publish_queue.h"
#include "service/account_state.h"
#include "service/servers.h"
#include "store/publish.h"
#include "store/record.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SERVICE_TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_service_set_up, temp_service_tear_down)

enum { MINUTE_MS = 60 * 1000 };

/* ---- writing to the store ---------------------------------------------------------- */

static void
ok(int rc, const struct err *err)
{
	if (rc != 0) {
		fail_msg("%s (%s)", err->msg, err->detail);
	}
}

static void
write_ok(struct temp_service *t, store_write_fn fn, void *ctx)
{
	struct err err = { 0 };
	ok(store_write(t->temp.store, fn, ctx, &err), &err);
}

struct meeting {
	struct store_server_seen seen;
	int64_t seq;
	int64_t incarnation;
};

static int
meet_write(struct store_tx *tx, void *ctx, struct err *err)
{
	struct meeting *meeting = ctx;
	return store_server_seen(
		tx, &meeting->seen, &meeting->seq, &meeting->incarnation, err);
}

static struct meeting
meet(struct temp_service *t, const char *cluster, const char *name, const char *id)
{
	struct meeting meeting = { .seen = { cluster, name, id, "2.11.0" } };
	write_ok(t, meet_write, &meeting);
	return meeting;
}

static int
miss_write(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct meeting *meeting = ctx;
	return store_server_missing(tx, meeting->seq, err);
}

struct holding {
	const struct meeting *server;
	int64_t account;
	int64_t generation;
	const char *words; /* NULL: it holds it */
};

static int
hold_write(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct holding *h = ctx;
	return h->words != NULL
		? store_account_server_failed(
			  tx, h->account, h->server->seq, h->words, err)
		: store_account_server_holds(tx, h->account, h->server->seq,
			  h->server->incarnation, h->generation, err);
}

static void
hold(struct temp_service *t, const struct meeting *server, int64_t account,
	int64_t generation)
{
	struct holding holding = { server, account, generation, NULL };
	write_ok(t, hold_write, &holding);
}

static void
fail_on(struct temp_service *t, const struct meeting *server, int64_t account,
	const char *words)
{
	struct holding holding = { server, account, 0, words };
	write_ok(t, hold_write, &holding);
}

static int
prove_write(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct holding *h = ctx;
	return store_publish_proven(tx, h->account, h->generation, err);
}

/* All servers of the list hold it, and the publisher says so. */
static void
prove(struct temp_service *t, const struct meeting *servers, size_t len, int64_t account,
	int64_t generation)
{
	struct holding holding = { NULL, account, generation, NULL };
	for (size_t i = 0; i < len; i++) {
		hold(t, &servers[i], account, generation);
	}
	write_ok(t, prove_write, &holding);
}

/* An account may go for good while others are written down with it. */
static void
test_nobody_holds_what_is_gone(void **state)
{
	struct temp_service *t = *state;
	struct meeting server = meet(t, "c", "a", "N1");
	hold(t, &server, 4711, 1);
	fail_on(t, &server, 4711, "disk trouble");
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM account_servers", NULL), 0);
}

/* Accounts that the test is not about: the system account. */
static void
prove_all(struct temp_service *t, const struct meeting *servers, size_t len)
{
	int64_t last = temp_ask(t, "SELECT max(account) FROM account_publish", NULL);
	for (int64_t account = 1; account <= last; account++) {
		char number[24];
		str_fmt_cut(number, sizeof(number), "%lld", (long long)account);
		prove(t, servers, len, account,
			temp_ask(t,
				"SELECT generation FROM account_publish WHERE account = "
				"'%s'",
				number));
	}
}

/* ---- servers ----------------------------------------------------------------------- */

static struct server_list
list_servers(struct temp_service *t)
{
	struct err err = { 0 };
	struct server_list list = { 0 };
	ok(service_servers(t->service, &temp_superuser_actor, &list, &err), &err);
	return list;
}

static int
drift_write(struct store_tx *tx, void *ctx, struct err *err)
{
	const int64_t server = *(const int64_t *)ctx;
	return store_drift_found(tx, server, "AONE", STORE_DRIFT_FOREIGN, err) != 0 ||
			store_drift_found(tx, server, "ATWO", STORE_DRIFT_FOREIGN, err) !=
				0 ||
			store_drift_found(tx, server, "ATHREE", STORE_DRIFT_OLDER, err) !=
				0
		? -1
		: 0;
}

static int
foreign_gone_write(struct store_tx *tx, void *ctx, struct err *err)
{
	return store_drift_foreign_gone(tx, *(const int64_t *)ctx, store_tx_now(tx), err);
}

static int
forget_write(struct store_tx *tx, void *ctx, struct err *err)
{
	return store_server_forget(tx, *(const int64_t *)ctx, err);
}

static void
test_servers_and_states(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct meeting a = meet(t, "c", "a", "N1");
	struct meeting b = meet(t, "c", "b", "N2");
	write_ok(t, miss_write, &a);
	write_ok(t, drift_write, &b.seq);
	struct server_list list = list_servers(t);
	assert_int_equal(list.len, 2);
	assert_string_equal(list.items[0].server.name, "a");
	assert_string_equal(server_state(&list.items[0].server), "missing");
	assert_int_equal(list.items[0].foreign, 0);
	assert_string_equal(server_state(&list.items[1].server), "present");
	assert_int_equal(list.items[1].foreign, 2);
	server_list_release(&list);
	temp_store_exec(&t->temp, "UPDATE servers SET absent = 1 WHERE name = 'a'");
	list = list_servers(t);
	assert_string_equal(server_state(&list.items[0].server), "absent");
	server_list_release(&list);
	assert_int_equal(service_servers(t->service, &temp_guest_actor, &list, &err), -1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
}

static void
test_drift(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct store_drift *rows = NULL;
	size_t len = 0;
	struct meeting b = meet(t, "c", "b", "N1");
	write_ok(t, drift_write, &b.seq);
	write_ok(t, drift_write, &b.seq); /* is no news */
	ok(service_drift(t->service, &temp_superuser_actor, 2, &rows, &len, &err), &err);
	assert_int_equal(len, 2);
	assert_string_equal(rows[0].account_key, "ATHREE");
	assert_string_equal(rows[0].cluster, "c");
	assert_string_equal(rows[0].server, "b");
	assert_int_equal(rows[0].kind, STORE_DRIFT_OLDER);
	free(rows);
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM drift", NULL), 3);
	/* it may be any */
	int64_t unknown = 0;
	write_ok(t, drift_write, &unknown);
	write_ok(t, drift_write, &unknown);
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM drift", NULL), 6);
	ok(service_drift(t->service, &temp_superuser_actor, 1, &rows, &len, &err), &err);
	assert_string_equal(rows[0].server, "");
	free(rows);
	assert_int_equal(
		service_drift(t->service, &temp_guest_actor, 2, &rows, &len, &err), -1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
}

/* Servers of one name in two clusters are two, and what is told of one is told as long as
 * it is known. */
static void
test_drift_of_two_clusters(void **state)
{
	struct temp_service *t = *state;
	struct meeting east = meet(t, "east", "nats-0", "N1");
	struct meeting west = meet(t, "west", "nats-0", "N2");
	write_ok(t, drift_write, &east.seq);
	temp_service_advance(t, 1000);
	write_ok(t, drift_write, &west.seq);
	write_ok(t, foreign_gone_write, &west.seq);
	struct server_list list = list_servers(t);
	assert_int_equal(list.items[0].foreign, 2);
	assert_int_equal(list.items[1].foreign, 2);
	server_list_release(&list);
	temp_service_advance(t, 1000);
	write_ok(t, foreign_gone_write, &west.seq);
	list = list_servers(t);
	assert_int_equal(list.items[0].foreign, 2);
	assert_int_equal(list.items[1].foreign, 0);
	server_list_release(&list);
	write_ok(t, forget_write, &east.seq);
	assert_int_equal(
		temp_ask(t, "SELECT count(*) FROM drift WHERE repaired_at = 0", NULL), 1);
	/* a proof that was on its way when it was forgotten */
	write_ok(t, drift_write, &east.seq);
	assert_int_equal(
		temp_ask(t, "SELECT count(*) FROM drift WHERE server IS NULL", NULL), 3);
}

static int
stand_write(struct store_tx *tx, void *ctx, struct err *err)
{
	return store_standing_put(tx, ctx, err);
}

static void
stand(struct temp_service *t, bool connected, const char *words)
{
	struct store_standing standing = { .connected = connected };
	str_fmt_cut(standing.words, sizeof(standing.words), "%s", words);
	write_ok(t, stand_write, &standing);
}

static void
assert_not_forgotten(
	struct temp_service *t, const char *name, enum err_code code, const char *words)
{
	struct err err = { 0 };
	assert_int_equal(
		service_server_forget(t->service, &temp_console_actor, name, true, &err),
		-1);
	assert_int_equal(err.code, code);
	if (strstr(err.msg, words) == NULL) {
		fail_msg("no \"%s\" in \"%s\"", words, err.msg);
	}
}

static void
forget_ok(struct temp_service *t, const char *name)
{
	struct err err = { 0 };
	ok(service_server_forget(t->service, &temp_console_actor, name, true, &err),
		&err);
}

static void
test_forget(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	(void)meet(t, "c", "a", "N1");
	struct meeting b = meet(t, "c", "b", "N2");
	(void)meet(t, "d", "b", "N3");
	struct meeting alone = meet(t, "", "b", "N4");
	stand(t, true, "");
	assert_not_forgotten(t, "a", ERR_CONFLICT, "answers");
	assert_not_forgotten(t, "c/a", ERR_CONFLICT, "answers");
	assert_not_forgotten(t, "x", ERR_NOT_FOUND, "no server \"x\"");
	assert_not_forgotten(t, "d/a", ERR_NOT_FOUND, "no server \"d/a\"");
	assert_not_forgotten(t, "b", ERR_CONFLICT, "/b, c/b, d/b");
	/* missing, or not heard for a while: nobody looks */
	write_ok(t, miss_write, &b);
	write_ok(t, miss_write, &alone);
	forget_ok(t, "c/b");
	assert_not_forgotten(t, "b", ERR_CONFLICT, "/b, d/b");
	forget_ok(t, "/b");
	assert_not_forgotten(t, "b", ERR_CONFLICT, "answers");
	temp_service_advance(t, 5 * MINUTE_MS);
	forget_ok(t, "b");
	forget_ok(t, "a");
	assert_int_equal(temp_ask(t, "SELECT count(*) FROM servers", NULL), 0);
	assert_int_equal(temp_ask(t,
				 "SELECT count(*) FROM audit WHERE action = "
				 "'forget_server' AND actor = 'console'",
				 NULL),
		4);
	assert_int_equal(
		temp_ask(
			t, "SELECT count(*) FROM audit WHERE fields = '[\"c/b\"]'", NULL),
		1);
	assert_int_equal(
		service_server_forget(t->service, &temp_superuser_actor, "a", true, &err),
		-1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
}

/* Nobody hears whether it answers. */
static void
test_forget_unheard(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct server_list list = { 0 };
	(void)meet(t, "c", "a", "N1");
	(void)meet(t, "c", "b", "N2");
	stand(t, true, "");
	assert_not_forgotten(t, "a", ERR_CONFLICT, "answers");
	ok(service_server_forget(t->service, &temp_console_actor, "a", false, &err),
		&err);
	assert_not_forgotten(t, "b", ERR_CONFLICT, "answers");
	stand(t, false, "not connected to NATS");
	ok(service_servers(t->service, &temp_superuser_actor, &list, &err), &err);
	assert_false(list.standing.connected);
	assert_string_equal(list.standing.words, "not connected to NATS");
	assert_true(list.standing.since > 0);
	server_list_release(&list);
	forget_ok(t, "b");
}

/* ---- accounts on them -------------------------------------------------------------- */

static struct account_state
state_of(struct temp_service *t, const char *id)
{
	struct err err = { 0 };
	struct account_state state = { 0 };
	ok(service_account_state(t->service, &temp_superuser_actor, id, &state, &err),
		&err);
	return state;
}

static void
assert_status(
	struct temp_service *t, const char *id, const char *status, const char *message)
{
	struct account_state state = state_of(t, id);
	assert_string_equal(state.status, status);
	assert_string_equal(state.message, message);
	account_state_release(&state);
}

static void
test_account_state(void **state)
{
	struct temp_service *t = *state;
	char id[RAND_ID_SIZE];
	struct meeting servers[] = { meet(t, "c", "a", "N1"), meet(t, "c", "b", "N2") };
	int64_t account = temp_make_account(t, "acme", id);
	hold(t, &servers[0], account, 1);
	fail_on(t, &servers[1], account, "jwt validation failed");
	struct account_state found = state_of(t, id);
	assert_string_equal(found.id, id);
	assert_int_equal(found.public_key[0], 'A');
	assert_string_equal(found.status, "pending");
	assert_int_equal(found.wanted, 1);
	assert_int_equal(found.proven, 0);
	assert_false(found.quarantined);
	assert_int_equal(found.len, 2);
	assert_int_equal(found.held[0].generation, 1);
	assert_true(found.held[0].current && found.held[0].proven_at > 0);
	assert_int_equal(found.held[1].generation, 0);
	assert_false(found.held[1].current);
	assert_string_equal(found.held[1].words, "jwt validation failed");
	assert_true(found.held[1].tried_at > 0);
	account_state_release(&found);

	prove(t, servers, 2, account, 1);
	assert_status(t, id, "proven", "");
	servers[1] = meet(t, "c", "b", "N3");
	assert_status(t, id, "pending", "b is being checked");
	found = state_of(t, id);
	assert_int_equal(found.held[1].generation, 1);
	assert_false(found.held[1].current);
	account_state_release(&found);
	write_ok(t, miss_write, &servers[1]);
	assert_status(t, id, "partial", "b does not answer");
}

static int
note_write(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct holding *h = ctx;
	return store_publish_note(tx, h->account, h->generation,
		h->server != NULL ? STORE_PUBLISH_PENDING : STORE_PUBLISH_REFUSED,
		h->words, true, err);
}

/* What is on its way says what is in the way of all. */
static void
test_message_while_not_connected(void **state)
{
	struct temp_service *t = *state;
	char id[RAND_ID_SIZE];
	struct meeting server = meet(t, "c", "a", "N1");
	int64_t account = temp_make_account(t, "acme", id);
	struct holding note = { &server, account, 1, "no server answered the push" };
	assert_status(t, id, "pending", "");
	stand(t, false, "not connected to NATS");
	assert_status(t, id, "pending", "not connected to NATS");
	write_ok(t, note_write, &note);
	assert_status(t, id, "pending", "not connected to NATS");
	stand(t, true, "");
	assert_status(t, id, "pending", "no server answered the push");
	/* not what would be so even then */
	stand(t, false, "not connected to NATS");
	note = (struct holding){ NULL, account, 1, "a: too large" };
	write_ok(t, note_write, &note);
	assert_status(t, id, "refused", "a: too large");
	prove(t, &server, 1, account, 1);
	assert_status(t, id, "proven", "");
}

/* Both ends of a text that is too long are kept. */
static void
test_long_words(void **state)
{
	struct temp_service *t = *state;
	char id[RAND_ID_SIZE];
	char words[600];
	struct meeting server = meet(t, "c", "a", "N1");
	int64_t account = temp_make_account(t, "acme", id);
	str_fmt_cut(words, sizeof(words), "open %0400d: disk full", 0);
	struct holding note = { &server, account, 1, words };
	write_ok(t, note_write, &note);
	fail_on(t, &server, account, words);
	struct account_state found = state_of(t, id);
	const char *texts[] = { found.message, found.held[0].words };
	for (size_t i = 0; i < 2; i++) {
		assert_memory_equal(texts[i], "open 00", 7);
		assert_non_null(strstr(texts[i], "0...0"));
		assert_non_null(strstr(texts[i], "0: disk full"));
	}
	account_state_release(&found);
}

struct quarantining {
	int64_t account;
	struct store_quarantine found;
};

static int
quarantine_write(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct quarantining *q = ctx;
	return store_quarantine_put(tx, q->account, &q->found, err);
}

static void
test_quarantine_is_told(void **state)
{
	struct temp_service *t = *state;
	char id[RAND_ID_SIZE];
	char jwt[] = "their.jwt.";
	temp_make_account(t, "acme", id);
	struct quarantining q = { temp_account_seq(t, id),
		{ .cause = STORE_QUARANTINE_FOREIGN, .server = "b", .jwt = jwt } };
	write_ok(t, quarantine_write, &q);
	struct account_state found = state_of(t, id);
	assert_true(found.quarantined);
	assert_int_equal(found.quarantine.cause, STORE_QUARANTINE_FOREIGN);
	assert_string_equal(found.quarantine.server, "b");
	assert_true(found.quarantine.found_at > 0);
	account_state_release(&found);

	/* what the server held before is no news of it */
	struct meeting servers[] = { meet(t, "c", "a", "N1"), meet(t, "c", "b", "N2") };
	prove(t, servers, 2, q.account, 1);
	found = state_of(t, id);
	assert_true(found.held[0].current);
	assert_false(found.held[1].current);
	account_state_release(&found);
	q.found.server[0] = '\0';
	write_ok(t, quarantine_write, &q);
	found = state_of(t, id);
	assert_false(found.held[0].current || found.held[1].current);
	account_state_release(&found);
}

static void
test_counts(void **state)
{
	struct temp_service *t = *state;
	char id[RAND_ID_SIZE];
	char jwt[] = "their.jwt.";
	struct err err = { 0 };
	struct store_proof_counts counts;
	int64_t account = temp_make_account(t, "acme", id);
	struct meeting servers[] = { meet(t, "c", "a", "N1"), meet(t, "c", "b", "N2") };
	ok(service_proof_counts(t->service, &counts, &err), &err);
	assert_int_equal(counts.unproven, 2); /* and the system account */
	assert_int_equal(counts.quarantined + counts.missing + counts.absent, 0);

	prove(t, servers, 2, account, 1);
	struct quarantining q = { account,
		{ .cause = STORE_QUARANTINE_NEWER, .server = "b", .jwt = jwt } };
	write_ok(t, quarantine_write, &q);
	write_ok(t, miss_write, &servers[1]);
	ok(service_proof_counts(t->service, &counts, &err), &err);
	assert_int_equal(counts.unproven, 1);
	assert_int_equal(counts.quarantined, 1);
	assert_int_equal(counts.servers, 2);
	assert_int_equal(counts.missing, 1);
	assert_int_equal(counts.absent, 0);
	temp_store_exec(&t->temp, "UPDATE servers SET absent = 1 WHERE name = 'b'");
	ok(service_proof_counts(t->service, &counts, &err), &err);
	assert_int_equal(counts.missing, 0);
	assert_int_equal(counts.absent, 1);
	assert_int_equal(counts.foreign, 0);
	write_ok(t, drift_write, &servers[0].seq);
	write_ok(t, drift_write, &servers[1].seq);
	ok(service_proof_counts(t->service, &counts, &err), &err);
	assert_int_equal(counts.foreign, 2); /* accounts, on however many servers */
	temp_service_advance(t, 1000);
	write_ok(t, foreign_gone_write, &servers[0].seq);
	write_ok(t, foreign_gone_write, &servers[1].seq);
	ok(service_proof_counts(t->service, &counts, &err), &err);
	assert_int_equal(counts.foreign, 0);
}

static void
test_no_state_of_others(void **state)
{
	struct temp_service *t = *state;
	char id[RAND_ID_SIZE];
	struct err err = { 0 };
	struct account_state found = { 0 };
	int64_t count = 0;
	temp_make_account(t, "acme", id);
	assert_int_equal(
		service_account_state(t->service, &temp_guest_actor, id, &found, &err),
		-1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	assert_int_equal(
		service_reconcile_count(t->service, &temp_guest_actor, &count, &err), -1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	ok(service_reconcile_count(t->service, &temp_superuser_actor, &count, &err),
		&err);
	assert_int_equal(count, 2);
	temp_delete_ok(t, &account_collection, id);
	assert_int_equal(service_account_state(
				 t->service, &temp_superuser_actor, id, &found, &err),
		-1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

/* ---- the publish queue ------------------------------------------------------------- */

enum { QUEUE_TEXT_SIZE = 1024 };

/* The values of one field, separated by blanks. */
struct queue_field {
	const char *name;
	char text[QUEUE_TEXT_SIZE];
};

static int
add_value(void *ctx, const struct record_view *view, struct err *err)
{
	struct queue_field *field = ctx;
	size_t len = 0;
	char before[QUEUE_TEXT_SIZE];
	int index = collection_field_index(view->collection, field->name);
	(void)err; /* cannot fail */
	memcpy(before, field->text, sizeof(before));
	str_fmt_cut(field->text, sizeof(field->text), "%s%s%s", before,
		before[0] != '\0' ? " " : "",
		record_view_text(view, (size_t)index, &len));
	return 0;
}

static void
assert_queue(struct temp_service *t, const char *name, const char *expected)
{
	struct err err = { 0 };
	struct queue_field field = { .name = name };
	struct record_list list = { .collection = &publish_queue_collection,
		.page = 1,
		.per_page = 10,
		.sort = "" };
	int64_t total = 0;
	ok(service_record_list(t->service, &temp_superuser_actor, &list, add_value,
		   &field, &total, &err),
		&err);
	assert_string_equal(field.text, expected);
}

static void
test_queue(void **state)
{
	struct temp_service *t = *state;
	char id[RAND_ID_SIZE];
	char other[RAND_ID_SIZE];
	struct meeting servers[] = { meet(t, "c", "a", "N1"), meet(t, "c", "b", "N2") };
	temp_make_account(t, "acme", id);
	temp_make_account(t, "other", other);
	int64_t account = temp_account_seq(t, id);
	assert_queue(t, "account_name", "SYS acme other");
	prove_all(t, servers, 2);
	assert_queue(t, "account_name", "");

	/* one wanted anew, and one whose server forgot it all */
	struct account row = { .max_connections = 5 };
	temp_change_ok(t, &account_collection, id, &row, "max_connections");
	fail_on(t, &servers[1], account, "no \"room\"");
	assert_queue(t, "account_name", "acme");
	assert_queue(t, "account_id", id);
	assert_queue(t, "id", id);
	assert_queue(t, "action", "upsert");
	assert_queue(t, "generation", "2");
	assert_queue(t, "proven_generation", "1");
	assert_queue(t, "publish_status", "pending");
	struct queue_field field = { .name = "servers" };
	struct err err = { 0 };
	ok(service_record_view(t->service, &temp_superuser_actor,
		   &publish_queue_collection, id, add_value, &field, &err),
		&err);
	assert_non_null(strstr(field.text,
		"{\"cluster\":\"c\",\"name\":\"b\",\"state\":\"present\",\"proven\":1,"
		"\"words\":\"no \\\"room\\\"\",\"tried_at\":\"20"));
	prove(t, servers, 2, account, 2);
	assert_queue(t, "account_name", "");
	servers[0] = meet(t, "c", "a", "N9");
	assert_queue(t, "account_name", "SYS acme other");
	assert_queue(
		t, "message", "a is being checked a is being checked a is being checked");
	prove_all(t, servers, 2);
	assert_queue(t, "account_name", "");

	/* a tombstone is wanted like everything else */
	temp_delete_ok(t, &account_collection, other);
	assert_queue(t, "account_name", "other");
	assert_queue(t, "account_id", other);
	assert_queue(t, "action", "delete");
}

static void
test_queue_sorts_by_all(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	char id[RAND_ID_SIZE];
	temp_make_account(t, "acme", id);
	for (size_t i = 0; i < publish_queue_collection.field_count; i++) {
		const struct field *field = &publish_queue_collection.fields[i];
		struct queue_field names = { .name = "account_name" };
		int64_t total = 0;
		struct record_list list = { .collection = &publish_queue_collection,
			.page = 1,
			.per_page = 10,
			.sort = field->name };
		if (!store_record_can_sort(field)) {
			continue;
		}
		ok(service_record_list(t->service, &temp_superuser_actor, &list,
			   add_value, &names, &total, &err),
			&err);
		assert_int_equal(strlen(names.text), strlen("SYS acme"));
		assert_int_equal(total, 2);
	}
}

static void
test_queue_is_read_only(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct publish_queue_item row = { 0 };
	char id[RAND_ID_SIZE];
	temp_make_account(t, "acme", id);
	assert_int_equal(
		temp_create(t, &publish_queue_collection, &row, "", id, NULL, &err), -1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	assert_non_null(strstr(err.msg, "/api/v1/reconcile"));
	assert_int_equal(
		temp_change(t, &publish_queue_collection, id, &row, "", NULL, &err), -1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	assert_int_equal(service_record_delete(t->service, &temp_superuser_actor,
				 &publish_queue_collection, id, &err),
		-1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	/* nor those above the policy */
	assert_int_equal(service_record_delete(t->service, &temp_console_actor,
				 &publish_queue_collection, id, &err),
		-1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SERVICE_TEST(test_servers_and_states),
		SERVICE_TEST(test_drift),
		SERVICE_TEST(test_drift_of_two_clusters),
		SERVICE_TEST(test_forget),
		SERVICE_TEST(test_forget_unheard),
		SERVICE_TEST(test_message_while_not_connected),
		SERVICE_TEST(test_long_words),
		SERVICE_TEST(test_nobody_holds_what_is_gone),
		SERVICE_TEST(test_account_state),
		SERVICE_TEST(test_quarantine_is_told),
		SERVICE_TEST(test_counts),
		SERVICE_TEST(test_no_state_of_others),
		SERVICE_TEST(test_queue),
		SERVICE_TEST(test_queue_sorts_by_all),
		SERVICE_TEST(test_queue_is_read_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
