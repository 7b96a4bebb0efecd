/* SPDX-License-Identifier: Apache-2.0
 * Plans to remove a set of signing keys of an account: at a date, or when few connections
 * are left that it signed. */
#include "service/account_key_plans.h"
#include "support/keys_stage.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct fake_servers {
	int64_t on_first; /* connections signed by the first set, */
	int64_t on_second;
	int64_t elsewhere; /* and by a key that natsid does not know */
	bool complete;
	bool down;
	int asked;
};

static int
count(void *ctx, struct account_key_list *list, bool *out_complete, struct err *err)
{
	struct fake_servers *servers = ctx;
	servers->asked++;
	if (servers->down) {
		return err_set(err, ERR_UNAVAILABLE, "no NATS");
	}
	for (size_t i = 0; i < list->len; i++) {
		int64_t connections = list->keys[i].key_set == 1 ? servers->on_first
								 : servers->on_second;
		for (int64_t n = 0; n < connections && list->keys[i].role_id[0] == '\0';
			n++) {
			account_key_list_count(list, list->keys[i].public_key);
		}
	}
	for (int64_t n = 0; n < servers->elsewhere; n++) {
		account_key_list_count(list, "elsewhere");
	}
	*out_complete = servers->complete;
	return 0;
}

static void
due(struct keys_stage *s, struct fake_servers *servers)
{
	struct err err = { 0 };
	if (service_account_keys_due(
		    s->t->service, servers != NULL ? count : NULL, servers, &err) != 0) {
		fail_msg("%s", err.msg);
	}
}

static int
retire(struct keys_stage *s, const char *key, int64_t at, int64_t below, struct err *err)
{
	struct violations violations = { 0 };
	struct key_retirement retirement = {
		.account = s->account, .public_key = key, .at = at, .below = below
	};
	return service_account_key_retire(s->t->service, &temp_superuser_actor,
		&retirement, NULL, &violations, err);
}

static void
test_retire_at_date(void **state)
{
	struct keys_stage s;
	struct err err = { 0 };
	char key[NKEY_TEXT_SIZE];
	keys_stage_init(&s, *state);
	keys_stage_key(&s, 1, key);
	int64_t at = s.t->temp.clock.wall + 1000;
	assert_int_equal(retire(&s, key, at, 0, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	keys_stage_change_ok(&s, "add_signing_key", NULL);
	assert_int_equal(retire(&s, key, at, 0, &err), 0);
	struct account_key_list list = keys_stage_look(&s);
	for (size_t i = 0; i < list.len; i++) {
		assert_int_equal(list.keys[i].retire_at, list.keys[i].signs ? 0 : at);
	}
	account_key_list_release(&list);
	int64_t generation = temp_generation(s.t, s.account);
	due(&s, NULL);
	assert_int_equal(keys_stage_count(&s, 1), 3);
	s.t->temp.clock.wall = at;
	due(&s, NULL);
	assert_int_equal(keys_stage_count(&s, 1), 0);
	assert_int_equal(keys_stage_count(&s, 2), 3);
	assert_int_equal(temp_urgent_generation(s.t, s.account), generation + 1);
	assert_int_equal(
		temp_ask(s.t,
			"SELECT actor = 'system' AND fields = "
			"'[\"remove_signing_key\"]' FROM audit ORDER BY seq DESC "
			"LIMIT 1",
			NULL),
		1);
	due(&s, NULL);
	assert_int_equal(temp_generation(s.t, s.account), generation + 1);
}

static void
test_retire_below_percent(void **state)
{
	struct keys_stage s;
	struct err err = { 0 };
	char key[NKEY_TEXT_SIZE];
	struct fake_servers servers = { .on_first = 1, .on_second = 8, .elsewhere = 1 };
	keys_stage_init(&s, *state);
	keys_stage_key(&s, 1, key);
	keys_stage_change_ok(&s, "add_signing_key", NULL);
	assert_int_equal(retire(&s, key, 0, 10, &err), 0);
	due(&s, NULL); /* nobody to ask */
	servers.complete = true;
	due(&s, &servers); /* 10 of 100 are not below 10 */
	assert_int_equal(keys_stage_count(&s, 1), 3);
	servers.on_first = 0;
	servers.complete = false;
	due(&s, &servers); /* a server did not say */
	servers.complete = true;
	servers.down = true;
	due(&s, &servers);
	assert_int_equal(keys_stage_count(&s, 1), 3);
	assert_int_equal(servers.asked, 3);
	servers.down = false;
	servers.on_first = 1;
	servers.elsewhere = 2; /* one of eleven */
	due(&s, &servers);
	assert_int_equal(keys_stage_count(&s, 1), 0);
	assert_int_equal(servers.asked, 4);
	due(&s, &servers); /* nothing is planned: nobody is asked */
	assert_int_equal(servers.asked, 4);
}

static void
test_retire_now_and_keep(void **state)
{
	struct keys_stage s;
	struct err err = { 0 };
	struct fake_servers nobody = { .complete = true };
	char key[NKEY_TEXT_SIZE];
	keys_stage_init(&s, *state);
	keys_stage_key(&s, 1, key);
	keys_stage_change_ok(&s, "add_signing_key", NULL);
	assert_int_equal(retire(&s, "nonsense", 0, 10, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(retire(&s, key, 1, 10, &err), 0);
	assert_int_equal(service_account_key_keep(s.t->service, &temp_superuser_actor,
				 s.account, key, NULL, &err),
		0);
	due(&s, &nobody);
	assert_int_equal(keys_stage_count(&s, 1), 3);
	assert_int_equal(retire(&s, key, 0, 0, &err), 0);
	assert_int_equal(keys_stage_count(&s, 1), 0);
	/* nobody is there at all: that tells nothing */
	keys_stage_key(&s, 2, key);
	keys_stage_change_ok(&s, "add_signing_key", NULL);
	assert_int_equal(retire(&s, key, 0, 1, &err), 0);
	due(&s, &nobody);
	assert_int_equal(keys_stage_count(&s, 2), 3);

	struct account_key_list list = { 0 };
	assert_int_equal(service_account_keys(
				 s.t->service, &temp_guest_actor, s.account, &list, &err),
		-1);
	assert_int_equal(err.code, ERR_FORBIDDEN);
}

static void
keep(struct keys_stage *s, const char *key)
{
	struct err err = { 0 };
	if (service_account_key_keep(s->t->service, &temp_superuser_actor, s->account,
		    key, NULL, &err) != 0) {
		fail_msg("%s", err.msg);
	}
}

/* Somebody changes the plan while the servers are asked. */
struct change_of_mind {
	struct keys_stage *s;
	const char *key;
	bool later; /* in place of not at all */
	bool removes; /* in place of both */
};

static int
count_and_change(
	void *ctx, struct account_key_list *list, bool *out_complete, struct err *err)
{
	const struct change_of_mind *mind = ctx;
	struct fake_servers servers = { .on_second = 1, .complete = true };
	if (mind->later) {
		assert_int_equal(retire(mind->s, mind->key, INT64_MAX / 2, 0, err), 0);
	} else if (mind->removes) {
		assert_int_equal(retire(mind->s, mind->key, 0, 0, err), 0);
	} else {
		keep(mind->s, mind->key);
	}
	return count(&servers, list, out_complete, err);
}

static void
test_plan_changes_while_counting(void **state)
{
	struct keys_stage s;
	struct err err = { 0 };
	char key[NKEY_TEXT_SIZE];
	struct change_of_mind mind = { .s = &s, .key = key };
	keys_stage_init(&s, *state);
	keys_stage_key(&s, 1, key);
	keys_stage_change_ok(&s, "add_signing_key", NULL);
	for (int i = 0; i < 3; i++) {
		mind.later = i == 1;
		mind.removes = i == 2;
		assert_int_equal(retire(&s, key, 0, 10, &err), 0);
		assert_int_equal(service_account_keys_due(
					 s.t->service, count_and_change, &mind, &err),
			0);
		assert_int_equal(keys_stage_count(&s, 1), i < 2 ? 3 : 0);
	}
	assert_int_equal(temp_ask(s.t,
				 "SELECT count(*) FROM audit WHERE actor = 'system' AND "
				 "fields = '[\"remove_signing_key\"]'",
				 NULL),
		0);
}

/* Set while a change is on its way to its transaction. */
static struct temp_service *meanwhile;

/* Looked at right before a transaction begins. */
static int64_t
read_mono_and_keep(void *ctx)
{
	struct temp_service *t = ctx;
	if (meanwhile != NULL) {
		meanwhile = NULL;
		temp_store_exec(&t->temp,
			"UPDATE signing_keys SET retire_at = 0, retire_below = 0");
	}
	return t->temp.clock.mono;
}

static void
test_plan_is_cancelled_before_removal(void **state)
{
	struct keys_stage s;
	struct err err = { 0 };
	char key[NKEY_TEXT_SIZE];
	keys_stage_init(&s, *state);
	keys_stage_key(&s, 1, key);
	keys_stage_change_ok(&s, "add_signing_key", NULL);
	assert_int_equal(retire(&s, key, 1, 0, &err), 0);
	s.t->clock.mono = read_mono_and_keep;
	meanwhile = s.t;
	due(&s, NULL);
	assert_null(meanwhile);
	assert_int_equal(keys_stage_count(&s, 1), 3);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, temp_service_set_up, temp_service_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_retire_at_date),
		TEST(test_retire_below_percent),
		TEST(test_retire_now_and_keep),
		TEST(test_plan_changes_while_counting),
		TEST(test_plan_is_cancelled_before_removal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
