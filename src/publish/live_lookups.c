/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/live.h"

#include "base/str.h"
#include "publish/live_question.h"

#include <stdlib.h>

struct lookup {
	size_t none; /* servers that have none */
	bool shown; /* one has: nothing more is asked */
	bool over; /* no further answer comes */
};

struct lookups {
	const struct live_lookups_params *params;
	struct lookup *at; /* for each account, in the slot of the same number */
};

static bool
is_known(const struct lookups *lookups, size_t at)
{
	return lookups->at[at].shown || lookups->at[at].none >= lookups->params->servers;
}

static bool
are_over(const struct live_question *q)
{
	const struct lookups *lookups = q->ctx;
	bool over = true;
	for (size_t i = 0; i < lookups->params->len; i++) {
		over = over && (lookups->at[i].over || is_known(lookups, i));
	}
	return over;
}

/* A raw JWT, or nothing: no server says that it is the one that answers. */
static int
take(struct live_question *q, unsigned slot, struct note *note, struct err *err)
{
	const struct lookups *lookups = q->ctx;
	struct lookup *lookup = &lookups->at[slot];
	(void)err; /* taking cannot fail */
	if (note->bus == BUS_EVENT_EXPIRED || note->no_responders) {
		lookup->over = true;
	} else if (note->len == 0) {
		lookup->none++;
	} else if (!lookup->shown) {
		lookup->shown = true;
		lookups->params->fn(lookups->params->ctx, lookups->params->keys[slot]);
	}
	return 0;
}

static int
send_all(struct live_question *q, struct err *err)
{
	const struct lookups *lookups = q->ctx;
	for (size_t i = 0; i < lookups->params->len; i++) {
		char subject[128];
		str_fmt_cut(subject, sizeof(subject), "$SYS.REQ.ACCOUNT.%s.CLAIMS.LOOKUP",
			lookups->params->keys[i]);
		if (publish_live_send(q, (unsigned)i, subject, "", 0, err) != 0) {
			return -1;
		}
	}
	return 0;
}

static void
close_all(struct live_question *q)
{
	const struct lookups *lookups = q->ctx;
	for (size_t i = 0; i < lookups->params->len; i++) {
		publish_live_cancel(q, (unsigned)i);
	}
	publish_live_close(q);
}

static void
summarize(const struct lookups *lookups, struct live_summary *out)
{
	struct live_summary summary = {
		.servers = lookups->params->servers,
		.answered = lookups->params->servers,
		.complete = true,
	};
	for (size_t i = 0; i < lookups->params->len; i++) {
		if (!is_known(lookups, i)) {
			summary.complete = false;
			if (lookups->at[i].none < summary.answered) {
				summary.answered = lookups->at[i].none;
			}
		}
	}
	*out = summary;
}

static bool
has_any_answered(const struct lookups *lookups)
{
	bool any = false;
	for (size_t i = 0; i < lookups->params->len; i++) {
		any = any || lookups->at[i].shown || lookups->at[i].none > 0;
	}
	return any;
}

static int
ask(struct live *live, struct lookups *lookups, struct err *err)
{
	struct live_question q = {
		.take = take,
		.is_over = are_over,
		.ctx = lookups,
	};
	publish_live_open(&q, live);
	int rc = send_all(&q, err);
	if (rc == 0) {
		rc = publish_live_hear(&q, err);
	}
	close_all(&q);
	if (rc == 0 && !has_any_answered(lookups)) {
		return err_set(err, ERR_UNAVAILABLE, "no NATS server answered a lookup");
	}
	return rc;
}

int
live_lookups(struct live *live, const struct live_lookups_params *params,
	struct live_summary *out, struct err *err)
{
	struct lookups lookups = { .params = params };
	if (params->len > LIVE_LOOKUPS_MAX) {
		return err_set(err, ERR_LIMITED, "more than %d lookups at a time",
			LIVE_LOOKUPS_MAX);
	}
	lookups.at = calloc(params->len + 1, sizeof(*lookups.at));
	if (lookups.at == NULL) {
		return err_nomem(err);
	}
	/* none is asked where none would answer */
	bool any = params->len > 0 && params->servers > 0;
	int rc = any ? ask(live, &lookups, err) : 0;
	if (rc == 0) {
		summarize(&lookups, out);
	}
	free(lookups.at);
	return rc;
}
