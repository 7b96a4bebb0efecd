/* SPDX-License-Identifier: Apache-2.0 */
#include "service/tombstone.h"

#include "base/array.h"
#include "base/str.h"
#include "mint/account.h"
#include "mint/removal.h"
#include "service/internal.h"
#include "store/account.h"
#include "store/burial.h"
#include "store/record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	BATCH_MAX = 100, /* accounts of one request, and lookups at a time */
	REQUEST_MAX = 64 * 1024,
	SETTLE_MS = 5 * 60 * 1000, /* servers that copy from each other have done so */
	WORDS_SIZE = 160
};

/* ---- answers ---- */

struct answered {
	char id[STORE_SERVER_ID_SIZE];
	char name[STORE_SERVER_NAME_SIZE];
	int64_t removed;
	char words[WORDS_SIZE];
};

struct candidate {
	struct store_burial burial;
	char key[NKEY_TEXT_SIZE];
	bool looked; /* all servers were asked for its JWT, */
	bool shown; /* and some have one */
};

struct tombstone_answers {
	struct answered *items;
	size_t len;
	struct candidate *candidates; /* by key */
	size_t candidates_len;
};

int
tombstone_answered(struct tombstone_answers *answers, const char *server_id,
	const char *server_name, int64_t removed, const char *words, struct err *err)
{
	struct answered *grown =
		array_grow(answers->items, answers->len, sizeof(*answers->items), err);
	if (grown == NULL) {
		return -1;
	}
	answers->items = grown;
	struct answered *item = &answers->items[answers->len++];
	*item = (struct answered){ .removed = removed };
	str_fmt_cut(item->id, sizeof(item->id), "%s", server_id);
	str_fmt_cut(item->name, sizeof(item->name), "%s", server_name);
	str_fmt_cut(item->words, sizeof(item->words), "%s", words);
	return 0;
}

static int
by_key(const void *a, const void *b)
{
	const struct candidate *left = a;
	const struct candidate *right = b;
	return strcmp(left->key, right->key);
}

void
tombstone_shown(struct tombstone_answers *answers, const char *account_key)
{
	struct candidate wanted = { 0 };
	str_fmt_cut(wanted.key, sizeof(wanted.key), "%s", account_key);
	struct candidate *found = bsearch(&wanted, answers->candidates,
		answers->candidates_len, sizeof(wanted), by_key);
	if (found != NULL) {
		found->shown = true;
	}
}

/* ---- one round ---- */

struct round {
	struct service *service;
	const struct tombstone_hands *hands;
	struct tombstone_report *report;
	int64_t before; /* ms: what was deleted until then is due */
	int64_t settle_ms;
	struct store_vault_seed issuer;
	struct store_server *servers; /* all that are known */
	size_t servers_len;
	struct candidate candidates[BATCH_MAX];
	size_t len;
	struct tombstone_answers answers; /* to the last question */
};

static int
read_round(struct store_conn *conn, void *ctx, struct err *err)
{
	struct round *round = ctx;
	struct store_signing_key issuer;
	struct store_burial *due = NULL;
	size_t len = 0;
	if (store_burial_due(conn, round->before, BATCH_MAX, &due, &len, err) != 0) {
		return -1;
	}
	for (size_t i = 0; i < len; i++) {
		struct candidate *candidate = &round->candidates[round->len++];
		*candidate = (struct candidate){ .burial = due[i] };
		nkey_text_encode(NKEY_ACCOUNT, &due[i].public_key, candidate->key);
	}
	free(due);
	if (round->len == 0) {
		return 0;
	}
	qsort(round->candidates, round->len, sizeof(round->candidates[0]), by_key);
	if (store_server_list(conn, &round->servers, &round->servers_len, err) != 0 ||
		store_signing_key_plain(conn, 0, &issuer, err) != 0) {
		return -1;
	}
	return store_vault_seed_get(conn, &issuer.public_key, &round->issuer, err);
}

static void
forget_answers(struct round *round)
{
	free(round->answers.items);
	round->answers = (struct tombstone_answers){
		.candidates = round->candidates,
		.candidates_len = round->len,
	};
}

static const struct answered *
answer_of(const struct round *round, const struct store_server *server)
{
	for (size_t i = 0; i < round->answers.len; i++) {
		if (str_equal(round->answers.items[i].id, server->server_id)) {
			return &round->answers.items[i];
		}
	}
	return NULL;
}

/* The servers that answered are those that are known: no other, and all of them. */
static bool
are_all_there(const struct round *round)
{
	bool all = round->answers.len == round->servers_len;
	for (size_t i = 0; i < round->servers_len; i++) {
		all = all && answer_of(round, &round->servers[i]) != NULL;
	}
	return all;
}

/* ---- what went wrong ---- */

static void
note_trouble(struct round *round, const char *words)
{
	str_fmt_cut(round->report->trouble, sizeof(round->report->trouble), "%s", words);
}

/* As long as it is configured so, it says so. All else may be otherwise another time. */
static bool
is_refusal(const struct answered *answer)
{
	return answer->removed < 0 &&
		strstr(answer->words, "delete must be enabled") != NULL;
}

static void
note_not_removed(struct round *round, const struct answered *answer, int64_t count)
{
	struct tombstone_report *report = round->report;
	char words[sizeof(report->trouble)];
	if (is_refusal(answer)) {
		str_fmt_cut(
			report->refusal, sizeof(report->refusal), "%s", answer->words);
		str_fmt_cut(report->refused_by, sizeof(report->refused_by), "%s",
			answer->name);
	} else if (answer->removed < 0) {
		str_fmt_cut(words, sizeof(words), "%s: %s", answer->name, answer->words);
		note_trouble(round, words);
	} else {
		str_fmt_cut(words, sizeof(words), "%s removed %" PRId64 " of %" PRId64,
			answer->name, answer->removed, count);
		note_trouble(round, words);
	}
}

/* Did each remove that many? */
static bool
have_all_removed(struct round *round, int64_t count)
{
	bool all = true;
	for (size_t i = 0; i < round->answers.len; i++) {
		const struct answered *answer = &round->answers.items[i];
		if (answer->removed != count) {
			note_not_removed(round, answer, count);
			all = false;
		}
	}
	return all;
}

static void
note_absence(struct round *round)
{
	char words[sizeof(round->report->trouble)] =
		"there are servers that natsid does not know yet, or that did not answer";
	for (size_t i = 0; i < round->servers_len; i++) {
		if (answer_of(round, &round->servers[i]) == NULL) {
			str_fmt_cut(words, sizeof(words), "no answer from %s",
				round->servers[i].name);
		}
	}
	note_trouble(round, words);
}

/* ---- asking ---- */

/* Is this one to be removed now? */
static bool
is_to_remove(const struct candidate *candidate)
{
	return candidate->burial.marked && candidate->burial.removed_at == 0;
}

static size_t
take_keys(const struct round *round, struct nkey_public out[static BATCH_MAX])
{
	size_t len = 0;
	for (size_t i = 0; i < round->len; i++) {
		if (is_to_remove(&round->candidates[i])) {
			out[len++] = round->candidates[i].burial.public_key;
		}
	}
	return len;
}

/* 1: all that are known removed that many, 0: not so. Without keys they are only asked
 * whether they would. */
static int
ask_removal(
	struct round *round, const struct nkey_public *keys, size_t len, struct err *err)
{
	struct service *service = round->service;
	struct vault_seed issuer = sealed_seed(&round->issuer);
	struct buf request;
	bool complete = false;
	buf_init_secret(&request, REQUEST_MAX);
	forget_answers(round);
	int rc = mint_removal(service->vault, &issuer, keys, len,
		clock_wall_s(service->clock), &request, err);
	if (rc == 0) {
		rc = buf_finish(&request, err);
	}
	if (rc == 0) {
		rc = round->hands->remove(round->hands->ctx, request.data, request.len,
			&round->answers, &complete, err);
	}
	buf_release(&request);
	if (rc != 0) {
		return -1;
	}
	if (!complete || !are_all_there(round)) {
		note_absence(round);
		complete = false;
	}
	return have_all_removed(round, (int64_t)len) && complete ? 1 : 0;
}

static bool
has_settled(const struct round *round, const struct candidate *candidate)
{
	int64_t removed_at = candidate->burial.removed_at;
	return removed_at > 0 &&
		clock_wall_ms(round->service->clock) >= removed_at + round->settle_ms;
}

/* Caches show nothing, and have only what they fetch from the others. */
static size_t
count_showing(const struct round *round)
{
	size_t n = 0;
	for (size_t i = 0; i < round->servers_len; i++) {
		n += round->servers[i].resolver != STORE_RESOLVER_CACHE ? 1 : 0;
	}
	return n;
}

/* 1: all that are known said of each whether they have it, and are still there: what they
 * show they show without saying who they are, so a server that nobody knows may have said
 * it in the place of another one. */
static int
ask_look(struct round *round, struct err *err)
{
	const char *keys[BATCH_MAX];
	struct tombstone_look look = { .keys = keys, .servers = count_showing(round) };
	size_t answered = 0;
	forget_answers(round);
	for (size_t i = 0; i < round->len; i++) {
		if (has_settled(round, &round->candidates[i])) {
			keys[look.len++] = round->candidates[i].key;
			round->candidates[i].looked = true;
		}
	}
	if (round->hands->look(
		    round->hands->ctx, &look, &round->answers, &answered, err) != 0) {
		return -1;
	}
	if (answered < look.servers) {
		str_fmt_cut(round->report->trouble, sizeof(round->report->trouble),
			"no answer to a lookup from %zu of %zu servers (a resolver of "
			"type cache shows nothing)",
			look.servers - answered, look.servers);
		return 0;
	}
	return ask_removal(round, NULL, 0, err);
}

/* ---- writing ---- */

static int
write_marks(struct store_tx *tx, void *ctx, struct err *err)
{
	struct round *round = ctx;
	for (size_t i = 0; i < round->len; i++) {
		struct store_burial *burial = &round->candidates[i].burial;
		if (!burial->marked &&
			store_burial_mark(tx, burial->account, round->before,
				&burial->marked, err) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
write_removed(struct store_tx *tx, void *ctx, struct err *err)
{
	struct round *round = ctx;
	for (size_t i = 0; i < round->len; i++) {
		if (is_to_remove(&round->candidates[i]) &&
			store_burial_removed(
				tx, round->candidates[i].burial.account, err) != 0) {
			return -1;
		}
	}
	return 0;
}

/* What is on its way goes back: as far as it got, the servers may have lost it. */
static int
write_unmarks(struct store_tx *tx, void *ctx, struct err *err)
{
	struct round *round = ctx;
	for (size_t i = 0; i < round->len; i++) {
		if (round->candidates[i].burial.marked &&
			store_burial_unmark(
				tx, round->candidates[i].burial.account, err) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
write_ends(struct store_tx *tx, void *ctx, struct err *err)
{
	static const struct actor system = { .kind = ACTOR_SYSTEM };
	struct round *round = ctx;
	for (size_t i = 0; i < round->len; i++) {
		const struct candidate *candidate = &round->candidates[i];
		const struct store_burial *burial = &candidate->burial;
		if (!candidate->looked) {
			continue; /* it may have settled since */
		}
		if (candidate->shown) {
			if (store_burial_unmark(tx, burial->account, err) != 0) {
				return -1;
			}
			continue;
		}
		if (store_burial_finish(tx, burial->account, err) != 0 ||
			service_audit(tx, &system, "bury", &account_collection,
				burial->id, NULL, err) != 0) {
			return -1;
		}
		round->report->buried++;
	}
	return 0;
}

/* ---- steps ---- */

static int
put_back(struct round *round, struct err *err)
{
	return store_write(round->service->store, write_unmarks, round, err);
}

/* 1: go on. */
static int
remove_marked(struct round *round, struct err *err)
{
	struct nkey_public keys[BATCH_MAX];
	size_t len = take_keys(round, keys);
	if (len == 0) {
		return 1;
	}
	int rc = ask_removal(round, keys, len, err);
	if (rc <= 0) {
		return rc < 0 ? -1 : put_back(round, err);
	}
	if (store_write(round->service->store, write_removed, round, err) != 0) {
		return -1;
	}
	int64_t now = clock_wall_ms(round->service->clock);
	for (size_t i = 0; i < round->len; i++) {
		if (is_to_remove(&round->candidates[i])) {
			round->candidates[i].burial.removed_at = now;
			round->report->removed++;
		}
	}
	return 1;
}

static int
end_settled(struct round *round, struct err *err)
{
	size_t at = 0;
	while (at < round->len && !has_settled(round, &round->candidates[at])) {
		at++;
	}
	if (at == round->len) {
		return 0;
	}
	int rc = ask_look(round, err);
	if (rc <= 0) {
		return rc < 0 ? -1 : put_back(round, err);
	}
	for (size_t i = 0; i < round->len; i++) {
		if (round->candidates[i].shown) {
			note_trouble(round, "a server shows an account that all removed");
		}
	}
	return store_write(round->service->store, write_ends, round, err);
}

/* Those that are removed, and not yet for long enough, need nothing. */
static bool
has_work(const struct round *round)
{
	for (size_t i = 0; i < round->len; i++) {
		const struct candidate *candidate = &round->candidates[i];
		if (candidate->burial.removed_at == 0 || has_settled(round, candidate)) {
			return true;
		}
	}
	return false;
}

static int
bury(struct round *round, struct err *err)
{
	int rc = ask_removal(round, NULL, 0, err);
	if (rc <= 0) {
		return rc < 0 ? -1 : put_back(round, err);
	}
	if (store_write(round->service->store, write_marks, round, err) != 0) {
		return -1;
	}
	rc = remove_marked(round, err);
	return rc <= 0 ? rc : end_settled(round, err);
}

int
service_tombstones_bury(struct service *service, int64_t ttl_ms,
	const struct tombstone_hands *hands, struct tombstone_report *out,
	struct err *err)
{
	struct tombstone_report report = { 0 };
	struct round round = {
		.service = service,
		.hands = hands,
		.report = &report,
		.before = clock_wall_ms(service->clock) - ttl_ms,
		.settle_ms = ttl_ms < SETTLE_MS ? ttl_ms : SETTLE_MS,
	};
	int rc = service_read(service, read_round, &round, err);
	if (rc == 0 && has_work(&round)) {
		rc = bury(&round, err);
	}
	free(round.answers.items);
	free(round.servers);
	if (rc == 0) {
		*out = report;
	}
	return rc;
}

/* ---- streams ---- */

struct check {
	const char *id;
	struct account_streams_check *out;
};

static bool
may_stream(const struct jwt_account_limits *limits)
{
	return limits->tiers_len > 0 || limits->jetstream.mem_storage != 0 ||
		limits->jetstream.disk_storage != 0;
}

/* Absent ones are given up for everything else, but what they hold is there. */
static int
find_missing(struct store_conn *conn, struct account_streams_check *out, struct err *err)
{
	struct store_server *servers = NULL;
	size_t len = 0;
	if (store_server_list(conn, &servers, &len, err) != 0) {
		return -1;
	}
	for (size_t i = 0; i < len; i++) {
		if (servers[i].missing_since > 0) {
			memcpy(out->missing, servers[i].name, sizeof(out->missing));
		}
	}
	free(servers);
	return 0;
}

static int
read_check(struct store_conn *conn, void *ctx, struct err *err)
{
	struct check *check = ctx;
	struct account row = { 0 };
	struct mint_account mint = { 0 };
	int64_t users = 0;
	int rc = -1;
	if (store_record_get(conn, &account_collection, check->id, &row, err) != 0 ||
		store_account_user_count(conn, row.head.seq, 1, &users, err) != 0 ||
		mint_account_begin(&row, false, &mint, err) != 0) {
		goto out;
	}
	check->out->suspended = !row.active;
	check->out->has_users = users > 0;
	check->out->needed = may_stream(&mint.claims.as.account.limits);
	nkey_text_encode(NKEY_ACCOUNT, &row.public_key, check->out->key);
	rc = find_missing(conn, check->out, err);
out:
	mint_account_release(&mint);
	record_release(&account_collection, &row);
	return rc;
}

int
service_account_streams_check(struct service *service, const struct actor *actor,
	const char *id, struct account_streams_check *out, struct err *err)
{
	struct account_streams_check found = { 0 };
	struct check check = { .id = id, .out = &found };
	if (authorise(actor, VERB_DELETE, &account_collection, NULL, err) != 0 ||
		service_read(service, read_check, &check, err) != 0) {
		return -1;
	}
	*out = found;
	return 0;
}
