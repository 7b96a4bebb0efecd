/* SPDX-License-Identifier: Apache-2.0 */
#include "support/temp_user.h"

#include "base/str.h"
#include "jwt/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { SQL_SIZE = 512 };

int
temp_user_set_up(void **state)
{
	struct temp_user *u = calloc(1, sizeof(*u));
	assert_non_null(u);
	temp_service_init(&u->t);
	temp_make_account(&u->t, "account", u->account);
	temp_make_role(&u->t, "role", u->role);
	temp_make_user(&u->t, "user", u->account, u->role, u->id);
	*state = u;
	return 0;
}

int
temp_user_tear_down(void **state)
{
	struct temp_user *u = *state;
	temp_service_release(&u->t);
	free(u);
	return 0;
}

struct user
temp_user_row(void)
{
	struct user row;
	struct err err = { 0 };
	assert_int_equal(user_init(&row, &err), 0);
	return row;
}

struct role
temp_user_role_row(void)
{
	struct role row;
	struct err err = { 0 };
	assert_int_equal(role_init(&row, &err), 0);
	return row;
}

void
temp_user_change(struct temp_user *u, struct user *row, const char *fields)
{
	temp_change_ok(&u->t, &user_collection, u->id, row, fields);
	record_release(&user_collection, row);
}

void
temp_user_set_active(struct temp_user *u, bool active)
{
	struct user row = temp_user_row();
	row.active = active;
	temp_user_change(u, &row, "active");
}

void
temp_user_pull(struct temp_user *u, const char *trigger)
{
	struct user row = temp_user_row();
	row.regenerate = true;
	row.revoke = true;
	temp_user_change(u, &row, trigger);
}

void
temp_user_change_role(struct temp_user *u, struct role *row, const char *fields)
{
	temp_change_ok(&u->t, &role_collection, u->role, row, fields);
	record_release(&role_collection, row);
}

static int64_t
ask(const struct temp_user *u, const char *before, const char *text, const char *after)
{
	char sql[SQL_SIZE];
	assert_int_equal(str_fmt(sql, sizeof(sql), "%s%s%s", before, text, after), 0);
	return temp_store_query(&u->t.temp, sql);
}

/* All that a refused change must leave alone, in one number. */
static int64_t
state_of(const struct temp_user *u)
{
	return ask(u,
		"SELECT version * 1000000 + iat % 1000 * 1000 + "
		"(SELECT count(*) FROM vault) + 7 * (SELECT count(*) FROM revocations) "
		"+ 31 * (SELECT count(*) FROM audit) FROM users WHERE id = '",
		u->id, "'");
}

static bool
is_told(const struct violations *violations, const struct err *err, const char *field,
	const char *says)
{
	if (field[0] == '\0') {
		return violations->len == 0 && strstr(err->msg, says) != NULL;
	}
	return violations->len == 1 && str_equal(violations->items[0].field, field) &&
		strstr(violations->items[0].message, says) != NULL;
}

void
temp_user_refused(struct temp_user *u, struct user *row, const char *fields,
	const char *field, const char *says)
{
	struct err err = { 0 };
	struct violations violations = { 0 };
	int64_t before = state_of(u);
	assert_int_equal(temp_change(&u->t, &user_collection, u->id, row, fields,
				 &violations, &err),
		-1);
	if (err.code != ERR_INVALID || !is_told(&violations, &err, field, says)) {
		fail_msg("%s: %s, %zu violations, first of %s: %s",
			err_code_name(err.code), err.msg, violations.len,
			violations.items[0].field, violations.items[0].message);
	}
	assert_int_equal(state_of(u), before);
	record_release(&user_collection, row);
}

int64_t
temp_user_value(const struct temp_user *u, const char *column)
{
	char sql[SQL_SIZE];
	assert_int_equal(str_fmt(sql, sizeof(sql), "SELECT %s FROM users WHERE id = '%s'",
				 column, u->id),
		0);
	return temp_store_query(&u->t.temp, sql);
}

void
temp_user_claims(struct temp_user *u, struct jwt_claims *out)
{
	struct err err = { 0 };
	struct user_creds creds = { 0 };
	if (service_user_creds(
		    u->t.service, &temp_superuser_actor, u->id, &creds, &err) != 0) {
		fail_msg("%s", err.msg);
	}
	assert_int_equal(jwt_decode(creds.jwt.data, creds.jwt.len, out, &err), 0);
	user_creds_release(&creds);
}

void
temp_user_has_no_creds(struct temp_user *u, enum err_code code, const char *says)
{
	struct err err = { 0 };
	struct user_creds creds = { 0 };
	assert_int_equal(service_user_creds(u->t.service, &temp_superuser_actor, u->id,
				 &creds, &err),
		-1);
	if (err.code != code || strstr(err.msg, says) == NULL) {
		fail_msg("%s: %s", err_code_name(err.code), err.msg);
	}
}

int64_t
temp_user_revoked(const struct temp_user *u, const char *cause)
{
	char sql[SQL_SIZE];
	assert_int_equal(
		str_fmt(sql, sizeof(sql),
			"SELECT coalesce(max(r.at), 0) FROM revocations r JOIN users "
			"u ON u.public_key = r.public_key AND u.account = r.account "
			"WHERE u.id = '%s' AND r.cause LIKE '%s'",
			u->id, cause),
		0);
	return temp_store_query(&u->t.temp, sql);
}

int64_t
temp_user_revoked_any(const struct temp_user *u, const char *cause)
{
	return ask(u, "SELECT coalesce(max(at), 0) FROM revocations WHERE cause LIKE '",
		cause, "'");
}

int64_t
temp_user_now(const struct temp_user *u)
{
	return u->t.temp.clock.wall / 1000;
}

void
temp_user_advance(struct temp_user *u, int64_t seconds)
{
	temp_service_advance(&u->t, seconds * 1000);
}

void
temp_list(struct strlist *list, const char *entry)
{
	struct err err = { 0 };
	assert_int_equal(
		entry == NULL ? strlist_make(list, &err) : strlist_add(list, entry, &err),
		0);
}
