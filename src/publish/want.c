/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

static void
debounce(struct publisher *p, struct job *job)
{
	int64_t now = publish_now_ms(p);
	if (job->first == 0) {
		job->first = now;
	}
	jobs_delay(&p->jobs, job,
		publish_earlier_of(now + p->params.debounce_quiet_ms,
			job->first + p->params.debounce_max_ms));
}

void
publish_restart_sweep(struct publisher *p)
{
	p->sweep = SWEEP_OPEN;
	p->sweep_after = 0;
}

void
publish_want(struct publisher *p, int64_t account, bool urgent)
{
	struct job *job = jobs_find(&p->jobs, account);
	if (job == NULL) {
		job = jobs_add(&p->jobs, account, urgent);
		if (job == NULL) {
			/* out of memory: the database remembers */
			publish_restart_sweep(p);
			return;
		}
		if (!urgent) {
			debounce(p, job);
		}
		return;
	}
	switch (job->phase) {
	case JOB_PUSHING:
	case JOB_LOOKING:
		job->again = true;
		job->again_urgent = job->again_urgent || urgent;
		return;
	case JOB_READY:
	case JOB_DELAYED:
		break;
	}
	job->failures = 0;
	if (urgent) {
		jobs_make_ready(&p->jobs, job, true);
	} else if (job->phase == JOB_DELAYED) {
		debounce(p, job);
	}
}

void
publish_round_again(struct publisher *p, struct job *job)
{
	bool urgent = job->again_urgent;
	job->again = false;
	job->again_urgent = false;
	job->failures = 0;
	job->first = 0;
	if (urgent) {
		jobs_make_ready(&p->jobs, job, true);
	} else {
		debounce(p, job);
	}
}

void
publish_finish_job(struct publisher *p, struct job *job)
{
	bool again = job->again;
	bool urgent = job->again_urgent;
	int64_t account = job->account;
	jobs_remove(&p->jobs, job);
	if (again) {
		publish_want(p, account, urgent);
	}
}
