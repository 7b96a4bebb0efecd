/* SPDX-License-Identifier: Apache-2.0
 * The JWT of an account always has room to take rights back: what would fill it up is
 * refused in time, and what was accepted can be minted. */
#include "base/str.h"
#include "model/limits.h"
#include "store/budget.h"
#include "store/publish.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Mints what is wanted and gives the bytes of the JWT. */
static int64_t
minted_bytes(struct temp_service *t, int64_t account)
{
	struct err err = { 0 };
	struct minting out;
	t->temp.clock.wall += 10000; /* past the second of the last one */
	assert_int_equal(service_mint_account(t->service, account, true, &out, &err), 0);
	assert_int_equal(out.result, MINTING_DONE);
	return temp_store_query(&t->temp, "SELECT max(length(jwt)) FROM account_jwt");
}

static void
fill_revocations(struct temp_service *t, int64_t account, int64_t upto)
{
	int64_t missing = upto - temp_estimate(t, account);
	temp_fill_revocations(t, account, missing / STORE_BUDGET_REVOCATION_BYTES);
}

static void
test_estimate_is_on_the_high_side(void **state)
{
	struct temp_service *t = *state;
	struct role row = { 0 };
	char account[RAND_ID_SIZE];
	int64_t seq = temp_make_account(t, "one", account);
	assert_true(minted_bytes(t, seq) < temp_estimate(t, seq));
	for (int i = 0; i < 10; i++) {
		char name[16];
		char role[RAND_ID_SIZE];
		char user[RAND_ID_SIZE];
		str_fmt_cut(name, sizeof(name), "name%d", i);
		temp_make_role(t, name, role);
		temp_set_long_subjects(&row.publish_permissions, (size_t)i * 3);
		temp_set_long_subjects(&row.subscribe_deny_permissions, (size_t)i);
		temp_change_ok(t, &role_collection, role, &row,
			"publish_permissions,subscribe_deny_permissions");
		temp_make_user(t, name, account, role, user);
	}
	fill_revocations(t, seq, 300000);
	int64_t real = minted_bytes(t, seq);
	assert_true(real < temp_estimate(t, seq));
	assert_true(real > temp_estimate(t, seq) * 9 / 10);
	record_release(&role_collection, &row);
}

static void
test_revocations(void **state)
{
	struct temp_service *t = *state;
	struct violations violations = { 0 };
	struct err err = { 0 };
	struct user off = { .active = false };
	struct user moved = { 0 };
	char account[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	char other[RAND_ID_SIZE];
	char one[RAND_ID_SIZE];
	char two[RAND_ID_SIZE];
	char never[RAND_ID_SIZE];
	temp_make_account(t, "one", account);
	temp_make_role(t, "role", role);
	temp_make_role(t, "other", other);
	temp_make_user(t, "one", account, role, one);
	temp_make_user(t, "two", account, role, two);
	temp_make_user(t, "never", account, other, never);
	(void)temp_issue(t, one);
	(void)temp_issue(t, two);
	int64_t seq = temp_account_seq(t, account);

	fill_revocations(t, seq, LIMIT_ACCOUNT_JWT_BYTES / 100 * 85);
	assert_int_equal(service_record_delete(t->service, &temp_superuser_actor,
				 &user_collection, one, &err),
		-1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "has no room for this"));
	assert_non_null(strstr(err.msg, "Suspend the user instead"));
	memcpy(moved.role_id, other, sizeof(other));
	assert_int_equal(temp_change(t, &user_collection, one, &moved, "role_id",
				 &violations, &err),
		-1);
	assert_int_equal(err.code, ERR_CONFLICT);
	temp_delete_ok(t, &user_collection, never); /* it needs no revocation */

	temp_change_ok(t, &user_collection, one, &off, "active");
	fill_revocations(t, seq, LIMIT_ACCOUNT_JWT_BYTES / 100 * 95);
	assert_int_equal(
		temp_change(t, &user_collection, two, &off, "active", &violations, &err),
		-1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "Suspend the whole account"));

	/* all that was accepted can be minted, and the way out is open */
	assert_true(minted_bytes(t, seq) < LIMIT_ACCOUNT_JWT_BYTES);
	struct account inactive = { .active = false };
	temp_change_ok(t, &account_collection, account, &inactive, "active");
	(void)minted_bytes(t, seq);
}

static void
test_roles(void **state)
{
	struct temp_service *t = *state;
	struct violations violations = { 0 };
	struct err err = { 0 };
	struct role row = { 0 };
	char account[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	char id[RAND_ID_SIZE];
	int fitting = 0;
	int64_t seq = temp_make_account(t, "one", account);
	temp_set_long_subjects(&row.publish_permissions, LIMIT_SUBJECTS);
	temp_set_long_subjects(&row.subscribe_permissions, LIMIT_SUBJECTS);
	for (int rc = 0; rc == 0 && fitting < 20;) {
		char name[16];
		struct user user = { .nats_username = name };
		str_fmt_cut(name, sizeof(name), "name%d", fitting);
		temp_make_role(t, name, role);
		temp_change_ok(t, &role_collection, role, &row,
			"publish_permissions,subscribe_permissions");
		memcpy(user.account_id, account, sizeof(account));
		memcpy(user.role_id, role, sizeof(role));
		rc = temp_create(t, &user_collection, &user,
			"nats_username,account_id,role_id", id, &violations, &err);
		fitting += rc == 0 ? 1 : 0;
	}
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.msg, "Use fewer roles in one account"));
	assert_int_equal(fitting, 3);
	assert_true(minted_bytes(t, seq) < LIMIT_ACCOUNT_JWT_BYTES / 100 * 75);

	/* the role that did not fit is nobody's: it may grow; one that is used may not,
	 * and may shrink */
	temp_set_long_subjects(&row.publish_deny_permissions, LIMIT_SUBJECTS);
	temp_change_ok(t, &role_collection, role, &row, "publish_deny_permissions");
	char small[RAND_ID_SIZE];
	temp_make_role(t, "small", small);
	temp_make_user(t, "small", account, small, id);
	err_clear(&err);
	assert_int_equal(temp_change(t, &role_collection, small, &row,
				 "publish_permissions,publish_deny_permissions",
				 &violations, &err),
		-1);
	assert_int_equal(err.code, ERR_CONFLICT);
	temp_set_long_subjects(&row.publish_permissions, 0);
	temp_change_ok(t, &role_collection, small, &row, "publish_permissions");
	record_release(&role_collection, &row);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_service_set_up, temp_service_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_estimate_is_on_the_high_side),
		TEST(test_revocations),
		TEST(test_roles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
