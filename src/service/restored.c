/* SPDX-License-Identifier: Apache-2.0 */
#include "service/restored.h"

#include "model/operator.h"
#include "service/internal.h"
#include "store/budget.h"
#include "store/operator.h"
#include "store/publish.h"
#include "store/restored.h"

#include <stdlib.h>

/* There is always room for one entry, and it refuses at least as much. */
static int
make_room(struct store_tx *tx, const struct store_restored_account *account,
	struct restored *restored, struct err *err)
{
	int64_t bytes = 0;
	struct err full = { 0 };
	if (store_budget_account(store_tx_conn(tx), account->seq, &bytes, err) != 0) {
		return -1;
	}
	if (budget_check(bytes, BUDGET_SUSPENSIONS, &full) == 0) {
		return 0;
	}
	int64_t taken = 0;
	restored->accounts_refused++;
	return store_revocation_adopt(tx, account->seq, NULL, account->at, &taken, err);
}

static int
refuse_suspended(struct store_tx *tx, struct restored *restored, struct err *err)
{
	struct store_restored_account *accounts = NULL;
	size_t len = 0;
	if (store_restored_suspend(tx, &restored->suspended, err) != 0 ||
		store_restored_accounts(store_tx_conn(tx), &accounts, &len, err) != 0) {
		return -1;
	}
	int rc = 0;
	for (size_t i = 0; i < len && rc == 0; i++) {
		rc = make_room(tx, &accounts[i], restored, err);
		if (rc == 0) {
			rc = store_publish_bump(tx, accounts[i].seq, true, err);
		}
	}
	free(accounts);
	return rc;
}

static int
audit(struct store_tx *tx, struct err *err)
{
	static const struct actor system = { .kind = ACTOR_SYSTEM };
	struct operator_row operator= { 0 };
	int rc = store_operator_find(store_tx_conn(tx), &operator, err);
	if (rc <= 0) {
		return rc; /* a database that nothing was written to */
	}
	rc = service_audit(tx, &system, "restored",
		&operator_collection, operator.head.id, NULL, err);
	record_release(&operator_collection, &operator);
	return rc;
}

static int
mark(struct store_tx *tx, void *ctx, struct err *err)
{
	struct restored *restored = ctx;
	if (store_restored_users(tx, &restored->users, err) != 0 ||
		refuse_suspended(tx, restored, err) != 0 ||
		store_restored_links(tx, &restored->links, err) != 0) {
		return -1;
	}
	return restored->users > 0 ? audit(tx, err) : 0;
}

int
service_restored(struct service *service, struct restored *out, struct err *err)
{
	struct restored restored = { 0 };
	if (store_write(service->store, mark, &restored, err) != 0) {
		return -1;
	}
	*out = restored;
	return 0;
}
