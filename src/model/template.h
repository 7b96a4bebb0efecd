/* SPDX-License-Identifier: Apache-2.0
 * Templates: the {{...}} in the permissions of a scope, which servers fill in for each
 * user of it.
 *
 * Read in one form only: name(), subject(), account-name(), account-subject(), tag(key)
 * and account-tag(key), in lower case, without spaces. Servers read more than that, but
 * not all of them alike, and some (2.11.0 to 2.11.13, 2.12.0 to 2.12.4) crash on an
 * operation that they do not know. Servers 2.10 fill in only those templates that are
 * whole tokens: the others stay as they are, and match nothing. */
#ifndef MODEL_TEMPLATE_H
#define MODEL_TEMPLATE_H

#include "base/err.h"
#include "base/strlist.h"

#include <stdbool.h>

/* What a template reads. */
enum template_feed {
	TEMPLATE_NAME = 1 << 0,
	TEMPLATE_SUBJECT = 1 << 1,
	TEMPLATE_ACCOUNT_NAME = 1 << 2,
	TEMPLATE_ACCOUNT_SUBJECT = 1 << 3,
	TEMPLATE_TAG = 1 << 4,
	TEMPLATE_ACCOUNT_TAG = 1 << 5
};

enum {
	TEMPLATE_TAG_BYTES_MAX = 64,
	/* Of one list: what servers cap since 2.11.14, 2.12.5 and 2.14. */
	TEMPLATE_EXPANSIONS_MAX = 4096
};

/* What one user feeds templates with, borrowed. The subjects are public keys. What no
 * template of a list reads may be NULL; tags may be NULL for none. */
struct template_values {
	const char *name;
	const char *subject;
	const char *account_name;
	const char *account_subject;
	const struct strlist *tags;
	const struct strlist *account_tags;
};

/* A `{{` is in it. */
bool template_is_in(const char *entry);

/* One entry of a permission list: each {{...}} is a template, each `}}` closes one, and
 * the rest is a valid subject. Without templates it may be "subject queue"; whether its
 * list takes those is for the caller to check. ERR_INVALID says what and where. */
int template_check(const char *entry, struct err *err) MUST_CHECK;

/* Of a list with templates, servers take every entry for a plain subject: they drop a
 * "subject queue" from what is allowed, and fail on one in what is denied. ERR_INVALID.
 * The entries themselves are template_check's. */
int template_check_list(const struct strlist *list, struct err *err) MUST_CHECK;

/* What the templates of a list read: bits of enum template_feed. */
unsigned template_feeds(const struct strlist *list);

/* Whether all templates of an entry that template_check accepts are whole tokens, as
 * servers 2.10 need them: there, to deny "KV_{{tag(x)}}" denies nothing. */
bool template_is_whole_tokens(const char *entry);

/* Whether an entry that template_check accepts has the same tag twice: servers 2.10 make
 * of that every combination of the tag's values, newer ones take one value at a time. */
bool template_repeats_tag(const char *entry);

/* Appends the keys that the templates tag(key) of a list read, or account-tag(key), to
 * out; none that is there already. ERR_INVALID, ERR_NOMEM; out is then as it was. */
int template_tag_names(const struct strlist *list, bool account, struct strlist *out,
	struct err *err) MUST_CHECK;

/* What a name and the value of a tag may be made of where they feed a template:
 * [A-Za-z0-9_-], not empty, not NULL. Anything else could change what a subject matches.
 */
bool template_text_is_safe(const char *text);

/* "key", or "key:value", which feeds {{tag(key)}} with value: [a-z0-9_-]+ and
 * [A-Za-z0-9_-]+, at most TEMPLATE_TAG_BYTES_MAX bytes. ERR_INVALID. */
int template_check_tag(const char *tag, struct err *err) MUST_CHECK;

/* Appends what servers since 2.11 make of a list to out, in their order; of a list
 * without templates, its entries. Several values of a tag give a subject each, several
 * tags all combinations; a template that is repeated in an entry has one value at a time.
 * (Servers 2.10 combine those, too, which makes more subjects.) A tag that is not there
 * drops an entry of what is allowed, and is ERR_INVALID in what is denied (`deny`).
 * ERR_INVALID as well: an entry or list that the checks above refuse, a value that is not
 * safe, and more than TEMPLATE_EXPANSIONS_MAX subjects, counted as servers do: a repeated
 * template each time. ERR_NOMEM. On error out is as it was.
 *
 * Where nothing is left of a list of what is allowed, servers deny everything: so must
 * the caller, as an empty list allows everything. */
int template_expand(const struct strlist *list, bool deny,
	const struct template_values *values, struct strlist *out,
	struct err *err) MUST_CHECK;

#endif
