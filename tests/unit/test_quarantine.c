/* SPDX-License-Identifier: Apache-2.0
 * Quarantine: what a person takes over of a server's JWT, what there is no room for, and
 * how ours are later than it. */
#include "base/codec.h"
#include "base/str.h"
#include "mint/account.h"
#include "mint/seen.h"
#include "service/account_claims.h"
#include "service/internal.h"
#include "service/judge.h"
#include "service/minting.h"
#include "service/quarantine.h"
#include "store/publish.h"
#include "store/record.h"
#include "support/jwt_samples.h"
#include "support/temp_mint.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OTHER_UUID "00000000-0000-4000-8000-000000000000"

struct world {
	struct temp_service t;
	char id[RAND_ID_SIZE];
	int64_t seq;
	struct vault_seed operator_; /* another hand's */
	struct nkey_public users[3];
	struct quarantine_choice choice; /* the last one */
};

enum { ALL_KEYS = 0xff };

/* What a server holds. */
struct seen {
	const char *uuid; /* of the tag; NULL: ours */
	int64_t generation;
	int64_t iat;
	bool tombstone;
	const struct nkey_public *revoked;
	size_t revoked_len;
	int64_t revoked_at;
	int64_t all_at; /* 0: not all */
	size_t many; /* further keys that nobody has */
	unsigned unlisted; /* a bit for each signing key of ours that is not there */
	bool stranger; /* a signing key is there that we do not know */
};

static int64_t
now_s(const struct world *w)
{
	return w->t.temp.clock.wall / 1000;
}

static void
list_keys(struct world *w, struct store_conn *conn, const struct seen *seen,
	struct mint_account *mint)
{
	struct err err = { 0 };
	struct store_signing_key *keys = NULL;
	size_t len = 0;
	assert_int_equal(store_signing_key_list(conn, w->seq, &keys, &len, &err), 0);
	for (size_t i = 0; i < len; i++) {
		if ((seen->unlisted >> i & 1) == 0) {
			assert_int_equal(
				mint_account_add_key(mint, &keys[i].public_key, &err), 0);
		}
	}
	if (seen->stranger) {
		assert_int_equal(mint_account_add_key(mint, &w->users[0], &err), 0);
	}
	free(keys);
}

static char *
make_jwt(struct world *w, const struct seen *seen)
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	struct account row = { 0 };
	struct mint_account mint = { 0 };
	struct buf token;
	const struct mint_account_stamp stamp = {
		.database_uuid = seen->uuid != NULL ? seen->uuid : w->t.service->uuid,
		.generation = seen->generation,
		.iat = seen->iat,
	};
	assert_int_equal(store_read_begin(w->t.temp.store, &conn, &err), 0);
	assert_int_equal(
		store_record_get_seq(conn, &account_collection, w->seq, &row, &err), 0);
	assert_int_equal(mint_account_begin(&row, seen->tombstone, &mint, &err), 0);
	list_keys(w, conn, seen, &mint);
	store_read_end(w->t.temp.store, conn);
	for (size_t i = 0; i < seen->revoked_len; i++) {
		assert_int_equal(mint_account_add_revocation(&mint, &seen->revoked[i],
					 seen->revoked_at, &err),
			0);
	}
	for (size_t i = 0; i < seen->many; i++) {
		struct nkey_public key = { 0 };
		memcpy(key.bytes, &i, sizeof(i));
		key.bytes[31] = 1;
		assert_int_equal(
			mint_account_add_revocation(&mint, &key, seen->revoked_at, &err),
			0);
	}
	if (seen->all_at != 0) {
		assert_int_equal(
			mint_account_add_revocation(&mint, NULL, seen->all_at, &err), 0);
	}
	buf_init(&token, 1024 * 1024);
	assert_int_equal(
		mint_account_sign(&mint, &stamp, w->t.vault, &w->operator_, &token, &err),
		0);
	assert_int_equal(buf_finish(&token, &err), 0);
	mint_account_release(&mint);
	record_release(&account_collection, &row);
	return buf_take(&token);
}

struct found {
	struct world *w;
	const char *jwt;
	enum store_quarantine_cause cause;
};

static int
write_found(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct found *found = ctx;
	const struct store_quarantine quarantine = {
		.cause = found->cause,
		.server = "s1",
		.jwt = (char *)(uintptr_t)found->jwt,
	};
	return store_quarantine_put(tx, found->w->seq, &quarantine, err);
}

static void
put_of(struct world *w, const char *jwt, enum store_quarantine_cause cause)
{
	struct err err = { 0 };
	struct found found = { .w = w, .jwt = jwt, .cause = cause };
	assert_int_equal(store_write(w->t.temp.store, write_found, &found, &err), 0);
}

static void
put(struct world *w, const char *jwt)
{
	put_of(w, jwt, STORE_QUARANTINE_NEWER);
}

static void
put_seen(struct world *w, const struct seen *seen)
{
	char *jwt = make_jwt(w, seen);
	put(w, jwt);
	free(jwt);
}

static struct quarantine_choice
adopt(struct world *w)
{
	struct err err = { 0 };
	quarantine_choice_release(&w->choice);
	if (service_account_adopt(
		    w->t.service, &temp_superuser_actor, w->id, &w->choice, &err) != 0) {
		fail_msg("%s (%s)", err.msg, err.detail);
	}
	return w->choice;
}

/* One of now and of this generation, on which the signing keys of these bits are not. */
static struct quarantine_choice
adopt_without(struct world *w, int64_t generation, unsigned keys)
{
	put_seen(w,
		&(struct seen){
			.generation = generation, .iat = now_s(w), .unlisted = keys });
	return adopt(w);
}

static struct quarantine_choice
override(struct world *w)
{
	struct err err = { 0 };
	quarantine_choice_release(&w->choice);
	if (service_account_override(
		    w->t.service, &temp_console_actor, w->id, &w->choice, &err) != 0) {
		fail_msg("%s (%s)", err.msg, err.detail);
	}
	return w->choice;
}

static void
check_refused(struct world *w, bool adopts, enum err_code code, const char *words)
{
	struct err err = { 0 };
	struct quarantine_choice choice;
	assert_int_equal(
		(adopts ? service_account_adopt : service_account_override)(
			w->t.service, &temp_superuser_actor, w->id, &choice, &err),
		-1);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.msg, words));
}

static int64_t
publish_value(const struct world *w, const char *column)
{
	return temp_publish_value(&w->t, column, w->seq);
}

static int64_t
revocations(const struct world *w, const char *condition)
{
	char sql[256];
	str_fmt_cut(sql, sizeof(sql),
		"SELECT count(*) FROM revocations WHERE account = %" PRId64 " AND %s",
		w->seq, condition);
	return temp_ask(&w->t, sql, NULL);
}

static struct minting
mint(struct world *w)
{
	return temp_mint(&w->t, w->seq, true);
}

static struct store_publish_work
read_work(struct world *w)
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	struct store_publish_work work = { 0 };
	assert_int_equal(store_read_begin(w->t.temp.store, &conn, &err), 0);
	assert_int_equal(store_publish_work(conn, w->seq, &work, &err), 0);
	store_read_end(w->t.temp.store, conn);
	return work;
}

static char *
newest_jwt(struct world *w)
{
	w->t.temp.clock.wall += 5000;
	assert_int_equal(mint(w).result, MINTING_DONE);
	return read_work(w).jwt;
}

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err err = { 0 };
	assert_non_null(w);
	temp_service_init(&w->t);
	w->seq = temp_make_account(&w->t, "acme", w->id);
	w->operator_ = (struct vault_seed){ .owner_table = "test",
		.owner_column = "k",
		.owner_id = "o",
		.role = NKEY_OPERATOR };
	assert_int_equal(vault_generate(w->t.vault, &w->operator_, &err), 0);
	for (size_t i = 0; i < 3; i++) {
		memset(w->users[i].bytes, (int)i + 1, sizeof(w->users[i].bytes));
	}
	(void)mint(w);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;
	quarantine_choice_release(&w->choice);
	temp_service_release(&w->t);
	free(w);
	return 0;
}

/* ---- taking over ---- */

static void
test_adopts_revocations(void **state)
{
	struct world *w = *state;
	int64_t at = now_s(w) - 10;
	put_seen(w,
		&(struct seen){ .generation = 40,
			.iat = now_s(w),
			.revoked = w->users,
			.revoked_len = 3,
			.revoked_at = at });
	struct quarantine_choice choice = adopt(w);
	assert_int_equal(choice.revocations, 3);
	assert_int_equal(choice.generation, 40);
	assert_int_equal(choice.revoked_up_to, 0);
	assert_int_equal(choice.iat_offset, 0);
	assert_false(choice.suspended);
	assert_int_equal(choice.keys_only_here, 0);
	assert_int_equal(choice.retired.len, 0);
	assert_int_equal(choice.keys_lost, 0);
	assert_int_equal(
		revocations(w, "cause = 'adopted' AND expires = 0 AND key_set = 0"), 3);
	assert_int_equal(publish_value(w, "generation"), 41);
	assert_int_equal(publish_value(w, "urgent_generation"), 41);
	assert_true(publish_value(w, "last_iat") >= now_s(w));
	assert_int_equal(temp_ask(&w->t, "SELECT count(*) FROM quarantine", NULL), 0);
	assert_int_equal(
		temp_ask(&w->t,
			"SELECT count(*) FROM audit WHERE action = 'adopt' AND record_id "
			"= '%s' AND actor = 'superuser'",
			w->id),
		1);
	check_refused(w, true, ERR_CONFLICT, "not in quarantine");

	/* the next JWT is later in everything, and has them */
	w->t.temp.clock.wall += 5000;
	struct minting minting = mint(w);
	assert_int_equal(minting.result, MINTING_DONE);
	assert_true(minting.new_bytes);
	assert_int_equal(minting.generation, 41);
}

/* Again, earlier, later, and what is no user at all. */
static void
test_unites(void **state)
{
	struct world *w = *state;
	int64_t at = now_s(w) - 10;
	for (int round = 0; round < 3; round++) {
		static const int64_t later[] = { 0, -5, 5 };
		static const size_t taken[] = { 2, 0, 2 };
		put_seen(w,
			&(struct seen){ .generation = 40 + round,
				.iat = now_s(w),
				.revoked = w->users,
				.revoked_len = 2,
				.revoked_at = at + later[round] });
		assert_int_equal(adopt(w).revocations, taken[round]);
	}
	assert_int_equal(revocations(w, "1"), 2);
	char latest[64];
	str_fmt_cut(latest, sizeof(latest), "at = %" PRId64, at + 5);
	assert_int_equal(revocations(w, latest), 2);

	/* for all: covers what is older, and never goes back */
	put_seen(
		w, &(struct seen){ .generation = 50, .iat = now_s(w), .all_at = at + 6 });
	adopt(w);
	put_seen(
		w, &(struct seen){ .generation = 51, .iat = now_s(w), .all_at = at + 2 });
	adopt(w);
	str_fmt_cut(latest, sizeof(latest), "cause = 'all' AND at = %" PRId64, at + 6);
	assert_int_equal(revocations(w, latest), 1);
	assert_int_equal(revocations(w, "1"), 1);
}

/* A suspension that may be lifted does not stand for a revocation that may not. */
static void
test_suspension_is_not_enough(void **state)
{
	struct world *w = *state;
	char sql[256];
	put_seen(w,
		&(struct seen){ .generation = 40,
			.iat = now_s(w),
			.revoked = w->users,
			.revoked_len = 1,
			.revoked_at = now_s(w) });
	str_fmt_cut(sql, sizeof(sql),
		"INSERT INTO revocations (account, public_key, cause, at, created) "
		"VALUES "
		"(%" PRId64 ", x'%064d', 'suspend', %" PRId64 ", 1)",
		w->seq, 0, now_s(w) + 100);
	temp_store_exec(&w->t.temp, sql);
	temp_store_exec(&w->t.temp,
		"UPDATE revocations SET public_key = unhex_ FROM (SELECT "
		"x'0101010101010101010101010101010101010101010101010101010101010101' AS "
		"unhex_)");
	adopt(w);
	assert_int_equal(revocations(w, "cause = 'adopted'"), 1);
	assert_int_equal(revocations(w, "cause = 'suspend'"), 1);
}

static void
test_no_room(void **state)
{
	struct world *w = *state;
	put_seen(w,
		&(struct seen){ .generation = 40,
			.iat = now_s(w),
			.revoked_at = now_s(w) - 7,
			.many = 8700 });
	struct quarantine_choice choice = adopt(w);
	assert_int_equal(choice.revocations, 8700);
	assert_int_equal(choice.revoked_up_to, now_s(w) - 7);
	assert_int_equal(revocations(w, "1"), 1);
	assert_int_equal(revocations(w, "cause = 'all'"), 1);
	w->t.temp.clock.wall += 5000;
	assert_int_equal(mint(w).result, MINTING_DONE);
}

static void
test_adopts_tombstone(void **state)
{
	struct world *w = *state;
	const struct seen seen = { .generation = 40, .iat = now_s(w), .tombstone = true };
	put_seen(w, &seen);
	struct quarantine_choice choice = adopt(w);
	assert_true(choice.suspended);
	assert_int_equal(choice.keys_only_here, 0);
	assert_int_equal(choice.revocations, 0);
	/* which of them were removed before it does not say */
	assert_int_equal(choice.retired.len, 1);
	assert_int_equal(
		temp_ask(&w->t,
			"SELECT sum(k.key_set) FROM signing_keys k JOIN accounts a ON "
			"a.seq = k.account AND a.key_set = 2 WHERE a.id = '%s'",
			w->id),
		2);
	assert_int_equal(revocations(w, "1"), 0);
	assert_int_equal(
		temp_ask(&w->t, "SELECT active FROM accounts WHERE id = '%s'", w->id), 0);
	/* it is so already */
	put_seen(w, &seen);
	assert_false(adopt(w).suspended);
	put_seen(w, &seen);
	struct account row = { .active = true };
	temp_change_ok(&w->t, &account_collection, w->id, &row, "active");
	override(w);
	assert_int_equal(
		temp_ask(&w->t, "SELECT active FROM accounts WHERE id = '%s'", w->id), 1);
}

static void
test_system_account(void **state)
{
	struct world *w = *state;
	w->seq = temp_ask(&w->t, "SELECT seq FROM accounts WHERE is_system", NULL);
	struct err err = { 0 };
	assert_int_equal(service_quarantine_find(
				 w->t.service, &temp_console_actor, "SYS", w->id, &err),
		0);
	put_seen(w,
		&(struct seen){ .generation = 40, .iat = now_s(w), .tombstone = true });
	check_refused(w, true, ERR_CONFLICT, "Use override");
	/* its keys are those that natsid connects with */
	put_seen(w, &(struct seen){ .generation = 40, .iat = now_s(w), .unlisted = 1 });
	check_refused(w, true, ERR_CONFLICT, "natsid itself connects");
	override(w);
	put_seen(w, &(struct seen){ .generation = 50, .iat = now_s(w) });
	assert_int_equal(adopt(w).retired.len, 0);
}

static void
test_deleted_here(void **state)
{
	struct world *w = *state;
	struct err err = { 0 };
	char id[RAND_ID_SIZE];
	char *jwt = make_jwt(w,
		&(struct seen){ .generation = 40,
			.iat = now_s(w),
			.revoked = w->users,
			.revoked_len = 3,
			.revoked_at = 5 });
	temp_delete_ok(&w->t, &account_collection, w->id);
	assert_int_equal(service_quarantine_find(
				 w->t.service, &temp_console_actor, "acme", id, &err),
		-1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	check_refused(w, true, ERR_NOT_FOUND, "no such account");
	check_refused(w, false, ERR_NOT_FOUND, "no such account");
	put(w, jwt);
	free(jwt);
	err_clear(&err);
	assert_int_equal(service_quarantine_find(
				 w->t.service, &temp_console_actor, "acme", id, &err),
		0);
	assert_string_equal(id, w->id);
	assert_int_equal(adopt(w).revocations, 0);
	assert_int_equal(publish_value(w, "generation"), 41);
}

/* ---- signing keys that went since the backup ---- */

static int64_t
ask(const struct world *w, const char *sql)
{
	return temp_ask(&w->t, sql, NULL);
}

/* Of the account. */
static int64_t
keys(const struct world *w, const char *condition)
{
	char sql[256];
	str_fmt_cut(sql, sizeof(sql),
		"SELECT count(*) FROM signing_keys k JOIN vault v ON v.public_key = "
		"k.public_key WHERE k.account = %" PRId64 " AND %s",
		w->seq, condition);
	return temp_ask(&w->t, sql, NULL);
}

/* What was retired neither signs nor is trusted. */
static void
check_gone(struct world *w, size_t expected)
{
	struct mint_account claims = { 0 };
	struct err err = { 0 };
	char *jwt = newest_jwt(w);
	assert_int_equal(mint_seen_read(jwt, &claims, &err), 0);
	assert_int_equal(w->choice.retired.len, expected);
	for (size_t i = 0; i < expected; i++) {
		struct nkey_public key;
		const char *text = w->choice.retired.items[i];
		assert_int_equal(
			nkey_text_decode(NKEY_ACCOUNT, text, strlen(text), &key, &err),
			0);
		assert_false(mint_seen_lists_key(&claims, &key));
	}
	assert_int_equal(claims.claims.as.account.signing_keys_len, keys(w, "1"));
	mint_account_release(&claims);
	free(jwt);
}

static int64_t
signing_set(const struct world *w)
{
	return temp_ask(&w->t, "SELECT key_set FROM accounts WHERE id = '%s'", w->id);
}

static void
add_set(struct world *w)
{
	struct account row = { .add_signing_key = true };
	temp_change_ok(&w->t, &account_collection, w->id, &row, "add_signing_key");
}

/* With creds of the set that signs. */
static void
make_user(struct world *w, const char *name, const char *role, char out[RAND_ID_SIZE])
{
	temp_make_user(&w->t, name, w->id, role, out);
	(void)temp_issue(&w->t, out);
}

static void
revoke(struct world *w, const char *user)
{
	struct user row = { .revoke = true };
	temp_change_ok(&w->t, &user_collection, user, &row, "revoke");
}

/* Those of one role, whose scoped keys are there. */
struct people {
	char role[RAND_ID_SIZE];
	char ids[2][RAND_ID_SIZE];
};

static void
make_people(struct world *w, struct people *people)
{
	temp_make_role(&w->t, "sensor", people->role);
	make_user(w, "one", people->role, people->ids[0]);
	make_user(w, "two", people->role, people->ids[1]);
}

/* Nothing that was signed before is good, so nothing of it needs a revocation but what
 * the server had: that is for good. */
static void
test_retires_all(void **state)
{
	struct world *w = *state;
	struct people people;
	make_people(w, &people);
	revoke(w, people.ids[1]);
	assert_int_equal(revocations(w, "cause = 'revoke'"), 1);
	put_seen(w,
		&(struct seen){ .generation = 40,
			.iat = now_s(w),
			.revoked = w->users,
			.revoked_len = 2,
			.revoked_at = 5,
			.unlisted = ALL_KEYS,
			.stranger = true });
	int64_t seeds = ask(w, "SELECT count(*) FROM vault");
	struct quarantine_choice choice = adopt(w);
	assert_int_equal(choice.retired_users, 1);
	assert_int_equal(choice.keys_only_here, 0);
	assert_int_equal(choice.keys_lost, 1);
	assert_int_equal(choice.revocations, 2);
	assert_int_equal(signing_set(w), 2);
	assert_int_equal(keys(w, "key_set = 1"), 0);
	assert_int_equal(keys(w, "key_set = 2"), 2);
	assert_int_equal(ask(w, "SELECT count(*) FROM vault"), seeds);
	assert_int_equal(revocations(w, "cause = 'adopted'"), 2);
	assert_int_equal(revocations(w, "1"), 2);
	(void)temp_issue(&w->t, people.ids[0]);
	check_gone(w, 2);
}

/* Who is on it in the database may have got creds of the newer set since. */
static void
test_retires_older_set(void **state)
{
	struct world *w = *state;
	struct people people;
	make_people(w, &people);
	revoke(w, people.ids[1]);
	add_set(w);
	struct quarantine_choice choice = adopt_without(w, 40, 3);
	assert_int_equal(choice.retired_users, 1);
	assert_int_equal(signing_set(w), 2);
	check_gone(w, 2);
	assert_int_equal(keys(w, "key_set = 1"), 0);
	assert_int_equal(keys(w, "key_set = 2"), 2);
	assert_int_equal(revocations(w, "cause = 'revoke'"), 1);
	revoke(w, people.ids[0]);
	assert_int_equal(revocations(w, "cause = 'revoke'"), 2);
}

/* The older one stays, and a new one signs. */
static void
test_retires_set_that_signs(void **state)
{
	struct world *w = *state;
	struct people people;
	char third[RAND_ID_SIZE];
	make_people(w, &people);
	add_set(w);
	make_user(w, "three", people.role, third);
	struct quarantine_choice choice = adopt_without(w, 40, 4 + 8);
	assert_int_equal(choice.retired_users, 1);
	assert_int_equal(signing_set(w), 3);
	check_gone(w, 2);
	assert_int_equal(keys(w, "key_set = 1"), 2);
	assert_int_equal(keys(w, "key_set = 2"), 0);
	assert_int_equal(keys(w, "key_set = 3"), 2);
}

static struct nkey_public
account_key(struct world *w)
{
	struct nkey_public key;
	struct err err = { 0 };
	struct store_publish_work work = read_work(w);
	assert_int_equal(nkey_text_decode(NKEY_ACCOUNT, work.public_key,
				 strlen(work.public_key), &key, &err),
		0);
	free(work.jwt);
	return key;
}

static void
share(struct world *w, const char *importer)
{
	struct err err = { 0 };
	struct violations violations = { 0 };
	char id[RAND_ID_SIZE];
	char export_name[] = "offer";
	char import_name[] = "use";
	char subject[] = "paid";
	char type[] = "service";
	struct account_export offer = {
		.name = export_name, .subject = subject, .type = type, .token_req = true
	};
	struct account_import use = {
		.name = import_name, .subject = subject, .type = type
	};
	str_fmt_cut(offer.account_id, sizeof(offer.account_id), "%s", w->id);
	str_fmt_cut(use.account_id, sizeof(use.account_id), "%s", importer);
	use.account = account_key(w);
	assert_int_equal(
		temp_create(&w->t, &account_export_collection, &offer,
			"account_id,name,subject,type,token_req", id, &violations, &err),
		0);
	assert_int_equal(
		temp_create(&w->t, &account_import_collection, &use,
			"account_id,name,subject,account,type", id, &violations, &err),
		0);
}

/* What the importer's JWT shows is signed by the keys that went. */
static void
test_renews_activations(void **state)
{
	struct world *w = *state;
	char importer[RAND_ID_SIZE];
	temp_make_account(&w->t, "globex", importer);
	share(w, importer);
	int64_t before = temp_urgent_generation(&w->t, importer);
	put_seen(w, &(struct seen){ .generation = 40, .iat = now_s(w) });
	adopt(w);
	assert_int_equal(temp_urgent_generation(&w->t, importer), before);
	adopt_without(w, 50, 1);
	assert_true(temp_urgent_generation(&w->t, importer) > before);
}

/* The role was deleted, and is back. */
static void
test_retires_scoped_key(void **state)
{
	struct world *w = *state;
	struct people people;
	char role[RAND_ID_SIZE];
	char other[RAND_ID_SIZE];
	make_people(w, &people);
	temp_make_role(&w->t, "meter", role);
	make_user(w, "three", role, other);
	struct quarantine_choice choice = adopt_without(w, 40, 1u << 2);
	assert_int_equal(choice.retired_users, 1);
	assert_int_equal(signing_set(w), 1);
	check_gone(w, 1);
	assert_int_equal(keys(w, "key_set = 1"), 3);
	(void)temp_issue(&w->t, other);
	/* of a set that only is trusted it goes, and that is all */
	add_set(w);
	adopt_without(w, 50, 1u << 1);
	check_gone(w, 1);
	assert_int_equal(keys(w, "key_set = 1"), 2);
	assert_int_equal(keys(w, "key_set = 2"), 3);
}

/* Such a JWT natsid did not make: no set is without its plain key. */
static void
test_retires_half_a_set(void **state)
{
	struct world *w = *state;
	struct people people;
	make_people(w, &people);
	adopt_without(w, 40, 1);
	check_gone(w, 2);
	assert_int_equal(keys(w, "key_set = 1"), 0);
	assert_int_equal(keys(w, "key_set = 2"), 2);
}

/* A database that is behind does not know who got creds since. */
static void
test_doubts_who_has_creds(void **state)
{
	struct world *w = *state;
	struct people people;
	char user[RAND_ID_SIZE];
	make_people(w, &people);
	temp_make_user(&w->t, "three", w->id, people.role, user);
	put_seen(w, &(struct seen){ .generation = 40, .iat = now_s(w) });
	adopt(w);
	revoke(w, user);
	assert_int_equal(revocations(w, "cause = 'revoke' AND expires = 0"), 1);
}

static struct nkey_public
key_of(struct world *w, const char *user)
{
	struct err err = { 0 };
	struct user row = { 0 };
	struct store_conn *conn = NULL;
	assert_int_equal(store_read_begin(w->t.temp.store, &conn, &err), 0);
	assert_int_equal(store_record_get(conn, &user_collection, user, &row, &err), 0);
	store_read_end(w->t.temp.store, conn);
	struct nkey_public key = row.public_key;
	record_release(&user_collection, &row);
	return key;
}

static void
check_no_creds(struct world *w, const char *user, bool renewal)
{
	struct err err = { 0 };
	struct user_creds creds = { 0 };
	int64_t iat = temp_ask(&w->t, "SELECT iat FROM users WHERE id = '%s'", user);
	int rc = renewal ? service_user_renew(w->t.service, user, iat, &creds, &err)
			 : service_user_creds(w->t.service, &temp_superuser_actor, user,
				   &creds, &err);
	assert_int_equal(rc, -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "regenerate"));
}

/* What the user had is refused; what it would get anew would not be. */
static void
test_hands_out_no_refused_creds(void **state)
{
	struct world *w = *state;
	struct people people;
	struct user row = { .regenerate = true };
	make_people(w, &people);
	struct nkey_public key = key_of(w, people.ids[0]);
	w->t.temp.clock.wall += 60 * 1000;
	put_seen(w,
		&(struct seen){ .generation = 40,
			.iat = now_s(w),
			.revoked = &key,
			.revoked_len = 1,
			.revoked_at = now_s(w) });
	adopt(w);
	w->t.temp.clock.wall += 60 * 1000;
	check_no_creds(w, people.ids[0], false);
	check_no_creds(w, people.ids[0], true);
	(void)temp_issue(&w->t, people.ids[1]);
	temp_change_ok(&w->t, &user_collection, people.ids[0], &row, "regenerate");
	assert_true(temp_issue(&w->t, people.ids[0]) > now_s(w) - 60);
}

/* Nor who was let in again, and given creds. */
static void
test_doubts_who_is_suspended(void **state)
{
	struct world *w = *state;
	struct people people;
	struct user row = { .active = false };
	char text[64];
	make_people(w, &people);
	temp_change_ok(&w->t, &user_collection, people.ids[0], &row, "active");
	w->t.temp.clock.wall += 60 * 1000;
	put_seen(w, &(struct seen){ .generation = 40, .iat = now_s(w) });
	struct quarantine_choice choice = adopt(w);
	assert_int_equal(choice.revoked_up_to, 0);
	str_fmt_cut(text, sizeof(text), "cause = 'suspend' AND at >= %" PRId64, now_s(w));
	assert_int_equal(revocations(w, text), 1);
	assert_int_equal(revocations(w, "1"), 1);
}

/* What another hand made is not believed. */
static void
test_foreign_retires_nothing(void **state)
{
	struct world *w = *state;
	char *jwt = make_jwt(w,
		&(struct seen){ .uuid = OTHER_UUID,
			.iat = now_s(w),
			.unlisted = ALL_KEYS,
			.stranger = true });
	put_of(w, jwt, STORE_QUARANTINE_FOREIGN);
	free(jwt);
	struct quarantine_choice choice = adopt(w);
	assert_int_equal(choice.retired.len, 0);
	assert_int_equal(choice.keys_only_here, 1);
	assert_int_equal(choice.keys_lost, 1);
	assert_int_equal(keys(w, "key_set = 1"), 1);
}

/* ---- overriding, and what cannot be read ---- */

static void
test_override_takes_nothing(void **state)
{
	struct world *w = *state;
	put_seen(w,
		&(struct seen){ .generation = 40,
			.iat = now_s(w),
			.revoked = w->users,
			.revoked_len = 3,
			.revoked_at = 5,
			.unlisted = ALL_KEYS,
			.stranger = true });
	struct quarantine_choice choice = override(w);
	assert_int_equal(choice.revocations, 0);
	assert_int_equal(choice.keys_only_here, 1);
	assert_int_equal(choice.keys_lost, 1);
	assert_int_equal(choice.retired.len, 0);
	assert_int_equal(revocations(w, "1"), 0);
	assert_int_equal(publish_value(w, "generation"), 41);
	assert_int_equal(temp_ask(&w->t,
				 "SELECT count(*) FROM audit WHERE action = 'override' "
				 "AND actor = 'console' AND record_id = '%s'",
				 w->id),
		1);
}

static void
test_unreadable(void **state)
{
	struct world *w = *state;
	put(w, "eyJ0eXAiOiJKV1QifQ.e30.AA");
	check_refused(w, true, ERR_CONFLICT, "cannot be read");
	override(w);
	assert_int_equal(temp_ask(&w->t, "SELECT count(*) FROM quarantine", NULL), 0);
}

/* The generations of another database say nothing, and no number breaks ours. */
static void
test_generations(void **state)
{
	struct world *w = *state;
	int64_t before = publish_value(w, "generation");
	put_seen(w,
		&(struct seen){ .uuid = OTHER_UUID, .generation = 900, .iat = now_s(w) });
	assert_int_equal(adopt(w).generation, 0);
	assert_int_equal(publish_value(w, "generation"), before + 1);
	put_seen(w, &(struct seen){ .generation = INT64_MAX, .iat = now_s(w) });
	override(w);
	assert_int_equal(publish_value(w, "generation"), INT64_MAX / 2 + 1);
}

static void
test_guests(void **state)
{
	struct world *w = *state;
	struct err err = { 0 };
	struct quarantine_choice choice;
	put_seen(w, &(struct seen){ .generation = 40, .iat = now_s(w) });
	assert_int_equal(service_account_adopt(
				 w->t.service, &temp_guest_actor, w->id, &choice, &err),
		-1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	assert_int_equal(service_account_override(
				 w->t.service, &temp_guest_actor, w->id, &choice, &err),
		-1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
	assert_int_equal(temp_ask(&w->t, "SELECT count(*) FROM quarantine", NULL), 1);
}

/* ---- the clock ---- */

static void
test_future_iat(void **state)
{
	struct world *w = *state;
	int64_t future = now_s(w) + 86400;
	put_seen(w, &(struct seen){ .uuid = OTHER_UUID, .iat = future });
	assert_int_equal(override(w).iat_offset, 86401);
	assert_int_equal(mint(w).result, MINTING_DONE);
	assert_true(publish_value(w, "last_iat") > future);
	/* that of a year that no clock will say */
	put_seen(w, &(struct seen){ .uuid = OTHER_UUID, .iat = INT64_MAX });
	check_refused(w, false, ERR_CONFLICT, "none can be later");
	check_refused(w, true, ERR_CONFLICT, "none can be later");
}

/* What it said in the last minute needs no permission. */
static void
test_burst(void **state)
{
	struct world *w = *state;
	put_seen(w, &(struct seen){ .generation = 9, .iat = now_s(w) + 2 });
	assert_int_equal(adopt(w).iat_offset, 0);
}

static void
test_clock_was_ahead(void **state)
{
	struct world *w = *state;
	struct account row = { .max_connections = 5 };
	check_refused(w, false, ERR_CONFLICT, "neither in quarantine");
	w->t.temp.clock.wall += 30 * INT64_C(86400000);
	temp_change_ok(&w->t, &account_collection, w->id, &row, "max_connections");
	assert_int_equal(mint(w).result, MINTING_DONE);
	int64_t last = publish_value(w, "last_iat");
	w->t.temp.clock.wall -= 30 * INT64_C(86400000);
	row.max_connections = 6;
	temp_change_ok(&w->t, &account_collection, w->id, &row, "max_connections");
	assert_int_equal(mint(w).result, MINTING_HELD);
	check_refused(w, true, ERR_CONFLICT, "not in quarantine");
	assert_true(override(w).iat_offset >= 30 * 86400);
	assert_int_equal(mint(w).result, MINTING_DONE);
	assert_true(publish_value(w, "last_iat") > last);
	check_refused(w, false, ERR_CONFLICT, "neither in quarantine");
	/* and on it goes */
	w->t.temp.clock.wall += 2000;
	row.max_connections = 7;
	temp_change_ok(&w->t, &account_collection, w->id, &row, "max_connections");
	assert_int_equal(mint(w).result, MINTING_DONE);
}

/* ---- what is shown, and what is judged afterwards ---- */

static int
note_shown(void *ctx, const struct quarantined *account, struct err *err)
{
	struct strlist *lines = ctx;
	assert_string_equal(account->server, "s1");
	assert_string_equal(account->name, "acme");
	assert_int_equal(account->generation, 40);
	for (size_t i = 0; i < account->differences->len; i++) {
		if (strlist_add(lines, account->differences->items[i], err) != 0) {
			return -1;
		}
	}
	return 0;
}

static struct strlist
shown(struct world *w)
{
	struct err err = { 0 };
	struct strlist lines = { 0 };
	assert_int_equal(service_quarantine_list(w->t.service, &temp_console_actor,
				 note_shown, &lines, &err),
		0);
	return lines;
}

static bool
has_line(const struct strlist *lines, const char *begin)
{
	for (size_t i = 0; i < lines->len; i++) {
		if (str_starts_with(lines->items[i], begin)) {
			return true;
		}
	}
	return false;
}

static bool
has_words(const struct strlist *lines, const char *words)
{
	for (size_t i = 0; i < lines->len; i++) {
		if (strstr(lines->items[i], words) != NULL) {
			return true;
		}
	}
	return false;
}

static void
test_differences(void **state)
{
	struct world *w = *state;
	put_seen(w,
		&(struct seen){ .generation = 40,
			.iat = now_s(w),
			.revoked = w->users,
			.revoked_len = 2,
			.revoked_at = 5,
			.unlisted = ALL_KEYS });
	struct strlist lines = shown(w);
	assert_true(has_line(&lines, "revocations only on the server: 2 (U"));
	assert_true(has_line(&lines, "signing keys only here: 1 (A"));
	assert_true(has_words(&lines, "what they signed is refused now"));
	assert_false(has_line(&lines, "revocations only here"));
	assert_false(has_line(&lines, "different: limits"));
	assert_false(has_line(&lines, "name:"));
	strlist_release(&lines);
	struct account row = { .max_connections = 5 };
	temp_change_ok(&w->t, &account_collection, w->id, &row, "max_connections");
	lines = shown(w);
	assert_true(has_line(&lines, "different: limits"));
	strlist_release(&lines);
	put_seen(w,
		&(struct seen){ .generation = 40, .iat = now_s(w), .tombstone = true });
	lines = shown(w);
	assert_int_equal(lines.len, 1);
	assert_non_null(strstr(lines.items[0], "lets nobody in"));
	strlist_release(&lines);
}

static enum verdict
judge(struct world *w, const char *jwt)
{
	struct store_publish_work work = read_work(w);
	const struct judge_ours ours = {
		.key = work.public_key,
		.jwt = work.jwt,
		.jwt_len = work.jwt_len,
		.generation = work.row.generation,
		.last_iat = work.row.last_iat,
		.overruled = work.row.overruled,
		.overruled_len = work.row.overruled_len,
	};
	enum verdict verdict = service_judge(w->t.service, &ours, jwt, strlen(jwt));
	free(work.jwt);
	return verdict;
}

/* What was chosen about is not found again, another of its kind is. */
static void
test_overruled(void **state)
{
	struct world *w = *state;
	char *newer =
		make_jwt(w, &(struct seen){ .generation = 40, .iat = now_s(w) + 2 });
	char *foreign =
		make_jwt(w, &(struct seen){ .uuid = OTHER_UUID, .iat = now_s(w) + 2 });
	char *again =
		make_jwt(w, &(struct seen){ .uuid = OTHER_UUID, .iat = now_s(w) + 3 });
	assert_int_equal(judge(w, newer), VERDICT_NEWER);
	put(w, newer);
	adopt(w);
	assert_int_equal(judge(w, newer), VERDICT_OLDER);
	assert_int_equal(judge(w, foreign), VERDICT_FOREIGN);
	put(w, foreign);
	override(w);
	assert_int_equal(judge(w, foreign), VERDICT_OLDER);
	assert_int_equal(judge(w, newer), VERDICT_OLDER);
	assert_int_equal(judge(w, again), VERDICT_FOREIGN);
	free(again);
	free(foreign);
	free(newer);
}

static char *
make_foreign(struct world *w, int64_t number)
{
	return make_jwt(
		w, &(struct seen){ .uuid = OTHER_UUID, .iat = now_s(w) + 2 + number });
}

static void
overrule(struct world *w, const char *jwt)
{
	assert_int_equal(judge(w, jwt), VERDICT_FOREIGN);
	put_of(w, jwt, STORE_QUARANTINE_FOREIGN);
	override(w);
	assert_int_equal(judge(w, jwt), VERDICT_OLDER);
}

struct holder {
	int64_t account;
	const char *name;
	int64_t generation; /* that it was seen to hold; 0: none */
	bool missing;
};

static int
write_holder(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct holder *holder = ctx;
	int64_t seq = 0;
	int64_t incarnation = 0;
	const struct store_server_seen seen = {
		.cluster = "c",
		.name = holder->name,
		.server_id = holder->name,
		.version = "2.11.0",
	};
	if (store_server_seen(tx, &seen, &seq, &incarnation, err) != 0 ||
		(holder->generation > 0 &&
			store_account_server_holds(tx, holder->account, seq, incarnation,
				holder->generation, err) != 0)) {
		return -1;
	}
	return holder->missing ? store_server_missing(tx, seq, err) : 0;
}

static void
hold(struct world *w, const char *name, int64_t generation, bool missing)
{
	struct err err = { 0 };
	struct holder holder = { w->seq, name, generation, missing };
	assert_int_equal(store_write(w->t.temp.store, write_holder, &holder, &err), 0);
}

static int
write_proven(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct holder *holder = ctx;
	return store_publish_proven(tx, holder->account, holder->generation, err);
}

static void
prove(struct world *w, int64_t generation)
{
	struct err err = { 0 };
	struct holder holder = { .account = w->seq, .generation = generation };
	assert_int_equal(store_write(w->t.temp.store, write_proven, &holder, &err), 0);
}

/* Each of two servers holds what another hand signed: two choices are the end of it. It
 * lasts until the account is proven, by a server that is away, too, and no longer. */
static void
test_two_foreign(void **state)
{
	struct world *w = *state;
	char *one = make_foreign(w, 0);
	char *two = make_foreign(w, 1);
	char *third = make_foreign(w, 2);
	hold(w, "s1", 0, false);
	hold(w, "s2", 0, true);
	overrule(w, one);
	overrule(w, two);
	assert_int_equal(judge(w, one), VERDICT_OLDER);
	w->t.temp.clock.wall += 60000;
	assert_int_equal(mint(w).result, MINTING_DONE);
	int64_t generation = publish_value(w, "generation");
	prove(w, generation - 1);
	assert_int_equal(judge(w, one), VERDICT_OLDER);
	hold(w, "s1", generation, false);
	prove(w, generation);
	assert_int_equal(publish_value(w, "proven_generation"), generation);
	assert_int_equal(judge(w, one), VERDICT_OLDER);
	assert_int_equal(judge(w, two), VERDICT_OLDER);
	hold(w, "s2", generation, false);
	prove(w, generation);
	assert_int_equal(judge(w, one), VERDICT_FOREIGN);
	assert_int_equal(judge(w, two), VERDICT_FOREIGN);
	assert_int_equal(judge(w, third), VERDICT_FOREIGN);
	free(third);
	free(two);
	free(one);
}

static void
test_overruled_are_bounded(void **state)
{
	struct world *w = *state;
	char *jwts[STORE_OVERRULED_MAX + 1];
	enum { NEWEST = STORE_OVERRULED_MAX };
	for (int64_t i = 0; i <= NEWEST; i++) {
		jwts[i] = make_foreign(w, i);
	}
	for (size_t i = 0; i < NEWEST; i++) {
		overrule(w, jwts[i]);
	}
	/* of one again, as may be that was looked at before the choice, there is one */
	put_of(w, jwts[2], STORE_QUARANTINE_FOREIGN);
	override(w);
	for (size_t i = 0; i < NEWEST; i++) {
		assert_int_equal(judge(w, jwts[i]), VERDICT_OLDER);
	}
	overrule(w, jwts[NEWEST]);
	assert_int_equal(judge(w, jwts[0]), VERDICT_FOREIGN);
	for (size_t i = 1; i <= NEWEST; i++) {
		assert_int_equal(judge(w, jwts[i]), VERDICT_OLDER);
	}
	/* and the newest by choice, not by date */
	overrule(w, jwts[0]);
	assert_int_equal(judge(w, jwts[1]), VERDICT_FOREIGN);
	assert_int_equal(judge(w, jwts[2]), VERDICT_OLDER);
	for (size_t i = 0; i <= NEWEST; i++) {
		free(jwts[i]);
	}
}

/* A token of these claims, which want their issuer and an end, signed by some operator.
 */
static char *
sign_text(const char *header, const char *claims)
{
	uint8_t sig[NKEY_SIG_LEN];
	struct sample_key key = sample_key_make(NKEY_OPERATOR, 7);
	char text[512];
	struct buf token;
	assert_int_equal(
		str_fmt(text, sizeof(text), "%s,\"iss\":\"%s\"}", claims, key.text), 0);
	buf_init(&token, 4096);
	codec_base64url_put(&token, (const uint8_t *)header, strlen(header));
	buf_put_char(&token, '.');
	codec_base64url_put(&token, (const uint8_t *)text, strlen(text));
	jwt_nkey_sign(key.seed, &key.pub, (const uint8_t *)token.data, token.len, sig);
	buf_put_char(&token, '.');
	codec_base64url_put(&token, sig, sizeof(sig));
	assert_int_equal(buf_finish(&token, NULL), 0);
	return buf_take(&token);
}

/* What cannot be read, but was signed, is another hand's; what nobody signed is damage.
 */
static void
test_unreadable_or_damaged(void **state)
{
	static const char header[] = "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}";
	struct world *w = *state;
	struct err err = { 0 };
	char ours[NKEY_TEXT_SIZE];
	char claims[256];
	int64_t found = 0;
	struct sample_key account = sample_key_make(NKEY_ACCOUNT, 9);
	put_seen(w, &(struct seen){ .generation = 40, .iat = now_s(w) });
	struct quarantine_choice choice = override(w);
	memcpy(ours, choice.key, sizeof(ours));

	str_fmt_cut(claims, sizeof(claims),
		"{\"sub\":\"%s\",\"nats\":{\"type\":\"account\",\"version\":3}", ours);
	char *newer = sign_text(header, claims);
	assert_int_equal(judge(w, newer), VERDICT_FOREIGN);
	assert_int_equal(
		service_judge_account(w->t.service, newer, strlen(newer), &found, &err),
		0);
	assert_int_equal(found, w->seq);
	newer[strlen(newer) - 1] = '\0';
	assert_int_equal(judge(w, newer), VERDICT_DAMAGED);
	free(newer);

	char *first = sign_text("{\"typ\":\"jwt\",\"alg\":\"ed25519\"}",
		"{\"type\":\"account\",\"nats\":{}");
	assert_int_equal(judge(w, first), VERDICT_FOREIGN);
	first[strlen(first) - 3] ^= 1;
	assert_int_equal(judge(w, first), VERDICT_DAMAGED);
	free(first);

	/* that of another account is no JWT of this one */
	str_fmt_cut(claims, sizeof(claims),
		"{\"sub\":\"%s\",\"nats\":{\"type\":\"account\",\"version\":3}",
		account.text);
	char *another = sign_text(header, claims);
	assert_int_equal(judge(w, another), VERDICT_DAMAGED);
	free(another);
	assert_int_equal(judge(w, "eyJ0eXAiOiJKV1QifQ.e30.AA"), VERDICT_DAMAGED);
	assert_int_equal(judge(w, "x"), VERDICT_DAMAGED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_adopts_revocations),
		TEST(test_unites),
		TEST(test_suspension_is_not_enough),
		TEST(test_no_room),
		TEST(test_adopts_tombstone),
		TEST(test_system_account),
		TEST(test_deleted_here),
		TEST(test_retires_all),
		TEST(test_retires_older_set),
		TEST(test_retires_set_that_signs),
		TEST(test_renews_activations),
		TEST(test_retires_scoped_key),
		TEST(test_retires_half_a_set),
		TEST(test_doubts_who_has_creds),
		TEST(test_doubts_who_is_suspended),
		TEST(test_hands_out_no_refused_creds),
		TEST(test_foreign_retires_nothing),
		TEST(test_override_takes_nothing),
		TEST(test_unreadable),
		TEST(test_generations),
		TEST(test_guests),
		TEST(test_future_iat),
		TEST(test_burst),
		TEST(test_clock_was_ahead),
		TEST(test_differences),
		TEST(test_overruled),
		TEST(test_two_foreign),
		TEST(test_overruled_are_bounded),
		TEST(test_unreadable_or_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
