/* SPDX-License-Identifier: Apache-2.0
 * Many users, and many writers at once: what a change costs, and that it is of now.
 * NATSID_SCALE in the environment: how many users are minted (scripts/scale-rounds). */
#include "base/str.h"
#include "jwt/decode.h"
#include "support/temp_service.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { MINTED_HERE = 20000, THREADS = 8, WRITERS = 48, SAMPLES = 300 };

struct stage {
	struct temp_service t;
	char account[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
};

static int
set_up(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	temp_service_init(&s->t);
	temp_make_account(&s->t, "fleet", s->account);
	temp_make_role(&s->t, "sensor", s->role);
	*state = s;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *s = *state;
	temp_service_release(&s->t);
	free(s);
	return 0;
}

static double
milliseconds(clockid_t clock)
{
	struct timespec at;
	clock_gettime(clock, &at);
	return (double)at.tv_sec * 1e3 + (double)at.tv_nsec / 1e6;
}

/* ---- many minted in one go ---- */

/* What a thread makes: asserts are for the main thread. */
struct minter {
	struct stage *s;
	char (*ids)[RAND_ID_SIZE];
	int from;
	int to;
	int failed;
};

static void *
make_users(void *arg)
{
	struct minter *minter = arg;
	struct user row = { 0 };
	char name[32];
	memcpy(row.account_id, minter->s->account, RAND_ID_SIZE);
	memcpy(row.role_id, minter->s->role, RAND_ID_SIZE);
	row.nats_username = name;
	for (int i = minter->from; i < minter->to; i++) {
		struct err err = { 0 };
		str_fmt_cut(name, sizeof(name), "device-%d", i);
		minter->failed += temp_create(&minter->s->t, &user_collection, &row,
					  "nats_username,account_id,role_id",
					  minter->ids[i], NULL, &err) != 0;
	}
	return NULL;
}

/* Each JWT leaves, and must be of the row. */
static void *
mint_users(void *arg)
{
	struct minter *minter = arg;
	int64_t now = minter->s->t.temp.clock.wall / 1000;
	for (int i = minter->from; i < minter->to; i++) {
		struct err err = { 0 };
		struct user_creds creds = { 0 };
		struct jwt_claims claims = { 0 };
		bool good =
			service_user_creds(minter->s->t.service, &temp_superuser_actor,
				minter->ids[i], &creds, &err) == 0 &&
			jwt_decode(creds.jwt.data, creds.jwt.len, &claims, &err) == 0 &&
			claims.iat == now;
		minter->failed += good ? 0 : 1;
		jwt_claims_release(&claims);
		user_creds_release(&creds);
	}
	return NULL;
}

static void
in_threads(struct stage *s, char (*ids)[RAND_ID_SIZE], int count, const char *what,
	void *(*run)(void *))
{
	pthread_t threads[THREADS];
	struct minter minters[THREADS];
	double since = milliseconds(CLOCK_MONOTONIC);
	for (int i = 0; i < THREADS; i++) {
		minters[i] = (struct minter){ .s = s,
			.ids = ids,
			.from = (int)((int64_t)count * i / THREADS),
			.to = (int)((int64_t)count * (i + 1) / THREADS) };
		assert_int_equal(pthread_create(&threads[i], NULL, run, &minters[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(minters[i].failed, 0);
	}
	double took = milliseconds(CLOCK_MONOTONIC) - since;
	print_message("# %d users %s: %.1f s, %.0f a second\n", count, what, took / 1e3,
		count / took * 1e3);
}

static int64_t
refused_at(const struct stage *s, const char *user)
{
	return temp_ask(&s->t,
		"SELECT coalesce(max(r.at), 0) FROM revocations r JOIN users u ON "
		"u.public_key = r.public_key AND u.account = r.account WHERE u.id = '%s'",
		user);
}

static void
test_minted_in_one_go(void **state)
{
	struct stage *s = *state;
	const char *given = getenv("NATSID_SCALE");
	int count = given != NULL ? (int)strtol(given, NULL, 10) : MINTED_HERE;
	char(*ids)[RAND_ID_SIZE] = calloc((size_t)count, sizeof(*ids));
	assert_non_null(ids);
	assert_true(count >= SAMPLES);
	int64_t now = s->t.temp.clock.wall / 1000;
	in_threads(s, ids, count, "made", make_users);
	in_threads(s, ids, count, "minted", mint_users);
	assert_int_equal(temp_ask(&s->t, "SELECT min(iat) FROM users", NULL), now);
	assert_int_equal(temp_ask(&s->t, "SELECT max(iat) FROM users", NULL), now);

	/* in the same second: the JWT is refused, and the next one is not */
	for (int i = 0; i < SAMPLES; i++) {
		const char *user = ids[(int64_t)(count - 1) * i / (SAMPLES - 1)];
		struct user row = { .regenerate = true, .active = false };
		bool suspend = i % 2 == 0;
		temp_change_ok(&s->t, &user_collection, user, &row,
			suspend ? "active" : "regenerate");
		assert_int_equal(refused_at(s, user), now);
		if (!suspend) {
			assert_int_equal(temp_issue(&s->t, user), now + 1);
		}
	}

	struct account all = { .revoke_all = true };
	double since = milliseconds(CLOCK_MONOTONIC);
	temp_change_ok(&s->t, &account_collection, s->account, &all, "revoke_all");
	print_message("# %d users revoked: %.1f ms\n", count,
		milliseconds(CLOCK_MONOTONIC) - since);
	assert_int_equal(
		temp_ask(&s->t, "SELECT at FROM revocations WHERE cause = 'all'", NULL),
		now + 1);
	assert_int_equal(temp_issue(&s->t, ids[2]), now + 2);
	free(ids);
}

/* ---- what a change costs when an account has many users ---- */

static int64_t
sum_of_users(const struct stage *s)
{
	return temp_ask(&s->t,
		"SELECT sum(version) + sum(updated % 1000003) + sum(iat % 1000003) + "
		"sum(issued_at % 1000003) + sum(issued_until % 1000003) + "
		"sum(issued_set) FROM users",
		NULL);
}

static void
fill(struct stage *s)
{
	char user[RAND_ID_SIZE];
	temp_make_user(&s->t, "first", s->account, s->role, user);
	temp_store_exec(&s->t.temp,
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i "
		"< 100000) INSERT INTO users (id, account, role, nats_username, "
		"public_key, iat, issued_at, issued_until, issued_set, created, updated) "
		"SELECT printf('user%011d', i), account, role, printf('u%d', i), "
		"randomblob(32), iat + i % 7, 1, 253402300799, 1, created, updated "
		"FROM users, n WHERE nats_username = 'first'");
}

/* Nothing is written for the users, and one account is pushed. */
static void
test_all_at_once(void **state)
{
	static const char *const triggers[] = { "rotate_keys", "revoke_all",
		"add_signing_key", "rotate_keys,revoke_all" };
	struct stage *s = *state;
	struct account row = {
		.rotate_keys = true, .revoke_all = true, .add_signing_key = true
	};
	fill(s);
	int64_t before = sum_of_users(s);
	for (size_t i = 0; i < sizeof(triggers) / sizeof(triggers[0]); i++) {
		int64_t generations = temp_ask(
			&s->t, "SELECT sum(generation) FROM account_publish", NULL);
		double since = milliseconds(CLOCK_PROCESS_CPUTIME_ID);
		temp_change_ok(&s->t, &account_collection, s->account, &row, triggers[i]);
		double took = milliseconds(CLOCK_PROCESS_CPUTIME_ID) - since;
		print_message("# 100,000 users, %s: %.1f ms\n", triggers[i], took);
		assert_true(took < 1000);
		assert_int_equal(sum_of_users(s), before);
		assert_int_equal(
			temp_ask(&s->t, "SELECT sum(generation) FROM account_publish",
				NULL),
			generations + 1);
	}
	assert_int_equal(temp_ask(&s->t, "SELECT count(*) FROM revocations", NULL), 0);
}

/* ---- many writers of one row ---- */

struct writer {
	struct stage *s;
	pthread_barrier_t *start;
	int number;
	int rc;
};

static void *
write_once(void *arg)
{
	struct writer *writer = arg;
	struct err err = { 0 };
	struct role row = { .max_payload = 1000 + writer->number };
	pthread_barrier_wait(writer->start);
	writer->rc = temp_change(&writer->s->t, &role_collection, writer->s->role, &row,
		"max_payload", NULL, &err);
	return NULL;
}

static void
test_many_writers(void **state)
{
	struct stage *s = *state;
	pthread_t threads[WRITERS];
	struct writer writers[WRITERS];
	pthread_barrier_t start;
	int lost = 0;
	assert_int_equal(pthread_barrier_init(&start, NULL, WRITERS), 0);
	int64_t version = temp_ask(&s->t, "SELECT version FROM roles", NULL);
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ .s = s, .start = &start, .number = i };
		assert_int_equal(
			pthread_create(&threads[i], NULL, write_once, &writers[i]), 0);
	}
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(threads[i], NULL);
		lost += writers[i].rc != 0;
	}
	pthread_barrier_destroy(&start);
	print_message("# %d writers of one role: %d lost their races\n", WRITERS, lost);
	assert_true(lost <= 2);
	assert_int_equal(temp_ask(&s->t, "SELECT version FROM roles", NULL),
		version + WRITERS - lost);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_minted_in_one_go),
		TEST(test_all_at_once),
		TEST(test_many_writers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
