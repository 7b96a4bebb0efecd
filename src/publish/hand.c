/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

#include "base/log.h"
#include "service/judge.h"

#include <stdlib.h>

void
publish_on_unheard(struct publisher *p)
{
	log_warn("messages of NATS came faster than natsid takes them, and some were "
		 "dropped: all accounts are looked at",
		LOG_INT("accounts", p->pass.accounts));
	publish_want_look_all(p);
}

void
publish_on_other_hand(struct publisher *p, const struct note *note)
{
	struct err err = { 0 };
	int64_t account = 0;
	if (service_judge_account(
		    p->params.service, note->data, note->len, &account, &err) != 0) {
		log_err("cannot tell which account another hand pushed: all accounts are "
			"looked at",
			&err, LOG_INT("bytes", (int64_t)note->len));
		publish_want_look_all(p);
	} else if (account != 0) {
		publish_want_look(p, account);
	} else {
		publish_list_soon(p);
	}
}

/* Servers may remove them later than they are looked at, as with a push. */
void
publish_on_removal(struct publisher *p, const struct note *note)
{
	struct err err = { 0 };
	int64_t *accounts = NULL;
	size_t len = 0;
	if (service_judge_removal(p->params.service, note->data, note->len, &accounts,
		    &len, &err) != 0) {
		log_warn("cannot tell which accounts another hand removes: all accounts "
			 "are looked at",
			LOG_STR("error", err.msg), LOG_INT("bytes", (int64_t)note->len));
		publish_want_look_all(p);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		publish_want_look(p, accounts[i]);
	}
	free(accounts);
}
