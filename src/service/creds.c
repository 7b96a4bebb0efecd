/* SPDX-License-Identifier: Apache-2.0 */
#include "service/creds.h"

#include "base/str.h"
#include "mint/user.h"
#include "model/limits.h"
#include "service/internal.h"
#include "service/user_work.h"
#include "store/record.h"
#include "store/user.h"

enum { CREDS_MAX = LIMIT_USER_JWT_BYTES + 1024, RACES_MAX = 5 };

void
user_creds_release(struct user_creds *creds)
{
	buf_release(&creds->jwt);
	buf_release(&creds->creds);
}

/* Of one look at the database; role and account are those of a user with overrides. */
struct issue {
	const char *id;
	struct store_user_issue row;
	struct role role;
	struct account account;
	/* A renewal: a JWT that has an end is made anew before it comes, once a second at
	 * most, so that iat does not run ahead; asked for while this was the row's iat.
	 */
	bool renewal;
	int64_t asked_iat;
};

static void
issue_release(struct issue *issue)
{
	record_release(&user_collection, &issue->row.user);
	record_release(&role_collection, &issue->role);
	record_release(&account_collection, &issue->account);
}

static int
read_issue(struct store_conn *conn, void *ctx, struct err *err)
{
	struct issue *issue = ctx;
	const struct user *user = &issue->row.user;
	if (store_user_issue(conn, issue->id, &issue->row, err) != 0) {
		return -1;
	}
	if (!user->overrides) {
		return 0;
	}
	if (store_record_get(conn, &role_collection, user->role_id, &issue->role, err) !=
		0) {
		return -1;
	}
	return store_record_get_seq(
		conn, &account_collection, issue->row.account_seq, &issue->account, err);
}

static int
mark_issued(struct store_tx *tx, void *ctx, struct err *err)
{
	return store_user_mark_issued(tx, ctx, err);
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
	/* What is refused here is dated before what a user gets anew: it was taken over
	 * from a server, and a renewal would go behind it. */
	if (row->refused_at >= user_iat(&row->user, row->all_at)) {
		return err_set(err, ERR_CONFLICT,
			"A JWT that was adopted from a server revokes the user: "
			"regenerate gives it creds that work.");
	}
	return 0;
}

/* A JWT that has ended is made anew, unless its end was set for good. */
static int
renew(struct service *service, struct store_user_issue *row, bool fresh, struct err *err)
{
	struct user *user = &row->user;
	int64_t now = clock_wall_s(service->clock);
	int64_t lifetime = user_lifetime(service, row->role_lifetime);
	bool early = fresh && user->jwt_expires_at == 0 && user->iat < now;
	if (user->exp == 0 || (user->exp > now && !early)) {
		return 0;
	}
	if (user->jwt_expires_at != 0 && user->jwt_expires_at / 1000 <= now) {
		char date[CLOCK_TEXT_MAX];
		clock_format(user->jwt_expires_at, date);
		return err_set(err, ERR_CONFLICT,
			"The user expired at %s; set jwt_expires_at to let it in again.",
			date);
	}
	user->iat = now > user->iat ? now : user->iat + 1;
	user->exp = user_exp(user, user->iat, lifetime);
	return 0;
}

/* What the row does not say yet of the JWT that is about to leave. */
static bool
is_noted(const struct store_user_issue *row, int64_t exp_before)
{
	const struct user *user = &row->user;
	return user->issued_at != 0 && user->exp == exp_before &&
		user->issued_until >= user_until(user->exp) &&
		user->issued_set >= row->key_set;
}

/* One try: ERR_STALE when somebody else was faster. */
static int
read_and_note_once(struct service *service, const struct actor *actor,
	struct issue *issue, struct err *err)
{
	struct user *user = &issue->row.user;
	if (service_read(service, read_issue, issue, err) != 0 ||
		authorise(actor, VERB_DOWNLOAD, &user_collection, user, err) != 0 ||
		check_in_force(&issue->row, err) != 0) {
		return -1;
	}
	int64_t stored_iat = user->iat;
	if (issue->renewal && stored_iat != issue->asked_iat) {
		return err_set(err, ERR_UNAUTHENTICATED,
			"The JWT was renewed meanwhile: ask for another nonce.");
	}
	int64_t stored_exp = user->exp;
	user->iat = user_iat(user, issue->row.all_at);
	if (renew(service, &issue->row, issue->renewal, err) != 0) {
		return -1;
	}
	if (is_noted(&issue->row, stored_exp)) {
		return 0;
	}
	struct store_user_mark mark = {
		.head = &user->head,
		/* That all were revoked is forgotten with the keys of then; what is
		 * revoked later must still reach this JWT. */
		.iat = user->iat,
		.exp = user->exp,
		.key_set = issue->row.key_set,
	};
	return store_write(service->store, mark_issued, &mark, err);
}

/* Reads the user and notes that a JWT leaves; what it returns is what the note was made
 * for. */
static int
read_and_note(struct service *service, const struct actor *actor, struct issue *issue,
	struct err *err)
{
	for (int race = 0; race < RACES_MAX; race++) {
		err_clear(err);
		int rc = read_and_note_once(service, actor, issue, err);
		if (rc == 0 || err->code != ERR_STALE) {
			return rc;
		}
		issue_release(issue);
	}
	return err_set(err, ERR_CONFLICT, "Others keep changing this user. Try again.");
}

static int
render(struct service *service, const struct issue *issue, struct user_creds *out,
	struct err *err)
{
	const struct store_user_issue *row = &issue->row;
	struct vault_seed issuer = sealed_seed(&row->signing_seed);
	struct vault_seed user_seed = sealed_seed(&row->user_seed);
	struct mint_user mint = {
		.user = &row->user,
		.account_key = row->account_key,
		.issuer = &issuer,
		.role = row->user.overrides ? &issue->role : NULL,
		.account = &issue->account,
	};
	if (mint_user(service->vault, &mint, &out->jwt, err) != 0) {
		return -1;
	}
	if (out->jwt.len > LIMIT_USER_JWT_BYTES) {
		return user_jwt_too_large(ERR_TOO_LARGE, out->jwt.len, err);
	}
	if (mint_creds(service->vault, &out->jwt, row->has_user_seed ? &user_seed : NULL,
		    &out->creds, err) != 0) {
		return -1;
	}
	str_fmt_cut(out->name, sizeof(out->name), "%s", row->user.nats_username);
	out->exp = row->user.exp;
	return 0;
}

static int
issue_creds(struct service *service, const struct actor *actor, struct issue *issue,
	struct user_creds *out, struct err *err)
{
	buf_init_secret(&out->jwt, CREDS_MAX);
	buf_init_secret(&out->creds, CREDS_MAX);
	out->name[0] = '\0';

	int rc = authorise(actor, VERB_DOWNLOAD, &user_collection, NULL, err);
	if (rc == 0) {
		rc = read_and_note(service, actor, issue, err);
	}
	if (rc == 0) {
		rc = render(service, issue, out, err);
	}
	issue_release(issue);
	if (rc != 0) {
		user_creds_release(out);
	}
	return rc;
}

int
service_user_creds(struct service *service, const struct actor *actor, const char *id,
	struct user_creds *out, struct err *err)
{
	struct issue issue = { .id = id };
	return issue_creds(service, actor, &issue, out, err);
}

int
service_user_renew(struct service *service, const char *id, int64_t asked_iat,
	struct user_creds *out, struct err *err)
{
	static const struct actor system = { .kind = ACTOR_SYSTEM };
	struct issue issue = { .id = id, .renewal = true, .asked_iat = asked_iat };
	return issue_creds(service, &system, &issue, out, err);
}
