/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

#include "base/log.h"
#include "service/judge.h"

void
publish_on_other_hand(struct publisher *p, const struct note *note)
{
	struct err err = { 0 };
	int64_t account = 0;
	if (service_judge_account(
		    p->params.service, note->data, note->len, &account, &err) != 0) {
		log_err("cannot read of which account a pushed JWT is", &err,
			LOG_INT("bytes", (int64_t)note->len));
		publish_restart_sweep(p, false);
	} else if (account != 0) {
		publish_want_look(p, account);
	} else {
		publish_list_soon(p);
	}
}
