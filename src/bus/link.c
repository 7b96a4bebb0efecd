/* SPDX-License-Identifier: Apache-2.0
 * With link_options.c and link_words.c, all that knows nats.c. */
#include "bus/link.h"

#include "base/str.h"
#include "bus/link_options.h"
#include "bus/link_words.h"

#include <nats/nats.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
	DELIVERY_THREADS = 2,
	/* Of one subscription, until nats.c drops messages. */
	PENDING_MESSAGES_MAX = 65536,
	PENDING_BYTES_MAX = 64 * 1024 * 1024,
	REPLY_SIZE = BUS_INBOX_SIZE + 20
};

struct bus_link {
	struct bus_link_params params;
	natsConnection *nc;
	natsSubscription *subs[1 + BUS_SUBSCRIPTIONS_MAX];
	size_t sub_count;
	void *login; /* of the connect; NULL before and after it */
	struct err auth_err; /* of our own callbacks, during the connect */
	char refusal[BUS_ERROR_SIZE]; /* what the server said last; async thread only */

	pthread_mutex_t lock; /* below all others; never held over a call */
	pthread_cond_t changed;
	bool delivering; /* bus_link_deliver was called */
	bool closing; /* no handler begins any more */
	bool lost; /* closed, but not by us */
	char lost_text[BUS_ERROR_SIZE];
	unsigned active; /* handlers that run */
	unsigned refs; /* the owner, and each of nats.c's last calls that is still to come
			*/
};

/* ---- lifetime ------------------------------------------------------------------ */

static void
link_put(struct bus_link *link)
{
	pthread_mutex_lock(&link->lock);
	bool last = --link->refs == 0;
	pthread_mutex_unlock(&link->lock);
	if (!last)
		return;
	pthread_cond_destroy(&link->changed);
	pthread_mutex_destroy(&link->lock);
	free(link);
}

static void
link_hold(struct bus_link *link)
{
	pthread_mutex_lock(&link->lock);
	link->refs++;
	pthread_mutex_unlock(&link->lock);
}

/* Takes a hold back that is not the last. */
static void
link_unhold(struct bus_link *link)
{
	pthread_mutex_lock(&link->lock);
	link->refs--;
	pthread_mutex_unlock(&link->lock);
}

static bool
handler_enter(struct bus_link *link, bool is_message)
{
	pthread_mutex_lock(&link->lock);
	/* UP comes before the first message: a matter of microseconds. The link outlives
	 * the wait, as the subscription's last call is still to come. */
	while (is_message && !link->delivering && !link->closing)
		pthread_cond_wait(&link->changed, &link->lock);
	bool entered = !link->closing;
	if (entered)
		link->active++;
	pthread_mutex_unlock(&link->lock);
	return entered;
}

static void
handler_leave(struct bus_link *link)
{
	pthread_mutex_lock(&link->lock);
	link->active--;
	pthread_cond_broadcast(&link->changed);
	pthread_mutex_unlock(&link->lock);
}

/* ---- words for what nats.c says ------------------------------------------------ */

/* Only right after the call that failed, on its thread. */
static void
copy_words(
	const struct bus_link *link, natsStatus status, char out[static BUS_ERROR_SIZE])
{
	/* Nobody promises that nats.c's own words leave the URL's password out. */
	link_words_copy(out,
		link->params.url->has_userinfo ? natsStatus_GetText(status)
					       : link_words_of(status));
}

/* As above. */
static int
status_err(
	const struct bus_link *link, natsStatus status, const char *what, struct err *err)
{
	char shown[BUS_ERROR_SIZE] = "";

	copy_words(link, status, shown);
	return err_set(err, link_words_code(status), "%s: %s", what, shown);
}

/* ---- nats.c's calls to us ------------------------------------------------------ */

static bool
parse_token(const char *text, uint64_t *out_token)
{
	uint64_t token = 0;
	size_t len = strlen(text);

	if (len != 16)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (c >= '0' && c <= '9')
			token = token << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			token = token << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*out_token = token;
	return true;
}

static void
deliver(struct bus_link *link, natsMsg *msg, bool is_reply)
{
	const char *data = natsMsg_GetData(msg);
	struct bus_link_message message = {
		.epoch = link->params.epoch,
		.is_reply = is_reply,
		.subject = natsMsg_GetSubject(msg),
		.data = data != NULL ? data : "",
		.len = (size_t)natsMsg_GetDataLength(msg),
		.no_responders = is_reply && natsMsg_IsNoResponders(msg),
	};

	if (is_reply &&
		!parse_token(
			message.subject + strlen(link->params.inbox) + 1, &message.token))
		return;
	if (!handler_enter(link, true))
		return;
	link->params.handler->on_message(link->params.ctx, &message);
	handler_leave(link);
}

static void
on_reply(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *ctx)
{
	(void)nc; /* the link is in ctx */
	(void)sub;
	deliver(ctx, msg, true);
	natsMsg_Destroy(msg);
}

static void
on_message(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *ctx)
{
	(void)nc; /* the link is in ctx */
	(void)sub;
	deliver(ctx, msg, false);
	natsMsg_Destroy(msg);
}

static void
on_subscription_done(void *ctx)
{
	link_put(ctx);
}

static void
on_async_error(natsConnection *nc, natsSubscription *sub, natsStatus status, void *ctx)
{
	struct bus_link *link = ctx;
	natsStatus last = NATS_OK;
	const char *text = nats_GetLastError(&last);
	char shown[BUS_ERROR_SIZE] = "";

	(void)nc; /* the link is in ctx */
	(void)sub;
	if (text == NULL || text[0] == '\0' || last != status)
		text = natsStatus_GetText(status);
	link_words_copy(shown, text);
	if (status == NATS_CONNECTION_AUTH_FAILED) /* the server hangs up next */
		link_words_copy(link->refusal, text);
	if (!handler_enter(link, false))
		return;
	link->params.handler->on_trouble(link->params.ctx, link->params.epoch, shown);
	if (status == NATS_SLOW_CONSUMER)
		link->params.handler->on_dropped(link->params.ctx, link->params.epoch);
	handler_leave(link);
}

static void
on_closed(natsConnection *nc, void *ctx)
{
	struct bus_link *link = ctx;
	const char *text = NULL;
	natsStatus status = natsConnection_GetLastError(nc, &text);
	char shown[BUS_ERROR_SIZE] = "";

	/* NATS_ERR is a last word of the server; with other statuses the text may be of a
	 * trouble long ago. */
	if (link->refusal[0] != '\0')
		text = link->refusal;
	else if (status == NATS_OK || status == NATS_CONNECTION_CLOSED)
		text = "connection closed by the server";
	else if (status != NATS_ERR || text == NULL || text[0] == '\0')
		text = natsStatus_GetText(status);
	link_words_copy(shown, text);
	pthread_mutex_lock(&link->lock);
	link->lost = true;
	memcpy(link->lost_text, shown, sizeof(link->lost_text));
	pthread_mutex_unlock(&link->lock);
	if (handler_enter(link, false)) {
		link->params.handler->on_lost(link->params.ctx);
		handler_leave(link);
	}
	link_put(link);
}

static void
end_login(struct bus_link *link)
{
	if (link->login != NULL)
		link->params.bus->login_free(link->login);
	link->login = NULL;
}

/* nats.c frees both texts, and the signature, with free(). */
static natsStatus
on_jwt_wanted(char **out_jwt, char **out_error, void *ctx)
{
	struct bus_link *link = ctx;
	const struct bus_params *bus = link->params.bus;
	char *jwt = NULL;

	err_clear(&link->auth_err);
	end_login(link);
	if (bus->user_jwt(bus->auth_ctx, &link->login, &jwt, &link->auth_err) != 0) {
		*out_error = str_dup("no user JWT");
		return NATS_ERR;
	}
	*out_jwt = jwt;
	return NATS_OK;
}

static natsStatus
on_nonce(char **out_error, unsigned char **out_sig, int *out_len, const char *nonce,
	void *ctx)
{
	struct bus_link *link = ctx;
	const struct bus_params *bus = link->params.bus;
	uint8_t *sig = malloc(BUS_SIGNATURE_LEN);

	if (sig == NULL)
		return NATS_NO_MEMORY;
	/* A server that knows no nkeys sends no nonce, and looks at no signature. */
	if (bus->sign_nonce(
		    link->login, nonce != NULL ? nonce : "", sig, &link->auth_err) != 0) {
		free(sig);
		*out_error = str_dup("the nonce was not signed");
		return NATS_ERR;
	}
	*out_sig = sig;
	*out_len = BUS_SIGNATURE_LEN;
	return NATS_OK;
}

/* ---- connect -------------------------------------------------------------------- */

int
bus_link_library_open(struct err *err)
{
	natsStatus s = nats_Open(-1);
	if (s == NATS_OK)
		s = nats_SetMessageDeliveryPoolSize(DELIVERY_THREADS);
	if (s != NATS_OK)
		return err_set(err, ERR_INTERNAL, "cannot start nats.c: %s",
			natsStatus_GetText(s));
	return 0;
}

static natsStatus
set_callbacks(struct bus_link *link, natsOptions *opts)
{
	natsStatus s = natsOptions_SetClosedCB(opts, on_closed, link);

	if (s == NATS_OK)
		s = natsOptions_SetErrorHandler(opts, on_async_error, link);
	if (s == NATS_OK && link->params.bus->user_jwt != NULL)
		s = natsOptions_SetUserCredentialsCallbacks(
			opts, on_jwt_wanted, link, on_nonce, link);
	return s;
}

static int
connect_err(const struct bus_link *link, natsStatus status, struct err *err)
{
	if (link->auth_err.code != ERR_NONE) {
		*err = link->auth_err;
		return -1;
	}
	/* With TLS 1.3 that is all that is heard of a certificate that is refused. */
	if (strstr(link_words_of(status), "got ''") != NULL)
		return err_set(err, ERR_UNAVAILABLE,
			"cannot connect: the server hung up%s",
			link_options_want_tls(&link->params)
				? "; perhaps it wants another client certificate"
				: "");
	/* A login is made for each connect: it is neither revoked nor too old. */
	if (status == NATS_CONNECTION_AUTH_FAILED && link->params.bus->user_jwt != NULL) {
		char shown[BUS_ERROR_SIZE] = "";
		copy_words(link, status, shown);
		return err_set(err, link_words_code(status),
			"cannot connect: %.60s; perhaps the server trusts another "
			"operator than that of this data directory (--data)",
			shown);
	}
	return status_err(link, status, "cannot connect", err);
}

static int
connect_link(struct bus_link *link, struct err *err)
{
	natsOptions *opts = NULL;
	natsStatus s = natsOptions_Create(&opts);
	int rc = -1;

	if (s == NATS_OK)
		s = link_options_set(&link->params, opts);
	if (s == NATS_OK)
		s = set_callbacks(link, opts);
	if (s != NATS_OK) {
		status_err(link, s, "cannot set up a connection", err);
		goto out;
	}
	/* The closed call may come before the connect is back; it does not when it
	 * failed. */
	link_hold(link);
	s = natsConnection_Connect(&link->nc, opts);
	if (s != NATS_OK) {
		connect_err(link, s, err);
		link_unhold(link);
		goto out;
	}
	rc = 0;
out:
	end_login(link); /* the key has signed the only nonce that there is */
	natsOptions_Destroy(opts);
	return rc;
}

static int
subscribe(struct bus_link *link, const char *subject, natsMsgHandler handler,
	struct err *err)
{
	natsSubscription *sub = NULL;
	natsStatus s = natsConnection_Subscribe(&sub, link->nc, subject, handler, link);

	if (s != NATS_OK)
		return status_err(link, s, "cannot subscribe", err);
	link->subs[link->sub_count++] = sub;
	/* Held for the last call. When it cannot be arranged, because the connection has
	 * closed meanwhile, the memory of the link stays: a message may still be on its
	 * way. */
	link_hold(link);
	s = natsSubscription_SetOnCompleteCB(sub, on_subscription_done, link);
	if (s == NATS_OK)
		s = natsSubscription_SetPendingLimits(
			sub, PENDING_MESSAGES_MAX, PENDING_BYTES_MAX);
	return s == NATS_OK ? 0 : status_err(link, s, "cannot subscribe", err);
}

int
bus_link_subscribe(struct bus_link *link, struct err *err)
{
	char replies[BUS_INBOX_SIZE + 2] = "";

	if (str_fmt(replies, sizeof(replies), "%s.*", link->params.inbox) != 0)
		return err_set(err, ERR_INTERNAL, "the inbox prefix is too long");
	if (subscribe(link, replies, on_reply, err) != 0)
		return -1;
	for (size_t i = 0; i < link->params.subject_count; i++) {
		if (subscribe(link, link->params.subjects[i], on_message, err) != 0)
			return -1;
	}
	return 0;
}

int
bus_link_open(
	const struct bus_link_params *params, struct bus_link **out_link, struct err *err)
{
	struct bus_link *link = calloc(1, sizeof(*link));

	if (link == NULL)
		return err_nomem(err);
	link->params = *params;
	link->refs = 1;
	pthread_mutex_init(&link->lock, NULL);
	pthread_cond_init(&link->changed, NULL);
	if (connect_link(link, err) != 0) {
		bus_link_free(link);
		return -1;
	}
	*out_link = link;
	return 0;
}

/* ---- use ------------------------------------------------------------------------ */

void
bus_link_deliver(struct bus_link *link)
{
	pthread_mutex_lock(&link->lock);
	link->delivering = true;
	pthread_cond_broadcast(&link->changed);
	pthread_mutex_unlock(&link->lock);
}

int
bus_link_publish(struct bus_link *link, const char *subject, uint64_t token,
	const void *data, size_t len, struct err *err)
{
	char reply[REPLY_SIZE] = "";

	if (str_fmt(reply, sizeof(reply), "%s.%016" PRIx64, link->params.inbox, token) !=
		0)
		return err_set(err, ERR_INTERNAL, "the inbox prefix is too long");
	natsStatus s =
		natsConnection_PublishRequest(link->nc, subject, reply, data, (int)len);
	if (s == NATS_OK)
		return 0;
	status_err(link, s, "cannot send to NATS", err);
	/* That the socket took nothing in time is no timeout of the request. */
	if (s == NATS_TIMEOUT && err != NULL)
		err->code = ERR_UNAVAILABLE;
	return -1;
}

int
bus_link_ping(struct bus_link *link, int64_t timeout_ms, struct err *err)
{
	natsStatus s = natsConnection_FlushTimeout(link->nc, timeout_ms);

	return s == NATS_OK ? 0 : status_err(link, s, "no answer to a PING", err);
}

bool
bus_link_lost(struct bus_link *link, char out_text[static BUS_ERROR_SIZE])
{
	pthread_mutex_lock(&link->lock);
	bool lost = link->lost;
	if (lost)
		memcpy(out_text, link->lost_text, BUS_ERROR_SIZE);
	pthread_mutex_unlock(&link->lock);
	return lost;
}

void
bus_link_server(struct bus_link *link, char out_id[static BUS_SERVER_ID_SIZE],
	int64_t *out_max_payload)
{
	if (natsConnection_GetConnectedServerId(link->nc, out_id, BUS_SERVER_ID_SIZE) !=
		NATS_OK)
		out_id[0] = '\0'; /* it has gone already */
	*out_max_payload = natsConnection_GetMaxPayload(link->nc);
}

void
bus_link_close(struct bus_link *link, int64_t flush_ms)
{
	/* What nats.c buffers is sent by a flush, not by a close. A failure means that
	 * the connection is gone, and with it what was to be sent. */
	if (flush_ms > 0 && !natsConnection_IsClosed(link->nc))
		(void)natsConnection_FlushTimeout(link->nc, flush_ms);
	natsConnection_Close(link->nc);
}

void
bus_link_mute(struct bus_link *link)
{
	pthread_mutex_lock(&link->lock);
	link->closing = true;
	pthread_cond_broadcast(&link->changed);
	while (link->active > 0)
		pthread_cond_wait(&link->changed, &link->lock);
	pthread_mutex_unlock(&link->lock);
}

void
bus_link_free(struct bus_link *link)
{
	if (link == NULL)
		return;
	bus_link_mute(link);
	natsConnection_Close(link->nc);
	for (size_t i = 0; i < link->sub_count; i++)
		natsSubscription_Destroy(link->subs[i]);
	natsConnection_Destroy(link->nc);
	link_put(link);
}
