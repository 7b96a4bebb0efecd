/* SPDX-License-Identifier: Apache-2.0 */
#include "service/creds.h"

#include "base/str.h"
#include "mint/user.h"
#include "model/limits.h"
#include "service/internal.h"
#include "store/user.h"

enum { CREDS_MAX = LIMIT_USER_JWT_BYTES + 1024, RACES_MAX = 5 };

void
user_creds_release(struct user_creds *creds)
{
	buf_release(&creds->jwt);
	buf_release(&creds->creds);
}

struct issue {
	const char *id;
	struct store_user_issue row;
};

static int
read_issue(struct store_conn *conn, void *ctx, struct err *err)
{
	struct issue *issue = ctx;
	return store_user_issue(conn, issue->id, &issue->row, err);
}

static int
mark_issued(struct store_tx *tx, void *ctx, struct err *err)
{
	struct issue *issue = ctx;
	return store_user_mark_issued(tx, &issue->row.user.head, err);
}

static int
check_in_force(const struct store_user_issue *row, struct err *err)
{
	if (!row->user.active) {
		return err_set(err, ERR_CONFLICT,
			"The user is suspended: activate it to get its creds.");
	}
	if (!row->account_active) {
		return err_set(err, ERR_CONFLICT,
			"The account of the user is suspended: activate it to get "
			"creds.");
	}
	return 0;
}

/* Reads the user and notes that a JWT leaves; what it returns is what the note was made
 * for. */
static int
read_and_note(struct service *service, const struct actor *actor, struct issue *issue,
	struct err *err)
{
	for (int race = 0; race < RACES_MAX; race++) {
		err_clear(err);
		if (service_read(service, read_issue, issue, err) != 0 ||
			authorise(actor, VERB_DOWNLOAD, &user_collection,
				&issue->row.user, err) != 0 ||
			check_in_force(&issue->row, err) != 0) {
			return -1;
		}
		if (issue->row.user.issued_at != 0) {
			return 0;
		}
		int rc = store_write(service->store, mark_issued, issue, err);
		if (rc == 0 || err->code != ERR_STALE) {
			return rc;
		}
		record_release(&user_collection, &issue->row.user);
	}
	return err_set(err, ERR_CONFLICT, "Others keep changing this user. Try again.");
}

static int
render(struct service *service, const struct store_user_issue *row,
	struct user_creds *out, struct err *err)
{
	struct vault_seed issuer = sealed_seed(&row->signing_seed);
	struct vault_seed user_seed = sealed_seed(&row->user_seed);
	struct mint_user mint = {
		.user = &row->user,
		.account_key = row->account_key,
		.issuer = &issuer,
	};
	if (mint_user(service->vault, &mint, &out->jwt, err) != 0) {
		return -1;
	}
	if (out->jwt.len > LIMIT_USER_JWT_BYTES) {
		return err_set(err, ERR_TOO_LARGE,
			"the JWT of the user has %zu bytes, more than the %d that fit a "
			"CONNECT",
			out->jwt.len, LIMIT_USER_JWT_BYTES);
	}
	if (mint_creds(service->vault, &out->jwt, &user_seed, &out->creds, err) != 0) {
		return -1;
	}
	str_fmt_cut(out->name, sizeof(out->name), "%s", row->user.nats_username);
	return 0;
}

int
service_user_creds(struct service *service, const struct actor *actor, const char *id,
	struct user_creds *out, struct err *err)
{
	struct issue issue = { .id = id };
	buf_init_secret(&out->jwt, CREDS_MAX);
	buf_init_secret(&out->creds, CREDS_MAX);
	out->name[0] = '\0';

	int rc = authorise(actor, VERB_DOWNLOAD, &user_collection, NULL, err);
	if (rc == 0) {
		rc = read_and_note(service, actor, &issue, err);
	}
	if (rc == 0) {
		rc = render(service, &issue.row, out, err);
	}
	record_release(&user_collection, &issue.row.user);
	if (rc != 0) {
		user_creds_release(out);
	}
	return rc;
}
