/* SPDX-License-Identifier: Apache-2.0 */
#include "support/temp_service.h"

#include "base/str.h"
#include "jwt/decode.h"
#include "jwt/validate.h"
#include "model/limits.h"
#include "service/operator.h"
#include "store/budget.h"
#include "store/publish.h"
#include "store/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const struct actor temp_superuser_actor = {
	.kind = ACTOR_SUPERUSER,
	.id = "superuser000001",
	.request_id = "request-1",
};
const struct actor temp_console_actor = { .kind = ACTOR_CONSOLE };
const struct actor temp_guest_actor = { .kind = ACTOR_GUEST };

static int64_t
read_wall(void *ctx)
{
	struct temp_service *t = ctx;
	return __atomic_add_fetch(&t->temp.clock.wall, t->step_ms, __ATOMIC_RELAXED);
}

void
temp_service_advance(struct temp_service *t, int64_t ms)
{
	__atomic_add_fetch(&t->temp.clock.wall, ms, __ATOMIC_RELAXED);
}

static int64_t
read_mono(void *ctx)
{
	const struct temp_service *t = ctx;
	return t->temp.clock.mono;
}

static void
ok(int rc, const struct err *err)
{
	if (rc != 0) {
		fail_msg("%s (%s)", err->msg, err->detail);
	}
}

static void
make_vault(struct temp_service *t)
{
	static const uint8_t master_key[VAULT_KEY_LEN] = { 1, 2, 3 };
	char uuid[STORE_UUID_SIZE];
	struct vault_slot slot;
	struct vault_data_key key;
	struct store_conn *conn = NULL;
	struct err err = { 0 };
	ok(store_read_begin(t->temp.store, &conn, &err), &err);
	ok(store_settings_uuid(conn, uuid, &err), &err);
	store_read_end(t->temp.store, conn);
	ok(vault_create(master_key, uuid, &slot, &key, &t->vault, &err), &err);
}

struct service *
temp_service_beside(struct temp_service *t, struct vault *vault)
{
	struct err err = { 0 };
	struct service *service = NULL;
	struct service_params params = {
		.store = t->temp.store,
		.vault = vault,
		.clock = &t->clock,
	};
	ok(service_new(&params, &service, &err), &err);
	return service;
}

void
temp_service_init_bare(struct temp_service *t)
{
	assert_true(sodium_init() >= 0);
	*t = (struct temp_service){ 0 };
	temp_store_init(&t->temp);
	t->clock = (struct clock){ .wall = read_wall, .mono = read_mono, .ctx = t };
	t->temp.params.clock = &t->clock;
	temp_store_open(&t->temp);
	make_vault(t);
	t->service = temp_service_beside(t, t->vault);
}

void
temp_service_init(struct temp_service *t)
{
	struct err err = { 0 };
	temp_service_init_bare(t);
	ok(service_operator_init(t->service, &temp_console_actor, "Test", &err), &err);
}

void
temp_service_release(struct temp_service *t)
{
	service_free(t->service);
	vault_free(t->vault);
	temp_store_release(&t->temp);
}

int
temp_service_set_up(void **state)
{
	struct temp_service *t = malloc(sizeof(*t));
	assert_non_null(t);
	temp_service_init(t);
	*state = t;
	return 0;
}

int
temp_service_tear_down(void **state)
{
	temp_service_release(*state);
	free(*state);
	return 0;
}

/* ---- writing ---- */

static struct record_change
change_of(const struct collection *collection, const void *row, const char *fields)
{
	struct record_change change = { .collection = collection, .row = row };
	for (const char *at = fields; *at != '\0';) {
		char name[64];
		size_t len = strcspn(at, ",");
		assert_int_equal(str_fmt(name, sizeof(name), "%.*s", (int)len, at), 0);
		change.present |= collection_field_bit(collection, name);
		at += len + (at[len] == ',' ? 1 : 0);
	}
	return change;
}

int
temp_create(struct temp_service *t, const struct collection *collection, const void *row,
	const char *fields, char out_id[static RAND_ID_SIZE],
	struct violations *violations, struct err *err)
{
	struct violations own = { 0 };
	struct record_change change = change_of(collection, row, fields);
	return service_record_create(t->service, &temp_superuser_actor, &change, out_id,
		violations != NULL ? violations : &own, err);
}

int
temp_change(struct temp_service *t, const struct collection *collection, const char *id,
	const void *row, const char *fields, struct violations *violations,
	struct err *err)
{
	struct violations own = { 0 };
	struct record_change change = change_of(collection, row, fields);
	return service_record_update(t->service, &temp_superuser_actor, id, &change, NULL,
		violations != NULL ? violations : &own, err);
}

void
temp_change_ok(struct temp_service *t, const struct collection *collection,
	const char *id, const void *row, const char *fields)
{
	struct err err = { 0 };
	ok(temp_change(t, collection, id, row, fields, NULL, &err), &err);
}

void
temp_delete_ok(
	struct temp_service *t, const struct collection *collection, const char *id)
{
	struct err err = { 0 };
	ok(service_record_delete(t->service, &temp_superuser_actor, collection, id, &err),
		&err);
}

int64_t
temp_make_account(
	struct temp_service *t, const char *name, char out_id[static RAND_ID_SIZE])
{
	struct err err = { 0 };
	struct account row = { 0 };
	temp_set(&row.name, name);
	ok(temp_create(t, &account_collection, &row, "name", out_id, NULL, &err), &err);
	record_release(&account_collection, &row);
	return temp_account_seq(t, out_id);
}

void
temp_make_role(struct temp_service *t, const char *name, char out_id[static RAND_ID_SIZE])
{
	struct err err = { 0 };
	struct role row = { 0 };
	temp_set(&row.name, name);
	ok(temp_create(t, &role_collection, &row, "name", out_id, NULL, &err), &err);
	record_release(&role_collection, &row);
}

void
temp_make_user(struct temp_service *t, const char *name, const char *account,
	const char *role, char out_id[static RAND_ID_SIZE])
{
	struct err err = { 0 };
	struct user row = { 0 };
	temp_set(&row.nats_username, name);
	ok(str_copy(row.account_id, sizeof(row.account_id), account), &err);
	ok(str_copy(row.role_id, sizeof(row.role_id), role), &err);
	ok(temp_create(t, &user_collection, &row, "nats_username,account_id,role_id",
		   out_id, NULL, &err),
		&err);
	record_release(&user_collection, &row);
}

/* ---- looking ---- */

void
temp_make_all(struct temp_service *t, char out_account[static RAND_ID_SIZE],
	char out_role[static RAND_ID_SIZE], char out_user[static RAND_ID_SIZE])
{
	temp_make_account(t, "one", out_account);
	temp_make_role(t, "role", out_role);
	temp_make_user(t, "user", out_account, out_role, out_user);
}

void
temp_set_long_subjects(struct strlist *list, size_t count)
{
	struct err err = { 0 };
	strlist_release(list);
	for (size_t i = 0; i < count; i++) {
		char subject[LIMIT_SUBJECT_BYTES + 1];
		memset(subject, 'x', sizeof(subject));
		subject[LIMIT_SUBJECT_BYTES] = '\0';
		char number[8];
		str_fmt_cut(number, sizeof(number), "%03zu.", i);
		memcpy(subject, number, 4);
		assert_int_equal(strlist_add(list, subject, &err), 0);
	}
}

void
temp_fill_revocations(struct temp_service *t, int64_t account, int64_t count)
{
	char sql[512];
	str_fmt_cut(sql, sizeof(sql),
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i "
		"< %lld) INSERT INTO revocations (account, public_key, cause, at, "
		"created) SELECT %lld, randomblob(32), 'delete', 1700000000, 0 FROM n",
		(long long)count, (long long)account);
	temp_store_exec(&t->temp, sql);
}

int64_t
temp_ask(const struct temp_service *t, const char *sql, const char *text)
{
	char whole[512];
	const char *place = strstr(sql, "%s");
	if (place == NULL) {
		return temp_store_query(&t->temp, sql);
	}
	assert_int_equal(str_fmt(whole, sizeof(whole), "%.*s%s%s", (int)(place - sql),
				 sql, text, place + 2),
		0);
	return temp_store_query(&t->temp, whole);
}

#define OF_ACCOUNT \
	" FROM account_publish p JOIN accounts a ON a.seq = p.account WHERE a.id = '%s'"

int64_t
temp_generation(const struct temp_service *t, const char *account)
{
	return temp_ask(t, "SELECT p.generation" OF_ACCOUNT, account);
}

int64_t
temp_urgent_generation(const struct temp_service *t, const char *account)
{
	return temp_ask(t, "SELECT p.urgent_generation" OF_ACCOUNT, account);
}

int64_t
temp_account_seq(const struct temp_service *t, const char *account)
{
	return temp_ask(t, "SELECT seq FROM accounts WHERE id = '%s'", account);
}

int64_t
temp_estimate(const struct temp_service *t, int64_t account)
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	int64_t bytes = 0;
	ok(store_read_begin(t->temp.store, &conn, &err), &err);
	ok(store_budget_account(conn, account, &bytes, &err), &err);
	store_read_end(t->temp.store, conn);
	return bytes;
}

struct jwt_claims
temp_account_claims(struct temp_service *t, int64_t account)
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	struct jwt_claims claims = { 0 };
	struct jwt_issues issues = { 0 };
	char *jwt = NULL;
	int64_t generation = 0;
	ok(store_read_begin(t->temp.store, &conn, &err), &err);
	ok(store_publish_jwt(conn, account, &jwt, &generation, &err), &err);
	store_read_end(t->temp.store, conn);
	ok(jwt_decode(jwt, strlen(jwt), &claims, &err), &err);
	jwt_validate(&claims, claims.iat, &issues);
	assert_null(jwt_issues_find_blocking(&issues, true));
	free(jwt);
	return claims;
}

int64_t
temp_issue(struct temp_service *t, const char *user)
{
	struct err err = { 0 };
	struct user_creds creds = { 0 };
	struct jwt_claims claims = { 0 };
	ok(service_user_creds(t->service, &temp_superuser_actor, user, &creds, &err),
		&err);
	ok(jwt_decode(creds.jwt.data, creds.jwt.len, &claims, &err), &err);
	int64_t iat = claims.iat;
	jwt_claims_release(&claims);
	user_creds_release(&creds);
	return iat;
}
