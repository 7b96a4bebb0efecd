/* SPDX-License-Identifier: Apache-2.0 */
#include "service/internal.h"

#include "base/buf.h"
#include "base/str.h"
#include "model/limits.h"
#include "model/subject.h"
#include "store/budget.h"
#include "store/publish.h"
#include "store/record.h"
#include "store/role.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What a scope says of the row. max_data is not in it: no server enforces it, and writing
 * it would cut every client of the role. */
static const char *const minted[] = { "publish_permissions", "subscribe_permissions",
	"publish_deny_permissions", "subscribe_deny_permissions", "allow_response",
	"allow_response_max", "allow_response_ttl", "max_subscriptions", "max_payload",
	NULL };

/* What the lists of the role take as JSON. */
static int
list_bytes(const struct role *role, int64_t *out_bytes, struct err *err)
{
	struct buf json;
	struct emit emit;
	buf_init(&json, SIZE_MAX / 2);
	emit_init(&emit, &json);
	strlist_emit(&role->publish_permissions, &emit);
	strlist_emit(&role->subscribe_permissions, &emit);
	strlist_emit(&role->publish_deny_permissions, &emit);
	strlist_emit(&role->subscribe_deny_permissions, &emit);
	int rc = buf_finish(&json, err);
	*out_bytes = (int64_t)json.len;
	buf_release(&json);
	return rc;
}

static int
read_largest_account(struct store_conn *conn, void *ctx, struct err *err)
{
	struct work *work = ctx;
	return store_budget_role_accounts(
		conn, work->before.head.seq, &work->account_bytes, err);
}

/* A role that grows makes every account that uses it grow. A role that is new has none:
 * its keys are made with the first user of each account. */
static int
prepare(struct work *work, struct err *err)
{
	int64_t before = 0;
	int64_t after = 0;
	if (work->is_create || !work_changes_any(work, minted)) {
		return 0;
	}
	if (list_bytes(&work->before.role, &before, err) != 0 ||
		list_bytes(&work->after.role, &after, err) != 0) {
		return -1;
	}
	if (after <= before) {
		return 0;
	}
	if (service_read(work->service, read_largest_account, work, err) != 0) {
		return -1;
	}
	/* base64 makes four bytes of three */
	return budget_check(
		work->account_bytes + 4 * (after - before) / 3, BUDGET_ROLES, err);
}

/* What the entry speaks of is spoken of by the list. A subject alone covers its queues; a
 * queue covers only itself. */
static bool
is_covered(const char *entry, const struct strlist *list)
{
	char subject[LIMIT_SUBJECT_BYTES + 1];
	str_fmt_cut(subject, sizeof(subject), "%.*s", (int)strcspn(entry, " "), entry);
	for (size_t i = 0; i < list->len; i++) {
		const char *other = list->items[i];
		if (str_equal(entry, other) ||
			(strchr(other, ' ') == NULL &&
				subject_contains(other, subject))) {
			return true;
		}
	}
	return false;
}

static bool
all_covered(const struct strlist *entries, const struct strlist *list)
{
	for (size_t i = 0; i < entries->len; i++) {
		if (!is_covered(entries->items[i], list)) {
			return false;
		}
	}
	return true;
}

/* -1 is no limit. */
static bool
is_lower(int64_t after, int64_t before)
{
	return after >= 0 && (before < 0 || after < before);
}

/* Does the change take something away? What it takes must be gone at once; what it gives
 * may wait for the changes that come with it. */
static bool
narrows(const struct role *before, const struct role *after)
{
	return !all_covered(&before->publish_permissions, &after->publish_permissions) ||
		!all_covered(
			&before->subscribe_permissions, &after->subscribe_permissions) ||
		!all_covered(&after->publish_deny_permissions,
			&before->publish_deny_permissions) ||
		!all_covered(&after->subscribe_deny_permissions,
			&before->subscribe_deny_permissions) ||
		is_lower(after->max_subscriptions, before->max_subscriptions) ||
		is_lower(after->max_payload, before->max_payload) ||
		(before->allow_response &&
			(!after->allow_response ||
				is_lower(after->allow_response_max,
					before->allow_response_max) ||
				after->allow_response_ttl != before->allow_response_ttl));
}

static int
write_role(struct store_tx *tx, struct work *work, struct err *err)
{
	if (work->is_create || !work_changes_any(work, minted)) {
		return 0;
	}
	return store_publish_bump_role(tx, work->after.head.seq,
		narrows(&work->before.role, &work->after.role), err);
}

static int
destroy_keys(struct store_tx *tx, int64_t role, struct err *err)
{
	struct store_signing_key *keys = NULL;
	size_t len = 0;
	if (store_signing_key_list_role(store_tx_conn(tx), role, &keys, &len, err) != 0) {
		return -1;
	}
	int rc = destroy_signing_keys(tx, keys, len, err);
	free(keys);
	return rc;
}

static int
remove_role(struct store_tx *tx, struct work *work, struct err *err)
{
	enum { COUNT_MOST = 1000000 };
	int64_t users = 0;
	const struct record_head *role = &work->before.head;
	if (store_role_user_count(
		    store_tx_conn(tx), role->seq, COUNT_MOST, &users, err) != 0) {
		return -1;
	}
	if (users > 0) {
		return err_set(err, ERR_CONFLICT,
			"The role still has %" PRId64
			" user%s. Give %s another one first.",
			users, users == 1 ? "" : "s", users == 1 ? "it" : "them");
	}
	/* The accounts lose a key: urgent. The bump finds them by the keys, so it comes
	 * first. */
	if (store_publish_bump_role(tx, role->seq, true, err) != 0 ||
		destroy_keys(tx, role->seq, err) != 0) {
		return -1;
	}
	return store_record_delete(tx, work->collection, role, err);
}

const struct record_ops role_ops = {
	.prepare = prepare,
	.write = write_role,
	.remove = remove_role,
};
