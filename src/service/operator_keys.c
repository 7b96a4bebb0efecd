/* SPDX-License-Identifier: Apache-2.0 */
#include "service/operator_keys.h"

#include "base/str.h"
#include "mint/operator.h"
#include "service/internal.h"
#include "store/record.h"
#include "store/scrub.h"

#include <stdlib.h>
#include <string.h>

enum { TOKEN_MAX_BYTES = 64 * 1024, SIGNING_KEYS_MAX = 16, RACES_MAX = 5 };

/* One consistent look at all that the operator's JWT is made of. */
struct look {
	struct operator_row operator;
	struct operator_claims claims;
	struct nkey_public system_key;
	struct store_signing_key *keys;
	size_t len;
	bool identity_online;
	struct store_vault_seed identity;
	int64_t unproven;
};

static void
look_release(struct look *look)
{
	record_release(&operator_collection, &look->operator);
	operator_claims_release(&look->claims);
	free(look->keys);
	*look = (struct look){ 0 };
}

static int
find_identity(struct store_conn *conn, struct look *look, struct err *err)
{
	struct err why = { 0 };
	look->identity_online = store_vault_seed_get(conn, &look->operator.public_key,
					&look->identity, &why) == 0;
	if (look->identity_online || why.code == ERR_NOT_FOUND) {
		return 0;
	}
	*err = why;
	return -1;
}

static int
read_look(struct store_conn *conn, void *ctx, struct err *err)
{
	struct look *look = ctx;
	struct account system = { 0 };
	int found = store_operator_find(conn, &look->operator, err);
	if (found <= 0) {
		return found < 0 ? -1
				 : err_set(err, ERR_NOT_FOUND,
					   "there is no operator yet: run natsid init");
	}
	int rc = store_record_get(conn, &account_collection,
		look->operator.system_account_id, &system, err);
	look->system_key = system.public_key;
	record_release(&account_collection, &system);
	if (rc != 0 || store_operator_claims(conn, &look->claims, err) != 0 ||
		store_signing_key_list(conn, 0, &look->keys, &look->len, err) != 0 ||
		store_operator_unproven(conn, 0, NULL, NULL, &look->unproven, err) != 0 ||
		find_identity(conn, look, err) != 0) {
		return -1;
	}
	return look->len > 0 && look->len <= SIGNING_KEYS_MAX
		? 0
		: err_set(err, ERR_CORRUPT, "the operator has %zu signing keys",
			  look->len);
}

/* ---- how far it is ---- */

/* Position of the key of that sort, or -1. */
static int
find_key(const struct look *look, bool (*is)(const struct look *look, size_t at))
{
	for (size_t at = 0; at < look->len; at++) {
		if (is(look, at)) {
			return (int)at;
		}
	}
	return -1;
}

static bool
is_next(const struct look *look, size_t at)
{
	return look->keys[at].next;
}

/* Does the key sign rather than the other? The store chooses the same way. */
static bool
is_before(const struct store_signing_key *key, const struct store_signing_key *other)
{
	return key->key_set != other->key_set ? key->key_set > other->key_set
					      : key->seq > other->seq;
}

/* Active, and no active one is newer. */
static bool
is_signing(const struct look *look, size_t at)
{
	const struct store_signing_key *key = &look->keys[at];
	for (size_t i = 0; i < look->len; i++) {
		if (!look->keys[i].next && is_before(&look->keys[i], key)) {
			return false;
		}
	}
	return !key->next;
}

static bool
is_old(const struct look *look, size_t at)
{
	return !look->keys[at].next && !is_signing(look, at);
}

static enum rotation_phase
phase_of(const struct look *look)
{
	if (find_key(look, is_next) >= 0) {
		return ROTATION_ADDED;
	}
	return find_key(look, is_old) >= 0 ? ROTATION_SWITCHED : ROTATION_NONE;
}

static void
put_key(const struct look *look, bool (*is)(const struct look *look, size_t at),
	char out[static NKEY_TEXT_SIZE])
{
	int at = find_key(look, is);
	out[0] = '\0';
	if (at >= 0) {
		nkey_text_encode(NKEY_OPERATOR, &look->keys[at].public_key, out);
	}
}

int
service_rotation(struct service *service, const struct actor *actor, struct rotation *out,
	struct err *err)
{
	struct look look = { 0 };
	if (authorise(actor, VERB_VIEW, &operator_collection, NULL, err) != 0) {
		return -1;
	}
	int rc = service_read(service, read_look, &look, err);
	if (rc == 0) {
		out->phase = phase_of(&look);
		put_key(&look, is_signing, out->signing_key);
		put_key(&look, is_next, out->next_key);
		put_key(&look, is_old, out->old_key);
		out->identity_online = look.identity_online;
		out->unproven = look.unproven;
	}
	look_release(&look);
	return rc;
}

/* ---- a change of the operator ---- */

/* What differs between the changes. */
struct step {
	const char *name; /* in the audit, and in errors */
	const char *field; /* what the audit says was changed */
	bool phases[ROTATION_SWITCHED + 1]; /* in which it may be made */
	const char *otherwise; /* why not in others */
	bool minted; /* the JWT changes */
	bool makes_key;
	bool (*drops)(const struct look *look, size_t at); /* keys that go; NULL: none */
	int (*write)(struct store_tx *tx, const struct look *look, struct err *err);
};

/* One change on its way. */
struct change {
	struct service *service;
	const struct actor *actor;
	const struct step *step;
	const struct operator_change *claims; /* NULL: they stay */
	const struct buf *identity; /* NULL: the one that is here */
	struct look look;
	struct new_key added;
	char *jwt;
};

/* The seed that signs the operator's JWT: the one that was given, else the one here. */
static int
open_identity(const struct change *change, struct vault_seed *out, struct err *err)
{
	const struct look *look = &change->look;
	if (change->identity != NULL) {
		*out = (struct vault_seed){
			.owner_table = "operator",
			.owner_column = "public_key",
			.owner_id = look->operator.head.id,
			.role = NKEY_OPERATOR,
			.public_key = look->operator.public_key,
		};
		return mint_operator_find_seed(change->service->vault,
			change->identity->data, change->identity->len, out, err);
	}
	if (!look->identity_online) {
		return err_set(err, ERR_CONFLICT,
			"the seed of the operator's identity is offline: give the file "
			"that natsid operator export --seeds wrote on standard input, "
			"with --identity -");
	}
	*out = sealed_seed(&look->identity);
	return 0;
}

static int
mint_jwt(struct change *change, struct err *err)
{
	const struct look *look = &change->look;
	struct nkey_public keys[SIGNING_KEYS_MAX + 1];
	struct vault_seed identity;
	struct buf token;
	struct mint_operator mint = {
		.name = look->operator.name,
		.identity = &identity,
		.signing_keys = keys,
		.system_account = look->system_key,
		.claims = &look->claims,
		.iat = clock_wall_s(change->service->clock),
	};
	if (open_identity(change, &identity, err) != 0) {
		return -1;
	}
	for (size_t at = 0; at < look->len; at++) {
		if (change->step->drops == NULL || !change->step->drops(look, at)) {
			keys[mint.signing_key_count++] = look->keys[at].public_key;
		}
	}
	if (change->added.wanted) {
		keys[mint.signing_key_count++] = change->added.seed.public_key;
	}
	buf_init(&token, TOKEN_MAX_BYTES);
	int rc = mint_operator(change->service->vault, &mint, &token, err);
	if (rc == 0) {
		rc = buf_finish(&token, err);
	}
	if (rc == 0) {
		change->jwt = buf_take(&token);
	}
	buf_release(&token);
	return rc;
}

/* Newer than all others, so that it signs as soon as it is active. */
static int
insert_added(struct store_tx *tx, const struct change *change, struct err *err)
{
	struct store_signing_key row = {
		.public_key = change->added.seed.public_key,
		.key_set = 1,
		.next = true,
	};
	for (size_t at = 0; at < change->look.len; at++) {
		if (change->look.keys[at].key_set >= row.key_set) {
			row.key_set = change->look.keys[at].key_set + 1;
		}
	}
	memcpy(row.id, change->added.id, sizeof(row.id));
	if (store_signing_key_insert(tx, &row, err) < 0) {
		return -1;
	}
	return store_vault_seed_insert(tx, &change->added.seed, err);
}

static int
audit(struct store_tx *tx, const struct change *change, struct err *err)
{
	struct strlist fields = { 0 };
	int rc = strlist_add(&fields, change->step->field, err);
	if (rc == 0) {
		rc = service_audit(tx, change->actor, change->step->name,
			&operator_collection, change->look.operator.head.id, &fields,
			err);
	}
	strlist_release(&fields);
	return rc;
}

static int
write_change(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct change *change = ctx;
	const struct look *look = &change->look;
	/* First, since it tells whether the look still holds. */
	if (store_operator_update(tx, &look->operator.head,
		    change->jwt != NULL ? change->jwt : look->operator.jwt, &look->claims,
		    err) != 0) {
		return -1;
	}
	if (change->step->write != NULL && change->step->write(tx, look, err) != 0) {
		return -1;
	}
	for (size_t at = 0; change->step->drops != NULL && at < look->len; at++) {
		if (change->step->drops(look, at) &&
			destroy_signing_keys(tx, &look->keys[at], 1, err) != 0) {
			return -1;
		}
	}
	if (change->added.wanted && insert_added(tx, change, err) != 0) {
		return -1;
	}
	return audit(tx, change, err);
}

static int
set_list(const struct strlist *to, struct strlist *list, struct err *err)
{
	if (to == NULL) {
		return 0;
	}
	strlist_release(list);
	return strlist_copy(to, list, err);
}

static int
set_text(const char *to, char **text, struct err *err)
{
	if (to == NULL) {
		return 0;
	}
	free(*text);
	*text = str_dup(to);
	return *text == NULL ? err_nomem(err) : 0;
}

static int
set_claims(
	const struct operator_change *to, struct operator_claims *claims, struct err *err)
{
	if (to->strict_signing_key_usage != NULL) {
		claims->strict_signing_key_usage = *to->strict_signing_key_usage;
	}
	return set_list(to->service_urls, &claims->service_urls, err) != 0 ||
			set_list(to->tags, &claims->tags, err) != 0 ||
			set_text(to->account_server_url, &claims->account_server_url,
				err) != 0 ||
			set_text(to->assert_server_version,
				&claims->assert_server_version, err) != 0
		? -1
		: 0;
}

static int
try_change(struct change *change, struct err *err)
{
	char key_id[RAND_ID_SIZE];
	const struct step *step = change->step;
	if (service_read(change->service, read_look, &change->look, err) != 0) {
		return -1;
	}
	if (!step->phases[phase_of(&change->look)]) {
		return err_set(err, ERR_CONFLICT, "%s", step->otherwise);
	}
	if (change->claims != NULL &&
		set_claims(change->claims, &change->look.claims, err) != 0) {
		return -1;
	}
	rand_id(change->service->clock, key_id);
	if (step->makes_key &&
		new_key_make(change->service, &change->added, "signing_keys",
			"public_key", key_id, NKEY_OPERATOR, err) != 0) {
		return -1;
	}
	if (step->minted && mint_jwt(change, err) != 0) {
		return -1;
	}
	return store_write(change->service->store, write_change, change, err);
}

/* Again when somebody else changed the operator meanwhile: then another phase may tell
 * that this step was made already. */
static int
make_change(const struct change *wanted, struct err *err)
{
	if (authorise(wanted->actor, VERB_UPDATE, &operator_collection, NULL, err) != 0) {
		return -1;
	}
	for (int race = 0; race < RACES_MAX; race++) {
		struct change change = *wanted;
		err_clear(err);
		int rc = try_change(&change, err);
		look_release(&change.look);
		free(change.jwt);
		if (rc == 0 || err->code != ERR_STALE) {
			return rc;
		}
	}
	return err_set(err, ERR_CONFLICT, "others keep changing the operator, try again");
}

/* ---- the steps ---- */

static const struct step add_step = {
	.name = "rotate-add",
	.field = "signing_keys",
	.phases = { [ROTATION_NONE] = true },
	.otherwise = "a rotation of the operator's signing key is under way already",
	.minted = true,
	.makes_key = true,
};

int
service_rotation_add(struct service *service, const struct actor *actor,
	const struct buf *identity, struct err *err)
{
	struct change change = {
		.service = service,
		.actor = actor,
		.step = &add_step,
		.identity = identity,
	};
	return make_change(&change, err);
}

static const struct step abort_step = {
	.name = "rotate-abort",
	.field = "signing_keys",
	.phases = { [ROTATION_ADDED] = true },
	.otherwise = "there is nothing to abort: either no rotation is under way, or the "
		     "new key signs already; then run it to its end",
	.minted = true,
	.drops = is_next,
};

int
service_rotation_abort(struct service *service, const struct actor *actor,
	const struct buf *identity, struct err *err)
{
	struct change change = {
		.service = service,
		.actor = actor,
		.step = &abort_step,
		.identity = identity,
	};
	return make_change(&change, err);
}

static int
write_switch(struct store_tx *tx, const struct look *look, struct err *err)
{
	int at = find_key(look, is_next);
	if (store_operator_activate(tx, look->keys[at].seq, err) != 0) {
		return -1;
	}
	return store_operator_reissue(tx, err);
}

static const struct step switch_step = {
	.name = "rotate-switch",
	.field = "signing_public_key",
	.phases = { [ROTATION_ADDED] = true },
	.otherwise = "there is no next signing key to switch to",
	.write = write_switch,
};

int
service_rotation_switch(
	struct service *service, const struct actor *actor, struct err *err)
{
	struct change change = {
		.service = service,
		.actor = actor,
		.step = &switch_step,
	};
	return make_change(&change, err);
}

/* Looked at inside the transaction: the old key must not go while any JWT in force is
 * signed by it. */
static int
write_remove(struct store_tx *tx, const struct look *look, struct err *err)
{
	int64_t unproven = 0;
	if (store_operator_unproven(store_tx_conn(tx), 0, NULL, NULL, &unproven, err) !=
		0) {
		return -1;
	}
	if (unproven > 0) {
		return err_set(err, ERR_CONFLICT,
			"%lld accounts are not proven with the new key yet",
			(long long)unproven);
	}
	(void)look; /* the accounts say it */
	return 0;
}

static const struct step remove_step = {
	.name = "rotate-remove",
	.field = "signing_keys",
	.phases = { [ROTATION_SWITCHED] = true },
	.otherwise = "there is no old signing key to remove",
	.minted = true,
	.drops = is_old,
	.write = write_remove,
};

int
service_rotation_remove(struct service *service, const struct actor *actor,
	const struct buf *identity, struct err *err)
{
	struct change change = {
		.service = service,
		.actor = actor,
		.step = &remove_step,
		.identity = identity,
	};
	return make_change(&change, err);
}

struct unproven_walk {
	int64_t limit;
	int (*fn)(void *ctx, const struct store_unproven *account, struct err *err);
	void *ctx;
};

static int
read_unproven(struct store_conn *conn, void *ctx, struct err *err)
{
	struct unproven_walk *walk = ctx;
	int64_t count = 0;
	return store_operator_unproven(
		conn, walk->limit, walk->fn, walk->ctx, &count, err);
}

int
service_rotation_unproven(struct service *service, const struct actor *actor,
	int64_t limit,
	int (*fn)(void *ctx, const struct store_unproven *account, struct err *err),
	void *ctx, struct err *err)
{
	struct unproven_walk walk = { .limit = limit, .fn = fn, .ctx = ctx };
	if (authorise(actor, VERB_VIEW, &operator_collection, NULL, err) != 0) {
		return -1;
	}
	return service_read(service, read_unproven, &walk, err);
}

struct server_walk {
	const struct store_server_seen *seen;
	size_t seen_len;
	struct store_server **out;
	size_t *out_len;
};

static int
write_servers(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct server_walk *walk = ctx;
	for (size_t i = 0; i < walk->seen_len; i++) {
		int64_t seq = 0;
		int64_t incarnation = 0;
		if (store_server_seen(tx, &walk->seen[i], &seq, &incarnation, err) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
read_servers(struct store_conn *conn, void *ctx, struct err *err)
{
	struct server_walk *walk = ctx;
	return store_server_list(conn, walk->out, walk->out_len, err);
}

int
service_rotation_servers(struct service *service, const struct actor *actor,
	const struct store_server_seen *seen, size_t seen_len, struct store_server **out,
	size_t *out_len, struct err *err)
{
	struct server_walk walk = {
		.seen = seen,
		.seen_len = seen_len,
		.out = out,
		.out_len = out_len,
	};
	if (authorise(actor, VERB_UPDATE, &operator_collection, NULL, err) != 0 ||
		(seen_len > 0 &&
			store_write(service->store, write_servers, &walk, err) != 0)) {
		return -1;
	}
	return service_read(service, read_servers, &walk, err);
}

/* ---- what the JWT says ---- */

static const struct step set_step = {
	.name = "update",
	.field = "jwt",
	.phases = { true, true, true },
	.otherwise = "",
	.minted = true,
};

int
service_operator_set(struct service *service, const struct actor *actor,
	const struct operator_change *to, const struct buf *identity, struct err *err)
{
	struct change change = {
		.service = service,
		.actor = actor,
		.step = &set_step,
		.claims = to,
		.identity = identity,
	};
	return make_change(&change, err);
}

/* ---- seeds ---- */

static int
no_identity(struct err *err)
{
	return err_set(err, ERR_CONFLICT,
		"the seed of the operator's identity is not here any more: it was "
		"exported and forgotten");
}

struct export
{
	const struct actor *actor;
	struct look look;
	struct store_vault_seed seeds[SIGNING_KEYS_MAX];
};

static int
read_export(struct store_conn *conn, void *ctx, struct err *err)
{
	struct export *export = ctx;
	struct look *look = &export->look;
	if (read_look(conn, look, err) != 0) {
		return -1;
	}
	if (!look->identity_online) {
		return no_identity(err);
	}
	for (size_t at = 0; at < look->len; at++) {
		if (store_vault_seed_get(conn, &look->keys[at].public_key,
			    &export->seeds[at], err) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
write_export(struct store_tx *tx, void *ctx, struct err *err)
{
	const struct export *export = ctx;
	return service_audit(tx, export->actor, "export-seeds", &operator_collection,
		export->look.operator.head.id, NULL, err);
}

static void
put_comment(struct buf *out, const char *before, const struct nkey_public *key,
	const char *after)
{
	char text[NKEY_TEXT_SIZE];
	nkey_text_encode(NKEY_OPERATOR, key, text);
	buf_put_str(out, before);
	buf_put_str(out, text);
	buf_put_str(out, after);
}

static int
render_seeds(struct service *service, const struct export *export, struct buf *out,
	struct err *err)
{
	const struct look *look = &export->look;
	struct vault_seed identity = sealed_seed(&look->identity);
	buf_put_str(out,
		"# Seeds of a NATS operator. Who has them can make accounts and users of "
		"this system, at every\n# server, for ever: keep them offline, and two "
		"copies of them.\n#\n");
	put_comment(out, "# The identity ", &look->operator.public_key,
		": it signs the operator's JWT, and nothing else.\n");
	if (mint_operator_seed(service->vault, &identity, "IDENTITY", out, err) != 0) {
		return -1;
	}
	for (size_t at = 0; at < look->len; at++) {
		struct vault_seed seed = sealed_seed(&export->seeds[at]);
		put_comment(out, "\n# The signing key ", &look->keys[at].public_key,
			is_signing(look, at)        ? ": it signs the accounts.\n"
				: is_next(look, at) ? ": it will sign the accounts.\n"
						    : ": it goes soon.\n");
		if (mint_operator_seed(service->vault, &seed, "SIGNING", out, err) != 0) {
			return -1;
		}
	}
	return buf_finish(out, err);
}

int
service_operator_seeds(struct service *service, const struct actor *actor,
	struct buf *out, struct err *err)
{
	struct export export = { .actor = actor };
	/* What only a person at the host may do: no verb of the API gives seeds away. */
	if (actor->kind != ACTOR_CONSOLE) {
		return err_set(
			err, ERR_FORBIDDEN, "Seeds leave by the command line only.");
	}
	int rc = service_read(service, read_export, &export, err);
	if (rc == 0) {
		rc = render_seeds(service, &export, out, err);
	}
	if (rc == 0) {
		rc = store_write(service->store, write_export, &export, err);
	}
	look_release(&export.look);
	return rc;
}

static int
write_forget(struct store_tx *tx, const struct look *look, struct err *err)
{
	return store_vault_seed_delete(tx, &look->operator.public_key, err);
}

static const struct step forget_step = {
	.name = "forget-identity",
	.field = "identity_online",
	.phases = { true, true, true },
	.otherwise = "",
	.write = write_forget,
};

/* Is the seed really in what was kept? */
static int
check_exported(struct service *service, const struct buf *exported, struct err *err)
{
	struct vault_seed seed;
	struct change change = { .service = service, .identity = exported };
	int rc = service_read(service, read_look, &change.look, err);
	if (rc == 0 && !change.look.identity_online) {
		rc = no_identity(err);
	}
	if (rc == 0) {
		rc = open_identity(&change, &seed, err);
	}
	look_release(&change.look);
	return rc;
}

int
service_operator_forget(struct service *service, const struct actor *actor,
	const struct buf *exported, struct err *err)
{
	struct change change = {
		.service = service,
		.actor = actor,
		.step = &forget_step,
	};
	if (check_exported(service, exported, err) != 0) {
		return -1;
	}
	return make_change(&change, err);
}

int
service_operator_scrub(struct service *service, bool rewrite, struct err *err)
{
	return store_scrub(service->store, rewrite, err);
}
