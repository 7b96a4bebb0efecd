/* SPDX-License-Identifier: Apache-2.0 */
#include "model/template.h"

#include "base/buf.h"
#include "base/str.h"
#include "model/limits.h"
#include "model/subject.h"

#include <stdlib.h>
#include <string.h>

#define KEY_CHARS "abcdefghijklmnopqrstuvwxyz0123456789_-"
#define VALUE_CHARS KEY_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

enum {
	SHOWN_MAX = 40, /* bytes of a text that is wrong, in a message */
	KEY_MAX = TEMPLATE_TAG_BYTES_MAX - 2, /* a longer one leaves no room for ":v" */
	SHORTEST = 10, /* bytes: {{name()}}, {{tag(x)}} */
	SLOTS_MAX = LIMIT_SUBJECT_BYTES / SHORTEST,
	SUBJECT_MAX = 16 * 1024 /* bytes of one that is made; far more than is useful */
};

static const struct op {
	enum template_feed feed;
	const char *text; /* up to the key, of those that take one */
	bool takes_key;
	const char *owner; /* for messages */
	const char *what;
} ops[] = {
	{ TEMPLATE_NAME, "name()", false, "user", "name" },
	{ TEMPLATE_SUBJECT, "subject()", false, "user", "public key" },
	{ TEMPLATE_ACCOUNT_NAME, "account-name()", false, "account", "name" },
	{ TEMPLATE_ACCOUNT_SUBJECT, "account-subject()", false, "account", "public key" },
	{ TEMPLATE_TAG, "tag(", true, "user", "tag" },
	{ TEMPLATE_ACCOUNT_TAG, "account-tag(", true, "account", "tag" },
};

/* One {{...}}, which points into its entry; op is NULL where there is none. */
struct template
{
	const struct op *op;
	const char *text; /* from "{{" */
	size_t len; /* to the end of "}}" */
	const char *key; /* empty where it takes none */
	size_t key_len;
};

/* ---- reading ---- */

/* How much of a text to show: not a part of a character. */
static int
shown(const char *text, size_t len)
{
	if (len > SHOWN_MAX) {
		len = SHOWN_MAX;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
			len--;
		}
	}
	return (int)len;
}

static bool
is_key(const char *text, size_t len)
{
	return len > 0 && len <= KEY_MAX && strspn(text, KEY_CHARS) == len;
}

static const struct op *
find_op(const char *inside, size_t len)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		size_t op_len = strlen(ops[i].text);
		bool fits = ops[i].takes_key ? len > op_len + 1 && inside[len - 1] == ')'
					     : len == op_len;
		if (fits && memcmp(inside, ops[i].text, op_len) == 0) {
			return &ops[i];
		}
	}
	return NULL;
}

/* The template that begins at text. */
static int
parse(const char *entry, const char *text, struct template *out, struct err *err)
{
	struct template found = { .text = text, .key = text };
	const char *inside = text + 2;
	const char *end = strstr(inside, "}}");
	if (end == NULL) {
		return err_set(err, ERR_INVALID, "\"{{\" at byte %zu is not closed",
			(size_t)(text - entry) + 1);
	}
	size_t len = (size_t)(end - inside);
	found.len = len + 4;
	found.op = find_op(inside, len);
	if (found.op == NULL) {
		return err_set(err, ERR_INVALID,
			"unknown template \"{{%.*s}}\" at byte %zu; there are name(), "
			"subject(), account-name(), account-subject(), tag(x) and "
			"account-tag(x)",
			shown(inside, len), inside, (size_t)(text - entry) + 1);
	}
	if (found.op->takes_key) {
		found.key = inside + strlen(found.op->text);
		found.key_len = len - strlen(found.op->text) - 1;
		if (!is_key(found.key, found.key_len)) {
			return err_set(err, ERR_INVALID,
				"\"{{%.*s}}\" at byte %zu: the key of a tag is 1 to %d "
				"of a-z, 0-9, _ and -",
				shown(inside, len), inside, (size_t)(text - entry) + 1,
				KEY_MAX);
		}
	}
	*out = found;
	return 0;
}

/* The first template from `from` on; out->op is NULL when there is none. */
static int
next_template(const char *entry, const char *from, struct template *out, struct err *err)
{
	const char *open = strstr(from, "{{");
	const char *close = strstr(from, "}}");
	if (close != NULL && (open == NULL || close < open)) {
		return err_set(err, ERR_INVALID, "\"}}\" at byte %zu closes nothing",
			(size_t)(close - entry) + 1);
	}
	if (open == NULL) {
		*out = (struct template){ 0 };
		return 0;
	}
	return parse(entry, open, out, err);
}

static bool
same_text(const struct template *a, const struct template *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* ---- checks ---- */

bool
template_is_in(const char *entry)
{
	return strstr(entry, "{{") != NULL;
}

static int
check_templates(const char *entry, struct err *err)
{
	struct template found = { 0 };
	for (const char *at = entry;; at = found.text + found.len) {
		if (next_template(entry, at, &found, err) != 0) {
			return -1;
		}
		if (found.op == NULL) {
			return 0;
		}
	}
}

/* The entry is looked at as it is: a template has no dot, so that it is an ordinary part
 * of a token before and after it is filled in. */
int
template_check(const char *entry, struct err *err)
{
	if (!str_is_utf8(entry, strlen(entry))) {
		return err_set(err, ERR_INVALID, "the subject is not UTF-8");
	}
	if (check_templates(entry, err) != 0) {
		return -1;
	}
	if (!template_is_in(entry)) {
		return subject_check_queue(entry, err);
	}
	if (strchr(entry, ' ') != NULL) {
		return err_set(
			err, ERR_INVALID, "a subject with templates cannot have a queue");
	}
	return subject_check(entry, err);
}

static bool
has_templates(const struct strlist *list)
{
	for (size_t i = 0; i < list->len; i++) {
		if (template_is_in(list->items[i])) {
			return true;
		}
	}
	return false;
}

int
template_check_list(const struct strlist *list, struct err *err)
{
	if (!has_templates(list)) {
		return 0;
	}
	for (size_t i = 0; i < list->len; i++) {
		if (strchr(list->items[i], ' ') != NULL) {
			return err_set(err, ERR_INVALID,
				"\"%.*s\": a queue cannot be in a list with templates",
				shown(list->items[i], strlen(list->items[i])),
				list->items[i]);
		}
	}
	return 0;
}

bool
template_text_is_safe(const char *text)
{
	return text != NULL && text[0] != '\0' && text[strspn(text, VALUE_CHARS)] == '\0';
}

int
template_check_tag(const char *tag, struct err *err)
{
	size_t key_len = strcspn(tag, ":");
	if (strlen(tag) > TEMPLATE_TAG_BYTES_MAX) {
		return err_set(err, ERR_INVALID, "a tag of %zu bytes, %d are the most",
			strlen(tag), TEMPLATE_TAG_BYTES_MAX);
	}
	if (key_len == 0 || strspn(tag, KEY_CHARS) != key_len) {
		return err_set(err, ERR_INVALID,
			"tag \"%.*s\": its key must be of a-z, 0-9, _ and -",
			shown(tag, strlen(tag)), tag);
	}
	if (tag[key_len] == ':' && !template_text_is_safe(tag + key_len + 1)) {
		return err_set(err, ERR_INVALID,
			"tag \"%.*s\": its value must be of A-Z, a-z, 0-9, _ and -",
			shown(tag, strlen(tag)), tag);
	}
	return 0;
}

/* ---- what lists read ---- */

unsigned
template_feeds(const struct strlist *list)
{
	unsigned feeds = 0;
	for (size_t i = 0; i < list->len; i++) {
		struct template found = { 0 };
		const char *at = list->items[i];
		while (next_template(list->items[i], at, &found, NULL) == 0 &&
			found.op != NULL) {
			feeds |= found.op->feed;
			at = found.text + found.len;
		}
	}
	return feeds;
}

bool
template_is_whole_tokens(const char *entry)
{
	struct template found = { 0 };
	for (const char *at = entry;
		next_template(entry, at, &found, NULL) == 0 && found.op != NULL;
		at = found.text + found.len) {
		char after = found.text[found.len];
		if ((found.text != entry && found.text[-1] != '.') ||
			(after != '.' && after != '\0')) {
			return false;
		}
	}
	return true;
}

static void
cut_back(struct strlist *list, size_t len)
{
	while (list->len > len) {
		free(list->items[--list->len]);
	}
}

static bool
holds(const struct strlist *list, const char *text, size_t len)
{
	for (size_t i = 0; i < list->len; i++) {
		if (strlen(list->items[i]) == len &&
			memcmp(list->items[i], text, len) == 0) {
			return true;
		}
	}
	return false;
}

static int
add_keys(const char *entry, enum template_feed feed, struct strlist *out, struct err *err)
{
	struct template found = { 0 };
	for (const char *at = entry;; at = found.text + found.len) {
		if (next_template(entry, at, &found, err) != 0) {
			return -1;
		}
		if (found.op == NULL) {
			return 0;
		}
		if (found.op->feed == feed && !holds(out, found.key, found.key_len) &&
			strlist_add_n(out, found.key, found.key_len, err) != 0) {
			return -1;
		}
	}
}

int
template_tag_names(
	const struct strlist *list, bool account, struct strlist *out, struct err *err)
{
	size_t before = out->len;
	for (size_t i = 0; i < list->len; i++) {
		if (add_keys(list->items[i],
			    account ? TEMPLATE_ACCOUNT_TAG : TEMPLATE_TAG, out,
			    err) != 0) {
			cut_back(out, before);
			return -1;
		}
	}
	return 0;
}

/* ---- filling in ---- */

/* A template of the entry that is being filled in, and the value that it has now. */
struct slot {
	struct template template;
	const struct slot *same; /* an earlier one of the same text gives the value */
	const char *fixed; /* NULL: a tag does */
	const struct strlist *tags;
	size_t tag; /* whose value it has now */
	size_t count; /* values that it can have; 0: the tag is missing */
};

struct expansion {
	const struct template_values *values;
	bool deny;
	struct slot slots[SLOTS_MAX];
	size_t slot_count; /* of this entry */
	size_t made; /* subjects of the list so far, as servers count */
	struct buf subject;
	struct strlist *out;
};

static const char *
fixed_value(const struct template_values *values, enum template_feed feed)
{
	switch (feed) {
	case TEMPLATE_NAME:
		return values->name;
	case TEMPLATE_SUBJECT:
		return values->subject;
	case TEMPLATE_ACCOUNT_NAME:
		return values->account_name;
	case TEMPLATE_ACCOUNT_SUBJECT:
		return values->account_subject;
	case TEMPLATE_TAG:
	case TEMPLATE_ACCOUNT_TAG:
		break;
	}
	return NULL;
}

static const struct strlist *
tags_of(const struct template_values *values, enum template_feed feed)
{
	static const struct strlist none = { 0 };
	const struct strlist *tags =
		feed == TEMPLATE_TAG ? values->tags : values->account_tags;
	return tags != NULL ? tags : &none;
}

/* The value of a tag that has this key, or NULL. */
static const char *
tag_value(const char *tag, const struct template *template)
{
	size_t len = template->key_len;
	return strncmp(tag, template->key, len) == 0 && tag[len] == ':' ? tag + len + 1
									: NULL;
}

/* The first tag from `from` on that the slot reads; the number of tags if there is none.
 */
static size_t
find_tag(const struct slot *slot, size_t from)
{
	while (from < slot->tags->len &&
		tag_value(slot->tags->items[from], &slot->template) == NULL) {
		from++;
	}
	return from;
}

static int
refuse_value(const struct template *template, const char *value, struct err *err)
{
	return err_set(err, ERR_INVALID,
		"the %s's %s \"%.*s\" feeds \"%.*s\" and so must be of A-Z, a-z, 0-9, _ "
		"and -",
		template->op->owner, template->op->what, shown(value, strlen(value)),
		value, (int)template->len, template->text);
}

static int
fill_from_tags(struct slot *slot, const struct template_values *values, struct err *err)
{
	slot->tags = tags_of(values, slot->template.op->feed);
	slot->tag = find_tag(slot, 0);
	for (size_t i = slot->tag; i < slot->tags->len; i = find_tag(slot, i + 1)) {
		const char *tag = slot->tags->items[i];
		if (!template_text_is_safe(tag_value(tag, &slot->template))) {
			return refuse_value(&slot->template, tag, err);
		}
		slot->count++;
	}
	return 0;
}

static int
fill_slot(struct slot *slot, const struct template_values *values, struct err *err)
{
	if (slot->template.op->takes_key) {
		return fill_from_tags(slot, values, err);
	}
	slot->fixed = fixed_value(values, slot->template.op->feed);
	slot->count = 1;
	if (slot->fixed == NULL || !template_text_is_safe(slot->fixed)) {
		return refuse_value(
			&slot->template, slot->fixed != NULL ? slot->fixed : "", err);
	}
	return 0;
}

static const struct slot *
find_same(const struct expansion *x, const struct template *template)
{
	for (size_t i = 0; i < x->slot_count; i++) {
		if (same_text(&x->slots[i].template, template)) {
			return &x->slots[i];
		}
	}
	return NULL;
}

static int
read_slots(struct expansion *x, const char *entry, struct err *err)
{
	struct template found = { 0 };
	x->slot_count = 0;
	for (const char *at = entry;; at = found.text + found.len) {
		if (next_template(entry, at, &found, err) != 0) {
			return -1;
		}
		if (found.op == NULL) {
			return 0;
		}
		if (x->slot_count == SLOTS_MAX) {
			return err_set(err, ERR_INVALID,
				"\"%.*s...\" has more than %d templates",
				shown(entry, strlen(entry)), entry, SLOTS_MAX);
		}
		struct slot slot = { .template = found, .same = find_same(x, &found) };
		if (fill_slot(&slot, x->values, err) != 0) {
			return -1;
		}
		x->slots[x->slot_count++] = slot;
	}
}

static const struct slot *
find_missing(const struct expansion *x)
{
	for (size_t i = 0; i < x->slot_count; i++) {
		if (x->slots[i].count == 0) {
			return &x->slots[i];
		}
	}
	return NULL;
}

/* Servers count before they drop an entry for a tag that is not there, and count a
 * repeated template each time. */
static int
check_count(
	const struct expansion *x, const char *entry, size_t *out_count, struct err *err)
{
	size_t count = 1;
	for (size_t i = 0; i < x->slot_count; i++) {
		size_t values = x->slots[i].count;
		count *= values > 0 ? values : 1;
		if (count > TEMPLATE_EXPANSIONS_MAX) {
			break;
		}
	}
	if (count > TEMPLATE_EXPANSIONS_MAX - x->made) {
		return err_set(err, ERR_INVALID,
			"\"%.*s\" brings the list to more than %d subjects, which "
			"servers refuse; fewer tags or templates help",
			shown(entry, strlen(entry)), entry, TEMPLATE_EXPANSIONS_MAX);
	}
	*out_count = count;
	return 0;
}

static const char *
slot_value(const struct slot *slot)
{
	const struct slot *from = slot->same != NULL ? slot->same : slot;
	return from->fixed != NULL
		? from->fixed
		: tag_value(from->tags->items[from->tag], &from->template);
}

/* To the next combination of values, the last template's changing first; false after the
 * last. */
static bool
advance(struct expansion *x)
{
	for (size_t i = x->slot_count; i > 0; i--) {
		struct slot *slot = &x->slots[i - 1];
		if (slot->same != NULL || slot->fixed != NULL) {
			continue;
		}
		slot->tag = find_tag(slot, slot->tag + 1);
		if (slot->tag < slot->tags->len) {
			return true;
		}
		slot->tag = find_tag(slot, 0);
	}
	return false;
}

/* The entry with the values that the slots have now. */
static int
add_subject(struct expansion *x, const char *entry, struct err *err)
{
	const char *at = entry;
	buf_clear(&x->subject);
	for (size_t i = 0; i < x->slot_count; i++) {
		const struct template *template = &x->slots[i].template;
		buf_put(&x->subject, at, (size_t)(template->text - at));
		buf_put_str(&x->subject, slot_value(&x->slots[i]));
		at = template->text + template->len;
	}
	buf_put_str(&x->subject, at);
	if (buf_finish(&x->subject, err) != 0) {
		return -1;
	}
	return strlist_add(x->out, x->subject.data, err);
}

static int
expand_entry(struct expansion *x, const char *entry, struct err *err)
{
	size_t count = 0;
	if (template_check(entry, err) != 0 || read_slots(x, entry, err) != 0) {
		return -1;
	}
	const struct slot *missing = find_missing(x);
	if (missing != NULL && x->deny) {
		return err_set(err, ERR_INVALID,
			"the %s has no tag %.*s: to fill in \"%.*s\"",
			missing->template.op->owner, (int)missing->template.key_len,
			missing->template.key, shown(entry, strlen(entry)), entry);
	}
	if (check_count(x, entry, &count, err) != 0) {
		return -1;
	}
	if (missing != NULL) {
		return 0;
	}
	x->made += count;
	do {
		if (add_subject(x, entry, err) != 0) {
			return -1;
		}
	} while (advance(x));
	return 0;
}

int
template_expand(const struct strlist *list, bool deny,
	const struct template_values *values, struct strlist *out, struct err *err)
{
	size_t before = out->len;
	struct expansion x = { .values = values, .deny = deny, .out = out };
	int rc = -1;

	buf_init(&x.subject, SUBJECT_MAX);
	if (template_check_list(list, err) != 0) {
		goto out;
	}
	for (size_t i = 0; i < list->len; i++) {
		if (expand_entry(&x, list->items[i], err) != 0) {
			goto out;
		}
	}
	rc = 0;
out:
	if (rc != 0) {
		cut_back(out, before);
	}
	buf_release(&x.subject);
	return rc;
}

bool
template_repeats_tag(const char *entry)
{
	for (const char *p = strstr(entry, "{{"); p != NULL; p = strstr(p + 2, "{{")) {
		size_t len = (size_t)(strstr(p, "}}") - p);
		bool is_tag = memchr(p, '(', len) != NULL && p[len - 2] != '(';
		for (const char *q = strstr(p + len, "{{"); is_tag && q != NULL;
			q = strstr(q + 2, "{{")) {
			if (strncmp(p, q, len + 2) == 0) {
				return true;
			}
		}
	}
	return false;
}
