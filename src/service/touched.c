/* SPDX-License-Identifier: Apache-2.0 */
#include "service/touched.h"

#include "base/array.h"
#include "base/str.h"
#include "service/internal.h"
#include "store/proof.h"
#include "store/publish.h"
#include "store/standing.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_PAUSE_MS = 20 };

void
touched_release(struct touched *touched)
{
	free(touched->items);
	*touched = (struct touched){ 0 };
}

/* ---- what is wanted ---- */

struct touching {
	store_write_fn fn;
	void *ctx;
	struct touched *touched;
};

static int
touch(struct touched *touched, const struct store_change *change, struct err *err)
{
	struct touched_account *items =
		array_grow(touched->items, touched->len, sizeof(*items), err);
	if (items == NULL) {
		return -1;
	}
	touched->items = items;
	items[touched->len++] = (struct touched_account){ .account = change->seq,
		.generation = change->generation };
	return 0;
}

static int
write_touching(struct store_tx *tx, void *ctx, struct err *err)
{
	struct touching *touching = ctx;
	size_t len = 0;
	if (touching->fn(tx, touching->ctx, err) != 0) {
		return -1;
	}
	const struct store_change *changes = store_tx_changes(tx, &len);
	for (size_t i = 0; i < len; i++) {
		if (changes[i].action == STORE_WANTED &&
			touch(touching->touched, &changes[i], err) != 0) {
			return -1;
		}
	}
	return 0;
}

int
service_write(struct service *service, const struct actor *actor, store_write_fn fn,
	void *ctx, struct preview *preview, struct err *err)
{
	struct touching touching = { .fn = fn, .ctx = ctx, .touched = actor->touched };
	if (preview != NULL || actor->touched == NULL) {
		return preview_write(service->store, fn, ctx, preview, err);
	}
	return store_write(service->store, write_touching, &touching, err);
}

/* ---- waiting ---- */

struct wait {
	struct service *service;
	const struct touched *touched;
	size_t at; /* those before are held by all servers that are there */
	size_t partial; /* the first of those that a missing server lacks; or len */
	struct err err; /* why the last look failed */
};

/* Goes on to the first account that is open. */
static int
look_on(struct store_conn *conn, void *ctx, struct err *err)
{
	struct wait *wait = ctx;
	for (; wait->at < wait->touched->len; wait->at++) {
		const struct touched_account *item = &wait->touched->items[wait->at];
		enum store_proof proof = STORE_PROOF_OPEN;
		if (store_proof_look(
			    conn, item->account, item->generation, &proof, err) != 0) {
			return -1;
		}
		if (proof == STORE_PROOF_OPEN) {
			break;
		}
		if (proof == STORE_PROOF_PARTIAL && wait->partial == wait->touched->len) {
			wait->partial = wait->at;
		}
	}
	return 0;
}

static bool
is_done(struct wait *wait)
{
	err_clear(&wait->err);
	return service_read(wait->service, look_on, wait, &wait->err) == 0 &&
		wait->at == wait->touched->len;
}

static void
wait_for_all(struct wait *wait, int64_t seconds)
{
	struct waits *waits = wait->service->waits;
	int64_t deadline = clock_mono_ms(&clock_system) + seconds * 1000;
	uint64_t seen = 0;
	int64_t now = 0;
	do {
		now = clock_mono_ms(&clock_system);
		seen = waits_commits(waits);
		if (is_done(wait)) {
			return;
		}
		if (wait->err.code != ERR_NONE) {
			seen--; /* nothing was seen: no reason to wait for more */
		}
	} while (waits_sleep(waits, seen, now + LOOK_PAUSE_MS, deadline));
	(void)is_done(wait); /* what came last; the caller looks how far it went */
}

/* ---- telling ---- */

/* Part of a header: printable ASCII, and the commas are between servers. */
static void
put_plain(char out[static SERVICE_UNPROVEN_SIZE], const char *text)
{
	size_t len = strlen(out);
	for (; *text != '\0' && len + 1 < SERVICE_UNPROVEN_SIZE; text++) {
		bool plain = *text >= ' ' && *text <= '~';
		out[len++] = *text == ',' ? ';' : plain ? *text : '?';
	}
	out[len] = '\0';
}

static void
put_separator(char out[static SERVICE_UNPROVEN_SIZE])
{
	size_t len = strlen(out);
	if (len > 0 && len + 2 < SERVICE_UNPROVEN_SIZE) {
		memcpy(out + len, ", ", 3);
	}
}

static void
put_gap(char out[static SERVICE_UNPROVEN_SIZE], const char *name, const char *why)
{
	put_separator(out);
	put_plain(out, name);
	put_plain(out, ": ");
	put_plain(out, why);
}

/* Of a server that said nothing itself; what keeps the account as a whole back is told
 * once, behind the servers. */
#define UNTOLD "not confirmed yet"

static const char *
why(const struct store_proof_gap *gap)
{
	if (gap->missing) {
		return "does not answer";
	}
	if (gap->words[0] != '\0') {
		return gap->words;
	}
	return gap->unchecked ? "is being checked" : UNTOLD;
}

struct telling {
	const struct touched_account *item;
	char *out;
};

static int
tell_gaps(struct store_conn *conn, void *ctx, struct err *err)
{
	const struct telling *telling = ctx;
	const struct touched_account *item = telling->item;
	struct store_proof_gap *gaps = NULL;
	struct store_publish publish;
	struct store_standing standing;
	size_t len = 0;
	size_t missing = 0;
	bool untold = false;
	if (store_publish_get(conn, item->account, &publish, err) != 0 ||
		store_standing_get(conn, &standing, err) != 0 ||
		store_proof_gaps(
			conn, item->account, item->generation, &gaps, &len, err) != 0) {
		return -1;
	}
	for (size_t i = 0; i < len; i++) {
		put_gap(telling->out, gaps[i].name, why(&gaps[i]));
		untold = untold || str_equal(why(&gaps[i]), UNTOLD);
		missing += gaps[i].missing ? 1 : 0;
	}
	if (standing.words[0] != '\0' && publish.state == STORE_PUBLISH_PENDING &&
		(len == 0 || missing < len)) {
		put_gap(telling->out, "natsid", standing.words);
	} else if ((untold || len == 0) && publish.message[0] != '\0') {
		put_gap(telling->out, "natsid", publish.message);
	} else if (len == 0) {
		put_gap(telling->out, "natsid", "no server has confirmed it yet");
	}
	free(gaps);
	return 0;
}

static void
tell(struct wait *wait, size_t index, char out[static SERVICE_UNPROVEN_SIZE])
{
	struct telling telling = { .item = &wait->touched->items[index], .out = out };
	struct err *err = &wait->err;
	if (waits_stopped(wait->service->waits)) {
		put_gap(out, "natsid", "is being stopped");
	} else if (err->code != ERR_NONE ||
		service_read(wait->service, tell_gaps, &telling, err) != 0) {
		put_gap(out, "natsid", err->msg);
	}
}

void
service_wait_proven(struct service *service, const struct touched *touched,
	int64_t seconds, struct proof_wait *out)
{
	struct wait wait = {
		.service = service, .touched = touched, .partial = touched->len
	};
	*out = (struct proof_wait){ .waited = waits_enter(service->waits) };
	if (!out->waited) {
		return;
	}
	wait_for_all(&wait, seconds);
	waits_leave(service->waits);
	if (wait.at < touched->len) {
		tell(&wait, wait.at, out->unproven);
	} else if (wait.partial < touched->len) {
		tell(&wait, wait.partial, out->unproven);
	}
}

void
service_on_commit(struct service *service)
{
	waits_wake(service->waits);
}

void
service_stop_waiting(struct service *service)
{
	waits_stop(service->waits);
}
