/* SPDX-License-Identifier: Apache-2.0
 * Is the database the one that was served last, or an older one in its place? */
#include "app/heartbeat.h"
#include "base/str.h"
#include "support/temp_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct stage {
	struct temp_service t;
	struct data_dir dir;
	char file[128];
	char kept[128];
};

static int
set_up(void **state)
{
	char account[RAND_ID_SIZE];
	char role[RAND_ID_SIZE];
	char user[RAND_ID_SIZE];
	struct stage *s = calloc(1, sizeof(*s));
	assert_non_null(s);
	temp_service_init(&s->t);
	temp_make_account(&s->t, "acme", account);
	temp_make_role(&s->t, "sensor", role);
	temp_make_user(&s->t, "one", account, role, user);
	s->dir = (struct data_dir){ .path = s->t.temp.dir,
		.lock_fd = -1,
		.store = s->t.temp.store,
		.service = s->t.service };
	str_fmt_cut(s->file, sizeof(s->file), "%s/heartbeat", s->dir.path);
	str_fmt_cut(s->kept, sizeof(s->kept), "%s/kept", s->dir.path);
	*state = s;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *s = *state;
	(void)remove(s->file);
	temp_service_release(&s->t);
	free(s);
	return 0;
}

/* From now on it can be read, and not written. */
static void
lock_file(const struct stage *s)
{
	assert_int_equal(rename(s->file, s->kept), 0);
	assert_int_equal(symlink(s->kept, s->file), 0);
}

static void
unlock_file(const struct stage *s)
{
	assert_int_equal(rename(s->kept, s->file), 0);
}

static struct heartbeat *
start(struct stage *s)
{
	struct err err = { 0 };
	struct heartbeat *heartbeat = NULL;
	if (heartbeat_start(&s->dir, &heartbeat, &err) != 0) {
		fail_msg("%s (%s)", err.msg, err.detail);
	}
	return heartbeat;
}

static void
write_file(const struct stage *s, const char *text)
{
	FILE *file = fopen(s->file, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void
read_file(const struct stage *s, char out[static STORE_BEAT_SIZE])
{
	FILE *file = fopen(s->file, "r");
	assert_non_null(file);
	assert_non_null(fgets(out, STORE_BEAT_SIZE, file));
	assert_int_equal(fclose(file), 0);
	out[strcspn(out, "\n")] = '\0';
}

static struct store_heartbeat
stored(const struct stage *s)
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	struct store_heartbeat out;
	assert_int_equal(store_read_begin_one(s->dir.store, &conn, &err), 0);
	assert_int_equal(store_heartbeat_get(conn, &out, &err), 0);
	store_read_end(s->dir.store, conn);
	return out;
}

static int64_t
times_restored(const struct stage *s)
{
	return temp_ask(&s->t,
		"SELECT count(*) FROM audit WHERE action = 'restored' AND "
		"collection = 'nats_system_operator' AND actor = 'system'",
		NULL);
}

/* A start, and whether it took the database for one that was restored; a second start
 * never does. */
static void
check_start(struct stage *s, bool restored)
{
	char text[STORE_BEAT_SIZE];
	int64_t before = times_restored(s);
	heartbeat_stop(start(s));
	assert_int_equal(times_restored(s), before + (restored ? 1 : 0));
	heartbeat_stop(start(s));
	assert_int_equal(times_restored(s), before + (restored ? 1 : 0));
	read_file(s, text);
	assert_string_equal(text, stored(s).last);
}

static void
test_judge(void **state)
{
	static const struct {
		struct store_heartbeat database;
		const char *file;
		enum heartbeat_history expected;
	} cases[] = {
		{ { "", "" }, NULL, HEARTBEAT_NEW },
		{ { "b 2", "a 1" }, "b 2", HEARTBEAT_SAME },
		/* killed between the two */
		{ { "b 2", "a 1" }, "a 1", HEARTBEAT_SAME },
		/* ahead of it, far behind it, of another copy */
		{ { "b 2", "a 1" }, "c 3", HEARTBEAT_RESTORED },
		{ { "b 2", "a 1" }, "b 3", HEARTBEAT_RESTORED },
		/* removed; killed after the first beat of all */
		{ { "b 2", "a 1" }, NULL, HEARTBEAT_RESTORED },
		{ { "a 1", "" }, NULL, HEARTBEAT_NEW },
		/* damaged */
		{ { "b 2", "a 1" }, "", HEARTBEAT_RESTORED },
		{ { "a 1", "" }, "", HEARTBEAT_NEW },
		{ { "a 1", "" }, "b 2", HEARTBEAT_RESTORED },
		{ { "b 2", "a 1" }, "b 2 ", HEARTBEAT_RESTORED },
		/* a backup from before it was served */
		{ { "", "" }, "a 1", HEARTBEAT_RESTORED },
		{ { "", "" }, "", HEARTBEAT_RESTORED },
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (heartbeat_judge(&cases[i].database, cases[i].file) !=
			cases[i].expected) {
			fail_msg("case %zu", i);
		}
	}
}

static void
test_same(void **state)
{
	struct stage *s = *state;
	struct stat st;
	check_start(s, false);
	assert_int_equal(stat(s->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* the end of the one before is the beginning of the next */
	struct store_heartbeat before = stored(s);
	struct heartbeat *heartbeat = start(s);
	assert_string_equal(stored(s).before, before.last);
	assert_string_not_equal(stored(s).last, before.last);
	heartbeat_stop(heartbeat);
}

/* Whichever of two writes was the last one. */
static void
test_killed(void **state)
{
	struct stage *s = *state;
	heartbeat_stop(start(s));
	write_file(s, stored(s).before);
	check_start(s, false);
	/* and in the next start before the file was written */
	struct store_heartbeat now = stored(s);
	write_file(s, now.before);
	lock_file(s);
	heartbeat_stop(start(s));
	assert_string_equal(stored(s).last, now.last);
	unlock_file(s);
	check_start(s, false);
}

static void
test_restored(void **state)
{
	struct stage *s = *state;
	heartbeat_stop(start(s));
	char sql[256];
	struct store_heartbeat backup = stored(s);
	check_start(s, false);
	str_fmt_cut(sql, sizeof(sql),
		"UPDATE settings SET value = '%s' WHERE key = 'heartbeat'", backup.last);
	temp_store_exec(&s->t.temp, sql);
	check_start(s, true);
	/* the same backup once more, and a copy of the whole directory */
	temp_store_exec(&s->t.temp, sql);
	check_start(s, true);
	assert_int_equal(unlink(s->file), 0);
	check_start(s, true);
	temp_store_exec(&s->t.temp, "DELETE FROM settings WHERE key LIKE 'heartbeat%'");
	check_start(s, true);
}

/* Made in the place of a lost one, beside what that left. */
static void
test_empty(void **state)
{
	struct stage *s = *state;
	write_file(s, "ahead 7");
	temp_store_exec(&s->t.temp, "DELETE FROM users");
	check_start(s, false);
}

static void
test_damaged(void **state)
{
	static const char *const texts[] = { "", "\n", "x",
		"a line that is much longer than any that natsid writes to the file\n" };
	struct stage *s = *state;
	heartbeat_stop(start(s));
	for (size_t i = 0; i < COUNT(texts); i++) {
		write_file(s, texts[i]);
		check_start(s, true);
	}
}

static void
test_unreadable(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct heartbeat *heartbeat = NULL;
	heartbeat_stop(start(s));
	struct store_heartbeat before = stored(s);
	assert_int_equal(unlink(s->file), 0);
	assert_int_equal(mkdir(s->file, 0700), 0);
	assert_int_equal(heartbeat_start(&s->dir, &heartbeat, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(err.msg, s->file));
	assert_string_equal(stored(s).last, before.last);
	assert_int_equal(times_restored(s), 0);
}

/* A crash before the first beat: what it did is done again. */
static void
test_restored_twice(void **state)
{
	struct stage *s = *state;
	heartbeat_stop(start(s));
	write_file(s, "ahead 7");
	lock_file(s);
	heartbeat_stop(start(s));
	heartbeat_stop(start(s));
	assert_int_equal(times_restored(s), 2);
	unlock_file(s);
	check_start(s, true);
}

static void
test_beats(void **state)
{
	struct stage *s = *state;
	char text[STORE_BEAT_SIZE];
	struct heartbeat *heartbeat = start(s);
	struct store_heartbeat first = stored(s);
	heartbeat_look(heartbeat);
	assert_string_equal(stored(s).last, first.last);
	/* something else was written */
	heartbeat_on_commit(heartbeat);
	heartbeat_look(heartbeat);
	heartbeat_on_commit(heartbeat); /* its own */
	assert_string_equal(stored(s).before, first.last);
	read_file(s, text);
	assert_string_equal(text, stored(s).last);
	struct store_heartbeat second = stored(s);
	heartbeat_look(heartbeat);
	assert_string_equal(stored(s).last, second.last);
	heartbeat_stop(heartbeat);
	assert_string_equal(stored(s).before, second.last);
}

/* The database does not run ahead of a file that cannot be written. */
static void
test_disk_full(void **state)
{
	struct stage *s = *state;
	struct heartbeat *heartbeat = start(s);
	struct store_heartbeat first = stored(s);
	lock_file(s);
	for (int i = 0; i < 3; i++) {
		heartbeat_on_commit(heartbeat);
		heartbeat_look(heartbeat);
		assert_string_equal(stored(s).before, first.last);
	}
	unlock_file(s);
	heartbeat_look(heartbeat);
	heartbeat_stop(heartbeat);
	check_start(s, false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
		cmocka_unit_test_setup_teardown(test_same, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_restored, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_empty, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damaged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unreadable, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_restored_twice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_beats, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_disk_full, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
