/* SPDX-License-Identifier: Apache-2.0 */
#include "support/temp_mint.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct minting
temp_mint(struct temp_service *t, int64_t account, bool urgent)
{
	struct err err = { 0 };
	struct minting out = { 0 };
	if (service_mint_account(t->service, account, urgent, &out, &err) != 0) {
		fail_msg("%s (%s)", err.msg, err.detail);
	}
	return out;
}

int64_t
temp_minted_iat(struct temp_service *t, int64_t account)
{
	struct jwt_claims claims = temp_account_claims(t, account);
	int64_t iat = claims.iat;
	jwt_claims_release(&claims);
	return iat;
}

int64_t
temp_publish_value(const struct temp_service *t, const char *column, int64_t account)
{
	char sql[128];
	str_fmt_cut(sql, sizeof(sql), "SELECT %s FROM account_publish WHERE account = %d",
		column, (int)account);
	return temp_ask(t, sql, NULL);
}

struct found {
	int64_t account;
	struct store_quarantine quarantine;
};

static int
put_found(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct found *found = ctx;
	return store_quarantine_put(tx, found->account, &found->quarantine, err);
}

void
temp_quarantine(struct temp_service *t, int64_t account,
	enum store_quarantine_cause cause, const char *server)
{
	struct err err = { 0 };
	char jwt[] = "eyJ";
	struct found found = { .account = account,
		.quarantine = { .cause = cause, .jwt = jwt } };
	str_fmt_cut(
		found.quarantine.server, sizeof(found.quarantine.server), "%s", server);
	assert_int_equal(store_write(t->temp.store, put_found, &found, &err), 0);
}

void
temp_set_connections(struct temp_service *t, const char *account, int64_t n)
{
	struct account row = { .max_connections = n };
	temp_change_ok(t, &account_collection, account, &row, "max_connections");
}

void
temp_set_active(struct temp_service *t, const char *account, bool active)
{
	struct account row = { .active = active };
	temp_change_ok(t, &account_collection, account, &row, "active");
}
