/* SPDX-License-Identifier: Apache-2.0
 * Minting beside what libsodium alone costs, on one core: prints "mint RATE LIMIT" for a
 * new user (key pair, sealed seed, JWT) beside a key pair and a signature, and "creds
 * RATE LIMIT" for the creds of a stored user beside a signature. */
#include "bench/compare.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/rand.h"
#include "mint/user.h"
#include "model/limits.h"
#include "vault/vault.h"

#include <sodium.h>
#include <string.h>

enum { TOKEN_LEN = 500, CREDS_MAX = LIMIT_USER_JWT_BYTES + 1024 };

struct bench {
	struct vault *vault;
	struct user user;
	struct vault_seed user_seed;
	struct mint_user mint;
	uint8_t message[TOKEN_LEN];
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES];
	uint8_t secret_key[crypto_sign_SECRETKEYBYTES];
	uint8_t signature[crypto_sign_BYTES];
};

static bool
keypair_and_sign(void *ctx)
{
	struct bench *b = ctx;
	crypto_sign_keypair(b->public_key, b->secret_key);
	return crypto_sign_detached(b->signature, NULL, b->message, sizeof(b->message),
		       b->secret_key) == 0;
}

static bool
sign(void *ctx)
{
	struct bench *b = ctx;
	return crypto_sign_detached(b->signature, NULL, b->message, sizeof(b->message),
		       b->secret_key) == 0;
}

static bool
new_user(void *ctx)
{
	struct bench *b = ctx;
	struct err err = { 0 };
	struct buf token;
	char id[RAND_ID_SIZE];
	rand_id(&clock_system, id);
	struct vault_seed seed = {
		.owner_table = "users",
		.owner_column = "public_key",
		.owner_id = id,
		.role = NKEY_USER,
	};
	buf_init_secret(&token, CREDS_MAX);
	bool ok = vault_generate(b->vault, &seed, &err) == 0;
	b->user.public_key = seed.public_key;
	ok = ok && mint_user(b->vault, &b->mint, &token, &err) == 0;
	buf_release(&token);
	return ok;
}

static bool
creds_of_user(void *ctx)
{
	struct bench *b = ctx;
	struct err err = { 0 };
	struct buf token;
	struct buf creds;
	buf_init_secret(&token, CREDS_MAX);
	buf_init_secret(&creds, CREDS_MAX);
	bool ok = mint_user(b->vault, &b->mint, &token, &err) == 0 &&
		mint_creds(b->vault, &token, &b->user_seed, &creds, &err) == 0;
	buf_release(&token);
	buf_release(&creds);
	return ok;
}

static int
run(struct bench *b, struct err *err)
{
	static const char uuid[] = "00000000-0000-4000-8000-000000000000";
	uint8_t master_key[VAULT_KEY_LEN];
	struct vault_slot slot;
	struct vault_data_key data_key;
	struct vault_seed issuer = {
		.owner_table = "signing_keys",
		.owner_column = "public_key",
		.owner_id = "benchsigningkey",
		.role = NKEY_ACCOUNT,
	};
	struct vault_seed account = issuer;
	account.owner_table = "accounts";
	account.owner_id = "benchaccount000";

	rand_bytes(master_key, sizeof(master_key));
	rand_bytes(b->message, sizeof(b->message));
	crypto_sign_keypair(b->public_key, b->secret_key);
	b->user_seed = (struct vault_seed){
		.owner_table = "users",
		.owner_column = "public_key",
		.owner_id = "benchuser000000",
		.role = NKEY_USER,
	};
	if (vault_create(master_key, uuid, &slot, &data_key, &b->vault, err) != 0 ||
		vault_generate(b->vault, &issuer, err) != 0 ||
		vault_generate(b->vault, &account, err) != 0 ||
		vault_generate(b->vault, &b->user_seed, err) != 0 ||
		user_init(&b->user, err) != 0) {
		return -1;
	}
	b->user.iat = clock_wall_s(&clock_system);
	b->mint = (struct mint_user){
		.user = &b->user,
		.account_key = account.public_key,
		.issuer = &issuer,
	};
	if (compare_run("mint", new_user, keypair_and_sign, b) != 0) {
		return -1;
	}
	b->user.public_key = b->user_seed.public_key;
	return compare_run("creds", creds_of_user, sign, b);
}

int
main(void)
{
	struct bench b = { 0 };
	struct err err = { 0 };
	if (sodium_init() < 0) {
		return 1;
	}
	int rc = run(&b, &err);
	if (rc != 0 && err.code != ERR_NONE) {
		fprintf(stderr, "mint: %s\n", err.msg);
	}
	record_release(&user_collection, &b.user);
	vault_free(b.vault);
	return rc == 0 ? 0 : 1;
}
