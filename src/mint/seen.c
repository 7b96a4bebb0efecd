/* SPDX-License-Identifier: Apache-2.0 */
#include "mint/seen.h"

#include "base/str.h"
#include "jwt/decode.h"
#include "jwt/encode.h"

#include <stdlib.h>
#include <string.h>

enum {
	PART_MAX = 2 * 1024 * 1024,
	LINE_SIZE = 512,
	KEYS_SHOWN = 3 /* of each list; the others are counted */
};

/* ---- reading ---- */

/* All users are refused that got their JWT before it. */
static bool
refuses_all(const struct jwt_claims *claims)
{
	const struct jwt_account *account = &claims->as.account;
	for (size_t i = 0; i < account->revocations_len; i++) {
		if (str_equal(account->revocations[i].key, "*")) {
			return account->revocations[i].at >= claims->iat;
		}
	}
	return false;
}

/* As mint_account_begin makes it. */
static bool
is_tombstone(const struct jwt_claims *claims)
{
	const struct jwt_account *account = &claims->as.account;
	return account->limits.conn == 0 && account->limits.leaf == 0 &&
		account->signing_keys_len == 0 && refuses_all(claims);
}

int
mint_seen_read(const char *jwt, struct mint_account *out, struct err *err)
{
	*out = (struct mint_account){ 0 };
	if (jwt_decode(jwt, strlen(jwt), &out->claims, err) != 0) {
		return -1;
	}
	if (out->claims.type != JWT_ACCOUNT) {
		return err_set(err, ERR_INVALID, "it is no account's JWT");
	}
	out->tombstone = is_tombstone(&out->claims);
	return 0;
}

/* ---- comparing ---- */

/* Keys that one side has and the other has not, as far as they are shown. */
struct lacking {
	size_t count;
	char shown[KEYS_SHOWN * NKEY_TEXT_SIZE + 16];
};

static void
note_lacking(struct lacking *lacking, const char *key)
{
	char longer[sizeof(lacking->shown)];
	if (lacking->count++ < KEYS_SHOWN) {
		str_fmt_cut(longer, sizeof(longer), "%s%s%.*s", lacking->shown,
			lacking->count > 1 ? ", " : "", NKEY_TEXT_SIZE - 1, key);
		str_fmt_cut(lacking->shown, sizeof(lacking->shown), "%s", longer);
	}
}

/* What a difference is called on each side, and what comes of it when ours goes out. */
struct difference {
	const char *there;
	const char *there_then;
	const char *here;
	const char *here_then;
};

static int
say_lacking(const struct difference *say, const struct lacking *there,
	const struct lacking *here, struct strlist *out, struct err *err)
{
	char line[LINE_SIZE];
	const struct {
		const struct lacking *lacking;
		const char *what;
		const char *then;
	} sides[] = { { there, say->there, say->there_then },
		{ here, say->here, say->here_then } };
	for (size_t i = 0; i < 2; i++) {
		const struct lacking *lacking = sides[i].lacking;
		if (lacking->count == 0) {
			continue;
		}
		str_fmt_cut(line, sizeof(line), "%s: %zu (%s%s)%s", sides[i].what,
			lacking->count, lacking->shown,
			lacking->count > KEYS_SHOWN ? ", ..." : "", sides[i].then);
		if (strlist_add(out, line, err) != 0) {
			return -1;
		}
	}
	return 0;
}

/* By key, so that two lists of thousands are compared in one walk. */
static int
by_key(const void *a, const void *b)
{
	const struct jwt_revocation *const *left = a;
	const struct jwt_revocation *const *right = b;
	return strcmp((*left)->key, (*right)->key);
}

static const struct jwt_revocation **
sorted(const struct jwt_account *account, struct err *err)
{
	size_t len = account->revocations_len;
	const struct jwt_revocation **list = calloc(len + 1, sizeof(const void *));
	if (list == NULL) {
		err_nomem(err);
		return NULL;
	}
	for (size_t i = 0; i < len; i++) {
		list[i] = &account->revocations[i];
	}
	qsort(list, len, sizeof(const void *), by_key);
	return list;
}

/* What one refuses and the other does not, or less of it. */
static void
walk(const struct jwt_revocation **there, const struct jwt_revocation **here,
	struct lacking *only_there, struct lacking *only_here)
{
	while (*there != NULL || *here != NULL) {
		int order = *there == NULL ? 1
			: *here == NULL    ? -1
					   : strcmp((*there)->key, (*here)->key);
		if (order < 0 || (order == 0 && (*there)->at > (*here)->at)) {
			note_lacking(only_there, (*there)->key);
		} else if (order > 0 || (*there)->at < (*here)->at) {
			note_lacking(only_here, (*here)->key);
		}
		there += order <= 0 ? 1 : 0;
		here += order >= 0 ? 1 : 0;
	}
}

static int
compare_revocations(const struct jwt_account *seen, const struct jwt_account *ours,
	struct strlist *out, struct err *err)
{
	static const struct difference say = { "revocations only on the server", "",
		"revocations only here", "" };
	struct lacking there = { 0 };
	struct lacking here = { 0 };
	int rc = -1;
	const struct jwt_revocation **seen_list = sorted(seen, err);
	const struct jwt_revocation **our_list =
		seen_list != NULL ? sorted(ours, err) : NULL;
	if (our_list != NULL) {
		walk(seen_list, our_list, &there, &here);
		rc = say_lacking(&say, &there, &here, out, err);
	}
	free(our_list);
	free(seen_list);
	return rc;
}

static bool
has_key(const struct jwt_account *account, const char *key)
{
	for (size_t i = 0; i < account->signing_keys_len; i++) {
		if (str_equal(account->signing_keys[i].key, key)) {
			return true;
		}
	}
	return false;
}

bool
mint_seen_lists_key(const struct mint_account *seen, const struct nkey_public *key)
{
	char text[NKEY_TEXT_SIZE];
	nkey_text_encode(NKEY_ACCOUNT, key, text);
	return has_key(&seen->claims.as.account, text);
}

static void
find_keys(const struct jwt_account *account, const struct jwt_account *other,
	struct lacking *out)
{
	for (size_t i = 0; i < account->signing_keys_len; i++) {
		if (!has_key(other, account->signing_keys[i].key)) {
			note_lacking(out, account->signing_keys[i].key);
		}
	}
}

static int
compare_keys(const struct jwt_account *seen, const struct jwt_account *ours,
	struct strlist *out, struct err *err)
{
	static const struct difference say = { "signing keys only on the server",
		": what they signed will be refused", "signing keys only here",
		": what they signed is refused now" };
	struct lacking there = { 0 };
	struct lacking here = { 0 };
	find_keys(seen, ours, &there);
	find_keys(ours, seen, &here);
	return say_lacking(&say, &there, &here, out, err);
}

size_t
mint_seen_keys_only_here(const struct mint_account *seen, const struct mint_account *ours)
{
	struct lacking here = { 0 };
	if (!seen->tombstone && !ours->tombstone) {
		find_keys(&ours->claims.as.account, &seen->claims.as.account, &here);
	}
	return here.count;
}

/* The parts of an account that are compared as a whole: into a copy that says nothing
 * else, and borrows. */
static void
take_limits(const struct jwt_account *from, struct jwt_account *to)
{
	to->limits = from->limits;
}

static void
take_permissions(const struct jwt_account *from, struct jwt_account *to)
{
	to->default_permissions = from->default_permissions;
}

static void
take_exports(const struct jwt_account *from, struct jwt_account *to)
{
	to->exports = from->exports;
	to->exports_len = from->exports_len;
}

static void
take_mappings(const struct jwt_account *from, struct jwt_account *to)
{
	to->mappings = from->mappings;
	to->mappings_len = from->mappings_len;
}

static void
take_scopes(const struct jwt_account *from, struct jwt_account *to)
{
	to->signing_keys = from->signing_keys;
	to->signing_keys_len = from->signing_keys_len;
}

static void
take_rest(const struct jwt_account *from, struct jwt_account *to)
{
	to->authorization = from->authorization;
	to->has_trace = from->has_trace;
	to->trace_dest = from->trace_dest;
	to->trace_sampling = from->trace_sampling;
	to->cluster_traffic = from->cluster_traffic;
	to->description = from->description;
	to->info_url = from->info_url;
}

static int
encode_part(const struct jwt_account *account,
	void (*take)(const struct jwt_account *from, struct jwt_account *to),
	struct buf *out, struct err *err)
{
	struct jwt_claims part = { .type = JWT_ACCOUNT };
	take(account, &part.as.account);
	if (jwt_encode_body(&part, out, err) != 0) {
		return -1;
	}
	return buf_finish(out, err);
}

static int
same_part(const struct jwt_account *seen, const struct jwt_account *ours,
	void (*take)(const struct jwt_account *from, struct jwt_account *to),
	bool *out_same, struct err *err)
{
	struct buf a;
	struct buf b;
	buf_init(&a, PART_MAX);
	buf_init(&b, PART_MAX);
	int rc = encode_part(seen, take, &a, err);
	if (rc == 0) {
		rc = encode_part(ours, take, &b, err);
	}
	if (rc == 0) {
		*out_same = str_equal(a.data, b.data);
	}
	buf_release(&a);
	buf_release(&b);
	return rc;
}

/* Activations are signed anew each time: they say nothing of what is different. */
static bool
same_imports(const struct jwt_account *seen, const struct jwt_account *ours)
{
	bool same = seen->imports_len == ours->imports_len;
	for (size_t i = 0; same && i < seen->imports_len; i++) {
		const struct jwt_import *one = &seen->imports[i];
		bool found = false;
		for (size_t k = 0; !found && k < ours->imports_len; k++) {
			const struct jwt_import *other = &ours->imports[k];
			found = one->type == other->type && one->share == other->share &&
				str_equal(one->subject != NULL ? one->subject : "",
					other->subject != NULL ? other->subject : "") &&
				str_equal(one->account != NULL ? one->account : "",
					other->account != NULL ? other->account : "") &&
				str_equal(one->local_subject != NULL ? one->local_subject
								     : "",
					other->local_subject != NULL
						? other->local_subject
						: "");
		}
		same = found;
	}
	return same;
}

static int
compare_parts(const struct jwt_account *seen, const struct jwt_account *ours,
	struct strlist *out, struct err *err)
{
	static const struct {
		const char *name;
		void (*take)(const struct jwt_account *from, struct jwt_account *to);
	} parts[] = {
		{ "limits", take_limits },
		{ "default permissions", take_permissions },
		{ "exports", take_exports },
		{ "mappings", take_mappings },
		{ "scopes of roles", take_scopes },
		{ "description and other terms", take_rest },
	};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		char line[LINE_SIZE];
		bool same = true;
		if (same_part(seen, ours, parts[i].take, &same, err) != 0) {
			return -1;
		}
		str_fmt_cut(line, sizeof(line), "different: %s", parts[i].name);
		if (!same && strlist_add(out, line, err) != 0) {
			return -1;
		}
	}
	return same_imports(seen, ours) ? 0 : strlist_add(out, "different: imports", err);
}

static int
compare_names(const struct mint_account *seen, const struct mint_account *ours,
	struct strlist *out, struct err *err)
{
	char line[LINE_SIZE];
	const char *there = seen->claims.name != NULL ? seen->claims.name : "";
	const char *here = ours->claims.name != NULL ? ours->claims.name : "";
	if (str_equal(there, here)) {
		return 0;
	}
	str_fmt_cut(line, sizeof(line), "name: \"%.100s\" on the server, \"%.100s\" here",
		there, here);
	return strlist_add(out, line, err);
}

int
mint_seen_compare(const struct mint_account *seen, const struct mint_account *ours,
	struct strlist *out, struct err *err)
{
	const struct jwt_account *there = &seen->claims.as.account;
	const struct jwt_account *here = &ours->claims.as.account;
	if (compare_names(seen, ours, out, err) != 0) {
		return -1;
	}
	if (seen->tombstone && ours->tombstone) {
		return 0;
	}
	if (seen->tombstone) {
		return strlist_add(out,
			"the server's JWT lets nobody in: the account was suspended or "
			"deleted",
			err);
	}
	if (ours->tombstone) {
		return strlist_add(out,
			"ours lets nobody in: the account is suspended or deleted here",
			err);
	}
	if (compare_revocations(there, here, out, err) != 0 ||
		compare_keys(there, here, out, err) != 0) {
		return -1;
	}
	return compare_parts(there, here, out, err);
}
