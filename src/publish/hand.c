/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

#include "base/log.h"
#include "service/judge.h"

#include <stdlib.h>

void
publish_on_unheard(struct publisher *p)
{
	struct job *next = NULL;
	log_warn("others push faster than natsid can look: all accounts are looked at",
		LOG_INT("bytes_at_once", INBOX_HEARD_MAX));
	/* What these have seen, or pushed, may be older than that. */
	for (struct job *job = TAILQ_FIRST(&p->jobs.active); job != NULL; job = next) {
		next = TAILQ_NEXT(job, link);
		publish_want_look(p, job->account);
	}
	seq_set_clear(&p->seen);
	seq_set_clear(&p->looked);
	publish_drop_proofs(p, false);
	p->roster_at = 0;
	publish_restart_sweep(p, true);
}

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

/* Servers may remove them later than they are looked at, as with a push. */
void
publish_on_removal(struct publisher *p, const struct note *note)
{
	struct err err = { 0 };
	int64_t *accounts = NULL;
	size_t len = 0;
	if (service_judge_removal(p->params.service, note->data, note->len, &accounts,
		    &len, &err) != 0) {
		log_warn("another hand's request to remove accounts cannot be read: all "
			 "accounts are looked at",
			LOG_STR("error", err.msg), LOG_INT("bytes", (int64_t)note->len));
		publish_restart_sweep(p, true);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		publish_want_look(p, accounts[i]);
	}
	free(accounts);
}
