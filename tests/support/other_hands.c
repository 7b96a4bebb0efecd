/* SPDX-License-Identifier: Apache-2.0 */
#include "support/other_hands.h"

#include "base/buf.h"
#include "base/str.h"
#include "jwt/decode.h"
#include "store/quarantine.h"
#include "support/jwt_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

char *
other_hands_jwt(struct stage *s, const char *account, bool ours)
{
	struct err err = { 0 };
	struct jwt_claims claims = { 0 };
	struct buf out;
	struct sample_key key = sample_key_make(NKEY_OPERATOR, 7);
	struct jwt_signer signer = sample_signer(&key);
	char *jwt = stage_jwt(s, account);
	assert_int_equal(jwt_decode(jwt, strlen(jwt), &claims, &err), 0);
	free(jwt);
	struct strlist *tags = &claims.as.account.tags;
	assert_int_equal(tags->len, 1);
	/* natsid:<uuid>:<generation> */
	char uuid[40];
	char text[96] = "elsewhere";
	str_fmt_cut(uuid, sizeof(uuid), "%.36s", tags->items[0] + strlen("natsid:"));
	if (ours) {
		str_fmt_cut(text, sizeof(text), "natsid:%s:9", uuid);
	}
	strlist_release(tags);
	assert_int_equal(strlist_add(tags, text, &err), 0);
	claims.iat += 1000;
	buf_init(&out, 64 * 1024);
	assert_int_equal(jwt_encode(&claims, &signer, &out, &err), 0);
	assert_int_equal(buf_finish(&out, &err), 0);
	char *copy = str_dup(out.data);
	assert_non_null(copy);
	buf_release(&out);
	jwt_claims_release(&claims);
	return copy;
}

void
other_hands_store(struct stage *s, int server, const char *jwt)
{
	struct err err = { 0 };
	struct jwt_claims claims = { 0 };
	assert_int_equal(jwt_decode(jwt, strlen(jwt), &claims, &err), 0);
	pthread_mutex_lock(&s->bus.lock);
	fake_server_keep(&s->bus.servers[server], claims.sub, jwt);
	pthread_mutex_unlock(&s->bus.lock);
	jwt_claims_release(&claims);
}

void
other_hands_lose(struct stage *s, int server, const char *account)
{
	char key[NKEY_TEXT_SIZE];
	stage_key(s, account, key);
	pthread_mutex_lock(&s->bus.lock);
	struct fake_server *fake = &s->bus.servers[server];
	struct held *held = fake_server_find(fake, key);
	assert_non_null(held);
	free(held->jwt);
	*held = fake->held[--fake->held_len];
	pthread_mutex_unlock(&s->bus.lock);
}

void
other_hands_damage(struct stage *s, int server, const char *account)
{
	char key[NKEY_TEXT_SIZE];
	stage_key(s, account, key);
	pthread_mutex_lock(&s->bus.lock);
	struct held *held = fake_server_find(&s->bus.servers[server], key);
	assert_non_null(held);
	held->jwt[strlen(held->jwt) / 2] = '\0';
	pthread_mutex_unlock(&s->bus.lock);
}

void
other_hands_push(struct stage *s, int server, const char *jwt)
{
	other_hands_store(s, server, jwt);
	fake_bus_hear(&s->bus, "$SYS.REQ.CLAIMS.UPDATE", jwt);
}

void
other_hands_ask_removal(struct stage *s, const char *account)
{
	char key[NKEY_TEXT_SIZE];
	char list[NKEY_TEXT_SIZE + 8];
	struct err err = { 0 };
	struct buf out;
	struct sample_key operator_ = sample_key_make(NKEY_OPERATOR, 7);
	struct jwt_signer signer = sample_signer(&operator_);
	char member[] = "accounts";
	struct jwt_member accounts = { .key = member, .json = list };
	struct jwt_claims claims = { .type = JWT_GENERIC,
		.iat = 1,
		.sub = operator_.text,
		.as.generic = { &accounts, 1 } };
	stage_key(s, account, key);
	str_fmt_cut(list, sizeof(list), "[\"%s\"]", key);
	buf_init(&out, 64 * 1024);
	assert_int_equal(jwt_encode(&claims, &signer, &out, &err), 0);
	assert_int_equal(buf_finish(&out, &err), 0);
	fake_bus_hear(&s->bus, "$SYS.REQ.CLAIMS.DELETE", out.data);
	buf_release(&out);
}

void
other_hands_put_stranger(struct stage *s, int server)
{
	struct sample_key key = sample_key_make(NKEY_ACCOUNT, 99);
	pthread_mutex_lock(&s->bus.lock);
	fake_server_keep(&s->bus.servers[server], key.text, "whatever");
	pthread_mutex_unlock(&s->bus.lock);
}

static int
lift(struct store_tx *tx, void *ctx, struct err *err)
{
	const int64_t *account = ctx;
	return store_quarantine_lift(tx, *account, 100, 0, 0, err);
}

void
other_hands_lift(struct stage *s, const char *account)
{
	struct err err = { 0 };
	int64_t seq = temp_account_seq(&s->t, account);
	temp_service_advance(&s->t, 2000 * 1000);
	assert_int_equal(store_write(s->t.temp.store, lift, &seq, &err), 0);
}
