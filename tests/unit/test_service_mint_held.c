/* SPDX-License-Identifier: Apache-2.0
 * Accounts whose JWT cannot or must not be minted: it is held back, and why is said. */
#include "base/str.h"
#include "store/quarantine.h"
#include "support/temp_mint.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static void
test_too_large(void **state)
{
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	int64_t seq = temp_make_account(t, "one", account);
	temp_fill_revocations(t, seq, 8000);
	assert_int_equal(temp_mint(t, seq, true).result, MINTING_DONE);
	temp_set_connections(t, account, 1);
	temp_fill_revocations(t, seq, 2000);
	struct minting out = temp_mint(t, seq, true);
	assert_int_equal(out.result, MINTING_HELD);
	assert_non_null(strstr(out.reason, "too many roles or revocations"));
	/* also when it is too large to be compared */
	temp_fill_revocations(t, seq, 30000);
	out = temp_mint(t, seq, true);
	assert_int_equal(out.result, MINTING_HELD);
	assert_non_null(strstr(out.reason, "too many roles or revocations"));
	assert_int_equal(temp_publish_value(t, "minted_generation", seq), 1);
	/* what is suspended needs none of them */
	temp_set_active(t, account, false);
	assert_int_equal(temp_mint(t, seq, true).result, MINTING_DONE);
}

static void
test_bad_claims(void **state)
{
	struct temp_service *t = *state;
	char account[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	char user[RAND_ID_SIZE];
	temp_make_all(t, account, role, user);
	/* behind our back: nothing that the API checks gets here */
	temp_store_exec(
		&t->temp, "UPDATE roles SET publish_deny_permissions = '[\"a..b\"]'");
	struct minting out = temp_mint(t, temp_account_seq(t, account), true);
	assert_int_equal(out.result, MINTING_HELD);
	assert_true(strlen(out.reason) > 0);
	assert_int_equal(
		temp_publish_value(t, "minted_generation", temp_account_seq(t, account)),
		0);
}

static void
test_errors(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	struct minting out;
	char account[RAND_ID_SIZE];
	assert_int_equal(service_mint_account(t->service, 4711, true, &out, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	int64_t seq = temp_make_account(t, "one", account);
	temp_store_exec(&t->temp, "UPDATE vault SET sealed = zeroblob(77)");
	assert_int_equal(service_mint_account(t->service, seq, true, &out, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
}

struct lift {
	int64_t account;
	int64_t generation;
	int64_t iat;
	int64_t iat_offset;
};

static int
lift_it(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct lift *lift = ctx;
	return store_quarantine_lift(
		tx, lift->account, lift->generation, lift->iat, lift->iat_offset, err);
}

static void
test_quarantine(void **state)
{
	struct temp_service *t = *state;
	struct err err = { 0 };
	char account[RAND_ID_SIZE];
	int64_t seq = temp_make_account(t, "one", account);
	temp_mint(t, seq, true);
	temp_quarantine(t, seq, STORE_QUARANTINE_NEWER, "n1");
	/* with equal claims, too */
	struct minting out = temp_mint(t, seq, true);
	assert_int_equal(out.result, MINTING_HELD);
	temp_set_connections(t, account, 5);
	out = temp_mint(t, seq, true);
	assert_int_equal(out.result, MINTING_HELD);
	assert_string_equal(out.reason,
		"n1 holds a JWT of this account that is newer than this database (a "
		"restored backup, or another hand). Look: natsid account quarantine; "
		"then choose: natsid account adopt one (or override)");
	assert_int_equal(temp_publish_value(t, "minted_generation", seq), 1);

	/* a name that a shell would take apart */
	temp_change_ok(t, &account_collection, account,
		&(struct account){ .name = (char[]){ "a 'b" } }, "name");
	temp_quarantine(t, seq, STORE_QUARANTINE_FOREIGN, "");
	out = temp_mint(t, seq, true);
	assert_true(str_starts_with(out.reason,
		"A server holds a JWT of this account that another hand signed. "));
	char command[64];
	str_fmt_cut(command, sizeof(command), "natsid account adopt %s (or", account);
	assert_non_null(strstr(out.reason, command));

	struct lift lift = { .account = seq, .generation = 40, .iat = 1 };
	assert_int_equal(store_write(t->temp.store, lift_it, &lift, &err), 0);
	out = temp_mint(t, seq, true);
	assert_int_equal(out.result, MINTING_DONE);
	assert_int_equal(out.generation, 41);
}

/* After the override of a JWT that was dated an hour ahead. */
static void
test_offset(void **state)
{
	enum { HOUR = 3600 };
	struct temp_service *t = *state;
	struct err err = { 0 };
	char account[RAND_ID_SIZE];
	char user[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	temp_make_all(t, account, role, user);
	int64_t seq = temp_account_seq(t, account);
	int64_t now = t->temp.clock.wall / 1000;
	t->temp.clock.wall = now * 1000;
	temp_mint(t, seq, true);
	temp_quarantine(t, seq, STORE_QUARANTINE_NEWER, "n1");
	struct lift lift = {
		.account = seq, .generation = 7, .iat = now + HOUR, .iat_offset = HOUR
	};
	assert_int_equal(store_write(t->temp.store, lift_it, &lift, &err), 0);

	/* its clock says now + HOUR, and that second is taken */
	struct minting out = temp_mint(t, seq, false);
	assert_int_equal(out.result, MINTING_LATER);
	assert_int_equal(out.not_before, (now + 1) * 1000);
	out = temp_mint(t, seq, true);
	assert_int_equal(out.result, MINTING_DONE);
	assert_int_equal(temp_minted_iat(t, seq), now + HOUR + 1);
	assert_int_equal(temp_publish_value(t, "minted_at", seq), now * 1000);
	t->temp.clock.wall += 100000;
	temp_set_connections(t, account, 1);
	assert_int_equal(temp_mint(t, seq, false).result, MINTING_DONE);
	assert_int_equal(temp_minted_iat(t, seq), now + HOUR + 100);
	/* users live by the clock of all */
	assert_true(temp_issue(t, user) <= now + 100);

	/* a clock that is set back is still seen */
	temp_set_connections(t, account, 2);
	t->temp.clock.wall -= 6000;
	assert_int_equal(temp_mint(t, seq, true).result, MINTING_HELD);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_service_set_up, temp_service_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_too_large),
		TEST(test_bad_claims),
		TEST(test_errors),
		TEST(test_quarantine),
		TEST(test_offset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
