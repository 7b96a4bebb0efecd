/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/scope.h"

#include "base/str.h"
#include "vault/vault.h"

#include <string.h>

enum { FEED_MAX = 1024 * 1024 };

static bool
has_key(const char *tag, const struct strlist *keys)
{
	for (size_t i = 0; i < keys->len; i++) {
		size_t len = strlen(keys->items[i]);
		if (str_starts_with(tag, keys->items[i]) && tag[len] == ':') {
			return true;
		}
	}
	return false;
}

/* The tags of which the role reads the key. */
static int
add_tags(const struct role *role, const struct strlist *tags, struct strlist *out,
	struct err *err)
{
	struct strlist keys = { 0 };
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < ROLE_LISTS; i++) {
		rc = template_tag_names(role_list(role, i).entries, true, &keys, err);
	}
	for (size_t i = 0; rc == 0 && i < tags->len; i++) {
		rc = has_key(tags->items[i], &keys)
			? strlist_add(out, tags->items[i], err)
			: 0;
	}
	strlist_release(&keys);
	return rc;
}

/* name: NULL when the role does not read it. */
static int
hash(const char *name, const struct strlist *tags, char out[static MINT_FEED_SIZE],
	struct err *err)
{
	uint8_t digest[32];
	struct buf text;
	buf_init(&text, FEED_MAX);
	buf_put_str(&text, name != NULL ? name : "");
	for (size_t i = 0; i < tags->len; i++) {
		buf_put_char(&text, '\n'); /* in no name that may feed, and in no tag */
		buf_put_str(&text, tags->items[i]);
	}
	int rc = buf_finish(&text, err);
	if (rc == 0) {
		vault_hash(text.data, text.len, digest);
		str_fmt_cut(out, MINT_FEED_SIZE, "%02x%02x%02x%02x", digest[0], digest[1],
			digest[2], digest[3]);
	}
	buf_release(&text);
	return rc;
}

int
mint_scope_feed(const struct role *role, const char *account_name,
	const struct strlist *account_tags, char out[static MINT_FEED_SIZE],
	struct err *err)
{
	struct strlist tags = { 0 };
	unsigned feeds = role_feeds(role);
	bool reads_name = (feeds & TEMPLATE_ACCOUNT_NAME) != 0;
	out[0] = '\0';
	if (!reads_name && (feeds & TEMPLATE_ACCOUNT_TAG) == 0) {
		return 0;
	}
	int rc = add_tags(role, account_tags, &tags, err);
	if (rc == 0) {
		strlist_canonical(&tags);
		rc = hash(reads_name ? account_name : NULL, &tags, out, err);
	}
	strlist_release(&tags);
	return rc;
}
