/* SPDX-License-Identifier: Apache-2.0 */
#include "support/keys_stage.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

void
keys_stage_init(struct keys_stage *s, struct temp_service *t)
{
	*s = (struct keys_stage){ .t = t };
	temp_make_account(t, "one", s->account);
	temp_make_role(t, "role", s->roles[0]);
	temp_make_role(t, "other", s->roles[1]);
	temp_make_user(t, "a", s->account, s->roles[0], s->users[0]);
	temp_make_user(t, "b", s->account, s->roles[0], s->users[1]);
	temp_make_user(t, "c", s->account, s->roles[1], s->users[2]);
	for (int i = 0; i < 3; i++) {
		(void)temp_issue(t, s->users[i]);
	}
	s->seq = temp_account_seq(t, s->account);
}

int
keys_stage_change(
	struct keys_stage *s, const char *fields, const char *remove, struct err *err)
{
	struct account row = {
		.rotate_keys = true,
		.add_signing_key = true,
		.revoke_all = true,
		.remove_signing_key = str_dup(remove != NULL ? remove : ""),
	};
	int rc = temp_change(
		s->t, &account_collection, s->account, &row, fields, NULL, err);
	free(row.remove_signing_key);
	return rc;
}

void
keys_stage_change_ok(struct keys_stage *s, const char *fields, const char *remove)
{
	struct err err = { 0 };
	if (keys_stage_change(s, fields, remove, &err) != 0) {
		fail_msg("%s: %s", fields, err.msg);
	}
}

int64_t
keys_stage_count(const struct keys_stage *s, int key_set)
{
	char sql[96];
	str_fmt_cut(sql, sizeof(sql),
		"SELECT count(*) FROM signing_keys WHERE account > 1 AND key_set = %d",
		key_set);
	return temp_ask(s->t, sql, NULL);
}

struct account_key_list
keys_stage_look(struct keys_stage *s)
{
	struct err err = { 0 };
	struct account_key_list list = { 0 };
	assert_int_equal(service_account_keys(s->t->service, &temp_superuser_actor,
				 s->account, &list, &err),
		0);
	return list;
}

void
keys_stage_key(struct keys_stage *s, int key_set, char out[static NKEY_TEXT_SIZE])
{
	struct account_key_list list = keys_stage_look(s);
	out[0] = '\0';
	for (size_t i = 0; i < list.len; i++) {
		if (list.keys[i].key_set == key_set && list.keys[i].role_id[0] == '\0') {
			memcpy(out, list.keys[i].public_key, NKEY_TEXT_SIZE);
		}
	}
	account_key_list_release(&list);
	assert_string_not_equal(out, "");
}
