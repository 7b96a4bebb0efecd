/* SPDX-License-Identifier: Apache-2.0
 * What live asks real servers, a cluster of two of each version: the whole way, as the
 * system user, with clients of a role and of a bearer. What servers may answer besides:
 * test_live_answers.c, test_live_accounts.c. */
#include "publish/live.h"

#include "app/nats_auth.h"
#include "base/codec.h"
#include "base/str.h"
#include "jwt/creds.h"
#include "jwt/decode.h"
#include "jwt/nkey.h"
#include "mint/removal.h"
#include "mint/signer.h"
#include "publish/publisher.h"
#include "service/operator.h"
#include "store/record.h"
#include "store/signing_key.h"
#include "store/vault.h"
#include "support/nats_server.h"
#include "support/temp_service.h"
#include "support/temp_signal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	SERVERS = 2,
	DEADLINE_MS = 20 * 1000,
	TIMEOUT_MS = 60 * 1000, /* no answer takes so long, */
	SOON_MS = 10 * 1000, /* nor as long as this */
	CLIENTS_MAX = 1200,
	TOKEN_MAX = 4096
};

struct login {
	char jwt[TOKEN_MAX];
	char key[NKEY_TEXT_SIZE];
	char issuer[NKEY_TEXT_SIZE];
	int64_t iat;
	uint8_t seed[NKEY_SEED_LEN];
};

struct stage {
	bool oldest;
	struct temp_service t;
	struct nats_server servers[SERVERS];
	struct temp_signal happened; /* an event of the bus, a commit */
	struct nats_auth *auth;
	struct publisher *publisher;
	struct live *live;
	struct bus *bus;
	char account[RAND_ID_SIZE];
	char account_key[NKEY_TEXT_SIZE];
	struct login sensor; /* of a role */
	struct login bearer;
	int clients[CLIENTS_MAX];
	size_t client_count;
};

static void
ok(int rc, const struct err *err)
{
	if (rc != 0) {
		fail_msg("%s (%s)", err->msg, err->detail);
	}
}

/* ---- servers ---- */

static void
start_server(struct stage *s, int index, uint16_t own_route, uint16_t other_route)
{
	struct nats_server *server = &s->servers[index];
	struct err err = { 0 };
	struct buf text;
	char name[8];
	char cluster[256];
	server->oldest = s->oldest;
	str_fmt_cut(server->dir, sizeof(server->dir), "/tmp/natsid-test-XXXXXX");
	assert_non_null(mkdtemp(server->dir));
	str_fmt_cut(name, sizeof(name), "s%d", index + 1);
	struct nats_conf_params params = { .server_name = name,
		.resolver_dir = server->dir };
	buf_init(&text, 64 * 1024);
	ok(service_nats_conf(s->t.service, &temp_console_actor, &params, &text, &err),
		&err);
	str_fmt_cut(cluster, sizeof(cluster),
		"\ncluster { name: c, listen: \"127.0.0.1:%d\", routes: "
		"[\"nats://127.0.0.1:%d\"] }\n",
		own_route, other_route);
	buf_put_str(&text, cluster);
	ok(buf_finish(&text, &err), &err);
	assert_true(nats_server_start(server, 0, text.data));
	buf_release(&text);
}

/* As the daemon does. */
static void
on_bus(void *ctx, const struct bus_event *event)
{
	struct stage *s = ctx;
	if (live_owns(event)) {
		live_on_bus(s->live, event);
	} else {
		publisher_on_bus(s->publisher, event);
	}
	temp_signal_raise(&s->happened);
}

static void
on_commit(void *ctx, const struct store_change *changes, size_t n)
{
	struct stage *s = ctx;
	publisher_on_commit(s->publisher, changes, n);
	temp_signal_raise(&s->happened);
}

static void
start_bus(struct stage *s)
{
	struct err err = { 0 };
	const char *urls[] = { s->servers[0].url };
	struct live_params live_params = { .timeout_ms = TIMEOUT_MS };
	struct publisher_params publisher_params = {
		.store = s->t.temp.store, .service = s->t.service, .clock = &clock_system
	};
	struct bus_params bus_params = {
		.urls = urls,
		.url_count = 1,
		.name = "natsid",
		.user_jwt = nats_auth_user_jwt,
		.sign_nonce = nats_auth_sign,
		.login_free = nats_auth_login_free,
		.on_event = on_bus,
		.event_ctx = s,
		.clock = &clock_system,
	};
	ok(nats_auth_new(s->t.service, &s->auth, &err), &err);
	ok(publisher_new(&publisher_params, &s->publisher, &err), &err);
	ok(live_new(&live_params, &s->live, &err), &err);
	bus_params.auth_ctx = s->auth;
	ok(bus_new(&bus_params, &s->bus, &err), &err);
	live_set_bus(s->live, s->bus);
	nats_auth_set_inbox(s->auth, bus_inbox(s->bus));
	ok(publisher_start(s->publisher, s->bus, &err), &err);
	ok(bus_start(s->bus, &err), &err);
}

static void
stop_bus(struct stage *s)
{
	publisher_stop(s->publisher);
	bus_free(s->bus);
	publisher_free(s->publisher);
	live_free(s->live);
	nats_auth_free(s->auth);
}

/* All is proven, on all servers. */
static bool
is_proven(void *ctx)
{
	struct stage *s = ctx;
	struct publisher_status status;
	publisher_status(s->publisher, &status);
	return status.roster.len == SERVERS &&
		temp_ask(&s->t,
			"SELECT count(*) FROM account_publish WHERE proven_generation < "
			"generation",
			NULL) == 0;
}

static void
wait_until_proven(struct stage *s)
{
	assert_true(temp_signal_wait(&s->happened, is_proven, s, DEADLINE_MS));
}

/* ---- logins and clients ---- */

static void
read_login(struct login *login)
{
	struct err err = { 0 };
	struct jwt_claims claims = { 0 };
	ok(jwt_decode(login->jwt, strlen(login->jwt), &claims, &err), &err);
	ok(str_copy(login->key, sizeof(login->key), claims.sub), &err);
	ok(str_copy(login->issuer, sizeof(login->issuer), claims.iss), &err);
	login->iat = claims.iat;
	jwt_claims_release(&claims);
}

static void
make_sensor(struct stage *s)
{
	char role[RAND_ID_SIZE];
	char user[RAND_ID_SIZE];
	struct err err = { 0 };
	struct user_creds creds = { 0 };
	const char *token = NULL;
	size_t len = 0;
	temp_make_role(&s->t, "sensor", role);
	temp_make_user(&s->t, "sensor-1", s->account, role, user);
	ok(service_user_creds(s->t.service, &temp_superuser_actor, user, &creds, &err),
		&err);
	ok(jwt_creds_parse(
		   creds.creds.data, creds.creds.len, &token, &len, s->sensor.seed, &err),
		&err);
	ok(str_fmt(s->sensor.jwt, TOKEN_MAX, "%.*s", (int)len, token), &err);
	read_login(&s->sensor);
	user_creds_release(&creds);
}

/* Borrowed. */
static struct vault_seed
issuer_of(const struct store_vault_seed *stored)
{
	struct vault_seed issuer = {
		.owner_table = stored->owner_table,
		.owner_column = stored->owner_column,
		.owner_id = stored->owner_id,
		.role = stored->role,
		.public_key = stored->public_key,
	};
	memcpy(issuer.sealed, stored->sealed, sizeof(issuer.sealed));
	return issuer;
}

/* Signed by the account's plain key, so that the JWT may say what it likes. */
static void
make_bearer(struct stage *s)
{
	struct err err = { 0 };
	struct store_conn *conn = NULL;
	struct store_signing_key key;
	struct store_vault_seed stored;
	struct jwt_claims claims = { .type = JWT_USER, .iat = 1700000000 };
	struct nkey_public user_key;
	struct buf token;
	int64_t seq = temp_account_seq(&s->t, s->account);
	ok(store_read_begin(s->t.temp.store, &conn, &err), &err);
	ok(store_signing_key_plain(conn, seq, &key, &err), &err);
	ok(store_vault_seed_get(conn, &key.public_key, &stored, &err), &err);
	store_read_end(s->t.temp.store, conn);
	struct vault_seed issuer = issuer_of(&stored);
	memset(s->bearer.seed, 7, sizeof(s->bearer.seed));
	jwt_nkey_public(NKEY_USER, s->bearer.seed, &user_key);
	jwt_user_init(&claims.as.user);
	claims.name = str_dup("bearer");
	claims.sub = mint_key_text(NKEY_USER, &user_key);
	claims.as.user.issuer_account = str_dup(s->account_key);
	claims.as.user.limits.bearer_token = true;
	buf_init(&token, TOKEN_MAX);
	ok(mint_token(s->t.vault, &issuer, &claims, &token, &err), &err);
	ok(str_fmt(s->bearer.jwt, TOKEN_MAX, "%.*s", (int)token.len, token.data), &err);
	read_login(&s->bearer);
	buf_release(&token);
	jwt_claims_release(&claims);
}

static void
read_until(int fd, const char *word, char *out, size_t size)
{
	size_t len = 0;
	out[0] = '\0';
	while (strstr(out, word) == NULL) {
		ssize_t n = recv(fd, out + len, size - 1 - len, 0);
		if (n <= 0 || strstr(out, "-ERR") != NULL) {
			fail_msg("no %s: %s", word, out);
		}
		len += (size_t)n;
		out[len] = '\0';
	}
}

/* The server's nonce, signed. */
static void
sign_info(const struct login *login, const char *info, char *out)
{
	uint8_t sig[NKEY_SIG_LEN];
	struct nkey_public key;
	const char *nonce = strstr(info, "\"nonce\":\"");
	assert_non_null(nonce);
	nonce += strlen("\"nonce\":\"");
	jwt_nkey_public(NKEY_USER, login->seed, &key);
	jwt_nkey_sign(
		login->seed, &key, (const uint8_t *)nonce, strcspn(nonce, "\""), sig);
	codec_base64url_encode(sig, sizeof(sig), out);
}

/* `more`: further members of CONNECT, as `,"name":"x"`. */
static void
connect_client(struct stage *s, int server, const struct login *login, const char *more)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	char text[TOKEN_MAX + 1024];
	char sig[CODEC_BASE64_LEN(NKEY_SIG_LEN) + 1];
	assert_true(s->client_count < CLIENTS_MAX);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(s->servers[server].port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	s->clients[s->client_count++] = fd;
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	read_until(fd, "\r\n", text, sizeof(text));
	sign_info(login, text, sig);
	assert_int_equal(
		str_fmt(text, sizeof(text),
			"CONNECT {\"verbose\":false,\"jwt\":\"%s\",\"sig\":\"%s\""
			"%s}\r\nPING\r\n",
			login->jwt, sig, more),
		0);
	size_t len = strlen(text);
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
	read_until(fd, "PONG\r\n", text, sizeof(text));
}

static void
disconnect_clients(struct stage *s)
{
	while (s->client_count > 0) {
		close(s->clients[--s->client_count]);
	}
}

/* ---- the stage: one for all tests of a version ---- */

static int
set_up(void **state, bool oldest)
{
	struct err err = { 0 };
	struct stage *s = calloc(1, sizeof(*s));
	struct rlimit files;
	uint16_t routes[SERVERS] = { nats_server_free_port(), nats_server_free_port() };
	assert_non_null(s);
	s->oldest = oldest;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	temp_service_init(&s->t);
	temp_signal_init(&s->happened);
	for (int i = 0; i < SERVERS; i++) {
		start_server(s, i, routes[i], routes[1 - i]);
	}
	start_bus(s);
	store_on_commit(s->t.temp.store, on_commit, s);
	temp_make_account(&s->t, "acme", s->account);
	struct store_conn *conn = NULL;
	struct account row = { 0 };
	ok(store_read_begin(s->t.temp.store, &conn, &err), &err);
	ok(store_record_get(conn, &account_collection, s->account, &row, &err), &err);
	store_read_end(s->t.temp.store, conn);
	nkey_text_encode(NKEY_ACCOUNT, &row.public_key, s->account_key);
	record_release(&account_collection, &row);
	make_sensor(s);
	make_bearer(s);
	wait_until_proven(s);
	*state = s;
	return 0;
}

static int
set_up_newest(void **state)
{
	return set_up(state, false);
}

static int
set_up_oldest(void **state)
{
	return set_up(state, true);
}

static int
tear_down(void **state)
{
	struct stage *s = *state;
	disconnect_clients(s);
	stop_bus(s);
	for (int i = 0; i < SERVERS; i++) {
		nats_server_release(&s->servers[i]);
	}
	temp_service_release(&s->t);
	temp_signal_release(&s->happened);
	free(s);
	return 0;
}

/* ---- what was seen ---- */

struct seen {
	struct {
		struct server server;
		struct connection row; /* its strings are gone, but for these: */
		char name[64];
	} rows[CLIENTS_MAX];
	size_t len;
	size_t stop_after; /* 0: never */
};

static int
see(void *ctx, const struct server *server, const struct connection *row, struct err *err)
{
	struct seen *seen = ctx;
	assert_true(seen->len < CLIENTS_MAX);
	seen->rows[seen->len].server = *server;
	seen->rows[seen->len].row = *row;
	str_fmt_cut(seen->rows[seen->len].name, 64, "%s", row->name);
	seen->len++;
	return seen->len == seen->stop_after ? err_set(err, ERR_LIMITED, "enough") : 0;
}

static struct live_summary
look(struct stage *s, struct seen *seen)
{
	struct err err = { 0 };
	struct live_summary summary = { 0 };
	seen->len = 0;
	ok(live_connections(s->live, s->account_key, see, seen, &summary, &err), &err);
	return summary;
}

/* Connections of clients that are gone are gone soon. */
static void
wait_until_empty(struct stage *s, struct seen *seen)
{
	int64_t end = clock_mono_ms(&clock_system) + DEADLINE_MS;
	do {
		assert_true(clock_mono_ms(&clock_system) < end);
		look(s, seen);
	} while (seen->len > 0);
}

static void
assert_complete(const struct live_summary *summary)
{
	assert_int_equal(summary->servers, SERVERS);
	assert_int_equal(summary->answered, SERVERS);
	assert_true(summary->complete);
}

/* The place of the row of that name. */
static size_t
find_row(const struct seen *seen, const char *name)
{
	for (size_t i = 0; i < seen->len; i++) {
		if (str_equal(seen->rows[i].name, name)) {
			return i;
		}
	}
	fail_msg("no connection is called %s", name);
	return 0;
}

static void
assert_login(const struct connection *row, const struct login *login)
{
	assert_string_equal(row->user_key, login->key);
	assert_string_equal(row->issuer_key, login->issuer);
	assert_true(row->has_iat);
	assert_int_equal(row->iat, login->iat);
}

/* ---- tests ---- */

static void
test_connections(void **state)
{
	struct stage *s = *state;
	struct seen *seen = calloc(1, sizeof(*seen));
	assert_non_null(seen);
	wait_until_empty(s, seen);
	struct live_summary summary = look(s, seen);
	assert_complete(&summary);
	assert_int_equal(seen->len, 0);

	char nkey[128];
	str_fmt_cut(
		nkey, sizeof(nkey), ",\"name\":\"nkey\",\"nkey\":\"%s\"", s->bearer.key);
	connect_client(s, 0, &s->sensor, ",\"name\":\"plain\"");
	connect_client(s, 1, &s->sensor, ",\"name\":\"user\",\"user\":\"fake\"");
	connect_client(s, 1, &s->sensor, nkey);
	connect_client(s, 0, &s->sensor, ",\"name\":\"nul\\u0000\\\\u0000\"");
	int64_t start = clock_mono_ms(&clock_system);
	summary = look(s, seen);
	assert_true(clock_mono_ms(&clock_system) - start < SOON_MS);
	assert_complete(&summary);
	assert_int_equal(seen->len, 4);
	/* whoever the client says it is: the JWT that let it in counts */
	static const char *const names[] = { "plain", "user", "nkey",
		"nul\xef\xbf\xbd\\u0000" };
	static const char *const servers[] = { "s1", "s2", "s2", "s1" };
	for (size_t i = 0; i < 4; i++) {
		size_t at = find_row(seen, names[i]);
		const struct connection *row = &seen->rows[at].row;
		assert_login(row, &s->sensor);
		assert_string_equal(seen->rows[at].server.name, servers[i]);
		assert_int_equal(seen->rows[at].server.id[0], 'N');
		assert_true(row->cid > 0);
	}
	disconnect_clients(s);
	free(seen);
}

/* Newer servers hide a bearer's JWT, for good reasons. */
static void
test_bearer(void **state)
{
	struct stage *s = *state;
	struct seen *seen = calloc(1, sizeof(*seen));
	assert_non_null(seen);
	wait_until_empty(s, seen);
	connect_client(s, 0, &s->bearer, ",\"name\":\"honest\"");
	connect_client(s, 1, &s->bearer, ",\"name\":\"liar\",\"user\":\"fake\"");
	struct live_summary summary = look(s, seen);
	assert_complete(&summary);
	assert_int_equal(seen->len, 2);
	const struct connection *honest = &seen->rows[find_row(seen, "honest")].row;
	const struct connection *liar = &seen->rows[find_row(seen, "liar")].row;
	if (s->oldest) {
		assert_login(honest, &s->bearer);
		assert_login(liar, &s->bearer);
	} else {
		assert_string_equal(honest->user_key, s->bearer.key);
		assert_false(honest->has_iat);
		assert_string_equal(liar->user_key, "");
		assert_false(liar->has_iat);
	}
	assert_string_equal(honest->issuer_key, s->bearer.issuer);
	assert_string_equal(liar->issuer_key, s->bearer.issuer);
	disconnect_clients(s);
	free(seen);
}

/* More than a page, on the server that is asked through the other. */
static void
test_pages(void **state)
{
	enum { HERE = 30, THERE = 1100 };
	struct stage *s = *state;
	struct err err = { 0 };
	struct seen *seen = calloc(1, sizeof(*seen));
	assert_non_null(seen);
	wait_until_empty(s, seen);
	for (int i = 0; i < HERE + THERE; i++) {
		connect_client(s, i < HERE ? 0 : 1, &s->sensor, "");
	}
	struct live_summary summary = look(s, seen);
	assert_complete(&summary);
	assert_int_equal(seen->len, HERE + THERE);
	int64_t last[SERVERS] = { 0 };
	for (size_t i = 0; i < seen->len; i++) {
		int at = str_equal(seen->rows[i].server.name, "s1") ? 0 : 1;
		assert_true(seen->rows[i].row.cid > last[at]); /* each one once */
		last[at] = seen->rows[i].row.cid;
	}
	/* the callback ends it, in any page */
	seen->len = 0;
	seen->stop_after = 1090;
	assert_int_equal(
		live_connections(s->live, s->account_key, see, seen, &summary, &err), -1);
	assert_int_equal(err.code, ERR_LIMITED);
	assert_string_equal(err.msg, "enough");
	seen->stop_after = 0;
	summary = look(s, seen);
	assert_complete(&summary);
	assert_int_equal(seen->len, HERE + THERE);
	disconnect_clients(s);
	free(seen);
}

struct trusted {
	char names[SERVERS][16];
	char versions[SERVERS][SERVER_VERSION_SIZE];
	struct strlist keys[SERVERS];
	size_t len;
};

static int
see_trust(void *ctx, const struct server *server, const struct strlist *keys,
	struct err *err)
{
	struct trusted *trusted = ctx;
	assert_true(trusted->len < SERVERS);
	str_fmt_cut(trusted->names[trusted->len], 16, "%s", server->name);
	str_fmt_cut(trusted->versions[trusted->len], SERVER_VERSION_SIZE, "%s",
		server->version);
	return strlist_copy(keys, &trusted->keys[trusted->len++], err);
}

static int
refuse_trust(void *ctx, const struct server *server, const struct strlist *keys,
	struct err *err)
{
	(void)ctx;
	(void)keys;
	return err_set(err, ERR_CONFLICT, "not %s", server->id);
}

static void
test_trust(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct live_summary summary = { 0 };
	struct trusted trusted = { 0 };
	struct buf token;
	struct jwt_claims claims = { 0 };
	buf_init(&token, TOKEN_MAX);
	ok(service_operator_jwt(s->t.service, &temp_console_actor, &token, &err), &err);
	ok(jwt_decode(token.data, token.len, &claims, &err), &err);
	ok(live_trust(s->live, see_trust, &trusted, &summary, &err), &err);
	assert_complete(&summary);
	assert_int_equal(trusted.len, SERVERS);
	assert_string_not_equal(trusted.names[0], trusted.names[1]);
	for (size_t i = 0; i < SERVERS; i++) {
		const struct strlist *signing = &claims.as.operator_.signing_keys;
		const struct strlist *keys = &trusted.keys[i];
		assert_true(
			str_starts_with(trusted.versions[i], s->oldest ? "2.10." : "2."));
		assert_true(signing->len > 0);
		assert_int_equal(keys->len, 1 + signing->len);
		assert_string_equal(keys->items[0], claims.sub);
		for (size_t k = 0; k < signing->len; k++) {
			assert_string_equal(keys->items[1 + k], signing->items[k]);
		}
		strlist_release(&trusted.keys[i]);
	}
	assert_int_equal(live_trust(s->live, refuse_trust, NULL, &summary, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	jwt_claims_release(&claims);
	buf_release(&token);
}

/* ---- streams, and accounts ---- */

struct told {
	struct stage *stage;
	size_t streams;
	size_t of_account;
	size_t removals;
};

static int
count_stream(void *ctx, const struct server *server, const char *stream, struct err *err)
{
	struct told *told = ctx;
	(void)server;
	(void)stream;
	(void)err;
	told->streams++;
	return 0;
}

static void
count_account(void *ctx, const char *key)
{
	struct told *told = ctx;
	told->of_account += str_equal(key, told->stage->account_key) ? 1 : 0;
}

static int
count_removal(void *ctx, const struct server *server, int64_t removed, const char *words,
	struct err *err)
{
	struct told *told = ctx;
	(void)server;
	(void)err;
	assert_int_equal(removed, 0);
	assert_string_equal(words, "");
	told->removals++;
	return 0;
}

/* Servers without JetStream say so: that is an answer. */
static void
test_no_streams(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct live_summary summary = { 0 };
	struct told told = { .stage = s };
	ok(live_streams(s->live, s->account_key, count_stream, &told, &summary, &err),
		&err);
	assert_complete(&summary);
	assert_int_equal(told.streams, 0);
}

/* Of an account that there is, and of one that nobody has. */
static void
test_lookups(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct live_summary summary = { 0 };
	struct told told = { .stage = s };
	const struct nkey_public nobody = { .bytes = { 7 } };
	char none[NKEY_TEXT_SIZE];
	nkey_text_encode(NKEY_ACCOUNT, &nobody, none);
	const char *const keys[] = { none, s->account_key };
	const struct live_lookups_params params = {
		.keys = keys,
		.len = 2,
		.servers = SERVERS,
		.fn = count_account,
		.ctx = &told,
	};
	ok(live_lookups(s->live, &params, &summary, &err), &err);
	assert_complete(&summary);
	assert_int_equal(told.of_account, 1);
}

/* Of nothing. */
static void
test_removal(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct live_summary summary = { 0 };
	struct told told = { .stage = s };
	struct store_conn *conn = NULL;
	struct store_signing_key key;
	struct store_vault_seed stored;
	struct buf request;
	ok(store_read_begin(s->t.temp.store, &conn, &err), &err);
	ok(store_signing_key_plain(conn, 0, &key, &err), &err);
	ok(store_vault_seed_get(conn, &key.public_key, &stored, &err), &err);
	store_read_end(s->t.temp.store, conn);
	struct vault_seed issuer = issuer_of(&stored);
	buf_init_secret(&request, TOKEN_MAX);
	ok(mint_removal(s->t.vault, &issuer, NULL, 0, clock_wall_s(&clock_system),
		   &request, &err),
		&err);
	ok(buf_finish(&request, &err), &err);
	ok(live_remove(s->live, request.data, request.len, count_removal, &told, &summary,
		   &err),
		&err);
	assert_complete(&summary);
	assert_int_equal(told.removals, SERVERS);
	buf_release(&request);
}

static void *
ask_many(void *ctx)
{
	struct stage *s = ctx;
	struct seen *seen = calloc(1, sizeof(*seen));
	size_t good = 0;
	for (int i = 0; seen != NULL && i < 10; i++) {
		struct err err = { 0 };
		struct live_summary summary = { 0 };
		seen->len = 0;
		good += live_connections(s->live, s->account_key, see, seen, &summary,
				&err) == 0 &&
				summary.complete && seen->len == 3
			? 1
			: 0;
	}
	free(seen);
	return good == 10 ? s : NULL;
}

static void
test_threads(void **state)
{
	struct stage *s = *state;
	pthread_t threads[8];
	struct seen *seen = calloc(1, sizeof(*seen));
	assert_non_null(seen);
	wait_until_empty(s, seen);
	free(seen);
	for (int i = 0; i < 3; i++) {
		connect_client(s, i % 2, &s->sensor, "");
	}
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, ask_many, s), 0);
	}
	for (size_t i = 0; i < 8; i++) {
		void *result = NULL;
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, s);
	}
	struct bus_status status;
	bus_status(s->bus, &status);
	assert_int_equal(status.open_requests, 0);
	disconnect_clients(s);
}

static void
test_wrong_account(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct live_summary summary = { 0 };
	struct seen *seen = calloc(1, sizeof(*seen));
	static const char *const wrong[] = { "", "A", "acme", "A\",\"x\":\"" };
	assert_non_null(seen);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(
			live_connections(s->live, wrong[i], see, seen, &summary, &err),
			-1);
		assert_int_equal(err.code, ERR_INVALID);
	}
	/* one that no server ever heard of has nobody connected */
	char unknown[NKEY_TEXT_SIZE];
	struct nkey_public key = { .bytes = { 1, 2, 3 } };
	nkey_text_encode(NKEY_ACCOUNT, &key, unknown);
	err_clear(&err);
	ok(live_connections(s->live, unknown, see, seen, &summary, &err), &err);
	assert_complete(&summary);
	assert_int_equal(seen->len, 0);
	free(seen);
}

/* A server that does not answer is waited for, and told of; the last test of its stage:
 * who is left has nobody to talk to. */
static void
test_silence(void **state)
{
	struct stage *s = *state;
	struct err err = { 0 };
	struct live *impatient = NULL;
	struct live *whole = s->live;
	struct live_params params = { .timeout_ms = 700 };
	struct seen *seen = calloc(1, sizeof(*seen));
	assert_non_null(seen);
	wait_until_empty(s, seen);
	connect_client(s, 0, &s->sensor, "");
	ok(live_new(&params, &impatient, &err), &err);
	live_set_bus(impatient, s->bus);
	__atomic_store_n(&s->live, impatient, __ATOMIC_SEQ_CST);

	nats_server_signal(&s->servers[1], SIGSTOP);
	int64_t start = clock_mono_ms(&clock_system);
	struct live_summary summary = look(s, seen);
	assert_true(clock_mono_ms(&clock_system) - start >= 700);
	assert_int_equal(summary.servers, SERVERS);
	assert_int_equal(summary.answered, 1);
	assert_int_equal(seen->len, 1);
	assert_false(summary.complete);
	nats_server_signal(&s->servers[1], SIGCONT);

	/* nobody at all */
	nats_server_signal(&s->servers[1], SIGSTOP);
	nats_server_signal(&s->servers[0], SIGSTOP);
	assert_int_equal(
		live_connections(s->live, s->account_key, see, seen, &summary, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(err.msg, "no NATS server answered"));
	/* and no connection: at once */
	nats_server_signal(&s->servers[0], SIGCONT);
	nats_server_signal(&s->servers[1], SIGCONT);
	bus_stop(s->bus);
	__atomic_store_n(&s->live, whole, __ATOMIC_SEQ_CST);
	start = clock_mono_ms(&clock_system);
	assert_int_equal(live_trust(s->live, refuse_trust, NULL, &summary, &err), -1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	assert_true(clock_mono_ms(&clock_system) - start < SOON_MS);
	live_free(impatient);
	disconnect_clients(s);
	free(seen);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_bearer),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_trust),
		cmocka_unit_test(test_no_streams),
		cmocka_unit_test(test_lookups),
		cmocka_unit_test(test_removal),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_wrong_account),
		cmocka_unit_test(test_silence),
	};
	int failed = cmocka_run_group_tests_name(
		"live, newest server", tests, set_up_newest, tear_down);
	failed += cmocka_run_group_tests_name(
		"live, oldest server", tests, set_up_oldest, tear_down);
	return failed;
}
