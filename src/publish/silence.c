/* SPDX-License-Identifier: Apache-2.0 */
#include "publish/state.h"

#include "base/log.h"
#include "base/str.h"
#include "publish/ack.h"

#include <string.h>

enum {
	SILENCE_MS = 10 * 1000, /* that passes for slowness */
	ASK_PAUSE_MAX_MS = 3600 * 1000,
	KIND_WAIT_MS = 2000
};

/* No JWT: no server stores anything, and each says in the words of its resolver that it
 * does not. */
static const char question[] = "natsid asks for the type of the resolver";

void
publish_on_silence(struct publisher *p, const char *who)
{
	struct silence *silence = &p->silence;
	str_fmt_cut(silence->who, sizeof(silence->who), "%s", who);
	if (silence->since == 0) {
		silence->since = publish_now_ms(p);
		silence->ask_pause = SILENCE_MS;
		silence->ask_at = silence->since + SILENCE_MS;
	}
}

void
publish_forget_silence(struct publisher *p)
{
	p->silence.since = 0;
	p->silence.request = 0;
}

void
publish_on_shown(struct publisher *p)
{
	publish_forget_silence(p);
	if (p->silence.told) {
		p->silence.told = false;
		log_info("all servers that have to show what they hold again",
			LOG_STR("silent_before", p->silence.who));
	}
}

static void
ask_kind(struct publisher *p)
{
	struct err err = { 0 };
	p->silence.request = p->next_request++;
	if (publish_request(p, p->silence.request, "$SYS.REQ.CLAIMS.UPDATE", question,
		    strlen(question), KIND_WAIT_MS, &err) != 0 &&
		err.code != ERR_STALE) {
		log_warn("cannot ask what resolver a server has",
			LOG_STR("error", err.msg));
	}
}

int64_t
publish_silence_due(const struct publisher *p)
{
	bool asks = !p->silence.told || publish_count_unknown(p) > 0;
	return p->silence.since != 0 && asks ? p->silence.ask_at : INT64_MAX;
}

void
publish_tend_silence(struct publisher *p)
{
	struct silence *silence = &p->silence;
	int64_t now = publish_now_ms(p);
	if (publish_silence_due(p) > now) {
		return;
	}
	if (!silence->told) {
		silence->told = true;
		log_warn("a server is there and shows no account's JWT: natsid pushes "
			 "over nothing that it has not seen",
			LOG_STR("server", silence->who));
	}
	silence->ask_at = now + silence->ask_pause;
	silence->ask_pause = publish_earlier_of(2 * silence->ask_pause, ASK_PAUSE_MAX_MS);
	if (publish_count_unknown(p) > 0) {
		ask_kind(p);
	}
}

void
publish_on_kind_answer(struct publisher *p, const struct note *note)
{
	struct ack ack;
	struct err err = { 0 };
	if (note->no_responders) {
		return; /* only resolvers that take no pushes */
	}
	if (ack_parse(note->data, note->len, "n/a", &ack, &err) != 0) {
		log_warn("odd answer to what is no account's JWT",
			LOG_STR("error", err.msg));
		return;
	}
	int index = publish_heard(p, ack.server_id);
	if (index >= 0) {
		publish_remember_resolver(p, (size_t)index, ack.resolver);
	}
}
