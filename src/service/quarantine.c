/* SPDX-License-Identifier: Apache-2.0 */
#include "service/quarantine.h"

#include "base/str.h"
#include "mint/seen.h"
#include "service/account_claims.h"
#include "service/internal.h"
#include "service/quarantine_look.h"
#include "store/account.h"
#include "store/publish.h"
#include "store/record.h"

#include <stdlib.h>
#include <string.h>

/* Ours must be later, and have room to go on. */
#define GENERATION_MAX (INT64_MAX / 2)

/* ---- looking ---- */

void
quarantine_look_release(struct quarantine_look *look)
{
	record_release(&account_collection, &look->account);
	store_quarantine_release(&look->quarantine);
}

static int
look_at(struct store_conn *conn, int64_t seq, struct quarantine_look *look,
	struct err *err)
{
	if (store_record_get_seq(conn, &account_collection, seq, &look->account, err) !=
			0 ||
		store_account_deleted(conn, seq, &look->deleted, err) != 0 ||
		store_publish_get(conn, seq, &look->publish, err) != 0) {
		return -1;
	}
	int rc = store_quarantine_find(conn, seq, &look->quarantine, err);
	look->found = rc > 0;
	return rc < 0 ? -1 : 0;
}

static int
no_account(struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "There is no such account.");
}

int
quarantine_look_read(struct store_conn *conn, void *ctx, struct err *err)
{
	struct quarantine_look *look = ctx;
	char id[RAND_ID_SIZE];
	int64_t seq = 0;
	int rc = store_account_find(conn, look->id, &seq, id, err);
	if (rc <= 0) {
		return rc < 0 ? -1 : no_account(err);
	}
	if (!str_equal(id, look->id)) {
		return no_account(err);
	}
	if (look_at(conn, seq, look, err) != 0) {
		return -1;
	}
	return look->deleted != 0 && !look->found ? no_account(err) : 0;
}

struct find {
	const char *text;
	char *out_id;
};

static int
read_find(struct store_conn *conn, void *ctx, struct err *err)
{
	const struct find *find = ctx;
	int64_t seq = 0;
	int rc = store_account_find(conn, find->text, &seq, find->out_id, err);
	return rc > 0    ? 0
		: rc < 0 ? -1
			 : err_set(err, ERR_NOT_FOUND, "There is no account \"%.64s\".",
				   find->text);
}

int
service_quarantine_find(struct service *service, const struct actor *actor,
	const char *text, char out_id[static RAND_ID_SIZE], struct err *err)
{
	struct find find = { .text = text, .out_id = out_id };
	if (authorise(actor, VERB_VIEW, &account_collection, NULL, err) != 0) {
		return -1;
	}
	return service_read(service, read_find, &find, err);
}

/* ---- showing ---- */

struct listing {
	int64_t *accounts;
	size_t len;
};

static int
read_listing(struct store_conn *conn, void *ctx, struct err *err)
{
	struct listing *listing = ctx;
	return store_quarantine_list(conn, &listing->accounts, &listing->len, err);
}

struct showing {
	int64_t seq;
	struct quarantine_look look;
	struct mint_account ours;
};

static int
read_showing(struct store_conn *conn, void *ctx, struct err *err)
{
	struct showing *showing = ctx;
	if (look_at(conn, showing->seq, &showing->look, err) != 0) {
		return -1;
	}
	return account_claims_read(conn, &showing->look.account,
		showing->look.deleted != 0, &showing->ours, err);
}

int64_t
quarantine_generation_of(const struct service *service, const char *jwt)
{
	struct mint_account_origin origin;
	struct err ignored = { 0 };
	if (mint_account_read_origin(jwt, strlen(jwt), &origin, &ignored) != 0 ||
		!origin.tagged || !str_equal(origin.database_uuid, service->uuid)) {
		return 0;
	}
	return origin.generation < GENERATION_MAX ? origin.generation : GENERATION_MAX;
}

/* What is not readable is told as the one difference. */
static int
compare(const struct service *service, const struct showing *showing,
	struct quarantined *shown, struct strlist *differences, struct err *err)
{
	struct mint_account seen = { 0 };
	struct err why = { 0 };
	char line[sizeof(why.msg) + 64];
	int rc = -1;
	if (mint_seen_read(showing->look.quarantine.jwt, &seen, &why) == 0) {
		shown->generation =
			quarantine_generation_of(service, showing->look.quarantine.jwt);
		shown->iat = seen.claims.iat;
		rc = mint_seen_compare(&seen, &showing->ours, differences, err);
	} else if (why.code == ERR_NOMEM) {
		*err = why;
	} else {
		str_fmt_cut(line, sizeof(line), "the server's JWT cannot be read: %s",
			why.msg);
		rc = strlist_add(differences, line, err);
	}
	mint_account_release(&seen);
	return rc;
}

static int
show(struct service *service, int64_t seq,
	int (*fn)(void *ctx, const struct quarantined *account, struct err *err),
	void *ctx, struct err *err)
{
	struct showing showing = { .seq = seq };
	struct strlist differences = { 0 };
	const struct quarantine_look *look = &showing.look;
	int rc = service_read(service, read_showing, &showing, err);
	if (rc == 0 && look->found) {
		struct quarantined shown = {
			.name = look->account.name,
			.deleted = look->deleted != 0,
			.cause = look->quarantine.cause,
			.server = look->quarantine.server,
			.found_at = look->quarantine.found_at,
			.generation_here = look->publish.generation,
			.differences = &differences,
		};
		memcpy(shown.id, look->account.head.id, sizeof(shown.id));
		nkey_text_encode(NKEY_ACCOUNT, &look->account.public_key, shown.key);
		rc = compare(service, &showing, &shown, &differences, err);
		if (rc == 0) {
			rc = fn(ctx, &shown, err);
		}
	}
	strlist_release(&differences);
	mint_account_release(&showing.ours);
	quarantine_look_release(&showing.look);
	return rc;
}

int
service_quarantine_list(struct service *service, const struct actor *actor,
	int (*fn)(void *ctx, const struct quarantined *account, struct err *err),
	void *ctx, struct err *err)
{
	struct listing listing = { 0 };
	if (authorise(actor, VERB_LIST, &account_collection, NULL, err) != 0) {
		return -1;
	}
	int rc = service_read(service, read_listing, &listing, err);
	for (size_t i = 0; rc == 0 && i < listing.len; i++) {
		rc = show(service, listing.accounts[i], fn, ctx, err);
		if (rc != 0 && err->code == ERR_NOT_FOUND) {
			err_clear(err); /* gone meanwhile */
			rc = 0;
		}
	}
	free(listing.accounts);
	return rc;
}

/* ---- telling ---- */

/* How a command line names the account. */
static const char *
plain_name(const struct account *account)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789_.-";
	const char *name = account->name;
	bool is_plain = name[0] != '-' && name[strspn(name, plain)] == '\0';
	return is_plain ? name : account->head.id;
}

void
service_quarantine_words(const struct store_quarantine *found,
	const struct account *account, char *out, size_t out_size)
{
	str_fmt_cut(out, out_size,
		"%s holds a JWT of this account that %s. Look: natsid account "
		"quarantine; then choose: natsid account adopt %s (or override)",
		found->server[0] != '\0' ? found->server : "A server",
		found->cause == STORE_QUARANTINE_NEWER
			? "is newer than this database (a restored backup, or another "
			  "hand)"
			: "another hand signed",
		plain_name(account));
}

struct why {
	int64_t account;
	const struct store_quarantine *found; /* NULL: what is recorded */
	char *out;
	size_t out_size;
};

static int
read_why(struct store_conn *conn, void *ctx, struct err *err)
{
	const struct why *why = ctx;
	struct quarantine_look look = { 0 };
	int rc = look_at(conn, why->account, &look, err);
	if (rc == 0 && why->found == NULL && !look.found) {
		rc = err_set(err, ERR_NOT_FOUND, "the account is not in quarantine");
	}
	if (rc == 0) {
		service_quarantine_words(
			why->found != NULL ? why->found : &look.quarantine, &look.account,
			why->out, why->out_size);
	}
	quarantine_look_release(&look);
	return rc;
}

int
service_quarantine_why(struct service *service, int64_t account,
	const struct store_quarantine *found, char *out, size_t out_size, struct err *err)
{
	struct why why = {
		.account = account, .found = found, .out = out, .out_size = out_size
	};
	return service_read(service, read_why, &why, err);
}
