/* SPDX-License-Identifier: Apache-2.0
 * Lists of permissions, an entry a line: what the checks accept, fills in to subjects
 * without templates, and names all that it reads; what they refuse, is not filled in. */
#include "model/subject.h"
#include "model/template.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void
must(bool holds)
{
	if (!holds) {
		abort();
	}
}

static struct strlist
split_lines(const uint8_t *data, size_t size)
{
	struct strlist lines = { 0 };
	const char *text = (const char *)data;
	const char *end = text + size;
	while (text < end) {
		const char *line_end = memchr(text, '\n', (size_t)(end - text));
		size_t len = (size_t)((line_end != NULL ? line_end : end) - text);
		if (memchr(text, '\0', len) == NULL) {
			must(strlist_add_n(&lines, text, len, NULL) == 0);
		}
		text += len + 1;
	}
	return lines;
}

static bool
is_accepted(const struct strlist *list)
{
	for (size_t i = 0; i < list->len; i++) {
		struct err err = { 0 };
		if (template_check(list->items[i], &err) != 0) {
			must(err.code == ERR_INVALID && err.msg[0] != '\0');
			return false;
		}
	}
	return template_check_list(list, NULL) == 0;
}

/* A user that has the tags which the list reads, twice each. */
static struct strlist
tags_for(const struct strlist *list, bool account)
{
	struct strlist keys = { 0 };
	struct strlist tags = { 0 };
	must(template_tag_names(list, account, &keys, NULL) == 0);
	for (size_t i = 0; i < keys.len; i++) {
		struct buf tag;
		buf_init(&tag, TEMPLATE_TAG_BYTES_MAX);
		buf_put_str(&tag, keys.items[i]);
		buf_put_str(&tag, ":v");
		must(buf_finish(&tag, NULL) == 0);
		must(template_check_tag(tag.data, NULL) == 0);
		must(strlist_add(&tags, tag.data, NULL) == 0);
		must(strlist_add(&tags, tag.data, NULL) == 0);
		buf_release(&tag);
	}
	strlist_release(&keys);
	return tags;
}

static void
check_made(const struct strlist *made, bool templates)
{
	for (size_t i = 0; i < made->len; i++) {
		must(!template_is_in(made->items[i]));
		must(subject_check_queue(made->items[i], NULL) == 0);
		must(!templates || subject_is_valid(made->items[i]));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strlist list = split_lines(data, size);
	struct strlist tags = { 0 };
	struct strlist account_tags = { 0 };
	struct strlist made = { 0 };
	struct err err = { 0 };
	bool accepted = is_accepted(&list);
	unsigned feeds = template_feeds(&list);

	if (accepted) {
		tags = tags_for(&list, false);
		account_tags = tags_for(&list, true);
		must((tags.len > 0) == ((feeds & TEMPLATE_TAG) != 0));
		must((account_tags.len > 0) == ((feeds & TEMPLATE_ACCOUNT_TAG) != 0));
	}
	struct template_values values = { .name = "n",
		.subject = "U",
		.account_name = "a",
		.account_subject = "A",
		.tags = &tags,
		.account_tags = &account_tags };
	if (template_expand(&list, true, &values, &made, &err) == 0) {
		must(accepted && made.len >= list.len);
		check_made(&made, feeds != 0);
	} else {
		must(err.code == ERR_INVALID || err.code == ERR_TOO_LARGE);
		must(made.len == 0);
	}
	strlist_release(&list);
	strlist_release(&tags);
	strlist_release(&account_tags);
	strlist_release(&made);
	return 0;
}
